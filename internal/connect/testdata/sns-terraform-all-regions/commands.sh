export TF_VAR_endpoint='https://tocsin.example.com/in/org-topic/Zm9yIHRlc3RzIGFsb25lLCBhbmQgbm90IGEgc2VjcmV0'
terraform init
terraform apply
