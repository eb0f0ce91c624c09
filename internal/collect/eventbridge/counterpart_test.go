package eventbridge_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/eventbridge"
)

// What AWS's pages say to type, as they say it: the user guide of GuardDuty, and the
// reference of the AWS CLI. The first of them are enough for a version that sends the
// same: each call takes most of a second.
const enough = 4

var typed = []struct{ command, path, want string }{
	{`aws events put-rule --name Test --event-pattern "{\"source\":[\"aws.guardduty\"]}"`, "RuleArn", `"arn:aws:events:us-east-1:000000000000:rule/Test"`},
	{`aws events put-targets --rule Test --targets Id=1,Arn=arn:aws:lambda:us-east-1:111122223333:function:my-function`, "FailedEntryCount", "0"},
	{`aws events list-rules --name-prefix "T"`, "Rules.#.Name", `["Test"]`},
	{`aws events put-events --entries file://putevents.json`, "FailedEntryCount", "0"},
	{`aws events describe-rule --name "Test"`, "EventPattern", `"{\"source\":[\"aws.guardduty\"]}"`},
	{`aws events list-targets-by-rule --rule "Test"`, "Targets.0.Arn", `"arn:aws:lambda:us-east-1:111122223333:function:my-function"`},
	{`aws events test-event-pattern --event-pattern "{\"source\":[\"com.mycompany.myapp\"]}" --event "{\"id\":\"1\",\"source\":\"com.mycompany.myapp\",\"detail-type\":\"myDetailType\",\"account\":\"123456789012\",\"region\":\"us-east-1\",\"time\":\"2017-04-11T20:11:04Z\"}"`, "Result", "true"},
	{`aws events disable-rule --name "Test"`, "", ""},
	{`aws events enable-rule --name "Test"`, "", ""},
	{`aws events remove-targets --rule "Test" --ids "1"`, "FailedEntryCount", "0"},
	{`aws events delete-rule --name "Test"`, "", ""},
}

// Both versions of the AWS CLI, and boto3, take this for EventBridge.
func TestAWSsOwnPrograms(t *testing.T) {
	t.Parallel()
	clis := awsCLIs(t)
	if !slices.ContainsFunc(clis, func(c cli) bool { return strings.HasPrefix(c.version, "aws-cli/2") }) {
		t.Fatal("there is no version 2 of the AWS CLI: run make deps")
	}
	for _, c := range clis {
		t.Run(c.version, func(t *testing.T) {
			t.Parallel()
			b := running(t, eventbridge.Config{}, nil)
			server := httptest.NewServer(b.handler)
			t.Cleanup(server.Close)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "putevents.json"), []byte(putEvents), 0o600); err != nil {
				t.Fatal(err)
			}
			commands := typed
			if !strings.HasPrefix(c.version, "aws-cli/2") {
				commands = typed[:enough]
			}
			for _, tt := range commands {
				script := `aws() { "$CLI" "$@" --endpoint-url "$URL"; }; ` + tt.command
				answer := program(t, dir, []string{"CLI=" + c.path, "URL=" + server.URL}, "sh", "-c", script)
				if got := gjson.Get(answer, tt.path).Raw; tt.path != "" && got != tt.want {
					t.Fatalf("%s\n%s\nwant %s: %s", tt.command, answer, tt.path, tt.want)
				}
			}
			events := b.taken()
			if len(events) != 2 || events[0].Unwanted == "" || gjson.GetBytes(events[0].Raw, "detail").Raw != `{ "key1": "value1", "key2": "value2" }` ||
				gjson.GetBytes(events[1].Raw, "resources.1").Str != "resource2" || gjson.GetBytes(events[1].Raw, "region").Str != "us-east-1" {
				t.Errorf("events %+v", events)
			}
		})
	}
	t.Run("boto3", func(t *testing.T) {
		t.Parallel()
		b := running(t, eventbridge.Config{Account: "111122223333"}, nil)
		server := httptest.NewServer(b.handler)
		t.Cleanup(server.Close)
		answer := program(t, "testdata", nil, python(t), "calls.py", server.URL+"/in/bus")
		var got any
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"rules": []any{"apps-1", "apps-2", "apps-3"}, "arn": "arn:aws:events:us-east-1:111122223333:rule/apps-1",
			"tags": []any{map[string]any{"Key": "team", "Value": "soc"}}, "failed": 1.0,
			"entries": []any{[]any{"EventId"}, []any{"ErrorCode", "ErrorMessage"}},
			"refused": []any{
				[]any{"ResourceNotFoundException", "ResourceNotFoundException", "Rule none does not exist on EventBus default.", 400.0},
				[]any{"InvalidEventPatternException", "InvalidEventPatternException", "Event pattern is not valid. Reason: unexpected end of JSON input\n at [$; offset: 1]", 400.0},
				[]any{"ClientError", "UnknownOperationException", `There is no operation "AWSEvents.CreateEventBus" here.`, 400.0},
			},
			"request": 36.0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what boto3 sees (-want +got):\n%s", diff)
		}
		events := b.taken()
		if len(events) != 2 || gjson.GetBytes(events[0].Raw, "time").Str != "2026-01-02T03:04:05Z" || gjson.GetBytes(events[0].Raw, "detail.é").Str != "ü" {
			t.Errorf("events %+v", events)
		}
	})
}

// putEvents is the file of AWS's example of put-events.
const putEvents = `[
  {
    "Source": "com.mycompany.myapp",
    "Detail": "{ \"key1\": \"value1\", \"key2\": \"value2\" }",
    "Resources": [
      "resource1",
      "resource2"
    ],
    "DetailType": "myDetailType"
  },
  {
    "Source": "com.mycompany.myapp",
    "Detail": "{ \"key1\": \"value3\", \"key2\": \"value4\" }",
    "Resources": [
      "resource1",
      "resource2"
    ],
    "DetailType": "myDetailType"
  }
]
`

// A cli is an AWS CLI of this machine.
type cli struct{ path, version string }

// awsCLIs are those that run, one of each version.
func awsCLIs(t *testing.T) (clis []cli) {
	t.Helper()
	for _, path := range []string{collecttest.Program(t, "aws"), "/usr/bin/aws", "/usr/local/bin/aws"} {
		out, err := exec.Command(path, "--version").Output()
		version, _, _ := strings.Cut(string(out), " ")
		if err == nil && !slices.ContainsFunc(clis, func(c cli) bool { return c.version == version }) {
			clis = append(clis, cli{path, version})
		}
	}
	return clis
}

// python is an interpreter that has boto3: moto needs one too.
func python(t *testing.T) string {
	t.Helper()
	moto, err := filepath.EvalSymlinks(collecttest.Program(t, "moto_server"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(filepath.Dir(moto), "python"), collecttest.Program(t, "python3")} {
		if exec.Command(path, "-c", "import boto3").Run() == nil {
			return path
		}
	}
	t.Fatal("no Python here has boto3: run make deps")
	return ""
}

// program runs one of AWS's programs with the bus's secret and gives what it writes.
func program(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env,
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY="+collecttest.Token, "AWS_DEFAULT_REGION=us-east-1", "AWS_PAGER=", "AWS_DEFAULT_OUTPUT=json",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=*"), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
