package oncall

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ICal is a calendar of the shifts, to be subscribed to: of one person, or of
// everybody if person is empty. The shifts may be of several schedules. A shift
// keeps its UID as long as its schedule and its start are the same, so that a
// changed one is moved, not doubled. Times are in UTC, which every calendar shows
// in its reader's zone.
//
// The format is that of [RFC 5545]: lines end with CRLF and are folded at 75 octets
// (section 3.1), text is escaped (3.3.11). NAME and REFRESH-INTERVAL are of
// [RFC 7986]; X-WR-CALNAME is what calendars knew before.
//
// [RFC 5545]: https://www.rfc-editor.org/rfc/rfc5545
// [RFC 7986]: https://www.rfc-editor.org/rfc/rfc7986
func ICal(shifts []Shift, name, person string, now time.Time) []byte {
	if person != "" {
		shifts = Of(shifts, person)
	}
	var c calendar
	c.line("BEGIN:VCALENDAR")
	c.line("VERSION:2.0")
	c.line("PRODID:-//tocsin//on-call//EN")
	c.line("CALSCALE:GREGORIAN")
	c.line("METHOD:PUBLISH")
	c.line("NAME:" + escape(name))
	c.line("X-WR-CALNAME:" + escape(name))
	c.line("REFRESH-INTERVAL;VALUE=DURATION:PT1H")
	c.line("X-PUBLISHED-TTL:PT1H")
	for _, s := range shifts {
		c.event(s, person, now)
	}
	if len(shifts) == 0 {
		c.zone()
	}
	c.line("END:VCALENDAR")
	return c.Bytes()
}

type calendar struct{ bytes.Buffer }

func (c *calendar) event(s Shift, person string, now time.Time) {
	summary := "On call: " + s.Schedule
	if person == "" {
		summary = strings.Join(s.People, ", ") + " on call: " + s.Schedule
	}
	c.line("BEGIN:VEVENT")
	c.line("UID:" + uid(s, person))
	c.line("DTSTAMP:" + utc(now))
	c.line("DTSTART:" + utc(s.Start))
	c.line("DTEND:" + utc(s.End))
	c.line("SUMMARY:" + escape(summary))
	if len(s.Layers) > 0 {
		c.line("DESCRIPTION:" + escape("By "+strings.Join(s.Layers, ", ")))
	}
	c.line("TRANSP:TRANSPARENT") // on call is not busy
	c.line("END:VEVENT")
}

// zone is for a calendar without shifts, which has to have some component (3.4).
func (c *calendar) zone() {
	for _, line := range []string{
		"BEGIN:VTIMEZONE", "TZID:UTC", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0000", "TZOFFSETTO:+0000", "END:STANDARD", "END:VTIMEZONE",
	} {
		c.line(line)
	}
}

// line writes a content line, folded between characters.
func (c *calendar) line(s string) {
	const most = 75
	room := most
	for _, r := range s {
		size := utf8.RuneLen(r)
		if size > room {
			c.WriteString("\r\n ")
			room = most - 1
		}
		c.WriteRune(r)
		room -= size
	}
	c.WriteString("\r\n")
}

// uid is the same for the same start, and tells nothing.
func uid(s Shift, person string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Schedule, person, stamp(s.Start)}, "\x1f")))
	return hex.EncodeToString(sum[:16]) + "@tocsin"
}

func utc(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

var special = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`)

// escape makes text of a value; control characters have no place in it.
func escape(s string) string {
	s = special.Replace(strings.ToValidUTF8(s, "\uFFFD"))
	return string(slices.DeleteFunc([]rune(s), func(r rune) bool { return unicode.IsControl(r) && r != '\t' }))
}
