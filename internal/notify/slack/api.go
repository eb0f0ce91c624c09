package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// replyMax is how much of a reply is read. Slack repeats the message in it, with
// what is not ASCII written as \uXXXX.
const replyMax = 1 << 20

// call calls a method of the Web API (https://docs.slack.dev/apis/web-api). Of
// the reply only what is asked for is read, since a message that was taken must
// not be sent again because Slack describes it in a way that is new.
//
// Slack refuses with 200 and "ok": false. An error is then a *refusal, permanent
// where no retry mends it. No error holds the token.
func (a *app) call(ctx context.Context, token secret.String, method string, arguments any) (gjson.Result, error) {
	body, err := json.Marshal(arguments)
	if err != nil {
		return gjson.Result{}, notify.Permanent(fmt.Errorf("slack: %s: %w", method, err))
	}
	headers := http.Header{
		"Authorization": {"Bearer " + token.Reveal()},
		"Content-Type":  {"application/json; charset=utf-8"},
	}
	text, err := notify.Request{Method: http.MethodPost, URL: a.api + method, Headers: headers, Body: body, Most: replyMax}.Send(ctx, a.client)
	if err != nil {
		return gjson.Result{}, fmt.Errorf("slack: %s: %w", method, err)
	}
	reply := gjson.ParseBytes(text)
	switch reply.Get("ok").Type {
	case gjson.True:
		return reply, nil
	case gjson.False:
		return gjson.Result{}, refused(method, reply)
	}
	return gjson.Result{}, fmt.Errorf("slack: %s: the reply is not Slack's; is there a proxy in between, or is api_url wrong?", method)
}

// A refusal is Slack's "ok": false.
type refusal struct {
	method string
	code   string // "channel_not_found"
	advice string
}

func (r *refusal) Error() string {
	text := "slack: " + r.method + ": " + r.code
	if r.advice != "" {
		text += ": " + r.advice
	}
	return text
}

var word = lazyregexp.New(`^[a-z0-9_]{1,60}$`)

func refused(method string, reply gjson.Result) error {
	r := &refusal{method: method, code: reply.Get("error").String()}
	if !word.MatchString(r.code) {
		r.code = "refused without a reason"
	}
	var lasting bool
	if r.advice, lasting = refusals[r.code]; !lasting {
		return r
	}
	if scope := notify.Truncate(notify.Defang(notify.Clean(reply.Get("needed").String())), 100, notify.Runes); r.code == "missing_scope" && scope != "" {
		r.advice = "the app lacks the scope " + scope + "; add it and install the app again"
	}
	return notify.Permanent(r)
}

// gone reports whether err says that a message cannot be edited any more.
func gone(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return false
	}
	switch r.code {
	case "message_not_found", "cant_update_message", "edit_window_closed":
		return true
	}
	return false
}

const (
	wrongToken  = "token is wrong or was revoked; copy the app's Bot User OAuth Token again"
	noChannel   = "there is no such channel, or it is private and the app is not in it; check channel, and /invite the app"
	noPerson    = "the person is not in this workspace any more, or is no person"
	noDirect    = "the app may not write to people; switch on its Messages tab (App Home)"
	deactivated = "the app was removed from the workspace; install it again and set token"
)

// refusals are what no retry mends, and what to do about it; every other code is
// tried again: ratelimited, internal_error, service_unavailable, fatal_error,
// request_timeout, and those that nobody knows yet
// (https://docs.slack.dev/reference/methods/chat.postMessage#errors).
var refusals = map[string]string{
	"channel_not_found":                        noChannel,
	"not_in_channel":                           "the app is not in the channel; /invite it there",
	"is_archived":                              "the channel is archived; set another channel",
	"invalid_auth":                             wrongToken,
	"not_authed":                               wrongToken,
	"token_revoked":                            wrongToken,
	"token_expired":                            "token has expired; switch off token rotation and install the app again",
	"account_inactive":                         deactivated,
	"app_uninstalled":                          deactivated,
	"missing_scope":                            "the app lacks a scope; compare it with the manual's manifest and install it again",
	"no_permission":                            "the app lacks a permission; compare it with the manual's manifest and install it again",
	"not_allowed_token_type":                   "token is of the wrong kind; want the bot's, which begins with xoxb-",
	"access_denied":                            forbidden,
	"accesslimited":                            "the workspace's plan forbids it",
	"restricted_action":                        forbidden,
	"restricted_action_read_only_channel":      "only some may post in the channel",
	"restricted_action_thread_only_channel":    "the channel takes only threads",
	"restricted_action_non_threadable_channel": "the channel takes no threads",
	"ekm_access_denied":                        "an administrator suspended posting (key management)",
	"org_login_required":                       "the workspace is being moved into an Enterprise organisation",
	"team_access_not_granted":                  "the app is not installed in this workspace",
	"message_limit_exceeded":                   "the workspace has used up its messages",
	"two_factor_setup_required":                "the workspace wants two-factor authentication",
	"user_not_found":                           noPerson,
	"users_not_found":                          noPerson,
	"user_disabled":                            noPerson,
	"user_not_visible":                         noPerson,
	"cannot_dm_bot":                            noPerson,
	"messages_tab_disabled":                    noDirect,
	"invalid_blocks":                           unreadable,
	"invalid_blocks_format":                    unreadable,
	"invalid_attachments":                      unreadable,
	"invalid_arguments":                        unreadable,
	"invalid_json":                             unreadable,
	"json_not_object":                          unreadable,
	"no_text":                                  unreadable,
	"invalid_metadata_format":                  unreadable,
	"invalid_metadata_schema":                  unreadable,
	"metadata_too_large":                       untakeable,
	"msg_blocks_too_long":                      untakeable,
	"msg_too_long":                             untakeable,
	"too_many_attachments":                     untakeable,
	"method_deprecated":                        untakeable,
	"deprecated_endpoint":                      untakeable,
}
