package routing_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/pattern"
)

var teams = map[string]tocsin.Team{
	"payments": {Name: "payments", Policy: "office-hours", Receivers: []string{"payments-slack"}, Updates: tocsin.UpdatesSixHourly},
	"soc":      {Name: "soc", Policy: "around-the-clock", Receivers: []string{"soc-slack"}},
	"web":      {Name: "web", Receivers: []string{"web-slack"}},
	"data":     {Name: "data", Policy: "data-policy"},
	"nobody":   {Name: "nobody", Members: []string{"ana"}},
}

// The accounts of the tests, by what is particular to them.
const (
	ofPayments = "111122223333" // names its team
	ofNobody   = "444455556666"
	ofMail     = "555566667777" // names its team, and receivers of its own
	ofProdOU   = "666677778888" // in prod/payments
	ofTagged   = "777788889999" // tagged team=web
	ofStranger = "888899990000" // names a team that is not configured
)

var organisation = map[string]tocsin.Account{
	ofPayments: {Name: "payments-prod", Team: "payments", Environment: "prod"},
	ofNobody:   {Name: "sandbox"},
	ofMail:     {Name: "payments-mail", Team: "payments", Receivers: []string{"mail"}},
	ofProdOU:   {Name: "ledger", OU: "prod/payments", Tags: map[string]string{"team": "web"}},
	ofTagged:   {Name: "shop", OU: "production", Tags: map[string]string{"team": "web", "cost": "4711"}},
	ofStranger: {Name: "old", Team: "long-gone"},
}

func table(routes ...routing.Route) routing.Table {
	return routing.Table{Routes: routes, Fallback: []string{"last"}, Accounts: organisation, Teams: teams, Owners: []routing.Owner{
		{OU: "prod", Team: "soc"},
		{OU: "/prod/payments/", Team: "payments"},
		{Tag: "team", Value: "web", Team: "web"},
	}}
}

