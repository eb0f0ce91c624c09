package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// night is when it happens.
var night = time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC)

// open is a store with three alerts: #1 high and told to soc, #2 low in another
// account, #3 critical.
func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		for i, d := range []tocsin.Detection{
			{Key: "a", Type: "Backdoor:EC2/Spambot", Level: tocsin.High, Account: "111122223333", Region: "eu-west-1", Headline: "EC2 i-0abc (web-1) is sending spam"},
			{Key: "b", Type: "Recon:EC2/Portscan", Level: tocsin.Low, Account: "444455556666", Region: "us-east-1", Headline: "port scan"},
			{Key: "c", Type: "AttackSequence:IAM/CompromisedCredentials", Level: tocsin.Critical, Account: "111122223333", Region: "us-east-1", Headline: "attack sequence"},
		} {
			a, _ := tocsin.Alert{}.Fold(d, night.Add(time.Duration(i)*time.Minute))
			a.Told = []string{"soc"}
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
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newAPI is the API on a store of its own; log is what it logs.
func newAPI(t *testing.T) (h http.Handler, log *bytes.Buffer) {
	t.Helper()
	s := open(t)
	e := engine.New(engine.Options{Store: s, Plan: &engine.Plan{}, Now: func() time.Time { return night.Add(time.Hour) }})
	log = &bytes.Buffer{}
	return api.New(s, e, slog.New(slog.NewTextHandler(log, nil))), log
}

// ask makes one request and wants the status; the answer is decoded into into.
func ask(t *testing.T, h http.Handler, method, path, body string, status int, into any) http.Header {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != status {
		t.Fatalf("%s %s %s answered %d %s, want %d", method, path, body, w.Code, w.Body, status)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatalf("%s %s answered %q: %v", method, path, w.Body, err)
		}
	}
	return w.Header()
}

func ids(list api.Alerts) (ids []int64) {
	for _, a := range list.Alerts {
		ids = append(ids, a.ID)
	}
	return ids
}

func TestListsAreFilteredSortedAndCut(t *testing.T) {
	t.Parallel()
	h, _ := newAPI(t)
	ask(t, h, "POST", "/api/alerts/2/acknowledge", `{"by":"ana"}`, 200, nil)
	for _, tt := range []struct {
		name, query string
		want        []int64
		total       int64
	}{
		{"worst first", "", []int64{3, 1, 2}, 3},
		{"newest first", "?sort=newest", []int64{3, 2, 1}, 3},
		{"by status", "?status=acked", []int64{2}, 1},
		{"by any of two statuses", "?status=acked&status=open", []int64{3, 1, 2}, 3},
		{"at least a level", "?level=high", []int64{3, 1}, 2},
		{"by account", "?account=444455556666", []int64{2}, 1},
		{"by region", "?region=us-east-1", []int64{3, 2}, 2},
		{"by the beginning of the type", "?type=Backdoor:", []int64{1}, 1},
		{"by text, with a star", "?text=web*spam", []int64{1}, 1},
		{"a page of it: the total is of all", "?limit=1&offset=1", []int64{1}, 3},
		{"nothing", "?account=000000000000", nil, 0},
	} {
		var list api.Alerts
		header := ask(t, h, "GET", "/api/alerts"+tt.query, "", 200, &list)
		if got := ids(list); !equal(got, tt.want) || list.Total != tt.total {
			t.Errorf("%s: %s gives %v of %d, want %v of %d", tt.name, tt.query, got, list.Total, tt.want, tt.total)
		}
		if header.Get("Content-Type") != "application/json" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: header %v", tt.name, header)
		}
	}
	var raw map[string]json.RawMessage
	ask(t, h, "GET", "/api/alerts?account=000000000000", "", 200, &raw)
	if string(raw["alerts"]) != "[]" {
		t.Errorf("no alerts are %s, want an empty list", raw["alerts"])
	}
}

func equal(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestOneAlertComesWithItsTimelineAndNotifications(t *testing.T) {
	t.Parallel()
	h, _ := newAPI(t)
	var a api.Alert
	ask(t, h, "GET", "/api/alerts/1", "", 200, &a)
	if a.ID != 1 || a.Headline == "" || len(a.Timeline) != 1 || len(a.Notifications) != 1 || a.Notifications[0].Receiver != "soc" {
		t.Errorf("got %+v", a)
	}
}

func TestAnAlertIsAcknowledgedOnceAndClosedOnce(t *testing.T) {
	t.Parallel()
	h, _ := newAPI(t)
	var a tocsin.Alert
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"ana"}`, 200, &a)
	if a.Status != tocsin.StatusAcked || a.AckedBy != "ana" || !a.AckedAt.Equal(night.Add(time.Hour)) {
		t.Errorf("acknowledged: %+v", a)
	}
	var refusal struct{ Error string }
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"bob"}`, 409, &refusal)
	if !strings.Contains(refusal.Error, "already acknowledged by ana at 2026-06-12T03:30:00Z") {
		t.Errorf("the second is told %q", refusal.Error)
	}
	ask(t, h, "POST", "/api/alerts/1/close", `{"by":"ana","reason":"fixed","note":"terminated"}`, 200, &a)
	if a.Status != tocsin.StatusClosed || a.CloseReason != tocsin.ReasonFixed {
		t.Errorf("closed: %+v", a)
	}
	ask(t, h, "POST", "/api/alerts/1/close", `{"by":"bob","reason":"expected"}`, 409, &refusal)
	if !strings.Contains(refusal.Error, "already closed by ana (fixed)") {
		t.Errorf("the second is told %q", refusal.Error)
	}
	var whole api.Alert
	ask(t, h, "GET", "/api/alerts/1", "", 200, &whole)
	last := whole.Timeline[len(whole.Timeline)-1]
	if len(whole.Timeline) != 3 || last.Kind != "closed" || last.By != "ana" || last.Text != "fixed: terminated" || len(whole.Notifications) != 2 {
		t.Errorf("afterwards: %+v", whole)
	}
}

