// Package sqstest plays Amazon SQS: queues with visibility timeouts, receive counts,
// long polls, redrive policies and FIFO groups, in the protocol that today's SDKs
// speak (AWS JSON 1.0). For tests, benchmarks and proofs of what is not lost.
//
// A [Server] is asked over HTTP once [Server.Listen] was called, or without a network,
// as the transport of an http.Client: then testing/synctest can have its time.
//
// It believes every signature, and knows no policies: what it refuses is what
// [Server.Faults] says.
package sqstest

import (
	"cmp"
	"crypto/md5" // as SQS gives it
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a server says of itself.
const (
	Account = "111122223333"
	Region  = "eu-west-1"
)

// A Server is an SQS. It is safe for many goroutines.
type Server struct {
	// URL is where it is asked.
	URL string

	http   *http.Server
	serial atomic.Int64

	mu     sync.Mutex // guards what follows
	queues map[string]*Queue
	calls  map[string]int
	faults func(Call) *Fault
	slow   func(Call) time.Duration
}

// A Call is a request, or one entry of a batch.
type Call struct {
	Action string // "ReceiveMessage"
	Queue  string // name
	// Body is that of the message that an entry of DeleteMessageBatch or
	// ChangeMessageVisibilityBatch is about; empty for the request itself.
	Body  string
	Entry bool
}

// A Fault is how a call is refused.
type Fault struct {
	Status     int    // of the request; of an entry, 500 and more is not the sender's fault
	Code       string // "AccessDeniedException"
	Message    string
	RetryAfter string
}

// New makes a server that is not asked over a network yet.
func New() *Server {
	return &Server{URL: "https://sqs." + Region + ".amazonaws.com", queues: map[string]*Queue{}, calls: map[string]int{}}
}

// Listen has the server listen at an address, "127.0.0.1:0", and sets its URL.
func (s *Server) Listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.URL = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.http.Serve(l) }() // until Close
	return nil
}

// Close ends listening, and every request.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	return s.http.Close()
}

// RoundTrip answers a request without a network, whatever its host.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	s.ServeHTTP(w, r)
	_ = r.Body.Close()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// Faults has calls refused for which refuse gives a fault; nil ends that.
func (s *Server) Faults(refuse func(Call) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = refuse
}

// Latency has every answer take so much longer; nil ends that.
func (s *Server) Latency(of func(Call) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = of
}

// Calls is how many requests of an action came, "ReceiveMessage".
func (s *Server) Calls(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[action]
}

// Queue gives the queue of that name, made if there is none yet. One whose name ends
// in .fifo is a FIFO queue.
func (s *Server) Queue(name string) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[name]
	if !ok {
		q = &Queue{server: s, name: name, fifo: strings.HasSuffix(name, ".fifo"), visibility: 30 * time.Second, now: time.Now}
		q.reset()
		s.queues[name] = q
	}
	return q
}

// named is the queue that a URL names.
func (s *Server) named(url string) (*Queue, *Fault) {
	name := url[strings.LastIndexByte(url, '/')+1:]
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ok := s.queues[name]; ok {
		return q, nil
	}
	return nil, &Fault{Status: 400, Code: "QueueDoesNotExist", Message: "The specified queue does not exist."}
}

func (s *Server) fault(c Call) *Fault {
	s.mu.Lock()
	refuse := s.faults
	s.mu.Unlock()
	if refuse == nil {
		return nil
	}
	return refuse(c)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	if !ok {
		write(w, nil, &Fault{Status: 400, Code: "UnknownOperationException", Message: "speak AWS JSON 1.0 to this server"})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender is gone
	}
	var in input
	if err := json.Unmarshal(body, &in); err != nil {
		write(w, nil, &Fault{Status: 400, Code: "SerializationException", Message: err.Error()})
		return
	}
	c := Call{Action: action, Queue: in.QueueURL[strings.LastIndexByte(in.QueueURL, '/')+1:]}
	s.mu.Lock()
	s.calls[action]++
	slow := s.slow
	s.mu.Unlock()
	if slow != nil && !sleep(r, slow(c)) {
		return
	}
	if f := s.fault(c); f != nil {
		write(w, nil, f)
		return
	}
	out, f := s.do(r, action, in)
	write(w, out, f)
}

func sleep(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
		return false
	case <-timer.C:
		return true
	}
}

func write(w http.ResponseWriter, out any, f *Fault) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if f != nil {
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		w.WriteHeader(f.Status)
		out = map[string]string{"__type": "com.amazonaws.sqs#" + f.Code, "message": f.Message}
	} else if out == nil {
		return
	}
	text, err := json.Marshal(out)
	if err != nil {
		return
	}
	_, _ = w.Write(text) // whoever asked may be gone
}

