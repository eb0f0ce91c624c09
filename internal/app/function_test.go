package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// A hook is a webhook that hears what it is told.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	ids   []string // findings, in the order in which they were taken
	asked int
	// answer is what a message about a finding is answered: a status, or 0 to say
	// nothing until the sender is gone.
	answer func(finding string) int
}

func newHook(t *testing.T, answer func(string) int) *hook {
	t.Helper()
	h := &hook{answer: answer}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := gjson.GetBytes(body, "alert.finding_id").Str
		h.mu.Lock()
		h.asked++
		status := http.StatusOK
		if h.answer != nil {
			status = h.answer(id)
		}
		if status == http.StatusOK {
			h.ids = append(h.ids, id)
		}
		h.mu.Unlock()
		if status == 0 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(h.Close)
	return h
}

// works has it take everything from now on.
func (h *hook) works() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = nil
}

// heard is how often it took each finding.
func (h *hook) heard() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := map[string]int{}
	for _, id := range h.ids {
		n[id]++
	}
	return n
}

func wantHeard(t *testing.T, h *hook, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, h.heard()); diff != "" {
		t.Errorf("told, by finding (-want +got):\n%s", diff)
	}
}

// functionConfig has one webhook, and whatever more is given.
func functionConfig(t *testing.T, url, storeURL, more string) *config.Config {
	t.Helper()
	text := fmt.Sprintf("rules: [{use: guardduty}]\nfallback: soc\nstorm: 100000\n%s\n", more)
	if !strings.Contains(more, "\nreceivers:") {
		text += fmt.Sprintf("receivers: {soc: {webhook: {url: %q}}}\n", url)
	}
	if !strings.Contains(more, "sources:") {
		text += "sources: {}\n"
	}
	c, err := config.Parse("tocsin.yml", []byte(text), app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	c.Store = storeURL
	return c
}

// function opens one in a sandbox of its own.
func function(t *testing.T, c *config.Config) (*app.Function, *buffer) {
	t.Helper()
	log := &buffer{}
	f, err := app.NewFunction(t.Context(), app.Options{Config: c, Log: slog.New(slog.NewTextHandler(log, nil))}, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = f.Close()
		if t.Failed() {
			t.Log(log)
		}
	})
	return f, log
}

func sandbox(t *testing.T) string { return "sqlite:" + t.TempDir() }

// batch is what SQS calls a function with: messages m1, m2 … about these findings; 0 is
// one that nobody can read.
func batch(t *testing.T, findings ...int) []byte {
	t.Helper()
	records := make([]map[string]string, len(findings))
	for i, n := range findings {
		body := "{no JSON"
		if n > 0 {
			body = string(rig.Finding{Number: n, Severity: 8, Envelope: rig.Envelope(1, n)}.Event())
		}
		records[i] = map[string]string{"messageId": fmt.Sprintf("m%d", n), "body": body, "eventSource": "aws:sqs"}
	}
	text, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// invoke invokes a function that has so much time, and gives the ids of the messages
// that are to be sent again.
func invoke(t *testing.T, f *app.Function, payload []byte, limit time.Duration) (again []string) {
	t.Helper()
	answer := answered(t, f, payload, limit)
	for _, id := range gjson.GetBytes(answer, "batchItemFailures.#.itemIdentifier").Array() {
		again = append(again, id.Str)
	}
	return again
}

func answered(t *testing.T, f *app.Function, payload []byte, limit time.Duration) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	answer, err := f.Invoke(ctx, payload)
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("the function answered after its time: %s", answer)
	}
	return answer
}

func only(finding int, otherwise int) func(string) int {
	return func(id string) int {
		if id == rig.ID(finding) {
			return otherwise
		}
		return http.StatusOK
	}
}

func TestAFunctionTellsBeforeItAnswers(t *testing.T) {
	t.Parallel()
	h := newHook(t, nil)
	f, _ := function(t, functionConfig(t, h.URL, sandbox(t), ""))
	if again := invoke(t, f, batch(t, 1, 2), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1, rig.ID(2): 1})
	if again := invoke(t, f, batch(t, 1, 2, 3), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1, rig.ID(2): 1, rig.ID(3): 1})
}

