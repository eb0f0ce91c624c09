// Package firehose tells an Amazon Data Firehose stream, and by it S3, OpenSearch,
// Splunk and whatever else it delivers to.
//
// Concurrent messages share a PutRecordBatch. Each record is one line, since
// Firehose puts nothing between them.
package firehose

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of PutRecordBatch
// (https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html).
const (
	recordMost  = 1000 << 10 // bytes of a record
	requestMost = 4 << 20
	recordsMost = 500
)

// Kind is the notifier for Firehose. What it sends is throttled by the stream
// alone.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-firehose", "Puts records into an Amazon Data Firehose stream.", open)
	k.Title = "Amazon Data Firehose"
	k.Abilities = notify.Abilities{Resolve: true, Limit: "1,024,000 bytes"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a stream.
type Config struct {
	Stream string `json:"delivery_stream" required:"true" doc:"ARN or name of the Firehose stream." example:"arn:aws:firehose:eu-west-1:111122223333:deliverystream/alerts"`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session        *aws.Session
	putRecordBatch aws.Operation[api.PutRecordBatchInput, api.PutRecordBatchOutput, api.Options]
	call           aws.Call
	name           string
	batcher        *send.Batcher[[]byte, string]
}

var nameForm = lazyregexp.New(`^[a-zA-Z0-9_.-]{1,64}$`)

const before = "deliverystream/"

func open(c Config, env notify.Env) (notify.Notifier, error) {
	stream, err := aws.Named("delivery_stream", c.Stream, "firehose", before, nameForm)
	if err != nil {
		return nil, err
	}
	n := &notifier{name: strings.TrimPrefix(stream.Resource, before)}
	if n.Body, err = c.Body("aws-firehose", recordMost-1); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-firehose", stream.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.putRecordBatch = api.NewFromConfig(n.session.Config).PutRecordBatch
	n.call = aws.Call{Action: "firehose:PutRecordBatch", Resource: stream.In(n.session).String()}
	size := func(record []byte) int { return len(record) }
	n.batcher = send.NewBatcher("aws-firehose", send.Limits[[]byte]{Count: recordsMost, Bytes: requestMost, Size: size}, n.send)
	return n, nil
}

// Notify puts the message and returns the record's id. A message that is tried
// again may be there twice, with the same id within.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	text, err := n.Of(m)
	if err != nil {
		return "", err
	}
	return n.batcher.Do(ctx, line(text))
}

// line is the text as one line. JSON that has line breaks between its values is
// written without them; it is the same JSON.
func line(text []byte) []byte {
	if bytes.ContainsAny(text, "\r\n") {
		var one bytes.Buffer
		if json.Compact(&one, text) == nil {
			text = one.Bytes()
		}
	}
	return append(bytes.Clone(text), '\n')
}

func (n *notifier) send(ctx context.Context, records [][]byte) (send.Results[string], error) {
	in := &api.PutRecordBatchInput{DeliveryStreamName: &n.name}
	for _, data := range records {
		in.Records = append(in.Records, types.Record{Data: data})
	}
	out, err := n.putRecordBatch(ctx, in)
	if err != nil {
		return nil, n.session.Refused(ctx, n.call, err)
	}
	results := send.Unanswered[string]("aws-firehose", len(records))
	for i, r := range out.RequestResponses[:min(len(out.RequestResponses), len(records))] {
		results[i] = send.Result[string]{Value: sdk.ToString(r.RecordId)}
		if r.ErrorCode != nil {
			results[i] = send.Result[string]{Err: n.session.RefusedEntry(n.call, *r.ErrorCode, sdk.ToString(r.ErrorMessage), false)}
		}
	}
	return results, nil
}
