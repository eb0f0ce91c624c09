package all_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/all"
)

var update = flag.Bool("update", false, "write the generated page")

func TestThePageOfDestinationsIsCurrent(t *testing.T) {
	t.Parallel()
	const path = "../../../docs/destinations.md"
	page := all.Page()
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil || string(kept) != page {
		t.Errorf("%s is not what the code says (%v): run go test ./internal/notify/all -update", path, err)
	}
}

// A destination that is not checked is not listed: each names a test that there is.
func TestEveryDestinationDescribesItselfAndIsChecked(t *testing.T) {
	t.Parallel()
	for _, k := range all.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			if k.Ended != "" {
				return // the page has no row of it
			}
			if k.Title == "" || !strings.HasSuffix(k.Doc, ".") || k.Abilities.Limit == "" {
				t.Errorf("title %q, doc %q, limit %q", k.Title, k.Doc, k.Abilities.Limit)
			}
			if (k.Edits || k.Follows) && !k.Abilities.Edits && !k.Abilities.Threads && !k.Abilities.Resolve {
				t.Error("it follows alerts, and its abilities say nothing of it")
			}
			if k.Abilities.Edits && !k.Edits {
				t.Error("its page says that it edits, and nobody who was called is shown how the alert stands")
			}
			if (k.Abilities.Threads || k.Edits) && !k.Abilities.Resolve {
				t.Error("it shows what becomes of an alert, and its page says not that it shows its end")
			}
			if k.Abilities.Acknowledge && k.Address == nil {
				t.Error("it tells nobody by name, so that nobody can answer")
			}
			if k.Acts && k.Address != nil {
				t.Error("what acts tells no people")
			}
			if len(k.Checks) == 0 {
				t.Fatal("it is not checked")
			}
			there := tests(t, k)
			for _, c := range k.Checks {
				if !slices.Contains([]notify.CheckKind{notify.BySchema, notify.ByCounterpart, notify.ByFake}, c.How) || c.By == "" {
					t.Errorf("check %+v", c)
				}
				if !slices.Contains(there, c.Test) {
					t.Errorf("there is no test %q in its package; there are %v", c.Test, there)
				}
			}
		})
	}
}

// tests are the names of the test functions in the package of the kind's settings.
func tests(t *testing.T, k notify.Kind) (names []string) {
	t.Helper()
	typ := k.Config
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	_, folder, ok := strings.Cut(typ.PkgPath(), "/internal/notify/")
	if !ok {
		t.Fatalf("its settings are of the package %q", typ.PkgPath())
	}
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	for _, f := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}
