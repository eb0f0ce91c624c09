// Package pagerduty takes in what is meant for PagerDuty's Events API v2, so that
// what can page by PagerDuty can page by tocsin: only the address is another one.
//
//	POST /in/<source>/v2/enqueue           routing_key is the source's token
//	POST /in/<source>                      the same
//	POST /in/<source>/<token>/v2/enqueue   any routing_key
//	POST …/v2/change/enqueue               change events, which are recorded
//
// The token may be in a header too. The answers are PagerDuty's. An event that
// PagerDuty would refuse is refused and recorded all the same.
//
// What is kept of an event is what was sent, but for two members: the value of
// routing_key, which is a secret, is taken out, and a trigger without a dedup_key
// gets the one that the sender is told.
//
// https://developer.pagerduty.com/api-reference/368ae3d938c9e-send-an-event-to-pager-duty
package pagerduty

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in for what speaks PagerDuty's Events API v2.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("pagerduty", "Takes in events as PagerDuty's Events API v2 does: trigger opens, acknowledge acknowledges, resolve closes.", open)
	k.Title, k.Dialect = "PagerDuty Events API v2", dialect{}
	k.Sample = []byte(`{"event_action":"trigger","dedup_key":"tocsin-test","payload":{"summary":"A test of the PagerDuty door","source":"tocsin","severity":"info"}}`)
	return k
}

// Config is what can be set.
type Config struct {
	Token secret.String `json:"token,omitzero" doc:"The routing key that senders use, or the part of the URL that nobody guesses; 16 characters or more. Left out, one is made and shown with the source."`
}

const (
	via = "pagerduty"
	// maxBody is PagerDuty's limit for an event, in bytes
	// (https://developer.pagerduty.com/docs/events-api-v2/overview/#size-limits).
	maxBody = 512 << 10
	// maxKey is the longest dedup_key, in characters.
	maxKey = 255
)

// source is the collector.
type source struct {
	*collect.Door
	env collect.Env
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	door, err := collect.NewDoor(env, c.Token)
	if err != nil {
		return nil, err
	}
	s := &source{Door: door, env: env}
	env.Handle(s)
	return s, nil
}

// ServeHTTP takes one event.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, admitted := s.Admit(r)
	isChange, known := addresses[strings.Trim(rest, "/")]
	switch {
	case !known && !admitted:
		s.Stranger()
		refuse(w, http.StatusNotFound, "Not Found", "there is nothing here")
	case !known:
		refuse(w, http.StatusNotFound, "Not Found", "events are taken at v2/enqueue and v2/change/enqueue")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed", "events are sent with POST")
	default:
		s.take(w, r, admitted, isChange)
	}
}

// addresses are what is behind the token, or behind the source where the body has
// it; true of change events.
var addresses = map[string]bool{"": false, "v2/enqueue": false, "enqueue": false, "v2/change/enqueue": true, "change/enqueue": true}

// take reads the event and answers as PagerDuty does.
func (s *source) take(w http.ResponseWriter, r *http.Request, admitted, isChange bool) {
	// The body may have to be read before it is known who sends it: so it is not
	// unpacked, and short.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		again(w, err)
		return
	case len(body) > maxBody:
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large", fmt.Sprintf("Event object is larger than %d KB", maxBody>>10))
		return
	}
	ev, wrong := parse(body, isChange)
	if !admitted && !s.Knows(ev.routingKey) {
		s.Stranger()
		if !ev.readable {
			refuse(w, http.StatusBadRequest, unrecognized, notAnEvent, wrong...)
			return
		}
		refuse(w, http.StatusBadRequest, invalid, notValid, "'routing_key' is not the token of this source")
		return
	}
	kept := tocsin.Event{Source: s.env.Name, Via: via, ReceivedAt: s.env.Now(), Raw: ev.kept(body), Unreadable: strings.Join(wrong, "; ")}
	if !ev.readable {
		kept.Raw = bytes.ReplaceAll(keyForm.ReplaceAll(body, []byte(`${1}"`+hidden+`"`)), []byte(s.Token()), []byte(hidden))
	}
	if _, err := s.Deliver(r.Context(), kept); err != nil {
		again(w, err)
		return
	}
	switch {
	case !ev.readable:
		refuse(w, http.StatusBadRequest, unrecognized, notAnEvent, wrong...)
	case len(wrong) > 0:
		refuse(w, http.StatusBadRequest, invalid, notValid, wrong...)
	case isChange:
		write(w, http.StatusAccepted, answer{Status: "success", Message: "Change event processed"})
	default:
		write(w, http.StatusAccepted, answer{Status: "success", Message: "Event processed", DedupKey: ev.dedupKey})
	}
}

// PagerDuty's words for what it refuses.
const (
	unrecognized = "Unrecognized object"
	notAnEvent   = "Event object format is unrecognized"
	invalid      = "invalid event"
	notValid     = "Event object is invalid"
)

