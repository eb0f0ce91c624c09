// Package webhook tells any HTTP endpoint, signed as Standard Webhooks say
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
//
// The body is JSON of this shape, to which keys may be added but none changed
// while version is 1. Texts within alert are the finding's own and untrusted.
//
//	{
//	  "version": 1,
//	  "id": "01JXGH6C…",             the notification; the same for every attempt
//	  "kind": "opened",              opened, raised, updated, acknowledged, changed, closed, digest, note
//	  "at": "2026-06-12T02:29:40Z",  when it came to be owed
//	  "text": "CRITICAL · prod-payments (111122223333) eu-west-1 · …",
//	  "alert": {…},                  the alert as the API gives it, with its finding_id; null in a digest or note
//	  "account": {"id", "name", "environment", "team"},
//	  "changes": [{"what": "count", "from": "12", "to": "46"}],
//	  "links": {"alert", "console", "documentation"},
//	  "receiver": "payments-oncall",
//	  "why": "route 2",
//	  "team": "payments",            owns the alert
//	  "on_call": ["ana", "bo"],      of the team, at the moment
//	  "seen": 3,                     earlier alerts of the type in the account
//	  "by": "ana",                   who approved an action
//	  "actions": [{"do": "acknowledge", "label": "Acknowledge", "url": "https://…"}],
//	  "digest": [{"text", "alert", "account", "link"}],   the alerts of a digest, worst first
//	  "digest_more": 12,             those that there was no room for
//	  "note": "Nobody is on call …"  what a note says in full
//	}
//
// The last eight are there only where there is something to say.
//
// Settings may have another body in its place: a template of their own, or what an
// input transformer makes of the event.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the webhook notifier. It has no rate limit of its own.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("webhook", "Posts JSON to an HTTP endpoint, signed with HMAC-SHA256.", open)
	k.Title = "Webhook"
	k.Abilities = notify.Abilities{Resolve: true, Rich: true, Limit: "256 KiB"}
	k.Checks = []notify.Check{{How: notify.ByFake, By: "a server that checks signatures as Standard Webhooks say, with their libraries' own example", Test: "TestSignatureOfTheSpecification"}}
	k.Follows = true
	return k
}

// Config are the settings of a webhook receiver.
type Config struct {
	URL          secret.String            `json:"url" doc:"Where to post: https://host/path. http:// only to localhost or a written-out IP address."`
	Secret       secret.String            `json:"secret,omitzero" doc:"Key of the signature: whsec_ and base64 of 24 to 64 bytes, or any text. Several whsec_ keys, with spaces between them, sign each: so keys are changed. Without it nothing is signed."`
	Headers      map[string]secret.String `json:"headers,omitempty" doc:"More headers, such as Authorization."`
	AllowPrivate bool                     `json:"allow_private,omitempty" doc:"Allow a host name that leads to a private, loopback or link-local address."`
	Method       string                   `json:"method,omitempty" doc:"POST, PUT or PATCH." default:"POST"`
	ContentType  string                   `json:"content_type,omitempty" doc:"Media type of the body: values are escaped as it wants." default:"application/json"`
	Body         string                   `json:"body,omitempty" doc:"A template of the body, with {{path}} where a value of the JSON document goes, such as {{text}}, {{alert.level}}, {{links.alert}}; {{message}} is all of it as text."`
	Template     string                   `json:"template,omitempty" doc:"A body by name: chime."`
	Input        *notify.Input            `json:"input,omitempty" doc:"Send what an EventBridge input transformer makes of the alert's newest event. What is about no event gets the body."`
}

const timeout = 10 * time.Second

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := notify.CheckURL(c.URL); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	client, err := guarded(env.HTTP, c.URL.Reveal(), c.AllowPrivate, nil)
	if err != nil {
		return nil, err
	}
	n := &notifier{url: c.URL, client: client, now: env.Now, fixed: http.Header{}, method: c.Method}
	switch c.Method {
	case "":
		n.method = http.MethodPost
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return nil, fmt.Errorf("method: %q is none of POST, PUT, PATCH", c.Method)
	}
	if err := n.headed(c); err != nil {
		return nil, err
	}
	if err := n.shaped(c); err != nil {
		return nil, err
	}
	if n.keys, err = signingKeys(c.Secret.Reveal()); err != nil {
		return nil, err
	}
	return n, nil
}

