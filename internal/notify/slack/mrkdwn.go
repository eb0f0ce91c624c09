package slack

import (
	"strings"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

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
	if url == "" || len(url) > urlMax || !tame(words) || strings.ContainsAny(words, "|\n") {
		return plain(words, contextMax)
	}
	return mrkdwn(anchor(url, words))
}

// anchor leads to one of our own addresses; its words are tame.
func anchor(url, words string) string {
	return "<" + strings.ReplaceAll(url, "&", "&amp;") + "|" + fit(words, contextMax, escape) + ">"
}

// code is a command in a code block, where Slack makes no links. A command that
// would end the block is shown as plain text; one that does not fit is not
// shown, since half a command is worse than none.
func code(name, command string) (text, bool) {
	if notify.UTF16(escape(command)) > commandMax {
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

// breakMarkup replaces what is markup by what looks like it, for places that have
// no plain text.
func breakMarkup(s string) string {
	if tame(s) {
		return s
	}
	return lookalikes.Replace(s)
}

var lookalikes = strings.NewReplacer("*", "∗", "_", "＿", "~", "∼", "`", "ˋ", ":", "∶", "@", "＠", "#", "＃")

// unmarked is text for the places that have no plain text: what could be a link
// is defanged already, and what could be markup is broken.
func unmarked(s string, most int) string {
	return fit(s, most, func(s string) string { return escape(breakMarkup(s)) })
}

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
