// Package logs reads events from a log group of Amazon CloudWatch Logs that EventBridge
// writes to.
//
// FilterLogEvents is asked every few seconds for what is newer than a cursor, less an
// overlap for what is written late, and paged to its end. What was had before is known
// by its event id, which is the envelope's. The cursor moves on only after the events
// were kept: after a crash those since are read again. Where time matters it is the
// service's, so that a clock that is wrong here moves no cursor. Of several replicas
// one reads, see [collect.Roster].
//
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	api "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Kind is the way in by CloudWatch Logs.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define(via, "Reads events from a log group of Amazon CloudWatch Logs, where EventBridge writes them.", open)
	k.Title = "Amazon CloudWatch Logs"
	return k
}

// Config is what can be set.
type Config struct {
	Group   string        `json:"log_group" required:"true" doc:"ARN or name of the log group. EventBridge writes to those whose name begins with /aws/events/." example:"arn:aws:logs:eu-west-1:111122223333:log-group:/aws/events/guardduty"`
	Streams string        `json:"stream_prefix,omitempty" doc:"Only log streams whose name begins so. Left out, all are read."`
	Filter  string        `json:"filter_pattern,omitempty" doc:"Only log events that fit this pattern of CloudWatch Logs: { $.source = \"aws.guardduty\" }."`
	Start   string        `json:"start,omitempty" default:"latest" doc:"Where to begin when the group is read for the first time: latest, with what is written from then on, and in the overlap before; oldest, with everything that is there; or a time, 2026-06-01T00:00:00Z. Later it is read on from its cursor."`
	Overlap time.Duration `json:"overlap,omitempty" default:"5m" doc:"How much later than it is dated an event may be written and still be found: 1m to 2d. All of that is asked for each time."`
	Every   time.Duration `json:"every,omitempty" default:"10s" doc:"How often the group is read: 1s to 1h. An account can read five times a second and region, or a little more, with all its tools together."`
	aws.Settings
}

const (
	via             = "logs"
	latest          = "latest"
	oldest          = "oldest"
	defaultOverlap  = 5 * time.Minute
	leastOverlap    = time.Minute
	greatestOverlap = 48 * time.Hour
	defaultEvery    = 10 * time.Second
	leastEvery      = time.Second
	greatestEvery   = time.Hour
	// gap is how long is waited between pages.
	gap = 250 * time.Millisecond
	// maxEvents and maxBytes are how much is handed to the sink at once.
	maxEvents = 500
	maxBytes  = 4 << 20
	// saveEvery is how long the cursor may be behind what was kept, and saveIdle how
	// often it is noted that nothing came.
	saveEvery = 10 * time.Second
	saveIdle  = time.Minute
	// tokenFor is how long the token of a page is believed. It ends after a day, and a
	// page of one that ended looks like the last.
	tokenFor = time.Hour
	// leastRetention is how long every group keeps events.
	leastRetention = 24 * time.Hour
	// part is how the Status calls what is read.
	part = "log group"
)

var groupForm = lazyregexp.New(`^[.\-_/#A-Za-z0-9]{1,512}$`)

const before = "log-group:"

