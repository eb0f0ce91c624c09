package kinesis

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const streamARN = "arn:aws:kinesis:eu-west-1:111122223333:stream/alerts"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: content,
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

func TestWhatStaysInOrder(t *testing.T) {
	t.Parallel()
	one, other := notifytest.Messages()[0].Message, notifytest.Messages()[1].Message
	for _, tt := range []struct {
		by   string
		same bool
	}{{"alert", false}, {"account", true}} {
		s := awstest.New(t)
		n := notifytest.Open(t, open, Config{Stream: streamARN, PartitionKey: tt.by, Settings: s.Settings()})
		for _, m := range []notify.Message{one, one, other} {
			if _, err := n.Notify(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		got := s.Inputs(t)
		if got[0]["PartitionKey"] != got[1]["PartitionKey"] || (got[0]["PartitionKey"] == got[2]["PartitionKey"]) != tt.same {
			t.Errorf("by %s the keys are %v, %v, %v", tt.by, got[0]["PartitionKey"], got[1]["PartitionKey"], got[2]["PartitionKey"])
		}
	}
}

// A digest is of several accounts or none, and has a key all the same.
func TestWhatIsOfNoAccountHasAKey(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Stream: streamARN, PartitionKey: "account", Settings: s.Settings()})
	for _, m := range notifytest.Messages() {
		if m.Message.Alert.Account != "" {
			continue
		}
		if _, err := n.Notify(t.Context(), m.Message); m.Message.Kind != tocsin.TellCode && err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	if len(s.Inputs(t)) == 0 {
		t.Error("none of the shared messages is of no account")
	}
	for _, input := range s.Inputs(t) {
		if input["PartitionKey"] == "" {
			t.Errorf("a record without a key: %v", input)
		}
	}
}

// A shard that is busy fails single records of a request that succeeds.
func TestOnlyRecordsOfABusyShardAreSentAgain(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Stream: streamARN, Settings: s.Settings()})
	busy := send.Group(notifytest.Messages()[1].Message)
	s.Fails(func(input map[string]any) *awstest.Failure {
		if input["PartitionKey"] == busy {
			return &awstest.Failure{Code: "ProvisionedThroughputExceededException", Message: "Rate exceeded for shard"}
		}
		return nil
	})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			_, err := n.Notify(t.Context(), notifytest.Messages()[i%2].Message)
			if (err != nil) != (i%2 == 1) || notify.IsPermanent(err) {
				t.Errorf("message %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := len(s.Taken()); got != 20 {
		t.Errorf("%d were taken, want 20", got)
	}
}

func TestTheEventByteForByteUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Stream: "alerts", Content: send.Content{Raw: true}, Settings: regional(s)})
	m := notifytest.Messages()[0].Message
	m.Event = []byte(strings.Repeat("x", 1<<20-keyMost))
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatalf("an event of %d bytes: %v", len(m.Event), err)
	}
	if content(s.Inputs(t)[0]) != string(m.Event) {
		t.Error("the event is not what was sent")
	}
	body := n.(*notifier).Body
	m.Event = make([]byte, recordMost-keyMost)
	if _, err := body.Of(m); err != nil {
		t.Errorf("an event of %d bytes: %v", len(m.Event), err)
	}
	m.Event = append(m.Event, ' ')
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
		t.Errorf("an event of %d bytes: %v, want a permanent error and no request", len(m.Event), err)
	}
}

func regional(s *awstest.Server) aws.Settings {
	set := s.Settings()
	set.Region = awstest.Region
	return set
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
		{"a name without a region", Config{Stream: "alerts"}, "region: is not set"},
		{"a consumer", Config{Stream: streamARN + "/consumer/x:1"}, "is not such a name"},
		{"another key", Config{Stream: streamARN, PartitionKey: "level"}, "neither alert nor account"},
		{"nothing", Config{}, "stream: is not set"},
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

// The stream is made, told and read at moto.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	client := api.NewFromConfig(m.Config)
	if _, err := client.CreateStream(t.Context(), &api.CreateStreamInput{StreamName: sdk.String("alerts"), ShardCount: sdk.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	ref, id := target(Config{Stream: "alerts"}).Send(t, m)
	shard, sequence, _ := strings.Cut(ref, ":")
	from, err := client.GetShardIterator(t.Context(), &api.GetShardIteratorInput{StreamName: sdk.String("alerts"), ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.GetRecords(t.Context(), &api.GetRecordsInput{ShardIterator: from.ShardIterator})
	if err != nil || len(got.Records) != 1 {
		t.Fatalf("read %v, %v; want one record", got, err)
	}
	var document struct{ ID string }
	if err := json.Unmarshal(got.Records[0].Data, &document); err != nil || document.ID != id || *got.Records[0].SequenceNumber != sequence {
		t.Errorf("read %v %s, want %s", err, got.Records[0].Data, id)
	}
	t.Logf("moto: stream took %s, read back %d bytes with partition key %s", ref, len(got.Records[0].Data), *got.Records[0].PartitionKey)
}
