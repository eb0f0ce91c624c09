// Package opsgenie tells Jira Service Management's operations, and Opsgenie, which
// it takes the place of: Opsgenie's support ends on 2027-04-05
// (https://www.atlassian.com/software/opsgenie/migration). Both take the same
// requests, of which Jira Service Management knows four, so that these are all
// that is used
// (https://developer.atlassian.com/cloud/jira/service-desk-ops/rest/v1/api-group-integration-events/).
//
// Every request of an alert has the same alias, so that there is one alert of it:
//
//	opened                      create: opens an alert, or counts one more of it
//	raised, open again          create, since somebody may have closed it; and a note
//	updated, handed over        a note
//	acknowledged, assigned      acknowledge
//	snoozed                     close: it cannot be told to wait, and the create at
//	                            the snooze's end opens a new one
//	closed                      close
//	a digest, a note            create, with an alias of its own; nothing of ours closes it
//
// Requests are answered before they are carried out. What finds no alert is
// forgotten there.
package opsgenie

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the notifier. How many requests are taken depends on the plan and the
// number of users (https://docs.opsgenie.com/docs/api-rate-limiting).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("opsgenie", "Opens, acknowledges and closes alerts of Jira Service Management, or of Opsgenie.", open)
	k.Title = "Jira Service Management, Opsgenie"
	k.Abilities = notify.Abilities{Threads: true, Resolve: true, Limit: "message 130, description 15,000 characters"}
	k.Checks = []notify.Check{{How: notify.ByFake, By: "a server that keeps the alert API's rules and lengths", Test: "TestTheLifeOfAnAlertIsOneAlert"}}
	k.Follows = true
	return k
}

// Config are the settings of a receiver.
type Config struct {
	APIKey     secret.String     `json:"api_key" doc:"Key of an API integration: in Jira Service Management, the team's Integrations, Add integration, API."`
	Instance   string            `json:"instance,omitempty" doc:"jsm (Jira Service Management), opsgenie or opsgenie-eu." default:"jsm"`
	BaseURL    string            `json:"base_url,omitempty" doc:"What stands before /v2/alerts, in place of what instance says."`
	Responders []Responder       `json:"responders,omitempty" doc:"Who is notified. Left out, the integration's team."`
	Tags       []string          `json:"tags,omitempty" doc:"More tags: tocsin, level, account and region are there in any case."`
	Priority   map[string]string `json:"priority,omitempty" doc:"Priority by level, where it is another than critical P1, high P2, medium P3, low P4, informational P5."`
}

// A Responder is one who is notified.
type Responder struct {
	Type     string `json:"type" doc:"team, user, escalation or schedule."`
	Name     string `json:"name,omitempty" doc:"Its name: of a team, an escalation or a schedule."`
	Username string `json:"username,omitempty" doc:"A user's mail address."`
	ID       string `json:"id,omitempty" doc:"Its id, in place of a name."`
}

var instances = map[string]string{
	"":            "https://api.atlassian.com/jsm/ops/integration",
	"jsm":         "https://api.atlassian.com/jsm/ops/integration",
	"opsgenie":    "https://api.opsgenie.com",
	"opsgenie-eu": "https://api.eu.opsgenie.com",
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	base, known := instances[c.Instance]
	if !known {
		return nil, fmt.Errorf("instance: %q is none of jsm, opsgenie, opsgenie-eu", c.Instance)
	}
	base = strings.TrimRight(cmp.Or(c.BaseURL, base), "/")
	if err := notify.CheckURL(secret.New(base)); err != nil {
		return nil, fmt.Errorf("base_url %w", err)
	}
	if strings.HasSuffix(base, "/v2") || strings.HasSuffix(base, "/alerts") {
		return nil, errors.New("base_url: want what stands before /v2/alerts")
	}
	if c.APIKey.IsZero() {
		return nil, errors.New("api_key is not set")
	}
	n := &notifier{key: c.APIKey, alerts: base + "/v2/alerts", responders: c.Responders, client: notify.Throttled(env.HTTP, throttled), now: env.Now}
	for i, r := range c.Responders {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("responders[%d]: %w", i, err)
		}
	}
	var err error
	if n.priorities, err = priorities(c.Priority); err != nil {
		return nil, err
	}
	for _, t := range c.Tags {
		if t == "" || notify.UTF16(t) > tagMax || strings.Contains(t, ",") {
			return nil, fmt.Errorf("tags: %q is not 1 to %d characters without a comma", t, tagMax)
		}
	}
	if len(c.Tags) > tagsMost-ownTags {
		return nil, fmt.Errorf("tags: %d are more than %d", len(c.Tags), tagsMost-ownTags)
	}
	n.tags = c.Tags
	return n, nil
}

