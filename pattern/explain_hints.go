package pattern

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// hints guesses why a leaf does not hold.
func (x *explainer) hints(f field, e *explained) []string {
	var all []string
	say := func(format string, args ...any) {
		if hint := fmt.Sprintf(format, args...); !slices.Contains(all, hint) {
			all = append(all, hint)
		}
	}
	tried := 0
	for _, o := range x.values[f.path] {
		if tried++; tried > maxShown {
			break
		}
		if !o.value {
			continue
		}
		e.misspelled(f, o.raw, say)
	}
	switch e.leaf.Found {
	case "an object":
		say("an object is no value: ask for one of its fields")
	case "[]", "{}":
		say("%s is no value: only {\"exists\": false} matches it", e.leaf.Found)
	case "missing":
		x.elsewhere(f, e, say)
	}
	return all
}

// misspelled guesses from one value.
func (e *explained) misspelled(f field, raw string, say func(string, ...any)) {
	if raw[0] != '"' {
		if e.accepts(f.path, `"`+raw+`"`) {
			say(`the event has %s, and the pattern wants the string "%s" in quotes`, describe(raw), spelled(raw))
			return
		}
		for _, want := range literals(f.list.text) {
			if isNumber(raw[0]) && scalar(want) && isNumber(want[0]) {
				say("the event has a number, and %s in quotes is text: a number is written without them", spelled(quote(want)))
				return
			}
		}
		return
	}
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return
	}
	if scalar(s) && e.accepts(f.path, s) {
		say("the event has the string %s in quotes, and the pattern wants %s", spelled(raw), describe(s))
		return
	}
	if trimmed := strings.TrimSpace(s); trimmed != s && e.accepts(f.path, quote(trimmed)) {
		say("the event's value has white space around it")
	}
	for _, want := range literals(f.list.text) {
		if want != s && strings.EqualFold(want, s) {
			say("%s differs in upper and lower case only: {\"equals-ignore-case\": …} ignores it", spelled(quote(want)))
		}
	}
}

// describe is "the number 5", "true" or the like.
func describe(raw string) string {
	if raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' {
		return "the number " + spelled(raw)
	}
	return raw
}

// scalar reports whether a text would be a number, true, false or null without
// its quotes.
func scalar(s string) bool {
	return json.Valid([]byte(s)) && !strings.ContainsAny(s[:1], "\"{[ \t\r\n")
}

// literals are the strings of a list that values are equal to, begin or end with.
func literals(list string) []string {
	var alternatives []any
	if json.Unmarshal([]byte(list), &alternatives) != nil {
		return nil
	}
	var all []string
	for _, a := range alternatives {
		switch a := a.(type) {
		case string:
			all = append(all, a)
		case map[string]any:
			if s, ok := a["exactly"].(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// elsewhere looks for a missing field under another name or on another level.
func (x *explainer) elsewhere(f field, e *explained, say func(string, ...any)) {
	plain := func(path string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(path))
	}
	at, last := plain(f.path), lastKey(f.path)
	var same, other []stranger
	for _, s := range x.strangers {
		switch {
		case s.raw[0] == '"' && strings.HasPrefix(strings.TrimLeft(s.raw[1:], " "), "{") && (strings.HasPrefix(f.path, s.path+".") || s.path == "Message"):
			say("%s is a string with JSON in it: take the event out of it first", printable(s.path))
		case plain(s.path) == at:
			same = append(same, s)
		case strings.EqualFold(lastKey(s.path), last) && last != "":
			other = append(other, s)
		}
	}
	for _, s := range same {
		say("the event spells it %s", printable(s.path))
	}
	// Where the value would do is where it was meant, then what is nearest.
	slices.SortStableFunc(other, func(a, b stranger) int {
		if x, y := e.accepts(f.path, a.raw), e.accepts(f.path, b.raw); x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Compare(distance(f.path, a.path), distance(f.path, b.path))
	})
	for i, s := range other {
		if i == 2 {
			break
		}
		would := ""
		if e.accepts(f.path, s.raw) {
			would = ", and that value would do"
		}
		say("the event has %s%s", printable(s.path), would)
	}
}

// distance is how many keys there are in one path and not in the other, at least.
func distance(a, b string) int {
	return max(strings.Count(a, ".")-strings.Count(b, "."), strings.Count(b, ".")-strings.Count(a, "."))
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
