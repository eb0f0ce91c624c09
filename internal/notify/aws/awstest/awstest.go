// Package awstest plays the services of AWS that receivers send to. It speaks their
// protocols (JSON 1.0 and 1.1, REST-JSON, query), makes each request's signature
// once more and compares, holds each input to AWS's own model of the service and to
// the limits that the model does not know, and keeps what it took.
package awstest

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/aws/sigv4test"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// The credentials.
const (
	KeyID  = sigv4test.KeyID
	Secret = sigv4test.Secret
)

// A Server is all of the services. It is safe for concurrent use.
type Server struct {
	URL string

	release chan struct{}

	mu      sync.Mutex // guards what follows
	answer  Answer
	other   chan struct{} // closed with the next Answers
	fails   func(input map[string]any) *Failure
	calls   []Call
	taken   []notifytest.Taken
	seen    int // requests, answered or not
	known   map[string]sigv4test.Credential
	lasting time.Duration // of sessions
	roles   map[string]string
	places
}

// places is what there is at the services.
type places struct {
	groups, streams   map[string]bool              // of CloudWatch Logs
	executions, tasks map[string][2]string         // by name and token: ARN, and what it was asked with
	deduplicated      map[string]map[string]string // by queue or topic: message ids by deduplication id
	functionError     string
	unplaced          string
	now               func() time.Time // as CloudWatch Logs has it; nil is time.Now
}

// An Answer is how the server answers; the zero value takes what is right.
type Answer struct {
	Status     int
	Code       string // with Status: the error, as the service's protocol writes it
	Message    string
	RetryAfter string
	// Echo has it repeat what it was sent, as text, like a careless proxy.
	Echo bool
	// Hang has it never answer, once it has read the request; the connection breaks
	// with the next Answers.
	Hang bool
	// Hung, where it is set, is sent to when a request is left hanging.
	Hung chan<- struct{}
	// Once has only the next request answered so.
	Once bool
	// Operation is the only one that is answered so; "" is all.
	Operation string
}

// A Failure is what becomes of one entry of a request that succeeds.
type Failure struct {
	Code, Message string
	// Sender says that it is the sender's fault, where the service tells.
	Sender bool
}

// A Call is a request that was signed and shaped as it must be.
type Call struct {
	Service, Operation, Region string
	aws.Call                   // what a policy has to allow
	Input                      map[string]any
	Header                     http.Header
	KeyID                      string
	Entries                    int
}

// New starts the server; it ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		release: make(chan struct{}), other: make(chan struct{}), known: map[string]sigv4test.Credential{KeyID: {Secret: Secret}}, lasting: time.Hour, roles: map[string]string{},
		places: places{
			groups: map[string]bool{"/tocsin/alerts": true}, streams: map[string]bool{}, executions: map[string][2]string{},
			tasks: map[string][2]string{}, deduplicated: map[string]map[string]string{},
		},
	}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		close(s.release)
		server.Close()
	})
	return s
}

// Settings reach the server with a key.
func (s *Server) Settings() aws.Settings {
	return aws.Settings{EndpointURL: s.URL, AccessKeyID: KeyID, SecretAccessKey: secret.New(Secret)}
}

// Assuming are settings that have a role assumed, which the server lets assume who
// knows the external id.
func (s *Server) Assuming(role, externalID string) aws.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[role] = externalID
	set := s.Settings()
	set.RoleARN, set.ExternalID, set.STSEndpointURL = role, externalID, s.URL
	return set
}

// Answers has the server answer so from now on.
func (s *Server) Answers(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
	close(s.other)
	s.other = make(chan struct{})
}

// Fails has entries fail for which fails gives a failure.
func (s *Server) Fails(fails func(input map[string]any) *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = fails
}

// Sessions last so long from now on.
func (s *Server) Sessions(lasting time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lasting = lasting
}

// FunctionFails has functions that are waited for end in this error.
func (s *Server) FunctionFails(payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.functionError = payload
}

// Unplaced has tasks not started for this reason.
func (s *Server) Unplaced(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unplaced = reason
}

// Forgets has the server not know what it was asked before, as after the days for
// which services know idempotency keys.
func (s *Server) Forgets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.executions, s.tasks, s.deduplicated = nil, nil, nil
}

// Now is the time that CloudWatch Logs has.
func (s *Server) Now(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// Groups are the log groups that there are; none has a stream yet.
func (s *Server) Groups(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups, s.streams = map[string]bool{}, map[string]bool{}
	for _, name := range names {
		s.groups[name] = true
	}
}

// Calls are what was asked so far and was signed and shaped as it must be.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Seen is how many requests came, whatever became of them.
func (s *Server) Seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// Taken are the entries that were taken so far, each with its input as body.
func (s *Server) Taken() []notifytest.Taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// Inputs are the inputs of the entries that were taken.
func (s *Server) Inputs(t testing.TB) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, taken := range s.Taken() {
		all = append(all, Input(t, taken))
	}
	return all
}

