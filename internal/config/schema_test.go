package config_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestSchemaTakesWhatParseTakes(t *testing.T) {
	t.Parallel()
	text := config.Schema(kinds)
	golden(t, "tocsin.schema.json", string(text))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(config.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(config.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"the least", least, true},
		{"the default", string(config.Default()), true},
		{"a duration in days", strings.Replace(least, "{console: {}}", "{console: {}, timeout: 1d12h, rate: 0.5}", 1), true},
		{"a port by reference", strings.Replace(least, "{console: {}}", `{email: {to: [a], smtp: {host: a, port: "${env:PORT}", tls: false}}}`, 1), true},
		{"accounts", least + `accounts: {"012345678901": {minimum: medium}, "1234-5678-9012": }`, true},
		{"a pattern as JSON", rule(`pattern: '{"source": ["a"]}'`), true},
		{"anchors", least + "x-a: 1\n", true},
		{"teams, policies, schedules and people", quotedTimes(crew + trials), true},
		{"an inhibition", least + "inhibit: [{name: a, when: {level: [critical]}, mute: {level: [low]}, equal: account}]\n", true},
		{"an unknown key of a route within", least + "routes: [{routes: [{routes: [{receiver: console}]}]}]\n", false},
		{"updates of no period", least + "routes: [{receivers: console, updates: 2h}]\n", false},
		{"a step without a wait", least + "policies: {a: {steps: [{tell: [receiver:console]}], fallback: receiver:console}}\n", false},
		{"an unknown verdict", least + "tests: [{event: {}, expect: {verdict: open}}]\n", false},
		{"an unknown key", least + "lisen: a\n", false},
		{"an unknown kind", strings.Replace(least, "{console: {}}", "{slak: {}}", 1), false},
		{"two kinds", strings.Replace(least, "{console: {}}", "{console: {}, slack: {}}", 1), false},
		{"no kind", strings.Replace(least, "{console: {}}", "{rate: 1}", 1), false},
		{"an unknown setting", strings.Replace(least, "{console: {}}", "{slack: {chanel: a}}", 1), false},
		{"a bad duration", strings.Replace(least, "{console: {}}", "{console: {}, timeout: 5 minutes}", 1), false},
		{"a bad level", least + `accounts: {"012345678901": {minimum: hihg}}`, false},
		{"13 digits", least + `accounts: {"0123456789012": {}}`, false},
		{"no fallback", "receivers: {}\n", false},
		{"an unknown shipped rule", strings.Replace(least, "use: guardduty", "use: gardduty", 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v any
			if err := yaml.Unmarshal([]byte(tt.text), &v); err != nil {
				t.Fatal(err)
			}
			plain, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			inst, err := jsonschema.UnmarshalJSON(bytes.NewReader(plain))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(inst); (err == nil) != tt.want {
				t.Errorf("Validate(%s) = %v, want valid = %v", tt.text, err, tt.want)
			}
		})
	}
}

// quotedTimes is for a reader of YAML that makes other things than text of times
// and of texts with colons.
func quotedTimes(text string) string {
	return regexp.MustCompile(`([ \[])((?:2026-01-05T|person:|receiver:|schedule:)[^,\]\n}]+)`).ReplaceAllString(text, `$1"$2"`)
}

func TestReference(t *testing.T) {
	t.Parallel()
	golden(t, "reference.md", config.Reference(kinds))
}

func TestTheReferenceExplainsEveryKey(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(config.Reference(kinds)) {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(line, "|  |\n") {
			t.Errorf("no explanation: %s", line)
		}
	}
}

func TestRoutesMayAskForEveryFieldOfAnAlert(t *testing.T) {
	t.Parallel()
	now := time.Unix(1, 0)
	a := tocsin.Alert{
		Detection: tocsin.Detection{
			Type: "a", Title: "a", Level: tocsin.High, Severity: 8, Account: "a", Region: "a", Partition: "a", Sample: true, Rule: "a", UpdatedAt: now,
			Resource: tocsin.Resource{Type: "a", ID: "a", Name: "a", Tags: map[string]string{"a": "b"}},
			Actor:    tocsin.Actor{IP: "a", Country: "a", Org: "a", Domain: "a", Principal: "a"},
		},
		Status: tocsin.StatusOpen, Occurrences: 1, Paths: []string{"a"},
	}
	if n := reflect.TypeFor[tocsin.Actor]().NumField() + reflect.TypeFor[tocsin.Resource]().NumField(); n != 9 {
		t.Errorf("actor and resource have %d fields: fill in the new ones here", n)
	}
	var doc map[string]any
	if err := json.Unmarshal(routing.Document(a, tocsin.Account{Name: "a", Environment: "a", Team: "a"}), &doc); err != nil {
		t.Fatal(err)
	}
	for key, value := range doc {
		fields := []string{key + ": [{exists: true}]"}
		if inner, ok := value.(map[string]any); ok {
			fields = nil
			for k := range inner {
				ask := "[{exists: true}]"
				if k == "tags" {
					ask = "{team: [a]}"
				}
				fields = append(fields, key+": {"+k+": "+ask+"}")
			}
		}
		slices.Sort(fields)
		for _, f := range fields {
			if _, err := config.Parse("t.yml", []byte(least+"routes: [{pattern: {"+f+"}, receivers: console}]\n"), kinds); err != nil {
				t.Errorf("a route that asks for %s: %v", f, err)
			}
		}
	}
}
