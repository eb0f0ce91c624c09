package connect_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/connect"
)

var update = flag.Bool("update", false, "write the golden files anew")

const token = "Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0"

// The two sources that findings are sent to in these tests.
var (
	org = connect.Source{
		Name: "org-topic", Way: connect.SNS, URL: "https://tocsin.example.com/in/org-topic/" + token,
		Topics: []string{"arn:aws:sns:*:111122223333:guardduty"},
	}
	queue = connect.Source{Name: "findings", Way: connect.SQS, Queue: "arn:aws:sqs:eu-west-1:111122223333:guardduty"}
	api   = connect.Source{
		Name: "api", Way: connect.APIDestination, URL: "https://tocsin.example.com/in/api", Header: "X-Api-Key", Key: token,
	}
)

// cases are what the golden files hold, and what scripts/iac.sh has the tools of AWS
// and HashiCorp check.
var cases = []struct {
	name   string
	source connect.Source
	o      connect.Options
}{
	{"sqs-cli", queue, connect.Options{Format: connect.CLI}},
	{"sqs-cli-regions", queue, connect.Options{Format: connect.CLI, Regions: []string{"us-east-1", "eu-central-1"}, Tags: map[string]string{"owner": "soc"}}},
	{"sqs-stack", queue, connect.Options{Format: connect.CloudFormation, Tags: map[string]string{"owner": "soc"}}},
	{"sqs-stackset", queue, connect.Options{Format: connect.CloudFormation, Regions: []string{"all"}, Tags: map[string]string{"owner": "soc"}}},
	{"sqs-terraform", queue, connect.Options{Format: connect.Terraform, Tags: map[string]string{"owner": "soc"}}},
	{"sqs-terraform-regions", queue, connect.Options{Format: connect.Terraform, Regions: []string{"us-east-1"}}},
	{"sns-cli", org, connect.Options{Format: connect.CLI}},
	{"sns-cli-all-regions", org, connect.Options{Format: connect.CLI, Regions: []string{"all"}, Tags: map[string]string{"owner": "security operations", "cost": "4711"}}},
	{"sns-stack", org, connect.Options{Format: connect.CloudFormation, Regions: []string{"eu-west-1"}, RoleARN: "arn:aws:iam::111122223333:role/deploy", Tags: map[string]string{"owner": "soc"}}},
	{"sns-stackset", org, connect.Options{Format: connect.CloudFormation, Regions: []string{"all"}, StackName: "findings", Tags: map[string]string{"owner": "soc"}}},
	{"sns-terraform", org, connect.Options{Format: connect.Terraform, Tags: map[string]string{"owner": "soc"}}},
	{"sns-terraform-all-regions", org, connect.Options{Format: connect.Terraform, Regions: []string{"all"}}},
	{"api-cli", api, connect.Options{Regions: []string{"eu-west-1", "us-east-1"}, Tags: map[string]string{"owner": "soc"}}},
	{"api-stack", api, connect.Options{Format: connect.CloudFormation}},
	{"api-stackset", api, connect.Options{Format: connect.CloudFormation, Regions: []string{"eu-west-1", "us-east-1"}}},
	{"api-stackset-organisation", api, connect.Options{Format: connect.CloudFormation, Regions: []string{"all"}, OUs: []string{"ou-ab12-11111111", "r-ab12"}}},
	{"api-terraform", api, connect.Options{Format: connect.Terraform, Regions: []string{"eu-west-1"}, Tags: map[string]string{"owner": "soc"}}},
	{"api-terraform-organisation", api, connect.Options{Format: connect.Terraform, Regions: []string{"eu-west-1", "us-east-1"}, OUs: []string{"ou-ab12-11111111"}}},
}

