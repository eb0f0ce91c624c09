package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Tally is how much a route or a receiver took.
type Tally struct {
	Count int64     `json:"count"`
	Last  time.Time `json:"last,omitzero"`
	// Since is when counting began: for what is new in the configuration, when it
	// came in. Zero is always.
	Since time.Time `json:"since,omitzero"`
}

// Tallies are by name: of routes the alerts that each decided, of receivers the
// messages that each took. Receivers that no route names count if they are there,
// be it with nothing.
type Tallies struct {
	Routes, Receivers map[string]Tally
}

// Dead is a route or a receiver that took nothing for a while.
type Dead struct {
	What string `json:"what"` // "route" or "receiver"
	Name string `json:"name"`
	Tally
}

// DeadRoutes are the routes, in their order, and the receivers, by name, that took
// nothing in so many days. A route whose child took something is alive, and nothing
// is dead that is younger than that. A shadow that would have taken nothing is as
// dead as any. A receiver of the fallback that was never needed is among them: it
// is worth a test.
func (rs *Routes) DeadRoutes(t Tallies, now time.Time, days int) []Dead {
	since := now.Add(-time.Duration(days) * day)
	dead := func(one Tally) bool {
		return one.Last.Before(since) && !one.Since.After(since)
	}
	var all []Dead
	for i, n := range rs.nodes {
		one := t.Routes[n.Name]
		below := slices.ContainsFunc(rs.nodes[i+1:n.end], func(c node) bool { return !dead(t.Routes[c.Name]) })
		if dead(one) && !below {
			all = append(all, Dead{What: "route", Name: n.Name, Tally: one})
		}
	}
	for _, name := range rs.receivers(t) {
		if one := t.Receivers[name]; dead(one) {
			all = append(all, Dead{What: "receiver", Name: name, Tally: one})
		}
	}
	return all
}

// Names are the routes' names, parents before their children, in order.
func (rs *Routes) Names() []string {
	names := make([]string, len(rs.nodes))
	for i, n := range rs.nodes {
		names[i] = n.Name
	}
	return names
}

// receivers are all that are known, by name.
func (rs *Routes) receivers(t Tallies) []string {
	names := sortedKeys(t.Receivers)
	for _, n := range rs.nodes {
		names = append(names, n.Receivers...)
	}
	for _, team := range rs.teams {
		names = append(names, team.Receivers...)
	}
	for _, h := range rs.homes {
		names = append(names, h.account.Receivers...)
	}
	names = append(names, rs.stranger.claim.receivers...)
	slices.Sort(names)
	return slices.Compact(names)
}

// String is a line of it: `route "old web" took nothing since 2026-01-02`.
func (d Dead) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q ", d.What, d.Name)
	switch {
	case !d.Last.IsZero():
		b.WriteString("took nothing since " + d.Last.UTC().Format(time.DateOnly))
	case !d.Since.IsZero():
		b.WriteString("took nothing ever since it is there, " + d.Since.UTC().Format(time.DateOnly))
	default:
		b.WriteString("never took anything")
	}
	return b.String()
}
