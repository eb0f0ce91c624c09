package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Acknowledge says that somebody has taken the alert on. A *tocsin.StateError
// says that somebody else did before, which is noted; store.ErrNotFound that
// there is no such alert.
func (e *Engine) Acknowledge(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error) {
	var late *tocsin.StateError
	a, err := e.change(ctx, id, ask, func(x *exchange) error {
		if enough := x.countAck(ask.By); !enough {
			x.log("note", ask.By, "acknowledged; the policy waits for others too")
			return nil
		}
		acked, err := x.alert.Acknowledge(ask.By, x.now)
		if errors.As(err, &late) && x.alert.Status == tocsin.StatusAcked {
			x.log("note", ask.By, "acknowledged it too, after "+x.alert.AckedBy)
			return nil
		}
		if err != nil {
			return err
		}
		x.alert = acked
		x.log("acknowledged", ask.By, ask.text())
		x.tell(tocsin.TellAcknowledged, "acknowledged by "+ask.By, []tocsin.Change{{What: "status", From: "open", To: "acknowledged by " + ask.By}})
		return nil
	})
	if err == nil && late != nil {
		err = late
	}
	return a, err
}

// countAck counts the acknowledgement where a policy wants several, and reports
// whether there are enough.
func (x *exchange) countAck(by string) bool {
	if x.alert.Escalation == nil || x.alert.Status != tocsin.StatusOpen {
		return true
	}
	p, ok := x.policy(x.alert.Escalation)
	if !ok {
		return true
	}
	next, enough := escalation.Acknowledge(p, *x.alert.Escalation, by)
	x.alert.Escalation = &next
	return enough
}

// taken has the escalation go on only with what is told in spite of it.
func (x *exchange) taken() {
	if x.alert.Escalation == nil {
		return
	}
	if p, ok := x.policy(x.alert.Escalation); ok {
		next := escalation.Taken(p, *x.alert.Escalation)
		x.alert.Escalation = &next
	}
}

// Unacknowledge gives the alert back.
func (e *Engine) Unacknowledge(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) (err error) {
		was := x.alert.AckedBy
		if x.alert, err = x.alert.Unacknowledge(ask.By, x.now); err != nil {
			return err
		}
		x.log("unacknowledged", ask.By, ask.text())
		x.tell(tocsin.TellChanged, "given back by "+ask.By, []tocsin.Change{{What: "status", From: "acknowledged by " + was, To: "open"}})
		x.restart()
		return nil
	})
}

// Assign gives the alert to somebody, who is told unless they asked for it.
func (e *Engine) Assign(ctx context.Context, id int64, ask Ask, to string) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) (err error) {
		person, known := x.person(to)
		if !known {
			return InputError{fmt.Errorf("there is no person %q", to)}
		}
		was := x.alert.Assignee
		if x.alert, err = x.alert.Assign(ask.By, to, x.now); err != nil {
			return err
		}
		x.taken()
		x.log("assigned", ask.By, ask.text("to "+to))
		x.tell(tocsin.TellChanged, "assigned by "+ask.By, []tocsin.Change{{What: "assignee", From: was, To: to}})
		if to == ask.By {
			return nil
		}
		return x.tellPerson(person, tocsin.TellChanged, "assigned to you by "+ask.By, []tocsin.Change{{What: "assignee", From: was, To: to}})
	})
}

// Snooze has nobody told until then.
func (e *Engine) Snooze(ctx context.Context, id int64, ask Ask, until time.Time) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) (err error) {
		if x.alert, err = x.alert.Snooze(ask.By, until, x.now); err != nil {
			return refusal(err)
		}
		at := x.alert.SnoozedUntil.Format(time.RFC3339)
		x.log("snoozed", ask.By, ask.text("until "+at))
		x.tell(tocsin.TellChanged, "snoozed by "+ask.By, []tocsin.Change{{What: "snoozed until", To: at}})
		return nil
	})
}

// Escalate ends the present step now.
func (e *Engine) Escalate(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) error {
		switch {
		case x.alert.Status != tocsin.StatusOpen:
			return &tocsin.StateError{Alert: x.alert, Doing: "escalate"}
		case x.alert.Escalation == nil:
			return InputError{errors.New("the alert has no escalation policy; reassign it to a team or policy")}
		case x.alert.Held != nil:
			return InputError{fmt.Errorf("the alert is held back by %s", x.alert.Held.By)}
		}
		next := escalation.EscalateNow(*x.alert.Escalation, x.now)
		x.alert.Escalation, x.alert.ChangedAt = &next, x.now
		x.log("escalated", ask.By, ask.text())
		return nil
	})
}

