"""Multi-model endpoints with boto3. `given["model"]` is an ONNX file of digits, `given["other"]` one of another task. `given["deployer"]` is
a key that may not approve, `given["approver"]` one that may and that is revoked at the end, by DELETE of `given["revoke"]`."""

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import boto3
from botocore.exceptions import ClientError
from checks import check, client, given, holds, rejected, same

sagemaker = client("sagemaker")
runtime = client("sagemaker-runtime", max_pool_connections=50)
cloudwatch = client("cloudwatch")
s3 = client("s3")
ROW = ",".join(["0"] * 64)
MODELS = 3  # that the memory of the instance type holds, see the test
VARIANT = {"VariantName": "all", "ModelName": "shop", "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
DIGITS = open(given["model"], "rb").read()
OTHER = open(given["other"], "rb").read()


def s3_of(key):
    """S3 for another key of the server."""
    identity, secret = given[key].split(":")
    return boto3.client("s3", aws_access_key_id=identity, aws_secret_access_key=secret)


def invoke(target, body=ROW, endpoint="shop"):
    more = {} if target is None else {"TargetModel": target}
    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Accept="application/json", Body=body, **more)
    return json.loads(answer["Body"].read())["predictions"]


def refused(target, **more):
    try:
        raise AssertionError(f"{target} was served: {invoke(target, **more)}")
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]


def metric(name, statistic, namespace="AWS/SageMaker"):
    now = datetime.now(timezone.utc)
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": "EndpointName", "Value": "shop"}, {"Name": "VariantName", "Value": "all"}],
        Period=3600,
        Statistics=[statistic],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
    )["Datapoints"]
    values = [point[statistic] for point in points]
    return max(values, default=0) if statistic == "Maximum" else sum(values)


def until(question, within=60):
    begun = time.monotonic()
    while not (answer := question()):
        assert time.monotonic() - begun < within, f"not within {within} s: {answer!r}"
        time.sleep(0.2)
    return answer


@check("a model of the mode MultiModel refers to a folder, which may still be empty, and is deployed")
def _():
    s3.create_bucket(Bucket="models")
    container = {
        "Image": "penstock/onnx",
        "Mode": "MultiModel",
        "ModelDataUrl": "s3://models/shop",
        "MultiModelConfig": {"ModelCacheSetting": "Enabled"},
    }
    sagemaker.create_model(ModelName="shop", PrimaryContainer=container)
    same(sagemaker.describe_model(ModelName="shop")["PrimaryContainer"], {**container, "Environment": {}})
    sagemaker.create_endpoint_config(EndpointConfigName="shop", ProductionVariants=[VARIANT])
    sagemaker.create_endpoint(EndpointName="shop", EndpointConfigName="shop")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})


@check("each object is loaded on its first request, and answers as a model of its own")
def _():
    s3.put_object(Bucket="models", Key="shop/digits.onnx", Body=DIGITS)
    s3.put_object(Bucket="models", Key="shop/eu/other.onnx", Body=OTHER)
    same(len(invoke("digits.onnx")), 1)
    code, message = refused("eu/other.onnx")
    same(code, "ModelError")
    holds("400", message)
    same(len(invoke("eu/other.onnx", "1,2,3,4")), 1)
    same(len(invoke("digits.onnx")), 1)
    until(lambda: metric("ModelCacheHit", "SampleCount") == 4 and metric("ModelCacheHit", "Sum") == 2)
    for name in ("ModelDownloadingTime", "ModelLoadingTime", "ModelLoadingWaitTime", "ModelSetupTime"):
        until(lambda: metric(name, "SampleCount") == 2)
    same(metric("LoadedModelCount", "Maximum", "/aws/sagemaker/Endpoints"), 2)


@check("a request without TargetModel, or with one that does not exist or leads out of the folder, is a ValidationError")
def _():
    s3.put_object(Bucket="models", Key="secret.onnx", Body=DIGITS)
    s3.put_object(Bucket="models", Key="shop-private/a.onnx", Body=DIGITS)
    for target in (None, "missing.onnx", "../secret.onnx", "eu/../../secret.onnx", "/digits.onnx", "-private/a.onnx", "eu//other.onnx", "a\\b"):
        same((target, refused(target)[0]), (target, "ValidationError"))


