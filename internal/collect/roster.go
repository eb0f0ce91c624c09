package collect

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// A Roster is which replicas of tocsin fetch from the same source just now, so that
// each part of it, a shard or a log group, is fetched by one of them alone. Each signs
// every so often; who no longer does is soon not counted.
//
// It is advice. [State] cannot look and write in one step, so that for a moment two
// replicas may hold the same part for theirs, or none. What is fetched twice is known
// by its envelope id, and where each began is kept apart from this.
//
// No replica's clock is compared with another's to hold somebody for alive: that
// somebody signs again is seen to.
type Roster struct {
	state State
	now   func() time.Time
	id    string

	mu     sync.Mutex // guards what follows
	count  int64
	joined time.Time            // when this replica signed first, or zero
	others map[string]signature // those who are alive
}

// A signature is one that another replica wrote, and when it was new here.
type signature struct {
	signed
	seen time.Time
}

// signed is what a replica writes.
type signed struct {
	Count int64     `json:"count"` // of its signatures
	At    time.Time `json:"at"`    // by its own clock
}

const (
	rosterKey = "replicas"
	// RosterEvery is how often a replica is to sign.
	RosterEvery = 5 * time.Second
	// rosterExpiry is after how long without a new signature a replica is gone.
	rosterExpiry = 4 * RosterEvery
	// rosterOld is what was written so long ago that nobody waits whether there is a
	// new one, unless a clock is wrong.
	rosterOld = 3 * rosterExpiry
	// rosterJoining is how long a new replica leaves the others time to see it, and to
	// let go of what is to be its own.
	rosterJoining = 2 * RosterEvery
)

// NewRoster makes the roster of the source that env is for: of that it needs State and
// Now.
func NewRoster(env Env) *Roster {
	return &Roster{state: env.State, now: env.Now, id: rand.Text()}
}

// Sign says that this replica is able to fetch, and sees who else is.
func (r *Roster) Sign(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.load(ctx)
	if err != nil {
		return err
	}
	now := r.now()
	others := map[string]signature{}
	for id, s := range all {
		known, ok := r.others[id]
		if !ok || known.Count != s.Count {
			known = signature{s, now}
		}
		if id != r.id && now.Sub(known.seen) < rosterExpiry && now.Sub(s.At) < rosterOld {
			others[id] = known
			continue
		}
		delete(all, id)
	}
	r.count++
	all[r.id] = signed{r.count, now}
	if err := r.save(ctx, all); err != nil {
		return err
	}
	if r.others = others; r.joined.IsZero() {
		r.joined = now
	}
	return nil
}

// Mine reports whether this replica is to fetch that part. It is not before it
// signed.
func (r *Roster) Mine(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.joined.IsZero() || len(r.others) > 0 && r.now().Sub(r.joined) < rosterJoining {
		return false
	}
	mine := weight(r.id, part)
	for id := range r.others {
		if w := weight(id, part); w > mine || w == mine && id > r.id {
			return false
		}
	}
	return true
}

// weight says who gets a part: whoever weighs most. If one comes or goes, no part
// moves between the others.
func weight(id, part string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + "\x00" + part)) // it cannot fail
	// FNV's last bytes move its upper bits little.
	sum := h.Sum64()
	sum ^= sum >> 33
	sum *= 0xff51afd7ed558ccd
	return sum ^ sum>>33
}

// Others is how many other replicas are alive.
func (r *Roster) Others() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.others)
}

// Leave has the others take over at once.
func (r *Roster) Leave(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.joined.IsZero() {
		return nil
	}
	r.joined = time.Time{}
	all, err := r.load(ctx)
	if err != nil {
		return err
	}
	delete(all, r.id)
	return r.save(ctx, all)
}

func (r *Roster) load(ctx context.Context) (map[string]signed, error) {
	text, err := r.state.Load(ctx, rosterKey)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rosterKey, err)
	}
	all := map[string]signed{}
	if json.Unmarshal(text, &all) != nil || all == nil {
		all = map[string]signed{} // there is none yet, or everybody signs anew
	}
	return all, nil
}

func (r *Roster) save(ctx context.Context, all map[string]signed) error {
	text, err := json.Marshal(all)
	if err != nil { // numbers and times have a form in JSON
		return err
	}
	if err := r.state.Save(ctx, rosterKey, text); err != nil {
		return fmt.Errorf("%s: %w", rosterKey, err)
	}
	return nil
}
