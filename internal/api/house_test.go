package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/pattern"
)

// night is when it happens; it is asked an hour later.
var night = time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC)

// open is a store with three alerts: #1 high and told to soc, #2 low in another
// account, #3 critical.
func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+t.TempDir())
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	check(t, s.Update(t.Context(), func(tx *store.Tx) error {
		for i, d := range []tocsin.Detection{
			{Key: "a", Rule: "guardduty", Type: "Backdoor:EC2/Spambot", Level: tocsin.High, Account: "111122223333", Region: "eu-west-1", Headline: "EC2 i-0abc (web-1) is sending spam"},
			{Key: "b", Rule: "guardduty", Type: "Recon:EC2/Portscan", Level: tocsin.Low, Account: "444455556666", Region: "us-east-1", Headline: "port scan"},
			{Key: "c", Rule: "guardduty", Type: "AttackSequence:IAM/CompromisedCredentials", Level: tocsin.Critical, Account: "111122223333", Region: "us-east-1", Headline: "attack sequence"},
		} {
			a, _ := tocsin.Alert{}.Fold(d, night.Add(time.Duration(i)*time.Minute))
			a.Told = []string{"soc"}
			if i == 0 {
				a.Team = "payments"
			}
			if err := tx.Save(&a); err != nil {
				return err
			}
			ev := &tocsin.Event{Source: "org-topic", Via: "sns", ReceivedAt: a.OpenedAt, Verdict: tocsin.Opened, Did: "opened", Alert: a.ID}
			if err := tx.Journal([]*tocsin.Event{ev}, []string{""}); err != nil {
				return err
			}
			n := &tocsin.Notification{Alert: a.ID, Receiver: "soc", Kind: tocsin.TellOpened, State: tocsin.Pending, CreatedAt: a.OpenedAt, Due: a.OpenedAt, Deadline: a.OpenedAt.Add(time.Hour)}
			if err := tx.Owe([]*tocsin.Notification{n}); err != nil {
				return err
			}
		}
		return nil
	}))
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse([]byte(text))
	check(t, err)
	return p
}

// configured is what the configuration says: two teams, a policy, a schedule that
// always has somebody and one that is of office hours.
func configured(t *testing.T) *engine.Plan {
	t.Helper()
	accounts := map[string]tocsin.Account{"111122223333": {ID: "111122223333", Name: "payments-prod", Team: "payments"}}
	rs, err := rules.New([]rules.Rule{{Name: "guardduty", Pattern: parse(t, `{"source":["aws.guardduty"]}`)}}, accounts)
	check(t, err)
	policy := escalation.Policy{
		Name: "around-the-clock", Fallback: []escalation.Target{{Kind: escalation.Receiver, Name: "soc"}},
		Steps: []escalation.Step{
			{Targets: []escalation.Target{{Kind: escalation.Schedule, Name: "soc"}}, Wait: escalation.Duration(5 * time.Minute)},
			{Targets: []escalation.Target{{Kind: escalation.Team, Name: "soc"}}, Wait: escalation.Duration(10 * time.Minute)},
		},
	}
	teams := map[string]tocsin.Team{
		"soc":      {Name: "soc", Policy: "around-the-clock", Receivers: []string{"soc"}, Members: []string{"ana", "bo"}},
		"payments": {Name: "payments", Receivers: []string{"web"}},
	}
	routes, err := routing.New(routing.Table{
		Routes:   []routing.Route{{Name: "critical", Pattern: parse(t, `{"level":["critical"]}`), Team: "soc"}, {Name: "old web", Pattern: parse(t, `{"account":["000000000000"]}`), Receivers: []string{"web"}}},
		Fallback: []string{"soc"}, Accounts: accounts, Teams: teams,
	})
	check(t, err)
	return &engine.Plan{
		Rules: rs, Routes: routes, Accounts: accounts, Fallback: []string{"soc"}, Teams: teams,
		Policies: map[string]escalation.Policy{policy.Name: policy},
		Schedules: []oncall.Schedule{
			{Name: "soc", TimeZone: "UTC", Layers: []oncall.Layer{{Rotate: "1 day", From: "2026-06-01T08:00", Turns: []oncall.Turn{{"ana"}, {"bo"}}}}},
			{Name: "office", TimeZone: "Europe/Berlin", Layers: []oncall.Layer{{Turns: []oncall.Turn{{"bo"}}, Windows: []oncall.Window{{From: "09:00", To: "17:00", Weekdays: []string{"mon-fri"}}}}}},
		},
		People: []tocsin.Person{{Name: "ana", TimeZone: "Europe/Berlin"}, {Name: "bo"}},
		Receivers: map[string]engine.Receiver{
			"soc": {Kind: "webhook"}, "web": {Kind: "webhook"}, "isolate": {Kind: "aws-lambda", Acts: true},
			"phones": {Kind: "web-push", Notifier: inviting{}, Address: func(s string) (string, error) { return s, nil }},
			"mail": {Kind: "email", Address: func(s string) (string, error) {
				if !strings.Contains(s, "@") {
					return "", fmt.Errorf("%q is no address", s)
				}
				return s, nil
			}},
		},
	}
}

