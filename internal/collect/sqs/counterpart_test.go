package sqs_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
)

// The queue is made, filled and looked at by AWS's own client. One poller empties it:
// moto gives a message to two who ask in the same moment, as SQS may, and then it is
// kept twice.
func TestMoto(t *testing.T) {
	t.Parallel()
	url := collecttest.Moto(t)
	client := api.NewFromConfig(sdk.Config{
		Region: "eu-west-1", BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey.Reveal(), ""),
	})
	made, err := client.CreateQueue(t.Context(), &api.CreateQueueInput{QueueName: sdk.String("findings")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for batch := range 6 {
		in := &api.SendMessageBatchInput{QueueUrl: made.QueueUrl}
		for i := range 10 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: sdk.String(strconv.Itoa(i)), MessageBody: sdk.String(event(10*batch + i))})
		}
		out, err := client.SendMessageBatch(t.Context(), in)
		if err != nil || len(out.Failed) > 0 {
			t.Fatal(err, out)
		}
		for _, taken := range out.Successful {
			want[*taken.MessageId] = 1
		}
	}
	config := sqs.Config{QueueURL: url + "/123456789012/findings", Settings: key, Polling: queue.Polling{Pollers: 1}}
	config.Region = "eu-west-1"
	env := collecttest.Env("org-queue", nil)
	env.HTTP = &http.Client{}
	c, err := open(env, config)
	if err != nil {
		t.Fatal(err)
	}
	j := &collecttest.Journal{}
	stop := collecttest.Begin(t, c, j.Take)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	collecttest.Until(ctx, t, "the messages do not come", func() bool { return len(j.Kept()) >= len(want) })
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if got := j.Kept(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("kept %d messages, want each of %d once: %v", len(got), len(want), got)
	}
	left, err := client.GetQueueAttributes(t.Context(), &api.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil || left.Attributes["ApproximateNumberOfMessages"] != "0" || left.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("the queue still has something: %v %v", left.Attributes, err)
	}
}
