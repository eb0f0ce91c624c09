package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// root is the parent of those that have none.
const root = -1

// A node is a route in its place, with what it has from those above.
type node struct {
	Route
	parent, depth int
	end           int // the node after its last descendant
	inherited     []Inheritance
	claim         claim // whose it is, where that does not depend on the account
}

// An Inheritance is something that a route has from one above.
type Inheritance struct {
	Field string `json:"field"` // "receivers"
	From  string `json:"from"`  // the route that says it
}

// plant adds a route and all below it.
func (rs *Routes) plant(r Route, parent int, number string, seen map[string]bool) error {
	if r.Name == "" {
		r.Name = number
	}
	if seen[r.Name] {
		return fmt.Errorf("route %q is there twice", r.Name)
	}
	seen[r.Name] = true
	if err := rs.check(r); err != nil {
		return fmt.Errorf("route %q: %w", r.Name, err)
	}
	i := len(rs.nodes)
	n := node{Route: r, parent: parent}
	if parent != root {
		n.inherit(&rs.nodes[parent])
	}
	n.claim = rs.claimed(&n)
	if n.Team != "" && n.Team != OwnTeam && n.claim.nobody() && n.Drop == "" {
		return fmt.Errorf("route %q: team %q has neither policy nor receivers: nobody would be told", r.Name, n.Team)
	}
	rs.nodes = append(rs.nodes, n)
	for j, child := range r.Routes {
		if err := rs.plant(child, i, fmt.Sprintf("%s.%d", number, j+1), seen); err != nil {
			return err
		}
	}
	rs.nodes[i].end = len(rs.nodes)
	return nil
}

// check tells what is wrong with a route by itself.
func (rs *Routes) check(r Route) error {
	if _, known := rs.teams[r.Team]; r.Team != "" && r.Team != OwnTeam && !known {
		return fmt.Errorf("no team %q", r.Team)
	}
	switch {
	case r.Drop != "" && strings.TrimSpace(r.Drop) == "":
		return fmt.Errorf("drop: say why, it is recorded with each alert")
	case r.Drop != "" && r.Continue:
		return fmt.Errorf("drop and continue: want one of them")
	case r.Drop != "" && (len(r.Receivers) > 0 || r.Policy != "" || r.Team != ""):
		return fmt.Errorf("drop tells nobody: leave out team, policy and receivers, or give them to its children")
	case r.Storm < 0:
		return fmt.Errorf("storm %d: want a number of alerts a minute", r.Storm)
	case r.FirstWindow != nil && (*r.FirstWindow < 0 || *r.FirstWindow > LongestFirstWindow):
		return fmt.Errorf("first window %s: want at most %s", *r.FirstWindow, LongestFirstWindow)
	}
	if r.Updates == "" {
		return nil
	}
	_, err := tocsin.ParseUpdates(string(r.Updates))
	return err
}

// inherit takes from the parent what the route does not say.
func (n *node) inherit(parent *node) {
	n.depth = parent.depth + 1
	ownTeam := n.Team != ""
	take := func(field string, unsaid, has bool, set func()) {
		if !unsaid || !has {
			return
		}
		set()
		n.inherited = append(n.inherited, Inheritance{Field: field, From: parent.origin(field)})
	}
	take("team", !ownTeam, parent.Team != "", func() { n.Team = parent.Team })
	take("policy", n.Policy == "" && !ownTeam, parent.Policy != "", func() { n.Policy = parent.Policy })
	take("receivers", len(n.Receivers) == 0 && !ownTeam, len(parent.Receivers) > 0, func() { n.Receivers = parent.Receivers })
	take("level", n.Level == tocsin.Unknown, parent.Level != tocsin.Unknown, func() { n.Level = parent.Level })
	take("at_least", n.AtLeast == tocsin.Unknown, parent.AtLeast != tocsin.Unknown, func() { n.AtLeast = parent.AtLeast })
	take("title", n.Title == "", parent.Title != "", func() { n.Title = parent.Title })
	take("first_window", n.FirstWindow == nil, parent.FirstWindow != nil, func() { n.FirstWindow = parent.FirstWindow })
	take("updates", n.Updates == "", parent.Updates != "", func() { n.Updates = parent.Updates })
	take("storm", n.Storm == 0, parent.Storm != 0, func() { n.Storm = parent.Storm })
	take("hide", true, len(parent.Hide) > 0, func() { n.Hide = slices.Concat(parent.Hide, n.Hide) })
	take("shadow", !n.Shadow, parent.Shadow, func() { n.Shadow = true })
	take("tags", true, len(parent.Tags) > 0, func() {
		tags := maps.Clone(parent.Tags)
		maps.Copy(tags, n.Tags)
		n.Tags = tags
	})
	if n.Drop != "" { // it tells nobody, whoever its parent does
		n.Team, n.Policy, n.Receivers = "", "", nil
		n.inherited = slices.DeleteFunc(n.inherited, func(h Inheritance) bool {
			return h.Field == "team" || h.Field == "policy" || h.Field == "receivers"
		})
	}
}

// origin is which route says the field: this one, or one above.
func (n *node) origin(field string) string {
	for _, h := range n.inherited {
		if h.Field == field && field != "tags" {
			return h.From
		}
	}
	return n.Name
}

// storm is how many a minute are told singly, or otherwise where the route does
// not say.
func (n *node) storm(otherwise int) int {
	if n.Storm == 0 {
		return otherwise
	}
	return n.Storm
}
