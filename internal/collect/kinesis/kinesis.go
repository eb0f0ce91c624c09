// Package kinesis reads events from an Amazon Kinesis data stream: what EventBridge
// puts there, or a subscription of CloudWatch Logs.
//
// Every shard is read by GetRecords from where a checkpoint says, and the checkpoint
// moves on only after the events were kept: what was kept after the last one is read
// again after a crash, and known by the envelope id, which is the shard and the
// record's sequence number. Of several replicas each shard is read by one, see
// [collect.Roster]. Shards that come of others are begun when those are read to their
// end.
//
// https://docs.aws.amazon.com/streams/latest/dev/building-consumers.html
package kinesis

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// Kind is the way in by Kinesis.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define(via, "Reads events from an Amazon Kinesis data stream, where EventBridge or a subscription of CloudWatch Logs puts them.", open)
	k.Title = "Amazon Kinesis"
	return k
}

// Config is what can be set.
type Config struct {
	Stream string        `json:"stream" required:"true" doc:"ARN or name of the data stream. One of another account is named by its ARN." example:"arn:aws:kinesis:eu-west-1:111122223333:stream/findings"`
	Start  string        `json:"start,omitempty" default:"trim_horizon" doc:"Where to begin when the stream is read for the first time: trim_horizon, with the oldest record there is; latest, with what is put from then on; or a time, 2026-06-01T00:00:00Z. Later each shard is read on from its checkpoint."`
	Every  time.Duration `json:"every,omitempty" default:"1s" doc:"How often each shard is read once all in it was read: 200ms to 4m. A shard can be read five times a second, by all consumers together."`
	aws.Settings
}

const (
	via          = "kinesis"
	trimHorizon  = "trim_horizon"
	latest       = "latest"
	defaultEvery = time.Second
	leastEvery   = 200 * time.Millisecond
	// greatestEvery is less than the five minutes for which an iterator is good.
	greatestEvery = 4 * time.Minute
	// gap is how long a shard is left alone that has more: it may be read five times a
	// second, and other consumers are to have a share.
	gap = 250 * time.Millisecond
	// maxReads is how many shards are read at the same time. Each may have 10 MiB of
	// records in memory, and what is unpacked of them.
	maxReads = 4
	// maxRecords is how many records are asked for at once.
	maxRecords = 2000
	// leastRetention is how long every stream keeps records
	// (https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html).
	leastRetention = 24 * time.Hour
	// maxListed is how many shards Status tells of.
	maxListed = 10
)

var nameForm = lazyregexp.New(`^[a-zA-Z0-9_.-]{1,128}$`)

// source is the collector.
type source struct {
	env       collect.Env
	pull      *collect.Pull
	roster    *collect.Roster
	session   *aws.Session
	api       *api.Client
	arn, name *string // how the stream is named in requests: one of them
	stream    string  // its name
	resource  string  // its ARN, as far as it is known
	latest    bool
	start     time.Time // where to begin, or zero
	every     time.Duration
	gap       time.Duration
	places    chan struct{} // one taken for each read whose records are not kept yet
	wake      chan struct{} // there may be other shards to read

	controls atomic.Int64

	mu      sync.Mutex // guards what follows
	listed  bool       // the shards are known
	shards  shards
	readers map[string]*reader // of the shards that are read here
	done    map[string]bool    // shards that are read to their end
}

// shards are those of the stream, by id.
type shards map[string]types.Shard

// begins is the sequence number that a shard begins with, or "" if there is no such
// shard. One of that id in another stream has another.
func (all shards) begins(id string) string {
	if r := all[id].SequenceNumberRange; r != nil {
		return sdk.ToString(r.StartingSequenceNumber)
	}
	return ""
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
	stream, err := aws.Named("stream", c.Stream, "kinesis", "stream/", nameForm)
	if err != nil {
		return nil, err
	}
	s := &source{
		env: env, pull: collect.NewPull(env), roster: collect.NewRoster(env), stream: strings.TrimPrefix(stream.Resource, "stream/"),
		every: cmp.Or(c.Every, defaultEvery), gap: gap, places: make(chan struct{}, maxReads), wake: make(chan struct{}, 1),
		readers: map[string]*reader{}, done: map[string]bool{},
	}
	if s.every < leastEvery || s.every > greatestEvery {
		return nil, fmt.Errorf("every: %v is not between 200ms and 4m", c.Every)
	}
	word, at, err := collect.Start(cmp.Or(c.Start, trimHorizon), env.Now(), trimHorizon, latest)
	if err != nil {
		return nil, err
	}
	s.latest, s.start = word == latest, at
	if strings.HasPrefix(c.Stream, "arn:") {
		s.arn = &c.Stream
	} else {
		s.name = &c.Stream
	}
	if s.session, err = c.Open(via, stream.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	s.api = api.NewFromConfig(s.session.Config)
	s.resource = stream.In(s.session).String()
	return s, nil
}

// Run reads the shards until ctx ends, and returns once all that was read and is to be
// kept is kept, with checkpoints behind it.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	var reading sync.WaitGroup
	for ctx.Err() == nil {
		if err := s.turn(ctx, sink, &reading); err != nil {
			s.pull.Again(ctx, "shards", err, aws.Patience(err))
			continue
		}
		s.pull.Worked(ctx, "shards")
		timer := time.NewTimer(collect.RosterEvery - rand.N(collect.RosterEvery/5))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
		timer.Stop()
	}
	reading.Wait()
	ctx, end := collect.Linger(ctx)
	defer end()
	if err := s.roster.Leave(ctx); err != nil {
		s.env.Log.WarnContext(ctx, "other replicas will see late that this one stopped", slog.String("source", s.env.Name), slog.Any("err", err))
	}
	return nil
}

