package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

type report struct {
	From time.Time `query:"from" doc:"Alerts that opened at this instant or later; 30 days before to if left out."`
	To   time.Time `query:"to" doc:"Alerts that opened before this instant, at most 400 days later; now if left out."`
}

func (a *api) report(ctx context.Context, in report) (reports.Report, error) {
	to := a.orNow(in.To)
	from := in.From
	if from.IsZero() {
		from = to.AddDate(0, 0, -30)
	}
	if err := checkTimes(from, to); err != nil {
		return reports.Report{}, err
	}
	return Report(ctx, a.store, a.act, from, to)
}

// Report reads what there is to judge of that time, and has it judged.
func Report(ctx context.Context, s *store.Store, act engine.Asks, from, to time.Time) (reports.Report, error) {
	var facts reports.Facts
	err := s.View(ctx, func(tx *store.Tx) (err error) {
		facts, err = factsOf(tx, from, to)
		return err
	})
	if err != nil {
		return reports.Report{}, err
	}
	facts.Schedules, err = covered(act, from, to)
	return reports.Judge(facts), err
}

// factsOf reads what there is to judge.
func factsOf(tx *store.Tx, from, to time.Time) (reports.Facts, error) {
	f := reports.Facts{From: from, To: to, Zones: map[string]*time.Location{}}
	over, err := tx.Episodes(from, to)
	if err != nil {
		return f, fmt.Errorf("episodes: %w", err)
	}
	for _, e := range over {
		f.Episodes = append(f.Episodes, reports.Episode{
			AcceptedAt: e.AcceptedAt, OpenedAt: e.OpenedAt, ToldAt: e.ToldAt, AckedAt: e.AckedAt, ClosedAt: e.ClosedAt,
			Level: e.Level, Rule: e.Rule, Type: e.Type, Team: e.Team, Reason: e.Reason,
			Step: e.HighestStep, Unanswered: e.Unanswered, Suppressed: e.Suppressed, Sample: e.Sample,
		})
	}
	live, err := liveEpisodes(tx, from, to)
	if err != nil {
		return f, fmt.Errorf("live alerts: %w", err)
	}
	f.Episodes = append(f.Episodes, live...)
	messages, err := tx.Personal(from, to)
	if err != nil {
		return f, fmt.Errorf("messages: %w", err)
	}
	for _, m := range messages {
		f.Messages = append(f.Messages, reports.Message{Person: m.Person, At: m.At, Calls: m.Kind.Calls()})
	}
	people, err := tx.People()
	if err != nil {
		return f, fmt.Errorf("people: %w", err)
	}
	for _, p := range people {
		if zone, err := time.LoadLocation(p.TimeZone); err == nil {
			f.Zones[p.Name] = zone
		}
	}
	return f, nil
}

// livePage is how many alerts are read at once.
const livePage = 1000

// liveEpisodes are those that go on: alerts that are not closed. One that opened
// again may be older than all that is asked for, so that each is looked at.
func liveEpisodes(tx *store.Tx, from, to time.Time) ([]reports.Episode, error) {
	var all []reports.Episode
	f := store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}, Sort: "newest", Limit: livePage}
	for {
		alerts, _, err := tx.Alerts(f)
		if err != nil {
			return nil, err
		}
		read := len(alerts)
		alerts = slices.DeleteFunc(alerts, func(a tocsin.Alert) bool {
			return a.EpisodeStart().Before(from) || !a.EpisodeStart().Before(to)
		})
		began := make(map[int64]time.Time, len(alerts))
		for _, a := range alerts {
			began[a.ID] = a.EpisodeStart()
		}
		told, err := tx.FirstDelivered(began)
		if err != nil {
			return nil, err
		}
		for _, a := range alerts {
			all = append(all, episodeOf(a, told[a.ID]))
		}
		if read < livePage {
			return all, nil
		}
		f.Offset += livePage
	}
}

// episodeOf is the present episode of an alert, as it is kept once it is over.
func episodeOf(a tocsin.Alert, told time.Time) reports.Episode {
	e := reports.Episode{
		AcceptedAt: a.EpisodeStart(), OpenedAt: a.EpisodeStart(), ToldAt: told, AckedAt: a.FirstAckAt,
		Level: a.Worst, Rule: a.Rule, Type: a.Type, Team: a.Team, Suppressed: len(a.Told) == 0 && a.Escalation == nil, Sample: a.Sample,
	}
	if s := a.Escalation; s != nil {
		e.Step, e.Unanswered = s.Highest, s.Exhausted
	}
	return e
}

// covered is when somebody is on call, and when nobody is, by schedule.
func covered(act engine.Asks, from, to time.Time) ([]reports.Schedule, error) {
	var all []reports.Schedule
	for _, s := range act.Schedules() {
		shifts, err := act.Shifts(s.Name, from, to)
		var gaps []oncall.Gap
		if err == nil {
			gaps, err = act.Gaps(s.Name, from, to)
		}
		if errors.Is(err, store.ErrNotFound) {
			continue // configured, and nothing is known of it yet
		}
		if err != nil {
			return nil, err
		}
		one := reports.Schedule{Name: s.Name}
		for _, s := range shifts {
			one.Covered = append(one.Covered, reports.Span{Start: s.Start, End: s.End})
		}
		for _, g := range gaps {
			one.Gaps = append(one.Gaps, reports.Span{Start: g.Start, End: g.End})
		}
		all = append(all, one)
	}
	return all, nil
}
