aws cloudformation deploy --stack-name tocsin-findings --template-file tocsin-findings.yaml \
  --region eu-west-1 \
  --tags 'owner=soc'