// What nobody can read is kept as malformed, and never sent again.
func TestOnlyWhatWasNotToldIsSentAgain(t *testing.T) {
	t.Parallel()
	h := newHook(t, only(2, http.StatusServiceUnavailable))
	f, _ := function(t, functionConfig(t, h.URL, sandbox(t), ""))
	if diff := cmp.Diff([]string{"m2"}, invoke(t, f, batch(t, 1, 2, 0, 3), 3*time.Second)); diff != "" {
		t.Errorf("to be sent again (-want +got):\n%s", diff)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1, rig.ID(3): 1})
	h.works()
	// The same sandbox has the event already, and still owes the message.
	if again := invoke(t, f, batch(t, 2), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1, rig.ID(2): 1, rig.ID(3): 1})
}

func TestAReceiverThatHangsDoesNotEatTheInvocation(t *testing.T) {
	t.Parallel()
	h := newHook(t, only(2, 0))
	f, _ := function(t, functionConfig(t, h.URL, sandbox(t), ""))
	start := time.Now()
	if diff := cmp.Diff([]string{"m2"}, invoke(t, f, batch(t, 1, 2), 2*time.Second)); diff != "" {
		t.Errorf("to be sent again (-want +got):\n%s", diff)
	}
	if took := time.Since(start); took < time.Second || took > 1900*time.Millisecond {
		t.Errorf("it answered after %v of 2 s", took)
	}
	h.works()
	// The message is leased for a minute to the attempt that was cut off.
	if again := invoke(t, f, batch(t, 2), 10*time.Second); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1, rig.ID(2): 1})
}

func TestTheFallbackHearsWhatAReceiverRefusesForGood(t *testing.T) {
	t.Parallel()
	h, gone := newHook(t, nil), newHook(t, func(string) int { return http.StatusNotFound })
	f, _ := function(t, functionConfig(t, "", sandbox(t), fmt.Sprintf(
		"routes: [{pattern: {level: [high]}, receivers: team}]\nreceivers: {soc: {webhook: {url: %q}}, team: {webhook: {url: %q}}}", h.URL, gone.URL)))
	if again := invoke(t, f, batch(t, 1), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1})
	if gone.asked == 0 {
		t.Error("the receiver was never asked")
	}
}

