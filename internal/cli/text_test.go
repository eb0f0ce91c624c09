package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

func at3() *shell { return &shell{now: func() time.Time { return threeAM }} }

func TestDistances(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		d    time.Duration // from now on
		want string
	}{
		{"this moment", 0, "now"},
		{"a little ago", -900 * time.Millisecond, "now"},
		{"seconds ago", -41 * time.Second, "41s ago"},
		{"nearly two hours are two", 2*time.Hour - time.Second, "in 2h"},
		{"hours have minutes", 90 * time.Minute, "in 1h30m"},
		{"up to ten", -(9*time.Hour + 59*time.Minute), "9h59m ago"},
		{"and then none", 10*time.Hour + 20*time.Minute, "in 10h"},
		{"a day is 24 hours", -25 * time.Hour, "25h ago"},
		{"two are days", 48 * time.Hour, "in 2d"},
		{"to the nearest", 100*24*time.Hour + 13*time.Hour, "in 101d"},
	} {
		if got := distance(threeAM.Add(tt.d), threeAM); got != tt.want {
			t.Errorf("%s: distance(%v) = %q, want %q", tt.name, tt.d, got, tt.want)
		}
	}
}

func TestHowLongThingsLast(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		45 * time.Minute: "45m", 11 * time.Hour: "11h", 90 * time.Minute: "1h30m", 7 * 24 * time.Hour: "7d", 169 * time.Hour: "7d 1h", 36*time.Hour + 30*time.Minute: "1d 12h30m",
	} {
		if got := lasting(d); got != want {
			t.Errorf("lasting(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTimesThatPeopleWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"":                          {},
		"now":                       threeAM,
		"2h":                        threeAM.Add(2 * time.Hour),
		"+90m":                      threeAM.Add(90 * time.Minute),
		"1d12h":                     threeAM.Add(36 * time.Hour),
		"-7d":                       threeAM.Add(-7 * 24 * time.Hour),
		"2026-06-12T05:00:00+02:00": threeAM,
		"2026-06-12T03:00:00Z":      threeAM,
		"2026-06-12T03:00":          threeAM,
		"2026-06-12 03:00":          threeAM,
		" 2026-06-12 03:00:00 ":     threeAM,
		"2026-06-12":                threeAM.Add(-3 * time.Hour),
	} {
		got, err := at3().parseTime("until", text)
		if err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"tomorrow", "03:00", "2026-13-01", "--2h", "2h ago", "12.06.2026"} {
		if got, err := at3().parseTime("until", text); err == nil || !strings.HasPrefix(err.Error(), `--until "`+text+`": want a time such as`) {
			t.Errorf("parseTime(%q) = %v, %v, want an error", text, got, err)
		}
	}
}

func TestAMomentIsAbsoluteAndRelative(t *testing.T) {
	t.Parallel()
	s := at3()
	for want, at := range map[string]time.Time{
		"":                                 {},
		"2026-06-12 02:47 UTC (13m ago)":   before(13 * time.Minute),
		"2026-06-15 09:00 +02:00 (in 3d)":  berlin(15, 9),
		"2026-06-12 03:30 UTC (in 30m)":    after(30 * time.Minute).In(time.FixedZone("GMT", 0)),
		"2026-06-11 23:30 -03:30 (now)":    threeAM.In(time.FixedZone("", -210*60)),
		"2026-06-12 03:00 UTC (now)":       threeAM,
		"2026-06-12 08:45 +05:45 (now)":    threeAM.In(time.FixedZone("", 345*60)),
		"2026-06-13 03:00 UTC (in 24h)":    after(24 * time.Hour),
		"2025-06-12 03:00 UTC (365d ago)":  threeAM.AddDate(-1, 0, 0),
		"2026-06-12 02:59 UTC (1m ago)":    before(time.Minute),
		"2026-06-12 02:59 UTC (41s ago)":   before(41 * time.Second),
		"2026-06-12 01:01 UTC (1h59m ago)": before(119 * time.Minute),
		"2026-06-09 23:00 UTC (2d ago)":    before(52 * time.Hour),
		"2026-06-10 04:00 UTC (47h ago)":   before(47 * time.Hour),
		"2026-06-09 03:00 UTC (3d ago)":    before(72 * time.Hour),
		"2026-05-13 03:00 UTC (30d ago)":   before(30 * 24 * time.Hour),
		"2026-06-12 13:00 UTC (in 10h)":    after(10 * time.Hour),
		"2026-06-12 03:00 UTC (in 2s)":     after(2 * time.Second),
		"2026-06-12 04:00 UTC (in 1h)":     after(time.Hour - 20*time.Second + 20*time.Second),
	} {
		if got := s.moment(at); got != want {
			t.Errorf("moment = %q, want %q", got, want)
		}
	}
}

// Findings are written by whoever attacks.
func TestATableDoesNothingToATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table := newTable(&out, "ID", "WHAT", "END")
	table.row("1", "a\x1b[2J\nb\tc\u202ed\u009be\r", "")
	table.row("22", "plain", "x")
	table.gap()
	table.line("empty", "")
	table.line("name", "värde")
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	want := "ID  WHAT                          END\n1   a\\u001b[2J b c\\u202ed\\u009be\n22  plain                         x\n\nname  värde\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestPatternsAreShownAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":["C\u0026C"]}`:        `{"a":["C&C"]}`,
		`["\u003cb\u003e"]`:         `["<b>"]`,
		`["\\u0026"]`:               `["\\u0026"]`, // a backslash, and what follows
		`["\u00e9\n\""]`:            `["\u00e9\n\""]`,
		`["cut\`:                    `["cut\`,
		``:                          ``,
		`{"a":[{"prefix":"C\\&"}]}`: `{"a":[{"prefix":"C\\&"}]}`,
	} {
		if got := unescaped([]byte(in)); got != want {
			t.Errorf("unescaped(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestWhereAnAlertStands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		alert            tocsin.Alert
		standing, status string
	}{
		{tocsin.Alert{Status: tocsin.StatusAcked, AckedBy: "ana", AckedAt: before(30 * time.Minute)}, "acked", "acknowledged by ana at 2026-06-12 02:30 UTC (30m ago)"},
		{tocsin.Alert{Status: tocsin.StatusClosed, ClosedBy: "guardduty", CloseReason: tocsin.ReasonArchived, ClosedAt: before(30 * time.Minute)}, "closed", "closed by guardduty (archived) at 2026-06-12 02:30 UTC (30m ago)"},
		{tocsin.Alert{Status: tocsin.StatusOpen, OpenedAt: before(3*time.Minute + time.Second)}, "open", "open for 3m, since 2026-06-12 02:56 UTC"},
		{tocsin.Alert{Status: tocsin.StatusOpen, OpenedAt: before(72 * time.Hour), ReopenedAt: before(time.Minute)}, "open", "open for 1m, since 2026-06-12 02:59 UTC"},
		{tocsin.Alert{Status: tocsin.StatusOpen, OpenedAt: threeAM, Escalation: &tocsin.Escalation{Highest: 1}}, "open", "open for 0s, since 2026-06-12 03:00 UTC"},
		{tocsin.Alert{Status: tocsin.StatusOpen, OpenedAt: threeAM, SnoozedUntil: before(time.Minute)}, "open", "open for 0s, since 2026-06-12 03:00 UTC"},
	} {
		s := at3()
		if got := s.standing(tt.alert); got != tt.standing {
			t.Errorf("standing = %q, want %q", got, tt.standing)
		}
		if got := s.statusLine(tt.alert); got != tt.status {
			t.Errorf("statusLine = %q, want %q", got, tt.status)
		}
	}
}

func TestRecurringWindowsThatPeopleWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]tocsin.Recurrence{
		"sat,sun 22:00-02:00 Europe/Berlin": {TimeZone: "Europe/Berlin", Weekdays: []string{"sat", "sun"}, From: "22:00", To: "02:00"},
		" 02:00-04:00   UTC":                {TimeZone: "UTC", From: "02:00", To: "04:00"},
	} {
		got, err := parseEvery(text)
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("parseEvery(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "always", "sat", "sat 22-02 UTC", "22:00-02:00"} {
		if got, err := parseEvery(text); err == nil {
			t.Errorf("parseEvery(%q) = %+v, want an error", text, got)
		}
	}
}

func TestHowPeopleSayTheyAreTold(t *testing.T) {
	t.Parallel()
	got, err := parseRules("high", []string{"1", "2+5m", "3+1h"})
	want := []tocsin.NotificationRule{{Contact: 1}, {Contact: 2, Minutes: 5}, {Contact: 3, Minutes: 60}}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("parseRules = %v, %v, want %v", got, err, want)
	}
	if got, err := parseRules("high", []string{"all"}); got != nil || err != nil {
		t.Errorf("all = %v, %v, want none", got, err)
	}
	for _, text := range []string{"", "sms", "0", "-1", "1+", "1+90s", "1+soon", "all+5m"} {
		if got, err := parseRules("low", []string{text}); err == nil {
			t.Errorf("parseRules(%q) = %v, want an error", text, got)
		}
	}
}

func TestAnOverrideIsOfOneKind(t *testing.T) {
	t.Parallel()
	names := func(all ...string) []string { return all }
	for _, tt := range []struct {
		name                            string
		replace, with, add, remove, set []string
		want                            oncall.OverrideKind
		says                            string
	}{
		{name: "somebody for somebody", replace: names("ana"), with: names("bo"), want: oncall.Replace},
		{name: "one more", add: names("cy"), want: oncall.Add},
		{name: "one less", remove: names("cy"), want: oncall.Remove},
		{name: "these alone", set: names("cy", "di"), want: oncall.Set},
		{name: "nothing said", says: "say one of"},
		{name: "two said", add: names("cy"), set: names("di"), says: "say one of"},
		{name: "nobody comes", replace: names("ana"), says: "--with is missing"},
		{name: "with nothing to replace", add: names("ana"), with: names("bo"), says: "--with is of --replace"},
	} {
		got, err := overrideOf(tt.replace, tt.with, tt.add, tt.remove, tt.set)
		switch {
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		case tt.says == "" && (err != nil || got.Kind != tt.want):
			t.Errorf("%s: %+v, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestAListThatIsCutSaysSo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := at3()
	s.out = &out
	list := api.Alerts{Total: 51, Alerts: []tocsin.Alert{alert(nil)}}
	if err := (&client{shell: s}).printAlerts(list); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "EC2 i-0123 (web-1) is calling a C2 server\nand 50 more\n") {
		t.Errorf("printed:\n%s", out.String())
	}
}
