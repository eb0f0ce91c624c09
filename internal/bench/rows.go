package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A taking is one way of posting to one server.
type taking struct {
	start   func(ctx context.Context, by around) (*server, error)
	by      around
	request func(n int) ([]byte, error)
	clients int
	// events is how many events there are in a request, 1 if 0; tells says that
	// each owes a notification.
	events int
	tells  bool
}

// rate is what a run came to.
type rate struct {
	perSecond    float64 // accepted
	perCPUSecond float64
	toldPerSec   float64 // accepted and told
}

// take posts n requests to a server of its own, after as many as it takes to be
// warm, and waits until everything was told.
func (b *bench) take(ctx context.Context, t taking, n int) (rate, error) {
	s, err := t.start(ctx, t.by)
	if err != nil {
		return rate{}, err
	}
	r, err := b.takeBy(s, t, n)
	if err != nil {
		return rate{}, fmt.Errorf("%s: %w\n%s", s.name, err, s.program.Tail())
	}
	return r, s.end()
}

func (b *bench) takeBy(s *server, t taking, n int) (rate, error) {
	events := max(1, t.events)
	if _, _, err := b.posted(s, t, max(t.clients, min(n/5, 1000))); err != nil {
		return rate{}, fmt.Errorf("warming up: %w", err)
	}
	before, err := s.cpu()
	if err != nil {
		return rate{}, err
	}
	accepting, all, err := b.posted(s, t, n)
	if err != nil {
		return rate{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return rate{}, err
	}
	used := after - before
	count := float64(n * events)
	return rate{
		perSecond: count / accepting.Seconds(), perCPUSecond: count / used.Seconds(), toldPerSec: count / all.Seconds(),
	}, nil
}

// posted posts n new requests and waits until all is told. Requests are made
// before the clock starts; the server idles meanwhile.
func (b *bench) posted(s *server, t taking, n int) (accepting, all time.Duration, err error) {
	first := b.next
	b.next += n
	requests, err := build(t.request, first, n)
	if err != nil {
		return 0, 0, err
	}
	run := b.recorder.expect(first, n)
	begin := time.Now()
	if _, err := post(s.program.Address, requests, t.clients); err != nil {
		return 0, 0, err
	}
	accepting = time.Since(begin)
	if t.tells && !run.wait(2*time.Minute) {
		return 0, 0, fmt.Errorf("told of %d of %d", run.told.Load(), n)
	}
	return accepting, time.Since(begin), nil
}

// rates measures takings in turn, as often as it takes, so that what else the
// machine does befalls them alike, and gives the medians.
func (b *bench) rates(ctx context.Context, n int, takings ...taking) ([]rate, error) {
	all := make([][]rate, len(takings))
	for range b.runs {
		for i, t := range takings {
			r, err := b.take(ctx, t, n)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], r)
		}
	}
	medians := make([]rate, len(takings))
	for i, rs := range all {
		medians[i] = rate{
			perSecond:    medianOf(rs, func(r rate) float64 { return r.perSecond }),
			perCPUSecond: medianOf(rs, func(r rate) float64 { return r.perCPUSecond }),
			toldPerSec:   medianOf(rs, func(r rate) float64 { return r.toldPerSec }),
		}
	}
	return medians, nil
}

// number is n, or less where it has to be quick.
func (b *bench) number(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}

// compare measures tocsin by HTTPS, and by SNS if it is asked for, and
// Alertmanager in the same way.
func (b *bench) compare(ctx context.Context, where string, by around, clients, n int, withSNS bool) error {
	names := []string{"HTTPS source"}
	takings := []taking{{b.startTocsin, by, eventRequest, clients, 1, true}}
	if withSNS {
		names = append(names, "signed SNS")
		takings = append(takings, taking{b.startTocsin, by, b.snsRequest, clients, 1, true})
	}
	if b.alertmanager != "" {
		takings = append(takings, taking{b.startAlertmanager, by, alertRequest, clients, 1, true})
	}
	rates, err := b.rates(ctx, n, takings...)
	if err != nil {
		return err
	}
	var theirs rate
	if b.alertmanager != "" {
		theirs = rates[len(rates)-1]
	}
	for i, name := range names {
		what := fmt.Sprintf("%s, %d clients%s: ", name, clients, where)
		b.add(what+"accepts/s", "%.0f", rates[i].perSecond, theirs.perSecond)
		b.add(what+"accepted and told/s", "%.0f", rates[i].toldPerSec, theirs.toldPerSec)
		b.add(what+"**accepts per CPU-second**, told included", "%.0f", rates[i].perCPUSecond, theirs.perCPUSecond)
	}
	return nil
}

