package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A life is one alert while a batch folds into it.
type life struct {
	alert   tocsin.Alert
	changed bool
}

// A step is what one event did to one life.
type step struct {
	life     *life
	event    *tocsin.Event
	activity tocsin.Activity
	verdict  tocsin.Verdict
	before   tocsin.Status // of the life's alert; empty if this opened it
}

// A folding is what a batch does to alerts.
type folding struct {
	lives []*life // each alert once, in the order in which it was met
	steps []*step
	of    map[*reading]*step
}

// fold folds the readings that are detections into the alerts of their keys. It
// leaves the events as they are, since the transaction may run again.
func (b *batch) fold(tx *store.Tx, fresh []*reading) (*folding, error) {
	f := &folding{of: make(map[*reading]*step, len(fresh))}
	keys := make([]tocsin.Key, 0, len(fresh))
	for _, r := range fresh {
		if r.detection.Key != "" {
			keys = append(keys, r.detection.Key)
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
		key := r.detection.Key
		if key == "" {
			continue
		}
		l := current[key]
		if l == nil {
			l = &life{alert: latest[key]}
			current[key] = l
			f.lives = append(f.lives, l)
		}
		next, act := l.alert.Fold(r.detection, b.now)
		if next.Events == 1 && l.alert.Status != "" { // the old alert's life is over
			l = &life{}
			current[key] = l
			f.lives = append(f.lives, l)
		}
		s := &step{life: l, event: r.event, activity: act, verdict: act.Verdict, before: l.alert.Status}
		l.alert, l.changed = next, true
		f.steps = append(f.steps, s)
		f.of[r] = s
		if act.Tell != "" {
			b.tell(s)
		}
	}
	return f, nil
}

// tell decides with the routes who is owed what, before the alert is saved,
// since the alert remembers who was told.
func (b *batch) tell(s *step) {
	l := s.life
	var targets []target
	switch s.activity.Tell {
	case tocsin.TellClosed:
		for _, name := range l.alert.Told {
			targets = append(targets, target{name, "was told of the opening"})
		}
	default:
		for _, t := range b.plan.Routes.Route(l.alert) {
			targets = append(targets, target{t.Receiver, t.Why})
			if t.Fallback {
				b.e.metrics.fallback.Inc()
			}
		}
		for _, t := range targets {
			if !slices.Contains(l.alert.Told, t.receiver) {
				l.alert.Told = append(slices.Clone(l.alert.Told), t.receiver)
			}
		}
	}
	for _, t := range targets {
		b.owed = append(b.owed, b.newOwed(s, t))
	}
}

type target struct{ receiver, why string }

func (b *batch) newOwed(s *step, t target) owed {
	n := &tocsin.Notification{
		Receiver: t.receiver, Kind: s.activity.Tell, Why: t.why, State: tocsin.Pending,
		CreatedAt: b.now, Due: b.now, Deadline: b.now.Add(b.plan.patience(t.receiver)),
	}
	if s.activity.Tell != tocsin.TellOpened {
		n.Changes = s.activity.Changes
	}
	o := owed{notification: n, life: s.life}
	// The first message of a new alert has no earlier one to wait for, so that it
	// can be leased by us at birth and be sent without asking the store again.
	if s.life.alert.Events == 1 && b.e.serving.Load() {
		if q := b.e.receiver(t.receiver); q.reserve() {
			n.Attempts, n.Due = 1, b.now.Add(lease)
			o.direct = q
		}
	}
	return o
}

// owe writes what was decided by tell.
func (b *batch) owe(tx *store.Tx) error {
	if len(b.owed) == 0 {
		return nil
	}
	ns := make([]*tocsin.Notification, len(b.owed))
	for i, o := range b.owed {
		o.notification.Alert = o.life.alert.ID
		ns[i] = o.notification
	}
	if err := tx.Owe(ns); err != nil {
		return fmt.Errorf("owe notifications: %w", err)
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
	did = string(s.activity.Verdict)
	if s.activity.Tell == tocsin.TellRaised {
		did = "raised"
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
	return did, strings.Join(parts, ", ")
}
