package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reconcile"
)

// noon is now, and at is so many minutes before or after it.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func TestWhatBecameOfAFinding(t *testing.T) {
	t.Parallel()
	watch := reconcile.Watch{Now: noon, Grace: 15 * time.Minute, Frequency: time.Hour, Since: at(-24 * 60), FiltersKnown: true}
	never := tocsin.Held{}
	asked := func(minutes int) tocsin.Held { return tocsin.Held{Newest: at(minutes)} }
	came := func(minutes int) tocsin.Held { return tocsin.Held{Newest: at(minutes), Pushed: at(minutes)} }
	fresh := func(minutes int) reconcile.Finding {
		return reconcile.Finding{Created: at(minutes), Updated: at(minutes), LastSeen: at(minutes)}
	}
	changed := func(created, updated int) reconcile.Finding {
		return reconcile.Finding{Created: at(created), Updated: at(updated), LastSeen: at(updated)}
	}
	archived := func(f reconcile.Finding, filters ...string) reconcile.Finding {
		f.Archived, f.Filters = true, filters
		return f
	}
	for _, tt := range []struct {
		name    string
		finding reconcile.Finding
		held    tocsin.Held
		waiting time.Time
		change  func(*reconcile.Watch)
		want    reconcile.Judgement
	}{
		{"it came", fresh(-60), came(-60), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Received}},
		{"it came, and newer than is listed", fresh(-60), came(-50), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Received}},
		{"new, and on its way", fresh(-14), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Pending, Due: at(1)}},
		{"new, and it never came", fresh(-15), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Recovered, Put: true}},
		{"it was put through from here", fresh(-15), asked(-15), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Recovered}},
		{"it never came, and goes on", changed(-600, -1), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Recovered, Put: true}},
		{"an update that is not due", changed(-600, -74), came(-600), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Pending, Waiting: at(-74), Due: at(1)}},
		{"an update that never came", changed(-600, -75), came(-600), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Recovered, Put: true, Waiting: at(-75), Due: noon}},
		{"an update that is updated again and again", changed(-600, -1), came(-600), at(-75), nil, reconcile.Judgement{Class: reconcile.Recovered, Put: true, Waiting: at(-75), Due: noon}},
		{"an update was waited for and came, and now another one is", changed(-600, -1), came(-70), at(-75), nil, reconcile.Judgement{Class: reconcile.Pending, Waiting: at(-1), Due: at(74)}},
		{"an update after one that was put through from here", changed(-600, -1), tocsin.Held{Newest: at(-70), Pushed: at(-600)}, at(-75), nil, reconcile.Judgement{Class: reconcile.Pending, Waiting: at(-1), Due: at(74)}},
		{"an update of what never came by itself", changed(-600, -10), asked(-600), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Pending, Waiting: at(-10), Due: at(65)}},
		{"an update that is put through already", changed(-600, -75), tocsin.Held{Newest: at(-75), Pushed: at(-600)}, at(-75), nil, reconcile.Judgement{Class: reconcile.Recovered, Waiting: at(-75), Due: noon}},
		{"an update of one that is older than the watching", changed(-48*60, -10), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Pending, Waiting: at(-10), Due: at(65)}},
		{"six hours is the period", changed(-600, -374), came(-600), time.Time{}, func(w *reconcile.Watch) { w.Frequency = 6 * time.Hour }, reconcile.Judgement{Class: reconcile.Pending, Waiting: at(-374), Due: at(1)}},
		{"what waits in queues has the grace", fresh(-60), never, time.Time{}, func(w *reconcile.Watch) { w.Gone, w.Listening = at(-50), at(-5) }, reconcile.Judgement{Class: reconcile.Pending, Due: at(10)}},
		{"what waits in queues had the grace", fresh(-60), never, time.Time{}, func(w *reconcile.Watch) { w.Gone, w.Listening = at(-50), at(-15) }, reconcile.Judgement{Class: reconcile.Recovered, Put: true}},
		{"what was due before anybody was away waits in no queue", fresh(-60), never, time.Time{}, func(w *reconcile.Watch) { w.Gone, w.Listening = at(-45), at(-5) }, reconcile.Judgement{Class: reconcile.Recovered, Put: true}},
		{"a filter archived it", archived(fresh(-60), "low"), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Suppressed, Put: true, Filter: "low"}},
		{"one of two filters archived it", archived(fresh(-60), "low", "recon"), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Suppressed, Put: true, Filter: reconcile.SeveralFilters}},
		{"no filter can have archived it", archived(fresh(-60)), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Suppressed, Put: true, Filter: reconcile.NoFilter}},
		{"filters may not be seen", archived(fresh(-60)), never, time.Time{}, func(w *reconcile.Watch) { w.FiltersKnown = false }, reconcile.Judgement{Class: reconcile.Suppressed, Put: true, Filter: reconcile.SeveralFilters}},
		{"a filter's is kept already", archived(fresh(-60), "low"), asked(-60), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Suppressed, Filter: "low"}},
		{"a filter's goes on", archived(changed(-600, -10), "low"), asked(-60), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Suppressed, Put: true, Filter: "low"}},
		{"a filter's, but it may still come", archived(fresh(-10), "low"), never, time.Time{}, nil, reconcile.Judgement{Class: reconcile.Pending, Due: at(5)}},
		{
			"somebody archived it, and nothing happened since",
			reconcile.Finding{Created: at(-600), Updated: at(-10), LastSeen: at(-600), Archived: true},
			came(-600),
			time.Time{},
			nil,
			reconcile.Judgement{Class: reconcile.Received, Put: true},
		},
		{
			"somebody archived it, which is known",
			reconcile.Finding{Created: at(-600), Updated: at(-10), LastSeen: at(-600), Archived: true},
			tocsin.Held{Newest: at(-10), Pushed: at(-600)},
			time.Time{},
			nil,
			reconcile.Judgement{Class: reconcile.Received},
		},
		{"archived, and an update is not due", archived(changed(-600, -10)), came(-600), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Pending, Put: true, Waiting: at(-10), Due: at(65)}},
		{"archived by somebody, whose updates are sent, and none came", archived(changed(-600, -80)), came(-600), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Recovered, Put: true, Waiting: at(-80), Due: at(-5)}},
		{"it came, and a new filter archives what goes on", archived(changed(-600, -80), "low"), came(-600), time.Time{}, nil, reconcile.Judgement{Class: reconcile.Suppressed, Put: true, Waiting: at(-80), Due: at(-5), Filter: "low"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := watch
			if tt.change != nil {
				tt.change(&w)
			}
			if diff := cmp.Diff(tt.want, w.Judge(tt.finding, tt.held, tt.waiting)); diff != "" {
				t.Errorf("Judge (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALedgerCountsTheLastDay(t *testing.T) {
	t.Parallel()
	l := &reconcile.Ledger{From: at(-60 * 24 * 3), Until: noon}
	for i, class := range []reconcile.Class{reconcile.Received, reconcile.Received, reconcile.Pending, reconcile.Suppressed, reconcile.Recovered, reconcile.Unexplained} {
		r := reconcile.Record{Account: "111122223333", Updated: at(-10*i - 1), Class: class}
		if class == reconcile.Suppressed {
			r.Filter = "low"
		}
		l.Note(fmt.Sprint(i), r)
	}
	l.Note("just now", reconcile.Record{Account: "111122223333", Updated: noon, Class: reconcile.Recovered})
	l.Note("old", reconcile.Record{Account: "111122223333", Updated: at(-60*24 - 1), Class: reconcile.Recovered})
	l.Note("waited for", reconcile.Record{Account: "111122223333", Updated: at(-60*24 - 1), Class: reconcile.Pending})
	l.Note("another's", reconcile.Record{Account: "444455556666", Updated: at(-60 * 24), Class: reconcile.Received})
	want := map[string]tocsin.Reconciliation{
		"111122223333": {From: at(-60 * 24), Until: noon, API: 6, Received: 2, Pending: 1, Suppressed: 1, Recovered: 1, Unexplained: 1},
		"444455556666": {From: at(-60 * 24), Until: noon, API: 1, Received: 1},
		"777788889999": {From: at(-60 * 24), Until: noon},
	}
	if diff := cmp.Diff(want, l.Counts(noon, "111122223333", "777788889999")); diff != "" {
		t.Errorf("Counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"low": 1}, l.Filters(noon)); diff != "" {
		t.Errorf("Filters (-want +got):\n%s", diff)
	}
	l.Forget(noon)
	if got := slices.Sorted(maps.Keys(l.Records)); !slices.Equal(got, []string{"0", "1", "2", "3", "4", "5", "another's", "just now", "waited for"}) {
		t.Errorf("after the day there are %q", got)
	}
	if got := slices.Sorted(slices.Values(l.Open())); !slices.Equal(got, []string{"2", "5", "waited for"}) {
		t.Errorf("open are %q", got)
	}
}

func TestALedgerThatJustBeganCountsFromItsBeginning(t *testing.T) {
	t.Parallel()
	l := &reconcile.Ledger{From: at(-60), Until: noon}
	if got := l.Counts(noon, "111122223333")["111122223333"].From; !got.Equal(at(-60)) {
		t.Errorf("it counts from %v", got)
	}
}

func TestWhatWasRecoveredStaysRecovered(t *testing.T) {
	t.Parallel()
	l := &reconcile.Ledger{}
	l.Note("1", reconcile.Record{Updated: at(-60), Class: reconcile.Recovered})
	l.Note("1", reconcile.Record{Updated: at(-60), Class: reconcile.Received}) // it came after all
	if got := l.Records["1"].Class; got != reconcile.Recovered {
		t.Errorf("it is %s", got)
	}
	l.Note("1", reconcile.Record{Updated: at(-10), Class: reconcile.Received}) // the next version came by itself
	if got := l.Records["1"].Class; got != reconcile.Received {
		t.Errorf("it is %s", got)
	}
}

func TestALedgerIsReadAsItWasKept(t *testing.T) {
	t.Parallel()
	l := &reconcile.Ledger{Detector: "d", From: at(-60), Until: noon, Since: at(-50), Records: map[string]reconcile.Record{
		"1": {Key: "aws/1/2/3", Account: "111122223333", Updated: at(-5), Class: reconcile.Pending, Waiting: at(-6), Due: at(7)},
		"2": {Account: "111122223333", Updated: at(-5), Class: reconcile.Suppressed, Filter: "low"},
	}}
	data, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := reconcile.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, back); diff != "" {
		t.Errorf("read (-kept +read):\n%s", diff)
	}
	for _, broken := range [][]byte{nil, []byte("{}"), data[:len(data)/2], data[:len(data)-1]} {
		if _, err := reconcile.Unmarshal(broken); err == nil {
			t.Errorf("Unmarshal(%.20q) = nil, want an error", broken)
		}
	}
}

const example = `{
	"accountId": "111122223333", "region": "eu-west-1", "type": "Recon:EC2/Portscan", "severity": 5.0, "createdAt": "2026-03-01T12:00:00.000Z",
	"resource": {"instanceDetails": {"instanceId": "i-1", "tags": [{"key": "env", "value": "dev"}, {"key": "team", "value": "web"}], "networkInterfaces": [{"publicIp": "192.0.2.1"}]}},
	"service": {"archived": true, "action": {"dnsRequestAction": {"domain": "pool.example.com", "blocked": false}}}
}`

func TestWhichFilterCouldHaveArchivedAFinding(t *testing.T) {
	t.Parallel()
	n := func(i int64) *int64 { return &i }
	for _, tt := range []struct {
		name     string
		criteria map[string]reconcile.Condition
		want     bool
	}{
		{"one without conditions", nil, true},
		{"its type", map[string]reconcile.Condition{"type": {Equals: []string{"Other:EC2/X", "Recon:EC2/Portscan"}}}, true},
		{"another type", map[string]reconcile.Condition{"type": {Equals: []string{"Other:EC2/X"}}}, false},
		{"its type, but another account", map[string]reconcile.Condition{"type": {Equals: []string{"Recon:EC2/Portscan"}}, "accountId": {Equals: []string{"444455556666"}}}, false},
		{"every type but its own", map[string]reconcile.Condition{"type": {NotEquals: []string{"Recon:EC2/Portscan"}}}, false},
		{"every type but another", map[string]reconcile.Condition{"type": {NotEquals: []string{"Other:EC2/X"}}}, true},
		{"a tag in a list", map[string]reconcile.Condition{"resource.instanceDetails.tags.value": {Equals: []string{"web"}}}, true},
		{"a tag that is not there", map[string]reconcile.Condition{"resource.instanceDetails.tags.value": {Equals: []string{"prod"}}}, false},
		{"a number, written otherwise", map[string]reconcile.Condition{"severity": {Equals: []string{"5"}}}, true},
		{"severity of at least", map[string]reconcile.Condition{"severity": {AtLeast: n(5)}}, true},
		{"severity over", map[string]reconcile.Condition{"severity": {Over: n(5)}}, false},
		{"severity under", map[string]reconcile.Condition{"severity": {Under: n(6), AtMost: n(5)}}, true},
		{"what it does not have", map[string]reconcile.Condition{"resource.lambdaDetails.functionName": {Equals: []string{"f"}}}, false},
		{"without what it does not have", map[string]reconcile.Condition{"resource.lambdaDetails.functionName": {NotEquals: []string{"f"}}}, true},
		{"a domain by pattern", map[string]reconcile.Condition{"service.action.dnsRequestAction.domain": {Matches: []string{"*.example.com"}}}, true},
		{"a domain by another pattern", map[string]reconcile.Condition{"service.action.dnsRequestAction.domain": {Matches: []string{"pool.example.???.uk", "x*"}}}, false},
		{"no domain of a pattern", map[string]reconcile.Condition{"service.action.dnsRequestAction.domain": {NotMatches: []string{"poo?.*"}}}, false},
		{"a truth", map[string]reconcile.Condition{"service.action.dnsRequestAction.blocked": {Equals: []string{"false"}}}, true},
		{"created after", map[string]reconcile.Condition{"createdAt": {Over: n(noon.Add(-time.Hour).UnixMilli())}}, true},
		{"created before", map[string]reconcile.Condition{"createdAt": {Under: n(noon.Add(-time.Hour).UnixMilli())}}, false},
		{"what may have been otherwise then", map[string]reconcile.Condition{"updatedAt": {Under: n(1)}, "service.archived": {Equals: []string{"false"}}}, true},
		{"what is not where its name says", map[string]reconcile.Condition{"service.additionalInfo.threatListName": {Equals: []string{"tor"}}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := reconcile.Filter{Name: "it", Criteria: tt.criteria}
			if got := f.CouldArchive([]byte(example)); got != tt.want {
				t.Errorf("CouldArchive = %v, want %v", got, tt.want)
			}
		})
	}
	both := []reconcile.Filter{{Name: "z"}, {Name: "a"}, {Name: "no", Criteria: map[string]reconcile.Condition{"type": {Equals: []string{"Other:EC2/X"}}}}}
	if got := reconcile.Could(both, []byte(example)); !slices.Equal(got, []string{"a", "z"}) {
		t.Errorf("Could = %q", got)
	}
	if !both[2].CouldArchive([]byte("no JSON")) {
		t.Error("what cannot be read could be anything")
	}
}

// A pattern of many stars takes no longer than its text times itself.
func TestAPatternOfStarsEnds(t *testing.T) {
	t.Parallel()
	f := reconcile.Filter{Criteria: map[string]reconcile.Condition{"type": {Matches: []string{strings.Repeat("*a", 60) + "b"}}}}
	if f.CouldArchive([]byte(`{"type":"` + strings.Repeat("a", 2000) + `"}`)) {
		t.Error("it matches")
	}
}
