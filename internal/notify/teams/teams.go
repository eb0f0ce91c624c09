// Package teams tells a channel or chat of Microsoft Teams by a workflow that
// posts what comes to its webhook
// (https://support.microsoft.com/office/8ae491c7-0394-4861-ba59-055e33f75498).
//
// Each message is an Adaptive Card 1.5 (https://adaptivecards.io/explorer/). A
// workflow gives nothing back by which a card could be changed later: what
// becomes of an alert is a short card of its own, which names the alert.
package teams

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Teams notifier. A workflow posts as a bot, which may send 1,800
// messages an hour to one channel
// (https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit). It
// accepts a message before it posts it, so what is too much would not be seen here.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("teams", "Posts to a Microsoft Teams channel or chat by the webhook of a workflow.", open)
	k.Title = "Microsoft Teams"
	k.Abilities = notify.Abilities{Resolve: true, Rich: true, Limit: "28 KB"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "JSON Schema from adaptivecards 3.0.6", Test: "TestGoldenCardsAreWhatMicrosoftsLibraryReads"},
		{How: notify.ByFake, By: "a server that keeps the published rules for workflows' webhooks", Test: "TestCards"},
	}
	k.Rate = 0.5
	return k
}

// Config are the settings of a Teams receiver. The host is not checked: Microsoft
// has moved it before.
type Config struct {
	URL secret.String `json:"url" doc:"URL of the workflow's trigger When a Teams webhook request is received; anybody who has it can post."`
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := notify.CheckURL(c.URL); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	return &notifier{url: c.URL, client: env.HTTP, now: env.Now}, nil
}

type notifier struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
}

// Notify posts the card. A workflow gives no id back, so there is no reference.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("teams: it posts to a channel, not to a single person, and proves no address"))
	}
	body, err := render(m, n.now())
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("teams: %w", err))
	}
	reply, err := notify.Post(ctx, n.client, n.url.Reveal(), nil, body)
	if err != nil {
		return "", fmt.Errorf("teams: %w", err)
	}
	if bytes.HasPrefix(bytes.TrimSpace(reply), []byte("<")) {
		return "", errors.New("teams: the reply is a web page, which is not a workflow's; is there a proxy in between, or is url wrong?")
	}
	return "", nil
}

// sizeMax is the longest message in bytes: Teams refuses those of more than about
// 28 KB
// (https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages).
const sizeMax = 27 << 10

// valueMax are the longest values of facts, tried until the card fits.
var valueMax = []int{500, 200, 80}

// listedMax is how many alerts of a digest are listed if they fit.
const listedMax = 30

// render makes the message, and shortens it until Teams takes it: first the
// values, then the list of a digest.
func render(m notify.Message, now time.Time) ([]byte, error) {
	listed := min(len(m.Digest), listedMax)
	for try := 0; ; try++ {
		room := valueMax[min(try, len(valueMax)-1)]
		body, err := notify.JSON(post(content(m, now, room, listed)))
		if err != nil || len(body) <= sizeMax {
			return body, err
		}
		if try >= len(valueMax) {
			if listed == 0 {
				return nil, fmt.Errorf("the card has %d bytes, and Teams takes no more than %d", len(body), sizeMax)
			}
			listed /= 2
		}
	}
}

// A message is what the trigger of the workflow wants.
type message struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"`
	Content     card    `json:"content"`
}

type card struct {
	Schema  string    `json:"$schema"`
	Type    string    `json:"type"`
	Version string    `json:"version"`
	Teams   hints     `json:"msteams"`
	Body    []element `json:"body"`
}

// hints are Microsoft's addition: the card is as wide as the channel.
type hints struct {
	Width string `json:"width"`
}

// An element is a TextBlock, a FactSet or an ActionSet.
type element struct {
	Type string `json:"type"`

	Text   string `json:"text,omitempty"`
	Style  string `json:"style,omitempty"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Colour string `json:"color,omitempty"`
	Font   string `json:"fontType,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
	Wrap   bool   `json:"wrap,omitempty"`
	// Spacing is the gap above.
	Spacing string `json:"spacing,omitempty"`

	Facts   []fact   `json:"facts,omitempty"`
	Actions []action `json:"actions,omitempty"`
}

type fact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
	Style string `json:"style,omitempty"`
}

func post(body []element) message {
	return message{Type: "message", Attachments: []attachment{{
		ContentType: "application/vnd.microsoft.card.adaptive",
		Content: card{
			Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.5",
			Teams: hints{Width: "Full"}, Body: body,
		},
	}}}
}