// headed reads the headers that every request has.
func (n *notifier) headed(c Config) error {
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if err := checkHeader(name, c.Headers[name].Reveal()); err != nil {
			return fmt.Errorf("headers: %w", err)
		}
		n.fixed.Set(name, c.Headers[name].Reveal())
	}
	switch {
	case c.ContentType == "":
	case n.fixed.Get("Content-Type") != "":
		return errors.New("headers: Content-Type is set by content_type")
	default:
		if err := checkHeader("Content-Type", c.ContentType); err != nil {
			return fmt.Errorf("content_type: %w", err)
		}
		n.fixed.Set("Content-Type", c.ContentType)
	}
	if n.typed = n.fixed.Get("Content-Type") != ""; !n.typed {
		n.fixed.Set("Content-Type", "application/json")
	}
	if n.fixed.Get("User-Agent") == "" {
		n.fixed.Set("User-Agent", "tocsin")
	}
	return nil
}

// shaped reads what the body is, if it is not the document.
func (n *notifier) shaped(c Config) (err error) {
	text := c.Body
	if c.Template != "" {
		if text != "" {
			return errors.New("template: body is set too; want one of them")
		}
		var known bool
		if text, known = shipped[c.Template]; !known {
			return fmt.Errorf("template: %q is none of %s", c.Template, strings.Join(slices.Sorted(maps.Keys(shipped)), ", "))
		}
	}
	if text != "" {
		if n.template, err = parse(text, n.fixed.Get("Content-Type")); err != nil {
			return err
		}
	}
	n.shaper, err = c.Input.Shaper()
	return err
}

// reserved are the headers that we set ourselves.
var reserved = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Idempotency-Key", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

// checkHeader says what is wrong with a configured header, without its value
// (RFC 9110, sections 5.1 and 5.5).
func checkHeader(name, value string) error {
	const tokens = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, c := range []byte(name) {
		if strings.IndexByte(tokens, c) < 0 {
			return fmt.Errorf("%q is not a header's name", name)
		}
	}
	if name == "" {
		return errors.New("a name is empty")
	}
	if slices.Contains(reserved, http.CanonicalHeaderKey(name)) {
		return fmt.Errorf("%s is set by tocsin itself", name)
	}
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("the value of %s has a line break or another control character", name)
		}
	}
	return nil
}

// Standard Webhooks want keys of so many bytes.
const keyMin, keyMax = 24, 64

