terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.83, < 7.0"
    }
  }
}

variable "key" {
  description = "Token of the source."
  type        = string
  sensitive   = true
}

locals {
  tags = {
  }
}

locals {
  regions = toset(["eu-west-1", "us-east-1"])
}

resource "aws_cloudformation_stack_set" "tocsin" {
  name             = "tocsin-api"
  description      = "GuardDuty findings to tocsin"
  permission_model = "SERVICE_MANAGED"

  template_body = file("${path.module}/tocsin-api.yaml")
  parameters    = { Key = var.key }
  capabilities  = ["CAPABILITY_IAM"]
  tags          = local.tags

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  lifecycle {
    ignore_changes = [administration_role_arn]
  }

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

  deployment_targets {
    organizational_unit_ids = ["ou-ab12-11111111"]
  }
}
