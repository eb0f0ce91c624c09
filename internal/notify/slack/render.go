package slack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A renderer makes payloads. It has buttons where their answers reach us.
// Elsewhere what can be done is offered by links in the text: buttons that are
// links show a warning once they are pressed, where nobody answers Slack
// (https://github.com/slackapi/node-slack-sdk/issues/869).
type renderer struct {
	buttons bool
	colours palette
}

// message makes the payload of a message.
func (r renderer) message(m notify.Message, now time.Time) message {
	var parts []part
	switch m.Kind {
	case tocsin.TellDigest:
		parts = digest(m)
	case tocsin.TellNote:
		parts = note(m)
	case tocsin.TellCode:
		parts = proof(m)
	default:
		parts = r.alert(m, now)
	}
	first, look := notify.FirstLine(m), m.Look()
	header := plain(look.Shape+" "+first, headerMax)
	return message{
		Text:        unmarked(first, headerMax), // the notification on a phone
		Blocks:      []block{{Type: "header", Text: &header}},
		Attachments: []attachment{{Color: r.colours.of(m), Fallback: fit(first, headerMax, escape), Blocks: within(parts, totalMax-headerMax)}},
	}
}

// alert tells how an alert stands.
func (r renderer) alert(m notify.Message, now time.Time) []part {
	parts := []part{{block: smallPrint(situation(m)...)}}
	if changes := changes(m); changes != "" {
		parts = append(parts, part{section(labelled("What changed", changes, textMax)), 2})
	}
	if prose := notify.Description(m); prose != "" {
		parts = append(parts, part{section(plain(prose, textMax)), 3})
	}
	fields, rest := facts(m, now)
	parts = append(parts, part{block: block{Type: "section", Fields: fields}})
	if len(rest) > 0 {
		parts = append(parts, part{smallPrint(rest...), 4})
	}
	if command := notify.Command(m); command != "" {
		if step, ok := code("First step", command); ok {
			parts = append(parts, part{section(step), 1})
		}
	}
	parts = append(parts, part{block: smallPrint(footer(m)...)})
	if actions, ok := r.actions(m); ok {
		parts = append(parts, part{block: actions})
	}
	return parts
}

// situation is the line under the header: level, state, type, account, region,
// and how it stands.
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
	for _, words := range []string{standing(m), notify.Seen(m)} {
		if words != "" {
			elements = append(elements, plain(words, contextMax))
		}
	}
	return elements
}

// standing is who has the alert, where the state does not say so.
func standing(m notify.Message) string {
	switch m.Kind {
	case tocsin.TellAcknowledged, tocsin.TellChanged, tocsin.TellClosed:
		return ""
	}
	if m.Alert.Status != tocsin.StatusAcked {
		return ""
	}
	if by := name(m.Alert.AckedBy); by != "" {
		return "acknowledged by " + by
	}
	return "acknowledged"
}

// name is how a person is called, who may be called anything.
func name(s string) string { return notify.Truncate(notify.Defang(notify.Clean(s)), 40, notify.UTF16) }

// facts are the fields and, as small print, the facts for which there is no field.
// When it was and whose account it is always have one; the command stands apart,
// since it needs a code block.
func facts(m notify.Message, now time.Time) (fields, rest []text) {
	var theirs, ours []text
	for _, f := range notify.Facts(m, now) {
		field := labelled(f.Name, f.Value, valueMax)
		switch f.Name {
		case "First step":
		case "When":
			if field.Type == "mrkdwn" {
				field.Text += local(m)
			}
			ours = append(ours, field)
		case "Our account":
			if people := onCall(m); people != "" {
				field = labelled(f.Name, f.Value+"\n"+people, valueMax)
			}
			ours = append(ours, field)
		default:
			if len(theirs) == fieldsMax-2 {
				rest = append(rest, plain(f.Name+": "+f.Value, contextMax))
				continue
			}
			theirs = append(theirs, field)
		}
	}
	return append(theirs, ours...), rest
}

