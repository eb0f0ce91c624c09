package eventbridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const busARN = "arn:aws:events:eu-west-1:111122223333:event-bus/security"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: func(input map[string]any) string { return input["Detail"].(string) },
		Check: func(t *testing.T, m notify.Message, input map[string]any) {
			t.Helper()
			if input["Source"] != "tocsin" || input["DetailType"] != "tocsin Alert" || input["Time"] != float64(m.At.UnixMilli())/1000 {
				t.Errorf("source %v, detail type %v, time %v", input["Source"], input["DetailType"], input["Time"])
			}
		},
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(Config{Bus: busARN}).Promises(t)
}

func TestSourceAndDetailTypeCanBeSet(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	set := s.Settings()
	set.Region = awstest.Region
	n := notifytest.Open(t, open, Config{Source: "example.security", DetailType: "Alert", Settings: set})
	if _, err := n.Notify(t.Context(), notifytest.Messages()[0].Message); err != nil {
		t.Fatal(err)
	}
	if got := s.Inputs(t)[0]; got["Source"] != "example.security" || got["DetailType"] != "Alert" || got["EventBusName"] != "default" {
		t.Errorf("source %v, detail type %v, bus %v", got["Source"], got["DetailType"], got["EventBusName"])
	}
}

// PutEvents succeeds with entries that failed: these alone are sent again.
func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Bus: busARN, Settings: s.Settings()})
	s.Fails(func(input map[string]any) *awstest.Failure {
		switch text := input["Detail"].(string); {
		case strings.Contains(text, "msg_busy"):
			return &awstest.Failure{Code: "ThrottlingException", Message: "Rate exceeded"}
		case strings.Contains(text, "msg_bad"):
			return &awstest.Failure{Code: "InvalidArgument", Message: "never"}
		}
		return nil
	})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			m := notifytest.Messages()[0].Message
			m.ID = []string{"msg_good", "msg_busy", "msg_bad"}[i%3] + fmt.Sprint(i)
			_, err := n.Notify(t.Context(), m)
			if (err != nil) != (i%3 > 0) || notify.IsPermanent(err) != (i%3 == 2) {
				t.Errorf("%s: %v, permanent %v", m.ID, err, notify.IsPermanent(err))
			}
		})
	}
	wg.Wait()
	if got := len(s.Taken()); got != 10 {
		t.Errorf("%d were taken, want 10", got)
	}
	for _, c := range s.Calls() {
		if c.Entries > 10 {
			t.Errorf("a request with %d entries", c.Entries)
		}
	}
}

func TestTheEventByteForByteUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Bus: busARN, Content: send.Content{Raw: true}, Settings: s.Settings()})
	m := notifytest.Messages()[0].Message
	m.Event = []byte(`{"a":"` + strings.Repeat("x", requestMost-timeWeight-len("tocsin")-len("tocsin Alert")-8) + `"}`)
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatalf("an event of %d bytes: %v", len(m.Event), err)
	}
	if s.Inputs(t)[0]["Detail"] != string(m.Event) {
		t.Error("the event is not what was sent")
	}
	for name, event := range map[string]string{"one byte more": string(m.Event) + " ", "a list": "[1]", "text": "hello"} {
		m.Event = []byte(event)
		if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
			t.Errorf("%s: %v, want a permanent error and no request", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		c     Config
		wrong string
	}{
		{"an ARN", Config{Bus: busARN}, ""},
		{"the default bus", Config{Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"the default bus of nowhere", Config{}, "region: is not set"},
		{"a source of AWS", Config{Bus: busARN, Source: "aws.guardduty"}, "AWS's own"},
		{"a long detail type", Config{Bus: busARN, DetailType: strings.Repeat("x", 129)}, "longer than 128"},
		{"a rule", Config{Bus: "arn:aws:events:eu-west-1:111122223333:rule/x"}, "want event-bus/"},
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

// The bus is made and told at moto, and read from a queue that a rule leads to.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	client, queues := api.NewFromConfig(m.Config), sqs.NewFromConfig(m.Config)
	bus, err := client.CreateEventBus(t.Context(), &api.CreateEventBusInput{Name: sdk.String("security")})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: sdk.String("led-to")})
	if err != nil {
		t.Fatal(err)
	}
	account := strings.Split(*bus.EventBusArn, ":")[4]
	rule := &api.PutRuleInput{Name: sdk.String("worst"), EventBusName: sdk.String("security"), EventPattern: sdk.String(`{"source": ["tocsin"], "detail": {"alert": {"level": ["critical"]}}}`)}
	if _, err := client.PutRule(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutTargets(t.Context(), &api.PutTargetsInput{
		Rule: rule.Name, EventBusName: rule.EventBusName, Targets: []types.Target{{Id: sdk.String("q"), Arn: sdk.String("arn:aws:sqs:eu-west-1:" + account + ":led-to")}},
	}); err != nil {
		t.Fatal(err)
	}
	ref, id := target(Config{Bus: *bus.EventBusArn}).Send(t, m)
	got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("read %v, %v; want one message", got, err)
	}
	var event struct {
		ID         string
		Source     string
		DetailType string `json:"detail-type"`
		Time       string
		Detail     struct{ ID string }
	}
	if err := json.Unmarshal([]byte(*got.Messages[0].Body), &event); err != nil || event.ID != ref || event.Detail.ID != id || event.Source != "tocsin" || event.DetailType != "tocsin Alert" {
		t.Errorf("read %v %+v, want event %s of %s", err, event, ref, id)
	}
	t.Logf("moto: bus took event %s; a rule's pattern on detail.alert.level led it to a queue with detail type %q", ref, event.DetailType)
}
