package canary

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	// together is how many canaries are noted in one transaction, and how many are
	// sent at the same time.
	together = 16
	// attempts is how often one is tried to be sent where that may help, and pause how
	// long it waits in between, at least.
	attempts = 3
	pause    = time.Second
	// soonest is how soon after one that could not be sent another is tried.
	soonest = 5 * time.Minute
	// parting is how long what is being sent is given when the source ends.
	parting = 3 * time.Second
	// ahead is how far ahead another replica's clock may be.
	ahead = time.Minute
	// sending is how long who noted a canary is given to send it.
	sending = 30 * time.Second
	// secretKey is where the secret is kept that ids are made with.
	secretKey = "secret"
)

// A sender sends canaries when it is time.
type sender struct {
	*source
	begun bool
	// doubtful are those that were out when this replica began: it is not known whether
	// whoever noted them sent them.
	doubtful []tocsin.Canary
	// done is the time of the last turn after which nothing was left to send.
	done time.Time
}

// turn sends what is due. Between two times at which something may be it costs
// nothing.
func (s *sender) turn(ctx context.Context) {
	now := tocsin.Millis(s.env.Now())
	if s.sameSlot(s.done, now) {
		return
	}
	if s.sendDue(ctx, now) {
		s.done = now
	}
}

// sameSlot reports whether nothing new may be due at b that was not at a.
func (s *source) sameSlot(a, b time.Time) bool {
	for _, every := range []time.Duration{s.Every, min(s.Every, soonest)} {
		if !a.Truncate(every).Equal(b.Truncate(every)) {
			return false
		}
	}
	return true
}

// sendDue sends what is due now, and reports whether it saw to all of it.
func (s *sender) sendDue(ctx context.Context, now time.Time) bool {
	key, err := s.secret(ctx)
	if err != nil {
		s.pull.Failed(ctx, "secret", err)
		return false
	}
	s.pull.Worked(ctx, "secret")
	accounts, err := s.fleet.accounts(ctx)
	if err != nil {
		s.pull.Failed(ctx, "accounts", err)
		return false
	}
	s.pull.Worked(ctx, "accounts")
	latest, err := s.env.Canaries.Latest(ctx)
	if err != nil {
		s.pull.Failed(ctx, "canaries", err)
		return false
	}
	s.pull.Worked(ctx, "canaries")
	s.reach(ctx, accounts)
	newest := map[tocsin.Place]tocsin.Canary{}
	for _, c := range latest {
		if before, ok := newest[c.Place]; !ok || c.SentAt.After(before.SentAt) {
			newest[c.Place] = c
		}
	}
	if !s.begun {
		s.begun = true
		s.doubt(newest, now)
	}
	s.again(ctx, newest, now)
	var due []tocsin.Canary
	for _, p := range s.places {
		if slot, ok := s.slot(newest[p], now); ok {
			due = append(due, tocsin.Canary{Place: p, ID: id(key, p, slot, s.Mode), Source: s.env.Name})
		}
	}
	for len(due) > 0 {
		n := min(together, len(due))
		if !s.send(ctx, due[:n]) {
			return false
		}
		due = due[n:]
	}
	return len(s.doubtful) == 0
}

