package send_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/ecs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/eventbridge"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/firehose"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/kinesis"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/lambda"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/logs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/sns"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/sqs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/ssm"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/stepfunctions"
)

var kinds = []notify.Kind{
	ecs.Kind, eventbridge.Kind, firehose.Kind, kinesis.Kind, lambda.Kind, logs.Kind, sns.Kind, sqs.Kind, ssm.Kind, stepfunctions.Kind,
}

// everything is a configuration with each kind, as short as it can be.
const everything = `
receivers:
  a: {aws-sns: {topic: "arn:aws:sns:eu-west-1:111122223333:alerts"}}
  b: {aws-sqs: {queue: "https://sqs.eu-west-1.amazonaws.com/111122223333/alerts", raw: true}}
  c: {aws-kinesis: {stream: alerts, region: eu-west-1, partition_key: account}}
  d: {aws-firehose: {delivery_stream: alerts, region: eu-west-1}}
  e: {aws-eventbridge: {region: eu-west-1, input: {paths: {id: $.id}, template: '{"id": <id>}'}}}
  f: {aws-logs: {log_group: /tocsin/alerts, region: eu-west-1, create_group: true}}
  g: {aws-lambda: {function: "isolate:live", region: eu-west-1, invocation: request}}
  h: {aws-step-functions: {state_machine: "arn:aws:states:eu-west-1:111122223333:stateMachine:isolate"}}
  i: {aws-ecs: {cluster: response, task_definition: isolate, container: isolate, region: eu-west-1}}
  j:
    aws-ssm:
      document: AWS-RunShellScript
      region: eu-west-1
      targets: [{key: "tag:quarantine", values: ["yes"]}]
      parameters: {commands: ["isolate.sh"]}
      start_within: 1m
rules:
  - use: guardduty
    actions: [{run: g}, {run: h, approve: true}, {run: i}, {run: j}]
`

// What the manual shows can be written so.
func TestTheManualsExamplesLoad(t *testing.T) {
	for name, value := range map[string]string{"TOCSIN_EXTERNAL_ID": "x4711", "AWS_PROFILE": "", "AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none")} {
		t.Setenv(name, value)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "aws-targets.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("the manual shows %d examples", len(blocks))
	}
	for i, block := range append(blocks, everything) {
		block, _, _ = strings.Cut(block, "\n```")
		first := regexp.MustCompile(`receivers:\n {2}([a-z-]+):`).FindStringSubmatch(block)
		block += "\nfallback: " + first[1] // which excerpts leave out
		if _, err := config.Parse("tocsin.yml", []byte(block), config.Kinds{Notifiers: kinds}); err != nil {
			t.Errorf("example %d: %v\n%s", i+1, err, block)
		}
	}
}

// Each check that a kind names is a test that exists.
func TestChecksExist(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		folder := strings.Replace(strings.TrimPrefix(k.Name, "aws-"), "step-functions", "stepfunctions", 1)
		text, err := os.ReadFile(filepath.Join("..", folder, folder+"_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range k.Checks {
			if !strings.Contains(string(text), "\nfunc "+c.Test+"(t *testing.T) {") {
				t.Errorf("%s: there is no %s", k.Name, c.Test)
			}
		}
		if k.Acts == k.Follows || k.Title == "" || k.Abilities.Limit == "" {
			t.Errorf("%s: acts %v, follows %v, title %q, limit %q", k.Name, k.Acts, k.Follows, k.Title, k.Abilities.Limit)
		}
	}
}
