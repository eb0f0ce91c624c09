package api

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/invopop/jsonschema"
)

// Description is the OpenAPI 3.1 description of the API, as JSON
// (https://spec.openapis.org/oas/v3.1.1.html). It is made of the endpoints.
//
// Objects of answers may get further fields in later versions, so that it does not
// call what it has of them all there is; bodies of requests it does.
func Description() json.RawMessage {
	return written(describe((&api{}).endpoints(), false))
}

func written(description object) json.RawMessage {
	text, err := json.MarshalIndent(description, "", "  ")
	if err != nil {
		panic(err) // maps, slices and strings have a form in JSON
	}
	return append(text, '\n')
}

// object is a JSON object.
type object = map[string]any

const componentPath = "#/components/schemas/"

// describe makes the description; strict says of answers, too, that they have no
// other fields.
func describe(endpoints []endpoint, strict bool) object {
	s := &schemer{schemas: object{}, names: map[string]reflect.Type{}}
	paths, tags := object{}, map[string]bool{}
	for _, e := range endpoints {
		item, ok := paths[e.path].(object)
		if !ok {
			item = object{}
			paths[e.path] = item
		}
		item[strings.ToLower(e.method)] = s.operation(e)
		tags[e.tag()] = true
	}
	refused := object{"application/json": object{"schema": s.of(reflect.TypeFor[Refusal]())}}
	responses := object{}
	for _, r := range refusals {
		responses[r.name] = object{"description": r.meaning, "content": refused}
	}
	if !strict {
		s.loosen(paths)
	}
	var tagged []object
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		tagged = append(tagged, object{"name": tag})
	}
	return object{
		"openapi": "3.1.1",
		"info": object{
			"title":   "tocsin",
			"version": "1",
			"description": "What programs ask of a running tocsin. Times are RFC 3339, in UTC where tocsin writes them. Bodies are JSON and read strictly: " +
				"all that is wrong is told at once. Fields that have no value are left out of answers.",
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":    []object{{"url": "http://127.0.0.1:8080", "description": "The address that is configured as listen."}},
		"tags":       tagged,
		"paths":      paths,
		"components": object{"schemas": s.schemas, "responses": responses},
	}
}

// tag is the resource: "alerts" of /api/alerts/{id}.
func (e endpoint) tag() string {
	tag, _, _ := strings.Cut(strings.TrimPrefix(e.path, "/api/"), "/")
	tag, _, _ = strings.Cut(tag, ".")
	return tag
}

// refusals say what the statuses mean, and what their answers are called.
var refusals = map[int]struct{ name, meaning string }{
	400: {"BadRequest", "Something of what was asked cannot be read, or is out of bounds: all of it is in problems."},
	404: {"NotFound", "There is no such thing."},
	409: {"Conflict", "It is in no state for it, or somebody was faster; where it is about an alert, the answer has it as it is."},
	413: {"TooLarge", "The body is too long."},
	415: {"UnsupportedMediaType", "The body is not JSON."},
	422: {"Unprocessable", "It can be read, and cannot be done."},
	500: {"InternalError", "A fault of tocsin, whose log says more."},
}

// A schemer makes schemas, and collects those that have a name.
type schemer struct {
	schemas object
	names   map[string]reflect.Type
}

func (s *schemer) operation(e endpoint) object {
	op := object{"operationId": e.name, "summary": e.summary, "tags": []string{e.tag()}}
	var parameters []object
	for _, p := range e.plan.params {
		parameters = append(parameters, s.parameter(p))
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if e.plan.body != nil {
		op["requestBody"] = s.requestBody(e)
	}
	responses := object{"200": object{"description": "Done.", "content": s.content(e.out)}}
	for _, status := range append([]int{400, 500}, e.refuses...) {
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + refusals[status].name}
	}
	op["responses"] = responses
	return op
}

func (s *schemer) content(out reflect.Type) object {
	if m, ok := reflect.TypeAssert[media](reflect.Zero(out)); ok {
		return object{m.contentType(): object{"schema": object{"type": "string"}}}
	}
	if out == reflect.TypeFor[json.RawMessage]() {
		return object{"application/json": object{"schema": object{"type": "object"}}}
	}
	return object{"application/json": object{"schema": s.of(out)}}
}

func (s *schemer) requestBody(e endpoint) object {
	f := e.in.FieldByIndex(e.plan.body)
	if e.plan.raw {
		return object{
			"required": true, "description": f.Tag.Get("doc"),
			"content": object{"application/json": object{"schema": object{"description": "Any event."}}},
		}
	}
	media := object{"schema": s.of(f.Type)}
	if example := exampleOf(f.Type); len(example) > 0 {
		media["example"] = example
	}
	return object{"required": true, "content": object{"application/json": media}}
}

