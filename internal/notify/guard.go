package notify

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// A PrivateError says that a host led to an address that is not of the public
// internet.
type PrivateError struct{ Address netip.Addr }

func (e *PrivateError) Error() string {
	return fmt.Sprintf("the host leads to %s, which is not a public address; if it is meant, set allow_private: true", e.Address)
}

// PublicOnly is the client as given, but it connects to addresses of the public
// internet alone, and refuses others with a [PrivateError]. It is for addresses
// that somebody else than the operator chose. A name may be made to lead anywhere
// at any time (DNS rebinding), so the address is judged when it is dialled.
//
// Where a proxy is set, the proxy's rules hold, since only it sees the address;
// and a Transport that is not an [http.Transport] dials as it likes. names resolves
// hosts; nil is the system's resolver.
func PublicOnly(given *http.Client, names *net.Resolver) *http.Client {
	if given == nil {
		given = &http.Client{}
	}
	client := *given
	base := client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		return &client
	}
	transport = transport.Clone()
	straight := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: refusePrivate, Resolver: names}
	if transport.Proxy == nil {
		transport.DialContext, transport.DialTLSContext = straight.DialContext, nil
		client.Transport = transport
		return &client
	}
	guarded := transport.Clone()
	guarded.Proxy, guarded.DialContext, guarded.DialTLSContext = nil, straight.DialContext, nil
	client.Transport = byProxy{proxied: transport, straight: guarded}
	return &client
}

// byProxy takes the proxy's way where there is one for the request, and dials by
// itself where not: the proxy itself may well have a private address.
type byProxy struct{ proxied, straight *http.Transport }

func (b byProxy) RoundTrip(r *http.Request) (*http.Response, error) {
	if proxy, err := b.proxied.Proxy(r); err != nil || proxy != nil {
		return b.proxied.RoundTrip(r)
	}
	return b.straight.RoundTrip(r)
}

func (b byProxy) CloseIdleConnections() {
	b.proxied.CloseIdleConnections()
	b.straight.CloseIdleConnections()
}

// refusePrivate is net.Dialer's Control: it sees the address that is about to be
// dialled.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial address: %w", err)
	}
	if addr := at.Addr(); !Public(addr) {
		return &PrivateError{addr}
	}
	return nil
}

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
	netip.MustParsePrefix("::/96"), // IPv4-compatible, which nobody uses any more
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	sixTo = netip.MustParsePrefix("2002::/16")
)

// Public reports whether a is an address of the public internet. An IPv4 address
// within an IPv6 one is judged as what it is.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	bytes := a.As16()
	switch {
	case !a.Is4() && nat64.Contains(a):
		return Public(netip.AddrFrom4([4]byte(bytes[12:])))
	case !a.Is4() && sixTo.Contains(a):
		return Public(netip.AddrFrom4([4]byte(bytes[2:6])))
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLinkLocalUnicast() &&
		!slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}
