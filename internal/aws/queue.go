package aws

import "github.com/tocsin-sec/tocsin/internal/lazyregexp"

var queueURL = lazyregexp.New(`^https://(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.[a-z0-9.-]+/([0-9]{12})/([\w.-]+)$`)

// QueueOf is the queue of SQS that is written as its ARN or as its URL; ok is false
// for anything else.
// https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
func QueueOf(text string) (queue ARN, ok bool) {
	if m := queueURL.FindStringSubmatch(text); m != nil {
		region := m[1] + m[2]
		return ARN{PartitionOf(region), "sqs", region, m[3], m[4]}, true
	}
	queue, err := ParseARN(text, "sqs")
	return queue, err == nil
}
