package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// crew is a file with people in it; its lines are counted in the tests below.
const crew = `sources: {events: {https: {}}}
accounts:
  "111122223333": {name: payments-prod, environment: prod, ou: /prod/payments/, tags: {team: payments}}
  "222233334444": {left: true}
owners:
  - {ou: prod, team: soc}
  - {tag: team, value: web, team: web}
rules:
  - use: guardduty
  - name: root
    pattern: {source: [aws.signin]}
    alert: {level: high, updates: 15m}
routes:
  - name: production
    pattern: {environment: [prod]}
    team: $team
    first_window: 2m
    routes:
      - {name: bad, pattern: {level: [critical]}, policy: calm, tags: {bad: "yes"}, updates: never, storm: 5}
      - {pattern: {sample: [true]}, drop: samples}
fallback: team:soc
teams:
  soc: {policy: around-the-clock, receivers: console, members: [ana, bo], channel: console, updates: 6h}
  web: {receivers: [console]}
policies:
  around-the-clock:
    steps:
      - {tell: schedule:soc, wait: 10m}
      - {tell: [person:bo, "team:soc", receiver:console], wait: 1d, assign: round_robin, only_if: unclosed, min_level: high, window: {time_zone: UTC, weekdays: [mon], from: "09:00", to: "17:00"}}
    repeat: 2
    fallback: [receiver:console]
    ack_timeout: 0
    exhausted_every: 30m
    need_acks: 2
    notify_only_below: medium
  calm: {steps: [{tell: team:soc, wait: 1h}], fallback: receiver:console}
schedules:
  soc:
    time_zone: Europe/Berlin
    layers:
      - {rotate: weekly, from: 2026-01-05T09:00, people: [ana, [bo, ana], []], start: 2026-01-05T09:00:00+01:00}
people:
  ana: {full_name: Ana Example, time_zone: Europe/Berlin, quiet: {from: "22:00", to: "07:00"}, contacts: [{receiver: sms, address: +49 30 123456}]}
  bo:
receivers:
  console: {console: {}}
  sms: {sms: {}}
`

func TestTeamsPoliciesSchedulesAndPeople(t *testing.T) {
	t.Parallel()
	c := parse(t, crew)
	if len(c.Warnings) > 0 {
		t.Errorf("Warnings:\n%v", c.Warnings)
	}
	zero, half := escalation.Duration(0), escalation.Duration(30*time.Minute)
	last := []escalation.Target{{Kind: escalation.Receiver, Name: "console"}}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"accounts", c.Accounts, map[string]tocsin.Account{
			"111122223333": {ID: "111122223333", Name: "payments-prod", Environment: "prod", OU: "prod/payments", Tags: map[string]string{"team": "payments"}},
			"222233334444": {ID: "222233334444"},
		}},
		{"accounts that left", c.Left, []string{"222233334444"}},
		{"updates by rule", c.Updates, map[string]tocsin.Updates{"root": tocsin.UpdatesQuarterHourly}},
		{"terms", c.Terms, tocsin.DefaultTerms()},
		{"the last resort", c.Fallback, []string{"console"}},
		{"teams", c.Teams, map[string]tocsin.Team{
			"soc": {Name: "soc", Policy: "around-the-clock", Receivers: []string{"console"}, Members: []string{"ana", "bo"}, Channel: "console", Updates: tocsin.UpdatesSixHourly},
			"web": {Name: "web", Receivers: []string{"console"}},
		}},
		{"policies", c.Policies, map[string]escalation.Policy{
			"around-the-clock": {
				Name: "around-the-clock", Repeat: 2, Fallback: last, AckTimeout: &zero, ExhaustedEvery: &half, NeedAcks: 2, NotifyOnlyBelow: tocsin.Medium,
				Steps: []escalation.Step{
					{Targets: []escalation.Target{{Kind: escalation.Schedule, Name: "soc"}}, Wait: escalation.Duration(10 * time.Minute), Assign: escalation.All, OnlyIf: escalation.Unacked},
					{
						Targets: []escalation.Target{{Kind: escalation.Person, Name: "bo"}, {Kind: escalation.Team, Name: "soc"}, {Kind: escalation.Receiver, Name: "console"}},
						Wait:    escalation.Duration(24 * time.Hour), Assign: escalation.RoundRobin, OnlyIf: escalation.Unclosed, MinLevel: tocsin.High,
						Window: &tocsin.Recurrence{TimeZone: "UTC", Weekdays: []string{"mon"}, From: "09:00", To: "17:00"},
					},
				},
			},
			"calm": {
				Name: "calm", Fallback: last, NeedAcks: 1,
				Steps: []escalation.Step{{Targets: []escalation.Target{{Kind: escalation.Team, Name: "soc"}}, Wait: escalation.Duration(time.Hour), Assign: escalation.All, OnlyIf: escalation.Unacked}},
			},
		}},
		{"schedules", c.Schedules, []oncall.Schedule{{Name: "soc", TimeZone: "Europe/Berlin", Mode: oncall.Stack, Layers: []oncall.Layer{{
			Rotate: "weekly", From: "2026-01-05T09:00", Turns: []oncall.Turn{{"ana"}, {"bo", "ana"}, {}}, Start: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC),
		}}}}},
		{"people, whose addresses nobody has verified", c.People, []tocsin.Person{
			{
				Name: "ana", FullName: "Ana Example", TimeZone: "Europe/Berlin", Quiet: &tocsin.Hours{From: "22:00", To: "07:00"},
				Contacts: []tocsin.Contact{{Person: "ana", Receiver: "sms", Address: "+4930123456"}},
			},
			{Name: "bo", TimeZone: "UTC"},
		}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if r := c.Receivers[1]; !r.Interrupts || r.Follows || r.Burst != 5 || r.Address == nil {
		t.Errorf("sms = %+v, want what its kind says", r)
	}
}

