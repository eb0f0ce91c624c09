package pattern

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A lookup finds the postings of a string that exact comparison does not find:
// of what it begins or ends with, of what it is but for case, of the ranges that
// it is an address in.
type lookup struct {
	strings  map[string]int32
	folded   map[string]int32
	prefixes affixes
	suffixes affixes // reversed
	foldedPre,
	foldedSuf affixes
	addresses affixes // of bits
}

// Affixes are strings that others may begin with.
type affixes []affix

// An affix is a beginning, its posting, and the longest other one that it begins
// with itself, or none.
type affix struct {
	text    string
	posting int32
	within  int32
}

// canBeLookedUp tells whether strings alone decide the list, and a lookup can find them.
func (l *list) canBeLookedUp() bool {
	m := l.more
	return m != nil && l.kinds == 0 && len(l.numbers) == 0 && !l.absent &&
		len(m.tokens) == 0 && len(m.intervals) == 0 && len(m.wildcards) == 0 && len(m.exclusions) == 0
}

// lookedUp returns what a lookup of the list's field has to find for it.
func (l *list) lookedUp() []term {
	if !l.canBeLookedUp() {
		return nil
	}
	var all []term
	add := func(about about, text []byte) { all = append(all, term{about: about, text: string(text)}) }
	for _, s := range l.strings {
		add(aboutLookedUp, []byte(s))
	}
	for _, s := range l.more.folded {
		add(aboutFolded, appendFolded(nil, s))
	}
	for _, s := range l.more.prefixes {
		add(aboutPrefix, s)
	}
	for _, s := range l.more.suffixes {
		add(aboutSuffix, appendReversed(nil, s))
	}
	for _, s := range l.more.foldedPre {
		add(aboutFoldedPrefix, appendFolded(nil, s))
	}
	for _, s := range l.more.foldedSuf {
		add(aboutFoldedSuffix, appendReversed(nil, appendFolded(nil, s)))
	}
	for _, r := range l.more.addresses {
		add(aboutAddress, r.base.appendBits(nil, r.bits()))
	}
	return all
}

// add makes the lookup find a posting.
func (x *lookup) add(t term, posting int32) {
	a := affix{text: t.text, posting: posting, within: none}
	switch t.about {
	case aboutLookedUp:
		x.strings[t.text] = posting
	case aboutFolded:
		x.folded[t.text] = posting
	case aboutPrefix:
		x.prefixes = append(x.prefixes, a)
	case aboutSuffix:
		x.suffixes = append(x.suffixes, a)
	case aboutFoldedPrefix:
		x.foldedPre = append(x.foldedPre, a)
	case aboutFoldedSuffix:
		x.foldedSuf = append(x.foldedSuf, a)
	case aboutAddress:
		x.addresses = append(x.addresses, a)
	}
}

func (x *lookup) finish() {
	for _, a := range []affixes{x.prefixes, x.suffixes, x.foldedPre, x.foldedSuf, x.addresses} {
		a.finish()
	}
}

// finish sorts them, which puts every affix after all that it begins with.
func (a affixes) finish() {
	slices.SortFunc(a, func(x, y affix) int { return cmp.Compare(x.text, y.text) })
	for i := 1; i < len(a); i++ {
		within := int32(i - 1)
		for within != none && !strings.HasPrefix(a[i].text, a[within].text) {
			within = a[within].within
		}
		a[i].within = within
	}
}

// longest returns the longest of them that s begins with, or none; the others are
// those within it. Any affix of s sorts before s, and whatever sorts between the
// two begins with that affix as well: so it is found from the last one before s.
func (a affixes) longest(s []byte) int32 {
	at := int32(sort.Search(len(a), func(i int) bool { return a[i].text > string(s) })) - 1
	for at != none && (len(s) < len(a[at].text) || string(s[:len(a[at].text)]) != a[at].text) {
		at = a[at].within
	}
	return at
}

// lookUp marks what a string leaf satisfies in s.sure.
func (m *machine) lookUp(s *scratch, x *lookup, v *leaf) {
	if len(x.strings) > 0 {
		if p, ok := x.strings[string(v.text)]; ok {
			m.mark(s, s.sure, p)
		}
	}
	m.lookUpAll(s, x.prefixes, v.text)
	if len(x.suffixes) > 0 {
		s.spelling = appendReversed(s.spelling[:0], v.text)
		m.lookUpAll(s, x.suffixes, s.spelling)
	}
	if len(x.addresses) > 0 {
		if a, ok := v.address(); ok {
			s.spelling = a.appendBits(s.spelling[:0], 128)
			m.lookUpAll(s, x.addresses, s.spelling)
		}
	}
	if len(x.folded) == 0 && len(x.foldedPre) == 0 && len(x.foldedSuf) == 0 {
		return
	}
	s.spelling = appendFolded(s.spelling[:0], v.text)
	if p, ok := x.folded[string(s.spelling)]; ok {
		m.mark(s, s.sure, p)
	}
	m.lookUpAll(s, x.foldedPre, s.spelling)
	if len(x.foldedSuf) > 0 {
		slices.Reverse(s.spelling)
		m.lookUpAll(s, x.foldedSuf, s.spelling)
	}
}

func (m *machine) lookUpAll(s *scratch, a affixes, text []byte) {
	for at := a.longest(text); at != none; at = a[at].within {
		m.mark(s, s.sure, a[at].posting)
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
