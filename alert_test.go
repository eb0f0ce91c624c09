package tocsin_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-sec/tocsin"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// version is the finding's n-th update: an hour later each, counting on.
func version(n int, change ...func(*tocsin.Detection)) tocsin.Detection {
	d := tocsin.Detection{
		Key: "aws/111122223333/eu-west-1/f1", Dialect: "guardduty", Type: "Backdoor:EC2/C&CActivity.B", ID: "f1",
		Level: tocsin.Medium, Severity: 5, Account: "111122223333", Region: "eu-west-1", Path: "sns:org",
		Actor: tocsin.Actor{IP: fmt.Sprintf("203.0.113.%d", n)}, Count: int64(10 * (n + 1)),
		FirstSeen: noon, LastSeen: noon.Add(time.Duration(n) * time.Hour), CreatedAt: noon,
		UpdatedAt: noon.Add(time.Duration(n) * time.Hour),
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func archived(d *tocsin.Detection)  { d.Over, d.OverReason = true, "archived" }
func high(d *tocsin.Detection)      { d.Level, d.Severity = tocsin.High, 8 }
func low(d *tocsin.Detection)       { d.Level, d.Severity = tocsin.Low, 2 }
func uncounted(d *tocsin.Detection) { d.Count = 0; d.UpdatedAt = time.Time{} }
func copied(d *tocsin.Detection) {
	d.Copied, d.Dialect, d.Path, d.ReportedBy = true, "securityhub", "sns:hub", "999988887777"
	d.Headline, d.Actor, d.Facts, d.Command = "as Security Hub says", tocsin.Actor{}, nil, ""
}

func by(path string) func(*tocsin.Detection) {
	return func(d *tocsin.Detection) { d.Path = path }
}

// fold folds the versions, one a minute, and returns the alert and each activity.
func fold(ds ...tocsin.Detection) (a tocsin.Alert, _ []tocsin.Activity) {
	var acts []tocsin.Activity
	for i, d := range ds {
		var act tocsin.Activity
		a, act = a.Fold(d, noon.Add(time.Duration(i)*time.Minute))
		acts = append(acts, act)
	}
	return a, acts
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		versions []tocsin.Detection
		verdicts []tocsin.Verdict
		tell     []tocsin.Kind
		status   tocsin.Status
		count    int64
	}{
		{
			"a new finding opens an alert",
			[]tocsin.Detection{version(0)},
			[]tocsin.Verdict{tocsin.Opened},
			[]tocsin.Kind{tocsin.TellOpened},
			tocsin.StatusOpen, 10,
		},
		{
			"an update brings news and wakes nobody",
			[]tocsin.Detection{version(0), version(1)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Updated},
			[]tocsin.Kind{tocsin.TellOpened, ""},
			tocsin.StatusOpen, 20,
		},
		{
			"an older update is recorded and changes nothing",
			[]tocsin.Detection{version(3), version(1)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Appended},
			[]tocsin.Kind{tocsin.TellOpened, ""},
			tocsin.StatusOpen, 40,
		},
		{
			"a copy by another path is recorded",
			[]tocsin.Detection{version(0), version(0, by("https:api"))},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Appended},
			[]tocsin.Kind{tocsin.TellOpened, ""},
			tocsin.StatusOpen, 10,
		},
		{
			"a higher severity tells again",
			[]tocsin.Detection{version(0), version(1, high)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Updated},
			[]tocsin.Kind{tocsin.TellOpened, tocsin.TellRaised},
			tocsin.StatusOpen, 20,
		},
		{
			"a lower severity tells nobody",
			[]tocsin.Detection{version(0), version(1, low)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Updated},
			[]tocsin.Kind{tocsin.TellOpened, ""},
			tocsin.StatusOpen, 20,
		},
		{
			"back to a severity it had before tells nobody",
			[]tocsin.Detection{version(0, high), version(1, low), version(2, high)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Updated, tocsin.Updated},
			[]tocsin.Kind{tocsin.TellOpened, "", ""},
			tocsin.StatusOpen, 30,
		},
		{
			"archived closes",
			[]tocsin.Detection{version(0), version(1, archived)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Closed},
			[]tocsin.Kind{tocsin.TellOpened, tocsin.TellClosed},
			tocsin.StatusClosed, 20,
		},
		{
			"archived from the first is recorded and wakes nobody",
			[]tocsin.Detection{version(0, archived)},
			[]tocsin.Verdict{tocsin.Closed},
			[]tocsin.Kind{""},
			tocsin.StatusClosed, 10,
		},
		{
			"archived, then an older update: stays closed",
			[]tocsin.Detection{version(2, archived), version(1)},
			[]tocsin.Verdict{tocsin.Closed, tocsin.Appended},
			[]tocsin.Kind{"", ""},
			tocsin.StatusClosed, 30,
		},
		{
			"unarchived soon after opens the same alert again",
			[]tocsin.Detection{version(0), version(1, archived), version(2)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Closed, tocsin.Opened},
			[]tocsin.Kind{tocsin.TellOpened, tocsin.TellClosed, tocsin.TellOpened},
			tocsin.StatusOpen, 30,
		},
		{
			"a sender that does not count: each event is one",
			[]tocsin.Detection{version(0, uncounted), version(0, uncounted), version(0, uncounted)},
			[]tocsin.Verdict{tocsin.Opened, tocsin.Updated, tocsin.Updated},
			[]tocsin.Kind{tocsin.TellOpened, "", ""},
			tocsin.StatusOpen, 3,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, acts := fold(tt.versions...)
			for i, act := range acts {
				if act.Verdict != tt.verdicts[i] || act.Tell != tt.tell[i] {
					t.Errorf("step %d: %s, tell %q; want %s, tell %q", i, act.Verdict, act.Tell, tt.verdicts[i], tt.tell[i])
				}
			}
			if a.Status != tt.status || a.Occurrences != tt.count || a.Events != int64(len(tt.versions)) {
				t.Errorf("status %s, count %d, events %d; want %s, %d, %d", a.Status, a.Occurrences, a.Events, tt.status, tt.count, len(tt.versions))
			}
		})
	}
}

