package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

const (
	// alarmsKey is where the alarms are kept.
	alarmsKey = "alarms"
	// stall is after how long without a look nothing is known of what arrived
	// meanwhile: the machine slept, the database was away, or this is the beginning.
	stall = time.Minute
	// quiet is how long after an alarm was told of a change of it is, at least.
	quiet = 5 * time.Minute
	// maxSome is how many places a notice names.
	maxSome = 10
)

// A watcher tells of what does not arrive.
type watcher struct {
	*source
	sink   collect.Sink
	looked time.Time // when it last could look
	from   time.Time // until when nothing begins
}

// turn looks once.
func (w *watcher) turn(ctx context.Context) {
	if err := w.look(ctx); err != nil {
		w.pull.Failed(ctx, "watching", err)
		return
	}
	w.pull.Worked(ctx, "watching")
}

func (w *watcher) look(ctx context.Context) error {
	latest, err := w.env.Canaries.Latest(ctx)
	if err != nil {
		return err
	}
	alarms, err := w.alarms(ctx)
	if err != nil {
		return err
	}
	now := w.env.Now().UTC().Add(-after).Truncate(tick)
	if now.Sub(w.looked) > stall {
		w.from = now.Add(w.Within)
	}
	w.looked = now
	all := w.standings(latest, now)
	again, hold := max(w.Every, quiet), now.Before(w.from)
	rulings := []ruling{
		judge(silent, alarms, all.heard, now, again, hold),
		judge(unsent, alarms, all.sendable, now, again, hold),
	}
	var events []tocsin.Event
	var kept []alarm
	for _, r := range rulings {
		kept = append(kept, r.now...)
		events = append(events, w.tell(ctx, r, all, now)...)
	}
	if len(events) == 0 {
		return nil
	}
	// They are kept as told only once they are; until then each look tells of them
	// again, and the journal knows them again.
	if _, err := w.sink(ctx, events...); err != nil {
		return err
	}
	text, err := json.Marshal(kept)
	if err != nil { // texts, numbers and times have a form in JSON
		return err
	}
	return w.env.State.Save(ctx, alarmsKey, text)
}

func (w *watcher) alarms(ctx context.Context) (all []alarm, err error) {
	text, err := w.env.State.Load(ctx, alarmsKey)
	if err != nil || text == nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", alarmsKey, err)
	}
	return all, nil
}

// standings are how all places stand, in both respects.
type standings struct {
	heard, sendable []standing
	trails          map[tocsin.Place]trail
}

// standings takes note of the newest canaries and says how the places stand.
func (w *watcher) standings(latest []tocsin.Canary, now time.Time) standings {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range latest {
		if !slices.Contains(w.Regions, c.Region) || (c.Sample != "") != (w.Mode == modeSample) {
			continue
		}
		t := w.trails[c.Place]
		if t == nil {
			t = &trail{}
			w.trails[c.Place] = t
		}
		t.take(c)
	}
	all := standings{trails: make(map[tocsin.Place]trail, len(w.places))}
	for _, p := range w.places {
		t := w.trails[p]
		if t == nil {
			t = &trail{}
		}
		all.trails[p] = *t
		missing, _ := t.missing(now)
		all.heard = append(all.heard, standing{p, t.heard(now, w.Every), missing.SentAt})
		all.sendable = append(all.sendable, standing{p, t.sendable(now, w.Within), t.refused.SentAt})
	}
	return all
}

// A notice is an event of this source: that something began, changed or ended.
type notice struct {
	Trouble trouble      `json:"canary"`
	Phase   phase        `json:"phase,omitempty"`
	At      time.Time    `json:"at"`
	Level   tocsin.Level `json:"level,omitempty"`
	scope
	Name   string `json:"name,omitempty"` // the account's
	Sample string `json:"sample,omitempty"`
	Bus    string `json:"event_bus,omitempty"`
	Every  string `json:"every,omitempty"`
	Within string `json:"within,omitempty"`
	// Places of Of are concerned, and Some are their names.
	Places int      `json:"places,omitempty"`
	Of     int      `json:"of,omitempty"`
	Some   []string `json:"some,omitempty"`
	// Silent is for how long none has arrived, Sent when the first that is missing was
	// sent; Arrived is when the last arrived, by Path; each of all places that are
	// concerned.
	Silent  string    `json:"silent,omitempty"`
	Sent    time.Time `json:"sent,omitzero"`
	Arrived time.Time `json:"arrived,omitzero"`
	Path    string    `json:"path,omitempty"`
	// Why says why none can be sent.
	Why string `json:"why,omitempty"`
}

// A phase is where a trouble is.
type phase string

// The phases; at first it is "".
const (
	began phase = ""
	goes  phase = "still" // as many places as it says now
	ended phase = "over"
)

