package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func settings() aws.Settings {
	return aws.Settings{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
}

// A world is a log group, what tocsin remembers, and a sink that folds what it had
// already, as the engine does.
type world struct {
	t *testing.T
	*service
	state *collecttest.Memory
	log   bytes.Buffer
	// logger writes there, for all replicas.
	logger *slog.Logger

	journal sync.Mutex // guards what follows
	had     map[string]tocsin.Event
	twice   int
	err     error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, service: newService(t), state: &collecttest.Memory{}, had: map[string]tocsin.Event{}}
	w.logger = slog.New(slog.NewTextHandler(&w.log, nil))
	return w
}

func (w *world) open(set func(*Config)) *source {
	w.t.Helper()
	c := Config{Group: groupARN, Settings: settings()}
	if set != nil {
		set(&c)
	}
	env := collecttest.Env("group", new(http.Handler))
	env.HTTP, env.State, env.Log = w.client(), w.state, w.logger
	s, err := newSource(c, env)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	w.journal.Lock()
	defer w.journal.Unlock()
	if w.err != nil {
		return nil, w.err
	}
	for _, ev := range events {
		if _, ok := w.had[ev.Envelope]; ok {
			w.twice++
		}
		ev.Raw = bytes.Clone(ev.Raw)
		w.had[ev.Envelope] = ev
	}
	return make([]tocsin.Receipt, len(events)), nil
}

func (w *world) fail(err error) {
	w.journal.Lock()
	defer w.journal.Unlock()
	w.err = err
}

// count is how many events were kept.
func (w *world) count() int {
	w.journal.Lock()
	defer w.journal.Unlock()
	return len(w.had)
}

func (w *world) wants(when string, kept, twice int) {
	w.t.Helper()
	w.journal.Lock()
	defer w.journal.Unlock()
	if len(w.had) != kept || w.twice != twice {
		w.t.Errorf("%s: %d events kept, %d came twice; want %d and %d\n%s", when, len(w.had), w.twice, kept, twice, &w.log)
	}
}

func (w *world) run(s *source, d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := s.Run(ctx, w.take); err != nil {
		w.t.Errorf("Run = %v", err)
	}
}

func (w *world) fill(n int, ago time.Duration) {
	for i := range n {
		w.write(ago, fmt.Sprintf(`{"n":%d}`, i))
	}
}

func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "group", Via: "logs",
		Start: collecttest.Pulled(func(t *testing.T) (collect.Collector, func([]byte) <-chan struct{}) {
			w := newWorld(t)
			s := w.open(nil)
			s.Every, s.gap = 2*time.Millisecond, time.Millisecond
			return s, func(body []byte) <-chan struct{} { return w.kept(w.write(0, string(body))) }
		}),
	})
}

func TestEventsAreReadAndReadOnFromTheCursor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.pageSize = 100
		w.fill(30, 10*time.Minute) // before it began
		s := w.open(nil)
		go func() {
			for range 6 {
				time.Sleep(9 * time.Second)
				w.fill(150, time.Second)
			}
		}()
		w.run(s, 2*time.Minute)
		w.wants("after two minutes", 900, 0)
		w.fill(10, 0)
		time.Sleep(time.Hour)
		w.fill(10, 0)
		w.run(w.open(nil), time.Minute)
		w.wants("after an hour's stop", 920, 900) // what is in the overlap comes twice
		if st := collecttest.Said(s.Status(t.Context())); !strings.HasPrefix(st, "ok\nRead until: 2000-01-01T00:0") {
			t.Error(st)
		}
		if ev := w.had[w.events[30].id]; ev.Source != "group" || ev.Via != "logs" || ev.ReceivedAt.IsZero() || string(ev.Raw) != `{"n":0}` {
			t.Errorf("event %+v", ev)
		}
	})
}

// Where nothing new comes nobody is bothered again.
func TestWhatWasHadIsNotHandedOnAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill(50, 0)
		calls := 0
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s := w.open(nil)
		_ = s.Run(ctx, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			calls++
			return w.take(ctx, events...)
		})
		if n := w.reads(); calls != 1 || n < 55 || n > 65 || len(s.had) != 0 {
			t.Errorf("the sink was called %d times, the service %d times, and %d ids are remembered; want 1, 60 and none", calls, n, len(s.had))
		}
	})
}

func TestWhatIsWrittenLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.open(nil)
		go func() {
			time.Sleep(15 * time.Minute)
			w.write(4*time.Minute, `{"late":"four minutes"}`)
			w.write(6*time.Minute, `{"late":"six"}`)
		}()
		w.run(s, 20*time.Minute)
		w.wants("with an overlap of five minutes", 1, 0)
		w.run(w.open(func(c *Config) { c.Overlap = 30 * time.Minute }), time.Minute)
		w.wants("with one of half an hour", 2, 1)
	})
}

// Many events of the same millisecond, on both sides of a page and of the cursor.
func TestEqualTimes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.pageSize = 7
		s := w.open(nil)
		go func() {
			time.Sleep(30*time.Second - time.Millisecond)
			w.fill(50, 0)
			time.Sleep(5 * time.Second)
			w.fill(50, 5*time.Second) // of the same millisecond
		}()
		w.run(s, 5*time.Minute)
		w.wants("after five minutes", 100, 0)
	})
}

func TestACrashBringsDuplicatesOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill(100, 0)
		s := w.open(nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx, w.take) }()
		time.Sleep(15 * time.Second)
		w.fill(100, 0)
		time.Sleep(6 * time.Second)
		w.wants("before the crash", 200, 0)
		w.state.Fail(errors.New("it is dead"))
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		w.state.Fail(nil)
		w.fill(100, 0)
		time.Sleep(20 * time.Minute)
		w.log.Reset()
		w.run(w.open(nil), time.Minute)
		w.wants("after it", 300, 200)
	})
}

// The first start is remembered, so that what comes before anything could be read is
// not taken for older than the start.
func TestTheFirstStartIsRemembered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.set(answer{code: "AccessDeniedException", message: "no"})
		go func() {
			time.Sleep(59 * time.Second)
			w.state.Fail(errors.New("it is dead")) // and saves nothing at the end
		}()
		w.run(w.open(nil), time.Minute)
		w.state.Fail(nil)
		w.fill(10, 0)
		time.Sleep(time.Hour)
		w.set()
		w.run(w.open(nil), time.Minute)
		w.wants("after an hour without access", 10, 0)
	})
}

// A long reading that is broken off is gone on with where it was.
func TestALongReadingIsGoneOnWith(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.pageSize = 100
		for i := range 1000 {
			w.write(time.Duration(1000-i)*time.Hour, `{}`)
		}
		oldest := func(c *Config) { c.Start = "oldest" }
		s := w.open(oldest)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if err := s.Run(ctx, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			if w.count() >= 500 {
				cancel()
				return nil, errors.New("the disk is full")
			}
			return w.take(ctx, events...)
		}); err != nil {
			t.Error(err)
		}
		w.wants("when it was broken off", 500, 0)
		w.run(w.open(oldest), time.Minute)
		w.wants("at the end", 1000, 1)
	})
}

// The token of a page ends after a day, and then looks as if there were no more.
func TestALongReadingThatWaitsForTheSink(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.pageSize = 100
		for i := range 1000 {
			w.write(time.Duration(1000-i)*time.Hour, `{}`)
		}
		w.fail(errors.New("the disk is full"))
		go func() {
			time.Sleep(2 * time.Hour)
			w.forget()
			w.fail(nil)
		}()
		w.run(w.open(func(c *Config) { c.Start = "oldest" }), 2*time.Hour+10*time.Minute)
		w.wants("after two hours", 1000, 0)
	})
}

func TestWhereToBegin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		at := time.Now()
		for _, tt := range []struct {
			start string
			want  int
		}{{"", 1}, {"latest", 1}, {"oldest", 3}, {at.Add(-2 * time.Hour).Format(time.RFC3339), 2}} {
			w := newWorld(t)
			for _, ago := range []time.Duration{48 * time.Hour, time.Hour, time.Second} {
				w.write(time.Since(at)+ago, `{}`)
			}
			if tt.want == 1 {
				w.write(0, `{}`)
				w.events = w.events[len(w.events)-1:]
			}
			w.run(w.open(func(c *Config) { c.Start = tt.start }), time.Minute)
			w.wants("start "+tt.start, tt.want, 0)
			w.write(0, `{}`)
			w.run(w.open(func(c *Config) { c.Start = tt.start }), time.Minute)
			if len(w.had) != tt.want+1 {
				t.Errorf("start %s, and again: %d events", tt.start, len(w.had))
			}
		}
	})
}

func TestTheSinkIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.pageSize = 400
		w.fill(1200, 0)
		w.fail(errors.New("the disk is full"))
		s := w.open(nil)
		go func() {
			time.Sleep(2 * time.Hour)
			w.fill(100, time.Hour)
			w.forget() // the pages that were begun
			if st := collecttest.Said(s.Status(t.Context())); !strings.HasPrefix(st, "failing\n") || !strings.Contains(st, "the disk is full") {
				t.Errorf("meanwhile: %s", st)
			}
			w.fail(nil)
		}()
		w.run(s, 2*time.Hour+10*time.Minute)
		w.wants("after two hours", 1300, 0)
		if st := s.Status(t.Context()); st.State != "ok" || strings.Count(w.log.String(), "level=ERROR") != 1 {
			t.Errorf("after two hours: %s\n%s", collecttest.Said(st), &w.log)
		}
	})
}

func TestTheEndIsSoon(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			setUp func(*world)
		}{
			{"a sink that fails", func(w *world) { w.fail(errors.New("the disk is full")) }},
			{"a service that hangs", func(w *world) { w.set(answer{hang: true}) }},
			{"access is denied", func(w *world) { w.set(answer{code: "AccessDeniedException", message: "no"}) }},
			{"others read too", func(w *world) { w.set(answer{code: "ThrottlingException", message: "Rate exceeded"}) }},
		} {
			w := newWorld(t)
			w.fill(100, 0)
			tt.setUp(w)
			s := w.open(nil)
			before := time.Now()
			w.run(s, time.Minute)
			if took := time.Since(before) - time.Minute; took > 5*time.Second {
				t.Errorf("%s: it ended %v after it was to", tt.name, took)
			}
			w.wants(tt.name, 0, 0)
			w.fail(nil)
			w.set()
			w.run(w.open(nil), time.Minute)
			w.wants(tt.name+", and then no more", 100, 0)
		}
	})
}

func TestAccessIsDeniedAndThenAllowed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill(10, 0)
		w.set(answer{operation: "FilterLogEvents", code: "AccessDeniedException", message: "User is not authorized"})
		s := w.open(nil)
		go func() {
			time.Sleep(10 * time.Minute)
			if st := collecttest.Said(s.Status(t.Context())); !strings.HasPrefix(st, "failing\n") || !strings.Contains(st, "allow logs:FilterLogEvents on "+groupARN) {
				t.Error(st)
			}
			if n := w.reads(); n > 25 {
				t.Errorf("it was asked for %d times in ten minutes", n)
			}
			w.set()
		}()
		w.run(s, 13*time.Minute)
		w.wants("at the end", 10, 0)
		if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 || !strings.Contains(w.log.String(), "source works again") {
			t.Errorf("logged\n%s", &w.log)
		}
	})
}

func TestOthersReadTheLogsOfTheAccountToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill(10, 0)
		w.set(answer{operation: "FilterLogEvents", code: "ThrottlingException", message: "Rate exceeded", times: 8})
		s := w.open(nil)
		w.run(s, time.Minute)
		w.wants("after a minute", 10, 0)
		if st := collecttest.Said(s.Status(t.Context())); !strings.Contains(st, "Throttled: 8 since the start") || w.log.Len() > 0 {
			t.Errorf("%s\n%s", st, &w.log)
		}
		w.set(answer{operation: "FilterLogEvents", code: "ThrottlingException", message: "Rate exceeded"})
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

// No more than the account's quota is asked for while there is much to read.
func TestFewerThanFiveReadsASecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.pageSize = 10
		w.fill(1000, 0)
		before := time.Now()
		s := w.open(nil)
		w.run(s, time.Minute)
		w.wants("after a minute", 1000, 0)
		if n, took := w.reads(), time.Since(before); n < 100 || float64(n) > 5*took.Seconds() {
			t.Errorf("%d reads in %v", n, took)
		}
	})
}

func TestABrokenAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill(10, 0)
		s := w.open(nil)
		w.set(answer{operation: "FilterLogEvents", status: 200, times: 2})
		w.run(s, time.Minute)
		w.wants("after a minute", 10, 0)
	})
}

// A message that is no event is recorded, and what follows it is read.
func TestAPoisonedMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill(1, 0)
		id := w.write(0, "REPORT RequestId: 1 {")
		w.fill(1, 0)
		w.run(w.open(nil), time.Minute)
		w.wants("after a minute", 3, 0)
		if ev := w.had[id]; ev.Unreadable == "" || string(ev.Raw) != "REPORT RequestId: 1 {" {
			t.Errorf("event %+v, want it unreadable and whole", ev)
		}
	})
}

// A clock that jumps here moves no cursor: it is the service's that counts.
func TestAClockThatJumps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, jump := range []time.Duration{-4 * time.Minute, 4 * time.Minute, -time.Hour, time.Hour} {
			w := newWorld(t)
			s := w.open(nil)
			var mu sync.Mutex
			wrong := time.Duration(0)
			s.env.Now = func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(wrong)
			}
			go func() {
				for i := range 12 {
					w.fill(10, time.Second)
					time.Sleep(10 * time.Second)
					mu.Lock()
					wrong = jump * time.Duration(i%2)
					mu.Unlock()
				}
			}()
			w.run(s, 5*time.Minute)
			if len(w.had) != 120 || w.twice > 0 {
				t.Errorf("a clock that jumps by %v: %d events kept, %d twice\n%s", jump, len(w.had), w.twice, &w.log)
			}
		}
	})
}

// A machine whose clock is ahead when it begins goes back to the service's time.
func TestAClockThatIsAheadAtTheStart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.ahead = -time.Hour
		s := w.open(nil)
		go func() {
			time.Sleep(30 * time.Second)
			w.fill(10, 0)
		}()
		w.run(s, time.Minute)
		w.wants("after a minute", 10, 0)
		w.fill(10, 0)
		w.run(w.open(nil), time.Minute)
		w.wants("after the next start", 20, 10)
	})
}

func TestACursorThatIsOlderThanTheGroupKeeps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.retention = 3
		w.run(w.open(nil), time.Minute)
		time.Sleep(49 * time.Hour)
		w.fill(10, 0)
		w.run(w.open(nil), time.Minute)
		w.wants("after two days", 10, 0)
		if w.log.Len() > 0 {
			t.Errorf("nothing is lost:\n%s", &w.log)
		}
		w.fill(10, 0)
		time.Sleep(75 * time.Hour)
		w.fill(10, 0)
		s := w.open(nil)
		w.run(s, time.Minute)
		w.wants("after three more", 20, 0)
		if st := collecttest.Said(s.Status(t.Context())); strings.Count(st, "Lost: The group keeps events for 3 days, and the cursor is of 2000-01-03T01:0") != 1 || !strings.Contains(w.log.String(), "events may be lost") {
			t.Errorf("%s\n%s", st, &w.log)
		}
		w.log.Reset()
		w.set(answer{operation: "DescribeLogGroups", code: "AccessDeniedException", message: "no"})
		time.Sleep(25 * time.Hour)
		w.run(w.open(nil), time.Minute)
		if !strings.Contains(w.log.String(), "For how long the group keeps events is not known") {
			t.Errorf("where the retention may not be asked for:\n%s", &w.log)
		}
		w.log.Reset()
		w.retention = 0
		w.set()
		time.Sleep(1000 * time.Hour)
		w.run(w.open(nil), time.Minute)
		if w.log.Len() > 0 {
			t.Errorf("where events are kept for ever:\n%s", &w.log)
		}
	})
}

