package file_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/file"
)

var env = collect.Env{Name: "export", Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}

// The one who sends is who calls Run: nil says that all was received, an error
// that it was not.
func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "export", Via: "file",
		Start: func(t *testing.T, sink collect.Sink) *collecttest.Running {
			ctx, cancel := context.WithCancel(context.Background())
			t.Cleanup(cancel)
			var under sync.WaitGroup
			return &collecttest.Running{
				Once: true,
				Send: func(body []byte) collecttest.Answer {
					under.Add(1)
					defer under.Done()
					path := filepath.Join(t.TempDir(), "events.json")
					if err := os.WriteFile(path, body, 0o600); err != nil {
						t.Error(err)
					}
					if err := file.New(env, []string{path}, nil, nil).Run(ctx, sink); err != nil || ctx.Err() != nil {
						return collecttest.TryAgain
					}
					return collecttest.Received
				},
				Stop: func() error {
					cancel()
					under.Wait()
					return nil
				},
			}
		},
	})
}

// journal keeps the calls of a sink.
type journal struct {
	events  []tocsin.Event
	batches []int
	err     error
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	if j.err != nil {
		return nil, j.err
	}
	j.batches = append(j.batches, len(events))
	for _, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw)
		j.events = append(j.events, ev)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

func (j *journal) raw() string {
	var all []string
	for _, ev := range j.events {
		all = append(all, string(ev.Raw))
	}
	return strings.Join(all, " ")
}

func packed(text string) string {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return out.String()
}

// tree writes files and gives the folder that they are in.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWhatIsRead(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a.json":                      `{"a":1}`,
		"b.jsonl.gz":                  packed("{\"b\":1}\n{\"b\":2}\n"),
		"c/2026/03/01/export.jsonl":   `{"c":1}`,
		"c/2026/03/02/export":         packed(`{"findings":[{"c":2}]}`),
		"c/.hidden.json":              `{"no":1}`,
		".git/config.json":            `{"no":1}`,
		"empty":                       "",
		"concatenated-by-firehose":    `{"d":1}{"d":2}`,
		"two-gzip-files-in-one.jsonl": packed(`{"e":1}`) + packed(`{"e":2}`),
	})
	for _, tt := range []struct {
		name  string
		paths []string
		want  string
	}{
		{"a file", []string{"a.json"}, `{"a":1}`},
		{"gzip, whatever its name", []string{"c/2026/03/02/export"}, `{"c":2}`},
		{"gzip after gzip", []string{"two-gzip-files-in-one.jsonl"}, `{"e":1} {"e":2}`},
		{"a folder and those below", []string{"c"}, `{"c":1} {"c":2}`},
		{"a pattern", []string{"*.json*"}, `{"a":1} {"b":1} {"b":2} {"e":1} {"e":2}`},
		{"several, in order", []string{"concatenated-by-firehose", "a.json"}, `{"d":1} {"d":2} {"a":1}`},
		{"an empty file", []string{"empty"}, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			paths := make([]string, len(tt.paths))
			for i, p := range tt.paths {
				paths[i] = filepath.Join(dir, p)
			}
			var j journal
			if err := file.New(env, paths, nil, nil).Run(t.Context(), j.take); err != nil {
				t.Fatal(err)
			}
			if got := j.raw(); got != tt.want {
				t.Errorf("events %s, want %s", got, tt.want)
			}
		})
	}
}

func TestStandardInput(t *testing.T) {
	t.Parallel()
	var j journal
	if err := file.New(env, []string{"-"}, nil, strings.NewReader(packed(`{"a":1}`))).Run(t.Context(), j.take); err != nil || j.raw() != `{"a":1}` {
		t.Errorf("%s, %v", j.raw(), err)
	}
}

func TestUnreadableLinesAreNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(tree(t, map[string]string{"x.jsonl": "{\"a\":1}\n\noops\n{\"b\":2}\n"}), "x.jsonl")
	var j journal
	if err := file.New(env, []string{path}, nil, nil).Run(t.Context(), j.take); err != nil {
		t.Fatal(err)
	}
	if got := j.raw(); got != `{"a":1} oops {"b":2}` {
		t.Errorf("events %s", got)
	}
	if got, want := j.events[1].Unreadable, path+": line 3: not JSON: a value is missing at byte 0"; got != want {
		t.Errorf("Unreadable = %q, want %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"1-broken.gz": packed(strings.Repeat("{\"a\":1}\n", 3))[:30],
		"2-good.json": `{"b":2}`,
		"3-no.gz":     "\x1f\x8bno",
	})
	empty := t.TempDir()
	for _, tt := range []struct{ name, path, want, events string }{
		{"a file that is not there", filepath.Join(dir, "none"), "stat " + filepath.Join(dir, "none") + ": no such file or directory", ""},
		{"a pattern that nothing matches", filepath.Join(dir, "*.txt"), filepath.Join(dir, "*.txt") + ": no file matches", ""},
		{"an empty folder", empty, empty + ": there is no file in it", ""},
		{
			"a broken file does not keep the others", dir,
			filepath.Join(dir, "1-broken.gz") + ": behind line 3: unexpected EOF\n" + filepath.Join(dir, "3-no.gz") + ": unexpected EOF",
			`{"a":1} {"a":1} {"a":1} {"b":2}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			err := file.New(env, []string{tt.path}, nil, nil).Run(t.Context(), j.take)
			if err == nil || err.Error() != tt.want {
				t.Errorf("Run: %v\nwant %s", err, tt.want)
			}
			if got := j.raw(); got != tt.events {
				t.Errorf("events %s, want %s", got, tt.events)
			}
		})
	}
}

func TestSinkErrorSaysFromWhereOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(tree(t, map[string]string{"x": strings.Repeat("{}\n", 700)}), "x")
	full := errors.New("the disk is full")
	var j journal
	err := file.New(env, []string{path}, nil, nil).Run(t.Context(), func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		if len(j.batches) == 1 {
			return nil, full
		}
		return j.take(ctx, events...)
	})
	if !errors.Is(err, full) || err.Error() != path+": line 501: not kept from here on: the disk is full" {
		t.Errorf("Run: %v", err)
	}
}

func TestBatchesAndProgress(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(`{"id":"x","detail-type":"y","source":"z"}`+"\n", 1200)
	dir := tree(t, map[string]string{"a": text, "b": packed(text)})
	var j journal
	var last, total int64
	progress := func(done, of int64) {
		if done < last {
			t.Errorf("progress went back from %d to %d", last, done)
		}
		last, total = done, of
	}
	if err := file.New(env, []string{dir}, progress, nil).Run(t.Context(), j.take); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{500, 500, 200, 500, 500, 200}, j.batches); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	if want := int64(len(text) + len(packed(text))); last != want || total != want {
		t.Errorf("progress at the end %d of %d, want %d", last, total, want)
	}
	if j.events[0].Envelope != "x" {
		t.Errorf("envelope id %q, want the event's own", j.events[0].Envelope)
	}
}

// A large file is read with little memory: the reader gives what was asked for
// and no more than a batch is held.
func TestLargeFileIsStreamed(t *testing.T) {
	t.Parallel()
	const events = 20_000
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, `{"Findings":[`)
		for i := range events {
			if i > 0 {
				_, _ = io.WriteString(w, ",\n")
			}
			_, _ = io.WriteString(w, `{"Text":"`+strings.Repeat("x", 1000)+`"}`)
		}
		_, _ = io.WriteString(w, `]}`)
		_ = w.Close()
	}()
	n := 0
	err := file.New(env, []string{"-"}, nil, r).Run(t.Context(), func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		if len(events) > 500 {
			t.Errorf("a batch of %d events", len(events))
		}
		n += len(events)
		return nil, nil
	})
	if err != nil || n != events {
		t.Errorf("%d events, %v; want %d", n, err, events)
	}
}

func TestKind(t *testing.T) {
	t.Parallel()
	_, err := file.Kind.Open(func(any) error { return nil }, env)
	if err == nil || err.Error() != "path: name a file, a directory or - for the standard input" {
		t.Errorf("without a path: %v", err)
	}
}
