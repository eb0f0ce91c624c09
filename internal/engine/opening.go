package engine

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// FirstWindow is what holds an alert back that may be over in a moment.
const FirstWindow = "first window"

// An opening is what the judges make of an alert that opens, or that may be told
// at last.
type opening struct {
	routing.Decision
	// verdict and reason say that it is held back, and by what; empty if it is not.
	verdict tocsin.Verdict
	reason  string
}

// place asks the judges whose the alert is, under which terms it lives and
// whether people are told now. The first window is for what is new.
func (x *exchange) place(fresh bool) (opening, error) {
	a := &x.alert
	d := x.plan.Routes.Decide(a.Own())
	o := opening{Decision: d}
	a.Team, a.Tags, a.Hidden = d.Team, d.Tags, d.Hide
	x.setTerms(d)
	account := x.plan.account(*a)
	if d.Drop != "" {
		why := "dropped by a route"
		if len(d.Routes) > 0 {
			why = "dropped by " + d.Routes[len(d.Routes)-1]
		}
		a.Held = &tocsin.Hold{By: why}
		o.verdict, o.reason = tocsin.Suppressed, why+": "+d.Drop
		return o, nil
	}
	if h, ok := x.silences.Hold(*a, account, x.now); ok {
		h.Until = tocsin.Millis(h.Until)
		a.Held = &h
		s, _, _ := x.silences.Holding(*a, account, x.now)
		o.verdict, o.reason = tocsin.Silenced, h.By+" by "+s.Author+": "+s.Reason
		return o, nil
	}
	by, err := x.inhibitor(account)
	if err != nil {
		return o, err
	}
	if by != 0 {
		a.Held = &tocsin.Hold{By: holdOf(by), Tell: true}
		o.verdict, o.reason = tocsin.Suppressed, "inhibited by alert "+strconv.FormatInt(by, 10)
		return o, nil
	}
	if fresh && d.FirstWindow > 0 {
		a.Held = &tocsin.Hold{By: FirstWindow, Until: x.now.Add(d.FirstWindow), Tell: true}
		return o, nil
	}
	a.Held = nil
	x.mark(&o.Decision)
	return o, nil
}

// setTerms fixes by what the alert lives from now on.
func (x *exchange) setTerms(d routing.Decision) {
	a, own := &x.alert, x.alert.Own()
	t := x.plan.Terms
	if t == (tocsin.Terms{}) {
		t = tocsin.DefaultTerms()
	}
	t.Updates = d.Updates.Every()
	if u := x.plan.Updates[a.Rule]; u != "" {
		t.Updates = u.Every()
	}
	switch {
	case d.Level > own.Level:
		t.AtLeast = d.Level
	case d.Level < own.Level && d.Level != tocsin.Unknown:
		t.AtMost = d.Level
	}
	t.Title = d.Title
	*a = a.As(d.Level, d.Title)
	if p, ok := x.plan.Policies[d.Policy]; ok {
		t.AckTimeout = p.AckHolds(a.Level)
	}
	a.Terms = nil
	if t != tocsin.DefaultTerms() {
		a.Terms = &t
	}
}

func holdOf(alert int64) string { return "alert " + strconv.FormatInt(alert, 10) }

// inhibitor is a live alert that keeps this one quiet, or 0.
func (x *exchange) inhibitor(account tocsin.Account) (int64, error) {
	targets := x.plan.Inhibitions.Targets(x.alert, account)
	if len(targets) == 0 {
		return 0, nil
	}
	for _, t := range targets {
		by, err := x.tx.Inhibitors(t.Inhibition, []string{t.Hash})
		if err != nil {
			return 0, fmt.Errorf("inhibitions: %w", err)
		}
		for _, id := range by[t.Hash] {
			if id != x.alert.ID {
				return id, nil
			}
		}
	}
	return 0, nil
}

// mark counts the alert in its route's storm. What is too much for singles is told
// in a digest.
func (x *exchange) mark(d *routing.Decision) {
	x.e.storm.Lock()
	defer x.e.storm.Unlock()
	x.e.storm.Mark(d, x.now)
	x.marked = append(x.marked, *d)
}

// unmark takes back what mark counted, since nothing of it was kept.
func (x *exchange) unmark() {
	if len(x.marked) == 0 {
		return
	}
	x.e.storm.Lock()
	defer x.e.storm.Unlock()
	for _, d := range x.marked {
		x.e.storm.Untake(d, x.now)
	}
}

