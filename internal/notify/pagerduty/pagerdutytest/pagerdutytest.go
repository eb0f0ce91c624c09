// Package pagerdutytest plays PagerDuty's Events API v2: a [Server] takes events
// as strictly as the documentation reads, and keeps the incidents that come of
// them. For tests, whole-program scenes and demonstrations.
//
//	POST /v2/enqueue    any path that ends so
//
// Stricter than PagerDuty, it refuses keys that the documentation does not name.
package pagerdutytest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// MaxBytes is the greatest event in bytes
// (https://developer.pagerduty.com/docs/events-api-v2/overview/#size-limits).
const MaxBytes = 512 << 10

// A Status is where an incident stands.
type Status string

// The statuses.
const (
	Triggered    Status = "triggered"
	Acknowledged Status = "acknowledged"
	Resolved     Status = "resolved"
)

// An Event is one that was taken.
type Event struct {
	RoutingKey string  `json:"routing_key"`
	Action     string  `json:"event_action"`
	DedupKey   string  `json:"dedup_key"`
	Client     string  `json:"client"`
	ClientURL  string  `json:"client_url"`
	Payload    Payload `json:"payload"`
	Links      []Link  `json:"links"`
	Images     []Image `json:"images"`
}

// A Payload is in PagerDuty's Common Event Format.
type Payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp"`
	Component string         `json:"component"`
	Group     string         `json:"group"`
	Class     string         `json:"class"`
	Details   map[string]any `json:"custom_details"`
}

// A Link is shown with the incident.
type Link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// An Image is shown with the incident.
type Image struct {
	Src  string `json:"src"`
	Href string `json:"href"`
	Alt  string `json:"alt"`
}

// An Incident is what came of the events of one dedup_key until it was resolved.
// People are notified when it opens, and by nothing that is applied to it later.
type Incident struct {
	DedupKey string
	Status   Status
	// Severity is that of the last trigger.
	Severity string
	Log      []Event // all that was applied to it, in order
}

// Summary is the title: that of the event that opened it.
func (i Incident) Summary() string { return i.Log[0].Payload.Summary }

// A Server is PagerDuty. It is safe for concurrent use; its zero value takes
// events of any routing key.
type Server struct {
	// RoutingKeys are those of existing integrations; empty: any of 32 characters.
	RoutingKeys []string

	mu        sync.Mutex // guards what follows
	incidents []*Incident
	dropped   []Event
	fails     []failure
	attempts  int
}

type failure struct {
	status     int
	retryAfter string
}

// Fail answers the next request with the status, and Retry-After if it is not
// empty, and takes nothing. Several calls are several requests.
func (s *Server) Fail(status int, retryAfter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = append(s.fails, failure{status, retryAfter})
}

// Incidents are all incidents in the order in which they were opened.
func (s *Server) Incidents() []Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Incident, len(s.incidents))
	for i, incident := range s.incidents {
		all[i] = *incident
		all[i].Log = slices.Clone(incident.Log)
	}
	return all
}

// Dropped are the events that found no incident: PagerDuty takes and forgets
// them.
func (s *Server) Dropped() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dropped)
}

// Attempts counts all requests, refused ones too.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// ServeHTTP takes one event.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/v2/enqueue") {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBytes+1))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if len(s.fails) > 0 {
		f := s.fails[0]
		s.fails = s.fails[1:]
		if f.retryAfter != "" {
			w.Header().Set("Retry-After", f.retryAfter)
		}
		answer(w, f.status, map[string]any{"status": "failure", "message": "as this server was asked to"})
		return
	}
	e, wrong := Parse(body)
	if len(wrong) == 0 && len(s.RoutingKeys) > 0 && !slices.Contains(s.RoutingKeys, e.RoutingKey) {
		wrong = append(wrong, "Invalid routing key")
	}
	if len(wrong) > 0 {
		answer(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": wrong})
		return
	}
	if e.DedupKey == "" {
		e.DedupKey = rand.Text()
	}
	s.apply(e)
	answer(w, http.StatusAccepted, map[string]any{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Nobody is left to tell if the reply cannot be written.
	_ = json.NewEncoder(w).Encode(body)
}

// apply does what the documentation says of each action
// (https://developer.pagerduty.com/docs/events-api-v2/trigger-events/#event-action-behavior).
func (s *Server) apply(e Event) {
	i := slices.IndexFunc(s.incidents, func(i *Incident) bool {
		return i.DedupKey == e.DedupKey && i.Status != Resolved && i.Log[0].RoutingKey == e.RoutingKey
	})
	if i < 0 {
		if e.Action != "trigger" {
			s.dropped = append(s.dropped, e)
			return
		}
		s.incidents = append(s.incidents, &Incident{DedupKey: e.DedupKey, Status: Triggered, Severity: e.Payload.Severity, Log: []Event{e}})
		return
	}
	open := s.incidents[i]
	open.Log = append(open.Log, e)
	switch e.Action {
	case "trigger":
		// An acknowledged incident stays so.
		open.Severity = e.Payload.Severity
	case "acknowledge":
		open.Status = Acknowledged
	case "resolve":
		open.Status = Resolved
	}
}

// Parse reads an event and says all that is wrong with it.
func Parse(body []byte) (Event, []string) {
	var e Event
	if len(body) > MaxBytes {
		return e, []string{"The event is larger than 512 KB"}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, []string{"JSON parse error: " + err.Error()}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return e, []string{"JSON parse error: more than one value"}
	}
	return e, e.wrong()
}

var (
	actions    = []string{"trigger", "acknowledge", "resolve"}
	severities = []string{"critical", "error", "warning", "info"}
)

func (e Event) wrong() (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if len(e.RoutingKey) != 32 {
		bad("Length of 'routing_key' is incorrect (should be 32 characters)")
	}
	if !slices.Contains(actions, e.Action) {
		bad("'event_action' is invalid")
	}
	if e.DedupKey == "" && e.Action != "trigger" {
		bad("'dedup_key' is missing or blank")
	}
	if utf8.RuneCountInString(e.DedupKey) > 255 {
		bad("'dedup_key' is longer than 255 characters")
	}
	if e.ClientURL != "" && !absolute(e.ClientURL) {
		bad("'client_url' is no URL")
	}
	for i, l := range e.Links {
		if !absolute(l.Href) {
			bad("'links[%d].href' is no URL", i)
		}
	}
	for i, image := range e.Images {
		if !absolute(image.Src) || !strings.HasPrefix(image.Src, "https:") {
			bad("'images[%d].src' is no https URL", i)
		}
	}
	empty := e.Payload.Summary == "" && e.Payload.Source == "" && e.Payload.Severity == ""
	if e.Action == "trigger" || !empty {
		wrong = append(wrong, e.Payload.wrong()...)
	}
	return wrong
}

func (p Payload) wrong() (wrong []string) {
	for _, field := range []struct {
		name, value string
	}{{"summary", p.Summary}, {"source", p.Source}, {"severity", p.Severity}} {
		if strings.TrimSpace(field.value) == "" {
			wrong = append(wrong, fmt.Sprintf("'payload.%s' is missing or blank", field.name))
		}
	}
	if utf8.RuneCountInString(p.Summary) > 1024 {
		wrong = append(wrong, "'payload.summary' is longer than 1024 characters")
	}
	if p.Severity != "" && !slices.Contains(severities, p.Severity) {
		wrong = append(wrong, "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	}
	if _, err := time.Parse(time.RFC3339, p.Timestamp); p.Timestamp != "" && err != nil {
		wrong = append(wrong, "'payload.timestamp' is not a date of ISO 8601")
	}
	return wrong
}

func absolute(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
