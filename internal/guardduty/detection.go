package guardduty

import (
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A reading is a finding taken apart, from which the words are made.
type reading struct {
	Finding
	t       Type
	ours    ours
	action  action
	process process
	malware malware
	story   story
	who     principal // who of ours has the credentials, if the finding says
	k8sUser string
	dbUser  string
}

func (f Finding) reading() *reading {
	t := f.Type()
	r := &reading{Finding: f, t: t, ours: f.resource(t), action: f.action()}
	resource, service := f.detail.get("resource"), f.detail.get("service")
	r.process = readProcess(service.get("runtimeDetails"))
	r.malware = readMalware(service)
	if keys := resource.get("accessKeyDetails"); keys.kind() == object {
		r.who = readPrincipal(keys)
	}
	r.k8sUser = kubernetesUser(resource.at("kubernetesDetails", "kubernetesUserDetails"))
	r.dbUser = wording.First(r.action.dbUser, resource.at("rdsDbUserDetails", "user").text())
	if sequence := service.at("detection", "sequence"); sequence.ok() || r.ours.kind == kindSequence {
		r.story = readStory(sequence)
		r.ours.id, r.ours.name, r.ours.tags = r.story.main(t)
	}
	return r
}

// Brief is what lists and filters need of the finding and costs little: key,
// type, id, level, severity, account and region.
func (f Finding) Brief() tocsin.Detection {
	severity, level := readSeverity(f.detail.get("severity"))
	return tocsin.Detection{
		Key: f.Key(), Dialect: "guardduty", Type: f.typ, ID: f.id, Level: level, Severity: severity,
		Account: f.account, Region: f.region, Partition: f.partition, ReportedBy: f.reportedBy,
	}
}

// Detection puts the finding into words. All of the detection is set but Rule
// and Path. Its texts are one line each, valid UTF-8 without control characters,
// with attackers' domains and links defanged.
func (f Finding) Detection() tocsin.Detection {
	r := f.reading()
	d := f.detail
	service := d.get("service")
	severity, level := readSeverity(d.get("severity"))
	archived, _ := service.get("archived").truth()
	count, _ := service.get("count").int()
	det := tocsin.Detection{
		Key:         f.Key(),
		Dialect:     "guardduty",
		Type:        f.typ,
		ID:          f.id,
		Level:       level,
		Severity:    severity,
		Headline:    r.headline(),
		Title:       r.prose(d.get("title"), maxTitle),
		Description: r.prose(d.get("description"), maxDescription),

		Account:    f.account,
		Region:     f.region,
		Partition:  f.partition,
		ReportedBy: f.reportedBy,

		Resource: r.ours.resource(),
		Actor:    r.actor(),
		Role:     strings.ToUpper(clip(service.get("resourceRole").text(), 20)),
		Linked:   r.story.findings,
		Facts:    r.facts(),
		Command:  r.command(),

		Console:       Console(f.partition, f.region, f.id),
		Documentation: Documentation(f.typ),

		Count:     max(count, 0),
		FirstSeen: service.get("eventFirstSeen").time(),
		LastSeen:  service.get("eventLastSeen").time(),
		CreatedAt: d.get("createdAt").time(),
		UpdatedAt: d.get("updatedAt").time(),
		EventAt:   f.envelope.get("time").time(),

		Over:   archived,
		Sample: f.IsSample(),
	}
	if archived {
		det.OverReason = "archived"
	}
	if det.Title == "" {
		det.Title = wording.First(f.typ, det.Headline)
	}
	return det
}

// readSeverity takes numbers, and the words that some relays make of them. The
// level is unknown where there is neither.
func readSeverity(v value) (float64, tocsin.Level) {
	if n, ok := v.float(); ok {
		return n, LevelOf(n)
	}
	if level, err := tocsin.ParseLevel(v.text()); err == nil {
		return 0, level
	}
	return 0, tocsin.Unknown
}

// prose is AWS's own text with what an attacker chose defanged.
func (r *reading) prose(v value, limit int) string {
	return clip(defangLinks(defangIn(v.text(), r.action.domain)), limit)
}

// IsSample tells GuardDuty's sample findings by the flag; a title is anybody's.
func (f Finding) IsSample() bool {
	yes, _ := f.info("sample").truth()
	return yes
}

// info is a member of additionalInfo, be it expanded or the API's text.
func (f Finding) info(name string) value {
	info := f.detail.at("service", "additionalInfo")
	if info.kind() == text { // the object itself as text
		info = unpackText(info)
	}
	if v := info.get(name); v.ok() {
		return v
	}
	if packed(info) {
		return unpack(info).get(name)
	}
	return value{}
}

func (r *reading) actor() tocsin.Actor {
	a := r.action.actor()
	a.Principal = clip(r.by(), maxFact)
	if a.IP == "" {
		a.IP, a.Country, a.Org, a.Domain = r.story.from(a)
	}
	return a
}

// by is who did it, if somebody of ours, or with our credentials.
func (r *reading) by() string {
	switch {
	case r.ours.kind == kindSequence:
		return wording.Some(4, r.story.actors)
	case r.action.kind == actionLogin || r.ours.kind == kindRDS || r.ours.kind == kindRDSLimitless:
		return wording.After("database user ", r.dbUser)
	case r.k8sUser != "" && (r.action.kind == actionKubernetes || r.process.name == ""):
		return r.k8sUser
	case r.who != principal{}:
		return r.who.long()
	}
	return ""
}

// kubernetesUser is "system:anonymous (groups system:unauthenticated)".
func kubernetesUser(u value) string {
	name := wording.First(u.get("username").text(), u.get("uid").text())
	groups := wording.Some(4, u.get("groups").texts(20))
	if name == "" {
		return wording.After("a member of ", groups)
	}
	return join(", ", name+paren(wording.After("groups ", groups)),
		wording.After("session ", wording.Some(2, u.get("sessionName").texts(5))),
		wording.After("impersonating ", u.at("impersonatedUser", "username").text()))
}

// facts answers what happened, to what of ours, and by whom from where, and goes
// on with what the kind of finding has to say.
func (r *reading) facts() []tocsin.Fact {
	facts := make(factList, 0, maxFacts)
	facts.add("What", r.what())
	facts.add("Ours", r.whatOfOurs())
	facts.addAll(r.process.facts())
	facts.addAll(r.malware.facts())
	if by := r.by(); by != r.ours.long { // or it is said already
		facts.add("By", by)
	}
	facts.add(r.fromName(), r.fromWhere())
	result, how := r.action.result()
	facts.add(result, how)
	facts.add("Threat", r.threats())
	facts.add("Account", r.action.callerAccount())
	facts.addAll(r.story.facts())
	facts.addAll(r.ours.facts)
	facts.add("Agent", r.action.agent)
	facts.add("Also called", r.otherCalls())
	facts.add("Unusual", r.unusual())
	facts.addAll(r.kubernetesFacts())
	facts.addAll(r.modelFacts())
	facts.add("Sequence", lastSegment(r.detail.get("associatedAttackSequenceArn").text()))
	return facts
}

type factList []tocsin.Fact

// add keeps a fact that says something, as long as there is room. A hash that
// stands in another fact is not said again.
func (l *factList) add(name, v string) {
	if name == "Hash" && l.says(v) {
		return
	}
	if v != "" && len(*l) < maxFacts {
		*l = append(*l, tocsin.Fact{Name: name, Value: clip(defangLinks(v), maxFact)})
	}
}

func (l *factList) says(v string) bool {
	for _, f := range *l {
		if strings.Contains(f.Value, v) {
			return true
		}
	}
	return false
}

func (l *factList) addAll(facts []tocsin.Fact) {
	for _, f := range facts {
		l.add(f.Name, f.Value)
	}
}

func (r *reading) what() string {
	if s := wording.First(r.story.what(), r.action.what(), r.malware.what(), r.process.what()); s != "" {
		return s
	}
	return wording.First(r.prose(r.detail.get("title"), maxFact), humanise(r.t.Family))
}

// whatOfOurs names our resource and says which side it is on.
func (r *reading) whatOfOurs() string {
	if r.ours.kind == kindSequence {
		return wording.Some(6, r.story.resources)
	}
	role := ""
	switch service := r.detail.get("service"); {
	case service.get("resourceRole").is("TARGET"):
		role = " — target"
	case service.get("resourceRole").is("ACTOR"):
		role = " — actor"
	}
	return clip(r.ours.long, maxFact-len(role)) + role
}

// fromName calls the other side by the direction.
func (r *reading) fromName() string {
	if r.action.direction == "OUTBOUND" {
		return "To"
	}
	return "From"
}

func (r *reading) fromWhere() string {
	where := r.action.remote.long()
	if r.action.kind == actionDNS {
		return where
	}
	return join(", ", where, defang(r.action.domain))
}

// threats are the names of threats and of the lists that have them.
func (r *reading) threats() string {
	var all []string
	r.detail.at("service", "evidence", "threatIntelligenceDetails").list(func(t value) bool {
		names := wording.Some(2, t.get("threatNames").texts(10))
		list := t.get("threatListName").text()
		if names == "" {
			all = append(all, wording.After("list ", list))
		} else {
			all = append(all, names+paren(wording.After("list ", list)))
		}
		return len(all) < 10
	})
	if s := wording.Some(2, all); s != "" {
		return s
	}
	name, list := r.info("threatName").text(), r.info("threatListName").text()
	if name == "" || name == list {
		return wording.After("list ", list)
	}
	return name + paren(wording.After("list ", list))
}

// otherCalls are the API calls that GuardDuty saw besides.
func (r *reading) otherCalls() string {
	var calls []string
	r.info("recentApiCalls").list(func(c value) bool {
		calls = append(calls, c.get("api").text()+wording.After(" ×", c.get("count").text()))
		return len(calls) < 20
	})
	return wording.First(wording.Some(5, calls), r.info("anomalies").get("anomalousAPIs").text())
}

// unusual is what GuardDuty's model found out of the ordinary.
func (r *reading) unusual() string {
	var all []string
	note := func(name string, v value) {
		texts := v.texts(3)
		if len(texts) > 0 && name != "" && name != "value" {
			all = append(all, clip(humanise(name)+" "+strings.Join(texts, ", "), 120))
		}
	}
	r.detail.at("service", "detection", "anomaly", "unusual", "behavior").each(func(group value) bool {
		group.each(func(m value) bool {
			name := m.name()
			if name == "value" {
				name = group.name()
			}
			note(name, m.at("observations", "text"))
			return len(all) < 10
		})
		return len(all) < 10
	})
	if len(all) == 0 {
		r.info("unusual").each(func(m value) bool {
			if m.name() != "hoursOfDay" { // a list of milliseconds
				note(m.name(), m)
			}
			return len(all) < 10
		})
	}
	return wording.Some(4, all)
}

// kubernetesFacts say what rights were given or asked for.
func (r *reading) kubernetesFacts() (facts factList) {
	a := r.detail.at("service", "action")
	if p := a.get("kubernetesPermissionCheckedDetails"); p.ok() {
		allowed := ""
		if yes, known := p.get("allowed").truth(); known && yes {
			allowed = "allowed"
		} else if known {
			allowed = "not allowed"
		}
		facts.add("Checked", join(", ", join(" ", p.get("verb").text(), p.get("resource").text(),
			wording.After("in ", p.get("namespace").text())), allowed))
	}
	if b := a.get("kubernetesRoleBindingDetails"); b.ok() {
		facts.add("Binding", join(" ", b.get("kind").text(), b.get("name").text(),
			wording.After("to ", join(" ", b.get("roleRefKind").text(), b.get("roleRefName").text()))))
	}
	if role := a.get("kubernetesRoleDetails"); role.ok() {
		facts.add("Role", join(" ", role.get("kind").text(), role.get("name").text()))
	}
	return facts
}

// modelFacts are about AI models and what guards them.
func (r *reading) modelFacts() (facts factList) {
	resource := r.detail.get("resource")
	var models []string
	resource.get("modelDetails").list(func(m value) bool {
		models = append(models, m.get("modelId").text())
		return len(models) < 10
	})
	facts.add("Model", wording.Some(3, models))
	g := resource.get("bedrockGuardrailDetails")
	filter := g.get("contentPolicyFilters")
	facts.add("Guardrail", join(", ",
		arnName(wording.First(g.get("guardrailArn").text(), g.get("guardrails").get("arn").text())),
		humanise(g.get("guardrailAction").text()),
		join(" ", strings.ToLower(filter.get("type").text()), strings.ToLower(filter.get("action").text()))))
	return facts
}
