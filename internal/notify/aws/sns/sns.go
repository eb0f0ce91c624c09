// Package sns tells an Amazon SNS topic, standard or FIFO, and so whoever
// subscribes to it.
//
// Concurrent messages share a PublishBatch. Level, account, region, type and kind
// travel as message attributes, by which subscriptions can filter; subscribers by
// e-mail get the first line as subject.
package sns

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of PublishBatch (https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html).
const (
	messageMost = 256 << 10 // bytes of a message and of a batch, attributes included
	batchMost   = 10        // messages
	subjectMost = 99        // "less than 100 characters"
)

// Kind is the notifier for SNS. What it sends is throttled by SNS alone.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-sns", "Publishes to an Amazon SNS topic.", open)
	k.Title = "Amazon SNS"
	k.Abilities = notify.Abilities{Resolve: true, Limit: "262,144 bytes, attributes included"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a topic.
type Config struct {
	Topic   string `json:"topic" required:"true" doc:"ARN of the topic." example:"arn:aws:sns:eu-west-1:111122223333:alerts"`
	GroupID string `json:"message_group_id,omitempty" doc:"FIFO topics: one group for all messages. Left out, each alert is one."`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session      *aws.Session
	publishBatch aws.Operation[api.PublishBatchInput, api.PublishBatchOutput, api.Options]
	call         aws.Call
	topic        string
	fifo         bool
	group        string
	batcher      *send.Batcher[entry, string]
}

// An entry is one message of a batch.
type entry struct {
	subject, text string
	attributes    []send.Attribute
	id, group     string // of FIFO topics
}

func (e entry) size() int { return len(e.text) + len(e.subject) + send.Weight(e.attributes) }

var nameForm = lazyregexp.New(`^[A-Za-z0-9_-]{1,256}(\.fifo)?$`)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if !strings.HasPrefix(c.Topic, "arn:") && !strings.HasPrefix(c.Topic, "${") {
		return nil, fmt.Errorf("topic: %q is not an ARN: arn:aws:sns:REGION:ACCOUNT:NAME", c.Topic)
	}
	topic, err := aws.Named("topic", c.Topic, "sns", "", nameForm)
	if err != nil {
		return nil, err
	}
	n := &notifier{topic: c.Topic, fifo: strings.HasSuffix(c.Topic, ".fifo"), group: c.GroupID}
	if c.GroupID != "" && (!n.fifo || c.GroupID != send.Key(c.GroupID, 128)) {
		return nil, fmt.Errorf("message_group_id: want at most 128 letters, digits, - and _, and a FIFO topic")
	}
	if n.Body, err = c.Body("aws-sns", messageMost-send.Room-subjectMost); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-sns", topic.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.publishBatch = api.NewFromConfig(n.session.Config).PublishBatch
	n.call = aws.Call{Action: "sns:Publish", Resource: c.Topic}
	n.batcher = send.NewBatcher("aws-sns", send.Limits[entry]{Count: batchMost, Bytes: messageMost, Size: entry.size}, n.send)
	return n, nil
}

// Notify publishes the message and returns the id that SNS gives it. A FIFO topic
// takes a message that is tried again within five minutes for the same.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	text, err := n.Of(m)
	if err != nil {
		return "", err
	}
	e := entry{subject: subject(m), text: string(text), attributes: send.Attributes(m)}
	if n.fifo {
		e.id, e.group = send.Key(m.ID, 128), n.group
		if e.group == "" {
			e.group = send.Group(m)
		}
	}
	return n.batcher.Do(ctx, e)
}

// near is what is written in ASCII for marks of our own.
var near = strings.NewReplacer("·", "-", "→", ">", "…", "...", "–", "-", "—", "-", "’", "'", "“", `"`, "”", `"`)

// subject is the first line as SNS allows it: ASCII that begins with no space,
// shorter than 100 characters, without line breaks.
func subject(m notify.Message) string {
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, near.Replace(notify.FirstLine(m)))
	if len(line) > subjectMost {
		line = line[:subjectMost-3] + "..."
	}
	return strings.TrimSpace(line)
}

// send makes one request. Entries are known in it by their place.
func (n *notifier) send(ctx context.Context, entries []entry) (send.Results[string], error) {
	in := &api.PublishBatchInput{TopicArn: &n.topic}
	for i, e := range entries {
		one := types.PublishBatchRequestEntry{Id: sdk.String(strconv.Itoa(i)), Message: &e.text, Subject: &e.subject, MessageAttributes: map[string]types.MessageAttributeValue{}}
		for _, a := range e.attributes {
			one.MessageAttributes[a.Name] = types.MessageAttributeValue{DataType: sdk.String("String"), StringValue: &a.Value}
		}
		if n.fifo {
			one.MessageDeduplicationId, one.MessageGroupId = &e.id, &e.group
		}
		in.PublishBatchRequestEntries = append(in.PublishBatchRequestEntries, one)
	}
	out, err := n.publishBatch(ctx, in)
	if err != nil {
		return nil, n.session.Refused(ctx, n.call, err)
	}
	results := send.Unanswered[string]("aws-sns", len(entries))
	for _, taken := range out.Successful {
		results.Set(taken.Id, send.Result[string]{Value: sdk.ToString(taken.MessageId)})
	}
	for _, f := range out.Failed {
		results.Set(f.Id, send.Result[string]{Err: n.session.RefusedEntry(n.call, sdk.ToString(f.Code), sdk.ToString(f.Message), f.SenderFault)})
	}
	return results, nil
}
