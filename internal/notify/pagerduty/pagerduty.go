// Package pagerduty tells a PagerDuty service by the Events API v2
// (https://developer.pagerduty.com/docs/events-api-v2/trigger-events/).
//
// Every event of an alert has the same dedup_key, so that PagerDuty keeps one
// incident of it:
//
//	opened, raised, updated     trigger: opens the incident, or adds to its log
//	acknowledged, assigned      acknowledge
//	closed                      resolve
//	snoozed                     resolve: PagerDuty cannot be told to wait, and the
//	                            trigger at the snooze's end opens a new incident
//	open again                  trigger
//	a digest, a note            trigger with a key of its own; nothing of ours
//	                            resolves it
//
// While an incident is acknowledged in PagerDuty it notifies nobody, whatever is
// triggered; only an acknowledgement timeout of the service opens it again.
package pagerduty

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the PagerDuty notifier. PagerDuty takes about 120 events a minute for
// one integration (https://developer.pagerduty.com/docs/events-api-v2/rate-limits/).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("pagerduty", "Opens, acknowledges and resolves incidents of a PagerDuty service.", open)
	k.Title = "PagerDuty"
	k.Abilities = notify.Abilities{Threads: true, Resolve: true, Rich: true, Limit: "512 KB, summary 1,024 characters"}
	k.Checks = []notify.Check{{
		How: notify.ByFake, By: "a server that keeps the rules of the Events API v2, and a JSON Schema written after PagerDuty's OpenAPI description",
		Test: "TestTheLifeOfAnAlertIsOneIncident",
	}}
	k.Rate, k.Follows = 2, true
	return k
}

// Config are the settings of a PagerDuty receiver.
type Config struct {
	RoutingKey secret.String `json:"routing_key" doc:"Integration Key of an Events API v2 integration of the service: 32 characters."`
	URL        string        `json:"url,omitempty" doc:"Where events are sent; https://events.eu.pagerduty.com/v2/enqueue for accounts in the EU." default:"https://events.pagerduty.com/v2/enqueue"`
}

const defaultURL = "https://events.pagerduty.com/v2/enqueue"

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.URL == "" {
		c.URL = defaultURL
	}
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	if err := checkKey(c.RoutingKey.Reveal()); err != nil {
		return nil, fmt.Errorf("routing_key %w", err)
	}
	return &notifier{url: c.URL, key: c.RoutingKey, client: env.HTTP, now: env.Now}, nil
}

// checkKey says what is wrong with an integration key, without quoting it.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("is not set")
	case secret.IsReference(key):
		return nil // not resolved yet
	case len(key) != 32:
		return fmt.Errorf("has %d characters, want 32: it is the Integration Key of an Events API v2 integration", len(key))
	}
	return nil
}

type notifier struct {
	url    string
	key    secret.String
	client *http.Client
	now    func() time.Time
}

// Notify sends the event. The reference is its dedup_key.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("pagerduty: it tells a service, not a single person, and proves no address"))
	}
	e := render(m, n.now())
	e.RoutingKey = n.key.Reveal()
	body, err := json.Marshal(e)
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("pagerduty: %w", err))
	}
	request := notify.Request{Method: http.MethodPost, URL: n.url, Body: body, Secrets: []secret.String{n.key}}
	reply, err := request.Send(ctx, n.client)
	if err != nil {
		return "", fmt.Errorf("pagerduty: %w", err)
	}
	if err := accepted(reply); err != nil {
		return "", fmt.Errorf("pagerduty: %w", err)
	}
	return e.DedupKey, nil
}

// accepted judges what a reply with a good status says. One that is not of
// PagerDuty may be a proxy's, and the event lost.
func accepted(reply []byte) error {
	var said struct{ Status string }
	if err := json.Unmarshal(reply, &said); err != nil || said.Status != "success" {
		return errors.New(`the reply is not PagerDuty's "success"; is there a proxy in between, or is url wrong?`)
	}
	return nil
}

// PagerDuty's limits. An event may have 512 KB
// (https://developer.pagerduty.com/docs/events-api-v2/overview/#size-limits).
const (
	keyMax     = 255
	summaryMax = 1024
	listedMax  = 50  // of a digest
	wordMax    = 255 // of source, component, group and class; PagerDuty says none
)

type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Client     string   `json:"client"`
	ClientURL  string   `json:"client_url,omitempty"`
	Payload    payload  `json:"payload"`
	Links      []anchor `json:"links,omitempty"`
}

// A payload is in PagerDuty's Common Event Format
// (https://support.pagerduty.com/docs/pd-cef).
type payload struct {
	Summary   string  `json:"summary"`
	Source    string  `json:"source"`
	Severity  string  `json:"severity"`
	Timestamp string  `json:"timestamp"`
	Component string  `json:"component,omitempty"`
	Group     string  `json:"group,omitempty"`
	Class     string  `json:"class,omitempty"`
	Details   details `json:"custom_details,omitempty"`
}

