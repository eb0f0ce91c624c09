"""What a program that uses boto3 does with the event bus at the URL given."""
import datetime
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

events = boto3.client("events", endpoint_url=sys.argv[1], config=Config(retries={"max_attempts": 0}))


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return [type(e).__name__, e.response["Error"]["Code"], e.response["Error"]["Message"], e.response["ResponseMetadata"]["HTTPStatusCode"]]


for name in ["apps-1", "apps-2", "apps-3"]:
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["my.app"]}), Tags=[{"Key": "team", "Value": "soc"}])
pages = events.get_paginator("list_rules").paginate(NamePrefix="apps-", PaginationConfig={"PageSize": 2})
rules = [rule["Name"] for page in pages for rule in page["Rules"]]
arn = events.describe_rule(Name="apps-1")["Arn"]
tags = events.list_tags_for_resource(ResourceARN=arn)["Tags"]
when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
put = events.put_events(Entries=[
    {"Source": "my.app", "DetailType": "boto3", "Detail": json.dumps({"é": "ü"}), "Time": when},
    {"Source": "aws.ec2", "DetailType": "boto3", "Detail": "{}"},
])
print(json.dumps({
    "rules": rules,
    "arn": arn,
    "tags": tags,
    "failed": put["FailedEntryCount"],
    "entries": [sorted(entry) for entry in put["Entries"]],
    "refused": [
        refused(events.describe_rule, Name="none"),
        refused(events.put_rule, Name="bad", EventPattern="{"),
        refused(events.create_event_bus, Name="mine"),
    ],
    "request": len(put["ResponseMetadata"]["RequestId"]),
}))
