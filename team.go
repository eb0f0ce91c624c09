package tocsin

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Team owns accounts and alerts.
type Team struct {
	Name string `json:"name"`
	// Policy is by whom its alerts climb, Receivers are told of each besides; a team
	// without both can own alerts, and somebody else has to be told of them.
	Policy    string   `json:"policy,omitempty"`
	Receivers []string `json:"receivers,omitempty"`
	// Members are people by name, for steps that tell the whole team.
	Members []string `json:"members,omitempty"`
	// Channel is the receiver that hears what is about the team itself and no single
	// alert: a gap in its schedule, the end of a silence. Its Receivers if empty.
	Channel string `json:"channel,omitempty"`
	// Updates is how often it hears what is new of an alert, unless a route says so.
	Updates Updates `json:"updates,omitempty"`
}

// Updates is how often at most people hear what is new of an alert that they were
// told of. What gets worse than ever is told at once all the same.
type Updates string

// The choices; they are the periods in which GuardDuty publishes updates of a
// finding (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_cloudwatch.html),
// or never. Empty says nothing of it.
const (
	UpdatesQuarterHourly Updates = "15m"
	UpdatesHourly        Updates = "1h"
	UpdatesSixHourly     Updates = "6h"
	UpdatesNever         Updates = "never"
)

// AllUpdates are those that a person may write.
func AllUpdates() []string {
	return []string{string(UpdatesQuarterHourly), string(UpdatesHourly), string(UpdatesSixHourly), string(UpdatesNever)}
}

// ParseUpdates reads one of [AllUpdates].
func ParseUpdates(s string) (Updates, error) {
	if !slices.Contains(AllUpdates(), s) {
		return "", fmt.Errorf("updates %q is none of %s", s, strings.Join(AllUpdates(), ", "))
	}
	return Updates(s), nil
}

// UnmarshalText reads one of [AllUpdates], or nothing.
func (u *Updates) UnmarshalText(text []byte) (err error) {
	*u = ""
	if len(text) > 0 {
		*u, err = ParseUpdates(string(text))
	}
	return err
}

// Every is the time between two messages; 0 is never, and what is not said.
func (u Updates) Every() time.Duration {
	switch u {
	case UpdatesQuarterHourly:
		return 15 * time.Minute
	case UpdatesHourly:
		return time.Hour
	case UpdatesSixHourly:
		return 6 * time.Hour
	case UpdatesNever:
	}
	return 0
}
