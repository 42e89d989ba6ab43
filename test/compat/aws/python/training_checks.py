"""Training jobs created, awaited and read by boto3, run by the Python of this file under the name `python`."""

import datetime
import io
import json
import subprocess
import sys
import tarfile
import time

from checks import check, client, given, holds, rejected, same, trail_events

sagemaker = client("sagemaker")
s3 = client("s3")
logs = client("logs")
ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-job/"
ROLE = "arn:aws:iam::000000000000:role/any"
SCRIPT = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float)
parser.add_argument("--token")
args = parser.parse_args()
rows = sum(len(path.read_text().splitlines()) for path in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).rglob("*.csv"))
for epoch in range(3):
    print(f"epoch={epoch} accuracy={args.scale * (epoch + 1)}")
print("rows", rows)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("the model")
"""


def upload_source(key, files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    s3.put_object(Bucket="team", Key=key, Body=packed.getvalue())
    return f"s3://team/{key}"


def channel(name="train", uri="s3://team/rows/", **more):
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}, **more}


def members(name, **more):
    """The members of a job in script mode."""
    hyperparameters = {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://team/code/source.tar.gz", "scale": "0.25"}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": "penstock/python", "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": hyperparameters,
        "InputDataConfig": [channel()],
        "OutputDataConfig": {"S3OutputPath": "s3://team/out"},
        "ResourceConfig": {"InstanceType": "local.1", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        **more,
    }


def shell(name, script, **more):
    """The members of a job that runs a line of shell."""
    image = {"TrainingImage": "penstock/python", "TrainingInputMode": "File"}
    algorithm = {**image, "ContainerEntrypoint": ["/bin/sh"], "ContainerArguments": ["-c", script]}
    request = {**members(name, AlgorithmSpecification=algorithm), **more}
    return {key: value for key, value in request.items() if key != "HyperParameters" and (key != "InputDataConfig" or key in more)}


def ended(name):
    """Waits for a job as users do, with the waiter's own delay of 120 s."""
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    try:
        waiter.wait(TrainingJobName=name)
    except Exception as error:
        holds("terminal failure", str(error))
    return sagemaker.describe_training_job(TrainingJobName=name)


def streams_of(name):
    return logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")["logStreams"]


def lines(name):
    """The lines of the job's only log stream."""
    streams = streams_of(name)
    same(len(streams), 1)
    holds(f"{name}/algo-1-", streams[0]["logStreamName"])
    pages = logs.get_paginator("filter_log_events")
    found = pages.paginate(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNames=[streams[0]["logStreamName"]])
    return [event["message"] for page in found for event in page["events"]]


@check("a script trains, and the job is described with its artifact, times and metrics")
def _():
    s3.create_bucket(Bucket="team")
    s3.put_object(Bucket="team", Key="rows/a.csv", Body="1\n2\n3\n")
    s3.put_object(Bucket="team", Key="rows/sub/b.csv", Body="4\n5\n")
    upload_source("code/source.tar.gz", {"train.py": SCRIPT})
    request = members("Digits-1", Tags=[{"Key": "team", "Value": "vision"}])
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}]
    request["HyperParameters"]["token"] = "s3cret"
    same(sagemaker.create_training_job(**request)["TrainingJobArn"], ARN + "digits-1")
    job = ended("Digits-1")
    same((job["TrainingJobStatus"], job["SecondaryStatus"], job.get("FailureReason")), ("Completed", "Completed", None))
    same(job["ModelArtifacts"], {"S3ModelArtifacts": "s3://team/out/Digits-1/output/model.tar.gz"})
    same(job["HyperParameters"], request["HyperParameters"])
    same(job["ResourceConfig"], request["ResourceConfig"])
    same(job["OutputDataConfig"], {"KmsKeyId": "", "S3OutputPath": "s3://team/out", "CompressionType": "GZIP"})
    statuses = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    same(statuses, ["Starting", "Downloading", "Training", "Uploading", "Completed"])
    same([each["StatusMessage"] for each in job["SecondaryStatusTransitions"]][1:], [
        "Downloading input data",
        "Training image download completed. Training in progress.",
        "Uploading generated training model",
        "Training job completed",
    ])
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"] <= job["LastModifiedTime"], job
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1, job
    (metric,) = job["FinalMetricDataList"]
    same((metric["MetricName"], metric["Value"]), ("accuracy", 0.75))
    same(job["ProfilingStatus"], "Disabled")
    body = s3.get_object(Bucket="team", Key="out/Digits-1/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        same([(each.name, each.mtime, each.uid) for each in tar.getmembers() if each.isfile()], [("model.txt", 0, 0)])


@check("its output is one log stream, with each line once")
def _():
    printed = lines("Digits-1")
    same([line for line in printed if line.startswith(("epoch", "rows"))], [f"epoch={i} accuracy={0.25 * (i + 1)}" for i in range(3)] + ["rows 5"])


@check("its metrics are in CloudWatch, by the name of the job")
def _():
    now = datetime.datetime.now(datetime.timezone.utc)
    found = client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="accuracy",
        Dimensions=[{"Name": "TrainingJobName", "Value": "Digits-1"}],
        StartTime=now - datetime.timedelta(minutes=10),
        EndTime=now + datetime.timedelta(minutes=1),
        Period=60,
        Statistics=["Average", "Maximum", "SampleCount"],
    )["Datapoints"]
    same((sum(each["SampleCount"] for each in found), max(each["Maximum"] for each in found)), (3, 0.75))


