// Package all lists the ways in.
package all

import (
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/alertmanager"
	"github.com/tocsin-sec/tocsin/internal/collect/canary"
	"github.com/tocsin-sec/tocsin/internal/collect/eventbridge"
	"github.com/tocsin-sec/tocsin/internal/collect/file"
	"github.com/tocsin-sec/tocsin/internal/collect/firehose"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi"
	"github.com/tocsin-sec/tocsin/internal/collect/heartbeat"
	"github.com/tocsin-sec/tocsin/internal/collect/https"
	"github.com/tocsin-sec/tocsin/internal/collect/kinesis"
	"github.com/tocsin-sec/tocsin/internal/collect/lambda"
	"github.com/tocsin-sec/tocsin/internal/collect/logs"
	"github.com/tocsin-sec/tocsin/internal/collect/pagerduty"
	"github.com/tocsin-sec/tocsin/internal/collect/s3"
	"github.com/tocsin-sec/tocsin/internal/collect/shadow"
	"github.com/tocsin-sec/tocsin/internal/collect/sns"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs"
)

// Kinds are all ways in, in the order in which the reference describes them: by which
// AWS sends, what is asked of AWS, what others send, and what tocsin does by itself.
func Kinds() []collect.Kind {
	return []collect.Kind{
		sqs.Kind, sns.Kind, https.Kind, kinesis.Kind, firehose.Kind, s3.Kind, logs.Kind, lambda.Kind, eventbridge.Kind,
		guarddutyapi.Kind, canary.Kind,
		alertmanager.Kind, pagerduty.Kind, heartbeat.Kind, file.Kind, shadow.Kind,
	}
}
