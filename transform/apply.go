package transform

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Transformer is a target that was found good. It may be used by several
// goroutines at once.
type Transformer struct {
	target string // Id
	mode   Mode

	// One of these is set, or none for the event as it is.
	constant []byte
	path     string
	template *template

	values *branch // the paths of path or template
}

// A Rule is what the reserved placeholders say of the rule that matched. The zero
// Rule will do where a template uses none of them.
type Rule struct {
	Name string // taken from the ARN if empty
	// ARN is made of the event's account and region if empty, as of a rule of this
	// name on the default bus.
	ARN string
	// IngestionTime is when EventBridge took the event in; if zero, the event's time.
	IngestionTime time.Time
}

// RuleARN is the ARN of a rule. A bus of the name "default", or "", is the default
// bus, which is not in the ARN.
func RuleARN(region, account, bus, name string) string {
	if bus != "" && bus != "default" {
		name = bus + "/" + name
	}
	return "arn:" + partition(region) + ":events:" + region + ":" + account + ":rule/" + name
}

func partition(region string) string {
	for _, p := range [...]struct{ regions, partition string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-iso-", "aws-iso"},
		{"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"},
		{"us-isof-", "aws-iso-f"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.regions) {
			return p.partition
		}
	}
	return "aws"
}

// A Result is what the target is sent.
type Result struct {
	// Text is JSON, but for templates that are text.
	Text []byte
	// Missing are the names in the template whose path is not in the event.
	Missing []string
	// Unsafe are the names inside quotes whose value there has a quotation mark, a
	// backslash or a control character. With Strict it was escaped. With AWS it is in
	// Text as it came: some of it may read otherwise, or as members of their own.
	Unsafe []string
}

// A DropError says that EventBridge delivers nothing of an event, silently.
type DropError struct {
	Target       string // Id of the target, if it has one
	Placeholder  string // that is to blame, without < and >; empty if none is
	Line, Column int    // of the placeholder in the template, in characters from 1
	Reason       string
	Next         string // what to write instead
}

// Error reads like "target 1: <payload> at line 2:12 of InputTemplate: an object
// inside quotes, and its own quotation marks end them; give it a field of its own …".
func (e *DropError) Error() string {
	var b strings.Builder
	b.WriteString(suffix(e.Target, ""))
	if e.Target != "" {
		b.WriteString(": ")
	}
	if e.Placeholder != "" {
		fmt.Fprintf(&b, "<%s> at line %d:%d of InputTemplate: ", e.Placeholder, e.Line, e.Column)
	}
	b.WriteString(e.Reason)
	if e.Next != "" {
		b.WriteString("; " + e.Next)
	}
	return b.String()
}

// An EventError says that an event is not a JSON object.
type EventError struct {
	Offset int // of the byte at fault
	Reason string
}

func (e *EventError) Error() string {
	return fmt.Sprintf("event: offset %d: %s", e.Offset, e.Reason)
}

// Apply gives what the target would be sent of an event. The error is a
// [*DropError] where EventBridge would send nothing, or an [*EventError]. The event
// is not kept. The time taken is linear in the event's length, times the number
// of paths.
func (t *Transformer) Apply(event []byte, rule Rule) (Result, error) {
	if t.constant != nil {
		return Result{Text: bytes.Clone(t.constant)}, nil
	}
	small, err := minify(event)
	if err != nil {
		offset, what := syntax(event)
		return Result{}, &EventError{Offset: offset, Reason: what}
	}
	if small[0] != '{' {
		return Result{}, &EventError{Reason: "not an object"}
	}
	switch {
	case t.template != nil:
		f := filling{t: t.template, mode: t.mode, target: t.target, event: small, rule: rule, values: t.values.find(small, len(t.template.names))}
		return f.result()
	case t.values != nil:
		return t.part(small)
	}
	return Result{Text: small}, nil
}

// part is what InputPath leads to.
func (t *Transformer) part(event []byte) (Result, error) {
	v := t.values.find(event, 1)[0]
	switch {
	case v.json == nil:
		return Result{}, &DropError{Target: t.target, Reason: fmt.Sprintf("InputPath %s is not in the event", t.path), Next: "there is nothing to deliver"}
	case v.many && len(v.json) > MaxResult:
		return Result{}, tooLarge(t.target)
	}
	return Result{Text: v.json}, nil
}

func tooLarge(target string) *DropError {
	return &DropError{Target: target, Reason: fmt.Sprintf("the result is larger than %d bytes", MaxResult), Next: "EventBridge carries no more; name smaller parts of the event in the paths"}
}

// A filling is one event going into a template.
type filling struct {
	t      *template
	mode   Mode
	target string
	event  []byte
	rule   Rule
	values []variable

	out      []byte
	fixed    [len(reservedNames)][]byte // the values of reserved placeholders that were asked for
	report   Result
	suspects []suspect
}

// A suspect is a hole inside quotes that was filled with more than plain text.
type suspect struct {
	hole   int
	start  int // in out
	unsafe string
}

