package inbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/email"
	"github.com/tocsin-sec/tocsin/internal/notify/inbox"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack"
	"github.com/tocsin-sec/tocsin/internal/notify/sms"
	"github.com/tocsin-sec/tocsin/internal/notify/voice"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A house is an inbox that runs, and the notifiers that tell it.
type house struct {
	inbox                *inbox.Inbox
	url                  string
	slack, mail, webhook notify.Notifier
}

// notifier opens a kind with settings as the configuration would.
func notifier(t *testing.T, k notify.Kind, settings any) notify.Notifier {
	t.Helper()
	env := notifytest.Env(t, nil)
	n, err := k.Open(func(into any) error {
		switch c := into.(type) {
		case *slack.Config:
			*c = settings.(slack.Config)
		case *email.Config:
			*c = settings.(email.Config)
		case *webhook.Config:
			*c = settings.(webhook.Config)
		case *sms.Config:
			*c = settings.(sms.Config)
		case *voice.Config:
			*c = settings.(voice.Config)
		default:
			return fmt.Errorf("settings of %T", into)
		}
		return nil
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func start(t *testing.T, query string) house {
	t.Helper()
	b := inbox.New(inbox.Options{Keep: 40, Secret: secret.New(key), Now: notifytest.Now})
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mails := b.MailServer()
	done := make(chan error, 1)
	go func() { done <- mails.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(mails.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return house{
		inbox: b, url: server.URL,
		slack: notifier(t, slack.Kind, slack.Config{WebhookURL: secret.New(server.URL + "/slack/payments-alerts" + query)}),
		mail: notifier(t, email.Kind, email.Config{
			To: []string{"oncall@payments.example.com"}, From: "tocsin <tocsin@example.com>", SMTP: listener.Addr().String(), TLS: "none",
		}),
		webhook: notifier(t, webhook.Kind, webhook.Config{URL: secret.New(server.URL + "/webhook/soar" + query), Secret: secret.New(key)}),
	}
}

func get(t *testing.T, url string) (string, http.Header) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, resp.Status, err)
	}
	return string(body), resp.Header
}

// serve starts an inbox and returns its address.
func serve(t *testing.T, b *inbox.Inbox) string {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return server.URL
}

// post posts a body and wants those words in the answer.
func post(t *testing.T, address, body, want string) {
	t.Helper()
	resp, err := http.Post(address, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(said), want) {
		t.Errorf("POST %s %.80s: %q, %v, want %q", address, body, said, err, want)
	}
}

func (h house) tell(t *testing.T, cases []notifytest.Case) {
	t.Helper()
	for _, c := range cases {
		for _, n := range []notify.Notifier{h.slack, h.mail, h.webhook} {
			if _, err := n.Notify(t.Context(), c.Message); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
		}
	}
}

func TestMessagesAreShownAsTheirReadersSeeThem(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	// Codes are for people: TestPeopleAreTold.
	cases := slices.DeleteFunc(notifytest.Messages(), func(c notifytest.Case) bool { return c.Message.Kind == tocsin.TellCode })
	for i := range cases {
		cases[i].Message.ID = fmt.Sprintf("01JXGH6C3T2M5Q8V9WZ4N7RK%02d", i)
	}
	h.tell(t, cases)
	if a, b, c := h.inbox.Counts(); a != len(cases) || b != len(cases) || c != len(cases) {
		t.Errorf("Counts = %d, %d, %d, want %d of each", a, b, c, len(cases))
	}
	page, head := get(t, h.url)
	for _, want := range []string{
		"#payments-alerts",
		`<h3 class="header">■ CRITICAL · prod-payments (111122223333) eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server</h3>`,
		`<i class="bar-6E0B14"></i>`, ".slack .attachment > i.bar-6E0B14 { background: #6E0B14; }",
		"<b>First step</b><pre>aws ec2 describe-instances", `>Alert #4821</a>`, "Backdoor:EC2/C&amp;CActivity.B!DNS</a>",
		"[tocsin][CRITICAL] prod-payments eu-west-1", "oncall@payments.example.com", "signature verified",
		`&#34;finding_id&#34;: &#34;3ac1b2c3d4e5f60718293a4b5c6d7e8f&#34;`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := head.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
	mail, head := get(t, h.url+"/mail/1")
	if !strings.Contains(mail, "Open alert #4821") || !strings.Contains(head.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("mail 1: %q, %.200s", head.Get("Content-Security-Policy"), mail)
	}
	if out := os.Getenv("TOCSIN_INBOX_HTML"); out != "" { // to look at it
		if err := os.WriteFile(out, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var quoted = regexp.MustCompile(`"[^"]*"`)

func TestHostileMessagesAreShownHarmless(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	h.tell(t, notifytest.Corpus())
	page, _ := get(t, h.url)
	known := regexp.MustCompile(`^</?(?:!DOCTYPE|html|head|meta|title|style|body|header|div|h1|h2|h3|p|nav|a|main|section|article|b|i|s|span|time|code|pre|br|mark|dl|dt|dd|iframe|details|summary|footer|hr)\b`)
	for _, found := range regexp.MustCompile(`<[^>]*>`).FindAllString(regexp.MustCompile(`(?s)<style.*?</style>`).ReplaceAllString(page, ""), -1) {
		if bare := quoted.ReplaceAllString(found, `""`); !known.MatchString(found) || strings.Contains(bare, " on") || strings.Contains(bare, " style=") || strings.Contains(found, "<mark") {
			t.Errorf("tag %s", found)
		}
		if strings.Contains(found, "href=\"http") && strings.Contains(found, "evil") {
			t.Errorf("link %s", found)
		}
	}
}

// Whoever posts to it directly is not trusted either.
func TestWhatIsPostedByHandIsEscaped(t *testing.T) {
	t.Parallel()
	b := inbox.New(inbox.Options{Now: notifytest.Now})
	server := httptest.NewServer(b)
	defer server.Close()
	nasty := `<script>alert(1)</script> <javascript:alert(1)|x> <https://evil.example/"onclick="x|y> *a<b>* <!channel>`
	body, err := json.Marshal(map[string]any{
		"text":        nasty,
		"blocks":      []any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": nasty}}},
		"attachments": []any{map[string]any{"color": "red;} body{display:none", "blocks": []any{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(server.URL+"/slack/%3Cscript%3E", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	page, _ := get(t, server.URL)
	for _, bad := range []string{"<script", `"onclick="`, "href=\"javascript", "display:none"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if !strings.Contains(page, `<mark class="mention">!channel</mark>`) {
		t.Error("a mention is not shown as one")
	}
}

func TestAReceiverThatFailsOnDemand(t *testing.T) {
	t.Parallel()
	h := start(t, "?fail=503&times=2&retry_after=5")
	m := notifytest.Messages()[0].Message
	for _, n := range []notify.Notifier{h.slack, h.webhook} {
		for attempt := 1; attempt <= 3; attempt++ {
			_, err := n.Notify(t.Context(), m)
			wait, told := notify.RetryAfter(err)
			if refused := attempt <= 2; (err != nil) != refused || told != refused || refused && wait != 5*time.Second {
				t.Errorf("attempt %d: %v, Retry-After %v", attempt, err, wait)
			}
		}
	}
	page, _ := get(t, h.url)
	if !strings.Contains(page, "taken after 2 refusals (503, Retry-After 5)") {
		t.Error("the page does not say that it was refused twice")
	}

	h.inbox.Fail("email", func(n int) (int, string) {
		return map[int]int{1: 503, 2: 400}[n], ""
	})
	_, err := h.mail.Notify(t.Context(), m)
	if err == nil || notify.IsPermanent(err) {
		t.Errorf("mail refused for now: %v", err)
	}
	if page, _ := get(t, h.url); !strings.Contains(page, "email: refusing (503), 1 in a row") {
		t.Error("the page does not say that mail is refused")
	}
	if _, err = h.mail.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("mail refused for good: %v", err)
	}
	if _, err = h.mail.Notify(t.Context(), m); err != nil {
		t.Errorf("mail taken: %v", err)
	}
}

func TestASignatureThatIsWrong(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	other := notifier(t, webhook.Kind, webhook.Config{URL: secret.New(h.url + "/webhook/forged"), Secret: secret.New("another key")})
	none := notifier(t, webhook.Kind, webhook.Config{URL: secret.New(h.url + "/webhook/unsigned")})
	for _, n := range []notify.Notifier{other, none} {
		if _, err := n.Notify(t.Context(), notifytest.Messages()[0].Message); err != nil {
			t.Fatal(err)
		}
	}
	page, _ := get(t, h.url)
	if !strings.Contains(page, "SIGNATURE WRONG") || !strings.Contains(page, "not signed") || strings.Contains(page, "signature verified") {
		t.Error("the page does not tell a wrong signature from none")
	}
}

func TestARepeatedDeliveryIsOne(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	for range 3 {
		if _, err := h.webhook.Notify(t.Context(), notifytest.Messages()[0].Message); err != nil {
			t.Fatal(err)
		}
	}
	if page, _ := get(t, h.url); !strings.Contains(page, "delivered 3 times, same id") {
		t.Error("three deliveries of one notification are not shown as one")
	}
}

func TestAMailServerThatIsClosedBeforeItServes(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mails := inbox.New(inbox.Options{Now: notifytest.Now}).MailServer()
	if err := errors.Join(mails.Close(), mails.Serve(listener)); err != nil {
		t.Error(err)
	}
}

func TestOldMessagesAreDropped(t *testing.T) {
	t.Parallel()
	b := inbox.New(inbox.Options{Keep: 2, Now: notifytest.Now})
	server := httptest.NewServer(b)
	defer server.Close()
	for i := range 5 {
		resp, err := http.Post(server.URL+"/slack/x", "application/json", strings.NewReader(fmt.Sprintf(`{"text":"message %d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	page, _ := get(t, server.URL)
	if strings.Contains(page, "message 2") || !strings.Contains(page, "message 3") || !strings.Contains(page, "message 4") {
		t.Error("the page does not show the last two of five")
	}
}

func TestSlackRefusesWhatSlackRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(inbox.New(inbox.Options{}))
	defer server.Close()
	for payload, want := range map[string]string{
		`{`:  "invalid_payload",
		`{}`: "no_text",
		`{"blocks":[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]}`:                                    "invalid_blocks",
		`{"blocks":[{"type":"header","text":{"type":"plain_text","text":"` + strings.Repeat("x", 151) + `"}}]}`: "invalid_blocks",
		`{"blocks":[{"type":"section"}]}`: "invalid_blocks",
		`{"text":"x"}`:                    "ok",
	} {
		resp, err := http.Post(server.URL+"/slack/x", "application/json", strings.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := strings.TrimSpace(string(said)); got != want {
			t.Errorf("%.80s: %q, want %q", payload, got, want)
		}
	}
}
