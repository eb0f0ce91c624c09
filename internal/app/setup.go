package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

// newSetup makes what sets up sources and receivers of this App.
func (a *App) newSetup() *setup.Setup {
	o := setup.Options{
		File: a.o.File, Kinds: Kinds(), Store: a.store, Keys: a.keys, Now: a.o.Now, Log: a.o.Log,
		Config: a.config.Load, Live: a.live, Tell: a.tell,
		Explain: func(ctx context.Context, source string, raw []byte) (engine.Explanation, error) {
			return a.engine.ExplainFrom(ctx, source, raw)
		},
	}
	if a.o.Reload != nil {
		o.Reload = a.Reload
	}
	return setup.New(o)
}

// live are the sources that run, as they say of themselves.
func (a *App) live() map[string]setup.Live {
	all := map[string]setup.Live{}
	g := a.serving.Load()
	if g == nil {
		return all
	}
	for _, s := range g.sources {
		l := setup.Live{Status: func(ctx context.Context) collect.Status { return statusOf(ctx, s.collector) }}
		if d, ok := s.collector.(collect.Describer); ok {
			l.Describe = d.Describe
		}
		if posted, ok := s.collector.(interface {
			URL(reveal bool) string
			Token() string
			MadeToken() bool
		}); ok {
			l.URL, l.Token, l.Made = posted.URL, posted.Token, posted.MadeToken()
		}
		all[s.name] = l
	}
	return all
}

func statusOf(ctx context.Context, c collect.Collector) collect.Status {
	if r, ok := c.(collect.Reporter); ok {
		return r.Status(ctx)
	}
	return collect.Status{State: "ok"}
}

// tell sends a message by a receiver now, once, beside whatever it is owed.
func (a *App) tell(ctx context.Context, receiver string, m notify.Message) error {
	r, ok := a.serving.Load().answers.receivers[receiver]
	if !ok {
		return fmt.Errorf("receiver %s is not configured", receiver)
	}
	if p, ok := r.Notifier.(notify.Placed); ok && !p.Placed() {
		return errors.New("it tells people alone: its settings name no place where a message could go; send a code to a contact method instead")
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	m.ID, m.Receiver, m.Why, m.At = "test-"+rand.Text(), receiver, "test", tocsin.Millis(a.o.Now())
	_, err := r.Notifier.Notify(ctx, m)
	return err
}

// silent takes nothing: it stands in for a receiver that is disabled.
type silent struct{}

func (silent) Notify(context.Context, notify.Message) (string, error) {
	return "", notify.Permanent(engine.ErrDisabled)
}

// disabledFor is when senders to a source that is disabled may come again.
const disabledFor = time.Hour

// disabled answers for a source that takes nothing in: what is sent is not lost, since
// the sender is told to come again.
func disabled(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", strconv.Itoa(int(disabledFor.Seconds())))
	refuse(w, http.StatusServiceUnavailable, "the source is disabled")
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why}) // the sender may be gone
}

// keepKeys reads the tokens of sources again twice a minute, since another replica
// may have turned them over, and writes down when they were used.
func (a *App) keepKeys(ctx context.Context) {
	t := time.NewTicker(30 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := a.keys.Flush(end); err != nil {
				a.o.Log.Warn("when tokens were used last is not written down", "err", err)
			}
			return
		case <-t.C:
		}
		if err := a.keys.Refresh(ctx); err != nil && ctx.Err() == nil {
			a.o.Log.Warn("tokens are as they were read last", "err", err)
		}
	}
}

// adopt takes note of the sources of a configuration that came into force.
func (a *App) adopt(ctx context.Context, c *config.Config) error { return a.setup.Adopt(ctx, c) }
