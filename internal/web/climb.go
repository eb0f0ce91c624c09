package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A climb is how the telling of people goes on.
type climb struct {
	Policy, Version string
	State           string // "Step 2 of 3 is next", "Over: acknowledged"
	Next            []rung
	More            string // how it goes on after them
}

// A rung is one thing that would happen.
type rung struct {
	When  when
	After string // since the alert opened; empty where When is known
	Title string // "Step 2 of 3"
	People,
	Receivers []string
	Missed string // who is not told, and why
	Tone   string // "told", "skipped", "fallback"
}

// A world says who would be told: who is on call, and who can be reached. It is
// made of what is stored.
type world struct {
	people    map[string]tocsin.Person
	teams     map[string]tocsin.Team
	schedules map[string]*oncall.Plan
	turns     map[string]int // of rounds, by policy and step
}

// readWorld reads it from the store.
func readWorld(tx *store.Tx, people []tocsin.Person, teams []tocsin.Team, now time.Time) (*world, error) {
	w := newWorld(people, teams)
	histories, err := tx.Histories()
	if err != nil {
		return nil, err
	}
	overrides, err := tx.Overrides("", tocsin.Millis(now))
	if err != nil {
		return nil, err
	}
	for name, h := range histories {
		plan, err := oncall.New(h, overrides)
		if err != nil {
			return nil, fmt.Errorf("schedule %s: %w", name, err)
		}
		w.schedules[name] = plan
	}
	return w, nil
}

func newWorld(people []tocsin.Person, teams []tocsin.Team) *world {
	w := &world{people: map[string]tocsin.Person{}, teams: map[string]tocsin.Team{}, schedules: map[string]*oncall.Plan{}, turns: map[string]int{}}
	for _, p := range people {
		w.people[p.Name] = p
	}
	for _, t := range teams {
		w.teams[t.Name] = t
	}
	return w
}

// Who says whom and what a target stands for.
func (w *world) Who(t escalation.Target, at time.Time) escalation.Who {
	var who escalation.Who
	var names []string
	switch t.Kind {
	case escalation.Receiver:
		who.Receivers = []escalation.Reach{{Name: t.Name}}
	case escalation.Person:
		names = []string{t.Name}
	case escalation.Team:
		if names = w.teams[t.Name].Members; len(names) == 0 {
			who.Nobody = "the team has no members"
		}
	case escalation.Schedule:
		plan, ok := w.schedules[t.Name]
		if !ok {
			who.Nobody = "there is no such schedule"
			break
		}
		if names = plan.At(at); len(names) > 0 {
			break
		}
		who.Nobody = "nobody is on call"
		for _, g := range plan.Gaps(at, at.Add(time.Minute)) {
			who.Nobody += " until " + g.End.Format("Mon 2 Jan 15:04 MST")
		}
	}
	for _, name := range names {
		who.People = append(who.People, escalation.Reach{Name: name, Not: w.unreachable(name)})
	}
	return who
}

// unreachable says why somebody cannot be told at once, or nothing.
func (w *world) unreachable(name string) string {
	p, known := w.people[name]
	switch {
	case !known:
		return "is not among the people"
	case p.Disabled:
		return "disabled"
	case !p.Reachable():
		return "has no verified contact method that is used at once"
	}
	return ""
}

// readTurns reads where the rounds of a policy stand.
func (w *world) readTurns(tx *store.Tx, p escalation.Policy) error {
	for i, s := range p.Steps {
		if s.Assign != escalation.RoundRobin {
			continue
		}
		turn, err := tx.Rotation(p.Name, i+1)
		if err != nil {
			return err
		}
		w.turns[turnKey(p.Name, i+1)] = int(turn)
	}
	return nil
}

// Turn is where the round of a step stands.
func (w *world) Turn(policy string, step int) int { return w.turns[turnKey(policy, step)] }

func turnKey(policy string, step int) string { return fmt.Sprintf("%s/%d", policy, step) }

// rungsShown is how far ahead one looks.
const rungsShown = 7

