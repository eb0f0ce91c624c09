package eventbridge

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/transform"
)

// maxTargets is how many targets a rule may have.
const maxTargets = 5

// Forms of the members of a target
// (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html).
var (
	inputForm    = formOf(0, 8192, "")
	pathForm     = formOf(0, 256, "")
	templateForm = formOf(1, 8192, "")
	pathKeyForm  = formOf(1, 256, `[A-Za-z0-9\_\-]+`)
	targetForm   = lazyregexp.New(`^arn:[\w-]+:[\w-]+:[\w-]*:[\w-]*:.+$`)
)

// A target is what of one is understood here.
type target struct {
	ID               *string `json:"Id"`
	ARN              *string `json:"Arn"`
	RoleARN          *string `json:"RoleArn"`
	Input, InputPath *string
	InputTransformer *struct {
		InputPathsMap map[string]*string
		InputTemplate *string
	}
	DeadLetterConfig *struct {
		ARN *string `json:"Arn"`
	}
	RetryPolicy *struct {
		MaximumRetryAttempts     *int64
		MaximumEventAgeInSeconds *int64
	}
}

// form checks what the model of the service says of a target's members.
func (t target) form(c *constraints, at string) {
	c.required(at+"id", t.ID, nameForm)
	c.required(at+"arn", t.ARN, arnForm)
	c.text(at+"roleArn", t.RoleARN, arnForm)
	c.text(at+"input", t.Input, inputForm)
	c.text(at+"inputPath", t.InputPath, pathForm)
	if it := t.InputTransformer; it != nil {
		c.required(at+"inputTransformer.inputTemplate", it.InputTemplate, templateForm)
		c.items(at+"inputTransformer.inputPathsMap", len(it.InputPathsMap), 0, 100)
		for _, key := range slices.Sorted(maps.Keys(it.InputPathsMap)) {
			c.text(at+"inputTransformer.inputPathsMap", &key, pathKeyForm)
			c.required(at+"inputTransformer.inputPathsMap."+cut(key)+".member", it.InputPathsMap[key], pathForm)
		}
	}
	if d := t.DeadLetterConfig; d != nil {
		c.text(at+"deadLetterConfig.arn", d.ARN, arnForm)
	}
	if r := t.RetryPolicy; r != nil {
		c.between(at+"retryPolicy.maximumRetryAttempts", r.MaximumRetryAttempts, 0, 185)
		c.between(at+"retryPolicy.maximumEventAgeInSeconds", r.MaximumEventAgeInSeconds, 60, 86400)
	}
}

// sense checks what AWS checks besides, of a target of good form.
func (t target) sense() error {
	if !targetForm.MatchString(*t.ARN) {
		return notValid("Parameter " + cut(*t.ARN) + " is not valid. Reason: Provided Arn is not in correct format.")
	}
	whole := transform.Target{ID: *t.ID, ARN: *t.ARN, Input: text(t.Input), InputPath: text(t.InputPath)}
	if it := t.InputTransformer; it != nil {
		whole.InputTransformer = &transform.InputTransformer{InputTemplate: *it.InputTemplate, InputPathsMap: map[string]string{}}
		for key, path := range it.InputPathsMap {
			whole.InputTransformer.InputPathsMap[key] = *path
		}
	}
	if _, err := whole.Compile(transform.AWS); err != nil {
		if e, ok := errors.AsType[*transform.Error](err); ok {
			return notValid(e.Reason)
		}
		return notValid(err.Error())
	}
	if t.DeadLetterConfig == nil || t.DeadLetterConfig.ARN == nil {
		return nil
	}
	queue := *t.DeadLetterConfig.ARN
	if part := strings.Split(queue, ":"); len(part) != 6 || part[0] != "arn" {
		return notValid("Parameter " + cut(queue) + " is not valid. Reason: Provided Arn is not in correct format.")
	} else if part[2] != "sqs" {
		return notValid(cut(part[2]) + " is not supported as a dead letter resource.")
	}
	if strings.HasSuffix(queue, ".fifo") {
		return notValid("SQS FIFO is not supported by Dead Letter Queues.")
	}
	return nil
}