// tell makes the events of a ruling.
func (w *watcher) tell(ctx context.Context, r ruling, all standings, now time.Time) (events []tocsin.Event) {
	if len(r.begun)+len(r.changed)+len(r.ended) == 0 {
		return nil
	}
	names := w.fleet.names(ctx)
	for _, a := range r.begun {
		events = append(events, w.event(w.notice(a, began, r.now, all, names, now), a, ""))
	}
	for _, a := range r.changed {
		events = append(events, w.event(w.notice(a, goes, r.now, all, names, now), a, "/"+strconv.FormatInt(a.ToldAt.Unix(), 10)))
	}
	for _, a := range r.ended {
		events = append(events, w.event(notice{Trouble: a.Trouble, Phase: ended, At: now, scope: a.scope}, a, ""))
	}
	return events
}

// event is the notice as an event, which has the same envelope whichever replica
// makes it.
func (w *watcher) event(n notice, a alarm, turn string) tocsin.Event {
	raw, err := json.Marshal(n)
	if err != nil { // texts, numbers and times have a form in JSON
		raw = []byte("{}")
	}
	envelope := strings.Join([]string{string(n.Trouble), string(n.Phase), a.Account, a.Region, strconv.FormatInt(a.Since.Unix(), 10)}, "/") + turn
	return tocsin.Event{Source: w.env.Name, Via: via, ReceivedAt: w.env.Now(), Raw: raw, Envelope: envelope}
}

// notice says what the alarm is about. going are all alarms that go on: a place is
// only of the narrowest.
func (w *watcher) notice(a alarm, p phase, going []alarm, all standings, names map[string]string, now time.Time) notice {
	n := notice{
		Trouble: a.Trouble, Phase: p, At: now, Level: w.Level, scope: a.scope, Every: span(w.Every), Within: span(w.Within), Sent: a.Since,
	}
	if a.Account != "" {
		n.Name = names[a.Account]
	}
	stands := all.heard
	if a.Trouble == unsent {
		stands, n.Level = all.sendable, min(w.Level, tocsin.Medium)
	}
	if n.Bus = w.EventBus; w.Mode == modeSample {
		n.Sample, n.Bus = w.Type, ""
	}
	quietFrom := time.Time{} // when one of its places was heard last
	for _, s := range stands {
		if !a.has(s.Place) {
			continue
		}
		n.Of++
		if s.health == well || ofAnother(a, going, s.Place) {
			continue
		}
		n.Places++
		if n.Places <= maxSome {
			n.Some = append(n.Some, label(s.Place, names[s.Account]))
		}
		t := all.trails[s.Place]
		if t.arrived.ArrivedAt.After(n.Arrived) {
			n.Arrived, n.Path = t.arrived.ArrivedAt, t.arrived.Path
		}
		if n.Why == "" && a.Trouble == unsent {
			n.Why = t.why
		}
		if from := s.since; from.After(quietFrom) && t.arrived.ArrivedAt.IsZero() {
			quietFrom = from
		}
	}
	if n.Arrived.After(quietFrom) {
		quietFrom = n.Arrived
	}
	if !quietFrom.IsZero() {
		n.Silent = span(now.Sub(quietFrom).Truncate(time.Minute))
	}
	return n
}

// ofAnother reports whether a place is told of by a narrower alarm.
func ofAnother(a alarm, going []alarm, p tocsin.Place) bool {
	return slices.ContainsFunc(going, func(b alarm) bool { return b.Trouble == a.Trouble && b.width() < a.width() && b.has(p) })
}

// label is a place as people call it.
func label(p tocsin.Place, name string) string {
	if name == "" {
		name = p.Account
	}
	return name + " " + p.Region
}

// some names the first few.
func some(names []string, n int) string {
	text := strings.Join(names[:min(len(names), maxSome)], ", ")
	if n > maxSome {
		text += " and " + strconv.Itoa(n-maxSome) + " more"
	}
	return text
}

// took is how long a canary took; clocks of two replicas may differ.
func took(c tocsin.Canary) time.Duration {
	return max(0, c.ArrivedAt.Sub(c.SentAt)).Round(100 * time.Millisecond)
}

// span is a duration as it is written in the configuration.
func span(d time.Duration) string {
	days := d / (24 * time.Hour)
	rest := d % (24 * time.Hour)
	var text string
	if days > 0 {
		text = strconv.Itoa(int(days)) + "d"
	}
	if rest > 0 || days == 0 {
		short := rest.String()
		if strings.HasSuffix(short, "m0s") {
			short = strings.TrimSuffix(short, "0s")
		}
		if strings.HasSuffix(short, "h0m") {
			short = strings.TrimSuffix(short, "0m")
		}
		text += short
	}
	return text
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