func TestTheTreeOfRoutesDecides(t *testing.T) {
	t.Parallel()
	c := parse(t, crew)
	d := c.Routes.Decide(tocsin.Alert{Detection: tocsin.Detection{Account: "111122223333", Level: tocsin.Critical}})
	if d.Team != "soc" || d.Policy != "calm" || d.Updates != tocsin.UpdatesNever || d.Tags["bad"] != "yes" || d.FirstWindow != 2*time.Minute || len(d.Limits) != 1 || d.Limits[0].PerMinute != 5 {
		t.Errorf("critical in production: %+v", d)
	}
	d = c.Routes.Decide(tocsin.Alert{Detection: tocsin.Detection{Account: "111122223333", Level: tocsin.Low, Sample: true}})
	if d.Drop != "samples" || len(d.Targets) != 0 {
		t.Errorf("a sample in production: %+v", d)
	}
	d = c.Routes.Decide(tocsin.Alert{Detection: tocsin.Detection{Account: "999999999999", Level: tocsin.Low}})
	if !d.Fallback || d.Team != "soc" || d.Policy != "around-the-clock" {
		t.Errorf("nobody's: %+v", d)
	}
}

func TestShadowTellsNobody(t *testing.T) {
	t.Parallel()
	d := parse(t, crew+"shadow: true\n").Routes.Decide(tocsin.Alert{})
	if len(d.Targets) != 0 || d.Policy != "" || len(d.Shadows) != 1 || d.Shadows[0].Policy != "around-the-clock" {
		t.Errorf("Decide = %+v, want a shadow of all", d)
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, tt := range []struct {
		name, text string
		want       tocsin.Terms
	}{
		{"nothing said", "", tocsin.DefaultTerms()},
		{"an empty section", "alerts:\n", tocsin.DefaultTerms()},
		{
			"all said", "alerts: {reopen: 1h, reopen_after_person: 5m, stale: 30d, quiet: {periods: 4, frequency: 1h}, source_close: mark}\n",
			tocsin.Terms{Reopen: time.Hour, ReopenAfterPerson: 5 * time.Minute, Stale: 30 * day, Quiet: 4 * time.Hour, MarkOver: true},
		},
		{"periods of six hours", "alerts: {quiet: {periods: 3}}\n", tocsin.Terms{Reopen: 10 * time.Minute, Stale: 14 * day, Quiet: 18 * time.Hour}},
		{"never stale", "alerts: {stale: 0}\n", tocsin.Terms{Reopen: 10 * time.Minute}},
	} {
		if diff := cmp.Diff(tt.want, parse(t, least+tt.text).Terms); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if got := parse(t, least+"alerts: {reopen: 0, stale: 0}\n").Terms; got == (tocsin.Terms{}) || got.Stale != 0 || got.Reopen > time.Millisecond {
		t.Errorf("everything off: %+v, which would be the default", got)
	}
}

func TestOneMistakeAboutPeople(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, with, want string }{
		{"a route to an unknown team", "team: $team", "team: sok", `t.yml:16:11: routes[0].team: no team "sok" (did you mean "soc"?)`},
		{"a route up an unknown policy", "policy: calm, tags", "policy: clam, tags", `t.yml:19:59: routes[0].routes[0].policy: no policy "clam" (did you mean "calm"?)`},
		{"a route within, to an unknown receiver", "policy: calm, tags", "policy: calm, receivers: [consol], tags", `t.yml:19:77: routes[0].routes[0].receivers[0]: no receiver "consol" (did you mean "console"?)`},
		{"a route within, by an unknown field", "{sample: [true]}", "{samples: [true]}", `t.yml:20:20: routes[0].routes[1].pattern: an alert has no field "samples" (did you mean "sample"?)`},
		{"a name twice in the tree", "{name: bad,", "{name: production,", `t.yml:19:16: routes[0].routes[0].name: route "production" is there twice, first in line 14`},
		{"a name that is another one's number", "name: bad", "name: route 1.2", `t.yml:20:9: routes[0].routes[1]: route "route 1.2" is there twice, first in line 19`},
		{"a drop that tells", "drop: samples", "drop: samples, receivers: console", `t.yml:20:37: routes[0].routes[1]: "drop" tells nobody: leave out team, policy and receivers`},
		{"a drop that goes on", "drop: samples", "drop: samples, continue: true", `t.yml:20:37: routes[0].routes[1]: "drop" and "continue": want one of them`},
		{"a drop without a reason", "drop: samples", `drop: " "`, `t.yml:20:43: routes[0].routes[1].drop: is empty: say why, it is recorded with each alert`},
		{"a long first window", "first_window: 2m", "first_window: 6m", `t.yml:17:19: routes[0].first_window: is longer than 5m`},
		{"no storm", "storm: 5", "storm: 0", `t.yml:19:108: routes[0].routes[0].storm: 0: want a number of alerts a minute, from 1`},
		{"updates that cannot be", "updates: never", "updates: 2h", `t.yml:19:94: routes[0].routes[0].updates: updates "2h" is none of 15m, 1h, 6h, never`},
		{"updates of a rule that cannot be", "updates: 15m", "updates: nver", `t.yml:12:35: rules[1].alert.updates: updates "nver" is none of 15m, 1h, 6h, never (did you mean "never"?)`},
		{"a fallback that is a team without its prefix", "team:soc\nteams", "soc\nteams", `t.yml:21:11: fallback: no receiver "soc"; the team is written "team:soc"`},
		{"a fallback of an unknown team", "team:soc\nteams", "team:sok\nteams", `t.yml:21:11: fallback: no team "sok" (did you mean "soc"?)`},
		{"a fallback of two teams", "team:soc\nteams", "[team:soc, team:web]\nteams", `t.yml:21:22: fallback[1]: a second team: want one`},
		{"a fallback of no name", "team:soc\nteams", `"team:"` + "\nteams", `t.yml:21:11: fallback: "team:" names no team`},
		{"a fallback that tells people alone", "team:soc\nteams", "sms\nteams", `t.yml:21:11: fallback: receiver "sms" tells people alone: its settings name no place where an alert could be told`},
		{"an unknown policy of a team", "policy: around-the-clock,", "policy: round-the-clock,", `t.yml:23:17: teams.soc.policy: no policy "round-the-clock" (did you mean "around-the-clock"?)`},
		{"an unknown channel", "channel: console", "channel: consle", `t.yml:23:84: teams.soc.channel: no receiver "consle" (did you mean "console"?)`},
		{"an owner of nothing", "{ou: prod, team: soc}", "{team: soc}", `t.yml:6:5: owners[0]: want one of "account", "ou" and "tag"`},
		{"an owner of two things", "{ou: prod, team: soc}", `{ou: prod, account: "111122223333", team: soc}`, `t.yml:6:5: owners[0]: want one of "account", "ou" and "tag"`},
		{"an owner without a team", "{ou: prod, team: soc}", "{ou: prod}", `t.yml:6:5: owners[0]: "team" is missing`},
		{"an owner that is no team", "{ou: prod, team: soc}", "{ou: prod, team: sok}", `t.yml:6:22: owners[0].team: no team "sok" (did you mean "soc"?)`},
		{"a tag without a value", "value: web, ", "", `t.yml:7:5: owners[1]: "value" is missing`},
		{"a value without a tag", "{ou: prod, team: soc}", "{ou: prod, value: x, team: soc}", `t.yml:6:16: owners[0]: "value" is of a tag, and there is none`},
		{"the same owned twice", "{tag: team, value: web, team: web}", "{ou: prod/, team: web}", `t.yml:7:5: owners[1]: the same is owned twice, first in line 6`},
		{"an owner of a short account", "{ou: prod, team: soc}", `{account: "1111", team: soc}`, `t.yml:6:15: owners[0].account: account id "1111" has 4 digits, want 12 digits`},
		{"a step that tells an unknown schedule", "tell: schedule:soc,", "tell: schedule:sok,", `t.yml:28:16: policies.around-the-clock.steps[0].tell: no schedule "sok" (did you mean "soc"?)`},
		{"a step that tells an unknown receiver", `"team:soc", receiver:console`, `"team:soc", receiver:consol`, `t.yml:29:40: policies.around-the-clock.steps[1].tell[2]: no receiver "consol" (did you mean "console"?)`},
		{"a step that does not say what", "tell: schedule:soc,", "tell: soc,", `t.yml:28:16: policies.around-the-clock.steps[0].tell: "soc" does not say what it is: write person:NAME, schedule:NAME, team:NAME or receiver:NAME (did you mean "schedule:soc"?)`},
		{"a step that tells another kind", "tell: schedule:soc,", "tell: user:ana,", `t.yml:28:16: policies.around-the-clock.steps[0].tell: "user:ana": there is no "user" to tell`},
		{"a step that tells nobody", "tell: schedule:soc,", "tell: [],", `t.yml:28:16: policies.around-the-clock.steps[0].tell: nobody is told`},
		{"a step that tells a receiver of people alone", "tell: schedule:soc,", "tell: receiver:sms,", `t.yml:28:16: policies.around-the-clock.steps[0].tell: receiver "sms" tells people alone`},
		{"a short wait", "wait: 10m", "wait: 30s", `t.yml:28:36: policies.around-the-clock.steps[0].wait: 30s is shorter than 1m`},
		{"a long wait", "wait: 1d", "wait: 2d", `t.yml:29:65: policies.around-the-clock.steps[1].wait: 48h is longer than 24h`},
		{"a window by no clock", "time_zone: UTC", "time_zone: Berlin", `t.yml:29:146: policies.around-the-clock.steps[1].window.time_zone: "Berlin" is no IANA time zone`},
		{"a window on no day", "weekdays: [mon]", "weekdays: [Mon]", `t.yml:29:162: policies.around-the-clock.steps[1].window.weekdays[0]: "Mon" is none of mon, tue`},
		{"a way to assign that is none", "assign: round_robin", "assign: round-robin", `t.yml:29:77: policies.around-the-clock.steps[1].assign: "round-robin" is neither all nor round_robin`},
		{"too many passes", "repeat: 2", "repeat: 21", `t.yml:30:13: policies.around-the-clock.repeat: 21 is not between 0 and 20`},
		{"a policy without a fallback", "    fallback: [receiver:console]\n", "", `t.yml:27:5: policies.around-the-clock: "fallback" is missing`},
		{"a schedule in no zone", "time_zone: Europe/Berlin\n", "time_zone: Europe/Belrin\n", `t.yml:39:16: schedules.soc.time_zone: "Europe/Belrin" is no IANA time zone such as Europe/Berlin`},
		{"a rotation that is none", "rotate: weekly", "rotate: fortnightly", `t.yml:41:18: schedules.soc.layers[0].rotate: "fortnightly" is no rotation`},
		{"a person twice in a turn", "[bo, ana]", "[bo, bo]", `t.yml:41:64: schedules.soc.layers[0].people[1]: "bo" is there twice`},
		{"turns from no time", "from: 2026-01-05T09:00,", "from: 2026-01-05,", `t.yml:41:32: schedules.soc.layers[0].from: "2026-01-05" is no date and time`},
		{"a start without an offset", "start: 2026-01-05T09:00:00+01:00", "start: 2026-01-05T09:00", `t.yml:41:87: schedules.soc.layers[0].start: "2026-01-05T09:00" is no instant such as 2026-01-05T09:00:00+01:00`},
		{"a person in no zone", "time_zone: Europe/Berlin, quiet", "time_zone: Berlin, quiet", `t.yml:43:44: people.ana.time_zone: "Berlin" is no IANA time zone such as Europe/Berlin`},
		{"quiet hours that are no times", `from: "22:00"`, `from: "22h"`, `t.yml:43:73: people.ana.quiet.from: "22h" is no time of day, such as 02:00`},
		{"an address that the receiver cannot read", "address: +49 30 123456", "address: 030 123456", `t.yml:43:132: people.ana.contacts[0].address: "030 123456" is not a number such as +4930123456`},
		{"an address of a receiver that tells no people", "receiver: sms, address", "receiver: console, address", `t.yml:43:118: people.ana.contacts[0].receiver: console (console) cannot tell single people`},
		{"an address of an unknown receiver", "receiver: sms, address", "receiver: smss, address", `t.yml:43:118: people.ana.contacts[0].receiver: no receiver "smss" (did you mean "sms"?)`},
		{"an address of two people", "  bo:\n", `  bo: {contacts: [{receiver: sms, address: "+4930123456"}]}` + "\n", `t.yml:44:44: people.bo.contacts[0].address: is ana's, too: an answer from there would be nobody's`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mistake(t, replace(t, crew, tt.old, tt.with), tt.want)
		})
	}
}

