package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// GuardDuty rates Low from 1.0, Medium from 4.0, High from 7.0 and Critical from
// 9.0, to 10.0, in tenths. See
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html.
const (
	lowest, medium, high, critical, highest = 10, 40, 70, 90, 100 // in tenths
)

func tenths(n int) string {
	return strconv.FormatFloat(float64(n)/10, 'f', -1, 64)
}

// accepted are the severities that a leaf takes, in tenths.
func (l *linter) accepted(f *leaf, from, to int) []int {
	var all []int
	for n := from; n <= to; n++ {
		if f == nil || l.accepts(f, tenths(n)) {
			all = append(all, n)
		}
	}
	return all
}

func (l *linter) severityName() string {
	if l.over == Alerts {
		return "severity"
	}
	return "detail.severity"
}

// severities tells of patterns that leave findings out by their severity.
func severities(l *linter) {
	var missing []*leaf
	anyCritical := false
	for _, c := range l.combos {
		f := c.at(l.severityName())
		if l.over == Events && !l.about(c).findings {
			continue
		}
		switch {
		case len(l.accepted(f, critical, highest)) > 0:
			anyCritical = true
		case len(l.accepted(f, high, critical-1)) > 0 && l.mayBeCritical(c.at("detail.type")):
			missing = append(missing, f)
		}
		if f != nil {
			l.enumerated(f)
		}
	}
	if anyCritical {
		return
	}
	for _, f := range missing {
		from := numericFrom(l.accepted(f, lowest, highest)[0])
		switch {
		case listed(f):
			l.found = slices.DeleteFunc(l.found, func(d Diagnostic) bool { return d.Code == "enumerated-severities" && d.Offset == f.offset })
			l.say("cannot-match-critical", Error, f.place, "takes severities of High and none of Critical, which is 9.0 to 10.0", "write ["+from+"]")
		case l.over == Events && l.accepts(f, tenths(critical-1)) && !l.accepts(f, tenths(lowest)):
			// What takes the low ones too, or not all of High, is a window that is meant.
			l.say("stops-below-critical", Warning, f.place, "takes severities of High and none of Critical, which is 9.0 to 10.0", "write ["+from+"], unless another rule takes those")
		}
	}
}

func numericFrom(tenth int) string { return `{"numeric": [">=", ` + tenths(tenth) + "]}" }

// listed reports whether the numbers that a list takes are written one by one.
func listed(f *leaf) bool {
	numbers := false
	for _, a := range f.list.elements {
		if n, ok := a.is("numeric"); ok && (len(n.elements) == 0 || n.elements[0].text != "=") {
			return false
		}
		if _, ok := a.is("anything-but"); ok {
			return false
		}
		_, equal := a.is("numeric")
		numbers = numbers || equal || a.kind == isNumber
	}
	return numbers
}

// mayBeCritical reports whether a finding of a type that the leaf takes can be
// Critical. Where it takes no type that is known, nothing is known of it either.
func (l *linter) mayBeCritical(types *leaf) bool {
	if types == nil || l.open(types) {
		return true
	}
	none := true
	for _, t := range currentTypes {
		if l.takes(types, t) {
			none = false
			if strings.HasPrefix(t, "AttackSequence:") || strings.Contains(t, "MaliciousFile") || strings.Contains(t, "SuspiciousFile") {
				return true
			}
		}
	}
	return none
}

// enumerated tells of severities that are written one by one.
func (l *linter) enumerated(f *leaf) {
	if !listed(f) {
		return
	}
	taken := l.accepted(f, lowest, highest)
	if len(taken) == 0 || l.full() {
		return
	}
	first, last := taken[0], taken[len(taken)-1]
	same := fmt.Sprintf(`{"numeric": [">=", %s, "<=", %s]}`, tenths(first), tenths(last))
	if slices.Contains([]int{medium, high, critical}, last+1) {
		same = fmt.Sprintf(`{"numeric": [">=", %s, "<", %s]}`, tenths(first), tenths(last+1))
	}
	if last == highest || last >= critical {
		same = numericFrom(first)
	}
	message := "takes the severities that are listed and no other"
	if gaps := gapsIn(taken); len(gaps) > 0 {
		message += ": not " + list(gaps)
	}
	if first == last {
		same = levelOf(first)
	}
	l.say("enumerated-severities", Warning, f.place, message, "write ["+same+"]")
}

// levelOf is the range of the level that a severity is in.
func levelOf(tenth int) string {
	switch {
	case tenth >= critical:
		return numericFrom(critical)
	case tenth >= high:
		return numericFrom(high)
	case tenth >= medium:
		return fmt.Sprintf(`{"numeric": [">=", %s, "<", %s]}`, tenths(medium), tenths(high))
	}
	return fmt.Sprintf(`{"numeric": ["<", %s]}`, tenths(medium))
}

// gapsIn are the severities between those that are taken.
func gapsIn(taken []int) []string {
	var gaps []string
	for i := 1; i < len(taken); i++ {
		from, to := taken[i-1]+1, taken[i]-1
		switch {
		case from == to:
			gaps = append(gaps, tenths(from))
		case from < to:
			gaps = append(gaps, tenths(from)+" to "+tenths(to))
		}
	}
	return gaps
}

// severityInWords tells of a severity that is no number.
func (l *linter) severityInWords(f *leaf, a *node) {
	instead, named := map[string]string{
		"low": levelOf(lowest), "medium": levelOf(medium), "high": `{"numeric": [">=", 7, "<", 9]}`, "critical": levelOf(critical),
	}[strings.ToLower(strings.TrimSpace(a.text))]
	if named {
		l.say("severity-name", Error, a.place, "GuardDuty's severity is a number from 1.0 to 10.0: no finding has "+shown(a.text), "write "+instead)
		return
	}
	l.say("string-for-number", Error, a.place, f.name+" is a number, and no string is equal to a number", unquoted(a))
}
