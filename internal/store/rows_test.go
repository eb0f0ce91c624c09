//go:build !windows

package store_test

import (
	"fmt"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// TestEachRowGetsItsOwnKey writes as many rows at once as statements make of one or of
// several, and reads each by the key that it was told.
func TestEachRowGetsItsOwnKey(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir(), "postgres": storetest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, url)
			for number, n := range []int{1, 2, 3, 7, 31, 32, 33, 71} {
				l := writeAll(t, s, number, n)
				readAll(t, s, l)
			}
		})
	}
}

func writeAll(t *testing.T, s *store.Store, number, n int) *load {
	t.Helper()
	l := newLoad(number, n)
	for i, ev := range l.events {
		ev.Raw = fmt.Appendf(nil, `{"n":"%d of %d"}`, i, n)
	}
	if err := s.Update(t.Context(), l.all); err != nil {
		t.Fatal(err)
	}
	return l
}

func readAll(t *testing.T, s *store.Store, l *load) {
	t.Helper()
	err := s.View(t.Context(), func(tx *store.Tx) error {
		for i, want := range l.events {
			ev, err := tx.Event(want.Seq)
			if err != nil {
				return err
			}
			a, err := tx.Alert(want.Alert)
			if err != nil {
				return err
			}
			owed, err := tx.Notifications(store.NotificationFilter{Alert: a.ID})
			if err != nil {
				return err
			}
			if ev.Envelope != want.Envelope || string(ev.Raw) != string(want.Raw) || a.Key != l.keys[i] || len(owed) != 1 {
				t.Errorf("row %d of %d: event %d is %s %s, want %s %s; alert %d has key %s, want %s; %d notifications, want 1",
					i, len(l.events), want.Seq, ev.Envelope, ev.Raw, want.Envelope, want.Raw, a.ID, a.Key, l.keys[i], len(owed))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestARowThatIsRefusedLeavesNone holds that nothing stays of rows that came before one
// that the journal has already.
func TestARowThatIsRefusedLeavesNone(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite:"+t.TempDir())
	first := writeAll(t, s, 0, 1)
	again := newLoad(1, 16)
	again.deliveries[9] = first.deliveries[0]
	if err := s.Update(t.Context(), again.journal); err == nil {
		t.Fatal("a delivery was written a second time")
	}
	fresh := newLoad(2, 1)
	if err := s.Update(t.Context(), fresh.journal); err != nil {
		t.Fatal(err)
	}
	err := s.View(t.Context(), func(tx *store.Tx) error {
		seen, err := tx.Seen(again.deliveries)
		if len(seen) != 1 || seen[first.deliveries[0]] != first.events[0].Seq {
			t.Errorf("the journal has %d of the deliveries that were refused, want the one from before", len(seen))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fresh.events[0].Seq, first.events[0].Seq+1; got != want {
		t.Errorf("the next event is row %d, want %d", got, want)
	}
}
