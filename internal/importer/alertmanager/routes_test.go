package alertmanager_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	door "github.com/tocsin-sec/tocsin/internal/collect/alertmanager"
	collectors "github.com/tocsin-sec/tocsin/internal/collect/all"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/importer/alertmanager"
	"github.com/tocsin-sec/tocsin/internal/notify"
	notifiers "github.com/tocsin-sec/tocsin/internal/notify/all"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/sns"
	"github.com/tocsin-sec/tocsin/internal/notify/discord"
	"github.com/tocsin-sec/tocsin/internal/notify/mattermost"
	"github.com/tocsin-sec/tocsin/internal/notify/opsgenie"
	"github.com/tocsin-sec/tocsin/internal/notify/pushover"
	"github.com/tocsin-sec/tocsin/internal/notify/rocketchat"
	"github.com/tocsin-sec/tocsin/internal/notify/telegram"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// The tree of routes as Alertmanager's documentation has it, written again here so
// that nothing of the importer is in it:
//
// Every alert enters the tree at the top. Then it goes through the child nodes. If
// continue is false, it stops after the first matching child. If it is true, the
// alert goes on to the siblings behind. If an alert does not match any children of
// a node, it is handled by the node itself.
type node struct {
	asks     []ask
	receiver string
	goesOn   bool
	children []*node
}

// An ask is one matcher.
type ask struct{ label, op, value string }

func (a ask) holds(labels map[string]string) bool {
	v := labels[a.label] // a label that is not there is empty
	switch a.op {
	case "=":
		return v == a.value
	case "!=":
		return v != a.value
	case "=~":
		return regexp.MustCompile("^(?:" + a.value + ")$").MatchString(v)
	}
	return !regexp.MustCompile("^(?:" + a.value + ")$").MatchString(v)
}

func (n *node) takes(labels map[string]string) []*node {
	for _, a := range n.asks {
		if !a.holds(labels) {
			return nil
		}
	}
	var all []*node
	for _, c := range n.children {
		took := c.takes(labels)
		all = append(all, took...)
		if len(took) > 0 && !c.goesOn {
			break
		}
	}
	if len(all) == 0 {
		return []*node{n}
	}
	return all
}

