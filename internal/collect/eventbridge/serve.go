package eventbridge

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

const (
	contentType = "application/x-amz-json-1.1"
	// targetPrefix is what X-Amz-Target begins with.
	targetPrefix = "AWSEvents."
	// maxBody is the largest body of a call, in bytes: the 1 MiB of events that it may
	// bring, with all that JSON within JSON adds.
	maxBody = 8 << 20
)

// A call is a request whose signature is believed.
type call struct {
	*http.Request
	region string // that it was signed for
	body   []byte
}

// operations are what can be called; X-Amz-Target names one.
var operations = map[string]func(s *source, c call) (any, error){
	"DeleteRule":            of((*source).deleteRule),
	"DescribeEventBus":      of((*source).describeEventBus),
	"DescribeRule":          of((*source).describeRule),
	"DisableRule":           of((*source).disableRule),
	"EnableRule":            of((*source).enableRule),
	"ListEventBuses":        of((*source).listEventBuses),
	"ListRuleNamesByTarget": of((*source).listRuleNamesByTarget),
	"ListRules":             of((*source).listRules),
	"ListTagsForResource":   of((*source).listTagsForResource),
	"ListTargetsByRule":     of((*source).listTargetsByRule),
	"PutEvents":             of((*source).putEvents),
	"PutRule":               of((*source).putRule),
	"PutTargets":            of((*source).putTargets),
	"RemoveTargets":         of((*source).removeTargets),
	"TagResource":           of((*source).tagResource),
	"TestEventPattern":      of((*source).testEventPattern),
	"UntagResource":         of((*source).untagResource),
}

// of makes an operation of one that takes its request read. nil is an empty answer.
func of[Request any](do func(s *source, c call, in Request) (any, error)) func(*source, call) (any, error) {
	return func(s *source, c call) (any, error) {
		var in Request
		if err := collect.Valid(c.body); err != nil {
			return nil, unreadable(err)
		}
		if err := json.Unmarshal(c.body, &in); err != nil {
			return nil, unreadable(err)
		}
		return do(s, c, in)
	}
}

func unreadable(err error) *fault {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &fault{http.StatusBadRequest, "SerializationException", fmt.Sprintf("%s can not be converted to %s at '%s'", e.Value, kindOf(e.Type), e.Field)}
	}
	return &fault{http.StatusBadRequest, "SerializationException", "The body is no JSON that can be read: " + err.Error()}
}

// kindOf is what a type is in JSON.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	}
	return "a number"
}

// ServeHTTP answers one call.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := newID()
	w.Header().Set("X-Amzn-Requestid", id)
	answer, err := s.serve(r)
	if err == nil {
		s.write(r.Context(), w, http.StatusOK, answer)
		return
	}
	f, ok := errors.AsType[*fault](err)
	if !ok {
		s.env.Log.ErrorContext(r.Context(), "call of the event bus failed", slog.String("source", s.env.Name), slog.String("request", id), slog.Any("err", err))
		f = later("The call could not be completed. Try it again.")
	}
	if f.Status >= http.StatusInternalServerError {
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("X-Amzn-Errortype", f.Code)
	s.write(r.Context(), w, f.Status, map[string]string{"__type": f.Code, "message": f.Message})
}

// serve gives what to answer. An error that is no *fault is one of ours.
func (s *source) serve(r *http.Request) (any, error) {
	if r.Method != http.MethodPost {
		return nil, &fault{http.StatusMethodNotAllowed, "UnknownOperationException", "Calls are made with POST."}
	}
	sig, f := readSignature(r, serviceName, s.env.Now())
	if f != nil {
		s.Stranger()
		return nil, f
	}
	if r.ContentLength > maxBody {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, later("The body did not arrive whole.")
	case len(body) > maxBody:
		return nil, tooLarge()
	}
	if f := sig.verify(r, body, s.Token()); f != nil {
		s.Stranger()
		return nil, f
	}
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	do := operations[name]
	if !ok || do == nil {
		return nil, &fault{http.StatusBadRequest, "UnknownOperationException", "There is no operation " + cut(strconv.Quote(r.Header.Get("X-Amz-Target"))) + " here."}
	}
	return do(s, call{r, sig.region, body})
}

func tooLarge() *fault {
	return &fault{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "The body is longer than " + strconv.Itoa(maxBody>>20) + " MiB."}
}

// write writes an answer; nil is an empty one.
func (s *source) write(ctx context.Context, w http.ResponseWriter, status int, answer any) {
	if answer == nil {
		answer = struct{}{}
	}
	body, err := marshal(answer)
	if err != nil { // what was kept can be written
		s.env.Log.ErrorContext(ctx, "answer of the event bus cannot be written", slog.String("source", s.env.Name), slog.Any("err", err))
		status, body = http.StatusInternalServerError, []byte(`{"__type":"InternalException"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller is gone, or calls again
}

// marshal writes JSON as others send it: < and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// newID is a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
