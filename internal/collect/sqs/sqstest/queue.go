package sqstest

import (
	"container/heap"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody is the longest message in bytes
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
const maxBody = 1 << 20

// longest is how long a message may be invisible in all after it was received.
const longest = 12 * time.Hour

// A Queue is one queue.
type Queue struct {
	server *Server
	name   string
	fifo   bool
	now    func() time.Time

	mu         sync.Mutex // guards what follows
	visibility time.Duration
	redrive    *redrive
	messages   map[string]*message // by id
	receipts   map[string]*message // by the receipt that is good
	ready      []*message          // visible, oldest first; those that are gone among them
	visible    int
	later      schedule       // invisible ones
	groups     map[string]int // FIFO: how many are in flight of a group
	keys       map[string]dedup
	wake       chan struct{} // closed when a message became visible
}

type dedup struct {
	id    string
	until time.Time
}

type redrive struct {
	Target string      `json:"deadLetterTargetArn"`
	Count  json.Number `json:"maxReceiveCount"`
}

// A Message is what is sent.
type Message struct {
	Body string
	// Attributes are message attributes of type String.
	Attributes map[string]string
	// Group and Deduplication are of FIFO queues.
	Group, Deduplication string
}

type message struct {
	Message
	id         string
	sum        string
	receipt    string
	sent       time.Time
	first      time.Time // received
	since      time.Time // the last receipt
	receives   int
	at         time.Time // when it becomes visible
	place      int       // in the schedule; -1 if it is visible or gone
	sequence   int
	gone       bool
	goneSignal chan struct{}
}

func (q *Queue) reset() {
	q.messages, q.receipts, q.ready, q.visible, q.later = map[string]*message{}, map[string]*message{}, nil, 0, nil
	q.groups, q.keys, q.wake = map[string]int{}, map[string]dedup{}, make(chan struct{})
}

// URL is the queue's.
func (q *Queue) URL() string { return q.server.URL + "/" + Account + "/" + q.name }

// ARN is the queue's.
func (q *Queue) ARN() string { return "arn:aws:sqs:" + Region + ":" + Account + ":" + q.name }

// Set sets attributes: VisibilityTimeout and RedrivePolicy. Others are passed over.
func (q *Queue) Set(attributes map[string]string) *Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, text := range attributes {
		var err error
		switch name {
		case "VisibilityTimeout":
			q.visibility, err = seconds(text)
		case "RedrivePolicy":
			q.redrive = new(redrive)
			err = json.Unmarshal([]byte(text), q.redrive)
		}
		if err != nil {
			return &Fault{Status: 400, Code: "InvalidAttributeValue", Message: name + ": " + err.Error()}
		}
	}
	return nil
}

// Send sends messages of these bodies, and gives their ids.
func (q *Queue) Send(bodies ...string) []string {
	ids := make([]string, len(bodies))
	for i, body := range bodies {
		ids[i] = q.Put(Message{Body: body, Group: "all", Deduplication: q.server.id()})
	}
	return ids
}

// Put sends a message, whatever it holds, and gives its id.
func (q *Queue) Put(m Message) string { return q.add(m, 0) }

// put sends a message if it is as it must be.
func (q *Queue) put(e entry) (string, *Fault) {
	size := len(e.Body)
	m := Message{Body: e.Body, Group: e.Group, Deduplication: e.Deduplication}
	for name, v := range e.Attributes {
		size += len(name) + len(v.DataType) + len(v.StringValue) + len(v.BinaryValue)
		if m.Attributes == nil {
			m.Attributes = map[string]string{}
		}
		m.Attributes[name] = v.StringValue
	}
	switch {
	case e.Body == "":
		return "", &Fault{Status: 400, Code: "MissingParameter", Message: "The request must contain the parameter MessageBody."}
	case size > maxBody:
		return "", &Fault{Status: 400, Code: "InvalidParameterValue", Message: "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."}
	case q.fifo && e.Group == "":
		return "", &Fault{Status: 400, Code: "MissingParameter", Message: "The request must contain the parameter MessageGroupId."}
	}
	return q.add(m, time.Duration(e.DelaySeconds)*time.Second), nil
}

