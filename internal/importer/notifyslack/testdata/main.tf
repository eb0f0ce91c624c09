terraform {
  required_version = ">= 1.0"
}

provider "aws" {
  region = "eu-west-1"
}

provider "aws" {
  alias  = "us"
  region = local.region
}

locals {
  names = [for n in var.names : upper("${n}-x")]
}

# Findings of GuardDuty
module "notify_slack" {
  source  = "terraform-aws-modules/notify-slack/aws"
  version = "~> 6.0"

  sns_topic_name   = "guardduty-alerts"
  create_sns_topic = true

  slack_webhook_url = "https://hooks.slack.com/services/T00000000/B00000000/hunter2" // secret
  slack_channel     = "aws-notification"
  slack_username    = "reporter"
  slack_emoji       = ":aws:"

  lambda_function_name                   = "notify_slack_${var.env}"
  cloudwatch_log_group_retention_in_days = 14
  subscription_filter_policy             = jsonencode({ detail = { severity = [{ numeric = [">=", 7] }] } })

  tags = {
    Team = "security", "cost:center" : 42
  }
}

module "encrypted" {
  source = "git::https://github.com/terraform-aws-modules/terraform-aws-notify-slack.git"

  sns_topic_name    = var.topic
  slack_webhook_url = "AQICAHhunter2ciphertext=="
  slack_channel     = "billing"
  slack_username    = "reporter"
  kms_key_arn       = aws_kms_key.this.arn
}

module "off" {
  source         = "terraform-aws-modules/notify-slack/aws"
  create         = false
  sns_topic_name = "off"
}

module "vpc" {
  source = "terraform-aws-modules/vpc/aws"
  cidr   = "10.0.0.0/16"
}
