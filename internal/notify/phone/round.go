package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// roundMost bounds the messages remembered. Beyond it the oldest is forgotten,
// and its next attempt is for everybody.
const roundMost = 1024

// A Round tells one message to several numbers, each once: it remembers who is
// done, so that the next attempt is for the others alone. That is lost with the
// process: then everybody is told again, and nobody is left out. It is safe for
// concurrent use.
type Round struct {
	mu       sync.Mutex // guards what follows
	messages map[string]*told
	order    []string // ids, oldest first
}

// told is how far a message has come. It is the attempt's own: attempts at one
// message follow one another.
type told struct {
	done map[string]bool // numbers: told, or refused for good
	some bool            // one of them was told
	ref  string          // of the first that was
	said []string        // what was said of those refused
}

// Tell has a message told: to the person it is for, or else to the fixed numbers
// of the settings. The error says whether anybody is still to be tried; with one
// number told and none left it is nil, and who will not be told is logged.
func (r *Round) Tell(ctx context.Context, m notify.Message, fixed []string, log *slog.Logger, receiver string, tell func(ctx context.Context, number string) (ref string, err error)) (string, error) {
	if m.To != "" {
		number, err := Number(m.To)
		if err != nil {
			return "", notify.Permanent(err)
		}
		return tell(ctx, number)
	}
	switch len(fixed) {
	case 0:
		return "", notify.Permanent(errors.New("the message is for nobody: it names no person, and to: is not set"))
	case 1:
		return tell(ctx, fixed[0])
	}
	t := r.of(m.ID)
	left, wait, asked, last := 0, time.Duration(0), false, error(nil)
	for _, number := range fixed {
		if t.done[number] {
			continue
		}
		ref, err := tell(ctx, number)
		switch {
		case err == nil:
			t.done[number] = true
			if !t.some {
				t.some, t.ref = true, ref
			}
		case notify.IsPermanent(err):
			t.done[number] = true
			t.said = append(t.said, number+": "+err.Error())
			log.WarnContext(ctx, "recipient refused", "receiver", receiver, "alert", m.Alert.ID, "err", number+": "+err.Error())
		default:
			left, last = left+1, err
			if w, told := notify.RetryAfter(err); told {
				wait, asked = max(wait, w), true
			}
		}
	}
	switch {
	case left > 0:
		err := fmt.Errorf("%d of %d are to be told yet: %w", left, len(fixed), last)
		if asked {
			return "", notify.After(err, wait)
		}
		return "", err
	case !t.some:
		r.forget(m.ID)
		return "", notify.Permanent(errors.New(strings.Join(t.said, "; ")))
	}
	r.forget(m.ID)
	return t.ref, nil
}

// of is how far the message has come.
func (r *Round) of(id string) *told {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.messages[id]; t != nil {
		return t
	}
	if r.messages == nil {
		r.messages = map[string]*told{}
	}
	if len(r.order) == roundMost {
		delete(r.messages, r.order[0])
		r.order = r.order[1:]
	}
	t := &told{done: map[string]bool{}}
	r.messages[id] = t
	r.order = append(r.order, id)
	return t
}

// forget is for a message that nobody is to be told of any more.
func (r *Round) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.messages, id)
	for i, other := range r.order {
		if other == id {
			r.order = append(r.order[:i:i], r.order[i+1:]...)
			return
		}
	}
}
