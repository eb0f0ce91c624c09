package kinesis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/kinesis/kinesistest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func settings() aws.Settings {
	return aws.Settings{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
}

// A journal is a sink that folds what it had already, as the engine does.
type journal struct {
	mu    sync.Mutex
	kept  map[string]string // by envelope
	order []string          // envelopes
	twice int
	err   error
	calls int
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.calls++; j.err != nil {
		return nil, j.err
	}
	if j.kept == nil {
		j.kept = map[string]string{}
	}
	for _, ev := range events {
		if _, ok := j.kept[ev.Envelope]; ok {
			j.twice++
			continue
		}
		j.kept[ev.Envelope] = string(ev.Raw)
		j.order = append(j.order, ev.Envelope)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = err
}

// has is how many events were kept, and how many came again.
func (j *journal) has() (kept, twice int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.kept), j.twice
}

// A world is a stream, what tocsin remembers, and its journal.
type world struct {
	t      *testing.T
	stream *kinesistest.Stream
	state  *collecttest.Memory
	log    bytes.Buffer
	logger *slog.Logger // writes there, for all replicas
	journal
	put int
}

func newWorld(t *testing.T, shards int) *world {
	t.Helper()
	w := &world{t: t, stream: kinesistest.New(shards), state: &collecttest.Memory{}}
	w.logger = slog.New(slog.NewTextHandler(&w.log, nil))
	t.Cleanup(w.stream.Close)
	return w
}

func (w *world) env() collect.Env {
	env := collecttest.Env("findings", new(http.Handler))
	env.HTTP, env.State, env.Log = w.stream.Client(), w.state, w.logger
	return env
}

func (w *world) open(set func(*Config)) *source {
	w.t.Helper()
	c := Config{Stream: kinesistest.ARN, Settings: settings()}
	if set != nil {
		set(&c)
	}
	s, err := newSource(c, w.env())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// fill puts events, each with a key of its own.
func (w *world) fill(n int) {
	for range n {
		w.put++
		w.stream.Put("key-"+strconv.Itoa(w.put), fmt.Appendf(nil, `{"n":%d}`, w.put))
	}
}

// run runs a collector for so long.
func (w *world) run(s *source, d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := s.Run(ctx, w.take); err != nil {
		w.t.Errorf("Run = %v", err)
	}
}

// crash runs a collector for so long, and then has nothing that it does count any
// more: neither what it saves nor what it hands on.
func (w *world) crash(s *source, d time.Duration) {
	w.t.Helper()
	dead := &mortal{State: s.env.State}
	s.env.State, s.roster = dead, collect.NewRoster(collect.Env{State: dead, Now: s.env.Now})
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, w.take) }()
	time.Sleep(d)
	synctest.Wait()
	dead.dead.Store(true)
	cancel()
	if err := <-ended; err != nil {
		w.t.Errorf("Run = %v", err)
	}
}

type mortal struct {
	collect.State
	dead atomic.Bool
}

func (m *mortal) Save(ctx context.Context, key string, value []byte) error {
	if m.dead.Load() {
		return nil
	}
	return m.State.Save(ctx, key, value)
}

// wants says what the journal is to have.
func (w *world) wants(when string, kept, twice int) {
	w.t.Helper()
	if k, again := w.has(); k != kept || again != twice {
		w.t.Errorf("%s: %d events kept, %d came twice; want %d and %d\n%s", when, k, again, kept, twice, &w.log)
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "findings", Via: "kinesis",
		Start: collecttest.Pulled(func(t *testing.T) (collect.Collector, func([]byte) <-chan struct{}) {
			w := newWorld(t, 2)
			s := w.open(nil)
			s.every, s.gap = 2*time.Millisecond, 2*time.Millisecond
			return s, func(body []byte) <-chan struct{} {
				return w.stream.Passed(w.stream.PutIn(0, body)) // in order
			}
		}),
	})
}

// inBubble runs a test in a time of its own.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

