package ssm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

func settings() Config {
	return Config{
		Document: "arn:aws:ssm:eu-west-1:111122223333:document/isolate", InstanceIDs: []string{"i-0abc123def456789a"},
		Parameters: map[string][]string{"Mode": {"quarantine"}}, MessageParameter: "Message",
	}
}

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind, Once: true,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: content,
		Check: func(t *testing.T, m notify.Message, input map[string]any) {
			t.Helper()
			if !strings.HasPrefix(input["Comment"].(string), "tocsin "+m.ID) || input["TimeoutSeconds"] != 600.0 {
				t.Errorf("comment %q, start within %v s", input["Comment"], input["TimeoutSeconds"])
			}
		},
	}
}

// content is the document in the parameter that holds it.
func content(input map[string]any) string {
	parameters, _ := input["Parameters"].(map[string]any)
	values, _ := parameters["Message"].([]any)
	if len(values) != 1 {
		return ""
	}
	text, err := base64.StdEncoding.DecodeString(values[0].(string))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(settings()).Promises(t)
}

func action() notify.Message {
	m := notifytest.Messages()[0].Message
	m.Kind, m.By = tocsin.TellAction, "ana"
	return m
}

// memory is a receiver's state.
type memory struct {
	mu   sync.Mutex
	kept map[string][]byte
	bad  error // that Save gives
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[key], nil
}

func (m *memory) Save(ctx context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bad != nil {
		return m.bad
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.kept == nil {
		m.kept = map[string][]byte{}
	}
	m.kept[key] = value
	return nil
}

func (m *memory) First(_ context.Context, key string, value []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept[key] == nil {
		m.kept[key] = value
	}
	return m.kept[key], nil
}

func remembering(t *testing.T, s *awstest.Server, kept *memory) notify.Notifier {
	t.Helper()
	c := settings()
	c.Settings = s.Settings()
	env := notifytest.Env(t, nil)
	env.State = kept
	n, err := open(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// hanging is a context whose deadline passes once a request hangs at the server.
func hanging(t *testing.T, s *awstest.Server, a awstest.Answer) context.Context {
	t.Helper()
	hung := make(chan struct{}, 100)
	a.Hung = hung
	s.Answers(a)
	ctx, pass := notifytest.Deadline(t)
	go func() {
		select {
		case <-hung:
		case <-time.After(time.Minute): // the test says what it misses
		}
		pass()
	}()
	return ctx
}

// A request that was sent and never answered is not made again, by the error of
// the attempt and by what is remembered of it.
func TestWhatMayHaveRunIsNotRunAgain(t *testing.T) {
	t.Parallel()
	s, kept := awstest.New(t), &memory{}
	n := remembering(t, s, kept)
	_, err := n.Notify(hanging(t, s, awstest.Answer{Hang: true}), action())
	if !notify.IsPermanent(err) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the command may have run") {
		t.Errorf("Notify = %v, want a permanent error that says that it may have run", err)
	}
	s.Answers(awstest.Answer{})
	seen := s.Seen()
	if _, err := n.Notify(t.Context(), action()); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "the command may have run") || s.Seen() != seen {
		t.Errorf("the next attempt = %v, want a permanent error and no request", err)
	}
	again := action()
	again.ID = "msg_sent_again_by_hand"
	if ref, err := n.Notify(t.Context(), again); err != nil || ref == "" {
		t.Errorf("sent again by hand, which is another message: %q, %v", ref, err)
	}
}

// A server that broke, or a gateway before it, does not say that nothing was done.
func TestWhatBrokeMayHaveRun(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout} {
		s, kept := awstest.New(t), &memory{}
		n := remembering(t, s, kept)
		s.Answers(awstest.Answer{Status: status, Code: "InternalServerError"})
		if _, err := n.Notify(t.Context(), action()); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "the command may have run") {
			t.Errorf("%d: Notify = %v, want a permanent error that says that it may have run", status, err)
		}
		s.Answers(awstest.Answer{})
		if _, err := n.Notify(t.Context(), action()); !notify.IsPermanent(err) || len(s.Taken()) != 0 {
			t.Errorf("%d: the next attempt = %v and %d commands, want a permanent error and none", status, err, len(s.Taken()))
		}
	}
}

