// Package queue empties an Amazon SQS queue for a collector: it receives messages
// by long polling, keeps them from others while they are worked on, deletes what is
// done and gives back what is not.
//
// Receiving, work and deletion overlap, bounded by the messages that may be in
// flight; so whoever works slowly slows the receiving down. When the context ends,
// no message is left that others could not have at once.
//
// What fails is not handed back and forth: each receipt counts towards the
// maxReceiveCount of a redrive policy, and messages would end in a dead-letter queue
// because a disk was full for a while. They are held, and tried again, for some
// minutes, while nothing more is received.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/semaphore"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Polling is how a queue is emptied.
type Polling struct {
	Pollers    int           `json:"pollers,omitempty" default:"2" doc:"How many long polls wait for messages at once, 1 to 64. SQS bills each: one is three a minute while nothing comes."`
	InFlight   int           `json:"in_flight,omitempty" default:"100" doc:"How many messages may be received and not yet deleted, 10 for each poller at least. A message has 1 MiB at most."`
	Visibility time.Duration `json:"visibility,omitempty" default:"1m" doc:"How long a message stays with whoever received it, if tocsin is killed: 10s to 12h. It is extended for as long as the message is worked on."`
}

// Limits of SQS
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
const (
	batchMost     = 10 // messages received, deleted or changed at once
	longPoll      = 20 * time.Second
	visibilityMax = 12 * time.Hour
)

const (
	// callTime is how long any other request may take.
	callTime = 10 * time.Second
	// stopTime is how long a request may take once the collector is to end.
	stopTime = 5 * time.Second
	// grace is how long a long poll goes on then: what SQS is just handing out would
	// stay invisible.
	grace = 500 * time.Millisecond
	// hold is for how long messages whose work fails are tried again before others may
	// have them.
	hold = 5 * time.Minute
	// every is how often the queue is asked how long it is.
	every = time.Minute
	// idle is how long to wait where a long poll ended at once with nothing.
	idle = 200 * time.Millisecond
)

// Parts of the [collect.Pull] that a queue keeps.
const (
	Receiving = "Receiving"
	Deleting  = "Deleting"
	Holding   = "Holding"
	Journal   = "Journal"
)

// A Message is what was received.
type Message struct {
	ID   string // SQS's MessageId, the same each time that it is received
	Body string
	// Attributes are those message attributes that were asked for and are text.
	Attributes map[string]string
	SentAt     time.Time
	Receives   int // how often it was received, this time included

	receipt string
}

// A Work does what messages ask for. It gives for each, in their order, nil if that is
// done, so that the message is deleted, or why not: then it is held and tried again,
// unless the error is marked by [Later]. It may be called by many goroutines.
type Work func(ctx context.Context, messages []Message) []error

// later marks what is the matter with one message alone.
type later struct{ error }

func (l later) Unwrap() error { return l.error }

// Later marks an error for which the message is given back, to come again after a
// while, longer each time, so that others go before it.
func Later(err error) error { return later{err} }

// A Queue is one that is emptied.
type Queue struct {
	address
	set        Polling
	session    *aws.Session
	asked      aws.Operation[api.ReceiveMessageInput, api.ReceiveMessageOutput, api.Options]
	measured   aws.Operation[api.GetQueueAttributesInput, api.GetQueueAttributesOutput, api.Options]
	hidden     aws.Operation[api.ChangeMessageVisibilityBatchInput, api.ChangeMessageVisibilityBatchOutput, api.Options]
	deleted    aws.Operation[api.DeleteMessageBatchInput, api.DeleteMessageBatchOutput, api.Options]
	client     *http.Client
	env        collect.Env
	pull       *collect.Pull
	attributes []string
	slots      *semaphore.Weighted // one for each message in flight
	worked     atomic.Int64        // batches of which something was done

	mu sync.Mutex // guards last and depth
	// last is when a message was received last, and how long that had waited.
	last   time.Time
	waited time.Duration
	depth  depth
}

// A depth is how long the queue was when it was asked.
type depth struct {
	at                        time.Time
	visible, inFlight, delays int64
	err                       error
}

