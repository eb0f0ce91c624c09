package collect_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// memory is a state that all replicas share.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	err    error
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], m.err
}

func (m *memory) Save(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = value
	return m.err
}

func (m *memory) First(context.Context, string, []byte) ([]byte, error) {
	return nil, errors.ErrUnsupported // no roster asks
}

// A fleet is replicas with their clocks.
type fleet struct {
	t     *testing.T
	state memory
	at    time.Time
}

func (f *fleet) replica(wrong time.Duration) *collect.Roster {
	return collect.NewRoster(collect.Env{State: &f.state, Now: func() time.Time { return f.at.Add(wrong) }})
}

// pass lets time pass, while the replicas sign.
func (f *fleet) pass(d time.Duration, replicas ...*collect.Roster) {
	f.t.Helper()
	for end := f.at.Add(d); f.at.Before(end); f.at = f.at.Add(collect.RosterEvery) {
		for _, r := range replicas {
			if err := r.Sign(f.t.Context()); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

// shards are the names of n parts.
func shards(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("shardId-%012d", i)
	}
	return all
}

// held is how many of a hundred parts each replica holds for its own, and how many
// parts somebody does.
func held(replicas ...*collect.Roster) (each []int, parts int) { return heldOf(100, replicas...) }

func heldOf(n int, replicas ...*collect.Roster) (each []int, parts int) {
	somebody := map[string]bool{}
	for _, r := range replicas {
		mine := r.Share(shards(n))
		each = append(each, len(mine))
		maps.Copy(somebody, mine)
	}
	return each, len(somebody)
}

func newFleet(t *testing.T) *fleet {
	return &fleet{t: t, at: time.Date(2026, 6, 12, 3, 0, 0, 0, time.UTC)}
}

func TestOneReplicaHoldsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.replica(0)
	if each, _ := held(a); each[0] != 0 {
		t.Errorf("before it signed it holds %d parts", each[0])
	}
	f.pass(time.Second, a)
	if each, _ := held(a); each[0] != 100 || a.Others() != 0 {
		t.Errorf("alone it holds %d parts of 100, and sees %d others", each[0], a.Others())
	}
}

func TestReplicasShareTheParts(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b, c := f.replica(0), f.replica(0), f.replica(0)
	f.pass(time.Minute, a)
	f.pass(collect.RosterEvery, b) // it is new, and the others have not seen it
	if each, _ := held(a, b); each[0] != 100 || each[1] != 0 {
		t.Errorf("while one joins they hold %v", each)
	}
	f.pass(time.Minute, a, b, c)
	each, parts := held(a, b, c)
	if each[0]+each[1]+each[2] != 100 || parts != 100 || a.Others() != 2 {
		t.Errorf("they hold %v: want each part once", each)
	}
}

// Nobody reads all shards of a stream while another reads none, whatever the replicas
// are called by chance.
func TestAFewPartsAreSharedEvenly(t *testing.T) {
	t.Parallel()
	for many := 1; many <= 4; many++ {
		for range 5 {
			f := newFleet(t)
			var replicas []*collect.Roster
			for range many {
				replicas = append(replicas, f.replica(0))
			}
			f.pass(time.Minute, replicas...)
			for n := range 10 {
				each, parts := heldOf(n, replicas...)
				sum := 0
				for _, has := range each {
					sum += has
				}
				if parts != n || sum != n || slices.Max(each)-slices.Min(each) > 1 {
					t.Errorf("of %d parts %d replicas hold %v, want each part once, and no replica more than one more than another", n, many, each)
				}
			}
		}
	}
}

// Who comes or goes moves few parts between the others: each that moves is read by two
// for a moment.
func TestFewPartsMoveBetweenThoseWhoStay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b, c := f.replica(0), f.replica(0), f.replica(0)
	f.pass(time.Minute, a, b, c)
	had := map[*collect.Roster]map[string]bool{a: a.Share(shards(100)), b: b.Share(shards(100))}
	if err := c.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.pass(collect.RosterEvery, a, b)
	moved := 0
	for r, before := range had {
		now := r.Share(shards(100))
		for part := range before {
			if !now[part] {
				moved++
			}
		}
	}
	if moved > 25 {
		t.Errorf("%d parts of 67 moved between two who stayed", moved)
	}
}

