package notify_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

func shared(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

func TestAnOutlineFitsWhateverItIsMadeOf(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(notifytest.Messages(), notifytest.Corpus()) {
		o := notify.OutlineOf(c.Message, notifytest.Now())
		ours := []string{c.Message.AlertURL, notify.ConsoleLink(c.Message), notify.DocumentationLink(c.Message)}
		for _, l := range slices.Concat(o.Answers, o.Items) {
			ours = append(ours, l.URL)
		}
		for _, most := range []int{100, 500, 1024, 4096, 32 << 10} {
			text := o.Text(most, notify.Bytes)
			if len(text) > most || !utf8.ValidString(text) {
				t.Errorf("%s: Text(%d) has %d bytes, valid %v", c.Name, most, len(text), utf8.ValidString(text))
			}
			if bad := notifytest.Bad(text, ours...); bad != "" && !strings.HasSuffix(text, "…") {
				t.Errorf("%s: Text(%d) %s", c.Name, most, bad)
			}
		}
	}
}

func TestAnOutlineThatIsCutSaysSo(t *testing.T) {
	t.Parallel()
	digest := shared(t, "digest")
	for len(digest.Digest) < 200 {
		digest.Digest = append(digest.Digest, digest.Digest[0])
	}
	long := shared(t, "opened-critical-ec2-c2")
	for i := range 8 {
		long.Alert.Facts = append(long.Alert.Facts, tocsin.Fact{Name: "Fact", Value: strings.Repeat("word ", 80+i)})
	}
	for _, tt := range []struct {
		name string
		m    notify.Message
		most int
		want string
	}{
		{"a digest of 200", digest, 1 << 20, "\n150 more\n"},
		{"a digest in little room", digest, 1500, " more\n"},
		{"long values", long, 3000, "…\n"},
		{"many facts", long, 1000, " more facts\n"},
	} {
		text := notify.OutlineOf(tt.m, notifytest.Now()).Text(tt.most, notify.Runes)
		if !strings.Contains(text, tt.want) {
			t.Errorf("%s: want %q in\n%s", tt.name, tt.want, text)
		}
	}
}

func TestNewsSayOnlyWhatIsDifferent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		facts []string
		step  bool
	}{
		{"opened-critical-ec2-c2", []string{"What", "Ours", "By", "Blocked", "When", "Our account"}, true},
		{"raised", []string{"What", "Ours", "By", "Blocked", "When", "Our account"}, true},
		{"updated", []string{"When", "On call"}, false},
		{"closed-archived", []string{"When"}, false},
	} {
		o := notify.OutlineOf(shared(t, tt.name), notifytest.Now()).Brief()
		var names []string
		for _, f := range o.Facts {
			names = append(names, f.Name)
		}
		if !slices.Equal(names, tt.facts) || (o.Step != "") != tt.step {
			t.Errorf("%s: facts %q and step %q, want %q and a step %v", tt.name, names, o.Step, tt.facts, tt.step)
		}
	}
}

func TestNewsInOneLine(t *testing.T) {
	t.Parallel()
	twice := shared(t, "opened-critical-ec2-c2")
	twice.Why = "policy around-the-clock, step 2"
	for _, tt := range []struct {
		m    notify.Message
		want string
	}{
		{twice, "STILL OPEN: told because of policy around-the-clock, step 2 (receiver payments-oncall)"},
		{shared(t, "acknowledged"), "ACKNOWLEDGED by ana"},
		{shared(t, "raised"), "RAISED medium→critical: severity medium 5 → critical 9.2, count 12 → 46 (+34), remote IP 198.51.100.4 → 203.0.113.7"},
		{shared(t, "closed-by-person"), "CLOSED (false positive) by alice@example[.]com"},
		{shared(t, "closed-archived"), "CLOSED (archived): ended at its source"},
		{shared(t, "changed-open-again"), "OPEN AGAIN: status snoozed → open"},
		{shared(t, "changed-handed-over"), "HANDED OVER to platform"},
	} {
		if got := notify.News(tt.m); got != tt.want {
			t.Errorf("News = %q, want %q", got, tt.want)
		}
	}
}

func TestAFirstStepThatNamesAnAttackersDomainIsNoPlainText(t *testing.T) {
	t.Parallel()
	m := shared(t, "opened-critical-ec2-c2")
	if text := notify.OutlineOf(m, notifytest.Now()).Text(4096, notify.Bytes); !strings.Contains(text, "First step: aws ec2") {
		t.Errorf("the first step is missing:\n%s", text)
	}
	m.Alert.Command = "dig evil.example"
	if text := notify.OutlineOf(m, notifytest.Now()).Text(4096, notify.Bytes); strings.Contains(text, "dig") {
		t.Errorf("the first step is a link of an attacker's:\n%s", text)
	}
}

