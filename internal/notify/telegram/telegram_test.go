package telegram

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const ok = `{"ok":true,"result":{"message_id":42,"date":1781231400,"chat":{"id":-1001234567890,"type":"supergroup"}}}`

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{APIURL: url, Token: secret.New(token), Chat: group})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token, "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			for _, wrong := range mistakes(schema, "sendMessage", got.Body) {
				t.Errorf("Telegram: %s", wrong)
			}
			links(t, m, parsed(t, got.Body).Text)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			var texts []string
			err := walk(parsed(t, got.Body).Text, func(xml.StartElement) {}, func(s string, code bool) {
				if !code {
					texts = append(texts, s)
				}
			})
			if err != nil {
				t.Error(err)
			}
			return texts
		},
	})
}

func parsed(t *testing.T, body []byte) message {
	t.Helper()
	var m message
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// links finds links that are not ours.
func links(t *testing.T, m notify.Message, page string) {
	t.Helper()
	ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, a := range m.Actions {
		ours = append(ours, a.URL)
	}
	for _, item := range m.Digest {
		ours = append(ours, item.URL)
	}
	_ = walk(page, func(at xml.StartElement) {
		for _, a := range at.Attr {
			if !slices.Contains(ours, a.Value) {
				t.Errorf("a link leads to %s", a.Value)
			}
		}
	}, func(string, bool) {})
}

// A check that lets everything pass is none.
func TestTheCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	n := opened(t, "http://127.0.0.1:1").(*notifier)
	n.buttons = true
	body := n.render(named(t, "opened-with-actions"))
	body.Chat = 1
	good, err := notify.JSON(body)
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	for name, spoil := range map[string]func(m object){
		"no mistake":              func(object) {},
		"no chat":                 func(m object) { delete(m, "chat_id") },
		"a misspelt parameter":    func(m object) { m["disable_notifications"] = true },
		"a preview":               func(m object) { m["link_preview_options"] = object{"is_disabled": false} },
		"Markdown":                func(m object) { m["parse_mode"] = "MarkdownV2" },
		"an unknown element":      func(m object) { m["text"] = "<p>x</p>" },
		"an element not closed":   func(m object) { m["text"] = "<b>x" },
		"a sign not escaped":      func(m object) { m["text"] = "a < b" },
		"somebody mentioned":      func(m object) { m["text"] = "ask @oncall_ana" },
		"a command":               func(m object) { m["text"] = "run /start" },
		"a tag":                   func(m object) { m["text"] = "see #incident" },
		"4,097 units":             func(m object) { m["text"] = strings.Repeat("𝔘", 2048) + "a" },
		"nothing":                 func(m object) { m["text"] = "" },
		"a keyboard without rows": func(m object) { m["reply_markup"] = object{"inline_keyboard": []any{}} },
		"65 bytes behind a button": func(m object) {
			m["reply_markup"] = object{"inline_keyboard": []any{[]any{object{"text": "x", "callback_data": strings.Repeat("a", 65)}}}}
		},
		"a button of two kinds": func(m object) {
			m["reply_markup"] = object{"inline_keyboard": []any{[]any{object{"text": "x", "callback_data": "x", "url": "https://x.example"}}}}
		},
	} {
		var m object
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		spoil(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := mistakes(schema, "sendMessage", text); (len(wrong) > 0) != (name != "no mistake") {
			t.Errorf("%s: the check says %q", name, wrong)
		}
	}
}

func TestWhatOthersWriteMakesNothingToPress(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"EC2 i-0abc (web-1) is calling a C2 server": "EC2 i-0abc (web-1) is calling a C2 server",
		"Backdoor:EC2/C&CActivity.B!DNS":            "Backdoor:EC2/C&CActivity.B!DNS",
		"alice@example[.]com":                       "alice@example[.]com",
		"alert #4821":                               "alert #4821",
		"10.0.4.17 / 203.0.113.80":                  "10.0.4.17 / 203.0.113.80",
		"@channel ask @ana":                         "＠channel ask ＠ana",
		"/tmp/x.sh":                                 "∕tmp/x.sh",
		"#incident #1a $TSLA":                       "＃incident ＃1a ＄TSLA",
	} {
		if got := plain(s); got != want {
			t.Errorf("plain(%q) = %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{
		"203.0.113.7:443":   "203.0.113.7:443",
		"/tmp/x.sh <b> & ?": "<code>/tmp/x.sh &lt;b&gt; &amp; ?</code>", // can be copied
	} {
		if got := value(s); got != want {
			t.Errorf("value(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	n := opened(t, "").(*notifier)
	n.buttons = true
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			golden(t, schema, c.Name+".json", n.render(c.Message))
			if c.Message.Ref != "" {
				golden(t, schema, c.Name+".line.json", line(c.Message))
			}
		})
	}
	n = opened(t, "").(*notifier)
	golden(t, schema, "opened-with-links.json", n.render(named(t, "opened-with-actions")))
}

func golden(t *testing.T, schema *jsonschema.Schema, name string, m message) {
	t.Helper()
	m.Chat = -1001234567890
	body, err := notify.JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := mistakes(schema, "sendMessage", body); len(wrong) > 0 {
		t.Errorf("%s: Telegram: %q", name, wrong)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	notifytest.Golden(t, name, append(out.Bytes(), '\n'))
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

func tell(t *testing.T, n notify.Notifier, to, ref string, names ...string) string {
	t.Helper()
	for _, name := range names {
		m := named(t, name)
		m.To, m.Ref = to, ref
		got, err := n.Notify(t.Context(), m)
		if err != nil {
			t.Fatalf("Notify(%s): %v", name, err)
		}
		if m.AboutAlert() {
			ref = got
		}
	}
	return ref
}

// shown are the messages by their first lines: those that make a sound with "!", replies
// indented.
func shown(s *server) (lines []string) {
	for _, m := range s.all() {
		first, _, _ := strings.Cut(visible(m.Text), "\n")
		if m.ReplyTo != 0 {
			first = "  " + first
		}
		if !m.Silent {
			first = "!" + first
		}
		lines = append(lines, first)
	}
	return lines
}

func TestTheLifeOfAnAlertIsOneMessageAndReplies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ref := tell(t, opened(t, s.URL), "", "", "opened-critical-ec2-c2", "acknowledged", "raised", "closed-by-person", "digest", "note")
	if want := group + ":1"; ref != want {
		t.Errorf("the reference is %q, want %q", ref, want)
	}
	want := []string{
		"!✓ CLOSED (false positive) · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"  ACKNOWLEDGED by ana",
		"!  ■ RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"  CLOSED (false positive) by alice@example[.]com",
		"!■ 5 alerts · 2 critical, 1 high, 1 medium, 1 low · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"!○ Nobody is on call for schedule payments from 2026-06-13 18:00 UTC to 2026-06-14 08:00 UTC.",
	}
	if diff := cmp.Diff(want, shown(s)); diff != "" {
		t.Errorf("the group shows (-want +got):\n%s", diff)
	}
	if got := s.all()[0].Edits; got != 3 {
		t.Errorf("the message was edited %d times, want 3", got)
	}
}

func TestAnEditThatWasMadeAlreadyIsNone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	n := opened(t, s.URL)
	ref := tell(t, n, "", "", "opened-critical-ec2-c2", "acknowledged")
	tell(t, n, "", ref, "acknowledged")
	if got := s.all(); got[0].Edits != 1 {
		t.Errorf("the message was edited %d times, want 1", got[0].Edits)
	}
}

func TestAMessageThatIsGoneIsPostedAnew(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	n := opened(t, s.URL)
	for _, ref := range []string{group + ":77", "-100999:1", "first-ref", ":", group + ":x"} {
		before := len(s.all())
		if got := tell(t, n, "", ref, "acknowledged"); got != fmt.Sprintf("%s:%d", group, before+1) {
			t.Errorf("after %q the reference is %q", ref, got)
		}
	}
}

func TestATopicOfAGroup(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	n := notifytest.Open(t, open, Config{APIURL: s.URL, Token: secret.New(token), Chat: group, Thread: 17})
	tell(t, n, "", "", "opened-critical-ec2-c2", "acknowledged")
	tell(t, n, ana, "", "opened-critical-ec2-c2")
	got := s.all()
	if got[0].Thread != 17 || got[1].Thread != 17 || got[2].Thread != 0 {
		t.Errorf("topics %d, %d and for a person %d", got[0].Thread, got[1].Thread, got[2].Thread)
	}
}

func TestAPersonIsToldDirectly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	n := notifytest.Open(t, open, Config{APIURL: s.URL, Token: secret.New(token)})
	if n.(notify.Placed).Placed() {
		t.Error("without a chat there is a place")
	}
	if _, err := n.Notify(t.Context(), named(t, "code")); !notify.IsPermanent(err) {
		t.Errorf("a code for nobody: %v, want a permanent error", err)
	}
	tell(t, n, ana, "", "code", "opened-critical-ec2-c2", "acknowledged", "raised")
	want := []string{
		"!○ 428317 is your code for tocsin",
		"!■ RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"!  ■ RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
	}
	if diff := cmp.Diff(want, shown(s)); diff != "" {
		t.Errorf("she is shown (-want +got):\n%s", diff)
	}
	if got := s.all()[1]; got.Chat != ana {
		t.Errorf("it went to %s", got.Chat)
	}
}

func TestAGroupThatBecameASupergroupIsFollowed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.refuse = func(_ string, arguments map[string]any) (int, string) {
		if chatText(arguments["chat_id"]) != group {
			return 0, ""
		}
		return 400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1009}}`
	}
	ref := tell(t, opened(t, s.URL), "", "", "opened-critical-ec2-c2", "acknowledged")
	if got := s.all(); len(got) != 2 || got[0].Chat != "-1009" || got[0].Edits != 1 || ref != group+":1" {
		t.Errorf("messages %+v, reference %q", got, ref)
	}
}

func TestALongMessageIsCutAtTheLimit(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	n := opened(t, "").(*notifier)
	hard := named(t, "digest")
	hard.Digest[0].Alert.Headline = strings.Repeat("𝔘", 300)
	hard.Digest[0].URL = "https://tocsin.example.com/alerts/" + strings.Repeat("a", 1900)
	for len(hard.Digest) < 300 {
		hard.Digest = append(hard.Digest, hard.Digest[0])
	}
	long := named(t, "note")
	long.Text = strings.Repeat("&", 9000)
	for name, m := range map[string]notify.Message{"more\n": hard, "…": long} {
		body := n.render(m)
		body.Chat = 1
		text, err := notify.JSON(body)
		if wrong := mistakes(schema, "sendMessage", text); err != nil || len(wrong) > 0 {
			t.Errorf("%v, %q", err, wrong)
		}
		if !strings.Contains(visible(body.Text), name) {
			t.Errorf("it does not say %q:\n%.300s", name, body.Text)
		}
	}
}

func TestWhatDoesNotFitAButtonIsALink(t *testing.T) {
	t.Parallel()
	n := opened(t, "").(*notifier)
	n.buttons = true
	m := named(t, "opened-with-actions")
	m.Actions = append(m.Actions, notify.Action{Do: notify.DoRun(strings.Repeat("a", 63)), Label: "Isolate", URL: "https://tocsin.example.com/do/1"})
	m.Actions = append(m.Actions, notify.Action{Do: notify.DoRun("isolate"), Label: "Isolate here", URL: "https://tocsin.example.com/do/2"})
	body := n.render(m)
	var labels []string
	for _, b := range flat(body.Keyboard) {
		labels = append(labels, b.Text+"="+b.Data)
	}
	want := []string{"Acknowledge=acknowledge:4821", "Escalate=escalate:4821", "Expected…=expected:4821", "Isolate here…=run:isolate:4821"}
	if !slices.Equal(labels, want) {
		t.Errorf("buttons %q, want %q", labels, want)
	}
	if !strings.Contains(body.Text, `<a href="https://tocsin.example.com/do/1">Isolate</a>`) || strings.Contains(body.Text, m.Actions[0].URL) {
		t.Errorf("want a link for the one alone:\n%s", body.Text)
	}
	m.Alert.Status = tocsin.StatusClosed
	if body := n.render(m); body.Keyboard != nil || strings.Contains(body.Text, "/do/") {
		t.Errorf("a closed alert has buttons: %+v", body)
	}
}

func TestTelegramsAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		permanent bool
		gone      bool
		wait      time.Duration
		says      string
	}{
		{"the page of a proxy", 200, "<html>Sign in</html>", false, false, 0, "is there a proxy in between"},
		{"JSON of something else", 200, `{}`, false, false, 0, "is there a proxy in between"},
		{"a refusal with a good status", 200, `{"ok":false,"description":"Bad Request: no"}`, true, false, 0, "refused: Bad Request: no"},
		{"a wrong token", 401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`, true, false, 0, "ask BotFather"},
		{"no such chat", 400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, true, false, 0, "send it /start"},
		{"blocked", 403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`, true, true, 0, "the person blocked the bot"},
		{"nobody any more", 403, `{"ok":false,"error_code":403,"description":"Forbidden: user is deactivated"}`, true, true, 0, "deactivated"},
		{"too many", 429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}`, false, false, 35 * time.Second, "Too Many Requests"},
		{"too many for years", 429, `{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":9223372036854775807}}`, false, false, 15 * time.Minute, "429"},
		{"in trouble", 502, "", false, false, 0, "502"},
		{"the token echoed", 400, `{"ok":false,"description":"Bad Request: ` + token + `"}`, true, false, 0, "***"},
		{"the token echoed with a good status", 200, `{"ok":false,"description":"` + token + `"}`, true, false, 0, "***"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.refuse = func(string, map[string]any) (int, string) { return tt.status, tt.body }
			_, err := opened(t, s.URL).Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
			if err == nil || notify.IsPermanent(err) != tt.permanent || notify.IsGone(err) != tt.gone {
				t.Fatalf("Notify = %v, permanent %v, gone %v; want %v, %v", err, notify.IsPermanent(err), notify.IsGone(err), tt.permanent, tt.gone)
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "/bot") {
				t.Errorf("Notify = %v, want it to say %q and no token", err, tt.says)
			}
			if wait, told := notify.RetryAfter(err); wait != tt.wait || told != (tt.wait > 0) {
				t.Errorf("RetryAfter = %v, %v, want %v", wait, told, tt.wait)
			}
		})
	}
}

