package engine

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// SaveSilence writes a new silence (ID 0), or changes one.
func (e *Engine) SaveSilence(ctx context.Context, s tocsin.Silence) (tocsin.Silence, error) {
	now := tocsin.Millis(e.now())
	if s.Kind == "" {
		s.Kind = tocsin.KindSilence
	}
	if s.From.IsZero() {
		s.From = now
	}
	s.From, s.Until = tocsin.Millis(s.From), tocsin.Millis(s.Until)
	if err := routing.Check(s, now); err != nil {
		return s, InputError{err}
	}
	err := e.decide(ctx, func(tx *store.Tx) error {
		if s.ID == 0 {
			s.CreatedAt, s.EndedAt, s.EndedBy = now, time.Time{}, ""
			return tx.SaveSilence(&s)
		}
		old, err := tx.Silence(s.ID)
		if err != nil {
			return err
		}
		if !old.EndedAt.IsZero() {
			return InputError{fmt.Errorf("it was ended by %s; make another", old.EndedBy)}
		}
		s.CreatedAt, s.EndedAt, s.EndedBy, s.ReportedAt, s.RemindedAt = old.CreatedAt, old.EndedAt, old.EndedBy, old.ReportedAt, time.Time{}
		if err := tx.SaveSilence(&s); err != nil {
			return err
		}
		return e.lookAgain(tx, s, now)
	})
	return s, err
}

// EndSilence ends a silence now. What it held is told if it is worth it.
func (e *Engine) EndSilence(ctx context.Context, id int64, by string) (s tocsin.Silence, err error) {
	now := tocsin.Millis(e.now())
	err = e.decide(ctx, func(tx *store.Tx) error {
		if s, err = tx.Silence(id); err != nil {
			return err
		}
		if !s.EndedAt.IsZero() || !s.Until.After(now) {
			return InputError{fmt.Errorf("%s %d is over already", s.Kind, s.ID)}
		}
		s.EndedAt, s.EndedBy = now, by
		if err := tx.SaveSilence(&s); err != nil {
			return err
		}
		return e.lookAgain(tx, s, now)
	})
	return s, err
}

// lookAgain has the clock look now at what the silence holds: it finds out what
// else holds it, if anything.
func (e *Engine) lookAgain(tx *store.Tx, s tocsin.Silence, now time.Time) error {
	x := &exchange{world: e.world(), e: e, tx: tx, now: now}
	return x.release(string(s.Kind) + " " + strconv.FormatInt(s.ID, 10))
}

// PreviewSilence says what a silence would have hidden of the last days.
func (e *Engine) PreviewSilence(ctx context.Context, s tocsin.Silence, days int) (routing.Preview, error) {
	now := tocsin.Millis(e.now())
	if s.Kind == "" {
		s.Kind = tocsin.KindSilence
	}
	if days <= 0 || days > 400 {
		return routing.Preview{}, InputError{fmt.Errorf("days: %d: want 1 to 400", days)}
	}
	if err := checkWhat(s, now); err != nil {
		return routing.Preview{}, InputError{err}
	}
	to := now.Add(time.Millisecond) // what opened just now, too
	from := to.AddDate(0, 0, -days)
	return e.overAlerts(ctx, from, to, func(alerts iter.Seq[tocsin.Alert]) (routing.Preview, error) {
		return e.plan.Load().Routes.Preview(s, from, to, alerts)
	})
}

// checkWhat checks what a silence would hide. Who makes it, why and for how long
// need not be said yet.
func checkWhat(s tocsin.Silence, now time.Time) error {
	s.Author, s.Reason, s.From, s.Until = "preview", "preview", now, now.Add(time.Hour)
	return routing.Check(s, now)
}

// ReportSilence says what a silence hid, so far or in all.
func (e *Engine) ReportSilence(ctx context.Context, id int64) (routing.Preview, error) {
	var s tocsin.Silence
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		s, err = tx.Silence(id)
		return err
	})
	if err != nil {
		return routing.Preview{}, err
	}
	return e.report(ctx, s)
}

// report reads a day more on both sides, since an attack sequence may begin before
// or become one after.
func (e *Engine) report(ctx context.Context, s tocsin.Silence) (routing.Preview, error) {
	return e.overAlerts(ctx, s.From.AddDate(0, 0, -1), s.Until.AddDate(0, 0, 1), func(alerts iter.Seq[tocsin.Alert]) (routing.Preview, error) {
		return e.plan.Load().Routes.Report(s, alerts)
	})
}

// overAlerts has f go over the alerts that opened in that time, whatever their
// number, one after the other.
func (e *Engine) overAlerts(ctx context.Context, from, to time.Time, f func(iter.Seq[tocsin.Alert]) (routing.Preview, error)) (p routing.Preview, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		var broken error
		p, err = f(func(yield func(tocsin.Alert) bool) {
			broken = tx.EachAlert(from, to, yield)
		})
		if broken != nil {
			return broken
		}
		return err
	})
	return p, err
}
