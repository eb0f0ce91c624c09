package lambda_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/lambda/lambdatest"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// These tests run the real program in sandboxes, with a Runtime API in AWS's place.

func TestMain(m *testing.M) {
	code := storetest.Main(m)
	if dir, err := buildDir(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "tocsin-lambda-") })

// program is the real one, built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	return rig.Build(context.Background(), dir, "-tags", "lambda.norpc")
})

// long bounds what is waited for on a busy machine.
const long = 30 * time.Second

// short is how long an invocation has that comes to nothing: of its last quarter the
// program makes its answer.
const short = 8 * time.Second

// A scene is a function: its Runtime API, its task folder, and who is told.
type scene struct {
	t       *testing.T
	runtime *lambdatest.Runtime
	task    string // folder of the zip
	env     []string
	hook    *httptest.Server

	mu    sync.Mutex
	told  map[string]int // by finding
	asked chan string    // each finding that it was asked to take
	hang  bool           // it takes nothing and says nothing
}

const sceneConfig = `
sources:
  api: {https: {token: "${env:TOKEN}"}}
rules: [{use: guardduty}]
receivers: {soc: {webhook: {url: "${env:HOOK}"}}}
fallback: soc
storm: 100000
`

func newScene(t *testing.T) *scene {
	t.Helper()
	runtime, err := lambdatest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = runtime.Close() })
	sc := &scene{t: t, runtime: runtime, task: t.TempDir(), told: map[string]int{}, asked: make(chan string, 100)}
	sc.hook = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		id := gjson.GetBytes(body, "alert.finding_id").Str
		sc.mu.Lock()
		hang := sc.hang
		if !hang {
			sc.told[id]++
		}
		sc.mu.Unlock()
		sc.asked <- id
		if hang {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(sc.hook.Close)
	sc.env = []string{"HOOK=" + sc.hook.URL, "TOKEN=" + rig.Token}
	sc.configure(sceneConfig)
	return sc
}

func (sc *scene) configure(text string) {
	sc.t.Helper()
	if err := os.WriteFile(filepath.Join(sc.task, "tocsin.yml"), []byte(text), 0o600); err != nil {
		sc.t.Fatal(err)
	}
}

func (sc *scene) setHang(hang bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.hang = hang
}

// wantTold wants everybody told so often of each finding.
func (sc *scene) wantTold(want map[string]int) {
	sc.t.Helper()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if fmt.Sprint(sc.told) != fmt.Sprint(want) {
		sc.t.Errorf("told %v, want %v", sc.told, want)
	}
}

// A sandbox is a process of the function with a temporary folder.
type sandbox struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr bytes.Buffer
	once   sync.Once
	ended  error
}

// start starts the program as AWS does: bootstrap, without arguments.
func (sc *scene) start(tmp string, env ...string) *sandbox {
	sc.t.Helper()
	path, err := program()
	if err != nil {
		sc.t.Fatal(err)
	}
	s := &sandbox{cmd: exec.Command(path)}
	s.cmd.Dir = sc.task
	s.cmd.Env = slices.Concat([]string{
		"AWS_LAMBDA_RUNTIME_API=" + sc.runtime.Address(), "LAMBDA_TASK_ROOT=" + sc.task, "TMPDIR=" + tmp,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "PATH=" + os.Getenv("PATH"),
	}, sc.env, env)
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		sc.t.Fatal(err)
	}
	sc.t.Cleanup(func() {
		_ = s.end(syscall.SIGKILL)
		if sc.t.Failed() {
			sc.t.Logf("log of the sandbox:\n%s%s", &s.stdout, &s.stderr)
		}
	})
	return s
}

// end ends the process and says what it ended with.
func (s *sandbox) end(with syscall.Signal) error {
	s.once.Do(func() {
		_ = s.cmd.Process.Signal(with) // it may have ended by itself
		s.ended = s.cmd.Wait()
	})
	return s.ended
}

func (sc *scene) invoke(payload []byte, limit time.Duration) lambdatest.Answer {
	sc.t.Helper()
	ctx, cancel := context.WithTimeout(sc.t.Context(), long+limit)
	defer cancel()
	a, err := sc.runtime.Invoke(ctx, payload, limit)
	if err != nil {
		sc.t.Fatal(err)
	}
	return a
}

