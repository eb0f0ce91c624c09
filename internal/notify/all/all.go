// Package all is the list of notifiers.
package all

import (
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/ecs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/eventbridge"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/firehose"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/kinesis"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/lambda"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/logs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/sns"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/sqs"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/ssm"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/stepfunctions"
	"github.com/tocsin-sec/tocsin/internal/notify/chime"
	"github.com/tocsin-sec/tocsin/internal/notify/console"
	"github.com/tocsin-sec/tocsin/internal/notify/discord"
	"github.com/tocsin-sec/tocsin/internal/notify/email"
	"github.com/tocsin-sec/tocsin/internal/notify/github"
	"github.com/tocsin-sec/tocsin/internal/notify/gitlab"
	"github.com/tocsin-sec/tocsin/internal/notify/googlechat"
	"github.com/tocsin-sec/tocsin/internal/notify/gotify"
	"github.com/tocsin-sec/tocsin/internal/notify/jira"
	"github.com/tocsin-sec/tocsin/internal/notify/matrix"
	"github.com/tocsin-sec/tocsin/internal/notify/mattermost"
	"github.com/tocsin-sec/tocsin/internal/notify/ntfy"
	"github.com/tocsin-sec/tocsin/internal/notify/opsgenie"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty"
	"github.com/tocsin-sec/tocsin/internal/notify/pushover"
	"github.com/tocsin-sec/tocsin/internal/notify/rocketchat"
	"github.com/tocsin-sec/tocsin/internal/notify/servicenow"
	"github.com/tocsin-sec/tocsin/internal/notify/slack"
	"github.com/tocsin-sec/tocsin/internal/notify/sms"
	"github.com/tocsin-sec/tocsin/internal/notify/teams"
	"github.com/tocsin-sec/tocsin/internal/notify/telegram"
	"github.com/tocsin-sec/tocsin/internal/notify/voice"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
	"github.com/tocsin-sec/tocsin/internal/notify/webpush"
	"github.com/tocsin-sec/tocsin/internal/notify/zulip"
)

// Kinds are all kinds of notifiers: those of AWS, then the others by name.
func Kinds() []notify.Kind {
	return []notify.Kind{
		ecs.Kind,
		eventbridge.Kind,
		firehose.Kind,
		kinesis.Kind,
		lambda.Kind,
		logs.Kind,
		sns.Kind,
		sqs.Kind,
		ssm.Kind,
		stepfunctions.Kind,
		chime.Kind,
		console.Kind,
		discord.Kind,
		email.Kind,
		github.Kind,
		gitlab.Kind,
		googlechat.Kind,
		gotify.Kind,
		jira.Kind,
		matrix.Kind,
		mattermost.Kind,
		ntfy.Kind,
		opsgenie.Kind,
		pagerduty.Kind,
		pushover.Kind,
		rocketchat.Kind,
		servicenow.Kind,
		slack.Kind,
		sms.Kind,
		teams.Kind,
		telegram.Kind,
		voice.Kind,
		webhook.Kind,
		webpush.Kind,
		zulip.Kind,
	}
}