// An attempt that tocsin was killed in left nothing but that it had begun; one that
// was killed after the answer left the command's id.
func TestAKillInAnAttempt(t *testing.T) {
	t.Parallel()
	s, kept := awstest.New(t), &memory{}
	n := remembering(t, s, kept)
	kept.kept = map[string][]byte{stateKey(action()): []byte(begun)}
	if _, err := n.Notify(t.Context(), action()); !notify.IsPermanent(err) || s.Seen() != 0 {
		t.Errorf("killed before the answer: %v and %d requests, want a permanent error and none", err, s.Seen())
	}
	kept.kept[stateKey(action())] = []byte("c0ffee00-5555-4666-8777-888888888888")
	if ref, err := n.Notify(t.Context(), action()); err != nil || ref != "c0ffee00-5555-4666-8777-888888888888" || s.Seen() != 0 {
		t.Errorf("killed after the answer: %q, %v and %d requests, want the command and none", ref, err, s.Seen())
	}
}

// What Systems Manager refused did not run, and is tried again.
func TestWhatWasRefusedIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, kept := awstest.New(t), &memory{}
	n := remembering(t, s, kept)
	s.Answers(awstest.Answer{Status: 400, Code: "ThrottlingException"})
	if _, err := n.Notify(t.Context(), action()); err == nil || notify.IsPermanent(err) {
		t.Errorf("throttled: %v, want to be tried again", err)
	}
	s.Answers(awstest.Answer{})
	ref, err := n.Notify(t.Context(), action())
	if err != nil || ref == "" || len(s.Taken()) != 1 {
		t.Errorf("the next attempt = %q, %v", ref, err)
	}
	if again, err := n.Notify(t.Context(), action()); err != nil || again != ref || len(s.Taken()) != 1 {
		t.Errorf("once more = %q, %v, and %d commands; want the same one", again, err, len(s.Taken()))
	}
}

// Nothing is listening: nothing was sent, and it may be tried again.
func TestARequestThatNeverLeftIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, kept := awstest.New(t), &memory{}
	c := settings()
	c.Settings = s.Settings()
	c.EndpointURL = "http://127.0.0.1:1"
	env := notifytest.Env(t, nil)
	env.State = kept
	n, err := open(c, env)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := n.Notify(t.Context(), action()); err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("Notify = %v, want an error that names the host and may be tried again", err)
		}
	}
}

// An attempt whose time is up before it had credentials did not run, and that is
// written down all the same.
func TestAnAttemptThatEndsBeforeARequestLeftIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, kept := awstest.New(t), &memory{}
	c := settings()
	c.Settings = s.Assuming("arn:aws:iam::111122223333:role/tocsin-acts", "")
	env := notifytest.Env(t, nil)
	env.State = kept
	n, err := open(c, env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Notify(hanging(t, s, awstest.Answer{Operation: "AssumeRole", Hang: true}), action()); err == nil || notify.IsPermanent(err) {
		t.Errorf("without credentials: %v, want to be tried again", err)
	}
	s.Answers(awstest.Answer{})
	_, err = n.Notify(t.Context(), action())
	if err != nil && !notify.IsPermanent(err) { // it waited for the first one's credentials
		_, err = n.Notify(t.Context(), action())
	}
	if err != nil || len(s.Taken()) != 1 {
		t.Errorf("the next attempt: %v, and %d commands", err, len(s.Taken()))
	}
}

func TestNothingRunsThatCannotBeWrittenDown(t *testing.T) {
	t.Parallel()
	s, kept := awstest.New(t), &memory{bad: errors.New("disk full")}
	if _, err := remembering(t, s, kept).Notify(t.Context(), action()); err == nil || notify.IsPermanent(err) || s.Seen() != 0 {
		t.Errorf("Notify = %v and %d requests, want to be tried again and none", err, s.Seen())
	}
}

