package slack

import "github.com/tocsin-sec/tocsin/internal/notify"

// Slack's limits (https://docs.slack.dev/reference/block-kit/blocks). It says
// characters and not which; UTF-16 units are the safe reading. All blocks
// together stay under 12,000: at about 13,200 Slack answers msg_blocks_too_long.
const (
	headerMax  = 150
	fieldsMax  = 6    // Slack takes 10; more are no overview
	valueMax   = 500  // of a field; Slack takes 2,000
	textMax    = 1200 // of a section; Slack takes 3,000
	commandMax = 2800 // of a section, with its name
	contextMax = 200  // of an element of a context
	labelMax   = 75   // of a button
	urlMax     = 700  // of an address that is shown as a link; Slack takes 3,000
	totalMax   = 11500
)

// A message is what chat.postMessage, chat.update and incoming webhooks take.
type message struct {
	Channel        string       `json:"channel,omitempty"`
	TS             string       `json:"ts,omitempty"`
	ThreadTS       string       `json:"thread_ts,omitempty"`
	ReplyBroadcast bool         `json:"reply_broadcast,omitempty"`
	Text           string       `json:"text"`
	UnfurlLinks    bool         `json:"unfurl_links"`
	UnfurlMedia    bool         `json:"unfurl_media"`
	Blocks         []block      `json:"blocks"`
	Attachments    []attachment `json:"attachments"`
	Metadata       *metadata    `json:"metadata,omitempty"`
}

type attachment struct {
	Color    string  `json:"color"`
	Fallback string  `json:"fallback"`
	Blocks   []block `json:"blocks"`
}

type block struct {
	Type   string `json:"type"`
	Text   *text  `json:"text,omitempty"`
	Fields []text `json:"fields,omitempty"`
	// Elements are []text in a context and []button in actions.
	Elements any `json:"elements,omitempty"`
}

// A text is a text object. Emoji is for plain text only and Verbatim for mrkdwn
// only; Slack refuses the wrong one.
type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim bool   `json:"verbatim,omitempty"`
}

// A button sends its action and value to us.
type button struct {
	Type     string   `json:"type"` // "button"
	Text     text     `json:"text"`
	ActionID string   `json:"action_id"`
	Value    string   `json:"value"`
	Style    string   `json:"style,omitempty"`
	Confirm  *confirm `json:"confirm,omitempty"`
}

// A confirm is asked before a button counts as pressed.
type confirm struct {
	Title   text `json:"title"`
	Text    text `json:"text"`
	Confirm text `json:"confirm"`
	Deny    text `json:"deny"`
}

func section(t text) block { return block{Type: "section", Text: &t} }

func smallPrint(elements ...text) block { return block{Type: "context", Elements: elements} }

// size is how much of the total a block takes.
func (b block) size() int {
	n := 0
	add := func(ts ...text) {
		for _, t := range ts {
			n += notify.UTF16(t.Text)
		}
	}
	if b.Text != nil {
		add(*b.Text)
	}
	add(b.Fields...)
	switch elements := b.Elements.(type) {
	case []text:
		add(elements...)
	case []button:
		for _, e := range elements {
			add(e.Text)
			n += notify.UTF16(e.Value)
			if e.Confirm != nil {
				add(e.Confirm.Title, e.Confirm.Text, e.Confirm.Confirm, e.Confirm.Deny)
			}
		}
	}
	return n
}

// A part is a block that may be left out where there is no room for all: the
// greater spare, the sooner; 0 always stays.
type part struct {
	block
	spare int
}

// within are the parts that fit into so many characters.
func within(parts []part, most int) []block {
	total := 0
	for _, p := range parts {
		total += p.size()
	}
	for total > most {
		least := -1
		for i, p := range parts {
			if p.spare > 0 && (least < 0 || p.spare >= parts[least].spare) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		total -= parts[least].size()
		parts = append(parts[:least:least], parts[least+1:]...)
	}
	blocks := make([]block, len(parts))
	for i, p := range parts {
		blocks[i] = p.block
	}
	return blocks
}
