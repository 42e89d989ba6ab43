"""CloudWatch as boto3 calls it, in the protocol of its version. The endpoint `digits` has two instances."""

import http.server
import json
import threading
import time
from datetime import datetime, timedelta, timezone

from checks import check, client, given, holds, rejected, same

cloudwatch = client("cloudwatch")
runtime = client("sagemaker-runtime")
scaling = client("application-autoscaling")

CALLS = 37
REFUSED = 5
NAMES = [{"Name": "EndpointName", "Value": "digits"}, {"Name": "VariantName", "Value": "AllTraffic"}]
LAST_HOUR = {"StartTime": datetime.now(timezone.utc) - timedelta(hours=1), "EndTime": datetime.now(timezone.utc) + timedelta(hours=1)}


def of_digits(name, statistic, namespace="AWS/SageMaker", **more):
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=name, Dimensions=NAMES, Period=3600, Statistics=[statistic], **LAST_HOUR, **more
    )["Datapoints"]
    return round(sum(point[statistic] for point in points), 6)


def until(question, wanted, within):
    begun = time.monotonic()
    while (answer := question()) != wanted:
        assert time.monotonic() - begun < within, f"expected {wanted!r} within {within} s, got {answer!r}"
        time.sleep(0.5)


@check("calls by boto3 are counted exactly, with units, and per instance")
def _():
    row = ",".join("0" for _ in range(64))
    for _ in range(CALLS):
        runtime.invoke_endpoint(EndpointName="digits", Body=row, ContentType="text/csv")
    for _ in range(REFUSED):
        rejected(runtime.invoke_endpoint, EndpointName="digits", Body="no numbers", ContentType="text/csv")
    same(of_digits("Invocations", "Sum"), CALLS + REFUSED)
    same(of_digits("Invocations", "SampleCount"), CALLS + REFUSED)
    same(of_digits("InvocationsPerInstance", "Sum"), (CALLS + REFUSED) / 2)
    same(of_digits("ModelLatency", "SampleCount", Unit="Microseconds"), CALLS)
    same(of_digits("ModelLatency", "SampleCount", Unit="Seconds"), 0)
    errors = [of_digits(name, "Sum") for name in ["Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"]]
    same(sum(errors), REFUSED)


@check("metrics are listed by dimension, including CPU and memory of instances")
def _():
    pages = cloudwatch.get_paginator("list_metrics").paginate(Dimensions=[{"Name": "EndpointName", "Value": "digits"}], RecentlyActive="PT3H")
    metrics = [metric for page in pages for metric in page["Metrics"]]
    names = {(metric["Namespace"], metric["MetricName"]) for metric in metrics}
    for name in ["Invocations", "ModelLatency", "OverheadLatency"]:
        assert ("AWS/SageMaker", name) in names, names
    begun = time.monotonic()
    used = {"Namespace": "/aws/sagemaker/Endpoints", "MetricName": "CPUUtilization", "Dimensions": NAMES}
    while not (points := cloudwatch.get_metric_statistics(**used, Period=60, Statistics=["Maximum"], **LAST_HOUR)["Datapoints"]):
        assert time.monotonic() - begun < 35, "no processor was looked at"
        time.sleep(1)
    same(points[0]["Unit"], "Percent")


