package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
)

// A Look is how a message's state is shown: never by colour alone, so that it
// can be told by the colour-blind, in black and white, and read aloud.
type Look struct {
	Word   string // "CRITICAL", "CLOSED"
	Shape  string // one character: "■"
	Colour string // "#6E0B14"
}

// The looks of the levels, and of what is over or not real.
var (
	looks = [...]Look{
		tocsin.Unknown:       {"UNKNOWN", "○", "#546E7A"},
		tocsin.Informational: {"INFO", "○", "#546E7A"},
		tocsin.Low:           {"LOW", "·", "#F9A825"},
		tocsin.Medium:        {"MEDIUM", "●", "#EF6C00"},
		tocsin.High:          {"HIGH", "▲", "#C62828"},
		tocsin.Critical:      {"CRITICAL", "■", "#6E0B14"},
	}
	closedLook   = Look{"CLOSED", "✓", "#546E7A"}
	noteLook     = Look{"NOTE", "○", "#546E7A"}
	sampleColour = "#9E9E9E"
)

// LookOf is the look of a level.
func LookOf(l tocsin.Level) Look {
	if l < tocsin.Unknown || l > tocsin.Critical {
		l = tocsin.Unknown
	}
	return looks[l]
}

// Colour is the level's colour, "#C62828".
func Colour(l tocsin.Level) string { return LookOf(l).Colour }

// Look is how the message's state is shown: the alert's level, or the worst of a
// digest; grey where the alert is over or a sample, and for what is about none.
func (m Message) Look() Look {
	look := LookOf(m.Alert.Level)
	switch m.Kind {
	case tocsin.TellClosed:
		look = closedLook
	case tocsin.TellNote, tocsin.TellCode:
		return noteLook
	case tocsin.TellDigest:
		return LookOf(Worst(m))
	}
	if m.Alert.Sample {
		look.Colour = sampleColour
	}
	return look
}

// State says in a word or two what the message tells: "NEW", "REOPENED",
// "RAISED medium→high", "UPDATED", "ACKNOWLEDGED by ana", "ASSIGNED to bo",
// "SNOOZED until 12 Jun 06:00 UTC", "CLOSED (archived)".
func (m Message) State() string {
	switch m.Kind {
	case tocsin.TellRaised:
		if from := m.levelBefore(); from != "" && from != m.Alert.Level.String() {
			return "RAISED " + from + "→" + m.Alert.Level.String()
		}
		return "RAISED to " + m.Alert.Level.String()
	case tocsin.TellClosed:
		if m.Alert.CloseReason == "" {
			return "CLOSED"
		}
		reason := strings.ReplaceAll(string(m.Alert.CloseReason), "_", " ")
		return "CLOSED (" + Truncate(Defang(Clean(reason)), 30, Runes) + ")"
	case tocsin.TellUpdated:
		return "UPDATED"
	case tocsin.TellAcknowledged:
		return by("ACKNOWLEDGED", "by", m.Alert.AckedBy)
	case tocsin.TellChanged:
		return m.changed()
	case tocsin.TellDigest:
		return "DIGEST"
	case tocsin.TellNote:
		return "NOTE"
	case tocsin.TellCode:
		return "CODE"
	}
	if m.Alert.Reopened > 0 {
		return "REOPENED"
	}
	return "NEW"
}

// changed says what somebody made of the alert, as it is now.
func (m Message) changed() string {
	a := m.Alert
	switch {
	case a.SnoozedUntil.After(m.At):
		// The day in few letters: it leads the first line.
		return "SNOOZED until " + a.SnoozedUntil.UTC().Format("2 Jan 15:04 UTC")
	case a.Status == tocsin.StatusAcked:
		return by("ASSIGNED", "to", a.Assignee)
	}
	for _, c := range m.Changes {
		if c.What == "team" {
			return by("HANDED OVER", "to", c.To)
		}
	}
	return "OPEN AGAIN"
}

