package routing

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/spelling"
)

// Document is the alert as routes, silences and inhibitions see it, a flat JSON
// object:
//
//	type title level severity account account_name environment team ou
//	account_tags region partition resource{type id name tags}
//	actor{ip country org domain principal} sample rule count status assignee tags
//	paths
//
// level and status are words, severity and count numbers, sample a boolean,
// account_tags, resource.tags and tags objects, and paths an array of
// "kind:source". tags and team are what the routes gave the alert; before that, and
// always for routes, there are no tags and team is the one that owns the account.
// What is empty is left out, but for type, title, level, severity, account, region,
// sample, rule, count and status.
func Document(a tocsin.Alert, account tocsin.Account) []byte {
	return document(&a, &account)
}

// fields are those of the document. It is written by hand, since that is done for
// every alert that opens; a test holds the two together.
type fields struct {
	Type        string            `json:"type"`
	Title       string            `json:"title"`
	Level       tocsin.Level      `json:"level"`
	Severity    float64           `json:"severity"`
	Account     string            `json:"account"`
	AccountName string            `json:"account_name,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Team        string            `json:"team,omitempty"`
	OU          string            `json:"ou,omitempty"`
	AccountTags map[string]string `json:"account_tags,omitempty"`
	Region      string            `json:"region"`
	Partition   string            `json:"partition,omitempty"`
	Resource    tocsin.Resource   `json:"resource"`
	Actor       tocsin.Actor      `json:"actor"`
	Sample      bool              `json:"sample"`
	Rule        string            `json:"rule"`
	Count       int64             `json:"count"`
	Status      tocsin.Status     `json:"status"`
	Assignee    string            `json:"assignee,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Paths       []string          `json:"paths,omitempty"`
}

func document(a *tocsin.Alert, account *tocsin.Account) []byte {
	o := object{json: make([]byte, 0, 768), empty: true}
	o.open()
	o.text("type", a.Type)
	o.text("title", a.Title)
	o.text("level", a.Level.String())
	o.key("severity")
	o.json = appendNumber(o.json, a.Severity)
	o.text("account", a.Account)
	o.some("account_name", account.Name)
	o.some("environment", account.Environment)
	o.some("team", cmp.Or(a.Team, account.Team))
	o.some("ou", account.OU)
	o.texts("account_tags", account.Tags)
	o.text("region", a.Region)
	o.some("partition", a.Partition)
	o.key("resource")
	o.open()
	o.some("type", a.Resource.Type)
	o.some("id", a.Resource.ID)
	o.some("name", a.Resource.Name)
	o.texts("tags", a.Resource.Tags)
	o.close()
	o.key("actor")
	o.open()
	o.some("ip", a.Actor.IP)
	o.some("country", a.Actor.Country)
	o.some("org", a.Actor.Org)
	o.some("domain", a.Actor.Domain)
	o.some("principal", a.Actor.Principal)
	o.close()
	o.key("sample")
	o.json = strconv.AppendBool(o.json, a.Sample)
	o.text("rule", a.Rule)
	o.key("count")
	o.json = strconv.AppendInt(o.json, a.Occurrences, 10)
	o.text("status", string(a.Status))
	o.some("assignee", a.Assignee)
	o.texts("tags", a.Tags)
	o.list("paths", a.Paths)
	o.close()
	return o.json
}

// An object is a JSON object that is being written.
type object struct {
	json  []byte
	empty bool // nothing stands in the innermost object yet
}

func (o *object) open()  { o.json, o.empty = append(o.json, '{'), true }
func (o *object) close() { o.json, o.empty = append(o.json, '}'), false }

func (o *object) key(k string) {
	if !o.empty {
		o.json = append(o.json, ',')
	}
	o.empty = false
	o.json = append(appendText(o.json, k), ':')
}

func (o *object) text(k, v string) {
	o.key(k)
	o.json = appendText(o.json, v)
}

// some writes a text unless it is empty.
func (o *object) some(k, v string) {
	if v != "" {
		o.text(k, v)
	}
}

func (o *object) texts(k string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	o.key(k)
	o.open()
	for _, name := range sortedKeys(m) {
		o.text(name, m[name])
	}
	o.close()
}

func (o *object) list(k string, texts []string) {
	if len(texts) == 0 {
		return
	}
	o.key(k)
	for i, s := range texts {
		sign := byte(',')
		if i == 0 {
			sign = '['
		}
		o.json = appendText(append(o.json, sign), s)
	}
	o.json = append(o.json, ']')
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf-1 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil { // cannot be: every string has a form in JSON
				return append(b, '"', '"')
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendNumber writes a JSON number; what is none is 0.
func appendNumber(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, '0')
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// Fields are those of [Document] that a pattern may ask for: by name, with the
// names of those within where it is an object. "*" among them stands for any name.
func Fields() map[string][]string {
	known := map[string][]string{}
	for f := range reflect.TypeFor[fields]().Fields() {
		known[fieldName(f)] = innerFields(f.Type)
	}
	return known
}

func innerFields(t reflect.Type) (names []string) {
	switch t.Kind() {
	case reflect.Map:
		return []string{"*"}
	case reflect.Struct:
		for f := range t.Fields() {
			names = append(names, fieldName(f))
		}
	}
	return names
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// CheckFields tells of a pattern that asks for what no alert has, and would never
// match: `an alert has no field "sevrity" (did you mean "severity"?)`.
func CheckFields(pattern []byte) error {
	var asked map[string]any
	if err := json.Unmarshal(pattern, &asked); err != nil {
		return err
	}
	return checkFields(asked, Fields())
}

func checkFields(asked map[string]any, known map[string][]string) error {
	for _, key := range sortedKeys(asked) {
		if key == "$or" {
			branches, _ := asked[key].([]any)
			for _, b := range branches {
				b, _ := b.(map[string]any)
				if err := checkFields(b, known); err != nil {
					return err
				}
			}
			continue
		}
		paths := []string{key}
		if m, ok := asked[key].(map[string]any); ok {
			paths = paths[:0]
			for _, k := range sortedKeys(m) {
				paths = append(paths, key+"."+k)
			}
		}
		for _, p := range paths {
			if err := checkPath(p, known); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPath tells of a dotted path that no document has.
func checkPath(path string, known map[string][]string) error {
	top, rest, dotted := strings.Cut(path, ".")
	inner, ok := known[top]
	if !ok {
		return fmt.Errorf("an alert has no field %q%s", top, didYouMean(top, slices.Sorted(maps.Keys(known))))
	}
	if !dotted || slices.Contains(inner, "*") {
		return nil
	}
	first, _, _ := strings.Cut(rest, ".")
	if !slices.Contains(inner, first) {
		return fmt.Errorf("an alert's %s has no field %q%s", top, first, didYouMean(first, inner))
	}
	return nil
}

func didYouMean(word string, known []string) string {
	best, distance := "", max(1, len(word)/3)+1
	for _, k := range known {
		if n := spelling.Edits(strings.ToLower(word), k); n < distance {
			best, distance = k, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
