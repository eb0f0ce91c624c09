(
set -eu
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
[ "$ACCOUNT" = '111122223333' ] || { echo "this is account $ACCOUNT, and the source reads a queue of 111122223333" >&2; exit 1; }
PARTITION=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
HOME_REGION=eu-west-1
REGIONS="eu-west-1 us-east-1 eu-central-1"
# The queue's own region comes first: the others forward to it.
for REGION in $HOME_REGION $REGIONS; do
  [ "$REGION" != "$HOME_REGION" ] || [ -z "${AT_HOME:-}" ] || continue
  RULE="arn:$PARTITION:events:$REGION:$ACCOUNT:rule/tocsin-findings"
  UNDELIVERED="arn:$PARTITION:sqs:$REGION:$ACCOUNT:tocsin-findings-undelivered"

  # What cannot be delivered is kept here.
  QUEUE_URL=$(aws sqs create-queue --region "$REGION" --queue-name tocsin-findings-undelivered \
    --attributes '{"MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true"}' \
    --tags '{"owner":"soc"}' --query QueueUrl --output text)
  POLICY=$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "$UNDELIVERED", "Condition": {"ArnEquals": {"aws:SourceArn": "$RULE"}}}]}
EOF_POLICY
  )
  aws sqs set-queue-attributes --region "$REGION" --cli-input-json "$(printf '{"QueueUrl": "%s", "Attributes": {"Policy": "%s"}}' "$QUEUE_URL" "$(printf %s "$POLICY" | tr -d '\n' | sed 's/"/\\"/g')")"

  # The rule for all that GuardDuty says, and for tocsin's canaries.
  aws events put-rule --region "$REGION" --name tocsin-findings --description 'GuardDuty findings to tocsin' \
    --event-pattern '{"source": ["aws.guardduty", "tocsin.canary"]}' \
    --tags '[{"Key":"owner","Value":"soc"}]' >/dev/null

  if [ "$REGION" = "$HOME_REGION" ]; then
    AT_HOME=yes
    # The queue that tocsin reads. It keeps what tocsin has not read for 14 days.
    QUEUE="arn:$PARTITION:sqs:$REGION:$ACCOUNT:guardduty"
    QUEUE_URL=$(aws sqs create-queue --region "$REGION" --queue-name 'guardduty' \
      --attributes '{"MessageRetentionPeriod": "1209600", "VisibilityTimeout": "60", "SqsManagedSseEnabled": "true"}' \
      --tags '{"owner":"soc"}' --query QueueUrl --output text)
    POLICY=$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "$QUEUE", "Condition": {"ArnEquals": {"aws:SourceArn": "$RULE"}}}]}
EOF_POLICY
    )
    aws sqs set-queue-attributes --region "$REGION" --cli-input-json "$(printf '{"QueueUrl": "%s", "Attributes": {"Policy": "%s"}}' "$QUEUE_URL" "$(printf %s "$POLICY" | tr -d '\n' | sed 's/"/\\"/g')")"
    aws events put-targets --region "$REGION" --rule tocsin-findings \
      --targets "$(printf '[{"Id": "tocsin", "Arn": "%s", "DeadLetterConfig": {"Arn": "%s"}}]' "$QUEUE" "$UNDELIVERED")"
    continue
  fi

  # Elsewhere the rule forwards to the event bus of the queue's region, by a role that
  # may do nothing else.
  BUS="arn:$PARTITION:events:$HOME_REGION:$ACCOUNT:event-bus/default"
  ROLE="tocsin-findings-$REGION"
  aws iam get-role --role-name "$ROLE" >/dev/null 2>&1 || aws iam create-role --role-name "$ROLE" --assume-role-policy-document "$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"aws:SourceAccount": "$ACCOUNT"}, "ArnEquals": {"aws:SourceArn": "$RULE"}}}]}
EOF_POLICY
  )" --tags '[{"Key":"owner","Value":"soc"}]' >/dev/null
  aws iam put-role-policy --role-name "$ROLE" --policy-name forward --policy-document "$(cat <<EOF_POLICY
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "events:PutEvents", "Resource": "$BUS"}]}
EOF_POLICY
  )"
  sleep 10 # until IAM knows the role everywhere
  aws events put-targets --region "$REGION" --rule tocsin-findings \
    --targets "$(printf '[{"Id": "tocsin", "Arn": "%s", "RoleArn": "%s", "DeadLetterConfig": {"Arn": "%s"}}]' "$BUS" "arn:$PARTITION:iam::$ACCOUNT:role/$ROLE" "$UNDELIVERED")"
done
)
