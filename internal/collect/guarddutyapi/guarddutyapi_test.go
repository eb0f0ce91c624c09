package guarddutyapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi/guarddutytest"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
)

const (
	own   = guarddutytest.Own
	ember = "444455556666" // a member
	home  = "eu-west-1"
)

// noon is when the tests begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A world is an AWS, a journal and a source, each with the same clock.
type world struct {
	*guarddutytest.Fake
	clock atomic.Int64 // Unix milliseconds, of AWS
	ahead atomic.Int64 // by how much the clock here is wrong
	env   collect.Env
	state *collecttest.Memory

	mu      sync.Mutex // guards what follows
	journal map[tocsin.Key]tocsin.Held
	put     []tocsin.Event
	seen    map[string]tocsin.Sighting
	refuse  error // what the sink answers
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Fake: guarddutytest.New(), state: &collecttest.Memory{}, journal: map[tocsin.Key]tocsin.Held{}, seen: map[string]tocsin.Sighting{}}
	w.clock.Store(noon.UnixMilli())
	w.Now(w.now)
	w.Enable(guarddutytest.Detector{Account: own, Region: home, Frequency: "FIFTEEN_MINUTES"})
	w.env = collect.Env{
		Name: "audit", Log: slog.New(slog.DiscardHandler), HTTP: w.Client(), State: w.state,
		Now:  func() time.Time { return w.now().Add(time.Duration(w.ahead.Load())) },
		Held: w.held, Observe: w.observe,
	}
	return w
}

func (w *world) now() time.Time       { return time.UnixMilli(w.clock.Load()).UTC() }
func (w *world) pass(d time.Duration) { w.clock.Add(d.Milliseconds()) }

func (w *world) held(_ context.Context, keys []tocsin.Key) (map[tocsin.Key]tocsin.Held, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := map[tocsin.Key]tocsin.Held{}
	for _, k := range keys {
		if h, ok := w.journal[k]; ok {
			held[k] = h
		}
	}
	return held, nil
}

func (w *world) observe(_ context.Context, seen ...tocsin.Sighting) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range seen {
		w.seen[string(s.Kind)+" "+s.Account+" "+s.Region] = s
	}
	return nil
}

// sink keeps events as the journal does.
func (w *world) sink(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return nil, w.refuse
	}
	for _, ev := range events {
		ev.Raw = slices.Clone(ev.Raw)
		w.put = append(w.put, ev)
		w.take(ev.Via, ev.Raw)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

func (w *world) take(via string, raw []byte) {
	f, ok, err := guardduty.Read(raw)
	if !ok || err != nil {
		panic(fmt.Sprintf("%s: %v", raw, err))
	}
	h, version := w.journal[f.Key()], f.Version()
	if version.After(h.Newest) {
		h.Newest = version
	}
	if tocsin.Pushed(via) && version.After(h.Pushed) {
		h.Pushed = version
	}
	w.journal[f.Key()] = h
}

// arrive has findings arrive by event.
func (w *world) arrive(findings ...guarddutytest.Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range findings {
		w.take("sqs", f.Event(own))
	}
}

// has has the journal know of findings that came, without their events.
func (w *world) has(findings ...guarddutytest.Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range findings {
		w.journal[tocsin.KeyOf("aws", f.Account, f.Region, f.ID)] = tocsin.Held{Newest: f.Updated, Pushed: f.Updated}
	}
}

// recovered are the ids of the findings that were put through, in order.
func (w *world) recovered() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for _, ev := range w.put {
		f, _, _ := guardduty.Read(ev.Raw)
		ids = append(ids, f.Brief().ID)
	}
	return ids
}

// reconciled is the last comparison of a place.
func (w *world) reconciled(t *testing.T, account string) tocsin.Reconciliation {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.seen["reconciliation "+account+" "+home]
	if !ok || s.Reconciliation == nil {
		t.Fatalf("nothing was said of %s in %s; there is %v", account, home, w.seen)
	}
	r := *s.Reconciliation
	if sum := r.Received + r.Pending + r.Suppressed + r.Recovered + r.Unexplained; sum != r.API {
		t.Errorf("%s: received %d + pending %d + suppressed %d + recovered %d + unexplained %d = %d, and the API has %d", account, r.Received, r.Pending, r.Suppressed, r.Recovered, r.Unexplained, sum, r.API)
	}
	return r
}

func (w *world) saw(kind tocsin.SightingKind, account, region string) tocsin.Sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[string(kind)+" "+account+" "+region]
}

