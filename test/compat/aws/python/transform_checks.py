"""Batch transform jobs created, awaited and read by boto3."""

import gzip
import json
import time

from checks import check, client, rejected, same

sagemaker = client("sagemaker")
s3 = client("s3")
row = ",".join(["0"] * 64)


def job_members(name, **more):
    """The members of a job that reads in/ and writes to NAME/."""
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://batch/in/"}
    return {
        "TransformJobName": name,
        "ModelName": "digits-1",
        "TransformInput": {"DataSource": {"S3DataSource": source}, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://batch/{name}", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    }


def run(name, **more):
    """Runs a job to its end and describes it."""
    arn = sagemaker.create_transform_job(**job_members(name, **more))["TransformJobArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:transform-job/{name.lower()}", arn
    waiter = sagemaker.get_waiter("transform_job_completed_or_stopped")
    try:
        waiter.wait(TransformJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    except Exception as error:
        if "Failed" not in str(error) and "terminal failure" not in str(error):
            raise
    return sagemaker.describe_transform_job(TransformJobName=name)


def text(key):
    return s3.get_object(Bucket="batch", Key=key)["Body"].read().decode()


def keys(prefix):
    return [item["Key"] for item in s3.list_objects_v2(Bucket="batch", Prefix=prefix).get("Contents", [])]


@check("each input object becomes an output object with a line for each line")
def _():
    s3.create_bucket(Bucket="batch")
    s3.put_object(Bucket="batch", Key="in/a.csv", Body=f"{row}\n" * 3000)
    s3.put_object(Bucket="batch", Key="in/sub/b.csv", Body=f"{row}\n{row}")
    job = run("Plain", Tags=[{"Key": "team", "Value": "vision"}])
    assert job["TransformJobStatus"] == "Completed", job
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    assert job["ModelName"] == "digits-1" and job["TransformInput"]["SplitType"] == "Line"
    assert keys("Plain/") == ["Plain/a.csv.out", "Plain/sub/b.csv.out"], keys("Plain/")
    lines = text("Plain/a.csv.out").splitlines()
    assert len(lines) == 3000 and len(lines[0].split(",")) == 11, (len(lines), lines[0])
    tags = sagemaker.list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "vision"}], tags


@check("filters select columns, and results are joined to their records")
def _():
    s3.put_object(Bucket="batch", Key="named/a.csv", Body=f"first,{row}\nsecond,{row}\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://batch/named/"}
    job = run(
        "Joined",
        TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv", "SplitType": "Line"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,65]"},
    )
    assert job["TransformJobStatus"] == "Completed", job
    lines = [line.split(",") for line in text("Joined/a.csv.out").splitlines()]
    assert [line[0] for line in lines] == ["first", "second"] and all(len(line) == 2 and int(line[1]) < 10 for line in lines), lines


@check("JSON lines get SageMakerOutput, even from gzip")
def _():
    records = [{"id": number, "pixels": [0] * 64} for number in range(5)]
    body = gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode())
    s3.put_object(Bucket="batch", Key="json/a.jsonl.gz", Body=body)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://batch/json/"}
    job = run(
        "JsonLines",
        BatchStrategy="MultiRecord",
        TransformInput={
            "DataSource": {"S3DataSource": source},
            "ContentType": "application/jsonlines",
            "SplitType": "Line",
            "CompressionType": "Gzip",
        },
        DataProcessing={"InputFilter": "$.pixels", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"},
    )
    assert job["TransformJobStatus"] == "Completed", job
    results = [json.loads(line) for line in text("JsonLines/a.jsonl.gz.out").splitlines()]
    assert [result["id"] for result in results] == [0, 1, 2, 3, 4]
    assert all(len(result["SageMakerOutput"]["probabilities"]) == 10 for result in results), results[0]


@check("a bad record fails its object only, and the job reports its line")
def _():
    s3.put_object(Bucket="batch", Key="spoilt/good.csv", Body=f"{row}\n" * 3)
    s3.put_object(Bucket="batch", Key="spoilt/bad.csv", Body=f"{row}\n" * 6 + "1,2,x\n" + f"{row}\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://batch/spoilt/"}
    job = run(
        "Spoilt", TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv", "SplitType": "Line"}
    )
    assert job["TransformJobStatus"] == "Failed", job
    assert "bad.csv: line 7" in job["FailureReason"], job["FailureReason"]
    assert keys("Spoilt/") == ["Spoilt/good.csv.out"], keys("Spoilt/")


@check("a manifest selects objects, and a whole object can be one payload")
def _():
    s3.put_object(Bucket="batch", Key="lists/all", Body=json.dumps([{"prefix": "s3://batch/in/"}, "sub/b.csv"]))
    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://batch/lists/all"}
    job = run("Manifest", TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv"})
    assert job["TransformJobStatus"] == "Completed", job
    assert len(text("Manifest/sub/b.csv.out").splitlines()) == 2


@check("jobs are listed by state, page by page")
def _():
    page = sagemaker.list_transform_jobs(MaxResults=2, SortBy="Name", SortOrder="Ascending")
    assert [job["TransformJobName"] for job in page["TransformJobSummaries"]] == ["Joined", "JsonLines"], page
    more = sagemaker.list_transform_jobs(MaxResults=2, SortBy="Name", SortOrder="Ascending", NextToken=page["NextToken"])
    assert [job["TransformJobName"] for job in more["TransformJobSummaries"]] == ["Manifest", "Plain"], more
    failed = sagemaker.list_transform_jobs(StatusEquals="Failed")["TransformJobSummaries"]
    assert [job["TransformJobName"] for job in failed] == ["Spoilt"] and "FailureReason" in failed[0], failed


@check("a running job can be stopped, a finished one cannot")
def _():
    for number in range(60):
        s3.put_object(Bucket="batch", Key=f"many/{number}.csv", Body=f"{row}\n" * 2000)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://batch/many/"}
    sagemaker.create_transform_job(
        **job_members(
            "Long",
            BatchStrategy="SingleRecord",
            TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv", "SplitType": "Line"},
        )
    )
    sagemaker.stop_transform_job(TransformJobName="Long")
    for _ in range(30):
        state = sagemaker.describe_transform_job(TransformJobName="Long")["TransformJobStatus"]
        if state != "Stopping":
            break
        time.sleep(0.5)
    assert state == "Stopped", state
    rejection = rejected(sagemaker.stop_transform_job, TransformJobName="Long")
    assert rejection.code == "ValidationException" and "status Stopped" in rejection.message, rejection


@check("invalid calls are rejected with AWS's own messages")
def _():
    rejection = rejected(sagemaker.create_transform_job, **job_members("Plain"))
    assert rejection.code == "ResourceInUse" and "already exists" in rejection.message, rejection
    rejection = rejected(sagemaker.describe_transform_job, TransformJobName="Missing")
    same((rejection.code, rejection.message), ("ValidationException", "Could not find requested job with name: Missing"))
    rejection = rejected(sagemaker.stop_transform_job, TransformJobName="Missing")
    assert rejection.code == "ResourceNotFound", rejection
    rejection = rejected(sagemaker.create_transform_job, **job_members("NoModel", ModelName="missing"))
    assert rejection.code == "ValidationException" and "Could not find model" in rejection.message, rejection
    for split in ("RecordIO", "TFRecord"):
        members = job_members("NoSplit")
        members["TransformInput"]["SplitType"] = split
        rejection = rejected(sagemaker.create_transform_job, **members)
        assert rejection.code == "ValidationException" and split in rejection.message, rejection
    rejection = rejected(sagemaker.create_transform_job, **job_members("NoFilter", DataProcessing={"InputFilter": "$..x"}))
    assert rejection.code == "ValidationException" and "invalid filter" in rejection.message, rejection
    rejection = rejected(sagemaker.create_transform_job, **job_members("TooMuch", MaxConcurrentTransforms=20))
    assert rejection.code == "ValidationException" and "100 MB" in rejection.message, rejection


@check("a missing input fails the job with a reason")
def _():
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://batch/nothing/"}
    job = run("Nothing", TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv"})
    assert job["TransformJobStatus"] == "Failed" and "no objects under" in job["FailureReason"], job
