
export AWS_REGION=eu-west-1
terraform init
terraform apply
