(
set -eu
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
PARTITION=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
REGIONS="eu-west-1 us-east-1"
[ -n "$REGIONS" ] || { echo "no region is configured: set AWS_REGION" >&2; exit 1; }
for REGION in $REGIONS; do
  RULE="arn:$PARTITION:events:$REGION:$ACCOUNT:rule/tocsin-api"
  QUEUE="arn:$PARTITION:sqs:$REGION:$ACCOUNT:tocsin-api-undelivered"
  ROLE="tocsin-api-$REGION"

  # What cannot be delivered is kept here.
  QUEUE_URL=$(aws sqs create-queue --region "$REGION" --queue-name tocsin-api-undelivered \
    --attributes '{"MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true"}' \
    --tags '{"owner":"soc"}' --query QueueUrl --output text)
  POLICY=$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "$QUEUE", "Condition": {"ArnEquals": {"aws:SourceArn": "$RULE"}}}]}
EOF_POLICY
  )
  aws sqs set-queue-attributes --region "$REGION" --cli-input-json "$(printf '{"QueueUrl": "%s", "Attributes": {"Policy": "%s"}}' "$QUEUE_URL" "$(printf %s "$POLICY" | tr -d '\n' | sed 's/"/\\"/g')")"

  # The connection has the key, and the API destination the address.
  WHAT=create
  if aws events describe-connection --region "$REGION" --name tocsin-api >/dev/null 2>&1; then WHAT=update; fi
  CONNECTION=$(aws events $WHAT-connection --region "$REGION" --cli-input-json '{"Name": "tocsin-api", "AuthorizationType": "API_KEY", "AuthParameters": {"ApiKeyAuthParameters": {"ApiKeyName": "X-Api-Key", "ApiKeyValue": "Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0"}}}' --query ConnectionArn --output text)
  WHAT=create
  if aws events describe-api-destination --region "$REGION" --name tocsin-api >/dev/null 2>&1; then WHAT=update; fi
  DESTINATION=$(aws events $WHAT-api-destination --region "$REGION" --cli-input-json "$(cat <<EOF_INPUT
{"Name": "tocsin-api", "ConnectionArn": "$CONNECTION", "InvocationEndpoint": "https://tocsin.example.com/in/api", "HttpMethod": "POST", "InvocationRateLimitPerSecond": 300}
EOF_INPUT
  )" --query ApiDestinationArn --output text)

  # The role by which EventBridge may call it, and nothing else.
  aws iam get-role --role-name "$ROLE" >/dev/null 2>&1 || aws iam create-role --role-name "$ROLE" --assume-role-policy-document "$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"aws:SourceAccount": "$ACCOUNT"}, "ArnEquals": {"aws:SourceArn": "$RULE"}}}]}
EOF_POLICY
  )" --tags '[{"Key":"owner","Value":"soc"}]' >/dev/null
  aws iam put-role-policy --role-name "$ROLE" --policy-name call-tocsin --policy-document "$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "events:InvokeApiDestination", "Resource": "$DESTINATION"}]}
EOF_POLICY
  )"
  sleep 10 # until IAM knows the role everywhere

  # The rule for all that GuardDuty says and for tocsin's canaries, and the API destination as its target.
  aws events put-rule --region "$REGION" --name tocsin-api --description 'GuardDuty findings to tocsin' \
    --event-pattern '{"source": ["aws.guardduty", "tocsin.canary"]}' \
    --tags '[{"Key":"owner","Value":"soc"}]' >/dev/null
  aws events put-targets --region "$REGION" --rule tocsin-api \
    --targets "$(printf '[{"Id": "tocsin", "Arn": "%s", "RoleArn": "%s", "DeadLetterConfig": {"Arn": "%s"}, "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}}]' "$DESTINATION" "arn:$PARTITION:iam::$ACCOUNT:role/$ROLE" "$QUEUE")"
done
)