func TestReplicas(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.open(nil), w.open(nil)
		ctxA, stopA := context.WithCancel(t.Context())
		ctxB, stopB := context.WithCancel(t.Context())
		defer stopB()
		var running sync.WaitGroup
		running.Go(func() { _ = a.Run(ctxA, w.take) })
		time.Sleep(time.Second)
		running.Go(func() { _ = b.Run(ctxB, w.take) })
		time.Sleep(time.Minute)
		w.fill(10, 0)
		before := w.reads()
		time.Sleep(time.Minute)
		w.wants("while both run", 10, 0)
		if n := w.reads() - before; n < 5 || n > 7 {
			t.Errorf("both together read %d times in a minute, want six times", n)
		}
		if sa, sb := collecttest.Said(a.Status(t.Context())), collecttest.Said(b.Status(t.Context())); strings.Contains(sa, "by another replica") == strings.Contains(sb, "by another replica") {
			t.Errorf("%s%s", sa, sb)
		}
		stopA()
		time.Sleep(20 * time.Second)
		w.fill(10, 0)
		time.Sleep(20 * time.Second)
		if n := w.count(); n != 20 {
			t.Errorf("after one stopped: %d events", n)
		}
		stopB()
		running.Wait()
	})
}

// A replica that may not read leaves it to one that may.
func TestAReplicaThatIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, dark := newWorld(t), newWorld(t)
		dark.set(answer{code: "AccessDeniedException", message: "no"})
		dark.state = w.state
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		var running sync.WaitGroup
		running.Go(func() { _ = dark.open(nil).Run(ctx, w.take) })
		time.Sleep(time.Second)
		good := w.open(nil)
		running.Go(func() { _ = good.Run(ctx, w.take) })
		w.fill(10, 0)
		time.Sleep(time.Minute)
		w.wants("after a minute", 10, 0)
		if n := good.roster.Others(); n != 0 {
			t.Errorf("%d others are taken for readers", n)
		}
		cancel()
		running.Wait()
	})
}

func TestWhatIsAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.writeTo("prod-1", 0, `{}`)
		w.writeTo("test-1", 0, `{}`)
		const pattern = `{ $.source = "aws.guardduty" }`
		w.run(w.open(func(c *Config) {
			c.Group, c.Region, c.Streams, c.Filter = groupName, "eu-west-1", "prod-", pattern
		}), 5*time.Second)
		w.wants("with a prefix", 1, 0)
		if w.asked[0].filter != pattern {
			t.Errorf("filter pattern %q", w.asked[0].filter)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		c     Config
		wrong string
	}{
		{"an ARN", Config{Group: groupARN}, ""},
		{"an ARN as the console shows it", Config{Group: groupARN + ":*"}, ""},
		{"a name and a region", Config{Group: groupName, Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"everything", Config{Group: groupARN, Start: "2026-06-01T00:00:00Z", Every: time.Hour, Overlap: 48 * time.Hour, Streams: "a", Filter: "b"}, ""},
		{"no group", Config{}, "log_group: is not set"},
		{"a name without a region", Config{Group: groupName}, "region: is not set"},
		{"a stream of a group", Config{Group: groupARN + ":log-stream:x"}, "is not such a name"},
		{"a queue", Config{Group: "arn:aws:sqs:eu-west-1:111122223333:findings"}, "of the service sqs, want logs"},
		{"too often", Config{Group: groupARN, Every: time.Millisecond}, "every: 1ms is not between 1s and 1h"},
		{"no overlap", Config{Group: groupARN, Overlap: time.Second}, "overlap: 1s is not between 1m and 2d"},
		{"a start that is none", Config{Group: groupARN, Start: "yesterday"}, `start: "yesterday" is neither latest nor oldest`},
		{"a start that is yet to come", Config{Group: groupARN, Start: "2999-01-01T00:00:00Z"}, "is yet to come"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.AccessKeyID, tt.c.SecretAccessKey = settings().AccessKeyID, settings().SecretAccessKey
			_, err := open(tt.c, collecttest.Env("group", new(http.Handler)))
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

func TestThePolicyNamesTheGroupAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var policy struct {
		Statement []struct{ Action, Resource []string }
	}
	text := w.open(nil).Describe(false)[1].Value
	if err := json.Unmarshal([]byte(text), &policy); err != nil || len(policy.Statement) != 1 {
		t.Fatalf("policy %s: %v", text, err)
	}
	if s := policy.Statement[0]; !slices.Equal(s.Resource, []string{groupARN, groupARN + ":*", groupARN + ":log-stream:*"}) || !slices.Equal(s.Action, []string{"logs:FilterLogEvents", "logs:DescribeLogGroups"}) {
		t.Errorf("policy %s", text)
	}
}
