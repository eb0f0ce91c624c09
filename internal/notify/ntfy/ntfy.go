// Package ntfy tells phones and desktops that subscribe to a topic of ntfy.sh or of
// a server of one's own (https://docs.ntfy.sh/publish/).
//
// Messages are plain text. A topic is a password: whoever knows it reads along, so a
// person has a topic of their own. A notification is not changed later: servers since
// 2.16 could, but the apps do not say whether they make a sound again then.
package ntfy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the ntfy notifier. A server as it comes takes 60 messages at once and then
// one every five seconds (https://docs.ntfy.sh/publish/#limitations), so that several
// people can be woken without a pause; beyond that it has us wait with 429.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("ntfy", "Pushes messages to a topic of ntfy.sh or of a server of your own.", open)
	k.Title = "ntfy"
	k.Rate = 1
	k.Interrupts = true
	k.Address = address
	k.Burst = 20
	k.Abilities = notify.Abilities{Acknowledge: true, Resolve: true, Limit: "4,096 bytes"}
	k.Checks = []notify.Check{
		{How: notify.ByFake, By: "a server of ours that keeps ntfy's published limits", Test: "TestPromises"},
	}
	return k
}

// Config are the settings of an ntfy receiver.
type Config struct {
	URL      string        `json:"url,omitempty" doc:"Where the server is: its root, https://ntfy.example.com." default:"https://ntfy.sh"`
	Topic    string        `json:"topic,omitempty" doc:"Topic that is told, besides people: letters, digits, _ and -, at most 64. Whoever knows it reads along. Left out, people alone are told, by topics of their own."`
	Token    secret.String `json:"token,omitzero" doc:"Access token, tk_…, if the server wants one."`
	Username string        `json:"username,omitempty" doc:"Instead of a token: the user who may write to the topics."`
	Password secret.String `json:"password,omitzero" doc:"The password of username."`
}

const defaultURL = "https://ntfy.sh"

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.URL == "" {
		c.URL = defaultURL
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &notifier{url: strings.TrimRight(c.URL, "/") + "/", topic: c.Topic, secrets: []secret.String{c.Token, c.Password}, client: env.HTTP, now: env.Now}
	if topic := secret.New(c.Topic); len(c.Topic) >= 6 {
		n.secrets = append(n.secrets, topic)
	}
	switch {
	case !c.Token.IsZero():
		n.authorise = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.Token.Reveal()) }
	case c.Username != "":
		n.authorise = func(r *http.Request) { r.SetBasicAuth(c.Username, c.Password.Reveal()) }
	}
	return n, nil
}

func (c Config) check() error {
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return fmt.Errorf("url %w", err)
	}
	if c.Topic != "" && !secret.IsReference(c.Topic) {
		if _, err := address(c.Topic); err != nil {
			return fmt.Errorf("topic: %w", err)
		}
	}
	switch {
	case !c.Token.IsZero() && c.Username != "":
		return errors.New("username: token is set too; one of them is enough")
	case c.Username == "" && !c.Password.IsZero():
		return errors.New("password: username is not set")
	case c.Username != "" && c.Password.IsZero():
		return errors.New("username: password is not set")
	case strings.Contains(c.Username, ":"):
		return errors.New("username: has a colon, which a login cannot have")
	}
	return nil
}

var (
	topicForm = lazyregexp.New(`^[-_A-Za-z0-9]{1,64}$`)
	// taken are paths of the server's own
	// (https://docs.ntfy.sh/config/, disallowed topics).
	taken = []string{"docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login", "v1"}
)

// address reads a topic. It is not quoted: it is as good as a password.
func address(text string) (string, error) {
	topic := strings.TrimSpace(text)
	switch {
	case strings.Contains(topic, "/"):
		return "", errors.New("want the topic alone, without the server's address")
	case !topicForm.MatchString(topic):
		return "", errors.New("is not a topic: want 1 to 64 of A to Z, a to z, 0 to 9, _ and -")
	case slices.Contains(taken, topic):
		return "", fmt.Errorf("%s is a page of the server and cannot be a topic", topic)
	}
	return topic, nil
}

type notifier struct {
	url       string
	topic     string
	secrets   []secret.String
	authorise func(*http.Request) // nil where nobody asks
	client    *http.Client
	now       func() time.Time
}

// Placed reports whether the settings name a topic.
func (n *notifier) Placed() bool { return n.topic != "" }

// Notify publishes the message as JSON. The reference is the id that the server gave
// it; nothing of ours uses it.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	topic := n.topic
	if m.To != "" {
		topic = m.To
	}
	switch {
	case m.Kind == tocsin.TellCode && m.To == "":
		return "", notify.Permanent(errors.New("ntfy: a code is for a person, not for everybody at a topic"))
	case topic == "":
		return "", notify.Permanent(errors.New("ntfy: topic is not set: this receiver tells only people"))
	}
	body, err := render(m, topic, n.now())
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("ntfy: %w", err))
	}
	secrets := n.secrets
	if len(m.To) >= 6 {
		secrets = append(slices.Clone(secrets), secret.New(m.To))
	}
	request := notify.Request{Method: http.MethodPost, URL: n.url, Body: body, Secrets: secrets}
	if n.authorise != nil {
		carrier := &http.Request{Header: http.Header{}}
		n.authorise(carrier)
		request.Headers = carrier.Header
	}
	reply, err := request.Send(ctx, n.client)
	if err != nil {
		return "", fmt.Errorf("ntfy: %w", advised(err))
	}
	return accepted(reply)
}

