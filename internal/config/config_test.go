package config_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("tocsin.yml", []byte(text), kinds)
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return c
}

func TestAllMistakesAreToldAtOnceWithTheirPlaces(t *testing.T) {
	text, err := os.ReadFile("testdata/mistakes.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Parse("mistakes.yml", text, kinds)
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("Parse = %v, want problems", err)
	}
	golden(t, "mistakes.golden", problems.Error()+"\n")
}

func TestOpenedWithWhatIsWritten(t *testing.T) {
	t.Setenv("HOOK", "https://hooks.example.com/xyz")
	t.Setenv("PORT", "2525")
	t.Setenv("HOST", "0.0.0.0")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(`
listen: "${env:HOST}:9090"
public_url: https://tocsin.example.com/
store: sqlite:/var/lib/tocsin
x-smtp: &smtp {host: mail.example.com, port: "${env:PORT}"}
sources:
  second: {https: {token: "${file:FILE}", map: {key: Message^id, price: $$5}}}
  first:
    sns:
      topics: ["arn:aws:sns:*:111122223333:guardduty"]
accounts:
  "012345678901": {name: payments-prod, environment: prod, team: payments, minimum: medium, receivers: [mail]}
  "1234-5678-9012": {name: sandbox}
rules:
  - use: guardduty-no-port-probes
  - use: guardduty
  - name: root was used
    pattern: {source: [aws.signin]}
    alert: {level: high, title: Root signed in, key: $.detail.userIdentity.accountId}
routes:
  - {name: bad, pattern: {level: [critical]}, receivers: soc, continue: true}
  - {pattern: {team: [payments]}, receivers: [mail]}
fallback: soc
receivers:
  soc: {slack: {webhook_url: "${env:HOOK}"}, rate: 0.5, timeout: 20s}
  mail:
    email:
      to: [ana@example.com]
      wait: 1d12h
      template: {subject: [1e3, 1.50, "x"]}
      smtp: {<<: *smtp, tls: false, load: 1e3}
`, "FILE", file)
	c := parse(t, text)

	if c.Listen != "0.0.0.0:9090" || c.PublicURL != "https://tocsin.example.com" || c.Store != "sqlite:/var/lib/tocsin" {
		t.Errorf("Listen, PublicURL, Store = %q, %q, %q", c.Listen, c.PublicURL, c.Store)
	}
	if len(c.Hash) != 64 || len(c.Warnings) != 0 {
		t.Errorf("Hash = %q, Warnings = %v", c.Hash, c.Warnings)
	}
	want := map[string]tocsin.Account{
		"012345678901": {ID: "012345678901", Name: "payments-prod", Environment: "prod", Team: "payments", Minimum: tocsin.Medium, Receivers: []string{"mail"}},
		"123456789012": {ID: "123456789012", Name: "sandbox"},
	}
	if diff := cmp.Diff(want, c.Accounts); diff != "" {
		t.Errorf("Accounts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"guardduty-no-port-probes", "guardduty", "root was used"}, c.Rules.Names()); diff != "" {
		t.Errorf("Rules (-want +got):\n%s", diff)
	}

	if len(c.Sources) != 2 || c.Sources[0].Name != "second" || c.Sources[1].Name != "first" || c.Sources[1].Kind != "sns" {
		t.Fatalf("Sources = %+v, want second and first, in the order of the file", c.Sources)
	}
	opened, err := c.Sources[0].Open(collect.Env{Handle: func(http.Handler) {}})
	if err != nil {
		t.Fatal(err)
	}
	https := opened.(source).Config.(httpsConfig)
	if https.Token.Reveal() != "s3cret" || https.Map["price"] != "$5" || https.Map["key"] != "Message^id" {
		t.Errorf("https = %q, %v", https.Token.Reveal(), https.Map)
	}

	if len(c.Receivers) != 2 {
		t.Fatalf("Receivers = %+v", c.Receivers)
	}
	soc := c.Receivers[0]
	if soc.Rate != 0.5 || soc.Timeout != 20*time.Second || soc.Patience != 24*time.Hour || soc.Kind != "slack" {
		t.Errorf("soc = %+v", soc)
	}
	told, err := c.Receivers[1].Open(notify.Env{})
	if err != nil {
		t.Fatal(err)
	}
	wantMail := emailConfig{
		To: []string{"ana@example.com"}, Wait: 36 * time.Hour, Minimum: tocsin.Low,
		Template: map[string]any{"subject": []any{1000.0, 1.5, "x"}},
		SMTP:     smtpConfig{Host: "mail.example.com", Port: 2525, TLS: false, Load: 1000},
	}
	if diff := cmp.Diff(wantMail, told.(receiver).Config); diff != "" {
		t.Errorf("email (-want +got):\n%s", diff)
	}

	a := tocsin.Alert{Detection: tocsin.Detection{Account: "012345678901", Level: tocsin.Critical}}
	targets := c.Routes.Route(a)
	if len(targets) != 2 || targets[0].Receiver != "soc" || targets[0].Why != "bad" || targets[1].Receiver != "mail" {
		t.Errorf("Route = %+v", targets)
	}
}

// least is a file without anything that is not needed.
const least = `
sources: {events: {https: {}}}
rules: [{use: guardduty}]
fallback: console
receivers: {console: {console: {}}}
`

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := parse(t, least)
	if c.Listen != "127.0.0.1:8080" || c.Store != "sqlite:./tocsin-data" || c.PublicURL != "" {
		t.Errorf("Listen, Store, PublicURL = %q, %q, %q", c.Listen, c.Store, c.PublicURL)
	}
	if r := c.Receivers[0]; r.Timeout != 15*time.Second || r.Rate != 0 {
		t.Errorf("receiver = %+v", r)
	}
}

