package doctor

import (
	"encoding/json"
	"strconv"
	"time"

	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Actions are all that is called, as a policy has to allow it.
func Actions() []string {
	return []string{
		"events:DescribeApiDestination", "events:DescribeConnection", "events:ListEventBuses", "events:ListRules", "events:ListTargetsByRule",
		"guardduty:GetAdministratorAccount", "guardduty:GetDetector", "guardduty:ListDetectors", "guardduty:ListPublishingDestinations",
		"kinesis:DescribeStreamSummary", "kms:DescribeKey", "kms:GetKeyPolicy", "lambda:GetFunctionConfiguration", "lambda:GetPolicy",
		"sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
		"sts:GetCallerIdentity",
	}
}

// Policy allows what is called, and nothing that changes anything.
func Policy() string {
	text, _ := json.MarshalIndent(map[string]any{ // texts always marshal
		"Version":   "2012-10-17",
		"Statement": []any{map[string]any{"Sid": "TocsinDoctorReads", "Effect": "Allow", "Action": Actions(), "Resource": "*"}},
	}, "", "  ")
	return string(text)
}

var everything = []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // what is not there is 0
	return n
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// deadLetter is the queue that a redrive policy names.
func deadLetter(policy string) string {
	var p struct {
		Target string `json:"deadLetterTargetArn"`
	}
	_ = json.Unmarshal([]byte(policy), &p) // none names none
	return p.Target
}

// retries are how often a delivery policy has SNS try; 0 where it does not say.
func retries(policy string) int {
	var p struct {
		Healthy struct {
			Retries int `json:"numRetries"`
		} `json:"healthyRetryPolicy"`
		HTTP struct {
			Default struct {
				Retries int `json:"numRetries"`
			} `json:"defaultHealthyRetryPolicy"`
		} `json:"http"`
	}
	_ = json.Unmarshal([]byte(policy), &p) // none says nothing
	if p.Healthy.Retries > 0 {
		return p.Healthy.Retries
	}
	return p.HTTP.Default.Retries
}
