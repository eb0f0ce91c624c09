package slack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
)

// marshal is a payload as it is sent.
func marshal(t *testing.T, m message) []byte {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// textsIn are all text objects of a payload.
func textsIn(t *testing.T, body []byte) []text {
	t.Helper()
	var all any
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v\n%.500s", err, body)
	}
	var found []text
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if kind := v["type"]; kind == "plain_text" || kind == "mrkdwn" {
				s, _ := v["text"].(string)
				found = append(found, text{Type: kind.(string), Text: s})
				return
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(all)
	return found
}

// spoken are the texts of a payload that are no text objects.
func spoken(t *testing.T, body []byte) []string {
	t.Helper()
	var m struct {
		Text        string
		Attachments []struct{ Fallback string }
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	all := []string{m.Text}
	for _, a := range m.Attachments {
		all = append(all, a.Fallback)
	}
	return all
}

// limits holds a payload to what Slack documents, and finds markup of others.
func limits(t *testing.T, m notify.Message, body []byte) {
	t.Helper()
	if code, why := slacktest.Check(body); code != "" {
		t.Errorf("Slack would answer %s: %s", code, why)
	}
	var top struct {
		Text                     string
		UnfurlLinks, UnfurlMedia *bool
	}
	keyed := strings.NewReplacer(`"unfurl_links"`, `"UnfurlLinks"`, `"unfurl_media"`, `"UnfurlMedia"`).Replace(string(body))
	if err := json.Unmarshal([]byte(keyed), &top); err != nil {
		t.Fatal(err)
	}
	if n := notify.UTF16(top.Text); n == 0 || n > headerMax {
		t.Errorf("the text is %d long", n)
	}
	if top.UnfurlLinks == nil || *top.UnfurlLinks || top.UnfurlMedia == nil || *top.UnfurlMedia {
		t.Error("links are unfurled")
	}
	for _, x := range textsIn(t, body) {
		angles(t, m, x.Text)
		if x.Type == "mrkdwn" && !strings.Contains(x.Text, "```") && !tame(theirs(x.Text)) {
			t.Errorf("markup in %.200q", x.Text)
		}
	}
	for _, s := range spoken(t, body) {
		angles(t, m, s)
	}
}

var tag = regexp.MustCompile(`<([^<>]*)>`)

// angles finds markup of others: every <…> is a link of ours or a date.
func angles(t *testing.T, m notify.Message, s string) {
	t.Helper()
	for _, found := range tag.FindAllStringSubmatch(s, -1) {
		url, _, _ := strings.Cut(strings.ReplaceAll(found[1], "&amp;", "&"), "|")
		if !strings.HasPrefix(url, "!date^") && (url == "" || !ours(m)[url]) {
			t.Errorf("markup that is not ours: %s", found[0])
		}
	}
	if rest := tag.ReplaceAllString(s, ""); strings.ContainsAny(rest, "<>") {
		t.Errorf("an angle bracket is not escaped: %.200q", rest)
	}
}

func ours(m notify.Message) map[string]bool {
	urls := map[string]bool{m.AlertURL: true, notify.ConsoleLink(m): true, notify.DocumentationLink(m): true}
	for _, a := range m.Actions {
		urls[a.URL] = true
	}
	for _, i := range m.Digest {
		urls[i.URL] = true
	}
	return urls
}

var ampersand = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// shown are the texts in which Slack looks for links; it does not in code.
func shown(t *testing.T, body []byte) []string {
	t.Helper()
	var out []string
	for _, s := range spoken(t, body) {
		out = append(out, ampersand.Replace(s))
	}
	for _, x := range textsIn(t, body) {
		if !strings.Contains(x.Text, "```") {
			out = append(out, ampersand.Replace(tag.ReplaceAllString(x.Text, "")))
		}
	}
	return out
}

// rendered are all payloads of a message, by what they are.
func rendered(t *testing.T, m notify.Message) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"with links":   marshal(t, renderer{}.message(m, notifytest.Now())),
		"with buttons": marshal(t, renderer{buttons: true}.message(m, notifytest.Now())),
	}
	if aboutAnAlert(m.Kind) {
		all["in the thread"] = marshal(t, renderer{}.line(m))
	}
	return all
}

