package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty/pagerdutytest"
)

// A process is cut off after PagerDuty took the trigger and before that is written
// down, and when the next one looks the alert is over. Nobody knows whether the
// incident was opened; it is resolved.
func TestAnIncidentThatMayBeOpenIsResolved(t *testing.T) {
	t.Parallel()
	pager := newPager()
	var cut atomic.Pointer[context.CancelFunc]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel := cut.Swap(nil)
		if cancel == nil {
			pager.ServeHTTP(w, r)
			return
		}
		pager.ServeHTTP(httptest.NewRecorder(), r)
		(*cancel)()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	c, err := config.Parse("tocsin.yml", fmt.Appendf(nil, `store: "sqlite:%s"
sources: {gd: {https: {token: night-0123456789abcdef}}}
rules: [{use: guardduty}]
fallback: [pager]
receivers: {pager: {rate: 0, pagerduty: {routing_key: %s, url: "%s/v2/enqueue"}}}
`, t.TempDir(), pagerKey, server.URL), app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	var now atomic.Pointer[time.Time]
	at := func(minute int) time.Time {
		m := dusk.Add(time.Duration(minute) * time.Minute)
		now.Store(&m)
		return m
	}
	at(0)
	a, err := app.Offline(t.Context(), app.Options{Config: c, Now: func() time.Time { return *now.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	finding := &tale{id: "0123456789abcdef0123456789abcdef", account: estate[0], kind: kinds[0]}
	receipts, err := a.Engine().Accept(t.Context(), tocsin.Event{Source: "gd", Envelope: "e1", Raw: version{updated: dusk, severity: 8, count: 1}.event(finding, dusk, "e1")})
	if err != nil {
		t.Fatal(err)
	}
	killed, kill := context.WithCancel(t.Context())
	cut.Store(&kill)
	_ = a.Engine().Drain(killed, at(0)) // it was cut off
	if got := incidents(pager); got != "triggered" {
		t.Fatalf("incidents before anybody closes the alert: %s, want one that is triggered", got)
	}
	at(1)
	if _, err := a.Engine().Close(t.Context(), receipts[0].Alert, engine.Ask{By: "ana"}, tocsin.ReasonFixed, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for minute := 1; minute < 5; minute++ {
		if err := a.Engine().Drain(t.Context(), at(minute)); err != nil {
			t.Fatal(err)
		}
	}
	if got := incidents(pager); got != "resolved" {
		t.Errorf("incidents afterwards: %s, want one that is resolved", got)
	}
}

// incidents are the statuses of all.
func incidents(s *pagerdutytest.Server) (all string) {
	for i, incident := range s.Incidents() {
		if i > 0 {
			all += ", "
		}
		all += string(incident.Status)
	}
	return all
}
