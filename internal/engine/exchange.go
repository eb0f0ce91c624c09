package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// An exchange is what becomes of one alert within one transaction, by a person or
// by the clock: the alert as it will be, its lines of the timeline, and what is
// owed because of it. settle writes it all.
type exchange struct {
	*world
	e      *Engine
	tx     *store.Tx
	now    time.Time
	before tocsin.Alert
	alert  tocsin.Alert

	entries []tocsin.Entry
	owed    []*tocsin.Notification
	marked  []routing.Decision // that a storm counted, to be taken back if nothing is kept
	// released says that alerts were let go for which it is the clock's turn.
	released bool
	said     *said           // what was told of how the alert stands
	later    bool            // what it inhibited is let go once everything is saved
	err      error           // that a judge's question met
	taking   []store.Latency // the opening that somebody took on just now, the first to do so
}

// log adds a line to the alert's timeline; by is empty for tocsin itself.
func (x *exchange) log(kind, by, text string) {
	x.entries = append(x.entries, tocsin.Entry{Alert: x.alert.ID, At: x.now, Kind: kind, By: by, Text: text})
}

// toldOfOpening is why somebody hears of an end.
const toldOfOpening = "was told of the opening"

// settle writes the alert, its timeline and what is owed. What nobody needs any
// more is taken back.
func (x *exchange) settle() error {
	if x.quietened() {
		if err := x.takeBack(); err != nil {
			return err
		}
	}
	if x.alert.Status == tocsin.StatusClosed && x.before.Status != tocsin.StatusClosed {
		if err := x.ended(nil); err != nil {
			return err
		}
	}
	if x.said != nil && x.said.kind != tocsin.TellClosed {
		// A message that stands there with its buttons is to show how it is.
		if err := x.tellPeople(*x.said, func(r Receiver) bool { return r.Edits }); err != nil {
			return err
		}
	}
	if err := x.tx.Save(&x.alert); err != nil {
		return err
	}
	if err := x.firstTaken(); err != nil {
		return err
	}
	if err := x.tx.Log(x.entries...); err != nil {
		return fmt.Errorf("timeline: %w", err)
	}
	if err := x.tx.Owe(x.owed); err != nil {
		return fmt.Errorf("owe notifications: %w", err)
	}
	return nil
}

// quietened reports whether people need not be called any more.
func (x *exchange) quietened() bool {
	was := x.before.Status == tocsin.StatusOpen && !x.before.Snoozed(x.now)
	return was && (x.alert.Status != tocsin.StatusOpen || x.alert.Snoozed(x.now))
}

// takeBack cancels what calls for people and was not sent yet.
func (x *exchange) takeBack() error {
	_, err := x.tx.Cancel(store.Cancellation{Alert: x.alert.ID, Reason: standing(x.alert, x.now), At: x.now})
	if err != nil {
		return fmt.Errorf("take notifications back: %w", err)
	}
	return nil
}

// standing says why nobody needs to be called for the alert, or nothing.
func standing(a tocsin.Alert, now time.Time) string {
	switch {
	case a.Status == tocsin.StatusClosed:
		return fmt.Sprintf("not needed any more: closed by %s (%s)", a.ClosedBy, a.CloseReason)
	case a.Status == tocsin.StatusAcked:
		return "not needed any more: acknowledged by " + a.AckedBy
	case a.Snoozed(now):
		return "not needed any more: snoozed by " + a.SnoozedBy + " until " + a.SnoozedUntil.Format(time.RFC3339)
	}
	return ""
}

// ended keeps the episode for reports, lets go of what the alert inhibited and
// tells everybody who was told of its opening.
func (x *exchange) ended(changes []tocsin.Change) error {
	if err := x.keepEpisode(); err != nil {
		return err
	}
	if !x.later {
		if err := x.letGo(); err != nil {
			return err
		}
	}
	x.tell(tocsin.TellClosed, toldOfOpening, changes)
	return x.tellPeople(*x.said, func(r Receiver) bool { return !r.Interrupts || r.Edits }) // what edits takes its call back
}

// tell owes a message to every receiver that was told of the opening, as far as
// it wants to know of such a thing.
func (x *exchange) tell(kind tocsin.Kind, why string, changes []tocsin.Change) {
	for _, name := range x.alert.Told {
		r := x.plan.Receivers[name]
		if !r.Follows && (kind == tocsin.TellAcknowledged || kind == tocsin.TellChanged) {
			continue
		}
		n := x.notification(name, kind, why)
		n.Changes = changes
		x.owed = append(x.owed, n)
	}
	x.said = &said{kind, why, changes}
}

// said is what receivers were told of how the alert stands.
type said struct {
	kind    tocsin.Kind
	why     string
	changes []tocsin.Change
}

// notification is one that is owed now to a receiver's own place.
func (x *exchange) notification(receiver string, kind tocsin.Kind, why string) *tocsin.Notification {
	return &tocsin.Notification{
		Alert: x.alert.ID, Receiver: receiver, Kind: kind, Why: why, State: tocsin.Pending,
		CreatedAt: x.now, Due: x.now, Deadline: x.now.Add(x.plan.patience(receiver)),
	}
}

// tellPeople tells those who were called in this episode, by receivers that are
// wanted for it.
func (x *exchange) tellPeople(s said, wanted func(Receiver) bool) error {
	if x.alert.Escalation == nil {
		return nil
	}
	told, err := x.tx.Notifications(store.NotificationFilter{Alert: x.alert.ID, States: []tocsin.State{tocsin.Delivered}, Page: store.Page{Limit: 1000}})
	if err != nil {
		return err
	}
	var done []int64
	for _, n := range told {
		r := x.plan.Receivers[n.Receiver]
		if n.Contact == 0 || !n.Kind.Calls() || !wanted(r) || n.CreatedAt.Before(x.alert.EpisodeStart()) || slices.Contains(done, n.Contact) {
			continue
		}
		done = append(done, n.Contact)
		also := x.notification(n.Receiver, s.kind, s.why)
		also.Person, also.Contact, also.Changes = n.Person, n.Contact, s.changes
		x.owed = append(x.owed, also)
	}
	return nil
}

// wake has those work who are to do what was just committed.
func (x *exchange) wake() {
	x.e.metrics.took(x.taking, reports.ToldToAcknowledged)
	for _, n := range x.owed {
		x.e.receiver(n.Receiver).wake()
	}
	if x.released {
		x.e.clock.at(x.now)
	}
	if due := x.alert.Due(); !due.IsZero() && due.Sub(x.now) < longestNap {
		x.e.clock.at(due)
	}
}
