package web

import (
	"context"
	"encoding/json"
	"log/slog"
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
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/shadow"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/pattern"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // of fixtures, which are ours
	}
	return v
}

func targets(list ...string) []escalation.Target {
	var all []escalation.Target
	for _, s := range list {
		all = append(all, must(escalation.ParseTarget(s)))
	}
	return all
}

func minutes(n int) escalation.Duration { return escalation.Duration(time.Duration(n) * time.Minute) }

// fixturePolicies are three; the older version of the first is kept by an alert.
func fixturePolicies() []escalation.Policy {
	return []escalation.Policy{
		{
			Name: "around-the-clock", Repeat: 1, Fallback: targets("receiver:payments-oncall"),
			Steps: []escalation.Step{
				{Targets: targets("schedule:payments-primary"), Wait: minutes(10)},
				{Targets: targets("schedule:soc", "receiver:security-slack"), Wait: minutes(15)},
				{Targets: targets("team:security"), Wait: minutes(15), MinLevel: tocsin.High},
			},
		},
		{
			Name: "office-hours", Fallback: targets("receiver:security-slack"), NotifyOnlyBelow: tocsin.Medium,
			Steps: []escalation.Step{
				{Targets: targets("schedule:storefront"), Wait: minutes(30), Window: &tocsin.Recurrence{TimeZone: "Europe/Berlin", Weekdays: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "17:00"}},
				{Targets: targets("person:di", "person:bo"), Wait: minutes(60), Assign: escalation.RoundRobin, OnlyIf: escalation.Unclosed},
			},
		},
	}
}

// olderPolicy is how the first policy was once.
func olderPolicy() escalation.Policy {
	p := fixturePolicies()[0]
	p.Steps = p.Steps[:2]
	return p
}

func fixtureTeams() []tocsin.Team {
	return []tocsin.Team{
		{Name: "data", Policy: "office-hours", Members: []string{"di"}},
		{Name: "payments", Policy: "around-the-clock", Receivers: []string{"payments-slack"}, Members: []string{"ana", "bo"}},
		{Name: "security", Policy: "around-the-clock", Members: []string{"ana", "cy"}},
		{Name: "storefront", Policy: "office-hours", Members: []string{"bo", "di"}},
	}
}

// longAgo is since when the schedules are there.
var longAgo = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func fixtureSchedules() []oncall.Schedule {
	return []oncall.Schedule{
		{Name: "payments-primary", TimeZone: "Europe/Berlin", Layers: []oncall.Layer{
			{Name: "weeks", Rotate: "weekly", From: "2026-01-05T09:00", Turns: []oncall.Turn{{"ana"}, {"bo"}, {"cy"}}},
		}},
		{Name: "soc", TimeZone: "America/New_York", Mode: oncall.Union, Layers: []oncall.Layer{
			{Name: "nights", Rotate: "daily", From: "2026-01-05T20:00", Turns: []oncall.Turn{{"ana"}, {"cy"}}, Windows: []oncall.Window{{From: "20:00", To: "08:00"}}},
			{Name: "days", Rotate: "weekly", From: "2026-01-05T08:00", Turns: []oncall.Turn{{"bo"}, {"di"}}, Windows: []oncall.Window{{From: "08:00", To: "20:00"}}},
			{Name: "second", Rotate: "weekly", From: "2026-01-05T12:00", Turns: []oncall.Turn{{"cy"}, {"bo"}}},
		}},
		{Name: "storefront", TimeZone: "Europe/Berlin", Layers: []oncall.Layer{
			{Name: "office hours", Rotate: "daily", From: "2026-01-05T09:00", Turns: []oncall.Turn{{"bo"}, {"di"}, {"eve-marie.vandenberghe"}}, Windows: []oncall.Window{{From: "09:00", To: "17:00", Weekdays: []string{"mon-fri"}}}},
		}},
	}
}

