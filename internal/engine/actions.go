package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// What changes something in the world runs only where a rule names it, once for
// each opening of an alert, and is on its timeline: when it was asked for and by
// whom, and what came of it.

// actionEntry is the kind of a timeline's line about an action.
const actionEntry = "action"

// prepare has the rule's actions run, or wait for somebody's approval, now that
// the alert's opening is told.
func (x *exchange) prepare(d routing.Decision) {
	x.alert.Approvals = nil
	for _, a := range x.plan.Rules.Actions(x.alert.Rule) {
		switch {
		case x.alert.Sample:
			x.log(actionEntry, "", a.Run+" does not run: the finding is a sample")
		case d.OnlyShadows():
			n := x.actionOf(a, "")
			n.State, n.SettledAt, n.LastError = tocsin.Shadow, x.now, "not run: everything is in shadow"
			x.owed = append(x.owed, n)
		case a.Approve:
			x.alert.Approvals = append(x.alert.Approvals, a.Run)
			x.log(actionEntry, "", a.Run+" waits for approval")
		default:
			x.owed = append(x.owed, x.actionOf(a, ""))
			x.log(actionEntry, "", a.Run+" runs, as rule "+x.alert.Rule+" says")
		}
	}
}

// actionOf is the action as it is owed to the receiver that does it.
func (x *exchange) actionOf(a rules.Action, by string) *tocsin.Notification {
	why := "rule " + x.alert.Rule
	if by != "" {
		why += ", approved by " + by
	}
	n := x.notification(a.Run, tocsin.TellAction, why)
	n.Person = by
	return n
}

// RunAction runs an action that waits for approval.
func (e *Engine) RunAction(ctx context.Context, id int64, ask Ask, name string) (tocsin.Alert, error) {
	return e.change(ctx, id, ask, func(x *exchange) error {
		if x.alert.Status == tocsin.StatusClosed {
			return &tocsin.StateError{Alert: x.alert, Doing: "run " + name}
		}
		i := slices.Index(x.alert.Approvals, name)
		if i < 0 {
			return InputError{x.notWaiting(name)}
		}
		if !x.plan.Receivers[name].Acts {
			return InputError{fmt.Errorf("%s is not configured as something that acts any more", name)}
		}
		x.alert.Approvals = slices.Delete(slices.Clone(x.alert.Approvals), i, i+1)
		x.alert.ChangedAt = x.now
		x.owed = append(x.owed, x.actionOf(rules.Action{Run: name}, ask.By))
		x.log(actionEntry, ask.By, ask.text("approved "+name))
		x.tell(tocsin.TellChanged, name+" approved by "+ask.By, []tocsin.Change{{What: "action " + name, To: "approved by " + ask.By}})
		return nil
	})
}

// notWaiting says why the action cannot be approved.
func (x *exchange) notWaiting(name string) error {
	ran, err := x.tx.Notifications(store.NotificationFilter{
		Alert: x.alert.ID, Receiver: name, Kinds: []tocsin.Kind{tocsin.TellAction}, Since: x.alert.EpisodeStart(), Page: store.Page{Limit: 1},
	})
	switch {
	case err != nil:
		return err
	case len(ran) == 0:
		return fmt.Errorf("alert %d has no action %q that waits for approval; rule %q decides which it has", x.alert.ID, name, x.alert.Rule)
	case ran[0].State == tocsin.Failed || ran[0].State == tocsin.Parked:
		return fmt.Errorf("%s was tried at %s and %s: %s; send that notification, %d, again", name, ran[0].CreatedAt.Format("15:04 UTC"), ran[0].State, ran[0].LastError, ran[0].ID)
	}
	return fmt.Errorf("%s runs once, and did at %s", name, ran[0].CreatedAt.Format("15:04 UTC"))
}

// acted writes what came of an action on its alert's timeline, and tells those who
// follow the alert. That it failed everybody hears who was told of the alert.
func (b *batch) acted(tx *store.Tx, s *settlement) error {
	n := s.notification
	a, err := tx.AlertForUpdate(n.Alert)
	if err != nil {
		return err
	}
	x := &exchange{world: b.world, e: b.e, tx: tx, now: b.now, before: a, alert: a}
	text := n.Receiver + " " + outcome(s.Settlement)
	x.alert.ChangedAt = b.now
	x.log(actionEntry, n.Person, text)
	kind := tocsin.TellChanged
	if s.State != tocsin.Delivered {
		kind = tocsin.TellUpdated
	}
	if a.Status != tocsin.StatusClosed {
		x.tell(kind, "action "+text, []tocsin.Change{{What: "action " + n.Receiver, To: outcome(s.Settlement)}})
	}
	if err := x.settle(); err != nil {
		return err
	}
	for _, o := range x.owed {
		b.woken = append(b.woken, o.Receiver)
	}
	return nil
}

// outcome is what came of an action in words.
func outcome(s store.Settlement) string {
	switch {
	case s.State == tocsin.Delivered && s.Ref != "":
		return "done: " + s.Ref
	case s.State == tocsin.Delivered:
		return "done"
	case s.State == tocsin.Cancelled:
		return "not run: " + s.Error
	}
	return "failed: " + s.Error
}
