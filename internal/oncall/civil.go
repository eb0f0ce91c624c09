package oncall

import (
	"time"

	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// A Civil time is what a clock on the wall shows, wherever that is.
type Civil = wallclock.Civil

// ParseCivil reads "2026-01-05T09:00"; a space may stand for the T.
func ParseCivil(s string) (Civil, error) { return wallclock.ParseCivil(s) }

// Resolve is the first instant at which the zone's clock shows c or later; see
// [wallclock.Resolve].
func Resolve(c Civil, zone *time.Location) time.Time {
	return wallclock.Resolve(c.Reading(), zone)
}

// Layers compare and count readings of their zone's clock.
type reading = wallclock.Reading

const (
	minute = wallclock.Minute
	hour   = wallclock.Hour
	day    = wallclock.Day
	week   = wallclock.Week
)

// weekOf numbers weeks from Monday to Monday, and says how far into it r is.
func weekOf(r reading) (number int64, into reading) {
	const monday = -3 * day // 1969-12-29
	number = floor(int64(r-monday), int64(week))
	return number, r - monday - reading(number)*week
}

// inWeek is the reading so far into a week.
func inWeek(number int64, into reading) reading { return reading(number)*week + into - 3*day }

// floor is a/b rounded down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// mod is a modulo b, from 0 up to b.
func mod(a, b int64) int64 { return a - floor(a, b)*b }
