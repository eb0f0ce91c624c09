package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

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
	if strings.EqualFold(u.Hostname(), "localhost") || proxied(transport, u) {
		return &client, nil
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: refusePrivate, Resolver: names}
	transport.DialContext = dialer.DialContext
	transport.DialTLSContext = nil
	return &client, nil
}

func proxied(t *http.Transport, u *url.URL) bool {
	if t.Proxy == nil {
		return false
	}
	proxy, err := t.Proxy(&http.Request{Method: http.MethodPost, URL: u, Header: http.Header{}})
	return err == nil && proxy != nil
}

// A privateError says that a name led to an address that is not public.
type privateError struct{ address netip.Addr }

func (e *privateError) Error() string {
	return fmt.Sprintf("the host leads to %s, which is not a public address; if it is meant, set allow_private: true", e.address)
}

// refusePrivate is net.Dialer's Control: it sees the address that is about to be
// dialled.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial address: %w", err)
	}
	if addr := at.Addr(); !public(addr) {
		return &privateError{addr}
	}
	return nil
}

var metadataIPv6 = netip.MustParseAddr("fd00:ec2::254")

// notPublic are the ranges that netip has no question for
// (https://www.iana.org/assignments/iana-ipv4-special-registry and its twin for IPv6).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("fec0::/10"),
}

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	sixTo = netip.MustParsePrefix("2002::/16")
)

// public reports whether a is an address of the public internet. An IPv4 address
// within an IPv6 one is judged as what it is.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	bytes := a.As16()
	switch {
	case !a.Is4() && nat64.Contains(a):
		return public(netip.AddrFrom4([4]byte(bytes[12:])))
	case !a.Is4() && sixTo.Contains(a):
		return public(netip.AddrFrom4([4]byte(bytes[2:6])))
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLinkLocalUnicast() &&
		!slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}
