package setup

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin/internal/secret"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Keep is for how long a token that another one has followed stays good, unless
// somebody says otherwise.
const Keep = 7 * 24 * time.Hour

// LongestKeep bounds what somebody may say.
const LongestKeep = 90 * 24 * time.Hour

// Keys are the tokens that were made for sources. They are kept in the store, where
// all replicas find them; a process has them in memory and reads them again with
// [Keys.Refresh], and when a token comes that it does not know, at most once a
// second.
//
// A token is kept as it is and not as a hash, since the URL is to be shown again.
type Keys struct {
	store *store.Store
	now   func() time.Time
	made  atomic.Bool

	mu      sync.Mutex
	sources map[string]*Keyring // guarded by mu
}

// NewKeys makes Keys that stand in the store.
func NewKeys(s *store.Store, now func() time.Time) *Keys {
	return &Keys{store: s, now: now, sources: map[string]*Keyring{}}
}

// Of are the tokens of a source.
func (k *Keys) Of(source string) *Keyring {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.sources[source]
	if !ok {
		r = &Keyring{keys: k, source: source}
		k.sources[source] = r
	}
	return r
}

// Made reports whether this process has made a first token, so that nobody has
// seen it yet.
func (k *Keys) Made() bool { return k.made.Load() }

// Refresh reads all tokens in use again, and writes down when they were used. It is
// to be called now and then: twice a minute.
func (k *Keys) Refresh(ctx context.Context) error {
	k.mu.Lock()
	all := make([]*Keyring, 0, len(k.sources))
	for _, r := range k.sources {
		all = append(all, r)
	}
	k.mu.Unlock()
	for _, r := range all {
		if r.tokens.Load() == nil {
			continue // nobody asked for it
		}
		if err := r.refresh(ctx); err != nil {
			return fmt.Errorf("tokens of source %s: %w", r.source, err)
		}
	}
	return nil
}

// A kept token is one as it stands in the store.
type kept struct {
	ID     string    `json:"id"`
	Token  string    `json:"token"`
	MadeAt time.Time `json:"made_at,omitzero"`
	MadeBy string    `json:"made_by,omitempty"`
	Until  time.Time `json:"until,omitzero"`

	hash [sha256.Size]byte
	used *atomic.Int64 // when it was used last, in seconds since 1970; shared by readings
}

func (k kept) good(now time.Time) bool { return k.Until.IsZero() || now.Before(k.Until) }

// idOf tells a token from others and gives nothing of it away.
func idOf(token string) string {
	hash := sha256.Sum256([]byte("tocsin token " + token))
	return hex.EncodeToString(hash[:4])
}

// A Keyring has the tokens of one source.
type Keyring struct {
	keys   *Keys
	source string

	tokens atomic.Pointer[[]kept] // the newest first; nil until it is first asked for

	mu      sync.Mutex           // serializes what follows
	missed  time.Time            // when a stranger last made it read again
	written map[string]time.Time // by id: when use was last written down
}

// The names in the store. The first holds the newest token alone, which is all that
// there was before tokens could be turned over.
func (r *Keyring) newestName() string { return "source/" + r.source + "/token" }
func (r *Keyring) allName() string    { return "source/" + r.source + "/tokens" }
func (r *Keyring) usedName() string   { return "source/" + r.source + "/tokens-used" }

// Token is the newest. The first is made when it is first asked for, and kept.
func (r *Keyring) Token() (secret.String, error) {
	if all := r.tokens.Load(); all != nil && len(*all) > 0 {
		return secret.New((*all)[0].Token), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []kept
	err := r.keys.store.Update(context.Background(), func(tx *store.Tx) (err error) {
		if all, err = r.read(tx); err != nil || len(all) > 0 {
			return err
		}
		made, err := makeToken()
		if err != nil {
			return err
		}
		made.MadeAt = r.keys.now().UTC()
		r.keys.made.Store(true)
		all = []kept{made}
		return r.write(tx, all)
	})
	if err != nil {
		return secret.String{}, err
	}
	r.remember(all)
	return secret.New(all[0].Token), nil
}

// makeToken is 32 random bytes.
func makeToken() (kept, error) {
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return kept{}, err
	}
	token := base64.RawURLEncoding.EncodeToString(random[:])
	return kept{ID: idOf(token), Token: token}, nil
}

