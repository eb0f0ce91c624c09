package pattern

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// corpusFolder names a folder with events.jsonl.gz and, for each set of patterns,
// NAME.jsonl.gz and NAME.expected.tsv.gz: the number of an event, then the ids of
// the patterns that match it. Without it the small corpus in testdata is used.
const corpusFolder = "TOCSIN_BENCH_PATTERNS"

func corpusAt() string { return cmp.Or(os.Getenv(corpusFolder), "testdata/corpus") }

func corpusSets(t testing.TB, folder string) (names []string) {
	const ending = ".expected.tsv.gz"
	files, err := filepath.Glob(filepath.Join(folder, "*"+ending))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no sets of patterns, %v", folder, err)
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ending))
	}
	return names
}

// TestCorpus compares whole Sets with verdicts reached one pattern at a time.
func TestCorpus(t *testing.T) {
	t.Parallel()
	folder := corpusAt()
	events := corpusEvents(t, folder)
	for _, name := range corpusSets(t, folder) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
			if pairs == 0 {
				t.Error("no event matches any pattern: this proves nothing")
			}
			t.Logf("%d matches", pairs)
		})
	}
}

// BenchmarkCorpus measures every set beside json.Valid over the same events, turn
// by turn, so that whatever else the machine does falls on both; and beside the
// reading of the event alone. It reports the best of all turns.
func BenchmarkCorpus(b *testing.B) {
	folder := corpusAt()
	events := corpusEvents(b, folder)
	for _, name := range corpusSets(b, folder) {
		b.Run(name, func(b *testing.B) {
			set := corpusSet(b, folder, name)
			dst, err := set.Match(events[0], nil)
			if err != nil {
				b.Fatal(err)
			}
			var match, valid, read best
			for b.Loop() {
				i := 0
				for part := range slices.Chunk(events, 250) {
					match.time(i, func() {
						for _, event := range part {
							dst, _ = set.Match(event, dst[:0])
						}
					})
					valid.time(i, func() {
						for _, event := range part {
							json.Valid(event)
						}
					})
					read.time(i, func() {
						for _, event := range part {
							set.read(event)
						}
					})
					i++
				}
			}
			b.ReportMetric(match.per(events), "ns/event")
			b.ReportMetric(valid.per(events), "Valid-ns/event")
			b.ReportMetric(match.per(events)/valid.per(events), "/Valid")
			b.ReportMetric(match.per(events)/read.per(events), "/reading")
			b.ReportMetric(testing.AllocsPerRun(5, func() {
				for _, event := range events {
					dst, _ = set.Match(event, dst[:0])
				}
			})/float64(len(events)), "allocs/event")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// read reads an event as Match does and goes no further.
func (s *Set[K]) read(event []byte) {
	c := s.current.Load()
	x := scratches.Get().(*scratch)
	defer x.release()
	x.prepare(c.fields, len(c.keys))
	_ = x.scan(c.root, event)
}

// best is the shortest time of each of several pieces of work.
type best []time.Duration

func (b *best) time(i int, work func()) {
	start := time.Now()
	work()
	took := time.Since(start)
	if i == len(*b) {
		*b = append(*b, took)
	}
	(*b)[i] = min((*b)[i], took)
}

func (b best) per(events [][]byte) float64 {
	var sum time.Duration
	for _, d := range b {
		sum += d
	}
	return float64(sum) / float64(len(events))
}

// BenchmarkCorpusAdd is what it takes to have the largest sets ready, from their
// text to the end of the first Match, and the memory they keep.
func BenchmarkCorpusAdd(b *testing.B) {
	folder := corpusAt()
	event := corpusEvents(b, folder)[0]
	for _, name := range corpusSets(b, folder) {
		if !strings.HasPrefix(name, "mixed") && !strings.HasPrefix(name, "scoped") {
			continue
		}
		b.Run(name, func(b *testing.B) {
			ids, texts := corpusTexts(b, folder, name)
			var memory int64
			for b.Loop() {
				b.StopTimer()
				before := liveHeap()
				b.StartTimer()
				set := NewSet[string]()
				for i, text := range texts {
					p, err := Parse(text)
					if err != nil {
						b.Fatal(err)
					}
					set.Add(ids[i], p)
				}
				if _, err := set.Match(event, nil); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				memory = liveHeap() - before
				runtime.KeepAlive(set)
				b.StartTimer()
			}
			b.ReportMetric(float64(memory)/1e6, "MB")
		})
	}
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCorpusChange is one Add and one Remove in the largest set, in use.
func BenchmarkCorpusChange(b *testing.B) {
	folder := corpusAt()
	event := corpusEvents(b, folder)[0]
	name := largest(corpusSets(b, folder))
	set := corpusSet(b, folder, name)
	if _, err := set.Match(event, nil); err != nil {
		b.Fatal(err)
	}
	_, texts := corpusTexts(b, folder, name)
	var some []*Pattern
	for _, text := range texts[:100] {
		some = append(some, parse(b, string(text)))
	}
	b.Run("one pattern, "+name, func(b *testing.B) {
		var longest time.Duration
		i := 0
		for b.Loop() {
			start := time.Now()
			key := strconv.Itoa(i % 1000)
			set.Remove(key)
			set.Add(key, some[i%len(some)])
			longest = max(longest, time.Since(start))
			i++
		}
		b.ReportMetric(float64(longest)/1e6, "longest-ms")
	})
	b.Run("all anew, "+name, func(b *testing.B) {
		for b.Loop() {
			set.renumber()
		}
	})
}

func largest(names []string) string {
	return slices.MaxFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(sizeIn(a), sizeIn(b)), -cmp.Compare(a, b))
	})
}

func sizeIn(name string) int {
	n, _ := strconv.Atoi(name[strings.LastIndexByte(name, '_')+1:])
	return n
}

// BenchmarkCorpusScaling is Match in one goroutine and in as many as there are cores.
func BenchmarkCorpusScaling(b *testing.B) {
	folder := corpusAt()
	events := corpusEvents(b, folder)
	for _, name := range corpusSets(b, folder) {
		if !strings.HasPrefix(name, "mixed") {
			continue
		}
		set := corpusSet(b, folder, name)
		b.Run(name+"/one", func(b *testing.B) {
			var dst []string
			for i := 0; b.Loop(); i++ {
				dst, _ = set.Match(events[i%len(events)], dst[:0])
			}
		})
		b.Run(name+"/all", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				var dst []string
				for i := 0; pb.Next(); i++ {
					dst, _ = set.Match(events[i%len(events)], dst[:0])
				}
			})
		})
	}
}

func corpusEvents(t testing.TB, folder string) [][]byte {
	var events [][]byte
	for line := range lines(t, filepath.Join(folder, "events.jsonl.gz")) {
		events = append(events, line)
	}
	return events
}

func corpusTexts(t testing.TB, folder, name string) (ids []string, texts [][]byte) {
	for line := range lines(t, filepath.Join(folder, name+".jsonl.gz")) {
		var c struct {
			ID      string
			Pattern json.RawMessage
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		ids, texts = append(ids, c.ID), append(texts, c.Pattern)
	}
	return ids, texts
}

func corpusSet(t testing.TB, folder, name string) *Set[string] {
	set := NewSet[string]()
	ids, texts := corpusTexts(t, folder, name)
	for i, text := range texts {
		p, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		set.Add(ids[i], p)
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
