package firehose

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const streamARN = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/alerts"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: content,
		Check: func(t *testing.T, _ notify.Message, input map[string]any) {
			t.Helper()
			if text := content(input); strings.Index(text, "\n") != len(text)-1 {
				t.Errorf("the record is not one line: %.100q", text)
			}
		},
	}
}

func content(input map[string]any) string {
	text, err := base64.StdEncoding.DecodeString(input["Data"].(string))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(Config{Stream: streamARN}).Promises(t)
}

func TestLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"one line", `{"a": 1}`, "{\"a\": 1}\n"},
		{"JSON of several lines", "{\r\n  \"a\": \"b\\nc\"\n}\n", "{\"a\":\"b\\nc\"}\n"},
		{"text of several lines", "a\nb", "a\nb\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(line([]byte(tt.text))); got != tt.want {
				t.Errorf("line(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Stream: streamARN, Settings: s.Settings()})
	s.Fails(func(input map[string]any) *awstest.Failure {
		if strings.Contains(content(input), "Root user") {
			return &awstest.Failure{Code: "ServiceUnavailableException", Message: "Slow down."}
		}
		return nil
	})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := n.Notify(t.Context(), notifytest.Messages()[i%2].Message)
			if (err != nil) != (i%2 == 1) || notify.IsPermanent(err) {
				t.Errorf("message %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := len(s.Taken()); got != 10 {
		t.Errorf("%d were taken, want 10", got)
	}
}

func TestTheEventUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Stream: streamARN, Content: send.Content{Raw: true}, Settings: s.Settings()})
	m := notifytest.Messages()[0].Message
	m.Event = []byte(strings.Repeat("x", recordMost-1))
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatalf("an event of %d bytes: %v", len(m.Event), err)
	}
	if content(s.Inputs(t)[0]) != string(m.Event)+"\n" {
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
		{"an ARN", Config{Stream: streamARN}, ""},
		{"a name", Config{Stream: "alerts", Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"a data stream", Config{Stream: "arn:aws:kinesis:eu-west-1:111122223333:stream/alerts"}, "service kinesis, want firehose"},
		{"nothing", Config{}, "delivery_stream: is not set"},
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

// The stream is made and told at moto, and read from the bucket to which it
// delivers.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	m.Ask(t, "s3", "PUT", "/delivered", "application/xml", `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>`)
	client := api.NewFromConfig(m.Config)
	if _, err := client.CreateDeliveryStream(t.Context(), &api.CreateDeliveryStreamInput{
		DeliveryStreamName: sdk.String("alerts"),
		ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
			BucketARN: sdk.String("arn:aws:s3:::delivered"), RoleARN: sdk.String("arn:aws:iam::111122223333:role/firehose"),
		},
	}); err != nil {
		t.Fatal(err)
	}
	ref, id := target(Config{Stream: "alerts"}).Send(t, m)
	found := regexp.MustCompile(`<Key>([^<]+)</Key>`).FindStringSubmatch(m.Ask(t, "s3", "GET", "/delivered?list-type=2", "", ""))
	if found == nil {
		t.Fatal("nothing was delivered")
	}
	object := m.Ask(t, "s3", "GET", "/delivered/"+found[1], "", "")
	var document struct{ ID string }
	if err := json.Unmarshal([]byte(object), &document); err != nil || document.ID != id || !strings.HasSuffix(object, "\n") {
		t.Errorf("read %v %q, want %s", err, object, id)
	}
	t.Logf("moto: stream took record %s, read back %d bytes from s3://delivered/%s", ref, len(object), found[1])
}
