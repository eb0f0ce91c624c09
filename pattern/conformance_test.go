package pattern

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A conformanceCase is a verdict of event-ruler.
type conformanceCase struct {
	Pattern     json.RawMessage
	Event       json.RawMessage
	PatternText string `json:"pattern_text"`
	EventText   string `json:"event_text"`
	Match       bool
	Source      string
	Quirk       string
	Legacy      bool `json:"legacy_compiler_only"`
	Error       string
}

// deviations are the cases in which we decided otherwise than event-ruler.
var deviations = []struct {
	why    string
	source string
	count  int
}{
	{"an IPv4 address and an IPv6 range have nothing in common", "probe:cidr", 2},
	{"nor have an IPv4 and an IPv6 address whose digits begin alike", "probe:cidr-family", 5},
	{"folding is simple: ß is not SS, whichever side it is on", "probe:eic-ss", 1},
	{"folding has no direction: ς, σ and Σ are one letter", "probe:eic-sigma", 1},
	{"letters beyond the basic plane have cases too", "probe:eic-astral", 1},
	{"an empty key is a key", "probe:empty-key2", 1},
}

func TestConformance(t *testing.T) {
	differing := map[string]int{}
	agreeing := 0
	for _, c := range readCases(t, "conformance.jsonl.gz") {
		if c.Legacy {
			_ = mustRefuse(t, string(c.Pattern))
			continue
		}
		p, err := Parse(c.Pattern)
		if err != nil {
			t.Errorf("%s: Parse(%s): %v", c.Source, c.Pattern, err)
			continue
		}
		got, err := p.Match(c.Event)
		switch {
		case err != nil:
			t.Errorf("%s: Match(%s): %v", c.Source, c.Event, err)
		case got == c.Match:
			agreeing++
		case c.Quirk != "":
			differing[c.Source]++
		default:
			t.Errorf("%s: match(%s, %s) = %v, want %v", c.Source, c.Pattern, c.Event, got, c.Match)
		}
	}
	for _, d := range deviations {
		if differing[d.source] != d.count {
			t.Errorf("%s: %d cases differ, want %d (%s)", d.source, differing[d.source], d.count, d.why)
		}
		delete(differing, d.source)
	}
	for source, n := range differing {
		t.Errorf("%s: %d cases differ, which nobody decided", source, n)
	}
	t.Logf("%d cases agree", agreeing)
}

// Text after a pattern or an event is an error here; without it, the verdict is
// event-ruler's.
func TestTrailingTextIsRefused(t *testing.T) {
	for _, c := range readCases(t, "conformance_rawtext.jsonl.gz") {
		pattern, event := firstValue(t, c.PatternText), firstValue(t, c.EventText)
		if pattern != strings.TrimSpace(c.PatternText) {
			_ = mustRefuse(t, c.PatternText)
		}
		p, err := Parse([]byte(pattern))
		if err != nil {
			t.Errorf("%s: Parse(%s): %v", c.Source, pattern, err)
			continue
		}
		if event != strings.TrimSpace(c.EventText) {
			if _, err := p.Match([]byte(c.EventText)); err == nil {
				t.Errorf("%s: Match(%s) gave no error", c.Source, c.EventText)
			}
		}
		if got, err := p.Match([]byte(event)); err != nil || got != c.Match {
			t.Errorf("%s: match(%s, %s) = %v, %v, want %v", c.Source, pattern, event, got, err, c.Match)
		}
	}
}

func TestInvalid(t *testing.T) {
	sameReason := 0
	for _, c := range readCases(t, "invalid_patterns.jsonl.gz") {
		e := mustRefuse(t, c.PatternText)
		if e == nil || isSyntax(c.Error) {
			continue
		}
		if e.Reason != c.Error {
			t.Errorf("Parse(%s): %q, want %q", c.PatternText, e.Reason, c.Error)
			continue
		}
		sameReason++
	}
	t.Logf("%d reasons are event-ruler's, word for word", sameReason)
}

func TestLegacyAcceptsAreRefused(t *testing.T) {
	for _, c := range readCases(t, "invalid_patterns_legacy_accepts.jsonl.gz") {
		if e := mustRefuse(t, c.PatternText); e != nil && e.Reason != c.Error {
			t.Errorf("Parse(%s): %q, want %q", c.PatternText, e.Reason, c.Error)
		}
	}
}

// TestSetAgreesWithEachPattern loads all patterns of the conformance cases into
// one Set: what else is loaded must make no difference.
func TestSetAgreesWithEachPattern(t *testing.T) {
	cases := readCases(t, "conformance.jsonl.gz")
	set := NewSet[int]()
	var patterns []*Pattern
	known := map[string]bool{}
	events := map[string]bool{}
	for i, c := range cases {
		if c.Legacy {
			continue
		}
		if i%10 == 0 || c.Quirk != "" {
			events[string(c.Event)] = true
		}
		if known[string(c.Pattern)] {
			continue
		}
		known[string(c.Pattern)] = true
		p, err := Parse(c.Pattern)
		if err != nil {
			t.Fatal(err)
		}
		set.Add(len(patterns), p)
		patterns = append(patterns, p)
	}
	t.Logf("%d patterns, %d events", len(patterns), len(events))
	for event := range events {
		var want []int
		for i, p := range patterns {
			if ok, err := p.Match([]byte(event)); err != nil {
				t.Fatal(err)
			} else if ok {
				want = append(want, i)
			}
		}
		got, err := set.Match([]byte(event), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("Match(%s) = %v, want %v", event, got, want)
		}
	}
}

// isSyntax tells the reasons of event-ruler's JSON parser, and one of Java, from
// those of its pattern compiler. Ours are in other words.
func isSyntax(reason string) bool {
	for _, start := range []string{
		"Unexpected character", "Unexpected end-of-input", "Unexpected close marker", "Unrecognized token",
		"Unrecognized character escape", "Non-standard token", "Invalid numeric value", "Illegal unquoted character",
		"Cannot invoke",
	} {
		if strings.HasPrefix(reason, start) {
			return true
		}
	}
	return false
}

// mustRefuse returns the error of Parse, or nil after failing the test.
func mustRefuse(t *testing.T, pattern string) *Error {
	t.Helper()
	p, err := Parse([]byte(pattern))
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Errorf("Parse(%s) = %v, %v, want an *Error", pattern, p, err)
		return nil
	}
	return e
}

func firstValue(t *testing.T, text string) string {
	t.Helper()
	var v json.RawMessage
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return string(v)
}

func readCases(t *testing.T, name string) []conformanceCase {
	t.Helper()
	var cases []conformanceCase
	for line := range lines(t, filepath.Join("testdata", name)) {
		var c conformanceCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// lines yields the lines of a gzipped file. They are valid until the next one.
func lines(t testing.TB, name string) func(yield func([]byte) bool) {
	t.Helper()
	return func(yield func([]byte) bool) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReaderSize(z, 1<<20)
		for {
			line, err := r.ReadBytes('\n')
			if len(line) > 0 && !yield(line) {
				return
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