func TestAllShardsAreReadAndReadOnFromTheirCheckpoints(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.stream.Page(2) // so that listing the shards takes two answers
		w.fill(5000)
		w.run(w.open(nil), time.Minute)
		w.wants("after a minute", 5000, 0)
		w.fill(100)
		w.run(w.open(nil), time.Minute)
		w.wants("after a clean stop", 5100, 0)
		if n := w.stream.Behind(); n != 0 {
			t.Errorf("%d records were not read", n)
		}
		ev := w.order[0]
		if !strings.HasPrefix(ev, "shardId-00000000000") || len(ev) != len("shardId-000000000000/")+56 {
			t.Errorf("envelope id %q, want shard and sequence number", ev)
		}
	})
}

func TestACrashBetweenSinkAndCheckpointBringsDuplicatesOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.fill(300)
		w.crash(w.open(nil), 5*time.Second)
		w.wants("before the crash", 300, 0)
		w.fill(100)
		w.run(w.open(nil), time.Minute)
		w.wants("after it", 400, 300)
	})
}

func TestACheckpointIsSavedEveryTenSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(300)
		s := w.open(nil)
		go func() {
			time.Sleep(15 * time.Second)
			w.fill(7)
		}()
		w.crash(s, 19*time.Second)
		w.run(w.open(nil), time.Minute)
		w.wants("after the crash", 307, 7)
	})
}

// A store that is down for an hour costs nothing but the hour.
func TestTheSinkIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.fill(1200)
		w.fail(errors.New("the disk is full"))
		s := w.open(nil)
		go func() {
			time.Sleep(time.Hour)
			if st := s.Status(t.Context()); st.State != "failing" || !strings.Contains(collecttest.Said(st), "the disk is full") {
				t.Errorf("meanwhile: %s", collecttest.Said(st))
			}
			w.fail(nil)
		}()
		w.run(s, time.Hour+2*time.Minute)
		w.wants("after the hour", 1200, 0)
		if st := s.Status(t.Context()); st.State != "ok" {
			t.Errorf("after the hour: %s", collecttest.Said(st))
		}
		if w.calls > 500 {
			t.Errorf("the sink was asked %d times", w.calls)
		}
		if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors in the log, want one:\n%s", n, &w.log)
		}
	})
}

// What is handed on when the end comes is kept, and is not read again.
func TestAStopInTheMiddle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(1600)
		s := w.open(nil)
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		err := s.Run(ctx, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			if calls++; calls == 2 {
				cancel()
				time.Sleep(time.Second)
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return w.take(ctx, events...)
		})
		if err != nil || calls != 4 {
			t.Errorf("Run = %v after %d calls of the sink", err, calls)
		}
		w.wants("at the end", 1600, 0)
		w.run(w.open(nil), time.Minute)
		w.wants("after the next start", 1600, 0)
	})
}

// The end does not wait for a sink that fails, nor for a service that hangs.
func TestTheEndIsSoon(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			setUp func(*world)
		}{
			{"a sink that fails", func(w *world) { w.fail(errors.New("the disk is full")) }},
			{"GetRecords hangs", func(w *world) { w.stream.Answers(kinesistest.Answer{Operation: "GetRecords", Hang: true}) }},
			{"ListShards hangs", func(w *world) { w.stream.Answers(kinesistest.Answer{Operation: "ListShards", Hang: true}) }},
			{"access is denied", func(w *world) { w.stream.Answers(kinesistest.Answer{Code: "AccessDeniedException", Message: "no"}) }},
		} {
			w := newWorld(t, 6)
			w.fill(100)
			tt.setUp(w)
			s := w.open(nil)
			before := time.Now()
			w.run(s, time.Minute)
			if took := time.Since(before) - time.Minute; took > 5*time.Second {
				t.Errorf("%s: it ended %v after it was to", tt.name, took)
			}
			w.wants(tt.name, 0, 0)
			w.fail(nil)
			w.stream.Answers()
			w.run(w.open(nil), time.Minute)
			w.wants(tt.name+", and then no more", 100, 0)
		}
	})
}

