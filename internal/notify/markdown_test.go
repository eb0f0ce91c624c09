package notify_test

import (
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

func TestMarkdownThatOthersWriteIsText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"EC2 i-0abc (web-1) is calling, 17 times (+4)": "EC2 i-0abc (web-1) is calling, 17 times (+4)",
		"":                        "",
		"a [x](y) [z]":            `a \[x\](y) \[z\]`,
		"[x]: y":                  "`[x]: y`",
		"@ana":                    "`@ana`",
		"see #12":                 "`see #12`",
		"!7":                      "`!7`",
		"GH-12":                   "`GH-12`",
		"/close":                  "`/close`",
		"- [ ] item":              "`- [ ] item`",
		"1. item":                 "`1. item`",
		"+ item":                  "`+ item`",
		"== a":                    "`== a`",
		"a | b":                   "`a | b`",
		"*a*":                     "`*a*`",
		"_a_":                     "`_a_`",
		"snake_case":              "snake_case",
		"<!-- a -->":              "`<!-- a -->`",
		"&amp;":                   "`&amp;`",
		":fire:":                  "`:fire:`",
		"x://y":                   "`x://y`",
		"$1":                      "`$1`",
		"back\\slash":             "`back\\slash`",
		"a `code` b":              "``a `code` b``",
		"`":                       "`` ` ``",
		"ends with ``":            "``` ends with `` ```",
		"`@ana` ``@bo``":          "``` `@ana` ``@bo`` ```",
		"[issue:5]":               "`[issue:5]`",
		"%12":                     "`%12`",
		"%milestone":              "`%milestone`",
		"100 %":                   "100 %",
		"C&C server":              "C&C server",
		"two words, one colon: x": "two words, one colon: x",
	} {
		if got := notify.MarkdownText(text); got != want {
			t.Errorf("MarkdownText(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestMarkdownOfAMessage(t *testing.T) {
	t.Parallel()
	m := shared(t, "opened-critical-ec2-c2")
	m.Alert.Command = "echo '```' | cat"
	m.AlertURL += "?a=1&copy=2"
	text := notify.OutlineOf(m, notifytest.Now()).Markdown(65536)
	for _, want := range []string{
		"**First step:**\n\n````\necho '```' | cat\n````\n",
		"[Alert \\#4821](<https://tocsin.example.com/alerts/4821?a=1&amp;copy=2>)",
		"- **What:** DNS query for evil",
	} {
		if want = strings.ReplaceAll(want, `\#`, "#"); !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	m.Alert.Facts = nil
	for range 12 {
		m.Alert.Facts = append(m.Alert.Facts, tocsin.Fact{Name: "Fact", Value: strings.Repeat("word ", 99)})
	}
	for _, most := range []int{300, 1000, 4000} {
		if n := notify.UTF16(notify.OutlineOf(m, notifytest.Now()).Markdown(most)); n > most {
			t.Errorf("Markdown(%d) has %d characters", most, n)
		}
	}
}