// Reassign hands the alert to a team, a policy or both, whose people are told
// from the beginning.
func (e *Engine) Reassign(ctx context.Context, id int64, ask Ask, team, policy string) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) (err error) {
		if team == "" && policy == "" {
			return InputError{errors.New("reassigning needs a team or a policy")}
		}
		was := x.alert.Team
		if team != "" {
			t, ok := x.plan.Teams[team]
			if !ok {
				return InputError{fmt.Errorf("there is no team %q", team)}
			}
			if policy == "" {
				policy = t.Policy
			}
			if x.alert, err = x.alert.Hand(team, x.now); err != nil {
				return err
			}
			for _, r := range t.Receivers {
				x.tellReceiver(r, "team "+team+", by "+ask.By)
			}
		} else if x.alert, err = x.alert.Hand(was, x.now); err != nil {
			return err
		}
		if policy != "" {
			p, ok := x.plan.Policies[policy]
			if !ok {
				return InputError{fmt.Errorf("there is no policy %q", policy)}
			}
			x.start(p)
		}
		x.alert.Held = nil // whoever hands it over wants it told
		x.log("reassigned", ask.By, ask.text(strings.TrimSpace("to "+team+" "+policy)))
		x.tell(tocsin.TellChanged, "handed over by "+ask.By, []tocsin.Change{{What: "team", From: was, To: x.alert.Team}})
		return nil
	})
}

// tellReceiver tells a receiver of the alert as of a new one, unless it was told.
func (x *exchange) tellReceiver(name, why string) {
	if !slices.Contains(x.alert.Told, name) {
		x.tellAgain(name, why)
	}
}

// ApplyPolicy has a live alert go by its policy as it is today.
func (e *Engine) ApplyPolicy(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) error {
		switch {
		case x.alert.Status == tocsin.StatusClosed:
			return &tocsin.StateError{Alert: x.alert, Doing: "apply a policy"}
		case x.alert.Escalation == nil:
			return InputError{errors.New("the alert has no escalation policy")}
		}
		name := x.alert.Escalation.Policy
		p, ok := x.plan.Policies[name]
		if !ok {
			return InputError{fmt.Errorf("policy %q is not configured any more; reassign the alert", name)}
		}
		was := x.alert.Escalation.Version
		if was == p.Version() {
			return InputError{fmt.Errorf("the alert goes by policy %q as it is already", name)}
		}
		next := escalation.Apply(p, *x.alert.Escalation, x.alert.Status, x.now)
		x.alert.Escalation = &next
		x.log("policy", ask.By, ask.text(fmt.Sprintf("policy %s %s instead of %s", name, p.Version(), was)))
		return nil
	})
}

// Close ends the alert and tells those who were told of its opening. A mute keeps
// what has its key quiet until then.
func (e *Engine) Close(ctx context.Context, id int64, ask Ask, reason tocsin.Reason, mute time.Time) (tocsin.Alert, error) {
	a, err := e.change(ctx, id, ask, func(x *exchange) (err error) {
		if x.alert, err = x.alert.Close(ask.By, reason, x.now); err != nil {
			return err
		}
		x.log("closed", ask.By, ask.text(string(reason)))
		if mute.IsZero() {
			return nil
		}
		return x.mute(ask, reason, mute)
	})
	if err == nil && !mute.IsZero() {
		err = e.refresh(ctx)
	}
	return a, err
}

// mute silences the alert's key, since somebody said that it is to be expected.
func (x *exchange) mute(ask Ask, reason tocsin.Reason, until time.Time) error {
	s := tocsin.Silence{
		Kind: tocsin.KindMute, Key: x.alert.Key, Author: ask.By, Reason: ask.textOr(string(reason)),
		From: x.now, Until: tocsin.Millis(until), CreatedAt: x.now,
	}
	if err := routing.Check(s, x.now); err != nil {
		return InputError{err}
	}
	if err := x.tx.SaveSilence(&s); err != nil {
		return err
	}
	x.log("muted", ask.By, fmt.Sprintf("mute %d until %s", s.ID, s.Until.Format(time.RFC3339)))
	return nil
}

