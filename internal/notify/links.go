package notify

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// AlertLink is the alert's page here, or "" where there is none that can be
// linked to. It is safe within quotes, angle brackets and Slack's <url|text>.
func AlertLink(m Message) string { return link(m.AlertURL) }

// ConsoleLink is the finding in the AWS console, or "". Findings are untrusted:
// only pages of AWS itself are linked.
func ConsoleLink(m Message) string { return awsLink(m.Alert.Console) }

// DocumentationLink is AWS's page on the finding's type, or "".
func DocumentationLink(m Message) string { return awsLink(m.Alert.Documentation) }

// awsHosts are where AWS's consoles and documentation are, in every partition.
var awsHosts = []string{
	"aws.amazon.com", "amazonaws.cn", "amazonaws-us-gov.com", "amazonaws.com.cn", "awsapps.com",
	"aws.eu", "amazonaws-eusc.eu", "c2shome.ic.gov", "sc2shome.sgov.gov",
}

func awsLink(address string) string {
	address = link(address)
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" {
		return ""
	}
	for _, host := range awsHosts {
		if u.Host == host || strings.HasSuffix(u.Host, "."+host) {
			// Buckets and functions of anybody are under these names too.
			if strings.Contains(u.Host, "s3") || strings.Contains(u.Host, "execute-api") || strings.Contains(u.Host, "lambda-url") {
				return ""
			}
			return address
		}
	}
	return ""
}

// link is an absolute http or https address of at most 2,000 bytes without a
// character that could end a quotation, or "".
func link(address string) string {
	if len(address) > 2000 {
		return ""
	}
	for _, c := range []byte(address) {
		if c <= ' ' || c > '~' || strings.IndexByte("\"'<>|`\\^{}", c) >= 0 {
			return ""
		}
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return address
}

// CheckURL says what is wrong with a receiver's address, without quoting it: it
// must be https, or http to this machine or an address written out in numbers. A
// reference that is not resolved yet is taken as it is.
func CheckURL(address secret.String) error {
	text := address.Reveal()
	if text == "" {
		return errors.New("is not set")
	}
	if secret.IsReference(text) {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("is not a URL; want https://host/path")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("must begin with https://")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && u.Hostname() != "localhost" {
		return errors.New("must begin with https:// (http:// only to localhost or a written-out IP address)")
	}
	return nil
}
