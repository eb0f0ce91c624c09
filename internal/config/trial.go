package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tocsin-sec/tocsin"
)

// trial is an entry of tests.
type trial struct {
	Name   string      `json:"name" doc:"What it is called when it fails. Left out, it is its number."`
	Event  sampleEvent `json:"event" required:"true" doc:"The event: a path from this file's folder, or the event itself, as YAML or as JSON in a string."`
	At     time.Time   `json:"at" doc:"When it comes, such as 2026-01-05T09:00:00+01:00: who is on call depends on it. Left out, now."`
	Expect expectation `json:"expect" required:"true" doc:"What is to become of it. What is left out is not looked at."`
}

type expectation struct {
	Verdict   *tocsin.Verdict `json:"verdict" doc:"What the inbound log says: opened, filtered, closed, unmapped and so on."`
	Rule      *string         `json:"rule" doc:"The rule that decides."`
	Level     *tocsin.Level   `json:"level" doc:"The level that it is told as."`
	Team      *string         `json:"team" doc:"The team that owns the alert."`
	Policy    *string         `json:"policy" doc:"The policy that it climbs; empty is none."`
	Routes    *names          `json:"routes" doc:"The routes that decide, in order; an empty list is none, so that the owner or the fallback is told."`
	Receivers *names          `json:"receivers" doc:"Receivers that are told at once, in whatever order, without those of the policy."`
	Told      *names          `json:"told" doc:"People and receivers that the first step of the policy tells, in whatever order."`
	Silenced  *bool           `json:"silenced" doc:"Whether something holds it back."`
	Drop      *string         `json:"drop" doc:"Why nobody is told, as the rule or the route says it; empty if somebody is."`
}

// sampleEvent is an event that is written out, or the path of a file that has it.
type sampleEvent struct {
	path string
	json []byte
}

func (e *sampleEvent) read(d *decoder, n ast.Node, path string) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		w := jsonWriter{d: d, path: path}
		if w.value(n, ""); !w.bad {
			e.json = w.out
		}
		return
	}
	if plain, ok := textOf(n); ok && strings.HasPrefix(strings.TrimSpace(plain), "{") {
		if e.json = []byte(plain); !json.Valid(e.json) {
			d.fail(d.spots[path], path, "not JSON")
		}
		return
	}
	text, ok := textOf(n)
	switch {
	case !ok:
		d.fail(d.spots[path], path, "got %s, want the path of a file, or an event as a mapping", kindOf(n))
	case text == "":
		d.fail(d.spots[path], path, "is empty: name a file, or write the event")
	default:
		e.path, _ = d.text(n, path)
	}
}

// A Trial is a test of the configuration: an event, and what is to become of it.
type Trial struct {
	Name string    // as it is written, or "test 2"
	At   time.Time // when the event comes; zero is now

	event  sampleEvent
	expect expectation
	file   string // the configuration's
	path   string // "tests[1]"
	at     position
	spots  map[string]position // of what is expected, by its key
}

// An Outcome is what became of an event.
type Outcome struct {
	Verdict tocsin.Verdict
	Rule    string       // that decided
	Level   tocsin.Level // that it is told as
	Team    string
	Policy  string
	Routes  []string // that decided, in order
	// Receivers are told at once; Told are the people and receivers that the
	// policy's first step tells then.
	Receivers, Told []string
	Silenced        bool   // a silence or the like holds it
	Drop            string // why nobody is told
}

// A Judge says what would become of an event that comes at that time, now if it is
// zero, and does nothing.
type Judge func(event []byte, at time.Time) (Outcome, error)

// Try runs all tests. What comes back is empty if everything is as it is expected.
func (c *Config) Try(judge Judge) Problems {
	var all Problems
	for _, t := range c.Tests {
		all = append(all, t.Run(judge)...)
	}
	return all
}

// Run says what is not as it is expected, each with its place:
//
//	tocsin.yml:80:30: tests[0].expect.team: root was used: expected payments, got soc
func (t Trial) Run(judge Judge) Problems {
	event, err := t.Event()
	if err == nil {
		var got Outcome
		if got, err = judge(event, t.At); err == nil {
			return t.compare(got)
		}
	}
	return Problems{{File: t.file, Line: t.at.line, Column: t.at.column, Path: t.path, Text: fmt.Sprintf("%s: %s", t.Name, err)}}
}

// Event is the event's bytes. A file is read each time.
func (t Trial) Event() ([]byte, error) {
	if t.event.path == "" {
		return t.event.json, nil
	}
	path := t.event.path
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(t.file), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return text, nil
}

