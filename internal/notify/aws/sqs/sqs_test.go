package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const queueARN = "arn:aws:sqs:eu-west-1:111122223333:alerts"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: func(input map[string]any) string { return input["MessageBody"].(string) },
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
	target(Config{Queue: queueARN}).Promises(t)
}

func TestAFIFOQueueTakesAMessageOnce(t *testing.T) {
	t.Parallel()
	p := target(Config{Queue: queueARN + ".fifo"})
	p.Key = func(input map[string]any) string { return input["MessageDeduplicationId"].(string) }
	p.Idempotent(t)
}

// What is a message of one alert is in one group, so that it stays in order.
func TestMessagesOfAnAlertAreInOrderInAFIFOQueue(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Queue: queueARN + ".fifo", Settings: s.Settings()})
	one, other := notifytest.Messages()[0].Message, notifytest.Messages()[1].Message
	for i, m := range []notify.Message{one, one, other} {
		m.ID += fmt.Sprint(i)
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Inputs(t)
	if got[0]["MessageGroupId"] != got[1]["MessageGroupId"] || got[0]["MessageGroupId"] == got[2]["MessageGroupId"] {
		t.Errorf("the groups are %v, %v and %v", got[0]["MessageGroupId"], got[1]["MessageGroupId"], got[2]["MessageGroupId"])
	}
}

func TestAGroupForAllMessages(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Queue: queueARN + ".fifo", GroupID: "soc", Settings: s.Settings()})
	for _, m := range notifytest.Messages()[:2] {
		if _, err := n.Notify(t.Context(), m.Message); err != nil {
			t.Fatal(err)
		}
	}
	for _, input := range s.Inputs(t) {
		if input["MessageGroupId"] != "soc" {
			t.Errorf("the group is %v, want soc", input["MessageGroupId"])
		}
	}
	for _, wrong := range []Config{{Queue: queueARN, GroupID: "soc"}, {Queue: queueARN + ".fifo", GroupID: "so c"}, {Queue: queueARN + ".fifo", GroupID: strings.Repeat("x", 129)}} {
		if _, err := open(wrong, notifytest.Env(t, nil)); err == nil || !strings.Contains(err.Error(), "message_group_id") {
			t.Errorf("group %.20q of %s: %v, want it refused", wrong.GroupID, wrong.Queue, err)
		}
	}
}

// Of 30 messages that wait at once, those that SQS does not take are the only ones
// that fail, and the only ones that are sent again.
func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Queue: queueARN, Settings: s.Settings()})
	s.Fails(func(input map[string]any) *awstest.Failure {
		switch id := idOf(input); {
		case strings.HasSuffix(id, "3"):
			return &awstest.Failure{Code: "InternalError", Message: "try again"}
		case strings.HasSuffix(id, "7"):
			return &awstest.Failure{Code: "InvalidMessageContents", Message: "never", Sender: true}
		}
		return nil
	})
	var (
		mu     sync.Mutex
		failed = map[string]bool{} // by id, whether for good
		wg     sync.WaitGroup
	)
	for i := range 30 {
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
	want := map[string]bool{"msg_3": false, "msg_13": false, "msg_23": false, "msg_7": true, "msg_17": true, "msg_27": true}
	if !maps.Equal(failed, want) {
		t.Errorf("failed %v, want %v", failed, want)
	}
	s.Fails(nil)
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		m := notifytest.Messages()[0].Message
		m.ID = id
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	times := map[string]int{}
	for _, input := range s.Inputs(t) {
		times[idOf(input)]++
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	if len(times) != 30 {
		t.Errorf("%d messages were taken, want 30", len(times))
	}
	for _, c := range s.Calls() {
		if c.Entries > 10 {
			t.Errorf("a batch of %d", c.Entries)
		}
	}
}

func idOf(input map[string]any) string {
	var document struct{ ID string }
	if json.Unmarshal([]byte(input["MessageBody"].(string)), &document) != nil {
		return ""
	}
	return document.ID
}

func TestTheEventByteForByteUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Queue: queueARN, Content: send.Content{Raw: true}, Settings: s.Settings()})
	if !n.(notify.EventReader).ReadsEvent() || n.(notify.Follower).Follows() {
		t.Error("it does not ask for events, or sends one again for an acknowledgement")
	}
	m := notifytest.Messages()[0].Message
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("without an event Notify = %v, want a permanent error", err)
	}
	room := messageMost - send.Room
	m.Event = []byte(`{"a": "` + strings.Repeat("x", room-9) + `"}`)
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatalf("an event of %d bytes: %v", len(m.Event), err)
	}
	if got := s.Inputs(t)[0]["MessageBody"]; got != string(m.Event) {
		t.Error("the event is not what was sent")
	}
	m.Event = append(m.Event, ' ')
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
		t.Errorf("an event of %d bytes: %v, want a permanent error and no request", len(m.Event), err)
	}
}

