package collect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

func TestForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       map[string]string
	}{
		{"fields", "a=1&b=x+y%26", map[string]string{"a": "1", "b": "x y&"}},
		{"the last of a name", "a=1&a=2", map[string]string{"a": "2"}},
		{"an empty value", "a=", map[string]string{"a": ""}},
		{"a line break at the end", "a=1\r\n", map[string]string{"a": "1"}},
		{"a list of names", "a=1&b", map[string]string{"a": "1", "b": ""}},
		{"nothing", "", nil},
		{"JSON", `{"a":"b=c"}`, nil},
		{"a text in JSON", `"a=b"`, nil},
		{"no field", "hello", nil},
		{"no name", "=1", nil},
		{"blanks and letters that are not encoded", "a=Łódź is full&b=1", map[string]string{"a": "Łódź is full", "b": "1"}},
		{"several lines", "a=1\nb=2", nil},
		{"a broken escape", "a=%zz", nil},
	} {
		got, ok := collect.Form([]byte(tt.body))
		if diff := cmp.Diff(tt.want, got); diff != "" || ok != (tt.want != nil) {
			t.Errorf("%s: Form(%q) = %v, %v; want %v", tt.name, tt.body, got, ok, tt.want)
		}
	}
}

func TestLevelsBySendersWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		word string
		want tocsin.Level
	}{
		{"critical", tocsin.Critical},
		{"page", tocsin.Critical},
		{" P1 ", tocsin.Critical},
		{"error", tocsin.High},
		{"P2", tocsin.High},
		{"sev-3", tocsin.Medium},
		{"notice", tocsin.Low},
		{"p5", tocsin.Informational},
		{"High", tocsin.High},
		{"WARNING", tocsin.Medium},
		{"minor", tocsin.Low},
		{"info", tocsin.Informational},
		{"none", tocsin.Informational},
		{"unknown", tocsin.Unknown},
		{"odd", tocsin.Unknown},
		{"", tocsin.Unknown},
	} {
		if got, ok := collect.Level(tt.word); got != tt.want || ok != (tt.want != tocsin.Unknown) {
			t.Errorf("Level(%q) = %s, %v; want %s", tt.word, got, ok, tt.want)
		}
	}
}