// turn looks which shards there are, and has read here those that are to be.
func (s *source) turn(ctx context.Context, sink collect.Sink, reading *sync.WaitGroup) error {
	all, err := s.list(ctx)
	if err != nil {
		return err
	}
	// Who cannot list shards does not sign: another replica may be able to read.
	if err := s.roster.Sign(ctx); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	mine := s.share(all)
	s.mu.Lock()
	for id, r := range s.readers {
		if all.begins(id) != s.shards.begins(id) || !mine[id] {
			r.stop() // it takes itself out of readers, once what it has is kept
		}
	}
	maps.DeleteFunc(s.done, func(id string, _ bool) bool { return all.begins(id) != s.shards.begins(id) })
	s.shards, s.listed = all, true
	s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(mine)) {
		r, err := s.reader(ctx, all, id)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		on, stop := context.WithCancel(ctx)
		r.stop = stop
		s.mu.Lock()
		s.readers[id] = r
		s.mu.Unlock()
		reading.Go(func() {
			defer stop()
			s.read(on, r, sink)
		})
	}
	return nil
}

// read has a shard read, and remembers how it ended.
func (s *source) read(ctx context.Context, r *reader, sink collect.Sink) {
	ended := r.run(ctx, sink)
	s.pull.Worked(ctx, r.id)
	s.mu.Lock()
	delete(s.readers, r.id)
	if ended {
		s.done[r.id] = true
	}
	s.mu.Unlock()
	if ended {
		s.look() // its children can begin
	}
}

// look has the shards looked at now.
func (s *source) look() {
	select {
	case s.wake <- struct{}{}:
	default: // that is to be done already
	}
}

// closed reports whether a shard has ended, as far as is known.
func (s *source) closed(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ended(s.shards[id])
}

// ended reports whether nothing more is put into a shard.
func ended(sh types.Shard) bool {
	r := sh.SequenceNumberRange
	return r != nil && r.EndingSequenceNumber != nil
}

// list gives all shards that there are.
func (s *source) list(ctx context.Context) (shards, error) {
	all := shards{}
	in := &api.ListShardsInput{StreamARN: s.arn, StreamName: s.name}
	for {
		out, err := s.api.ListShards(ctx, in)
		if err != nil {
			return nil, s.refused(ctx, "kinesis:ListShards", err)
		}
		for _, sh := range out.Shards {
			all[sdk.ToString(sh.ShardId)] = sh
		}
		if sdk.ToString(out.NextToken) == "" {
			return all, nil
		}
		in = &api.ListShardsInput{StreamARN: s.arn, NextToken: out.NextToken} // the token knows the name
	}
}

// begin finds out what latest is: the time at which the stream was looked at first, by
// whichever replica.
func (s *source) begin(ctx context.Context) error {
	if !s.latest || !s.start.IsZero() {
		return nil
	}
	key := s.stream + "/start"
	now := tocsin.Millis(s.env.Now()).UTC()
	made := []byte(now.Format(time.RFC3339Nano))
	kept, err := s.env.State.First(ctx, key, made)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	at, err := time.Parse(time.RFC3339Nano, string(kept))
	if err != nil { // nobody can read it
		if err := s.env.State.Save(ctx, key, made); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		at = now
	}
	s.start = at
	return nil
}

// share are the shards that this replica is to read: its share of those that are open,
// and of those that are closed, most of which were read to their end long ago.
func (s *source) share(all shards) map[string]bool {
	var open, closed []string
	for id, sh := range all {
		if ended(sh) {
			closed = append(closed, id)
		} else {
			open = append(open, id)
		}
	}
	mine := map[string]bool{}
	maps.Copy(mine, s.roster.Share(open))
	maps.Copy(mine, s.roster.Share(closed))
	return mine
}

// reader makes the reader of a shard that is to be read by this replica; nil if it is
// not to be read now.
func (s *source) reader(ctx context.Context, all shards, id string) (*reader, error) {
	s.mu.Lock()
	idle := !s.done[id] && s.readers[id] == nil
	s.mu.Unlock()
	if !idle {
		return nil, nil
	}
	c, known, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	begins := all.begins(id)
	switch {
	case known && c.Begins != begins:
		s.pull.Loses(ctx, id, "The stream was deleted and made anew: the shard is read from its beginning")
		c = checkpoint{Begins: begins, Horizon: true}
	case known && c.Done:
		s.mu.Lock()
		s.done[id] = true
		s.mu.Unlock()
		return nil, nil
	case !known:
		c = checkpoint{Begins: begins}
		if ready, err := s.follows(ctx, all, id); err != nil || !ready {
			return nil, err
		}
	}
	return newReader(s, id, c), nil
}

