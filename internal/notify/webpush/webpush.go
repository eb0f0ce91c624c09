// Package webpush tells people by their phones and browsers, with nothing to
// install but a page: Web Push (RFC 8030), sealed so that only the browser can
// read it (RFC 8291), and signed with a key of its own (VAPID, RFC 8292).
//
// Nobody knows the address of a browser by heart. A person is given a link, good
// for a day and one browser (see [notify.Inviter]); its page asks the browser, and
// the browser proves its address by what it is sent there.
//
// Messages of one alert replace one another, on the lock screen and at the push
// service: what is shown is how the alert stands.
package webpush

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Web Push notifier. Push services publish no rate; those that are
// asked too much answer 429.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("web-push", "Tells people by notifications of their phone or browser, which they enrol by a link.", open)
	k.Title = "Web Push"
	k.Abilities = notify.Abilities{
		Edits: true, Acknowledge: true, Resolve: true,
		Limit: "2,597 bytes",
	}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "Chromium's service worker, push messages and manifest checks", Test: "TestBrowserEnrols"},
		{How: notify.ByFake, By: "a push service that verifies RFC 8292 and a browser that decrypts RFC 8291", Test: "TestPromises"},
	}
	k.Patience = 30 * time.Minute
	k.Follows, k.Edits = true, true
	k.Address = address
	return k
}

// Config are the settings of a Web Push receiver.
type Config struct {
	Subject      string        `json:"subject,omitempty" doc:"Whom a push service may write to about what it is sent: mailto:soc@example.com, or an https:// page. Left out, it is public_url."`
	PrivateKey   secret.String `json:"private_key,omitzero" doc:"Key that messages are signed with (VAPID): 32 bytes in base64url. Left out, one is made and kept. With another key every phone has to be invited again."`
	AllowPrivate bool          `json:"allow_private,omitempty" doc:"Allow a push service with a private, loopback or link-local address."`
}

type notifier struct {
	config Config
	log    *slog.Logger
	now    func() time.Time
	client *http.Client
	state  notify.State
	enroll func(ctx context.Context, person, address string) error
	base   string // where its pages are: "https://tocsin.example.com/act/phones"; "" is nowhere

	mu    sync.Mutex // guards what follows, which is made when it is first needed
	signs *signer
	links linkKey
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := checkSubject(c.Subject); err != nil {
		return nil, fmt.Errorf("subject %w", err)
	}
	if err := checkKey(c.PrivateKey); err != nil {
		return nil, fmt.Errorf("private_key: %w", err)
	}
	n := &notifier{
		config: c, log: env.Log, now: env.Now, client: env.HTTP, state: env.State, enroll: env.Enroll,
		base: strings.TrimSuffix(env.CallbackURL, "/"),
	}
	if !c.AllowPrivate {
		n.client = notify.PublicOnly(env.HTTP, nil)
	}
	if env.Handle != nil && n.base != "" && n.state != nil && n.enroll != nil {
		pages, err := n.pages()
		if err != nil {
			return nil, err
		}
		env.Handle(pages)
	}
	return n, nil
}

// Placed says that it tells single people alone.
func (n *notifier) Placed() bool { return false }

// kept is a value of the receiver's own memory, which is made if there is none.
func (n *notifier) kept(ctx context.Context, name string, fresh func() ([]byte, error)) ([]byte, error) {
	if n.state == nil {
		return nil, errors.New("there is nowhere to keep a key")
	}
	made, err := fresh()
	if err != nil {
		return nil, err
	}
	value, err := n.state.First(ctx, name, made)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	return value, nil
}

// signer is made when the first message goes out: the key is in the store.
func (n *notifier) signer(ctx context.Context) (*signer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.signs != nil {
		return n.signs, nil
	}
	text := n.config.PrivateKey.Reveal()
	if text == "" {
		value, err := n.kept(ctx, "vapid", newKey)
		if err != nil {
			return nil, err
		}
		text = string(value)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, err
	}
	s, err := newSigner(key, n.subject())
	if err != nil {
		return nil, err
	}
	n.signs = s
	return s, nil
}

// subject is whom a push service may write to; "" where nothing is known that it
// would take.
func (n *notifier) subject() string {
	if n.config.Subject != "" {
		return n.config.Subject
	}
	u, err := url.Parse(n.base)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return "https://" + u.Host
}

// linkKey is made when the first link is.
func (n *notifier) linkKey(ctx context.Context) (linkKey, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.links != nil {
		return n.links, nil
	}
	key, err := n.kept(ctx, "links", func() ([]byte, error) {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // it never fails: crypto/rand ends the program instead
		return fresh, nil
	})
	if err != nil {
		return nil, err
	}
	n.links = key
	return n.links, nil
}

