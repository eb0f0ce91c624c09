package casefile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/casefile"
	"github.com/tocsin-sec/tocsin/internal/config"
)

const finding = `{"schemaVersion":"2.0","accountId":"111122223333","region":"eu-west-1","partition":"aws","id":"f1","type":"Recon:EC2/Portscan","service":{"serviceName":"guardduty"},"severity":8}`

// beside are the files that the cases may name.
var beside = map[string]string{
	"high.json":      `{"detail": {"severity": [{"numeric": [">=", 7]}]}}`,
	"broken.json":    `{"detail": {"severity": []}}`,
	"events.jsonl":   "{\"detail\":{\"severity\":8}}\n\n{\"detail\":{\"severity\":9}}\n",
	"export.jsonl":   finding + "\n",
	"mixed.jsonl":    "{\"detail\":{\"severity\":8}}\noops\n[1]\n",
	"nothing.jsonl":  "\n",
	"sub/event.json": `{"a": 1}`,
}

func read(name, text string) ([]casefile.Case, error) {
	file := func(name string) ([]byte, error) {
		text, ok := beside[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return []byte(text), nil
	}
	return casefile.Read(name, []byte(text), casefile.Files{Events: file, Pattern: file, YAML: config.JSON})
}

// write writes cases down for a comparison.
func write(t *testing.T, cases []casefile.Case) (all []string) {
	t.Helper()
	for _, c := range cases {
		got, err := c.Run()
		if err != nil {
			t.Fatal(err)
		}
		verdict := "as it should be"
		if got != c.Match {
			verdict = fmt.Sprintf("matches: %v, want %v", got, c.Match)
		}
		all = append(all, fmt.Sprintf("%d: %s: %s", c.Line, c.Name, verdict))
	}
	return all
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"YAML", `
name: high
description: of findings
pattern: {detail: {severity: [{numeric: [">=", 7]}]}}
cases:
  - name: high
    match: true
    event: {detail: {severity: 7.0}}
  - match: false
    event: {detail: {severity: 6.9}}
  - name: wrong
    match: true
    event: {detail: {severity: low}}
`, []string{"6: high: as it should be", "9: case 2: as it should be", "11: wrong: matches: false, want true"}},
		{"a pattern in a file", `
pattern: high.json
cases:
  - {name: x, match: true, event: {detail: {severity: 7}}}
`, []string{"4: x: as it should be"}},
		{"JSON in strings", `
pattern: '{"a": [1]}'
cases:
  - {match: true, event: '{"a": 1.0}'}
  - match: false
    event: |
      {"a": 2,
       "b": 1}
`, []string{"4: case 1: as it should be", "5: case 2: as it should be"}},
		{"a pattern of its own", `
pattern: {a: [1]}
cases:
  - {match: true, event: {a: 1}}
  - {match: true, event: {a: 2}, pattern: {a: [2]}}
`, []string{"4: case 1: as it should be", "5: case 2: as it should be"}},
		{"no common pattern", `
cases:
  - {match: true, event: {a: 2}, pattern: {a: [2]}}
`, []string{"3: case 1: as it should be"}},
		{"events in files", `
pattern: high.json
cases:
  - {name: many, match: true, event: events.jsonl}
  - name: several
    match: true
    events:
      - {detail: {severity: 10}}
      - events.jsonl
`, []string{
			"4: many, events.jsonl:1: as it should be", "4: many, events.jsonl:3: as it should be",
			"8: several: as it should be", "9: several, events.jsonl:1: as it should be", "9: several, events.jsonl:3: as it should be",
		}},
		{"a bare finding is the event that it would have been", `
pattern: {source: [aws.guardduty], detail: {type: [{prefix: Recon}]}}
cases:
  - {match: true, event: export.jsonl}
`, []string{"4: case 1, export.jsonl:1: as it should be"}},
		{"a shipped rule", `
name: root
description: x
drop: ours
pattern: {a: [1]}
samples:
  matches:
    - {a: 1}
  does_not_match:
    - {a: 2}
    - {a: 1, b: 3}
`, []string{"8: matches 1: as it should be", "10: does_not_match 1: as it should be", "11: does_not_match 2: matches: true, want false"}},
		{
			"JSON", "{\n \"pattern\": {\"a\": [1]},\n \"cases\": [\n  {\"name\": \"one\", \"match\": true, \"event\": {\"a\": 1}},\n  {\"match\": false, \"event\": {\"a\": 9007199254740993}}\n ]\n}",
			[]string{"4: one: as it should be", "5: case 2: as it should be"},
		},
		{
			"JSON Lines", `{"pattern":{"a":[1]},"event":{"a":1},"match":true,"source":"somewhere"}` + "\n\n" + `{"name":"two","pattern":{"a":[1]},"event":{"a":[1,2]},"match":false}`,
			[]string{"1: line 1: as it should be", "3: two: matches: true, want false"},
		},
		{
			"JSON Lines are tried as they stand", `{"pattern":{"severity":[8]},"event":` + finding + `,"match":true}`,
			[]string{"1: line 1: as it should be"},
		},
		{
			"repeated keys of an event are kept", `{"pattern":{"a":[1]},"event":{"a":1,"a":2},"match":true}`,
			[]string{"1: line 1: as it should be"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cases, err := read("t.yml", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, write(t, cases)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMistakesHaveAPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, text, want string }{
		{"nothing", "t.yml", "", `t.yml: there is nothing in it`},
		{"not a mapping", "t.yml", "- 1\n", `t.yml:1:1: want pattern and cases, or pattern and samples`},
		{"not YAML", "t.yml", "a: [\n", `t.yml:1:4: `},
		{"no cases", "t.yml", "pattern: {a: [1]}\n", `t.yml:1:1: there are neither cases nor samples in it`},
		{"no case", "t.yml", "pattern: {a: [1]}\ncases: []\n", `t.yml:2:8: there is no case in it`},
		{"no sample", "t.yml", "pattern: {a: [1]}\nsamples: {matches: []}\n", `t.yml:2:10: there is no case in it`},
		{"an unknown key", "t.yml", "patern: {a: [1]}\ncases: []\n", `t.yml:1:1: unknown key "patern"; known: name, description, pattern, cases, samples`},
		{"an unknown key of a case", "t.yml", "cases:\n  - match: true\n    evnt: {}\n", `t.yml:3:5: unknown key "evnt"; known: name, pattern, event, events, match`},
		{"cases that are no list", "t.yml", "pattern: {a: [1]}\ncases: {match: true}\n", `t.yml:2:8: cases: want a list`},
		{"a case that is none", "t.yml", "pattern: {a: [1]}\ncases: [7]\n", `t.yml:2:9: want a case, with match and event`},
		{"no verdict", "t.yml", "pattern: {a: [1]}\ncases:\n  - event: {}\n", `t.yml:3:5: match: missing; say true or false`},
		{"a verdict that is none", "t.yml", "pattern: {a: [1]}\ncases:\n  - event: {}\n    match: maybe\n", `t.yml:4:12: match: want true or false`},
		{"no event", "t.yml", "pattern: {a: [1]}\ncases:\n  - match: true\n", `t.yml:3:5: event: missing`},
		{"an event that is none", "t.yml", "pattern: {a: [1]}\ncases:\n  - {match: true, event: 7}\n", `t.yml:3:26: event: want an object, or the name of a file with events`},
		{"an event in a string that is not JSON", "t.yml", "pattern: {a: [1]}\ncases:\n  - {match: true, event: '{a}'}\n", `t.yml:3:26: event: $ (offset 1): expected a key`},
		{"no pattern", "t.yml", "cases:\n  - {match: true, event: {}}\n", `t.yml:2:5: pattern: missing, here and above`},
		{"a wrong pattern", "t.yml", "pattern:\n  a:\n    - prefx: x\ncases: []\n", `t.yml:3:7: pattern: $.a[0].prefx: Unrecognized match type prefx`},
		{"a wrong pattern in a case", "t.yml", "cases:\n  - {match: true, event: {}, pattern: {a: []}}\n", `t.yml:2:43: pattern: $.a: Empty arrays are not allowed`},
		{"a wrong pattern in a string", "t.yml", "pattern: '{\"a\": []}'\ncases: []\n", `t.yml:1:10: pattern: $.a (offset 6): Empty arrays are not allowed`},
		{"a wrong pattern in a file", "t.yml", "pattern: broken.json\ncases: []\n", `t.yml:1:10: broken.json: $.detail.severity (offset 24): Empty arrays are not allowed`},
		{"a pattern that is none", "t.yml", "pattern: 7\ncases: []\n", `t.yml:1:10: pattern: want a pattern, or the name of a file with one`},
		{"a file that is not there", "t.yml", "pattern: nowhere.json\ncases: []\n", `t.yml:1:10: pattern: nowhere.json: file does not exist`},
		{"events that are not there", "t.yml", "pattern: {a: [1]}\ncases:\n  - {match: true, event: nowhere.jsonl}\n", `t.yml:3:26: event: nowhere.jsonl: file does not exist`},
		{"a file without events", "t.yml", "pattern: {a: [1]}\ncases:\n  - {match: true, event: nothing.jsonl}\n", `t.yml:3:26: event: there is none in nothing.jsonl`},
		{
			"a file in which not all are events", "t.yml", "pattern: {a: [1]}\ncases:\n  - {match: false, event: mixed.jsonl}\n",
			"t.yml:3:27: mixed.jsonl:2: not JSON: a value is missing at byte 0\nt.yml:3:27: mixed.jsonl:3: $ (offset 0): the event is not a JSON object",
		},
		{"samples without a pattern", "t.yml", "samples: {matches: [{}]}\n", `t.yml:1:1: samples: there is no pattern to try them on`},
		{"samples of a wrong kind", "t.yml", "pattern: {a: [1]}\nsamples: {match: [{}]}\n", `t.yml:2:11: samples: unknown key "match"; known: matches, does_not_match`},
		{"an account as YAML has it", "t.yml", "pattern: {account: [111122223333]}\ncases: []\n", `t.yml:1:21: account ids are strings: quote it, "111122223333"`},
		{"JSON that is not", "t.json", "{\"pattern\": {\"a\": [1]},\n \"cases\": [}\n", `t.json:2:12: not JSON: a value is missing`},
		{"JSON without anything", "t.jsonl", "\n", `t.jsonl:1:1: there is nothing in it`},
		{
			"lines, one of which has mistakes", "t.jsonl", `{"pattern":{"a":[1]},"event":{"a":1},"match":true}` + "\n" + `{"pattern":{"a":[]},"event":{"a":1},"match":true}` + "\n" + `{"pattern":{"a":[1]},"event":{}}`,
			"t.jsonl:2:17: pattern: $.a: Empty arrays are not allowed\nt.jsonl:3:1: match: missing; say true or false",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := read(tt.file, tt.text)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Read says\n%v, want\n%s", err, tt.want)
			}
		})
	}
}

// What is right is tried although something else is wrong.
func TestMistakesLeaveTheOthers(t *testing.T) {
	t.Parallel()
	cases, err := read("t.yml", "pattern: {a: [1]}\ncases:\n  - {match: true}\n  - {match: true, event: {a: 1}}\n")
	if m, ok := errors.AsType[casefile.Mistake](err); !ok || m.Line != 3 || len(cases) != 1 || cases[0].Name != "case 2" {
		t.Errorf("%v, %v", cases, err)
	}
}

// A text comes to cases or to mistakes, and never to nothing.
func FuzzRead(f *testing.F) {
	f.Add("pattern: {a: [1]}\ncases:\n  - {match: true, event: {a: 1}}\n")
	f.Add(`{"pattern":{"a":[1]},"event":{"a":1},"match":true}` + "\n" + `{"match":1}`)
	f.Add("samples: {matches: [{}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := read("t.yml", text)
		for _, c := range cases {
			if _, err := c.Run(); err != nil || c.Line < 1 {
				t.Fatalf("line %d: %v", c.Line, err)
			}
		}
		if len(cases) == 0 && err == nil {
			t.Fatalf("%q comes to nothing", text)
		}
	})
}
