terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.83, < 7.0"
    }
  }
}

variable "endpoint" {
  description = "URL of the source, with its token."
  type        = string
  sensitive   = true
}

locals {
  tags = {
  }
}

data "aws_regions" "enabled" {
  all_regions = false
}

locals {
  regions = data.aws_regions.enabled.names
}

# The two roles by which the StackSet acts within this account.
resource "aws_cloudformation_stack" "roles" {
  name          = "tocsin-org-topic-roles"
  template_body = file("${path.module}/tocsin-org-topic-roles.yaml")
  capabilities  = ["CAPABILITY_NAMED_IAM"]
  tags          = local.tags
}

resource "aws_cloudformation_stack_set" "tocsin" {
  name             = "tocsin-org-topic"
  description      = "GuardDuty findings to tocsin"
  permission_model = "SELF_MANAGED"

  administration_role_arn = aws_cloudformation_stack.roles.outputs["AdministrationRoleArn"]
  execution_role_name     = "tocsin-org-topic-execution"

  template_body = file("${path.module}/tocsin-org-topic.yaml")
  parameters    = { Endpoint = var.endpoint }
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
