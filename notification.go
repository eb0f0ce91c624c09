package tocsin

import "time"

// A Notification is one message owed to one receiver because of one change of
// one alert. It is written in the same transaction as the change.
type Notification struct {
	ID       int64  `json:"id"`
	Alert    int64  `json:"alert"`
	Receiver string `json:"receiver"`
	Kind     Kind   `json:"kind"`
	// Why says by what the receiver came to be told: "route 2", "fallback".
	Why string `json:"why,omitempty"`
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
	TellOpened Kind = "opened" // a new alert, or one that is open again
	TellRaised Kind = "raised" // it is worse than it ever was
	TellClosed Kind = "closed" // it is over
)

// A State is where a notification stands. It ends in delivered, failed or parked
// and nothing else.
type State string

// The states.
const (
	Pending   State = "pending"   // owed: not tried, being tried, or to be tried again
	Delivered State = "delivered" // the receiver took it
	Failed    State = "failed"    // the receiver refused it for good
	Parked    State = "parked"    // its deadline passed, or nobody needs it any more; it is shown and can be sent again by hand
)
