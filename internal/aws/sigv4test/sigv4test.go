// Package sigv4test checks signatures for those who play AWS in tests.
package sigv4test

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A key that never ends, as in the examples of AWS's documentation.
const (
	KeyID  = "AKIAIOSFODNN7EXAMPLE"
	Secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" //nolint:gosec // AWS's example
)

// A Credential is what belongs to a key.
type Credential struct {
	Secret, Token string
	Ends          time.Time // by the first of the times; zero: never
}

// A Scope is what a signature is for, and by whose key.
type Scope struct{ Key, Date, Region, Service string }

// A Forgery is why a signature is not believed, as the services say it.
type Forgery struct{ Code, Message string }

func (f Forgery) Error() string { return f.Code + ": " + f.Message }

// maxSkew is how far apart the clocks of sender and service may be.
const maxSkew = 5 * time.Minute

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// Verify makes the signature of a request, whose body was read, once more and compares
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
// known gives what belongs to a key. The request may be of about any of the times; if
// none is given, of any time. An error is a [Forgery]; the scope is as far as it was
// read.
func Verify(r *http.Request, body []byte, known func(key string) (Credential, bool), times ...time.Time) (Scope, error) {
	found := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if found == nil {
		return Scope{}, Forgery{"MissingAuthenticationToken", "header Authorization"}
	}
	sc := Scope{found[1], found[2], found[3], found[4]}
	cred, ok := known(sc.Key)
	if !ok || r.Header.Get("X-Amz-Security-Token") != cred.Token {
		return sc, Forgery{"UnrecognizedClientException", "The security token included in the request is invalid."}
	}
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	near := len(times) == 0 || slices.ContainsFunc(times, func(now time.Time) bool { return now.Sub(at).Abs() <= maxSkew })
	if err != nil || !near || !strings.HasPrefix(stamp, sc.Date) {
		return sc, Forgery{"InvalidSignatureException", "Signature expired: " + stamp}
	}
	if !cred.Ends.IsZero() && len(times) > 0 && times[0].After(cred.Ends) {
		return sc, Forgery{"ExpiredTokenException", "The security token included in the request is expired"}
	}
	signed := strings.Split(found[5], ";")
	if name := unsigned(r, signed); name != "" {
		return sc, Forgery{"InvalidSignatureException", "header " + name + " is not signed"}
	}
	if made(r, body, sc, cred.Secret, stamp, signed) != found[6] {
		return sc, Forgery{"InvalidSignatureException", "The request signature we calculated does not match the signature you provided."}
	}
	return sc, nil
}

// unsigned is a header that has to be signed and is not, or "".
func unsigned(r *http.Request, signed []string) string {
	must := []string{"host", "x-amz-date"}
	for _, name := range []string{"X-Amz-Target", "X-Amz-Security-Token", "Content-Type", "X-Amz-Invocation-Type"} {
		if r.Header.Get(name) != "" {
			must = append(must, strings.ToLower(name))
		}
	}
	for _, name := range must {
		if !slices.Contains(signed, name) {
			return name
		}
	}
	return ""
}

// made is the signature that the request has to have.
func made(r *http.Request, body []byte, sc Scope, secret, stamp string, signed []string) string {
	var canonical bytes.Buffer
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.Method, encoded(cmp.Or(r.URL.EscapedPath(), "/")), strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20"))
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, strings.TrimSpace(value))
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", strings.Join(signed, ";"), digest(body))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + strings.Join([]string{sc.Date, sc.Region, sc.Service, "aws4_request"}, "/") + "\n" + digest(canonical.Bytes())
	mac := []byte("AWS4" + secret)
	for _, part := range []string{sc.Date, sc.Region, sc.Service, "aws4_request", text} {
		h := hmac.New(sha256.New, mac)
		_, _ = io.WriteString(h, part) // a hash takes everything
		mac = h.Sum(nil)
	}
	return hex.EncodeToString(mac)
}

// encoded is the path as it is signed: encoded once more than it was sent.
func encoded(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if c == '/' || c == '-' || c == '_' || c == '.' || c == '~' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
