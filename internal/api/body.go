package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// body reads JSON strictly: unknown and repeated fields, values of another type
// and what follows the end are problems, each with the path of its field. An empty
// body is an empty object.
func (d *decoder) body(text []byte, into reflect.Value) {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}")
	}
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		d.fail("body", "", "is not JSON: %v", err)
		return
	}
	d.value(bytes.TrimSpace(text), into, "", bounds{})
}

// value reads one JSON value, which is well-formed. null is as if it were left out.
func (d *decoder) value(raw []byte, into reflect.Value, path string, b bounds) {
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		d.value(raw, into.Elem(), path, b)
		return
	}
	problem := ""
	switch {
	case into.Type() == reflect.TypeFor[json.RawMessage]():
		if b.object && raw[0] != '{' {
			problem = "is not an object"
		}
		into.SetBytes(bytes.Clone(raw))
	case isText(into):
		problem = setQuoted(into, raw)
	default:
		problem = d.plain(raw, into, path, b)
	}
	if problem == "" {
		problem = b.check(into)
	}
	if problem != "" {
		d.fail("body", path, "%s", problem)
	}
}

// isText reports whether the value is read from text: times, levels, durations.
func isText(v reflect.Value) bool {
	_, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	return ok
}

func setQuoted(into reflect.Value, raw []byte) (problem string) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "is not a text"
	}
	return setText(into, s)
}

// plain reads a value of a type that has no form of its own.
func (d *decoder) plain(raw []byte, into reflect.Value, path string, b bounds) (problem string) {
	switch into.Kind() {
	case reflect.String:
		if raw[0] != '"' || json.Unmarshal(raw, into.Addr().Interface()) != nil {
			return "is not a text"
		}
	case reflect.Bool:
		if json.Unmarshal(raw, into.Addr().Interface()) != nil {
			return "is neither true nor false"
		}
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return "is not a whole number"
		}
		into.SetInt(n)
	case reflect.Slice:
		return d.list(raw, into, path, b)
	case reflect.Struct:
		return d.object(raw, into, path)
	case reflect.Map:
		return d.texts(raw, into, path)
	default:
		panic("no body can have a " + into.Type().String())
	}
	return ""
}

func (d *decoder) list(raw []byte, into reflect.Value, path string, b bounds) (problem string) {
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return "is not a list"
	}
	if b.maxItems > 0 && len(items) > b.maxItems {
		return fmt.Sprintf("%d are more than %d", len(items), b.maxItems)
	}
	list := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		d.value(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i), bounds{})
	}
	into.Set(list)
	return ""
}

// texts reads a map of texts by name.
func (d *decoder) texts(raw []byte, into reflect.Value, path string) (problem string) {
	given, err := members(raw)
	if err != nil {
		return err.Error()
	}
	all := reflect.MakeMap(into.Type())
	for _, m := range given {
		name := reflect.ValueOf(m.name)
		if all.MapIndex(name).IsValid() {
			d.fail("body", join(path, m.name), "is there twice")
			continue
		}
		value := reflect.New(into.Type().Elem()).Elem()
		d.value(m.raw, value, join(path, m.name), bounds{})
		all.SetMapIndex(name, value)
	}
	into.Set(all)
	return ""
}

// A member is one field of a JSON object.
type member struct {
	name string
	raw  json.RawMessage
}

// members are the fields of an object in their order, repeated ones included.
func members(raw []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is not an object")
	}
	var all []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // of an object every other token is one
		if err := dec.Decode(&m.raw); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func (d *decoder) object(raw []byte, into reflect.Value, path string) (problem string) {
	given, err := members(raw)
	if err != nil {
		return err.Error()
	}
	fields := fieldsOf(into.Type())
	seen := map[string]bool{}
	for _, m := range given {
		f, known := fields[m.name]
		switch {
		case !known:
			d.fail("body", join(path, m.name), "there is no such field%s", nearest(m.name, names(fields)))
		case seen[m.name]:
			d.fail("body", join(path, m.name), "is there twice")
		case string(m.raw) == "null":
		default:
			seen[m.name] = true
			d.value(m.raw, into.FieldByIndex(f.Index), join(path, m.name), boundsOf(f))
		}
	}
	for _, name := range names(fields) {
		switch b := boundsOf(fields[name]); {
		case seen[name]:
		case b.required:
			d.fail("body", join(path, name), "is missing")
		case b.fallback != "":
			setText(into.FieldByIndex(fields[name].Index), b.fallback)
		}
	}
	return ""
}

func names(fields map[string]reflect.StructField) []string { return slices.Sorted(maps.Keys(fields)) }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fieldsOf are the fields that JSON has of a struct, by name.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = f
		}
	}
	return fields
}