// ahead is what would happen to an alert as it stands, if nobody did anything.
func ahead(p escalation.Policy, a tocsin.Alert, w escalation.World, now time.Time) (next []rung, more string) {
	s := *a.Escalation
	for range rungsShown * 2 {
		at := s.At
		if at.IsZero() {
			return next, ""
		}
		if at.Before(now) {
			at = now
		}
		var acts []escalation.Act
		s, acts = escalation.Fire(p, s, escalation.FactsOf(a), at, w)
		for _, act := range acts {
			if mine, ok := w.(*world); ok && act.Turn != nil {
				mine.turns[turnKey(act.Turn.Policy, act.Turn.Step)] = act.Turn.Next
			}
			if !act.Again {
				next = append(next, newRung(act, len(p.Steps), when{at, now}))
			}
		}
		switch {
		case s.Exhausted && s.FallbackTold && s.At.IsZero():
			return next, "Nothing more: the fallback has it."
		case s.Exhausted && s.FallbackTold:
			return next, fmt.Sprintf("Then the fallback is told again every %s until somebody answers.", escalation.Duration(p.RemindsEvery(a.Worst)))
		case s.Empty:
			return next, "Then it is tried again every 5m until somebody can be reached."
		case s.At.IsZero() && s.Ended == escalation.ToldOnce:
			return next, "Nothing more: what is below " + p.NotifyOnlyBelow.String() + " is told once."
		case len(next) >= rungsShown:
			return next, "And so on, until somebody answers."
		}
	}
	return next, ""
}

func newRung(act escalation.Act, steps int, at when) rung {
	r := rung{When: at, People: act.People, Receivers: act.Receivers, Tone: string(act.Kind)}
	switch act.Kind {
	case escalation.Told, escalation.Skipped:
		r.Title = fmt.Sprintf("Step %d of %d", act.Step, steps)
		if act.Pass > 1 {
			r.Title += fmt.Sprintf(", pass %d", act.Pass)
		}
	case escalation.Fallback:
		r.Title = "Nobody reached: fallback"
	case escalation.Unanswered:
		r.Title = "Nobody answered: fallback"
	case escalation.Reminded:
		r.Title = "Fallback again"
	}
	if _, missed, ok := strings.Cut(act.Text, "; not told: "); ok {
		r.Missed = "not " + missed
	} else if _, why, ok := strings.Cut(act.Text, ": skipped; "); ok {
		r.Missed = "skipped: " + why
	} else if len(act.People)+len(act.Receivers) == 0 {
		r.Missed = act.Text
	}
	return r
}

// endWords say why nothing more is to come.
var endWords = map[string]string{
	escalation.Acknowledged: "Stopped: somebody has it.",
	escalation.Exhausted:    "At its end: nobody answered.",
	escalation.ToldOnce:     "Told once; the policy wants no more for this level.",
	escalation.Closed:       "Over: the alert is closed.",
}

// climb is how the alert goes on.
func (in alertInput) climb() climb {
	a := in.Alert
	e := a.Escalation
	if e == nil {
		return climb{}
	}
	c := climb{Policy: e.Policy, Version: e.Version}
	switch {
	case a.Status == tocsin.StatusClosed:
		c.State = endWords[escalation.Closed]
		return c
	case a.Held != nil:
		c.State = "Waits: the alert is held back."
		return c
	case a.Snoozed(in.Now):
		c.State = "Waits for the end of the snooze, and begins again at step 1."
		return c
	case e.At.IsZero():
		c.State = endWords[e.Ended]
		return c
	}
	if in.Policy == nil {
		c.State = "The policy as it was then is not known any more."
		return c
	}
	if in.World == nil {
		return c
	}
	c.Next, c.More = ahead(*in.Policy, a, in.World, in.Now)
	switch {
	case a.Status == tocsin.StatusAcked:
		c.State = "Somebody has it; these are told all the same."
	case e.Step < len(in.Policy.Steps):
		c.State = fmt.Sprintf("Step %d of %d is next.", e.Step+1, len(in.Policy.Steps))
	}
	return c
}

// onCallNow is who is on call for one schedule.
type onCallNow struct {
	engine.OnCall
	Change when // when that changes
}

// onCall is who is on call for the alert: for the schedules that its policy asks, or
// its team's.
func (in alertInput) onCall() []onCallNow {
	name := ""
	if in.Alert.Escalation != nil {
		name = in.Alert.Escalation.Policy
	} else {
		for _, t := range in.Teams {
			if t.Name == in.Alert.Team {
				name = t.Policy
			}
		}
	}
	policy := in.Policy
	for _, p := range in.Policies {
		if policy == nil && p.Name == name {
			policy = &p
		}
	}
	if policy == nil {
		return nil
	}
	var all []onCallNow
	for _, s := range policy.Steps {
		for _, t := range s.Targets {
			i := slices.IndexFunc(in.OnCall, func(o engine.OnCall) bool { return o.Schedule == t.Name })
			known := slices.ContainsFunc(all, func(o onCallNow) bool { return o.Schedule == t.Name })
			if t.Kind == escalation.Schedule && i >= 0 && !known {
				all = append(all, newOnCallNow(in.OnCall[i], in.Now))
			}
		}
	}
	return all
}

func newOnCallNow(o engine.OnCall, now time.Time) onCallNow {
	return onCallNow{OnCall: o, Change: when{o.Until, now}}
}
