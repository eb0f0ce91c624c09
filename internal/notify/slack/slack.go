// Package slack tells a Slack channel by an incoming webhook
// (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
//
// The first line is a header, so that it is what a phone shows; the rest is an
// attachment whose colour bar says the level. Slack shows no links but ours.
package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Slack notifier. Slack takes one message a second by webhook
// (https://docs.slack.dev/apis/web-api/rate-limits).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("slack", "Posts to a Slack channel by an incoming webhook.", open)
	k.Rate = 1
	return k
}

// Config are the settings of a Slack receiver.
type Config struct {
	WebhookURL secret.String `json:"webhook_url" doc:"Incoming webhook of the channel: https://hooks.slack.com/services/…"`
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := notify.CheckURL(c.WebhookURL); err != nil {
		return nil, fmt.Errorf("webhook_url %w", err)
	}
	return &notifier{url: c.WebhookURL, client: env.HTTP, now: env.Now}, nil
}

type notifier struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
}

// Notify posts the message. Slack gives incoming webhooks no id back, so there
// is no reference.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	body, err := json.Marshal(render(m, n.now()))
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("slack: %w", err))
	}
	reply, err := notify.Post(ctx, n.client, n.url.Reveal(), nil, body)
	said := strings.TrimSpace(string(reply))
	if advice, known := lasting[said]; known {
		return "", notify.Permanent(fmt.Errorf("slack: %s: %s", said, advice))
	}
	if err != nil {
		return "", fmt.Errorf("slack: %w", err)
	}
	return "", accepted(said)
}

// lasting are the answers that no retry mends, and what to do about them
// (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors).
var lasting = map[string]string{
	"invalid_payload":                   "Slack cannot read the message; please report it as a bug",
	"invalid_blocks":                    "Slack cannot read the message; please report it as a bug",
	"invalid_attachments":               "Slack cannot read the message; please report it as a bug",
	"msg_blocks_too_long":               "Slack cannot take the message; please report it as a bug",
	"too_many_attachments":              "Slack cannot take the message; please report it as a bug",
	"no_text":                           "Slack cannot read the message; please report it as a bug",
	"no_service":                        "the webhook is gone; make a new one and set webhook_url",
	"no_service_id":                     "webhook_url is not complete",
	"no_team":                           "the workspace is gone, or webhook_url is wrong",
	"no_active_hooks":                   "the webhook is disabled; make a new one and set webhook_url",
	"invalid_token":                     "webhook_url is wrong or was revoked",
	"team_disabled":                     "the workspace is disabled",
	"user_not_found":                    "the webhook's owner is gone; make a new one and set webhook_url",
	"channel_not_found":                 "the channel is gone; make a webhook for another",
	"channel_is_archived":               "the channel is archived; make a webhook for another",
	"action_prohibited":                 "an administrator of the workspace forbids it",
	"posting_to_general_channel_denied": "an administrator restricts who posts to #general",
	"posting_to_channel_denied":         "an administrator restricts who posts to the channel",
	"restricted_action":                 "an administrator of the workspace forbids it",
	"org_login_required":                "the workspace is being moved into an Enterprise organisation",
	"message_limit_exceeded":            "the workspace has used up its messages",
	"posting_to_unauthorized_channel":   "the app may not post to the channel",
	"ekm_access_denied":                 "an administrator suspended posting (key management)",
	"app_missing_action_url":            "the app's settings are not complete",
	"accesslimited":                     "the workspace's plan forbids it",
	"access_denied":                     "the app may not post to the channel",
	"invalid_channel":                   "the channel is gone; make a webhook for another",
	"is_archived":                       "the channel is archived; make a webhook for another",
}

// accepted judges what a reply with a good status says: "ok" from Slack, JSON
// from those that imitate it. Anything else did not come from Slack.
func accepted(said string) error {
	if said == "ok" {
		return nil
	}
	var reply struct {
		OK, Success bool
		Error       string
	}
	if json.Unmarshal([]byte(said), &reply) == nil {
		if reply.OK || reply.Success {
			return nil
		}
		if advice, known := lasting[reply.Error]; known {
			return notify.Permanent(fmt.Errorf("slack: %s: %s", reply.Error, advice))
		}
	}
	return fmt.Errorf("slack: the reply is not Slack's \"ok\"; is there a proxy in between, or is webhook_url not a webhook?")
}