@check("it has tags, which can be added and removed")
def _():
    arn = ARN + "digits-1"
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "team", "Value": "vision"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "test"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "stage", "Value": "test"}])


@check("CloudTrail has the call, without its secrets")
def _():
    same(trail_events("CreateTrainingJob"), [("Digits-1", "sagemaker")])
    by_name = [{"AttributeKey": "EventName", "AttributeValue": "CreateTrainingJob"}]
    (event,) = client("cloudtrail").lookup_events(LookupAttributes=by_name)["Events"]
    assert "s3cret" not in event["CloudTrailEvent"], event
    parameters = json.loads(event["CloudTrailEvent"])["requestParameters"]
    same((parameters["hyperParameters"]["token"], parameters["hyperParameters"]["scale"]), ("***", "0.25"))


@check("a waiter returns within a second of the end, and events tell each status once")
def _():
    events = client("events")
    pattern = json.dumps({"source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"]})
    events.put_rule(Name="training", EventPattern=pattern)
    logs.create_log_group(logGroupName="/events/training")
    events.put_targets(Rule="training", Targets=[{"Id": "1", "Arn": "arn:aws:logs:us-east-1:000000000000:log-group:/events/training"}])
    sagemaker.create_training_job(**shell("waited", "sleep 5; echo done", Environment={"API_KEY": "s3cret"}))
    job = ended("waited")
    late = (datetime.datetime.now(datetime.timezone.utc) - job["TrainingEndTime"]).total_seconds()
    assert late < 1, f"the waiter returned {late} s after the end"
    statuses = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    for _ in range(100):
        told = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName="/events/training")["events"]]
        if len(told) >= len(statuses):
            break
        time.sleep(0.1)
    told.sort(key=lambda event: event["detail"]["LastModifiedTime"])
    same([event["detail"]["SecondaryStatus"] for event in told], statuses)
    first, last = told[0], told[-1]
    same(first["resources"], [ARN + "waited"])
    same([each["Status"] for each in first["detail"]["SecondaryStatusTransitions"]], ["Starting"])
    same(last["detail"]["ModelArtifacts"], job["ModelArtifacts"])
    same("Environment" in last["detail"], False)


@check("a script that fails is a reason, and the waiter fails")
def _():
    upload_source("code/failing.tar.gz", {"train.py": "raise ValueError('no rows')"})
    request = members("failing")
    request["HyperParameters"] = {"sagemaker_program": "train.py", "sagemaker_submit_directory": '"s3://team/code/failing.tar.gz"'}
    sagemaker.create_training_job(**request)
    job = ended("failing")
    same((job["TrainingJobStatus"], job["SecondaryStatusTransitions"][-1]["StatusMessage"]), ("Failed", "Training job failed"))
    reason = job["FailureReason"]
    holds('AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: no rows"\nCommand "', reason)
    holds('python train.py", exit code: 1', reason.replace("python3", "python"))


