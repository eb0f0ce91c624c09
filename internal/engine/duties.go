package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/disclosure"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// What people hear of in time, without asking.
const (
	dutyEvery      = time.Minute
	silenceWarning = time.Hour           // before a silence ends
	muteWarning    = 3 * 24 * time.Hour  // before a mute does
	remembered     = 90 * 24 * time.Hour // for how long it is known that somebody heard of it
	handOffLists   = 10                  // alerts in the message at a hand-off
)

// duties tells people what they are to know in time: shifts that begin, gaps
// ahead, silences that end. Each is told once, whichever replica does so and
// whatever happens in between.
func (e *Engine) duties(ctx context.Context, now time.Time) error {
	last := e.lastDuties.Load()
	if now.UnixMilli()-last < dutyEvery.Milliseconds() && now.UnixMilli() >= last {
		return nil
	}
	var reports []tocsin.Silence
	var owed []*tocsin.Notification
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		d := &duty{desk: desk{e.world(), now}, tx: tx}
		d.since = d.lastTime()
		d.shifts()
		d.gaps()
		d.silences()
		if d.err == nil {
			reports, d.err = tx.Silences(store.SilenceFilter{Over: now, Unreported: true, Page: store.Page{Limit: 20}})
		}
		if d.err != nil {
			return d.err
		}
		owed = d.owed
		if err := tx.Owe(d.owed); err != nil {
			return err
		}
		if err := tx.SweepTokens(now); err != nil {
			return err
		}
		return tx.Put(dutiesName, []byte(now.Format(time.RFC3339Nano)))
	})
	if err != nil {
		return fmt.Errorf("reminders: %w", err)
	}
	e.lastDuties.Store(now.UnixMilli())
	for _, n := range owed {
		e.receiver(n.Receiver).wake()
	}
	for _, s := range reports {
		if err := e.reportEnd(ctx, s, now); err != nil {
			return err
		}
	}
	return nil
}

// dutiesName is where the store has until when duties were done.
const dutiesName = "duties/until"

// A duty is one round.
type duty struct {
	desk
	tx    *store.Tx
	since time.Time // until when the last round saw to it
	owed  []*tocsin.Notification
	err   error
}

// lastTime is when the last round was; what is longer ago than a day is no news
// any more.
func (d *duty) lastTime() time.Time {
	text, err := d.tx.Get(dutiesName)
	d.fail(err)
	last, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil || last.After(d.now) {
		return d.now.Add(-dutyEvery)
	}
	if earliest := d.now.Add(-24 * time.Hour); last.Before(earliest) {
		return earliest
	}
	return last
}

func (d *duty) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// once reports whether nobody was told of it yet.
func (d *duty) once(key string) bool {
	if d.err != nil {
		return false
	}
	fresh, err := d.tx.UseToken("duty/"+key, d.now.Add(remembered))
	d.fail(err)
	return fresh
}

func (d *duty) tell(ns []*tocsin.Notification) { d.owed = append(d.owed, ns...) }

// shifts reminds people of shifts that begin, and gives those who come on call
// what is open.
func (d *duty) shifts() {
	for _, s := range d.plan.Schedules {
		p, ok := d.schedules[s.Name]
		if !ok {
			continue
		}
		shifts := p.Shifts(d.since, d.now.AddDate(0, 0, 2))
		for _, r := range oncall.Reminders(shifts, d.since, d.now) {
			if d.once(r.Key()) {
				d.tell(d.noteTo(r.Person, fmt.Sprintf("You are on call for %s from %s, in %s.", s.Name, d.at(r.Person, r.Shift.Start), ahead(r.Before)), 0))
			}
		}
		for _, h := range p.HandOffs(d.since, d.now) {
			if len(h.In) > 0 && !begins(p, h) && d.once("hand-off/"+s.Name+"/"+h.At.UTC().Format(time.RFC3339)) {
				d.handOff(s.Name, h)
			}
		}
	}
}

// begins reports whether the schedule itself begins there, which is no hand-off:
// before it there was nobody, and no gap either.
func begins(p *oncall.Plan, h oncall.HandOff) bool {
	before := h.At.Add(-time.Second)
	return len(p.At(before)) == 0 && len(p.Gaps(before, h.At)) == 0
}

// handOff gives whoever comes on call the alerts of the schedule's policies that
// are open or taken, as far as each receiver may show them.
func (d *duty) handOff(schedule string, h oncall.HandOff) {
	policies := d.plan.policiesOf(schedule)
	alerts, _, err := d.tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}, Limit: 200})
	d.fail(err)
	alerts = slices.DeleteFunc(alerts, func(a tocsin.Alert) bool {
		return a.Escalation == nil || !slices.Contains(policies, a.Escalation.Policy)
	})
	for _, name := range h.In {
		notes := d.noteTo(name, "", 0)
		for _, n := range notes {
			n.Text = "You are on call for " + schedule + " now. " + d.handOffText(alerts, n.Receiver)
		}
		d.tell(notes)
	}
}