// accepted reads the message that the server made. A reply that is none may be a
// proxy's, and the message lost.
func accepted(reply []byte) (ref string, err error) {
	var made struct {
		ID    string `json:"id"`
		Event string `json:"event"`
	}
	if err := json.Unmarshal(reply, &made); err != nil || made.ID == "" || made.Event != "message" {
		return "", errors.New("ntfy: the reply is not ntfy's; is there a proxy in between, or is url not the server's root?")
	}
	return made.ID, nil
}

// advised says what to do where the reply alone does not.
func advised(err error) error {
	switch notify.Status(err) {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: token, or username and password, are wrong", err)
	case http.StatusForbidden:
		return fmt.Errorf("%w: the user may not write to the topic (ntfy access)", err)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: url is not the server's root", err)
	}
	return err
}

// ntfy's limits. A longer message becomes an attachment that nobody reads; the whole
// JSON may have twice as much.
const (
	messageMax = 4096
	bodyMax    = 2 * messageMax
	actionsMax = 3
)

type message struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title,omitempty"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"`
	Tags     []string `json:"tags,omitempty"`
	Click    string   `json:"click,omitempty"`
	Actions  []action `json:"actions,omitempty"`
}

type action struct {
	Action string `json:"action"` // "view" opens the page, "http" posts to it
	Label  string `json:"label"`
	URL    string `json:"url"`
	Method string `json:"method,omitempty"`
	Clear  bool   `json:"clear,omitempty"`
}

// render makes the message, and shortens it until ntfy takes it: first the text, then
// the buttons.
func render(m notify.Message, topic string, now time.Time) ([]byte, error) {
	buttons, room := actionsMax, messageMax
	for {
		body, err := notify.JSON(content(m, topic, now, buttons, room))
		if err != nil {
			return nil, err
		}
		over := len(body) - bodyMax
		switch {
		case over <= 0:
			return body, nil
		case room > 1024:
			room = max(1024, room-over)
		case buttons > 0:
			buttons--
		default:
			return nil, fmt.Errorf("the message has %d bytes, and ntfy takes no more than %d", len(body), bodyMax)
		}
	}
}

// content is the message with at most that many buttons and bytes of text. What
// buttons and a tap lead to is not said again in the text.
func content(m notify.Message, topic string, now time.Time, buttons, room int) message {
	o := notify.OutlineOf(m, now).Brief()
	out := message{Topic: topic, Title: o.First, Priority: priority(m), Tags: []string{emoji(m)}}
	if len(o.Links) > 0 {
		out.Click, o.Links = o.Links[0].URL, o.Links[1:]
	}
	for _, a := range o.Answers[:min(len(o.Answers), buttons)] {
		out.Actions = append(out.Actions, button(m, a))
	}
	for len(o.Links) > 0 && len(out.Actions) < buttons {
		out.Actions = append(out.Actions, action{Action: "view", Label: o.Links[0].Text, URL: o.Links[0].URL})
		o.Links = o.Links[1:]
	}
	o.Answers = nil
	if out.Message = o.Text(room, notify.Bytes); out.Message == "" {
		out.Title, out.Message = "", o.First // ntfy calls an empty one "triggered"
	}
	return out
}

// button acts, or opens the page that does. Acknowledging is worth a single tap:
// the signed link does it when it is posted to. Whatever else an accidental tap would
// do is asked once more.
func button(m notify.Message, a notify.Line) action {
	for _, known := range m.Actions {
		if known.Do == notify.DoAcknowledge && known.Link() == a.URL {
			return action{Action: "http", Label: a.Text, URL: a.URL, Method: http.MethodPost, Clear: true}
		}
	}
	return action{Action: "view", Label: a.Text, URL: a.URL}
}

// Priorities (https://docs.ntfy.sh/publish/#message-priority): 1 and 2 make no sound.
const (
	prioMin = iota + 1
	prioLow
	prioDefault
	prioHigh
	prioMax
)

// priority is by level for what calls; news make no sound. A level that nobody knows
// may be the worst there is, and is not taken for little.
func priority(m notify.Message) int {
	switch {
	case m.Kind == tocsin.TellNote, m.Kind == tocsin.TellCode:
		return prioDefault
	case !m.Kind.Calls():
		return prioLow
	}
	switch m.Level() {
	case tocsin.Critical:
		return prioMax
	case tocsin.Medium:
		return prioDefault
	case tocsin.Low:
		return prioLow
	case tocsin.Informational:
		return prioMin
	}
	return prioHigh
}

// emoji is the word of the sign that stands before the title
// (https://docs.ntfy.sh/emojis/).
func emoji(m notify.Message) string {
	switch m.Kind {
	case tocsin.TellClosed:
		return "white_check_mark"
	case tocsin.TellAcknowledged:
		return "eyes"
	case tocsin.TellNote:
		return "information_source"
	case tocsin.TellCode:
		return "key"
	}
	switch m.Level() {
	case tocsin.Critical:
		return "rotating_light"
	case tocsin.High:
		return "red_circle"
	case tocsin.Medium:
		return "orange_circle"
	case tocsin.Low:
		return "yellow_circle"
	}
	return "white_circle"
}
