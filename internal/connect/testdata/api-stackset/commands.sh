(
set -eu
REGIONS="eu-west-1 us-east-1"
aws cloudformation deploy --stack-name tocsin-api-roles --template-file tocsin-api-roles.yaml --capabilities CAPABILITY_NAMED_IAM
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
PARTITION=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
aws cloudformation create-stack-set --stack-set-name tocsin-api --template-body file://tocsin-api.yaml \
  --parameters '[{"ParameterKey":"Key","ParameterValue":"Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0"}]' \
  --capabilities CAPABILITY_IAM \
  --permission-model SELF_MANAGED --administration-role-arn "arn:$PARTITION:iam::$ACCOUNT:role/tocsin-api-stackset" --execution-role-name tocsin-api-execution
aws cloudformation create-stack-instances --stack-set-name tocsin-api --regions $REGIONS \
  --accounts "$ACCOUNT" \
  --operation-preferences RegionConcurrencyType=PARALLEL,FailureTolerancePercentage=100,MaxConcurrentPercentage=100
)
