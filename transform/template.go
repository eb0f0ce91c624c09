package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const templateField = "InputTransformer.InputTemplate"

// A template is a text with holes.
type template struct {
	text  bool // quoted strings, and not JSON
	holes []hole
	tail  string   // behind the last hole
	names []string // of the variables that are used
}

// A hole is a placeholder in a template.
type hole struct {
	before string // the text between the hole before it and this one
	name   string
	source int  // the variable, or one of the below
	quoted bool // it is inside quotes

	line, column int // of its <, from 1, in characters
}

// The placeholders that are always there.
const (
	ruleARN = -1 - iota
	ruleName
	ingestionTime
	eventOnly
	eventJSON
)

var reservedNames = [...]string{
	-1 - ruleARN:       "aws.events.rule-arn",
	-1 - ruleName:      "aws.events.rule-name",
	-1 - ingestionTime: "aws.events.event.ingestion-time",
	-1 - eventOnly:     "aws.events.event",
	-1 - eventJSON:     "aws.events.event.json",
}

// template reads a template whose placeholders are those of paths, and the
// reserved ones.
func (c *compiler) template(text string, paths map[string]string) *template {
	if strings.TrimSpace(text) == "" {
		c.fault(templateField, "InputTemplate for "+forTarget(c.id)+" is empty.", "Write a JSON object, or text in double quotes.")
		return nil
	}
	t := &template{text: strings.HasPrefix(strings.TrimSpace(text), `"`)}
	d := draft{line: 1, column: 1}
	for {
		before, name, rest, ok := nextHole(text)
		d.literal(before)
		if !ok {
			t.tail = before
			break
		}
		text = rest
		t.holes = append(t.holes, hole{before: before, name: name, source: t.source(name), quoted: d.quoted, line: d.line, column: d.column})
		d.hole(name)
	}
	before := len(c.faults)
	for _, name := range t.names {
		if _, ok := paths[name]; !ok {
			c.invalidPlaceholder(name, paths)
		}
	}
	if len(c.faults) == before {
		c.check(t, &d)
	}
	return t
}

// source is which value a placeholder stands for.
func (t *template) source(name string) int {
	if i := slices.Index(reservedNames[:], name); i >= 0 {
		return -1 - i
	}
	if i := slices.Index(t.names, name); i >= 0 {
		return i
	}
	t.names = append(t.names, name)
	return len(t.names) - 1
}

// nextHole cuts text at its first placeholder: a < with a > behind it on the same
// line. Neither can be escaped.
func nextHole(text string) (before, name, rest string, ok bool) {
	for from := 0; ; {
		open := strings.IndexByte(text[from:], '<')
		if open < 0 {
			return text, "", "", false
		}
		open += from
		end := strings.IndexAny(text[open:], ">\n")
		if end < 0 {
			return text, "", "", false
		}
		end += open
		if text[end] == '>' {
			return text[:open], text[open+1 : end], text[end+1:], true
		}
		from = end
	}
}

func (c *compiler) invalidPlaceholder(name string, paths map[string]string) {
	const most = 20
	have := slices.Sorted(maps.Keys(paths))
	next := "InputPathsMap is empty"
	if len(have) > most {
		have = append(have[:most], "…")
	}
	if len(have) > 0 {
		next = "InputPathsMap has " + strings.Join(have, ", ")
	}
	c.fault(templateField, fmt.Sprintf("InputTemplate for %s contains invalid placeholder %s.", forTarget(c.id), name), next+"; < and > cannot be escaped.")
}

// A draft is a template as JSON: null for what is outside quotes, nothing for what
// is inside.
type draft struct {
	json            strings.Builder
	quoted, escaped bool
	afterBackslash  bool // a hole is behind a lone backslash
	line, column    int  // in the template
	marks           []mark
}

// A mark says which place in the template a place in the draft is.
type mark struct{ offset, line, column int }

func (d *draft) literal(text string) {
	d.marks = append(d.marks, mark{d.json.Len(), d.line, d.column})
	d.json.WriteString(text)
	for _, r := range text {
		switch {
		case d.escaped:
			d.escaped = false
		case r == '\\' && d.quoted:
			d.escaped = true
		case r == '"':
			d.quoted = !d.quoted
		}
		d.column++
		if r == '\n' {
			d.line, d.column = d.line+1, 1
		}
	}
}

