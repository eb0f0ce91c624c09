// Package kinesis tells an Amazon Kinesis data stream.
//
// Concurrent messages share a PutRecords. What is of one alert, or of one account,
// goes to one shard and stays in order there.
package kinesis

import (
	"context"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of PutRecords
// (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html). A
// stream takes records of 1 MiB until it is told to take longer ones.
const (
	recordMost  = 10 << 20 // bytes of a record, its key included
	requestMost = 10 << 20
	recordsMost = 500
	keyMost     = 128
)

// Kind is the notifier for Kinesis. What it sends is throttled by the stream's
// shards alone.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-kinesis", "Puts records into an Amazon Kinesis data stream.", open)
	k.Title = "Amazon Kinesis Data Streams"
	k.Abilities = notify.Abilities{Resolve: true, Limit: "1 MiB, or what the stream is set to take, 10 MiB at most"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a stream.
type Config struct {
	Stream       string `json:"stream" required:"true" doc:"ARN or name of the data stream." example:"arn:aws:kinesis:eu-west-1:111122223333:stream/alerts"`
	PartitionKey string `json:"partition_key,omitempty" default:"alert" oneof:"alert account" doc:"What stays in order: the messages of each alert, or of each account."`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session    *aws.Session
	putRecords aws.Operation[api.PutRecordsInput, api.PutRecordsOutput, api.Options]
	call       aws.Call
	arn, name  *string // one of them
	byAccount  bool
	batcher    *send.Batcher[record, string]
}

type record struct {
	key  string
	data []byte
}

func (r record) size() int { return len(r.key) + len(r.data) }

var nameForm = lazyregexp.New(`^[a-zA-Z0-9_.-]{1,128}$`)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	stream, err := aws.Named("stream", c.Stream, "kinesis", "stream/", nameForm)
	if err != nil {
		return nil, err
	}
	n := &notifier{byAccount: c.PartitionKey == "account"}
	switch c.PartitionKey {
	case "", "alert", "account":
	default:
		return nil, fmt.Errorf("partition_key: %q is neither alert nor account", c.PartitionKey)
	}
	if strings.HasPrefix(c.Stream, "arn:") {
		n.arn = &c.Stream
	} else {
		n.name = &c.Stream
	}
	if n.Body, err = c.Body("aws-kinesis", recordMost-keyMost); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-kinesis", stream.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.putRecords = api.NewFromConfig(n.session.Config).PutRecords
	n.call = aws.Call{Action: "kinesis:PutRecords", Resource: stream.In(n.session).String()}
	n.batcher = send.NewBatcher("aws-kinesis", send.Limits[record]{Count: recordsMost, Bytes: requestMost, Size: record.size}, n.send)
	return n, nil
}

// Notify puts the message and returns where it is: "shardId-000000000000:4957…". A
// message that is tried again may be there twice, with the same id.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	text, err := n.Of(m)
	if err != nil {
		return "", err
	}
	return n.batcher.Do(ctx, record{n.key(m), text})
}

func (n *notifier) key(m notify.Message) string {
	if n.byAccount && m.Alert.Account != "" {
		return send.Key(m.Alert.Account, keyMost)
	}
	return send.Group(m)
}

func (n *notifier) send(ctx context.Context, records []record) (send.Results[string], error) {
	in := &api.PutRecordsInput{StreamARN: n.arn, StreamName: n.name}
	for _, r := range records {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &r.key, Data: r.data})
	}
	out, err := n.putRecords(ctx, in)
	if err != nil {
		return nil, n.session.Refused(ctx, n.call, err)
	}
	results := send.Unanswered[string]("aws-kinesis", len(records))
	for i, r := range out.Records[:min(len(out.Records), len(records))] {
		results[i] = send.Result[string]{Value: sdk.ToString(r.ShardId) + ":" + sdk.ToString(r.SequenceNumber)}
		if r.ErrorCode != nil {
			results[i] = send.Result[string]{Err: n.session.RefusedEntry(n.call, *r.ErrorCode, sdk.ToString(r.ErrorMessage), false)}
		}
	}
	return results, nil
}