// Notify sends the message to the browser that To is. It has no reference: the
// alert's tag is the same for all its messages.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.To == "" {
		return "", notify.Permanent(errors.New("web-push: it tells single people by their phones and browsers, and has no place of its own"))
	}
	s, err := parse(m.To)
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("web-push: %w", err))
	}
	text, err := render(m, n.now())
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("web-push: %w", err))
	}
	return "", n.push(ctx, s, delivery{text, topic(m), urgency(m), lifetime(m)})
}

// A delivery is one message to a push service.
type delivery struct {
	text    []byte
	topic   string // what a later one with the same takes the place of; "" is none
	urgency string
	life    time.Duration // for how long it is kept while the phone cannot be reached
}

// push hands the message to the push service.
func (n *notifier) push(ctx context.Context, s subscription, d delivery) error {
	if !n.config.AllowPrivate {
		if err := s.inside(); err != nil {
			return notify.Permanent(fmt.Errorf("web-push: %w", err))
		}
	}
	sign, err := n.signer(ctx)
	if err != nil {
		return fmt.Errorf("web-push: %w", err)
	}
	header, err := sign.authorization(s.origin, n.now())
	if err != nil {
		return fmt.Errorf("web-push: %w", err)
	}
	body, err := seal(s, d.text)
	if err != nil {
		return notify.Permanent(fmt.Errorf("web-push: %w", err))
	}
	headers := http.Header{
		"Authorization":    {header},
		"Content-Encoding": {"aes128gcm"},
		"Content-Type":     {"application/octet-stream"},
		"Ttl":              {strconv.FormatInt(int64(d.life.Seconds()), 10)},
		"Urgency":          {d.urgency},
	}
	if d.topic != "" {
		headers["Topic"] = []string{d.topic}
	}
	secrets := []secret.String{secret.New(s.Keys.Auth), secret.New(s.Keys.P256dh)}
	_, err = notify.Request{Method: http.MethodPost, URL: s.Endpoint, Headers: headers, Body: body, Secrets: secrets}.Send(ctx, n.client)
	return judge(err)
}

// judge says what can be done about what a push service answered (RFC 8030,
// sections 5 and 8; https://web.dev/articles/push-notifications-web-push-protocol).
func judge(err error) error {
	if err == nil {
		return nil
	}
	if blocked, ok := errors.AsType[*notify.PrivateError](err); ok {
		return notify.Permanent(fmt.Errorf("web-push: %w", blocked))
	}
	refused, ok := errors.AsType[*notify.StatusError](err)
	if !ok {
		return fmt.Errorf("web-push: %w", err)
	}
	switch refused.Status {
	case http.StatusNotFound, http.StatusGone:
		return notify.Gone(fmt.Errorf("web-push: the browser's subscription is gone, and its person has to be invited again: %w", refused))
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return notify.Permanent(fmt.Errorf("web-push: the push service does not take our signature: the clock, subject and private_key have to be right, and the key be the one that the browser was enrolled with: %w", refused))
	case http.StatusRequestEntityTooLarge:
		return notify.Permanent(fmt.Errorf("web-push: the push service takes no message of %d bytes: %w", sealedLength, refused))
	case http.StatusNotAcceptable: // how Windows's says that it has had enough
		return fmt.Errorf("web-push: %w", refused)
	}
	return fmt.Errorf("web-push: %w", err)
}

// urgency is what a phone that saves its battery goes by (RFC 8030, section 5.3).
func urgency(m notify.Message) string {
	level := m.Level()
	switch {
	case m.Kind == tocsin.TellCode, m.Kind.Calls() && level != tocsin.Low && level != tocsin.Informational:
		return "high"
	}
	return "normal"
}

// How long a push service keeps a message for a phone that is off.
const (
	lifeOfAlert = 24 * time.Hour // as long as its links can be used
	lifeOfCode  = 15 * time.Minute
)

func lifetime(m notify.Message) time.Duration {
	if m.Kind == tocsin.TellCode {
		return lifeOfCode
	}
	return lifeOfAlert
}

// topic is what the messages of one alert share, so that a phone that was off gets
// the last of them alone (RFC 8030, section 5.4). News of an alert have one of
// their own: they come quietly, and must not take the place of a call.
func topic(m notify.Message) string {
	name := notify.DedupKey(m)
	if m.Kind == tocsin.TellUpdated {
		name += "-news"
	}
	return short([]byte(name), 24)
}

// Invite makes a link by which the person enrols one browser within a day.
func (n *notifier) Invite(person string) (string, error) {
	u, err := url.Parse(n.base)
	switch {
	case n.base == "" || err != nil:
		return "", errors.New("public_url is not set, so that no phone can open the link")
	case u.Scheme != "https" && !loopback(u.Hostname()):
		return "", errors.New("public_url does not begin with https://, and browsers take notifications from no other page")
	case n.enroll == nil || n.state == nil:
		return "", errors.New("nobody can be enrolled here")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	key, err := n.linkKey(ctx)
	if err != nil {
		return "", err
	}
	return n.base + "/join/" + key.sign(newLink(person, n.now())), nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}
