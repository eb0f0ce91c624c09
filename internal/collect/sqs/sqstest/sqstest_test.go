package sqstest_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tocsin-sec/tocsin/internal/collect/sqs/sqstest"
)

func client(s *sqstest.Server) *api.Client {
	return api.NewFromConfig(sdk.Config{
		Region: sqstest.Region, HTTPClient: &http.Client{Transport: s}, Retryer: func() sdk.Retryer { return sdk.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "x", ""),
	})
}

func receive(t *testing.T, c *api.Client, q *sqstest.Queue, wait int32) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{
		QueueUrl: sdk.String(q.URL()), MaxNumberOfMessages: 10, WaitTimeSeconds: wait, VisibilityTimeout: 30,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// AWS's client sends, with its checksums, and receives what it sent.
func TestWhatIsSentIsReceivedUntilItIsDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sqstest.New()
		c, q := client(s), s.Queue("findings")
		sent, err := c.SendMessage(t.Context(), &api.SendMessageInput{
			QueueUrl: sdk.String(q.URL()), MessageBody: sdk.String("é"),
			MessageAttributes: map[string]types.MessageAttributeValue{"level": {DataType: sdk.String("String"), StringValue: sdk.String("high")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		first := receive(t, c, q, 0)
		if len(first) != 1 || *first[0].Body != "é" || *first[0].MessageId != *sent.MessageId || *first[0].MessageAttributes["level"].StringValue != "high" || first[0].Attributes["SentTimestamp"] != "946684800000" {
			t.Fatalf("received %+v", first)
		}
		if q.Depth() != 0 || q.Invisible() != 1 || len(receive(t, c, q, 0)) != 0 {
			t.Error("what is in flight is seen")
		}
		began := time.Now()
		second := receive(t, c, q, 20)
		if len(second) != 0 || time.Since(began) != 20*time.Second {
			t.Errorf("a long poll gave %d messages after %v", len(second), time.Since(began))
		}
		if second = receive(t, c, q, 20); len(second) != 1 || time.Since(began) != 30*time.Second || second[0].Attributes["ApproximateReceiveCount"] != "2" {
			t.Errorf("after its visibility: %+v after %v", second, time.Since(began))
		}
		if _, err := c.ChangeMessageVisibility(t.Context(), &api.ChangeMessageVisibilityInput{QueueUrl: sdk.String(q.URL()), ReceiptHandle: first[0].ReceiptHandle}); err == nil || !strings.Contains(err.Error(), "ReceiptHandleIsInvalid") {
			t.Errorf("by an old receipt it is made visible: %v", err)
		}
		for _, receipt := range []*string{first[0].ReceiptHandle, second[0].ReceiptHandle} {
			if _, err := c.DeleteMessage(t.Context(), &api.DeleteMessageInput{QueueUrl: sdk.String(q.URL()), ReceiptHandle: receipt}); err != nil {
				t.Error(err)
			}
		}
		<-q.Gone(*sent.MessageId)
		if q.Depth()+q.Invisible() != 0 {
			t.Error("it is still there")
		}
	})
}

func TestAMessageThatIsTooLong(t *testing.T) {
	t.Parallel()
	s := sqstest.New()
	q := s.Queue("findings")
	_, err := client(s).SendMessage(t.Context(), &api.SendMessageInput{QueueUrl: sdk.String(q.URL()), MessageBody: sdk.String(strings.Repeat("x", 1<<20+1))})
	if err == nil || !strings.Contains(err.Error(), "must be shorter than 1048576 bytes") {
		t.Errorf("SendMessage = %v", err)
	}
}

func TestARedrivePolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sqstest.New()
		c, q, dead := client(s), s.Queue("findings"), s.Queue("dead-letters")
		if f := q.Set(map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + dead.ARN() + `","maxReceiveCount":2}`}); f != nil {
			t.Fatal(f)
		}
		id := q.Send("poison")[0]
		for range 2 {
			if len(receive(t, c, q, 0)) != 1 {
				t.Fatal("it is not there")
			}
			time.Sleep(31 * time.Second)
		}
		if len(receive(t, c, q, 0)) != 0 || q.Depth()+q.Invisible() != 0 || dead.Depth() != 1 {
			t.Errorf("%d and %d are in the queue and %d in the dead-letter queue", q.Depth(), q.Invisible(), dead.Depth())
		}
		if got := receive(t, c, dead, 0); len(got) != 1 || *got[0].MessageId != id {
			t.Errorf("in the dead-letter queue is %+v", got)
		}
	})
}

func TestAFIFOQueueKeepsAGroupBehindWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sqstest.New()
		c, q := client(s), s.Queue("findings.fifo")
		for i, m := range []sqstest.Message{
			{Body: "a1", Group: "a", Deduplication: "1"},
			{Body: "again", Group: "a", Deduplication: "1"},
			{Body: "b1", Group: "b", Deduplication: "2"},
		} {
			if id := q.Put(m); i == 1 && id != "00000000-0000-4000-8000-000000000001" {
				t.Errorf("what is sent again is %s", id)
			}
		}
		first := receive(t, c, q, 0)
		q.Put(sqstest.Message{Body: "a2", Group: "a"})
		if len(first) != 2 || len(receive(t, c, q, 0)) != 0 {
			t.Fatalf("received %d", len(first))
		}
		if _, err := c.ChangeMessageVisibilityBatch(t.Context(), &api.ChangeMessageVisibilityBatchInput{QueueUrl: sdk.String(q.URL()), Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: sdk.String("0"), ReceiptHandle: first[0].ReceiptHandle, VisibilityTimeout: 0},
		}}); err != nil {
			t.Fatal(err)
		}
		var bodies []string
		for _, m := range receive(t, c, q, 0) {
			bodies = append(bodies, *m.Body)
		}
		if strings.Join(bodies, " ") != "a1 a2" {
			t.Errorf("received %q, want the group in its order", bodies)
		}
	})
}