// Open checks the settings of the source that env is for and makes the queue that
// text names, by its ARN or URL. Errors do not name the key of text. It keeps how it
// stands in pull, and attributes are the message attributes that are asked for.
func Open(kind, text string, set Polling, reach aws.Settings, env collect.Env, pull *collect.Pull, attributes ...string) (*Queue, error) {
	a, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("queue_url: %w", err)
	}
	set.Pollers, set.InFlight, set.Visibility = cmp.Or(set.Pollers, 2), cmp.Or(set.InFlight, 100), cmp.Or(set.Visibility, time.Minute)
	if err := set.check(); err != nil {
		return nil, err
	}
	q := &Queue{address: a, set: set, env: env, pull: pull, attributes: attributes, slots: semaphore.NewWeighted(int64(set.InFlight))}
	q.client = Client(env.HTTP, set.Pollers+set.InFlight/batchMost)
	reach.EndpointURL = cmp.Or(reach.EndpointURL, a.endpoint)
	if q.session, err = reach.Open(kind, a.arn.Where(), env.Name, q.client); err != nil {
		return nil, err
	}
	q.arn = a.arn.In(q.session)
	sdk := api.NewFromConfig(q.session.Config)
	q.asked, q.measured, q.hidden, q.deleted = sdk.ReceiveMessage, sdk.GetQueueAttributes, sdk.ChangeMessageVisibilityBatch, sdk.DeleteMessageBatch
	return q, nil
}

func (s Polling) check() error {
	switch {
	case s.Pollers < 1 || s.Pollers > 64:
		return fmt.Errorf("pollers: want 1 to 64, not %d", s.Pollers)
	case s.InFlight < batchMost*s.Pollers || s.InFlight > 100_000:
		return fmt.Errorf("in_flight: want %d at least, ten for each poller, and 100000 at most, not %d", batchMost*s.Pollers, s.InFlight)
	case s.Visibility < 10*time.Second || s.Visibility > visibilityMax || s.Visibility%time.Second != 0:
		return fmt.Errorf("visibility: want 10s to 12h in whole seconds, not %v", s.Visibility)
	}
	return nil
}

// Client is the client that requests of a collector go out by, with no limit of time
// but that of each request's context, since a long poll waits for longer than
// requests may take otherwise, and with as many connections kept as are used at once.
func Client(given *http.Client, connections int) *http.Client {
	client := *given
	client.Timeout = 0
	base := client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	if transport, ok := base.(*http.Transport); ok {
		transport = transport.Clone()
		transport.MaxIdleConnsPerHost = max(transport.MaxIdleConnsPerHost, connections)
		transport.MaxIdleConns = max(transport.MaxIdleConns, connections)
		client.Transport = transport
	}
	return &client
}

// ARN is the queue's.
func (q *Queue) ARN() string { return q.arn.String() }

// Region is the queue's.
func (q *Queue) Region() string { return q.session.Config.Region }

// Run has work done for messages until ctx ends, most of them at once, 10 at most. It
// returns once no work is under way and what was not done is given back.
func (q *Queue) Run(ctx context.Context, most int, work Work) {
	var parts, batches sync.WaitGroup
	for range q.set.Pollers {
		parts.Go(func() { q.poll(ctx, min(most, batchMost), work, &batches) })
	}
	parts.Go(func() { q.watch(ctx) })
	parts.Wait()
	batches.Wait()
	q.client.CloseIdleConnections()
}

// poll receives until ctx ends. It waits for nobody's work, but for room.
func (q *Queue) poll(ctx context.Context, most int, work Work, batches *sync.WaitGroup) {
	for {
		if q.slots.Acquire(ctx, int64(most)) != nil {
			return
		}
		began := time.Now()
		messages, err := q.receive(ctx, most)
		q.slots.Release(int64(most - len(messages)))
		if len(messages) > 0 {
			batches.Go(func() { q.settle(ctx, messages, work) })
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait, _ := notify.RetryAfter(err)
			if !q.pull.Again(ctx, Receiving, err, wait) {
				return
			}
			continue
		}
		q.pull.Worked(ctx, Receiving)
		if len(messages) == 0 && time.Since(began) < idle && !collect.Sleep(ctx, idle) {
			return
		}
	}
}

