package lambda

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// ofBody gives the events of a body that came in the envelope of that id. Where it
// has none, an EventBridge event has its own. A body in which nothing can be read is
// kept as it came.
func ofBody(body []byte, envelope string) []tocsin.Event {
	var events []tocsin.Event
	wrong := errEmpty
	for p := range collect.Pieces(body) {
		ev := tocsin.Event{Raw: p.Raw, Envelope: envelope}
		if p.Err == nil {
			wrong = nil
		} else if wrong != nil && len(events) == 0 {
			wrong = p.Err
		}
		switch {
		case p.Err != nil:
			ev.Unreadable = p.Err.Error()
		case isS3(p.Raw):
			ev.Unreadable = "a notification of S3: " + s3Notification
		case envelope == "":
			ev.Envelope = collect.EventID(p.Raw)
		}
		events = append(events, ev)
	}
	if wrong != nil {
		return []tocsin.Event{unreadable(body, envelope, wrong.Error())}
	}
	if envelope != "" && len(events) > 1 {
		for i := range events {
			events[i].Envelope = numbered(envelope, i)
		}
	}
	return events
}

var errEmpty = errors.New("it is empty")

func unreadable(raw []byte, envelope, why string) tocsin.Event {
	return tocsin.Event{Raw: raw, Envelope: envelope, Unreadable: why}
}

func numbered(envelope string, i int) string { return envelope + "#" + strconv.Itoa(i) }

// isS3 reports whether raw is what a bucket tells of its objects.
func isS3(raw []byte) bool {
	return bytes.Contains(raw, []byte(`"aws:s3"`)) && gjson.GetBytes(raw, "Records.0.eventSource").Str == "aws:s3"
}

// ofMessage gives the events of a message of SQS: what was sent to the queue, or what
// SNS made of it, where raw message delivery is off.
func ofMessage(body []byte, envelope string) []tocsin.Event {
	if bytes.Contains(body, []byte(`"TopicArn"`)) && gjson.ValidBytes(body) {
		m := gjson.GetManyBytes(body, "Type", "TopicArn", "MessageId", "Message")
		if m[0].Str == "Notification" && m[1].Str != "" && m[2].Str != "" && m[3].Type == gjson.String {
			return ofBody([]byte(m[3].Str), m[2].Str)
		}
	}
	return ofBody(body, envelope)
}

// ofKinesis gives the events of a record's data, which may be several records of the
// Kinesis Producer Library, and each of them gzip or what a subscription of
// CloudWatch Logs sent.
func ofKinesis(text, envelope string) []tocsin.Event {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return []tocsin.Event{unreadable([]byte(text), envelope, err.Error())}
	}
	parts, ok := collect.Deaggregate(data)
	if !ok {
		return ofRecord(data, envelope)
	}
	var events []tocsin.Event
	for i, part := range parts {
		events = append(events, ofRecord(part, numbered(envelope, i))...)
	}
	return events
}

func ofRecord(data []byte, envelope string) []tocsin.Event {
	messages, _, subscribed, err := collect.Subscription(data)
	switch {
	case err != nil:
		return []tocsin.Event{unreadable(data, envelope, err.Error())}
	case subscribed:
		return ofLogged(messages, envelope)
	}
	plain, err := collect.Gunzip(data)
	if err != nil { // Subscription would have said so
		return []tocsin.Event{unreadable(data, envelope, err.Error())}
	}
	return ofBody(plain, envelope)
}

// ofLogs gives the events of what a subscription of CloudWatch Logs calls a function
// with. Of a control message there are none.
func ofLogs(text string) []tocsin.Event {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return []tocsin.Event{unreadable([]byte(text), "", "awslogs.data: "+err.Error())}
	}
	messages, _, subscribed, err := collect.Subscription(data)
	switch {
	case err != nil:
		return []tocsin.Event{unreadable(data, "", err.Error())}
	case !subscribed:
		return []tocsin.Event{unreadable(data, "", "awslogs.data holds nothing of a subscription of CloudWatch Logs")}
	}
	return ofLogged(messages, "")
}

// ofLogged gives the events that were logged. The id of a log event is the same
// however it comes; where it has none it is that of its envelope.
func ofLogged(messages []collect.LogMessage, envelope string) []tocsin.Event {
	var events []tocsin.Event
	for i, m := range messages {
		id := m.ID
		if id == "" && envelope != "" {
			id = numbered(envelope, i)
		}
		events = append(events, ofBody(m.Text, id)...)
	}
	return events
}
