package tocsin

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// An Alert is one thing that is wrong, whatever number of events told of it. It
// is a value: its methods return the alert as it is afterwards.
type Alert struct {
	ID int64 `json:"id"` // 0 until it is saved
	// Version grows by one with each save; a save with a stale one is refused.
	Version int64  `json:"version"`
	Status  Status `json:"status"`
	// Detection is the newest version of the finding that was folded in.
	Detection

	// Worst is the highest level the alert ever had. People are told when it rises.
	Worst Level `json:"worst"`
	// Occurrences is how often it happened: the count that the newest version of the
	// finding gives, or the number of events where the sender does not count.
	Occurrences int64 `json:"occurrences"`
	// Events is how many events were folded in.
	Events int64 `json:"events"`
	// Paths are the ways by which it came, sorted: "https:api", "sns:org-topic".
	Paths []string `json:"paths,omitempty"`

	OpenedAt time.Time `json:"opened_at"`
	// ChangedAt is when anything of it changed last.
	ChangedAt   time.Time `json:"changed_at"`
	AckedAt     time.Time `json:"acked_at,omitzero"`
	AckedBy     string    `json:"acked_by,omitempty"`
	ClosedAt    time.Time `json:"closed_at,omitzero"`
	ClosedBy    string    `json:"closed_by,omitempty"`
	CloseReason Reason    `json:"close_reason,omitempty"`
	Reopened    int       `json:"reopened,omitempty"`
	// Previous is the alert of the same key that was closed before this one
	// opened, or 0.
	Previous int64 `json:"previous,omitempty"`
	// Told are the receivers that were told of its opening.
	Told []string `json:"told,omitempty"`
}

// A Status is where an alert stands.
type Status string

// The statuses.
const (
	StatusOpen   Status = "open"
	StatusAcked  Status = "acked"
	StatusClosed Status = "closed"
)

// A Reason says why an alert was closed. There is no closing without one.
type Reason string

// The reasons a person may give, and those that a source gives.
const (
	ReasonFixed         Reason = "fixed"
	ReasonFalsePositive Reason = "false_positive"
	ReasonExpected      Reason = "expected"
	ReasonAcceptedRisk  Reason = "accepted_risk"
	ReasonDuplicate     Reason = "duplicate"
	ReasonOther         Reason = "other"

	ReasonArchived  Reason = "archived"  // archived in GuardDuty
	ReasonRecovered Reason = "recovered" // the source says that it is over
)

// Reasons are those that a person may give.
func Reasons() []Reason {
	return []Reason{ReasonFixed, ReasonFalsePositive, ReasonExpected, ReasonAcceptedRisk, ReasonDuplicate, ReasonOther}
}

// ParseReason reads a reason that a person may give.
func ParseReason(s string) (Reason, error) {
	if r := Reason(s); slices.Contains(Reasons(), r) {
		return r, nil
	}
	return "", fmt.Errorf("reason %q is none of %v", s, Reasons())
}

// reopenWindow is how long after its source closed it an alert may open again as
// itself; later, or after a person closed it, a new alert opens.
const reopenWindow = 10 * time.Minute

// An Activity is what a fold did.
type Activity struct {
	Verdict Verdict
	// Tell is what people are to be told, or empty.
	Tell Kind
	// Changes are what is new, for a message and the timeline.
	Changes []Change
}

// A Change is one difference between two versions of an alert.
type Change struct {
	What string `json:"what"` // "severity", "count", "remote IP", "archived"
	From string `json:"from,omitempty"`
	To   string `json:"to"`
}

// Fold takes d into the alert and says what that did. Folding into the zero
// Alert opens one.
//
//   - A version that is not newer than what the alert holds is recorded and
//     never turns the alert back.
//   - The end state does not depend on the order in which versions arrive.
//   - A closed alert opens again on news within ten minutes of its source
//     closing it; otherwise the news opens the next alert of the key, which
//     names this one as Previous (and has no ID yet).
func (a Alert) Fold(d Detection, now time.Time) (Alert, Activity) {
	now = Millis(now)
	if a.Status == "" {
		return open(d, 0, now)
	}
	news := d.newerThan(a.Detection)
	if a.Status == StatusClosed && news && !d.Over && !a.reopens(now) {
		return open(d, a.ID, now)
	}

	before := a
	a.Events++
	if news || d.Count == 0 {
		a.count(d)
	}
	a.Paths = with(a.Paths, d.Path)
	a.ChangedAt = now
	if !news {
		a.Worst = max(a.Worst, d.Level)
		return a, Activity{Verdict: Appended, Changes: changes(before, a)}
	}

	first := earliest(a.FirstSeen, d.FirstSeen)
	created := earliest(a.CreatedAt, d.CreatedAt)
	a.Detection = d
	a.FirstSeen, a.CreatedAt = first, created
	a.Worst = max(a.Worst, d.Level)
	return a.settle(before, now)
}

// settle decides what the news, already taken in, means for the alert's status.
func (a Alert) settle(before Alert, now time.Time) (Alert, Activity) {
	act := Activity{Verdict: Updated, Changes: changes(before, a)}
	switch {
	case a.Over && a.Status != StatusClosed:
		a.Status, a.ClosedAt, a.ClosedBy, a.CloseReason = StatusClosed, now, a.Dialect, overReason(a.Detection)
		act.Verdict, act.Tell = Closed, TellClosed
	case a.Status == StatusClosed && !a.Over:
		a.Status, a.ClosedAt, a.ClosedBy, a.CloseReason = StatusOpen, time.Time{}, "", ""
		a.AckedAt, a.AckedBy = time.Time{}, ""
		a.Reopened++
		act.Verdict, act.Tell = Opened, TellOpened
	case a.Worst > before.Worst && a.Status != StatusClosed:
		// Whoever acknowledged it acknowledged something smaller.
		a.Status, a.AckedAt, a.AckedBy = StatusOpen, time.Time{}, ""
		act.Tell = TellRaised
	}
	return a, act
}

