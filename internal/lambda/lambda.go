// Package lambda reads what AWS Lambda calls a function with, whatever triggered it,
// and writes the answer by which AWS knows what to send again. It is told apart by
// its shape alone:
//
//	{"detail-type": …, "source": …}             an event: EventBridge, or anybody who invokes the function
//	{"Records": [{"Sns": {"Message": …}}]}      Amazon SNS
//	{"Records": [{"body": …}]}                  Amazon SQS
//	{"Records": [{"kinesis": {"data": …}}]}     Kinesis Data Streams
//	{"awslogs": {"data": …}}                    a subscription of CloudWatch Logs
//	{"requestContext": {"http": …}}             a function URL, or an HTTP API (payload 2.0)
//	{"detail-type": "Scheduled Event", …}       a schedule: the clock turns
//
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
)

// A Trigger is what had AWS call the function.
type Trigger string

// The triggers.
const (
	Direct   Trigger = "event" // the event itself is what the function was called with
	SNS      Trigger = "sns"
	SQS      Trigger = "sqs"
	Kinesis  Trigger = "kinesis"
	Logs     Trigger = "logs"
	HTTP     Trigger = "http"
	Schedule Trigger = "schedule"
)

// An Invocation is what a function was called with.
type Invocation struct {
	Trigger Trigger
	// Items are in the order in which they came.
	Items []Item
	// Request is what HTTP brought, as it stands; see [ReadRequest].
	Request []byte
}

// An Item is kept as a whole or sent again as a whole.
type Item struct {
	// ID is how AWS is told of it: the messageId of SQS, the sequence number of
	// Kinesis; empty where the invocation is kept or sent again as a whole.
	ID string
	// Events are those in it; there may be none. They have an Envelope, Raw and
	// Unreadable, and share the memory of what the function was called with.
	Events []tocsin.Event
}

// Read reads what the function was called with. An error says that it is of a
// trigger that brings no events, or is answered in another way.
func Read(payload []byte) (Invocation, error) {
	top := bytes.TrimSpace(payload)
	if len(top) == 0 || top[0] != '{' {
		return direct(payload), nil
	}
	shape := gjson.GetManyBytes(top, "Records.0", "awslogs.data", "requestContext", "detail-type", "source")
	records, logs, context, kind, source := shape[0], shape[1], shape[2], shape[3].Str, shape[4].Str
	switch {
	case records.IsObject():
		return readRecords(payload, origin(records))
	case logs.Type == gjson.String:
		return Invocation{Trigger: Logs, Items: []Item{{Events: ofLogs(logs.Str)}}}, nil
	case context.Get("http").IsObject():
		return Invocation{Trigger: HTTP, Request: payload}, nil
	case kind == "Scheduled Event" && (source == "aws.events" || source == "aws.scheduler"):
		return Invocation{Trigger: Schedule}, nil
	}
	return direct(payload), stranger(top, context)
}

// origin is the service that a record says it is of: "aws:sqs". SNS writes the key
// with a capital.
func origin(record gjson.Result) string {
	for _, key := range []string{"eventSource", "EventSource"} {
		if from := record.Get(key).Str; strings.HasPrefix(from, "aws:") {
			return from
		}
	}
	return ""
}

// stranger says why what is no event must not be taken for one.
func stranger(top []byte, context gjson.Result) error {
	other := gjson.GetManyBytes(top, "eventSource", "deliveryStreamArn", "httpMethod")
	from := other[0].Str
	switch {
	case context.IsObject() && (other[2].Exists() || context.Get("elb").Exists() || context.Get("connectionId").Exists()):
		return errors.New("requests are taken from function URLs and from HTTP APIs with payload format 2.0 alone: this is of a REST API, a WebSocket API or a load balancer")
	case strings.HasPrefix(from, "aws:"), from == "SelfManagedKafka":
		return noTrigger(from)
	case other[1].Type == gjson.String && gjson.GetBytes(top, "records").IsArray():
		return errors.New("aws:firehose is not a trigger of tocsin: a transformation has to give records back; let Firehose deliver to a source of kind https")
	}
	return nil
}

