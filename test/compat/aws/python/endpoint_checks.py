"""Endpoint configs and endpoints called by boto3, from a model file to predictions. `given["model"]` is an ONNX file of digits."""

import json
import time

from checks import check, client, given, rejected, same

sagemaker = client("sagemaker")
runtime = client("sagemaker-runtime")
s3 = client("s3")

PREFIX = "arn:aws:sagemaker:us-east-1:000000000000:"
INSTANCES = {"VariantName": "AllTraffic", "ModelName": "digits", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
SERVERLESS = {"VariantName": "AllTraffic", "ModelName": "digits", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 20,
    "DestinationS3Uri": "s3://models/capture",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
}
ROW = ",".join(["0"] * 64)


def sure(claim, why):
    assert claim, why


def seconds(run):
    begun = time.monotonic()
    run()
    return time.monotonic() - begun


waits = {}


def wait(waiter, endpoint):
    """Waiters poll at once and then every 30 s, so a short wait means that the first poll succeeded."""
    took = seconds(lambda: sagemaker.get_waiter(waiter).wait(EndpointName=endpoint))
    waits.setdefault(waiter, []).append(took)


def sure_of_first_poll(waiter):
    """The server holds a poll for two seconds. On a busy machine some changes take longer, but not each of them."""
    sure(min(waits[waiter]) < 20, f"{waiter} took {waits[waiter]} s")


def config(name, *variants, **more):
    return sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **more)


def second_after(moment):
    """Waits for the next whole second: boto3 sends times in seconds, so filters cannot distinguish earlier events."""
    while int(time.time()) <= int(moment.timestamp()):
        time.sleep(0.05)


def invoke(endpoint):
    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Accept="application/json", Body=ROW)
    return json.loads(answer["Body"].read())


@check("a config is created with tags, described as it was sent, and listed")
def _():
    s3.create_bucket(Bucket="models")
    with open(given["model"], "rb") as file:
        s3.put_object(Bucket="models", Key="model.onnx", Body=file.read())
    container = {"Image": "penstock/onnx", "ModelDataUrl": "s3://models/model.onnx"}
    sagemaker.create_model(ModelName="digits", PrimaryContainer=container, ExecutionRoleArn="arn:aws:iam::000000000000:role/role")
    made = config(
        "shop-1",
        {**INSTANCES, "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}},
        DataCaptureConfig=CAPTURE,
        Tags=[{"Key": "penstock:objective", "Value": "p95<=200ms"}],
    )
    same(made["EndpointConfigArn"], PREFIX + "endpoint-config/shop-1")
    shown = sagemaker.describe_endpoint_config(EndpointConfigName="shop-1")
    same(shown["ProductionVariants"][0]["InitialVariantWeight"], 1.0)
    same(shown["ProductionVariants"][0]["RoutingConfig"], {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"})
    same(shown["DataCaptureConfig"], CAPTURE)
    same(sagemaker.list_tags(ResourceArn=made["EndpointConfigArn"])["Tags"], [{"Key": "penstock:objective", "Value": "p95<=200ms"}])
    listed = sagemaker.list_endpoint_configs(NameContains="SHOP")["EndpointConfigs"]
    same([each["EndpointConfigName"] for each in listed], ["shop-1"])


@check("an endpoint is created and in service")
def _():
    made = sagemaker.create_endpoint(EndpointName="shop", EndpointConfigName="shop-1")
    same(made["EndpointArn"], PREFIX + "endpoint/shop")
    wait("endpoint_in_service", "shop")
    sure(len(invoke("shop")["predictions"]) == 1, "one row is answered by one")


@check("an endpoint is described with its running variants")
def _():
    shown = sagemaker.describe_endpoint(EndpointName="shop")
    same((shown["EndpointStatus"], shown["EndpointConfigName"]), ("InService", "shop-1"))
    variant = shown["ProductionVariants"][0]
    same((variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]), (1, 1))
    same((variant["CurrentWeight"], variant["DesiredWeight"]), (1.0, 1.0))
    same(variant["DeployedImages"][0]["SpecifiedImage"], "penstock/onnx")
    sure("@sha256:" in variant["DeployedImages"][0]["ResolvedImage"], "the image has a digest")
    same(shown["DataCaptureConfig"]["CaptureStatus"], "Started")
    sure(shown["CreationTime"].tzinfo is not None, "times are times")


@check("an update replaces the served config")
def _():
    config("shop-2", {**INSTANCES, "InitialInstanceCount": 2, "InitialVariantWeight": 3})
    sagemaker.update_endpoint(EndpointName="shop", EndpointConfigName="shop-2")
    wait("endpoint_in_service", "shop")
    shown = sagemaker.describe_endpoint(EndpointName="shop")
    same((shown["EndpointConfigName"], shown["ProductionVariants"][0]["CurrentInstanceCount"]), ("shop-2", 2))
    sure("DataCaptureConfig" not in shown and "PendingDeploymentSummary" not in shown, "members of the old config remain")


@check("weights and capacities change")
def _():
    change = [{"VariantName": "AllTraffic", "DesiredWeight": 0.5, "DesiredInstanceCount": 1}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName="shop", DesiredWeightsAndCapacities=change)
    wait("endpoint_in_service", "shop")
    variant = sagemaker.describe_endpoint(EndpointName="shop")["ProductionVariants"][0]
    same((variant["CurrentWeight"], variant["DesiredInstanceCount"]), (0.5, 1))
    sure(len(invoke("shop")["predictions"]) == 1, "it does not answer")


@check("with zero instances a request waits for a cold start")
def _():
    change = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName="shop", DesiredWeightsAndCapacities=change)
    for _ in range(50):
        variant = sagemaker.describe_endpoint(EndpointName="shop")["ProductionVariants"][0]
        if variant["CurrentInstanceCount"] == 0:
            break
        time.sleep(0.1)
    same((variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]), (0, 0))
    answers = []
    took = seconds(lambda: answers.append(invoke("shop")))
    sure(len(answers[0]["predictions"]) == 1 and took < 5, f"it took {took:.1f} s")


