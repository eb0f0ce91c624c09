package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// BenchmarkTick is what a turn of the clock costs by how many alerts are open, of
// which it is one's turn: its policy tells a person. BenchmarkFirstPage is the page
// beside it. Both stay as they are however many there are.
func BenchmarkTick(b *testing.B) {
	eachCrowd(b, func(b *testing.B, e *Engine, now time.Time) {
		for b.Loop() {
			if _, err := e.turn(b.Context(), now); err != nil {
				b.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
	})
}

// BenchmarkFirstPage is the first page of open alerts, with their number.
func BenchmarkFirstPage(b *testing.B) {
	eachCrowd(b, func(b *testing.B, e *Engine, _ time.Time) {
		for b.Loop() {
			err := e.store.View(b.Context(), func(tx *store.Tx) error {
				page, total, err := tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen}, Limit: 50})
				if err == nil && (len(page) != 50 || total < 1000) {
					err = fmt.Errorf("%d of %d alerts", len(page), total)
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// eachCrowd runs f with few and with many alerts that are open, in both stores. One
// of them is due each minute from the time that f is given.
func eachCrowd(b *testing.B, f func(b *testing.B, e *Engine, now time.Time)) {
	for _, in := range []struct {
		name string
		url  func(b *testing.B) string
	}{
		{"SQLite", func(b *testing.B) string { return "sqlite:" + b.TempDir() }},
		{"PostgreSQL", func(b *testing.B) string { return storetest.Postgres(b) }},
	} {
		for _, n := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", in.name, n), func(b *testing.B) {
				s, err := store.Open(b.Context(), in.url(b))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = s.Close() })
				now := time.Date(2026, 3, 8, 6, 50, 0, 0, time.UTC)
				f(b, openCrowd(b, s, n, now), now)
			})
		}
	}
}

// unheard is a receiver that nobody delivers to here.
type unheard struct{}

func (unheard) Notify(context.Context, notify.Message) (string, error) { return "", nil }

func openCrowd(b *testing.B, s *store.Store, n int, now time.Time) *Engine {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	anything := func(text string) (string, error) { return text, nil }
	routes, err := routing.New(routing.Table{Fallback: []string{"sms"}})
	must(err)
	none, err := rules.New(nil, nil)
	must(err)
	p := escalation.Policy{
		Name: "watch", Repeat: -1, Fallback: []escalation.Target{{Kind: escalation.Receiver, Name: "sms"}},
		Steps: []escalation.Step{{Targets: []escalation.Target{{Kind: escalation.Person, Name: "ana"}}, Wait: escalation.Duration(time.Minute)}},
	}
	e, err := New(b.Context(), Options{Store: s, Now: func() time.Time { return now }, Plan: &Plan{
		Rules: none, Routes: routes, Policies: map[string]escalation.Policy{p.Name: p}, Fallback: []string{"sms"},
		Receivers: map[string]Receiver{"sms": {Notifier: unheard{}, Kind: "sms", Address: anything}},
		People:    []tocsin.Person{{Name: "ana", Contacts: []tocsin.Contact{{Receiver: "sms", Address: "+4930123450", VerifiedAt: now}}}},
	}})
	must(err)
	for first := 0; first < n; first += 1000 {
		must(s.Update(b.Context(), func(tx *store.Tx) error {
			alerts := make([]*tocsin.Alert, 1000)
			for i := range alerts {
				id := fmt.Sprintf("%032x", first+i)
				a, _ := tocsin.Alert{}.Fold(tocsin.Detection{
					Key: tocsin.Key(id), ID: id, Level: tocsin.Level(2 + i%4), Count: 1, Type: "Backdoor:EC2/C&CActivity.B", Account: "111122223333",
				}, now.Add(-time.Duration(first+i)*time.Second/10))
				if first+i == 0 {
					climbing := escalation.Start(p, now)
					a.Escalation = &climbing
				}
				alerts[i] = &a
			}
			return tx.Save(alerts...)
		}))
	}
	return e
}