func (q *Queue) add(body Message, delay time.Duration) string {
	m := &message{Message: body, id: q.server.id(), sum: sum(body.Body), place: -1, goneSignal: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	m.sent = q.now()
	if q.fifo && body.Deduplication != "" {
		if known, ok := q.keys[body.Deduplication]; ok && m.sent.Before(known.until) {
			return known.id
		}
		q.keys[body.Deduplication] = dedup{m.id, m.sent.Add(5 * time.Minute)}
	}
	q.messages[m.id] = m
	m.sequence = len(q.messages)
	if delay > 0 {
		q.hide(m, m.sent.Add(delay))
	} else {
		q.show(m)
	}
	return m.id
}

// show makes a message visible. The caller holds mu.
func (q *Queue) show(m *message) {
	if m.place >= 0 {
		heap.Remove(&q.later, m.place)
		q.leave(m)
	}
	if q.fifo && m.receives > 0 {
		// It goes before those that were sent after it.
		i, _ := slices.BinarySearchFunc(q.ready, m, func(a, b *message) int { return strings.Compare(a.id, b.id) })
		q.ready = slices.Insert(q.ready, i, m)
	} else {
		q.ready = append(q.ready, m)
	}
	q.visible++
	close(q.wake)
	q.wake = make(chan struct{})
}

// leave takes note that a message is no longer in flight. The caller holds mu.
func (q *Queue) leave(m *message) {
	if !q.fifo || m.receives == 0 {
		return
	}
	if q.groups[m.Group]--; q.groups[m.Group] <= 0 {
		delete(q.groups, m.Group)
		close(q.wake) // for the rest of the group
		q.wake = make(chan struct{})
	}
}

// hide makes a message invisible until then. The caller holds mu.
func (q *Queue) hide(m *message, until time.Time) {
	m.at = until
	if m.place >= 0 {
		heap.Fix(&q.later, m.place)
		return
	}
	heap.Push(&q.later, m)
}

// due makes visible what is so by now. The caller holds mu.
func (q *Queue) due() {
	now := q.now()
	for len(q.later) > 0 && !q.later[0].at.After(now) {
		q.show(q.later[0])
	}
}

type received struct {
	MessageID  string               `json:"MessageId"`
	Receipt    string               `json:"ReceiptHandle"`
	MD5OfBody  string               `json:"MD5OfBody"`
	Body       string               `json:"Body"`
	Attributes map[string]string    `json:"Attributes,omitempty"`
	Values     map[string]valueText `json:"MessageAttributes,omitempty"`
}

type valueText struct{ DataType, StringValue string }

func (q *Queue) receive(r *http.Request, in input) (any, *Fault) {
	most := in.MaxMessages
	if most == 0 {
		most = 1
	}
	if most < 0 || most > 10 || in.WaitSeconds < 0 || in.WaitSeconds > 20 {
		return nil, &Fault{Status: 400, Code: "InvalidParameterValue", Message: "MaxNumberOfMessages or WaitTimeSeconds is out of range"}
	}
	end := q.now().Add(time.Duration(in.WaitSeconds) * time.Second)
	for {
		if r.Context().Err() != nil {
			return nil, nil
		}
		got, wake, next := q.take(most, in)
		left := end.Sub(q.now())
		if len(got) > 0 || left <= 0 {
			return map[string][]received{"Messages": got}, nil
		}
		if !next.IsZero() {
			left = min(left, max(next.Sub(q.now()), time.Millisecond))
		}
		timer := time.NewTimer(left)
		select {
		case <-r.Context().Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take gives messages that are visible, or when something will be.
func (q *Queue) take(most int, in input) (got []received, wake <-chan struct{}, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due()
	visibility := q.visibility
	if in.VisibilityTimeout != nil {
		visibility = in.visible()
	}
	rest := q.ready[:0]
	taken := map[string]bool{}
	n := 0
	for ; n < len(q.ready) && len(got) < most; n++ {
		m := q.ready[n]
		switch {
		case m.gone:
		case q.fifo && q.groups[m.Group] > 0 && !taken[m.Group]:
			rest = append(rest, m)
		case q.buried(m):
			q.visible--
		default:
			got = append(got, q.give(m, visibility, in))
			taken[m.Group] = q.fifo
		}
	}
	if len(rest) == 0 {
		q.ready = q.ready[n:]
	} else {
		q.ready = append(rest, q.ready[n:]...)
	}
	if len(q.ready) == 0 {
		q.ready = nil // lets go of what was before
	}
	if len(q.later) > 0 {
		next = q.later[0].at
	}
	return got, q.wake, next
}

// buried puts a message that was received too often where the redrive policy says.
// The caller holds mu.
func (q *Queue) buried(m *message) bool {
	if q.redrive == nil {
		return false
	}
	most, err := q.redrive.Count.Int64()
	if err != nil || int64(m.receives) < most {
		return false
	}
	to := q.server.Queue(q.redrive.Target[strings.LastIndexByte(q.redrive.Target, ':')+1:])
	delete(q.messages, m.id)
	delete(q.receipts, m.receipt)
	to.bury(m)
	return true
}

func (q *Queue) bury(m *message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m.receipt, m.place = "", -1
	q.messages[m.id] = m
	q.show(m)
}

// give hands out a message. The caller holds mu.
func (q *Queue) give(m *message, visibility time.Duration, in input) received {
	now := q.now()
	if m.receives == 0 {
		m.first = now
	}
	m.receives++
	m.since = now
	delete(q.receipts, m.receipt)
	m.receipt = m.id + "/" + strconv.Itoa(m.receives)
	q.receipts[m.receipt] = m
	q.visible--
	if q.fifo {
		q.groups[m.Group]++
	}
	q.hide(m, now.Add(visibility))
	out := received{MessageID: m.id, Receipt: m.receipt, MD5OfBody: m.sum, Body: m.Body, Attributes: map[string]string{}}
	for _, name := range append(in.MessageSystemAttributeNames, in.AttributeNames...) {
		for key, value := range map[string]string{
			"SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10), "ApproximateReceiveCount": strconv.Itoa(m.receives),
			"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10), "SenderId": Account, "MessageGroupId": m.Group,
		} {
			if (name == key || name == "All") && value != "" {
				out.Attributes[key] = value
			}
		}
	}
	for key, value := range m.Attributes {
		if slices.Contains(in.MessageAttributeNames, key) || slices.Contains(in.MessageAttributeNames, "All") {
			if out.Values == nil {
				out.Values = map[string]valueText{}
			}
			out.Values[key] = valueText{"String", value}
		}
	}
	return out
}

// delete deletes a message by a receipt. One that somebody else received meanwhile
// stays, and that is no error.
func (q *Queue) delete(receipt string) *Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due()
	m, ok := q.receipts[receipt]
	if !ok {
		if strings.Contains(receipt, "/") {
			return nil
		}
		return &Fault{Status: 400, Code: "ReceiptHandleIsInvalid", Message: "The input receipt handle is invalid."}
	}
	if m.place >= 0 {
		heap.Remove(&q.later, m.place)
		q.leave(m)
	} else {
		q.visible--
	}
	m.gone = true
	delete(q.messages, m.id)
	delete(q.receipts, receipt)
	close(m.goneSignal)
	return nil
}

func (q *Queue) change(receipt string, to time.Duration) *Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due()
	now := q.now()
	m, ok := q.receipts[receipt]
	switch {
	case !ok:
		return &Fault{Status: 400, Code: "ReceiptHandleIsInvalid", Message: "The input receipt handle is invalid."}
	case m.place < 0:
		return &Fault{Status: 400, Code: "MessageNotInflight", Message: "The message referred to isn't in flight."}
	case to < 0 || now.Add(to).Sub(m.since) > longest:
		return &Fault{Status: 400, Code: "InvalidParameterValue", Message: "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"}
	case to == 0:
		q.show(m)
	default:
		q.hide(m, now.Add(to))
	}
	return nil
}

func (q *Queue) bodyOf(receipt string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m, ok := q.receipts[receipt]; ok {
		return m.Body
	}
	return ""
}

// Depth is how many messages are visible.
func (q *Queue) Depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due()
	return q.visible
}

// Invisible is how many messages are in flight or delayed.
func (q *Queue) Invisible() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due()
	return len(q.later)
}

