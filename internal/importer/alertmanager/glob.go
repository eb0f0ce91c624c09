package alertmanager

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// A glob is what a regular expression comes to where an event pattern can say it:
// texts with any run of characters between them. ["prod-", ""] is prod-.*, and
// ["prod"] is prod alone.
type glob struct {
	texts []string
	fold  bool // whatever the case of its letters
	// plus says that there is something between its two texts: prod-.+
	plus bool
}

func literal(text string) glob { return glob{texts: []string{text}} }

var anything = glob{texts: []string{"", ""}}

func (g glob) isLiteral() bool  { return len(g.texts) == 1 }
func (g glob) isAnything() bool { return len(g.texts) > 1 && strings.Join(g.texts, "") == "" }
func (g glob) isEmpty() bool    { return len(g.texts) == 1 && g.texts[0] == "" }

func (g glob) equal(other glob) bool {
	return g.fold == other.fold && slices.Equal(g.texts, other.texts)
}

// then is one glob behind another. ok is false where only one of them minds the
// case of letters, or where a gap must not be empty and there is another one, or
// the case of letters does not matter.
func (g glob) then(next glob) (_ glob, ok bool) {
	ok = g.fold == next.fold || g.fold && next.caseless() || next.fold && g.caseless()
	if (g.plus || next.plus) && (len(g.texts)+len(next.texts) > len(anything.texts)+1 || g.fold || next.fold) {
		ok = false
	}
	texts := slices.Clone(g.texts)
	texts[len(texts)-1] += next.texts[0]
	texts = append(texts, next.texts[1:]...)
	// Two stars side by side are one.
	for i := len(texts) - 2; i > 0; i-- {
		if texts[i] == "" {
			texts = slices.Delete(texts, i, i+1)
		}
	}
	return glob{texts, g.fold || next.fold, g.plus || next.plus}, ok
}

// caseless reports whether the glob has no letter whose case could matter.
func (g glob) caseless() bool {
	text := strings.Join(g.texts, "")
	return strings.ToLower(text) == strings.ToUpper(text)
}

// most is how many alternatives a regular expression may come to.
const most = 200

// globs are what the regular expression matches, as alternatives. Where exact is
// false they match more than it does. Values of several lines are left aside: a dot
// does not match a line break, and a star does.
func globs(re string) (all []glob, exact bool) {
	parsed, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return []glob{anything}, false
	}
	all, exact = expand(bare(parsed))
	var once []glob
	for _, g := range all {
		if !slices.ContainsFunc(once, g.equal) {
			once = append(once, g)
		}
	}
	return once, exact
}

// bare takes away anchors at the ends: everything is anchored.
func bare(re *syntax.Regexp) *syntax.Regexp {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	isBegin := func(r *syntax.Regexp) bool { return r.Op == syntax.OpBeginText || r.Op == syntax.OpBeginLine }
	isEnd := func(r *syntax.Regexp) bool { return r.Op == syntax.OpEndText || r.Op == syntax.OpEndLine }
	if isBegin(re) || isEnd(re) {
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	if re.Op != syntax.OpConcat {
		return re
	}
	sub := re.Sub
	for len(sub) > 0 && isBegin(sub[0]) {
		sub = sub[1:]
	}
	for len(sub) > 0 && isEnd(sub[len(sub)-1]) {
		sub = sub[:len(sub)-1]
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: sub}
}

func expand(re *syntax.Regexp) (all []glob, exact bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []glob{literal("")}, true
	case syntax.OpNoMatch:
		return nil, true
	case syntax.OpLiteral:
		g := literal(string(re.Rune))
		g.fold = re.Flags&syntax.FoldCase != 0 && !g.caseless()
		return []glob{g}, true
	case syntax.OpCharClass:
		return class(re.Rune)
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpStar:
		if inner := re.Sub[0].Op; inner == syntax.OpAnyCharNotNL || inner == syntax.OpAnyChar {
			return []glob{anything}, true
		}
	case syntax.OpPlus:
		if inner := re.Sub[0].Op; inner == syntax.OpAnyCharNotNL || inner == syntax.OpAnyChar {
			return []glob{{texts: anything.texts, plus: true}}, true
		}
	case syntax.OpQuest:
		all, exact = expand(re.Sub[0])
		return append([]glob{literal("")}, all...), exact
	case syntax.OpRepeat:
		return repeat(re)
	case syntax.OpAlternate:
		exact = true
		for _, sub := range re.Sub {
			more, ok := expand(sub)
			all, exact = append(all, more...), exact && ok
		}
		if len(all) > most {
			return []glob{anything}, false
		}
		return all, exact
	case syntax.OpConcat:
		return concat(re.Sub)
	}
	return []glob{anything}, false
}

// class are the characters of a class, if they are few.
func class(ranges []rune) (all []glob, exact bool) {
	const few = 20
	n := 0
	for i := 0; i+1 < len(ranges); i += 2 {
		if n += int(ranges[i+1]-ranges[i]) + 1; n > few {
			return []glob{anything}, false
		}
	}
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if !utf8.ValidRune(r) {
				return []glob{anything}, false
			}
			all = append(all, literal(string(r)))
		}
	}
	return all, true
}

func repeat(re *syntax.Regexp) (all []glob, exact bool) {
	const few = 8
	if re.Max < 0 || re.Max > few {
		return []glob{anything}, false
	}
	exact = true
	for n := re.Min; n <= re.Max; n++ {
		subs := make([]*syntax.Regexp, n)
		for i := range subs {
			subs[i] = re.Sub[0]
		}
		more, ok := concat(subs)
		all, exact = append(all, more...), exact && ok
	}
	if len(all) > most {
		return []glob{anything}, false
	}
	return all, exact
}

func concat(subs []*syntax.Regexp) (all []glob, exact bool) {
	all, exact = []glob{literal("")}, true
	for _, sub := range subs {
		next, ok := expand(sub)
		exact = exact && ok
		if len(all)*len(next) > most {
			next, exact = []glob{anything}, false
		}
		var longer []glob
		for _, g := range all {
			for _, n := range next {
				joined, ok := g.then(n)
				if !ok {
					joined, exact = anything, false
				}
				longer = append(longer, joined)
			}
		}
		all = longer
	}
	return all, exact
}
