// Package app builds the house: it opens what the configuration names, wires it
// together and runs it. It is the only place that knows every part.
//
//	           ┌──────── http server ────────┐
//	/in/<source> ─▶ collectors ─▶ engine ─▶ store ◀─ web, api, metrics
//	                               └─▶ receivers
package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/tocsin-sec/tocsin/internal/collect"
	collectors "github.com/tocsin-sec/tocsin/internal/collect/all"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	notifiers "github.com/tocsin-sec/tocsin/internal/notify/all"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/web"
)

// Kinds are all the ways in and out that this binary knows.
func Kinds() config.Kinds {
	return config.Kinds{Collectors: collectors.Kinds(), Notifiers: notifiers.Kinds()}
}

// Options are what an App is made of.
type Options struct {
	Config *config.Config
	// File is the configuration's main file, for those who set up sources and
	// receivers; empty for built-in defaults.
	File string
	// Reload reads the configuration again, for SIGHUP; nil if there is nothing to
	// read.
	Reload  func() (*config.Config, error)
	Log     *slog.Logger
	Out     io.Writer // where the console notifier writes; os.Stdout if nil
	Version string
	// Grace is for how long what is under way may go on after the end was asked
	// for; 10 s if 0.
	Grace time.Duration

	// What a simulated world replaces; zero values are the real one.

	Now       func() time.Time
	Transport http.RoundTripper // for requests that collectors and notifiers make
	Roots     *x509.CertPool    // for the certificates that sign SNS messages
	Demo      *web.DemoLinks
}

// An App is a tocsin that is ready to run.
type App struct {
	o        Options
	store    *store.Store
	engine   *engine.Engine
	registry *prometheus.Registry
	server   *http.Server
	intake   *http.Server // nil where the intake has no address of its own
	listener net.Listener
	intakeOn net.Listener

	mu      sync.Mutex      // serializes reloads, and them with the start and the stop
	running context.Context // what sources live in; nil before the start and after the stop; guarded by mu
	config  atomic.Pointer[config.Config]
	serving atomic.Pointer[generation]
	keys    *setup.Keys // the tokens of sources
	setup   *setup.Setup
	pulse   *pulse
	watch   *watcher
}

// New opens the store, the addresses, the sources and the receivers. Nothing is
// accepted or told before Run.
func New(ctx context.Context, o Options) (_ *App, err error) {
	o = o.withDefaults()
	a := &App{o: o, registry: prometheus.NewRegistry()}
	a.pulse, a.watch = &pulse{app: a}, &watcher{app: a}
	a.config.Store(o.Config)
	if a.store, err = store.Open(ctx, o.Config.Store); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	a.keys = setup.NewKeys(a.store, o.Now)
	a.setup = a.newSetup()
	plan, back, err := a.plan(o.Config)
	if err != nil {
		return nil, err
	}
	a.engine, err = engine.New(ctx, engine.Options{Store: a.store, Plan: plan, Log: o.Log, Now: o.Now, Metrics: engine.NewMetrics(a.registry)})
	if err != nil {
		return nil, err
	}
	a.register()
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	g, err := a.open(o.Config, back)
	if err != nil {
		return nil, err
	}
	a.serving.Store(g)
	return a, a.adopt(ctx, o.Config)
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	return o
}

// Store is where it remembers, for the demo and for tests.
func (a *App) Store() *store.Store { return a.store }

// Engine is what moves, for the demo and for tests.
func (a *App) Engine() *engine.Engine { return a.engine }

// URL is where the pages are: "http://127.0.0.1:8080".
func (a *App) URL() string {
	scheme := "http"
	if a.o.Config.TLS.Certificate != "" && a.intake == nil {
		scheme = "https"
	}
	return scheme + "://" + a.listener.Addr().String()
}

// MadeToken reports whether a source's token was made by this process, so that
// nobody has seen it yet.
func (a *App) MadeToken() bool { return a.keys.Made() }

// Setup sets up sources and receivers, for tests.
func (a *App) Setup() *setup.Setup { return a.setup }

// Run accepts, delivers and serves until ctx ends or a part of it cannot go on,
// and stops in three breaths: it takes nothing more in; it finishes what is under
// way, for at most the grace; it closes the store.
func (a *App) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		err := a.engine.Run(delivering, a.o.Grace)
		if errors.Is(err, context.Canceled) && delivering.Err() != nil {
			err = nil // it ended before it had quite begun
		}
		return err
	})
	a.start(ctx) // before requests come, so that none is told to come again
	g.Go(func() error { a.pulse.run(ctx); return nil })
	g.Go(func() error { a.watch.run(ctx); return nil })
	g.Go(func() error { a.keepKeys(ctx); return nil })
	g.Go(func() error { return a.serve(a.server, a.listener) })
	if a.intake != nil {
		g.Go(func() error { return a.serve(a.intake, a.intakeOn) })
	}

	<-ctx.Done()
	a.o.Log.Info("stopping: nothing more is taken in")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.o.Grace)
	defer cancel()
	a.stop()
	err := a.server.Shutdown(end)
	if a.intake != nil {
		err = errors.Join(err, a.intake.Shutdown(end))
	}
	if err != nil { // somebody holds a connection open beyond the grace
		err = errors.Join(a.server.Close(), a.closeIntake())
	}
	stopDelivering()
	err = errors.Join(err, g.Wait())
	a.engine.Quiesce()
	err = errors.Join(err, a.store.Close())
	a.o.Log.Info("stopped")
	return err
}

