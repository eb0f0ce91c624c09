// Package firehose takes in what Amazon Data Firehose delivers to an HTTP endpoint:
// events of EventBridge, records of a Kinesis stream, or a subscription of CloudWatch
// Logs.
//
// A request is a POST to /in/<source> with the source's token as its access key. It
// has up to 10,000 records, each with one event, several one after the other, or gzip
// of either. Firehose is told "received" once all of them are kept.
//
// https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html
package firehose

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in for Amazon Data Firehose.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("firehose", "Takes in what Amazon Data Firehose delivers to an HTTP endpoint.", open)
	k.Title = "Amazon Data Firehose"
	return k
}

// Config is what can be set.
type Config struct {
	Token   secret.String `json:"token,omitzero" doc:"The access key that Firehose sends, 16 to 4096 characters. Left out, one is made and shown with the source."`
	Streams []string      `json:"streams,omitempty" doc:"ARNs of the Firehose streams that may deliver; * stands for any run of characters within one part. Left out, any stream that has the access key may." example:"arn:aws:firehose:*:111122223333:deliverystream/guardduty"`
}

const (
	via = "firehose"
	// maxToken is Firehose's limit for an access key, in bytes.
	maxToken = 4096
	// batch is how many events are handed on at once.
	batch = 500
	// maxStreams is how many streams are listed, and maxARN how long their ARNs may be.
	maxStreams = 20
	maxARN     = 512
)

// source is the collector.
type source struct {
	*collect.Door
	env     collect.Env
	streams []*regexp.Regexp // one has to match; none lets all in

	delivered, turnedAway heard
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	if n := len(c.Token.Reveal()); n > maxToken {
		return nil, fmt.Errorf("token: it has %d characters, and Firehose sends %d at most", n, maxToken)
	}
	s := &source{env: env}
	for i, arn := range c.Streams {
		form, err := streamForm(arn)
		if err != nil {
			return nil, fmt.Errorf("streams[%d]: %w", i, err)
		}
		s.streams = append(s.streams, form)
	}
	door, err := collect.NewDoor(env, c.Token)
	if err != nil {
		return nil, err
	}
	s.Door = door
	env.Handle(s)
	return s, nil
}

// streamForm matches the ARNs that arn stands for.
func streamForm(arn string) (*regexp.Regexp, error) {
	part := strings.Split(arn, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "firehose" || slices.Contains(part, "") || !strings.HasPrefix(part[5], "deliverystream/") {
		return nil, fmt.Errorf("%.80q is no ARN of a Firehose stream, such as arn:aws:firehose:eu-west-1:111122223333:deliverystream/guardduty", arn)
	}
	for i, p := range part {
		part[i] = strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, `[^:]*`)
	}
	return regexp.Compile("^" + strings.Join(part, ":") + "$")
}

// ServeHTTP takes one delivery.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := answer{RequestID: r.Header.Get("X-Amz-Firehose-Request-Id")}
	status := s.serve(r, &a)
	a.Timestamp = s.env.Now().UnixMilli()
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	a.write(w, status)
}

// serve takes in what r brings and says how that went. Firehose tries again whatever
// is not 200, with the same request id, for as long as its stream says; but 413 it
// takes for final and keeps the records nowhere, so that is never said.
func (s *source) serve(r *http.Request, a *answer) (status int) {
	if !s.admits(r) {
		s.Stranger()
		a.Error = "The access key is missing or wrong. Set it to the token of the source " + s.env.Name + "."
		return http.StatusUnauthorized
	}
	if r.Method != http.MethodPost {
		a.Error = r.Method + " is not taken here; Firehose sends POST."
		return http.StatusMethodNotAllowed
	}
	stream := r.Header.Get("X-Amz-Firehose-Source-Arn")
	if !s.allows(stream) {
		a.Error = fmt.Sprintf("The stream %.200q is not in streams of the source %s.", stream, s.env.Name)
		return http.StatusForbidden
	}
	body, err := collect.ReadBody(r)
	if err != nil {
		return s.unread(r.Context(), stream, err, a)
	}
	if err := s.take(r.Context(), body, a); err != nil {
		a.Error = "The records could not be kept. Send them again."
		return http.StatusServiceUnavailable
	}
	s.delivered.note(stream, s.env.Now())
	return http.StatusOK
}