// open makes the first version of an alert. One that is over before it began is
// recorded as closed, and nobody is told.
func open(d Detection, previous int64, now time.Time) (Alert, Activity) {
	a := Alert{
		Status: StatusOpen, Detection: d, Worst: d.Level, Events: 1, Paths: with(nil, d.Path),
		OpenedAt: now, ChangedAt: now, Previous: previous,
	}
	a.count(d)
	if d.Over {
		a.Status, a.ClosedAt, a.ClosedBy, a.CloseReason = StatusClosed, now, d.Dialect, overReason(d)
		return a, Activity{Verdict: Closed}
	}
	return a, Activity{Verdict: Opened, Tell: TellOpened}
}

// Acknowledge says that by has taken the alert on. The first acknowledgement
// stands; a later one is an error that names the first.
func (a Alert) Acknowledge(by string, now time.Time) (Alert, error) {
	if a.Status != StatusOpen {
		return a, &StateError{Alert: a, Doing: "acknowledge"}
	}
	now = Millis(now)
	a.Status, a.AckedBy, a.AckedAt, a.ChangedAt = StatusAcked, by, now, now
	return a, nil
}

// Close ends the alert because a person says so.
func (a Alert) Close(by string, reason Reason, now time.Time) (Alert, error) {
	if reason == "" {
		return a, errors.New("closing needs a reason")
	}
	if a.Status == StatusClosed {
		return a, &StateError{Alert: a, Doing: "close"}
	}
	now = Millis(now)
	a.Status, a.ClosedBy, a.CloseReason, a.ClosedAt, a.ChangedAt = StatusClosed, by, reason, now, now
	return a, nil
}

// A StateError says that an alert is not in a state for what was asked of it.
type StateError struct {
	Alert Alert
	Doing string
}

func (e *StateError) Error() string {
	a := e.Alert
	switch a.Status {
	case StatusAcked:
		return fmt.Sprintf("alert %d: already acknowledged by %s at %s", a.ID, a.AckedBy, a.AckedAt.UTC().Format(time.RFC3339))
	case StatusClosed:
		return fmt.Sprintf("alert %d: already closed by %s (%s) at %s", a.ID, a.ClosedBy, a.CloseReason, a.ClosedAt.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("alert %d: cannot %s: it is %s", a.ID, e.Doing, a.Status)
}

// count takes the count that a sender gives, and counts for those that do not.
func (a *Alert) count(d Detection) {
	if d.Count == 0 {
		a.Occurrences++
		return
	}
	a.Occurrences = d.Count
}

// reopens says whether news opens the closed alert itself again.
func (a Alert) reopens(now time.Time) bool {
	bySource := a.CloseReason == ReasonArchived || a.CloseReason == ReasonRecovered
	return bySource && now.Sub(a.ClosedAt) <= reopenWindow
}

// newerThan orders versions by UpdatedAt, then count, then over. Versions
// without a time are taken in the order in which they arrive.
func (d Detection) newerThan(old Detection) bool {
	if d.UpdatedAt.IsZero() || old.UpdatedAt.IsZero() {
		return true
	}
	if !d.UpdatedAt.Equal(old.UpdatedAt) {
		return d.UpdatedAt.After(old.UpdatedAt)
	}
	if d.Count != old.Count {
		return d.Count > old.Count
	}
	return d.Over && !old.Over
}

func overReason(d Detection) Reason {
	if d.OverReason != "" {
		return Reason(d.OverReason)
	}
	return ReasonRecovered
}

// changes lists what a person would call different.
func changes(old, now Alert) []Change {
	var cs []Change
	add := func(what, from, to string) {
		if from != to && to != "" {
			cs = append(cs, Change{What: what, From: from, To: to})
		}
	}
	if old.Severity != now.Severity || old.Level != now.Level {
		add("severity", severity(old.Detection), severity(now.Detection))
	}
	add("count", strconv.FormatInt(old.Occurrences, 10), strconv.FormatInt(now.Occurrences, 10))
	add("remote IP", old.Actor.IP, now.Actor.IP)
	add("domain", old.Actor.Domain, now.Actor.Domain)
	add("principal", old.Actor.Principal, now.Actor.Principal)
	add("resource", old.Resource.ID, now.Resource.ID)
	if old.Over != now.Over {
		add("over", strconv.FormatBool(old.Over), strconv.FormatBool(now.Over))
	}
	for _, p := range now.Paths {
		if !slices.Contains(old.Paths, p) {
			add("path", "", p)
		}
	}
	return cs
}

func severity(d Detection) string {
	if d.Severity == 0 {
		return d.Level.String()
	}
	return d.Level.String() + " " + strconv.FormatFloat(d.Severity, 'f', -1, 64)
}

// with returns the sorted set with s in it; the given slice is not changed.
func with(set []string, s string) []string {
	i, found := slices.BinarySearch(set, s)
	if found || s == "" {
		return set
	}
	return slices.Insert(slices.Clone(set), i, s)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// Millis is t in UTC at the precision that is kept.
func Millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
