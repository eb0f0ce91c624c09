package diagnosis

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A request is what a service of AWS would do at a resource: who, what, on which
// resource, with which keys of context. Keys that are not there are not in the request.
type request struct {
	service  string // "events.amazonaws.com"
	action   string // "sqs:SendMessage"
	resource string
	context  map[string]string // "aws:SourceArn"
}

// An opinion is what a policy says of a request.
type opinion int

const (
	silent  opinion = iota // no statement is about it: it is denied
	allows                 // and nothing denies it
	denies                 // a statement denies it
	never                  // a statement would allow it, and its condition never holds
	elsewho                // the action is allowed, to somebody else
)

// A policy is a resource's own
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
type policy struct {
	Statement many[statement] `json:"Statement"`
}

type statement struct {
	Sid       string
	Effect    string
	Principal principal
	Action    many[string]
	NotAction many[string]
	Resource  many[string]
	Condition map[string]map[string]many[any]
}

// many is one or several.
type many[T any] []T

// UnmarshalJSON reads one value or a list of them.
func (m *many[T]) UnmarshalJSON(text []byte) error {
	var list []T
	if json.Unmarshal(text, &list) == nil {
		*m = list
		return nil
	}
	var one T
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*m = many[T]{one}
	return nil
}

// principal is "*" or lists of names by kind: Service, AWS.
type principal map[string]many[string]

// UnmarshalJSON reads the star or the kinds.
func (p *principal) UnmarshalJSON(text []byte) error {
	var star string
	if json.Unmarshal(text, &star) == nil {
		*p = principal{"*": {star}}
		return nil
	}
	var kinds map[string]many[string]
	err := json.Unmarshal(text, &kinds)
	*p = kinds
	return err
}

func (p principal) is(service string) bool {
	return p.everybody() || slices.Contains(p["Service"], service)
}

// everybody reports whether all of AWS is meant.
func (p principal) everybody() bool {
	return slices.Contains(p["*"], "*") || slices.Contains(p["AWS"], "*")
}

func readPolicy(text string) (policy, error) {
	var p policy
	if text == "" {
		return p, nil
	}
	err := json.Unmarshal([]byte(text), &p)
	return p, err
}

// judge is what the policy says of the request, and in words why.
func (p policy) judge(r request) (o opinion, why string) {
	for _, s := range p.Statement {
		if !s.about(r) {
			continue
		}
		who := s.Principal.is(r.service)
		failed := s.fails(r)
		switch {
		case s.Effect == "Deny" && (who || len(s.Principal) == 0) && failed == "":
			return denies, s.name() + " denies it"
		case s.Effect != "Allow" || o == allows: // one that denies it may come
		case who && failed == "":
			o, why = allows, ""
		case who && o != never:
			o, why = never, failed
		case !who && o == silent:
			o, why = elsewho, strings.Join(s.Principal["Service"], ", ")
		}
	}
	return o, why
}

func (s statement) name() string {
	if s.Sid != "" {
		return "statement " + s.Sid
	}
	return "a statement"
}

func (s statement) about(r request) bool {
	acts := slices.ContainsFunc(s.Action, func(a string) bool { return like(strings.ToLower(a), strings.ToLower(r.action)) })
	if len(s.NotAction) > 0 {
		acts = !slices.ContainsFunc(s.NotAction, func(a string) bool { return like(strings.ToLower(a), strings.ToLower(r.action)) })
	}
	on := len(s.Resource) == 0 || slices.ContainsFunc(s.Resource, func(a string) bool { return like(a, r.resource) })
	return acts && on
}

// fails names the first condition that does not hold; empty if all do.
func (s statement) fails(r request) string {
	operators := make([]string, 0, len(s.Condition))
	for op := range s.Condition {
		operators = append(operators, op)
	}
	slices.Sort(operators)
	for _, op := range operators {
		for key, values := range s.Condition[op] {
			if !holds(op, r.valueOf(key), values) {
				return fmt.Sprintf("%s of %s", op, key)
			}
		}
	}
	return ""
}

// valueOf is the request's value of a key, whose case says nothing; nil if it is not
// there.
func (r request) valueOf(key string) *string {
	for k, v := range r.context {
		if strings.EqualFold(k, key) {
			return &v
		}
	}
	return nil
}

// holds reports whether a condition holds of a value, which may not be there. An
// operator that is not known here is taken to hold: what cannot be judged is not
// called wrong.
func holds(operator string, got *string, values many[any]) bool {
	base, ifExists := strings.CutSuffix(operator, "IfExists")
	if got == nil {
		return ifExists || strings.HasPrefix(base, "Null") || strings.Contains(base, "Not")
	}
	some := func(equal func(pattern, value string) bool) bool {
		return slices.ContainsFunc(values, func(v any) bool { return equal(fmt.Sprint(v), *got) })
	}
	equal := func(a, b string) bool { return a == b }
	switch base {
	case "StringEquals", "Bool":
		return some(equal)
	case "StringEqualsIgnoreCase":
		return some(strings.EqualFold)
	case "StringNotEquals", "StringNotEqualsIgnoreCase":
		return !some(strings.EqualFold)
	case "StringLike", "ArnLike", "ArnEquals":
		return some(like)
	case "StringNotLike", "ArnNotLike", "ArnNotEquals":
		return !some(like)
	}
	return true
}

// like matches * and ?.
func like(pattern, text string) bool { return wording.Like(text, pattern) }
