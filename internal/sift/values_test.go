package sift

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/pattern"
)

func TestValues(t *testing.T) {
	t.Parallel()
	const event = ` {"a" : 1, "b":{"c":"x\"y", "d" : [ {"e":1.50,"f":[[true],null]}, 7, {"e":{}} , []], "":"empty"}, "g.h":{"i":"dots"}, "z":[], "a":"again", "\u006a":"j", "k":"\\"}`
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"a", []string{`1`, `"again"`}},
		{"b.c", []string{`"x\"y"`}},
		{"b.d.e", []string{`1.50`, `{}`}},
		{"b.d.f", []string{`true`, `null`}},
		{"b.d", []string{`{"e":1.50,"f":[[true],null]}`, `7`, `{"e":{}}`}},
		{"g.h.i", []string{`"dots"`}},
		{"g.h", []string{`{"i":"dots"}`}},
		{"g", nil},
		{"z", nil},
		{"j", []string{`"j"`}},
		{"k", []string{`"\\"`}},
		{"a.b", nil},
		{"a.", nil},
		{"nothing", nil},
		{"", []string{strings.TrimSpace(event)}},
	} {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			var got []string
			for at := range Values([]byte(event), tt.path) {
				got = append(got, event[at.From:at.To])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Values(%s) (-want +got):\n%s", tt.path, diff)
			}
		})
	}
	for range Values([]byte(event), "b.d") {
		break // one is enough
	}
}

func TestAppendText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"a string", `"Recon:EC2/Portscan"`, `Recon:EC2/Portscan`},
		{"a number as it is spelled", `8.00`, `8.00`},
		{"an object", "{ \"a\" : [1,\n2] }", `{"a":[1,2]}`},
		{"null", `null`, `null`},
		{"a tab would be a column", `"a\tb"`, `a\tb`},
		{"a line break would be a row", `"a\r\nb"`, `a\r\nb`},
		{"control characters", `"\u001b[2J"`, `\u001b[2J`},
		{"a backslash", `"C:\\temp"`, `C:\\temp`},
		{"escapes without need", `"\u0041\/"`, `A/`},
		{"letters of all kinds", `"Ünïcode \ud83d\ude00"`, `Ünïcode 😀`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(AppendText([]byte("> "), []byte(tt.value))); got != "> "+tt.want {
				t.Errorf("AppendText(%s) = %s, want %s", tt.value, got, tt.want)
			}
		})
	}
}

func TestAppendVisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "{\"a\": 1}\n\t~", "{\"a\": 1}\n\t~"},
		{"letters of all kinds", "Ünïcode 😀 日本", "Ünïcode 😀 日本"},
		{"escape sequences", "\x1b[31m", `\u001b[31m`},
		{"the one-byte CSI", "\u009b31m", `\u009b31m`},
		{"DEL", "\x7f", `\u007f`},
		{"text turned around", "safe\u202egpj.exe", `safe\u202egpj.exe`},
		{"no width", "a\u200bb\ufeffc\u2066", `a\u200bb\ufeffc\u2066`},
		{"line separators", "a\u2028b\u0085c", `a\u2028b\u0085c`},
		{"tags", "\U000e0041", `\udb40\udc41`},
		{"not UTF-8", "a\x9bb\xff", `a\ufffdb\ufffd`},
		{"U+FFFD itself", "\ufffd", "\ufffd"},
		{"carriage returns would overwrite", "harmless\rharm\r\n", "harmlessharm\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(AppendVisible(nil, []byte(tt.text))); got != tt.want {
				t.Errorf("AppendVisible(%q) = %s, want %s", tt.text, got, tt.want)
			}
		})
	}
}

// An event that was made visible is the same event, as far as it was UTF-8.
func FuzzVisible(f *testing.F) {
	f.Add("a\u009b\u202e\x7f\U000e0041")
	f.Fuzz(func(t *testing.T, s string) {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var was, is string
		if err := json.Unmarshal(quoted, &was); err != nil {
			t.Fatal(err)
		}
		seen := AppendVisible(nil, quoted)
		if err := json.Unmarshal(seen, &is); err != nil || was != is {
			t.Errorf("%s became %s: %v", quoted, seen, err)
		}
		if i := bytes.IndexFunc(seen, hidden); i >= 0 {
			t.Errorf("%q is not visible in %q", seen[i:], seen)
		}
	})
}