// targetsRequest is about the targets of a rule.
type targetsRequest struct {
	Rule, EventBusName *string
}

func (in targetsRequest) check(c *constraints) {
	c.required("rule", in.Rule, nameForm)
	c.text("eventBusName", in.EventBusName, busForm)
}

// notDone are the targets that could not be put or removed.
type notDone struct {
	FailedEntryCount int
	FailedEntries    []failedTarget
}

type failedTarget struct {
	TargetID                string `json:"TargetId"`
	ErrorCode, ErrorMessage string
}

type putTargetsRequest struct {
	targetsRequest
	Targets []json.RawMessage
}

// putTargets keeps targets as they were sent. They are not called.
func (s *source) putTargets(c call, in putTargetsRequest) (any, error) {
	targets, err := in.read()
	if err != nil {
		return nil, err
	}
	err = s.rules.changeRule(c.Context(), *in.Rule, func(r *rule) error {
		kept := maps.Clone(r.Targets)
		if kept == nil {
			kept = map[string]json.RawMessage{}
		}
		for i, t := range targets {
			kept[*t.ID] = in.Targets[i]
		}
		if len(kept) > maxTargets {
			return tooMany()
		}
		r.Targets = kept
		return nil
	})
	if err != nil {
		return nil, err
	}
	return notDone{FailedEntries: []failedTarget{}}, nil
}

// read gives the targets, checked.
func (in putTargetsRequest) read() ([]target, error) {
	var c constraints
	in.check(&c)
	many := len(in.Targets)
	if in.Targets == nil {
		many = -1
	}
	c.items("targets", many, 1, maxPage)
	if many > maxPage {
		return nil, c.err()
	}
	targets := make([]target, len(in.Targets))
	for i, raw := range in.Targets {
		if err := json.Unmarshal(raw, &targets[i]); err != nil {
			return nil, unreadable(err)
		}
		targets[i].form(&c, "targets."+strconv.Itoa(i+1)+".member.")
	}
	if err := errors.Join(c.err(), onBus(in.EventBusName)); err != nil {
		return nil, err
	}
	for _, t := range targets {
		if err := t.sense(); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

type removeTargetsRequest struct {
	targetsRequest
	IDs []string `json:"Ids"`
}

func (s *source) removeTargets(c call, in removeTargetsRequest) (any, error) {
	var wrong constraints
	in.check(&wrong)
	many := len(in.IDs)
	if in.IDs == nil {
		many = -1
	}
	wrong.items("ids", many, 1, maxPage)
	for i := range in.IDs[:min(len(in.IDs), maxPage)] {
		wrong.text("ids."+strconv.Itoa(i+1)+".member", &in.IDs[i], nameForm)
	}
	if err := errors.Join(wrong.err(), onBus(in.EventBusName)); err != nil {
		return nil, err
	}
	answer := notDone{FailedEntries: []failedTarget{}}
	err := s.rules.changeRule(c.Context(), *in.Rule, func(r *rule) error {
		for _, id := range in.IDs {
			if _, ok := r.Targets[id]; !ok {
				answer.FailedEntryCount++
				answer.FailedEntries = append(answer.FailedEntries, failedTarget{id, "ResourceNotFoundException", "Rule '" + *in.Rule + "' does not have a target with the Id '" + id + "'."})
				continue
			}
			delete(r.Targets, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

type listTargetsByRuleRequest struct {
	targetsRequest
	pageRequest
}

func (in listTargetsByRuleRequest) check() error {
	var c constraints
	in.targetsRequest.check(&c)
	in.pageRequest.check(&c)
	return errors.Join(c.err(), onBus(in.EventBusName))
}

func (s *source) listTargetsByRule(c call, in listTargetsByRuleRequest) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	r, err := s.rule(c.Context(), *in.Rule)
	if err != nil {
		return nil, err
	}
	ids, next, err := in.of(slices.Sorted(maps.Keys(r.Targets)))
	if err != nil {
		return nil, err
	}
	a := struct {
		Targets   []json.RawMessage
		NextToken *string `json:",omitempty"`
	}{[]json.RawMessage{}, next}
	for _, id := range ids {
		a.Targets = append(a.Targets, r.Targets[id])
	}
	return a, nil
}
