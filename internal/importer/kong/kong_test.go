package kong_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/importer/kong"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/store"
)

const (
	green = "#4CAF50"
	amber = "#FF9800"
	red   = "#F44336"
	dark  = "#6E0B14"
	grey  = "#9E9E9E"
)

// Defect 1: the colour was looked up by the account's threshold, so that all
// messages of an account had the same.
func TestTheColourIsThatOfTheFindingAndNotOfTheThreshold(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	for _, tt := range []struct {
		severity float64
		want     string
	}{{2, green}, {5, amber}, {8, red}} {
		_, posts := h.take(finding(fmt.Sprint("colour", tt.severity), "123456789012", tt.severity, ""))
		if len(posts) != 1 || posts[0].colour != tt.want {
			t.Errorf("severity %v in an account of threshold low: %+v, want one post of colour %s", tt.severity, posts, tt.want)
		}
	}
}

// Defect 2: there was no Critical; 9.x was High.
func TestCriticalIsALevelOfItsOwn(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	for _, tt := range []struct {
		severity     float64
		word, colour string
	}{
		{1, "LOW", green},
		{3.9, "LOW", green},
		{4, "MEDIUM", amber},
		{6.9, "MEDIUM", amber},
		{7, "HIGH", red},
		{8.9, "HIGH", red},
		{9, "CRITICAL", dark},
		{10, "CRITICAL", dark},
	} {
		_, posts := h.take(finding(fmt.Sprint("level", tt.severity), "123456789012", tt.severity, ""))
		if len(posts) != 1 || posts[0].colour != tt.colour || !strings.Contains(posts[0].body, tt.word+" · ") {
			t.Errorf("severity %v: %+v, want one post that begins with %s, of colour %s", tt.severity, posts, tt.word, tt.colour)
		}
	}
}

// Defect 3: a message said neither region, type and resource, nor how often, when
// and by whom.
func TestAMessageSaysRegionTypeResourceCountTimesAndRemoteIP(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	raw := strings.Replace(string(finding("facts", "123456789012", 5, "")), `"serviceName":"guardduty"`, `"serviceName":"guardduty","action":{"actionType":"NETWORK_CONNECTION",`+
		`"networkConnectionAction":{"connectionDirection":"INBOUND","remoteIpDetails":{"ipAddressV4":"203.0.113.7"}}}`, 1)
	_, posts := h.take([]byte(raw))
	if len(posts) != 1 {
		t.Fatalf("posts: %+v", posts)
	}
	for _, want := range []string{"payments", "123456789012", "eu-west-1", "Recon:EC2/PortProbeUnprotectedPort", "i-0abc", "3 times", "2026-08-01 00:00", "203.0.113.7", "facts"} {
		if !strings.Contains(posts[0].body, want) {
			t.Errorf("the message does not say %q: %s", want, posts[0].body)
		}
	}
}

// Title, description, account, severity and link were in a message, and are.
func TestAMessageSaysAllThatItSaidBefore(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	_, posts := h.take(finding("before", "123456789012", 5, ""))
	if len(posts) != 1 {
		t.Fatalf("posts: %+v", posts)
	}
	for _, want := range []string{
		"An open port is probed.", "payments (123456789012)", "MEDIUM", "https://console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?search=id%3Dbefore",
		"https://docs.aws.amazon.com/guardduty/latest/ug/", // what its type means, and what to do about it
	} {
		if !strings.Contains(posts[0].body, want) {
			t.Errorf("the message does not say %q: %s", want, posts[0].body)
		}
	}
	_, posts = h.take(finding("stranger", "999999999999", 5, ""))
	if len(posts) != 1 || posts[0].channel != "default" || !strings.Contains(posts[0].body, "999999999999") || strings.Contains(posts[0].body, "999999999999 ()") {
		t.Errorf("of an account that is not in the file: %+v, want its id, by the default webhook", posts)
	}
}

// Who has no webhook of their own is told by the default one, and it is known that
// it is the last resort.
func TestTheDefaultWebhookIsTheFallback(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/main.yml")
	if err != nil {
		t.Fatal(err)
	}
	c := parsed(t, imported(t, string(text)))
	for account, want := range map[string]string{
		"012345678901": "slack-audit", "123456789012": "slack-payments", "444455556666": "slack-payments",
		"111122223333": "slack", "555566667777": "slack", "999999999999": "slack",
	} {
		d := c.Routes.Decide(tocsin.Alert{Detection: tocsin.Detection{Account: account}})
		if len(d.Targets) != 1 || d.Targets[0].Receiver != want || d.Fallback != (want == "slack") {
			t.Errorf("account %s: %+v (fallback %v), want %s", account, d.Targets, d.Fallback, want)
		}
	}
}

