package lint

import (
	_ "embed" // for the tables
	"encoding/json"
	"slices"
	"strings"
)

// A tree is what is known of the fields of an object.
type tree map[string]fieldInfo

type fieldInfo struct {
	kind  fieldKind
	below tree
}

type fieldKind string

// What the values of a field are. Arrays do not count, as in patterns.
const (
	kindString fieldKind = "string"
	kindNumber fieldKind = "number"
	kindBool   fieldKind = "boolean"
	kindScalar fieldKind = "scalar" // a string or a number
	kindObject fieldKind = "object"
	kindOpen   fieldKind = "open" // anything, and any field below it
)

//go:embed guardduty_fields.txt
var guardDutyFieldLines string

// guardDutyFields are the fields of a finding in an event's detail: a key a line,
// what is below it indented by a tab, and what its values are if it is no object.
// They are those of
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Finding.html, with
// what events have besides.
var guardDutyFields = readTree(guardDutyFieldLines)

func readTree(lines string) tree {
	root := tree{}
	above := []tree{root}
	for line := range strings.Lines(lines) {
		name := strings.TrimLeft(line, "\t")
		depth := len(line) - len(name)
		key, kind, _ := strings.Cut(strings.TrimSpace(name), " ")
		f := fieldInfo{kind: fieldKind(kind)}
		above = above[:depth+1]
		if kind == "" {
			f = fieldInfo{kind: kindObject, below: tree{}}
			above = append(above, f.below)
		}
		above[depth][key] = f
	}
	return root
}

// find follows a dotted path. It returns what is known of it, or the first key
// that is not known, the tree in which it is not, and the path above it.
func (t tree) find(path string) (f fieldInfo, unknown string, in tree, above string) {
	f = fieldInfo{kind: kindObject, below: t}
	for key := range strings.SplitSeq(path, ".") {
		if f.kind == kindOpen {
			return f, "", nil, ""
		}
		next, ok := f.below[key]
		if !ok {
			return f, key, f.below, above
		}
		f = next
		above = strings.TrimPrefix(above+"."+key, ".")
	}
	return f, "", nil, ""
}

