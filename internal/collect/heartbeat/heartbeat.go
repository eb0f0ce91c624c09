// Package heartbeat expects a ping from something that runs by itself, and opens an
// alert where there is none: a backup that did not run tells nobody.
//
//	/in/<source>/<token>          it is alive; the alert is over
//	/in/<source>/<token>/start    it has begun
//	/in/<source>/<token>/fail     it went wrong: an alert at once
//	/in/<source>/<token>/<0-255>  how it ended; 0 is alive, the rest fail
//	/in/<source>/<token>/log      a note, which changes nothing
//
// A ping is a GET, HEAD or POST; what is posted is kept, up to 10 KB of it. Each ping
// is an event in the journal. That one is late is an event too, which every replica
// makes alike, so that it counts once.
package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in for pings.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("heartbeat", "Expects a ping every so often, from a cron job or a script, and opens an alert when there is none.", open)
	k.Title, k.Dialect = "Heartbeat", dialect{}
	k.Sample = []byte(`{"status":"fail","at":"2026-01-01T00:00:00Z","level":"informational","text":"A test of the heartbeat"}`)
	return k
}

// Config is what can be set.
type Config struct {
	Token    secret.String `json:"token,omitzero" doc:"The part of the URL that nobody guesses, 16 characters or more. Left out, one is made and shown with the source."`
	Interval time.Duration `json:"interval" required:"true" doc:"How often a ping comes: 1m to 30d."`
	Grace    time.Duration `json:"grace" default:"5m" doc:"How late a ping may be. Nothing is late either before this has passed since the server started."`
	MaxRun   time.Duration `json:"max_run,omitempty" doc:"How long after its start it may take to end. Left out, only the interval counts."`
	Level    tocsin.Level  `json:"level" default:"high" doc:"Level of the alert."`
}

const (
	via              = "heartbeat"
	leastInterval    = time.Minute
	greatestInterval = 30 * 24 * time.Hour
	// maxText is how much of what is posted is kept, in bytes.
	maxText = 10 << 10
	// stateKey is where the last ping is kept.
	stateKey = "pings"
	// look is how often a replica looks at least whether another one was pinged.
	look = time.Minute
	// retry is how soon it looks again after it could not.
	retry = 5 * time.Second
)

// source is the collector.
type source struct {
	*collect.Door
	env collect.Env
	Config

	mu sync.Mutex // held while the last ping is read and written
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	switch {
	case c.Interval < leastInterval || c.Interval > greatestInterval:
		return nil, fmt.Errorf("interval: %v is not between 1m and 30d", c.Interval)
	case c.Grace < time.Second || c.Grace > greatestInterval:
		return nil, fmt.Errorf("grace: %v is not between 1s and 30d", c.Grace)
	case c.MaxRun != 0 && (c.MaxRun < time.Second || c.MaxRun > greatestInterval):
		return nil, fmt.Errorf("max_run: %v is not between 1s and 30d", c.MaxRun)
	}
	door, err := collect.NewDoor(env, c.Token)
	if err != nil {
		return nil, err
	}
	s := &source{Door: door, env: env, Config: c}
	env.Handle(s)
	return s, nil
}

