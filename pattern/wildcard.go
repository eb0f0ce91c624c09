package pattern

import (
	"bytes"
	"fmt"
)

// A wildcard is a string with stars in it, cut at the stars: what must come
// first, what must follow in this order, and what must come last. Without a star
// there is one part only.
type wildcard [][]byte

// parseWildcard cuts s at its stars. A backslash escapes a star or a backslash
// and nothing else. Positions in the reasons count as AWS counts them, with the
// opening quote as position 0.
func parseWildcard(s string) (wildcard, string) {
	var parts wildcard
	part := []byte{}
	star := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '*' && star:
			return nil, fmt.Sprintf("Consecutive wildcard characters at pos %d", i)
		case c == '*':
			parts, part, star = append(parts, part), []byte{}, true
			continue
		case c == '\\':
			if i+1 == len(s) || s[i+1] != '*' && s[i+1] != '\\' {
				return nil, fmt.Sprintf("Invalid escape character at pos %d", i+1)
			}
			i++
			part = append(part, s[i])
		default:
			part = append(part, c)
		}
		star = false
	}
	return append(parts, part), ""
}

// match takes time linear in s for most wildcards, and never more than
// len(s) × len(w): taking the first place where a part fits is always right.
func (w wildcard) match(s []byte) bool {
	first, last := w[0], w[len(w)-1]
	if len(w) == 1 {
		return bytes.Equal(s, first)
	}
	if len(s) < len(first)+len(last) || !bytes.HasPrefix(s, first) || !bytes.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range w[1 : len(w)-1] {
		i := bytes.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
