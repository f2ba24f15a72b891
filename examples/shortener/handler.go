package main

import (
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"strings"
)

const (
	maxFormBytes = 8 << 10
	// shownVisits of a short name, the latest first.
	shownVisits = 20
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Short links</title></head><body><h1>Short links</h1>
{{with .Code}}<p><a href="/{{.}}">/{{.}}</a> is the short name.</p>{{end}}
{{with .Problem}}<p>{{.}}</p>{{end}}
{{with .Latest}}<ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}
<form method="post" action="/"><input type="url" name="address" required maxlength="2048" aria-label="Address">
<button>Shorten</button></form><p>{{.Count}} links, {{.Visits}} visits of late</p></body></html>
`))

type shown struct {
	Code, Problem string
	Count, Visits int
	Latest        []string
}

// Handler answers visitors.
type Handler struct {
	links   *Links
	visits  *Visits
	release string
}

// NewHandler makes the handler of all addresses.
func NewHandler(links *Links, visits *Visits, release string) http.Handler {
	if release == "" {
		release = "unknown"
	}
	handler := &Handler{links: links, visits: visits, release: release}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", handler.health)
	mux.HandleFunc("/", handler.root)
	return mux
}

func (h *Handler) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Release", h.release)
	w.Header().Set("Cache-Control", "no-store")
	if err := h.links.Check(); err != nil {
		log.Print(err)
		http.Error(w, "the links cannot be written", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (h *Handler) root(w http.ResponseWriter, r *http.Request) {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case r.URL.Path == "/" && r.Method == http.MethodPost:
		h.add(w, r)
	case !reading:
		http.Error(w, "not allowed", http.StatusMethodNotAllowed)
	case strings.HasSuffix(r.URL.Path, "+"):
		h.showVisits(w, r)
	case r.URL.Path == "/":
		h.visits.Add(r.RequestURI)
		h.show(w, http.StatusOK, shown{})
	default:
		h.follow(w, r)
	}
}

func (h *Handler) follow(w http.ResponseWriter, r *http.Request) {
	address, ok := h.links.Address(strings.TrimPrefix(r.URL.Path, "/"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.visits.Add(r.RequestURI)
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.Redirect(w, r, address, http.StatusFound)
}

// showVisits answers at a short name with a + behind it.
func (h *Handler) showVisits(w http.ResponseWriter, r *http.Request) {
	code := strings.ToLower(strings.Trim(r.URL.Path, "/+"))
	if !h.links.has(code) {
		http.NotFound(w, r)
		return
	}
	count, latest := h.visits.Of(code, shownVisits)
	h.show(w, http.StatusOK, shown{Code: code, Visits: count, Latest: latest})
}

func (h *Handler) add(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		h.show(w, http.StatusRequestEntityTooLarge, shown{Problem: "The form is too long or damaged."})
		return
	}
	code, err := h.links.Add(strings.TrimSpace(r.PostForm.Get("address")))
	switch {
	case errors.Is(err, errAddress):
		h.show(w, http.StatusUnprocessableEntity, shown{Problem: err.Error()})
	case errors.Is(err, errFull):
		h.show(w, http.StatusInsufficientStorage, shown{Problem: err.Error()})
	case err != nil:
		log.Print(err)
		h.show(w, http.StatusServiceUnavailable, shown{Problem: "The link cannot be kept just now."})
	default:
		h.show(w, http.StatusCreated, shown{Code: code})
	}
}

func (h *Handler) show(w http.ResponseWriter, status int, what shown) {
	what.Count = h.links.Count()
	if what.Code == "" { // else they are those of the short name
		what.Visits = h.visits.Count()
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := page.Execute(w, what); err != nil {
		log.Print(err) // the visitor has gone
	}
}
