package engine

import (
	"context"
	"fmt"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Acknowledge says that by has taken the alert on. A *tocsin.StateError says
// that somebody else did before, store.ErrNotFound that there is no such alert.
func (e *Engine) Acknowledge(ctx context.Context, id int64, by string) (tocsin.Alert, error) {
	return e.change(ctx, id, func(a tocsin.Alert) (tocsin.Alert, tocsin.Entry, error) {
		a, err := a.Acknowledge(by, e.now())
		return a, tocsin.Entry{Kind: "acknowledged", By: by}, err
	})
}

// Close ends the alert because a person says so, and tells those who were told
// of its opening.
func (e *Engine) Close(ctx context.Context, id int64, by string, reason tocsin.Reason, note string) (tocsin.Alert, error) {
	return e.change(ctx, id, func(a tocsin.Alert) (tocsin.Alert, tocsin.Entry, error) {
		a, err := a.Close(by, reason, e.now())
		text := string(reason)
		if note != "" {
			text += ": " + note
		}
		return a, tocsin.Entry{Kind: "closed", By: by, Text: text}, err
	})
}

// change is one change of one alert by a person, its timeline line and what is
// owed because of it, in one transaction.
func (e *Engine) change(ctx context.Context, id int64, f func(tocsin.Alert) (tocsin.Alert, tocsin.Entry, error)) (tocsin.Alert, error) {
	plan := e.plan.Load()
	var after tocsin.Alert
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		before, err := tx.Alert(id)
		if err != nil {
			return err
		}
		a, entry, err := f(before)
		if err != nil {
			return err
		}
		if err := tx.Save(&a); err != nil {
			return err
		}
		entry.Alert, entry.At = id, a.ChangedAt
		if err := tx.Log(entry); err != nil {
			return err
		}
		after = a
		if a.Status != tocsin.StatusClosed {
			return nil
		}
		return tx.Owe(plan.closing(a))
	})
	if err != nil {
		return tocsin.Alert{}, err // it names the alert
	}
	for _, name := range after.Told {
		e.receiver(name).wake()
	}
	return after, nil
}

// closing are the messages that tell of a close by a person.
func (p *Plan) closing(a tocsin.Alert) []*tocsin.Notification {
	ns := make([]*tocsin.Notification, len(a.Told))
	for i, name := range a.Told {
		ns[i] = &tocsin.Notification{
			Alert: a.ID, Receiver: name, Kind: tocsin.TellClosed, Why: "was told of the opening", State: tocsin.Pending,
			CreatedAt: a.ChangedAt, Due: a.ChangedAt, Deadline: a.ChangedAt.Add(p.patience(name)),
		}
	}
	return ns
}

// Retry owes a notification that failed or was parked once more, as a new one.
func (e *Engine) Retry(ctx context.Context, id int64, by string) error {
	var receiver string
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		old, err := tx.Notification(id)
		if err != nil {
			return err
		}
		if old.State != tocsin.Failed && old.State != tocsin.Parked {
			return fmt.Errorf("it is %s, and only failed and parked ones can be sent again: %w", old.State, store.ErrStale)
		}
		now := tocsin.Millis(e.now())
		receiver = old.Receiver
		if err := tx.Owe([]*tocsin.Notification{{
			Alert: old.Alert, Receiver: old.Receiver, Kind: old.Kind, Changes: old.Changes, Why: "sent again by " + by,
			State: tocsin.Pending, CreatedAt: now, Due: now, Deadline: now.Add(e.plan.Load().patience(receiver)),
		}}); err != nil {
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