// reach sets from which places canaries are sent.
func (s *sender) reach(ctx context.Context, accounts []string) {
	var all []tocsin.Place
	for _, account := range accounts {
		for _, region := range s.Regions {
			all = append(all, tocsin.Place{Account: account, Region: region})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[tocsin.Place]bool{}
	for _, p := range all {
		known[p] = true
	}
	for _, p := range s.places {
		if !known[p] {
			delete(s.trails, p)
			s.pull.Worked(ctx, label(p, ""))
		}
	}
	s.places = all
}

// slot is when the canary that is due was to be sent; false where none is. Where the
// last one could not be sent, the next does not wait for long.
func (s *source) slot(newest tocsin.Canary, now time.Time) (time.Time, bool) {
	every := s.Every
	if newest.Error != "" && newest.ArrivedAt.IsZero() {
		every = min(every, soonest)
	}
	slot := now.Truncate(every)
	return slot, newest.SentAt.Before(slot) || newest.SentAt.After(now.Add(ahead))
}

// id is the canary's of that place and time, the same whoever makes it.
func id(key []byte, p tocsin.Place, slot time.Time, mode string) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\n%s\n%s\n%d", mode, p.Account, p.Region, slot.Unix())
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// secret is what ids are made with: the same for replicas that begin at once, so that
// the first canary of a place has one id, and one of them sends it.
func (s *source) secret(ctx context.Context) ([]byte, error) {
	key, err := s.env.State.Load(ctx, secretKey)
	if err != nil || len(key) == sha256.Size {
		return key, err
	}
	made := make([]byte, sha256.Size)
	_, _ = rand.Read(made) // it never fails: see crypto/rand
	if key != nil {        // it is none, and nobody's
		return made, s.env.State.Save(ctx, secretKey, made)
	}
	return s.env.State.First(ctx, secretKey, made)
}

// doubt takes note of what is out: whoever noted it may have ended before sending it.
func (s *sender) doubt(newest map[tocsin.Place]tocsin.Canary, now time.Time) {
	for _, p := range s.places {
		if c, ok := newest[p]; ok && isOut(c) && (c.Sample != "") == (s.Mode == modeSample) && now.Sub(c.SentAt) < s.Every {
			s.doubtful = append(s.doubtful, c)
		}
	}
}

// again sends once more what is in doubt and is still out when its sender, another
// replica that began at the same time perhaps, has had the time to send it. It has the
// same id, so that it counts once.
func (s *sender) again(ctx context.Context, newest map[tocsin.Place]tocsin.Canary, now time.Time) {
	var out, wait []tocsin.Canary
	for _, c := range s.doubtful {
		switch n := newest[c.Place]; {
		case n.ID != c.ID || !isOut(n):
		case now.Sub(c.SentAt) < min(sending, s.Within/2):
			wait = append(wait, c)
		default:
			out = append(out, c)
		}
	}
	s.doubtful = wait
	for len(out) > 0 && ctx.Err() == nil {
		n := min(together, len(out))
		s.all(ctx, out[:n], func(ctx context.Context, c tocsin.Canary) {
			if d, err := s.prepare(ctx, c.Place); err == nil {
				_ = s.sendOne(ctx, c, d) // it was sent before, perhaps
			}
		})
		out = out[n:]
	}
}

// isOut reports whether a canary is under way, as far as is known.
func isOut(c tocsin.Canary) bool { return c.ArrivedAt.IsZero() && c.Error == "" }

// send notes canaries and sends those that nobody has sent. It is false if they could
// not be noted.
func (s *sender) send(ctx context.Context, due []tocsin.Canary) bool {
	detectors := make(map[tocsin.Place]detector, len(due))
	refused := make(map[tocsin.Place]error, len(due))
	var mu sync.Mutex // guards both
	s.all(ctx, due, func(ctx context.Context, c tocsin.Canary) {
		d, err := s.prepare(ctx, c.Place)
		mu.Lock()
		defer mu.Unlock()
		detectors[c.Place], refused[c.Place] = d, err
	})
	if ctx.Err() != nil {
		return false
	}
	now := tocsin.Millis(s.env.Now())
	for i := range due {
		c := &due[i]
		c.SentAt, c.Due = now, now.Add(s.Within+detectors[c.Place].frequency)
		if s.Mode == modeSample {
			c.Sample = s.Type
		}
	}
	sent, err := s.env.Canaries.Send(ctx, due...)
	if err != nil { // the next turn makes the same
		s.pull.Failed(ctx, "canaries", err)
		return false
	}
	s.all(ctx, sent, func(ctx context.Context, c tocsin.Canary) {
		err := refused[c.Place]
		if err == nil {
			err = s.sendOne(ctx, c, detectors[c.Place])
		}
		s.sent(ctx, c, err)
	})
	return true
}

// prepare asks what has to be known of the place before.
func (s *source) prepare(ctx context.Context, p tocsin.Place) (d detector, err error) {
	if s.Mode != modeSample {
		return d, nil
	}
	err = s.patiently(ctx, func() (err error) {
		d, err = s.fleet.detector(ctx, p)
		return err
	})
	return d, err
}

func (s *source) sendOne(ctx context.Context, c tocsin.Canary, d detector) error {
	return s.patiently(ctx, func() error {
		if s.Mode == modeSample {
			return s.fleet.sample(ctx, c, d)
		}
		return s.fleet.put(ctx, c)
	})
}

// patiently tries again what may pass.
func (s *source) patiently(ctx context.Context, do func() error) error {
	for i := 1; ; i++ {
		err := do()
		if err == nil || i == attempts || notify.IsPermanent(err) {
			return err
		}
		wait := pause + mathrand.N(pause) //nolint:gosec // chance, no secret
		if asked, ok := notify.RetryAfter(err); ok {
			wait = max(wait, min(asked, 10*pause))
		}
		if !collect.Sleep(ctx, wait) {
			return err
		}
	}
}

// sent takes note of what came of sending.
func (s *source) sent(ctx context.Context, c tocsin.Canary, err error) {
	part := label(c.Place, "")
	if err == nil {
		s.pull.Worked(ctx, part)
		return
	}
	s.pull.Failed(ctx, part, err)
	why := err.Error()
	if ctx.Err() != nil {
		why = "tocsin ended while it was being sent"
	}
	// It is noted whatever becomes of ctx: else one that was never sent would be missed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if err := s.env.Canaries.Fail(ctx, c.ID, why); err != nil {
		s.pull.Failed(ctx, "canaries", err)
	}
}

// all does something for each, at the same time. When ctx ends, what is under way is
// given a moment.
func (s *source) all(ctx context.Context, cs []tocsin.Canary, do func(context.Context, tocsin.Canary)) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(parting, cancel) })
	defer stop()
	var each sync.WaitGroup
	for _, c := range cs {
		each.Go(func() { do(late, c) })
	}
	each.Wait()
}