func TestWhatIsToBePasted(t *testing.T) {
	t.Parallel()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, err := connect.Write(tt.source, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			files := slices.Concat(text.Files, []connect.File{{Name: "commands.sh", Text: text.Commands}, {Name: "notes.txt", Text: strings.Join(text.Notes, "\n") + "\n"}})
			for _, f := range files {
				golden(t, filepath.Join(tt.name, f.Name), f.Text)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// each calls f with every text of every case.
func each(t *testing.T, f func(t *testing.T, name string, text string)) {
	t.Helper()
	for _, tt := range cases {
		written, err := connect.Write(tt.source, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		f(t, tt.name+"/commands", written.Commands)
		for _, file := range written.Files {
			f(t, tt.name+"/"+file.Name, file.Text)
		}
	}
}

var placeholder = regexp.MustCompile(`<[A-Za-z_][^>\n]*>|\bYOUR_|\bCHANGE_?ME\b|\.\.\.|…|123456789012`)

func TestThereIsNothingToFillIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name, text string) {
		if found := placeholder.FindString(text); found != "" {
			t.Errorf("%s has the placeholder %q", name, found)
		}
	})
}

func TestWhatOpensTheSourceIsInTheCommandsAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name, text string) {
		if got, want := strings.Contains(text, token), strings.HasSuffix(name, "/commands") && !strings.HasPrefix(name, "sqs-"); got != want {
			t.Errorf("%s has the token: %v, want %v", name, got, want)
		}
	})
}

var (
	open      = regexp.MustCompile(`"?Principal"?\s*[:=]\s*("\*"|'\*'|\*|\{\s*"?AWS"?\s*[:=]\s*\[?\s*["']?\*)`)
	principal = regexp.MustCompile(`"?Principal"?\s*[:=]`)
)

// Whatever lets a service in says on whose behalf, so that nobody else's rule can fill
// the queue. A topic cannot say so: EventBridge publishes without anything that a
// condition could ask for.
func TestNothingIsOpenToEverybody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name, text string) {
		if found := open.FindString(text); found != "" {
			t.Errorf("%s lets in everybody: %s", name, found)
		}
		let, conditions := len(principal.FindAllString(text, -1)), strings.Count(text, "aws:SourceArn")+strings.Count(text, "aws:SourceAccount")
		if strings.HasSuffix(name, "-roles.yaml") {
			let-- // the one role trusts the other, by its ARN
		}
		let -= strings.Count(text, "sns:Publish")
		if conditions < let {
			t.Errorf("%s lets in %d principals with %d conditions", name, let, conditions)
		}
	})
}