// Defect 4: what was below the threshold left no trace.
func TestWhatIsBelowTheThresholdIsRecordedWithItsReason(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	for _, tt := range []struct {
		account  string
		severity float64
		want     tocsin.Verdict
	}{
		{"111122223333", 6.9, tocsin.Filtered},
		{"111122223333", 7, tocsin.Opened},
		{"210987654321", 3.9, tocsin.Filtered},
		{"210987654321", 4, tocsin.Opened},
		{"123456789012", 1, tocsin.Opened},
		{"012345678901", 5, tocsin.Filtered}, // its id begins with a zero, without quotes in the file
		{"012345678901", 8, tocsin.Opened},
		{"555566667777", 1, tocsin.Opened}, // no severity in the file
		{"999999999999", 1, tocsin.Opened}, // not in the file
	} {
		r, posts := h.take(finding(fmt.Sprint("threshold", tt.account, tt.severity), tt.account, tt.severity, ""))
		if r.Verdict != tt.want || (len(posts) == 1) != (tt.want == tocsin.Opened) {
			t.Errorf("%s, severity %v: %s and %d posts, want %s", tt.account, tt.severity, r.Verdict, len(posts), tt.want)
		}
		if tt.want == tocsin.Filtered && !strings.Contains(r.Reason, "minimum of account") {
			t.Errorf("%s, severity %v: the reason is %q", tt.account, tt.severity, r.Reason)
		}
	}
	kept := 0
	err := h.app.Store().View(t.Context(), func(tx *store.Tx) error {
		return tx.EachEvent(store.EventFilter{Verdicts: []tocsin.Verdict{tocsin.Filtered}}, func(ev tocsin.Event) error {
			kept++
			if len(ev.Raw) == 0 {
				t.Error("a filtered event was kept without its bytes")
			}
			return nil
		})
	})
	if err != nil || kept != 3 {
		t.Errorf("the journal has %d filtered events, %v; want 3", kept, err)
	}
}

// Defect 5: an unknown word for a threshold meant low, without a word.
func TestAnUnknownThresholdWordIsAnErrorWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"hihg", "High", "critical", "7", "true", `" low"`, "[low]"} {
		_, err := kong.Import("main.yml", []byte("webhook: https://example.com/x\naccounts:\n  111122223333:\n    severity: "+word+"\n"), kong.Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "main.yml:4:15: severity: ") || !strings.Contains(err.Error(), "low, medium and high") {
			t.Errorf("severity: %s: %v, want an error at main.yml:4:15", word, err)
		}
	}
	for name, line := range map[string]string{"missing": "name: lab", "nothing": "severity:", "empty": `severity: ""`, "null": "severity: ~"} {
		d := imported(t, "webhook: https://example.com/x\naccounts:\n  111122223333:\n    "+line+"\n")
		if got := parsed(t, d).Accounts["111122223333"].Minimum; got != tocsin.Unknown {
			t.Errorf("severity %s: minimum %s, want everything", name, got)
		}
	}
}

// Defect 6: that there was no webhook was found out when a message was to be
// posted.
func TestNoWebhookAtAllIsAnErrorWhenTheFileIsRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"none", "accounts:\n  111122223333: {name: lab}\n", "main.yml:1:1: webhook: is empty"},
		{"empty", "webhook: \"\"\naccounts:\n  111122223333: {name: lab, webhook: \"\"}\n", "main.yml:1:10: webhook: is empty"},
		{"accounts that are not in the file have none", "webhook:\naccounts:\n  111122223333: {webhook: https://example.com/x}\n", "main.yml:1:1: webhook: is empty"},
		{"no URL", "webhook: hooks.slack.com/services/T0\n", "main.yml:1:10: webhook: is not the URL"},
		{"an account's is no URL", "webhook: https://example.com/x\naccounts:\n  111122223333: {webhook: secretive}\n", "main.yml:3:27: webhook: is not the URL"},
	} {
		_, err := kong.Import("main.yml", []byte(tt.text), kong.Options{})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secretive") {
			t.Errorf("%s: %v, want %s…", tt.name, err, tt.want)
		}
	}
}

// Defect 7: an error of Slack's was an error of the function, tried twice more and
// then dropped.
func TestAnErrorOfSlackIsTriedAgainUntilItIsTaken(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	h.slack.Break("webhook", slacktest.Fault{Status: 500}, slacktest.Fault{Status: 429, RetryAfter: "30"}, slacktest.Fault{Status: 503},
		slacktest.Fault{Status: 500}, slacktest.Fault{Status: 502})
	if r, posts := h.take(finding("tried", "123456789012", 8, "")); r.Verdict != tocsin.Opened || len(posts) != 0 {
		t.Fatalf("%s with %d posts, want opened and none yet", r.Verdict, len(posts))
	}
	var posts []post
	for range 10 {
		h.now = h.now.Add(6 * time.Minute)
		h.drain()
		posts = append(posts, h.posts()...)
	}
	if len(posts) != 1 || posts[0].channel != "payments" {
		t.Errorf("after five errors of Slack: %+v, want the message once", posts)
	}
}

