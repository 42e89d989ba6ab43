"""CloudWatch Logs as boto3 calls it; the endpoint `given["endpoint"]` has a failed request."""

import json
import time

from checks import check, client, given, holds, rejected, same, trail_events

logs = client("logs")
events = client("events")
NOW = int(time.time() * 1000)
DAY = 86_400_000


def all_filtered(**wish):
    pages = logs.get_paginator("filter_log_events").paginate(**wish)
    return [event["message"] for page in pages for event in page["events"]]


@check("groups and streams are created and described, and duplicates are rejected")
def _():
    logs.create_log_group(logGroupName="/my/app")
    same(rejected(logs.create_log_group, logGroupName="/my/app").code, "ResourceAlreadyExistsException")
    logs.create_log_stream(logGroupName="/my/app", logStreamName="one")
    logs.create_log_stream(logGroupName="/my/app", logStreamName="two")
    same(rejected(logs.create_log_stream, logGroupName="/my/app", logStreamName="one").code, "ResourceAlreadyExistsException")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/my/")["logGroups"]
    same((group["logGroupName"], group["arn"]), ("/my/app", "arn:aws:logs:us-east-1:000000000000:log-group:/my/app:*"))
    same("retentionInDays" in group, False)
    same([stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName="/my/app", descending=True)["logStreams"]], ["two", "one"])
    same([group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePattern="MY")["logGroups"]], ["/my/app"])


@check("absent resources are rejected with AWS's texts")
def _():
    rejection = rejected(logs.describe_log_streams, logGroupName="/absent")
    same((rejection.code, rejection.message), ("ResourceNotFoundException", "The specified log group does not exist."))
    rejection = rejected(logs.get_log_events, logGroupName="/my/app", logStreamName="absent")
    same((rejection.code, rejection.message), ("ResourceNotFoundException", "The specified log stream does not exist."))
    same(rejected(logs.filter_log_events, logGroupName="/my/app", logStreamNames=["absent"]).code, "ResourceNotFoundException")
    same(rejected(logs.filter_log_events, logGroupName="/my/app", nextToken="!").code, "InvalidParameterException")
    same(rejected(logs.filter_log_events, logGroupName="/my/app", filterPattern='{ $.a = }').code, "InvalidParameterException")


