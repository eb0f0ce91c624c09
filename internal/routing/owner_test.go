package routing_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestWhoseAnAccountIs(t *testing.T) {
	t.Parallel()
	asked := routing.Route{Name: "owners", Team: routing.OwnTeam}
	for _, tt := range []struct {
		name, account           string
		withoutRoute, withRoute string
		team                    string
		fallback                bool
	}{
		{
			"the team that the account names", ofPayments,
			"payments-slack by team payments, owner of account payments-prod (111122223333), policy office-hours by team payments, owner of account payments-prod (111122223333)",
			"payments-slack by owners, policy office-hours by owners", "payments", false,
		},
		{
			"the account's own receivers stand before those of its team, whose policy it climbs", ofMail,
			"mail by account payments-mail (555566667777), policy office-hours by account payments-mail (555566667777)",
			"mail by owners, policy office-hours by owners", "payments", false,
		},
		{
			"the longest OU, before a tag", ofProdOU,
			"payments-slack by team payments, owner of OU prod/payments, policy office-hours by team payments, owner of OU prod/payments",
			"payments-slack by owners, policy office-hours by owners", "payments", false,
		},
		{
			"a tag, where no OU does; production is not in prod", ofTagged,
			"web-slack by team web, owner of accounts tagged team=web", "web-slack by owners", "web", false,
		},
		{"nobody: the fallback, loudly", ofNobody, "last by fallback (fallback)", "last by fallback (fallback)", "", true},
		{"a team that is not configured: the fallback, and it stays theirs", ofStranger, "last by fallback (fallback)", "last by fallback (fallback)", "long-gone", true},
		{"an account that nobody named", "000000000000", "last by fallback (fallback)", "last by fallback (fallback)", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, way := range []struct {
				routes []routing.Route
				want   string
			}{{nil, tt.withoutRoute}, {[]routing.Route{asked}, tt.withRoute}} {
				d := routes(t, table(way.routes...)).Decide(alert(tt.account, tocsin.Low))
				if got := told(d); got != way.want {
					t.Errorf("with %d routes told are %q, want %q", len(way.routes), got, way.want)
				}
				if d.Team != tt.team || d.Fallback != tt.fallback {
					t.Errorf("with %d routes it is team %q's, fallback %v; want %q, %v", len(way.routes), d.Team, d.Fallback, tt.team, tt.fallback)
				}
			}
		})
	}
}

func TestARouteThatAsksForAnOwnerWhereThereIsNoneIsHeard(t *testing.T) {
	t.Parallel()
	d := routes(t, table(
		routing.Route{Name: "archive", Receivers: []string{"archive"}, Continue: true},
		routing.Route{Name: "owners", Team: routing.OwnTeam},
	)).Decide(alert(ofNobody, tocsin.Low))
	if got := told(d); got != "archive by archive, last by fallback (fallback)" || !d.Fallback {
		t.Errorf("told are %q, fallback %v", got, d.Fallback)
	}
	d = routes(t, table(routing.Route{Name: "owners", Team: routing.OwnTeam, Receivers: []string{"soc-pager"}})).Decide(alert(ofNobody, tocsin.Low))
	if got := told(d); got != "soc-pager by owners" || d.Fallback {
		t.Errorf("with receivers of its own told are %q, fallback %v", got, d.Fallback)
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	accounts := map[string]tocsin.Account{
		"1": {Name: "one", OU: "prod", Tags: map[string]string{"team": "web", "tier": "1"}},
		"2": {Name: "two", Tags: map[string]string{"team": "web", "tier": "1"}},
		"3": {Name: "three", Tags: map[string]string{"team": "Web"}},
		"4": {Name: "four", Team: "data", OU: "prod"},
	}
	rs := routes(t, routing.Table{Fallback: []string{"last"}, Accounts: accounts, Teams: teams, Owners: []routing.Owner{
		{Tag: "tier", Value: "1", Team: "soc"},
		{Tag: "team", Value: "web", Team: "web"},
		{OU: "prod", Team: "payments"},
		{Account: "1", Team: "data"},
		{Account: "5", Team: "web"},
		{Account: "4", Team: "web"},
	}})
	for _, tt := range []struct{ name, account, want string }{
		{"by its ID before all else", "1", "data"},
		{"the first of several tags", "2", "soc"},
		{"a tag's value has to be the same", "3", ""},
		{"what is said of the account itself stays", "4", "data"},
		{"an account that is named for its owner only", "5", "web"},
	} {
		if got := rs.Account(tt.account).Team; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAFallbackTeam(t *testing.T) {
	t.Parallel()
	with := table()
	with.Fallback, with.FallbackTeam = nil, "soc"
	d := routes(t, with).Decide(alert(ofNobody, tocsin.Low))
	if got := told(d); got != "soc-slack by fallback (fallback), policy around-the-clock by fallback" || d.Team != "soc" {
		t.Errorf("told are %q for team %q", got, d.Team)
	}
	with.Fallback = []string{"pager"}
	if got := told(routes(t, with).Decide(alert(ofNobody, tocsin.Low))); got != "pager by fallback (fallback), policy around-the-clock by fallback" {
		t.Errorf("with receivers besides told are %q", got)
	}
}

func TestRoutesMayAskForTheOwnerWhicheverWayItOwns(t *testing.T) {
	t.Parallel()
	rs := routes(t, table(routing.Route{Name: "payments", Pattern: parse(t, `{"team":["payments"],"ou":[{"prefix":"prod/"}]}`), Receivers: []string{"a"}}))
	a := alert(ofProdOU, tocsin.Low)
	if got := told(rs.Decide(a)); got != "a by payments" {
		t.Errorf("told are %q", got)
	}
	a.Team, a.Tags = "web", map[string]string{"a": "b"} // handed over since
	if got := told(rs.Decide(a)); got != "a by payments" {
		t.Errorf("once the alert has a team, told are %q", got)
	}
	if team, ok := rs.Team("web"); !ok || team.Receivers[0] != "web-slack" {
		t.Errorf("Team(web) = %v, %v", team, ok)
	}
}