// admits reports whether the request has the token, as access key or in its path.
func (s *source) admits(r *http.Request) bool {
	if token := s.PathToken(r); token != "" {
		return s.Knows(token)
	}
	return s.Knows(r.Header.Get("X-Amz-Firehose-Access-Key"))
}

// allows reports whether the stream may deliver, and says in the log which one may
// not: its records end up in its backup bucket.
func (s *source) allows(stream string) bool {
	if len(s.streams) == 0 || slices.ContainsFunc(s.streams, func(form *regexp.Regexp) bool { return form.MatchString(stream) }) {
		return true
	}
	if s.turnedAway.note(stream, s.env.Now()) {
		s.env.Log.Warn("a Firehose stream that is not in streams is turned away", slog.String("source", s.env.Name), slog.String("stream", fmt.Sprintf("%.200q", stream)))
	}
	return false
}

// unread answers a request whose body cannot be had.
func (s *source) unread(ctx context.Context, stream string, err error, a *answer) int {
	if !errors.Is(err, collect.ErrTooLarge) {
		a.Error = "The body did not arrive whole. Send it again."
		return http.StatusServiceUnavailable
	}
	s.env.Log.ErrorContext(ctx, "a delivery of Firehose is too large; set the stream's buffer size to 5 MiB or less", slog.String("source", s.env.Name), slog.String("stream", fmt.Sprintf("%.200q", stream)))
	a.Error = "The body is longer than " + strconv.Itoa(collect.MaxBody>>20) + " MiB. Set the stream's buffer size to 5 MiB or less."
	return http.StatusBadRequest
}