// paths are the paths of all fields of a key, the shortest first.
func (t tree) paths(key, above string) []string {
	var all []string
	for name, f := range t {
		path := strings.TrimPrefix(above+"."+name, ".")
		if strings.EqualFold(name, key) {
			all = append(all, path)
		}
		all = append(all, f.below.paths(key, path)...)
	}
	slices.SortFunc(all, func(a, b string) int {
		if n := strings.Count(a, ".") - strings.Count(b, "."); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return all
}

func (t tree) keys() []string {
	all := make([]string, 0, len(t))
	for k := range t {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// about is what the events are that a combination is after.
type about struct {
	findings     bool // GuardDuty findings are among them, by name
	onlyFindings bool // nothing but what GuardDuty sends is
	calls        bool // nothing but what comes via CloudTrail is
}

// about tells what a combination is after.
func (l *linter) about(c combo) about {
	if l.over == Alerts {
		return about{}
	}
	key := [4]*leaf{c.at("source"), c.at("detail-type"), c.at("detail.type"), c.at("detail.severity")}
	a, known := l.abouts[key]
	if !known {
		a = l.after(key[0], key[1], key[2], key[3])
		l.abouts[key] = a
	}
	return a
}

// after judges by the source and the detail-type, and where neither is there by
// what findings alone have.
func (l *linter) after(src, typ, findingType, severity *leaf) about {
	a := about{calls: typ != nil && !l.open(typ)}
	takes := 0
	for _, d := range knownDetailTypes {
		if typ == nil || l.takes(typ, d) {
			takes++
			a.calls = a.calls && strings.HasSuffix(d, "via CloudTrail")
		}
	}
	a.calls = a.calls && takes > 0
	if !l.takes(src, guardDuty) || !l.takes(typ, finding) {
		return a
	}
	types := slices.ContainsFunc(findingType.strings(), func(n *node) bool { return findingTypeForm.MatchString(n.text) })
	rated := severity != nil && slices.ContainsFunc(severity.list.elements, func(n *node) bool { return valueKind(n) == kindNumber })
	neither := src == nil && typ == nil
	sourceNamed, typeNamed := src != nil && !l.open(src), typ != nil && !l.open(typ)
	a.findings = sourceNamed || typeNamed || types || neither && rated
	a.onlyFindings = sourceNamed && l.onlyTakes(src, guardDuty, knownSources) ||
		typeNamed && l.onlyTakes(typ, finding, knownDetailTypes) || neither && types
	return a
}

// onlyTakes reports whether a leaf takes one of the known words alone, and lists
// no word that is not known.
func (l *linter) onlyTakes(f *leaf, word string, known []string) bool {
	for _, k := range known {
		if k != word && l.takes(f, k) {
			return false
		}
	}
	return !slices.ContainsFunc(f.strings(), func(n *node) bool { return n.text != word && !slices.Contains(known, n.text) })
}

// field is what is known of a leaf of a combination: of a field of the envelope
// always, of one of the detail where it is known whose detail it is.
func (l *linter) field(f *leaf, a about) (fieldInfo, bool) {
	if l.over == Alerts {
		info, unknown, _, _ := alert.find(f.name)
		return info, unknown == ""
	}
	if f.name == "detail" {
		return fieldInfo{kind: kindObject}, true
	}
	below, isDetail := strings.CutPrefix(f.name, "detail.")
	var t tree
	switch {
	case !isDetail:
		info, unknown, _, _ := envelope.find(f.name)
		return info, unknown == ""
	case a.onlyFindings:
		t = guardDutyFields
	case a.calls:
		t = callFields
	default:
		return fieldInfo{}, false
	}
	info, unknown, _, _ := t.find(below)
	return info, unknown == ""
}

// valuesFit tells of values of a kind that a field never has.
func valuesFit(l *linter) {
	if l.over == Events && !l.hasEnvelope() {
		return
	}
	for _, c := range l.combos {
		a := l.about(c)
		for _, f := range c {
			if info, ok := l.field(f, a); ok {
				l.fit(f, info)
			}
		}
	}
}

// hasEnvelope reports whether the pattern asks for any field that tells an event
// from other documents. If not it may be for something else, such as the records
// of EventBridge Pipes.
func (l *linter) hasEnvelope() bool {
	return slices.ContainsFunc(l.leaves, func(f *leaf) bool {
		first, _, _ := strings.Cut(f.name, ".")
		return slices.Contains([]string{"source", "detail-type", "detail", "account", "region", "resources"}, first)
	})
}

func (l *linter) fit(f *leaf, info fieldInfo) {
	if l.full() {
		return
	}
	if info.kind == kindObject {
		instead := "ask for one of its fields"
		if key := info.below.likely(lastKey(f.name)); key != "" {
			instead += ", such as " + f.name + "." + key
		}
		l.say("object-path", Error, f.place, f.name+" is an object, which has no value of its own: "+l.effect(f), instead)
		return
	}
	for _, alternative := range f.list.elements {
		l.fitOne(f, alternative, info.kind)
	}
}

// likely is a key with a value of its own, one that tells the object called name
// from others if there is one: instanceId of instanceDetails.
func (t tree) likely(name string) string {
	best, shared := "", -1
	for _, k := range t.keys() {
		if kind := t[k].kind; kind == kindObject || kind == kindOpen {
			continue
		}
		n := 0
		for n < min(len(k), len(name)) && k[n] == name[n] {
			n++
		}
		if n > shared {
			best, shared = k, n
		}
	}
	return best
}

// fitOne tells of one alternative that no value of the kind can match.
func (l *linter) fitOne(f *leaf, a *node, want fieldKind) {
	got := valueKind(a)
	if got == "" || got == want || want == kindScalar && got != kindBool || want == kindOpen {
		return
	}
	isAccount := isAccountField(f.name)
	switch {
	case want == kindNumber && got == kindString:
		if last := lastKey(f.name); a.kind == isString && last == "severity" {
			l.severityInWords(f, a)
			return
		}
		l.say("string-for-number", Error, a.place, f.name+" is a number, and no string is equal to a number", unquoted(a))
	case want == kindString && got == kindNumber && isAccount && a.kind == isNumber:
		// accounts says it.
	case want == kindString && got == kindNumber:
		instead := "write a string"
		if a.kind == isNumber {
			instead = "write " + quote(a.text)
		}
		l.say("number-for-string", Error, a.place, f.name+" is a string, and no number is equal to a string", instead)
	case got == kindBool && want == kindString:
		l.say("wrong-type", Error, a.place, f.name+" is a string, and "+a.text+" without quotes is none", "write "+quote(a.text))
	case want == kindBool:
		instead := "write true or false without quotes"
		if a.text == "true" || a.text == "false" {
			instead = "write " + a.text + " without quotes"
		}
		l.say("wrong-type", Error, a.place, f.name+" is true or false, and nothing else is equal to them", instead)
	default:
		l.say("wrong-type", Error, a.place, f.name+" is a "+string(want)+", and this never equals one", "")
	}
}

// unquoted proposes the number in a string.
func unquoted(a *node) string {
	text := strings.TrimSpace(a.text)
	if a.kind == isString && json.Valid([]byte(text)) && (text[0] == '-' || '0' <= text[0] && text[0] <= '9') {
		return "write " + text + " without quotes"
	}
	return `write a number, or a range such as {"numeric": [">=", 4]}`
}

// valueKind is the kind of the values that an alternative takes, or "" if it takes
// several.
func valueKind(a *node) fieldKind {
	switch a.kind {
	case isString:
		return kindString
	case isNumber:
		return kindNumber
	case isBool:
		return kindBool
	case isObject:
		if len(a.members) != 1 {
			return ""
		}
		switch a.members[0].key {
		case "exactly", "prefix", "suffix", "equals-ignore-case", "wildcard", "cidr":
			return kindString
		case "numeric":
			return kindNumber
		}
	}
	return ""
}

// fieldsExist tells of fields that the events do not have.
func fieldsExist(l *linter) {
	if l.over == Alerts {
		return // the configuration refuses them
	}
	for _, c := range l.combos {
		a := l.about(c)
		for _, f := range c {
			if l.full() {
				return
			}
			l.exists(c, f, a)
		}
	}
}

func (l *linter) exists(c combo, f *leaf, a about) {
	first, _, _ := strings.Cut(f.name, ".")
	if below, isDetail := strings.CutPrefix(f.name, "detail."); isDetail {
		switch {
		case a.onlyFindings && c.at("detail-type") == nil && callFields.has(below):
		case a.onlyFindings:
			l.existsIn(f, below, guardDutyFields, "a GuardDuty finding")
		case a.calls:
			l.existsIn(f, below, callFields, "a CloudTrail call")
		}
		return
	}
	if info, ok := envelope[first]; ok {
		if info.kind != kindOpen && f.name != first {
			l.say("unknown-field", Error, f.place, first+" is a "+string(info.kind)+" and has no fields: "+l.effect(f), "")
		}
		return
	}
	near := nearest(first, envelope.keys())
	var under string
	for _, t := range []tree{guardDutyFields, callFields} {
		if _, ok := t[first]; ok && under == "" {
			under = "detail." + f.name
		}
	}
	severity := Error
	if !l.hasEnvelope() {
		severity = Warning
	}
	switch {
	case near != "":
		l.say("unknown-field", severity, f.place, "an event has no field "+shown(first)+": "+l.effect(f), "write "+quote(near))
	case under != "":
		l.say("unknown-field", severity, f.place, "an event has no field "+shown(first)+" of its own: "+l.effect(f), `put it under "detail": `+under)
	case l.hasEnvelope():
		l.say("unknown-field", Error, f.place, "an event has no field "+shown(first)+": "+l.effect(f), `what a service says itself is under "detail"`)
	}
}

func (t tree) has(path string) bool {
	_, unknown, _, _ := t.find(path)
	return unknown == ""
}

// effect is what a leaf over a field that is not there does.
func (l *linter) effect(f *leaf) string {
	if l.matches(l.small(l.raw(f.list)), "{}") {
		return "this is always true"
	}
	return "this never matches"
}

// existsIn tells of a field that is misspelt, or on another level than it is.
func (l *linter) existsIn(f *leaf, path string, known tree, whose string) {
	info, unknown, in, above := known.find(path)
	if unknown == "" {
		return
	}
	prefix := "detail."
	if above != "" {
		prefix += above + "."
	}
	switch near := nearest(unknown, in.keys()); {
	case info.kind != kindObject:
		l.say("unknown-field", Error, f.place, strings.TrimSuffix(prefix, ".")+" is a "+string(info.kind)+" and has no fields: "+l.effect(f), "")
	case near != "":
		severity := Warning // it may have come since
		if plain(near) == plain(unknown) {
			severity = Error
		}
		l.say("unknown-field", severity, f.place, whose+" has no "+prefix+unknown+": "+l.effect(f), "write "+quote(near))
	default:
		if elsewhere := known.paths(unknown, ""); len(elsewhere) > 0 {
			l.say("unknown-field", Warning, f.place, whose+" has no "+prefix+unknown+" that is known here", "it has detail."+elsewhere[0])
		}
	}
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
