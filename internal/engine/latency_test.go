package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// measured opens the scene's engine with metrics.
func measured(t *testing.T, s *scene) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	o := s.options()
	o.Metrics = engine.NewMetrics(registry)
	e, err := engine.New(t.Context(), o)
	check(t, err)
	s.Engine = e
	return registry
}

// observed is what the metrics have of a stage: how many, their sum in seconds, how
// many were skewed, and the buckets that are not empty by their upper bound.
func observed(t *testing.T, r *prometheus.Registry) map[string]string {
	t.Helper()
	all := map[string]string{}
	families, err := r.Gather()
	check(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "tocsin_latency_seconds":
				h := m.GetHistogram()
				if h.GetSampleCount() == 0 {
					continue
				}
				text, below := fmt.Sprintf("%d in %gs", h.GetSampleCount(), h.GetSampleSum()), uint64(0)
				for _, b := range h.GetBucket() {
					if n := b.GetCumulativeCount(); n > below {
						text += fmt.Sprintf(", %d up to %g", n-below, b.GetUpperBound())
						below = n
					}
				}
				all[m.GetLabel()[0].GetValue()] = text
			case "tocsin_latency_skewed_total":
				if n := m.GetCounter().GetValue(); n > 0 {
					all["skewed "+m.GetLabel()[0].GetValue()] = fmt.Sprint(n)
				}
			}
		}
	}
	return all
}

// ledger is what is kept of openings, the oldest first, in seconds after morning.
func (s *scene) ledger(t *testing.T) (lines []string) {
	t.Helper()
	seconds := func(at time.Time) string {
		if at.IsZero() {
			return "-"
		}
		return fmt.Sprint(at.Sub(morning).Seconds())
	}
	check(t, s.store.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Latencies(store.LatencyFilter{From: morning.AddDate(0, 0, -1), To: morning.AddDate(0, 0, 30)})
		for _, l := range slices.Backward(all) {
			lines = append(lines, fmt.Sprintf("%d.%d %s %s %s/%s by %q from %s: %s", l.Alert, l.N, seconds(l.OpenedAt), l.Level, l.Account, l.Region, l.Route, l.Source,
				strings.Join([]string{seconds(l.ActivityAt), seconds(l.CreatedAt), seconds(l.EventAt), seconds(l.ReceivedAt), seconds(l.ToldAt), seconds(l.AckedAt)}, " ")))
		}
		return err
	}))
	return lines
}

// timed is a finding whose times are so many seconds after morning.
func timed(id string, severity float64, first, last, created, updated, event float64) tocsin.Event {
	ev := finding{envelope: fmt.Sprint(id, updated), id: id, severity: severity, count: 1}.event()
	at := func(s float64) string {
		return morning.Add(time.Duration(s * float64(time.Second))).Format("2006-01-02T15:04:05.000Z")
	}
	was := morning.Format("2006-01-02T15:04:05.000Z")
	text := string(ev.Raw)
	for name, s := range map[string]float64{"eventFirstSeen": first, "eventLastSeen": last, "createdAt": created, "updatedAt": updated} {
		text = strings.Replace(text, fmt.Sprintf("%q:%q", name, was), fmt.Sprintf("%q:%q", name, at(s)), 1)
	}
	whole := morning.Add(time.Duration(event * float64(time.Second))).Format(time.RFC3339)
	ev.Raw = []byte(strings.Replace(text, fmt.Sprintf(`"time":%q`, was), fmt.Sprintf(`"time":%q`, whole), 1))
	return ev
}

