package canary

import (
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// settle is how long after it is due a canary is missed first. Canaries of one time
// are sent one after the other: those that are missed together are told of together.
const settle = 15 * time.Second

// maxOut is how many canaries of a place that are out are kept in mind. Of more the
// first is, and the last ones.
const maxOut = 64

// A trail is what is known of the canaries of a place.
type trail struct {
	// arrived is, of those that arrived, the one that was sent last.
	arrived tocsin.Canary
	// out are those that were sent since and have not arrived, by when they were sent.
	out []tocsin.Canary
	// refused is the first that could not be sent after the last that could, tries how
	// many could not since, and why says of the last why.
	refused tocsin.Canary
	last    time.Time
	tries   int
	why     string
}

// take takes note of how a canary stands.
func (t *trail) take(c tocsin.Canary) {
	switch {
	case !c.ArrivedAt.IsZero():
		if c.SentAt.After(t.arrived.SentAt) {
			t.arrived = c
		}
		t.out = slices.DeleteFunc(t.out, func(o tocsin.Canary) bool { return !o.SentAt.After(t.arrived.SentAt) || o.ID == c.ID })
		t.sent(c)
	case c.Error != "":
		t.out = slices.DeleteFunc(t.out, func(o tocsin.Canary) bool { return o.ID == c.ID })
		if t.tries == 0 {
			t.refused = c
		}
		if c.SentAt.After(t.last) {
			t.last, t.why = c.SentAt, c.Error
			t.tries++
		}
	case c.SentAt.After(t.arrived.SentAt) && !slices.ContainsFunc(t.out, func(o tocsin.Canary) bool { return o.ID == c.ID }):
		t.out = append(t.out, c)
		slices.SortFunc(t.out, func(a, b tocsin.Canary) int { return a.SentAt.Compare(b.SentAt) })
		if len(t.out) > maxOut {
			t.out = slices.Delete(t.out, 1, 2)
		}
		t.sent(c)
	}
}

// sent takes note that one could be sent.
func (t *trail) sent(c tocsin.Canary) {
	if t.tries > 0 && c.SentAt.After(t.last) {
		t.refused, t.tries, t.why = tocsin.Canary{}, 0, ""
	}
}

// missing is the first canary that should have arrived and did not, where none that
// was sent after it did.
func (t *trail) missing(now time.Time) (tocsin.Canary, bool) {
	for _, c := range t.out {
		if !c.Due.Add(settle).After(now) {
			return c, true
		}
	}
	return tocsin.Canary{}, false
}

// A health is how a place stands as far as it is known.
type health int

// The healths. One that is unsure changes nothing.
const (
	unsure health = iota
	well
	ill
)

// calmest is how long after one that arrived late nothing has to be missing.
const calmest = time.Hour

// heard says whether canaries arrive. One that arrives late shows that the way is
// open, and not that it keeps pace: until one arrives in time, or none has been missing
// for as long as another one takes, an alert of it stays.
func (t *trail) heard(now time.Time, every time.Duration) health {
	if _, ok := t.missing(now); ok {
		return ill
	}
	switch {
	case t.arrived.ArrivedAt.IsZero():
		return unsure
	case !t.arrived.ArrivedAt.After(t.arrived.Due), now.Sub(t.arrived.ArrivedAt) >= min(every, calmest):
		return well
	}
	return unsure
}

// sendable says whether canaries can be sent. One failure is not enough to tell of,
// nor is what is over soon.
func (t *trail) sendable(now time.Time, within time.Duration) health {
	switch {
	case t.tries == 0 && t.arrived.SentAt.IsZero() && len(t.out) == 0:
		return unsure
	case t.tries == 0:
		return well
	case t.tries > 1 && now.Sub(t.refused.SentAt) >= within:
		return ill
	}
	return unsure
}