func TestNewsAfterAPersonClosedItOpensTheNextAlert(t *testing.T) {
	t.Parallel()
	a, _ := fold(version(0))
	a.ID = 7
	a, err := a.Close("ana", tocsin.ReasonFixed, noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if same, act := a.Fold(version(0), noon.Add(2*time.Minute)); same.ID != 7 || same.Status != tocsin.StatusClosed || act.Tell != "" {
		t.Errorf("an old version after the close: alert %d %s, tell %q; want 7 closed, nothing", same.ID, same.Status, act.Tell)
	}
	next, act := a.Fold(version(1), noon.Add(2*time.Minute))
	if next.ID != 0 || next.Previous != 7 || next.Status != tocsin.StatusOpen || act.Verdict != tocsin.Opened {
		t.Errorf("news after the close: %+v, %s; want a new open alert with previous 7", next, act.Verdict)
	}
}

func TestUnarchivedLongAfterOpensTheNextAlert(t *testing.T) {
	t.Parallel()
	a, _ := fold(version(0), version(1, archived))
	a.ID = 7
	next, _ := a.Fold(version(2), a.ClosedAt.Add(11*time.Minute))
	if next.ID != 0 || next.Previous != 7 {
		t.Errorf("alert %d previous %d; want a new one with previous 7", next.ID, next.Previous)
	}
}

func TestWhoeverAcknowledgedItAcknowledgedSomethingSmaller(t *testing.T) {
	t.Parallel()
	a, _ := fold(version(0))
	a, err := a.Acknowledge("ana", noon)
	if err != nil {
		t.Fatal(err)
	}
	a, act := a.Fold(version(1), noon)
	if a.Status != tocsin.StatusAcked || act.Tell != "" {
		t.Errorf("an update of the same severity: %s, tell %q; want acked, nothing", a.Status, act.Tell)
	}
	a, act = a.Fold(version(2, high), noon)
	if a.Status != tocsin.StatusOpen || a.AckedBy != "" || act.Tell != tocsin.TellRaised {
		t.Errorf("a higher severity: %s by %q, tell %q; want open by nobody, raised", a.Status, a.AckedBy, act.Tell)
	}
}

func TestTheFirstAcknowledgementStands(t *testing.T) {
	t.Parallel()
	a, _ := fold(version(0))
	a.ID = 42
	a, err := a.Acknowledge("ana", noon)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Acknowledge("bo", noon.Add(time.Hour))
	if _, ok := errors.AsType[*tocsin.StateError](err); !ok || err.Error() != "alert 42: already acknowledged by ana at 2026-03-01T12:00:00Z" {
		t.Errorf("second acknowledgement: %v", err)
	}
	closed, err := a.Close("bo", tocsin.ReasonExpected, noon)
	if err != nil || closed.Status != tocsin.StatusClosed || closed.AckedBy != "ana" {
		t.Errorf("close of an acknowledged alert: %+v, %v", closed, err)
	}
	if _, err := closed.Close("cy", tocsin.ReasonFixed, noon); err == nil || !strings.Contains(err.Error(), "already closed by bo (expected)") {
		t.Errorf("second close: %v", err)
	}
	if _, err := closed.Acknowledge("cy", noon); err == nil {
		t.Error("a closed alert was acknowledged")
	}
	if _, err := a.Close("bo", "", noon); err == nil {
		t.Error("closed without a reason")
	}
}

// Whatever the order of arrival, redeliveries and paths included, the alert ends
// the same: no count lost, never turned back.
func TestFoldInAnyOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		var ds []tocsin.Detection
		for n := range 1 + rng.IntN(7) {
			var changes []func(*tocsin.Detection)
			for _, c := range []func(*tocsin.Detection){high, low, archived, by("https:api"), by("file:export")} {
				if rng.IntN(4) == 0 {
					changes = append(changes, c)
				}
			}
			for range 1 + rng.IntN(2) { // some come twice
				ds = append(ds, version(n, changes...))
			}
			switch rng.IntN(4) { // and some are told of by another service, too, or only
			case 0:
				ds = append(ds, version(n, append(changes, copied)...))
			case 1:
				ds = append(ds[:len(ds)-1], version(n, append(changes, copied)...))
			}
		}
		want := endState(ds)
		for range 5 {
			rng.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
			got := endState(ds)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(tocsin.Alert{}, "Reopened", "ReopenedAt")); diff != "" {
				t.Fatalf("round %d: another order ends differently (-first +shuffled):\n%s", round, diff)
			}
		}
		newest := slices.MaxFunc(ds, func(a, b tocsin.Detection) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
		if want.Occurrences != newest.Count || want.Events != int64(len(ds)) {
			t.Fatalf("round %d: count %d in %d events; want %d in %d", round, want.Occurrences, want.Events, newest.Count, len(ds))
		}
	}
}

