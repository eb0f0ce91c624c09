package servicenow

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// What names a request.
type what string

const (
	find   what = "find"
	create what = "create"
	patch  what = "patch"
	send   what = "event"
	ask    what = "token"
)

// A fault is what the next such request meets.
type fault struct {
	what       what
	status     int // 0: the work is done and the reply lost
	retryAfter string
	body       string
}

// A ticket is one incident of the fake.
type ticket struct {
	ID     string
	Fields map[string]string
	Notes  []string
}

// A fake is one instance of ServiceNow, as strict as the documentation reads. It is
// safe for concurrent use.
type fake struct {
	oauth     bool // wants tokens
	closeCode string

	mu       sync.Mutex // guards what follows
	tickets  []*ticket
	events   []event
	faults   []fault
	requests []what
	writes   []notifytest.Taken
	tokens   int
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
		all = append(all, ticket{t.ID, t.Fields, slices.Clone(t.Notes)})
	}
	return all
}

func (f *fake) sent() []event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

// taken are the requests that wrote something.
func (f *fake) taken() []notifytest.Taken {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

func (f *fake) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens
}

// expire has the instance forget all tokens.
func (f *fake) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens += 100
}

// add puts an incident there.
func (f *fake) add(fields map[string]string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made(fields).ID
}

func (f *fake) made(fields map[string]string) *ticket {
	t := &ticket{ID: fmt.Sprintf("%032x", len(f.tickets)+1), Fields: fields}
	if fields["state"] == "" {
		fields["state"] = "1"
	}
	f.tickets = append(f.tickets, t)
	return t
}

func (f *fake) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tickets = slices.DeleteFunc(f.tickets, func(t *ticket) bool { return t.ID == id })
}

func (f *fake) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tickets = nil
}

// set changes a field, as people do.
func (f *fake) set(id, field, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tickets {
		if t.ID == id {
			t.Fields[field] = value
		}
	}
}

func (f *fake) token() string { return fmt.Sprintf("token-%08d", f.tokens) }

