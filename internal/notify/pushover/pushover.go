// Package pushover tells phones by Pushover (https://pushover.net/api).
//
// A critical alert is an emergency: Pushover repeats it until somebody acknowledges it
// on their phone, which acknowledges the alert here, or until the alert is
// acknowledged or over here, which cancels the receipt. A message cannot be changed
// later, so news are short messages of their own, which make no sound.
package pushover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Pushover notifier. Pushover wants no more than two connections at once
// (https://pushover.net/api#friendly) and takes 10,000 messages a month of an
// application. It is told how alerts stand, so that receipts are cancelled: that is
// what Follows and Edits are for.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("pushover", "Pushes messages to phones by Pushover, and repeats what is critical until somebody acknowledges it.", open)
	k.Title = "Pushover"
	k.Rate = 2
	k.Follows, k.Edits = true, true
	k.Interrupts = true
	k.Address = address
	k.Burst = 20
	k.Abilities = notify.Abilities{Acknowledge: true, Resolve: true, Limit: "1,024 characters"}
	k.Checks = []notify.Check{
		{How: notify.ByFake, By: "a server of ours that keeps Pushover's published limits", Test: "TestPromises"},
		{How: notify.ByFake, By: "a server of ours that keeps Pushover's rules of receipts and calls back", Test: "TestAnEmergencyIsAcknowledgedOnThePhone"},
	}
	return k
}

// Config are the settings of a Pushover receiver.
type Config struct {
	Token    secret.String  `json:"token" doc:"API token of the application: 30 characters."`
	User     secret.String  `json:"user,omitzero" doc:"User key or group key that is told, besides people: 30 characters. Left out, people alone are told, by keys of their own."`
	Device   string         `json:"device,omitempty" doc:"Name of the only device of user that is told."`
	Priority map[string]int `json:"priority,omitempty" doc:"Pushover's priority by level, from -2 to 2: high: 2. By default critical is 2 (an emergency), high and unknown 1, medium 0, low -1, informational -2."`
	Retry    int            `json:"retry,omitempty" doc:"After how many seconds an emergency is repeated: at least 30." default:"60"`
	Expire   int            `json:"expire,omitempty" doc:"For how many seconds it is repeated: at most 10800, and 50 times." default:"3000"`
	Sound    string         `json:"sound,omitempty" doc:"Sound of what calls for somebody, as Pushover names it: siren. By default each phone's own."`
	APIURL   string         `json:"api_url,omitempty" doc:"Where the API is." default:"https://api.pushover.net/1/"`
}

const (
	defaultURL    = "https://api.pushover.net/1/"
	defaultRetry  = 60
	defaultExpire = 3000
	retryLeast    = 30
	expireMost    = 10800
)

var (
	keyForm    = lazyregexp.New(`^[A-Za-z0-9]{30}$`)
	deviceForm = lazyregexp.New(`^[A-Za-z0-9_-]{1,25}$`)
	soundForm  = lazyregexp.New(`^[a-z0-9_-]{1,32}$`)
)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.APIURL == "" {
		c.APIURL = defaultURL
	}
	if c.Retry == 0 {
		c.Retry = defaultRetry
	}
	if c.Expire == 0 {
		c.Expire = defaultExpire
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &notifier{
		c: c, name: env.Name, log: env.Log, now: env.Now, act: env.Act, priority: maps.Clone(priorities),
		api: api{base: strings.TrimRight(c.APIURL, "/") + "/", token: c.Token, client: env.HTTP},
	}

	for word, p := range c.Priority {
		level, err := tocsin.ParseLevel(word)
		if err != nil {
			return nil, fmt.Errorf("priority: %w", err)
		}
		if p < lowest || p > emergency {
			return nil, fmt.Errorf("priority: %s: %d is not from -2 to 2", word, p)
		}
		n.priority[level] = p
	}
	if env.Act != nil && env.Handle != nil && env.CallbackURL != "" {
		n.callback = env.CallbackURL
		env.Handle(http.HandlerFunc(n.callBack))
	}
	return n, nil
}

