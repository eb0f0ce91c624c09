package tocsin

import (
	"encoding/json"
	"time"
)

// A Silence keeps alerts from being told: they are opened and recorded, and
// nobody is notified while it lasts.
type Silence struct {
	ID   int64       `json:"id"`
	Kind SilenceKind `json:"kind"`
	// Pattern is over the alert, as a route's is. Key, for a mute, names one alert
	// by its identity instead.
	Pattern json.RawMessage `json:"pattern,omitempty"`
	Key     Key             `json:"key,omitempty"`
	Author  string          `json:"author"`
	Reason  string          `json:"reason"`
	// It lasts from From until Until; a recurring one is in force only within its
	// windows of that time.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Every makes it recur.
	Every *Recurrence `json:"every,omitempty"`
	// NotifyFrom is the lowest level of which people are told at the end, if the
	// alert is still open then; "high" unless said otherwise.
	NotifyFrom Level `json:"notify_from"`

	CreatedAt time.Time `json:"created_at"`
	// EndedAt and EndedBy say who ended it before its time.
	EndedAt time.Time `json:"ended_at,omitzero"`
	EndedBy string    `json:"ended_by,omitempty"`
	// RemindedAt is when its author was told that it ends soon, ReportedAt when
	// they were told what it hid.
	RemindedAt time.Time `json:"reminded_at,omitzero"`
	ReportedAt time.Time `json:"reported_at,omitzero"`
	Version    int64     `json:"version"`
}

// A SilenceKind says what a silence is for; the longest it may last depends on it.
type SilenceKind string

// The kinds of silences.
const (
	KindSilence     SilenceKind = "silence"     // made from an alert; 30 days at most
	KindMaintenance SilenceKind = "maintenance" // planned, once or recurring; 365 days at most
	KindMute        SilenceKind = "mute"        // what was closed as expected stays quiet; 365 days at most
)

// A Recurrence is when a recurring silence is in force, by the wall clock.
type Recurrence struct {
	TimeZone string   `json:"time_zone"`          // IANA name
	Weekdays []string `json:"weekdays,omitempty"` // "mon" … "sun", on which a window begins; empty is every day
	From     string   `json:"from"`               // "02:00"
	To       string   `json:"to"`                 // "04:00"; at or before From is on the next day
}

// A Hold is why an alert's opening was not told yet, and until when at most.
type Hold struct {
	// By is "silence 3", "maintenance 4", "mute 5", "alert 12" (which inhibits it)
	// or "first window".
	By string `json:"by"`
	// Until is when it ends at the latest; zero where another alert's end is waited for.
	Until time.Time `json:"until,omitzero"`
	// Tell says whether people are told at its end, if the alert is still live.
	Tell bool `json:"tell"`
}