@check("a serverless endpoint is created, described by its memory, and answers")
def _():
    second_after(sagemaker.describe_endpoint(EndpointName="shop")["CreationTime"])
    config("less", SERVERLESS)
    sagemaker.create_endpoint(EndpointName="less", EndpointConfigName="less")
    wait("endpoint_in_service", "less")
    sure(len(invoke("less")["predictions"]) == 1, "it does not answer")
    change = [{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 7, "ProvisionedConcurrency": 1}}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName="less", DesiredWeightsAndCapacities=change)
    wait("endpoint_in_service", "less")
    shown = sagemaker.describe_endpoint(EndpointName="less")["ProductionVariants"][0]["CurrentServerlessConfig"]
    same(shown, {"MemorySizeInMB": 2048, "MaxConcurrency": 7, "ProvisionedConcurrency": 1})


@check("endpoints are listed by status, name and time, page by page")
def _():
    pages = sagemaker.get_paginator("list_endpoints").paginate(SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 1})
    same([each["EndpointName"] for page in pages for each in page["Endpoints"]], ["less", "shop"])
    same(len(sagemaker.list_endpoints(StatusEquals="InService")["Endpoints"]), 2)
    same(sagemaker.list_endpoints(StatusEquals="Failed")["Endpoints"], [])
    first = sagemaker.list_endpoints(MaxResults=1)["Endpoints"][0]
    same(first["EndpointName"], "less")
    later = sagemaker.list_endpoints(CreationTimeBefore=first["CreationTime"])["Endpoints"]
    same([each["EndpointName"] for each in later], ["shop"])


@check("invalid calls are rejected with AWS's own messages")
def _():
    for name, call, message in [
        ("missing", lambda: rejected(sagemaker.describe_endpoint, EndpointName="none"), f'Could not find endpoint "{PREFIX}endpoint/none".'),
        (
            "taken",
            lambda: rejected(sagemaker.create_endpoint, EndpointName="Shop", EndpointConfigName="shop-1"),
            f'Cannot create already existing endpoint "{PREFIX}endpoint/shop".',
        ),
        (
            "no config",
            lambda: rejected(sagemaker.create_endpoint, EndpointName="new", EndpointConfigName="none"),
            f'Could not find endpoint configuration "{PREFIX}endpoint-config/none".',
        ),
        (
            "config taken",
            lambda: rejected(sagemaker.create_endpoint_config, EndpointConfigName="shop-1", ProductionVariants=[INSTANCES]),
            f'Cannot create already existing endpoint configuration "{PREFIX}endpoint-config/shop-1".',
        ),
        (
            "no model",
            lambda: rejected(
                sagemaker.create_endpoint_config, EndpointConfigName="new", ProductionVariants=[{**INSTANCES, "ModelName": "none"}]
            ),
            f'Could not find model "{PREFIX}model/none".',
        ),
    ]:
        rejection = call()
        same((name, rejection.status, rejection.code, rejection.message), (name, 400, "ValidationException", message))


@check("an endpoint in service is seen at the waiter's first poll")
def _():
    sure_of_first_poll("endpoint_in_service")


@check("a deleted endpoint disappears, at the waiter's first poll")
def _():
    sagemaker.delete_endpoint_config(EndpointConfigName="shop-2")
    for endpoint in ["shop", "less"]:
        sagemaker.delete_endpoint(EndpointName=endpoint)
        wait("endpoint_deleted", endpoint)
    sure_of_first_poll("endpoint_deleted")
    same(sagemaker.list_endpoints()["Endpoints"], [])
    missing = rejected(runtime.invoke_endpoint, EndpointName="shop", ContentType="text/csv", Body=ROW)
    same((missing.code, missing.message), ("ValidationError", "Endpoint shop of account 000000000000 not found."))
