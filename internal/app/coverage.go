package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// coverageKey is where the store keeps what is remembered of gaps.
const coverageKey = "coverage/gaps"

// watchEvery is how often places are judged.
const watchEvery = time.Minute

// A watcher judges again and again which accounts and regions are dark, remembers since
// when, and has people told of it as of anything else: by an event.
type watcher struct {
	app    *App
	began  time.Time // when it began to look; of the goroutine that runs it
	silent bool      // the last look failed, which was logged
	last   atomic.Pointer[coverage.Grid]
}

// run looks until ctx ends. What the configuration says is asked each time, so that a
// reload is in force with the next look.
func (w *watcher) run(ctx context.Context) {
	w.began = w.app.o.Now()
	for {
		w.told(ctx, w.look(ctx, w.app.o.Now()))
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchEvery):
		}
	}
}

// told logs when looking begins to fail, and when it works again.
func (w *watcher) told(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !w.silent:
		w.app.o.Log.ErrorContext(ctx, "nobody watches which accounts and regions are dark", "err", err)
	case err == nil && w.silent:
		w.app.o.Log.InfoContext(ctx, "accounts and regions are watched again")
	}
	w.silent = err != nil
}

// look judges once, notes what began and what ended, and hands on what people are to
// be told. When that could not be taken in, it is handed on again at the next look:
// what was is told once all the same, since its envelope is the same.
func (w *watcher) look(ctx context.Context, now time.Time) error {
	c := w.app.config.Load()
	if c.Coverage.Disabled {
		w.last.Store(nil)
		return nil
	}
	alerting := c.Coverage.Alert
	alerting.Began = w.began
	grid, before, err := judge(ctx, w.app.store, c, now)
	if err != nil {
		return err
	}
	w.last.Store(&grid)
	memory, err := w.remember(ctx, before, func(m coverage.Memory) coverage.Memory { return m.Note(grid, now).Gather(alerting, now) })
	if err != nil {
		return err
	}
	tidings := memory.Tidings(alerting, now)
	if len(tidings) == 0 {
		return nil
	}
	events := make([]tocsin.Event, len(tidings))
	for i, t := range tidings {
		events[i] = tocsin.Event{Source: coverage.Source, Via: tocsin.ViaCoverage, Envelope: t.Envelope, ReceivedAt: now, Raw: t.Raw}
	}
	if _, err := w.app.engine.Accept(ctx, events...); err != nil {
		return fmt.Errorf("tell of gaps: %w", err)
	}
	_, err = w.remember(ctx, memory, func(m coverage.Memory) coverage.Memory { return m.Told(tidings) })
	return err
}

// remember changes what is kept, and gives it as it is then. What another replica wrote
// since is not lost; nothing is written where nothing changes.
func (w *watcher) remember(ctx context.Context, before coverage.Memory, change func(coverage.Memory) coverage.Memory) (after coverage.Memory, err error) {
	was, err := json.Marshal(before)
	if err != nil {
		return after, fmt.Errorf("gaps: %w", err)
	}
	after = change(before)
	if is, err := json.Marshal(after); err != nil || bytes.Equal(was, is) {
		return after, err
	}
	err = w.app.store.Update(ctx, func(tx *store.Tx) error {
		kept, raw, err := readMemory(tx)
		if err != nil {
			return err
		}
		after = change(kept)
		is, err := json.Marshal(after)
		if err != nil || bytes.Equal(raw, is) {
			return err
		}
		return tx.Put(coverageKey, is)
	})
	if err != nil {
		return after, fmt.Errorf("remember gaps: %w", err)
	}
	return after, nil
}

func readMemory(tx *store.Tx) (m coverage.Memory, raw []byte, err error) {
	if raw, err = tx.Get(coverageKey); err != nil || raw == nil {
		return m, raw, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, raw, fmt.Errorf("%s: %w", coverageKey, err)
	}
	return m, raw, nil
}

// coverage is how every place stands now, for pages and API.
func (a *App) coverage(ctx context.Context) (coverage.Grid, error) {
	grid, _, err := judge(ctx, a.store, a.config.Load(), a.o.Now())
	return grid, err
}

// judge reads what there is to judge in one snapshot, and has it judged.
func judge(ctx context.Context, s *store.Store, c *config.Config, now time.Time) (coverage.Grid, coverage.Memory, error) {
	var world coverage.World
	err := s.View(ctx, func(tx *store.Tx) (err error) {
		world, err = readWorld(tx, c)
		return err
	})
	if err != nil {
		return coverage.Grid{}, coverage.Memory{}, fmt.Errorf("read what is known of accounts and regions: %w", err)
	}
	return coverage.Judge(world, now), world.Memory, nil
}

// readWorld reads what is judged. What a source saw or sent counts while the
// configuration has the source.
func readWorld(tx *store.Tx, c *config.Config) (coverage.World, error) {
	w := coverage.World{Accounts: make(map[string]tocsin.Account, len(c.Accounts)), Left: c.Left, Expect: c.Coverage.Expect}
	for id := range c.Accounts {
		w.Accounts[id] = c.Routes.Account(id) // with the team that owns it, whichever way
	}
	live := map[string]bool{}
	for _, s := range c.Sources {
		live[s.Name] = !s.Disabled
	}
	sightings, err := tx.Sightings("")
	if err != nil {
		return w, err
	}
	for _, s := range sightings {
		if live[s.Source] {
			w.Sightings = append(w.Sightings, s)
		}
	}
	canaries, err := tx.Canaries("")
	if err != nil {
		return w, err
	}
	for _, c := range canaries {
		if live[c.Source] {
			w.Canaries = append(w.Canaries, c)
		}
	}
	heard, err := tx.Coverage()
	if err != nil {
		return w, err
	}
	for _, h := range heard {
		w.Heard = append(w.Heard, coverage.Heard{Place: tocsin.Place{Account: h.Account, Region: h.Region}, Last: h.LastEvent, Events: h.Events})
	}
	w.Memory, _, err = readMemory(tx)
	return w, err
}

