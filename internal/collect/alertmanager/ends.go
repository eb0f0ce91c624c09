package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// ends are when the alerts that say nothing of it themselves are over.
//
// Each replica knows those that were sent to it, and they tell each other by the
// source's memory: there the latest end of an alert counts. An end is told as an
// event that is the same whoever tells it, so that it counts once.
type ends struct {
	env     collect.Env
	timeout time.Duration

	mu      sync.Mutex
	mine    map[string]end // by fingerprint; what was sent to this replica
	over    map[string]end // of those, what was said to be over since the last look
	skipped bool           // more than maxEnds, and it was logged
}

// An end is when an alert is over, and the alert as the event of that.
type end struct {
	At     time.Time         `json:"at"`
	Labels map[string]string `json:"labels"`
	Starts time.Time         `json:"starts,omitzero"`
}

const (
	// look is how often the replicas look whose time has come, and slack how long
	// they wait for each other to tell of an alert that was sent again.
	look  = 10 * time.Second
	slack = 3 * look
	// last is how long writing down what is known may take at the end.
	last = 2 * time.Second
	// maxEnds bounds what is kept. An alert beyond it stays open until it is said to
	// be over.
	maxEnds = 5000
	// endsKey is where the ends are kept.
	endsKey = "ends"
)

func newEnds(env collect.Env, timeout time.Duration) *ends {
	return &ends{env: env, timeout: timeout, mine: map[string]end{}, over: map[string]end{}}
}

// note takes down alerts that were kept.
func (e *ends) note(alerts []found, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range alerts {
		if f.wrong != "" || f.told {
			continue
		}
		id := fingerprint(f.alert.labels)
		one := end{At: now.Add(e.timeout), Labels: f.alert.labels, Starts: f.alert.starts}
		if !f.alert.ends.IsZero() {
			one.At = f.alert.ends
		}
		if one.At.Before(one.Starts) {
			one.At = one.Starts // it is of tomorrow
		}
		one.At = tocsin.Millis(one.At)
		if f.alert.resolved {
			e.over[id] = one
			delete(e.mine, id)
			continue
		}
		if _, known := e.mine[id]; !known && len(e.mine) >= maxEnds {
			if !e.skipped {
				e.env.Log.Warn("more alerts than are watched for their end; the rest stay open until they are said to be over",
					slog.String("source", e.env.Name), slog.Int("count", maxEnds))
			}
			e.skipped = true
			continue
		}
		e.mine[id] = one
		delete(e.over, id)
	}
}

// run looks every few seconds until ctx ends.
func (e *ends) run(ctx context.Context, hand collect.Sink) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := e.turn(ctx, hand); err != nil && ctx.Err() == nil {
			e.env.Log.WarnContext(ctx, "ends of alerts not told; trying again", slog.String("source", e.env.Name), slog.Any("err", err))
		}
	}
}

// turn tells of the alerts that are over, and keeps the rest.
func (e *ends) turn(ctx context.Context, hand collect.Sink) error {
	kept, err := e.load(ctx)
	if err != nil {
		return err
	}
	before := maps.Clone(kept)
	e.merge(kept)
	now := e.env.Now()
	var due []string
	for id, one := range kept {
		if !one.At.Add(slack).After(now) {
			due = append(due, id)
		}
	}
	slices.Sort(due)
	for _, id := range due {
		if _, err = hand(ctx, e.event(id, kept[id], now)); err != nil {
			break
		}
		delete(kept, id)
		e.mu.Lock()
		if one, ok := e.mine[id]; ok && !one.At.Add(slack).After(now) {
			delete(e.mine, id)
		}
		e.mu.Unlock()
	}
	return errors.Join(err, e.save(ctx, before, kept))
}

// keep writes down what this replica knows.
func (e *ends) keep(ctx context.Context) error {
	kept, err := e.load(ctx)
	if err != nil {
		return err
	}
	before := maps.Clone(kept)
	e.merge(kept)
	return e.save(ctx, before, kept)
}

func (e *ends) save(ctx context.Context, before, kept map[string]end) error {
	if maps.EqualFunc(before, kept, func(a, b end) bool { return a.At.Equal(b.At) }) {
		return nil
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return e.env.State.Save(ctx, endsKey, text)
}

func (e *ends) load(ctx context.Context) (map[string]end, error) {
	kept := map[string]end{}
	text, err := e.env.State.Load(ctx, endsKey)
	if err != nil || text == nil {
		return kept, err
	}
	return kept, json.Unmarshal(text, &kept)
}

// merge adds what this replica knows to what is kept.
func (e *ends) merge(kept map[string]end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, one := range e.over {
		if known, ok := kept[id]; ok && !known.Starts.After(one.At) {
			delete(kept, id)
		}
	}
	clear(e.over)
	for id, one := range e.mine {
		switch known, ok := kept[id]; {
		case !ok || one.At.After(known.At):
			kept[id] = one
		case known.At.After(one.At):
			delete(e.mine, id) // it was sent to another replica since
		}
	}
}

// event says that an alert is over.
func (e *ends) event(id string, one end, now time.Time) tocsin.Event {
	said := map[string]any{"status": "resolved", "labels": one.Labels, "endsAt": one.At.Format(time.RFC3339Nano)}
	if !one.Starts.IsZero() {
		said["startsAt"] = one.Starts.Format(time.RFC3339Nano)
	}
	raw, err := json.Marshal(said)
	if err != nil { // it is made of texts
		raw = []byte("{}")
	}
	return tocsin.Event{
		Source: e.env.Name, Via: via, ReceivedAt: now, Raw: raw,
		Envelope: "resolve/" + id + "/" + strconv.FormatInt(one.At.UnixMilli(), 10),
	}
}
