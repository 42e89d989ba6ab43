"""Pipelines with steps of the types Tuning, Model and Transform, executed by boto3. Their scripts need only the shell."""

import json
import time

from checks import check, client, given, holds, same

sagemaker = client("sagemaker")
s3 = client("s3")
ROLE = "arn:aws:iam::000000000000:role/any"
get = lambda path: {"Get": path}
join = lambda on, *values: {"Std:Join": {"On": on, "Values": list(values)}}
# Each trial prints its value as the loss, and writes the model of its channel.
COMMAND = 'grep -o \'"x":"[^"]*"\' /opt/ml/input/config/hyperparameters.json | tr -d \'"\' | sed s/x:/loss=/; cp /opt/ml/input/data/model/* /opt/ml/model/'
TUNE = {
    "Name": "Tune",
    "Type": "Tuning",
    "Arguments": {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": get("Parameters.Trials"), "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.5", "MaxValue": "2", "ScalingType": "Linear"}]},
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {},
            "AlgorithmSpecification": {
                "TrainingImage": "penstock/python",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/sh", "-c", COMMAND],
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
            "InputDataConfig": [
                {"ChannelName": "model", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://stepped/model/", "S3DataDistributionType": "FullyReplicated"}}}
            ],
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://stepped/trials"},
            "ResourceConfig": {"InstanceType": "local.1", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        },
    },
}
BEST = join("/", "s3://stepped/trials", get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"), "output/model.tar.gz")
MODEL = {"Name": "Model", "Type": "Model", "Arguments": {"PrimaryContainer": {"Image": "penstock/onnx", "ModelDataUrl": BEST}, "ExecutionRoleArn": ROLE}}
SCORE = {
    "Name": "Score",
    "Type": "Transform",
    "Arguments": {
        "ModelName": get("Steps.Model.ModelName"),
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": get("Parameters.Rows")}}, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": join("/", "s3://stepped/scored", get("Execution.PipelineExecutionId")), "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    },
}
PARAMETERS = [{"Name": "Trials", "Type": "Integer", "DefaultValue": 3}, {"Name": "Rows", "Type": "String", "DefaultValue": "s3://stepped/rows/"}]
state = {}


def ended(arn):
    for _ in range(1800):
        execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if execution["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return execution["PipelineExecutionStatus"]
        time.sleep(0.1)
    raise AssertionError(f"{arn} does not end: {steps_of(arn)}")


def steps_of(arn):
    return sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")["PipelineExecutionSteps"]


def statuses(arn):
    return [(step["StepName"], step["StepStatus"], step.get("FailureReason")) for step in steps_of(arn)]


def named(step, member):
    return step["Metadata"][member]["Arn"].split("/")[-1]


@check("a pipeline tunes, creates a model of the best trial, and transforms rows with it")
def _():
    s3.create_bucket(Bucket="stepped")
    with open(given["onnx"], "rb") as file:
        s3.put_object(Bucket="stepped", Key="model/model.onnx", Body=file.read())
    row = ",".join(["0"] * 64)
    s3.put_object(Bucket="stepped", Key="rows/a.csv", Body=f"{row}\n" * 20)
    text = json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": PARAMETERS, "Steps": [TUNE, MODEL, SCORE]})
    sagemaker.create_pipeline(PipelineName="Stepped", PipelineDefinition=text, RoleArn=ROLE)
    arn = sagemaker.start_pipeline_execution(PipelineName="Stepped")["PipelineExecutionArn"]
    same((ended(arn), statuses(arn)), ("Succeeded", [(name, "Succeeded", None) for name in ("Tune", "Model", "Score")]))
    tune, model, score = steps_of(arn)
    state["arn"] = arn
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=named(tune, "TuningJob"))
    same((tuning["HyperParameterTuningJobStatus"], tuning["TrainingJobStatusCounters"]["Completed"]), ("Completed", 3))
    created = sagemaker.describe_model(ModelName=named(model, "Model"))
    best = tuning["BestTrainingJob"]["TrainingJobName"]
    same(created["PrimaryContainer"]["ModelDataUrl"], f"s3://stepped/trials/{best}/output/model.tar.gz")
    job = sagemaker.describe_transform_job(TransformJobName=named(score, "TransformJob"))
    same((job["TransformJobStatus"], job["ModelName"]), ("Completed", created["ModelName"]))
    lines = s3.get_object(Bucket="stepped", Key=f"scored/{arn.split('/')[-1]}/a.csv.out")["Body"].read().decode().splitlines()
    same(len(lines), 20)


@check("a transform without rows fails its step, with the reason of the job")
def _():
    parameters = [{"Name": "Trials", "Value": "1"}, {"Name": "Rows", "Value": "s3://stepped/nothing/"}]
    arn = sagemaker.start_pipeline_execution(PipelineName="Stepped", PipelineParameters=parameters)["PipelineExecutionArn"]
    same(ended(arn), "Failed")
    same([(name, status) for name, status, _ in statuses(arn)], [("Tune", "Succeeded"), ("Model", "Succeeded"), ("Score", "Failed")])
    job = sagemaker.describe_transform_job(TransformJobName=named(steps_of(arn)[2], "TransformJob"))
    same(statuses(arn)[2][2], job["FailureReason"])
    holds("s3://stepped/nothing/", job["FailureReason"])


@check("an execution is stopped with its tuning job and the trials of it")
def _():
    arn = sagemaker.start_pipeline_execution(PipelineName="Stepped", PipelineParameters=[{"Name": "Trials", "Value": "100"}])["PipelineExecutionArn"]
    while not any("Metadata" in step for step in steps_of(arn)):
        time.sleep(0.1)
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    same((ended(arn), statuses(arn)[0][:2]), ("Stopped", ("Tune", "Stopped")))
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=named(steps_of(arn)[0], "TuningJob"))
    same((tuning["HyperParameterTuningJobStatus"], tuning["TrainingJobStatusCounters"]["InProgress"]), ("Stopped", 0))