// An answer is PagerDuty's.
type answer struct {
	Status   string   `json:"status"`
	Message  string   `json:"message"`
	DedupKey string   `json:"dedup_key,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

func refuse(w http.ResponseWriter, code int, status, message string, wrong ...string) {
	write(w, code, answer{Status: status, Message: message, Errors: wrong})
}

// again tells the sender to come again: 429 and 5xx are what PagerDuty asks to be
// tried again.
func again(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "5")
	if errors.Is(err, collect.ErrBusy) {
		refuse(w, http.StatusTooManyRequests, "throttle exceeded", "Requests for this service are arriving too quickly. Please retry later.")
		return
	}
	refuse(w, http.StatusServiceUnavailable, "Service Unavailable", "The event could not be kept. Please retry later.")
}

func write(w http.ResponseWriter, code int, a answer) {
	body, err := json.Marshal(a)
	if err != nil { // texts have a form in JSON
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the sender is gone, or comes again
}

// An event is what a body says.
type event struct {
	readable             bool
	routingKey, dedupKey string
	// secrets are where the values of routing_key stand, and blank is where the
	// value of a dedup_key stands that says nothing; made says that there is a new one.
	secrets []span
	blank   *span
	made    bool
	opening int // where the object begins
}

type span struct{ from, to int }

// parse reads a body and says what PagerDuty finds wrong with it.
func parse(body []byte, isChange bool) (ev event, wrong []string) {
	root := gjson.ParseBytes(body)
	if collect.Valid(body) != nil || !root.IsObject() {
		return ev, []string{"JSON parse error"}
	}
	ev.readable, ev.opening = true, bytes.IndexByte(body, '{')
	members := membersOf(root)
	root.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "routing_key":
			ev.secrets = append(ev.secrets, span{v.Index, v.Index + len(v.Raw)})
		case "dedup_key":
			ev.blank = &span{v.Index, v.Index + len(v.Raw)}
		}
		return true
	})
	ev.routingKey = members["routing_key"].String()
	if isChange {
		return ev, checkChange(members)
	}
	wrong = ev.check(members)
	if ev.dedupKey == "" && len(wrong) == 0 {
		ev.dedupKey, ev.made = rand.Text(), true
	}
	return ev, wrong
}

var (
	actions    = []string{"trigger", "acknowledge", "resolve"}
	severities = []string{"critical", "warning", "error", "info"}
)

// membersOf are the members of an object by name; of those that are there twice the
// last counts, for us as for most that read JSON.
func membersOf(object gjson.Result) map[string]gjson.Result {
	members := map[string]gjson.Result{}
	object.ForEach(func(k, v gjson.Result) bool {
		members[k.Str] = v
		return true
	})
	return members
}

// check tells in PagerDuty's words what is wrong.
func (ev *event) check(members map[string]gjson.Result) (wrong []string) {
	action := members["event_action"]
	switch {
	case blank(action):
		wrong = append(wrong, "'event_action' is missing or blank")
	case !slices.Contains(actions, action.Str):
		wrong = append(wrong, "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
	}
	key := members["dedup_key"]
	switch {
	case key.Type == gjson.String && utf8.RuneCountInString(key.Str) > maxKey:
		wrong = append(wrong, fmt.Sprintf("'dedup_key' is too long (maximum is %d characters)", maxKey))
	case key.Type != gjson.String && key.Type != gjson.Null:
		wrong = append(wrong, "'dedup_key' is invalid (must be a string)")
	case blank(key) && action.Str != "trigger" && slices.Contains(actions, action.Str):
		wrong = append(wrong, "'dedup_key' is missing or blank")
	case !blank(key):
		ev.dedupKey = key.Str
	}
	if action.Str == "trigger" {
		wrong = append(wrong, checkPayload(members["payload"])...)
	}
	return wrong
}

func checkPayload(payload gjson.Result) (wrong []string) {
	if !payload.IsObject() {
		return []string{"'payload' is missing or blank"}
	}
	for _, name := range []string{"summary", "source", "severity"} {
		if v := payload.Get(name); blank(v) {
			wrong = append(wrong, "'payload."+name+"' is missing or blank")
		} else if name == "severity" && !slices.Contains(severities, v.Str) {
			wrong = append(wrong, "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
		}
	}
	return wrong
}

// checkChange tells what is wrong with a change event
// (https://developer.pagerduty.com/docs/events-api-v2/send-change-events/).
func checkChange(members map[string]gjson.Result) []string {
	payload := members["payload"]
	switch {
	case !payload.IsObject():
		return []string{"'payload' is missing or blank"}
	case blank(payload.Get("summary")):
		return []string{"'payload.summary' is missing or blank"}
	}
	return nil
}

// blank reports whether a value is no text or says nothing.
func blank(v gjson.Result) bool { return v.Type != gjson.String || strings.TrimSpace(v.Str) == "" }

// hidden stands where a secret stood.
const hidden = "***"

// keyForm finds the routing key in what is no JSON: it may be one that is good at
// PagerDuty itself, or one of ours from before.
var keyForm = lazyregexp.New(`(["']?routing_key["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|[^\s,&}]+)`)

// kept is the body without the routing key, and with the dedup_key that was made.
func (ev event) kept(body []byte) []byte {
	type edit struct {
		span
		text string
	}
	var edits []edit
	for _, s := range ev.secrets {
		edits = append(edits, edit{s, `"` + hidden + `"`})
	}
	if ev.made {
		key := `"` + ev.dedupKey + `"`
		if ev.blank != nil {
			edits = append(edits, edit{*ev.blank, key})
		} else {
			edits = append(edits, edit{span{ev.opening + 1, ev.opening + 1}, `"dedup_key":` + key + `,`})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(append(out, body[at:e.from]...), e.text...)
		at = e.to
	}
	return append(out, body[at:]...)
}

// Describe tells how to point a sender here.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	key := hidden
	if reveal {
		key = s.Token()
	}
	address := s.env.PublicURL + "/v2/enqueue"
	return []tocsin.Fact{
		{Name: "Events API URL", Value: address},
		{Name: "Routing key", Value: key},
		{Name: "URL with the token, for any routing key", Value: s.URL(reveal) + "/v2/enqueue"},
		{Name: "Try it", Value: fmt.Sprintf(
			`curl -sS %s -d '{"routing_key":"%s","event_action":"trigger","dedup_key":"test","payload":{"summary":"A test","source":"me","severity":"info"}}'`, address, key)},
	}
}
