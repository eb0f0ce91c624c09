package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A decoder puts a document into structs. It goes on after a mistake, so that
// all of them are told at once, and keeps where everything was written.
//
// Tags of a field: json names its key, doc explains it, default is what it is
// when it is not written, required:"true" makes its absence a problem. For forms,
// example is what could stand there, and oneof:"a b" are the words that will do.
type decoder struct {
	document
	file  string // the main one
	kinds Kinds
	// files are all that belong to it, as positions number them; current is the one
	// that is being decoded. Its lists stand behind those of the files before it.
	files   []string
	current int
	behind  map[string]int // by the list's path
	// top are the entries of each file, as far as they were understood.
	top []entry
	// instead are texts that go before what is on disk, and read are the files besides
	// the main one that were read.
	instead Files
	read    []string
	trees   map[string]any // what the entries of sources and receivers say, by path
	// keep, if there is one, gives what stands in a tree for a secret; else it is
	// masked.
	keep func(path, text string) string
	// hidden are those that were, as they are written; nil where nobody asks.
	hidden map[string]secret.String
	// spots says where the value of a path was written; where its key stands is
	// under the path and " key".
	spots    map[string]position
	problems Problems
	warnings Problems
	// texts are those of the other files that this one names.
	texts [][]byte
	// directory is there once the file is decoded.
	directory *directory
	// left is how many nodes may still be read. An alias costs what it stands for,
	// so that a few lines cannot become gigabytes.
	left  int
	depth int
}

const (
	maxNodes = 500_000
	maxDepth = 200
)

func newDecoder(name string, doc document, kinds Kinds) *decoder {
	return &decoder{document: doc, file: name, files: []string{name}, kinds: kinds, spots: map[string]position{}, left: maxNodes}
}

// A reader decodes itself.
type reader interface {
	read(d *decoder, n ast.Node, path string)
}

func (d *decoder) fail(at position, path, format string, args ...any) {
	d.problems = append(d.problems, d.problem(at, path, fmt.Sprintf(format, args...)))
}

func (d *decoder) warn(at position, path, format string, args ...any) {
	d.warnings = append(d.warnings, d.problem(at, path, fmt.Sprintf(format, args...)))
}

func (d *decoder) problem(at position, path, text string) Problem {
	return Problem{File: d.files[at.file], Line: at.line, Column: at.column, Path: path, Text: text}
}

// start is where a person sees the node begin, in the file that is being decoded.
func (d *decoder) start(n ast.Node) position {
	at := startOf(n)
	at.file = d.current
	return at
}

// first says where something stands that is there a second time at the position:
// "line 5", or where that is another file "line 5 of more.yml".
func (d *decoder) first(first, second position) string {
	if first.file == second.file {
		return fmt.Sprintf("line %d", first.line)
	}
	return fmt.Sprintf("line %d of %s", first.line, d.files[first.file])
}

// spot is where the path was written, or the nearest of what it is within.
func (d *decoder) spot(path string) position {
	for {
		if at, ok := d.spots[path]; ok {
			return at
		}
		if path == "" {
			return position{line: 1, column: 1}
		}
		path = parent(path)
	}
}

func (d *decoder) keySpot(path string) position {
	if at, ok := d.spots[path+" key"]; ok {
		return at
	}
	return d.spot(path)
}

// failed reports whether something at or below the path is wrong.
func (d *decoder) failed(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return within(p.Path, path) })
}

// parent is what the path is directly within.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// join is path.key, with a key that a person would stumble over in quotes.
func join(path, key string) string {
	if key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// follow goes through anchors, aliases and tags to what they stand for. ok is
// false if that led nowhere, which was then told.
func (d *decoder) follow(n ast.Node, path string) (_ ast.Node, ok bool) {
	if d.left--; d.left <= 0 {
		if d.left == 0 {
			d.fail(d.start(n), path, "too much: the aliases before this stand for half a million values")
		}
		return nil, false
	}
	for range maxDepth {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			target := d.bound[v]
			if target == nil {
				d.fail(d.start(n), path, "no anchor &%s before this", nameOf(v.Value))
				return nil, false
			}
			n = target
		case *ast.TagNode:
			if v.GetToken().Value != "!!str" || v.Value == nil {
				d.fail(d.start(n), path, "tag %s is not understood here", v.GetToken().Value)
				return nil, false
			}
			inner := v.Value
			if text, ok := textOf(inner); ok {
				return forcedText{inner, text}, true
			}
			if _, ok := inner.(ast.ScalarNode); ok {
				return forcedText{inner, inner.GetToken().Value}, true
			}
			n = inner
		case *ast.MappingNode:
			if text, ok := colonText(v); ok {
				return forcedText{v, text}, true
			}
			return n, true
		default:
			return n, true
		}
	}
	d.fail(d.start(n), path, "anchors within anchors without an end")
	return nil, false
}

