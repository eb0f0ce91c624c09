package engine

import (
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin/internal/store"
)

// keepEpisode keeps what became of the alert from its opening to its close, for
// reports.
func (x *exchange) keepEpisode() error {
	a := x.alert
	told, err := x.tx.FirstDelivered(map[int64]time.Time{a.ID: a.EpisodeStart()})
	if err != nil {
		return fmt.Errorf("first message: %w", err)
	}
	ep := store.Episode{
		Alert: a.ID, N: a.Episode(), OpenedAt: a.EpisodeStart(), AcceptedAt: a.EpisodeStart(), ToldAt: told[a.ID],
		AckedAt: a.FirstAckAt, ClosedAt: a.ClosedAt, Level: a.Worst, Rule: a.Rule, Type: a.Type, Account: a.Account,
		Team: a.Team, Reason: a.CloseReason, Suppressed: len(a.Told) == 0 && a.Escalation == nil, Sample: a.Sample,
	}
	if s := a.Escalation; s != nil {
		ep.HighestStep, ep.Unanswered = s.Highest, s.Exhausted
	}
	if err := x.tx.AddEpisodes(ep); err != nil {
		return fmt.Errorf("keep the episode: %w", err)
	}
	return nil
}