@check("custom metrics are put, also compressed, and read as statistics, percentiles and expressions")
def _():
    now = datetime.now(timezone.utc).replace(microsecond=0)
    at = now - timedelta(minutes=5)
    data = [
        {"MetricName": "Orders", "Dimensions": [{"Name": "Shop", "Value": str(i)}], "Timestamp": at, "Values": [1.0, 2.0], "Counts": [3.0, 1.0], "Unit": "Count"}
        for i in range(300)
    ]
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=data)
    cloudwatch.put_metric_data(
        Namespace="Shop",
        MetricData=[{"MetricName": "Wait", "Timestamp": at, "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}}],
    )
    listed = cloudwatch.get_paginator("list_metrics").paginate(Namespace="Shop", MetricName="Orders")
    same(sum(len(page["Metrics"]) for page in listed), 300)

    def stat(id, name, stat, dimensions=(), **more):
        metric = {"Namespace": "Shop", "MetricName": name, "Dimensions": list(dimensions)}
        return {"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}

    answer = cloudwatch.get_metric_data(
        StartTime=at - timedelta(minutes=10),
        EndTime=now,
        MetricDataQueries=[
            stat("orders", "Orders", "Sum", [{"Name": "Shop", "Value": "7"}], ReturnData=False),
            stat("p", "Orders", "p90", [{"Name": "Shop", "Value": "7"}]),
            stat("wait", "Wait", "Average"),
            {"Id": "ratio", "Expression": "orders / wait", "Label": "orders by wait"},
        ],
    )
    found = {result["Id"]: (result["Label"], [round(value, 1) for value in result["Values"]]) for result in answer["MetricDataResults"]}
    same(found, {"p": ("Orders", [2.0]), "wait": ("Wait", [2.5]), "ratio": ("orders by wait", [2.0])})
    minute = at.replace(second=0)
    same([result["Timestamps"] for result in answer["MetricDataResults"]], [[minute]] * 3)


@check("invalid calls are rejected with CloudWatch's error codes")
def _():
    nan = rejected(cloudwatch.put_metric_data, Namespace="Shop", MetricData=[{"MetricName": "A", "Value": float("nan")}])
    same((nan.status, nan.code), (400, "InvalidParameterValue"))
    ours = rejected(cloudwatch.put_metric_data, Namespace="AWS/SageMaker", MetricData=[{"MetricName": "A", "Value": 1}])
    same(ours.code, "InvalidParameterValue")
    asked = {"Namespace": "Shop", "MetricName": "Orders", "Period": 60, **LAST_HOUR}
    same(rejected(cloudwatch.get_metric_statistics, **asked).code, "InvalidParameterCombination")
    long = {**asked, "StartTime": LAST_HOUR["StartTime"] - timedelta(days=2), "Statistics": ["Sum"]}
    holds("exceeds the limit of 1440", rejected(cloudwatch.get_metric_statistics, **long).message)
    same(rejected(cloudwatch.set_alarm_state, AlarmName="gone", StateValue="OK", StateReason="x").code, "ResourceNotFound")
    same(rejected(cloudwatch.get_dashboard, DashboardName="gone").code, "ResourceNotFound")
    same(rejected(cloudwatch.put_dashboard, DashboardName="bad", DashboardBody="{}").code, "InvalidParameterInput")
    try:
        cloudwatch.set_alarm_state(AlarmName="gone", StateValue="OK", StateReason="x")
    except cloudwatch.exceptions.ResourceNotFound:
        pass
    same(rejected(cloudwatch.describe_alarms, NextToken="x").code, "InvalidNextToken")


@check("an alarm fires and recovers, notifies a URL of both, and runs a scaling policy")
def _():
    received = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    receiver = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    variant = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/digits/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**variant, MinCapacity=1, MaxCapacity=3)
    steps = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]}
    policy = scaling.put_scaling_policy(**variant, PolicyName="step", StepScalingPolicyConfiguration=steps)["PolicyARN"]
    url = f"http://127.0.0.1:{receiver.server_port}/"
    dead = "http://127.0.0.1:9/unreachable"
    cloudwatch.put_metric_alarm(
        AlarmName="orders",
        Namespace="Shop",
        MetricName="Rush",
        Statistic="Maximum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[url, policy],
        OKActions=[url, dead],
    )
    cloudwatch.set_alarm_state(AlarmName="orders", StateValue="OK", StateReason="to begin with")

    def state():
        return cloudwatch.describe_alarms(AlarmNames=["orders"])["MetricAlarms"][0]["StateValue"]

    def put_until(value, wanted):
        begun = time.monotonic()
        while state() != wanted:
            assert time.monotonic() - begun < 40, f"it did not become {wanted} within 40 s"
            cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Rush", "Value": value, "StorageResolution": 1}])
            time.sleep(0.5)

    put_until(9, "ALARM")
    sagemaker = client("sagemaker")
    until(lambda: sagemaker.describe_endpoint(EndpointName="digits")["ProductionVariants"][0]["DesiredInstanceCount"], 3, 10)
    put_until(1, "OK")
    until(lambda: [(each["alarm"], each["state"]) for each in received], [("orders", "OK"), ("orders", "ALARM"), ("orders", "OK")], 20)

    def summaries():
        items = cloudwatch.describe_alarm_history(AlarmName="orders", HistoryItemType="Action")["AlarmHistoryItems"]
        return sorted(item["HistorySummary"] for item in items)

    # A delivery is recorded once it has arrived; the one without a receiver is still being retried.
    wanted = [f"Successfully executed action {url}"] * 3 + [f"Successfully executed action {policy}"]
    until(summaries, sorted(summary[:255] for summary in wanted), 20)


@check("an alarm has tags, and loses them when it is deleted")
def _():
    alarm = {
        "AlarmName": "tagged",
        "Namespace": "Shop",
        "MetricName": "Orders",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch.put_metric_alarm(**alarm, Tags=[{"Key": "team", "Value": "größer"}])
    arn = cloudwatch.describe_alarms(AlarmNames=["tagged"])["MetricAlarms"][0]["AlarmArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "owner", "Value": "me"}])
    cloudwatch.put_metric_alarm(**alarm)
    same(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"], [{"Key": "team", "Value": "größer"}, {"Key": "owner", "Value": "me"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["team"])
    same(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"], [{"Key": "owner", "Value": "me"}])
    cloudwatch.delete_alarms(AlarmNames=["tagged"])
    rejection = rejected(cloudwatch.list_tags_for_resource, ResourceARN=arn)
    same((rejection.status, rejection.code), (404, "ResourceNotFoundException"))
    cloudwatch.put_metric_alarm(**alarm)
    same(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"], [])
    cloudwatch.delete_alarms(AlarmNames=["tagged"])


@check("every endpoint has default alarms, which can be read but not overwritten")
def _():
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="penstock/digits/")["MetricAlarms"]
    holds("penstock/digits/errors", [alarm["AlarmName"] for alarm in alarms])
    same(rejected(cloudwatch.delete_alarms, AlarmNames=["penstock/digits/errors"]).code, "InvalidParameterValue")


@check("dashboards are stored, listed and deleted")
def _():
    body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "# <hello> & \u00fc"}}]})
    same(cloudwatch.put_dashboard(DashboardName="mine", DashboardBody=body).get("DashboardValidationMessages", []), [])
    same(cloudwatch.get_dashboard(DashboardName="mine")["DashboardBody"], body)
    same([entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]], ["mine"])
    cloudwatch.delete_dashboards(DashboardNames=["mine"])
    same(cloudwatch.list_dashboards().get("DashboardEntries", []), [])