// take hands the events in body to the sink, some at a time. What cannot be read is
// handed on as such.
func (s *source) take(ctx context.Context, body []byte, a *answer) error {
	now := s.env.Now()
	events := make([]tocsin.Event, 0, batch)
	flush := func() error {
		_, err := s.Deliver(ctx, events...)
		events = events[:0]
		return err
	}
	add := func(p piece, envelope string) error {
		events = append(events, tocsin.Event{Source: s.env.Name, Via: via, Envelope: envelope, ReceivedAt: now, Raw: p.raw, Unreadable: p.problem})
		if len(events) < batch {
			return nil
		}
		return flush()
	}
	records, err := recordsOf(body, a)
	if err != nil {
		if err := add(piece{body, err.Error()}, a.RequestID); err != nil {
			return err
		}
		return flush()
	}
	i := 0
	var failed error
	records.ForEach(func(_, record gjson.Result) bool {
		pieces := piecesOf(record.Get("data"))
		for k := 0; k < len(pieces) && failed == nil; k++ {
			failed = add(pieces[k], envelope(a.RequestID, i, k, len(pieces)))
		}
		i++
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return flush()
}

// envelope is the id of the k-th of n events in the i-th record of a request: the
// same when the request is sent again, and none if the request has none.
func envelope(request string, i, k, n int) string {
	switch {
	case request == "":
		return ""
	case n == 1:
		return fmt.Sprintf("%s/%d", request, i)
	}
	return fmt.Sprintf("%s/%d/%d", request, i, k)
}

// recordsOf gives the records of a request. The error says that it is no request of
// Firehose. The answer gets the request's id.
func recordsOf(body []byte, a *answer) (gjson.Result, error) {
	if err := collect.Valid(body); err != nil {
		return gjson.Result{}, fmt.Errorf("no request of Firehose: %w", err)
	}
	request := gjson.ParseBytes(body)
	if id := request.Get("requestId").Str; id != "" {
		a.RequestID = id
	}
	records := request.Get("records")
	if !request.IsObject() || !records.IsArray() {
		return gjson.Result{}, errors.New("no request of Firehose: there is no array of records")
	}
	return records, nil
}

// A piece is one event of a record, or what cannot be read of it and why.
type piece struct {
	raw     []byte
	problem string
}

// piecesOf are the events of a record: of its data, in Base64, or of the JSON itself
// as AWS's own page has it in an example. An empty record has none, and neither has
// one by which CloudWatch Logs sees if it can deliver.
func piecesOf(data gjson.Result) []piece {
	if data.IsObject() {
		return unpacked([]byte(data.Raw))
	}
	if data.Type != gjson.String {
		return []piece{{[]byte(data.Raw), "the record has no data"}}
	}
	raw, err := base64.StdEncoding.DecodeString(data.Str)
	if err != nil {
		return []piece{{[]byte(data.Str), "the record's data is not Base64: " + err.Error()}}
	}
	return unpacked(raw)
}

// unpacked are the events of a record's bytes.
func unpacked(raw []byte) (pieces []piece) {
	plain, err := collect.Gunzip(raw)
	if err != nil {
		return []piece{{raw, err.Error()}}
	}
	messages, control, isLog, err := collect.Subscription(plain)
	switch {
	case err != nil:
		return []piece{{plain, err.Error()}}
	case control:
		return nil
	case !isLog:
		return split(nil, plain)
	}
	for _, m := range messages {
		pieces = split(pieces, m.Text)
	}
	return pieces
}

// split adds the events of body to pieces.
func split(pieces []piece, body []byte) []piece {
	for p := range collect.Pieces(body) {
		problem := ""
		if p.Err != nil {
			problem = p.Err.Error()
		}
		pieces = append(pieces, piece{p.Raw, problem})
	}
	return pieces
}

// An answer is what Firehose is told, within 1 MiB.
type answer struct {
	RequestID string `json:"requestId"`
	Timestamp int64  `json:"timestamp"` // milliseconds since 1970
	Error     string `json:"errorMessage,omitempty"`
}

func (a answer) write(w http.ResponseWriter, status int) {
	if len(a.RequestID) > maxARN {
		a.RequestID = "" // Firehose's are GUIDs
	}
	body, err := json.Marshal(a)
	if err != nil { // texts and numbers have a form in JSON
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // Firehose is gone, or comes again
}

// heard is which streams were heard of, and when last.
type heard struct {
	mu   sync.Mutex
	last map[string]time.Time // by ARN
}

// note takes note of a stream, and reports whether it was not heard of for a minute.
func (h *heard) note(stream string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		h.last = map[string]time.Time{}
	}
	before, known := h.last[stream]
	if len(stream) > maxARN || !known && len(h.last) == maxStreams {
		return false
	}
	h.last[stream] = now
	return !known || now.Sub(before) >= time.Minute
}

// lines are the streams, each with what it did and when last.
func (h *heard) lines(what string) (lines []tocsin.Fact) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, arn := range slices.Sorted(maps.Keys(h.last)) {
		lines = append(lines, tocsin.Fact{Name: cmp.Or(arn, "A stream without a name"), Value: what + " " + h.last[arn].UTC().Format(time.RFC3339)})
	}
	return lines
}

// Status says how the source stands, and which streams deliver.
func (s *source) Status(ctx context.Context) collect.Status {
	st := s.Door.Status(ctx)
	st.Lines = append(st.Lines, s.delivered.lines("last delivery")...)
	st.Lines = append(st.Lines, s.turnedAway.lines("not in streams, last turned away")...)
	return st
}

// Describe tells how to point a stream here.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	key := "***"
	if reveal {
		key = s.Token()
	}
	data := base64.StdEncoding.EncodeToString([]byte(`{"source":"my.app","detail-type":"test","detail":{}}`))
	return []tocsin.Fact{
		{Name: "HTTP endpoint URL", Value: s.env.PublicURL},
		{Name: "Access key", Value: key},
		{Name: "Buffer size", Value: "5 MiB or less"},
		{Name: "Try it", Value: fmt.Sprintf(`curl -sS -H 'X-Amz-Firehose-Access-Key: %s' -d '{"requestId":"test","records":[{"data":"%s"}]}' %s`, key, data, s.env.PublicURL)},
	}
}
