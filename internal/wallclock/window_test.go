package wallclock_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

func window(t testing.TB, r wallclock.Recurrence) *wallclock.Window {
	t.Helper()
	w, err := r.Window()
	if err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	return w
}

func TestAWindowByTheWallClock(t *testing.T) {
	t.Parallel()
	workdays := []string{"mon", "tue", "wed", "thu", "fri"}
	in := func(zone, from, to string, days ...string) wallclock.Recurrence {
		return wallclock.Recurrence{TimeZone: zone, From: from, To: to, Weekdays: days}
	}
	for _, tt := range []struct {
		name     string
		every    wallclock.Recurrence
		from, to string // the first instant within, and the first not any more; equal: never that day
	}{
		{"office hours in winter", in("Europe/Berlin", "09:00", "17:00", workdays...), "2026-03-27T09:00:00+01:00", "2026-03-27T17:00:00+01:00"},
		{"office hours in summer", in("Europe/Berlin", "09:00", "17:00", workdays...), "2026-03-30T09:00:00+02:00", "2026-03-30T17:00:00+02:00"},
		{"a night that begins on Friday", in("Europe/Berlin", "22:00", "06:00", "fri"), "2026-03-27T22:00:00+01:00", "2026-03-28T06:00:00+01:00"},
		{"whole days that follow on each other are one", in("UTC", "00:00", "00:00", workdays...), "2026-03-02T00:00:00Z", "2026-03-07T00:00:00Z"},
		{"whole days from morning to morning", in("Europe/Berlin", "08:00", "08:00", "sat", "sun"), "2026-03-28T08:00:00+01:00", "2026-03-30T08:00:00+02:00"},
		{"two nights are two", in("UTC", "22:00", "06:00", "fri", "sat"), "2026-03-06T22:00:00Z", "2026-03-07T06:00:00Z"},
		{"the night in which an hour is skipped is shorter", in("America/New_York", "22:00", "06:00", "sat"), "2026-03-07T22:00:00-05:00", "2026-03-08T06:00:00-04:00"},
		{"the night in which an hour comes twice is longer", in("America/New_York", "22:00", "06:00", "sat"), "2026-10-31T22:00:00-04:00", "2026-11-01T06:00:00-05:00"},
		{"from a time that is skipped: from the jump", in("America/New_York", "02:30", "05:00"), "2026-03-08T03:00:00-04:00", "2026-03-08T05:00:00-04:00"},
		{"a window that is skipped does not come", in("America/New_York", "02:00", "03:00"), "2026-03-08T03:00:00-04:00", "2026-03-08T03:00:00-04:00"},
		{"up to the skipped hour", in("America/New_York", "01:00", "02:00"), "2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		{"both passes of the repeated hour", in("America/New_York", "01:00", "02:00"), "2026-11-01T01:00:00-04:00", "2026-11-01T02:00:00-05:00"},
		{"until within the repeated hour: the first", in("America/New_York", "00:30", "01:30"), "2026-11-01T00:30:00-04:00", "2026-11-01T01:30:00-04:00"},
		{"two windows between which there is only what is skipped are one", in("America/New_York", "03:00", "02:30"), "2026-03-07T03:00:00-05:00", "2026-03-09T02:30:00-04:00"},
		{"no such midnight in Cairo", in("Africa/Cairo", "00:00", "04:00"), "2026-04-24T01:00:00+03:00", "2026-04-24T04:00:00+03:00"},
		{"half an hour put back, on Lord Howe", in("Australia/Lord_Howe", "01:45", "02:15"), "2026-04-05T01:45:00+11:00", "2026-04-05T02:15:00+10:30"},
		{"the half of a day that is left out, in Apia", in("Pacific/Apia", "12:00", "12:00", "fri"), "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"},
		{"a day that is left out, in Apia", in("Pacific/Apia", "22:00", "21:00", "thu"), "2011-12-29T22:00:00-10:00", "2011-12-31T00:00:00+14:00"},
		{"all days but the one that is left out, in Apia", in("Pacific/Apia", "00:00", "00:00", "thu", "sat"), "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00"},
		{"clocks put back over midnight, in St. John's", in("America/St_Johns", "00:00", "00:30", "sun"), "2010-11-07T00:00:00-02:30", "2010-11-07T00:30:00-03:30"},
		{"the last day of a leap year", in("Europe/Berlin", "09:00", "17:00"), "2028-12-31T09:00:00+01:00", "2028-12-31T17:00:00+01:00"},
		{"and the night after it", in("Europe/Berlin", "22:00", "06:00"), "2028-12-31T22:00:00+01:00", "2029-01-01T06:00:00+01:00"},
		{"the same where only the zone's rule reaches", in("America/New_York", "23:30", "00:30"), "2040-12-31T23:30:00-05:00", "2041-01-01T00:30:00-05:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, from, to := window(t, tt.every), instant(t, tt.from), instant(t, tt.to)
			for _, out := range []time.Time{from.Add(-time.Nanosecond), to} {
				if end, in := w.At(out); in {
					t.Errorf("it is open at %s until %s", out.Format(time.RFC3339Nano), end)
				}
			}
			if from.Equal(to) {
				return
			}
			for _, at := range []time.Time{from, from.Add(to.Sub(from) / 2), to.Add(-time.Nanosecond)} {
				if end, in := w.At(at); !in || !end.Equal(to) {
					t.Errorf("At(%s) = %s, %v, want %s", at.Format(time.RFC3339Nano), end, in, tt.to)
				}
			}
		})
	}
}