func TestEveryPayloadKeepsTheLimits(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Messages() {
		for what, body := range rendered(t, c.Message) {
			t.Run(c.Name+" "+what, func(t *testing.T) { limits(t, c.Message, body) })
		}
	}
}

// What else is sent of hostile messages is held to the same by the promises.
func TestHostileLinesInThreads(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Corpus() {
		if aboutAnAlert(c.Message.Kind) {
			t.Run(c.Name, func(t *testing.T) { limits(t, c.Message, marshal(t, renderer{}.line(c.Message))) })
		}
	}
}

// theirs is a text without our own bold names and links: nothing is left that
// Slack would format.
func theirs(s string) string {
	rest := tag.ReplaceAllString(s, "")
	if name, value, ok := strings.Cut(rest, "*\n"); ok {
		return strings.TrimPrefix(name, "*") + " " + value
	}
	return strings.Trim(rest, "*")
}

// An alert on which everything is as long as can be loses the least of it first.
func TestWhatIsTooMuchIsLeftOut(t *testing.T) {
	t.Parallel()
	m := notifytest.Messages()[0].Message
	// Escaped, a "&" takes five characters.
	m.Alert.Facts = nil
	for i := range 12 {
		m.Alert.Facts = append(m.Alert.Facts, tocsin.Fact{Name: fmt.Sprintf("Fact %d", i), Value: strings.Repeat("& ", 240)})
	}
	m.Alert.Description = strings.Repeat("& ", 140)
	m.Alert.Command = "aws " + strings.Repeat("&", 500)
	long := strings.Repeat("x", 600)
	m.AlertURL += "?" + long
	m.Alert.Console += long
	m.Alert.Documentation += "#" + long
	for range 20 {
		m.Changes = append(m.Changes, tocsin.Change{What: "remote IP", From: strings.Repeat("& ", 45), To: strings.Repeat("& ", 45)})
	}
	for _, do := range []notify.Do{notify.DoAcknowledge, notify.DoExpected, notify.DoEscalate, notify.DoClose} {
		m.Actions = append(m.Actions, notify.Action{Do: do, Label: string(do), URL: "https://tocsin.example.com/do/" + long})
	}
	for what, body := range rendered(t, m) {
		limits(t, m, body)
		if what == "in the thread" {
			continue
		}
		for _, must := range []string{"First step", "Our account", "When", "Fact 3", "told because of"} {
			if !bytes.Contains(body, []byte(must)) {
				t.Errorf("%s: %q is left out", what, must)
			}
		}
		if bytes.Contains(body, []byte("Fact 9")) {
			t.Errorf("%s: the last facts are there", what)
		}
	}
}

func TestAtMostSixFields(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		for _, a := range (renderer{}).message(c.Message, notifytest.Now()).Attachments {
			for _, b := range a.Blocks {
				if len(b.Fields) > 6 {
					t.Errorf("%s: %d fields", c.Name, len(b.Fields))
				}
			}
		}
	}
}

func TestThreadLine(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"acknowledged":        "ACKNOWLEDGED by ana",
		"raised":              "RAISED medium→critical: severity medium 5 → critical 9.2, count 12 → 46 (+34), remote IP 198.51.100.4 → 203.0.113.7",
		"updated":             "UPDATED: count 17 → 61 (+44), domain evil[.]example → worse[.]example, also came by https:api",
		"closed-archived":     "CLOSED (archived): ended at its source",
		"closed-by-person":    "CLOSED (false positive) by alice@example[.]com",
		"reopened":            "REOPENED: started again, count 17 → 21 (+4)",
		"changed-assigned":    "ASSIGNED to bo",
		"changed-snoozed":     "SNOOZED until 12 Jun 06:00 UTC",
		"changed-open-again":  "OPEN AGAIN: status snoozed → open",
		"changed-handed-over": "HANDED OVER to platform",
		"opened-with-actions": "STILL OPEN: told because of route 2 (receiver payments-oncall)",
	} {
		if got := news(shared(t, name)); got != want {
			t.Errorf("news(%s) = %q, want %q", name, got, want)
		}
	}
}