func (r Responder) check() error {
	switch r.Type {
	case "team", "user", "escalation", "schedule":
	default:
		return fmt.Errorf("type: %q is none of team, user, escalation, schedule", r.Type)
	}
	given := 0
	for _, s := range []string{r.Name, r.Username, r.ID} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return errors.New("want one of name, username and id")
	}
	if r.Username != "" && r.Type != "user" {
		return fmt.Errorf("username: a %s has none; want name or id", r.Type)
	}
	return nil
}

// priorities are the words by level. A level that nobody knows may be the worst
// there is, and is not taken for little.
func priorities(set map[string]string) (map[tocsin.Level]string, error) {
	words := map[tocsin.Level]string{
		tocsin.Critical: "P1", tocsin.High: "P2", tocsin.Unknown: "P2", tocsin.Medium: "P3", tocsin.Low: "P4", tocsin.Informational: "P5",
	}
	for name, word := range set {
		level, err := tocsin.ParseLevel(name)
		if err != nil {
			return nil, fmt.Errorf("priority: %w", err)
		}
		if len(word) != 2 || word[0] != 'P' || word[1] < '1' || word[1] > '5' {
			return nil, fmt.Errorf("priority: %s: %q is none of P1, P2, P3, P4, P5", name, word)
		}
		words[level] = word
	}
	return words, nil
}

type notifier struct {
	key        secret.String
	alerts     string // "https://api.atlassian.com/jsm/ops/integration/v2/alerts"
	responders []Responder
	tags       []string
	priorities map[tocsin.Level]string // never written after open
	client     *http.Client
	now        func() time.Time
}

// Notify makes the requests of the message. The reference is the alert's alias.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("opsgenie: it tells a team, not a single person, and proves no address"))
	}
	alias := notify.Truncate(notify.DedupKey(m), aliasMax, notify.UTF16)
	for _, do := range steps(m) {
		if err := n.do(ctx, do, alias, m); err != nil {
			return "", fmt.Errorf("opsgenie: %w", err)
		}
	}
	return alias, nil
}

// A step is one request.
type step string

const (
	create      step = ""
	acknowledge step = "acknowledge"
	closing     step = "close"
	note        step = "notes"
)

// steps are what is done, in order. A note comes last, since a repeat would write
// it twice.
func steps(m notify.Message) []step {
	switch {
	case m.Kind == tocsin.TellAcknowledged:
		return []step{acknowledge}
	case m.Kind == tocsin.TellClosed:
		return []step{closing}
	case m.Kind == tocsin.TellRaised:
		return []step{create, note}
	case m.Kind != tocsin.TellUpdated && m.Kind != tocsin.TellChanged:
		return []step{create}
	case m.Alert.Status == tocsin.StatusClosed:
		return []step{closing} // it was closed while the message waited
	case m.Kind == tocsin.TellUpdated:
		return []step{note}
	case m.Alert.SnoozedUntil.After(m.At):
		return []step{closing}
	case m.Alert.Status == tocsin.StatusAcked:
		return []step{acknowledge}
	}
	for _, c := range m.Changes {
		if c.What == "team" {
			return []step{note}
		}
	}
	return []step{create, note} // open again
}

func (n *notifier) do(ctx context.Context, s step, alias string, m notify.Message) error {
	address := n.alerts
	var body any
	if s == create {
		body = n.alert(m, alias)
	} else {
		address += "/" + url.PathEscape(alias) + "/" + string(s) + "?identifierType=alias"
		body = n.deed(m)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return notify.Permanent(err)
	}
	reply, err := notify.Request{
		Method: http.MethodPost, URL: address, Body: text,
		Headers: http.Header{"Authorization": {"GenieKey " + n.key.Reveal()}}, Secrets: []secret.String{n.key},
	}.Send(ctx, n.client)
	if err != nil {
		return err
	}
	var said struct{ Result, RequestID string }
	if err := json.Unmarshal(reply, &said); err != nil || said.RequestID == "" {
		return errors.New("the reply names no request; is there a proxy in between, or is base_url wrong?")
	}
	return nil
}

