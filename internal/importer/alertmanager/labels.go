package alertmanager

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/pattern"
)

// labelsAt is where an alert has the labels of Prometheus: they are tags of its
// resource.
const labelsAt = "resource.tags."

// A set is which values of one label are asked for: those that are named, or all
// but those.
type set struct {
	absent bool // also none at all
	but    bool // all values but the globs
	globs  []glob
	// also are values that are in it besides, and except those that are not.
	also, except []string
	exact        bool // false: it has more in it than was asked for
}

func (s set) everything() bool { return s.but && len(s.globs) == 0 && s.absent }
func (s set) nothing() bool    { return !s.but && len(s.globs) == 0 && !s.absent }

// setOf is what one matcher asks for.
func setOf(m matcher) set {
	s := set{absent: m.matches(""), but: m.negative, exact: true}
	switch {
	case m.regex == nil && m.value != "":
		s.globs = []glob{literal(m.value)}
	case m.regex == nil:
	default:
		s.globs, s.exact = globs(m.value)
		if m.negative && !s.exact {
			s.globs = nil // less is left out than should be
		}
	}
	s.globs = slices.DeleteFunc(s.globs, glob.isEmpty)
	if slices.ContainsFunc(s.globs, glob.isAnything) { // a value that is there has something in it
		s.globs, s.but = nil, !s.but
		return s
	}
	for _, g := range s.globs {
		if bare := strings.Join(g.texts, ""); g.plus && m.negative && m.matches(bare) {
			s.also = append(s.also, bare)
		} else if g.plus && !m.negative && !m.matches(bare) {
			s.except = append(s.except, bare)
		}
	}
	return s
}

// finite reports whether the set names each of its values.
func (s set) finite() bool {
	return !s.but && !slices.ContainsFunc(s.globs, func(g glob) bool { return !g.isLiteral() || g.fold })
}

// intersect is what all matchers of one label ask for together.
func intersect(ms []matcher) set {
	sets := make([]set, len(ms))
	for i, m := range ms {
		sets[i] = setOf(m)
	}
	absent := !slices.ContainsFunc(sets, func(s set) bool { return !s.absent })
	refused := func(value string) bool {
		return slices.ContainsFunc(ms, func(m matcher) bool { return !m.matches(value) })
	}
	if i := slices.IndexFunc(sets, set.finite); i >= 0 {
		s := set{absent: absent, exact: true}
		s.globs = slices.DeleteFunc(sets[i].globs, func(g glob) bool { return refused(g.texts[0]) })
		return s
	}
	out := set{but: true, absent: absent, exact: true}
	for _, s := range sets {
		out.also = append(out.also, s.also...)
		switch {
		case s.but && out.but:
			out.globs = append(out.globs, s.globs...)
			out.exact = out.exact && s.exact
		case s.but && len(s.globs) == 0:
			out.exact = out.exact && s.exact
		case out.but && len(out.globs) == 0:
			out.but, out.globs, out.except, out.exact = false, s.globs, s.except, out.exact && s.exact
		default: // both at once is more than a pattern can say
			if out.but {
				out.but, out.globs = false, s.globs
			}
			out.exact, out.except = false, nil
		}
	}
	out.also = slices.DeleteFunc(out.also, refused)
	return out
}

// alternatives are the set as the leaf of an event pattern. ok is false where there
// is no such leaf; then what is returned asks for more values.
func (s set) alternatives() (leaf []any, ok bool) {
	ok = true
	if s.absent {
		leaf = append(leaf, map[string]any{"exists": false})
	}
	if !s.but {
		for _, g := range s.globs {
			alternative, good := g.alternative()
			leaf, ok = append(leaf, alternative), ok && good
		}
		return leaf, ok
	}
	for _, value := range s.also {
		leaf = append(leaf, exactly(value))
	}
	if len(s.globs) == 0 {
		return append(leaf, map[string]any{"exists": true}), true
	}
	var texts, wild, folded []string
	for _, g := range s.globs {
		switch {
		case g.fold && g.isLiteral():
			folded = append(folded, g.texts[0])
		case g.fold:
			ok = false
		case g.isLiteral() && !isAddress(g.texts[0]):
			texts = append(texts, g.texts[0])
			wild = append(wild, g.wildcard())
		default:
			wild = append(wild, g.wildcard())
		}
	}
	switch {
	case len(folded) > 0 && len(wild) > 0, !ok:
		return append(leaf, map[string]any{"exists": true}), false
	case len(folded) > 0:
		return append(leaf, map[string]any{"anything-but": map[string]any{"equals-ignore-case": folded}}), ok
	case len(texts) == len(wild):
		return append(leaf, map[string]any{"anything-but": texts}), ok
	}
	return append(leaf, map[string]any{"anything-but": map[string]any{"wildcard": wild}}), ok
}

