package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/secret"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

// A setupForm is the form of one entry, new or there already.
type setupForm struct {
	What      setup.What
	Home      string
	Href      string // of the entry's page; empty if it is new
	Action    string
	Fixed     string // why nothing can be saved, or empty
	New       bool
	Name      string
	NameError string
	Title     string // of the kind
	Doc       string
	Can       []string
	Limit     string
	Acts      bool
	Checks    []string    // what its messages were checked against
	Wrong     []wrongness // all that is wrong
	Main      []fieldRow
	Parts     []fieldPart // of which one or another is filled in
	Who       []fieldRow  // who is told of what comes in
	Reads     []fieldPart // how events are read
	More      []fieldPart
	// ReadsOpen and MoreOpen say that something of it is set, or wrong.
	ReadsOpen, MoreOpen bool
	Seen                string
	Me                  actor
}

// A wrongness is one thing to be put right.
type wrongness struct {
	Input string // the id of its field; empty if it has none
	Label string
	Text  string
}

// A fieldPart is fields that belong together.
type fieldPart struct {
	Name string
	Rows []fieldRow
	Open bool // something of it is set, or wrong
}

// A fieldRow is one field with what is typed into it.
type fieldRow struct {
	config.FormField
	Input   string // the name of the input, and its id
	Value   string
	Set     string // of a secret that is there: its reference
	Again   bool   // it was typed, and is not sent back
	Error   string
	Choices []option
	Hint    string
}

// Area reports whether it is typed on several lines.
func (f fieldRow) Area() bool {
	switch f.Type {
	case config.List:
		return len(f.Choices) == 0
	case config.Pairs, config.Secrets, config.YAML:
		return true
	case config.Text:
		return strings.Contains(f.Value, "\n") || strings.HasSuffix(f.Key, ".body") || strings.HasSuffix(f.Key, ".input.template")
	}
	return false
}

// Height is for how many lines there is room.
func (f fieldRow) Height() int {
	least := 3
	if strings.HasPrefix(f.Key, "map.") {
		least = 1
	}
	return min(max(least, strings.Count(f.Value, "\n")+1), 20)
}

// Ticks reports whether several names are chosen.
func (f fieldRow) Ticks() bool { return f.Type == config.List && len(f.Choices) > 0 }

// Picks reports whether one of some words is chosen.
func (f fieldRow) Picks() bool { return f.Type != config.List && len(f.Choices) > 0 }

// Hidden reports whether what is typed is not to be seen.
func (f fieldRow) Hidden() bool { return f.Type == config.Secret }

// Needed reports whether it has to be filled in. Where it belongs to a part that can
// be left out, the server knows.
func (f fieldRow) Needed() bool { return f.Required && f.Group == "" }

// open reports whether there is something in it to be seen.
func (f fieldRow) open() bool { return f.Value != "" || f.Set != "" || f.Error != "" || f.Again }

// inputPrefix begins the names of inputs, so that no setting is taken for the form's
// own fields.
const inputPrefix = "set."

// An addInput is all that the form of a new entry is made of.
type addInput struct {
	What     setup.What
	Choice   setup.Choice
	Form     config.Form
	Name     string
	Values   map[string]string
	Problems setup.Problems
}

func (in addInput) view(names func(what string) []string) setupForm {
	v := newForm(in.What, in.Form, in.Values, nil, in.Problems, names)
	v.New, v.Name, v.NameError, v.Title, v.Doc = true, in.Name, in.Problems.Of("name"), in.Choice.Title, in.Choice.Doc
	v.Action = homeOf(in.What) + "/" + addPage + "/" + in.Choice.Name
	v.Acts = in.Choice.Acts
	if a := in.Choice.Abilities; a != nil {
		v.Can, v.Limit = can(*a), a.Limit
	}
	for _, c := range in.Choice.Checks {
		if !slices.Contains(v.Checks, c.By) {
			v.Checks = append(v.Checks, c.By)
		}
	}
	return v
}

// An editInput is all that the form of an entry that is there is made of.
type editInput struct {
	Entry    setup.Entry
	Form     config.Form
	Values   map[string]string
	Problems setup.Problems
}

func (in editInput) view(names func(what string) []string) setupForm {
	e := in.Entry
	v := newForm(e.What, in.Form, in.Values, e.Values, in.Problems, names)
	v.Name, v.Title, v.Href, v.Seen = e.Name, e.Title, hrefOf(e.What, e.Name), sumOfEntry(e)
	v.Action = v.Href + "/edit"
	return v
}

// newForm lays a form out with what is typed into it, and what is wrong with that.
// there is what the entry has.
func newForm(w setup.What, f config.Form, values, there map[string]string, problems setup.Problems, names func(what string) []string) setupForm {
	v := setupForm{What: w, Home: homeOf(w), Title: f.Title, Doc: f.Doc}
	for _, field := range f.Fields {
		v.lay(partOf(f, field), newField(field, values[field.Key], there[field.Key], problems, names))
	}
	for _, part := range v.Reads {
		v.ReadsOpen = v.ReadsOpen || part.Open
	}
	for _, part := range v.More {
		v.MoreOpen = v.MoreOpen || part.Open
	}
	for _, p := range problems {
		one := wrongness{Text: p.Text}
		if field, ok := f.Field(p.Field); ok {
			one.Input, one.Label = inputPrefix+field.Key, labelIn(f, field)
		} else if p.Field == "name" {
			one.Input, one.Label = "name", "Name"
		} else {
			one.Label = p.Field
		}
		v.Wrong = append(v.Wrong, one)
	}
	return v
}

// shortForm is how many fields stand there before those that are folded away.
const shortForm = 6

