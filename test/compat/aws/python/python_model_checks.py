"""Python models with boto3: a joblib file, and the four kinds of script mode. `given["folder"]` has the archives of python_archives.py."""

import json
import os

from botocore.exceptions import ClientError
from checks import check, client, given, holds, rejected, same

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ROLE = "arn:aws:iam::000000000000:role/any"
KINDS = ("joblib", "model", "predict", "bodies", "transform")
JSON, CSV = "application/json", "text/csv"
with open(os.path.join(given["folder"], "answers.json")) as file:
    answers = json.load(file)
CSV_ROWS = "\n".join(",".join(map(str, row)) for row in answers["rows"])
JSON_ROWS = json.dumps(answers["rows"])
s3, sagemaker, runtime = client("s3"), client("sagemaker"), client("sagemaker-runtime")


def invoke(kind, body, content_type, accept=JSON, **more):
    answer = runtime.invoke_endpoint(EndpointName="python", TargetVariant=kind, Body=body, ContentType=content_type, Accept=accept, **more)
    return answer["ContentType"], answer["Body"].read().decode()


def opened(call, **arguments):
    """Makes a call that waits 50 s for models to be opened, which on a busy machine can take longer."""
    for _ in range(4):
        try:
            return call(**arguments)
        except ClientError as error:
            if "still being opened" not in error.response["Error"]["Message"]:
                raise
    return call(**arguments)


@check("an archive of each kind becomes a Model under the name of AWS's image")
def _():
    s3.create_bucket(Bucket="python")
    for kind in KINDS:
        s3.upload_file(os.path.join(given["folder"], f"{kind}.tar.gz"), "python", f"{kind}/model.tar.gz")
    s3.upload_file(os.path.join(given["folder"], "scripts.tar.gz"), "python", "predict/sourcedir.tar.gz")
    variables = {
        "model": {},
        "predict": {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://python/predict/sourcedir.tar.gz"},
        "bodies": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
        "transform": {"ROWS": "rows"},
    }
    for kind, environment in variables.items():
        container = {"Image": SKLEARN, "ModelDataUrl": f"s3://python/{kind}/model.tar.gz", "Environment": environment}
        sagemaker.create_model(ModelName=kind, PrimaryContainer=container, ExecutionRoleArn=ROLE)


@check("a package is registered without running it, and becomes a Model once it is approved")
def _():
    sagemaker.create_model_package_group(ModelPackageGroupName="joblib")
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="joblib",
        InferenceSpecification={
            "Containers": [{"Image": SKLEARN, "ModelDataUrl": "s3://python/joblib/model.tar.gz"}],
            "SupportedContentTypes": [CSV],
            "SupportedResponseMIMETypes": [JSON],
        },
    )["ModelPackageArn"]
    container = {"ModelName": "joblib", "PrimaryContainer": {"ModelPackageName": arn}, "ExecutionRoleArn": ROLE}
    holds("is PendingManualApproval", rejected(sagemaker.create_model, **container).message)
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    opened(sagemaker.create_model, **container)
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    same((described["ModelPackageStatus"], described["ModelApprovalStatus"]), ("Completed", "Approved"))


@check("they are deployed, each as a variant of one endpoint")
def _():
    variants = [{"VariantName": kind, "ModelName": kind, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"} for kind in KINDS]
    opened(sagemaker.create_endpoint_config, EndpointConfigName="python", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="python", EndpointConfigName="python")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="python", WaiterConfig={"Delay": 1, "MaxAttempts": 200})


@check("the joblib file answers as scikit-learn does, bit for bit")
def _():
    predictions = [dict(zip(("label", "probabilities"), each)) for each in zip(answers["labels"], answers["probabilities"])]
    for body, content_type in ((CSV_ROWS, CSV), (JSON_ROWS, JSON)):
        got, body = invoke("joblib", body, content_type)
        same((got, json.loads(body)["predictions"]), (JSON, predictions))


@check("model_fn alone leaves decoding, predict and encoding to the container")
def _():
    for body, content_type in ((CSV_ROWS, CSV), (JSON_ROWS, JSON)):
        same(invoke("model", body, content_type), (JSON, json.dumps(answers["single_labels"])))
    same(invoke("model", CSV_ROWS, CSV, CSV), (CSV, "".join(f"{label}\n" for label in answers["single_labels"])))


@check("predict_fn, in scripts that were uploaded apart, gets decoded rows, and its result is encoded")
def _():
    content_type, body = invoke("predict", CSV_ROWS, CSV)
    same((content_type, json.loads(body)), (JSON, answers["single_probabilities"]))


@check("input_fn and output_fn decide bodies and content types")
def _():
    same(invoke("bodies", CSV_ROWS, CSV), ("text/plain", "".join(f"class {label};" for label in answers["labels"])))
    refused = rejected(runtime.invoke_endpoint, EndpointName="python", TargetVariant="bodies", Body=JSON_ROWS, ContentType=JSON)
    same((refused.code, refused.response["OriginalStatusCode"]), ("ModelError", 415))


@check("transform_fn gets the body as it is, and its variables")
def _():
    content_type, body = invoke("transform", json.dumps({"rows": answers["rows"]}), JSON)
    same((content_type, json.loads(body)), (JSON, answers["probabilities"]))
