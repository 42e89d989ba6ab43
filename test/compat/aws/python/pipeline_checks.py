"""Pipelines defined, executed and read by boto3. Their scripts run in the Python of this file under the name `python`."""

import json
import time

from checks import check, client, given, holds, rejected, same, trail_events

sagemaker = client("sagemaker")
s3 = client("s3")
logs = client("logs")
ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/"
ROLE = "arn:aws:iam::000000000000:role/any"
EVALUATE = """
import json, os, sys
base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
assert os.path.exists(f"{base}/processing/input/model/model.tar.gz")
with open(f"{base}/processing/evaluation/evaluation.json", "w") as file:
    json.dump({"metrics": {"accuracy": float(sys.argv[1])}}, file)
"""
PARAMETERS = [
    {"Name": "Accuracy", "Type": "Float", "DefaultValue": 0.95},
    {"Name": "Least", "Type": "Float", "DefaultValue": 0.9},
    {"Name": "Sleep", "Type": "String", "DefaultValue": "0"},
    {"Name": "Approval", "Type": "String", "DefaultValue": "PendingManualApproval", "EnumValues": ["PendingManualApproval", "Approved"]},
]
get = lambda path: {"Get": path}
join = lambda on, *values: {"Std:Join": {"On": on, "Values": list(values)}}
TRAIN = {
    "Name": "Train",
    "Type": "Training",
    "CacheConfig": {"Enabled": True, "ExpireAfter": "PT1H"},
    "Arguments": {
        "AlgorithmSpecification": {
            "TrainingImage": "penstock/python",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", join("", "sleep ", get("Parameters.Sleep"), "; cp /opt/ml/input/data/model/* /opt/ml/model/")],
        },
        "InputDataConfig": [
            {"ChannelName": "model", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://piped/model/", "S3DataDistributionType": "FullyReplicated"}}}
        ],
        "HyperParameters": {"accuracy": get("Parameters.Accuracy")},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://piped/trained"},
        "ResourceConfig": {"InstanceType": "local.1", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    },
}
OUTPUT = {"S3Uri": join("/", "s3:/", "piped", get("Execution.PipelineExecutionId")), "LocalPath": "/opt/ml/processing/evaluation", "S3UploadMode": "EndOfJob"}
source = lambda name, uri: {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/input/{name}", "S3DataType": "S3Prefix", "S3InputMode": "File"}}
EVALUATION = {
    "Name": "Evaluate",
    "Type": "Processing",
    "PropertyFiles": [{"PropertyFileName": "Report", "OutputName": "evaluation", "FilePath": "evaluation.json"}],
    "Arguments": {
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "local.1", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        "AppSpecification": {
            "ImageUri": "penstock/python",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/evaluate.py"],
            "ContainerArguments": [join("", get("Parameters.Accuracy"))],
        },
        "RoleArn": ROLE,
        "ProcessingInputs": [source("code", "s3://piped/code/evaluate.py"), source("model", get("Steps.Train.ModelArtifacts.S3ModelArtifacts"))],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "evaluation", "S3Output": OUTPUT}]},
    },
}
REGISTER = {
    "Name": "Register",
    "Type": "RegisterModel",
    "Arguments": {
        "ModelPackageGroupName": "piped",
        "InferenceSpecification": {
            "Containers": [{"Image": "penstock/onnx", "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelApprovalStatus": get("Parameters.Approval"),
    },
}
FAIL = {"Name": "TooBad", "Type": "Fail", "Arguments": {"ErrorMessage": join(" ", "accuracy below", get("Parameters.Least"))}}
REPORTED = {"Std:JsonGet": {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"), "Path": "metrics.accuracy"}}
GOOD = {
    "Name": "Good",
    "Type": "Condition",
    "Arguments": {
        "Conditions": [{"Type": "GreaterThanOrEqualTo", "LeftValue": REPORTED, "RightValue": get("Parameters.Least")}],
        "IfSteps": [REGISTER],
        "ElseSteps": [FAIL],
    },
}


def definition(*steps, parameters=PARAMETERS):
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters, "Steps": list(steps)})


def started(name, **parameters):
    listed = [{"Name": key, "Value": value} for key, value in parameters.items()]
    return sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=listed)["PipelineExecutionArn"]


def until(arn, wanted):
    for _ in range(1200):
        execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if wanted(execution):
            return execution
        time.sleep(0.1)
    raise AssertionError(f"{arn} stays {execution}, {steps_of(arn)}")


def ended(arn):
    return until(arn, lambda execution: execution["PipelineExecutionStatus"] not in ("Executing", "Stopping"))


def steps_of(arn):
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(PipelineExecutionArn=arn, SortOrder="Ascending", PaginationConfig={"PageSize": 2})
    return [step for page in pages for step in page["PipelineExecutionSteps"]]


def statuses(arn):
    return [(step["StepName"], step["StepStatus"]) for step in steps_of(arn)]


@check("a pipeline trains, evaluates, and registers what is good enough")
def _():
    s3.create_bucket(Bucket="piped")
    with open(given["onnx"], "rb") as file:
        s3.put_object(Bucket="piped", Key="model/model.onnx", Body=file.read())
    s3.put_object(Bucket="piped", Key="code/evaluate.py", Body=EVALUATE.encode())
    events = client("events")
    events.put_rule(Name="executions", EventPattern=json.dumps({"detail-type": ["SageMaker Model Building Pipeline Execution Status Change"]}))
    logs.create_log_group(logGroupName="/events/executions")
    events.put_targets(Rule="executions", Targets=[{"Id": "1", "Arn": "arn:aws:logs:us-east-1:000000000000:log-group:/events/executions"}])
    text = definition(TRAIN, EVALUATION, GOOD)
    made = sagemaker.create_pipeline(PipelineName="Digits", PipelineDefinition=text, RoleArn=ROLE, PipelineDescription="digits", Tags=[{"Key": "team", "Value": "vision"}])
    same(made["PipelineArn"], ARN + "digits")
    described = sagemaker.describe_pipeline(PipelineName="Digits")
    same((described["PipelineDefinition"], described["PipelineStatus"], described["RoleArn"], described["PipelineDescription"]), (text, "Active", ROLE, "digits"))
    arn = started("Digits")
    holds(ARN + "digits/execution/", arn)
    execution = ended(arn)
    same((execution["PipelineExecutionStatus"], execution.get("FailureReason")), ("Succeeded", None))
    same(statuses(arn), [("Train", "Succeeded"), ("Evaluate", "Succeeded"), ("Good", "Succeeded"), ("Register", "Succeeded")])
    train, evaluate, good, register = steps_of(arn)
    same((good["Metadata"], register["Metadata"]), ({"Condition": {"Outcome": "True"}}, {"RegisterModel": {"Arn": "arn:aws:sagemaker:us-east-1:000000000000:model-package/piped/1"}}))
    name = train["Metadata"]["TrainingJob"]["Arn"].split("/")[-1]
    job = sagemaker.describe_training_job(TrainingJobName=name)
    same((job["TrainingJobStatus"], job["HyperParameters"]), ("Completed", {"accuracy": "0.95"}))
    same(sagemaker.describe_processing_job(ProcessingJobName=evaluate["Metadata"]["ProcessingJob"]["Arn"].split("/")[-1])["ProcessingJobStatus"], "Completed")
    package = sagemaker.describe_model_package(ModelPackageName=register["Metadata"]["RegisterModel"]["Arn"])
    same((package["ModelPackageStatus"], package["ModelApprovalStatus"]), ("Completed", "PendingManualApproval"))


@check("a step with a cache is not run again, and a condition decides between its branches")
def _():
    arn = started("Digits", Least="0.99")
    execution = ended(arn)
    same((execution["PipelineExecutionStatus"], execution["FailureReason"]), ("Failed", "Step failure: One or multiple steps failed."))
    same(statuses(arn), [("Train", "Succeeded"), ("Evaluate", "Succeeded"), ("Good", "Succeeded"), ("TooBad", "Failed")])
    train, _, good, bad = steps_of(arn)
    holds(ARN + "digits/execution/", train["CacheHitResult"]["SourcePipelineExecutionArn"])
    same((good["Metadata"]["Condition"]["Outcome"], bad["Metadata"]["Fail"]["ErrorMessage"]), ("False", "accuracy below 0.99"))
    parameters = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    same({each["Name"]: each["Value"] for each in parameters}, {"Accuracy": "0.95", "Least": "0.99", "Sleep": "0", "Approval": "PendingManualApproval"})


@check("an execution is stopped with its jobs")
def _():
    arn = started("Digits", Sleep="600")
    until(arn, lambda _: any("Metadata" in step for step in steps_of(arn)))
    rejection = rejected(sagemaker.delete_pipeline, PipelineName="Digits")
    same((rejection.code, rejection.message), ("ConflictException", "Pipeline Digits has an execution with status Executing: stop it first."))
    same(sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="a" * 32)["PipelineExecutionArn"], arn)
    same(ended(arn)["PipelineExecutionStatus"], "Stopped")
    same(statuses(arn), [("Train", "Stopped")])
    name = steps_of(arn)[0]["Metadata"]["TrainingJob"]["Arn"].split("/")[-1]
    same(sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"], "Stopped")
    same(rejected(sagemaker.stop_pipeline_execution, PipelineExecutionArn=arn, ClientRequestToken="b" * 32).code, "ConflictException")


@check("a step that fails says why")
def _():
    arn = started("Digits", Sleep="0; exit 3")
    same(ended(arn)["PipelineExecutionStatus"], "Failed")
    (step,) = steps_of(arn)
    same(step["StepStatus"], "Failed")
    holds("exit code: 3", step["FailureReason"])


@check("an update replaces the definition, and executions keep theirs")
def _():
    text = definition(FAIL)
    same(sagemaker.update_pipeline(PipelineName="Digits", PipelineDefinition=text)["PipelineArn"], ARN + "digits")
    described = sagemaker.describe_pipeline(PipelineName="Digits")
    same((described["PipelineDefinition"], described["PipelineDescription"]), (text, "digits"))
    newest, *_, oldest = sagemaker.list_pipeline_executions(PipelineName="Digits")["PipelineExecutionSummaries"]
    same((newest["PipelineExecutionStatus"], oldest["PipelineExecutionStatus"]), ("Failed", "Succeeded"))
    before = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=oldest["PipelineExecutionArn"])
    same(before["PipelineDefinition"], definition(TRAIN, EVALUATION, GOOD))


@check("events tell begins and ends, CloudTrail the calls, and a rule starts an execution")
def _():
    told = [json.loads(event["message"])["detail"] for event in logs.filter_log_events(logGroupName="/events/executions")["events"]]
    same([each["currentPipelineExecutionStatus"] for each in told][:4], ["Executing", "Succeeded", "Executing", "Failed"])
    same((trail_events("CreatePipeline"), trail_events("StartPipelineExecution")[0]), ([("Digits", "sagemaker")], ("Digits", "sagemaker")))
    events = client("events")
    events.put_rule(Name="starts", EventPattern=json.dumps({"source": ["mine"]}))
    parameters = {"PipelineParameterList": [{"Name": "Least", "Value": "0.5"}]}
    events.put_targets(Rule="starts", Targets=[{"Id": "1", "Arn": ARN + "digits", "SageMakerPipelineParameters": parameters}])
    count = lambda: len(sagemaker.list_pipeline_executions(PipelineName="Digits")["PipelineExecutionSummaries"])
    before = count()
    events.put_events(Entries=[{"Source": "mine", "DetailType": "go", "Detail": "{}"}])
    while count() == before:
        time.sleep(0.1)
    newest = sagemaker.list_pipeline_executions(PipelineName="Digits", MaxResults=1)["PipelineExecutionSummaries"][0]["PipelineExecutionArn"]
    ended(newest)
    same(steps_of(newest)[0]["Metadata"]["Fail"]["ErrorMessage"], "accuracy below 0.5")


@check("pipelines are listed and tagged")
def _():
    sagemaker.create_pipeline(PipelineName="other", PipelineDefinition=definition(FAIL), RoleArn=ROLE)
    names = lambda **wanted: [each["PipelineName"] for each in sagemaker.list_pipelines(**wanted)["PipelineSummaries"]]
    same((names(SortBy="Name", SortOrder="Ascending"), names(PipelineNamePrefix="dig")), (["Digits", "other"], ["Digits"]))
    sagemaker.add_tags(ResourceArn=ARN + "digits", Tags=[{"Key": "stage", "Value": "test"}])
    same(len(sagemaker.list_tags(ResourceArn=ARN + "digits")["Tags"]), 2)


@check("what cannot run is rejected when the pipeline is created, by name")
def _():
    rejection = rejected(sagemaker.create_pipeline, PipelineName="Digits", PipelineDefinition=definition(FAIL), RoleArn=ROLE)
    same(rejection.code, "ValidationException")
    holds("Pipeline with name (Digits) already exists", rejection.message)
    for call in (sagemaker.describe_pipeline, sagemaker.update_pipeline, sagemaker.delete_pipeline, sagemaker.start_pipeline_execution):
        same(rejected(call, PipelineName="absent").code, "ResourceNotFound")
    same(rejected(sagemaker.describe_pipeline_execution, PipelineExecutionArn=ARN + "digits/execution/abc").code, "ResourceNotFound")
    two = json.loads(json.dumps(TRAIN))
    two["Arguments"]["ResourceConfig"]["InstanceCount"] = 2
    for text, message in [
        (definition({"Name": "Call", "Type": "Lambda", "Arguments": {}}), "step 'Call' has the type \"Lambda\", which is not supported"),
        (definition({"Name": "Check", "Type": "QualityCheck", "Arguments": {}}), "\"QualityCheck\", which is not supported"),
        (definition(two), "step 'Train': InstanceCount 2 is not supported"),
        (definition({**TRAIN, "RetryPolicies": [{"ExceptionType": ["Step.THROTTLING"]}]}), "RetryPolicies of step 'Train' is not supported"),
        (definition(EVALUATION), "step 'Evaluate' refers to step 'Train', which is not defined"),
        ("{", "PipelineDefinition is not JSON"),
    ]:
        rejection = rejected(sagemaker.create_pipeline, PipelineName="bad", PipelineDefinition=text, RoleArn=ROLE)
        same((rejection.code, rejection.status), ("ValidationException", 400))
        holds(message, rejection.message)
    for parameters, message in [({"Unknown": "1"}, "unknown parameter 'Unknown'"), ({"Least": "much"}, "parameter 'Least' is \"much\""), ({"Approval": "Rejected"}, "expected one of PendingManualApproval, Approved")]:
        listed = [{"Name": key, "Value": value} for key, value in parameters.items()]
        holds(message, rejected(sagemaker.start_pipeline_execution, PipelineName="Digits", PipelineParameters=listed).message)
    rejection = rejected(sagemaker.start_pipeline_execution, PipelineName="Digits", SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "Train"}]})
    holds("SelectiveExecutionConfig is not supported", rejection.message)


@check("a deleted pipeline is gone with its executions")
def _():
    arn = sagemaker.list_pipeline_executions(PipelineName="Digits")["PipelineExecutionSummaries"][0]["PipelineExecutionArn"]
    sagemaker.delete_pipeline(PipelineName="Digits")
    same(rejected(sagemaker.describe_pipeline, PipelineName="Digits").code, "ResourceNotFound")
    same(rejected(sagemaker.describe_pipeline_execution, PipelineExecutionArn=arn).code, "ResourceNotFound")
