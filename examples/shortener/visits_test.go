package main

import (
	"fmt"
	"reflect"
	"testing"
)

func TestTheOldestVisitsAreForgotten(t *testing.T) {
	visits := NewVisits(10 * (visitBytes + 10))
	for i := 0; i < 100; i++ {
		visits.Add(fmt.Sprintf("/%s?from=%02d", []string{"a", "B"}[i%2], i))
		if visits.Count() > 10 {
			t.Fatalf("%d visits after %d", visits.Count(), i+1)
		}
	}
	count, latest := visits.Of("b", 2)
	if count != 5 || !reflect.DeepEqual(latest, []string{"/B?from=99", "/B?from=97"}) {
		t.Fatal(count, latest)
	}
	if count, latest := visits.Of("nobody", 2); count != 0 || latest != nil {
		t.Fatal(count, latest)
	}
}

func TestWithoutRoomNoVisitIsRemembered(t *testing.T) {
	visits := NewVisits(0)
	visits.Add("/a")
	if visits.Count() != 0 || len(visits.byCode) != 0 {
		t.Fatal(visits)
	}
}
