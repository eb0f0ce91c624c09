package rocketchat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// user posts as a user, by the REST API.
type user struct {
	server  string // without a slash at its end
	id      string
	token   secret.String
	channel string
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
}

// Notify posts the first message of an alert and edits it from then on, each time
// with a line in its thread that says what is new. What calls for somebody is posted
// anew. The reference is the room's ID and the message's:
// "GENERAL:7aDSXtjMA3KPLxLjt".
//
// A message whose answer was lost is posted again. Edits can be repeated.
func (u *user) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode && m.To == "" {
		return "", notify.Permanent(errors.New("rocket-chat: a code is for a person, not for a room"))
	}
	old, known := root(m)
	if known && !m.Kind.Calls() {
		switch err := u.follow(ctx, old, m); {
		case err == nil:
			return old.String(), nil
		case !gone(err):
			return "", err
		}
	}
	ref, err := u.post(ctx, m)
	if err == nil && known && m.Kind.Calls() {
		// What calls goes first, and is told whatever becomes of the message before it.
		if err := u.edit(ctx, old, superseded(m)); err != nil {
			u.log.WarnContext(ctx, "earlier message not marked", "alert", m.Alert.ID, "err", err)
		}
	}
	return ref, err
}

// Follows says that it edits its messages, so that it can be told of everything.
func (*user) Follows() bool { return true }

// Placed reports whether the settings name a room.
func (u *user) Placed() bool { return u.channel != "" }

// A place is where a message is.
type place struct{ room, message string }

func (p place) String() string { return p.room + ":" + p.message }

// root is the message that is to be edited. It stays where it is if the settings
// name another room by now.
func root(m notify.Message) (place, bool) {
	room, message, ok := strings.Cut(m.Ref, ":")
	return place{room, message}, ok && room != "" && message != "" && m.AboutAlert()
}

// follow edits the message and says in its thread what is new. Where editing is
// forbidden, or its time is over, the thread says it alone.
func (u *user) follow(ctx context.Context, at place, m notify.Message) error {
	err := fitted(func(most int) error { return u.edit(ctx, at, whole(m, u.now(), most)) })
	if err != nil && !forbidden(err) {
		return err
	}
	_, err = u.call(ctx, "chat.postMessage", newMessage{
		Room: at.room, Thread: at.message, Text: plain(notify.News(m), shortMax), Attachments: []attachment{},
	})
	return err
}

// edit changes the text. An older server does not know the key that says that links
// in it are not to be looked at, and refuses what it does not know.
func (u *user) edit(ctx context.Context, at place, text string) error {
	e := edit{Room: at.room, Message: at.message, Text: text, Previews: &[]string{}}
	_, err := u.call(ctx, "chat.update", e)
	if unknownKey(err) {
		e.Previews = nil
		_, err = u.call(ctx, "chat.update", e)
	}
	return err
}

func (u *user) post(ctx context.Context, m notify.Message) (string, error) {
	channel := u.channel
	if m.To != "" {
		channel = "@" + m.To
	}
	if channel == "" {
		return "", notify.Permanent(errors.New("rocket-chat: channel is not set: this receiver tells only people"))
	}
	var reply answer
	err := fitted(func(most int) (err error) {
		reply, err = u.call(ctx, "chat.postMessage", newMessage{Channel: channel, Text: whole(m, u.now(), most), Attachments: []attachment{}})
		return err
	})
	if err != nil {
		return "", err
	}
	at := place{reply.Message.Room, reply.Message.ID}
	if at.room == "" || at.message == "" {
		return "", nil // posted, but nothing to edit
	}
	return at.String(), nil
}

func (u *user) call(ctx context.Context, method string, body any) (answer, error) {
	text, err := notify.JSON(body)
	if err != nil {
		return answer{}, notify.Permanent(fmt.Errorf("rocket-chat: %w", err))
	}
	reply, err := notify.Request{
		Method: http.MethodPost, URL: u.server + "/api/v1/" + method, Body: text, Secrets: []secret.String{u.token},
		Headers: http.Header{"X-Auth-Token": {u.token.Reveal()}, "X-User-Id": {u.id}},
	}.Send(ctx, u.client)
	if err != nil {
		return answer{}, refused(fmt.Errorf("rocket-chat: %s: %w", method, err), reply)
	}
	return accepted(reply)
}

// fitted sends in full what Rocket.Chat takes unless its settings say otherwise, and in
// few words where they do.
func fitted(send func(most int) error) error {
	err := send(messageMax)
	if says(err, "error-message-size-exceeded") {
		err = send(shortMax)
	}
	return err
}

// An answer is what Rocket.Chat says, as far as it is needed.
type answer struct {
	Success bool   `json:"success"`
	Error   string `json:"error"`
	Type    string `json:"errorType"`
	Message struct {
		ID   string `json:"_id"`
		Room string `json:"rid"`
	} `json:"message"`
}

// accepted judges what a reply with a good status says.
func accepted(reply []byte) (answer, error) {
	var said answer
	if err := json.Unmarshal(reply, &said); err != nil || !said.Success {
		return said, errors.New("rocket-chat: the reply does not say success, so it is not Rocket.Chat's; is there a proxy in between, or is the address wrong?")
	}
	return said, nil
}

// A refusal is what Rocket.Chat says with a status that is no success: mostly 400,
// with the reason in words.
type refusal struct {
	error
	said string
}

func (r refusal) Unwrap() error { return r.error }

func refused(err error, reply []byte) error {
	var said answer
	if json.Unmarshal(reply, &said) != nil || said.Error == "" {
		return err
	}
	return refusal{err, said.Error + " " + said.Type}
}

func says(err error, anyOf ...string) bool {
	r, ok := errors.AsType[refusal](err)
	if !ok {
		return false
	}
	for _, words := range anyOf {
		if strings.Contains(r.said, words) {
			return true
		}
	}
	return false
}

// gone says that the message is not there any more, or not in that room.
func gone(err error) bool {
	return says(err, "No message found", "does not match where the message is from", "error-invalid-message", "invalid-channel", "error-room-not-found", "error-invalid-room")
}

// forbidden says that messages may not be edited, or not any more.
func forbidden(err error) bool {
	return says(err, "error-action-not-allowed", "error-message-editing-blocked")
}

// unknownKey says that the server is older than the keys that it was sent.
func unknownKey(err error) bool { return says(err, "additional properties", "invalid-params") }
