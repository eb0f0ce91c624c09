package wallclock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := wallclock.Zone(name)
	if err != nil {
		t.Fatalf("Zone(%q): %v", name, err)
	}
	return z
}

func reading(t testing.TB, civil string) wallclock.Reading {
	t.Helper()
	c, err := wallclock.ParseCivil(civil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Reading()
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// shows is what the zone's clock shows at that instant.
func shows(at time.Time, zone *time.Location) wallclock.Reading {
	_, offset := at.In(zone).Zone()
	return wallclock.Reading(at.Unix() + int64(offset))
}

// zones are some in which clocks do whatever clocks do.
var zones = []string{
	"UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Antarctica/Troll",
	"Africa/Casablanca", "Asia/Tehran", "America/St_Johns", "Australia/Sydney", "America/Nuuk", "Asia/Manila", "America/Havana",
	"Pacific/Kwajalein", "Pacific/Kiritimati", "Asia/Kathmandu", "Europe/Berlin", "Europe/Dublin", "America/Santiago",
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, zone, civil, want string }{
		{"NY, skipped", "America/New_York", "2026-03-08T02:30", "2026-03-08T03:00:00-04:00"},
		{"NY, repeated: the first", "America/New_York", "2026-11-01T01:30", "2026-11-01T01:30:00-04:00"},
		{"London, skipped", "Europe/London", "2026-03-29T01:30", "2026-03-29T02:00:00+01:00"},
		{"London, repeated", "Europe/London", "2026-10-25T01:30", "2026-10-25T01:30:00+01:00"},
		{"Lord Howe, half an hour skipped", "Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:30:00+11:00"},
		{"Lord Howe, half an hour repeated", "Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:45:00+11:00"},
		{"Cairo, no such midnight", "Africa/Cairo", "2026-04-24T00:00", "2026-04-24T01:00:00+03:00"},
		{"Apia, no such day", "Pacific/Apia", "2011-12-30T12:00", "2011-12-31T00:00:00+14:00"},
		{"St. John's, put back over midnight: the first", "America/St_Johns", "2010-11-06T23:30", "2010-11-06T23:30:00-02:30"},
		{"St. John's, the midnight that comes first", "America/St_Johns", "2010-11-07T00:00", "2010-11-07T00:00:00-02:30"},
		{"a time that comes once", "America/New_York", "2026-07-01T09:00", "2026-07-01T09:00:00-04:00"},
		{"the end of what comes twice is after it", "America/New_York", "2026-11-01T02:00", "2026-11-01T02:00:00-05:00"},
		{"UTC", "UTC", "2026-01-31T00:00", "2026-01-31T00:00:00Z"},
		{"the last day of a leap year, north", "America/New_York", "2028-12-31T12:00", "2028-12-31T12:00:00-05:00"},
		{"the last day of a leap year, south", "Australia/Sydney", "2028-12-31T23:30", "2028-12-31T23:30:00+11:00"},
		{"the same where only the zone's rule reaches, north", "America/New_York", "2048-12-31T12:00", "2048-12-31T12:00:00-05:00"},
		{"the same where only the zone's rule reaches, south", "Australia/Sydney", "2048-12-31T23:30", "2048-12-31T23:30:00+11:00"},
		{"the first day after one", "America/New_York", "2029-01-01T00:00", "2029-01-01T00:00:00-05:00"},
		{"Manila, no such day, and an offset with seconds", "Asia/Manila", "1844-12-31T12:00", "1845-01-01T00:00:00+08:03"},
		{"Troll, two hours skipped", "Antarctica/Troll", "2026-03-29T02:59", "2026-03-29T03:00:00+02:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			z := zone(t, tt.zone)
			got := wallclock.Resolve(reading(t, tt.civil), z)
			if got.Format("2006-01-02T15:04:05Z07:00") != tt.want || got.Location() != z {
				t.Errorf("Resolve(%s, %s) = %s, want %s", tt.civil, tt.zone, got.Format(time.RFC3339), tt.want)
			}
		})
	}
}

