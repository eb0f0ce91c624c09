package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/spelling"
	"github.com/tocsin-sec/tocsin/pattern"
)

// A Condition is an EventBridge event pattern over the mapped fields, by their
// names: {status: [ALARM]}. A field that is asked for a number, or for true or false,
// is that if it reads so, whatever it was in the event; else it is a text. tags are
// an object.
type Condition struct {
	pattern *pattern.Pattern
	asked   map[string]asked
}

// asked is what a condition takes a field for.
type asked struct{ number, boolean, text bool }

// several reports whether that is not one thing.
func (a asked) several() bool { return a.text && (a.number || a.boolean) || a.number && a.boolean }

// IsZero reports whether nothing is said.
func (c Condition) IsZero() bool { return c.pattern == nil }

// UnmarshalJSON reads a pattern, also one as JSON in a text.
func (c *Condition) UnmarshalJSON(text []byte) error {
	if first(text) == '"' {
		var inner string
		if err := json.Unmarshal(text, &inner); err != nil {
			return err
		}
		text = []byte(inner)
	}
	p, err := pattern.Parse(text)
	if err != nil {
		if e, ok := errors.AsType[*pattern.Error](err); ok {
			return fmt.Errorf("%s: %s", e.Path, e.Reason)
		}
		return err
	}
	*c = Condition{pattern: p, asked: map[string]asked{}}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	return c.note(fields)
}

// note takes down what is asked of which field.
func (c *Condition) note(fields map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name == "$or" {
			branches, _ := fields[name].([]any)
			for _, b := range branches {
				b, _ := b.(map[string]any)
				if err := c.note(b); err != nil {
					return err
				}
			}
			continue
		}
		top, _, _ := strings.Cut(name, ".")
		a, excludes := c.asked[top], false
		a.of(fields[name], &excludes)
		if a.several() && excludes {
			return fmt.Errorf("%s: beside anything-but it is asked for numbers and for texts: want one of the two", top)
		}
		c.asked[top] = a
	}
	return nil
}

// of notes what a part of a pattern takes its field for.
func (a *asked) of(part any, excludes *bool) {
	switch part := part.(type) {
	case float64:
		a.number = true
	case bool:
		a.boolean = true
	case string:
		a.text = true
	case []any:
		for _, p := range part {
			a.of(p, excludes)
		}
	case map[string]any:
		for op, p := range part {
			switch op {
			case "numeric":
				a.number = true
			case "exists":
			case "anything-but":
				*excludes = true
				a.of(p, excludes)
			default:
				a.of(p, excludes)
			}
		}
	}
}

// check tells of fields that nothing gives a value.
func (c Condition) check(known []string) error {
	for _, name := range slices.Sorted(maps.Keys(c.asked)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("asks for %q, which is not mapped%s", name, didYouMean(name, known))
		}
	}
	return nil
}

// holds reports whether the mapped fields are as the condition wants them.
func (c Condition) holds(m mapped) (bool, error) {
	return c.pattern.Match(c.document(m))
}

// document are the fields that the condition asks for, as JSON.
func (c Condition) document(m mapped) []byte {
	doc := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(c.asked)) {
		v, ok := m.value(name)
		if !ok {
			continue
		}
		if len(doc) > 1 {
			doc = append(doc, ',')
		}
		doc = append(quoted(doc, name), ':')
		doc = c.asked[name].write(doc, name, v)
	}
	return append(doc, '}')
}

func (a asked) write(doc []byte, name, value string) []byte {
	if name == "tags" {
		tags, err := json.Marshal(tagsOf(value))
		if err == nil {
			return append(doc, tags...)
		}
	}
	word := strings.TrimSpace(value) // as filters and bands read numbers
	bare := a.number && decimalForm.MatchString(word) && json.Valid([]byte(word)) ||
		a.boolean && (word == "true" || word == "false")
	switch {
	case bare && a.text:
		return append(quoted(append(append(append(doc, '['), word...), ','), value), ']')
	case bare:
		return append(doc, word...)
	}
	return quoted(doc, value)
}

func quoted(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // cannot be: every text has a form in JSON
		return strconv.AppendQuote(b, s)
	}
	return append(b, text...)
}

// tell says what the fields are that the conditions ask for: `status is "OK"`.
func tell(m mapped, conditions ...Condition) string {
	var b bytes.Buffer
	told := map[string]bool{}
	for _, c := range conditions {
		for _, name := range slices.Sorted(maps.Keys(c.asked)) {
			if told[name] {
				continue
			}
			told[name] = true
			if b.Len() > 0 {
				b.WriteString(", ")
			}
			if v, ok := m.value(name); ok {
				b.WriteString(name + " is " + quote(v))
			} else {
				b.WriteString(name + " is missing")
			}
		}
	}
	return b.String()
}

// didYouMean is ` (did you mean "starts"?)`, or the known words where none is near.
func didYouMean(word string, known []string) string {
	best, distance := "", max(1, len(word)/3)+1
	for _, k := range known {
		if n := spelling.Edits(strings.ToLower(word), k); n < distance {
			best, distance = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	if len(known) == 0 {
		return ""
	}
	return "; known: " + strings.Join(known, ", ")
}
