package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// peopleStates renders the pages of who is told, and how.
func peopleStates(t *testing.T, p *Pages, in inputs, evil func(string) string, add func(name, html string)) {
	t.Helper()
	add("on-call", render(t, p.onCallPage, in.onCall.view()))
	add("on-call-none", render(t, p.onCallPage, onCallInput{Now: fixtureNow}.view()))
	add("schedule", render(t, p.schedulePage, in.schedule.view()))
	clocks := in.schedule
	clocks.Monday = oncall.Civil{Year: 2026, Month: 10, Day: 19}
	clocks.By = evil("ana")
	add("schedule-clocks-change", render(t, p.schedulePage, clocks.view()))
	add("policies", render(t, p.policiesPage, in.policies.view()))
	add("policies-none", render(t, p.policiesPage, policiesInput{Now: fixtureNow, Level: tocsin.High}.view()))

	add("silences", render(t, p.silencesPage, in.silences.view()))
	add("silences-none", render(t, p.silencesPage, silencesInput{Now: fixtureNow}.view()))
	hid := in.preview
	hid.Hid = true
	over := silenceInput{Now: fixtureNow, Silence: in.silences.Over[0], Report: &hid, People: in.people.People}
	add("silence-over", render(t, p.silencePage, over.view()))
	add("silence-to-come", render(t, p.silencePage, silenceInput{Now: fixtureNow, Silence: in.silences.Live[2], By: evil("ana")}.view()))
	asked := newSilenceInput{
		Now: fixtureNow, Accounts: in.alerts.Accounts, Alert: &in.alert.Alert, Chosen: []string{"account", "type", "ip"},
		Form:     silenceForm{Kind: string(tocsin.KindMaintenance), Reason: evil("Red team week"), For: "4h", Zone: "Europe/Berlin", Every: true, EveryFrom: evil("22:00"), EveryZone: evil("Europe/Berlin"), NotifyFrom: "high", Lookback: 90},
		Weekdays: []string{"sat"},
	}
	asked.Form.Pattern = asked.built()
	asked.Form.Built = asked.Form.Pattern
	asked.Preview = &in.preview
	add("silence-new-preview", render(t, p.newSilencePage, asked.view()))
	refused := newSilenceInput{Now: fixtureNow, By: evil("ana"), Form: silenceForm{Kind: "silence", Pattern: evil(`{"account":1}`), For: "", Lookback: 90}, Problem: errors.Join(errors.New("reason: "+evil("say why")), errors.New("until: is missing"))}
	add("silence-new-refused", render(t, p.newSilencePage, refused.view()))

	add("people", render(t, p.peoplePage, in.people.peopleInput.view()))
	add("people-none", render(t, p.peoplePage, peopleInput{}.view()))
	add("person", render(t, p.personPage, in.people.view()))
	add("invitation", render(t, p.invitationPage, must(invitationView{Name: evil("ana"), Receiver: evil("phones")}.with(fixtureInvitation))))
	add("person-new", render(t, p.personPage, personInput{Now: fixtureNow, Person: tocsin.Person{Name: evil("new"), Version: 1}}.view()))

	add("reports", render(t, p.reportsPage, reportsInput{Period: must(readPeriod(nil, fixtureNow)), Now: fixtureNow, Report: in.report, Dead: []routing.Dead{
		{What: "route", Name: evil("old web"), Tally: routing.Tally{Count: 4, Last: ago(100 * 24 * time.Hour)}}, {What: "receiver", Name: evil("pager")},
	}}.view()))
	add("reports-nothing", render(t, p.reportsPage, reportsInput{Period: must(readPeriod(nil, fixtureNow)), Now: fixtureNow}.view()))
	latencyStates(t, p, evil, add)
	add("shadow", render(t, p.shadowPage, shadowInput{Period: must(readPeriod(nil, fixtureNow)), Now: fixtureNow, Report: fixtureShadow(evil)}.view()))
	add("shadow-nothing", render(t, p.shadowPage, shadowInput{Period: must(readPeriod(nil, fixtureNow)), Now: fixtureNow}.view()))
	add("explain-asked", render(t, p.explainPage, explainInput{Now: fixtureNow, Event: evil(`{"detail-type": "GuardDuty Finding"}`), Seq: 7}.view()))
	add("explain", render(t, p.explainPage, explainInput{Now: fixtureNow, Accounts: in.alerts.Accounts, Event: evil(`{}`), Found: &in.explanation}.view()))
	add("who", render(t, p.whoPage, whoView{Me: newActor(evil("marek"), in.people.People), Back: local(evil("/alerts/7"))}))
	linkStates(t, in, evil, add)
}

