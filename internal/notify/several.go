package notify

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// Worst is the highest level in the digest.
func Worst(m Message) tocsin.Level {
	worst := tocsin.Unknown
	for _, item := range m.Digest {
		worst = max(worst, item.Alert.Level)
	}
	return worst
}

// Level is how bad it is, what the message tells: the alert's level, the worst of a
// digest; a note is for information.
func (m Message) Level() tocsin.Level {
	switch m.Kind {
	case tocsin.TellDigest:
		return Worst(m)
	case tocsin.TellNote, tocsin.TellCode:
		return tocsin.Informational
	}
	return m.Alert.Level
}

// Note is what a note says in full: clean, defanged, at most 2,000 characters and
// never empty.
func Note(m Message) string {
	if text := Truncate(Defang(Clean(m.Text)), 2000, Runes); text != "" {
		return text
	}
	return "a note that says nothing"
}

func noteLine(m Message) string { return Truncate(Note(m), FirstLineMax, Runes) }

// digestLine counts the alerts by level and names the first.
func digestLine(m Message) string {
	if len(m.Digest) == 0 {
		return "no alerts"
	}
	counts := map[tocsin.Level]int{}
	for _, item := range m.Digest {
		counts[item.Alert.Level]++
	}
	var parts []string
	for l := tocsin.Critical; l >= tocsin.Unknown; l-- {
		if n := counts[l]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, l))
		}
	}
	alerts := strconv.Itoa(len(m.Digest)) + " alerts"
	if len(m.Digest) == 1 {
		alerts = "1 alert"
	}
	return joinDots(alerts, strings.Join(parts, ", "), Headline(m.Digest[0].message()))
}

// message is the item as the message that would tell of it alone.
func (i Item) message() Message {
	return Message{Kind: tocsin.TellOpened, Alert: i.Alert, Account: i.Account, AlertURL: i.URL}
}

// Line is the item as a first line, at most [FirstLineMax] characters.
func (i Item) Line() string { return FirstLine(i.message()) }

// Link is the alert's page here, or "" where there is none that can be linked to.
func (i Item) Link() string { return link(i.URL) }

// Link does the action from anywhere, or is "" where it cannot be linked to.
func (a Action) Link() string { return link(a.URL) }

// OnCall names the alert's team and who of it is on call, or is "".
//
//	team payments, on call ana, bo
func OnCall(m Message) string {
	var parts []string
	if team := Truncate(Defang(Clean(m.Team)), 60, Runes); team != "" {
		parts = append(parts, "team "+team)
	}
	var people []string
	for i, name := range m.OnCall {
		if i == 5 {
			people = append(people, fmt.Sprintf("%d more", len(m.OnCall)-i))
			break
		}
		if name = Truncate(Defang(Clean(name)), 40, Runes); name != "" {
			people = append(people, name)
		}
	}
	if len(people) > 0 {
		parts = append(parts, "on call "+strings.Join(people, ", "))
	}
	return strings.Join(parts, ", ")
}

// Seen says how often the like was there before, or is "".
func Seen(m Message) string {
	switch {
	case m.Seen <= 0:
		return ""
	case m.Seen == 1:
		return "1 earlier alert of this type in this account"
	}
	return strconv.FormatInt(m.Seen, 10) + " earlier alerts of this type in this account"
}

// DedupKey is what folds messages of one alert where the receiver knows such a
// key: the same for all of them, different for every alert of any database, and
// fit for a URL. That of a message about no single alert is its own.
//
//	tocsin-4821-1781231160000
func DedupKey(m Message) string {
	if m.Alert.ID == 0 {
		return "tocsin-" + strings.Map(keySafe, Truncate(m.ID, 200, Runes))
	}
	return fmt.Sprintf("tocsin-%d-%d", m.Alert.ID, m.Alert.OpenedAt.UnixMilli())
}

func keySafe(r rune) rune {
	if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' {
		return r
	}
	return '_'
}