// Defect 8: each update of a finding was a new message.
func TestUpdatesOfAFindingAreNoNewMessages(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	posts := 0
	for i := range 8 {
		raw := strings.NewReplacer(`"count":3`, fmt.Sprintf(`"count":%d`, 3+i), "00:05:00Z", fmt.Sprintf("%02d:05:00Z", 6+i), `"id":"e-`, fmt.Sprintf(`"id":"e%d-`, i)).
			Replace(string(finding("updated", "123456789012", 5, "")))
		_, said := h.take([]byte(raw))
		posts += len(said)
		h.now = h.now.Add(6 * time.Hour)
	}
	if posts != 1 {
		t.Errorf("a finding with seven updates is %d messages, want 1", posts)
	}
	if _, said := h.take([]byte(strings.NewReplacer(`"severity":5`, `"severity":8`, "00:05:00Z", "23:05:00Z").Replace(string(finding("updated", "123456789012", 5, ""))))); len(said) != 1 {
		t.Errorf("what gets worse is %d messages, want 1", len(said))
	}
}

// Defect 9: an event that could not be read ended the process.
func TestAMalformedEventEndsNothing(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	for _, raw := range []string{`{"detail":`, "", "null", `{"detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":"%s %d"}`, "\x00\xff", `[]`} {
		if r, posts := h.take([]byte(raw)); r.Verdict == tocsin.Opened || len(posts) != 0 {
			t.Errorf("%q: %s and %d posts", raw, r.Verdict, len(posts))
		}
	}
	if r, posts := h.take(finding("after", "123456789012", 8, "")); r.Verdict != tocsin.Opened || len(posts) != 1 {
		t.Errorf("the event after them: %s and %d posts, want opened and one", r.Verdict, len(posts))
	}
}

// Defect 10: the tag of the id was malformed, and the id was found because
// encoding/json does not mind the case of letters.
func TestTheFindingsIDIsReadFromItsOwnField(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	_, posts := h.take(finding("0123456789abcdef0123456789abcdef", "123456789012", 8, `,"ID":"decoy","iD":"decoy"`))
	if len(posts) != 1 || !strings.Contains(posts[0].body, "finding 0123456789abcdef0123456789abcdef") || strings.Contains(posts[0].body, "decoy") {
		t.Errorf("posts: %+v, want one that says the id", posts)
	}
}

// Defect 11: webhooks, which are secrets, were in the YAML, the zip and the state.
func TestNoWebhookIsInTheFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/main.yml")
	if err != nil {
		t.Fatal(err)
	}
	d := imported(t, string(text))
	printed := string(d.File("tocsin import kong main.yml", (*importer.Secret).Named))
	for _, r := range d.Sorted() {
		printed += r.String()
	}
	for _, s := range d.Needed() {
		printed += fmt.Sprintf("%v %+v", *s, s)
	}
	if strings.Contains(printed, "hooks.slack.com") || strings.Contains(printed, "B00000000") {
		t.Errorf("a webhook is printed:\n%s", printed)
	}
	for _, want := range []string{"${env:TOCSIN_SLACK}", "${env:TOCSIN_SLACK_PAYMENTS}", "${env:TOCSIN_SLACK_WEB}", "${env:TOCSIN_SLACK_AUDIT}"} {
		if strings.Count(printed, want) != 1 {
			t.Errorf("%s is there %d times, want once: two accounts of one webhook are one receiver", want, strings.Count(printed, want))
		}
	}
	dir := t.TempDir()
	if _, err := d.Write(dir, "tocsin import kong main.yml", false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"slack": "default", "slack-payments": "payments", "slack-web": "web", "slack-audit": "audit"} {
		path := filepath.Join(dir, "secrets", name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v, %v; want 0600", path, info, err)
		}
		if text, _ := os.ReadFile(path); !strings.HasSuffix(string(text), "/"+want) {
			t.Errorf("%s does not end in %s", path, want)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "tocsin.yml")); strings.Contains(string(text), "hooks.slack.com") {
		t.Errorf("a webhook is in the file:\n%s", text)
	}
}

