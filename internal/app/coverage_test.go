package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// noon is when it is looked at first.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A covering is a program whose clock stands, with what sources saw.
type covering struct {
	*App
	t   *testing.T
	now time.Time
}

const watchedPlaces = `
listen: 127.0.0.1:0
sources: {events: {https: {token: 0123456789abcdef}}, off: {https: {token: 0123456789abcdef}, disabled: true}}
accounts:
  "111122223333": {name: security, team: soc}
  "444455556666": {name: payments, team: payments}
rules: [{use: guardduty}]
fallback: terminal
receivers: {terminal: {console: {}}}
coverage: {regions: [eu-west-1, eu-west-3]}
`

func newCovering(t *testing.T, text string) *covering {
	t.Helper()
	c, err := config.Parse("tocsin.yml", []byte(text), Kinds())
	if err != nil {
		t.Fatal(err)
	}
	c.Store = "sqlite:" + t.TempDir()
	h := &covering{t: t, now: noon}
	if h.App, err = New(t.Context(), Options{Config: c, Now: func() time.Time { return h.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.close() })
	return h
}

// saw keeps sightings of now.
func (h *covering) saw(source string, all ...tocsin.Sighting) {
	h.t.Helper()
	for i := range all {
		all[i].Source, all[i].At = source, h.now
	}
	if err := h.store.Update(h.t.Context(), func(tx *store.Tx) error { return tx.Observe(all...) }); err != nil {
		h.t.Fatal(err)
	}
}

// organisation is seen as it is: the first account administers the second, of whose
// detector in eu-west-3 it says whether it is enabled.
func (h *covering) organisation(enabled bool) {
	const admin, payments = "111122223333", "444455556666"
	for _, region := range []string{"eu-west-1", "eu-west-3"} {
		h.saw("events",
			tocsin.Sighting{Kind: tocsin.SawDetector, Place: tocsin.Place{Account: admin, Region: region}, Detector: &tocsin.Detector{ID: "12abc", Enabled: true, Frequency: "FIFTEEN_MINUTES"}},
			tocsin.Sighting{Kind: tocsin.SawDetector, Place: tocsin.Place{Account: payments, Region: region}, Detector: &tocsin.Detector{ID: "34def", Enabled: enabled || region == "eu-west-1", Administrator: admin, Relationship: "Enabled"}},
			tocsin.Sighting{Kind: tocsin.SawReconciliation, Place: tocsin.Place{Account: admin, Region: region}, Reconciliation: &tocsin.Reconciliation{From: h.now.Add(-time.Hour), Until: h.now, Every: 15 * time.Minute, API: 10, Received: 10}},
		)
	}
}

// look goes on by a time and looks.
func (h *covering) look(later time.Duration) {
	h.t.Helper()
	h.now = h.now.Add(later)
	if err := h.watch.look(h.t.Context(), h.now); err != nil {
		h.t.Fatal(err)
	}
}

// alerts are those that are there, with their keys and statuses.
func (h *covering) alerts() (all []tocsin.Alert) {
	h.t.Helper()
	err := h.store.View(h.t.Context(), func(tx *store.Tx) (err error) {
		all, _, err = tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked, tocsin.StatusClosed}, Limit: 100})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// metric is the value of one, with its labels.
func (h *covering) metric(name string) string {
	h.t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		h.t.Fatalf("metrics: %d %s", w.Code, w.Body)
	}
	for line := range strings.Lines(w.Body.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A detector is disabled: people are told a quarter of an hour later, once, by an alert
// of the account's team, and of its end.
func TestADarkRegionIsAnAlert(t *testing.T) {
	t.Parallel()
	h := newCovering(t, watchedPlaces)
	h.organisation(true)
	h.look(0)
	if got := h.metric(`tocsin_coverage_places{state="covered"}`); got != "4" {
		t.Errorf("covered places = %q, want 4", got)
	}
	h.organisation(false)
	h.look(time.Minute)
	h.look(14 * time.Minute)
	if all := h.alerts(); len(all) != 0 {
		t.Fatalf("told before its time: %+v", all)
	}
	h.organisation(false)
	h.look(time.Minute)
	h.look(time.Minute) // and not again
	all := h.alerts()
	if len(all) != 1 {
		t.Fatalf("%d alerts, want one", len(all))
	}
	a := all[0]
	if a.Key != "coverage/444455556666/eu-west-3/detector-disabled" || a.Headline != "eu-west-3 of payments is dark: its detector is disabled" || a.Level != tocsin.High || a.Status != tocsin.StatusOpen || a.Events != 1 {
		t.Errorf("alert = %s %q %s %s of %d events", a.Key, a.Headline, a.Level, a.Status, a.Events)
	}
	for name, want := range map[string]string{
		`tocsin_coverage_places{state="gap"}`: "1", `tocsin_coverage_gaps{kind="detector-disabled"}`: "1", `tocsin_coverage_gaps{kind="no-rule"}`: "0",
		`tocsin_coverage_oldest_gap_seconds`: "960", `tocsin_reconciliation_api`: "20", `tocsin_reconciliation_unexplained`: "0",
	} {
		if got := h.metric(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	h.organisation(true)
	h.look(time.Minute)
	if a := h.alerts()[0]; a.Status != tocsin.StatusClosed || a.CloseReason != tocsin.ReasonRecovered {
		t.Errorf("after its end it is %s (%s), want closed", a.Status, a.CloseReason)
	}
	h.organisation(false)
	h.look(time.Hour)
	h.organisation(false)
	h.look(15 * time.Minute)
	if all := h.alerts(); len(all) != 2 || all[0].Status != tocsin.StatusOpen && all[1].Status != tocsin.StatusOpen {
		t.Errorf("when it is dark again there are %d alerts, want a second one that is open", len(all))
	}
}

// That tocsin itself tells of a place is no sign of life from there.
func TestAnAlertOfCoverageIsNoEventOfThePlace(t *testing.T) {
	t.Parallel()
	h := newCovering(t, watchedPlaces)
	h.organisation(false)
	h.look(0)
	h.organisation(false)
	h.look(20 * time.Minute)
	if len(h.alerts()) != 1 {
		t.Fatal("there is no alert")
	}
	g, err := h.coverage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, c, ok := g.Place("444455556666", "eu-west-3"); !ok || !c.LastEvent.IsZero() || c.State != coverage.Dark {
		t.Errorf("the dark place is %s, with a last event at %v", c.State, c.LastEvent)
	}
}

// Two programs on one memory tell of a gap once.
func TestReplicasTellOfAGapOnce(t *testing.T) {
	t.Parallel()
	h := newCovering(t, watchedPlaces)
	h.organisation(false)
	other := &watcher{app: h.App}
	h.look(0)
	h.organisation(false)
	h.now = h.now.Add(20 * time.Minute)
	before, _, err := memoryOf(t, h)
	if err != nil {
		t.Fatal(err)
	}
	h.look(0)
	// The other one was as far before the first had written down that it told.
	if err := h.store.Update(t.Context(), func(tx *store.Tx) error { return tx.Put(coverageKey, before) }); err != nil {
		t.Fatal(err)
	}
	if err := other.look(t.Context(), h.now); err != nil {
		t.Fatal(err)
	}
	if all := h.alerts(); len(all) != 1 || all[0].Events != 1 {
		t.Errorf("%d alerts, the first of %d events; want one of one", len(all), all[0].Events)
	}
}

func memoryOf(t *testing.T, h *covering) (raw []byte, m coverage.Memory, err error) {
	t.Helper()
	err = h.store.View(t.Context(), func(tx *store.Tx) error {
		m, raw, err = readMemory(tx)
		return err
	})
	return raw, m, err
}

// What a source saw that is no more, or that is disabled, says nothing of today.
func TestOnlySourcesThatAreThereCount(t *testing.T) {
	t.Parallel()
	h := newCovering(t, watchedPlaces)
	dark := tocsin.Sighting{Kind: tocsin.SawDetector, Place: tocsin.Place{Account: "444455556666", Region: "eu-west-1"}, Detector: &tocsin.Detector{}}
	h.saw("gone", dark)
	h.saw("off", dark)
	h.look(0)
	g, err := h.coverage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Gaps) != 0 {
		t.Errorf("gaps: %+v", g.Gaps)
	}
	if a, _, _ := g.Place("444455556666", ""); a.Team != "payments" || g.Totals.Unknown != 4 {
		t.Errorf("team %q, totals %+v", a.Team, g.Totals)
	}
}

func TestNobodyWatchesWhereCoverageIsDisabled(t *testing.T) {
	t.Parallel()
	h := newCovering(t, strings.Replace(watchedPlaces, "coverage: {", "coverage: {disabled: true, ", 1))
	h.organisation(false)
	h.look(0)
	h.look(time.Hour)
	if all := h.alerts(); len(all) != 0 || h.metric("tocsin_coverage_oldest_gap_seconds") != "" {
		t.Errorf("%d alerts, and the oldest gap is %q", len(all), h.metric("tocsin_coverage_oldest_gap_seconds"))
	}
	h.organisation(false)
	g, err := h.coverage(t.Context())
	if err != nil || g.Totals.Gaps != 1 {
		t.Errorf("the page shows %d gaps, %v; want one all the same", g.Totals.Gaps, err)
	}
}

// What the memory has is unreadable: that is said, and nothing is overwritten.
func TestAMemoryThatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	h := newCovering(t, watchedPlaces)
	if err := h.store.Update(t.Context(), func(tx *store.Tx) error { return tx.Put(coverageKey, []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	if err := h.watch.look(t.Context(), h.now); err == nil || !strings.Contains(err.Error(), coverageKey) {
		t.Errorf("look = %v", err)
	}
}

func TestThePageAndTheAPIShowTheSame(t *testing.T) {
	t.Parallel()
	h := newCovering(t, watchedPlaces)
	h.organisation(false)
	for path, want := range map[string]string{
		"/coverage":                        "3 of 4 places are covered",
		"/coverage/444455556666/eu-west-3": "The detector 34def is disabled.",
		"/coverage.csv":                    "444455556666,payments,,payments,,,eu-west-3,gap,",
		"/api/coverage?gaps=true":          `"kind":"detector-disabled"`,
		"/sources":                         "Sources",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "127.0.0.1"
		if h.pages().ServeHTTP(w, r); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s answers %d and does not say %q", path, w.Code, want)
		}
	}
}
