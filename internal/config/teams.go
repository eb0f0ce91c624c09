package config

import (
	"errors"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

type team struct {
	Policy    string         `json:"policy" doc:"The policy that its alerts climb."`
	Receivers names          `json:"receivers" doc:"Who is told of each of its alerts at once, besides the policy."`
	Members   names          `json:"members" doc:"People, for steps that tell the whole team."`
	Channel   string         `json:"channel" doc:"The receiver that hears what is about the team and no single alert, such as a gap in its schedule. Left out, its receivers hear it."`
	Updates   tocsin.Updates `json:"updates" doc:"How often it hears what is new of an alert, unless a route says so. Left out, only when it gets worse."`
}

func (d *decoder) teams(f file) map[string]tocsin.Team {
	all := make(map[string]tocsin.Team, len(f.Teams))
	for _, name := range written(d, "teams", f.Teams) {
		t, path := f.Teams[name], join("teams", name)
		d.checkName(path, name)
		d.refer(path+".policy", "policy", t.Policy)
		d.checkReceivers(path+".receivers", t.Receivers)
		if t.Channel != "" {
			d.checkReceiver(path+".channel", t.Channel)
		}
		d.checkPeople(path+".members", t.Members)
		all[name] = tocsin.Team{Name: name, Policy: t.Policy, Receivers: t.Receivers, Members: t.Members, Channel: t.Channel, Updates: t.Updates}
	}
	return all
}

type policy struct {
	Steps           []step         `json:"steps" required:"true" doc:"Who is told, in order; 20 at most."`
	Repeat          int            `json:"repeat" default:"0" doc:"How often all steps are gone through once more: up to 20, or -1 for as long as nobody answers."`
	Fallback        names          `json:"fallback" required:"true" doc:"Who is told when a whole pass reaches nobody, and when nobody answers; written as in tell."`
	AckTimeout      *time.Duration `json:"ack_timeout" doc:"How long an acknowledgement holds; 0 is for ever. Left out, 4h for high and critical, and for ever below."`
	ExhaustedEvery  *time.Duration `json:"exhausted_every" doc:"How long until the fallback is told again that nobody answers; 0 is never. Left out, 1h for high and critical, and never below."`
	NeedAcks        int            `json:"need_acks" default:"1" doc:"How many people must acknowledge."`
	NotifyOnlyBelow tocsin.Level   `json:"notify_only_below" doc:"Alerts below that level are told by the first step, once, and climb no further."`
}

type step struct {
	Tell     names                `json:"tell" required:"true" doc:"Who is told: person:ana, schedule:soc (whoever is on call), team:soc (all its members), receiver:soc-slack."`
	Wait     time.Duration        `json:"wait" required:"true" doc:"How long they have until the next step: 1m to 24h."`
	Assign   escalation.Assign    `json:"assign" default:"all" doc:"all, or round_robin: each firing tells the next of them."`
	OnlyIf   escalation.Condition `json:"only_if" default:"unacked" doc:"unacked, or unclosed: told after an acknowledgement, too."`
	MinLevel tocsin.Level         `json:"min_level" doc:"The lowest level that the step is for."`
	Window   *window              `json:"window" doc:"When the step is told at all. Left out, always."`
}

type window struct {
	TimeZone string   `json:"time_zone" required:"true" doc:"IANA time zone by whose wall clock it is, such as Europe/Berlin."`
	Weekdays []string `json:"weekdays" doc:"Days on which it opens: mon, tue, wed, thu, fri, sat, sun. Left out, every day."`
	From     string   `json:"from" required:"true" doc:"When it opens: 09:00."`
	To       string   `json:"to" required:"true" doc:"When it closes: 17:00. At or before from, it is on the next day."`
}

func (d *decoder) policies(f file) map[string]escalation.Policy {
	all := make(map[string]escalation.Policy, len(f.Policies))
	for _, name := range written(d, "policies", f.Policies) {
		p, path := f.Policies[name], join("policies", name)
		d.checkName(path, name)
		made := escalation.Policy{
			Name: name, Repeat: p.Repeat, NeedAcks: p.NeedAcks, NotifyOnlyBelow: p.NotifyOnlyBelow,
			AckTimeout: (*escalation.Duration)(p.AckTimeout), ExhaustedEvery: (*escalation.Duration)(p.ExhaustedEvery),
		}
		for i, s := range p.Steps {
			made.Steps = append(made.Steps, escalation.Step{
				Targets: d.targets(index(path+".steps", i)+".tell", s.Tell, f.Teams), Wait: escalation.Duration(s.Wait),
				Assign: s.Assign, OnlyIf: s.OnlyIf, MinLevel: s.MinLevel, Window: s.Window.recurrence(),
			})
		}
		made.Fallback = d.targets(path+".fallback", p.Fallback, f.Teams)
		problems, _ := errors.AsType[escalation.Problems](made.Check())
		for _, problem := range problems {
			d.relay(path, problem.Field, problem.Text)
		}
		all[name] = made
	}
	return all
}

func (w *window) recurrence() *tocsin.Recurrence {
	if w == nil {
		return nil
	}
	return &tocsin.Recurrence{TimeZone: w.TimeZone, Weekdays: w.Weekdays, From: w.From, To: w.To}
}

// targets reads whom a step tells. One that cannot be read was told of, and
// another stands in its place.
func (d *decoder) targets(path string, list names, teams map[string]team) []escalation.Target {
	var all []escalation.Target
	for i, text := range list {
		at := d.item(path, i)
		t, err := escalation.ParseTarget(text)
		if err != nil {
			if !d.failed(at) {
				d.fail(d.spot(at), at, "%s%s", err, d.directory.meant(text))
			}
			all = append(all, escalation.Target{Kind: escalation.Receiver, Name: "unreadable"})
			continue
		}
		all = append(all, t)
		switch t.Kind {
		case escalation.Person:
			d.checkPerson(at, t.Name)
		case escalation.Receiver:
			d.checkReceiver(at, t.Name)
		case escalation.Team:
			d.refer(at, "team", t.Name)
			if team, ok := teams[t.Name]; ok && len(team.Members) == 0 {
				d.warn(d.spot(at), at, "team %q has no members: nobody is told by this", t.Name)
			}
		case escalation.Schedule:
			d.refer(at, "schedule", t.Name)
		}
	}
	return all
}

// schedule is an [oncall.Schedule] without its name, which is its key.
type schedule struct {
	TimeZone string         `json:"time_zone" required:"true" doc:"IANA time zone on whose wall clock it runs, such as Europe/Berlin."`
	Mode     string         `json:"mode" default:"stack" doc:"stack: the last layer that names somebody is on call. union: all layers together are."`
	Layers   []oncall.Layer `json:"layers" required:"true" doc:"Who is on call when; with stack, a later layer goes before an earlier one."`
}

func (d *decoder) schedules(f file) []oncall.Schedule {
	var all []oncall.Schedule
	for _, name := range written(d, "schedules", f.Schedules) {
		s, path := f.Schedules[name], join("schedules", name)
		d.checkName(path, name)
		made := oncall.Schedule{Name: name, TimeZone: s.TimeZone, Mode: s.Mode, Layers: s.Layers}
		for _, problem := range made.Problems() {
			d.relay(path, problem.Field, problem.Text)
		}
		for i, l := range s.Layers {
			for j, turn := range l.Turns {
				for _, who := range turn {
					d.checkPerson(index(index(path+".layers", i)+".people", j), who)
				}
			}
		}
		all = append(all, made)
	}
	return all
}
