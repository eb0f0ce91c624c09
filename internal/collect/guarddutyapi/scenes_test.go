package guarddutyapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi/guarddutytest"
)

func ids(findings ...guarddutytest.Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(all, f.ID)
	}
	return all
}

func TestManyFindingsOfTheSameMillisecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := noon.Add(-time.Hour)
	all := many(1234, at, 0)
	w.Put(all...)
	s := w.source(t, nil)
	w.round(t, s)
	same(t, "recovered", w.recovered(), ids(all...)...)
	w.pass(15 * time.Minute)
	w.round(t, s)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1234, Recovered: 1234})
}

func TestMoreOfOneMillisecondThanIsListedIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(many(1001, noon.Add(-time.Hour), 0)...)
	w.Cap(1000)
	s := w.source(t, nil)
	w.round(t, s)
	if st := s.Status(t.Context()); st.State != "failing" || !strings.Contains(fmt.Sprint(st.Lines), "more than 1,000 findings changed within a millisecond") {
		t.Errorf("Status = %+v", st)
	}
}

// The console's listing ends after 1,000 results.
func TestAListingThatIsCutOffIsHalved(t *testing.T) {
	t.Parallel()
	n := 20_000
	if testing.Short() || raced {
		n = 6_000
	}
	w := newWorld(t)
	w.Cap(1000)
	all := many(n, noon.Add(-2*time.Hour), 100*time.Millisecond)
	w.Put(all...)
	w.has(all[:n-3]...)
	s := w.source(t, nil)
	w.round(t, s)
	same(t, "recovered", w.recovered(), ids(all[n-3:]...)...)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: int64(n), Received: int64(n - 3), Recovered: 3})
}

// What changes goes to the end of the order, and everything behind it moves up: a page
// later than that begins too late.
func TestFindingsThatChangeWhileTheyAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := many(400, noon.Add(-time.Hour), time.Second)
	w.Put(all...)
	next := 0
	w.After(func(c guarddutytest.Call) {
		if c.Operation != "ListFindings" || next >= 40 {
			return
		}
		for range 7 { // of the first pages, which were listed
			f := all[next]
			f.Updated = w.now()
			w.Put(f)
			next++
		}
	})
	s := w.source(t, nil)
	w.round(t, s)
	w.pass(15 * time.Minute)
	w.round(t, s)
	w.pass(15 * time.Minute)
	w.round(t, s)
	got := w.recovered()
	slices.Sort(got)
	same(t, "put through", slices.Compact(got), ids(all...)...)
	if w.reconciled(t, own).API != 400 {
		t.Errorf("counts %+v", w.reconciled(t, own))
	}
}

func TestAClockThatIsWrongByAnHourSkipsNothing(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.ahead.Store(int64(ahead))
			s := w.source(t, nil)
			var all []guarddutytest.Finding
			for i := range 12 { // one in each 15 minutes, none of which arrives
				f := made(i, w.now().Add(-30*time.Second))
				all = append(all, f)
				w.Put(f)
				w.round(t, s)
				w.pass(15 * time.Minute)
			}
			w.pass(time.Minute)
			w.round(t, s)
			same(t, "recovered", w.recovered(), ids(all...)...)
			r := w.reconciled(t, own)
			if until := w.now().Add(-5 * time.Second); r.Until.Sub(until).Abs() > time.Second {
				t.Errorf("checked until %v, want %v by the clock of AWS", r.Until, until)
			}
			counts(t, r, tocsin.Reconciliation{API: 12, Recovered: 12})
		})
	}
}

func TestACursorOfAWrongClockIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.source(t, nil)
	w.pass(100 * time.Hour) // for a while the clock, of AWS here, is wrong
	w.round(t, s)
	w.pass(-100 * time.Hour)
	f := made(1, w.now().Add(-20*time.Minute))
	w.Put(f)
	w.round(t, w.source(t, nil))
	same(t, "recovered", w.recovered(), f.ID)
}

func TestALostCursorDoublesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := many(30, noon.Add(-5*time.Hour), time.Minute)
	w.Put(all...)
	w.arrive(all[:20]...)
	w.round(t, w.source(t, nil))
	before := w.reconciled(t, own)
	for _, key := range []string{"ledger/" + own + "/" + home, "lease", "summary"} {
		if err := w.state.Save(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.round(t, w.source(t, nil))
	same(t, "recovered", w.recovered(), ids(all[20:]...)...)
	counts(t, before, tocsin.Reconciliation{API: 30, Received: 20, Recovered: 10})
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 30, Received: 20, Recovered: 10})
}

func TestALedgerThatCannotBeReadIsBegunAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := made(1, noon.Add(-time.Hour))
	w.Put(f)
	if err := w.state.Save(t.Context(), "ledger/"+own+"/"+home, []byte("no ledger")); err != nil {
		t.Fatal(err)
	}
	w.round(t, w.source(t, nil))
	same(t, "recovered", w.recovered(), f.ID)
}

func TestAnEndBetweenTheSinkAndTheCursorDoublesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := many(60, noon.Add(-time.Hour), time.Second)
	w.Put(all...)
	err := w.source(t, nil).Round(t.Context(), func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		receipts, err := w.sink(ctx, events...)
		w.state.Fail(errDisk) // the very moment after it was kept
		return receipts, err
	})
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("Round = %v, want that the disk is full", err)
	}
	w.state.Fail(nil)
	w.round(t, w.source(t, nil))
	same(t, "recovered", w.recovered(), ids(all...)...)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 60, Recovered: 60})
}