// What is skipped resolves to the jump, what comes twice to its first pass.
func ExampleResolve() {
	zone, err := wallclock.Zone("America/New_York")
	if err != nil {
		panic(err)
	}
	fmt.Println(wallclock.Resolve(wallclock.Civil{Year: 2026, Month: time.March, Day: 8, Hour: 2, Minute: 30}.Reading(), zone))
	fmt.Println(wallclock.Resolve(wallclock.Civil{Year: 2026, Month: time.November, Day: 1, Hour: 1, Minute: 30}.Reading(), zone))
	// Output:
	// 2026-03-08 03:00:00 -0400 EDT
	// 2026-11-01 01:30:00 -0400 EDT
}

func TestReadNeverGoesBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, zone, at, want string }{
		{"a time that comes once", "America/New_York", "2026-07-01T09:00:00-04:00", "2026-07-01T09:00"},
		{"the end of the first pass", "America/New_York", "2026-11-01T01:59:00-04:00", "2026-11-01T01:59"},
		{"the second pass stands still", "America/New_York", "2026-11-01T01:00:00-05:00", "2026-11-01T01:59"},
		{"until it is over", "America/New_York", "2026-11-01T02:00:00-05:00", "2026-11-01T02:00"},
		{"the jump", "America/New_York", "2026-03-08T03:00:00-04:00", "2026-03-08T03:00"},
		{"St. John's was in the next day already", "America/St_Johns", "2010-11-06T23:30:00-03:30", "2010-11-07T00:00"},
		{"the last day of a leap year", "Europe/Berlin", "2040-12-31T23:59:00+01:00", "2040-12-31T23:59"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The last that is shown before clocks are put back is a second before the minute.
			if got := wallclock.Read(instant(t, tt.at), zone(t, tt.zone)); got/wallclock.Minute*wallclock.Minute != reading(t, tt.want) {
				t.Errorf("Read(%s, %s) = %s, want %s", tt.at, tt.zone, time.Unix(int64(got), 0).UTC(), tt.want)
			}
		})
	}
}

// On these days clocks are not set anywhere, so that each time is itself.
func TestTheLastDaysOfLeapYears(t *testing.T) {
	t.Parallel()
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := zone(t, name)
			for year := 2028; year <= 2096; year += 4 {
				midnight := wallclock.Civil{Year: year, Month: time.December, Day: 31}.Reading()
				wallclock.Walk(t, time.Unix(int64(midnight-2*wallclock.Day), 0).In(z), time.Unix(int64(midnight+3*wallclock.Day), 0))
				for r := midnight - 6*wallclock.Hour; r < midnight+2*wallclock.Day; r += 30 * wallclock.Minute {
					at := wallclock.Resolve(r, z)
					if got := shows(at, z); got != r {
						t.Fatalf("%s resolves to %s", time.Unix(int64(r), 0).UTC(), at)
					}
					if got := wallclock.Read(at, z); got != r {
						t.Fatalf("Read(%s) = %s", at, time.Unix(int64(got), 0).UTC())
					}
				}
			}
		})
	}
}

