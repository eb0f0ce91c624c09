package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	via "github.com/tocsin-sec/tocsin/internal/collect/lambda"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/lambda"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A Function is an App without addresses and without a clock of its own: AWS Lambda
// calls it with what there is, and it answers once that is kept.
//
// On PostgreSQL an event is kept once it is in the database, as it is for a server.
// What is owed because of it is sent then, and whatever of that takes longer than the
// invocation is sent by a later one, or by a server on the same database.
//
// On SQLite the database is the sandbox's own and may be gone with it at any time, so
// that an event is kept only once everybody was told of it, or refused it for good and
// somebody else was told. Until then AWS has it, and sends it again.
type Function struct {
	o      Options
	source string
	alone  bool // the store is the sandbox's own
	idle   *http.Client

	mu    sync.Mutex // guards what follows; app stays while anything is under way
	app   *App
	back  *answers
	doors http.Handler // nil until a request comes
	under int          // invocations under way
	// left says that something may be leased to an invocation that was cut off.
	left bool
	// anew says that the store is to be begun anew.
	anew  bool
	ended time.Time // when the last invocation ended
	read  time.Time // when the tokens of sources were read last
}

const (
	// margin is what is left of an invocation's time when it is to answer, at most a
	// quarter of all of it.
	margin = 2 * time.Second
	// stale is for how long a sandbox may have been frozen until what it was connected
	// to is taken to have hung up.
	stale = 30 * time.Second
	// roomy is how large a sandbox's database may grow, in bytes. It has 512 MB unless
	// more is asked for.
	roomy = 200 << 20
)

// SandboxStore is where a function keeps what it has if the configuration does not
// name a place that can be written.
func SandboxStore() string { return "sqlite:" + filepath.Join(os.TempDir(), "tocsin") }

// NewFunction opens the store and the receivers. Events belong to the source of that
// name; where it is "", to the only one of kind lambda, or to "lambda" if there is
// none.
func NewFunction(ctx context.Context, o Options, source string) (*Function, error) {
	o = o.withDefaults()
	conf := *o.Config
	if dir, ok := strings.CutPrefix(conf.Store, "sqlite:"); ok && !filepath.IsAbs(dir) {
		conf.Store = SandboxStore() // nothing beside the program can be written
	}
	o.Config = &conf
	name, err := sourceOf(o.Config, source)
	if err != nil {
		return nil, err
	}
	f := &Function{o: o, source: name, left: true, idle: &http.Client{Transport: o.Transport}}
	if err := f.open(ctx); err != nil {
		return nil, err
	}
	f.alone = !f.app.store.Replicated()
	for _, problem := range f.doubts() {
		o.Log.WarnContext(ctx, "configuration", "problem", problem)
	}
	return f, nil
}

// sourceOf is the source that what triggers the function belongs to.
func sourceOf(c *config.Config, asked string) (string, error) {
	var ours []string
	for _, s := range c.Sources {
		if s.Name == asked && s.Disabled || asked == "" && s.Kind == via.Name && s.Disabled {
			return "", fmt.Errorf("%s:%d: source %s is disabled, and events would be lost: stop what triggers the function instead", s.File, s.Line, s.Name)
		}
		if s.Name == asked {
			return asked, nil
		}
		if s.Kind == via.Name {
			ours = append(ours, s.Name)
		}
	}
	switch {
	case asked == "" && len(ours) > 1:
		return "", fmt.Errorf("there are several sources of kind lambda: name one of them in TOCSIN_SOURCE: %s", strings.Join(ours, ", "))
	case asked != "" && len(ours) > 0:
		return "", fmt.Errorf("TOCSIN_SOURCE: there is no source %q; of kind lambda there is %s", asked, strings.Join(ours, ", "))
	case len(ours) == 1:
		return ours[0], nil
	}
	return cmp.Or(asked, via.Name), nil
}

// open opens the store and the receivers. A sandbox's store that cannot be opened is
// begun anew.
func (f *Function) open(ctx context.Context) error {
	err := f.furnish(ctx)
	if err == nil || !f.ours() || errors.Is(err, store.ErrInUse) {
		return err
	}
	if _, missing := os.Stat(f.folder()); missing != nil {
		return err
	}
	f.o.Log.WarnContext(ctx, "the store of this sandbox cannot be opened, and is begun anew", "err", err)
	if err := os.RemoveAll(f.folder()); err != nil {
		return err
	}
	return f.furnish(ctx)
}