@check("an object of a key that may not approve is refused, unless an approved version has its bytes")
def _():
    theirs = s3_of("deployer")
    theirs.put_object(Bucket="models", Key="shop/theirs.onnx", Body=DIGITS)
    code, message = refused("theirs.onnx")
    same(code, "ModelError")
    holds("403", message)
    holds("may not approve models, and no Approved version has its sha256", message)
    sagemaker.create_model_package_group(ModelPackageGroupName="gate")
    s3.put_object(Bucket="models", Key="gate.onnx", Body=DIGITS)
    made = sagemaker.create_model_package(
        ModelPackageGroupName="gate",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": "penstock/onnx", "ModelDataUrl": "s3://models/gate.onnx"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    until(lambda: len(served("theirs.onnx")) == 1)
    sagemaker.update_model_package(ModelPackageArn=made, ModelApprovalStatus="Rejected")
    until(lambda: served("theirs.onnx") == [])


def served(target):
    """The predictions; none while the object is refused. A decision is valid for some seconds."""
    try:
        return invoke(target)
    except ClientError:
        return []


@check("a copy counts as written by the key that copies, and an upload by several keys as written by none")
def _():
    theirs = s3_of("deployer")
    theirs.copy_object(Bucket="models", Key="shop/copied.onnx", CopySource="models/shop/digits.onnx")
    same(refused("copied.onnx")[0], "ModelError")
    name = {"Bucket": "models", "Key": "shop/parts.onnx"}
    upload = {**name, "UploadId": s3.create_multipart_upload(**name)["UploadId"]}
    part = theirs.upload_part(**upload, PartNumber=1, Body=DIGITS)["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    code, message = refused("parts.onnx")
    same(code, "ModelError")
    holds("by no key alone", message)


@check("an overwritten object is checked and loaded again")
def _():
    s3.put_object(Bucket="models", Key="shop/changed.onnx", Body=DIGITS)
    same(len(invoke("changed.onnx")), 1)
    s3_of("deployer").put_object(Bucket="models", Key="shop/changed.onnx", Body=OTHER)
    until(lambda: served("changed.onnx") == [])
    holds("may not approve", refused("changed.onnx", body="1,2,3,4")[1])
    s3.put_object(Bucket="models", Key="shop/changed.onnx", Body=OTHER)
    until(lambda: served_other("changed.onnx"))


def served_other(target):
    try:
        return invoke(target, "1,2,3,4")
    except ClientError:
        return []


@check("a broken, an empty and a too large object are ModelErrors, and the endpoint serves on")
def _():
    s3.put_object(Bucket="models", Key="shop/broken.onnx", Body=b"not a model")
    s3.put_object(Bucket="models", Key="shop/empty.onnx", Body=b"")
    s3.put_object(Bucket="models", Key="shop/large.onnx", Body=bytes(200 * 2**20))
    for target, expected in (("broken.onnx", "cannot be served"), ("empty.onnx", "cannot be served"), ("large.onnx", "MiB, the instances")):
        code, message = refused(target)
        same(code, "ModelError")
        holds(expected, message)
    same(len(invoke("digits.onnx")), 1)


@check("more models than the memory holds evict the least recently used one")
def _():
    for i in range(MODELS + 2):
        s3.put_object(Bucket="models", Key=f"shop/many/{i}.onnx", Body=DIGITS)
    for i in range(MODELS + 2):
        same(len(invoke(f"many/{i}.onnx")), 1)
    until(lambda: metric("ModelUnloadingTime", "SampleCount") >= 2)
    same(metric("LoadedModelCount", "Maximum", "/aws/sagemaker/Endpoints"), MODELS)


@check("many targets at once are all answered, or told to retry")
def _():
    def one(i):
        try:
            return len(invoke(f"many/{i % (MODELS + 2)}.onnx"))
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(one, range(80)))
    assert set(found) <= {1, "ModelNotReadyException", "ThrottlingException"}, set(found)
    assert found.count(1) >= 40, found
    same(len(invoke("digits.onnx")), 1)


@check("hundreds of targets that do not exist are refused, and the others are served on")
def _():
    with ThreadPoolExecutor(40) as pool:
        same(set(pool.map(lambda i: refused(f"no/{i}.onnx")[0], range(200))), {"ValidationError"})
    same(len(invoke("digits.onnx")), 1)


@check("a writer whose key is revoked is no longer served")
def _():
    s3_of("approver").put_object(Bucket="models", Key="shop/revoked.onnx", Body=OTHER)
    same(len(served_other("revoked.onnx")), 1)
    urllib.request.urlopen(urllib.request.Request(given["revoke"], method="DELETE"))
    until(lambda: served_other("revoked.onnx") == [])
    holds("may not approve", refused("revoked.onnx", body="1,2,3,4")[1])


@check("without a cache a model is unloaded after its request")
def _():
    container = {
        "Image": "penstock/onnx",
        "Mode": "MultiModel",
        "ModelDataUrl": "s3://models/shop/",
        "MultiModelConfig": {"ModelCacheSetting": "Disabled"},
    }
    sagemaker.create_model(ModelName="once", PrimaryContainer=container)
    sagemaker.create_endpoint_config(EndpointConfigName="once", ProductionVariants=[{**VARIANT, "ModelName": "once"}])
    sagemaker.update_endpoint(EndpointName="shop", EndpointConfigName="once")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="shop", WaiterConfig={"Delay": 1})
    before = metric("ModelCacheHit", "Sum")
    for _each in range(2):
        same(len(invoke("digits.onnx")), 1)
        time.sleep(0.5)
    until(lambda: metric("ModelCacheHit", "SampleCount") > 0)
    same(metric("ModelCacheHit", "Sum"), before)


@check("a process image, a file instead of a folder, serverless and shadow variants are rejected")
def _():
    many = {"Image": "penstock/onnx", "Mode": "MultiModel", "ModelDataUrl": "s3://models/shop/"}
    for container, expected in (
        ({**many, "Image": "team/process"}, "requires an image of the built-in worker"),
        ({**many, "ModelDataUrl": "s3://models/shop/digits.onnx"}, "of a folder"),
        ({**many, "ModelDataUrl": "s3://nowhere/shop/"}, "Could not find model data"),
    ):
        error = rejected(sagemaker.create_model, ModelName="no", PrimaryContainer=container)
        same(error.code, "ValidationException")
        holds(expected, error.message)
    serverless = {"VariantName": "all", "ModelName": "shop", "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    asynchronous = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://models/out"}}}
    for variant, more in ((serverless, {}), (VARIANT, {"ShadowProductionVariants": [{**VARIANT, "VariantName": "b"}]}), (VARIANT, asynchronous)):
        error = rejected(sagemaker.create_endpoint_config, EndpointConfigName="no", ProductionVariants=[variant], **more)
        same(error.code, "ValidationException")
        holds("MultiModel", error.message)
