package lint

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

func compact(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text // cannot be: it was parsed
	}
	return b.Bytes()
}

// duplicateKeys tells of objects that are written in two pieces.
func duplicateKeys(l *linter) {
	var walk func(n *node)
	walk = func(n *node) {
		first := map[string]member{}
		for _, m := range n.members {
			if f, twice := first[m.key]; twice && f.value.kind == isObject && m.value.kind == isObject {
				l.say("duplicate-key", Warning, m.place, shown(m.key)+" is there twice; EventBridge puts the two together, other readers of JSON keep the last", "write them as one")
			} else if !twice {
				first[m.key] = m
			}
			walk(m.value)
		}
		for _, e := range n.elements {
			walk(e)
		}
	}
	walk(l.root)
}

// overridden tells of lists that do not count because a later one is for the same
// field.
func overridden(l *linter) {
	for _, o := range l.overrides {
		same := string(compact([]byte(l.raw(o.old.list)))) == string(compact([]byte(l.raw(o.by.list))))
		switch {
		case same:
		case o.old.in == 0:
			l.say("overridden-list", Error, o.old.place, "this list counts for nothing: a later one for "+o.old.name+" replaces it", "put both in one list if any of them will do; a field cannot be asked for both")
		default:
			l.say("overridden-in-or", Warning, o.by.place, "in this branch of $or the list replaces the earlier one for "+o.by.name+": they are not both asked for", "write the earlier list in the other branches only")
		}
	}
}

// excludesNothing tells of lists in which one alternative takes what another
// excludes.
func excludesNothing(l *linter) {
	for _, f := range l.leaves {
		if len(f.list.elements) < 2 {
			continue
		}
		var first *node
		var excluded []string
		for _, a := range f.list.elements {
			if argument, ok := a.is("anything-but"); ok {
				if first == nil {
					first = a
				}
				excluded = append(excluded, samples(argument)...)
			}
		}
		if first == nil || slices.ContainsFunc(excluded, func(v string) bool { return !l.full() && !l.accepts(f, v) }) {
			continue
		}
		l.say("excludes-nothing", Error, first.place, "alternatives are joined by or, and what one excludes another takes: nothing is excluded", exclusionOfAll(f, l))
	}
}

// samples are values that an argument of anything-but excludes, as JSON.
func samples(argument *node) []string {
	switch argument.kind {
	case isString:
		return []string{quote(argument.text)}
	case isNumber:
		return []string{argument.text}
	case isArray:
		var all []string
		for _, e := range argument.elements {
			all = append(all, samples(e)...)
		}
		return all
	}
	var all []string
	for _, m := range argument.members {
		if m.key != "wildcard" {
			all = append(all, samples(m.value)...)
			continue
		}
		for _, w := range append(m.value.elements, m.value) {
			if w.kind == isString {
				all = append(all, quote(unescaped(strings.Join(stars(w.text), ""))))
			}
		}
	}
	return all
}

// exclusionOfAll is one anything-but for several plain ones.
func exclusionOfAll(f *leaf, l *linter) string {
	var values []string
	for _, a := range f.list.elements {
		argument, ok := a.is("anything-but")
		if !ok || argument.kind == isObject {
			return "write one anything-but with a list"
		}
		for _, e := range append(argument.elements, argument) {
			if e.kind == isString || e.kind == isNumber {
				values = append(values, l.raw(e))
			}
		}
	}
	return `write [{"anything-but": [` + strings.Join(values, ", ") + `]}]`
}

// clumsy tells of operators where a simpler one says the same.
func clumsy(l *linter) {
	for _, f := range l.leaves {
		for _, a := range f.list.elements {
			if l.full() {
				return
			}
			l.operator(f, a)
		}
	}
}

func (l *linter) operator(f *leaf, a *node) {
	if w, ok := a.is("wildcard"); ok {
		if simple := simpler(w.text); simple != "" {
			l.say("needless-wildcard", Warning, a.place, "a wildcard is more than this needs", "write "+simple)
		}
		return
	}
	if argument, ok := a.is("anything-but"); ok {
		if w, ok := argument.is("wildcard"); ok && w.kind == isString {
			if simple := simpler(w.text); simple != "" && strings.Trim(w.text, "*") != "" {
				l.say("needless-wildcard", Warning, a.place, "a wildcard is more than this needs", `write {"anything-but": `+simple+"}")
			}
		}
		return
	}
	if anyString(a) {
		if _, ofEnvelope := envelope[f.name]; !ofEnvelope { // there tooBroad has the word
			l.say("any-string", Warning, a.place, "every string begins and ends with the empty one", `write {"exists": true} if it only has to be there`)
		}
		return
	}
	if s, ok := a.is("equals-ignore-case"); ok && l.over == Events {
		for _, known := range enumerated(f.name) {
			if strings.EqualFold(known, s.text) {
				l.say("needless-ignore-case", Warning, a.place, "AWS has one spelling of it", "write "+quote(known))
				return
			}
		}
	}
}

// enumerated are the values of a field that are known, for fields of which AWS has
// a list.
func enumerated(name string) []string {
	switch name {
	case "source":
		return knownSources
	case "detail-type":
		return knownDetailTypes
	case "region":
		return regions
	case "detail.type":
		return currentTypes
	}
	return nil
}