func fixturePeople() []tocsin.Person {
	return []tocsin.Person{
		{Name: "ana", FullName: "Ana Ferreira", TimeZone: "Europe/Lisbon", Quiet: &tocsin.Hours{From: "22:00", To: "07:00"}},
		{Name: "bo", FullName: "Bo Lindqvist", TimeZone: "Europe/Stockholm"},
		{Name: "cy", TimeZone: "America/New_York"},
		{Name: "di", FullName: "Di Nakamura"},
		{Name: "eve-marie.vandenberghe", FullName: "Eve-Marie Vandenberghe", TimeZone: "Europe/Brussels", Disabled: true},
	}
}

// fixtureContacts are by person, in the order of their IDs.
func fixtureContacts() []tocsin.Contact {
	since := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return []tocsin.Contact{
		{Person: "ana", Receiver: "sms", Address: "+351210000001", VerifiedAt: since},
		{Person: "ana", Receiver: "voice", Address: "+351210000001", VerifiedAt: since},
		{Person: "ana", Receiver: "mail", Address: "ana@example.com", DisabledWhy: "it bounced: 550 5.1.1 no such mailbox", Failures: 3},
		{Person: "ana", Receiver: "security-slack", Address: "U012AB3CD", Code: &tocsin.Code{Digits: "123456", Expires: fixtureNow.Add(9 * time.Minute), Sent: []time.Time{ago(6 * time.Minute)}}},
		{Person: "bo", Receiver: "sms", Address: "+46800000002", VerifiedAt: since},
		{Person: "cy", Receiver: "sms", Address: "+12125550103", VerifiedAt: since},
		{Person: "ana", Receiver: "phones", Address: `{"endpoint":"https://fcm.googleapis.com/fcm/send/dW5pdC10ZXN0","keys":{"auth":"BTBZMqHH6r4Tts7J_aSIgg","p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"}}`, VerifiedAt: since},
	}
}

func fixtureReceivers() []ReceiverInfo {
	return []ReceiverInfo{
		{Name: "mail", Kind: "email", Personal: true},
		{Name: "payments-oncall", Kind: "pagerduty"},
		{Name: "payments-slack", Kind: "slack"},
		{Name: "phones", Kind: "web-push", Personal: true, Invites: true},
		{Name: "security-slack", Kind: "slack", Personal: true},
		{Name: "sms", Kind: "sms", Personal: true},
		{Name: "voice", Kind: "voice", Personal: true},
	}
}

func fixtureSilences() []tocsin.Silence {
	return []tocsin.Silence{
		{Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{"account":["333344445555"],"type":["Policy:S3/BucketAnonymousAccessGranted"],"resource":{"id":["acme-exports"]}}`), Author: "marek", Reason: "The export bucket is public on purpose until the partner has a role", From: ago(20 * time.Hour), Until: fixtureNow.Add(40 * time.Minute), NotifyFrom: tocsin.High, CreatedAt: ago(20 * time.Hour)},
		{Kind: tocsin.KindMaintenance, Pattern: json.RawMessage(`{"environment":["dev"]}`), Author: "ana", Reason: "The sandbox is scanned every Saturday night", From: ago(90 * 24 * time.Hour), Until: fixtureNow.Add(200 * 24 * time.Hour), Every: &tocsin.Recurrence{TimeZone: "Europe/Berlin", Weekdays: []string{"sat"}, From: "22:00", To: "04:00"}, NotifyFrom: tocsin.Critical, CreatedAt: ago(90 * 24 * time.Hour)},
		{Kind: tocsin.KindMaintenance, Pattern: json.RawMessage(`{"account":["222233334444"],"type":[{"prefix":"Recon:"},{"wildcard":"*PortProbe*"}]}`), Author: "bo", Reason: "Red team week", From: fixtureNow.Add(54 * time.Hour), Until: fixtureNow.Add(200 * time.Hour), NotifyFrom: tocsin.High, CreatedAt: ago(time.Hour)},
		{Kind: tocsin.KindMute, Key: "aws/222233334444/us-east-1/00000001b92b", Author: "cy", Reason: "expected", From: ago(9 * 24 * time.Hour), Until: fixtureNow.Add(81 * 24 * time.Hour), CreatedAt: ago(9 * 24 * time.Hour)},
		{Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{"type":[{"prefix":"UnauthorizedAccess:"}],"level":["low"]}`), Author: "marek", Reason: "A scanner of ours; the team knows", From: ago(12 * 24 * time.Hour), Until: fixtureNow.Add(5 * 24 * time.Hour), EndedAt: ago(2 * 24 * time.Hour), EndedBy: "ana", NotifyFrom: tocsin.High, CreatedAt: ago(12 * 24 * time.Hour)},
	}
}

