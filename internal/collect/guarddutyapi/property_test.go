package guarddutyapi_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi/guarddutytest"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
)

// history is what the model knows of a finding. It says what GuardDuty publishes and
// what is lost, and knows nothing of how that is found out.
type history struct {
	guarddutytest.Finding
	suppressed bool      // a filter has it
	unsent     time.Time // when something happened first that was not published
	lost       int       // how many publications were
	pushed     time.Time // the newest version that arrived
}

// A post is an event that is on its way.
type post struct {
	at time.Time
	guarddutytest.Finding
}

// GuardDuty publishes what is new at once, and updates at moments that nobody knows, a
// period apart; events take up to ten minutes and some never come. Whatever happens:
//
//   - in the end the journal has what GuardDuty has;
//   - nothing is put through as lost of which nothing was lost;
//   - nothing is put through twice;
//   - at every moment the classes sum up to what is counted.
func TestInAnyWorldWhatWasLostIsRecoveredAndNothingElse(t *testing.T) {
	t.Parallel()
	worlds := 24
	if raced {
		worlds = 4
	}
	for seed := range worlds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			live(t, rand.New(rand.NewPCG(uint64(seed), 7)))
		})
	}
}

func live(t *testing.T, chance *rand.Rand) {
	period, frequency := 15*time.Minute, "FIFTEEN_MINUTES"
	if chance.IntN(2) == 0 {
		period, frequency = time.Hour, "ONE_HOUR"
	}
	w := newWorld(t)
	w.Enable(guarddutytest.Detector{Account: own, Region: home, Frequency: frequency, Filters: []guarddutytest.Filter{
		{Name: "recon", Criteria: map[string]map[string]any{"type": {"matches": []string{"Recon:*"}}}},
	}})
	if chance.IntN(3) == 0 {
		w.Cap(1000)
	}
	phase := time.Duration(chance.IntN(int(period/time.Minute))) * time.Minute
	fails := 0.0
	if chance.IntN(2) == 0 {
		fails = 0.05
	}
	w.Fail(func(guarddutytest.Call) *guarddutytest.Fault {
		if w.oneAtATime(func() bool { return chance.Float64() < fails }) {
			return guarddutytest.Throttled()
		}
		return nil
	})
	var all []*history
	var way []post
	losing := chance.Float64() * 0.4
	publish := func(h *history, now time.Time) {
		h.unsent = time.Time{}
		if chance.Float64() < losing {
			h.lost++
			return
		}
		way = append(way, post{now.Add(time.Duration(chance.IntN(10*60)) * time.Second), h.Finding})
	}
	s := w.source(t, nil)
	begin, busy := w.now(), 5*time.Hour
	for end := begin.Add(busy + period + 2*time.Hour); w.now().Before(end); w.pass(time.Minute) {
		now := w.now()
		if now.Before(begin.Add(busy)) {
			for range chance.IntN(3) {
				h := &history{Finding: made(len(all), now), suppressed: chance.IntN(8) == 0}
				if h.suppressed {
					h.Archived, h.Type = true, "Recon:EC2/Portscan"
				}
				all = append(all, h)
				w.Put(h.Finding)
				if !h.suppressed {
					publish(h, now.Add(time.Duration(chance.IntN(4*60))*time.Second))
				}
			}
			for range min(chance.IntN(4), len(all)) {
				h := all[chance.IntN(len(all))]
				h.Updated, h.Count = now.Add(time.Duration(chance.IntN(60_000))*time.Millisecond), h.Count+1
				if archives := !h.Archived && chance.IntN(6) == 0; archives {
					h.Archived = true // by hand: nothing happened
				} else {
					h.LastSeen = h.Updated
					if h.unsent.IsZero() && !h.suppressed {
						h.unsent = now
					}
				}
				w.Put(h.Finding)
			}
		}
		if now.Sub(begin)%period == phase {
			for _, h := range all {
				if !h.unsent.IsZero() {
					publish(h, now)
				}
			}
		}
		way = arrived(w, all, way, now)
		if now.Sub(begin)%(15*time.Minute) == 7*time.Minute {
			if chance.IntN(6) == 0 { // it was started again
				s = w.source(t, nil)
			}
			w.check(t, s, all, now)
		}
		if t.Failed() {
			t.Fatalf("after %v", now.Sub(begin))
		}
	}
	for i, h := range all {
		f, _, _ := guardduty.Read(h.Wire())
		if held := w.journal[f.Key()]; !held.Newest.Equal(h.Updated) {
			t.Errorf("finding %d: the journal has the version of %v, GuardDuty that of %v", i, held.Newest, h.Updated)
		}
	}
	var never, came, lost int64
	for _, h := range all {
		switch {
		case h.Archived:
		case h.pushed.Before(h.Updated):
			never++
		case h.lost == 0:
			came++
		default:
			lost++ // it came in the end, and may have been put through before
		}
	}
	r := w.reconciled(t, own)
	if r.API != int64(len(all)) || r.Pending != 0 || r.Unexplained != 0 || r.Recovered < never || r.Received < came {
		t.Errorf("in the end %+v of %d, of which %d never came, %d came without a loss and %d after one", r, len(all), never, came, lost)
	}
}

// oneAtATime keeps chance to one goroutine.
func (w *world) oneAtATime(do func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return do()
}

func arrived(w *world, all []*history, way []post, now time.Time) (rest []post) {
	for _, p := range way {
		if p.at.After(now) {
			rest = append(rest, p)
			continue
		}
		w.arrive(p.Finding)
		for _, h := range all {
			if h.ID == p.ID && p.Updated.After(h.pushed) {
				h.pushed = p.Updated
			}
		}
	}
	return rest
}

// check has one comparison, and looks at what it put through.
func (w *world) check(t *testing.T, s *guarddutyapi.Source, all []*history, now time.Time) {
	t.Helper()
	before := len(w.put)
	w.round(t, s)
	twice := map[string]bool{}
	for _, ev := range w.put {
		if twice[ev.Envelope] {
			t.Errorf("%s was put through twice", ev.Envelope)
		}
		twice[ev.Envelope] = true
	}
	of := map[string]*history{}
	for _, h := range all {
		of[h.ID] = h
	}
	for _, ev := range w.put[before:] {
		f, _, _ := guardduty.Read(ev.Raw)
		h := of[f.Brief().ID]
		if !h.Archived && h.lost == 0 {
			t.Errorf("%s was put through, and nothing of it was lost (created %v ago, changed %v ago, arrived %v)", ev.Envelope, now.Sub(h.Created), now.Sub(h.Updated), h.pushed)
		}
		if !h.pushed.IsZero() && !h.pushed.Before(f.Version()) {
			t.Errorf("%s was put through, and had arrived", ev.Envelope)
		}
	}
	r := w.seen["reconciliation "+own+" "+home].Reconciliation
	if r == nil {
		return // it was throttled all along
	}
	if r.API != r.Received+r.Pending+r.Suppressed+r.Recovered+r.Unexplained {
		t.Errorf("the classes do not sum up: %+v", r)
	}
	var never int64
	for _, h := range all {
		if h.suppressed && h.Updated.Before(r.Until) && now.Sub(h.Created) > time.Hour {
			never++
		}
	}
	if r.Suppressed < never {
		t.Errorf("%d suppressed, want %d at least", r.Suppressed, never)
	}
}
