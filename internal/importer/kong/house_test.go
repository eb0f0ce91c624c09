package kong_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/importer/kong"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
)

// mainYML is the file, with webhooks of a Slack of the test's own.
func mainYML(t *testing.T, s *slacktest.Server) string {
	t.Helper()
	text, err := os.ReadFile("testdata/main.yml")
	if err != nil {
		t.Fatal(err)
	}
	return withWebhooks(s, string(text))
}

// withWebhooks puts webhooks of a Slack where the text has invented ones; each is of
// the channel that is its last word.
func withWebhooks(s *slacktest.Server, text string) string {
	const invented = "https://hooks.slack.com/services/T00000000/B00000000/"
	made := map[string]string{}
	for {
		before, rest, found := strings.Cut(text, invented)
		if !found {
			return text
		}
		end := strings.IndexAny(rest, "\n\"' }")
		if end < 0 {
			end = len(rest)
		}
		channel := rest[:end]
		if made[channel] == "" {
			made[channel] = s.Webhook(channel)
		}
		text = before + made[channel] + rest[end:]
	}
}

func imported(t *testing.T, text string) *importer.Draft {
	t.Helper()
	d, err := kong.Import("main.yml", []byte(text), kong.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parsed(t *testing.T, d *importer.Draft) *config.Config {
	t.Helper()
	text := append([]byte("store: sqlite:"+t.TempDir()+"\n"), d.Checked()...)
	c, err := config.Parse("tocsin.yml", text, app.Kinds())
	if err != nil {
		t.Fatalf("the configuration is not good:\n%v\n%s", err, text)
	}
	return c
}

// A house is a tocsin that runs on the imported file, and a Slack.
type house struct {
	t     *testing.T
	app   *app.App
	slack *slacktest.Server
	now   time.Time
	seen  map[string]int // messages, by channel
}

func open(t *testing.T, text func(*slacktest.Server) string) *house {
	t.Helper()
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	h := &house{t: t, slack: s, now: time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC), seen: map[string]int{}}
	conf := parsed(t, imported(t, text(s)))
	for i := range conf.Receivers {
		conf.Receivers[i].Rate = 0 // this Slack takes more than one a second
	}
	var err error
	h.app, err = app.Offline(t.Context(), app.Options{
		Config: conf, Out: &bytes.Buffer{}, Now: func() time.Time { return h.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.app.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// A post is a message in a channel.
type post struct {
	channel string
	body    string
	colour  string
}

// take hands in an event and gives its receipt and what was posted because of it.
func (h *house) take(raw []byte) (tocsin.Receipt, []post) {
	h.t.Helper()
	r := h.accept(raw)
	h.drain()
	return r, h.posts()
}

func (h *house) accept(raw []byte) tocsin.Receipt {
	h.t.Helper()
	receipts, err := h.app.Engine().Accept(h.t.Context(), tocsin.Event{Source: "guardduty", Via: "https", Raw: raw})
	if err != nil {
		h.t.Fatal(err)
	}
	return receipts[0]
}

func (h *house) drain() {
	h.t.Helper()
	if err := h.app.Engine().Drain(h.t.Context(), h.now); err != nil {
		h.t.Fatal(err)
	}
}

// posts are those since the last time.
func (h *house) posts() []post {
	h.t.Helper()
	var all []post
	for _, channel := range []string{"default", "audit", "payments", "web"} {
		messages := h.slack.Messages(channel)
		for _, m := range messages[h.seen[channel]:] {
			var body struct{ Attachments []struct{ Color string } }
			if err := json.Unmarshal(m.Body, &body); err != nil || len(body.Attachments) != 1 {
				h.t.Fatalf("message %s: %v", m.Body, err)
			}
			all = append(all, post{channel, text(m.Body), body.Attachments[0].Color})
		}
		h.seen[channel] = len(messages)
	}
	return all
}

// text is a message's body without the escapes of JSON that browsers need.
func text(body []byte) string {
	return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(string(body))
}

// finding is an event of a finding.
func finding(id, account string, severity float64, more string) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"e-%s-%v","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"%s","time":"2026-08-01T00:00:00Z",`+
		`"region":"eu-west-1","resources":[],"detail":{"schemaVersion":"2.0","accountId":"%s","region":"eu-west-1","partition":"aws","id":"%s",`+
		`"type":"Recon:EC2/PortProbeUnprotectedPort","severity":%v,"title":"An open port is probed.","description":"An open port is probed.",`+
		`"createdAt":"2026-08-01T00:00:00Z","updatedAt":"2026-08-01T00:05:00Z","service":{"serviceName":"guardduty","count":3,"archived":false,`+
		`"eventFirstSeen":"2026-08-01T00:00:00Z","eventLastSeen":"2026-08-01T00:04:00Z"},"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0abc"}}%s}}`,
		id, severity, account, account, id, severity, more)
}