func (t Trial) compare(got Outcome) Problems {
	var all Problems
	differ := func(key, expected, got string) {
		at, path := t.spots[key], t.path+".expect."+key
		all = append(all, Problem{t.file, at.line, at.column, path, fmt.Sprintf("%s: expected %s, got %s", t.Name, expected, got)})
	}
	e := t.expect
	for _, one := range []struct {
		key      string
		expected *string
		got      string
	}{
		{"verdict", (*string)(e.Verdict), string(got.Verdict)},
		{"rule", e.Rule, got.Rule},
		{"level", wordOf(e.Level), got.Level.String()},
		{"team", e.Team, got.Team},
		{"policy", e.Policy, got.Policy},
		{"drop", e.Drop, got.Drop},
	} {
		if one.expected != nil && *one.expected != one.got {
			differ(one.key, orNone(*one.expected), orNone(one.got))
		}
	}
	for _, one := range []struct {
		key      string
		expected *names
		got      []string
		ordered  bool
	}{
		{"routes", e.Routes, got.Routes, true},
		{"receivers", e.Receivers, got.Receivers, false},
		{"told", e.Told, got.Told, false},
	} {
		if one.expected != nil && !alike(*one.expected, one.got, one.ordered) {
			differ(one.key, orNone(strings.Join(*one.expected, ", ")), orNone(strings.Join(one.got, ", ")))
		}
	}
	if e.Silenced != nil && *e.Silenced != got.Silenced {
		differ("silenced", fmt.Sprint(*e.Silenced), fmt.Sprint(got.Silenced))
	}
	return all
}

func wordOf(l *tocsin.Level) *string {
	if l == nil {
		return nil
	}
	word := l.String()
	return &word
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// alike reports whether both name the same, be it in another order.
func alike(a, b []string, ordered bool) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	if !ordered {
		slices.Sort(a)
		slices.Sort(b)
		b = slices.Compact(b)
	}
	return slices.Equal(a, b)
}

// trials checks the names that tests expect: one that cannot be would make a test
// that always fails, and nobody would know why.
func (d *decoder) trials(f file) []Trial {
	var all []Trial
	for i, t := range f.Tests {
		path := index("tests", i)
		made := Trial{Name: t.Name, At: t.At, event: t.Event, expect: t.Expect, file: d.files[d.spot(path).file], path: path, at: d.spot(path), spots: map[string]position{}}
		if made.Name == "" {
			made.Name = fmt.Sprintf("test %d", i+1)
		}
		within := path + ".expect"
		for _, field := range fieldsOf(reflect.TypeFor[expectation]()) {
			if at, ok := d.spots[join(within, field.key)]; ok {
				made.spots[field.key] = at
			}
		}
		if len(made.spots) == 0 && !d.failed(path) {
			d.fail(d.spot(within), within, "is empty: say what is to become of the event")
		}
		d.checkExpected(within, t.Expect)
		if t.At.IsZero() && t.Expect.Told != nil && len(f.Schedules) > 0 && !d.failed(path) {
			d.warn(d.spot(path), path, `asks who is told without saying when: write "at", since who is on call changes`)
		}
		all = append(all, made)
	}
	return all
}

func (d *decoder) checkExpected(path string, e expectation) {
	if v := e.Verdict; v != nil && !slices.Contains(tocsin.Verdicts(), *v) {
		d.fail(d.spot(path+".verdict"), path+".verdict", "no verdict %q%s", string(*v), didYouMean(string(*v), verdicts()))
	}
	exists := func(path, what, name string, known []string) {
		if name != "" && !slices.Contains(known, name) {
			d.fail(d.spot(path), path, "no %s %q%s", what, name, didYouMean(name, known))
		}
	}
	r := d.directory
	for _, one := range []struct {
		what string
		name *string
	}{{"rule", e.Rule}, {"policy", e.Policy}} {
		if one.name != nil {
			exists(join(path, one.what), one.what, *one.name, r.names[one.what])
		}
	}
	if e.Team != nil {
		exists(path+".team", "team", *e.Team, slices.Concat(r.names["team"], r.names["account team"]))
	}
	for _, one := range []struct {
		key, what string
		list      *names
		known     []string
	}{
		{"routes", "route", e.Routes, r.names["route"]},
		{"receivers", "receiver", e.Receivers, r.names["receiver"]},
		{"told", "person or receiver", e.Told, slices.Concat(r.names["mention"], r.names["receiver"])},
	} {
		if one.list == nil {
			continue
		}
		for i, name := range *one.list {
			exists(d.item(join(path, one.key), i), one.what, name, one.known)
		}
	}
}

func verdicts() []string {
	var words []string
	for _, v := range tocsin.Verdicts() {
		words = append(words, string(v))
	}
	return words
}
