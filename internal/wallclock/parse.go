package wallclock

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Zone is the time zone of that IANA name, "Europe/Berlin". No name is none here,
// and neither is "Local": it would depend on the machine.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return nil, errors.New("is empty; name one such as Europe/Berlin, or UTC")
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%q is no IANA time zone such as Europe/Berlin", name)
	}
	return zone, nil
}

// TimeOfDay reads "02:00", 00:00 to 23:59, as the time since midnight.
func TimeOfDay(s string) (Reading, error) {
	h, m, ok := strings.Cut(s, ":")
	hours, errH := strconv.ParseUint(h, 10, 8)
	minutes, errM := strconv.ParseUint(m, 10, 8)
	if !ok || len(h) != 2 || len(m) != 2 || errH != nil || errM != nil || hours > 23 || minutes > 59 {
		return 0, fmt.Errorf("%q is no time of day, such as 02:00; 24:00 is 00:00", s)
	}
	return Reading(hours)*Hour + Reading(minutes)*Minute, nil
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // as time.Weekday counts

// Weekday reads "mon" to "sun".
func Weekday(s string) (time.Weekday, error) {
	i := slices.Index(weekdays, s)
	if i < 0 {
		return 0, fmt.Errorf("%q is none of mon, tue, wed, thu, fri, sat, sun", s)
	}
	return time.Weekday(i), nil
}
