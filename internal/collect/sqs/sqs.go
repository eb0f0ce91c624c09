// Package sqs takes in events from an Amazon SQS queue: what EventBridge put there,
// what SNS put there raw or wrapped, and what ended in a dead-letter queue of either.
//
// A message's body is an event, or several. Where it is a notification of SNS, its
// Message is; the envelope's id is then SNS's. Its signature is not looked at: who may
// send to the queue is what the queue's policy says.
//
// A message is deleted once its events are in the journal, and a message that cannot
// be read is in the journal as malformed. Everything else comes again.
package sqs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
)

// Kind is the way in by SQS.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("sqs", "Takes in messages of an Amazon SQS queue: EventBridge's, SNS's raw or wrapped, and those of a dead-letter queue.", open)
	k.Title = "Amazon SQS"
	return k
}

// Config is what can be set.
type Config struct {
	QueueURL string `json:"queue_url" required:"true" doc:"URL or ARN of the queue." example:"https://sqs.eu-west-1.amazonaws.com/111122223333/guardduty"`
	queue.Polling
	aws.Settings
}

const (
	via = "sqs"
	// together is how many events of several messages go to the sink at once.
	together = 1000
)

// source is the collector.
type source struct {
	env     collect.Env
	pull    *collect.Pull
	queue   *queue.Queue
	dead    dead
	notices notices
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	s := &source{env: env, pull: collect.NewPull(env)}
	var err error
	s.queue, err = queue.Open(via, c.QueueURL, c.Polling, c.Settings, env, s.pull, attributes[:]...)
	return s, err
}

// Run hands what is in the queue to sink until ctx ends.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	s.queue.Run(ctx, 10, func(ctx context.Context, messages []queue.Message) []error {
		return s.take(ctx, sink, messages)
	})
	return nil
}

// take hands on the events of messages, and says of each whether they were kept.
func (s *source) take(ctx context.Context, sink collect.Sink, messages []queue.Message) []error {
	errs := s.hand(ctx, sink, messages)
	for i, m := range messages {
		if errs[i] == nil {
			s.note(ctx, m)
		}
	}
	return errs
}

// hand hands the events of messages to the sink: all in one call, so that they share a
// commit, and each message by itself if that fails, so that one which will never be
// kept is not in the way of others.
func (s *source) hand(ctx context.Context, sink collect.Sink, messages []queue.Message) []error {
	// What the sink has begun is waited for though ctx ends.
	inside := context.WithoutCancel(ctx)
	errs := make([]error, len(messages))
	events := make([][]tocsin.Event, len(messages))
	var all []tocsin.Event
	for i, m := range messages {
		events[i] = s.read(ctx, m)
		all = append(all, events[i]...)
	}
	if len(all) <= together || len(messages) == 1 {
		_, err := sink(inside, all...)
		if err == nil {
			return errs
		}
		if len(messages) == 1 {
			errs[0] = err
			return errs
		}
	}
	kept := 0
	for i := range messages {
		if errs[i] = ctx.Err(); errs[i] != nil {
			continue
		}
		if _, errs[i] = sink(inside, events[i]...); errs[i] == nil {
			kept++
		}
	}
	if kept > 0 && ctx.Err() == nil {
		// The sink works: what it would not take has a fault of its own.
		for i, err := range errs {
			if err != nil {
				errs[i] = queue.Later(err)
			}
		}
	}
	return errs
}

// read are the events in a message.
func (s *source) read(ctx context.Context, m queue.Message) []tocsin.Event {
	id, text := m.ID, m.Body
	if n, ok := queue.Unwrap(m.Body); ok && n.Unconfirmed {
		s.notices.once(n.Topic, func() {
			s.env.Log.WarnContext(ctx, "subscription is not confirmed: confirm it, or subscribe as who owns the queue", slog.String("source", s.env.Name), slog.String("topic", n.Topic))
		})
	} else if ok {
		id, text = n.ID, n.Message
	}
	now := s.env.Now()
	var events []tocsin.Event
	for own, p := range collect.Named([]byte(text), id) {
		ev := tocsin.Event{Source: s.env.Name, Via: via, ReceivedAt: now, Envelope: own, Raw: p.Raw}
		if p.Err != nil {
			ev.Unreadable = p.Err.Error()
		}
		events = append(events, ev)
	}
	return events
}

// attributes are what EventBridge says of an event that it could not deliver
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html).
var attributes = [...]string{"RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE", "EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS"}

// dead is what is known of messages that came by a dead-letter queue.
type dead struct {
	mu    sync.Mutex // guards what follows
	count int64
	last  string
}

// notices are what is logged once.
type notices struct {
	mu   sync.Mutex // guards told
	told map[string]bool
}

// maxNotices bounds what is remembered as logged; the rest is not.
const maxNotices = 1000

func (n *notices) once(key string, tell func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told[key] || len(n.told) >= maxNotices {
		return
	}
	if n.told == nil {
		n.told = map[string]bool{}
	}
	n.told[key] = true
	tell()
}

// note takes note of what EventBridge says of a message that it could not deliver. It
// is logged once for each rule, target and error.
func (s *source) note(ctx context.Context, m queue.Message) {
	rule, target, code, text := m.Attributes["RULE_ARN"], m.Attributes["TARGET_ARN"], m.Attributes["ERROR_CODE"], m.Attributes["ERROR_MESSAGE"]
	if rule == "" && code == "" {
		return
	}
	s.dead.mu.Lock()
	s.dead.count++
	s.dead.last = fmt.Sprintf("%.200s could not deliver to %.200s: %.80s: %.300s (%.80s after %.20s attempts)",
		rule, target, code, text, m.Attributes["EXHAUSTED_RETRY_CONDITION"], cmp.Or(m.Attributes["RETRY_ATTEMPTS"], "0"))
	s.dead.mu.Unlock()
	s.notices.once(rule+" "+target+" "+code, func() {
		s.env.Log.WarnContext(ctx, "event from a dead-letter queue", slog.String("source", s.env.Name), slog.String("rule", rule),
			slog.String("target", target), slog.String("code", code), slog.String("err", text))
	})
}

// Status says how the queue stands.
func (s *source) Status(context.Context) collect.Status {
	st := s.pull.Status()
	st.Lines = append(st.Lines, s.queue.Facts()...)
	d := &s.dead
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count > 0 {
		st.Lines = append(st.Lines, tocsin.Fact{Name: "From a dead-letter queue", Value: fmt.Sprintf("%d since the start, last %s", d.count, d.last)})
	}
	return st
}

// Describe tells what the queue is, and what tocsin has to be allowed.
func (s *source) Describe(bool) []tocsin.Fact {
	return []tocsin.Fact{
		{Name: "Queue", Value: s.queue.ARN()},
		{Name: "Policy that tocsin needs", Value: aws.Policy(s.queue.Statement())},
	}
}