func TestASinkThatTakesNothingKeepsTheCursorWhereItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := made(1, noon.Add(-time.Hour))
	w.Put(f)
	s := w.source(t, func(c *guarddutyapi.Config) { c.Overlap = 0 })
	w.refuse = errDisk
	for range 3 {
		if err := s.Round(t.Context(), w.sink); err == nil {
			t.Error("Round = nil, want that the disk is full")
		}
		w.pass(15 * time.Minute)
	}
	w.refuse = nil
	w.round(t, s)
	same(t, "recovered", w.recovered(), f.ID)
}

func TestOneRegionThatIsThrottledKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Enable(guarddutytest.Detector{Account: own, Region: "us-east-1", Frequency: "FIFTEEN_MINUTES"})
	here, there := made(1, noon.Add(-time.Hour)), made(2, noon.Add(-time.Hour))
	there.Region = "us-east-1"
	w.Put(here, there)
	var throttled atomic.Bool
	throttled.Store(true)
	w.Fail(func(c guarddutytest.Call) *guarddutytest.Fault {
		if c.Region == home && c.Operation == "ListFindings" && throttled.Load() {
			return guarddutytest.Throttled()
		}
		return nil
	})
	s := w.source(t, func(c *guarddutyapi.Config) { c.Regions, c.Concurrency = []string{home, "us-east-1"}, 1 })
	w.round(t, s)
	same(t, "recovered", w.recovered(), there.ID)
	st := s.Status(t.Context())
	if st.State != "failing" || !strings.Contains(fmt.Sprint(st.Lines), "{"+own+" "+home+" failing since") || !strings.Contains(fmt.Sprint(st.Lines), "Rate exceeded") {
		t.Errorf("Status = %+v", st)
	}
	if e := w.saw(tocsin.SawReconciliation, own, home).Error; !strings.Contains(e, "TooManyRequestsException") {
		t.Errorf("sighting says %q", e)
	}
	throttled.Store(false)
	w.round(t, s)
	same(t, "recovered", w.recovered(), here.ID, there.ID)
	if st := s.Status(t.Context()); st.State != "ok" {
		t.Errorf("Status = %+v", st)
	}
}

func TestEveryThirdCallIsThrottled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := many(300, noon.Add(-time.Hour), time.Second)
	w.Put(all...)
	var n atomic.Int64
	w.Fail(func(guarddutytest.Call) *guarddutytest.Fault {
		if n.Add(1)%3 == 0 {
			return guarddutytest.Throttled()
		}
		return nil
	})
	s := w.source(t, nil)
	w.round(t, s)
	same(t, "recovered", w.recovered(), ids(all...)...)
}

func TestOfTwoReplicasOneCompares(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(many(10, noon.Add(-time.Hour), time.Second)...)
	one, two := w.source(t, nil), w.source(t, nil)
	if wait := one.Turn(t.Context(), w.sink); wait != 15*time.Minute {
		t.Errorf("the next turn is in %v, want 15m", wait)
	}
	w.Forget()
	if wait := two.Turn(t.Context(), w.sink); wait <= 14*time.Minute || wait > 15*time.Minute || len(w.Calls()) != 0 {
		t.Errorf("the other replica waits %v and asked %d times, want nearly 15m and never", wait, len(w.Calls()))
	}
	w.pass(15 * time.Minute)
	two.Turn(t.Context(), w.sink)
	if len(w.Calls()) == 0 {
		t.Error("nobody compares any more")
	}
	// One that has it and died leaves it to the other.
	w.pass(15 * time.Minute)
	hang, release := make(chan struct{}), make(chan struct{})
	w.After(func(guarddutytest.Call) {
		w.After(nil)
		close(hang)
		<-release
	})
	ended := make(chan struct{})
	go func() { defer close(ended); one.Turn(t.Context(), w.sink) }()
	<-hang
	w.Forget()
	if wait := two.Turn(t.Context(), w.sink); len(w.Calls()) != 0 || wait > 3*time.Minute {
		t.Errorf("while one compares the other waits %v and asked %d times", wait, len(w.Calls()))
	}
	w.pass(3 * time.Minute) // no sign of life
	two.Turn(t.Context(), w.sink)
	if len(w.Calls()) == 0 {
		t.Error("nobody compares since one of them died")
	}
	close(release)
	<-ended
	same(t, "recovered", w.recovered(), ids(many(10, noon, 0)...)...)
}

func TestAfterARestartWhatWaitsInQueuesHasTimeToArrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.source(t, nil).Turn(t.Context(), w.sink)
	w.pass(2 * time.Hour) // nobody is there
	f, lost := made(1, w.now().Add(-time.Hour)), made(2, w.now().Add(-time.Hour))
	w.Put(f, lost)
	s := w.source(t, nil)
	s.Turn(t.Context(), w.sink)
	same(t, "recovered at once", w.recovered())
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 2, Pending: 2})
	w.pass(5 * time.Minute)
	w.arrive(f) // from the queue
	w.pass(11 * time.Minute)
	s.Turn(t.Context(), w.sink)
	same(t, "recovered", w.recovered(), lost.ID)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 2, Received: 1, Recovered: 1})
}