func (c Config) check() error {
	if err := checkKey(c.Token); err != nil {
		return fmt.Errorf("token %w", err)
	}
	if !c.User.IsZero() {
		if err := checkKey(c.User); err != nil {
			return fmt.Errorf("user %w", err)
		}
	}
	if err := notify.CheckURL(secret.New(c.APIURL)); err != nil {
		return fmt.Errorf("api_url %w", err)
	}
	switch {
	case c.Device != "" && c.User.IsZero():
		return errors.New("device: user is not set")
	case c.Device != "" && !deviceForm.MatchString(c.Device):
		return errors.New("device: is not the name of a device: want 1 to 25 letters, digits, _ and -")
	case c.Sound != "" && !soundForm.MatchString(c.Sound):
		return errors.New("sound: is not the name of a sound, such as siren")
	case c.Retry < retryLeast:
		return fmt.Errorf("retry: %d seconds are less than Pushover's %d", c.Retry, retryLeast)
	case c.Expire < c.Retry:
		return fmt.Errorf("expire: %d seconds end before the first retry after %d", c.Expire, c.Retry)
	case c.Expire > expireMost:
		return fmt.Errorf("expire: %d seconds are more than Pushover's %d", c.Expire, expireMost)
	}
	return nil
}

// checkKey says what is wrong with a token or key, without quoting it.
func checkKey(key secret.String) error {
	text := key.Reveal()
	switch {
	case text == "":
		return errors.New("is not set")
	case secret.IsReference(text): // not resolved yet
		return nil
	case len(text) != 30:
		return fmt.Errorf("has %d characters, want 30", len(text))
	case !keyForm.MatchString(text):
		return errors.New("has other characters than letters and digits")
	}
	return nil
}

// address reads a person's user key.
func address(text string) (string, error) {
	key := strings.TrimSpace(text)
	if err := checkKey(secret.New(key)); err != nil || secret.IsReference(key) {
		return "", errors.New("want the user key of Pushover's dashboard: 30 letters and digits")
	}
	return key, nil
}

type notifier struct {
	c        Config
	name     string
	api      api
	log      *slog.Logger
	now      func() time.Time
	act      func(context.Context, notify.Answer) (notify.Reply, error)
	callback string // where acknowledgements are sent, or ""
	priority map[tocsin.Level]int
}

// Placed reports whether the settings name a user or group.
func (n *notifier) Placed() bool { return !n.c.User.IsZero() }

// Notify sends the message. The reference is the receipt of an emergency. Once nobody
// needs to be called any more the receipt is cancelled, before the news of it are sent;
// a rise is an emergency of its own, after which the earlier one is cancelled.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	user := n.c.User.Reveal()
	if m.To != "" {
		user = m.To
	}
	switch {
	case m.Kind == tocsin.TellCode && m.To == "":
		return "", notify.Permanent(errors.New("pushover: a code is for a person, not for a group"))
	case user == "":
		return "", notify.Permanent(errors.New("pushover: user is not set: this receiver tells only people"))
	}
	if quiets(m) {
		if err := n.hush(ctx, m); err != nil {
			return "", fmt.Errorf("pushover: %w", err)
		}
	}
	receipt, err := n.send(ctx, user, n.form(m))
	if err != nil {
		return "", fmt.Errorf("pushover: %w", err)
	}
	if m.Kind.Calls() && keyForm.MatchString(m.Ref) && m.Ref != receipt {
		if err := n.api.cancel(ctx, m.Ref); err != nil {
			n.log.WarnContext(ctx, "earlier emergency not cancelled", "alert", m.Alert.ID, "err", err)
		}
	}
	return receipt, nil
}

// quiets reports whether nobody needs to be called for the alert any more.
func quiets(m notify.Message) bool {
	if !m.AboutAlert() || m.Kind.Calls() {
		return false
	}
	return m.Kind == tocsin.TellClosed || m.Alert.Status != tocsin.StatusOpen || m.Alert.SnoozedUntil.After(m.At)
}

// hush cancels the receipt of whoever is told, and those of everybody else who was
// called, by the alert's tag: nobody knows the receipt of a message whose answer was
// lost, and some are told no more.
func (n *notifier) hush(ctx context.Context, m notify.Message) error {
	if keyForm.MatchString(m.Ref) {
		if err := n.api.cancel(ctx, m.Ref); err != nil {
			return err
		}
	}
	if n.mayRing(m.Alert) {
		return n.api.cancelTag(ctx, notify.DedupKey(m))
	}
	return nil
}

