aws cloudformation deploy --stack-name tocsin-api --template-file tocsin-api.yaml \
  --parameter-overrides 'Key=Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0' \
  --capabilities CAPABILITY_IAM
