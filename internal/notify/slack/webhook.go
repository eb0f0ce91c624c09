package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// webhook posts by an incoming webhook
// (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
type webhook struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
	render renderer
}

// Notify posts the message. Slack gives incoming webhooks no id back, so there
// is no reference.
func (w *webhook) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.To != "" || m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("slack: an incoming webhook cannot tell single people; set token instead"))
	}
	body, err := json.Marshal(w.render.message(m, w.now()))
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("slack: %w", err))
	}
	reply, err := notify.Post(ctx, w.client, w.url.Reveal(), nil, body)
	said := strings.TrimSpace(string(reply))
	if advice, known := webhookRefusals[said]; known {
		return "", notify.Permanent(fmt.Errorf("slack: %s: %s", said, advice))
	}
	if err != nil {
		return "", fmt.Errorf("slack: %w", err)
	}
	return "", accepted(said)
}

// Follows says that it cannot edit, so that it is told only of what calls.
func (*webhook) Follows() bool { return false }

const (
	unreadable = "Slack cannot read the message; please report it as a bug"
	untakeable = "Slack cannot take the message; please report it as a bug"
	forbidden  = "an administrator of the workspace forbids it"
)

// webhookRefusals are the answers that no retry mends, and what to do about them
// (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors).
var webhookRefusals = map[string]string{
	"invalid_payload":                   unreadable,
	"invalid_blocks":                    unreadable,
	"invalid_attachments":               unreadable,
	"no_text":                           unreadable,
	"msg_blocks_too_long":               untakeable,
	"too_many_attachments":              untakeable,
	"no_service":                        "the webhook is gone; make a new one and set webhook_url",
	"no_service_id":                     "webhook_url is not complete",
	"no_team":                           "the workspace is gone, or webhook_url is wrong",
	"no_active_hooks":                   "the webhook is disabled; make a new one and set webhook_url",
	"invalid_token":                     "webhook_url is wrong or was revoked",
	"team_disabled":                     "the workspace is disabled",
	"user_not_found":                    "the webhook's owner is gone; make a new one and set webhook_url",
	"channel_not_found":                 "the channel is gone; make a webhook for another",
	"channel_is_archived":               "the channel is archived; make a webhook for another",
	"is_archived":                       "the channel is archived; make a webhook for another",
	"invalid_channel":                   "the channel is gone; make a webhook for another",
	"action_prohibited":                 forbidden,
	"restricted_action":                 forbidden,
	"posting_to_general_channel_denied": "an administrator restricts who posts to #general",
	"posting_to_channel_denied":         "an administrator restricts who posts to the channel",
	"org_login_required":                "the workspace is being moved into an Enterprise organisation",
	"message_limit_exceeded":            "the workspace has used up its messages",
	"posting_to_unauthorized_channel":   "the app may not post to the channel",
	"access_denied":                     "the app may not post to the channel",
	"ekm_access_denied":                 "an administrator suspended posting (key management)",
	"app_missing_action_url":            "the app's settings are not complete",
	"accesslimited":                     "the workspace's plan forbids it",
}

// accepted judges what a reply with a good status says: "ok" from Slack, JSON
// from those that imitate it. Anything else did not come from Slack.
func accepted(said string) error {
	if said == "ok" {
		return nil
	}
	var reply struct {
		OK, Success bool
		Error       string
	}
	if json.Unmarshal([]byte(said), &reply) == nil {
		if reply.OK || reply.Success {
			return nil
		}
		if advice, known := webhookRefusals[reply.Error]; known {
			return notify.Permanent(fmt.Errorf("slack: %s: %s", reply.Error, advice))
		}
	}
	return errors.New("slack: the reply is not Slack's \"ok\"; is there a proxy in between, or is webhook_url not a webhook?")
}
