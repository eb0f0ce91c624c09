package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// OnCall says, of every schedule, who is on call at that moment and who is next.
func (e *Engine) OnCall(at time.Time) []OnCall {
	w := e.world()
	var all []OnCall
	for _, s := range w.plan.Schedules {
		p, ok := w.schedules[s.Name]
		if !ok {
			continue
		}
		on := OnCall{Schedule: s.Name, People: p.At(at)}
		for _, h := range p.HandOffs(at.Add(time.Nanosecond), at.Add(oncall.Horizon)) {
			on.Until, on.Next = h.At, h.On
			break
		}
		all = append(all, on)
	}
	return all
}

// Schedules are those of the configuration.
func (e *Engine) Schedules() []ScheduleInfo {
	w := e.world()
	infos := make([]ScheduleInfo, len(w.plan.Schedules))
	for i, s := range w.plan.Schedules {
		infos[i] = ScheduleInfo{Schedule: s, Policies: w.plan.policiesOf(s.Name)}
	}
	return infos
}

// policiesOf are the policies that ask a schedule, by name.
func (p *Plan) policiesOf(schedule string) []string {
	var names []string
	asks := func(t escalation.Target) bool { return t.Kind == escalation.Schedule && t.Name == schedule }
	for _, name := range slices.Sorted(maps.Keys(p.Policies)) {
		policy := p.Policies[name]
		if slices.ContainsFunc(policy.Fallback, asks) || slices.ContainsFunc(policy.Steps, func(s escalation.Step) bool { return slices.ContainsFunc(s.Targets, asks) }) {
			names = append(names, name)
		}
	}
	return names
}

// Policies are those of the configuration, by name.
func (e *Engine) Policies() []escalation.Policy {
	p := e.plan.Load()
	list := make([]escalation.Policy, 0, len(p.Policies))
	for _, name := range slices.Sorted(maps.Keys(p.Policies)) {
		list = append(list, p.Policies[name])
	}
	return list
}

// Teams are those of the configuration, by name.
func (e *Engine) Teams() []tocsin.Team {
	p := e.plan.Load()
	list := make([]tocsin.Team, 0, len(p.Teams))
	for _, name := range slices.Sorted(maps.Keys(p.Teams)) {
		list = append(list, p.Teams[name])
	}
	return list
}

func (e *Engine) schedule(name string) (*oncall.Plan, error) {
	p, ok := e.roster.Load().schedules[name]
	if !ok {
		return nil, fmt.Errorf("schedule %q: %w", name, store.ErrNotFound)
	}
	return p, nil
}

// Shifts are a schedule's shifts that touch that time.
func (e *Engine) Shifts(schedule string, from, to time.Time) ([]oncall.Shift, error) {
	p, err := e.schedule(schedule)
	if err != nil {
		return nil, err
	}
	return p.Shifts(from, to), nil
}

// Gaps are the times within those at which nobody is on call.
func (e *Engine) Gaps(schedule string, from, to time.Time) ([]oncall.Gap, error) {
	p, err := e.schedule(schedule)
	if err != nil {
		return nil, err
	}
	return p.Gaps(from, to), nil
}

// Overrides are those of a schedule that are not over, or of all.
func (e *Engine) Overrides(ctx context.Context, schedule string) (list []oncall.Override, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		list, err = tx.Overrides(schedule, tocsin.Millis(e.now()))
		return err
	})
	return list, err
}

// SaveOverride writes a new override.
func (e *Engine) SaveOverride(ctx context.Context, o oncall.Override) (oncall.Override, error) {
	w := e.world()
	now := tocsin.Millis(e.now())
	check := o
	check.ID = "new"
	if err := check.Validate(); err != nil {
		return o, InputError{errors.New(strings.ReplaceAll(err.Error(), "override \"new\": ", ""))}
	}
	if _, ok := w.schedules[o.Schedule]; o.Schedule != "" && !ok {
		return o, InputError{fmt.Errorf("schedule: there is no schedule %q", o.Schedule)}
	}
	for _, name := range slices.Concat(o.People, o.With) {
		if _, ok := w.people[name]; !ok {
			return o, InputError{fmt.Errorf("people: there is no person %q", name)}
		}
	}
	if !o.Until.After(now) {
		return o, InputError{fmt.Errorf("until: %s is over already", o.Until.Format(time.RFC3339))}
	}
	o.CreatedAt = now
	err := e.decide(ctx, func(tx *store.Tx) error { return tx.SaveOverride(&o) })
	return o, err
}

// EndOverride ends an override now.
func (e *Engine) EndOverride(ctx context.Context, id, by string) error {
	return e.decide(ctx, func(tx *store.Tx) error { return tx.EndOverride(id, tocsin.Millis(e.now()), by) })
}

// PreviewPolicy is what would happen to an alert of that level that nobody
// acknowledges.
func (e *Engine) PreviewPolicy(name string, level tocsin.Level, at time.Time) ([]escalation.Expected, error) {
	w := e.world()
	p, ok := w.plan.Policies[name]
	if !ok {
		return nil, fmt.Errorf("policy %q: %w", name, store.ErrNotFound)
	}
	return escalation.Preview(p, level, still{w}, at), nil
}

// still is a world in which every round stands at its beginning.
type still struct{ *world }

func (still) Turn(string, int) int { return 0 }
