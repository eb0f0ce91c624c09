package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// request is payload format 2.0
// (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html).
type request struct {
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies"`
	Headers        map[string]string `json:"headers"`
	RequestContext struct {
		Stage string `json:"stage"`
		HTTP  struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
	} `json:"requestContext"`
	Body            string `json:"body"`
	IsBase64Encoded bool   `json:"isBase64Encoded"`
}

// ReadRequest makes a request of what a function URL or an HTTP API calls the
// function with. The name of a stage is not part of its path.
func ReadRequest(ctx context.Context, payload []byte) (*http.Request, error) {
	var in request
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	body := []byte(in.Body)
	if in.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(in.Body); err != nil {
			return nil, fmt.Errorf("body of the request: %w", err)
		}
	}
	path := in.RawPath
	if stage := in.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			path = rest
		}
	}
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	if in.RawQueryString != "" {
		path += "?" + in.RawQueryString
	}
	r, err := http.NewRequestWithContext(ctx, in.RequestContext.HTTP.Method, path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	for name, value := range in.Headers {
		r.Header.Set(name, value)
	}
	if len(in.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(in.Cookies, "; "))
	}
	r.Host, r.RequestURI = r.Header.Get("Host"), path
	r.Header.Del("Host")
	r.RemoteAddr = net.JoinHostPort(in.RequestContext.HTTP.SourceIP, "0")
	return r, nil
}

// A Response is written by a handler and answers a function URL or an HTTP API.
type Response struct {
	header http.Header
	status int
	body   bytes.Buffer
}

var _ http.ResponseWriter = (*Response)(nil)

// NewResponse makes an empty one.
func NewResponse() *Response { return &Response{header: http.Header{}} }

// Header are the headers, to be set before the first Write.
func (w *Response) Header() http.Header { return w.header }

// WriteHeader sets the status, the first time.
func (w *Response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

// Write adds to the body.
func (w *Response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Answer is what the function answers.
func (w *Response) Answer() ([]byte, error) {
	w.WriteHeader(http.StatusOK)
	out := struct {
		StatusCode      int               `json:"statusCode"`
		Headers         map[string]string `json:"headers"`
		Cookies         []string          `json:"cookies,omitempty"`
		Body            string            `json:"body"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
	}{StatusCode: w.status, Headers: map[string]string{}, Cookies: w.header.Values("Set-Cookie"), Body: w.body.String()}
	for name, values := range w.header {
		if name != "Set-Cookie" && name != "Content-Length" { // AWS counts for itself
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	if !utf8.ValidString(out.Body) {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.body.Bytes()), true
	}
	return json.Marshal(out)
}
