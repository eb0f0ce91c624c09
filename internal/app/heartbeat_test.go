package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

// A monitor outside hears that all is well, and nothing once it is not.
func TestTheHeartbeatIsHeardWhileEverythingWorksAndNotAfterwards(t *testing.T) {
	t.Parallel()
	var beats atomic.Int64
	var refuse atomic.Bool
	monitor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ping/a-secret-uuid" || r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		if refuse.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		beats.Add(1)
	}))
	t.Cleanup(monitor.Close)
	c := parse(t, basic+"heartbeat: {url: "+monitor.URL+"/ping/a-secret-uuid, every: 10s}\n")
	c.Heartbeat.Every = 20 * time.Millisecond
	h := start(t, app.Options{Config: c})
	until(t, "it beats", func() bool { return beats.Load() > 2 })

	refuse.Store(true)
	until(t, "the refusal is logged", func() bool { return strings.Contains(h.log.String(), "no heartbeat: the monitor will alarm") })
	if strings.Contains(h.log.String(), "a-secret-uuid") {
		t.Errorf("the log shows the monitor's address: %s", h.log.String())
	}
	refuse.Store(false)
	until(t, "it beats again", func() bool { return strings.Contains(h.log.String(), "heartbeat again") })

	// The store takes nothing any more: the process lives, and says nothing.
	if err := h.Store().Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is withheld", func() bool { return strings.Count(h.log.String(), "no heartbeat") == 2 })
	heard := beats.Load()
	time.Sleep(200 * time.Millisecond)    // ten beats' time
	if n := beats.Load() - heard; n > 1 { // one may have been under way
		t.Errorf("%d beats of a tocsin whose store is closed", n)
	}
	_ = h.end()
}

func TestAHeartbeatNeedsAnAddressThatIsSafe(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"heartbeat: {every: 1m}":                                         `"url" is missing`,
		"heartbeat: {url: 'http://monitor.example.com/x'}":               "must begin with https://",
		"heartbeat: {url: 'https://monitor.example.com/x', every: 5s}":   "is less than 10s",
		"heartbeat: {url: 'https://monitor.example.com/x', each: 5m}":    `unknown key "each"`,
		"heartbeat: {url: 'https://monitor.example.com/', every: 'now'}": "now",
	} {
		_, err := config.Parse("tocsin.yml", []byte(basic+text+"\n"), app.Kinds())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
