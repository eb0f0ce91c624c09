package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
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

// A job is a leased notification with its alert, or several that one digest tells of.
type job struct {
	notification tocsin.Notification
	alert        tocsin.Alert
	seen         int64 // alerts of its type in its account before it
	digest       []job // all that a digest tells of; empty for a message of its own
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
			q.settle(j, store.Settlement{State: tocsin.Pending, Due: n.CreatedAt}).wait()
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
	var claimed, together []claim
	now = tocsin.Millis(now)
	err := q.e.store.Update(ctx, func(tx *store.Tx) error {
		ns, err := tx.Claim(q.name, now, lease, q.bite())
		if err != nil {
			return err
		}
		if claimed, err = look(tx, ns); err != nil {
			return err
		}
		if ns, err = tx.ClaimDigest(q.name, now, lease, digestMax); err != nil {
			return err
		}
		together, err = look(tx, ns)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim for %s: %w", q.name, err)
	}
	var settled []settling
	jobs, ended := q.sift(claimed, now)
	digest, over := q.sift(together, now)
	settled = append(settled, append(ended, over...)...)
	if len(digest) > 0 {
		jobs = append(jobs, fold(digest))
	}
	results := make([]settling, len(jobs)) // each written by its own attempt
	var attempts sync.WaitGroup
	for i, j := range jobs {
		q.slots <- struct{}{}
		attempts.Go(func() {
			defer func() { <-q.slots }()
			results[i] = q.deliver(sending, j)
		})
	}
	attempts.Wait()
	for _, s := range append(settled, results...) {
		s.wait()
	}
	return len(claimed) + len(together), nil
}

// digestMax bounds what one digest lists.
const digestMax = 500

// sift parts what is to be sent from what nobody needs any more.
func (q *receiverQueue) sift(claims []claim, now time.Time) (jobs []job, ended []settling) {
	for _, c := range claims {
		if c.err != nil {
			ended = append(ended, q.settle(c.job, judge(c.notification, now, c.err, jitter())))
			continue
		}
		if reason := needless(c.notification, c.alert, c.told, now); reason != "" {
			ended = append(ended, q.settle(c.job, cancel(c.notification, now, reason)))
			continue
		}
		jobs = append(jobs, c.job)
	}
	return jobs, ended
}

// fold makes one job of those that a digest tells of. A digest of one is told as
// itself.
func fold(jobs []job) job {
	if len(jobs) == 1 {
		return jobs[0]
	}
	slices.SortStableFunc(jobs, func(a, b job) int { return cmp.Compare(b.alert.Level, a.alert.Level) })
	j := job{notification: jobs[0].notification, digest: jobs}
	j.notification.Kind = tocsin.TellDigest
	return j
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
		if n.Alert == 0 {
			continue
		}
		if c.alert, c.err = tx.Alert(n.Alert); c.err != nil {
			continue
		}
		if n.Kind == tocsin.TellOpened {
			var err error
			if c.seen, err = tx.SeenBefore(c.alert.Type, c.alert.Account); err != nil {
				return nil, err
			}
		}
		if n.Kind == tocsin.TellOpened && c.alert.Reopened == 0 && c.alert.Escalation == nil {
			continue // the first of all
		}
		if err := c.history(tx); err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// history finds out what the place was told of the alert before. Of its end it
// hears as well if it is in doubt whether it was told.
func (c *claim) history(tx *store.Tx) error {
	n := &c.notification
	states := []tocsin.State{tocsin.Delivered}
	if n.Kind == tocsin.TellClosed {
		states = append(states, tocsin.Cancelled)
	}
	earlier, err := tx.Notifications(store.NotificationFilter{Alert: n.Alert, Receiver: n.Receiver, States: states})
	if err != nil {
		return err
	}
	for _, e := range earlier {
		if e.Contact != n.Contact {
			continue
		}
		if e.State == tocsin.Cancelled {
			failed, err := tx.Attempts(e.ID)
			if err != nil {
				return err
			}
			c.told = c.told || inDoubt(e, len(failed))
			continue
		}
		c.told = true
		if n.Ref == "" && !e.Digest {
			n.Ref = e.Ref // newest first: it names the message that stands there now
		}
	}
	return nil
}

// deliver makes one attempt and hands its result to the next commit.
func (q *receiverQueue) deliver(ctx context.Context, j job) settling {
	n := j.notification
	r, ok := q.e.plan.Load().Receivers[q.name]
	if !ok {
		return q.settle(j, park(n, q.e.now(), "the receiver is not configured any more"))
	}
	if r.Rate > 0 {
		q.limiter.SetLimit(rate.Limit(r.Rate))
		asked := time.Now()
		if err := q.limiter.Wait(ctx); err != nil {
			return nil // the program ends; the lease runs out and it is sent again
		}
		if time.Since(asked) > longWait {
			if reason := q.overtaken(ctx, j); reason != "" {
				return q.settle(j, cancel(n, q.e.now(), reason))
			}
		}
	}
	// Whoever's lease is nearly over may not begin: somebody else may be sending.
	if n.Due.Sub(q.e.now()) < r.timeout() && q.e.serving.Load() {
		return nil
	}
	start := q.e.now()
	timer := time.Now()
	ref, err := q.attempt(ctx, r, j)
	took := time.Since(timer)
	q.e.metrics.attempts.WithLabelValues(q.name).Observe(took.Seconds())
	if err != nil && ctx.Err() != nil {
		return nil // cut off by the end of the program, which says nothing of the receiver
	}
	now, spread := q.e.now(), jitter()
	s := judge(n, now, err, spread)
	if err != nil {
		q.e.log.WarnContext(ctx, "notification not delivered", "receiver", q.name, "alert", n.Alert, "attempt", n.Attempts, "state", s.State, "err", err)
	}
	return q.settleEach(j, err, func(n tocsin.Notification) store.Settlement {
		// What one digest told is tried again together, but each for as long as it has
		// itself: one that came to be owed later is not given up with the oldest.
		each := judge(n, now, err, spread)
		if each.State == tocsin.Pending && s.State == tocsin.Pending && !s.Due.After(n.Deadline) {
			each.Due = s.Due
		}
		each.Ref, each.Started, each.Took = ref, start, took
		return each
	})
}

// longWait is how long a message may have waited for its turn before it is asked
// once more whether anybody needs it.
const longWait = 50 * time.Millisecond

// overtaken says why a message that waited for its turn is not needed any more.
func (q *receiverQueue) overtaken(ctx context.Context, j job) (reason string) {
	if j.notification.Alert == 0 || len(j.digest) > 0 {
		return ""
	}
	err := q.e.store.View(ctx, func(tx *store.Tx) error {
		a, err := tx.Alert(j.notification.Alert)
		if err == nil {
			reason = needless(j.notification, a, true, q.e.now())
		}
		return err
	})
	if err != nil {
		return "" // it is sent: better twice than not at all
	}
	return reason
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
	m, err := q.e.message(ctx, r, j)
	if err != nil {
		return "", err
	}
	return r.Notifier.Notify(ctx, m)
}

// settle hands a result to the next commit, which it does not wait for. What came
// of a digest came of all that it told of.
func (q *receiverQueue) settle(j job, s store.Settlement) settling {
	return q.settleEach(j, nil, func(tocsin.Notification) store.Settlement { return s })
}

// settleEach is settle with a result for each that a digest told of. cause is what
// the notifier said, if it was asked.
func (q *receiverQueue) settleEach(j job, cause error, result func(tocsin.Notification) store.Settlement) settling {
	all := j.digest
	if len(all) == 0 {
		all = []job{j}
	}
	done := make(settling, len(all))
	for _, one := range all {
		n := one.notification
		each := result(n)
		each.ID, each.Attempts = n.ID, n.Attempts
		if each.State == tocsin.Delivered {
			each.Receiver = q.name
		}
		q.e.submit(work{settle: &settlement{Settlement: each, notification: n, cause: cause, settled: func(err error) {
			q.settled(each, err)
			done <- struct{}{}
		}}})
	}
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
	for range cap(s) {
		<-s
	}
}

type settlement struct {
	store.Settlement
	notification tocsin.Notification
	cause        error // what the notifier said
	settled      func(error)
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
		var claimed []tocsin.Notification
		err = e.store.Update(ctx, func(tx *store.Tx) error {
			if claimed, err = tx.Claim(name, now, lease, maxBatch); err != nil {
				return err
			}
			together, err := tx.ClaimDigest(name, now, lease, maxBatch)
			claimed = append(claimed, together...)
			return err
		})
		if err != nil {
			break
		}
		// They are settled as any other, so that the fallback hears of what nobody else
		// will.
		q := e.receiver(name)
		for _, n := range claimed {
			q.settle(job{notification: n}, park(n, now, "the receiver is not configured any more")).wait()
		}
	}
	return err
}
