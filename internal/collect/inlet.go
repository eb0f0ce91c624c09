package collect

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// An Inlet is what the collectors that listen over HTTP have in common: the
// token, the body, and the sink that is there only while the collector runs.
type Inlet struct {
	env   Env
	token secret.String
	hash  [sha256.Size]byte
	made  bool // token is env's, which may turn it over

	begun chan struct{} // closed once Run was called
	begin sync.Once
	mu    sync.RWMutex
	sink  Sink           // nil before and after Run
	under sync.WaitGroup // calls of sink

	strangers strangers
	unkept    unkept
}

// Errors of an Inlet that callers ask for by name.
var (
	// ErrStopped says that the collector does not run (yet, or any more).
	ErrStopped = errors.New("the collector is not running")
	// ErrTooLarge says that a body is longer than MaxBody, unpacked.
	ErrTooLarge = errors.New("the body is too large")
)

// beginning is for how long a delivery waits for Run to be called: at a reload, what
// comes meanwhile to the doors of the new configuration is held until the old one
// has let go, and not sent away.
const beginning = 4 * time.Second

// shortToken is below what nobody guesses. A shorter one is the operator's choice
// and draws a warning; one that is made here has 43 characters.
const shortToken = 16

// NewInlet makes the inlet of the source that env is for. Without a token in the
// settings it takes env's.
func NewInlet(env Env, token secret.String) (*Inlet, error) {
	if env.Handle == nil {
		return nil, errors.New("nothing listens for HTTP here; set listen")
	}
	given := !token.IsZero()
	if !given {
		made, err := env.Token()
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		token = made
	} else if n := len(token.Reveal()); n < shortToken {
		env.Log.Warn("the token is short enough to be guessed; leave it out and one is made", "source", env.Name, "characters", n)
	}
	return &Inlet{env: env, token: token, hash: sha256.Sum256([]byte(token.Reveal())), made: !given, begun: make(chan struct{})}, nil
}

// Run lets events through to sink until ctx ends, and returns once no call of
// sink is under way. A body that is still being sent then does not hold it up.
func (in *Inlet) Run(ctx context.Context, sink Sink) error {
	in.mu.Lock()
	in.sink = sink
	in.mu.Unlock()
	in.begin.Do(func() { close(in.begun) })
	<-ctx.Done()
	in.mu.Lock()
	in.sink = nil
	in.mu.Unlock()
	in.under.Wait()
	return nil
}

// Hand hands events to the sink, for which it waits a moment if Run was not called
// yet. The error is ErrStopped where there is none.
//
// It returns when ctx ends, at the latest, whatever the sink does: one that does not
// heed ctx, as while the disk hangs in a commit, goes on. The events are its until it is
// done. They are kept or not, and known as a redelivery when the sender, who is told to
// come again, does.
func (in *Inlet) Hand(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	return in.hand(ctx, events, func() {})
}

// hand calls done once the sink is done with the events.
func (in *Inlet) hand(ctx context.Context, events []tocsin.Event, done func()) ([]tocsin.Receipt, error) {
	sink := in.enter(ctx)
	if sink == nil {
		done()
		return nil, ErrStopped
	}
	kept, left := make(chan outcome), make(chan struct{})
	go func() {
		defer in.under.Done()
		o := outcomeOf(ctx, sink, events)
		done()
		select {
		case kept <- o:
		case <-left:
			if o.panicked != nil { // and nobody waits for it
				o.err = fmt.Errorf("panic: %v", o.panicked)
				in.env.Log.Error("events not kept", slog.String("source", in.env.Name), slog.Any("err", o.err))
			}
			in.unkept.note(o.err, in.env.Now)
		}
	}()
	select {
	case o := <-kept:
		return in.told(o)
	case <-ctx.Done():
	}
	select {
	case o := <-kept: // in the same moment
		return in.told(o)
	default:
	}
	defer close(left) // what the sink says later is noted later
	return in.told(outcome{err: fmt.Errorf("no answer of the store: %w", ctx.Err())})
}

// told gives on what came of a call, and notes it.
func (in *Inlet) told(o outcome) ([]tocsin.Receipt, error) {
	o.rethrow()
	in.unkept.note(o.err, in.env.Now)
	return o.receipts, o.err
}

// An outcome is what came of a call of the sink.
type outcome struct {
	receipts []tocsin.Receipt
	err      error
	panicked any
}

func outcomeOf(ctx context.Context, sink Sink, events []tocsin.Event) (o outcome) {
	defer func() { o.panicked = recover() }()
	o.receipts, o.err = sink(ctx, events...)
	return o
}

// rethrow has a panic of the sink's go on in who waits for it: a request ends by that,
// and not the whole program.
func (o outcome) rethrow() {
	if o.panicked != nil {
		panic(o.panicked)
	}
}

// enter is the sink, for a call that in.under knows of; nil where there is none.
func (in *Inlet) enter(ctx context.Context) Sink {
	if !in.running(ctx) {
		return nil
	}
	in.mu.RLock()
	defer in.mu.RUnlock()
	if in.sink != nil {
		in.under.Add(1)
	}
	return in.sink
}

