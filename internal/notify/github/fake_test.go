package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// What names a request.
type what string

const (
	list     what = "list"
	search   what = "search"
	create   what = "create"
	read     what = "read"
	edit     what = "edit"
	comments what = "comments"
	addition what = "comment"
)

// A ticket is one issue of the fake.
type ticket struct {
	issue
	Number   int64
	State    string
	Reason   string
	Created  time.Time
	Comments []string
	late     bool // the search does not have it yet
}

// A fault is what the next such request meets.
type fault struct {
	what    what
	status  int // 0: the work is done and the reply lost
	headers map[string]string
	body    string
}

// A fake is one repository of GitHub, as strict as the documentation reads. It is
// safe for concurrent use.
type fake struct {
	base string // "/api/v3" of an Enterprise Server

	mu       sync.Mutex // guards what follows
	tickets  []*ticket
	faults   []fault
	requests []what
	writes   []notifytest.Taken
	lateness bool
}

func (f *fake) next(o fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, o)
}

func (f *fake) all() []ticket {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]ticket, 0, len(f.tickets))
	for _, t := range f.tickets {
		c := *t
		c.Comments = slices.Clone(t.Comments)
		all = append(all, c)
	}
	return all
}

// taken are the issues and comments that were written.
func (f *fake) taken() []notifytest.Taken {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

func (f *fake) count(w what) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if r == w {
			n++
		}
	}
	return n
}

// add puts an issue there, as others make them too.
func (f *fake) add(t ticket) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.Number == 0 {
		t.Number = int64(len(f.tickets) + 1)
	}
	if t.State == "" {
		t.State = "open"
	}
	f.tickets = append(f.tickets, &t)
	return t.Number
}

func (f *fake) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tickets = nil
}

var (
	issuePath = regexp.MustCompile(`^/repos/acme/findings/issues(?:/(\d+)(/comments)?)?$`)
	bySearch  = regexp.MustCompile(`^"([\w-]+)" in:body is:issue repo:acme/findings$`)
)

type refusal struct {
	status  int
	message string
}

func (r refusal) Error() string { return r.message }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	which, work := f.route(r)
	f.requests = append(f.requests, which)
	lost := false
	if i := slices.IndexFunc(f.faults, func(o fault) bool { return o.what == which }); i >= 0 {
		o := f.faults[i]
		f.faults = slices.Delete(f.faults, i, i+1)
		if o.status != 0 {
			w.Header().Set("Date", notifytest.Now().Format(http.TimeFormat))
			for name, value := range o.headers {
				w.Header().Set(name, value)
			}
			w.WriteHeader(o.status)
			io.WriteString(w, o.body)
			return
		}
		lost = true
	}
	var reply any
	status := http.StatusOK
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		err = refusal{http.StatusUnauthorized, "Bad credentials"}
	case r.Header.Get("User-Agent") == "" || r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-GitHub-Api-Version") != "2022-11-28":
		err = refusal{http.StatusForbidden, "Request forbidden by administrative rules."}
	case work == nil:
		err = refusal{http.StatusNotFound, "Not Found"}
	default:
		reply, err = work(body)
	}
	if lost {
		panic(http.ErrAbortHandler)
	}
	if refused, ok := errors.AsType[refusal](err); ok {
		status, reply = refused.status, map[string]any{"message": refused.message, "documentation_url": "https://docs.github.com/rest"}
	} else if which == create || which == addition {
		status = http.StatusCreated
		f.writes = append(f.writes, notifytest.Taken{Header: r.Header.Clone(), Body: body})
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		return // nobody is left to tell
	}
}

