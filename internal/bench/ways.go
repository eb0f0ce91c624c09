package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/collect/kinesis/kinesistest"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/sqstest"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A cost is what taking in events came to.
type cost struct {
	perSecond float64
	each      float64 // microseconds of CPU an event
}

// A way is a way in, measured as the whole program takes it.
type way struct {
	name string
	// shape is how it hands events to the engine, as a rule: the yardstick beside it has
	// the same.
	shape shape
	// open makes the other side, new for each run: a door, that has the program
	// configured with sources and brings it events.
	open func(b *bench) (door, error)
}

// A door is what events come through.
type door struct {
	sources map[string]string
	// bring brings the events first to first+n-1, and returns once all of them are kept,
	// with how long that took. What it brings is made before the clock starts.
	bring func(s *server, first, n int) (time.Duration, error)
	close func() error
}

// ways are those that are measured.
var ways = []way{
	{"`https`, one event a request, 64 clients", shape{1, 64}, func(b *bench) (door, error) {
		return b.posting(nil, 1, 64, func(n int) ([]byte, error) { return request(rig.HTTPSPath, jsonHeader, quiet(n)), nil }), nil
	}},
	{"`sns`, signed, 64 clients", shape{1, 64}, func(b *bench) (door, error) { return b.posting(nil, 1, 64, b.snsRequest), nil }},
	{"`sqs`, 2 pollers", shape{10, 10}, (*bench).queue},
	{"`kinesis`, 4 shards", shape{500, 4}, (*bench).stream},
	{"`firehose`, 100 records a request, 8 clients", shape{100, 8}, func(b *bench) (door, error) {
		return b.posting(map[string]string{"hose": `{firehose: {token: "${env:TOKEN}"}}`}, records, 8, firehoseRequest), nil
	}},
	{"`eventbridge`, PutEvents of 10, signed, 10 clients", shape{entries, 10}, func(b *bench) (door, error) {
		return b.posting(map[string]string{"bus": `{eventbridge: {secret_access_key: "${env:TOKEN}", allow_aws_sources: true}}`}, entries, 10, putEventsRequest), nil
	}},
}

const (
	records = 100 // in a request of Firehose
	entries = 10  // in a PutEvents
	shards  = 4
)

// quiet is a finding that is too low for its account: it is read, matched, judged and
// kept, and nobody is told.
func quiet(n int) []byte {
	return rig.Finding{Number: n, Version: 1, Severity: 5, Envelope: rig.Envelope(1, n), Padding: 12}.Event()
}

// waysConfig has findings be of interest from high on.
func (b *bench) waysConfig(sources map[string]string) rig.Config {
	return rig.Config{
		Certificate: filepath.Join(b.dir, "sns.pem"), Receivers: map[string]string{"recorder": b.recorder.url}, Minimum: "high", Sources: sources,
	}
}

func warmUp(n int) int { return min(n/2, 2000) }

// A wayRow is a line of the table of the ways in: what each round gave.
type wayRow struct {
	name         string
	shape        shape
	taken, alone []cost
}

// waysIn measures each way in beside accept alone, in turn, as often as it takes.
func (b *bench) waysIn(ctx context.Context) error {
	n := b.number(20_000, 2000)
	rows := make([]wayRow, len(ways))
	for range b.runs {
		yard := map[shape]cost{} // of this round
		for i, w := range ways {
			t, err := b.comesIn(ctx, w, n)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			if _, ok := yard[w.shape]; !ok {
				if yard[w.shape], err = b.alone(ctx, w.shape, n); err != nil {
					return fmt.Errorf("accept alone, %v: %w", w.shape, err)
				}
			}
			r := &rows[i]
			r.name, r.shape = w.name, w.shape
			r.taken, r.alone = append(r.taken, t), append(r.alone, yard[w.shape])
		}
	}
	b.ways = rows
	return nil
}

