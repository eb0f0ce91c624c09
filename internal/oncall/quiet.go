package oncall

import (
	"cmp"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// CheckHours is nil, or all that is wrong with a part of every day, by field.
func CheckHours(h tocsin.Hours) error {
	_, err := window(h, "")
	return err
}

// QuietUntil is when the quiet hours end in which now is, by the wall clock of the
// zone (UTC if it is empty), or now if it is in none. Hours that end when they
// begin are a day long: what waits is told once a day, then. What cannot be read is
// no quiet hours.
func QuietUntil(h tocsin.Hours, zone string, now time.Time) time.Time {
	w, err := window(h, zone)
	if err != nil {
		return now
	}
	if end, in := w.Occurrence(now); in {
		return end
	}
	return now
}

func window(h tocsin.Hours, zone string) (*wallclock.Window, error) {
	return wallclock.Recurrence{TimeZone: cmp.Or(zone, "UTC"), From: h.From, To: h.To}.Window()
}
