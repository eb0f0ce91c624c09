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
	"github.com/tocsin-sec/tocsin/internal/notify"
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
}

// A Receiver is a notifier and what it can bear.
type Receiver struct {
	Notifier notify.Notifier
	// Rate is how many messages a second it takes; 0 is no limit.
	Rate float64
	// Timeout bounds one attempt; Patience is how long a message is tried.
	Timeout, Patience time.Duration
}

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
	store   *store.Store
	plan    atomic.Pointer[Plan]
	log     *slog.Logger
	now     func() time.Time
	metrics *Metrics

	queue   queue       // what waits for the next commit
	serving atomic.Bool // Run is on: notifications may be handed over in memory

	mu     sync.Mutex
	queues map[string]*receiverQueue // by receiver; guarded by mu
}

// New makes an engine; nothing runs before Run or Drain.
func New(o Options) *Engine {
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
		queues: map[string]*receiverQueue{},
	}
	e.plan.Store(o.Plan)
	return e
}

// Replace puts another plan in force, whole.
func (e *Engine) Replace(p *Plan) {
	e.plan.Store(p)
	for name := range p.Receivers {
		e.receiver(name).wake()
	}
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

// Drain delivers all that is due at now and returns when nothing is. A message
// that is to be tried again later is left for later.
func (e *Engine) Drain(ctx context.Context, now time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	for name := range e.plan.Load().Receivers {
		q := e.receiver(name)
		g.Go(func() error {
			for {
				n, err := q.deliverDue(ctx, ctx, now)
				if err != nil || n == 0 {
					return err
				}
			}
		})
	}
	return g.Wait()
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
