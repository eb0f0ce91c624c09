package pattern

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustExplain(t *testing.T, pattern, event string) Explanation {
	t.Helper()
	p, err := Parse([]byte(pattern))
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Explain([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// told checks what every explanation promises, and returns what is wrong with it.
func told(e Explanation, match bool) string {
	if e.Match != match {
		return fmt.Sprintf("Match is %v, want %v", e.Match, match)
	}
	for i, c := range e.Combinations {
		no := slices.ContainsFunc(c.Leaves, func(l Leaf) bool { return !l.Holds })
		switch {
		case c.Match && (no || len(c.Splits) > 0):
			return fmt.Sprintf("combination %d matches, and has a no", i)
		case c.Match && !match:
			return fmt.Sprintf("combination %d matches, and the pattern does not", i)
		case !c.Match && !no && len(c.Splits) == 0:
			return fmt.Sprintf("combination %d does not match, and does not say why", i)
		}
		for _, l := range c.Leaves {
			if (l.Found == "") != (len(l.Saw) > 0) {
				return fmt.Sprintf("%s: saw %q and found %q", l.Path, l.Saw, l.Found)
			}
		}
		for _, s := range c.Splits {
			if len(s.In) < 2 || slices.ContainsFunc(s.In, func(in Within) bool { return len(in.Elements) == 0 }) {
				return fmt.Sprintf("split of %s: %v", s.Array, s.In)
			}
		}
	}
	if match != (len(e.Combinations) > 0 && e.Combinations[0].Match) {
		return "the first combination is not the one that decides"
	}
	if strings.HasPrefix(e.String(), "match\n") != match {
		return "in words it is " + e.String()
	}
	return ""
}

func TestExplainAgreesWithMatchAndNamesWhatIsWrong(t *testing.T) {
	splits := 0
	for _, c := range readCases(t, "conformance.jsonl.gz") {
		if c.Legacy {
			continue
		}
		p, err := Parse(c.Pattern)
		if err != nil {
			t.Fatal(err)
		}
		match, err := p.Match(c.Event)
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.Explain(c.Event)
		if err != nil {
			t.Errorf("%s: Explain(%s, %s): %v", c.Source, c.Pattern, c.Event, err)
			continue
		}
		if wrong := told(e, match); wrong != "" {
			t.Errorf("%s: Explain(%s, %s): %s", c.Source, c.Pattern, c.Event, wrong)
		}
		for _, combination := range e.Combinations {
			splits += len(combination.Splits)
		}
	}
	if splits == 0 {
		t.Error("no case has its values in different elements: the test has lost its meaning")
	}
	t.Logf("%d splits", splits)
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, pattern, event, want string }{
		{
			"a match shows what was seen",
			`{"source": ["aws.guardduty", "aws.health"], "detail": {"severity": [{"numeric": [">=", 7]}]}}`,
			`{"source": "aws.guardduty", "detail": {"severity": 8.0}}`,
			`match
  yes  detail.severity  is 8.0, want [{"numeric": [">=", 7]}]
  yes  source           is "aws.guardduty", want ["aws.guardduty", "aws.health"]
`,
		},
		{
			"a number in quotes",
			`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}`,
			`{"source": "aws.guardduty", "detail": {"severity": "8"}}`,
			`no match
  no   detail.severity  is "8", want [{"numeric": [">=", 7]}]
       hint: the event has the string "8" in quotes, and the pattern wants the number 8
  yes  source           is "aws.guardduty", want ["aws.guardduty"]
`,
		},
		{
			"a number where text is wanted",
			`{"account": ["123456789012"]}`, `{"account": 123456789012}`,
			`no match
  no   account  is 123456789012, want ["123456789012"]
       hint: the event has the number 123456789012, and the pattern wants the string "123456789012" in quotes
`,
		},
		{
			"another number in quotes in the pattern",
			`{"detail": {"severity": ["high", "8"]}}`, `{"detail": {"severity": 2.0}}`,
			`no match
  no   detail.severity  is 2.0, want ["high", "8"]
       hint: the event has a number, and "8" in quotes is text: a number is written without them
`,
		},
		{
			"true in quotes",
			`{"detail": {"mfa": [false]}}`, `{"detail": {"mfa": "false"}}`,
			`no match
  no   detail.mfa  is "false", want [false]
       hint: the event has the string "false" in quotes, and the pattern wants false
`,
		},
		{
			"upper and lower case",
			`{"detail-type": ["Guardduty Finding"]}`, `{"detail-type": "GuardDuty Finding"}`,
			`no match
  no   detail-type  is "GuardDuty Finding", want ["Guardduty Finding"]
       hint: "Guardduty Finding" differs in upper and lower case only: {"equals-ignore-case": …} ignores it
`,
		},
		{
			"white space around",
			`{"a": [{"suffix": "x"}]}`, `{"a": "x "}`,
			`no match
  no   a  is "x ", want [{"suffix": "x"}]
       hint: the event's value has white space around it
`,
		},
		{
			"a field under detail, where its value would do",
			`{"severity": [8]}`, `{"detail": {"severity": 8, "service": {"severity": 3}}}`,
			`no match
  no   severity  is missing, want [8]
       hint: the event has detail.severity, and that value would do
       hint: the event has detail.service.severity
`,
		},
		{
			"a key spelled otherwise",
			`{"detail": {"accountId": ["1"]}, "detailType": ["x"]}`, `{"Detail": {"AccountId": "1"}, "detail-type": "x"}`,
			`no match
  no   detail.accountId  is missing, want ["1"]
       hint: the event spells it Detail.AccountId
  no   detailType        is missing, want ["x"]
       hint: the event spells it detail-type
`,
		},
		{
			"an object has no value",
			`{"detail": {"service": [{"exists": true}], "tags": [{"exists": true}], "none": [{"exists": true}]}}`,
			`{"detail": {"service": {"count": 1}, "tags": [], "none": {}}}`,
			`no match
  no   detail.none     is {}, want [{"exists": true}]
       hint: {} is no value: only {"exists": false} matches it
  no   detail.service  is an object, want [{"exists": true}]
       hint: an object is no value: ask for one of its fields
  no   detail.tags     is [], want [{"exists": true}]
       hint: [] is no value: only {"exists": false} matches it
`,
		},
		{
			"an SNS message was not opened",
			`{"source": ["aws.guardduty"]}`, `{"Type": "Notification", "Message": "{\"source\":\"aws.guardduty\"}"}`,
			`no match
  no   source  is missing, want ["aws.guardduty"]
       hint: Message is a string with JSON in it: take the event out of it first
`,
		},
		{
			"values in different elements",
			`{"staff": {"first": ["Anna"], "last": ["Jones"]}}`,
			`{"staff": [{"first": "Anna", "last": "Smith"}, {"first": "Jennifer", "last": "Jones"}, {"first": "Anna"}]}`,
			`no match
  yes  staff.first  is "Anna" "Jennifer" "Anna", want ["Anna"]
  yes  staff.last   is "Smith" "Jones", want ["Jones"]
  no   all hold, but in different elements of staff: staff.first in [0, 2], staff.last in [1]
`,
		},
		{
			"each two in one element, but not all three",
			`{"s": {"a": [1], "b": [1], "c": [1]}}`,
			`{"s": [{"a": 1, "b": 1}, {"b": 1, "c": 1}, {"a": 1, "c": 1}]}`,
			`no match
  yes  s.a  is 1 1, want [1]
  yes  s.b  is 1 1, want [1]
  yes  s.c  is 1 1, want [1]
  no   all hold, but in different elements of s: s.a in [0, 2], s.b in [0, 1], s.c in [1, 2]
`,
		},
		{
			"absent where the others hold",
			`{"s": {"a": [{"exists": true}], "b": [{"exists": false}]}}`, `{"s": [{"a": 1}, {"b": 2}]}`,
			`match
  yes  s.a  is 1, want [{"exists": true}]
  yes  s.b  is 2, want [{"exists": false}]
       hint: absent where the leaves before it hold; another element of the array has it
`,
		},
		{
			"the nearest of $or comes first",
			`{"source": ["a"], "$or": [{"x": [1], "y": [1]}, {"x": [1], "z": [1]}]}`, `{"source": "a", "x": 2, "z": 1}`,
			`no match: none of the 2 combinations that $or makes; the nearest first
  yes  source  is "a", want ["a"]
  no   x       is 2, want [1]
  yes  z       is 1, want [1]
or
  no   x       is 2, want [1]
  no   y       is missing, want [1]
  yes  for the other 1
`,
		},
		{
			"the branch of $or that matches is enough",
			`{"$or": [{"x": [1]}, {"y": [1]}]}`, `{"y": 1}`,
			`match
  yes  y  is 1, want [1]
`,
		},
		{
			"what would move a terminal's cursor is escaped",
			`{"a": ["x"]}`, "{\"a\": \"\u009b2J\u202e\"}",
			`no match
  no   a  is "\u009b2J\u202e", want ["x"]
`,
		},
		{
			"many values are cut",
			`{"a": [9]}`, `{"a": [1, 2, 3, 4, 5, 6, 7]}`,
			`no match
  no   a  is 1 2 3 4 5 and 2 more, want [9]
`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustExplain(t, tt.pattern, tt.event).String(); got != tt.want {
				t.Errorf("Explain(%s, %s):\n%swant:\n%s", tt.pattern, tt.event, got, tt.want)
			}
		})
	}
}

func TestExplainRefusesWhatMatchRefuses(t *testing.T) {
	t.Parallel()
	p, err := Parse([]byte(`{"a": [1]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"", "[]", `{"a":`, `{} {}`} {
		if e, err := p.Explain([]byte(event)); err == nil {
			t.Errorf("Explain(%q) = %v, want an error", event, e)
		}
	}
	var none Pattern
	if e, err := none.Explain([]byte(`{}`)); err != nil || e.Match || len(e.Combinations) != 0 {
		t.Errorf("the zero Pattern: Explain = %v, %v", e, err)
	}
}

// What is told of is bounded, and so is the time, whoever wrote the event.
func TestExplainIsBounded(t *testing.T) {
	t.Parallel()
	elements := func(n int, each string) string { return strings.TrimSuffix(strings.Repeat(each+",", n), ",") }
	deep := strings.Repeat(`{"a":[`, 4000) + "1" + strings.Repeat("]}", 4000)
	branches := make([]string, 999)
	for i := range branches {
		branches[i] = fmt.Sprintf(`{"x%d":["%s"]}`, i, strings.Repeat("w", 1000))
	}
	for _, tt := range []struct{ name, pattern, event string }{
		{"a long array", `{"s": {"a": [1], "b": [1]}}`, `{"s": [` + elements(3_000, `{"a":1},{"b":1}`) + `]}`},
		{"a deep event", `{"a": {"a": {"b": [1]}}}`, deep},
		{"many combinations", `{"$or": [` + strings.Join(branches, ",") + `]}`, `{"y": 1}`},
		{"many fields", `{"missing": ["x"]}`, `{` + elements(20_000, `"missin":1,"a":{"missing":2}`) + `}`},
		{"a long value", `{"a": ["x"]}`, `{"a": "` + strings.Repeat("é", 1<<20) + `"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			e := mustExplain(t, tt.pattern, tt.event)
			if wrong := told(e, false); wrong != "" {
				t.Error(wrong)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if n := len(e.String()); n > 20_000 {
				t.Errorf("it is told in %d bytes", n)
			}
		})
	}
}

func FuzzExplain(f *testing.F) {
	f.Add(`{"s": {"a": [1], "b": ["x", {"exists": false}]}}`, `{"s": [{"a": 1}, {"b": "x"}]}`)
	f.Add(`{"$or": [{"a.b": [{"anything-but": "x"}]}, {"a": {"b": [null]}}]}`, `{"a": {"b": ["x", null, {}]}, "a.b": []}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := Parse([]byte(pattern))
		if err != nil {
			return
		}
		match, err := p.Match([]byte(event))
		if err != nil {
			return
		}
		e, err := p.Explain([]byte(event))
		if err != nil {
			t.Fatal(err)
		}
		if wrong := told(e, match); wrong != "" {
			t.Errorf("Explain(%s, %s): %s", pattern, event, wrong)
		}
	})
}