// replace changes one place of a text.
func replace(t *testing.T, text, old, with string) string {
	t.Helper()
	if strings.Count(text, old) == 0 {
		t.Fatalf("there is no %q to be replaced", old)
	}
	return strings.Replace(text, old, with, 1)
}

// mistake wants the lines that are told, each from its beginning.
func mistake(t *testing.T, text string, want ...string) {
	t.Helper()
	_, err := config.Parse("t.yml", []byte(text), kinds)
	problems, _ := errors.AsType[config.Problems](err)
	good := len(problems) == len(want)
	for i := range want {
		good = good && strings.HasPrefix(problems[i].Error(), want[i])
	}
	if !good {
		t.Errorf("Parse gave\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
}

func TestMistakesThatAreToldTogether(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		text string
		want []string
	}{
		{"a wait that is misspelt is missing", replace(t, crew, "wait: 10m", "wiat: 10m"), []string{
			`t.yml:28:9: policies.around-the-clock.steps[0]: "wait" is missing`,
			`t.yml:28:30: policies.around-the-clock.steps[0]: unknown key "wiat" (did you mean "wait"?)`,
		}},
		{"a fallback that depends on people's phones", replace(t, replace(t, crew, "receivers: console, members", "members"), "    fallback: [receiver:console]", "    fallback: person:ana"), []string{
			`t.yml:21:11: fallback: team "soc" has no receivers, and the fallback of its policy "around-the-clock" names none: the last resort is not to depend on people's phones`,
		}},
		{"a fallback that cannot be told", replace(t, crew, "{policy: around-the-clock, receivers: console, members: [ana, bo], channel: console, updates: 6h}", "{members: [ana]}"), []string{
			`t.yml:21:11: fallback: team "soc" has neither policy nor receivers: nobody would be told`,
		}},
		{"a route to a team that cannot be told", replace(t, replace(t, crew, "{receivers: [console]}", "{members: [ana]}"), "team: $team", "team: web"), []string{
			`t.yml:16:11: routes[0].team: team "web" has neither policy nor receivers: nobody would be told`,
		}},
		{"names of policies and people", replace(t, replace(t, crew, "  calm:", "  calm policy:"), "  bo:\n", "  bo o:\n"), []string{
			`t.yml:19:59: routes[0].routes[0].policy: no policy "calm"; known: around-the-clock, calm policy`,
			`t.yml:36:3: policies["calm policy"]: name "calm policy": want letters, digits, '-', '_' and '.', at most 63, the first a letter or digit`,
			`t.yml:44:3: people["bo o"]: name "bo o": want letters`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { mistake(t, tt.text, tt.want...) })
	}
}

func TestOneMistakeAboutAlerts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a source that does something else", "alerts: {source_close: ignore}\n", `t.yml:6:24: alerts.source_close: "ignore" is neither close nor mark`},
		{"quiet without periods", "alerts: {quiet: {frequency: 6h}}\n", `t.yml:6:17: alerts.quiet: "periods" is missing`},
		{"no periods", "alerts: {quiet: {periods: 0}}\n", `t.yml:6:27: alerts.quiet.periods: 0 is not between 1 and 2000`},
		{"a frequency that GuardDuty has not", "alerts: {quiet: {periods: 3, frequency: never}}\n", `t.yml:6:41: alerts.quiet.frequency: frequency "never" is none of 15m, 1h, 6h`},
		{"an inhibition without a pattern", "inhibit: [{name: a, when: {level: [critical]}, equal: account}]\n", `t.yml:6:11: inhibit[0]: "mute" is missing`},
		{"an inhibition by an unknown field", "inhibit: [{name: a, when: {levek: [critical]}, mute: {level: [low]}, equal: account}]\n", `t.yml:6:28: inhibit[0].when: an alert has no field "levek" (did you mean "level"?)`},
		{"an inhibition of an unknown level", "inhibit: [{name: a, when: {level: [critical]}, mute: {level: [lwo]}, equal: account}]\n", `t.yml:6:63: inhibit[0].mute: no level "lwo" (did you mean "low"?)`},
		{"an inhibition by an unknown equal", "inhibit: [{name: a, when: {level: [critical]}, mute: {level: [low]}, equal: [account, resource.arn]}]\n", `t.yml:6:87: inhibit[0].equal[1]: an alert's resource has no field "arn"`},
		{"an inhibition twice", "inhibit:\n  - {name: a, when: {level: [critical]}, mute: {level: [low]}, equal: account}\n  - {name: a, when: {level: [high]}, mute: {level: [low]}, equal: account}\n", `t.yml:8:12: inhibit[1].name: inhibition "a" is there twice, first in line 7`},
	} {
		t.Run(tt.name, func(t *testing.T) { mistake(t, least+tt.text, tt.want) })
	}
}

