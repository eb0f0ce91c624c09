package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// OnCall is who is on call at a moment.
type OnCall struct {
	At     time.Time       `json:"at" doc:"The moment."`
	OnCall []engine.OnCall `json:"on_call" doc:"Who is on call, by schedule."`
}

type onCall struct {
	At time.Time `query:"at" doc:"The moment; now if left out."`
}

func (a *api) onCall(_ context.Context, in onCall) (OnCall, error) {
	at := a.orNow(in.At)
	found := list(a.act.OnCall(at))
	for i := range found {
		found[i].People = list(found[i].People)
	}
	return OnCall{at, found}, nil
}

func (a *api) orNow(t time.Time) time.Time {
	if t.IsZero() {
		return a.now().UTC()
	}
	return t
}

// Schedules is the answer to a list.
type Schedules struct {
	Schedules []engine.ScheduleInfo `json:"schedules" doc:"The schedules, as configured."`
}

func (a *api) listSchedules(context.Context, none) (Schedules, error) {
	return Schedules{list(a.act.Schedules())}, nil
}

func (a *api) showSchedule(_ context.Context, in byName) (engine.ScheduleInfo, error) {
	all := a.act.Schedules()
	i := slices.IndexFunc(all, func(s engine.ScheduleInfo) bool { return s.Name == in.Name })
	if i < 0 {
		return engine.ScheduleInfo{}, fmt.Errorf("schedule %q: %w", in.Name, store.ErrNotFound)
	}
	return all[i], nil
}

// longest bounds how much of a schedule is worked out at once.
const longest = 400 * 24 * time.Hour

// stretch is a part of one schedule.
type stretch struct {
	byName
	From time.Time `query:"from" doc:"From when on; now if left out."`
	To   time.Time `query:"to" doc:"Until when, at most 400 days later; 60 days later if left out."`
}

// times are both of them, as far as they can be asked for.
func (a *api) times(s stretch) (from, to time.Time, err error) {
	from, to = a.orNow(s.From), s.To
	if to.IsZero() {
		to = from.Add(oncall.Horizon)
	}
	return from, to, checkTimes(from, to)
}

func checkTimes(from, to time.Time) error {
	switch {
	case !to.After(from):
		return problems{{"query", "to", fmt.Sprintf("%s is not after %s", to.Format(time.RFC3339), from.Format(time.RFC3339))}}
	case to.Sub(from) > longest:
		return problems{{"query", "to", "it is more than 400 days after from"}}
	}
	return nil
}

// Shifts is the answer to a list.
type Shifts struct {
	Shifts []oncall.Shift `json:"shifts" doc:"The shifts, in their order; where there is none, nobody is on call."`
}

func (a *api) listShifts(_ context.Context, in stretch) (Shifts, error) {
	from, to, err := a.times(in)
	if err != nil {
		return Shifts{}, err
	}
	shifts, err := a.act.Shifts(in.Name, from, to)
	for i := range shifts {
		shifts[i].Layers = list(shifts[i].Layers) // an override alone may name who is on call
	}
	return Shifts{list(shifts)}, err
}

// Gaps is the answer to a list.
type Gaps struct {
	Gaps []oncall.Gap `json:"gaps" doc:"The times at which nobody is on call, in their whole length."`
}

func (a *api) listGaps(_ context.Context, in stretch) (Gaps, error) {
	from, to, err := a.times(in)
	if err != nil {
		return Gaps{}, err
	}
	gaps, err := a.act.Gaps(in.Name, from, to)
	return Gaps{list(gaps)}, err
}

// A Calendar is an iCalendar feed (RFC 5545).
type Calendar []byte

func (Calendar) contentType() string { return "text/calendar; charset=utf-8" }

func (c Calendar) bytes() []byte { return c }

// How much of the past and of the future a feed has.
const (
	feedBack  = 28 * 24 * time.Hour
	feedAhead = 182 * 24 * time.Hour
)

func (a *api) scheduleCalendar(_ context.Context, in byName) (Calendar, error) {
	now := a.now()
	shifts, err := a.act.Shifts(in.Name, now.Add(-feedBack), now.Add(feedAhead))
	if err != nil {
		return nil, err
	}
	return oncall.ICal(shifts, "On call: "+in.Name, "", now), nil
}

func (a *api) personCalendar(ctx context.Context, in byName) (Calendar, error) {
	if _, err := a.showPerson(ctx, in); err != nil {
		return nil, err
	}
	now := a.now()
	var shifts []oncall.Shift
	for _, s := range a.act.Schedules() {
		found, err := a.act.Shifts(s.Name, now.Add(-feedBack), now.Add(feedAhead))
		if errors.Is(err, store.ErrNotFound) {
			continue // configured, and nothing is known of it yet
		}
		if err != nil {
			return nil, err
		}
		shifts = append(shifts, found...)
	}
	return oncall.ICal(shifts, "On call: "+in.Name, in.Name, now), nil
}

