package opsgenie

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// An incident is one alert of the fake.
type incident struct {
	alert
	Count  int
	Closed bool
	Acked  bool
	Notes  []string
}

// A fault is what the next such request meets.
type fault struct {
	step    step
	status  int
	headers map[string]string
	body    string
}

// A fake takes the integration events of Jira Service Management, as strict as
// the documentation reads. It is safe for concurrent use.
type fake struct {
	base string

	mu     sync.Mutex // guards what follows
	alerts []*incident
	faults []fault
	log    []string
	bodies []notifytest.Taken
}

func (f *fake) next(o fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, o)
}

func (f *fake) all() []incident {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]incident, 0, len(f.alerts))
	for _, a := range f.alerts {
		c := *a
		c.Notes = slices.Clone(a.Notes)
		all = append(all, c)
	}
	return all
}

// taken are the requests that were taken.
func (f *fake) taken() []notifytest.Taken {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.bodies)
}

// closeByHand closes the alert there.
func (f *fake) closeByHand(alias string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.alerts {
		if a.Alias == alias {
			a.Closed = true
		}
	}
}

var request = regexp.MustCompile(`^/v2/alerts(?:/([\w-]+)/(acknowledge|close|notes))?$`)

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path, under := strings.CutPrefix(r.URL.Path, f.base)
	at := request.FindStringSubmatch(path)
	answer := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
	switch {
	case !under || at == nil || r.Method != http.MethodPost:
		answer(http.StatusNotFound, `{"message":"Not found","took":0.0,"requestId":"x"}`)
		return
	case r.Header.Get("Authorization") != "GenieKey "+key:
		answer(http.StatusUnauthorized, `{"message":"Could not authenticate","took":0.0,"requestId":"x"}`)
		return
	}
	if i := slices.IndexFunc(f.faults, func(o fault) bool { return o.step == step(at[2]) }); i >= 0 {
		o := f.faults[i]
		f.faults = slices.Delete(f.faults, i, i+1)
		for name, value := range o.headers {
			w.Header().Set(name, value)
		}
		answer(o.status, o.body)
		return
	}
	if at[1] != "" && r.URL.Query().Get("identifierType") != "alias" {
		answer(http.StatusNotFound, `{"message":"Alert does not exist","took":0.0,"requestId":"x"}`)
		return
	}
	if wrong := f.carryOut(at[1], step(at[2]), body); wrong != "" {
		answer(http.StatusUnprocessableEntity, fmt.Sprintf(`{"message":%q,"took":0.0,"requestId":"x"}`, wrong))
		return
	}
	f.log = append(f.log, strings.TrimPrefix(at[2]+" "+at[1], " "))
	f.bodies = append(f.bodies, notifytest.Taken{Header: r.Header.Clone(), Body: body})
	answer(http.StatusAccepted, `{"result":"Request will be processed","took":0.1,"requestId":"43a29c5c-3dbf-4fa4-9c26-f4f71023e120"}`)
}

func strict(body []byte, into any) string {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return "Request body is not processable. " + err.Error()
	}
	return ""
}

// carryOut does what the request asks for, or says what is wrong with it. What
// finds no alert is taken and forgotten.
func (f *fake) carryOut(alias string, s step, body []byte) string {
	if s == create {
		var a alert
		if wrong := strict(body, &a); wrong != "" {
			return wrong
		}
		if wrong := a.wrong(); wrong != "" {
			return wrong
		}
		if i := f.open(a.Alias); i != nil {
			i.Count++ // and nothing else of it changes
			return ""
		}
		f.alerts = append(f.alerts, &incident{alert: a, Count: 1})
		return ""
	}
	var d deed
	if wrong := strict(body, &d); wrong != "" {
		return wrong
	}
	if d.Note == "" || over(d.Note, 25000) || over(d.User, 100) || over(d.Source, 100) {
		return "Request body is not processable. Please check the errors."
	}
	i := f.open(alias)
	if i == nil {
		return ""
	}
	i.Notes = append(i.Notes, d.Note)
	switch s {
	case acknowledge:
		i.Acked = true
	case closing:
		i.Closed = true
	}
	return ""
}

func (f *fake) open(alias string) *incident {
	for _, a := range f.alerts {
		if a.Alias == alias && !a.Closed {
			return a
		}
	}
	return nil
}

func over(s string, most int) bool { return len([]rune(s)) > most }

// wrong is what the documentation's table of fields forbids.
func (a alert) wrong() string {
	total := 0
	for name, value := range a.Details {
		total += len([]rune(name)) + len([]rune(value))
	}
	long := slices.ContainsFunc(a.Tags, func(t string) bool { return t == "" || over(t, 50) })
	switch {
	case strings.TrimSpace(a.Message) == "" || over(a.Message, 130):
		return "Message can not be empty, and has 130 characters at most"
	case over(a.Alias, 512), over(a.Description, 15000), over(a.Entity, 512), over(a.Source, 100), len(a.Tags) > 20, long, total > 8000:
		return "a field is too long"
	case !slices.Contains([]string{"P1", "P2", "P3", "P4", "P5"}, a.Priority):
		return "Priority should be one of [ P1, P2, P3, P4, P5 ]"
	}
	return ""
}