func TestTheRateIsTheVendorsUnlessWritten(t *testing.T) {
	t.Setenv("HOOK", "https://hooks.example.com/xyz")
	for written, want := range map[string]float64{"": 1, ", rate: 0": 0, ", rate: 5": 5} {
		c := parse(t, strings.Replace(least, "{console: {}}", `{slack: {webhook_url: "${env:HOOK}"}`+written+`}`, 1))
		if got := c.Receivers[0].Rate; got != want {
			t.Errorf("rate with %q = %v, want %v", written, got, want)
		}
	}
}

func TestOneMistake(t *testing.T) {
	t.Setenv("EMPTY", "")
	t.Setenv("WORD", "twenty")
	for _, tt := range []struct{ name, text, want string }{
		{"an empty file", "", `t.yml:1:1: "fallback" is missing`},
		{"only a comment", "# nothing\n", `t.yml:1:1: "fallback" is missing`},
		{"not a mapping", "- a\n", `t.yml:1:1: got list, want mapping`},
		{"two documents", least + "---\na: b\n", `t.yml:7:1: a second document: a configuration is one`},
		{"a tab", "sources:\n\tevents: {}\n", `t.yml:2:1: a tab: YAML is indented with spaces`},
		{"not UTF-8", "listen: \"\xff\"\n", `t.yml:1:10: not UTF-8`},
		{"brackets without an end", "a: " + strings.Repeat("[", 5000), `t.yml:1:1004: nested too deep to be a configuration`},
		{"lists in lists without an end", strings.Repeat("- ", 5000), `t.yml:1:2002: nested too deep to be a configuration`},
		{"a colon in a value", "listen: a: b\n", `t.yml:1:9: a ":" where a value is expected: quote the value, or begin a new line`},
		{"an open quote", "listen: \"a\n", `t.yml:1:9: not YAML: could not find end character of double-quoted text`},
		{"no fallback", strings.Replace(least, "fallback: console\n", "", 1), `t.yml:2:1: "fallback" is missing`},
		{"an empty fallback", strings.Replace(least, "fallback: console", `fallback: ""`, 1), `t.yml:4:11: fallback: is empty: name a receiver`},
		{"a fallback of nobody", strings.Replace(least, "fallback: console", `fallback: []`, 1), `t.yml:4:11: fallback: is empty: name a receiver that is told of alerts that nobody else is told of`},
		{"a fallback that was left blank", strings.Replace(least, "fallback: console", `fallback:`, 1), `t.yml:4:1: fallback: is empty: name a receiver that is told of alerts that nobody else is told of`},
		{"a word for a number", least + "x: 1\n", `t.yml:6:1: unknown key "x"`},
		{"an alias of nothing", least + "accounts: *nothing\n", `t.yml:6:11: accounts: no anchor &nothing before this`},
		{"an anchor within itself", least + "accounts: &a {\"111122223333\": {name: x, <<: *b}}\n", `t.yml:6:45: accounts.111122223333: no anchor &b before this`},
		{"an unknown tag", least + "listen: !foo a\n", `t.yml:6:9: listen: tag !foo is not understood here`},
		{"no port", least + "listen: localhost\n", `t.yml:6:9: listen: "localhost" is not an address and a port, such as 127.0.0.1:8080`},
		{"intake where listen is", least + "intake: 127.0.0.1:8080\n", `t.yml:6:9: intake: is the same as listen`},
		{"half of a certificate", least + "tls: {certificate: a.crt}\n", `t.yml:6:6: tls: "key" is missing`},
		{"a certificate that is not there", least + "tls: {certificate: testdata/none.crt, key: testdata/none.key}\n", `t.yml:6:6: tls: certificate: stat testdata/none.crt: no such file`},
		{"a store of no kind", least + "store: mysql://user:pass@host/db\n", `t.yml:6:8: store: want sqlite:<folder> or postgres://user@host/database`},
		{"an environment variable that is not set", least + "listen: ${env:NOT_SET_ANYWHERE}\n", `t.yml:6:9: listen: ${env:NOT_SET_ANYWHERE}: the environment variable NOT_SET_ANYWHERE is not set`},
		{"a secret that is empty", strings.Replace(least, "{console: {}}", `{slack: {webhook_url: "${env:EMPTY}"}}`, 1), `t.yml:5:44: receivers.console.slack.webhook_url: ${env:EMPTY} is empty`},
		{"a secret that is a number", strings.Replace(least, "{console: {}}", `{slack: {webhook_url: 12345}}`, 1), `t.yml:5:44: receivers.console.slack.webhook_url: got integer, want string in quotes`},
		{"what the vendor refuses", strings.Replace(least, "{https: {}}", `{sns: {topics: []}}`, 1), `t.yml:2:34: sources.events.sns.topics: name at least one topic`},
		{"a reference that is no number", strings.Replace(least, "{console: {}}", `{console: {}, rate: "${env:WORD}"}`, 1), `t.yml:5:42: receivers.console.rate: "twenty" is out of range or misspelt, want number`},
		{"a negative rate", strings.Replace(least, "{console: {}}", `{console: {}, rate: -1}`, 1), `t.yml:5:42: receivers.console.rate: is negative; 0 is no limit`},
		{"no time", strings.Replace(least, "{console: {}}", `{console: {}, timeout: 0s}`, 1), `t.yml:5:45: receivers.console.timeout: is 0: no attempt would have any time`},
		{"more time than a lease", strings.Replace(least, "{console: {}}", `{console: {}, timeout: 31s}`, 1), `t.yml:5:45: receivers.console.timeout: is longer than 30s, which is how long one attempt may take`},
		{"negative time", strings.Replace(least, "{console: {}}", `{console: {}, timeout: -5s}`, 1), `t.yml:5:45: receivers.console.timeout: "-5s" is negative`},
		{"settings a level too high", strings.Replace(least, "{console: {}}", `{email: {to: [a]}, host: x}`, 1), `t.yml:5:41: receivers.console: unknown key "host"; known: disabled, hide, rate, timeout, to, smtp, wait, minimum, template`},
		{"a missing setting within", strings.Replace(least, "{console: {}}", `{email: {to: [a], smtp: {port: 25}}}`, 1), `t.yml:5:46: receivers.console.email.smtp: "host" is missing`},
		{"a port with a leading zero", strings.Replace(least, "{console: {}}", `{email: {to: [a], smtp: {host: a, port: 025}}}`, 1), `t.yml:5:62: receivers.console.email.smtp.port: 025 begins with a zero: some read that as octal, want integer`},
		{"an account of 13 digits", least + `accounts: {"1234567890123": {}}`, `t.yml:6:12: accounts: account id "1234567890123" has 13 digits, want 12 digits`},
		{"an account that is a word", least + `accounts: {payments: {}}`, `t.yml:6:12: accounts: account id "payments" is no number, want 12 digits`},
		{"an account without quotes", least + `accounts: {123456789012: {}}`, `t.yml:6:12: accounts: key 123456789012 without quotes: quote it, "123456789012"`},
		{"an account without quotes that reads as octal", least + `accounts: {012345670123: {}}`, `t.yml:6:12: accounts: key 012345670123 without quotes: quote it, "012345670123"`},
		{"a name of digits", least + `accounts: {"123456789012": {name: 007}}`, `t.yml:6:35: accounts.123456789012.name: got integer, want string: quote it, "007"`},
		{"a pattern with a bare account", rule(`pattern: {detail: {accountId: [012345678901]}}`), `t.yml:8:36: rules[1].pattern: account ids are strings: quote it, "012345678901"`},
		{"a pattern as JSON with a bare account", rule(`pattern: '{"account": [123456789012]}'`), `t.yml:8:14: rules[1].pattern: account ids are strings: quote it, "123456789012"`},
		{"a hexadecimal number", rule(`pattern: {detail: {n: [0x1F]}}`), `t.yml:8:28: rules[1].pattern: 0x1F is no number in JSON: write it in plain decimals, or quote it if it is text`},
		{"a pattern twice the same key", rule(`pattern: {a: [b], a: [c]}`), `t.yml:8:23: rules[1].pattern: "a" is there twice, first in line 8`},
		{"a pattern that AWS refuses", rule(`pattern: {source: aws}`), `t.yml:8:23: rules[1].pattern: $.source: `},
		{"a pattern that is a list", rule(`pattern: [a]`), `t.yml:8:14: rules[1].pattern: got list, want mapping or JSON in a string`},
		{"an empty pattern", rule(`pattern:`), `t.yml:8:5: rules[1].pattern: got nothing, want mapping or JSON in a string`},
		{"a rule without a pattern", rule(`drop: x`), `t.yml:7:5: rules[1]: "pattern" is missing`},
		{"a drop without a reason", rule("pattern: {a: [b]}\n    drop: \"\""), `t.yml:9:11: rules[1].drop: is empty: say why`},
		{"a rule twice", strings.Replace(least, "[{use: guardduty}]", "[{use: guardduty}, {use: guardduty}]", 1), `t.yml:3:27: rules[1]: rule "guardduty" is there twice, first in line 3`},
		{"an anchor that goes round", strings.Replace(least, "{console: {}}", "&a {email: {to: [a], template: {x: *a}}}", 1), `t.yml:5:53: receivers.console.email.template: nested too deep: is an anchor used within itself?`},
		{"a path with brackets", rule("pattern: {a: [b]}\n    alert: {key: ['$.a', '$.b[0]']}"), `t.yml:9:26: rules[1].alert.key[1]: "$.b[0]" is not a path into the event`},
		{"use beside others", strings.Replace(least, "{use: guardduty}", "{use: guardduty, drop: x}", 1), `t.yml:3:9: rules[0]: "use" stands alone: the shipped rule has the rest`},
		{"a route of a dashed account", least + `routes: [{pattern: {account: ["1234-5678-9012"]}, receivers: console}]`, `t.yml:6:31: routes[0].pattern: account id "1234-5678-9012": in patterns it is without dashes, "123456789012"`},
		{"a route by an unknown field within", least + `routes: [{pattern: {resource: {tag: {a: [b]}}}, receivers: console}]`, `t.yml:6:32: routes[0].pattern: an alert's resource has no field "tag" (did you mean "tags"?)`},
		{"a route by an unknown field in a branch", least + `routes: [{pattern: {$or: [{levek: [high]}, {team: [a]}]}, receivers: console}]`, `t.yml:6:28: routes[0].pattern: an alert has no field "levek" (did you mean "level"?)`},
		{"a route to nobody", least + `routes: [{}]`, `t.yml:6:10: routes[0]: tells nobody: want "receivers", "team", "policy", "drop" or "routes"`},
		{"a receiver told twice", least + `routes: [{receivers: [console, console]}]`, `t.yml:6:32: routes[0].receivers[1]: receiver "console" is there twice`},
		{"a merge of no mapping", least + `accounts: {<<: [1]}`, `t.yml:6:17: accounts: got integer after "<<", want mapping`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("t.yml", []byte(tt.text), kinds)
			problems, _ := errors.AsType[config.Problems](err)
			if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), tt.want) {
				t.Errorf("Parse:\n%s\ngot\n%v\nwant\n%s", tt.text, err, tt.want)
			}
		})
	}
}

