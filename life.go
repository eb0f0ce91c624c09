package tocsin

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Terms are what an alert's life goes by. The zero value of a field switches it
// off; [DefaultTerms] are those of an alert without any.
type Terms struct {
	// Reopen is how long after its source closed it an alert may open again as
	// itself, ReopenAfterPerson how long after a person did. Later, a new one opens.
	Reopen            time.Duration `json:"reopen,omitempty"`
	ReopenAfterPerson time.Duration `json:"reopen_after_person,omitempty"`
	// AckTimeout is how long an acknowledgement holds.
	AckTimeout time.Duration `json:"ack_timeout,omitempty"`
	// Stale closes what had no occurrence for so long.
	Stale time.Duration `json:"stale,omitempty"`
	// Quiet closes what was not heard of for so long: several of the detector's
	// publishing periods.
	Quiet time.Duration `json:"quiet,omitempty"`
	// Updates is the least time between two messages that tell what is new; 0
	// tells of nothing but what calls for people.
	Updates time.Duration `json:"updates,omitempty"`
	// MarkOver only notes that the source regards it as over, for those whose
	// archive is not a fix.
	MarkOver bool `json:"mark_over,omitempty"`
	// AtLeast and AtMost bound the level and Title replaces the title, whatever
	// later versions of the finding say: a route decided so.
	AtLeast Level  `json:"at_least,omitempty"`
	AtMost  Level  `json:"at_most,omitempty"`
	Title   string `json:"title,omitempty"`
}

// bound is the detection as the alert has it.
func (t *Terms) bound(d Detection) Detection {
	if t == nil {
		return d
	}
	d.Level = max(d.Level, t.AtLeast)
	if t.AtMost != Unknown {
		d.Level = min(d.Level, t.AtMost)
	}
	if t.Title != "" {
		d.Title = t.Title
	}
	return d
}

// As is the alert as a route has people told of it: at that level, if it is known,
// and by that title, if there is one; what it says no more is the finding's again.
// At another level the alert begins anew to know its worst.
func (a Alert) As(level Level, title string) Alert {
	own, before := a.Own(), a.Level
	a = own
	if level != Unknown {
		a.Level = level
	}
	if title != "" {
		a.Title = title
	}
	if a.Level != before {
		a.Worst = a.Level
	}
	a.keepOwn(own.Detection)
	return a
}

// Own is the alert with the level and the title that the finding has, whatever
// routes say. Routes are asked about that one: what they made of the alert does not
// change what they make of it later.
func (a Alert) Own() Alert {
	if a.OwnLevel != Unknown || a.OwnUnknown {
		a.Level = a.OwnLevel
	}
	if a.OwnTitle != "" {
		a.Title = a.OwnTitle
	}
	a.OwnLevel, a.OwnUnknown, a.OwnTitle = Unknown, false, ""
	return a
}

// keepOwn keeps what the finding has and the alert says otherwise. Findings have
// titles.
func (a *Alert) keepOwn(d Detection) {
	a.OwnLevel, a.OwnUnknown, a.OwnTitle = Unknown, false, ""
	if d.Level != a.Level {
		a.OwnLevel, a.OwnUnknown = d.Level, d.Level == Unknown
	}
	if d.Title != a.Title {
		a.OwnTitle = d.Title
	}
}

// DefaultTerms are ten minutes to reopen, and an end after 14 days of silence.
func DefaultTerms() Terms { return Terms{Reopen: 10 * time.Minute, Stale: 14 * 24 * time.Hour} }

// LongestSnooze bounds a snooze.
const LongestSnooze = 7 * 24 * time.Hour

func (a Alert) terms() Terms {
	if a.Terms == nil {
		return DefaultTerms()
	}
	return *a.Terms
}

// Snoozed reports whether nobody is to be told of the alert at the moment.
func (a Alert) Snoozed(now time.Time) bool { return a.SnoozedUntil.After(now) }

// Episode counts how often it opened; the first is 1.
func (a Alert) Episode() int { return a.Reopened + 1 }

// EpisodeStart is when the present episode began.
func (a Alert) EpisodeStart() time.Time {
	if a.ReopenedAt.IsZero() {
		return a.OpenedAt
	}
	return a.ReopenedAt
}

// Acknowledge says that by has taken the alert on. The first acknowledgement
// stands; a later one is an error that names the first.
func (a Alert) Acknowledge(by string, now time.Time) (Alert, error) {
	if a.Status != StatusOpen {
		return a, &StateError{Alert: a, Doing: "acknowledge"}
	}
	return a.take(by, by, Millis(now)), nil
}

// Assign gives the alert to somebody, who has it then.
func (a Alert) Assign(by, to string, now time.Time) (Alert, error) {
	if a.Status == StatusClosed {
		return a, &StateError{Alert: a, Doing: "assign"}
	}
	if to == "" {
		return a, errors.New("assigning needs a person")
	}
	return a.take(by, to, Millis(now)), nil
}