func (b *bench) accepts(ctx context.Context) error {
	for _, clients := range []int{8, 64} {
		if err := b.compare(ctx, "", nil, clients, b.number(10_000, 1500), true); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) unmatched(ctx context.Context) error {
	for _, clients := range []int{8, 64} {
		rates, err := b.rates(ctx, b.number(30_000, 4000), taking{b.startTocsin, nil, unmatchedRequest, clients, 1, false})
		if err != nil {
			return err
		}
		what := fmt.Sprintf("no rule matches, %d clients: ", clients)
		b.add(what+"accepts/s", "%.0f", rates[0].perSecond, 0)
		b.add(what+"**accepts per CPU-second**", "%.0f", rates[0].perCPUSecond, 0)
	}
	rates, err := b.rates(ctx, b.number(600, 80), taking{b.startTocsin, nil, unmatchedRequests, 8, perRequest, false})
	if err != nil {
		return err
	}
	b.add("no rule matches, 8 clients, 100 events a request: events/s", "%.0f", rates[0].perSecond, 0)
	b.add("no rule matches, 8 clients, 100 events a request: **events per CPU-second**", "%.0f", rates[0].perCPUSecond, 0)
	return nil
}

func (b *bench) onOneCore(ctx context.Context) error {
	cores := runtime.NumCPU()
	if cores < 2 {
		return b.skip("one core", errors.New("the clients need a second one"))
	}
	if _, err := exec.LookPath(oneCore[0]); err != nil {
		return b.skip("one core", err)
	}
	if err := pin("1"); err != nil {
		return err
	}
	err := b.compare(ctx, ", one core", oneCore, 64, b.number(6000, 1000), false)
	if unpin := pin(fmt.Sprintf("0-%d", cores-1)); err == nil {
		err = unpin
	}
	return err
}

func (b *bench) onSlowDisk(ctx context.Context) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return b.skip("slow disk", err)
	}
	for _, delay := range []time.Duration{time.Millisecond, 4 * time.Millisecond} {
		for _, clients := range []int{8, 64} {
			rates, err := b.rates(ctx, b.number(6000, 600), taking{b.startTocsin, slowDisk(delay), eventRequest, clients, 1, true})
			if err != nil {
				return err
			}
			what := fmt.Sprintf("HTTPS source, %d clients, fsync +%v: ", clients, delay)
			b.add(what+"accepts/s", "%.0f", rates[0].perSecond, 0)
			b.add(what+"accepted and told/s", "%.0f", rates[0].toldPerSec, 0)
			b.add(what+"accepts per CPU-second", "%.0f", rates[0].perCPUSecond, 0)
		}
	}
	return nil
}

// skip says in the table what was not measured, and why.
func (b *bench) skip(what string, why error) error {
	fmt.Fprintf(b.progress, "!!! not measured: %s: %v\n", what, why)
	b.rows = append(b.rows, row{what, fmt.Sprintf("not measured: %v", why), "–", "–"})
	return nil
}

// latencies measures from when a POST is due to when the webhook is received.
func (b *bench) latencies(ctx context.Context) error {
	for _, perSecond := range []float64{200, 1000} {
		n := int(perSecond) * b.number(15, 2)
		var ours, theirs []latency
		for range b.runs {
			l, err := b.delays(ctx, b.startTocsin, eventRequest, perSecond, n)
			if err != nil {
				return err
			}
			ours = append(ours, l)
			if b.alertmanager == "" {
				continue
			}
			if l, err = b.delays(ctx, b.startAlertmanager, alertRequest, perSecond, n); err != nil {
				return err
			}
			theirs = append(theirs, l)
		}
		add := func(what string, of func(latency) float64) {
			b.add(what, "%.2f", medianOf(ours, of), medianOf(theirs, of))
		}
		what := fmt.Sprintf("POST → webhook received, %.0f/s: ", perSecond)
		add(what+"p50 ms", func(l latency) float64 { return l.p50 })
		add(what+"**p99 ms**", func(l latency) float64 { return l.p99 })
		add(fmt.Sprintf("POST → accepted, %.0f/s: p99 ms", perSecond), func(l latency) float64 { return l.ack99 })
	}
	return nil
}

// latency is in milliseconds.
type latency struct{ p50, p99, ack99 float64 }

// delays measures one run at a steady rate.
func (b *bench) delays(ctx context.Context, start func(context.Context, around) (*server, error), request func(int) ([]byte, error), perSecond float64, n int) (latency, error) {
	s, err := start(ctx, nil)
	if err != nil {
		return latency{}, err
	}
	if _, _, err := b.posted(s, taking{request: request, clients: 32, tells: true}, 500); err != nil {
		return latency{}, fmt.Errorf("%s: %w", s.name, err)
	}
	first := b.next
	b.next += n
	requests, err := build(request, first, n)
	if err != nil {
		return latency{}, err
	}
	run := b.recorder.expect(first, n)
	due, answered, err := offer(s.program.Address, requests, perSecond, 64, run.begin)
	if err != nil {
		return latency{}, fmt.Errorf("%s: %w", s.name, err)
	}
	if !run.wait(30 * time.Second) {
		return latency{}, fmt.Errorf("%s told of %d of %d", s.name, run.told.Load(), n)
	}
	told, acks := make([]time.Duration, n), make([]time.Duration, n)
	for i := range n {
		told[i], acks[i] = time.Duration(run.at[i].Load())-due[i], answered[i]-due[i]
	}
	const ms = float64(time.Millisecond)
	return latency{float64(quantile(told, .5)) / ms, float64(quantile(told, .99)) / ms, float64(quantile(acks, .99)) / ms}, s.end()
}