// by is "ACKNOWLEDGED by ana", or the word alone where the name is not known.
func by(word, link, name string) string {
	if name = Truncate(Defang(Clean(name)), 40, Runes); name == "" {
		return word
	}
	return word + " " + link + " " + name
}

// levelBefore is the level's word before the change, as far as the changes say.
func (m Message) levelBefore() string {
	for _, c := range m.Changes {
		if c.What == "severity" {
			word, _, _ := strings.Cut(c.From, " ")
			return Truncate(Defang(Clean(word)), 20, Runes)
		}
	}
	return ""
}

// FirstLineMax is the longest a first line gets, in characters: what fits a lock
// screen.
const FirstLineMax = 110

// FirstLine carries the decision in at most [FirstLineMax] characters: level,
// account, region and what happened to what of ours.
//
//	CRITICAL · prod-payments (111122223333) eu-west-1 · EC2 i-0abc is calling a C2 server
//	RAISED medium→high · prod-payments eu-west-1 · …
//	[SAMPLE] CLOSED (archived) · …
//
// The account's number gives way before words of the headline do, unless the
// account has no name. The line is clean (see [Clean]) and defanged; it is not
// escaped for any receiver. That of a digest counts, and names the worst:
//
//	3 alerts · 1 critical, 2 high · EC2 i-0abc is calling a C2 server
func FirstLine(m Message) string {
	switch m.Kind {
	case tocsin.TellDigest:
		return Truncate(digestLine(m), FirstLineMax, Runes)
	case tocsin.TellNote:
		return noteLine(m)
	case tocsin.TellCode:
		return Truncate(Clean(m.Code), 20, Runes) + " is your code for tocsin"
	}
	lead := m.lead()
	headline := Headline(m)
	place := accountLabel(m, true)
	if line := joinDots(lead, place, headline); utf8.RuneCountInString(line) <= FirstLineMax {
		return line
	}
	place = accountLabel(m, false)
	return Truncate(joinDots(lead, place, headline), FirstLineMax, Runes)
}

// lead is what a first line opens with: the sample's mark, and the level or what
// became of it.
func (m Message) lead() string {
	var lead string
	switch state := m.State(); {
	case m.Kind == tocsin.TellRaised, m.Kind == tocsin.TellClosed, m.Kind == tocsin.TellAcknowledged, m.Kind == tocsin.TellChanged:
		lead = state
	case state == "REOPENED", m.Kind == tocsin.TellUpdated:
		lead = state + " " + strings.ToLower(m.Look().Word)
	default:
		lead = m.Look().Word
	}
	if m.Alert.Sample {
		return "[SAMPLE] " + lead
	}
	return lead
}

// Headline is what happened to what of ours: clean, defanged, at most 120
// characters, never empty.
func Headline(m Message) string {
	a := m.Alert
	for _, text := range []string{a.Headline, a.Title, a.Type} {
		if text = Truncate(Defang(Clean(text)), 120, Runes); text != "" {
			return text
		}
	}
	return "an alert that says nothing of itself"
}

// AccountLabel is how people call the alert's account: its name, or its number
// where it has none.
func AccountLabel(m Message) string {
	if name := Truncate(Defang(Clean(m.Account.Name)), 40, Runes); name != "" {
		return name
	}
	return accountID(m)
}

func accountID(m Message) string {
	id := m.Alert.Account
	if id == "" {
		id = m.Account.ID
	}
	return Truncate(Defang(Clean(id)), 40, Runes)
}

// accountLabel is the account and the region, with the account's number if asked
// for.
func accountLabel(m Message, number bool) string {
	label := AccountLabel(m)
	if id := accountID(m); number && id != "" && id != label {
		label += " (" + id + ")"
	}
	return strings.TrimSpace(label + " " + Region(m))
}

// Region is the alert's region, clean; "" where it has none.
func Region(m Message) string { return Truncate(Defang(Clean(m.Alert.Region)), 30, Runes) }

func joinDots(parts ...string) string {
	kept := parts[:0:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, " · ")
}

