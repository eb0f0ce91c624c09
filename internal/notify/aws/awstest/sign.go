package awstest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The credentials, as in the examples of AWS's documentation.
const (
	KeyID  = "AKIAIOSFODNN7EXAMPLE"
	Secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// A credential is a key that the server knows.
type credential struct {
	secret, token string
	ends          time.Time // zero: never
}

// A scope is what a signature is for.
type scope struct{ key, date, region, service string }

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// A forgery is why a signature is not believed, as the services say it.
type forgery struct{ code, message string }

func (f forgery) Error() string { return f.code + ": " + f.message }

// verify makes the signature of a request whose body was read once more and
// compares
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
func verify(r *http.Request, body []byte, known func(key string) (credential, bool), now time.Time) (scope, error) {
	found := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if found == nil {
		return scope{}, forgery{"MissingAuthenticationToken", "header Authorization"}
	}
	sc := scope{found[1], found[2], found[3], found[4]}
	cred, ok := known(sc.key)
	if !ok {
		return sc, forgery{"UnrecognizedClientException", "The security token included in the request is invalid."}
	}
	if !cred.ends.IsZero() && now.After(cred.ends) {
		return sc, forgery{"ExpiredTokenException", "The security token included in the request is expired"}
	}
	stamp := r.Header.Get("X-Amz-Date")
	if at, err := time.Parse("20060102T150405Z", stamp); err != nil || now.Sub(at).Abs() > 5*time.Minute || !strings.HasPrefix(stamp, sc.date) {
		return sc, forgery{"RequestExpired", "Request has expired."}
	}
	signed := strings.Split(found[5], ";")
	must := []string{"host", "x-amz-date"}
	for _, name := range []string{"X-Amz-Target", "X-Amz-Security-Token", "Content-Type", "X-Amz-Invocation-Type"} {
		if r.Header.Get(name) != "" {
			must = append(must, strings.ToLower(name))
		}
	}
	for _, name := range must {
		if !slices.Contains(signed, name) {
			return sc, forgery{"SignatureDoesNotMatch", "header " + name + " is not signed"}
		}
	}
	if r.Header.Get("X-Amz-Security-Token") != cred.token {
		return sc, forgery{"UnrecognizedClientException", "The security token included in the request is invalid."}
	}
	if signature(r, body, sc, cred.secret, stamp, signed) != found[6] {
		return sc, forgery{"InvalidSignatureException", "The request signature we calculated does not match the signature you provided."}
	}
	return sc, nil
}

func signature(r *http.Request, body []byte, sc scope, secret, stamp string, signed []string) string {
	var canonical bytes.Buffer
	path, _, _ := strings.Cut(r.RequestURI, "?")
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.Method, encoded(path), strings.ReplaceAll(sorted(r.URL.Query()), "+", "%20"))
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
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + strings.Join([]string{sc.date, sc.region, sc.service, "aws4_request"}, "/") + "\n" + digest(canonical.Bytes())
	mac := []byte("AWS4" + secret)
	for _, part := range []string{sc.date, sc.region, sc.service, "aws4_request", text} {
		h := hmac.New(sha256.New, mac)
		_, _ = io.WriteString(h, part)
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

func sorted(query url.Values) string { return query.Encode() } // by name

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func forged(err error) (forgery, bool) { return errors.AsType[forgery](err) }