func fixtureOverrides() []oncall.Override {
	return []oncall.Override{
		{Schedule: "payments-primary", Kind: oncall.Replace, People: []string{"bo"}, With: []string{"cy"}, From: fixtureNow.Add(80 * time.Hour), Until: fixtureNow.Add(104 * time.Hour), By: "bo", Reason: "dentist", CreatedAt: ago(30 * time.Hour)},
		{Kind: oncall.Remove, People: []string{"bo"}, From: time.Date(2026, 11, 27, 17, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), By: "bo", Reason: "wedding", CreatedAt: ago(20 * time.Hour)},
	}
}

// fixtureClimb says how far the telling of people has come for the n-th alert.
func fixtureClimb(a *tocsin.Alert, n int) {
	policy := fixturePolicies()[0]
	climbing := func(p escalation.Policy, step int, at time.Time) *tocsin.Escalation {
		return &tocsin.Escalation{Policy: p.Name, Version: p.Version(), Step: step, At: at, Reached: true, Highest: step}
	}
	switch n {
	case 0:
		a.Escalation = climbing(policy, 1, fixtureNow.Add(4*time.Minute))
		a.Terms = &tocsin.Terms{AckTimeout: 4 * time.Hour, Stale: 14 * 24 * time.Hour}
		a.Tags = map[string]string{"data": "cardholder"}
	case 1:
		a.Escalation = climbing(policy, 3, fixtureNow.Add(25*time.Minute))
		a.Escalation.Pass, a.Escalation.Exhausted, a.Escalation.FallbackTold = 1, true, true
	case 2:
		a.Escalation = climbing(policy, 2, ago(time.Minute))
		a.SnoozedUntil, a.SnoozedBy = fixtureNow.Add(50*time.Minute), "marek"
	case 3:
		a.Held, a.Told = &tocsin.Hold{By: "silence 1", Until: fixtureNow.Add(40 * time.Minute), Tell: true}, nil
	case 5:
		a.Escalation = climbing(olderPolicy(), 1, fixtureNow.Add(2*time.Minute))
		a.Approvals = []string{"isolate-instance", "revoke-" + strings.Repeat("every-session-", 4) + "of-it"}
	case 14:
		a.Escalation = climbing(fixturePolicies()[1], 1, fixtureNow.Add(20*time.Minute))
	}
}

// nobody takes every message.
type nobody struct{}

func (nobody) Notify(context.Context, notify.Message) (string, error) { return "taken", nil }

// fixtureInvitation is as long as they are.
const fixtureInvitation = "https://tocsin.example.com/act/phones/join/xv2E8n1mUUWm3cS0dqg0YnsiaSI6IkM3VmYxTnBvd3JfNyIsInAiOiJhbmEiLCJlIjoxNzk1NDg5NjQwfQ"

// inviting is a receiver that people enrol with by a link.
type inviting struct{ nobody }

func (inviting) Invite(string) (string, error) { return fixtureInvitation, nil }

