// Package https takes in events that anybody posts: EventBridge through an API
// destination, or a script with curl.
//
// A request is a POST to /in/<source> with the source's token in a header, or to
// /in/<source>/<token>. Its body is whatever [collect.Split] reads, gzip or not,
// of any content type, or a form, which is one event and takes a map to be
// understood. The answer is JSON and says what became of each event.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
package https

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in by HTTPS.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("https", "Takes in events by HTTPS: from an EventBridge API destination, or from anything that can post JSON or a form.", open)
	k.Title = "HTTPS"
	return k
}

// Config is what can be set.
type Config struct {
	Token secret.String `json:"token,omitzero" doc:"What senders prove themselves with, 16 characters or more. Left out, one is made and shown with the source."`
	// Header names the only header that may carry the token.
	Header      string `json:"header,omitempty" doc:"Name of the header that carries the token, as set in the EventBridge connection. Left out, any of \"X-Api-Key: <token>\", \"Authorization: Bearer <token>\" and the password of basic authentication will do."`
	MaxRequests int    `json:"max_requests,omitempty" doc:"How many requests may wait at once for their events to be kept (default 1024). More are told to come again in five seconds."`
}

const (
	via = "https"
	// patience is how long a sender waits at most. API destinations give up after
	// five seconds and try again.
	patience = 4500 * time.Millisecond
	// retryAfter is when a sender may come again, in seconds.
	retryAfter = "5"
	// maxEvents is how many events one request may bring.
	maxEvents = 50_000
	// maxReceipts is how many receipts an answer shows.
	maxReceipts = 1000
	// maxKey is the longest Idempotency-Key, in bytes.
	maxKey = 255
)

// source is the collector.
type source struct {
	*collect.Door
	env    collect.Env
	header string
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	switch {
	case c.Header != "" && strings.ContainsAny(c.Header, " :\t\r\n"):
		return nil, fmt.Errorf("header: %q is no name of a header", c.Header)
	case c.MaxRequests < 0:
		return nil, fmt.Errorf("max_requests: %d is less than 1", c.MaxRequests)
	}
	door, err := collect.NewDoorWithin(collect.Limits{Waiting: c.MaxRequests, Patience: patience}, env, c.Token)
	if err != nil {
		return nil, err
	}
	s := &source{Door: door, env: env, header: textproto.CanonicalMIMEHeaderKey(c.Header)}
	env.Handle(s)
	return s, nil
}

// ServeHTTP takes one delivery.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refused := s.serve(w, r); refused != nil {
		refused.write(w)
	}
}

// serve answers, or says why not.
func (s *source) serve(w http.ResponseWriter, r *http.Request) *refusal {
	if !s.admits(r) {
		s.Stranger()
		return &refusal{Status: http.StatusUnauthorized, Error: "the token is missing or wrong", Hint: s.tokenHint()}
	}
	if r.Method != http.MethodPost {
		return &refusal{Status: http.StatusMethodNotAllowed, Error: r.Method + " is not taken here", Hint: "send events with POST"}
	}
	body, err := collect.ReadBody(r)
	if err != nil {
		return unread(err)
	}
	events, refused := s.events(r, body)
	if refused != nil {
		return refused
	}
	receipts, err := s.Deliver(r.Context(), events...)
	switch {
	case errors.Is(err, collect.ErrBusy):
		return busy("too many requests are waiting")
	case err != nil:
		return busy("the events could not be kept")
	}
	accept(w, receipts)
	return nil
}

// admits reports whether the request carries the token.
func (s *source) admits(r *http.Request) bool {
	if token := s.PathToken(r); token != "" {
		return s.Knows(token)
	}
	if s.header != "" {
		return s.Knows(bearer(r.Header.Get(s.header)))
	}
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return s.Knows(key)
	}
	if _, password, ok := r.BasicAuth(); ok {
		return s.Knows(password)
	}
	return s.Knows(bearer(r.Header.Get("Authorization")))
}

// bearer is the token in a header's value, with or without the word Bearer.
func bearer(value string) string {
	if scheme, token, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return value
}

func (s *source) tokenHint() string {
	if s.header != "" {
		return "send it in the header " + s.header
	}
	return "send it as X-Api-Key: <token> or Authorization: Bearer <token>"
}