type anchor struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// render makes the event of a message, but for the routing key.
func render(m notify.Message, now time.Time) event {
	e := event{
		Action: action(m), DedupKey: notify.Truncate(notify.DedupKey(m), keyMax, notify.UTF16),
		Client: "tocsin", ClientURL: notify.AlertLink(m), Links: links(m),
		Payload: payload{
			Summary:   notify.Truncate(notify.FirstLine(m), summaryMax, notify.UTF16),
			Source:    source(m),
			Severity:  severity(m.Level()),
			Timestamp: m.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
			Component: word(m.Alert.Resource.ID),
			Group:     word(cmp.Or(m.Team, m.Account.Team)),
			Class:     notify.Type(m),
		},
	}
	switch m.Kind {
	case tocsin.TellDigest:
		e.Payload.Details = listed(m)
	case tocsin.TellNote:
		e.Payload.Details = details{{"Note", notify.Note(m)}, {"Why", notify.Why(m)}}
	default:
		e.Payload.Details = told(m, now)
	}
	return e
}

// action is what is done to the incident.
func action(m notify.Message) string {
	switch {
	case m.Kind == tocsin.TellAcknowledged:
		return "acknowledge"
	case m.Kind == tocsin.TellClosed:
		return "resolve"
	case m.Kind != tocsin.TellUpdated && m.Kind != tocsin.TellChanged:
		return "trigger"
	case m.Alert.Status == tocsin.StatusClosed:
		// It was closed while the message waited. A trigger would page people.
		return "resolve"
	case m.Kind == tocsin.TellChanged && m.Alert.SnoozedUntil.After(m.At):
		return "resolve"
	case m.Kind == tocsin.TellChanged && m.Alert.Status == tocsin.StatusAcked:
		return "acknowledge"
	}
	return "trigger"
}

// severity is PagerDuty's word. A level that nobody knows may be the worst there
// is, and is not taken for little.
func severity(l tocsin.Level) string {
	switch l {
	case tocsin.Critical:
		return "critical"
	case tocsin.Medium:
		return "warning"
	case tocsin.Low, tocsin.Informational:
		return "info"
	}
	return "error"
}

// source is where it happened: account and region.
func source(m notify.Message) string {
	if s := word(notify.AccountLabel(m) + " " + m.Alert.Region); s != "" {
		return s
	}
	return "tocsin"
}

func word(s string) string {
	return notify.Truncate(notify.Defang(notify.Clean(s)), wordMax, notify.UTF16)
}

func links(m notify.Message) []anchor {
	var as []anchor
	add := func(href, text string) {
		if href != "" {
			as = append(as, anchor{href, text})
		}
	}
	add(notify.AlertLink(m), "Alert #"+strconv.FormatInt(m.Alert.ID, 10))
	add(notify.ConsoleLink(m), "AWS console")
	add(notify.DocumentationLink(m), "About "+notify.Type(m))
	for _, a := range m.Actions {
		add(a.Link(), word(a.Label)+" in tocsin")
	}
	return as
}

// told are the details of a message about one alert, most important first.
func told(m notify.Message, now time.Time) details {
	var d details
	add := func(name, value string) {
		if value != "" {
			d = append(d, detail{name, value})
		}
	}
	add("What changed", notify.Changes(m))
	for _, f := range notify.Facts(m, now) {
		if f.Name == "First step" && notify.Defang(f.Value) != f.Value {
			// PagerDuty would make a link of an attacker's name in it, and a command
			// that is not as it should be would quietly find nothing.
			continue
		}
		add(f.Name, f.Value)
	}
	add("On call", notify.OnCall(m))
	add("Seen before", notify.Seen(m))
	add("Description", notify.Description(m))
	add("Finding", notify.FindingID(m))
	add("Why", notify.Why(m))
	add("Message", word(m.ID))
	return d
}

// listed are the alerts of a digest.
func listed(m notify.Message) details {
	type line struct {
		Alert string `json:"alert"`
		Link  string `json:"link,omitempty"`
	}
	lines := make([]line, 0, listedMax)
	for _, item := range m.Digest[:min(len(m.Digest), listedMax)] {
		lines = append(lines, line{item.Line(), item.Link()})
	}
	d := details{{"Alerts", lines}}
	if more := len(m.Digest) - len(lines); more > 0 {
		d = append(d, detail{"Not listed", fmt.Sprintf("%d more", more)})
	}
	return append(d, detail{"Why", notify.Why(m)})
}

// details are an object whose keys stay in order.
type details []detail

type detail struct {
	name  string
	value any
}

// MarshalJSON writes the object. A name that is there already is numbered.
func (d details) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	seen := map[string]int{}
	for i, one := range d {
		name := one.name
		if seen[name]++; seen[name] > 1 {
			name += " " + strconv.Itoa(seen[name])
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(one.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