// FactsMax is the greatest number of facts in a message.
const FactsMax = 12

// Facts are what a message shows as name and value, most important first and at
// most [FactsMax]: what the finding itself says, then When, Our account and, if there
// is one, the First step. Values are clean, defanged and at most 500 characters;
// the first step is a command and left as it is but for control characters. They
// are not escaped for any receiver.
func Facts(m Message, now time.Time) []tocsin.Fact {
	ours := []tocsin.Fact{{Name: "When", Value: When(m, now)}}
	if owner := Owner(m); owner != "" {
		ours = append(ours, tocsin.Fact{Name: "Our account", Value: owner})
	}
	if command := Command(m); command != "" {
		ours = append(ours, tocsin.Fact{Name: "First step", Value: command})
	}
	facts := make([]tocsin.Fact, 0, FactsMax)
	for _, f := range m.Alert.Facts {
		if len(facts)+len(ours) == FactsMax {
			break
		}
		value := Truncate(Defang(Clean(f.Value)), 500, Runes)
		name := Truncate(Defang(Clean(f.Name)), 40, Runes)
		if name != "" && value != "" {
			facts = append(facts, tocsin.Fact{Name: name, Value: value})
		}
	}
	return append(facts, ours...)
}

// Command is the first thing to run, or "": without control characters, not
// defanged, since a defanged command would quietly find nothing. One too long to
// show (over 1,000 characters) is left out rather than cut.
func Command(m Message) string {
	command := Clean(m.Alert.Command)
	if utf8.RuneCountInString(command) > 1000 {
		return ""
	}
	return command
}

// Owner is the account as a person needs it: name, number, environment, team,
// and who reported it.
//
//	prod-payments (111122223333) · production · team payments
func Owner(m Message) string {
	label := AccountLabel(m)
	if id := accountID(m); id != label {
		label += " (" + id + ")"
	}
	parts := []string{label, Truncate(Defang(Clean(m.Account.Environment)), 40, Runes)}
	if team := Truncate(Defang(Clean(m.Account.Team)), 40, Runes); team != "" {
		parts = append(parts, "team "+team)
	}
	if by := Truncate(Defang(Clean(m.Alert.ReportedBy)), 20, Runes); by != "" && by != m.Alert.Account {
		parts = append(parts, "reported by "+by)
	}
	return joinDots(parts...)
}

// When says when and how often, in UTC and relative to now.
//
//	first 2026-06-12 02:13 UTC, last 3 min ago, 17 times (+4)
func When(m Message, now time.Time) string {
	a := m.Alert
	first, last := a.FirstSeen, a.LastSeen
	if first.IsZero() {
		first = a.OpenedAt
	}
	if last.Before(first) {
		last = first
	}
	times := count(a.Occurrences) + gained(m.Changes)
	switch {
	case first.IsZero():
		return times
	case last.Equal(first):
		return fmt.Sprintf("%s (%s), %s", UTC(first), Ago(now.Sub(first)), times)
	}
	return fmt.Sprintf("first %s, last %s, %s", UTC(first), Ago(now.Sub(last)), times)
}

func count(n int64) string {
	switch {
	case n <= 1:
		return "once"
	case n == 2:
		return "twice"
	}
	return strconv.FormatInt(n, 10) + " times"
}

// gained is " (+34)" where the changes say that the count grew.
func gained(changes []tocsin.Change) string {
	for _, c := range changes {
		if c.What == "count" {
			return difference(c)
		}
	}
	return ""
}

// difference is " (+34)" of a change from one whole number to a higher one.
func difference(c tocsin.Change) string {
	from, err := strconv.ParseInt(c.From, 10, 64)
	if err != nil {
		return ""
	}
	to, err := strconv.ParseInt(c.To, 10, 64)
	if err != nil || to <= from {
		return ""
	}
	return " (+" + strconv.FormatInt(to-from, 10) + ")"
}