// receive waits for messages. When ctx ends it waits a little longer.
func (q *Queue) receive(ctx context.Context, most int) ([]Message, error) {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), longPoll+callTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		collect.Sleep(asking, grace)
		cancel()
	})
	defer stop()
	out, err := q.asked(asking, &api.ReceiveMessageInput{
		QueueUrl:                    &q.url,
		MaxNumberOfMessages:         int32(most),
		WaitTimeSeconds:             int32(longPoll / time.Second),
		VisibilityTimeout:           q.seconds(),
		MessageAttributeNames:       q.attributes,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp, types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, q.refused(asking, "sqs:ReceiveMessage", err)
	}
	messages := make([]Message, len(out.Messages))
	for i, m := range out.Messages {
		messages[i] = read(m)
	}
	q.heard(messages)
	return messages, nil
}

func read(from types.Message) Message {
	m := Message{ID: sdk.ToString(from.MessageId), Body: sdk.ToString(from.Body), receipt: sdk.ToString(from.ReceiptHandle)}
	if ms, err := strconv.ParseInt(from.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		m.SentAt = time.UnixMilli(ms)
	}
	m.Receives, _ = strconv.Atoi(from.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]) // 0 if it is not told
	for name, value := range from.MessageAttributes {
		if value.StringValue == nil {
			continue
		}
		if m.Attributes == nil {
			m.Attributes = map[string]string{}
		}
		m.Attributes[name] = *value.StringValue
	}
	return m
}

// heard takes note of when messages came.
func (q *Queue) heard(messages []Message) {
	if len(messages) == 0 {
		return
	}
	oldest := messages[0].SentAt
	for _, m := range messages[1:] {
		if m.SentAt.Before(oldest) {
			oldest = m.SentAt
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last = q.env.Now()
	q.waited = 0
	if !oldest.IsZero() {
		q.waited = max(0, q.last.Sub(oldest))
	}
}

func (q *Queue) seconds() int32 { return int32(q.set.Visibility / time.Second) }

func (q *Queue) refused(ctx context.Context, action string, err error) error {
	return q.session.Refused(ctx, aws.Call{Action: action, Resource: q.ARN()}, err)
}

// calling is a context for a request that is made even if ctx ended.
func calling(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := callTime
	if ctx.Err() != nil {
		limit = stopTime
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// watch asks every minute how long the queue is.
func (q *Queue) watch(ctx context.Context) {
	for {
		d := q.measure(ctx)
		if ctx.Err() != nil {
			return
		}
		q.mu.Lock()
		q.depth = d
		q.mu.Unlock()
		if !collect.Sleep(ctx, every) {
			return
		}
	}
}

func (q *Queue) measure(ctx context.Context) depth {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	out, err := q.measured(ctx, &api.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: names})
	d := depth{at: q.env.Now()}
	if err != nil {
		d.err = q.refused(ctx, "sqs:GetQueueAttributes", err)
		return d
	}
	for i, into := range []*int64{&d.visible, &d.inFlight, &d.delays} {
		if *into, err = strconv.ParseInt(out.Attributes[string(names[i])], 10, 64); err != nil {
			d.err = errors.New("the service does not say")
		}
	}
	return d
}

// Facts say how the queue stands.
func (q *Queue) Facts() []tocsin.Fact {
	q.mu.Lock()
	defer q.mu.Unlock()
	facts := []tocsin.Fact{{Name: "Queue", Value: q.ARN()}}
	switch d := q.depth; {
	case d.at.IsZero():
	case d.err != nil:
		facts = append(facts, tocsin.Fact{Name: "Waiting", Value: "not known: " + d.err.Error()})
	default:
		text := fmt.Sprintf("about %d, and %d in flight", d.visible, d.inFlight)
		if d.delays > 0 {
			text += fmt.Sprintf(", and %d delayed", d.delays)
		}
		facts = append(facts, tocsin.Fact{Name: "Waiting", Value: text})
	}
	last := "none since the start"
	if !q.last.IsZero() {
		last = q.last.UTC().Format(time.RFC3339) + ", after " + q.waited.Round(100*time.Millisecond).String() + " in the queue"
	}
	return append(facts, tocsin.Fact{Name: "Last message", Value: last})
}

// Statement is what whoever empties the queue has to be allowed.
func (q *Queue) Statement() aws.Statement {
	return aws.Allow([]string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"}, q.ARN())
}
