// Package wallclock says when a clock on the wall shows a time.
//
// One rule carries it: a wall-clock time stands for the first instant at which the
// zone's wall clock shows that time or later ([Resolve]). A time that comes once is
// itself, one that is skipped is the jump over it, and one that comes twice is its
// first pass. Beginnings and ends go by it alike, so that what ends at 08:00 ends
// where that which begins at 08:00 begins, whatever the clocks do in between.
//
// Zones are those of the IANA time zone database (https://www.iana.org/time-zones).
// The program brings its own copy along, since most containers have none. The zone
// of the machine is never meant: replicas must agree.
package wallclock

import (
	"fmt"
	"time"
	_ "time/tzdata" // where the system has no zone data
)

// A Reading is what a clock on the wall shows, wherever that is: as seconds since
// it showed 1970-01-01T00:00, so that civil arithmetic is arithmetic.
type Reading int64

// How far a clock goes on.
const (
	Minute Reading = 60
	Hour           = 60 * Minute
	Day            = 24 * Hour
	Week           = 7 * Day
)

// far is more than any zone's clock ever was, or was set, from UTC: a day and a
// half.
const far = 36 * Hour

// Resolve is the first instant at which the zone's wall clock shows r or later,
// with the zone as its location. A later r is never an earlier instant.
func Resolve(r Reading, zone *time.Location) time.Time {
	t := time.Unix(int64(r-far), 0).In(zone) // its clock shows less than r, and always did
	for {
		_, offset := t.Zone()
		end, endless := periodEnd(t)
		if at := max(t.Unix(), int64(r)-int64(offset)); endless || at < end.Unix() {
			return time.Unix(at, 0).In(zone)
		}
		t = end
	}
}

// Read is the latest time that the zone's clock has shown up to t. It stands still
// while the clock goes through an hour for the second time, and so never goes
// back: Resolve(r) is at or before t exactly when Read(t) is r or more.
func Read(t time.Time, zone *time.Location) Reading {
	t = t.In(zone)
	_, offset := t.Zone()
	latest := Reading(t.Unix() + int64(offset))
	start, _ := t.ZoneBounds()
	for !start.IsZero() && Reading(t.Unix()-start.Unix()) < far {
		before := start.Add(-time.Second)
		_, offset := before.Zone()
		latest = max(latest, Reading(before.Unix()+int64(offset)))
		start, _ = before.ZoneBounds()
	}
	return latest
}

// periodEnd is until when the clock of t's zone surely keeps its offset from UTC:
// always after t, so that whoever goes from end to end gets on.
func periodEnd(t time.Time) (end time.Time, endless bool) {
	_, end = t.ZoneBounds()
	if end.IsZero() {
		return end, true
	}
	if !end.After(t) {
		// On the last day of a leap year ZoneBounds tells of a period that ended as the
		// day began, by UTC: it takes every year to have 365 days. The offset that goes
		// with it is good until the day is over.
		end = time.Unix(int64((Reading(t.Unix()).day()+1)*Day), 0).In(t.Location())
	}
	return end, false
}

// day numbers days from midnight to midnight; 1970-01-01 is 0.
func (r Reading) day() Reading {
	d := r / Day
	if r%Day < 0 {
		d--
	}
	return d
}

// weekday is that of the day with that number.
func weekday(day Reading) time.Weekday {
	return time.Weekday(((day+Reading(time.Thursday))%7 + 7) % 7)
}

// A Civil time is a reading as people write it, to the minute.
type Civil struct {
	Year         int
	Month        time.Month
	Day          int
	Hour, Minute int
}

// ParseCivil reads "2026-01-05T09:00"; a space may stand for the T.
func ParseCivil(s string) (Civil, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return Civil{t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute()}, nil
		}
	}
	return Civil{}, fmt.Errorf(`%q is no date and time such as "2026-01-05T09:00"`, s)
}

// String is 2026-01-05T09:00.
func (c Civil) String() string {
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d", c.Year, c.Month, c.Day, c.Hour, c.Minute)
}

// Reading is what the clock shows then.
func (c Civil) Reading() Reading {
	return Reading(time.Date(c.Year, c.Month, c.Day, c.Hour, c.Minute, 0, 0, time.UTC).Unix())
}
