package config

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/mapping"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A Form is what can be set of a source or a receiver of one kind, for those who
// would rather fill in fields than write YAML. It is made of the structs that the
// file is decoded into, as the reference and the JSON Schema are.
type Form struct {
	Kind  string `json:"kind"`  // "slack"
	Title string `json:"title"` // "Slack"
	Doc   string `json:"doc"`   // one sentence
	// Fields are those of the kind, then those that all kinds have in common.
	Fields []FormField `json:"fields"`
}

// A FormField is one key. What is typed into it is text: see [FieldType].
type FormField struct {
	// Key is its path within the entry: "https.token", "sms.twilio.from", and of what
	// all kinds have in common "team".
	Key   string    `json:"key"`
	Label string    `json:"label"` // "Signing secret"
	Doc   string    `json:"doc"`
	Type  FieldType `json:"type"`
	// Options are the words that will do, where Type is [OneOf].
	Options  []string `json:"options,omitempty"`
	Default  string   `json:"default,omitempty"`
	Required bool     `json:"required,omitempty"`
	Example  string   `json:"example,omitempty"`
	// Group is the part of the settings that it belongs to, "twilio", where that can
	// be left out as a whole: Required counts only where something of the group is set.
	Group string `json:"group,omitempty"`
	// Common says that all kinds have it.
	Common bool `json:"common,omitempty"`
	// Names says what the names in it are names of: "team", "policy", "receiver"; or
	// empty.
	Names string `json:"names,omitempty"`

	typ reflect.Type
}

// Hides reports whether what is typed into it holds secrets.
func (f FormField) Hides() bool { return f.Type == Secret || f.Type == Secrets }

// A FieldType says how what is typed into a field is read.
type FieldType string

// The types of fields.
const (
	Text     FieldType = "text"
	Secret   FieldType = "secret"   // never shown again; also a reference, ${env:NAME} or ${file:/path}
	Number   FieldType = "number"   // 8080, 0.5
	Boolean  FieldType = "boolean"  // true or false
	Duration FieldType = "duration" // 15s, 1h30m, 7d
	List     FieldType = "list"     // one a line
	Pairs    FieldType = "pairs"    // "name: value", one a line
	Secrets  FieldType = "secrets"  // pairs whose values are secrets
	OneOf    FieldType = "one of"
	YAML     FieldType = "yaml" // as it would stand in the file
)

// SourceForm is the form of a kind of sources; ok is false if there is none.
func SourceForm(kinds Kinds, kind string) (f Form, ok bool) {
	i := slices.IndexFunc(kinds.Collectors, func(k collect.Kind) bool { return k.Name == kind })
	if i < 0 {
		return Form{}, false
	}
	k := kinds.Collectors[i]
	return formOf(Form{Kind: k.Name, Title: cmp.Or(k.Title, k.Name), Doc: k.Doc}, k.Config, reflect.TypeFor[source]()), true
}

// ReceiverForm is the form of a kind of receivers; ok is false if there is none.
func ReceiverForm(kinds Kinds, kind string) (f Form, ok bool) {
	i := slices.IndexFunc(kinds.Notifiers, func(k notify.Kind) bool { return k.Name == kind })
	if i < 0 {
		return Form{}, false
	}
	k := kinds.Notifiers[i]
	return formOf(Form{Kind: k.Name, Title: cmp.Or(k.Title, k.Name), Doc: k.Doc}, k.Config, reflect.TypeFor[receiver]()), true
}

func formOf(f Form, settings, common reflect.Type) Form {
	f.Fields = formFields(settings, f.Kind+".", "")
	for _, field := range formFields(common, "", "") {
		if field.Key == "disabled" {
			continue // it is a switch, not a setting
		}
		field.Common = true
		f.Fields = append(f.Fields, field)
	}
	return f
}

func formFields(t reflect.Type, prefix, group string) []FormField {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var all []FormField
	for _, f := range fieldsOf(t) {
		if f.typ == chosenType {
			continue
		}
		if inner, optional := part(f.typ); inner != nil {
			within := group
			if optional {
				within = f.key
			}
			all = append(all, formFields(inner, prefix+f.key+".", within)...)
			continue
		}
		made := FormField{
			Key: prefix + f.key, Label: labelOf(f.key), Doc: f.doc, Default: f.fallback, Required: f.required,
			Example: f.example, Group: group, typ: f.typ,
		}
		made.Type, made.Options = fieldType(f.typ)
		if len(f.options) > 0 && made.Type == Text {
			made.Type, made.Options = OneOf, f.options
		}
		if named := map[string]string{"team": "team", "policy": "policy", "receivers": "receiver"}[f.key]; prefix == "" {
			made.Names = named
			if f.key == "preset" {
				made.Type, made.Options = OneOf, mapping.Presets()
			}
		}
		all = append(all, made)
	}
	return all
}

// part is the struct whose keys stand in a form one by one, nil if it is no such
// thing.
func part(t reflect.Type) (inner reflect.Type, optional bool) {
	if t.Kind() == reflect.Pointer {
		t, optional = t.Elem(), true
	}
	if t.Kind() != reflect.Struct || t == secretType || t == timeType {
		return nil, false
	}
	p := reflect.PointerTo(t)
	if p.Implements(readerType) || p.Implements(textType) || p.Implements(jsonType) {
		return nil, false
	}
	return t, optional
}

func fieldType(t reflect.Type) (FieldType, []string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case secretType:
		return Secret, nil
	case durationType:
		return Duration, nil
	case reflect.TypeFor[tocsin.Level]():
		return OneOf, tocsin.Levels()
	case reflect.TypeFor[names]():
		return List, nil
	}
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(readerType):
		return YAML, nil
	case p.Implements(textType):
		return Text, nil
	case t.Kind() == reflect.Interface, p.Implements(jsonType):
		return YAML, nil
	}
	switch t.Kind() {
	case reflect.String:
		return Text, nil
	case reflect.Bool:
		return Boolean, nil
	case reflect.Slice:
		if simple(t.Elem()) {
			return List, nil
		}
	case reflect.Map:
		if t.Elem() == secretType {
			return Secrets, nil
		}
		if t.Elem().Kind() == reflect.String {
			return Pairs, nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return Number, nil
	}
	return YAML, nil
}

// simple reports whether one such value stands in a line.
func simple(t reflect.Type) bool {
	switch typ, _ := fieldType(t); typ {
	case Text, Number, OneOf, Duration:
		return true
	}
	return false
}

// acronyms are parts of labels that are not words.
var acronyms = map[string]string{
	"url": "URL", "api": "API", "id": "ID", "sid": "SID", "arn": "ARN", "tls": "TLS", "smtp": "SMTP", "ca": "CA", "sns": "SNS",
	"sqs": "SQS", "aws": "AWS", "http": "HTTP", "https": "HTTPS", "ip": "IP", "ttl": "TTL", "json": "JSON",
}

// labelOf is "Signing secret" of signing_secret.
func labelOf(key string) string {
	words := strings.Split(key, "_")
	for i, w := range words {
		switch {
		case acronyms[w] != "":
			words[i] = acronyms[w]
		case i == 0 && w != "":
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}