// AWS's dead-letter queue is then where it ends, and not nowhere.
func TestWhatEverybodyRefusesForGoodIsNotKept(t *testing.T) {
	t.Parallel()
	h := newHook(t, func(string) int { return http.StatusNotFound })
	f, log := function(t, functionConfig(t, h.URL, sandbox(t), ""))
	for range 2 {
		if diff := cmp.Diff([]string{"m1"}, invoke(t, f, batch(t, 1), patience)); diff != "" {
			t.Errorf("to be sent again (-want +got):\n%s", diff)
		}
	}
	if !strings.Contains(log.String(), "nobody was told: receiver soc") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

// A sandbox that is killed may go on with what is in its folder, or be another one.
func TestWhatAKilledSandboxOwedIsTold(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(t *testing.T, dir string) string{
		"the same folder": func(_ *testing.T, dir string) string { return dir },
		"another sandbox": func(t *testing.T, _ string) string { return sandbox(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHook(t, func(string) int { return 0 })
			first := sandbox(t)
			f, _ := function(t, functionConfig(t, h.URL, first, ""))
			if again := invoke(t, f, batch(t, 1), time.Second); len(again) != 1 {
				t.Fatalf("to be sent again: %v", again)
			}
			if err := f.Close(); err != nil { // the message stays leased, as after a kill
				t.Fatal(err)
			}
			h.works()
			f, _ = function(t, functionConfig(t, h.URL, next(t, first), ""))
			if again := invoke(t, f, batch(t, 1), patience); len(again) != 0 {
				t.Errorf("to be sent again: %v", again)
			}
			wantHeard(t, h, map[string]int{rig.ID(1): 1})
		})
	}
}

func TestATopicSendsAgainWhatWasNotTold(t *testing.T) {
	t.Parallel()
	h := newHook(t, func(string) int { return http.StatusBadGateway })
	f, _ := function(t, functionConfig(t, h.URL, sandbox(t), ""))
	event := string(rig.Finding{Number: 1, Severity: 8, Envelope: "e1"}.Event())
	payload, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "Sns": map[string]string{"MessageId": "s1", "Message": event},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got, err := f.Invoke(ctx, payload); err == nil {
		t.Errorf("Invoke = %s, want an error", got)
	}
	h.works()
	answered(t, f, payload, patience)
	wantHeard(t, h, map[string]int{rig.ID(1): 1})
}

// An event may tell of several findings, and the receipt names one alert.
func TestOfSeveralFindingsInOneEventEachIsTold(t *testing.T) {
	t.Parallel()
	event, err := os.ReadFile(filepath.Join("..", "securityhub", "testdata", "guardduty-several.json"))
	if err != nil {
		t.Fatal(err)
	}
	var last sync.Map
	h := newHook(t, func(id string) int {
		if _, other := last.LoadOrStore("first", id); other {
			if first, _ := last.Load("first"); first != id {
				return http.StatusServiceUnavailable
			}
		}
		return http.StatusOK
	})
	c, err := config.Parse("tocsin.yml", []byte("rules: [{name: hub, pattern: {source: [aws.securityhub]}}]\nfallback: soc\nsources: {}\nreceivers: {soc: {webhook: {url: \""+h.URL+"\"}}}"), app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	c.Store = sandbox(t)
	f, _ := function(t, c)
	message, err := json.Marshal(map[string]any{"Records": []any{map[string]string{"messageId": "m1", "body": string(event), "eventSource": "aws:sqs"}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"m1"}, invoke(t, f, message, 2*time.Second)); diff != "" {
		t.Errorf("to be sent again (-want +got):\n%s", diff)
	}
	if n := len(h.heard()); n != 1 {
		t.Fatalf("told of %d findings, want 1", n)
	}
	h.works()
	if again := invoke(t, f, message, patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	heard := h.heard()
	for id, n := range heard {
		if n != 1 {
			t.Errorf("told %d times of %s", n, id)
		}
	}
	if len(heard) < 2 {
		t.Errorf("told of %v, want several", heard)
	}
}

func TestAFirstWindowIsWaitedFor(t *testing.T) {
	t.Parallel()
	h := newHook(t, nil)
	c := functionConfig(t, h.URL, sandbox(t), "routes: [{pattern: {level: [high]}, receivers: soc, first_window: 1s}]")
	f, _ := function(t, c)
	start := time.Now()
	if again := invoke(t, f, batch(t, 1), patience); len(again) != 0 || time.Since(start) < 900*time.Millisecond {
		t.Errorf("to be sent again: %v, after %v", again, time.Since(start))
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1})
	// There is no time to wait for it: AWS has it until there is.
	c = functionConfig(t, h.URL, sandbox(t), "routes: [{pattern: {level: [high]}, receivers: soc, first_window: 1m}]")
	f, _ = function(t, c)
	if diff := cmp.Diff([]string{"m2"}, invoke(t, f, batch(t, 2), patience)); diff != "" {
		t.Errorf("to be sent again (-want +got):\n%s", diff)
	}
}

// request is what a function URL calls a function with.
func request(t *testing.T, method, path, key string, body []byte) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"rawPath": path, "headers": map[string]string{"x-api-key": key, "host": "x.lambda-url.eu-west-1.on.aws"}, "body": string(body),
		"requestContext": map[string]any{"http": map[string]string{"method": method, "sourceIp": "192.0.2.1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAFunctionURLIsTheDoorOfTheSource(t *testing.T) {
	t.Parallel()
	h := newHook(t, nil)
	const two = "sources: {api: {https: {token: 0123456789abcdef}}, loose: {https: {}}, old: {disabled: true, https: {token: 0123456789abcdef}}}"
	for name, url := range map[string]string{"SQLite": sandbox(t), "PostgreSQL": storetest.Postgres(t)} {
		f, log := function(t, functionConfig(t, h.URL, url, two))
		event := rig.Finding{Number: len(name), Severity: 8, Envelope: rig.Envelope(2, len(name))}.Event()
		for _, tt := range []struct {
			path, token, says string
			status            int64
		}{
			{"/in/api", token, `"verdict":"opened"`, 202},
			{"/in/api", token, `"verdict":"duplicate"`, 202},
			{"/in/api", "wrong", "token", 401},
			{"/in/other", token, "no such source", 404},
			{"/in/old", token, "disabled", 503},
			{"/", token, "not found", 404},
			{"/readyz", "", "true", 200},
		} {
			got := gjson.ParseBytes(answered(t, f, request(t, map[bool]string{true: "GET", false: "POST"}[tt.path == "/readyz"], tt.path, tt.token, event), patience))
			if got.Get("statusCode").Int() != tt.status || !strings.Contains(got.Get("body").Str, tt.says) {
				t.Errorf("%s: %s answers %s, want %d and %s", name, tt.path, got.Raw, tt.status, tt.says)
			}
		}
		if n := h.heard()[rig.ID(len(name))]; n != 1 {
			t.Errorf("%s: told %d times", name, n)
		}
		// A token that is made in a sandbox is another one in the next.
		got := gjson.ParseBytes(answered(t, f, request(t, "POST", "/in/loose", "x", event), patience)).Get("statusCode").Int()
		if want := map[bool]int64{true: 503, false: 401}[f.Alone()]; got != want {
			t.Errorf("%s: the source without a token answers %d, want %d", name, got, want)
		}
		if f.Alone() != strings.Contains(log.String(), "source loose: set its token") {
			t.Errorf("%s: the log says otherwise:\n%s", name, log)
		}
	}
}

func TestASenderComesAgainWhileNobodyIsTold(t *testing.T) {
	t.Parallel()
	h := newHook(t, func(string) int { return http.StatusBadGateway })
	f, _ := function(t, functionConfig(t, h.URL, sandbox(t), "sources: {api: {https: {token: 0123456789abcdef}}}"))
	post := request(t, "POST", "/in/api", token, rig.Finding{Number: 1, Severity: 8, Envelope: "e1"}.Event())
	if got := gjson.GetBytes(answered(t, f, post, 2*time.Second), "statusCode").Int(); got != 503 {
		t.Errorf("answer %d, want 503", got)
	}
	h.works()
	if got := gjson.GetBytes(answered(t, f, post, patience), "statusCode").Int(); got != 202 {
		t.Errorf("answer %d, want 202", got)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1})
}

var tick = []byte(`{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)

// On PostgreSQL an event is kept at once, and its message is sent by whoever comes next.
func TestOnPostgreSQLWhatIsOwedIsLeftForLater(t *testing.T) {
	t.Parallel()
	h := newHook(t, func(string) int { return http.StatusServiceUnavailable })
	url := storetest.Postgres(t)
	c := functionConfig(t, h.URL, url, "")
	f, _ := function(t, c)
	if again := invoke(t, f, batch(t, 1), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	h.works()
	now := time.Now().Add(time.Minute)
	later, err := app.NewFunction(t.Context(), app.Options{Config: c, Now: func() time.Time { return now }}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = later.Close() }()
	answered(t, later, tick, patience)
	wantHeard(t, h, map[string]int{rig.ID(1): 1})
}

func TestTwoSandboxesWithTheSameMessageTellOnce(t *testing.T) {
	t.Parallel()
	h := newHook(t, nil)
	c := functionConfig(t, h.URL, storetest.Postgres(t), "")
	a, _ := function(t, c)
	b, _ := function(t, c)
	want := map[string]int{}
	for n := 1; n <= 10; n++ {
		var both sync.WaitGroup
		for _, f := range []*app.Function{a, b} {
			both.Go(func() {
				if again := invoke(t, f, batch(t, n), patience); len(again) != 0 {
					t.Errorf("to be sent again: %v", again)
				}
			})
		}
		both.Wait()
		want[rig.ID(n)] = 1
	}
	answered(t, a, tick, patience)
	wantHeard(t, h, want)
}

func TestEventsBelongToTheSourceOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, asked, more, source, err string }{
		{"none", "", "", "lambda", ""},
		{"none, and a name", "org", "", "org", ""},
		{"a source of another kind", "org", "sources: {org: {sns: {topics: [\"arn:aws:sns:*:111122223333:guardduty\"], token: 0123456789abcdef}}}", "org", ""},
		{"a disabled one", "org", "sources: {org: {disabled: true, https: {token: 0123456789abcdef}}}", "", "tocsin.yml:4: source org is disabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := functionConfig(t, "http://127.0.0.1:1/", sandbox(t), tt.more)
			f, err := app.NewFunction(t.Context(), app.Options{Config: c}, tt.asked)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("NewFunction = %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			answered(t, f, []byte(`{"no":"finding"}`), patience)
			if f.Source() != tt.source {
				t.Errorf("Source = %s, want %s", f.Source(), tt.source)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if got := journal(t, c.Store); len(got) != 1 || got[0].Source != tt.source || got[0].Via != "lambda" {
				t.Errorf("journal = %+v", got)
			}
		})
	}
}

// journal are the rows of a store that nobody has open.
func journal(t *testing.T, url string) (rows []tocsin.Event) {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	err = s.View(t.Context(), func(tx *store.Tx) (err error) {
		rows, err = tx.Events(store.EventFilter{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A source of kind lambda says which of its events are wanted, as any other.
func TestASourceOfItsOwnKindHasFilters(t *testing.T) {
	t.Parallel()
	h := newHook(t, nil)
	c := functionConfig(t, h.URL, sandbox(t), `sources:
  findings:
    lambda: {}
    filters: [{path: detail^region, op: is, values: eu-west-1}]
  old: {disabled: true, https: {token: 0123456789abcdef}}`)
	f, _ := function(t, c)
	wanted := rig.Finding{Number: 1, Severity: 8, Envelope: "e1"}.Event()
	answered(t, f, wanted, patience)
	answered(t, f, bytes.ReplaceAll(rig.Finding{Number: 2, Severity: 8, Envelope: "e2"}.Event(), []byte("eu-west-1"), []byte("eu-west-3")), patience)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := journal(t, c.Store)
	if len(got) != 2 || got[1].Verdict != tocsin.Opened || got[0].Verdict != tocsin.Filtered || got[0].Source != "findings" {
		t.Errorf("journal = %+v", got)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 1})
}

// Whoever adds a kind of sources says whether a function serves it.
func TestEveryKindOfSourceIsKnownToFunctions(t *testing.T) {
	t.Parallel()
	// These fetch, send or watch the clock, or are the function itself.
	others := []string{"sqs", "kinesis", "s3", "logs", "lambda", "guardduty-api", "canary", "heartbeat", "file"}
	for _, k := range app.Kinds().Collectors {
		serves := app.Serves(k.Name)
		if serves == slices.Contains(others, k.Name) {
			t.Errorf("kind %s: a function serves it: %v; say in doorKinds whether it does", k.Name, serves)
		}
	}
}

func TestWhatAFunctionDoesNotDoIsSaid(t *testing.T) {
	t.Parallel()
	h := newHook(t, nil)
	f, log := function(t, functionConfig(t, h.URL, sandbox(t), `public_url: https://tocsin.example.com
heartbeat: {url: "https://hc.example.com/x"}
sources: {job: {heartbeat: {interval: 1h, token: 0123456789abcdef}}, api: {https: {}}}`))
	if !f.Alone() {
		t.Error("it thinks that others have its store")
	}
	for _, want := range []string{"source job: a function fetches nothing and watches no clock", "source api: set its token", "heartbeat: is not sent", "public_url"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
}

// It writes where it can, whatever the configuration has for a server.
func TestASandboxKeepsItsStoreInTheTemporaryFolder(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	h := newHook(t, nil)
	c := functionConfig(t, h.URL, "sqlite:./tocsin-data", "")
	f, _ := function(t, c)
	if again := invoke(t, f, batch(t, 1), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(tmp, "tocsin", "tocsin.db")
	if err := os.WriteFile(file, []byte("no database, and long enough to be taken for one by its size"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, log := function(t, c)
	if again := invoke(t, f, batch(t, 1), patience); len(again) != 0 || !strings.Contains(log.String(), "begun anew") {
		t.Errorf("to be sent again: %v, log:\n%s", again, log)
	}
	if c.Store != "sqlite:./tocsin-data" {
		t.Errorf("the configuration was changed: %s", c.Store)
	}
	// Grown too large, it is begun anew before the next event: it is known no more.
	if err := os.Truncate(file, 201<<20); err != nil {
		t.Fatal(err)
	}
	if again := invoke(t, f, batch(t, 1), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 3})
	// So it is after it took nothing: AWS has the event still.
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"m2"}, invoke(t, f, batch(t, 2), patience)); diff != "" {
		t.Errorf("to be sent again (-want +got):\n%s", diff)
	}
	if again := invoke(t, f, batch(t, 2), patience); len(again) != 0 {
		t.Errorf("to be sent again: %v", again)
	}
	wantHeard(t, h, map[string]int{rig.ID(1): 3, rig.ID(2): 1})
}