func TestARuleATargetAndAPermissionBelongTogether(t *testing.T) {
	t.Parallel()
	for name, wants := range map[string][]string{
		"sqs-cli":                   {"aws events put-rule", `"source": ["aws.guardduty", "tocsin.canary"]`, "aws events put-targets", "sqs:SendMessage", "DeadLetterConfig", "events.amazonaws.com"},
		"sqs-cli-regions":           {`HOME_REGION=eu-west-1`, `REGIONS="eu-west-1 us-east-1 eu-central-1"`, "events:PutEvents", "RoleArn"},
		"sqs-stack":                 {"AWS::Events::Rule", "AWS::SQS::QueuePolicy", "sqs:SendMessage", "DeadLetterConfig", "events.amazonaws.com"},
		"sqs-stackset":              {"events:PutEvents", "create-stack-set", "--capabilities CAPABILITY_IAM", `[{"ParameterKey":"Home","ParameterValue":"eu-west-1"}]`},
		"sqs-terraform":             {"aws_cloudwatch_event_rule", "aws_cloudwatch_event_target", "aws_sqs_queue_policy", "dead_letter_config", "events.amazonaws.com"},
		"sns-cli":                   {"aws events put-rule", `"source": ["aws.guardduty", "tocsin.canary"]`, "aws events put-targets", "sns:Publish", "aws sns subscribe", `"Protocol": "https"`, "RedrivePolicy", "DeadLetterConfig", "events.amazonaws.com"},
		"sns-stack":                 {"AWS::Events::Rule", "AWS::SNS::TopicPolicy", "sns:Publish", "AWS::SNS::Subscription", "Protocol: https", "RedrivePolicy", "DeadLetterConfig", "events.amazonaws.com"},
		"sns-terraform":             {"aws_cloudwatch_event_rule", "aws_cloudwatch_event_target", "aws_sns_topic_policy", "aws_sns_topic_subscription", "redrive_policy", "dead_letter_config", "events.amazonaws.com"},
		"api-cli":                   {"create-connection", "-api-destination", "events:InvokeApiDestination", "aws events put-rule", "aws events put-targets", "RoleArn", "DeadLetterConfig"},
		"api-stack":                 {"AWS::Events::Connection", "AWS::Events::ApiDestination", "events:InvokeApiDestination", "AWS::Events::Rule", "RoleArn", "DeadLetterConfig", "CAPABILITY_IAM"},
		"api-terraform":             {"aws_cloudwatch_event_connection", "aws_cloudwatch_event_api_destination", "events:InvokeApiDestination", "aws_cloudwatch_event_target", "role_arn", "dead_letter_config"},
		"sns-stackset":              {"create-stack-set", "create-stack-instances", "describe-regions", "SELF_MANAGED"},
		"api-stackset":              {`REGIONS="eu-west-1 us-east-1"`, "--capabilities CAPABILITY_IAM"},
		"api-stackset-organisation": {"SERVICE_MANAGED", "OrganizationalUnitIds=ou-ab12-11111111,r-ab12", "--auto-deployment"},
	} {
		all := whole(t, name)
		for _, want := range wants {
			if !strings.Contains(strings.ReplaceAll(all, "$WHAT-connection", "create-connection"), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
}

// whole is all that is written in a case.
func whole(t *testing.T, name string) string {
	t.Helper()
	for _, tt := range cases {
		if tt.name != name {
			continue
		}
		text, err := connect.Write(tt.source, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		all := text.Commands + strings.Join(text.Notes, "\n")
		for _, f := range text.Files {
			all += f.Text
		}
		return all
	}
	t.Fatalf("no case %s", name)
	return ""
}

var (
	resource   = regexp.MustCompile(`(?m)^  [A-Za-z]+:\n    Type: (AWS::\S+)\n(?:    .*\n)*`)
	resourceTF = regexp.MustCompile(`(?ms)^resource "(\S+)" .*?^}`)
	untagged   = regexp.MustCompile(`Policy$|::Connection$|::ApiDestination$|::Subscription$|_policy$|_target$|_connection$|_api_destination$|_subscription$|_stack_set_instance$`)
)

func TestTagsAreOnEveryResourceThatCanHaveThem(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, tt := range cases {
		if len(tt.o.Tags) == 0 {
			continue
		}
		text, err := connect.Write(tt.source, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range text.Files {
			for _, m := range append(resource.FindAllStringSubmatch(f.Text, -1), resourceTF.FindAllStringSubmatch(f.Text, -1)...) {
				seen++
				if tagged := strings.Contains(m[0], "\n      Tags:") || strings.Contains(m[0], "= local.tags"); tagged == untagged.MatchString(m[1]) {
					t.Errorf("%s/%s: %s has tags: %v", tt.name, f.Name, m[1], tagged)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d resources were found", seen)
	}
}

func TestWhatCannotBeWrittenIsSaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		source      func(s *connect.Source)
		o           connect.Options
		field, want string
	}{
		{name: "a stack's name that begins with a digit", o: connect.Options{StackName: "1st"}, field: "stack_name", want: "a letter first"},
		{name: "a stack's name with an underscore", o: connect.Options{StackName: "our_stack"}, field: "stack_name", want: "letters, digits and hyphens"},
		{name: "a region that is none", o: connect.Options{Regions: []string{"Frankfurt"}}, field: "regions", want: "no region"},
		{name: "all and another", o: connect.Options{Regions: []string{"all", "eu-west-1"}}, field: "regions", want: "stands alone"},
		{name: "a role that is none", o: connect.Options{Format: connect.CloudFormation, RoleARN: "deploy"}, field: "role_arn", want: "no ARN of an IAM role"},
		{name: "a role without CloudFormation", o: connect.Options{RoleARN: "arn:aws:iam::111122223333:role/deploy"}, field: "role_arn", want: "needs the format cloudformation"},
		{name: "a tag of AWS's own", o: connect.Options{Tags: map[string]string{"aws:cost": "1"}}, field: "tags", want: "AWS's own"},
		{name: "a tag that would end the word", o: connect.Options{Tags: map[string]string{"a": "'; rm -rf /"}}, field: "tags", want: "letters, digits"},
		{name: "another format", o: connect.Options{Format: "pulumi"}, field: "format", want: "none of"},
		{name: "units without regions", o: connect.Options{Format: connect.CloudFormation, OUs: []string{"ou-ab12-11111111"}}, field: "regions", want: "in which regions"},
		{name: "a unit that is none", o: connect.Options{Format: connect.CloudFormation, Regions: []string{"all"}, OUs: []string{"prod"}}, field: "ous", want: "no id"},
		{name: "units with topics of one account", o: connect.Options{Format: connect.CloudFormation, Regions: []string{"all"}, OUs: []string{"ou-ab12-11111111"}}, field: "ous", want: "delegated administrator"},
		{name: "no public address", source: func(s *connect.Source) { s.URL = "http://127.0.0.1:8080/in/x/y" }, want: "set public_url"},
		{name: "no queue", source: func(s *connect.Source) { s.Way, s.Queue = connect.SQS, "guardduty" }, want: "set queue_url"},
		{name: "a queue with an order", source: func(s *connect.Source) {
			s.Way, s.Queue = connect.SQS, "arn:aws:sqs:eu-west-1:111122223333:guardduty.fifo"
		}, want: "FIFO"},
		{name: "units with a queue of one account", source: func(s *connect.Source) { s.Way, s.Queue = connect.SQS, "arn:aws:sqs:eu-west-1:111122223333:guardduty" }, o: connect.Options{Format: connect.CloudFormation, Regions: []string{"all"}, OUs: []string{"ou-ab12-11111111"}}, field: "ous", want: "delegated administrator"},
		{name: "no topic", source: func(s *connect.Source) { s.Topics = nil }, want: "name the topics"},
		{name: "another region than the topic's", source: func(s *connect.Source) { s.Topics = []string{"arn:aws:sns:eu-west-1:111122223333:guardduty"} }, o: connect.Options{Regions: []string{"us-east-1"}}, field: "regions", want: "eu-west-1 alone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := org
			if tt.source != nil {
				tt.source(&s)
			}
			_, err := connect.Write(s, tt.o)
			problems, ok := errors.AsType[connect.Problems](err)
			if !ok || problems[0].Field != tt.field || !strings.Contains(problems[0].Text, tt.want) {
				t.Errorf("Write = %v, want %q about %q", err, tt.want, tt.field)
			}
		})
	}
}

func TestTheTopicIsOneThatTheSourceAllows(t *testing.T) {
	t.Parallel()
	for topics, want := range map[string]string{
		"arn:aws:sns:*:111122223333:guardduty":           "--name 'guardduty'",
		"arn:aws:sns:*:111122223333:*":                   "--name 'guardduty'",
		"arn:aws:sns:*:111122223333:findings-*":          "--name 'findings-tocsin-org-topic'",
		"arn:aws:sns:eu-central-1:111122223333:security": `REGIONS="eu-central-1"`,
	} {
		s := org
		s.Topics = []string{topics}
		text, err := connect.Write(s, connect.Options{})
		if err != nil || !strings.Contains(text.Commands, want) {
			t.Errorf("for %s there is no %s (%v):\n%s", topics, want, err, text.Commands)
		}
	}
}

// A token or a name that a shell would read something into is a word all the same.
func TestCommandsAreOneForAShell(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal("there is no sh to read them with")
	}
	s := api
	s.Key = `it's"$(touch${IFS}x)\here`
	for _, format := range connect.Formats() {
		text, err := connect.Write(s, connect.Options{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), sh, "-n")
		c.Stdin = strings.NewReader(text.Commands)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: sh cannot read it: %v\n%s\n%s", format, err, out, text.Commands)
		}
	}
	each(t, func(t *testing.T, name, text string) {
		if !strings.HasSuffix(name, "/commands") {
			return
		}
		c := exec.CommandContext(t.Context(), sh, "-n")
		c.Stdin = strings.NewReader(text)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: sh cannot read it: %v\n%s", name, err, out)
		}
	})
}

func TestTheParameterOfAStackSetIsTheSecret(t *testing.T) {
	t.Parallel()
	text := whole(t, "sns-stackset")
	m := regexp.MustCompile(`--parameters '(.*)'`).FindStringSubmatch(text)
	var got []map[string]string
	if m == nil || json.Unmarshal([]byte(m[1]), &got) != nil || got[0]["ParameterKey"] != "Endpoint" || got[0]["ParameterValue"] != org.URL {
		t.Errorf("the parameters are %v", m)
	}
}