func (f *Function) furnish(ctx context.Context) error {
	a := &App{o: f.o}
	a.config.Store(f.o.Config)
	var err error
	if f.ours() {
		a.store, err = store.OpenFleeting(ctx, f.folder()) // it is gone with the machine
	} else {
		a.store, err = store.Open(ctx, f.o.Config.Store)
	}
	if err != nil {
		return err
	}
	a.keys = setup.NewKeys(a.store, f.o.Now)
	a.setup = a.newSetup()
	plan, back, err := a.plan(f.o.Config)
	if err == nil {
		a.engine, err = engine.New(ctx, engine.Options{Store: a.store, Plan: plan, Log: f.o.Log, Now: f.o.Now})
	}
	if err != nil {
		return errors.Join(err, a.store.Close())
	}
	f.app, f.back, f.doors = a, back, nil
	return nil
}

func (f *Function) folder() string { return strings.TrimPrefix(f.o.Config.Store, "sqlite:") }

// Source is whose the events are.
func (f *Function) Source() string { return f.source }

// StoreLabel is the store as it may be shown.
func (f *Function) StoreLabel() string { return f.o.Config.StoreLabel() }

// Alone reports whether the store is the sandbox's own.
func (f *Function) Alone() bool { return f.alone }

// doubts are what of the configuration a function does not do.
func (f *Function) doubts() (all []string) {
	c := f.o.Config
	for _, s := range c.Sources {
		switch token, door := doorKinds[s.Kind]; {
		case s.Disabled || s.Kind == via.Name:
		case !door:
			all = append(all, "source "+s.Name+": a function fetches nothing and watches no clock: have AWS trigger it with what comes there, or have a server do it")
		case f.alone && s.Values[s.Kind+"."+token] == "":
			all = append(all, "source "+s.Name+": "+noToken)
		}
	}
	if c.Heartbeat != nil {
		all = append(all, "heartbeat: is not sent by a function")
	}
	if !f.alone {
		return all
	}
	for _, later := range []struct {
		what string
		used bool
	}{
		{"policies", len(c.Policies) > 0},
		{"schedules", len(c.Schedules) > 0},
		{"people", len(c.People) > 0},
		{"public_url (links in messages)", c.PublicURL != ""},
	} {
		if later.used {
			all = append(all, later.what+": need a database that outlives a sandbox: set store: to a postgres:// URL")
		}
	}
	return all
}

// noToken is why requests to a source are refused.
const noToken = "set its token: one that is made here is gone with the sandbox"

// doorKinds are the kinds of sources that take what is posted to them and do nothing by
// themselves, each with the setting that admits a sender. A function serves those.
var doorKinds = map[string]string{
	"sns": "token", "https": "token", "firehose": "token", "eventbridge": "secret_access_key",
	"alertmanager": "token", "pagerduty": "token", "shadow": "token",
}

// Serves reports whether a function takes what is posted to sources of a kind.
func Serves(kind string) bool {
	_, door := doorKinds[kind]
	return door
}

// Close lets go of the store.
func (f *Function) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.close()
}

func (f *Function) close() error {
	if g := f.app.serving.Load(); g != nil {
		g.stop()
	}
	return f.app.Close()
}

// Invoke does what an invocation is for. It answers a little before ctx ends, so that
// AWS hears what was kept, however long a receiver takes.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	in, err := lambda.Read(payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := ahead(ctx)
	defer cancel()
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.leave()
	switch in.Trigger {
	case lambda.Schedule:
		if err := f.drain(ctx); err != nil {
			return nil, err
		}
		return in.Answer()
	case lambda.HTTP:
		return f.serve(ctx, in.Request)
	}
	failed := f.take(ctx, in.Items)
	f.o.Log.InfoContext(ctx, "events taken in", "trigger", in.Trigger, "items", len(in.Items), "not_kept", len(failed))
	return in.Answer(failed...)
}

