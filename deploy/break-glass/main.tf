# A way for Critical findings to reach people that needs no tocsin: an EventBridge rule
# sends each by e-mail through SNS. Targets of a rule are in the rule's region, so apply
# this once for every region in which GuardDuty is on, in GuardDuty's delegated
# administrator account (it has the findings of all members), or in a lone account: as a
# module with a provider for each region, or with a workspace and AWS_REGION for each.
#
# AWS asks by e-mail, once a region, whether the address wants this; until somebody says
# yes nothing is sent. Then try it, once a region:
#
#   aws guardduty create-sample-findings --region "$region" \
#     --detector-id "$(aws guardduty list-detectors --region "$region" --query 'DetectorIds[0]' --output text)" \
#     --finding-types AttackSequence:IAM/CompromisedCredentials

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "email" {
  type        = string
  description = "Who gets it; best an address that several people read."
  default     = "soc@example.com"

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.email))
    error_message = "The email must be an address such as soc@example.com."
  }
}

data "aws_partition" "current" {}

locals {
  console = {
    aws        = "console.aws.amazon.com"
    aws-cn     = "console.amazonaws.cn"
    aws-us-gov = "console.amazonaws-us-gov.com"
    aws-eusc   = "<region>.console.amazonaws-eusc.eu"
  }[data.aws_partition.current.partition]
}

# Not encrypted with aws/sns: the policy of that key does not let EventBridge use it, and
# nothing would be sent.
resource "aws_sns_topic" "break_glass" {
  name_prefix  = "guardduty-break-glass-"
  display_name = "GuardDuty break-glass"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.break_glass.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_sns_topic_policy" "rule_publishes" {
  arn = aws_sns_topic.break_glass.arn
  # No condition: EventBridge says of itself nothing that one could ask for, and every
  # finding would be dropped without a word.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheRulePublishes"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.break_glass.arn
    }]
  })
}

# 9.0 and above is Critical. A comparison, since a list of numbers would miss some.
resource "aws_cloudwatch_event_rule" "critical" {
  name_prefix   = "guardduty-break-glass-"
  description   = "Every Critical GuardDuty finding, by e-mail"
  event_pattern = <<-JSON
    {
      "source": ["aws.guardduty"],
      "detail-type": ["GuardDuty Finding"],
      "detail": {"severity": [{"numeric": [">=", 9]}]}
    }
  JSON
}

resource "aws_cloudwatch_event_target" "email" {
  rule      = aws_cloudwatch_event_rule.critical.name
  target_id = "email"
  arn       = aws_sns_topic.break_glass.arn

  # Only what AWS itself writes: a quotation mark in a name or a title would make
  # EventBridge drop the message.
  input_transformer {
    input_paths = {
      severity = "$.detail.severity"
      type     = "$.detail.type"
      account  = "$.detail.accountId"
      region   = "$.detail.region"
      finding  = "$.detail.id"
      updated  = "$.detail.updatedAt"
    }
    input_template = chomp(<<-TEXT
      "CRITICAL GuardDuty finding (severity <severity>): <type>"
      "Account <account>, region <region>, updated <updated>."
      "https://${local.console}/guardduty/home?region=<region>#/findings?search=id%3D<finding>"
      "Sent by EventBridge and SNS, not by tocsin: see whether tocsin is up and has told you, too."
    TEXT
    )
  }
}

output "topic_arn" {
  description = "The topic to which the address is subscribed."
  value       = aws_sns_topic.break_glass.arn
}
