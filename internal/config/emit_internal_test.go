package config

import (
	"testing"

	yaml "github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// What is written is read as the same again, as a key, a value and in a list.
func TestEveryTextIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"plain", "two words", "012345678901", "111122223333", "0o17", "1e3", "yes", "No", "null", "~", "2026-01-01", "=", "a: b", "a #b", "*x", "&x", "- a",
		"{", "[", "'", `"`, " a ", "a\nb", "a\n", "a\n\nb\n", "a\n  b\n", " a\nb", "a \nb", "a\n\n", "", "true", "0x1F", "1_000", "@a", "`a", "%a", "!a", "|", ">", "é", "ü b",
		"\u2028", "a\tb", "12:30:45", ".5", "+1", "person:ana", "${env:X}", "Bearer ${file:/etc/x y}", "a:", ":a", "-", "?", "? a", "a\\b", "\x00", "a\x7fb", "<<", "arn:aws:sns:*:111122223333:guardduty", "---",
	} {
		text := toYAML(yaml.MapSlice{{Key: "m", Value: yaml.MapSlice{{Key: s, Value: s}}}, {Key: "l", Value: []any{s, []any{s}, yaml.MapSlice{{Key: "a", Value: s}, {Key: "b", Value: s}}}}})
		doc, problem := readYAML("x", text)
		if problem != nil {
			t.Errorf("%q: %v\n%s", s, problem, text)
			continue
		}
		d := newDecoder("x", doc, Kinds{})
		want := yaml.MapSlice{{Key: "m", Value: yaml.MapSlice{{Key: s, Value: s}}}, {Key: "l", Value: []any{s, []any{s}, yaml.MapSlice{{Key: "a", Value: s}, {Key: "b", Value: s}}}}}
		if got := d.tree(doc.root, nil, ""); !cmp.Equal(any(want), got) || len(d.problems) > 0 {
			t.Errorf("%q is read as something else: %s %v\n%s", s, cmp.Diff(any(want), got), d.problems, text)
		}
	}
}

func TestNumbersAndTheLikeAreWrittenAsTheyAre(t *testing.T) {
	t.Parallel()
	got := string(toYAML(yaml.MapSlice{
		{Key: "i", Value: int64(8080)},
		{Key: "f", Value: 0.5},
		{Key: "b", Value: true},
		{Key: "n", Value: nil},
		{Key: "m", Value: yaml.MapSlice{}},
		{Key: "l", Value: []any{}},
		{Key: "deep", Value: []any{yaml.MapSlice{{Key: "a", Value: []any{int64(1)}}}}},
	}))
	want := "i: 8080\nf: 0.5\nb: true\n\"n\": null\nm: {}\nl: []\ndeep:\n  - a:\n      - 1\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