// Note writes a line into the alert's timeline.
func (e *Engine) Note(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) error {
		if strings.TrimSpace(ask.Note) == "" {
			return InputError{errors.New("note: is empty")}
		}
		x.log("note", ask.By, ask.Note)
		return nil
	})
}

// text is what stands in the timeline: what was done, and the note with it.
func (a Ask) text(what ...string) string {
	text := strings.Join(what, " ")
	if a.Note != "" {
		if text != "" {
			text += ": "
		}
		text += a.Note
	}
	if a.Via != "" {
		text = strings.TrimSpace(text + " (by " + a.Via + ")")
	}
	return text
}

func (a Ask) textOr(what string) string {
	if a.Note != "" {
		return a.Note
	}
	return what
}

// refusal is what a judge refused because of what was asked, if it is not the
// alert's state that was in the way.
func refusal(err error) error {
	if _, isState := errors.AsType[*tocsin.StateError](err); isState {
		return err
	}
	return InputError{err}
}

// change is one change of one alert by a person with all that follows from it, in
// one transaction.
func (e *Engine) change(ctx context.Context, id int64, ask Ask, f func(*exchange) error) (tocsin.Alert, error) {
	if strings.TrimSpace(ask.By) == "" {
		return tocsin.Alert{}, InputError{errors.New("by: say who does it")}
	}
	var x *exchange
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		a, err := tx.AlertForUpdate(id)
		if err != nil {
			return err
		}
		x = &exchange{world: e.world(), e: e, tx: tx, now: tocsin.Millis(e.now()), before: a, alert: a}
		if ask.Version != 0 && ask.Version != a.Version {
			return &StaleError{Alert: a}
		}
		if ask.token != "" {
			// What was used is kept for longer than anything may be used.
			fresh, err := tx.UseToken(ask.token, x.now.Add(2*linkLife))
			if err != nil {
				return err
			}
			if !fresh {
				return errUsed
			}
		}
		if err := f(x); err != nil {
			return err
		}
		if x.err != nil {
			return x.err
		}
		return x.settle()
	})
	if err != nil {
		if x != nil {
			return x.before, err // it names the alert
		}
		return tocsin.Alert{}, err
	}
	x.wake()
	return x.alert, nil
}

// errUsed says that an ask that is done once was done.
var errUsed = errors.New("done already")

// A StaleError says that the alert was changed since it was seen; it is a
// store.ErrStale that has the alert as it is.
type StaleError struct{ Alert tocsin.Alert }

func (e *StaleError) Error() string {
	return fmt.Sprintf("alert %d: %v; it is %s, version %d", e.Alert.ID, store.ErrStale, e.Alert.Status, e.Alert.Version)
}

func (e *StaleError) Unwrap() error { return store.ErrStale }

// notAgain says that a notification cannot be sent again; it is a store.ErrStale,
// since whoever asked saw it as it was before.
type notAgain struct{ error }

func (notAgain) Unwrap() error { return store.ErrStale }

// Retry owes a notification that failed or was parked once more, as a new one.
func (e *Engine) Retry(ctx context.Context, id int64, by string) error {
	var receiver string
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		old, err := tx.Notification(id)
		if err != nil {
			return err
		}
		if old.State != tocsin.Failed && old.State != tocsin.Parked {
			return notAgain{fmt.Errorf("it is %s, and only failed and parked ones can be sent again", old.State)}
		}
		now := tocsin.Millis(e.now())
		receiver = old.Receiver
		again := old
		again.ID, again.State, again.Why, again.Digest = 0, tocsin.Pending, "sent again by "+by, false
		again.Attempts, again.SettledAt, again.LastError = 0, time.Time{}, ""
		again.CreatedAt, again.Due, again.Deadline = now, now, now.Add(e.plan.Load().patience(receiver))
		if err := tx.Owe([]*tocsin.Notification{&again}); err != nil || old.Alert == 0 {
			return err
		}
		return tx.Log(tocsin.Entry{Alert: old.Alert, At: now, Kind: "note", By: by, Text: "message to " + receiver + " is sent again"})
	})
	if err != nil {
		return fmt.Errorf("notification %d: %w", id, err)
	}
	e.receiver(receiver).wake()
	return nil
}
