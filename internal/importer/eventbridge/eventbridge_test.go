package eventbridge_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	collectors "github.com/tocsin-sec/tocsin/internal/collect/all"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/importer/eventbridge"
	"github.com/tocsin-sec/tocsin/internal/notify"
	notifiers "github.com/tocsin-sec/tocsin/internal/notify/all"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/ecs"
	awseventbridge "github.com/tocsin-sec/tocsin/internal/notify/aws/eventbridge"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/firehose"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/kinesis"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/lambda"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/logs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/sns"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/sqs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/ssm"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/stepfunctions"
	"github.com/tocsin-sec/tocsin/transform"
)

var update = flag.Bool("update", false, "write the golden files anew")

func file(t *testing.T, name string) eventbridge.File {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return eventbridge.File{Name: name, Text: text}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != got {
		t.Errorf("%s is not what it is now (%v); write it with -update and read the difference:\n%s", path, err, got)
	}
}

func kinds() config.Kinds {
	k := config.Kinds{Collectors: collectors.Kinds(), Notifiers: notifiers.Kinds()}
	for _, n := range []notify.Kind{
		ecs.Kind, awseventbridge.Kind, firehose.Kind, kinesis.Kind, lambda.Kind, logs.Kind, sns.Kind, sqs.Kind, ssm.Kind, stepfunctions.Kind,
	} {
		if !slices.ContainsFunc(k.Notifiers, func(o notify.Kind) bool { return o.Name == n.Name }) {
			k.Notifiers = append(k.Notifiers, n)
		}
	}
	return k
}

