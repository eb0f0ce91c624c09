package guarddutyapi_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi/guarddutytest"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/pattern"
)

// told counts the messages about each alert.
type told struct {
	mu sync.Mutex
	of map[int64]int
}

func (n *told) Notify(_ context.Context, m notify.Message) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of[m.Alert.ID]++
	return "", nil
}

// Through the real engine and a real journal: what is recovered opens its alert and is
// told once, and what came is not doubled.
func TestThreeOfAThousandThroughTheEngine(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.Context(), "sqlite:"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	everything, err := pattern.Parse([]byte(`{"source":["aws.guardduty"]}`))
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rules.New([]rules.Rule{{Name: "guardduty", Pattern: everything}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := routing.New(routing.Table{Fallback: []string{"soc"}, Storm: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	soc := &told{of: map[int64]int{}}
	fake := guarddutytest.New()
	clock := noon
	now := func() time.Time { return clock }
	fake.Now(now)
	e, err := engine.New(t.Context(), engine.Options{Store: st, Now: now, Plan: &engine.Plan{
		Rules: rs, Routes: routes, Fallback: []string{"soc"}, Receivers: map[string]engine.Receiver{"soc": {Notifier: soc}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	fake.Enable(guarddutytest.Detector{Account: own, Region: home, Frequency: "FIFTEEN_MINUTES"})
	all := many(1000, noon.Add(-2*time.Hour), time.Second)
	all[500].Updated, all[500].Created = all[499].Updated, all[499].Created
	suppressed := many(5, noon.Add(-time.Hour), time.Second)
	for i := range suppressed {
		suppressed[i].ID, suppressed[i].Archived = guarddutytest.FindingID(5000+i), true
	}
	fake.Put(append(all, suppressed...)...)
	var events []tocsin.Event
	for i, f := range all {
		if i == 49 || i == 50 || i == 500 {
			continue
		}
		for _, bus := range []string{own, ember} { // the member's bus has it, and the administrator's
			events = append(events, tocsin.Event{Source: "queue", Via: "sqs", Envelope: bus + f.ID, ReceivedAt: clock, Raw: f.Event(bus)})
			if i%100 != 0 {
				break
			}
		}
	}
	for some := range slices.Chunk(events, 100) {
		if _, err := e.Accept(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
	}
	c := settings()
	s, err := guarddutyapi.New(c, collect.Env{
		Name: "audit", Log: slog.New(slog.DiscardHandler), Now: now, HTTP: fake.Client(), State: store.Memory{Store: st, Prefix: "source/audit/"},
		Held: func(ctx context.Context, keys []tocsin.Key) (held map[tocsin.Key]tocsin.Held, err error) {
			err = st.View(ctx, func(tx *store.Tx) (err error) { held, err = tx.Held(keys); return err })
			return held, err
		},
		Observe: func(ctx context.Context, seen ...tocsin.Sighting) error {
			return st.Update(ctx, func(tx *store.Tx) error { return tx.Observe(seen...) })
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Round(t.Context(), e.Accept); err != nil {
			t.Fatal(err)
		}
		if err := e.Drain(t.Context(), clock); err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(15 * time.Minute)
	}
	var asked []tocsin.Event
	var seen []tocsin.Sighting
	err = st.View(t.Context(), func(tx *store.Tx) (err error) {
		if asked, err = tx.Events(store.EventFilter{Source: "audit", Page: store.Page{Limit: 100}}); err != nil {
			return err
		}
		seen, err = tx.Sightings(tocsin.SawReconciliation)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[tocsin.Verdict]int{}
	for _, ev := range asked {
		verdicts[ev.Verdict]++
		if ev.Via != tocsin.ViaReconcile || ev.Deliveries != 1 {
			t.Errorf("journalled %+v", ev)
		}
	}
	if len(asked) != 8 || verdicts[tocsin.Opened] != 3 || verdicts[tocsin.Closed] != 5 {
		t.Errorf("%d were put through, %v; want 3 that opened alerts, and 5 that GuardDuty had archived", len(asked), verdicts)
	}
	if len(soc.of) != 1000 {
		t.Errorf("%d alerts were told, want 1000", len(soc.of))
	}
	for id, n := range soc.of {
		if n != 1 {
			t.Errorf("of alert %d was told %d times", id, n)
		}
	}
	if len(seen) != 1 || seen[0].Source != "audit" {
		t.Fatalf("sightings %+v", seen)
	}
	counts(t, *seen[0].Reconciliation, tocsin.Reconciliation{API: 1005, Received: 997, Suppressed: 5, Recovered: 3})
}
