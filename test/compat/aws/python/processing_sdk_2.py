"""Processing with the SageMaker Python SDK 2. `given["source"]` has the scripts, `given["rows"]` the digits with their labels."""

import contextlib
import io
import json
import os

import pandas
from checks import check, client, given, holds, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
import sagemaker  # noqa: E402
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, Processor, ScriptProcessor  # noqa: E402
from sagemaker.sklearn import SKLearn  # noqa: E402
from sagemaker.sklearn.processing import SKLearnProcessor  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/any"
BUCKET = "sdk2-processing"
session = sagemaker.Session(default_bucket=BUCKET)
rows = pandas.read_csv(given["rows"])
settings = {"role": ROLE, "instance_type": "ml.m5.large", "instance_count": 1, "sagemaker_session": session}
script = os.path.join(given["source"], "evaluate.py")


def printed(run):
    """What a call prints, as lines."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        run()
    return output.getvalue().splitlines()


def folders():
    session.upload_string_as_file_body(rows[:100].to_csv(index=False), BUCKET, "rows/rows.csv")
    return {
        "inputs": [ProcessingInput(source=f"s3://{BUCKET}/rows/", destination="/opt/ml/processing/input/rows")],
        "outputs": [ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
    }


def report(processor):
    (output,) = processor.latest_job.describe()["ProcessingOutputConfig"]["Outputs"]
    uri = output["S3Output"]["S3Uri"] + "/evaluation.json"
    return json.loads(sagemaker.s3.S3Downloader.read_file(uri, sagemaker_session=session))["metrics"]


@check("SKLearnProcessor.run uploads a script, runs it, and prints each line of its log once")
def _():
    client("s3").create_bucket(Bucket=BUCKET)
    processor = SKLearnProcessor(framework_version="1.2-1", **settings)
    lines = printed(lambda: processor.run(code=script, arguments=["--label", "label"], **folders()))
    same(len([line for line in lines if "evaluated {'rows': 100}" in line]), 1)
    same(report(processor), {"rows": 100})
    same(processor.latest_job.describe()["ProcessingJobStatus"], "Completed")


@check("ScriptProcessor.run runs a script with a command and variables")
def _():
    processor = ScriptProcessor(image_uri="penstock/python:sklearn", command=["python3"], env={"STAGE": "test"}, max_runtime_in_seconds=600, **settings)
    printed(lambda: processor.run(code=script, **folders()))
    same((report(processor), processor.latest_job.describe()["Environment"]), ({"rows": 100}, {"STAGE": "test"}))


@check("FrameworkProcessor.run runs a folder of code")
def _():
    processor = FrameworkProcessor(SKLearn, framework_version="1.2-1", **settings)
    printed(lambda: processor.run(code="evaluate.py", source_dir=given["source"], **folders()))
    same(report(processor), {"rows": 100})


@check("a processor that fails raises its reason")
def _():
    processor = Processor(image_uri="penstock/python:sklearn", entrypoint=["python3", "-c", "raise SystemExit('no rows')"], **settings)
    try:
        printed(processor.run)
    except sagemaker.exceptions.UnexpectedStatusException as error:
        holds("AlgorithmError: no rows, exit code: 1", str(error))
    else:
        raise AssertionError("the job did not fail")


@check("a job is stopped without waiting for it")
def _():
    processor = Processor(image_uri="penstock/python:sklearn", entrypoint=["python3", "-c", "import time; time.sleep(600)"], **settings)
    printed(lambda: processor.run(wait=False, logs=False))
    processor.latest_job.stop()
    client("sagemaker").get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=processor.latest_job.job_name)
    same(processor.latest_job.describe()["ProcessingJobStatus"], "Stopped")
