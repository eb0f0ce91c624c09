// Package engine moves: it is the only package that knows the order of things.
// What there is to judge of attempts at delivery is pure and apart, in attempt.go.
//
//	collectors ──Sink──▶ Accept ──▶ store     journal row, alert, timeline and owed
//	                                          notifications in one transaction; then
//	                                          the sender is told
//	notifiers ◀─────── deliver ◀── store      outside any transaction, then settled
//
// Many deliveries that wait at the same time are committed together (group
// commit), and so are the settlements of notifications, since what costs is the
// disk's answer and not the rows.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A Plan is what the configuration decides. It is immutable; a reload replaces
// it whole.
type Plan struct {
	Rules     *rules.Rules
	Routes    *routing.Routes
	Accounts  map[string]tocsin.Account
	Receivers map[string]Receiver
	// PublicURL is where people reach the pages: "https://tocsin.example.com", or "".
	PublicURL string
	// ReachableAt is where the world reaches what messages lead to and vendors call
	// back, or "".
	ReachableAt string

	// Fallback are the receivers of last resort.
	Fallback []string

	Teams       map[string]tocsin.Team
	Policies    map[string]escalation.Policy
	Schedules   []oncall.Schedule
	Inhibitions *routing.Inhibitions // nil is none
	// Terms are those under which alerts live; zero is tocsin.DefaultTerms.
	Terms tocsin.Terms
	// Updates are what rules say of how often people hear what is new, by rule.
	Updates map[string]tocsin.Updates
	// People are written to the store if nobody of that name is there yet.
	People []tocsin.Person
	// Dialects read the events of sources whose events say nothing by their looks, by
	// source.
	Dialects map[string]collect.Dialect
	// Left are the accounts that are not of the organisation any more.
	Left []string
}

// A Receiver is a notifier and what it can bear.
type Receiver struct {
	Notifier notify.Notifier
	// Rate is how many messages a second it takes; 0 is no limit.
	Rate float64
	// Timeout bounds one attempt; Patience is how long a message is tried.
	Timeout, Patience time.Duration
	// Kind is the notifier's: "slack". Follows, Edits and Interrupts are what it says of
	// itself, Address reads the address of a person's contact method (nil where it
	// cannot tell single people), Burst is how much one address bears.
	Kind                       string
	Follows, Edits, Interrupts bool
	Address                    func(text string) (string, error)
	Burst                      int
	// Acts says that it does something rather than telling somebody; Hide are the
	// fields that are never to leave by it.
	Acts bool
	Hide []string
}

// Addresses reports whether single people can be told by it.
func (r Receiver) Addresses() bool { return r.Address != nil }

// Options are what an engine is made of.
type Options struct {
	Store *store.Store
	Plan  *Plan
	Log   *slog.Logger
	Now   func() time.Time // time.Now if nil
	// Metrics are counted into; nil counts nowhere.
	Metrics *Metrics
}

// An Engine accepts events and delivers notifications.
type Engine struct {
	store *store.Store
	plan  atomic.Pointer[Plan]
	log   *slog.Logger
	// refusing says that the last commit was refused, which was logged.
	refusing atomic.Bool
	now      func() time.Time
	metrics  *Metrics

	queue   queue       // what waits for the next commit
	serving atomic.Bool // Run is on: notifications may be handed over in memory

	roster  atomic.Pointer[roster]
	reading sync.Mutex // while the roster is read again
	// lastDuties is when this process saw to reminders last, in milliseconds.
	lastDuties atomic.Int64
	// lastTurn is when the clock went through all that was due, in milliseconds of
	// the machine's own time.
	lastTurn atomic.Int64

	clock alarm
	key   linkKey
	storm struct {
		sync.Mutex
		routing.Storm // guarded by Mutex
	}

	mu     sync.Mutex
	queues map[string]*receiverQueue // by receiver; guarded by mu
}