// follows reports whether all was read of what a shard comes of. Who was there before
// is what keeps events of one key in order.
func (s *source) follows(ctx context.Context, all shards, id string) (bool, error) {
	sh := all[id]
	for _, parent := range []*string{sh.ParentShardId, sh.AdjacentParentShardId} {
		if parent == nil {
			continue
		}
		s.mu.Lock()
		done := s.done[*parent]
		s.mu.Unlock()
		if done {
			continue
		}
		c, known, err := s.load(ctx, *parent)
		if err != nil {
			return false, err
		}
		_, there := all[*parent]
		switch {
		case there && (!known || !c.Done || c.Begins != all.begins(*parent)):
			return false, nil
		case !there && known && !c.Done:
			// It was left in the middle, and is gone.
			s.pull.Loses(ctx, *parent, fmt.Sprintf("The shard is gone: what was put into it after %s was not read, if there was anything", stamp(c.At)))
			c.Done = true
			if err := s.save(ctx, *parent, c); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// A checkpoint says how far a shard was read and kept.
type checkpoint struct {
	// Begins is the sequence number that the shard begins with.
	Begins string `json:"begins"`
	// Sequence is that of the last record that was kept; empty if there is none.
	Sequence string `json:"sequence,omitempty"`
	// At is until when all was read, by when it came.
	At time.Time `json:"at,omitzero"`
	// Horizon has it begin with the oldest record where there is no Sequence, whatever
	// the settings say.
	Horizon bool `json:"horizon,omitempty"`
	// Done says that the shard is closed and was read to its end.
	Done bool `json:"done,omitempty"`
}

func (s *source) key(shard string) string { return s.stream + "/" + shard }

func (s *source) load(ctx context.Context, shard string) (c checkpoint, known bool, err error) {
	text, err := s.env.State.Load(ctx, s.key(shard))
	if err != nil {
		return c, false, fmt.Errorf("checkpoint of %s: %w", shard, err)
	}
	known = text != nil && json.Unmarshal(text, &c) == nil
	if !known {
		c = checkpoint{} // what nobody can read is read again from the start
	}
	return c, known, nil
}

func (s *source) save(ctx context.Context, shard string, c checkpoint) error {
	text, err := json.Marshal(c)
	if err != nil { // texts and times have a form in JSON
		return err
	}
	if err := s.env.State.Save(ctx, s.key(shard), text); err != nil {
		return fmt.Errorf("checkpoint of %s: %w", shard, err)
	}
	return nil
}

// refused says what went wrong with a call. What a key's policy does not allow is
// another action than the one that was called.
func (s *source) refused(ctx context.Context, action string, err error) error {
	call := aws.Call{Action: action, Resource: s.resource}
	if _, denied := errors.AsType[*types.KMSAccessDeniedException](err); denied {
		call = aws.Call{Action: "kms:Decrypt", Resource: "the key that the stream is encrypted with"}
	}
	return s.session.Refused(ctx, call, err)
}

// Status says how the stream stands, and how far each shard is behind.
func (s *source) Status(context.Context) collect.Status {
	st := s.pull.Status()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listed && st.State == "ok" {
		st.State = "pending"
	}
	if s.listed {
		waiting := len(s.shards) - len(s.done) - len(s.readers)
		count := fmt.Sprintf("%d read here, %d read to the end, %d read by another replica or waiting", len(s.readers), len(s.done), max(0, waiting))
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Shards", Value: count})
	}
	ids := slices.SortedFunc(maps.Keys(s.readers), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.readers[b].behind.Load(), s.readers[a].behind.Load()), cmp.Compare(a, b))
	})
	for i, id := range ids {
		if i == maxListed {
			st.Lines = append(st.Lines, tocsin.Fact{Name: "Shards", Value: strconv.Itoa(len(ids)-i) + " more, no further behind"})
			break
		}
		st.Lines = append(st.Lines, tocsin.Fact{Name: id, Value: s.readers[id].standing()})
	}
	if n := s.controls.Load(); n > 0 {
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Control messages", Value: strconv.FormatInt(n, 10) + " since the start"})
	}
	return st
}

// Describe tells what tocsin must be allowed.
func (s *source) Describe(bool) []tocsin.Fact {
	return []tocsin.Fact{
		{Name: "Stream", Value: s.resource},
		{Name: "Policy", Value: s.policy()},
	}
}

// policy allows what is asked for here, and nothing else.
func (s *source) policy() string {
	return aws.Policy(aws.Allow([]string{"kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:DescribeStreamSummary"}, s.resource))
}
