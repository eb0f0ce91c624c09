package oncall

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A unit is what turns last, or are counted by.
type unit int

const (
	never unit = iota // one turn for ever
	hours
	days
	weeks
	months
	shifts // occurrences of windows
)

// A rotation is every so many units.
type rotation struct {
	unit  unit
	every int64
}

var units = map[string]unit{"hour": hours, "day": days, "week": weeks, "month": months, "shift": shifts}

var words = map[string]unit{"hourly": hours, "daily": days, "weekly": weeks, "monthly": months}

// parseRotation reads "weekly", "every shift", "2 weeks", "every 12 hours".
func parseRotation(s string) (rotation, error) {
	bad := fmt.Errorf("%q is no rotation: want hourly, daily, weekly, monthly, every shift, or such as 12 hours or 2 weeks", s)
	fields := strings.Fields(strings.ToLower(s))
	if len(fields) == 1 && words[fields[0]] != never {
		return rotation{words[fields[0]], 1}, nil
	}
	n, counted := int64(1), false
	if len(fields) > 1 && fields[0] == "every" {
		fields, counted = fields[1:], true
	}
	if len(fields) == 2 {
		var err error
		if n, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
			return rotation{}, bad
		}
		fields, counted = fields[1:], true
	}
	if len(fields) != 1 || !counted {
		return rotation{}, bad
	}
	u := units[strings.TrimSuffix(fields[0], "s")]
	switch {
	case u == never:
		return rotation{}, bad
	case n < 1 || n > most:
		return rotation{}, fmt.Errorf("%d is out of range: want 1 to %d", n, most)
	}
	return rotation{u, n}, nil
}

// window reads one into the parts of a week that it is.
func (r *reader) window(path string, w Window) []span {
	before := len(r.problems)
	from, fromDay, err := parseEdge(w.From)
	if err != nil || from == day {
		r.fail(path+".from", `%q is no time such as "09:00" or "Fri 17:00"`, w.From)
	}
	to, toDay, err := parseEdge(w.To)
	if err != nil {
		r.fail(path+".to", `%q is no time such as "17:00" or "Mon 08:00"`, w.To)
	}
	weekdays := r.weekdays(path+".weekdays", w.Weekdays)
	switch {
	case len(r.problems) > before:
		return nil
	case fromDay < 0 && toDay >= 0:
		r.fail(path+".from", "%q has no weekday, and to has one", w.From)
	case fromDay >= 0 && toDay < 0:
		r.fail(path+".to", "%q has no weekday, and from has one", w.To)
	case fromDay >= 0 && len(w.Weekdays) > 0:
		r.fail(path+".weekdays", "are of daily windows; this one has weekdays in from and to")
	case fromDay >= 0:
		start, end := reading(fromDay)*day+from, reading(toDay)*day+to
		length := reading(mod(int64(end-start), int64(week)))
		if length == 0 {
			length = week
		}
		return []span{{start, length}}
	}
	length := to - from
	if length <= 0 {
		length += day
	}
	var spans []span
	for d, open := range weekdays {
		if open {
			spans = append(spans, span{reading(d)*day + from, length})
		}
	}
	return spans
}

var weekdayNames = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// parseWeekday reads "mon", "Thurs" or "sunday"; Monday is 0.
func parseWeekday(s string) (int, bool) {
	s = strings.ToLower(s)
	i := slices.IndexFunc(weekdayNames, func(name string) bool { return len(s) >= 3 && strings.HasPrefix(name, s) })
	return i, i >= 0
}

// weekdays reads days and ranges of days, Monday first; nothing is all of them.
func (r *reader) weekdays(path string, names []string) (open [7]bool) {
	if len(names) == 0 {
		return [7]bool{true, true, true, true, true, true, true}
	}
	for i, name := range names {
		first, last, isRange := strings.Cut(name, "-")
		if !isRange {
			last = first
		}
		a, ok := parseWeekday(strings.TrimSpace(first))
		b, ok2 := parseWeekday(strings.TrimSpace(last))
		if !ok || !ok2 {
			r.fail(fmt.Sprintf("%s[%d]", path, i), "%q is no weekday such as mon, or mon-fri", name)
			continue
		}
		for d := a; ; d = (d + 1) % 7 {
			open[d] = true
			if d == b {
				break
			}
		}
	}
	return open
}

// parseEdge reads "09:00", whose weekday is -1, or "Fri 17:00". 24:00 is the end
// of a day.
func parseEdge(s string) (at reading, weekday int, err error) {
	bad := errors.New("no time")
	weekday = -1
	fields := strings.Fields(s)
	if len(fields) == 2 {
		d, ok := parseWeekday(fields[0])
		if !ok {
			return 0, 0, bad
		}
		weekday, fields = d, fields[1:]
	}
	if len(fields) != 1 {
		return 0, 0, bad
	}
	h, m, ok := strings.Cut(fields[0], ":")
	if !ok || len(h) < 1 || len(h) > 2 || len(m) != 2 {
		return 0, 0, bad
	}
	hh, err := strconv.ParseUint(h, 10, 8)
	if err != nil {
		return 0, 0, bad
	}
	mm, err := strconv.ParseUint(m, 10, 8)
	if err != nil || mm > 59 || hh > 24 || (hh == 24 && mm > 0) {
		return 0, 0, bad
	}
	return reading(hh)*hour + reading(mm)*minute, weekday, nil
}
