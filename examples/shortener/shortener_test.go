package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, path string, most int) *Links {
	t.Helper()
	links, err := OpenLinks(path, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { links.Close() })
	return links
}

func TestLinksOutliveTheProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "links.jsonl")
	first := open(t, path, 10)
	code, err := first.Add("https://example.org/a?b=c#d")
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, path, 10)
	if address, ok := second.Address(strings.ToUpper(code)); !ok || address != "https://example.org/a?b=c#d" {
		t.Fatalf("got %q, %v", address, ok)
	}
}

func TestALineThatWasCutOffIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "links.jsonl")
	whole := `{"code":"aaaaaaaa","address":"https://example.org/"}` + "\n"
	if err := os.WriteFile(path, []byte(whole+`{"code":"bbbb`), 0o600); err != nil {
		t.Fatal(err)
	}
	links := open(t, path, 10)
	if _, err := links.Add("https://example.org/2"); err != nil {
		t.Fatal(err)
	}
	if again := open(t, path, 10); again.Count() != 2 {
		t.Fatalf("%d links", again.Count())
	}
}

func TestADamagedFileIsNotOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "links.jsonl")
	if err := os.WriteFile(path, []byte("no JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLinks(path, 10); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Fatal(err)
	}
}

func TestOnlySoManyAreKept(t *testing.T) {
	links := open(t, filepath.Join(t.TempDir(), "links.jsonl"), 20)
	var wait sync.WaitGroup
	for i := 0; i < 40; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if _, err := links.Add("https://example.org/"); err != nil && !errors.Is(err, errFull) {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	if links.Count() != 20 {
		t.Fatalf("%d links", links.Count())
	}
}

func TestVisitors(t *testing.T) {
	links := open(t, filepath.Join(t.TempDir(), "links.jsonl"), 3)
	code, _ := links.Add("https://example.org/there")
	server := httptest.NewServer(NewHandler(links, NewVisits(1<<20), "r1"))
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, one := range []struct {
		method, path, address string
		status                int
	}{
		{"GET", "/healthz", "", 200},
		{"GET", "/", "", 200},
		{"GET", "/" + code, "", 302},
		{"GET", "/" + code + "+", "", 200},
		{"GET", "/unknown", "", 404},
		{"GET", "/unknown+", "", 404},
		{"DELETE", "/" + code, "", 405},
		{"POST", "/", "https://example.org/<b>", 201},
		{"POST", "/", "javascript:alert(1)", 422},
		{"POST", "/", "//example.org/", 422},
		{"POST", "/", "https://", 422},
		{"POST", "/", "https://example.org/" + strings.Repeat("x", 2048), 422},
		{"POST", "/", "https://example.org/" + strings.Repeat("x", 9000), 413},
		{"POST", "/", "http://example.org/", 201},
		{"POST", "/", "http://example.org/", 507},
	} {
		form := strings.NewReader(url.Values{"address": {one.address}}.Encode())
		request, _ := http.NewRequest(one.method, server.URL+one.path, form)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != one.status {
			t.Errorf("%s %s %.40s: %d, not %d", one.method, one.path, one.address, answer.StatusCode, one.status)
		}
		if one.status == 302 && answer.Header.Get("Location") != "https://example.org/there" {
			t.Error(answer.Header)
		}
	}
}

func TestADiskThatFailsIsNoticed(t *testing.T) {
	links := open(t, filepath.Join(t.TempDir(), "links.jsonl"), 3)
	links.Close()
	recorder := httptest.NewRecorder()
	NewHandler(links, NewVisits(0), "").ServeHTTP(recorder, httptest.NewRequest("GET", "/healthz", nil))
	if recorder.Code != http.StatusServiceUnavailable {
		t.Fatal(recorder.Code)
	}
}
