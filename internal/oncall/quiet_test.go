package oncall_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

func TestQuietHours(t *testing.T) {
	t.Parallel()
	night := tocsin.Hours{From: "22:00", To: "07:00"}
	noon := tocsin.Hours{From: "12:00", To: "13:30"}
	for _, tt := range []struct {
		name  string
		hours tocsin.Hours
		zone  string
		now   string
		until string // now itself: they are not quiet
	}{
		{"in the evening", night, "Europe/Berlin", "2026-06-10T23:00:00+02:00", "2026-06-11T07:00:00+02:00"},
		{"after midnight", night, "Europe/Berlin", "2026-06-11T03:00:00+02:00", "2026-06-11T07:00:00+02:00"},
		{"as they begin", night, "Europe/Berlin", "2026-06-10T22:00:00+02:00", "2026-06-11T07:00:00+02:00"},
		{"just before", night, "Europe/Berlin", "2026-06-10T21:59:59+02:00", "2026-06-10T21:59:59+02:00"},
		{"as they end", night, "Europe/Berlin", "2026-06-11T07:00:00+02:00", "2026-06-11T07:00:00+02:00"},
		{"by day", night, "Europe/Berlin", "2026-06-10T15:00:00+02:00", "2026-06-10T15:00:00+02:00"},
		{"a break at noon", noon, "Europe/Berlin", "2026-06-10T12:15:00+02:00", "2026-06-10T13:30:00+02:00"},
		{"the same after it", noon, "Europe/Berlin", "2026-06-10T13:30:00+02:00", "2026-06-10T13:30:00+02:00"},
		{"the night in which an hour is skipped", night, "America/New_York", "2026-03-07T22:30:00-05:00", "2026-03-08T07:00:00-04:00"},
		{"the night in which an hour comes twice", night, "America/New_York", "2026-11-01T01:30:00-05:00", "2026-11-01T07:00:00-05:00"},
		{"until a time that is skipped: until the jump", tocsin.Hours{From: "22:00", To: "02:30"}, "America/New_York", "2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		{"until a time that comes twice: the first", tocsin.Hours{From: "22:00", To: "01:30"}, "America/New_York", "2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00"},
		{"and not again", tocsin.Hours{From: "22:00", To: "01:30"}, "America/New_York", "2026-11-01T01:00:00-05:00", "2026-11-01T01:00:00-05:00"},
		{"where clocks are put back over midnight", tocsin.Hours{From: "00:00", To: "06:00"}, "America/St_Johns", "2010-11-06T23:30:00-03:30", "2010-11-07T06:00:00-03:30"},
		{"the last night of a leap year", night, "Europe/Berlin", "2040-12-31T23:00:00+01:00", "2041-01-01T07:00:00+01:00"},
		{"all day long is told once a day", tocsin.Hours{From: "09:00", To: "09:00"}, "Europe/Berlin", "2026-06-10T11:00:00+02:00", "2026-06-11T09:00:00+02:00"},
		{"over the night in which clocks are set, too", tocsin.Hours{From: "09:00", To: "09:00"}, "Europe/Berlin", "2026-03-28T11:00:00+01:00", "2026-03-29T09:00:00+02:00"},
		{"whoever says no zone lives in UTC", night, "", "2026-06-10T23:00:00Z", "2026-06-11T07:00:00Z"},
		{"an unknown zone", night, "Europe/Atlantis", "2026-06-10T23:00:00Z", "2026-06-10T23:00:00Z"},
		{"the machine's zone", night, "Local", "2026-06-10T23:00:00Z", "2026-06-10T23:00:00Z"},
		{"hours that cannot be read", tocsin.Hours{From: "late", To: "07:00"}, "UTC", "2026-06-10T23:00:00Z", "2026-06-10T23:00:00Z"},
		{"no hours", tocsin.Hours{}, "UTC", "2026-06-10T23:00:00Z", "2026-06-10T23:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now, want := instant(t, tt.now), instant(t, tt.until)
			if got := oncall.QuietUntil(tt.hours, tt.zone, now); !got.Equal(want) {
				t.Errorf("QuietUntil(%s-%s, %s, %s) = %s, want %s", tt.hours.From, tt.hours.To, tt.zone, tt.now, got, tt.until)
			}
		})
	}
}

func TestCheckHours(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, from, to, want string }{
		{"a night", "22:00", "07:00", ""},
		{"all day", "09:00", "09:00", ""},
		{"no beginning", "", "07:00", `from: "" is no time of day, such as 02:00; 24:00 is 00:00`},
		{"an hour without its zero", "22:00", "7:00", `to: "7:00" is no time of day, such as 02:00; 24:00 is 00:00`},
		{"neither", "ten", "24:00", `from: "ten" is no time of day, such as 02:00; 24:00 is 00:00; to: "24:00" is no time of day, such as 02:00; 24:00 is 00:00`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := oncall.CheckHours(tocsin.Hours{From: tt.from, To: tt.to})
			if got := message(err); got != tt.want {
				t.Errorf("CheckHours = %s, want %s", got, tt.want)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
