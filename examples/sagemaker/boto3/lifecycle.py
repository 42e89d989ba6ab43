"""The life of a model by SageMaker's API, with boto3: upload, register, approve, deploy, invoke, update, scale, delete.

    eval "$(bin/penstock env)"
    python3 examples/sagemaker/boto3/lifecycle.py

The first line sets AWS_ENDPOINT_URL, a key and a region. Without AWS_ENDPOINT_URL the same script talks to AWS: the
archives are Triton's model repositories, the image is AWS's Triton image (Penstock serves it with its own ONNX worker),
and the requests are the Open Inference Protocol, which Triton speaks. On AWS set EXAMPLE_BUCKET and EXAMPLE_ROLE.
"""

import csv
import io
import json
import os
import pathlib
import tarfile
import threading

import boto3

CATALOGUE = pathlib.Path(__file__).resolve().parents[3] / "assets/catalogue"
MODELS = ["digits_logreg", "digits_mlp", "digits_cnn"]
IMAGE = "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:24.09-py3"
NAME = "example-digits"
BUCKET = os.environ.get("EXAMPLE_BUCKET", "example-digits")
SOON = {"Delay": 1, "MaxAttempts": 900}

s3, sagemaker, runtime = (boto3.client(service) for service in ("s3", "sagemaker", "sagemaker-runtime"))
scaling = boto3.client("application-autoscaling")
account = boto3.client("sts").get_caller_identity()["Account"]
role = os.environ.get("EXAMPLE_ROLE", f"arn:aws:iam::{account}:role/example")


def archive(model):
    """A model repository of Triton as SageMaker wants it: `digits/1/model.onnx` in a tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(CATALOGUE / f"{model}.onnx", "digits/1/model.onnx")
    return packed.getvalue()


def register(model):
    """A version of the group, which nobody has approved yet."""
    s3.put_object(Bucket=BUCKET, Key=f"{model}.tar.gz", Body=archive(model))
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/{model}.tar.gz",
        "Environment": {"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "digits"},
    }
    made = sagemaker.create_model_package(
        ModelPackageGroupName=NAME,
        ModelPackageDescription=model,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    return made["ModelPackageArn"]


def decide(version, status, why):
    sagemaker.update_model_package(ModelPackageArn=version, ModelApprovalStatus=status, ApprovalDescription=why)


def deployable(version):
    """A Model and an endpoint config for a version, of the same name."""
    name = f"{NAME}-{version.rsplit('/', 1)[1]}"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, Containers=[{"ModelPackageName": version}])
    variant = {"VariantName": "main", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.c5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], Tags=[{"Key": "penstock:objective", "Value": "p95=50ms"}]
    )
    return name


def predict(rows):
    """The digit of each row."""
    tensor = {"name": "pixels", "shape": [len(rows), 64], "datatype": "FP32", "data": rows}
    body = json.dumps({"inputs": [tensor], "outputs": [{"name": "label"}]})
    answer = runtime.invoke_endpoint(EndpointName=NAME, ContentType="application/json", Body=body)
    return json.load(answer["Body"])["outputs"][0]["data"]


def accuracy(rows, truth):
    found = predict(rows)
    return sum(label == true for label, true in zip(found, truth)) / len(truth)


def in_service():
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig=SOON)
    return sagemaker.describe_endpoint(EndpointName=NAME)


def update(config, row):
    """Updates the endpoint while somebody invokes it, and answers how many of those calls failed."""
    failures = []
    over = threading.Event()

    def invoke():
        while not over.is_set():
            try:
                predict([row])
            except Exception as error:
                failures.append(error)

    caller = threading.Thread(target=invoke)
    caller.start()
    try:
        sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=config)
        in_service()
    finally:
        over.set()
        caller.join()
    return failures


def scale_by_itself():
    """Between one and three instances, so that each gets no more than 1,000 calls a minute."""
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{NAME}/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    scaling.put_scaling_policy(
        **target,
        PolicyName="calls",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 1000, "PredefinedMetricSpecification": metric},
    )
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=target["ResourceId"])["ScalingPolicies"]
    scaling.deregister_scalable_target(**target)
    return [policy["PolicyName"] for policy in policies]


def remove(versions, configs):
    sagemaker.delete_endpoint(EndpointName=NAME)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=NAME, WaiterConfig=SOON)
    for config in configs:
        sagemaker.delete_endpoint_config(EndpointConfigName=config)
        sagemaker.delete_model(ModelName=config)
    for version in versions:
        sagemaker.delete_model_package(ModelPackageName=version)
    sagemaker.delete_model_package_group(ModelPackageGroupName=NAME)
    for model in MODELS:
        s3.delete_object(Bucket=BUCKET, Key=f"{model}.tar.gz")
    s3.delete_bucket(Bucket=BUCKET)


def main():
    with (CATALOGUE / "digits_test.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    truth = [int(line.pop("label")) for line in lines]
    rows = [[float(value) for value in line.values()] for line in lines]

    s3.create_bucket(Bucket=BUCKET)
    sagemaker.create_model_package_group(ModelPackageGroupName=NAME, ModelPackageGroupDescription="handwritten digits")
    versions = [register(model) for model in MODELS]
    decide(versions[0], "Approved", "the first that works")
    decide(versions[1], "Approved", "better")
    decide(versions[2], "Rejected", "larger, and hardly better")
    listed = sagemaker.list_model_packages(ModelPackageGroupName=NAME, SortBy="CreationTime", SortOrder="Ascending")
    for package in listed["ModelPackageSummaryList"]:
        print(f"version {package['ModelPackageVersion']}: {package['ModelPackageDescription']}, {package['ModelApprovalStatus']}")

    first = deployable(versions[0])
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=first)
    print("endpoint:", in_service()["EndpointStatus"])
    print(f"accuracy of version 1: {accuracy(rows, truth):.3f}")

    second = deployable(versions[1])
    failures = update(second, rows[0])
    print(f"calls that failed during the update: {len(failures)}")
    print(f"accuracy of version 2: {accuracy(rows, truth):.3f}")

    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=NAME, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 2}]
    )
    print("instances:", in_service()["ProductionVariants"][0]["CurrentInstanceCount"])
    print("scaling policies:", ", ".join(scale_by_itself()))

    remove(versions, [first, second])
    print("endpoints left:", len(sagemaker.list_endpoints(NameContains=NAME)["Endpoints"]))


if __name__ == "__main__":
    main()
