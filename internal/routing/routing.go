// Package routing judges whose an alert is and who is told of it: routes, owners,
// silences, inhibitions and storms. It is pure, and told the time.
//
// Routes are a tree, as Alertmanager's are. Among siblings the first that matches
// takes the alert, and if it says continue the next has its say as well. A route
// that matches leaves the alert to its children, and decides by itself where none
// of them matches. What a child does not say it has from its parent.
//
// An alert that no route takes, or that a route leaves to the account's own team,
// goes to its owner: the receivers and the team of the account, and where nobody
// owns it to the fallback, which must be there.
package routing

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/pattern"
)

// OwnTeam is the name that stands for whichever team owns the alert's account.
const OwnTeam = "$team"

// DefaultStorm is how many new alerts a minute one route tells singly.
const DefaultStorm = 60

// LongestFirstWindow bounds how long a first notification may wait.
const LongestFirstWindow = 5 * time.Minute

// A Route takes the alerts whose [Document] its pattern matches.
//
// A child has from its parent what it does not say, but for Name, Pattern, Routes,
// Continue and Drop; tags add up. A child that names a team has neither policy nor
// receivers from its parent, since those of the team count. What is under a shadow
// is one.
type Route struct {
	Name    string           // how messages call it; "route 2" or "route 2.1" if empty
	Pattern *pattern.Pattern // nil matches every alert
	Routes  []Route          // children, in order
	// Continue goes on to the next sibling after this one matched.
	Continue bool
	// Otherwise takes only what no route before it has told somebody of, or dropped.
	Otherwise bool

	// Team owns the alert: a name, or [OwnTeam]. Policy and Receivers are the team's
	// unless the route says otherwise. A route that says none of the three leaves the
	// alert to its owner; with Continue it only adds what else it says.
	Team      string
	Policy    string
	Receivers []string
	// Drop is why nobody is told. Children are its exceptions.
	Drop string

	Level   tocsin.Level      // the level that it is told as; Unknown leaves it
	AtLeast tocsin.Level      // raises what is below
	Title   string            // what it is called instead
	Tags    map[string]string // put on the alert
	// FirstWindow is how long the first notification waits, so that what turns out
	// to be over by then disturbs nobody; at most [LongestFirstWindow]. nil says
	// nothing, which is no time.
	FirstWindow *time.Duration
	Updates     tocsin.Updates // how often people hear what is new
	// Hide are fields that are not to leave for whomever the route tells. Children
	// hide them too.
	Hide  []string
	Storm int // new alerts a minute that are told singly; 0 is that of the table
	// Shadow records what the route would have done. It tells nobody, and everything
	// else goes on as if it were not there.
	Shadow bool
}

// A Table is all that the configuration says of whose an alert is.
type Table struct {
	Routes []Route
	// Fallback are receivers of last resort; FallbackTeam is a team of last resort,
	// whose receivers are those unless Fallback says otherwise. One has to be there.
	Fallback     []string
	FallbackTeam string
	Accounts     map[string]tocsin.Account // by account id
	Teams        map[string]tocsin.Team    // by name
	Owners       []Owner
	// Storm is how many new alerts a minute one route tells singly that does not say
	// so itself, and so do owners and the fallback; 0 is [DefaultStorm].
	Storm int
	// Shadow has everything judged and nobody told: what would have been is in
	// [Decision.Shadows].
	Shadow bool
}

// Routes judge alerts. They are immutable and safe for many goroutines.
type Routes struct {
	nodes    []node // the tree, parents before their children, in order
	always   []int  // nodes without a pattern
	set      *pattern.Set[int]
	teams    map[string]tocsin.Team
	homes    map[string]*home // by account id
	stranger home             // accounts that nobody named
	storm    int
	shadow   bool
}

// New checks the table and makes routes of it, which do not share it but for what
// is in it. An error names the route, team or owner that is wrong.
func New(t Table) (*Routes, error) {
	rs := &Routes{set: pattern.NewSet[int](), teams: maps.Clone(t.Teams), storm: cmp.Or(t.Storm, DefaultStorm), shadow: t.Shadow}
	if t.Storm < 0 {
		return nil, fmt.Errorf("storm %d: want a number of alerts a minute", t.Storm)
	}
	last, err := rs.lastResort(t)
	if err != nil {
		return nil, err
	}
	if err := rs.settleOwners(t, last); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, r := range t.Routes {
		if err := rs.plant(r, root, fmt.Sprintf("route %d", i+1), seen); err != nil {
			return nil, err
		}
	}
	for i, n := range rs.nodes {
		if n.Pattern == nil {
			rs.always = append(rs.always, i)
			continue
		}
		rs.set.Add(i, n.Pattern)
	}
	return rs, nil
}

func (rs *Routes) lastResort(t Table) (claim, error) {
	if len(t.Fallback) == 0 && t.FallbackTeam == "" {
		return claim{}, errors.New("no fallback: name a receiver that is told of alerts that no route takes")
	}
	c := claim{team: t.FallbackTeam, receivers: slices.Clone(t.Fallback), why: "fallback", fallback: true}
	if t.FallbackTeam == "" {
		return c, nil
	}
	team, ok := t.Teams[t.FallbackTeam]
	if !ok {
		return claim{}, fmt.Errorf("fallback: no team %q", t.FallbackTeam)
	}
	c.policy = team.Policy
	if len(c.receivers) == 0 {
		c.receivers = team.Receivers
	}
	if c.nobody() {
		return claim{}, fmt.Errorf("fallback: team %q has neither policy nor receivers: nobody would be told", t.FallbackTeam)
	}
	return c, nil
}

// Team is the team of that name.
func (rs *Routes) Team(name string) (tocsin.Team, bool) {
	t, ok := rs.teams[name]
	return t, ok
}

// Account is what is known of an account, with the team that owns it, whichever
// way; of one that nobody named it is the id.
func (rs *Routes) Account(id string) tocsin.Account {
	if h := rs.homes[id]; h != nil {
		return h.account
	}
	return tocsin.Account{ID: id}
}
