package oncall_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

func TestGapsAreThereInTheirWholeLength(t *testing.T) {
	t.Parallel()
	p := plan(
		t,
		schedule("Europe/Berlin", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "Mon 08:00", To: "Fri 17:00"}}}),
		oncall.Override{ID: "cover", Kind: oncall.Add, People: names("bo"), From: instant(t, "2026-03-21T11:00:00+01:00"), Until: instant(t, "2026-03-21T12:00:00+01:00")},
	)
	now := instant(t, "2026-03-21T11:30:00+01:00")
	var got []string
	for _, g := range p.Gaps(now.Add(-time.Hour), now.Add(9*24*time.Hour)) {
		got = append(got, g.Schedule+" "+g.Start.Format(time.RFC3339)+" "+g.End.Sub(g.Start).String())
	}
	want := []string{
		"soc 2026-03-20T17:00:00+01:00 18h0m0s",
		"soc 2026-03-21T12:00:00+01:00 44h0m0s",
		"soc 2026-03-27T17:00:00+01:00 62h0m0s", // clocks are put forward
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Gaps (-want +got):\n%s", diff)
	}
	never := plan(t, schedule("UTC", oncall.Layer{Turns: turns("ana"), End: now}))
	if gaps := never.Gaps(now, now.Add(oncall.Horizon)); len(gaps) != 1 || !gaps[0].Start.Equal(now) || gaps[0].End.Before(now.AddDate(1, 0, 0)) {
		t.Errorf("Gaps of a schedule that is over = %v, want one from its end on", gaps)
	}
}

func TestHandOffsAreToldOnce(t *testing.T) {
	t.Parallel()
	s := schedule(
		"America/New_York",
		oncall.Layer{Rotate: "daily", From: "2026-03-07T09:00", Turns: turns("ana", "bo", "")},
		oncall.Layer{Turns: turns("cy"), Windows: []oncall.Window{{From: "08:00", To: "10:00"}}},
	)
	s.Mode = oncall.Union
	begin := instant(t, "2026-03-07T12:00:00-05:00")
	h := edit(t, nil, s, begin)
	p, err := oncall.New(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"03-07 12:00-05:00 +ana - =ana", // the schedule begins
		"03-08 08:00-04:00 +cy - =ana cy",
		"03-08 09:00-04:00 +bo -ana =bo cy",
		"03-08 10:00-04:00 + -cy =bo",
		"03-09 08:00-04:00 +cy - =bo cy",
		"03-09 09:00-04:00 + -bo =cy",
		"03-09 10:00-04:00 + -cy =", // a gap
		"03-10 08:00-04:00 +cy - =cy",
	}
	from, to := begin.Add(-time.Hour), instant(t, "2026-03-10T09:00:00-04:00")
	for _, step := range []time.Duration{to.Sub(from), time.Hour, 7 * time.Minute} {
		var got []string
		for at := from; at.Before(to); at = at.Add(step) {
			until := at.Add(step)
			if until.After(to) {
				until = to
			}
			for _, h := range p.HandOffs(at, until) {
				got = append(got, fmt.Sprintf("%s +%s -%s =%s", h.At.Format("01-02 15:04-07:00"), strings.Join(h.In, " "), strings.Join(h.Out, " "), strings.Join(h.On, " ")))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("HandOffs, %s at a time (-want +got):\n%s", step, diff)
		}
	}
	if got := p.HandOffs(to, to); got != nil {
		t.Errorf("HandOffs(t, t) = %v, want none", got)
	}
}

func TestQuality(t *testing.T) {
	t.Parallel()
	week := instant(t, "2026-01-05T00:00:00+01:00")
	nearly := cmpopts.EquateApprox(0, 1e-9)
	for _, tt := range []struct {
		name     string
		schedule oncall.Schedule
		from, to time.Time
		hours    float64
		covered  float64
		people   []oncall.Load
	}{
		{
			"one person, always", schedule("Europe/Berlin", oncall.Layer{Turns: turns("ana")}),
			week, week.AddDate(0, 0, 7), 168, 168,
			[]oncall.Load{{"ana", 168, 70, 48}},
		},
		{
			"office hours, and the weekend's days", schedule("Europe/Berlin",
				oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "09:00", To: "17:00", Weekdays: []string{"mon-fri"}}}},
				oncall.Layer{Turns: turns("bo"), Windows: []oncall.Window{{From: "06:00", To: "23:00", Weekdays: []string{"sat", "sun"}}}}),
			week, week.AddDate(0, 0, 7), 168, 74,
			[]oncall.Load{{"ana", 40, 0, 0}, {"bo", 34, 6, 34}},
		},
		{
			"two at a time count each", schedule("Europe/Berlin", oncall.Layer{Turns: turns("ana+bo")}),
			week.Add(20 * time.Hour), week.Add(32 * time.Hour), 12, 12,
			[]oncall.Load{{"ana", 12, 10, 0}, {"bo", 12, 10, 0}},
		},
		{
			"the night and the weekend in which clocks are put forward are shorter", schedule("Europe/Berlin", oncall.Layer{Turns: turns("ana")}),
			instant(t, "2026-03-28T00:00:00+01:00"), instant(t, "2026-03-30T00:00:00+02:00"), 47, 47,
			[]oncall.Load{{"ana", 47, 8 + 9 + 2, 47}},
		},
		{
			"nobody", schedule("UTC", oncall.Layer{Turns: turns("")}), week, week.Add(time.Hour), 1, 0, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := plan(t, tt.schedule).Quality(tt.from, tt.to)
			want := oncall.Report{Schedule: "soc", From: tt.from, To: tt.to, Hours: tt.hours, CoveredHours: tt.covered, CoveragePercent: 100 * tt.covered / tt.hours, People: tt.people}
			if diff := cmp.Diff(want, got, nearly); diff != "" {
				t.Errorf("Quality (-want +got):\n%s", diff)
			}
		})
	}
}

