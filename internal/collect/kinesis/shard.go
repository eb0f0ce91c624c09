package kinesis

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	// maxEvents and maxBytes are how much is handed to the sink at once.
	maxEvents = 500
	maxBytes  = 4 << 20
	// saveAfter and saveEvery are how many records, and how long, a checkpoint may be
	// behind what was kept.
	saveAfter = 1000
	saveEvery = 10 * time.Second
	// saveIdle is how often it is noted that nothing came.
	saveIdle = 10 * time.Minute
)

// A reader reads one shard.
type reader struct {
	*source
	id   string
	stop context.CancelFunc

	behind atomic.Int64 // milliseconds, or -1 before it read anything

	// What follows is run's.

	at        checkpoint // what was kept
	saved     checkpoint
	savedAt   time.Time
	unsaved   int       // records that were kept since
	throttled time.Time // since when, or zero
	limit     int32     // records that are asked for at once
	events    []tocsin.Event
}

func newReader(s *source, id string, c checkpoint) *reader {
	r := &reader{source: s, id: id, at: c, saved: c, savedAt: s.env.Now(), limit: maxRecords}
	r.behind.Store(-1)
	return r
}

// standing says how far behind the shard is read, for people.
func (r *reader) standing() string {
	switch ms := r.behind.Load(); ms {
	case -1:
		return "not read yet"
	case 0:
		return "up to date"
	default:
		return (time.Duration(ms) * time.Millisecond).String() + " behind"
	}
}

// run reads until ctx ends or the shard does; ended tells which.
func (r *reader) run(ctx context.Context, sink collect.Sink) (ended bool) {
	defer func() {
		if !ended {
			on, end := collect.Linger(ctx)
			defer end()
			r.save(on)
		}
	}()
	for {
		iterator, err := r.iterator(ctx)
		if err == nil {
			if iterator, err = r.follow(ctx, iterator, sink); err == nil && iterator == nil {
				return r.finish(ctx)
			}
		}
		if ctx.Err() != nil || err != nil && !r.pull.Again(ctx, r.id, err, aws.Patience(err)) {
			return false
		}
	}
}

// iterator stands behind what was kept.
func (r *reader) iterator(ctx context.Context) (*string, error) {
	if err := r.trimmed(ctx); err != nil {
		return nil, err
	}
	in := &api.GetShardIteratorInput{StreamARN: r.arn, StreamName: r.name, ShardId: &r.id}
	switch {
	case r.at.Sequence != "":
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &r.at.Sequence
	case !r.start.IsZero() && !r.at.Horizon:
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &r.start
	default:
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	}
	out, err := r.api.GetShardIterator(ctx, in)
	if _, invalid := errors.AsType[*types.InvalidArgumentException](err); invalid && r.at.Sequence != "" {
		r.forget(ctx, "The stream no longer knows the checkpoint")
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeTrimHorizon, nil
		out, err = r.api.GetShardIterator(ctx, in)
	}
	if err != nil {
		return nil, r.refused(ctx, "kinesis:GetShardIterator", err)
	}
	if out.ShardIterator == nil {
		return nil, errors.New(via + ": the answer to GetShardIterator has no iterator")
	}
	return out.ShardIterator, nil
}

// trimmed sees whether the stream still has what came after what was kept. It says
// nothing where it has not: it goes on with the oldest record that it has.
func (r *reader) trimmed(ctx context.Context) error {
	age := r.env.Now().Sub(r.at.At)
	if r.at.At.IsZero() || age <= leastRetention {
		return nil
	}
	out, err := r.api.DescribeStreamSummary(ctx, &api.DescribeStreamSummaryInput{StreamARN: r.arn, StreamName: r.name})
	switch {
	case err != nil:
		err = r.refused(ctx, "kinesis:DescribeStreamSummary", err)
		if !notify.IsPermanent(err) {
			return err
		}
		r.forget(ctx, "For how long the stream keeps records is not known ("+err.Error()+"), and the checkpoint is more than a day old")
	case out.StreamDescriptionSummary == nil || age > time.Duration(sdk.ToInt32(out.StreamDescriptionSummary.RetentionPeriodHours))*time.Hour:
		r.forget(ctx, "The checkpoint is older than what the stream keeps")
	}
	return nil
}

// forget goes on with the oldest record that there is, and says so.
func (r *reader) forget(ctx context.Context, why string) {
	r.pull.Loses(ctx, r.id, why+": what came between "+stamp(r.at.At)+" and the oldest record that is there was not read, if there was anything; reading on from TRIM_HORIZON")
	r.at.Sequence, r.at.Horizon, r.at.At = "", true, time.Time{}
}

