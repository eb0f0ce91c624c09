package demo

import (
	"context"
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // where the system has none

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify/inbox"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A person is one of those who are told, with the zone that they live in. Their
// numbers are among those that are nobody's, for films.
type person struct {
	inbox.Person
	Zone string
}

var cast = []person{
	{inbox.Person{Name: "ana", FullName: "Ana Lima", Slack: "U0000ANA", Phone: "+12025550101", Mail: "ana@example.com"}, "Europe/Lisbon"},
	{inbox.Person{Name: "bo", FullName: "Bo Chen", Slack: "U00000BO", Phone: "+12025550102", Mail: "bo@example.com"}, "Europe/Berlin"},
	{inbox.Person{Name: "cy", FullName: "Cy Adeyemi", Slack: "U00000CY", Phone: "+12025550103", Mail: "cy@example.com"}, "America/New_York"},
	{inbox.Person{Name: "di", FullName: "Di Evans", Slack: "U00000DI", Phone: "+12025550104", Mail: "di@example.com"}, "America/Chicago"},
	{inbox.Person{Name: "eve", FullName: "Eve Martin", Slack: "U0000EVE", Phone: "+12025550105", Mail: "eve@example.com"}, "Europe/London"},
	{inbox.Person{Name: "fay", FullName: "Fay Novak", Slack: "U0000FAY", Phone: "+12025550106", Mail: "fay@example.com"}, "Europe/Prague"},
}

// A team is two people who have the calls in turn.
type team struct {
	Name, Zone    string
	First, Second person
	Channel       string // ID of its channel
	// urgent are by what its people are told at once of what is urgent; later is by
	// what after five minutes, if anything.
	urgent []string
	later  string

	// What belongs to one run: the beginning of a week, and the team's app.
	Monday string
	App    inbox.App
}

func teams() []team {
	return []team{
		{Name: "platform", Zone: "Europe/Berlin", First: cast[0], Second: cast[1], Channel: "C0PLATFORM", urgent: []string{"call", "mail"}},
		{Name: "payments", Zone: "America/New_York", First: cast[2], Second: cast[3], Channel: "C0PAYMENTS", urgent: []string{"sms", "direct"}},
		{Name: "web", Zone: "Europe/London", First: cast[4], Second: cast[5], Channel: "C0000000WEB", urgent: []string{"sms"}, later: "call"},
	}
}

// monday is the last Monday at nine in the zone, from which weeks are counted: the
// first of a rotation is on call.
func monday(zone string, now time.Time) (string, error) {
	z, err := time.LoadLocation(zone)
	if err != nil {
		return "", err
	}
	day := now.In(z)
	for day.Weekday() != time.Monday || day.Hour() < 9 {
		day = time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, z).Add(-time.Minute)
	}
	return day.Format(time.DateOnly) + "T09:00", nil
}

// seed does what people did before the story begins: they proved their addresses,
// which nobody could do here, chose how to be told, planned a change of the
// network, and noted that nobody of the web team is there for a day. What an
// earlier demo left is left.
func (w *world) seed(ctx context.Context) error {
	err := w.app.Store().Update(ctx, func(tx *store.Tx) error {
		people, err := tx.People()
		if err != nil {
			return err
		}
		for _, p := range people {
			if err := w.settleIn(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("people: %w", err)
	}
	if err := w.plan(ctx); err != nil {
		return fmt.Errorf("plans: %w", err)
	}
	return nil
}

// settleIn verifies a person's addresses and writes their rules.
func (w *world) settleIn(tx *store.Tx, p tocsin.Person) error {
	i := slices.IndexFunc(w.teams, func(t team) bool { return p.Name == t.First.Name || p.Name == t.Second.Name })
	if i < 0 || len(p.High) > 0 {
		return nil
	}
	by := map[string]int64{}
	for _, c := range p.Contacts {
		c.VerifiedAt, c.Code = tocsin.Millis(w.clock.Now()), nil
		if err := tx.SaveContact(&c); err != nil {
			return err
		}
		by[c.Receiver] = c.ID
	}
	for _, receiver := range w.teams[i].urgent {
		p.High = append(p.High, tocsin.NotificationRule{Contact: by[receiver]})
	}
	if later := w.teams[i].later; later != "" {
		p.High = append(p.High, tocsin.NotificationRule{Minutes: 5, Contact: by[later]})
	}
	p.Low = []tocsin.NotificationRule{{Contact: by["mail"]}}
	return tx.SavePerson(&p)
}

// plan makes the maintenance, and the gap in a schedule.
func (w *world) plan(ctx context.Context) error {
	now := tocsin.Millis(w.clock.Now())
	var there []tocsin.Silence
	err := w.app.Store().View(ctx, func(tx *store.Tx) (err error) {
		there, err = tx.Silences(store.SilenceFilter{Live: now, Page: store.Page{Limit: 1}})
		return err
	})
	if err != nil || len(there) > 0 {
		return err
	}
	if hub := w.at("network-hub", w.regions[0]); !hub.instead {
		_, err = w.app.Engine().SaveSilence(ctx, tocsin.Silence{
			Kind: tocsin.KindMaintenance, Pattern: fmt.Appendf(nil, `{"account": [%q]}`, hub.account.id),
			Author: "bo", Reason: "new firewalls", From: now, Until: now.Add(3 * time.Hour),
		})
		if err != nil {
			return err
		}
	}
	web := w.team("web")
	day := now.Truncate(24*time.Hour).AddDate(0, 0, 5)
	_, err = w.app.Engine().SaveOverride(ctx, oncall.Override{
		Schedule: "web", Kind: oncall.Remove, People: []string{web.First.Name, web.Second.Name},
		From: day.Add(9 * time.Hour), Until: day.Add(18 * time.Hour), By: web.First.Name, Reason: "the team is away together",
	})
	return err
}

func (w *world) team(name string) team {
	return w.teams[slices.IndexFunc(w.teams, func(t team) bool { return t.Name == name })]
}

// duty is who is on call for a schedule of a team, and who is not.
func (w *world) duty(name string) (on, off person) {
	t := w.team(name)
	for _, s := range w.app.Engine().OnCall(w.clock.Now()) {
		if s.Schedule == name && slices.Contains(s.People, t.Second.Name) {
			return t.Second, t.First
		}
	}
	return t.First, t.Second
}
