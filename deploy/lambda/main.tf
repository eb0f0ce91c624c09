# tocsin as an AWS Lambda function that hears of every GuardDuty finding of a region:
# EventBridge → SQS → Lambda, so that whatever nobody was told of stays in the queue, and
# ends in a dead-letter queue that an alarm watches. Apply it once for every region in
# which GuardDuty is on, in GuardDuty's delegated administrator account, with a zip that
# deploy/lambda/build made:
#
#   module "tocsin" {
#     source = "github.com/tocsin-sec/tocsin//deploy/lambda"
#     zip    = "tocsin-lambda-arm64.zip"
#     secrets = { SLACK_WEBHOOK_URL = var.slack_webhook_url }
#   }

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.83, < 7.0"
    }
  }
}

variable "name" {
  description = "Name of the function and of what belongs to it."
  type        = string
  default     = "tocsin"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,47}$", var.name))
    error_message = "The name has letters, digits and hyphens, 48 at most, a letter first."
  }
}

variable "zip" {
  description = "The zip that deploy/lambda/build made for the architecture."
  type        = string
}

variable "architecture" {
  description = "Of the zip: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
}

variable "config" {
  description = "The configuration, if it is not in the zip: 3 KB at most."
  type        = string
  default     = ""
}

variable "secrets" {
  description = "Environment variables that the configuration names as $${env:NAME}."
  type        = map(string)
  default     = {}
  sensitive   = true
}

variable "event_pattern" {
  description = "Which events of the default bus are taken in."
  type        = string
  default     = "{\"source\": [\"aws.guardduty\"]}"
}

variable "database" {
  description = "Whether store: is a postgres:// URL. The clock then turns once a minute, for what is due later."
  type        = bool
  default     = false
}

variable "subnet_ids" {
  description = "Private subnets from which the database and the receivers can be reached; none for a function outside of any VPC."
  type        = list(string)
  default     = []
}

variable "security_group_ids" {
  description = "Security groups of the function in those subnets."
  type        = list(string)
  default     = []
}

variable "memory" {
  description = "MB of memory. What is computed is as fast as there is memory."
  type        = number
  default     = 512
}

variable "timeout" {
  description = "Seconds that an invocation may take. A message is tried again within them."
  type        = number
  default     = 60
}

variable "concurrency" {
  description = "How many batches of the queue are worked on at once, 2 at least. Without a database each sandbox folds for itself: leave it at 2."
  type        = number
  default     = 2

  validation {
    condition     = var.concurrency >= 2
    error_message = "AWS wants a concurrency of 2 at least."
  }
}

variable "alarm_actions" {
  description = "Topics that hear of what ended in the dead-letter queue: it is what nobody was told of."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}

data "aws_partition" "current" {}

locals {
  environment = merge(
    # Memory is looked through where it runs short, and not while the program begins.
    { GOGC = "off", GOMEMLIMIT = "${floor(var.memory * 3 / 4)}MiB" },
    var.config == "" ? {} : { TOCSIN_CONFIG_YAML = var.config },
    var.secrets,
  )
  schedules = var.database ? 1 : 0
}

# What waits for the function. A message that it could not have told anybody of comes
# again once the visibility timeout is over: 50 times, which is five hours.
resource "aws_sqs_queue" "findings" {
  name                       = "${var.name}-findings"
  visibility_timeout_seconds = 6 * var.timeout
  message_retention_seconds  = 1209600
  sqs_managed_sse_enabled    = true
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn, maxReceiveCount = 50 })
  tags                       = var.tags
}

resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue_policy" "findings" {
  for_each = {
    findings    = aws_sqs_queue.findings
    undelivered = aws_sqs_queue.undelivered
  }
  queue_url = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheRuleSends"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = each.value.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.findings.arn } }
    }]
  })
}

resource "aws_cloudwatch_event_rule" "findings" {
  name          = "${var.name}-findings"
  description   = "GuardDuty findings for ${var.name}"
  event_pattern = var.event_pattern
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "findings" {
  rule      = aws_cloudwatch_event_rule.findings.name
  target_id = "queue"
  arn       = aws_sqs_queue.findings.arn

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  alarm_name          = "${var.name}-undelivered"
  alarm_description   = "There are findings that nobody was told of: see the queue ${var.name}-undelivered and the log of the function."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.undelivered.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = var.tags
}

resource "aws_iam_role" "function" {
  name = "${var.name}-function"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
  tags = var.tags
}

# It writes its log and takes from its queue. Receivers that are in AWS need more.
resource "aws_iam_role_policy" "function" {
  name = "function"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.function.arn}:*"
      },
      {
        Sid      = "Queue"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.findings.arn
      },
    ]
  })
}

# Network interfaces have no ARN before there are any.
resource "aws_iam_role_policy_attachment" "vpc" {
  count      = length(var.subnet_ids) > 0 ? 1 : 0
  role       = aws_iam_role.function.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSLambdaENIManagementAccess"
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 90
  tags              = var.tags
}

resource "aws_lambda_function" "function" {
  function_name    = var.name
  description      = "Tells people of GuardDuty findings"
  role             = aws_iam_role.function.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = var.zip
  source_code_hash = filebase64sha256(var.zip)
  memory_size      = var.memory
  timeout          = var.timeout
  # One more than the queue takes, for the schedule: the account's others keep theirs.
  reserved_concurrent_executions = var.concurrency + 1
  tags                           = var.tags

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  dynamic "vpc_config" {
    for_each = length(var.subnet_ids) > 0 ? [1] : []
    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  depends_on = [aws_iam_role_policy.function, aws_iam_role_policy_attachment.vpc]
}

# Without ReportBatchItemFailures AWS would not read which messages to send again.
resource "aws_lambda_event_source_mapping" "findings" {
  event_source_arn        = aws_sqs_queue.findings.arn
  function_name           = aws_lambda_function.function.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.concurrency
  }
}

# The clock, for what is due later: escalations, retries, reminders.
resource "aws_cloudwatch_event_rule" "clock" {
  count               = local.schedules
  name                = "${var.name}-clock"
  description         = "Turns the clock of ${var.name}"
  schedule_expression = "rate(1 minute)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "clock" {
  count     = local.schedules
  rule      = aws_cloudwatch_event_rule.clock[0].name
  target_id = "function"
  arn       = aws_lambda_function.function.arn
}

resource "aws_lambda_permission" "clock" {
  count         = local.schedules
  statement_id  = "TheClockCalls"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.clock[0].arn
}

output "function_arn" {
  description = "The function."
  value       = aws_lambda_function.function.arn
}

output "role_name" {
  description = "Its role, for what receivers in AWS need besides."
  value       = aws_iam_role.function.name
}

output "queue_arn" {
  description = "The queue, for other rules to send to."
  value       = aws_sqs_queue.findings.arn
}

output "undelivered_queue_arn" {
  description = "Where what nobody was told of ends."
  value       = aws_sqs_queue.undelivered.arn
}
