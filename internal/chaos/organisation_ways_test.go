package chaos_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi/guarddutytest"
	"github.com/tocsin-sec/tocsin/internal/collect/kinesis/kinesistest"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/sqstest"
)

// ways are a queue and a stream, by which events come.
type ways interface {
	open(t *testing.T) places
	send(ctx context.Context, toQueue []string, toStream [][]byte) error
}

// places are where a queue and a stream are.
type places struct{ queues, queue, streams, stream string }

// own are this project's, which bear a test's haste.
type own struct {
	queue  *sqstest.Queue
	stream *kinesistest.Stream
}

func (w *own) open(t *testing.T) places {
	t.Helper()
	server := sqstest.New()
	if err := server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	w.queue, w.stream = server.Queue("findings"), kinesistest.Start(2)
	t.Cleanup(w.stream.Close)
	return places{server.URL, w.queue.URL(), w.stream.URL, kinesistest.Name}
}

func (w *own) send(_ context.Context, toQueue []string, toStream [][]byte) error {
	w.queue.Send(toQueue...)
	for i, r := range toStream {
		w.stream.Put(fmt.Sprint(i), r)
	}
	return nil
}

// others are moto and kinesalite, which others take for SQS and Kinesis in their tests.
// They are slow.
type others struct {
	queue    *sqs.Client
	queueURL string
	stream   *kinesis.Client
}

const streamName = "findings"

func (w *others) open(t *testing.T) places {
	t.Helper()
	known := credentials.NewStaticCredentialsProvider(guarddutytest.KeyID, guarddutytest.Secret, "")
	serve := func(program string, args func(port string) []string) string {
		address := collecttest.Free(t)
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		collecttest.Serve(t, collecttest.Program(t, program), args(port)...)
		listens(t, address)
		return "http://" + address
	}
	queues := serve("moto_server", func(port string) []string { return []string{"-H", "127.0.0.1", "-p", port} })
	streams := unbroken(t, serve("kinesalite", func(port string) []string { return []string{"--port", port, "--createStreamMs", "1"} }))
	w.queue = sqs.NewFromConfig(aws.Config{Region: "eu-west-1", BaseEndpoint: &queues, Credentials: known})
	made, err := w.queue.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("findings")})
	if err != nil {
		t.Fatal(err)
	}
	w.queueURL = aws.ToString(made.QueueUrl)
	w.stream = kinesis.NewFromConfig(aws.Config{Region: "eu-west-1", BaseEndpoint: &streams, Credentials: known})
	if _, err := w.stream.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(streamName), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	wait := kinesis.NewStreamExistsWaiter(w.stream, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second })
	if err := wait.Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String(streamName)}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return places{queues, w.queueURL, streams, streamName}
}

func (w *others) send(ctx context.Context, toQueue []string, toStream [][]byte) error {
	for some := range slices.Chunk(toQueue, 10) {
		entries := make([]sqstypes.SendMessageBatchRequestEntry, len(some))
		for i, body := range some {
			entries[i] = sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: &body}
		}
		got, err := w.queue.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &w.queueURL, Entries: entries})
		if err != nil || len(got.Failed) > 0 {
			return fmt.Errorf("queue: %w", orRefused(err))
		}
	}
	if len(toStream) == 0 {
		return nil
	}
	records := make([]kinesistypes.PutRecordsRequestEntry, len(toStream))
	for i, r := range toStream {
		records[i] = kinesistypes.PutRecordsRequestEntry{Data: r, PartitionKey: aws.String(fmt.Sprint(i))}
	}
	got, err := w.stream.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(streamName), Records: records})
	if err != nil || aws.ToInt32(got.FailedRecordCount) > 0 {
		return fmt.Errorf("stream: %w", orRefused(err))
	}
	return nil
}

// orRefused is err, or that some were refused.
func orRefused(err error) error {
	if err == nil {
		return errors.New("some were refused")
	}
	return err
}

// unbroken is a way to a server that ends when a request is broken off, as one is
// whose sender is killed: it hears every request to its end.
func unbroken(t *testing.T, server string) string {
	t.Helper()
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		on, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, server+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			return
		}
		on.Header, on.Host = r.Header.Clone(), r.Host
		resp, err := http.DefaultClient.Do(on)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // whoever asked may be gone
	}))
	t.Cleanup(way.Close)
	return way.URL
}

// listens returns once somebody listens at the address.
func listens(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nobody listens at %s", address)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
