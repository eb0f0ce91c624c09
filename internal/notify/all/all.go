// Package all is the list of notifiers.
package all

import (
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/console"
	"github.com/tocsin-sec/tocsin/internal/notify/email"
	"github.com/tocsin-sec/tocsin/internal/notify/jira"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty"
	"github.com/tocsin-sec/tocsin/internal/notify/slack"
	"github.com/tocsin-sec/tocsin/internal/notify/sms"
	"github.com/tocsin-sec/tocsin/internal/notify/teams"
	"github.com/tocsin-sec/tocsin/internal/notify/voice"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
)

// Kinds are all kinds of notifiers, by name.
func Kinds() []notify.Kind {
	return []notify.Kind{console.Kind, email.Kind, jira.Kind, pagerduty.Kind, slack.Kind, sms.Kind, teams.Kind, voice.Kind, webhook.Kind}
}
