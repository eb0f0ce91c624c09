// Package eventbridge makes a tocsin.yml of Amazon EventBridge rules and their
// targets, as 'aws events describe-rule', list-rules and list-targets-by-rule
// print them, as put-rule and put-targets take them, as a CloudFormation template
// has them, or as one JSON object of both.
//
// A pattern is kept byte for byte, and what is sent is made by the same input
// transformer, path or constant. A target that tells or hands on (SNS, SQS,
// Kinesis, Firehose, a bus, a log group) becomes a receiver, which a route tells of
// the rule's alerts; one that acts (Lambda, Step Functions, ECS, SSM) becomes one
// that the rule runs.
package eventbridge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/secret"
	"github.com/tocsin-sec/tocsin/pattern"
	"github.com/tocsin-sec/tocsin/pattern/lint"
)

// A File is one of those that are read.
type File struct {
	Name string
	Text []byte
}

// Options are what the files do not say.
type Options struct {
	// Email is the address of whoever reads the mail of the SNS targets, SMTP the
	// mail server and From the sender. Without Email SNS targets stay topics.
	Email, SMTP, From string
	// Exact keeps texts as they are: without it a text that does not say which
	// account it is about is given a line that does.
	Exact bool
	// Topics are ARNs of SNS topics that events come by.
	Topics []string
	// Kinds are the kinds of receivers that there are; nil for all that this package
	// knows.
	Kinds []string
}

// A rule is one of EventBridge's.
type rule struct {
	at          *importer.Node
	name        string
	description string
	disabled    bool
	pattern     []byte
	patternAt   *importer.Node
	targets     []*importer.Node
	// resources are those of the template that it stands in; nil elsewhere.
	resources *importer.Node
}

// An importing is under way.
type importing struct {
	draft     *importer.Draft
	o         Options
	rules     []*rule
	loose     []looseTargets
	receivers *importer.Map
	names     importer.Names
}

// looseTargets stand in a document that has no rule, but perhaps its name.
type looseTargets struct {
	rule string
	at   *importer.Node
	all  []*importer.Node
}

