package telegram

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	actTime   = 10 * time.Second // for what a button asks for; Telegram shows a spinner meanwhile
	answerMax = 200              // characters of what is shown to whoever pressed
)

// wanted are the updates that are asked for.
var wanted = []string{"callback_query", "message"}

// An update is what Telegram tells, as far as it is needed
// (https://core.telegram.org/bots/api#update).
type update struct {
	ID       int64     `json:"update_id"`
	Callback *callback `json:"callback_query"`
	Message  *incoming `json:"message"`
}

// A callback is a button that was pressed.
type callback struct {
	ID   string `json:"id"`
	From user   `json:"from"`
	Data string `json:"data"`
}

type user struct {
	ID    int64 `json:"id"`
	IsBot bool  `json:"is_bot"`
}

// incoming is a message that somebody wrote to the bot.
type incoming struct {
	Thread int64 `json:"message_thread_id"`
	From   user  `json:"from"`
	Chat   struct {
		ID   int64  `json:"id"`
		Type string `json:"type"` // "private", "group", "supergroup", "channel"
	} `json:"chat"`
	Text string `json:"text"`
}

// take does what an update asks for. It takes no longer than a few requests.
func (n *notifier) take(ctx context.Context, u update) {
	switch {
	case u.Callback != nil:
		n.press(ctx, *u.Callback)
	case u.Message != nil && !u.Message.From.IsBot:
		n.read(ctx, *u.Message)
	}
}

// press does what a button asks for, and shows what came of it to whoever pressed. The
// message itself is edited for all by what is told of the alert then.
func (n *notifier) press(ctx context.Context, c callback) {
	words, insist := n.act(ctx, c)
	err := n.bot.call(ctx, "answerCallbackQuery", map[string]any{
		"callback_query_id": c.ID,
		"text":              notify.Truncate(notify.Defang(notify.Clean(words)), answerMax, notify.UTF16),
		"show_alert":        insist,
	}, nil)
	if err != nil && !says(err, "query is too old") {
		n.log.WarnContext(ctx, "reply to a button not shown", "err", err)
	}
}

// act is what a button asks for, in the name of whoever pressed. insist has the words
// shown until they are closed.
func (n *notifier) act(ctx context.Context, c callback) (words string, insist bool) {
	a, ok := answer(c)
	if !ok {
		return "This button does nothing any more.", true
	}
	if words, ok := n.asked.Confirmed(a, n.now()); !ok {
		return words, true
	}
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	reply, err := n.env.Act(ctx, a)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "That took too long. Look whether it was done, and try again.", true
	case err != nil:
		return "Not done: " + err.Error(), true
	case reply.Text == "":
		return "Done.", false
	}
	return reply.Text, false
}

// answer reads a button's data: "acknowledge:4821".
func answer(c callback) (a notify.Answer, ok bool) {
	cut := strings.LastIndexByte(c.Data, ':')
	if cut < 0 || c.From.ID <= 0 || c.From.IsBot {
		return a, false
	}
	do := notify.Do(c.Data[:cut])
	alert, err := strconv.ParseInt(c.Data[cut+1:], 10, 64)
	switch do {
	case notify.DoAcknowledge, notify.DoEscalate, notify.DoExpected, notify.DoClose:
	default:
		name, runs := do.Runs()
		ok = runs && name != ""
		if !ok {
			return a, false
		}
	}
	return notify.Answer{ID: c.ID, Alert: alert, Do: do, From: strconv.FormatInt(c.From.ID, 10)}, err == nil && alert > 0
}

// read answers somebody who wrote to the bot: what a chat's ID is, which nobody knows by
// heart, or that they are enrolled. It answers strangers, so not often.
func (n *notifier) read(ctx context.Context, m incoming) {
	command, rest, _ := strings.Cut(strings.TrimSpace(m.Text), " ")
	command, _, _ = strings.Cut(command, "@") // "/id@tocsin_bot", as groups write it
	private := m.Chat.Type == "private"
	words := ""
	switch {
	case private && command == "/start" && rest != "":
		words = n.enrol(ctx, m, strings.TrimSpace(rest))
	case private && (command == "/start" || command == "/id"):
		words = fmt.Sprintf("Your chat ID is <code>%d</code>. In tocsin it is the address of a contact method of the receiver %s.", m.Chat.ID, escape(plain(n.name)))
	case command == "/id" && m.Thread != 0:
		words = fmt.Sprintf("This chat's ID is <code>%d</code>, and the topic is <code>%d</code>.", m.Chat.ID, m.Thread)
	case command == "/id":
		words = fmt.Sprintf("This chat's ID is <code>%d</code>.", m.Chat.ID)
	}
	if words == "" || !n.replies.Allow() {
		return
	}
	body := text(words)
	body.Chat, body.Thread = m.Chat.ID, m.Thread
	if err := n.bot.call(ctx, "sendMessage", body, nil); err != nil {
		n.log.WarnContext(ctx, "question not answered", "err", err)
	}
}