func TestInhibitions(t *testing.T) {
	t.Parallel()
	c := parse(t, least+"inhibit: [{name: sequences, when: {type: [{prefix: 'AttackSequence:'}]}, mute: {level: [low, medium]}, equal: account}]\n")
	sequence := tocsin.Alert{Detection: tocsin.Detection{Type: "AttackSequence:S3/CompromisedData", Account: "111122223333", Level: tocsin.Critical}}
	other := tocsin.Alert{Detection: tocsin.Detection{Type: "Recon:EC2/PortProbe", Account: "111122223333", Level: tocsin.Low}}
	if s, o := c.Inhibitions.Sources(sequence, tocsin.Account{}), c.Inhibitions.Targets(other, tocsin.Account{}); len(s) != 2 || len(o) != 1 || o[0] != s[0] || o[0].Inhibition != "sequences" {
		t.Errorf("Sources, Targets = %+v, %+v", s, o)
	}
}

func TestWarningsAboutPeople(t *testing.T) {
	t.Parallel()
	nobody, _, _ := strings.Cut(crew, "people:\n")
	for _, tt := range []struct{ name, old, with, want string }{
		{"a member that is nobody", "members: [ana, bo]", "members: [ana, boo]", `tocsin.yml:23:70: teams.soc.members[1]: no person "boo" in people (did you mean "bo"?): nobody is told unless the database has somebody of that name`},
		{"nobody in a turn", "[bo, ana]", "[dan, ana]", `tocsin.yml:41:64: schedules.soc.layers[0].people[1]: no person "dan" in people: nobody is told unless the database has somebody of that name`},
		{"nobody is told", "person:bo", "person:eve", `tocsin.yml:29:17: policies.around-the-clock.steps[1].tell[0]: no person "eve" in people: nobody is told unless the database has somebody of that name`},
		{"a step that tells a team without members", `"team:soc", receiver`, `"team:web", receiver`, `tocsin.yml:29:28: policies.around-the-clock.steps[1].tell[1]: team "web" has no members: nobody is told by this`},
		{"a team that is nobody's", "value: web, team: web", "value: web, team: soc", `tocsin.yml:24:3: teams.web: nobody's: no route, account, owner or policy names it, nor the fallback`},
		{"a policy that nobody uses", "policy: calm, tags", "policy: around-the-clock, tags", `tocsin.yml:36:3: policies.calm: not used: no team and no route names it`},
		{"a schedule that nobody asks", "tell: schedule:soc", "tell: person:ana", `tocsin.yml:38:3: schedules.soc: not used: no policy tells it`},
		{"a receiver that nobody names", "  sms: {sms: {}}", "  sms: {sms: {}}\n  other: {console: {}}", `tocsin.yml:48:3: receivers.other: not used: nothing names it`},
		{"an account of a team that is none", "{left: true}", "{team: payments}", `tocsin.yml:4:26: accounts.222233334444.team: no team "payments" in teams; known: soc, web: others are told of its alerts`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, replace(t, crew, tt.old, tt.with)).Warnings.Error(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a receiver of people alone, where there are none", strings.Replace(least, "{console: {console: {}}}", "{console: {console: {}}, sms: {sms: {}}}", 1), `tocsin.yml:5:37: receivers.sms: not used: nothing names it`},
		{"a route that asks for what routes put on", least + "routes: [{pattern: {tags: {a: [b]}}, receivers: console}]\n", `tocsin.yml:6:21: routes[0].pattern: no alert has tags while routes are asked: it is they that put them on; what accounts and resources have is account_tags and resource.tags`},
		{"an inhibition across accounts", least + "inhibit: [{name: a, when: {level: [critical]}, mute: {level: [low]}}]\n", `tocsin.yml:6:11: inhibit[0]: has no equal: one alert that when matches mutes what mute matches in every account; equal: account keeps it within one`},
		{"people who are not named at all", nobody + "receivers: {console: {console: {}}, sms: {sms: {}}}\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, tt.text).Warnings.Error(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestRoutesThatAreNeverReached(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, routes, want string }{
		{"within one that is beside", `
  - {pattern: {level: [critical]}, receivers: console}
  - pattern: {environment: [prod]}
    receivers: console
    routes:
      - {pattern: {level: [critical]}, receivers: console}`, `tocsin.yml:11:9: routes[1].routes[0]: never reached: route 1 before it matches all that it matches; it needs continue: true`},
		{"by its own pattern and the one above it", `
  - {name: both, pattern: {level: [critical], environment: [prod]}, receivers: console}
  - pattern: {environment: [prod]}
    receivers: console
    routes:
      - {pattern: {level: [critical]}, receivers: console}`, `tocsin.yml:11:9: routes[1].routes[0]: never reached: route "both" before it matches all that it matches; it needs continue: true`},
		{"after a sibling", `
  - receivers: console
    routes:
      - {pattern: {level: [high, critical]}, receivers: console}
      - {pattern: {level: [critical]}, receivers: console}`, `tocsin.yml:10:9: routes[0].routes[1]: never reached: route 1.1 before it matches all that it matches; it needs continue: true`},
		{"told once for all within", `
  - {receivers: console}
  - pattern: {environment: [prod]}
    receivers: console
    routes:
      - {pattern: {level: [critical]}, receivers: console}`, `tocsin.yml:8:5: routes[1]: never reached: route 1 before it matches all that it matches; it needs continue: true`},
		{"after a child of another", `
  - pattern: {environment: [prod]}
    receivers: console
    routes:
      - {pattern: {level: [critical]}, receivers: console}
  - {pattern: {level: [critical]}, receivers: console}`, ""},
		{"after one that goes on", `
  - {pattern: {level: [critical]}, receivers: console, continue: true}
  - {pattern: {environment: [prod]}, receivers: console, routes: [{pattern: {level: [critical]}, receivers: console}]}`, ""},
		{"after a shadow", `
  - {pattern: {level: [critical]}, receivers: console, shadow: true}
  - {pattern: {level: [critical]}, receivers: console}`, ""},
		{"after a shadow within a shadow", `
  - receivers: console
    shadow: true
    routes:
      - {pattern: {level: [critical]}, receivers: console, shadow: true}
      - {pattern: {level: [critical]}, receivers: console}`, `tocsin.yml:11:9: routes[0].routes[1]: never reached: route 1.1 before it matches all that it matches; it needs continue: true`},
		{"the exception of a drop", `
  - pattern: {sample: [true]}
    drop: samples
    routes:
      - {pattern: {environment: [test]}, receivers: console}
  - {pattern: {sample: [false]}, receivers: console}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, least+"routes:"+tt.routes+"\n").Warnings.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestTheAccountsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	accounts := filepath.Join(dir, "accounts.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(accounts, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "tocsin.yml")
	text := []byte(replace(t, crew, "owners:\n", "accounts_file: accounts.yml\nowners:\n"))
	write(`accounts: {"333344445555": {name: web, left: true}}
owners: [{account: "444455556666", team: web}]
`)
	c, err := config.Parse(main, text, kinds)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Accounts) != 3 || c.Accounts["333344445555"].Name != "web" || !cmp.Equal(c.Left, []string{"222233334444", "333344445555"}) {
		t.Errorf("Accounts, Left = %+v, %v", c.Accounts, c.Left)
	}
	if a := c.Routes.Account("444455556666"); a.Team != "web" {
		t.Errorf("the owner of the other file: %+v", a)
	}
	before := c.Hash

	write(`accounts:
  "111122223333": {name: again}
  333344445555: {name: web}
  "555566667777": {minimum: hihg, receivers: consle}
owner: []
`)
	_, err = config.Parse(main, text, kinds)
	want := strings.ReplaceAll(`FILE:2:3: accounts: "111122223333" is there twice, first in `+main+` in line 3
FILE:3:3: accounts: key 333344445555 without quotes: quote it, "333344445555"
FILE:4:29: accounts.555566667777.minimum: level "hihg" is none of informational, low, medium, high, critical (did you mean "high"?)
FILE:4:46: accounts.555566667777.receivers: no receiver "consle" (did you mean "console"?)
FILE:5:1: unknown key "owner" (did you mean "owners"?)`, "FILE", accounts)
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}

	write(`accounts: {"333344445555": {name: other}}` + "\n")
	if c, err = config.Parse(main, text, kinds); err != nil || c.Hash == before {
		t.Errorf("another accounts file: the same hash, %v", err)
	}
	write("accounts: [\n")
	if _, err = config.Parse(main, text, kinds); err == nil || !strings.HasPrefix(err.Error(), accounts+":1:") {
		t.Errorf("an accounts file that is no YAML: %v", err)
	}
	if err := os.Remove(accounts); err != nil {
		t.Fatal(err)
	}
	if _, err = config.Parse(main, text, kinds); err == nil || !strings.Contains(err.Error(), "tocsin.yml:5:16: accounts_file: open ") {
		t.Errorf("an accounts file that is not there: %v", err)
	}
}
