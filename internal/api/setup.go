package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

// What sources and receivers have in common.

// An Entry is a source or a receiver as it is configured.
type Entry struct {
	Name     string            `json:"name" doc:"What it is called."`
	Kind     string            `json:"kind" doc:"Of which kind it is: sns, slack."`
	Title    string            `json:"title" doc:"What people call that kind."`
	File     string            `json:"file,omitempty" doc:"The file in which it stands."`
	Line     int               `json:"line,omitempty" doc:"The line of that file."`
	Managed  bool              `json:"managed" doc:"Whether it can be changed here."`
	Why      string            `json:"why,omitempty" doc:"Why not."`
	Disabled bool              `json:"disabled,omitempty" doc:"It takes nothing in, or nobody is told by it."`
	Deleted  bool              `json:"deleted,omitempty" doc:"It was there once; its journal is kept."`
	Values   map[string]string `json:"values,omitempty" doc:"What is set, by the key of the field; a secret is the reference that names it, or ***."`
}

func entryOf(e setup.Entry) Entry {
	return Entry{
		Name: e.Name, Kind: e.Kind, Title: e.Title, File: e.File, Line: e.Line, Managed: e.Managed, Why: e.Why,
		Disabled: e.Disabled, Deleted: e.Deleted, Values: e.Values,
	}
}

// A SetupChange is a line of the history of what was set up.
type SetupChange struct {
	At   time.Time `json:"at" doc:"When."`
	By   string    `json:"by" doc:"Who."`
	Did  string    `json:"did" doc:"What they did: added, changed, disabled, enabled, deleted, rotated, retired or tested."`
	Text string    `json:"text,omitempty" doc:"Which settings, or what came of it. Nothing secret."`
}

func changesOf(all []setup.Change) []SetupChange {
	var list []SetupChange
	for _, c := range all {
		list = append(list, SetupChange{At: c.At, By: c.By, Did: c.Did, Text: c.Text})
	}
	return list
}

type changeByName struct {
	byName
	Who `body:"json"`
}

// Saving is the body that writes a source or a receiver.
type Saving struct {
	By     string            `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who writes it."`
	Kind   string            `json:"kind" jsonschema:"minLength=1,maxLength=64,example=https" doc:"Of which kind it is; an entry of the catalogue will do."`
	Values map[string]string `json:"values,omitempty" doc:"What is set, by the key of the field, as the catalogue has them: \"https.header\", or short \"header\". Lists have one item a line. A secret that is left out stays as it is, and - removes it."`
	New    bool              `json:"new,omitempty" doc:"Refuse if one of that name is there."`
}

type save struct {
	byName
	Saving `body:"json"`
}

// setUp is what sets up, or says that there is none.
func (a *api) setUp() (*setup.Setup, error) {
	if a.setup == nil {
		return nil, unprocessable{errors.New("nothing can be set up here")}
	}
	return a.setup, nil
}

// save writes an entry, by its kind or by an entry of the catalogue.
func (a *api) save(ctx context.Context, w setup.What, in save) error {
	s, err := a.setUp()
	if err != nil {
		return err
	}
	kind, values := in.Kind, in.Values
	if c, ok := s.Choice(w, in.Kind); ok {
		kind = c.Kind
		form, _ := s.Form(w, kind)
		values = map[string]string{}
		maps.Copy(values, c.Values)
		for key, value := range in.Values {
			if f, ok := form.Field(key); ok {
				key = f.Key
			}
			values[key] = value
		}
	}
	return refusedSetup(s.Save(ctx, setup.Save{What: w, Name: in.Name, Kind: kind, Values: values, New: in.New, By: in.By}))
}

// refusedSetup is an error of a setup as the API tells it.
func refusedSetup(err error) error {
	if ps, ok := errors.AsType[setup.Problems](err); ok {
		var all problems
		for _, p := range ps {
			all = append(all, fieldOf(p))
		}
		return all
	}
	if _, ok := errors.AsType[*setup.RefusedError](err); ok {
		return unprocessable{err}
	}
	return err
}

func fieldOf(p setup.Problem) Problem {
	switch p.Field {
	case "name":
		return Problem{In: "path", Field: p.Field, Text: p.Text}
	case "", "by", "kind", "keep", "regions", "tags", "role_arn", "stack_name", "ous", "format":
		return Problem{In: "body", Field: p.Field, Text: p.Text}
	}
	return Problem{In: "body", Field: "values." + p.Field, Text: p.Text}
}

// A Catalogue is all that can be set up.
type Catalogue struct {
	Sources   []Choice `json:"sources" doc:"Ways by which events come."`
	Receivers []Choice `json:"receivers" doc:"Ways by which people are told."`
}

// A Choice is one of them.
type Choice struct {
	Name   string            `json:"name" doc:"What it is called here."`
	Title  string            `json:"title" doc:"What people call it."`
	Doc    string            `json:"doc" doc:"What it is."`
	Group  string            `json:"group" doc:"Under what it stands."`
	Kind   string            `json:"kind" doc:"Of which kind it is."`
	Values map[string]string `json:"values,omitempty" doc:"What is made already."`
	Fields []Field           `json:"fields" doc:"What can be set."`
}

// A Field is one thing that can be set.
type Field struct {
	Key      string   `json:"key" doc:"Its key."`
	Label    string   `json:"label" doc:"Its key in words."`
	Doc      string   `json:"doc" doc:"What it is for."`
	Type     string   `json:"type" doc:"How it is read: text, secret, number, boolean, duration, list (one a line), pairs and secrets (name: value, one a line), one of, or yaml."`
	Options  []string `json:"options,omitempty" doc:"The words that will do."`
	Default  string   `json:"default,omitempty" doc:"What it is when it is left out."`
	Required bool     `json:"required,omitempty" doc:"It cannot be left out; of a group, only where something of it is set."`
	Example  string   `json:"example,omitempty" doc:"What could stand there."`
	Group    string   `json:"group,omitempty" doc:"The part of the settings that it belongs to."`
}

func (a *api) catalogue(context.Context, none) (Catalogue, error) {
	s, err := a.setUp()
	if err != nil {
		return Catalogue{}, err
	}
	return Catalogue{Sources: choices(s, setup.Source), Receivers: choices(s, setup.Receiver)}, nil
}

func choices(s *setup.Setup, w setup.What) []Choice {
	all := []Choice{}
	for _, c := range s.Catalogue(w) {
		made := Choice{Name: c.Name, Title: c.Title, Doc: c.Doc, Group: c.Group, Kind: c.Kind, Values: c.Values, Fields: []Field{}}
		form, _ := s.Form(w, c.Kind)
		for _, f := range form.Fields {
			made.Fields = append(made.Fields, fieldFrom(f))
		}
		all = append(all, made)
	}
	return all
}

func fieldFrom(f config.FormField) Field {
	return Field{
		Key: f.Key, Label: f.Label, Doc: f.Doc, Type: string(f.Type), Options: f.Options, Default: f.Default,
		Required: f.Required, Example: f.Example, Group: f.Group,
	}
}

// eventIn is what a raw body holds; nil for an empty object, which is a sample.
func eventIn(raw json.RawMessage) []byte {
	if strings.TrimSpace(string(raw)) == "{}" {
		return nil
	}
	return raw
}
