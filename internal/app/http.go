package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/shadow"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/web"
)

// listen takes the addresses and says what is served on each.
//
// Until there is a sign-in, pages, API and metrics are served on loopback only;
// /in/, /healthz and /readyz may be anywhere.
func (a *App) listen(ctx context.Context) (err error) {
	c := a.o.Config
	if a.listener, err = listenOn(ctx, "listen", c.Listen); err != nil {
		return err
	}
	pages, ready := a.pages(), a.ready
	if !loopback(a.listener.Addr()) {
		a.o.Log.Warn("pages and API are not served: there is no sign-in yet, and this address is not loopback; give the senders an address of their own with intake:", "listen", c.Listen)
		pages, ready = refused(), a.readyInBrief
	}
	a.server = server(a.mux(pages, ready), c.TLS.Config())
	if c.Intake == "" {
		return nil
	}
	if a.intakeOn, err = listenOn(ctx, "intake", c.Intake); err != nil {
		return err
	}
	// Where the senders have their own address, TLS is for them.
	a.server.TLSConfig, a.intake = nil, server(a.mux(http.NotFoundHandler(), a.readyInBrief), c.TLS.Config())
	return nil
}

func listenOn(ctx context.Context, key, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; choose another address with %s: in the configuration", key, err, key)
	}
	return l, nil
}

func server(h http.Handler, t *tls.Config) *http.Server {
	return &http.Server{
		Handler: h, TLSConfig: t,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// mux is every route of the program.
func (a *App) mux(pages http.Handler, ready http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/in/{source}", a.receive)
	mux.HandleFunc("/in/{source}/{rest...}", a.receive)
	mux.Handle(web.LinkPath, web.NewLinks(web.LinkOptions{Read: a.engine.ReadLink, Follow: a.engine.FollowLink, Log: a.o.Log, Now: a.o.Now}))
	mux.HandleFunc("/act/{receiver}", a.answer)
	mux.HandleFunc("/act/{receiver}/{rest...}", a.answer)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", ready)
	mux.Handle("/", pages)
	return mux
}

// receive passes a delivery to the source that is named in its path.
func (a *App) receive(w http.ResponseWriter, r *http.Request) {
	g := a.serving.Load()
	for !g.enter() {
		g = a.serving.Load()
	}
	defer g.inside.Done()
	name := r.PathValue("source")
	h, ok := g.handlers[name]
	switch {
	case ok:
		h.ServeHTTP(w, r)
	case a.setup.Gone(name):
		refuse(w, http.StatusGone, "the source was deleted")
	default:
		refuse(w, http.StatusNotFound, "no such source")
	}
}

// answer passes what a vendor calls back to the receiver that is named in its
// path. Whether it is the vendor is for the receiver to find out.
func (a *App) answer(w http.ResponseWriter, r *http.Request) {
	h, ok := a.serving.Load().answers.handlers[r.PathValue("receiver")]
	if !ok {
		http.Error(w, `{"error":"no such receiver, or nothing is called back there"}`, http.StatusNotFound)
		return
	}
	h.ServeHTTP(w, r)
}

// pages are what people and their programs see.
func (a *App) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", api.New(api.Options{Store: a.store, Act: a.engine, Now: a.o.Now, Log: a.o.Log, Setup: a.setup, Coverage: a.coverage}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	mux.Handle("/", web.New(web.Options{
		Store: a.store, Act: a.engine, Sources: a.sources, Now: a.o.Now, Log: a.o.Log, Version: a.o.Version, Demo: a.o.Demo,
		Accounts:  func() map[string]tocsin.Account { return a.config.Load().Accounts },
		Receivers: a.receivers,
		Report: func(ctx context.Context, from, to time.Time) (reports.Report, error) {
			return api.Report(ctx, a.store, a.engine, from, to)
		},
		Latency: func(ctx context.Context, f store.LatencyFilter) (reports.LatencyReport, error) {
			return api.Latency(ctx, a.store, f)
		},
		Compare: func(ctx context.Context, from, to time.Time) (shadow.Comparison, error) {
			return api.Compare(ctx, a.store, from, to)
		},
		Setup: a.setup, Coverage: a.coverage,
	}))
	return localOnly(mux)
}

// receivers are those that are configured, by name, for the pages.
func (a *App) receivers() []web.ReceiverInfo {
	var infos []web.ReceiverInfo
	for _, r := range a.config.Load().Receivers {
		infos = append(infos, web.ReceiverInfo{Name: r.Name, Kind: r.Kind, Personal: r.Address != nil, Invites: a.engine.Invites(r.Name)})
	}
	slices.SortFunc(infos, func(a, b web.ReceiverInfo) int { return cmp.Compare(a.Name, b.Name) })
	return infos
}

