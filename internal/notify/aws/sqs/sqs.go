// Package sqs tells an Amazon SQS queue, standard or FIFO.
//
// Concurrent messages share a SendMessageBatch. Level, account, region, type and
// kind travel as message attributes.
package sqs

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Limits of SendMessageBatch
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
const (
	messageMost = 1 << 20 // bytes of a message and of a batch, attributes included
	batchMost   = 10      // messages
)

// Kind is the notifier for SQS. What it sends is throttled by SQS alone.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-sqs", "Sends to an Amazon SQS queue.", open)
	k.Title = "Amazon SQS"
	k.Abilities = notify.Abilities{Resolve: true, Limit: "1,048,576 bytes, attributes included"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a queue.
type Config struct {
	Queue   string `json:"queue" required:"true" doc:"ARN or URL of the queue." example:"arn:aws:sqs:eu-west-1:111122223333:alerts"`
	GroupID string `json:"message_group_id,omitempty" doc:"FIFO queues: one group for all messages. Left out, each alert is one."`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session          *aws.Session
	sendMessageBatch aws.Operation[api.SendMessageBatchInput, api.SendMessageBatchOutput, api.Options]
	call             aws.Call
	url              string
	fifo             bool
	group            string
	batcher          *send.Batcher[entry, string]
}

// An entry is one message of a batch.
type entry struct {
	text       string
	attributes []send.Attribute
	id, group  string // of FIFO queues
}

func (e entry) size() int { return len(e.text) + send.Weight(e.attributes) }

func open(c Config, env notify.Env) (notify.Notifier, error) {
	queue, err := read(c.Queue)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	n := &notifier{url: queue.url, fifo: strings.HasSuffix(queue.arn.Resource, ".fifo"), group: c.GroupID}
	if c.GroupID != "" && (!n.fifo || c.GroupID != send.Key(c.GroupID, 128)) {
		return nil, fmt.Errorf("message_group_id: want at most 128 letters, digits, - and _, and a FIFO queue")
	}
	if n.Body, err = c.Body("aws-sqs", messageMost-send.Room); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-sqs", queue.arn.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.sendMessageBatch = api.NewFromConfig(n.session.Config).SendMessageBatch
	n.call = aws.Call{Action: "sqs:SendMessage", Resource: queue.arn.In(n.session).String()}
	n.batcher = send.NewBatcher("aws-sqs", send.Limits[entry]{Count: batchMost, Bytes: messageMost, Size: entry.size}, n.send)
	return n, nil
}

// A queue is known by its URL, from which AWS makes the ARN, or by that.
type queue struct {
	url string
	arn aws.ARN
}

var (
	nameForm = lazyregexp.New(`^[A-Za-z0-9_-]{1,75}(\.fifo|[A-Za-z0-9_-]{0,5})$`)
	// hostForm finds the region in sqs.eu-west-1.amazonaws.com and the names of VPC
	// endpoints, and in the old eu-west-1.queue.amazonaws.com.
	hostForm = lazyregexp.New(`(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.`)
)

func read(text string) (queue, error) {
	if strings.HasPrefix(text, "arn:") {
		arn, err := aws.ParseARN(text, "sqs")
		if err == nil && !nameForm.MatchString(arn.Resource) {
			err = fmt.Errorf("%q is not the name of a queue", arn.Resource)
		}
		return queue{"https://sqs." + arn.Region + "." + aws.DomainOf(arn.Region) + "/" + arn.Account + "/" + arn.Resource, arn}, err
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		if secret.IsReference(text) {
			return queue{text, aws.ARN{Region: "*"}}, nil
		}
		return queue{}, fmt.Errorf("%q is neither the ARN nor the URL of a queue", text)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) != 2 || !nameForm.MatchString(parts[1]) {
		return queue{}, fmt.Errorf("%q is not the URL of a queue: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", text)
	}
	arn := aws.ARN{Partition: "*", Service: "sqs", Region: "*", Account: parts[0], Resource: parts[1]}
	if found := hostForm.FindStringSubmatch(u.Host); found != nil {
		arn.Region = found[1] + found[2]
		arn.Partition = aws.PartitionOf(arn.Region)
	}
	return queue{text, arn}, nil
}

// Notify sends the message and returns the id that SQS gives it. A FIFO queue
// takes a message that is tried again within five minutes for the same.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	text, err := n.Of(m)
	if err != nil {
		return "", err
	}
	e := entry{text: string(text), attributes: send.Attributes(m)}
	if n.fifo {
		e.id, e.group = send.Key(m.ID, 128), n.group
		if e.group == "" {
			e.group = send.Group(m)
		}
	}
	return n.batcher.Do(ctx, e)
}

// send makes one request. Entries are known in it by their place.
func (n *notifier) send(ctx context.Context, entries []entry) (send.Results[string], error) {
	in := &api.SendMessageBatchInput{QueueUrl: &n.url}
	for i, e := range entries {
		one := types.SendMessageBatchRequestEntry{Id: sdk.String(strconv.Itoa(i)), MessageBody: &e.text, MessageAttributes: map[string]types.MessageAttributeValue{}}
		for _, a := range e.attributes {
			one.MessageAttributes[a.Name] = types.MessageAttributeValue{DataType: sdk.String("String"), StringValue: &a.Value}
		}
		if n.fifo {
			one.MessageDeduplicationId, one.MessageGroupId = &e.id, &e.group
		}
		in.Entries = append(in.Entries, one)
	}
	out, err := n.sendMessageBatch(ctx, in)
	if err != nil {
		return nil, n.session.Refused(ctx, n.call, err)
	}
	results := send.Unanswered[string]("aws-sqs", len(entries))
	for _, taken := range out.Successful {
		results.Set(taken.Id, send.Result[string]{Value: sdk.ToString(taken.MessageId)})
	}
	for _, f := range out.Failed {
		results.Set(f.Id, send.Result[string]{Err: n.session.RefusedEntry(n.call, sdk.ToString(f.Code), sdk.ToString(f.Message), f.SenderFault)})
	}
	return results, nil
}