// Slack's limits (https://docs.slack.dev/reference/block-kit/blocks). It says
// characters and not which; UTF-16 units are the safe reading. All blocks
// together stay under 12,000: at about 13,200 Slack answers msg_blocks_too_long.
const (
	headerMax  = 150
	fieldsMax  = 10
	valueMax   = 500  // of a field; Slack takes 2,000, and 12 of them must fit
	textMax    = 1200 // of a section; Slack takes 3,000
	contextMax = 200  // of an element of a context
)

type message struct {
	Text        string       `json:"text"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
	Blocks      []block      `json:"blocks"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	Color    string  `json:"color"`
	Fallback string  `json:"fallback"`
	Blocks   []block `json:"blocks"`
}

type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Fields   []text `json:"fields,omitempty"`
	Elements []text `json:"elements,omitempty"`
}

// A text is a text object. Emoji is for plain text only and Verbatim for mrkdwn
// only; Slack refuses the wrong one.
type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim bool   `json:"verbatim,omitempty"`
}

// render makes the payload of a message.
func render(m notify.Message, now time.Time) message {
	first := notify.FirstLine(m)
	look := m.Look()
	header := plain(look.Shape+" "+first, headerMax)
	blocks := []block{{Type: "context", Elements: situation(m)}}
	if changes := notify.Changes(m); changes != "" {
		blocks = append(blocks, section(labelled("What changed", changes, textMax)))
	}
	if prose := notify.Description(m); prose != "" {
		blocks = append(blocks, section(plain(prose, textMax)))
	}
	blocks = append(blocks, facts(m, now)...)
	if command := notify.Command(m); command != "" {
		if step, ok := code("First step", command); ok {
			blocks = append(blocks, section(step))
		}
	}
	blocks = append(blocks, block{Type: "context", Elements: footer(m)})
	return message{
		// The notification on a phone. It is mrkdwn and knows no verbatim, but what
		// could be a link is defanged and what could be markup is broken.
		Text:        fit(first, headerMax, func(s string) string { return escape(breakMarkup(s)) }),
		Blocks:      []block{{Type: "header", Text: &header}},
		Attachments: []attachment{{Color: look.Colour, Fallback: fit(first, headerMax, escape), Blocks: blocks}},
	}
}

// situation is the line under the header: level, state, type, account, region.
func situation(m notify.Message) []text {
	level := notify.LookOf(m.Alert.Level)
	elements := []text{mrkdwn("*" + level.Shape + " " + level.Word + "*"), plain(m.State(), contextMax)}
	if m.Alert.Sample {
		elements = append(elements, mrkdwn("*SAMPLE*"))
	}
	if kind := notify.Type(m); kind != "" {
		elements = append(elements, linked(notify.DocumentationLink(m), kind))
	}
	for _, word := range []string{m.Alert.Account, m.Alert.Region} {
		if word = notify.Truncate(notify.Defang(notify.Clean(word)), 40, notify.UTF16); word != "" {
			elements = append(elements, plain(word, contextMax))
		}
	}
	return elements
}

// facts are sections of fields, the command apart since it needs a code block.
func facts(m notify.Message, now time.Time) []block {
	var blocks []block
	var fields []text
	for _, f := range notify.Facts(m, now) {
		if f.Name == "First step" {
			continue
		}
		field := labelled(f.Name, f.Value, valueMax)
		if f.Name == "When" && field.Type == "mrkdwn" {
			field.Text += local(m)
		}
		fields = append(fields, field)
	}
	for part := range slices.Chunk(fields, fieldsMax) {
		blocks = append(blocks, block{Type: "section", Fields: part})
	}
	return blocks
}

// local is when it happened last in the reader's own time.
func local(m notify.Message) string {
	last := m.Alert.LastSeen
	if last.IsZero() {
		return ""
	}
	return fmt.Sprintf("\nyour time: <!date^%d^{date_short_pretty} {time}|%s>", last.Unix(), notify.UTC(last))
}

