package collect

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
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
	others map[string]signature // those who signed, or left, not long ago
}

// A signature is one that another replica wrote, and when it was new here.
type signature struct {
	signed
	seen time.Time
}

// counts reports whether a signature is still to be minded.
func (s signature) counts(now time.Time) bool {
	return now.Sub(s.seen) < rosterExpiry && (s.left() || now.Sub(s.At) < rosterOld)
}

// signed is what a replica writes.
type signed struct {
	Count int64 `json:"count"` // of its signatures
	// At is when it signed, by its own clock; zero where it left.
	At time.Time `json:"at,omitzero"`
}

func (s signed) left() bool { return s.At.IsZero() }

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
		if !ok || s.Count > known.Count {
			known = signature{s, now}
		}
		if id != r.id && known.counts(now) {
			others[id] = known
			continue
		}
		delete(all, id)
	}
	// Two who sign in the same moment write over each other: who was there a moment ago
	// and is missing signs again. Who leaves says so.
	for id, known := range r.others {
		if _, ok := others[id]; !ok && known.counts(now) {
			others[id] = known
		}
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

// Share are those of parts that this replica is to fetch: of n parts each of m replicas
// has n/m of them, or one more, and who weighs most has it first. Replicas that know of
// the same parts and of each other have no part twice, and none is left. It is none
// before this replica signed.
func (r *Roster) Share(parts []string) map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := append(r.alive(), r.id)
	if r.joined.IsZero() || len(ids) > 1 && r.now().Sub(r.joined) < rosterJoining {
		return nil
	}
	bids := make([]bid, 0, len(parts)*len(ids))
	for _, part := range parts {
		for _, id := range ids {
			bids = append(bids, bid{id, part, weight(id, part)})
		}
	}
	slices.SortFunc(bids, bid.compare)
	least, more := len(parts)/len(ids), len(parts)%len(ids)
	taken, has, mine := map[string]bool{}, map[string]int{}, map[string]bool{}
	for _, b := range bids {
		if taken[b.part] || has[b.id] > least || has[b.id] == least && more == 0 {
			continue
		}
		if has[b.id] == least {
			more--
		}
		has[b.id]++
		taken[b.part] = true
		if b.id == r.id {
			mine[b.part] = true
		}
	}
	return mine
}

// alive are the other replicas that fetch.
func (r *Roster) alive() []string {
	var ids []string
	for id, known := range r.others {
		if !known.left() {
			ids = append(ids, id)
		}
	}
	return ids
}

// Mine reports whether this replica is to fetch the one part that there is.
func (r *Roster) Mine(part string) bool { return r.Share([]string{part})[part] }

// A bid is what a replica weighs for a part.
type bid struct {
	id, part string
	weight   uint64
}

// compare has who weighs most first.
func (b bid) compare(c bid) int {
	return cmp.Or(cmp.Compare(c.weight, b.weight), cmp.Compare(c.id, b.id), cmp.Compare(b.part, c.part))
}

// weight says who is to have a part rather than another replica: whoever weighs most.
// It is the same at all times, so that few parts move between the others if one comes or
// goes.
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
	return len(r.alive())
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
	r.count++
	all[r.id] = signed{Count: r.count}
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