// Found by the comparison, and none of the eleven: a sample looked like the real
// thing.
func TestASampleIsMarkedAsOne(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	raw := strings.Replace(string(finding("sample", "123456789012", 8, "")), `"serviceName":"guardduty"`, `"serviceName":"guardduty","additionalInfo":{"sample":true}`, 1)
	_, posts := h.take([]byte(raw))
	if len(posts) != 1 || posts[0].colour != grey || !strings.Contains(posts[0].body, "SAMPLE") {
		t.Errorf("posts: %+v, want one that is grey and says SAMPLE", posts)
	}
}

func TestAccountIDsKeepTheirZeros(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"012345678901", "012345670123", "000000000001", `"012345678901"`, "'012345670123'", "0123-4567-8901", "!!str 012345678901"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			c := parsed(t, imported(t, "webhook: https://example.com/x\naccounts:\n  "+key+":\n    name: audit\n"))
			want := strings.Trim(strings.ReplaceAll(strings.TrimPrefix(key, "!!str "), "-", ""), `"'`)
			if len(c.Accounts) != 1 || c.Accounts[want].Name != "audit" {
				t.Errorf("accounts: %+v, want %s", c.Accounts, want)
			}
		})
	}
	for _, bad := range []string{"11111111111", "1111111111111", "lab", "1.1e11", "0x1234567890", `""`} {
		if _, err := kong.Import("main.yml", []byte("webhook: https://example.com/x\naccounts:\n  "+bad+": {name: x}\n"), kong.Options{}); err == nil || !strings.HasPrefix(err.Error(), "main.yml:3:3: ") {
			t.Errorf("account %s: %v, want an error at main.yml:3:3", bad, err)
		}
	}
}

func TestTheURLHasTwoPlacesForRegionAndFinding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url string
		ok  bool
	}{
		{"https://console.aws.amazon.com/guardduty/home?region=%s#/findings?macros=current&fId=%s", true},
		{"https://example.com/%s/%s?a=100%%", true},
		{"https://console.aws.amazon.com/guardduty/home?region=%s", false},
		{"https://console.aws.amazon.com/guardduty/home", false},
		{"https://example.com/%s/%s/%s", false},
		{"https://example.com/%s/%d", false},
		{"https://example.com/%s/%s?search=id%3D", false},
		{"https://example.com/%[2]s/%[1]s", false},
		{"%s%s", false},
	} {
		_, err := kong.Import("main.yml", []byte("webhook: https://example.com/x\nurl: \""+tt.url+"\"\n"), kong.Options{})
		if (err == nil) != tt.ok || err != nil && !strings.HasPrefix(err.Error(), "main.yml:2:6: url: ") {
			t.Errorf("%s: %v, want ok %v", tt.url, err, tt.ok)
		}
	}
}

func TestNothingOfTheFileIsPassedOver(t *testing.T) {
	t.Parallel()
	d := imported(t, `colors: {low: "#4CAF50", high: good, weird: "#000000"}
webhook: https://example.com/x
timeout: 3
url: https://siem.example.com/%s/%s
accounts:
  111122223333: {name: lab, region: eu-west-1}
`)
	var lines []string
	for _, r := range d.Sorted() {
		lines = append(lines, r.String())
	}
	want := []string{
		"main.yml:1:9: colors.medium: is missing, and Slack showed grey; such findings have tocsin's own colour",
		`main.yml:1:38: weird: not taken: tocsin has nothing like it`,
		"main.yml:3:1: timeout: not taken: tocsin has nothing like it",
		"main.yml:4:6: url: leads to siem.example.com; tocsin's messages link to the finding in the AWS console of its partition, and to the alert in tocsin",
		"main.yml:6:29: region: not taken: tocsin has nothing like it",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("remarks:\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	parsed(t, d)
}

func TestWhatIsNoMainYMLIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", "main.yml: is empty"},
		{"[]", "main.yml:1:1: got a list"},
		{"webhook: [", "main.yml:1:"},
		{"webhook: https://example.com/x\nwebhook: https://example.com/y\n", `main.yml:2:1: "webhook" is there twice, first in line 1`},
		{"webhook: https://example.com/x\ncolors: red\n", "main.yml:2:9: colors: got a word"},
		{"webhook: https://example.com/x\ncolors: {high: reddish}\n", `main.yml:2:16: colors.high: "reddish" is no colour`},
		{"webhook: https://example.com/x\naccounts: [111122223333]\n", "main.yml:2:11: accounts: got a list"},
		{"webhook: https://example.com/x\naccounts:\n  111122223333: lab\n", "main.yml:3:17: accounts.111122223333: got a word"},
		{"webhook: https://example.com/x\naccounts:\n  111122223333: {}\n  1111-2222-3333: {}\n", "main.yml:4:3: accounts: 111122223333 is there twice"},
	} {
		if _, err := kong.Import("main.yml", []byte(tt.text), kong.Options{}); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s…", tt.text, err, tt.want)
		}
	}
}
