package pattern

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A lookup finds all checks of a field that a string passes, in one go.
type lookup struct {
	strings  map[string][]int32
	folded   map[string][]int32
	prefixes affixes
	suffixes affixes // reversed
	foldedPre,
	foldedSuf affixes
	addresses affixes // of bits
}

// Affixes are strings that others may begin with.
type affixes struct {
	sorted []affix
	byText map[string]int // until it is finished
}

// An affix is a beginning, the checks that want it, and the longest other one that
// it begins with itself, or -1.
type affix struct {
	text   string
	within int32
	checks []int32
}

// canBeLookedUp tells whether strings alone decide the list, and a lookup can find them.
func (l *list) canBeLookedUp() bool {
	m := l.more
	return m != nil && l.kinds == 0 && len(l.numbers) == 0 && !l.absent &&
		len(m.tokens) == 0 && len(m.intervals) == 0 && len(m.wildcards) == 0 && len(m.exclusions) == 0
}

func newLookup() *lookup {
	return &lookup{strings: map[string][]int32{}, folded: map[string][]int32{}}
}

// add makes the lookup find a check.
func (x *lookup) add(l *list, check int32) {
	for _, s := range l.strings {
		x.strings[s] = append(x.strings[s], check)
	}
	m := l.more
	for _, s := range m.folded {
		f := string(appendFolded(nil, s))
		x.folded[f] = append(x.folded[f], check)
	}
	for _, s := range m.prefixes {
		x.prefixes.add(string(s), check)
	}
	for _, s := range m.suffixes {
		x.suffixes.add(string(appendReversed(nil, s)), check)
	}
	for _, s := range m.foldedPre {
		x.foldedPre.add(string(appendFolded(nil, s)), check)
	}
	for _, s := range m.foldedSuf {
		x.foldedSuf.add(string(appendReversed(nil, appendFolded(nil, s))), check)
	}
	for _, r := range m.addresses {
		x.addresses.add(string(r.base.appendBits(nil, r.bits())), check)
	}
}

func (x *lookup) finish() {
	for _, a := range []*affixes{&x.prefixes, &x.suffixes, &x.foldedPre, &x.foldedSuf, &x.addresses} {
		a.finish()
	}
}

func (a *affixes) add(text string, check int32) {
	if a.byText == nil {
		a.byText = map[string]int{}
	}
	at, ok := a.byText[text]
	if !ok {
		at = len(a.sorted)
		a.byText[text] = at
		a.sorted = append(a.sorted, affix{text: text, within: -1})
	}
	a.sorted[at].checks = append(a.sorted[at].checks, check)
}

// finish sorts them, which puts every affix after all that it begins with.
func (a *affixes) finish() {
	a.byText = nil
	slices.SortFunc(a.sorted, func(x, y affix) int { return cmp.Compare(x.text, y.text) })
	for i := 1; i < len(a.sorted); i++ {
		within := int32(i - 1)
		for within >= 0 && !strings.HasPrefix(a.sorted[i].text, a.sorted[within].text) {
			within = a.sorted[within].within
		}
		a.sorted[i].within = within
	}
}

// longest returns the longest of them that s begins with, or -1; the others are
// those within it. Any affix of s sorts before s, and whatever sorts between the
// two begins with that affix as well: so it is found from the last one before s.
func (a *affixes) longest(s []byte) int32 {
	low, high := 0, len(a.sorted)
	for low < high {
		if mid := (low + high) / 2; a.sorted[mid].text <= string(s) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	at := int32(low - 1)
	for at >= 0 && (len(s) < len(a.sorted[at].text) || string(s[:len(a.sorted[at].text)]) != a.sorted[at].text) {
		at = a.sorted[at].within
	}
	return at
}

// lookUp finds the checks that a string leaf passes.
func (s *scratch) lookUp(x *lookup, v *leaf) {
	if len(x.strings) > 0 {
		s.pass(x.strings[string(v.text)])
	}
	s.passAll(&x.prefixes, v.text)
	if len(x.suffixes.sorted) > 0 {
		s.spelling = appendReversed(s.spelling[:0], v.text)
		s.passAll(&x.suffixes, s.spelling)
	}
	if len(x.addresses.sorted) > 0 {
		if a, ok := v.address(); ok {
			s.spelling = a.appendBits(s.spelling[:0], 128)
			s.passAll(&x.addresses, s.spelling)
		}
	}
	if len(x.folded) == 0 && len(x.foldedPre.sorted) == 0 && len(x.foldedSuf.sorted) == 0 {
		return
	}
	s.spelling = appendFolded(s.spelling[:0], v.text)
	s.pass(x.folded[string(s.spelling)])
	s.passAll(&x.foldedPre, s.spelling)
	if len(x.foldedSuf.sorted) > 0 {
		slices.Reverse(s.spelling)
		s.passAll(&x.foldedSuf, s.spelling)
	}
}

func (s *scratch) passAll(a *affixes, text []byte) {
	for at := a.longest(text); at >= 0; at = a.sorted[at].within {
		s.pass(a.sorted[at].checks)
	}
}

func (s *scratch) pass(checks []int32) {
	for _, id := range checks {
		s.verdicts[id] = s.turn + uint32(yes)
	}
}

func appendReversed(dst, s []byte) []byte {
	start := len(dst)
	dst = append(dst, s...)
	slices.Reverse(dst[start:])
	return dst
}

// appendFolded appends s so that two strings are equal afterwards if they were
// equal before but for case: every letter as the first of those it may be
// exchanged with. What is not UTF-8 becomes U+FFFD, as [bytes.EqualFold] has it.
func appendFolded(dst, s []byte) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i, c := range dst[start:] {
		if c >= utf8.RuneSelf {
			return appendFoldedRunes(dst[:start+i], s[i:])
		}
		if c-'a' <= 'z'-'a' {
			dst[start+i] = c - ('a' - 'A')
		}
	}
	return dst
}

func appendFoldedRunes(dst, s []byte) []byte {
	for len(s) > 0 {
		r, size := utf8.DecodeRune(s)
		first := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			first = min(first, other)
		}
		dst = utf8.AppendRune(dst, first)
		s = s[size:]
	}
	return dst
}