func settings() guarddutyapi.Config {
	return guarddutyapi.Config{
		Regions: []string{home}, Every: 15 * time.Minute, Overlap: 30 * time.Minute, Lookback: 24 * time.Hour, Grace: 15 * time.Minute, Concurrency: 8,
		Settings: guarddutytest.Settings(guarddutytest.URL),
	}
}

func (w *world) source(t *testing.T, change func(*guarddutyapi.Config)) *guarddutyapi.Source {
	t.Helper()
	c := settings()
	if change != nil {
		change(&c)
	}
	s, err := guarddutyapi.New(c, w.env)
	if err != nil {
		t.Fatal(err)
	}
	s.Hurry()
	return s
}

func (w *world) round(t *testing.T, s *guarddutyapi.Source) {
	t.Helper()
	if err := s.Round(t.Context(), w.sink); err != nil {
		t.Fatal(err)
	}
}

// made is the n-th finding, that changed so long ago.
func made(n int, at time.Time) guarddutytest.Finding {
	return guarddutytest.Finding{ID: guarddutytest.FindingID(n), Account: own, Region: home, Created: at, Updated: at}
}

func many(n int, from time.Time, step time.Duration) []guarddutytest.Finding {
	all := make([]guarddutytest.Finding, n)
	for i := range all {
		all[i] = made(i, from.Add(time.Duration(i)*step))
	}
	return all
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func counts(t *testing.T, got tocsin.Reconciliation, want tocsin.Reconciliation) {
	t.Helper()
	got.From, got.Until, got.Every = time.Time{}, time.Time{}, 0
	if got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "audit", Via: tocsin.ViaReconcile, Single: true, Anything: true,
		Event: func(i int) []byte { return made(i, noon.Add(-20*time.Minute)).Wire() },
		Start: func(t *testing.T, sink collect.Sink) *collecttest.Running {
			w := newWorld(t)
			s := w.source(t, nil)
			ctx, cancel := context.WithCancel(context.Background())
			t.Cleanup(cancel)
			var under sync.WaitGroup
			var turns sync.Mutex
			return &collecttest.Running{
				Once: true,
				Send: func(body []byte) collecttest.Answer {
					under.Add(1)
					defer under.Done()
					turns.Lock()
					defer turns.Unlock()
					if err := w.PutRaw(body); err != nil { // which no finding of GuardDuty's is like
						f := made(99, noon.Add(-20*time.Minute))
						f.Domain = string(body)
						w.Put(f)
					}
					kept := func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
						receipts, err := sink(ctx, events...)
						if err == nil {
							_, err = w.sink(ctx, events...)
						}
						return receipts, err
					}
					if err := s.Round(ctx, kept); err != nil || ctx.Err() != nil {
						return collecttest.TryAgain
					}
					return collecttest.Received
				},
				Stop: func() error {
					cancel()
					under.Wait()
					return nil
				},
			}
		},
	})
}

func TestThreeOfAThousandThatNeverCameAreRecoveredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := many(1000, noon.Add(-3*time.Hour), 5*time.Second)
	all[500].Updated, all[500].Created = all[499].Updated, all[499].Created // the same time of change
	w.Put(all...)
	dropped := map[int]bool{49: true, 50: true, 500: true} // on two sides of a page, and one of two at the same time
	for i, f := range all {
		if !dropped[i] {
			w.arrive(f)
		}
	}
	s := w.source(t, nil)
	for range 4 {
		w.round(t, s)
		w.pass(15 * time.Minute)
	}
	same(t, "recovered", w.recovered(), all[49].ID, all[50].ID, all[500].ID)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1000, Received: 997, Recovered: 3})
	for _, ev := range w.put {
		f, _, _ := guardduty.Read(ev.Raw)
		i := slices.IndexFunc(all, func(g guarddutytest.Finding) bool { return g.ID == f.Brief().ID })
		if string(ev.Raw) != string(all[i].Wire()) || ev.Via != "reconcile" || ev.Envelope != all[i].ARN()+"@"+guarddutytest.Time(all[i].Updated) || ev.Source != "audit" {
			t.Errorf("put through as %+v: %s", ev, ev.Raw)
		}
	}
	if got := s.Status(t.Context()); got.State != "ok" || got.Lines[0].Name != "Checked until" || got.Lines[0].Value != "2026-03-01T12:44:55Z: received 997, API 1000, recovered 3, pending 0, suppressed 0, unexplained 0" {
		t.Errorf("Status = %+v", got)
	}
}

var errDisk = errors.New("the disk is full")
