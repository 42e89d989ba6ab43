"""Members that are seldom sent: what SageMaker's clients say beyond the necessary comes back as it was said. `given["model"]` is an ONNX file."""

import datetime

from checks import check, client, given, holds, refused, same

sagemaker = client("sagemaker")
runtime = client("sagemaker-runtime")
s3 = client("s3")
scaling = client("application-autoscaling")
cloudwatch = client("cloudwatch")
ROLE = "arn:aws:iam::000000000000:role/any"
HOUR = datetime.timedelta(hours=1)

s3.create_bucket(Bucket="members")
s3.upload_file(given["model"], "members", "model.onnx")


def container(**more):
    return {"Image": "penstock/onnx", "ModelDataUrl": "s3://members/model.onnx", **more}


def specification(**more):
    return {"Containers": [container(**more)], "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}


def parts(described, said):
    """Of what is described, what was said."""
    return {name: described.get(name) for name in said}


def around(items, time_of):
    """Whether a listing by times holds what was made now, and not what is to come."""
    now = datetime.datetime.now(datetime.timezone.utc)
    before, after = items(**{f"{time_of}After": now - HOUR, f"{time_of}Before": now + HOUR}), items(**{f"{time_of}After": now + HOUR})
    assert before and not after, f"{before}, {after}"


@check("a package without a group has all that was said of it, and a Model is made of it")
def _():
    said = {
        "Domain": "COMPUTER_VISION",
        "Task": "IMAGE_CLASSIFICATION",
        "SamplePayloadUrl": "s3://members/sample.tar.gz",
        "CertifyForMarketplace": False,
        "MetadataProperties": {"CommitId": "abc123", "Repository": "https://example.com/r.git", "GeneratedBy": "a test", "ProjectId": "p-1"},
        "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://members/statistics.json"}}},
        "DriftCheckBaselines": {"ModelQuality": {"Constraints": {"ContentType": "application/json", "S3Uri": "s3://members/c.json"}}},
        "AdditionalInferenceSpecifications": [{"Name": "other", "Containers": [container()]}],
        "SourceUri": "https://example.com/run/7",
        "SkipModelValidation": "All",
    }
    tags = [{"Key": "team", "Value": "größer"}]
    arn = sagemaker.create_model_package(ModelPackageName="alone", InferenceSpecification=specification(), Tags=tags, **said)["ModelPackageArn"]
    same(parts(sagemaker.describe_model_package(ModelPackageName=arn), said), said)
    same(sagemaker.list_tags(ResourceArn=arn, MaxResults=50)["Tags"], tags)
    listed = sagemaker.list_model_packages(ModelPackageType="Unversioned", NameContains="alo", SortBy="Name", SortOrder="Descending")
    same([package["ModelPackageName"] for package in listed["ModelPackageSummaryList"]], ["alone"])
    around(lambda **times: sagemaker.list_model_packages(**times)["ModelPackageSummaryList"], "CreationTime")
    sagemaker.create_model(ModelName="of-alone", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn})
    same(sagemaker.describe_model(ModelName="of-alone")["PrimaryContainer"]["ModelPackageName"], arn)
    sagemaker.update_model_package(ModelPackageArn=arn, SourceUri="https://example.com/run/8", ClientToken="t-1")
    same(sagemaker.describe_model_package(ModelPackageName=arn)["SourceUri"], "https://example.com/run/8")
    refusal = refused(sagemaker.update_model_package, ModelPackageArn=arn, InferenceSpecification=specification(ContainerHostname="h"))
    holds("has its model already", refusal.message)


@check("groups are listed by times")
def _():
    sagemaker.create_model_package_group(ModelPackageGroupName="timed")
    around(lambda **times: sagemaker.list_model_package_groups(**times)["ModelPackageGroupSummaryList"], "CreationTime")


@check("a Model has the network and the tags that were said of it")
def _():
    said = {
        "Containers": [container(Environment={"A": "b"}, ContainerHostname="one")],
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": True,
        "InferenceExecutionConfig": {"Mode": "Serial"},
    }
    arn = sagemaker.create_model(ModelName="said", ExecutionRoleArn=ROLE, Tags=[{"Key": "a", "Value": "b"}], **said)["ModelArn"]
    described = sagemaker.describe_model(ModelName="said")
    same(parts(described, ["VpcConfig", "EnableNetworkIsolation"]), parts(said, ["VpcConfig", "EnableNetworkIsolation"]))
    same(parts(described["Containers"][0], said["Containers"][0]), said["Containers"][0])
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "a", "Value": "b"}])
    same([model["ModelName"] for model in sagemaker.list_models(NameContains="SAID")["Models"]], ["said"])
    around(lambda **times: sagemaker.list_models(**times)["Models"], "CreationTime")


def variant(**more):
    return {"VariantName": "main", "ModelName": "said", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large", **more}


@check("a config has what was said of it")
def _():
    said = {
        "KmsKeyId": "alias/key",
        "ExecutionRoleArn": ROLE,
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": True,
    }
    more = {"ModelDataDownloadTimeoutInSeconds": 600, "ContainerStartupHealthCheckTimeoutInSeconds": 120, "VolumeSizeInGB": 30}
    sagemaker.create_endpoint_config(EndpointConfigName="said", ProductionVariants=[variant(**more)], **said)
    described = sagemaker.describe_endpoint_config(EndpointConfigName="said")
    same(parts(described, said), said)
    same(parts(described["ProductionVariants"][0], more), more)
    listing = {"NameContains": "said", "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 1}
    same([config["EndpointConfigName"] for config in sagemaker.list_endpoint_configs(**listing)["EndpointConfigs"]], ["said"])
    around(lambda **times: sagemaker.list_endpoint_configs(**times)["EndpointConfigs"], "CreationTime")


POLICY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": 0,
        "MaximumExecutionTimeoutInSeconds": 600,
    }
}


