package twilio

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio signs with HMAC-SHA1 and nothing else.
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Sign is X-Twilio-Signature of a request: the base64 of HMAC-SHA1, keyed with the
// auth token, over the address as Twilio was given it and the form's names and
// values, sorted by name, without anything between them
// (https://www.twilio.com/docs/usage/security#validating-requests). A value that
// a name has twice counts once.
func Sign(token, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	_, _ = io.WriteString(mac, address)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			_, _ = io.WriteString(mac, name+value)
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// genuine reports whether the signature is Twilio's. Twilio signs some addresses
// with their port and some without, so both count.
func (c *Client) genuine(signature, address string, form url.Values) bool {
	if !c.Verifies() {
		return false
	}
	good := false
	for _, a := range ports(address) {
		if hmac.Equal([]byte(signature), []byte(Sign(c.token.Reveal(), a, form))) {
			good = true
		}
	}
	return good
}

// ports are the address as it is, without its port, and with that of its scheme.
func ports(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return []string{address}
	}
	scheme, rest, _ := strings.Cut(address, "://")
	_, rest, _ = strings.Cut(rest, u.Host)
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[scheme]
	}
	return []string{address, scheme + "://" + host + rest, scheme + "://" + host + ":" + port + rest}
}

// A Callback answers one call: query is what we put into the address, form what
// Twilio says. Both are Twilio's for certain. The answer is TwiML, or "" for none.
type Callback func(ctx context.Context, query, form url.Values) (twiml string)

const (
	formMax = 64 << 10
	// patience is how long a callback may take: Twilio gives up after 15 seconds.
	patience = 12 * time.Second
)

// Callbacks serves what Twilio calls below base, by the last element of the path:
// "reply" is POST {base}/reply. A request whose signature is not Twilio's is
// refused with 403 and changes nothing; that is logged, at most once a minute,
// since it may as well be a public URL that is not the one that Twilio has.
func (c *Client) Callbacks(base string, log *slog.Logger, receiver string, callbacks map[string]Callback) http.Handler {
	refused := &rate.Sometimes{Interval: time.Minute}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(r.URL.Path)
		answer := callbacks[name]
		switch {
		case answer == nil:
			http.NotFound(w, r)
			return
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "only POST", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formMax))
		if err != nil {
			http.Error(w, "the body is longer than 64 KiB, or broke off", http.StatusRequestEntityTooLarge)
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			http.Error(w, "the body is no form", http.StatusBadRequest)
			return
		}
		address := strings.TrimSuffix(base, "/") + "/" + name
		if r.URL.RawQuery != "" {
			address += "?" + r.URL.RawQuery
		}
		if !c.genuine(r.Header.Get("X-Twilio-Signature"), address, form) {
			refused.Do(func() {
				log.WarnContext(r.Context(), "callback refused", "receiver", receiver,
					"err", errors.New("its signature is not Twilio's: is auth_token the account's, and the public URL the one that Twilio calls?"))
			})
			http.Error(w, "the signature is not Twilio's", http.StatusForbidden)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		twiml := answer(ctx, r.URL.Query(), form)
		w.Header().Set("Cache-Control", "no-store")
		if twiml == "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+twiml)
	})
}

// Escape is text for the inside of an element or attribute of TwiML. What XML
// cannot hold becomes U+FFFD.
func Escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
