package guarddutyapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// An errand is how far the findings of a place were fetched that are older than tocsin.
type errand struct {
	Detector string    `json:"detector"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"` // all that changed last before it was fetched
}

// Backfill puts through the findings that changed since from and that the journal does
// not have, the oldest first of each place, marked as fetched and not as recovered.
// What an earlier one fetched that was cut off, or the same days, is not fetched again.
// progress, which may be nil, is told how much time of all places is done, in
// milliseconds. The error says which places were left out; the others were fetched.
func (s *Source) Backfill(ctx context.Context, sink collect.Sink, from time.Time, progress collect.Progress) error {
	if oldest := s.env.Now().Add(-retention); from.Before(oldest) {
		from = oldest
	}
	places, err := s.whereto(ctx)
	if err != nil {
		return err
	}
	var (
		fetching sync.WaitGroup
		mu       sync.Mutex // guards what follows
		broken   []error
		done     int64
	)
	total := int64(len(places)) * s.env.Now().Sub(from).Milliseconds()
	told := func(ms int64) {
		mu.Lock()
		defer mu.Unlock()
		done += ms
		if progress != nil {
			progress(min(done, total), total)
		}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for _, p := range places {
		fetching.Go(func() {
			select {
			case s.open <- struct{}{}:
				defer func() { <-s.open }()
			case <-ctx.Done():
				return
			}
			err := p.backfill(ctx, sink, tocsin.Millis(from), told)
			if _, ours := errors.AsType[*ownError](err); ours {
				stop(err) // of no use to go on with the others
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil && context.Cause(ctx) == nil {
				broken = append(broken, fmt.Errorf("%s: %w", p.part(), err))
			}
		})
	}
	fetching.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if progress != nil {
		progress(total, total)
	}
	return errors.Join(broken...)
}

func (p *place) backfill(ctx context.Context, sink collect.Sink, from time.Time, told func(ms int64)) error {
	there, err := p.find(ctx)
	if err != nil || !there {
		return err
	}
	e, err := p.errand(ctx, from)
	if err != nil {
		return err
	}
	begin := from
	if e.Until.After(from) {
		begin = e.Until
	}
	told(begin.Sub(from).Milliseconds())
	last, absent := begin, 0
	err = p.span(ctx, begin, p.now().Add(-lag), reading{
		known: func(string, time.Time, time.Time) bool { return false },
		each: func(ctx context.Context, _ time.Time, found []finding, missing []string) error {
			absent += len(missing)
			return p.fill(ctx, sink, found)
		},
		upTo: func(ctx context.Context, b time.Time) error {
			told(b.Sub(last).Milliseconds())
			last, e.Until = b, b
			return p.saveErrand(ctx, e)
		},
	})
	if err == nil && absent > 0 {
		err = fmt.Errorf("GuardDuty lists %d findings that it does not give", absent)
	}
	return err
}

// fill puts through those that the journal does not have.
func (p *place) fill(ctx context.Context, sink collect.Sink, found []finding) error {
	keys := make([]tocsin.Key, len(found))
	for i, f := range found {
		keys[i] = f.key
	}
	held, err := p.held(ctx, keys)
	if err != nil {
		return err
	}
	var put []finding
	for _, f := range found {
		if held[f.key].Newest.Before(f.Updated) {
			put = append(put, f)
		}
	}
	return p.put(ctx, sink, tocsin.ViaBackfill, put)
}

func (p *place) errandKey() string { return "backfill/" + p.Account + "/" + p.Region }

// errand is what an earlier one left, if it has all from there on.
func (p *place) errand(ctx context.Context, from time.Time) (errand, error) {
	anew := errand{Detector: p.id, From: from}
	data, err := p.env.State.Load(ctx, p.errandKey())
	if err != nil {
		return anew, &ownError{fmt.Errorf("state: %w", err)}
	}
	var e errand
	if data == nil {
		return anew, nil
	}
	if err := json.Unmarshal(data, &e); err != nil {
		p.env.Log.WarnContext(ctx, "how far it was fetched cannot be read; it is fetched again", slog.String("source", p.env.Name), slog.String("account", p.Account), slog.String("region", p.Region), slog.Any("err", err))
		e = errand{}
	}
	if e.Detector != p.id || e.From.After(from) || e.Until.Before(from) {
		return anew, nil
	}
	return e, nil
}

func (p *place) saveErrand(ctx context.Context, e errand) error {
	data, err := json.Marshal(e)
	if err != nil {
		return &ownError{err}
	}
	if err := p.env.State.Save(ctx, p.errandKey(), data); err != nil {
		return &ownError{fmt.Errorf("state: %w", err)}
	}
	return nil
}