// lay puts a field where it belongs.
func (v *setupForm) lay(part string, row fieldRow) {
	switch {
	case v.What == setup.Source && row.Names != "":
		v.Who = append(v.Who, row)
	case v.What == setup.Source && row.Common:
		v.Reads = into(v.Reads, readingPart(row.Key), row)
	case row.Group != "":
		v.Parts = into(v.Parts, partLabel(part), row)
	case v.What == setup.Source && row.Type == config.Secret && strings.HasSuffix(row.Key, ".token"):
		v.More = into(v.More, "", row) // one is made, which is better than any that is thought of
	case row.Required && part == "", part == "" && !row.Common && len(v.Main) < shortForm && row.Type != config.YAML:
		v.Main = append(v.Main, row)
	default:
		v.More = into(v.More, partLabel(part), row)
	}
}

// into adds a row to the part of that name.
func into(parts []fieldPart, name string, row fieldRow) []fieldPart {
	i := slices.IndexFunc(parts, func(p fieldPart) bool { return p.Name == name })
	if i < 0 {
		i, parts = len(parts), append(parts, fieldPart{Name: name})
	}
	parts[i].Rows = append(parts[i].Rows, row)
	parts[i].Open = parts[i].Open || row.open()
	return parts
}

// readingPart is under what a setting of how events are read stands.
func readingPart(key string) string {
	switch {
	case key == "preset" || key == "filters":
		return "What is looked at"
	case strings.HasPrefix(key, "map.") || key == "facts":
		return "Where an event has what an alert says"
	}
	return "What opens, updates, acknowledges and closes an alert"
}

// partOf is the part of an entry that a field belongs to: "twilio" of
// "sms.twilio.from", and none of "sms.to".
func partOf(f config.Form, field config.FormField) string {
	path := strings.Split(strings.TrimPrefix(field.Key, f.Kind+"."), ".")
	if len(path) < 2 {
		return ""
	}
	return path[len(path)-2]
}

var partLabels = map[string]string{"aws": "AWS", "colors": "Colours", "input": "A message of your own, as EventBridge's input transformer", "map": "Map", "tls": "TLS"}

func partLabel(part string) string {
	if label, ok := partLabels[part]; ok || part == "" {
		return label
	}
	return title(part)
}

// labelIn is a field's label where it stands by itself: "Twilio: From".
func labelIn(f config.Form, field config.FormField) string {
	if part := partLabel(partOf(f, field)); part != "" && field.Group != "input" {
		return part + ": " + field.Label
	}
	return field.Label
}

// newField is a field with what is typed into it. there is what the entry has.
func newField(field config.FormField, value, there string, problems setup.Problems, names func(what string) []string) fieldRow {
	row := fieldRow{FormField: field, Input: inputPrefix + field.Key, Value: value, Error: problems.Of(field.Key), Hint: field.Example}
	if row.Hint == "" {
		row.Hint = field.Default
	}
	switch field.Type {
	case config.Secret:
		row.Value, row.Set = "", there
		row.Again = value != "" && value != there && value != "-"
	case config.Secrets:
		row.Value, row.Again = unsaid(value)
	case config.Boolean:
		usual := "no"
		if field.Default == "true" {
			usual = "yes"
		}
		row.Choices = choose([]option{{Label: "As usual (" + usual + ")"}, {Value: "true", Label: "Yes"}, {Value: "false", Label: "No"}}, value)
	case config.OneOf:
		usual := "None"
		if field.Default != "" {
			usual = "As usual (" + field.Default + ")"
		}
		row.Choices = chooseAmong(field.Options, usual, value)
	}
	if field.Names == "" {
		return row
	}
	if field.Type == config.List {
		row.Choices = tick(names(field.Names), strings.Split(value, "\n"))
	} else {
		row.Choices = chooseAmong(names(field.Names), "None", value)
	}
	return row
}

// chooseAmong are the words of a select; a value that is none of them is one more,
// so that nothing is lost.
func chooseAmong(words []string, usual, value string) []option {
	os := []option{{Label: usual, Chosen: value == ""}}
	if value != "" && !slices.Contains(words, value) {
		words = append(slices.Clone(words), value)
	}
	for _, word := range words {
		os = append(os, option{Value: word, Label: word, Chosen: word == value})
	}
	return os
}

// tick are names with those chosen marked. One that is not known stays, so that
// nothing is lost.
func tick(names, chosen []string) (os []option) {
	for _, name := range chosen {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(slices.Clone(names), name)
		}
	}
	for _, name := range names {
		os = append(os, option{Value: name, Label: name, Chosen: slices.Contains(chosen, name)})
	}
	return os
}

// unsaid takes secrets out of lines of "name: secret". What stands for a secret that
// is kept already stays.
func unsaid(text string) (left string, some bool) {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		name, value, ok := strings.Cut(l, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(l) == "", strings.HasPrefix(value, "***"), secret.IsReference(value):
		case !ok:
			lines[i], some = "", true // nobody knows which part of it is secret
		default:
			lines[i], some = name+":", true
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), some
}

// typed are the settings of a form that was sent, by the keys of their fields.
func typed(r *http.Request) map[string]string {
	values := map[string]string{}
	for name, all := range r.PostForm {
		key, ours := strings.CutPrefix(name, inputPrefix)
		if !ours {
			continue
		}
		text := strings.ReplaceAll(strings.ToValidUTF8(strings.Join(all, "\n"), "\uFFFD"), "\r\n", "\n")
		// The blanks before the first line belong to YAML.
		if text = strings.TrimRight(strings.TrimLeft(text, "\n"), " \t\n"); strings.TrimSpace(text) != "" {
			values[key] = text
		}
	}
	return values
}
