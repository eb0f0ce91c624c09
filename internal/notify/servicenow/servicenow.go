// Package servicenow keeps an incident of each alert in ServiceNow, by the Table
// API (https://www.servicenow.com/docs/, "Table API"), or sends its events to
// Event Management, which makes alerts of them.
//
// An incident has the alert's key as its correlation id, by which it is looked up
// before one is made. Whatever is told later is a work note, which is written once:
// its last line has the message's id. Its state follows the alert. A digest and a
// note are incidents of their own, which nothing of ours closes.
package servicenow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the ServiceNow notifier. How many requests an instance takes is for its
// administrator to say; then it answers 429 with Retry-After.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("servicenow", "Keeps an incident of each alert in ServiceNow, or sends its events to Event Management.", open)
	k.Title = "ServiceNow"
	k.Abilities = notify.Abilities{Threads: true, Resolve: true, Limit: "short description 160, description and work notes 4,000 characters"}
	k.Checks = []notify.Check{
		{How: notify.ByFake, By: "a server that keeps the Table API's rules", Test: "TestTheLifeOfAnAlertIsOneIncident"},
		{How: notify.ByFake, By: "a server that keeps Event Management's rules", Test: "TestTheLifeOfAnAlertIsOneMessageKey"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a ServiceNow receiver.
type Config struct {
	URL      string        `json:"url" doc:"The instance: https://example.service-now.com."`
	Mode     string        `json:"mode,omitempty" doc:"incident, or event for Event Management." default:"incident"`
	Username string        `json:"username,omitempty" doc:"User who makes the incidents; with password. The roles itil (incidents) or evt_mgmt_integration (events) are enough."`
	Password secret.String `json:"password,omitzero" doc:"The user's password."`
	OAuth    *OAuth        `json:"oauth,omitempty" doc:"OAuth 2.0 in place of the user, or together with it (grant type password)."`
	Token    secret.String `json:"token,omitzero" doc:"A token as it is, in place of both."`

	Table      string            `json:"table,omitempty" doc:"The table of the incidents." default:"incident"`
	Impact     map[string]string `json:"impact,omitempty" doc:"Impact by level: critical: 1. Left out, critical and high 1, medium 2, others 3."`
	Urgency    map[string]string `json:"urgency,omitempty" doc:"Urgency by level. Left out, critical 1, high and medium 2, others 3."`
	Group      string            `json:"assignment_group,omitempty" doc:"Group to which incidents are assigned: its sys_id, or its name where the instance takes that."`
	Fields     map[string]string `json:"fields,omitempty" doc:"More fields of a new incident: category: Security."`
	States     States            `json:"states,omitzero" doc:"Values of the field state by what becomes of the alert; - leaves it."`
	CloseCode  string            `json:"close_code,omitempty" doc:"Value of the field close_code when it is closed; - leaves it." default:"Solution provided"`
	CloseNotes string            `json:"close_notes,omitempty" doc:"Begins the field close_notes, which says by whom and why. It cannot be empty." default:"Closed by tocsin"`
}

// OAuth is a client of the instance's Application Registry.
type OAuth struct {
	ClientID     string        `json:"client_id" doc:"Client ID of the Application Registry."`
	ClientSecret secret.String `json:"client_secret" doc:"Its client secret."`
}

// States are values of an incident's state.
type States struct {
	Ack    string `json:"ack,omitempty" doc:"When the alert is acknowledged." default:"2"`
	Close  string `json:"close,omitempty" doc:"When it is closed." default:"6"`
	Reopen string `json:"reopen,omitempty" doc:"When it is open again." default:"2"`
}

// leave is the setting that leaves a field as it is.
const leave = "-"

var (
	tableName = lazyregexp.New(`^[a-z][a-z0-9_]*$`)
	fieldName = lazyregexp.New(`^[a-z][a-z0-9_]*$`)
)

// ours are the fields that are not for the configuration to set.
var ours = []string{"short_description", "description", "correlation_id", "impact", "urgency", "assignment_group", "work_notes", "state"}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	c = c.defaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &notifier{c: c, base: strings.TrimRight(c.URL, "/"), client: env.HTTP, now: env.Now, log: env.Log}
	var err error
	if n.impact, err = byLevel("impact", c.Impact, "1", "1", "2", "3"); err != nil {
		return nil, err
	}
	n.urgency, err = byLevel("urgency", c.Urgency, "1", "2", "2", "3")
	return n, err
}

func (c Config) defaults() Config {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&c.Mode, "incident"},
		{&c.Table, "incident"},
		{&c.CloseCode, "Solution provided"},
		{&c.CloseNotes, "Closed by tocsin"},
		{&c.States.Ack, "2"},
		{&c.States.Close, "6"},
		{&c.States.Reopen, "2"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	return c
}

func (c Config) check() error {
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return fmt.Errorf("url %w", err)
	}
	switch {
	case strings.Contains(c.URL, "/api/"):
		return errors.New("url: want the address of the instance alone, without /api/…")
	case c.Mode != "incident" && c.Mode != "event":
		return fmt.Errorf("mode: %q is none of incident, event", c.Mode)
	case !tableName.MatchString(c.Table):
		return fmt.Errorf("table: %q is not a table's name, such as incident", c.Table)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		if slices.Contains(ours, name) {
			return fmt.Errorf("fields: %s is set by tocsin itself", name)
		}
		if !fieldName.MatchString(name) {
			return fmt.Errorf("fields: %q is not a field's name", name)
		}
	}
	return c.checkLogin()
}

