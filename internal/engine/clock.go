package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// clockBite is how many due alerts share one transaction.
const clockBite = 64

// longestNap is after how long the clock looks for itself, since other replicas
// may have made something due.
const longestNap = time.Second

// An alarm wakes the clock.
type alarm chan time.Time

// at tells the clock of something that is due then. It never waits: a clock that
// is awake already looks for itself.
func (a alarm) at(due time.Time) {
	select {
	case a <- due:
	default:
	}
}

// runClock lets time go by until ctx ends.
func (e *Engine) runClock(ctx context.Context) {
	for {
		next, err := e.turn(ctx, e.now())
		if err != nil && ctx.Err() == nil {
			e.log.Error("the clock cannot go on; it tries again", "err", err)
			next = time.Time{}
		}
		if err == nil {
			e.lastTurn.Store(time.Now().UnixMilli())
		}
		nap := longestNap
		if !next.IsZero() {
			nap = min(max(next.Sub(e.now()), 0), nap)
		}
		if !e.sleep(ctx, nap) {
			return
		}
	}
}

// runDuties sees to reminders and reports until ctx ends, beside the clock: a
// report may take long.
func (e *Engine) runDuties(ctx context.Context) {
	for {
		if err := e.duties(ctx, tocsin.Millis(e.now())); err != nil && ctx.Err() == nil {
			e.log.Error("reminders cannot go on; they try again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(dutyEvery / 4):
		}
	}
}

// sleep waits, or until something is due earlier. It is false once ctx has ended.
func (e *Engine) sleep(ctx context.Context, nap time.Duration) bool {
	end := e.now().Add(nap)
	timer := time.NewTimer(nap)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case due := <-e.clock:
			if due.Before(end) {
				end = due
				timer.Reset(max(due.Sub(e.now()), 0))
			}
		}
	}
}

// turn does all that is due at now, and says when something is due next.
func (e *Engine) turn(ctx context.Context, now time.Time) (next time.Time, err error) {
	now = tocsin.Millis(now)
	if err := e.refresh(ctx); err != nil {
		return next, err
	}
	for {
		n, err := e.tick(ctx, now, clockBite)
		if err != nil {
			return next, err
		}
		if n < clockBite {
			break
		}
	}
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		next, err = tx.NextAlertDue()
		return err
	})
	return next, err
}

// tick lets it be now for alerts that wait for it, and returns how many there
// were. If they cannot be written together, each is tried alone: one may just have
// let go of another, and one that cannot be written at all keeps nobody else from
// being told.
func (e *Engine) tick(ctx context.Context, now time.Time, bite int) (int, error) {
	n, err := e.tickTogether(ctx, now, func(tx *store.Tx) ([]tocsin.Alert, error) { return tx.DueAlerts(now, bite) })
	if err == nil || e.store.Ping(ctx) != nil {
		return n, err
	}
	var due []tocsin.Alert
	if err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.DueAlerts(now, bite)
		return err
	}); err != nil {
		return 0, fmt.Errorf("clock: %w", err)
	}
	n = 0
	for _, a := range due {
		one, err := e.tickTogether(ctx, now, func(tx *store.Tx) ([]tocsin.Alert, error) {
			a, err := tx.AlertForUpdate(a.ID)
			if at := a.Due(); err != nil || at.IsZero() || at.After(now) {
				return nil, err // somebody was faster
			}
			return []tocsin.Alert{a}, nil
		})
		if err != nil {
			e.log.Error("an alert's time has come and it cannot be written; it is tried again", "alert", a.ID, "err", err)
		}
		n += one
	}
	return n, nil
}

// tickTogether lets it be now for some alerts in one transaction.
func (e *Engine) tickTogether(ctx context.Context, now time.Time, which func(*store.Tx) ([]tocsin.Alert, error)) (int, error) {
	var xs []*exchange
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		xs = xs[:0]
		due, err := which(tx)
		if err != nil {
			return err
		}
		w := e.world()
		for _, a := range due {
			x := &exchange{world: w, e: e, tx: tx, now: now, before: a, alert: a}
			xs = append(xs, x)
			if err := x.tick(); err != nil {
				return fmt.Errorf("alert %d: %w", a.ID, err)
			}
			if err := x.settle(); err != nil {
				return fmt.Errorf("alert %d: %w", a.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("clock: %w", err)
	}
	for _, x := range xs {
		x.wake()
	}
	return len(xs), nil
}

// tick is the alert's turn of the clock: its own life first, then whom its policy
// tells next.
func (x *exchange) tick() error {
	var turns []tocsin.Turn
	x.e.metrics.late(x.now.Sub(x.before.Due()))
	x.alert, turns = x.alert.Tick(x.now)
	for _, t := range turns {
		if t.Kind != "" {
			x.log(t.Kind, "", t.Text)
		}
		switch t.Tell {
		case "", tocsin.TellClosed: // its end is told by settle
		case tocsin.TellOpened:
			if err := x.open("held back until now"); err != nil {
				return err
			}
		default:
			x.tell(t.Tell, t.Text, t.Changes)
		}
		if t.Restart && t.Tell != tocsin.TellOpened {
			x.restart()
		}
	}
	if x.err != nil || !x.alert.Fires(x.now) {
		return x.err
	}
	return x.fire()
}

// fire has the policy say who is told now.
func (x *exchange) fire() error {
	p, ok := x.policy(x.alert.Escalation)
	if !ok { // it is not known any more, and nobody may be left untold
		x.log("skipped", "", fmt.Sprintf("policy %s %s is not known any more; the fallback has it", x.alert.Escalation.Policy, x.alert.Escalation.Version))
		x.alert.Escalation = nil
		for _, r := range x.plan.Fallback {
			x.tellAgain(r, "fallback: its policy is not known any more")
		}
		return nil
	}
	next, acts := escalation.Fire(p, *x.alert.Escalation, escalation.FactsOf(x.alert), x.now, x)
	if x.err != nil {
		return x.err
	}
	x.alert.Escalation = &next
	for _, act := range acts {
		if err := x.act(act); err != nil {
			return err
		}
	}
	return nil
}

// act does what the policy says.
func (x *exchange) act(act escalation.Act) error {
	if act.Turn != nil {
		if err := x.tx.SetRotation(act.Turn.Policy, act.Turn.Step, int64(act.Turn.Next)); err != nil {
			return fmt.Errorf("whose turn it is: %w", err)
		}
	}
	for _, name := range act.People {
		p, _ := x.person(name)
		if err := x.tellPerson(p, tocsin.TellOpened, act.Why, nil); err != nil {
			return err
		}
	}
	for _, r := range act.Receivers {
		x.tellAgain(r, act.Why)
	}
	if !act.Again {
		x.alert.ChangedAt = x.now
		x.log(string(act.Kind), "", act.Text)
	}
	return nil
}

// tellAgain calls a receiver, whether it was told before or not.
func (x *exchange) tellAgain(name, why string) {
	x.owed = append(x.owed, x.notification(name, tocsin.TellOpened, why))
	if !slices.Contains(x.alert.Told, name) {
		x.alert.Told = append(slices.Clone(x.alert.Told), name)
	}
}
