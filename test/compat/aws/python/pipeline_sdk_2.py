"""SageMaker Pipelines with the SageMaker Python SDK 2. `given["source"]` has the scripts, `given["rows"]` the digits with their labels."""

import json
import os
import time

import pandas
from checks import check, client, given, holds, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
from botocore.exceptions import WaiterError  # noqa: E402
from sagemaker.processing import ProcessingInput, ProcessingOutput  # noqa: E402
from sagemaker.sklearn import SKLearn, SKLearnModel  # noqa: E402
from sagemaker.sklearn.processing import SKLearnProcessor  # noqa: E402
from sagemaker.transformer import Transformer  # noqa: E402
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner  # noqa: E402
from sagemaker.workflow.condition_step import ConditionStep  # noqa: E402
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo  # noqa: E402
from sagemaker.workflow.fail_step import FailStep  # noqa: E402
from sagemaker.workflow.functions import Join, JsonGet  # noqa: E402
from sagemaker.workflow.model_step import ModelStep  # noqa: E402
from sagemaker.workflow.parameters import ParameterFloat, ParameterString  # noqa: E402
from sagemaker.workflow.pipeline import Pipeline  # noqa: E402
from sagemaker.workflow.pipeline_context import PipelineSession  # noqa: E402
from sagemaker.workflow.properties import PropertyFile  # noqa: E402
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TransformStep, TuningStep  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/any"
BUCKET = "sdk2-pipelines"
METRICS = [{"Name": "accuracy", "Regex": "validation-accuracy=([0-9.]+)"}]
session = PipelineSession(default_bucket=BUCKET)
rows = pandas.read_csv(given["rows"])
least = ParameterFloat(name="Least", default_value=0.9)
approval = ParameterString(name="Approval", default_value="PendingManualApproval")
settings = {"role": ROLE, "instance_type": "ml.m5.large", "instance_count": 1, "sagemaker_session": session}
state = {}


def upload(key, frame, **more):
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=frame.to_csv(index=False, **more))
    return f"s3://{BUCKET}/{key}"


def estimator():
    return SKLearn(
        entry_point="train.py",
        source_dir=given["source"],
        framework_version="1.2-1",
        hyperparameters={"C": 0.5},
        metric_definitions=METRICS,
        **settings,
    )


def inputs():
    return {channel: os.path.dirname(upload(f"digits/{channel}/rows.csv", part)) for channel, part in {"train": rows[:300], "validation": rows[300:]}.items()}


def model(data):
    return SKLearnModel(model_data=data, role=ROLE, entry_point="train.py", source_dir=given["source"], framework_version="1.2-1", sagemaker_session=session)


def wait(execution):
    """Waits as users do, with a shorter delay, for at most five minutes."""
    try:
        execution.wait(delay=1, max_attempts=300)
    except WaiterError:
        return execution.describe()
    return execution.describe()


def steps_of(execution):
    return {step["StepName"]: step for step in execution.list_steps()}