// Every time on the way is kept, and the histogram has what the clock said.
func TestTheWayOfAnAlertIsTimed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *store.Store) {
		s := newScene(t, open)
		registry := measured(t, s)
		s.pass(400 * time.Second)
		s.accept(t, timed("f1", 9, 0, 0, 300, 300, 397))
		// A later version of a finding that is new here.
		s.accept(t, timed("f2", 5, 0, 350, 300, 380, 398))
		s.accept(t, finding{envelope: "s", id: "sample", severity: 9, count: 1}.event())
		s.pass(20 * time.Millisecond)
		s.drain(t)
		s.pass(90 * time.Second)
		_, err := s.Acknowledge(t.Context(), 1, engine.Ask{By: "ana"})
		check(t, err)
		_, err = s.Acknowledge(t.Context(), 1, engine.Ask{By: "ben"})
		if _, late := errors.AsType[*tocsin.StateError](err); !late {
			t.Errorf("the second acknowledgement: %v", err)
		}
		want := []string{
			`1.1 400 critical 111122223333/eu-west-1 by "critical" from org: 0 300 397 400 400.02 490.02`,
			`2.1 400 medium 111122223333/eu-west-1 by "" from org: 350 380 398 400 400.02 -`,
		}
		if diff := cmp.Diff(want, s.ledger(t)); diff != "" {
			t.Errorf("ledger (-want +got):\n%s", diff)
		}
		histogram := map[string]string{
			"activity_to_created":  "2 in 330s, 1 up to 30, 1 up to 300",
			"created_to_event":     "2 in 115s, 1 up to 30, 1 up to 120",
			"event_to_received":    "2 in 5s, 1 up to 2.5, 1 up to 5",
			"received_to_told":     "2 in 0.04s, 2 up to 0.05",
			"told_to_acknowledged": "1 in 90s, 1 up to 120",
		}
		if diff := cmp.Diff(histogram, observed(t, registry)); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}

func TestWhatOpensAgainIsTimedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	s.accept(t, finding{"e1", "f1", "", "", 9, 1, 0, false}.event())
	s.drain(t)
	s.pass(time.Hour)
	s.accept(t, finding{"e2", "f1", "", "", 9, 2, 1, true}.event()) // archived
	s.drain(t)
	s.pass(5 * time.Minute)
	s.accept(t, finding{"e3", "f1", "", "", 9, 3, 2, false}.event()) // and here again
	s.pass(time.Second)
	s.drain(t)
	want := []string{
		`1.1 0 critical 111122223333/eu-west-1 by "critical" from org: 0 0 0 0 0 -`,
		`1.2 3900 critical 111122223333/eu-west-1 by "critical" from org: 7200 7200 7200 3900 3901 -`,
	}
	if diff := cmp.Diff(want, s.ledger(t)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestClocksThatAreApartAreCounted(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	registry := measured(t, s)
	s.pass(10 * time.Second)
	s.accept(t, timed("f1", 9, 0, 0, 5.9, 5.9, 5)) // the event's time is rounded down
	s.accept(t, timed("f2", 9, 8, 8, 5, 5, 15))    // it was made before it happened, and came before it was sent
	want := map[string]string{
		"activity_to_created": "2 in 5.9s, 1 up to 0.01, 1 up to 10", "created_to_event": "2 in 10s, 1 up to 0.01, 1 up to 10", "event_to_received": "2 in 5s, 1 up to 0.01, 1 up to 5",
		"skewed activity_to_created": "1", "skewed event_to_received": "1",
	}
	if diff := cmp.Diff(want, observed(t, registry)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// A receiver that was down until the second try told nobody at the first; one that only
// does something tells nobody at all.
func TestTheFirstMessageToPeopleCounts(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	robot := s.plan.Receivers["web"]
	robot.Acts = true
	s.plan.Receivers["web"] = robot
	s.soc.answer = func(context.Context, notify.Message) error {
		if s.now().Before(morning.Add(2 * time.Second)) {
			return errors.New("503")
		}
		return nil
	}
	s.reopenEngine(t)
	s.accept(t, finding{"e1", "f1", "", "", 9, 1, 0, false}.event())
	s.drain(t)
	if got := s.ledger(t); !strings.HasSuffix(got[0], "0 0 0 0 - -") {
		t.Errorf("before anybody was told: %q", got)
	}
	s.pass(5 * time.Second)
	s.drain(t)
	if got := s.ledger(t); !strings.HasSuffix(got[0], "0 0 0 0 5 -") {
		t.Errorf("after the second try: %q", got)
	}
}

// What tocsin asked for was sent by nobody.
func TestWhatWasAskedForWasNotUnderWay(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	ev := finding{"e1", "f1", "", "", 9, 1, 0, false}.event()
	ev.Via = tocsin.ViaReconcile
	s.accept(t, ev)
	if got := s.ledger(t); len(got) != 1 || !strings.HasSuffix(got[0], "0 0 - 0 - -") {
		t.Errorf("ledger %q, want no time of an event", got)
	}
}