// Gone is closed once the message of that id is deleted; it is closed already if there
// is none.
func (q *Queue) Gone(id string) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m, ok := q.messages[id]; ok {
		return m.goneSignal
	}
	none := make(chan struct{})
	close(none)
	return none
}

// Receives is how often a message that is not deleted yet was received.
func (q *Queue) Receives(id string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m, ok := q.messages[id]; ok {
		return m.receives, nil
	}
	return 0, ErrUnknown
}

// Purge deletes all messages.
func (q *Queue) Purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		m.gone = true
		close(m.goneSignal)
	}
	q.reset()
}

func (q *Queue) attributes(names []string) map[string]string {
	visible, invisible := q.Depth(), 0
	delayed := 0
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.later {
		if m.receives > 0 {
			invisible++
		} else {
			delayed++
		}
	}
	all := map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(invisible),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"VisibilityTimeout":                     strconv.Itoa(int(q.visibility / time.Second)),
		"QueueArn":                              q.ARN(),
	}
	if q.fifo {
		all["FifoQueue"] = "true"
	}
	if slices.Contains(names, "All") {
		return all
	}
	some := map[string]string{}
	for _, name := range names {
		if value, ok := all[name]; ok {
			some[name] = value
		}
	}
	return some
}

// A schedule is a heap of invisible messages, the next to be visible first.
type schedule []*message

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push adds a message.
func (s *schedule) Push(x any) {
	m := x.(*message) // nothing else is in it
	m.place = len(*s)
	*s = append(*s, m)
}

// Pop takes the last message off.
func (s *schedule) Pop() any {
	old := *s
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	m.place = -1
	return m
}
