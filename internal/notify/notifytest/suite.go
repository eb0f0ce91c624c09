package notifytest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// An Answer is how the receiver of a test answers.
type Answer struct {
	Status     int    // 0 is success
	RetryAfter string // as it stands in the header; HTTP only
	// Echo has the receiver repeat in its reply all that it was sent, as careless
	// servers do.
	Echo bool
	// Hang has it never answer.
	Hang bool
	// Hung, where it is set, is sent to when a request is left hanging.
	Hung chan<- struct{}
}

// A Taken is what the receiver of a test got.
type Taken struct {
	Header http.Header
	Body   []byte
}

// A Harness is how the suite reaches one notifier.
type Harness struct {
	// Open makes the notifier with a receiver that answers as told. taken is what
	// that receiver got so far.
	Open func(t *testing.T, a Answer) (n notify.Notifier, taken func() []Taken)
	// Local is a notifier that has nobody at the other end (the console).
	Local bool
	// HTTP is one whose receiver answers with statuses and Retry-After; others map
	// 4xx but 408, 425 and 429 to a lasting refusal and the rest to a passing one.
	HTTP bool
	// NoCodes is one that cannot address a single person and so refuses, for good,
	// the code that would prove an address.
	NoCodes bool
	// Refuses says which other kinds it refuses for good, since they make no sense
	// there; nil is none.
	Refuses func(tocsin.Kind) bool
	// Once is one whose receiver does again what it is told again: an attempt of which
	// nobody knows how it ended is a lasting failure, and so is one that was answered
	// by a server or a gateway that broke. Its receiver says what hangs on Hung.
	Once bool
	// Secrets are what no error may hold.
	Secrets []string
	// Key is the idempotency key of a delivery; nil where the receiver knows none.
	Key func(Taken) string
	// Check holds a delivery against the receiver's limits and grammar.
	Check func(t *testing.T, m notify.Message, got Taken)
	// Shown are the texts that the receiver shows where links would live: not
	// code, not data. Nil where it shows nothing.
	Shown func(t *testing.T, got Taken) []string
}

// Run holds a notifier to the promises of the contract.
func Run(t *testing.T, h Harness) {
	t.Run("takes every message", func(t *testing.T) { takes(t, h, Messages()) })
	t.Run("takes hostile messages and shows them harmless", func(t *testing.T) { takes(t, h, Corpus()) })
	t.Run("returns when its context has ended", func(t *testing.T) { obeys(t, h) })
	if h.Local {
		return
	}
	t.Run("returns when the receiver hangs", func(t *testing.T) { hangs(t, h) })
	t.Run("says whether to try again", func(t *testing.T) { classifies(t, h) })
	t.Run("keeps secrets out of errors", func(t *testing.T) { keepsSecrets(t, h) })
	if h.Key != nil {
		t.Run("repeats its key", func(t *testing.T) { repeatsKey(t, h) })
	}
	if h.HTTP {
		t.Run("waits as long as it is told", func(t *testing.T) { waits(t, h) })
	}
}