func imported(t *testing.T, o eventbridge.Options, files ...eventbridge.File) (*importer.Draft, *config.Config) {
	t.Helper()
	d, err := eventbridge.Import(files, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("tocsin.yml", d.Checked(), kinds())
	if err != nil {
		t.Fatalf("the configuration is not good:\n%v\n%s", err, d.Checked())
	}
	return d, c
}

func remarks(d *importer.Draft) string {
	var b strings.Builder
	for _, r := range d.Sorted() {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

// inputOf is the receiver's input, as it stands in the new file.
func inputOf(t *testing.T, d *importer.Draft, receiver, kind string) *notify.Input {
	t.Helper()
	root, err := importer.ReadYAML("tocsin.yml", d.Checked())
	if err != nil {
		t.Fatal(err)
	}
	n := root.At("receivers").At(receiver).At(kind).At("input")
	if n == nil {
		t.Fatalf("receiver %s has no input:\n%s", receiver, d.Checked())
	}
	in := &notify.Input{Template: strings.ReplaceAll(n.At("template").Scalar(), "$$", "$"), Paths: map[string]string{}}
	n.At("paths").Each(func(name string, e *importer.Entry) { in.Paths[name] = e.Value.Scalar() })
	return in
}

func shaped(t *testing.T, in *notify.Input, event []byte) string {
	t.Helper()
	s, err := in.Shaper()
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Shape(notify.Message{Event: event, Alert: tocsin.Alert{Detection: tocsin.Detection{Rule: "r"}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The text of the guide's page, to the letter.
func TestTheMailOfTheGuideIsKeptExactly(t *testing.T) {
	t.Parallel()
	o := eventbridge.Options{Email: "soc@example.com", SMTP: "smtp.example.com:587", From: "tocsin@example.com", Exact: true}
	d, c := imported(t, o, file(t, "page-rule.json"), file(t, "page-targets.json"))
	got := shaped(t, inputOf(t, d, "GuardDuty_to_Email", "email"), file(t, "event.json").Text)
	const want = `"You have a severity 8 GuardDuty finding type Backdoor:EC2/C&CActivity.B!DNS in the us-east-1 region."
"Finding Description:" "An EC2 instance is communicating with a known command and control server.. "
"For more details open the GuardDuty console at https://console.aws.amazon.com/guardduty/home?region=us-east-1#/findings?search=id%3D60c2f9a1b7d84e0fa1c3d5e7f9012345"`
	if got != want {
		t.Errorf("the mail says\n%s\nwant\n%s", got, want)
	}
	if len(c.Receivers) != 1 || c.Receivers[0].Kind != "email" {
		t.Errorf("receivers: %+v", c.Receivers)
	}
	if strings.Contains(remarks(d), "account it is about") {
		t.Errorf("with Exact it is told that the account id was added:\n%s", remarks(d))
	}
}

// The page forgot which account it is about; it is the finding's, not the bus's.
func TestTheMailSaysWhichAccountUnlessItIsToBeExact(t *testing.T) {
	t.Parallel()
	o := eventbridge.Options{Email: "soc@example.com", SMTP: "smtp.example.com:587", From: "tocsin@example.com"}
	d, _ := imported(t, o, file(t, "page-rule.json"), file(t, "page-targets.json"))
	got := shaped(t, inputOf(t, d, "GuardDuty_to_Email", "email"), file(t, "event.json").Text)
	if first, _, _ := strings.Cut(got, "\n"); first != `"AWS 012345678901 has a severity 8 GuardDuty finding type Backdoor:EC2/C&CActivity.B!DNS in the us-east-1 region."` {
		t.Errorf("the mail begins %s", first)
	}
	if !strings.Contains(remarks(d), "the account id was added; --exact leaves it out") {
		t.Errorf("it is not told:\n%s", remarks(d))
	}
	golden(t, "page.golden", string(d.File("tocsin import eventbridge page-rule.json page-targets.json", (*importer.Secret).Named)))
}

func TestOnlyTextsThatForgetTheAccountAreGivenIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, paths, template, want string }{
		{"another text", `{"type":"$.detail.type"}`, `"Finding <type>"`, "\"Finding Backdoor:EC2/C&CActivity.B!DNS\"\n\"Account: 012345678901\""},
		{"it says so", `{"a":"$.account"}`, `"In <a>"`, `"In 999988887777"`},
		{"it says so by the finding", `{"a":"$.detail.accountId"}`, `"In <a>"`, `"In 012345678901"`},
		{"JSON for a program", `{"type":"$.detail.type"}`, `{"type": <type>}`, `{"type":"Backdoor:EC2/C&CActivity.B!DNS"}`},
		{"the whole event", `{}`, `<aws.events.event.json>`, ""},
	} {
		rule := fmt.Sprintf(`{"Name":"r","EventPattern":"{\"source\":[\"aws.guardduty\"]}","Targets":[{"Id":"1","Arn":"arn:aws:sns:us-east-1:111122223333:t","InputTransformer":{"InputPathsMap":%s,"InputTemplate":%q}}]}`, tt.paths, tt.template)
		d, err := eventbridge.Import([]eventbridge.File{{Name: "rule.json", Text: []byte(rule)}}, eventbridge.Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if in := inputOf(t, d, "t", "aws-sns"); tt.want != "" && shaped(t, in, file(t, "event.json").Text) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, shaped(t, in, file(t, "event.json").Text), tt.want)
		} else if tt.want == "" && in.Template != tt.template {
			t.Errorf("%s: the template became %s", tt.name, in.Template)
		}
	}
}

// A pattern is kept byte for byte, and what is wrong with it is told.
func TestThePatternIsKeptExactlyAndLinted(t *testing.T) {
	t.Parallel()
	rule := file(t, "page-rule.json")
	d, c := imported(t, eventbridge.Options{}, rule, file(t, "page-targets.json"))
	var asked struct{ EventPattern string }
	if err := json.Unmarshal(rule.Text, &asked); err != nil {
		t.Fatal(err)
	}
	root, err := importer.ReadYAML("tocsin.yml", d.Checked())
	if err != nil {
		t.Fatal(err)
	}
	if got := root.At("rules").Items[0].At("pattern").Scalar(); got != asked.EventPattern {
		t.Errorf("the pattern became\n%q\nwant\n%q", got, asked.EventPattern)
	}
	if !strings.Contains(remarks(d), "page-rule.json:4:21: EventPattern of rule \"GuardDuty_to_Email\": ") || !strings.Contains(remarks(d), "Critical") {
		t.Errorf("it is not told that the rule never fires for Critical:\n%s", remarks(d))
	}
	for severity, want := range map[float64]bool{3.9: false, 4: true, 5: true, 8.9: true, 9: false} {
		event := strings.Replace(string(file(t, "event.json").Text), `"severity":8`, fmt.Sprintf(`"severity":%v`, severity), 1)
		if _, ok, err := c.Rules.First([]byte(event)); ok != want || err != nil {
			t.Errorf("severity %v: %v, %v, want %v", severity, ok, err, want)
		}
	}
}

// The guide's example of a subset: just these two severities.
func TestASubsetIsJustWhatItNames(t *testing.T) {
	t.Parallel()
	_, c := imported(t, eventbridge.Options{}, eventbridge.File{Name: "rule.json", Text: []byte(`{"Name":"Test","EventPattern":"{\"source\":[\"aws.guardduty\"],\"detail-type\":[\"GuardDuty Finding\"],\"detail\":{\"severity\":[5.0,8.0]}}"}`)})
	for severity, want := range map[string]bool{"5": true, "5.0": true, "8": true, "5.1": false, "8.5": false} {
		event := strings.Replace(string(file(t, "event.json").Text), `"severity":8`, `"severity":`+severity, 1)
		if _, ok, err := c.Rules.First([]byte(event)); ok != want || err != nil {
			t.Errorf("severity %s: %v, %v, want %v", severity, ok, err, want)
		}
	}
}

// One target of each kind becomes the receiver that it means; those that act are run
// by the rule, and those that tell are told by a route of the rule's alerts.
func TestEachTargetBecomesItsReceiver(t *testing.T) {
	t.Parallel()
	d, c := imported(t, eventbridge.Options{}, file(t, "page-rule.json"), file(t, "targets.json"))
	golden(t, "targets.golden", string(d.File("tocsin import eventbridge page-rule.json targets.json", (*importer.Secret).Named)))
	a := tocsin.Alert{Detection: tocsin.Detection{Rule: "GuardDuty_to_Email"}}
	var told []string
	for _, target := range c.Routes.Decide(a).Targets {
		told = append(told, target.Receiver)
	}
	if want := []string{"alerts", "findings.fifo", "findings", "findings-2", "security", "aws-events-findings"}; !slices.Equal(told, want) {
		t.Errorf("told are %q, want %q", told, want)
	}
	event := file(t, "event.json").Text
	for _, tt := range []struct{ receiver, kind, target string }{
		{"findings.fifo", "aws-sqs", `{"InputPath": "$.detail"}`},
		{"response", "aws-ecs", `{"Input": "{\"containerOverrides\":[{\"name\":\"app\",\"command\":[\"isolate\"]}]}"}`},
		{"Quarantine", "aws-ssm", `{"Input": "{\"commands\":[\"uptime\"]}"}`},
		{"Respond", "aws-step-functions", `{"InputTransformer": {"InputPathsMap": {"id": "$.detail.id", "severity": "$.detail.severity"}, "InputTemplate": "{\n  \"finding\": <id>,\n  \"severity\": <severity>,\n  \"cost\": \"$${x} $5\"\n}"}}`},
	} {
		aws, err := transform.Parse([]byte(tt.target), transform.AWS)
		if err != nil {
			t.Fatal(err)
		}
		want, err := aws.Apply(event, transform.Rule{})
		if err != nil {
			t.Fatal(err)
		}
		if got := shaped(t, inputOf(t, d, tt.receiver, tt.kind), event); got != string(want.Text) {
			t.Errorf("%s is sent\n%s\nand EventBridge sends\n%s", tt.receiver, got, want.Text)
		}
	}
}

func TestATemplateOfCloudFormation(t *testing.T) {
	t.Parallel()
	d, c := imported(t, eventbridge.Options{}, file(t, "template.yaml"))
	golden(t, "template.golden", string(d.File("tocsin import eventbridge template.yaml", (*importer.Secret).Named)))
	if got := c.Rules.Names(); !slices.Equal(got, []string{"Rule", "health"}) {
		t.Errorf("rules: %q", got)
	}
	if r, ok, err := c.Rules.First(file(t, "event.json").Text); err != nil || !ok || r.Name != "Rule" {
		t.Errorf("First = %q, %v, %v", r.Name, ok, err)
	}
	if r, ok, err := c.Rules.First([]byte(`{"source":"aws.health"}`)); err != nil || !ok || r.Drop == "" {
		t.Errorf("of a disabled rule: %+v, %v, %v, want it dropped", r, ok, err)
	}
}

// A resource with a condition may not be there once the template is deployed.
func TestTheConditionOfAResourceIsTold(t *testing.T) {
	t.Parallel()
	d, _ := imported(t, eventbridge.Options{}, eventbridge.File{Name: "t.yml", Text: []byte("Resources:\n  Found:\n    Type: AWS::Events::Rule\n    Condition: IsProd\n    Properties: {EventPattern: {source: [aws.guardduty]}}\n")})
	if !slices.ContainsFunc(d.Sorted(), func(r importer.Remark) bool { return strings.HasPrefix(r.String(), "t.yml:4:16: Condition IsProd: ") }) {
		t.Errorf("told %v", d.Sorted())
	}
}

// The same rule in every form that AWS gives it is the same configuration.
func TestEveryFormOfARule(t *testing.T) {
	t.Parallel()
	const asJSON = `{\"source\":[\"aws.guardduty\"]}`
	targets := `[{"Id":"1","Arn":"arn:aws:sqs:us-east-1:111122223333:q"}]`
	forms := map[string][]string{
		"describe-rule and list-targets-by-rule": {`{"Name":"gd","Arn":"arn:aws:events:us-east-1:111122223333:rule/gd","EventPattern":"` + asJSON + `","State":"ENABLED"}`, `{"Targets":` + targets + `}`},
		"put-rule and put-targets":               {`{"Name":"gd","EventPattern":"` + asJSON + `","ScheduleExpression":""}`, `{"Rule":"gd","EventBusName":"default","Targets":` + targets + `}`},
		"targets first":                          {`{"Rule":"gd","Targets":` + targets + `}`, `{"Name":"gd","EventPattern":"` + asJSON + `"}`},
		"a bare list of targets":                 {`{"Name":"gd","EventPattern":"` + asJSON + `"}`, targets},
		"list-rules":                             {`{"Rules":[{"Name":"gd","EventPattern":"` + asJSON + `","State":"ENABLED"}]}`, `{"Targets":` + targets + `}`},
		"one object with both":                   {`{"Rule":{"Name":"gd","EventPattern":{"source":["aws.guardduty"]}},"Targets":` + targets + `}`},
		"one object with targets within":         {`{"Name":"gd","EventPattern":{"source":["aws.guardduty"]},"Targets":` + targets + `}`},
		"a resource":                             {`{"Type":"AWS::Events::Rule","Properties":{"Name":"gd","EventPattern":{"source":["aws.guardduty"]},"Targets":` + targets + `}}`},
		"a resource in YAML":                     {"Type: AWS::Events::Rule\nProperties:\n  Name: gd\n  EventPattern: {source: [aws.guardduty]}\n  Targets:\n  - {Id: '1', Arn: 'arn:aws:sqs:us-east-1:111122223333:q'}\n"},
	}
	for name, texts := range forms {
		var files []eventbridge.File
		for i, text := range texts {
			files = append(files, eventbridge.File{Name: fmt.Sprintf("%d.json", i), Text: []byte(text)})
		}
		d, c := imported(t, eventbridge.Options{}, files...)
		if got := c.Rules.Names(); !slices.Equal(got, []string{"gd"}) || len(c.Receivers) != 1 || c.Receivers[0].Kind != "aws-sqs" {
			t.Errorf("%s: rules %q, receivers %+v\n%s", name, got, c.Receivers, d.Checked())
		}
		if _, ok, err := c.Rules.First([]byte(`{"source":"aws.guardduty"}`)); !ok || err != nil {
			t.Errorf("%s: the rule does not match, %v", name, err)
		}
	}
}

func TestWhatIsNoRuleIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{`{}`, "rule.json:1:1: neither a rule"},
		{`{"Targets":[]}`, "rule.json: there is no rule in it"},
		{`{"Name":"r","EventPattern":`, "rule.json:1:"},
		{`{"Name":"r","ScheduleExpression":"rate(1 hour)"}`, `rule.json:1:34: rule "r" runs on a schedule`},
		{"{\n  \"Name\": \"r\",\n  \"EventPattern\": \"{\\\"source\\\":\\\"aws.guardduty\\\"}\"}", `rule.json:3:19: EventPattern of rule "r": `},
		{`{"Name":"r","EventPattern":{"account":[123456789012]}}`, `rule.json:1:28: EventPattern of rule "r": $.account[0]: an account id without quotes`},
		{`[{"Rule":"s","Targets":[]},{"Name":"r","EventPattern":{"a":["b"]}}]`, `rule.json:1:2: targets of rule "s", which is not there`},
		{`[{"Name":"r","EventPattern":{"a":["b"]}},{"Name":"r","EventPattern":{"a":["b"]}}]`, `rule.json:1:42: rule "r" is there twice`},
		{`{"Name":"r","EventPattern":{"a":["b"]},"Targets":[{"Id":"1","Arn":"arn:aws:sqs:us-east-1:111122223333:q","InputTransformer":{"InputTemplate":"<unnamed>"}}]}`, `rule.json:1:51: target of rule "r": `},
	} {
		if _, err := eventbridge.Import([]eventbridge.File{{Name: "rule.json", Text: []byte(tt.text)}}, eventbridge.Options{}); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s…", tt.text, err, tt.want)
		}
	}
}
