// Package alertmanager takes in what is meant for an Alertmanager, and what an
// Alertmanager sends on: Prometheus, amtool and Alertmanager's webhook receiver
// need nothing but the address.
//
//	POST /in/<source>/<token>                  a webhook receiver's body (version 4), or alerts
//	POST /in/<source>/<token>/api/v2/alerts    what Prometheus and amtool send; path_prefix is /in/<source>/<token>
//	GET  /in/<source>/<token>/api/v2/status    and /-/ready and /-/healthy, for those who ask
//
// The token may be in a header instead. Each alert in a body is one event, and it is
// the alert as it was sent, in a webhook's words: the API tells that an alert is over
// by an endsAt that is past, which would be so of every alert some day, so that what
// comes by it gets a status, firing or resolved, as it stood on arrival.
//
// What makes two alerts one is their labels, as for Alertmanager. An alert without an
// endsAt, or with one that is yet to come, stays open until it is said to be over,
// unless resolve_timeout is set.
//
// https://prometheus.io/docs/alerting/latest/alerts_api/
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in for Prometheus and Alertmanager.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("alertmanager", "Takes in alerts as an Alertmanager does, from Prometheus or amtool, and what an Alertmanager's webhook receiver sends.", open)
	k.Title, k.Dialect = "Prometheus and Alertmanager", dialect{}
	k.Sample = []byte(`{"status":"firing","labels":{"alertname":"TocsinTest","severity":"info"},"annotations":{"summary":"A test of the Alertmanager door"},"startsAt":"2026-01-01T00:00:00Z"}`)
	return k
}

// Config is what can be set.
type Config struct {
	Token          secret.String `json:"token,omitzero" doc:"What senders prove themselves with: part of the URL, or a bearer token or password; 16 characters or more. Left out, one is made and shown with the source."`
	ResolveTimeout time.Duration `json:"resolve_timeout,omitempty" doc:"How long after it was sent last an alert without an endsAt is over; one with an endsAt is over then. Left out, alerts stay open until they are said to be over. It does not concern webhooks, which say so."`
}

const (
	via = "alertmanager"
	// leastTimeout is how short resolve_timeout may be: Prometheus sends alerts again
	// after a minute.
	leastTimeout = time.Minute
	// maxEvents is how many alerts one request may bring.
	maxEvents = 50_000
)

// source is the collector.
type source struct {
	*collect.Door
	env     collect.Env
	started time.Time
	ends    *ends // nil without a resolve_timeout
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	if c.ResolveTimeout != 0 && c.ResolveTimeout < leastTimeout {
		return nil, fmt.Errorf("resolve_timeout: %v is less than %v", c.ResolveTimeout, leastTimeout)
	}
	door, err := collect.NewDoor(env, c.Token)
	if err != nil {
		return nil, err
	}
	s := &source{Door: door, env: env, started: env.Now()}
	if c.ResolveTimeout > 0 {
		s.ends = newEnds(env, c.ResolveTimeout)
	}
	env.Handle(s)
	return s, nil
}

// Run lets alerts through to sink until ctx ends, and ends those whose time has come
// meanwhile.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	if s.ends == nil {
		return s.Door.Run(ctx, sink)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.ends.run(ctx, s.Hand)
	}()
	err := s.Door.Run(ctx, sink)
	<-ended
	// What was sent since the last look is not forgotten by a restart.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), last)
	defer cancel()
	return errors.Join(err, s.ends.keep(ctx))
}

// ServeHTTP takes alerts, and answers what senders ask before they send any.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := s.Admit(r)
	if !ok {
		s.Stranger()
		w.Header().Set("WWW-Authenticate", `Bearer realm="tocsin"`)
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	switch strings.Trim(rest, "/") {
	case "", "api/v2/alerts":
		s.alerts(w, r)
	case "api/v2/status":
		s.status(w, r)
	case "-/ready", "-/healthy":
		s.ready(w, r)
	default:
		http.Error(w, "only alerts are taken here; silences and routes are tocsin's own", http.StatusNotFound)
	}
}

// alerts takes a body of them.
func (s *source) alerts(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "alerts are sent with POST; to look at them, use tocsin's pages and API", http.StatusMethodNotAllowed)
		return
	}
	body, err := collect.ReadBody(r)
	switch {
	case errors.Is(err, collect.ErrTooLarge):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		again(w)
		return
	}
	now := s.env.Now()
	found, cut := read(body, now)
	if len(found) > maxEvents {
		http.Error(w, fmt.Sprintf("more than %d alerts in one request", maxEvents), http.StatusRequestEntityTooLarge)
		return
	}
	events := make([]tocsin.Event, len(found))
	for i, f := range found {
		events[i] = tocsin.Event{Source: s.env.Name, Via: via, ReceivedAt: now, Raw: f.raw, Unreadable: f.wrong}
	}
	if _, err := s.Deliver(r.Context(), events...); err != nil {
		again(w)
		return
	}
	if s.ends != nil {
		s.ends.note(found, now)
	}
	if cut > 0 {
		s.env.Log.WarnContext(r.Context(), "alerts were cut off by the sender; raise max_alerts of its webhook receiver",
			slog.String("source", s.env.Name), slog.Int64("count", cut))
	}
	w.WriteHeader(http.StatusOK)
}

func again(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "the alerts could not be kept: send them again", http.StatusServiceUnavailable)
}

// status is what amtool and others ask to see whether there is an Alertmanager: the
// members that its API requires, and no cluster.
// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
func (s *source) status(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) {
		return
	}
	body, err := json.Marshal(map[string]any{
		"cluster":     map[string]any{"status": "disabled", "peers": []any{}},
		"config":      map[string]any{"original": "# what becomes of alerts is in tocsin.yml\n"},
		"uptime":      s.started.UTC().Format("2006-01-02T15:04:05.000Z"),
		"versionInfo": map[string]any{"branch": "", "buildDate": "", "buildUser": "", "goVersion": runtime.Version(), "revision": "", "version": "tocsin"},
	})
	if err != nil { // it is made of texts
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // whoever asked is gone, or asks again
}

func (s *source) ready(w http.ResponseWriter, r *http.Request) {
	switch {
	case !reads(w, r):
	case !s.Ready():
		http.Error(w, "not running", http.StatusServiceUnavailable)
	default:
		_, _ = w.Write([]byte("OK")) // as before
	}
}

func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "this is to be read", http.StatusMethodNotAllowed)
	return false
}

// Describe tells how to point senders here.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	address := s.URL(reveal)
	prefix := address
	if u, err := url.Parse(address); err == nil {
		prefix = u.Path
	}
	return []tocsin.Fact{
		{Name: "Webhook receiver", Value: "webhook_configs: [{url: '" + address + "', send_resolved: true}]"},
		{Name: "Prometheus path_prefix", Value: prefix},
		{Name: "amtool", Value: "amtool --alertmanager.url=" + address + " alert add alertname=Test severity=info"},
	}
}
