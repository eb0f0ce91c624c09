package aws_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin/internal/aws"
)

func TestAQueueIsKnownByItsURLAndItsARN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/111122223333/guardduty":         "arn:aws:sqs:eu-west-1:111122223333:guardduty",
		"https://eu-west-1.queue.amazonaws.com/111122223333/guardduty":       "arn:aws:sqs:eu-west-1:111122223333:guardduty",
		"https://sqs.cn-north-1.amazonaws.com.cn/111122223333/findings.fifo": "arn:aws-cn:sqs:cn-north-1:111122223333:findings.fifo",
		"arn:aws:sqs:eu-west-1:111122223333:guardduty":                       "arn:aws:sqs:eu-west-1:111122223333:guardduty",
		"arn:aws:sns:eu-west-1:111122223333:guardduty":                       "",
		"http://127.0.0.1:4566/111122223333/guardduty":                       "",
		"guardduty": "",
	} {
		queue, ok := aws.QueueOf(text)
		if ok != (want != "") || ok && queue.String() != want {
			t.Errorf("%s: %v, %v; want %q", text, queue, ok, want)
		}
	}
}
