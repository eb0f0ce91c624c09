package queue

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// settle has work done for messages until they are deleted or given back.
func (q *Queue) settle(ctx context.Context, messages []Message, work Work) {
	defer q.slots.Release(int64(len(messages)))
	k := q.keep(ctx, messages)
	defer k.end()
	began := time.Now()
	// worked is for how many batches work was done when it was last not done for this one.
	for worked := int64(-1); ; {
		if ctx.Err() != nil {
			k.giveBack(ctx, messages, 0)
			return
		}
		done, apart, held := sorted(messages, work(ctx, messages))
		if len(done) > 0 {
			q.worked.Add(1)
			q.pull.Worked(ctx, Journal)
			k.forget(done)
			q.remove(ctx, done)
		}
		before := worked
		if worked = q.worked.Load(); before >= 0 && worked > before {
			// It was done for others meanwhile: the fault is these messages' own.
			q.pull.Worked(ctx, Journal)
			apart, held = append(apart, held...), nil
		}
		q.putApart(ctx, k, apart)
		if len(held) == 0 {
			return
		}
		messages = messages[:0:0]
		for _, f := range held {
			messages = append(messages, f.Message)
		}
		late := time.Since(began) > hold
		if late {
			k.giveBack(ctx, messages, time.Second+rand.N(4*time.Second))
		}
		if q.pull.Again(ctx, Journal, held[0].err, 0); late {
			return
		}
	}
}

// putApart gives back messages with a fault of their own.
func (q *Queue) putApart(ctx context.Context, k *keeper, messages []failed) {
	for _, f := range messages {
		if f.Receives <= 1 {
			q.env.Log.WarnContext(ctx, "message not done; it comes again", slog.String("source", q.env.Name), slog.String("message", f.ID), slog.Any("err", f.err))
		}
		k.giveBack(ctx, []Message{f.Message}, waitOf(f.Receives))
	}
}

// A failed message is one that work was not done for.
type failed struct {
	Message
	err error
}

// sorted tells messages that are done from those that are to come again and those
// that are to be tried again.
func sorted(messages []Message, errs []error) (done []Message, apart, held []failed) {
	for i, m := range messages {
		switch _, own := errors.AsType[later](errs[i]); {
		case errs[i] == nil:
			done = append(done, m)
		case own:
			apart = append(apart, failed{m, errs[i]})
		default:
			held = append(held, failed{m, errs[i]})
		}
	}
	return done, apart, held
}

// aparts are how long a message with a fault of its own is left alone, by how often it
// was received: at first hardly, since the fault may pass.
var aparts = []time.Duration{2 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute}

func waitOf(receives int) time.Duration {
	return aparts[min(max(receives, 1), len(aparts))-1]
}

// A keeper keeps messages from others for as long as they are worked on.
type keeper struct {
	q   *Queue
	ctx context.Context // its values alone, for what a timer begins

	// calls is held while visibilities are changed, so that what is given back is not
	// taken again by a request that was under way.
	calls sync.Mutex

	mu    sync.Mutex // guards what follows
	open  []Message
	timer *time.Timer
	ended bool
}

// keep extends the messages' visibility when half of it is over.
func (q *Queue) keep(ctx context.Context, messages []Message) *keeper {
	k := &keeper{q: q, ctx: context.WithoutCancel(ctx), open: slices.Clone(messages)}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(q.set.Visibility/2, k.extend)
	return k
}

// forget no longer extends messages.
func (k *keeper) forget(messages []Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = slices.DeleteFunc(k.open, func(m Message) bool {
		return slices.ContainsFunc(messages, func(gone Message) bool { return gone.receipt == m.receipt })
	})
}

// end returns once nothing is extended any more.
func (k *keeper) end() {
	k.mu.Lock()
	k.ended = true
	k.timer.Stop()
	k.mu.Unlock()
	k.calls.Lock()
	defer k.calls.Unlock() // waits for an extension under way
}