func routes(t testing.TB, table routing.Table) *routing.Routes {
	t.Helper()
	rs, err := routing.New(table)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// told is a decision in a line: receivers with their routes, then the policy.
func told(d routing.Decision) string {
	var all []string
	for _, t := range d.Targets {
		s := t.Receiver + " by " + t.Why
		if t.Fallback {
			s += " (fallback)"
		}
		all = append(all, s)
	}
	if d.Policy != "" {
		all = append(all, "policy "+d.Policy+" by "+d.PolicyWhy)
	}
	if d.Drop != "" {
		all = append(all, "dropped: "+d.Drop)
	}
	return strings.Join(all, ", ")
}

func TestATreeOfRoutes(t *testing.T) {
	t.Parallel()
	critical, high := parse(t, `{"level":["critical"]}`), parse(t, `{"level":["high"]}`)
	prod := parse(t, `{"environment":["prod"]}`)
	for _, tt := range []struct {
		name   string
		routes []routing.Route
		level  tocsin.Level
		want   string
	}{
		{"a child that matches decides instead of its parent", []routing.Route{
			{Name: "prod", Pattern: prod, Receivers: []string{"a"}, Routes: []routing.Route{{Name: "critical", Pattern: critical, Receivers: []string{"b"}}}},
		}, tocsin.Critical, "b by critical"},
		{"a parent without a matching child decides itself", []routing.Route{
			{Name: "prod", Pattern: prod, Receivers: []string{"a"}, Routes: []routing.Route{{Name: "critical", Pattern: critical, Receivers: []string{"b"}}}},
		}, tocsin.Low, "a by prod"},
		{"a child is not asked where its parent does not match", []routing.Route{
			{Name: "critical", Pattern: critical, Receivers: []string{"a"}, Routes: []routing.Route{{Name: "all below", Receivers: []string{"b"}}}},
			{Name: "rest", Receivers: []string{"c"}},
		}, tocsin.Low, "c by rest"},
		{"a child that names nobody has its parent's receivers, under its own name", []routing.Route{
			{Name: "prod", Pattern: prod, Receivers: []string{"a"}, Routes: []routing.Route{{Name: "critical", Pattern: critical, Title: "Now!"}}},
		}, tocsin.Critical, "a by critical"},
		{"among children the first decides", []routing.Route{
			{Name: "prod", Routes: []routing.Route{{Name: "one", Receivers: []string{"a"}}, {Name: "two", Receivers: []string{"b"}}}},
		}, tocsin.Low, "a by one"},
		{"continue among children goes to the next child", []routing.Route{
			{Name: "prod", Routes: []routing.Route{{Name: "one", Receivers: []string{"a"}, Continue: true}, {Name: "two", Receivers: []string{"b"}}}},
			{Name: "rest", Receivers: []string{"c"}},
		}, tocsin.Low, "a by one, b by two"},
		{"continue of a child does not lead past its parent", []routing.Route{
			{Name: "prod", Routes: []routing.Route{{Name: "one", Receivers: []string{"a"}, Continue: true}}},
			{Name: "rest", Receivers: []string{"c"}},
		}, tocsin.Low, "a by one"},
		{"continue of a parent goes on after its children decided", []routing.Route{
			{Name: "prod", Continue: true, Routes: []routing.Route{{Name: "one", Receivers: []string{"a"}}}},
			{Name: "rest", Receivers: []string{"c"}},
		}, tocsin.Low, "a by one, c by rest"},
		{"three deep, and children without names are numbered by their place", []routing.Route{
			{Name: "prod", Pattern: prod, Receivers: []string{"a"}, Routes: []routing.Route{
				{Pattern: critical, Routes: []routing.Route{{Pattern: high}, {Receivers: []string{"c"}}}},
			}},
		}, tocsin.Critical, "c by route 1.1.2"},
		{"a team's policy and receivers", []routing.Route{{Name: "payments", Team: "payments"}}, tocsin.Low, "payments-slack by payments, policy office-hours by payments"},
		{"a route's own receivers stand before its team's", []routing.Route{{Name: "payments", Team: "payments", Receivers: []string{"a"}}}, tocsin.Low, "a by payments, policy office-hours by payments"},
		{"a route's own policy stands before its team's", []routing.Route{{Name: "payments", Team: "payments", Policy: "now"}}, tocsin.Low, "payments-slack by payments, policy now by payments"},
		{"a child that names a team has nothing of its parent's people", []routing.Route{
			{Name: "prod", Receivers: []string{"a"}, Policy: "p", Routes: []routing.Route{{Name: "web", Team: "web"}}},
		}, tocsin.Low, "web-slack by web"},
		{"a child that names receivers keeps its parent's team and policy", []routing.Route{
			{Name: "soc", Team: "soc", Routes: []routing.Route{{Name: "critical", Pattern: critical, Receivers: []string{"pager"}}}},
		}, tocsin.Critical, "pager by critical, policy around-the-clock by critical"},
		{"an alert climbs one policy, the first", []routing.Route{
			{Name: "one", Policy: "p", Continue: true}, {Name: "two", Team: "payments"},
		}, tocsin.Low, "payments-slack by two, policy p by one"},
		{"a team with a policy and no receivers", []routing.Route{{Name: "data", Team: "data"}}, tocsin.Low, "policy data-policy by data"},
		{"a drop tells nobody, not the fallback either", []routing.Route{{Name: "noise", Drop: "our own scanners"}, {Name: "rest", Receivers: []string{"c"}}}, tocsin.Low, "dropped: our own scanners"},
		{"children of a drop are its exceptions", []routing.Route{
			{Name: "noise", Drop: "a sandbox", Routes: []routing.Route{{Name: "unless critical", Pattern: critical, Receivers: []string{"a"}}}},
		}, tocsin.Critical, "a by unless critical"},
		{"a dropping child does not tell its parent's receivers", []routing.Route{
			{Name: "prod", Receivers: []string{"a"}, Team: "soc", Routes: []routing.Route{{Name: "noise", Drop: "noise"}}},
		}, tocsin.Low, "dropped: noise"},
		{"what was told before a drop is told", []routing.Route{
			{Name: "archive", Receivers: []string{"archive"}, Continue: true}, {Name: "noise", Drop: "noise"},
		}, tocsin.Low, "archive by archive"},
		{"a route that names nobody leaves it to the owner", []routing.Route{{Name: "calls it so", Title: "Now!"}}, tocsin.Low, "payments-slack by calls it so, policy office-hours by calls it so"},
		{"and does so after others were told", []routing.Route{
			{Name: "archive", Receivers: []string{"archive"}, Continue: true}, {Name: "calls it so", Title: "Now!"},
		}, tocsin.Low, "archive by archive, payments-slack by calls it so, policy office-hours by calls it so"},
		{"with continue it only adds", []routing.Route{
			{Name: "calls it so", Title: "Now!", Continue: true}, {Name: "rest", Receivers: []string{"c"}},
		}, tocsin.Low, "c by rest"},
		{"with continue and none after it, the owner is told as if there were no route", []routing.Route{{Name: "calls it so", Title: "Now!", Continue: true}}, tocsin.Low, "payments-slack by team payments, owner of account payments-prod (111122223333), policy office-hours by team payments, owner of account payments-prod (111122223333)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := routes(t, table(tt.routes...)).Decide(alert(ofPayments, tt.level))
			if got := told(d); got != tt.want {
				t.Errorf("told are %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatElseARouteSays(t *testing.T) {
	t.Parallel()
	five, one, none := 5*time.Minute, time.Minute, time.Duration(0)
	everybody := routing.Route{Name: "rest", Receivers: []string{"c"}}
	for _, tt := range []struct {
		name   string
		routes []routing.Route
		want   routing.Decision // but for those who are told
	}{
		{"nothing", []routing.Route{everybody}, routing.Decision{Level: tocsin.Medium, Team: "payments", Updates: tocsin.UpdatesSixHourly, Limits: []routing.Limit{{"rest", 60}}}},
		{
			"all of it",
			[]routing.Route{{Name: "x", Team: "soc", Level: tocsin.Low, Title: "T", Tags: map[string]string{"a": "1"}, FirstWindow: &five, Updates: tocsin.UpdatesNever, Storm: 5}},
			routing.Decision{Level: tocsin.Low, Team: "soc", Title: "T", Tags: map[string]string{"a": "1"}, FirstWindow: five, Updates: tocsin.UpdatesNever, Limits: []routing.Limit{{"x", 5}}},
		},
		{
			"a child inherits all of it but its parent's name",
			[]routing.Route{{Name: "x", Team: "soc", Level: tocsin.Low, Title: "T", Tags: map[string]string{"a": "1", "b": "1"}, FirstWindow: &five, Updates: tocsin.UpdatesNever, Storm: 5, Routes: []routing.Route{{Name: "y", Tags: map[string]string{"b": "2"}}}}},
			routing.Decision{Level: tocsin.Low, Team: "soc", Title: "T", Tags: map[string]string{"a": "1", "b": "2"}, FirstWindow: five, Updates: tocsin.UpdatesNever, Limits: []routing.Limit{{"y", 5}}},
		},
		{
			"a child that says no window has none",
			[]routing.Route{{Name: "x", Team: "soc", FirstWindow: &five, Routes: []routing.Route{{Name: "y", FirstWindow: &none}}}},
			routing.Decision{Level: tocsin.Medium, Team: "soc", Limits: []routing.Limit{{"y", 60}}},
		},
		{"at least raises what is below", []routing.Route{{Name: "x", AtLeast: tocsin.High, Continue: true}, everybody}, routing.Decision{Level: tocsin.High, Team: "payments", Updates: tocsin.UpdatesSixHourly, Limits: []routing.Limit{{"rest", 60}}}},
		{"and leaves what is above", []routing.Route{{Name: "x", AtLeast: tocsin.Low, Continue: true}, everybody}, routing.Decision{Level: tocsin.Medium, Team: "payments", Updates: tocsin.UpdatesSixHourly, Limits: []routing.Limit{{"rest", 60}}}},
		{"of several the first that says it decides, and tags add up", []routing.Route{
			{Name: "x", Continue: true, Title: "first", Tags: map[string]string{"a": "1"}, Level: tocsin.Low},
			{Name: "y", Team: "web", Title: "second", Tags: map[string]string{"a": "2", "b": "2"}, Level: tocsin.High, Updates: tocsin.UpdatesHourly},
		}, routing.Decision{Level: tocsin.Low, Team: "web", Title: "first", Tags: map[string]string{"a": "1", "b": "2"}, Updates: tocsin.UpdatesHourly, Limits: []routing.Limit{{"y", 60}}}},
		{"the first window is the shortest of those that tell somebody", []routing.Route{
			{Name: "x", Continue: true, Team: "soc", FirstWindow: &five}, {Name: "y", Team: "web", FirstWindow: &one},
		}, routing.Decision{Level: tocsin.Medium, Team: "soc", FirstWindow: one, Limits: []routing.Limit{{"x", 60}, {"y", 60}}}},
		{"so that a pager without one does not wait for a chat with one", []routing.Route{
			{Name: "x", Continue: true, Team: "soc", FirstWindow: &five}, {Name: "y", Team: "web"},
		}, routing.Decision{Level: tocsin.Medium, Team: "soc", Limits: []routing.Limit{{"x", 60}, {"y", 60}}}},
		{
			"a route that only adds may say it for the owner",
			[]routing.Route{{Name: "x", Continue: true, FirstWindow: &one}},
			routing.Decision{Level: tocsin.Medium, Team: "payments", FirstWindow: one, Updates: tocsin.UpdatesSixHourly, Limits: []routing.Limit{{"team payments, owner of account payments-prod (111122223333)", 60}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := routes(t, table(tt.routes...)).Decide(alert(ofPayments, tocsin.Medium))
			got.Targets, got.Policy, got.PolicyWhy, got.Routes = nil, "", "", nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAShadowRecordsAndChangesNothing(t *testing.T) {
	t.Parallel()
	critical := parse(t, `{"level":["critical"]}`)
	live := []routing.Route{{Name: "critical", Pattern: critical, Receivers: []string{"pager"}}, {Name: "rest", Team: "soc"}}
	for _, tt := range []struct {
		name   string
		shadow routing.Route
		want   []routing.Shadow
	}{
		{"what it would send", routing.Route{Name: "new", Receivers: []string{"pager2"}, Level: tocsin.Low, Title: "x"}, []routing.Shadow{{Route: "new", Receivers: []string{"pager2"}}}},
		{"whose it would be", routing.Route{Name: "new", Team: routing.OwnTeam}, []routing.Shadow{{Route: "new", Team: "payments", Policy: "office-hours", Receivers: []string{"payments-slack"}}}},
		{"that it would drop it", routing.Route{Name: "new", Drop: "noise"}, []routing.Shadow{{Route: "new", Drop: "noise"}}},
		{"what its children would do", routing.Route{Name: "new", Receivers: []string{"a"}, Routes: []routing.Route{{Name: "b", Continue: true}, {Name: "c"}, {Name: "d"}}}, []routing.Shadow{{Route: "b", Receivers: []string{"a"}}, {Route: "c", Receivers: []string{"a"}}}},
		{"nothing where it does not match", routing.Route{Name: "new", Pattern: parse(t, `{"level":["low"]}`), Receivers: []string{"a"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.shadow.Shadow = true
			without := routes(t, table(live...)).Decide(alert(ofPayments, tocsin.Critical))
			got := routes(t, table(append([]routing.Route{tt.shadow}, live...)...)).Decide(alert(ofPayments, tocsin.Critical))
			if diff := cmp.Diff(tt.want, got.Shadows); diff != "" {
				t.Errorf("shadows (-want +got):\n%s", diff)
			}
			got.Shadows = nil
			if diff := cmp.Diff(without, got); diff != "" {
				t.Errorf("the shadow changed the decision (-without +with):\n%s", diff)
			}
		})
	}
	t.Run("a shadow among children leaves it to the others, or to the parent", func(t *testing.T) {
		t.Parallel()
		d := routes(t, table(routing.Route{Name: "prod", Receivers: []string{"a"}, Routes: []routing.Route{{Name: "new", Receivers: []string{"b"}, Shadow: true}}})).Decide(alert(ofPayments, tocsin.Low))
		if got := told(d); got != "a by prod" || len(d.Shadows) != 1 {
			t.Errorf("told are %q, shadows %v", got, d.Shadows)
		}
	})
	t.Run("everything in shadow beside what is there already", func(t *testing.T) {
		t.Parallel()
		all := table(append([]routing.Route{{Name: "archive", Receivers: []string{"archive"}, Continue: true}}, live...)...)
		all.Shadow = true
		d := routes(t, all).Decide(alert(ofPayments, tocsin.Low))
		want := []routing.Shadow{{Route: "archive", Team: "soc", Receivers: []string{"archive"}}, {Route: "rest", Team: "soc", Policy: "around-the-clock", Receivers: []string{"soc-slack"}}}
		if diff := cmp.Diff(want, d.Shadows); diff != "" || told(d) != "" {
			t.Errorf("told are %q; shadows (-want +got):\n%s", told(d), diff)
		}
		d = routes(t, routing.Table{Fallback: []string{"last"}, Shadow: true}).Decide(alert("", tocsin.Low))
		if diff := cmp.Diff([]routing.Shadow{{Route: "fallback", Receivers: []string{"last"}}}, d.Shadows); diff != "" || told(d) != "" || d.Fallback {
			t.Errorf("the fallback is told %q in shadow (-want +got):\n%s", told(d), diff)
		}
	})
}

func TestRoutesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	long := time.Hour
	for _, tt := range []struct {
		name  string
		table routing.Table
		want  string
	}{
		{"an unknown team", table(routing.Route{Name: "x", Team: "paymets"}), `route "x": no team "paymets"`},
		{"a team that nobody can tell", table(routing.Route{Name: "x", Team: "nobody"}), `route "x": team "nobody" has neither policy nor receivers: nobody would be told`},
		{"the same among children", table(routing.Route{Name: "x", Receivers: []string{"a"}, Routes: []routing.Route{{Team: "nobody"}}}), `route "route 1.1": team "nobody" has neither policy nor receivers: nobody would be told`},
		{"a name twice", table(routing.Route{Name: "x"}, routing.Route{Routes: []routing.Route{{Name: "x"}}}), `route "x" is there twice`},
		{"a drop without a reason", table(routing.Route{Name: "x", Drop: " "}), `route "x": drop: say why, it is recorded with each alert`},
		{"a drop that goes on", table(routing.Route{Name: "x", Drop: "noise", Continue: true}), `route "x": drop and continue: want one of them`},
		{"a drop that tells", table(routing.Route{Name: "x", Drop: "noise", Receivers: []string{"a"}}), `route "x": drop tells nobody: leave out team, policy and receivers, or give them to its children`},
		{"a window of an hour", table(routing.Route{Name: "x", FirstWindow: &long}), `route "x": first window 1h0m0s: want at most 5m0s`},
		{"a storm of less than none", table(routing.Route{Name: "x", Storm: -1}), `route "x": storm -1: want a number of alerts a minute`},
		{"updates every two hours", table(routing.Route{Name: "x", Updates: "2h"}), `route "x": updates "2h" is none of 15m, 1h, 6h, never`},
		{"an unknown fallback", routing.Table{FallbackTeam: "soc"}, `fallback: no team "soc"`},
		{"a fallback that nobody can tell", routing.Table{FallbackTeam: "nobody", Teams: teams}, `fallback: team "nobody" has neither policy nor receivers: nobody would be told`},
		{"an owner of nothing", routing.Table{Fallback: []string{"a"}, Teams: teams, Owners: []routing.Owner{{Team: "soc", OU: "/"}}}, `owner 1: want one of account, OU and tag`},
		{"an owner that is no team", routing.Table{Fallback: []string{"a"}, Teams: teams, Owners: []routing.Owner{{Team: "sock", OU: "prod"}}}, `owner 1: no team "sock"`},
		{"an owner without a team", routing.Table{Fallback: []string{"a"}, Teams: teams, Owners: []routing.Owner{{OU: "prod"}}}, `owner 1: no team`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := routing.New(tt.table); err == nil || err.Error() != tt.want {
				t.Errorf("New = %v, want %s", err, tt.want)
			}
		})
	}
}

// taken is what the manual says of the tree, said once more and slowly: the names
// of the routes that decide.
func taken(t *testing.T, list []routing.Route, number string, doc []byte, shadow bool) (names []string) {
	t.Helper()
	for i, r := range list {
		if r.Name = strings.TrimPrefix(fmt.Sprintf("%s.%d", number, i+1), "."); r.Pattern != nil {
			if ok, err := r.Pattern.Match(doc); err != nil || !ok {
				continue
			}
		}
		below := taken(t, r.Routes, r.Name, doc, shadow || r.Shadow)
		if len(below) == 0 && (!r.Shadow || shadow) {
			below = []string{"route " + r.Name}
		}
		if r.Shadow && !shadow {
			continue
		}
		if names = append(names, below...); !r.Continue {
			break
		}
	}
	return names
}

func TestWhateverTheTreeSomebodyIsToldAndExplainSaysWhy(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var patterns []*pattern.Pattern
	for _, level := range tocsin.Levels() {
		patterns = append(patterns, parse(t, `{"level":["`+level+`"]}`), parse(t, `{"level":[{"anything-but":"`+level+`"}]}`))
	}
	var grow func(depth int) []routing.Route
	grow = func(depth int) []routing.Route {
		var list []routing.Route
		for range random.IntN(4) {
			r := routing.Route{Continue: random.IntN(3) == 0, Shadow: random.IntN(6) == 0}
			if random.IntN(4) > 0 {
				r.Pattern = patterns[random.IntN(len(patterns))]
			}
			switch random.IntN(6) {
			case 0:
				r.Team = []string{"soc", "web", "data", routing.OwnTeam}[random.IntN(4)]
			case 1:
				r.Policy = "p"
			case 2, 3:
				r.Receivers = []string{"a", "b", "c"}[:1+random.IntN(3)]
			case 4:
				if !r.Continue {
					r.Drop = "noise"
				}
			}
			if depth < 3 {
				r.Routes = grow(depth + 1)
			}
			list = append(list, r)
		}
		return list
	}
	for range 300 {
		list := grow(0)
		rs := routes(t, table(list...))
		for account := range organisation {
			a := alert(account, tocsin.Level(random.IntN(6)))
			d := rs.Decide(a)
			want := taken(t, list, "", routing.Document(a, rs.Account(account)), false)
			if diff := cmp.Diff(want, d.Routes); diff != "" {
				t.Fatalf("Decide of %s took (-want +got):\n%s\n%s", a.Level, diff, rs.Explain(a))
			}
			if (len(d.Targets) > 0 || d.Policy != "") == (d.Drop != "") {
				t.Fatalf("told are %q, and not exactly one of somebody and a reason for nobody:\n%s", told(d), rs.Explain(a))
			}
			x := rs.Explain(a)
			if diff := cmp.Diff(d, x.Decision); diff != "" {
				t.Fatalf("Explain decides otherwise (-Decide +Explain):\n%s", diff)
			}
			for _, name := range d.Routes {
				i := slices.IndexFunc(x.Steps, func(s routing.Step) bool { return s.Route == name })
				if i < 0 || x.Steps[i].Result != routing.Matched || strings.Contains(x.Steps[i].Outcome, "shadow") || strings.Contains(x.Steps[i].Outcome, "children;") {
					t.Fatalf("Explain does not say that %q decided:\n%s", name, x)
				}
			}
		}
	}
}