def pipeline():
    train = TrainingStep("Train", step_args=estimator().fit(inputs()), cache_config=CacheConfig(enable_caching=True, expire_after="PT1H"))
    trained = train.properties.ModelArtifacts.S3ModelArtifacts
    report = PropertyFile(name="Report", output_name="evaluation", path="evaluation.json")
    processor = SKLearnProcessor(framework_version="1.2-1", **settings)
    evaluation = processor.run(
        code=os.path.join(given["source"], "evaluate.py"),
        inputs=[
            ProcessingInput(source=trained, destination="/opt/ml/processing/input/model"),
            ProcessingInput(source=os.path.dirname(upload("holdout/rows.csv", rows[300:])), destination="/opt/ml/processing/input/rows"),
        ],
        outputs=[ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
    )
    evaluate = ProcessingStep("Evaluate", step_args=evaluation, property_files=[report])
    registered = model(trained).register(
        content_types=["text/csv"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="sdk2-piped",
        approval_status=approval,
    )
    register = ModelStep("Register", step_args=registered)
    create = ModelStep("Create", step_args=model(trained).create(instance_type="ml.m5.large"))
    unlabelled = upload("score/rows.csv", rows[300:].drop(columns="label"), header=False)
    transformer = Transformer(
        model_name=create.properties.ModelName, instance_count=1, instance_type="ml.m5.large", output_path=f"s3://{BUCKET}/scored", sagemaker_session=session
    )
    score = TransformStep("Score", step_args=transformer.transform(data=unlabelled, content_type="text/csv", split_type="Line"))
    bad = FailStep("TooBad", error_message=Join(on=" ", values=["accuracy below", least]))
    accuracy = JsonGet(step_name=evaluate.name, property_file=report, json_path="metrics.accuracy")
    good = ConditionStep(
        "Good", conditions=[ConditionGreaterThanOrEqualTo(left=accuracy, right=least)], if_steps=[register, create, score], else_steps=[bad]
    )
    return Pipeline(name="Sdk2", parameters=[least, approval], steps=[train, evaluate, good], sagemaker_session=session)


@check("Pipeline.upsert creates a pipeline, and start and wait run it to its end")
def _():
    client("s3").create_bucket(Bucket=BUCKET)
    state["pipeline"] = pipeline()
    state["pipeline"].upsert(role_arn=ROLE, description="digits", tags=[{"Key": "team", "Value": "vision"}])
    same(state["pipeline"].describe()["PipelineDescription"], "digits")
    state["first"] = state["pipeline"].start()
    execution = wait(state["first"])
    same((execution["PipelineExecutionStatus"], steps_of(state["first"]) if execution["PipelineExecutionStatus"] != "Succeeded" else None), ("Succeeded", None))


@check("each step has run as a job of its own")
def _():
    steps = steps_of(state["first"])
    same({step["StepStatus"] for step in steps.values()}, {"Succeeded"})
    names = sorted(steps)
    same([name for name in names if not name.startswith(("Register", "Create"))], ["Evaluate", "Good", "Score", "Train"])
    job = client("sagemaker").describe_training_job(TrainingJobName=steps["Train"]["Metadata"]["TrainingJob"]["Arn"].split("/")[-1])
    same((job["TrainingJobStatus"], job["HyperParameters"]["C"]), ("Completed", "0.5"))
    accuracy = job["FinalMetricDataList"][0]["Value"]
    (package,) = client("sagemaker").list_model_packages(ModelPackageGroupName="sdk2-piped")["ModelPackageSummaryList"]
    same(package["ModelApprovalStatus"], "PendingManualApproval")
    scored = client("s3").get_object(Bucket=BUCKET, Key="scored/rows.csv.out")["Body"].read().decode().splitlines()
    answers = [int(float(json.loads(line)[0] if line.startswith("[") else line.split(",")[0])) for line in scored]
    right = sum(answer == label for answer, label in zip(answers, rows["label"][300:])) / 150
    assert len(scored) == 150 and abs(right - accuracy) < 1e-3, (len(scored), right, accuracy)


@check("upsert updates the pipeline, and parameters decide another execution")
def _():
    state["pipeline"].upsert(role_arn=ROLE, description="digits again")
    same(state["pipeline"].describe()["PipelineDescription"], "digits again")
    execution = state["pipeline"].start(parameters={"Least": 1.5})
    same(wait(execution)["PipelineExecutionStatus"], "Failed")
    steps = steps_of(execution)
    same((steps["Good"]["Metadata"]["Condition"]["Outcome"], steps["TooBad"]["Metadata"]["Fail"]["ErrorMessage"]), ("False", "accuracy below 1.5"))
    holds("Train", " ".join(steps))
    assert "CacheHitResult" in steps["Train"], steps["Train"]
    same(len(state["pipeline"].list_executions()["PipelineExecutionSummaries"]), 2)
    same({each["Name"]: each["Value"] for each in execution.list_parameters()["PipelineParameters"]}["Least"], "1.5")


@check("a TuningStep tunes, and its best model is registered")
def _():
    tuner = HyperparameterTuner(
        estimator(), "accuracy", {"C": ContinuousParameter(0.001, 1)}, metric_definitions=METRICS, max_jobs=2, max_parallel_jobs=1
    )
    tune = TuningStep("Tune", step_args=tuner.fit(inputs()))
    best = model(tune.get_top_model_s3_uri(top_k=0, s3_bucket=BUCKET))
    registered = best.register(
        content_types=["text/csv"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="sdk2-tuned",
    )
    tuned = Pipeline(name="Sdk2Tuned", steps=[tune, ModelStep("Register", step_args=registered)], sagemaker_session=session)
    tuned.upsert(role_arn=ROLE)
    execution = tuned.start()
    same((wait(execution)["PipelineExecutionStatus"], {step.get("FailureReason") for step in execution.list_steps()}), ("Succeeded", {None}))
    job = steps_of(execution)["Tune"]["Metadata"]["TuningJob"]["Arn"].split("/")[-1]
    same(client("sagemaker").describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)["TrainingJobStatusCounters"]["Completed"], 2)
    same(len(client("sagemaker").list_model_packages(ModelPackageGroupName="sdk2-tuned")["ModelPackageSummaryList"]), 1)


@check("an execution is stopped, and a pipeline deleted")
def _():
    execution = state["pipeline"].start(parameters={"Least": 0.1})
    execution.stop()
    # The waiter of the SDK does not know Stopped.
    while execution.describe()["PipelineExecutionStatus"] in ("Executing", "Stopping"):
        time.sleep(0.2)
    same(execution.describe()["PipelineExecutionStatus"], "Stopped")
    state["pipeline"].delete()
    same([each["PipelineName"] for each in client("sagemaker").list_pipelines()["PipelineSummaries"]], ["Sdk2Tuned"])
