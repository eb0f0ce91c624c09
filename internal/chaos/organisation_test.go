package chaos_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi/guarddutytest"
	"github.com/tocsin-sec/tocsin/internal/loopback"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// regionsOfAll are those that AWS enables for every account.
var regionsOfAll = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3",
	"eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2",
}

// An organisation is 200 accounts in 17 regions whose findings go by a queue and by a
// stream.
type organisation struct {
	t        *testing.T
	dir      string
	accounts []string
	api      *guarddutytest.Fake
	soc      *receiver
	program  *rig.Program
	ways     ways

	findings []guarddutytest.Finding // that GuardDuty has, in the order in which it found them
}

// The organisation's findings by SQS and Kinesis, while tocsin is killed again and
// again; and then some that are never sent at all. Nothing is lost and nothing is
// doubled, GuardDuty's own list says so, and what was never sent is recovered: exactly
// that.
func TestAnOrganisationLosesNothing(t *testing.T) {
	o := newOrganisation(t)
	rnd := chance(t)
	perPlace := int(number(t, "TOCSIN_ORGANISATION_FINDINGS", 1))
	kills := int(number(t, "TOCSIN_CHAOS_KILLS", 12)) / 3
	o.start()

	// GuardDuty finds something in every account and region, and sends it.
	n := len(o.accounts) * len(regionsOfAll) * perPlace
	now := time.Now()
	for i := range n {
		o.found(i, now.Add(-time.Duration(n-i)*time.Millisecond))
	}
	pauses := rand.New(rand.NewPCG(rnd.Uint64(), 4))
	var sent atomic.Bool
	var sending sync.WaitGroup
	sending.Go(func() {
		defer sent.Store(true)
		o.send(o.findings, rnd)
	})
	killed := 0
	for killed < kills || !sent.Load() {
		time.Sleep(time.Duration(1000+pauses.IntN(2000)) * time.Millisecond)
		if err := o.program.Kill(); err != nil {
			t.Fatal(err)
		}
		killed++
		o.start()
	}
	sending.Wait()
	o.toldOf(n)
	o.compared(n, 0)

	// Some of what it finds later is never sent.
	later := now.Add(-time.Hour)
	lost := 0
	for i := range 600 {
		o.found(n+i, later.Add(time.Duration(i)*time.Millisecond))
	}
	rest := o.findings[n:]
	var arrives []guarddutytest.Finding
	for i, f := range rest {
		if i%20 == 7 {
			lost++
			continue
		}
		arrives = append(arrives, f)
	}
	o.pauseAPI(func() { o.send(arrives, rnd); o.toldOf(n + len(arrives)) })
	o.toldOf(n + len(rest))
	o.compared(n+len(rest), lost)

	if err := o.program.Stop(); err != nil {
		t.Fatalf("%v\n%s", err, o.program.Tail())
	}
	o.verify(lost, killed)
	t.Logf("%d findings of %d accounts in %d regions; %d kills; %d were never sent and were recovered", len(o.findings), len(o.accounts), len(regionsOfAll), killed, lost)
}

func newOrganisation(t *testing.T) *organisation {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	o := &organisation{t: t, dir: t.TempDir(), api: guarddutytest.New(), soc: newReceiver(t)}
	o.accounts = []string{guarddutytest.Own}
	for i := range 199 {
		o.accounts = append(o.accounts, fmt.Sprintf("%012d", 200_000_000_000+i))
	}
	for _, region := range regionsOfAll {
		admin := guarddutytest.Detector{Account: guarddutytest.Own, Region: region, Frequency: "FIFTEEN_MINUTES"}
		for _, a := range o.accounts[1:] {
			admin.Members = append(admin.Members, guarddutytest.Member{Account: a})
			o.api.Enable(guarddutytest.Detector{Account: a, Region: region})
		}
		o.api.Enable(admin)
	}
	api := httptest.NewServer(o.api)
	t.Cleanup(api.Close)
	if o.ways = (&own{}); number(t, "TOCSIN_ORGANISATION_OTHERS", 0) > 0 {
		o.ways = &others{}
	}
	at := o.ways.open(t)
	address, err := loopback.Free()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.dir, "tocsin.yml")
	keys := fmt.Sprintf("access_key_id: %s, secret_access_key: %q", guarddutytest.KeyID, "${env:SECRET}")
	config := strings.Join([]string{
		"sources:",
		fmt.Sprintf("  queue: {sqs: {queue_url: %q, visibility: 10s, region: eu-west-1, endpoint_url: %q, %s}}", at.queue, at.queues, keys),
		fmt.Sprintf("  stream: {kinesis: {stream: %s, every: 200ms, region: eu-west-1, endpoint_url: %q, %s}}", at.stream, at.streams, keys),
		fmt.Sprintf("  api: {guardduty-api: {regions: [%s], every: 2s, endpoint_url: %q, %s}}", strings.Join(regionsOfAll, ", "), api.URL, keys),
		"coverage: {alert: {disabled: true}}",
		"rules: [{use: guardduty}]",
		fmt.Sprintf("receivers: {soc: {rate: 0, webhook: {url: %q}}}", o.soc.url),
		"fallback: [soc]",
		"storm: 1000000",
	}, "\n") + "\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o.program = rig.Tocsin(program, file, filepath.Join(o.dir, "data"), address, filepath.Join(o.dir, "log"))
	o.program.Env = append(o.program.Env, "SECRET="+guarddutytest.Secret)
	t.Cleanup(func() {
		_ = o.program.Kill()
		if t.Failed() {
			t.Logf("end of its log:\n%s", o.program.Tail())
		}
	})
	return o
}

