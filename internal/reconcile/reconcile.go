// Package reconcile judges whether each finding that GuardDuty has arrived here as it
// should have: by event, by itself. What arrived is counted, what is not due is waited
// for, what GuardDuty archived by itself is told apart, and what should have come and
// did not is to be put through.
//
// It is pure. A [Watch] judges one [Finding] by what the journal has of it; a [Ledger]
// remembers what was judged, so that a window of time can be counted at any moment and
// nothing is counted twice:
//
//	received + pending + suppressed + recovered + unexplained = what GuardDuty has
//
// # When something is due
//
// GuardDuty sends a new finding at once, and what is new of an old one once in each
// publishing period of the detector
// (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html).
// It does not say when a period begins. So a new finding is due when it is as old as
// the grace, and an update when a whole period and the grace have passed since the
// oldest version that is known and did not come: by then it was sent, whenever the
// period began. Sooner could be wrong about a loss; the only price is that an update is
// missed for as long as a period.
package reconcile

import (
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Class is what became of a finding on its way here.
type Class string

// The classes. Each finding is in one.
const (
	// Received: it arrived by event, as new as GuardDuty has it.
	Received Class = "received"
	// Pending: it may still be on its way, or what is new of it is not due.
	Pending Class = "pending"
	// Suppressed: it is archived and was never sent, or no more: a filter does that.
	Suppressed Class = "suppressed"
	// Recovered: it should have arrived and did not. It was put through from here.
	Recovered Class = "recovered"
	// Unexplained: GuardDuty lists it and does not give it.
	Unexplained Class = "unexplained"
)

// A Finding is what GuardDuty says of one, as far as it matters here.
type Finding struct {
	Created time.Time // createdAt
	Updated time.Time // updatedAt
	// LastSeen is when it happened last, service.eventLastSeen; zero if it does not say.
	LastSeen time.Time
	Archived bool
	// Filters are the names of those that could have archived it.
	Filters []string
}

// A Watch is what findings of one detector are judged by.
type Watch struct {
	Now time.Time
	// Grace is how long an event may be on its way.
	Grace time.Duration
	// Frequency is the detector's publishing period.
	Frequency time.Duration
	// Since is when the watching began: of a finding that is older it is not known
	// whether anybody was there to receive it.
	Since time.Time
	// Gone and Listening are from when to when no event could come in; zero if there was
	// no such time, or it is long ago. What became due since then may wait in queues, and
	// has the grace to arrive.
	Gone, Listening time.Time
	// FiltersKnown says that all filters that archive are known, so that a finding that
	// none of them could have archived was archived by somebody.
	FiltersKnown bool
}

// A Judgement is what became of a finding.
type Judgement struct {
	Class Class
	// Put says that it is to be put through: the journal does not have this version,
	// and nothing is waited for that would bring it.
	Put bool
	// Waiting is the oldest version that is known and did not come, where one is waited
	// for, and Due until when.
	Waiting, Due time.Time
	// Filter is the one filter that could have archived it, or one of [SeveralFilters]
	// and [NoFilter]; only of what is suppressed.
	Filter string
}

// What stands for the filter where it is not known which. No filter's name has a blank
// in it.
const (
	SeveralFilters = "a filter"                             // more than one could be it, or they are not known
	NoFilter       = "by hand, or a filter that is no more" // none that is there could be it
)

// Judge says what became of the finding. held is what the journal has of it, and
// waiting the Waiting of the last judgement of it, if there was one.
//
// A version that was put through from here before is judged alike, but for Put: asking
// twice changes nothing.
func (w Watch) Judge(f Finding, held tocsin.Held, waiting time.Time) Judgement {
	fresh := held.Newest.Before(f.Updated) // for the journal
	switch came := !held.Pushed.IsZero(); {
	case came && !held.Pushed.Before(f.Updated):
		return Judgement{Class: Received}
	case came && f.Archived && !f.LastSeen.IsZero() && !f.LastSeen.After(held.Pushed):
		// Nothing happened since, but that somebody archived it, and that is not sent.
		return Judgement{Class: Received, Put: fresh}
	case (came || !f.Archived) && w.update(f, held):
		return w.judgeUpdate(f, held, waiting)
	}
	due := w.notBefore(f.Created.Add(w.Grace))
	if w.Now.Before(due) {
		return Judgement{Class: Pending, Due: due}
	}
	if f.Archived {
		return Judgement{Class: Suppressed, Put: fresh, Filter: w.filter(f)}
	}
	return Judgement{Class: Recovered, Put: fresh}
}

// update reports whether the version is news of a finding that is known here, or that
// is older than the watching.
func (w Watch) update(f Finding, held tocsin.Held) bool {
	switch {
	case !held.Pushed.IsZero():
		return true
	case !held.Newest.IsZero():
		return held.Newest.Before(f.Updated)
	}
	return f.Created.Before(w.Since) && f.Updated.After(f.Created.Add(w.Grace))
}

func (w Watch) judgeUpdate(f Finding, held tocsin.Held, waiting time.Time) Judgement {
	had := held.Pushed
	if held.Newest.Before(f.Updated) && held.Newest.After(had) {
		had = held.Newest // it was put through from here
	}
	if !waiting.After(had) || waiting.After(f.Updated) {
		waiting = f.Updated
	}
	due := w.notBefore(waiting.Add(w.Frequency + w.Grace))
	// That it is archived no event need tell, and nobody is disturbed by it.
	j := Judgement{Class: Pending, Waiting: waiting, Due: due, Put: f.Archived && held.Newest.Before(f.Updated)}
	if w.Now.Before(due) {
		return j
	}
	j.Class, j.Put = Recovered, held.Newest.Before(f.Updated)
	if f.Archived && (!w.FiltersKnown || len(f.Filters) > 0) {
		j.Class, j.Filter = Suppressed, w.filter(f)
	}
	return j
}

// notBefore is due, or once what waited in queues had its time.
func (w Watch) notBefore(due time.Time) time.Time {
	if w.Listening.IsZero() || !due.After(w.Gone) {
		return due
	}
	if at := w.Listening.Add(w.Grace); at.After(due) {
		return at
	}
	return due
}

func (w Watch) filter(f Finding) string {
	switch {
	case len(f.Filters) == 1 && w.FiltersKnown:
		return f.Filters[0]
	case len(f.Filters) == 0 && w.FiltersKnown:
		return NoFilter
	}
	return SeveralFilters
}
