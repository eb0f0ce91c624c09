package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A roster is what people decided at work, read into a form that judges can ask:
// who they are, how they are reached, who stands in for whom, what is silenced.
// It is immutable.
type roster struct {
	generation int64
	people     map[string]tocsin.Person
	contacts   map[int64]tocsin.Contact
	owners     map[place]string // of verified addresses
	schedules  map[string]*oncall.Plan
	silences   *routing.Silences
	problem    error // what of it cannot be understood
}

// A place is an address that a receiver reaches.
type place struct{ receiver, address string }

// owner is whose verified address it is. Receivers of one kind share their people:
// an app that serves two channels may hear of a button by either.
func (w *world) owner(receiver, address string) (string, bool) {
	if name, ok := w.owners[place{receiver, address}]; ok {
		return name, true
	}
	kind := w.plan.Receivers[receiver].Kind
	for _, other := range slices.Sorted(maps.Keys(w.plan.Receivers)) {
		if w.plan.Receivers[other].Kind != kind {
			continue
		}
		if name, ok := w.owners[place{other, address}]; ok {
			return name, true
		}
	}
	return "", false
}

// A world is all that is decided, by the configuration and by people, as of the
// beginning of one transaction.
type world struct {
	plan *Plan
	*roster
}

func (e *Engine) world() *world { return &world{e.plan.Load(), e.roster.Load()} }

// refresh reads what people decided again if anybody decided anything since.
func (e *Engine) refresh(ctx context.Context) error {
	e.reading.Lock()
	defer e.reading.Unlock()
	old := e.roster.Load()
	var fresh *roster
	err := e.store.View(ctx, func(tx *store.Tx) error {
		generation, err := tx.Generation()
		if err != nil || old.generation == generation {
			return err
		}
		fresh, err = readRoster(tx, generation, e.now())
		return err
	})
	if err != nil {
		return fmt.Errorf("read people, schedules and silences: %w", err)
	}
	if fresh != nil {
		if fresh.problem != nil {
			e.log.Error("a silence cannot be understood and holds nothing", "err", fresh.problem)
		}
		e.roster.Store(fresh)
	}
	return nil
}

func readRoster(tx *store.Tx, generation int64, now time.Time) (*roster, error) {
	r := &roster{
		generation: generation, people: map[string]tocsin.Person{}, contacts: map[int64]tocsin.Contact{}, owners: map[place]string{},
		schedules: map[string]*oncall.Plan{},
	}
	people, err := tx.People()
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		r.people[p.Name] = p
		for _, c := range p.Contacts {
			r.contacts[c.ID] = c
			if c.Usable() && !p.Disabled {
				r.owners[place{c.Receiver, c.Address}] = p.Name
			}
		}
	}
	if err := r.readSchedules(tx); err != nil {
		return nil, err
	}
	silences, err := tx.Silences(store.SilenceFilter{Live: now, Page: store.Page{Limit: silencesMax}})
	if err != nil {
		return nil, err
	}
	// One that cannot be understood holds nothing, and the others do: people are
	// rather told.
	r.silences, r.problem = routing.NewSilences(silences)
	return r, nil
}

// silencesMax bounds how many silences are in force or to come.
const silencesMax = 10000

func (r *roster) readSchedules(tx *store.Tx) error {
	histories, err := tx.Histories()
	if err != nil {
		return err
	}
	overrides, err := tx.Overrides("", time.Time{})
	if err != nil {
		return err
	}
	for name, history := range histories {
		if r.schedules[name], err = oncall.New(history, overrides); err != nil {
			return fmt.Errorf("schedule %s: %w", name, err)
		}
	}
	return nil
}

// person is the person with what of their contact methods can be used: those
// whose receiver is configured and can tell single people.
func (w *world) person(name string) (tocsin.Person, bool) {
	p, ok := w.people[name]
	if !ok {
		return p, false
	}
	p.Contacts = slices.Clone(p.Contacts)
	for i, c := range p.Contacts {
		if r, ok := w.plan.Receivers[c.Receiver]; !ok || !r.Addresses() {
			p.Contacts[i].DisabledWhy = "receiver " + c.Receiver + " is not configured for single people"
		}
	}
	return p, true
}

// policy is the version of a policy by which an escalation goes: the one that is
// configured, or one from before that the store has kept. One that cannot be read
// is none: the fallback has the alert then, and it can be acknowledged.
func (x *exchange) policy(s *tocsin.Escalation) (escalation.Policy, bool) {
	if p, ok := x.plan.policy(s); ok {
		return p, true
	}
	p, err := x.tx.Policy(s.Version)
	return p, err == nil
}

// policy is the configured policy, if that is the version.
func (p *Plan) policy(s *tocsin.Escalation) (escalation.Policy, bool) {
	current, ok := p.Policies[s.Policy]
	return current, ok && current.Version() == s.Version
}

// reach says whether a person can be told of what is urgent.
func (w *world) reach(name string) escalation.Reach {
	p, known := w.person(name)
	switch {
	case !known:
		return escalation.Reach{Name: name, Not: "is not among the people"}
	case p.Disabled:
		return escalation.Reach{Name: name, Not: "disabled"}
	case !p.Reachable():
		return escalation.Reach{Name: name, Not: "has no verified contact method that is used at once"}
	}
	return escalation.Reach{Name: name}
}

// Who is whom or what a target stands for.
func (w *world) Who(t escalation.Target, at time.Time) escalation.Who {
	var names []string
	nobody := ""
	switch t.Kind {
	case escalation.Receiver:
		r := escalation.Reach{Name: t.Name}
		if _, ok := w.plan.Receivers[t.Name]; !ok {
			r.Not = "is not configured"
		}
		return escalation.Who{Receivers: []escalation.Reach{r}}
	case escalation.Person:
		names = []string{t.Name}
	case escalation.Team:
		if names = w.plan.Teams[t.Name].Members; len(names) == 0 {
			nobody = "the team has no members"
		}
	case escalation.Schedule:
		names, nobody = w.onCall(t.Name, at)
	}
	who := escalation.Who{Nobody: nobody}
	for _, name := range names {
		who.People = append(who.People, w.reach(name))
	}
	return who
}

// onCall is who is on call, or why nobody is.
func (w *world) onCall(schedule string, at time.Time) (names []string, nobody string) {
	p, ok := w.schedules[schedule]
	if !ok {
		return nil, "there is no such schedule"
	}
	if names = p.At(at); len(names) > 0 {
		return names, ""
	}
	for _, gap := range p.Gaps(at, at.Add(time.Minute)) {
		return nil, "nobody is on call until " + gap.End.Format("Mon 2 Jan 15:04 MST")
	}
	return nil, "nobody is on call"
}

// Turn is where the round of a step stands. The transaction has it locked.
func (x *exchange) Turn(policy string, step int) int {
	turn, err := x.tx.Rotation(policy, step)
	if err != nil && x.err == nil {
		x.err = fmt.Errorf("whose turn it is: %w", err)
	}
	return int(turn)
}
