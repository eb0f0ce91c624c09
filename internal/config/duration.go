package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

var days = lazyregexp.New(`^([0-9]+(?:\.[0-9]+)?)d`)

// ParseDuration reads Go's durations, in which "d" may stand first for days of
// 24 hours: "90s", "1h30m", "7d", "1d12h". It refuses negative ones.
func ParseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration such as 30s, 15m or 7d", s)
	var whole float64
	rest := strings.TrimSpace(s)
	if m := days.FindStringSubmatch(rest); m != nil {
		whole, _ = strconv.ParseFloat(m[1], 64)
		if rest = rest[len(m[0]):]; rest == "" {
			rest = "0"
		}
	}
	span, err := time.ParseDuration(rest)
	if err != nil || whole > 100*365 {
		return 0, bad
	}
	if span < 0 {
		return 0, fmt.Errorf("%q is negative", s)
	}
	return time.Duration(whole*float64(24*time.Hour)) + span, nil
}