func event(n int) string {
	return string(rig.Finding{Number: n, Severity: 8, Envelope: rig.Envelope(3, n)}.Event())
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// with puts a finding into an envelope that was recorded.
func with(t *testing.T, file, old, finding string) []byte {
	t.Helper()
	quoted := encode(t, finding)
	text := strings.Replace(string(recorded(t, file)), `"`+old+`"`, string(quoted), 1)
	if !strings.Contains(text, string(quoted)) {
		t.Fatalf("%s has no %s", file, old)
	}
	return []byte(text)
}

func TestWhateverTriggersTheFunctionPeopleAreToldOnce(t *testing.T) {
	t.Parallel()
	const empty = `{"batchItemFailures":[]}`
	for _, tt := range []struct {
		name    string
		payload func(t *testing.T) []byte
		finding int
		answer  string
	}{
		{"EventBridge", func(*testing.T) []byte { return []byte(event(1)) }, 1, `{"accepted":1}`},
		{"SNS", func(t *testing.T) []byte { return with(t, "aws-lambda-go.sns-event", "Hello from SNS!", event(1)) }, 1, `{"accepted":1}`},
		{"SQS", func(t *testing.T) []byte { return with(t, "aws-lambda-go.sqs-event", "Message Body", event(1)) }, 1, empty},
		{"SNS by SQS", func(t *testing.T) []byte {
			wrapped := encode(t, map[string]string{"Type": "Notification", "TopicArn": rig.TopicARN, "MessageId": "n1", "Message": event(1)})
			return with(t, "aws-lambda-go.sqs-event", "Message Body", string(wrapped))
		}, 1, empty},
		{"Kinesis", func(t *testing.T) []byte {
			return with(t, "aws-lambda-go.kinesis-event", "SGVsbG8gV29ybGQ=", base64.StdEncoding.EncodeToString([]byte(event(1))))
		}, 1, empty},
		{"CloudWatch Logs", func(t *testing.T) []byte { return recorded(t, "lambda_event.cloudwatch_logs") }, 0, `{"accepted":1}`},
		{"a function URL", func(t *testing.T) []byte {
			text := with(t, "aws-lambda-go.lambda-urls-request", "Hello from client!", event(1))
			return []byte(strings.NewReplacer(`"/my/path"`, `"/in/api"`, `"header1": "value1"`, `"x-api-key": "`+rig.Token+`"`).Replace(string(text)))
		}, 1, `"statusCode":202`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sc := newScene(t)
			sc.start(t.TempDir())
			payload := tt.payload(t)
			for range 2 { // at least once is what AWS promises
				a := sc.invoke(payload, long)
				if a.Failure != nil || !strings.Contains(string(a.Body), tt.answer) {
					t.Fatalf("answer %s, %+v, want %s", a.Body, a.Failure, tt.answer)
				}
			}
			id := rig.ID(tt.finding)
			if tt.finding == 0 {
				id = gjson.Get(finding(t), "detail.id").Str
			}
			sc.wantTold(map[string]int{id: 1})
		})
	}
}

// Whatever can be read is told, what cannot is recorded, and what could not be told is
// sent again by AWS, in time.
func TestABatchIsSentAgainInPart(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.start(t.TempDir())
	sc.setHang(true)
	start := time.Now()
	a := sc.invoke(sqs(t, "{no JSON", event(1), `{"no":"finding"}`), short)
	if got, want := string(a.Body), `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`; got != want {
		t.Errorf("answer %s, want %s", got, want)
	}
	if took := a.At.Sub(start); took > short+long {
		t.Errorf("the answer took %v", took)
	}
	sc.setHang(false)
	if got, want := string(sc.invoke(sqs(t, "{}", event(1)), long).Body), `{"batchItemFailures":[]}`; got != want {
		t.Errorf("answer %s, want %s", got, want)
	}
	sc.wantTold(map[string]int{rig.ID(1): 1})
}

func TestAnErrorHasAWSTryAgain(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.start(t.TempDir())
	sc.setHang(true)
	if a := sc.invoke([]byte(event(1)), short); a.Failure == nil || !strings.Contains(a.Failure.Message, "not kept: 1 of 1") {
		t.Errorf("answer %s, %+v", a.Body, a.Failure)
	}
	if a := sc.invoke(recorded(t, "aws-lambda-go.s3-event"), long); a.Failure == nil || !strings.Contains(a.Failure.Message, "aws:s3 is not a trigger") {
		t.Errorf("S3: answer %s, %+v", a.Body, a.Failure)
	}
}

// killed starts a sandbox, and kills it with a message under way.
func (sc *scene) killed(tmp string, payload []byte, env ...string) {
	sc.t.Helper()
	sc.setHang(true)
	s := sc.start(tmp, env...)
	ctx, cancel := context.WithCancel(sc.t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := sc.runtime.Invoke(ctx, payload, long)
		ended <- err
	}()
	select {
	case <-sc.asked:
	case <-time.After(long):
		sc.t.Fatal("nobody was asked")
	}
	_ = s.end(syscall.SIGKILL)
	cancel() // AWS sees that the process is gone
	if err := <-ended; !errors.Is(err, context.Canceled) {
		sc.t.Fatalf("the invocation ended with %v", err)
	}
	sc.setHang(false)
}

func TestWhatASandboxHadWhenItWasKilledIsTold(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(tmp string) string{
		"in the same sandbox": func(tmp string) string { return tmp },
		"in another one":      func(string) string { return t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc, tmp := newScene(t), t.TempDir()
			sc.killed(tmp, sqs(t, event(1)))
			sc.start(again(tmp))
			if got, want := string(sc.invoke(sqs(t, event(1)), long).Body), `{"batchItemFailures":[]}`; got != want {
				t.Errorf("answer %s, want %s", got, want)
			}
			sc.wantTold(map[string]int{rig.ID(1): 1})
		})
	}
}

