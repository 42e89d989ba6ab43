"""Tuning jobs created, awaited and read by boto3. Their script runs in the Python of this file under the name `python`."""

import io
import json
import tarfile
import time

from checks import check, client, holds, rejected, same, trail_events

sagemaker = client("sagemaker")
s3 = client("s3")
logs = client("logs")
ARN = "arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/"
JOB_ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-job/"
ROLE = "arn:aws:iam::000000000000:role/any"
SCRIPT = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", "--x", type=float)
parser.add_argument("--sleep", type=float, default=0)
args = parser.parse_args()
print(f"loss={args.x}", flush=True)
time.sleep(args.sleep)
"""
STATIC = {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://tuned/code.tar.gz"}
LIMITS = {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2}


def request(name, static=None, config=None, definition=None, **more):
    image = {"TrainingImage": "penstock/python", "TrainingInputMode": "File"}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": LIMITS,
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.5", "MaxValue": "2", "ScalingType": "Linear"}]},
            **(config or {}),
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {**STATIC, **(static or {})},
            "AlgorithmSpecification": {**image, "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://tuned/out"},
            "ResourceConfig": {"InstanceType": "local.1", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
            **(definition or {}),
        },
        **more,
    }


def until(name, wanted):
    for _ in range(1200):
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        if wanted(job):
            return job
        time.sleep(0.1)
    raise AssertionError(f"{name} stays {job}")


def ended(name):
    return until(name, lambda job: job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"))


def summaries(name, **more):
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    return [each for page in pages.paginate(HyperParameterTuningJobName=name, **more) for each in page["TrainingJobSummaries"]]


@check("a tuning job runs training jobs, and is described with the best of them")
def _():
    s3.create_bucket(Bucket="tuned")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("train.py")
        info.size = len(SCRIPT.encode())
        tar.addfile(info, io.BytesIO(SCRIPT.encode()))
    s3.put_object(Bucket="tuned", Key="code.tar.gz", Body=packed.getvalue())
    events = client("events")
    pattern = json.dumps({"detail-type": ["SageMaker HyperParameter Tuning Job State Change"]})
    events.put_rule(Name="tuning", EventPattern=pattern)
    logs.create_log_group(logGroupName="/events/tuning")
    events.put_targets(Rule="tuning", Targets=[{"Id": "1", "Arn": "arn:aws:logs:us-east-1:000000000000:log-group:/events/tuning"}])
    made = request("Digits", Tags=[{"Key": "team", "Value": "vision"}])
    same(sagemaker.create_hyper_parameter_tuning_job(**made)["HyperParameterTuningJobArn"], ARN + "digits")
    job = ended("Digits")
    same((job["HyperParameterTuningJobStatus"], job.get("FailureReason")), ("Completed", None))
    same(job["HyperParameterTuningJobConfig"], made["HyperParameterTuningJobConfig"])
    definition = made["TrainingJobDefinition"]
    definition["StaticHyperParameters"] = {**STATIC, "_tuning_objective_metric": "loss"}
    same(job["TrainingJobDefinition"], definition)
    same(job["TrainingJobStatusCounters"], {"Completed": 3, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0})
    same(job["ObjectiveStatusCounters"], {"Succeeded": 3, "Pending": 0, "Failed": 0})
    assert job["CreationTime"] <= job["HyperParameterTuningEndTime"] <= job["LastModifiedTime"], job
    losses = {each["TrainingJobName"]: float(each["TunedHyperParameters"]["x"]) for each in summaries("Digits")}
    best = job["BestTrainingJob"]
    same(best["TrainingJobName"], min(losses, key=losses.get))
    final = best["FinalHyperParameterTuningJobObjectiveMetric"]
    same(final["MetricName"], "loss")
    assert abs(final["Value"] - min(losses.values())) < 1e-6, (final, losses)
    same((best["ObjectiveStatus"], best["TrainingJobStatus"], job["OverallBestTrainingJob"]), ("Succeeded", "Completed", best))


@check("its training jobs have its number, its values and its ARN")
def _():
    jobs = summaries("Digits")
    for number, summary in enumerate(jobs, 1):
        name = summary["TrainingJobName"]
        holds(f"Digits-00{number}-", name)
        same((len(name), summary["TrainingJobArn"]), (len("Digits-001-") + 8, JOB_ARN + name.lower()))
        assert 0.5 <= float(summary["TunedHyperParameters"]["x"]) <= 2, summary
        job = sagemaker.describe_training_job(TrainingJobName=name)
        same(job["HyperParameters"], {**STATIC, **summary["TunedHyperParameters"], "_tuning_objective_metric": "loss"})
        same((job["TuningJobArn"], job["RoleArn"]), (ARN + "digits", ROLE))
    sorts = {"SortBy": "FinalObjectiveMetricValue", "SortOrder": "Descending", "PaginationConfig": {"PageSize": 2}}
    values = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in summaries("Digits", **sorts)]
    same((len(values), values), (3, sorted(values, reverse=True)))
    same(summaries("Digits", StatusEquals="Failed"), [])


@check("events tell its begin and its end, CloudTrail the call")
def _():
    for _ in range(100):
        told = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName="/events/tuning")["events"]]
        if len(told) >= 2:
            break
        time.sleep(0.1)
    told.sort(key=lambda event: event["detail"]["LastModifiedTime"])
    same([event["detail"]["HyperParameterTuningJobStatus"] for event in told], ["InProgress", "Completed"])
    same((told[0]["resources"], told[0]["source"]), ([ARN + "digits"], "aws.sagemaker"))
    same(told[1]["detail"]["TrainingJobStatusCounters"]["Completed"], 3)
    same(told[1]["detail"]["Tags"], {"team": "vision"})
    same(trail_events("CreateHyperParameterTuningJob"), [("Digits", "sagemaker")])


@check("it has tags")
def _():
    arn = ARN + "digits"
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "team", "Value": "vision"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "test"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "stage", "Value": "test"}])


@check("it is stopped with its training jobs")
def _():
    sagemaker.create_hyper_parameter_tuning_job(**request("stopped", {"sleep": "600"}))
    until("stopped", lambda job: job["TrainingJobStatusCounters"]["InProgress"] == 2)
    rejection = rejected(sagemaker.delete_hyper_parameter_tuning_job, HyperParameterTuningJobName="stopped")
    same((rejection.code, rejection.message), ("ValidationException", "The tuning job stopped is InProgress: stop it first."))
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    job = ended("stopped")
    same((job["HyperParameterTuningJobStatus"], job["TrainingJobStatusCounters"]["Stopped"]), ("Stopped", 2))
    rejection = rejected(sagemaker.stop_hyper_parameter_tuning_job, HyperParameterTuningJobName="stopped")
    same(rejection.message, "The request was rejected because the hyperparameter tuning job is in status Stopped.")


@check("a grid, Bayesian and Hyperband run")
def _():
    grid = {"Strategy": "Grid", "ResourceLimits": {"MaxParallelTrainingJobs": 2}}
    grid["ParameterRanges"] = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["3", "1"]}]}
    sagemaker.create_hyper_parameter_tuning_job(**request("grid", config=grid))
    same(ended("grid")["BestTrainingJob"]["TunedHyperParameters"], {"x": "1"})
    sagemaker.create_hyper_parameter_tuning_job(**request("bayesian", config={"Strategy": "Bayesian", "RandomSeed": 3}))
    same(ended("bayesian")["TrainingJobStatusCounters"]["Completed"], 3)
    resources = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
    sagemaker.create_hyper_parameter_tuning_job(**request("hyperband", config={"Strategy": "Hyperband", "StrategyConfig": resources}))
    same(ended("hyperband")["HyperParameterTuningJobStatus"], "Completed")


@check("lists are filtered, sorted and paged")
def _():
    pages = sagemaker.get_paginator("list_hyper_parameter_tuning_jobs")
    names = lambda **wanted: [each["HyperParameterTuningJobName"] for page in pages.paginate(**wanted) for each in page["HyperParameterTuningJobSummaries"]]
    same(names(), ["bayesian", "Digits", "grid", "hyperband", "stopped"])
    same(names(SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"PageSize": 2}), ["hyperband", "bayesian", "grid", "stopped", "Digits"])
    same((names(StatusEquals="Stopped"), names(NameContains="gits")), (["stopped"], ["Digits"]))
    (summary,) = sagemaker.list_hyper_parameter_tuning_jobs(NameContains="Digits")["HyperParameterTuningJobSummaries"]
    same((summary["Strategy"], summary["HyperParameterTuningJobStatus"], summary["ResourceLimits"]), ("Random", "Completed", LIMITS))


@check("what cannot run is rejected, with AWS's codes")
def _():
    rejection = rejected(sagemaker.create_hyper_parameter_tuning_job, **request("Digits"))
    same(rejection.code, "ResourceInUse")
    holds(f"a tuning job with this name already exists ({ARN}digits)", rejection.message)
    for call in (
        sagemaker.describe_hyper_parameter_tuning_job,
        sagemaker.stop_hyper_parameter_tuning_job,
        sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        rejection = rejected(call, HyperParameterTuningJobName="absent")
        same((rejection.code, rejection.message), ("ResourceNotFound", "Amazon SageMaker can't find a tuning job with the name absent."))
    warm = {"ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "Digits"}], "WarmStartType": "TransferLearning"}
    bounds = lambda low, high, scaling="Auto": {
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": low, "MaxValue": high, "ScalingType": scaling}]}
    }
    for more, text in [
        ({"WarmStartConfig": warm}, "WarmStartConfig is not supported here"),
        ({"Autotune": {"Mode": "Enabled"}}, "Autotune is not supported here"),
        ({"config": {"Strategy": "Grid"}}, "strategy Grid needs categorical ranges, and 'x' is continuous"),
        ({"config": bounds("low", "1")}, "has the bound 'low': expected a number"),
        ({"config": bounds("2", "1")}, "the minimum 2 is more than the maximum 1"),
        ({"config": bounds("0", "1", "Logarithmic")}, "Logarithmic scaling needs a minimum above 0"),
        ({"static": {"x": "1"}}, "hyperparameter 'x' is fixed and has a range"),
        ({"config": {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "acc"}}}, "the objective metric 'acc' is not defined"),
        ({"definition": {"OutputDataConfig": {"S3OutputPath": "s3://absent/out"}}}, "there is no bucket 'absent'"),
        ({"definition": {"ResourceConfig": {"InstanceType": "local.1", "InstanceCount": 2, "VolumeSizeInGB": 1}}}, "InstanceCount 2 is not supported here"),
    ]:
        rejection = rejected(sagemaker.create_hyper_parameter_tuning_job, **request("rejected", **more))
        same((rejection.code, rejection.status), ("ValidationException", 400))
        holds(text, rejection.message)


@check("a deleted tuning job is gone, its training jobs stay")
def _():
    (first, *_) = summaries("Digits")
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="Digits")
    same(rejected(sagemaker.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName="Digits").code, "ResourceNotFound")
    same(sagemaker.describe_training_job(TrainingJobName=first["TrainingJobName"])["TrainingJobStatus"], "Completed")
