package breakglass_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	breakglass "github.com/tocsin-sec/tocsin/deploy/break-glass"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/pattern"
	"github.com/tocsin-sec/tocsin/transform"
)

// A rule is what EventBridge is to do, whichever template says it.
type rule struct {
	pattern  string
	paths    map[string]string
	template string
	consoles map[string]string // host by partition
}

func template(t *testing.T, format, email string) string {
	t.Helper()
	text, err := breakglass.Template(format, email)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// stack is what of the CloudFormation template counts.
type stack struct {
	Parameters struct{ Email struct{ Default string } }
	Mappings   struct {
		Consoles map[string]struct{ Host string }
	}
	Resources map[string]struct {
		Type       string
		Properties map[string]any
	}
}

func readStack(t *testing.T, text string) (s stack) {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ofCloudFormation(t *testing.T) rule {
	s := readStack(t, template(t, "cloudformation", "soc@example.com"))
	properties := s.Resources["Rule"].Properties
	eventPattern, err := json.Marshal(properties["EventPattern"])
	if err != nil {
		t.Fatal(err)
	}
	target := properties["Targets"].([]any)[0].(map[string]any)
	input := target["InputTransformer"].(map[string]any)
	r := rule{pattern: string(eventPattern), paths: map[string]string{}, consoles: map[string]string{}}
	for name, path := range input["InputPathsMap"].(map[string]any) {
		r.paths[name] = path.(string)
	}
	r.template = input["InputTemplate"].(map[string]any)["Fn::Sub"].([]any)[0].(string)
	for partition, console := range s.Mappings.Consoles {
		r.consoles[partition] = console.Host
	}
	return r
}

// heredoc is the text between <<-WORD and WORD, without its indentation.
func heredoc(t *testing.T, text, word string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)<<-` + word + `\n(.*?)\n\s*` + word + `\n`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("there is no <<-%s", word)
	}
	var lines []string
	for line := range strings.SplitSeq(m[1], "\n") {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

var assignment = regexp.MustCompile(`(?m)^\s*([a-z-]+)\s*= "(.*)"$`)

// assigned are the texts in the block that begins so.
func assigned(t *testing.T, text, begin string) map[string]string {
	t.Helper()
	_, block, ok := strings.Cut(text, begin)
	if !ok {
		t.Fatalf("there is no %q", begin)
	}
	block, _, _ = strings.Cut(block, "}")
	all := map[string]string{}
	for _, m := range assignment.FindAllStringSubmatch(block, -1) {
		all[m[1]] = m[2]
	}
	return all
}

func ofTerraform(t *testing.T) rule {
	text := template(t, "terraform", "soc@example.com")
	return rule{
		pattern: heredoc(t, text, "JSON"), template: strings.ReplaceAll(heredoc(t, text, "TEXT"), "local.console", "Console"),
		paths: assigned(t, text, "input_paths = {"), consoles: assigned(t, text, "console = {"),
	}
}

func rules(t *testing.T) map[string]rule {
	return map[string]rule{"cloudformation": ofCloudFormation(t), "terraform": ofTerraform(t)}
}

// event is a finding as EventBridge has it.
func event(severity string) []byte {
	return fmt.Appendf(nil, `{"version": "0", "source": "aws.guardduty", "detail-type": "GuardDuty Finding", "account": "111122223333", "region": "eu-west-1",
		"detail": {"id": "60c2f9a1b7d84e0fa1c3d5e7f9012345", "accountId": "444455556666", "region": "eu-west-1", "severity": %s,
			"type": "AttackSequence:IAM/CompromisedCredentials", "updatedAt": "2026-06-12T02:00:00.000Z", "title": "of \"them\""}}`, severity)
}

func TestEveryCriticalFindingIsSent(t *testing.T) {
	t.Parallel()
	for name, r := range rules(t) {
		p, err := pattern.Parse([]byte(r.pattern))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, tt := range []struct {
			severity string
			want     bool
		}{
			{"9", true},
			{"9.0", true},
			{"9.3", true},
			{"9.05", true},
			{"10", true},
			{"10.0", true},
			{"8.9", false},
			{"8.99", false},
			{"7", false},
			{"1", false},
		} {
			if got, err := p.Match(event(tt.severity)); got != tt.want || err != nil {
				t.Errorf("%s: severity %s is sent: %v, %v, want %v", name, tt.severity, got, err, tt.want)
			}
		}
		other := strings.Replace(string(event("9")), "GuardDuty Finding", "GuardDuty Runtime Protection Healthy", 1)
		if got, err := p.Match([]byte(other)); got || err != nil {
			t.Errorf("%s: what is no finding is sent: %v, %v", name, got, err)
		}
	}
}

// What EventBridge would make of the template is not dropped, whatever the finding
// says, and the link is the one that messages have.
func TestTheMessageIsDelivered(t *testing.T) {
	t.Parallel()
	for name, r := range rules(t) {
		if len(r.consoles) != 4 {
			t.Errorf("%s: consoles of %v, want those of 4 partitions", name, r.consoles)
		}
		for partition, host := range r.consoles {
			target := transform.Target{InputTransformer: &transform.InputTransformer{
				InputPathsMap: r.paths, InputTemplate: strings.ReplaceAll(r.template, "${Console}", host),
			}}
			tr, err := target.Compile(transform.AWS)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := tr.Apply(event("9.3"), transform.Rule{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := `"CRITICAL GuardDuty finding (severity 9.3): AttackSequence:IAM/CompromisedCredentials"
"Account 444455556666, region eu-west-1, updated 2026-06-12T02:00:00.000Z."
"` + guardduty.Console(partition, "eu-west-1", "60c2f9a1b7d84e0fa1c3d5e7f9012345") + `"
"Sent by EventBridge and SNS, not by tocsin: see whether tocsin is up and has told you, too."`
			if string(got.Text) != want || len(got.Missing)+len(got.Unsafe) > 0 {
				t.Errorf("%s, %s:\n%s\nwant\n%s", name, partition, got.Text, want)
			}
		}
	}
}

func TestBothTemplatesAreOfTheSameRule(t *testing.T) {
	t.Parallel()
	a, b := ofCloudFormation(t), ofTerraform(t)
	if a.template != b.template || fmt.Sprint(a.paths, a.consoles) != fmt.Sprint(b.paths, b.consoles) {
		t.Errorf("cloudformation has\n%+v\nterraform\n%+v", a, b)
	}
	if len(a.paths) != 6 {
		t.Errorf("paths = %v, want 6", a.paths)
	}
}

func TestTheTopicTakesMessagesOfTheRuleAlone(t *testing.T) {
	t.Parallel()
	s := readStack(t, template(t, "cloudformation", "soc@example.com"))
	for name, kind := range map[string]string{"Topic": "AWS::SNS::Topic", "TopicPolicy": "AWS::SNS::TopicPolicy", "Rule": "AWS::Events::Rule"} {
		if got := s.Resources[name].Type; got != kind {
			t.Errorf("%s is of type %q, want %q", name, got, kind)
		}
	}
	statement := fmt.Sprint(s.Resources["TopicPolicy"].Properties["PolicyDocument"])
	for _, want := range []string{"Service:events.amazonaws.com", "sns:Publish"} {
		if !strings.Contains(statement, want) {
			t.Errorf("the policy has no %q:\n%s", want, statement)
		}
	}
	// EventBridge says of itself nothing that a topic's policy could ask for.
	if text := template(t, "terraform", "soc@example.com"); strings.Contains(statement, "Condition") || strings.Contains(text, "Condition") {
		t.Error("the topic's policy has a condition, and drops every finding")
	}
}

func TestTheAddressIsFilledIn(t *testing.T) {
	t.Parallel()
	const email = "night+watch@sub.example.org"
	text := template(t, "cloudformation", email)
	if got := readStack(t, text).Parameters.Email.Default; got != email {
		t.Errorf("cloudformation has the address %q, want %q", got, email)
	}
	if got := assigned(t, template(t, "terraform", email), `variable "email" {`)["default"]; got != email {
		t.Errorf("terraform has the address %q, want %q", got, email)
	}
	for _, odd := range []string{"", "soc", "soc@", "a@b", "a b@example.com", `a"@example.com`, "${x}@example.com", "a@example.com\nx: y", "soc@example.com "} {
		for _, format := range breakglass.Formats() {
			if text, err := breakglass.Template(format, odd); err == nil {
				t.Errorf("Template(%s, %q) gives a template of %d bytes, want an error", format, odd, len(text))
			}
		}
	}
	if _, err := breakglass.Template("pulumi", email); err == nil || err.Error() != `format "pulumi" is none of cloudformation, terraform` {
		t.Errorf("format pulumi: %v", err)
	}
}
