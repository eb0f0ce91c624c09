// Package logs tells a log stream of Amazon CloudWatch Logs.
//
// Concurrent messages share a PutLogEvents. The stream is made if it is missing,
// and the group too where the settings say so.
package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of PutLogEvents
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html).
const (
	eventMost   = 256 << 10 // bytes of an event
	requestMost = 1 << 20   // of a request
	overhead    = 26        // that each event counts more
	eventsMost  = 10_000

	oldest = 14 * 24 * time.Hour
	newest = 2 * time.Hour
	// apart is how far from the first of a request another may be: all are within
	// 24 hours.
	apart = 12 * time.Hour
)

// Kind is the notifier for CloudWatch Logs. What it sends is throttled by the
// account's quota alone.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-logs", "Writes to a log stream of Amazon CloudWatch Logs.", open)
	k.Title = "Amazon CloudWatch Logs"
	k.Abilities = notify.Abilities{Resolve: true, Limit: "262,118 bytes"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a log stream.
type Config struct {
	Group       string `json:"log_group" required:"true" doc:"ARN or name of the log group." example:"arn:aws:logs:eu-west-1:111122223333:log-group:/tocsin/alerts"`
	Stream      string `json:"log_stream,omitempty" default:"tocsin" doc:"Log stream; made if it is missing."`
	CreateGroup bool   `json:"create_group,omitempty" default:"false" doc:"Make the log group too if it is missing; it then keeps its events for ever, until somebody sets otherwise."`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session         *aws.Session
	putLogEvents    aws.Operation[api.PutLogEventsInput, api.PutLogEventsOutput, api.Options]
	createLogGroup  aws.Operation[api.CreateLogGroupInput, api.CreateLogGroupOutput, api.Options]
	createLogStream aws.Operation[api.CreateLogStreamInput, api.CreateLogStreamOutput, api.Options]
	group, stream   string
	createGroup     bool
	arn             string // of the group
	now             func() time.Time
	batcher         *send.Batcher[event, string]
}

type event struct {
	at   time.Time
	text string
}

func (e event) size() int { return len(e.text) + overhead }

func together(first, next event) bool { return first.at.Sub(next.at).Abs() < apart }

var (
	groupForm  = lazyregexp.New(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamForm = lazyregexp.New(`^[^:*\x00-\x1f]{1,512}$`)
)

const before = "log-group:"

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.Stream == "" {
		c.Stream = "tocsin"
	}
	// The console shows the ARN with the streams of the group at its end.
	group, err := aws.Named("log_group", strings.TrimSuffix(c.Group, ":*"), "logs", before, groupForm)
	if err != nil {
		return nil, err
	}
	if !streamForm.MatchString(c.Stream) {
		return nil, fmt.Errorf("log_stream: %q is not such a name: at most 512 characters, without : and *", c.Stream)
	}
	n := &notifier{group: strings.TrimPrefix(group.Resource, before), stream: c.Stream, createGroup: c.CreateGroup, now: env.Now}
	if n.Body, err = c.Body("aws-logs", eventMost-overhead); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-logs", group.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	client := api.NewFromConfig(n.session.Config)
	n.putLogEvents, n.createLogGroup, n.createLogStream = client.PutLogEvents, client.CreateLogGroup, client.CreateLogStream
	n.arn = group.In(n.session).String()
	n.batcher = send.NewBatcher("aws-logs", send.Limits[event]{Count: eventsMost, Bytes: requestMost, Size: event.size, Together: together}, n.send)
	return n, nil
}

// Notify writes the message, at the time when it came to be owed. CloudWatch Logs
// takes nothing older than 14 days or two hours ahead: what is, stands at the
// present time. A message that is tried again may be there twice, with the same id.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	text, err := n.Of(m)
	if err != nil {
		return "", err
	}
	at, now := m.At, n.now()
	if at.Before(now.Add(-oldest+time.Hour)) || at.After(now.Add(newest-time.Minute)) {
		at = now
	}
	return n.batcher.Do(ctx, event{at, string(text)})
}

// send writes the events, in the order of their times, and makes what is missing
// for that.
func (n *notifier) send(ctx context.Context, events []event) (send.Results[string], error) {
	order := make([]int, len(events)) // places in events, oldest first
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(events[a].at.UnixMilli(), events[b].at.UnixMilli()) })
	in := &api.PutLogEventsInput{LogGroupName: &n.group, LogStreamName: &n.stream}
	for _, i := range order {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Message: &events[i].text, Timestamp: sdk.Int64(events[i].at.UnixMilli())})
	}
	out, err := n.putLogEvents(ctx, in)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		if err := n.create(ctx); err != nil {
			return nil, err
		}
		out, err = n.putLogEvents(ctx, in)
	}
	if err != nil {
		return nil, n.session.Refused(ctx, aws.Call{Action: "logs:PutLogEvents", Resource: n.arn + ":log-stream:" + n.stream}, err)
	}
	results := make(send.Results[string], len(events))
	for place, i := range order {
		if why := rejected(out.RejectedLogEventsInfo, place); why != "" {
			results[i].Err = notify.Permanent(fmt.Errorf("aws-logs: %s: the event was not written: %s", n.group, why))
		}
	}
	return results, nil
}

// rejected says why the event at that place of the request was not written, or
// nothing.
func rejected(info *types.RejectedLogEventsInfo, place int) string {
	switch {
	case info == nil:
	case info.ExpiredLogEventEndIndex != nil && place < int(*info.ExpiredLogEventEndIndex):
		return "it is older than the group keeps events"
	case info.TooOldLogEventEndIndex != nil && place < int(*info.TooOldLogEventEndIndex):
		return "it is too old"
	case info.TooNewLogEventStartIndex != nil && place >= int(*info.TooNewLogEventStartIndex):
		return "it is too far ahead: correct this machine's clock"
	}
	return ""
}

// create makes the stream, and the group if that is what is missing and the
// settings say so. Another replica may have been first.
func (n *notifier) create(ctx context.Context) error {
	err := n.createStream(ctx)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing && n.createGroup {
		if _, err = n.createLogGroup(ctx, &api.CreateLogGroupInput{LogGroupName: &n.group}); there(err) {
			err = nil
		}
		if err != nil {
			return n.session.Refused(ctx, aws.Call{Action: "logs:CreateLogGroup", Resource: n.arn}, err)
		}
		err = n.createStream(ctx)
	}
	if err != nil && !there(err) {
		return n.session.Refused(ctx, aws.Call{Action: "logs:CreateLogStream", Resource: n.arn}, err)
	}
	return nil
}

func (n *notifier) createStream(ctx context.Context) error {
	_, err := n.createLogStream(ctx, &api.CreateLogStreamInput{LogGroupName: &n.group, LogStreamName: &n.stream})
	return err
}

func there(err error) bool {
	_, ok := errors.AsType[*types.ResourceAlreadyExistsException](err)
	return ok
}
