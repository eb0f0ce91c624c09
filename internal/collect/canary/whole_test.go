package canary_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/canary"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/https"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/pattern"
)

// A house is tocsin with its real engine and store, to which events come by HTTPS from
// an API destination. Every event opens an alert where nothing says otherwise, and
// nobody but the fallback is told.
type house struct {
	*scene
	t     *testing.T
	store *store.Store
	*engine.Engine

	mu   sync.Mutex
	told []string
}

// Notify is the fallback.
func (h *house) Notify(_ context.Context, m notify.Message) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, string(m.Kind)+": "+m.Alert.Title)
	return "", nil
}

// heard is what the fallback was told so far.
func (h *house) heard() []string {
	h.t.Helper()
	check(h.t, h.Drain(h.t.Context(), time.Now()))
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.told)
}

// Send, Fail and Latest are the store's canaries, as the application has them.
func (h *house) Send(ctx context.Context, cs ...tocsin.Canary) (sent []tocsin.Canary, err error) {
	err = h.store.Update(ctx, func(tx *store.Tx) (err error) {
		sent, err = tx.SendCanaries(cs...)
		return err
	})
	return sent, err
}

func (h *house) Fail(ctx context.Context, id, why string) error {
	return h.store.Update(ctx, func(tx *store.Tx) error { return tx.FailCanary(id, why) })
}

func (h *house) Latest(ctx context.Context) (all []tocsin.Canary, err error) {
	err = h.store.View(ctx, func(tx *store.Tx) (err error) {
		all, err = tx.Canaries("canaries")
		return err
	})
	return all, err
}

// newHouse builds it. It is built within a bubble.
func newHouse(t *testing.T, s *scene) *house {
	t.Helper()
	h := &house{scene: s, t: t}
	var err error
	h.store, err = store.Open(t.Context(), "sqlite:"+t.TempDir())
	check(t, err)
	t.Cleanup(func() { check(t, h.store.Close()) })
	everything, err := pattern.Parse([]byte(`{"source":[{"exists":true}]}`))
	check(t, err)
	rs, err := rules.New([]rules.Rule{{Name: "everything", Pattern: everything}}, nil)
	check(t, err)
	routes, err := routing.New(routing.Table{Fallback: []string{"soc"}})
	check(t, err)
	h.Engine, err = engine.New(t.Context(), engine.Options{Store: h.store, Plan: &engine.Plan{
		Rules: rs, Routes: routes, Fallback: []string{"soc"}, Receivers: map[string]engine.Receiver{"soc": {Notifier: h}},
		Dialects: map[string]collect.Dialect{"canaries": canary.Kind.Dialect},
	}})
	check(t, err)
	var door http.Handler
	org, err := https.Kind.Open(func(any) error { return nil }, collecttest.Env("org", &door))
	check(t, err)
	collecttest.Begin(t, org, h.Accept)
	h.deliver = func(_ tocsin.Place, event []byte) {
		r := httptest.NewRequest(http.MethodPost, "/in/org", bytes.NewReader(event))
		r.Header.Set("X-Api-Key", collecttest.Token)
		w := httptest.NewRecorder()
		if door.ServeHTTP(w, r); w.Code != http.StatusAccepted {
			t.Errorf("the API destination is answered %d: %s", w.Code, w.Body)
		}
	}
	return h
}

func (h *house) run(c canary.Config) (stop func() error) {
	h.t.Helper()
	env := h.env()
	env.Canaries = h
	source, err := opener(c)(env)
	check(h.t, err)
	return collecttest.Begin(h.t, source, h.Accept)
}

// journal is what the journal has, the oldest first: verdict and reason.
func (h *house) journal() (all []string) {
	h.t.Helper()
	check(h.t, h.store.View(h.t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events(store.EventFilter{})
		for _, ev := range slices.Backward(events) {
			all = append(all, fmt.Sprintf("%s:%s %s: %s", ev.Via, ev.Source, ev.Verdict, ev.Reason))
		}
		return err
	}))
	return all
}

