"""Rules, events and the audit as boto3 calls them; `given["hook"]` is a URL that hears of events."""

import json

from checks import check, client, given, refused, same, told

events = client("events")
cloudtrail = client("cloudtrail")
sagemaker = client("sagemaker")
PATTERN = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Model Package State Change"]}


@check("a rule is put, described, listed, disabled and enabled again")
def _():
    arn = events.put_rule(Name="packages", EventPattern=json.dumps(PATTERN), Description="über Pakete")["RuleArn"]
    same(arn, "arn:aws:events:us-east-1:000000000000:rule/packages")
    events.put_rule(Name="mine", EventPattern=json.dumps({"source": ["my.app"]}))
    shown = events.describe_rule(Name="packages")
    same((json.loads(shown["EventPattern"]), shown["State"], shown["Description"]), (PATTERN, "ENABLED", "über Pakete"))
    same([rule["Name"] for rule in events.list_rules(NamePrefix="m")["Rules"]], ["mine"])
    same([rule["Name"] for rule in events.list_rules(Limit=1)["Rules"]], ["mine"])
    events.disable_rule(Name="packages")
    same(events.describe_rule(Name="packages")["State"], "DISABLED")
    events.enable_rule(Name="packages")
    same([bus["Name"] for bus in events.list_event_buses()["EventBuses"]], ["default"])


@check("a pattern that is none is refused, and so is a rule that is not there")
def _():
    for pattern in ['{"source": "x"}', '{"detail": {}}', '{"$or": [{"prefix": ["x"]}, {"source": ["y"]}]}']:
        same(refused(events.put_rule, Name="bad", EventPattern=pattern).code, "InvalidEventPatternException")
    same(refused(events.describe_rule, Name="nobody").code, "ResourceNotFoundException")
    same(refused(events.put_rule, Name="timed", ScheduleExpression="rate(5 minutes)").code, "ValidationException")
    event = {"id": "1", "account": "0", "source": "my.app", "time": "t", "region": "r", "resources": [], "detail-type": "x"}
    tested = events.test_event_pattern(EventPattern='{"source": ["my.app"]}', Event=json.dumps(event))
    same(tested["Result"], True)


@check("targets are put, what cannot be delivered to is told of")
def _():
    put = events.put_targets(Rule="packages", Targets=[{"Id": "hook", "Arn": given["hook"]}, {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}])
    same(put["FailedEntryCount"], 1)
    same(put["FailedEntries"][0]["TargetId"], "queue")
    same(events.put_targets(Rule="mine", Targets=[{"Id": "hook", "Arn": given["hook"], "InputPath": "$.detail"}])["FailedEntryCount"], 0)
    same([target["Id"] for target in events.list_targets_by_rule(Rule="packages")["Targets"]], ["hook"])


@check("a target is sent what it wants, how it wants it, as often as it wants")
def _():
    wanted = {
        "Id": "shaped",
        "Arn": given["hook"],
        "InputTransformer": {
            "InputPathsMap": {"text": "$.detail.text"},
            "InputTemplate": '{"said": <text>, "about": "<aws.events.rule-name> said <text>", "event": <aws.events.event.json>}',
        },
        "HttpParameters": {"HeaderParameters": {"X-Text": "$.detail.length", "Authorization": "Bearer t"}, "QueryStringParameters": {"from": "$.source"}},
        "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60},
    }
    same(events.put_targets(Rule="mine", Targets=[wanted])["FailedEntryCount"], 0)
    shown = json.loads(json.dumps(wanted).replace("Bearer t", "***"))
    same([target for target in events.list_targets_by_rule(Rule="mine")["Targets"] if target["Id"] == "shaped"], [shown])
    same(events.put_targets(Rule="mine", Targets=[shown])["FailedEntryCount"], 0)


