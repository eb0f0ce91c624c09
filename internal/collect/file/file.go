// Package file takes in events from files: exports of GuardDuty from S3, answers
// of GetFindings, NDJSON, what Firehose wrote, one event or many, gzip or not.
//
// Files are read value by value, so that their size does not matter. Once all are
// read, Run returns: there is no watching for more.
package file

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// Kind is the way in by files.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("file", "Takes in the events in files, once: JSON, NDJSON, GuardDuty's export to S3, answers of GetFindings; gzip or not.", open)
	k.Title = "Files"
	return k
}

// Config is what can be set.
type Config struct {
	Path string `json:"path" doc:"A file, a directory with all in it, a pattern such as findings/*.jsonl.gz, or - for the standard input."`
}

const (
	via = "file"
	// Events go to the sink in batches of batchEvents, or fewer if they are large.
	batchEvents = 500
	batchBytes  = 4 << 20
)

// Files is a collector that reads files and then is done.
type Files struct {
	env      collect.Env
	paths    []string
	progress collect.Progress
	stdin    io.Reader
}

var _ collect.Collector = (*Files)(nil)

func open(c Config, env collect.Env) (collect.Collector, error) {
	if c.Path == "" {
		return nil, errors.New("path: name a file, a directory or - for the standard input")
	}
	return New(env, []string{c.Path}, nil, os.Stdin), nil
}

// New makes a collector of the files that paths name: files, directories (all
// files in them but hidden ones), patterns as of filepath.Match, and "-", which
// is stdin. Of env it needs Name and Now. Progress, which may be nil, is told how
// many bytes of the files are read, at each batch and at the end.
func New(env collect.Env, paths []string, progress collect.Progress, stdin io.Reader) *Files {
	return &Files{env: env, paths: paths, progress: progress, stdin: stdin}
}

// Run reads all files and hands on what is in them, in order. It returns nil when
// all were read or ctx ended. A file that cannot be read does not keep the others
// from being read; the error names it. An error of sink ends Run; the events
// before the file and line that it names were kept.
func (f *Files) Run(ctx context.Context, sink collect.Sink) error {
	files, total, err := f.find()
	if err != nil {
		return err
	}
	b := &batch{files: f, sink: sink, total: total}
	var broken []error
	for _, name := range files {
		err := f.read(ctx, name, b)
		select {
		case <-ctx.Done():
			return nil // a file that was cut off is not broken
		default:
		}
		if e, ok := errors.AsType[*sinkError](err); ok {
			return e
		}
		if err != nil {
			broken = append(broken, err)
		}
	}
	b.tell()
	return errors.Join(broken...)
}

// stdinName is the path of the standard input.
const stdinName = "-"

// find are the files and the sum of their sizes, which is 0 if one is unknown.
func (f *Files) find() (files []string, total int64, err error) {
	unknown := false
	for _, path := range f.paths {
		if path == stdinName {
			files, unknown = append(files, path), true
			continue
		}
		found, err := Expand(path)
		if err != nil {
			return nil, 0, err
		}
		files = append(files, found...)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && name != stdinName {
			unknown = unknown || !info.Mode().IsRegular()
			total += info.Size()
		}
	}
	if unknown {
		total = 0
	}
	return files, total, nil
}

// Expand is the files that a path names: itself, what is in a directory and those
// below it (but for hidden ones), sorted, or what a pattern as of filepath.Match
// matches. It is an error if there is none.
func Expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return within(path)
	case err == nil:
		return []string{path}, nil
	case !strings.ContainsAny(path, "*?["):
		return nil, err
	}
	found, err := filepath.Glob(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no file matches", path)
	}
	var files []string
	for _, name := range found {
		more, err := Expand(name)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// within are the files in a directory and those below it, sorted.
func within(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		hidden := path != dir && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden || d.IsDir():
			return nil
		}
		files = append(files, path)
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: there is no file in it", dir)
	}
	slices.Sort(files)
	return files, err
}

// read hands on what is in one file.
func (f *Files) read(ctx context.Context, name string, b *batch) error {
	from := f.stdin
	if name != stdinName {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		from = file
	} else {
		name = "standard input"
	}
	plain, err := Unpack(&counter{from, &b.done})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r := collect.NewReader(plain)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.flush(ctx)
		}
		if err != nil {
			return errors.Join(b.flush(ctx), fmt.Errorf("%s: behind line %d: %w", name, r.Line(), err))
		}
		b.add(name, r.Line(), p)
		if b.full() {
			if err := b.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// Unpack reads through gzip if that is what from begins with.
func Unpack(from io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(from, 64<<10)
	if head, _ := buffered.Peek(2); string(head) != "\x1f\x8b" { // too short is not gzip; an error comes again
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}

// A counter counts what is read.
type counter struct {
	io.Reader
	n *int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

// A batch is what goes to the sink in one call.
type batch struct {
	files  *Files
	sink   collect.Sink
	events []tocsin.Event
	memory []byte // that the events' bytes are in
	// first is where the first event of the batch is.
	first string

	done, total int64 // bytes read of all
}

func (b *batch) full() bool { return len(b.events) >= batchEvents || len(b.memory) >= batchBytes }

// add takes a copy of a piece.
func (b *batch) add(name string, line int, p collect.Piece) {
	if len(b.events) == 0 {
		b.first = fmt.Sprintf("%s: line %d", name, line)
	}
	// Where append moves the memory, events before keep the old one.
	from := len(b.memory)
	b.memory = append(b.memory, p.Raw...)
	ev := tocsin.Event{
		Source: b.files.env.Name, Via: via, ReceivedAt: b.files.env.Now(), Raw: b.memory[from:len(b.memory):len(b.memory)],
	}
	if p.Err != nil {
		ev.Unreadable = fmt.Sprintf("%s: line %d: %v", name, line, p.Err)
	} else {
		ev.Envelope = collect.EventID(p.Raw)
	}
	b.events = append(b.events, ev)
}

// A sinkError says that events were not kept, and from where on.
type sinkError struct {
	first string
	err   error
}

func (e *sinkError) Error() string { return e.first + ": not kept from here on: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

func (b *batch) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b.events) > 0 {
		if _, err := b.sink(ctx, b.events...); err != nil {
			return &sinkError{b.first, err}
		}
	}
	b.tell()
	clear(b.events)
	b.events, b.memory = b.events[:0], b.memory[:0]
	return nil
}

func (b *batch) tell() {
	if b.files.progress != nil {
		b.files.progress(b.done, b.total)
	}
}
