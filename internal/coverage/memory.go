package coverage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Memory is what is known of gaps between two looks, and over a restart: one small
// document. It is a value; its methods that change it give another.
type Memory struct {
	Gaps []Remembered `json:"gaps,omitempty"`
	// Groups are alerts that stand for many gaps.
	Groups []Group `json:"groups,omitempty"`
}

// A Remembered is a gap that was noted.
type Remembered struct {
	Account string    `json:"account"`
	Region  string    `json:"region,omitempty"`
	Name    string    `json:"name,omitempty"`
	Kind    Kind      `json:"kind"`
	Since   time.Time `json:"since"`
	Noted   time.Time `json:"noted"`         // when it was first noted, which may be later
	Seen    time.Time `json:"seen,omitzero"` // when that was seen that it is made of, where it is held for a while
	Says    string    `json:"says"`
	Fix     string    `json:"fix,omitempty"`
	Change  string    `json:"change,omitempty"`
	Command string    `json:"command,omitempty"`
	// Told is when people were told of it by itself, the last time; Group is that by
	// which they were or will be told else.
	Told  time.Time `json:"told,omitzero"`
	Group string    `json:"group,omitempty"`
	// Ended is when it ended, until that was told.
	Ended time.Time `json:"ended,omitzero"`
}

// A Group is one alert that stands for many gaps that began together.
type Group struct {
	// ID is what they have in common and since when: "region/eu-west-3/1763733600".
	ID      string    `json:"id"`
	Account string    `json:"account,omitempty"` // where all are of one
	Name    string    `json:"name,omitempty"`
	Region  string    `json:"region,omitempty"` // where all are in one
	Since   time.Time `json:"since"`
	// Told is of how many gaps people were told, and ToldAt when the last time; 0 where
	// they were not yet.
	Told   int       `json:"told,omitempty"`
	ToldAt time.Time `json:"told_at,omitzero"`
	Ended  time.Time `json:"ended,omitzero"`
}

// gapID is what is there once: a kind of gap at a place.
type gapID struct {
	tocsin.Place
	kind Kind
}

func (g Gap) id() gapID { return gapID{tocsin.Place{Account: g.Account, Region: g.Region}, g.Kind} }

func (r Remembered) id() gapID {
	return gapID{tocsin.Place{Account: r.Account, Region: r.Region}, r.Kind}
}

func (m Memory) byID() map[gapID]*Remembered {
	ids := make(map[gapID]*Remembered, len(m.Gaps))
	for i := range m.Gaps {
		ids[m.Gaps[i].id()] = &m.Gaps[i]
	}
	return ids
}