// onCall is who is on call, and for which team where it is not the account's.
func onCall(m notify.Message) string {
	if m.Team == m.Account.Team {
		m.Team = ""
	}
	return notify.OnCall(m)
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
	if url := notify.AlertLink(m); url != "" && len(url) <= urlMax {
		elements = append(elements, mrkdwn(anchor(url, fmt.Sprintf("Alert #%d", m.Alert.ID))))
	} else {
		elements = append(elements, plain(fmt.Sprintf("alert #%d", m.Alert.ID), contextMax))
	}
	if url := notify.ConsoleLink(m); url != "" {
		elements = append(elements, linked(url, "AWS console"))
	}
	if id := notify.FindingID(m); id != "" {
		elements = append(elements, plain("finding "+id, contextMax))
	}
	return append(elements, plain(notify.Why(m), contextMax))
}

// buttonOf is how a button is called where the message does not say, and how it
// looks.
var buttonOf = map[notify.Do]struct{ label, style string }{
	notify.DoAcknowledge: {"Acknowledge", "primary"},
	notify.DoExpected:    {"Expected", ""},
	notify.DoEscalate:    {"Escalate", ""},
	notify.DoClose:       {"Close", ""},
}

const actionPrefix = "tocsin_"

// actions are what the reader can do, as buttons or as links. There is nothing to
// be done about a closed alert.
func (r renderer) actions(m notify.Message) (block, bool) {
	if m.Kind == tocsin.TellClosed || m.Alert.Status == tocsin.StatusClosed {
		return block{}, false
	}
	var (
		buttons []button
		links   []string
	)
	for _, a := range m.Actions {
		known, ok := buttonOf[a.Do]
		run, runs := a.Do.Runs()
		if !ok && !runs {
			continue
		}
		if runs {
			known.label, known.style = "Run "+notify.Clean(run), "danger"
		}
		label := cmp.Or(notify.Clean(a.Label), known.label)
		if url := a.Link(); url != "" && len(url) <= urlMax && tame(label) {
			links = append(links, anchor(url, strings.ReplaceAll(label, "|", "/")))
		}
		b := button{
			Type: "button", Text: plain(label, labelMax), ActionID: actionPrefix + string(a.Do),
			Value: strconv.FormatInt(m.Alert.ID, 10), Style: known.style,
		}
		if a.Do == notify.DoExpected || a.Do == notify.DoClose {
			b.Text = plain(strings.TrimRight(label, "…. ")+"…", labelMax)
			b.Confirm = sure(m, a.Do)
		}
		if runs {
			b.Confirm = &confirm{
				Title: plain("Run it?", 100), Text: plain(fmt.Sprintf("%s runs for alert #%d, and your name stands with it on the timeline.", notify.Clean(run), m.Alert.ID), 300),
				Confirm: plain("Run it", 30), Deny: plain("Not yet", 30),
			}
		}
		buttons = append(buttons, b)
	}
	switch {
	case r.buttons && len(buttons) > 0:
		return block{Type: "actions", Elements: buttons}, true
	case !r.buttons && len(links) > 0:
		return section(mrkdwn(strings.Join(links, "  ·  "))), true
	}
	return block{}, false
}

// sure asks before an alert is closed.
func sure(m notify.Message, do notify.Do) *confirm {
	text := fmt.Sprintf("Alert #%d is closed as expected, and nobody is told of it any more.", m.Alert.ID)
	if do == notify.DoClose {
		text = fmt.Sprintf("Alert #%d is closed, and nobody is told of it any more.", m.Alert.ID)
	}
	return &confirm{
		Title: plain("Close the alert?", 100), Text: plain(text, 300),
		Confirm: plain("Close it", 30), Deny: plain("Not yet", 30),
	}
}

// digestItems is how many alerts a digest names; the rest it counts.
const digestItems = 20