// rule is a file with one rule more; its first line is line 8.
func rule(body string) string {
	return strings.Replace(least, "rules: [{use: guardduty}]\n", "", 1) + "rules:\n  - use: guardduty-high\n  - name: r\n    " + body + "\n"
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"nothing to say", least, ""},
		{"a secret in the file", strings.Replace(least, "{https: {}}", "{https: {token: abcdefgh}}", 1), `t.yml:2:35: sources.events.https.token: holds the secret itself: write ${env:NAME} or ${file:/path} and keep the secret there`},
		{"a URL that is only a host", strings.Replace(least, "{console: {}}", "{slack: {webhook_url: 'http://127.0.0.1:9999/'}}", 1), ""},
		{"no sources", strings.Replace(least, "sources: {events: {https: {}}}", "", 1), `t.yml:3:1: sources: there is none: no events come in`},
		{"a route after one that takes all", least + "routes:\n  - {receivers: console}\n  - {pattern: {level: [high]}, receivers: console}\n", `t.yml:8:5: routes[1]: never reached: route 1 before it matches all that it matches; it needs continue: true`},
		{"a route after one that takes all and continues", least + "routes:\n  - {receivers: console, continue: true}\n  - {pattern: {level: [high]}, receivers: console}\n", ""},
		{"a narrower route", least + "routes:\n  - {name: bad, pattern: {level: [high, critical]}, receivers: console}\n  - {pattern: {level: [high], team: [a]}, receivers: console}\n", `t.yml:8:5: routes[1]: never reached: route "bad" before it matches all that it matches; it needs continue: true`},
		{"a wider route", least + "routes:\n  - {pattern: {level: [high], team: [a]}, receivers: console}\n  - {pattern: {level: [high]}, receivers: console}\n", ""},
		{"a drop after all findings", strings.Replace(least, "[{use: guardduty}]", `[{use: guardduty}, {name: ours, pattern: {detail: {type: [{prefix: "Recon:EC2/PortProbe"}]}}, drop: ours}]`, 1), `t.yml:3:27: rules[1]: never reached: rule "guardduty" before it matches all that it matches, and the first that matches decides`},
		{"a drop before all findings", strings.Replace(least, "[{use: guardduty}]", `[{name: ours, pattern: {detail: {type: [{prefix: "Recon:EC2/PortProbe"}]}}, drop: ours}, {use: guardduty}]`, 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Parse("t.yml", []byte(tt.text), kinds)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Warnings.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestPatternsMeanTheSameInYAMLAndJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pattern, event string
		want                 bool
	}{
		{"YAML", `{source: [aws.guardduty], detail: {severity: [{numeric: [">=", 7]}]}}`, `{"source":"aws.guardduty","detail":{"severity":8}}`, true},
		{"JSON", `'{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}'`, `{"source":"aws.guardduty","detail":{"severity":8}}`, true},
		{"a number as it is spelled", `{a: [12345678901234567890123]}`, `{"a":12345678901234567890123}`, true},
		{"a number beside it", `{a: [12345678901234567890123]}`, `{"a":12345678901234567890124}`, false},
		{"an exponent", `{a: [1e3]}`, `{"a":1000}`, true},
		{"a quoted number is text", `{a: ["7"]}`, `{"a":7}`, false},
		{"a quoted account", `{a: ["012345678901"]}`, `{"a":"012345678901"}`, true},
		{"a colon in a list in braces", `{a: [x:y:z]}`, `{"a":"x:y:z"}`, true},
		{"digits around a colon in a list in braces", `{a: [09:00]}`, `{"a":"09:00"}`, true},
		{"a mapping in a list in braces", `{a: [{prefix: x}]}`, `{"a":"xy"}`, true},
		{"yes is text", `{a: [yes]}`, `{"a":"yes"}`, true},
		{"true is not", `{a: [True]}`, `{"a":true}`, true},
		{"null", `{a: [null]}`, `{"a":null}`, true},
		{"a dollar sign stays", `{a: ["${env:NOT_SET_ANYWHERE}"]}`, `{"a":"${env:NOT_SET_ANYWHERE}"}`, true},
		{"twelve digits to compare with", `{a: [{numeric: [">", 100000000000]}]}`, `{"a":100000000001}`, true},
		{"text by its tag", `{a: [!!str 7]}`, `{"a":"7"}`, true},
		{"signs that HTML escapes", `{a: ["<&>"]}`, `{"a":"<&>"}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, rule("pattern: "+tt.pattern))
			r, ok, err := c.Rules.First([]byte(tt.event))
			if err != nil {
				t.Fatal(err)
			}
			if got := ok && r.Name == "r"; got != tt.want {
				t.Errorf("pattern %s on %s: matched = %v, want %v", tt.pattern, tt.event, got, tt.want)
			}
		})
	}
}

func TestAnchorsAndCRLFAndByteOrderMark(t *testing.T) {
	t.Parallel()
	text := "\ufeff" + strings.ReplaceAll(`x-prod: &prod {environment: prod, minimum: medium}
accounts:
  "111122223333": *prod
  "222233334444": {<<: *prod, minimum: high}
`+least, "\n", "\r\n")
	c := parse(t, text)
	if a := c.Accounts["111122223333"]; a.Environment != "prod" || a.Minimum != tocsin.Medium {
		t.Errorf("the alias: %+v", a)
	}
	if a := c.Accounts["222233334444"]; a.Environment != "prod" || a.Minimum != tocsin.High {
		t.Errorf("the merge: %+v", a)
	}
}

func TestAliasesCannotFillTheMemory(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("x-0: &a0 [\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\"]\n")
	for i := 1; i < 12; i++ {
		before := strings.Repeat(",*a"+string(rune('a'+i-2)), 10)
		if i == 1 {
			before = strings.Repeat(",*a0", 10)
		}
		b.WriteString("x-" + string(rune('a'+i-1)) + ": &a" + string(rune('a'+i-1)) + " [" + before[1:] + "]\n")
	}
	b.WriteString(strings.Replace(least, "{console: {}}}", "{email: {to: [a], template: *ak}}}", 1))
	_, err := config.Parse("t.yml", []byte(b.String()), kinds)
	if err == nil || !strings.Contains(err.Error(), "stand for half a million values") {
		t.Errorf("Parse = %.300v, want a refusal", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("t.yml", []byte(least+`
store: postgres-typo://user:hunter2@host/db
sources: {events: {https: {token: [hunter2]}}}
`), kinds)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Parse = %v, want problems without the secret", err)
	}
}

func TestTheHashIsOfTheText(t *testing.T) {
	t.Parallel()
	a, b, c := parse(t, least), parse(t, least), parse(t, least+"# a comment\n")
	if a.Hash != b.Hash || a.Hash == c.Hash {
		t.Errorf("hashes %s, %s and, of another text, %s", a.Hash, b.Hash, c.Hash)
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	c := parse(t, string(config.Default()))
	if c.Store != "sqlite:./tocsin-data" || c.Listen != "127.0.0.1:8080" || len(c.Warnings) > 0 {
		t.Errorf("Store, Listen, Warnings = %q, %q, %v", c.Store, c.Listen, c.Warnings)
	}
	if len(c.Sources) != 1 || c.Sources[0].Name != "events" || c.Sources[0].Kind != "https" {
		t.Errorf("Sources = %+v", c.Sources)
	}
	if to := c.Routes.Route(tocsin.Alert{}); len(to) != 1 || to[0].Receiver != "console" || !to[0].Fallback {
		t.Errorf("Route = %+v", to)
	}
}

func TestEveryShippedRuleDoesWhatItsSamplesSay(t *testing.T) {
	t.Parallel()
	all, err := config.Library()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 8 {
		t.Fatalf("%d shipped rules, want them all", len(all))
	}
	for _, r := range all {
		t.Run(r.Name, func(t *testing.T) {
			if len(r.Matches) == 0 || len(r.DoesNotMatch) == 0 {
				t.Error("want samples that match and samples that do not")
			}
			check := func(samples []json.RawMessage, want bool) {
				for _, s := range samples {
					got, err := r.Pattern.Match(s)
					if err != nil || got != want {
						t.Errorf("match(%s) = %v, %v, want %v", s, got, err, want)
					}
				}
			}
			check(r.Matches, true)
			check(r.DoesNotMatch, false)
		})
	}
}

func TestStoreLabelHasNoPassword(t *testing.T) {
	t.Parallel()
	for store, want := range map[string]string{
		"sqlite:./tocsin-data":                "sqlite:./tocsin-data",
		"postgres://tocsin@db/tocsin":         "postgres://tocsin@db/tocsin",
		"postgres://tocsin:hunter2@db/tocsin": "postgres://tocsin:xxxxx@db/tocsin",
	} {
		if got := parse(t, least+"store: "+store).StoreLabel(); got != want {
			t.Errorf("StoreLabel of %s = %s, want %s", store, got, want)
		}
	}
}

func TestARehearsalReachesOnlyTheConsole(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(least, "{console: {}}", "{slack: {webhook_url: 'http://127.0.0.1:1/'}}", 1))
	r := config.Rehearse(c.Receivers[0], kinds)
	n, err := r.Open(notify.Env{Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := n.(receiver).Config.(struct{}); !ok || r.Name != "console" || r.Kind != "console" || r.Rate != 0 {
		t.Errorf("Rehearse = %+v, which opens %+v", r, n)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tocsin.yml")
	if err := os.WriteFile(path, []byte(least), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path, kinds); err != nil {
		t.Error(err)
	}
	if _, err := config.Load(path+".missing", kinds); err == nil || !strings.Contains(err.Error(), ".missing") {
		t.Errorf("Load of nothing = %v, want an error that names the file", err)
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "0": 0,
		"": -1, "5": -1, "d": -1, "5 minutes": -1, "-1h": -1, "-1d": -1, "1h1d": -1, "1d-1h": -1, "99999999999d": -1,
	} {
		got, err := config.ParseDuration(s)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	f.Add(config.Default())
	mistakes, err := os.ReadFile("testdata/mistakes.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mistakes)
	for _, s := range []string{
		"a: &a *a", "<<: &x {<<: *x}", "? [a]\n: b", "rules: [{pattern: |\n  {\n}]", "rules: [{name: a, pattern: &p {a: *p}}]", "a: !!str", "- - - -", "receivers: {a: {slack: !!str {}}}",
		"listen: !!str !!str 1", "%YAML 1.2\n---\n", "accounts: {? : }", "routes: [{pattern: '{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}'}]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("fuzz.yml", text, kinds)
		if (c == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", c, err)
		}
		if err == nil {
			return
		}
		problems, ok := errors.AsType[config.Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("an error without problems: %v", err)
		}
		for _, p := range problems {
			if p.Text == "" || p.Line < 0 || p.Column < 0 {
				t.Errorf("problem %+v", p)
			}
		}
	})
}