// source is the collector.
type source struct {
	env     collect.Env
	pull    *collect.Pull
	roster  *collect.Roster
	session *aws.Session
	api     *api.Client
	Config
	group    string // its name
	byARN    bool   // how it is named in requests
	resource string // its ARN, as far as it is known
	latest   bool
	start    time.Time // where to begin, or zero
	gap      time.Duration

	reached atomic.Bool // the service answers, or was not asked yet

	// What follows is Run's.

	at        time.Time // until when all was kept; zero before anything was
	saved     time.Time
	savedAt   time.Time
	said      bool                 // that the cursor is old
	had       map[string]time.Time // when what was had is dated, by event id
	throttled time.Time            // since when, or zero
	events    []tocsin.Event

	mu     sync.Mutex // guards what follows
	shown  time.Time  // at
	mine   bool
	looked bool
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	s, err := newSource(c, env)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func newSource(c Config, env collect.Env) (*source, error) {
	// The console shows the ARN with the streams of the group at its end.
	c.Group = strings.TrimSuffix(c.Group, ":*")
	group, err := aws.Named("log_group", c.Group, "logs", before, groupForm)
	if err != nil {
		return nil, err
	}
	c.Overlap, c.Every, c.Start = cmp.Or(c.Overlap, defaultOverlap), cmp.Or(c.Every, defaultEvery), cmp.Or(c.Start, latest)
	switch {
	case c.Overlap < leastOverlap || c.Overlap > greatestOverlap:
		return nil, fmt.Errorf("overlap: %v is not between 1m and 2d", c.Overlap)
	case c.Every < leastEvery || c.Every > greatestEvery:
		return nil, fmt.Errorf("every: %v is not between 1s and 1h", c.Every)
	}
	s := &source{
		env: env, pull: collect.NewPull(env), roster: collect.NewRoster(env), Config: c, had: map[string]time.Time{}, gap: gap,
		group: strings.TrimPrefix(group.Resource, before), byARN: strings.HasPrefix(c.Group, "arn:"), savedAt: env.Now(),
	}
	s.reached.Store(true)
	word, at, err := collect.Start(c.Start, env.Now(), latest, oldest)
	if err != nil {
		return nil, err
	}
	s.latest, s.start = word == latest, at
	if s.session, err = c.Open(via, group.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	s.api = api.NewFromConfig(s.session.Config)
	s.resource = group.In(s.session).String()
	return s, nil
}

// Run reads the group until ctx ends, and returns once what was read and is to be kept
// is kept, with the cursor behind it.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	s.sign(ctx)
	var signing sync.WaitGroup
	signing.Go(func() {
		for collect.Sleep(ctx, collect.RosterEvery-rand.N(collect.RosterEvery/5)) { //nolint:gosec // chance, no secret
			s.sign(ctx)
		}
	})
	for ctx.Err() == nil {
		if !s.ours() {
			collect.Sleep(ctx, collect.RosterEvery/5)
			continue
		}
		began := s.env.Now()
		if err := s.poll(ctx, sink); err != nil {
			s.reached.Store(false)
			s.pull.Again(ctx, part, err, aws.Patience(err))
			continue
		}
		s.reached.Store(true)
		s.pull.Worked(ctx, part)
		if took := max(0, s.env.Now().Sub(began)); took < s.Every {
			collect.Sleep(ctx, s.Every-took)
		}
	}
	signing.Wait()
	ctx, end := collect.Linger(ctx)
	defer end()
	s.save(ctx)
	if err := s.roster.Leave(ctx); err != nil {
		s.env.Log.WarnContext(ctx, "other replicas will see late that this one stopped", slog.String("source", s.env.Name), slog.Any("err", err))
	}
	return nil
}

// sign keeps this replica on the roster while the service answers it: another one may
// be able to read.
func (s *source) sign(ctx context.Context) {
	const part = "replicas"
	if !s.reached.Load() {
		return
	}
	if err := s.roster.Sign(ctx); err != nil {
		s.pull.Failed(ctx, part, err)
		return
	}
	s.pull.Worked(ctx, part)
}

// ours reports whether this replica is to read.
func (s *source) ours() bool {
	mine := s.roster.Mine(s.group)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mine = mine
	return mine
}

// poll reads all pages of what there is since the cursor.
func (s *source) poll(ctx context.Context, sink collect.Sink) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.kept(ctx); err != nil {
		return err
	}
	asked, in := s.env.Now(), s.input()
	var until time.Time // when the first page was answered, by the service's clock
	for {
		out, err := s.page(ctx, in)
		if err != nil || out == nil {
			return err
		}
		answered := s.env.Now()
		if until.IsZero() {
			now, ok := middleware.GetServerTime(out.ResultMetadata)
			if !ok {
				now = asked
			}
			until = now.UTC()
			if s.at.After(until) {
				s.at, s.saved = until, time.Time{} // the clock was wrong here when it began
			}
		}
		newest, ok := s.keep(ctx, out.Events, sink)
		if !ok {
			return nil
		}
		last := sdk.ToString(out.NextToken) == "" || sdk.ToString(out.NextToken) == sdk.ToString(in.NextToken)
		switch {
		case last:
			s.move(until)
		case newest.Before(until):
			s.move(newest) // pages are in the order of their events' times
		}
		if now := s.env.Now(); s.at.Sub(s.saved) > 0 && (len(out.Events) > 0 && now.Sub(s.savedAt) >= saveEvery || now.Sub(s.savedAt) >= saveIdle || s.saved.IsZero()) {
			s.save(ctx)
		}
		if last {
			return nil
		}
		if s.env.Now().Sub(answered) > tokenFor {
			return nil // and the next poll begins where this one came to
		}
		in.NextToken = out.NextToken
		if !collect.Sleep(ctx, s.gap) {
			return nil
		}
	}
}

