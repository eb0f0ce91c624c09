package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/pattern"
)

type route struct {
	Name        string            `json:"name" doc:"What messages say they came by. Left out, it is its number: route 2, or route 2.1 for the first within it."`
	Pattern     eventPattern      `json:"pattern" doc:"An event pattern over the alert's fields. Left out, it matches every alert."`
	Routes      []route           `json:"routes" doc:"Routes within it, for what it matches. They have from it what they do not say. Where none of them matches, it decides itself."`
	Team        string            `json:"team" doc:"The team that owns the alert and whose policy and receivers are told; $team is the one that owns the account."`
	Policy      string            `json:"policy" doc:"The policy that the alert climbs, instead of the team's."`
	Receivers   names             `json:"receivers" doc:"Who is told, instead of the team's receivers."`
	Continue    bool              `json:"continue" default:"false" doc:"Go on to the next route beside it after this one matched."`
	Drop        string            `json:"drop" doc:"Why nobody is told. The alert is recorded all the same; routes within are exceptions."`
	Level       tocsin.Level      `json:"level" doc:"The level that it is told as."`
	AtLeast     tocsin.Level      `json:"at_least" doc:"The lowest level that it is told as."`
	Title       string            `json:"title" doc:"What it is called instead."`
	Tags        map[string]string `json:"tags" doc:"Put on the alert."`
	FirstWindow *time.Duration    `json:"first_window" doc:"How long the first message waits, 5m at most, so that what is over by then disturbs nobody. Left out, no time."`
	Updates     tocsin.Updates    `json:"updates" doc:"How often people hear what is new. Left out, it is what the team says."`
	Storm       int               `json:"storm" doc:"How many new alerts a minute are told singly; what is more comes in one digest a minute. Left out, 60."`
	Hide        names             `json:"hide" doc:"Fields whose values never leave for those whom the route, or its team's or its policy's steps, tell: see Fields that can be hidden. Routes within hide them too."`
	Shadow      bool              `json:"shadow" default:"false" doc:"Record what it would have done and tell nobody; everything else goes on as if it were not there."`
}

// says reports whether the route says anything of what becomes of the alert,
// besides who is told.
func (r route) says() bool {
	return r.Level != tocsin.Unknown || r.AtLeast != tocsin.Unknown || r.Title != "" || len(r.Tags) > 0 ||
		r.FirstWindow != nil || r.Updates != "" || r.Storm != 0 || len(r.Hide) > 0
}

// ownTeam is whichever team owns the account.
const ownTeam = routing.OwnTeam

func (d *decoder) routes(f file) []routing.Route {
	p := planter{decoder: d, teams: f.Teams, seen: map[string]position{}}
	return append(p.among(f.Routes, "routes", "route ", above{}), p.ofSources(f)...)
}

// A planter makes the tree of routes.
type planter struct {
	*decoder
	teams map[string]team
	seen  map[string]position // by what a route is called
	takes reach               // those that stand under no other
}

// above is what routes stand under.
type above struct {
	team, policy string
	receivers    names
	shadow       bool
	asks         []map[string]any // the patterns of those above
	takes        []reach          // those beside them that come before
	lost         bool             // they are never reached, which was told
}

// among makes the routes that stand beside each other.
func (p *planter) among(list []route, path, number string, up above) []routing.Route {
	var all []routing.Route
	var takes reach // of what came before among these
	for i, r := range list {
		at, called := index(path, i), fmt.Sprintf("%s%d", number, i+1)
		p.check(r, at, called, up)
		text := r.Pattern.text
		if text == nil {
			text = []byte("{}")
		}
		asks := object(text)
		if p.failed(at + ".pattern") {
			asks = nil
		}
		within := up.within(r, asks, takes)
		if !up.lost {
			within.lost = p.checkReach(at, within)
		}
		made := routing.Route{
			Name: r.Name, Pattern: r.Pattern.parsed, Continue: r.Continue, Team: r.Team, Policy: r.Policy, Receivers: r.Receivers,
			Drop: r.Drop, Level: r.Level, AtLeast: r.AtLeast, Title: r.Title, Tags: r.Tags, FirstWindow: r.FirstWindow,
			Updates: r.Updates, Storm: r.Storm, Hide: r.Hide, Shadow: r.Shadow,
			Routes: p.among(r.Routes, at+".routes", called+".", within),
		}
		if transparent := within.shadow && !up.shadow; !r.Continue && !transparent {
			label := called
			if r.Name != "" {
				label = fmt.Sprintf("route %q", r.Name)
			}
			takes.add(label, asks)
		}
		all = append(all, made)
	}
	if path == "routes" {
		p.takes = takes
	}
	return all
}

