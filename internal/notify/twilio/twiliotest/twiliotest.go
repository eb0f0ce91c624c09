// Package twiliotest plays Twilio: it takes messages and calls as strictly as
// Twilio does, keeps them, and calls back, signed, what people do with them.
package twiliotest

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// The account, and the number that it sends from. Nothing in them is real.
const (
	Account = "AC0123456789abcdef0123456789abcdef"
	Token   = "5f4dcc3b5aa765d61d8327deb882cf99"
	Key     = "SK0123456789abcdef0123456789abcdef"
	Secret  = "kS3cr3tkS3cr3tkS3cr3tkS3cr3tkS3c"
	Number  = "+15005550006"
	Service = "MG0123456789abcdef0123456789abcdef"
)

// A Server is an account at Twilio. It is safe for concurrent use.
type Server struct {
	URL string

	t       testing.TB
	server  *httptest.Server
	release chan struct{}

	mu       sync.Mutex // guards what follows
	answer   Answer
	handler  http.Handler
	messages []Message
	calls    []Call
	taken    []Taken
	seq      int
}

// An Answer is how the server answers; the zero value takes what is right.
type Answer struct {
	Status     int    // an error, without a word of Twilio's
	Code       int    // with Status: Twilio's own number, in its own JSON
	RetryAfter string // header
	Echo       bool   // repeats in the reply all that it was sent
	Hang       bool   // never answers
}

// A Message is a text that was taken.
type Message struct {
	SID, To, From, Service, Body, StatusCallback string
}

// A Call is a call that was taken.
type Call struct {
	SID, To, From, StatusCallback string
	Twiml                         string
	Said                          []string // in order
	Action                        string   // what a key is posted to, "" where there are no keys
}

// A Taken is a request as it came.
type Taken struct {
	Header http.Header
	Body   []byte
}

// New starts the server; it ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, release: make(chan struct{})}
	s.server = httptest.NewServer(s)
	s.URL = s.server.URL
	t.Cleanup(func() {
		close(s.release)
		s.server.Close()
	})
	return s
}

// Settings are those of the account, with its auth token.
func (s *Server) Settings() twilio.Settings {
	return twilio.Settings{AccountSID: Account, AuthToken: secret.New(Token), URL: s.URL}
}

// Answers has the server answer so from now on.
func (s *Server) Answers(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

// Down takes the server off the network.
func (s *Server) Down() { s.server.Close() }

// Handle is a notifier's Env.Handle: what is called back goes to the handler, not
// over the network.
func (s *Server) Handle(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}

// Messages are those taken so far.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Calls are those taken so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Taken are the requests of messages and calls that were taken.
func (s *Server) Taken() []Taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// ServeHTTP is the API (https://www.twilio.com/docs/messaging/api/message-resource,
// https://www.twilio.com/docs/voice/api/call-resource).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	a := s.answer
	s.mu.Unlock()
	switch {
	case a.Hang:
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
		return
	case a.Status != 0:
		fail(w, r, a)
		return
	}
	form, refusal := check(r, body)
	if refusal != nil {
		refusal.write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made, err := s.make(strings.HasSuffix(r.URL.Path, "/Calls.json"), form)
	if errors.As(err, &refusal) {
		refusal.write(w)
		return
	}
	s.taken = append(s.taken, Taken{r.Header.Clone(), body})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(made)
}

// fail answers as the test wants it.
func fail(w http.ResponseWriter, r *http.Request, a Answer) {
	if a.RetryAfter != "" {
		w.Header().Set("Retry-After", a.RetryAfter)
	}
	if a.Status/100 == 3 {
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
	}
	switch {
	case a.Code != 0:
		(&refused{a.Status, a.Code, "as the test wants it"}).write(w)
	case a.Echo:
		w.WriteHeader(a.Status)
		user, pass, _ := r.BasicAuth()
		fmt.Fprintf(w, "Cannot POST %s\n\x1b[31m%v %s:%s\n", r.URL, r.Header, user, pass)
	default:
		w.WriteHeader(a.Status)
	}
}

// A refused request is answered as Twilio answers it.
type refused struct {
	status, code int
	message      string
}

func (e *refused) Error() string { return e.message }

func (e *refused) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": e.code, "message": e.message, "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(e.code), "status": e.status,
	})
}