// Loading and saving are two steps, so that who signs may write over another's
// signature. Nobody takes that for its end.
func TestTwoWhoSignInTheSameMoment(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.replica(0), f.replica(0)
	f.pass(time.Second, b)
	alone := f.state.values["replicas"] // before a signed
	f.pass(time.Minute, a, b)
	f.state.values["replicas"] = alone
	f.pass(collect.RosterEvery, b)
	if each, parts := held(a, b); each[0] != 50 || each[1] != 50 || parts != 100 || b.Others() != 1 {
		t.Errorf("while a signature is written over they hold %v, and %d others are seen", each, b.Others())
	}
	f.state.values["replicas"] = alone
	f.pass(30*time.Second, b)
	if each, _ := held(b); each[0] != 100 {
		t.Errorf("who never signed again for 30 seconds is counted: %v", each)
	}
}

func TestOneThatLeavesIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.replica(0), f.replica(0)
	f.pass(time.Minute, a, b)
	if err := a.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.pass(collect.RosterEvery, b)
	if each, _ := held(a, b); each[0] != 0 || each[1] != 100 {
		t.Errorf("they hold %v, want all with who stayed", each)
	}
	if err := a.Leave(t.Context()); err != nil {
		t.Errorf("leaving twice: %v", err)
	}
	c := f.replica(0)
	f.pass(collect.RosterEvery, c)
	f.pass(time.Minute, b, c)
	if each, parts := held(b, c); each[0] != 50 || each[1] != 50 || parts != 100 {
		t.Errorf("with one who came since they hold %v", each)
	}
}

func TestOneThatDiedIsFollowedSoon(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.replica(0), f.replica(0)
	f.pass(time.Minute, a, b)
	f.pass(10*time.Second, b)
	if each, _ := held(b); each[0] == 100 {
		t.Error("after ten seconds of silence it is dead already")
	}
	f.pass(20*time.Second, b)
	if each, _ := held(b); each[0] != 100 {
		t.Errorf("who stayed holds %d of 100 parts after 30 seconds", each[0])
	}
}

func TestOneThatStartsAfterACrash(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.pass(time.Minute, f.replica(0))
	again := f.replica(0)
	f.pass(30*time.Second, again)
	if each, _ := held(again); each[0] != 100 {
		t.Errorf("30 seconds after the crash it holds %d of 100 parts", each[0])
	}
	f.at = f.at.Add(time.Hour)
	later := f.replica(0)
	f.pass(time.Second, later)
	if each, _ := held(later); each[0] != 100 {
		t.Errorf("an hour after the crash it holds %d of 100 parts at once", each[0])
	}
}

// A clock that is wrong has a part fetched twice at most, and none by nobody.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{-10 * 365 * 24 * time.Hour, -time.Hour, -10 * time.Second, 10 * time.Second, time.Hour} {
		f := newFleet(t)
		a, b := f.replica(0), f.replica(wrong)
		f.pass(time.Minute, a, b)
		if each, parts := held(a, b); parts != 100 {
			t.Errorf("wrong by %v: they hold %v, and %d parts of 100 are somebody's", wrong, each, parts)
		}
		f.pass(30*time.Second, a) // b died
		if each, _ := held(a); each[0] != 100 {
			t.Errorf("wrong by %v, and dead for 30 seconds: who stayed holds %v", wrong, each)
		}
	}
}

func TestARosterThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.state.err = errors.New("the disk is full")
	a := f.replica(0)
	if err := a.Sign(t.Context()); err == nil || a.Mine("shardId-000000000000") {
		t.Errorf("Sign = %v, want why, and nothing of its own", err)
	}
	f.state.err, f.state.values = nil, map[string][]byte{"replicas": []byte("what is this")}
	if err := a.Sign(t.Context()); err != nil || !a.Mine("shardId-000000000000") {
		t.Errorf("over what nobody can read: %v, want it to sign anew", err)
	}
}