// Keys of one shard keep their order over a split, and over the merge of what came of
// it: children are begun when their parents are read to the end.
func TestReshardingKeepsTheOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(5000) // which takes three reads
		left, right := w.stream.Split(0)
		w.fill(5000)
		s := w.open(nil)
		go func() {
			time.Sleep(10 * time.Second)
			w.stream.Merge(left, right)
			w.fill(5000)
		}()
		w.run(s, time.Minute)
		w.wants("after a split and a merge", 15_000, 0)
		shards := func(from, to int) (ids []string) {
			for _, envelope := range w.order[from:to] {
				id, _, _ := strings.Cut(envelope, "/")
				ids = append(ids, id[len(id)-1:])
			}
			slices.Sort(ids)
			return slices.Compact(ids)
		}
		if a, b, c := shards(0, 5000), shards(5000, 10_000), shards(10_000, 15_000); !slices.Equal(a, []string{"0"}) || !slices.Equal(b, []string{"1", "2"}) || !slices.Equal(c, []string{"3"}) {
			t.Errorf("shards in the order in which they were read: %v, %v, %v", a, b, c)
		}
		w.run(w.open(nil), time.Minute)
		w.wants("after the next start", 15_000, 0)
	})
}

func TestAReshardWhileStopped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.fill(100)
		w.run(w.open(nil), time.Minute)
		w.fill(100)
		_, right := w.stream.Split(0)
		w.fill(100)
		w.stream.Merge(right, 1)
		w.fill(100)
		w.run(w.open(nil), time.Minute)
		w.wants("after the start", 400, 0)
		if st := collecttest.Said(w.open(nil).Status(t.Context())); !strings.HasPrefix(st, "pending\n") {
			t.Errorf("before the shards are known: %s", st)
		}
	})
}

// An answer in which nothing says where to read on is no end of a shard that is open.
func TestABrokenAnswerEndsNoShard(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(10)
		s := w.open(nil)
		w.stream.Answers(
			kinesistest.Answer{Operation: "GetShardIterator", Body: `{}`, Times: 1},
			kinesistest.Answer{Operation: "GetRecords", Body: `{}`, Times: 2},
			kinesistest.Answer{Operation: "GetRecords", Body: `{"Records":[],"MillisBehindLatest":0}`, Times: 2},
		)
		w.run(s, time.Minute)
		w.wants("after a minute", 10, 0)
		if c, known, err := s.load(t.Context(), "shardId-000000000000"); err != nil || !known || c.Done {
			t.Errorf("checkpoint %+v, known %v: %v", c, known, err)
		}
	})
}

func TestIteratorsExpire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.open(nil)
		go func() {
			for range 5 {
				w.fill(100)
				time.Sleep(3 * time.Second)
				w.stream.Expire()
			}
		}()
		w.run(s, time.Minute)
		w.wants("after a minute", 500, 0)
		if w.log.Len() > 0 {
			t.Errorf("that is nothing to log:\n%s", &w.log)
		}
	})
}

// Other consumers read the same shards, and the quota is for all of them.
func TestAShardThatIsReadByOthersToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(100)
		w.stream.Answers(kinesistest.Answer{Operation: "GetRecords", Code: "ProvisionedThroughputExceededException", Message: "Rate exceeded for shard", Times: 10})
		s := w.open(nil)
		w.run(s, time.Minute)
		w.wants("after a minute", 100, 0)
		if st := collecttest.Said(s.Status(t.Context())); !strings.Contains(st, "Throttled: 10 since the start") || w.log.Len() > 0 {
			t.Errorf("%s\n%s", st, &w.log)
		}
		w.stream.Answers(kinesistest.Answer{Operation: "GetRecords", Code: "ProvisionedThroughputExceededException", Message: "Rate exceeded for shard"})
		again := w.open(nil)
		go func() {
			time.Sleep(50 * time.Second)
			if st := collecttest.Said(again.Status(t.Context())); !strings.HasPrefix(st, "failing\n") || !strings.Contains(st, "Rate exceeded") {
				t.Errorf("throttled for 50 seconds: %s", st)
			}
		}()
		w.run(again, time.Minute)
	})
}

func TestNoShardIsReadMoreThanFiveTimesASecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.stream.Limit()
		w.fill(10_000)
		s := w.open(func(c *Config) { c.Every = 200 * time.Millisecond })
		w.run(s, 10*time.Second)
		w.wants("at the end", 10_000, 0)
		if st := collecttest.Said(s.Status(t.Context())); strings.Contains(st, "Throttled") {
			t.Errorf("it was throttled:\n%s", st)
		}
	})
}