// ahead ends before ctx does.
func ahead(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(margin, time.Until(end)/4)))
}

// enter begins an invocation. The first after a freeze does not trust connections from
// before it, and takes back what one that was cut off has leased.
func (f *Function) enter(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.under == 0 {
		if !f.ended.IsZero() && f.o.Now().Sub(f.ended) > stale {
			f.idle.CloseIdleConnections()
		}
		if err := f.tidy(ctx); err != nil {
			return err
		}
	}
	f.under++
	return nil
}

func (f *Function) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.under--
	f.ended = f.o.Now()
}

// tidy takes back leases, and begins a store anew that cannot be written, or that has
// grown too large and owes nobody anything. It is called with the lock held and nothing
// under way.
func (f *Function) tidy(ctx context.Context) error {
	if !f.alone {
		return nil
	}
	if f.anew {
		return f.renew(ctx)
	}
	large := f.large()
	if !f.left && !large {
		return nil
	}
	var due map[string]time.Time
	err := f.app.store.View(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.NextDue()
		return err
	})
	switch {
	case err != nil:
	case len(due) == 0 && large:
		return f.renew(ctx)
	case len(due) > 0 && f.left:
		err = f.app.store.Update(ctx, func(tx *store.Tx) error { return tx.Release(tocsin.Millis(f.o.Now())) })
	}
	f.left = f.left && err != nil
	f.anew = err != nil && f.ours()
	return err
}

// ours reports whether the store is a sandbox's, to be thrown away as one likes: what it
// owes AWS has as well.
func (f *Function) ours() bool { return f.o.Config.Store == SandboxStore() }

func (f *Function) large() bool {
	if !f.ours() {
		return false
	}
	info, err := os.Stat(filepath.Join(f.folder(), "tocsin.db"))
	return err == nil && info.Size() > roomy
}

func (f *Function) renew(ctx context.Context) error {
	f.anew = true // until it is open
	f.o.Log.WarnContext(ctx, "the store of this sandbox is begun anew")
	_ = f.close() // it may be broken, or closed
	if err := os.RemoveAll(f.folder()); err != nil {
		return err
	}
	if err := f.furnish(ctx); err != nil {
		return err
	}
	f.anew, f.left = false, false
	return nil
}

// refused takes note that the store took nothing, unless that was for want of time.
func (f *Function) refused(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.anew = f.anew || f.ours() && ctx.Err() == nil
}

// take accepts items and says which of them AWS is to send again, by their numbers.
func (f *Function) take(ctx context.Context, items []lambda.Item) (failed []int) {
	now := f.o.Now()
	for _, item := range items {
		for i := range item.Events {
			ev := &item.Events[i]
			ev.Source, ev.Via, ev.ReceivedAt = f.source, via.Name, now
		}
	}
	receipts, errs := f.acceptAll(ctx, items)
	if f.alone {
		for i, err := range f.tell(ctx, now, receipts) {
			errs[i] = cmp.Or(errs[i], err)
		}
	} else if err := f.drain(ctx); err != nil {
		f.o.Log.ErrorContext(ctx, "what is owed is left for later", "err", err)
	}
	for i, err := range errs {
		if err == nil {
			continue
		}
		if failed = append(failed, i); len(failed) <= mostLogged {
			f.o.Log.ErrorContext(ctx, "not kept; AWS is to send it again", "item", items[i].ID, "err", err)
		}
	}
	return failed
}

// mostLogged bounds how many items of an invocation have a line of their own in the log.
const mostLogged = 10

// acceptAll accepts all items together or, if that cannot be done, each by itself. It
// gives receipts or an error for each.
func (f *Function) acceptAll(ctx context.Context, items []lambda.Item) ([][]tocsin.Receipt, []error) {
	receipts, errs := make([][]tocsin.Receipt, len(items)), make([]error, len(items))
	var events []tocsin.Event
	for _, item := range items {
		events = append(events, item.Events...)
	}
	all, err := f.accept(ctx, events)
	if err == nil {
		for i, item := range items {
			receipts[i], all = all[:len(item.Events)], all[len(item.Events):]
		}
		return receipts, errs
	}
	for i, item := range items {
		if len(items) == 1 || ctx.Err() != nil {
			errs[i] = err
			continue
		}
		receipts[i], errs[i] = f.accept(ctx, item.Events)
	}
	f.refused(ctx)
	return receipts, errs
}

