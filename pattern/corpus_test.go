package pattern

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// corpusFolder holds events.jsonl.gz and, for each set of patterns, NAME.jsonl.gz
// and NAME.expected.tsv.gz: event number, then the ids that match.
const corpusFolder = "TOCSIN_BENCH_PATTERNS"

// TestCorpus compares whole Sets with verdicts reached one pattern at a time. It
// runs when the corpus is at hand.
func TestCorpus(t *testing.T) {
	folder := os.Getenv(corpusFolder)
	if folder == "" {
		t.Skip(corpusFolder + " is not set")
	}
	events := corpusEvents(t, folder)
	names, err := filepath.Glob(filepath.Join(folder, "*.expected.tsv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name = strings.TrimSuffix(filepath.Base(name), ".expected.tsv.gz")
		t.Run(name, func(t *testing.T) {
			set := corpusSet(t, folder, name)
			want := corpusVerdicts(t, folder, name)
			pairs := 0
			var got []string
			for i, event := range events {
				var err error
				if got, err = set.Match(event, got[:0]); err != nil {
					t.Fatal(err)
				}
				slices.Sort(got)
				pairs += len(got)
				if !slices.Equal(got, want[i]) {
					t.Fatalf("event %d: %d patterns match, want %d", i, len(got), len(want[i]))
				}
			}
			t.Logf("%d matches", pairs)
		})
	}
}

func BenchmarkCorpus(b *testing.B) {
	folder := os.Getenv(corpusFolder)
	if folder == "" {
		b.Skip(corpusFolder + " is not set")
	}
	events := corpusEvents(b, folder)
	for _, name := range []string{"mixed_10", "mixed_100", "mixed_1000", "mixed_10000", "scoped_1000", "scoped_10000"} {
		b.Run(name, func(b *testing.B) {
			set := corpusSet(b, folder, name)
			dst, err := set.Match(events[0], nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				dst, _ = set.Match(events[i%len(events)], dst[:0])
			}
		})
	}
	b.Run("json.Valid", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			json.Valid(events[i%len(events)])
		}
	})
}

func corpusEvents(t testing.TB, folder string) [][]byte {
	var events [][]byte
	for line := range lines(t, filepath.Join(folder, "events.jsonl.gz")) {
		events = append(events, line)
	}
	return events
}

func corpusSet(t testing.TB, folder, name string) *Set[string] {
	set := NewSet[string]()
	for line := range lines(t, filepath.Join(folder, name+".jsonl.gz")) {
		var c struct {
			ID      string
			Pattern *Pattern
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		set.Add(c.ID, c.Pattern)
	}
	return set
}

func corpusVerdicts(t testing.TB, folder, name string) map[int][]string {
	want := map[int][]string{}
	for line := range lines(t, filepath.Join(folder, name+".expected.tsv.gz")) {
		number, ids, _ := strings.Cut(strings.TrimSpace(string(line)), "\t")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		want[n] = strings.FieldsFunc(ids, func(r rune) bool { return r == '\t' || r == ',' || r == ' ' })
		slices.Sort(want[n])
	}
	return want
}