func TestAccessIsDeniedAndThenAllowed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for operation, says := range map[string]string{
			"ListShards":       "allow kinesis:ListShards on " + kinesistest.ARN,
			"GetShardIterator": "allow kinesis:GetShardIterator on " + kinesistest.ARN,
			"GetRecords":       "allow kinesis:GetRecords on " + kinesistest.ARN,
		} {
			w := newWorld(t, 2)
			w.fill(10)
			w.stream.Answers(kinesistest.Answer{Operation: operation, Code: "AccessDeniedException", Message: "User is not authorized"})
			s := w.open(nil)
			go func() {
				time.Sleep(10 * time.Minute)
				if st := collecttest.Said(s.Status(t.Context())); !strings.HasPrefix(st, "failing\n") || !strings.Contains(st, says) {
					t.Errorf("%s: %s\nwant %q", operation, st, says)
				}
				if n := w.stream.Calls(operation); n > 60 {
					t.Errorf("%s was asked for %d times in ten minutes", operation, n)
				}
				w.stream.Answers()
			}()
			w.run(s, 13*time.Minute)
			w.wants(operation, 10, 0)
			if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 || !strings.Contains(w.log.String(), "source works again") {
				t.Errorf("%s: logged\n%s", operation, &w.log)
			}
		}
	})
}

func TestAKeyThatMayNotBeUsed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.stream.Answers(kinesistest.Answer{Operation: "GetRecords", Code: "KMSAccessDeniedException", Message: "The ciphertext refers to a key you may not use."})
		s := w.open(nil)
		go func() {
			time.Sleep(30 * time.Second)
			if st := collecttest.Said(s.Status(t.Context())); !strings.Contains(st, "allow kms:Decrypt on the key") {
				t.Error(st)
			}
		}()
		w.run(s, time.Minute)
	})
}

// A record that nobody can read is recorded, and the shard goes on.
func TestAPoisonedRecord(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(1)
		w.stream.Put("k", []byte("\x1f\x8b broken"))
		w.stream.Put("k", zipped(t, []byte(control)))
		w.fill(1)
		var wrong []tocsin.Event
		s := w.open(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_ = s.Run(ctx, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			for _, ev := range events {
				if ev.Unreadable != "" {
					ev.Raw = bytes.Clone(ev.Raw)
					wrong = append(wrong, ev)
				}
			}
			return w.take(ctx, events...)
		})
		w.wants("at the end", 3, 0)
		if len(wrong) != 1 || string(wrong[0].Raw) != "\x1f\x8b broken" || !strings.Contains(wrong[0].Unreadable, "gzip") {
			t.Errorf("unreadable: %+v", wrong)
		}
		if st := collecttest.Said(s.Status(t.Context())); !strings.Contains(st, "Control messages: 1 since the start") {
			t.Error(st)
		}
	})
}

// Stopped for longer than the stream keeps records: what is there is read, and that
// something may be missing is said.
func TestACheckpointThatIsOlderThanTheStreamKeeps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(10)
		w.run(w.open(nil), time.Minute)
		w.fill(10)
		time.Sleep(25 * time.Hour)
		w.stream.Trim(0, 15)
		w.fill(10)
		s := w.open(nil)
		w.run(s, time.Minute)
		w.wants("after 25 hours", 25, 0)
		if st := collecttest.Said(s.Status(t.Context())); !strings.Contains(st, "Lost, shardId-000000000000: The checkpoint is older than what the stream keeps: what came between 2000-01-01T00:0") {
			t.Error(st)
		}
		if !strings.Contains(w.log.String(), "events may be lost") {
			t.Errorf("logged:\n%s", &w.log)
		}
		w.log.Reset()
		w.run(w.open(nil), time.Minute)
		w.wants("after the next start", 25, 0)
		if w.log.Len() > 0 {
			t.Errorf("said again:\n%s", &w.log)
		}
	})
}

