package pattern

import (
	"bytes"
	"slices"
	"sort"
	"unicode/utf8"
)

// A list is one leaf of a pattern: the alternatives a field may have. It does
// not change once it is parsed.
type list struct {
	text string // as written

	strings []string  // sorted
	numbers []float64 // sorted
	kinds   kinds     // of the leaves that match whatever they say; all of them for {"exists": true}
	absent  bool      // {"exists": false}

	more *alternatives // nil when there are no others
}

// Alternatives are those that are more than a value, its kind, or its absence.
type alternatives struct {
	tokens     [][]byte // spellings of numbers that cannot be compared
	intervals  []interval
	addresses  []prefixRange
	prefixes   [][]byte
	suffixes   [][]byte
	folded     [][]byte // equals-ignore-case
	foldedPre  [][]byte // prefix with equals-ignore-case
	foldedSuf  [][]byte // suffix with equals-ignore-case
	wildcards  []wildcard
	exclusions []exclusion
}

// An exclusion is one anything-but. It matches every leaf it does not name, of
// whatever kind.
type exclusion struct {
	strings   []string  // sorted
	numbers   []float64 // sorted
	prefixes  [][]byte
	suffixes  [][]byte
	folded    [][]byte
	wildcards []wildcard
}

// kinds is a set of kinds.
type kinds uint8

const everyKind kinds = 1<<kindNull | 1<<kindTrue | 1<<kindFalse | 1<<kindNumber | 1<<kindString

func (k kinds) has(one kind) bool { return k&(1<<one) != 0 }

// others returns the other alternatives, to be filled.
func (l *list) others() *alternatives {
	if l.more == nil {
		l.more = &alternatives{}
	}
	return l.more
}

// match tells whether the leaf is one of the alternatives.
func (l *list) match(v *leaf) bool {
	if l.kinds.has(v.kind) {
		return true
	}
	switch v.kind {
	case kindString:
		if containsString(l.strings, v.text) || l.more != nil && l.more.matchString(v) {
			return true
		}
	case kindNumber:
		if len(l.numbers) > 0 {
			if f, ok := v.number(); ok && containsNumber(l.numbers, f) {
				return true
			}
		}
		if l.more != nil && l.more.matchNumber(v) {
			return true
		}
	}
	if l.more != nil {
		for i := range l.more.exclusions {
			if !l.more.exclusions[i].names(v) {
				return true
			}
		}
	}
	return false
}

func (m *alternatives) matchString(v *leaf) bool {
	return hasAnyPrefix(v.text, m.prefixes) ||
		hasAnySuffix(v.text, m.suffixes) ||
		equalsAnyFold(v.text, m.folded) ||
		hasAnyPrefixFold(v.text, m.foldedPre) ||
		hasAnySuffixFold(v.text, m.foldedSuf) ||
		matchesAny(v.text, m.wildcards) ||
		len(m.addresses) > 0 && m.matchAddress(v)
}

func (m *alternatives) matchAddress(v *leaf) bool {
	a, ok := v.address()
	if !ok {
		return false
	}
	for i := range m.addresses {
		if m.addresses[i].contains(a) {
			return true
		}
	}
	return false
}

func (m *alternatives) matchNumber(v *leaf) bool {
	if len(m.intervals) == 0 && len(m.tokens) == 0 {
		return false
	}
	f, ok := v.number()
	if !ok {
		return equalToken(m.tokens, v.text)
	}
	for i := range m.intervals {
		if m.intervals[i].contains(f) {
			return true
		}
	}
	return false
}

// names tells whether the leaf is one of those excluded.
func (x *exclusion) names(v *leaf) bool {
	switch v.kind {
	case kindString:
		return containsString(x.strings, v.text) || hasAnyPrefix(v.text, x.prefixes) || hasAnySuffix(v.text, x.suffixes) ||
			equalsAnyFold(v.text, x.folded) || matchesAny(v.text, x.wildcards)
	case kindNumber:
		if len(x.numbers) == 0 {
			return false
		}
		f, ok := v.number()
		return ok && containsNumber(x.numbers, f)
	}
	return false
}

// few is how many are looked through faster than searched.
const few = 8

func containsString(sorted []string, s []byte) bool {
	if len(sorted) <= few {
		return equalsAny(s, sorted)
	}
	at := sort.Search(len(sorted), func(i int) bool { return sorted[i] >= string(s) })
	return at < len(sorted) && sorted[at] == string(s)
}

func containsNumber(sorted []float64, f float64) bool {
	if len(sorted) <= few {
		return slices.Contains(sorted, f)
	}
	_, ok := slices.BinarySearch(sorted, f)
	return ok
}

// equalsAny compares without making a string of s.
func equalsAny(s []byte, all []string) bool {
	for _, one := range all { //nolint:modernize // slices.Contains would make one
		if string(s) == one {
			return true
		}
	}
	return false
}

func hasAnyPrefix(s []byte, prefixes [][]byte) bool {
	for _, p := range prefixes {
		if bytes.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func hasAnySuffix(s []byte, suffixes [][]byte) bool {
	for _, p := range suffixes {
		if bytes.HasSuffix(s, p) {
			return true
		}
	}
	return false
}

func equalsAnyFold(s []byte, folded [][]byte) bool {
	for _, f := range folded {
		if bytes.EqualFold(s, f) {
			return true
		}
	}
	return false
}

// hasAnyPrefixFold compares as many runes as the prefix has; under folding they
// need not have as many bytes.
func hasAnyPrefixFold(s []byte, prefixes [][]byte) bool {
	for _, p := range prefixes {
		end := 0
		for range utf8.RuneCount(p) {
			_, size := utf8.DecodeRune(s[end:])
			end += size
		}
		if bytes.EqualFold(s[:end], p) {
			return true
		}
	}
	return false
}

func hasAnySuffixFold(s []byte, suffixes [][]byte) bool {
	for _, p := range suffixes {
		start := len(s)
		for range utf8.RuneCount(p) {
			_, size := utf8.DecodeLastRune(s[:start])
			start -= size
		}
		if bytes.EqualFold(s[start:], p) {
			return true
		}
	}
	return false
}

func matchesAny(s []byte, wildcards []wildcard) bool {
	for _, w := range wildcards {
		if w.match(s) {
			return true
		}
	}
	return false
}

// wildcards returns those that match, not those excluded.
func (l *list) wildcards() []wildcard {
	if l.more == nil {
		return nil
	}
	return l.more.wildcards
}

// tried returns the kinds of leaves that have to be tried one by one.
func (l *list) tried() kinds {
	m := l.more
	switch {
	case m == nil:
		return 0
	case len(m.exclusions) > 0:
		return everyKind
	}
	var k kinds
	if len(m.intervals) > 0 || len(m.tokens) > 0 {
		k |= 1 << kindNumber
	}
	if len(m.prefixes) > 0 || len(m.suffixes) > 0 || len(m.folded) > 0 || len(m.foldedPre) > 0 || len(m.foldedSuf) > 0 ||
		len(m.wildcards) > 0 || len(m.addresses) > 0 {
		k |= 1 << kindString
	}
	return k
}

// onlyRange returns the one range of numbers that the list is, if it is.
func (l *list) onlyRange() (r interval, ok bool) {
	if l.more == nil || len(l.more.intervals) != 1 || l.tried() != 1<<kindNumber || len(l.more.tokens) > 0 ||
		l.kinds != 0 || len(l.strings) > 0 || len(l.numbers) > 0 || l.absent {
		return r, false
	}
	return l.more.intervals[0], true
}