// An entry is one key of a mapping with its value.
type entry struct {
	key   string
	plain bool // the key is text: quoted, or not to be taken for a number
	at    position
	node  ast.Node
	// merged says that it comes by a merge key ("<<"), so that a key written out
	// goes before it.
	merged bool
}

// entries are the keys of a mapping in order, each once: a second one is a
// problem, and what a merge key brings gives way.
func (d *decoder) entries(n ast.Node, path string) []entry {
	var all []entry
	index := map[string]int{}
	for _, e := range d.rawEntries(n, path, 0) {
		i, twice := index[e.key]
		switch {
		case !twice:
			index[e.key] = len(all)
			all = append(all, e)
		case e.merged:
		case all[i].merged:
			all[i] = e
		default:
			d.fail(e.at, path, "%q is there twice, first in %s", e.key, d.first(all[i].at, e.at))
		}
	}
	return all
}

func (d *decoder) rawEntries(n ast.Node, path string, depth int) []entry {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	}
	var all []entry
	for _, v := range values {
		if v == nil || v.Key == nil {
			continue
		}
		if v.Key.IsMergeKey() {
			all = append(all, d.merge(v.Value, path, depth+1)...)
			continue
		}
		key, ok := d.follow(keyOf(v.Key), path)
		if !ok {
			continue
		}
		e := entry{at: d.start(v.Key), node: v.Value}
		if e.key, e.plain = textOf(key); !e.plain {
			if _, scalar := key.(ast.ScalarNode); !scalar {
				d.fail(e.at, path, "got %s as a key, want string", kindOf(key))
				continue
			}
			e.key = key.GetToken().Value
		}
		all = append(all, e)
	}
	return all
}

func keyOf(k ast.MapKeyNode) ast.Node {
	if k, ok := k.(*ast.MappingKeyNode); ok {
		return k.Value
	}
	return k
}

// merge is what the value of a merge key brings: one mapping, or a list of them
// of which the earlier goes first.
func (d *decoder) merge(n ast.Node, path string, depth int) []entry {
	if depth > maxDepth {
		d.fail(d.start(n), path, "merge keys within merge keys without an end")
		d.left = 0
		return nil
	}
	at := d.start(n)
	n, ok := d.follow(n, path)
	if !ok {
		return nil
	}
	var all []entry
	switch v := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		all = d.rawEntries(n, path, depth)
	case *ast.SequenceNode:
		for _, item := range v.Values {
			all = append(all, d.merge(item, path, depth+1)...)
		}
	default:
		d.fail(at, path, `got %s after "<<", want mapping`, kindOf(n))
	}
	for i := range all {
		all[i].merged = true
	}
	return all
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonType     = reflect.TypeFor[json.Unmarshaler]()
	readerType   = reflect.TypeFor[reader]()
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[secret.String]()
	timeType     = reflect.TypeFor[time.Time]()
	chosenType   = reflect.TypeFor[chosen]()
)