// linkStates renders what a signed link leads to.
func linkStates(t *testing.T, in inputs, evil func(string) string, add func(name, html string)) {
	t.Helper()
	a := in.alert.Alert
	taken := must(a.Acknowledge(evil("marek"), ago(time.Minute)))
	var read, follow error
	shown, do := a, notify.DoAcknowledge
	h := NewLinks(LinkOptions{
		Read: func(context.Context, string) (engine.Link, tocsin.Alert, error) {
			return engine.Link{Alert: a.ID, Do: do, Person: evil("ana")}, shown, read
		},
		Follow: func(context.Context, string) (notify.Reply, error) {
			return notify.Reply{Text: "Acknowledged by " + evil("ana") + " at 03:07 UTC.", Alert: taken}, follow
		},
		Now: func() time.Time { return fixtureNow },
	})
	page := func(method string) string {
		w := serve(h, method, LinkPath+"token")
		_, body, _ := strings.Cut(w.Body.String(), "<body>")
		return body
	}
	add("link", page(http.MethodGet))
	do = notify.DoExpected
	add("link-close", page(http.MethodGet))
	do, shown = notify.DoAcknowledge, taken
	add("link-nothing-left", page(http.MethodGet))
	add("link-done", page(http.MethodPost))
	read, follow = engine.ErrLinkOver, engine.ErrLink
	add("link-over", page(http.MethodGet))
	add("link-cut-off", page(http.MethodPost))
}

// addPeople makes the fixtures of who is told, with every text spoilt.
func (in *inputs) addPeople(evil func(string) string) {
	all := func(names []string) (spoilt []string) {
		for _, n := range names {
			spoilt = append(spoilt, evil(n))
		}
		return spoilt
	}
	for _, p := range fixturePeople() {
		for i, c := range fixtureContacts() {
			if c.Person == p.Name {
				c.ID, c.Person, c.Receiver, c.Address, c.DisabledWhy = int64(i+1), evil(c.Person), evil(c.Receiver), evil(c.Address), evilIf(evil, c.DisabledWhy)
				p.Contacts = append(p.Contacts, c)
			}
		}
		if p.Name == "ana" {
			p.High = []tocsin.NotificationRule{{Contact: 1}, {Contact: 2, Minutes: 5}}
		}
		p.Name, p.FullName, p.Version = evil(p.Name), evilIf(evil, p.FullName), 3
		in.people.People = append(in.people.People, p)
	}
	for _, team := range fixtureTeams() {
		team.Name, team.Members, team.Policy = evil(team.Name), all(team.Members), evil(team.Policy)
		in.people.Teams = append(in.people.Teams, team)
	}
	for _, r := range fixtureReceivers() {
		r.Name = evil(r.Name)
		in.people.Receivers = append(in.people.Receivers, r)
	}
	in.addSchedules(evil)
	in.people.Now, in.people.By, in.people.OnCall, in.people.Person = fixtureNow, evil("ana"), in.onCall.OnCall, in.people.People[0]
	in.people.Recent, in.people.Alerts = in.notifications.Notifications[:3], in.notifications.Alerts
	in.people.Messages = []store.PersonalMessage{{Person: in.people.Person.Name, At: ago(time.Hour), Kind: tocsin.TellOpened}, {Person: in.people.Person.Name, At: ago(10 * time.Hour), Kind: tocsin.TellOpened}}
	in.addPolicies(evil)
	in.addSilences(evil)

	in.report = fixtureReport()
	for _, list := range []*[]reports.Noise{&in.report.NoiseByRule, &in.report.NoiseByType} {
		for i := range *list {
			(*list)[i].Name = evil((*list)[i].Name)
		}
	}
	for i := range in.report.People {
		in.report.People[i].Person = evil(in.report.People[i].Person)
	}
	for i := range in.report.Schedules {
		in.report.Schedules[i].Schedule = evil(in.report.Schedules[i].Schedule)
	}
	for i := range in.report.ByTeam {
		in.report.ByTeam[i].Name = evilIf(evil, in.report.ByTeam[i].Name)
	}
	a := in.alerts.Alerts[0]
	in.explanation = engine.Explanation{
		At: fixtureNow, Verdict: tocsin.Opened, Reason: evil("because"), Rule: evil("guardduty"), Alert: &a, Live: 4, Told: all([]string{"security-slack", "ana"}),
		Held: &tocsin.Hold{By: evil("silence 1"), Until: fixtureNow.Add(time.Hour)}, Expected: in.policies.Preview[in.policies.Policies[0].Name],
		Steps: all([]string{"event: 12 bytes", "told: receiver security-slack"}),
		Routes: &routing.Trace{Owner: evil("team payments, owner of account payments-prod"), Notes: all([]string{"a policy is not climbed"}), Steps: []routing.Step{
			{Route: evil("tests"), Result: routing.NotMatched, Why: all([]string{`no   sample  is false, want [true]`})},
			{Route: evil("critical"), Result: routing.Matched, Why: all([]string{`yes  level  is "critical"`}), Outcome: evil("tells security-slack; goes on")},
			{Route: evil("web"), Depth: 1, Result: routing.NotReached, Inherited: []routing.Inheritance{{Field: "receivers", From: evil("critical")}}},
		}},
	}
}

// evilIf leaves what is empty empty.
func evilIf(evil func(string) string, s string) string {
	if s == "" {
		return ""
	}
	return evil(s)
}