// Admits reports whether the token is one that is good, and notes its use. What a
// replica may have made meanwhile is looked up, so that nobody is turned away whom
// another one would let in.
func (r *Keyring) Admits(token string) bool {
	if r.admits(token) {
		return true
	}
	return r.again() && r.admits(token)
}

func (r *Keyring) admits(token string) bool {
	all := r.tokens.Load()
	if all == nil {
		return false
	}
	now := r.keys.now()
	hash, found := sha256.Sum256([]byte(token)), false
	for i := range *all {
		k := &(*all)[i]
		if subtle.ConstantTimeCompare(hash[:], k.hash[:]) == 1 && k.good(now) {
			found = true
			k.used.Store(now.Unix())
		}
	}
	return found
}

// again reads the tokens again, unless that was done within the last second.
func (r *Keyring) again() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.keys.now()
	if since := now.Sub(r.missed); !r.missed.IsZero() && since >= 0 && since < time.Second {
		return false
	}
	r.missed = now
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := r.load(ctx)
	if err != nil {
		return false
	}
	r.remember(all)
	return true
}

func (r *Keyring) load(ctx context.Context) (all []kept, err error) {
	err = r.keys.store.View(ctx, func(tx *store.Tx) (err error) {
		all, err = r.read(tx)
		return err
	})
	return all, err
}

// refresh reads the tokens again, and writes down what was used since: each at most
// once a minute.
func (r *Keyring) refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.load(ctx)
	if err != nil {
		return err
	}
	r.remember(all)
	return r.writeUsed(ctx, time.Minute)
}

