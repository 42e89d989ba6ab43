"""Model selection by boto3: tags that select, what answered, model quality of packages, and inference recommendation jobs."""

import json
import time

from checks import check, client, rejected

sagemaker = client("sagemaker")
runtime = client("sagemaker-runtime")
s3 = client("s3")
row = ",".join(["0"] * 64)
tags = [
    {"Key": "penstock:objective", "Value": "p95=60000ms"},
    {"Key": "penstock:select", "Value": "digits-logreg digits-mlp digits-cnn"},
    {"Key": "penstock:accuracy", "Value": "0.97"},
    {"Key": "penstock:minimize", "Value": "cost"},
    {"Key": "penstock:evaluation", "Value": "holdout"},
]
package = "arn:aws:sagemaker:us-east-1:000000000000:model-package/%s/1"


def configure(name, config_tags, model="digits-mlp-1", **more):
    variant = {"VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**variant, **more}], Tags=config_tags)


def create(name, config):
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def invoke(name, **more):
    answer = runtime.invoke_endpoint(EndpointName=name, Body=f"{row}\n{row}", ContentType="text/csv", **more)
    return answer


@check("tags of the endpoint config let Penstock select the model, and the answer names it")
def _():
    configure("selected", tags)
    create("selected", "selected")
    described = sagemaker.describe_endpoint(EndpointName="selected")
    assert [variant["VariantName"] for variant in described["ProductionVariants"]] == ["AllTraffic"]
    answer = invoke("selected")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert "penstock-model=digits-cnn/1:2" in answer["CustomAttributes"], answer["CustomAttributes"]
    assert len(answer["Body"].read().splitlines()) == 2
    answer = invoke("selected", TargetVariant="AllTraffic")
    assert answer["InvokedProductionVariant"] == "AllTraffic"


@check("an update with the same model keeps the selection, and one with another model ends it")
def _():
    configure("more", [], InitialVariantWeight=2)
    sagemaker.update_endpoint(EndpointName="selected", EndpointConfigName="more")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="selected", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert "penstock-model=digits-cnn/1:2" in invoke("selected")["CustomAttributes"]
    configure("logreg", [], model="digits-logreg-1")
    sagemaker.update_endpoint(EndpointName="selected", EndpointConfigName="logreg")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="selected", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert "penstock-model" not in invoke("selected").get("CustomAttributes", "")
    configure("again", tags)
    sagemaker.update_endpoint(EndpointName="selected", EndpointConfigName="again")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="selected", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert "penstock-model=digits-cnn/1:2" in invoke("selected")["CustomAttributes"]


@check("a selection that cannot be proven, or whose tags are incomplete, is rejected with the reason")
def _():
    error = rejected(configure, name="half", config_tags=tags[:2])
    assert error.code == "ValidationException" and "penstock:accuracy, penstock:evaluation is missing" in error.message, error
    for name, changed, reason in (
        ("high", {"penstock:accuracy": "0.999"}, "is not certified"),
        ("unknown", {"penstock:evaluation": "none"}, "none"),
        ("elsewhere", {"penstock:select": "digits-logreg digits-cnn"}, "invalid reference"),
    ):
        configure(name, [{"Key": tag["Key"], "Value": changed.get(tag["Key"], tag["Value"])} for tag in tags])
        error = rejected(sagemaker.create_endpoint, EndpointName=name, EndpointConfigName=name)
        assert error.status == 400 and reason in error.message, error


@check("an evaluated package has the quality that was measured")
def _():
    described = sagemaker.describe_model_package(ModelPackageName=package % "digits-mlp")
    statistics = described["ModelMetrics"]["ModelQuality"]["Statistics"]
    assert statistics["ContentType"] == "application/json", statistics
    bucket, _, key = statistics["S3Uri"].removeprefix("s3://").partition("/")
    report = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])["multiclass_classification_metrics"]
    assert round(450 * (1 - report["accuracy"]["value"])) == 10, report["accuracy"]
    assert 0.9 < report["weighted_f1"]["value"] < 1
    rights = sum(report["confusion_matrix"][label][label] for label in report["confusion_matrix"])
    assert rights == 440, rights


@check("a recommendation job is complete within 2 seconds, the cheapest configuration first")
def _():
    started = time.monotonic()
    arn = sagemaker.create_inference_recommendations_job(
        JobName="advice",
        JobType="Default",
        RoleArn="arn:aws:iam::000000000000:role/penstock",
        InputConfig={"ModelPackageVersionArn": package % "digits-mlp"},
        StoppingConditions={"ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 60000}]},
    )["JobArn"]
    assert arn.endswith(":inference-recommendations-job/advice"), arn
    job = sagemaker.describe_inference_recommendations_job(JobName="advice")
    while job["Status"] == "IN_PROGRESS":
        assert time.monotonic() - started < 60
        job = sagemaker.describe_inference_recommendations_job(JobName="advice")
    assert job["Status"] == "COMPLETED" and job["JobArn"] == arn, job
    costs = [each["Metrics"]["CostPerHour"] for each in job["InferenceRecommendations"]]
    assert 0 < len(costs) <= 10 and costs == sorted(costs), costs
    for each in job["InferenceRecommendations"]:
        configuration, metrics = each["EndpointConfiguration"], each["Metrics"]
        assert configuration["EndpointName"].startswith("sm-epc-") and configuration["VariantName"] == "AllTraffic", configuration
        assert ("InstanceType" in configuration) != ("ServerlessConfig" in configuration), configuration
        assert metrics["MaxInvocations"] > 0 and metrics["ModelLatency"] > 0, metrics
    steps = sagemaker.list_inference_recommendations_job_steps(JobName="advice")["Steps"]
    assert len(steps) >= len(costs) and {step["StepType"] for step in steps} == {"BENCHMARK"}, steps
    jobs = sagemaker.list_inference_recommendations_jobs(StatusEquals="COMPLETED", SortBy="Name", NameContains="adv")
    assert [each["JobName"] for each in jobs["InferenceRecommendationsJobs"]] == ["advice"], jobs
    error = rejected(sagemaker.stop_inference_recommendations_job, JobName="advice")
    assert error.code == "ValidationException", error