func TestQualityLeavesOutWhatIsBeforeTheFirstVersion(t *testing.T) {
	t.Parallel()
	begin := instant(t, "2026-01-05T00:00:00Z")
	p, err := oncall.New(edit(t, nil, schedule("UTC", oncall.Layer{Turns: turns("ana")}), begin), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := p.Quality(begin.Add(-24*time.Hour), begin.Add(24*time.Hour))
	if !r.From.Equal(begin) || math.Abs(r.CoveragePercent-100) > 1e-9 {
		t.Errorf("Quality = %+v, want all of it covered from %s on", r, begin)
	}
	if r := p.Quality(begin.Add(-24*time.Hour), begin); r.Hours != 0 || r.CoveragePercent != 0 || r.People != nil {
		t.Errorf("Quality of before = %+v, want nothing", r)
	}
}

func TestRemindersComeADayAndAQuarterOfAnHourBefore(t *testing.T) {
	t.Parallel()
	s := schedule(
		"Europe/Berlin",
		oncall.Layer{Rotate: "daily", From: "2026-01-05T09:00", Turns: turns("ana", "bo")},
		oncall.Layer{Turns: turns("bo"), Windows: []oncall.Window{{From: "Tue 07:00", To: "Tue 09:00"}}}, // runs into bo's own
	)
	p := plan(t, s)
	begin := instant(t, "2026-01-05T00:00:00+01:00")
	want := []string{
		"01-05 07:00 bo 24h0m0s before 01-06 07:00",
		"01-05 08:45 ana 15m0s before 01-05 09:00",
		"01-06 06:45 bo 15m0s before 01-06 07:00",
		"01-06 09:00 ana 24h0m0s before 01-07 09:00",
	}
	for _, step := range []time.Duration{48 * time.Hour, time.Hour, 7 * time.Minute} {
		var got []string
		keys := map[string]bool{}
		for at := begin; at.Before(begin.Add(34 * time.Hour)); at = at.Add(step) {
			until := at.Add(step)
			if end := begin.Add(34 * time.Hour); until.After(end) {
				until = end
			}
			for _, r := range oncall.Reminders(p.Shifts(at, until.Add(24*time.Hour)), at, until) {
				got = append(got, fmt.Sprintf("%s %s %s before %s", r.At.Format("01-02 15:04"), r.Person, r.Before, r.Shift.Start.Format("01-02 15:04")))
				if keys[r.Key()] {
					t.Errorf("key %q is there twice", r.Key())
				}
				keys[r.Key()] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Reminders, %s at a time (-want +got):\n%s", step, diff)
		}
	}
}

func TestWarningsOfGaps(t *testing.T) {
	t.Parallel()
	start := instant(t, "2026-02-01T08:00:00Z")
	gap := oncall.Gap{Schedule: "soc", Start: start, End: start.Add(2 * time.Hour)}
	day := 24 * time.Hour
	for _, tt := range []struct {
		name string
		now  time.Time
		want int // days; 0 is none
	}{
		{"more than 14 days before", start.Add(-14*day - time.Second), 0},
		{"14 days before", start.Add(-14 * day), 14},
		{"between 14 and 3 days", start.Add(-5 * day), 14},
		{"3 days before", start.Add(-3 * day), 3},
		{"between 3 days and one", start.Add(-25 * time.Hour), 3},
		{"one day before", start.Add(-day), 1},
		{"while it is there", start.Add(time.Hour), 1},
		{"when it is over", gap.End, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var want []oncall.Warning
			if tt.want > 0 {
				want = []oncall.Warning{{gap, tt.want}}
			}
			if diff := cmp.Diff(want, oncall.Warnings([]oncall.Gap{gap}, tt.now)); diff != "" {
				t.Errorf("Warnings (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("each has a key of its own, the same every time", func(t *testing.T) {
		t.Parallel()
		other := oncall.Gap{Schedule: "payments", Start: start.Add(-time.Hour), End: start}
		keys := map[string]int{}
		for now := start.Add(-20 * day); now.Before(gap.End); now = now.Add(time.Hour) {
			for _, w := range oncall.Warnings([]oncall.Gap{gap, other}, now) {
				keys[w.Key()]++
			}
		}
		if len(keys) != 6 {
			t.Errorf("keys %v, want six", keys)
		}
	})
	t.Run("a gap keeps its key while it goes on", func(t *testing.T) {
		t.Parallel()
		p := plan(t, schedule("UTC", oncall.Layer{Turns: turns("ana"), End: start}))
		keys := map[string]int{}
		for now := start.Add(-time.Hour); now.Before(start.Add(30 * day)); now = now.Add(6 * time.Hour) {
			for _, w := range oncall.Warnings(p.Gaps(now, now.Add(oncall.Horizon)), now) {
				keys[w.Key()]++
			}
		}
		if len(keys) != 1 || keys["gap/soc/2026-02-01T08:00:00Z/1"] == 0 {
			t.Errorf("keys %v, want one", keys)
		}
	})
}

func TestOfIsOnePersonsShiftsWhoeverElseIsThere(t *testing.T) {
	t.Parallel()
	s := schedule(
		"UTC",
		oncall.Layer{Name: "main", Rotate: "2 days", From: "2026-01-05T00:00", Turns: turns("ana", "bo")},
		oncall.Layer{Name: "second", Rotate: "daily", From: "2026-01-05T00:00", Turns: turns("cy", "di", "ana")},
	)
	s.Mode = oncall.Union
	from := instant(t, "2026-01-05T00:00:00Z")
	shifts := plan(t, s).Shifts(from, from.Add(72*time.Hour))
	if got := len(shifts); got != 3 {
		t.Fatalf("Shifts = %v, want 3", lines(shifts))
	}
	want := []oncall.Shift{{"soc", from, from.Add(72 * time.Hour), names("ana"), names("main second"), nil}}
	if diff := cmp.Diff(want, oncall.Of(shifts, "ana")); diff != "" {
		t.Errorf("Of ana (-want +got):\n%s", diff)
	}
	if got := oncall.Of(shifts, "zoe"); got != nil {
		t.Errorf("Of zoe = %v, want none", got)
	}
	if len(shifts[0].People) != 2 {
		t.Error("Of changed the shifts")
	}
}
