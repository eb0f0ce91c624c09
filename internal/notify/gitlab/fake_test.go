package gitlab

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
	notes    what = "notes"
	addition what = "note"
)

// A ticket is one issue of the fake.
type ticket struct {
	issue
	Number  int64
	State   string
	Created time.Time
	Notes   []string
}

// A fault is what the next such request meets.
type fault struct {
	what       what
	status     int // 0: the work is done and the reply lost
	retryAfter string
	body       string
}

// A fake is one project of GitLab, as strict as the documentation reads. It carries
// out quick actions, and so shows whether there are any. It is safe for concurrent
// use.
type fake struct {
	mu       sync.Mutex // guards what follows
	tickets  []*ticket
	faults   []fault
	requests []what
	writes   []notifytest.Taken
	actions  []string // quick actions that were carried out
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
		c.Notes = slices.Clone(t.Notes)
		all = append(all, c)
	}
	return all
}

// taken are the issues and notes that were written.
func (f *fake) taken() []notifytest.Taken {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

func (f *fake) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.actions)
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
		t.State = "opened"
	}
	f.tickets = append(f.tickets, &t)
	return t.Number
}

func (f *fake) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tickets = nil
}

var issuePath = regexp.MustCompile(`^/api/v4/projects/acme%2Ffindings/issues(?:/(\d+)(/notes)?)?$`)

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
			if o.retryAfter != "" {
				w.Header().Set("Retry-After", o.retryAfter)
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
	case r.Header.Get("Private-Token") != token:
		err = refusal{http.StatusUnauthorized, "401 Unauthorized"}
	case work == nil:
		err = refusal{http.StatusNotFound, "404 Project Not Found"}
	default:
		reply, err = work(body)
	}
	if lost {
		panic(http.ErrAbortHandler)
	}
	if refused, ok := errors.AsType[refusal](err); ok {
		status, reply = refused.status, map[string]any{"message": refused.message}
	} else if which == create || which == addition {
		status = http.StatusCreated
		f.writes = append(f.writes, notifytest.Taken{Header: r.Header.Clone(), Body: body})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		return // nobody is left to tell
	}
}

// route is called with mu held, and so is what it gives.
func (f *fake) route(r *http.Request) (what, func([]byte) (any, error)) {
	at := issuePath.FindStringSubmatch(r.URL.EscapedPath())
	q := r.URL.Query()
	switch {
	case at == nil:
		return "", nil
	case at[1] == "" && r.Method == http.MethodPost:
		return create, f.create
	case at[1] == "" && q.Has("search"):
		return search, func([]byte) (any, error) { return f.search(q) }
	case at[1] == "":
		return list, func([]byte) (any, error) { return f.list(q) }
	}
	number, _ := strconv.ParseInt(at[1], 10, 64)
	i := slices.IndexFunc(f.tickets, func(t *ticket) bool { return t.Number == number })
	which := map[string]what{"GET": read, "PUT": edit, "GET/notes": notes, "POST/notes": addition}[r.Method+at[2]]
	if i < 0 {
		return which, func([]byte) (any, error) { return nil, refusal{http.StatusNotFound, "404 Issue Not Found"} }
	}
	t := f.tickets[i]
	switch which {
	case read:
		return which, func([]byte) (any, error) { return map[string]any{"iid": t.Number, "state": t.State}, nil }
	case edit:
		return which, t.edit
	case notes:
		return which, func([]byte) (any, error) { return t.notes(q) }
	}
	return which, func(body []byte) (any, error) { return f.note(t, body) }
}

func strict(body []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refusal{http.StatusBadRequest, "400 Bad Request: " + err.Error()}
	}
	return nil
}

func (f *fake) create(body []byte) (any, error) {
	var i issue
	if err := strict(body, &i); err != nil {
		return nil, err
	}
	if i.Title == "" || len([]rune(i.Title)) > 255 || len([]rune(i.Description)) > 1048576 {
		return nil, refusal{http.StatusBadRequest, "title is too long (maximum is 255 characters)"}
	}
	t := &ticket{issue: i, Number: int64(len(f.tickets) + 1), State: "opened", Created: notifytest.Now()}
	f.tickets = append(f.tickets, t)
	f.carryOut(t, i.Description)
	return map[string]any{"iid": t.Number, "state": t.State}, nil
}

var (
	left        = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]+`")
	quickAction = regexp.MustCompile(`(?m)^/([a-z_]+)`)
)

// carryOut does what quick actions say: lines that begin with one, outside of code.
func (f *fake) carryOut(t *ticket, text string) {
	for _, found := range quickAction.FindAllStringSubmatch(left.ReplaceAllString(text, "·"), -1) {
		f.actions = append(f.actions, found[1])
		if found[1] == "close" {
			t.State = "closed"
		}
	}
}

func page(found []listed, q url.Values) []listed {
	per, _ := strconv.Atoi(q.Get("per_page"))
	number := max(1, atoi(q.Get("page")))
	from := min((number-1)*per, len(found))
	return found[from:min(from+per, len(found))]
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func (f *fake) list(q url.Values) (any, error) {
	after, err := time.Parse(time.RFC3339, q.Get("created_after"))
	if err != nil || q.Get("scope") != "all" || q.Get("order_by") != "created_at" || q.Get("sort") != "asc" {
		return nil, refusal{http.StatusBadRequest, fmt.Sprintf("400 Bad Request: %v", q)}
	}
	found := []listed{}
	for _, t := range f.tickets {
		if !t.Created.Before(after) {
			found = append(found, listed{t.Number, t.Description})
		}
	}
	return page(found, q), nil
}

func (f *fake) search(q url.Values) (any, error) {
	if q.Get("in") != "description" || q.Get("scope") != "all" || q.Get("search") == "" {
		return nil, refusal{http.StatusBadRequest, fmt.Sprintf("400 Bad Request: %v", q)}
	}
	found := []listed{}
	for _, t := range f.tickets {
		if strings.Contains(strings.ToLower(t.Description), strings.ToLower(q.Get("search"))) {
			found = append(found, listed{t.Number, t.Description})
		}
	}
	return page(found, q), nil
}

func (t *ticket) edit(body []byte) (any, error) {
	var c change
	if err := strict(body, &c); err != nil {
		return nil, err
	}
	switch c.Event {
	case "close":
		t.State = "closed"
	case "reopen":
		t.State = "opened"
	default:
		return nil, refusal{http.StatusBadRequest, "state_event does not have a valid value"}
	}
	return map[string]any{"iid": t.Number, "state": t.State}, nil
}

func (t *ticket) notes(q url.Values) (any, error) {
	if q.Get("order_by") != "created_at" || q.Get("sort") != "desc" {
		return nil, refusal{http.StatusBadRequest, fmt.Sprintf("400 Bad Request: %v", q)}
	}
	all := []note{}
	for _, text := range slices.Backward(t.Notes) {
		all = append(all, note{text})
	}
	return all[:min(len(all), atoi(q.Get("per_page")))], nil
}

func (f *fake) note(t *ticket, body []byte) (any, error) {
	var c note
	if err := strict(body, &c); err != nil {
		return nil, err
	}
	if c.Body == "" || len([]rune(c.Body)) > 1_000_000 {
		return nil, refusal{http.StatusBadRequest, "note can't be blank"}
	}
	t.Notes = append(t.Notes, c.Body)
	f.carryOut(t, c.Body)
	return c, nil
}
