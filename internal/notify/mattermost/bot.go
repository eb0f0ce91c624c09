package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Notify posts the first message of an alert and edits it from then on, each time
// with a line in its thread that says what is new. What calls for somebody is
// posted anew. The reference is the message's channel and ID:
// "4xp9fdt77pncbef59f4k1qe83o:tqgcxfxbzffztk5cqbgatb58hr".
//
// A message whose answer was lost is posted once: each attempt has the same
// pending_post_id, by which Mattermost knows it for 30 seconds. Edits can be
// repeated.
func (b *bot) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode && m.To == "" {
		return "", notify.Permanent(errors.New("mattermost: a code is for a person, not for a channel"))
	}
	old, known := b.root(m)
	if known && !m.Kind.Calls() {
		switch err := b.follow(ctx, old, m); {
		case err == nil:
			return old.String(), nil
		case !lost(err):
			return "", err
		}
	}
	ref, err := b.post(ctx, m)
	if err == nil && known && m.Kind.Calls() {
		// What calls goes first, and is told whatever becomes of the message before it.
		if err := b.edit(ctx, old, superseded(m)); err != nil {
			b.env.Log.WarnContext(ctx, "earlier message not marked", "alert", m.Alert.ID, "err", err)
		}
	}
	return ref, err
}

// A place is where a message is.
type place struct{ channel, post string }

func (p place) String() string { return p.channel + ":" + p.post }

// root is the message that is to be edited. One in a channel that the settings do
// not name any more is left alone.
func (b *bot) root(m notify.Message) (place, bool) {
	channel, post, ok := strings.Cut(m.Ref, ":")
	if !ok || !id.MatchString(channel) || !id.MatchString(post) || !m.AboutAlert() {
		return place{}, false
	}
	return place{channel, post}, m.To != "" || channel == b.channel
}

// follow edits the message and says in its thread what is new. Where editing is
// forbidden, or its time is over, the thread says it alone.
func (b *bot) follow(ctx context.Context, at place, m notify.Message) error {
	if err := b.edit(ctx, at, render(m, b.now(), b.actions(ctx, m))); err != nil && !forbidden(err) {
		return err
	}
	line := newPost{post: post{Message: plain(notify.News(m), messageMax)}, Channel: at.channel, Root: at.post, Pending: pending(m, "line")}
	_, err := b.call(ctx, http.MethodPost, "/posts", line)
	return err
}

func (b *bot) edit(ctx context.Context, at place, p post) error {
	_, err := b.call(ctx, http.MethodPut, "/posts/"+at.post+"/patch", p)
	return err
}

func (b *bot) post(ctx context.Context, m notify.Message) (string, error) {
	channel := b.channel
	if m.To != "" {
		var err error
		if channel, err = b.conversation(ctx, m.To); err != nil {
			return "", err
		}
	}
	if channel == "" {
		return "", notify.Permanent(errors.New("mattermost: channel is not set: this receiver tells only people"))
	}
	reply, err := b.call(ctx, http.MethodPost, "/posts", newPost{post: render(m, b.now(), b.actions(ctx, m)), Channel: channel, Pending: pending(m, "post")})
	if err != nil {
		if notify.IsPermanent(err) {
			b.direct.Delete(m.To)
		}
		return "", err
	}
	if !id.MatchString(reply.ID) {
		return "", errors.New("mattermost: the reply names no message, so it is not Mattermost's; is there a proxy in between, or is url wrong?")
	}
	return place{channel, reply.ID}.String(), nil
}

// pending is by what Mattermost knows a message that it was sent before.
func pending(m notify.Message, which string) string {
	if m.ID == "" {
		return ""
	}
	return "tocsin:" + which + ":" + m.ID
}

// conversation is the direct message of the bot with a user. Mattermost takes messages
// to somebody who was deactivated, too, and nobody would read them.
func (b *bot) conversation(ctx context.Context, user string) (string, error) {
	if channel, ok := b.direct.Load(user); ok {
		return channel.(string), nil
	}
	them, err := b.call(ctx, http.MethodGet, "/users/username/"+url.PathEscape(user), nil)
	switch {
	case err != nil:
		return "", fmt.Errorf("user %s: %w", user, err)
	case them.DeletedAt > 0:
		return "", notify.Permanent(fmt.Errorf("mattermost: user %s is deactivated", user))
	}
	me, err := b.call(ctx, http.MethodGet, "/users/me", nil)
	if err != nil {
		return "", err
	}
	channel, err := b.call(ctx, http.MethodPost, "/channels/direct", []string{me.ID, them.ID})
	if err != nil {
		return "", err
	}
	if !id.MatchString(channel.ID) {
		return "", errors.New("mattermost: /channels/direct: the reply names no channel")
	}
	b.direct.Store(user, channel.ID)
	return channel.ID, nil
}

// An object is what the API answers, as far as it is needed: of most things their ID.
type object struct {
	ID        string `json:"id"`
	DeletedAt int64  `json:"delete_at"` // of a user, milliseconds; 0 for one who is active
}

// call makes one request to the API. A nil body is none.
func (b *bot) call(ctx context.Context, method, path string, body any) (object, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = notify.JSON(body); err != nil {
			return object{}, notify.Permanent(fmt.Errorf("mattermost: %w", err))
		}
	}
	reply, err := notify.Request{
		Method: method, URL: b.server + "/api/v4" + path, Body: text, Secrets: []secret.String{b.token},
		Headers: http.Header{"Authorization": {"Bearer " + b.token.Reveal()}},
	}.Send(ctx, b.client)
	if err != nil {
		return object{}, fmt.Errorf("mattermost: %w", err)
	}
	var o object
	if err := json.Unmarshal(reply, &o); err != nil {
		return object{}, errors.New("mattermost: the reply is not JSON; is there a proxy in between, or is url wrong?")
	}
	return o, nil
}

// forbidden says that a message cannot be edited, be it that it was deleted:
// Mattermost tells no difference.
func forbidden(err error) bool {
	s := notify.Status(err)
	return s == http.StatusBadRequest || s == http.StatusForbidden
}

// lost says that there is no such message, or none that can be replied to.
func lost(err error) bool {
	s := notify.Status(err)
	return s == http.StatusBadRequest || s == http.StatusNotFound
}