def in_service(name):
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    return sagemaker.describe_endpoint(EndpointName=name)


@check("an endpoint has tags, is updated by a policy, and keeps what it is told to keep")
def _():
    sagemaker.create_endpoint_config(EndpointConfigName="next", ProductionVariants=[variant(InitialVariantWeight=3)])
    arn = sagemaker.create_endpoint(EndpointName="said", EndpointConfigName="said", Tags=[{"Key": "a", "Value": "b"}])["EndpointArn"]
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "a", "Value": "b"}])
    in_service("said")
    sagemaker.update_endpoint(EndpointName="said", EndpointConfigName="next", DeploymentConfig=POLICY, RetainAllVariantProperties=True)
    described = in_service("said")
    same([described["EndpointConfigName"], described["ProductionVariants"][0]["CurrentWeight"]], ["next", 1.0])
    same(described["LastDeploymentConfig"], POLICY)
    sagemaker.update_endpoint(
        EndpointName="said",
        EndpointConfigName="next",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
        RetainDeploymentConfig=True,
    )
    described = in_service("said")
    same([described["ProductionVariants"][0]["CurrentWeight"], described["LastDeploymentConfig"]], [3.0, POLICY])
    same([endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints(NameContains="AI")["Endpoints"]], ["said"])
    around(lambda **times: sagemaker.list_endpoints(**times)["Endpoints"], "CreationTime")
    around(lambda **times: sagemaker.list_endpoints(**times)["Endpoints"], "LastModifiedTime")


@check("what other kinds of endpoints take is refused by the kind that is there")
def _():
    for member, message in (
        ({"TargetModel": "a.tar.gz"}, "multi-model"),
        ({"TargetContainerHostname": "one"}, "one container"),
        ({"InferenceComponentName": "c"}, "Inference component c not found"),
    ):
        refusal = refused(runtime.invoke_endpoint, EndpointName="said", Body=b"1", **member)
        same(refusal.code, "ValidationError")
        holds(message, refusal.message)
    refusal = refused(sagemaker.create_model, ModelName="many", ExecutionRoleArn=ROLE, PrimaryContainer=container(Mode="MultiModel"))
    holds("MultiModel is not served here yet", refusal.message)
    refusal = refused(
        sagemaker.create_endpoint_config,
        EndpointConfigName="shadow",
        ProductionVariants=[variant()],
        ShadowProductionVariants=[variant(VariantName="shadow")],
    )
    holds("ShadowProductionVariants are not served here yet", refusal.message)


@check("what is foreseen may not be asked before anything is")
def _():
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/said/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    configuration = {"MetricSpecifications": [{"TargetValue": 70}], "Mode": "ForecastAndScale"}
    scaling.put_scaling_policy(
        **target, PolicyName="foreseen", PolicyType="PredictiveScaling", PredictiveScalingPolicyConfiguration=configuration
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    asked = {"PolicyName": "foreseen", "StartTime": now, "EndTime": now + HOUR}
    refusal = refused(scaling.get_predictive_scaling_forecast, **target, **asked)
    holds("Nothing is foreseen by policy foreseen yet", refusal.message)
    scaling.delete_scaling_policy(**target, PolicyName="foreseen")


@check("alarms are found by their metric, and their actions are switched off and on; there is one bus")
def _():
    alarm = {"MetricName": "Invocations", "Namespace": "AWS/SageMaker", "Statistic": "Sum", "Period": 60}
    dimensions = [{"Name": "EndpointName", "Value": "said"}, {"Name": "VariantName", "Value": "main"}]
    more = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    cloudwatch.put_metric_alarm(AlarmName="said", Dimensions=dimensions, **alarm, **more)
    cloudwatch.disable_alarm_actions(AlarmNames=["said"])
    found = cloudwatch.describe_alarms_for_metric(Dimensions=dimensions, **alarm)["MetricAlarms"]
    same([(each["AlarmName"], each["ActionsEnabled"]) for each in found], [("said", False)])
    cloudwatch.enable_alarm_actions(AlarmNames=["said"])
    same(cloudwatch.describe_alarms(AlarmNames=["said"])["MetricAlarms"][0]["ActionsEnabled"], True)
    cloudwatch.delete_alarms(AlarmNames=["said"])
    same(cloudwatch.describe_alarms(AlarmNames=["said"])["MetricAlarms"], [])
    same(client("events").describe_event_bus(Name="default")["Name"], "default")


@check("a scalable target is suspended, tagged and described page by page")
def _():
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/said/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    suspended = {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": True}
    arn = scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2, SuspendedState=suspended, RoleARN=ROLE)["ScalableTargetARN"]
    asked = {"ServiceNamespace": "sagemaker", "ScalableDimension": target["ScalableDimension"], "MaxResults": 1}
    found = scaling.describe_scalable_targets(**asked)["ScalableTargets"]
    same([found[0]["SuspendedState"], found[0]["ScalableTargetARN"]], [suspended, arn])
    scaling.tag_resource(ResourceARN=arn, Tags={"team": "a", "cost": "b"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["cost"])
    same(scaling.list_tags_for_resource(ResourceARN=arn)["Tags"], {"team": "a"})
    scaling.deregister_scalable_target(**target)
    sagemaker.delete_endpoint(EndpointName="said")


@check("a bucket has no versions, and an object no tags")
def _():
    same(s3.get_bucket_versioning(Bucket="members").get("Status"), None)
    same(s3.get_object_tagging(Bucket="members", Key="model.onnx")["TagSet"], [])
