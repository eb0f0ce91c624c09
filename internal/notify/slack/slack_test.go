package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const path = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{WebhookURL: secret.New(url)})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP:    true,
		Secrets: []string{path, "XXXXXXXXXXXXXXXXXXXXXXXX", "B00000000"},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, "ok")
			return opened(t, url+path), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { limits(t, m, decode(t, got.Body)) },
		Shown: func(t *testing.T, got notifytest.Taken) []string { return shown(decode(t, got.Body)) },
	})
}

// decode reads a payload and refuses what Slack would: keys it does not know.
func decode(t *testing.T, body []byte) message {
	t.Helper()
	var m message
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v\n%.500s", err, body)
	}
	return m
}

// all are a payload's blocks in the order in which they are shown.
func all(m message) []block {
	blocks := m.Blocks
	for _, a := range m.Attachments {
		blocks = append(blocks, a.Blocks...)
	}
	return blocks
}

func texts(b block) []text {
	ts := append(append([]text(nil), b.Fields...), b.Elements...)
	if b.Text != nil {
		ts = append(ts, *b.Text)
	}
	return ts
}

// limits holds a payload to what Slack documents, and our own total.
func limits(t *testing.T, m notify.Message, got message) {
	t.Helper()
	if n := notify.UTF16(got.Text); n == 0 || n > headerMax {
		t.Errorf("text is %d long", n)
	}
	if got.UnfurlLinks || got.UnfurlMedia {
		t.Error("links are unfurled")
	}
	total := 0
	for _, b := range all(got) {
		if len(b.Fields) > 10 || len(b.Elements) > 10 {
			t.Errorf("%s has %d fields, %d elements", b.Type, len(b.Fields), len(b.Elements))
		}
		if b.Type == "context" && len(b.Elements) == 0 || b.Type == "section" && b.Text == nil && len(b.Fields) == 0 {
			t.Errorf("%s is empty", b.Type)
		}
		most := map[string]int{"header": 150, "section": 3000, "context": 3000}[b.Type]
		if len(b.Fields) > 0 {
			most = 2000
		}
		for _, x := range texts(b) {
			n := notify.UTF16(x.Text)
			if n == 0 || n > most {
				t.Errorf("a text of a %s is %d long, want 1 to %d", b.Type, n, most)
			}
			if b.Type == "header" && x.Type != "plain_text" {
				t.Error("the header is not plain text")
			}
			if x.Type == "plain_text" && x.Verbatim || x.Type == "mrkdwn" && (x.Emoji != nil || !x.Verbatim) {
				t.Errorf("a text mixes up emoji and verbatim: %+v", x)
			}
			total += n
			angles(t, m, x.Text)
		}
	}
	angles(t, m, got.Text)
	if total > 12000 {
		t.Errorf("all blocks together are %d long, want at most 12,000", total)
	}
	if len(all(got)) > 50 {
		t.Errorf("%d blocks", len(all(got)))
	}
}

var tag = regexp.MustCompile(`<([^<>]*)>`)

// angles finds markup of others: every <…> is a link of ours or a date.
func angles(t *testing.T, m notify.Message, s string) {
	t.Helper()
	for _, found := range tag.FindAllStringSubmatch(s, -1) {
		url, _, _ := strings.Cut(strings.ReplaceAll(found[1], "&amp;", "&"), "|")
		switch {
		case strings.HasPrefix(url, "!date^"):
		case url != "" && (url == m.AlertURL || url == notify.ConsoleLink(m) || url == notify.DocumentationLink(m)):
		default:
			t.Errorf("markup that is not ours: %s", found[0])
		}
	}
	if rest := tag.ReplaceAllString(s, ""); strings.ContainsAny(rest, "<>") {
		t.Errorf("an angle bracket is not escaped: %.200q", rest)
	}
}

var ampersand = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// shown are the texts in which Slack looks for links; it does not in code.
func shown(m message) []string {
	out := []string{ampersand.Replace(m.Text), ampersand.Replace(m.Attachments[0].Fallback)}
	for _, b := range all(m) {
		for _, x := range texts(b) {
			if !strings.Contains(x.Text, "```") {
				out = append(out, ampersand.Replace(tag.ReplaceAllString(x.Text, "")))
			}
		}
	}
	return out
}

func TestHostileTextIsNoMarkup(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Corpus() {
		for _, b := range all(render(c.Message, notifytest.Now())) {
			for _, x := range texts(b) {
				if x.Type != "mrkdwn" || strings.Contains(x.Text, "```") {
					continue
				}
				// Our own bold names away, nothing is left that Slack would format.
				rest := tag.ReplaceAllString(x.Text, "")
				if name, value, ok := strings.Cut(rest, "*\n"); ok {
					rest = strings.TrimPrefix(name, "*") + " " + value
				} else {
					rest = strings.Trim(rest, "*")
				}
				if !tame(rest) {
					t.Errorf("%s: markup in %.200q", c.Name, x.Text)
				}
			}
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

func TestSlacksAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		ok        bool
		permanent bool
	}{
		{"taken", 200, "ok", true, false},
		{"taken by one that imitates Slack", 200, `{"ok":true}`, true, false},
		{"a page of a proxy", 200, "<html>Sign in</html>", false, false},
		{"invalid payload", 400, "invalid_payload", false, true},
		{"webhook removed", 404, "no_service", false, true},
		{"channel archived", 410, "channel_is_archived", false, true},
		{"forbidden by an administrator", 403, "action_prohibited", false, true},
		{"webhook removed, in spite of the status", 500, "no_service", false, true},
		{"refused within a success", 200, `{"ok":false,"error":"channel_not_found"}`, false, true},
		{"Slack is in trouble", 500, "rollup_error", false, false},
		{"too many", 429, "rate_limited", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			defer server.Close()
			_, err := opened(t, server.URL+path).Notify(t.Context(), notifytest.Messages()[0].Message)
			if (err == nil) != tt.ok || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want ok %v, permanent %v", err, notify.IsPermanent(err), tt.ok, tt.permanent)
			}
		})
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			payload := render(c.Message, notifytest.Now())
			limits(t, c.Message, payload)
			var out bytes.Buffer
			e := json.NewEncoder(&out)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(payload); err != nil {
				t.Fatal(err)
			}
			notifytest.Golden(t, c.Name+".json", out.Bytes())
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, want string }{
		{"a webhook", "https://hooks.slack.com/services/T0/B0/x", ""},
		{"nothing", "", "webhook_url is not set"},
		{"plain HTTP to the world", "http://hooks.slack.com/services/T0/B0/x", "webhook_url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"words", "my secret", "webhook_url is not a URL; want https://host/path"},
		{"a reference that is not resolved yet", "${env:SLACK_URL}", ""},
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