func TestAStreamThatKeepsRecordsForAWeek(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.stream.Retention(7 * 24 * time.Hour)
		w.fill(10)
		w.run(w.open(nil), time.Minute)
		time.Sleep(6 * 24 * time.Hour)
		w.fill(10)
		w.run(w.open(nil), time.Minute)
		w.wants("after six days", 20, 0)
		if w.log.Len() > 0 {
			t.Errorf("nothing is lost:\n%s", &w.log)
		}
		time.Sleep(2 * 24 * time.Hour)
		w.stream.Answers(kinesistest.Answer{Operation: "DescribeStreamSummary", Code: "AccessDeniedException", Message: "no"})
		w.run(w.open(nil), time.Minute)
		w.wants("where the retention may not be asked for", 20, 20)
		if !strings.Contains(w.log.String(), "For how long the stream keeps records is not known") {
			t.Errorf("logged:\n%s", &w.log)
		}
	})
}

// A shard where nothing happens is read all the same, and the checkpoint says so: a
// start after a crash has nothing to tell, whatever was trimmed in the meantime.
func TestAQuietShardLosesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(10)
		s := w.open(func(c *Config) { c.Every = 30 * time.Second })
		w.crash(s, 25*time.Minute)
		c, known, err := s.load(t.Context(), "shardId-000000000000")
		if err != nil || !known || time.Since(c.At) > 11*time.Minute {
			t.Errorf("checkpoint %+v, known %v: %v; want one of the last ten minutes", c, known, err)
		}
		time.Sleep(23 * time.Hour)
		w.stream.Trim(0, 10)
		w.run(w.open(nil), time.Minute)
		w.wants("after a crash and a day", 10, 0)
		if w.log.Len() > 0 {
			t.Errorf("nothing is lost:\n%s", &w.log)
		}
	})
}

// Stopped until a shard was split and forgotten: its children are read, and that it was
// not read to its end is said.
func TestAShardThatIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(10)
		w.run(w.open(nil), time.Minute)
		w.fill(10)
		w.stream.Split(0)
		w.fill(10)
		w.stream.Trim(0, 20)
		s := w.open(nil)
		w.run(s, time.Minute)
		w.wants("after the start", 20, 0)
		if st := collecttest.Said(s.Status(t.Context())); strings.Count(st, "Lost, shardId-000000000000: The shard is gone: what was put into it after 2000-01-01T00:0") != 1 {
			t.Error(st)
		}
	})
}

func TestAStreamThatWasMadeAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, tt := range []struct{ name, start string }{{"from the oldest", "trim_horizon"}, {"from the latest", "latest"}} {
			w := newWorld(t, 1)
			configure := func(c *Config) { c.Start = tt.start }
			go func() {
				time.Sleep(10 * time.Second)
				w.fill(10)
				w.stream.Split(0)
			}()
			w.run(w.open(configure), time.Minute)
			w.wants(tt.name+", before", 10, 0)
			w.stream.Recreate(2)
			w.fill(10)
			w.run(w.open(configure), time.Minute)
			w.wants(tt.name+", after", 20, 0)
			if !strings.Contains(w.log.String(), "made anew") {
				t.Errorf("%s: logged\n%s", tt.name, &w.log)
			}
			running := w.open(configure)
			go func() {
				time.Sleep(30 * time.Second)
				w.stream.Recreate(2)
				w.fill(10)
			}()
			w.run(running, 5*time.Minute)
			if kept, _ := w.has(); kept != 30 {
				t.Errorf("%s, while it runs: %d events kept, want 30", tt.name, kept)
			}
		}
	})
}

func TestWhereToBegin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, tt := range []struct {
			name, start string
			want        int
		}{
			{"the oldest", "trim_horizon", 40},
			{"the oldest, if nothing is said", "", 40},
			{"the oldest, as AWS writes it", "TRIM_HORIZON", 40},
			{"what comes from now on", "latest", 10},
			{"a time", "half an hour ago", 20},
		} {
			w := newWorld(t, 1)
			at := time.Now()
			w.fill(10)
			w.stream.Split(0)
			for range 10 {
				w.stream.PutAt(at, strconv.Itoa(w.put), []byte(`{}`))
				w.put++
			}
			time.Sleep(time.Hour)
			w.fill(10)
			time.Sleep(time.Millisecond)
			configure := func(c *Config) { c.Start = tt.start }
			if tt.name == "a time" {
				configure = func(c *Config) { c.Start = at.Add(30 * time.Minute).Format(time.RFC3339) }
			}
			w.run(w.open(configure), 30*time.Second)
			w.fill(10) // while it is stopped
			w.run(w.open(configure), 30*time.Second)
			w.wants(tt.name, tt.want, 0)
		}
	})
}

