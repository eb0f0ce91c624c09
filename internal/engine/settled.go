package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// aftermath is what follows from settlements: whoever could not be told by one way
// is told by the next, and what a receiver refused for good goes to the fallback.
// It touches the store only where something failed.
func (b *batch) aftermath(tx *store.Tx, kept []int64) error {
	for i := range b.settled {
		s := b.settled[i]
		n := s.notification
		bad := s.State == tocsin.Failed || s.State == tocsin.Parked
		switch {
		case !slices.Contains(kept, s.ID):
		case n.Kind == tocsin.TellAction && s.State != tocsin.Pending:
			if err := b.acted(tx, s); err != nil {
				return err
			}
		case n.Contact != 0 && s.State == tocsin.Delivered && b.contacts[n.Contact].Failures > 0:
			if err := b.contactFailed(tx, n, "", false); err != nil {
				return err
			}
		case !bad:
		case n.Contact != 0:
			// A vendor that was down until it was given up says nothing of the address.
			if s.State == tocsin.Failed && !errors.Is(s.cause, ErrDisabled) {
				if err := b.contactFailed(tx, n, s.Error, notify.IsGone(s.cause)); err != nil {
					return err
				}
			}
			if err := b.nextWay(tx, n); err != nil {
				return err
			}
		case n.Kind.Calls() && n.Alert != 0:
			if err := b.fallBack(tx, n, s.Error); err != nil {
				return err
			}
		}
	}
	return nil
}

// ErrDisabled is what a receiver says that is disabled: it tells nobody, which is no
// fault of an address.
var ErrDisabled = errors.New("the receiver is disabled")

// contactFailed counts a lasting failure, or with no reason a success. Three in a
// row disable the contact method, or one of an address that is gone, and its person
// and their teams are told.
func (b *batch) contactFailed(tx *store.Tx, n tocsin.Notification, reason string, gone bool) error {
	c, err := tx.Contact(n.Contact)
	if errors.Is(err, store.ErrNotFound) || (err == nil && c.DisabledWhy != "") {
		return nil
	}
	if err != nil {
		return err
	}
	if reason == "" {
		c.Failures = 0
		return tx.SaveContact(&c)
	}
	c = c.Failed(reason)
	if gone && c.DisabledWhy == "" {
		c.DisabledWhy = "is gone: " + reason
	}
	if c.DisabledWhy != "" {
		text := fmt.Sprintf("The contact method %s %s of %s is not used any more: it %s.", c.Receiver, notify.ShownAddress(c.Address), c.Person, c.DisabledWhy)
		b.extra = append(b.extra, b.desk().noteTo(c.Person, text, c.ID)...)
		for _, team := range b.plan.teamsOf(c.Person) {
			b.extra = append(b.extra, b.desk().noteToTeam(team, text)...)
		}
	}
	return tx.SaveContact(&c)
}

// nextWay has a person told by their next rule at once if all that was due by now
// failed.
func (b *batch) nextWay(tx *store.Tx, n tocsin.Notification) error {
	if n.Alert == 0 || !n.Kind.Calls() {
		return nil
	}
	all, err := tx.Notifications(store.NotificationFilter{Alert: n.Alert, Person: n.Person, Page: store.Page{Limit: 200}})
	if err != nil {
		return err
	}
	var next *tocsin.Notification
	for i := range all {
		o := &all[i]
		if !o.CreatedAt.Equal(n.CreatedAt) || o.ID == n.ID {
			continue
		}
		switch {
		case o.State == tocsin.Delivered, o.State == tocsin.Pending && !o.Due.After(b.now):
			return nil // that way is open
		case o.State == tocsin.Pending && (next == nil || o.Due.Before(next.Due)):
			next = o
		}
	}
	if next == nil {
		return nil
	}
	_, err = tx.Advance(next.ID, b.now)
	b.woken = append(b.woken, next.Receiver)
	return err
}

// fallBack tells the fallback what a receiver refused for good: an alert is not
// lost because a channel was archived.
func (b *batch) fallBack(tx *store.Tx, n tocsin.Notification, reason string) error {
	a, err := tx.AlertForUpdate(n.Alert)
	if err != nil || standing(a, b.now) != "" {
		return err
	}
	x := &exchange{world: b.world, e: b.e, tx: tx, now: b.now, before: a, alert: a}
	for _, name := range b.plan.Fallback {
		if name == n.Receiver || slices.Contains(a.Told, name) {
			continue
		}
		x.tellReceiver(name, "fallback: "+n.Receiver+" could not be told")
		x.log("fallback", "", fmt.Sprintf("%s could not be told (%s); %s has it", n.Receiver, reason, name))
	}
	if len(x.owed) == 0 {
		return nil
	}
	if err := x.settle(); err != nil {
		return err
	}
	for _, n := range x.owed {
		b.woken = append(b.woken, n.Receiver)
	}
	return nil
}