// Flush writes down what was used.
func (k *Keys) Flush(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.sources {
		r.mu.Lock()
		err := r.writeUsed(ctx, 0)
		r.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// writeUsed is called with mu held.
func (r *Keyring) writeUsed(ctx context.Context, atMost time.Duration) error {
	all := r.tokens.Load()
	if all == nil {
		return nil
	}
	fresh := map[string]time.Time{}
	for _, k := range *all {
		used := time.Unix(k.used.Load(), 0).UTC()
		if k.used.Load() > 0 && used.After(r.written[k.ID]) && used.Sub(r.written[k.ID]) >= atMost {
			fresh[k.ID] = used
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	err := r.keys.store.Update(ctx, func(tx *store.Tx) error {
		used, err := r.readUsed(tx)
		if err != nil {
			return err
		}
		for id := range used {
			if !slices.ContainsFunc(*all, func(k kept) bool { return k.ID == id }) {
				delete(used, id)
			}
		}
		for id, at := range fresh {
			if at.After(used[id]) {
				used[id] = at
			}
		}
		text, err := json.Marshal(used)
		if err != nil {
			return err
		}
		return tx.Put(r.usedName(), text)
	})
	if err != nil {
		return err
	}
	if r.written == nil {
		r.written = map[string]time.Time{}
	}
	maps.Copy(r.written, fresh)
	return nil
}

func (r *Keyring) readUsed(tx *store.Tx) (map[string]time.Time, error) {
	used := map[string]time.Time{}
	text, err := tx.Get(r.usedName())
	if err != nil || len(text) == 0 {
		return used, err
	}
	return used, json.Unmarshal(text, &used)
}

// read gives the tokens in the store, the newest first; none if none was made.
func (r *Keyring) read(tx *store.Tx) ([]kept, error) {
	newest, err := tx.Get(r.newestName())
	if err != nil {
		return nil, err
	}
	text, err := tx.Get(r.allName())
	if err != nil {
		return nil, err
	}
	var all []kept
	if len(text) > 0 {
		if err := json.Unmarshal(text, &all); err != nil {
			return nil, fmt.Errorf("tokens of source %s: %w", r.source, err)
		}
	}
	// A tocsin that knows of one token only may have made it.
	if token := string(newest); token != "" && !slices.ContainsFunc(all, func(k kept) bool { return k.Token == token }) {
		all = append([]kept{{ID: idOf(token), Token: token}}, all...)
	}
	return all, nil
}

func (r *Keyring) write(tx *store.Tx, all []kept) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	newest := ""
	if len(all) > 0 {
		newest = all[0].Token
	}
	if err := tx.Put(r.newestName(), []byte(newest)); err != nil {
		return err
	}
	return tx.Put(r.allName(), text)
}

// remember is called with mu held.
func (r *Keyring) remember(all []kept) {
	var before []kept
	if p := r.tokens.Load(); p != nil {
		before = *p
	}
	for i := range all {
		k := &all[i]
		k.hash = sha256.Sum256([]byte(k.Token))
		if j := slices.IndexFunc(before, func(b kept) bool { return b.ID == k.ID }); j >= 0 {
			k.used = before[j].used
		} else {
			k.used = &atomic.Int64{}
		}
	}
	r.tokens.Store(&all)
}

// change replaces the tokens by what f makes of them, in the store and here.
func (r *Keyring) change(ctx context.Context, f func(all []kept, now time.Time) ([]kept, error)) ([]kept, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []kept
	err := r.keys.store.Update(ctx, func(tx *store.Tx) (err error) {
		if all, err = r.read(tx); err != nil {
			return err
		}
		if all, err = f(all, r.keys.now().UTC()); err != nil {
			return err
		}
		return r.write(tx, all)
	})
	if err != nil {
		return nil, err
	}
	r.remember(all)
	return all, nil
}

// rotate makes a new token. The one before stays good for as long as keep; those
// before that end, so that there are two at most.
func (r *Keyring) rotate(ctx context.Context, by string, keep time.Duration) (Token, error) {
	all, err := r.change(ctx, func(all []kept, now time.Time) ([]kept, error) {
		made, err := makeToken()
		if err != nil {
			return nil, err
		}
		made.MadeAt, made.MadeBy = now, by
		after := []kept{made}
		if len(all) > 0 && keep > 0 && all[0].good(now) {
			old := all[0]
			old.Until = now.Add(keep)
			after = append(after, old)
		}
		return after, nil
	})
	if err != nil {
		return Token{}, err
	}
	return all[0].public(time.Time{}), nil
}

// retire ends all but the newest. It says how many.
func (r *Keyring) retire(ctx context.Context) (ended int, err error) {
	_, err = r.change(ctx, func(all []kept, now time.Time) ([]kept, error) {
		ended = 0
		for _, k := range all[min(1, len(all)):] {
			if k.good(now) {
				ended++
			}
		}
		return all[:min(1, len(all))], nil
	})
	return ended, err
}

// forget ends all of them: the source is gone, and one of its name gets a new one.
func (r *Keyring) forget(ctx context.Context) error {
	_, err := r.change(ctx, func([]kept, time.Time) ([]kept, error) { return []kept{}, nil })
	return err
}

// list are the tokens that are good, the newest first.
func (r *Keyring) list(ctx context.Context) ([]Token, error) {
	var all []kept
	var used map[string]time.Time
	err := r.keys.store.View(ctx, func(tx *store.Tx) (err error) {
		if all, err = r.read(tx); err != nil {
			return err
		}
		used, err = r.readUsed(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	here := map[string]time.Time{}
	if p := r.tokens.Load(); p != nil {
		for _, k := range *p {
			if at := k.used.Load(); at > 0 {
				here[k.ID] = time.Unix(at, 0).UTC()
			}
		}
	}
	var tokens []Token
	for _, k := range all {
		if !k.good(r.keys.now()) {
			continue
		}
		at := used[k.ID]
		if here[k.ID].After(at) {
			at = here[k.ID]
		}
		tokens = append(tokens, k.public(at))
	}
	return tokens, nil
}

func (k kept) public(used time.Time) Token {
	return Token{ID: cmp.Or(k.ID, idOf(k.Token)), MadeAt: k.MadeAt, MadeBy: k.MadeBy, UsedAt: used, Until: k.Until}
}
