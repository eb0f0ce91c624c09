package slack

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Notify posts the first message of an alert and edits it from then on, each time
// with one line in its thread that says what is new. What calls for somebody (the
// alert got worse, or is open again) is shown in the channel as well, since an
// edit makes no phone ring. A message that is gone, or cannot be edited any more,
// is posted anew.
//
// The reference is the first message's channel and time: "C0123456789:1718159400.000100".
//
// Slack knows no idempotency key. A message whose answer was lost is posted again;
// to be able to tell, each carries [notify.Message.ID] as metadata (event type
// tocsin_alert), which programs can read and people do not see. Edits can be
// repeated.
func (a *app) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode && m.To == "" {
		return "", notify.Permanent(errors.New("slack: a code is for a person, not for a channel"))
	}
	body := a.render.message(m, a.now())
	body.Metadata = trace(m)
	if at, ok := a.root(m); ok {
		err := a.edit(ctx, at, body, m)
		if err == nil {
			return at.String(), nil
		}
		if !gone(err) {
			return "", err
		}
	}
	return a.post(ctx, body, m)
}

// Placed reports whether the settings name a channel.
func (a *app) Placed() bool { return a.channel != "" }

// A place is where a message is.
type place struct{ channel, ts string }

func (p place) String() string { return p.channel + ":" + p.ts }

// root is the message that is to be edited. One in a channel that the settings do
// not name any more is left alone.
func (a *app) root(m notify.Message) (place, bool) {
	channel, ts, ok := strings.Cut(m.Ref, ":")
	if !ok || channel == "" || ts == "" || !aboutAnAlert(m.Kind) {
		return place{}, false
	}
	return place{channel, ts}, m.To != "" || channel == a.channel
}

func aboutAnAlert(k tocsin.Kind) bool {
	return k != tocsin.TellDigest && k != tocsin.TellNote && k != tocsin.TellCode
}

func (a *app) edit(ctx context.Context, at place, body message, m notify.Message) error {
	body.Channel, body.TS = at.channel, at.ts
	if _, err := a.call(ctx, a.token, "chat.update", body); err != nil {
		return err
	}
	line := a.render.line(m)
	line.Channel, line.ThreadTS, line.Metadata = at.channel, at.ts, trace(m)
	line.ReplyBroadcast = m.Kind.Calls()
	_, err := a.call(ctx, a.token, "chat.postMessage", line)
	return err
}

func (a *app) post(ctx context.Context, body message, m notify.Message) (string, error) {
	channel := a.channel
	if m.To != "" {
		var err error
		if channel, err = a.conversation(ctx, m.To); err != nil {
			return "", err
		}
	}
	if channel == "" {
		return "", notify.Permanent(errors.New("slack: channel is not set: this receiver tells only people"))
	}
	body.Channel = channel
	reply, err := a.call(ctx, a.token, "chat.postMessage", body)
	if err != nil {
		if notify.IsPermanent(err) {
			a.direct.forget(m.To)
		}
		return "", err
	}
	at := place{reply.Get("channel").String(), reply.Get("ts").String()}
	if at.channel == "" {
		at.channel = channel
	}
	if at.ts == "" {
		return "", nil // posted, but nothing to edit
	}
	return at.String(), nil
}

// conversation is the direct message with a person.
func (a *app) conversation(ctx context.Context, user string) (string, error) {
	if channel, ok := a.direct.find(user); ok {
		return channel, nil
	}
	reply, err := a.call(ctx, a.token, "conversations.open", map[string]string{"users": user})
	if err != nil {
		return "", err
	}
	channel := reply.Get("channel.id").String()
	if channel == "" {
		return "", errors.New("slack: conversations.open: the reply names no channel")
	}
	a.direct.keep(user, channel)
	return channel, nil
}

// A directory knows the direct messages that were opened.
type directory struct {
	mu       sync.Mutex // guards channels
	channels map[string]string
}

func (d *directory) find(user string) (channel string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	channel, ok = d.channels[user]
	return channel, ok
}

func (d *directory) keep(user, channel string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.channels == nil {
		d.channels = map[string]string{}
	}
	d.channels[user] = channel
}

func (d *directory) forget(user string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.channels, user)
}

// metadata is for programs (https://docs.slack.dev/messaging/message-metadata).
type metadata struct {
	EventType    string         `json:"event_type"`
	EventPayload map[string]any `json:"event_payload"`
}

func trace(m notify.Message) *metadata {
	if m.ID == "" {
		return nil
	}
	payload := map[string]any{"id": m.ID, "kind": string(m.Kind)}
	if m.Alert.ID != 0 {
		payload["alert"] = m.Alert.ID
	}
	return &metadata{"tocsin_alert", payload}
}
