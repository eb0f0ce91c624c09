package notify_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

func message(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

func TestFirstLine(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"opened-critical-ec2-c2":          "CRITICAL · prod-payments (111122223333) eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"opened-low-root":                 "LOW · prod-payments (111122223333) eu-west-1 · Root user of the account called ListBuckets",
		"opened-high-access-key":          "HIGH · prod-payments (111122223333) eu-west-1 · Keys of role web-role are used outside AWS",
		"opened-critical-attack-sequence": "CRITICAL · prod-payments (111122223333) eu-west-1 · Attack sequence: credentials of deploy-bot are compromised",
		"opened-unknown-type":             "UNKNOWN · prod-payments (111122223333) eu-west-1 · PlanetaryAlignment:Quantum/Entangled on a QuantumRegister",
		"raised":                          "RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"closed-archived":                 "CLOSED (archived) · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"closed-by-person":                "CLOSED (false positive) · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"reopened":                        "REOPENED critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"sample":                          "[SAMPLE] CRITICAL · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"account-without-name":            "CRITICAL · 111122223333 eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"sparse":                          "UNKNOWN · an alert that says nothing of itself",
		"updated":                         "UPDATED critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"acknowledged":                    "ACKNOWLEDGED by ana · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"changed-assigned":                "ASSIGNED to bo · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"changed-snoozed":                 "SNOOZED until 12 Jun 06:00 UTC · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2…",
		"changed-open-again":              "OPEN AGAIN · prod-payments (111122223333) eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"changed-handed-over":             "HANDED OVER to platform · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"digest":                          "5 alerts · 2 critical, 1 high, 1 medium, 1 low · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"note":                            "Nobody is on call for schedule payments from 2026-06-13 18:00 UTC to 2026-06-14 08:00 UTC.",
		"code":                            "428317 is your code for tocsin",
	} {
		if got := notify.FirstLine(message(t, name)); got != want {
			t.Errorf("FirstLine(%s) = %q\nwant %q", name, got, want)
		}
	}
}