// accept is the engine's, and does not wait for a store beyond ctx. The events' bytes
// may be used again when it returns.
func (f *Function) accept(ctx context.Context, events []tocsin.Event) ([]tocsin.Receipt, error) {
	if len(events) == 0 {
		return nil, nil
	}
	ours := slices.Clone(events)
	for i := range ours {
		ours[i].Raw = bytes.Clone(ours[i].Raw)
	}
	type answer struct {
		receipts []tocsin.Receipt
		err      error
	}
	done := make(chan answer, 1)
	go func() {
		receipts, err := f.app.engine.Accept(ctx, ours...)
		done <- answer{receipts, err}
	}()
	select {
	case a := <-done:
		return a.receipts, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the store does not answer: %w", ctx.Err())
	}
}

// drain does what is due, as far as it can be done before ctx ends; the rest is left
// for later.
func (f *Function) drain(ctx context.Context) error {
	err := f.app.engine.Drain(ctx, f.o.Now())
	if err != nil && ctx.Err() != nil {
		f.cut()
		f.o.Log.WarnContext(ctx, "time is over; what is still due is left for later", "err", err)
		err = nil
	}
	return err
}

// serve answers a request as a server would that has no pages.
func (f *Function) serve(ctx context.Context, request []byte) ([]byte, error) {
	r, err := lambda.ReadRequest(context.WithValue(ctx, invocation{}, ctx), request)
	if err != nil {
		return nil, err
	}
	w := lambda.NewResponse()
	h, err := f.door(ctx)
	if err != nil {
		f.o.Log.ErrorContext(ctx, "no requests are taken", "err", err)
		refuse(w, http.StatusServiceUnavailable, "the sources cannot be opened")
		return w.Answer()
	}
	h.ServeHTTP(w, r)
	// What answers owe, and on PostgreSQL what events do. The sender's answer is as it is.
	if err := f.drain(ctx); err != nil {
		f.o.Log.ErrorContext(ctx, "what is owed is left for later", "err", err)
	}
	return w.Answer()
}

// door is what serves requests, with the tokens of sources as they were half a minute ago
// at most: a server may have turned them over.
func (f *Function) door(ctx context.Context) (http.Handler, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.doors == nil {
		h, err := f.openDoors()
		if err != nil {
			return nil, err
		}
		f.doors = h
	}
	if now := f.o.Now(); !f.alone && now.Sub(f.read) > 30*time.Second {
		f.read = now
		return f.doors, f.app.keys.Refresh(ctx)
	}
	return f.doors, nil
}

// invocation is the key of the context that a request's own is of.
type invocation struct{}

// keep is the sink of doors. It has the time of the invocation, which is longer than
// what a door allows: a message to a receiver is not cut off because the sender of the
// event does not wait.
func (f *Function) keep(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	if whole, ok := ctx.Value(invocation{}).(context.Context); ok {
		ctx = whole
	}
	now := f.o.Now()
	receipts, err := f.accept(ctx, events)
	if err != nil {
		f.refused(ctx)
	}
	if err != nil || !f.alone {
		return receipts, err
	}
	if err := f.tell(ctx, now, [][]tocsin.Receipt{receipts})[0]; err != nil {
		return nil, err
	}
	return receipts, nil
}

// openDoors opens the sources that take what is posted to them, and gives what serves
// them. Most functions are triggered in other ways and never need it.
func (f *Function) openDoors() (http.Handler, error) {
	conf := *f.o.Config
	conf.PublicURL = cmp.Or(conf.PublicURL, nowhere)
	conf.Sources = slices.DeleteFunc(slices.Clone(conf.Sources), func(s config.Source) bool {
		return !Serves(s.Kind) && !s.Disabled
	})
	g, err := f.app.open(&conf, f.back)
	if err != nil {
		return nil, err
	}
	for _, s := range g.sources {
		if c, ok := s.collector.(interface{ MadeToken() bool }); ok && c.MadeToken() && f.alone {
			g.handlers[s.name] = http.HandlerFunc(tokenless)
		}
	}
	g.answers.listeners = nil // those are of what runs all the time
	f.app.serving.Store(g)
	g.start(context.Background(), f.keep, f.o.Log)
	for _, idle := f.app.idle(); idle; _, idle = f.app.idle() {
		collect.Sleep(context.Background(), time.Millisecond) // for them to have begun
	}
	return f.app.mux(http.NotFoundHandler(), f.app.readyInBrief), nil
}

