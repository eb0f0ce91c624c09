// Package webhook tells any HTTP endpoint, signed as Standard Webhooks say
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
//
// The body is JSON of this shape, to which keys may be added but none changed
// while version is 1. Texts within alert are the finding's own and untrusted.
//
//	{
//	  "version": 1,
//	  "id": "01JXGH6C…",             the notification; the same for every attempt
//	  "kind": "opened",              opened, raised, closed
//	  "at": "2026-06-12T02:29:40Z",  when it came to be owed
//	  "text": "CRITICAL · prod-payments (111122223333) eu-west-1 · …",
//	  "alert": {…},                  the alert as the API gives it, with its finding_id
//	  "account": {"id", "name", "environment", "team"},
//	  "changes": [{"what": "count", "from": "12", "to": "46"}],
//	  "links": {"alert", "console", "documentation"},
//	  "receiver": "payments-oncall",
//	  "why": "route 2"
//	}
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

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the webhook notifier. It has no rate limit of its own.
var Kind = notify.Define("webhook", "Posts JSON to an HTTP endpoint, signed with HMAC-SHA256.", open)

// Config are the settings of a webhook receiver.
type Config struct {
	URL          secret.String            `json:"url" doc:"Where to post: https://host/path. http:// only to localhost or a written-out IP address."`
	Secret       secret.String            `json:"secret,omitzero" doc:"Key of the signature: whsec_ and base64, or any text. Without it nothing is signed."`
	Headers      map[string]secret.String `json:"headers,omitempty" doc:"More headers, such as Authorization."`
	AllowPrivate bool                     `json:"allow_private,omitempty" doc:"Allow a host name that leads to a private, loopback or link-local address."`
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
	n := &notifier{url: c.URL, client: client, now: env.Now, fixed: http.Header{}}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if err := checkHeader(name, c.Headers[name].Reveal()); err != nil {
			return nil, fmt.Errorf("headers: %w", err)
		}
		n.fixed.Set(name, c.Headers[name].Reveal())
	}
	if n.fixed.Get("Content-Type") == "" {
		n.fixed.Set("Content-Type", "application/json")
	}
	if n.fixed.Get("User-Agent") == "" {
		n.fixed.Set("User-Agent", "tocsin")
	}
	if n.key, err = signingKey(c.Secret.Reveal()); err != nil {
		return nil, err
	}
	return n, nil
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

// signingKey is the key's bytes: what follows whsec_ is base64, as Standard
// Webhooks write keys; anything else is taken as it is.
func signingKey(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("secret begins with whsec_ but is not base64 after it")
	}
	return key, nil
}

type notifier struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
	fixed  http.Header // headers of every request; never written after open
	key    []byte      // empty: not signed
}

// body is what is sent.
type body struct {
	Version  int             `json:"version"`
	ID       string          `json:"id"`
	Kind     tocsin.Kind     `json:"kind"`
	At       time.Time       `json:"at"`
	Text     string          `json:"text"`
	Alert    tocsin.Alert    `json:"alert"`
	Account  account         `json:"account"`
	Changes  []tocsin.Change `json:"changes"`
	Links    links           `json:"links"`
	Receiver string          `json:"receiver"`
	Why      string          `json:"why"`
}

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

func render(m notify.Message) ([]byte, error) {
	id := m.Alert.Account
	if id == "" {
		id = m.Account.ID
	}
	b := body{
		Version: 1, ID: m.ID, Kind: m.Kind, At: tocsin.Millis(m.At), Text: notify.FirstLine(m),
		Alert:    m.Alert,
		Account:  account{id, m.Account.Name, m.Account.Environment, m.Account.Team},
		Changes:  m.Changes,
		Links:    links{notify.AlertLink(m), notify.ConsoleLink(m), notify.DocumentationLink(m)},
		Receiver: m.Receiver, Why: m.Why,
	}
	if b.Changes == nil {
		b.Changes = []tocsin.Change{}
	}
	text, err := json.Marshal(b)
	if err == nil && len(text) > bodyMax {
		b.cut()
		return json.Marshal(b)
	}
	return text, err
}

// bodyMax is the longest body in bytes; only a finding made to be long comes
// near it.
const bodyMax = 256 << 10

// cut shortens every text so that the body is far below bodyMax. The alert's
// maps and slices are shared with others and replaced, not written to.
func (b *body) cut() {
	short := func(s string) string { return notify.Truncate(notify.Clean(s), 500, notify.Runes) }
	a := &b.Alert
	for _, s := range []*string{
		&a.Rule, &a.Type, &a.Detection.ID, &a.Headline, &a.Title, &a.Description, &a.Account, &a.Region, &a.ReportedBy,
		&a.Resource.Type, &a.Resource.ID, &a.Resource.Name, &a.Actor.IP, &a.Actor.Country, &a.Actor.Org, &a.Actor.Domain,
		&a.Actor.Principal, &a.Role, &a.Command, &a.Console, &a.Documentation, &a.OverReason, &a.Path, &a.AckedBy, &a.ClosedBy,
		(*string)(&a.Key), (*string)(&a.CloseReason), &b.Why, &b.Receiver,
		&b.Account.ID, &b.Account.Name, &b.Account.Environment, &b.Account.Team,
	} {
		*s = short(*s)
	}
	a.Resource.Tags = nil
	a.Facts = slices.Clone(a.Facts[:min(len(a.Facts), notify.FactsMax)])
	for i, f := range a.Facts {
		a.Facts[i] = tocsin.Fact{Name: short(f.Name), Value: short(f.Value)}
	}
	b.Changes = slices.Clone(b.Changes[:min(len(b.Changes), notify.FactsMax)])
	for i, c := range b.Changes {
		b.Changes[i] = tocsin.Change{What: short(c.What), From: short(c.From), To: short(c.To)}
	}
}

// Notify posts the message. The receiver can tell a repeated delivery by
// Idempotency-Key and webhook-id, which are the notification's id; the
// timestamp, and so the signature, are the attempt's.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	text, err := render(m)
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("webhook: %w", err))
	}
	_, err = notify.Post(ctx, n.client, n.url.Reveal(), n.headers(m.ID, text), text)
	if blocked, ok := errors.AsType[*privateError](err); ok {
		return "", notify.Permanent(fmt.Errorf("webhook: %w", blocked))
	}
	if err != nil {
		return "", fmt.Errorf("webhook: %w", err)
	}
	return "", nil
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
	if len(n.key) > 0 {
		h["Webhook-Signature"] = []string{"v1," + Sign(n.key, ids[0], stamp, text)}
	}
	return h
}

func headerSafe(r rune) rune {
	if r <= ' ' || r > '~' {
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
