package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin/internal/api"
)

var update = flag.Bool("update", false, "write the generated file anew")

func TestTheReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	path := "../../docs/reference/openapi.json"
	want := string(api.Description())
	if *update {
		check(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	check(t, err)
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is not what the code says (run this test with -update):\n%s", path, diff)
	}
}

// The schema is the OpenAPI Initiative's; see testdata/README.md.
func TestTheDescriptionIsOpenAPI(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/openapi-3.1.schema.json")
	check(t, err)
	meta, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	check(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	check(t, c.AddResource("openapi-3.1.schema.json", meta))
	schema, err := c.Compile("openapi-3.1.schema.json")
	check(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.Description()))
	check(t, err)
	if err := schema.Validate(document); err != nil {
		t.Errorf("the description is no OpenAPI 3.1: %v", err)
	}
	broken := strings.Replace(string(api.Description()), `"openapi": "3.1.1"`, `"openapi": "2.0"`, 1)
	document, err = jsonschema.UnmarshalJSON(strings.NewReader(broken))
	check(t, err)
	if schema.Validate(document) == nil {
		t.Error("a description of another version passes: the schema refuses nothing")
	}
}

// What OpenAPI's own schema leaves alone are the schemas within: JSON Schema 2020-12.
func TestEverySchemaOfTheDescriptionCompiles(t *testing.T) {
	t.Parallel()
	described.read(t)
	c := jsonschema.NewCompiler()
	check(t, c.AddResource("openapi.json", described.document))
	for _, name := range componentNames(t) {
		if _, err := c.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A component is a schema of the description, as far as the tests look at it.
type component struct {
	Description string
	Properties  map[string]struct{ Description string }
}

func components(t *testing.T) map[string]component {
	t.Helper()
	var document struct {
		Components struct{ Schemas map[string]component }
	}
	check(t, json.Unmarshal(api.Description(), &document))
	return document.Components.Schemas
}

func componentNames(t *testing.T) (names []string) {
	t.Helper()
	for name := range components(t) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	for name, c := range components(t) {
		for field, p := range c.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description: give it a doc tag, or a line in descriptions", name, field)
			}
		}
	}
	for _, unused := range api.Unused() {
		t.Errorf("%s is described, and nothing has it", unused)
	}
}

// An operation is one of the description, as far as the tests look at it.
type operation struct {
	OperationID string `json:"operationId"`
	Summary     string
	Parameters  []struct{ Name, In, Description string }
	RequestBody *struct {
		Content map[string]struct{ Example json.RawMessage }
	}
	Responses map[string]json.RawMessage
}

func operations(t *testing.T) (all []operation) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]operation
	}
	check(t, json.Unmarshal(api.Description(), &document))
	for _, item := range document.Paths {
		for _, o := range item {
			all = append(all, o)
		}
	}
	return all
}

func TestEveryEndpointIsDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range operations(t) {
		if o.OperationID == "" || seen[o.OperationID] {
			t.Errorf("operationId %q is there twice, or empty", o.OperationID)
		}
		seen[o.OperationID] = true
		if !strings.HasSuffix(o.Summary, ".") {
			t.Errorf("%s: the summary %q is no sentence", o.OperationID, o.Summary)
		}
		for _, p := range o.Parameters {
			if p.Description == "" {
				t.Errorf("%s: %s %s has no description", o.OperationID, p.In, p.Name)
			}
		}
		for _, status := range []string{"200", "400", "500"} {
			if o.Responses[status] == nil {
				t.Errorf("%s: no response %s", o.OperationID, status)
			}
		}
	}
	if got, want := len(seen), len(api.Addresses()); got != want {
		t.Errorf("%d operations, want %d", got, want)
	}
}

func TestEveryExampleCanBeSent(t *testing.T) {
	t.Parallel()
	examples := 0
	for _, o := range operations(t) {
		if o.RequestBody == nil || o.RequestBody.Content["application/json"].Example == nil {
			continue
		}
		examples++
		if err := api.ReadExample(o.OperationID, o.RequestBody.Content["application/json"].Example); err != nil {
			t.Errorf("%s: its example %s is refused: %v", o.OperationID, o.RequestBody.Content["application/json"].Example, err)
		}
	}
	if examples < 20 {
		t.Errorf("only %d examples", examples)
	}
}

func TestTheDescriptionIsServed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var got map[string]any
	ask(t, h, "GET", "/api/openapi.json", "", 200, &got)
	if got["openapi"] != "3.1.1" {
		t.Errorf("openapi is %v", got["openapi"])
	}
}
