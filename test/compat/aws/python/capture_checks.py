"""Data capture configured and read by boto3. `given["model"]` is an ONNX file of digits."""

import json
import re
import time
import uuid
from datetime import datetime, timezone

from checks import check, client, given, holds, rejected, same

sagemaker = client("sagemaker")
runtime = client("sagemaker-runtime")
s3 = client("s3")
ROW = ",".join(["0"] * 64)
VARIANT = {"VariantName": "blue", "ModelName": "digits", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}


def config(name, **capture):
    whole = {"InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://captured/by/us", **capture}
    whole.setdefault("CaptureOptions", [{"CaptureMode": "InputAndOutput"}])
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[VARIANT], DataCaptureConfig=whole)


def lines(prefix="by/us/shop/blue/"):
    """Every line below the prefix with its key, oldest first."""
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="captured", Prefix=prefix):
        for each in page.get("Contents", []):
            text = s3.get_object(Bucket="captured", Key=each["Key"])["Body"].read().decode()
            assert text.endswith("\n"), "a file does not end with a newline"
            found += [(each["Key"], json.loads(line)) for line in text.splitlines()]
    return found


def wait_for(count):
    """Waits for `count` lines; files are written every ten seconds."""
    until = time.monotonic() + 20
    while len(lines()) < count and time.monotonic() < until:
        time.sleep(0.25)
    same(len(lines()), count)
    return lines()


def update(name):
    sagemaker.update_endpoint(EndpointName="shop", EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})


@check("an endpoint with a DataCaptureConfig describes status and percentage")
def _():
    s3.create_bucket(Bucket="models")
    s3.create_bucket(Bucket="captured")
    with open(given["model"], "rb") as file:
        s3.put_object(Bucket="models", Key="model.onnx", Body=file.read())
    sagemaker.create_model(ModelName="digits", PrimaryContainer={"Image": "penstock/onnx", "ModelDataUrl": "s3://models/model.onnx"})
    config("all")
    sagemaker.create_endpoint(EndpointName="shop", EndpointConfigName="all")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})
    capture = sagemaker.describe_endpoint(EndpointName="shop")["DataCaptureConfig"]
    same((capture["EnableCapture"], capture["CaptureStatus"], capture["CurrentSamplingPercentage"]), (True, "Started", 100))
    same(capture["DestinationS3Uri"], "s3://captured/by/us")


@check("at 100 % each call becomes one line in AWS's layout")
def _():
    begun = datetime.now(timezone.utc).replace(microsecond=0)
    answers = {}
    for i in range(25):
        answer = runtime.invoke_endpoint(EndpointName="shop", ContentType="text/csv", Body=ROW, InferenceId=f"call-{i}")
        answers[f"call-{i}"] = answer["Body"].read().decode()
    rejection = rejected(runtime.invoke_endpoint, EndpointName="shop", ContentType="text/csv", Body="1,2")
    same(rejection.status, 424)
    found = wait_for(25)
    for key, line in found:
        assert re.fullmatch(r"by/us/shop/blue/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", key), key
        same(sorted(line), ["captureData", "eventMetadata", "eventVersion"])
        same(line["eventVersion"], "0")
        meta = line["eventMetadata"]
        uuid.UUID(meta["eventId"])
        at = datetime.strptime(meta["inferenceTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        assert begun <= at <= datetime.now(timezone.utc), meta
        holds(at.strftime("%Y/%m/%d/%H"), key)
        data = line["captureData"]
        same(data["endpointInput"], {"observedContentType": "text/csv", "mode": "INPUT", "data": ROW, "encoding": "CSV"})
        same(data["endpointOutput"]["mode"], "OUTPUT")
        same(data["endpointOutput"]["encoding"], "CSV")
        same(data["endpointOutput"]["data"], answers.pop(meta["inferenceId"]))
    same(answers, {})


@check("only inputs are captured if configured, with the configured content types")
def _():
    types = {"CsvContentTypes": ["application/x-rows"], "JsonContentTypes": ["application/json"]}
    config("inputs", CaptureOptions=[{"CaptureMode": "Input"}], CaptureContentTypeHeader=types)
    update("inputs")
    body = json.dumps({"instances": [[0] * 64]})
    runtime.invoke_endpoint(EndpointName="shop", ContentType="application/json", Body=body)
    runtime.invoke_endpoint(EndpointName="shop", ContentType="text/csv", Body=ROW)
    fresh = [line for _, line in wait_for(27) if "endpointOutput" not in line["captureData"]]
    captured = sorted((line["captureData"]["endpointInput"]["encoding"], line["captureData"]["endpointInput"]["data"][:10]) for line in fresh)
    same(captured, [("BASE64", "MCwwLDAsMC"), ("JSON", body[:10])])
    assert all("inferenceId" not in line["eventMetadata"] for line in fresh), "no inference id was sent"


@check("nothing is captured at 0 % or while capture is disabled, and an update can enable it again")
def _():
    config("none", InitialSamplingPercentage=0)
    config("off", EnableCapture=False)
    for name, status in (("none", "Started"), ("off", "Stopped")):
        update(name)
        same(sagemaker.describe_endpoint(EndpointName="shop")["DataCaptureConfig"]["CaptureStatus"], status)
        for _ in range(5):
            runtime.invoke_endpoint(EndpointName="shop", ContentType="text/csv", Body=ROW)
    update("all")
    runtime.invoke_endpoint(EndpointName="shop", ContentType="text/csv", Body=ROW, InferenceId="last")
    ids = [line["eventMetadata"].get("inferenceId") for _, line in wait_for(28)]
    same(ids.count("last"), 1)


@check("a destination outside of this server's buckets is rejected")
def _():
    config("elsewhere", DestinationS3Uri="https://example.org/bucket")
    rejection = rejected(sagemaker.create_endpoint, EndpointName="elsewhere", EndpointConfigName="elsewhere")
    same(rejection.code, "ValidationException")
    holds("expected s3://BUCKET/PREFIX", rejection.message)