func TestWhatAnInputTransformerMakes(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Queue: queueARN, Settings: s.Settings(), Content: send.Content{
		Input: &notify.Input{Paths: map[string]string{"type": "$.detail.type"}, Template: `{"finding": "<type>"}`},
	}})
	m := notifytest.Messages()[0].Message
	m.Event = []byte(`{"detail": {"type": "Recon:EC2/Portscan"}}`)
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Inputs(t)[0]["MessageBody"], `{"finding":"Recon:EC2/Portscan"}`; got != want {
		t.Errorf("sent %v, want %s", got, want)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, queue string
		set         aws.Settings
		resource    string
		url         string
		wrong       string
	}{
		{name: "an ARN", queue: queueARN, resource: queueARN, url: "https://sqs.eu-west-1.amazonaws.com/111122223333/alerts"},
		{name: "in China", queue: "arn:aws-cn:sqs:cn-north-1:111122223333:alerts", resource: "arn:aws-cn:sqs:cn-north-1:111122223333:alerts", url: "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/alerts"},
		{name: "in GovCloud", queue: "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:alerts.fifo", resource: "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:alerts.fifo", url: "https://sqs.us-gov-west-1.amazonaws.com/111122223333/alerts.fifo"},
		{name: "a URL", queue: "https://sqs.eu-west-1.amazonaws.com/111122223333/alerts", resource: queueARN, url: "https://sqs.eu-west-1.amazonaws.com/111122223333/alerts"},
		{name: "an old URL", queue: "https://eu-west-1.queue.amazonaws.com/111122223333/alerts", resource: queueARN, url: "https://eu-west-1.queue.amazonaws.com/111122223333/alerts"},
		{name: "a VPC endpoint", queue: "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com/111122223333/alerts", resource: queueARN, url: "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com/111122223333/alerts"},
		{name: "a URL that says no region", queue: "http://127.0.0.1:9324/111122223333/alerts", set: aws.Settings{Region: "eu-west-1"}, resource: queueARN, url: "http://127.0.0.1:9324/111122223333/alerts"},
		{name: "no region at all", queue: "http://127.0.0.1:9324/111122223333/alerts", wrong: "region: is not set"},
		{name: "another region", queue: queueARN, set: aws.Settings{Region: "us-east-1"}, wrong: "leave it out"},
		{name: "a topic", queue: "arn:aws:sns:eu-west-1:111122223333:alerts", wrong: "service sns, want sqs"},
		{name: "the wrong partition", queue: "arn:aws:sqs:cn-north-1:111122223333:alerts", wrong: "partition aws-cn"},
		{name: "a name", queue: "alerts", wrong: "neither the ARN nor the URL"},
		{name: "nothing", wrong: "neither the ARN nor the URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made, err := open(Config{Queue: tt.queue, Settings: tt.set}, notifytest.Env(t, nil))
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("open = %v, want %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := made.(*notifier); n.call.Resource != tt.resource || n.url != tt.url {
				t.Errorf("resource %s at %s, want %s at %s", n.call.Resource, n.url, tt.resource, tt.url)
			}
		})
	}
}

// The queue is made, told and read by moto.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	client := api.NewFromConfig(m.Config)
	for _, name := range []string{"alerts", "alerts.fifo"} {
		in := &api.CreateQueueInput{QueueName: &name}
		if strings.HasSuffix(name, ".fifo") {
			in.Attributes = map[string]string{"FifoQueue": "true"}
		}
		made, err := client.CreateQueue(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		ref, id := target(Config{Queue: *made.QueueUrl}).Send(t, m)
		if strings.HasSuffix(name, ".fifo") {
			target(Config{Queue: *made.QueueUrl}).Send(t, m) // it is the same message, and taken once
		}
		got, err := client.ReceiveMessage(t.Context(), &api.ReceiveMessageInput{
			QueueUrl: made.QueueUrl, MessageAttributeNames: []string{"All"}, MaxNumberOfMessages: 10,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil || len(got.Messages) != 1 {
			t.Fatalf("read %v, %v; want one message", got, err)
		}
		first := got.Messages[0]
		if sdk.ToString(first.MessageId) != ref || idOf(map[string]any{"MessageBody": *first.Body}) != id || sdk.ToString(first.MessageAttributes["level"].StringValue) != "critical" {
			t.Errorf("read %s %v, want %s with level critical", *first.MessageId, first.MessageAttributes, ref)
		}
		t.Logf("moto: queue %s took %s, read back %d bytes with attributes %v and group %q", name, ref, len(*first.Body), slices.Sorted(maps.Keys(first.MessageAttributes)), first.Attributes["MessageGroupId"])
	}
}
