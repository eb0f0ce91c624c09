package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

func TestRetryAfterDateIsReadByTheReceiversClock(t *testing.T) {
	t.Parallel()
	theirs := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // six years behind ours
	h := http.Header{}
	h.Set("Date", theirs.Format(http.TimeFormat))
	h.Set("Retry-After", theirs.Add(30*time.Second).Format(http.TimeFormat))
	if wait, ok := retryAfter(h, time.Now()); !ok || wait != 30*time.Second {
		t.Errorf("retryAfter = %v, %v, want 30s", wait, ok)
	}
	h.Set("Retry-After", theirs.Add(-time.Hour).Format(http.TimeFormat))
	if wait, ok := retryAfter(h, time.Now()); !ok || wait != 0 {
		t.Errorf("retryAfter of a time that has passed = %v, %v, want 0", wait, ok)
	}
	h.Set("Retry-After", "0.25") // as Discord writes it
	if wait, ok := retryAfter(h, time.Now()); !ok || wait != 250*time.Millisecond {
		t.Errorf("retryAfter of 0.25 = %v, %v, want 250ms", wait, ok)
	}
	for _, nonsense := range []string{"-1", "NaN", "soon"} {
		h.Set("Retry-After", nonsense)
		if wait, ok := retryAfter(h, time.Now()); ok {
			t.Errorf("retryAfter of %s = %v, want none", nonsense, wait)
		}
	}
}

func TestPostErrorsDoNotQuoteTheAddress(t *testing.T) {
	t.Parallel()
	const token = "t0ken-t0ken-t0ken"
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, address := range map[string]string{
		"nobody listens":    closed.URL + "/" + token,
		"cannot be parsed":  "https://" + token + ":x y/%zz",
		"no host":           "/" + token,
		"no such scheme":    "gopher://example.com/" + token,
		"a control in it":   "https://example.com/" + token + "\x7f",
		"a user's password": strings.Replace(closed.URL, "://", "://u:"+token+"@", 1),
	} {
		_, err := Post(t.Context(), http.DefaultClient, address, nil, nil)
		if err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%s: Post = %v, want an error without the token", name, err)
		}
	}
}

func TestPostSaysWhatTheReceiverSaid(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte("unknown field \x1b[1mlevle\x1b[0m\n" + strings.Repeat("blah ", 1000)))
	}))
	defer server.Close()
	_, err := Post(t.Context(), server.Client(), server.URL, nil, []byte("{}"))
	status, ok := errors.AsType[*StatusError](err)
	if !ok || status.Status != 400 || !strings.HasPrefix(status.Excerpt, "unknown field [1mlevle[0m blah") || Runes(status.Excerpt) > 200 {
		t.Errorf("Post = %v", err)
	}
	if !IsPermanent(err) {
		t.Errorf("%v is not permanent", err)
	}
}

func TestPostLeavesTheCallersHeadersAlone(t *testing.T) {
	t.Parallel()
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	h := http.Header{"X-Key": {"v"}}
	if _, err := Post(context.Background(), server.Client(), server.URL, h, nil); err != nil {
		t.Fatal(err)
	}
	if len(h) != 1 {
		t.Errorf("the caller's headers became %v", h)
	}
	if got.Get("X-Key") != "v" || got.Get("Content-Type") != "application/json" || got.Get("User-Agent") != "tocsin" {
		t.Errorf("headers sent: %v", got)
	}
}

func TestRequestTakesSecretsOutOfWhatTheReceiverSays(t *testing.T) {
	t.Parallel()
	var method, path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, path = r.Method, r.URL.Path
		w.WriteHeader(http.StatusBadRequest)
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	r := Request{Method: http.MethodPut, URL: server.URL + "/issue", Body: []byte(`{"key":"k3y-k3y-k3y"}`), Secrets: []secret.String{secret.New("k3y-k3y-k3y"), {}}}
	_, err := r.Send(t.Context(), server.Client())
	if err == nil || strings.Contains(err.Error(), "k3y") || !strings.Contains(err.Error(), `{"key":"***"}`) {
		t.Errorf("Send = %v, want what was said without the key", err)
	}
	if method != http.MethodPut || path != "/issue" {
		t.Errorf("the receiver got %s %s", method, path)
	}
}

func TestRequestReadsNoMoreThanItIsTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 200<<10))
	}))
	defer server.Close()
	for most, want := range map[int64]int{0: 64 << 10, 10: 10, 100 << 10: 100 << 10} {
		reply, err := Request{URL: server.URL, Most: most}.Send(t.Context(), server.Client())
		if err != nil || len(reply) != want {
			t.Errorf("with Most %d: %d bytes, %v; want %d", most, len(reply), err, want)
		}
	}
}

func TestAWaitInSecondsIsBounded(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]time.Duration{0: 0, -3: 0, 0.25: 250 * time.Millisecond, 42: 42 * time.Second, 1e9: 15 * time.Minute, math.Inf(1): 15 * time.Minute} {
		if got := Seconds(seconds); got != want {
			t.Errorf("Seconds(%v) = %v, want %v", seconds, got, want)
		}
	}
	if got := Seconds(math.NaN()); got != 0 {
		t.Errorf("Seconds of what is no number = %v, want 0", got)
	}
}

func TestWhatAReceiverSaidIsFitForAnError(t *testing.T) {
	t.Parallel()
	got := Said("bad \x1b[31mtoken s3cr3t-t0ken\nsee https://evil.example/s3cr3t-t0ken "+strings.Repeat("x", 300), secret.New("s3cr3t-t0ken"), secret.String{})
	if !strings.HasPrefix(got, "bad [31mtoken *** see hxxps://evil[.]example/***") || len([]rune(got)) > 200 {
		t.Errorf("Said = %q", got)
	}
}

func TestTheStatusOfAnError(t *testing.T) {
	t.Parallel()
	refused := fmt.Errorf("x: %w", Permanent(&StatusError{Host: "h", Status: 404}))
	for _, tt := range []struct {
		err  error
		want int
	}{{nil, 0}, {errors.New("x"), 0}, {refused, 404}, {After(refused, time.Second), 404}} {
		if got := Status(tt.err); got != tt.want {
			t.Errorf("Status(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestANotifierAlwaysHasALog(t *testing.T) {
	t.Parallel()
	k := Define("x", "Does x.", func(_ struct{}, env Env) (Notifier, error) {
		env.Log.Info("opened")
		return nil, nil
	})
	if _, err := k.Open(func(any) error { return nil }, Env{}); err != nil {
		t.Error(err)
	}
}