// ofSources are the last routes: one for each source that says whose its alerts are
// where nothing else does.
func (p *planter) ofSources(f file) []routing.Route {
	var all []routing.Route
	for _, name := range written(p.decoder, "sources", f.Sources) {
		s, path := f.Sources[name], join("sources", name)
		p.refer(path+".team", "team", s.Team)
		p.refer(path+".policy", "policy", s.Policy)
		p.checkReceivers(path+".receivers", s.Receivers)
		if s.Team == "" && s.Policy == "" && len(s.Receivers) == 0 || p.failed(path) {
			continue
		}
		if t := p.teams[s.Team]; s.Team != "" && s.Policy == "" && len(s.Receivers) == 0 && t.Policy == "" && len(t.Receivers) == 0 {
			p.fail(p.spot(path+".team"), path+".team", "team %q has neither policy nor receivers: nobody would be told", s.Team)
			continue
		}
		text := []byte(`{"paths":[{"suffix":":` + name + `"}]}`) // a name has nothing to escape
		came, err := pattern.Parse(text)
		if err != nil {
			p.fail(p.keySpot(path), path, "%s", err)
			continue
		}
		made := routing.Route{
			Name: "source " + name, Pattern: came, Otherwise: true, Team: s.Team, Policy: s.Policy, Receivers: s.Receivers,
		}
		if first, twice := p.seen[made.Name]; twice {
			p.fail(p.keySpot(path), path, "%q is what a route is called, in %s: give that another name", made.Name, p.first(first, p.keySpot(path)))
			continue
		}
		p.directory.add("route", made.Name)
		if by := p.takes.by(object(text)); by != "" {
			p.warn(p.spot(path), path, "its team, policy and receivers are never asked: %s takes all alerts", by)
		}
		all = append(all, made)
	}
	return all
}

// within is what the routes within r stand under, as they inherit it.
func (up above) within(r route, asks map[string]any, before reach) above {
	in := above{
		team: r.Team, policy: r.Policy, receivers: r.Receivers, shadow: up.shadow || r.Shadow, lost: up.lost,
		asks: append(slices.Clone(up.asks), asks), takes: append(slices.Clone(up.takes), before),
	}
	if r.Team == "" {
		in.team, in.policy = up.team, cmp.Or(r.Policy, up.policy)
		if len(r.Receivers) == 0 {
			in.receivers = up.receivers
		}
	}
	if r.Drop != "" {
		in.team, in.policy, in.receivers = "", "", nil
	}
	return in
}

// checkReach tells of a route that another one before it leaves nothing to, and
// reports whether there is one.
func (p *planter) checkReach(path string, here above) bool {
	for _, before := range here.takes {
		if by := before.by(here.asks...); by != "" {
			p.warn(p.spot(path), path, "never reached: %s before it matches all that it matches; it needs continue: true", by)
			return true
		}
	}
	return false
}

func (p *planter) check(r route, path, called string, up above) {
	p.checkName(r, path, called)
	p.checkReceivers(path+".receivers", r.Receivers)
	p.checkHide(path+".hide", r.Hide)
	if p.isWritten(path+".receivers") && len(r.Receivers) == 0 && !p.failed(path+".receivers") {
		p.fail(p.spot(path+".receivers"), path+".receivers", "is empty: name a receiver")
	}
	if r.Team != ownTeam {
		p.refer(path+".team", "team", r.Team)
	}
	p.refer(path+".policy", "policy", r.Policy)
	p.checkFields(r.Pattern, path+".pattern")
	if _, tags := object(r.Pattern.text)["tags"]; tags {
		p.warn(r.Pattern.find("tags"), path+".pattern", "no alert has tags while routes are asked: it is they that put them on; what accounts and resources have is account_tags and resource.tags")
	}
	p.checkDrop(r, path)
	if r.Storm < 0 || p.isWritten(path+".storm") && r.Storm == 0 && !p.failed(path+".storm") {
		p.fail(p.spot(path+".storm"), path+".storm", "%d: want a number of alerts a minute, from 1", r.Storm)
	}
	if w := r.FirstWindow; w != nil && *w > routing.LongestFirstWindow {
		p.fail(p.spot(path+".first_window"), path+".first_window", "is longer than %s", short(routing.LongestFirstWindow))
	}
	here := up.within(r, nil, reach{})
	nobody := here.policy == "" && len(here.receivers) == 0
	if t, ok := p.teams[here.team]; ok && nobody && t.Policy == "" && len(t.Receivers) == 0 && !p.failed(path) {
		at := path + ".team"
		p.fail(p.spot(at), at, "team %q has neither policy nor receivers: nobody would be told", here.team)
	}
	if nobody && here.team == "" && r.Drop == "" && len(r.Routes) == 0 && !r.says() && !p.failed(path) {
		p.fail(p.spot(path), path, `tells nobody: want "receivers", "team", "policy", "drop" or "routes"`)
	}
}

