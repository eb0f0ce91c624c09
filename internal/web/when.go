package web

import (
	"fmt"
	"time"
)

// A when is a time as people say it, beside the exact one.
type when struct{ At, now time.Time }

// Zero reports whether there is no time to show.
func (w when) Zero() bool { return w.At.IsZero() }

// Exact is the time to the second in UTC.
func (w when) Exact() string { return w.At.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Machine is the time for <time datetime>.
func (w when) Machine() string { return w.At.UTC().Format(time.RFC3339) }

// Words are "12 min ago", "in 30 s"; more than two weeks away it is the date.
func (w when) Words() string {
	d := w.now.Sub(w.At)
	if d < 0 {
		if d = -d; d < 2*time.Second {
			return "now"
		}
		if words, ok := span(d); ok {
			return "in " + words
		}
		return w.At.UTC().Format(time.DateOnly)
	}
	if d < 2*time.Second {
		return "now"
	}
	if words, ok := span(d); ok {
		return words + " ago"
	}
	return w.At.UTC().Format(time.DateOnly)
}

// span says a duration in its largest unit, unless it is more than two weeks.
func span(d time.Duration) (string, bool) {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds())), true
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes())), true
	case d < 2*day:
		return fmt.Sprintf("%d h", int(d.Hours())), true
	case d < 15*day:
		return fmt.Sprintf("%d d", int(d/day)), true
	}
	return "", false
}