func TestWhereItRuns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		about  string // the resource of the finding
		want   string
		wrong  string
	}{
		{"instances", func(*Config) {}, "", `{"InstanceIds":["i-0abc123def456789a"]}`, ""},
		{"a tag", func(c *Config) {
			c.InstanceIDs, c.Targets = nil, []Target{{Key: "tag:quarantine", Values: []string{"yes"}}}
		}, "", `{"Targets":[{"Key":"tag:quarantine","Values":["yes"]}]}`, ""},
		{"the instance of the finding", func(c *Config) { c.InstanceIDs, c.FindingInstance = nil, true }, "i-0feed0beef0cafe01", `{"InstanceIds":["i-0feed0beef0cafe01"]}`, ""},
		{"a finding about something else", func(c *Config) { c.InstanceIDs, c.FindingInstance = nil, true }, "my-bucket", "", "about no EC2 instance"},
		{"a finding made to look like several", func(c *Config) { c.InstanceIDs, c.FindingInstance = nil, true }, "i-0feed0beef0cafe01,i-0abc123def456789a", "", "about no EC2 instance"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := awstest.New(t)
			c := settings()
			tt.change(&c)
			c.Settings = s.Settings()
			m := action()
			m.Alert.Resource.ID = tt.about
			_, err := notifytest.Open(t, open, c).Notify(t.Context(), m)
			if tt.wrong != "" {
				if !notify.IsPermanent(err) || !strings.Contains(err.Error(), tt.wrong) || s.Seen() != 0 {
					t.Errorf("Notify = %v, want a permanent error with %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			where := map[string]any{}
			for _, name := range []string{"InstanceIds", "Targets"} {
				if v := s.Inputs(t)[0][name]; v != nil {
					where[name] = v
				}
			}
			if got, err := json.Marshal(where); err != nil || string(got) != tt.want {
				t.Errorf("runs on %s, want %s", got, tt.want)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	event := []byte(`{"detail": {"id": "x", "name": "{{ssm:/prod/db-password}}", "user": "'; rm -rf / #"}}`)
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
		wrong  string
	}{
		{"none that depend on the finding", func(c *Config) { c.MessageParameter = "" }, `{"Mode":["quarantine"]}`, ""},
		{"the event in base64", func(c *Config) { c.Raw = true }, `{"Message":["` + base64.StdEncoding.EncodeToString(event) + `"],"Mode":["quarantine"]}`, ""},
		{"of an input transformer", input(`{"commands": ["isolate <id>"]}`), `{"commands":["isolate x"]}`, ""},
		{"of one that makes no parameters", input(`{"commands": "isolate"}`), "", "has to make the document's parameters"},
		{"that ask for a secret", input(`{"commands": ["echo <name>"]}`), "", "with {{ in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := awstest.New(t)
			c := settings()
			tt.change(&c)
			c.Settings = s.Settings()
			m := action()
			m.Event = event
			_, err := notifytest.Open(t, open, c).Notify(t.Context(), m)
			if tt.wrong != "" {
				if !notify.IsPermanent(err) || !strings.Contains(err.Error(), tt.wrong) || s.Seen() != 0 {
					t.Errorf("Notify = %v, want a permanent error with %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := json.Marshal(s.Inputs(t)[0]["Parameters"]); err != nil || string(got) != tt.want {
				t.Errorf("parameters %s, want %s", got, tt.want)
			}
		})
	}
}

func input(template string) func(*Config) {
	return func(c *Config) {
		c.Parameters, c.MessageParameter = nil, ""
		c.Input = &notify.Input{Paths: map[string]string{"id": "$.detail.id", "name": "$.detail.name"}, Template: template}
	}
}

func TestAsManyNodesAsThereMayBe(t *testing.T) {
	t.Parallel()
	nodes := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("i-%017x", i))
		}
		return all
	}
	targets := func(n int) (all []Target) {
		for range n {
			all = append(all, Target{Key: "tag:Name", Values: []string{"web"}})
		}
		return all
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		ok     bool
	}{
		{"50 instances", func(c *Config) { c.InstanceIDs = nodes(50) }, true},
		{"51 instances", func(c *Config) { c.InstanceIDs = nodes(51) }, false},
		{"5 targets", func(c *Config) { c.InstanceIDs, c.Targets = nil, targets(5) }, true},
		{"6 targets", func(c *Config) { c.InstanceIDs, c.Targets = nil, targets(6) }, false},
		{"30s", func(c *Config) { c.StartWithin = 30 * time.Second }, true},
		{"29s", func(c *Config) { c.StartWithin = 29 * time.Second }, false},
	} {
		c := settings()
		tt.change(&c)
		if _, err := open(c, notifytest.Env(t, nil)); (err == nil) != tt.ok {
			t.Errorf("%s: %v, want it taken: %v", tt.name, err, tt.ok)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		wrong  string
	}{
		{"as they should be", func(*Config) {}, ""},
		{"a document of AWS", func(c *Config) { c.Document = "arn:aws:ssm:eu-west-1::document/AWS-RunShellScript" }, ""},
		{"a document by name", func(c *Config) { c.Document, c.Region = "AWS-RunShellScript", "eu-west-1" }, ""},
		{"no nodes", func(c *Config) { c.InstanceIDs = nil }, "set exactly one of"},
		{"nodes twice", func(c *Config) { c.FindingInstance = true }, "set exactly one of"},
		{"51 nodes", func(c *Config) { c.InstanceIDs = slices.Repeat(c.InstanceIDs, 51) }, "at most 50"},
		{"no instance", func(c *Config) { c.InstanceIDs = []string{"web-1"} }, "is not the id of an instance"},
		{"six targets", func(c *Config) {
			c.InstanceIDs, c.Targets = nil, slices.Repeat([]Target{{Key: "tag:a", Values: []string{"b"}}}, 6)
		}, "at most 5"},
		{"a target without values", func(c *Config) { c.InstanceIDs, c.Targets = nil, []Target{{Key: "tag:a"}} }, "1 to 50 values"},
		{"a start that nobody can keep", func(c *Config) { c.StartWithin = time.Second }, "want 30s to 30d"},
		{"a version", func(c *Config) { c.DocumentVersion = "$LATEST" }, ""},
		{"a version that is none", func(c *Config) { c.DocumentVersion = "newest" }, "document_version"},
		{"a share", func(c *Config) { c.MaxConcurrency, c.MaxErrors = "10%", "1" }, ""},
		{"a share that is none", func(c *Config) { c.MaxConcurrency = "half" }, "max_concurrency"},
		{"raw without a parameter", func(c *Config) { c.Raw, c.MessageParameter = true, "" }, "message_parameter: is not set"},
		{"a parameter twice", func(c *Config) { c.MessageParameter = "Mode" }, "among parameters already"},
		{"input and parameters", func(c *Config) { c.Input = &notify.Input{Template: `{"a": 1}`} }, "input makes all parameters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := settings()
			tt.change(&c)
			_, err := open(c, notifytest.Env(t, nil))
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

// The command is sent to moto and read from Run Command's history.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	ref, id := target(Config{
		Document: "AWS-RunShellScript", InstanceIDs: []string{"i-0abc123def456789a"}, Parameters: map[string][]string{"commands": {"isolate"}}, MessageParameter: "Message",
	}).Send(t, m)
	got, err := api.NewFromConfig(m.Config).ListCommands(t.Context(), &api.ListCommandsInput{CommandId: &ref})
	if err != nil || len(got.Commands) != 1 {
		t.Fatalf("read %v, %v; want one command", got, err)
	}
	c := got.Commands[0]
	message, err := base64.StdEncoding.DecodeString(strings.Join(c.Parameters["Message"], ""))
	var document struct{ ID, By string }
	if err != nil || json.Unmarshal(message, &document) != nil || document.ID != id || document.By != "ana" || !strings.Contains(sdk.ToString(c.Comment), id) {
		t.Errorf("read %v %s, want %s", err, message, id)
	}
	t.Logf("moto: command %s of %s on %v is %s, with a message of %d bytes and comment %q", ref, *c.DocumentName, c.InstanceIds, c.Status, len(message), *c.Comment)
}
