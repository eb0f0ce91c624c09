package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A subscription is where and how one browser takes messages: the browser's own
// PushSubscription (https://www.w3.org/TR/push-api/#pushsubscription-interface).
// Its JSON is the address of a contact method.
type subscription struct {
	Endpoint string `json:"endpoint"`
	Keys     keys   `json:"keys"`

	origin string          // of the endpoint: "https://fcm.googleapis.com"
	key    *ecdh.PublicKey // p256dh
	auth   []byte
}

type keys struct {
	Auth   string `json:"auth"`
	P256dh string `json:"p256dh"`
}

const (
	// subscriptionMost bounds the JSON that is read.
	subscriptionMost = 4 << 10
	// endpointMost is longer than those of any push service (Windows's are the
	// longest, at about 700 bytes) and fits an index of the store.
	endpointMost = 1500
	authLength   = 16 // RFC 8291, section 3.2
)

var errSubscription = errors.New(`that is not a browser's subscription; want {"endpoint": "https://…", "keys": {"p256dh": "…", "auth": "…"}}`)

// parse reads what PushSubscription.toJSON gives.
func parse(text string) (subscription, error) {
	var s subscription
	if len(text) > subscriptionMost || json.Unmarshal([]byte(text), &s) != nil {
		return s, errSubscription
	}
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsFunc(s.Endpoint, notURL):
		return s, errSubscription
	case u.Scheme != "https":
		return s, errors.New("endpoint: a push service is reached by https:// alone")
	case len(s.Endpoint) > endpointMost:
		return s, errors.New("endpoint: it is longer than those of any push service")
	}
	u.Host, u.Fragment = strings.ToLower(u.Host), ""
	s.Endpoint, s.origin = u.String(), "https://"+u.Host
	point, err := decode(s.Keys.P256dh)
	if err == nil {
		s.key, err = ecdh.P256().NewPublicKey(point)
	}
	if err != nil {
		return s, errors.New("p256dh: it is no point on the curve P-256")
	}
	if s.auth, err = decode(s.Keys.Auth); err != nil || len(s.auth) != authLength {
		return s, errors.New("auth: it is not 16 bytes in base64url")
	}
	s.Keys = keys{Auth: coding.EncodeToString(s.auth), P256dh: coding.EncodeToString(point)}
	return s, nil
}

func notURL(r rune) bool { return r <= ' ' || r > '~' }

var coding = base64.RawURLEncoding

// decode reads base64 as browsers and others write it: either alphabet, padded or
// not.
func decode(text string) ([]byte, error) {
	return coding.DecodeString(strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(text))
}

// address is the subscription as a contact method has it: the same for whatever
// way a browser wrote it.
func (s subscription) address() string {
	text, err := json.Marshal(s)
	if err != nil {
		return "" // cannot be: it is three texts
	}
	return string(text)
}

// Address reads the address of a contact method: the JSON of a browser's
// subscription, as it comes from enrolment.
func address(text string) (string, error) {
	s, err := parse(text)
	if err != nil {
		return "", err
	}
	return s.address(), nil
}

// inside refuses an endpoint that is plainly not of the public internet. What a
// name leads to is judged when it is dialled.
func (s subscription) inside() error {
	host := strings.TrimPrefix(s.origin, "https://")
	u, err := url.Parse(s.origin)
	if err == nil {
		host = u.Hostname()
	}
	if at, err := netip.ParseAddr(host); err == nil && !notify.Public(at) {
		return &notify.PrivateError{Address: at}
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return &notify.PrivateError{Address: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return nil
}
