package collecttest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Token is what [Env] gives as token.
const Token = "a-token-that-nobody-guesses"

// Memory is a [collect.State] that forgets with the process. Err, when set, is
// what it answers.
type Memory struct {
	mu     sync.Mutex
	values map[string][]byte
	err    error
}

// Fail makes everything fail with err from now on; nil ends that.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Load gives what was saved.
func (m *Memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.values[key]), m.err
}

// Save keeps value.
func (m *Memory) Save(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.keep(key, value)
	return nil
}

// First keeps value if there is none yet, and gives what is kept.
func (m *Memory) First(_ context.Context, key string, value []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	if _, ok := m.values[key]; !ok {
		m.keep(key, value)
	}
	return bytes.Clone(m.values[key]), nil
}

func (m *Memory) keep(key string, value []byte) {
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = bytes.Clone(value)
}

// Env is what a collector named name is given in tests. What it mounts is put
// into *mounted; requests that it makes fail.
func Env(name string, mounted *http.Handler) collect.Env {
	return collect.Env{
		Name: name, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		HTTP:      &http.Client{Transport: nowhere{}, Timeout: time.Second},
		Handle:    func(h http.Handler) { *mounted = h },
		Token:     func() (secret.String, error) { return secret.New(Token), nil },
		State:     &Memory{},
		PublicURL: "https://tocsin.example.com/in/" + name,
	}
}

type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}
}

// HTTP gives the Start of a harness for a collector that listens over HTTP: open
// opens it, and request is how an event is sent to the server at url.
func HTTP(name string, open func(collect.Env) (collect.Collector, error), request func(url string, body []byte) (*http.Request, error)) func(*testing.T, collect.Sink) *Running {
	return func(t *testing.T, sink collect.Sink) *Running {
		t.Helper()
		var handler http.Handler
		c, err := open(Env(name, &handler))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		running := Begin(t, c, sink)
		return &Running{
			Stop: running,
			Send: func(body []byte) Answer {
				r, err := request(server.URL, body)
				if err != nil {
					t.Error(err)
					return Refused
				}
				resp, err := server.Client().Do(r)
				if err != nil {
					t.Error(err)
					return TryAgain
				}
				defer func() { _ = resp.Body.Close() }()
				_, _ = io.Copy(io.Discard, resp.Body)
				switch {
				case resp.StatusCode/100 == 2:
					return Received
				case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
					return TryAgain
				}
				return Refused
			},
			Hang: func(t *testing.T) func() { return hang(t, server, request) },
		}
	}
}

// Begin runs c until the returned function is called, which gives what Run
// returned. It returns once c takes events.
func Begin(t *testing.T, c collect.Collector, sink collect.Sink) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, sink) }()
	if ready, ok := c.(interface{ Ready() bool }); ok {
		for !ready.Ready() {
			runtime.Gosched() // until the goroutine above got its turn
		}
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// hang sends the head of a request and the beginning of its body.
func hang(t *testing.T, server *httptest.Server, request func(string, []byte) (*http.Request, error)) func() {
	t.Helper()
	r, err := request(server.URL, event(0))
	if err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	if err := r.Write(&head); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(head.Bytes()[:head.Len()-10]); err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close() }
}
