package canary

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A scope is what an alarm is of: a place, a region of all accounts, an account in
// all regions, or, with neither, all places of the source.
type scope struct {
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
}

func (s scope) has(p tocsin.Place) bool {
	return (s.Account == "" || s.Account == p.Account) && (s.Region == "" || s.Region == p.Region)
}

// single says that it is one place.
func (s scope) single() bool { return s.Account != "" && s.Region != "" }

// width orders scopes from the narrowest.
func (s scope) width() int {
	n := 2
	if s.Account != "" {
		n--
	}
	if s.Region != "" {
		n--
	}
	return n
}

func compareScopes(a, b scope) int {
	return cmp.Or(cmp.Compare(a.width(), b.width()), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Account, b.Account))
}

// A trouble is what an alarm is about.
type trouble string

// The troubles.
const (
	silent trouble = "late"   // none arrives
	unsent trouble = "unsent" // none can be sent
)

// An alarm is a trouble that was told of and is not over. It is kept for all replicas.
type alarm struct {
	Trouble trouble `json:"trouble"`
	scope
	// Since is when the first canary that is missing was sent, or was to be.
	Since time.Time `json:"since"`
	// Places is how many places were said to be concerned, and ToldAt when.
	Places int       `json:"places"`
	ToldAt time.Time `json:"told_at"`
}

// A standing is how a place stands in one respect.
type standing struct {
	tocsin.Place
	health
	// since is when the first canary that is missing was sent, if it is ill.
	since time.Time
}

// Limits of what is told of by itself.
const (
	// many is how many places of a region, or of an account, are told of as one.
	many = 3
	// most is how many alerts are told of at once.
	most = 10
)

// A ruling is what is to be told.
type ruling struct {
	begun, ended, changed []alarm
	// now are the alarms that go on, the begun ones among them.
	now []alarm
}

// judge says what is to be told of a trouble, given what was told of it before. With
// hold nothing begins. again is how long after a telling a change is told of.
func judge(what trouble, before []alarm, all []standing, now time.Time, again time.Duration, hold bool) ruling {
	var r ruling
	alarms := slices.DeleteFunc(slices.Clone(before), func(a alarm) bool { return a.Trouble != what })
	slices.SortFunc(alarms, func(a, b alarm) int { return compareScopes(a.scope, b.scope) })
	// Each place that is not well is of the narrowest alarm that has it.
	count := make([]int, len(alarms))
	var fresh []standing
	for _, p := range all {
		if p.health == well {
			continue
		}
		i := slices.IndexFunc(alarms, func(a alarm) bool { return a.has(p.Place) })
		switch {
		case i >= 0:
			count[i]++
		case p.health == ill:
			fresh = append(fresh, p)
		}
	}
	for i, a := range alarms {
		switch {
		case count[i] == 0:
			r.ended = append(r.ended, a)
			continue
		case count[i] != a.Places && now.Sub(a.ToldAt) >= again:
			a.Places, a.ToldAt = count[i], now
			r.changed = append(r.changed, a)
		}
		r.now = append(r.now, a)
	}
	if hold {
		return r
	}
	r.begun = begin(what, fold(fresh, all), fresh, now)
	r.now = append(r.now, r.begun...)
	return r
}

// begin makes the alarms of the scopes, which have each of fresh.
func begin(what trouble, scopes []scope, fresh []standing, now time.Time) []alarm {
	begun := make([]alarm, len(scopes))
	for i, s := range scopes {
		begun[i] = alarm{Trouble: what, scope: s, ToldAt: now}
	}
	for _, p := range fresh {
		i := slices.IndexFunc(scopes, func(s scope) bool { return s.has(p.Place) })
		a := &begun[i]
		a.Places++
		if a.Since.IsZero() || p.since.Before(a.Since) {
			a.Since = p.since
		}
	}
	return begun
}

// fold says as what the places that are newly ill are told of, so that one thing that
// broke is one alert: everything, a region, an account, or a place by itself.
func fold(fresh, all []standing) (scopes []scope) {
	if len(fresh) == 0 {
		return nil
	}
	total := map[scope]int{}
	sick := map[scope]int{}
	for _, p := range all {
		for _, s := range groups(p.Place) {
			total[s]++
			if p.health == ill {
				sick[s]++
			}
		}
	}
	everything := scope{}
	if len(fresh) > 1 && sick[everything] == total[everything] && !oneGroup(fresh) {
		return []scope{everything}
	}
	left := slices.Clone(fresh)
	for len(left) > 0 {
		best, n := best(left, total, sick)
		if n == 0 {
			break
		}
		scopes = append(scopes, best)
		left = slices.DeleteFunc(left, func(p standing) bool { return best.has(p.Place) })
	}
	for _, p := range left {
		scopes = append(scopes, scope{p.Account, p.Region})
	}
	if len(scopes) > most {
		return []scope{everything}
	}
	slices.SortFunc(scopes, compareScopes)
	return scopes
}

// groups are the scopes that a place is in, besides its own.
func groups(p tocsin.Place) []scope {
	return []scope{{Region: p.Region}, {Account: p.Account}, {}}
}

// oneGroup reports whether all are of one region or of one account.
func oneGroup(all []standing) bool {
	region, account := true, true
	for _, p := range all[1:] {
		region = region && p.Region == all[0].Region
		account = account && p.Account == all[0].Account
	}
	return region || account
}

// best is the region or account that most of left are in, and how many of them; 0
// where none is worth telling of as one: many of it, or all that there is.
func best(left []standing, total, sick map[scope]int) (scope, int) {
	in := map[scope]int{}
	for _, p := range left {
		for _, s := range groups(p.Place)[:2] {
			in[s]++
		}
	}
	var found scope
	for s, n := range in {
		if n < many && (n < 2 || sick[s] < total[s]) {
			continue
		}
		if better := cmp.Or(cmp.Compare(n, in[found]), compareGroups(found, s)); better > 0 {
			found = s
		}
	}
	return found, in[found]
}

// compareGroups puts regions before accounts, and both by name.
func compareGroups(a, b scope) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
}