// signingKeys are the keys' bytes: what follows whsec_ is base64, as Standard
// Webhooks write keys; anything else is one key and taken as it is.
func signingKeys(text string) ([][]byte, error) {
	const prefix = "whsec_"
	if text == "" {
		return nil, nil
	}
	if !strings.HasPrefix(text, prefix) {
		return [][]byte{[]byte(text)}, nil
	}
	var keys [][]byte
	for word := range strings.FieldsSeq(text) {
		encoded, ok := strings.CutPrefix(word, prefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		switch {
		case !ok:
			return nil, errors.New("secret has several keys, of which one does not begin with whsec_")
		case err != nil || len(key) == 0:
			return nil, errors.New("secret begins with whsec_ but is not base64 after it")
		case len(key) < keyMin || len(key) > keyMax:
			return nil, fmt.Errorf("secret is a key of %d bytes; Standard Webhooks want %d to %d", len(key), keyMin, keyMax)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

type notifier struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
	method string
	fixed  http.Header // headers of every request; never written after open
	typed  bool        // the settings say the content type
	keys   [][]byte    // none: not signed

	template *template      // nil: the document itself
	shaper   *notify.Shaper // nil: not of the event
}

// ReadsEvent reports whether something is made of the event itself.
func (n *notifier) ReadsEvent() bool { return n.shaper != nil }

// body is what is sent.
type body struct {
	Version  int             `json:"version"`
	ID       string          `json:"id"`
	Kind     tocsin.Kind     `json:"kind"`
	At       time.Time       `json:"at"`
	Text     string          `json:"text"`
	Alert    *tocsin.Alert   `json:"alert"`
	Account  account         `json:"account"`
	Changes  []tocsin.Change `json:"changes"`
	Links    links           `json:"links"`
	Receiver string          `json:"receiver"`
	Why      string          `json:"why"`
	Team     string          `json:"team,omitempty"`
	OnCall   []string        `json:"on_call,omitempty"`
	Seen     int64           `json:"seen,omitempty"`
	By       string          `json:"by,omitempty"`
	Actions  []action        `json:"actions,omitempty"`
	Digest   []item          `json:"digest,omitempty"`
	More     int             `json:"digest_more,omitempty"`
	Note     string          `json:"note,omitempty"`
}

type action struct {
	Do    notify.Do `json:"do"`
	Label string    `json:"label"`
	URL   string    `json:"url"`
}

// An item is one alert of a digest.
type item struct {
	Text    string       `json:"text"`
	Alert   tocsin.Alert `json:"alert"`
	Account account      `json:"account"`
	Link    string       `json:"link,omitempty"`
}

// itemsMost is how many alerts of a digest are sent in full.
const itemsMost = 100

type account struct {
	ID          string `json:"id"`
	Name        string `json:"name,omitempty"`
	Environment string `json:"environment,omitempty"`
	Team        string `json:"team,omitempty"`
}

type links struct {
	Alert         string `json:"alert,omitempty"`
	Console       string `json:"console,omitempty"`
	Documentation string `json:"documentation,omitempty"`
}

func renderWithin(m notify.Message, most int) ([]byte, error) {
	b := body{
		Version: 1, ID: m.ID, Kind: m.Kind, At: tocsin.Millis(m.At), Text: notify.FirstLine(m),
		Alert: &m.Alert, Account: accountOf(m.Alert, m.Account), Changes: m.Changes,
		Links:    links{notify.AlertLink(m), notify.ConsoleLink(m), notify.DocumentationLink(m)},
		Receiver: m.Receiver, Why: m.Why, Team: m.Team, OnCall: m.OnCall, Seen: m.Seen, By: m.By,
	}
	if b.Changes == nil {
		b.Changes = []tocsin.Change{}
	}
	for _, a := range m.Actions {
		if url := a.Link(); url != "" {
			b.Actions = append(b.Actions, action{a.Do, a.Label, url})
		}
	}
	switch m.Kind {
	case tocsin.TellDigest:
		b.Alert = nil
		b.More = max(0, len(m.Digest)-itemsMost)
		for _, i := range m.Digest[:len(m.Digest)-b.More] {
			b.Digest = append(b.Digest, item{i.Line(), i.Alert, accountOf(i.Alert, i.Account), i.Link()})
		}
	case tocsin.TellNote:
		b.Alert, b.Note = nil, m.Text
	}
	if b.weight() <= most {
		if text, err := json.Marshal(b); err != nil || len(text) <= most {
			return text, err
		}
	}
	b.cut()
	for {
		if text, err := json.Marshal(b); err != nil || len(text) <= most || len(b.Digest) == 0 {
			return text, err
		}
		kept := len(b.Digest) / 2
		b.More += len(b.Digest) - kept
		b.Digest = b.Digest[:kept]
	}
}

func accountOf(a tocsin.Alert, is tocsin.Account) account {
	id := a.Account
	if id == "" {
		id = is.ID
	}
	return account{id, is.Name, is.Environment, is.Team}
}

// bodyMax is the longest body in bytes; only a finding made to be long comes
// near it.
const bodyMax = 256 << 10

// cut shortens every text so that the body, but for a digest's, is far below
// bodyMax. The alert's maps and slices are shared with others and replaced, not
// written to.
func (b *body) cut() {
	if b.Alert != nil {
		cutAlert(b.Alert)
	}
	cutAccount(&b.Account)
	for _, s := range []*string{&b.Why, &b.Receiver, &b.Team, &b.By} {
		*s = short(*s)
	}
	b.Note = notify.Truncate(notify.Clean(b.Note), 4000, notify.Runes)
	b.Changes = cutChanges(b.Changes)
	b.OnCall = slices.Clone(b.OnCall[:min(len(b.OnCall), notify.FactsMax)])
	for i, name := range b.OnCall {
		b.OnCall[i] = short(name)
	}
	for i := range b.Digest {
		cutAlert(&b.Digest[i].Alert)
		cutAccount(&b.Digest[i].Account)
	}
}

// shortMost is how long a text is that was cut, in characters.
const shortMost = 500

func short(s string) string {
	if most := shortMost * utf8.UTFMax; len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") // the rest is not looked at
	}
	return notify.Truncate(notify.Clean(s), shortMost, notify.Runes)
}

// weight is the least that the texts of the body take in JSON: it spares writing
// out what is cut anyway.
func (b *body) weight() int {
	n := len(b.Note)
	if b.Alert != nil {
		n += weightOf(b.Alert)
	}
	for i := range b.Digest {
		n += weightOf(&b.Digest[i].Alert)
	}
	return n
}

func weightOf(a *tocsin.Alert) int {
	n := 0
	for _, s := range textsOf(a) {
		n += len(*s)
	}
	for _, f := range a.Facts {
		n += len(f.Name) + len(f.Value)
	}
	for name, value := range a.Resource.Tags {
		n += len(name) + len(value)
	}
	return n
}

// textsOf are the texts of an alert that others choose.
func textsOf(a *tocsin.Alert) []*string {
	return []*string{
		&a.Rule, &a.Type, &a.Detection.ID, &a.Headline, &a.Title, &a.Description, &a.Account, &a.Region, &a.ReportedBy,
		&a.Resource.Type, &a.Resource.ID, &a.Resource.Name, &a.Actor.IP, &a.Actor.Country, &a.Actor.Org, &a.Actor.Domain,
		&a.Actor.Principal, &a.Role, &a.Command, &a.Console, &a.Documentation, &a.OverReason, &a.Path, &a.AckedBy, &a.ClosedBy,
		&a.Team, &a.Assignee, &a.SnoozedBy, (*string)(&a.Key), (*string)(&a.CloseReason),
	}
}

func cutAccount(a *account) {
	for _, s := range []*string{&a.ID, &a.Name, &a.Environment, &a.Team} {
		*s = short(*s)
	}
}

func cutAlert(a *tocsin.Alert) {
	for _, s := range textsOf(a) {
		*s = short(*s)
	}
	a.Resource.Tags = nil
	a.Facts = slices.Clone(a.Facts[:min(len(a.Facts), notify.FactsMax)])
	for i, f := range a.Facts {
		a.Facts[i] = tocsin.Fact{Name: short(f.Name), Value: short(f.Value)}
	}
	a.Unsaid = cutChanges(a.Unsaid)
}

func cutChanges(changes []tocsin.Change) []tocsin.Change {
	changes = slices.Clone(changes[:min(len(changes), notify.FactsMax)])
	for i, c := range changes {
		changes[i] = tocsin.Change{What: short(c.What), From: short(c.From), To: short(c.To)}
	}
	return changes
}

// Notify posts the message. The receiver can tell a repeated delivery by
// Idempotency-Key and webhook-id, which are the notification's id; the
// timestamp, and so the signature, are the attempt's. A code is refused: it would
// prove nothing, since an endpoint has no address that a person could give.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("webhook: a code proves a person's address, and this is nobody's"))
	}
	text, contentType, err := n.body(m)
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("webhook: %w", err))
	}
	h := n.headers(m.ID, text)
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	_, err = notify.Request{Method: n.method, URL: n.url.Reveal(), Headers: h, Body: text}.Send(ctx, n.client)
	if blocked, ok := errors.AsType[*notify.PrivateError](err); ok {
		return "", notify.Permanent(fmt.Errorf("webhook: %w", blocked))
	}
	if err != nil {
		return "", fmt.Errorf("webhook: %w", err)
	}
	return "", nil
}

