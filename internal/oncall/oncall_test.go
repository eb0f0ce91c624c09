package oncall_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// instant reads RFC 3339.
func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// turns are of one person each; "bo+cy" share one, and "" is nobody's.
func turns(names ...string) []oncall.Turn {
	var all []oncall.Turn
	for _, n := range names {
		turn := oncall.Turn{}
		if n != "" {
			turn = strings.Split(n, "+")
		}
		all = append(all, turn)
	}
	return all
}

func schedule(zone string, layers ...oncall.Layer) oncall.Schedule {
	return oncall.Schedule{Name: "soc", TimeZone: zone, Layers: layers}
}

func plan(t testing.TB, s oncall.Schedule, overrides ...oncall.Override) *oncall.Plan {
	t.Helper()
	p, err := oncall.New(oncall.History{{Schedule: s}}, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lines are shifts as "03-08 03:00-04:00 23.5h bo".
func lines(shifts []oncall.Shift) []string {
	var all []string
	for _, s := range shifts {
		all = append(all, fmt.Sprintf("%s %gh %s", s.Start.Format("01-02 15:04-07:00"), s.End.Sub(s.Start).Hours(), strings.Join(s.People, "+")))
	}
	return all
}

func TestShiftsOverTheDaysOnWhichClocksChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		schedule oncall.Schedule
		from, to string
		want     []string
	}{
		{
			"V1 NY daily at a time that is skipped",
			schedule("America/New_York", oncall.Layer{Rotate: "daily", From: "2026-03-06T02:30", Turns: turns("ana", "bo", "cy")}),
			"2026-03-06T12:00:00Z", "2026-03-09T12:00:00Z",
			[]string{"03-06 02:30-05:00 24h ana", "03-07 02:30-05:00 23.5h bo", "03-08 03:00-04:00 23.5h cy", "03-09 02:30-04:00 24h ana"},
		},
		{
			"V2 NY daily at a time that comes twice",
			schedule("America/New_York", oncall.Layer{Rotate: "daily", From: "2026-10-31T01:30", Turns: turns("ana", "bo")}),
			"2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z",
			[]string{"10-31 01:30-04:00 24h ana", "11-01 01:30-04:00 25h bo", "11-02 01:30-05:00 24h ana"},
		},
		{
			"V3 London weekly into summer time",
			schedule("Europe/London", oncall.Layer{Rotate: "weekly", From: "2026-03-23T09:00", Turns: turns("ana", "bo")}),
			"2026-03-23T09:00:00Z", "2026-03-30T12:00:00Z",
			[]string{"03-23 09:00+00:00 167h ana", "03-30 09:00+01:00 168h bo"},
		},
		{
			"V3 London weekly out of summer time",
			schedule("Europe/London", oncall.Layer{Rotate: "weekly", From: "2026-03-23T09:00", Turns: turns("ana", "bo")}),
			"2026-10-19T12:00:00Z", "2026-10-26T12:00:00Z",
			[]string{"10-19 09:00+01:00 169h ana", "10-26 09:00+00:00 168h bo"},
		},
		{
			"V4 NY hourly over the skipped hour: c's turn is used up",
			schedule("America/New_York", oncall.Layer{Rotate: "hourly", From: "2026-03-08T00:00", Turns: turns("a", "b", "c", "d", "e")}),
			"2026-03-08T05:00:00Z", "2026-03-08T09:00:00Z",
			[]string{"03-08 00:00-05:00 1h a", "03-08 01:00-05:00 1h b", "03-08 03:00-04:00 1h d", "03-08 04:00-04:00 1h e"},
		},
		{
			"V4 NY hourly over the hour that comes twice: b has both",
			schedule("America/New_York", oncall.Layer{Rotate: "hourly", From: "2026-11-01T00:00", Turns: turns("a", "b", "c", "d", "e")}),
			"2026-11-01T04:00:00Z", "2026-11-01T08:00:00Z",
			[]string{"11-01 00:00-04:00 1h a", "11-01 01:00-04:00 2h b", "11-01 02:00-05:00 1h c"},
		},
		{
			"V4 NY every 12 hours: the long night has 13, and hand-offs stay at 08:00 and 20:00",
			schedule("America/New_York", oncall.Layer{Rotate: "12 hours", From: "2026-10-31T08:00", Turns: turns("ana", "bo")}),
			"2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z",
			[]string{"10-31 08:00-04:00 12h ana", "10-31 20:00-04:00 13h bo", "11-01 08:00-05:00 12h ana", "11-01 20:00-05:00 12h bo"},
		},
		{
			"V5 UTC monthly on the 31st, or the month's last day",
			schedule("UTC", oncall.Layer{Rotate: "monthly", From: "2026-01-31T09:00", Turns: turns("ana", "bo")}),
			"2026-01-31T09:00:00Z", "2026-05-31T09:00:01Z",
			[]string{"01-31 09:00+00:00 672h ana", "02-28 09:00+00:00 744h bo", "03-31 09:00+00:00 720h ana", "04-30 09:00+00:00 744h bo", "05-31 09:00+00:00 720h ana"},
		},
		{
			"V6 Cairo daily at a midnight that is not there",
			schedule("Africa/Cairo", oncall.Layer{Rotate: "daily", From: "2026-04-22T00:00", Turns: turns("ana", "bo", "cy")}),
			"2026-04-23T00:00:00Z", "2026-04-25T00:00:00Z",
			[]string{"04-23 00:00+02:00 24h bo", "04-24 01:00+03:00 23h cy", "04-25 00:00+03:00 24h ana"},
		},
		{
			"V7 Lord Howe daily over half an hour that comes twice",
			schedule("Australia/Lord_Howe", oncall.Layer{Rotate: "daily", From: "2026-04-04T02:00", Turns: turns("ana", "bo")}),
			"2026-04-03T15:00:00Z", "2026-04-04T20:00:00Z",
			[]string{"04-04 02:00+11:00 24.5h ana", "04-05 02:00+10:30 24h bo"},
		},
		{
			"V9 NY 02:00-03:00: no window on the day without that hour",
			schedule("America/New_York", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "02:00", To: "03:00"}}}),
			"2026-03-07T05:00:00Z", "2026-03-10T04:00:00Z",
			[]string{"03-07 02:00-05:00 1h ana", "03-09 02:00-04:00 1h ana"},
		},
		{
			"a shift that falls into the skipped hour is used up: it was bo's",
			schedule("America/New_York", oncall.Layer{Rotate: "every shift", From: "2026-03-07T02:00", Turns: turns("ana", "bo", "cy"), Windows: []oncall.Window{{From: "02:00", To: "03:00"}}}),
			"2026-03-07T05:00:00Z", "2026-03-10T04:00:00Z",
			[]string{"03-07 02:00-05:00 1h ana", "03-09 02:00-04:00 1h cy"},
		},
		{
			"V9 NY 01:00-02:00 before the skipped hour",
			schedule("America/New_York", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "01:00", To: "02:00"}}}),
			"2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z",
			[]string{"03-08 01:00-05:00 1h ana"},
		},
		{
			"V9 NY 01:00-02:00 as it comes twice",
			schedule("America/New_York", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "01:00", To: "02:00"}}}),
			"2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z",
			[]string{"11-01 01:00-04:00 2h ana"},
		},
		{
			"V9 NY 00:30-01:30 ends at the first 01:30",
			schedule("America/New_York", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "00:30", To: "01:30"}}}),
			"2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z",
			[]string{"11-01 00:30-04:00 1h ana"},
		},
		{
			"V13 NY weekend, Fri 17:00 to Mon 08:00, and the one on which clocks go back",
			schedule("America/New_York", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "Fri 17:00", To: "Mon 08:00"}}}),
			"2026-10-20T00:00:00Z", "2026-11-04T00:00:00Z",
			[]string{"10-23 17:00-04:00 63h ana", "10-30 17:00-04:00 64h ana"},
		},
		{
			"the last day of a leap year is as any other",
			schedule("America/New_York", oncall.Layer{Rotate: "daily", From: "2028-12-29T12:00", Turns: turns("ana", "bo", "cy", "di")}),
			"2028-12-30T20:00:00Z", "2029-01-01T20:00:00Z",
			[]string{"12-30 12:00-05:00 24h bo", "12-31 12:00-05:00 24h cy", "01-01 12:00-05:00 24h di"},
		},
		{
			"a day that is not there is nobody's: Apia's 30 December 2011",
			schedule("Pacific/Apia", oncall.Layer{Rotate: "daily", From: "2011-12-29T00:00", Turns: turns("ana", "bo", "cy")}),
			"2011-12-29T12:00:00Z", "2011-12-31T00:00:00Z",
			[]string{"12-29 00:00-10:00 24h ana", "12-31 00:00+14:00 24h cy"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := lines(plan(t, tt.schedule).Shifts(instant(t, tt.from), instant(t, tt.to)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Shifts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestV8NightAndDayHaveOnePersonAtEveryInstantOfAYear(t *testing.T) {
	t.Parallel()
	p := plan(t, schedule(
		"America/New_York",
		oncall.Layer{Name: "night", Rotate: "weekly", From: "2026-01-05T20:00", Turns: turns("ana", "bo"), Windows: []oncall.Window{{From: "20:00", To: "08:00"}}},
		oncall.Layer{Name: "day", Rotate: "weekly", From: "2026-01-05T08:00", Turns: turns("cy", "di"), Windows: []oncall.Window{{From: "08:00", To: "20:00"}}},
	))
	from, to := instant(t, "2026-01-01T00:00:00-05:00"), instant(t, "2027-01-01T00:00:00-05:00")
	jumps := []time.Time{instant(t, "2026-03-08T07:00:00Z"), instant(t, "2026-11-01T06:00:00Z")}
	for at := from; at.Before(to); {
		if on := p.At(at); len(on) != 1 {
			t.Fatalf("At(%s) = %v, want one person", at, on)
		}
		step := 7 * time.Minute
		for _, j := range jumps {
			if at.Sub(j).Abs() < 12*time.Hour {
				step = 30 * time.Second
			}
		}
		at = at.Add(step)
	}
	if gaps := p.Gaps(from, to); gaps != nil {
		t.Errorf("Gaps = %v, want none", gaps)
	}
	night, _ := p.Current(instant(t, "2026-03-08T04:00:00Z"))
	if got, want := lines([]oncall.Shift{night})[0], "03-07 20:00-05:00 11h ana"; got != want {
		t.Errorf("the night before clocks are put forward is %q, want %q", got, want)
	}
}

func TestV10RotationOutsideWindows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, rotate, from string
		want               []string
	}{
		{
			"V10 unit days: the calendar goes on over the weekend", "daily", "2026-01-08T09:00",
			[]string{"01-08 09:00+01:00 8h ana", "01-09 09:00+01:00 8h bo", "01-12 09:00+01:00 8h bo", "01-13 09:00+01:00 8h cy"},
		},
		{
			"V10 unit shifts: after Friday's person comes the next on Monday", "every shift", "2026-01-08T09:00",
			[]string{"01-08 09:00+01:00 8h ana", "01-09 09:00+01:00 8h bo", "01-12 09:00+01:00 8h cy", "01-13 09:00+01:00 8h ana"},
		},
		{
			"from may be within a shift, which is the first then", "every shift", "2026-01-08T10:00",
			[]string{"01-08 09:00+01:00 8h ana", "01-09 09:00+01:00 8h bo", "01-12 09:00+01:00 8h cy", "01-13 09:00+01:00 8h ana"},
		},
		{
			"from may be between shifts, and the next is the first", "every shift", "2026-01-10T00:00",
			[]string{"01-08 09:00+01:00 8h bo", "01-09 09:00+01:00 8h cy", "01-12 09:00+01:00 8h ana", "01-13 09:00+01:00 8h bo"},
		},
		{
			"two shifts each", "2 shifts", "2026-01-08T09:00",
			[]string{"01-08 09:00+01:00 8h ana", "01-09 09:00+01:00 8h ana", "01-12 09:00+01:00 8h bo", "01-13 09:00+01:00 8h bo"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, schedule("Europe/Berlin", oncall.Layer{
				Rotate: tt.rotate, From: tt.from, Turns: turns("ana", "bo", "cy"),
				Windows: []oncall.Window{{From: "09:00", To: "17:00", Weekdays: []string{"mon-fri"}}},
			}))
			got := lines(p.Shifts(instant(t, "2026-01-08T00:00:00Z"), instant(t, "2026-01-14T00:00:00Z")))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Shifts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestV11HowLayersMeet(t *testing.T) {
	t.Parallel()
	base := oncall.Layer{Name: "base", Turns: turns("ana")}
	above := oncall.Layer{Name: "above", Rotate: "daily", From: "2026-01-05T00:00", Turns: turns("bo", "", "cy+ana")}
	lunch := oncall.Layer{Name: "lunch", Turns: turns("di"), Windows: []oncall.Window{{From: "12:00", To: "13:00"}}}
	later := oncall.Layer{Name: "later", Turns: turns("eve"), Start: instant(t, "2026-01-06T06:00:00Z"), End: instant(t, "2026-01-06T07:00:00Z")}
	for _, tt := range []struct {
		name, mode string
		layers     []oncall.Layer
		at         string
		want       []string
	}{
		{"V11 stack: the last layer wins", "stack", []oncall.Layer{base, above}, "2026-01-05T10:00:00Z", []string{"bo"}},
		{"V11 stack is the default", "", []oncall.Layer{base, above}, "2026-01-05T10:00:00Z", []string{"bo"}},
		{"V11 stack: order is that of the list", "stack", []oncall.Layer{above, base}, "2026-01-05T10:00:00Z", []string{"ana"}},
		{"V11 an empty turn falls to the lower layer", "stack", []oncall.Layer{base, above}, "2026-01-06T10:00:00Z", []string{"ana"}},
		{"V11 several people share a turn", "stack", []oncall.Layer{base, above}, "2026-01-07T10:00:00Z", []string{"cy", "ana"}},
		{"V11 outside its windows a layer falls through", "stack", []oncall.Layer{base, lunch}, "2026-01-05T13:00:00Z", []string{"ana"}},
		{"V11 within its windows it does not", "stack", []oncall.Layer{base, lunch}, "2026-01-05T12:59:59Z", []string{"di"}},
		{"V11 union: all of them", "union", []oncall.Layer{base, above}, "2026-01-05T10:00:00Z", []string{"ana", "bo"}},
		{"V11 union: an empty turn adds nobody", "union", []oncall.Layer{base, above}, "2026-01-06T10:00:00Z", []string{"ana"}},
		{"V11 union: one person once", "union", []oncall.Layer{base, above}, "2026-01-07T10:00:00Z", []string{"ana", "cy"}},
		{"nobody in any layer", "stack", []oncall.Layer{above}, "2026-01-06T10:00:00Z", nil},
		{"a layer is silent before its start", "stack", []oncall.Layer{base, later}, "2026-01-06T05:59:59Z", []string{"ana"}},
		{"from its start it is there", "stack", []oncall.Layer{base, later}, "2026-01-06T06:00:00Z", []string{"eve"}},
		{"from its end it is silent", "stack", []oncall.Layer{base, later}, "2026-01-06T07:00:00Z", []string{"ana"}},
		{"before from, the rotation was there, too", "stack", []oncall.Layer{above}, "2026-01-04T10:00:00Z", []string{"cy", "ana"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := schedule("UTC", tt.layers...)
			s.Mode = tt.mode
			if diff := cmp.Diff(tt.want, plan(t, s).At(instant(t, tt.at))); diff != "" {
				t.Errorf("At(%s) (-want +got):\n%s", tt.at, diff)
			}
		})
	}
}

func TestShiftsSayByWhichLayers(t *testing.T) {
	t.Parallel()
	p := plan(
		t,
		schedule(
			"UTC",
			oncall.Layer{Turns: turns("ana")},
			oncall.Layer{Name: "nights", Turns: turns("bo"), Windows: []oncall.Window{{From: "22:00", To: "06:00"}}},
			oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "12:00", To: "13:00"}}},
		),
		oncall.Override{ID: "o1", Kind: oncall.Replace, People: []string{"bo"}, With: []string{"cy"}, From: instant(t, "2026-01-05T23:00:00Z"), Until: instant(t, "2026-01-06T12:00:00Z")},
		oncall.Override{ID: "idle", Kind: oncall.Remove, People: []string{"zoe"}, From: instant(t, "2026-01-05T00:00:00Z"), Until: instant(t, "2026-01-09T12:00:00Z")},
	)
	got := p.Shifts(instant(t, "2026-01-05T13:00:00Z"), instant(t, "2026-01-06T06:00:00Z"))
	utc := func(s string) time.Time { return instant(t, s) }
	want := []oncall.Shift{
		{"soc", utc("2026-01-05T06:00:00Z"), utc("2026-01-05T22:00:00Z"), []string{"ana"}, []string{"layer 1", "layer 3"}, nil},
		{"soc", utc("2026-01-05T22:00:00Z"), utc("2026-01-05T23:00:00Z"), []string{"bo"}, []string{"nights"}, nil},
		{"soc", utc("2026-01-05T23:00:00Z"), utc("2026-01-06T06:00:00Z"), []string{"cy"}, []string{"nights"}, []string{"o1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Shifts (-want +got):\n%s", diff)
	}
}

func TestAShiftIsTheSameWheneverOneAsks(t *testing.T) {
	t.Parallel()
	p := plan(t, schedule("Europe/Berlin", oncall.Layer{Rotate: "weekly", From: "2026-01-05T09:00", Turns: turns("ana", "bo", "cy")}))
	at := instant(t, "2026-03-26T12:00:00Z")
	want, _ := p.Current(at)
	if got, text := lines([]oncall.Shift{want})[0], "03-23 09:00+01:00 167h cy"; got != text {
		t.Fatalf("Current = %q, want %q", got, text)
	}
	for d := -3 * 24 * time.Hour; d < 3*24*time.Hour; d += time.Hour {
		got := p.Shifts(at.Add(d), at.Add(d).Add(time.Hour))
		if len(got) != 1 || !cmp.Equal(got[0], want) {
			t.Fatalf("Shifts(%s, +1h) = %v, want %v", at.Add(d), lines(got), lines([]oncall.Shift{want}))
		}
	}
	if got := p.Shifts(at, at); got != nil {
		t.Errorf("Shifts(t, t) = %v, want none", got)
	}
	forever := plan(t, schedule("UTC", oncall.Layer{Turns: turns("ana")}))
	if got, _ := forever.Current(at); got.Start.Before(at.AddDate(-2, 0, 0)) || got.End.After(at.AddDate(2, 0, 0)) || got.End.Sub(got.Start) < 700*24*time.Hour {
		t.Errorf("Current of a shift without an end = %v, want about two years", got)
	}
	if got, ok := plan(t, schedule("UTC", oncall.Layer{Turns: turns("")})).Current(at); ok {
		t.Errorf("Current where nobody is on call = %v", got)
	}
}
