package collecttest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// A Journal is a sink that keeps what it took. It is safe for concurrent use.
type Journal struct {
	mu     sync.Mutex // guards what follows
	events []tocsin.Event
	calls  int
	refuse func(events []tocsin.Event) error
}

// Take is the sink.
func (j *Journal) Take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	j.mu.Lock()
	j.calls++
	refuse := j.refuse
	j.mu.Unlock()
	if refuse != nil {
		if err := refuse(events); err != nil {
			return nil, err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw) // they are the collector's again
		j.events = append(j.events, ev)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

// Refuse has refuse say what is not taken, before any of it is; nil lets all be taken.
func (j *Journal) Refuse(refuse func(events []tocsin.Event) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.refuse = refuse
}

// All are the events that were taken, in order.
func (j *Journal) All() []tocsin.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// Kept is how often each envelope was taken.
func (j *Journal) Kept() map[string]int {
	times := map[string]int{}
	for _, ev := range j.All() {
		times[ev.Envelope]++
	}
	return times
}

// Calls is how often the sink was called.
func (j *Journal) Calls() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.calls
}

// Reset forgets what was taken.
func (j *Journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = nil
}

// A Log is what was logged. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write takes a line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Said is a status as text: its state, and each fact on a line.
func Said(st collect.Status) string {
	var b strings.Builder
	b.WriteString(st.State + "\n")
	for _, l := range st.Lines {
		b.WriteString(l.Name + ": " + l.Value + "\n")
	}
	return b.String()
}
