package eventbridge

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/pattern"
	"github.com/tocsin-sec/tocsin/transform"
)

// Quotas of a bus
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html).
const (
	maxRules = 300
	maxTags  = 50
	// maxPage is how many of a list one answer has.
	maxPage = 100
)

// Forms of the members of requests.
const namePattern = `[\.\-_A-Za-z0-9]+`

var (
	nameForm        = formOf(1, 64, namePattern)
	patternForm     = formOf(0, 4096, "")
	descriptionForm = formOf(0, 512, "")
	arnForm         = formOf(1, 1600, "")
	tokenForm       = formOf(1, 2048, "")
	tagKeyForm      = formOf(1, 128, "")
	tagValueForm    = formOf(0, 256, "")
)

// busOf is the name in a bus's name or ARN, and whether there is such a bus: there
// is the default one. None is named by nil.
func busOf(nameOrARN *string) (name string, ok bool) {
	if nameOrARN == nil {
		return defaultBus, true
	}
	name = *nameOrARN
	if _, last, isARN := strings.Cut(name, ":event-bus/"); isARN {
		name = last
	}
	return name, name == defaultBus
}

// onBus says if there is no such bus.
func onBus(nameOrARN *string) error {
	if name, ok := busOf(nameOrARN); !ok {
		return notFound("Event bus " + cut(name) + " does not exist.")
	}
	return nil
}

// ruleARN and busARN are in the region that the call was signed for: it is one bus,
// whatever region is named.
func (s *source) ruleARN(c call, name string) string {
	return transform.RuleARN(c.region, s.Account, defaultBus, name)
}

func (s *source) busARN(c call) string {
	return "arn:" + aws.PartitionOf(c.region) + ":events:" + c.region + ":" + s.Account + ":event-bus/" + defaultBus
}

// putRuleRequest is what PutRule takes
// (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html).
type putRuleRequest struct {
	Name, EventPattern, ScheduleExpression, State, Description, EventBusName *string

	RoleARN *string `json:"RoleArn"`
	Tags    []tagIn
}

type tagIn struct{ Key, Value *string }

