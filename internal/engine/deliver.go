package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

const (
	// lease is for how long a claim keeps others away. An attempt ends before it
	// does.
	lease = time.Minute
	// atOnce bounds the attempts under way at one receiver.
	atOnce = 32
	// directRoom bounds what waits in memory for one receiver; beyond it waits in
	// the store.
	directRoom = 4096
)

// A receiverQueue delivers to one receiver, so that one that hangs delays itself
// and nobody else.
type receiverQueue struct {
	e    *Engine
	name string

	// direct brings notifications that were leased when they were written;
	// reserved counts the places in it that are promised or taken.
	direct   chan job
	reserved atomic.Int64
	nudge    chan struct{}
	slots    chan struct{}
	// behind says that the store holds notifications that may wait for another's end.
	behind  atomic.Bool
	limiter *rate.Limiter
}

// A job is a leased notification with its alert.
type job struct {
	notification tocsin.Notification
	alert        tocsin.Alert
}

func newReceiverQueue(e *Engine, name string) *receiverQueue {
	return &receiverQueue{
		e: e, name: name,
		direct: make(chan job, directRoom), nudge: make(chan struct{}, 1), slots: make(chan struct{}, atOnce),
		limiter: rate.NewLimiter(rate.Inf, 1),
	}
}

// reserve promises a place in direct. A receiver with a rate gets none: what
// waits for its turn longer than a lease is better left in the store.
func (q *receiverQueue) reserve() bool {
	if r, ok := q.e.plan.Load().Receivers[q.name]; !ok || r.Rate > 0 {
		return false
	}
	if q.reserved.Add(1) > directRoom {
		q.reserved.Add(-1)
		return false
	}
	return true
}

func (q *receiverQueue) wake() {
	q.behind.Store(true)
	select {
	case q.nudge <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends and then waits for the attempts under way, which
// live as long as sending does.
func (q *receiverQueue) run(ctx, sending context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { q.runDirect(ctx, sending) })
	wg.Go(func() { q.runDue(ctx, sending) })
	wg.Wait()
}

// runDirect sends what is handed over in memory. What is left in it at the end
// goes back to the store, due at once.
func (q *receiverQueue) runDirect(ctx, sending context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			q.giveBack()
			return
		case j := <-q.direct:
			q.reserved.Add(-1)
			q.slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-q.slots }()
				q.deliver(sending, j) // what waits for the commit holds no place
			})
		}
	}
}

func (q *receiverQueue) giveBack() {
	for {
		select {
		case j := <-q.direct:
			q.reserved.Add(-1)
			n := j.notification
			q.settle(store.Settlement{ID: n.ID, Attempts: n.Attempts, State: tocsin.Pending, Due: n.CreatedAt}).wait()
		default:
			return
		}
	}
}

// runDue claims what is due whenever it is woken or the next time comes.
func (q *receiverQueue) runDue(ctx, sending context.Context) {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.nudge:
		case <-time.After(wait):
		}
		n, err := q.deliverDue(ctx, sending, q.e.now())
		switch {
		case err != nil && ctx.Err() == nil:
			q.e.log.Error("claim refused", "receiver", q.name, "err", err)
			wait = time.Second
		case n > 0:
			wait = 0
		default:
			wait = q.untilNext(ctx)
			breathe(ctx)
		}
	}
}

// breathe bounds how often a receiver that is woken by each of its deliveries
// asks the store in vain.
func breathe(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(25 * time.Millisecond):
	}
}

// untilNext is how long to sleep when nothing can be claimed. Whatever waits for
// the end of another is behind, and is woken by that.
func (q *receiverQueue) untilNext(ctx context.Context) time.Duration {
	const longest = 30 * time.Second
	q.behind.Store(false)
	var due map[string]time.Time
	err := q.e.store.View(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.NextDue()
		return err
	})
	next, ok := due[q.name]
	if err != nil || !ok {
		return longest
	}
	q.behind.Store(true)
	return min(max(next.Sub(q.e.now()), 0), longest)
}

