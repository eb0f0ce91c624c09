package teams

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// library is made of what Microsoft's own library of Adaptive Cards says of itself;
// see testdata/README.md.
func library(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "card.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cardOf is the card of a golden message, without what is Teams' own.
func cardOf(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Attachments []struct{ Content map[string]any }
	}
	if err := json.Unmarshal(text, &m); err != nil || len(m.Attachments) != 1 {
		t.Fatalf("%s: %d attachments, %v", path, len(m.Attachments), err)
	}
	card := m.Attachments[0].Content
	delete(card, "msteams")
	return card
}

func TestGoldenCardsAreWhatMicrosoftsLibraryReads(t *testing.T) {
	t.Parallel()
	s := library(t)
	paths, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		if err := s.Validate(cardOf(t, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A check that lets everything pass is none.
func TestTheLibrarysSchemaFindsMistakes(t *testing.T) {
	t.Parallel()
	s := library(t)
	type object = map[string]any
	for name, spoil := range map[string]func(card object, of func(kind string) object){
		"a weight of the day":      func(_ object, of func(string) object) { of("TextBlock")["weight"] = "Boldest" },
		"a colour of the rainbow":  func(_ object, of func(string) object) { of("TextBlock")["color"] = "red" },
		"a misspelt property":      func(_ object, of func(string) object) { of("TextBlock")["warp"] = true },
		"wrapping in words":        func(_ object, of func(string) object) { of("TextBlock")["wrap"] = "yes" },
		"a text block without any": func(_ object, of func(string) object) { delete(of("TextBlock"), "text") },
		"a fact without a value":   func(_ object, of func(string) object) { delete(of("FactSet")["facts"].([]any)[0].(object), "value") },
		"a button to nowhere":      func(_ object, of func(string) object) { delete(of("ActionSet")["actions"].([]any)[0].(object), "url") },
		"a property of 1.6": func(_ object, of func(string) object) {
			of("ActionSet")["actions"].([]any)[0].(object)["role"] = "Button"
		},
		"an unknown element": func(_ object, of func(string) object) { of("FactSet")["type"] = "FactsSet" },
		"a newer version":    func(card object, _ func(string) object) { card["version"] = "1.6" },
		"no body":            func(card object, _ func(string) object) { card["body"] = []any{} },
	} {
		card := cardOf(t, filepath.Join("testdata", "golden", "opened-critical-ec2-c2.json"))
		spoil(card, func(kind string) object {
			for _, e := range card["body"].([]any) {
				if e := e.(object); e["type"] == kind {
					return e
				}
			}
			t.Fatalf("the card has no %s", kind)
			return nil
		})
		if s.Validate(card) == nil {
			t.Errorf("%s is not found", name)
		}
	}
	if err := s.Validate(cardOf(t, filepath.Join("testdata", "golden", "opened-critical-ec2-c2.json"))); err != nil {
		t.Errorf("a good card: %s", strings.TrimSpace(err.Error()))
	}
}