// told are the receivers, each once, in order of their names.
func (n *node) told(labels map[string]string) []string {
	all := map[string]bool{}
	for _, took := range n.takes(labels) {
		if took.receiver != "nobody" {
			all[took.receiver] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

var (
	labelNames  = []string{"team", "severity", "cluster", "instance"}
	labelValues = []string{"", "", "web", "WEB", "webb", "prod-1", "prod-", "PROD-", "prod", "staging-eu", "db", "10.0.0.1", "10.0.0.01", "critical", "warning", "a*b", `a\b`, "no", "é", "k", "\u212a"}
	plainRegex  = []string{"", "web", "web|db", "prod-.*", ".*-eu", ".*o.*", ".*", ".+", "w.*b", "(web|prod).*", "prod-?1?", "[dw]b", "web{1,2}", "(?i)web", "(?i)k", `a\*b`, `a\\b`, "^web$", "(prod|staging)-(1|eu)", "critical|warning|", "10\\.0\\.0\\.1", "prod-.+", ".+-eu", "(web|prod-).+", "s.+u"}
	hardRegex   = []string{"w[a-z]+", `\w+`, "w.b", "(?i)web.*b", ".+o.+", "(?i)prod-.+"}
)

func (n *node) grow(r *rand.Rand, depth int, hard bool) {
	for range r.IntN(4) {
		if depth == 0 {
			return
		}
		c := &node{receiver: n.receiver, goesOn: r.IntN(3) == 0}
		if r.IntN(4) > 0 {
			c.receiver = fmt.Sprintf("r%d", r.IntN(6))
		}
		if r.IntN(8) == 0 {
			c.receiver = "nobody"
		}
		for range 1 + r.IntN(2) {
			a := ask{label: labelNames[r.IntN(len(labelNames))], op: []string{"=", "=", "!=", "=~", "=~", "!~"}[r.IntN(6)], value: labelValues[r.IntN(len(labelValues))]}
			if strings.HasSuffix(a.op, "~") {
				a.value = plainRegex[r.IntN(len(plainRegex))]
				if hard && r.IntN(4) == 0 {
					a.value = hardRegex[r.IntN(len(hardRegex))]
				}
			}
			c.asks = append(c.asks, a)
		}
		c.grow(r, depth-1, hard)
		n.children = append(n.children, c)
	}
}

// yaml writes the route, its matchers in one of the forms that there are.
func (n *node) yaml(b *strings.Builder, indent, inherited string, form int) {
	if n.receiver != inherited {
		fmt.Fprintf(b, "%sreceiver: %s\n", indent, n.receiver)
	} else {
		fmt.Fprintf(b, "%sgroup_by: [alertname]\n", indent) // something has to stand there
	}
	if n.goesOn {
		fmt.Fprintf(b, "%scontinue: true\n", indent)
	}
	old := map[string][]ask{}
	var rest []ask
	for i, a := range n.asks {
		twice := slices.ContainsFunc(n.asks[:i], func(o ask) bool { return o.label == a.label })
		if form%3 == 0 && !twice && (a.op == "=" || a.op == "=~") {
			old[a.op] = append(old[a.op], a)
			continue
		}
		rest = append(rest, a)
	}
	for op, key := range map[string]string{"=": "match", "=~": "match_re"} {
		if len(old[op]) > 0 {
			fmt.Fprintf(b, "%s%s:\n", indent, key)
		}
		for _, a := range old[op] {
			fmt.Fprintf(b, "%s  %s: %s\n", indent, a.label, quote(a.value))
		}
	}
	if len(rest) > 0 {
		fmt.Fprintf(b, "%smatchers:\n", indent)
	}
	for _, a := range rest {
		fmt.Fprintf(b, "%s- %s\n", indent, quote(a.label+a.op+`"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.value)+`"`))
	}
	if len(n.children) > 0 {
		fmt.Fprintf(b, "%sroutes:\n", indent)
	}
	for i, c := range n.children {
		var inner strings.Builder
		c.yaml(&inner, indent+"  ", n.receiver, form+i)
		b.WriteString(indent + "- " + strings.TrimPrefix(inner.String(), indent+"  "))
	}
}

// quote is text in single quotes, in which YAML has no escapes.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (n *node) file() string {
	var b strings.Builder
	b.WriteString("route:\n")
	n.yaml(&b, "  ", "", 1)
	b.WriteString("receivers:\n- name: nobody\n")
	for i := range 6 {
		fmt.Fprintf(&b, "- name: r%d\n  webhook_configs: [{url: 'https://example.com/r%d'}]\n", i, i)
	}
	return b.String()
}

func tree(seed uint64, hard bool) *node {
	r := rand.New(rand.NewPCG(seed, 7))
	top := &node{receiver: "r0"}
	if r.IntN(6) == 0 {
		top.receiver = "nobody"
	}
	for len(top.children) == 0 {
		top.grow(r, 3, hard)
	}
	return top
}

func someLabels(r *rand.Rand) map[string]string {
	labels := map[string]string{"alertname": "Test"}
	for _, name := range labelNames {
		if v := labelValues[r.IntN(len(labelValues))]; v != "" {
			labels[name] = v
		}
	}
	return labels
}

// kinds are all that there are, and those that the importer knows besides.
func kinds() config.Kinds {
	k := config.Kinds{Collectors: collectors.Kinds(), Notifiers: notifiers.Kinds()}
	if !slices.ContainsFunc(k.Collectors, func(c collect.Kind) bool { return c.Name == door.Kind.Name }) {
		k.Collectors = append(k.Collectors, door.Kind)
	}
	for _, n := range []notify.Kind{discord.Kind, mattermost.Kind, opsgenie.Kind, pushover.Kind, rocketchat.Kind, sns.Kind, telegram.Kind} {
		if !slices.ContainsFunc(k.Notifiers, func(o notify.Kind) bool { return o.Name == n.Name }) {
			k.Notifiers = append(k.Notifiers, n)
		}
	}
	return k
}

func imported(t *testing.T, text string) (*importer.Draft, *config.Config) {
	t.Helper()
	d, err := alertmanager.Import("alertmanager.yml", []byte(text), alertmanager.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c, err := config.Parse("tocsin.yml", d.Checked(), kinds())
	if err != nil {
		t.Fatalf("the configuration is not good:\n%v\n%s\n%s", err, d.Checked(), text)
	}
	return d, c
}

// alertOf is the alert that the source makes of labels.
func alertOf(t *testing.T, labels map[string]string) tocsin.Alert {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"status": "firing", "labels": labels, "startsAt": "2026-06-12T02:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := door.Kind.Dialect.Read("prometheus", raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Detection.Rule = "prometheus"
	return tocsin.Alert{Detection: got.Detection, Status: tocsin.StatusOpen}
}

func toldBy(rs *routing.Routes, a tocsin.Alert) []string {
	all := []string{}
	for _, target := range rs.Decide(a).Targets {
		all = append(all, target.Receiver)
	}
	slices.Sort(all)
	return all
}

// loose reports whether something of the routes could not be said the same.
func loose(d *importer.Draft) bool {
	return slices.ContainsFunc(d.Sorted(), func(r importer.Remark) bool {
		return strings.Contains(r.Text, "no event pattern means the same") || strings.Contains(r.Text, "tells nobody and goes on")
	})
}

// On trees and alerts at random, the same receivers are told as by Alertmanager; and
// where a remark says that something could not be said the same, no fewer.
func TestTheSameReceiversAreToldAsByAlertmanager(t *testing.T) {
	t.Parallel()
	exact, wider := 0, 0
	for seed := range uint64(60) {
		top := tree(seed, seed%2 == 1)
		d, c := imported(t, top.file())
		isLoose := loose(d)
		r := rand.New(rand.NewPCG(seed, 8))
		for range 60 {
			labels := someLabels(r)
			want, got := top.told(labels), toldBy(c.Routes, alertOf(t, labels))
			if !isLoose && !slices.Equal(got, want) || isLoose && !subset(want, got) {
				t.Fatalf("seed %d, labels %v: told %v, Alertmanager tells %v (loose %v)\n%s\n%s", seed, labels, got, want, isLoose, top.file(), d.Checked())
			}
			if isLoose {
				wider++
			} else {
				exact++
			}
		}
	}
	if exact < 800 || wider < 800 {
		t.Errorf("%d alerts in trees that are the same and %d in others: too few to say anything", exact, wider)
	}
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// What the source brings is taken by the rule, whether it begins or ends.
func TestTheRuleTakesWhatTheSourceBrings(t *testing.T) {
	t.Parallel()
	_, c := imported(t, tree(1, false).file())
	for event, want := range map[string]bool{
		`{"status":"firing","labels":{"alertname":"Test"},"startsAt":"2026-06-12T02:00:00Z"}`: true,
		`{"status":"resolved","labels":{"team":"web"},"endsAt":"2026-06-12T02:00:00Z"}`:       true,
		`{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{}}`:            false,
	} {
		if _, ok, err := c.Rules.First([]byte(event)); ok != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", event, ok, err, want)
		}
	}
}

// The model is Alertmanager's own rule: amtool says the same of some of the trees.
func TestAmtoolSaysWhatTheModelSays(t *testing.T) {
	t.Parallel()
	amtool := collecttest.Program(t, "amtool")
	for seed := range uint64(12) {
		top := tree(seed, true)
		path := filepath.Join(t.TempDir(), "alertmanager.yml")
		if err := os.WriteFile(path, []byte(top.file()), 0o600); err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, 8))
		for range 4 {
			labels := someLabels(r)
			args := []string{"config", "routes", "test", "--config.file=" + path}
			for _, name := range slices.Sorted(maps.Keys(labels)) {
				args = append(args, name+"="+quoteMatcher(labels[name]))
			}
			out, err := exec.CommandContext(t.Context(), amtool, args...).Output()
			if err != nil {
				t.Fatalf("%v: %s\n%s", err, out, top.file())
			}
			want := top.told(labels)
			got := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), ","), func(s string) bool { return s == "nobody" || s == "" })
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("seed %d, labels %v: amtool says %v, the model %v\n%s", seed, labels, got, want, top.file())
			}
		}
	}
}

func quoteMatcher(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}
