(
set -eu
REGIONS="$(aws ec2 describe-regions --query 'Regions[].RegionName' --output text)"
aws cloudformation deploy --stack-name findings-roles --template-file findings-roles.yaml --capabilities CAPABILITY_NAMED_IAM --tags 'owner=soc'
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
PARTITION=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
aws cloudformation create-stack-set --stack-set-name findings --template-body file://findings.yaml \
  --parameters '[{"ParameterKey":"Endpoint","ParameterValue":"https://tocsin.example.com/in/org-topic/Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0"}]' \
  --tags '[{"Key":"owner","Value":"soc"}]' \
  --permission-model SELF_MANAGED --administration-role-arn "arn:$PARTITION:iam::$ACCOUNT:role/findings-stackset" --execution-role-name findings-execution
aws cloudformation create-stack-instances --stack-set-name findings --regions $REGIONS \
  --accounts "$ACCOUNT" \
  --operation-preferences RegionConcurrencyType=PARALLEL,FailureTolerancePercentage=100,MaxConcurrentPercentage=100
)
