package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	yaml "github.com/goccy/go-yaml"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A FieldProblem says what is wrong with what was typed into a field.
type FieldProblem struct {
	Key  string // of the field
	Text string
}

// Field is the field of a key, which may be short of the kind where that is no
// other field: "token" for "https.token".
func (f Form) Field(key string) (FormField, bool) {
	for _, full := range []string{key, f.Kind + "." + key} {
		if i := slices.IndexFunc(f.Fields, func(field FormField) bool { return field.Key == full }); i >= 0 {
			return f.Fields[i], true
		}
	}
	return FormField{}, false
}

// Compose writes an entry of sources or receivers as YAML, "name:" and what stands
// below, of what was typed into the fields of its form. What is empty is left out.
//
// keep is given each secret that is typed in, with its key ("webhook.headers.X-Key"),
// and gives what is to be written instead: a reference. References are written as
// they are; what begins with *** is a secret that is there and was not typed anew. What is wrong beyond what a field can be read as, the configuration as a
// whole says.
func (f Form) Compose(name string, disabled bool, values map[string]string, keep func(key, text string) (string, error)) ([]byte, []FieldProblem) {
	c := composer{keep: keep}
	var settings, common yaml.MapSlice
	typed := map[string]string{}
	for _, key := range sortedKeys(values) {
		field, ok := f.Field(key)
		if !ok {
			var known []string
			for _, field := range f.Fields {
				known = append(known, strings.TrimPrefix(field.Key, f.Kind+"."))
			}
			c.fail(key, fmt.Sprintf("no such setting%s", didYouMean(strings.TrimPrefix(key, f.Kind+"."), known)))
			continue
		}
		if _, twice := typed[field.Key]; twice {
			c.fail(key, "is there twice")
		}
		typed[field.Key] = values[key]
	}
	for _, field := range f.Fields {
		text := strings.ReplaceAll(typed[field.Key], "\r\n", "\n")
		if strings.TrimSpace(text) == "" {
			continue
		}
		value := c.value(field, text)
		if field.Common {
			common = put(common, strings.Split(field.Key, "."), value)
		} else {
			settings = put(settings, strings.Split(strings.TrimPrefix(field.Key, f.Kind+"."), "."), value)
		}
	}
	if disabled {
		common = append(common, yaml.MapItem{Key: "disabled", Value: true})
	}
	if settings == nil {
		settings = yaml.MapSlice{}
	}
	entry := append(yaml.MapSlice{{Key: f.Kind, Value: settings}}, common...)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return toYAML(yaml.MapSlice{{Key: name, Value: entry}}), nil
}

// put sets what stands in a tree at a path of keys.
func put(m yaml.MapSlice, path []string, value any) yaml.MapSlice {
	i := slices.IndexFunc(m, func(item yaml.MapItem) bool { return item.Key == path[0] })
	if i < 0 {
		i, m = len(m), append(m, yaml.MapItem{Key: path[0]})
	}
	if len(path) > 1 {
		inner, _ := m[i].Value.(yaml.MapSlice)
		value = put(inner, path[1:], value)
	}
	m[i].Value = value
	return m
}

type composer struct {
	keep     func(key, text string) (string, error)
	problems []FieldProblem
}

func (c *composer) fail(key, text string) {
	c.problems = append(c.problems, FieldProblem{key, text})
}

// value is what was typed into a field, as a tree.
func (c *composer) value(field FormField, text string) any {
	trimmed := strings.TrimSpace(text)
	switch field.Type {
	case Secret:
		return c.secret(field.Key, field.Key, text)
	case Text:
		if strings.Contains(trimmed, "\n") {
			return text
		}
		return trimmed
	case Number:
		return number(trimmed)
	case Boolean:
		switch trimmed {
		case "true":
			return true
		case "false":
			return false
		}
	case List:
		if strings.HasPrefix(trimmed, "[") {
			return c.yaml(field, text)
		}
		return c.list(field, text)
	case Pairs, Secrets:
		return c.pairs(field, text)
	case YAML:
		return c.yaml(field, text)
	}
	return trimmed
}

func (c *composer) list(field FormField, text string) any {
	numbers := false
	if t := field.typ; t.Kind() == reflect.Slice {
		typ, _ := fieldType(t.Elem())
		numbers = typ == Number
	}
	all := []any{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case numbers:
			all = append(all, number(line))
		default:
			all = append(all, line)
		}
	}
	return all
}

func (c *composer) pairs(field FormField, text string) any {
	all := yaml.MapSlice{}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" {
			what := strings.TrimSpace(line)
			if field.Hides() {
				what = "a line" // it may be a secret
			}
			c.fail(field.Key, fmt.Sprintf("%s: want a name, a colon and a value on each line", what))
			return nil
		}
		if field.Hides() {
			value = c.secret(field.Key, join(field.Key, key), value)
		}
		all = append(all, yaml.MapItem{Key: key, Value: value})
	}
	return all
}

// secret is what stands in the file for a secret.
func (c *composer) secret(field, key, text string) string {
	if secret.IsReference(text) && !strings.HasPrefix(strings.TrimSpace(text), masked) {
		return strings.TrimSpace(text)
	}
	reference, err := c.keep(key, text)
	if err != nil {
		c.fail(field, err.Error())
	}
	return reference
}

// yaml reads what stands in a field as it would in the file, and keeps the secrets
// in it apart.
func (c *composer) yaml(field FormField, text string) any {
	doc, problem := readYAML(field.Key, []byte(text))
	if problem != nil {
		c.fail(field.Key, fmt.Sprintf("line %d: %s", problem.Line, problem.Text))
		return nil
	}
	if doc.root == nil {
		return nil
	}
	d := newDecoder(field.Key, doc, Kinds{})
	if field.Type == YAML && kindOf(doc.root) == "string" {
		if plain, ok := textOf(doc.root); ok && strings.HasPrefix(strings.TrimSpace(plain), "{") {
			return plain // JSON in a string
		}
	}
	d.keep = func(key, text string) string { return c.secret(field.Key, key, text) }
	tree := d.tree(doc.root, field.typ, field.Key)
	for _, p := range d.problems {
		c.fail(field.Key, fmt.Sprintf("line %d: %s", p.Line, p.Text))
	}
	return tree
}
