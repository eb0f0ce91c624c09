// Package chime is there to say that Amazon Chime is not: AWS ended it on
// 2026-02-20 (https://aws.amazon.com/blogs/messaging-and-targeting/update-on-support-for-amazon-chime/).
// Settings of old are refused with what to use in its place.
package chime

import (
	"errors"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the word chime in a configuration, which opens nothing.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("chime", "Is refused: Amazon Chime ended on 2026-02-20. Use slack, teams or google-chat.", open)
	k.Title = "Amazon Chime (ended on 2026-02-20)"
	k.Ended = "2026-02-20; use slack, teams or google-chat"
	return k
}

// Config are the settings that a room's webhook had, so that what is said of them is
// that the service is gone, and not that they are misspelt.
type Config struct {
	URL        secret.String `json:"url,omitzero" doc:"The room's incoming webhook, which leads nowhere any more."`
	WebhookURL secret.String `json:"webhook_url,omitzero" doc:"The same."`
}

// errEnded says what to do.
var errEnded = errors.New("Amazon Chime ended on 2026-02-20, and its webhooks lead nowhere: use slack, teams or google-chat; " + //nolint:staticcheck // a name begins it
	"for something that still takes what Chime took, webhook with template: chime")

func open(Config, notify.Env) (notify.Notifier, error) { return nil, errEnded }
