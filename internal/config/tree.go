package config

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// What is written, as a tree for people to see: references stand as they are, and
// *** stands for a secret.

const masked = "***"

// references are those in a text.
var references = lazyregexp.New(`\$\{[^}]*\}`)

// shown is a secret as it may be seen: the references in it. Words around them, such
// as Bearer, may stay if they are short.
func shown(text string) string {
	if !secret.IsReference(text) {
		return masked
	}
	if len(references.ReplaceAllString(text, "")) <= len("Bearer ") {
		return text
	}
	return masked + strings.Join(references.FindAllString(text, -1), masked)
}

// tree is what a node says, for something of type t; nil is any type. The
// configuration was read without a mistake before.
func (d *decoder) tree(n ast.Node, t reflect.Type, path string) any {
	n, ok := d.follow(n, path)
	if !ok {
		return nil
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		all := yaml.MapSlice{}
		for _, e := range d.entries(n, path) {
			all = append(all, yaml.MapItem{Key: e.key, Value: d.tree(e.node, d.typeOf(t, e.key), join(path, e.key))})
		}
		return all
	case *ast.SequenceNode:
		var inner reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			inner = t.Elem()
		}
		all := make([]any, len(n.Values))
		for i, item := range n.Values {
			all[i] = d.tree(item, inner, index(path, i))
		}
		return all
	}
	if t == secretType {
		text, _ := textOf(n)
		if d.keep != nil {
			return d.keep(path, text)
		}
		seen := shown(text)
		if d.hidden != nil && seen != text {
			d.hidden[path] = secret.New(text)
		}
		return seen
	}
	return scalarOf(n)
}

// typeOf is the type of what stands under a key of something of type t, or nil.
func (d *decoder) typeOf(t reflect.Type, key string) reflect.Type {
	if t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		for _, f := range fieldsOf(t) {
			if f.key == key && f.typ != chosenType {
				return f.typ
			}
		}
		for _, f := range fieldsOf(t) {
			if f.typ != chosenType {
				continue
			}
			for _, c := range d.kinds.choices(f.kinds) {
				if c.name == key {
					return c.config
				}
			}
		}
	}
	return nil
}

// scalarOf is a value as Go has it: of a number what the file spells, where Go has
// that.
func scalarOf(n ast.Node) any {
	if text, ok := textOf(n); ok && (!isPlain(n) || !jsonNumber.MatchString(text)) {
		return text
	}
	if kindOf(n) == "nothing" {
		return nil
	}
	spelled := n.GetToken().Value
	switch kindOf(n) {
	case "boolean":
		return strings.EqualFold(spelled, "true")
	case "string":
		return spelled
	}
	return number(spelled)
}

// number is a number as Go has it, or the text where it is none.
func number(spelled string) any {
	if i, err := strconv.ParseInt(spelled, 0, 64); err == nil && !leadingZero(spelled) {
		return i
	}
	if f, err := strconv.ParseFloat(spelled, 64); err == nil && jsonNumber.MatchString(spelled) {
		return f
	}
	return spelled
}

// under is what stands in a tree at a path of keys.
func under(tree any, path []string) (any, bool) {
	for _, key := range path {
		m, ok := tree.(yaml.MapSlice)
		i := slices.IndexFunc(m, func(item yaml.MapItem) bool { return item.Key == key })
		if !ok || i < 0 {
			return nil, false
		}
		tree = m[i].Value
	}
	return tree, true
}