// comesIn measures n events that come in by w, after some to be warm.
func (b *bench) comesIn(ctx context.Context, w way, n int) (t cost, err error) {
	d, err := w.open(b)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	s, err := b.start(ctx, nil, b.waysConfig(d.sources))
	if err != nil {
		return t, err
	}
	bring := func(n int) (time.Duration, error) {
		first := b.next
		b.next += n
		return d.bring(s, first, n)
	}
	measured := func() error {
		if _, err := bring(warmUp(n)); err != nil {
			return fmt.Errorf("warming up: %w", err)
		}
		before, err := s.cpu()
		if err != nil {
			return err
		}
		took, err := bring(n)
		if err != nil {
			return err
		}
		after, err := s.cpu()
		t = cost{float64(n) / took.Seconds(), micros(after-before) / float64(n)}
		return err
	}
	if err := measured(); err != nil {
		return t, fmt.Errorf("%w\n%s", err, s.program.Tail())
	}
	if err := s.program.Kill(); err != nil {
		return t, err
	}
	if err := kept(ctx, s, n+warmUp(n)); err != nil {
		return t, err
	}
	return t, s.end()
}

// kept makes sure that n events are in the journal of a server that has ended, each as
// what it was meant to be.
func kept(ctx context.Context, s *server, n int) error {
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(s.dir, "data"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.View(ctx, func(tx *store.Tx) error {
		t, err := tx.Totals()
		if err == nil && t.Verdicts[tocsin.Filtered]+t.Verdicts[tocsin.Opened] != int64(n) {
			err = fmt.Errorf("of %d events the journal has %v", n, t.Verdicts)
		}
		return err
	})
}

// posting is a door to which clients post, some events in a request.
func (b *bench) posting(sources map[string]string, each, clients int, one func(n int) ([]byte, error)) door {
	return door{sources: sources, close: func() error { return nil }, bring: func(s *server, first, n int) (time.Duration, error) {
		requests, err := build(func(i int) ([]byte, error) { return one(first + i*each) }, 0, n/each)
		if err != nil {
			return 0, err
		}
		begin := time.Now()
		_, err = post(s.program.Address, requests, clients)
		return time.Since(begin), err
	}}
}

// firehoseRequest is a delivery of the events n and following.
func firehoseRequest(n int) ([]byte, error) {
	type record struct {
		Data string `json:"data"`
	}
	id := rig.Envelope(2, n)
	delivery := struct {
		RequestID string   `json:"requestId"`
		Timestamp int64    `json:"timestamp"`
		Records   []record `json:"records"`
	}{id, time.Now().UnixMilli(), make([]record, records)}
	for i := range delivery.Records {
		delivery.Records[i].Data = base64.StdEncoding.EncodeToString(quiet(n + i))
	}
	body, err := json.Marshal(delivery)
	return request("/in/hose", jsonHeader+"X-Amz-Firehose-Access-Key: "+rig.Token+"\r\nX-Amz-Firehose-Request-Id: "+id+"\r\n", body), err
}

// putEventsRequest puts the events n and following, as an AWS SDK does.
func putEventsRequest(n int) ([]byte, error) {
	type entry struct{ Source, DetailType, Detail string }
	put := struct{ Entries []entry }{make([]entry, entries)}
	for i := range put.Entries {
		ev := gjson.ParseBytes(quiet(n + i))
		put.Entries[i] = entry{ev.Get("source").Str, ev.Get("detail-type").Str, ev.Get("detail").Raw}
	}
	body, err := json.Marshal(put)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, "http://bench/in/bus", http.NoBody)
	if err != nil {
		return nil, err
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSEvents.PutEvents")
	sum := sha256.Sum256(body)
	key := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: rig.Token}
	if err := v4.NewSigner().SignHTTP(context.Background(), key, r, hex.EncodeToString(sum[:]), "events", rig.Region, time.Now()); err != nil {
		return nil, err
	}
	var headers strings.Builder
	if err := r.Header.Write(&headers); err != nil {
		return nil, err
	}
	return request("/in/bus", headers.String(), body), nil
}

// key are the settings by which a pulled source reaches what plays AWS here.
func key(endpoint string) string {
	return fmt.Sprintf("region: %s, endpoint_url: %q, access_key_id: AKIAIOSFODNN7EXAMPLE, secret_access_key: \"${env:TOKEN}\"", rig.Region, endpoint)
}