// body is what is sent, with its media type where the settings do not say it.
func (n *notifier) body(m notify.Message) (text []byte, contentType string, err error) {
	switch {
	case n.shaper != nil && (len(m.Event) > 0 || n.template == nil):
		text, err = n.shaper.Shape(m)
		if err == nil && !n.typed && !json.Valid(text) {
			contentType = "text/plain; charset=utf-8"
		}
		return text, contentType, err
	case n.template != nil:
		text, err = n.template.render(m, n.now())
		return text, "", err
	}
	text, err = render(m)
	return text, "", err
}

// headers are those of one attempt. The keys are in canonical form, so that Set
// need not make them so.
func (n *notifier) headers(id string, text []byte) http.Header {
	h := make(http.Header, len(n.fixed)+4)
	maps.Copy(h, n.fixed)
	// An id comes from our own store; what could end a header is not in it.
	ids := []string{strings.Map(headerSafe, id)}
	h["Idempotency-Key"] = ids
	h["Webhook-Id"] = ids
	stamp := strconv.FormatInt(n.now().Unix(), 10)
	h["Webhook-Timestamp"] = []string{stamp}
	if len(n.keys) > 0 {
		signatures := make([]string, 0, len(n.keys))
		for _, key := range n.keys {
			signatures = append(signatures, "v1,"+Sign(key, ids[0], stamp, text))
		}
		h["Webhook-Signature"] = []string{strings.Join(signatures, " ")}
	}
	return h
}

// headerSafe keeps ids within what a header takes, and without the full stop that
// parts what is signed.
func headerSafe(r rune) rune {
	if r <= ' ' || r > '~' || r == '.' {
		return '_'
	}
	return r
}

// Sign is the base64 of HMAC-SHA256 over "id.timestamp.body", which follows
// "v1," in webhook-signature.
func Sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id))
	mac.Write([]byte{'.'})
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
