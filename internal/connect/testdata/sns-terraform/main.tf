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

  validation {
    condition     = startswith(var.endpoint, "https://")
    error_message = "The endpoint has to be an https URL."
  }
}

locals {
  tags = {
    "owner" = "soc"
  }
}

# What cannot be delivered is kept here.
resource "aws_sqs_queue" "undelivered" {
  name                      = "tocsin-org-topic-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.undelivered.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.findings.arn } }
      },
      {
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.undelivered.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.findings.arn } }
      },
    ]
  })
}

# The topic, which takes from EventBridge alone.
resource "aws_sns_topic" "findings" {
  name              = "guardduty"
  signature_version = 2
  tags              = local.tags
}

resource "aws_sns_topic_policy" "findings" {
  arn = aws_sns_topic.findings.arn
  # No condition: EventBridge says of itself nothing that one could ask for, and every
  # finding would be dropped without a word.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.findings.arn
    }]
  })
}

resource "aws_cloudwatch_event_rule" "findings" {
  name          = "tocsin-org-topic"
  description   = "GuardDuty findings to tocsin"
  event_pattern = jsonencode({ source = ["aws.guardduty", "tocsin.canary"] })
  tags          = local.tags
}

resource "aws_cloudwatch_event_target" "findings" {
  rule      = aws_cloudwatch_event_rule.findings.name
  target_id = "tocsin"
  arn       = aws_sns_topic.findings.arn

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

# tocsin confirms it by itself.
resource "aws_sns_topic_subscription" "tocsin" {
  topic_arn                       = aws_sns_topic.findings.arn
  protocol                        = "https"
  endpoint                        = var.endpoint
  endpoint_auto_confirms          = true
  confirmation_timeout_in_minutes = 5
  redrive_policy                  = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn })
  delivery_policy = jsonencode({
    healthyRetryPolicy = {
      numRetries         = 50
      numNoDelayRetries  = 0
      minDelayTarget     = 5
      maxDelayTarget     = 60
      numMinDelayRetries = 2
      numMaxDelayRetries = 40
      backoffFunction    = "exponential"
    }
  })
  depends_on = [aws_sqs_queue_policy.undelivered]
}

output "topic_arn" {
  description = "The topic that posts to tocsin."
  value       = aws_sns_topic.findings.arn
}
