package alertmanager_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/importer/alertmanager"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/pattern"
)

var update = flag.Bool("update", false, "write the golden files anew")

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, path)); want != got {
		t.Errorf("%s is not what it is now; write it with -update and read the difference:\n%s", path, got)
	}
}

var now = time.Date(2026, 6, 12, 2, 0, 0, 0, time.UTC)

// Everything that Alertmanager documents becomes a configuration that is good, and
// what does not is told.
func TestAWholeConfiguration(t *testing.T) {
	t.Parallel()
	d, err := alertmanager.Import("alertmanager.yml", read(t, "testdata/alertmanager.yml"), alertmanager.Options{
		Silences: read(t, "testdata/silences.json"), SilencesName: "silences.json", Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	text := string(d.File("tocsin import alertmanager alertmanager.yml", (*importer.Secret).Named))
	golden(t, "testdata/alertmanager.golden", text)
	if strings.Contains(text, "hunter2") || strings.Contains(text, "0123456789abcdef") {
		t.Error("a secret is in the file")
	}
	if _, err := config.Parse("tocsin.yml", d.Checked(), kinds()); err != nil {
		t.Errorf("the configuration is not good:\n%v", err)
	}
	for _, s := range d.Needed() {
		if strings.Contains(fmt.Sprintf("%v %+v", s, *s), "hunter2") {
			t.Errorf("secret %s prints itself", s.Env)
		}
	}
}

// What stands in the file is either taken or told: no key is without a trace.
func TestNoKeyIsPassedOver(t *testing.T) {
	t.Parallel()
	d, _ := imported(t, `
global: {telegram_api_url: https://api.telegram.org, tls_config: {}}
route:
  receiver: a
  mute_time_intervals: [x]
  colour: red
  routes:
  - receiver: a
    matchers: [x="1"]
    labels: {a: b}
receivers:
- name: a
  webhook_configs: [{url: 'https://example.com/x', retries: 3}]
  comment: hello
inhibit_rules:
- source_matchers: [a="1"]
  target_matchers: [b="1"]
  comment: hello
storage: {}
`)
	var told []string
	for _, r := range d.Sorted() {
		told = append(told, r.String())
	}
	for _, want := range []string{":2:", "colour: not taken", "labels: not taken", "retries: not taken", ":14:3: comment", "(also in line 18)", "storage: not taken", "mute_time_intervals: "} {
		if !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("nothing is told of %q:\n%s", want, strings.Join(told, "\n"))
		}
	}
}

// A receiver of which nothing can be made loses no alert: the fallback is told.
func TestAReceiverThatThereIsNotTellsTheFallback(t *testing.T) {
	t.Parallel()
	d, err := alertmanager.Import("a.yml", []byte("route:\n  receiver: chat\n  routes:\n  - {receiver: pager, matchers: ['a=\"1\"']}\nreceivers:\n"+
		"- {name: chat, slack_configs: [{api_url: 'https://hooks.slack.com/services/x'}]}\n- {name: pager, opsgenie_configs: [{api_key: x}]}\n"), alertmanager.Options{Kinds: []string{"slack"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("tocsin.yml", d.Checked(), kinds())
	if err != nil {
		t.Fatal(err)
	}
	if got := toldBy(c.Routes, alertOf(t, map[string]string{"a": "1"})); !slices.Equal(got, []string{"chat"}) {
		t.Errorf("told %v, want chat", got)
	}
	var told []string
	for _, r := range d.Sorted() {
		told = append(told, r.Text)
	}
	if all := strings.Join(told, "\n"); !strings.Contains(all, `receiver "pager", opsgenie_configs: not taken`) || !strings.Contains(all, "its alerts go to the fallback") {
		t.Errorf("remarks:\n%s", all)
	}
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	const receivers = "receivers:\n- name: a\n"
	for _, tt := range []struct{ name, text, want string }{
		{"no YAML", "route: [", "alertmanager.yml:1:"},
		{"no route", "receivers: []\n", "alertmanager.yml:1:1: no route"},
		{"no receivers", "route: {receiver: a}\n", "alertmanager.yml:1:1: no receivers"},
		{"no receiver of that name", "route: {receiver: b}\n" + receivers, `alertmanager.yml:1:19: no receiver "b"`},
		{"the top route has matchers", "route:\n  receiver: a\n  matchers: [a=\"1\"]\n" + receivers, "alertmanager.yml:2:3: the top route has matchers"},
		{"the top route goes on", "route:\n  receiver: a\n  continue: true\n" + receivers, "alertmanager.yml:2:3: the top route says continue"},
		{"no matcher", "route:\n  receiver: a\n  routes:\n  - matchers: [\"a>1\"]\n" + receivers, `alertmanager.yml:4:16: "a>1" is no matcher`},
		{"no regular expression", "route:\n  receiver: a\n  routes:\n  - match_re: {a: '('}\n" + receivers, "alertmanager.yml:4:19: a: not a regular expression"},
		{"a receiver twice", "route: {receiver: a}\n" + receivers + "- name: a\n", `alertmanager.yml:4:3: receiver "a" is there twice`},
	} {
		if _, err := alertmanager.Import("alertmanager.yml", []byte(tt.text), alertmanager.Options{}); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s…", tt.name, err, tt.want)
		}
	}
}

// Alertmanager has alerts of Prometheus alone. Here are others as well, which have none
// of its labels: what asks for a label that is not there, or is something else, must
// neither drop nor hide them.
func TestAlertsOfOthersAreNeitherDroppedNorHidden(t *testing.T) {
	t.Parallel()
	silences := `[{"id":"s","status":{"state":"active"},"startsAt":"2026-06-12T01:00:00Z","endsAt":"2026-06-13T02:00:00Z","comment":"c","createdBy":"ana",
		"matchers":[{"name":"severity","value":"critical","isRegex":false,"isEqual":false}]}]`
	d, err := alertmanager.Import("a.yml", []byte(`
route:
  receiver: chat
  routes:
  - {receiver: "null", matchers: ['severity!="critical"']}
receivers:
- {name: chat, slack_configs: [{api_url: 'https://hooks.slack.com/services/T0/B0/x'}]}
- name: "null"
inhibit_rules:
- {source_matchers: [alertname="Moving"], target_matchers: ['severity!="critical"']}
- {source_matchers: [alertname="Moving"]}
`), alertmanager.Options{Silences: []byte(silences), SilencesName: "s.json", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("tocsin.yml", d.Checked(), kinds())
	if err != nil {
		t.Fatal(err)
	}
	moving, low := alertOf(t, map[string]string{"alertname": "Moving", "severity": "critical"}), alertOf(t, map[string]string{"alertname": "Disk", "severity": "low"})
	finding := tocsin.Alert{Detection: tocsin.Detection{Rule: "guardduty", Level: tocsin.Critical, Resource: tocsin.Resource{Tags: map[string]string{"severity": "x"}}}, Status: tocsin.StatusOpen}
	if got := c.Routes.Decide(low); len(got.Targets) != 0 {
		t.Errorf("an alert for nobody tells %v", got.Targets)
	}
	if got := toldBy(c.Routes, finding); !slices.Equal(got, []string{"chat"}) {
		t.Errorf("a finding of GuardDuty's tells %v", got)
	}
	if n := len(c.Inhibitions.Targets(low, tocsin.Account{})); n != 2 {
		t.Errorf("what is muted is so by %d, want 2", n)
	}
	if got := c.Inhibitions.Targets(finding, tocsin.Account{}); len(got) != 0 {
		t.Errorf("a finding of GuardDuty's is muted by %v", got)
	}
	if len(c.Inhibitions.Sources(moving, tocsin.Account{})) == 0 {
		t.Error("nothing mutes")
	}
	_, rest, _ := strings.Cut(d.Silences[1], "--pattern '")
	text, _, _ := strings.Cut(rest, "'")
	p, err := pattern.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		alert tocsin.Alert
		want  bool
	}{{"what was silenced", low, true}, {"a finding of GuardDuty's", finding, false}} {
		if got, err := p.Match(routing.Document(tt.alert, tocsin.Account{})); got != tt.want || err != nil {
			t.Errorf("%s is silenced: %v, %v", tt.name, got, err)
		}
	}
}

// One address that cannot be read, since Alertmanager makes it of the alert, is one
// receiver that is lost, and not the whole configuration.
func TestAddressesThatAreMadeOfTheAlert(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, email, want string }{
		{"a template", `{to: '{{ .CommonLabels.owner }}@example.com', from: a@example.com, smarthost: 'mail.example.com:587'}`, "not taken: to "},
		{"a sender", `{to: soc@example.com, from: '{{ .X }}', smarthost: 'mail.example.com:587'}`, "not taken: from "},
		{"names", `{to: '"Doe, Jane" <jane@example.com>, soc@example.com', from: 'Alertmanager <a@example.com>', smarthost: 'mail.example.com:587'}`, ""},
	} {
		d, err := alertmanager.Import("a.yml", []byte("route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url: 'https://example.com/a'}]\n  email_configs: ["+tt.email+"]\n"), alertmanager.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.Parse("tocsin.yml", d.Checked(), kinds()); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var told string
		for _, r := range d.Sorted() {
			told += r.String() + "\n"
		}
		if tt.want == "" && strings.Contains(told, "not taken") || !strings.Contains(told, tt.want) {
			t.Errorf("%s: told\n%s", tt.name, told)
		}
	}
}

func TestAFileThatIsNamedLikeACommandIsNone(t *testing.T) {
	t.Parallel()
	silences := `[{"id":"s","status":{"state":"active"},"startsAt":"2026-06-12T01:00:00Z","endsAt":"2026-06-13T02:00:00Z","comment":"c\nrm -rf","createdBy":"ana\nid","matchers":[{"name":"a","value":"b\nid"}]}]`
	d, err := alertmanager.Import("a.yml", []byte("route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url: 'https://example.com/a'}]\n"),
		alertmanager.Options{Silences: []byte(silences), SilencesName: "s\nrm -rf x.json", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range d.Silences {
		if strings.ContainsAny(line, "\n\r") {
			t.Errorf("%q is more than one line", line)
		}
	}
}

func TestMatchersAreReadAsAlertmanagerReadsThem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		matcher, label, value string
		ok                    bool
	}{
		{`a=b`, "a", "b", true},
		{` a = b c `, "a", "b c", true},
		{`a="b, c"`, "a", "b, c", true},
		{`a="b",`, "a", "b", true},
		{`{a="b"}`, "a", "b", true},
		{`a="b\"c\\d\ne"`, "a", "b\"c\\d\ne", true},
		{`a=~"b\\.c"`, "a", "b.c", true},
		{`a=~"b\.c"`, "a", "b.c", true},
		{`a=~b|c`, "a", "c", true},
		{`"a b"="c"`, "a b", "c", true},
		{`a!=b`, "a", "b", false},
		{`a!~"b|c"`, "a", "c", false},
		{`a=""`, "a", "b", false},
	} {
		_, c := imported(t, "route:\n  receiver: a\n  routes:\n  - receiver: b\n    matchers: ["+quote(tt.matcher)+"]\nreceivers:\n- name: a\n  webhook_configs: [{url: 'https://example.com/a'}]\n- name: b\n  webhook_configs: [{url: 'https://example.com/b'}]\n")
		want := "a"
		if tt.ok {
			want = "b"
		}
		a := tocsin.Alert{Detection: tocsin.Detection{Rule: "prometheus", Resource: tocsin.Resource{Tags: map[string]string{tt.label: tt.value}}}}
		if got := toldBy(c.Routes, a); !slices.Equal(got, []string{want}) {
			t.Errorf("%s with %s=%q tells %v, want %s", tt.matcher, tt.label, tt.value, got, want)
		}
	}
}

// The commands make silences that hide just what Alertmanager's hide.
func TestSilencesHideTheSame(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	hidden, taken := 0, 0
	for range 90 {
		var asks []ask
		var matchers []map[string]any
		for range 1 + r.IntN(2) {
			a := ask{label: labelNames[r.IntN(len(labelNames))], op: []string{"=", "!=", "=~", "!~"}[r.IntN(4)], value: labelValues[r.IntN(len(labelValues))]}
			if a.op[1:] == "~" {
				a.value = append(plainRegex, hardRegex...)[r.IntN(len(plainRegex)+len(hardRegex))]
			}
			asks = append(asks, a)
			matchers = append(matchers, map[string]any{"name": a.label, "value": a.value, "isRegex": a.op[1:] == "~", "isEqual": a.op[0] == '='})
		}
		text, err := json.Marshal([]any{map[string]any{
			"id": "1", "createdBy": "ana", "comment": "moving", "startsAt": now.Add(-time.Hour), "endsAt": now.Add(24 * time.Hour),
			"status": map[string]any{"state": "active"}, "matchers": matchers,
		}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := alertmanager.Import("alertmanager.yml", []byte("route: {receiver: a}\nreceivers: [{name: a}]\n"), alertmanager.Options{Silences: text, SilencesName: "s", Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Silences) == 0 {
			continue // it cannot be said the same, which is told
		}
		taken++
		ss := silencesOf(t, d.Silences)
		for range 60 {
			labels := someLabels(r)
			a := alertOf(t, labels)
			_, got := ss.Hold(a, tocsin.Account{}, now.Add(time.Minute))
			want := !slices.ContainsFunc(asks, func(a ask) bool { return !a.holds(labels) })
			if got != want {
				t.Fatalf("matchers %v, labels %v: hidden %v, Alertmanager hides %v: %v", asks, labels, got, want, d.Silences)
			}
			if want {
				hidden++
			}
		}
	}
	if taken < 45 || hidden < 100 {
		t.Errorf("%d silences were taken and hid %d alerts: too few to say anything", taken, hidden)
	}
}

// silencesOf are those that the commands would make, as a shell splits them.
func silencesOf(t *testing.T, commands []string) *routing.Silences {
	t.Helper()
	var all []tocsin.Silence
	for _, c := range commands {
		if strings.HasPrefix(c, "#") {
			continue
		}
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `tocsin() { for a; do printf '%s\0' "$a"; done; }; `+c).Output()
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		args := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		flags := map[string]string{}
		for i := 2; i+1 < len(args); i += 2 {
			flags[args[i]] = args[i+1]
		}
		until, err := time.Parse(time.RFC3339, flags["--until"])
		if err != nil {
			t.Fatal(err)
		}
		from := now
		if f := flags["--from"]; f != "" {
			if from, err = time.Parse(time.RFC3339, f); err != nil {
				t.Fatal(err)
			}
		}
		s := tocsin.Silence{Kind: tocsin.SilenceKind(flags["--kind"]), Pattern: json.RawMessage(flags["--pattern"]), Author: flags["--by"], Reason: flags["--reason"], From: from, Until: until}
		if s.Author == "" {
			s.Author = "whoever runs it"
		}
		if err := routing.Check(s, now); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		all = append(all, s)
	}
	ss, err := routing.NewSilences(all)
	if err != nil {
		t.Fatal(err)
	}
	return ss
}

// Each command of the golden file makes a silence that is good.
func TestCommandsOfSilencesAreGood(t *testing.T) {
	t.Parallel()
	d, err := alertmanager.Import("alertmanager.yml", read(t, "testdata/alertmanager.yml"), alertmanager.Options{
		Silences: read(t, "testdata/silences.json"), SilencesName: "silences.json", Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	silencesOf(t, d.Silences)
	var told []string
	for _, r := range d.Sorted() {
		if r.File == "silences.json" {
			told = append(told, r.String())
		}
	}
	want := []string{"silences that are over: 1", "silence 0c5: would last longer than 365 days", `silence 0e7: {instance=~"web-[0-9]+"} has no event pattern that means the same`}
	for _, w := range want {
		if !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, w) }) {
			t.Errorf("nothing is told of %q: %q", w, told)
		}
	}
}

// An alert that one holds back is held back here, and no other.
func TestInhibitRulesHoldTheSame(t *testing.T) {
	t.Parallel()
	_, c := imported(t, `
route: {receiver: a}
receivers: [{name: a}]
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity=~"warning|info"]
  equal: [cluster, "dotted.name"]
- source_matchers: [team="web"]
  target_matchers: [team=~"w.*"]
`)
	for _, tt := range []struct {
		name           string
		source, target map[string]string
		want           bool
	}{
		{"the same cluster", map[string]string{"severity": "critical", "cluster": "a"}, map[string]string{"severity": "warning", "cluster": "a"}, true},
		{"another cluster", map[string]string{"severity": "critical", "cluster": "a"}, map[string]string{"severity": "warning", "cluster": "b"}, false},
		{"no cluster in either is the same", map[string]string{"severity": "critical"}, map[string]string{"severity": "info"}, true},
		{"a name with a dot is the same", map[string]string{"severity": "critical", "dotted.name": "x"}, map[string]string{"severity": "info", "dotted.name": "x"}, true},
		{"a name with a dot is not", map[string]string{"severity": "critical", "dotted.name": "x"}, map[string]string{"severity": "info", "dotted.name": "y"}, false},
		{"a target that is none", map[string]string{"severity": "critical"}, map[string]string{"severity": "none"}, false},
		{"both match both sides", map[string]string{"team": "web"}, map[string]string{"team": "web"}, false},
		{"only the target's side", map[string]string{"team": "web"}, map[string]string{"team": "webb"}, true},
	} {
		sources := c.Inhibitions.Sources(alertOf(t, tt.source), tocsin.Account{})
		got := slices.ContainsFunc(c.Inhibitions.Targets(alertOf(t, tt.target), tocsin.Account{}), func(f routing.Fingerprint) bool { return slices.Contains(sources, f) })
		if got != tt.want {
			t.Errorf("%s: held %v, want %v", tt.name, got, tt.want)
		}
	}
}
