package tocsin

import (
	"cmp"
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

	// OwnLevel and OwnTitle are as the finding has them, where a route says
	// otherwise; OwnUnknown says that the finding has no level, where a route gives
	// it one. [Alert.Own] is the alert with them.
	OwnLevel   Level  `json:"own_level,omitempty"`
	OwnUnknown bool   `json:"own_unknown,omitempty"`
	OwnTitle   string `json:"own_title,omitempty"`

	// Worded is the version whose words the alert has, where a copy told of a newer one
	// than the service that found it did: the words of that one stay. Nil where the
	// words are those of the newest version.
	Worded *Version `json:"worded,omitempty"`

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
	// ReopenedAt is when its present episode began, if it is not the first.
	ReopenedAt time.Time `json:"reopened_at,omitzero"`
	// HeardAt is when an event was folded in last, ChangedAt when anything of it
	// changed last.
	HeardAt     time.Time `json:"heard_at,omitzero"`
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

	// Team owns it, and Assignee has taken it on or was given it.
	Team     string `json:"team,omitempty"`
	Assignee string `json:"assignee,omitempty"`
	// FirstAckAt is when a person first took it on in this episode; AckExpires is
	// when an acknowledgement that was not followed by more runs out.
	FirstAckAt time.Time `json:"first_ack_at,omitzero"`
	AckExpires time.Time `json:"ack_expires,omitzero"`
	// SnoozedUntil is until when nobody is told of it.
	SnoozedUntil time.Time `json:"snoozed_until,omitzero"`
	SnoozedBy    string    `json:"snoozed_by,omitempty"`
	// Held says why its opening was not told yet; nil once it was.
	Held *Hold `json:"held,omitempty"`
	// Escalation is how far the telling of people has come; nil without a policy.
	Escalation *Escalation `json:"escalation,omitempty"`
	// SaidAt is when its state was told last. Unsaid is what became new since then
	// and is told at SayAt.
	SaidAt time.Time `json:"said_at,omitzero"`
	Unsaid []Change  `json:"unsaid,omitempty"`
	SayAt  time.Time `json:"say_at,omitzero"`
	// Approvals are the actions that wait for somebody's approval, by receiver.
	Approvals []string `json:"approvals,omitempty"`
	// Hidden are the fields that are not to leave, by the receiver that is told; ""
	// has them for everybody who is not named. See the package disclosure.
	Hidden map[string][]string `json:"hidden,omitempty"`
	// Tags are what routes put on it.
	Tags map[string]string `json:"tags,omitempty"`
	// Terms are those under which it lives, as they were when it opened or got worse
	// than ever.
	Terms *Terms `json:"terms,omitempty"`
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

	ReasonQuiet       Reason = "quiet"        // silent for several of the detector's publishing periods
	ReasonStale       Reason = "stale"        // no occurrence for days
	ReasonAccountLeft Reason = "account_left" // the configuration says that the account left the organisation
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

// An Activity is what a fold did.
type Activity struct {
	Verdict Verdict
	// Tell is what people are to be told, or empty.
	Tell Kind
	// Changes are what is new, for a message and the timeline.
	Changes []Change
	// Restart says that whoever was being told is told from the beginning: the
	// alert got worse after somebody had taken it on.
	Restart bool
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
//     never turns the alert back, unless it [Detection.Stands] well after its
//     source had closed the alert.
//   - A copy of a version that another service tells of is taken for what it is: it
//     may be the first or the newest to arrive, but the words are those of the service
//     that found it, as soon as it says anything.
//   - The end state does not depend on the order in which versions arrive.
//   - A closed alert opens again on news within ten minutes of its source
//     closing it; otherwise the news opens the next alert of the key, which
//     names this one as Previous (and has no ID yet).
func (a Alert) Fold(d Detection, now time.Time) (Alert, Activity) {
	now = Millis(now)
	resumes := d.Stands && a.closedTooSoon(d, now)
	d.Stands, d.EventAt = false, time.Time{}
	if d.Intent != "" && (a.Status == "" || a.Status == StatusClosed) {
		return a, Activity{Verdict: Ignored}
	}
	if a.Status == "" {
		return open(d, 0, now)
	}
	if d.Intent != "" {
		d = d.about(a.Own().Detection)
	}
	news := resumes || d.newerThan(a.Detection)
	if a.Status == StatusClosed && news && !d.Over && !a.reopens(now) {
		return open(d, a.ID, now) // the terms were this one's
	}

	before, reported := a, reporter(a.ReportedBy, d.ReportedBy)
	a.Events++
	a.HeardAt, a.ChangedAt = now, now
	if (news || d.Count == 0) && d.Intent == "" {
		a.count(d)
	}
	a.Paths = with(a.Paths, d.Path)
	tells := !news && a.better(d)
	a.Worst = max(a.Worst, a.Terms.bound(d).Level)
	if !news && !tells {
		a.ReportedBy = reported
		return a, Activity{Verdict: Appended, Changes: changes(before, a)}
	}

	d, a.Worded = a.word(d, news)
	own := d
	d = a.Terms.bound(d)
	d.FirstSeen, d.CreatedAt = earliest(a.FirstSeen, d.FirstSeen), earliest(a.CreatedAt, d.CreatedAt)
	d.ReportedBy = reported
	a.Detection = d
	a.Intent = "" // it was the event's, for this once
	if a.ClosedBy != "" && a.ClosedBy == before.Dialect {
		a.ClosedBy = a.Dialect // its source closed it, by whichever service that came
	}
	a.keepOwn(own)
	a.Worst = max(a.Worst, d.Level)
	switch {
	case d.Intent == IntentAcknowledge:
		return a.takenElsewhere(before, now)
	case tells:
		return a.told(before, now)
	}
	return a.settle(before, now)
}

// A Version tells the versions of one finding apart.
type Version struct {
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	Count     int64     `json:"count,omitempty"`
	Over      bool      `json:"over,omitempty"`
}

func (d Detection) version() Version { return Version{d.UpdatedAt, d.Count, d.Over} }

// compare orders versions by UpdatedAt, then count, then over.
func (v Version) compare(w Version) int {
	over := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return cmp.Or(v.UpdatedAt.Compare(w.UpdatedAt), cmp.Compare(v.Count, w.Count), cmp.Compare(over(v.Over), over(w.Over)))
}

// better reports whether d, which is no news, has better words than the alert: those
// of the service that found it, where the alert has a copy's or older ones.
func (a Alert) better(d Detection) bool {
	switch {
	case d.Copied || d.Intent != "" || d.UpdatedAt.IsZero():
		return false
	case a.Copied:
		return true
	}
	return a.Worded != nil && d.version().compare(*a.Worded) > 0
}

// word puts together what the alert says from now on, and says which version the words
// are of, if they are not of the newest.
func (a Alert) word(d Detection, news bool) (Detection, *Version) {
	had := a.Own().Detection
	switch {
	case d.Intent != "":
		return d, a.Worded
	case news && d.Copied && !had.Copied && !had.UpdatedAt.IsZero(): // the words stay
		words := a.Worded
		if words == nil {
			v := had.version()
			words = &v
		}
		return had.with(d), words
	case !news && d.version().compare(had.version()) < 0: // the figures stay
		v := d.version()
		return d.with(had), &v
	}
	return d, nil
}

// with is d with the figures of a newer version.
func (d Detection) with(newer Detection) Detection {
	d.Level, d.Severity, d.Count = newer.Level, newer.Severity, newer.Count
	d.UpdatedAt, d.Over, d.OverReason = newer.UpdatedAt, newer.Over, newer.OverReason
	if !newer.LastSeen.IsZero() {
		d.LastSeen = newer.LastSeen
	}
	return d
}

// told takes better words. Nobody is told of what they only say better, but of what
// happened since the words before.
func (a Alert) told(before Alert, now time.Time) (Alert, Activity) {
	act := Activity{Verdict: Updated, Changes: changes(before, a)}
	switch {
	case a.Status == StatusClosed:
	case a.Worst > before.Worst:
		act.Tell, act.Restart = TellRaised, before.Status != StatusOpen || before.Snoozed(now)
		a = a.awake().said(now)
	case !before.Copied:
		a = a.say(act.Changes, now)
	}
	return a, act
}

// reporter is who gave us events, where that is another account: the first by number
// of those that did, so that it does not matter who came first.
func reporter(a, b string) string {
	if a == "" || (b != "" && b < a) {
		return b
	}
	return a
}

// underWay is for how long what was sent before an end may arrive after it: two
// Prometheus servers see the same end a turn of their rules apart.
const underWay = 2 * time.Minute

// closedTooSoon reports whether d, which goes on, shows that the source was wrong
// when it called the alert over: Alertmanager does where Prometheus could not
// reach it for a while. What a person closed stays closed.
func (a Alert) closedTooSoon(d Detection, now time.Time) bool {
	return a.Status == StatusClosed && a.Over && !d.Over && now.Sub(a.ClosedAt) > underWay
}

// settle decides what the news, already taken in, means for the alert's status.
func (a Alert) settle(before Alert, now time.Time) (Alert, Activity) {
	act := Activity{Verdict: Updated, Changes: changes(before, a)}
	switch {
	case a.Over && a.Status != StatusClosed:
		if a.terms().MarkOver {
			return a.say(act.Changes, now), act
		}
		a = a.end(a.Dialect, overReason(a.Detection), now)
		act.Verdict, act.Tell = Closed, TellClosed
	case a.Status == StatusClosed && !a.Over:
		a = a.begin(now)
		act.Verdict, act.Tell = Opened, TellOpened
	case a.Status == StatusClosed:
	case a.Worst > before.Worst:
		// Whoever acknowledged or snoozed it did so to something smaller.
		act.Tell, act.Restart = TellRaised, before.Status != StatusOpen || before.Snoozed(now)
		a = a.awake().said(now)
	default:
		a = a.say(act.Changes, now)
	}
	return a, act
}

// takenElsewhere acknowledges the alert since its source says that somebody has
// taken it on there.
func (a Alert) takenElsewhere(before Alert, now time.Time) (Alert, Activity) {
	act := Activity{Verdict: Updated, Changes: changes(before, a)}
	if a.Status != StatusOpen {
		return a, act
	}
	by := a.Dialect
	a = a.take(by, by, now)
	act.Tell, act.Changes = TellAcknowledged, append(act.Changes, Change{What: "status", From: string(StatusOpen), To: "acknowledged by " + by})
	return a, act
}

// open makes the first version of an alert. One that is over before it began is
// recorded as closed, and nobody is told.
func open(d Detection, previous int64, now time.Time) (Alert, Activity) {
	a := Alert{
		Status: StatusOpen, Detection: d, Worst: d.Level, Events: 1, Paths: with(nil, d.Path),
		OpenedAt: now, HeardAt: now, ChangedAt: now, SaidAt: now, Previous: previous,
	}
	a.count(d)
	if d.Over {
		a.Status, a.ClosedAt, a.ClosedBy, a.CloseReason = StatusClosed, now, d.Dialect, overReason(d)
		return a, Activity{Verdict: Closed}
	}
	return a, Activity{Verdict: Opened, Tell: TellOpened}
}

// A StateError says that an alert is not in a state for what was asked of it.
type StateError struct {
	Alert Alert
	Doing string
}

func (e *StateError) Error() string {
	a := e.Alert
	switch {
	case e.Doing != "acknowledge" && a.Status != StatusClosed:
	case a.Status == StatusAcked:
		return fmt.Sprintf("alert %d: already acknowledged by %s at %s", a.ID, a.AckedBy, a.AckedAt.UTC().Format(time.RFC3339))
	case a.Status == StatusClosed:
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

// about is news of the alert whose detection was old: what it does not say itself
// stays as it was. An end or an acknowledgement says nothing of what happened.
func (d Detection) about(old Detection) Detection {
	merged := old
	merged.Intent, merged.Over, merged.OverReason, merged.Path, merged.UpdatedAt = d.Intent, d.Over, d.OverReason, d.Path, d.UpdatedAt
	if !d.LastSeen.IsZero() {
		merged.LastSeen = d.LastSeen
	}
	if d.Intent != IntentUpdate {
		return merged
	}
	if d.Level != Unknown {
		merged.Level, merged.Severity = d.Level, d.Severity
	}
	for _, f := range []struct{ into, from *string }{
		{&merged.Title, &d.Title},
		{&merged.Headline, &d.Headline},
		{&merged.Description, &d.Description},
		{&merged.Resource.ID, &d.Resource.ID},
		{&merged.Actor.IP, &d.Actor.IP},
		{&merged.Actor.Domain, &d.Actor.Domain},
		{&merged.Actor.Principal, &d.Actor.Principal},
	} {
		if *f.from != "" {
			*f.into = *f.from
		}
	}
	if len(d.Facts) > 0 {
		merged.Facts = d.Facts
	}
	return merged
}

// reopens says whether news opens the closed alert itself again.
func (a Alert) reopens(now time.Time) bool {
	t := a.terms()
	window := t.Reopen
	switch a.CloseReason {
	case ReasonFalsePositive, ReasonAcceptedRisk:
		return false
	case ReasonFixed, ReasonExpected, ReasonDuplicate, ReasonOther:
		window = t.ReopenAfterPerson
	case ReasonArchived, ReasonRecovered, ReasonQuiet, ReasonStale, ReasonAccountLeft:
	}
	return window > 0 && now.Sub(a.ClosedAt) <= window
}

// End has d end what it is about: it closes the alert that is there, and opens none.
func (d *Detection) End(why Reason) {
	d.Intent, d.Over, d.OverReason = IntentClose, true, string(why)
}

// newerThan orders versions. Those without a time are taken in the order in which they
// arrive.
func (d Detection) newerThan(old Detection) bool {
	if d.UpdatedAt.IsZero() || old.UpdatedAt.IsZero() {
		return true
	}
	return d.version().compare(old.version()) > 0
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
