package coverage

import (
	"slices"
	"strings"
)

// A Query chooses a part of a grid. What is empty chooses everything.
type Query struct {
	// Account is an id, or a part of a name.
	Account string
	Region  string
	State   State
	Kind    Kind
	Gaps    bool // only what has a gap
}

// Any reports whether it chooses anything at all.
func (q Query) Any() bool { return q != Query{} }

func (q Query) account(id, name string) bool {
	return q.Account == "" || id == q.Account || name != "" && strings.Contains(strings.ToLower(name), strings.ToLower(q.Account))
}

func (q Query) gap(g Gap) bool {
	return q.account(g.Account, g.Name) && (q.Region == "" || g.Region == q.Region) && (q.Kind == "" || g.Kind == q.Kind) && (!q.Gaps || g.Severity == IsGap)
}

// shows reports whether a place is chosen.
func (q Query) shows(state State, kinds []Kind) bool {
	return (q.State == "" || state == q.State) && (q.Kind == "" || slices.Contains(kinds, q.Kind)) && (!q.Gaps || state == Dark)
}

// Only is the part of the grid that a query chooses: the accounts that have such a
// place or are such as a whole, the regions, and the gaps of what is left. Totals stay
// those of the whole.
func (g Grid) Only(q Query) Grid {
	if !q.Any() {
		return g
	}
	columns := g.columns(q)
	out := g
	out.Regions, out.Accounts, out.Gaps = []string{}, []Account{}, []Gap{}
	for _, i := range columns {
		out.Regions = append(out.Regions, g.Regions[i])
	}
	left := map[string]bool{}
	for _, a := range g.Accounts {
		if !q.account(a.ID, a.Name) {
			continue
		}
		cells := make([]Cell, len(columns))
		chosen := q.Region == "" && q.shows(a.State, a.Kinds)
		for k, i := range columns {
			cells[k] = a.Cells[i]
			if q.shows(cells[k].State, cells[k].Kinds) {
				chosen = true
				left[a.ID+"/"+cells[k].Region] = true
			}
		}
		if chosen {
			left[a.ID+"/"] = true
			a.Cells = cells
			out.Accounts = append(out.Accounts, a)
		}
	}
	for _, gap := range g.Gaps {
		if q.gap(gap) && left[gap.Account+"/"+gap.Region] {
			out.Gaps = append(out.Gaps, gap)
		}
	}
	return out
}

// columns are the regions that a query leaves, by their place.
func (g Grid) columns(q Query) []int {
	var left []int
	for i, r := range g.Regions {
		if q.Region == "" || r == q.Region {
			left = append(left, i)
		}
	}
	return left
}

// Place finds a place of the grid, or an account as a whole where region is empty.
func (g Grid) Place(account, region string) (a Account, c Cell, ok bool) {
	i := slices.IndexFunc(g.Accounts, func(a Account) bool { return a.ID == account })
	if i < 0 {
		return a, c, false
	}
	a = g.Accounts[i]
	if region == "" {
		return a, c, true
	}
	k := slices.Index(g.Regions, region)
	if k < 0 {
		return a, c, false
	}
	return a, a.Cells[k], true
}

// Of are the gaps of a place; of an account as a whole where region is empty.
func (g Grid) Of(account, region string) []Gap {
	var all []Gap
	for _, gap := range g.Gaps {
		if gap.Account == account && gap.Region == region {
			all = append(all, gap)
		}
	}
	return all
}
