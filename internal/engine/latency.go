package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// passages are openings of alerts on their way to people, and whose they are: an alert
// has an ID once it is saved.
type passages struct {
	lives []*life
	list  []store.Latency
}

// add notes that a step, of one detection of a reading, opened the alert of its life.
// Samples say nothing of how long anything takes. room is for how many there is to be
// room.
func (p *passages) add(s *step, r *reading, d *tocsin.Detection, room int) {
	if s.activity.Verdict != tocsin.Opened || d.Sample {
		return
	}
	if p.list == nil {
		p.lives, p.list = make([]*life, 0, room), make([]store.Latency, 0, room)
	}
	a := &s.life.alert
	p.lives = append(p.lives, s.life)
	p.list = append(p.list, store.Latency{N: a.Episode(), Passage: reports.Passage{
		OpenedAt: a.EpisodeStart(), ReceivedAt: r.event.ReceivedAt,
		Level: a.Level, Account: a.Account, Region: a.Region, Route: s.route, Source: r.event.Source,
	}})
	l := &p.list[len(p.list)-1]
	l.Begin(d)
	if !tocsin.Pushed(r.event.Via) { // nobody sent it: that it is here says nothing of the way
		l.EventAt = time.Time{}
	}
}

// keepPassages keeps what opened, now that every alert has its ID.
func (b *batch) keepPassages(tx *store.Tx, p passages) error {
	for i, l := range p.lives {
		p.list[i].Alert = l.alert.ID
	}
	if err := tx.AddLatencies(p.list); err != nil {
		return fmt.Errorf("latencies: %w", err)
	}
	b.opened = p.list
	return nil
}

// firstTold notes of which openings people were told by settlements that were kept,
// where they had not been. A receiver that only does something tells nobody.
func (b *batch) firstTold(tx *store.Tx, kept []int64) error {
	var alerts []int64
	var at []time.Time
	for _, s := range b.settled {
		n := s.notification
		if s.State == tocsin.Delivered && n.Alert != 0 && n.Kind.Calls() && !b.plan.Receivers[n.Receiver].Acts && slices.Contains(kept, s.ID) {
			alerts, at = append(alerts, n.Alert), append(at, s.At)
		}
	}
	if len(alerts) == 0 {
		return nil
	}
	told, err := tx.Told(alerts, at)
	if err != nil {
		return fmt.Errorf("latencies: %w", err)
	}
	b.told = told
	return nil
}

// firstTaken notes that somebody has taken the alert on, if nobody had since it opened.
func (x *exchange) firstTaken() error {
	if x.before.Status != tocsin.StatusOpen || x.alert.Status != tocsin.StatusAcked {
		return nil
	}
	l, first, err := x.tx.Acked(x.alert.ID, x.alert.AckedAt)
	if err != nil {
		return fmt.Errorf("latencies: %w", err)
	}
	x.taking = nil
	if first {
		x.taking = []store.Latency{l}
	}
	return nil
}

// took observes how long stages took, now that it is committed.
func (m *Metrics) took(passages []store.Latency, stages ...reports.Stage) {
	for _, s := range stages {
		stage := m.stages[s]
		for i := range passages {
			t := passages[i].Took(s)
			if t.Known {
				stage.took.Observe(t.Time.Seconds())
			}
			if t.Skewed {
				stage.skewed.Inc()
			}
		}
	}
}
