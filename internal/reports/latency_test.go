package reports_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
)

var dawn = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time {
	return dawn.Add(time.Duration(seconds * float64(time.Second)))
}

// passing is an opening of what happened at dawn, all of whose times are so many
// seconds later.
func passing(created, event, received, told, acked float64) reports.Passage {
	return reports.Passage{
		OpenedAt: after(received), ActivityAt: after(0), CreatedAt: after(created), EventAt: after(event), ReceivedAt: after(received),
		ToldAt: after(told), AckedAt: after(acked), Account: "111122223333", Region: "eu-west-1", Route: "all",
	}
}

func TestWhenAFindingHappenedAndWasMade(t *testing.T) {
	t.Parallel()
	d := tocsin.Detection{FirstSeen: after(0), LastSeen: after(500), CreatedAt: after(300), EventAt: after(900)}
	for _, tt := range []struct {
		name              string
		updated           time.Time
		activity, created time.Time
	}{
		{"the first version", after(300), after(0), after(300)},
		{"the first version, a moment later", after(301), after(0), after(300)},
		{"a later version", after(1200), after(500), after(1200)},
		{"one that does not say", time.Time{}, after(0), after(300)},
	} {
		d.UpdatedAt = tt.updated
		var p reports.Passage
		if p.Begin(&d); !p.ActivityAt.Equal(tt.activity) || !p.CreatedAt.Equal(tt.created) || !p.EventAt.Equal(after(900)) {
			t.Errorf("%s: activity %v, created %v, event %v; want %v, %v", tt.name, p.ActivityAt, p.CreatedAt, p.EventAt, tt.activity, tt.created)
		}
	}
	var p reports.Passage
	if p.Begin(&tocsin.Detection{FirstSeen: after(1), UpdatedAt: after(9)}); !p.ActivityAt.Equal(after(1)) || !p.CreatedAt.IsZero() {
		t.Errorf("a sender that gives no creation: %+v", p)
	}
}

func TestHowLongAStageTook(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		p     reports.Passage
		stage reports.Stage
		want  reports.Took
	}{
		{"activity to creation", passing(300.5, 0, 0, 0, 0), reports.ActivityToCreated, reports.Took{Known: true, Time: 300500 * time.Millisecond}},
		{"creation to event", passing(1, 4, 0, 0, 0), reports.CreatedToEvent, reports.Took{Known: true, Time: 3 * time.Second}},
		{"the event's time is rounded down", passing(4.9, 4, 0, 0, 0), reports.CreatedToEvent, reports.Took{Known: true}},
		{"the event before the creation", passing(5.1, 4, 0, 0, 0), reports.CreatedToEvent, reports.Took{Known: true, Skewed: true}},
		{"event to receipt", passing(0, 4, 4.75, 0, 0), reports.EventToReceived, reports.Took{Known: true, Time: 750 * time.Millisecond}},
		{"our clock is behind", passing(0, 4, 3.9, 0, 0), reports.EventToReceived, reports.Took{Known: true, Skewed: true}},
		{"receipt to people", passing(0, 0, 1, 1.02, 0), reports.ReceivedToTold, reports.Took{Known: true, Time: 20 * time.Millisecond}},
		{"people to the one who takes it", passing(0, 0, 0, 2, 122), reports.ToldToAcknowledged, reports.Took{Known: true, Time: 2 * time.Minute}},
		{"nobody was told", reports.Passage{ReceivedAt: after(1)}, reports.ReceivedToTold, reports.Took{}},
		{"nobody took it", reports.Passage{ToldAt: after(1)}, reports.ToldToAcknowledged, reports.Took{}},
		{"the sender does not say", reports.Passage{ReceivedAt: after(1)}, reports.EventToReceived, reports.Took{}},
	} {
		if got := tt.p.Took(tt.stage); got != tt.want {
			t.Errorf("%s: Took(%s) = %+v, want %+v", tt.name, tt.stage, got, tt.want)
		}
	}
}

func TestPercentilesAreExact(t *testing.T) {
	t.Parallel()
	var all []reports.Passage
	for i := range 101 { // 0 to 100 seconds, in no order
		took := float64((i * 37) % 101)
		all = append(all, passing(0, 0, 0, took, took+1))
	}
	skewed := passing(0, 60, 10, 10, 0)
	skewed.AckedAt = time.Time{}
	all = append(all, skewed)
	r := reports.JudgeLatency(reports.LatencyFacts{From: dawn, To: dawn.Add(time.Hour), Passages: all})
	want := []reports.StageTimes{
		{Stage: reports.ActivityToCreated, Count: 102},
		{Stage: reports.CreatedToEvent, Count: 102, P99: 0, Max: 60},
		{Stage: reports.EventToReceived, Count: 102, Skewed: 1},
		{Stage: reports.ReceivedToTold, Count: 102, P50: 49.5, P90: 89.9, P99: 98.99, Max: 100},
		{Stage: reports.ToldToAcknowledged, Count: 101, P50: 1, P90: 1, P99: 1, Max: 1},
	}
	if diff := cmp.Diff(want, r.Stages); diff != "" || r.Openings != 102 {
		t.Errorf("%d openings, stages (-want +got):\n%s", r.Openings, diff)
	}
}

