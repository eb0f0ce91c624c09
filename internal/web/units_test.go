package web

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
)

func TestTimesAsPeopleSayThem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ago  time.Duration
		want string
	}{
		{0, "now"},
		{1500 * time.Millisecond, "now"},
		{42 * time.Second, "42 s ago"},
		{61 * time.Second, "1 min ago"},
		{59*time.Minute + 59*time.Second, "59 min ago"},
		{47 * time.Hour, "47 h ago"},
		{48 * time.Hour, "2 d ago"},
		{14*24*time.Hour + time.Hour, "14 d ago"},
		{20 * 24 * time.Hour, "2026-11-01"},
		{-time.Second, "now"},
		{-40 * time.Second, "in 40 s"},
		{-3 * time.Hour, "in 3 h"},
	} {
		if got := (when{ago(tt.ago), fixtureNow}).Words(); got != tt.want {
			t.Errorf("words of %v ago = %q, want %q", tt.ago, got, tt.want)
		}
	}
	local := when{time.Date(2026, 11, 21, 4, 7, 0, 0, time.FixedZone("", 3600)), fixtureNow}
	if got, want := local.Exact(), "2026-11-21 03:07:00 UTC"; got != want {
		t.Errorf("Exact = %q, want %q", got, want)
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1204: "1,204", 1234567: "1,234,567", -1204: "-1,204"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestOnlyWebLinksAreShown(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings": "https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings",
		"http://example.com/":     "http://example.com/",
		"javascript:alert(1)":     "",
		"JAVASCRIPT://x/%0aalert": "",
		"data:text/html,x":        "",
		"//evil.example/":         "",
		"/relative":               "",
		"https:///no-host":        "",
		"":                        "",
	} {
		if got := safeLink(link); got != want {
			t.Errorf("safeLink(%q) = %q, want %q", link, got, want)
		}
	}
}

func TestAccountsAreFoundByIDAndName(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                             "",
		"111122223333":                 "111122223333",
		"*123456789123*":               "123456789123",
		"Payments-Prod":                "111122223333",
		"payments-prod (111122223333)": "111122223333",
		"000000000000":                 "000000000000",
	} {
		if got := accountID(s, fixtureAccounts); got != want {
			t.Errorf("accountID(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestAddressesSayOnlyWhatIsUnusual(t *testing.T) {
	t.Parallel()
	q := alertQuery{Status: "open", Sort: "level", Page: 1}
	if got := q.href(); got != "/" {
		t.Errorf("the usual list is at %q, want /", got)
	}
	q = alertQuery{Status: "all", Level: tocsin.High, Text: "*a&b*", Sort: "count", Page: 3}
	if got, want := q.href(), "/?level=high&page=3&q=%2Aa%26b%2A&sort=count&status=all"; got != want {
		t.Errorf("href = %q, want %q", got, want)
	}
}

func TestRawPreview(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, raw, want string
		json            bool
	}{
		{"JSON is laid out and keeps its numbers", `{"b":1.50,"a":10000000000000000001}`, "{\n  \"b\": 1.50,\n  \"a\": 10000000000000000001\n}", true},
		{"text stays", "hello\r\nworld", "hello\nworld", false},
		{"bytes that are no text are escaped", "\xffa\x00", `\xffa\u0000`, false},
		{"direction cannot be turned", "a\u202eb", `a\u202eb`, false},
		{"a real replacement character stays", "\uFFFD", "\uFFFD", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := newRaw(tocsin.Event{Raw: []byte(tt.raw)})
			if got.Text != tt.want || got.JSON != tt.json || got.Cut {
				t.Errorf("newRaw(%q) = %+v, want text %q, JSON %t", tt.raw, got, tt.want, tt.json)
			}
		})
	}
}

func TestRawPreviewIsBounded(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"deep nesting": strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"long text":    strings.Repeat("é", 3<<20),
		"long JSON":    `"` + strings.Repeat("a", 3<<20) + `"`,
		"many lines":   "[" + strings.Repeat("1,", 200_000) + "1]",
	} {
		v := newRaw(tocsin.Event{Raw: []byte(raw)})
		if len(v.Text) > previewMax {
			t.Errorf("%s: the preview has %d bytes, want at most %d", name, len(v.Text), previewMax)
		}
		if name != "deep nesting" && !v.Cut {
			t.Errorf("%s: the preview does not say that it is cut", name)
		}
		if strings.Contains(v.Text, `\x`) {
			t.Errorf("%s: a character was cut in two", name)
		}
	}
}