// exampleOf is a body of the fields that have an example.
func exampleOf(t reflect.Type) object {
	example := object{}
	for name, f := range fieldsOf(t) {
		for option := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
			if text, ok := strings.CutPrefix(option, "example="); ok {
				example[name] = literal(f.Type, text)
			}
		}
		ft := f.Type
		if ft.Kind() == reflect.Struct && example[name] == nil && !isTextType(ft) && boundsOf(f).required {
			example[name] = exampleOf(ft)
		}
	}
	maps.Copy(example, examples[t])
	return example
}

// literal is an example or a default as JSON has it.
func literal(t reflect.Type, text string) any {
	switch {
	case isTextType(t):
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case t.Kind() == reflect.Bool:
		return text == "true"
	}
	return text
}

// parameter describes one of path or query.
func (s *schemer) parameter(p param) object {
	one := reflect.StructOf([]reflect.StructField{{Name: "P", Type: p.field.Type, Tag: `json:"p" ` + p.field.Tag}})
	schema := s.inline(one)["properties"].(object)["p"].(object)
	delete(schema, "description")
	examples, hasExamples := schema["examples"].([]any)
	delete(schema, "examples")
	o := object{"name": p.name, "in": p.place, "description": p.field.Tag.Get("doc"), "schema": schema}
	if p.place == "path" {
		o["required"] = true
	}
	if hasExamples {
		o["example"] = literal(p.field.Type, fmt.Sprint(examples[0]))
	}
	if p.fallback != "" {
		schema["default"] = literal(p.field.Type, p.fallback)
	}
	return o
}

// of is the schema of a type; a struct is kept under its name.
func (s *schemer) of(t reflect.Type) object {
	made := s.reflector().ReflectFromType(t)
	return s.hoist(made)
}

// inline is the schema of a struct without a name.
func (s *schemer) inline(t reflect.Type) object {
	r := s.reflector()
	r.ExpandedStruct = true
	return s.hoist(r.ReflectFromType(t))
}

func (s *schemer) reflector() *jsonschema.Reflector {
	return &jsonschema.Reflector{Anonymous: true, Mapper: s.mapped, Namer: s.name, LookupComment: describing}
}

// hoist moves what a schema defines to the components.
func (s *schemer) hoist(made *jsonschema.Schema) object {
	text, err := json.Marshal(made)
	if err != nil {
		panic(err) // a schema that cannot be written is a mistake in a declaration
	}
	schema := object{}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), `"#/$defs/`, `"`+componentPath)), &schema); err != nil {
		panic(err)
	}
	defs, _ := schema["$defs"].(object)
	for name, def := range defs {
		if name != "" {
			s.schemas[name] = def
		}
	}
	delete(schema, "$defs")
	delete(schema, "$schema")
	return schema
}

// name is what a type is called among the components.
func (s *schemer) name(t reflect.Type) string {
	switch {
	case t.Name() == "":
		return ""
	case t.Kind() != reflect.Struct:
		return t.String() // never among them: it has no schema of its own
	}
	name := called[t]
	if name == "" {
		runes := []rune(t.Name())
		runes[0] = unicode.ToUpper(runes[0])
		name = string(runes)
	}
	if other, taken := s.names[name]; taken && other != t {
		panic(fmt.Sprintf("%s and %s are both called %s", t, other, name))
	}
	s.names[name] = t
	return name
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

func isTextType(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(textMarshaler)
}

// mapped is the schema of what has a form of its own in JSON.
func (s *schemer) mapped(t reflect.Type) *jsonschema.Schema {
	if schema, ok := forms[t]; ok {
		copied := schema
		return &copied
	}
	if words := wordsOf(t); words != nil {
		schema := &jsonschema.Schema{Type: "string"}
		for _, w := range words {
			schema.Enum = append(schema.Enum, w)
		}
		return schema
	}
	switch {
	case t.Kind() == reflect.Map && isTextType(t.Key()):
		return &jsonschema.Schema{Type: "object", AdditionalProperties: s.element(t.Elem())}
	case t.Kind() != reflect.Pointer && isTextType(t):
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}

// element is the schema of what a map holds.
func (s *schemer) element(t reflect.Type) *jsonschema.Schema {
	schema := s.reflector().ReflectFromType(t)
	schema.Version = ""
	return schema
}

// loosen lets objects have other fields unless they are sent to us.
func (s *schemer) loosen(paths object) {
	sent := map[string]bool{}
	for _, item := range paths {
		for _, op := range item.(object) {
			s.follow(op.(object)["requestBody"], sent)
		}
	}
	for name, schema := range s.schemas {
		if !sent[name] && schema.(object)["additionalProperties"] == false {
			delete(schema.(object), "additionalProperties")
		}
	}
}

// follow notes the schemas to which v refers, and those to which these do.
func (s *schemer) follow(v any, found map[string]bool) {
	switch v := v.(type) {
	case object:
		for key, value := range v {
			ref, _ := value.(string)
			name, ok := strings.CutPrefix(ref, componentPath)
			if key == "$ref" && ok && !found[name] {
				found[name] = true
				s.follow(s.schemas[name], found)
			}
			s.follow(value, found)
		}
	case []any:
		for _, item := range v {
			s.follow(item, found)
		}
	}
}
