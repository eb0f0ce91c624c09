package heartbeat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/heartbeat"
)

var hourly = heartbeat.Config{Interval: time.Hour, Grace: 5 * time.Minute, Level: tocsin.High}

func opener(c heartbeat.Config) func(collect.Env) (collect.Collector, error) {
	return func(env collect.Env) (collect.Collector, error) {
		return heartbeat.Kind.Open(func(into any) error {
			*into.(*heartbeat.Config) = c
			return nil
		}, env)
	}
}

const address = "/in/backup/" + collecttest.Token

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "backup", Via: "heartbeat",
		Event:  func(i int) []byte { return fmt.Appendf(nil, `{"files":%d}`, i) },
		Single: true, Nameless: true, Anything: true,
		Kept: func(sent, kept []byte) bool {
			var beat struct{ Text string }
			return json.Unmarshal(kept, &beat) == nil && beat.Text == string(sent)
		},
		Start: collecttest.HTTP("backup", opener(hourly), func(url string, body []byte) (*http.Request, error) {
			return http.NewRequest(http.MethodPost, url+address, bytes.NewReader(body))
		}),
	})
}

// journal is a sink that keeps what it got.
type journal struct {
	mu     sync.Mutex
	events []tocsin.Event
	err    error
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	j.events = append(j.events, events...)
	return make([]tocsin.Receipt, len(events)), nil
}

func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = err
}

func (j *journal) kept() []tocsin.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// told are the titles of the alerts that were told of, with when that was.
func (j *journal) told(t *testing.T, since time.Time) (all []string) {
	t.Helper()
	for _, ev := range j.kept() {
		if r := read(t, string(ev.Raw)); r.Detection.Intent == "" && r.End == "" {
			all = append(all, fmt.Sprintf("%v: %s", ev.ReceivedAt.Sub(since).Round(time.Second), r.Detection.Title))
		}
	}
	return all
}

// A replica is a source that runs.
type replica struct {
	http.Handler
	collect.Collector
	stop func() error
}

func running(t *testing.T, c heartbeat.Config, j *journal, memory *collecttest.Memory) replica {
	t.Helper()
	var r replica
	env := collecttest.Env("backup", &r.Handler)
	env.State = memory
	source, err := opener(c)(env)
	if err != nil {
		t.Fatal(err)
	}
	r.Collector, r.stop = source, collecttest.Begin(t, source, j.take)
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func (r replica) ping(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func read(t *testing.T, raw string) collect.Reading {
	t.Helper()
	r, err := heartbeat.Kind.Dialect.Read("backup", []byte(raw), nil)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return r
}

func TestPings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method, path, body string
		code                     int
		intent                   tocsin.Intent
		end                      tocsin.Verdict
		title                    string
	}{
		{"GET", http.MethodGet, address, "", 200, tocsin.IntentClose, "", ""},
		{"HEAD", http.MethodHead, address, "", 200, tocsin.IntentClose, "", ""},
		{"POST", http.MethodPost, address, "done", 200, tocsin.IntentClose, "", ""},
		{"exit status 0", http.MethodGet, address + "/0", "", 200, tocsin.IntentClose, "", ""},
		{"exit status 3", http.MethodPost, address + "/3", "no space\nleft", 200, "", "", "backup failed with exit status 3: no space"},
		{"fail", http.MethodGet, address + "/fail", "", 200, "", "", "backup failed"},
		{"start", http.MethodGet, address + "/start", "", 200, "", tocsin.Ignored, ""},
		{"log", http.MethodPost, address + "/log", "half of it", 200, tocsin.IntentUpdate, "", ""},
		{"PUT", http.MethodPut, address, "", 405, "", "", ""},
		{"no exit status", http.MethodGet, address + "/256", "", 404, "", "", ""},
		{"something else", http.MethodGet, address + "/stop", "", 404, "", "", ""},
		{"wrong token", http.MethodGet, "/in/backup/guess", "", 404, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			r := running(t, hourly, &j, &collecttest.Memory{})
			w := r.ping(tt.method, tt.path, tt.body)
			events := j.kept()
			if w.Code != tt.code || len(events) != map[int]int{200: 1}[tt.code] {
				t.Fatalf("answer %d with %d events, want %d", w.Code, len(events), tt.code)
			}
			if tt.code != 200 {
				return
			}
			got := read(t, string(events[0].Raw))
			if got.Detection.Intent != tt.intent || got.End != tt.end || got.Detection.Title != tt.title || got.Detection.Key != "heartbeat/backup" {
				t.Errorf("reading %+v", got)
			}
			if got.Detection.Description != strings.ReplaceAll(tt.body, "\n", " ") || got.Detection.LastSeen.IsZero() {
				t.Errorf("the text is %q, at %v", got.Detection.Description, got.Detection.UpdatedAt)
			}
		})
	}
}

func TestALatePingIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		start := time.Now()
		r := running(t, hourly, &j, &collecttest.Memory{})
		for range 3 {
			time.Sleep(64 * time.Minute) // four late, and nobody minds
			r.ping(http.MethodGet, address, "")
		}
		time.Sleep(66 * time.Minute)
		want := []string{"4h17m0s: backup is silent: no ping since 2000-01-01 03:12:00 UTC"}
		if diff := cmp.Diff(want, j.told(t, start)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		time.Sleep(10 * time.Hour)
		if n := len(j.told(t, start)); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
		r.ping(http.MethodGet, address, "")
		last := j.kept()
		if got := read(t, string(last[len(last)-1].Raw)).Detection; got.Intent != tocsin.IntentClose || !got.Over {
			t.Errorf("the next ping does not close: %+v", got)
		}
		time.Sleep(2 * time.Hour)
		if n := len(j.told(t, start)); n != 2 {
			t.Errorf("told %d times, want again after the next silence", n)
		}
	})
}

func TestOneThatNeverComesIsLateToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		start := time.Now()
		running(t, hourly, &j, &collecttest.Memory{})
		time.Sleep(65 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"1h5m0s: backup is silent: no ping yet"}, j.told(t, start)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestAlertsLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		r := running(t, hourly, &j, &collecttest.Memory{})
		r.ping(http.MethodGet, address, "")
		time.Sleep(2 * time.Hour)
		r.ping(http.MethodPost, address+"/log", "still at it")
		r.ping(http.MethodGet, address+"/start", "")
		time.Sleep(time.Minute)
		r.ping(http.MethodGet, address+"/fail", "")
		time.Sleep(time.Minute)
		r.ping(http.MethodGet, address, "")
		var a tocsin.Alert
		var verdicts []tocsin.Verdict
		for _, ev := range j.kept() {
			got := read(t, string(ev.Raw))
			if got.End != "" {
				verdicts = append(verdicts, got.End)
				continue
			}
			var act tocsin.Activity
			a, act = a.Fold(got.Detection, ev.ReceivedAt)
			verdicts = append(verdicts, act.Verdict)
		}
		want := []tocsin.Verdict{tocsin.Ignored, tocsin.Opened, tocsin.Updated, tocsin.Ignored, tocsin.Updated, tocsin.Closed}
		if diff := cmp.Diff(want, verdicts); diff != "" {
			t.Errorf("verdicts (-want +got):\n%s", diff)
		}
	})
}

func TestARunThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		c := hourly
		c.MaxRun = 10 * time.Minute
		begin := time.Now()
		r := running(t, c, &j, &collecttest.Memory{})
		r.ping(http.MethodGet, address, "")
		time.Sleep(30 * time.Minute)
		r.ping(http.MethodGet, address+"/start", "")
		time.Sleep(9 * time.Minute)
		r.ping(http.MethodGet, address, "")
		time.Sleep(20 * time.Minute)
		r.ping(http.MethodGet, address+"/start", "")
		time.Sleep(5 * time.Hour)
		want := []string{
			"1h9m0s: backup has begun at 2000-01-01 00:59:00 UTC and has not ended",
			"1h44m0s: backup is silent: no ping since 2000-01-01 00:39:00 UTC",
		}
		if diff := cmp.Diff(want, j.told(t, begin)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// A server that was down while pings came to nobody gives them time to come.
func TestNothingIsLateRightAfterAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		memory := &collecttest.Memory{}
		r := running(t, hourly, &j, memory)
		r.ping(http.MethodGet, address, "")
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		start := time.Now()
		r = running(t, hourly, &j, memory)
		time.Sleep(4 * time.Minute)
		if got := j.told(t, start); got != nil {
			t.Errorf("told before the grace had passed: %v", got)
		}
		time.Sleep(2 * time.Minute)
		if diff := cmp.Diff([]string{"5m0s: backup is silent: no ping since 2000-01-01 00:00:00 UTC"}, j.told(t, start)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		running(t, hourly, &j, memory)
		time.Sleep(time.Hour)
		events := j.kept()
		a, b := events[len(events)-2], events[len(events)-1]
		if a.Envelope == "" || a.Envelope != b.Envelope || !bytes.Equal(a.Raw, b.Raw) {
			t.Errorf("told again after a start as another event: %s %s, then %s %s", a.Envelope, a.Raw, b.Envelope, b.Raw)
		}
	})
}

// A job that fails every time is not silent, and its alert has the source's level.
func TestAFailureIsAPingToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		begin := time.Now()
		c := hourly
		c.Level = tocsin.Critical
		r := running(t, c, &j, &collecttest.Memory{})
		for range 3 {
			time.Sleep(time.Hour)
			r.ping(http.MethodGet, address+"/1", "")
		}
		time.Sleep(66 * time.Minute)
		want := []string{
			"1h0m0s: backup failed with exit status 1", "2h0m0s: backup failed with exit status 1", "3h0m0s: backup failed with exit status 1",
			"4h5m0s: backup is silent: no ping since 2000-01-01 03:00:00 UTC",
		}
		if diff := cmp.Diff(want, j.told(t, begin)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		for _, ev := range j.kept() {
			if got := read(t, string(ev.Raw)).Detection; got.Level != tocsin.Critical {
				t.Errorf("%s is %s, want critical", got.Title, got.Level)
			}
		}
		r.ping(http.MethodGet, address+"/log", "")
		all := j.kept()
		if got := read(t, string(all[len(all)-1].Raw)).Detection; got.Level != tocsin.Unknown {
			t.Errorf("a note says that it is %s, want nothing of it", got.Level)
		}
		if got := read(t, `{"status":"fail"}`).Detection; got.Level != tocsin.High {
			t.Errorf("a failure that says nothing of its level is %s, want high", got.Level)
		}
	})
}

// Another replica's clock may be a little ahead.
func TestAPingFromAReplicaThatIsAheadCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		memory := &collecttest.Memory{}
		ping := time.Now().Add(50 * time.Second).UTC().Format(time.RFC3339)
		if err := memory.Save(t.Context(), "pings", []byte(`{"since":"1999-12-31T00:00:00Z","last":"`+ping+`"}`)); err != nil {
			t.Fatal(err)
		}
		r := running(t, hourly, &j, memory)
		r.ping(http.MethodGet, address, "") // as that clock had it, before the other
		synctest.Wait()
		status := r.Collector.(collect.Reporter).Status(t.Context())
		if want := (tocsin.Fact{Name: "Last ping", Value: ping}); !slices.Contains(status.Lines, want) {
			t.Errorf("status %v, want %v", status.Lines, want)
		}
	})
}

func TestStrangersAreCounted(t *testing.T) {
	t.Parallel()
	var j journal
	r := running(t, hourly, &j, &collecttest.Memory{})
	r.ping(http.MethodGet, "/in/backup/guess", "")
	lines := r.Collector.(collect.Reporter).Status(t.Context()).Lines
	if len(lines) != 2 || !strings.HasPrefix(lines[0].Value, "1 since the start") {
		t.Errorf("status %v, want a wrong token and the last ping", lines)
	}
}

