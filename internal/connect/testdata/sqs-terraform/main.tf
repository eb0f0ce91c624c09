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
    "owner" = "soc"
  }
}

# What cannot be delivered is kept here.
resource "aws_sqs_queue" "undelivered" {
  name                      = "tocsin-findings-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

# The queue that tocsin reads. It keeps what tocsin has not read for 14 days.
resource "aws_sqs_queue" "findings" {
  name                       = "guardduty"
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true
  tags                       = local.tags
}

resource "aws_sqs_queue_policy" "findings" {
  for_each  = { findings = aws_sqs_queue.findings, undelivered = aws_sqs_queue.undelivered }
  queue_url = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = each.value.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.findings.arn } }
    }]
  })
}

# All that GuardDuty says, and tocsin's canaries.
resource "aws_cloudwatch_event_rule" "findings" {
  name          = "tocsin-findings"
  description   = "GuardDuty findings to tocsin"
  event_pattern = jsonencode({ source = ["aws.guardduty", "tocsin.canary"] })
  tags          = local.tags
}

resource "aws_cloudwatch_event_target" "findings" {
  rule      = aws_cloudwatch_event_rule.findings.name
  target_id = "tocsin"
  arn       = aws_sqs_queue.findings.arn

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

output "queue_url" {
  description = "The queue that tocsin reads."
  value       = aws_sqs_queue.findings.id
}
