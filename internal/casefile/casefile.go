// Package casefile reads files in which event patterns are tried on events: what
// should match and what should not.
//
// A file is YAML or JSON:
//
//	name: high findings
//	pattern:
//	  detail: {severity: [{numeric: [">=", 7]}]}
//	cases:
//	  - name: high
//	    match: true
//	    event: {detail: {severity: 8}}
//	  - name: what came last week
//	    match: false
//	    events: [last-week.jsonl.gz, '{"detail": {"severity": 2}}']
//
// A pattern is written out, as JSON in a string, or the name of a file with a pattern
// in it; a case may have its own. An event likewise is written out, as JSON in a
// string, or the name of a file, all events of which are meant; events is a list of
// these. Names of files are relative to the file. A finding that is in no event is
// tried as the event EventBridge would have made of it, as rules do.
//
// The shipped rules are such files, which list events without names:
//
//	pattern: …
//	samples: {matches: [event, …], does_not_match: [event, …]}
//
// JSON Lines of {"pattern": …, "event": …, "match": true} are cases too, as they are
// found in collections of such. They may have any other members, and their events are
// tried as they stand.
package casefile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/pattern"
)

// A Case is one pattern, one event, and whether they should match.
type Case struct {
	Name    string
	Line    int // in the file
	Pattern *pattern.Pattern
	Event   []byte
	Match   bool
}

// Run reports whether the pattern matches the event. It returns the error of
// [pattern.Pattern.Match].
func (c Case) Run() (bool, error) { return c.Pattern.Match(c.Event) }

// Files is how other files are got at. All names are as they are written.
type Files struct {
	// Events reads a file of events.
	Events func(name string) ([]byte, error)
	// Pattern reads the pattern in a file, as JSON.
	Pattern func(name string) ([]byte, error)
	// YAML makes JSON of YAML, and says where its bytes were written.
	YAML func(name string, text []byte) (json []byte, at func(offset int) (line, column int), err error)
}

// A Mistake is something that is wrong with a file.
type Mistake struct {
	File         string
	Line, Column int // from 1
	Text         string
}

// Error is "high.yml:12:5: match: missing".
func (m Mistake) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Text)
}

// Read reads the cases in the text of a file. The error joins all mistakes there are,
// each a [Mistake] unless it is one of files.YAML; the cases are those without.
func Read(name string, text []byte, files Files) ([]Case, error) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	f := &reading{name: name, files: files, text: text, at: placeIn(text)}
	pieces := collect.Split(text)
	if !isJSON(pieces) {
		if strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl") {
			f.notJSON(pieces)
			return nil, errors.Join(f.mistakes...)
		}
		json, at, err := files.YAML(name, text)
		if err != nil {
			return nil, err
		}
		f.text, f.at = json, at
		f.file(part{gjson.ParseBytes(json), 0})
		return f.cases, errors.Join(f.mistakes...)
	}
	f.texts(pieces)
	return f.cases, errors.Join(f.mistakes...)
}

// isJSON reports whether all of it is, and not YAML that looks similar.
func isJSON(pieces []collect.Piece) bool {
	return len(pieces) > 0 && !slices.ContainsFunc(pieces, func(p collect.Piece) bool { return p.Err != nil || p.Raw[0] != '{' })
}

// A reading is a file that is being read.
type reading struct {
	name  string
	files Files
	text  []byte // as JSON
	at    func(offset int) (line, column int)
	asIs  bool // events are tried as they stand

	cases    []Case
	mistakes []error
}

// A part is a value in the text, and where it begins.
type part struct {
	gjson.Result
	offset int
}

// member is a member of an object, with the quoted key before it.
type member struct {
	key       string
	keyOffset int
	part
}

// members are those of an object, in order.
func (p part) members() (all []member) {
	p.ForEach(func(key, value gjson.Result) bool {
		all = append(all, member{key.Str, p.offset + key.Index - p.Index, part{value, p.offset + value.Index - p.Index}})
		return true
	})
	return all
}

// elements are those of a list, or the value itself where it is none.
func (p part) elements() (all []part) {
	if !p.IsArray() {
		return []part{p}
	}
	p.ForEach(func(_, value gjson.Result) bool {
		all = append(all, part{value, p.offset + value.Index - p.Index})
		return true
	})
	return all
}

