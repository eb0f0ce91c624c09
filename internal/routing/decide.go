package routing

import (
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Decision is what the routes make of an alert. Somebody is told (Targets, or
// Policy, or both) unless Drop says why not, or everything is a shadow.
//
// Where several routes take an alert, their receivers add up. Of what there can be
// only one, the first that says it decides; the first window is the shortest of
// those that tell somebody.
type Decision struct {
	// Targets are receivers to be told, each once, by the first way.
	Targets []Target `json:"targets,omitempty"`
	// Team owns the alert; it need not be a team that there is, since an account may
	// name any.
	Team string `json:"team,omitempty"`
	// Policy is what the alert climbs, PolicyWhy by what it came to that.
	Policy    string `json:"policy,omitempty"`
	PolicyWhy string `json:"policy_why,omitempty"`
	// Routes are those that decided, in order.
	Routes []string `json:"routes,omitempty"`

	Level tocsin.Level      `json:"level"` // what it is told as
	Title string            `json:"title,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
	// FirstWindow is how long the first notification waits.
	FirstWindow time.Duration  `json:"first_window,omitempty"`
	Updates     tocsin.Updates `json:"updates,omitempty"`
	// Limits are the storm limits, by the Why of targets and policy.
	Limits []Limit `json:"limits,omitempty"`
	// Digest, which a [Storm] sets, is when a digest is due that tells of it instead
	// of the policy's first step; zero tells it singly.
	Digest time.Time `json:"digest,omitzero"`

	// Drop is why nobody is told.
	Drop string `json:"drop,omitempty"`
	// Fallback says that it went to the fallback since nobody else could be told.
	Fallback bool `json:"fallback,omitempty"`
	// Shadows are what would have been besides.
	Shadows []Shadow `json:"shadows,omitempty"`
	// Hide are the fields that are not to leave, by receiver; "" has them for whoever
	// is told by a policy, a person or the fallback. nil hides nothing.
	Hide map[string][]string `json:"hide,omitempty"`
}

// OnlyShadows reports whether nobody is told, but only because what would tell
// them is in shadow.
func (d Decision) OnlyShadows() bool {
	return len(d.Targets) == 0 && d.Policy == "" && len(d.Shadows) > 0
}

// A Target is a receiver to be told, and by which route it came to that.
type Target struct {
	Receiver string `json:"receiver"`
	Why      string `json:"why"`
	Fallback bool   `json:"fallback,omitempty"` // nobody else was to be told
	// Digest, which a [Storm] sets, is when a digest is due that tells of the alert;
	// zero tells it singly.
	Digest time.Time `json:"digest,omitzero"`
}

// A Limit is how many new alerts a minute one route tells singly.
type Limit struct {
	Route     string `json:"route"`
	PerMinute int    `json:"per_minute"`
}

// A Shadow is what a route would have done.
type Shadow struct {
	Route     string   `json:"route"`
	Team      string   `json:"team,omitempty"`
	Policy    string   `json:"policy,omitempty"`
	Receivers []string `json:"receivers,omitempty"`
	Drop      string   `json:"drop,omitempty"`
}

// Route is the receivers that Decide names.
func (rs *Routes) Route(a tocsin.Alert) []Target { return rs.Decide(a).Targets }

// Decide says whose the alert is and who is told of it. It does not look at the
// team and the tags that the alert has by now, since they came from here.
func (rs *Routes) Decide(a tocsin.Alert) Decision {
	a.Team, a.Tags = "", nil
	h := rs.home(a.Account)
	w := walk{rs: rs, home: h}
	if len(rs.nodes) > 0 {
		var room [16]int
		w.among(rs.matching(&a, h, room[:0]), root, len(rs.nodes))
	}
	w.finish(a.Level)
	return w.Decision
}

func (rs *Routes) home(account string) *home {
	if h := rs.homes[account]; h != nil {
		return h
	}
	return &rs.stranger
}

// matching are the nodes whose patterns match, in order, whether or not those
// above them do.
func (rs *Routes) matching(a *tocsin.Alert, h *home, room []int) []int {
	// A document is always a JSON object. Could it not be matched all the same, no
	// route with a pattern would match, and the owner or the fallback would be told.
	hits, _ := rs.set.Match(document(a, &h.account), room)
	if len(rs.always) > 0 {
		hits = append(hits, rs.always...)
		slices.Sort(hits)
	}
	return hits
}

// A walk is on its way through the tree.
type walk struct {
	Decision
	rs   *Routes
	home *home

	drop    string
	level   tocsin.Level // that a route said
	atLeast tocsin.Level
	waits   bool // FirstWindow was said
	hidings []hiding
}

// among walks the matching children of a node, which are among the hits before
// end. It returns the hits after them, and whether one took the alert.
func (w *walk) among(hits []int, parent, end int) (rest []int, took bool) {
	done := false
	for len(hits) > 0 && hits[0] < end {
		i := hits[0]
		hits = hits[1:]
		n := &w.rs.nodes[i]
		if done || n.parent != parent { // or the one above it does not match
			continue
		}
		if n.Otherwise && w.decided() {
			continue
		}
		var below bool
		hits, below = w.among(hits, i, n.end)
		if !below {
			w.take(n)
		}
		if n.Shadow && (parent == root || !w.rs.nodes[parent].Shadow) {
			continue // as if it were not there
		}
		took, done = true, !n.Continue
	}
	return hits, took
}

// decided reports whether a route has told somebody, or said why not.
func (w *walk) decided() bool { return w.Policy != "" || len(w.Targets) > 0 || w.drop != "" }

// take has a route decide.
func (w *walk) take(n *node) {
	c := w.rs.claimOf(n, w.home)
	if n.Shadow {
		w.Shadows = append(w.Shadows, Shadow{Route: n.Name, Team: c.team, Policy: c.policy, Receivers: c.receivers, Drop: n.Drop})
		return
	}
	w.Routes = append(w.Routes, n.Name)
	if n.Drop != "" {
		w.drop = n.Drop
		return
	}
	w.say(n)
	if !c.nobody() {
		w.tell(c, n.storm(w.rs.storm))
	}
	if len(n.Hide) > 0 {
		w.hidings = append(w.hidings, hiding{n.Hide, c.receivers, c.nobody()})
	}
}

// A hiding is what one route hides, and from which receivers; from everybody if it
// names nobody itself.
type hiding struct {
	fields, receivers []string
	everybody         bool
}

// hidden says what each receiver that is told does not get to see. Whoever is not
// told by a route itself is kept from what any of them hides.
func (w *walk) hidden() map[string][]string {
	if len(w.hidings) == 0 {
		return nil
	}
	all := map[string][]string{"": nil}
	for _, t := range w.Targets {
		all[t.Receiver] = []string{}
	}
	for _, h := range w.hidings {
		for r := range all {
			if r != "" && !h.everybody && !slices.Contains(h.receivers, r) {
				continue
			}
			for _, f := range h.fields {
				if !slices.Contains(all[r], f) {
					all[r] = append(all[r], f)
				}
			}
		}
	}
	return all
}

// say takes from the route what it says besides who is told. One that names
// somebody and no window tells at once.
func (w *walk) say(n *node) {
	if w.level == tocsin.Unknown {
		w.level = n.Level
	}
	if w.atLeast == tocsin.Unknown {
		w.atLeast = n.AtLeast
	}
	if w.Title == "" {
		w.Title = n.Title
	}
	if w.Updates == "" {
		w.Updates = n.Updates
	}
	for k, v := range n.Tags {
		if _, said := w.Tags[k]; said {
			continue
		}
		if w.Tags == nil {
			w.Tags = map[string]string{}
		}
		w.Tags[k] = v
	}
	var window time.Duration
	switch {
	case n.FirstWindow != nil:
		window = *n.FirstWindow
	case n.Team == "" && n.claim.nobody():
		return
	}
	if !w.waits || window < w.FirstWindow {
		w.FirstWindow, w.waits = window, true
	}
}

// tell adds those whom the claim names.
func (w *walk) tell(c claim, perMinute int) {
	if w.Targets == nil && len(c.receivers) > 0 {
		w.Targets = make([]Target, 0, len(c.receivers))
	}
	for _, r := range c.receivers {
		if !slices.ContainsFunc(w.Targets, func(t Target) bool { return t.Receiver == r }) {
			w.Targets = append(w.Targets, Target{Receiver: r, Why: c.why, Fallback: c.fallback})
		}
	}
	if w.Policy == "" && c.policy != "" {
		w.Policy, w.PolicyWhy = c.policy, c.why
	}
	if w.Team == "" {
		w.Team = c.team
	}
	w.Fallback = w.Fallback || c.fallback
	if !slices.ContainsFunc(w.Limits, func(l Limit) bool { return l.Route == c.why }) {
		w.Limits = append(w.Limits, Limit{Route: c.why, PerMinute: perMinute})
	}
}

// finish decides what the routes left open.
func (w *walk) finish(level tocsin.Level) {
	if w.Policy == "" && len(w.Targets) == 0 {
		w.Drop = w.drop
		if w.drop == "" {
			w.tell(w.home.claim, w.rs.storm)
		}
	}
	if w.Team == "" {
		w.Team = w.home.account.Team
	}
	if w.Updates == "" {
		w.Updates = w.rs.teams[w.Team].Updates
	}
	w.Level = level
	if w.level != tocsin.Unknown {
		w.Level = w.level
	}
	w.Level = max(w.Level, w.atLeast)
	w.Hide = w.hidden()
	if w.rs.shadow {
		w.fade()
	}
}

// fade makes a shadow of everything: a line for each way by which somebody would
// have been told.
func (w *walk) fade() {
	for _, l := range w.Limits {
		s := Shadow{Route: l.Route, Team: w.Team}
		if w.PolicyWhy == l.Route {
			s.Policy = w.Policy
		}
		for _, t := range w.Targets {
			if t.Why == l.Route {
				s.Receivers = append(s.Receivers, t.Receiver)
			}
		}
		w.Shadows = append(w.Shadows, s)
	}
	w.Targets, w.Policy, w.PolicyWhy, w.Limits, w.Fallback = nil, "", "", nil, false
}
