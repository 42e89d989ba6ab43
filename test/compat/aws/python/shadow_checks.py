"""Shadow variants with boto3. `given["model"]` is an ONNX file of digits, `given["other"]` one of another task, with other inputs."""

import json
import time
from datetime import datetime, timedelta, timezone

from checks import check, client, given, holds, rejected, same

sagemaker = client("sagemaker")
runtime = client("sagemaker-runtime")
cloudwatch = client("cloudwatch")
s3 = client("s3")
ROW = ",".join(["0"] * 64)
LIVE = {"VariantName": "live", "ModelName": "digits", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
SHADOW = {**LIVE, "VariantName": "shadow"}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://captured",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
}


def until(question, wanted, within=60):
    begun = time.monotonic()
    while (answer := question()) != wanted:
        assert time.monotonic() - begun < within, f"expected {wanted!r} within {within} s, got {answer!r}"
        time.sleep(0.25)


def metric(variant, name):
    now = datetime.now(timezone.utc)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=[{"Name": "EndpointName", "Value": "shop"}, {"Name": "VariantName", "Value": variant}],
        Period=3600,
        Statistics=["Sum"],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
    )["Datapoints"]
    return round(sum(point["Sum"] for point in points))


def captured(variant):
    """Every captured call of a variant, by the id of its inference."""
    found = {}
    for each in s3.list_objects_v2(Bucket="captured", Prefix=f"shop/{variant}/").get("Contents", []):
        for line in s3.get_object(Bucket="captured", Key=each["Key"])["Body"].read().decode().splitlines():
            call = json.loads(line)
            found[call["eventMetadata"]["inferenceId"]] = call["captureData"]
    return found


def invoke(**more):
    answer = runtime.invoke_endpoint(EndpointName="shop", ContentType="text/csv", Body=ROW, **more)
    return answer["InvokedProductionVariant"]


def model(name, path):
    with open(path, "rb") as file:
        s3.put_object(Bucket="models", Key=f"{name}.onnx", Body=file.read())
    container = {"Image": "penstock/onnx", "ModelDataUrl": f"s3://models/{name}.onnx"}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container)


def update(name, shadows):
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[LIVE], ShadowProductionVariants=shadows)
    sagemaker.update_endpoint(EndpointName="shop", EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})


@check("an endpoint with a shadow variant describes it beside the production variant")
def _():
    s3.create_bucket(Bucket="models")
    s3.create_bucket(Bucket="captured")
    model("digits", given["model"])
    sagemaker.create_endpoint_config(
        EndpointConfigName="copied", ProductionVariants=[LIVE], ShadowProductionVariants=[SHADOW], DataCaptureConfig=CAPTURE
    )
    config = sagemaker.describe_endpoint_config(EndpointConfigName="copied")
    same(config["ShadowProductionVariants"], [{**SHADOW, "InitialVariantWeight": 1.0}])
    sagemaker.create_endpoint(EndpointName="shop", EndpointConfigName="copied")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})
    described = sagemaker.describe_endpoint(EndpointName="shop")
    [live], [shadow] = described["ProductionVariants"], described["ShadowProductionVariants"]
    same((live["VariantName"], shadow["VariantName"], shadow["CurrentWeight"]), ("live", "shadow", 1.0))
    holds("penstock/onnx", shadow["DeployedImages"][0]["SpecifiedImage"])
    until(lambda: sagemaker.describe_endpoint(EndpointName="shop")["ShadowProductionVariants"][0]["CurrentInstanceCount"], 1)


@check("every request is answered by the production variant and copied: metrics and captures of both are apart")
def _():
    same({invoke(InferenceId=f"call-{i}") for i in range(20)}, {"live"})
    until(lambda: metric("shadow", "Invocations"), 20)
    same(metric("live", "Invocations"), 20)
    until(lambda: len(captured("shadow")), 20)
    until(lambda: len(captured("live")), 20)
    live, shadow = captured("live"), captured("shadow")
    same(set(shadow), {f"call-{i}" for i in range(20)})
    same(shadow, live)


@check("a shadow cannot be invoked by its name")
def _():
    error = rejected(runtime.invoke_endpoint, EndpointName="shop", TargetVariant="shadow", ContentType="text/csv", Body=ROW)
    same(error.code, "ValidationError")
    holds("expected one of live", error.message)


@check("a shadow of weight 0 receives nothing, and one of half the weight half of the requests")
def _():
    change = [{"VariantName": "shadow", "DesiredWeight": 0}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName="shop", DesiredWeightsAndCapacities=change)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})
    for _each in range(20):
        invoke()
    until(lambda: metric("live", "Invocations"), 40)
    same(metric("shadow", "Invocations"), 20)
    change = [{"VariantName": "live", "DesiredWeight": 3}, {"VariantName": "shadow", "DesiredWeight": 1.5}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName="shop", DesiredWeightsAndCapacities=change)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})
    for _each in range(100):
        invoke()
    until(lambda: metric("live", "Invocations"), 140)
    # 4 standard deviations of a binomial distribution with n = 100 and p = 0.5.
    until(lambda: 30 <= metric("shadow", "Invocations") - 20 <= 70, True)


@check("a shadow that rejects every copy changes no answer, and the failures are counted as its own")
def _():
    model("other", given["other"])
    update("unfit", [{**SHADOW, "VariantName": "unfit", "ModelName": "other"}])
    same({invoke() for _each in range(10)}, {"live"})
    until(lambda: metric("unfit", "Invocation4XXErrors"), 10)
    same(metric("live", "Invocation4XXErrors"), 0)


@check("more than one shadow or production variant is rejected, as are serverless and asynchronous endpoints")
def _():
    serverless = {"VariantName": "shadow", "ModelName": "digits", "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    asynchronous = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://captured/out"}}}
    for production, shadows, more in (
        ([LIVE], [SHADOW, {**SHADOW, "VariantName": "b"}], {}),
        ([LIVE, {**LIVE, "VariantName": "b"}], [SHADOW], {}),
        ([LIVE], [serverless], {}),
        ([LIVE], [SHADOW], asynchronous),
    ):
        error = rejected(
            sagemaker.create_endpoint_config,
            EndpointConfigName="no",
            ProductionVariants=production,
            ShadowProductionVariants=shadows,
            **more,
        )
        same(error.code, "ValidationException")
        holds("ShadowProductionVariants", error.message)


@check("the shadow can be removed")
def _():
    sagemaker.create_endpoint_config(EndpointConfigName="alone", ProductionVariants=[LIVE])
    sagemaker.update_endpoint(EndpointName="shop", EndpointConfigName="alone")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})
    assert "ShadowProductionVariants" not in sagemaker.describe_endpoint(EndpointName="shop")
    same(invoke(), "live")