// isAddress reports whether a pattern might take the text for an IP address, and
// match every spelling of it. It errs on the side of yes, which costs nothing.
func isAddress(text string) bool {
	return strings.ContainsAny(text, ".:") && strings.Trim(text, "0123456789abcdefABCDEFxX.:%/") == ""
}

// alternative is the glob as one of the alternatives of a leaf.
func (g glob) alternative() (_ any, ok bool) {
	var what any
	switch n := len(g.texts); {
	case n == 1 && g.fold:
		return map[string]any{"equals-ignore-case": g.texts[0]}, true
	case n == 1:
		return exactly(g.texts[0]), true
	case n == 2 && g.texts[1] == "":
		what = "prefix"
	case n == 2 && g.texts[0] == "":
		what = "suffix"
	case g.fold:
		return map[string]any{"exists": true}, false
	default:
		return map[string]any{"wildcard": g.wildcard()}, true
	}
	var text any = g.texts[0] + g.texts[1]
	if g.fold {
		text = map[string]any{"equals-ignore-case": text}
	}
	return map[string]any{what.(string): text}, true
}

// exactly is a text as an alternative that matches it and no other spelling.
func exactly(text string) any {
	if isAddress(text) {
		return map[string]any{"wildcard": literal(text).wildcard()}
	}
	return text
}

func (g glob) wildcard() string {
	texts := make([]string, len(g.texts))
	for i, t := range g.texts {
		texts[i] = strings.NewReplacer(`\`, `\\`, `*`, `\*`).Replace(t)
	}
	return strings.Join(texts, "*")
}

// A condition is what matchers ask for, as an event pattern over an alert.
type condition struct {
	// text is the pattern as JSON; "" matches every alert.
	text string
	// exact is false where the pattern matches more alerts than the matchers do.
	exact bool
	// never says that no alert matches.
	never bool
	// except is a pattern of the few alerts that text matches and the matchers do not;
	// "" where there are none.
	except string
	// loose are the matchers that have no pattern.
	loose []matcher
}

// same reports whether the pattern alone means the same.
func (c condition) same() bool { return c.exact && c.except == "" }

// ofPrometheus is the pattern for alerts of Prometheus alone. Alertmanager has no others,
// and a pattern such as that of severity!="critical" would hide those of GuardDuty, which
// have no such label.
func (c condition) ofPrometheus() string {
	only := `{"rule":["` + ruleName + `"]`
	if c.text == "" {
		return only + "}"
	}
	return only + "," + strings.TrimPrefix(c.text, "{")
}

// conditionOf makes one pattern of all matchers, which have to match together.
func conditionOf(ms []matcher) condition {
	byLabel := map[string][]matcher{}
	var order []string
	for _, m := range ms {
		if byLabel[m.label] == nil {
			order = append(order, m.label)
		}
		byLabel[m.label] = append(byLabel[m.label], m)
	}
	c := condition{exact: true}
	leaves := map[string]any{}
	exceptions := map[string][]any{}
	for _, label := range order {
		s := intersect(byLabel[label])
		if s.nothing() {
			return condition{exact: s.exact, never: true}
		}
		leaf, ok := s.alternatives()
		_, err := patternOf(map[string]any{label: leaf})
		for _, value := range s.except {
			exceptions[label] = append(exceptions[label], exactly(value))
		}
		if !ok || !s.exact || err != nil || len(exceptions) > 1 {
			c.exact, c.loose = false, append(c.loose, byLabel[label]...)
		}
		if err == nil && !s.everything() {
			leaves[label] = leaf
		}
	}
	if len(leaves) == 0 {
		return c
	}
	text, err := patternOf(leaves)
	if err != nil { // all of them together are too much
		return condition{loose: ms}
	}
	c.text = text
	if len(exceptions) == 0 || !c.exact {
		return c
	}
	for label, values := range exceptions { // of one label
		leaves[label] = values
	}
	if c.except, err = patternOf(leaves); err != nil {
		return condition{text: text, loose: ms}
	}
	return c
}

// patternOf is a pattern over labels, if there is such a one.
func patternOf(leaves map[string]any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"resource": map[string]any{"tags": leaves}}); err != nil {
		return "", err
	}
	text := strings.TrimSpace(b.String())
	_, err := pattern.Parse([]byte(text))
	return text, err
}

func matchersText(ms []matcher) string {
	texts := make([]string, len(ms))
	for i, m := range ms {
		texts[i] = m.String()
	}
	return strings.Join(texts, ", ")
}

// said is {matchers} as Alertmanager shows them.
func said(ms []matcher) string { return importer.OneLine("{" + matchersText(ms) + "}") }