// throttled reads for how long Opsgenie takes nothing more, where it does not say
// it with Retry-After (https://docs.opsgenie.com/docs/api-rate-limiting).
func throttled(resp *http.Response, _ []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	if wait, ok := notify.Wait(resp.Header); ok {
		return wait, true
	}
	seconds, err := strconv.Atoi(resp.Header.Get("X-Ratelimit-Period-In-Sec"))
	return time.Duration(seconds) * time.Second, err == nil && seconds > 0
}

// Limits of the fields, in characters (https://docs.opsgenie.com/docs/alert-api).
const (
	messageMax     = 130
	aliasMax       = 512
	descriptionMax = 15000
	noteMax        = 25000
	entityMax      = 512
	userMax        = 100
	tagMax         = 50
	tagsMost       = 20
	ownTags        = 4
	valueMax       = 500 // of one detail: all of them may have 8,000
)

// An alert is what one is made of.
type alert struct {
	Message     string            `json:"message"`
	Alias       string            `json:"alias"`
	Description string            `json:"description"`
	Responders  []Responder       `json:"responders,omitempty"`
	Tags        []string          `json:"tags"`
	Details     map[string]string `json:"details,omitempty"`
	Entity      string            `json:"entity,omitempty"`
	Source      string            `json:"source"`
	Priority    string            `json:"priority"`
}

func (n *notifier) alert(m notify.Message, alias string) alert {
	o := notify.OutlineOf(m, n.now())
	o.Answers = nil // they act for one reader, and a team reads it
	return alert{
		Message: short(notify.FirstLine(m), messageMax), Alias: alias,
		Description: text(o, descriptionMax),
		Responders:  n.responders, Tags: n.tagged(m), Details: details(m),
		Entity: word(m.Alert.Resource.ID, entityMax), Source: "tocsin", Priority: n.priorities[m.Level()],
	}
}

// A deed is what is said with anything done to an alert that is there.
type deed struct {
	User   string `json:"user,omitempty"`
	Source string `json:"source"`
	Note   string `json:"note"`
}

func (n *notifier) deed(m notify.Message) deed {
	d := deed{Source: "tocsin", Note: text(notify.CommentOutline(m, n.now(), ""), noteMax)}
	switch m.Kind {
	case tocsin.TellAcknowledged:
		d.User = word(m.Alert.AckedBy, userMax)
	case tocsin.TellClosed:
		d.User = word(m.Alert.ClosedBy, userMax)
	}
	return d
}

// tagged are the tags, ours first.
func (n *notifier) tagged(m notify.Message) []string {
	tags := make([]string, 0, ownTags+len(n.tags))
	for _, t := range append([]string{"tocsin", m.Level().String(), notify.AccountLabel(m), notify.Region(m)}, n.tags...) {
		if t = word(strings.ReplaceAll(t, ",", " "), tagMax); t != "" {
			tags = append(tags, t)
		}
	}
	return tags
}

// details are what people filter and route by.
func details(m notify.Message) map[string]string {
	if !m.AboutAlert() {
		return nil
	}
	all := map[string]string{
		"account": m.Alert.Account, "account_name": m.Account.Name, "environment": m.Account.Environment, "region": m.Alert.Region,
		"type": m.Alert.Type, "level": m.Alert.Level.String(), "rule": m.Alert.Rule, "team": cmp.Or(m.Team, m.Account.Team),
		"resource_type": m.Alert.Resource.Type, "resource": m.Alert.Resource.ID, "finding": m.Alert.Detection.ID,
		"alert": strconv.FormatInt(m.Alert.ID, 10),
	}
	for name, value := range all {
		if all[name] = word(value, valueMax); all[name] == "" {
			delete(all, name)
		}
	}
	return all
}

// angles keep what is shown as HTML, as Opsgenie does in some places, from being
// any.
var angles = strings.NewReplacer("<", "‹", ">", "›")

func short(s string, most int) string { return notify.Truncate(angles.Replace(s), most, notify.UTF16) }

func word(s string, most int) string {
	return short(notify.Defang(notify.Clean(s)), most)
}

// text is the outline in plain text. A first step that would not be shown as it is
// is left out: it would quietly find nothing.
func text(o notify.Outline, most int) string {
	if strings.ContainsAny(o.Step, "<>") {
		o.Step = ""
	}
	return angles.Replace(o.Text(most, notify.UTF16))
}