func TestParseCivil(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"2026-01-05T09:00", "2026-01-05 09:00"} {
		got, err := wallclock.ParseCivil(s)
		if want := (wallclock.Civil{Year: 2026, Month: 1, Day: 5, Hour: 9}); err != nil || got != want || got.String() != "2026-01-05T09:00" {
			t.Errorf("ParseCivil(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "2026-02-29T09:00", "2026-01-05", "2026-01-05T24:00", "2026-01-05T09:00Z", "2026-01-05T09:00:00", "monday"} {
		if got, err := wallclock.ParseCivil(s); err == nil {
			t.Errorf("ParseCivil(%q) = %v, want an error", s, got)
		}
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} {
		if z, err := wallclock.Zone(name); err != nil || z.String() != name {
			t.Errorf("Zone(%q) = %v, %v", name, z, err)
		}
	}
	for name, want := range map[string]string{
		"":              "is empty; name one such as Europe/Berlin, or UTC",
		"Local":         `"Local" is no IANA time zone such as Europe/Berlin`,
		"Berlin":        `"Berlin" is no IANA time zone such as Europe/Berlin`,
		"CEST":          `"CEST" is no IANA time zone such as Europe/Berlin`,
		"../etc/passwd": `"../etc/passwd" is no IANA time zone such as Europe/Berlin`,
	} {
		if z, err := wallclock.Zone(name); err == nil || err.Error() != want {
			t.Errorf("Zone(%q) = %v, %v, want %s", name, z, err, want)
		}
	}
}

func TestTimeOfDay(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]wallclock.Reading{"00:00": 0, "09:05": 9*wallclock.Hour + 5*wallclock.Minute, "23:59": wallclock.Day - wallclock.Minute} {
		if got, err := wallclock.TimeOfDay(s); err != nil || got != want {
			t.Errorf("TimeOfDay(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "9:00", "09:0", "24:00", "12:60", "0900", "+9:00", "09:+5", "09:00:00", "9", "nine", " 9:00", "-1:00", "09:00 "} {
		if got, err := wallclock.TimeOfDay(s); err == nil || err.Error() != fmt.Sprintf("%q is no time of day, such as 02:00; 24:00 is 00:00", s) {
			t.Errorf("TimeOfDay(%q) = %d, %v, want an error that names it", s, got, err)
		}
	}
}

func TestWeekday(t *testing.T) {
	t.Parallel()
	for i, s := range []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
		if got, err := wallclock.Weekday(s); err != nil || got != time.Weekday(i) {
			t.Errorf("Weekday(%q) = %s, %v, want %s", s, got, err, time.Weekday(i))
		}
	}
	for _, s := range []string{"", "Mon", "monday", "mon-fri", "0"} {
		if got, err := wallclock.Weekday(s); err == nil || err.Error() != fmt.Sprintf("%q is none of mon, tue, wed, thu, fri, sat, sun", s) {
			t.Errorf("Weekday(%q) = %s, %v, want an error that names it", s, got, err)
		}
	}
}

// A later wall-clock time is never an earlier instant, the instant is the first at
// which the clock shows it or later, and Read says the same the other way round.
func FuzzResolve(f *testing.F) {
	f.Add(uint8(1), int64(1772937000), uint16(30)) // 2026-03-08T02:30
	f.Add(uint8(1), int64(1793496600), uint16(60)) // 2026-11-01T01:30
	f.Add(uint8(1), int64(2493028800), uint16(1))  // 2048-12-31, the last day of a leap year
	f.Add(uint8(5), int64(1325246400), uint16(1))  // 2011-12-30T12:00
	f.Add(uint8(9), int64(1289086200), uint16(40)) // 2010-11-06T23:30
	f.Add(uint8(12), int64(-3944721600), uint16(1440))
	f.Fuzz(func(t *testing.T, where uint8, seconds int64, later uint16) {
		z := zone(t, zones[int(where)%len(zones)])
		const span = 400 * 366 * 24 * 3600
		r := wallclock.Reading(seconds % span)
		at := wallclock.Resolve(r, z)
		if next := wallclock.Resolve(r+wallclock.Reading(later)*wallclock.Minute, z); next.Before(at) {
			t.Fatalf("%d is at %s, and %d minutes later at %s", r, at, later, next)
		}
		if shows(at, z) < r || wallclock.Read(at, z) < r {
			t.Fatalf("%d resolves to %s, which shows less", r, at)
		}
		for before := at.Add(-time.Second); before.After(at.Add(-30 * time.Hour)); before = before.Add(-13 * time.Minute) {
			if shows(before, z) >= r || wallclock.Read(before, z) >= r {
				t.Fatalf("%d resolves to %s, and %s is earlier", r, at, before)
			}
		}
	})
}
