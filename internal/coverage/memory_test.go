package coverage

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
)

// alerting is as it is where nobody says otherwise.
var alerting = Alerting{Level: tocsin.High, After: 15 * time.Minute}

// A watch looks every minute, as the program does.
type watch struct {
	t        *testing.T
	memory   Memory
	alerting Alerting
	told     []tocsin.Detection
	raw      []string
}

// look judges gaps at a time, and tells what is to be told.
func (w *watch) look(at time.Time, gaps ...Gap) {
	w.t.Helper()
	w.memory = w.memory.Note(Grid{Gaps: gaps}, at).Gather(w.alerting, at)
	doc, err := json.Marshal(w.memory)
	if err != nil {
		w.t.Fatal(err)
	}
	w.memory = Memory{}
	if err := json.Unmarshal(doc, &w.memory); err != nil { // it is kept over a restart
		w.t.Fatal(err)
	}
	all := w.memory.Tidings(w.alerting, at)
	for _, tiding := range all {
		d, err := Read(tiding.Raw)
		if err != nil {
			w.t.Fatalf("%s: %v", tiding.Raw, err)
		}
		w.told = append(w.told, d)
		w.raw = append(w.raw, tiding.Envelope+" "+string(tiding.Raw))
	}
	w.memory = w.memory.Told(all)
}

// heard are the headlines that were told, with "over: " before those that ended, and
// forgets them.
func (w *watch) heard() []string {
	all := []string{}
	for _, d := range w.told {
		if d.Over {
			all = append(all, "over: "+string(d.Key))
		} else {
			all = append(all, d.Title)
		}
	}
	w.told = nil
	return all
}

func (w *watch) wants(when string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), w.heard()); diff != "" {
		w.t.Errorf("%s, told (-want +got):\n%s", when, diff)
	}
}

// gapOf is one that began at since.
func gapOf(kind Kind, account int, region string, since time.Time) Gap {
	info, _ := kind.Info()
	return Gap{Account: id(account), Name: fmt.Sprintf("account-%03d", account), Region: region, Kind: kind, Severity: info.Severity, Since: since, Says: info.Means, Fix: "See to it."}
}

func TestAGapIsToldOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	gap := gapOf(NoDetector, 7, "eu-west-3", now)
	w.look(now, gap)
	w.look(now.Add(14*time.Minute), gap)
	w.wants("after 14 minutes")
	w.look(now.Add(15*time.Minute), gap)
	w.wants("after 15 minutes", "eu-west-3 of account-007 is dark: no detector")
	w.look(now.Add(16*time.Minute), gap)
	w.look(now.Add(3*time.Hour), gap)
	w.wants("while it goes on")
	w.look(now.Add(4 * time.Hour))
	w.wants("at its end", "over: coverage/111100000007/eu-west-3/no-detector")
	w.look(now.Add(5 * time.Hour))
	w.wants("later")
	if len(w.memory.Gaps) != 0 {
		t.Errorf("it is remembered still: %+v", w.memory)
	}
}

func TestAGapThatEndsSoonIsToldToNobody(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	w.look(now, gapOf(NoRule, 0, "eu-west-3", now))
	w.look(now.Add(10 * time.Minute))
	w.look(now.Add(20*time.Minute), gapOf(NoRule, 0, "eu-west-3", now.Add(20*time.Minute)))
	w.look(now.Add(30*time.Minute), gapOf(NoRule, 0, "eu-west-3", now.Add(20*time.Minute)))
	w.wants("of two that were short")
}

// Warnings wake nobody; and of canaries the source that sends them tells.
func TestAWarningWakesNobody(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	for _, k := range Kinds() {
		if k.Severity == IsWarning || k.Kind == CanaryLate || k.Kind == CanaryUnsent {
			w.look(now, gapOf(k.Kind, 7, "eu-west-3", now))
			w.look(now.Add(time.Hour), gapOf(k.Kind, 7, "eu-west-3", now))
			w.look(now.Add(2 * time.Hour))
		}
	}
	w.wants("of warnings")
}