// content is the body of the card, with values of at most room characters and
// that many alerts of a digest.
func content(m notify.Message, now time.Time, room, listed int) []element {
	body := []element{heading(m)}
	add := func(es ...element) { body = append(body, es...) }
	switch m.Kind {
	case tocsin.TellDigest:
		add(list(m, listed)...)
	case tocsin.TellNote:
		if note := notify.Note(m); note != notify.FirstLine(m) {
			add(text(note))
		}
	case tocsin.TellOpened, tocsin.TellRaised:
		add(full(m, now, room)...)
	default:
		add(short(m, now, room)...)
	}
	if buttons := actions(m); len(buttons) > 0 {
		add(element{Type: "ActionSet", Actions: buttons})
	}
	add(element{Type: "TextBlock", Text: plain(footer(m)), Size: "Small", Subtle: true, Wrap: true, Spacing: "Small"})
	return body
}

// heading is the first line. Its shape says what its colour says.
func heading(m notify.Message) element {
	look := m.Look()
	return element{
		Type: "TextBlock", Text: plain(look.Shape + " " + notify.FirstLine(m)),
		Style: "heading", Weight: "Bolder", Size: "Medium", Colour: colour(m), Wrap: true,
	}
}

// colour is one of the few that cards have; Teams chooses their shade, so that
// they can be read on light and dark.
func colour(m notify.Message) string {
	level := m.Alert.Level
	switch {
	case m.Kind == tocsin.TellNote, m.Alert.Sample:
		return "Default"
	case m.Kind == tocsin.TellClosed:
		return "Good"
	case m.Kind == tocsin.TellDigest:
		level = notify.Worst(m)
	}
	switch level {
	case tocsin.Critical, tocsin.High:
		return "Attention"
	case tocsin.Medium, tocsin.Low:
		return "Warning"
	}
	return "Default"
}

// full is what calls for somebody to act.
func full(m notify.Message, now time.Time, room int) []element {
	es := []element{{Type: "TextBlock", Text: plain(situation(m)), Subtle: true, Wrap: true, Spacing: "None"}}
	if changes := notify.Changes(m); changes != "" {
		es = append(es, text("What changed: "+fit(changes, 2*room)))
	}
	if prose := notify.Description(m); prose != "" {
		es = append(es, text(prose))
	}
	var facts []fact
	var command string
	for _, f := range notify.Facts(m, now) {
		if f.Name == "First step" {
			command = f.Value
			continue
		}
		facts = append(facts, fact{plain(f.Name), plain(fit(f.Value, room))})
	}
	es = append(es, element{Type: "FactSet", Facts: append(facts, people(m)...)})
	return append(es, step(command, room)...)
}

// short is what became of the alert.
func short(m notify.Message, now time.Time, room int) []element {
	var es []element
	if changes := notify.Changes(m); changes != "" {
		es = append(es, text("What changed: "+fit(changes, 2*room)))
	}
	facts := append([]fact{{"When", plain(notify.When(m, now))}}, people(m)...)
	return append(es, element{Type: "FactSet", Facts: facts})
}

func people(m notify.Message) []fact {
	var facts []fact
	if who := notify.OnCall(m); who != "" {
		facts = append(facts, fact{"On call", plain(who)})
	}
	if seen := notify.Seen(m); seen != "" {
		facts = append(facts, fact{"Seen before", plain(seen)})
	}
	return facts
}

// step is the first thing to run, as it is to be typed. A command that could be
// taken for markup or holds what Teams would make a link of is left out, since
// one that is not as it should be would quietly find nothing.
func step(command string, room int) []element {
	if command == "" || notify.UTF16(command) > 2*room || plain(command) != command || notify.Defang(command) != command {
		return nil
	}
	return []element{
		{Type: "TextBlock", Text: "First step", Weight: "Bolder", Wrap: true},
		{Type: "TextBlock", Text: command, Font: "Monospace", Wrap: true, Spacing: "None"},
	}
}

// situation is the line under the heading: state, type, account, region.
func situation(m notify.Message) string {
	parts := []string{m.State()}
	if m.Alert.Sample {
		parts = append(parts, "SAMPLE")
	}
	for _, word := range []string{notify.Type(m), notify.AccountLabel(m), notify.Region(m)} {
		if word != "" {
			parts = append(parts, word)
		}
	}
	return strings.Join(parts, " · ")
}