var clock = []byte(`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)

func TestSandboxesOnOneDatabaseTellOnce(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	url := storetest.Postgres(t)
	sc.configure("store: \"${env:DATABASE_URL}\"\n" + sceneConfig)
	env := "DATABASE_URL=" + url
	// One is killed with a message under way.
	sc.killed(t.TempDir(), sqs(t, event(1)), env)
	leasesRunOut(t, url)
	// Two go on, and are given the same messages at the same time.
	sc.start(t.TempDir(), env)
	sc.start(t.TempDir(), env)
	want := map[string]int{}
	for n := 1; n <= 5; n++ {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if a := sc.invoke(sqs(t, event(n)), long); string(a.Body) != `{"batchItemFailures":[]}` {
					t.Errorf("answer %s, %+v", a.Body, a.Failure)
				}
			})
		}
		both.Wait()
		want[rig.ID(n)] = 1
	}
	if a := sc.invoke(clock, long); a.Failure != nil {
		t.Errorf("the clock: %+v", a.Failure)
	}
	sc.wantTold(want)
}

// leasesRunOut has the minute pass for which a sandbox that was killed keeps what it was
// about to send.
func leasesRunOut(t *testing.T, url string) {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.Release(time.Now()) }); err != nil {
		t.Fatal(err)
	}
}

func TestWhyAFunctionCannotBeginIsSaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(sc *scene) (env []string)
		kind string
		want string
	}{
		{"a mistake in the file", func(sc *scene) []string {
			sc.configure("receivers:\n  soc:\n    webhook: {uri: \"http://127.0.0.1:1\"}\nfallback: soc\n")
			return nil
		}, "Runtime.ConfigInvalid", `tocsin.yml:3:15: receivers.soc.webhook: unknown key "uri" (did you mean "url"?)`},
		{"a mistake in the environment", func(*scene) []string { return []string{"TOCSIN_CONFIG_YAML=fallbak: soc"} }, "Runtime.ConfigInvalid", "TOCSIN_CONFIG_YAML:1:1: "},
		{"a secret that is not there", func(*scene) []string { return []string{"TOCSIN_CONFIG_YAML=store: \"${env:NOWHERE}\""} }, "Runtime.ConfigInvalid", "NOWHERE is not set"},
		{"two configurations", func(*scene) []string { return []string{"TOCSIN_CONFIG=a.yml", "TOCSIN_CONFIG_YAML=b: 1"} }, "Runtime.StartFailed", "both set"},
		{"no configuration", func(sc *scene) []string {
			if err := os.Remove(filepath.Join(sc.task, "tocsin.yml")); err != nil {
				sc.t.Fatal(err)
			}
			return nil
		}, "Runtime.StartFailed", "put tocsin.yml into the zip"},
		{"a database that does not answer", func(*scene) []string {
			return []string{"TOCSIN_CONFIG_YAML=store: postgres://tocsin:hunter2@127.0.0.1:1/x?connect_timeout=2\n" + sceneConfig}
		}, "Runtime.StartFailed", "store: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sc := newScene(t)
			s := sc.start(t.TempDir(), tt.set(sc)...)
			ctx, cancel := context.WithTimeout(t.Context(), long)
			defer cancel()
			f, err := sc.runtime.InitFailure(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if f.Type != tt.kind || !strings.Contains(f.Message, tt.want) || strings.Contains(f.Message, "hunter2") {
				t.Errorf("init error %+v, want %s: %s", f, tt.kind, tt.want)
			}
			if failed, ok := errors.AsType[*exec.ExitError](s.end(0)); !ok || failed.ExitCode() != 1 {
				t.Errorf("it ended with %v, want exit status 1", s.ended)
			}
			if line := gjson.Get(s.stdout.String(), "err").Str; line != f.Message {
				t.Errorf("the log says %q, the init error %q", line, f.Message)
			}
		})
	}
}

func TestTheLogSaysWhichRequestItIsAbout(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	s := sc.start(t.TempDir(), "AWS_LAMBDA_LOG_LEVEL=DEBUG")
	sc.setHang(true)
	a := sc.invoke(sqs(t, event(1)), short)
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
	about := 0
	for line := range strings.Lines(s.stdout.String()) {
		l := gjson.Parse(line)
		if !gjson.Valid(line) || l.Get("timestamp").Str == "" || l.Get("level").Str == "" || l.Get("message").Str == "" {
			t.Errorf("no line as AWS reads it: %s", line)
		}
		if l.Get("requestId").Str == a.ID {
			about++
		}
	}
	if about < 2 || s.stderr.Len() > 0 {
		t.Errorf("%d lines are about %s:\n%s%s", about, a.ID, &s.stdout, &s.stderr)
	}
}
