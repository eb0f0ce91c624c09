package kinesis

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
)

// Kinesalite is what others take for Kinesis in their tests
// (https://github.com/mhart/kinesalite): two shards, one of which is split in the middle
// of 500 records, read by a collector that is stopped halfway and started again.
func TestKinesalite(t *testing.T) {
	t.Parallel()
	address := collecttest.Free(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	collecttest.Serve(t, collecttest.Program(t, "kinesalite"), "--port", port, "--createStreamMs", "1", "--updateStreamMs", "1")
	url := "http://" + address
	client := api.New(api.Options{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		RetryMaxAttempts: 1,
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	collecttest.Until(ctx, t, "kinesalite makes no stream", func() bool {
		_, err := client.CreateStream(ctx, &api.CreateStreamInput{StreamName: sdk.String("findings"), ShardCount: sdk.Int32(2)})
		return err == nil
	})
	active := func() bool {
		out, err := client.DescribeStreamSummary(ctx, &api.DescribeStreamSummaryInput{StreamName: sdk.String("findings")})
		return err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	}
	collecttest.Until(ctx, t, "the stream is never active", active)
	put := func(from, to int) {
		in := &api.PutRecordsInput{StreamName: sdk.String("findings")}
		for i := from; i < to; i++ {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: sdk.String("key-" + strconv.Itoa(i)), Data: []byte(`{"n":` + strconv.Itoa(i) + `}`)})
		}
		if out, err := client.PutRecords(ctx, in); err != nil || sdk.ToInt32(out.FailedRecordCount) > 0 {
			t.Fatalf("PutRecords = %v", err)
		}
	}
	w := newWorld(t, 1)
	start := func() (stop func() error, s *source) {
		c := Config{Stream: "findings", Every: 200 * time.Millisecond, Settings: settings()}
		c.Region, c.EndpointURL = "eu-west-1", url
		env := w.env()
		env.HTTP = &http.Client{Transport: whole{}}
		s, err := newSource(c, env)
		if err != nil {
			t.Fatal(err)
		}
		s.gap = 20 * time.Millisecond
		return collecttest.Begin(t, s, w.take), s
	}
	has := func(n int) func() bool {
		return func() bool { kept, _ := w.has(); return kept >= n }
	}

	put(0, 250)
	stop, _ := start()
	collecttest.Until(ctx, t, "the first records do not come", has(200))
	if err := stop(); err != nil {
		t.Error(err)
	}
	// In the middle of the shard's hash keys.
	if _, err := client.SplitShard(ctx, &api.SplitShardInput{
		StreamName: sdk.String("findings"), ShardToSplit: sdk.String("shardId-000000000000"), NewStartingHashKey: sdk.String("85070591730234615865843651857942052864"),
	}); err != nil {
		t.Fatal(err)
	}
	collecttest.Until(ctx, t, "the shard is never split", active)
	put(250, 500)
	stop, s := start()
	collecttest.Until(ctx, t, "the records behind the split do not come", has(500))
	if st := s.Status(ctx); st.State != "ok" {
		t.Errorf("Status:\n%s", collecttest.Said(st))
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	stop, again := start()
	collecttest.Until(ctx, t, "the shards are not read again", func() bool {
		st := collecttest.Said(again.Status(ctx))
		return strings.Contains(st, "Shards: 3 read here, 1 read to the end") && !strings.Contains(st, "not read yet")
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
	w.wants("at the end", 500, 0)
	bodies := map[string]bool{}
	for _, raw := range w.kept {
		bodies[raw] = true
	}
	if len(bodies) != 500 {
		t.Errorf("%d different events, want 500", len(bodies))
	}
}

// whole breaks no request off: kinesalite ends where somebody does.
type whole struct{}

func (whole) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.DefaultTransport.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
}