// pings are what is known of the pings, for all replicas.
type pings struct {
	// Since is when they were first expected, Last when the last one came, and Start
	// when it began, if it did not end since.
	Since time.Time `json:"since,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	Start time.Time `json:"start,omitzero"`
}

// ahead is how far ahead another replica's clock may be.
const ahead = time.Minute

// untilNow takes what is yet to come for now: a clock was wrong when it was
// written, and no ping would be missed until then.
func (p *pings) untilNow(now time.Time) {
	for _, at := range []*time.Time{&p.Since, &p.Last, &p.Start} {
		if at.After(now.Add(ahead)) {
			*at = now
		}
	}
}

func (s *source) load(ctx context.Context) (p pings, err error) {
	text, err := s.env.State.Load(ctx, stateKey)
	if err != nil || text == nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("%s: %w", stateKey, err)
	}
	return p, nil
}

// change changes what is known.
func (s *source) change(ctx context.Context, change func(*pings)) (pings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.load(ctx)
	if err != nil {
		return p, err
	}
	before := p
	p.untilNow(tocsin.Millis(s.env.Now()))
	if change(&p); p == before {
		return p, nil
	}
	text, err := json.Marshal(p)
	if err != nil { // times have a form in JSON
		return p, err
	}
	return p, s.env.State.Save(ctx, stateKey, text)
}

// A beat is an event: a ping, or that there was none.
type beat struct {
	Heartbeat string       `json:"heartbeat"`
	Status    status       `json:"status"`
	At        time.Time    `json:"at"`
	Level     tocsin.Level `json:"level,omitempty"`
	Exit      int          `json:"exit,omitempty"`
	// Last is the last ping and Interval how often one is expected, of one that is
	// late; Start when it began, of one that takes too long.
	Last     time.Time `json:"last,omitzero"`
	Interval string    `json:"interval,omitempty"`
	Start    time.Time `json:"start,omitzero"`
	Text     string    `json:"text,omitempty"`
}

type status string

// The statuses of beats.
const (
	alive   status = "ok"
	started status = "start"
	failed  status = "fail"
	noted   status = "log"
	late    status = "late"
	overrun status = "overrun"
)

// ServeHTTP takes a ping.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := s.Admit(r)
	if !ok {
		s.Stranger()
		http.NotFound(w, r)
		return
	}
	b := beat{Heartbeat: s.env.Name, At: tocsin.Millis(s.env.Now())}
	switch b.Status, b.Exit, ok = meaning(strings.Trim(rest, "/")); {
	case !ok:
		http.Error(w, "want nothing behind the token, or start, fail, log, or how it ended, 0 to 255", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "ping with GET, HEAD or POST", http.StatusMethodNotAllowed)
		return
	}
	if r.Method == http.MethodPost {
		text, err := io.ReadAll(io.LimitReader(r.Body, maxText))
		if err != nil {
			again(w)
			return
		}
		b.Text = strings.ToValidUTF8(string(text), "\uFFFD")
	}
	if b.Status == failed {
		b.Level = s.Level
	}
	if err := s.take(r.Context(), b); err != nil {
		again(w)
		return
	}
	_, _ = w.Write([]byte("OK\n")) // whoever pings is gone, or pings again
}

// meaning is what is said by what is behind the token.
func meaning(rest string) (s status, exit int, ok bool) {
	switch s := status(rest); s {
	case "":
		return alive, 0, true
	case started, failed, noted:
		return s, 0, true
	}
	n, err := strconv.ParseUint(rest, 10, 8)
	switch {
	case err != nil:
		return "", 0, false
	case n == 0:
		return alive, 0, true
	}
	return failed, int(n), true
}

func again(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "the ping could not be kept: ping again", http.StatusServiceUnavailable)
}

// take hands the ping on and remembers it.
func (s *source) take(ctx context.Context, b beat) error {
	if _, err := s.Deliver(ctx, s.event(b, "")); err != nil {
		return err
	}
	_, err := s.change(ctx, func(p *pings) {
		switch b.Status {
		case alive, failed:
			if b.At.After(p.Last) {
				p.Last, p.Start = b.At, time.Time{}
			}
		case started:
			p.Start = b.At
		}
	})
	if err != nil {
		s.env.Log.ErrorContext(ctx, "ping not remembered", slog.String("source", s.env.Name), slog.Any("err", err))
	}
	return err
}

func (s *source) event(b beat, envelope string) tocsin.Event {
	raw, err := json.Marshal(b)
	if err != nil { // texts and times have a form in JSON
		raw = []byte("{}")
	}
	return tocsin.Event{Source: s.env.Name, Via: via, ReceivedAt: s.env.Now(), Raw: raw, Envelope: envelope}
}

// Run lets pings through to sink until ctx ends, and tells of those that do not come.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.watch(ctx)
	}()
	err := s.Door.Run(ctx, sink)
	<-ended
	return err
}

// watch looks at the pings whenever one may be late.
func (s *source) watch(ctx context.Context) {
	w := watcher{source: s, from: s.env.Now().Add(s.Grace), told: map[string]bool{}}
	for {
		next, err := w.turn(ctx)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, collect.ErrStopped) {
				s.env.Log.ErrorContext(ctx, "pings not looked at; trying again", slog.String("source", s.env.Name), slog.Any("err", err))
			}
			next = retry
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// A watcher tells what is due, once.
type watcher struct {
	*source
	// from is when something may be late first.
	from time.Time
	// told are the envelopes of what was told by this replica and is still so.
	told map[string]bool
}

// turn tells of what is due, and says how long nothing else is.
func (w *watcher) turn(ctx context.Context) (next time.Duration, err error) {
	p, err := w.change(ctx, func(p *pings) {
		if p.Since.IsZero() {
			p.Since = tocsin.Millis(w.env.Now())
		}
	})
	if err != nil {
		return 0, err
	}
	now, next := w.env.Now(), look
	if first := now.Add(w.Grace); w.from.After(first) {
		w.from = first // the clock was wrong when it began
	}
	told := map[string]bool{}
	for _, d := range w.due(p) {
		envelope := string(d.Status) + "/" + strconv.FormatInt(d.At.UnixMilli(), 10)
		at := d.At
		if at.Before(w.from) {
			at = w.from
		}
		switch {
		case w.told[envelope]:
			told[envelope] = true
		case now.Before(at):
			next = min(next, at.Sub(now))
		default:
			if _, err := w.Hand(ctx, w.event(d, envelope)); err != nil {
				return 0, err
			}
			w.told[envelope], told[envelope] = true, true
		}
	}
	w.told = told
	return max(next, time.Millisecond), nil
}

// due are the beats that tell of what is wrong if nothing comes before their time.
func (w *watcher) due(p pings) []beat {
	last := p.Last
	if last.IsZero() {
		last = p.Since
	}
	all := []beat{{
		Heartbeat: w.env.Name, Status: late, Level: w.Level, At: last.Add(w.Interval + w.Grace),
		Last: p.Last, Interval: span(w.Interval),
	}}
	if w.MaxRun > 0 && p.Start.After(p.Last) {
		all = append(all, beat{Heartbeat: w.env.Name, Status: overrun, Level: w.Level, At: p.Start.Add(w.MaxRun), Start: p.Start})
	}
	return all
}

// span is a duration as it is written in the configuration.
func span(d time.Duration) string {
	days := d / (24 * time.Hour)
	rest := d % (24 * time.Hour)
	var text string
	if days > 0 {
		text = strconv.Itoa(int(days)) + "d"
	}
	if rest > 0 {
		text += strings.TrimSuffix(strings.TrimSuffix(rest.String(), "0s"), "0m")
	}
	return text
}

// Status says how the pings stand. A late one is the alert's business: the source
// itself is well.
func (s *source) Status(ctx context.Context) collect.Status {
	st := s.Door.Status(ctx)
	p, err := s.load(ctx)
	switch {
	case err != nil:
		st.State, st.Lines = "failing", append(st.Lines, tocsin.Fact{Name: "Last ping", Value: "it could not be looked up"})
	case p.Last.IsZero():
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Last ping", Value: "none yet"})
	default:
		st.Lines = append(st.Lines,
			tocsin.Fact{Name: "Last ping", Value: p.Last.Format(time.RFC3339)},
			tocsin.Fact{Name: "Late from", Value: p.Last.Add(s.Interval + s.Grace).Format(time.RFC3339)})
	}
	return st
}

// Describe tells how to ping.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	address := s.URL(reveal)
	return []tocsin.Fact{
		{Name: "Ping", Value: address},
		{Name: "In a crontab", Value: "0 3 * * * /usr/local/bin/backup; curl -fsS -m 10 --retry 5 -o /dev/null " + address + "/$?"},
		{Name: "Expected", Value: "every " + span(s.Interval) + ", " + span(s.Grace) + " late at most"},
	}
}
