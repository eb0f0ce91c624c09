package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// cleanMax is how much of an untrusted text is looked at; no receiver shows
// more.
const cleanMax = 16 << 10

// Clean makes one line of untrusted text: valid UTF-8; line breaks, tabs and
// runs of spaces one space; no control characters, no invisible ones and none
// that turn the direction of text, so that what is read is what is there. Longer
// texts are cut to 16 KiB.
func Clean(s string) string {
	if len(s) > cleanMax {
		s = s[:cleanMax]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, size := utf8.DecodeLastRuneInString(s); r == utf8.RuneError {
			s = s[:len(s)-size]
		}
	}
	if isClean(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case invisible(r):
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// isClean is the quick answer for the usual text: printable ASCII with single
// spaces.
func isClean(s string) bool {
	before := byte(' ')
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || (c == ' ' && before == ' ') {
			return false
		}
		before = c
	}
	return before != ' ' || s == ""
}

// invisible reports whether r shows nothing of its own: controls, format
// characters (which turn text around, or hide), private use, noncharacters.
func invisible(r rune) bool {
	switch {
	case r == '\u034f', r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0100 && r <= 0xE01EF,
		r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0', r == '\u2800':
		return true
	}
	return unicode.Is(unicode.C, r)
}

var (
	// urlPattern is a scheme with its colon: what a click could follow.
	urlPattern = lazyregexp.New(`(?i)\b([a-z][a-z0-9+.-]{1,20})(:/{1,3}|:\\\\)`)
	// barePattern are the schemes that need no slashes.
	barePattern = lazyregexp.New(`(?i)\b(javascript|vbscript|data|mailto|tel|sms|file|callto|slack|blob|about):`)
	// domainPattern is a host name; any of the four dots that a browser takes for
	// one (RFC 3490, section 3.1), and a last label that could be a top-level domain.
	domainPattern = lazyregexp.New(`(?i)(?:[\pL\pN](?:[\pL\pN\pM_-]{0,62})[.。．｡])+(?:xn--[a-z0-9-]{2,59}|[\pL\pM]{2,63})`)
	// addressURL is a dotted address behind a scheme or before a path.
	addressURL = lazyregexp.New(`(//)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})`)

	dots = strings.NewReplacer(".", "[.]", "。", "[.]", "．", "[.]", "｡", "[.]")
)

// Defang makes links and host names in untrusted text dead, so that no receiver
// turns them into something to click: hxxps://evil[.]example/x. What was
// defanged stays as it is. Left alone are addresses (people look them up),
// service names such as ec2.amazonaws.com, names under .internal and .local,
// files' paths, and the names of GuardDuty's finding types. Our own links do not
// go through it.
func Defang(s string) string {
	if !strings.ContainsAny(s, ".:。．｡") {
		return s
	}
	s = addressURL.ReplaceAllString(s, "${1}${2}[.]${3}[.]${4}[.]${5}")
	s = urlPattern.ReplaceAllStringFunc(s, deadScheme)
	s = barePattern.ReplaceAllStringFunc(s, func(scheme string) string { return strings.TrimSuffix(scheme, ":") + "[:]" })
	return deadDomains(s)
}

func deadScheme(found string) string {
	scheme, rest, _ := strings.Cut(found, ":")
	switch strings.ToLower(scheme) {
	case "http":
		return "hxxp:" + rest
	case "https":
		return "hxxps:" + rest
	case "ftp":
		return "fxp:" + rest
	case "hxxp", "hxxps", "fxp", "s3": // dead already; and s3:// is no link
		return found
	}
	return scheme + "[:]" + rest
}

func deadDomains(s string) string {
	places := domainPattern.FindAllStringIndex(s, -1)
	if places == nil {
		return s
	}
	var b strings.Builder
	done := 0
	for _, p := range places {
		b.WriteString(s[done:p[0]])
		if host := s[p[0]:p[1]]; harmless(s, p[0], p[1]) {
			b.WriteString(host)
		} else {
			b.WriteString(dots.Replace(host))
		}
		done = p[1]
	}
	b.WriteString(s[done:])
	return b.String()
}

// purposes are what GuardDuty's finding types begin with
// (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-format.html).
var purposes = []string{
	"AttackSequence:", "Backdoor:", "Behavior:", "CredentialAccess:", "CryptoCurrency:", "DefenseEvasion:",
	"Discovery:", "Effect:", "Execution:", "Exfiltration:", "Impact:", "InitialAccess:", "Object:", "PenTest:",
	"Persistence:", "Policy:", "PrivilegeEscalation:", "Recon:", "Stealth:", "Trojan:", "UnauthorizedAccess:",
}

// harmless says whether s[from:to], which looks like a host name, is something
// that nothing turns into a link.
func harmless(s string, from, to int) bool {
	host := strings.ToLower(s[from:to])
	word := s[strings.LastIndexAny(s[:from], " \t\"'`()[]<>,;=|")+1 : from]
	for _, suffix := range []string{".internal", ".local"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	if word == "" && !strings.HasPrefix(s[to:], "/") && !strings.HasPrefix(s[to:], ":") {
		service, found := strings.CutSuffix(host, ".amazonaws.com")
		if !found {
			service, found = strings.CutSuffix(host, ".amazonaws.com.cn")
		}
		if found && !strings.Contains(service, ".") {
			return true
		}
	}
	for _, p := range purposes {
		if strings.HasPrefix(word, p) && strings.HasSuffix(word, "/") && strings.Count(word, "/") == 1 {
			return true
		}
	}
	// "/tmp/x.sh" is a path, "//evil.example" and "/evil.example" may be links.
	return strings.HasPrefix(word, "/") && !strings.HasPrefix(word, "//") && len(word) > 1
}