@check("a log group has tags")
def _():
    logs.create_log_group(logGroupName="/my/tagged", tags={"team": "größer"})
    arn = logs.describe_log_groups(logGroupNamePrefix="/my/tagged")["logGroups"][0]["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"owner": "me"})
    same(logs.list_tags_for_resource(resourceArn=arn)["tags"], {"team": "größer", "owner": "me"})
    logs.untag_resource(resourceArn=arn, tagKeys=["team"])
    same(logs.list_tags_for_resource(resourceArn=arn)["tags"], {"owner": "me"})
    logs.delete_log_group(logGroupName="/my/tagged")
    same(rejected(logs.list_tags_for_resource, resourceArn=arn).code, "ResourceNotFoundException")
    logs.create_log_group(logGroupName="/my/tagged")
    same(logs.list_tags_for_resource(resourceArn=arn)["tags"], {})
    logs.delete_log_group(logGroupName="/my/tagged")


@check("events are put in order of their time, and those too old or too new are reported")
def _():
    put = [{"timestamp": NOW - 20 * DAY, "message": "too old"}]
    put += [{"timestamp": NOW + i, "message": json.dumps({"i": i, "text": "grüezi"})} for i in range(5)]
    put += [{"timestamp": NOW + DAY, "message": "too new"}]
    answer = logs.put_log_events(logGroupName="/my/app", logStreamName="one", logEvents=put)
    same(answer["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 6})
    same("nextSequenceToken" in answer, True)
    backwards = [{"timestamp": NOW + 1, "message": "b"}, {"timestamp": NOW, "message": "a"}]
    same(rejected(logs.put_log_events, logGroupName="/my/app", logStreamName="one", logEvents=backwards).code, "InvalidParameterException")
    large = [{"timestamp": NOW, "message": "x" * 600_000}] * 2
    holds("Upload too large", rejected(logs.put_log_events, logGroupName="/my/app", logStreamName="one", logEvents=large).message)
    logs.put_log_events(logGroupName="/my/app", logStreamName="two", logEvents=[{"timestamp": NOW + 2, "message": "ERROR in two"}])


@check("events are read page by page, and the last page repeats its token")
def _():
    wish = {"logGroupName": "/my/app", "logStreamName": "one", "limit": 2}
    first = logs.get_log_events(startFromHead=True, **wish)
    second = logs.get_log_events(nextToken=first["nextForwardToken"], **wish)
    same([json.loads(event["message"])["i"] for event in first["events"] + second["events"]], [0, 1, 2, 3])
    third = logs.get_log_events(nextToken=second["nextForwardToken"], **wish)
    last = logs.get_log_events(nextToken=third["nextForwardToken"], **wish)
    same((len(third["events"]), last["events"], last["nextForwardToken"]), (1, [], third["nextForwardToken"]))
    latest = logs.get_log_events(**wish)
    same([json.loads(event["message"])["i"] for event in latest["events"]], [3, 4])
    before = logs.get_log_events(nextToken=latest["nextBackwardToken"], **wish)
    same([json.loads(event["message"])["i"] for event in before["events"]], [1, 2])
    same(len(logs.get_log_events(startTime=NOW + 1, endTime=NOW + 3, startFromHead=True, logGroupName="/my/app", logStreamName="one")["events"]), 2)


@check("events of all streams are filtered by terms and by JSON members")
def _():
    wish = {"logGroupName": "/my/app"}
    same(all_filtered(filterPattern="ERROR", **wish), ["ERROR in two"])
    same([json.loads(message)["i"] for message in all_filtered(filterPattern="{ $.i >= 3 && $.text = gr* }", **wish)], [3, 4])
    same(len(all_filtered(filterPattern="-ERROR", logStreamNamePrefix="o", **wish)), 5)
    same(len(all_filtered(interleaved=True, startTime=NOW + 2, endTime=NOW + 3, **wish)), 3)
    same(len(all_filtered(PaginationConfig={"PageSize": 1}, **wish)), 6)
    (found,) = logs.filter_log_events(logStreamNames=["two"], **wish)["events"]
    same((found["logStreamName"], found["timestamp"], len(found["eventId"]) > 0), ("two", NOW + 2, True))


@check("the retention of events is set and removed")
def _():
    logs.put_retention_policy(logGroupName="/my/app", retentionInDays=7)
    same(logs.describe_log_groups(logGroupNamePrefix="/my/")["logGroups"][0]["retentionInDays"], 7)
    same(rejected(logs.put_retention_policy, logGroupName="/my/app", retentionInDays=8).code, "InvalidParameterException")
    logs.delete_retention_policy(logGroupName="/my/app")
    same("retentionInDays" in logs.describe_log_groups(logGroupNamePrefix="/my/")["logGroups"][0], False)


@check("a failed request is logged in its endpoint's group with its id")
def _():
    group = f"/aws/sagemaker/Endpoints/{given['endpoint']}"
    (message,) = all_filtered(logGroupName=group, filterPattern=f'{{ $.request = "{given["request"]}" }}')
    line = json.loads(message)
    same((line["endpoint"], line["status"]), (given["endpoint"], "invalid_request"))


@check("the server's own logs are read-only groups")
def _():
    names = [group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePrefix="/penstock/")["logGroups"]]
    same(names, ["/penstock/access", "/penstock/platform", "/penstock/requests"])
    same(len(all_filtered(logGroupName="/penstock/requests", filterPattern='{ $.status = "ok" }')) > 0, True)
    same(rejected(logs.delete_log_group, logGroupName="/penstock/requests").code, "OperationAbortedException")


@check("an event of a rule is stored in the log group that is its target")
def _():
    events.put_rule(Name="to-logs", EventPattern=json.dumps({"source": ["my.app"]}))
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/my/events"
    same(events.put_targets(Rule="to-logs", Targets=[{"Id": "logs", "Arn": arn}])["FailedEntryCount"], 0)
    events.put_events(Entries=[{"Source": "my.app", "DetailType": "Greeting", "Detail": json.dumps({"text": "grüezi"})}])
    for _ in range(100):
        try:
            found = all_filtered(logGroupName="/my/events")
        except logs.exceptions.ResourceNotFoundException:
            found = []
        if found:
            break
        time.sleep(0.1)
    same([json.loads(message)["detail"] for message in found], [{"text": "grüezi"}])


@check("groups and streams are deleted")
def _():
    logs.delete_log_stream(logGroupName="/my/app", logStreamName="one")
    same(all_filtered(logGroupName="/my/app"), ["ERROR in two"])
    logs.delete_log_group(logGroupName="/my/app")
    same(rejected(logs.delete_log_group, logGroupName="/my/app").code, "ResourceNotFoundException")
    wish = [{"AttributeKey": "EventName", "AttributeValue": "DeleteLogGroup"}]
    found = [json.loads(event["CloudTrailEvent"]).get("errorCode") for event in client("cloudtrail").lookup_events(LookupAttributes=wish)["Events"]]
    same([code is None for code in found[:2]], [False, True])
    same(trail_events("CreateLogStream"), [("/my/app", "logs"), ("/my/app", "logs")])