func noTrigger(from string) error {
	if from == "aws:s3" {
		return errors.New("aws:s3 is not a trigger of tocsin: " + s3Notification)
	}
	return fmt.Errorf("%s is not a trigger of tocsin: use EventBridge, SNS, SQS, Kinesis, CloudWatch Logs or a function URL", from)
}

// s3Notification is why a notification of S3 is not taken.
const s3Notification = "its notifications name an object and hold no findings; read the bucket with a source of kind s3"

func direct(payload []byte) Invocation {
	return Invocation{Trigger: Direct, Items: []Item{{Events: ofBody(payload, "")}}}
}

// A record is what is read of one, of whichever service.
type record struct {
	// Of SQS.
	MessageID string `json:"messageId"`
	Body      string `json:"body"`
	// Of Kinesis. ID is "shardId-000000000006:49590…".
	ID      string `json:"eventID"`
	Kinesis struct {
		SequenceNumber string `json:"sequenceNumber"`
		Data           string `json:"data"`
	} `json:"kinesis"`
	// Of SNS.
	SNS struct {
		MessageID string `json:"MessageId"`
		Message   string `json:"Message"`
	} `json:"Sns"`
}

func readRecords(payload []byte, from string) (Invocation, error) {
	triggers := map[string]Trigger{"aws:sns": SNS, "aws:sqs": SQS, "aws:kinesis": Kinesis}
	trigger, known := triggers[from]
	switch {
	case from == "": // Records of something else: one event, such as it is
		return direct(payload), nil
	case !known:
		return Invocation{}, noTrigger(from)
	}
	var all struct{ Records []record }
	if err := json.Unmarshal(payload, &all); err != nil {
		return Invocation{}, fmt.Errorf("records of %s: %w", from, err)
	}
	i := Invocation{Trigger: trigger, Items: make([]Item, len(all.Records))}
	for n, r := range all.Records {
		switch trigger {
		case SNS:
			i.Items[n] = Item{Events: ofBody([]byte(r.SNS.Message), r.SNS.MessageID)}
		case SQS:
			i.Items[n] = Item{r.MessageID, ofMessage([]byte(r.Body), r.MessageID)}
		default:
			i.Items[n] = Item{r.Kinesis.SequenceNumber, ofKinesis(r.Kinesis.Data, strings.Replace(r.ID, ":", "/", 1))}
		}
		if trigger != SNS && i.Items[n].ID == "" {
			return Invocation{}, fmt.Errorf("record %d of %s has no id", n, from)
		}
	}
	return i, nil
}

// ErrNotKept says that AWS is to send it all again.
var ErrNotKept = errors.New("not kept")

// Answer is what the function answers, where failed are the numbers of the items that
// were not kept. SQS is told each of them, and Kinesis the first, since a shard is
// sent again from there
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html,
// https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html).
// That takes ReportBatchItemFailures in the event source mapping: without it AWS does
// not read the answer. For the other triggers the error is ErrNotKept if there is any.
func (i Invocation) Answer(failed ...int) ([]byte, error) {
	if i.Trigger != SQS && i.Trigger != Kinesis {
		if len(failed) > 0 {
			return nil, fmt.Errorf("%w: %d of %d", ErrNotKept, len(failed), len(i.Items))
		}
		return json.Marshal(struct {
			Accepted int `json:"accepted"`
		}{i.events()})
	}
	slices.Sort(failed)
	if i.Trigger == Kinesis && len(failed) > 1 {
		failed = failed[:1]
	}
	type failure struct {
		Item string `json:"itemIdentifier"`
	}
	answer := struct {
		Failures []failure `json:"batchItemFailures"`
	}{make([]failure, len(failed))}
	for n, item := range failed {
		answer.Failures[n].Item = i.Items[item].ID
	}
	return json.Marshal(answer)
}

func (i Invocation) events() (n int) {
	for _, item := range i.Items {
		n += len(item.Events)
	}
	return n
}
