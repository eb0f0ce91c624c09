package teams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/teams/teamstest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	signature = "dGhpcyBpcyB0aGUgc2lnbmF0dXJl"
	path      = "/workflows/0f1e2d3c4b5a69788796a5b4c3d2e1f0/triggers/manual/paths/invoke?api-version=2016-06-01&sig=" + signature
)

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: secret.New(url)})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{signature, "0f1e2d3c4b5a69788796a5b4c3d2e1f0"},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, "")
			return opened(t, url+path), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			links(t, m, valid(t, schema, got.Body))
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			c, err := teamstest.Parse(got.Body)
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, s := range c.Texts {
				texts = append(texts, markdownLink.ReplaceAllString(s, ""))
			}
			return texts
		},
	})
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "message.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("message.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("message.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// valid holds a message to the schema, to what the fake refuses and to the size.
func valid(t *testing.T, schema *jsonschema.Schema, body []byte) teamstest.Card {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("the schema says: %v", err)
	}
	if len(body) > teamstest.MaxBytes {
		t.Errorf("the message has %d bytes, and Teams takes %d", len(body), teamstest.MaxBytes)
	}
	if !utf8.Valid(body) {
		t.Error("the message is not UTF-8")
	}
	c, err := teamstest.Parse(body)
	if err != nil {
		t.Errorf("Teams would say: %v", err)
	}
	return c
}

var markdownLink = regexp.MustCompile(`\[#\d+\]\(([^()\s]*)\)`)

// links finds links and markup that are not ours.
func links(t *testing.T, m notify.Message, c teamstest.Card) {
	t.Helper()
	ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, a := range m.Actions {
		ours = append(ours, a.URL)
	}
	for _, item := range m.Digest {
		ours = append(ours, item.URL)
	}
	for _, b := range c.Buttons {
		if !slices.Contains(ours, b.URL) {
			t.Errorf("button %q leads to %s", b.Title, b.URL)
		}
	}
	for _, s := range c.Texts {
		for _, found := range markdownLink.FindAllStringSubmatch(s, -1) {
			if !slices.Contains(ours, found[1]) {
				t.Errorf("a link leads to %s", found[1])
			}
		}
		rest := markdownLink.ReplaceAllString(s, "")
		if found := markup.FindString(rest); found != "" {
			t.Errorf("markup %q in %.200q", found, rest)
		}
	}
}

// markup is what CommonMark or Teams would take for more than text; written
// apart from the code that takes it out.
var markup = regexp.MustCompile("\\]\\(|\\]\\[|`|\\{\\{|&(?:#|[a-zA-Z]+;)|\\*\\S|\\S\\*|(?:^|\\W)_\\S|\\S_(?:\\W|$)|<[a-zA-Z/!?]|~~|\\\\[^a-zA-Z0-9]")