func (f *reading) fail(offset int, format string, args ...any) {
	line, column := f.at(offset)
	f.mistakes = append(f.mistakes, Mistake{f.name, line, column, fmt.Sprintf(format, args...)})
}

func (f *reading) notJSON(pieces []collect.Piece) {
	offset := 0
	for _, p := range pieces {
		offset += bytes.Index(f.text[offset:], p.Raw)
		var broken *collect.SyntaxError
		switch {
		case errors.As(p.Err, &broken):
			f.fail(offset+broken.Offset, "not JSON: %s", broken.Problem)
		case p.Raw[0] != '{':
			f.fail(offset, "want an object")
		}
		offset += len(p.Raw)
	}
	if len(pieces) == 0 {
		f.fail(0, "there is nothing in it")
	}
}

// texts reads JSON: one file of cases, or one case after the other.
func (f *reading) texts(pieces []collect.Piece) {
	if one := gjson.ParseBytes(pieces[0].Raw); len(pieces) == 1 && !one.Get("event").Exists() {
		f.file(part{one, bytes.IndexByte(f.text, '{')})
		return
	}
	f.asIs = true
	offset := 0
	for _, p := range pieces {
		offset += bytes.Index(f.text[offset:], p.Raw)
		f.oneCase(part{gjson.ParseBytes(p.Raw), offset}, nil, "", false)
		offset += len(p.Raw)
	}
}

// file reads a file of cases.
func (f *reading) file(p part) {
	if !p.IsObject() {
		f.fail(p.offset, "want pattern and cases, or pattern and samples")
		return
	}
	var common *pattern.Pattern
	var cases, samples *member
	for _, m := range p.members() {
		switch m.key {
		case "pattern":
			if common = f.pattern(m.part); common == nil {
				common = new(pattern.Pattern) // what is wrong with it was said
			}
		case "cases":
			cases = &m
		case "samples":
			samples = &m
		case "name", "description", "drop", "alert": // a rule's
		default:
			f.fail(m.keyOffset, "unknown key %q; known: name, description, pattern, cases, samples", m.key)
		}
	}
	at := p.offset
	if cases != nil {
		at = cases.offset
		f.list(cases.part, common)
	}
	if samples != nil {
		at = samples.offset
		f.samples(*samples, common)
	}
	switch {
	case cases == nil && samples == nil:
		f.fail(at, "there are neither cases nor samples in it")
	case len(f.cases) == 0 && len(f.mistakes) == 0:
		f.fail(at, "there is no case in it")
	}
}

func (f *reading) list(p part, common *pattern.Pattern) {
	if !p.IsArray() {
		f.fail(p.offset, "cases: want a list")
		return
	}
	for i, one := range p.elements() {
		f.oneCase(one, common, fmt.Sprintf("case %d", i+1), true)
	}
}

func (f *reading) samples(m member, common *pattern.Pattern) {
	if common == nil {
		f.fail(m.keyOffset, "samples: there is no pattern to try them on")
		return
	}
	if !m.IsObject() {
		f.fail(m.offset, "samples: want matches and does_not_match")
		return
	}
	for _, list := range m.members() {
		if list.key != "matches" && list.key != "does_not_match" {
			f.fail(list.keyOffset, "samples: unknown key %q; known: matches, does_not_match", list.key)
			continue
		}
		for i, one := range list.elements() {
			line, _ := f.at(one.offset)
			f.events(Case{Name: fmt.Sprintf("%s %d", list.key, i+1), Line: line, Pattern: common, Match: list.key == "matches"}, one)
		}
	}
}

