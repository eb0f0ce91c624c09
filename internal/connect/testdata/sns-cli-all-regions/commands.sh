(
set -eu
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
[ "$ACCOUNT" = '111122223333' ] || { echo "this is account $ACCOUNT, and the source allows topics of 111122223333" >&2; exit 1; }
PARTITION=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
REGIONS="$(aws ec2 describe-regions --query 'Regions[].RegionName' --output text)"
[ -n "$REGIONS" ] || { echo "no region is configured: set AWS_REGION" >&2; exit 1; }
for REGION in $REGIONS; do
  RULE="arn:$PARTITION:events:$REGION:$ACCOUNT:rule/tocsin-org-topic"
  TOPIC="arn:$PARTITION:sns:$REGION:$ACCOUNT:guardduty"
  QUEUE="arn:$PARTITION:sqs:$REGION:$ACCOUNT:tocsin-org-topic-undelivered"

  # What cannot be delivered is kept here.
  QUEUE_URL=$(aws sqs create-queue --region "$REGION" --queue-name tocsin-org-topic-undelivered \
    --attributes '{"MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true"}' \
    --tags '{"cost":"4711","owner":"security operations"}' --query QueueUrl --output text)
  POLICY=$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "$QUEUE", "Condition": {"ArnEquals": {"aws:SourceArn": "$TOPIC"}}},
  {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "$QUEUE", "Condition": {"ArnEquals": {"aws:SourceArn": "$RULE"}}}]}
EOF_POLICY
  )
  aws sqs set-queue-attributes --region "$REGION" --cli-input-json "$(printf '{"QueueUrl": "%s", "Attributes": {"Policy": "%s"}}' "$QUEUE_URL" "$(printf %s "$POLICY" | tr -d '\n' | sed 's/"/\\"/g')")"

  # The topic, which takes from EventBridge alone. EventBridge says of itself nothing
  # that a condition could ask for: one here would drop every finding without a word.
  aws sns create-topic --region "$REGION" --name 'guardduty' \
    --tags '[{"Key":"cost","Value":"4711"},{"Key":"owner","Value":"security operations"}]' >/dev/null
  aws sns set-topic-attributes --region "$REGION" --topic-arn "$TOPIC" --attribute-name SignatureVersion --attribute-value 2
  aws sns set-topic-attributes --region "$REGION" --topic-arn "$TOPIC" --attribute-name Policy --attribute-value "$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": "$TOPIC"}]}
EOF_POLICY
  )"

  # The rule for all that GuardDuty says and for tocsin's canaries, and the topic as its target.
  aws events put-rule --region "$REGION" --name tocsin-org-topic --description 'GuardDuty findings to tocsin' \
    --event-pattern '{"source": ["aws.guardduty", "tocsin.canary"]}' \
    --tags '[{"Key":"cost","Value":"4711"},{"Key":"owner","Value":"security operations"}]' >/dev/null
  aws events put-targets --region "$REGION" --rule tocsin-org-topic \
    --targets "$(printf '[{"Id": "tocsin", "Arn": "%s", "DeadLetterConfig": {"Arn": "%s"}}]' "$TOPIC" "$QUEUE")"

  # The subscription, which tocsin confirms. It is tried for three quarters of an hour.
  aws sns subscribe --region "$REGION" --cli-input-json "$(cat <<EOF_INPUT
{"TopicArn": "$TOPIC", "Protocol": "https", "Endpoint": "https://tocsin.example.com/in/org-topic/Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0", "ReturnSubscriptionArn": true, "Attributes": {
  "RedrivePolicy": "{\"deadLetterTargetArn\": \"$QUEUE\"}",
  "DeliveryPolicy": "{\"healthyRetryPolicy\": {\"numRetries\": 50, \"numNoDelayRetries\": 0, \"minDelayTarget\": 5, \"maxDelayTarget\": 60, \"numMinDelayRetries\": 2, \"numMaxDelayRetries\": 40, \"backoffFunction\": \"exponential\"}}"}}
EOF_INPUT
  )"
done
)