// UTC is "2026-06-12 02:13 UTC".
func UTC(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Ago is "just now", "3 min ago", "5 h ago", "2 days ago".
func Ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// Changes says what is new since the last message, or "".
//
//	severity medium 5 → high 8, count 12 → 46 (+34), remote IP 203.0.113.7
func Changes(m Message) string {
	parts := make([]string, 0, len(m.Changes))
	for i, c := range m.Changes {
		if i == FactsMax {
			parts = append(parts, fmt.Sprintf("%d more", len(m.Changes)-i))
			break
		}
		if text := changeText(c); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

func changeText(c tocsin.Change) string {
	what, from, to := changeWord(c.What), changeWord(c.From), changeWord(c.To)
	switch {
	case what == "over" && to == "true":
		return "ended at its source"
	case what == "over":
		return "started again"
	case what == "path":
		return "also came by " + to
	case from == "":
		return strings.TrimSpace(what + " " + to)
	}
	return what + " " + from + " → " + to + difference(c)
}

func changeWord(s string) string { return Truncate(Defang(Clean(s)), 100, Runes) }

// Why says why the receiver is told: "told because of route 2 (receiver
// payments-oncall)".
func Why(m Message) string {
	why := Truncate(Defang(Clean(m.Why)), 120, Runes)
	if why == "" {
		why = "the configuration"
	}
	if receiver := Truncate(Defang(Clean(m.Receiver)), 60, Runes); receiver != "" {
		return "told because of " + why + " (receiver " + receiver + ")"
	}
	return "told because of " + why
}

// Description is the finding's prose, cut to at most 300 characters, clean and
// defanged; "" where it says no more than the headline.
func Description(m Message) string {
	text := Defang(Clean(m.Alert.Description))
	if text == m.Alert.Headline {
		return ""
	}
	return Truncate(text, 300, Runes)
}

// A Unit measures a text as its receiver counts.
type Unit func(string) int

// Runes counts Unicode code points.
func Runes(s string) int { return utf8.RuneCountInString(s) }

// Bytes counts bytes of UTF-8.
func Bytes(s string) int { return len(s) }

// UTF16 counts UTF-16 code units, as JavaScript and Java do. It is never less
// than Runes, so it is the safe measure where a receiver says "characters" and
// not which.
func UTF16(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// Truncate cuts s so that it is no longer than most units, the closing "…"
// included. It cuts at the end of a word, so that no id is cut in two, unless that
// would throw away more than two thirds of the room; and never within a character
// or before a mark that belongs to it.
func Truncate(s string, most int, unit Unit) string {
	if unit(s) <= most {
		return s
	}
	room := most - unit("…")
	if room < 0 {
		return ""
	}
	cut, word, used := 0, 0, 0
	for i, r := range s {
		n := unit(string(r))
		if used+n > room {
			cut = i
			if unicode.IsSpace(r) {
				word = i
			}
			break
		}
		if unicode.IsSpace(r) {
			word = i
		}
		used += n
		cut = i + utf8.RuneLen(r)
	}
	if word > 0 && unit(s[:word]) >= room/3 {
		cut = word
	} else {
		cut = wholeCharacter(s, cut)
	}
	return strings.TrimRight(s[:cut], " \t\n,;:·-–—(") + "…"
}

// wholeCharacter moves a cut back so that no combining mark or joiner begins the
// rest.
func wholeCharacter(s string, cut int) int {
	for back := cut; back > 0 && cut-back < 64; {
		next, _ := utf8.DecodeRuneInString(s[back:])
		last, size := utf8.DecodeLastRuneInString(s[:back])
		if !unicode.Is(unicode.M, next) && last != '\u200d' && next != '\u200d' {
			return back
		}
		back -= size
	}
	return cut
}

// FindingID is the finding's id as people copy it, clean and at most 64
// characters; "" where it has none.
func FindingID(m Message) string { return Truncate(Defang(Clean(m.Alert.Detection.ID)), 64, Runes) }

// Type is the finding's type, clean and at most 100 characters.
func Type(m Message) string { return Truncate(Defang(Clean(m.Alert.Type)), 100, Runes) }