// shared is one of the shared messages.
func shared(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

func TestButtons(t *testing.T) {
	t.Parallel()
	m := shared(t, "opened-with-actions")
	closed := m
	closed.Kind, closed.Alert.Status = tocsin.TellClosed, tocsin.StatusClosed
	odd := m
	odd.Actions = []notify.Action{{Do: "dance", Label: "Dance"}}
	bare := m
	bare.Actions = []notify.Action{{Do: notify.DoExpected}}
	for _, tt := range []struct {
		name string
		r    renderer
		m    notify.Message
		want string
	}{
		{"buttons", renderer{buttons: true}, m, "[Acknowledge primary 4821] [Escalate 4821] [Expected… 4821?]"},
		{"links where no answer reaches us", renderer{}, m, "<https://tocsin.example.com/do/3kq9v2?s=MEUCIQDx|Acknowledge>  ·  <https://tocsin.example.com/do/7hw1pz?s=MEQCIBy0|Escalate>  ·  <https://tocsin.example.com/do/9jd4rt?s=MEYCIQCf|Expected>"},
		{"none on what is over", renderer{buttons: true}, closed, ""},
		{"no links on what is over", renderer{}, closed, ""},
		{"nothing that nobody knows", renderer{buttons: true}, odd, ""},
		{"a name where the message has none", renderer{buttons: true}, bare, "[Expected… 4821?]"},
		{"no links without addresses", renderer{}, bare, ""},
	} {
		b, ok := tt.r.actions(tt.m)
		got := ""
		switch elements := b.Elements.(type) {
		case []button:
			var all []string
			for _, e := range elements {
				words := strings.Join(strings.Fields(e.Text.Text+" "+e.Style+" "+e.Value), " ")
				if e.Confirm != nil {
					words += "?"
				}
				all = append(all, "["+words+"]")
			}
			got = strings.Join(all, " ")
		default:
			if ok {
				got = b.Text.Text
			}
		}
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, ok, tt.want)
		}
	}
}

func TestPerAccount(t *testing.T) {
	t.Parallel()
	items := func(names ...string) (all []notify.Item) {
		for _, n := range names {
			all = append(all, notify.Item{Account: tocsin.Account{ID: n, Name: n}})
		}
		return all
	}
	for _, tt := range []struct {
		name  string
		items []notify.Item
		want  string
	}{
		{"one account", items("prod", "prod"), ""},
		{"two", items("prod", "staging", "prod"), "prod 2, staging 1"},
		{"many", items("a", "b", "c", "d", "e", "f", "a"), "a 2, b 1, c 1, d 1, 2 in other accounts"},
	} {
		if got := perAccount(tt.items); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestADigestNamesTwentyAndCountsTheRest(t *testing.T) {
	t.Parallel()
	m := shared(t, "digest")
	one := m.Digest[0]
	m.Digest = nil
	for i := range 60 {
		one.Account.Name = []string{"prod", "staging"}[i%2]
		m.Digest = append(m.Digest, one)
	}
	m.Digest[0].URL = ""
	m.AlertURL = "https://tocsin.example.com/alerts"
	body := marshal(t, renderer{}.message(m, notifytest.Now()))
	limits(t, m, body)
	if n := strings.Count(string(body), "\"section\""); n != 20 {
		t.Errorf("%d alerts are named", n)
	}
	for _, must := range []string{"60 alerts", "and 40 more", "prod 30, staging 30", "All of them"} {
		if !strings.Contains(string(body), must) {
			t.Errorf("%q is not said", must)
		}
	}
}

func TestTame(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"EC2 i-0abc (web-1)":             true,
		"my_bucket_name":                 true,
		"203.0.113.7:443":                true,
		"2*3":                            true,
		"*bold*":                         false,
		"_x_":                            false,
		"~gone~":                         false,
		"`code`":                         false,
		"arn:aws:iam::111122223333:root": false,
		":fire:":                         false,
		"@here":                          false,
	} {
		if got := tame(s); got != want {
			t.Errorf("tame(%q) = %v, want %v", s, got, want)
		}
	}
}

// golden compares indented JSON with a golden file.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	// JSON may write <, > and & as escapes; people read the characters.
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(out.String())
	notifytest.Golden(t, name+".json", []byte(text))
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}
