package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	replyMax   = 64 << 10         // of a reply's body, read so that the connection can be used again
	excerptMax = 200              // of a reply, in an error
	waitMax    = 15 * time.Minute // longest Retry-After that is honoured
)

// A StatusError is a reply that is not a success.
type StatusError struct {
	Host   string // "hooks.slack.com"
	Status int
	// Excerpt is the beginning of the reply, clean and without our secrets.
	Excerpt string
}

func (e *StatusError) Error() string {
	text := e.Host + ": " + strconv.Itoa(e.Status)
	if words := http.StatusText(e.Status); words != "" {
		text += " " + words
	}
	if e.Excerpt != "" {
		text += ": " + e.Excerpt
	}
	return text
}

// Status is the status of the reply that err tells of, or 0.
func Status(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Status
	}
	return 0
}

// standing are the headers that a request has unless the caller says otherwise.
var standing = map[string]string{"Content-Type": "application/json", "User-Agent": "tocsin"}

// Post sends body to address and returns the beginning (at most 64 KiB) of the
// reply. It is a [Request] with the method POST.
func Post(ctx context.Context, client *http.Client, address string, headers http.Header, body []byte) ([]byte, error) {
	return Request{Method: http.MethodPost, URL: address, Headers: headers, Body: body}.Send(ctx, client)
}

// A Request is one request to a receiver.
type Request struct {
	Method  string // "" is GET
	URL     string
	Headers http.Header
	Body    []byte
	// Most is how much of the reply is read, in bytes; 0 is 64 KiB.
	Most int64
	// Secrets are taken out of what the receiver says, before it is cut to fit an
	// error. What is secret in URL and headers is so in any case.
	Secrets []secret.String
}

// Send makes the request and returns the beginning of the reply. Anything but a
// 2xx is an error, and says what can be done about it:
//
//   - network errors, 408, 425, 429 and 5xx may be tried again, a 429 or 503 not
//     before its Retry-After (seconds or a date, RFC 9110 section 10.2.3; at most
//     15 minutes);
//   - other replies, redirects among them, are [Permanent]. None is followed.
//
// Content-Type is application/json unless headers say otherwise. No error holds
// the address beyond its host, or the value of a header.
func (r Request) Send(ctx context.Context, client *http.Client) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil || req.URL.Host == "" {
		// The error itself would quote the address, which may be a secret.
		return nil, Permanent(errors.New("the configured URL cannot be read"))
	}
	if r.Headers != nil {
		req.Header = r.Headers
	}
	for name, value := range standing {
		if req.Header.Get(name) == "" {
			req.Header = req.Header.Clone() // the caller's stays as it is
			req.Header.Set(name, value)
		}
	}
	if client == nil {
		client = http.DefaultClient
	}
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return nil, hostOnly(ctx, req.URL, err)
	}
	defer resp.Body.Close()
	most := r.Most
	if most <= 0 {
		most = replyMax
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		if err != nil && ctx.Err() != nil {
			return nil, hostOnly(ctx, req.URL, err)
		}
		return reply, nil
	}
	return reply, refused(req, resp, reply, r.Secrets)
}

// refused makes the error of a reply that is not a success.
func refused(req *http.Request, resp *http.Response, reply []byte, secrets []secret.String) error {
	err := error(&StatusError{Host: req.URL.Host, Status: resp.StatusCode, Excerpt: excerpt(req, reply, secrets)})
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		if wait, ok := retryAfter(resp.Header, time.Now()); ok {
			return After(err, wait)
		}
		return err
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		return err
	}
	return Permanent(err)
}

// retryAfter reads Retry-After. A date is taken relative to the reply's own
// Date, so that a wrong clock on either side does not matter.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 {
		if seconds > waitMax.Seconds() {
			return waitMax, true
		}
		return time.Duration(seconds * float64(time.Second)), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	return min(max(at.Sub(now), 0), waitMax), true
}

// hostOnly is the network's error without the address that url.Error quotes.
func hostOnly(ctx context.Context, u *url.URL, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = cause
	}
	return fmt.Errorf("%s: %w", u.Host, err)
}

// excerpt is what the receiver said, fit to be shown: receivers echo what they
// were sent, so what could be a secret in the request is taken out.
func excerpt(req *http.Request, reply []byte, secrets []secret.String) string {
	secrets = slices.Clone(secrets)
	for _, s := range secretsOf(req) {
		secrets = append(secrets, secret.New(s))
	}
	return Said(string(reply[:min(len(reply), 4<<10)]), secrets...)
}

// Said is what a receiver said, fit for an error: clean, dead, without our secrets,
// and short.
func Said(text string, secrets ...secret.String) string {
	text = Clean(text)
	for _, s := range secrets {
		if !s.IsZero() {
			text = strings.ReplaceAll(text, s.Reveal(), "***")
		}
	}
	return Truncate(Defang(text), excerptMax, Runes)
}

// secretsOf are the parts of the request that are nobody's business, longest
// first.
func secretsOf(req *http.Request) []string {
	var found []string
	add := func(s string) {
		if len(s) >= 6 {
			found = append(found, s)
		}
	}
	u := req.URL
	add(u.String())
	add(u.RequestURI())
	add(u.Path)
	for part := range strings.SplitSeq(u.EscapedPath()+"/"+u.Path, "/") {
		add(part)
	}
	add(u.RawQuery)
	for _, values := range u.Query() {
		for _, v := range values {
			add(v)
			add(url.QueryEscape(v))
		}
	}
	if password, ok := u.User.Password(); ok {
		add(password)
	}
	for name, values := range req.Header {
		if standing[name] != "" {
			continue
		}
		for _, v := range values {
			add(v)
			for word := range strings.FieldsSeq(v) {
				add(word)
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return found
}
