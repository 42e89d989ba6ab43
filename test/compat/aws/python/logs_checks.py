"""CloudWatch Logs as boto3 calls it; the endpoint `given["endpoint"]` has had a request that failed."""

import json
import time

from checks import check, client, given, holds, refused, same, told

logs = client("logs")
events = client("events")
NOW = int(time.time() * 1000)
DAY = 86_400_000


def all_filtered(**wish):
    pages = logs.get_paginator("filter_log_events").paginate(**wish)
    return [event["message"] for page in pages for event in page["events"]]


@check("groups and streams are made, described, and refused where they are there already")
def _():
    logs.create_log_group(logGroupName="/my/app")
    same(refused(logs.create_log_group, logGroupName="/my/app").code, "ResourceAlreadyExistsException")
    logs.create_log_stream(logGroupName="/my/app", logStreamName="one")
    logs.create_log_stream(logGroupName="/my/app", logStreamName="two")
    same(refused(logs.create_log_stream, logGroupName="/my/app", logStreamName="one").code, "ResourceAlreadyExistsException")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/my/")["logGroups"]
    same((group["logGroupName"], group["arn"]), ("/my/app", "arn:aws:logs:us-east-1:000000000000:log-group:/my/app:*"))
    same("retentionInDays" in group, False)
    same([stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName="/my/app", descending=True)["logStreams"]], ["two", "one"])
    same([group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePattern="MY")["logGroups"]], ["/my/app"])


@check("what is not there is refused in AWS's words")
def _():
    refusal = refused(logs.describe_log_streams, logGroupName="/nobody")
    same((refusal.code, refusal.message), ("ResourceNotFoundException", "The specified log group does not exist."))
    refusal = refused(logs.get_log_events, logGroupName="/my/app", logStreamName="nobody")
    same((refusal.code, refusal.message), ("ResourceNotFoundException", "The specified log stream does not exist."))
    same(refused(logs.filter_log_events, logGroupName="/my/app", logStreamNames=["nobody"]).code, "ResourceNotFoundException")
    same(refused(logs.filter_log_events, logGroupName="/my/app", nextToken="!").code, "InvalidParameterException")
    same(refused(logs.filter_log_events, logGroupName="/my/app", filterPattern='{ $.a = }').code, "InvalidParameterException")


@check("events are put in order of their time; those too old or too new are told of")
def _():
    put = [{"timestamp": NOW - 20 * DAY, "message": "too old"}]
    put += [{"timestamp": NOW + i, "message": json.dumps({"i": i, "text": "grüezi"})} for i in range(5)]
    put += [{"timestamp": NOW + DAY, "message": "too new"}]
    answer = logs.put_log_events(logGroupName="/my/app", logStreamName="one", logEvents=put)
    same(answer["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 6})
    same("nextSequenceToken" in answer, True)
    backwards = [{"timestamp": NOW + 1, "message": "b"}, {"timestamp": NOW, "message": "a"}]
    same(refused(logs.put_log_events, logGroupName="/my/app", logStreamName="one", logEvents=backwards).code, "InvalidParameterException")
    large = [{"timestamp": NOW, "message": "x" * 600_000}] * 2
    holds("Upload too large", refused(logs.put_log_events, logGroupName="/my/app", logStreamName="one", logEvents=large).message)
    logs.put_log_events(logGroupName="/my/app", logStreamName="two", logEvents=[{"timestamp": NOW + 2, "message": "ERROR in two"}])


@check("events are got page by page, and at the end the same token comes back")
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


@check("events of all streams are filtered, by words and by members")
def _():
    wish = {"logGroupName": "/my/app"}
    same(all_filtered(filterPattern="ERROR", **wish), ["ERROR in two"])
    same([json.loads(message)["i"] for message in all_filtered(filterPattern="{ $.i >= 3 && $.text = gr* }", **wish)], [3, 4])
    same(len(all_filtered(filterPattern="-ERROR", logStreamNamePrefix="o", **wish)), 5)
    same(len(all_filtered(interleaved=True, startTime=NOW + 2, endTime=NOW + 3, **wish)), 3)
    same(len(all_filtered(PaginationConfig={"PageSize": 1}, **wish)), 6)
    (found,) = logs.filter_log_events(logStreamNames=["two"], **wish)["events"]
    same((found["logStreamName"], found["timestamp"], len(found["eventId"]) > 0), ("two", NOW + 2, True))


@check("how long events are kept is set and unset")
def _():
    logs.put_retention_policy(logGroupName="/my/app", retentionInDays=7)
    same(logs.describe_log_groups(logGroupNamePrefix="/my/")["logGroups"][0]["retentionInDays"], 7)
    same(refused(logs.put_retention_policy, logGroupName="/my/app", retentionInDays=8).code, "InvalidParameterException")
    logs.delete_retention_policy(logGroupName="/my/app")
    same("retentionInDays" in logs.describe_log_groups(logGroupNamePrefix="/my/")["logGroups"][0], False)


@check("a request that failed has left a line in its endpoint's group, with its id")
def _():
    group = f"/aws/sagemaker/Endpoints/{given['endpoint']}"
    (message,) = all_filtered(logGroupName=group, filterPattern=f'{{ $.request = "{given["request"]}" }}')
    line = json.loads(message)
    same((line["endpoint"], line["status"]), (given["endpoint"], "invalid_request"))


@check("the server's own logs are groups, too, which nobody else writes")
def _():
    names = [group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePrefix="/penstock/")["logGroups"]]
    same(names, ["/penstock/access", "/penstock/platform", "/penstock/requests"])
    same(len(all_filtered(logGroupName="/penstock/requests", filterPattern='{ $.status = "ok" }')) > 0, True)
    same(refused(logs.delete_log_group, logGroupName="/penstock/requests").code, "OperationAbortedException")


@check("an event of a rule is kept in the log group that is its target")
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
    same(refused(logs.delete_log_group, logGroupName="/my/app").code, "ResourceNotFoundException")
    wish = [{"AttributeKey": "EventName", "AttributeValue": "DeleteLogGroup"}]
    found = [json.loads(event["CloudTrailEvent"]).get("errorCode") for event in client("cloudtrail").lookup_events(LookupAttributes=wish)["Events"]]
    same([code is None for code in found[:2]], [False, True])
    same(told("CreateLogStream"), [("/my/app", "logs"), ("/my/app", "logs")])
