package collect

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Pull is how a collector that fetches its events stands with what it fetches
// them from: which parts of it (a shard, a log group, a poller of a queue) cannot be
// had just now, since when and why. It says once in the log that something fails, and
// once that all of it works again; Status says it meanwhile. It is safe for many
// goroutines.
type Pull struct {
	source string
	log    *slog.Logger
	now    func() time.Time

	many      atomic.Int64 // parts that fail; written with mu held
	throttles atomic.Int64

	mu    sync.Mutex // guards what follows
	parts map[string]failure
	began time.Time // when the first of them failed
	lost  []tocsin.Fact
}

// A failure is why a part cannot be had.
type failure struct {
	since time.Time
	err   error
	over  chan struct{} // closed once it works again
}

// How long a part that fails is left alone: between as long as it has been failing
// already and twice that, by chance, but no shorter and no longer than this.
const (
	shortestWait = time.Second
	longestWait  = time.Minute
)

// maxFailing and maxLost are how many parts that fail, and losses, are listed.
const (
	maxFailing = 5
	maxLost    = 10
)

// throttledFor is how long a part may be throttled before that is a failure: others use
// it as well, and come and go.
const throttledFor = 30 * time.Second

// NewPull makes the Pull of the source that env is for: of that it needs Name, Log
// and Now.
func NewPull(env Env) *Pull {
	return &Pull{source: env.Name, log: env.Log, now: env.Now, parts: map[string]failure{}}
}

// Again takes note that part failed, as [Pull.Failed] does, and waits before it is to
// be tried again: longer the longer it fails, at least a second, no less than least
// and, unless least is more, a minute at most. Where others use the same part and it
// works for one of them meanwhile, a second or least is enough. It is false if ctx
// ended.
func (p *Pull) Again(ctx context.Context, part string, err error, least time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	f := p.fail(ctx, part, err)
	least = max(least, shortestWait)
	more := wait(p.now().Sub(f.since)) - least
	if !Sleep(ctx, least) || more <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(more)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-f.over:
	case <-timer.C:
	}
	return true
}

// Failed takes note that part failed, and says for how long it has been failing. What
// fails because ctx ended is no failure.
func (p *Pull) Failed(ctx context.Context, part string, err error) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	return p.now().Sub(p.fail(ctx, part, err).since)
}

func (p *Pull) fail(ctx context.Context, part string, err error) failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if len(p.parts) == 0 {
		p.began = now
		p.log.ErrorContext(ctx, "source fails; trying again", slog.String("source", p.source), slog.String("part", part), slog.Any("err", err))
	}
	f, ok := p.parts[part]
	if !ok {
		f = failure{since: now, over: make(chan struct{})}
	}
	f.err = err
	p.parts[part] = f
	p.many.Store(int64(len(p.parts)))
	return f
}

// Worked takes note that part works, or is no longer there. It costs next to nothing
// while nothing fails.
func (p *Pull) Worked(ctx context.Context, part string) {
	if p.many.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.parts[part]
	if !ok {
		return
	}
	close(f.over)
	delete(p.parts, part)
	p.many.Store(int64(len(p.parts)))
	if len(p.parts) == 0 {
		p.log.InfoContext(ctx, "source works again", slog.String("source", p.source), slog.String("after", p.now().Sub(p.began).Round(time.Millisecond).String()))
	}
}

// Throttled takes note that a part is used too often by all who use it, and waits a
// second or two. since is when that began, which is the caller's: zero while it works. It
// is false where it has gone on for half a minute: then it is a failure.
func (p *Pull) Throttled(ctx context.Context, since *time.Time) bool {
	p.throttles.Add(1)
	now := p.now()
	if since.IsZero() {
		*since = now
	}
	if now.Sub(*since) >= throttledFor {
		return false
	}
	Sleep(ctx, time.Second+rand.N(time.Second)) //nolint:gosec // chance, no secret
	return true
}

// Loses says that events of a part may be gone unread, in the log and in Status from
// then on; the part is "" where there is but one.
func (p *Pull) Loses(ctx context.Context, part, what string) {
	p.log.ErrorContext(ctx, "events may be lost", slog.String("source", p.source), slog.String("part", part), slog.String("what", what))
	name := "Lost"
	if part != "" {
		name += ", " + part
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = append(p.lost, tocsin.Fact{Name: name, Value: what})
	p.lost = p.lost[max(0, len(p.lost)-maxLost):]
}

// Status is "failing" with what fails, since when and why, or "ok"; with what may be
// lost, and how often it was throttled.
func (p *Pull) Status() Status {
	st := Status{State: "ok"}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.parts) > 0 {
		st.State = "failing"
	}
	for i, part := range slices.Sorted(maps.Keys(p.parts)) {
		if i == maxFailing {
			st.Lines = append(st.Lines, tocsin.Fact{Name: "Failing", Value: strconv.Itoa(len(p.parts)-i) + " more"})
			break
		}
		f := p.parts[part]
		st.Lines = append(st.Lines, tocsin.Fact{
			Name:  cmp.Or(part, "Failing"),
			Value: "failing since " + f.since.UTC().Format(time.RFC3339) + ": " + f.err.Error(),
		})
	}
	st.Lines = append(st.Lines, p.lost...)
	if n := p.throttles.Load(); n > 0 {
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Throttled", Value: strconv.FormatInt(n, 10) + " since the start"})
	}
	return st
}

// wait is how long to leave alone what has been failing for so long.
func wait(failing time.Duration) time.Duration {
	half := min(max(failing, shortestWait), longestWait/2)
	return half + rand.N(half)
}

// Start reads the setting of that name, where it is read from first: one of words,
// however it is written, or a time that is not yet to come. The other one is zero.
func Start(text string, now time.Time, words ...string) (word string, at time.Time, err error) {
	for _, w := range words {
		if strings.EqualFold(text, w) {
			return w, time.Time{}, nil
		}
	}
	at, err = time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return "", time.Time{}, fmt.Errorf("start: %q is neither %s, and no time such as 2026-06-01T00:00:00Z", text, strings.Join(words, " nor "))
	case at.After(now):
		return "", time.Time{}, fmt.Errorf("start: %s is yet to come", text)
	}
	return "", at, nil
}

// Sleep waits for d; it is false if ctx ended before.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