func (in putRuleRequest) check() error {
	var c constraints
	c.required("name", in.Name, nameForm)
	c.text("eventPattern", in.EventPattern, patternForm)
	c.oneOf("state", in.State, enabled, disabled, enabledAlso)
	c.text("description", in.Description, descriptionForm)
	c.text("roleArn", in.RoleARN, arnForm)
	c.text("eventBusName", in.EventBusName, busForm)
	c.tags(in.Tags)
	if err := c.err(); err != nil {
		return err
	}
	if err := onBus(in.EventBusName); err != nil {
		return err
	}
	switch {
	case text(in.ScheduleExpression) != "":
		return notValid("Parameter ScheduleExpression is not valid. Reason: there are no schedules here, since tocsin makes no events by the clock; keep scheduled rules in Amazon EventBridge, or watch a job with a source of the kind heartbeat.")
	case text(in.EventPattern) == "":
		return notValid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	_, err := readPattern(*in.EventPattern)
	return err
}

// readPattern reads a pattern, or says what is wrong with it as AWS does.
func readPattern(text string) (*pattern.Pattern, error) {
	p, err := pattern.Parse([]byte(text))
	if err == nil {
		return p, nil
	}
	reason := err.Error()
	if e, ok := errors.AsType[*pattern.Error](err); ok {
		reason = fmt.Sprintf("%s\n at [%s; offset: %d]", e.Reason, e.Path, e.Offset)
	}
	return nil, &fault{http.StatusBadRequest, "InvalidEventPatternException", "Event pattern is not valid. Reason: " + reason}
}

func (s *source) putRule(c call, in putRuleRequest) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	err := s.rules.change(c.Context(), func(d *document) error {
		before := d.Rules[*in.Name]
		if before == nil && len(d.Rules) >= maxRules {
			return tooMany()
		}
		r := &rule{Pattern: *in.EventPattern, State: enabled, Description: text(in.Description), RoleARN: text(in.RoleARN)}
		if in.State != nil {
			r.State = *in.State
		}
		if before != nil { // tags are for new rules alone, as with AWS
			r.Targets, r.Tags = before.Targets, before.Tags
		} else {
			r.Tags = merged(nil, in.Tags)
		}
		if len(r.Tags) > maxTags {
			return tooMany()
		}
		d.Rules[*in.Name] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return struct {
		RuleARN string `json:"RuleArn"`
	}{s.ruleARN(c, *in.Name)}, nil
}

// ruleRequest names a rule, and what it is about, if that is something else.
type ruleRequest struct {
	Name, EventBusName *string
}

func (in ruleRequest) check() error {
	var c constraints
	c.required("name", in.Name, nameForm)
	c.text("eventBusName", in.EventBusName, busForm)
	if err := c.err(); err != nil {
		return err
	}
	return onBus(in.EventBusName)
}

// ruleAnswer is a rule as it is described and listed.
type ruleAnswer struct {
	Name         string
	ARN          string `json:"Arn"`
	EventPattern string
	State        string
	Description  string `json:",omitempty"`
	RoleARN      string `json:"RoleArn,omitempty"`
	EventBusName string
	CreatedBy    string `json:",omitempty"`
}

func (s *source) answer(c call, name string, r *rule) ruleAnswer {
	return ruleAnswer{
		Name: name, ARN: s.ruleARN(c, name), EventPattern: r.Pattern, State: r.State, Description: r.Description, RoleARN: r.RoleARN,
		EventBusName: defaultBus,
	}
}

func (s *source) describeRule(c call, in ruleRequest) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	r, err := s.rule(c.Context(), *in.Name)
	if err != nil {
		return nil, err
	}
	a := s.answer(c, *in.Name, r)
	a.CreatedBy = s.Account
	return a, nil
}

// rule is a rule as it is in the store.
func (s *source) rule(ctx context.Context, name string) (*rule, error) {
	d, err := s.rules.load(ctx)
	if err != nil {
		return nil, err
	}
	if r := d.Rules[name]; r != nil {
		return r, nil
	}
	return nil, noRule(name)
}

// deleteRule deletes a rule without targets. One that is not there is no mistake.
func (s *source) deleteRule(c call, in ruleRequest) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return nil, s.rules.change(c.Context(), func(d *document) error {
		if r := d.Rules[*in.Name]; r != nil && len(r.Targets) > 0 {
			return notValid("Rule can't be deleted since it has targets.")
		}
		delete(d.Rules, *in.Name)
		return nil
	})
}

func (s *source) enableRule(c call, in ruleRequest) (any, error) {
	return nil, s.setState(c, in, enabled)
}

func (s *source) disableRule(c call, in ruleRequest) (any, error) {
	return nil, s.setState(c, in, disabled)
}

func (s *source) setState(c call, in ruleRequest, state string) error {
	if err := in.check(); err != nil {
		return err
	}
	return s.rules.changeRule(c.Context(), *in.Name, func(r *rule) error {
		if state == disabled || r.State == disabled { // an enabled rule stays as it is
			r.State = state
		}
		return nil
	})
}

// pageRequest asks for part of a list.
type pageRequest struct {
	NextToken *string
	Limit     *int64
}

func (in pageRequest) check(c *constraints) {
	c.text("nextToken", in.NextToken, tokenForm)
	c.between("limit", in.Limit, 1, maxPage)
}

// of is the part of names that is asked for, and the token for what is behind it.
// names are sorted; a token says behind which name to go on, so that it stays good
// while the list changes.
func (in pageRequest) of(names []string) (part []string, next *string, err error) {
	if in.NextToken != nil {
		after, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil || len(after) == 0 {
			return nil, nil, notValid("Parameter NextToken is not valid.")
		}
		i, found := slices.BinarySearch(names, string(after))
		if found {
			i++
		}
		names = names[i:]
	}
	limit := maxPage
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	if len(names) <= limit {
		return names, nil, nil
	}
	return names[:limit], new(base64.RawURLEncoding.EncodeToString([]byte(names[limit-1]))), nil
}

