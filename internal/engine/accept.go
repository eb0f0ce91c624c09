package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Accept is the Sink of every collector. When it returns nil the events are in
// the journal with their verdicts, and every alert and every notification that
// follows from them is in the store. On an error nothing of them was kept, and
// the sender is to try again.
func (e *Engine) Accept(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	if len(events) == 0 {
		return nil, nil
	}
	start := time.Now()
	plan := e.plan.Load()
	c := &call{readings: make([]reading, len(events)), done: make(chan error, 1)}
	for i := range events {
		ev := events[i] // the caller keeps its own
		ev.ReceivedAt = tocsin.Millis(ev.ReceivedAt)
		if ev.ReceivedAt.IsZero() || ev.ReceivedAt.Year() < 1971 {
			ev.ReceivedAt = tocsin.Millis(e.now())
		}
		c.readings[i] = plan.read(&ev)
	}
	e.submit(work{call: c})
	// The answer is waited for whatever becomes of the caller's context: an
	// abandoned call would leave it in doubt, and a commit takes no longer than the
	// disk.
	if err := <-c.done; err != nil {
		e.metrics.acceptErrors.Inc()
		return nil, err
	}
	e.metrics.accepted(c, time.Since(start))
	return c.receipts, nil
}

// A call is one Accept that waits.
type call struct {
	readings []reading
	receipts []tocsin.Receipt // set by the commit, before done
	done     chan error
}

// work is what waits for a commit: a call or a settlement.
type work struct {
	call   *call
	settle *settlement
}

// queue gathers work while a commit is under way.
type queue struct {
	mu         sync.Mutex
	waiting    []work
	committing bool
	idle       chan struct{} // closed when committing ends; nil while nobody asks
}

// maxBatch bounds how many calls and settlements share one transaction, so that
// nobody waits long for the others.
const maxBatch = 512

// After a commit that many calls shared, the next waits for more to share it,
// unless enough wait already: under load that makes fewer and larger commits.
// Where few come, nobody waits.
const (
	many   = 10
	enough = 64
	gather = 2 * time.Millisecond
)

// submit adds work, and starts a committer if none is running. A committer goes
// on until nothing waits: while it commits one batch, the next one gathers. That
// is the whole of group commit.
func (e *Engine) submit(w work) {
	e.queue.mu.Lock()
	e.queue.waiting = append(e.queue.waiting, w)
	start := !e.queue.committing
	e.queue.committing = true
	e.queue.mu.Unlock()
	if start {
		go e.commitAll()
	}
}

func (e *Engine) commitAll() {
	busy := false
	for {
		e.queue.mu.Lock()
		if busy && len(e.queue.waiting) < enough {
			e.queue.mu.Unlock()
			time.Sleep(gather)
			e.queue.mu.Lock()
		}
		n := min(len(e.queue.waiting), maxBatch)
		if n == 0 {
			e.queue.committing = false
			if e.queue.idle != nil {
				close(e.queue.idle)
				e.queue.idle = nil
			}
			e.queue.mu.Unlock()
			return
		}
		batch := slices.Clone(e.queue.waiting[:n])
		e.queue.waiting = slices.Delete(e.queue.waiting, 0, n)
		e.queue.mu.Unlock()
		e.commit(batch)
		busy = calls(batch) >= many
	}
}

// calls counts those of the batch who wait for an answer.
func calls(batch []work) int {
	n := 0
	for _, w := range batch {
		if w.call != nil {
			n++
		}
	}
	return n
}

// Quiesce waits until nothing waits for a commit.
func (e *Engine) Quiesce() {
	e.queue.mu.Lock()
	if !e.queue.committing {
		e.queue.mu.Unlock()
		return
	}
	if e.queue.idle == nil {
		e.queue.idle = make(chan struct{})
	}
	idle := e.queue.idle
	e.queue.mu.Unlock()
	<-idle
}

