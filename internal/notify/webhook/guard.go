package webhook

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// idle is how many connections to one receiver are kept for the next message.
const idle = 64

// guarded is the client with which a receiver is reached: as given, but it
// follows no redirects, gives up after ten seconds, keeps connections for the
// next message, and refuses addresses that are not of the public internet.
//
// Where the operator wrote the address out in numbers, or localhost, that is
// where it goes: nobody else chose it. A name may be made to lead anywhere at any
// time (DNS rebinding), so the address is judged when it is dialled. Through a
// proxy the proxy's rules hold, since only it sees the address. names resolves
// the host; nil is the system's resolver.
func guarded(given *http.Client, address string, allowPrivate bool, names *net.Resolver) (*http.Client, error) {
	if given == nil {
		given = &http.Client{}
	}
	client := *given
	if client.Timeout == 0 || client.Timeout > timeout {
		client.Timeout = timeout
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	base := client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		return &client, nil // somebody's own way; they dial
	}
	transport = transport.Clone()
	transport.MaxIdleConnsPerHost = max(transport.MaxIdleConnsPerHost, idle)
	client.Transport = transport

	if allowPrivate || secret.IsReference(address) {
		return &client, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("url cannot be read")
	}
	if literal, err := netip.ParseAddr(u.Hostname()); err == nil {
		if literal.IsLinkLocalUnicast() || literal == metadataIPv6 {
			return nil, errors.New("url leads to a link-local address, where clouds keep their credentials; if it is meant, set allow_private: true")
		}
		return &client, nil
	}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return &client, nil
	}
	return notify.PublicOnly(&client, names), nil
}

var metadataIPv6 = netip.MustParseAddr("fd00:ec2::254")