// A machine that wakes up in the year 2100 and is set right does not keep a source
// from being missed, nor its alerts from ending and beginning.
func TestAClockThatWasAheadForAMoment(t *testing.T) {
	t.Parallel()
	for _, whenItBegins := range []bool{false, true} {
		t.Run(fmt.Sprintf("when it begins too: %t", whenItBegins), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { aClockAhead(t, whenItBegins) })
		})
	}
}

func aClockAhead(t *testing.T, whenItBegins bool) {
	var j journal
	begin := time.Now()
	var handler http.Handler
	var mu sync.Mutex
	var off time.Duration
	env := collecttest.Env("backup", &handler)
	env.State = &collecttest.Memory{}
	env.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(off)
	}
	source, err := opener(hourly)(env)
	if err != nil {
		t.Fatal(err)
	}
	set := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		off = d
	}
	const ahead = 100 * 365 * 24 * time.Hour
	if whenItBegins {
		set(ahead)
	}
	stop := collecttest.Begin(t, source, j.take)
	defer func() { _ = stop() }()
	synctest.Wait() // it has looked once
	r := replica{Handler: handler}
	set(ahead)
	r.ping(http.MethodGet, address+"/fail", "")
	set(0)
	time.Sleep(2 * time.Minute)
	r.ping(http.MethodGet, address, "")
	time.Sleep(66 * time.Minute)
	if got := j.told(t, begin); len(got) != 2 || !strings.Contains(got[1], "1h7m0s: backup is silent: no ping since 2000-01-01 00:02:00 UTC") {
		t.Errorf("told %q, want the failure, and that it is silent since the ping behind it", got)
	}
	var a tocsin.Alert
	var verdicts []tocsin.Verdict
	for _, ev := range j.kept() {
		var act tocsin.Activity
		a, act = a.Fold(read(t, string(ev.Raw)).Detection, begin.Add(time.Hour))
		verdicts = append(verdicts, act.Verdict)
	}
	if diff := cmp.Diff([]tocsin.Verdict{tocsin.Opened, tocsin.Closed, tocsin.Opened}, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// Replicas share what they know: a ping to one is a ping to all, and all of them
// tell of a late one with the same event.
func TestReplicasTellAlike(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := &collecttest.Memory{}
		var journals [2]journal
		start := time.Now()
		first := running(t, hourly, &journals[0], memory)
		running(t, hourly, &journals[1], memory)
		for range 5 {
			first.ping(http.MethodGet, address, "")
			time.Sleep(time.Hour)
		}
		time.Sleep(10 * time.Minute)
		var events []tocsin.Event
		for i := range journals {
			if got := journals[i].told(t, start); len(got) != 1 {
				t.Fatalf("replica %d told %v, want one", i, got)
			}
			all := journals[i].kept()
			events = append(events, all[len(all)-1])
		}
		if events[0].Envelope != events[1].Envelope || !bytes.Equal(events[0].Raw, events[1].Raw) {
			t.Errorf("two events: %s %s and %s %s", events[0].Envelope, events[0].Raw, events[1].Envelope, events[1].Raw)
		}
	})
}

func TestALateOneIsToldOnceItCanBeKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		memory := &collecttest.Memory{}
		start := time.Now()
		running(t, hourly, &j, memory)
		time.Sleep(time.Hour)
		j.fail(errors.New("the disk is full"))
		time.Sleep(time.Hour)
		j.fail(nil)
		memory.Fail(errors.New("the store is away"))
		time.Sleep(time.Hour)
		memory.Fail(nil)
		time.Sleep(10 * time.Second)
		if got := j.told(t, start); len(got) != 1 {
			t.Errorf("told %v, want it once the disk and the store are back", got)
		}
	})
}

func TestAPingThatIsNotRememberedIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	var j journal
	memory := &collecttest.Memory{}
	r := running(t, hourly, &j, memory)
	memory.Fail(errors.New("the store is away"))
	if w := r.ping(http.MethodGet, address, ""); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("answer %d, want 503", w.Code)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change func(*heartbeat.Config)
		want   string
	}{
		{func(c *heartbeat.Config) { c.Interval = 59 * time.Second }, "interval: 59s is not between 1m and 30d"},
		{func(c *heartbeat.Config) { c.Interval = 31 * 24 * time.Hour }, "interval: 744h0m0s is not between 1m and 30d"},
		{func(c *heartbeat.Config) { c.Grace = 0 }, "grace: 0s is not between 1s and 30d"},
		{func(c *heartbeat.Config) { c.Grace = 31 * 24 * time.Hour }, "grace: 744h0m0s is not between 1s and 30d"},
		{func(c *heartbeat.Config) { c.MaxRun = 31 * 24 * time.Hour }, "max_run: 744h0m0s is not between 1s and 30d"},
		{func(c *heartbeat.Config) { c.MaxRun = -1 }, "max_run: -1ns is not between 1s and 30d"},
		{func(c *heartbeat.Config) { c.Interval = time.Minute }, ""},
		{func(c *heartbeat.Config) { c.Interval = 30 * 24 * time.Hour }, ""},
	} {
		c := hourly
		tt.change(&c)
		_, err := opener(c)(collecttest.Env("backup", new(http.Handler)))
		if got := fmt.Sprint(err); (tt.want == "") != (err == nil) || err != nil && got != tt.want {
			t.Errorf("%+v: %v, want %s", c, err, tt.want)
		}
	}
}

func TestWhatIsPostedIsCut(t *testing.T) {
	t.Parallel()
	var j journal
	r := running(t, hourly, &j, &collecttest.Memory{})
	r.ping(http.MethodPost, address+"/fail", strings.Repeat("x", 1<<20))
	if n := len(j.kept()[0].Raw); n > 11<<10 {
		t.Errorf("%d bytes are kept of a ping, want about 10 KB", n)
	}
	got := read(t, string(j.kept()[0].Raw)).Detection
	if len([]rune(got.Title)) > 300 || len([]rune(got.Headline)) > 80 || got.Level != tocsin.High {
		t.Errorf("title of %d, headline of %d characters, %s", len(got.Title), len(got.Headline), got.Level)
	}
}

func TestNoPing(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"hello", `{"status":"odd"}`, `{}`} {
		if _, err := heartbeat.Kind.Dialect.Read("backup", []byte(raw), nil); err == nil {
			t.Errorf("%s: want an error", raw)
		}
	}
}

func TestStatusAndDescription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		r := running(t, hourly, &j, &collecttest.Memory{})
		status := func() collect.Status { return r.Collector.(collect.Reporter).Status(t.Context()) }
		if diff := cmp.Diff(collect.Status{State: "ok", Lines: []tocsin.Fact{{Name: "Last ping", Value: "none yet"}}}, status()); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		r.ping(http.MethodGet, address, "")
		want := []tocsin.Fact{{Name: "Last ping", Value: "2000-01-01T00:00:00Z"}, {Name: "Late from", Value: "2000-01-01T01:05:00Z"}}
		if diff := cmp.Diff(want, status().Lines); diff != "" {
			t.Errorf("status after a ping (-want +got):\n%s", diff)
		}
		hidden, shown := fmt.Sprint(r.Collector.(collect.Describer).Describe(false)), fmt.Sprint(r.Collector.(collect.Describer).Describe(true))
		if strings.Contains(hidden, collecttest.Token) || !strings.Contains(shown, "https://tocsin.example.com"+address+"/$?") || !strings.Contains(shown, "every 1h, 5m late at most") {
			t.Errorf("hidden: %s\nshown: %s", hidden, shown)
		}
	})
}
