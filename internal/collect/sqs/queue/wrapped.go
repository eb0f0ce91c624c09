package queue

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// A Notification is what SNS puts into a queue whose subscription does not deliver
// raw (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html).
type Notification struct {
	ID      string // SNS's, the same in each queue
	Topic   string // ARN
	Message string
	// Unconfirmed says that it is no notification: SNS asks whether the subscription,
	// which somebody made who does not own the queue, is meant.
	Unconfirmed bool
}

// Unwrap reads a body as a notification of SNS, if it is one. Of members given twice
// the last counts.
func Unwrap(body string) (n Notification, ok bool) {
	// Nearly every body is an event, and is not read twice.
	if !strings.Contains(body, `"TopicArn"`) || collect.Valid([]byte(body)) != nil {
		return n, false
	}
	typ, has := "", false
	root := gjson.Parse(body)
	if !root.IsObject() {
		return n, false
	}
	root.ForEach(func(key, value gjson.Result) bool {
		if value.Type != gjson.String {
			return true
		}
		switch key.Str {
		case "Type":
			typ = value.Str
		case "MessageId":
			n.ID = value.Str
		case "TopicArn":
			n.Topic = value.Str
		case "Message":
			// gjson takes what follows half of a surrogate pair for the other half.
			has = json.Unmarshal([]byte(value.Raw), &n.Message) == nil
		}
		return true
	})
	n.Unconfirmed = typ == "SubscriptionConfirmation"
	return n, (typ == "Notification" || n.Unconfirmed) && n.ID != "" && n.Topic != "" && has
}
