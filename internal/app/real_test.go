package app_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// offline is an App with every GuardDuty finding wanted and a receiver that
// writes to nowhere.
func offline(t *testing.T) *app.App {
	t.Helper()
	conf, err := config.Parse("test.yml", []byte(`
store: "sqlite:`+t.TempDir()+`"
rules: [{use: guardduty}]
fallback: console
receivers: {console: {console: {}}}
`), app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Offline(t.Context(), app.Options{Config: conf, Out: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// verdictsOf replays files and counts what became of their events.
func verdictsOf(t *testing.T, a *app.App, path string) map[tocsin.Verdict]int {
	t.Helper()
	counts := map[tocsin.Verdict]int{}
	err := a.ReadFiles(t.Context(), []string{path}, nil, nil, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		receipts, err := a.Engine().Accept(ctx, events...)
		for _, r := range receipts {
			counts[r.Verdict]++
		}
		return receipts, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// Every finding that could be had is replayed, and the manual says what became
// of them.
func TestRealFindingsAndTheirVerdicts(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("testdata/real/*")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]map[tocsin.Verdict]int{}
	for _, folder := range folders {
		name := filepath.Base(folder)
		if name == "README.md" {
			continue
		}
		for _, path := range filesOf(t, folder) {
			row := name
			if name == "synthetic" || name == "malformed" {
				row = name + "/" + strings.TrimSuffix(filepath.Base(path), ".gz")
			}
			if strings.HasSuffix(path, ".expected.json") {
				continue
			}
			if row == name { // a repository's files are one story
				path = folder
			}
			if rows[row] != nil {
				continue
			}
			a := offline(t)
			rows[row] = verdictsOf(t, a, path)
			wantAllKept(t, a, rows[row])
		}
	}
	var table strings.Builder
	table.WriteString("| findings | events | verdicts |\n|---|---:|---|\n")
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		total := 0
		var words []string
		for _, v := range tocsin.Verdicts() {
			if n := rows[name][v]; n > 0 {
				total += n
				words = append(words, fmt.Sprintf("%d %s", n, v))
			}
		}
		fmt.Fprintf(&table, "| %s | %d | %s |\n", name, total, strings.Join(words, ", "))
	}
	const begin, end = "<!-- verdicts -->\n", "<!-- /verdicts -->"
	manual, err := os.ReadFile("../../docs/replay.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(manual), begin)
	inside, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("docs/replay.md has no %q … %q", begin, end)
	}
	if notifytest.Updating() {
		if err := os.WriteFile("../../docs/replay.md", []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if inside != table.String() {
		t.Errorf("docs/replay.md says\n%s\nbut it is (write it with -update)\n%s", inside, table.String())
	}
}

// wantAllKept says that the journal holds each event that was counted.
func wantAllKept(t *testing.T, a *app.App, counts map[tocsin.Verdict]int) {
	t.Helper()
	want := 0
	for v, n := range counts {
		if v != tocsin.Duplicate {
			want += n
		}
	}
	got := 0
	err := a.Store().View(t.Context(), func(tx *store.Tx) error {
		return tx.EachEvent(store.EventFilter{}, func(ev tocsin.Event) error {
			got++
			if len(ev.Raw) == 0 && ev.Verdict != tocsin.Malformed {
				t.Errorf("event %d (%s) was kept without its bytes", ev.Seq, ev.Verdict)
			}
			return nil
		})
	})
	if err != nil || got != want {
		t.Errorf("journal holds %d events of %d, %v", got, want, err)
	}
}

func filesOf(t *testing.T, folder string) (paths []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(folder, e.Name()))
	}
	return paths
}

// An alert's end state is what the newest version says, in whatever order
// versions, redeliveries and copies arrive.
func TestLifecyclesEndTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	var want map[string]struct {
		Type      string
		Count     int64     `json:"final_count"`
		UpdatedAt time.Time `json:"final_updatedAt"`
		Archived  bool
	}
	text, err := os.ReadFile("testdata/real/synthetic/lifecycle_updates.expected.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	events := linesOf(t, "testdata/real/synthetic/lifecycle_updates.shuffled_with_duplicates.jsonl.gz")
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("order ", seed), func(t *testing.T) {
			t.Parallel()
			order := slices.Clone(events)
			if seed > 0 {
				rand.New(rand.NewPCG(seed, seed)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			}
			a := offline(t)
			for _, raw := range order {
				if _, err := a.Engine().Accept(t.Context(), tocsin.Event{Source: "org", Via: "sns", Raw: raw}); err != nil {
					t.Fatal(err)
				}
			}
			got := map[string]bool{}
			err := a.Store().View(t.Context(), func(tx *store.Tx) error {
				alerts, _, err := tx.Alerts(store.AlertFilter{Limit: 1000})
				for _, al := range alerts {
					w, ok := want[al.Detection.ID]
					got[al.Detection.ID] = true
					closed := al.Status == tocsin.StatusClosed
					if !ok || al.Type != w.Type || al.Occurrences != w.Count || !al.UpdatedAt.Equal(w.UpdatedAt) || closed != w.Archived {
						t.Errorf("%s: %s, %d times, updated %s, %s; want %+v", al.Detection.ID, al.Type, al.Occurrences, al.UpdatedAt, al.Status, w)
					}
				}
				return err
			})
			if err != nil || len(got) != len(want) {
				t.Errorf("%d alerts for %d findings, %v", len(got), len(want), err)
			}
		})
	}
}

func linesOf(t *testing.T, path string) (lines [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(z)
	s.Buffer(nil, 4<<20)
	for s.Scan() {
		lines = append(lines, slices.Clone(s.Bytes()))
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
