package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestWhatCannotBeIsToldWithItsStatus(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"no such alert", "GET", "/api/alerts/99", "", 404, "alert 99: not found"},
		{"no such alert to acknowledge", "POST", "/api/alerts/99/acknowledge", `{"by":"ana"}`, 404, "not found"},
		{"no number", "GET", "/api/alerts/one", "", 400, `id: "one" is not a number`},
		{"no alert has that number", "GET", "/api/alerts/0", "", 400, `id: 0 is less than 1`},
		{"no number to close", "POST", "/api/alerts/one/close", `{"by":"ana","reason":"fixed"}`, 400, `id: "one" is not a number`},
		{"no such address", "GET", "/api/alert", "", 404, "not found; /api/openapi.json has all there are"},
		{"no such method", "DELETE", "/api/alerts/1", "", 405, "DELETE is not for this address; GET is"},
		{"a method too few", "GET", "/api/alerts/1/acknowledge", "", 405, "GET is not for this address; POST is"},
		{"nobody", "POST", "/api/alerts/1/acknowledge", `{}`, 400, `by: is missing`},
		{"a blank name", "POST", "/api/alerts/1/acknowledge", `{"by":"  "}`, 400, `by: is missing`},
		{"a name that is null", "POST", "/api/alerts/1/acknowledge", `{"by":null}`, 400, `by: is missing`},
		{"a name that is a number", "POST", "/api/alerts/1/acknowledge", `{"by":7}`, 400, `by: is not a text`},
		{"a name that never ends", "POST", "/api/alerts/1/acknowledge", `{"by":"` + strings.Repeat("a", 201) + `"}`, 400, `by: 201 characters are more than 200`},
		{"no body", "POST", "/api/alerts/1/acknowledge", ``, 400, "by: is missing"},
		{"no JSON", "POST", "/api/alerts/1/acknowledge", `by=ana`, 400, "body: is not JSON"},
		{"a list", "POST", "/api/alerts/1/acknowledge", `[]`, 400, "body: is not an object"},
		{"something after the end", "POST", "/api/alerts/1/acknowledge", `{"by":"ana"} {"by":"bo"}`, 400, "body: is not JSON"},
		{"a field that is none", "POST", "/api/alerts/1/acknowledge", `{"by":"ana","because":"x"}`, 400, `because: there is no such field`},
		{"a field that is misspelt", "POST", "/api/alerts/1/acknowledge", `{"by":"ana","nots":"x"}`, 400, `(did you mean "note"?)`},
		{"a field in another case", "POST", "/api/alerts/1/acknowledge", `{"By":"ana"}`, 400, `By: there is no such field (did you mean "by"?)`},
		{"a field twice", "POST", "/api/alerts/1/acknowledge", `{"by":"ana","by":"bo"}`, 400, `by: is there twice`},
		{"a version that is none", "POST", "/api/alerts/1/acknowledge", `{"by":"ana","version":1.5}`, 400, `version: is not a whole number`},
		{"a version below zero", "POST", "/api/alerts/1/acknowledge", `{"by":"ana","version":-1}`, 400, `version: -1 is less than 0`},
		{"a body that is too long", "POST", "/api/alerts/1/acknowledge", `{"by":"` + strings.Repeat("a", 65<<10) + `"}`, 413, "body: it is longer than 65536 bytes"},
		{"no reason", "POST", "/api/alerts/1/close", `{"by":"ana"}`, 400, "reason: is missing"},
		{"a reason that only a source gives", "POST", "/api/alerts/1/close", `{"by":"ana","reason":"archived"}`, 400, `reason: "archived" is none of fixed, false_positive`},
		{"a mute until no time", "POST", "/api/alerts/1/close", `{"by":"ana","reason":"fixed","mute_until":"June"}`, 400, `mute_until: "June" is not a time such as 2026-06-12T03:00:00Z`},
		{"a snooze without an end", "POST", "/api/alerts/1/snooze", `{"by":"ana"}`, 400, `until: say until when, or for how long`},
		{"a snooze with two ends", "POST", "/api/alerts/1/snooze", `{"by":"ana","for":"1h","until":"2026-06-12T06:00:00Z"}`, 400, `until: say until when, or for how long`},
		{"a snooze for no duration", "POST", "/api/alerts/1/snooze", `{"by":"ana","for":"long"}`, 400, `for: "long" is not a duration such as 10m`},
		{"a snooze that is too long", "POST", "/api/alerts/1/snooze", `{"by":"ana","for":"200h"}`, 422, `7 days is the longest`},
		{"handed to nobody", "POST", "/api/alerts/1/reassign", `{"by":"ana"}`, 400, `team: say which team or which policy gets it`},
		{"handed to a team that is none", "POST", "/api/alerts/1/reassign", `{"by":"ana","team":"none"}`, 422, `none`},
		{"a policy where there is none", "POST", "/api/alerts/1/apply-policy", `{"by":"ana"}`, 422, `no escalation policy`},
		{"an empty note", "POST", "/api/alerts/1/note", `{"by":"ana","note":" "}`, 400, `note: is missing`},
		{"none of several", "POST", "/api/alerts/close", `{"by":"ana","reason":"fixed","ids":[]}`, 400, `ids: is empty`},
		{"several that are no numbers", "POST", "/api/alerts/close", `{"by":"ana","reason":"fixed","ids":[1,"2"]}`, 400, `ids[1]: is not a whole number`},
		{"too many", "POST", "/api/alerts/close", `{"by":"ana","reason":"fixed","ids":[` + strings.Repeat("1,", 1000) + `1]}`, 400, `ids: 1001 are more than 1000`},
		{"no such level", "GET", "/api/alerts?level=hihg", "", 400, `"hihg" is none of`},
		{"no such status", "GET", "/api/alerts?status=opne", "", 400, `status: "opne" is none of open, acked, closed`},
		{"no such order", "GET", "/api/alerts?sort=worst", "", 400, `sort: "worst" is none of level, newest, changed, count`},
		{"no limit", "GET", "/api/alerts?limit=many", "", 400, `limit: "many" is not a number`},
		{"a limit that is none any more", "GET", "/api/alerts?limit=10001", "", 400, `limit: 10001 is more than 10000`},
		{"below the beginning", "GET", "/api/alerts?offset=-1", "", 400, `offset: -1 is less than 0`},
		{"neither yes nor no", "GET", "/api/alerts?unanswered=maybe", "", 400, `unanswered: "maybe" is neither true nor false`},
		{"an account twice", "GET", "/api/alerts?account=1&account=2", "", 400, `account: is there 2 times`},
		{"a parameter that is misspelt", "GET", "/api/alerts?statsu=open", "", 400, `statsu: there is no such parameter (did you mean "status"?)`},
		{"a query that is broken", "GET", "/api/alerts?level=%zz", "", 400, `query: cannot be read`},
		{"no such kind", "GET", "/api/notifications?kind=open", "", 400, `kind: "open" is none of opened`},
		{"no time", "GET", "/api/on-call?at=now", "", 400, `at: "now" is not a time such as`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var refusal api.Refusal
			header := ask(t, h, tt.method, tt.path, tt.body, tt.status, &refusal)
			if !strings.Contains(refusal.Error, tt.says) {
				t.Errorf("%s %s says %q, want %q in it", tt.method, tt.path, refusal.Error, tt.says)
			}
			if (tt.status == 400) != (len(refusal.Problems) > 0) {
				t.Errorf("%s %s has the problems %v", tt.method, tt.path, refusal.Problems)
			}
			if header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type = %q", header.Get("Content-Type"))
			}
		})
	}
	if h.log.Len() > 0 {
		t.Errorf("the log is for faults of this side, and has:\n%s", h.log)
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var refusal api.Refusal
	ask(t, h, "POST", "/api/alerts/one/close?now=1", `{"reason":"tired","mute_until":7,"why":{}}`, 400, &refusal)
	want := []api.Problem{
		{In: "path", Field: "id", Text: `"one" is not a number`},
		{In: "query", Field: "now", Text: "there is no such parameter"},
		{In: "body", Field: "reason", Text: `"tired" is none of fixed, false_positive, expected, accepted_risk, duplicate, other`},
		{In: "body", Field: "mute_until", Text: "is not a text"},
		{In: "body", Field: "why", Text: `there is no such field (did you mean "by"?)`},
		{In: "body", Field: "by", Text: "is missing"},
	}
	if diff := cmp.Diff(want, refusal.Problems); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	for _, p := range want {
		if !strings.Contains(refusal.Error, p.String()) {
			t.Errorf("the error %q says nothing of %s", refusal.Error, p)
		}
	}
}

func TestABodyOfAnotherFormIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for contentType, want := range map[string]int{
		"":                                  200,
		"application/json":                  200,
		"application/json; charset=utf-8":   200,
		"application/x-www-form-urlencoded": 200, // as curl -d says of whatever it sends
		"text/plain":                        415,
		"multipart/form-data; boundary=x":   415,
		"application/xml":                   415,
		"/":                                 415,
	} {
		r := httptest.NewRequest("POST", "/api/alerts/1/note", strings.NewReader(`{"by":"ana","note":"x"}`))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Content-Type %q answered %d %s, want %d", contentType, w.Code, w.Body, want)
		}
		described.hold(t, "POST", "/api/alerts/1/note", w)
	}
}

func TestABrowserCannotBeMadeToActByAnotherSite(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
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

// broken is an engine whose every change of an alert ends so.
type broken struct {
	engine.Asks
	err error
}

func (b broken) Acknowledge(context.Context, int64, engine.Ask) (tocsin.Alert, error) {
	return tocsin.Alert{}, b.err
}

func newBroken(s *store.Store, err error) (h http.Handler, log *bytes.Buffer) {
	log = &bytes.Buffer{}
	return api.New(api.Options{Store: s, Act: broken{err: err}, Log: slog.New(slog.NewTextHandler(log, nil))}), log
}

func TestOurOwnFaultsAreLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	s := open(t)
	h, log := newBroken(s, errors.New("dial tcp 10.0.0.5:5432: password of tocsin refused"))
	var refusal api.Refusal
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"ana"}`, 500, &refusal)
	if strings.Contains(refusal.Error, "10.0.0.5") || !strings.Contains(refusal.Error, "the log says more") {
		t.Errorf("the caller is told %q", refusal.Error)
	}
	if !strings.Contains(log.String(), "10.0.0.5:5432") || !strings.Contains(log.String(), "path=/api/alerts/1/acknowledge") {
		t.Errorf("the log has %q", log.String())
	}
	log.Reset()
	var out api.Results
	ask(t, h, "POST", "/api/alerts/acknowledge", `{"by":"ana","ids":[1]}`, 200, &out)
	if r := out.Results[0]; r.Status != 500 || strings.Contains(r.Error, "10.0.0.5") || !strings.Contains(log.String(), "10.0.0.5:5432") {
		t.Errorf("of several the caller is told %+v, and the log has %q", r, log)
	}
	check(t, s.Close())
	ask(t, h, "GET", "/api/alerts", "", 500, &refusal)
	if strings.Contains(refusal.Error, "closed") {
		t.Errorf("the caller is told %q", refusal.Error)
	}
}

func TestEveryErrorOfTheEngineHasAStatus(t *testing.T) {
	t.Parallel()
	s := open(t)
	taken := tocsin.Alert{ID: 1, Version: 4, Status: tocsin.StatusAcked, AckedBy: "bo", AckedAt: night, OpenedAt: night, ChangedAt: night}
	for _, tt := range []struct {
		name   string
		err    error
		status int
		says   string
		shows  bool
	}{
		{"somebody was faster", &tocsin.StateError{Alert: taken, Doing: "acknowledge"}, 409, "already acknowledged by bo", true},
		{"it was changed since it was seen", &engine.StaleError{Alert: taken}, 409, "changed by somebody else", true},
		{"it was changed while we were at it", fmt.Errorf("alert 1: %w", store.ErrStale), 409, "changed by somebody else", false},
		{"it is there already", fmt.Errorf("alert 1: %w", store.ErrExists), 409, "there already", false},
		{"it is not there", fmt.Errorf("alert 1: %w", store.ErrNotFound), 404, "not found", false},
	} {
		h, log := newBroken(s, tt.err)
		var refusal api.Refusal
		ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"ana"}`, tt.status, &refusal)
		if !strings.Contains(refusal.Error, tt.says) || (refusal.Alert != nil) != tt.shows || log.Len() > 0 {
			t.Errorf("%s: refused with %+v; the log has %q", tt.name, refusal, log)
		}
	}
}

func TestACallerThatLeftIsNoFault(t *testing.T) {
	t.Parallel()
	h, log := newBroken(open(t), context.Canceled)
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	leave()
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/alerts/1/acknowledge", strings.NewReader(`{"by":"ana"}`))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if log.Len() > 0 {
		t.Errorf("the log has %q", log)
	}
}
