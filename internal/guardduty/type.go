package guardduty

import (
	"fmt"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A Type is a finding's type in its parts. The list of types grows, so that no
// part is checked against a list.
//
//	Purpose:Resource/Family.Mechanism!Artifact
//	CryptoCurrency:EC2/BitcoinTool.B!DNS
//
// See https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-format.html.
type Type struct {
	Purpose   string // "CryptoCurrency"
	Resource  string // "EC2", "IAMUser", "Runtime"
	Family    string // "BitcoinTool"
	Mechanism string // "B"; empty in many types
	Artifact  string // "DNS"; empty in most types
}

// ParseType takes a type apart. Parts that are not there are empty; a text
// without the form of a type is all Family.
func ParseType(s string) Type {
	var t Type
	rest := s
	if purpose, after, ok := strings.Cut(rest, ":"); ok {
		t.Purpose, rest = purpose, after
	}
	if resource, after, ok := strings.Cut(rest, "/"); ok {
		t.Resource, rest = resource, after
	}
	rest, t.Artifact, _ = strings.Cut(rest, "!")
	t.Family, t.Mechanism, _ = strings.Cut(rest, ".")
	return t
}

// String puts the parts together again.
func (t Type) String() string {
	s := t.Family + wording.After(".", t.Mechanism) + wording.After("!", t.Artifact)
	if t.Resource != "" {
		s = t.Resource + "/" + s
	}
	if t.Purpose != "" {
		s = t.Purpose + ":" + s
	}
	return s
}

// LevelOf is the level of a severity: low to 3.9, medium to 6.9, high to 8.9,
// critical from 9.0, each up to the next one's beginning. GuardDuty has nothing
// below 1.0; what comes with less, as from tests and relays, is informational.
// See https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html.
func LevelOf(severity float64) tocsin.Level {
	switch {
	case severity < 1:
		return tocsin.Informational
	case severity < 4:
		return tocsin.Low
	case severity < 7:
		return tocsin.Medium
	case severity < 9:
		return tocsin.High
	case severity >= 9:
		return tocsin.Critical
	}
	return tocsin.Unknown // NaN
}

// Where AWS describes the types, and the page for those that the table does not
// have.
const (
	documentationBase    = "https://docs.aws.amazon.com/guardduty/latest/ug/"
	documentationGeneral = documentationBase + "guardduty_finding-types-active.html"
)

// Documentation is the link to AWS's page on a type, or to the list of types
// where the type is not known here.
func Documentation(typ string) string {
	if page, ok := pages[typ]; ok {
		return documentationBase + page
	}
	return documentationGeneral
}

// consoleHosts has the console's host of each partition that has a public one.
// In the sovereign cloud the console is known by regional hosts only.
var consoleHosts = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
	"aws-eusc":   "%s.console.amazonaws-eusc.eu",
}

// Console is the link to a finding in the AWS console, or "" where there is no
// public console or no region. It works in the account of the delegated
// administrator as well.
func Console(partition, region, id string) string {
	host, ok := consoleHosts[partition]
	if !ok || id == "" || !isRegion(region) {
		return ""
	}
	if strings.Contains(host, "%s") {
		host = fmt.Sprintf(host, region)
	}
	return "https://" + host + "/guardduty/home?region=" + region + "#/findings?search=id%3D" + escape(id)
}

// isRegion reports whether s may stand in a link: lower-case letters, digits and
// hyphens only.
func isRegion(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != ""
}

// escape writes all but RFC 3986's unreserved characters in per cent.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}
