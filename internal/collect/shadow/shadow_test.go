package shadow_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/shadow"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A door is a source that runs, with the place behind it.
type door struct {
	handler http.Handler
	events  []tocsin.Event
	keep    error         // what the sink answers
	stuck   chan struct{} // for which the sink waits, if there is one
	behind  []string
	answer  int // of the place behind
}

func newDoor(t *testing.T, forward bool) *door {
	t.Helper()
	d := &door{answer: http.StatusOK}
	place := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.behind = append(d.behind, r.Header.Get("Content-Type")+" "+string(body))
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Content-Type", "text/odd")
		w.WriteHeader(d.answer)
		_, _ = io.WriteString(w, "from behind")
	}))
	t.Cleanup(place.Close)
	var c shadow.Config
	if forward {
		c.ForwardTo = secret.New(place.URL + "/services/a-secret")
	}
	env := collecttest.Env("old", &d.handler)
	env.HTTP = place.Client()
	source, err := shadow.Kind.Open(func(into any) error {
		*into.(*shadow.Config) = c
		return nil
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	stop := collecttest.Begin(t, source, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		if d.stuck != nil {
			<-d.stuck
		}
		if d.keep != nil {
			return nil, d.keep
		}
		for _, ev := range events {
			ev.Raw = []byte(string(ev.Raw))
			d.events = append(d.events, ev)
		}
		return make([]tocsin.Receipt, len(events)), nil
	})
	t.Cleanup(func() { _ = stop() })
	return d
}

func (d *door) post(path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	d.handler.ServeHTTP(w, r)
	return w
}

const (
	here    = "/in/old/" + collecttest.Token
	message = `{"text":"finding 16afba5c5c43e07c9e3e5e2e544e95df"}`
)

func TestAMessageIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	d := newDoor(t, false)
	for _, path := range []string{here, here + "/services/T0/B0/x"} { // a Slack client may add a path of its own
		if w := d.post(path, message); w.Code != http.StatusOK || w.Body.String() != "ok" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if len(d.events) != 2 || string(d.events[0].Raw) != message || d.events[0].Via != "shadow" || d.events[0].Source != "old" {
		t.Errorf("kept %+v", d.events)
	}
}

func TestAMessageIsPassedOnWhateverBecomesOfItHere(t *testing.T) {
	t.Parallel()
	for _, keep := range []error{nil, errors.New("the disk is full")} {
		d := newDoor(t, true)
		d.keep, d.answer = keep, http.StatusTooManyRequests
		w := d.post(here, message)
		if len(d.behind) != 1 || d.behind[0] != "application/json "+message {
			t.Errorf("kept %v: behind came %q", keep, d.behind)
		}
		if w.Code != http.StatusTooManyRequests || w.Body.String() != "from behind" || w.Header().Get("Retry-After") != "7" || w.Header().Get("Content-Type") != "text/odd" {
			t.Errorf("kept %v: answered %d %s %v", keep, w.Code, w.Body, w.Header())
		}
		if (len(d.events) == 1) != (keep == nil) || keep == nil && string(d.events[0].Raw) != message {
			t.Errorf("kept %v: %+v", keep, d.events)
		}
	}
}

// A disk that is stuck keeps no message from where it was meant to go, nor the
// sender from its answer.
func TestNobodyWaitsForAStuckDisk(t *testing.T) {
	t.Parallel()
	d := newDoor(t, true)
	d.stuck = make(chan struct{})
	server := httptest.NewServer(d.handler)
	defer server.Close()
	defer close(d.stuck) // before the server waits for its handlers
	resp, err := server.Client().Post(server.URL+here, "application/json", strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text := make([]byte, len("from behind"))
	if _, err := io.ReadFull(resp.Body, text); err != nil || string(text) != "from behind" || len(d.behind) != 1 {
		t.Errorf("answered %d %s (%v) with %q behind", resp.StatusCode, text, err, d.behind)
	}
}

func TestABodyThatDoesNotArriveIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, forward := range []bool{false, true} {
		d := newDoor(t, forward)
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, here, iotest.ErrReader(errors.New("cut off"))))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || len(d.events)+len(d.behind) != 0 {
			t.Errorf("answered %d", w.Code)
		}
	}
}

func TestWhoIsRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t, false)
	if w := d.post("/in/old/guessed", message); w.Code != http.StatusUnauthorized {
		t.Errorf("a wrong token: %d", w.Code)
	}
	if w := d.post(here, strings.Repeat("x", collect.MaxBody+1)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body without end: %d", w.Code)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, here, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
	d.keep = errors.New("the disk is full")
	if w := d.post(here, message); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("where it cannot be kept and nobody is behind: %d", w.Code)
	}
	if len(d.events) != 0 {
		t.Errorf("kept %v", d.events)
	}
}

func TestTheAddressBehindIsNotShown(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	var log bytes.Buffer
	env := collecttest.Env("old", &handler) // nobody answers
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	source, err := shadow.Kind.Open(func(into any) error {
		*into.(*shadow.Config) = shadow.Config{ForwardTo: secret.New("https://hooks.example.com/services/a-secret")}
		return nil
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	stop := collecttest.Begin(t, source, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		return make([]tocsin.Receipt, len(events)), nil
	})
	w := (&door{handler: handler}).post(here, message)
	(&door{handler: handler}).post("/in/old/guess", message)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if text := log.String() + w.Body.String(); w.Code != http.StatusBadGateway || !strings.Contains(text, "was not passed on") || strings.Contains(text, "a-secret") {
		t.Errorf("where nobody answers: %d, and %s", w.Code, text)
	}
	if lines := source.(collect.Reporter).Status(t.Context()).Lines; len(lines) != 1 || !strings.HasPrefix(lines[0].Value, "1 since the start") {
		t.Errorf("status %v, want one wrong token", lines)
	}
	for _, address := range []string{"hooks.slack.com/services/a-secret", "ftp://hooks.slack.com/a-secret", "https://"} {
		_, err := shadow.Kind.Open(func(into any) error {
			*into.(*shadow.Config) = shadow.Config{ForwardTo: secret.New(address)}
			return nil
		}, collecttest.Env("old", &handler))
		if err == nil || !strings.HasPrefix(err.Error(), "forward_to ") || strings.Contains(err.Error(), "a-secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// It opens nothing: its dialect ends every event, whatever it is.
func TestAMessageOpensNoAlert(t *testing.T) {
	t.Parallel()
	for _, body := range []string{message, `{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{"id":"x"}}`, "text", ""} {
		r, err := shadow.Kind.Dialect.Read("old", []byte(body), func() (tocsin.Detection, bool) { return tocsin.Detection{Key: "x"}, true })
		if err != nil || r.End != tocsin.Filtered || r.Detection.Key != "" || !strings.HasPrefix(r.Reason, "sent by another system") {
			t.Errorf("%q: %+v, %v", body, r, err)
		}
	}
}