// Two replicas share the shards, and either takes over from the other.
func TestReplicas(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 8)
		a, b := w.open(nil), w.open(nil)
		ctxA, stopA := context.WithCancel(t.Context())
		ctxB, stopB := context.WithCancel(t.Context())
		defer stopB()
		var running sync.WaitGroup
		running.Go(func() { _ = a.Run(ctxA, w.take) })
		time.Sleep(time.Second)
		running.Go(func() { _ = b.Run(ctxB, w.take) })
		w.fill(1000)
		time.Sleep(time.Minute)
		w.wants("while both run", 1000, 0)
		read := func(s *source) []string {
			s.mu.Lock()
			defer s.mu.Unlock()
			return slices.Sorted(maps.Keys(s.readers))
		}
		if ra, rb := read(a), read(b); len(ra) != 4 || len(rb) != 4 || len(slices.Compact(slices.Sorted(slices.Values(slices.Concat(ra, rb))))) != 8 {
			t.Errorf("they read %v and %v, want each shard once, and half of them each", ra, rb)
		}
		w.fill(1000)
		time.Sleep(10 * time.Second)
		stopA()
		time.Sleep(10 * time.Second)
		w.fill(1000)
		time.Sleep(10 * time.Second)
		w.wants("after one stopped", 3000, 0)
		if rb := read(b); len(rb) != 8 {
			t.Errorf("who stayed reads %v", rb)
		}
		stopB()
		running.Wait()
	})
}

// A replica that cannot reach the stream leaves it to those that can.
func TestAReplicaThatIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 4)
		good := w.open(nil)
		dark := kinesistest.New(1)
		dark.Answers(kinesistest.Answer{Code: "AccessDeniedException", Message: "no"})
		env := w.env()
		env.HTTP = dark.Client()
		bad, err := newSource(Config{Stream: kinesistest.ARN, Settings: settings()}, env)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		var running sync.WaitGroup
		running.Go(func() { _ = bad.Run(ctx, w.take) })
		running.Go(func() { _ = good.Run(ctx, w.take) })
		w.fill(100)
		time.Sleep(20 * time.Second)
		w.wants("after 20 seconds", 100, 0)
		if n := good.roster.Others(); n != 0 {
			t.Errorf("%d others are taken for readers", n)
		}
		cancel()
		running.Wait()
	})
}

