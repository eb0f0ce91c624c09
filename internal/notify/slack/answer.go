package slack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	actTime   = 2500 * time.Millisecond // Slack waits 3 seconds for an answer
	replyTime = 10 * time.Second        // to show the reply
	windowMax = 5 * time.Minute         // between Slack's clock and ours
	bodyMax   = 1 << 20                 // of a request; the message that was pressed is in it
)

// An interaction is what Slack tells of a button that was pressed, as far as it
// is needed
// (https://docs.slack.dev/reference/interaction-payloads/block_actions-payload).
type interaction struct {
	Type        string `json:"type"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	User        struct {
		ID string `json:"id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Actions []struct {
		ActionID string `json:"action_id"`
		ActionTS string `json:"action_ts"`
		Value    string `json:"value"`
	} `json:"actions"`
}

// answer is what was answered; not ok for buttons that are none of ours, such as
// links.
func (i interaction) answer() (a notify.Answer, ok bool) {
	if i.Type != "block_actions" || len(i.Actions) != 1 || i.User.ID == "" {
		return a, false
	}
	pressed := i.Actions[0]
	do, ours := strings.CutPrefix(pressed.ActionID, actionPrefix)
	_, known := buttonOf[notify.Do(do)]
	_, runs := notify.Do(do).Runs()
	if !ours || !known && !runs {
		return a, false
	}
	alert, err := strconv.ParseInt(pressed.Value, 10, 64)
	if err != nil || alert <= 0 {
		return a, false
	}
	a = notify.Answer{ID: i.TriggerID, Alert: alert, Do: notify.Do(do), From: i.User.ID}
	if a.ID == "" && pressed.ActionTS != "" {
		a.ID = pressed.ActionTS + ":" + i.User.ID
	}
	return a, true
}

// act does what the interaction asks for, within the time that Slack waits, and
// returns the words for the person; "" where nothing was asked. What is begun is
// not broken off because Slack hangs up.
func (a *app) act(ctx context.Context, i interaction) string {
	answer, ok := i.answer()
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.actTime)
	defer cancel()
	reply, err := a.env.Act(ctx, answer)
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

// show tells the person, and nobody else, what came of it.
func (a *app) show(ctx context.Context, i interaction, words string) {
	if words == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replyTime)
	defer cancel()
	text := unmarked(notify.Defang(notify.Clean(words)), textMax)
	var err error
	if a.answers(i.ResponseURL) {
		err = a.respond(ctx, i.ResponseURL, text)
	} else {
		_, err = a.call(ctx, a.token, "chat.postEphemeral", map[string]any{"channel": i.Channel.ID, "user": i.User.ID, "text": text})
	}
	if err != nil {
		a.env.Log.WarnContext(ctx, "reply to a button not shown", "receiver", a.name, "err", err)
	}
}

// answers reports whether the address that a reply is to go to is Slack's.
func (a *app) answers(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return false
	}
	if base, err := url.Parse(a.api); err == nil && u.Scheme == base.Scheme && u.Host == base.Host {
		return true
	}
	return u.Scheme == "https" && (strings.HasSuffix(u.Host, ".slack.com") || strings.HasSuffix(u.Host, ".slack-gov.com"))
}

// respond uses the address that came with the interaction
// (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses).
func (a *app) respond(ctx context.Context, address, text string) error {
	body, err := json.Marshal(map[string]any{"response_type": "ephemeral", "replace_original": false, "text": text})
	if err != nil {
		return err
	}
	_, err = notify.Post(ctx, a.client, address, nil, body)
	return err
}

// callBack takes Slack's signed requests. What is asked for is done before Slack
// is answered, and the reply is shown afterwards.
func (a *app) callBack(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Slack posts here", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		http.Error(w, "the body cannot be read, or is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err := a.genuine(r.Header, body); err != nil {
		a.env.Log.DebugContext(r.Context(), "request that is not Slack's", "receiver", a.name, "err", err)
		http.Error(w, "not signed by Slack", http.StatusUnauthorized)
		return
	}
	var i interaction
	form, err := url.ParseQuery(string(body))
	if err == nil {
		err = json.Unmarshal([]byte(form.Get("payload")), &i)
	}
	if err != nil {
		http.Error(w, "no payload that can be read", http.StatusBadRequest)
		return
	}
	words := a.act(r.Context(), i)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // whoever cannot flush answers at the end
	a.show(r.Context(), i, words)
}

// genuine checks Slack's signature, which holds for five minutes
// (https://docs.slack.dev/authentication/verifying-requests-from-slack). Within
// them the same request may come again; the answer's ID tells.
func (a *app) genuine(h http.Header, body []byte) error {
	stamp := h.Get("X-Slack-Request-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("no X-Slack-Request-Timestamp")
	}
	if off := a.now().Sub(time.Unix(seconds, 0)).Abs(); off > windowMax {
		return fmt.Errorf("the request is %s away from this clock", off.Round(time.Second))
	}
	signed, err := hex.DecodeString(strings.TrimPrefix(h.Get("X-Slack-Signature"), "v0="))
	if err != nil {
		return errors.New("X-Slack-Signature is no signature")
	}
	mac := hmac.New(sha256.New, []byte(a.signing.Reveal()))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), signed) {
		return errors.New("the signature is of another secret")
	}
	return nil
}