// input asks for what there is since the cursor.
func (s *source) input() *api.FilterLogEventsInput {
	in := &api.FilterLogEventsInput{}
	if s.byARN { // of another account, perhaps
		in.LogGroupIdentifier = &s.Group
	} else {
		in.LogGroupName = &s.group
	}
	if s.Streams != "" {
		in.LogStreamNamePrefix = &s.Streams
	}
	if s.Filter != "" {
		in.FilterPattern = &s.Filter
	}
	switch {
	case !s.at.IsZero():
		in.StartTime = sdk.Int64(s.at.Add(-s.Overlap).UnixMilli())
	case !s.start.IsZero():
		in.StartTime = sdk.Int64(s.start.UnixMilli())
	default:
		in.StartTime = sdk.Int64(0)
	}
	return in
}

// page asks for a page, and again where others ask too. It is nil without an error if
// ctx ended.
func (s *source) page(ctx context.Context, in *api.FilterLogEventsInput) (*api.FilterLogEventsOutput, error) {
	for {
		out, err := s.api.FilterLogEvents(ctx, in)
		switch {
		case err == nil && out.Events == nil:
			return nil, errors.New(via + ": the answer to FilterLogEvents has no events in it, not even none")
		case err == nil:
			s.throttled = time.Time{}
			return out, nil
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr // the end is no failure
		case !busy(err):
			return nil, s.refused(ctx, "logs:FilterLogEvents", err)
		}
		if !s.pull.Throttled(ctx, &s.throttled) {
			return nil, s.refused(ctx, "logs:FilterLogEvents", err)
		}
	}
}

// busy tells that the account reads too often from a failure.
func busy(err error) bool {
	refusal, ok := errors.AsType[smithy.APIError](err)
	return ok && (refusal.ErrorCode() == "ThrottlingException" || refusal.ErrorCode() == "LimitExceededException")
}

// keep has the events kept that were not had before, and says when the newest of all
// is dated. ok is false if ctx ended before.
func (s *source) keep(ctx context.Context, events []types.FilteredLogEvent, sink collect.Sink) (newest time.Time, ok bool) {
	received := s.env.Now()
	fresh := map[string]time.Time{}
	size := 0
	hand := func() bool {
		kept := s.pull.Hand(ctx, sink, s.events)
		clear(s.events)
		s.events, size = s.events[:0], 0
		return kept
	}
	for _, e := range events {
		at, id, text := time.UnixMilli(sdk.ToInt64(e.Timestamp)).UTC(), sdk.ToString(e.EventId), []byte(sdk.ToString(e.Message))
		if at.After(newest) {
			newest = at
		}
		if _, known := s.had[id]; known && id != "" {
			continue
		}
		fresh[id] = at
		for own, p := range collect.Named(text, id) {
			ev := tocsin.Event{Source: s.env.Name, Via: via, ReceivedAt: received, Envelope: own, Raw: p.Raw}
			if p.Err != nil {
				ev.Unreadable = p.Err.Error()
			}
			s.events = append(s.events, ev)
			if size += len(p.Raw); (len(s.events) >= maxEvents || size >= maxBytes) && !hand() {
				return newest, false
			}
		}
	}
	if !hand() {
		return newest, false
	}
	maps.Copy(s.had, fresh)
	return newest, true
}

