"""Training with the SageMaker Python SDK 2. `given["source"]` has the scripts, `given["rows"]` the digits with their labels."""

import contextlib
import io
import os

import pandas
from checks import check, client, given, holds, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
import sagemaker  # noqa: E402
from sagemaker.analytics import TrainingJobAnalytics  # noqa: E402
from sagemaker.deserializers import JSONDeserializer  # noqa: E402
from sagemaker.estimator import Estimator  # noqa: E402
from sagemaker.pytorch import PyTorch  # noqa: E402
from sagemaker.serializers import CSVSerializer  # noqa: E402
from sagemaker.sklearn import SKLearn  # noqa: E402
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/any"
session = sagemaker.Session(default_bucket="sdk2")
rows = pandas.read_csv(given["rows"])
split = {"train": rows[:300], "validation": rows[300:]}
state = {}


def uploaded(channel):
    session.upload_string_as_file_body(split[channel].to_csv(index=False), "sdk2", f"digits/{channel}/rows.csv")
    return f"s3://sdk2/digits/{channel}/"


def printed(run):
    """What a call prints, as lines."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        run()
    return output.getvalue().splitlines()


@check("SKLearn.fit trains with data of two channels and prints each line of the log once")
def _():
    client("s3").create_bucket(Bucket="sdk2")
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=given["source"],
        framework_version="1.2-1",
        role=ROLE,
        instance_type="ml.m5.large",
        instance_count=1,
        hyperparameters={"C": 0.5, "shuffled": True},
        metric_definitions=[{"Name": "accuracy", "Regex": "validation-accuracy=([0-9.]+)"}],
        sagemaker_session=session,
    )
    lines = printed(lambda: estimator.fit({channel: uploaded(channel) for channel in split}))
    own = [line for line in lines if "accuracy=" in line]
    same(len(own), 2)
    holds("shuffled=True", own[1])
    assert any("Training - Training image download completed" in line for line in lines), lines
    assert any(line.startswith("Training seconds: ") for line in lines), lines
    state["estimator"], state["name"] = estimator, estimator.latest_training_job.name


@check("the estimator shows the log again, and the model's place")
def _():
    own = [line for line in printed(state["estimator"].logs) if "accuracy=" in line]
    same(len(own), 2)
    same(state["estimator"].model_data, f"s3://sdk2/{state['name']}/output/model.tar.gz")


@check("TrainingJobAnalytics has its metric")
def _():
    frame = TrainingJobAnalytics(state["name"], sagemaker_session=session).dataframe()
    same(list(frame["metric_name"]), ["accuracy"])
    final = client("sagemaker").describe_training_job(TrainingJobName=state["name"])["FinalMetricDataList"]
    assert abs(frame["value"][0] - final[0]["Value"]) < 1e-6 and frame["value"][0] >= 0.9, frame


@check("Estimator.attach finds the job")
def _():
    attached = SKLearn.attach(state["name"], sagemaker_session=session)
    same(attached.model_data, state["estimator"].model_data)
    same(float(attached.hyperparameters()["C"]), 0.5)


@check("the estimator is deployed, and its endpoint answers as the model of the job")
def _():
    predictor = state["estimator"].deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name="trained", wait=False)
    client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="trained")
    predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
    held = split["validation"]
    answers = predictor.predict(held.drop(columns="label").to_numpy())
    right = sum(int(answer) == label for answer, label in zip(answers, held["label"]))
    assert right / len(held) >= 0.9, f"{right} of {len(held)} are right"
    predictor.delete_endpoint()


@check("PyTorch.fit runs a spot job with checkpoints")
def _():
    estimator = PyTorch(
        entry_point="toy.py",
        source_dir=given["source"],
        framework_version="2.1",
        py_version="py310",
        role=ROLE,
        instance_type="ml.m5.large",
        instance_count=1,
        use_spot_instances=True,
        max_run=600,
        max_wait=1200,
        checkpoint_s3_uri="s3://sdk2/checkpoints",
        hyperparameters={"epochs": 2},
        sagemaker_session=session,
    )
    lines = printed(estimator.fit)
    same([line.split("epoch=")[1] for line in lines if "epoch=" in line], ["0 loss=1.000", "1 loss=0.500"])
    assert any(line.startswith("Billable seconds: ") for line in lines), lines
    objects = client("s3").list_objects_v2(Bucket="sdk2", Prefix="checkpoints/")["Contents"]
    same([each["Key"] for each in objects], ["checkpoints/0.txt", "checkpoints/1.txt"])


if given["torch"]:

    @check("PyTorch.fit trains a network with torch, whose model is registered and answers")
    def _():
        estimator = PyTorch(
            entry_point="train.py",
            source_dir=given["torch"],
            framework_version="2.1",
            py_version="py310",
            role=ROLE,
            instance_type="ml.m5.large",
            instance_count=1,
            hyperparameters={"epochs": 12},
            metric_definitions=[{"Name": "accuracy", "Regex": "validation-accuracy=([0-9.]+)"}],
            tags=[{"Key": "penstock:group", "Value": "torch"}],
            sagemaker_session=session,
        )
        lines = printed(lambda: estimator.fit({"train": uploaded("train")}))
        same(len([line for line in lines if "validation-accuracy=" in line]), 12)
        (package,) = client("sagemaker").list_model_packages(ModelPackageGroupName="torch")["ModelPackageSummaryList"]
        arn = package["ModelPackageArn"]
        client("sagemaker").update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
        model = sagemaker.ModelPackage(role=ROLE, model_package_arn=arn, sagemaker_session=session)
        model.deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name="torch", wait=False)
        client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="torch")
        held = split["validation"]
        body = held.drop(columns="label").to_csv(index=False, header=False)
        answer = client("sagemaker-runtime").invoke_endpoint(EndpointName="torch", ContentType="text/csv", Accept="text/csv", Body=body)
        answers = answer["Body"].read().decode().split()
        right = sum(int(line.split(",")[0]) == label for line, label in zip(answers, held["label"]))
        assert len(answers) == len(held) and right / len(held) >= 0.85, f"{right} of {len(answers)} are right"
        client("sagemaker").delete_endpoint(EndpointName="torch")


@check("Estimator.fit runs a script under an image of Penstock")
def _():
    estimator = Estimator(
        "penstock/python:sklearn",
        ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        entry_point="toy.py",
        source_dir=given["source"],
        sagemaker_session=session,
        keep_alive_period_in_seconds=600,
    )
    lines = printed(estimator.fit)
    same(len([line for line in lines if "epoch=" in line]), 3)


@check("a script that fails raises its reason")
def _():
    estimator = Estimator(
        "penstock/python:sklearn",
        ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        entry_point="toy.py",
        source_dir=given["source"],
        hyperparameters={"unknown": 1},
        sagemaker_session=session,
    )
    try:
        printed(estimator.fit)
    except sagemaker.exceptions.UnexpectedStatusException as error:
        holds("AlgorithmError: ExecuteUserScriptError:", str(error))
        holds("unrecognized arguments: --unknown 1", str(error))
    else:
        raise AssertionError("the job did not fail")


@check("HyperparameterTuner.fit tunes an estimator, and its best model is deployed")
def _():
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=given["source"],
        framework_version="1.2-1",
        role=ROLE,
        instance_type="ml.m5.large",
        instance_count=1,
        hyperparameters={"shuffled": True},
        sagemaker_session=session,
    )
    tuner = HyperparameterTuner(
        estimator,
        "accuracy",
        {"C": ContinuousParameter(0.001, 1)},
        metric_definitions=[{"Name": "accuracy", "Regex": "validation-accuracy=([0-9.]+)"}],
        max_jobs=4,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk2",
    )
    printed(lambda: tuner.fit({channel: uploaded(channel) for channel in split}))
    same(tuner.describe()["HyperParameterTuningJobStatus"], "Completed")
    frame = tuner.analytics().dataframe()
    same((len(frame), set(frame["TrainingJobStatus"])), (4, {"Completed"}))
    assert frame["C"].between(0.001, 1).all(), frame
    best = frame.loc[frame["FinalObjectiveValue"].idxmax()]
    summary = tuner.describe()["BestTrainingJob"]
    same(summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"], float(best["FinalObjectiveValue"]))
    same(tuner.best_training_job(), summary["TrainingJobName"])
    same(float(tuner.best_estimator().hyperparameters()["C"]), float(summary["TunedHyperParameters"]["C"]))
    same(HyperparameterTuner.attach(tuner.latest_tuning_job.name, sagemaker_session=session).best_training_job(), tuner.best_training_job())
    predictor = tuner.deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name="tuned", wait=False)
    client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="tuned")
    predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
    held = split["validation"]
    answers = predictor.predict(held.drop(columns="label").to_numpy())
    right = sum(int(answer) == label for answer, label in zip(answers, held["label"]))
    assert right / len(held) >= 0.9, f"{right} of {len(held)} are right"
    predictor.delete_endpoint()