// An input is that of any action.
type input struct {
	QueueName         string
	QueueURL          string `json:"QueueUrl"`
	Attributes        map[string]string
	AttributeNames    []string
	Entries           []entry
	MaxMessages       int    `json:"MaxNumberOfMessages"`
	WaitSeconds       int    `json:"WaitTimeSeconds"`
	VisibilityTimeout *int   // of what is received, or changed
	NamePrefix        string `json:"QueueNamePrefix"`
	entry

	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type entry struct {
	ID            string `json:"Id"`
	ReceiptHandle string
	Visibility    int       `json:"VisibilityTimeout"`
	Body          string    `json:"MessageBody"`
	DelaySeconds  int       // of a standard queue
	Group         string    `json:"MessageGroupId"`
	Deduplication string    `json:"MessageDeduplicationId"`
	Attributes    valuesMap `json:"MessageAttributes"`
}

type valuesMap map[string]value

type value struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// A failed is an entry that was refused.
type failed struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

type succeeded struct {
	ID        string `json:"Id"`
	MessageID string `json:"MessageId,omitempty"`
	MD5       string `json:"MD5OfMessageBody,omitempty"`
}

type results struct {
	Successful []succeeded
	Failed     []failed
}

func (s *Server) do(r *http.Request, action string, in input) (any, *Fault) {
	switch action {
	case "CreateQueue":
		q := s.Queue(in.QueueName)
		return map[string]string{"QueueUrl": q.URL()}, q.Set(in.Attributes)
	case "ListQueues":
		return map[string][]string{"QueueUrls": s.list(in.NamePrefix)}, nil
	case "GetQueueUrl":
		q, f := s.named(in.QueueName)
		if f != nil {
			return nil, f
		}
		return map[string]string{"QueueUrl": q.URL()}, nil
	}
	q, f := s.named(in.QueueURL)
	if f != nil {
		return nil, f
	}
	switch action {
	case "SetQueueAttributes":
		return nil, q.Set(in.Attributes)
	case "GetQueueAttributes":
		return map[string]map[string]string{"Attributes": q.attributes(in.AttributeNames)}, nil
	case "PurgeQueue":
		q.Purge()
		return nil, nil
	case "SendMessage":
		id, f := q.put(in.entry)
		return map[string]string{"MessageId": id, "MD5OfMessageBody": sum(in.Body)}, f
	case "ReceiveMessage":
		return q.receive(r, in)
	case "DeleteMessage":
		return nil, q.delete(in.ReceiptHandle)
	case "ChangeMessageVisibility":
		return nil, q.change(in.ReceiptHandle, in.visible())
	case "SendMessageBatch":
		return s.batch(action, q, in, func(e entry) (succeeded, *Fault) {
			id, f := q.put(e)
			return succeeded{e.ID, id, sum(e.Body)}, f
		})
	case "DeleteMessageBatch":
		return s.batch(action, q, in, func(e entry) (succeeded, *Fault) { return succeeded{ID: e.ID}, q.delete(e.ReceiptHandle) })
	case "ChangeMessageVisibilityBatch":
		return s.batch(action, q, in, func(e entry) (succeeded, *Fault) {
			return succeeded{ID: e.ID}, q.change(e.ReceiptHandle, time.Duration(e.Visibility)*time.Second)
		})
	}
	return nil, &Fault{Status: 400, Code: "UnknownOperationException", Message: action}
}

func (in input) visible() time.Duration {
	if in.VisibilityTimeout == nil {
		return 0
	}
	return time.Duration(*in.VisibilityTimeout) * time.Second
}

// batch does each entry of a batch.
func (s *Server) batch(action string, q *Queue, in input, do func(entry) (succeeded, *Fault)) (any, *Fault) {
	if n := len(in.Entries); n == 0 || n > 10 {
		return nil, &Fault{Status: 400, Code: "TooManyEntriesInBatchRequest", Message: fmt.Sprintf("%d entries", n)}
	}
	out := results{Successful: []succeeded{}, Failed: []failed{}}
	for _, e := range in.Entries {
		f := s.fault(Call{Action: action, Queue: q.name, Body: cmp.Or(e.Body, q.bodyOf(e.ReceiptHandle)), Entry: true})
		var done succeeded
		if f == nil {
			done, f = do(e)
		}
		if f != nil {
			out.Failed = append(out.Failed, failed{e.ID, f.Code, f.Message, f.Status < 500})
			continue
		}
		out.Successful = append(out.Successful, done)
	}
	return out, nil
}

func (s *Server) list(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	urls := []string{}
	for name, q := range s.queues {
		if strings.HasPrefix(name, prefix) {
			urls = append(urls, q.URL())
		}
	}
	slices.Sort(urls)
	return urls
}

func sum(body string) string {
	digest := md5.Sum([]byte(body))
	return hex.EncodeToString(digest[:])
}

// id is a new id, in the form that SQS gives them.
func (s *Server) id() string {
	n := s.serial.Add(1)
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", n>>48, n&(1<<48-1))
}

// ErrUnknown says that there is no such message.
var ErrUnknown = errors.New("sqstest: no such message")

func seconds(text string) (time.Duration, error) {
	n, err := strconv.Atoi(text)
	return time.Duration(n) * time.Second, err
}
