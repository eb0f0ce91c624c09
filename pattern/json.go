package pattern

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of events and patterns, so that a hostile one
// costs an error and not the stack.
const maxDepth = 10_000

const (
	unexpectedEnd = "unexpected end of JSON input"
	everyByte     = 0x0101010101010101
	highBits      = 0x8080808080808080
)

// skipSpace returns the offset of the first byte at or after i that is not
// JSON whitespace.
func skipSpace(d []byte, i int) int {
	for i < len(d) && d[i] <= ' ' && (d[i] == ' ' || d[i] == '\n' || d[i] == '\t' || d[i] == '\r') {
		i++
	}
	return i
}

// scanString reads the rest of a string from just after its opening quote. It
// returns the offset of the closing quote and whether there are escapes before
// it, or the offset of the mistake and what is bad there.
func scanString(d []byte, i int) (end int, escaped bool, bad string) {
	for {
		i = skipPlain(d, i)
		if i >= len(d) {
			return i, escaped, unexpectedEnd
		}
		switch d[i] {
		case '"':
			return i, escaped, ""
		case '\\':
			escaped = true
			if i, bad = scanEscape(d, i+1); bad != "" {
				return i, escaped, bad
			}
		default:
			return i, escaped, "control character in string"
		}
	}
}

// marked has the high bit of every byte set that is a quote, a backslash or a
// control character; above the lowest of them it may have others set, too.
func marked(x uint64) uint64 {
	quote := x ^ ('"' * everyByte)
	slash := x ^ ('\\' * everyByte)
	return (((quote - everyByte) &^ quote) | ((slash - everyByte) &^ slash) | ((x - ' '*everyByte) &^ x)) & highBits
}

// skipPlain returns the offset of the first quote, backslash or control
// character at or after i. Eight bytes are tested at a time: the lowest marked
// byte is exact, those above it may not be, and only the lowest is looked at.
func skipPlain(d []byte, i int) int {
	for ; i+8 <= len(d); i += 8 {
		if marks := marked(binary.LittleEndian.Uint64(d[i:])); marks != 0 {
			return i + bits.TrailingZeros64(marks)>>3
		}
	}
	for i < len(d) && d[i] != '"' && d[i] != '\\' && d[i] >= ' ' {
		i++
	}
	return i
}

// scanEscape checks the escape whose backslash is before i.
func scanEscape(d []byte, i int) (end int, bad string) {
	if i >= len(d) {
		return i, unexpectedEnd
	}
	switch d[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, ""
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n >= len(d) {
				return len(d), unexpectedEnd
			}
			if hexDigit(d[i+n]) < 0 {
				return i + n, `invalid \u escape in string`
			}
		}
		return i + 5, ""
	}
	return i, "invalid escape in string"
}

// scanNumber reads a number and returns the offset after it.
func scanNumber(d []byte, i int) (end int, bad string) {
	if i < len(d) && d[i] == '-' {
		i++
	}
	whole := i
	if i = skipDigits(d, i); i == whole {
		return badNumber(d, i)
	}
	if d[whole] == '0' && i > whole+1 {
		return whole, "leading zero in number"
	}
	if i < len(d) && d[i] == '.' {
		fraction := i + 1
		if i = skipDigits(d, fraction); i == fraction {
			return badNumber(d, i)
		}
	}
	if i < len(d) && (d[i] == 'e' || d[i] == 'E') {
		i++
		if i < len(d) && (d[i] == '+' || d[i] == '-') {
			i++
		}
		exponent := i
		if i = skipDigits(d, exponent); i == exponent {
			return badNumber(d, i)
		}
	}
	return i, ""
}

func badNumber(d []byte, i int) (int, string) {
	if i >= len(d) {
		return i, unexpectedEnd
	}
	return i, "invalid number"
}

func skipDigits(d []byte, i int) int {
	for i < len(d) && d[i]-'0' <= 9 {
		i++
	}
	return i
}

// scanLiteral reads word, whose first letter is at i.
func scanLiteral(d []byte, i int, word string) (end int, bad string) {
	if len(d)-i >= len(word) && string(d[i:i+len(word)]) == word {
		return i + len(word), ""
	}
	for n := range len(word) {
		if i+n >= len(d) {
			return len(d), unexpectedEnd
		}
		if d[i+n] != word[n] {
			return i + n, "invalid literal, expected " + word
		}
	}
	return i + len(word), ""
}

// appendUnescaped appends what the inside of a valid JSON string means. Half a
// surrogate pair means U+FFFD.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			i++
			continue
		}
		c := s[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			var r rune
			r, i = unescapeRune(s, i)
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// unescapeRune reads the four digits at i, and the other half of the pair when
// they are the first half of one.
func unescapeRune(s []byte, i int) (rune, int) {
	r := hexRune(s[i:])
	i += 4
	if utf16.IsSurrogate(r) {
		if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
			if pair := utf16.DecodeRune(r, hexRune(s[i+2:])); pair != utf8.RuneError {
				return pair, i + 6
			}
		}
		return utf8.RuneError, i
	}
	return r, i
}

func hexRune(s []byte) rune {
	var r rune
	for _, c := range s[:4] {
		r = r<<4 | rune(hexDigit(c))
	}
	return r
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