@check("what a target could never be sent is refused with a sentence")
def _():
    hook = given["hook"]
    template = {"InputPathsMap": {"a": "$.a"}, "InputTemplate": "<b>"}
    group = "arn:aws:logs:us-east-1:000000000000:log-group:/g"
    for number, (target, why) in enumerate(
        [
            ({"Arn": hook, "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}}, "DeadLetterConfig is not served"),
            ({"Arn": hook, "SqsParameters": {"MessageGroupId": "a"}}, "SqsParameters is not served"),
            ({"Arn": hook, "Input": "1", "InputPath": "$"}, "Only one of Input, InputPath, or InputTransformer"),
            ({"Arn": hook, "InputTransformer": template}, "invalid placeholder <b>"),
            ({"Arn": hook, "InputPath": "detail"}, "InputPath is no path"),
            ({"Arn": hook, "HttpParameters": {"HeaderParameters": {"Host": "a"}}}, "the server's own"),
            ({"Arn": group, "HttpParameters": {"HeaderParameters": {"A": "a"}}}, "targets that are URLs"),
            ({"Arn": "http://[64:ff9b::a9fe:a9fe]/"}, "it is not called"),
            ({"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}, "Nothing can be delivered to"),
        ]
    ):
        put = events.put_targets(Rule="mine", Targets=[{"Id": f"t{number}", **target}])
        same(put["FailedEntryCount"], 1)
        same(why in put["FailedEntries"][0]["ErrorMessage"] or put["FailedEntries"][0]["ErrorMessage"], True)


@check("events are put; each that is wrong is refused alone")
def _():
    entries = [
        {"Source": "my.app", "DetailType": "Greeting", "Detail": json.dumps({"text": "grüezi", "length": 6})},
        {"Source": "my.app", "DetailType": "Greeting", "Detail": "{"},
        {"Source": "aws.sagemaker", "DetailType": "Forged", "Detail": "{}"},
    ]
    answer = events.put_events(Entries=entries)
    same(answer["FailedEntryCount"], 2)
    same(["EventId" in answer["Entries"][0]] + [entry.get("ErrorCode") for entry in answer["Entries"][1:]], [True, "MalformedDetail", "NotAuthorizedForSourceException"])


@check("what was done and what was refused is looked up, with who and from where")
def _():
    sagemaker.create_model_package_group(ModelPackageGroupName="audited")
    refused(sagemaker.create_model_package_group, ModelPackageGroupName="audited")
    same(told("CreateModelPackageGroup")[-1], ("audited", "sagemaker"))
    refused(sagemaker.delete_model_package_group, ModelPackageGroupName="nobody")
    found = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DeleteModelPackageGroup"}])["Events"]
    same(len(found), 1)
    event = json.loads(found[0]["CloudTrailEvent"])
    same((event["errorCode"], event["sourceIPAddress"], event["eventSource"]), ("ValidationException", "127.0.0.1", "sagemaker.amazonaws.com"))
    same("boto" in event["userAgent"].lower(), True)
    rules = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "PutRule"}])["Events"]
    same(sorted({event["Resources"][0]["ResourceName"] for event in rules if event["Resources"]}), ["bad", "mine", "packages", "timed"])
    recent = cloudtrail.lookup_events(MaxResults=1)
    same((len(recent["Events"]), "NextToken" in recent), (1, True))
    following = cloudtrail.lookup_events(MaxResults=1, NextToken=recent["NextToken"])
    same(following["Events"][0]["EventId"] != recent["Events"][0]["EventId"], True)
    same(refused(cloudtrail.lookup_events, MaxResults=51).code, "InvalidMaxResultsException")
    same(refused(cloudtrail.lookup_events, NextToken="!").code, "InvalidNextTokenException")


@check("a rule with targets is not deleted, without them it is")
def _():
    same(refused(events.delete_rule, Name="mine").code, "ValidationException")
    events.remove_targets(Rule="mine", Ids=["hook", "shaped"])
    events.delete_rule(Name="mine")
    same([rule["Name"] for rule in events.list_rules()["Rules"]], ["packages"])
