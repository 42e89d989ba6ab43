"""Asynchronous inference called by boto3. `given["model"]` is an ONNX file of digits."""

import json
import time

from checks import check, client, given, rejected, same
from botocore.exceptions import ClientError

sagemaker = client("sagemaker")
runtime = client("sagemaker-runtime")
scaling = client("application-autoscaling")
cloudwatch = client("cloudwatch")
s3 = client("s3")

ROW = ",".join(["0"] * 64)
VARIANT = {"VariantName": "AllTraffic", "ModelName": "digits", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
TARGET = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/later/variant/AllTraffic", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}


def matches(text, part):
    assert part in text, f"{part!r} is not in {text!r}"


def fetched(location, within=60):
    bucket, key = location.removeprefix("s3://").split("/", 1)
    until = time.monotonic() + within
    while True:
        try:
            got = s3.get_object(Bucket=bucket, Key=key)
            return got["Body"].read(), got["ContentType"]
        except ClientError as error:
            same(error.response["Error"]["Code"], "NoSuchKey")
            assert time.monotonic() < until, f"{location} did not appear"
            time.sleep(0.05)


def submit(**more):
    return runtime.invoke_endpoint_async(**{"EndpointName": "later", "ContentType": "text/csv", "InputLocation": "s3://ins/row.csv", **more})


@check("an asynchronous endpoint is created, and its config is described")
def _():
    for bucket in ("ins", "outs", "fails"):
        s3.create_bucket(Bucket=bucket)
    with open(given["model"], "rb") as file:
        s3.put_object(Bucket="ins", Key="model.onnx", Body=file.read())
    s3.put_object(Bucket="ins", Key="row.csv", Body=ROW, ContentType="text/csv")
    container = {"Image": "penstock/onnx", "ModelDataUrl": "s3://ins/model.onnx"}
    sagemaker.create_model(ModelName="digits", PrimaryContainer=container, ExecutionRoleArn="arn:aws:iam::000000000000:role/role")
    config = {
        "OutputConfig": {"S3OutputPath": "s3://outs/answers", "S3FailurePath": "s3://fails/"},
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
    }
    sagemaker.create_endpoint_config(EndpointConfigName="later", ProductionVariants=[VARIANT], AsyncInferenceConfig=config)
    sagemaker.create_endpoint_config(EndpointConfigName="now", ProductionVariants=[VARIANT])
    for name in ("later", "now"):
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)
    same(sagemaker.describe_endpoint(EndpointName="later")["AsyncInferenceConfig"], config)


@check("an object is processed, and the response appears at its OutputLocation")
def _():
    answer = submit(Accept="application/json", InferenceId="mine", CustomAttributes="a=b")
    same(answer["ResponseMetadata"]["HTTPStatusCode"], 202)
    same(answer["InferenceId"], "mine")
    matches(answer["OutputLocation"], "s3://outs/answers/")
    matches(answer["FailureLocation"], "-error.out")
    body, content_type = fetched(answer["OutputLocation"])
    same(content_type, "application/json")
    same(len(json.loads(body)["predictions"]), 1)


@check("40 requests are each processed once")
def _():
    answers = [submit() for _ in range(40)]
    same(len({answer["OutputLocation"] for answer in answers}), 40)
    bodies = {fetched(answer["OutputLocation"])[0] for answer in answers}
    same(len(bodies), 1)


@check("failures are reported at FailureLocation")
def _():
    body, content_type = fetched(submit(InputLocation="s3://ins/nothing")["FailureLocation"])
    same(content_type, "application/json")
    matches(json.loads(body)["failureReason"], "s3://ins/nothing does not exist")
    s3.put_object(Bucket="ins", Key="bad.csv", Body="1,2,3", ContentType="text/csv")
    body, _ = fetched(submit(InputLocation="s3://ins/bad.csv")["FailureLocation"])
    same(json.loads(body)["code"], "invalid_request")


@check("an endpoint is either asynchronous or real-time")
def _():
    rejection = rejected(submit, EndpointName="now")
    same((rejection.status, rejection.code), (400, "ValidationError"))
    matches(rejection.message, "Endpoint now is not an asynchronous endpoint")
    rejection = rejected(runtime.invoke_endpoint, EndpointName="later", Body=ROW)
    same((rejection.status, rejection.code), (400, "ValidationError"))
    matches(rejection.message, "Endpoint later is an asynchronous endpoint")
    same(rejected(submit, EndpointName="missing").message, "Endpoint missing of account 000000000000 not found.")
    rejection = rejected(submit, InvocationTimeoutSeconds=4000)
    matches(rejection.message, "Member must have value less than or equal to 3600")
    rejection = rejected(submit, InputLocation="https://example.org/x")
    matches(rejection.message, "expected s3://BUCKET/KEY")


@check("backlog and processed requests have metrics")
def _():
    wanted = {"ApproximateBacklogSize", "HasBacklogWithoutCapacity", "TimeInBacklog", "TotalProcessingTime", "InvocationsProcessed", "RequestDownloadFailures"}
    until = time.monotonic() + 30
    while True:
        pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker", Dimensions=[{"Name": "EndpointName", "Value": "later"}])
        missing = wanted - {metric["MetricName"] for page in pages for metric in page["Metrics"]}
        if not missing:
            return
        assert time.monotonic() < until, f"no data of {missing}"
        time.sleep(0.5)


@check("without requests there are no instances, and the first request starts one")
def _():
    scaling.register_scalable_target(**TARGET, MinCapacity=0, MaxCapacity=2)
    scaling.register_scalable_target(**TARGET, MinCapacity=0, MaxCapacity=2)
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="later", DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
    )
    until = time.monotonic() + 100
    while sagemaker.describe_endpoint(EndpointName="later")["ProductionVariants"][0]["CurrentInstanceCount"] > 0:
        assert time.monotonic() < until, "the instances did not stop"
        time.sleep(0.2)
    fetched(submit()["OutputLocation"])
    same(sagemaker.describe_endpoint(EndpointName="later")["ProductionVariants"][0]["CurrentInstanceCount"], 1)
