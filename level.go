package tocsin

import (
	"fmt"
	"strings"
)

// A Level says how bad it is. Its numbers are OCSF's severity_id
// (https://schema.ocsf.io, attribute severity_id), so that Levels compare.
type Level int

// The levels, lowest first.
const (
	Unknown       Level = 0
	Informational Level = 1
	Low           Level = 2
	Medium        Level = 3
	High          Level = 4
	Critical      Level = 5
)

var levelNames = [...]string{"unknown", "informational", "low", "medium", "high", "critical"}

// Levels are the words that a person may write, lowest first.
func Levels() []string { return levelNames[1:] }

// String is the lower-case word: "critical".
func (l Level) String() string {
	if l < Unknown || l > Critical {
		return fmt.Sprintf("level(%d)", int(l))
	}
	return levelNames[l]
}

// ParseLevel reads a level's word in any case; "info" is short for
// informational.
func ParseLevel(s string) (Level, error) {
	word := strings.ToLower(strings.TrimSpace(s))
	if word == "info" {
		return Informational, nil
	}
	for i, name := range levelNames {
		if word == name {
			return Level(i), nil
		}
	}
	return Unknown, fmt.Errorf("level %q is none of %s", s, strings.Join(Levels(), ", "))
}

// MarshalText writes the word.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the word.
func (l *Level) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLevel(string(text))
	return err
}
