package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A life is one alert while a batch folds into it.
type life struct {
	before   tocsin.Alert // as it was stored; zero for one that opens
	alert    tocsin.Alert
	changed  bool
	inhibits bool // it may keep others quiet
	over     bool // it opened and closed in this batch
}

// A step is what one event did to one life.
type step struct {
	life     *life
	event    *tocsin.Event
	activity tocsin.Activity
	verdict  tocsin.Verdict
	reason   string        // why it is held back
	route    string        // the first that took it, if this opened it
	before   tocsin.Status // of the life's alert; empty if this opened it
}

// A folding is what a batch does to alerts.
type folding struct {
	lives []*life // each alert once, in the order in which it was met
	steps []*step
	of    map[*reading]*step
	// also are the other steps of readings that tell of several things; mostly nil.
	also map[*reading][]*step
	// opened are the openings.
	opened passages
}

// fold folds the readings that are detections into the alerts of their keys. It
// leaves the events as they are, since the transaction may run again.
func (b *batch) fold(tx *store.Tx, fresh []*reading) (*folding, error) {
	f := &folding{of: make(map[*reading]*step, len(fresh))}
	keys := make([]tocsin.Key, 0, len(fresh))
	for _, r := range fresh {
		if !r.folds() {
			continue
		}
		keys = append(keys, r.detection.Key)
		for _, d := range r.more {
			keys = append(keys, d.Key)
		}
	}
	if len(keys) == 0 {
		return f, nil
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	latest, err := tx.Latest(keys)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	current := make(map[tocsin.Key]*life, len(keys))
	for _, r := range fresh {
		if !r.folds() {
			continue
		}
		if err := b.foldOne(tx, f, r, &r.detection, current, latest); err != nil {
			return nil, err
		}
		for i := range r.more {
			if err := b.foldOne(tx, f, r, &r.more[i], current, latest); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// foldOne folds one detection of a reading into the alert of its key, as it is by now.
func (b *batch) foldOne(tx *store.Tx, f *folding, r *reading, d *tocsin.Detection, current map[tocsin.Key]*life, latest map[tocsin.Key]tocsin.Alert) error {
	l := current[d.Key]
	if l == nil {
		l = &life{before: latest[d.Key], alert: latest[d.Key]}
		current[d.Key] = l
		f.lives = append(f.lives, l)
	}
	next, act := l.alert.Fold(*d, b.now)
	if act.Verdict == tocsin.Ignored {
		f.note(r, &step{life: &life{}, event: r.event, activity: act, verdict: act.Verdict, reason: nothingOpen})
		return nil
	}
	if next.Events == 1 && l.alert.Status != "" { // the old alert's life is over
		l = &life{}
		current[d.Key] = l
		f.lives = append(f.lives, l)
	}
	s := &step{life: l, event: r.event, activity: act, verdict: act.Verdict, before: l.alert.Status}
	l.alert, l.changed = next, true
	f.steps = append(f.steps, s)
	if act.Tell != "" {
		if err := b.tell(tx, s); err != nil {
			return err
		}
	}
	f.note(r, s)
	f.opened.add(s, r, d, len(b.readings))
	return nil
}

// note keeps the step that says most of the reading as the one that its row of the
// journal shows, the first of those that say as much.
func (f *folding) note(r *reading, s *step) {
	was := f.of[r]
	switch {
	case was == nil:
		f.of[r] = s
		return
	case f.also == nil:
		f.also = map[*reading][]*step{}
	}
	if weight(s.verdict) > weight(was.verdict) {
		f.of[r], s = s, was
	}
	f.also[r] = append(f.also[r], s)
}

// weight orders verdicts by how much they say of an event.
func weight(v tocsin.Verdict) int {
	return slices.Index([]tocsin.Verdict{tocsin.Ignored, tocsin.Appended, tocsin.Updated, tocsin.Closed, tocsin.Suppressed, tocsin.Silenced, tocsin.Opened}, v)
}

// besides says which other alerts an event was folded into, for its row of the
// journal.
func (f *folding) besides(r *reading) string {
	var ids []int64
	for _, s := range f.also[r] {
		if id := s.life.alert.ID; id != 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	var all []string
	for _, id := range slices.Compact(ids) {
		all = append(all, strconv.FormatInt(id, 10))
	}
	return "it tells of several: also of alert " + strings.Join(all, ", ")
}

// logOthers writes what an event did to the alerts that its row of the journal does not
// show into their timelines.
func (f *folding) logOthers(tx *store.Tx, now time.Time) error {
	var lines []tocsin.Entry
	for _, r := range f.readings() {
		for _, s := range f.also[r] {
			if s.life.alert.ID == 0 {
				continue
			}
			did, reason := describe(s)
			if reason != "" {
				reason += ", "
			}
			lines = append(lines, tocsin.Entry{
				Alert: s.life.alert.ID, At: now, Kind: did, By: r.event.Via + ":" + r.event.Source,
				Text: reason + "by event " + strconv.FormatInt(r.event.Seq, 10) + ", which tells of several",
			})
		}
	}
	if lines == nil {
		return nil
	}
	return tx.Log(lines...)
}

// readings are those that tell of several things, in the order of the journal.
func (f *folding) readings() []*reading {
	return slices.SortedFunc(maps.Keys(f.also), func(x, y *reading) int { return cmp.Compare(x.event.Seq, y.event.Seq) })
}

// folds reports whether it is to be folded into an alert.
func (r *reading) folds() bool { return r.detection.Key != "" && !r.watched }

// nothingOpen is why an event that means an alert that is there is ignored.
const nothingOpen = "there is no open alert that it could be about"

// A telling is what people are told of one step, besides what is handed over.
type telling struct {
	life *life
	x    *exchange
}

// tell decides who is owed what because of a step, before the alert is saved,
// since the alert remembers who was told.
func (b *batch) tell(tx *store.Tx, s *step) error {
	l := s.life
	x := &exchange{world: b.world, e: b.e, tx: tx, now: b.now, before: l.before, alert: l.alert, later: true}
	var targets []routing.Target
	var err error
	switch s.activity.Tell {
	case tocsin.TellClosed:
		if l.over = x.alert.ID == 0; l.over { // it opened in this very batch
			x.tell(tocsin.TellClosed, toldOfOpening, s.activity.Changes)
			break
		}
		if err = x.takeBack(); err == nil {
			err = x.ended(s.activity.Changes)
		}
	case tocsin.TellAcknowledged:
		if err = x.takeBack(); err == nil {
			x.tell(tocsin.TellAcknowledged, "acknowledged by "+x.alert.AckedBy, s.activity.Changes)
			err = x.tellPeople(*x.said, func(r Receiver) bool { return r.Edits })
		}
	case tocsin.TellRaised:
		targets, err = b.raise(x, s)
	default:
		targets, err = b.open(x, s, true)
	}
	l.alert = x.alert
	b.tellings = append(b.tellings, telling{l, x})
	for _, t := range targets {
		b.owed = append(b.owed, x.newOwed(s, t))
	}
	return err
}

// open asks the judges who is told of an alert that opens. What is fresh may be
// kept back by a first window.
func (b *batch) open(x *exchange, s *step, fresh bool) ([]routing.Target, error) {
	o, err := x.place(fresh)
	for _, name := range o.Routes {
		b.routes[name]++
	}
	if len(o.Routes) > 0 {
		s.route = o.Routes[0]
	}
	if err != nil || x.alert.Held != nil {
		if o.verdict != "" {
			s.verdict, s.reason = o.verdict, o.reason
		}
		return nil, err
	}
	if o.Fallback {
		b.e.metrics.fallback.Add(float64(len(o.Targets)))
	}
	x.shadow(o.Shadows)
	x.alert.Told = withTargets(x.alert.Told, o.Decision)
	x.climb(o.Decision)
	x.prepare(o.Decision)
	s.life.inhibits = b.plan.Inhibitions != nil
	return o.Targets, nil
}

// raise asks them again: what held the smaller alert may not hold the worse one,
// and a route may want others to know.
func (b *batch) raise(x *exchange, s *step) ([]routing.Target, error) {
	if was := x.alert.Held; was != nil {
		ts, err := b.open(x, s, false)
		if x.alert.Held == nil {
			s.activity.Tell = tocsin.TellOpened
			x.log("released", "", "it got worse than what "+was.By+" keeps back")
		}
		return ts, err
	}
	s.life.inhibits = b.plan.Inhibitions != nil
	d := b.plan.Routes.Decide(x.alert.Own())
	x.setTerms(d)
	x.alert.Told = withTargets(x.alert.Told, d)
	if x.alert.Escalation != nil {
		next, _ := escalation.Raised(*x.alert.Escalation, s.activity.Restart, b.now)
		x.alert.Escalation = &next
	} else {
		x.climb(d)
	}
	return d.Targets, nil
}

func (x *exchange) newOwed(s *step, t routing.Target) owed {
	n := x.notification(t.Receiver, s.activity.Tell, t.Why)
	if s.activity.Tell != tocsin.TellOpened {
		n.Changes = s.activity.Changes
	}
	x.digest(n, t)
	o := owed{notification: n, life: s.life}
	// The first message of a new alert has no earlier one to wait for, so that it
	// can be leased by us at birth and be sent without asking the store again.
	if !n.Digest && s.life.alert.Events == 1 && x.e.serving.Load() {
		if q := x.e.receiver(t.Receiver); q.reserve() {
			n.Attempts, n.Due = 1, x.now.Add(lease)
			o.direct = q
		}
	}
	return o
}

// owe writes what was decided by tell.
func (b *batch) owe(tx *store.Tx) error {
	if len(b.owed) == 0 && len(b.tellings) == 0 {
		return nil
	}
	ns := make([]*tocsin.Notification, len(b.owed))
	for i, o := range b.owed {
		o.notification.Alert = o.life.alert.ID
		ns[i] = o.notification
	}
	var lines []tocsin.Entry
	for _, t := range b.tellings {
		for i := range t.x.owed {
			t.x.owed[i].Alert = t.life.alert.ID
		}
		for i := range t.x.entries {
			t.x.entries[i].Alert = t.life.alert.ID
		}
		ns, lines = append(ns, t.x.owed...), append(lines, t.x.entries...)
	}
	if err := tx.Log(lines...); err != nil {
		return fmt.Errorf("timeline: %w", err)
	}
	if err := tx.Owe(ns); err != nil {
		return fmt.Errorf("owe notifications: %w", err)
	}
	return nil
}

// follow writes what else follows from the steps, now that every alert has its ID.
func (b *batch) follow(tx *store.Tx, f *folding) error {
	tx.CountRoutes(b.routes, b.now)
	for _, l := range f.lives {
		x := &exchange{world: b.world, e: b.e, tx: tx, now: b.now, alert: l.alert}
		if l.inhibits && !l.over {
			if err := x.inhibit(); err != nil {
				return fmt.Errorf("inhibitions: %w", err)
			}
		}
		if l.over {
			if err := x.keepEpisode(); err != nil {
				return err
			}
		}
	}
	for _, t := range b.tellings {
		if t.life.alert.Status != tocsin.StatusClosed || t.life.over {
			continue
		}
		if err := t.x.letGo(); err != nil {
			return fmt.Errorf("let go of what it inhibited: %w", err)
		}
	}
	return nil
}

// alerts are those that changed.
func (f *folding) alerts() []*tocsin.Alert {
	as := make([]*tocsin.Alert, 0, len(f.lives))
	for _, l := range f.lives {
		if l.changed {
			as = append(as, &l.alert)
		}
	}
	return as
}

// describe puts a step into words for the timeline: what the event did, and what
// was new.
func describe(s *step) (did, reason string) {
	if s.verdict == tocsin.Ignored {
		return "", s.reason
	}
	did = string(s.verdict)
	switch s.activity.Tell {
	case tocsin.TellRaised:
		did = "raised"
	case tocsin.TellAcknowledged:
		did = "acknowledged"
	default:
	}
	if s.before == tocsin.StatusClosed && s.activity.Verdict == tocsin.Opened && s.life.alert.Events > 1 {
		did = "reopened"
	}
	parts := make([]string, 0, len(s.activity.Changes))
	for _, c := range s.activity.Changes {
		if c.From == "" {
			parts = append(parts, c.What+" "+c.To)
			continue
		}
		parts = append(parts, c.What+" "+c.From+" → "+c.To)
	}
	if s.reason != "" {
		parts = append(parts, s.reason)
	}
	return did, strings.Join(parts, ", ")
}
