package pattern

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// A list is one leaf of a pattern: the alternatives a field may have. It does
// not change once it is parsed.
type list struct {
	text string // as written, its identity

	kinds      kinds // of the leaves that match whatever they say: null, true, false
	strings    map[string]struct{}
	numbers    []float64
	tokens     [][]byte // spellings of numbers that cannot be compared
	addresses  []prefixRange
	prefixes   [][]byte
	suffixes   [][]byte
	folded     [][]byte // equals-ignore-case
	foldedPre  [][]byte // prefix with equals-ignore-case
	foldedSuf  [][]byte // suffix with equals-ignore-case
	wildcards  []wildcard
	intervals  []interval
	exclusions []exclusion
	present    bool // {"exists": true}
	absent     bool // {"exists": false}
}

// An exclusion is one anything-but. It matches every leaf it does not name, of
// whatever kind.
type exclusion struct {
	strings   map[string]struct{}
	numbers   []float64
	prefixes  [][]byte
	suffixes  [][]byte
	folded    [][]byte
	wildcards []wildcard
}

// kinds is a set of kinds.
type kinds uint8

func (k kinds) has(one kind) bool { return k&(1<<one) != 0 }

// onlyStrings tells whether the strings alone decide: then they can be looked up.
func (l *list) onlyStrings() bool {
	return len(l.strings) > 0 && l.kinds == 0 && len(l.numbers) == 0 && len(l.tokens) == 0 &&
		len(l.addresses) == 0 && len(l.prefixes) == 0 && len(l.suffixes) == 0 && len(l.folded) == 0 &&
		len(l.foldedPre) == 0 && len(l.foldedSuf) == 0 && len(l.wildcards) == 0 &&
		len(l.intervals) == 0 && len(l.exclusions) == 0 && !l.present && !l.absent
}

// match tells whether the leaf is one of the alternatives.
func (l *list) match(v *leaf) bool {
	if l.present || l.kinds.has(v.kind) {
		return true
	}
	switch v.kind {
	case kindString:
		if l.matchString(v) {
			return true
		}
	case kindNumber:
		if l.matchNumber(v) {
			return true
		}
	}
	for i := range l.exclusions {
		if !l.exclusions[i].names(v) {
			return true
		}
	}
	return false
}

func (l *list) matchString(v *leaf) bool {
	if _, ok := l.strings[string(v.text)]; ok {
		return true
	}
	return hasAnyPrefix(v.text, l.prefixes) ||
		hasAnySuffix(v.text, l.suffixes) ||
		equalsAnyFold(v.text, l.folded) ||
		hasAnyPrefixFold(v.text, l.foldedPre) ||
		hasAnySuffixFold(v.text, l.foldedSuf) ||
		matchesAny(v.text, l.wildcards) ||
		len(l.addresses) > 0 && l.matchAddress(v)
}

func (l *list) matchAddress(v *leaf) bool {
	a, ok := v.address()
	if !ok {
		return false
	}
	for i := range l.addresses {
		if l.addresses[i].contains(a) {
			return true
		}
	}
	return false
}

func (l *list) matchNumber(v *leaf) bool {
	if len(l.numbers) == 0 && len(l.intervals) == 0 && len(l.tokens) == 0 {
		return false
	}
	f, ok := v.number()
	if !ok {
		return equalToken(l.tokens, v.text)
	}
	if slices.Contains(l.numbers, f) {
		return true
	}
	for _, r := range l.intervals {
		if r.contains(f) {
			return true
		}
	}
	return false
}

// names tells whether the leaf is one of those excluded.
func (x *exclusion) names(v *leaf) bool {
	switch v.kind {
	case kindString:
		_, ok := x.strings[string(v.text)]
		return ok || hasAnyPrefix(v.text, x.prefixes) || hasAnySuffix(v.text, x.suffixes) ||
			equalsAnyFold(v.text, x.folded) || matchesAny(v.text, x.wildcards)
	case kindNumber:
		if len(x.numbers) == 0 {
			return false
		}
		f, ok := v.number()
		return ok && slices.Contains(x.numbers, f)
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