// handOffText lists the alerts for a receiver.
func (d *duty) handOffText(alerts []tocsin.Alert, receiver string) string {
	if len(alerts) == 0 {
		return "Nothing is open."
	}
	var lines []string
	for _, a := range alerts[:min(len(alerts), handOffLists)] {
		a, account := disclosure.Alert(a, d.plan.account(a), disclosure.Of(a, receiver, d.plan.Receivers[receiver].Hide))
		line := fmt.Sprintf("#%d %s %s (%s)", a.ID, strings.ToUpper(a.Level.String()), a.Headline, account.Label())
		if a.Status == tocsin.StatusAcked {
			line += ", acknowledged by " + a.AckedBy
		}
		lines = append(lines, line)
	}
	if more := len(alerts) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// gaps warns the teams whose policies ask a schedule of the times at which nobody
// is on call.
func (d *duty) gaps() {
	var all []oncall.Gap
	for _, s := range d.plan.Schedules {
		if p, ok := d.schedules[s.Name]; ok {
			all = append(all, p.Gaps(d.now, d.now.Add(oncall.Horizon))...)
		}
	}
	for _, w := range oncall.Warnings(all, d.now) {
		if !d.once(w.Key()) {
			continue
		}
		text := fmt.Sprintf("Nobody is on call for %s from %s to %s.", w.Gap.Schedule, w.Gap.Start.Format(dateForm), w.Gap.End.Format(dateForm))
		told := false
		for _, t := range d.plan.Teams {
			if p, ok := d.plan.Policies[t.Policy]; ok && asksSchedule(p, w.Gap.Schedule) {
				d.tell(d.noteToTeam(t.Name, text))
				told = true
			}
		}
		if !told {
			d.tell(d.noteToTeam("", text))
		}
	}
}

const dateForm = "Mon 2 Jan 15:04 MST"

func asksSchedule(p escalation.Policy, name string) bool {
	return slices.ContainsFunc(p.Steps, func(s escalation.Step) bool {
		return slices.Contains(s.Targets, escalation.Target{Kind: escalation.Schedule, Name: name})
	})
}

// silences reminds authors of silences that end soon.
func (d *duty) silences() {
	live, err := d.tx.Silences(store.SilenceFilter{Live: d.now, Page: store.Page{Limit: silencesMax}})
	d.fail(err)
	for _, s := range live {
		before := silenceWarning
		if s.Kind == tocsin.KindMute {
			before = muteWarning
		}
		if !s.RemindedAt.IsZero() || s.Until.Sub(d.now) > before || s.Until.Sub(s.CreatedAt) <= before || s.Kind == tocsin.KindMaintenance {
			continue
		}
		s.RemindedAt = d.now
		err := d.tx.SaveSilence(&s)
		if errors.Is(err, store.ErrStale) {
			continue // another replica reminds them, or they have just changed it
		}
		d.fail(err)
		text := fmt.Sprintf("%s %d (%s) ends at %s, in %s.", title(string(s.Kind)), s.ID, s.Reason, d.at(s.Author, s.Until), ahead(s.Until.Sub(d.now)))
		d.tell(d.toAuthor(s, text))
	}
}

// toAuthor tells whoever made a silence, or if they are none of the people, where
// everybody looks.
func (d desk) toAuthor(s tocsin.Silence, text string) []*tocsin.Notification {
	if ns := d.noteTo(s.Author, text, 0); len(ns) > 0 {
		return ns
	}
	return d.noteToTeam("", text)
}

// reportEnd tells the author of a silence what it hid.
func (e *Engine) reportEnd(ctx context.Context, s tocsin.Silence, now time.Time) error {
	hid, err := e.report(ctx, s)
	if err != nil {
		return fmt.Errorf("report of %s %d: %w", s.Kind, s.ID, err)
	}
	var owed []*tocsin.Notification
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		owed = nil
		s, err := tx.Silence(s.ID)
		if err != nil || !s.ReportedAt.IsZero() {
			return err
		}
		s.ReportedAt = now
		err = tx.SaveSilence(&s)
		if errors.Is(err, store.ErrStale) {
			return nil // another replica reports it
		}
		if err != nil {
			return err
		}
		owed = desk{e.world(), now}.toAuthor(s, fmt.Sprintf("%s %d (%s) is over. %s", title(string(s.Kind)), s.ID, s.Reason, hid))
		return tx.Owe(owed)
	})
	for _, n := range owed {
		e.receiver(n.Receiver).wake()
	}
	return err
}

// at is a time as the person reads it.
func (d desk) at(person string, t time.Time) string {
	zone := time.UTC
	if z, err := wallclock.Zone(d.people[person].TimeZone); err == nil {
		zone = z
	}
	return t.In(zone).Format(dateForm)
}

// ahead is a time to come in words.
func ahead(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d > 90*time.Minute:
		return fmt.Sprintf("%d hours", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("%d minutes", int(d.Round(time.Minute).Minutes()))
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
