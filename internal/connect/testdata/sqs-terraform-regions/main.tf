terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.83, < 7.0"
    }
  }
}


locals {
  tags = {
  }
}

locals {
  regions = toset(["eu-west-1", "us-east-1"])
}

# The two roles by which the StackSet acts within this account.
resource "aws_cloudformation_stack" "roles" {
  name          = "tocsin-findings-roles"
  template_body = file("${path.module}/tocsin-findings-roles.yaml")
  capabilities  = ["CAPABILITY_NAMED_IAM"]
  tags          = local.tags
}

resource "aws_cloudformation_stack_set" "tocsin" {
  name             = "tocsin-findings"
  description      = "GuardDuty findings to tocsin"
  permission_model = "SELF_MANAGED"

  administration_role_arn = aws_cloudformation_stack.roles.outputs["AdministrationRoleArn"]
  execution_role_name     = "tocsin-findings-execution"

  template_body = file("${path.module}/tocsin-findings.yaml")
  parameters    = { Home = "eu-west-1" }
  capabilities  = ["CAPABILITY_IAM"]
  tags          = local.tags

  operation_preferences {
    region_concurrency_type      = "PARALLEL"
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }
}

resource "aws_cloudformation_stack_set_instance" "tocsin" {
  for_each = local.regions

  stack_set_name = aws_cloudformation_stack_set.tocsin.name
  region         = each.value
}