func (p *planter) checkName(r route, path, called string) {
	at := path + ".name"
	if r.Name == "" {
		if p.isWritten(at) && !p.failed(at) {
			p.fail(p.spot(at), at, "is empty")
		}
		at = path
	}
	name := cmp.Or(r.Name, called)
	if first, twice := p.seen[name]; twice {
		p.fail(p.spot(at), at, "route %q is there twice, first in %s", name, p.first(first, p.spot(at)))
		return
	}
	p.seen[name] = p.spot(at)
	p.directory.add("route", name)
}

func (p *planter) checkDrop(r route, path string) {
	at := path + ".drop"
	if !p.isWritten(at) || p.failed(at) {
		return
	}
	switch {
	case strings.TrimSpace(r.Drop) == "":
		p.fail(p.spot(at), at, "is empty: say why, it is recorded with each alert")
	case r.Continue:
		p.fail(p.keySpot(at), path, `"drop" and "continue": want one of them`)
	case r.Team != "" || r.Policy != "" || len(r.Receivers) > 0:
		p.fail(p.keySpot(at), path, `"drop" tells nobody: leave out team, policy and receivers, or give them to routes within`)
	}
}

// teamPrefix is what a team is written with in fallback.
const teamPrefix = "team:"

// fallback are the receivers of last resort, or the team.
func (d *decoder) fallback(f file) (receivers []string, team string) {
	if d.isWritten("fallback") && len(f.Fallback) == 0 && !d.failed("fallback") {
		d.fail(d.spot("fallback"), "fallback", "is empty: name a receiver that is told of alerts that nobody else is told of")
	}
	for i, name := range f.Fallback {
		at := d.item("fallback", i)
		called, isTeam := strings.CutPrefix(name, teamPrefix)
		switch {
		case isTeam && team != "":
			d.fail(d.spot(at), at, "a second team: want one")
		case isTeam && called == "":
			d.fail(d.spot(at), at, "%q names no team", name)
		case isTeam:
			team = called
			d.refer(at, "team", team)
		case name == "":
			d.fail(d.spot(at), at, "is empty: name a receiver")
		case slices.Contains(receivers, name):
			d.fail(d.spot(at), at, "receiver %q is there twice", name)
		case !d.directory.has("receiver", name) && d.directory.has("team", name):
			d.fail(d.spot(at), at, "no receiver %q; the team is written %q", name, teamPrefix+name)
		default:
			receivers = append(receivers, name)
			d.checkReceiver(at, name)
		}
	}
	return receivers, team
}

// lastResort are the receivers that are told at the very last. One has to be
// there: a person's contact methods are known only at work, and alerts that nobody
// is told of must not depend on them.
func (d *decoder) lastResort(t routing.Table, policies map[string]escalation.Policy) []string {
	team, known := t.Teams[t.FallbackTeam]
	switch {
	case len(t.Fallback) > 0 || !known:
		return t.Fallback
	case len(team.Receivers) > 0:
		return team.Receivers
	}
	var last []string
	for _, target := range policies[team.Policy].Fallback {
		if target.Kind == escalation.Receiver {
			last = append(last, target.Name)
		}
	}
	switch {
	case len(last) > 0 || d.failed("fallback") || d.failed("policies") || d.failed("teams"):
	case team.Policy == "":
		d.fail(d.spot("fallback"), "fallback", "team %q has neither policy nor receivers: nobody would be told", team.Name)
	default:
		d.fail(d.spot("fallback"), "fallback", "team %q has no receivers, and the fallback of its policy %q names none: the last resort is not to depend on people's phones", team.Name, team.Policy)
	}
	return last
}

// short is "5m" rather than "5m0s".
func short(span time.Duration) string { return escalation.Duration(span).String() }
