(
set -eu
REGIONS="$(aws ec2 describe-regions --query 'Regions[].RegionName' --output text)"
aws cloudformation deploy --stack-name tocsin-findings-roles --template-file tocsin-findings-roles.yaml --capabilities CAPABILITY_NAMED_IAM --tags 'owner=soc'
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
PARTITION=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
aws cloudformation create-stack-set --stack-set-name tocsin-findings --template-body file://tocsin-findings.yaml \
  --parameters '[{"ParameterKey":"Home","ParameterValue":"eu-west-1"}]' \
  --capabilities CAPABILITY_IAM \
  --tags '[{"Key":"owner","Value":"soc"}]' \
  --permission-model SELF_MANAGED --administration-role-arn "arn:$PARTITION:iam::$ACCOUNT:role/tocsin-findings-stackset" --execution-role-name tocsin-findings-execution
aws cloudformation create-stack-instances --stack-set-name tocsin-findings --regions $REGIONS \
  --accounts "$ACCOUNT" \
  --operation-preferences RegionConcurrencyType=PARALLEL,FailureTolerancePercentage=100,MaxConcurrentPercentage=100
)
