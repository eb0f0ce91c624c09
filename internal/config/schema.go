package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/library"
)

// SchemaID is the $id of the JSON Schema.
const SchemaID = "https://raw.githubusercontent.com/tocsin-sec/tocsin/main/docs/reference/tocsin.schema.json"

// Schema is the JSON Schema (draft 2020-12) of the file, for editors:
//
//	# yaml-language-server: $schema=tocsin.schema.json
//
// It is made of the structs that the file is decoded into. What [Parse] checks
// beyond it are the names that refer to each other, event patterns, references
// and what vendors check themselves.
func Schema(kinds Kinds) []byte {
	s := schemer{kinds}
	root := s.object(reflect.TypeFor[file]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaID
	root["title"] = "tocsin.yml"
	root["description"] = "Configuration of tocsin."
	root["$defs"] = map[string]any{"route": s.object(reflect.TypeFor[route]())}
	root["patternProperties"] = map[string]any{"^x-": map[string]any{"description": "A place for YAML anchors; not read."}}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // maps, slices and strings have a form in JSON
	}
	return append(text, '\n')
}

type schemer struct{ kinds Kinds }

// reference is the form of a text that names what it is to be.
const reference = `\$\{(env|file):`

const span = `^([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$`

// of is the schema of one type.
func (s schemer) of(t reflect.Type) map[string]any {
	switch t {
	case secretType:
		return map[string]any{"type": "string", "minLength": 1}
	case durationType:
		text := func(pattern string, least int) map[string]any {
			return map[string]any{"type": "string", "pattern": pattern, "minLength": least}
		}
		return map[string]any{"anyOf": []any{text(span, 2), text(reference, 0), map[string]any{"const": 0}}}
	case reflect.TypeFor[tocsin.Level]():
		return map[string]any{"anyOf": []any{map[string]any{"enum": append([]string{"info"}, tocsin.Levels()...)}, map[string]any{"type": "string", "pattern": reference}}}
	case reflect.TypeFor[tocsin.Updates]():
		return oneOf(tocsin.AllUpdates()...)
	case reflect.TypeFor[frequency]():
		return oneOf(frequencies()...)
	case reflect.TypeFor[tocsin.Verdict]():
		return oneOf(verdicts()...)
	case reflect.TypeFor[escalation.Assign]():
		return oneOf(string(escalation.All), string(escalation.RoundRobin))
	case reflect.TypeFor[escalation.Condition]():
		return oneOf(string(escalation.Unacked), string(escalation.Unclosed))
	case reflect.TypeFor[route](): // which has routes within
		return map[string]any{"$ref": "#/$defs/route"}
	case reflect.TypeFor[names](), reflect.TypeFor[oncall.Turn]():
		return map[string]any{"anyOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}}
	case reflect.TypeFor[eventPattern](), reflect.TypeFor[sampleEvent]():
		return map[string]any{"type": []string{"object", "string"}}
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case reflect.PointerTo(t).Implements(textType):
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Interface, reflect.PointerTo(t).Implements(jsonType):
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.object(t)
	case reflect.Map:
		m := map[string]any{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem())}
		if t.Key() == reflect.TypeFor[account]() {
			m["propertyNames"] = map[string]any{"pattern": "^(-*[0-9]){12}-*$"}
		}
		return m
	case reflect.Slice:
		return map[string]any{"type": []string{"array", "null"}, "items": s.of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return orReference("boolean")
	case reflect.Float32, reflect.Float64:
		return orReference("number")
	default:
		return orReference("integer")
	}
}

func orReference(typ string) map[string]any {
	return map[string]any{"type": []string{typ, "string"}, "pattern": reference}
}

func oneOf(words ...string) map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"enum": words}, map[string]any{"type": "string", "pattern": reference}}}
}

// object is the schema of a struct. Where it is an entry that names one kind,
// exactly one of the kinds has to be there.
func (s schemer) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := []string{}
	object := map[string]any{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	for _, f := range fieldsOf(t) {
		if f.typ == chosenType {
			var one []any
			for _, c := range s.kinds.choices(f.kinds) {
				p := s.of(c.config)
				p["description"] = c.doc
				properties[c.name] = p
				one = append(one, map[string]any{"required": []string{c.name}})
			}
			object["type"] = "object"
			if one != nil {
				object["oneOf"] = one
			}
			continue
		}
		p := s.of(f.typ)
		if f.doc != "" {
			p["description"] = f.doc
		}
		if f.fallback != "" {
			p["default"] = literal(f)
		}
		if t == reflect.TypeFor[rule]() && f.key == "use" {
			p["enum"] = library.Names()
		}
		properties[f.key] = p
		if f.required {
			required = append(required, f.key)
		}
	}
	if len(required) > 0 {
		object["required"] = required
		object["type"] = "object"
	}
	return object
}

// literal is a default as JSON writes it.
func literal(f field) any {
	t := f.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return f.fallback == "true"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		if n, err := strconv.ParseFloat(f.fallback, 64); err == nil && t != durationType {
			return n
		}
	}
	return fmt.Sprint(f.fallback)
}
