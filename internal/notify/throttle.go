package notify

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Throttled is the client for a vendor that says "too many requests" in a way of
// its own: replies of which says reads a wait come as 429 with Retry-After, as
// [Request.Send] understands them. says gets replies that are no success, and the
// beginning of what they say. A nil client is http.DefaultClient.
func Throttled(client *http.Client, says func(resp *http.Response, body []byte) (wait time.Duration, ok bool)) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	once := *client
	once.Transport = throttled{client.Transport, says}
	return &once
}

type throttled struct {
	under http.RoundTripper // nil is http.DefaultTransport
	says  func(*http.Response, []byte) (time.Duration, bool)
}

func (t throttled) RoundTrip(r *http.Request) (*http.Response, error) {
	under := t.under
	if under == nil {
		under = http.DefaultTransport
	}
	resp, err := under.RoundTrip(r)
	if err != nil || resp.StatusCode < 400 {
		return resp, err
	}
	// What cannot be read here cannot be read by the caller either, who is told then.
	start, failed := io.ReadAll(io.LimitReader(resp.Body, replyMax))
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), failing{failed}, rest), rest}
	if wait, ok := t.says(resp, start); ok {
		resp.StatusCode = http.StatusTooManyRequests
		resp.Status = "429 Too Many Requests"
		resp.Header.Set("Retry-After", strconv.FormatFloat(max(wait, 0).Seconds(), 'f', -1, 64))
	}
	return resp, nil
}

// failing gives the error, if there is one.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}