// events are what is in body. They share its memory.
func (s *source) events(r *http.Request, body []byte) ([]tocsin.Event, *refusal) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxKey {
		return nil, &refusal{
			Status: http.StatusBadRequest, Error: "the Idempotency-Key is too long",
			Hint: "at most " + strconv.Itoa(maxKey) + " bytes",
		}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, &refusal{
			Status: http.StatusBadRequest, Error: "the body is empty",
			Hint: "send one event as JSON, an array of events, or one event a line",
		}
	}
	now := s.env.Now()
	events := make([]tocsin.Event, 0, 1)
	if isForm(r, body) {
		return append(events, tocsin.Event{Source: s.env.Name, Via: via, ReceivedAt: now, Raw: body, Envelope: key}), nil
	}
	for p := range collect.Pieces(body) {
		if len(events) == maxEvents {
			return nil, &refusal{
				Status: http.StatusRequestEntityTooLarge, Error: "there are too many events in one request",
				Hint: "send at most " + strconv.Itoa(maxEvents) + " at once",
			}
		}
		ev := tocsin.Event{Source: s.env.Name, Via: via, ReceivedAt: now, Raw: p.Raw, Envelope: key}
		switch {
		case p.Err != nil:
			ev.Unreadable = p.Err.Error()
		case key == "":
			ev.Envelope = collect.EventID(p.Raw)
		}
		events = append(events, ev)
	}
	if key != "" && len(events) > 1 {
		for i := range events {
			events[i].Envelope = key + "#" + strconv.Itoa(i)
		}
	}
	return events, nil
}

// isForm tells a form by its fields; that the request says so is not enough, since
// curl says it of everything.
func isForm(r *http.Request, body []byte) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return false
	}
	_, ok := collect.Form(body)
	return ok
}

// answer is what a sender whose events were taken is told.
type answer struct {
	Accepted int `json:"accepted"`
	// Receipt is of the event where there was one only.
	*tocsin.Receipt
	Receipts []tocsin.Receipt `json:"receipts"`
}

func accept(w http.ResponseWriter, receipts []tocsin.Receipt) {
	a := answer{Accepted: len(receipts), Receipts: receipts[:min(len(receipts), maxReceipts)]}
	if len(receipts) == 0 {
		a.Receipts = []tocsin.Receipt{}
	}
	if len(receipts) == 1 {
		a.Receipt = &receipts[0]
	}
	write(w, http.StatusAccepted, a)
}

// A refusal is what a sender is told whose events were not taken.
type refusal struct {
	Status int    `json:"-"`
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}

// busy refuses what may be taken in five seconds.
func busy(why string) *refusal {
	return &refusal{Status: http.StatusServiceUnavailable, Error: why, Hint: "send them again in " + retryAfter + " seconds"}
}

func unread(err error) *refusal {
	if errors.Is(err, collect.ErrTooLarge) {
		return &refusal{
			Status: http.StatusRequestEntityTooLarge, Error: err.Error(),
			Hint: "send at most " + strconv.Itoa(collect.MaxBody>>20) + " MiB at once",
		}
	}
	return busy("the body did not arrive whole")
}

func (f *refusal) write(w http.ResponseWriter) {
	switch f.Status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="tocsin"`)
	}
	write(w, f.Status, f)
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // neither type can fail
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the sender is gone, or comes again
}

// Describe tells how to send events here.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	const hidden = "***"
	token := hidden
	if reveal {
		token = s.Token()
	}
	header, value := s.header, token
	if header == "" {
		header = "X-Api-Key"
	}
	name := "tocsin-" + s.env.Name
	return []tocsin.Fact{
		{Name: "Endpoint", Value: s.env.PublicURL},
		{Name: "Header", Value: header + ": " + value},
		{Name: "Endpoint with token", Value: s.URL(reveal)},
		{Name: "Connection", Value: fmt.Sprintf(
			`aws events create-connection --name %s --authorization-type API_KEY --auth-parameters '{"ApiKeyAuthParameters":{"ApiKeyName":"%s","ApiKeyValue":"%s"}}'`,
			name, header, value)},
		{Name: "API destination", Value: fmt.Sprintf(
			"aws events create-api-destination --name %s --connection-arn \"$(aws events describe-connection --name %s --query ConnectionArn --output text)\" --invocation-endpoint %s --http-method POST --invocation-rate-limit-per-second 300",
			name, name, s.env.PublicURL)},
		{Name: "AWS CLI 1", Value: "fetches URLs that it is given as values; first run: aws configure set cli_follow_urlparam false"},
		{Name: "Try it", Value: fmt.Sprintf("curl -sS -H '%s: %s' --data-binary @event.json %s", header, value, s.env.PublicURL)},
	}
}