func TestWhoIsToldNothingHearsTheEndOfWhatTheyWereTold(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	told, untold := gapOf(NoDetector, 7, "eu-west-3", now), gapOf(NoDetector, 8, "eu-west-3", now.Add(20*time.Minute))
	w.look(now, told)
	w.look(now.Add(20*time.Minute), told, untold)
	w.heard()
	w.alerting.Disabled = true
	w.look(now.Add(time.Hour), told, untold)
	w.wants("while alerting is disabled")
	w.look(now.Add(2 * time.Hour))
	w.wants("at the end", "over: coverage/111100000007/eu-west-3/no-detector")
}

func TestWhatGoesOnIsToldAgainEveryWeek(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	gap := gapOf(NoRule, 7, "eu-west-3", now)
	for d := time.Duration(0); d < 15*24*time.Hour; d += time.Hour {
		w.look(now.Add(d), gap)
	}
	if len(w.told) != 3 || !w.told[1].UpdatedAt.After(w.told[0].UpdatedAt) || w.told[1].Key != w.told[0].Key {
		t.Errorf("in 15 days it was told %d times, want 3: %+v", len(w.told), w.told)
	}
}

// After hours of which nobody knows, what piled up comes in before anybody is told
// that nothing came.
func TestNothingIsToldRightAfterAStart(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	gap := gapOf(ReconciliationBehind, 0, "eu-west-3", ago(3*time.Hour))
	w.look(now, gap)
	w.wants("at the first look, of what is late for hours")
	w.alerting.Began = now.Add(6 * time.Hour) // it was known, and then nobody looked for hours
	w.look(now.Add(6*time.Hour), gap)
	w.wants("after a restart")
	w.look(now.Add(6*time.Hour+15*time.Minute), gap)
	w.wants("a quarter of an hour later", "eu-west-3 of account-000 is not checked: its reconciliation is behind")
}

// However many gaps begin together, it is one message.
func TestManyGapsAreOneMessage(t *testing.T) {
	t.Parallel()
	grid := func(n int, at func(i int) (account int, region string), k func(i int) Kind) (all []Gap) {
		for i := range n {
			account, region := at(i)
			all = append(all, gapOf(k(i), account, region, now))
		}
		return all
	}
	one := func(int) Kind { return NoRule }
	for _, tt := range []struct {
		name            string
		gaps            []Gap
		want            string
		account, region string
	}{
		{"a region is down", grid(200, func(i int) (int, string) { return i, "eu-west-3" }, one), "eu-west-3 is dark in 200 accounts: no rule (200)", "", "eu-west-3"},
		{"a region is down in more ways than one", grid(200, func(i int) (int, string) { return i, "eu-west-3" }, func(i int) Kind {
			if i%4 == 0 {
				return ReconciliationBehind
			}
			return NoRule
		}), "eu-west-3 is dark in 200 accounts: no rule (150), reconciliation behind (50)", "", "eu-west-3"},
		{"an account was closed off", grid(17, func(i int) (int, string) { return 7, seventeen[i] }, one), "account-007 is dark in 17 regions: no rule (17)", id(7), ""},
		{"everything", grid(340, func(i int) (int, string) { return i / 17, seventeen[i%17] }, one), "340 places are dark: no rule (340)", "", ""},
		{"one place in many ways", grid(6, func(int) (int, string) { return 7, "eu-west-3" }, func(i int) Kind { return Kinds()[i].Kind }), "eu-west-3 of account-007 is dark: no detector (1), detector disabled (1), not administered (1), no rule (1), rule disabled (1), rule misses findings (1)", id(7), "eu-west-3"},
		{"many accounts as a whole", grid(9, func(i int) (int, string) { return i, "" }, func(int) Kind { return NeverHeard }), "9 places are dark: never heard from (9)", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &watch{t: t, alerting: alerting}
			w.look(now, tt.gaps...)
			w.look(now.Add(15*time.Minute), tt.gaps...)
			if len(w.told) != 1 {
				t.Fatalf("%d messages: %q", len(w.told), w.heard())
			}
			d := w.told[0]
			if d.Title != tt.want || d.Account != tt.account || d.Region != tt.region {
				t.Errorf("told %q of %q %q, want %q of %q %q", d.Title, d.Account, d.Region, tt.want, tt.account, tt.region)
			}
			if len(w.raw[0]) > 5000 {
				t.Errorf("the event is %d bytes long", len(w.raw[0]))
			}
			w.heard()
			w.look(now.Add(16*time.Minute), tt.gaps[1:]...)
			w.wants("after one has ended")
			w.look(now.Add(20 * time.Minute))
			w.wants("when all have", "over: "+string(d.Key))
			if m := w.memory; len(m.Gaps)+len(m.Groups) != 0 {
				t.Errorf("something is remembered still: %+v", m)
			}
		})
	}
}