func (f *filling) result() (Result, error) {
	for i, h := range f.t.holes {
		f.out = append(f.out, h.before...)
		f.fill(i, h)
		if len(f.out) > MaxResult+maxTemplate*len("\U0010FFFF") {
			return Result{}, tooLarge(f.target)
		}
	}
	f.out = append(f.out, f.t.tail...)
	if !f.t.text {
		small, err := minify(f.out)
		if err != nil {
			return Result{}, f.drop()
		}
		f.out = small
	}
	if len(f.out) > MaxResult {
		return Result{}, tooLarge(f.target)
	}
	f.report.Text = f.out
	return f.report, nil
}

// fill puts the value of a hole into it.
func (f *filling) fill(i int, h hole) {
	value := f.value(h)
	switch {
	case value == nil && h.quoted:
		return
	case value == nil:
		f.out = append(f.out, `""`...)
		return
	case !h.quoted:
		f.out = append(f.out, value...)
		return
	}
	text := value
	switch {
	case isString(value):
		text = unquoted(value)
	case f.t.text && f.mode == AWS:
		text = bytes.ReplaceAll(value, []byte{'"'}, nil)
	}
	if what := awkward(text); what != "" {
		switch value[0] {
		case '{':
			what = "an object"
		case '[':
			what = "an array"
		}
		f.report.Unsafe = appendNew(f.report.Unsafe, h.name)
		f.suspects = append(f.suspects, suspect{hole: i, start: len(f.out), unsafe: what})
	}
	if f.mode == Strict {
		f.out = appendEscaped(f.out, text)
		return
	}
	f.out = append(f.out, text...)
}

// value is the JSON of what a hole stands for, or nil if there is nothing.
func (f *filling) value(h hole) []byte {
	if h.source < 0 {
		fixed := &f.fixed[-1-h.source]
		if *fixed == nil {
			*fixed = f.reserved(h.source)
		}
		return *fixed
	}
	v := f.values[h.source]
	if v.json == nil {
		f.report.Missing = appendNew(f.report.Missing, h.name)
	}
	return v.json
}

func (f *filling) reserved(source int) []byte {
	r := f.rule
	switch source {
	case eventJSON:
		return f.event
	case eventOnly:
		return withoutDetail(f.event)
	case ruleARN:
		if r.ARN == "" && r.Name != "" {
			r.ARN = RuleARN(f.member("region"), f.member("account"), "", r.Name)
		}
		return quote(r.ARN)
	case ruleName:
		return quote(cmp.Or(r.Name, r.ARN[strings.LastIndexByte(r.ARN, '/')+1:]))
	}
	if r.IngestionTime.IsZero() {
		return quote(f.member("time"))
	}
	return quote(r.IngestionTime.UTC().Format(time.RFC3339))
}

// member is the text of one of the event's own members.
func (f *filling) member(name string) string {
	text := ""
	for key, value := range members(f.event) {
		if reads(key, name) && isString(value) {
			text = string(unquoted(value))
		}
	}
	return text
}

func appendNew(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// drop says which value made a result that is no JSON: the last before the fault
// that was more than plain text.
func (f *filling) drop() *DropError {
	at, what := syntax(f.out)
	out := &DropError{Target: f.target, Reason: "the result is no JSON: " + what}
	for i, s := range f.suspects {
		if i > 0 && s.start > at {
			break
		}
		h := f.t.holes[s.hole]
		out.Placeholder, out.Line, out.Column = h.name, h.line, h.column
		out.Next = fmt.Sprintf("give it a field of its own without quotes, as in {%q: <%s>}, or use strict mode", h.name, h.name)
		out.Reason = "its text has " + s.unsafe + ", which EventBridge does not escape inside quotes"
		if s.unsafe == "an object" || s.unsafe == "an array" {
			out.Reason = s.unsafe + " inside quotes, and its own quotation marks end them"
		}
	}
	return out
}

// ownOrder is the order of members in <aws.events.event>, as AWS was recorded.
var ownOrder = [...]string{"id", "account", "detail-type", "time", "source", "region", "resources", "version"}

// withoutDetail is <aws.events.event>: the event without detail, with detail-type
// called detailType, and what else it has at the end.
func withoutDetail(event []byte) []byte {
	var own [len(ownOrder)][]byte
	var rest []byte
	for key, value := range members(event) {
		i := slices.IndexFunc(ownOrder[:], func(name string) bool { return reads(key, name) })
		switch {
		case i >= 0:
			own[i] = value
		case !reads(key, "detail"):
			rest = append(append(append(append(rest, ','), key...), ':'), value...)
		}
	}
	out := []byte{'{'}
	for i, value := range own {
		if value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		name := ownOrder[i]
		if name == "detail-type" {
			name = "detailType"
		}
		out = append(append(append(out, quote(name)...), ':'), value...)
	}
	if len(out) == 1 && len(rest) > 0 {
		rest = rest[1:]
	}
	return append(append(out, rest...), '}')
}