// New makes an engine, and keeps in the store what of its plan has a history
// there. Nothing runs before Run or Drain.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	e := &Engine{
		store: o.Store, log: o.Log, now: o.Now, metrics: o.Metrics,
		queues: map[string]*receiverQueue{}, clock: make(alarm, 64),
	}
	e.lastTurn.Store(time.Now().UnixMilli()) // it has some time to begin
	e.roster.Store(&roster{generation: -1})
	var err error
	if e.key, err = readKey(ctx, o.Store); err != nil {
		return nil, err
	}
	if err := e.Replace(ctx, o.Plan); err != nil {
		return nil, err
	}
	return e, nil
}

// Replace puts another plan in force, whole, or leaves the one that is.
func (e *Engine) Replace(ctx context.Context, p *Plan) error {
	if err := e.adopt(ctx, p); err != nil {
		return err
	}
	e.plan.Store(p)
	if err := e.refresh(ctx); err != nil {
		return err
	}
	if err := e.closeLeft(ctx, p.Left); err != nil {
		return err
	}
	for name := range p.Receivers {
		e.receiver(name).wake()
	}
	e.clock.at(e.now())
	return nil
}

// Run delivers what is owed until ctx ends; then it finishes what is under way,
// for at most grace, and returns. Accept may be called before, during and, until
// the store is closed, after Run.
func (e *Engine) Run(ctx context.Context, grace time.Duration) error {
	if !e.store.Replicated() {
		// The store is ours alone, so that no lease can be anybody's.
		if err := e.store.Update(ctx, func(tx *store.Tx) error { return tx.Release(tocsin.Millis(e.now())) }); err != nil {
			return fmt.Errorf("release leases: %w", err)
		}
	}
	e.serving.Store(true)
	defer e.serving.Store(false)

	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, stop) })

	var receivers sync.WaitGroup
	receivers.Go(func() { e.runClock(ctx) })
	receivers.Go(func() { e.runDuties(ctx) })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	started := map[string]bool{}
	for {
		for name := range e.plan.Load().Receivers {
			if !started[name] {
				started[name] = true
				q := e.receiver(name)
				receivers.Go(func() { q.run(ctx, sending) })
			}
		}
		select {
		case <-ctx.Done():
			receivers.Wait()
			e.Quiesce() // for the settlements
			return nil
		case <-tick.C: // a reload may have brought receivers, or taken some
			if err := e.parkForgotten(ctx, tocsin.Millis(e.now())); err != nil && ctx.Err() == nil {
				e.log.Error("parking refused", "err", err)
			}
		}
	}
}

// Turned is when the clock last went through all that was due, in the machine's
// own time.
func (e *Engine) Turned() time.Time { return time.UnixMilli(e.lastTurn.Load()) }

// Drain does all that is due at now, for alerts and for messages, and returns
// when nothing is. A message that is to be tried again later is left for later.
func (e *Engine) Drain(ctx context.Context, now time.Time) error {
	for {
		if _, err := e.turn(ctx, now); err != nil {
			return err
		}
		if err := e.duties(ctx, tocsin.Millis(now)); err != nil {
			return err
		}
		n, err := e.deliverAll(ctx, now)
		if err != nil || n == 0 {
			return err
		}
	}
}

// deliverAll delivers what is due at now, and says how much that was.
func (e *Engine) deliverAll(ctx context.Context, now time.Time) (int64, error) {
	var delivered atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for name := range e.plan.Load().Receivers {
		q := e.receiver(name)
		g.Go(func() error {
			for {
				n, err := q.deliverDue(ctx, ctx, now)
				if err != nil || n == 0 {
					return err
				}
				delivered.Add(int64(n))
			}
		})
	}
	err := g.Wait()
	return delivered.Load(), err
}

func (e *Engine) receiver(name string) *receiverQueue {
	e.mu.Lock()
	defer e.mu.Unlock()
	q, ok := e.queues[name]
	if !ok {
		q = newReceiverQueue(e, name)
		e.queues[name] = q
	}
	return q
}