// queue is a queue in this process. All is in it before anything is received, but for
// what a poll that waits for it gets meanwhile.
func (b *bench) queue() (door, error) {
	service := sqstest.New()
	if err := service.Listen("127.0.0.1:0"); err != nil {
		return door{}, err
	}
	q := service.Queue("findings")
	source := fmt.Sprintf("{sqs: {queue_url: %q, %s}}", q.URL(), key(service.URL))
	return door{sources: map[string]string{"queue": source}, close: service.Close, bring: func(s *server, first, n int) (time.Duration, error) {
		bodies, err := build(func(n int) ([]byte, error) { return quiet(n), nil }, first, n)
		if err != nil {
			return 0, err
		}
		begin := time.Now()
		for _, body := range bodies {
			q.Put(sqstest.Message{Body: string(body)})
		}
		err = until(s, func() bool { return q.Depth()+q.Invisible() == 0 })
		return time.Since(begin), err
	}}, nil
}

// stream is a stream in this process. The last record of each shard is a finding that
// people are told of: when they were, all before it is kept.
func (b *bench) stream() (door, error) {
	st := kinesistest.Start(shards)
	source := fmt.Sprintf("{kinesis: {stream: %q, every: 200ms, %s}}", kinesistest.ARN, key(st.URL))
	return door{sources: map[string]string{"stream": source}, close: func() error { st.Close(); return nil }, bring: func(_ *server, first, n int) (time.Duration, error) {
		bodies, err := build(func(n int) ([]byte, error) { return quiet(n), nil }, first, n-shards)
		if err != nil {
			return 0, err
		}
		last := b.recorder.expect(first+n-shards, shards)
		begin := time.Now()
		for i, body := range bodies {
			st.PutIn(i%shards, body)
		}
		for i := range shards {
			st.PutIn(i, rig.Finding{Number: first + n - shards + i, Version: 1, Severity: 8, Padding: 12}.Event())
		}
		if !last.wait(time.Minute) {
			err = fmt.Errorf("the last record of %d shards arrived, of %d", last.told.Load(), shards)
		}
		return time.Since(begin), err
	}}, nil
}

// until waits for something of the server's, for a minute.
func until(s *server, done func() bool) error {
	for range 60_000 {
		if done() {
			return nil
		}
		select {
		case <-s.program.Done():
			return errors.New("it has ended")
		case <-time.After(time.Millisecond):
		}
	}
	return errors.New("it is not done after a minute")
}

// printWays prints the table of the ways in.
func (b *bench) printWays(out io.Writer) {
	fmt.Fprintf(out, `
Ways in, of findings of %d bytes that are too low for their account: each is read, matched, judged and kept, and nobody
is told, so that what the way costs is what is seen. Beside each is the engine alone, which is called in one process
with the same events on a store of its own: as many in a call as the way hands on, and as many calls at once. Ratios are
of one round; clients and what plays AWS are on the same cores, in their own process.

`, len(quiet(b.next)))
	fmt.Fprintln(out, "| way in | events a call × calls | events/s | ÷ accept alone | CPU µs/event | **÷ accept alone** | least | most |\n|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range b.ways {
		over := make([]cost, len(r.taken))
		for i, t := range r.taken {
			over[i] = cost{t.perSecond / r.alone[i].perSecond, t.each / r.alone[i].each}
		}
		rate, each := func(t cost) float64 { return t.perSecond }, func(t cost) float64 { return t.each }
		byEach := func(a, b cost) int { return cmp.Compare(a.each, b.each) }
		fmt.Fprintf(out, "| %s | %v | %.0f | %.2f | %.0f | **%.2f** | %.2f | %.2f |\n", r.name, r.shape,
			medianOf(r.taken, rate), medianOf(over, rate), medianOf(r.taken, each), medianOf(over, each),
			slices.MinFunc(over, byEach).each, slices.MaxFunc(over, byEach).each)
	}
}