func TestEachAccountIsLookedAtByItsOwnRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	accounts := []string{own, ember, "777788889999"}
	for _, a := range accounts {
		w.Role("arn:aws:iam::"+a+":role/tocsin-read", "x4711")
		w.Enable(guarddutytest.Detector{Account: a, Region: home})
		f := made(len(w.Calls()), noon.Add(-time.Hour))
		f.Account, f.ID = a, guarddutytest.FindingID(int(a[0]))
		w.Put(f)
	}
	s := w.source(t, func(c *guarddutyapi.Config) { c.Accounts, c.Role, c.ExternalID = accounts, "tocsin-read", "x4711" })
	w.round(t, s)
	for _, a := range accounts {
		counts(t, w.reconciled(t, a), tocsin.Reconciliation{API: 1, Recovered: 1})
		if w.saw(tocsin.SawDetector, a, home).Detector.ID != guarddutytest.DetectorID(a, home) {
			t.Errorf("detector of %s: %+v", a, w.saw(tocsin.SawDetector, a, home))
		}
	}
	for _, c := range w.Calls() {
		if c.Service == "guardduty" && c.Role != "arn:aws:iam::"+c.Account+":role/tocsin-read" {
			t.Errorf("%s of %s was asked as %q", c.Operation, c.Account, c.Role)
		}
	}

	s = w.source(t, func(c *guarddutyapi.Config) {
		c.Accounts, c.Role, c.ExternalID = accounts, "arn:aws:iam::{account}:role/tocsin-read", "a wrong one"
	})
	w.round(t, s)
	st := fmt.Sprint(s.Status(t.Context()))
	if !strings.Contains(st, "allow sts:AssumeRole on arn:aws:iam::444455556666:role/tocsin-read") || strings.Contains(st, "a wrong one") {
		t.Errorf("Status = %s", st)
	}
}

// An administrator's detector has its members' findings, and imposes its period.
func TestADelegatedAdministratorSpeaksForItsMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Enable(guarddutytest.Detector{
		Account: own, Region: home, Frequency: "ONE_HOUR", Features: map[string]bool{"S3_DATA_EVENTS": true, "RDS_LOGIN_EVENTS": false},
		Members: []guarddutytest.Member{
			{Account: ember, Features: map[string]bool{"S3_DATA_EVENTS": true}},
			{Account: "555566667777", Relationship: "Removed"},
			{Account: "666677778888"},
		},
		Exports: []guarddutytest.Export{{Bucket: "arn:aws:s3:::findings"}},
		IPSets:  []string{"office"}, ThreatIntelSets: []string{"tor"}, ThreatEntitySets: []string{"miners"}, TrustedEntitySets: []string{"partners"},
	})
	w.Enable(guarddutytest.Detector{Account: ember, Region: home})
	var all []guarddutytest.Finding
	for i, a := range []string{own, ember, ember, "666677778888"} {
		f := made(i, noon.Add(-time.Hour))
		f.Account = a
		all = append(all, f)
	}
	w.Put(all...)
	w.arrive(all[0], all[1])
	s := w.source(t, nil)
	w.round(t, s)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1, Received: 1})
	counts(t, w.reconciled(t, ember), tocsin.Reconciliation{API: 2, Received: 1, Recovered: 1})
	counts(t, w.reconciled(t, "666677778888"), tocsin.Reconciliation{API: 1, Recovered: 1})
	if r := w.reconciled(t, ember); r.Every != 15*time.Minute || !r.From.Equal(noon.Add(-24*time.Hour)) || !r.Until.Equal(noon.Add(-5*time.Second)) {
		t.Errorf("it covers %+v", r)
	}
	if s := w.saw(tocsin.SawReconciliation, "555566667777", home); s.Reconciliation != nil {
		t.Errorf("of a member that was removed: %+v, want nothing: its findings are not there", s)
	}
	for account, want := range map[string]tocsin.Detector{
		own: {
			ID: guarddutytest.DetectorID(own, home), Enabled: true, Frequency: "ONE_HOUR", Features: map[string]bool{"S3_DATA_EVENTS": true, "RDS_LOGIN_EVENTS": false},
			Exports: []tocsin.Export{{To: "arn:aws:s3:::findings", Status: "PUBLISHING"}},
			Lists:   []string{"IP set office", "threat intelligence set tor", "threat entity set miners", "trusted entity set partners"},
		},
		ember:          {ID: guarddutytest.DetectorID(ember, home), Enabled: true, Frequency: "ONE_HOUR", Features: map[string]bool{"S3_DATA_EVENTS": true}, Administrator: own, Relationship: "Enabled"},
		"555566667777": {Frequency: "ONE_HOUR", Administrator: own, Relationship: "Removed"},
		"666677778888": {ID: guarddutytest.DetectorID("666677778888", home), Enabled: true, Frequency: "ONE_HOUR", Features: map[string]bool{}, Administrator: own, Relationship: "Enabled"},
	} {
		if diff := cmp.Diff(&want, w.saw(tocsin.SawDetector, account, home).Detector); diff != "" {
			t.Errorf("detector of %s (-want +got):\n%s", account, diff)
		}
	}

	// A member's own detector says who administers it, and whose period it has.
	w.Role("arn:aws:iam::"+ember+":role/tocsin-read", "")
	w.round(t, w.source(t, func(c *guarddutyapi.Config) { c.Role = "arn:aws:iam::" + ember + ":role/tocsin-read" }))
	if d := w.saw(tocsin.SawDetector, ember, home).Detector; d.Administrator != own || d.Relationship != "Enabled" || d.Frequency != "ONE_HOUR" {
		t.Errorf("a member says of itself %+v", d)
	}
}

func TestAnAccountThatIsLookedAtByItselfIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, a := range []string{own, ember} {
		w.Role("arn:aws:iam::"+a+":role/tocsin-read", "")
	}
	w.Enable(
		guarddutytest.Detector{Account: own, Region: home, Members: []guarddutytest.Member{{Account: ember}}},
		guarddutytest.Detector{Account: ember, Region: home},
	)
	f := made(1, noon.Add(-time.Hour))
	f.Account = ember
	w.Put(f)
	w.round(t, w.source(t, func(c *guarddutyapi.Config) { c.Accounts, c.Role = []string{own, ember}, "tocsin-read" }))
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{})
	counts(t, w.reconciled(t, ember), tocsin.Reconciliation{API: 1, Recovered: 1})
}

func TestWhatAFilterArchivedIsCountedByFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typed := func(name, of string) guarddutytest.Filter {
		return guarddutytest.Filter{Name: name, Criteria: map[string]map[string]any{"type": {"equals": []string{of}}}}
	}
	w.Enable(guarddutytest.Detector{Account: own, Region: home, Frequency: "FIFTEEN_MINUTES", Filters: []guarddutytest.Filter{
		typed("scanners", "Recon:EC2/Portscan"), typed("miners", "CryptoCurrency:EC2/BitcoinTool.B!DNS"),
		{Name: "low", Criteria: map[string]map[string]any{"severity": {"lt": 4}}},
		{Name: "a view", Saved: true, Criteria: map[string]map[string]any{}},
	}})
	all := many(7, noon.Add(-time.Hour), time.Second)
	for i, of := range []struct {
		kind     string
		severity float64
	}{{"Recon:EC2/Portscan", 5}, {"Recon:EC2/Portscan", 5}, {"CryptoCurrency:EC2/BitcoinTool.B!DNS", 8}, {"Recon:EC2/Portscan", 2}, {"Other:EC2/X", 5}, {"Other:EC2/X", 5}, {"Other:EC2/X", 5}} {
		all[i].Type, all[i].Severity, all[i].Archived = of.kind, of.severity, i < 5
	}
	w.Put(all...)
	w.arrive(all[5])
	s := w.source(t, nil)
	for range 3 {
		w.round(t, s)
		w.pass(15 * time.Minute)
	}
	same(t, "put through", w.recovered(), ids(append(slices.Clone(all[:5]), all[6])...)...)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 7, Received: 1, Suppressed: 5, Recovered: 1})
	want := []tocsin.UpstreamFilter{{Name: "scanners", Findings: 2}, {Name: "miners", Findings: 1}, {Name: "low"}, {Name: "a filter", Findings: 1}, {Name: "by hand, or a filter that is no more", Findings: 1}}
	if diff := cmp.Diff(want, w.saw(tocsin.SawDetector, own, home).Detector.Filters); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
}

func TestAnUpdateIsWaitedForAsLongAsThePublishingPeriod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Enable(guarddutytest.Detector{Account: own, Region: home, Frequency: "SIX_HOURS"})
	f := made(1, noon.Add(-time.Hour))
	w.Put(f)
	w.arrive(f)
	s := w.source(t, nil)
	w.round(t, s)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1, Received: 1})
	changed := w.now()
	for w.now().Before(changed.Add(6 * time.Hour)) {
		if w.now().Before(changed.Add(4 * time.Hour)) { // it goes on happening, and each time is later than the last
			f.Updated = w.now()
			w.Put(f)
		}
		w.pass(15 * time.Minute)
		w.round(t, s)
		same(t, "recovered while it is not due", w.recovered())
		counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1, Pending: 1})
	}
	w.pass(15 * time.Minute)
	w.round(t, s)
	same(t, "recovered six hours later", w.recovered(), f.ID)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1, Recovered: 1})
	w.pass(15 * time.Minute)
	w.round(t, s)
	same(t, "recovered", w.recovered(), f.ID)

	g := f // and the next one arrives
	g.Updated = w.now()
	w.Put(g)
	w.pass(15 * time.Minute)
	w.round(t, s)
	w.arrive(g)
	w.pass(15 * time.Minute)
	w.round(t, s)
	same(t, "recovered", w.recovered(), f.ID)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1, Received: 1})
}

func TestWhatSomebodyArchivesIsPutThroughAndIsNoLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := made(1, noon.Add(-2*time.Hour))
	w.arrive(f)
	f.Archived, f.LastSeen, f.Updated = true, f.Updated, noon.Add(-time.Hour) // nothing happened but that
	w.Put(f)
	s := w.source(t, nil)
	for range 3 {
		w.round(t, s)
		w.pass(15 * time.Minute)
	}
	same(t, "put through", w.recovered(), f.ID)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 1, Received: 1})
}

func TestAFindingThatIsListedAndNotGivenIsUnexplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := many(60, noon.Add(-time.Hour), time.Second)
	w.Put(all...)
	w.arrive(all...)
	w.Hide(true, all[7].ID, all[8].ID, all[55].ID)
	s := w.source(t, nil)
	w.round(t, s)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 60, Received: 57, Unexplained: 3})
	alone := 0
	for _, c := range w.Calls() {
		if c.Operation == "GetFindings" && strings.Count(string(c.Input), ",") == 0 {
			alone++
		}
	}
	if alone != 3 {
		t.Errorf("%d findings were asked for alone, want 3", alone)
	}
	w.Hide(false, all[7].ID)  // it is given at last
	w.Remove(home, all[8].ID) // it is no more
	w.pass(45 * time.Minute)  // none of them is in the overlap any more
	w.round(t, s)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 59, Received: 58, Unexplained: 1})
	if st := s.Status(t.Context()); !strings.HasSuffix(st.Lines[0].Value, "unexplained 1") {
		t.Errorf("Status = %+v", st)
	}
}

func TestOneIDThatIsRefusedSpoilsNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := many(50, noon.Add(-time.Hour), time.Second)
	w.Put(all...)
	w.Fail(func(c guarddutytest.Call) *guarddutytest.Fault {
		if c.Operation == "GetFindings" && bytes.Contains(c.Input, []byte(all[20].ID)) {
			return &guarddutytest.Fault{Status: 400, Code: "BadRequestException", Message: "The request is rejected because the finding does not exist."}
		}
		return nil
	})
	w.round(t, w.source(t, nil))
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 50, Recovered: 49, Unexplained: 1})
}

// looping answers every listing with the same token.
type looping struct{ http.RoundTripper }

func (l looping) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/findings") {
		return resp, err
	}
	_ = resp.Body.Close()
	body := io.NopCloser(strings.NewReader(`{"findingIds":["` + guarddutytest.FindingID(1) + `"],"nextToken":"again"}`))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

func TestATokenThatLeadsToItselfEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env.HTTP = &http.Client{Transport: looping{w.Client().Transport}}
	s := w.source(t, nil)
	w.round(t, s)
	if st := fmt.Sprint(s.Status(t.Context())); !strings.Contains(st, "the same page is given again and again") {
		t.Errorf("Status = %s", st)
	}
}

func TestNoDetectorNoRegionAndNoPermissionAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.DisableRegion(own, "ap-east-1")
	w.Enable(guarddutytest.Detector{Account: own, Region: "eu-west-2", Suspended: true})
	w.Fail(func(c guarddutytest.Call) *guarddutytest.Fault {
		if c.Region == "eu-west-3" && c.Service == "guardduty" {
			return guarddutytest.Denied(c)
		}
		return nil
	})
	s := w.source(t, func(c *guarddutyapi.Config) {
		c.Regions = []string{home, "ap-east-1", "eu-central-1", "eu-west-2", "eu-west-3", "xy-north-7"}
		c.Region = "us-east-1"
	})
	w.round(t, s)
	for _, tt := range []struct {
		region, says string
		want         *tocsin.Detector
	}{
		{"eu-central-1", "", &tocsin.Detector{}},
		{"xy-north-7", "", &tocsin.Detector{}},
		{"ap-east-1", "the region is not enabled for the account", nil},
		{"eu-west-3", "allow guardduty:ListDetectors", nil},
		{"eu-west-2", "", &tocsin.Detector{ID: guarddutytest.DetectorID(own, "eu-west-2"), Frequency: "SIX_HOURS", Features: map[string]bool{}}},
	} {
		got := w.saw(tocsin.SawDetector, own, tt.region)
		if diff := cmp.Diff(tt.want, got.Detector); diff != "" || !strings.Contains(got.Error, tt.says) || (tt.says == "") != (got.Error == "") {
			t.Errorf("%s: error %q, want %q; detector (-want +got):\n%s", tt.region, got.Error, tt.says, diff)
		}
	}
	if st := s.Status(t.Context()); st.State != "failing" {
		t.Errorf("Status = %+v", st)
	}
}

// Of all regions those that are not enabled are no fault.
func TestAllRegionsAreThoseThatAreEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.source(t, func(c *guarddutyapi.Config) { c.Regions, c.Region = []string{"all"}, "" })
	for _, r := range []string{"ap-east-1", "me-south-1", "il-central-1"} {
		w.DisableRegion(own, r)
	}
	w.round(t, s)
	if st := s.Status(t.Context()); st.State != "ok" {
		t.Errorf("Status = %+v", st)
	}
	asked := map[string]bool{}
	for _, c := range w.Calls() {
		if c.Operation == "ListDetectors" {
			asked[c.Region] = true
		}
	}
	if len(asked) != 34 {
		t.Errorf("%d regions were asked, want 34", len(asked))
	}
	if _, said := w.seen["detector "+own+" ap-east-1"]; said {
		t.Error("something is said of a region that is not enabled")
	}
}

func TestCredentialsThatNobodyKnowsAreNoRegionThatIsNotEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.source(t, func(c *guarddutyapi.Config) {
		c.AccessKeyID, c.Role = "AKIAUNKNOWN", "" // of nobody
	})
	if err := s.Round(t.Context(), w.sink); err == nil || !strings.Contains(err.Error(), "correct the credentials") {
		t.Errorf("Round = %v", err)
	}
}

func TestWhatIsNotAllowedBesidesIsNotedAndNotFatal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(made(1, noon.Add(-time.Hour)))
	w.Fail(func(c guarddutytest.Call) *guarddutytest.Fault {
		if c.Service == "guardduty" && c.Operation != "ListDetectors" && c.Operation != "ListFindings" && c.Operation != "GetFindings" {
			return guarddutytest.Denied(c)
		}
		return nil
	})
	s := w.source(t, nil)
	w.round(t, s)
	same(t, "recovered", w.recovered(), guarddutytest.FindingID(1))
	st := s.Status(t.Context())
	if st.State != "ok" || !strings.Contains(fmt.Sprint(st.Lines), "{Not seen guardduty:GetDetector is not allowed: "+own+" "+home+"}") {
		t.Errorf("Status = %+v", st)
	}
}

func TestTheAccountsOfAnOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	joined := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	accounts := []guarddutytest.Account{{ID: own, Name: "security", Joined: joined}, {ID: ember, Name: "payments", OU: "prod/payments", Tags: map[string]string{"team": "payments"}, Joined: joined}, {ID: "999900001111", Name: "old", OU: "prod", Status: "SUSPENDED", Joined: joined}}
	for i := range 40 {
		accounts = append(accounts, guarddutytest.Account{ID: fmt.Sprintf("3000000000%02d", i), Name: "sandbox", OU: "sandbox", Joined: joined})
	}
	w.Organise(own, accounts...)
	s := w.source(t, func(c *guarddutyapi.Config) { c.Organization = true })
	w.round(t, s)
	for account, want := range map[string]tocsin.Member{
		own:            {Name: "security", Status: "ACTIVE", Joined: joined},
		ember:          {Name: "payments", Status: "ACTIVE", OU: "prod/payments", Tags: map[string]string{"team": "payments"}, Joined: joined},
		"999900001111": {Name: "old", Status: "SUSPENDED", OU: "prod", Joined: joined},
		"300000000039": {Name: "sandbox", Status: "ACTIVE", OU: "sandbox", Joined: joined},
	} {
		if diff := cmp.Diff(&want, w.saw(tocsin.SawMember, account, "").Member); diff != "" {
			t.Errorf("%s (-want +got):\n%s", account, diff)
		}
	}
	w.Forget()
	w.pass(15 * time.Minute)
	w.round(t, s)
	for _, c := range w.Calls() {
		if c.Service == "organizations" {
			t.Fatalf("%s was asked again within the hour", c.Operation)
		}
	}

	w = newWorld(t)
	w.Organise("123456789012", accounts...)
	s = w.source(t, func(c *guarddutyapi.Config) { c.Organization = true })
	w.round(t, s)
	if st := s.Status(t.Context()); st.State != "failing" || !strings.Contains(fmt.Sprint(st.Lines), "allow organizations:ListAccounts on *") {
		t.Errorf("Status of one that may not read it = %+v", st)
	}
}

// asking notes which hosts each service is asked at.
type asking struct {
	http.RoundTripper
	mu    sync.Mutex // guards hosts
	hosts map[string][]string
}

var scopeForm = regexp.MustCompile(`Credential=[^/]+/[^/]+/[^/]+/([^/]+)/`)

func (a *asking) RoundTrip(r *http.Request) (*http.Response, error) {
	service := scopeForm.FindStringSubmatch(r.Header.Get("Authorization"))[1]
	a.mu.Lock()
	if !slices.Contains(a.hosts[service], r.URL.Host) {
		a.hosts[service] = append(a.hosts[service], r.URL.Host)
	}
	a.mu.Unlock()
	return a.RoundTripper.RoundTrip(r)
}

// The VPC endpoint of GuardDuty knows nothing of other services, and an emulator knows
// all of them.
func TestAnotherAddressOfGuardDuty(t *testing.T) {
	t.Parallel()
	const vpce, emulator = "vpce-0a1b-2c3d.guardduty.eu-west-1.vpce.amazonaws.com", "emulator.example.com"
	for _, tt := range []struct {
		name   string
		change func(*guarddutyapi.Config)
		want   map[string][]string
	}{
		{"a VPC endpoint", func(c *guarddutyapi.Config) { c.EndpointURL = "https://" + vpce }, map[string][]string{
			"guardduty": {vpce}, "sts": {"sts.eu-west-1.amazonaws.com"}, "events": {"events.eu-west-1.amazonaws.com"}, "organizations": {"organizations.us-east-1.amazonaws.com"},
		}},
		{"VPC endpoints of GuardDuty and of STS", func(c *guarddutyapi.Config) {
			c.EndpointURL, c.STSEndpointURL = "https://"+vpce, "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com"
		}, map[string][]string{
			"guardduty": {vpce}, "sts": {"vpce-1.sts.eu-west-1.vpce.amazonaws.com"}, "events": {"events.eu-west-1.amazonaws.com"}, "organizations": {"organizations.us-east-1.amazonaws.com"},
		}},
		{"an emulator", func(c *guarddutyapi.Config) { c.EndpointURL = "https://" + emulator }, map[string][]string{
			"guardduty": {emulator}, "sts": {emulator}, "events": {emulator}, "organizations": {emulator},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Organise(own, guarddutytest.Account{ID: own, Name: "security"})
			asked := &asking{RoundTripper: w.env.HTTP.Transport, hosts: map[string][]string{}}
			w.env.HTTP = &http.Client{Transport: asked}
			s := w.source(t, func(c *guarddutyapi.Config) {
				c.Organization, c.Region, c.EndpointURL, c.STSEndpointURL = true, home, "", ""
				tt.change(c)
			})
			w.round(t, s)
			if diff := cmp.Diff(tt.want, asked.hosts); diff != "" {
				t.Errorf("services are asked at (-want +got):\n%s", diff)
			}
			if st := s.Status(t.Context()); st.State != "ok" {
				t.Errorf("it stands %+v", st)
			}
		})
	}
}

