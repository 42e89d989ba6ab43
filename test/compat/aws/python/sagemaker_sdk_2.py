"""The SageMaker Python SDK 2: Model and Transformer. `given["model"]` is an ONNX file of 64 features."""

import contextlib
import io
import os

from checks import check, client, given, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
import sagemaker  # noqa: E402
from sagemaker.deserializers import JSONDeserializer  # noqa: E402
from sagemaker.model import Model  # noqa: E402
from sagemaker.multidatamodel import MultiDataModel  # noqa: E402
from sagemaker.predictor import Predictor  # noqa: E402
from sagemaker.serializers import CSVSerializer  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/any"
session = sagemaker.Session(default_bucket="sdk2")
state = {}


@check("a model is uploaded, deployed and predicts")
def _():
    state["url"] = session.upload_data(given["model"], key_prefix="models")
    model = Model(image_uri="penstock/onnx", model_data=state["url"], role=ROLE, predictor_cls=Predictor, sagemaker_session=session, name="sdk2")
    predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name="sdk2", wait=False)
    predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
    same(len(predictor.predict([[0] * 64] * 3)["predictions"]), 3)
    predictor.delete_endpoint()


@check("a multi-model endpoint gets models after it was deployed, lists them and predicts with each")
def _():
    many = MultiDataModel(
        name="many", model_data_prefix="s3://sdk2/many/", image_uri="penstock/onnx", role=ROLE, predictor_cls=Predictor, sagemaker_session=session
    )
    predictor = many.deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name="many", wait=False)
    predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
    for name in ("a.onnx", "eu/b.onnx"):
        many.add_model(model_data_source=given["model"], model_data_path=name)
    same(sorted(many.list_models()), ["a.onnx", "eu/b.onnx"])
    for name in many.list_models():
        same(len(predictor.predict([[0] * 64] * 2, target_model=name)["predictions"]), 2)
    predictor.delete_endpoint()


@check("it is registered as an approved package")
def _():
    model = Model(image_uri="penstock/onnx", model_data=state["url"], role=ROLE, sagemaker_session=session)
    package = model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="sdk2",
        approval_status="Approved",
    )
    described = client("sagemaker").describe_model_package(ModelPackageName=package.model_package_arn)
    same(described["ModelApprovalStatus"], "Approved")


@check("a transform is followed by its log, which shows each line once")
def _():
    client("s3").put_object(Bucket="sdk2", Key="in/rows.csv", Body="\n".join(",".join("0" for _ in range(64)) for _ in range(3)))
    transformer = sagemaker.transformer.Transformer(
        model_name="sdk2", instance_count=1, instance_type="ml.m5.large", output_path="s3://sdk2/out", sagemaker_session=session
    )
    transformer.transform("s3://sdk2/in/", content_type="text/csv", split_type="Line", job_name="sdk2-job", wait=False, logs=False)
    client("sagemaker").get_waiter("transform_job_completed_or_stopped").wait(TransformJobName="sdk2-job")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        session.logs_for_transform_job("sdk2-job", wait=False)
    lines = [line for line in printed.getvalue().splitlines() if line.strip() not in ("", "\x1b[0m")]
    same(len(lines) > 0, True)
    same(len(lines), len(set(lines)))
    streams = client("logs").describe_log_streams(logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix="sdk2-job/")["logStreams"]
    same(len(streams), 1)