func takes(t *testing.T, h Harness, cases []Case) {
	n, taken := h.Open(t, Answer{})
	for _, c := range cases {
		before := len(taken())
		_, err := n.Notify(t.Context(), c.Message)
		if h.NoCodes && c.Message.Kind == tocsin.TellCode || h.Refuses != nil && h.Refuses(c.Message.Kind) {
			if !notify.IsPermanent(err) || len(taken()) != before {
				t.Errorf("%s: Notify = %v and %d messages, want a permanent error and none", c.Name, err, len(taken())-before)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		got := taken()
		if len(got) != before+1 {
			t.Errorf("%s: the receiver got %d messages, want 1", c.Name, len(got)-before)
			continue
		}
		last := got[len(got)-1]
		t.Run(c.Name, func(t *testing.T) {
			if h.Check != nil {
				h.Check(t, c.Message, last)
			}
			if h.Shown == nil {
				return
			}
			m := c.Message
			ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
			for _, a := range m.Actions {
				ours = append(ours, a.URL)
			}
			for _, item := range m.Digest {
				ours = append(ours, item.URL)
			}
			for _, text := range h.Shown(t, last) {
				if bad := Bad(text, ours...); bad != "" {
					t.Errorf("shown text %s\n%.300q", bad, text)
				}
			}
		})
	}
}

func obeys(t *testing.T, h Harness) {
	n, taken := h.Open(t, Answer{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Notify(ctx, Messages()[0].Message)
	if !errors.Is(err, context.Canceled) || notify.IsPermanent(err) {
		t.Errorf("Notify with an ended context = %v, want one that is context.Canceled and may be tried again", err)
	}
	if got := len(taken()); got != 0 {
		t.Errorf("the receiver got %d messages, want none", got)
	}
}

func hangs(t *testing.T, h Harness) {
	hung := make(chan struct{}, 100)
	n, _ := h.Open(t, Answer{Hang: true, Hung: hung})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	pass := func() {}
	if h.Once { // what it says depends on whether the request had left
		ctx, pass = Deadline(t)
	}
	done := make(chan error, 1)
	go func() {
		_, err := n.Notify(ctx, Messages()[0].Message)
		done <- err
	}()
	if h.Once {
		select {
		case <-hung:
		case <-time.After(time.Minute):
			t.Error("the receiver was not asked within a minute")
		}
	}
	pass()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) || notify.IsPermanent(err) != h.Once {
			t.Errorf("Notify to a receiver that hangs = %v, permanent %v, want one that is context.DeadlineExceeded and may be tried again unless it could act twice (%v)", err, !h.Once, h.Once)
		}
	case <-time.After(time.Minute):
		t.Fatal("Notify had not returned a minute after its context ended")
	}
}

// Deadline is a context whose deadline passes when pass is called: that of a clock may
// pass before what it is to cut off has begun.
func Deadline(t *testing.T) (ctx context.Context, pass func()) {
	t.Helper()
	d := &deadline{Context: t.Context(), passed: make(chan struct{})}
	return d, sync.OnceFunc(func() { close(d.passed) })
}

type deadline struct {
	context.Context
	passed chan struct{}
}

func (d *deadline) Done() <-chan struct{} { return d.passed }

func (d *deadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func classifies(t *testing.T, h Harness) {
	for _, tt := range []struct {
		status    int
		permanent bool
	}{
		{400, true},
		{401, true},
		{403, true},
		{404, true},
		{410, true},
		{413, true},
		{422, true},
		{408, false},
		{425, false},
		{429, false},
		{500, h.Once},
		{502, h.Once},
		{503, false},
		{504, h.Once},
	} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			n, _ := h.Open(t, Answer{Status: tt.status})
			_, err := n.Notify(t.Context(), Messages()[0].Message)
			if err == nil {
				t.Fatal("Notify = nil, want an error")
			}
			if notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v, want %v", err, !tt.permanent, tt.permanent)
			}
		})
	}
	if !h.HTTP {
		return
	}
	n, _ := h.Open(t, Answer{Status: 302})
	if _, err := n.Notify(t.Context(), Messages()[0].Message); !notify.IsPermanent(err) {
		t.Errorf("Notify to a receiver that redirects = %v, want a permanent error", err)
	}
}

func waits(t *testing.T, h Harness) {
	date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	for _, tt := range []struct {
		name, header string
		status       int
		atLeast, max time.Duration
		told         bool
	}{
		{"a date", date, 429, 80 * time.Second, 95 * time.Second, true},
		{"seconds", "7", 429, 7 * time.Second, 7 * time.Second, true},
		{"seconds when unavailable", "7", 503, 7 * time.Second, 7 * time.Second, true},
		{"a year, which nobody waits", "31536000", 429, 15 * time.Minute, 15 * time.Minute, true},
		{"nonsense", "soon", 429, 0, 0, false},
		{"nothing", "", 429, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, _ := h.Open(t, Answer{Status: tt.status, RetryAfter: tt.header})
			_, err := n.Notify(t.Context(), Messages()[0].Message)
			wait, told := notify.RetryAfter(err)
			if told != tt.told || wait < tt.atLeast || wait > tt.max {
				t.Errorf("RetryAfter(%v) = %v, %v, want %v to %v, %v", err, wait, told, tt.atLeast, tt.max, tt.told)
			}
			if notify.IsPermanent(err) {
				t.Errorf("%v is permanent", err)
			}
		})
	}
}

