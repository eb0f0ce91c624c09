package tocsin

import "time"

// A Notification is one message owed to one place because of one change of one
// alert. It is written in the same transaction as the change. The place is what
// the receiver's settings name, or the address of a person's contact method.
type Notification struct {
	ID       int64  `json:"id"`
	Alert    int64  `json:"alert"` // 0 where it is about none: a code, a reminder
	Receiver string `json:"receiver"`
	// Person and Contact say whose contact method it goes to; empty and 0 for the
	// receiver's own place. Of an action, Person is who approved it.
	Person  string `json:"person,omitempty"`
	Contact int64  `json:"contact,omitempty"`
	Kind    Kind   `json:"kind"`
	// Why says by what they came to be told: "route 2", "fallback", "policy
	// around-the-clock, step 2".
	Why string `json:"why,omitempty"`
	// Text is what a note says.
	Text string `json:"text,omitempty"`
	// Digest says that it is not sent by itself: once it is due, one message tells
	// of all that wait so for the same place.
	Digest bool `json:"digest,omitempty"`
	// Changes are what the alert's change brought, for the message.
	Changes []Change `json:"changes,omitempty"`

	State State `json:"state"`
	// CreatedAt is when it came to be owed; Deadline is when it is parked if it
	// still could not be delivered.
	CreatedAt time.Time `json:"created_at"`
	Deadline  time.Time `json:"deadline"`
	// Due is when it is to be tried (again). A claim pushes it forward: that is
	// the lease, and a claim that is never settled falls due again.
	Due time.Time `json:"due"`
	// Attempts counts the claims; it fences a settlement, so that a worker that
	// lost its lease cannot settle.
	Attempts int `json:"attempts"`
	// SettledAt is when it reached its end state.
	SettledAt time.Time `json:"settled_at,omitzero"`
	// Ref is what the receiver called the message, for threads and edits.
	Ref string `json:"ref,omitempty"`
	// LastError is what went wrong last, without secrets.
	LastError string `json:"last_error,omitempty"`
}

// A Kind says what a notification tells.
type Kind string

// The kinds.
const (
	TellOpened       Kind = "opened"       // a new alert, or one that is open again
	TellRaised       Kind = "raised"       // it is worse than it ever was
	TellUpdated      Kind = "updated"      // something material of it is new
	TellAcknowledged Kind = "acknowledged" // somebody has taken it on
	TellChanged      Kind = "changed"      // it was assigned, snoozed, handed to another team, or is open again
	TellClosed       Kind = "closed"       // it is over

	TellAction Kind = "action" // something is to be done about it: the receiver is what does it

	TellDigest Kind = "digest" // several alerts in one message
	TellCode   Kind = "code"   // the code that proves an address
	TellNote   Kind = "note"   // something to know that is about no single alert: a gap ahead, a hand-off, the end of a silence
)

// Calls reports whether the message calls for somebody to act, so that nobody
// needs it once the alert is taken or over.
func (k Kind) Calls() bool { return k == TellOpened || k == TellRaised || k == TellDigest }

// A State is where a notification stands. It ends in delivered, failed,
// parked, shadow or cancelled and nothing else.
type State string

// The states.
const (
	Pending   State = "pending"   // owed: not tried, being tried, or to be tried again
	Delivered State = "delivered" // the receiver took it
	Failed    State = "failed"    // the receiver refused it for good
	Parked    State = "parked"    // its deadline passed; it is shown and can be sent again by hand
	Shadow    State = "shadow"    // a route in shadow would have told it; nothing is ever sent
	Cancelled State = "cancelled" // nobody needs it any more: the alert was acknowledged or closed before
)
