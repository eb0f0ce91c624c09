package routing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Trace is how a [Decision] came about.
type Trace struct {
	// Document is what the routes saw.
	Document json.RawMessage `json:"document"`
	// Steps are the routes in the order in which they were looked at. What is below a
	// route that does not match is left out.
	Steps []Step `json:"steps"`
	// Owner says whose the account is, and by what.
	Owner string `json:"owner"`
	// Notes are what one might wonder at.
	Notes    []string `json:"notes,omitempty"`
	Decision Decision `json:"decision"`
}

// A Step is one route that was looked at, or would have been.
type Step struct {
	Route  string     `json:"route"`
	Depth  int        `json:"depth,omitempty"` // how many routes stand above it
	Result StepResult `json:"result"`
	// Why are lines: each leaf of the pattern with what the alert has there.
	Why []string `json:"why,omitempty"`
	// Inherited is what the route has from those above.
	Inherited []Inheritance `json:"inherited,omitempty"`
	// Outcome is what followed, in words: "tells pager, soc; goes on".
	Outcome string `json:"outcome,omitempty"`
}

// A StepResult says whether a route matched.
type StepResult string

// The results.
const (
	Matched    StepResult = "matched"
	NotMatched StepResult = "not matched"
	NotReached StepResult = "not reached" // one before it took the alert
)

// Explain says what Decide does, step by step.
func (rs *Routes) Explain(a tocsin.Alert) Trace {
	a.Team, a.Tags = "", nil // as Decide does
	h := rs.home(a.Account)
	x := explanation{rs: rs, home: h, hits: rs.matching(&a, h, nil)}
	x.Document = document(&a, &h.account)
	x.Decision = rs.Decide(a)
	x.Owner = h.describe(a.Account)
	x.among(root, len(rs.nodes))
	if x.Decision.Fallback {
		x.note("nobody else was to be told: the fallback was")
	}
	return x.Trace
}

func (h *home) describe(id string) string {
	switch {
	case h.account.Team == "" && h.account.ID == "":
		return fmt.Sprintf("nobody owns account %q, which the configuration does not name", id)
	case h.account.Team == "" && len(h.account.Receivers) > 0:
		return "account " + h.account.Label() + " has receivers of its own and no team"
	case h.account.Team == "":
		return "nobody owns account " + h.account.Label()
	}
	return "team " + h.account.Team + ", owner of " + h.by
}

// An explanation is a trace that is being made.
type explanation struct {
	Trace
	rs   *Routes
	home *home
	hits []int
}

func (x *explanation) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(x.Notes, n) {
		x.Notes = append(x.Notes, n)
	}
}

// among goes through the children of a node as a walk does, and tells of those that
// a walk need not look at as well.
func (x *explanation) among(parent, end int) (took bool) {
	taker := ""
	for i := parent + 1; i < end; i = x.rs.nodes[i].end {
		n := &x.rs.nodes[i]
		at := len(x.Steps)
		x.Steps = append(x.Steps, Step{Route: n.Name, Depth: n.depth, Result: NotReached, Inherited: n.inherited})
		step := func() *Step { return &x.Steps[at] }
		if taker != "" {
			step().Outcome = fmt.Sprintf("%q took it", taker)
			continue
		}
		step().Why = x.why(n)
		if !slices.Contains(x.hits, i) {
			step().Result = NotMatched
			continue
		}
		if n.Otherwise && !slices.Contains(x.Decision.Routes, n.Name) && !n.Shadow {
			step().Outcome = "a route before it has decided"
			continue
		}
		step().Result = Matched
		if x.among(i, n.end) {
			step().Outcome = "left to its children"
		} else {
			step().Outcome = x.outcome(n)
		}
		if n.Continue {
			step().Outcome += "; goes on"
		}
		if n.Shadow && (parent == root || !x.rs.nodes[parent].Shadow) {
			continue
		}
		took = true
		if !n.Continue {
			taker = n.Name
		}
	}
	return took
}

