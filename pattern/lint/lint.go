// Package lint finds the mistakes in event patterns that AWS accepts without a
// word: patterns that never match, that leave the worst findings out, or that
// match more than was meant.
//
//	{"source": ["aws.guardduty"], "detail": {"severity": [7, 8, 8.9]}}
//	error: $.detail.severity: takes severities of High and none of Critical, which is
//	9.0 to 10.0; write [{"numeric": [">=", 7]}] [cannot-match-critical]
//
// What is judged is what a pattern does, found out by matching small events, and
// what AWS is known to send: the envelope of EventBridge, GuardDuty's findings and
// their types, CloudTrail's calls. The tables are as of September 2026; of what
// AWS may have added since, nothing is said, or a warning at most.
package lint

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/spelling"
	"github.com/tocsin-sec/tocsin/pattern"
)

// A Severity says how sure it is that something is wrong.
type Severity string

// An error is a pattern, or a part of it, that does not do what is written. A
// warning is what is likely not meant, or could be said better.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// A Document is what a pattern is over.
type Document int

// The documents.
const (
	Events Document = iota // an event in its EventBridge envelope
	Alerts                 // an alert of tocsin, as its routes see it
)

// A Diagnostic is one thing that is wrong with a pattern.
type Diagnostic struct {
	Code     string // such as cannot-match-critical; see [Codes]
	Severity Severity
	Path     string // JSON path in the pattern, such as $.detail.severity[3]
	Offset   int    // byte offset in the text, at most its length
	Message  string // what is wrong
	Instead  string // what to do instead; empty where there is nothing to propose
}

// String is "error: $.source[0]: what is wrong; what to do instead [code]".
func (d Diagnostic) String() string {
	s := string(d.Severity) + ": " + d.Path + ": " + d.Message
	if d.Instead != "" {
		s += "; " + d.Instead
	}
	return s + " [" + d.Code + "]"
}

// maxDiagnostics bounds what is said of one pattern.
const maxDiagnostics = 100

// Pattern returns what is wrong with the text of a pattern, in the order of the
// text and 100 at most. A text that is no pattern is one diagnostic of code
// invalid-pattern, or of the code of the mistake that made it so.
func Pattern(text []byte, over Document) []Diagnostic {
	if _, err := pattern.Parse(text); err != nil {
		return []Diagnostic{invalid(text, err)}
	}
	l := &linter{text: text, over: over, abouts: map[[4]*leaf]about{}, budget: 100_000}
	l.read()
	for _, judge := range []func(*linter){
		duplicateKeys, overridden, excludesNothing, clumsy, literals,
		envelopeValues, accounts, sources, detailTypes, combined, fieldsExist, valuesFit,
		findingTypes, severities, tooBroad, tooLong,
	} {
		judge(l)
	}
	slices.SortStableFunc(l.found, func(a, b Diagnostic) int { return cmp.Compare(a.Offset, b.Offset) })
	return l.found
}

// A linter holds one pattern while it is judged.
type linter struct {
	text []byte
	over Document

	root   *node
	leaves []*leaf
	combos []combo
	// overrides says by which leaf another was replaced, in some combination.
	overrides []override
	abouts    map[[4]*leaf]about // by the leaves that it hangs on

	budget int // how many more small events may be matched
	found  []Diagnostic
}

// say records a mistake, once for each code and place.
func (l *linter) say(code string, severity Severity, n place, message, instead string) {
	if l.full() {
		return // what is not asked any more is not known
	}
	d := Diagnostic{Code: code, Severity: severity, Path: n.path, Offset: n.offset, Message: message, Instead: instead}
	if !slices.ContainsFunc(l.found, func(e Diagnostic) bool { return e.Code == code && e.Offset == n.offset }) {
		l.found = append(l.found, d)
	}
}

// full reports whether there is no use in looking further.
func (l *linter) full() bool { return len(l.found) >= maxDiagnostics || l.budget < 0 }

// A place is a part of the pattern.
type place struct {
	path   string
	offset int
}

// invalid says why a text is no pattern.
func invalid(text []byte, err error) Diagnostic {
	d := Diagnostic{Code: "invalid-pattern", Severity: Error, Path: "$", Message: err.Error()}
	e, ok := errors.AsType[*pattern.Error](err)
	if !ok {
		return d
	}
	d.Path, d.Offset, d.Message = e.Path, min(max(e.Offset, 0), len(text)), e.Reason
	if digits, at, ok := leadingZero(text, d.Offset); ok {
		d.Code, d.Offset, d.Message = "account-id", at, "a number cannot begin with 0, and account ids are strings"
		d.Instead = "write " + quote(digits)
		return d
	}
	d.Instead = hint(text[d.Offset:], e.Reason)
	return d
}

// leadingZero finds the number around an offset if it begins with a zero that
// JSON does not allow, as an account id without quotes may.
func leadingZero(text []byte, offset int) (digits string, at int, ok bool) {
	isDigit := func(i int) bool { return i >= 0 && i < len(text) && '0' <= text[i] && text[i] <= '9' }
	start, end := offset, offset
	for isDigit(start - 1) {
		start--
	}
	for isDigit(end) {
		end++
	}
	digits = string(text[start:end])
	return digits, start, len(digits) == 12 && digits[0] == '0'
}

// hint says what to write instead of what Parse refused.
func hint(rest []byte, reason string) string {
	if name, ok := strings.CutPrefix(reason, "Unrecognized match type "); ok {
		if instead := operatorsNot[strings.ToLower(name)]; instead != "" {
			return instead
		}
		if near := nearest(name, operators); near != "" {
			return "write " + quote(near)
		}
		return "the operators are " + strings.Join(operators, ", ")
	}
	value := firstValue(rest)
	for _, h := range []struct{ reason, instead string }{
		{"must be an object or an array", "put the value in a list: [" + value + "]"},
		{"Match value must be String, number", "values are not nested: take out the inner brackets"},
		{"must be numeric", "write the number without quotes"},
		{"Bottom must be less than top", `write the lower bound first; for one number, write {"numeric": ["=", 5]}`},
		{"Only one key allowed", `write each operator in braces of its own: the alternatives of a list are joined by or; for a range, write {"numeric": [">=", 4, "<", 7]}`},
		{"IPv4 mask bits must be < 32", "write the address alone, as a string"},
		{"IPv6 mask bits must be < 128", "write the address alone, as a string"},
		{"at least 2 Objects in $or", "write the one branch without $or"},
		{"exists match pattern must be", "write true or false without quotes"},
		{"Empty arrays are not allowed", `leave the key out, or write [{"exists": true}] or [{"exists": false}]`},
		{"Empty objects are not allowed", "leave the key out"},
		{"Rule is too complex", "use fewer *, or prefix and suffix instead"},
		{"Consecutive wildcard characters", "one * matches any number of characters"},
		{"prefix match pattern must be a string", "write one operator for each: [{\"prefix\": \"a\"}, {\"prefix\": \"b\"}]"},
		{"suffix match pattern must be a string", "write one operator for each: [{\"suffix\": \"a\"}, {\"suffix\": \"b\"}]"},
		{"unexpected text after the pattern", "a file holds one pattern"},
	} {
		if strings.Contains(reason, h.reason) {
			return h.instead
		}
	}
	return ""
}

// firstValue is the scalar that a text begins with, for a proposal.
func firstValue(text []byte) string {
	const most = 80
	if len(text) > 0 && text[0] == '"' {
		for i := 1; i < min(len(text), most); i++ {
			if text[i] == '"' && text[i-1] != '\\' {
				return string(text[:i+1])
			}
		}
		return "…"
	}
	end := strings.IndexAny(string(text[:min(len(text), most)]), " \t\r\n,}]")
	if end < 0 {
		return "…"
	}
	return string(text[:end])
}

var operators = []string{"exactly", "prefix", "suffix", "equals-ignore-case", "wildcard", "numeric", "cidr", "exists", "anything-but"}

// operatorsNot are names that other languages have.
var operatorsNot = map[string]string{
	"regex":       `there are no regular expressions: use "wildcard", in which * is any run of characters`,
	"regexp":      `there are no regular expressions: use "wildcard", in which * is any run of characters`,
	"matches":     `use "wildcard", in which * is any run of characters`,
	"like":        `use "wildcard", in which * is any run of characters`,
	"contains":    `write {"wildcard": "*text*"}`,
	"starts-with": `write "prefix"`, "startswith": `write "prefix"`, "begins-with": `write "prefix"`,
	"ends-with": `write "suffix"`, "endswith": `write "suffix"`,
	"equals": "write the value itself", "eq": "write the value itself", "is": "write the value itself",
	"in": "write the values themselves: a list is alternatives", "any-of": "write the values themselves: a list is alternatives",
	"not": `write "anything-but"`, "not-equals": `write "anything-but"`, "ne": `write "anything-but"`, "not-in": `write "anything-but"`,
	"gt": `write {"numeric": [">", 4]}`, "gte": `write {"numeric": [">=", 4]}`, ">": `write {"numeric": [">", 4]}`, ">=": `write {"numeric": [">=", 4]}`,
	"lt": `write {"numeric": ["<", 4]}`, "lte": `write {"numeric": ["<=", 4]}`, "<": `write {"numeric": ["<", 4]}`, "<=": `write {"numeric": ["<=", 4]}`,
	"between":    `write {"numeric": [">=", 4, "<", 7]}`,
	"ip-address": `write "cidr"`, "ip": `write "cidr"`,
}

// nearest is the known word that takes the fewest edits to reach, if it is near
// enough to be meant. Case, "-", "_" and white space do not count.
func nearest(word string, known []string) string {
	const longest = 150
	word = plain(word)
	if word == "" || len(word) > longest {
		return ""
	}
	const short = 4 // one letter more or less makes another word of it
	most := len(word) / 5
	if len(word) >= short {
		most = max(1, most)
	}
	best, distance := "", most+1
	for _, k := range known {
		p := plain(k)
		if d := len(p) - len(word); d >= distance || -d >= distance {
			continue
		}
		if n := spelling.Edits(word, p); n < distance {
			best, distance = k, n
		}
	}
	return best
}

var plainly = strings.NewReplacer("-", "", "_", "", " ", "", "\t", "")

func plain(s string) string { return plainly.Replace(strings.ToLower(s)) }

// list is "a", "a and b" or "a, b and c", of many the first few.
func list(words []string) string {
	const most = 5
	if len(words) > most {
		return strings.Join(words[:most], ", ") + " and " + strconv.Itoa(len(words)-most) + " more"
	}
	if len(words) > 1 {
		return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
	}
	return strings.Join(words, "")
}
