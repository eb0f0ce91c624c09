package inbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/inbox"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack"
	"github.com/tocsin-sec/tocsin/internal/notify/sms"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
	"github.com/tocsin-sec/tocsin/internal/notify/voice"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// phones are the receivers of text messages and calls of a house.
func phones(t *testing.T, h house, query string) (texts, calls notify.Notifier) {
	t.Helper()
	account := twilio.Settings{AccountSID: "AC" + strings.Repeat("0", 32), AuthToken: secret.New("demo"), URL: h.url + "/twilio" + query}
	texts = notifier(t, sms.Kind, sms.Config{Twilio: &sms.Twilio{Settings: account, From: "+15005550006"}})
	calls = notifier(t, voice.Kind, voice.Config{Twilio: &voice.Twilio{Settings: account, From: "+15005550006"}})
	return texts, calls
}

func named(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

func TestPeopleAreTold(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	texts, calls := phones(t, h, "")
	app := notifier(t, slack.Kind, slack.Config{Token: secret.New("xoxb-demo"), APIURL: secret.New(h.url + "/slack-api/")})
	for _, name := range []string{"opened-with-actions", "digest", "note", "code"} {
		m := named(t, name)
		for _, to := range []struct {
			n       notify.Notifier
			address string
		}{{texts, "+4930123456"}, {calls, "+4930123456"}, {app, "U012AB3CD"}, {h.mail, "ana@example.com"}} {
			m.To, m.Person = to.address, "ana"
			if _, err := to.n.Notify(t.Context(), m); err != nil {
				t.Fatalf("%s to %s: %v", name, to.address, err)
			}
		}
	}
	if got := h.inbox.Rung(); got != 8 {
		t.Errorf("Rung = %d, want 8", got)
	}
	if a, b, _ := h.inbox.Counts(); a != 4 || b != 4 {
		t.Errorf("Counts = %d of Slack and %d mails, want 4 of each", a, b)
	}
	page, _ := get(t, h.url)
	for _, want := range []string{
		"@U012AB3CD", "ana@example.com", "<b>&#43;4930123456</b>",
		"<p>428317 is your code for tocsin. ", "<p>This is tocsin. Your code is: 4, 2, 8, 3, 1, 7</p>",
		"<p>5 alerts: 2 critical, 1 high, 1 medium, 1 low</p>", "<p>CRITICAL #4830 prod-payments eu-west-1: Attack sequence",
		"[tocsin] 428317 is your code for tocsin", "Nobody is on call for schedule payments",
		"<p>This is tocsin. Critical: prod-payments eu-west-1: EC2 web-1 is calling a C2 server.</p>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "Again: This is tocsin") {
		t.Error("what a call says twice is shown twice")
	}
	if only, _ := get(t, h.url+"/?show=phone"); !strings.Contains(only, "Your code is") || strings.Contains(only, "ana@example.com") {
		t.Error("?show=phone shows more, or less")
	}
}

func TestAnAppsMessageIsShownAsItWasEdited(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	app := notifier(t, slack.Kind, slack.Config{Token: secret.New("xoxb-demo"), Channel: "C0123456789", APIURL: secret.New(h.url + "/slack-api/")})
	ref, err := app.Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
	if err != nil {
		t.Fatal(err)
	}
	m := named(t, "acknowledged")
	m.Ref = ref
	if again, err := app.Notify(t.Context(), m); err != nil || again != ref {
		t.Fatalf("Notify = %q, %v, want %q", again, err, ref)
	}
	page, _ := get(t, h.url)
	if n := strings.Count(page, `<article class="slack"`); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	for _, want := range []string{"#C0123456789", "(edited)", `<div class="note thread"><p>`, "ACKNOWLEDGED by ana"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if a, _, _ := h.inbox.Counts(); a != 1 {
		t.Errorf("Counts = %d of Slack, want 1: an edit is no message", a)
	}
	m.Ref = "C0123456789:1.000001"
	if _, err := app.Notify(t.Context(), m); err != nil {
		t.Errorf("a message that is gone is not posted anew: %v", err)
	}
}

func TestButtonsAreShown(t *testing.T) {
	t.Parallel()
	b := inbox.New(inbox.Options{Now: notifytest.Now})
	h := serve(t, b)
	post(t, h+"/slack/x", `{"blocks":[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Acknowledge <b>"},"action_id":"a","value":"1"}]}]}`, "ok")
	post(t, h+"/slack/x", `{"blocks":[{"type":"actions","elements":[{"type":"plain_text","text":"Acknowledge"}]}]}`, "invalid_blocks")
	post(t, h+"/slack/x", fmt.Sprintf(`{"blocks":[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":%q}}]}]}`, strings.Repeat("x", 76)), "invalid_blocks")
	if page, _ := get(t, h); !strings.Contains(page, `<span class="press">Acknowledge &lt;b&gt;</span>`) {
		t.Error("the button is not shown")
	}
}

func TestHostileTextsOfPhonesAreShownHarmless(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	texts, calls := phones(t, h, "")
	for _, c := range notifytest.Corpus() {
		if k := c.Message.Kind; k == tocsin.TellAcknowledged {
			continue
		}
		for _, n := range []notify.Notifier{texts, calls} {
			c.Message.To = "+4930123456"
			if _, err := n.Notify(t.Context(), c.Message); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
		}
	}
	page, _ := get(t, h.url+"/?show=phone")
	if strings.Contains(page, "<script") || strings.Contains(page, "onerror=\"") || strings.Contains(page, "<img") {
		t.Error("the page holds markup of a finding")
	}
}

func TestTwilioRefusesWhatTwilioRefuses(t *testing.T) {
	t.Parallel()
	h := serve(t, inbox.New(inbox.Options{}))
	base := h + "/twilio/2010-04-01/Accounts/AC0/"
	for _, tt := range []struct{ address, form, want string }{
		{base + "Messages.json", "To=030123456&Body=x", "21211"},
		{base + "Calls.json", "To=%2B4930123456&Twiml=%3CResponse%3E", "12100"},
		{base + "Faxes.json", "To=%2B4930123456&Body=x", "20404"},
		{base + "Messages.json", "To=%2B4930123456&Body=x", `"sid":"SM`},
	} {
		post(t, tt.address, tt.form, tt.want)
	}
}