func TestMarkupOfOthersIsText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"EC2 i-0abc (web-1) is calling a C2 server": "EC2 i-0abc (web-1) is calling a C2 server",
		"S3 invoices_archive_2026":                  "S3 invoices_archive_2026",
		"2 * 3":                                     "2 * 3",
		"203.0.113.7:443 (Exampleland, AS64500)":    "203.0.113.7:443 (Exampleland, AS64500)",
		"C&CActivity.B!DNS":                         "C&CActivity.B!DNS",
		"nginx → sh → kinsing":                      "nginx → sh → kinsing",
		"**bold** _italic_":                         "∗∗bold∗∗ ＿italic＿",
		"[click](hxxps://evil[.]example)":           "[click] (hxxps://evil[.]example)",
		"`code` ```block```":                        "ˋcodeˋ ˋˋˋblockˋˋˋ",
		"- item":                                    "· - item",
		"1. item":                                   "· 1. item",
		"# head":                                    "· # head",
		"22 (SSH)":                                  "22 (SSH)",
		"&#8238;gpj.exe &lt;b&gt; &amp":             "＆#8238;gpj.exe ＆lt;b＆gt; &amp",
		"{{DATE(2017-02-14T06:08:00Z)}}":            "{ {DATE(2017-02-14T06:08:00Z)}}",
		"<at>everybody</at>":                        "‹at>everybody‹/at>",
		"a < b":                                     "a < b",
		`C:\Windows\System32\* \*x`:                 `C:\Windows\System32＼∗ ＼∗x`,
		"~~gone~~":                                  "∼∼gone∼∼",
	} {
		if got := plain(s); got != want {
			t.Errorf("plain(%q) = %q, want %q", s, got, want)
		}
	}
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	good, err := render(notifytest.Messages()[0].Message, notifytest.Now())
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	for name, spoil := range map[string]func(card object, body []any){
		"no mistake":              func(object, []any) {},
		"a weight of the day":     func(_ object, body []any) { body[0].(object)["weight"] = "Boldest" },
		"a colour of the rainbow": func(_ object, body []any) { body[0].(object)["color"] = "red" },
		"an unknown element":      func(_ object, body []any) { body[0].(object)["type"] = "TextBlok" },
		"a misspelt property":     func(_ object, body []any) { body[0].(object)["warp"] = true },
		"a text that is empty":    func(_ object, body []any) { body[0].(object)["text"] = "" },
		"a newer version":         func(card object, _ []any) { card["version"] = "1.6" },
		"no body":                 func(card object, _ []any) { card["body"] = []any{} },
		"a card that is narrow":   func(card object, _ []any) { card["msteams"] = object{"width": "Narrow"} },
		"a button to nowhere": func(card object, _ []any) {
			card["actions"] = []any{object{"type": "Action.OpenUrl", "title": "x"}}
		},
		"a button that submits": func(card object, _ []any) {
			card["actions"] = []any{object{"type": "Action.Submit", "title": "x"}}
		},
		"too many buttons": func(card object, _ []any) {
			one := object{"type": "Action.OpenUrl", "title": "x", "url": "https://x.example/"}
			card["actions"] = []any{one, one, one, one, one, one, one}
		},
	} {
		var m object
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		card := m["attachments"].([]any)[0].(object)["content"].(object)
		spoil(card, card["body"].([]any))
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		_, wrong := teamstest.Parse(body)
		want := name != "no mistake"
		if bySchema := schema.Validate(m) != nil; bySchema != want || (wrong != nil) != want {
			t.Errorf("%s: the schema finds a mistake %v, the fake %v; want %v", name, bySchema, wrong, want)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, c := range notifytest.Cases(t) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			body, err := render(c.Message, notifytest.Now())
			if err != nil {
				t.Fatal(err)
			}
			links(t, c.Message, valid(t, schema, body))
			var out bytes.Buffer
			if err := json.Indent(&out, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			notifytest.Golden(t, c.Name+".json", append(out.Bytes(), '\n'))
		})
	}
}

// serve is a workflow with a notifier that tells it.
func serve(t *testing.T) (*teamstest.Server, notify.Notifier) {
	t.Helper()
	flow := &teamstest.Server{}
	server := httptest.NewServer(flow)
	t.Cleanup(server.Close)
	return flow, opened(t, server.URL+path)
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

func TestCards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		heading string
		says    []string
		buttons []string
	}{
		{
			"opened-with-actions", "■ CRITICAL · prod-payments (111122223333) eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
			[]string{"On call: team payments, on call ana, bo", "Seen before: 3 earlier alerts", "First step\naws ec2 describe-instances", "message 01JXGHV1A2C3E4G5J6K7M8N9P0"},
			[]string{"Acknowledge", "Escalate", "Expected", "Alert #4821", "AWS console"},
		},
		{"account-without-name", "■ CRITICAL · 111122223333", nil, []string{"AWS console", "About this type"}},
		{"raised", "■ RAISED medium→critical", []string{"What changed: severity medium 5 → critical 9.2"}, []string{"Alert #4821", "AWS console", "About this type"}},
		{"acknowledged", "■ ACKNOWLEDGED by ana · prod-payments", []string{"alert #4821"}, []string{"Alert #4821", "AWS console", "About this type"}},
		{"closed-by-person", "✓ CLOSED (false positive)", nil, []string{"Alert #4821", "AWS console", "About this type"}},
		{"sample", "■ [SAMPLE] CRITICAL", []string{"NEW · SAMPLE · Backdoor:EC2/C&CActivity.B!DNS"}, []string{"Alert #4821", "AWS console", "About this type"}},
		{"digest", "■ 5 alerts · 2 critical, 1 high", []string{"▲ HIGH · prod-payments (111122223333) eu-west-1 · Keys of role web-role are used outside AWS [#4823](https://tocsin.example.com/alerts/4823)"}, nil},
		{"note", "○ Nobody is on call for schedule payments", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			flow, n := serve(t)
			if ref, err := n.Notify(t.Context(), named(t, tt.name)); err != nil || ref != "" {
				t.Fatalf("Notify = %q, %v; refused: %q", ref, err, flow.Refused())
			}
			c := flow.Cards()[0]
			if !strings.HasPrefix(c.Heading, tt.heading) {
				t.Errorf("heading %q, want %q", c.Heading, tt.heading)
			}
			for _, want := range tt.says {
				if !strings.Contains(c.Text(), want) {
					t.Errorf("the card lacks %q:\n%s", want, c.Text())
				}
			}
			var buttons []string
			for _, b := range c.Buttons {
				buttons = append(buttons, b.Title)
			}
			if !slices.Equal(buttons, tt.buttons) {
				t.Errorf("buttons %q, want %q", buttons, tt.buttons)
			}
		})
	}
}

