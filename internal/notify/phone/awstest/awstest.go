// Package awstest plays AWS End User Messaging: it checks the signature and the
// shape of each request as the service does, and keeps what it took.
package awstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/aws/sigv4test"
	"github.com/tocsin-sec/tocsin/internal/notify/phone"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// The credentials, and where they are used.
const (
	KeyID  = sigv4test.KeyID
	Secret = sigv4test.Secret
	Region = "eu-west-1"
)

// A Server is the service. It is safe for concurrent use.
type Server struct {
	URL string

	release chan struct{}

	mu     sync.Mutex // guards what follows
	answer Answer
	sent   []Sent
}

// An Answer is how the server answers; the zero value takes what is right.
type Answer struct {
	Status     int
	Type       string // with Status: the exception, in the service's JSON
	RetryAfter string
	Echo       bool
	Hang       bool
}

// A Sent is a request that was taken.
type Sent struct {
	Operation string // "SendTextMessage"
	Input     map[string]any
	Header    http.Header
	Body      []byte
}

// New starts the server; it ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{release: make(chan struct{})}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		close(s.release)
		server.Close()
	})
	return s
}

// Settings reach the server.
func (s *Server) Settings() phone.AWS {
	return phone.AWS{
		Region: Region, OriginationIdentity: "pool-0a1b2c3d4e5f", Endpoint: s.URL,
		AccessKeyID: KeyID, SecretAccessKey: secret.New(Secret),
	}
}

// Answers has the server answer so from now on.
func (s *Server) Answers(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

// Sent is what was taken so far.
func (s *Server) Sent() []Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// ServeHTTP is the API, in AWS JSON 1.0
// (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answer
	switch {
	case a.Hang:
		s.mu.Unlock()
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
		s.mu.Lock()
		return
	case a.Status != 0:
		if a.RetryAfter != "" {
			w.Header().Set("Retry-After", a.RetryAfter)
		}
		message := "as the test wants it"
		if a.Echo {
			message = fmt.Sprintf("Cannot POST %s\n\x1b[31m%v %s", r.URL, r.Header, Secret)
		}
		refuse(w, a.Status, a.Type, message)
		return
	}
	operation, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "PinpointSMSVoiceV2.")
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || !known:
		refuse(w, http.StatusNotFound, "UnknownOperationException", "")
		return
	case r.Header.Get("Content-Type") != "application/x-amz-json-1.0":
		refuse(w, http.StatusBadRequest, "SerializationException", "Content-Type "+r.Header.Get("Content-Type"))
		return
	}
	if err := verify(r, body); err != nil {
		refuse(w, http.StatusBadRequest, "InvalidSignatureException", err.Error())
		return
	}
	input, err := validate(operation, body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "ValidationException", err.Error())
		return
	}
	s.sent = append(s.sent, Sent{operation, input, r.Header.Clone(), body})
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	fmt.Fprintf(w, `{"MessageId":"%08d-0000-4000-8000-000000000000"}`, len(s.sent))
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	if kind == "" && message == "" {
		return
	}
	text, err := json.Marshal(map[string]string{"__type": "com.amazonaws.pinpointsmsvoicev2#" + kind, "Message": message})
	if err == nil {
		_, _ = w.Write(text)
	}
}

// A member of an operation's input, as the service's model has it.
type member struct {
	pattern  *regexp.Regexp // of a string
	most     int            // characters of a string, or the highest number
	least    int
	required bool
	is       string // "string", "number", "map"
}

var (
	number   = member{pattern: regexp.MustCompile(`^\+?[1-9][0-9]{1,18}$`), least: 1, most: 20, required: true, is: "string"}
	origin   = member{pattern: regexp.MustCompile(`^[A-Za-z0-9_:/+-]+$`), least: 1, most: 256, is: "string"}
	resource = member{pattern: regexp.MustCompile(`^[A-Za-z0-9_:/-]+$`), least: 1, most: 256, is: "string"}
	seconds  = member{least: 5, most: 259200, is: "number"}
	about    = member{most: 5, is: "map"}
)

// operations are the inputs that are known here: those of the model of the API of
// 2022-03-31.
var operations = map[string]map[string]member{
	"SendTextMessage": {
		"DestinationPhoneNumber": number, "OriginationIdentity": origin, "ConfigurationSetName": resource, "ProtectConfigurationId": resource,
		"MessageBody": {pattern: regexp.MustCompile(`\S`), least: 1, most: 1600, is: "string"},
		"MessageType": {pattern: regexp.MustCompile(`^(TRANSACTIONAL|PROMOTIONAL)$`), least: 1, most: 20, is: "string"},
		"TimeToLive":  seconds, "Context": about,
	},
	"SendVoiceMessage": {
		"DestinationPhoneNumber": number, "ConfigurationSetName": resource, "ProtectConfigurationId": resource,
		"OriginationIdentity": {pattern: origin.pattern, least: 1, most: 256, required: true, is: "string"},
		// 6,000 is for SSML; text is 3,000 at most.
		"MessageBody":         {pattern: regexp.MustCompile(`\S`), least: 1, most: 3000, is: "string"},
		"MessageBodyTextType": {pattern: regexp.MustCompile(`^TEXT$`), least: 1, most: 4, is: "string"},
		"VoiceId":             {pattern: regexp.MustCompile(`^[A-Z]+$`), least: 1, most: 20, is: "string"},
		"TimeToLive":          seconds, "Context": about,
	},
}

// validate holds the input to the model.
func validate(operation string, body []byte) (map[string]any, error) {
	members := operations[operation]
	if members == nil {
		return nil, fmt.Errorf("operation %q", operation)
	}
	var input map[string]any
	if err := json.Unmarshal(body, &input); err != nil {
		return nil, err
	}
	for name := range input {
		if _, known := members[name]; !known {
			return nil, fmt.Errorf("%s: unknown", name)
		}
	}
	for name, m := range members {
		if err := m.check(input[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return input, nil
}

func (m member) check(value any) error {
	size := 0
	switch v := value.(type) {
	case nil:
		if m.required {
			return fmt.Errorf("is required")
		}
		return nil
	case string:
		size = utf8.RuneCountInString(v)
		if m.is != "string" || !m.pattern.MatchString(v) {
			return fmt.Errorf("%q is not allowed", v)
		}
	case float64:
		size = int(v)
		if m.is != "number" {
			return fmt.Errorf("is a number")
		}
	case map[string]any:
		size = len(v)
		if m.is != "map" {
			return fmt.Errorf("is an object")
		}
	default:
		return fmt.Errorf("is %T", value)
	}
	if size < m.least || size > m.most {
		return fmt.Errorf("%d is not within %d and %d", size, m.least, m.most)
	}
	return nil
}

// verify checks the signature of a request whose body was read.
func verify(r *http.Request, body []byte) error {
	sc, err := sigv4test.Verify(r, body, func(key string) (sigv4test.Credential, bool) {
		return sigv4test.Credential{Secret: Secret}, key == KeyID
	})
	if err == nil && (sc.Region != Region || sc.Service != "sms-voice") {
		err = fmt.Errorf("it is signed for %s in %s", sc.Service, sc.Region)
	}
	return err
}
