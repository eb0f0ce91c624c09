package notifyslack_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	collectors "github.com/tocsin-sec/tocsin/internal/collect/all"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/importer/notifyslack"
	notifiers "github.com/tocsin-sec/tocsin/internal/notify/all"
)

var update = flag.Bool("update", false, "write the golden file anew")

func imported(t *testing.T, name, text string) (*importer.Draft, *config.Config) {
	t.Helper()
	d, err := notifyslack.Import(name, []byte(text), notifyslack.Options{Account: "012345678901"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("tocsin.yml", d.Checked(), config.Kinds{Collectors: collectors.Kinds(), Notifiers: notifiers.Kinds()})
	if err != nil {
		t.Fatalf("the configuration is not good:\n%v\n%s", err, d.Checked())
	}
	return d, c
}

// Modules become sources and receivers; what came by the topic of one is told by its
// receiver and by no other.
func TestModulesOfTerraform(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	d, c := imported(t, "main.tf", string(text))
	got := string(d.File("tocsin import notify-slack main.tf", (*importer.Secret).Named))
	if strings.Contains(got, "hunter2") {
		t.Error("a webhook is in the file")
	}
	if *update {
		if err := os.WriteFile("testdata/main.golden", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile("testdata/main.golden"); err != nil || string(want) != got {
		t.Errorf("main.golden is not what it is now (%v); write it with -update and read the difference:\n%s", err, got)
	}
	for _, tt := range []struct{ path, want string }{{"sns:notify_slack", "notify_slack"}, {"sns:encrypted", "encrypted"}} {
		var told []string
		for _, target := range c.Routes.Decide(tocsin.Alert{Paths: []string{tt.path}}).Targets {
			told = append(told, target.Receiver)
		}
		if !slices.Equal(told, []string{tt.want}) {
			t.Errorf("what came by %s is told by %q, want %s", tt.path, told, tt.want)
		}
	}
	for _, s := range d.Needed() {
		if (s.Env == "TOCSIN_NOTIFY_SLACK") != strings.HasSuffix(s.Value.Reveal(), "/hunter2") {
			t.Errorf("secret %s (%s) is %v", s.Env, s.What, s.Value.IsZero())
		}
	}
}

// The variables in every form are the same configuration.
func TestEveryFormOfTheVariables(t *testing.T) {
	t.Parallel()
	forms := map[string]string{
		"terraform.tfvars":      "sns_topic_name = \"alerts\"\nslack_webhook_url = \"https://hooks.slack.com/services/x\"\nslack_channel = \"c\"\n",
		"byte order mark":       "\ufeff" + `{"sns_topic_name": "alerts", "slack_webhook_url": "https://hooks.slack.com/services/x", "slack_channel": "c"}`,
		"windows.tfvars":        "\ufeffsns_topic_name = \"alerts\"\r\nslack_webhook_url = <<EOT\r\nhttps://hooks.slack.com/services/x\r\nEOT\r\nslack_channel = \"c\"\r\n",
		"terraform.tfvars.json": `{"sns_topic_name": "alerts", "slack_webhook_url": "https://hooks.slack.com/services/x", "slack_channel": "c"}`,
		"main.tf.json":          `{"module": {"slack": {"source": "terraform-aws-modules/notify-slack/aws", "sns_topic_name": "alerts", "slack_webhook_url": "https://hooks.slack.com/services/x", "slack_channel": "c"}}}`,
		"list.tf.json":          `{"module": [{"slack": [{"source": "terraform-aws-modules/notify-slack/aws", "sns_topic_name": "alerts", "slack_webhook_url": "https://hooks.slack.com/services/x", "slack_channel": "c"}]}]}`,
		"module.tf":             "module \"slack\" {\n  source = \"terraform-aws-modules/notify-slack/aws\"\n  sns_topic_name = \"alerts\"\n  slack_webhook_url = \"https://hooks.slack.com/services/x\"\n  slack_channel = \"c\"\n}\n",
		"variables":             "/* as printed */ sns_topic_name=\"alerts\" # topic\nslack_webhook_url = <<-EOT\n  https://hooks.slack.com/services/x\n  EOT\nslack_channel=\"c\"",
	}
	for name, text := range forms {
		d, c := imported(t, name, text)
		if len(c.Sources) != 1 || c.Sources[0].Kind != "sns" || len(c.Receivers) != 1 || c.Receivers[0].Kind != "slack" || !slices.Equal(c.Fallback, []string{"slack"}) {
			t.Errorf("%s: sources %+v, receivers %+v\n%s", name, c.Sources, c.Receivers, d.Checked())
		}
		if !strings.Contains(string(d.Checked()), `topics: ["arn:aws:sns:*:012345678901:alerts"]`) {
			t.Errorf("%s: the topic is not there:\n%s", name, d.Checked())
		}
		if r := d.Sorted(); len(r) != 2 || !strings.Contains(r[1].Text+r[0].Text, "slack_channel c: ") {
			t.Errorf("%s: remarks %v", name, r)
		}
	}
}

// What is computed in the file may have parts of the webhook in it: only a name is
// repeated.
func TestPartsOfAWebhookAreNotPrinted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expression, says string }{
		{`var.slack_webhook_url`, "slack_webhook_url: is var.slack_webhook_url, which is not in the file"},
		{`coalesce(var.x, "https://hooks.slack.com/services/secretive")`, "slack_webhook_url: is an expression, which is not in the file"},
		{`"https://hooks.slack.com/services/${var.t}/secretive"`, "slack_webhook_url: is an expression, which is not in the file"},
		{"<<EOT\nhttps://hooks.slack.com/${var.t}/secretive\nEOT", "slack_webhook_url: is an expression, which is not in the file"},
	} {
		d, _ := imported(t, "main.tf", "module \"slack\" {\n  source = \"terraform-aws-modules/notify-slack/aws\"\n  sns_topic_name = \"alerts\"\n  slack_webhook_url = "+tt.expression+"\n}\n")
		file := string(d.File("tocsin import notify-slack main.tf", (*importer.Secret).Named))
		if !strings.Contains(file, tt.says) || strings.Contains(file, "secretive") {
			t.Errorf("%s: want %q in the file:\n%s", tt.expression, tt.says, file)
		}
	}
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a.tf", "", "a.tf:1:1: no module of terraform-aws-notify-slack is in it"},
		{"a.tf", "module \"vpc\" {\n  source = \"x\"\n}\n", "a.tf:1:1: no module"},
		{"a.tfvars", "slack_webhook_url = \n", "a.tfvars:1:21: a value is missing"},
		{"a.tfvars", "slack_webhook_url = \"https://example.com\"\nslack_webhook_url = \"\"\n", `a.tfvars:2:1: "slack_webhook_url" is there twice`},
		{"a.tf", "module \"slack\" {\n", "a.tf:2:1: a closing brace is missing"},
		{"a.tf", "\nslack_webhook_url = \"https://example.com/secretive\nx = \"y\"\n", "a.tf:2:21: a quote is missing"},
		{"a.tf", "a = 1\r\nslack_webhook_url = <<-EOT\r\n  secretive\r\n  EO\r\n", "a.tf:2:21: EOT is missing, which ends the text"},
		{"a.tfvars", "slack_webhook_url = \"secretive\"\n", "a.tfvars:1:21: slack_webhook_url is not a URL"},
		{"a.json", `{"slack_webhook_url": `, "a.json:1:23: not JSON: it ends too early"},
		{"a.json", `{"slack_webhook_url": "https://example.com"} {}`, "a.json:1:46: something follows"},
		{"a.json", `[]`, "a.json:1:1: got a list"},
	} {
		if _, err := notifyslack.Import(tt.name, []byte(tt.text), notifyslack.Options{Account: "111122223333"}); err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secretive") {
			t.Errorf("%s %q: %v, want %s…", tt.name, tt.text, err, tt.want)
		}
	}
	_, err := notifyslack.Import("a.tfvars", []byte("slack_webhook_url = \"https://example.com\"\nsns_topic_name = \"x\"\n"), notifyslack.Options{})
	if err == nil || !strings.Contains(err.Error(), "a.tfvars:2:18: the topic's account is not in the file: give it with --account") {
		t.Errorf("without an account: %v", err)
	}
}