func TestAStateChangeIsAShortCard(t *testing.T) {
	t.Parallel()
	whole, err := render(named(t, "opened-critical-ec2-c2"), notifytest.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"updated", "acknowledged", "changed-assigned", "changed-snoozed", "closed-archived"} {
		short, err := render(named(t, name), notifytest.Now())
		if err != nil || bytes.Contains(short, []byte("First step")) || len(short) > len(whole)*3/4 {
			t.Errorf("%s: %d bytes, %v; the opening has %d", name, len(short), err, len(whole))
		}
	}
}

func TestALongDigestSaysHowManyMore(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, tt := range []struct {
		name string
		n    int
		text string
		url  int
		more string
	}{
		{"of short lines", 100, "EC2 i-0abc is calling a C2 server", 100, "70 more"},
		{"of letters of four bytes and long links", 100, strings.Repeat("𝔘", 200), 900, "85 more"},
	} {
		m := named(t, "digest")
		item := m.Digest[0]
		item.Alert.Headline = tt.text
		item.URL += "?" + strings.Repeat("x", tt.url)
		m.Digest = nil
		for range tt.n {
			m.Digest = append(m.Digest, item)
		}
		body, err := render(m, notifytest.Now())
		if err != nil {
			t.Fatal(err)
		}
		if c := valid(t, schema, body); !slices.Contains(c.Texts, tt.more) {
			t.Errorf("%s: the card does not say %q; it has %d bytes\n%.300s", tt.name, tt.more, len(body), c.Texts[len(c.Texts)-2])
		}
	}
}

func TestLongFactsAreCutToFit(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	m := named(t, "opened-with-actions")
	m.Alert.Facts = nil
	for i := range 12 {
		m.Alert.Facts = append(m.Alert.Facts, tocsin.Fact{Name: fmt.Sprint("Fact ", i), Value: strings.Repeat("𝔘🔥 ", 2000)})
	}
	for range 3 {
		m.Actions[0].URL += "&" + strings.Repeat("x", 500)
	}
	body, err := render(m, notifytest.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := valid(t, schema, body)
	if !strings.Contains(c.Text(), "Fact 0: 𝔘🔥") || !strings.Contains(c.Text(), "…") {
		t.Errorf("the card says\n%.500s", c.Text())
	}
}

func TestTeamsAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		ok        bool
		permanent bool
	}{
		{"taken", 202, "", true, false},
		{"taken by an older webhook", 200, "1", true, false},
		{"the page of a proxy", 200, "\n<!DOCTYPE html><title>Sign in</title>", false, false},
		{"the workflow is off", 400, `{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"…"}}`, false, true},
		{"the signature is wrong", 401, `{"error":{"code":"DirectApiAuthorizationRequired"}}`, false, true},
		{"the workflow is gone", 404, `{"error":{"code":"WorkflowNotFound"}}`, false, true},
		{"too large", 413, "request entity too large", false, true},
		{"in trouble", 502, "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
			}))
			defer server.Close()
			_, err := opened(t, server.URL+path).Notify(t.Context(), notifytest.Messages()[0].Message)
			if (err == nil) != tt.ok || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want ok %v, permanent %v", err, notify.IsPermanent(err), tt.ok, tt.permanent)
			}
		})
	}
}

func TestThrottledCardsWaitAsTold(t *testing.T) {
	t.Parallel()
	flow, n := serve(t)
	flow.Fail(http.StatusTooManyRequests, "12")
	m := named(t, "opened-critical-ec2-c2")
	_, err := n.Notify(t.Context(), m)
	if wait, told := notify.RetryAfter(err); !told || wait != 12*time.Second {
		t.Errorf("RetryAfter(%v) = %v, %v, want 12s", err, wait, told)
	}
	if _, err := n.Notify(t.Context(), m); err != nil || len(flow.Cards()) != 1 || flow.Attempts() != 2 {
		t.Errorf("then: %v, %d cards, %d attempts", err, len(flow.Cards()), flow.Attempts())
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, want string }{
		{"an older host", "https://prod-12.westeurope.logic.azure.com:443/workflows/x", ""},
		{"a newer host", "https://default0a1b.0c.environment.api.powerplatform.com:443/powerautomate/x", ""},
		{"a host that is yet to come", "https://hooks.teams.example/x", ""},
		{"nothing", "", "url is not set"},
		{"plain HTTP to the world", "http://hooks.teams.example/x", "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"a reference that is not resolved yet", "${env:TEAMS_URL}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(Config{secret.New(tt.url)}, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open(%q) = %q, want %q", tt.url, got, tt.want)
			}
		})
	}
}