// value puts the node into a settable value.
func (d *decoder) value(n ast.Node, path string, into reflect.Value) {
	if d.depth++; d.depth > maxDepth {
		d.fail(d.start(n), path, "nested too deep: is an anchor used within itself?")
		d.depth--
		return
	}
	defer func() { d.depth-- }()
	at := d.start(n)
	if null, ok := n.(*ast.NullNode); ok && null.GetToken().Type == token.ImplicitNullType {
		at = d.keySpot(path) // there is nothing to point at
	}
	d.spots[path] = at
	n, ok := d.follow(n, path)
	if !ok {
		return
	}
	t := into.Type()
	switch {
	case reflect.PointerTo(t).Implements(readerType):
		into.Addr().Interface().(reader).read(d, n, path)
	case t.Kind() == reflect.Pointer:
		if into.IsNil() {
			into.Set(reflect.New(t.Elem()))
		}
		d.value(n, path, into.Elem())
		d.spots[path] = at
	case t == secretType:
		d.secret(n, path, into)
	case t == durationType:
		d.scalar(n, path, into, "duration such as 30s, 15m or 7d")
	case reflect.PointerTo(t).Implements(textType):
		d.unmarshalText(n, path, into)
	case t.Kind() == reflect.Interface, reflect.PointerTo(t).Implements(jsonType):
		d.unmarshalJSON(n, path, into)
	default:
		d.kind(n, path, into)
	}
}

// kind decodes by what Go calls the kind of a type.
func (d *decoder) kind(n ast.Node, path string, into reflect.Value) {
	switch into.Kind() {
	case reflect.Struct:
		d.object(n, path, into)
	case reflect.Map:
		d.mapping(n, path, into)
	case reflect.Slice:
		d.list(n, path, into)
	case reflect.String:
		if text, ok := d.text(n, path); ok {
			into.SetString(text)
		}
	case reflect.Bool:
		d.scalar(n, path, into, "true or false")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.scalar(n, path, into, "integer")
	case reflect.Float32, reflect.Float64:
		d.scalar(n, path, into, "number")
	default:
		d.fail(d.spots[path], path, "a setting of type %s cannot be configured", into.Type())
	}
}

// text is the node's text with its references replaced.
func (d *decoder) text(n ast.Node, path string) (string, bool) {
	text, ok := textOf(n)
	if !ok {
		d.fail(d.spots[path], path, "%s", wantText(n))
		return "", false
	}
	text, err := secret.Expand(text)
	if err != nil {
		d.fail(d.spots[path], path, "%s", err)
		return "", false
	}
	return text, true
}

// secret keeps the text hidden and resolves it. A secret written into the file
// is a warning, one that resolves to nothing a problem.
func (d *decoder) secret(n ast.Node, path string, into reflect.Value) {
	text, ok := textOf(n)
	if !ok {
		d.fail(d.spots[path], path, "%s", strings.Split(wantText(n), ",")[0]+", want string in quotes") // its value is nobody's to see
		return
	}
	s := into.Addr().Interface().(*secret.String)
	*s = secret.New(text)
	if err := s.Resolve(); err != nil {
		d.fail(d.spots[path], path, "%s", err)
		return
	}
	switch {
	case s.IsZero() && secret.IsReference(text):
		d.fail(d.spots[path], path, "%s is empty", text)
	case s.IsZero():
		d.fail(d.spots[path], path, "is empty")
	case !secret.IsReference(text) && !harmless(text):
		d.warn(d.spots[path], path, "holds the secret itself: write ${env:NAME} or ${file:/path} and keep the secret there")
	}
}

// harmless knows a URL that is only a host: it gives nothing away.
func harmless(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == ""
}

// scalar reads numbers, booleans and durations, also from a reference such as
// "${env:PORT}".
func (d *decoder) scalar(n ast.Node, path string, into reflect.Value, want string) {
	spelled, isText := textOf(n)
	if isText && secret.IsReference(spelled) {
		var ok bool
		if spelled, ok = d.text(n, path); !ok {
			return
		}
		if err := setScalar(into, spelled); err != nil {
			d.fail(d.spots[path], path, "%s", misfit(err, want))
		}
		return
	}
	if isText && into.Type() != durationType && !isFloat(into, spelled, n) {
		d.fail(d.spots[path], path, "got string, want %s", want)
		return
	}
	if !isText {
		if _, ok := n.(ast.ScalarNode); !ok || kindOf(n) == "nothing" {
			d.fail(d.spots[path], path, "got %s, want %s", kindOf(n), want)
			return
		}
		if into.Type() == durationType && n.GetToken().Value != "0" {
			d.fail(d.spots[path], path, "got %s, want %s", kindOf(n), want)
			return
		}
		spelled = n.GetToken().Value
	}
	if kindOf(n) == "boolean" {
		spelled = strings.ToLower(spelled)
	}
	if err := setScalar(into, spelled); err != nil {
		if kind := kindOf(n); kind != "string" && !strings.HasPrefix(want, kind) && into.Type() != durationType && (want != "number" || kind != "integer") {
			d.fail(d.spots[path], path, "got %s, want %s", kind, want)
			return
		}
		d.fail(d.spots[path], path, "%s", misfit(err, want))
	}
}