// The policy that is shown is what is asked, no more and no less, and what the manual
// says.
func TestThePolicyIsWhatIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Organise(own, guarddutytest.Account{ID: own, Name: "security", Tags: map[string]string{"a": "b"}})
	w.Enable(guarddutytest.Detector{
		Account: own, Region: home, Members: []guarddutytest.Member{{Account: ember}}, Exports: []guarddutytest.Export{{Bucket: "arn:aws:s3:::findings"}},
		Filters: []guarddutytest.Filter{{Name: "low"}}, IPSets: []string{"a"}, ThreatIntelSets: []string{"b"}, ThreatEntitySets: []string{"c"}, TrustedEntitySets: []string{"d"},
	})
	w.Put(made(1, noon.Add(-time.Hour)))
	w.Forward(own, home, guarddutytest.Rule{Name: "tocsin", Pattern: `{"source":["aws.guardduty"]}`, Targets: []string{"arn:aws:sqs:us-east-1:111122223333:tocsin"}})
	s := w.source(t, func(c *guarddutyapi.Config) { c.Organization = true })
	w.round(t, s)
	var policy struct{ Statement []struct{ Action []string } }
	for _, fact := range s.Describe(false) {
		if fact.Name == "IAM policy" {
			if err := json.Unmarshal([]byte(fact.Value), &policy); err != nil {
				t.Fatal(err)
			}
		}
	}
	var allowed, asked, documented []string
	for _, st := range policy.Statement {
		allowed = append(allowed, st.Action...)
	}
	for _, c := range w.Calls() {
		if c.Action() != "sts:GetCallerIdentity" { // which nobody can be denied
			asked = append(asked, c.Action())
		}
	}
	slices.Sort(asked)
	same(t, "allowed", allowed, slices.Compact(asked)...)
	manual, err := os.ReadFile("../../../docs/reconcile.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"((?:guardduty|organizations|events):\w+)"`).FindAllStringSubmatch(string(manual), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	same(t, "allowed and documented", allowed, slices.Compact(documented)...)

	roles := w.source(t, func(c *guarddutyapi.Config) { c.Accounts, c.Role = []string{own, ember}, "tocsin-read" }).Describe(false)
	if got := fmt.Sprint(roles); !strings.Contains(got, `"Action":["sts:AssumeRole"],"Resource":["arn:aws:iam::111122223333:role/tocsin-read","arn:aws:iam::444455556666:role/tocsin-read"]`) || strings.Contains(got, "organizations:") {
		t.Errorf("with roles: %s", got)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		name   string
		change func(*guarddutyapi.Config)
		says   string
	}{
		{"no region", func(c *guarddutyapi.Config) { c.Regions = nil }, "regions: name one, or all"},
		{"all and more", func(c *guarddutyapi.Config) { c.Regions = []string{"all", home} }, "leave out the others"},
		{"no region's name", func(c *guarddutyapi.Config) { c.Regions = []string{"europe"} }, `"europe" is not an AWS region`},
		{"two partitions", func(c *guarddutyapi.Config) { c.Regions = []string{home, "cn-north-1"} }, "cn-north-1 is in the partition aws-cn"},
		{"an account's name", func(c *guarddutyapi.Config) { c.Accounts, c.Role = []string{"prod"}, "r" }, "want 12 digits"},
		{"accounts without a role", func(c *guarddutyapi.Config) { c.Accounts = []string{own} }, "role: is not set"},
		{"a role that is none", func(c *guarddutyapi.Config) { c.Accounts, c.Role = []string{own}, "a role" }, "neither the name of a role"},
		{"a role without an account", func(c *guarddutyapi.Config) { c.Role = "tocsin-read" }, "list those to assume it in"},
		{"one role for several accounts", func(c *guarddutyapi.Config) {
			c.Accounts, c.Role = []string{own, ember}, "arn:aws:iam::111122223333:role/r"
		}, "write {account} for its id"},
		{"every moment", func(c *guarddutyapi.Config) { c.Every = time.Millisecond }, "every: 1ms is not between"},
		{"too far back", func(c *guarddutyapi.Config) { c.Lookback = 91 * 24 * time.Hour }, "for which GuardDuty keeps findings"},
		{"nothing at once", func(c *guarddutyapi.Config) { c.Concurrency = 0 }, "concurrency: 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := settings()
			tt.change(&c)
			if _, err := guarddutyapi.New(c, w.env); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("New = %v, want %q", err, tt.says)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := made(1, noon.Add(-time.Hour))
	w.Put(f)
	ctx, cancel := context.WithCancel(t.Context())
	kept := make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- w.source(t, nil).Run(ctx, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			defer close(kept)
			return w.sink(ctx, events...)
		})
	}()
	<-kept
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Run does not end")
	}
}

func TestFindingsOlderThanTocsinAreFetchedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Enable(guarddutytest.Detector{Account: own, Region: "us-east-1"})
	all := many(500, noon.Add(-80*24*time.Hour), 3*time.Hour)
	for i := range all {
		if i%2 == 1 {
			all[i].Region = "us-east-1"
		}
	}
	older := made(1000, noon.Add(-91*24*time.Hour))
	w.Put(append(all, older)...)
	w.arrive(all[490:]...)
	source := func() *guarddutyapi.Source {
		return w.source(t, func(c *guarddutyapi.Config) { c.Regions, c.Concurrency = []string{home, "us-east-1"}, 1 })
	}
	// It is cut off in the middle, and goes on where it was.
	var taken atomic.Int64 // by both places
	err := source().Backfill(t.Context(), func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		if taken.Add(1) > 3 {
			return nil, errDisk
		}
		return w.sink(ctx, events...)
	}, noon.Add(-90*24*time.Hour), nil)
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("Backfill = %v, want that the disk is full", err)
	}
	var last, total int64
	if err := source().Backfill(t.Context(), w.sink, noon.Add(-90*24*time.Hour), func(d, of int64) { last, total = max(last, d), of }); err != nil {
		t.Fatal(err)
	}
	same(t, "fetched", w.recovered(), ids(all[:490]...)...)
	if last != total || total == 0 {
		t.Errorf("progress ends at %d of %d", last, total)
	}
	for _, ev := range w.put {
		if ev.Via != "backfill" {
			t.Fatalf("fetched as %q", ev.Via)
		}
	}
	w.Forget()
	if err := source().Backfill(t.Context(), w.sink, noon.Add(-90*24*time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Calls() {
		if c.Operation == "GetFindings" {
			t.Error("what was fetched is fetched again")
		}
	}
}

// One administrator, 200 accounts, 17 regions, 20,000 findings.
func TestAWholeOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	regions := []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2"}
	var members []guarddutytest.Member
	for i := range 199 {
		members = append(members, guarddutytest.Member{Account: fmt.Sprintf("2%011d", i)})
	}
	for _, r := range regions {
		w.Enable(guarddutytest.Detector{Account: own, Region: r, Members: members, Frequency: "FIFTEEN_MINUTES"})
	}
	per, lost := 1200, []string{}
	if raced {
		per = 300
	}
	for n := range per * len(regions) {
		f := made(n, noon.Add(-time.Duration(n+10)*time.Second))
		f.Region, f.Account = regions[n%17], members[n%199].Account
		w.Put(f)
		if n%997 == 0 {
			lost = append(lost, f.ID)
			continue
		}
		w.has(f)
	}
	s := w.source(t, func(c *guarddutyapi.Config) { c.Regions = regions; c.Grace = 0 })
	w.round(t, s)
	same(t, "recovered", w.recovered(), lost...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) != 2*200*17+17 {
		t.Errorf("%d sightings, want a detector and a comparison of each of 3400 places, and the rules of 17", len(w.seen))
	}
	var sum int64
	for _, s := range w.seen {
		if s.Reconciliation != nil {
			sum += s.Reconciliation.API
		}
	}
	if sum != int64(per*17) {
		t.Errorf("the API has %d, want %d", sum, per*17)
	}
}

