package routing

import "strings"

// A Listed is a route in its place in the tree, with what it has from those above.
type Listed struct {
	Name  string `json:"name"`
	Depth int    `json:"depth"` // how many routes stand above it
	// Pattern is JSON, or empty: it matches every alert.
	Pattern string `json:"pattern,omitempty"`
	// Does is what it does by itself, in words: "tells soc-slack; climbs policy
	// office-hours; for team payments".
	Does      string        `json:"does"`
	Inherited []Inheritance `json:"inherited,omitempty"`
}

// List are the routes in the order in which they are asked, parents before their
// children.
func (rs *Routes) List() []Listed {
	all := make([]Listed, len(rs.nodes))
	for i := range rs.nodes {
		n := &rs.nodes[i]
		all[i] = Listed{Name: n.Name, Depth: n.depth, Does: n.does(), Inherited: n.inherited}
		if n.Pattern != nil {
			all[i].Pattern = n.Pattern.String()
		}
	}
	return all
}

// does is what the route does by itself, as far as that does not depend on the
// account.
func (n *node) does() string {
	var parts []string
	switch {
	case n.Drop != "":
		parts = append(parts, "drops it: "+n.Drop)
	case n.Team == OwnTeam && n.claim.nobody():
		parts = append(parts, "leaves it to the team that owns the account")
	case n.claim.nobody() && n.Continue:
		parts = append(parts, "tells nobody by itself")
	case n.claim.nobody():
		parts = append(parts, "leaves it to the owner")
	default:
		parts = append(parts, tells(n.claim.policy, n.claim.receivers))
	}
	if n.Team != "" && n.Team != OwnTeam {
		parts = append(parts, "for team "+n.Team)
	}
	if more := n.adds(); more != "" {
		parts = append(parts, more)
	}
	if n.Continue {
		parts = append(parts, "goes on")
	}
	if n.Shadow {
		parts = append([]string{"shadow, nothing is sent"}, parts...)
	}
	return strings.Join(parts, "; ")
}