// start has the policy tell people from its first step.
func (x *exchange) start(p escalation.Policy) {
	s := escalation.Start(p, x.now)
	if old := x.alert.Escalation; old != nil {
		s = escalation.Reassign(p, *old, x.now)
	}
	x.alert.Escalation = &s
}

// restart has the people of its policy told from the beginning.
func (x *exchange) restart() {
	if x.alert.Held != nil || x.err != nil {
		return
	}
	if x.alert.Escalation == nil && len(x.alert.Told) == 0 { // it was taken before anybody was told
		x.err = x.open("nobody was told yet")
		return
	}
	if x.alert.Escalation != nil {
		s := escalation.Restart(*x.alert.Escalation, x.now)
		x.alert.Escalation = &s
	}
}

// climb starts the policy that the routes decided on.
func (x *exchange) climb(d routing.Decision) {
	if p, ok := x.plan.Policies[d.Policy]; ok {
		x.start(p)
		if !d.Digest.IsZero() { // a storm: what waits for the end of the minute is told together
			x.alert.Escalation.At = d.Digest
		}
	}
}

// withTargets are the receivers that were told, with those of the decision.
func withTargets(told []string, d routing.Decision) []string {
	for _, t := range d.Targets {
		if !slices.Contains(told, t.Receiver) {
			told = append(slices.Clone(told), t.Receiver)
		}
	}
	return told
}

// open tells of an alert whose opening was held back.
func (x *exchange) open(why string) error {
	o, err := x.place(false)
	if err != nil {
		return err
	}
	if x.alert.Held != nil {
		x.log("held", "", o.reason)
		return nil
	}
	for _, t := range o.Targets {
		n := x.notification(t.Receiver, tocsin.TellOpened, t.Why+", "+why)
		x.digest(n, t)
		x.owed = append(x.owed, n)
	}
	x.shadow(o.Shadows)
	x.alert.Told = withTargets(x.alert.Told, o.Decision)
	x.climb(o.Decision)
	x.prepare(o.Decision)
	return x.inhibit()
}

// digest has a message told with others where the storm is too great.
func (x *exchange) digest(n *tocsin.Notification, t routing.Target) {
	if t.Digest.IsZero() {
		return
	}
	n.Digest, n.Due = true, tocsin.Millis(t.Digest)
	n.Deadline = n.Due.Add(x.plan.patience(n.Receiver))
}

// shadow records what routes in shadow would have told.
func (x *exchange) shadow(shadows []routing.Shadow) {
	for _, s := range shadows {
		for _, r := range s.Receivers {
			n := x.notification(r, tocsin.TellOpened, "shadow "+s.Route)
			n.State, n.SettledAt, n.LastError = tocsin.Shadow, x.now, "not sent: the route is in shadow"
			x.owed = append(x.owed, n)
		}
		if s.Policy != "" {
			x.log("note", "", "shadow "+s.Route+": policy "+s.Policy+" would have begun")
		}
	}
}

// inhibit keeps what the alert, which has an ID by now, keeps quiet.
func (x *exchange) inhibit() error {
	sources := x.plan.Inhibitions.Sources(x.alert, x.plan.account(x.alert))
	if len(sources) == 0 {
		return nil
	}
	list := make([]store.Inhibitor, len(sources))
	for i, s := range sources {
		list[i] = store.Inhibitor{Alert: x.alert.ID, Rule: s.Inhibition, Fingerprint: s.Hash}
	}
	return x.tx.AddInhibitors(list...)
}

// letGo has told what the alert kept quiet, now that it is over.
func (x *exchange) letGo() error {
	if x.plan.Inhibitions == nil {
		return nil
	}
	if err := x.tx.DropInhibitors(x.alert.ID); err != nil {
		return err
	}
	return x.release(holdOf(x.alert.ID))
}

// release has the clock look now at what is held by something that is over.
func (x *exchange) release(by string) error {
	held, err := x.tx.HeldBy(by)
	if err != nil {
		return err
	}
	for _, id := range held {
		a, err := x.tx.AlertForUpdate(id)
		if err != nil {
			return err
		}
		if a.Held == nil || a.Held.By != by {
			continue
		}
		h := *a.Held
		h.Until = x.now
		a.Held = &h
		if err := x.tx.Save(&a); err != nil {
			return err
		}
	}
	if len(held) > 0 {
		x.released = true
	}
	return nil
}