func (in *inputs) addSchedules(evil func(string) string) {
	var overrides []oncall.Override
	for i, o := range fixtureOverrides() {
		o.ID, o.Schedule, o.By, o.Reason = string(rune('1'+i)), evilIf(evil, o.Schedule), evil(o.By), evil(o.Reason)
		for _, list := range [][]string{o.People, o.With} {
			for j := range list {
				list[j] = evil(list[j])
			}
		}
		overrides = append(overrides, o)
	}
	in.onCall = onCallInput{Now: fixtureNow, People: in.people.People, Gaps: map[string]oncall.Gap{}, Absences: overrides}
	in.world = newWorld(in.people.People, in.people.Teams)
	for _, s := range fixtureSchedules() {
		s.Name = evil(s.Name)
		for i := range s.Layers {
			s.Layers[i].Name += evil(s.Layers[i].Name)
			for _, turn := range s.Layers[i].Turns {
				for k := range turn {
					turn[k] = evil(turn[k])
				}
			}
		}
		plan := must(oncall.New(oncall.History{{Since: longAgo, Schedule: s}}, overrides))
		in.world.schedules[s.Name] = plan
		info := engine.ScheduleInfo{Schedule: s, Policies: []string{evil("around-the-clock")}}
		on := engine.OnCall{Schedule: s.Name, People: plan.At(fixtureNow)}
		if next := plan.HandOffs(fixtureNow.Add(time.Second), fixtureNow.Add(oncall.Horizon)); len(next) > 0 {
			on.Until, on.Next = next[0].At, next[0].On
		}
		if gaps := plan.Gaps(fixtureNow, fixtureNow.Add(oncall.Horizon)); len(gaps) > 0 {
			in.onCall.Gaps[s.Name] = gaps[0]
		}
		in.onCall.Schedules, in.onCall.OnCall = append(in.onCall.Schedules, info), append(in.onCall.OnCall, on)
		if in.schedule.Plan == nil {
			in.schedule = scheduleInput{Now: fixtureNow, People: in.people.People, Info: info, Plan: plan, Since: longAgo, Overrides: overrides, Monday: oncall.Civil{Year: 2026, Month: 11, Day: 16}}
		}
	}
	in.schedule.OnCall = in.onCall.OnCall
}

func (in *inputs) addPolicies(evil func(string) string) {
	in.policies = policiesInput{Now: fixtureNow, Level: tocsin.High, Teams: in.people.Teams, Preview: map[string][]escalation.Expected{}, Live: in.alerts.Alerts[:1]}
	for _, p := range fixturePolicies() {
		p.Name = evil(p.Name)
		for _, s := range p.Steps {
			for i := range s.Targets {
				s.Targets[i].Name = evil(s.Targets[i].Name)
			}
		}
		for i := range p.Fallback {
			p.Fallback[i].Name = evil(p.Fallback[i].Name)
		}
		in.policies.Preview[p.Name] = escalation.Preview(p, tocsin.High, in.world, fixtureNow)
		in.policies.Policies = append(in.policies.Policies, p)
	}
	in.world.turns = map[string]int{}
}

func (in *inputs) addSilences(evil func(string) string) {
	in.silences = silencesInput{Now: fixtureNow, By: evil("ana"), People: in.people.People}
	for i, s := range fixtureSilences() {
		s.ID, s.Author, s.Reason, s.EndedBy, s.Key = int64(i+1), evil(s.Author), evil(s.Reason), evilIf(evil, s.EndedBy), tocsin.Key(evilIf(evil, string(s.Key)))
		if text, err := json.Marshal(map[string][]string{evil("type"): {evil("Recon")}}); err == nil && evil("a") != "a" && len(s.Pattern) > 0 {
			s.Pattern = text
		}
		if s.EndedAt.IsZero() {
			in.silences.Live = append(in.silences.Live, s)
		} else {
			in.silences.Over = append(in.silences.Over, s)
		}
	}
	in.preview = routing.Preview{
		From: ago(90 * 24 * time.Hour), To: fixtureNow, Alerts: 412, Notifications: 380, Sequences: 1, Suspects: 1, Fixed: 1,
		ByLevel: map[tocsin.Level]int{tocsin.Critical: 2, tocsin.Low: 410},
		ByType:  []routing.TypeCount{{Type: evil("Recon:EC2/PortProbeUnprotectedPort"), Alerts: 400}, {Type: evil("Backdoor:EC2/C&CActivity.B!DNS"), Alerts: 12}},
		Later: []routing.Later{
			{Alert: 12, Type: evil("Backdoor:EC2/C&CActivity.B!DNS"), Level: tocsin.Critical, What: routing.LaterSequence, Sequence: 40, By: evil("finding 60c2")},
			{Alert: 13, Type: evil("Recon:EC2/Portscan"), Level: tocsin.Low, What: routing.LaterSuspect, Sequence: 40, By: evil("resource i-0a1b")},
			{Alert: 14, Type: evil("Recon:EC2/Portscan"), Level: tocsin.Low, What: routing.LaterFixed},
		},
	}
}
