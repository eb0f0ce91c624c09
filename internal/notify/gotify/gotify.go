// Package gotify tells whoever listens to an application of a Gotify server
// (https://gotify.net/docs/pushmsg).
//
// Messages are plain text: what a finding says is never taken for Markdown. A
// message cannot be changed later, so what becomes of an alert is a short one of its
// own, which makes no noise.
package gotify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Gotify notifier. Gotify publishes no limit on how much it takes.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("gotify", "Pushes messages by an application of a Gotify server.", open)
	k.Title = "Gotify"
	k.Interrupts = true
	k.Abilities = notify.Abilities{Resolve: true, Limit: "32,768 bytes"} // it tells nobody by name, so that nobody has links that act
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "definition Message of Gotify's docs/spec.json, server 2.6.1", Test: "TestGolden"},
		{How: notify.ByCounterpart, By: "gotify/server 2.6.1", Test: "TestARealServer"},
		{How: notify.ByFake, By: "a server of ours that answers as Gotify does", Test: "TestGotifysAnswers"},
	}
	return k
}

// Config are the settings of a Gotify receiver.
type Config struct {
	URL   string        `json:"url" doc:"Where the server is, with its path if it has one: https://gotify.example.com."`
	Token secret.String `json:"token" doc:"Token of the application that the messages belong to: Apps, Create Application. It begins with A."`
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	token := c.Token.Reveal()
	switch {
	case token == "":
		return nil, errors.New("token is not set")
	case secret.IsReference(token): // not resolved yet
	case strings.HasPrefix(token, "C"):
		return nil, errors.New("token is a client's, which may not send; want an application's, which begins with A")
	case strings.ContainsAny(token, " \t\r\n"):
		return nil, errors.New("token has a space or a line break in it")
	}
	return &notifier{url: strings.TrimRight(c.URL, "/") + "/message", token: c.Token, client: env.HTTP, now: env.Now}, nil
}

type notifier struct {
	url    string
	token  secret.String
	client *http.Client
	now    func() time.Time
}

// Notify sends the message. The reference is the number that Gotify gave it; nothing
// of ours uses it.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("gotify: it tells an application's listeners, not a single person, and proves no address"))
	}
	body, err := notify.JSON(render(m, n.now()))
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("gotify: %w", err))
	}
	reply, err := notify.Request{
		Method: http.MethodPost, URL: n.url, Body: body, Headers: http.Header{"X-Gotify-Key": {n.token.Reveal()}}, Secrets: []secret.String{n.token},
	}.Send(ctx, n.client)
	if err != nil {
		return "", fmt.Errorf("gotify: %w", advised(err))
	}
	var taken struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(reply, &taken); err != nil || taken.ID == 0 {
		return "", errors.New("gotify: the reply is not Gotify's; is there a proxy in between, or does url lack the server's path?")
	}
	return strconv.FormatInt(taken.ID, 10), nil
}

// advised says what to do where the reply alone does not.
func advised(err error) error {
	switch notify.Status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: token is not of an application there", err)
	case http.StatusNotFound:
		return fmt.Errorf("%w: url lacks the path under which Gotify is", err)
	}
	return err
}

// messageMax is the longest text in bytes. Gotify says none; its database on MySQL
// holds 65,535.
const messageMax = 32 << 10

type message struct {
	Title    string `json:"title"`
	Message  string `json:"message"`
	Priority int    `json:"priority"`
	Extras   extras `json:"extras"`
}

// extras are for Gotify's clients (https://gotify.net/docs/msgextras).
type extras struct {
	Display      display       `json:"client::display"`
	Notification *notification `json:"client::notification,omitempty"`
}

type display struct {
	ContentType string `json:"contentType"`
}

type notification struct {
	Click struct {
		URL string `json:"url"`
	} `json:"click"`
}

// render makes the message.
func render(m notify.Message, now time.Time) message {
	o := notify.OutlineOf(m, now).Brief()
	out := message{
		Title:    m.Look().Shape + " " + o.First,
		Message:  o.Text(messageMax, notify.Bytes),
		Priority: priority(m),
		Extras:   extras{Display: display{"text/plain"}},
	}
	if len(o.Links) > 0 {
		out.Extras.Notification = new(notification)
		out.Extras.Notification.Click.URL = o.Links[0].URL
	}
	return out
}

// priority is from 0 to 10. Gotify's app for Android makes no sound below 4, and
// vibrates from 8 on (https://github.com/gotify/android#message-priorities). A level
// that nobody knows may be the worst there is, and is not taken for little.
func priority(m notify.Message) int {
	if !m.Kind.Calls() {
		return 2
	}
	switch m.Level() {
	case tocsin.Critical:
		return 10
	case tocsin.Medium:
		return 5
	case tocsin.Low:
		return 3
	case tocsin.Informational:
		return 1
	}
	return 8
}
