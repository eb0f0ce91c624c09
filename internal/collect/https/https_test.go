package https_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/https"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func open(c https.Config, env collect.Env) (collect.Collector, error) {
	return https.Kind.Open(func(into any) error {
		*into.(*https.Config) = c
		return nil
	}, env)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "api", Via: "https",
		Start: collecttest.HTTP("api",
			func(env collect.Env) (collect.Collector, error) { return open(https.Config{}, env) },
			func(url string, body []byte) (*http.Request, error) {
				r, err := http.NewRequest(http.MethodPost, url+"/in/api", bytes.NewReader(body))
				if err == nil {
					r.Header.Set("X-Api-Key", collecttest.Token)
				}
				return r, err
			}),
	})
}

// journal is a sink that keeps what it got.
type journal struct {
	events []tocsin.Event
	err    error
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	if j.err != nil {
		return nil, j.err
	}
	receipts := make([]tocsin.Receipt, len(events))
	for i, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw)
		j.events = append(j.events, ev)
		receipts[i] = tocsin.Receipt{Seq: int64(len(j.events)), Verdict: tocsin.Opened, Alert: 7}
	}
	return receipts, nil
}

// running is a collector that runs, without a network.
func running(t testing.TB, c https.Config, sink collect.Sink) (http.Handler, collect.Collector) {
	t.Helper()
	var handler http.Handler
	source, err := open(c, collecttest.Env("api", &handler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, sink) }()
	for !source.(interface{ Ready() bool }).Ready() {
		time.Sleep(time.Microsecond)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	return handler, source
}

func post(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const inPath = "/in/api/" + collecttest.Token

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	basic := httptest.NewRequest(http.MethodPost, "/", nil)
	basic.SetBasicAuth("anybody", collecttest.Token)
	for _, tt := range []struct {
		name   string
		config https.Config
		path   string
		header []string
		want   int
	}{
		{"token in the path", https.Config{}, inPath, nil, 202},
		{"API key", https.Config{}, "/in/api", []string{"X-Api-Key", collecttest.Token}, 202},
		{"bearer", https.Config{}, "/in/api", []string{"Authorization", "Bearer " + collecttest.Token}, 202},
		{"bearer in lower case", https.Config{}, "/in/api", []string{"Authorization", "bearer " + collecttest.Token}, 202},
		{"password", https.Config{}, "/in/api", []string{"Authorization", basic.Header.Get("Authorization")}, 202},
		{"a token of one's own", https.Config{Token: secret.New("0123456789abcdef")}, "/in/api/0123456789abcdef", nil, 202},
		{"a header of one's own", https.Config{Header: "x-tocsin-key"}, "/in/api", []string{"X-Tocsin-Key", collecttest.Token}, 202},
		{"another header than that", https.Config{Header: "x-tocsin-key"}, "/in/api", []string{"X-Api-Key", collecttest.Token}, 401},
		{"no token", https.Config{}, "/in/api", nil, 401},
		{"wrong token", https.Config{}, "/in/api", []string{"X-Api-Key", "guess"}, 401},
		{"wrong token in the path, right one in the header", https.Config{}, "/in/api/guess", []string{"X-Api-Key", collecttest.Token}, 401},
		{"token and more", https.Config{}, inPath + "/", nil, 401},
		{"empty password", https.Config{}, "/in/api", []string{"Authorization", "Basic Og=="}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, tt.config, j.take)
			w := post(h, tt.path, `{}`, tt.header...)
			if w.Code != tt.want || len(j.events) != map[int]int{202: 1, 401: 0}[tt.want] {
				t.Errorf("answer %d with %d events, want %d: %s", w.Code, len(j.events), tt.want, w.Body)
			}
			if strings.Contains(w.Body.String(), collecttest.Token) {
				t.Errorf("the answer tells the token: %s", w.Body)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       string
	}{
		{"one event", `{"a":1}`, `{"accepted":1,"seq":1,"verdict":"opened","alert":7,"receipts":[{"seq":1,"verdict":"opened","alert":7}]}`},
		{"two events", `{"a":1}{"b":2}`, `{"accepted":2,"receipts":[{"seq":1,"verdict":"opened","alert":7},{"seq":2,"verdict":"opened","alert":7}]}`},
		{"no event in an array", `[]`, `{"accepted":0,"receipts":[]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, https.Config{}, j.take)
			w := post(h, inPath, tt.body)
			if got := strings.TrimSpace(w.Body.String()); w.Code != 202 || got != tt.want {
				t.Errorf("answer %d %s, want 202 %s", w.Code, got, tt.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
		header map[string]string
		error  string
	}{
		{"empty body", httptest.NewRequest(http.MethodPost, inPath, strings.NewReader(" \n")), 400, nil, "the body is empty"},
		{"GET", httptest.NewRequest(http.MethodGet, inPath, nil), 405, map[string]string{"Allow": "POST"}, "GET is not taken here"},
		{"too large", httptest.NewRequest(http.MethodPost, inPath, strings.NewReader(strings.Repeat(" ", collect.MaxBody+1))), 413, nil, "the body is too large"},
		{"too large once unpacked", httptest.NewRequest(http.MethodPost, inPath, packed(strings.Repeat(" ", collect.MaxBody+1))), 413, nil, "the body is too large"},
		{"too many events", httptest.NewRequest(http.MethodPost, inPath, strings.NewReader(strings.Repeat("{}", 50_001))), 413, nil, "there are too many events in one request"},
		{"a long Idempotency-Key", func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, inPath, strings.NewReader("{}"))
			r.Header.Set("Idempotency-Key", strings.Repeat("x", 256))
			return r
		}(), 400, nil, "the Idempotency-Key is too long"},
		{"no token", httptest.NewRequest(http.MethodPost, "/in/api", strings.NewReader("{}")), 401, map[string]string{"Www-Authenticate": `Bearer realm="tocsin"`}, "the token is missing or wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, https.Config{}, j.take)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, tt.r)
			var answer struct{ Error, Hint string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatalf("answer %s: %v", w.Body, err)
			}
			if w.Code != tt.status || answer.Error != tt.error || answer.Hint == "" {
				t.Errorf("answer %d %+v, want %d %q and a hint", w.Code, answer, tt.status, tt.error)
			}
			for name, want := range tt.header {
				if got := w.Header().Get(name); got != want {
					t.Errorf("header %s: %q, want %q", name, got, want)
				}
			}
			if len(j.events) > 0 {
				t.Errorf("the sink got %d events, want none", len(j.events))
			}
		})
	}
}

func packed(text string) *bytes.Buffer {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return &out
}

func TestGzip(t *testing.T) {
	t.Parallel()
	var j journal
	h, _ := running(t, https.Config{}, j.take)
	if w := post(h, inPath, packed(`{"a":1}`).String()); w.Code != 202 || string(j.events[0].Raw) != `{"a":1}` {
		t.Errorf("answer %d, events %+v", w.Code, j.events)
	}
	if w := post(h, inPath, "\x1f\x8bnot gzip"); w.Code != 202 || string(j.events[1].Raw) != "\x1f\x8bnot gzip" || j.events[1].Unreadable == "" {
		t.Errorf("what is no gzip: answer %d, events %+v", w.Code, j.events)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	const form = "SourceName=web-1&SourceStatus=Open"
	for _, tt := range []struct {
		name, body, contentType string
		unreadable              bool
		events                  int
	}{
		{"a form is one event, as it was sent", form, "application/x-www-form-urlencoded", false, 1},
		{"with a character set", form, "application/x-www-form-urlencoded; charset=UTF-8", false, 1},
		{"JSON that curl calls a form", `{"a":1}{"b":2}`, "application/x-www-form-urlencoded", false, 2},
		{"what only says that it is a form", "hello", "application/x-www-form-urlencoded", true, 1},
		{"what does not say that it is one", form, "text/plain", true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, https.Config{}, j.take)
			if w := post(h, inPath, tt.body, "Content-Type", tt.contentType); w.Code != 202 {
				t.Fatalf("answer %d %s", w.Code, w.Body)
			}
			if len(j.events) != tt.events || (j.events[0].Unreadable != "") != tt.unreadable || (tt.events == 1 && string(j.events[0].Raw) != tt.body) {
				t.Errorf("events %+v", j.events)
			}
		})
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	const event = `{"id":"c547bc5c","detail-type":"GuardDuty Finding","source":"aws.guardduty"}`
	for _, tt := range []struct {
		name, body, key string
		want            []string
	}{
		{"an EventBridge event has its own", event, "", []string{"c547bc5c"}},
		{"the sender's key comes first", event, "key-1", []string{"key-1"}},
		{"several under one key", event + event, "key-1", []string{"key-1#0", "key-1#1"}},
		{"several without a key", event + `{"id":"x"}`, "", []string{"c547bc5c", ""}},
		{"something else has none", `{"id":"x"}`, "", []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, https.Config{}, j.take)
			post(h, inPath, tt.body, "Idempotency-Key", tt.key)
			var got []string
			for _, ev := range j.events {
				got = append(got, ev.Envelope)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("envelope ids (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStoreDown(t *testing.T) {
	t.Parallel()
	j := journal{err: errors.New("the disk is full")}
	h, _ := running(t, https.Config{}, j.take)
	w := post(h, inPath, `{}`)
	if w.Code != 503 || w.Header().Get("Retry-After") != "5" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("answer %d, Retry-After %q, %s; want 503, 5 and no word of the disk", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}

// An API destination gives up after five seconds, so it is told before.
func TestSlowStoreIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		sink collect.Sink
	}{
		{"one that gives up", func(ctx context.Context, _ ...tocsin.Event) ([]tocsin.Receipt, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		{"one that hangs, and keeps the event in the end", func(context.Context, ...tocsin.Event) ([]tocsin.Receipt, error) {
			time.Sleep(time.Minute)
			return []tocsin.Receipt{{}}, nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := running(t, https.Config{}, tt.sink)
				start := time.Now()
				w := post(h, inPath, `{}`)
				if took := time.Since(start); w.Code != 503 || took >= 5*time.Second || w.Header().Get("Retry-After") != "5" {
					t.Errorf("answer %d after %v, Retry-After %q; want 503 before 5s", w.Code, took, w.Header().Get("Retry-After"))
				}
			})
		})
	}
}

// What a sink that hangs has in hand stays as it is, and counts as waiting.
func TestEventsOfAnAbandonedRequestAreTheSinksUntilItIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := make(chan string, 1)
		h, _ := running(t, https.Config{MaxRequests: 1}, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			time.Sleep(time.Minute)
			got <- string(events[0].Raw)
			return []tocsin.Receipt{{}}, nil
		})
		post(h, inPath, `{"first":"event"}`)
		if w := post(h, inPath, `{"second":1}`); w.Code != 503 || !strings.Contains(w.Body.String(), "too many requests") {
			t.Errorf("another meanwhile: answer %d %s", w.Code, w.Body)
		}
		if raw := <-got; raw != `{"first":"event"}` {
			t.Errorf("in the end the sink has %s", raw)
		}
		synctest.Wait()
		if w := post(h, inPath, ``); w.Code != 400 {
			t.Errorf("afterwards: answer %d", w.Code)
		}
	})
}

// The request is as EventBridge sends it; "Connection: close" and "Range" are part of
// it.
func TestAnAPIDestination(t *testing.T) {
	t.Parallel()
	recorded, err := os.ReadFile("testdata/api-destination.request.txt")
	if err != nil {
		t.Fatal(err)
	}
	basic := httptest.NewRequest(http.MethodPost, "/", nil)
	basic.SetBasicAuth("eventbridge", collecttest.Token)
	for _, tt := range []struct {
		name   string
		config https.Config
		auth   string
		want   int
	}{
		{"with an API key", https.Config{}, "X-Api-Key: " + collecttest.Token, 202},
		{"with an API key in a header of one's own", https.Config{Header: "x-tocsin-key"}, "X-Tocsin-Key: " + collecttest.Token, 202},
		{"with basic authentication", https.Config{}, "Authorization: " + basic.Header.Get("Authorization"), 202},
		{"with a wrong API key", https.Config{}, "X-Api-Key: EXAMPLE-SECRET", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, tt.config, j.take)
			server := httptest.NewServer(h)
			defer server.Close()
			request := strings.Replace(string(recorded), "/ingest/eventbridge/TOKEN", "/in/api", 1)
			request = strings.Replace(request, "X-Api-Key: EXAMPLE-SECRET", tt.auth, 1)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(request)); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != tt.want || !answer.Close {
				t.Errorf("answer %s, closes %t; want %d, and the connection closed as asked", answer.Status, answer.Close, tt.want)
			}
			if tt.want != 202 {
				return
			}
			_, body, _ := strings.Cut(request, "\r\n\r\n")
			if len(j.events) != 1 || string(j.events[0].Raw) != body || j.events[0].Envelope != "c547bc5c-fd81-561c-46da-a8fd52ca15e1" || j.events[0].Unreadable != "" {
				t.Errorf("events %.300v", j.events)
			}
		})
	}
}

func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h, _ := running(t, https.Config{MaxRequests: 2}, func(context.Context, ...tocsin.Event) ([]tocsin.Receipt, error) {
			<-release
			return []tocsin.Receipt{{}}, nil
		})
		codes := make(chan int, 2)
		for range 2 {
			go func() { codes <- post(h, inPath, `{}`).Code }()
		}
		synctest.Wait()
		if w := post(h, inPath, `{}`); w.Code != 503 || w.Header().Get("Retry-After") != "5" {
			t.Errorf("the third is answered %d, want 503", w.Code)
		}
		close(release)
		if a, b := <-codes, <-codes; a != 202 || b != 202 {
			t.Errorf("the others are answered %d and %d, want 202", a, b)
		}
	})
}

func TestWrongTokensAreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var handler http.Handler
	env := collecttest.Env("api", &handler)
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	env.Now = func() time.Time { return now }
	source, err := open(https.Config{}, env)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		post(handler, "/in/api/guess", `{}`)
	}
	now = now.Add(time.Minute)
	post(handler, "/in/api/guess", `{}`)
	if n := strings.Count(log.String(), "requests with a wrong token"); n != 2 || !strings.Contains(log.String(), "count=5") || strings.Contains(log.String(), "guess") {
		t.Errorf("log, want two lines, the second of 5:\n%s", log.String())
	}
	want := collect.Status{State: "ok", Lines: []tocsin.Fact{{Name: "Wrong tokens", Value: "6 since the start, last 2026-03-01T12:01:00Z"}}}
	if diff := cmp.Diff(want, source.(collect.Reporter).Status(t.Context())); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	var j journal
	_, source := running(t, https.Config{}, j.take)
	hidden := fmt.Sprint(source.(collect.Describer).Describe(false))
	shown := fmt.Sprint(source.(collect.Describer).Describe(true))
	if strings.Contains(hidden, collecttest.Token) {
		t.Errorf("without reveal the token is told: %s", hidden)
	}
	for _, want := range []string{
		"https://tocsin.example.com/in/api/" + collecttest.Token,
		`aws events create-connection --name tocsin-api --authorization-type API_KEY --auth-parameters '{"ApiKeyAuthParameters":{"ApiKeyName":"X-Api-Key","ApiKeyValue":"` + collecttest.Token + `"}}'`,
		"aws events create-api-destination --name tocsin-api",
		"curl -sS -H 'X-Api-Key: " + collecttest.Token,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("Describe(true) has no %q:\n%s", want, shown)
		}
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	for _, tt := range []struct {
		config https.Config
		want   string
	}{
		{https.Config{Header: "X Key"}, `header: "X Key" is no name of a header`},
		{https.Config{MaxRequests: -1}, "max_requests: -1 is less than 1"},
	} {
		if _, err := open(tt.config, collecttest.Env("api", &handler)); err == nil || err.Error() != tt.want {
			t.Errorf("open: %v, want %s", err, tt.want)
		}
	}
	env := collecttest.Env("api", &handler)
	env.Handle = nil
	if _, err := open(https.Config{}, env); err == nil {
		t.Error("open where nothing listens: no error")
	}
}

func BenchmarkDelivery(b *testing.B) {
	h, _ := running(b, https.Config{}, func(context.Context, ...tocsin.Event) ([]tocsin.Receipt, error) {
		return []tocsin.Receipt{{Seq: 1, Verdict: tocsin.Appended, Alert: 1}}, nil
	})
	body := `{"version":"0","id":"c547bc5c","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"text":"` + strings.Repeat("x", 5000) + `"}}`
	b.ReportAllocs()
	for b.Loop() {
		if w := post(h, inPath, body); w.Code != 202 {
			b.Fatal(w.Code)
		}
	}
}
