// Package eventbridge is an event bus that AWS's own programs can be pointed at: it
// speaks the API of Amazon EventBridge (AWS JSON 1.1), so that `aws events put-rule`
// and `aws events put-events`, with --endpoint-url, do here what they do there.
//
//	POST /in/<source>          X-Amz-Target: AWSEvents.PutEvents
//	POST http://<listen>/      the same, at an address of its own
//
// Requests are signed (Signature Version 4) with the source's secret, under any
// access key id. Events that are put are taken in once the sink has them. Rules are
// kept and matched: while the bus has none that is enabled every event goes on; once
// it has some, an event that none of them matches is recorded as filtered. Targets
// are kept and listed, and not called: who is told is for routes to say.
//
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/Welcome.html
package eventbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in for what speaks to Amazon EventBridge.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("eventbridge", "Takes in events as Amazon EventBridge's API does, for the AWS CLI and SDKs: put-events, put-rule, put-targets and the rest.", open)
	k.Title = "EventBridge-compatible API"
	return k
}

// Config is what can be set.
type Config struct {
	SecretAccessKey secret.String `json:"secret_access_key,omitzero" doc:"The secret access key that requests are signed with, 16 characters or more; the access key id may be any. Left out, the source's token is it, which is made and shown with the source."`
	Listen          string        `json:"listen,omitempty" doc:"A loopback address of its own, whose root AWS's programs can be pointed at: --endpoint-url http://127.0.0.1:18081. Left out, there is only /in/<source>." example:"127.0.0.1:18081"`
	Account         string        `json:"account,omitempty" default:"000000000000" doc:"The account that events and ARNs are given, 12 digits."`
	AllowAWSSources bool          `json:"allow_aws_sources,omitempty" doc:"Take events whose source begins with aws., which AWS reserves to itself: for relays of real events, and to try things. Whoever has the secret can then make up findings."`
}

const (
	via            = "eventbridge"
	defaultBus     = "default"
	defaultAccount = "000000000000"
	// refresh is how often a replica looks whether another one changed the rules.
	refresh = 5 * time.Second
	// relisten is how long it waits for an address that another program has.
	relisten = time.Second
	// farewell is how long answers under way may take once the collector ends.
	farewell = 2 * time.Second
)

// source is the collector.
type source struct {
	*collect.Door
	env collect.Env
	Config
	rules *rulebook
	// deaf is why nothing listens on Listen, or nil.
	deaf atomic.Pointer[string]
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	if c.Account == "" {
		c.Account = defaultAccount
	}
	if !aws.IsAccount(c.Account) {
		return nil, fmt.Errorf("account: %q is not 12 digits", c.Account)
	}
	if err := checkListen(c.Listen); err != nil {
		return nil, err
	}
	door, err := collect.NewDoor(env, c.SecretAccessKey)
	if err != nil {
		return nil, err
	}
	s := &source{Door: door, env: env, Config: c, rules: newRulebook(env.State)}
	env.Handle(s)
	return s, nil
}

// checkListen wants an address of this machine alone: requests are signed and not
// encrypted.
func checkListen(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen: %q is no address such as 127.0.0.1:18081", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("listen: %q is no port", port)
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("listen: %q is not loopback, and what is sent there is not encrypted; listen on 127.0.0.1:%s and put a reverse proxy with TLS before it that leaves path and Host as they are", address, port)
}

// Run lets calls through until ctx ends.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		s.watch(ctx)
	}()
	listening := make(chan struct{})
	ended, end := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(listening)
		s.serveOn(ctx, ended)
	}()
	err := s.Door.Run(ctx, sink) // nothing is handed to sink after this
	end()
	<-watching
	<-listening
	return err
}

// watch keeps the rules as they are in the store, where other replicas change them.
func (s *source) watch(ctx context.Context) {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	failing := false
	for {
		err := s.rules.reload(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			s.env.Log.ErrorContext(ctx, "rules of the event bus cannot be read; they are tried again", slog.String("source", s.env.Name), slog.Any("err", err))
		case err == nil && failing:
			s.env.Log.InfoContext(ctx, "rules of the event bus can be read again", slog.String("source", s.env.Name))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// serveOn answers on Listen, if it is set, from when the address is free until ended
// ends, and once ctx ended waits for no address any more.
func (s *source) serveOn(ctx, ended context.Context) {
	if s.Listen == "" {
		return
	}
	listener := s.await(ctx)
	if listener == nil {
		return
	}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.env.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ended.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ended), farewell)
		defer cancel()
		if server.Shutdown(last) != nil { // a body is still being sent
			_ = server.Close()
		}
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		s.env.Log.ErrorContext(ctx, "nothing listens any more", slog.String("source", s.env.Name), slog.Any("err", err))
		s.deaf.Store(new(err.Error()))
	}
	<-stopped
}

// await takes the address as soon as it is free: while a configuration is reloaded
// the source before this one may still have it.
func (s *source) await(ctx context.Context) net.Listener {
	var lc net.ListenConfig
	for logged := false; ; {
		listener, err := lc.Listen(ctx, "tcp", s.Listen)
		if err == nil {
			s.deaf.Store(nil)
			return listener
		}
		if ctx.Err() != nil {
			return nil
		}
		s.deaf.Store(new(err.Error()))
		if !logged {
			s.env.Log.WarnContext(ctx, "the address cannot be listened on yet", slog.String("source", s.env.Name), slog.Any("err", err))
			logged = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(relisten):
		}
	}
}

// Status says how the source stands.
func (s *source) Status(ctx context.Context) collect.Status {
	st := s.Door.Status(ctx)
	if why := s.deaf.Load(); why != nil {
		st.State = "failing"
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Address", Value: *why})
	}
	now, err := s.rules.present(), s.rules.trouble()
	if err != nil {
		st.State = "failing"
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Rules", Value: err.Error()})
	}
	if now != nil {
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Rules", Value: now.String()})
	}
	return st
}

// Describe tells how to point a program here.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	key := "***"
	if reveal {
		key = s.Token()
	}
	endpoint := s.env.PublicURL
	facts := []tocsin.Fact{{Name: "Endpoint URL", Value: s.env.PublicURL}}
	if s.Listen != "" {
		endpoint = "http://" + s.Listen
		facts = append(facts, tocsin.Fact{Name: "Endpoint URL on this machine", Value: endpoint})
	}
	return append(facts,
		tocsin.Fact{Name: "Secret access key", Value: key},
		tocsin.Fact{Name: "Access key id", Value: "any"},
		tocsin.Fact{Name: "Targets", Value: "kept and listed, not called: routes say who is told"},
		tocsin.Fact{Name: "Try it", Value: fmt.Sprintf(
			`AWS_ACCESS_KEY_ID=tocsin AWS_SECRET_ACCESS_KEY='%s' aws events put-events --region us-east-1 --endpoint-url %s --entries '[{"Source":"my.app","DetailType":"test","Detail":"{}"}]'`,
			strings.ReplaceAll(key, "'", `'\''`), endpoint)},
	)
}
