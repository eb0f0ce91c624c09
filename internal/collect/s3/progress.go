package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// progress is how far objects are read that are more than one batch, so that whoever
// was killed in the middle goes on there. It is kept from batch to batch. What of it is
// lost costs deliveries that are known by their envelopes.
type progress struct {
	state collect.State
	pull  *collect.Pull
	now   func() time.Time

	mu     sync.Mutex // guards what follows
	loaded bool
	marks  map[string]mark // by id of the object
}

// A mark is how many events of an object were kept.
type mark struct {
	Done int       `json:"done"`
	At   time.Time `json:"at"`
}

const (
	progressKey = "reading"
	// maxMarks is how many objects are remembered, and markAge for how long.
	maxMarks = 200
	markAge  = 14 * 24 * time.Hour
	// remembering is the part of the [collect.Pull] that fails with the state.
	remembering = "Remembering"
)

// of is how many events of an object were kept.
func (p *progress) of(ctx context.Context, id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load(ctx)
	return p.marks[id].Done
}

// mark takes note that so many events were kept.
func (p *progress) mark(ctx context.Context, id string, done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load(ctx)
	p.marks[id] = mark{done, p.now()}
	p.save(ctx)
}

// end takes note that the object was read to its end.
func (p *progress) end(ctx context.Context, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.marks[id]; !ok {
		return
	}
	delete(p.marks, id)
	p.save(ctx)
}

// load remembers what was saved. The caller holds mu.
func (p *progress) load(ctx context.Context) {
	if p.loaded {
		return
	}
	p.marks = map[string]mark{}
	text, err := p.state.Load(ctx, progressKey)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &p.marks)
	}
	if err != nil {
		p.pull.Failed(ctx, remembering, fmt.Errorf("how far objects are read: %w", err))
		return
	}
	p.loaded = true
}

// save forgets what is old, and saves the rest. The caller holds mu.
func (p *progress) save(ctx context.Context) {
	now := p.now()
	maps.DeleteFunc(p.marks, func(_ string, m mark) bool { return now.Sub(m.At) > markAge })
	if len(p.marks) > maxMarks {
		oldest := slices.SortedFunc(maps.Keys(p.marks), func(a, b string) int { return p.marks[a].At.Compare(p.marks[b].At) })
		for _, id := range oldest[:len(oldest)-maxMarks] {
			delete(p.marks, id)
		}
	}
	text, err := json.Marshal(p.marks)
	if err == nil {
		err = p.state.Save(context.WithoutCancel(ctx), progressKey, text)
	}
	if err != nil {
		p.pull.Failed(ctx, remembering, fmt.Errorf("how far objects are read: %w", err))
		return
	}
	p.pull.Worked(ctx, remembering)
}

// objects are what is known of those that were read.
type objects struct {
	pull *collect.Pull
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	count   int64
	events  int64
	last    time.Time
	failing map[string]time.Time // when an object could not be read last
}

const (
	reading = "Reading"
	// maxFailing is how many objects are known to fail, and failingFor for how long one is
	// said to if nobody tells of it any more.
	maxFailing = 1000
	failingFor = time.Hour
)

func (o *objects) read(now time.Time, events int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count++
	o.events += int64(events)
	o.last = now
}

// settled takes note of what became of an object. As long as one cannot be read, the
// source fails.
func (o *objects) settled(ctx context.Context, p place, err error) {
	if ctx.Err() != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, kept := errors.AsType[sinkError](err); err != nil && !kept {
		if len(o.failing) < maxFailing {
			o.failing[p.String()] = o.now()
		}
		o.pull.Failed(ctx, reading, err)
		return
	}
	if len(o.failing) == 0 {
		return
	}
	delete(o.failing, p.String())
	o.quiet(ctx)
}

// quiet forgets what nobody told of for long. The caller holds mu.
func (o *objects) quiet(ctx context.Context) {
	now := o.now()
	maps.DeleteFunc(o.failing, func(_ string, at time.Time) bool { return now.Sub(at) > failingFor })
	if len(o.failing) == 0 {
		o.pull.Worked(ctx, reading)
	}
}