// running waits for Run to be called, and reports whether it was.
func (in *Inlet) running(ctx context.Context) bool {
	select {
	case <-in.begun:
		return true
	default:
	}
	timer := time.NewTimer(beginning)
	defer timer.Stop()
	select {
	case <-in.begun:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// Standing says how the source stands: it is ready whenever the server is, and failing
// while what it is sent cannot be kept.
func (in *Inlet) Standing() Status {
	st := Status{State: "ok"}
	if fact, lately, ok := in.unkept.fact(in.env.Now()); ok {
		st.Lines = append(st.Lines, fact)
		if lately {
			st.State = "failing"
		}
	}
	if fact, ok := in.Strangers(); ok {
		st.Lines = append(st.Lines, fact)
	}
	return st
}

// Ready reports whether there is a sink: Run was called and goes on.
func (in *Inlet) Ready() bool {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.sink != nil
}

// Knows reports whether token is the source's. It takes the same time whatever
// the token is.
func (in *Inlet) Knows(token string) bool {
	if in.made && in.env.Admits != nil {
		return in.env.Admits(token)
	}
	hash := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(hash[:], in.hash[:]) == 1
}

// PathToken is the part of the request's path behind /in/<Name>/, or empty.
func (in *Inlet) PathToken(r *http.Request) string {
	rest, ok := strings.CutPrefix(r.URL.Path, "/in/"+in.env.Name)
	if !ok {
		return ""
	}
	return strings.TrimPrefix(rest, "/")
}

// URL is how the world reaches the source, with its token or with "***" in its place.
func (in *Inlet) URL(reveal bool) string {
	if !reveal {
		return in.env.PublicURL + "/" + in.token.String()
	}
	return in.env.PublicURL + "/" + url.PathEscape(in.Token())
}

// Token is the source's token itself, for a person who may see it: the newest where
// it was turned over.
func (in *Inlet) Token() string {
	if in.made {
		if token, err := in.env.Token(); err == nil {
			return token.Reveal()
		}
	}
	return in.token.Reveal()
}

// MadeToken reports whether the token was made here, and is not the configuration's.
func (in *Inlet) MadeToken() bool { return in.made }

// Stranger takes note of a request without the right token: counted, and logged
// once a minute at most.
func (in *Inlet) Stranger() {
	if n := in.strangers.note(in.env.Now()); n > 0 {
		in.env.Log.Warn("requests with a wrong token", slog.String("source", in.env.Name), slog.Int64("count", n))
	}
}

// Strangers is how many requests came without the right token, as a fact for the
// Sources page; ok is false if none did.
func (in *Inlet) Strangers() (fact tocsin.Fact, ok bool) {
	s := &in.strangers
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total == 0 {
		return tocsin.Fact{}, false
	}
	return tocsin.Fact{
		Name:  "Wrong tokens",
		Value: fmt.Sprintf("%d since the start, last %s", s.total, s.last.UTC().Format(time.RFC3339)),
	}, true
}

// unkept is whether the sink keeps what it is handed.
type unkept struct {
	failing atomic.Bool // there is an err; written with mu held

	mu          sync.Mutex // guards what follows
	since, last time.Time
	err         error // of the last time; nil once it keeps again
}

// lately is for how long a source whose senders do not come again is held to be failing.
const lately = 5 * time.Minute

// note takes note of what the sink said. A sender that leaves is not the sink's fault.
// While nothing fails it costs next to nothing.
func (u *unkept) note(err error, now func() time.Time) {
	if err == nil && !u.failing.Load() || errors.Is(err, context.Canceled) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	at := now()
	if u.err == nil {
		u.since = at
	}
	u.last, u.err = at, err
	u.failing.Store(err != nil)
}

// fact is why and since when nothing is kept; ok is false if that is not so, or not
// known to be.
func (u *unkept) fact(now time.Time) (fact tocsin.Fact, recent, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		return tocsin.Fact{}, false, false
	}
	return tocsin.Fact{
		Name: "Journal",
		Value: "failing since " + u.since.UTC().Format(time.RFC3339) + ", last at " + u.last.UTC().Format(time.RFC3339) +
			": " + u.err.Error() + "; senders are told to come again",
	}, now.Sub(u.last) < lately, true
}

type strangers struct {
	mu       sync.Mutex
	total    int64
	unlogged int64
	last     time.Time
	logged   time.Time
}

// note is how many are to be logged now, or 0.
func (s *strangers) note(now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	s.unlogged++
	s.last = now
	if !s.logged.IsZero() && now.Sub(s.logged) < time.Minute {
		return 0
	}
	n := s.unlogged
	s.unlogged, s.logged = 0, now
	return n
}

// roomAtOnce is for how long a body, in bytes, the sender is believed before it is there.
const roomAtOnce = 1 << 20

// ReadBody reads a request's body, and unpacks it if it is gzip, whatever the
// headers say. What begins like gzip and is none stays as it is. The error is
// ErrTooLarge or, where the sender is gone, one of reading. The bytes are nobody else's: a
// sink that hangs has them when the request was answered long ago.
func ReadBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return nil, ErrTooLarge
	}
	var b bytes.Buffer
	if 0 < r.ContentLength && r.ContentLength < roomAtOnce {
		b.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if err := fill(&b, r.Body); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b.Bytes(), gzipMagic) {
		unpacked, err := unpack(b.Bytes())
		if err == nil || errors.Is(err, ErrTooLarge) {
			return unpacked, err
		}
	}
	return b.Bytes(), nil
}

var gzipMagic = []byte{0x1f, 0x8b}

func unpack(packed []byte) ([]byte, error) {
	from, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := fill(&b, from); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func fill(b *bytes.Buffer, from io.Reader) error {
	n, err := b.ReadFrom(io.LimitReader(from, MaxBody+1))
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if n > MaxBody {
		return ErrTooLarge
	}
	return nil
}