func (h *house) alerts() (all []string) {
	h.t.Helper()
	check(h.t, h.store.View(h.t.Context(), func(tx *store.Tx) error {
		alerts, _, err := tx.Alerts(store.AlertFilter{Sort: "newest", Limit: 100})
		for _, a := range alerts {
			all = append(all, fmt.Sprintf("%s %s %s %s", a.Status, a.Level, a.Key, a.Title))
		}
		return err
	}))
	return all
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheWholeWay(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, s)
		first, second := h.run(one), h.run(one)
		pass(10*time.Minute + time.Second)
		const arrived = "https:org canary: a canary of canaries, 0s after it was sent"
		if diff := cmp.Diff([]string{arrived, arrived, arrived}, h.journal()); diff != "" {
			t.Errorf("journal (-want +got):\n%s", diff)
		}
		all, err := h.Latest(t.Context())
		if err != nil || len(all) != 1 || all[0].Place != paris || !all[0].ArrivedAt.Equal(all[0].SentAt) || all[0].Path != "https:org" {
			t.Errorf("the newest is %+v, %v; want it arrived by https:org", all, err)
		}

		// Anybody may put such an event on a bus, and it proves nothing.
		h.deliver(paris, []byte(`{"version":"0","id":"f","detail-type":"tocsin canary","source":"tocsin.canary","account":"111122223333","time":"2026-01-01T00:00:00Z","region":"eu-west-3","resources":[],"detail":{"canary":"0123456789abcdef0123456789abcdef"}}`))
		if j := h.journal(); j[len(j)-1] != "https:org ignored: it says that it is a canary, and none of that id is out" {
			t.Errorf("a forged one is %q", j[len(j)-1])
		}
		if a, n := h.alerts(), h.heard(); len(a)+len(n) != 0 {
			t.Errorf("alerts %q, told %q; want none while all is well", a, n)
		}

		h.change(func(c *cloud) { c.allCut = true })
		broken := time.Now()
		pass(11 * time.Minute)
		const title = "No canary from 111122223333 eu-west-3 for 10 minutes: findings of there may not arrive"
		if diff := cmp.Diff([]string{"open high canary/canaries/111122223333/eu-west-3 " + title}, h.alerts()); diff != "" {
			t.Errorf("alerts %v after it broke (-want +got):\n%s", time.Since(broken), diff)
		}
		if diff := cmp.Diff([]string{"opened: " + title}, h.heard()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}

		h.change(func(c *cloud) { c.allCut = false })
		pass(6 * time.Minute)
		if diff := cmp.Diff([]string{"closed high canary/canaries/111122223333/eu-west-3 " + title}, h.alerts()); diff != "" {
			t.Errorf("alerts once it is whole again (-want +got):\n%s", diff)
		}
		pass(30 * time.Minute)
		if n := h.heard(); len(n) != 2 || n[1] != "closed: "+title {
			t.Errorf("told %q, want that it began and that it is over", n)
		}
		check(t, first())
		check(t, second())
	})
}

func TestTheWholeWayOfASample(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, s)
		hourly := one
		hourly.Mode, hourly.Every = "sample", time.Hour
		stop := h.run(hourly)
		pass(time.Minute)
		if diff := cmp.Diff([]string{"https:org canary: a canary of canaries, 0s after it was sent"}, h.journal()); diff != "" {
			t.Errorf("journal (-want +got):\n%s", diff)
		}
		if a, n := h.alerts(), h.heard(); len(a)+len(n) != 0 {
			t.Errorf("alerts %q, told %q; want none", a, n)
		}
		// Somebody who tries samples out gets to see them: it is another type.
		h.publish(paris, "Backdoor:EC2/C&CActivity.B")
		if a := h.alerts(); len(a) != 1 {
			t.Errorf("alerts %q, want that of a sample that tocsin did not ask for", a)
		}
		h.change(func(c *cloud) { c.allCut = true })
		pass(time.Hour + 46*time.Minute) // half an hour, and GuardDuty's quarter
		if a := h.alerts(); len(a) != 2 || a[0] != "open high canary/canaries/111122223333/eu-west-3 No canary from 111122223333 eu-west-3 for 1h45m: findings of there may not arrive" {
			t.Errorf("alerts %q", a)
		}
		check(t, stop())
	})
}
