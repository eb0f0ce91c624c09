package alertmanager

import (
	"fmt"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/importer"
)

// A route is one of Alertmanager's.
type route struct {
	at       *importer.Node
	matchers []matcher
	receiver string // its own or, where it says none, that of the route above
	goesOn   bool
	routes   []*route
}

func (i *importing) readRoute(n *importer.Node, above *route) (*route, error) {
	if !n.Is(importer.Mapping) {
		return nil, importer.Failure(n, "a route is %s, want a mapping", n.Kind)
	}
	r := &route{at: n, goesOn: n.At("continue").True()}
	var err error
	if r.receiver, err = n.Str("receiver"); err != nil {
		return nil, err
	}
	if r.matchers, err = matchersOf(n, ""); err != nil {
		return nil, err
	}
	switch {
	case above == nil && r.receiver == "":
		return nil, importer.Failure(n, "the top route has no receiver")
	case above == nil && len(r.matchers) > 0:
		return nil, importer.Failure(n, "the top route has matchers; it takes every alert")
	case above == nil && r.goesOn:
		return nil, importer.Failure(n, "the top route says continue, and there is no route beside it")
	case r.receiver == "":
		r.receiver = above.receiver
	}
	if _, known := i.told[r.receiver]; !known {
		return nil, importer.Failure(n.At("receiver"), "no receiver %q", r.receiver)
	}
	for _, key := range []string{"mute_time_intervals", "active_time_intervals"} {
		if v := n.At(key); v != nil {
			i.draft.Remark(v.Take(), "%s: tocsin's routes have none: they tell around the clock", key)
		}
	}
	for _, child := range n.At("routes").List() {
		c, err := i.readRoute(child, r)
		if err != nil {
			return nil, err
		}
		r.routes = append(r.routes, c)
	}
	return r, nil
}

// tells are our receivers of the route; none where it is there to tell nobody.
// What Alertmanager would have told somebody is told to somebody here.
func (i *importing) tells(r *route, fallback []string) []string {
	if i.lost[r.receiver] {
		return fallback
	}
	return i.told[r.receiver]
}

// routeMap is the route with all below it; nil where it is better left out. c is
// its condition, or a wider one.
func (i *importing) routeMap(r *route, c condition, fallback []string, top bool) *importer.Map {
	for _, m := range c.loose {
		i.draft.Remark(m.at, "matcher %s: no event pattern means the same; the route takes more alerts and goes on to the next one", said([]matcher{m}))
	}
	tells := i.tells(r, fallback)
	if c.never {
		i.draft.Remark(r.at, "route %s: no alert can match it; it is left out", said(r.matchers))
		return nil
	}
	name, children, goesOn := i.routeName(r, top), i.children(r, r.routes, fallback), r.goesOn || !c.exact
	if len(tells) == 0 && goesOn && len(children) == 0 {
		i.draft.Remark(r.at, "route %s: tells nobody and goes on; it is left out, so that where nothing behind it matches the route above decides", said(r.matchers))
		return nil
	}
	m := (&importer.Map{}).Set("name", name, fmt.Sprintf("from %s: receiver %q", r.at.Where(), r.receiver))
	if c.text != "" {
		m.Set("pattern", importer.Block(c.text))
	}
	if len(tells) == 0 && goesOn {
		i.draft.Remark(r.at, "route %s: tells nobody and goes on; where none of the routes within matches, the route above decides", said(r.matchers))
	} else {
		outcome(m, r, tells)
	}
	if goesOn {
		m.Set("continue", true)
	}
	if len(children) > 0 {
		m.Set("routes", children)
	}
	return m
}

// outcome sets who is told, or why nobody is.
func outcome(m *importer.Map, r *route, tells []string) {
	if len(tells) > 0 {
		m.Set("receivers", tells)
		return
	}
	m.Set("drop", fmt.Sprintf("receiver %s tells nobody", importer.OneLine(r.receiver)))
}

// mostRoutes bounds how many routes are written, since some are written twice.
const mostRoutes = 5000

// children are the routes within r, or the last of them. Behind those that take too
// much comes one that does what r does itself: they may have kept it from that.
//
// Where only a few alerts are too many, as prod- alone is of prod-.+, a route before
// takes those, and has the routes behind within it once more.
func (i *importing) children(r *route, routes []*route, fallback []string) importer.Items {
	var all importer.Items
	loose, wentOn := false, false
	for k, child := range routes {
		c := conditionOf(child.matchers)
		if c.except != "" {
			if wentOn || len(i.routeNames) > mostRoutes {
				c.exact, c.loose = false, child.matchers
			} else {
				all = append(all, i.exception(r, child, c, routes[k+1:], fallback))
			}
		}
		loose, wentOn = loose || !c.exact, wentOn || child.goesOn || !c.exact
		if m := i.routeMap(child, c, fallback, false); m != nil {
			all = append(all, m)
		}
	}
	if tells := i.tells(r, fallback); loose && len(tells) > 0 {
		all = append(all, (&importer.Map{}).Set("name", i.unique(fmt.Sprintf("rest of line %d", r.at.Line)), "what the routes above may have taken without a match").
			Set("receivers", tells))
	}
	return all
}

// exception is the route of what the child's pattern matches and its matchers do
// not: for that it is as if the child were not there.
func (i *importing) exception(r, child *route, c condition, behind []*route, fallback []string) *importer.Map {
	m := (&importer.Map{}).Set("name", i.unique("not "+said(child.matchers)), "what the next route would take, and does not in "+child.at.Where()).
		Set("pattern", importer.Block(c.except))
	outcome(m, r, i.tells(r, fallback))
	if children := i.children(r, behind, fallback); len(children) > 0 {
		m.Set("routes", children)
	}
	return m
}

// routeName is what messages say that they came by.
func (i *importing) routeName(r *route, top bool) string {
	if top {
		return i.unique("alertmanager")
	}
	text := said(r.matchers)
	const longest = 80
	if utf8.RuneCountInString(text) > longest {
		text = string([]rune(text)[:longest]) + "…"
	}
	if i.routeNames[text] {
		text += fmt.Sprintf(" (line %d)", r.at.Line)
	}
	return i.unique(text)
}

func (i *importing) unique(name string) string {
	whole := name
	for n := 2; i.routeNames[name]; n++ {
		name = fmt.Sprintf("%s (%d)", whole, n)
	}
	i.routeNames[name] = true
	return name
}