func (c Config) checkLogin() error {
	switch user := c.Username != "" || !c.Password.IsZero(); {
	case !c.Token.IsZero() && (user || c.OAuth != nil):
		return errors.New("token: it takes the place of username, password and oauth; set one of them")
	case c.Token.IsZero() && !user && c.OAuth == nil:
		return errors.New("username and password are not set, nor oauth, nor token")
	case user && (c.Username == "" || c.Password.IsZero()):
		return errors.New("username and password: one of them is not set")
	case strings.Contains(c.Username, ":"):
		return fmt.Errorf("username: %q has a colon, which a login cannot have", c.Username)
	case c.OAuth != nil && (c.OAuth.ClientID == "" || c.OAuth.ClientSecret.IsZero()):
		return errors.New("oauth: client_id and client_secret: one of them is not set")
	}
	return nil
}

// byLevel are values by level: those for critical, high, medium and all others,
// unless set. A level that nobody knows may be the worst there is, and is as high.
func byLevel(what string, set map[string]string, critical, high, medium, others string) (map[tocsin.Level]string, error) {
	values := map[tocsin.Level]string{
		tocsin.Critical: critical, tocsin.High: high, tocsin.Unknown: high, tocsin.Medium: medium, tocsin.Low: others, tocsin.Informational: others,
	}
	for name, value := range set {
		level, err := tocsin.ParseLevel(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		values[level] = value
	}
	return values, nil
}

type notifier struct {
	c               Config
	base            string // "https://example.service-now.com"
	client          *http.Client
	now             func() time.Time
	log             *slog.Logger
	impact, urgency map[tocsin.Level]string // never written after open
	token           token
}

// Notify writes the incident or a work note on it, or sends the event. The
// reference is the incident's sys_id, or the event's message key.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("servicenow: it tells a team, not a single person, and proves no address"))
	}
	tell := n.incident
	if n.c.Mode == "event" {
		tell = n.event
	}
	ref, err := tell(ctx, m)
	if err != nil {
		return "", fmt.Errorf("servicenow: %w", err)
	}
	return ref, nil
}

// key is the correlation id and message key; the field has 100 characters.
func key(m notify.Message) string {
	key := notify.DedupKey(m)
	if len(key) <= 100 {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "tocsin-" + hex.EncodeToString(sum[:16])
}

// Lengths of the fields, in characters, as an instance has them when it is new.
const (
	shortMax = 160
	textMax  = 4000
)

// codeTag begins what a journal field shows as HTML.
var codeTag = lazyregexp.New(`(?i)\[(/?)\s*code\s*\]`)

// text is the outline in plain text, in which nothing is a tag of a journal field.
func text(o notify.Outline, most int) string {
	return codeTag.ReplaceAllString(o.Text(most, notify.UTF16), "(${1}code)")
}

func word(s string, most int) string {
	return notify.Truncate(notify.Defang(notify.Clean(s)), most, notify.UTF16)
}

const repliesMax = 4 << 20

// call makes one request and reads the reply's result into what is given. A reply that
// is no JSON is a login page's, and nothing was written.
func (n *notifier) call(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return notify.Permanent(err)
		}
	}
	reply, err := n.send(ctx, method, path, text)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(reply, &struct {
		Result any `json:"result"`
	}{into}); err != nil {
		return errors.New("the reply is not ServiceNow's JSON; is there a proxy or a login page in between, or does the instance sleep?")
	}
	return nil
}

// send makes one request. A token that is refused is asked for again, once.
func (n *notifier) send(ctx context.Context, method, path string, text []byte) ([]byte, error) {
	for again := n.c.OAuth != nil; ; again = false {
		login, err := n.login(ctx)
		if err != nil {
			return nil, err
		}
		reply, err := notify.Request{
			Method: method, URL: n.base + path, Body: text, Most: repliesMax,
			Headers: http.Header{"Authorization": {login}, "Accept": {"application/json"}},
			Secrets: n.secrets(),
		}.Send(ctx, n.client)
		if !again || notify.Status(err) != http.StatusUnauthorized {
			return reply, err
		}
		n.token.forget()
	}
}

func (n *notifier) secrets() []secret.String {
	secrets := []secret.String{n.c.Password, n.c.Token}
	if n.c.OAuth != nil {
		secrets = append(secrets, n.c.OAuth.ClientSecret)
	}
	return secrets
}

// path is one of the table's, with a query.
func (n *notifier) path(id string, query url.Values) string {
	path := "/api/now/table/" + n.c.Table
	if id != "" {
		path += "/" + url.PathEscape(id)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}
