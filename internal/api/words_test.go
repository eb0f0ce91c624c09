package api_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
)

// The words that the description gives are the constants that there are.
func TestTheWordsAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ folder, typ string }{
		{"../..", "Status"},
		{"../..", "State"},
		{"../..", "Kind"},
		{"../..", "SilenceKind"},
		{"../..", "Verdict"},
		{"../..", "Updates"},
		{"../oncall", "OverrideKind"},
		{"../escalation", "Assign"},
		{"../escalation", "Condition"},
		{"../escalation", "Kind"},
		{"../coverage", "State"},
		{"../coverage", "Kind"},
		{"../coverage", "Severity"},
		{"../coverage", "ProofKind"},
		{"../routing", "LaterKind"},
		{"../routing", "StepResult"},
	} {
		want := constants(t, tt.folder, tt.typ)
		got := api.Words(filepath.Base(filepath.Clean(tt.folder)), tt.typ)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s of %s: the words are %q, the constants %q", tt.typ, tt.folder, got, want)
		}
	}
}

// constants are the values of a folder's constants of that type, sorted.
func constants(t *testing.T, folder, typ string) (values []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	check(t, err)
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		check(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || strings.HasSuffix(name, "_test.go") {
				return true
			}
			if named, ok := spec.Type.(*ast.Ident); !ok || named.Name != typ {
				return true
			}
			for _, v := range spec.Values {
				if literal, ok := v.(*ast.BasicLit); ok {
					value, err := strconv.Unquote(literal.Value)
					check(t, err)
					values = append(values, value)
				}
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}

func TestTheReasonsOfAClosingAreThosePeopleMayGive(t *testing.T) {
	t.Parallel()
	var document struct {
		Components struct {
			Schemas struct {
				AlertClosing struct {
					Properties struct {
						Reason struct{ Enum []tocsin.Reason }
					}
				}
			}
		}
	}
	check(t, json.Unmarshal(api.Description(), &document))
	if got := document.Components.Schemas.AlertClosing.Properties.Reason.Enum; !slices.Equal(got, tocsin.Reasons()) {
		t.Errorf("the reasons are %v, want %v", got, tocsin.Reasons())
	}
}