// start lets the sources bring events until ctx ends.
func (a *App) start(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = ctx
	a.serving.Load().start(ctx, a.engine.Accept, a.o.Log)
}

// stop returns once no source has anything under way; none starts any more.
func (a *App) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = nil
	a.serving.Load().stop()
}

func (a *App) serve(s *http.Server, l net.Listener) error {
	var err error
	if s.TLSConfig != nil {
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (a *App) closeIntake() error {
	if a.intake == nil {
		return nil
	}
	return a.intake.Close()
}

// close lets go of what New had opened before it failed.
func (a *App) close() error {
	var err error
	for _, l := range []net.Listener{a.listener, a.intakeOn} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return errors.Join(err, a.store.Close())
}

// Reload reads the configuration again and puts it in force whole, or keeps the
// old one and says why. The store and the addresses stay what they were, and
// what the file says of them is logged as not in force. It is for a running App.
func (a *App) Reload() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.o.Reload == nil:
		return errors.New("nothing to reload: running on embedded defaults")
	case a.running == nil:
		return errors.New("nothing to reload: not running")
	}
	c, err := a.o.Reload()
	if err != nil {
		return err
	}
	plan, back, err := a.plan(c)
	if err != nil {
		return err
	}
	next, err := a.open(c, back)
	if err != nil {
		return err
	}
	if err := a.engine.Replace(a.running, plan); err != nil {
		return err
	}
	a.config.Store(c)
	if err := a.adopt(a.running, c); err != nil {
		a.o.Log.Warn("sources that are no more are not taken note of", "err", err)
	}
	old := a.serving.Swap(next)
	old.leave()
	old.stop()
	next.start(a.running, a.engine.Accept, a.o.Log)
	for _, key := range fixed(a.o.Config, c) {
		a.o.Log.Warn("changed in the configuration, and in force only after a restart", "key", key)
	}
	return nil
}

