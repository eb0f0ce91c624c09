package api

import (
	"context"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

type latency struct {
	From    time.Time `query:"from" doc:"Alerts that opened at this instant or later; 7 days before to if left out."`
	To      time.Time `query:"to" doc:"Alerts that opened before this instant, at most 31 days later; now if left out."`
	Account string    `query:"account" doc:"Only of this account, by its number."`
	Region  string    `query:"region" doc:"Only of this region."`
	Route   string    `query:"route" doc:"Only those that this route took first."`
}

const (
	// LongestLatency bounds the time that a latency report is over.
	LongestLatency = 31 * 24 * time.Hour
	// mostOpenings is of how many openings percentiles are made.
	mostOpenings = 100_000
)

func (a *api) latency(ctx context.Context, in latency) (reports.LatencyReport, error) {
	to := a.orNow(in.To)
	from := in.From
	if from.IsZero() {
		from = to.AddDate(0, 0, -7)
	}
	if err := checkTimes(from, to); err != nil {
		return reports.LatencyReport{}, err
	}
	if to.Sub(from) > LongestLatency {
		return reports.LatencyReport{}, problems{{"query", "to", "it is more than 31 days after from"}}
	}
	return Latency(ctx, a.store, store.LatencyFilter{From: from, To: to, Account: in.Account, Region: in.Region, Route: in.Route})
}

// Latency reads how long the way to people took of what the filter chooses, and has it
// judged.
func Latency(ctx context.Context, s *store.Store, f store.LatencyFilter) (reports.LatencyReport, error) {
	facts := reports.LatencyFacts{From: f.From, To: f.To}
	err := s.View(ctx, func(tx *store.Tx) error {
		f.Limit = mostOpenings + 1
		all, err := tx.Latencies(f)
		if err != nil {
			return fmt.Errorf("latencies: %w", err)
		}
		if facts.Cut = len(all) > mostOpenings; facts.Cut {
			all = all[:mostOpenings]
		}
		facts.Passages = make([]reports.Passage, len(all))
		for i := range all {
			facts.Passages[i] = all[i].Passage
		}
		canaries, err := tx.Canaries("")
		if err != nil {
			return fmt.Errorf("canaries: %w", err)
		}
		for _, c := range canaries {
			if (f.Account == "" || f.Account == c.Account) && (f.Region == "" || f.Region == c.Region) && f.Route == "" {
				facts.Canaries = append(facts.Canaries, c)
			}
		}
		return nil
	})
	if err != nil {
		return reports.LatencyReport{}, err
	}
	return reports.JudgeLatency(facts), nil
}