// mayRing reports whether the alert has had a level that is an emergency.
func (n *notifier) mayRing(a tocsin.Alert) bool {
	for level, p := range n.priority {
		if p == emergency && level <= max(a.Worst, a.Level) {
			return true
		}
	}
	return false
}

func (n *notifier) send(ctx context.Context, user string, form url.Values) (receipt string, err error) {
	form.Set("user", user)
	if n.c.Device != "" && user == n.c.User.Reveal() {
		form.Set("device", n.c.Device)
	}
	reply, left, err := n.api.post(ctx, "messages.json", form, secret.New(user))
	if err != nil {
		return "", err
	}
	if left.low() {
		n.log.WarnContext(ctx, "few messages are left at Pushover this month", "left", left.remaining, "of", left.limit, "until", left.reset)
	}
	if keyForm.MatchString(reply.Receipt) {
		return reply.Receipt, nil
	}
	return "", nil
}

// Pushover's priorities (https://pushover.net/api#priority).
const (
	lowest    = -2 // nothing is shown but in the app
	quiet     = -1 // shown, without a sound
	normal    = 0
	high      = 1 // also in quiet hours
	emergency = 2 // repeated until it is acknowledged
)

// priorities are those of what calls. A level that nobody knows may be the worst there
// is, and is not taken for little.
var priorities = map[tocsin.Level]int{
	tocsin.Critical: emergency, tocsin.High: high, tocsin.Unknown: high,
	tocsin.Medium: normal, tocsin.Low: quiet, tocsin.Informational: lowest,
}

// priorityOf is by level for what calls. A digest is no emergency, since there is no
// single alert to acknowledge. News make no sound, and to somebody who was only called
// they are not even shown outside the app.
func (n *notifier) priorityOf(m notify.Message) int {
	switch {
	case m.Kind == tocsin.TellCode:
		return normal
	case m.Kind == tocsin.TellNote:
		return quiet
	case m.Kind == tocsin.TellDigest:
		return min(n.priority[m.Level()], high)
	case m.Kind.Calls():
		return n.priority[m.Alert.Level]
	case m.To != "":
		return lowest
	}
	return quiet
}

// Pushover's limits, in characters (https://pushover.net/api#limits).
const (
	titleMax    = 250
	messageMax  = 1024
	urlMax      = 512
	urlTitleMax = 100
)

// form is the message, but for who is told. Where it leads to one page alone: what
// acknowledges it, or else the alert's.
func (n *notifier) form(m notify.Message) url.Values {
	o := notify.OutlineOf(m, n.now()).Brief()
	form := url.Values{"title": {fit(m.Look().Shape+" "+o.First, titleMax)}}
	for _, l := range slices.Concat(o.Answers[:min(1, len(o.Answers))], o.Links) {
		if notify.UTF16(l.URL) <= urlMax {
			form.Set("url", l.URL)
			form.Set("url_title", fit(l.Text, urlTitleMax))
			break
		}
	}
	o.Answers, o.Links = nil, nil
	text := o.Text(messageMax, notify.UTF16)
	if text == "" {
		text = o.First // Pushover refuses an empty one
	}
	form.Set("message", text)
	if !m.At.IsZero() {
		form.Set("timestamp", strconv.FormatInt(m.At.Unix(), 10))
	}
	p := n.priorityOf(m)
	form.Set("priority", strconv.Itoa(p))
	if n.c.Sound != "" && m.Kind.Calls() {
		form.Set("sound", n.c.Sound)
	}
	if p == emergency {
		form.Set("retry", strconv.Itoa(n.c.Retry))
		form.Set("expire", strconv.Itoa(n.c.Expire))
		form.Set("tags", notify.DedupKey(m))
		if n.callback != "" {
			form.Set("callback", n.callbackOf(m.Alert.ID))
		}
	}
	return form
}

func fit(s string, most int) string { return notify.Truncate(s, most, notify.UTF16) }
