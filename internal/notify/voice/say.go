package voice

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/phone"
)

const (
	// saidMost bounds what is said once, in characters: some 40 seconds.
	saidMost = 500
	// itemsMost is how many alerts of a digest are read out.
	itemsMost = 3
)

// said is the message as it is spoken, in words alone.
func said(m notify.Message) string {
	switch m.Kind {
	case tocsin.TellCode:
		return "This is tocsin. Your code is: " + spell(plain(m.Code))
	case tocsin.TellNote:
		return sentence("This is tocsin. " + plain(notify.Note(m)))
	case tocsin.TellDigest:
		return digest(m)
	}
	return sentence("This is tocsin. " + line(m))
}

// line is the first line as it is spoken:
//
//	Critical: prod payments eu-west-1: EC2 web-1 is calling a C2 server
func line(m notify.Message) string {
	first := notify.FirstLine(phone.Plain(m))
	lead, rest, _ := strings.Cut(first, " · ")
	// Capitals would be spelt out.
	return capital(plain(strings.ToLower(lead))) + ": " + plain(strings.ReplaceAll(rest, " · ", ": "))
}

func digest(m notify.Message) string {
	head, _, _ := strings.Cut(strings.Replace(notify.FirstLine(m), " · ", ": ", 1), " · ")
	parts := []string{"This is tocsin. " + plain(head)}
	for i, item := range m.Digest {
		if i == itemsMost {
			parts = append(parts, fmt.Sprintf("And %d more", len(m.Digest)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("Alert %d, %s", item.Alert.ID, line(phone.Of(item))))
	}
	return sentence(strings.Join(parts, ". "))
}

var (
	// longID is an AWS id of a resource: "i-0abc123def456789a".
	longID = lazyregexp.New(`\b([a-z]{1,8}-)([0-9a-f]{4,13})([0-9a-f]{4})\b`)
	// account is an account's number, where it has no name.
	account = lazyregexp.New(`\b[0-9]{8}([0-9]{4})\b`)
	// instant is a time as errors have it.
	instant = lazyregexp.New(`\b[0-9]{4}-[0-9]{2}-[0-9]{2}T([0-9]{2}:[0-9]{2}):[0-9]{2}Z`)
	symbols = strings.NewReplacer("[.]", " dot ", "→", " to ", "·", ", ", "&", " and ", "…", "", "@", " at ", "%", " percent ", "#", " number ", "_", " ", "hxxps://", "", "hxxp://", "")
)

// plain is text as it can be read aloud: of long ids the end, and no signs that a
// voice would spell.
func plain(text string) string {
	text = instant.ReplaceAllString(symbols.Replace(notify.Clean(text)), "$1 UTC")
	text = longID.ReplaceAllStringFunc(text, func(id string) string { return "ending in " + spell(id[len(id)-4:]) })
	text = account.ReplaceAllStringFunc(text, func(id string) string { return "account ending in " + spell(id[len(id)-4:]) })
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsDigit(r), strings.ContainsRune(" .,:;-/'?!+()", r):
			return r
		}
		return ' '
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// spell has the characters said one by one.
func spell(s string) string {
	return strings.Join(strings.Split(strings.ReplaceAll(s, " ", ""), ""), ", ")
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// sentence is the text cut to what is said, with a full stop.
func sentence(s string) string {
	s = strings.TrimSuffix(notify.Truncate(s, saidMost, notify.Runes), "…")
	return strings.TrimRight(s, " .,:;") + "."
}
