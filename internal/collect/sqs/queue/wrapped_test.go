package queue_test

import (
	"encoding/json"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
)

// What SNS wraps comes out as encoding/json reads it.
func FuzzUnwrap(f *testing.F) {
	for _, seed := range []string{
		`{"Type":"Notification","MessageId":"1","TopicArn":"arn:aws:sns:eu-west-1:111122223333:x","Message":"{\"a\":\"\\u00e9\"}","Timestamp":"2026-01-01T00:00:00Z"}`,
		`{"Type":"SubscriptionConfirmation","MessageId":"1","TopicArn":"t","Message":"m"}`,
		`{"Type":"Notification","MessageId":"1","TopicArn":"t"}`,
		`{"Message":"\ud83d\udece","TopicArn":"a","TopicArn":"b","Type":"Notification","MessageId":"\n"}`,
		`[{"TopicArn":"t"}]`, `"TopicArn"`, `{"TopicArn":`, `{"TopicArn":1,"Message":null}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		n, ok := queue.Unwrap(body)
		if !ok {
			return
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%q is read as a notification, and is not JSON: %v", body, err)
		}
		if n.ID == "" || n.Topic == "" {
			t.Errorf("%q: id %q, topic %q", body, n.ID, n.Topic)
		}
		if text, is := want["Message"].(string); is && text != n.Message {
			t.Errorf("%q: message %q, want %q", body, n.Message, text)
		}
	})
}