// misfit says what was wanted, unless the error does.
func misfit(err error, want string) string {
	if strings.Contains(err.Error(), "duration") {
		return err.Error()
	}
	return err.Error() + ", want " + want
}

// isFloat knows 1e3 without quotes, which some readers of YAML take for text.
func isFloat(into reflect.Value, spelled string, n ast.Node) bool {
	if quoted, ok := n.(*ast.StringNode); !ok || quoted.GetToken().Type.String() != "String" {
		return false
	}
	return into.CanFloat() && jsonNumber.MatchString(spelled)
}

func setScalar(into reflect.Value, spelled string) error {
	refused := fmt.Errorf("%q is out of range or misspelt", spelled)
	switch {
	case into.Type() == durationType:
		span, err := ParseDuration(spelled)
		if err != nil {
			return err
		}
		into.SetInt(int64(span))
	case into.Kind() == reflect.Bool:
		if spelled != "true" && spelled != "false" {
			return fmt.Errorf("got %q", spelled)
		}
		into.SetBool(spelled == "true")
	case leadingZero(spelled):
		return fmt.Errorf("%s begins with a zero: some read that as octal", spelled)
	case into.CanInt():
		i, err := strconv.ParseInt(spelled, 0, into.Type().Bits())
		if err != nil {
			return refused
		}
		into.SetInt(i)
	case into.CanUint():
		u, err := strconv.ParseUint(spelled, 0, into.Type().Bits())
		if err != nil {
			return refused
		}
		into.SetUint(u)
	default:
		f, err := strconv.ParseFloat(spelled, into.Type().Bits())
		if err != nil || f-f != 0 { // an infinity, or no number
			return refused
		}
		into.SetFloat(f)
	}
	return nil
}

func leadingZero(spelled string) bool {
	digits := strings.TrimLeft(spelled, "+-")
	return len(digits) > 1 && digits[0] == '0' && '0' <= digits[1] && digits[1] <= '9'
}

func (d *decoder) unmarshalText(n ast.Node, path string, into reflect.Value) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	if err := into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		near := ""
		if known := words(into.Type()); nearest(text, known) != "" {
			near = didYouMean(text, known)
		}
		if into.Type() == timeType {
			err = fmt.Errorf("%q is no instant such as 2026-01-05T09:00:00+01:00", text) // Go's layouts are nobody's to read
		}
		d.fail(d.spots[path], path, "%s%s", err, near)
	}
}

// unmarshalJSON hands what is written to a type that reads JSON.
func (d *decoder) unmarshalJSON(n ast.Node, path string, into reflect.Value) {
	w := jsonWriter{d: d, path: path}
	w.value(n, "")
	if w.bad {
		return
	}
	if err := json.Unmarshal(w.out, into.Addr().Interface()); err != nil {
		d.fail(d.spots[path], path, "%s", err)
	}
}

func (d *decoder) list(n ast.Node, path string, into reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if kindOf(n) != "nothing" {
			d.fail(d.spots[path], path, "got %s, want list", kindOf(n))
		}
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		d.value(item, index(path, d.behind[path]+i), into.Index(i))
	}
}

// mapping decodes a map by name.
func (d *decoder) mapping(n ast.Node, path string, into reflect.Value) {
	entries, ok := d.object0(n, path)
	if !ok {
		return
	}
	t := into.Type()
	into.Set(reflect.MakeMapWithSize(t, len(entries)))
	for _, e := range entries {
		if !e.plain {
			d.fail(e.at, path, "key %s without quotes: quote it, %q", e.key, e.key)
		}
		key := reflect.New(t.Key()).Elem()
		if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](key.Addr()); ok {
			if err := u.UnmarshalText([]byte(e.key)); err != nil {
				d.fail(e.at, path, "%s", err)
				continue
			}
		} else {
			key.SetString(e.key)
		}
		at := join(path, key.String())
		if first, twice := d.spots[at+" key"]; twice && (into.MapIndex(key).IsValid() || first.file != e.at.file) {
			d.fail(e.at, path, "%q is there twice, first in %s", key.String(), d.first(first, e.at))
			continue
		}
		d.spots[at+" key"] = e.at
		elem := reflect.New(t.Elem()).Elem()
		d.value(e.node, at, elem)
		into.SetMapIndex(key, elem)
	}
}

