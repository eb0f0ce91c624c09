package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// bot is the Bot API, spoken to as one bot.
type bot struct {
	base   string // "https://api.telegram.org/bot", which the token follows
	token  secret.String
	client *http.Client
}

// replyMax is how much of a reply is read: updates hold the messages that they are about.
const replyMax = 4 << 20

// A reply is the Bot API's (https://core.telegram.org/bots/api#making-requests).
type reply struct {
	OK          *bool           `json:"ok"`
	Result      json.RawMessage `json:"result"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter int64 `json:"retry_after"` // seconds
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// call calls a method. What Telegram refuses is a *refusal. No error holds the token,
// which is in the address.
func (b bot) call(ctx context.Context, method string, arguments, into any) error {
	body, err := notify.JSON(arguments)
	if err != nil {
		return notify.Permanent(fmt.Errorf("%s: %w", method, err))
	}
	text, err := notify.Request{
		Method: http.MethodPost, URL: b.base + b.token.Reveal() + "/" + method, Body: body, Most: replyMax, Secrets: []secret.String{b.token},
	}.Send(ctx, b.client)
	var said reply
	read := json.Unmarshal(text, &said)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", method, judged(err, said))
	case read != nil || said.OK == nil:
		return fmt.Errorf("%s: the reply is not Telegram's; is there a proxy in between, or is api_url wrong?", method)
	case !*said.OK:
		return fmt.Errorf("%s: %w", method, notify.Permanent(&refusal{description: said.Description, err: errors.New("refused: " + notify.Said(said.Description, b.token))}))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(said.Result, into); err != nil {
		return fmt.Errorf("%s: the result is not what it was", method)
	}
	return nil
}

// A refusal is the Bot API's "ok": false.
type refusal struct {
	description string
	migrated    int64 // the group's new ID, or 0
	err         error
}

func (r *refusal) Error() string {
	for _, a := range advices {
		if strings.Contains(r.description, a.words) {
			return r.err.Error() + ": " + a.advice
		}
	}
	return r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

// advices are what to do about errors whose words alone do not say it.
var advices = []struct{ words, advice string }{
	{"chat not found", "the bot is not in the group or channel, or the person never wrote to it; send it /start"},
	{"bot can't initiate conversation", "the person never wrote to the bot; they send it /start"},
	{"bot was blocked by the user", "the person blocked the bot"},
	{"bot was kicked", "add the bot to the chat again"},
	{"not a member of the c", "add the bot to the chat; in a channel it must be an administrator"},
	{"not enough rights", "the bot may not post there; make it an administrator"},
	{"need administrator rights", "the bot may not post there; make it an administrator"},
	{"message thread not found", "thread is no topic of the chat"},
	{"TOPIC_CLOSED", "the topic is closed"},
	{"Unauthorized", "token is wrong or was revoked; ask BotFather for another"},
	{"Not Found", "token is wrong or was revoked; ask BotFather for another"},
}

// says reports whether the error is Telegram's refusal with one of these words.
func says(err error, words ...string) bool {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return false
	}
	for _, w := range words {
		if strings.Contains(strings.ToLower(r.description), w) {
			return true
		}
	}
	return false
}

// unchanged reports whether the message is as it was to be already.
func unchanged(err error) bool { return says(err, "message is not modified") }

// gone reports whether there is no message that could be edited.
func gone(err error) bool {
	return says(err, "message to edit not found", "message can't be edited", "message_id_invalid")
}

// throttled reads how long Telegram wants to be left alone, which it says in the body.
func throttled(resp *http.Response, body []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	var said reply
	if json.Unmarshal(body, &said) != nil || said.Parameters.RetryAfter <= 0 {
		return notify.Wait(resp.Header)
	}
	return notify.Seconds(float64(said.Parameters.RetryAfter)), true
}

// judged is the error with what Telegram says of it.
func judged(err error, said reply) error {
	if notify.Status(err) == 0 || said.OK == nil || *said.OK {
		return err
	}
	r := &refusal{description: said.Description, migrated: said.Parameters.MigrateTo, err: err}
	if says(r, "bot was blocked by the user", "user is deactivated") {
		return notify.Gone(r)
	}
	return r
}