@check("data that does not exist is a reason")
def _():
    sagemaker.create_training_job(**members("empty", InputDataConfig=[channel(uri="s3://team/absent/")]))
    same(
        ended("empty")["FailureReason"],
        'ClientError: Data download failed: No S3 objects found under S3 URL "s3://team/absent/" given in input data source "train".',
    )


@check("a job is stopped, and what it wrote until then is stored")
def _():
    script = "trap 'echo stopping; exit 0' TERM; echo half > /opt/ml/model/half.txt; echo ready; while :; do sleep 0.1; done"
    sagemaker.create_training_job(**shell("stopped", script))
    for _ in range(200):
        if sagemaker.describe_training_job(TrainingJobName="stopped")["SecondaryStatus"] == "Training" and streams_of("stopped") and "ready" in lines("stopped"):
            break
        time.sleep(0.1)
    same(rejected(sagemaker.delete_training_job, TrainingJobName="stopped").code, "ResourceInUse")
    sagemaker.stop_training_job(TrainingJobName="stopped")
    job = ended("stopped")
    same((job["TrainingJobStatus"], job["SecondaryStatus"]), ("Stopped", "Stopped"))
    same(job["SecondaryStatusTransitions"][-1]["StatusMessage"], "Training job stopped")
    s3.head_object(Bucket="team", Key="out/stopped/output/model.tar.gz")
    rejection = rejected(sagemaker.stop_training_job, TrainingJobName="stopped")
    same(rejection.message, "The request was rejected because the training job is in status Stopped.")


@check("a job that runs too long is stopped by its limit")
def _():
    sagemaker.create_training_job(**shell("long", "sleep 60", StoppingCondition={"MaxRuntimeInSeconds": 1}))
    job = ended("long")
    same((job["TrainingJobStatus"], job["SecondaryStatus"]), ("Stopped", "MaxRuntimeExceeded"))
    holds("MaxRuntimeInSeconds", job["SecondaryStatusTransitions"][-1]["StatusMessage"])


@check("lists are filtered, sorted and paged, and Search finds jobs")
def _():
    names = lambda **wanted: [each["TrainingJobName"] for page in sagemaker.get_paginator("list_training_jobs").paginate(**wanted) for each in page["TrainingJobSummaries"]]
    same(names(), ["long", "stopped", "empty", "failing", "waited", "Digits-1"])
    same(names(SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}), ["Digits-1", "empty", "failing", "long", "stopped", "waited"])
    same(names(StatusEquals="Failed"), ["empty", "failing"])
    same(names(NameContains="gits"), ["Digits-1"])
    summary = sagemaker.list_training_jobs(NameContains="Digits")["TrainingJobSummaries"][0]
    same((summary["TrainingJobArn"], summary["TrainingJobStatus"], summary["SecondaryStatus"]), (ARN + "digits-1", "Completed", "Completed"))
    found = sagemaker.search(
        Resource="TrainingJob",
        SearchExpression={"Filters": [{"Name": "TrainingJobStatus", "Operator": "Equals", "Value": "Completed"}, {"Name": "Tags.stage", "Operator": "Exists"}]},
    )["Results"]
    same([each["TrainingJob"]["TrainingJobName"] for each in found], ["Digits-1"])


@check("an update stores the warm pool")
def _():
    sagemaker.update_training_job(TrainingJobName="waited", ResourceConfig={"KeepAlivePeriodInSeconds": 600})
    job = sagemaker.describe_training_job(TrainingJobName="waited")
    same(job["WarmPoolStatus"], {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0})
    same([each["TrainingJobName"] for each in sagemaker.list_training_jobs(WarmPoolStatusEquals="Terminated")["TrainingJobSummaries"]], ["waited"])