// Import reads the files as one: a rule in one of them and its targets in another,
// or several rules. An error names the place.
func Import(files []File, o Options) (*importer.Draft, error) {
	i := &importing{draft: &importer.Draft{Config: &importer.Map{}}, o: o, receivers: &importer.Map{}, names: importer.Names{}}
	var roots []*importer.Node
	for _, f := range files {
		root, err := importer.Read(f.Name, f.Text)
		if err != nil {
			return nil, err
		}
		if err := i.document(root); err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	if err := i.pair(files[0].Name); err != nil {
		return nil, err
	}
	if err := i.assemble(); err != nil {
		return nil, err
	}
	for _, r := range i.rules {
		if r.resources != nil {
			i.draft.Leftovers(r.at, unlike)
		}
	}
	for _, root := range roots {
		i.draft.Leftovers(root, unlike)
	}
	return i.draft, nil
}

// document finds the rules and targets of one file.
func (i *importing) document(n *importer.Node) error {
	switch {
	case n.Is(importer.List):
		return i.list(n)
	case !n.Is(importer.Mapping):
		return importer.Failure(n, "got %s, want a rule or targets as the AWS CLI prints them, or a template", n.Kind)
	case n.Has("Resources"):
		return i.template(n)
	case n.At("Type").Scalar() == cfnRule:
		return i.resource("rule", n, nil)
	case n.Has("Rules"):
		return i.list(n.At("Rules"))
	case n.At("Rule").Is(importer.Mapping):
		return i.ruleAndTargets(n)
	case n.Has("EventPattern") || n.Has("ScheduleExpression"):
		return i.rule(n, n.At("Name").Scalar(), nil)
	case n.Has("Targets"):
		i.loose = append(i.loose, looseTargets{rule: n.At("Rule").Scalar(), at: n, all: n.At("Targets").List()})
		return nil
	case n.Has("source") || n.Has("detail-type") || n.Has("detail"):
		return i.bare(n)
	}
	return importer.Failure(n, "neither a rule (EventPattern) nor targets (Targets) nor a template (Resources)")
}

func (i *importing) list(n *importer.Node) error {
	if len(n.Items) > 0 && n.Items[0].Has("Arn") && !n.Items[0].Has("EventPattern") && !n.Items[0].Has("State") {
		i.loose = append(i.loose, looseTargets{at: n, all: n.Items})
		return nil
	}
	for _, item := range n.Items {
		if err := i.document(item); err != nil {
			return err
		}
	}
	return nil
}

func (i *importing) ruleAndTargets(n *importer.Node) error {
	of := n.At("Rule")
	before := len(i.rules)
	if err := i.rule(of, of.At("Name").Scalar(), nil); err != nil {
		return err
	}
	i.rules[before].targets = append(i.rules[before].targets, n.At("Targets").List()...)
	return nil
}

// bare is an event pattern alone.
func (i *importing) bare(n *importer.Node) error {
	text, err := n.JSON()
	if err != nil {
		return err
	}
	r := &rule{at: n, name: "imported", pattern: text, patternAt: n}
	i.rules = append(i.rules, r)
	return r.check()
}

// rule reads what describe-rule prints and put-rule takes; the properties of a
// resource are the same.
func (i *importing) rule(n *importer.Node, name string, resources *importer.Node) error {
	r := &rule{at: n, name: name, description: n.At("Description").Scalar(), targets: n.At("Targets").List(), resources: resources}
	r.disabled = strings.EqualFold(n.At("State").Scalar(), "DISABLED")
	if r.name == "" {
		r.name = "imported"
	}
	if bus := n.At("EventBusName"); bus.Scalar() != "" && bus.Scalar() != "default" {
		i.draft.Remark(bus, "EventBusName %s: have the events of that bus sent to tocsin; a rule here is over all that comes in", bus.Scalar())
	}
	r.patternAt = n.At("EventPattern")
	switch p := r.patternAt; {
	case p == nil || p.Kind == importer.Null || p.Scalar() == "" && !p.Is(importer.Mapping):
		if s := n.At("ScheduleExpression"); s.Scalar() != "" {
			return importer.Failure(s, "rule %q runs on a schedule: there is no event to tell of", r.name)
		}
		return importer.Failure(n, "rule %q has no EventPattern", r.name)
	case p.Is(importer.Mapping):
		text, err := p.JSON()
		if err != nil {
			return err
		}
		r.pattern = text
	default:
		r.pattern = []byte(p.Scalar())
	}
	i.rules = append(i.rules, r)
	return r.check()
}

func (r *rule) check() error {
	if _, err := pattern.Parse(r.pattern); err != nil {
		return importer.Failure(r.patternAt, "EventPattern of rule %q: %s", r.name, err)
	}
	for _, d := range lint.Pattern(r.pattern, lint.Events) {
		if accountNumber.Match(r.pattern[min(d.Offset, len(r.pattern)):]) {
			return importer.Failure(r.patternAt, "EventPattern of rule %q: %s: an account id without quotes never matches; quote it and import again", r.name, d.Path)
		}
	}
	return nil
}

// accountNumber is an account id that is a number.
var accountNumber = regexp.MustCompile(`^[0-9]{12}[^0-9.eE]`)

// The resource that is a rule.
const cfnRule = "AWS::Events::Rule"

// template finds the rules among the resources of a CloudFormation template.
func (i *importing) template(n *importer.Node) error {
	resources := n.At("Resources")
	others := 0
	var err error
	resources.Each(func(id string, e *importer.Entry) {
		switch {
		case err != nil:
		case e.Value.At("Type").Scalar() == cfnRule:
			err = i.resource(id, e.Value, resources)
		default:
			others++
		}
	})
	if err != nil {
		return err
	}
	if others > 0 {
		i.draft.Remark(resources, "resources that are no rules: %d, of which nothing is made", others)
	}
	n.Take()
	return nil
}

func (i *importing) resource(id string, n, resources *importer.Node) error {
	properties := n.At("Properties")
	if !properties.Is(importer.Mapping) {
		return importer.Failure(n, "resource %s has no Properties", id)
	}
	name := properties.At("Name")
	if name.Scalar() != "" && name.Tag == "" {
		id = name.Scalar()
	}
	if resources == nil {
		resources = &importer.Node{Kind: importer.Mapping}
	}
	if c := n.At("Condition"); c.Scalar() != "" {
		i.draft.Remark(c, "Condition %s: it is not known before the template is deployed; rule %q is taken as if it held", importer.OneLine(c.Scalar()), id)
	}
	n.Take() // but for its properties, which are looked at by themselves
	return i.rule(properties, id, resources)
}

// pair gives targets that stand alone to their rule.
func (i *importing) pair(name string) error {
	if len(i.rules) == 0 {
		return &importer.Error{File: name, Text: "there is no rule in it: want what 'aws events describe-rule' prints as well"}
	}
	for _, l := range i.loose {
		k := 0
		if l.rule != "" {
			k = slices.IndexFunc(i.rules, func(r *rule) bool { return r.name == l.rule })
		}
		switch {
		case k < 0:
			return importer.Failure(l.at, "targets of rule %q, which is not there", l.rule)
		case l.rule == "" && len(i.rules) > 1:
			return importer.Failure(l.at, "whose targets are they? there are %d rules; import one rule at a time", len(i.rules))
		}
		i.rules[k].targets = append(i.rules[k].targets, l.all...)
	}
	names := map[string]bool{}
	for _, r := range i.rules {
		if names[r.name] {
			return importer.Failure(r.at, "rule %q is there twice", r.name)
		}
		names[r.name] = true
	}
	return nil
}

func (i *importing) assemble() error {
	var rules, disabled, routes importer.Items
	for _, r := range i.rules {
		if r.disabled {
			disabled = append(disabled, i.drop(r))
			continue
		}
		made, route, err := i.make(r)
		if err != nil {
			return err
		}
		rules = append(rules, made)
		if route != nil {
			routes = append(routes, route)
		}
	}
	rules = append(rules, disabled...) // so that they take nothing from others
	if len(i.rules) > 1 {
		i.draft.Remark(i.rules[0].at, "several rules: here the first that matches an event decides, where EventBridge has each send to its targets")
	}
	c := i.draft.Config
	importer.Source(c, "events", i.o.Topics)
	c.Set("rules", rules)
	if len(routes) > 0 {
		c.Set("routes", routes)
	}
	fallback := i.fallback(routes)
	c.Set("fallback", fallback, "Told of alerts that no route takes.")
	c.Set("receivers", i.receivers)
	return nil
}

// fallback is the first receiver that tells, or the console.
func (i *importing) fallback(routes importer.Items) string {
	for _, r := range routes {
		if told := r.(*importer.Map).Texts("receivers"); len(told) > 0 {
			return told[0]
		}
	}
	i.receivers.Set("console", (&importer.Map{}).Set("console", &importer.Map{}), "Nobody else is told by these rules: name a receiver here.")
	return "console"
}

// make makes a rule, and the route to those of its targets that tell.
func (i *importing) make(r *rule) (made, route *importer.Map, err error) {
	comments := []string{"from " + r.at.Where()}
	if r.description != "" {
		comments = append(comments, r.description)
	}
	made = (&importer.Map{}).Set("name", r.name, comments...)
	made.Set("pattern", importer.Block(r.pattern))
	i.lint(r)
	var tell []string
	var act importer.Items
	for _, n := range r.targets {
		name, acts, err := i.target(r, n)
		switch {
		case err != nil:
			return nil, nil, err
		case name == "":
		case acts:
			act = append(act, (&importer.Map{Flow: true}).Set("run", name))
		default:
			tell = append(tell, name)
		}
	}
	if len(r.targets) == 0 {
		i.draft.Remark(r.at, "rule %q has no targets: add what 'aws events list-targets-by-rule' prints", r.name)
	}
	if len(act) > 0 {
		made.Set("actions", act)
	}
	if len(tell) > 0 {
		i.draft.Remark(r.at, "rule %q: its targets were sent each event; here they are told when an alert opens, gets worse and ends", r.name)
		filter := (&importer.Map{Flow: true}).Set("rule", []string{r.name})
		route = (&importer.Map{}).Set("name", "targets of "+r.name).Set("pattern", filter).Set("receivers", tell)
	}
	return made, route, nil
}

// lint tells what is wrong with the pattern.
func (i *importing) lint(r *rule) {
	for _, d := range lint.Pattern(r.pattern, lint.Events) {
		text := d.Path + ": " + d.Message
		if d.Instead != "" {
			text += "; " + d.Instead
		}
		i.draft.Remark(r.patternAt, "EventPattern of rule %q: %s [%s]", r.name, text, d.Code)
	}
}

// drop is a rule that is disabled: it opens nothing.
func (i *importing) drop(r *rule) *importer.Map {
	i.draft.Remark(r.at, "rule %q is disabled: its events are recorded as filtered, and its targets are left out", r.name)
	for _, n := range r.targets {
		n.Take()
	}
	return (&importer.Map{}).Set("name", r.name, "from "+r.at.Where()).Set("pattern", importer.Block(r.pattern)).Set("drop", "the rule is disabled in EventBridge")
}

// unlike says why a key is not taken.
func unlike(path string) string {
	switch path[strings.LastIndexByte(path, '.')+1:] {
	case "Arn", "CreatedBy", "ManagedBy", "Tags", "ResponseMetadata", "NextToken", "Id":
		return "it is AWS's own"
	case "RoleArn":
		return "EventBridge assumes that role; tocsin sends with credentials of its own, or with role_arn of the receiver"
	case "DeadLetterConfig", "RetryPolicy":
		return "tocsin tries for 24 hours, parks what is left, and shows it"
	case "EventSourceArn", "Limit", "Force":
		return "it is of the call, not of the rule"
	}
	return ""
}

// variable names something that only the deployed template knows. It is no secret,
// but is set like one.
func (i *importing) variable(name, what, sample string) importer.Ref {
	r := i.draft.Secret(name, what, secret.String{})
	r.Sample = sample
	return r
}

func failure(n *importer.Node, format string, args ...any) error {
	return importer.Failure(n, "%s", fmt.Sprintf(format, args...))
}
