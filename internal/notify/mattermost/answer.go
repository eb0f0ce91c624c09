package mattermost

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	actTime     = 10 * time.Second // Mattermost waits 30 seconds for an answer
	pressedMax  = 64 << 10         // of a request
	triggerMax  = 500              // of what Mattermost calls a press
	keyName     = "buttons"        // of the key, in the receiver's memory
	keySize     = 32
	signedAs    = "tocsin mattermost button 1"
	contextDo   = "do"
	contextSig  = "signature"
	contextID   = "alert"
	refusedOnce = time.Minute
)

// mount makes the buttons lead here, where there is a way back, and a memory for
// the key that signs them.
func (b *bot) mount() {
	if b.env.Act == nil || b.env.Handle == nil || b.env.State == nil || b.env.CallbackURL == "" {
		return
	}
	b.signer = &signer{receiver: b.name, state: b.env.State}
	refused := &rate.Sometimes{Interval: refusedOnce}
	b.env.Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.pressed(w, r, refused) }))
}

// A signer signs what a button says of itself, so that nobody but the server that
// was given it can press it: Mattermost keeps it from its users
// (https://developers.mattermost.com/integrate/plugins/interactive-messages/).
type signer struct {
	receiver string
	state    notify.State

	mu  sync.Mutex // guards key
	key []byte
}

// sign is the signature of an alert and what is to be done about it. The key is made
// once, and is the same after a restart and for all replicas.
func (s *signer) sign(ctx context.Context, alert string, do notify.Do) (string, error) {
	key, err := s.secret(ctx)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{signedAs, s.receiver, alert, string(do)} {
		fmt.Fprintf(mac, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

func (s *signer) secret(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	made := make([]byte, keySize)
	if _, err := rand.Read(made); err != nil {
		return nil, err
	}
	kept, err := s.state.First(ctx, keyName, made)
	if err != nil {
		return nil, err
	}
	if len(kept) != keySize {
		return nil, fmt.Errorf("the key that signs buttons has %d bytes, want %d", len(kept), keySize)
	}
	s.key = kept
	return kept, nil
}

// styles are how buttons look that are not plain.
var styles = map[notify.Do]string{notify.DoAcknowledge: "primary"}

// buttonID is the same for what a button does in whichever message, and another for
// whatever else: Mattermost finds by it what was pressed, and takes letters and digits
// alone.
func buttonID(do notify.Do) string {
	if plain := string(do); strings.Trim(plain, "abcdefghijklmnopqrstuvwxyz") == "" {
		return plain
	}
	return hex.EncodeToString([]byte(do))
}

// actions are the buttons of a message; none where they lead nowhere, and for an
// alert that is over. An alert is told without them rather than not at all.
func (b *bot) actions(ctx context.Context, m notify.Message) []action {
	if b.signer == nil || m.Alert.ID == 0 || m.Kind == tocsin.TellClosed || m.Alert.Status == tocsin.StatusClosed {
		return nil
	}
	var buttons []action
	for _, a := range m.Actions {
		name, alert := notify.Truncate(notify.Clean(a.Label), 40, notify.UTF16), strconv.FormatInt(m.Alert.ID, 10)
		signature, err := b.signer.sign(ctx, alert, a.Do)
		if err != nil {
			b.env.Log.WarnContext(ctx, "message sent without buttons", "alert", m.Alert.ID, "err", err)
			return nil
		}
		if name == "" {
			continue
		}
		button := action{
			ID: buttonID(a.Do), Type: "button", Name: name, Style: styles[a.Do],
			Integration: integration{b.env.CallbackURL, map[string]string{contextID: alert, contextDo: string(a.Do), contextSig: signature}},
		}
		if a.Do.Asks() {
			button.Style, button.Name = "danger", strings.TrimRight(name, "…. ")+"…"
		}
		buttons = append(buttons, button)
	}
	return buttons
}

// A press is what Mattermost tells of a button that was pressed, as far as it is
// needed.
type press struct {
	User    string         `json:"user_name"`
	Trigger string         `json:"trigger_id"`
	Context map[string]any `json:"context"`
}

var errForged = errors.New("the button is not one of this receiver's, or its signature is of another key")

// answer is what was answered, if the button is one of ours.
func (s *signer) answer(ctx context.Context, p press) (notify.Answer, error) {
	text := func(name string) string {
		value, _ := p.Context[name].(string)
		return value
	}
	alert, err := strconv.ParseInt(text(contextID), 10, 64)
	if err != nil || alert <= 0 {
		return notify.Answer{}, errForged
	}
	do := notify.Do(text(contextDo))
	want, err := s.sign(ctx, text(contextID), do)
	if err != nil {
		return notify.Answer{}, err
	}
	if !hmac.Equal([]byte(want), []byte(text(contextSig))) {
		return notify.Answer{}, errForged
	}
	a := notify.Answer{Alert: alert, Do: do, From: strings.ToLower(p.User)}
	if len(p.Trigger) <= triggerMax {
		a.ID = p.Trigger // one press has one
	}
	return a, nil
}

// pressed does what a button asks for, and answers what whoever pressed it, and
// nobody else, is shown. What is begun is not broken off because Mattermost hangs up.
func (b *bot) pressed(w http.ResponseWriter, r *http.Request, refused *rate.Sometimes) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Mattermost posts here", http.StatusMethodNotAllowed)
		return
	}
	var p press
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, pressedMax)).Decode(&p); err != nil {
		http.Error(w, "the body is not what Mattermost tells of a button, or is longer than 64 KiB", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	answer, err := b.signer.answer(ctx, p)
	if err != nil {
		refused.Do(func() {
			b.env.Log.WarnContext(ctx, "callback refused", "err", err)
		})
		http.Error(w, "the button is not one of ours", http.StatusForbidden)
		return
	}
	words := plain(notify.Defang(notify.Clean(b.act(ctx, answer))), 1000)
	body, err := notify.JSON(map[string]any{"ephemeral_text": words, "skip_slack_parsing": true})
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

// act does it, and says what came of it. What cannot be taken back is asked for twice:
// a button of Mattermost cannot ask by itself.
func (b *bot) act(ctx context.Context, a notify.Answer) string {
	if words, ok := b.asked.Confirmed(a, b.now()); !ok {
		return words
	}
	reply, err := b.env.Act(ctx, a)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "That took too long. Look whether it was done, and try again."
	case err != nil:
		return "Not done: " + err.Error()
	case reply.Text == "":
		return "Done."
	}
	return reply.Text
}
