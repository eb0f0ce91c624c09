package lambda_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/pattern"
)

func text(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A resource is one of the CloudFormation template.
type resource struct {
	Type, Condition string
	Properties      map[string]any
}

func stack(t *testing.T) map[string]resource {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text(t, "cloudformation.yaml")), &tree); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(tree)
	var s struct{ Resources map[string]resource }
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.Resources
}

// block is a block of main.tf, without its comments.
func block(t *testing.T, kind, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?ms)^resource "` + kind + `" "` + name + `" \{\n(.*?)^\}`).FindStringSubmatch(text(t, "main.tf"))
	if m == nil {
		t.Fatalf("main.tf has no %s %s", kind, name)
	}
	return m[1]
}

var quoted = regexp.MustCompile(`"([a-z0-9]+:[A-Za-z*]+)"`)

// What the role may do is what it takes to write the log and to take from the queue.
func TestTheRoleMayDoWhatItNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	want := []string{"logs:CreateLogStream", "logs:PutLogEvents", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
	var terraform []string
	for _, m := range quoted.FindAllStringSubmatch(block(t, "aws_iam_role_policy", "function"), -1) {
		terraform = append(terraform, m[1])
	}
	slices.Sort(terraform)
	if diff := cmp.Diff(want, terraform); diff != "" {
		t.Errorf("terraform (-want +got):\n%s", diff)
	}
	role, err := json.Marshal(stack(t)["Role"].Properties["Policies"])
	if err != nil {
		t.Fatal(err)
	}
	var cloudformation []string
	for _, m := range quoted.FindAllStringSubmatch(string(role), -1) {
		cloudformation = append(cloudformation, m[1])
	}
	slices.Sort(cloudformation)
	if diff := cmp.Diff(want, cloudformation); diff != "" {
		t.Errorf("cloudformation (-want +got):\n%s", diff)
	}
	for file, policy := range map[string]string{"main.tf": block(t, "aws_iam_role_policy", "function"), "cloudformation.yaml": string(role)} {
		if strings.Contains(policy, `"*"`) {
			t.Errorf("%s: the role may do something to everything", file)
		}
	}
}

// Without it AWS deletes what was not told of.
func TestAWSReadsWhichMessagesToSendAgain(t *testing.T) {
	t.Parallel()
	mapping := stack(t)["Mapping"].Properties
	if got := fmt.Sprint(mapping["FunctionResponseTypes"]); got != "[ReportBatchItemFailures]" {
		t.Errorf("cloudformation: FunctionResponseTypes = %s", got)
	}
	if b := block(t, "aws_lambda_event_source_mapping", "findings"); !strings.Contains(b, `function_response_types = ["ReportBatchItemFailures"]`) {
		t.Errorf("terraform: %s", b)
	}
}

// AWS wants a message to be invisible for six times as long as the function may take
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
func TestAMessageIsInvisibleForSixTimesTheTimeout(t *testing.T) {
	t.Parallel()
	s := stack(t)
	visible, timeout := s["Findings"].Properties["VisibilityTimeout"], s["Function"].Properties["Timeout"]
	if fmt.Sprint(visible) != fmt.Sprint(timeout.(float64)*6) {
		t.Errorf("cloudformation: VisibilityTimeout %v for a timeout of %v", visible, timeout)
	}
	if b := block(t, "aws_sqs_queue", "findings"); !strings.Contains(b, "visibility_timeout_seconds = 6 * var.timeout") {
		t.Errorf("terraform: %s", b)
	}
}

func TestWhatIsNeverToldOfEndsWhereAnAlarmLooks(t *testing.T) {
	t.Parallel()
	s := stack(t)
	for name, where := range map[string]any{
		"the queue": s["Findings"].Properties["RedrivePolicy"], "the rule": s["Rule"].Properties["Targets"], "the alarm": s["Alarm"].Properties["Dimensions"],
	} {
		if got := fmt.Sprint(where); !strings.Contains(got, "Fn::GetAtt:[Undelivered ") {
			t.Errorf("cloudformation: %s has %s", name, got)
		}
	}
	for kind, name := range map[string]string{"aws_sqs_queue": "findings", "aws_cloudwatch_event_target": "findings", "aws_cloudwatch_metric_alarm": "undelivered"} {
		if b := block(t, kind, name); !strings.Contains(b, "aws_sqs_queue.undelivered.") {
			t.Errorf("terraform: %s has no dead-letter queue:\n%s", kind, b)
		}
	}
}

func TestTheQueuesTakeFromTheRuleAlone(t *testing.T) {
	t.Parallel()
	policy := fmt.Sprint(stack(t)["QueuePolicy"].Properties["PolicyDocument"])
	for _, want := range []string{"Service:events.amazonaws.com", "sqs:SendMessage", "aws:SourceArn:map[Fn::GetAtt:[Rule Arn]]"} {
		if !strings.Contains(policy, want) {
			t.Errorf("cloudformation has no %s: %s", want, policy)
		}
	}
	if b := block(t, "aws_sqs_queue_policy", "findings"); !strings.Contains(b, `Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.findings.arn } }`) {
		t.Errorf("terraform: %s", b)
	}
}

func TestFindingsAreWhatTheRuleTakes(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile(`(?s)variable "event_pattern" \{.*?default\s+= (".*?[^\\]")\n`).FindStringSubmatch(text(t, "main.tf"))
	if m == nil {
		t.Fatal("main.tf has no event pattern")
	}
	var terraform string
	if err := json.Unmarshal([]byte(m[1]), &terraform); err != nil {
		t.Fatal(err)
	}
	cloudformation, err := json.Marshal(stack(t)["Rule"].Properties["EventPattern"])
	if err != nil {
		t.Fatal(err)
	}
	event := text(t, "../../internal/lambda/testdata/lambda_event.eventbridge.json")
	for name, p := range map[string]string{"terraform": terraform, "cloudformation": string(cloudformation)} {
		parsed, err := pattern.Parse([]byte(p))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if ok, err := parsed.Match([]byte(event)); !ok || err != nil {
			t.Errorf("%s: %s takes no finding: %v", name, p, err)
		}
		if ok, _ := parsed.Match([]byte(strings.Replace(event, "aws.guardduty", "aws.ec2", 1))); ok {
			t.Errorf("%s: %s takes anything", name, p)
		}
	}
}

func TestTheFunctionIsTheProgram(t *testing.T) {
	t.Parallel()
	f := stack(t)["Function"].Properties
	for key, want := range map[string]string{"Runtime": "provided.al2023", "Handler": "bootstrap"} {
		if f[key] != want {
			t.Errorf("cloudformation: %s = %v, want %s", key, f[key], want)
		}
	}
	b := block(t, "aws_lambda_function", "function")
	for _, want := range []string{`"provided.al2023"`, `"bootstrap"`, "architectures    = [var.architecture]", "reserved_concurrent_executions = var.concurrency + 1"} {
		if !strings.Contains(b, want) {
			t.Errorf("terraform: the function has no %s:\n%s", want, b)
		}
	}
	environment := f["Environment"].(map[string]any)["Variables"].(map[string]any)
	limit := fmt.Sprintf("%vMiB", f["MemorySize"].(float64)*3/4)
	if environment["GOGC"] != "off" || environment["GOMEMLIMIT"] != limit {
		t.Errorf("cloudformation: GOGC=%v, GOMEMLIMIT=%v, want off and %s", environment["GOGC"], environment["GOMEMLIMIT"], limit)
	}
}

// The clock turns where there is a database, and may call the function then.
func TestTheClockTurnsWhereThereIsADatabase(t *testing.T) {
	t.Parallel()
	s := stack(t)
	for _, name := range []string{"Clock", "ClockPermission"} {
		if s[name].Condition != "HasDatabase" {
			t.Errorf("cloudformation: %s has the condition %q", name, s[name].Condition)
		}
	}
	for kind, name := range map[string]string{"aws_cloudwatch_event_rule": "clock", "aws_cloudwatch_event_target": "clock", "aws_lambda_permission": "clock"} {
		if b := block(t, kind, name); !strings.Contains(b, "= local.schedules") {
			t.Errorf("terraform: %s is there without a database:\n%s", kind, b)
		}
	}
}

// The tools that the templates are for read them, where they are installed.
func TestTheToolsReadTheTemplates(t *testing.T) {
	t.Parallel()
	for _, tool := range [][]string{
		{"cfn-lint", "cloudformation.yaml"},
		{"terraform", "fmt", "-check", "-diff", "main.tf"},
		{"sh", "-n", "build"},
	} {
		path, err := exec.LookPath(tool[0])
		if err != nil {
			t.Logf("%s is not installed, and not asked", tool[0])
			continue
		}
		if out, err := exec.CommandContext(t.Context(), path, tool[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(tool, " "), err, out)
		}
	}
}

// The example that the zip is built with is a configuration that a function can have.
func TestTheExampleIsAConfiguration(t *testing.T) {
	t.Setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/x")
	c, err := config.Load("tocsin.yml", app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	c.Store = "sqlite:" + t.TempDir()
	f, err := app.NewFunction(t.Context(), app.Options{Config: c}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil || f.Source() != "findings" {
		t.Errorf("source %s, %v", f.Source(), err)
	}
}

// Two builds of the same sources are the same, whenever and wherever they are made. The
// compiler is stood in for: whether Go's is reproducible is Go's to test.
func TestTheSameSourcesMakeTheSameZip(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("zip"); err != nil {
		t.Fatal("there is no zip to build with: apt-get install zip")
	}
	fake := filepath.Join(t.TempDir(), "go")
	script := "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = -o ] && printf 'program for %s' \"$GOARCH\" >\"$2\"; shift; done\n"
	if err := os.WriteFile(fake, []byte(script), 0o755); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	var zips [2][]byte
	for i := range zips {
		out := t.TempDir()
		c := exec.CommandContext(t.Context(), "sh", "build", "-c", "tocsin.yml", "-o", out, "arm64")
		c.Env = append(os.Environ(), "GO="+fake, "VERSION=test", fmt.Sprintf("TZ=Etc/GMT-%d", 3*i), "TMPDIR="+t.TempDir())
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, text)
		}
		var err error
		if zips[i], err = os.ReadFile(filepath.Join(out, "tocsin-lambda-arm64.zip")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("two builds differ")
	}
	z, err := zip.NewReader(bytes.NewReader(zips[0]), int64(len(zips[0])))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, fmt.Sprint(f.Name, " ", f.Mode().Perm()))
	}
	if diff := cmp.Diff([]string{"bootstrap -rwxr-xr-x", "tocsin.yml -rw-r--r--"}, names); diff != "" {
		t.Errorf("the zip has (-want +got):\n%s", diff)
	}
	in, err := z.Open("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); string(got) != "program for arm64" || err != nil {
		t.Errorf("bootstrap is %q, %v", got, err)
	}
}