// take has by acknowledge for to.
func (a Alert) take(by, to string, now time.Time) Alert {
	a = a.awake()
	a.Status, a.Assignee, a.ChangedAt = StatusAcked, to, now
	a.AckedBy, a.AckedAt = by, now
	if a.FirstAckAt.IsZero() {
		a.FirstAckAt = now
	}
	if t := a.terms().AckTimeout; t > 0 {
		a.AckExpires = now.Add(t)
	}
	return a
}

// Unacknowledge gives the alert back: people are told from the beginning.
func (a Alert) Unacknowledge(_ string, now time.Time) (Alert, error) {
	if a.Status != StatusAcked {
		return a, &StateError{Alert: a, Doing: "give back"}
	}
	a = a.awake()
	a.ChangedAt = Millis(now)
	return a, nil
}

// Snooze has nobody told until then. An acknowledgement stays, but at the end the
// alert is open.
func (a Alert) Snooze(by string, until, now time.Time) (Alert, error) {
	now, until = Millis(now), Millis(until)
	switch {
	case a.Status == StatusClosed:
		return a, &StateError{Alert: a, Doing: "snooze"}
	case !until.After(now):
		return a, fmt.Errorf("snooze until %s: that is over already", until.Format(time.RFC3339))
	case until.Sub(now) > LongestSnooze:
		return a, fmt.Errorf("snooze until %s: 7 days is the longest; a silence may last longer", until.Format(time.RFC3339))
	}
	a.SnoozedUntil, a.SnoozedBy, a.ChangedAt = until, by, now
	a.AckExpires = time.Time{} // the snooze's end opens it
	if !a.SayAt.IsZero() && a.SayAt.Before(until) {
		a.SayAt = until
	}
	return a, nil
}

// Hand gives the alert to a team: it is open, and its people are told from the
// beginning.
func (a Alert) Hand(team string, now time.Time) (Alert, error) {
	if a.Status == StatusClosed {
		return a, &StateError{Alert: a, Doing: "hand over"}
	}
	a = a.awake()
	a.Team, a.ChangedAt = team, Millis(now)
	return a, nil
}

// Close ends the alert because by says so.
func (a Alert) Close(by string, reason Reason, now time.Time) (Alert, error) {
	if reason == "" {
		return a, errors.New("closing needs a reason")
	}
	if a.Status == StatusClosed {
		return a, &StateError{Alert: a, Doing: "close"}
	}
	now = Millis(now)
	a = a.end(by, reason, now)
	a.ChangedAt = now
	return a, nil
}

// end closes it, and nothing is waited for any more.
func (a Alert) end(by string, reason Reason, now time.Time) Alert {
	a.Status, a.ClosedAt, a.ClosedBy, a.CloseReason = StatusClosed, now, by, reason
	a.SnoozedUntil, a.SnoozedBy, a.AckExpires = time.Time{}, "", time.Time{}
	a.Unsaid, a.SayAt, a.Held = nil, time.Time{}, nil
	a.stop()
	return a
}

// begin opens it again as itself: the next episode.
func (a Alert) begin(now time.Time) Alert {
	a = a.awake()
	a.ClosedAt, a.ClosedBy, a.CloseReason = time.Time{}, "", ""
	a.Assignee, a.FirstAckAt = "", time.Time{}
	a.Escalation, a.Held = nil, nil
	a.Reopened++
	a.ReopenedAt = now
	return a.said(now)
}

// awake is the alert open, taken by nobody and not snoozed.
func (a Alert) awake() Alert {
	a.Status, a.AckedAt, a.AckedBy, a.AckExpires = StatusOpen, time.Time{}, "", time.Time{}
	a.Assignee = ""
	a.SnoozedUntil, a.SnoozedBy = time.Time{}, ""
	return a
}

// stop has the escalation wait for nothing.
func (a *Alert) stop() {
	if a.Escalation == nil {
		return
	}
	e := *a.Escalation
	e.At = time.Time{}
	a.Escalation = &e
}

// said is the alert once its state was told.
func (a Alert) said(now time.Time) Alert {
	a.SaidAt, a.Unsaid, a.SayAt = now, nil, time.Time{}
	return a
}

// say has what is new told once its time has come, if it is worth a message.
func (a Alert) say(cs []Change, now time.Time) Alert {
	t := a.terms()
	if t.Updates == 0 || a.Held != nil {
		return a
	}
	a.Unsaid = merge(a.Unsaid, cs)
	if !a.SayAt.IsZero() || !slices.ContainsFunc(a.Unsaid, Change.material) {
		return a
	}
	a.SayAt = a.SaidAt.Add(t.Updates)
	if a.SayAt.Before(now) {
		a.SayAt = now
	}
	if a.SnoozedUntil.After(a.SayAt) {
		a.SayAt = a.SnoozedUntil
	}
	return a
}

// merge takes later changes into earlier ones, so that each says what is
// different from the first to the last. What changed back is left out.
func merge(earlier, later []Change) []Change {
	merged := slices.Clone(earlier)
	for _, c := range later {
		i := slices.IndexFunc(merged, func(m Change) bool { return m.What == c.What && m.What != "path" })
		if i < 0 {
			merged = append(merged, c)
			continue
		}
		merged[i].To = c.To
	}
	return slices.DeleteFunc(merged, func(c Change) bool { return c.From == c.To })
}

