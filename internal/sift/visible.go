package sift

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendVisible appends a text so that a terminal shows what is there and does
// nothing else. Findings are written by whoever attacks, and JSON lets pass what
// terminals obey or hide: DEL, the controls U+0080 to U+009F (U+009B begins an escape
// sequence), characters that turn the direction of what follows, those of no width,
// and bytes that are not UTF-8. They are written as JSON has it, \u009b, so that an
// event remains the same event; a byte that is not UTF-8 becomes \ufffd. Line breaks
// and tabs stay; a carriage return goes.
func AppendVisible(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if ' ' <= c && c < 0x7f || c == '\n' || c == '\t' {
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '\r':
		case r == utf8.RuneError && size == 1, hidden(r):
			dst = appendEscape(dst, r)
		default:
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return dst
}

// hidden reports whether a terminal obeys r or shows nothing for it.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// appendEscape appends r as JSON escapes it.
func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '\n':
		return append(dst, `\n`...)
	case '\t':
		return append(dst, `\t`...)
	case '\r':
		return append(dst, `\r`...)
	}
	for _, unit := range utf16.AppendRune(nil, r) {
		const hex = "0123456789abcdef"
		dst = append(dst, '\\', 'u', hex[unit>>12], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
	}
	return dst
}