func tokenless(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusServiceUnavailable, "the source has no token: "+noToken)
}

// nowhere stands for the address of the function, which it does not know.
const nowhere = "https://function.invalid"

// tell has everybody told of what was accepted at now or later, before ctx ends. Of
// each item it says what came of it, nil where its receipts need nobody any more.
func (f *Function) tell(ctx context.Context, now time.Time, items [][]tocsin.Receipt) []error {
	errs := make([]error, len(items))
	// What is written about a message that was cut off is read after ctx has ended.
	look := context.WithoutCancel(ctx)
	debts, err := f.debts(look, now, items)
	for err == nil {
		drained := f.app.engine.Drain(ctx, f.o.Now())
		var next time.Time
		if next, err = f.check(look, debts); err != nil || next.IsZero() {
			break
		}
		if end, ok := ctx.Deadline(); drained != nil || ok && next.After(end) || !collect.Sleep(ctx, max(next.Sub(f.o.Now()), leastWait)) {
			f.cut()
			if drained != nil && ctx.Err() == nil {
				f.o.Log.ErrorContext(ctx, "what is owed is not sent", "err", drained)
			}
			break
		}
	}
	for _, d := range debts {
		errs[d.item] = cmp.Or(errs[d.item], d.err)
	}
	if err != nil {
		f.cut()
		for i := range errs {
			errs[i] = cmp.Or(errs[i], err)
		}
	}
	return errs
}

// leastWait is how long the store is left alone between two looks.
const leastWait = 10 * time.Millisecond

// cut takes note that an invocation ends with something under way.
func (f *Function) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = true
}

// A debt is an alert of which people are to be told because of an item.
type debt struct {
	item int
	// alert is 0 for all alerts that no other debt is about: an event may tell of
	// several, and the end of one may have another told.
	alert int64
	since time.Time // what came to be owed then or later is because of the item
	err   error     // why it is not paid; nil once it is
	over  bool      // nothing changes that any more
}

// debts are those of the items. What is a redelivery is owed from the first delivery on.
func (f *Function) debts(ctx context.Context, now time.Time, items [][]tocsin.Receipt) ([]*debt, error) {
	var all []*debt
	err := f.app.store.View(ctx, func(tx *store.Tx) error {
		all = nil
		for i, receipts := range items {
			others, some := &debt{item: i, since: tocsin.Millis(now)}, false
			for _, r := range receipts {
				d := &debt{item: i, alert: r.Alert, since: tocsin.Millis(now)}
				if r.Verdict == tocsin.Duplicate {
					ev, err := tx.Event(r.Seq)
					if err != nil {
						return err
					}
					d.alert, d.since = ev.Alert, ev.ReceivedAt
				}
				if d.alert == 0 {
					continue
				}
				all = append(all, d)
				if d.since.Before(others.since) {
					others.since = d.since
				}
				some = true
			}
			if some {
				all = append(all, others)
			}
		}
		return nil
	})
	return all, err
}

// check looks how the debts stand, and when the first of those that are left can be
// paid; zero if none is left.
func (f *Function) check(ctx context.Context, debts []*debt) (next time.Time, err error) {
	known, first := map[int64]bool{}, time.Time{}
	for _, d := range debts {
		known[d.alert] = true
		if first.IsZero() || d.since.Before(first) {
			first = d.since
		}
	}
	err = f.app.store.View(ctx, func(tx *store.Tx) error {
		next = time.Time{}
		others, err := tx.Notifications(store.NotificationFilter{Since: first, Page: store.Page{Limit: mostOthers}})
		if err != nil {
			return err
		}
		others = slices.DeleteFunc(others, func(n tocsin.Notification) bool { return known[n.Alert] }) // 0 is known as well
		for _, d := range debts {
			if d.over {
				continue
			}
			due, err := time.Time{}, error(nil)
			if d.alert == 0 {
				due = d.among(others)
			} else if due, err = d.look(tx); err != nil {
				return err
			}
			if !due.IsZero() && (next.IsZero() || due.Before(next)) {
				next = due
			}
		}
		return nil
	})
	return next, err
}