// anyString reports whether an alternative takes every string: an empty prefix or
// suffix, or a star.
func anyString(a *node) bool {
	for _, operator := range []string{"prefix", "suffix"} {
		argument, ok := a.is(operator)
		if !ok {
			continue
		}
		if folded, ok := argument.is("equals-ignore-case"); ok {
			argument = folded
		}
		return argument.text == "" && argument.kind == isString
	}
	w, ok := a.is("wildcard")
	return ok && w.text == "*"
}

// stars splits a wildcard at its stars; what is escaped stays so.
func stars(w string) []string {
	parts := []string{""}
	for i := 0; i < len(w); i++ {
		last := &parts[len(parts)-1]
		switch {
		case w[i] == '*':
			parts = append(parts, "")
		case w[i] == '\\' && i+1 < len(w):
			*last += w[i : i+2]
			i++
		default:
			*last += w[i : i+1]
		}
	}
	return parts
}

func unescaped(part string) string {
	return strings.NewReplacer(`\*`, "*", `\\`, `\`).Replace(part)
}

// simpler is the operator that says the same as a wildcard, or "".
func simpler(w string) string {
	parts := stars(w)
	switch {
	case len(parts) == 1:
		return quote(unescaped(w))
	case w == "*":
		return `{"exists": true}, if it need not be a string`
	case len(parts) == 2 && parts[1] == "":
		return `{"prefix": ` + quote(unescaped(parts[0])) + "}"
	case len(parts) == 2 && parts[0] == "":
		return `{"suffix": ` + quote(unescaped(parts[1])) + "}"
	}
	return ""
}

// literals tells of strings that are compared as they are written and look as if
// they were meant otherwise, and of ARNs that are wrong.
func literals(l *linter) {
	for _, f := range l.leaves {
		for _, a := range f.list.elements {
			if l.full() {
				return
			}
			for _, s := range plainStrings(a) {
				l.star(f, s)
				l.address(f, s)
			}
			for _, s := range allStrings(a) {
				l.arn(s)
			}
		}
	}
}

// plainStrings are those that a value is equal to, or must not be.
func plainStrings(a *node) []*node {
	if argument, ok := a.is("exactly"); ok {
		a = argument
	}
	if argument, ok := a.is("anything-but"); ok {
		a = argument
	}
	switch a.kind {
	case isString:
		return []*node{a}
	case isArray:
		return a.elements
	}
	return nil
}

func allStrings(a *node) []*node {
	if a.kind == isString {
		return []*node{a}
	}
	var all []*node
	for _, e := range a.elements {
		all = append(all, allStrings(e)...)
	}
	for _, m := range a.members {
		all = append(all, allStrings(m.value)...)
	}
	return all
}

var severalStars = lazyregexp.New(`\*{2,}`)

// star tells of a * outside of a wildcard.
func (l *linter) star(f *leaf, s *node) {
	if s.kind != isString || !strings.Contains(s.text, "*") {
		return
	}
	_, certain := envelope[f.name]
	certain = l.over == Events && (certain || l.onlyTypes(f))
	if len(s.text) == 1 && !certain {
		return // it may well be meant
	}
	severity := Warning
	if certain {
		severity = Error
	}
	instead := simpler(s.text)
	if instead == "" || !strings.HasPrefix(instead, "{") || strings.Contains(s.text, "**") {
		instead = `{"wildcard": ` + quote(severalStars.ReplaceAllString(s.text, "*")) + "}"
	}
	l.say("literal-star", severity, s.place, "outside of a wildcard * is only a star: "+shown(s.text)+" is compared as it is written", "write "+instead)
}

// addressKeys are fields that hold one IP address.
var addressKeys = []string{"sourceIPAddress", "ipAddressV4", "ipAddressV6", "privateIpAddress", "publicIp", "ip"}

// address tells of a range of addresses that is compared as text.
func (l *linter) address(f *leaf, s *node) {
	if s.kind != isString || !slices.Contains(addressKeys, lastKey(f.name)) {
		return
	}
	if r, err := netip.ParsePrefix(s.text); err == nil {
		instead := `write {"cidr": ` + quote(s.text) + "}"
		if r.IsSingleIP() {
			instead = "write " + quote(r.Addr().String())
		}
		l.say("literal-cidr", Error, s.place, "outside of cidr a range is only text: no address is equal to "+shown(s.text), instead)
	}
}

// arn tells of an ARN whose account and region are swapped.
func (l *linter) arn(s *node) {
	parts := strings.SplitN(s.text, ":", 6)
	if len(parts) < 5 || parts[0] != "arn" {
		return
	}
	region, account := parts[3], parts[4]
	switch {
	case accountForm.MatchString(region) && (regionForm.MatchString(account) || account == ""),
		regionForm.MatchString(account) && (region == "" || accountForm.MatchString(region)):
		parts[3], parts[4] = account, region
		l.say("arn-order", Error, s.place, "in an ARN the region is before the account", "write "+quote(strings.Join(parts, ":")))
	case account != "" && strings.Trim(account, "0123456789") == "" && len(account) != 12 && len(parts) == 6:
		l.say("account-id", Error, s.place, "account id "+shown(account)+" in the ARN has not 12 digits", "")
	}
}
