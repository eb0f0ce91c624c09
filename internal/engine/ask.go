package engine

import (
	"context"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// An Ask is who asks for a change of an alert, and why.
type Ask struct {
	By string
	// Version is the alert's as it was seen; another one is store.ErrStale. 0 takes
	// it as it is.
	Version int64
	Note    string
	// Via is where it was asked: "api", "page", "slack soc", "link"; for the timeline.
	Via string
	// token makes the ask one that is done once; "" is for those that may be
	// repeated.
	token string
}

// Asks is all that people ask of an engine. [Engine] is the one that does it;
// pages and API take no more than this.
//
// Errors: *tocsin.StateError where the alert is in no state for it,
// store.ErrStale, store.ErrNotFound; all others of what was asked are an
// [InputError].
type Asks interface {
	// What becomes of an alert. Each is on its timeline.

	Acknowledge(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error)
	Unacknowledge(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error)
	Assign(ctx context.Context, id int64, ask Ask, to string) (tocsin.Alert, error)
	Snooze(ctx context.Context, id int64, ask Ask, until time.Time) (tocsin.Alert, error)
	// Escalate ends the present step now.
	Escalate(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error)
	// Reassign hands the alert to a team or a policy; one may be empty.
	Reassign(ctx context.Context, id int64, ask Ask, team, policy string) (tocsin.Alert, error)
	// ApplyPolicy has a live alert go by its policy as it is today.
	ApplyPolicy(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error)
	// Close ends it. A mute keeps its key quiet until then; zero makes none.
	Close(ctx context.Context, id int64, ask Ask, reason tocsin.Reason, mute time.Time) (tocsin.Alert, error)
	Note(ctx context.Context, id int64, ask Ask) (tocsin.Alert, error)
	// RunAction runs an action that waits for approval, in the name of who asks.
	RunAction(ctx context.Context, id int64, ask Ask, name string) (tocsin.Alert, error)
	// Retry owes a notification that failed or was parked once more.
	Retry(ctx context.Context, notification int64, by string) error

	// Silences.

	// SaveSilence writes a new silence (ID 0) or changes one.
	SaveSilence(ctx context.Context, s tocsin.Silence) (tocsin.Silence, error)
	EndSilence(ctx context.Context, id int64, by string) (tocsin.Silence, error)
	// PreviewSilence says what it would have hidden of the last days.
	PreviewSilence(ctx context.Context, s tocsin.Silence, days int) (routing.Preview, error)
	// ReportSilence says what it hid.
	ReportSilence(ctx context.Context, id int64) (routing.Preview, error)

	// People.

	SavePerson(ctx context.Context, p tocsin.Person, by string) (tocsin.Person, error)
	// AddContact writes a contact method and sends its code.
	AddContact(ctx context.Context, person, receiver, address, by string) (tocsin.Contact, error)
	SendCode(ctx context.Context, contact int64) error
	// Verify takes the code that the address was sent.
	Verify(ctx context.Context, contact int64, code string) (tocsin.Contact, error)
	RemoveContact(ctx context.Context, contact int64, by string) error
	// Invite makes a link by which a person enrols an address of a receiver that has
	// such links (see notify.Inviter).
	Invite(ctx context.Context, person, receiver, by string) (string, error)
	// EnableContact uses a disabled contact method again, once its code is given.
	EnableContact(ctx context.Context, contact int64, by string) error

	// On call.

	OnCall(at time.Time) []OnCall
	Schedules() []ScheduleInfo
	Policies() []escalation.Policy
	Teams() []tocsin.Team
	Shifts(schedule string, from, to time.Time) ([]oncall.Shift, error)
	Gaps(schedule string, from, to time.Time) ([]oncall.Gap, error)
	Overrides(ctx context.Context, schedule string) ([]oncall.Override, error)
	SaveOverride(ctx context.Context, o oncall.Override) (oncall.Override, error)
	EndOverride(ctx context.Context, id, by string) error
	// PreviewPolicy is what would happen now to an alert of that level that nobody
	// acknowledges.
	PreviewPolicy(name string, level tocsin.Level, at time.Time) ([]escalation.Expected, error)

	// Asking why.

	// Explain says what would become of the event, step by step, and does nothing.
	Explain(ctx context.Context, raw []byte) (Explanation, error)
	// ExplainFrom says it of an event of that source, whose own map reads it.
	ExplainFrom(ctx context.Context, source string, raw []byte) (Explanation, error)
	// DeadRoutes are the routes and receivers that took nothing for so many days.
	DeadRoutes(ctx context.Context, days int) ([]routing.Dead, error)
}

// OnCall is who is on call for a schedule at a moment.
type OnCall struct {
	Schedule string   `json:"schedule"`
	People   []string `json:"people"`
	// Until is when that changes next; zero if not within 60 days.
	Until time.Time `json:"until,omitzero"`
	// Next are those who are on call then.
	Next []string `json:"next,omitempty"`
}

// ScheduleInfo is a schedule as configured.
type ScheduleInfo struct {
	oncall.Schedule
	// Policies name the policies that ask it.
	Policies []string `json:"policies,omitempty"`
}

// An InputError says what is wrong with what was asked.
type InputError struct{ error }

func (e InputError) Unwrap() error { return e.error }
