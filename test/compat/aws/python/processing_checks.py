"""Processing jobs created, awaited and read by boto3. Their script runs in the Python of this file under the name `python`."""

import json
import time

import botocore.exceptions
from checks import check, client, holds, rejected, same, trail_events

sagemaker = client("sagemaker")
s3 = client("s3")
logs = client("logs")
ARN = "arn:aws:sagemaker:us-east-1:000000000000:processing-job/"
ROLE = "arn:aws:iam::000000000000:role/any"
SCRIPT = """
import json, os, sys, time
base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
config = json.load(open(f"{base}/config/processingjobconfig.json"))
rows = open(f"{base}/processing/input/rows/rows.csv").read().split()
print("rows", len(rows), sys.argv[1:], os.environ["STAGE"], config["ProcessingJobName"], flush=True)
time.sleep(float(os.environ.get("SLEEP", "0")))
with open(f"{base}/processing/evaluation/evaluation.json", "w") as file:
    json.dump({"rows": len(rows)}, file)
with open(f"{base}/output/message", "w") as file:
    file.write("evaluated")
sys.exit(int(os.environ.get("EXIT", "0")))
"""


def stored(name, uri, path, **more):
    place = {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{path}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**place, **more}}


def request(name, environment=None, **more):
    left = {"S3Uri": f"s3://processed/{name}/evaluation", "LocalPath": "/opt/ml/processing/evaluation", "S3UploadMode": "EndOfJob"}
    return {
        "ProcessingJobName": name,
        "ProcessingInputs": [stored("code", "s3://processed/code/evaluate.py", "input/code"), stored("rows", "s3://processed/rows/", "input/rows")],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "evaluation", "S3Output": left}]},
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "local.1", "VolumeSizeInGB": 1}},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        "AppSpecification": {
            "ImageUri": "penstock/python",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/evaluate.py"],
            "ContainerArguments": ["--split", "0.2"],
        },
        "Environment": {"STAGE": "test", **(environment or {})},
        "RoleArn": ROLE,
        **more,
    }


def ended(name):
    try:
        sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)
    except botocore.exceptions.WaiterError as error:
        holds('expected path: "Failed"', str(error))
    return sagemaker.describe_processing_job(ProcessingJobName=name)


def streams(name):
    return logs.describe_log_streams(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamNamePrefix=f"{name}/")["logStreams"]


@check("a processing job reads its inputs, leaves its outputs, and is awaited as it ends")
def _():
    s3.create_bucket(Bucket="processed")
    s3.put_object(Bucket="processed", Key="code/evaluate.py", Body=SCRIPT.encode())
    s3.put_object(Bucket="processed", Key="rows/rows.csv", Body=b"1\n2\n3\n")
    events = client("events")
    events.put_rule(Name="processing", EventPattern=json.dumps({"detail-type": ["SageMaker Processing Job State Change"]}))
    logs.create_log_group(logGroupName="/events/processing")
    events.put_targets(Rule="processing", Targets=[{"Id": "1", "Arn": "arn:aws:logs:us-east-1:000000000000:log-group:/events/processing"}])
    made = request("Evaluate-1", Tags=[{"Key": "team", "Value": "vision"}])
    same(sagemaker.create_processing_job(**made)["ProcessingJobArn"], ARN + "evaluate-1")
    job = ended("Evaluate-1")
    assert time.time() - job["ProcessingEndTime"].timestamp() < 1.5, job
    same((job["ProcessingJobStatus"], job["ExitMessage"], job.get("FailureReason")), ("Completed", "evaluated", None))
    for member in ("ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "AppSpecification", "Environment", "RoleArn", "StoppingCondition"):
        same(job[member], made[member])
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"] <= job["LastModifiedTime"], job
    body = s3.get_object(Bucket="processed", Key="Evaluate-1/evaluation/evaluation.json")["Body"].read()
    same(json.loads(body), {"rows": 3})


@check("its log is one stream in the group that SDKs read")
def _():
    (stream,) = streams("Evaluate-1")
    holds("Evaluate-1/algo-1-", stream["logStreamName"])
    lines = logs.get_log_events(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamName=stream["logStreamName"], startFromHead=True)["events"]
    same([line["message"] for line in lines], ["rows 3 ['--split', '0.2'] test Evaluate-1"])


@check("events tell its begin and its end, CloudTrail the call, and it has tags")
def _():
    for _ in range(100):
        told = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName="/events/processing")["events"]]
        if len(told) >= 2:
            break
        time.sleep(0.1)
    told.sort(key=lambda event: event["detail"]["LastModifiedTime"])
    same([event["detail"]["ProcessingJobStatus"] for event in told], ["InProgress", "Completed"])
    same((told[0]["resources"], told[1]["detail"]["ExitMessage"]), ([ARN + "evaluate-1"], "evaluated"))
    same(told[1]["detail"]["Tags"], {"team": "vision"})
    same(trail_events("CreateProcessingJob"), [("Evaluate-1", "sagemaker")])
    sagemaker.add_tags(ResourceArn=ARN + "evaluate-1", Tags=[{"Key": "stage", "Value": "test"}])
    same(len(sagemaker.list_tags(ResourceArn=ARN + "evaluate-1")["Tags"]), 2)