func keepsSecrets(t *testing.T, h Harness) {
	for _, a := range []Answer{{Status: 400, Echo: true}, {Status: 500, Echo: true}, {Hang: true}} {
		n, _ := h.Open(t, a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if a.Hang {
			cancel()
		}
		_, err := n.Notify(ctx, Messages()[0].Message)
		cancel()
		if err == nil {
			t.Fatalf("Notify with answer %+v = nil, want an error", a)
		}
		for _, s := range h.Secrets {
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, s) {
				t.Errorf("answer %+v: the error holds the secret %q: %s", a, s, text)
			}
		}
		if bad := Bad(err.Error()); bad != "" {
			t.Errorf("answer %+v: the error %s", a, bad)
		}
	}
}

func repeatsKey(t *testing.T, h Harness) {
	n, taken := h.Open(t, Answer{})
	first, other := Messages()[0].Message, Messages()[len(openings())].Message
	for _, m := range []notify.Message{first, first, other} {
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	got := taken()
	if len(got) != 3 {
		t.Fatalf("the receiver got %d messages, want 3", len(got))
	}
	a, again, b := h.Key(got[0]), h.Key(got[1]), h.Key(got[2])
	if a == "" || a != again {
		t.Errorf("key of one message sent twice = %q, then %q; want the same", a, again)
	}
	if a == b {
		t.Errorf("key of two messages = %q for both", a)
	}
}

// Serve is a receiver over HTTP: it answers as told, with ok as the body of a
// success, and keeps what it took. The URL has no path.
func Serve(t *testing.T, a Answer, ok string) (address string, taken func() []Taken) {
	t.Helper()
	var (
		mu  sync.Mutex // guards got
		got []Taken
	)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if a.Hang {
			if a.Hung != nil {
				a.Hung <- struct{}{}
			}
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		}
		if a.RetryAfter != "" {
			w.Header().Set("Retry-After", a.RetryAfter)
		}
		if a.Status == 0 {
			mu.Lock()
			got = append(got, Taken{r.Header.Clone(), body})
			mu.Unlock()
			io.WriteString(w, ok)
			return
		}
		if a.Status/100 == 3 {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		}
		w.WriteHeader(a.Status)
		if a.Echo {
			fmt.Fprintf(w, "Cannot POST %s\n\x1b[31m%v\n", r.URL, r.Header)
		}
	}))
	t.Cleanup(func() {
		close(release)
		server.Close()
	})
	return server.URL, func() []Taken {
		mu.Lock()
		defer mu.Unlock()
		return append([]Taken(nil), got...)
	}
}

// Env is what a notifier is opened with in tests: the time stands at [Now].
func Env(t *testing.T, out io.Writer) notify.Env {
	t.Helper()
	if out == nil {
		out = io.Discard
	}
	return notify.Env{
		Name: "payments-oncall", Log: slog.New(slog.DiscardHandler), Now: Now, Out: out,
		HTTP: &http.Client{Timeout: 10 * time.Second, Transport: http.DefaultTransport.(*http.Transport).Clone()},
	}
}

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// Updating reports whether golden files are to be written, for tests beside this
// package's own: there is one flag of the name.
func Updating() bool { return *update }

// Open builds a notifier with the function that its Kind is defined by.
func Open[C any](t *testing.T, open func(C, notify.Env) (notify.Notifier, error), c C) notify.Notifier {
	t.Helper()
	n, err := open(c, Env(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Golden compares got with testdata/golden/name, or writes it with -update.
func Golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with: go test -update)", err)
	}
	// A checkout on Windows may have turned line ends.
	want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s differs (-want +got; accept with -update):\n%s", path, diff)
	}
}
