package eventbridge

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	terminator  = "aws4_request"
	serviceName = "events"
	stampForm   = "20060102T150405Z"
	// maxSkew is how far the clocks of sender and receiver may be apart.
	maxSkew = 5 * time.Minute
	// maxSigned is how many headers a signature may cover.
	maxSigned = 64
)

// A signature is what the header Authorization of a request says, as Signature
// Version 4 has it
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
type signature struct {
	date, region, service string // the scope
	stamp                 string // X-Amz-Date
	signed                []string
	mac                   []byte
}

// readSignature reads the signature of a request whose body is not read yet, and
// says what is wrong with all of it that does not need the secret.
func readSignature(r *http.Request, service string, now time.Time) (signature, *fault) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 || values[0] == "" {
		return signature{}, &fault{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	s, f := parseAuthorization(values[0])
	if f != nil {
		return signature{}, f
	}
	if s.service != service {
		return signature{}, invalid("Credential should be scoped to correct service: '" + service + "'.")
	}
	stamps := r.Header.Values("X-Amz-Date")
	if len(stamps) != 1 {
		return signature{}, incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header; only 'X-Amz-Date' is taken here.")
	}
	s.stamp = stamps[0]
	at, err := time.Parse(stampForm, s.stamp)
	if err != nil {
		return signature{}, incomplete("Date must be in ISO-8601 'basic format'. Got '" + cut(s.stamp) + "'.")
	}
	if s.date != s.stamp[:8] {
		return signature{}, invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + s.date + "' != '" + s.stamp[:8] + "'.")
	}
	if f := fresh(at, now); f != nil {
		return signature{}, f
	}
	return s, s.covers(r)
}

// fresh says if the signature is of about now.
func fresh(at, now time.Time) *fault {
	stamp := func(t time.Time) string { return t.UTC().Format(stampForm) }
	minutes := strconv.Itoa(int(maxSkew.Minutes()))
	switch edge := now.Add(-maxSkew); {
	case at.Before(edge):
		return invalid("Signature expired: " + stamp(at) + " is now earlier than " + stamp(edge) + " (" + stamp(now) + " - " + minutes + " min.)")
	case at.After(now.Add(maxSkew)):
		return invalid("Signature not yet current: " + stamp(at) + " is still later than " + stamp(now.Add(maxSkew)) + " (" + stamp(now) + " + " + minutes + " min.)")
	}
	return nil
}

// parseAuthorization reads
//
//	AWS4-HMAC-SHA256 Credential=<key>/20260612/eu-west-1/events/aws4_request, SignedHeaders=host;x-amz-date, Signature=<64 hexadecimal digits>
//
// Any key will do: there is one secret.
func parseAuthorization(header string) (signature, *fault) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return signature{}, incomplete("Unsupported AWS 'algorithm': only " + algorithm + " is taken here.")
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if _, twice := fields[name]; !ok || twice {
			return signature{}, incomplete("'" + cut(field) + "' not a valid key=value pair (missing equal-sign) in Authorization header.")
		}
		fields[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return signature{}, incomplete("Authorization header requires '" + name + "' parameter.")
		}
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) < 5 || scope[len(scope)-1] != terminator {
		return signature{}, incomplete("Credential must have at least 5 slash-delimited elements, the last of them '" + terminator + "'.")
	}
	scope = scope[len(scope)-4:] // a key may hold a slash
	mac, err := hex.DecodeString(fields["Signature"])
	if err != nil || len(mac) != sha256.Size || !wording.IsRegion(scope[1]) || len(scope[0]) != len("20060102") {
		return signature{}, incomplete("Signature or Credential scope is malformed.")
	}
	signed := strings.Split(fields["SignedHeaders"], ";")
	if len(signed) > maxSigned || !slices.IsSorted(signed) || len(slices.Compact(slices.Clone(signed))) < len(signed) ||
		strings.ToLower(fields["SignedHeaders"]) != fields["SignedHeaders"] {
		return signature{}, incomplete("SignedHeaders must be in lower case, sorted, and each of them there once.")
	}
	return signature{date: scope[0], region: scope[1], service: scope[2], signed: signed, mac: mac}, nil
}

// covers says if all is signed that decides what the request does.
func (s signature) covers(r *http.Request) *fault {
	for _, name := range []string{"host", "x-amz-date", "x-amz-target", "x-amz-content-sha256", "x-amz-security-token"} {
		if there := name == "host" || r.Header.Get(name) != ""; there && !slices.Contains(s.signed, name) {
			return invalid("'" + name + "' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	return nil
}

// verify says if the signature is that of the request with its body, made with the
// secret. It takes the same time whatever is wrong with the signature.
func (s signature) verify(r *http.Request, body []byte, secret string) *fault {
	hash := hexHash(body)
	if told := r.Header.Get("X-Amz-Content-Sha256"); told != "" && told != hash {
		return invalid("The value of 'x-amz-content-sha256' is not the SHA-256 of the body; UNSIGNED-PAYLOAD is not taken here.")
	}
	if !hmac.Equal(s.mac, s.make(canonical(r, s.signed, hash), secret)) {
		return invalid("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

// make is the signature that a canonical request has to have.
func (s signature) make(canonical []byte, secret string) []byte {
	scope := s.date + "/" + s.region + "/" + s.service + "/" + terminator
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, terminator} {
		key = mac(key, part)
	}
	return mac(key, algorithm+"\n"+s.stamp+"\n"+scope+"\n"+hexHash(canonical))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text)) // a hash takes everything
	return h.Sum(nil)
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonical is the request as it is signed: method, path, query, headers and the
// hash of the body.
func canonical(r *http.Request, signed []string, hash string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, canonicalPath(r.URL.EscapedPath()), canonicalQuery(r.URL.RawQuery))
	for _, name := range signed {
		fmt.Fprintf(&b, "%s:%s\n", name, headerValue(r, name))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(signed, ";"), hash)
	return b.Bytes()
}

// headerValue is a header as it is signed: the blanks around each value taken away
// and those within made one.
func headerValue(r *http.Request, name string) string {
	values := slices.Clone(r.Header.Values(name))
	switch {
	case name == "host":
		values = []string{r.Host}
	case name == "content-length" && len(values) == 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	for i, v := range values {
		values[i] = strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' || c == '\t' }), " ")
	}
	return strings.Join(values, ",")
}

// canonicalPath is the path as it was sent, without dots and double slashes, and
// encoded once more.
func canonicalPath(sent string) string {
	clean := path.Clean("/" + sent)
	if strings.HasSuffix(sent, "/") && clean != "/" {
		clean += "/"
	}
	return encode(clean, "/")
}

// canonicalQuery is the query sorted by name and value, each encoded anew.
func canonicalQuery(sent string) string {
	if sent == "" {
		return ""
	}
	var pairs [][2]string
	for pair := range strings.SplitSeq(sent, "&") {
		name, value, _ := strings.Cut(pair, "=")
		pairs = append(pairs, [2]string{encode(decoded(name), ""), encode(decoded(value), "")})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = p[0] + "=" + p[1]
	}
	return strings.Join(texts, "&")
}

// decoded is s without its percent signs; what cannot be decoded stays as it is.
func decoded(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// encode writes all bytes but the unreserved ones of RFC 3986 and those in keep
// with percent signs.
func encode(s, keep string) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upper[c>>4], upper[c&15]})
	}
	return b.String()
}
