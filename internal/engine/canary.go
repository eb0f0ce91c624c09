package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/canary"
	"github.com/tocsin-sec/tocsin/internal/generic"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A canaryClaim is that an event is a canary of ours. Only the store knows which are out, so
// that it is settled in the transaction that journals the event.
type canaryClaim struct {
	id     string       // of an event that was put on a bus; else it is a sample finding
	at     tocsin.Place // where a sample finding is of
	sample string       // and its type
	copied bool         // another service told of the sample

	// What becomes of the event if it is none of ours.
	verdict tocsin.Verdict
	reason  string
}

// noCanary is why an event that says it is a canary is ignored.
const noCanary = "it says that it is a canary, and none of that id is out"

// readCanary reads an event that says that it is a canary.
func readCanary(r reading, id string) reading {
	r.describe(generic.Read(r.event.Raw).Detection("", nil))
	r.event.Level = tocsin.Unknown
	r.claim = &canaryClaim{id: id}
	return r.end(tocsin.Ignored, noCanary)
}

// claimSample has a sample finding claim to be one that tocsin asked for.
func (r *reading) claimSample(f guardduty.Finding) {
	if f.IsSample() {
		b := f.Brief()
		r.claim = &canaryClaim{at: tocsin.Place{Account: b.Account, Region: b.Region}, sample: b.Type}
	}
}

// watch settles the claims of a batch: what is a canary is noted as arrived, and is
// nothing else.
func (b *batch) watch(tx *store.Tx, fresh []*reading) error {
	for _, r := range fresh {
		c := r.claim
		if c == nil {
			continue
		}
		if r.watched { // by an attempt that was not kept
			r.watched, r.event.Verdict, r.event.Reason = false, c.verdict, c.reason
		}
		found, err := c.arrive(tx, r.event)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("canary: %w", err)
		}
		c.verdict, c.reason = r.event.Verdict, r.event.Reason
		r.watched, r.event.Verdict = true, tocsin.Watched
		r.event.Reason = arrival(found, r.event.ReceivedAt)
	}
	return nil
}

func (c *canaryClaim) arrive(tx *store.Tx, ev *tocsin.Event) (tocsin.Canary, error) {
	path := ev.Via + ":" + ev.Source
	switch {
	case c.sample != "" && (c.copied || !tocsin.Pushed(ev.Via)): // it went another way: that says nothing of this one
		return tx.SampleCanary(c.at, c.sample)
	case c.sample != "":
		return tx.ArriveSample(c.at, c.sample, path, ev.ReceivedAt)
	case !canary.IsID(c.id):
		return tocsin.Canary{}, store.ErrNotFound
	}
	return tx.ArriveCanary(c.id, path, ev.ReceivedAt)
}

// arrival says what is known of a canary that arrived.
func arrival(c tocsin.Canary, now time.Time) string {
	after := now.Sub(c.SentAt).Round(100 * time.Millisecond)
	switch {
	case c.ArrivedAt.IsZero():
		return fmt.Sprintf("a canary of %s, which has not arrived by itself", c.Source)
	case !c.ArrivedAt.Equal(now):
		return fmt.Sprintf("a canary of %s, which had arrived by %s before", c.Source, c.Path)
	}
	return fmt.Sprintf("a canary of %s, %v after it was sent", c.Source, max(after, 0))
}
