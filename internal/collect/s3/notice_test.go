package s3

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/aws"
)

// Whatever is in a queue, requests are made only for buckets and regions that can be
// some.
func FuzzNotice(f *testing.F) {
	for _, name := range []string{"object-created.json", "object-deleted.json", "notification.json"} {
		seed, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(seed))
		var answer struct{ Messages []struct{ Body string } }
		if json.Unmarshal(seed, &answer) == nil && len(answer.Messages) > 0 {
			f.Add(answer.Messages[0].Body)
			wrapped, err := json.Marshal(map[string]string{"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": answer.Messages[0].Body})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(wrapped))
		}
	}
	f.Add(`{"Service":"Amazon S3","Event":"s3:TestEvent"}`)
	f.Add(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"abc"},"object":{"key":"a+b%20c"}}},{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		n, ok := parse(body)
		if !ok {
			return
		}
		if n.test == (len(n.objects) > 0) {
			t.Errorf("%q: a test %v with %d objects", body, n.test, len(n.objects))
		}
		for _, o := range n.objects {
			if o.wrong == "" && (!bucketForm.MatchString(o.bucket) || o.key == "" || o.region != "" && !aws.IsRegion(o.region)) {
				t.Errorf("%q: %+v is taken for good", body, o)
			}
		}
	})
}