// list is a digest's alerts, each with its link.
func list(m notify.Message, listed int) []element {
	es := make([]element, 0, listed+1)
	for _, item := range m.Digest[:listed] {
		line := plain(notify.LookOf(item.Alert.Level).Shape + " " + item.Line())
		if url := item.Link(); url != "" && !strings.ContainsAny(url, "()[]") {
			line += fmt.Sprintf(" [#%d](%s)", item.Alert.ID, url)
		}
		es = append(es, element{Type: "TextBlock", Text: line, Wrap: true, Spacing: "Small"})
	}
	if more := len(m.Digest) - listed; more > 0 {
		es = append(es, text(fmt.Sprintf("%d more", more)))
	}
	return es
}

// actionsMax is how many buttons a set has: renderers of Adaptive Cards show five
// unless they are told otherwise, Teams six.
const actionsMax = 5

// actions are what the reader can do, and where there is more to see.
func actions(m notify.Message) []action {
	var as []action
	add := func(title, url, style string) {
		if url != "" && len(as) < actionsMax {
			as = append(as, action{"Action.OpenUrl", title, url, style})
		}
	}
	room := actionsMax - 2
	for _, a := range m.Actions[:min(len(m.Actions), room)] {
		style := ""
		if a.Do == notify.DoAcknowledge {
			style = "positive"
		}
		add(notify.Truncate(notify.Clean(a.Label), 40, notify.UTF16), a.Link(), style)
	}
	add("Alert #"+strconv.FormatInt(m.Alert.ID, 10), notify.AlertLink(m), "")
	add("AWS console", notify.ConsoleLink(m), "")
	add("About this type", notify.DocumentationLink(m), "")
	return as
}

func footer(m notify.Message) string {
	var parts []string
	if m.Alert.ID != 0 {
		parts = append(parts, "alert #"+strconv.FormatInt(m.Alert.ID, 10))
	}
	if id := notify.FindingID(m); id != "" {
		parts = append(parts, "finding "+id)
	}
	parts = append(parts, notify.Why(m))
	if id := notify.Truncate(notify.Defang(notify.Clean(m.ID)), 60, notify.UTF16); id != "" {
		parts = append(parts, "message "+id)
	}
	return strings.Join(parts, " · ")
}

func text(s string) element { return element{Type: "TextBlock", Text: plain(s), Wrap: true} }

func fit(s string, most int) string { return notify.Truncate(s, most, notify.UTF16) }

// Cards take a part of CommonMark in TextBlocks and facts: emphasis, lists, links
// (https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features), and
// dates of the form {{DATE(…)}}. Escapes are not in that part, so what would be
// markup is replaced by what looks like it.
var (
	entity  = lazyregexp.New(`&(#\d|#[xX][0-9a-fA-F]|[a-zA-Z][a-zA-Z0-9]*;)`)
	opening = lazyregexp.New(`^(?:[-+*>#]|\d{1,9}[.)])(?:\s|$)|^#{1,6}\s|^(?:-{3,}|={3,})`)
	doubled = strings.NewReplacer("{{", "{ {", "](", "] (", "][", "] [", "]:", "] :", "~~", "∼∼", "``", "ˋˋ")
)

// plain is s without what a card would take for markup. Most texts, and the ids
// that people copy, are left as they are.
func plain(s string) string {
	if entity.MatchString(s) {
		s = entity.ReplaceAllStringFunc(s, func(found string) string { return "＆" + found[1:] })
	}
	s = doubled.Replace(s)
	if opening.MatchString(s) {
		s = "· " + s
	}
	if !strings.ContainsAny(s, "*_`<\\") {
		return s
	}
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		before, after := ' ', ' '
		if i > 0 {
			before = runes[i-1]
		}
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		b.WriteRune(harmless(before, r, after))
	}
	return b.String()
}

// harmless is r, or what looks like it where it would be markup between its
// neighbours. An underscore within a word is none, nor is a mark between spaces.
func harmless(before, r, after rune) rune {
	switch {
	case r == '*' && (before != ' ' || after != ' '):
		return '∗'
	case r == '_' && (!wordy(before) || !wordy(after)):
		return '＿'
	case r == '`':
		return 'ˋ'
	case r == '<' && (wordy(after) || after == '/' || after == '!' || after == '?'):
		return '‹'
	case r == '\\' && !wordy(after):
		return '＼'
	}
	return r
}

func wordy(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