// memories measures what is in memory with many alerts open.
func (b *bench) memories(ctx context.Context) error {
	counts := []int{10_000, 100_000}
	if b.quick {
		counts = []int{3000}
	}
	ours, err := b.memory(ctx, taking{start: b.startTocsin, request: eventRequest}, counts)
	if err != nil {
		return err
	}
	theirs := make([]float64, len(counts))
	if b.alertmanager != "" {
		if theirs, err = b.memory(ctx, taking{start: b.startAlertmanager, request: alertRequest}, counts); err != nil {
			return err
		}
	}
	for i, n := range counts {
		b.add(fmt.Sprintf("memory with %d alerts open: MB", n), "%.0f", ours[i], theirs[i])
	}
	return nil
}

func (b *bench) memory(ctx context.Context, t taking, counts []int) ([]float64, error) {
	const step = 5000
	t.clients, t.tells = 64, true
	s, err := t.start(ctx, nil)
	if err != nil {
		return nil, err
	}
	var sizes []float64
	open := 0
	for _, want := range counts {
		for open < want {
			n := min(step, want-open)
			if _, _, err := b.posted(s, t, n); err != nil {
				return nil, fmt.Errorf("%s with %d open: %w", s.name, open, err)
			}
			open += n
		}
		time.Sleep(time.Duration(b.number(3, 1)) * time.Second) // let it come to rest
		rss, err := s.rss()
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, float64(rss)/(1<<20))
	}
	return sizes, s.end()
}

// losses kills each server with SIGKILL while it is posted to, starts it again
// and counts what of the accepted it still knows, and what was never told.
func (b *bench) losses(ctx context.Context) error {
	ours, err := b.lost(ctx, b.startTocsin, eventRequest, storedAlerts)
	if err != nil {
		return err
	}
	theirs := loss{}
	if b.alertmanager != "" {
		if theirs, err = b.lost(ctx, b.startAlertmanager, alertRequest, listedAlerts); err != nil {
			return err
		}
	}
	show := func(l loss, n int) string {
		if l.accepted == 0 {
			return "–"
		}
		return fmt.Sprintf("%d of %d", n, l.accepted)
	}
	b.rows = append(b.rows,
		row{"kill -9 under load: accepted alerts that it does not know after a restart", show(ours, ours.unknown), show(theirs, theirs.unknown), "–"},
		row{"kill -9 under load: accepted alerts that nobody was ever told of", show(ours, ours.untold), show(theirs, theirs.untold), "–"})
	return nil
}

type loss struct{ accepted, unknown, untold int }

func (b *bench) lost(ctx context.Context, start func(context.Context, around) (*server, error), request func(int) ([]byte, error), known func(context.Context, *server) (map[string]bool, error)) (loss, error) {
	s, err := start(ctx, nil)
	if err != nil {
		return loss{}, err
	}
	n := b.number(20_000, 5000)
	first := b.next
	b.next += n
	requests, err := build(request, first, n)
	if err != nil {
		return loss{}, err
	}
	run := b.recorder.expect(first, n)
	killed := make(chan error, 1)
	time.AfterFunc(700*time.Millisecond, func() { killed <- s.program.Kill() })
	accepted, _ := post(s.program.Address, requests, 64) // ends with the server
	if err := <-killed; err != nil {
		return loss{}, err
	}
	if err := s.program.Start(ctx); err != nil {
		return loss{}, err
	}
	run.wait(time.Duration(b.number(10, 2)) * time.Second) // it cannot be everything
	ids, err := known(ctx, s)
	if err != nil {
		return loss{}, err
	}
	var l loss
	for i, ok := range accepted {
		if !ok {
			continue
		}
		l.accepted++
		if !ids[rig.ID(first+i)] {
			l.unknown++
		}
		if run.at[i].Load() == 0 {
			l.untold++
		}
	}
	return l, s.end()
}

// storedAlerts are the findings that are in tocsin's store, once it is ended.
func storedAlerts(ctx context.Context, s *server) (map[string]bool, error) {
	if err := s.program.Kill(); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(s.dir, "data"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	ids := map[string]bool{}
	err = db.View(ctx, func(tx *store.Tx) error {
		for offset := 0; ; offset += 1000 {
			page, _, err := tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen}, Sort: "newest", Limit: 1000, Offset: offset})
			if err != nil || len(page) == 0 {
				return err
			}
			for _, a := range page {
				ids[a.Detection.ID] = true
			}
		}
	})
	return ids, err
}

// listedAlerts are the findings that Alertmanager lists.
func listedAlerts(ctx context.Context, s *server) (map[string]bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.program.Address+"/api/v2/alerts", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var alerts []struct {
		Labels map[string]string `json:"labels"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, a := range alerts {
		ids[a.Labels["finding_id"]] = true
	}
	return ids, nil
}
