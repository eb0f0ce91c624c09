package rules_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/pattern"
)

func parse(t *testing.T, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	rs, err := rules.New([]rules.Rule{
		{Name: "samples", Pattern: parse(t, `{"detail":{"service":{"additionalInfo":{"sample":[true]}}}}`), Drop: "sample findings"},
		{Name: "scanners", Pattern: parse(t, `{"source":["aws.guardduty"],"detail":{"type":[{"prefix":"Recon:"}]}}`), Drop: "our own scanners"},
		{Name: "severe", Pattern: parse(t, `{"source":["aws.guardduty"],"detail":{"severity":[{"numeric":[">=",5]}]}}`)},
		{Name: "root", Pattern: parse(t, `{"source":["aws.signin"]}`), Alert: rules.Alert{Level: tocsin.High, Title: "Root signed in"}},
		{Name: "root again", Pattern: parse(t, `{"source":["aws.signin"]}`), Drop: "never reached"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, event, rule, drop string }{
		{"one matches", `{"source":"aws.guardduty","detail":{"type":"Backdoor:EC2/Spambot","severity":5}}`, "severe", ""},
		{"two match: the earlier decides", `{"source":"aws.guardduty","detail":{"type":"Recon:EC2/Portscan","severity":8}}`, "scanners", "our own scanners"},
		{"three match", `{"source":"aws.guardduty","detail":{"type":"Recon:EC2/Portscan","severity":8,"service":{"additionalInfo":{"sample":true}}}}`, "samples", "sample findings"},
		{"a rule that is behind one of the same pattern", `{"source":"aws.signin"}`, "root", ""},
		{"none matches", `{"source":"aws.guardduty","detail":{"type":"Backdoor:EC2/Spambot","severity":4.9}}`, "", ""},
		{"an empty event", `{}`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, ok, err := rs.First([]byte(tt.event))
			if err != nil || ok != (tt.rule != "") || r.Name != tt.rule || r.Drop != tt.drop {
				t.Errorf("First(%s) = %q (drop %q), %v, %v, want %q (drop %q)", tt.event, r.Name, r.Drop, ok, err, tt.rule, tt.drop)
			}
		})
	}
	for _, event := range []string{``, `[]`, `{"source":`, `null`} {
		if _, ok, err := rs.First([]byte(event)); err == nil || ok {
			t.Errorf("First(%q) = %v, %v, want an error: it is no JSON object", event, ok, err)
		}
	}
	if got := rs.Names(); !slices.Equal(got, []string{"samples", "scanners", "severe", "root", "root again"}) {
		t.Errorf("Names() = %q", got)
	}
}

func TestManyRulesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	var all []rules.Rule
	for i := range 40 { // more than the room that First has on its stack
		all = append(all, rules.Rule{Name: strings.Repeat("i", i+1), Pattern: parse(t, `{"source":["aws.guardduty"]}`)})
	}
	slices.Reverse(all)
	rs, err := rules.New(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, ok, err := rs.First([]byte(`{"source":"aws.guardduty"}`)); !ok || err != nil || r.Name != all[0].Name {
		t.Errorf("First = %q, %v, %v, want the first of 40", r.Name, ok, err)
	}
}

func TestRulesAreToldApartByName(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"source":["a"]}`)
	for _, tt := range []struct {
		name, want string
		rules      []rules.Rule
	}{
		{"a name twice", `rule "a" is there twice`, []rules.Rule{{Name: "a", Pattern: p}, {Name: "b", Pattern: p}, {Name: "a", Pattern: p}}},
		{"no name", "rule 2 has no name", []rules.Rule{{Name: "a", Pattern: p}, {Pattern: p}}},
	} {
		if _, err := rules.New(tt.rules, nil); err == nil || err.Error() != tt.want {
			t.Errorf("%s: New = %v, want %q", tt.name, err, tt.want)
		}
	}
	if rs, err := rules.New(nil, nil); err != nil {
		t.Errorf("no rules at all: %v", err)
	} else if _, ok, err := rs.First([]byte(`{}`)); ok || err != nil {
		t.Errorf("First without rules = %v, %v", ok, err)
	}
}

func TestAnAccountHasItsOwnMinimum(t *testing.T) {
	t.Parallel()
	rs, err := rules.New(nil, map[string]tocsin.Account{
		"111122223333": {ID: "111122223333", Name: "sandbox", Minimum: tocsin.High},
		"444455556666": {ID: "444455556666"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, account string
		level         tocsin.Level
		reason        string
	}{
		{"below", "111122223333", tocsin.Medium, "medium is below the minimum of account sandbox (111122223333) (high)"},
		{"at it", "111122223333", tocsin.High, ""},
		{"above", "111122223333", tocsin.Critical, ""},
		{"a level that nobody knows may be the worst there is", "111122223333", tocsin.Unknown, ""},
		{"an account without a minimum", "444455556666", tocsin.Informational, ""},
		{"an account that nobody named", "777788889999", tocsin.Informational, ""},
		{"no account", "", tocsin.Informational, ""},
	} {
		reason, ok := rs.Wanted(tocsin.Detection{Account: tt.account, Level: tt.level})
		if ok != (tt.reason == "") || reason != tt.reason {
			t.Errorf("%s: Wanted = %q, %v, want %q", tt.name, reason, ok, tt.reason)
		}
	}
}

func TestARuleSaysWhatTheEventDoesNot(t *testing.T) {
	t.Parallel()
	d := tocsin.Detection{Level: tocsin.Medium, Title: "AWS Console Sign In", Headline: "AWS Console Sign In", Account: "111122223333"}
	if got := (rules.Alert{}).Apply(d); got.Level != d.Level || got.Title != d.Title || got.Headline != d.Headline {
		t.Errorf("a rule that says nothing made %+v of %+v", got, d)
	}
	got := rules.Alert{Level: tocsin.Critical, Title: "Root signed in"}.Apply(d)
	if got.Level != tocsin.Critical || got.Title != "Root signed in" || got.Headline != "Root signed in" || got.Account != d.Account {
		t.Errorf("Apply = %+v", got)
	}
}