// deliverDue claims what is due at now, attempts it and returns how much that was.
func (q *receiverQueue) deliverDue(ctx, sending context.Context, now time.Time) (int, error) {
	var claimed []claim
	err := q.e.store.Update(ctx, func(tx *store.Tx) error {
		ns, err := tx.Claim(q.name, tocsin.Millis(now), lease, q.bite())
		if err != nil {
			return err
		}
		claimed, err = look(tx, ns)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim for %s: %w", q.name, err)
	}
	settled := make([]settling, len(claimed)) // each written by its own attempt
	var attempts sync.WaitGroup
	for i, c := range claimed {
		if c.err != nil {
			settled[i] = q.settle(judge(c.notification, now, c.err, jitter()))
			continue
		}
		if reason := needless(c.notification, c.alert, c.told); reason != "" {
			settled[i] = q.settle(park(c.notification, now, reason))
			continue
		}
		q.slots <- struct{}{}
		attempts.Go(func() {
			defer func() { <-q.slots }()
			settled[i] = q.deliver(sending, c.job)
		})
	}
	attempts.Wait()
	for _, s := range settled {
		s.wait()
	}
	return len(claimed), nil
}

// bite is how many to claim at once: what can be sent well within a lease.
func (q *receiverQueue) bite() int {
	if r := q.e.plan.Load().Receivers[q.name].Rate; r > 0 {
		return min(atOnce, max(1, int(r*lease.Seconds()/4)))
	}
	return 2 * atOnce
}

// A claim is a job with what became of its alert since the notification was owed.
type claim struct {
	job
	told bool  // the receiver had a message of the alert before
	err  error // why the alert cannot be read; it keeps no other claim back
}

// look reads what claimed notifications need to be judged and sent.
func look(tx *store.Tx, ns []tocsin.Notification) ([]claim, error) {
	claims := make([]claim, len(ns))
	for i, n := range ns {
		c := &claims[i]
		c.notification = n
		if c.alert, c.err = tx.Alert(n.Alert); c.err != nil {
			continue
		}
		if n.Kind == tocsin.TellOpened && c.alert.Reopened == 0 {
			continue // the first of all
		}
		if err := c.history(tx); err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// history finds out what the receiver was told of the alert before.
func (c *claim) history(tx *store.Tx) error {
	n := &c.notification
	earlier, err := tx.Notifications(store.NotificationFilter{Alert: n.Alert, Receiver: n.Receiver, States: []tocsin.State{tocsin.Delivered}})
	for _, e := range earlier {
		c.told = true
		if e.Ref != "" {
			n.Ref = e.Ref // newest first, so that the first message's stays
		}
	}
	return err
}

// deliver makes one attempt and hands its result to the next commit.
func (q *receiverQueue) deliver(ctx context.Context, j job) settling {
	n := j.notification
	r, ok := q.e.plan.Load().Receivers[q.name]
	if !ok {
		return q.settle(park(n, q.e.now(), "the receiver is not configured any more"))
	}
	if r.Rate > 0 {
		q.limiter.SetLimit(rate.Limit(r.Rate))
		if err := q.limiter.Wait(ctx); err != nil {
			return nil // the program ends; the lease runs out and it is sent again
		}
	}
	// Whoever's lease is nearly over may not begin: somebody else may be sending.
	if n.Due.Sub(q.e.now()) < r.timeout() && q.e.serving.Load() {
		return nil
	}
	start := time.Now()
	ref, err := q.attempt(ctx, r, j)
	q.e.metrics.attempts.WithLabelValues(q.name).Observe(time.Since(start).Seconds())
	if err != nil && ctx.Err() != nil {
		return nil // cut off by the end of the program, which says nothing of the receiver
	}
	s := judge(n, q.e.now(), err, jitter())
	s.Ref = ref
	if err != nil {
		q.e.log.WarnContext(ctx, "notification not delivered", "receiver", q.name, "alert", n.Alert, "attempt", n.Attempts, "state", s.State, "err", err)
	}
	return q.settle(s)
}

// attempt calls the notifier within its time. A notifier that panics has failed
// this message and nothing else.
func (q *receiverQueue) attempt(ctx context.Context, r Receiver, j job) (ref string, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = notify.Permanent(fmt.Errorf("the notifier failed: %v", p))
		}
	}()
	return r.Notifier.Notify(ctx, q.e.plan.Load().message(j))
}

// settle hands a result to the next commit, which it does not wait for.
func (q *receiverQueue) settle(s store.Settlement) settling {
	done := make(settling, 1)
	q.e.submit(work{settle: &settlement{Settlement: s, settled: func(err error) {
		q.settled(s, err)
		done <- struct{}{}
	}}})
	return done
}

// settled is called once the commit was tried.
func (q *receiverQueue) settled(s store.Settlement, err error) {
	if err != nil {
		q.e.log.Error("settlement refused; the message will be sent again", "receiver", q.name, "err", err)
		return
	}
	q.e.metrics.notifications.WithLabelValues(q.name, string(s.State)).Inc()
	if s.State == tocsin.Pending || q.behind.Load() {
		q.wake()
	}
}

// settling is a settlement under way; nil is none.
type settling chan struct{}

func (s settling) wait() {
	if s != nil {
		<-s
	}
}

type settlement struct {
	store.Settlement
	settled func(error)
}

func (r Receiver) timeout() time.Duration {
	if r.Timeout <= 0 || r.Timeout > lease/2 {
		return 15 * time.Second
	}
	return r.Timeout
}

func (p *Plan) patience(receiver string) time.Duration {
	if r := p.Receivers[receiver]; r.Patience > 0 {
		return r.Patience
	}
	return 24 * time.Hour
}

// message is what the notifier is given.
func (p *Plan) message(j job) notify.Message {
	account, ok := p.Accounts[j.alert.Account]
	if !ok {
		account = tocsin.Account{ID: j.alert.Account}
	}
	n := j.notification
	m := notify.Message{
		ID: messageID(n, j.alert), Kind: n.Kind, Alert: j.alert, Changes: n.Changes, Account: account,
		Receiver: n.Receiver, Why: n.Why, Ref: n.Ref, At: n.CreatedAt,
	}
	if p.PublicURL != "" {
		m.AlertURL = strings.TrimSuffix(p.PublicURL, "/") + "/alerts/" + strconv.FormatInt(n.Alert, 10)
	}
	return m
}

// messageID is the same for every attempt at one notification and, since the
// alert's key and time are in it, different from those of any other database.
func messageID(n tocsin.Notification, a tocsin.Alert) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%s", a.Key, a.OpenedAt.UnixMilli(), n.ID, n.Receiver))
	return "msg_" + hex.EncodeToString(sum[:12])
}

func jitter() float64 { return 0.8 + 0.4*rand.Float64() }

// parkForgotten parks what is owed to receivers that are not configured any more.
func (e *Engine) parkForgotten(ctx context.Context, now time.Time) error {
	var due map[string]time.Time
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.NextDue()
		return err
	})
	plan := e.plan.Load()
	for name := range due {
		if _, ok := plan.Receivers[name]; ok || err != nil {
			continue
		}
		err = e.store.Update(ctx, func(tx *store.Tx) error {
			claimed, err := tx.Claim(name, now, lease, maxBatch)
			if err != nil {
				return err
			}
			ss := make([]store.Settlement, len(claimed))
			for i, n := range claimed {
				ss[i] = park(n, now, "the receiver is not configured any more")
			}
			_, err = tx.Settle(ss)
			return err
		})
	}
	return err
}
