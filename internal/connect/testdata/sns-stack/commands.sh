aws cloudformation deploy --stack-name tocsin-org-topic --template-file tocsin-org-topic.yaml \
  --region eu-west-1 \
  --parameter-overrides 'Endpoint=https://tocsin.example.com/in/org-topic/Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0' \
  --role-arn arn:aws:iam::111122223333:role/deploy \
  --tags 'owner=soc'