func (d *draft) hole(name string) {
	d.afterBackslash = d.afterBackslash || d.escaped
	d.marks = append(d.marks, mark{d.json.Len(), d.line, d.column})
	if !d.quoted {
		d.json.WriteString("null")
	}
	d.column += utf8.RuneCountInString(name) + len("<>")
}

// at says where in the template an offset of the draft is.
func (d *draft) at(offset int) string {
	i, _ := slices.BinarySearchFunc(d.marks, offset+1, func(m mark, o int) int { return m.offset - o })
	m := d.marks[max(i-1, 0)]
	to := draft{line: m.line, column: m.column}
	to.literal(d.json.String()[m.offset:min(offset, d.json.Len())])
	return fmt.Sprintf("line %d:%d: ", to.line, to.column)
}

// check finds fault with a template that can give nothing, whatever the values.
func (c *compiler) check(t *template, d *draft) {
	what, next := t.fault(d)
	if what != "" {
		c.fault(templateField, "Invalid InputTemplate for "+forTarget(c.id)+": "+what+".", next)
		return
	}
	c.checkHoles(t, d)
}

// fault says what keeps a template from being JSON or text, and what to do.
func (t *template) fault(d *draft) (what, next string) {
	probe := d.json.String()
	h, key := t.keyOutside()
	switch first := strings.TrimSpace(probe)[:1]; {
	case d.afterBackslash:
		return "a backslash before a placeholder", "< and > cannot be escaped."
	case t.text:
		offset, what := onlyStrings(probe)
		if what == "" {
			return "", ""
		}
		return d.at(offset) + what, "It begins with a double quote, so it is text, each line of it in double quotes of its own."
	case json.Valid([]byte(probe)):
		return "", ""
	case !strings.ContainsAny(first, "{["):
		return "text without double quotes", "Put each line in double quotes; of other text EventBridge delivers nothing."
	case key:
		return fmt.Sprintf("line %d:%d: <%s> is an object key", h.line, h.column, h.name), "A placeholder can be a value, or within a value in double quotes."
	}
	offset, what := syntax([]byte(probe))
	return d.at(offset) + what, "It has to be JSON in which each <name> outside quotes is a whole value."
}

func (c *compiler) checkHoles(t *template, d *draft) {
	for i, h := range t.holes {
		where := fmt.Sprintf("at line %d:%d", h.line, h.column)
		if h.quoted && !t.text && d.isKey(i) {
			c.fault(templateField, fmt.Sprintf("InputTemplate for %s has <%s> %s in an object key.", forTarget(c.id), h.name, where), "A placeholder cannot be used there; make it a value.")
		}
		if h.quoted && c.mode == AWS && (h.source == eventOnly || h.source == eventJSON) {
			c.fault(templateField, fmt.Sprintf("InputTemplate for %s has <%s> %s inside quotes, and EventBridge would drop every event.", forTarget(c.id), h.name, where),
				`Write it as the value of a JSON field, without quotes: {"event": <`+h.name+`>}.`)
		}
	}
}

// isKey reports whether the string that the i-th hole is in is an object's key.
func (d *draft) isKey(i int) bool {
	probe := d.json.String()[d.marks[2*i+1].offset:] // each hole has a mark for the text before it, and its own
	escaped := false
	for k, r := range probe {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			return strings.HasPrefix(strings.TrimLeft(probe[k+1:], " \t\r\n"), ":")
		}
	}
	return false
}

// keyOutside is a hole outside quotes with a colon behind it.
func (t *template) keyOutside() (hole, bool) {
	for i, h := range t.holes {
		behind := t.tail
		if i+1 < len(t.holes) {
			behind = t.holes[i+1].before
		}
		if !h.quoted && strings.HasPrefix(strings.TrimLeft(behind, " \t\r\n"), ":") {
			return h, true
		}
	}
	return hole{}, false
}

// onlyStrings says what in text is neither a JSON string nor space, and where.
func onlyStrings(text string) (offset int, what string) {
	d := json.NewDecoder(strings.NewReader(text))
	for {
		before := int(d.InputOffset())
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return 0, ""
		}
		if _, is := token.(string); is && err == nil {
			continue
		}
		rest := strings.TrimLeft(text[before:], " \t\r\n")
		if strings.HasPrefix(rest, `"`) {
			inside, what := syntax([]byte(rest))
			return len(text) - len(rest) + inside, what
		}
		return len(text) - len(rest), "text outside of the double quotes"
	}
}
