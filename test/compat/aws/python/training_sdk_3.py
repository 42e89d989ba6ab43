"""Training with the SageMaker Python SDK 3. `given["source"]` has the scripts, `given["rows"]` the digits with their labels."""

import contextlib
import io
import os

import pandas
from checks import check, client, given, holds, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
from sagemaker.core.helper.session_helper import Session  # noqa: E402
from sagemaker.core.resources import TrainingJob  # noqa: E402
from sagemaker.train import ModelTrainer  # noqa: E402
from sagemaker.train.configs import Compute, InputData, SourceCode, StoppingCondition  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/any"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
session = Session(default_bucket="sdk3")
rows = pandas.read_csv(given["rows"])
split = {"train": rows[:300], "validation": rows[300:]}
state = {}


def trainer(entry, **more):
    return ModelTrainer(
        training_image=IMAGE,
        source_code=SourceCode(source_dir=given["source"], entry_script=entry),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        role=ROLE,
        sagemaker_session=session,
        **more,
    )


@check("ModelTrainer.train runs its own driver, with data of two channels, to its end")
def _():
    client("s3").create_bucket(Bucket="sdk3")
    inputs = []
    for channel, frame in split.items():
        client("s3").put_object(Bucket="sdk3", Key=f"digits/{channel}/rows.csv", Body=frame.to_csv(index=False))
        inputs.append(InputData(channel_name=channel, data_source=f"s3://sdk3/digits/{channel}/"))
    model = trainer("train.py", hyperparameters={"C": 0.5, "shuffled": True}, base_job_name="digits")
    with contextlib.redirect_stdout(io.StringIO()):
        model.train(input_data_config=inputs, wait=True, logs=True)
    job = model._latest_training_job
    job.refresh()
    same((job.training_job_status, job.secondary_status), ("Completed", "Completed"))
    state["job"] = job


@check("its log has each line once")
def _():
    logs = client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=state["job"].training_job_name)["logStreams"]
    same(len(streams), 1)
    events = logs.get_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=streams[0]["logStreamName"], startFromHead=True)["events"]
    lines = [event["message"] for event in events]
    same(len([line for line in lines if "validation-accuracy=" in line]), 1)
    holds("Training Container Execution Completed", "\n".join(lines))


@check("TrainingJob.get_all and get find it")
def _():
    same([job.training_job_name for job in TrainingJob.get_all()], [state["job"].training_job_name])
    found = TrainingJob.get(training_job_name=state["job"].training_job_name)
    same(found.model_artifacts.s3_model_artifacts, state["job"].model_artifacts.s3_model_artifacts)


@check("a script that fails raises its reason")
def _():
    model = trainer("toy.py", hyperparameters={"unknown": 1}, base_job_name="failing")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model.train(wait=True, logs=False)
    except Exception as error:
        holds("AlgorithmError", str(error))
    else:
        raise AssertionError("the job did not fail")
