// Package eventbridge tells an Amazon EventBridge event bus, and so whatever its
// rules lead to.
//
// Concurrent messages share a PutEvents. The message is the event's detail; source
// and detail type can be set.
package eventbridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of PutEvents (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html).
// An entry counts its source, detail type, detail, and 14 bytes for its time.
const (
	requestMost = 256 << 10 // bytes
	entriesMost = 10
	timeWeight  = 14
	nameMost    = 128 // characters of source and detail type, as rules can match them
)

// Kind is the notifier for EventBridge. What it sends is throttled by the bus
// alone.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-eventbridge", "Puts events on an Amazon EventBridge bus.", open)
	k.Title = "Amazon EventBridge"
	k.Abilities = notify.Abilities{Resolve: true, Limit: "262,144 bytes, source and detail type included"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a bus.
type Config struct {
	Bus        string `json:"event_bus,omitempty" default:"default" doc:"ARN or name of the event bus." example:"arn:aws:events:eu-west-1:111122223333:event-bus/security"`
	Source     string `json:"source,omitempty" default:"tocsin" doc:"Source of the events. One that begins with aws. is AWS's own."`
	DetailType string `json:"detail_type,omitempty" default:"tocsin Alert" doc:"Detail type of the events."`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session            *aws.Session
	putEvents          aws.Operation[api.PutEventsInput, api.PutEventsOutput, api.Options]
	call               aws.Call
	bus                string
	source, detailType string
	batcher            *send.Batcher[entry, string]
}

type entry struct {
	detail string
	at     time.Time
}

var nameForm = lazyregexp.New(`^[/.A-Za-z0-9_-]{1,256}$`)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.Bus == "" {
		c.Bus = "default"
	}
	if c.Source == "" {
		c.Source = "tocsin"
	}
	if c.DetailType == "" {
		c.DetailType = "tocsin Alert"
	}
	bus, err := aws.Named("event_bus", c.Bus, "events", "event-bus/", nameForm)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(c.Source, "aws."):
		return nil, fmt.Errorf("source: %q is AWS's own, and refused; take another", c.Source)
	case utf8.RuneCountInString(c.Source) > nameMost:
		return nil, fmt.Errorf("source: is longer than %d characters", nameMost)
	case utf8.RuneCountInString(c.DetailType) > nameMost:
		return nil, fmt.Errorf("detail_type: is longer than %d characters", nameMost)
	}
	n := &notifier{bus: c.Bus, source: c.Source, detailType: c.DetailType}
	beside := len(c.Source) + len(c.DetailType) + timeWeight
	if n.Body, err = c.Body("aws-eventbridge", requestMost-beside); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-eventbridge", bus.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.putEvents = api.NewFromConfig(n.session.Config).PutEvents
	n.call = aws.Call{Action: "events:PutEvents", Resource: bus.In(n.session).String()}
	size := func(e entry) int { return len(e.detail) + beside }
	n.batcher = send.NewBatcher("aws-eventbridge", send.Limits[entry]{Count: entriesMost, Bytes: requestMost, Size: size}, n.send)
	return n, nil
}

// Notify puts the message on the bus and returns the event's id. A message that is
// tried again may come twice, with the same id in its detail.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	text, err := n.Of(m)
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) || !json.Valid(text) {
		return "", notify.Permanent(errors.New("aws-eventbridge: a detail is a JSON object, and this is none: have input make one"))
	}
	return n.batcher.Do(ctx, entry{string(text), m.At})
}

func (n *notifier) send(ctx context.Context, entries []entry) (send.Results[string], error) {
	in := &api.PutEventsInput{}
	for _, e := range entries {
		in.Entries = append(in.Entries, types.PutEventsRequestEntry{
			EventBusName: &n.bus, Source: &n.source, DetailType: &n.detailType, Detail: &e.detail, Time: &e.at,
		})
	}
	out, err := n.putEvents(ctx, in)
	if err != nil {
		return nil, n.session.Refused(ctx, n.call, err)
	}
	results := send.Unanswered[string]("aws-eventbridge", len(entries))
	for i, e := range out.Entries[:min(len(out.Entries), len(entries))] {
		results[i] = send.Result[string]{Value: sdk.ToString(e.EventId)}
		if e.ErrorCode != nil {
			results[i] = send.Result[string]{Err: n.session.RefusedEntry(n.call, *e.ErrorCode, sdk.ToString(e.ErrorMessage), true)}
		}
	}
	return results, nil
}