func fixturePlan() *engine.Plan {
	p := &engine.Plan{
		Accounts: fixtureAccounts, Receivers: map[string]engine.Receiver{}, Teams: map[string]tocsin.Team{}, Policies: map[string]escalation.Policy{},
		Fallback: []string{"payments-oncall"}, Schedules: fixtureSchedules(), ReachableAt: "https://tocsin.example.com",
	}
	for _, r := range fixtureReceivers() {
		one := engine.Receiver{Notifier: nobody{}, Kind: r.Kind, Burst: 60}
		if r.Personal {
			one.Address = func(text string) (string, error) { return text, nil }
		}
		if r.Invites {
			one.Notifier = inviting{}
		}
		p.Receivers[r.Name] = one
	}
	for _, t := range fixtureTeams() {
		p.Teams[t.Name] = t
	}
	for _, policy := range fixturePolicies() {
		p.Policies[policy.Name] = policy
	}
	p.Rules = must(rules.New([]rules.Rule{{Name: "guardduty", Pattern: must(pattern.Parse([]byte(`{"source":["aws.guardduty"]}`)))}}, fixtureAccounts))
	p.Routes = must(routing.New(routing.Table{
		Routes: []routing.Route{
			{Name: "tests", Pattern: must(pattern.Parse([]byte(`{"sample":[true]}`))), Drop: "samples are nobody's"},
			{Name: "critical", Pattern: must(pattern.Parse([]byte(`{"level":["critical"]}`))), Receivers: []string{"security-slack"}, Continue: true},
			{Name: "owners", Team: routing.OwnTeam},
		},
		Fallback: []string{"payments-oncall"}, Accounts: fixtureAccounts, Teams: p.Teams,
	}))
	return p
}

// A scene is an engine on the store of the fixtures.
type scene struct {
	*engine.Engine
	store *store.Store
}

// fillPeople writes people, schedules, silences and overrides.
func fillPeople(tx *store.Tx) error {
	for _, s := range fixtureSchedules() {
		if err := tx.SaveHistory(s.Name, oncall.History{{Since: longAgo, Schedule: s}}); err != nil {
			return err
		}
	}
	for _, p := range fixturePeople() {
		if err := tx.SavePerson(&p); err != nil {
			return err
		}
	}
	for _, c := range fixtureContacts() {
		if err := tx.SaveContact(&c); err != nil {
			return err
		}
	}
	ana := must(tx.Person("ana"))
	ana.High = []tocsin.NotificationRule{{Contact: 1}, {Contact: 2, Minutes: 5}}
	if err := tx.SavePerson(&ana); err != nil {
		return err
	}
	for _, s := range fixtureSilences() {
		if err := tx.SaveSilence(&s); err != nil {
			return err
		}
	}
	for _, o := range fixtureOverrides() {
		if err := tx.SaveOverride(&o); err != nil {
			return err
		}
	}
	return tx.KeepPolicy(olderPolicy(), ago(100*24*time.Hour))
}

// fixtureShadow is a comparison with one finding on each side.
func fixtureShadow(evil func(string) string) shadow.Comparison {
	at := fixtureNow.Add(-3 * time.Hour)
	sent := shadow.Read(12, "old", at.Add(2*time.Minute), []byte(`{"text":"finding 16afba5c5c43e07c9e3e5e2e544e95df"}`))
	stranger := shadow.Read(13, "old", at, []byte(`{"text":"the disk is full"}`))
	stranger.Text = evil(stranger.Text)
	told := []shadow.Told{{At: at, Receiver: "soc", Kind: tocsin.TellOpened, State: tocsin.Shadow, Why: "route 1"}}
	found := func(id string, level tocsin.Level, told []shadow.Told) shadow.Finding {
		return shadow.Finding{
			ID: id, Alert: 7, Level: level, Account: "111122223333", Region: "eu-west-1", Type: evil("Backdoor:EC2/C&CActivity.B"), Title: evil("i-0abc is calling a C2 server"),
			At: at, Events: 3, Verdict: tocsin.Filtered, Reason: evil("low is below the minimum"), Told: told,
		}
	}
	return shadow.Compare(at, fixtureNow, []shadow.Sent{sent, sent, stranger}, []shadow.Finding{
		found("16afba5c5c43e07c9e3e5e2e544e95df", tocsin.High, told),
		found("26afba5c5c43e07c9e3e5e2e544e95df", tocsin.Critical, told),
	})
}