// Input is the input of an entry.
func Input(t testing.TB, taken notifytest.Taken) map[string]any {
	t.Helper()
	var input map[string]any
	if err := json.Unmarshal(taken.Body, &input); err != nil {
		t.Fatal(err)
	}
	return input
}

// A refusal is an answer that is none of what was asked for.
type refusal struct {
	status        int
	code, message string
	more          map[string]any // members of the error
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func bad(code, format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

// ServeHTTP is all of the services: which one is asked, its signature says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	sc, forgedErr := sigv4test.Verify(r, body, func(key string) (sigv4test.Credential, bool) { c, ok := s.known[key]; return c, ok }, time.Now())
	m, known := models()[sc.Service]
	var (
		name  string
		input map[string]any
	)
	if known {
		name, input, err = m.read(r, body)
	}
	w.Header().Set("X-Amzn-Requestid", fmt.Sprintf("%08d-1111-4222-8333-444444444444", s.seen))
	if a := s.answer; (a.Hang || a.Status != 0) && (a.Operation == "" && name != "AssumeRole" || a.Operation == name) {
		if a.Once {
			s.answer = Answer{}
		}
		s.scripted(w, r, m, a)
		return
	}
	if f, ok := errors.AsType[sigv4test.Forgery](forgedErr); ok {
		refuse(w, m, &refusal{status: http.StatusForbidden, code: f.Code, message: f.Message})
		return
	}
	if !known || err != nil {
		refuse(w, m, bad("ValidationException", "%s: %v", sc.Service, err))
		return
	}
	do := operations[sc.Service+":"+name]
	call := &Call{Service: sc.Service, Operation: name, Region: sc.Region, Input: input, Header: r.Header.Clone(), KeyID: sc.Key}
	out, refused := do(s, call)
	s.calls = append(s.calls, *call)
	if refused != nil {
		refuse(w, m, refused)
		return
	}
	s.succeed(w, m, call, out)
}

// scripted answers as the test wants it. The lock is held, but not while it hangs.
func (s *Server) scripted(w http.ResponseWriter, r *http.Request, m service, a Answer) {
	if a.Hang {
		other := s.other
		s.mu.Unlock()
		defer s.mu.Lock()
		if a.Hung != nil {
			a.Hung <- struct{}{}
		}
		select {
		case <-s.release:
		case <-r.Context().Done():
		case <-other:
			panic(http.ErrAbortHandler)
		}
		return
	}
	if a.RetryAfter != "" {
		w.Header().Set("Retry-After", a.RetryAfter)
	}
	if a.Status/100 == 3 {
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
	}
	if a.Echo {
		echo := fmt.Sprintf("Cannot POST %s\n\x1b[31m%v %s https://evil.example/", r.URL, r.Header, Secret)
		if a.Code != "" {
			refuse(w, m, &refusal{status: a.Status, code: a.Code, message: echo})
			return
		}
		w.WriteHeader(a.Status)
		fmt.Fprint(w, echo)
		return
	}
	if a.Code == "" {
		w.WriteHeader(a.Status)
		return
	}
	refuse(w, m, &refusal{status: a.Status, code: a.Code, message: cmp.Or(a.Message, "as the test wants it")})
}

// refuse writes an error as the service's protocol does.
func refuse(w http.ResponseWriter, m service, r *refusal) {
	if m.Protocol == "query" {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(r.status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, escaped(r.code), escaped(r.message))
		return
	}
	text := map[string]any{"message": r.message}
	maps.Copy(text, r.more)
	if m.Protocol == "rest-json" {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", r.code)
	} else {
		w.Header().Set("Content-Type", "application/x-amz-json-"+m.JSONVersion)
		text["__type"] = "com.amazonaws." + m.SigningName + "#" + r.code
	}
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(text)
}

func (s *Server) succeed(w http.ResponseWriter, m service, call *Call, out any) {
	switch m.Protocol {
	case "query":
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%[1]sResponse>`, call.Operation, out)
	case "json":
		w.Header().Set("Content-Type", "application/x-amz-json-"+m.JSONVersion)
		_ = json.NewEncoder(w).Encode(out)
	default: // Lambda
		answer := out.(invoked)
		if answer.failure != "" {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		w.WriteHeader(answer.status)
		fmt.Fprint(w, answer.failure)
	}
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// take keeps an entry that was taken, unless the test has it fail.
func (s *Server) take(call *Call, entry map[string]any) *Failure {
	call.Entries++
	if s.fails != nil {
		if f := s.fails(entry); f != nil {
			return f
		}
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return &Failure{Code: "InternalFailure", Message: err.Error()}
	}
	s.taken = append(s.taken, notifytest.Taken{Header: call.Header, Body: text})
	return nil
}