type listRulesRequest struct {
	NamePrefix, EventBusName *string
	pageRequest
}

func (s *source) listRules(c call, in listRulesRequest) (any, error) {
	var wrong constraints
	wrong.text("namePrefix", in.NamePrefix, nameForm)
	wrong.text("eventBusName", in.EventBusName, busForm)
	in.check(&wrong)
	if err := errors.Join(wrong.err(), onBus(in.EventBusName)); err != nil {
		return nil, err
	}
	d, err := s.rules.load(c.Context())
	if err != nil {
		return nil, err
	}
	names, next, err := in.of(slices.DeleteFunc(d.names(), func(name string) bool { return !strings.HasPrefix(name, text(in.NamePrefix)) }))
	if err != nil {
		return nil, err
	}
	a := struct {
		Rules     []ruleAnswer
		NextToken *string `json:",omitempty"`
	}{[]ruleAnswer{}, next}
	for _, name := range names {
		a.Rules = append(a.Rules, s.answer(c, name, d.Rules[name]))
	}
	return a, nil
}

// testEventPatternRequest is a pattern and an event to match it with.
type testEventPatternRequest struct {
	EventPattern, Event *string
}

func (s *source) testEventPattern(_ call, in testEventPatternRequest) (any, error) {
	var c constraints
	c.required("eventPattern", in.EventPattern, patternForm)
	c.required("event", in.Event, formOf(0, maxEntriesSize, ""))
	if err := c.err(); err != nil {
		return nil, err
	}
	p, err := readPattern(*in.EventPattern)
	if err != nil {
		return nil, err
	}
	if collect.Valid([]byte(*in.Event)) != nil {
		return nil, notValid("Parameter Event is not valid.")
	}
	matches, err := p.Match([]byte(*in.Event))
	if err != nil {
		return nil, notValid("Parameter Event is not valid.")
	}
	return struct{ Result bool }{matches}, nil
}

// busAnswer is the one bus.
type busAnswer struct {
	Name string
	ARN  string `json:"Arn"`
}

func (s *source) describeEventBus(c call, in struct{ Name *string }) (any, error) {
	var wrong constraints
	wrong.text("name", in.Name, busForm)
	if err := errors.Join(wrong.err(), onBus(in.Name)); err != nil {
		return nil, err
	}
	return busAnswer{defaultBus, s.busARN(c)}, nil
}

type listEventBusesRequest struct {
	NamePrefix *string
	pageRequest
}

func (s *source) listEventBuses(c call, in listEventBusesRequest) (any, error) {
	var wrong constraints
	wrong.text("namePrefix", in.NamePrefix, formOf(1, 256, `[/\.\-_A-Za-z0-9]+`))
	in.check(&wrong)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	buses := []busAnswer{}
	names, _, err := in.of([]string{defaultBus})
	if err != nil {
		return nil, err
	}
	if len(names) > 0 && strings.HasPrefix(defaultBus, text(in.NamePrefix)) {
		buses = append(buses, busAnswer{defaultBus, s.busARN(c)})
	}
	return struct{ EventBuses []busAnswer }{buses}, nil
}

// tagRequest is about the tags of a rule or the bus.
type tagRequest struct {
	ResourceARN *string
	Tags        []tagIn
	TagKeys     []string
}

func (c *constraints) tags(tags []tagIn) {
	for i, t := range tags {
		at := fmt.Sprintf("tags.%d.member.", i+1)
		c.required(at+"key", t.Key, tagKeyForm)
		c.required(at+"value", t.Value, tagValueForm)
	}
}