// move moves the cursor, and forgets what is not asked for again.
func (s *source) move(to time.Time) {
	if !to.After(s.at) {
		return
	}
	s.at = to
	for id, at := range s.had {
		if at.Before(to.Add(-s.Overlap)) {
			delete(s.had, id)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown, s.looked = to, true
}

// A cursor says how far the group was read and kept.
type cursor struct {
	// At is until when all was kept, by the service's clock.
	At time.Time `json:"at"`
}

func (s *source) key() string { return "cursor/" + s.group }

// load takes up the cursor where another replica left it.
func (s *source) load(ctx context.Context) error {
	text, err := s.env.State.Load(ctx, s.key())
	if err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	var c cursor
	if text != nil && json.Unmarshal(text, &c) != nil {
		c = cursor{} // what nobody can read is read again from the start
	}
	if c.At.After(s.at) {
		s.at, s.saved = c.At, c.At
	}
	if s.at.IsZero() && s.latest {
		s.at = tocsin.Millis(s.env.Now()).UTC()
		s.save(ctx) // so that it is the same after a crash
	}
	return nil
}

// save saves the cursor. Where that fails the next one is as good.
func (s *source) save(ctx context.Context) {
	const part = "cursor"
	if s.at.Equal(s.saved) {
		return
	}
	text, err := json.Marshal(cursor{s.at})
	if err == nil { // times have a form in JSON
		err = s.env.State.Save(ctx, s.key(), text)
	}
	if err != nil {
		s.pull.Failed(ctx, part, err)
		return
	}
	s.pull.Worked(ctx, part)
	s.saved, s.savedAt = s.at, s.env.Now()
}

// kept sees whether the group still has what was written since the cursor, and says so
// where it may not.
func (s *source) kept(ctx context.Context) error {
	age := s.env.Now().Sub(s.at)
	if s.at.IsZero() || age <= leastRetention {
		s.said = false
		return nil
	}
	if s.said {
		return nil
	}
	retention, err := s.retention(ctx)
	switch {
	case err != nil && !notify.IsPermanent(err):
		return err
	case err != nil:
		s.pull.Loses(ctx, "", "For how long the group keeps events is not known ("+err.Error()+"), and the cursor is of "+stamp(s.at)+": what was written since then may be gone unread")
	case retention > 0 && age > retention:
		s.pull.Loses(ctx, "", fmt.Sprintf("The group keeps events for %d days, and the cursor is of %s: what was written between then and %s was not read, if there was anything",
			retention/(24*time.Hour), stamp(s.at), stamp(s.env.Now().Add(-retention))))
	}
	s.said = true
	return nil
}

// retention is for how long the group keeps events; 0 is for ever.
func (s *source) retention(ctx context.Context) (time.Duration, error) {
	in := &api.DescribeLogGroupsInput{LogGroupNamePrefix: &s.group}
	for {
		out, err := s.api.DescribeLogGroups(ctx, in)
		if err != nil {
			return 0, s.refused(ctx, "logs:DescribeLogGroups", err)
		}
		for _, g := range out.LogGroups {
			if sdk.ToString(g.LogGroupName) == s.group {
				return time.Duration(sdk.ToInt32(g.RetentionInDays)) * 24 * time.Hour, nil
			}
		}
		if sdk.ToString(out.NextToken) == "" {
			return 0, notify.Permanent(errors.New("it is not among the groups of this account"))
		}
		in.NextToken = out.NextToken
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (s *source) refused(ctx context.Context, action string, err error) error {
	return s.session.Refused(ctx, aws.Call{Action: action, Resource: s.resource}, err)
}

// Status says how the group stands, and how far it was read.
func (s *source) Status(context.Context) collect.Status {
	st := s.pull.Status()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.looked && s.mine:
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Read until", Value: stamp(s.shown)})
	case s.roster.Others() > 0:
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Read", Value: "by another replica"})
	case st.State == "ok":
		st.State = "pending"
	}
	return st
}

// Describe tells what tocsin must be allowed.
func (s *source) Describe(bool) []tocsin.Fact {
	return []tocsin.Fact{
		{Name: "Log group", Value: s.resource},
		{Name: "Policy", Value: s.policy()},
	}
}

// policy allows what is asked for here, and nothing else. Which of the three forms an
// action is checked against, AWS does not say of each
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html).
func (s *source) policy() string {
	return aws.Policy(aws.Allow([]string{"logs:FilterLogEvents", "logs:DescribeLogGroups"}, s.resource, s.resource+":*", s.resource+":log-stream:*"))
}