// What Security Hub says of a finding of GuardDuty's never makes the alert poorer, and
// tells nobody twice.
func TestACopyByAnotherService(t *testing.T) {
	t.Parallel()
	words := func(d *tocsin.Detection) { d.Headline = "as GuardDuty says" }
	own := func(n int, change ...func(*tocsin.Detection)) tocsin.Detection {
		return version(n, append(change, words)...)
	}
	hub := func(n int, change ...func(*tocsin.Detection)) tocsin.Detection {
		return version(n, append(change, copied)...)
	}
	for _, tt := range []struct {
		name     string
		versions []tocsin.Detection
		tell     []tocsin.Kind
		headline string
		ip       string
		count    int64
		status   tocsin.Status
	}{
		{"after it", []tocsin.Detection{own(0), hub(0)}, []tocsin.Kind{tocsin.TellOpened, ""}, "as GuardDuty says", "203.0.113.0", 10, tocsin.StatusOpen},
		{"before it: it fills the alert", []tocsin.Detection{hub(0), own(0)}, []tocsin.Kind{tocsin.TellOpened, ""}, "as GuardDuty says", "203.0.113.0", 10, tocsin.StatusOpen},
		{"alone", []tocsin.Detection{hub(0), hub(1)}, []tocsin.Kind{tocsin.TellOpened, ""}, "as Security Hub says", "", 20, tocsin.StatusOpen},
		{"an update is there first: the figures are new, the words stay", []tocsin.Detection{own(0), hub(1)}, []tocsin.Kind{tocsin.TellOpened, ""}, "as GuardDuty says", "203.0.113.0", 20, tocsin.StatusOpen},
		{"and then GuardDuty's", []tocsin.Detection{own(0), hub(1), own(1)}, []tocsin.Kind{tocsin.TellOpened, "", ""}, "as GuardDuty says", "203.0.113.1", 20, tocsin.StatusOpen},
		{"an older one of GuardDuty's comes late", []tocsin.Detection{hub(2), own(1), own(0)}, []tocsin.Kind{tocsin.TellOpened, "", ""}, "as GuardDuty says", "203.0.113.1", 30, tocsin.StatusOpen},
		{"it got worse: that is told once", []tocsin.Detection{own(0), hub(1, high), own(1, high)}, []tocsin.Kind{tocsin.TellOpened, tocsin.TellRaised, ""}, "as GuardDuty says", "203.0.113.1", 20, tocsin.StatusOpen},
		{"resolved there", []tocsin.Detection{own(0), hub(0, archived), own(0)}, []tocsin.Kind{tocsin.TellOpened, tocsin.TellClosed, ""}, "as GuardDuty says", "203.0.113.0", 10, tocsin.StatusClosed},
		{"resolved there, before it is known here", []tocsin.Detection{hub(0, archived), own(0)}, []tocsin.Kind{"", ""}, "as GuardDuty says", "203.0.113.0", 10, tocsin.StatusClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, acts := fold(tt.versions...)
			var tell []tocsin.Kind
			for _, act := range acts {
				tell = append(tell, act.Tell)
			}
			if !slices.Equal(tell, tt.tell) {
				t.Errorf("told %q, want %q", tell, tt.tell)
			}
			if a.Headline != tt.headline || a.Actor.IP != tt.ip || a.Occurrences != tt.count || a.Status != tt.status {
				t.Errorf("it says %q of %q, %d times, and is %s; want %q of %q, %d times, %s", a.Headline, a.Actor.IP, a.Occurrences, a.Status, tt.headline, tt.ip, tt.count, tt.status)
			}
			if a.ReportedBy != "999988887777" {
				t.Errorf("reported by %q", a.ReportedBy)
			}
		})
	}
}

