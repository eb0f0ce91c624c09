package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
)

// ShownAddress is the address of a contact method as people are shown it. Most are
// as they stand; a browser's subscription is long and holds a secret of the
// browser, so that of it the browser's mark and its push service are shown:
//
//	browser 3f9a1c (fcm.googleapis.com)
func ShownAddress(address string) string {
	var s struct {
		Endpoint string `json:"endpoint"`
	}
	if !strings.HasPrefix(address, "{") || json.Unmarshal([]byte(address), &s) != nil {
		return address
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" {
		return address
	}
	return "browser " + BrowserMark(s.Endpoint) + " (" + u.Host + ")"
}

// BrowserMark is by what people tell browsers apart, "3f9a1c": of the endpoint of
// its subscription. The browser works it out for itself, too.
func BrowserMark(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return hex.EncodeToString(sum[:3])
}
