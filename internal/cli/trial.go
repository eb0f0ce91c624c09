package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
)

// A rehearsal is an engine that goes by a configuration alone: there are no alerts
// and no silences, and everybody whom the configuration names can be reached.
// Nothing leaves it.
type rehearsal struct {
	app *app.App
	dir string
	now func() time.Time
}

// longAgo is when a rehearsal begins: schedules are known from then on, and a test may
// be of any day after.
var longAgo = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// rehearse opens one, to be closed.
func (s *shell) rehearse(ctx context.Context, conf *config.Config) (*rehearsal, error) {
	dir, err := os.MkdirTemp("", "tocsin-trial-")
	if err != nil {
		return nil, err
	}
	trial := *conf
	trial.Store = "sqlite:" + dir
	trial.Receivers = slices.Clone(conf.Receivers)
	for i, r := range trial.Receivers {
		trial.Receivers[i] = config.Rehearse(r, app.Kinds())
	}
	cast(&trial)
	a, err := app.Offline(ctx, app.Options{
		Config: &trial, Log: slog.New(slog.DiscardHandler), Out: s.err, Version: version(),
		Now: func() time.Time { return longAgo },
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &rehearsal{a, dir, s.time}, nil
}

func (r *rehearsal) close() error { return errors.Join(r.app.Close(), os.RemoveAll(r.dir)) }

// explain says what would become of the event at that time, now if it is zero.
func (r *rehearsal) explain(ctx context.Context, event []byte, at time.Time) (engine.Explanation, error) {
	if at.IsZero() {
		at = r.now()
	}
	return r.app.Engine().ExplainAt(ctx, "", event, at)
}

// judge is what a test of the configuration compares.
func (r *rehearsal) judge(ctx context.Context) config.Judge {
	return func(event []byte, at time.Time) (config.Outcome, error) {
		x, err := r.explain(ctx, event, at)
		return outcome(x), err
	}
}

// outcome is what of an explanation a test may expect.
func outcome(x engine.Explanation) config.Outcome {
	o := config.Outcome{Verdict: x.Verdict, Rule: x.Rule}
	if x.Alert != nil {
		o.Level, o.Team = x.Alert.Level, x.Alert.Team
	}
	if x.Verdict == tocsin.Filtered {
		o.Drop = x.Reason
	}
	if x.Routes == nil {
		return o
	}
	d := x.Routes.Decision
	o.Level, o.Team, o.Policy, o.Routes = cmp.Or(d.Level, o.Level), d.Team, d.Policy, d.Routes
	o.Drop = cmp.Or(o.Drop, d.Drop)
	// A first window only has people wait.
	o.Silenced = x.Held != nil && x.Held.By != engine.FirstWindow && d.Drop == ""
	if o.Silenced || d.Drop != "" {
		return o
	}
	for _, t := range d.Targets {
		o.Receivers = append(o.Receivers, t.Receiver)
	}
	for _, e := range x.Expected {
		if e.After == 0 && e.Kind == escalation.Told {
			o.Told = append(o.Told, slices.Concat(e.People, e.Receivers)...)
		}
	}
	return o
}