func TestFirstLineFitsALockScreen(t *testing.T) {
	t.Parallel()
	for _, c := range append(notifytest.Messages(), notifytest.Corpus()...) {
		line := notify.FirstLine(c.Message)
		if n := utf8.RuneCountInString(line); n > notify.FirstLineMax || n == 0 {
			t.Errorf("%s: the first line has %d characters: %q", c.Name, n, line)
		}
		if !utf8.ValidString(line) || strings.Contains(line, "\n") {
			t.Errorf("%s: %q", c.Name, line)
		}
		if bad := notifytest.Bad(line); bad != "" {
			t.Errorf("%s: the first line %s", c.Name, bad)
		}
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	m := message(t, "raised")
	got := notify.Facts(m, notifytest.Now())
	last := map[string]string{}
	for _, f := range got {
		last[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"When":        "first 2026-06-12 02:13 UTC, last 3 min ago, 46 times (+34)",
		"Our account": "prod-payments (111122223333) · production · team payments",
		"First step":  "aws ec2 describe-instances --instance-ids i-0abc123def456789a --region eu-west-1 --profile 111122223333",
		"Blocked":     "no",
	} {
		if last[name] != want {
			t.Errorf("Facts(raised)[%s] = %q, want %q", name, last[name], want)
		}
	}
	for _, c := range notifytest.Corpus() {
		facts := notify.Facts(c.Message, notifytest.Now())
		if len(facts) > notify.FactsMax {
			t.Errorf("%s: %d facts", c.Name, len(facts))
		}
		for _, f := range facts {
			if f.Name == "First step" {
				continue
			}
			if bad := notifytest.Bad(f.Name + " " + f.Value); bad != "" {
				t.Errorf("%s: fact %q %s", c.Name, f.Name, bad)
			}
		}
	}
}

func TestWhen(t *testing.T) {
	t.Parallel()
	now := notifytest.Now()
	for _, tt := range []struct {
		name string
		a    tocsin.Alert
		want string
	}{
		{"once", tocsin.Alert{Occurrences: 1, Detection: tocsin.Detection{FirstSeen: now.Add(-time.Hour), LastSeen: now.Add(-time.Hour)}}, "2026-06-12 01:30 UTC (1 h ago), once"},
		{"days", tocsin.Alert{Occurrences: 2, Detection: tocsin.Detection{FirstSeen: now.Add(-80 * time.Hour), LastSeen: now.Add(-72 * time.Hour)}}, "first 2026-06-08 18:30 UTC, last 3 days ago, twice"},
		{"a sender without times", tocsin.Alert{Occurrences: 3, OpenedAt: now}, "2026-06-12 02:30 UTC (just now), 3 times"},
		{"nothing known", tocsin.Alert{}, "once"},
		{"a clock that is ahead", tocsin.Alert{Occurrences: 1, Detection: tocsin.Detection{FirstSeen: now.Add(time.Hour)}}, "2026-06-12 03:30 UTC (just now), once"},
	} {
		if got := notify.When(notify.Message{Alert: tt.a}, now); got != tt.want {
			t.Errorf("%s: When = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"raised":                 "severity medium 5 → critical 9.2, count 12 → 46 (+34), remote IP 198.51.100.4 → 203.0.113.7",
		"closed-archived":        "ended at its source",
		"reopened":               "started again, count 17 → 21 (+4)",
		"opened-critical-ec2-c2": "",
	} {
		if got := notify.Changes(message(t, name)); got != want {
			t.Errorf("Changes(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		s    string
		max  int
		unit notify.Unit
		want string
	}{
		{"fits", "short", 5, notify.Runes, "short"},
		{"at a word's end", "EC2 i-0abc123def is calling", 20, notify.Runes, "EC2 i-0abc123def is…"},
		{"not within an id", "instance i-0abc123def456789a", 20, notify.Runes, "instance…"},
		{"within one long word", "aaaaaaaaaaaaaaaaaaaa", 10, notify.Runes, "aaaaaaaaa…"},
		{"rather within a word than almost nothing", "x aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 20, notify.Runes, "x aaaaaaaaaaaaaaaaa…"},
		{"exactly at the end of a word", "one two three", 8, notify.Runes, "one two…"},
		{"bytes, on whole characters", "ééééé", 8, notify.Bytes, "éé…"},
		{"UTF-16, on whole characters", "🔥🔥🔥🔥", 6, notify.UTF16, "🔥🔥…"},
		{"marks stay with their letter", "abcdefge\u0301x", 9, notify.Runes, "abcdefg…"},
		{"no room at all", "abc", 0, notify.Runes, ""},
		{"room for the dots only", "abc", 1, notify.Runes, "…"},
		{"no dangling punctuation", "the end, and more of it", 9, notify.Runes, "the end…"},
	} {
		got := notify.Truncate(tt.s, tt.max, tt.unit)
		if got != tt.want {
			t.Errorf("%s: Truncate(%q, %d) = %q, want %q", tt.name, tt.s, tt.max, got, tt.want)
		}
		if tt.unit(got) > tt.max {
			t.Errorf("%s: %q is longer than %d", tt.name, got, tt.max)
		}
	}
}

func FuzzTruncate(f *testing.F) {
	f.Add("EC2 i-0abc is calling", 10)
	f.Add("𝔘🔥e\u0301 \u200d", 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 0 || !utf8.ValidString(s) {
			return
		}
		for _, unit := range []notify.Unit{notify.Runes, notify.Bytes, notify.UTF16} {
			got := notify.Truncate(s, most, unit)
			if unit(got) > most || !utf8.ValidString(got) {
				t.Errorf("Truncate(%q, %d) = %q", s, most, got)
			}
		}
	})
}

func TestDefang(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"a URL", "see https://evil.example/a.b?c=d now", "see hxxps://evil[.]example/a.b?c=d now"},
		{"a URL in capitals", "HTTP://EVIL.EXAMPLE", "hxxp://EVIL[.]EXAMPLE"},
		{"a bare domain", "www.evil.example", "www[.]evil[.]example"},
		{"a mail address", "a@evil.example", "a@evil[.]example"},
		{"a domain in its own script", "еvil.рф", "еvil[.]рф"},
		{"full-width dots", "evil。example", "evil[.]example"},
		{"an address stays", "203.0.113.7:443", "203.0.113.7:443"},
		{"an address in a URL", "http://203.0.113.7/x", "hxxp://203[.]0[.]113[.]7/x"},
		{"dead already", "hxxps://evil[.]example", "hxxps://evil[.]example"},
		{"a script", "javascript:alert(1)", "javascript[:]alert(1)"},
		{"another scheme", "ldap://evil.example/a", "ldap[:]//evil[.]example/a"},
		{"a service of AWS", "GetObject (s3.amazonaws.com)", "GetObject (s3.amazonaws.com)"},
		{"a bucket is not a service of AWS", "evil.s3.amazonaws.com", "evil[.]s3[.]amazonaws[.]com"},
		{"a bucket by its path", "s3.amazonaws.com/evil", "s3[.]amazonaws[.]com/evil"},
		{"an internal name", "ip-10-0-0-1.eu-west-1.compute.internal", "ip-10-0-0-1.eu-west-1.compute.internal"},
		{"a path", "/tmp/.x/miner.sh", "/tmp/.x/miner.sh"},
		{"no path", "/evil.example //evil.example", "/evil[.]example //evil[.]example"},
		{"a finding type", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"},
		{"an object in S3", "s3://bucket/key", "s3://bucket/key"},
		{"an ARN", "arn:aws:iam::111122223333:role/web", "arn:aws:iam::111122223333:role/web"},
		{"a version", "aws-cli/2.17.1 Python/3.11", "aws-cli/2.17.1 Python/3.11"},
		{"a sentence", "It ended. Then it began.", "It ended. Then it began."},
	} {
		got := notify.Defang(tt.in)
		if got != tt.want {
			t.Errorf("%s: Defang(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
		if again := notify.Defang(got); again != got {
			t.Errorf("%s: defanging twice gives %q, once %q", tt.name, again, got)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"lines", " a\r\nb\t c ", "a b c"},
		{"colours of a terminal", "\x1b[31mred\x1b[0m\x07", "[31mred[0m"},
		{"text turned around", "safe\u202egpj.exe", "safegpj.exe"},
		{"nothing to see", "ev\u200bil\ufeff\u00ad", "evil"},
		{"broken UTF-8", "caf\xe9", "caf\ufffd"},
		{"other scripts", "日本語 Ünïcode", "日本語 Ünïcode"},
		{"spaces alone", "   ", ""},
	} {
		if got := notify.Clean(tt.in); got != tt.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	if got := notify.Clean(strings.Repeat("é", 20<<10)); len(got) > 16<<10 || !utf8.ValidString(got) || strings.ContainsRune(got, utf8.RuneError) {
		t.Errorf("Clean of 40 KiB is %d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, want string }{
		{"the console", "https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings", "https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings"},
		{"China's console", "https://cn-north-1.console.amazonaws.cn/guardduty/home", "https://cn-north-1.console.amazonaws.cn/guardduty/home"},
		{"somebody else's", "https://evil.example/", ""},
		{"somebody else's that looks like it", "https://console.aws.amazon.com.evil.example/", ""},
		{"a user before the host", "https://console.aws.amazon.com@evil.example/", ""},
		{"somebody's bucket", "https://evil.s3.eu-west-1.amazonaws.com.cn/", ""},
		{"a script", "javascript:alert(1)", ""},
		{"markup", "https://console.aws.amazon.com/|x>", ""},
	} {
		m := notify.Message{Alert: tocsin.Alert{Detection: tocsin.Detection{Console: tt.url}}}
		if got := notify.ConsoleLink(m); got != tt.want {
			t.Errorf("%s: ConsoleLink(%q) = %q, want %q", tt.name, tt.url, got, tt.want)
		}
	}
}

func TestLooksDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for level := tocsin.Low; level <= tocsin.Critical; level++ {
		look := notify.LookOf(level)
		for _, part := range []string{look.Word, look.Shape, look.Colour} {
			if seen[part] {
				t.Errorf("%v shares %q with another level", level, part)
			}
			seen[part] = true
		}
	}
	if got := message(t, "closed-archived").Look().Colour; got != "#546E7A" {
		t.Errorf("colour of a closed alert = %s", got)
	}
	if got, critical := message(t, "sample").Look().Colour, notify.Colour(tocsin.Critical); got == critical {
		t.Errorf("a sample has the colour of a real alert, %s", got)
	}
}

func FuzzDefang(f *testing.F) {
	for _, s := range []string{"https://evil.example/a", "a@evil.example", "evil。example", "/tmp/x.sh", "hxxp://evil[.]example", "http://203.0.113.7/x", "javascript:alert(1)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := notify.Defang(notify.Clean(s + " https://evil.example/" + s))
		if bad := notifytest.Bad(got); bad != "" && !strings.Contains(s, "evil") {
			t.Errorf("Defang(Clean(%q)) = %q %s", s, got, bad)
		}
	})
}