// Where a pattern finds something to exist there are values, and nowhere else.
func FuzzValues(f *testing.F) {
	f.Add(`{"a":[{"b":1},{"b":[2,"x"]}],"c":{"d":null}}`, "a.b")
	f.Add(`{"a.b":{"c":1},"a":{"b.c":2}}`, "a.b.c")
	f.Add(`{"a":{"b":{}},"":[[],{"":1}]}`, "a.b")
	f.Fuzz(func(t *testing.T, event, path string) {
		if strings.Contains("."+path+".", "..") || !utf8.ValidString(event+path) {
			return // empty names are none here
		}
		quoted, err := json.Marshal(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pattern.Parse([]byte(`{` + string(quoted) + `:[{"exists":true}]}`))
		if err != nil {
			return // a key of a pattern may not be named so
		}
		want, err := p.Match([]byte(event))
		if err != nil {
			return
		}
		exists := false
		for at := range Values([]byte(event), path) {
			value := []byte(event[at.From:at.To])
			if !json.Valid(value) || value[0] == '[' {
				t.Fatalf("Values(%q, %q) has %q", event, path, value)
			}
			exists = exists || value[0] != '{'
			AppendText(nil, value)
		}
		if exists != want {
			t.Errorf("Values(%q, %q): %v, want %v", event, path, exists, want)
		}
	})
}

func TestMarks(t *testing.T) {
	t.Parallel()
	const event = `{"source":"aws.guardduty","detail":{"severity":8.5,"type":"Recon:EC2/Portscan","ips":["198.51.100.7","10.0.0.1"],"title":"x"},"n":null}`
	for _, tt := range []struct {
		name, pattern string
		want          []string
	}{
		{"a value", `{"source":["aws.guardduty","x"]}`, []string{`"aws.guardduty"`}},
		{"a number and a prefix", `{"detail":{"severity":[{"numeric":[">",7]}],"type":[{"prefix":"Recon"}]}}`, []string{`8.5`, `"Recon:EC2/Portscan"`}},
		{"of an array what matches", `{"detail":{"ips":[{"cidr":"10.0.0.0/8"}]}}`, []string{`"10.0.0.1"`}},
		{"what exists", `{"n":[{"exists":true}],"detail":{"none":[{"exists":false}]}}`, []string{`null`}},
		{"the branch of a $or that matches", `{"detail":{"$or":[{"severity":[8.5],"title":["y"]},{"title":["x"]}]}}`, []string{`"x"`}},
		{"both branches", `{"$or":[{"detail":{"title":["x"]}},{"source":[{"prefix":"aws"}]}]}`, []string{`"aws.guardduty"`, `"x"`}},
		{"dots in keys", `{"detail.title":["x"]}`, []string{`"x"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := parse(t, tt.pattern)[0]
			if ok, err := p.Match([]byte(event)); !ok || err != nil {
				t.Fatalf("it does not match: %v", err)
			}
			var got []string
			raw := []byte(event)
			for _, at := range Marks(Find{Raw: raw, Event: raw}, NewMarker(p)) {
				got = append(got, event[at.From:at.To])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// In a bare finding the values are marked where they are.
func TestMarksOfABareFinding(t *testing.T) {
	t.Parallel()
	patterns := parse(t, `{"source":["aws.guardduty"],"detail":{"severity":[8],"$or":[{"type":[{"prefix":"Recon"}]},{"region":["x"]}]}}`)
	n := 0
	for f, err := range sieve(t, Options{Patterns: patterns}).Sift(strings.NewReader(exported), nil) {
		if n++; err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, at := range Marks(f, NewMarker(patterns[0])) {
			got = append(got, string(f.Raw[at.From:at.To]))
		}
		if !slices.Equal(got, []string{`"Recon:EC2/Portscan"`, `8`}) {
			t.Errorf("marked %q", got)
		}
	}
	if n != 1 {
		t.Errorf("%d finds", n)
	}
}