func TestAServerThatCannotBeReachedIsNamedWithoutTheToken(t *testing.T) {
	t.Parallel()
	_, err := opened(t, "http://127.0.0.1:1").Notify(t.Context(), named(t, "note"))
	if err == nil || notify.IsPermanent(err) || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("Notify = %v, want the host and no token", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	no := false
	good := Config{Token: secret.New(token), Chat: group}
	for _, tt := range []struct {
		name  string
		spoil func(c *Config)
		want  string
	}{
		{"a group", func(*Config) {}, ""},
		{"a channel", func(c *Config) { c.Chat = "@soc_alerts" }, ""},
		{"people alone", func(c *Config) { c.Chat = "" }, ""},
		{"references that are not resolved yet", func(c *Config) { c.Token, c.Chat = secret.New("${env:TOKEN}"), "${env:CHAT}" }, ""},
		{"a server of one's own", func(c *Config) { c.APIURL = "http://127.0.0.1:8081" }, ""},
		{"no answers", func(c *Config) { c.Answers = &no }, ""},
		{"no token", func(c *Config) { c.Token = secret.String{} }, "token is not set"},
		{"another token", func(c *Config) { c.Token = secret.New("xoxb-1") }, "token is not a bot's: want what BotFather gives, 123456789:AA…"},
		{"a chat by its title", func(c *Config) { c.Chat = "SOC" }, `chat: "SOC" is neither a chat's ID, such as "-1001234567890", nor a channel's @name`},
		{"a topic of no chat", func(c *Config) { c.Chat, c.Thread = "", 5 }, "thread: chat is not set"},
		{"a webhook without a public URL", func(c *Config) { c.WebhookSecret = secret.New("word") }, "webhook_secret: public_url is not set, so that Telegram cannot send answers; leave it out to have them fetched"},
		{"an odd secret", func(c *Config) { c.WebhookSecret = secret.New("a b") }, "webhook_secret: want 1 to 256 letters, digits, _ and -"},
		{"a secret for no answers", func(c *Config) { c.WebhookSecret, c.Answers = secret.New("word"), &no }, "webhook_secret: answers is false"},
		{"plain HTTP to the world", func(c *Config) { c.APIURL = "http://api.telegram.org" }, "api_url must begin with https:// (http:// only to localhost or a written-out IP address)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, got := good, ""
			tt.spoil(&c)
			env := notifytest.Env(t, nil)
			env.Act = (&actor{}).act
			env.Handle = func(http.Handler) {}
			if _, err := open(c, env); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ana: ana, ana + "\n": ana, "@ana": "", "-100123": "", "0": "", "": ""} {
		if got, err := address(text); got != want || (err == nil) != (want != "") {
			t.Errorf("address(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}
