// Package alertmanager makes a tocsin.yml of alertmanager.yml, the configuration of
// Prometheus Alertmanager, and commands of its active silences.
//
// Its tree of routes becomes ours, with the same receivers for the same alert: the
// first match among siblings decides unless it says continue, and a route that no
// child takes an alert from decides itself. Matchers become event patterns over
// the labels, which an alert has as tags of its resource. Where a matcher has no pattern that
// means the same, the pattern matches more and goes on to the next route: rather
// somebody too many is told than somebody too few. Silences and inhibitions hide
// alerts, so of them those are left out. All of that is among the remarks.
//
// https://prometheus.io/docs/alerting/latest/configuration/
package alertmanager

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/importer"
)

// Options are what the file does not say.
type Options struct {
	// Kinds are the kinds of receivers that there are; nil for all that this package
	// knows.
	Kinds []string
	// Silences is what 'amtool silence query -o json' prints, SilencesName how to
	// call it; nil for none.
	Silences     []byte
	SilencesName string
	Now          time.Time
}

// An importing is under way.
type importing struct {
	draft *importer.Draft
	o     Options
	root  *importer.Node
	// global has what receivers do not say themselves.
	global    *importer.Node
	receivers *importer.Map
	names     importer.Names
	// told are our receivers by Alertmanager's; those that tell nobody are there
	// with none. lost are those of which nothing could be made.
	told map[string][]string
	lost map[string]bool
	// routeNames are those that were given.
	routeNames map[string]bool
	bots       map[string]bool // tokens of Telegram's bots
}

// Import reads alertmanager.yml. An error names the place in it.
func Import(name string, text []byte, o Options) (*importer.Draft, error) {
	root, err := importer.Read(name, text)
	if err != nil {
		return nil, err
	}
	if !root.Is(importer.Mapping) || !root.Has("route") {
		return nil, importer.Failure(root, "no route: want alertmanager.yml")
	}
	i := &importing{
		draft: &importer.Draft{Config: &importer.Map{}}, o: o, root: root, global: root.At("global"), receivers: &importer.Map{},
		names: importer.Names{}, told: map[string][]string{}, lost: map[string]bool{}, routeNames: map[string]bool{}, bots: map[string]bool{},
	}
	if err := i.readReceivers(); err != nil {
		return nil, err
	}
	top, err := i.readRoute(root.At("route"), nil)
	if err != nil {
		return nil, err
	}
	inhibitions, err := i.inhibitions()
	if err != nil {
		return nil, err
	}
	if err := i.silences(); err != nil {
		return nil, err
	}
	i.assemble(top, inhibitions)
	i.intervals()
	i.draft.Leftovers(root, unlike)
	return i.draft, nil
}

func (i *importing) assemble(top *route, inhibitions importer.Items) {
	c := i.draft.Config
	door := (&importer.Map{}).Set("resolve_timeout", i.resolveTimeout(), "As in Alertmanager: what is not sent again is over. Left out, an alert stays open until its end is told.")
	c.Set("sources", (&importer.Map{}).Set("prometheus", (&importer.Map{}).Set("alertmanager", door)),
		"Prometheus, or Alertmanager by its webhook, posts to this source; its URL is on the page of sources.")
	c.Set("rules", importer.Items{everyAlert()}, "Every alert of Prometheus.")
	c.Set("routes", importer.Items{i.routeMap(top, condition{exact: true, text: condition{}.ofPrometheus()}, i.fallback(), true)}, "from "+i.root.At("route").Where())
	c.Set("fallback", i.fallback()[0], "What no route takes, such as alerts of other sources.")
	if len(inhibitions) > 0 {
		c.Set("inhibit", inhibitions, "from "+i.root.At("inhibit_rules").Where())
	}
	c.Set("receivers", i.receivers)
}

// resolveTimeout is that of the file, or Alertmanager's own. Prometheus has weeks
// and years, and tocsin days; the source takes a minute at least.
func (i *importing) resolveTimeout() string {
	n := i.global.At("resolve_timeout")
	text := n.Scalar()
	if text == "" {
		return "5m"
	}
	for _, unit := range []struct {
		name string
		days int
	}{{"y", 365}, {"w", 7}} {
		if count, err := strconv.Atoi(strings.TrimSuffix(text, unit.name)); err == nil && strings.HasSuffix(text, unit.name) {
			return fmt.Sprintf("%dd", count*unit.days)
		}
	}
	if span, err := time.ParseDuration(text); err == nil && span < time.Minute {
		i.draft.Remark(n, "resolve_timeout %s: a minute is the least", text)
		return "1m"
	}
	return text
}

// fallback are those who are told where nobody else can be: the receivers of the
// top route, or else a receiver of which something could be made.
func (i *importing) fallback() []string {
	if rs := i.told[i.root.At("route").At("receiver").Scalar()]; len(rs) > 0 {
		return rs
	}
	if i.receivers.Empty() || slices.Equal(i.receivers.Keys(), []string{"console"}) {
		i.receivers.Set("console", (&importer.Map{}).Set("console", &importer.Map{}), "A last resort: the output of the program.")
	}
	return i.receivers.Keys()[:1]
}

// ruleName is the rule by which alerts are known as those of Prometheus.
const ruleName = "prometheus"

// everyAlert is the rule that takes what the source brings.
func everyAlert() *importer.Map {
	return (&importer.Map{}).Set("name", ruleName).Set("pattern", importer.Block(`{"status": ["firing", "resolved"]}`))
}

// unlike says why a key is not taken.
func unlike(path string) string {
	top, _, _ := strings.Cut(path, ".")
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case top == "templates" || top == "tracing":
		return map[string]string{"templates": "messages are tocsin's own", "tracing": "tocsin has no tracing"}[top]
	case top == "global":
		return "no receiver needs it"
	case slices.Contains([]string{"group_by", "group_wait", "group_interval"}, last):
		return "each alert is told by itself and at once, and a storm of them in one digest a minute"
	case last == "repeat_interval":
		return "what is open is told again where a policy climbs, or by updates of a team or route"
	case slices.Contains([]string{"title", "text", "html", "headers", "subject", "message", "description", "details", "note", "fields", "actions", "pretext", "fallback", "footer", "color", "username", "icon_emoji", "icon_url", "image_url", "thumb_url", "title_link", "short_fields", "link_names", "mrkdwn_in", "callback_id", "parse_mode", "state_message", "entity_display_name", "custom_fields", "client", "client_url", "images", "links", "class", "component", "group", "severity", "source", "entity", "tags", "priority", "content", "avatar_url", "summary", "attributes", "payload"}, last):
		return "messages are tocsin's own"
	case last == "send_resolved":
		return "whoever was told of an alert is told of its end"
	case last == "max_alerts" || last == "timeout":
		return "one message tells of one alert; see timeout of receivers"
	case last == "http_config" || last == "tls_config" || strings.Contains(path, "http_config."):
		return "proxies are taken from the environment, certificates from the system; see docs/security.md"
	}
	return ""
}

// intervals tells of time intervals, which routes here do not have.
func (i *importing) intervals() {
	for _, key := range []string{"time_intervals", "mute_time_intervals"} {
		for _, n := range i.root.At(key).List() {
			i.draft.Remark(n, "time interval %q: routes have none; a step of a policy has a window, and maintenance recurs: tocsin silence create --kind maintenance --every", n.At("name").Scalar())
			n.Take()
		}
	}
}
