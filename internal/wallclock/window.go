package wallclock

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Recurrence is a window that comes every day, or on some days of the week, as
// people write it.
type Recurrence struct {
	TimeZone string   // IANA name
	Weekdays []string // "mon" to "sun", on which it begins; none is every day
	From     string   // "22:00"
	To       string   // "06:00"; at or before From it is on the next day
}

// String is "mon fri 09:00-17:00 Europe/Berlin".
func (r Recurrence) String() string {
	return strings.Join(append(slices.Clip(r.Weekdays), r.From+"-"+r.To, r.TimeZone), " ")
}

// Problems are all that is wrong with a recurrence.
type Problems []Problem

// A Problem is what is wrong with one of its fields.
type Problem struct {
	Field string // as JSON and YAML name it: "time_zone", "weekdays[1]", "from", "to"
	Text  string
}

// Error is `from: "9:00" is no time of day, such as 02:00; 24:00 is 00:00`.
func (p Problem) Error() string { return p.Field + ": " + p.Text }

// Error is all of them in one line.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "; ")
}

// A Window is a recurrence ready to be asked. It is immutable, and safe for many
// goroutines.
type Window struct {
	zone         *time.Location
	on           [7]bool // by time.Weekday
	always       bool    // whole days, and each of them
	from, length Reading // length is more than nothing and a day at most
}

// Window reads the recurrence. Its error is [Problems].
func (r Recurrence) Window() (*Window, error) {
	var found Problems
	note := func(field string, err error) {
		if err != nil {
			found = append(found, Problem{field, err.Error()})
		}
	}
	w := &Window{}
	var err error
	w.zone, err = Zone(r.TimeZone)
	note("time_zone", err)
	for i, name := range r.Weekdays {
		day, err := Weekday(name)
		note(fmt.Sprintf("weekdays[%d]", i), err)
		w.on[day] = true
	}
	w.from, err = TimeOfDay(r.From)
	note("from", err)
	to, err := TimeOfDay(r.To)
	note("to", err)
	if len(found) > 0 {
		return nil, found
	}
	every := [7]bool{true, true, true, true, true, true, true}
	if len(r.Weekdays) == 0 {
		w.on = every
	}
	if w.length = to - w.from; w.length <= 0 {
		w.length += Day
	}
	w.always = w.on == every && w.length == Day
	return w, nil
}

// At reports whether now is within a window, and when that ends: where the next one
// follows without a gap, as whole days do, when the last of them ends. The zero time
// is never. A window that the clocks skip does not come.
func (w *Window) At(now time.Time) (end time.Time, in bool) {
	if w.always {
		return time.Time{}, true
	}
	end, in = w.Occurrence(now)
	for next, more := end, in; more; next, more = w.Occurrence(end) {
		end = next // until a day, or a part of each, is left out
	}
	return end, in
}

// Occurrence is At for the one window that now is in, whatever follows on it.
func (w *Window) Occurrence(now time.Time) (end time.Time, in bool) {
	r := Read(now, w.zone)
	for day := r.day(); day >= r.day()-1; day-- { // it began on that day or the one before
		begins := day*Day + w.from
		if w.on[weekday(day)] && begins <= r && r < begins+w.length {
			return Resolve(begins+w.length, w.zone), true
		}
	}
	return time.Time{}, false
}