func TestAClosedAlertHasNothingToAnswer(t *testing.T) {
	t.Parallel()
	m := shared(t, "opened-with-actions")
	if got := notify.OutlineOf(m, notifytest.Now()).Answers; len(got) != 3 || got[0].URL != m.Actions[0].URL {
		t.Errorf("answers %+v, want three", got)
	}
	m.Alert.Status = tocsin.StatusClosed
	if got := notify.OutlineOf(m, notifytest.Now()).Answers; len(got) != 0 {
		t.Errorf("answers of a closed alert %+v", got)
	}
}

func TestALinkGivesWayBeforeTheMessageDoes(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Corpus() {
		if !strings.HasPrefix(c.Name, "long-links") {
			continue
		}
		o := notify.OutlineOf(c.Message, notifytest.Now())
		whole := func(o notify.Outline) string {
			var b strings.Builder
			for _, l := range slices.Concat(o.Answers, o.Links, o.Items) {
				b.WriteString(l.URL)
			}
			for _, p := range o.Prose {
				b.WriteString(p)
			}
			for _, f := range o.Facts {
				b.WriteString(f.Name + f.Value)
			}
			return b.String() + o.Situation + o.Step + o.More + o.Footer
		}
		if text := o.Fit(whole, func(s string) bool { return len(s) <= 1000 }); len(text) > 1000 {
			t.Errorf("%s: %d bytes are left", c.Name, len(text))
		}
	}
	m := shared(t, "opened-with-actions")
	for _, tt := range []struct {
		name           string
		room           int
		answers, links int
	}{
		{"room for all", 1000, 3, 3},
		{"room for some", 120, 2, 1},
		{"room for none", 10, 0, 0},
	} {
		var shown notify.Outline
		notify.OutlineOf(m, notifytest.Now()).Fit(func(o notify.Outline) string {
			shown = o
			return strings.Repeat("x", 40*(len(o.Answers)+len(o.Links)))
		}, func(s string) bool { return len(s) <= tt.room })
		if len(shown.Answers) != tt.answers || len(shown.Links) != tt.links {
			t.Errorf("%s: %d answers and %d links, want %d and %d", tt.name, len(shown.Answers), len(shown.Links), tt.answers, tt.links)
		}
		if page, ok := shown.TakePage(); ok != (tt.links > 0) || ok && page != (notify.Line{Text: "Alert #4821", URL: m.AlertURL}) || ok && len(shown.Links) != tt.links-1 {
			t.Errorf("%s: the alert's page is %+v, %v, and %d links are left", tt.name, page, ok, len(shown.Links))
		}
	}
}

func TestOnlyTheAlertsPageIsTaken(t *testing.T) {
	t.Parallel()
	nowhere, note := shared(t, "account-without-name"), shared(t, "note")
	note.AlertURL = "https://tocsin.example.com/schedules"
	for name, m := range map[string]notify.Message{"an alert without a page": nowhere, "a note": note} {
		o := notify.OutlineOf(m, notifytest.Now())
		before := len(o.Links)
		if page, ok := o.TakePage(); ok || len(o.Links) != before {
			t.Errorf("%s: %+v is taken", name, page)
		}
	}
	o := notify.OutlineOf(shared(t, "opened-critical-ec2-c2"), notifytest.Now())
	if _, ok := o.TakePage(); !ok {
		t.Error("the page is not taken")
	}
	if page, ok := o.TakePage(); ok {
		t.Errorf("it is taken twice, as %+v", page)
	}
}

func TestHowBadItIs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]tocsin.Level{
		"opened-high-access-key": tocsin.High, "closed-archived": tocsin.Critical, "digest": tocsin.Critical, "note": tocsin.Informational, "code": tocsin.Informational,
	} {
		if got := shared(t, name).Level(); got != want {
			t.Errorf("the level of %s is %v, want %v", name, got, want)
		}
	}
}

func TestATeamIsNamedOnce(t *testing.T) {
	t.Parallel()
	m := shared(t, "updated")
	onCall := func() string {
		for _, f := range notify.OutlineOf(m, notifytest.Now()).Facts {
			if f.Name == "On call" {
				return f.Value
			}
		}
		return ""
	}
	if got := onCall(); got != "ana, bo" { // the account is of the same team
		t.Errorf("on call: %q", got)
	}
	m.Team = "platform"
	if got := onCall(); got != "team platform, on call ana, bo" {
		t.Errorf("on call of another team: %q", got)
	}
}
