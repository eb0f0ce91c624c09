package notify

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMarkupOfChatsIsText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"EC2 i-0abc (web-1) is calling a C2 server":  "EC2 i-0abc (web-1) is calling a C2 server",
		"S3 invoices_archive_2026":                   "S3 invoices_archive_2026",
		"arn:aws:s3:::invoices/2026":                 "arn:aws:s3:::invoices/2026",
		"203.0.113.7:443 (Exampleland, AS64500)":     "203.0.113.7:443 (Exampleland, AS64500)",
		"C&CActivity.B!DNS":                          "C&CActivity.B!DNS",
		"web@sha256:9f86d081":                        "web@sha256:9f86d081",
		"2 * 3 < 7, a <= b, ~ 4, alert #4821":        "2 * 3 < 7, a <= b, ~ 4, alert #4821",
		`C:\Windows\System32`:                        `C:\Windows\System32`,
		"@channel @all, x.@here (@everyone)":         "＠channel ＠all, x.＠here (＠everyone)",
		"<!channel> <@123> <#456> <users/all> <a|b>": "‹!channel> ‹＠123> ‹#456> ‹users/all> ‹a|b>",
		"**bold** _italic_ __under__ ~gone~ ~~gone~": "∗∗bold∗∗ ＿italic＿ ＿＿under＿＿ ∼gone∼ ∼∼gone∼",
		"a__b":                            "a＿＿b",
		"`code` ```block```":              "ˋcodeˋ ˋˋˋblockˋˋˋ",
		"||spoiler||":                     "∣∣spoiler∣∣",
		"[click](hxxps://evil[.]example)": "[click] (hxxps://evil[.]example)",
		"[a][b] [c]: d":                   "[a] [b] [c] : d",
		":fire: and (:rotating_light:)":   "∶fire: and (∶rotating_light:)",
		"&lt;b&gt; &#60; &amp":            "＆lt;b＆gt; ＆#60; &amp",
		"- item":                          "· - item",
		"1. item":                         "· 1. item",
		"# head":                          "· # head",
		"-# small":                        "· -# small",
		">quote":                          "· >quote",
		"| a | b |":                       "· | a | b |",
		"==":                              "· ==",
		"~town-square #tag":               "∼town-square ＃tag",
		`\(x\) \*y\*`:                     `＼(x＼) ＼∗y＼∗`,
	} {
		if got := Unmarked(s, 1000, UTF16); got != want {
			t.Errorf("Unmarked(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestUnmarkedTextIsNoLongerThanAsked(t *testing.T) {
	t.Parallel()
	for _, s := range []string{strings.Repeat("*", 500), strings.Repeat("](", 300), strings.Repeat("é`", 300), "| " + strings.Repeat("a ", 200), "- x"} {
		for _, most := range []int{0, 1, 2, 3, 20, 99, 100} {
			for name, unit := range map[string]Unit{"bytes": Bytes, "UTF-16": UTF16, "runes": Runes} {
				got := Unmarked(s, most, unit)
				if n := unit(got); n > most || !utf8.ValidString(got) {
					t.Errorf("Unmarked(%.10q…, %d %s) has %d: %q", s, most, name, n, got)
				}
				if most >= 20 && len(s) > most && unit(got) < most/4 {
					t.Errorf("Unmarked(%.10q…, %d %s) has only %d", s, most, name, unit(got))
				}
			}
		}
	}
}

func TestAnchorsAreLinksOfOursAlone(t *testing.T) {
	t.Parallel()
	got := Anchors(Line{"Run [x](y) *now*", "https://tocsin.example.com/a(b)?c=d"}, Line{"nowhere", ""}, Line{"More", "https://tocsin.example.com/"})
	if want := "[Run (x) (y) ∗now∗](https://tocsin.example.com/a%28b%29?c=d) · [More](https://tocsin.example.com/)"; got != want {
		t.Errorf("Anchors = %q, want %q", got, want)
	}
	if got := Anchors(); got != "" {
		t.Errorf("Anchors of nothing = %q", got)
	}
}