@check("what cannot run is rejected, with AWS's codes")
def _():
    rejection = rejected(sagemaker.create_training_job, **members("Digits-1"))
    same(rejection.code, "ResourceInUse")
    same(
        rejection.message,
        "Training job names must be unique within an AWS account and Region, and a training job with this name already exists "
        f"({ARN}digits-1)",
    )
    for call in (sagemaker.describe_training_job, sagemaker.stop_training_job, sagemaker.delete_training_job):
        rejection = rejected(call, TrainingJobName="absent")
        same((rejection.code, rejection.message), ("ValidationException", "Requested resource not found."))
    algorithm = {"TrainingImage": "penstock/python", "TrainingInputMode": "File"}
    lookahead = [{"Name": "acc", "Regex": "(?=x)(y)"}]
    for more, text in [
        ({"AlgorithmSpecification": {**algorithm, "TrainingInputMode": "Pipe"}}, "TrainingInputMode Pipe is not supported here: use File, or FastFile, which is File here."),
        ({"AlgorithmSpecification": {**algorithm, "TrainingImage": "acme/none"}}, "image 'acme/none' is not in the images table"),
        ({"AlgorithmSpecification": {**algorithm, "MetricDefinitions": lookahead}}, "MetricDefinitions: regex '(?=x)(y)' of 'acc' cannot be used"),
        ({"ResourceConfig": {"InstanceType": "local.1", "InstanceCount": 2, "VolumeSizeInGB": 1}}, "InstanceCount 2 is not supported here"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds. It must be present"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://absent/out"}}, "there is no bucket 'absent'"),
        ({"AlgorithmSpecification": {**algorithm, "TrainingImage": "sagemaker-xgboost:1.7-1"}}, "penstock environments create xgboost"),
        ({"HyperParameters": {}}, "nothing to run"),
    ]:
        rejection = rejected(sagemaker.create_training_job, **members("rejected", **more))
        same((rejection.code, rejection.status), ("ValidationException", 400))
        holds(text, rejection.message)


@check("awscli creates a job, waits for it and describes it")
def _():
    aws = [sys.executable, given["aws"], "sagemaker"]
    request = json.dumps(shell("from-cli", "echo hello"))
    created = json.loads(subprocess.run([*aws, "create-training-job", "--cli-input-json", request], check=True, capture_output=True).stdout)
    same(created["TrainingJobArn"], ARN + "from-cli")
    subprocess.run([*aws, "wait", "training-job-completed-or-stopped", "--training-job-name", "from-cli"], check=True, timeout=60)
    shown = subprocess.run([*aws, "describe-training-job", "--training-job-name", "from-cli"], check=True, capture_output=True).stdout
    same(json.loads(shown)["TrainingJobStatus"], "Completed")


@check("a deleted job is gone with its log, and its name is free")
def _():
    sagemaker.delete_training_job(TrainingJobName="Digits-1")
    same(rejected(sagemaker.describe_training_job, TrainingJobName="Digits-1").message, "Requested resource not found.")
    same(logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="Digits-1/")["logStreams"], [])
    s3.head_object(Bucket="team", Key="out/Digits-1/output/model.tar.gz")
    sagemaker.create_training_job(**members("Digits-1"))
    same(ended("Digits-1")["TrainingJobStatus"], "Completed")
    same(sagemaker.list_tags(ResourceArn=ARN + "digits-1")["Tags"], [])


@check("a version of the named group is registered, or a note says why not")
def _():
    sagemaker.create_model_package_group(ModelPackageGroupName="notes")
    group = "arn:aws:sagemaker:us-east-1:000000000000:model-package-group/notes"
    sagemaker.create_training_job(**members("grouped", ModelPackageConfig={"ModelPackageGroupArn": group}))
    job = ended("grouped")
    # Its model is a text, which nothing serves: the job is complete without a version.
    same((job["TrainingJobStatus"], "OutputModelPackageArn" in job), ("Completed", False))
    with open(given["onnx"], "rb") as file:
        s3.upload_fileobj(file, "team", "onnx/model.onnx")
    script = "cp /opt/ml/input/data/onnx/model.onnx /opt/ml/model/"
    config = {"ModelPackageGroupArn": group}
    sagemaker.create_training_job(**shell("copied", script, InputDataConfig=[channel("onnx", "s3://team/onnx/")], ModelPackageConfig=config))
    job = ended("copied")
    same(job["OutputModelPackageArn"], "arn:aws:sagemaker:us-east-1:000000000000:model-package/notes/1")
    package = sagemaker.describe_model_package(ModelPackageName=job["OutputModelPackageArn"])
    same((package["ModelPackageVersion"], package["ModelApprovalStatus"]), (1, "PendingManualApproval"))