// localOnly refuses requests whose Host is not this machine's own: a page of
// somebody else's whose name resolves to 127.0.0.1 (DNS rebinding), and a proxy
// that would publish the pages.
func localOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !here(strings.Trim(host, "[]")) || forwarded(r.Header) {
			refused().ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// here reports whether the host is this machine's own name or address.
func here(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// forwarded reports whether a proxy says that the request came through it.
func forwarded(h http.Header) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

func refused() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Pages and API are served on loopback only, since there is no sign-in yet.\n"+
			"Open them through a tunnel: ssh -L 8080:127.0.0.1:8080 HOST, then http://127.0.0.1:8080/", http.StatusForbidden)
	})
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// readiness is what /readyz answers.
type readiness struct {
	Ready           bool              `json:"ready"`
	Error           string            `json:"error,omitempty"`
	OldestDueMillis int64             `json:"oldest_due_ms"`
	Sources         map[string]string `json:"sources,omitempty"`
}

// ready says whether events can be taken in, and how far behind the rest is.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	a.readiness(ctx).write(w)
}

// readyInBrief is for an address that anybody may reach: yes or no.
func (a *App) readyInBrief(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	status := a.readiness(ctx)
	readiness{Ready: status.Ready}.write(w)
}

func (a *App) readiness(ctx context.Context) readiness {
	if err := a.store.Ping(ctx); err != nil {
		a.o.Log.ErrorContext(ctx, "not ready", "err", err)
		return readiness{Error: "the store does not answer"}
	}
	status := readiness{Ready: true, OldestDueMillis: a.oldestDue(ctx).Milliseconds(), Sources: map[string]string{}}
	for _, s := range a.sources(ctx) {
		status.Sources[s.Name] = s.Status.State
	}
	if name, ok := a.idle(); ok {
		status.Ready, status.Error = false, "source "+name+" takes no events: the program begins or ends"
	}
	return status
}

func (r readiness) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // whoever asked may be gone
}

// idle names a source that listens and has nowhere to hand events to.
func (a *App) idle() (name string, ok bool) {
	for _, s := range a.serving.Load().sources {
		if c, listens := s.collector.(interface{ Ready() bool }); listens && !c.Ready() {
			return s.name, true
		}
	}
	return "", false
}

// oldestDue is for how long the notification that is most overdue has been due.
func (a *App) oldestDue(ctx context.Context) time.Duration {
	var late time.Duration
	_ = a.store.View(ctx, func(tx *store.Tx) error {
		due, err := tx.NextDue()
		for _, t := range due {
			late = max(late, a.o.Now().Sub(t))
		}
		return err
	})
	return late
}

// sources are the present sources with what they say of themselves.
func (a *App) sources(ctx context.Context) []web.SourceInfo {
	g := a.serving.Load()
	if g == nil {
		return nil
	}
	infos := make([]web.SourceInfo, len(g.sources))
	for i, s := range g.sources {
		infos[i] = web.SourceInfo{Name: s.name, Kind: s.kind, Status: statusOf(ctx, s.collector)}
		if d, ok := s.collector.(collect.Describer); ok {
			infos[i].Connect = d.Describe(false)
		}
	}
	for _, d := range g.disabled {
		infos = append(infos, web.SourceInfo{Name: d.name, Kind: d.kind, Status: collect.Status{State: "disabled"}})
	}
	return infos
}

// Connect tells how to connect senders to each source; with reveal the tokens are
// in it, for the eyes of whoever started the program.
func (a *App) Connect(reveal bool) map[string][]tocsin.Fact {
	facts := map[string][]tocsin.Fact{}
	for _, s := range a.serving.Load().sources {
		if d, ok := s.collector.(collect.Describer); ok {
			facts[s.name] = d.Describe(reveal)
		}
	}
	return facts
}

// register adds what is measured outside the engine.
func (a *App) register() {
	a.registry.MustRegister(
		a.pulse.metric(),
		a.watch,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tocsin_notification_oldest_due_seconds", Help: "For how long the most overdue notification has been due.",
		}, func() float64 { return max(0, a.oldestDue(context.Background()).Seconds()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tocsin_build_info", Help: "1, with the version as a label.", ConstLabels: prometheus.Labels{"version": a.o.Version},
		}, func() float64 { return 1 }),
	)
}
