package app

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/config"
)

// newApp is a program of the defaults, on a free port.
func newApp(t *testing.T) *App {
	t.Helper()
	c, err := config.Parse("defaults", config.Default(), Kinds())
	if err != nil {
		t.Fatal(err)
	}
	c.Listen, c.Store = "127.0.0.1:0", "sqlite:"+t.TempDir()
	a, err := New(t.Context(), Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A program that has lost its address is of no use: it ends, for whoever started
// it to start it again.
func TestRunEndsWhenAPartCannotGoOn(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	if err := a.listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := a.Run(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("Run = %v, and the time is over: %v", err, ctx.Err())
	}
	if err := a.store.Ping(t.Context()); err == nil {
		t.Error("the store is open after the end")
	}
}

// A load balancer sends nobody here before events can be taken in.
func TestItIsReadyOnlyWhileItRuns(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	defer func() { _ = a.close() }()
	w := httptest.NewRecorder()
	a.ready(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "source events takes no events") {
		t.Errorf("before it runs readyz answers %d %s", w.Code, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestPagesAreForThisMachine(t *testing.T) {
	t.Parallel()
	page := localOnly(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range []struct {
		host string
		want int
	}{
		{"127.0.0.1:8080", 200},
		{"127.0.0.1", 200},
		{"127.8.8.8:1", 200},
		{"localhost:8080", 200},
		{"[::1]:8080", 200},
		{"[::1]", 200},
		{"evil.example", 403},
		{"localhost.evil.example:8080", 403},
		{"127.0.0.1.evil.example", 403},
		{"10.0.0.5:8080", 403},
		{"0.0.0.0:8080", 403},
		{"[::]:8080", 403},
		{"", 403},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		if page.ServeHTTP(w, r); w.Code != tt.want {
			t.Errorf("Host %q is answered %d, want %d", tt.host, w.Code, tt.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "0.0.0.0:1": false, "[::]:1": false, "192.0.2.1:1": false} {
		addr, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := loopback(addr); got != want {
			t.Errorf("loopback(%s) = %v", address, got)
		}
	}
	if loopback(&net.UnixAddr{Name: "/run/x"}) {
		t.Error("an address of another kind is taken for loopback")
	}
}