// tidings reads the events by which the watcher tells of gaps.
type tidings struct{}

var _ collect.Dialect = tidings{}

// Read reads one.
func (tidings) Read(_ string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	d, err := coverage.Read(raw)
	return collect.Reading{Detection: d}, err
}

// Describe and Collect make the watcher's last look metrics. No account or region is
// ever a label.

// A figure is one of them.
type figure struct {
	desc  *prometheus.Desc
	of    func(g *coverage.Grid, now time.Time) map[string]float64 // by label; "" without one
	label bool
}

func newFigure(name, help, label string, of func(g *coverage.Grid, now time.Time) map[string]float64) figure {
	var labels []string
	if label != "" {
		labels = []string{label}
	}
	return figure{prometheus.NewDesc(name, help, labels, nil), of, label != ""}
}

// alone is a figure without a label.
func alone(of func(g *coverage.Grid, now time.Time) (float64, bool)) func(*coverage.Grid, time.Time) map[string]float64 {
	return func(g *coverage.Grid, now time.Time) map[string]float64 {
		if v, ok := of(g, now); ok {
			return map[string]float64{"": v}
		}
		return nil
	}
}

// reconciled is a figure of what was compared, where anything was.
func reconciled(of func(r *coverage.Reconciliation) float64) func(*coverage.Grid, time.Time) map[string]float64 {
	return alone(func(g *coverage.Grid, _ time.Time) (float64, bool) {
		if g.Reconciliation == nil {
			return 0, false
		}
		return of(g.Reconciliation), true
	})
}

var figures = []figure{
	newFigure("tocsin_coverage_places", "Accounts and regions, by how they stand.", "state", func(g *coverage.Grid, _ time.Time) map[string]float64 {
		t := g.Totals
		return map[string]float64{
			string(coverage.Covered): float64(t.Covered - t.Warnings), string(coverage.Warned): float64(t.Warnings), string(coverage.Dark): float64(t.Gaps),
			string(coverage.Unknown): float64(t.Unknown), string(coverage.NotExpected): float64(t.NotExpected),
		}
	}),
	newFigure("tocsin_coverage_gaps", "Gaps and warnings of coverage, by kind.", "kind", func(g *coverage.Grid, _ time.Time) map[string]float64 {
		all := map[string]float64{}
		for _, k := range coverage.Kinds() {
			all[string(k.Kind)] = float64(g.Totals.Kinds[k.Kind])
		}
		return all
	}),
	newFigure("tocsin_coverage_oldest_gap_seconds", "For how long the oldest gap of coverage has been there, warnings left out; 0 if there is none.", "", alone(func(g *coverage.Grid, now time.Time) (float64, bool) {
		for _, gap := range g.Gaps { // gaps before warnings, the oldest first
			if gap.Severity == coverage.IsGap {
				return now.Sub(gap.Since).Seconds(), true
			}
		}
		return 0, true
	})),
	newFigure("tocsin_coverage_judged_timestamp_seconds", "When coverage was judged last, in seconds since 1970.", "", alone(func(g *coverage.Grid, _ time.Time) (float64, bool) {
		return float64(g.At.Unix()), true
	})),
	newFigure("tocsin_reconciliation_api", "Findings that GuardDuty has of the time that is compared.", "", reconciled(func(r *coverage.Reconciliation) float64 { return float64(r.API) })),
	newFigure("tocsin_reconciliation_received", "Those of them that arrived by event.", "", reconciled(func(r *coverage.Reconciliation) float64 { return float64(r.Received) })),
	newFigure("tocsin_reconciliation_pending", "Those that arrived, and of which something newer is not due.", "", reconciled(func(r *coverage.Reconciliation) float64 { return float64(r.Pending) })),
	newFigure("tocsin_reconciliation_suppressed", "Those that GuardDuty archived itself and never sends.", "", reconciled(func(r *coverage.Reconciliation) float64 { return float64(r.Suppressed) })),
	newFigure("tocsin_reconciliation_recovered", "Those that did not arrive and were fetched.", "", reconciled(func(r *coverage.Reconciliation) float64 { return float64(r.Recovered) })),
	newFigure("tocsin_reconciliation_unexplained", "Those that could not be had at all.", "", reconciled(func(r *coverage.Reconciliation) float64 { return float64(r.Unexplained) })),
	newFigure("tocsin_reconciliation_until_timestamp_seconds", "Until when all findings are compared, in seconds since 1970: the earliest of all places.", "", reconciled(func(r *coverage.Reconciliation) float64 { return float64(r.Until.Unix()) })),
}

// Describe names the metrics.
func (w *watcher) Describe(to chan<- *prometheus.Desc) {
	for _, f := range figures {
		to <- f.desc
	}
}

// Collect gives those of the last look; none before the first, and where nobody
// watches.
func (w *watcher) Collect(to chan<- prometheus.Metric) {
	g := w.last.Load()
	if g == nil {
		return
	}
	now := w.app.o.Now()
	for _, f := range figures {
		for label, v := range f.of(g, now) {
			if f.label {
				to <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, v, label)
			} else {
				to <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, v)
			}
		}
	}
}
