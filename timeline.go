package tocsin

import "time"

// An Entry is one line of an alert's timeline, which only ever grows.
type Entry struct {
	Alert int64     `json:"alert"`
	At    time.Time `json:"at"`
	// Kind says what happened. By an event: "opened", "updated", "appended",
	// "raised", "reopened", "closed", "silenced", "suppressed". By a person:
	// "acknowledged", "unacknowledged", "assigned", "snoozed", "escalated",
	// "reassigned", "policy", "closed", "muted", "note". By the clock: "told",
	// "skipped", "fallback", "exhausted", "reminded", "held", "released", "awake",
	// "unacknowledged", "closed".
	Kind string `json:"kind"`
	// By is who did it: a person, the way by which the event came ("sns:org-topic"),
	// or empty for tocsin itself.
	By   string `json:"by,omitempty"`
	Text string `json:"text,omitempty"`
	// Event is the journal row that did it, or 0 where a person did.
	Event int64 `json:"event,omitempty"`
}