// What begins within an hour in the same region is of the same alert; later it is
// told anew, so that a group that nobody sees to hides nothing.
func TestAGroupGrowsForAnHour(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	var gaps []Gap
	for n := range 8 {
		gaps = append(gaps, gapOf(NoRule, n, "eu-west-3", now))
	}
	w.look(now, gaps...)
	w.look(now.Add(15*time.Minute), gaps...)
	first := w.told[0].Key
	w.wants("at first", "eu-west-3 is dark in 8 accounts: no rule (8)")
	gaps = append(gaps, gapOf(ReconciliationFailing, 0, "eu-west-3", now.Add(30*time.Minute)))
	w.look(now.Add(30*time.Minute), gaps...)
	if len(w.told) != 1 || w.told[0].Key != first {
		t.Errorf("the one that joins is of %v, want %s", w.told, first)
	}
	w.wants("when it has grown", "eu-west-3 is dark in 8 accounts: no rule (8), reconciliation failing (1)")
	elsewhere := append(slices.Clone(gaps), gapOf(NoDetector, 3, "us-east-1", now.Add(31*time.Minute)))
	w.look(now.Add(31*time.Minute), elsewhere...)
	w.look(now.Add(46*time.Minute), elsewhere...)
	w.wants("of another region", "us-east-1 of account-003 is dark: no detector")
	later := append(slices.Clone(elsewhere), gapOf(NoDetector, 5, "eu-west-3", now.Add(2*time.Hour)))
	w.look(now.Add(2*time.Hour), later...)
	w.look(now.Add(3*time.Hour), later...)
	w.wants("hours later", "eu-west-3 of account-005 is dark: no detector")
}

// Replicas that read one memory tell the same, to the byte.
func TestReplicasTellTheSame(t *testing.T) {
	t.Parallel()
	m := Memory{}.Note(Grid{Gaps: []Gap{gapOf(NoDetector, 7, "eu-west-3", now), gapOf(NoRule, 8, "eu-west-3", now)}}, now)
	one, other := m.Tidings(alerting, now.Add(time.Hour)), m.Tidings(alerting, now.Add(61*time.Minute))
	if diff := cmp.Diff(one, other, cmp.AllowUnexported(Tiding{}, gapID{})); diff != "" || len(one) != 2 {
		t.Errorf("%d tidings, which differ:\n%s", len(one), diff)
	}
	// Another process that told first leaves nothing to tell.
	if left := m.Told(one).Tidings(alerting, now.Add(time.Hour)); len(left) != 0 {
		t.Errorf("told already, and there are %d", len(left))
	}
}

// One that begins again is newer than the end that was told, whatever it is made of.
func TestOneThatBeginsAgainIsNewerThanItsEnd(t *testing.T) {
	t.Parallel()
	w := &watch{t: t, alerting: alerting}
	first := gapOf(ReconciliationFailing, 0, "eu-west-3", ago(time.Hour))
	w.look(now, first)
	w.look(now.Add(20*time.Minute), first)
	w.look(now.Add(30 * time.Minute))
	second := gapOf(ReconciliationFailing, 0, "eu-west-3", now.Add(25*time.Minute)) // since before its end was noted
	w.look(now.Add(35*time.Minute), second)
	w.look(now.Add(55*time.Minute), second)
	if len(w.told) != 3 {
		t.Fatalf("told %q", w.heard())
	}
	for i := 1; i < 3; i++ {
		if !w.told[i].UpdatedAt.After(w.told[i-1].UpdatedAt) {
			t.Errorf("event %d is of %v, which is not after %v", i, w.told[i].UpdatedAt, w.told[i-1].UpdatedAt)
		}
	}
	if !w.told[2].FirstSeen.Equal(second.Since) {
		t.Errorf("it is told as since %v, want %v", w.told[2].FirstSeen, second.Since)
	}
}