// oneCase reads a case. Strict refuses what is not known.
func (f *reading) oneCase(p part, common *pattern.Pattern, name string, strict bool) {
	if !p.IsObject() {
		f.fail(p.offset, "want a case, with match and event")
		return
	}
	line, _ := f.at(p.offset)
	c := Case{Name: cmp.Or(name, fmt.Sprintf("line %d", line)), Pattern: common}
	var events []part
	before := len(f.mistakes)
	verdict := false
	for _, m := range p.members() {
		switch m.key {
		case "name":
			c.Name = cmp.Or(m.String(), c.Name)
		case "pattern":
			c.Pattern = f.pattern(m.part)
		case "event":
			events = append(events, m.part)
		case "events":
			events = append(events, m.elements()...)
		case "match":
			verdict, c.Match = true, m.Type == gjson.True
			if !m.IsBool() {
				f.fail(m.offset, "match: want true or false")
			}
		default:
			if strict {
				f.fail(m.keyOffset, "unknown key %q; known: name, pattern, event, events, match", m.key)
			}
		}
	}
	switch {
	case len(f.mistakes) > before:
		return
	case !verdict:
		f.fail(p.offset, "match: missing; say true or false")
	case len(events) == 0:
		f.fail(p.offset, "event: missing")
	case c.Pattern == nil:
		f.fail(p.offset, "pattern: missing, here and above")
	default:
		for _, e := range events {
			if c.Line = line; len(events) > 1 {
				c.Line, _ = f.at(e.offset)
			}
			f.events(c, e)
		}
	}
}

// pattern reads a pattern, or tells what is wrong with it and returns nil.
func (f *reading) pattern(p part) *pattern.Pattern {
	text := []byte(p.Raw)
	from := "" // where p is not the pattern itself
	switch {
	case p.IsObject():
	case p.Type != gjson.String:
		f.fail(p.offset, "pattern: want a pattern, or the name of a file with one")
		return nil
	case isInline(p.Str):
		text, from = []byte(p.Str), "pattern"
	default:
		var err error
		if text, err = f.files.Pattern(p.Str); err != nil {
			f.fail(p.offset, "pattern: %v", err)
			return nil
		}
		from = p.Str
	}
	parsed, err := pattern.Parse(text)
	if err == nil {
		return parsed
	}
	e, ok := errors.AsType[*pattern.Error](err)
	switch {
	case ok && from == "":
		f.fail(p.offset+e.Offset, "pattern: %s: %s", e.Path, e.Reason)
	default:
		f.fail(p.offset, "%s: %v", cmp.Or(from, "pattern"), err)
	}
	return nil
}

// isInline tells JSON in a string from the name of a file.
func isInline(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "{") }

// events adds c with the event that is written at p, or with each that is named there.
func (f *reading) events(c Case, p part) {
	switch {
	case p.IsObject():
		f.event(c, p.offset, "event", []byte(p.Raw))
	case p.Type != gjson.String:
		f.fail(p.offset, "event: want an object, or the name of a file with events")
	case isInline(p.Str):
		f.event(c, p.offset, "event", []byte(p.Str))
	default:
		f.eventsOf(c, p)
	}
}

// eventsOf adds c with each event in a file.
func (f *reading) eventsOf(c Case, p part) {
	text, err := f.files.Events(p.Str)
	if err != nil {
		f.fail(p.offset, "event: %v", err)
		return
	}
	r := collect.NewReader(bytes.NewReader(text))
	name := c.Name
	n := 0
	for {
		piece, err := r.Next()
		if err != nil {
			break // all of it is in memory: it is the end
		}
		n++
		where := fmt.Sprintf("%s:%d", p.Str, r.Line())
		c.Name = name + ", " + where
		if piece.Err != nil {
			f.fail(p.offset, "%s: %v", where, piece.Err)
			continue
		}
		f.event(c, p.offset, where, bytes.Clone(piece.Raw))
	}
	if n == 0 {
		f.fail(p.offset, "event: there is none in %s", p.Str)
	}
}

// event adds c with one event.
func (f *reading) event(c Case, offset int, what string, raw []byte) {
	if c.Event = raw; !f.asIs {
		if finding, ok, err := guardduty.Read(raw); ok && err == nil {
			c.Event = finding.Event()
		}
	}
	if c.Pattern.String() == "" {
		return // it was wrong, which was said
	}
	if _, err := c.Run(); err != nil {
		f.fail(offset, "%s: %v", what, err)
		return
	}
	f.cases = append(f.cases, c)
}

// placeIn says where the bytes of a text are.
func placeIn(text []byte) func(offset int) (line, column int) {
	begins := []int{0} // the offsets of the lines
	for i, c := range text {
		if c == '\n' {
			begins = append(begins, i+1)
		}
	}
	return func(offset int) (line, column int) {
		line, found := slices.BinarySearch(begins, offset)
		if found {
			line++
		}
		return line, offset - begins[line-1] + 1
	}
}
