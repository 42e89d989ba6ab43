"""The SageMaker Python SDK 3: ModelBuilder builds, deploys and registers. `given["model"]` is an ONNX file of 64 features."""

import os

import boto3
from checks import check, client, given, holds, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
from sagemaker.core.helper.session_helper import Session  # noqa: E402
from sagemaker.serve.model_builder import ModelBuilder  # noqa: E402

ROWS = "\n".join(",".join("0" for _ in range(64)) for _ in range(2))
session = Session(default_bucket="sdk3")
state = {}


def built(name, session, **more):
    builder = ModelBuilder(image_uri="penstock/onnx", s3_model_data_url=state["url"], sagemaker_session=session, instance_type="ml.m5.large", **more)
    return builder, builder.build(model_name=name)


@check("a file is uploaded to a bucket that is created for it")
def _():
    state["url"] = session.upload_data(given["model"], key_prefix="models")
    same(state["url"].split("/")[2:4], ["sdk3", "models"])


@check("ModelBuilder resolves a role by its name and builds a Model")
def _():
    state["builder"], model = built("sdk3-digits", session, role_arn="any")
    same(state["builder"].role_arn, "arn:aws:iam::000000000000:role/any")
    same(client("sagemaker").describe_model(ModelName=model.model_name)["ExecutionRoleArn"], state["builder"].role_arn)


@check("it deploys the Model to an endpoint, which answers")
def _():
    # With wait=True the SDK sleeps 30 s before it looks the first time.
    endpoint = state["builder"].deploy(endpoint_name="sdk3", instance_type="ml.m5.large", initial_instance_count=1, wait=False)
    answer = endpoint.invoke(body=ROWS, content_type="text/csv", accept="application/json")
    holds("predictions", answer.body.read().decode())
    same(answer.invoked_production_variant, "AllTraffic")


@check("it registers the Model as an approved package")
def _():
    arn = state["builder"].register(
        model_package_group_name="sdk3",
        content_types=["text/csv"],
        response_types=["application/json"],
        approval_status="Approved",
    )
    package = client("sagemaker").describe_model_package(ModelPackageName=str(getattr(arn, "model_package_arn", arn)))
    same((package["ModelPackageVersion"], package["ModelApprovalStatus"]), (1, "Approved"))


@check("without a role it uses that of the session which it runs in")
def _():
    issued = client("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/notebook", RoleSessionName="me")["Credentials"]
    assumed = boto3.session.Session(
        aws_access_key_id=issued["AccessKeyId"],
        aws_secret_access_key=issued["SecretAccessKey"],
        aws_session_token=issued["SessionToken"],
        region_name="us-east-1",
    )
    builder, _ = built("sdk3-assumed", Session(boto_session=assumed, default_bucket="sdk3"))
    same(builder.role_arn, "arn:aws:iam::000000000000:role/notebook")