// material reports whether a person would want to know: somebody or something
// new, or ten times as often. A lower severity is told with the rest.
func (c Change) material() bool {
	switch c.What {
	case "remote IP", "domain", "principal", "resource", "over":
		return true
	case "count":
		from, _ := strconv.ParseInt(c.From, 10, 64)
		to, _ := strconv.ParseInt(c.To, 10, 64)
		return to >= 10 && to >= 10*from
	}
	return false
}

// Due is when the clock must look at the alert again: zero if never. Nothing
// happens to it by itself before.
func (a Alert) Due() time.Time {
	if a.Status == StatusClosed {
		return time.Time{}
	}
	var due time.Time
	for _, t := range []time.Time{a.closesAt(), a.heldUntil(), a.SnoozedUntil, a.AckExpires, a.SayAt, a.fires()} {
		if !t.IsZero() && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	return due
}

func (a Alert) heldUntil() time.Time {
	if a.Held == nil {
		return time.Time{}
	}
	return a.Held.Until
}

// fires is when the escalation goes on. A snoozed or held alert waits.
func (a Alert) fires() time.Time {
	if a.Escalation == nil || a.Held != nil || !a.SnoozedUntil.IsZero() {
		return time.Time{}
	}
	return a.Escalation.At
}

// closesAt is when silence has lasted long enough to be the end, on the hour: so
// that an event does not move what the clock waits for.
func (a Alert) closesAt() time.Time {
	t := a.terms()
	wait := t.Stale
	if t.Quiet > 0 && (wait == 0 || t.Quiet < wait) {
		wait = t.Quiet
	}
	if wait == 0 {
		return time.Time{}
	}
	at := a.heard().Add(wait)
	if hour := at.Truncate(time.Hour); hour.Before(at) {
		at = hour.Add(time.Hour)
	}
	return at
}

// heard is when an event was folded in last. Alerts from before that was kept say
// when anything changed.
func (a Alert) heard() time.Time {
	if a.HeardAt.IsZero() {
		return a.ChangedAt
	}
	return a.HeardAt
}

// A Turn is one thing that happened to an alert because time went by.
type Turn struct {
	// Kind and Text are its line of the timeline.
	Kind, Text string
	// Tell is what people are to be told, or empty.
	Tell Kind
	// Restart says that whoever is on call is told from the beginning.
	Restart bool
	Changes []Change
}

// Tick lets it be now: what was to happen by then happens, in the order in which
// a person would expect it. The escalation itself is package escalation's; it is
// due when [Alert.Fires] says so afterwards.
func (a Alert) Tick(now time.Time) (Alert, []Turn) {
	now = Millis(now)
	var turns []Turn
	add := func(t Turn) {
		a.ChangedAt = now
		turns = append(turns, t)
	}
	if a.Status == StatusClosed {
		return a, nil
	}
	if at := a.closesAt(); past(at, now) {
		reason, text := ReasonStale, "no occurrence since "+a.heard().Format(time.RFC3339)
		if t := a.terms(); t.Quiet > 0 && (t.Stale == 0 || t.Quiet < t.Stale) {
			reason = ReasonQuiet
		}
		a = a.end("tocsin", reason, now)
		add(Turn{Kind: "closed", Text: string(reason) + ": " + text, Tell: TellClosed})
		return a, turns
	}
	if past(a.heldUntil(), now) && a.Snoozed(now) {
		h := *a.Held
		h.Until = a.SnoozedUntil
		a.Held = &h
	}
	if past(a.heldUntil(), now) {
		h := *a.Held
		a.Held = nil
		t := Turn{Kind: "released", Text: h.By + " is over"}
		if h.Tell && a.Status == StatusOpen {
			t.Tell, t.Restart = TellOpened, true
			a = a.said(now)
		}
		add(t)
	}
	switch {
	case past(a.SnoozedUntil, now):
		by := a.SnoozedBy
		a = a.awake()
		add(Turn{Kind: "awake", Text: "the snooze by " + by + " is over", Tell: TellChanged, Restart: true, Changes: []Change{{What: "status", From: "snoozed", To: "open"}}})
	case past(a.AckExpires, now):
		by, at := a.AckedBy, a.AckedAt
		a = a.awake()
		add(Turn{
			Kind: "unacknowledged", Text: "the acknowledgement by " + by + " of " + at.Format(time.RFC3339) + " has run out",
			Tell: TellChanged, Restart: true, Changes: []Change{{What: "status", From: "acknowledged by " + by, To: "open"}},
		})
	}
	if past(a.SayAt, now) {
		cs := a.Unsaid
		a = a.said(now)
		add(Turn{Tell: TellUpdated, Changes: cs})
	}
	return a, turns
}

// Fires reports whether the escalation is due.
func (a Alert) Fires(now time.Time) bool { return a.Status != StatusClosed && past(a.fires(), now) }

func past(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }
