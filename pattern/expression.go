package pattern

import (
	"bytes"
	"math"
	"slices"
)

const (
	oneKeyOnly     = "Only one key allowed in match expression"
	excludedKinds  = "Inside anything but list, start|null|boolean is not supported."
	excludedMix    = "Inside anything but list, either all values are number or string, mixed type is not supported"
	excludedFold   = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
	excludedAffix  = "prefix/suffix match pattern must be a string"
	excludedValue  = "Value of anything-but must be an array or single string/number value."
	foldNotString  = "equals-ignore-case match pattern must be a string"
	tooManyTerms   = "Too many terms in numeric range expression"
	tooManyInRange = "Too many elements in numeric expression"
)

// expression reads {"operator": argument} into l.
func (p *parser) expression(l *list) error {
	if err := p.take('{'); err != nil {
		return err
	}
	if p.next() == '}' {
		return p.fail(p.pos, "Match expression name not found")
	}
	operator, at, err := p.key()
	if err != nil {
		return err
	}
	more := oneKeyOnly
	switch operator {
	case "exactly":
		err = p.argument("exact match pattern must be a string", func(s string) string {
			l.strings = append(l.strings, intern(s))
			return ""
		})
	case "prefix":
		err = p.affix("prefix", "Prefix", &l.others().prefixes, &l.others().foldedPre)
	case "suffix":
		err = p.affix("suffix", "Suffix", &l.others().suffixes, &l.others().foldedSuf)
	case "equals-ignore-case":
		err = p.argument(foldNotString, addBytes(&l.others().folded))
	case "wildcard":
		err = p.argument("wildcard match pattern must be a string", addWildcard(&l.others().wildcards))
	case "cidr":
		// AWS does say prefix here.
		err = p.argument("prefix match pattern must be a string", func(s string) string {
			r, bad := parseCIDR(s)
			l.others().addresses = append(l.others().addresses, r)
			return bad
		})
	case "exists":
		err = p.exists(l)
	case "numeric":
		err = p.numeric(l)
	case "anything-but":
		more = tooManyInRange // AWS's words, not ours
		err = p.anythingBut(l)
	default:
		return p.fail(at, "Unrecognized match type "+operator)
	}
	if err != nil {
		return err
	}
	p.leave()
	return p.closeObject(more)
}

// closeObject takes the closing brace; another key gets the reason.
func (p *parser) closeObject(reason string) error {
	if p.next() == ',' {
		return p.fail(p.pos, reason)
	}
	return p.take('}')
}

// argument takes a string and gives it to use, which may find it bad. Whatever
// else is next gets the reason.
func (p *parser) argument(reason string, use func(string) string) error {
	if p.next() != '"' {
		if p.pos == len(p.text) {
			return p.unexpected("a string")
		}
		return p.fail(p.pos, reason)
	}
	at := p.pos
	s, err := p.string()
	if err != nil {
		return err
	}
	if bad := use(s); bad != "" {
		return p.fail(at, bad)
	}
	return nil
}

func addBytes(to *[][]byte) func(string) string {
	return func(s string) string {
		*to = append(*to, []byte(s))
		return ""
	}
}

func addWildcard(to *[]wildcard) func(string) string {
	return func(s string) string {
		w, bad := parseWildcard(s)
		*to = append(*to, w)
		return bad
	}
}

// affix reads the argument of prefix or suffix: a string, or a string to be
// compared without regard to case.
func (p *parser) affix(operator, title string, plain, folded *[][]byte) error {
	if p.next() != '{' {
		return p.argument(operator+" match pattern must be a string", addBytes(plain))
	}
	p.pos++
	if p.next() == '}' {
		return p.fail(p.pos, title+" expression name not found")
	}
	key, at, err := p.key()
	if err != nil {
		return err
	}
	if key != "equals-ignore-case" {
		return p.fail(at, "Unsupported "+operator+" pattern: "+key)
	}
	if err := p.argument(foldNotString, addBytes(folded)); err != nil {
		return err
	}
	p.leave()
	return p.closeObject(oneKeyOnly)
}

func (p *parser) exists(l *list) error {
	const reason = "exists match pattern must be either true or false."
	if c := p.next(); c != 't' && c != 'f' {
		return p.fail(p.pos, reason)
	}
	k, _, err := p.token()
	if err != nil {
		return err
	}
	if k == kindTrue {
		l.kinds = everyKind
	} else {
		l.absent = true
	}
	return nil
}

// numeric reads an equality, one bound, or a lower and then an upper bound.
func (p *parser) numeric(l *list) error {
	if p.next() != '[' {
		return p.fail(p.pos, "Value of numeric must be an array.")
	}
	start := p.pos
	r := bounds{low: math.Inf(-1), high: math.Inf(1)}
	var first string
	var second bool
	n := 0
	err := p.elements(func(i int) (err error) {
		n = i + 1
		switch i {
		case 0:
			first, err = p.comparison(&r)
		case 1:
			err = p.bound(first, &r)
		case 2:
			if first != ">" && first != ">=" {
				return p.fail(p.pos, tooManyInRange)
			}
			second = true
			err = p.upper(&r)
		case 3:
			err = p.bound(upperName(r), &r)
		default:
			return p.fail(p.pos, tooManyTerms)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case n == 0:
		return p.fail(start, "Invalid member in numeric match: ]")
	case n == 1:
		return p.fail(start, notNumeric(first))
	case n == 3:
		return p.fail(start, notNumeric(upperName(r)))
	case second && r.low >= r.high:
		return p.fail(start, "Bottom must be less than top")
	}
	if r.low == r.high {
		l.numbers = append(l.numbers, r.low)
	} else {
		l.others().intervals = append(l.others().intervals, r.interval())
	}
	return nil
}

// bounds are those of a numeric range as it is written.
type bounds struct {
	low, high         float64
	openLow, openHigh bool
}

func (r bounds) interval() interval {
	if r.openLow {
		r.low = math.Nextafter(r.low, math.Inf(1))
	}
	if r.openHigh {
		r.high = math.Nextafter(r.high, math.Inf(-1))
	}
	return interval{r.low, r.high}
}

// comparison reads the first operator.
func (p *parser) comparison(r *bounds) (string, error) {
	at := p.pos
	if p.next() != '"' {
		return "", p.notAnOperator("Invalid member in numeric match: ")
	}
	operator, err := p.string()
	if err != nil {
		return "", err
	}
	switch operator {
	case "=", ">=", "<=":
	case ">":
		r.openLow = true
	case "<":
		r.openHigh = true
	default:
		return "", p.fail(at, "Unrecognized numeric range operator: "+operator)
	}
	return operator, nil
}

// upper reads the second operator.
func (p *parser) upper(r *bounds) error {
	at := p.pos
	if p.next() != '"' {
		return p.notAnOperator("Bad value in numeric range: ")
	}
	operator, err := p.string()
	if err != nil {
		return err
	}
	if operator != "<" && operator != "<=" {
		return p.fail(at, "Bad numeric range operator: "+operator)
	}
	r.openHigh = operator == "<"
	return nil
}

func (p *parser) notAnOperator(reason string) error {
	at := p.pos
	c := p.next()
	if !isToken(c) {
		if c == '{' || c == '[' {
			return p.fail(at, reason+string(c))
		}
		return p.unexpected("a string")
	}
	_, token, err := p.token()
	if err != nil {
		return err
	}
	return p.fail(at, reason+string(token))
}

func upperName(r bounds) string {
	if r.openHigh {
		return "<"
	}
	return "<="
}

func notNumeric(operator string) string {
	if operator == "=" {
		operator = "equals"
	}
	return "Value of " + operator + " must be numeric"
}

// bound reads the number after an operator.
func (p *parser) bound(operator string, r *bounds) error {
	if p.pos < len(p.text) && !isNumber(p.next()) {
		return p.fail(p.pos, notNumeric(operator))
	}
	f, err := p.number()
	if err != nil {
		return err
	}
	switch operator {
	case "=":
		r.low, r.high = f, f
	case ">", ">=":
		r.low = f
	case "<", "<=":
		r.high = f
	}
	return nil
}

// number takes a number that can be compared.
func (p *parser) number() (float64, error) {
	at := p.pos
	_, token, err := p.token()
	if err != nil {
		return 0, err
	}
	f, ok := comparableNumber(token)
	if !ok {
		return 0, p.fail(at, "Cannot compare number : "+string(token))
	}
	return f, nil
}

// anythingBut reads the argument of anything-but in any of its forms.
func (p *parser) anythingBut(l *list) error {
	var x exclusion
	var err error
	switch c := p.next(); {
	case c == '"':
		err = p.excluded(&x)
	case isNumber(c):
		err = p.excluded(&x)
	case c == '[':
		err = p.excludedList(&x)
	case c == '{':
		err = p.excludedExpression(&x)
	case isToken(c):
		err = p.fail(p.pos, excludedValue)
	default:
		err = p.unexpected("a value")
	}
	slices.Sort(x.strings)
	slices.Sort(x.numbers)
	l.others().exclusions = append(l.others().exclusions, x)
	return err
}

// excluded takes one string or number.
func (p *parser) excluded(x *exclusion) error {
	if p.next() == '"' {
		s, err := p.string()
		x.strings = append(x.strings, s)
		return err
	}
	f, err := p.number()
	x.numbers = append(x.numbers, f)
	return err
}

func (p *parser) excludedList(x *exclusion) error {
	start := p.pos
	err := p.elements(func(int) error {
		if c := p.next(); c != '"' && !isNumber(c) {
			if c == '{' || c == '[' || isToken(c) {
				return p.fail(p.pos, excludedKinds)
			}
			return p.unexpected("a value")
		}
		return p.excluded(x)
	})
	if err != nil {
		return err
	}
	if (len(x.strings) == 0) == (len(x.numbers) == 0) {
		return p.fail(start, excludedMix)
	}
	return nil
}

// excludedExpression reads an operator and one string or a list of them.
func (p *parser) excludedExpression(x *exclusion) error {
	p.pos++
	if p.next() == '}' {
		return p.fail(p.pos, "Anything-But expression name not found")
	}
	operator, at, err := p.key()
	if err != nil {
		return err
	}
	var use func(string) string
	reason := excludedAffix
	switch operator {
	case "prefix":
		use = notEmpty(addBytes(&x.prefixes))
	case "suffix":
		use = notEmpty(addBytes(&x.suffixes))
	case "equals-ignore-case":
		use, reason = addBytes(&x.folded), excludedFold
	case "wildcard":
		use, reason = addWildcard(&x.wildcards), "wildcard match pattern must be a string"
	default:
		return p.fail(at, "Unsupported anything-but pattern: "+operator)
	}
	if err := p.oneOrMore(reason, use); err != nil {
		return err
	}
	p.leave()
	return p.closeObject(tooManyInRange)
}

func (p *parser) oneOrMore(reason string, use func(string) string) error {
	switch p.next() {
	case '{':
		return p.fail(p.pos, excludedValue)
	case '[':
	default:
		return p.argument(reason, use)
	}
	start := p.pos
	n := 0
	err := p.elements(func(int) error {
		n++
		return p.argument(reason, use)
	})
	if err == nil && n == 0 {
		return p.fail(start, "Empty arrays are not allowed")
	}
	return err
}

func notEmpty(use func(string) string) func(string) string {
	return func(s string) string {
		if s == "" {
			return "Null prefix/suffix not allowed"
		}
		return use(s)
	}
}

// identity tells wildcards apart: no part can hold the separator, which no
// valid UTF-8 has.
func (w wildcard) identity() string {
	return string(bytes.Join(w, []byte{0xff}))
}