func (k *keeper) extend() {
	k.calls.Lock()
	defer k.calls.Unlock()
	k.mu.Lock()
	open, ended := slices.Clone(k.open), k.ended
	k.mu.Unlock()
	if ended || len(open) == 0 {
		return
	}
	next := k.q.set.Visibility / 2
	lost, err := k.q.change(k.ctx, open, k.q.set.Visibility)
	if err != nil {
		next = k.q.set.Visibility / 6
		k.q.pull.Failed(k.ctx, Holding, err)
	} else {
		k.q.pull.Worked(k.ctx, Holding)
	}
	// What cannot be extended will be received again, which does no harm.
	k.forget(lost)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ended {
		k.timer.Reset(next)
	}
}

// giveBack lets others have messages after a while. What it could not give back is
// theirs once the visibility is over.
func (k *keeper) giveBack(ctx context.Context, messages []Message, after time.Duration) {
	k.forget(messages)
	k.calls.Lock()
	defer k.calls.Unlock()
	for try := range 3 {
		refused, err := k.q.change(ctx, messages, after)
		switch {
		case err != nil:
			k.q.pull.Failed(ctx, Holding, err)
		case len(refused) == 0:
			k.q.pull.Worked(ctx, Holding)
			return
		default:
			messages = refused
		}
		time.Sleep(time.Duration(try) * 100 * time.Millisecond)
	}
}

// change sets how long messages are invisible from now on. refused are those for which
// the service would not.
func (q *Queue) change(ctx context.Context, messages []Message, to time.Duration) (refused []Message, err error) {
	ctx, cancel := calling(ctx)
	defer cancel()
	in := &api.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url}
	for i, m := range messages {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: sdk.String(strconv.Itoa(i)), ReceiptHandle: sdk.String(m.receipt), VisibilityTimeout: int32(to / time.Second),
		})
	}
	out, err := q.hidden(ctx, in)
	if err != nil {
		return nil, q.refused(ctx, "sqs:ChangeMessageVisibility", err)
	}
	for _, f := range out.Failed {
		if i, err := strconv.Atoi(sdk.ToString(f.Id)); err == nil && i >= 0 && i < len(messages) {
			refused = append(refused, messages[i])
		}
	}
	return refused, nil
}

// waits are between attempts to delete.
var waits = []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second}

// remove deletes messages that are done. One that could not be deleted is received
// again, and is known by its id.
func (q *Queue) remove(ctx context.Context, messages []Message) {
	var err error
	for try := 0; ; try++ {
		if messages, err = q.delete(ctx, messages); err == nil {
			q.pull.Worked(ctx, Deleting)
			return
		}
		if try == len(waits) || !collect.Sleep(ctx, waits[try]) && try > 0 {
			q.pull.Failed(ctx, Deleting, err)
			return
		}
	}
}

// delete deletes messages. left are those that are not, for a reason that may pass.
func (q *Queue) delete(ctx context.Context, messages []Message) (left []Message, err error) {
	ctx, cancel := calling(ctx)
	defer cancel()
	in := &api.DeleteMessageBatchInput{QueueUrl: &q.url}
	for i, m := range messages {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: sdk.String(strconv.Itoa(i)), ReceiptHandle: sdk.String(m.receipt)})
	}
	out, err := q.deleted(ctx, in)
	if err != nil {
		return messages, q.refused(ctx, "sqs:DeleteMessage", err)
	}
	for _, f := range out.Failed {
		i, bad := strconv.Atoi(sdk.ToString(f.Id))
		if bad != nil || i < 0 || i >= len(messages) || f.SenderFault {
			continue // its receipt is no longer good: somebody else has it now
		}
		left = append(left, messages[i])
		err = errors.New(q.session.Kind + ": " + q.session.Clean(sdk.ToString(f.Code)+": "+sdk.ToString(f.Message)))
	}
	return left, err
}