// A finding may be there to be listed long after the time of its change.
func TestAFindingThatIsListedLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(many(20, noon.Add(-10*time.Hour), time.Minute)...)
	w.arrive(many(20, noon.Add(-10*time.Hour), time.Minute)...)
	s := w.source(t, nil)
	w.round(t, s)
	late := made(100, noon.Add(-9*time.Hour))
	w.Put(late)
	w.Remove(home, guarddutytest.FindingID(3)) // and one is no more
	w.pass(15 * time.Minute)
	w.Forget()
	w.round(t, s)
	same(t, "recovered", w.recovered(), late.ID)
	counts(t, w.reconciled(t, own), tocsin.Reconciliation{API: 20, Received: 19, Recovered: 1})
	for _, c := range w.Calls() {
		if c.Operation == "GetFindings" && !bytes.Contains(c.Input, []byte(late.ID)) {
			t.Errorf("what was judged is fetched again: %s", c.Input)
		}
	}
}

// After a restart what was due before is put through at once: it is in no queue.
func TestWhatWasLostBeforeARestartIsRecoveredAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.source(t, nil).Turn(t.Context(), w.sink)
	f := made(1, w.now().Add(-time.Hour))
	w.Put(f)
	w.pass(15 * time.Minute)
	w.source(t, nil).Turn(t.Context(), w.sink)
	same(t, "recovered", w.recovered(), f.ID)
}

// What changes all the time is never there to be listed as changed before a moment.
func TestAFindingThatChangesAllTheTimeIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := made(1, noon.Add(-20*time.Minute))
	s := w.source(t, nil)
	w.After(func(guarddutytest.Call) {
		f.Updated = w.now()
		w.Put(f)
	})
	w.round(t, s)
	w.pass(15 * time.Minute)
	w.round(t, s)
	if got := w.recovered(); len(got) == 0 {
		t.Error("it is not found")
	}
}

// Which rule brings findings off the bus is seen as well: of several, the one that brings
// most; of other services' none.
func TestTheRuleThatForwardsIsSeen(t *testing.T) {
	t.Parallel()
	arn := func(name string) string { return "arn:aws:events:" + home + ":" + own + ":rule/" + name }
	queue := []string{"arn:aws:sqs:us-east-1:111122223333:tocsin"}
	const everything, toHigh = `{"source":["aws.guardduty"]}`, `{"source":["aws.guardduty"],"detail":{"severity":[4,5,7,8,8.9]}}`
	for _, tt := range []struct {
		name  string
		rules []guarddutytest.Rule
		want  tocsin.Forwarding
	}{
		{"there is none", nil, tocsin.Forwarding{}},
		{"one of another matter", []guarddutytest.Rule{{Name: "health", Pattern: `{"source":["aws.health"]}`, Targets: queue}, {Name: "hourly"}}, tocsin.Forwarding{}},
		{"another service's", []guarddutytest.Rule{{Name: "hub", Pattern: everything, Targets: queue, ManagedBy: "securityhub.amazonaws.com"}}, tocsin.Forwarding{}},
		{"one that is disabled", []guarddutytest.Rule{{Name: "off", Pattern: everything, Targets: queue, Disabled: true}}, tocsin.Forwarding{Rule: arn("off"), Targets: queue}},
		{"one that ends at 8.9", []guarddutytest.Rule{{Name: "some", Pattern: toHigh, Targets: queue}}, tocsin.Forwarding{Rule: arn("some"), Enabled: true, Targets: queue, Misses: "Critical findings"}},
		{
			"several",
			[]guarddutytest.Rule{{Name: "a", Pattern: everything}, {Name: "b", Pattern: toHigh, Targets: queue}, {Name: "c", Pattern: everything, Targets: queue}, {Name: "d", Pattern: everything, Targets: queue, Disabled: true}},
			tocsin.Forwarding{Rule: arn("c"), Enabled: true, Targets: queue},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Enable(guarddutytest.Detector{Account: own, Region: home})
			w.Forward(own, home, tt.rules...)
			w.round(t, w.source(t, nil))
			got := w.saw(tocsin.SawForwarding, own, home).Forwarding
			if got == nil {
				t.Fatal("nothing was seen")
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
