package slacktest

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf16"
)

// Slack's limits, in characters
// (https://docs.slack.dev/reference/block-kit, and for the total, which Slack does
// not document, https://github.com/slackapi/bolt-js/issues/2509).
const (
	totalMax  = 12000 // less than the about 13,200 at which Slack refuses
	blocksMax = 50
)

// Check holds a message's arguments to what Slack takes, and returns the error
// that Slack would give, with what is wrong; "" for a good one.
func Check(body []byte) (code, why string) {
	var args map[string]any
	if json.Unmarshal(body, &args) != nil || args == nil {
		return "invalid_payload", "not an object"
	}
	c := &checker{ids: map[string]bool{}}
	c.keys("message", args, "channel", "ts", "thread_ts", "reply_broadcast", "text", "unfurl_links", "unfurl_media", "blocks", "attachments", "metadata", "user")
	if str(args, "text") == "" {
		return "no_text", "a message needs a text for notifications and screen readers"
	}
	c.blocks(args["blocks"])
	for _, a := range list(args["attachments"]) {
		attachment, ok := a.(map[string]any)
		if !ok {
			return "invalid_attachments", "not an object"
		}
		c.keys("attachment", attachment, "color", "fallback", "blocks")
		c.blocks(attachment["blocks"])
	}
	switch {
	case c.wrong != "":
		return "invalid_blocks", c.wrong
	case c.n > blocksMax:
		return "invalid_blocks", fmt.Sprintf("%d blocks, and 50 are the most", c.n)
	case c.total > totalMax:
		return "msg_blocks_too_long", fmt.Sprintf("%d characters in all", c.total)
	}
	return "", ""
}

// A checker keeps the first thing that is wrong.
type checker struct {
	wrong string
	n     int
	total int
	ids   map[string]bool // action ids
}

func (c *checker) fail(format string, args ...any) {
	if c.wrong == "" {
		c.wrong = fmt.Sprintf(format, args...)
	}
}

func (c *checker) keys(what string, of map[string]any, known ...string) {
	for key := range of {
		if !slices.Contains(known, key) {
			c.fail("%s: no key %q", what, key)
		}
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func (c *checker) blocks(v any) {
	if _, ok := v.([]any); !ok && v != nil {
		c.fail("blocks are no list")
	}
	for _, v := range list(v) {
		block, ok := v.(map[string]any)
		if !ok {
			c.fail("a block is no object")
			return
		}
		c.n++
		c.block(block)
	}
}

func (c *checker) block(b map[string]any) {
	kind := str(b, "type")
	switch kind {
	case "header":
		c.keys(kind, b, "type", "block_id", "text")
		c.text(kind, b["text"], 150, "plain_text")
	case "section":
		c.keys(kind, b, "type", "block_id", "text", "fields")
		fields := list(b["fields"])
		if b["text"] == nil && len(fields) == 0 {
			c.fail("section: neither text nor fields")
		}
		if b["text"] != nil {
			c.text(kind, b["text"], 3000, "plain_text", "mrkdwn")
		}
		c.atMost("section: fields", len(fields), 10)
		for _, f := range fields {
			c.text("field", f, 2000, "plain_text", "mrkdwn")
		}
	case "context":
		c.keys(kind, b, "type", "block_id", "elements")
		elements := list(b["elements"])
		c.atLeastOne(kind, len(elements))
		c.atMost("context: elements", len(elements), 10)
		for _, e := range elements {
			c.text(kind, e, 3000, "plain_text", "mrkdwn")
		}
	case "actions":
		c.keys(kind, b, "type", "block_id", "elements")
		elements := list(b["elements"])
		c.atLeastOne(kind, len(elements))
		c.atMost("actions: elements", len(elements), 25)
		for _, e := range elements {
			c.button(e)
		}
	case "divider":
		c.keys(kind, b, "type", "block_id")
	default:
		c.fail("no block is called %q", kind)
	}
}

func (c *checker) atMost(what string, n, most int) {
	if n > most {
		c.fail("%s: %d, and %d are the most", what, n, most)
	}
}

func (c *checker) atLeastOne(what string, n int) {
	if n == 0 {
		c.fail("%s: no elements", what)
	}
}

func (c *checker) text(where string, v any, most int, kinds ...string) {
	t, ok := v.(map[string]any)
	if !ok {
		c.fail("%s: the text is no text object", where)
		return
	}
	c.keys(where+": text", t, "type", "text", "emoji", "verbatim")
	kind := str(t, "type")
	if !slices.Contains(kinds, kind) {
		c.fail("%s: a text of type %q", where, kind)
	}
	_, emoji := t["emoji"]
	_, verbatim := t["verbatim"]
	if emoji && kind != "plain_text" || verbatim && kind != "mrkdwn" {
		c.fail("%s: emoji is for plain_text and verbatim for mrkdwn", where)
	}
	c.length(where, str(t, "text"), 1, most)
}

func (c *checker) length(where, s string, least, most int) {
	n := len(utf16.Encode([]rune(s)))
	if n < least || n > most {
		c.fail("%s: %d characters, and %d to %d are right", where, n, least, most)
	}
	c.total += n
}

func (c *checker) button(v any) {
	b, ok := v.(map[string]any)
	if !ok || b["type"] != "button" {
		c.fail("actions: not a button")
		return
	}
	c.keys("button", b, "type", "text", "action_id", "value", "url", "style", "confirm", "accessibility_label")
	c.text("button", b["text"], 75, "plain_text")
	c.length("button: action_id", str(b, "action_id"), 1, 255)
	if id := str(b, "action_id"); c.ids[id] {
		c.fail("button: action_id %q is there twice", id)
	}
	c.ids[str(b, "action_id")] = true
	c.length("button: value", str(b, "value"), 0, 2000)
	c.length("button: url", str(b, "url"), 0, 3000)
	if style := str(b, "style"); !slices.Contains([]string{"", "primary", "danger"}, style) {
		c.fail("button: style %q", style)
	}
	if b["confirm"] == nil {
		return
	}
	ask, ok := b["confirm"].(map[string]any)
	if !ok {
		c.fail("confirm: not an object")
		return
	}
	c.keys("confirm", ask, "title", "text", "confirm", "deny", "style")
	c.text("confirm: title", ask["title"], 100, "plain_text")
	c.text("confirm: text", ask["text"], 300, "plain_text", "mrkdwn")
	c.text("confirm: confirm", ask["confirm"], 30, "plain_text")
	c.text("confirm: deny", ask["deny"], 30, "plain_text")
}