func fixtureReport() reports.Report {
	m := func(n int, mean, median, p90 float64) reports.Measure {
		return reports.Measure{Count: n, Mean: mean, Median: median, P90: p90}
	}
	all := reports.Answers{
		Episodes: 412, Open: 9, Untold: 3, Unacked: 118, TTN: m(409, 1.9, 0.84, 4.2), TTA: m(294, 512, 214, 1310), TTR: m(403, 30400, 7260, 90000),
		Escalated: reports.Share{Count: 61, Percent: 14.8}, Unanswered: reports.Share{Count: 4, Percent: 1},
	}
	some := reports.Answers{Episodes: 31, TTN: m(31, 0.9, 0.7, 1.1), TTA: m(31, 190, 121, 400), TTR: m(30, 9000, 5400, 20000), Escalated: reports.Share{Count: 4, Percent: 12.9}}
	return reports.Report{
		From: ago(30 * 24 * time.Hour), To: fixtureNow, Answers: all, LeftOut: reports.LeftOut{Tests: 12, Suppressed: 230, ClosedBeforeTold: 7},
		ByLevel:       []reports.Group{{Name: "critical", Answers: some}, {Name: "high", Answers: all}, {Name: "low", Answers: reports.Answers{Episodes: 2}}},
		ByTeam:        []reports.Group{{Answers: reports.Answers{Episodes: 5}}, {Name: "payments", Answers: some}, {Name: "storefront", Answers: all}},
		People:        []reports.Load{{Person: "ana", Notifications: 88, Interruptions: 14}, {Person: "bo", Notifications: 41}},
		NoiseByRule:   []reports.Noise{{Name: "guardduty", Closed: 380, FalsePositive: 12, Expected: 96, Percent: 28.4}, {Name: "trusted-advisor", Closed: 4}},
		NoiseByType:   []reports.Noise{{Name: "Recon:EC2/PortProbeUnprotectedPort", Closed: 204, FalsePositive: 2, Expected: 90, Percent: 45.1}},
		Schedules:     []reports.Coverage{{Schedule: "payments-primary", Hours: 723.12, CoveredHours: 723.12, Percent: 100}, {Schedule: "storefront", Hours: 723.12, CoveredHours: 168, Percent: 23.2}},
		Interruptions: 14,
	}
}

func openScene(t testing.TB, s *store.Store) *scene {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Options{Store: s, Plan: fixturePlan(), Now: func() time.Time { return fixtureNow }})
	if err != nil {
		t.Fatal(err)
	}
	return &scene{e, s}
}

// filled are pages over the fixtures.
func filled(t testing.TB) (*Pages, *scene) {
	t.Helper()
	s := filledStore(t)
	sc := openScene(t, s)
	return newPages(Options{
		Store: s, Act: sc, Version: "0.1.0",
		Sources:   func(context.Context) []SourceInfo { return fixtureSources() },
		Accounts:  func() map[string]tocsin.Account { return fixtureAccounts },
		Receivers: fixtureReceivers,
		Report:    func(context.Context, time.Time, time.Time) (reports.Report, error) { return fixtureReport(), nil },
		Compare: func(context.Context, time.Time, time.Time) (shadow.Comparison, error) {
			return fixtureShadow(func(s string) string { return s }), nil
		},
		Now: func() time.Time { return fixtureNow },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}), sc
}

// bare are pages over an empty store without sources, and a plan that names nobody.
func bare(t testing.TB) *Pages {
	t.Helper()
	s := openStore(t)
	plan := fixturePlan()
	plan.Teams, plan.Policies, plan.Schedules = nil, nil, nil
	e, err := engine.New(t.Context(), engine.Options{Store: s, Plan: plan, Now: func() time.Time { return fixtureNow }})
	if err != nil {
		t.Fatal(err)
	}
	return newPages(Options{
		Store: s, Act: e, Now: func() time.Time { return fixtureNow }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Report: func(_ context.Context, from, to time.Time) (reports.Report, error) {
			return reports.Judge(reports.Facts{From: from, To: to}), nil
		},
	})
}
