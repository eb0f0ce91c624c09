package chaos_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// underWay is how many messages to one receiver can have been taken by it
// without our disk knowing: those being sent, and those that wait for the commit
// under way or the one after it.
const underWay = 3 * 32

func TestNothingIsLostOnKill(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		nothingIsLostOnKill(t, newScene(t, settings{}))
	})
	// The first half of the kills with one replica, the second with two.
	t.Run("PostgreSQL", func(t *testing.T) {
		nothingIsLostOnKill(t, newScene(t, settings{store: storetest.Postgres(t), programs: 2}))
	})
}

func nothingIsLostOnKill(t *testing.T, sc *scene) {
	rnd := chance(t)
	kills := int(number(t, "TOCSIN_CHAOS_KILLS", 12))
	faults := rand.New(rand.NewPCG(rnd.Uint64(), 3))
	for _, r := range sc.receivers {
		// Guarded by the receiver's lock. After two failures a message gets through,
		// so that the test does not wait for long back-offs.
		r.behave(func(attempt int) fault {
			if attempt > 2 || faults.IntN(8) > 0 {
				return none
			}
			return []fault{broken, tooMany, hangUp}[faults.IntN(3)]
		})
	}
	running := &atomic.Int64{}
	running.Store(1)
	sc.start(sc.programs[0])

	sending, stopSending := context.WithCancel(t.Context())
	defer stopSending()
	hurry, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(kills)*5*time.Second)
	defer cancel()
	turn := &atomic.Int64{}
	s := newSenders(sc, func() string {
		return sc.programs[int(turn.Add(1))%int(running.Load())].Address
	})
	s.start(sending, hurry, 12, &atomic.Int64{}, rnd)

	killed := 0
	for i := range kills {
		if i == kills/2 && len(sc.programs) > 1 {
			sc.start(sc.programs[1])
			running.Store(2)
		}
		killed += sc.killOne(sc.programs[rnd.IntN(int(running.Load()))], rnd)
	}
	stopSending()
	s.wg.Wait()
	for _, mistake := range s.mistakes.all() {
		t.Error(mistake)
	}
	t.Logf("%d messages received; %d connections cut, %d answers of 5xx", sc.ledger.size(), s.cut.Load(), s.refused.Load())
	if s.cut.Load() == 0 {
		t.Error("no connection was ever cut: nothing was killed under load")
	}
	if strings.HasPrefix(sc.store, "postgres") {
		sc.letLeasesRunOut()
	}
	sc.settled(20 * time.Second)
	for _, p := range sc.programs[:running.Load()] {
		sc.stop(p)
	}
	doubled := sc.check()
	t.Logf("%d messages were told twice after %d kills", doubled, killed)
	if most := killed * underWay * len(sc.receivers); doubled > most {
		t.Errorf("%d messages were told twice; want at most %d, those under way when it was killed", doubled, most)
	}
}

// killOne kills a program at a random moment, now and then once more while it
// still starts, starts it again at once, and says how often it was killed.
func (sc *scene) killOne(p *rig.Program, rnd *rand.Rand) (killed int) {
	sc.t.Helper()
	killed = 1
	time.Sleep(time.Duration(50+rnd.IntN(500)) * time.Millisecond)
	if err := p.Kill(); err != nil {
		sc.t.Fatal(err)
	}
	if rnd.IntN(5) == 0 {
		killed++
		if err := p.Launch(); err != nil {
			sc.t.Fatal(err)
		}
		time.Sleep(time.Duration(rnd.IntN(150)) * time.Millisecond)
		if err := p.Kill(); err != nil {
			sc.t.Fatal(err)
		}
	}
	sc.start(p)
	return killed
}

// letLeasesRunOut has the minute pass for which a replica that was killed keeps
// what it was about to send: with all programs stopped, no lease is anybody's.
func (sc *scene) letLeasesRunOut() {
	sc.t.Helper()
	for _, p := range sc.programs {
		sc.stop(p)
	}
	ctx := sc.t.Context()
	s, err := store.Open(ctx, sc.store)
	if err != nil {
		sc.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Update(ctx, func(tx *store.Tx) error { return tx.Release(time.Now()) }); err != nil {
		sc.t.Fatal(err)
	}
	for _, p := range sc.programs {
		sc.start(p)
	}
}