// follow reads on from an iterator. Without an error and an iterator the shard came to
// its end; with an iterator and no error a new one is needed.
func (r *reader) follow(ctx context.Context, iterator *string, sink collect.Sink) (*string, error) {
	for {
		began := r.env.Now()
		next, err := r.once(ctx, iterator, sink)
		switch {
		case ctx.Err() != nil || expired(err):
			return iterator, nil //nolint:nilerr // neither is a failure
		case busy(err):
			if !r.pull.Throttled(ctx, &r.throttled) {
				return nil, r.refused(ctx, "kinesis:GetRecords", err)
			}
			continue
		case err != nil:
			return nil, r.refused(ctx, "kinesis:GetRecords", err)
		}
		r.throttled = time.Time{}
		r.pull.Worked(ctx, r.id)
		if next == nil && r.closed(r.id) {
			return nil, nil
		}
		if now := r.env.Now(); r.unsaved >= saveAfter || r.changed() && now.Sub(r.savedAt) >= saveEvery || now.Sub(r.savedAt) >= saveIdle {
			r.save(ctx)
		}
		if !r.pause(ctx, began) {
			return iterator, nil
		}
		if next == nil {
			// It looks like the end of a shard that is open, as far as is known. If it
			// was closed just now the next look at the shards says so.
			r.look()
			return iterator, nil
		}
		iterator = next
	}
}

// pause waits until the shard is to be read again. It is false if ctx ended.
func (r *reader) pause(ctx context.Context, began time.Time) bool {
	pause := r.every
	if r.behind.Load() > 0 {
		pause = r.gap
	}
	took := max(0, r.env.Now().Sub(began))
	return took >= pause || collect.Sleep(ctx, pause-took)
}

// once reads what there is, and has it kept. It waits for a place before, and no
// longer than until ctx ends.
func (r *reader) once(ctx context.Context, iterator *string, sink collect.Sink) (next *string, err error) {
	select {
	case r.places <- struct{}{}:
		defer func() { <-r.places }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	read := r.env.Now()
	out, err := r.api.GetRecords(ctx, &api.GetRecordsInput{ShardIterator: iterator, StreamARN: r.arn, Limit: &r.limit})
	if err != nil {
		if !aws.Answered(err) {
			r.limit = max(1, r.limit/2) // perhaps it was more than comes through in time
		}
		return nil, err
	}
	if out.Records == nil {
		return nil, errors.New("the answer to GetRecords has no records in it, not even none")
	}
	r.limit = min(maxRecords, 2*r.limit)
	if !r.keep(ctx, out.Records, sink) {
		return nil, ctx.Err()
	}
	behind := max(0, sdk.ToInt64(out.MillisBehindLatest))
	r.behind.Store(behind)
	r.at.At = tocsin.Millis(read.Add(-time.Duration(behind) * time.Millisecond)).UTC()
	return out.NextShardIterator, nil
}

// expired tells an iterator that is no longer good from a failure.
func expired(err error) bool {
	_, ok := errors.AsType[*types.ExpiredIteratorException](err)
	return ok
}

// busy tells that the shard is read too often from a failure.
func busy(err error) bool {
	_, exceeded := errors.AsType[*types.ProvisionedThroughputExceededException](err)
	_, limited := errors.AsType[*types.LimitExceededException](err)
	return exceeded || limited
}

// keep hands the events of records to the sink, a few hundred at once, and goes on
// until they are kept. It is false if ctx ended before.
func (r *reader) keep(ctx context.Context, records []types.Record, sink collect.Sink) bool {
	now := r.env.Now()
	r.events = r.events[:0]
	size := 0
	for _, rec := range records {
		sequence := sdk.ToString(rec.SequenceNumber)
		for p := range parts(rec.Data, r.id+"/"+sequence) {
			if p.control {
				r.controls.Add(1)
				continue
			}
			r.events = append(r.events, tocsin.Event{Source: r.env.Name, Via: via, ReceivedAt: now, Envelope: p.id, Raw: p.raw, Unreadable: p.wrong})
			if size += len(p.raw); len(r.events) >= maxEvents || size >= maxBytes {
				if !r.hand(ctx, sink) {
					return false
				}
				size = 0
			}
		}
		if len(r.events) == 0 { // all of it was handed on
			r.at.Sequence = sequence
		}
		r.unsaved++
	}
	if !r.hand(ctx, sink) {
		return false
	}
	if n := len(records); n > 0 {
		r.at.Sequence = sdk.ToString(records[n-1].SequenceNumber)
	}
	return true
}

// hand has the events kept, and forgets them.
func (r *reader) hand(ctx context.Context, sink collect.Sink) bool {
	kept := r.pull.Hand(ctx, sink, r.events)
	clear(r.events)
	r.events = r.events[:0]
	return kept
}

// changed reports whether more was kept than the checkpoint says.
func (r *reader) changed() bool {
	return r.at.Sequence != r.saved.Sequence || r.at.Horizon != r.saved.Horizon
}

// save saves the checkpoint. Where that fails the next one is as good.
func (r *reader) save(ctx context.Context) {
	if r.at == r.saved {
		return
	}
	part := "checkpoint of " + r.id
	if err := r.source.save(ctx, r.id, r.at); err != nil {
		r.pull.Failed(ctx, part, err)
		return
	}
	r.pull.Worked(ctx, part)
	r.saved, r.savedAt, r.unsaved = r.at, r.env.Now(), 0
}

// finish notes that the shard was read to its end, so that its children can begin.
func (r *reader) finish(ctx context.Context) bool {
	part := "checkpoint of " + r.id
	r.at.Done = true
	for {
		err := r.source.save(ctx, r.id, r.at)
		if err == nil {
			r.pull.Worked(ctx, part)
			return true
		}
		if !r.pull.Again(ctx, part, err, 0) {
			r.at.Done = false
			return false
		}
	}
}