// digest lists alerts, worst first.
func digest(m notify.Message) []part {
	var parts []part
	room := totalMax - headerMax - 1500 // for what follows the list
	shown := 0
	for _, item := range m.Digest[:min(len(m.Digest), digestItems)] {
		line := notify.LookOf(item.Alert.Level).Shape + " "
		words := strings.ReplaceAll(breakMarkup(item.Line()), "|", "∣")
		if url := item.Link(); url != "" && len(url) <= urlMax {
			line += anchor(url, words)
		} else {
			line += fit(words, contextMax, escape)
		}
		b := section(mrkdwn(line))
		if room -= b.size(); room < 0 {
			break
		}
		parts = append(parts, part{block: b})
		shown++
	}
	var small []text
	if more := len(m.Digest) - shown; more > 0 {
		small = append(small, plain(fmt.Sprintf("and %d more", more), contextMax))
	}
	if accounts := perAccount(m.Digest); accounts != "" {
		small = append(small, plain(accounts, contextMax))
	}
	if url := notify.AlertLink(m); url != "" {
		small = append(small, linked(url, "All of them"))
	}
	return append(parts, part{block: smallPrint(append(small, plain(notify.Why(m), contextMax))...)})
}

// perAccount says how many alerts each account has, where there are several:
// "prod-payments 12, staging 3, 4 in other accounts".
func perAccount(items []notify.Item) string {
	counts := map[string]int{}
	for _, item := range items {
		counts[notify.AccountLabel(notify.Message{Alert: item.Alert, Account: item.Account})]++
	}
	if len(counts) < 2 {
		return ""
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	var said []string
	rest := len(items)
	for _, account := range names[:min(len(names), 4)] {
		said = append(said, fmt.Sprintf("%s %d", cmp.Or(account, "unknown account"), counts[account]))
		rest -= counts[account]
	}
	if rest > 0 {
		said = append(said, fmt.Sprintf("%d in other accounts", rest))
	}
	return strings.Join(said, ", ")
}

func note(m notify.Message) []part {
	return []part{
		{block: section(plain(notify.Note(m), 2500))},
		{block: smallPrint(plain(notify.Why(m), contextMax))},
	}
}

// proof is the code that proves an address. It stands in the header already.
func proof(m notify.Message) []part { return []part{{block: section(plain(notify.Note(m), textMax))}} }

// line is what is new, for the thread of an alert's message. One that is shown in
// the channel as well says first what it is about.
func (renderer) line(m notify.Message) message {
	text := news(m)
	blocks := []block{section(plain(text, textMax))}
	if m.Kind.Calls() {
		blocks = []block{section(plain(notify.FirstLine(m), textMax)), smallPrint(plain(text, textMax))}
		text = notify.FirstLine(m)
	}
	return message{Text: unmarked(text, headerMax), Blocks: blocks, Attachments: []attachment{}}
}

// news says what is new in one line.
//
//	ACKNOWLEDGED by ana
//	RAISED medium→critical: severity medium 5 → critical 9.2, count 12 → 46 (+34)
//	CLOSED (false positive) by bo
func news(m notify.Message) string {
	said := m.State()
	switch m.Kind {
	case tocsin.TellClosed:
		if by := name(m.Alert.ClosedBy); by != "" && m.Alert.ClosedBy != m.Alert.Dialect {
			said += " by " + by
		}
	case tocsin.TellOpened:
		if m.Alert.Reopened == 0 {
			said = "STILL OPEN: " + notify.Why(m)
		}
	}
	if changes := changes(m); changes != "" {
		said += ": " + changes
	}
	return said
}

// changes are what is new besides what the state says already.
func changes(m notify.Message) string {
	state := strings.ToLower(m.State())
	m.Changes = slices.DeleteFunc(slices.Clone(m.Changes), func(c tocsin.Change) bool {
		return c.To != "open" && strings.Contains(state, strings.ToLower(c.To))
	})
	return notify.Changes(m)
}