// merged are tags with those in on top. What was checked has keys and values.
func merged(tags []tag, in []tagIn) []tag {
	tags = slices.Clone(tags)
	for _, t := range in {
		i := slices.IndexFunc(tags, func(old tag) bool { return old.Key == *t.Key })
		if i < 0 {
			tags, i = append(tags, tag{Key: *t.Key}), len(tags)
		}
		tags[i].Value = *t.Value
	}
	return tags
}

// tagged are the tags of the rule or bus that an ARN names.
func (d *document) tagged(arn string) (*[]tag, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 || part[0] != "arn" || part[2] != serviceName {
		return nil, notValid("Parameter " + cut(arn) + " is not valid. Reason: Provided Arn is not in correct format.")
	}
	if name, ok := strings.CutPrefix(part[5], "rule/"); ok {
		name = strings.TrimPrefix(name, defaultBus+"/")
		if r := d.Rules[name]; r != nil {
			return &r.Tags, nil
		}
		return nil, noRule(cut(name))
	}
	if name, ok := strings.CutPrefix(part[5], "event-bus/"); ok && name == defaultBus {
		return &d.Tags, nil
	}
	return nil, notFound("Resource " + cut(arn) + " does not exist.")
}

// changeTags changes the tags that in is about.
func (s *source) changeTags(c call, in tagRequest, change func([]tag) []tag) error {
	var wrong constraints
	wrong.required("resourceARN", in.ResourceARN, arnForm)
	wrong.tags(in.Tags)
	for i := range in.TagKeys {
		wrong.text(fmt.Sprintf("tagKeys.%d.member", i+1), &in.TagKeys[i], tagKeyForm)
	}
	if err := wrong.err(); err != nil {
		return err
	}
	return s.rules.change(c.Context(), func(d *document) error {
		tags, err := d.tagged(*in.ResourceARN)
		if err != nil {
			return err
		}
		if *tags = change(*tags); len(*tags) > maxTags {
			return tooMany()
		}
		return nil
	})
}

func (s *source) tagResource(c call, in tagRequest) (any, error) {
	return nil, s.changeTags(c, in, func(tags []tag) []tag { return merged(tags, in.Tags) })
}

func (s *source) untagResource(c call, in tagRequest) (any, error) {
	return nil, s.changeTags(c, in, func(tags []tag) []tag {
		return slices.DeleteFunc(slices.Clone(tags), func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	})
}

func (s *source) listTagsForResource(c call, in tagRequest) (any, error) {
	var wrong constraints
	wrong.required("resourceARN", in.ResourceARN, arnForm)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	d, err := s.rules.load(c.Context())
	if err != nil {
		return nil, err
	}
	tags, err := d.tagged(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return struct{ Tags []tag }{append([]tag{}, *tags...)}, nil
}

// targetARN is the Arn of a target as it is kept.
func targetARN(raw json.RawMessage) string {
	var t struct {
		ARN string `json:"Arn"`
	}
	if json.Unmarshal(raw, &t) != nil { // it was read when it was put
		return ""
	}
	return t.ARN
}

type listRuleNamesByTargetRequest struct {
	TargetARN    *string `json:"TargetArn"`
	EventBusName *string
	pageRequest
}

func (s *source) listRuleNamesByTarget(c call, in listRuleNamesByTargetRequest) (any, error) {
	var wrong constraints
	wrong.required("targetArn", in.TargetARN, arnForm)
	wrong.text("eventBusName", in.EventBusName, busForm)
	in.check(&wrong)
	if err := errors.Join(wrong.err(), onBus(in.EventBusName)); err != nil {
		return nil, err
	}
	d, err := s.rules.load(c.Context())
	if err != nil {
		return nil, err
	}
	names, next, err := in.of(slices.DeleteFunc(d.names(), func(name string) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Values(d.Rules[name].Targets)), func(t json.RawMessage) bool { return targetARN(t) == *in.TargetARN })
	}))
	if err != nil {
		return nil, err
	}
	return struct {
		RuleNames []string
		NextToken *string `json:",omitempty"`
	}{append([]string{}, names...), next}, nil
}
