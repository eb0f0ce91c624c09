package importer

import (
	"fmt"
	"strings"
)

// Names gives things of another program names that tocsin takes, each once.
type Names map[string]bool

// Take makes a name of a text: letters, digits, '-', '_' and '.', at most 63, the
// first a letter or digit. otherwise is what a text becomes of which nothing is
// left.
func (ns Names) Take(text, otherwise string) string {
	name := plain(text)
	if name == "" {
		name = otherwise
	}
	whole := name
	for i := 2; ns[name] || name == "link"; i++ { // a receiver may not be called link
		number := fmt.Sprintf("-%d", i)
		name = whole[:min(len(whole), 63-len(number))] + number
	}
	ns[name] = true
	return name
}

// plain is the text with a dash for each run of what no name may have.
func plain(text string) string {
	var b strings.Builder
	dash := false
	for _, r := range text {
		ok := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '.' || r == '-'
		if !ok {
			dash = true
			continue
		}
		if b.Len() == 0 && (r == '_' || r == '.' || r == '-') {
			continue
		}
		if dash && b.Len() > 0 {
			b.WriteByte('-')
		}
		dash = false
		b.WriteRune(r)
	}
	name := b.String()
	return strings.TrimRight(name[:min(len(name), 63)], "-._")
}

// envName is "SLACK_PAYMENTS_PROD" of "slack-payments-prod".
func envName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, "TOCSIN_"+plain(name))
}

func fileName(name string) string { return strings.ToLower(plain(name)) }
