package plain

import (
	"strconv"
	"strings"
	"time"
)

// layouts are how senders write times: RFC 3339, and ISO 8601 as Java and AWS have it.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02 15:04:05.999999999Z07:00"}

// Instant reads a time as senders write it, in UTC and to the millisecond: ISO 8601,
// or seconds or milliseconds since 1970. ok is false for what is no time.
func Instant(text string) (at time.Time, ok bool) {
	text = strings.TrimSpace(text)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	const latest = 1e14 // the year 5138 in milliseconds
	if err != nil || !(n > 0 && n <= latest) {
		return time.Time{}, false
	}
	if n < 1e11 { // the year 5138 in seconds
		n *= 1000
	}
	return time.UnixMilli(int64(n)).UTC(), true
}
