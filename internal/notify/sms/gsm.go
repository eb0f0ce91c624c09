package sms

import (
	"strings"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// The alphabet that text messages are cheap and whole in: GSM 7-bit
// (3GPP TS 23.038, section 6.2.1). What is in extended takes two septets.
const (
	basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "^{}\\[~]|€"
)

// septets is how many septets each character takes.
var septets = func() map[rune]int {
	m := map[rune]int{}
	for _, r := range basic {
		m[r] = 1
	}
	for _, r := range extended {
		m[r] = 2
	}
	return m
}()

// plain is what is written for characters that the alphabet lacks: by base letter
// those that only have a mark more, and marks of punctuation by what they look
// like.
var plain = func() map[rune]string {
	m := map[rune]string{
		'·': "-", '•': "-", '→': ">", '←': "<", '…': "...", '–': "-", '—': "-", '‐': "-", '‑': "-", '−': "-",
		'‘': "'", '’': "'", '‚': "'", '‹': "<", '›': ">", '“': `"`, '”': `"`, '„': `"`, '«': `"`, '»': `"`, '´': "'", '`': "'",
		'×': "x", '÷': "/", '°': " deg", '±': "+/-", '≥': ">=", '≤': "<=", '≠': "!=", '²': "2", '³': "3", '½': "1/2", '‰': "o/oo",
		'©': "(c)", '®': "(R)", '™': "(TM)", '№': "No", '\t': " ", '\u00a0': " ", '\u202f': " ", '\u2009': " ",
		'Œ': "OE", 'œ': "oe", 'Þ': "Th", 'þ': "th", 'Ð': "D", 'ð': "d", 'Đ': "D", 'đ': "d", 'Ł': "L", 'ł': "l", 'ı': "i", 'İ': "I", 'ĸ': "k", 'ŉ': "'n", 'Ŋ': "N", 'ŋ': "n", 'Ŧ': "T", 'ŧ': "t", 'Ħ': "H", 'ħ': "h", 'Ĳ': "IJ", 'ĳ': "ij", 'ẞ': "SS",
	}
	for letter, marked := range map[string]string{
		"A": "ÁÀÂÃĀĂĄ", "a": "áâãāăą", "C": "ĆĈĊČ", "c": "çćĉċč", "D": "Ď", "d": "ď", "E": "ÈÊËĒĔĖĘĚ", "e": "êëēĕėęě",
		"G": "ĜĞĠĢ", "g": "ĝğġģ", "H": "Ĥ", "h": "ĥ", "I": "ÌÍÎÏĨĪĬĮ", "i": "íîïĩīĭį", "J": "Ĵ", "j": "ĵ", "K": "Ķ", "k": "ķ",
		"L": "ĹĻĽĿ", "l": "ĺļľŀ", "N": "ŃŅŇ", "n": "ńņň", "O": "ÒÓÔÕŌŎŐ", "o": "óôõōŏő", "R": "ŔŖŘ", "r": "ŕŗř",
		"S": "ŚŜŞŠȘ", "s": "śŝşšș", "T": "ŢŤȚ", "t": "ţťț", "U": "ÙÚÛŨŪŬŮŰŲ", "u": "úûũūŭůűų", "W": "Ŵ", "w": "ŵ",
		"Y": "ÝŶŸ", "y": "ýÿŷ", "Z": "ŹŻŽ", "z": "źżž",
	} {
		for _, r := range marked {
			m[r] = letter
		}
	}
	return m
}()

// gsm writes s in the alphabet: what it lacks as what comes nearest in ASCII, and
// else as "?".
func gsm(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch near, known := plain[r]; {
		case septets[r] > 0:
			b.WriteRune(r)
		case known:
			b.WriteString(near)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// length is the septets that s takes once it is written in the alphabet. It is a
// [notify.Unit].
func length(s string) int {
	n := 0
	for _, r := range gsm(s) {
		n += septets[r]
	}
	return n
}

// fit cuts s to room septets and writes it in the alphabet.
func fit(s string, room int) string {
	if room <= 0 {
		return ""
	}
	return gsm(notify.Truncate(s, room, length))
}

// The room of one message, and of each part of a longer one, whose parts carry a
// header that joins them: in septets of GSM 7-bit, and in code units of UCS-2
// (3GPP TS 23.040, section 9.2.3.24.1).
const (
	single, part         = 160, 153
	singleUCS2, partUCS2 = 70, 67
)

// Parts is how many messages text is sent and paid as. One character that GSM
// 7-bit lacks has the whole sent as UCS-2, which is why there is none in ours. No
// character is cut in two.
func Parts(text string) (n int, ucs2 bool) {
	whole, each := single, part
	units := func(r rune) int { return septets[r] }
	for _, r := range text {
		if septets[r] == 0 {
			ucs2 = true
			whole, each = singleUCS2, partUCS2
			units = func(r rune) int { return notify.UTF16(string(r)) }
			break
		}
	}
	total, used := 0, 0
	n = 1
	for _, r := range text {
		size := units(r)
		total += size
		if used+size > each {
			n, used = n+1, 0
		}
		used += size
	}
	if total <= whole {
		return 1, ucs2
	}
	return n, ucs2
}
