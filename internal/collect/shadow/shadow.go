// Package shadow takes in what another system sends its people, so that it can be
// compared with what tocsin would send: the other one is given this address, or a
// copy of its messages, and goes on as it was.
//
// A message is journalled as it came and opens nothing. With forward_to it is then
// posted where it was meant to go, whatever became of it here, and the answer of
// that place is the answer to the sender: tocsin's own troubles cost nobody a
// message.
package shadow

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
	"github.com/tocsin-sec/tocsin/internal/shadow"
)

// Via is how its events came.
const Via = "shadow"

// Kind is the way in of what another system sent.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("shadow", "Takes in what another system sends (to Slack, from Alertmanager, by SNS), to compare it with what tocsin would send.", open)
	k.Title = "What another system sends"
	k.Dialect = dialect{}
	return k
}

// Config is what can be set.
type Config struct {
	Token     secret.String `json:"token,omitzero" doc:"The last part of the address, 16 characters or more. Left out, one is made and shown with the source."`
	ForwardTo secret.String `json:"forward_to,omitzero" doc:"Where each message is posted on to: the webhook that the other system had before. Left out, senders are told ok."`
}

// dialect ends each event where it is read: it is there to be compared.
type dialect struct{}

func (dialect) Read(source string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	sent := shadow.Read(0, source, time.Time{}, raw)
	return collect.Reading{
		Detection: tocsin.Detection{Type: "message of another system"},
		End:       tocsin.Filtered, Reason: "sent by another system, and kept to be compared: " + sent.Text,
	}, nil
}

type source struct {
	*collect.Door
	env     collect.Env
	forward secret.String
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	door, err := collect.NewDoor(env, c.Token)
	if err != nil {
		return nil, err
	}
	if err := checkForward(c.ForwardTo); err != nil {
		return nil, err
	}
	s := &source{Door: door, env: env, forward: c.ForwardTo}
	env.Handle(s)
	return s, nil
}

// checkForward does not quote the address: it is a secret.
func checkForward(address secret.String) error {
	if address.IsZero() || secret.IsReference(address.Reveal()) {
		return nil
	}
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("forward_to is not a URL such as https://hooks.slack.com/services/…")
	}
	return nil
}

// ServeHTTP takes one message.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.Admit(r); !ok {
		s.Stranger()
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "messages are posted here", http.StatusMethodNotAllowed)
		return
	}
	body, err := collect.ReadBody(r)
	if errors.Is(err, collect.ErrTooLarge) {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		again(w, "the body did not arrive whole")
		return
	}
	event := tocsin.Event{Source: s.env.Name, Via: Via, ReceivedAt: s.env.Now(), Raw: body}
	if s.forward.IsZero() {
		if _, err := s.Deliver(r.Context(), event); err != nil {
			again(w, "the message could not be kept")
			return
		}
		_, _ = io.WriteString(w, "ok") // as Slack's webhooks say
		return
	}
	// The other place waits for nothing here, and the sender for nothing but its answer.
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		_, _ = s.Deliver(context.WithoutCancel(r.Context()), event) // what went wrong is logged
	}()
	s.pass(w, r, body)
	select {
	case <-kept:
	default:
		_ = http.NewResponseController(w).Flush() // the sender is gone, or has it
		<-kept
	}
}

func again(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, why, http.StatusServiceUnavailable)
}

// answerMax is how much of the other place's answer is passed back.
const answerMax = 64 << 10

// pass posts the message where it was meant to go, and answers as that place does.
func (s *source) pass(w http.ResponseWriter, r *http.Request, body []byte) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, s.forward.Reveal(), bytes.NewReader(body))
	if err != nil { // its text quotes the address
		http.Error(w, "forward_to cannot be read", http.StatusBadGateway)
		return
	}
	for _, name := range []string{"Content-Type", "User-Agent"} {
		if v := r.Header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	resp, err := s.env.HTTP.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address
		}
		s.env.Log.ErrorContext(r.Context(), "a message of the other system was not passed on", slog.String("source", s.env.Name), slog.Any("err", err))
		http.Error(w, "the message could not be passed on", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for _, name := range []string{"Content-Type", "Retry-After"} {
		if v := resp.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(resp.Body, answerMax)) // whoever asked may be gone
}

// Describe tells how to have the other system send here.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	facts := []tocsin.Fact{{Name: "Endpoint with token", Value: s.URL(reveal)}}
	if s.forward.IsZero() {
		return append(facts, tocsin.Fact{Name: "How", Value: "have the other system send a copy of its messages here: a second receiver in Alertmanager (continue: true), a second subscription of its SNS topic"})
	}
	return append(facts, tocsin.Fact{Name: "How", Value: "give the other system this address in place of its webhook; each message is passed on to the webhook it had"})
}
