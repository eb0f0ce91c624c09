package demo

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A clock is what everything in the demo goes by: behind the real one by as much
// as the story puts it forward, so that it ends up right. The zero clock is right.
type clock struct{ behind atomic.Int64 }

// Now is the time in the demo.
func (c *clock) Now() time.Time { return time.Now().Add(-time.Duration(c.behind.Load())) }

// setBack puts the clock back, once, before anything looks at it.
func (c *clock) setBack(d time.Duration) { c.behind.Store(int64(d)) }

// late is by how much it is behind; nothing if the story put it forward by more.
func (c *clock) late() time.Duration { return max(0, time.Duration(c.behind.Load())) }

func (c *clock) forward(d time.Duration) { c.behind.Add(-int64(d)) }

// patience is how many paces the story waits for the clock by itself: a minute, at
// the pace that is usual. What is longer, the clock is put forward by.
const patience = 75

// until lets it be t.
func (w *world) until(ctx context.Context, t time.Time) error {
	left := t.Sub(w.clock.Now())
	if !wait(ctx, min(left, patience*w.pace)) {
		return ctx.Err()
	}
	return w.forward(ctx, t.Sub(w.clock.Now()))
}

// forward puts the clock forward while nothing is under way, so that no attempt is
// taken for one that hangs, and returns once all that is due then is done.
func (w *world) forward(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if err := w.quiet(ctx); err != nil {
		return err
	}
	w.clock.forward(d)
	if _, err := w.inspector.look(ctx); err != nil {
		return err
	}
	return w.app.Engine().Drain(ctx, w.clock.Now())
}

// quiet waits until no message is under way, or to be tried again. It waits no
// longer than a receiver of the demo can refuse.
func (w *world) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err := w.poll(ctx, func(tx *store.Tx) (bool, error) {
		pending, err := tx.Notifications(store.NotificationFilter{States: []tocsin.State{tocsin.Pending}, Page: store.Page{Limit: 1000}})
		now := w.clock.Now()
		for _, n := range pending {
			if n.Attempts > 0 || !n.Due.After(now) {
				return false, err
			}
		}
		return true, err
	})
	if ctx.Err() != nil {
		return nil // whatever hangs, the story goes on
	}
	return err
}

// poll looks into the store until what is looked for is there.
func (w *world) poll(ctx context.Context, look func(tx *store.Tx) (found bool, err error)) error {
	for {
		found := false
		err := w.app.Store().View(ctx, func(tx *store.Tx) (err error) {
			found, err = look(tx)
			return err
		})
		if err != nil || found {
			return err
		}
		if !wait(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}
