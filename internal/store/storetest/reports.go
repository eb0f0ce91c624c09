package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// ofReports are the promises of what is looked back upon, and of tokens.
var ofReports = []promise{
	{"episodes are kept for reports", episodesAreKept},
	{"a token is used once", tokensAreUsedOnce},
	{"tokens are forgotten when they have expired", tokensAreSwept},
}

func episodesAreKept(t *testing.T, s *store.Store) {
	whole := store.Episode{
		Alert: 1, N: 1, OpenedAt: at(10), AcceptedAt: at(9), ToldAt: at(12), AckedAt: at(60), ClosedAt: at(600), Level: tocsin.High,
		Rule: "guardduty", Type: "Recon:EC2/Portscan", Account: "111122223333", Team: "payments", Reason: tocsin.ReasonFixed,
		HighestStep: 2, Unanswered: true, Suppressed: true, Sample: true,
	}
	reopened := store.Episode{Alert: 1, N: 2, OpenedAt: at(700), ClosedAt: at(800), Reason: tocsin.ReasonArchived}
	earlier := store.Episode{Alert: 2, N: 1, OpenedAt: at(5), ClosedAt: at(900), Reason: tocsin.ReasonStale}
	update(t, s, func(tx *store.Tx) error { return tx.AddEpisodes(whole, reopened, earlier) })
	update(t, s, func(tx *store.Tx) error { return tx.AddEpisodes(whole) }) // again
	for _, tt := range []struct {
		name     string
		from, to int
		want     []store.Episode
	}{
		{"all, as they opened", 0, 1000, []store.Episode{earlier, whole, reopened}},
		{"from one of them", 10, 1000, []store.Episode{whole, reopened}},
		{"until before one of them", 0, 700, []store.Episode{earlier, whole}},
		{"none", 20, 700, nil},
	} {
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Episodes(at(tt.from), at(tt.to))
			same(t, tt.name, got, tt.want)
			return err
		})
	}
}

func tokensAreUsedOnce(t *testing.T, s *store.Store) {
	const clicks = 6
	var fresh atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, clicks)
	for i := range clicks {
		wg.Go(func() {
			first := false
			errs[i] = s.Update(t.Context(), func(tx *store.Tx) (err error) {
				first, err = tx.UseToken("acknowledge 12 ana", at(86400))
				return err
			})
			if first {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := fresh.Load(); n != 1 {
		t.Errorf("of %d uses at once %d were the first", clicks, n)
	}
	// What was not kept was not used.
	wrong := errors.New("wrong")
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.UseToken("another", at(86400))
		return errors.Join(err, wrong)
	})
	if !errors.Is(err, wrong) {
		t.Fatal(err)
	}
	same(t, "first use after one that was not kept", use(t, s, "another", at(86400)), true)
}

func use(t *testing.T, s *store.Store, id string, expires time.Time) (fresh bool) {
	t.Helper()
	update(t, s, func(tx *store.Tx) (err error) {
		fresh, err = tx.UseToken(id, expires)
		return err
	})
	return fresh
}

func tokensAreSwept(t *testing.T, s *store.Store) {
	use(t, s, "short", at(100))
	use(t, s, "long", at(900))
	update(t, s, func(tx *store.Tx) error { return tx.SweepTokens(at(100)) })
	same(t, "the short one is new", use(t, s, "short", at(1000)), true)
	same(t, "the long one is new", use(t, s, "long", at(1000)), false)
}