func (o *organisation) start() {
	o.t.Helper()
	if err := o.program.Start(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// found has GuardDuty find the i-th finding.
func (o *organisation) found(i int, at time.Time) {
	place := i % (len(o.accounts) * len(regionsOfAll))
	f := guarddutytest.Finding{
		ID: guarddutytest.FindingID(i), Account: o.accounts[place/len(regionsOfAll)], Region: regionsOfAll[place%len(regionsOfAll)],
		Severity: 8, Created: at, Updated: at, Count: 1,
	}
	o.api.Put(f)
	o.findings = append(o.findings, f)
}

// together is how many findings are sent before a breath.
const together = 50

// send sends findings as EventBridge would, to the queue or to the stream, and one in
// ten to both: the member's bus has it as well.
func (o *organisation) send(findings []guarddutytest.Finding, rnd *rand.Rand) {
	for chunk := range slices.Chunk(findings, together) {
		var events []string
		var records [][]byte
		for _, f := range chunk {
			way := rnd.IntN(20)
			if way < 11 {
				events = append(events, string(f.Event(guarddutytest.Own)))
			}
			if way >= 9 {
				records = append(records, f.Event(f.Account))
			}
		}
		if err := o.ways.send(o.t.Context(), events, records); err != nil {
			o.t.Errorf("send: %v", err)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// pauseAPI has the API refuse everybody while do is done: what it would have recovered
// too soon is on its way.
func (o *organisation) pauseAPI(do func()) {
	o.api.Fail(func(guarddutytest.Call) *guarddutytest.Fault { return guarddutytest.Throttled() })
	do()
	o.api.Fail(nil)
}

// toldOf returns once people were told of n findings.
func (o *organisation) toldOf(n int) {
	o.t.Helper()
	last, since := -1, time.Now()
	for {
		got := o.soc.count()
		if got >= n {
			break
		}
		if got != last {
			last, since = got, time.Now()
		}
		if time.Since(since) > time.Minute {
			o.t.Fatalf("people were told of %d findings, and GuardDuty has %d", got, n)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// compared returns once the reconciliation covers n findings, and checks what it says.
func (o *organisation) compared(n, recovered int) {
	o.t.Helper()
	var sum tocsin.Reconciliation
	deadline := time.Now().Add(90 * time.Second)
	for time.Now().Before(deadline) {
		sum = o.reconciliation()
		if sum.API == int64(n) && sum.Received == int64(n-recovered) {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	want := tocsin.Reconciliation{API: int64(n), Received: int64(n - recovered), Recovered: int64(recovered)}
	if sum != want {
		o.t.Fatalf("reconciliation says %+v, want %+v", sum, want)
	}
}

// reconciliation is what the program says of all places.
func (o *organisation) reconciliation() (sum tocsin.Reconciliation) {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, "http://"+o.program.Address+"/api/coverage?gaps=true", nil)
	if err != nil {
		o.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var grid struct {
		Reconciliation tocsin.Reconciliation `json:"reconciliation"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&grid); err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("coverage: %s, %v", resp.Status, err)
	}
	grid.Reconciliation.From, grid.Reconciliation.Until = time.Time{}, time.Time{}
	return grid.Reconciliation
}

// verify looks at what was kept: each finding is one alert, of which people were told
// once, and each that was never sent came from the API.
func (o *organisation) verify(lost, killed int) {
	o.t.Helper()
	s, err := store.Open(o.t.Context(), "sqlite:"+filepath.Join(o.dir, "data"))
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	alerts, recovered := map[string]int{}, 0
	err = s.View(o.t.Context(), func(tx *store.Tx) error {
		return tx.EachEvent(store.EventFilter{}, func(ev tocsin.Event) error {
			if ev.Verdict == tocsin.Opened {
				alerts[ev.Account+ev.Region]++
			}
			if ev.Via == tocsin.ViaReconcile && ev.Verdict != tocsin.Appended {
				recovered++
			}
			if ev.Verdict == tocsin.Malformed || ev.Verdict == tocsin.Unmapped {
				o.t.Errorf("event %d is %s: %s", ev.Seq, ev.Verdict, ev.Reason)
			}
			return nil
		})
	})
	if err != nil {
		o.t.Fatal(err)
	}
	opened := 0
	for _, n := range alerts {
		opened += n
	}
	if opened != len(o.findings) || recovered != lost {
		o.t.Errorf("%d alerts of %d findings; %d came from the API, want %d", opened, len(o.findings), recovered, lost)
	}
	doubled := 0
	for what, keys := range o.soc.told() {
		if what.kind != "opened" {
			o.t.Errorf("told %+v", what)
		}
		doubled += len(keys) - 1
	}
	o.t.Logf("%d messages were sent twice", doubled)
	if most := killed * underWay; doubled > most {
		o.t.Errorf("%d messages were sent twice; want at most %d, those under way when it was killed", doubled, most)
	}
	if o.soc.count() != len(o.findings) {
		o.t.Errorf("people were told of %d of %d findings", o.soc.count(), len(o.findings))
	}
}