// object0 are the entries of a node that has to be a mapping; one without a
// value has none.
func (d *decoder) object0(n ast.Node, path string) ([]entry, bool) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return d.entries(n, path), true
	}
	if kindOf(n) == "nothing" {
		return nil, true
	}
	d.fail(d.spots[path], path, "got %s, want mapping", kindOf(n))
	return nil, false
}

// object decodes a struct by the json names of its fields.
func (d *decoder) object(n ast.Node, path string, into reflect.Value) {
	fields := fieldsOf(into.Type())
	setDefaults(fields, into)
	entries, ok := d.object0(n, path)
	if !ok {
		return
	}
	var choice *field
	if i := slices.IndexFunc(fields, func(f field) bool { return f.typ == chosenType }); i >= 0 {
		choice = &fields[i]
		fields = slices.Delete(slices.Clone(fields), i, i+1)
	}
	if path == "" {
		d.top = append(d.top, entries...)
	}
	var others []entry
	seen := map[string]bool{}
	for _, e := range entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		if i < 0 {
			others = append(others, e)
			continue
		}
		seen[e.key] = true
		at := join(path, e.key)
		d.spots[at+" key"] = e.at
		d.value(e.node, at, into.FieldByIndex(fields[i].index))
	}
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
		if f.required && !seen[f.key] {
			d.fail(d.spots[path], path, "%q is missing", f.key)
		}
	}
	if choice != nil {
		d.choose(others, path, known, choice.kinds, into.FieldByIndex(choice.index))
		return
	}
	for _, e := range others {
		if path == "" && strings.HasPrefix(e.key, "x-") {
			continue // a place for anchors
		}
		d.fail(e.at, path, "unknown key %q%s", e.key, didYouMean(e.key, known))
	}
}

// A field is one key of a struct, described by its tags.
type field struct {
	key, doc, fallback string
	kinds              string   // "collectors" or "notifiers", of a field of type chosen
	example            string   // what could stand there, for forms
	options            []string // the words that will do, where they are few
	required           bool
	typ                reflect.Type
	index              []int
}

// fieldsOf are the keys of a struct, those of embedded structs among them.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && key == "" && f.Type.Kind() == reflect.Struct && f.Type != chosenType:
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		case key == "-" || !f.IsExported():
			continue
		case key == "":
			key = strings.ToLower(f.Name)
		}
		fields = append(fields, field{
			key: key, doc: f.Tag.Get("doc"), fallback: f.Tag.Get("default"), kinds: f.Tag.Get("kinds"),
			example: f.Tag.Get("example"), required: f.Tag.Get("required") == "true", typ: f.Type, index: []int{i},
		})
		if words := f.Tag.Get("oneof"); words != "" {
			fields[len(fields)-1].options = strings.Fields(words)
		}
	}
	return fields
}

// setDefaults fills in what the tags say. A default that does not fit its field
// is a mistake in our code.
func setDefaults(fields []field, into reflect.Value) {
	for _, f := range fields {
		if f.fallback == "" {
			continue
		}
		v := into.FieldByIndex(f.index)
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
		var err error
		switch u, isText := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); {
		case isText:
			err = u.UnmarshalText([]byte(f.fallback))
		case v.Kind() == reflect.String:
			v.SetString(f.fallback)
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
			for word := range strings.SplitSeq(f.fallback, ",") {
				v.Set(reflect.Append(v, reflect.ValueOf(strings.TrimSpace(word)).Convert(v.Type().Elem())))
			}
		default:
			err = setScalar(v, f.fallback)
		}
		if err != nil {
			panic(fmt.Sprintf("default of key %q: %v", f.key, err))
		}
	}
}
