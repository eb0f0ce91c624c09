package escalation_test

import (
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
)

// fires reports whether the one step of a policy is told at that instant.
func fires(t *testing.T, w tocsin.Recurrence, at time.Time) bool {
	t.Helper()
	p := policy(t, step(t, "ana", 5))
	p.Steps[0].Window = &w
	_, acts := escalation.Fire(p, escalation.Start(p, at), escalation.Facts{Status: tocsin.StatusOpen}, at, &world{})
	return acts[0].Kind == escalation.Told
}

func TestWindowsAreByTheWallClock(t *testing.T) {
	t.Parallel()
	weekdays := []string{"mon", "tue", "wed", "thu", "fri"}
	in := func(zone, from, to string, days ...string) tocsin.Recurrence {
		return tocsin.Recurrence{TimeZone: zone, From: from, To: to, Weekdays: days}
	}
	for _, tt := range []struct {
		name       string
		window     tocsin.Recurrence
		from, to   string // the first instant within, and the first not any more; equal: never that day
		then, stop bool   // whether it is within a minute before from, and at to
	}{
		{"office hours in winter", in("Europe/Berlin", "09:00", "17:00", weekdays...), "2026-03-27T08:00:00Z", "2026-03-27T16:00:00Z", false, false},
		{"office hours in summer", in("Europe/Berlin", "09:00", "17:00", weekdays...), "2026-03-30T07:00:00Z", "2026-03-30T15:00:00Z", false, false},
		{"a night that begins on Friday", in("Europe/Berlin", "22:00", "06:00", "fri"), "2026-03-27T21:00:00Z", "2026-03-28T05:00:00Z", false, false},
		{"the night in which an hour is skipped is shorter", in("America/New_York", "22:00", "06:00", "sat"), "2026-03-08T03:00:00Z", "2026-03-08T10:00:00Z", false, false},
		{"the night in which an hour comes twice is longer", in("America/New_York", "22:00", "06:00", "sat"), "2026-11-01T02:00:00Z", "2026-11-01T11:00:00Z", false, false},
		{"V9 a window that is skipped is not that day", in("America/New_York", "02:00", "03:00"), "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z", false, false},
		{"V9 up to the skipped hour", in("America/New_York", "01:00", "02:00"), "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z", false, false},
		{"V9 over the repeated hour", in("America/New_York", "01:00", "02:00"), "2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z", false, false},
		{"V9 until within the repeated hour: the first", in("America/New_York", "00:30", "01:30"), "2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z", false, false},
		{"no such midnight in Cairo", in("Africa/Cairo", "00:00", "08:00"), "2026-04-23T22:00:00Z", "2026-04-24T05:00:00Z", false, false},
		{"equal ends are a whole day", in("UTC", "09:00", "09:00", "mon"), "2026-03-09T09:00:00Z", "2026-03-10T09:00:00Z", false, false},
		{"a day that is left out, in Apia", in("Pacific/Apia", "22:00", "21:00", "thu"), "2011-12-30T08:00:00Z", "2011-12-30T10:00:00Z", false, false},
		{"clocks put back over midnight, in St. John's", in("America/St_Johns", "00:00", "00:30", "sun"), "2010-11-07T02:30:00Z", "2010-11-07T04:00:00Z", false, false},
		{"half an hour put back, on Lord Howe", in("Australia/Lord_Howe", "01:45", "02:15"), "2026-04-04T14:45:00Z", "2026-04-04T15:45:00Z", false, false},
		{"the last day of a leap year, of which time.ZoneBounds tells nonsense", in("Europe/Berlin", "09:00", "17:00"), "2040-12-31T08:00:00Z", "2040-12-31T16:00:00Z", false, false},
		{"and the night after it", in("Europe/Berlin", "22:00", "06:00"), "2040-12-31T21:00:00Z", "2041-01-01T05:00:00Z", false, false},
		{"and its last minutes, west of UTC", in("America/New_York", "23:30", "00:30"), "2041-01-01T04:30:00Z", "2041-01-01T05:30:00Z", false, false},
		{"every day follows upon the last", in("UTC", "00:00", "00:00"), "2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			from, err1 := time.Parse(time.RFC3339, tt.from)
			to, err2 := time.Parse(time.RFC3339, tt.to)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			for _, edge := range []struct {
				at   time.Time
				want bool
			}{
				{from.Add(-time.Millisecond), tt.then},
				{from, from.Before(to)},
				{from.Add(to.Sub(from) / 2), from.Before(to)},
				{to.Add(-time.Millisecond), from.Before(to)},
				{to, tt.stop},
			} {
				if got := fires(t, tt.window, edge.at); got != edge.want {
					t.Errorf("%s: told = %v, want %v", edge.at.Format(time.RFC3339Nano), got, edge.want)
				}
			}
		})
	}
}

// Telling too many is the better mistake; Check refuses it before.
func TestAWindowThatCannotBeReadIsAlwaysOpen(t *testing.T) {
	t.Parallel()
	for _, w := range []tocsin.Recurrence{{}, {TimeZone: "Nowhere", From: "09:00", To: "10:00"}, {TimeZone: "UTC", From: "nine", To: "10:00"}, {TimeZone: "UTC", From: "09:00"}} {
		if !fires(t, w, start) {
			t.Errorf("%+v kept the step from being told", w)
		}
	}
}

// An alert at night waits for the morning, and the fallback knows.
func TestAStepOfOfficeHours(t *testing.T) {
	t.Parallel()
	p := policy(t, step(t, "pri", 5))
	p.Steps[0].Window = &tocsin.Recurrence{TimeZone: "America/New_York", Weekdays: []string{"sun"}, From: "03:00", To: "04:00"}
	m := sim{policy: p, until: 30} // 01:50 in New York; 03:00 comes in ten minutes
	if got, want := m.run(t), "0 skip pri, 0 soc, 5 skip pri, 10 pri, 15 exhausted -> soc"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
