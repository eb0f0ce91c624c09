package config

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml/ast"

	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/library"
)

// A ShippedRule is a rule of the library, with events that prove what it does.
type ShippedRule struct {
	rules.Rule
	Description  string
	Matches      []json.RawMessage // events that it matches
	DoesNotMatch []json.RawMessage // events that look alike and that it leaves alone

	text []byte
}

// shippedFile is a file of the library.
type shippedFile struct {
	Name        string       `json:"name" required:"true"`
	Description string       `json:"description" required:"true"`
	Pattern     eventPattern `json:"pattern" required:"true"`
	Drop        string       `json:"drop"`
	Alert       *outcome     `json:"alert"`
	Samples     struct {
		Matches      []sample `json:"matches" required:"true"`
		DoesNotMatch []sample `json:"does_not_match" required:"true"`
	} `json:"samples" required:"true"`
}

// sample is an event, written as YAML or as JSON in a string.
type sample json.RawMessage

func (s *sample) read(d *decoder, n ast.Node, path string) {
	if text, ok := textOf(n); ok {
		*s = sample(text)
	} else {
		w := jsonWriter{d: d, path: path}
		w.value(n, "")
		*s = w.out
	}
	if !json.Valid(*s) {
		d.fail(d.spots[path], path, "not JSON")
	}
}

// Shipped reads a rule of the library by its name.
func Shipped(name string) (ShippedRule, error) {
	text, err := library.Rule(name)
	if err != nil {
		return ShippedRule{}, err
	}
	return parseShipped("library/"+name+".yaml", name, text)
}

func parseShipped(file, name string, text []byte) (ShippedRule, error) {
	doc, problem := readYAML(file, text)
	if problem != nil {
		return ShippedRule{}, *problem
	}
	d := newDecoder(file, doc, Kinds{})
	var f shippedFile
	d.value(doc.root, "", reflect.ValueOf(&f).Elem())
	made, _, _ := d.rule(rule{Name: f.Name, Pattern: f.Pattern, Drop: f.Drop, Alert: f.Alert}, "")
	if f.Name != name {
		d.fail(d.spot("name"), "name", "%q is not the name of the file, %q", f.Name, name)
	}
	if len(d.problems) > 0 {
		return ShippedRule{}, d.problems.inOrder()
	}
	shipped := ShippedRule{Rule: made, Description: f.Description, text: f.Pattern.text}
	for _, s := range f.Samples.Matches {
		shipped.Matches = append(shipped.Matches, json.RawMessage(s))
	}
	for _, s := range f.Samples.DoesNotMatch {
		shipped.DoesNotMatch = append(shipped.DoesNotMatch, json.RawMessage(s))
	}
	return shipped, nil
}

// Library are all shipped rules by name.
func Library() ([]ShippedRule, error) {
	var all []ShippedRule
	for _, name := range library.Names() {
		r, err := Shipped(name)
		if err != nil {
			return nil, fmt.Errorf("shipped rule %q: %w", name, err)
		}
		all = append(all, r)
	}
	return all, nil
}