// Note is the memory after a look: it has the gaps that are there, those that ended
// and of which that is still to be told, and nothing else. Groups have lost those that
// ended.
func (m Memory) Note(g Grid, now time.Time) Memory {
	now = tocsin.Millis(now)
	there := make(map[gapID]*Gap, len(g.Gaps))
	for i := range g.Gaps {
		there[g.Gaps[i].id()] = &g.Gaps[i]
	}
	var next Memory
	for _, r := range m.Gaps {
		gap, still := there[r.id()]
		delete(there, r.id())
		switch {
		case still:
			r.Ended = time.Time{} // of one that has begun again before anybody heard of its end
			r.Name, r.Says, r.Fix, r.Change, r.Command, r.Seen = gap.Name, gap.Says, gap.Fix, gap.Change, gap.Command, tocsin.Millis(gap.seen)
			next.Gaps = append(next.Gaps, r)
		case r.Told.IsZero(): // nobody heard of it
		case r.Ended.IsZero():
			r.Ended = now
			next.Gaps = append(next.Gaps, r)
		default:
			next.Gaps = append(next.Gaps, r)
		}
	}
	for i := range g.Gaps {
		if gap := &g.Gaps[i]; there[gap.id()] == gap {
			next.Gaps = append(next.Gaps, Remembered{
				Account: gap.Account, Region: gap.Region, Name: gap.Name, Kind: gap.Kind, Since: gap.Since, Noted: now, Seen: tocsin.Millis(gap.seen),
				Says: gap.Says, Fix: gap.Fix, Change: gap.Change, Command: gap.Command,
			})
		}
	}
	slices.SortFunc(next.Gaps, func(a, b Remembered) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	next.Groups = m.groupsLeft(next, now)
	return next
}

// groupsLeft are the groups that have gaps, and those of whose end nobody heard.
func (m Memory) groupsLeft(next Memory, now time.Time) []Group {
	live := map[string]bool{}
	for _, r := range next.Gaps {
		live[r.Group] = true
	}
	var left []Group
	for _, g := range m.Groups {
		switch {
		case live[g.ID]:
			g.Ended = time.Time{}
		case g.Told == 0:
			continue
		case g.Ended.IsZero():
			g.Ended = now
		}
		left = append(left, g)
	}
	return left
}

const (
	// most is how many gaps that begin together are told one by one.
	most = 5
	// again is how often people are told again of what goes on: an alert of which
	// nothing is heard is closed some day, and a dark region is not to be forgotten.
	again = 7 * 24 * time.Hour
	// joins is for how long after a group began further gaps are of it: what breaks at
	// once shows itself within that.
	joins = time.Hour
)

// Gather puts gaps that begin together into a group, so that people get one message:
// of the region, if all are in one; else of the account, if all are of one; else of
// the organisation.
func (m Memory) Gather(a Alerting, now time.Time) Memory {
	if a.Disabled {
		return m
	}
	now = tocsin.Millis(now)
	m.Gaps, m.Groups = slices.Clone(m.Gaps), slices.Clone(m.Groups)
	var fresh []*Remembered
	due := false
	for i := range m.Gaps {
		r := &m.Gaps[i]
		if !r.Kind.alerts() || !r.Told.IsZero() || r.Group != "" {
			continue
		}
		if g := m.groupFor(*r, now); g != nil {
			r.Group = g.ID
			continue
		}
		fresh = append(fresh, r)
		due = due || a.due(*r, now)
	}
	if !due || len(fresh) <= most {
		return m
	}
	g := groupOf(fresh, now)
	for _, r := range fresh {
		r.Group = g.ID
	}
	m.Groups = append(m.Groups, g)
	return m
}

// groupFor is the group that a gap joins, or nil.
func (m Memory) groupFor(r Remembered, now time.Time) *Group {
	for i := range m.Groups {
		g := &m.Groups[i]
		if g.Ended.IsZero() && now.Sub(g.Since) <= joins && (g.Region == "" || g.Region == r.Region) && (g.Account == "" || g.Account == r.Account) {
			return g
		}
	}
	return nil
}

// groupOf is a group of these.
func groupOf(all []*Remembered, now time.Time) Group {
	g := Group{Account: all[0].Account, Name: all[0].Name, Region: all[0].Region, Since: now}
	oneAccount, oneRegion := true, true
	for _, r := range all {
		oneAccount = oneAccount && r.Account == g.Account
		oneRegion = oneRegion && r.Region == g.Region
	}
	what := "organisation/"
	switch {
	case oneRegion && g.Region != "":
		what = "region/" + g.Region + "/"
		if !oneAccount {
			g.Account, g.Name = "", ""
		}
	case oneAccount:
		what, g.Region = "account/"+g.Account+"/", ""
	default:
		g.Account, g.Name, g.Region = "", "", ""
	}
	g.ID = what + now.Truncate(time.Minute).Format("2006-01-02T15:04Z")
	return g
}

// Told is the memory after what was told was taken in.
func (m Memory) Told(all []Tiding) Memory {
	gaps, groups := map[gapID]Tiding{}, map[string]Tiding{}
	for _, t := range all {
		if t.group != "" {
			groups[t.group] = t
		} else {
			gaps[t.gap] = t
		}
	}
	var next Memory
	for _, r := range m.Gaps {
		t, ok := gaps[r.id()]
		switch {
		case ok && t.Over && r.Ended.Equal(t.Ended):
			continue
		case ok && !t.Over && r.Since.Equal(t.Since):
			r.Told = t.At
		}
		next.Gaps = append(next.Gaps, r)
	}
	for _, g := range m.Groups {
		t, ok := groups[g.ID]
		switch {
		case ok && t.Over && g.Ended.Equal(t.Ended):
			continue
		case ok && !t.Over:
			g.Told, g.ToldAt = max(g.Told, t.Count), t.At
		}
		next.Groups = append(next.Groups, g)
	}
	return next
}