func footer(m notify.Message) []text {
	var elements []text
	if url := notify.AlertLink(m); url != "" {
		elements = append(elements, link(url, fmt.Sprintf("Alert #%d", m.Alert.ID)))
	} else {
		elements = append(elements, plain(fmt.Sprintf("alert #%d", m.Alert.ID), contextMax))
	}
	if url := notify.ConsoleLink(m); url != "" {
		elements = append(elements, link(url, "AWS console"))
	}
	if id := notify.FindingID(m); id != "" {
		elements = append(elements, plain("finding "+id, contextMax))
	}
	return append(elements, plain(notify.Why(m), contextMax))
}

func section(t text) block { return block{Type: "section", Text: &t} }

// mrkdwn is for our own words only.
func mrkdwn(s string) text { return text{Type: "mrkdwn", Text: s, Verbatim: true} }

// plain is for untrusted words: Slack reads no markup in it but emoji, which are
// off.
func plain(s string, most int) text {
	return text{Type: "plain_text", Text: fit(s, most, escape), Emoji: new(bool)}
}

// labelled is a bold name over its value; plain where the value could be taken
// for markup.
func labelled(name, value string, most int) text {
	if tame(name) && tame(value) {
		return mrkdwn("*" + fit(name, 60, escape) + "*\n" + fit(value, most, escape))
	}
	return text{Type: "plain_text", Text: fit(name, 60, escape) + "\n" + fit(value, most, escape), Emoji: new(bool)}
}

// linked is words that lead to one of our own addresses, or plain words.
func linked(url, words string) text {
	if url == "" || !tame(words) || strings.ContainsAny(words, "|\n") {
		return plain(words, contextMax)
	}
	return link(url, words)
}

// link leads to one of our own addresses; its words are tame.
func link(url, words string) text {
	return mrkdwn("<" + strings.ReplaceAll(url, "&", "&amp;") + "|" + fit(words, contextMax, escape) + ">")
}

// code is a command in a code block, where Slack makes no links. A command that
// would end the block is shown as plain text; one that does not fit is not
// shown, since half a command is worse than none.
func code(name, command string) (text, bool) {
	if notify.UTF16(escape(command)) > 2800 {
		return text{}, false
	}
	if strings.Contains(command, "`") {
		return text{Type: "plain_text", Text: name + "\n" + escape(notify.Defang(command)), Emoji: new(bool)}, true
	}
	return mrkdwn("*" + name + "*\n```" + escape(command) + "```"), true
}

// escape replaces the three characters that Slack gives a meaning
// (https://docs.slack.dev/messaging/formatting-message-text#escaping).
func escape(s string) string { return escaper.Replace(s) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// tame reports whether Slack sees no markup in s once it is escaped: no bold,
// italic, strike or code, no emoji, no mention. A mark within a word is none.
func tame(s string) bool {
	before := ' '
	runes := []rune(s)
	colon := false
	for i, r := range runes {
		after := ' '
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		switch r {
		case '`', '@', '#':
			return false
		case '*', '_', '~':
			if !wordy(before) || !wordy(after) {
				return false
			}
		case ':':
			// :aws: is an emoji; 10.0.0.1:443 and sha256:9f are not.
			if colon {
				return false
			}
			colon = true
		}
		if r == ' ' {
			colon = false
		}
		before = r
	}
	return true
}

func wordy(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// breakMarkup replaces what is markup by what looks like it, for the one place
// that has no plain text.
func breakMarkup(s string) string {
	if tame(s) {
		return s
	}
	return lookalikes.Replace(s)
}

var lookalikes = strings.NewReplacer("*", "∗", "_", "＿", "~", "∼", "`", "ˋ", ":", "∶", "@", "＠", "#", "＃")

// fit cuts s so that it is no longer than most after esc.
func fit(s string, most int, esc func(string) string) string {
	room := most
	for {
		out := esc(notify.Truncate(s, room, notify.UTF16))
		over := notify.UTF16(out) - most
		if over <= 0 {
			return out
		}
		// What is escaped grows up to five times.
		room -= (over + 4) / 5
	}
}
