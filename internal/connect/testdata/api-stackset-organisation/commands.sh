(
set -eu
REGIONS="$(aws ec2 describe-regions --query 'Regions[].RegionName' --output text)"
aws cloudformation create-stack-set --stack-set-name tocsin-api --template-body file://tocsin-api.yaml \
  --parameters '[{"ParameterKey":"Key","ParameterValue":"Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0"}]' \
  --capabilities CAPABILITY_IAM \
  --permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false
aws cloudformation create-stack-instances --stack-set-name tocsin-api --regions $REGIONS \
  --deployment-targets OrganizationalUnitIds=ou-ab12-11111111,r-ab12 \
  --operation-preferences RegionConcurrencyType=PARALLEL,FailureTolerancePercentage=100,MaxConcurrentPercentage=100
)