// spell is a value as it is typed into a field of that type.
func spell(v any, typ FieldType) string {
	switch v := v.(type) {
	case nil:
		return ""
	case yaml.MapSlice:
		if typ == Pairs || typ == Secrets {
			lines := make([]string, len(v))
			for i, item := range v {
				lines[i] = fmt.Sprint(item.Key) + ": " + spell(item.Value, Text)
			}
			return strings.Join(lines, "\n")
		}
	case []any:
		if typ == List && !slices.ContainsFunc(v, func(item any) bool { return strings.Contains(fmt.Sprint(item), "\n") }) {
			lines := make([]string, len(v))
			for i, item := range v {
				lines[i] = spell(item, Text)
			}
			return strings.Join(lines, "\n")
		}
	case string:
		if typ == YAML { // where a text may need its quotes
			return strings.TrimSpace(string(toYAML(v)))
		}
		return v
	default:
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(string(toYAML(v)), "\n")
}

// place is where an entry is written, and what.
func (d *decoder) place(path string, form Form) Place {
	at := d.keySpot(path)
	p := Place{File: d.files[at.file], Line: at.line, Values: map[string]string{}, hidden: map[string]secret.String{}}
	for at, text := range d.hidden {
		if rest, ok := strings.CutPrefix(at, path+"."); ok {
			p.hidden[rest] = text
		}
	}
	tree := d.trees[path]
	for _, f := range form.Fields {
		if v, ok := under(tree, strings.Split(f.Key, ".")); ok {
			p.Values[f.Key] = spell(v, f.Type)
		}
	}
	return p
}

// plant keeps the trees of the entries of sources and receivers.
func (d *decoder) plant() {
	if len(d.problems) > 0 {
		return // it is of no use then
	}
	d.left, d.trees, d.hidden = maxNodes, map[string]any{}, map[string]secret.String{}
	for _, e := range d.top {
		t := d.typeOf(reflect.TypeFor[file](), e.key)
		if e.key != "sources" && e.key != "receivers" {
			continue
		}
		node, ok := d.follow(e.node, e.key)
		if !ok || kindOf(node) != "mapping" {
			continue
		}
		for _, entry := range d.entries(node, e.key) {
			path := join(e.key, entry.key)
			d.trees[path] = d.tree(entry.node, t.Elem(), path)
		}
	}
}

// Show writes the configuration as it is in force, as YAML: that of all its files
// together, with defaults, each part under a comment that says where it is from.
// References stand as they are, and *** for secrets that stand there themselves.
func Show(path string, kinds Kinds) ([]byte, error) {
	text, err := Files(nil).read(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return ShowText(path, text, kinds)
}

// ShowText is [Show] of a text; name is how it is called.
func ShowText(name string, text []byte, kinds Kinds) ([]byte, error) {
	if _, err := Parse(name, text, kinds); err != nil {
		return nil, err
	}
	d, _, problems := decode(name, text, kinds, nil)
	if problems != nil {
		return nil, problems
	}
	d.left = maxNodes
	s := shower{decoder: d}
	for _, f := range fieldsOf(reflect.TypeFor[file]()) {
		s.key(f)
	}
	return []byte(s.out.String()), nil
}

type shower struct {
	*decoder
	out strings.Builder
}

// key writes one of the top-level keys.
func (s *shower) key(f field) {
	var from []entry
	for _, e := range s.top {
		if e.key == f.key {
			from = append(from, e)
		}
	}
	if len(from) == 0 {
		if f.fallback != "" {
			s.text(toYAML(yaml.MapSlice{{Key: f.key, Value: fallbackOf(f)}}), "", "default")
		}
		return
	}
	many := f.typ.Kind() == reflect.Map || f.typ.Kind() == reflect.Slice && f.typ != reflect.TypeFor[names]()
	if !many {
		tree := s.tree(from[0].node, f.typ, f.key)
		if f.key == "store" {
			tree = redacted(tree)
		}
		s.text(toYAML(yaml.MapSlice{{Key: f.key, Value: tree}}), "", s.from(from[0].at))
		return
	}
	fmt.Fprintf(&s.out, "%s:\n", f.key)
	for _, e := range from {
		s.within(e, f)
	}
}

// within writes what one file has under a key that several may have.
func (s *shower) within(e entry, f field) {
	node, ok := s.follow(e.node, f.key)
	if !ok {
		return
	}
	if list, ok := node.(*ast.SequenceNode); ok {
		for _, item := range list.Values {
			at := startOf(item)
			at.file = e.at.file
			s.text(toYAML([]any{s.tree(item, f.typ.Elem(), f.key)}), "  ", s.from(at))
		}
		return
	}
	if kindOf(node) != "mapping" {
		return
	}
	for _, one := range s.entries(node, f.key) {
		one.at.file = e.at.file
		s.text(toYAML(yaml.MapSlice{{Key: one.key, Value: s.tree(one.node, f.typ.Elem(), f.key)}}), "  ", s.from(one.at))
	}
}

func (s *shower) from(at position) string { return fmt.Sprintf("%s:%d", s.files[at.file], at.line) }

// text writes YAML with a comment before it.
func (s *shower) text(text []byte, indent, comment string) {
	fmt.Fprintf(&s.out, "%s# %s\n", indent, comment)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		if line != "" {
			line = indent + line
		}
		s.out.WriteString(line + "\n")
	}
}

// redacted is the address of a database without its password.
func redacted(v any) any {
	text, ok := v.(string)
	if u, err := url.Parse(text); ok && err == nil && u.User != nil {
		if password, has := u.User.Password(); has && !secret.IsReference(password) {
			return strings.Replace(text, ":"+password+"@", ":"+masked+"@", 1)
		}
	}
	return v
}

// fallbackOf is a default as a person writes it.
func fallbackOf(f field) any {
	if f.typ.Kind() == reflect.Bool {
		return f.fallback == "true"
	}
	if f.typ.Kind() == reflect.String {
		return f.fallback
	}
	return number(f.fallback)
}
