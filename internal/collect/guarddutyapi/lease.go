package guarddutyapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// A lease is which replica compares, or did last. It only saves work: two that compare
// at once find the same, and what both put through counts once.
type lease struct {
	Holder string `json:"holder"`
	// Until is when another one may take over; Began is when the last round that ended
	// well began, with these settings.
	Until time.Time `json:"until"`
	Began time.Time `json:"began,omitzero"`
	// Beat is when somebody held it last.
	Beat     time.Time `json:"beat,omitzero"`
	Settings string    `json:"settings,omitempty"`
}

const (
	leaseKey = "lease"
	// term is for how long a lease holds that is not kept up.
	term = 30 * time.Second
	// ahead is how far ahead another replica's clock may be.
	ahead = time.Minute
)

// claim takes the lease, or says how long to wait for it or for the next round.
func (s *Source) claim(ctx context.Context) (time.Duration, error) {
	now := s.env.Now()
	l, known, err := s.lease(ctx)
	if err != nil {
		return 0, err
	}
	if s.away.Load() == nil {
		gone := &absence{}
		if known { // what came meanwhile waits in queues, and is not lost
			gone = &absence{l.Beat, now}
		}
		s.away.Store(gone)
	}
	switch {
	case l.Holder != s.me && l.Until.After(now) && l.Until.Before(now.Add(term+ahead)):
		return l.Until.Sub(now) + time.Second, nil
	case l.Settings == s.settings() && !l.Began.After(now.Add(ahead)) && now.Before(l.Began.Add(s.Every)):
		return l.Began.Add(s.Every).Sub(now), nil
	}
	l.Holder, l.Until, l.Beat = s.me, now.Add(term), now
	if err := s.saveLease(ctx, l); err != nil {
		return 0, err
	}
	// Of two that took it at the same time the later one has it.
	l, _, err = s.lease(ctx)
	if err == nil && l.Holder != s.me {
		return l.Until.Sub(now) + time.Second, nil
	}
	return 0, err
}

// An absence is from when to when nobody was there whom an event could reach, by our
// clock; zero if it is the first time that somebody is.
type absence struct{ from, until time.Time }

// absence is the last one, by the clock of AWS.
func (s *Source) absence() (from, until time.Time) {
	a := s.away.Load()
	if a == nil || a.until.IsZero() {
		return time.Time{}, time.Time{}
	}
	skew := time.Duration(s.skew.Load())
	return a.from.Add(skew), a.until.Add(skew)
}

// settings are those that make another round of it.
func (s *Source) settings() string {
	return strings.Join(append(append([]string{s.role}, s.Accounts...), s.Regions...), " ")
}

func (s *Source) lease(ctx context.Context) (l lease, known bool, err error) {
	data, err := s.env.State.Load(ctx, leaseKey)
	if err != nil || data == nil {
		return lease{}, false, err
	}
	if err := json.Unmarshal(data, &l); err != nil {
		s.env.Log.WarnContext(ctx, "who compares cannot be read; it is taken anew", slog.String("source", s.env.Name), slog.Any("err", err))
		l = lease{}
	}
	return l, true, nil
}

func (s *Source) saveLease(ctx context.Context, l lease) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return s.env.State.Save(ctx, leaseKey, data)
}

// keep keeps the lease up until ctx ends.
func (s *Source) keep(ctx context.Context) {
	for collect.Sleep(ctx, term/3) {
		l, _, err := s.lease(ctx)
		if err != nil || l.Holder != s.me {
			continue // the round's own steps find out
		}
		l.Beat = s.env.Now()
		l.Until = l.Beat.Add(term)
		_ = s.saveLease(ctx, l) // as above
	}
}

// release lets the others have it, after a round.
func (s *Source) release(ctx context.Context, began time.Time) error {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
		began = time.Time{} // it was cut off: the next one is due
	}
	l, _, err := s.lease(ctx)
	if err != nil || l.Holder != s.me {
		return err
	}
	l.Beat = s.env.Now()
	l.Until = l.Beat
	if !began.IsZero() {
		l.Began, l.Settings = began, s.settings()
	}
	return s.saveLease(ctx, l)
}

// A summary is what the last round found, for the Status of all replicas.
type summary struct {
	At     time.Time             `json:"at"`
	Places int                   `json:"places"` // detectors that were compared
	Failed int                   `json:"failed"` // places that could not be
	Sum    tocsin.Reconciliation `json:"sum"`
}

const summaryKey = "summary"

// add takes in what a place's round came to; nil where it failed.
func (s *summary) add(counts *outcome) {
	switch {
	case counts == nil:
		s.Failed++
		return
	case !counts.compared:
		return
	}
	s.Places++
	for _, c := range counts.accounts {
		s.Sum = s.Sum.With(c)
	}
}

// conclude keeps what a round came to.
func (s *Source) conclude(ctx context.Context, sum summary) error {
	sum.At = s.env.Now().UTC()
	data, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	if err := s.env.State.Save(ctx, summaryKey, data); err != nil {
		return &ownError{err}
	}
	return nil
}

// errForm says that what is kept cannot be read.
var errForm = errors.New("what is kept cannot be read")

func (s *Source) summary(ctx context.Context) (sum summary, known bool, err error) {
	data, err := s.env.State.Load(ctx, summaryKey)
	if err != nil || data == nil {
		return sum, false, err
	}
	if json.Unmarshal(data, &sum) != nil {
		return sum, false, errForm
	}
	return sum, true, nil
}