// Overrides is the answer to a list, and to a swap.
type Overrides struct {
	Overrides []oncall.Override `json:"overrides" doc:"The overrides, in the order in which they were made."`
}

type listOverrides struct {
	Schedule string `query:"schedule" doc:"Overrides of this schedule, and of all; every override if left out."`
}

func (a *api) listOverrides(ctx context.Context, in listOverrides) (Overrides, error) {
	found, err := a.act.Overrides(ctx, in.Schedule)
	return Overrides{list(found)}, err
}

// OverrideBody is the body that makes an override.
type OverrideBody struct {
	By       string              `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who does it."`
	Schedule string              `json:"schedule,omitempty" jsonschema:"example=soc" doc:"The schedule; all schedules if left out."`
	Kind     oncall.OverrideKind `json:"kind" jsonschema:"example=replace" doc:"replace: with comes for each of people, where and while those are on call. add: people are on call besides. remove: people are not on call. set: people are, and nobody else."`
	People   []string            `json:"people" jsonschema:"minItems=1,maxItems=100" doc:"The people that it is about."`
	With     []string            `json:"with,omitempty" jsonschema:"maxItems=100" doc:"Of replace: who comes for them."`
	From     time.Time           `json:"from,omitzero" doc:"When it begins; now if left out."`
	Until    time.Time           `json:"until" jsonschema:"example=2026-06-13T08:00:00Z" doc:"When it ends."`
	Reason   string              `json:"reason,omitempty" jsonschema:"maxLength=10000" doc:"Why."`
}

type createOverride struct {
	OverrideBody `body:"json"`
}

func (a *api) createOverride(ctx context.Context, in createOverride) (oncall.Override, error) {
	return a.act.SaveOverride(ctx, oncall.Override{
		Schedule: in.Schedule, Kind: in.Kind, People: in.People, With: in.With, From: a.orNow(in.From), Until: in.Until, By: in.By, Reason: in.Reason,
	})
}

// SwapBody is the body of a swap.
type SwapBody struct {
	By       string   `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who does it."`
	Schedule string   `json:"schedule" jsonschema:"minLength=1,example=soc" doc:"The schedule."`
	A        Slot     `json:"a" doc:"What the one gives away."`
	B        Slot     `json:"b" doc:"What the other gives away; not at the same time."`
	Accepted []string `json:"accepted" jsonschema:"minItems=1,maxItems=2" doc:"Who has agreed: it takes both."`
	Reason   string   `json:"reason,omitempty" jsonschema:"maxLength=10000" doc:"Why."`
}

// A Slot is a stretch that one person gives away.
type Slot struct {
	Person string    `json:"person" jsonschema:"minLength=1,example=ana" doc:"Who gives it away."`
	From   time.Time `json:"from" jsonschema:"example=2026-06-12T08:00:00Z" doc:"When it begins."`
	Until  time.Time `json:"until" jsonschema:"example=2026-06-13T08:00:00Z" doc:"When it ends."`
}

type swap struct {
	SwapBody `body:"json"`
}

// swap writes both overrides, or none: the first is ended if the second is
// refused.
func (a *api) swap(ctx context.Context, in swap) (Overrides, error) {
	s := oncall.Swap{
		ID: "new", Schedule: in.Schedule, A: oncall.Slot(in.A), B: oncall.Slot(in.B), Accepted: in.Accepted, By: in.By, Reason: in.Reason, CreatedAt: a.now(),
	}
	pair, err := s.Overrides(a.now())
	if err != nil {
		return Overrides{}, unprocessable{err}
	}
	out := Overrides{Overrides: []oncall.Override{}}
	for _, o := range pair {
		o.ID = ""
		saved, err := a.act.SaveOverride(ctx, o)
		if err != nil {
			if left := a.takeBack(ctx, out.Overrides, in.By); left != nil {
				return Overrides{}, left
			}
			return Overrides{}, err
		}
		out.Overrides = append(out.Overrides, saved)
	}
	return out, nil
}

// takeBack ends what was made of a swap, whatever became of the request.
func (a *api) takeBack(ctx context.Context, made []oncall.Override, by string) error {
	for _, o := range made {
		if err := a.act.EndOverride(context.WithoutCancel(ctx), o.ID, by); err != nil {
			return fmt.Errorf("take override %s back: %w", o.ID, err)
		}
	}
	return nil
}

// OverrideDone says which override was ended.
type OverrideDone struct {
	ID string `json:"id" doc:"The override."`
}

type endOverride struct {
	ID  string `path:"id" jsonschema:"example=7" doc:"The override."`
	Who `body:"json"`
}

func (a *api) endOverride(ctx context.Context, in endOverride) (OverrideDone, error) {
	return OverrideDone{in.ID}, a.act.EndOverride(ctx, in.ID, in.By)
}