// check is what holds for every request.
func check(r *http.Request, body []byte) (url.Values, *refused) {
	user, pass, _ := r.BasicAuth()
	switch {
	case (user != Account || pass != Token) && (user != Key || pass != Secret):
		return nil, &refused{401, 20003, "Authenticate"}
	case r.Method != http.MethodPost:
		return nil, &refused{405, 20004, "Method not allowed"}
	case r.URL.Path != "/2010-04-01/Accounts/"+Account+"/Messages.json" && r.URL.Path != "/2010-04-01/Accounts/"+Account+"/Calls.json":
		return nil, &refused{404, 20404, "The requested resource " + r.URL.Path + " was not found"}
	case r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return nil, &refused{415, 20415, "Unsupported media type"}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &refused{400, 20001, "the body is no form"}
	}
	return form, nil
}

var (
	e164 = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
	name = regexp.MustCompile(`^[A-Za-z0-9 ]{1,11}$|^[0-9]{3,8}$`)
)

// known are the parameters of a message and of a call, as far as they are used.
var known = map[bool][]string{
	false: {"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod"},
	true:  {"To", "From", "Twiml", "StatusCallback"},
}

// make takes a message or a call, or says what is wrong with it. s.mu is held.
func (s *Server) make(isCall bool, form url.Values) (any, error) {
	for key, values := range form {
		if !slices.Contains(known[isCall], key) || len(values) != 1 || values[0] == "" {
			s.t.Errorf("parameter %s: %q", key, values)
		}
	}
	to, from, service := form.Get("To"), form.Get("From"), form.Get("MessagingServiceSid")
	switch {
	case !e164.MatchString(to):
		return nil, &refused{400, 21211, "Invalid 'To' Phone Number: " + to}
	case from == "" && service == "":
		return nil, &refused{400, 21603, "A 'From' phone number is required."}
	case from != "" && !e164.MatchString(from) && (isCall || !name.MatchString(from)):
		return nil, &refused{400, 21212, "Invalid 'From' Phone Number: " + from}
	}
	if callback := form.Get("StatusCallback"); callback != "" {
		u, err := url.Parse(callback)
		if err != nil || u.Host == "" || strings.Contains(u.Host, "_") || len(callback) > 4000 {
			return nil, &refused{400, 21609, "Invalid 'StatusCallback'"}
		}
	}
	s.seq++
	if isCall {
		return s.makeCall(form)
	}
	body := form.Get("Body")
	switch n := utf8.RuneCountInString(body); {
	case strings.TrimSpace(body) == "":
		return nil, &refused{400, 21602, "Message body is required."}
	case n > 1600:
		return nil, &refused{400, 21617, "The concatenated message body exceeds the 1600 character limit"}
	}
	if seconds, err := strconv.Atoi(form.Get("ValidityPeriod")); err != nil || seconds < 1 || seconds > 36000 {
		return nil, &refused{400, 21624, "Invalid ValidityPeriod"}
	}
	m := Message{fmt.Sprintf("SM%032x", s.seq), to, from, service, body, form.Get("StatusCallback")}
	s.messages = append(s.messages, m)
	return map[string]any{"sid": m.SID, "status": "queued", "error_code": nil, "error_message": nil, "to": to, "body": body}, nil
}

func (s *Server) makeCall(form url.Values) (any, error) {
	c := Call{SID: fmt.Sprintf("CA%032x", s.seq), To: form.Get("To"), From: form.Get("From"), StatusCallback: form.Get("StatusCallback"), Twiml: form.Get("Twiml")}
	if n := utf8.RuneCountInString(c.Twiml); n == 0 || n > 4000 {
		return nil, &refused{400, 21205, fmt.Sprintf("Twiml has %d characters", n)}
	}
	var err error
	if c.Said, c.Action, err = read(c.Twiml); err != nil {
		s.t.Errorf("%v: %s", err, c.Twiml)
	}
	if c.Action != "" {
		if u, err := url.Parse(c.Action); err != nil || u.Host == "" {
			s.t.Errorf("action %q", c.Action)
		}
	}
	s.calls = append(s.calls, c)
	return map[string]any{"sid": c.SID, "status": "queued", "to": c.To, "from": c.From}, nil
}

// read is what TwiML says, in order, and where its keys go.
func read(twiml string) (said []string, action string, err error) {
	d := xml.NewDecoder(strings.NewReader(twiml))
	var open []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return said, action, nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("TwiML: %w", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if err := nested(open, e.Name.Local); err != nil {
				return nil, "", err
			}
			open = append(open, e.Name.Local)
			for _, a := range e.Attr {
				if e.Name.Local == "Gather" && a.Name.Local == "action" {
					action = a.Value
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				said = append(said, text)
			}
		}
	}
}