// A person hears what happened between two versions of GuardDuty's, though a copy of
// the newer came between.
func TestNewsBehindACopyIsTold(t *testing.T) {
	t.Parallel()
	terms := tocsin.DefaultTerms()
	terms.Updates = time.Hour
	a, _ := tocsin.Alert{}.Fold(version(0), noon)
	a.Terms = &terms
	a, _ = a.Fold(version(1, copied), noon.Add(time.Minute))
	if !a.SayAt.IsZero() {
		t.Errorf("the copy is to be told of at %s: %v", a.SayAt, a.Unsaid)
	}
	a, _ = a.Fold(version(1), noon.Add(2*time.Minute))
	if a.SayAt.IsZero() || !slices.ContainsFunc(a.Unsaid, func(c tocsin.Change) bool { return c.What == "remote IP" }) {
		t.Errorf("nothing is to be told of: %v", a.Unsaid)
	}
	// What only says better what a copy said is no news.
	b, _ := tocsin.Alert{}.Fold(version(0, copied), noon)
	b.Terms = &terms
	if b, _ = b.Fold(version(0), noon.Add(time.Minute)); !b.SayAt.IsZero() {
		t.Errorf("better words are to be told of: %v", b.Unsaid)
	}
}

// endState folds all at one instant, so that what depends on the clock alone
// does not differ.
func endState(ds []tocsin.Detection) tocsin.Alert {
	var a tocsin.Alert
	for _, d := range ds {
		a, _ = a.Fold(d, noon)
	}
	if len(ds) > 0 {
		a.Path = "" // of two copies of one version the first is kept
	}
	return a
}

// Folding never changes what the caller holds.
func TestFoldLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	a, _ := fold(version(0, by("b:x")), version(0, by("d:x")))
	before := slices.Clone(a.Paths)
	a.Fold(version(0, by("a:x")), noon)
	a.Fold(version(0, by("c:x")), noon)
	if diff := cmp.Diff(before, a.Paths); diff != "" {
		t.Errorf("paths changed (-before +after):\n%s", diff)
	}
}

func TestChangesAreSaidAsDifferences(t *testing.T) {
	t.Parallel()
	_, acts := fold(version(0), version(1, high, by("https:api")))
	want := []tocsin.Change{
		{What: "severity", From: "medium 5", To: "high 8"},
		{What: "count", From: "10", To: "20"},
		{What: "remote IP", From: "203.0.113.0", To: "203.0.113.1"},
		{What: "path", To: "https:api"},
	}
	if diff := cmp.Diff(want, acts[1].Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	if got := tocsin.KeyOf("aws", "012345678901", "eu-west-1", "f/1~"); got != "aws/012345678901/eu-west-1/f~11~0" {
		t.Errorf("KeyOf = %s", got)
	}
	if tocsin.KeyOf("a/b", "c") == tocsin.KeyOf("a", "b/c") {
		t.Error("different parts made one key")
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for _, word := range tocsin.Levels() {
		l, err := tocsin.ParseLevel(strings.ToUpper(word))
		if err != nil || l.String() != word {
			t.Errorf("ParseLevel(%q) = %v, %v", word, l, err)
		}
	}
	if _, err := tocsin.ParseLevel("urgent"); err == nil {
		t.Error(`ParseLevel("urgent") gave no error`)
	}
}
