package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// reach finds patterns that have no chance since one before them takes all that
// they would match. It errs on the side of silence: what it cannot tell is taken
// to be reached.
type reach struct {
	labels   []string
	patterns []map[string]any
}

// add remembers a pattern that takes what it matches.
func (r *reach) add(label string, p map[string]any) {
	if p != nil {
		r.labels, r.patterns = append(r.labels, label), append(r.patterns, p)
	}
}

// by is the label of a pattern that takes all that every one of these matches at
// once, or empty.
func (r *reach) by(all ...map[string]any) string {
	if slices.ContainsFunc(all, func(p map[string]any) bool { return p == nil }) {
		return ""
	}
	for i, earlier := range r.patterns {
		if covers(earlier, all) {
			return r.labels[i]
		}
	}
	return ""
}

func object(text []byte) map[string]any {
	var p map[string]any
	if json.Unmarshal(text, &p) != nil {
		return nil
	}
	return p
}

// findingType is the form of a GuardDuty finding type, or of the beginning of one.
var findingType = lazyregexp.New(`^[A-Z][A-Za-z]+:[A-Z][A-Za-z0-9]+/`)

// implied is a rule's pattern with what goes without saying: an event with the
// type of a GuardDuty finding comes from GuardDuty.
func implied(p map[string]any) map[string]any {
	detail, _ := p["detail"].(map[string]any)
	types, _ := detail["type"].([]any)
	for _, t := range types {
		s, _ := t.(string)
		if prefix, ok := only(t, "prefix"); ok {
			s = prefix
		}
		if !findingType.MatchString(s) {
			return p
		}
	}
	if len(types) == 0 {
		return p
	}
	p = maps.Clone(p)
	for key, value := range map[string]string{"source": "aws.guardduty", "detail-type": "GuardDuty Finding"} {
		if _, said := p[key]; !said {
			p[key] = []any{value}
		}
	}
	return p
}

// covers reports whether whatever matches all of narrow is sure to match wide:
// they ask at least for all that wide asks for.
func covers(wide map[string]any, narrow []map[string]any) bool {
	for key, want := range wide {
		if !asks(narrow, key, want) {
			return false
		}
	}
	return true
}

// asks reports whether one of the patterns asks under the key for no more than
// what is wanted there.
func asks(patterns []map[string]any, key string, want any) bool {
	var below []map[string]any
	for _, p := range patterns {
		asked, ok := p[key]
		if !ok {
			continue
		}
		if reflect.DeepEqual(asked, want) {
			return true
		}
		if m, ok := asked.(map[string]any); ok {
			below = append(below, m)
		}
		if key != "$or" && amongThose(asked, want) {
			return true
		}
	}
	m, ok := want.(map[string]any)
	return ok && below != nil && covers(m, below)
}

// amongThose reports whether each alternative asked for is among those wanted.
func amongThose(asked, want any) bool {
	alternatives, ok := asked.([]any)
	wanted, ok2 := want.([]any)
	if !ok || !ok2 {
		return false
	}
	for _, one := range alternatives {
		if !slices.ContainsFunc(wanted, func(w any) bool { return allows(w, one) }) {
			return false
		}
	}
	return true
}

// allows reports whether one alternative is sure to match what another does.
func allows(wide, narrow any) bool {
	if reflect.DeepEqual(wide, narrow) {
		return true
	}
	start, ok := only(wide, "prefix")
	if !ok {
		return false
	}
	if s, ok := narrow.(string); ok {
		return strings.HasPrefix(s, start)
	}
	longer, ok := only(narrow, "prefix")
	return ok && strings.HasPrefix(longer, start)
}

func only(v any, key string) (string, bool) {
	m, _ := v.(map[string]any)
	s, ok := m[key].(string)
	return s, ok && len(m) == 1
}

// checkFields tells of a pattern over alerts that asks for what no alert has: it
// would never match, and nobody would notice.
func (d *decoder) checkFields(p eventPattern, path string) {
	if p.parsed == nil {
		return
	}
	d.checkAlternative(object(p.text), p, path)
}

func (d *decoder) checkAlternative(asked map[string]any, p eventPattern, path string) {
	fields := routing.Fields()
	known := sortedKeys(fields)
	for _, key := range sortedKeys(asked) {
		value := asked[key]
		if key == "$or" {
			branches, _ := value.([]any)
			for _, b := range branches {
				if b, ok := b.(map[string]any); ok {
					d.checkAlternative(b, p, path)
				}
			}
			continue
		}
		top, rest, dotted := strings.Cut(key, ".")
		inner, ok := fields[top]
		if !ok {
			d.fail(p.find(key), path, "an alert has no field %q%s", key, didYouMean(key, known))
			continue
		}
		var asks []string
		if dotted {
			asks = append(asks, rest)
		}
		if m, ok := value.(map[string]any); ok {
			asks = append(asks, sortedKeys(m)...)
		}
		if slices.Contains(inner, "*") {
			continue
		}
		for _, a := range asks {
			first, _, _ := strings.Cut(a, ".")
			if !slices.Contains(inner, first) {
				d.fail(p.find(first), path, "an alert's %s has no field %q%s", top, first, didYouMean(first, inner))
			}
		}
		d.checkValues(key, value, p, path)
	}
}

// checkValues tells of words and account ids that no alert can have.
func (d *decoder) checkValues(key string, value any, p eventPattern, path string) {
	list, _ := value.([]any)
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			continue
		}
		switch key {
		case "level":
			if level, err := tocsin.ParseLevel(s); err != nil || level.String() != s {
				d.fail(p.find(s), path, "no level %q%s", s, didYouMean(s, tocsin.Levels()))
			}
		case "account":
			var id account
			if err := id.UnmarshalText([]byte(s)); err != nil {
				d.fail(p.find(s), path, "%s", err)
			} else if string(id) != s {
				d.fail(p.find(s), path, "account id %q: in patterns it is without dashes, %q", s, id)
			}
		}
	}
}

// find is where a key or text of the pattern was written.
func (p *eventPattern) find(text string) position {
	quoted, _ := json.Marshal(text)
	return p.spot(max(0, strings.Index(string(p.text), string(quoted))))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