func TestAWindowAroundTheClockNeverEnds(t *testing.T) {
	t.Parallel()
	now := instant(t, "2026-03-09T08:30:00Z")
	for _, r := range []wallclock.Recurrence{
		{TimeZone: "Europe/Berlin", From: "08:00", To: "08:00"},
		{TimeZone: "Europe/Berlin", From: "08:00", To: "08:00", Weekdays: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	} {
		if end, in := window(t, r).At(now); !in || !end.IsZero() {
			t.Errorf("%s: At = %s, %v, want never", r, end, in)
		}
		if end, in := window(t, r).Occurrence(now); !in || !end.Equal(instant(t, "2026-03-10T08:00:00+01:00")) {
			t.Errorf("%s: Occurrence = %s, %v, want its day", r, end, in)
		}
	}
}

func TestARecurrenceThatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := wallclock.Recurrence{TimeZone: "UTC", Weekdays: []string{"mon"}, From: "09:00", To: "17:00"}
	for _, tt := range []struct {
		name   string
		change func(*wallclock.Recurrence)
		want   wallclock.Problems
		text   string
	}{
		{"as it should be", func(*wallclock.Recurrence) {}, nil, ""},
		{
			"no zone", func(r *wallclock.Recurrence) { r.TimeZone = "" },
			wallclock.Problems{{"time_zone", "is empty; name one such as Europe/Berlin, or UTC"}},
			"time_zone: is empty; name one such as Europe/Berlin, or UTC",
		},
		{
			"one of the days", func(r *wallclock.Recurrence) { r.Weekdays = []string{"mon", "Tue"} },
			wallclock.Problems{{"weekdays[1]", `"Tue" is none of mon, tue, wed, thu, fri, sat, sun`}},
			`weekdays[1]: "Tue" is none of mon, tue, wed, thu, fri, sat, sun`,
		},
		{
			"everything", func(r *wallclock.Recurrence) {
				*r = wallclock.Recurrence{TimeZone: "Local", Weekdays: []string{""}, From: "9", To: "24:00"}
			},
			wallclock.Problems{
				{"time_zone", `"Local" is no IANA time zone such as Europe/Berlin`},
				{"weekdays[0]", `"" is none of mon, tue, wed, thu, fri, sat, sun`},
				{"from", `"9" is no time of day, such as 02:00; 24:00 is 00:00`},
				{"to", `"24:00" is no time of day, such as 02:00; 24:00 is 00:00`},
			},
			`time_zone: "Local" is no IANA time zone such as Europe/Berlin; weekdays[0]: "" is none of mon, tue, wed, thu, fri, sat, sun; from: "9" is no time of day, such as 02:00; 24:00 is 00:00; to: "24:00" is no time of day, such as 02:00; 24:00 is 00:00`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := good
			tt.change(&r)
			w, err := r.Window()
			if tt.want == nil {
				if w == nil || err != nil {
					t.Errorf("Window = %v, %v", w, err)
				}
				return
			}
			got, ok := errors.AsType[wallclock.Problems](err)
			if !ok || w != nil {
				t.Fatalf("Window = %v, %v, want problems", w, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if err.Error() != tt.text {
				t.Errorf("they read %s", err)
			}
		})
	}
}

func TestTheLabelOfARecurrence(t *testing.T) {
	t.Parallel()
	days := append(make([]string, 0, 4), "mon", "fri")
	for _, tt := range []struct {
		r    wallclock.Recurrence
		want string
	}{
		{wallclock.Recurrence{TimeZone: "Europe/Berlin", Weekdays: days, From: "09:00", To: "17:00"}, "mon fri 09:00-17:00 Europe/Berlin"},
		{wallclock.Recurrence{TimeZone: "UTC", From: "22:00", To: "06:00"}, "22:00-06:00 UTC"},
	} {
		if got := tt.r.String(); got != tt.want {
			t.Errorf("String = %q, want %q", got, tt.want)
		}
	}
	if days = days[:4]; days[2] != "" {
		t.Errorf("String wrote into the weekdays: %q", days)
	}
}

// A window is what lies between two instants that Resolve says.
func FuzzWindow(f *testing.F) {
	f.Add(uint8(1), int64(1772953200), uint16(120), uint16(180), uint8(0))     // 2026-03-08 in New York
	f.Add(uint8(1), int64(1793512800), uint16(60), uint16(120), uint8(0x7f))   // 2026-11-01
	f.Add(uint8(9), int64(1289101800), uint16(0), uint16(30), uint8(1))        // 2010-11-07 in St. John's
	f.Add(uint8(5), int64(1325239200), uint16(720), uint16(720), uint8(0x20))  // 2011-12-30 in Apia
	f.Add(uint8(17), int64(2240596800), uint16(540), uint16(1020), uint8(0x3)) // 2040-12-31 in Berlin
	f.Fuzz(func(t *testing.T, where uint8, seconds int64, from, to uint16, days uint8) {
		z := zone(t, zones[int(where)%len(zones)])
		now := time.Unix(seconds%(300*366*24*3600), 0)
		clock := func(minutes uint16) string {
			return time.Time{}.Add(time.Duration(minutes%1440) * time.Minute).Format("15:04")
		}
		r := wallclock.Recurrence{TimeZone: z.String(), From: clock(from), To: clock(to)}
		for i, name := range []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
			if days>>i&1 == 1 {
				r.Weekdays = append(r.Weekdays, name)
			}
		}
		var want time.Time
		y, m, d := now.In(z).Date()
		for day := d - 3; day <= d+3; day++ {
			midnight := time.Date(y, m, day, 0, 0, 0, 0, time.UTC)
			if days&0x7f != 0 && days>>midnight.Weekday()&1 == 0 {
				continue
			}
			begins := wallclock.Reading(midnight.Unix()) + wallclock.Reading(from%1440)*wallclock.Minute
			length := (wallclock.Reading(to%1440) - wallclock.Reading(from%1440)) * wallclock.Minute
			if length <= 0 {
				length += wallclock.Day
			}
			if a, b := wallclock.Resolve(begins, z), wallclock.Resolve(begins+length, z); !now.Before(a) && now.Before(b) {
				want = b
			}
		}
		w := window(t, r)
		got, in := w.Occurrence(now)
		if in == want.IsZero() || !got.Equal(want) {
			t.Fatalf("%s: Occurrence(%s) = %s, %v, want %s", r, now, got, in, want)
		}
		end, in := w.At(now)
		if in == want.IsZero() || end.Before(want) && !end.IsZero() {
			t.Fatalf("%s: At(%s) = %s, %v, and the one window ends at %s", r, now, end, in, want)
		}
		if in && !end.IsZero() {
			if _, more := w.At(end); more {
				t.Fatalf("%s: At(%s) = %s, and there it goes on", r, now, end)
			}
		}
	})
}

func BenchmarkWindowAt(b *testing.B) {
	w := window(b, wallclock.Recurrence{TimeZone: "Europe/Berlin", From: "22:00", To: "06:00"})
	now := instant(b, "2026-03-09T23:00:00Z")
	b.ReportAllocs()
	for b.Loop() {
		w.At(now)
	}
}
