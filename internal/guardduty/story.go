package guardduty

import (
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A story is an attack sequence: signals over some time, by actors, against
// resources. Of these findings it is all that is told; their resource is only a
// word.
type story struct {
	signals    []string
	findings   []string // ids of findings that are signals, each once
	count      int
	begin, end time.Time
	tactics    []string
	techniques []string
	indicators []string
	actors     []string
	endpoints  []string
	resources  []string

	first     endpoint
	principal string // the first actor's user
	parts     []part
}

type endpoint struct{ ip, country, org, domain string }

// A part is a resource that takes part.
type part struct {
	kind, id, name string
	tags           value
}

func readStory(s value) story {
	var st story
	s.get("signals").list(func(v value) bool { st.signal(v); return true })
	s.get("actors").list(func(v value) bool { st.actor(v); return len(st.actors) < 50 })
	s.get("endpoints").list(func(v value) bool { st.endpoint(v); return len(st.endpoints) < 50 })
	s.get("resources").list(func(v value) bool { st.resource(v); return len(st.parts) < 100 })
	s.get("sequenceIndicators").list(func(v value) bool { st.indicator(v); return true })
	return st
}

func (st *story) signal(v value) {
	st.count++
	if len(st.signals) < 50 {
		st.signals = append(st.signals, wording.First(v.get("name").text(), v.get("type").text()))
	}
	if v.get("type").is("FINDING") {
		st.finding(digest(lastSegment(v.get("uid").text())))
	}
	if t := firstTime(v.get("firstSeenAt").time(), v.get("createdAt").time()); !t.IsZero() && (st.begin.IsZero() || t.Before(st.begin)) {
		st.begin = t
	}
	if t := firstTime(v.get("lastSeenAt").time(), v.get("updatedAt").time()); t.After(st.end) {
		st.end = t
	}
	v.get("signalIndicators").list(func(v value) bool { st.indicator(v); return true })
}

func (st *story) finding(id string) {
	if id != "" && len(st.findings) < maxSignals && !slices.Contains(st.findings, id) {
		st.findings = append(st.findings, id)
	}
}

func firstTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// indicator sorts tactics and techniques from the rest. They come in the order
// of the signals.
func (st *story) indicator(v value) {
	values := v.get("values").texts(30)
	switch v.get("key").text() {
	case "ATTACK_TACTIC":
		st.tactics = appendLimited(st.tactics, values)
	case "ATTACK_TECHNIQUE":
		st.techniques = appendLimited(st.techniques, values)
	case "":
	default:
		title := wording.First(v.get("title").text(), indicatorWords(v.get("key").text()))
		st.indicators = appendLimited(st.indicators, []string{title + wording.After(" ", bracketed(wording.Some(3, values)))})
	}
}

// indicatorWords makes "Tor IP" of TOR_IP.
func indicatorWords(key string) string {
	words := strings.Split(strings.ToLower(key), "_")
	for i, w := range words {
		switch w {
		case "ip", "api", "asn":
			words[i] = strings.ToUpper(w)
		case "tor":
			words[i] = "Tor"
		}
	}
	return strings.Join(words, " ")
}

func appendLimited(to, more []string) []string {
	if len(to) > 100 {
		return to
	}
	return append(to, more...)
}

// bracketed is "(s)", or nothing.
func bracketed(s string) string { return strings.TrimPrefix(paren(s), " ") }

func (st *story) actor(v value) {
	user, session, proc := v.get("user"), v.get("session"), v.get("process")
	name := user.get("name").text()
	who := ""
	if user.ok() {
		p := principal{userType: user.get("type").text(), userName: wording.First(name, user.get("uid").text())}
		if key := user.get("credentialUid").text(); key != "" {
			p.key = lastFour(key)
		}
		who = p.long()
		if st.principal == "" {
			st.principal = p.short(maxName)
		}
	}
	if session.get("mfaStatus").is("DISABLED") {
		who = join(", ", who, "no MFA")
	}
	who = join(", ", who, wording.After("process ", wording.First(proc.get("path").text(), proc.get("name").text())))
	if who != "" {
		st.actors = append(st.actors, who)
	}
}

func (st *story) endpoint(v value) {
	location, as := v.get("location"), v.get("autonomousSystem")
	r := remote{
		ip: v.get("ip").text(), port: v.get("port").text(), city: location.get("city").text(),
		country: location.get("country").text(), org: join(" ", asn(as.get("number").text()), as.get("name").text()),
	}
	domain := v.get("domain").text()
	if st.first == (endpoint{}) {
		st.first = endpoint{r.ip, r.country, r.org, defang(domain)}
	}
	if s := join(" ", r.long(), defang(domain)); s != "" {
		st.endpoints = append(st.endpoints, s)
	}
}

func (st *story) resource(v value) {
	p := part{
		kind: v.get("resourceType").text(), id: v.get("uid").text(), name: v.get("name").text(), tags: v.get("tags"),
	}
	if p.id == "" && p.name == "" {
		return
	}
	st.parts = append(st.parts, p)
	name := wording.First(p.name, arnName(p.id))
	if p.kind == "ACCESS_KEY" {
		name = "key " + lastFour(name)
	}
	st.resources = append(st.resources, join(" ", partWords[p.kind], name))
}

// partWords are the words for the resource types of a sequence.
var partWords = map[string]string{
	"EC2_INSTANCE": "EC2", "S3_BUCKET": "S3 bucket", "S3_OBJECT": "S3 object",
	"EKS_CLUSTER": "EKS cluster", "KUBERNETES_WORKLOAD": "workload", "CONTAINER": "container",
	"ECS_CLUSTER": "ECS cluster", "ECS_TASK": "ECS task", "AUTOSCALING_AUTO_SCALING_GROUP": "Auto Scaling group",
	"IAM_INSTANCE_PROFILE": "instance profile", "CLOUDFORMATION_STACK": "stack", "EC2_LAUNCH_TEMPLATE": "launch template",
	"EC2_VPC": "VPC", "EC2_IMAGE": "AMI", "EC2_NETWORK_INTERFACE": "network interface",
}

// mainParts says which resource a sequence is mostly about, by the type's second
// part.
var mainParts = map[string][]string{
	"S3":  {"S3_BUCKET", "S3_OBJECT"},
	"IAM": {"ACCESS_KEY"},
	"EKS": {"EKS_CLUSTER", "KUBERNETES_WORKLOAD"},
	"ECS": {"ECS_CLUSTER", "ECS_TASK"},
	"EC2": {"AUTOSCALING_AUTO_SCALING_GROUP", "EC2_INSTANCE"},
}

// main is the resource that the sequence is mostly about.
func (st story) main(t Type) (id, name string, tags value) {
	for _, kind := range mainParts[t.Resource] {
		for _, p := range st.parts {
			if p.kind == kind {
				return wording.First(p.name, arnName(p.id)), p.name, p.tags
			}
		}
	}
	if len(st.parts) > 0 {
		p := st.parts[0]
		return wording.First(p.name, arnName(p.id)), p.name, p.tags
	}
	return "", "", value{}
}

// of is the headline's words for what was attacked.
func (st story) of(t Type) string {
	if t.Resource == "IAM" && st.principal != "" {
		return "of " + st.principal
	}
	id, _, _ := st.main(t)
	if t.Resource == "IAM" {
		return ""
	}
	return wording.After("in ", middle(id, maxName))
}

// what is the story in a line.
func (st story) what() string {
	if st.count == 0 {
		return ""
	}
	s := wording.Plural(int64(st.count), "signal")
	if span := st.end.Sub(st.begin); !st.begin.IsZero() && span > 0 {
		s += " over " + duration(span)
	}
	return s
}

// duration is rough, as people say it.
func duration(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return wording.Plural(int64(d/time.Second), "second")
	case d < 2*time.Hour:
		return wording.Plural(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return wording.Plural(int64(d/time.Hour), "hour")
	}
	return wording.Plural(int64(d/(24*time.Hour)), "day")
}

// from is the first endpoint.
func (st story) from(a tocsin.Actor) (ip, country, org, domain string) {
	e := st.first
	return clip(e.ip, maxFact), clip(e.country, maxFact), clip(e.org, maxFact), wording.First(a.Domain, clip(e.domain, maxFact))
}

func (st story) facts() (facts []tocsin.Fact) {
	add := func(name, v string) {
		if v != "" {
			facts = append(facts, tocsin.Fact{Name: name, Value: v})
		}
	}
	add("From", wording.Some(4, st.endpoints))
	add("Signals", wording.Some(6, st.signals))
	add("Tactics", wording.Some(8, st.tactics))
	add("Techniques", wording.Some(5, st.techniques))
	add("Findings", wording.Some(5, st.findings))
	add("Signs", wording.Some(5, st.indicators))
	return facts
}