func TestWhatCannotBeIsToldWithItsStatus(t *testing.T) {
	t.Parallel()
	h, log := newAPI(t)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"no such alert", "GET", "/api/alerts/99", "", 404, "not found"},
		{"no such alert to acknowledge", "POST", "/api/alerts/99/acknowledge", `{"by":"ana"}`, 404, "not found"},
		{"no number", "GET", "/api/alerts/one", "", 400, `alert "one" is not a number`},
		{"no number to close", "POST", "/api/alerts/one/close", `{"by":"ana","reason":"fixed"}`, 400, `alert "one" is not a number`},
		{"no such address", "GET", "/api/alert", "", 404, "not found"},
		{"nobody", "POST", "/api/alerts/1/acknowledge", `{}`, 400, `"by" is missing`},
		{"a blank name", "POST", "/api/alerts/1/acknowledge", `{"by":"  "}`, 400, `"by" is missing`},
		{"no body", "POST", "/api/alerts/1/acknowledge", ``, 400, "body: EOF"},
		{"no JSON", "POST", "/api/alerts/1/acknowledge", `by=ana`, 400, "body: "},
		{"a field that is none", "POST", "/api/alerts/1/acknowledge", `{"by":"ana","because":"x"}`, 400, `unknown field "because"`},
		{"a body that is too long", "POST", "/api/alerts/1/acknowledge", `{"by":"` + strings.Repeat("a", 65<<10) + `"}`, 400, "too large"},
		{"no reason", "POST", "/api/alerts/1/close", `{"by":"ana"}`, 400, "fixed false_positive"},
		{"a reason that only a source gives", "POST", "/api/alerts/1/close", `{"by":"ana","reason":"archived"}`, 400, `"archived" is none of`},
		{"no such level", "GET", "/api/alerts?level=hihg", "", 400, `"hihg" is none of`},
		{"no such status", "GET", "/api/alerts?status=opne", "", 400, `status: "opne" is none of [open acked closed]`},
		{"no such order", "GET", "/api/alerts?sort=worst", "", 400, `sort: "worst" is none of [level newest changed count]`},
		{"no limit", "GET", "/api/alerts?limit=many", "", 400, `limit: "many" is not a number`},
		{"below the beginning", "GET", "/api/alerts?offset=-1", "", 400, `offset: "-1" is not a number`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var refusal struct{ Error string }
			header := ask(t, h, tt.method, tt.path, tt.body, tt.status, &refusal)
			if !strings.Contains(refusal.Error, tt.says) {
				t.Errorf("%s %s says %q, want %q in it", tt.method, tt.path, refusal.Error, tt.says)
			}
			if header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type = %q", header.Get("Content-Type"))
			}
		})
	}
	if log.Len() > 0 {
		t.Errorf("the log is for faults of this side, and has:\n%s", log)
	}
}

func TestABrowserCannotBeMadeToActByAnotherSite(t *testing.T) {
	t.Parallel()
	h, _ := newAPI(t)
	for name, header := range map[string][2]string{
		"by what the browser says": {"Sec-Fetch-Site", "cross-site"},
		"by its origin":            {"Origin", "https://evil.example"},
	} {
		r := httptest.NewRequest("POST", "/api/alerts/1/acknowledge", strings.NewReader(`{"by":"mallory"}`))
		r.Header.Set(header[0], header[1])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: answered %d, want 403", name, w.Code)
		}
	}
	var a api.Alert
	ask(t, h, "GET", "/api/alerts/1", "", 200, &a)
	if a.Status != tocsin.StatusOpen {
		t.Errorf("the alert is %s", a.Status)
	}
	r := httptest.NewRequest("POST", "/api/alerts/1/acknowledge", strings.NewReader(`{"by":"ana"}`))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("our own page: answered %d", w.Code)
	}
}

// broken is an actor whose every act fails.
type broken struct{ err error }

func (b broken) Acknowledge(context.Context, int64, string) (tocsin.Alert, error) {
	return tocsin.Alert{}, b.err
}

func (b broken) Close(context.Context, int64, string, tocsin.Reason, string) (tocsin.Alert, error) {
	return tocsin.Alert{}, b.err
}

func TestOurOwnFaultsAreLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	s := open(t)
	var log bytes.Buffer
	h := api.New(s, broken{errors.New("dial tcp 10.0.0.5:5432: password of tocsin refused")}, slog.New(slog.NewTextHandler(&log, nil)))
	var refusal struct{ Error string }
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"ana"}`, 500, &refusal)
	if strings.Contains(refusal.Error, "10.0.0.5") || !strings.Contains(refusal.Error, "the log says more") {
		t.Errorf("the caller is told %q", refusal.Error)
	}
	if !strings.Contains(log.String(), "10.0.0.5:5432") || !strings.Contains(log.String(), "path=/api/alerts/1/acknowledge") {
		t.Errorf("the log has %q", log.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ask(t, h, "GET", "/api/alerts", "", 500, &refusal)
	if strings.Contains(refusal.Error, "closed") {
		t.Errorf("the caller is told %q", refusal.Error)
	}
	quiet := api.New(s, broken{store.ErrStale}, slog.New(slog.DiscardHandler))
	ask(t, quiet, "POST", "/api/alerts/1/acknowledge", `{"by":"ana"}`, 409, &refusal)
	if !strings.Contains(refusal.Error, "changed by somebody else") {
		t.Errorf("the caller is told %q", refusal.Error)
	}
}
