// Package send is what the receivers that are services of AWS have in common: what
// is sent, and how concurrent messages share a request.
package send

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// ActPatience is for how long an action that could not be begun is tried again:
// what is done about an alert hours later is rarely what anybody wants.
const ActPatience = time.Hour

// A Batcher has concurrent callers share requests: what arrives while one is under
// way goes with the next, as much of it as the service takes. Whoever comes alone
// waits for nobody.
//
// A caller's context ends its own waiting and no other's; a request is given up
// once nobody waits for it. A batch that fails as a whole fails for each of its
// callers, except where a single entry may be to blame (see [aws.Session.Refused]):
// then its halves are sent by themselves, so that no message is lost for another's
// fault.
type Batcher[E, R any] struct {
	kind   string
	limits Limits[E]
	send   func(ctx context.Context, entries []E) (Results[R], error)

	mu      sync.Mutex // guards what follows
	waiting []*caller[E, R]
	busy    bool
}

// Limits are what one request holds at most.
type Limits[E any] struct {
	Count int
	Bytes int
	Size  func(E) int
	// Together says whether the next may be in one request with the first; nil
	// where all may.
	Together func(first, next E) bool
}

// A Result is what became of one entry.
type Result[R any] struct {
	Value R
	Err   error
}

// NewBatcher makes a batcher of how one request is made. send gives a result for
// each entry, in their order, or an error for all.
func NewBatcher[E, R any](kind string, limits Limits[E], send func(ctx context.Context, entries []E) (Results[R], error)) *Batcher[E, R] {
	return &Batcher[E, R]{kind: kind, limits: limits, send: send}
}

// A caller waits for what becomes of its entry.
type caller[E, R any] struct {
	ctx    context.Context
	entry  E
	done   chan struct{} // closed once result is written
	result Result[R]
}

// Do sends the entry and gives what became of it.
func (b *Batcher[E, R]) Do(ctx context.Context, entry E) (R, error) {
	c := &caller[E, R]{ctx: ctx, entry: entry, done: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return c.result.Value, fmt.Errorf("%s: %w", b.kind, err)
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, c)
	if !b.busy {
		b.busy = true
		go b.run() // ends once nobody waits
	}
	b.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		select {
		case <-c.done: // it is known after all
		default:
			var none R
			return none, fmt.Errorf("%s: %w", b.kind, ctx.Err())
		}
	}
	if ctx.Err() != nil && errors.Is(c.result.Err, context.Canceled) {
		return c.result.Value, fmt.Errorf("%s: %w", b.kind, ctx.Err()) // its own end, and not the request's
	}
	return c.result.Value, c.result.Err
}

// run makes one request after the other while somebody waits.
func (b *Batcher[E, R]) run() {
	for {
		batch := b.next()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := lasting(batch)
		b.deliver(ctx, batch)
		cancel()
	}
}

// next takes as many of those who wait as fit into one request, in the order in
// which they came. Those who waited in vain are left out.
func (b *Batcher[E, R]) next() []*caller[E, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch, later []*caller[E, R]
	bytes := 0
	for i, c := range b.waiting {
		if c.ctx.Err() != nil {
			continue
		}
		size := b.limits.Size(c.entry)
		if len(batch) > 0 && (len(batch) >= b.limits.Count || bytes+size > b.limits.Bytes || b.limits.Together != nil && !b.limits.Together(batch[0].entry, c.entry)) {
			later = b.waiting[i:]
			break
		}
		batch = append(batch, c)
		bytes += size
	}
	b.waiting = append([]*caller[E, R](nil), later...)
	b.busy = len(batch) > 0
	return batch
}

// lasting is a context that ends once those of all callers have.
func lasting[E, R any](batch []*caller[E, R]) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	var left atomic.Int64
	left.Store(int64(len(batch)))
	stops := make([]func() bool, len(batch))
	for i, c := range batch {
		stops[i] = context.AfterFunc(c.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// deliver makes the request and tells each caller.
func (b *Batcher[E, R]) deliver(ctx context.Context, batch []*caller[E, R]) {
	entries := make([]E, len(batch))
	for i, c := range batch {
		entries[i] = c.entry
	}
	results, err := b.send(ctx, entries)
	if err != nil && len(batch) > 1 && aws.OneToBlame(err) {
		half := len(batch) / 2
		b.deliver(ctx, batch[:half])
		b.deliver(ctx, batch[half:])
		return
	}
	for i, c := range batch {
		c.result.Err = err
		if err == nil {
			c.result = results[i]
		}
		close(c.done)
	}
}

// Results are those of a request's entries, in their order.
type Results[R any] []Result[R]

// Unanswered are results of which nothing is known yet: what an answer leaves out
// may be tried again.
func Unanswered[R any](kind string, entries int) Results[R] {
	results := make(Results[R], entries)
	for i := range results {
		results[i].Err = errors.New(kind + ": the answer says nothing of this entry")
	}
	return results
}

// Set writes the result of the entry whose id is its place.
func (r Results[R]) Set(id *string, result Result[R]) {
	if id == nil {
		return
	}
	if i, err := strconv.Atoi(*id); err == nil && i >= 0 && i < len(r) {
		r[i] = result
	}
}

// TooLong is the error of an entry that no request can hold. It is permanent.
func TooLong(kind string, size, most int) error {
	return notify.Permanent(fmt.Errorf("%s: it is %d bytes long, and at most %d are taken: send less of the event, with input", kind, size, most))
}
