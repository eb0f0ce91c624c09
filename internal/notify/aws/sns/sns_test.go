package sns

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const topicARN = "arn:aws:sns:eu-west-1:111122223333:alerts"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: func(input map[string]any) string { return input["Message"].(string) },
		Check: func(t *testing.T, m notify.Message, input map[string]any) {
			t.Helper()
			attributes := input["MessageAttributes"].(map[string]any)
			if got := attributes["kind"].(map[string]any)["StringValue"]; got != string(m.Kind) {
				t.Errorf("attribute kind = %v, want %v", got, m.Kind)
			}
			if about := m.Kind != tocsin.TellNote && m.Kind != tocsin.TellDigest; about && attributes["level"].(map[string]any)["StringValue"] != m.Alert.Level.String() {
				t.Errorf("attributes %v", attributes)
			}
		},
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(Config{Topic: topicARN}).Promises(t)
}

func TestAFIFOTopicTakesAMessageOnce(t *testing.T) {
	t.Parallel()
	p := target(Config{Topic: topicARN + ".fifo", GroupID: "security"})
	p.Key = func(input map[string]any) string {
		if input["MessageGroupId"] != "security" {
			return ""
		}
		return input["MessageDeduplicationId"].(string)
	}
	p.Idempotent(t)
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, headline, want string }{
		{"as it is", "EC2 web-1 is calling a C2 server", "CRITICAL - prod-payments (111122223333) eu-west-1 - EC2 web-1 is calling a C2 server"},
		{"not ASCII", "Łódź → café…", "CRITICAL - prod-payments (111122223333) eu-west-1 - ??d? > caf?..."},
		{"line breaks", "a\r\nBcc: b", "CRITICAL - prod-payments (111122223333) eu-west-1 - a Bcc: b"},
		{"too long", strings.Repeat("abcdefghi ", 20), "CRITICAL - prod-payments eu-west-1 - abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := notifytest.Messages()[0].Message
			m.Alert.Headline = tt.headline
			if got := subject(m); got != tt.want || len(got) > subjectMost {
				t.Errorf("subject = %q (%d characters), want %q", got, len(got), tt.want)
			}
		})
	}
}

// Of 20 messages that wait at once, those that SNS does not take are the only ones
// that fail.
func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Topic: topicARN, Settings: s.Settings()})
	s.Fails(func(input map[string]any) *awstest.Failure {
		switch id := idOf(t, input["Message"]); {
		case strings.HasSuffix(id, "3"):
			return &awstest.Failure{Code: "InternalError", Message: "try again"}
		case strings.HasSuffix(id, "7"):
			return &awstest.Failure{Code: "InvalidParameter", Message: "never", Sender: true}
		}
		return nil
	})
	var (
		mu     sync.Mutex
		failed = map[string]bool{} // by id, whether for good
		wg     sync.WaitGroup
	)
	for i := range 20 {
		wg.Go(func() {
			m := notifytest.Messages()[0].Message
			m.ID = fmt.Sprintf("msg_%d", i)
			if _, err := n.Notify(t.Context(), m); err != nil {
				mu.Lock()
				failed[m.ID] = notify.IsPermanent(err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if want := map[string]bool{"msg_3": false, "msg_13": false, "msg_7": true, "msg_17": true}; !maps.Equal(failed, want) {
		t.Errorf("failed %v, want %v", failed, want)
	}
	if len(s.Taken()) != 16 {
		t.Errorf("%d were taken, want 16", len(s.Taken()))
	}
}

func idOf(t *testing.T, message any) string {
	var document struct{ ID string }
	if err := json.Unmarshal([]byte(message.(string)), &document); err != nil {
		t.Error(err)
	}
	return document.ID
}

func TestTheEventByteForByteUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Topic: topicARN, Content: send.Content{Raw: true}, Settings: s.Settings()})
	m := notifytest.Messages()[0].Message
	m.Event = []byte(strings.Repeat("x", messageMost-send.Room-subjectMost))
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatalf("an event of %d bytes: %v", len(m.Event), err)
	}
	if got := s.Inputs(t)[0]["Message"]; got != string(m.Event) {
		t.Error("the event is not what was sent")
	}
	m.Event = append(m.Event, ' ')
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
		t.Errorf("an event of %d bytes: %v, want a permanent error and no request", len(m.Event), err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		c     Config
		wrong string
	}{
		{"an ARN", Config{Topic: topicARN}, ""},
		{"in GovCloud", Config{Topic: "arn:aws-us-gov:sns:us-gov-east-1:111122223333:alerts"}, ""},
		{"a name", Config{Topic: "alerts"}, "is not an ARN"},
		{"nothing", Config{}, "is not an ARN"},
		{"a subscription", Config{Topic: topicARN + ":2bcfbf39-05c3-41de-beaa-fcfcc21c8f55"}, "is not such a name"},
		{"a group for a standard topic", Config{Topic: topicARN, GroupID: "x"}, "a FIFO topic"},
		{"raw and input", Config{Topic: topicARN, Content: send.Content{Raw: true, Input: &notify.Input{Template: `"x"`}}}, "not both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := open(tt.c, notifytest.Env(t, nil))
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

// The topic is made and told at moto, and read from a queue that subscribes to it.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	client, queues := api.NewFromConfig(m.Config), sqs.NewFromConfig(m.Config)
	topic, err := client.CreateTopic(t.Context(), &api.CreateTopicInput{Name: sdk.String("alerts")})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: sdk.String("subscriber")})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(*topic.TopicArn, ":")
	if _, err := client.Subscribe(t.Context(), &api.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: sdk.String("sqs"), Endpoint: sdk.String("arn:aws:sqs:eu-west-1:" + parts[4] + ":subscriber"),
		Attributes: map[string]string{"FilterPolicy": `{"level": ["critical"]}`},
	}); err != nil {
		t.Fatal(err)
	}
	ref, id := target(Config{Topic: *topic.TopicArn}).Send(t, m)
	got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("read %v, %v; want one message", got, err)
	}
	var envelope struct {
		MessageID         string `json:"MessageId"`
		Subject, Message  string
		MessageAttributes map[string]any
	}
	if err := json.Unmarshal([]byte(*got.Messages[0].Body), &envelope); err != nil {
		t.Fatal(err)
	}
	if envelope.MessageID != ref || idOf(t, envelope.Message) != id || !strings.HasPrefix(envelope.Subject, "CRITICAL - prod-payments") {
		t.Errorf("read %+v, want message %s", envelope, ref)
	}
	t.Logf("moto: topic took %s; its subscriber with a filter by level read subject %q and attributes %v", ref, envelope.Subject, slices.Sorted(maps.Keys(envelope.MessageAttributes)))
}