// nested says whether Twilio knows the element there
// (https://www.twilio.com/docs/voice/twiml).
func nested(within []string, element string) error {
	parent := ""
	if len(within) > 0 {
		parent = within[len(within)-1]
	}
	allowed := map[string][]string{
		"": {"Response"}, "Response": {"Say", "Pause", "Gather", "Message", "Hangup"}, "Gather": {"Say", "Pause"},
	}
	if !slices.Contains(allowed[parent], element) {
		return fmt.Errorf("TwiML: <%s> in <%s>", element, parent)
	}
	return nil
}

// Reply has somebody send a text to our number, whose webhook is address (the
// callback URL and "/reply"), and returns the text that is sent back, if any.
func (s *Server) Reply(address, from, text string) (answer string, status int) {
	s.t.Helper()
	s.mu.Lock()
	s.seq++
	sid := fmt.Sprintf("SM%032x", s.seq)
	s.mu.Unlock()
	return s.ReplyAs(address, sid, from, text)
}

// ReplyAs is Reply with the SID of the message, to deliver one twice.
func (s *Server) ReplyAs(address, sid, from, text string) (answer string, status int) {
	s.t.Helper()
	said, status := s.post(address, url.Values{
		"MessageSid": {sid}, "SmsSid": {sid}, "SmsMessageSid": {sid}, "AccountSid": {Account}, "From": {from}, "To": {Number}, "Body": {text},
		"NumMedia": {"0"}, "NumSegments": {"1"}, "SmsStatus": {"received"}, "ApiVersion": {"2010-04-01"}, "FromCountry": {"DE"}, "FromCity": {""},
	})
	return strings.Join(said, "\n"), status
}

// Press has whom c calls press a key, and returns what is said then.
func (s *Server) Press(c Call, digit string) (said []string, status int) {
	s.t.Helper()
	return s.post(c.Action, url.Values{
		"CallSid": {c.SID}, "AccountSid": {Account}, "From": {c.From}, "To": {c.To}, "Called": {c.To}, "Caller": {c.From},
		"CallStatus": {"in-progress"}, "Direction": {"outbound-api"}, "ApiVersion": {"2010-04-01"}, "Digits": {digit}, "msg": {"Gather End"},
	})
}

// MessageStatus tells what became of a message: "delivered", or "undelivered" and
// an error code.
func (s *Server) MessageStatus(m Message, state, code string) (status int) {
	s.t.Helper()
	form := url.Values{
		"MessageSid": {m.SID}, "SmsSid": {m.SID}, "AccountSid": {Account}, "From": {m.From}, "To": {m.To},
		"MessageStatus": {state}, "SmsStatus": {state}, "ApiVersion": {"2010-04-01"},
	}
	if code != "" {
		form.Set("ErrorCode", code)
	}
	_, status = s.post(m.StatusCallback, form)
	return status
}

// CallStatus tells what became of a call: "completed", "no-answer".
func (s *Server) CallStatus(c Call, state string) (status int) {
	s.t.Helper()
	_, status = s.post(c.StatusCallback, url.Values{
		"CallSid": {c.SID}, "AccountSid": {Account}, "From": {c.From}, "To": {c.To}, "CallStatus": {state}, "Direction": {"outbound-api"},
	})
	return status
}

// post calls back, signed, and reads the TwiML that comes.
func (s *Server) post(address string, form url.Values) (said []string, status int) {
	s.t.Helper()
	req := Request(s.t, address, form)
	req.Header.Set("X-Twilio-Signature", twilio.Sign(Token, address, form))
	s.mu.Lock()
	handler := s.handler
	s.mu.Unlock()
	var resp *http.Response
	if handler != nil {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		resp = w.Result()
	} else {
		var err error
		if resp, err = http.DefaultClient.Do(req); err != nil {
			s.t.Fatal(err)
		}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, resp.StatusCode
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/xml") {
		s.t.Errorf("Content-Type of TwiML is %q", got)
	}
	if said, _, err = read(string(body)); err != nil {
		s.t.Errorf("%v: %s", err, body)
	}
	return said, resp.StatusCode
}

// Request is a form that is posted to a callback, without a signature.
func Request(t testing.TB, address string, form url.Values) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("User-Agent", "TwilioProxy/1.1")
	return req
}

// Login is the header that the account's auth token makes: no error may hold it.
func Login() string { return base64.StdEncoding.EncodeToString([]byte(Account + ":" + Token)) }
