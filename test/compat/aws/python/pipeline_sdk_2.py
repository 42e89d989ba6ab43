"""SageMaker Pipelines with the SageMaker Python SDK 2. `given["source"]` has the scripts, `given["rows"]` the digits with their labels."""

import contextlib
import io
import os

import pandas
from checks import check, client, given, holds, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
import botocore.exceptions  # noqa: E402
import sagemaker  # noqa: E402
from sagemaker.inputs import TrainingInput  # noqa: E402
from sagemaker.processing import ProcessingInput, ProcessingOutput  # noqa: E402
from sagemaker.sklearn import SKLearn, SKLearnModel  # noqa: E402
from sagemaker.sklearn.processing import SKLearnProcessor  # noqa: E402
from sagemaker.workflow.condition_step import ConditionStep  # noqa: E402
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo  # noqa: E402
from sagemaker.workflow.fail_step import FailStep  # noqa: E402
from sagemaker.workflow.functions import Join, JsonGet  # noqa: E402
from sagemaker.workflow.model_step import ModelStep  # noqa: E402
from sagemaker.workflow.parameters import ParameterFloat, ParameterString  # noqa: E402
from sagemaker.workflow.pipeline import Pipeline  # noqa: E402
from sagemaker.workflow.pipeline_context import PipelineSession  # noqa: E402
from sagemaker.workflow.properties import PropertyFile  # noqa: E402
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/any"
BUCKET = "sdk2-pipelines"
rows = pandas.read_csv(given["rows"])
state = {}


def quietly(run):
    with contextlib.redirect_stdout(io.StringIO()):
        return run()


def uploaded(session, name, frame):
    session.upload_string_as_file_body(frame.to_csv(index=False), BUCKET, f"{name}/rows.csv")
    return f"s3://{BUCKET}/{name}/"


def defined():
    """The pipeline of SageMaker's examples: train, evaluate, register what is good enough, or fail."""
    session = PipelineSession(default_bucket=BUCKET)
    least = ParameterFloat(name="Least", default_value=0.8)
    approval = ParameterString(name="Approval", default_value="PendingManualApproval")
    inverse = ParameterFloat(name="C", default_value=0.5)
    place = {"role": ROLE, "instance_type": "ml.m5.large", "instance_count": 1, "sagemaker_session": session}
    estimator = SKLearn(entry_point="train.py", source_dir=given["source"], framework_version="1.2-1", hyperparameters={"C": inverse}, **place)
    channels = {"train": TrainingInput(uploaded(session, "train", rows[:300])), "validation": TrainingInput(uploaded(session, "held", rows[300:]))}
    train = TrainingStep("Train", step_args=estimator.fit(channels), cache_config=CacheConfig(enable_caching=True, expire_after="PT1H"))
    report = PropertyFile("Report", output_name="evaluation", path="evaluation.json")
    arguments = SKLearnProcessor(framework_version="1.2-1", **place).run(
        code=os.path.join(given["source"], "evaluate.py"),
        inputs=[
            ProcessingInput(source=train.properties.ModelArtifacts.S3ModelArtifacts, destination="/opt/ml/processing/input/model"),
            ProcessingInput(source=f"s3://{BUCKET}/held/", destination="/opt/ml/processing/input/rows"),
        ],
        outputs=[ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")],
    )
    evaluate = ProcessingStep("Evaluate", step_args=arguments, property_files=[report])
    model = SKLearnModel(
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        entry_point="train.py",
        source_dir=given["source"],
        framework_version="1.2-1",
        role=ROLE,
        sagemaker_session=session,
    )
    register = ModelStep(
        "Register",
        step_args=model.register(
            content_types=["text/csv"], response_types=["text/csv"], model_package_group_name="sdk2-digits", approval_status=approval
        ),
    )
    fail = FailStep("TooBad", error_message=Join(on=" ", values=["accuracy below", least]))
    reported = JsonGet(step_name="Evaluate", property_file=report, json_path="metrics.accuracy")
    good = ConditionStep("Good", conditions=[ConditionGreaterThanOrEqualTo(left=reported, right=least)], if_steps=[register], else_steps=[fail])
    return Pipeline("sdk2", parameters=[least, approval, inverse], steps=[train, evaluate, good], sagemaker_session=session)


def statuses(execution):
    return {step["StepName"]: step["StepStatus"] for step in execution.list_steps()}


@check("Pipeline.upsert defines the pipeline of SageMaker's examples, and an execution trains, evaluates and registers")
def _():
    client("s3").create_bucket(Bucket=BUCKET)
    pipeline = quietly(defined)
    arn = quietly(lambda: pipeline.upsert(role_arn=ROLE))["PipelineArn"]
    same(arn, "arn:aws:sagemaker:us-east-1:000000000000:pipeline/sdk2")
    execution = pipeline.start(parameters={"C": 1.0})
    execution.wait(delay=1, max_attempts=300)
    done = statuses(execution)
    same((execution.describe()["PipelineExecutionStatus"], set(done.values())), ("Succeeded", {"Succeeded"}))
    same({"Train", "Evaluate", "Good", "Register-RegisterModel"} - set(done), set())
    (package,) = client("sagemaker").list_model_packages(ModelPackageGroupName="sdk2-digits")["ModelPackageSummaryList"]
    same((package["ModelPackageStatus"], package["ModelApprovalStatus"]), ("Completed", "PendingManualApproval"))
    step = next(each for each in execution.list_steps() if each["StepName"] == "Train")
    job = client("sagemaker").describe_training_job(TrainingJobName=step["Metadata"]["TrainingJob"]["Arn"].split("/")[-1])
    same(job["HyperParameters"]["C"], "1.0")
    state["pipeline"] = pipeline


@check("upsert replaces it, and an execution that is not good enough fails with the message of its FailStep")
def _():
    quietly(lambda: state["pipeline"].upsert(role_arn=ROLE))
    execution = state["pipeline"].start(parameters={"C": 1.0, "Least": 1.0})
    try:
        execution.wait(delay=1, max_attempts=300)
    except botocore.exceptions.WaiterError as error:
        holds("Failed", str(error))
    else:
        raise AssertionError("the execution did not fail")
    bad = next(step for step in execution.list_steps() if step["StepName"] == "TooBad")
    same(bad["Metadata"]["Fail"]["ErrorMessage"], "accuracy below 1.0")
    train = next(step for step in execution.list_steps() if step["StepName"] == "Train")
    holds("/execution/", train["CacheHitResult"]["SourcePipelineExecutionArn"])


@check("executions are listed, described and deleted with the pipeline")
def _():
    same(len(state["pipeline"].list_executions()["PipelineExecutionSummaries"]), 2)
    same(state["pipeline"].describe()["PipelineStatus"], "Active")
    state["pipeline"].delete()