func TestLatencyByAccountRegionRouteAndTime(t *testing.T) {
	t.Parallel()
	part := func(account, region, route string, minute, took float64) reports.Passage {
		p := passing(0, 0, minute*60, minute*60+took, 0)
		p.Account, p.Region, p.Route, p.AckedAt = account, region, route, time.Time{}
		return p
	}
	early, late := part("a", "r", "", -1, 1), part("a", "r", "", 60, 1)
	r := reports.JudgeLatency(reports.LatencyFacts{From: dawn, To: dawn.Add(time.Hour), Cut: true, Passages: []reports.Passage{
		early, part("a", "r1", "payments", 0, 2), part("b", "r1", "", 3, 4), part("b", "r2", "", 59, 8), late,
	}})
	type row struct {
		Name     string
		Openings int
		P50      float64
	}
	rows := func(groups []reports.LatencyGroup) (all []row) {
		for _, g := range groups {
			all = append(all, row{g.Name, g.Openings, g.Stages[3].P50})
		}
		return all
	}
	for _, tt := range []struct {
		by   string
		got  []reports.LatencyGroup
		want []row
	}{
		{"account", r.ByAccount, []row{{"b", 2, 6}, {"a", 1, 2}}},
		{"region", r.ByRegion, []row{{"r1", 2, 3}, {"r2", 1, 8}}},
		{"route", r.ByRoute, []row{{"", 2, 6}, {"payments", 1, 2}}},
	} {
		if diff := cmp.Diff(tt.want, rows(tt.got)); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", tt.by, diff)
		}
	}
	if r.Every != 300 || len(r.OverTime) != 12 || r.OverTime[0].Openings != 2 || r.OverTime[11].Openings != 1 || !r.OverTime[11].At.Equal(dawn.Add(55*time.Minute)) || !r.Cut {
		t.Errorf("over time, every %v s: %+v", r.Every, r.OverTime)
	}
}

func TestStepsOfAPlot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		whole, step time.Duration
		n           int
	}{
		{time.Hour, 5 * time.Minute, 12},
		{24 * time.Hour, time.Hour, 24},
		{7 * 24 * time.Hour, 3 * time.Hour, 56},
		{31 * 24 * time.Hour, 24 * time.Hour, 31},
	} {
		from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		r := reports.JudgeLatency(reports.LatencyFacts{From: from, To: from.Add(tt.whole)})
		if r.Every != tt.step.Seconds() || len(r.OverTime) != tt.n {
			t.Errorf("%v: %d steps of %v s, want %d of %v", tt.whole, len(r.OverTime), r.Every, tt.n, tt.step)
		}
	}
}

func TestCanariesHaveTheirOwnLine(t *testing.T) {
	t.Parallel()
	at := tocsin.Place{Account: "111122223333", Region: "eu-west-3"}
	canary := func(source string, sent, took float64) tocsin.Canary {
		return tocsin.Canary{Place: at, Source: source, SentAt: after(sent), ArrivedAt: after(sent + took), Path: "sqs:queue"}
	}
	out := tocsin.Canary{Place: at, Source: "events", SentAt: after(600)}
	sample := canary("samples", 0, -1)
	sample.Sample = "Recon:EC2/PortProbeUnprotectedPort"
	r := reports.JudgeLatency(reports.LatencyFacts{From: dawn, To: dawn.Add(time.Hour), Canaries: []tocsin.Canary{
		canary("events", 0, 9), canary("events", 300, 1.25), out, sample,
	}})
	want := []reports.CanaryTime{
		{Source: "events", Account: at.Account, Region: at.Region, SentAt: after(300), ArrivedAt: after(301.25), Seconds: 1.25, Path: "sqs:queue"},
		{Source: "samples", Account: at.Account, Region: at.Region, Sample: true, SentAt: after(0), ArrivedAt: after(-1), Skewed: true, Path: "sqs:queue"},
	}
	if diff := cmp.Diff(want, r.Canaries); diff != "" || r.Openings != 0 {
		t.Errorf("canaries (-want +got):\n%s", diff)
	}
}
