package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A pulse tells an outside monitor that tocsin works, again and again: a dead
// man's switch. It says nothing when it does not work, and the monitor alarms when
// it hears nothing.
type pulse struct {
	app    *App
	last   atomic.Int64 // when the monitor took one last, in seconds since 1970
	silent bool         // the last one was withheld or failed, which was logged
}

// run beats until ctx ends. What the configuration says is asked each time, so
// that a reload is in force with the next beat.
func (p *pulse) run(ctx context.Context) {
	for {
		every := time.Minute
		if h := p.app.config.Load().Heartbeat; h != nil {
			every = h.Every
			p.told(p.beat(ctx, *h))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

// beat tells the monitor, if everything works.
func (p *pulse) beat(ctx context.Context, h config.Heartbeat) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := p.app.works(ctx); err != nil {
		return fmt.Errorf("withheld: %w", err)
	}
	_, err := notify.Request{URL: h.URL.Reveal()}.Send(ctx, p.app.client(20*time.Second))
	if err == nil {
		p.last.Store(p.app.o.Now().Unix())
	}
	return err
}

// told logs when it begins to fail, and when it works again.
func (p *pulse) told(err error) {
	switch {
	case err != nil && !p.silent:
		p.app.o.Log.Error("no heartbeat: the monitor will alarm unless this ends", "err", err)
	case err == nil && p.silent:
		p.app.o.Log.Info("heartbeat again")
	}
	p.silent = err != nil
}

// clockStands is after how long a clock that did not turn is taken to stand.
const clockStands = 30 * time.Second

// works says what does not work of what has to: events can be taken in and kept,
// and the clock by which people are called turns.
func (a *App) works(ctx context.Context) error {
	now := a.o.Now()
	err := a.store.Update(ctx, func(tx *store.Tx) error {
		return tx.Put("heartbeat/last", []byte(now.UTC().Format(time.RFC3339)))
	})
	if err != nil {
		return fmt.Errorf("the store takes nothing: %w", err)
	}
	if name, ok := a.idle(); ok {
		return fmt.Errorf("source %s takes no events", name)
	}
	if name, ok := a.serving.Load().ended(); ok {
		return fmt.Errorf("source %s has ended", name)
	}
	if stood := time.Since(a.engine.Turned()); stood > clockStands {
		return errors.New("the clock that escalates has stood for " + stood.Round(time.Second).String())
	}
	return nil
}

// metric is when the monitor took a heartbeat last.
func (p *pulse) metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tocsin_heartbeat_last_success_timestamp_seconds", Help: "When the outside monitor took a heartbeat last, in seconds since 1970; 0 if never.",
	}, func() float64 { return float64(p.last.Load()) })
}
