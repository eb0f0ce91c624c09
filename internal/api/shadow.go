package api

import (
	"context"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/shadow"
	"github.com/tocsin-sec/tocsin/internal/store"
)

type compare struct {
	From time.Time `query:"from" doc:"What came in at this instant or later; 7 days before to if left out."`
	To   time.Time `query:"to" doc:"What came in before this instant, at most 31 days later; now if left out."`
}

// longestCompare bounds a comparison: each event of that time is read again.
const longestCompare = 31 * 24 * time.Hour

func (a *api) compare(ctx context.Context, in compare) (shadow.Comparison, error) {
	to := a.orNow(in.To)
	from := in.From
	if from.IsZero() {
		from = to.AddDate(0, 0, -7)
	}
	if err := checkTimes(from, to); err != nil {
		return shadow.Comparison{}, err
	}
	if to.Sub(from) > longestCompare {
		return shadow.Comparison{}, problems{{"query", "from", "is more than 31 days before to"}}
	}
	return Compare(ctx, a.store, from, to)
}

// Compare reads what another system sent in that time and what became of the same
// findings here, and pairs them.
func Compare(ctx context.Context, s *store.Store, from, to time.Time) (shadow.Comparison, error) {
	c := comparison{findings: map[string]*shadow.Finding{}}
	err := s.View(ctx, func(tx *store.Tx) error {
		err := tx.EachEvent(store.EventFilter{Since: from, Until: to}, func(ev tocsin.Event) error {
			c.read(tx, ev)
			return nil
		})
		if err != nil {
			return err
		}
		return c.told(tx, from, to)
	})
	if err != nil {
		return shadow.Comparison{}, err
	}
	found := make([]shadow.Finding, 0, len(c.order))
	for _, id := range c.order {
		found = append(found, *c.findings[id])
	}
	return shadow.Compare(from, to, c.sent, found), nil
}

// A comparison gathers both sides.
type comparison struct {
	sent     []shadow.Sent
	findings map[string]*shadow.Finding
	order    []string
}

// read takes one event to its side.
func (c *comparison) read(tx *store.Tx, ev tocsin.Event) {
	if ev.Via == "shadow" {
		c.sent = append(c.sent, shadow.Read(ev.Seq, ev.Source, ev.ReceivedAt, ev.Raw))
		return
	}
	id := ""
	if f, ok, err := guardduty.Read(ev.Raw); ok && err == nil {
		id = f.Brief().ID
	} else if ev.Alert != 0 {
		if a, err := tx.Alert(ev.Alert); err == nil {
			id = a.Detection.ID
		}
	}
	if id == "" {
		return
	}
	f := c.findings[id]
	if f == nil {
		f = &shadow.Finding{ID: id, At: ev.ReceivedAt}
		c.findings[id] = f
		c.order = append(c.order, id)
	}
	f.Events++
	f.Level, f.Account, f.Region, f.Type = ev.Level, ev.Account, ev.Region, ev.Type
	f.Verdict, f.Reason = ev.Verdict, ev.Reason
	if ev.Alert != 0 {
		f.Alert = ev.Alert
	}
}

// told adds what we sent, or would have sent.
func (c *comparison) told(tx *store.Tx, from, to time.Time) error {
	for _, id := range c.order {
		f := c.findings[id]
		if f.Alert == 0 {
			continue
		}
		a, err := tx.Alert(f.Alert)
		if err != nil {
			return err
		}
		f.Title, f.Level = a.Title, a.Level
		ns, err := tx.Notifications(store.NotificationFilter{Alert: f.Alert, Since: from, Page: store.Page{Limit: 1000}})
		if err != nil {
			return err
		}
		for _, n := range slices.Backward(ns) {
			if n.State == tocsin.Cancelled || n.Kind == tocsin.TellAction || !n.CreatedAt.Before(to) {
				continue
			}
			f.Told = append(f.Told, shadow.Told{At: n.CreatedAt, Receiver: n.Receiver, Person: n.Person, Kind: n.Kind, State: n.State, Why: n.Why})
		}
		if why := a.Held; len(f.Told) == 0 && why != nil {
			f.Reason = "held back by " + why.By
		}
	}
	return nil
}