// A house is the API on a store and an engine of its own.
type house struct {
	http.Handler
	store *store.Store
	log   *bytes.Buffer
}

func newHouse(t *testing.T) house {
	t.Helper()
	s := open(t)
	now := func() time.Time { return night.Add(time.Hour) }
	e, err := engine.New(t.Context(), engine.Options{Store: s, Plan: configured(t), Now: now})
	check(t, err)
	log := &bytes.Buffer{}
	return house{api.New(api.Options{Store: s, Act: e, Now: now, Log: slog.New(slog.NewTextHandler(log, nil)), Setup: setUp(t, s, e.ExplainFrom), Coverage: covered}), s, log}
}

// ask makes one request and wants the status; the answer is held to the
// description, and decoded into into.
func ask(t *testing.T, h http.Handler, method, path, body string, status int, into any) http.Header {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != status {
		t.Fatalf("%s %s %.200s answered %d %s, want %d", method, path, body, w.Code, w.Body, status)
	}
	described.hold(t, method, path, w)
	if into != nil {
		reflect.ValueOf(into).Elem().SetZero() // what is left out of the answer is not as it was
		check(t, json.Unmarshal(w.Body.Bytes(), into))
	}
	return w.Header()
}

// described is the description, by which every answer of every test is held.
var described = &description{seen: map[string]bool{}}

type description struct {
	once     sync.Once
	document any
	compiler *jsonschema.Compiler

	mu   sync.Mutex
	seen map[string]bool // guarded by mu: endpoints that answered 200
}

func (d *description) read(t *testing.T) {
	t.Helper()
	d.once.Do(func() {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.Strict()))
		check(t, err)
		d.document = document
		d.compiler = jsonschema.NewCompiler()
		d.compiler.AssertFormat()
		check(t, d.compiler.AddResource("openapi.json", document))
	})
}

var parameter = regexp.MustCompile(`\\\{[a-z]+\\\}`)

// find is the endpoint that a request is for; of two the one with a suffix.
func find(method, path string) (found api.Address, ok bool) {
	path, _, _ = strings.Cut(path, "?")
	for _, a := range api.Addresses() {
		form := "^" + parameter.ReplaceAllString(regexp.QuoteMeta(a.Path), `[^/]+`) + "$"
		if a.Method == method && regexp.MustCompile(form).MatchString(path) && (!ok || len(a.Path) > len(found.Path)) {
			found, ok = a, true
		}
	}
	return found, ok
}

// hold validates an answer against its declared schema.
func (d *description) hold(t *testing.T, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	d.read(t)
	a, ok := find(method, path)
	if !ok {
		return // no such address, or not by that method
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.Code == http.StatusOK {
		d.seen[a.Name] = true
	}
	contentType := w.Header().Get("Content-Type")
	pointer := []string{"paths", a.Path, strings.ToLower(a.Method), "responses", strconv.Itoa(w.Code)}
	if ref, ok := d.at(pointer).(map[string]any)["$ref"].(string); ok {
		pointer = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	}
	pointer = append(pointer, "content", contentType, "schema")
	if d.at(pointer) == nil {
		t.Fatalf("%s %s answered %d as %s, and the description does not know of it", method, path, w.Code, contentType)
	}
	if contentType != "application/json" {
		return
	}
	for i, step := range pointer {
		pointer[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(step)
	}
	schema, err := d.compiler.Compile("openapi.json#/" + strings.Join(pointer, "/"))
	check(t, err)
	answer, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	check(t, err)
	if err := schema.Validate(answer); err != nil {
		t.Errorf("%s %s answered what is not as described: %v\n%s", method, path, err, w.Body)
	}
}

// at is what stands there in the description; an empty object or nil if nothing
// does.
func (d *description) at(pointer []string) any {
	at := d.document
	for _, step := range pointer {
		object, _ := at.(map[string]any)
		at = object[step]
	}
	if at == nil && len(pointer) > 0 && pointer[len(pointer)-1] != "schema" {
		return map[string]any{}
	}
	return at
}

// Every endpoint has answered 200 in some test, so that every schema was held to
// an answer.
func TestMain(m *testing.M) {
	code := m.Run()
	if run := flag.Lookup("test.run"); code == 0 && (run == nil || run.Value.String() == "") && flag.Lookup("test.list").Value.String() == "" {
		for _, a := range api.Addresses() {
			if !described.seen[a.Name] {
				fmt.Printf("no test has seen %s (%s %s) answer 200\n", a.Name, a.Method, a.Path)
				code = 1
			}
		}
	}
	os.Exit(code)
}

func ids(list api.Alerts) (ids []int64) {
	for _, a := range list.Alerts {
		ids = append(ids, a.ID)
	}
	return ids
}

func same(a, b []int64) bool { return slices.Equal(a, b) }