// Since when a gap is there survives restarts.
func TestAnAgeSurvivesARestart(t *testing.T) {
	t.Parallel()
	o := simulate(10, seventeen)
	o.detector[member].Detector.Enabled = false
	o.memory = Memory{}.Note(Judge(o.world(), ago(50*time.Hour)), ago(50*time.Hour))
	for _, gap := range o.judge().Gaps {
		if gap.Kind == DetectorDisabled && (gap.Age != 50*60*60 || !gap.Since.Equal(ago(50*time.Hour))) {
			t.Errorf("it is there since %v, for %d s; want 50 h", gap.Since, gap.Age)
		}
	}
}

// A canary that is late stays so while the next one is under way, until one arrives.
func TestALateCanaryIsNotForgottenWhileTheNextIsUnderWay(t *testing.T) {
	t.Parallel()
	o := simulate(3, seventeen)
	late := *o.canary[hub]
	late.ArrivedAt = time.Time{}
	o.canary[hub] = &late
	o.memory = Memory{}.Note(o.judge(), now)

	next := late
	next.SentAt, next.Due = now.Add(time.Minute), now.Add(3*time.Minute)
	o.canary[hub] = &next
	g := Judge(o.world(), now.Add(2*time.Minute))
	if diff := cmp.Diff([]string{"canary-late account-000 eu-west-3"}, named(g)); diff != "" {
		t.Errorf("while the next is under way (-want +got):\n%s", diff)
	}
	if _, c, _ := g.Place(id(2), hub.Region); c.Proof == nil || c.Proof.By != ByReconciliation {
		t.Errorf("a member is proven by %+v meanwhile, want the reconciliation", c.Proof)
	}
	o.memory = o.memory.Note(g, now.Add(2*time.Minute))
	arrived := next
	arrived.ArrivedAt = now.Add(2*time.Minute + 10*time.Second)
	o.canary[hub] = &arrived
	if got := named(Judge(o.world(), now.Add(3*time.Minute))); len(got) != 0 {
		t.Errorf("after one has arrived: %q", got)
	}
}

// That findings were recovered is told for a day, though the next comparison is of
// another hour.
func TestRecoveredFindingsAreToldForADay(t *testing.T) {
	t.Parallel()
	first := simulate(3, seventeen)
	first.compared[hub].Reconciliation.Recovered = 3
	memory := Memory{}.Note(first.judge(), now)
	for _, tt := range []struct {
		later time.Duration
		want  bool
	}{{time.Hour, true}, {23 * time.Hour, true}, {24 * time.Hour, false}} {
		at := now.Add(tt.later)
		o := simulate(3, seventeen)
		fresh := o.compared[hub]
		fresh.At, fresh.Reconciliation.Until = at, at
		o.memory = memory
		g := Judge(o.world(), at)
		if got := slices.Contains(named(g), "recovered account-000 eu-west-3"); got != tt.want {
			t.Errorf("%v later it is told: %t, want %t; %q", tt.later, got, tt.want, named(g))
		}
	}
}

func TestWhatIsNoTidingIsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `[]`, `{}`, `{"source":"aws.guardduty","detail":{"key":"a","state":"begun","level":"high"}}`,
		`{"source":"tocsin.coverage","detail":{"state":"begun","level":"high"}}`, `{"source":"tocsin.coverage","detail":{"key":"a","state":"odd","level":"high"}}`,
		`{"source":"tocsin.coverage","detail":{"key":"a","state":"begun","level":"worst"}}`,
	} {
		if d, err := Read([]byte(raw)); err == nil {
			t.Errorf("Read(%s) = %+v", raw, d)
		}
	}
}

func TestATidingIsPlainText(t *testing.T) {
	t.Parallel()
	gap := gapOf(ReconciliationFailing, 7, "eu-west-3", now)
	gap.Name, gap.Says = "evil\u202e\x1b[2J\n", "denied:\x00 \u202e"+strings.Repeat("x", 5000)
	w := &watch{t: t, alerting: Alerting{Level: tocsin.Critical}}
	w.look(now, gap)
	d := w.told[0]
	for _, text := range []string{d.Title, d.Headline, d.Description, d.Facts[0].Value, d.Resource.Name} {
		if strings.ContainsAny(text, "\u202e\x1b\x00\n") || len(text) > 2100 {
			t.Errorf("told %q", text)
		}
	}
	if d.Level != tocsin.Critical || d.Region != "eu-west-3" || d.Account != id(7) || d.Partition != "aws" {
		t.Errorf("detection = %+v", d)
	}
}
