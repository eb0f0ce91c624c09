package eventbridge

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// Limits of PutEvents
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html).
const (
	maxEntries = 10
	// maxEntriesSize is how large all entries of a call may be together, in bytes.
	maxEntriesSize = 1 << 20
	// timeWeight is what an entry's Time counts, in bytes.
	timeWeight = 14
)

// Forms of the members of an entry.
var (
	busForm      = formOf(1, 1600, `(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[/\.\-_A-Za-z0-9]+`)
	traceForm    = formOf(1, 500, "")
	resourceForm = formOf(0, 2048, "")
)

// putEventsRequest is what PutEvents takes
// (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html).
type putEventsRequest struct {
	EndpointID *string `json:"EndpointId"`
	Entries    []entry
}

// An entry is an event to be put.
type entry struct {
	Time                                                  *float64 // seconds since 1970
	Source, DetailType, Detail, EventBusName, TraceHeader *string
	Resources                                             []string
}

// putResult says what became of an entry.
type putResult struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// putEvents takes in the events, all in one. What an entry is refused for is in the
// journal too: it was sent by somebody who has the secret.
func (s *source) putEvents(c call, in putEventsRequest) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	rules, err := s.rules.forEvents(c.Context())
	if err != nil {
		return nil, err
	}
	now := s.env.Now()
	results, events := make([]putResult, len(in.Entries)), make([]tocsin.Event, len(in.Entries))
	failed := 0
	for i, e := range in.Entries {
		id := newID()
		ev := tocsin.Event{Source: s.env.Name, Via: via, Envelope: id, ReceivedAt: now}
		if bad, why := e.refused(); bad.ErrorCode != "" {
			ev.Raw, ev.Unreadable = e.sent(c.body, i, bad.ErrorCode), why
			results[i] = bad
		} else if results[i], err = s.put(e, &ev, c.region, rules); err != nil {
			return nil, err
		}
		if results[i].ErrorCode != "" {
			failed++
		} else {
			results[i].EventID = id
		}
		events[i] = ev
	}
	if _, err := s.Deliver(c.Context(), events...); err != nil {
		return nil, &fault{http.StatusServiceUnavailable, "InternalException", "The events could not be kept. Put them again."}
	}
	return struct {
		FailedEntryCount int
		Entries          []putResult
	}{failed, results}, nil
}

// check says what is wrong with the call as a whole.
func (in putEventsRequest) check() error {
	var c constraints
	entries := len(in.Entries)
	if in.Entries == nil {
		entries = -1
	}
	c.items("entries", entries, 1, maxEntries)
	size := 0
	for i, e := range in.Entries[:min(len(in.Entries), maxEntries)] {
		at := "entries." + strconv.Itoa(i+1) + ".member."
		c.text(at+"eventBusName", e.EventBusName, busForm)
		c.text(at+"traceHeader", e.TraceHeader, traceForm)
		for k, r := range e.Resources {
			c.text(at+"resources."+strconv.Itoa(k+1)+".member", &r, resourceForm)
		}
		size += e.size()
	}
	if err := c.err(); err != nil {
		return err
	}
	switch {
	case size > maxEntriesSize:
		return notValid("Total size of the entries in the request is over the limit.")
	case in.EndpointID != nil:
		return notValid("EndpointId is not supported: there are no global endpoints here.")
	}
	return nil
}

func (e entry) size() int {
	size := len(text(e.Source)) + len(text(e.DetailType)) + len(text(e.Detail))
	if e.Time != nil {
		size += timeWeight
	}
	for _, r := range e.Resources {
		size += len(r)
	}
	return size
}

// text is what s says, and nothing for nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// sent is what is kept of the i-th entry of a body, for which no event is made: its
// detail where that is what is wrong, else all of it.
func (e entry) sent(body []byte, i int, code string) []byte {
	if code == malformedDetail {
		return []byte(*e.Detail)
	}
	return []byte(gjson.GetBytes(body, "Entries."+strconv.Itoa(i)).Raw)
}

// put makes the event of an entry that can be read. It says why the entry is refused
// all the same, and why the event is not wanted.
func (s *source) put(e entry, ev *tocsin.Event, region string, rules *rules) (putResult, error) {
	raw, err := s.event(e, ev, region)
	if err != nil {
		return putResult{}, err
	}
	ev.Raw = raw
	if bus, ok := busOf(e.EventBusName); !ok {
		ev.Unwanted = "there is no event bus " + bus
		return putResult{ErrorCode: "ResourceNotFoundException", ErrorMessage: "Event bus " + bus + " does not exist."}, nil
	}
	if source := *e.Source; strings.HasPrefix(source, "aws.") && !s.AllowAWSSources {
		ev.Unwanted = "the source " + cut(source) + " is AWS's own; allow_aws_sources: true lets it in"
		return putResult{ErrorCode: "NotAuthorizedForSourceException", ErrorMessage: "Not authorized for the source."}, nil
	}
	if !rules.want(raw) {
		ev.Unwanted = "no rule of the event bus " + defaultBus + " matches it"
	}
	return putResult{}, nil
}

const malformedDetail = "MalformedDetail"

// refused says what AWS finds wrong with the entry itself, and the same for the
// journal.
func (e entry) refused() (bad putResult, why string) {
	for _, m := range []struct {
		name  string
		value *string
	}{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if text(m.value) == "" {
			return argument(m.name, m.name+" is a required argument.")
		}
	}
	if e.Time != nil && (math.Abs(*e.Time) > maxSeconds || *e.Time < 0) {
		return argument("Time", "Time is out of range.")
	}
	detail := []byte(*e.Detail)
	problem := ""
	if err := collect.Valid(detail); err != nil {
		problem = "the detail is " + err.Error()
	} else if strings.TrimLeft(*e.Detail, " \t\r\n")[0] != '{' {
		problem = "the detail is JSON and no object"
	}
	if problem != "" {
		return putResult{ErrorCode: malformedDetail, ErrorMessage: "Detail is malformed."}, problem
	}
	return putResult{}, ""
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

func argument(name, reason string) (bad putResult, why string) {
	why = "Parameter " + name + " is not valid. Reason: " + reason
	return putResult{ErrorCode: "InvalidArgument", ErrorMessage: why}, why
}

// event is what EventBridge makes of an entry, byte for byte with its detail
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html).
func (s *source) event(e entry, ev *tocsin.Event, region string) ([]byte, error) {
	at := ev.ReceivedAt
	if e.Time != nil {
		at = time.UnixMilli(int64(*e.Time * 1000))
	}
	resources := e.Resources
	if resources == nil {
		resources = []string{}
	}
	return marshalWith([]byte(strings.TrimSpace(*e.Detail)), struct {
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
	}{"0", ev.Envelope, *e.DetailType, *e.Source, s.Account, at.UTC().Format(time.RFC3339), region, resources})
}

// marshalWith writes the object v with detail as its last member, as it is: writing
// it with the rest would change its blanks.
func marshalWith(detail []byte, v any) ([]byte, error) {
	head, err := marshal(v)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 0, len(head)+len(detail)+len(`,"detail":`))
	raw = append(raw, head[:len(head)-1]...)
	raw = append(raw, `,"detail":`...)
	raw = append(raw, detail...)
	return append(raw, '}'), nil
}
