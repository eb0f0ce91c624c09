package engine

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// An Explanation is what would become of an event, and why.
type Explanation struct {
	At      time.Time      `json:"at"`
	Verdict tocsin.Verdict `json:"verdict"`
	Reason  string         `json:"reason,omitempty"`
	// Rule is the one that matched, or empty.
	Rule string `json:"rule,omitempty"`
	// Alert is the alert as it would be; nil where the event ends before.
	Alert *tocsin.Alert `json:"alert,omitempty"`
	// Live is the alert of the same key that is open already, or 0.
	Live int64 `json:"live,omitempty"`
	// Routes say whose it is.
	Routes *routing.Trace `json:"routes,omitempty"`
	// Held says what would hold it back.
	Held *tocsin.Hold `json:"held,omitempty"`
	// Expected is what the policy would do if nobody acknowledged it.
	Expected []escalation.Expected `json:"expected,omitempty"`
	// Told are the receivers and the people that would be told at once.
	Told []string `json:"told,omitempty"`
	// Steps are all of it in words, in order.
	Steps []string `json:"steps"`
}

// Explain says what would become of the event now, step by step, and does nothing.
func (e *Engine) Explain(ctx context.Context, raw []byte) (Explanation, error) {
	return e.ExplainAt(ctx, "", raw, e.now())
}

// ExplainFrom says it of an event of that source, whose own map reads it.
func (e *Engine) ExplainFrom(ctx context.Context, source string, raw []byte) (Explanation, error) {
	return e.ExplainAt(ctx, source, raw, e.now())
}

// ExplainAt says what would become of an event of that source, which may be empty,
// at that moment.
func (e *Engine) ExplainAt(ctx context.Context, source string, raw []byte, at time.Time) (x Explanation, err error) {
	if err := e.refresh(ctx); err != nil {
		return x, err
	}
	w := e.world()
	now := tocsin.Millis(at)
	x.At = now
	ev := tocsin.Event{Raw: raw, Source: cmp.Or(source, "explain"), Via: "explain", ReceivedAt: now}
	r := w.plan.read(&ev)
	x.Verdict, x.Reason, x.Rule = ev.Verdict, ev.Reason, ev.Rule
	x.step("event", "%d bytes, type %q, account %s, region %s", len(raw), ev.Type, w.plan.Routes.Account(ev.Account).Label(), ev.Region)
	for _, f := range r.steps {
		x.step(f.Name, "%s", f.Value)
	}
	if ev.Verdict != "" {
		x.step("rule", "%s: %s", orNone(ev.Rule), ev.Reason)
		x.step("verdict", "%s", ev.Verdict)
		return x, nil
	}
	if ev.Rule == "" {
		x.step("rule", "none is needed: source %s says what its events are; a detection, %s", source, r.detection.Level)
	} else {
		x.step("rule", "%s matched: it is a detection, %s", ev.Rule, r.detection.Level)
	}
	if len(r.more) > 0 {
		x.step("several", "it tells of %d things, of which each is folded; what follows is of the first", 1+len(r.more))
	}
	err = e.store.View(ctx, func(tx *store.Tx) error { return e.explain(tx, w, r, now, &x) })
	return x, err
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return "rule " + s
}

func (x *Explanation) step(what, format string, args ...any) {
	x.Steps = append(x.Steps, what+": "+fmt.Sprintf(format, args...))
}

// explain goes the way that accept goes, on what is there, and keeps nothing.
func (e *Engine) explain(tx *store.Tx, w *world, r reading, now time.Time, x *Explanation) error {
	latest, err := tx.Latest([]tocsin.Key{r.detection.Key})
	if err != nil {
		return err
	}
	before := latest[r.detection.Key]
	a, act := before.Fold(r.detection, now)
	x.Verdict = act.Verdict
	x.step("key", "%s", r.detection.Key)
	if act.Verdict == tocsin.Ignored {
		x.Reason = nothingOpen
		x.step("verdict", "%s: %s", act.Verdict, nothingOpen)
		return nil
	}
	if before.ID != 0 && before.Status != tocsin.StatusClosed {
		x.Live = before.ID
		x.step("fold", "alert %d of that key is %s: the event is %s", before.ID, before.Status, act.Verdict)
		// Who is told of a new one is still worth knowing.
		a, act = tocsin.Alert{}.Fold(r.detection, now)
	} else {
		x.step("fold", "no alert of that key is open: a new one opens")
	}
	x.Alert = &a
	trace := w.plan.Routes.Explain(a.Own())
	x.Routes = &trace
	x.Steps = append(x.Steps, strings.Split(strings.TrimRight(trace.String(), "\n"), "\n")...)
	if act.Tell != tocsin.TellOpened {
		x.step("verdict", "%s: nobody is told", act.Verdict)
		return nil
	}
	ex := &exchange{world: w, e: &Engine{}, tx: tx, now: now, alert: a}
	o, err := ex.place(true)
	if err != nil {
		return err
	}
	*x.Alert, x.Held = ex.alert, ex.alert.Held
	if o.verdict != "" && x.Live == 0 {
		x.Verdict, x.Reason = o.verdict, o.reason
	}
	if x.Held != nil {
		x.step("held back", "%s", heldText(*x.Held, o.reason))
	}
	if x.Held != nil && x.Held.By != FirstWindow { // which is over in a moment
		x.step("verdict", "%s", x.Verdict)
		return nil
	}
	for _, t := range o.Targets {
		x.Told = append(x.Told, t.Receiver)
		x.step("told", "receiver %s, by %s", t.Receiver, t.Why)
	}
	for _, s := range o.Shadows {
		x.step("shadow", "%s would have told %s", s.Route, strings.Join(append(s.Receivers, s.Policy), " "))
	}
	if p, ok := w.plan.Policies[o.Policy]; ok {
		x.Expected = escalation.Preview(p, x.Alert.Level, still{w}, now.Add(o.FirstWindow))
		for _, one := range x.Expected {
			if one.After == 0 {
				x.Told = append(x.Told, one.People...)
				x.Told = append(x.Told, one.Receivers...)
			}
			x.step("after "+one.After.String(), "%s", one.Text)
		}
	}
	x.step("verdict", "%s", x.Verdict)
	return nil
}

func heldText(h tocsin.Hold, reason string) string {
	text := "by " + h.By
	if !h.Until.IsZero() {
		text += " until " + h.Until.Format(time.RFC3339)
	}
	if reason != "" {
		text += " (" + reason + ")"
	}
	if h.Tell {
		return text + "; then people are told if it is still open"
	}
	return text + "; nobody is told of it"
}

// DeadRoutes are the routes and receivers that took nothing for so many days.
func (e *Engine) DeadRoutes(ctx context.Context, days int) ([]routing.Dead, error) {
	plan := e.plan.Load()
	t := routing.Tallies{Routes: map[string]routing.Tally{}, Receivers: map[string]routing.Tally{}}
	err := e.store.View(ctx, func(tx *store.Tx) error {
		since, err := readSince(tx)
		if err != nil {
			return err
		}
		routes, err := tx.RouteTotals()
		if err != nil {
			return err
		}
		for _, name := range plan.Routes.Names() {
			t.Routes[name] = routing.Tally{Count: routes[name].N, Last: routes[name].Last, Since: since.Routes[name]}
		}
		receivers, err := tx.ReceiverTotals()
		for name := range plan.Receivers {
			t.Receivers[name] = routing.Tally{Count: receivers[name].N, Last: receivers[name].Last, Since: since.Receivers[name]}
		}
		return err
	})
	return plan.Routes.DeadRoutes(t, e.now(), days), err
}
