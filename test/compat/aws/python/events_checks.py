"""Rules, events and the audit as boto3 calls them; `given["hook"]` is the URL of a receiver."""

import json

from checks import check, client, given, rejected, same, trail_events

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


@check("an invalid pattern and an absent rule are rejected")
def _():
    for pattern in ['{"source": "x"}', '{"detail": {}}', '{"$or": [{"prefix": ["x"]}, {"source": ["y"]}]}']:
        same(rejected(events.put_rule, Name="bad", EventPattern=pattern).code, "InvalidEventPatternException")
    same(rejected(events.describe_rule, Name="absent").code, "ResourceNotFoundException")
    same(rejected(events.put_rule, Name="timed", ScheduleExpression="at(2030-01-01T00:00:00)").code, "ValidationException")
    event = {"id": "1", "account": "0", "source": "my.app", "time": "t", "region": "r", "resources": [], "detail-type": "x"}
    tested = events.test_event_pattern(EventPattern='{"source": ["my.app"]}', Event=json.dumps(event))
    same(tested["Result"], True)


@check("a rule can run on a schedule")
def _():
    events.put_rule(Name="nightly", ScheduleExpression="cron(0 3 * * ? *)", State="DISABLED")
    shown = events.describe_rule(Name="nightly")
    same((shown["ScheduleExpression"], shown["State"], "EventPattern" in shown), ("cron(0 3 * * ? *)", "DISABLED", False))
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    same([rule.get("ScheduleExpression") for rule in events.list_rules(NamePrefix="night")["Rules"]], ["rate(1 day)"])
    events.delete_rule(Name="nightly")


@check("the audit is a trail that is always on")
def _():
    (trail,) = cloudtrail.describe_trails()["trailList"]
    same((trail["LogFileValidationEnabled"], trail["IsMultiRegionTrail"]), (True, False))
    for name in [trail["Name"], trail["TrailARN"]]:
        same(cloudtrail.get_trail_status(Name=name)["IsLogging"], True)
        (selector,) = cloudtrail.get_event_selectors(TrailName=name)["EventSelectors"]
        same(selector["ReadWriteType"], "WriteOnly")
    same(cloudtrail.describe_trails(trailNameList=["other"])["trailList"], [])
    same(rejected(cloudtrail.get_trail_status, Name="other").code, "TrailNotFoundException")


@check("targets are put, and undeliverable ones are reported")
def _():
    put = events.put_targets(Rule="packages", Targets=[{"Id": "hook", "Arn": given["hook"]}, {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}])
    same(put["FailedEntryCount"], 1)
    same(put["FailedEntries"][0]["TargetId"], "queue")
    same(events.put_targets(Rule="mine", Targets=[{"Id": "hook", "Arn": given["hook"], "InputPath": "$.detail"}])["FailedEntryCount"], 0)
    same([target["Id"] for target in events.list_targets_by_rule(Rule="packages")["Targets"]], ["hook"])


@check("a target receives its configured input, headers and retries")
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


@check("an invalid target is rejected with a reason")
def _():
    hook = given["hook"]
    template = {"InputPathsMap": {"a": "$.a"}, "InputTemplate": "<b>"}
    group = "arn:aws:logs:us-east-1:000000000000:log-group:/g"
    for number, (target, why) in enumerate(
        [
            ({"Arn": hook, "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}}, "DeadLetterConfig is not supported"),
            ({"Arn": hook, "SqsParameters": {"MessageGroupId": "a"}}, "SqsParameters is not supported"),
            ({"Arn": hook, "Input": "1", "InputPath": "$"}, "Only one of Input, InputPath, or InputTransformer"),
            ({"Arn": hook, "InputTransformer": template}, "invalid placeholder <b>"),
            ({"Arn": hook, "InputPath": "detail"}, "Invalid InputPath"),
            ({"Arn": hook, "HttpParameters": {"HeaderParameters": {"Host": "a"}}}, "is set by the server"),
            ({"Arn": group, "HttpParameters": {"HeaderParameters": {"A": "a"}}}, "targets that are URLs"),
            ({"Arn": "http://[64:ff9b::a9fe:a9fe]/"}, "is not called"),
            ({"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}, "Cannot deliver to"),
        ]
    ):
        put = events.put_targets(Rule="mine", Targets=[{"Id": f"t{number}", **target}])
        same(put["FailedEntryCount"], 1)
        same(why in put["FailedEntries"][0]["ErrorMessage"] or put["FailedEntries"][0]["ErrorMessage"], True)


@check("events are put, and each invalid one is rejected individually")
def _():
    entries = [
        {"Source": "my.app", "DetailType": "Greeting", "Detail": json.dumps({"text": "grüezi", "length": 6})},
        {"Source": "my.app", "DetailType": "Greeting", "Detail": "{"},
        {"Source": "aws.sagemaker", "DetailType": "Forged", "Detail": "{}"},
    ]
    answer = events.put_events(Entries=entries)
    same(answer["FailedEntryCount"], 2)
    same(["EventId" in answer["Entries"][0]] + [entry.get("ErrorCode") for entry in answer["Entries"][1:]], [True, "MalformedDetail", "NotAuthorizedForSourceException"])


@check("changes and rejections are looked up with their caller and origin")
def _():
    sagemaker.create_model_package_group(ModelPackageGroupName="audited")
    rejected(sagemaker.create_model_package_group, ModelPackageGroupName="audited")
    same(trail_events("CreateModelPackageGroup")[-1], ("audited", "sagemaker"))
    rejected(sagemaker.delete_model_package_group, ModelPackageGroupName="absent")
    found = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DeleteModelPackageGroup"}])["Events"]
    same(len(found), 1)
    event = json.loads(found[0]["CloudTrailEvent"])
    same((event["errorCode"], event["sourceIPAddress"], event["eventSource"]), ("ValidationException", "127.0.0.1", "sagemaker.amazonaws.com"))
    same("boto" in event["userAgent"].lower(), True)
    rules = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "PutRule"}])["Events"]
    same(sorted({event["Resources"][0]["ResourceName"] for event in rules if event["Resources"]}), ["bad", "mine", "nightly", "packages", "timed"])
    recent = cloudtrail.lookup_events(MaxResults=1)
    same((len(recent["Events"]), "NextToken" in recent), (1, True))
    following = cloudtrail.lookup_events(MaxResults=1, NextToken=recent["NextToken"])
    same(following["Events"][0]["EventId"] != recent["Events"][0]["EventId"], True)
    same(rejected(cloudtrail.lookup_events, MaxResults=51).code, "InvalidMaxResultsException")
    same(rejected(cloudtrail.lookup_events, NextToken="!").code, "InvalidNextTokenException")


@check("a rule is deleted only without targets")
def _():
    same(rejected(events.delete_rule, Name="mine").code, "ValidationException")
    events.remove_targets(Rule="mine", Ids=["hook", "shaped"])
    events.delete_rule(Name="mine")
    same([rule["Name"] for rule in events.list_rules()["Rules"]], ["packages"])