// route is called with mu held, and so is what it gives.
func (f *fake) route(r *http.Request) (what, func([]byte) (any, error)) {
	path, under := strings.CutPrefix(r.URL.Path, f.base)
	if !under {
		return "", nil
	}
	q := r.URL.Query()
	if path == "/search/issues" && r.Method == http.MethodGet {
		return search, func([]byte) (any, error) { return f.search(q.Get("q")) }
	}
	at := issuePath.FindStringSubmatch(path)
	if at == nil {
		return "", nil
	}
	if at[1] == "" {
		if r.Method == http.MethodPost {
			return create, f.create
		}
		return list, func([]byte) (any, error) { return f.list(q) }
	}
	number, _ := strconv.ParseInt(at[1], 10, 64)
	i := slices.IndexFunc(f.tickets, func(t *ticket) bool { return t.Number == number })
	which := map[string]what{"GET": read, "PATCH": edit, "GET/comments": comments, "POST/comments": addition}[r.Method+at[2]]
	if i < 0 {
		return which, func([]byte) (any, error) { return nil, refusal{http.StatusNotFound, "Not Found"} }
	}
	t := f.tickets[i]
	switch which {
	case read:
		return which, func([]byte) (any, error) { return map[string]any{"number": t.Number, "state": t.State}, nil }
	case edit:
		return which, t.edit
	case comments:
		return which, func([]byte) (any, error) { return bodies(t.Comments), nil }
	}
	return which, t.comment
}

func bodies(texts []string) []comment {
	all := []comment{}
	for _, t := range texts {
		all = append(all, comment{t})
	}
	return all
}

func strict(body []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refusal{http.StatusBadRequest, "Problems parsing JSON: " + err.Error()}
	}
	return nil
}

func (f *fake) create(body []byte) (any, error) {
	var i issue
	if err := strict(body, &i); err != nil {
		return nil, err
	}
	if i.Title == "" || len([]rune(i.Title)) > 256 || len([]rune(i.Body)) > 65536 {
		return nil, refusal{http.StatusUnprocessableEntity, "Validation Failed"}
	}
	t := &ticket{issue: i, Number: int64(len(f.tickets) + 1), State: "open", Created: notifytest.Now(), late: f.lateness}
	f.tickets = append(f.tickets, t)
	return map[string]any{"number": t.Number, "state": t.State}, nil
}

func (f *fake) list(q url.Values) (any, error) {
	since, err := time.Parse(time.RFC3339, q.Get("since"))
	if err != nil || q.Get("state") != "all" || q.Get("sort") != "created" || q.Get("direction") != "desc" {
		return nil, refusal{http.StatusUnprocessableEntity, fmt.Sprintf("Validation Failed: %v", q)}
	}
	per, _ := strconv.Atoi(q.Get("per_page"))
	page, _ := strconv.Atoi(q.Get("page"))
	found := []listed{}
	for _, t := range slices.Backward(f.tickets) {
		if !t.Created.Before(since) {
			found = append(found, listed{t.Number, t.Body, t.Created})
		}
	}
	from := min((page-1)*per, len(found))
	return found[from:min(from+per, len(found))], nil
}

func (f *fake) search(q string) (any, error) {
	key := bySearch.FindStringSubmatch(q)
	if key == nil {
		return nil, refusal{http.StatusUnprocessableEntity, "Validation Failed: " + q}
	}
	found := []listed{}
	for _, t := range f.tickets {
		if strings.Contains(t.Body, key[1]) && !t.late {
			found = append(found, listed{t.Number, t.Body, t.Created})
		}
	}
	return map[string]any{"total_count": len(found), "items": found}, nil
}

func (t *ticket) edit(body []byte) (any, error) {
	var c change
	if err := strict(body, &c); err != nil {
		return nil, err
	}
	if c.State != "open" && c.State != "closed" {
		return nil, refusal{http.StatusUnprocessableEntity, "Validation Failed"}
	}
	t.State, t.Reason = c.State, c.Reason
	return map[string]any{"number": t.Number, "state": t.State}, nil
}

func (t *ticket) comment(body []byte) (any, error) {
	var c comment
	if err := strict(body, &c); err != nil {
		return nil, err
	}
	if c.Body == "" || len([]rune(c.Body)) > 65536 {
		return nil, refusal{http.StatusUnprocessableEntity, "Validation Failed"}
	}
	t.Comments = append(t.Comments, c.Body)
	return c, nil
}
