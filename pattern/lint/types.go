package lint

import (
	_ "embed" // for the table
	"maps"
	"slices"
	"strings"
)

//go:embed finding_types.txt
var findingTypeLines string

// The types are those of
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-active.html.
// formerTypes are finding types that GuardDuty does not use any more, with the
// name that they have now, or "". currentTypes are the others, sorted.
var currentTypes, formerTypes = readTypes(findingTypeLines)

// readTypes reads a type a line, with "retired" after it or its new name.
func readTypes(lines string) (current []string, former map[string]string) {
	former = map[string]string{}
	for line := range strings.Lines(lines) {
		name, now, old := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case !old:
			current = append(current, name)
		case now == "retired":
			former[name] = ""
		default:
			former[name] = now
		}
	}
	slices.Sort(current)
	return current, former
}

// findingTypes tells of types that no finding has.
func findingTypes(l *linter) {
	for _, f := range l.leaves {
		if !l.onlyTypes(f) {
			continue
		}
		for _, a := range f.list.elements {
			if l.full() {
				return
			}
			l.findingType(a)
		}
	}
}

// onlyTypes reports whether a leaf is about finding types.
func (l *linter) onlyTypes(f *leaf) bool {
	if l.over == Alerts {
		return f.name == "type"
	}
	return f.name == "detail.type" && f.in > 0 && !slices.ContainsFunc(l.combos, func(c combo) bool {
		return slices.Contains(c, f) && !l.about(c).onlyFindings
	})
}

func (l *linter) findingType(a *node) {
	if exactly, ok := a.is("exactly"); ok {
		a = exactly
	}
	if a.kind == isString {
		l.exactType(a)
		return
	}
	argument, start := a.is("prefix")
	excluded, isExclusion := a.is("anything-but")
	switch {
	case isExclusion && excluded.kind == isString:
		l.exactType(excluded)
		return
	case isExclusion && excluded.kind == isArray:
		for _, e := range excluded.elements {
			l.exactType(e)
		}
		return
	case isExclusion || valueKind(a) != kindString:
		return
	}
	if l.over == Alerts && (!start || !strings.Contains(argument.text, ":")) {
		return // alerts are about other events too
	}
	p := l.small("[" + l.raw(a) + "]")
	known := func(t string) bool { return l.matches(p, quote(t)) }
	if slices.ContainsFunc(currentTypes, known) {
		return
	}
	for _, former := range slices.Sorted(maps.Keys(formerTypes)) {
		if known(former) {
			l.former(a, former, formerTypes[former])
			return
		}
	}
	instead := ""
	if start {
		if near := nearest(argument.text, beginnings(argument.text)); near != "" {
			instead = `write {"prefix": ` + quote(near) + "}"
		}
	}
	severity := Warning
	if instead != "" {
		severity = Error
	}
	l.say("unknown-finding-type", severity, a.place, "no finding type that is known here matches this", instead)
}

// beginnings are the beginnings of the types that have as many separators as s.
func beginnings(s string) []string {
	var all []string
	for _, t := range currentTypes {
		end := 0
		for range strings.Count(s, ":") + strings.Count(s, "/") {
			next := strings.IndexAny(t[end:], ":/")
			if next < 0 {
				break
			}
			end += next + 1
		}
		if end == 0 || !strings.HasSuffix(s, t[end-1:end]) {
			end = min(len(t), max(end, len(s)))
		}
		if !slices.Contains(all, t[:end]) {
			all = append(all, t[:end])
		}
	}
	return all
}

func (l *linter) exactType(s *node) {
	if s.kind != isString || slices.Contains(currentTypes, s.text) || strings.Contains(s.text, "*") {
		return
	}
	if l.over == Alerts && !findingTypeForm.MatchString(s.text) {
		return // alerts are about other events too
	}
	if now, ok := formerTypes[s.text]; ok {
		l.former(s, s.text, now)
		return
	}
	near := nearest(s.text, currentTypes)
	begins := func(t string) bool { return s.text != "" && strings.HasPrefix(t, s.text) }
	switch i := slices.IndexFunc(currentTypes, begins); {
	case i >= 0 && strings.ContainsAny(s.text, ":/"):
		l.say("unknown-finding-type", Error, s.place, "no finding type is "+shown(s.text)+" and nothing more: this never matches", `write {"prefix": `+quote(s.text)+"}")
	case near != "":
		severity, instead := Warning, "the nearest is "+quote(near) // it may have come since
		if plain(near) == plain(s.text) {
			severity, instead = Error, "write "+quote(near)
		}
		l.say("unknown-finding-type", severity, s.place, "no finding type "+shown(s.text)+" is known here", instead)
	case !findingTypeForm.MatchString(s.text):
		l.say("unknown-finding-type", Error, s.place, shown(s.text)+" has not the form of a finding type, such as Recon:EC2/PortProbeUnprotectedPort", "")
	default:
		l.say("unknown-finding-type", Warning, s.place, "no finding type "+shown(s.text)+" is known here", "")
	}
}

func (l *linter) former(a *node, name, now string) {
	instead := "take it out"
	if now != "" {
		instead = "write " + quote(now)
	}
	l.say("retired-finding-type", Warning, a.place, "GuardDuty does not use the type "+name+" any more", instead)
}

// FindingTypes are the types of GuardDuty findings that are known here, sorted,
// those that are not used any more among them.
func FindingTypes() []string {
	return slices.Sorted(slices.Values(slices.Concat(currentTypes, slices.Collect(maps.Keys(formerTypes)))))
}