// commit writes a batch in one transaction and tells everybody who waits. If the
// batch as a whole cannot be written, each part is tried alone, so that one bad
// event cannot refuse its neighbours.
func (e *Engine) commit(batch []work) {
	// Those who wait are answered whatever becomes of their own contexts, and soon
	// enough for a sender that gives up after 15 seconds (SNS).
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	b := e.newBatch(batch)
	err := e.store.Update(ctx, b.write)
	if err != nil && len(batch) > 1 && e.store.Ping(ctx) == nil {
		for _, w := range batch {
			e.commit([]work{w})
		}
		return
	}
	e.refused(err)
	for _, w := range batch {
		if w.call != nil {
			w.call.done <- err
		}
		if w.settle != nil {
			w.settle.settled(err)
		}
	}
	if err != nil {
		b.forget()
		return
	}
	e.metrics.batch.Observe(float64(len(b.readings)))
	b.handOver()
}

// refused logs when commits begin to be refused, and when they go through again: many
// a second would say the same.
func (e *Engine) refused(err error) {
	switch was := e.refusing.Swap(err != nil); {
	case err != nil && !was:
		e.log.Error("commit refused: senders are told to come again", "err", err)
	case err == nil && was:
		e.log.Info("commits go through again")
	}
}

// A batch is the work of one transaction. write may run more than once.
type batch struct {
	e   *Engine
	now time.Time
	*world
	calls    []*call
	readings []reading
	settled  []*settlement

	owed     []owed
	tellings []telling
	routes   map[string]int64 // how often each decided
	extra    []*tocsin.Notification
	woken    []string // receivers that have something to do besides

	opened, told []store.Latency // whose first stages are over, and of which people heard
}

func (b *batch) desk() desk { return desk{b.world, b.now} }

// owed is a notification that write owes because of what became of an alert.
type owed struct {
	notification *tocsin.Notification
	life         *life
	direct       *receiverQueue // where a place is reserved for it; nil if it is to be claimed
}

func (e *Engine) newBatch(ws []work) *batch {
	b := &batch{e: e, now: tocsin.Millis(e.now()), world: e.world(), routes: map[string]int64{}}
	for _, w := range ws {
		if w.settle != nil {
			b.settled = append(b.settled, w.settle)
			continue
		}
		b.calls = append(b.calls, w.call)
		b.readings = append(b.readings, w.call.readings...)
	}
	// Every replica takes alerts in the same order, so that none waits for another
	// that waits for it. Of one alert the order of arrival stays.
	slices.SortStableFunc(b.readings, func(x, y reading) int {
		return strings.Compare(string(x.detection.Key), string(y.detection.Key))
	})
	return b
}

func (b *batch) write(tx *store.Tx) error {
	b.forget()
	if err := b.settle(tx); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	if len(b.readings) == 0 {
		return nil
	}
	fresh, repeats, err := b.fresh(tx)
	if err != nil {
		return err
	}
	if err := b.watch(tx, fresh); err != nil {
		return err
	}
	f, err := b.fold(tx, fresh)
	if err != nil {
		return err
	}
	if err := tx.Save(f.alerts()...); err != nil {
		return fmt.Errorf("save alerts: %w", err)
	}
	if err := b.keepPassages(tx, f.opened); err != nil {
		return err
	}
	if err := b.journal(tx, fresh, f); err != nil {
		return err
	}
	if err := b.owe(tx); err != nil {
		return err
	}
	if err := b.follow(tx, f); err != nil {
		return err
	}
	return b.redelivered(tx, fresh, repeats)
}

// settle writes what came of attempts, and what follows from that.
func (b *batch) settle(tx *store.Tx) error {
	if len(b.settled) == 0 {
		return nil
	}
	ss := make([]store.Settlement, len(b.settled))
	for i, s := range b.settled {
		ss[i] = s.Settlement
	}
	kept, err := tx.Settle(ss)
	if err != nil {
		return err
	}
	if err := b.firstTold(tx, kept); err != nil {
		return err
	}
	if err := b.aftermath(tx, kept); err != nil {
		return err
	}
	return tx.Owe(b.extra)
}

