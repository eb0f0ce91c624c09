package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of AWS, in characters where they are lengths.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_InputTransformer.html
const (
	maxInput    = 8192
	maxTemplate = 8192
	maxPath     = 256
	maxPaths    = 100
	maxName     = 256
)

// MaxResult is the most bytes that a template may give. EventBridge carries no
// more than 1 MiB.
const MaxResult = 1 << 20

// A Target is what an EventBridge rule sends events to, as far as it says what is
// sent: one of Input, InputPath and InputTransformer, or none of them for the
// event as it is.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
type Target struct {
	ID  string `json:"Id,omitempty"`
	ARN string `json:"Arn,omitempty"`
	// Input is JSON text that is sent whatever the event is.
	Input string `json:"Input,omitempty"`
	// InputPath is the path of the part of the event that is sent.
	InputPath        string            `json:"InputPath,omitempty"`
	InputTransformer *InputTransformer `json:"InputTransformer,omitempty"`
}

// An InputTransformer is a template and the paths of what is filled into it.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_InputTransformer.html
type InputTransformer struct {
	// InputPathsMap has a path for each name: {"severity": "$.detail.severity"}.
	InputPathsMap map[string]string `json:"InputPathsMap,omitempty"`
	InputTemplate string            `json:"InputTemplate"`
}

// A Mode says how values are put inside quotes.
type Mode int

const (
	// AWS puts them in as they are, as EventBridge does.
	AWS Mode = iota
	// Strict escapes them, so that the result is always valid.
	Strict
)

// An Error says what is wrong with a target.
type Error struct {
	Target string // its Id, if it has one
	Field  string // such as InputTransformer.InputTemplate
	Reason string // a sentence, in the words of AWS where they are known
	Next   string // a sentence that says what to do; may be empty
}

// Error reads like "InputTemplate for target 1 contains invalid placeholder sevrity.
// InputPathsMap has region, severity."
func (e *Error) Error() string {
	return strings.TrimSuffix(e.Reason+" "+e.Next, " ")
}

