package cli

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestOutcomesOfExplanations(t *testing.T) {
	t.Parallel()
	a := alert(func(a *tocsin.Alert) { a.Level, a.Team = tocsin.High, "payments" })
	decision := routing.Decision{
		Targets: []routing.Target{{Receiver: "soc", Why: "production"}}, Policy: "around-the-clock", Team: "payments", Routes: []string{"production"}, Level: tocsin.Critical,
	}
	expected := []escalation.Expected{
		{Kind: escalation.Skipped, People: []string{"zoe"}},
		{Kind: escalation.Told, People: []string{"ana"}, Receivers: []string{"pager"}},
		{After: escalation.Duration(10 * time.Minute), Kind: escalation.Told, People: []string{"bo"}},
	}
	traced := func(change func(*engine.Explanation, *routing.Decision)) engine.Explanation {
		d := decision
		x := engine.Explanation{Verdict: tocsin.Opened, Rule: "guardduty", Alert: &a, Expected: expected}
		change(&x, &d)
		x.Routes = &routing.Trace{Decision: d}
		return x
	}
	told := config.Outcome{
		Verdict: tocsin.Opened, Rule: "guardduty", Level: tocsin.Critical, Team: "payments", Policy: "around-the-clock", Routes: []string{"production"},
		Receivers: []string{"soc"}, Told: []string{"ana", "pager"},
	}
	quiet := told
	quiet.Verdict, quiet.Receivers, quiet.Told, quiet.Silenced = tocsin.Silenced, nil, nil, true
	dropped := told
	dropped.Verdict, dropped.Receivers, dropped.Told, dropped.Drop = tocsin.Suppressed, nil, nil, "nothing of ours"
	for _, tt := range []struct {
		name string
		x    engine.Explanation
		want config.Outcome
	}{
		{"told by the first step that reaches anybody", traced(func(*engine.Explanation, *routing.Decision) {}), told},
		{"a first window only has them wait", traced(func(x *engine.Explanation, _ *routing.Decision) {
			x.Held = &tocsin.Hold{By: engine.FirstWindow, Tell: true}
		}), told},
		{"held by a silence", traced(func(x *engine.Explanation, _ *routing.Decision) {
			x.Verdict, x.Held = tocsin.Silenced, &tocsin.Hold{By: "silence 3"}
		}), quiet},
		{"dropped by a route", traced(func(x *engine.Explanation, d *routing.Decision) {
			x.Verdict, x.Held, d.Drop = tocsin.Suppressed, &tocsin.Hold{By: "dropped by sandboxes"}, "nothing of ours"
		}), dropped},
		{"filtered by a rule", engine.Explanation{Verdict: tocsin.Filtered, Rule: "scanners", Reason: "our own scanners"}, config.Outcome{Verdict: tocsin.Filtered, Rule: "scanners", Drop: "our own scanners"}},
		{"no event at all", engine.Explanation{Verdict: tocsin.Malformed, Reason: "not JSON"}, config.Outcome{Verdict: tocsin.Malformed}},
	} {
		if diff := cmp.Diff(tt.want, outcome(tt.x)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Whoever the configuration names, wherever, can be reached in a trial.
func TestEverybodyInTheFilePlaysInATrial(t *testing.T) {
	t.Parallel()
	person := func(name string) escalation.Target { return escalation.Target{Kind: escalation.Person, Name: name} }
	conf := &config.Config{
		Receivers: []config.Receiver{{Name: "soc"}},
		Teams:     map[string]tocsin.Team{"soc": {Members: []string{"member"}}},
		Policies: map[string]escalation.Policy{"p": {
			Steps:    []escalation.Step{{Targets: []escalation.Target{person("step"), {Kind: escalation.Receiver, Name: "soc"}}}},
			Fallback: []escalation.Target{person("last")},
		}},
		Schedules: []oncall.Schedule{{Layers: []oncall.Layer{{Turns: []oncall.Turn{{"turn", "pair"}, {}}}}}},
		People: []tocsin.Person{
			{Name: "written", Disabled: true, Contacts: []tocsin.Contact{{Person: "written", Receiver: "mail", Address: "w@example.com"}}},
			{Name: "turn", FullName: "Tu Rn"},
		},
	}
	cast(conf)
	var names []string
	for _, p := range conf.People {
		names = append(names, p.Name)
		if p.Disabled || len(p.Contacts) != 1 || !p.Contacts[0].Usable() || !p.Reachable() {
			t.Errorf("%s cannot be reached: %+v", p.Name, p)
		}
	}
	if want := []string{"last", "member", "pair", "step", "turn", "written"}; !slices.Equal(names, want) {
		t.Errorf("people = %v, want %v", names, want)
	}
	stage := conf.Receivers[len(conf.Receivers)-1]
	if len(conf.Receivers) != 2 || stage.Address == nil || conf.People[0].Contacts[0].Receiver != stage.Name {
		t.Errorf("receivers = %+v: want one that can tell single people", conf.Receivers)
	}
	if got := conf.People[5].Contacts[0].Address; got != "w@example.com" {
		t.Errorf("the address of the file is %q now", got)
	}
	before := len(conf.Receivers)
	conf.Receivers[0].Address = stage.Address
	if cast(conf); len(conf.Receivers) != before {
		t.Errorf("a receiver was added to one that can tell single people")
	}
}

func TestStepsStandInColumns(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		"rule: guardduty matched":               "rule",
		"held back: by silence 3":               "held back",
		"after 1h30m: step 2: told bo":          "after 1h30m",
		`yes  told: a route of an odd name`:     "",
		`       no   level  is "x", want ["y"]`: "",
		"--   verdict: another":                 "",
	} {
		got := ""
		if m := stepForm.FindStringSubmatch(step); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("the name of step %q is %q, want %q", step, got, want)
		}
	}
}