// fresh parts the readings into those that the journal does not have and
// repeats: by delivery, the row that the journal has (0 if it is in this batch).
func (b *batch) fresh(tx *store.Tx) (fresh []*reading, repeats map[*reading]int64, err error) {
	deliveries := make([]string, 0, len(b.readings))
	for i := range b.readings {
		if d := b.readings[i].delivery; d != "" {
			deliveries = append(deliveries, d)
		}
	}
	seen, err := tx.Seen(deliveries)
	if err != nil {
		return nil, nil, fmt.Errorf("look for redeliveries: %w", err)
	}
	fresh = make([]*reading, 0, len(b.readings))
	inBatch := make(map[string]bool, len(deliveries))
	for i := range b.readings {
		r := &b.readings[i]
		seq, ok := seen[r.delivery]
		switch {
		case r.delivery == "", !ok && !inBatch[r.delivery]:
			fresh = append(fresh, r)
			inBatch[r.delivery] = true
		default:
			if repeats == nil {
				repeats = map[*reading]int64{}
			}
			repeats[r] = seq
		}
	}
	return fresh, repeats, nil
}

func (b *batch) journal(tx *store.Tx, fresh []*reading, f *folding) error {
	events := make([]*tocsin.Event, len(fresh))
	deliveries := make([]string, len(fresh))
	for i, r := range fresh {
		events[i], deliveries[i] = r.event, r.delivery
		if s := f.of[r]; s != nil {
			r.event.Verdict, r.event.Alert = s.verdict, s.life.alert.ID
			r.event.Did, r.event.Reason = describe(s)
			if also := f.besides(r); also != "" {
				r.event.Reason = strings.TrimPrefix(r.event.Reason+", "+also, ", ")
			}
		}
	}
	if err := tx.Journal(events, deliveries); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := f.logOthers(tx, b.now); err != nil {
		return fmt.Errorf("timeline of what an event tells of besides: %w", err)
	}
	return nil
}

// redelivered counts the repeats on the rows they repeat, and writes the receipts.
func (b *batch) redelivered(tx *store.Tx, fresh []*reading, repeats map[*reading]int64) error {
	if len(repeats) > 0 {
		rows := make(map[string]int64, len(fresh))
		for _, r := range fresh {
			rows[r.delivery] = r.event.Seq
		}
		seqs := make([]int64, 0, len(repeats))
		for r, seq := range repeats {
			if seq == 0 {
				seq = rows[r.delivery]
			}
			r.event.Seq, r.event.Verdict = seq, tocsin.Duplicate
			if r.detection.Key != "" { // what an attempt that was not kept made of it
				r.event.Alert, r.event.Did, r.event.Reason = 0, "", ""
			}
			seqs = append(seqs, seq)
		}
		slices.Sort(seqs)
		if err := tx.Redelivered(seqs, b.now); err != nil {
			return fmt.Errorf("count redeliveries: %w", err)
		}
	}
	for _, c := range b.calls {
		c.receipts = make([]tocsin.Receipt, len(c.readings))
		for i, r := range c.readings {
			ev := r.event
			c.receipts[i] = tocsin.Receipt{Seq: ev.Seq, Verdict: ev.Verdict, Alert: ev.Alert, Reason: ev.Reason}
		}
	}
	return nil
}

// forget takes back what an attempt at write decided to owe.
func (b *batch) forget() {
	for _, o := range b.owed {
		if o.direct != nil {
			o.direct.reserved.Add(-1)
		}
	}
	for _, t := range b.tellings {
		t.x.unmark()
	}
	b.owed, b.tellings, b.extra, b.woken = b.owed[:0], b.tellings[:0], nil, nil
	b.opened, b.told = nil, nil
	clear(b.routes)
}

// handOver passes on what is owed, now that it is committed: in memory where a
// place was reserved, and else by waking whoever claims it from the store.
func (b *batch) handOver() {
	b.e.metrics.took(b.opened, reports.ActivityToCreated, reports.CreatedToEvent, reports.EventToReceived)
	b.e.metrics.took(b.told, reports.ReceivedToTold)
	for _, o := range b.owed {
		if o.direct != nil {
			o.direct.direct <- job{notification: *o.notification, alert: o.life.alert}
			continue
		}
		b.e.receiver(o.notification.Receiver).wake()
	}
	for _, t := range b.tellings {
		t.x.alert = t.life.alert
		t.x.wake()
	}
	for _, n := range b.extra {
		b.e.receiver(n.Receiver).wake()
	}
	for _, name := range b.woken {
		b.e.receiver(name).wake()
	}
}
