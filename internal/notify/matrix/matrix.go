// Package matrix tells a room of Matrix, or people in rooms of their own, by the
// client-server API of any homeserver (https://spec.matrix.org/v1.12/client-server-api/).
//
// An alert is one message, which is edited when anything changes, with what changed in
// its thread. Nobody is mentioned, whatever a finding says: every event has an empty
// m.mentions. Each event has a transaction id made of the message's, so that one that
// is sent twice is there once.
//
// tocsin does not encrypt: in an encrypted room its messages can be read, and are
// marked as not encrypted.
package matrix

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Matrix notifier. Homeservers set their own limits and say with 429 how
// long to wait; Synapse as it comes takes ten events at once and then one every five
// seconds, and an edit with its line in the thread are two.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("matrix", "Posts to a room of Matrix, or to people in rooms of their own.", open)
	k.Title = "Matrix"
	k.Rate = 1
	k.Follows, k.Edits = true, true
	k.Address = address
	k.Abilities = notify.Abilities{Edits: true, Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "65,536 bytes an event"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "Dendrite 0.13.8", Test: "TestARealHomeserver"},
		{How: notify.ByFake, By: "a server of ours that speaks Matrix's client-server API", Test: "TestTheLifeOfAnAlertIsOneMessageAndItsThread"},
	}
	return k
}

// Config are the settings of a Matrix receiver.
type Config struct {
	URL   string        `json:"url" doc:"The homeserver's address for clients: https://matrix.example.com."`
	Token secret.String `json:"token" doc:"Access token of the account that posts."`
	Room  string        `json:"room,omitempty" doc:"ID of the room that is told, besides people: !abc:example.com. Settings of the room, Advanced, Internal room ID; the account must have joined. Left out, people alone are told."`
}

var (
	roomForm = lazyregexp.New(`^![^\s/?#]{1,254}$`)
	userForm = lazyregexp.New(`^@[^\s:/?#@]{1,200}:[A-Za-z0-9.\-\[\]:]{1,230}$`)
)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	token := c.Token.Reveal()
	switch {
	case strings.Contains(c.URL, "/_matrix"):
		return nil, errors.New("url: want the homeserver's address alone, without /_matrix/…")
	case token == "":
		return nil, errors.New("token is not set")
	case !secret.IsReference(token) && strings.ContainsAny(token, " \t\r\n"):
		return nil, errors.New("token has a space or a line break in it")
	case c.Room == "", secret.IsReference(c.Room), roomForm.MatchString(c.Room):
	case strings.HasPrefix(c.Room, "#"):
		return nil, errors.New("room: is an address, which may lead elsewhere tomorrow; want the room's ID, !abc:example.com")
	default:
		return nil, errors.New("room: is not a room's ID: !abc:example.com")
	}
	return &notifier{
		room:   c.Room,
		server: server{base: strings.TrimRight(c.URL, "/") + "/_matrix/client/v3", token: c.Token, client: notify.Throttled(env.HTTP, throttled)},
		state:  env.State, now: env.Now, log: env.Log,
	}, nil
}

// address reads the ID of a user.
func address(text string) (string, error) {
	id := strings.TrimSpace(text)
	if !userForm.MatchString(id) || len(id) > 255 {
		return "", fmt.Errorf("%q is not a Matrix user ID, such as @ana:example.com", notify.Truncate(notify.Clean(text), 60, notify.Runes))
	}
	return id, nil
}

type notifier struct {
	room   string
	server server
	state  notify.State // nil in a check of settings
	direct sync.Map     // of the rooms with people, by their IDs
	now    func() time.Time
	log    *slog.Logger
}

// Placed reports whether the settings name a room.
func (n *notifier) Placed() bool { return n.room != "" }

// Notify posts the first message of an alert and edits it from then on. In a room what
// is new is told in its thread; what calls for somebody is a reply where everybody sees
// it, since neither edits nor threads make a phone ring. To a person only that is told
// besides the edit.
//
// The reference is room and event: "!abc:example.com $143273582443PhrSn".
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode && m.To == "" {
		return "", notify.Permanent(errors.New("matrix: a code is for a person, not for a room"))
	}
	room, err := n.roomOf(ctx, m)
	if err != nil {
		return "", fmt.Errorf("matrix: %w", err)
	}
	body := render(m, n.now())
	root, ok := n.root(m, room)
	if !ok {
		event, err := n.server.send(ctx, room, m.ID, body)
		if err != nil {
			n.forget(m.To, err)
			return "", fmt.Errorf("matrix: %w", err)
		}
		return room + " " + event, nil
	}
	if _, err := n.server.send(ctx, room, m.ID+"-edit", edit(body, root)); err != nil {
		n.forget(m.To, err)
		return "", fmt.Errorf("matrix: %w", err)
	}
	if m.To == "" || m.Kind.Calls() {
		if _, err := n.server.send(ctx, room, m.ID, line(m, root)); err != nil {
			return "", fmt.Errorf("matrix: %w", err)
		}
	}
	return m.Ref, nil
}

// root is the message that is to be edited. One in another room is left alone.
func (n *notifier) root(m notify.Message, room string) (event string, ok bool) {
	in, event, ok := strings.Cut(m.Ref, " ")
	return event, ok && in == room && strings.HasPrefix(event, "$") && m.AboutAlert()
}

func (n *notifier) roomOf(ctx context.Context, m notify.Message) (string, error) {
	if m.To != "" {
		return n.directRoom(ctx, m.To)
	}
	if n.room == "" {
		return "", notify.Permanent(errors.New("room is not set: this receiver tells only people"))
	}
	return n.room, nil
}

// forget has the next attempt look for a person's room anew, if the account is not in
// it any more.
func (n *notifier) forget(user string, err error) {
	if isRefused(err, "M_FORBIDDEN") || notify.Status(err) == http.StatusNotFound {
		n.direct.Delete(user)
	}
}
