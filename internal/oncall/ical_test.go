package oncall_test

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// shifts of two schedules around the day on which clocks are put forward.
func calendarShifts(t *testing.T) []oncall.Shift {
	t.Helper()
	s := schedule("Europe/Berlin", oncall.Layer{Name: "week, main", Rotate: "weekly", From: "2026-03-23T09:00", Turns: turns("ana", "bo+cy")})
	other := schedule("UTC", oncall.Layer{Rotate: "daily", From: "2026-03-29T00:00", Turns: turns("di", "ana", "ana", "di")})
	other.Name = `pay\ments; "größte" Bereitschaft für Zahlungen, die nicht warten können`
	from, to := instant(t, "2026-03-28T00:00:00Z"), instant(t, "2026-04-01T00:00:00Z")
	return append(plan(t, s).Shifts(from, to), plan(t, other).Shifts(from, to)...)
}

func TestCalendars(t *testing.T) {
	t.Parallel()
	now := instant(t, "2026-03-28T12:34:56Z")
	golden(t, "schedule.ics", oncall.ICal(calendarShifts(t), "On call, all", "", now))
	golden(t, "person.ics", oncall.ICal(calendarShifts(t), "ana's shifts", "ana", now))
	golden(t, "empty.ics", oncall.ICal(nil, "nobody's", "zoe", now))
}

// RFC 5545, section 3.1: lines end with CRLF and have at most 75 octets without it;
// unfolded, they are what they were.
func TestCalendarLines(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"short", strings.Repeat("x", 300), strings.Repeat("ü", 100), strings.Repeat("🔔", 80), "a\r\nBEGIN:VEVENT\nb\x00\x07c", "\xff\xfe", `\n,;`,
	} {
		s := oncall.Shift{Schedule: name, Start: instant(t, "2026-03-28T00:00:00Z"), End: instant(t, "2026-03-29T00:00:00Z"), People: []string{"ana"}}
		text := oncall.ICal([]oncall.Shift{s}, name, "", instant(t, "2026-03-28T00:00:00Z"))
		if !utf8.Valid(text) || !bytes.HasSuffix(text, []byte("END:VCALENDAR\r\n")) {
			t.Errorf("ICal of %q = %q", name, text)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\r\n"), "\r\n") {
			if len(line) > 75 || strings.ContainsAny(line, "\r\n\x00\x07") || !utf8.ValidString(line) {
				t.Errorf("line %q has %d octets", line, len(line))
			}
		}
		unfolded := strings.ReplaceAll(string(text), "\r\n ", "")
		if got := strings.Count(unfolded, "\r\nBEGIN:VEVENT\r\n"); got != 1 {
			t.Errorf("a schedule called %q makes %d events, want 1", name, got)
		}
		summary := regexp.MustCompile(`(?m)^SUMMARY:ana on call: (.*)\r$`).FindStringSubmatch(unfolded)
		want := strings.NewReplacer("\r\n", "\n", "\x00", "", "\x07", "").Replace(strings.ToValidUTF8(name, "\uFFFD"))
		if summary == nil || strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\,`, ",", `\;`, ";").Replace(summary[1]) != want {
			t.Errorf("the summary of %q is %q", name, summary)
		}
	}
}

func TestUIDsStay(t *testing.T) {
	t.Parallel()
	uids := func(text []byte) []string {
		return regexp.MustCompile(`UID:\S+`).FindAllString(string(text), -1)
	}
	s := schedule("Europe/Berlin", oncall.Layer{Rotate: "daily", From: "2026-03-23T09:00", Turns: turns("ana", "bo")})
	from := instant(t, "2026-03-24T00:00:00Z")
	p := plan(t, s)
	before := uids(oncall.ICal(p.Shifts(from, from.Add(72*time.Hour)), "soc", "", from))
	later := from.Add(24 * time.Hour)
	after := uids(oncall.ICal(p.Shifts(later, later.Add(72*time.Hour)), "another title", "", later))
	if len(before) != 4 || len(after) != 4 || !cmp.Equal(before[1:], after[:3]) {
		t.Errorf("UIDs %v, and a day later %v: want the same for the same shifts", before, after)
	}
	covered := plan(t, s, oncall.Override{ID: "o1", Kind: oncall.Replace, People: names("bo"), With: names("cy"), From: from, Until: later})
	if got := uids(oncall.ICal(covered.Shifts(from.Add(12*time.Hour), later), "soc", "", from)); !cmp.Equal(got[0], before[1]) {
		t.Errorf("UID %v, want %v: the shift has the same start, and somebody else", got[0], before[1])
	}
	own := uids(oncall.ICal(p.Shifts(from, from.Add(72*time.Hour)), "soc", "ana", from))
	if len(own) != 2 || own[0] == before[1] || own[0] == before[0] {
		t.Errorf("UIDs of ana alone %v, want two of their own", own)
	}
}