// mostOthers bounds how many of the newest messages are looked through.
const mostOthers = 10_000

// among sets how the debt of all other alerts stands, and says when it can be paid; zero
// if there is none. It is never over: paying another may make one.
func (d *debt) among(others []tocsin.Notification) (due time.Time) {
	d.err = nil
	of := map[int64][]tocsin.Notification{}
	for _, n := range others {
		if n.CreatedAt.Before(d.since) {
			continue
		}
		of[n.Alert] = append(of[n.Alert], n)
		if n.State == tocsin.Pending && (due.IsZero() || n.Due.Before(due)) {
			due, d.err = n.Due, notYet(n)
		}
	}
	if !due.IsZero() {
		return due
	}
	for _, ns := range of {
		if refused := nobody(ns); refused != nil {
			d.err = forGood(*refused)
		}
	}
	return time.Time{}
}

func notYet(n tocsin.Notification) error {
	return fmt.Errorf("alert %d: receiver %s was not told in time: %s", n.Alert, n.Receiver, cmp.Or(n.LastError, "its turn is at "+n.Due.Format(time.RFC3339)))
}

func forGood(n tocsin.Notification) error {
	return fmt.Errorf("alert %d: nobody was told: receiver %s: %s", n.Alert, n.Receiver, n.LastError)
}

// look sets how the debt stands, and says when it can be paid; zero if it is over.
func (d *debt) look(tx *store.Tx) (due time.Time, err error) {
	pending, err := tx.Notifications(store.NotificationFilter{Alert: d.alert, States: []tocsin.State{tocsin.Pending}})
	if err != nil {
		return due, err
	}
	if len(pending) > 0 {
		first := slices.MinFunc(pending, func(a, b tocsin.Notification) int { return a.Due.Compare(b.Due) })
		d.err = notYet(first)
		return first.Due, nil
	}
	since, err := tx.Notifications(store.NotificationFilter{Alert: d.alert, Since: d.since})
	if err != nil {
		return due, err
	}
	if refused := nobody(since); refused != nil {
		d.over, d.err = true, forGood(*refused)
		return due, nil
	}
	if len(since) == 0 {
		if due, err = d.waits(tx); err != nil || !due.IsZero() {
			return due, err
		}
	}
	d.over, d.err = true, nil
	return due, nil
}

// waits says when people are told of an alert of which nobody was told anything yet;
// zero if they are not.
func (d *debt) waits(tx *store.Tx) (due time.Time, err error) {
	ever, err := tx.Notifications(store.NotificationFilter{Alert: d.alert, Page: store.Page{Limit: 1}})
	if err != nil || len(ever) > 0 {
		return due, err
	}
	a, err := tx.Alert(d.alert)
	if err != nil {
		return due, err
	}
	if due = untold(a); !due.IsZero() {
		d.err = fmt.Errorf("alert %d: people are told at %s", d.alert, due.Format(time.RFC3339))
	}
	return due, nil
}

// nobody is a message that was refused for good where none was taken, or nil.
func nobody(ns []tocsin.Notification) (refused *tocsin.Notification) {
	for _, n := range ns {
		switch n.State {
		case tocsin.Delivered:
			return nil
		case tocsin.Failed, tocsin.Parked:
			refused = &n
		}
	}
	return refused
}

// untold is when people are told of an alert whose opening waits: for the end of a
// first window, or for the first step of a policy. It is zero where nothing waits.
func untold(a tocsin.Alert) time.Time {
	switch {
	case a.Status != tocsin.StatusOpen || len(a.Told) > 0:
	case a.Held != nil && a.Held.Tell && a.Held.By == engine.FirstWindow:
		return a.Held.Until
	case a.Held == nil && a.Escalation != nil:
		return a.Due()
	}
	return time.Time{}
}