// Targets reads targets as put-targets takes them: a target, an array of targets,
// an object with the array as its Targets (--cli-input-json, and the answer of
// list-targets-by-rule), or an InputTransformer alone. It does not say whether they
// are good; [Target.Compile] does.
func Targets(data []byte) ([]Target, error) {
	data = bytes.TrimSpace(data)
	if !json.Valid(data) {
		offset, what := syntax(data)
		return nil, &Error{
			Field: "Targets", Reason: fmt.Sprintf("The targets are not JSON: offset %d: %s.", offset, what),
			Next: "Write them as 'aws events put-targets --cli-input-json' takes them.",
		}
	}
	raw := []json.RawMessage{data}
	switch data[0] {
	case '[':
		_ = json.Unmarshal(data, &raw) // it is valid, and an array
	case '{':
		var top map[string]json.RawMessage
		_ = json.Unmarshal(data, &top) // it is valid, and an object
		_, template := top["InputTemplate"]
		_, paths := top["InputPathsMap"]
		if list, ok := top["Targets"]; ok {
			if list[0] != '[' {
				return nil, &Error{Field: "Targets", Reason: "Targets is not an array."}
			}
			_ = json.Unmarshal(list, &raw)
		} else if template || paths {
			return alone(data)
		}
	}
	targets := make([]Target, 0, len(raw))
	for _, r := range raw {
		t, err := decode(r)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// alone reads an InputTransformer that is not in a target.
func alone(data []byte) ([]Target, error) {
	if err := onlyMembers(data, "", "InputTransformer", "InputPathsMap", "InputTemplate"); err != nil {
		return nil, err
	}
	var t Target
	if err := json.Unmarshal(data, &t.InputTransformer); err != nil {
		return nil, wrongType("", "InputTransformer.", err)
	}
	return []Target{t}, nil
}

func decode(raw []byte) (Target, error) {
	if raw[0] != '{' {
		return Target{}, &Error{Field: "Targets", Reason: "A target is not an object."}
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // it is valid, and an object
	var id string
	_ = json.Unmarshal(members["Id"], &id) // if it is none, that is found out below
	for _, name := range slices.Sorted(maps.Keys(members)) {
		// The other members of a target are AWS's business; these are misspelt.
		if strings.HasPrefix(strings.ToLower(name), "input") && name != "Input" && name != "InputPath" && name != "InputTransformer" {
			return Target{}, unknownMember(id, "", name, "Input", "InputPath", "InputTransformer")
		}
	}
	if it := members["InputTransformer"]; len(it) > 0 && it[0] == '{' {
		if err := onlyMembers(it, id, "InputTransformer", "InputPathsMap", "InputTemplate"); err != nil {
			return Target{}, err
		}
	}
	var t Target
	if err := json.Unmarshal(raw, &t); err != nil {
		return Target{}, wrongType(id, "", err)
	}
	return t, nil
}

func onlyMembers(object []byte, id, field string, names ...string) error {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(object, &members) // it is valid, and an object
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(names, name) {
			return unknownMember(id, field, name, names...)
		}
	}
	return nil
}

func unknownMember(id, field, name string, known ...string) *Error {
	owner := "The target"
	switch {
	case field != "":
		owner = field + suffix(id, " of ")
	case id != "":
		owner = "Target " + id
	}
	return &Error{
		Target: id, Field: strings.TrimPrefix(field+"."+name, "."),
		Reason: fmt.Sprintf("%s has no member %s.", owner, shown(name)),
		Next:   "It may have " + strings.Join(known, ", ") + ".",
	}
}

func wrongType(id, field string, err error) error {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	field += e.Field
	what, want := field, "an object"
	if e.Type.Kind() == reflect.String {
		want = "a string"
		if strings.HasSuffix(field, "InputPathsMap") {
			what = "A path in " + field
		}
	}
	return &Error{Target: id, Field: field, Reason: fmt.Sprintf("%s%s is not %s.", what, suffix(id, " of "), want)}
}

// suffix names a target behind a word, if it has a name.
func suffix(id, word string) string {
	if id == "" {
		return ""
	}
	return word + "target " + id
}

func forTarget(id string) string {
	if id == "" {
		return "the target"
	}
	return "target " + id
}

// Parse reads one target, in any of the forms of [Targets], and compiles it.
func Parse(data []byte, mode Mode) (*Transformer, error) {
	targets, err := Targets(data)
	if err != nil {
		return nil, err
	}
	if len(targets) != 1 {
		return nil, &Error{Field: "Targets", Reason: fmt.Sprintf("There are %d targets.", len(targets)), Next: "Give one, or read all with Targets."}
	}
	return targets[0].Compile(mode)
}

// Compile checks a target. Its errors are of type [*Error], joined if there are
// several. The target is not kept.
func (t Target) Compile(mode Mode) (*Transformer, error) {
	c := compiler{id: t.ID, mode: mode}
	given := 0
	for _, is := range []bool{t.Input != "", t.InputPath != "", t.InputTransformer != nil} {
		if is {
			given++
		}
	}
	out := &Transformer{target: t.ID, mode: mode}
	switch {
	case given > 1:
		c.fault("Input, InputPath, InputTransformer",
			"Only one of Input, InputPath, or InputTransformer must be provided for "+forTarget(t.ID)+".", "Keep one of them.")
	case t.Input != "":
		out.constant = c.input(t.Input)
	case t.InputPath != "":
		out.path = t.InputPath
		out.values = c.inputPath(t.InputPath)
	case t.InputTransformer != nil:
		out.template, out.values = c.transformer(*t.InputTransformer)
	}
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	return out, nil
}

// A compiler gathers what is wrong with one target.
type compiler struct {
	id     string
	mode   Mode
	faults []error
}

func (c *compiler) fault(field, reason, next string) {
	c.faults = append(c.faults, &Error{Target: c.id, Field: field, Reason: reason, Next: next})
}

// fits finds fault with text of more than most characters.
func (c *compiler) fits(field, name, text string, most int) bool {
	n := utf8.RuneCountInString(text)
	if n > most {
		c.fault(field, fmt.Sprintf("%s for %s has %d characters.", name, forTarget(c.id), n), fmt.Sprintf("EventBridge takes %d at most.", most))
	}
	return n <= most
}

func (c *compiler) input(text string) []byte {
	if !c.fits("Input", "Input", text, maxInput) {
		return nil
	}
	small, err := minify([]byte(text))
	if err != nil {
		offset, what := syntax([]byte(text))
		c.fault("Input", "Input for "+forTarget(c.id)+" is not a valid JSON text.", fmt.Sprintf("At offset %d: %s; text has to be in double quotes.", offset, what))
	}
	return small
}

func (c *compiler) inputPath(text string) *branch {
	if !c.fits("InputPath", "InputPath", text, maxPath) {
		return nil
	}
	path, err := parsePath(text, true)
	if err != nil {
		c.fault("InputPath", fmt.Sprintf("InputPath for %s is not understood: %q %v.", forTarget(c.id), text, err), "Write $.a.b, $['a'], $.a[0] or $.a[*].")
		return nil
	}
	root := &branch{}
	root.add(path, 0)
	return root
}

func (c *compiler) transformer(it InputTransformer) (*template, *branch) {
	paths := c.paths(it.InputPathsMap)
	var t *template
	if c.fits(templateField, "InputTemplate", it.InputTemplate, maxTemplate) {
		t = c.template(it.InputTemplate, it.InputPathsMap)
	}
	if len(c.faults) > 0 {
		return nil, nil
	}
	root := &branch{}
	for i, name := range t.names {
		root.add(paths[name], i)
	}
	return t, root
}

func (c *compiler) paths(texts map[string]string) map[string][]step {
	const field = "InputTransformer.InputPathsMap"
	if len(texts) > maxPaths {
		c.fault(field, fmt.Sprintf("InputPathsMap for %s has %d paths.", forTarget(c.id), len(texts)), fmt.Sprintf("EventBridge takes %d at most.", maxPaths))
		return nil
	}
	paths := make(map[string][]step, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		here := field + "[" + shown(name) + "]"
		c.name(here, name)
		if !c.fits(here, "The path of "+shown(name)+" in InputPathsMap", text, maxPath) {
			continue
		}
		path, err := parsePath(text, false)
		if err != nil {
			c.fault(here, fmt.Sprintf("The path of %s in InputPathsMap for %s is not understood: %s %v.", shown(name), forTarget(c.id), shown(text), err),
				"Write $.a.b, $.a[0] or $.a[*]; EventBridge itself does not check paths.")
		}
		paths[name] = path
	}
	return paths
}

func (c *compiler) name(field, name string) {
	switch {
	case strings.HasPrefix(strings.ToLower(name), "aws."):
		c.fault(field, fmt.Sprintf("InputPathsMap for %s defines %s, and names that begin with AWS. are reserved.", forTarget(c.id), shown(name)), "Choose another name.")
	case name == "", len(name) > maxName, strings.ContainsFunc(name, func(r rune) bool { return r != '_' && r != '-' && !alphanumeric(r) }):
		c.fault(field, fmt.Sprintf("InputPathsMap for %s has a bad name: %s.", forTarget(c.id), shown(name)),
			fmt.Sprintf("A name has 1 to %d of the characters A-Z, a-z, 0-9, _ and -.", maxName))
	}
}

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// shown is text for an error: quoted unless it is plain, and cut if it is long.
func shown(text string) string {
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r != '_' && r != '-' && r != '.' && r != '$' && !alphanumeric(r) }) {
		return text
	}
	return fmt.Sprintf("%q", text)
}
