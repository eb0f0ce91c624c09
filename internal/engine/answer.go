package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/disclosure"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Answer does what somebody answered through a receiver: a button, a reply, a
// key. Who cannot be told for a person of ours is refused.
func (e *Engine) Answer(ctx context.Context, receiver string, a notify.Answer) (notify.Reply, error) {
	person, ok := e.world().owner(receiver, a.From)
	if !ok {
		return notify.Reply{}, fmt.Errorf("nobody here has %s as a verified contact method of %s; add it to your contact methods first", a.From, receiver)
	}
	ask := Ask{By: person, Note: a.Note, Via: receiver}
	if a.ID != "" {
		ask.token = receiver + "/" + a.ID
	}
	reply, err := e.do(ctx, a.Alert, a.Do, ask)
	hide := disclosure.Of(reply.Alert, receiver, e.plan.Load().Receivers[receiver].Hide)
	reply.Alert, reply.Account = disclosure.Alert(reply.Alert, reply.Account, hide)
	return reply, err
}

// ReadLink says what a link in a message would do, and shows the alert. It does
// nothing: mail programs open links by themselves.
func (e *Engine) ReadLink(ctx context.Context, token string) (Link, tocsin.Alert, error) {
	l, err := e.key.read(token, e.now())
	if err != nil {
		return l, tocsin.Alert{}, err
	}
	var a tocsin.Alert
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		a, err = tx.Alert(l.Alert)
		return err
	})
	a, _ = disclosure.Alert(a, tocsin.Account{}, e.hiddenFrom(l, a))
	return l, a, err
}

// hiddenFrom is what whoever has the link does not get to see: links are sent to
// people whom the alert's routes told, by a receiver that may hide more.
func (e *Engine) hiddenFrom(l Link, a tocsin.Alert) []string {
	return slices.Concat(disclosure.Everything(a), e.plan.Load().Receivers[l.Receiver].Hide)
}

// FollowLink does what the link says, once.
func (e *Engine) FollowLink(ctx context.Context, token string) (notify.Reply, error) {
	l, err := e.key.read(token, e.now())
	if err != nil {
		return notify.Reply{}, err
	}
	if p, ok := e.world().person(l.Person); !ok || p.Disabled {
		return notify.Reply{}, InputError{fmt.Errorf("%s is not among the people any more", l.Person)}
	}
	reply, err := e.do(ctx, l.Alert, l.Do, Ask{By: l.Person, Via: "link", token: "link/" + l.ID})
	reply.Alert, reply.Account = disclosure.Alert(reply.Alert, reply.Account, e.hiddenFrom(l, reply.Alert))
	return reply, err
}

// do is what was answered, in the name of a person.
func (e *Engine) do(ctx context.Context, id int64, do notify.Do, ask Ask) (notify.Reply, error) {
	var a tocsin.Alert
	var err error
	said := ""
	switch do {
	case notify.DoAcknowledge:
		a, err = e.Acknowledge(ctx, id, ask)
		said = "Acknowledged by " + ask.By
	case notify.DoEscalate:
		a, err = e.Escalate(ctx, id, ask)
		said = "Escalated by " + ask.By + ": the next step is told now"
	case notify.DoExpected:
		a, err = e.Close(ctx, id, ask, tocsin.ReasonExpected, time.Time{})
		said = "Closed as expected by " + ask.By
	case notify.DoClose:
		a, err = e.Close(ctx, id, ask, tocsin.ReasonFixed, time.Time{})
		said = "Closed as fixed by " + ask.By
	default:
		name, runs := do.Runs()
		if !runs {
			return notify.Reply{}, fmt.Errorf("%q cannot be done from a message", do)
		}
		a, err = e.RunAction(ctx, id, ask, name)
		said = name + " approved by " + ask.By
	}
	if errors.Is(err, errUsed) {
		return e.reply(ctx, id, "That was done already.")
	}
	if state, isState := errors.AsType[*tocsin.StateError](err); isState {
		return e.reply(ctx, id, sentence(state.Error()))
	}
	if err != nil {
		return notify.Reply{}, err
	}
	return notify.Reply{Text: fmt.Sprintf("%s at %s.", said, e.now().UTC().Format("15:04 UTC")), Alert: a, Account: e.plan.Load().account(a)}, nil
}

// reply says something of an alert that stays as it is.
func (e *Engine) reply(ctx context.Context, id int64, text string) (notify.Reply, error) {
	r := notify.Reply{Text: text}
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		r.Alert, err = tx.Alert(id)
		return err
	})
	r.Account = e.plan.Load().account(r.Alert)
	return r, err
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:]
	}
	return s + "."
}