func TestStatus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 12)
		for i := range 12 {
			w.stream.PutIn(i, []byte(`{}`))
		}
		s := w.open(nil)
		for range 5000 {
			w.stream.PutIn(7, []byte(`{}`))
		}
		time.Sleep(90 * time.Second)
		go func() {
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
			st := collecttest.Said(s.Status(t.Context()))
			for _, want := range []string{"ok\nShards: 12 read here, 0 read to the end", "shardId-000000000007: 1m30s behind", "shardId-000000000000: up to date", "Shards: 2 more, no further behind"} {
				if !strings.Contains(st, want) {
					t.Errorf("Status:\n%swant %q", st, want)
				}
			}
		}()
		w.run(s, 10*time.Second)
		w.wants("at the end", 5012, 0)
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		c     Config
		wrong string
	}{
		{"an ARN", Config{Stream: kinesistest.ARN}, ""},
		{"a name and a region", Config{Stream: "findings", Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"in GovCloud", Config{Stream: "arn:aws-us-gov:kinesis:us-gov-west-1:111122223333:stream/findings"}, ""},
		{"everything", Config{Stream: kinesistest.ARN, Start: "2026-06-01T00:00:00Z", Every: 4 * time.Minute}, ""},
		{"no stream", Config{}, "stream: is not set"},
		{"a name without a region", Config{Stream: "findings"}, "region: is not set"},
		{"a queue", Config{Stream: "arn:aws:sqs:eu-west-1:111122223333:findings"}, "of the service sqs, want kinesis"},
		{"a consumer", Config{Stream: kinesistest.ARN + "/consumer/x:1"}, "is not such a name"},
		{"a delivery stream", Config{Stream: "arn:aws:kinesis:eu-west-1:111122223333:deliverystream/x"}, "not the ARN of a resource of this kind"},
		{"too often", Config{Stream: kinesistest.ARN, Every: 100 * time.Millisecond}, "every: 100ms is not between 200ms and 4m"},
		{"too seldom", Config{Stream: kinesistest.ARN, Every: 5 * time.Minute}, "every: 5m0s is not between"},
		{"a start that is none", Config{Stream: kinesistest.ARN, Start: "yesterday"}, `start: "yesterday" is neither trim_horizon nor latest`},
		{"a start that is yet to come", Config{Stream: kinesistest.ARN, Start: "2999-01-01T00:00:00Z"}, "is yet to come"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.AccessKeyID, tt.c.SecretAccessKey = settings().AccessKeyID, settings().SecretAccessKey
			_, err := open(tt.c, collecttest.Env("findings", new(http.Handler)))
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

// The policy names the stream, and exactly what is asked for.
func TestThePolicyAllowsWhatIsAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.fill(1)
		s := w.open(nil)
		w.run(s, time.Minute)
		time.Sleep(48 * time.Hour)
		w.run(w.open(nil), time.Minute)
		facts := s.Describe(false)
		var policy struct {
			Statement []struct {
				Action   []string
				Resource string
			}
		}
		if err := json.Unmarshal([]byte(facts[1].Value), &policy); err != nil || len(policy.Statement) != 1 || policy.Statement[0].Resource != kinesistest.ARN {
			t.Fatalf("policy %s: %v", facts[1].Value, err)
		}
		for _, action := range policy.Statement[0].Action {
			if operation, _ := strings.CutPrefix(action, "kinesis:"); w.stream.Calls(operation) == 0 {
				t.Errorf("%s is allowed, and never asked for", action)
			}
		}
		if n := len(policy.Statement[0].Action); n != 4 {
			t.Errorf("%d actions are allowed", n)
		}
	})
}

// Whoever names the stream by its name asks by its name.
func TestAStreamByName(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.stream.Page(1)
		w.fill(30)
		w.run(w.open(func(c *Config) { c.Stream, c.Region = "findings", "eu-west-1" }), time.Minute)
		w.run(w.open(nil), time.Minute) // and now by its ARN
		w.wants("at the end", 30, 0)
	})
}

func BenchmarkKinesis(b *testing.B) {
	events := [][]byte{recorded(b, "getrecords.json")[0]}
	for _, bb := range []struct {
		name string
		data []byte
		each int // events in a record
	}{
		{"events", events[0], 1},
		{"aggregates of 20", aggregated(slices.Repeat(events, 20)...), 20},
		{"subscription", recorded(b, "getrecords.subscription.json")[0], 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			stream := kinesistest.New(4)
			defer stream.Close()
			for i := range 20_000 / bb.each {
				stream.Put(strconv.Itoa(i), bb.data)
			}
			env := collecttest.Env("findings", new(http.Handler))
			env.HTTP = stream.Client()
			total := 0
			b.ReportAllocs()
			for b.Loop() {
				env.State = &collecttest.Memory{}
				s, err := newSource(Config{Stream: kinesistest.ARN, Settings: settings()}, env)
				if err != nil {
					b.Fatal(err)
				}
				s.gap = 0
				ctx, cancel := context.WithCancel(b.Context())
				var n atomic.Int64
				err = s.Run(ctx, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
					if n.Add(int64(len(events))) >= 20_000 {
						cancel()
					}
					return make([]tocsin.Receipt, len(events)), nil
				})
				cancel()
				if err != nil || n.Load() != 20_000 {
					b.Fatalf("Run = %v after %d events", err, n.Load())
				}
				total += int(n.Load())
			}
			b.ReportMetric(float64(total)/max(b.Elapsed().Seconds(), 1e-9), "events/s")
			b.ReportMetric(float64(len(bb.data)), "bytes/record")
		})
	}
}