@check("one that fails says why, one that is stopped ends, one that takes too long is ended")
def _():
    sagemaker.create_processing_job(**request("fails", {"EXIT": "3"}))
    job = ended("fails")
    same((job["ProcessingJobStatus"], job["ExitMessage"]), ("Failed", "evaluated"))
    holds("exit code: 3", job["FailureReason"])
    assert s3.list_objects_v2(Bucket="processed", Prefix="fails/")["KeyCount"] == 0
    sagemaker.create_processing_job(**request("stopped", {"SLEEP": "600"}))
    while not streams("stopped"):
        time.sleep(0.05)
    rejection = rejected(sagemaker.delete_processing_job, ProcessingJobName="stopped")
    same((rejection.code, rejection.message), ("ResourceInUse", "The processing job stopped is InProgress: stop it first."))
    sagemaker.stop_processing_job(ProcessingJobName="stopped")
    same(ended("stopped")["ProcessingJobStatus"], "Stopped")
    rejection = rejected(sagemaker.stop_processing_job, ProcessingJobName="stopped")
    same(rejection.message, "The request was rejected because the processing job is in status Stopped.")
    sagemaker.create_processing_job(**request("late", {"SLEEP": "600"}, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    job = ended("late")
    same((job["ProcessingJobStatus"], job["FailureReason"]), ("Stopped", "ClientError: the job ran longer than MaxRuntimeInSeconds = 1"))


@check("lists are filtered, sorted and paged, apart from training jobs")
def _():
    pages = sagemaker.get_paginator("list_processing_jobs")
    names = lambda **wanted: [each["ProcessingJobName"] for page in pages.paginate(**wanted) for each in page["ProcessingJobSummaries"]]
    same(names(), ["late", "stopped", "fails", "Evaluate-1"])
    same(names(SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}), ["Evaluate-1", "fails", "late", "stopped"])
    same((names(StatusEquals="Failed"), names(NameContains="VALU"), names(NameContains="processing")), (["fails"], ["Evaluate-1"], []))
    same(sagemaker.list_training_jobs()["TrainingJobSummaries"], [])


@check("what cannot run is rejected, with AWS's codes")
def _():
    rejection = rejected(sagemaker.create_processing_job, **request("Evaluate-1"))
    same(rejection.code, "ResourceInUse")
    holds(f"a processing job with this name already exists ({ARN}evaluate-1)", rejection.message)
    for call in (sagemaker.describe_processing_job, sagemaker.stop_processing_job, sagemaker.delete_processing_job):
        rejection = rejected(call, ProcessingJobName="absent")
        same((rejection.code, rejection.message), ("ValidationException", "Could not find requested job with name: absent"))
    two = {"ProcessingResources": {"ClusterConfig": {"InstanceCount": 2, "InstanceType": "local.1", "VolumeSizeInGB": 1}}}
    left = {"S3Uri": "s3://processed/x", "LocalPath": "/opt/ml/processing/x", "S3UploadMode": "EndOfJob"}
    outputs = lambda *each: {"ProcessingOutputConfig": {"Outputs": list(each)}}
    for more, text in [
        (two, "InstanceCount 2 is not supported here"),
        ({"ProcessingInputs": [stored("a", "s3://processed/x", "a", S3InputMode="Pipe")]}, "S3InputMode Pipe of input 'a' is not supported here"),
        ({"ProcessingInputs": [stored("a", "s3://processed/x", "../x")]}, "is not below /opt/ml/processing"),
        ({"ProcessingInputs": [{"InputName": "a", "DatasetDefinition": {}}]}, "DatasetDefinition of input 'a' is not supported here"),
        (outputs({"OutputName": "a", "FeatureStoreOutput": {"FeatureGroupName": "x"}}), "FeatureStoreOutput of output 'a' is not supported here"),
        (outputs({"OutputName": "a", "S3Output": {**left, "S3Uri": "s3://absent/x"}}), "there is no bucket 'absent'"),
        ({"AppSpecification": {"ImageUri": "penstock/python"}}, "nothing to run"),
        ({"AppSpecification": {"ImageUri": "elsewhere/image", "ContainerEntrypoint": ["true"]}}, "elsewhere/image"),
    ]:
        rejection = rejected(sagemaker.create_processing_job, **request("rejected", **more))
        same((rejection.code, rejection.status), ("ValidationException", 400))
        holds(text, rejection.message)


@check("a deleted processing job is gone with its log, its outputs stay")
def _():
    sagemaker.delete_processing_job(ProcessingJobName="Evaluate-1")
    same(rejected(sagemaker.describe_processing_job, ProcessingJobName="Evaluate-1").code, "ValidationException")
    same(streams("Evaluate-1"), [])
    same(s3.list_objects_v2(Bucket="processed", Prefix="Evaluate-1/")["KeyCount"], 1)
