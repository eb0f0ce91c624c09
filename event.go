package tocsin

import "time"

// An Event is one thing that a source received, kept byte for byte.
type Event struct {
	// Seq is the event's row in the journal; 0 until it is accepted.
	Seq int64 `json:"seq"`
	// Source is the name under which the source is configured.
	Source string `json:"source"`
	// Via is the kind of collector that took it in: "sns", "https", "file".
	Via string `json:"via"`
	// Envelope is the sender's own id of this delivery: an SNS MessageId, an
	// EventBridge id, an Idempotency-Key. Empty when the sender gave none; then
	// every delivery counts.
	Envelope string `json:"envelope,omitempty"`
	// ReceivedAt is when the collector had the last byte.
	ReceivedAt time.Time `json:"received_at"`
	// Raw is the event exactly as it was sent. Sink and engine only read it, and
	// hold it no longer than the call.
	Raw []byte `json:"-"`
	// Unreadable says why the collector could make nothing of Raw; it is then
	// journalled as malformed.
	Unreadable string `json:"unreadable,omitempty"`
	// Unwanted says why the collector's own rules do not want it, where it has some; it
	// is then journalled as filtered.
	Unwanted string `json:"unwanted,omitempty"`

	// Finding and Version are which version of which GuardDuty finding it is, set when
	// the event is read; empty where it is none.
	Finding Key       `json:"-"`
	Version time.Time `json:"-"`

	// What was decided, set when the event is accepted.

	Verdict Verdict `json:"verdict"`
	// Reason says why in words, "below the minimum of account 1234 (medium)", or
	// what was new: "count 3 → 5".
	Reason string `json:"reason,omitempty"`
	// Did is what it did to its alert, as a timeline tells it: "opened", "reopened",
	// "updated", "appended", "raised" or "closed"; empty without an alert.
	Did string `json:"did,omitempty"`
	// Rule is the name of the rule that decided; empty when none matched.
	Rule string `json:"rule,omitempty"`
	// Alert is the alert that the event was folded into, or 0.
	Alert int64 `json:"alert,omitempty"`
	// Deliveries counts how often this very event was delivered, redeliveries
	// included.
	Deliveries int `json:"deliveries"`
	// Size is the length of Raw in bytes, known even where Raw was not loaded.
	Size int `json:"size"`

	// What the event says of itself, as far as it could be read; for lists and
	// filters.

	Type    string `json:"type,omitempty"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Level   Level  `json:"level"`
}

// A Verdict is what became of an event. Every event in the journal has one.
type Verdict string

// The verdicts. AlertOps's name for each is in [Verdict.AlertOps].
const (
	Opened     Verdict = "opened"     // it opened (or reopened) an alert
	Appended   Verdict = "appended"   // recorded on an alert that already knew as much or more
	Updated    Verdict = "updated"    // it brought news to an alert
	Closed     Verdict = "closed"     // it closed an alert
	Filtered   Verdict = "filtered"   // readable, but no rule wants it, or a rule drops it, or it is below the account's minimum
	Suppressed Verdict = "suppressed" // recorded on an alert that nobody is to be told of
	Silenced   Verdict = "silenced"   // as suppressed, because of a silence
	Unmapped   Verdict = "unmapped"   // JSON of a shape that nothing here reads
	Watched    Verdict = "canary"     // it was sent by tocsin itself, to see that the way is open
	Ignored    Verdict = "ignored"    // news, an acknowledgement or an end of an alert that is not there
	Malformed  Verdict = "malformed"  // not JSON, or not a finding in spite of its looks
	Duplicate  Verdict = "duplicate"  // a redelivery of an event that the journal has
)

// Verdicts are all of them, in the order in which a page lists them.
func Verdicts() []Verdict {
	return []Verdict{Opened, Updated, Appended, Closed, Filtered, Suppressed, Silenced, Watched, Ignored, Unmapped, Malformed, Duplicate}
}

// AlertOps is the verdict's name in AlertOps's inbound log.
func (v Verdict) AlertOps() string {
	switch v {
	case Opened, Closed:
		return "Mapped"
	case Appended, Updated:
		return "Mapped Appended"
	case Filtered:
		return "Filtered"
	case Suppressed, Silenced:
		return "Suppressed"
	case Unmapped, Ignored, Watched:
		return "Mapped Ignored"
	case Malformed:
		return "Mapping Failed"
	case Duplicate:
		return "Duplicate"
	}
	return string(v)
}

// A Receipt tells the sender of an event what became of it.
type Receipt struct {
	Seq     int64   `json:"seq"`
	Verdict Verdict `json:"verdict"`
	Alert   int64   `json:"alert,omitempty"`
	Reason  string  `json:"reason,omitempty"`
}
