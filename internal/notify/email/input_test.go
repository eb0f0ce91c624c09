package email

import (
	"bytes"
	"io"
	"log/slog"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// pageTemplate is the input transformer of the GuardDuty guide's e-mail set-up
// (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html),
// as it stands there.
const pageTemplate = `"You have a severity <severity> GuardDuty finding type <Finding_Type> in the <region> region."
"Finding Description:" "<Finding_description>. "
"For more details open the GuardDuty console at https://console.aws.amazon.com/guardduty/home?region=<region>#/findings?search=id%3D<Finding_ID>"`

// withAccount is the same with the account, without which nobody knows whose
// finding it is.
const withAccount = `"AWS <Account_ID> has a severity <severity> GuardDuty finding type <Finding_Type> in the <region> region."
"Finding Description:"
"<Finding_description>. "
"For more details open the GuardDuty console at https://console.aws.amazon.com/guardduty/home?region=<region>#/findings?search=id%3D<Finding_ID>"`

func inputPaths() map[string]string {
	return map[string]string{
		"severity": "$.detail.severity", "Finding_ID": "$.detail.id", "Finding_Type": "$.detail.type",
		"region": "$.region", "Finding_description": "$.detail.description",
	}
}

func withInput(t *testing.T, in *notify.Input) *notifier {
	t.Helper()
	return opened(t, Config{To: []string{"alice@example.com"}, From: "tocsin@example.com", SMTP: "127.0.0.1:25", Input: in})
}

func event(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// composed is the mail, its head and its text if it has no other part.
func composed(t *testing.T, n *notifier, m notify.Message) (head netmail.Header, text string, whole []byte) {
	t.Helper()
	to, err := n.recipients(m)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := n.compose(m, to)
	if err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		t.Fatal(err)
	}
	whole = bytes.Clone(raw.Bytes())
	read, err := netmail.ReadMessage(&raw)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(read.Header.Get("Content-Type"), "text/plain") {
		return read.Header, "", whole
	}
	body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
	if err != nil {
		t.Fatal(err)
	}
	return read.Header, strings.ReplaceAll(string(body), "\r\n", "\n"), whole
}

func TestAMailSaysExactlyWhatTheInputTransformerGives(t *testing.T) {
	t.Parallel()
	account := inputPaths()
	account["Account_ID"] = "$.detail.accountId"
	for name, in := range map[string]*notify.Input{
		"page":         {Paths: inputPaths(), Template: pageTemplate},
		"with-account": {Paths: account, Template: withAccount},
		"json":         {Paths: account, Template: `{"account": <Account_ID>, "severity": <severity>, "type": "<Finding_Type>"}`},
	} {
		n := withInput(t, in)
		if !n.ReadsEvent() {
			t.Error("it does not say that it reads the event")
		}
		for _, what := range []string{"command-and-control", "attack-sequence"} {
			m := notifytest.Messages()[0].Message
			ordinary, _, _ := composed(t, withInput(t, nil), m)
			m.Event = event(t, what)
			head, text, _ := composed(t, n, m)
			if head.Get("Subject") != ordinary.Get("Subject") || head.Get("Message-ID") != ordinary.Get("Message-ID") || head.Get("List-Id") == "" {
				t.Errorf("%s: the head is %v", name, head)
			}
			notifytest.Golden(t, "input/"+name+"-"+what+".txt", []byte(text))
		}
	}
}

// What AWS sends for the page's own template, word for word, but for the quotes.
func TestTheGuidesOwnMail(t *testing.T) {
	t.Parallel()
	m := notifytest.Messages()[0].Message
	m.Event = event(t, "command-and-control")
	_, text, _ := composed(t, withInput(t, &notify.Input{Paths: inputPaths(), Template: pageTemplate}), m)
	want := `You have a severity 8.7 GuardDuty finding type Backdoor:EC2/C&CActivity.B!DNS in the us-west-2 region.
Finding Description: An EC2 instance is communicating with a known command and control server.. 
For more details open the GuardDuty console at https://console.aws.amazon.com/guardduty/home?region=us-west-2#/findings?search=id%3D00000000000000000000000000000000
`
	if text != want {
		t.Errorf("the mail says\n%s, want\n%s", text, want)
	}
}

func TestWithoutAnEventTheMailIsTheOrdinaryOne(t *testing.T) {
	t.Parallel()
	n, plain := withInput(t, &notify.Input{Paths: inputPaths(), Template: pageTemplate}), withInput(t, nil)
	for _, c := range notifytest.Messages() {
		_, _, got := composed(t, n, c.Message)
		if _, _, want := composed(t, plain, c.Message); !bytes.Equal(got, want) {
			t.Errorf("%s: the mail is not the ordinary one", c.Name)
		}
	}
	if plain.ReadsEvent() {
		t.Error("without input it says that it reads the event")
	}
}

// A mail that is not as it was wanted is better than none.
func TestAnEventThatCannotBeTransformedIsToldInOurWords(t *testing.T) {
	t.Parallel()
	n := withInput(t, &notify.Input{Paths: inputPaths(), Template: pageTemplate})
	var log bytes.Buffer
	n.log = slog.New(slog.NewTextHandler(&log, nil))
	m := notifytest.Messages()[0].Message
	m.Event = []byte("not JSON")
	if _, text, whole := composed(t, n, m); text != "" || !bytes.Contains(whole, []byte("multipart/alternative")) || !strings.Contains(log.String(), "mail is not what input says") {
		t.Errorf("the mail is %.300s; logged %s", whole, log.String())
	}
}

func TestQuotesAreTakenOffTextsAndNotOffJSON(t *testing.T) {
	t.Parallel()
	for result, want := range map[string]string{
		`"one"`:                  "one\n",
		"\"one\"\n\"two\"":       "one\ntwo\n",
		`"a" "b"`:                "a b\n",
		`"a \"b\" \\ ü\nc"`:      "a \"b\" \\ ü\nc\n",
		`{"a": "b"}`:             "{\"a\": \"b\"}\n",
		`["a"]`:                  "[\"a\"]\n",
		"\"one\"\n\n\"three\"\n": "one\n\nthree\n",
		`"an end is missing`:     "\"an end is missing\n",
	} {
		if got := unquoted([]byte(result)); got != want {
			t.Errorf("unquoted(%s) = %q, want %q", result, got, want)
		}
	}
}

func TestAnInputThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := open(Config{From: "tocsin@example.com", SMTP: "127.0.0.1:25", Input: &notify.Input{Template: `"<severity>"`}}, notifytest.Env(t, nil))
	if err == nil || !strings.HasPrefix(err.Error(), "input: ") {
		t.Errorf("open = %v, want one that names input", err)
	}
}
