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

  validation {
    condition     = length(var.key) > 0 && length(var.key) <= 512
    error_message = "The key has to have up to 512 characters."
  }
}

locals {
  tags = {
    "owner" = "soc"
  }
}

data "aws_caller_identity" "this" {}

# What cannot be delivered is kept here.
resource "aws_sqs_queue" "undelivered" {
  name                      = "tocsin-api-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.undelivered.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.findings.arn } }
    }]
  })
}

resource "aws_cloudwatch_event_connection" "tocsin" {
  name               = "tocsin-api"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = "X-Api-Key"
      value = var.key
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "tocsin" {
  name                             = "tocsin-api"
  connection_arn                   = aws_cloudwatch_event_connection.tocsin.arn
  invocation_endpoint              = "https://tocsin.example.com/in/api"
  http_method                      = "POST"
  invocation_rate_limit_per_second = 300
}

# EventBridge may call it by this role, which may do nothing else.
resource "aws_iam_role" "call" {
  name_prefix = "tocsin-api-"
  description = "Lets EventBridge call the API destination of tocsin."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.this.account_id }
        ArnEquals    = { "aws:SourceArn" = aws_cloudwatch_event_rule.findings.arn }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "call" {
  name = "call-tocsin"
  role = aws_iam_role.call.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "events:InvokeApiDestination"
      Resource = aws_cloudwatch_event_api_destination.tocsin.arn
    }]
  })
}

resource "aws_cloudwatch_event_rule" "findings" {
  name          = "tocsin-api"
  description   = "GuardDuty findings to tocsin"
  event_pattern = jsonencode({ source = ["aws.guardduty", "tocsin.canary"] })
  tags          = local.tags
}

resource "aws_cloudwatch_event_target" "findings" {
  rule      = aws_cloudwatch_event_rule.findings.name
  target_id = "tocsin"
  arn       = aws_cloudwatch_event_api_destination.tocsin.arn
  role_arn  = aws_iam_role.call.arn

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }

  retry_policy {
    maximum_retry_attempts       = 185
    maximum_event_age_in_seconds = 86400
  }
}

output "api_destination_arn" {
  description = "The API destination that posts to tocsin."
  value       = aws_cloudwatch_event_api_destination.tocsin.arn
}
