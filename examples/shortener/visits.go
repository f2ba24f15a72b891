package main

import (
	"strings"
	"sync"
)

// visitBytes is what a visit takes besides its address: the headers of two strings and its part of the maps.
const visitBytes = 64

// Visits remembers the last visits, the whole address of each: what stands behind the question mark tells a link's
// owner where it was found. They are bounded in bytes, and the oldest go first.
type Visits struct {
	mu        sync.Mutex
	most      int64
	bytes     int64
	addresses []string // from first on
	first     int
	byCode    map[string]int
}

// NewVisits makes room for visits; with 0 none is remembered.
func NewVisits(mostBytes int64) *Visits {
	return &Visits{most: mostBytes, byCode: make(map[string]int)}
}

// Add remembers a visit, by its address without the host.
func (v *Visits) Add(address string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.addresses = append(v.addresses, address)
	v.bytes += int64(len(address)) + visitBytes
	v.byCode[codeOf(address)]++
	for v.bytes > v.most {
		v.dropOldest()
	}
}

// Of returns how many of the last visits a short name had, and the latest of their addresses, at most so many.
func (v *Visits) Of(code string, most int) (count int, latest []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := len(v.addresses) - 1; i >= v.first && len(latest) < most && len(latest) < v.byCode[code]; i-- {
		if codeOf(v.addresses[i]) == code {
			latest = append(latest, v.addresses[i])
		}
	}
	return v.byCode[code], latest
}

// Count returns how many visits are remembered.
func (v *Visits) Count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.addresses) - v.first
}

func (v *Visits) dropOldest() {
	oldest := v.addresses[v.first]
	v.addresses[v.first] = ""
	v.first++
	v.bytes -= int64(len(oldest)) + visitBytes
	code := codeOf(oldest)
	if v.byCode[code]--; v.byCode[code] == 0 {
		delete(v.byCode, code)
	}
	if v.first > len(v.addresses)/2 {
		v.addresses = append(v.addresses[:0], v.addresses[v.first:]...)
		v.first = 0
	}
}

func codeOf(address string) string {
	path, _, _ := strings.Cut(address, "?")
	return strings.ToLower(strings.Trim(path, "/"))
}
