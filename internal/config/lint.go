package config

import (
	"reflect"
	"slices"

	"github.com/tocsin-sec/tocsin/pattern/lint"
)

// A Remark is what lint says of a pattern in a file.
type Remark struct {
	Problem
	Code     string // such as cannot-match-critical
	Severity lint.Severity
}

// Lint judges the patterns of a configuration, or of a file of the library. It
// reads nothing else of the file, so that what else is wrong with it does not
// matter. The problem says why it cannot be read.
func Lint(name string, text []byte) ([]Remark, error) {
	doc, problem := readYAML(name, text)
	if problem != nil {
		return nil, *problem
	}
	d := newDecoder(name, doc, Kinds{})
	var f struct {
		Rules   []rule       `json:"rules"`
		Routes  []route      `json:"routes"`
		Inhibit []inhibition `json:"inhibit"`
		Pattern eventPattern `json:"pattern"` // of a file of the library
		Drop    string       `json:"drop"`
	}
	d.value(doc.root, "", reflect.ValueOf(&f).Elem())
	remarks := d.remarks(file{Rules: f.Rules, Routes: f.Routes, Inhibit: f.Inhibit})
	remarks = append(remarks, d.lint(f.Pattern, "pattern", lint.Events, f.Drop != "")...)
	slices.SortStableFunc(remarks, func(a, b Remark) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return remarks, nil
}

// remarks are what lint says of all rules, routes and inhibitions.
func (d *decoder) remarks(f file) []Remark {
	var all []Remark
	criticalTaken := slices.ContainsFunc(f.Rules, takesCritical)
	for i, r := range f.Rules {
		for _, remark := range d.lint(r.Pattern, index("rules", i)+".pattern", lint.Events, r.Drop != "") {
			if remark.Code != "stops-below-critical" || !criticalTaken {
				all = append(all, remark)
			}
		}
	}
	all = append(all, d.lintRoutes(f.Routes, "routes")...)
	for i, in := range f.Inhibit {
		all = append(all, d.lint(in.When, index("inhibit", i)+".when", lint.Alerts, false)...)
		all = append(all, d.lint(in.Mute, index("inhibit", i)+".mute", lint.Alerts, false)...)
	}
	return all
}

func (d *decoder) lintRoutes(routes []route, path string) []Remark {
	var all []Remark
	for i, r := range routes {
		all = append(all, d.lint(r.Pattern, index(path, i)+".pattern", lint.Alerts, false)...)
		all = append(all, d.lintRoutes(r.Routes, index(path, i)+".routes")...)
	}
	return all
}

// A critical finding, for rules that take High and leave Critical to another.
var criticalFinding = []byte(`{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{"type":"AttackSequence:IAM/CompromisedCredentials","severity":9}}`)

func takesCritical(r rule) bool {
	if r.Use != "" {
		shipped, err := Shipped(r.Use)
		if err != nil || shipped.Drop != "" {
			return false
		}
		ok, err := shipped.Pattern.Match(criticalFinding)
		return ok && err == nil
	}
	if r.Pattern.parsed == nil || r.Drop != "" {
		return false
	}
	ok, err := r.Pattern.parsed.Match(criticalFinding)
	return ok && err == nil
}

// besides are mistakes of a rule on a bus, and none here: senders are known by
// their tokens and topics, a pattern may be of any length, a last rule may well
// take all that is left, and the state of the rule on the bus is not seen.
var besides = []string{"no-source", "too-long", "matches-everything", "read-only-calls"}

// belowCritical are mistakes of what takes findings, not of what drops them.
var belowCritical = []string{"cannot-match-critical", "stops-below-critical"}

// lint judges one pattern. What could not even be put into JSON was told by the
// decoder.
func (d *decoder) lint(p eventPattern, path string, over lint.Document, drops bool) []Remark {
	var all []Remark
	if p.text == nil {
		for _, problem := range d.problems {
			if within(problem.Path, path) {
				all = append(all, Remark{problem, "invalid-pattern", lint.Error})
			}
		}
		return all
	}
	for _, said := range lint.Pattern(p.text, over) {
		if slices.Contains(besides, said.Code) || drops && slices.Contains(belowCritical, said.Code) {
			continue
		}
		text := said.Path + ": " + said.Message
		if said.Instead != "" {
			text += "; " + said.Instead
		}
		all = append(all, Remark{d.problem(p.spot(said.Offset), path, text), said.Code, said.Severity})
	}
	return all
}