// why are the leaves of the route's pattern.
func (x *explanation) why(n *node) []string {
	if n.Pattern == nil {
		return []string{"has no pattern: matches every alert"}
	}
	e, err := n.Pattern.Explain(x.Document)
	if err != nil {
		return []string{err.Error()} // cannot be: the document is a JSON object
	}
	_, leaves, _ := strings.Cut(strings.TrimRight(e.String(), "\n"), "\n")
	if leaves == "" {
		return nil
	}
	lines := strings.Split(leaves, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return lines
}

// outcome is what the route does by itself.
func (x *explanation) outcome(n *node) string {
	c := x.rs.claimOf(n, x.home)
	var does string
	switch {
	case n.Drop != "":
		does = "drops it: " + n.Drop
	case c.nobody():
		does = "tells nobody by itself"
	case c.fallback:
		does = "leaves it to the owner, and there is none that can be told: the fallback " + tells(c.policy, c.receivers)
	case n.Team == "" && n.claim.nobody():
		does = "leaves it to the owner: " + tells(c.policy, c.receivers)
	default:
		does = tells(c.policy, c.receivers)
	}
	if c.team != "" {
		does += "; for team " + c.team
	}
	if more := n.adds(); more != "" {
		does += "; " + more
	}
	if n.Shadow {
		return "shadow, nothing is sent: " + does
	}
	if c.policy != "" && c.policy != x.Decision.Policy && x.Decision.Policy != "" {
		x.note("policy %s of %q is not climbed: an alert climbs one, and %s of %q came first", c.policy, n.Name, x.Decision.Policy, x.Decision.PolicyWhy)
	}
	return does
}

// adds is what the route says besides who is told.
func (n *node) adds() string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if n.Level != tocsin.Unknown {
		add("level %s", n.Level)
	}
	if n.AtLeast != tocsin.Unknown {
		add("level %s at least", n.AtLeast)
	}
	if n.Title != "" {
		add("title %q", n.Title)
	}
	for _, k := range sortedKeys(n.Tags) {
		add("tag %s=%s", k, n.Tags[k])
	}
	if n.FirstWindow != nil {
		add("first window %s", shortly(*n.FirstWindow))
	}
	if n.Updates != "" {
		add("updates %s", n.Updates)
	}
	if n.Storm != 0 {
		add("storm %d a minute", n.Storm)
	}
	return strings.Join(all, ", ")
}

func tells(policy string, receivers []string) string {
	switch {
	case policy == "" && len(receivers) == 0:
		return "tells nobody"
	case policy == "":
		return "tells " + strings.Join(receivers, ", ")
	case len(receivers) == 0:
		return "climbs policy " + policy
	}
	return "tells " + strings.Join(receivers, ", ") + "; climbs policy " + policy
}

// shortly is "5m" rather than "5m0s".
func shortly(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		return strings.TrimSuffix(s, "0s")
	}
	return s
}

// String tells it in lines, a route each with the leaves of its pattern below:
//
//	no   critical
//	       no   level  is "high", want ["critical"]
//	yes  production: left to its children
//	       yes  environment  is "prod", want ["prod"]
//	  yes  web: tells web-slack
//	         receivers from "production"
//	--   everything else: "production" took it
//	owner: team payments, owner of account payments-prod (111122223333)
//	told: web-slack (web)
func (t Trace) String() string {
	var b strings.Builder
	for _, s := range t.Steps {
		indent := strings.Repeat("  ", s.Depth)
		fmt.Fprintf(&b, "%s%-3s  %s", indent, stepSigns[s.Result], s.Route)
		if s.Outcome != "" {
			b.WriteString(": " + s.Outcome)
		}
		b.WriteByte('\n')
		for _, line := range s.Why {
			fmt.Fprintf(&b, "%s       %s\n", indent, line)
		}
		if s.Result != Matched {
			continue
		}
		for _, h := range s.Inherited {
			fmt.Fprintf(&b, "%s       %s from %q\n", indent, h.Field, h.From)
		}
	}
	fmt.Fprintf(&b, "owner: %s\n", t.Owner)
	for _, n := range t.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	t.Decision.write(&b)
	return b.String()
}

var stepSigns = map[StepResult]string{Matched: "yes", NotMatched: "no", NotReached: "--"}

func (d Decision) write(b *strings.Builder) {
	var told []string
	for _, t := range d.Targets {
		told = append(told, fmt.Sprintf("%s (%s)", t.Receiver, t.Why))
	}
	if d.Policy != "" {
		told = append(told, fmt.Sprintf("policy %s (%s)", d.Policy, d.PolicyWhy))
	}
	switch {
	case d.Drop != "":
		fmt.Fprintf(b, "told: nobody: %s\n", d.Drop)
	case len(told) == 0:
		b.WriteString("told: nobody, since everything is a shadow\n")
	default:
		fmt.Fprintf(b, "told: %s\n", strings.Join(told, ", "))
	}
	fmt.Fprintf(b, "as: %s", d.Level)
	if d.Title != "" {
		fmt.Fprintf(b, ", %q", d.Title)
	}
	if d.Team != "" {
		b.WriteString(", of team " + d.Team)
	}
	if d.FirstWindow > 0 {
		b.WriteString(", after a first window of " + shortly(d.FirstWindow))
	}
	if d.Updates != "" {
		b.WriteString(", updates " + string(d.Updates))
	}
	for _, k := range sortedKeys(d.Tags) {
		fmt.Fprintf(b, ", %s=%s", k, d.Tags[k])
	}
	b.WriteByte('\n')
	for _, s := range d.Shadows {
		who := tells(s.Policy, s.Receivers)
		if s.Drop != "" {
			who = "drops it: " + s.Drop
		}
		fmt.Fprintf(b, "shadow: %s: %s\n", s.Route, who)
	}
}