func (f *fake) allowed(r *http.Request) bool {
	if f.oauth {
		return r.Header.Get("Authorization") == "Bearer "+f.token() && f.tokens > 0
	}
	return r.Header.Get("Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var which what
	id, one := strings.CutPrefix(r.URL.Path, "/api/now/table/incident/")
	switch {
	case r.URL.Path == "/oauth_token.do" && r.Method == http.MethodPost:
		which = ask
	case r.URL.Path == "/api/global/em/jsonv2" && r.Method == http.MethodPost:
		which = send
	case r.URL.Path == "/api/now/table/incident" && r.Method == http.MethodGet:
		which = find
	case r.URL.Path == "/api/now/table/incident" && r.Method == http.MethodPost:
		which = create
	case one && r.Method == http.MethodPatch:
		which = patch
	}
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
	if !one {
		id = ""
	}
	status, reply := f.answer(which, id, r, body)
	if lost {
		panic(http.ErrAbortHandler)
	}
	if status < 300 && (which == create || which == patch || which == send) {
		f.writes = append(f.writes, notifytest.Taken{Header: r.Header.Clone(), Body: body})
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		return // nobody is left to tell
	}
}

func wrong(status int, message string) (int, any) {
	return status, map[string]any{"error": map[string]string{"message": message, "detail": ""}, "status": "failure"}
}

func (f *fake) answer(which what, id string, r *http.Request, body []byte) (int, any) {
	switch {
	case which == ask:
		return f.give(r, body)
	case !f.allowed(r):
		return wrong(http.StatusUnauthorized, "User Not Authenticated")
	case r.Header.Get("Accept") != "application/json" || len(body) > 0 && r.Header.Get("Content-Type") != "application/json":
		return wrong(http.StatusUnsupportedMediaType, "Unsupported media type")
	case which == send:
		return f.event(body)
	case which == find:
		return f.find(r)
	case which == create, which == patch:
		return f.write(id, body)
	}
	return wrong(http.StatusBadRequest, "Invalid table")
}

func (f *fake) give(r *http.Request, body []byte) (int, any) {
	form := string(body)
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || !strings.Contains(form, "client_id=app") ||
		!strings.Contains(form, "client_secret="+clientSecret) || !strings.Contains(form, "grant_type=client_credentials") && !strings.Contains(form, "grant_type=password&password="+password+"&username="+user) {
		return http.StatusUnauthorized, map[string]string{"error": "server_error", "error_description": "access_denied"}
	}
	f.tokens++
	return http.StatusOK, map[string]any{"access_token": f.token(), "token_type": "Bearer", "expires_in": 1799}
}

var byKey = regexp.MustCompile(`^correlation_id=([\w-]{1,100})\^ORDERBYDESCactive\^ORDERBYDESCsys_created_on$`)

func (t *ticket) active() bool { return t.Fields["state"] != "7" && t.Fields["state"] != "8" }

func (f *fake) find(r *http.Request) (int, any) {
	q := r.URL.Query()
	key := byKey.FindStringSubmatch(q.Get("sysparm_query"))
	if key == nil || q.Get("sysparm_display_value") != "all" || q.Get("sysparm_limit") != "1" {
		return wrong(http.StatusBadRequest, "Invalid query detected")
	}
	var best *ticket
	for _, t := range f.tickets {
		if t.Fields["correlation_id"] == key[1] && (best == nil || t.active() || !best.active()) {
			best = t
		}
	}
	found := []map[string]value{}
	if best != nil {
		var journal strings.Builder
		for _, note := range slices.Backward(best.Notes) {
			journal.WriteString("2026-06-12 02:29:41 - tocsin (Work notes)\n" + note + "\n\n")
		}
		found = append(found, map[string]value{
			"sys_id": {best.ID, best.ID}, "number": {"INC0010001", "INC0010001"}, "state": {best.Fields["state"], "…"},
			"active": {fmt.Sprint(best.active()), "…"}, "work_notes": {"", journal.String()},
		})
	}
	return http.StatusOK, map[string]any{"result": found}
}

// write makes or changes an incident. Fields that the table lacks are dropped
// without a word, as ServiceNow does, but not here.
func (f *fake) write(id string, body []byte) (int, any) {
	var fields map[string]string
	if err := json.Unmarshal(body, &fields); err != nil {
		return wrong(http.StatusBadRequest, "Exception while reading request")
	}
	known := []string{"short_description", "description", "correlation_id", "correlation_display", "impact", "urgency", "assignment_group", "work_notes", "state", "close_code", "close_notes", "category"}
	for name, value := range fields {
		most := map[string]int{"short_description": 160, "correlation_id": 100}[name]
		if !slices.Contains(known, name) || len([]rune(value)) > max(most, 4000*(1-min(most, 1))) {
			return wrong(http.StatusBadRequest, fmt.Sprintf("field %s: %.100q", name, value))
		}
	}
	var t *ticket
	if id == "" {
		if fields["short_description"] == "" {
			return wrong(http.StatusForbidden, "Operation Failed")
		}
		t = f.made(map[string]string{})
	} else if i := slices.IndexFunc(f.tickets, func(t *ticket) bool { return t.ID == id }); i >= 0 {
		t = f.tickets[i]
	} else {
		return wrong(http.StatusNotFound, "No Record found")
	}
	if s := fields["state"]; (s == "6" || s == "7") && (fields["close_code"] != f.closeCode || fields["close_notes"] == "") {
		return wrong(http.StatusForbidden, "Operation Failed: Data Policy Exception: The following fields are mandatory: Resolution notes, Resolution code")
	}
	for name, value := range fields {
		if name == "work_notes" {
			t.Notes = append(t.Notes, value)
			continue
		}
		t.Fields[name] = value
	}
	status := http.StatusOK
	if id == "" {
		status = http.StatusCreated
	}
	return status, map[string]any{"result": map[string]string{"sys_id": t.ID}}
}

func (f *fake) event(body []byte) (int, any) {
	var q struct {
		Records []event `json:"records"`
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil || len(q.Records) != 1 {
		return wrong(http.StatusBadRequest, fmt.Sprint("cannot parse: ", err))
	}
	for _, e := range q.Records {
		if said := e.wrong(); said != "" {
			return wrong(http.StatusBadRequest, said)
		}
		f.events = append(f.events, e)
	}
	return http.StatusOK, map[string]any{"result": map[string]string{"Default Bulk Endpoint": "1 events were inserted"}}
}

// wrong is what the documentation's table of fields forbids.
func (e event) wrong() string {
	var info map[string]string
	_, when := time.Parse("2006-01-02 15:04:05", e.Time)
	switch {
	case e.Source == "" || e.Node == "" || e.Type == "" || e.MessageKey == "":
		return "a field is missing"
	case len(e.Severity) != 1 || e.Severity[0] < '0' || e.Severity[0] > '5':
		return "severity " + e.Severity
	case e.State != "New" && e.State != "Closing":
		return "resolution_state " + e.State
	case when != nil:
		return when.Error()
	case json.Unmarshal([]byte(e.Info), &info) != nil:
		return "additional_info is not JSON"
	}
	for _, s := range []string{e.Source, e.Class, e.Node, e.Resource, e.Type, e.MetricName, e.MessageKey} {
		if len([]rune(s)) > 100 {
			return "a field is too long: " + s
		}
	}
	if len([]rune(e.Description)) > 4000 {
		return "the description is too long"
	}
	return ""
}