// fixed are the keys that differ and that a reload leaves as they were.
func fixed(was, is *config.Config) (keys []string) {
	for _, k := range []struct {
		key     string
		changed bool
	}{
		{"listen", was.Listen != is.Listen},
		{"intake", was.Intake != is.Intake},
		{"tls", was.TLS != is.TLS},
		{"store", was.Store != is.Store},
	} {
		if k.changed {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// plan opens the receivers and gathers what the engine goes by, and how people
// answer.
func (a *App) plan(c *config.Config) (*engine.Plan, *answers, error) {
	p := &engine.Plan{
		Rules: c.Rules, Routes: c.Routes, Accounts: c.Accounts,
		Receivers: make(map[string]engine.Receiver, len(c.Receivers)), PublicURL: pagesURL(c), ReachableAt: c.PublicURL,
		Fallback: c.Fallback, Teams: c.Teams, Policies: c.Policies, Schedules: c.Schedules, Inhibitions: c.Inhibitions,
		Terms: c.Terms, Updates: c.Updates, People: c.People, Left: c.Left, Dialects: map[string]collect.Dialect{coverage.Source: tidings{}},
	}
	for _, s := range c.Sources {
		if s.Dialect != nil {
			p.Dialects[s.Name] = s.Dialect
		}
	}
	back := &answers{handlers: map[string]http.Handler{}}
	for _, r := range c.Receivers {
		if r.Disabled { // nobody is told by it, so that the fallback and other ways are
			p.Receivers[r.Name] = engine.Receiver{Notifier: silent{}, Kind: r.Kind, Timeout: r.Timeout, Patience: r.Patience}
			continue
		}
		n, err := r.Open(a.notifyEnv(c, r, back))
		if err != nil {
			return nil, nil, fmt.Errorf("receiver %s: %w", r.Name, err)
		}
		if l, ok := n.(notify.Listener); ok {
			back.listeners = append(back.listeners, listener{r.Name, l})
		}
		follows := r.Follows
		if f, ok := n.(notify.Follower); ok {
			follows = f.Follows()
		}
		p.Receivers[r.Name] = engine.Receiver{
			Notifier: n, Kind: r.Kind, Rate: r.Rate, Timeout: r.Timeout, Patience: r.Patience,
			Follows: follows, Edits: r.Edits, Interrupts: r.Interrupts, Address: r.Address, Burst: r.Burst,
			Acts: r.Acts, Hide: r.Hide,
		}
	}
	back.receivers = p.Receivers
	return p, back, nil
}

func (a *App) notifyEnv(c *config.Config, r config.Receiver, back *answers) notify.Env {
	env := notify.Env{
		Name: r.Name, Log: a.o.Log.With("receiver", r.Name), Now: a.o.Now, HTTP: a.client(r.Timeout), Out: a.o.Out,
		Handle: func(h http.Handler) { back.handlers[r.Name] = h },
		Act: func(ctx context.Context, answer notify.Answer) (notify.Reply, error) {
			return a.engine.Answer(ctx, r.Name, answer)
		},
		State: store.Memory{Store: a.store, Prefix: "receiver/" + r.Name + "/"},
		Enroll: func(ctx context.Context, person, address string) error {
			return a.engine.Enroll(ctx, r.Name, person, address)
		},
	}
	if c.PublicURL != "" {
		env.CallbackURL = c.PublicURL + "/act/" + r.Name
	}
	return env
}

// client is for requests going out. It follows no redirects: what is configured
// is what is talked to.
func (a *App) client(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: a.o.Transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A generation is what comes in under one configuration while it is in force:
// events from sources, and answers from people.
type generation struct {
	sources  []source
	disabled []source                // that take nothing in
	handlers map[string]http.Handler // by source
	answers  *answers
	cancel   context.CancelFunc
	done     sync.WaitGroup
	gone     atomic.Pointer[string] // the first source that ended by itself

	mu     sync.Mutex
	left   bool           // guarded by mu
	inside sync.WaitGroup // deliveries that entered; none is added once left
}

// farewell is for how long a reload waits for the deliveries that are under way. A
// sender that is slower than that is told to come again.
const farewell = 2 * time.Second

// enter notes a delivery, which calls inside.Done at its end, unless the generation
// is left: then another one is in force.
func (g *generation) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.left {
		g.inside.Add(1)
	}
	return !g.left
}

// leave lets nothing more in, and gives what is inside a moment to come to its end.
func (g *generation) leave() {
	g.mu.Lock()
	g.left = true
	g.mu.Unlock()
	empty := make(chan struct{})
	go func() {
		g.inside.Wait()
		close(empty)
	}()
	select {
	case <-empty:
	case <-time.After(farewell):
	}
}

// ended names a source that ended though nobody asked it to.
func (g *generation) ended() (name string, ok bool) {
	if gone := g.gone.Load(); gone != nil {
		return *gone, true
	}
	return "", false
}

// answers are the ways by which people answer messages.
type answers struct {
	handlers  map[string]http.Handler // what vendors call back, by receiver
	receivers map[string]engine.Receiver
	listeners []listener
}

type listener struct {
	receiver string
	notify.Listener
}

type source struct {
	name, kind string
	collector  collect.Collector
}

// open opens the sources of a configuration.
func (a *App) open(c *config.Config, back *answers) (*generation, error) {
	g := &generation{handlers: map[string]http.Handler{}, answers: back, cancel: func() {}}
	for _, s := range c.Sources {
		if s.Disabled {
			g.disabled = append(g.disabled, source{name: s.Name, kind: s.Kind})
			g.handlers[s.Name] = http.HandlerFunc(disabled)
			continue
		}
		memory, keys, seen := store.Memory{Store: a.store, Prefix: "source/" + s.Name + "/"}, a.keys.Of(s.Name), sights{a.store, s.Name}
		collector, err := s.Open(collect.Env{
			Name: s.Name, Log: a.o.Log, Now: a.o.Now, HTTP: a.client(10 * time.Second),
			Handle: func(h http.Handler) { g.handlers[s.Name] = h },
			Token:  keys.Token, Admits: keys.Admits, State: memory, Roots: a.o.Roots,
			Held: a.store.Held, Observe: seen.observe, Sightings: seen.sightings, Canaries: seen,
			PublicURL: a.publicURL(c) + "/in/" + s.Name,
		})
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
		g.sources = append(g.sources, source{s.Name, s.Kind, collector})
	}
	return g, nil
}

// pagesURL is where links in messages lead: public_url if pages are served there.
// While pages are on loopback only, a public name is the senders', and a link to
// it would lead nowhere.
func pagesURL(c *config.Config) string {
	u, err := url.Parse(c.PublicURL)
	if err != nil || !here(u.Hostname()) {
		return ""
	}
	return c.PublicURL
}

func (a *App) publicURL(c *config.Config) string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	return a.URL()
}

// start runs the collectors until ctx or the generation ends.
func (g *generation) start(ctx context.Context, sink collect.Sink, log *slog.Logger) {
	ctx, g.cancel = context.WithCancel(ctx)
	for _, s := range g.sources {
		g.done.Go(func() {
			if err := s.collector.Run(ctx, sink); err != nil && ctx.Err() == nil {
				log.Error("source ended", "source", s.name, "err", err)
				g.gone.CompareAndSwap(nil, &s.name)
			}
		})
	}
	for _, l := range g.answers.listeners {
		g.done.Go(func() {
			if err := l.Listen(ctx); err != nil && ctx.Err() == nil {
				log.Error("answers are not heard any more", "receiver", l.receiver, "err", err)
			}
		})
	}
}

func (g *generation) stop() {
	g.cancel()
	g.done.Wait()
}
