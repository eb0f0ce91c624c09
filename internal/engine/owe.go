package engine

import (
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// span is the time over which the messages to one address are counted.
const span = 15 * time.Minute

// tellPerson owes a message to a person as they want to be told: by each of their
// rules, later ones too, which are taken back if nobody needs them any more.
func (x *exchange) tellPerson(p tocsin.Person, kind tocsin.Kind, why string, changes []tocsin.Change) error {
	urgency := tocsin.UrgencyOf(x.alert.Level)
	start := x.now
	if urgency == tocsin.UrgencyLow && p.Quiet != nil {
		start = oncall.QuietUntil(*p.Quiet, p.TimeZone, x.now)
	}
	for _, rule := range p.Rules(urgency) {
		c, _ := p.Contact(rule.Contact)
		if !kind.Calls() && (rule.Minutes > 0 || x.plan.Receivers[c.Receiver].Interrupts) {
			continue // a call is worth a second one, and waking somebody
		}
		n := x.notification(c.Receiver, kind, why)
		n.Person, n.Contact, n.Changes = p.Name, c.ID, changes
		n.Due = start.Add(time.Duration(rule.Minutes) * time.Minute)
		n.Deadline = n.Due.Add(x.plan.patience(c.Receiver))
		if err := x.limit(n); err != nil {
			return err
		}
		x.owed = append(x.owed, n)
	}
	return nil
}

// limit has the message told in a digest if its address has had as many as it
// bears. The first one of a level that it was not told of lately goes by itself.
func (x *exchange) limit(n *tocsin.Notification) error {
	burst := x.plan.Receivers[n.Receiver].Burst
	if burst == 0 {
		burst = 60
	}
	recent, oldest, err := x.tx.Recent(n.Contact, n.Due.Add(-span))
	if err != nil || recent < int64(burst) {
		return err
	}
	worst, err := x.tx.RecentWorst(n.Contact, n.Due.Add(-span))
	if err != nil || x.alert.Level > worst {
		return err
	}
	n.Digest = true
	if at := oldest.Add(span); at.After(n.Due) {
		n.Due, n.Deadline = at, n.Deadline.Add(at.Sub(n.Due))
	}
	return nil
}
