"""Rarely used members are returned as they were sent, or rejected with a reason. `given["model"]` is an ONNX file."""

import datetime

from checks import check, client, given, holds, rejected, same

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


def parts(described, sent):
    """The sent members of a description."""
    return {name: described.get(name) for name in sent}


def around(items, time_of):
    """Checks that a list filtered by time contains items created now, and none created in the future."""
    now = datetime.datetime.now(datetime.timezone.utc)
    before, after = items(**{f"{time_of}After": now - HOUR, f"{time_of}Before": now + HOUR}), items(**{f"{time_of}After": now + HOUR})
    assert before and not after, f"{before}, {after}"


@check("a package without a group has all members that were sent, and a Model can refer to it")
def _():
    sent = {
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
    arn = sagemaker.create_model_package(ModelPackageName="alone", InferenceSpecification=specification(), Tags=tags, **sent)["ModelPackageArn"]
    same(parts(sagemaker.describe_model_package(ModelPackageName=arn), sent), sent)
    same(sagemaker.list_tags(ResourceArn=arn, MaxResults=50)["Tags"], tags)
    listed = sagemaker.list_model_packages(ModelPackageType="Unversioned", NameContains="alo", SortBy="Name", SortOrder="Descending")
    same([package["ModelPackageName"] for package in listed["ModelPackageSummaryList"]], ["alone"])
    around(lambda **times: sagemaker.list_model_packages(**times)["ModelPackageSummaryList"], "CreationTime")
    sagemaker.create_model(ModelName="of-alone", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn})
    same(sagemaker.describe_model(ModelName="of-alone")["PrimaryContainer"]["ModelPackageName"], arn)
    sagemaker.update_model_package(ModelPackageArn=arn, SourceUri="https://example.com/run/8", ClientToken="t-1")
    same(sagemaker.describe_model_package(ModelPackageName=arn)["SourceUri"], "https://example.com/run/8")
    sagemaker.update_model_package(ModelPackageArn=arn, InferenceSpecification=specification(ContainerHostname="h"))
    same(sagemaker.describe_model_package(ModelPackageName=arn)["InferenceSpecification"]["Containers"][0]["ContainerHostname"], "h")
    rejection = rejected(sagemaker.update_model_package, ModelPackageArn=arn, InferenceSpecification=specification(Environment={"A": "b"}))
    holds("already has a model", rejection.message)


@check("packages, groups and endpoints are searched")
def _():
    sagemaker.create_model_package_group(ModelPackageGroupName="searched", Tags=[{"Key": "team", "Value": "vision"}])
    arn = sagemaker.create_model_package(ModelPackageGroupName="searched", ModelPackageDescription="its model comes later")["ModelPackageArn"]
    same(sagemaker.describe_model_package(ModelPackageName=arn)["ModelPackageStatus"], "Completed")
    sagemaker.update_model_package(ModelPackageArn=arn, InferenceSpecification=specification())
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="PendingManualApproval")

    def search(resource, *filters, **more):
        found = sagemaker.search(Resource=resource, SearchExpression={"Filters": list(filters)}, MaxResults=10, **more)
        return [record[resource] for record in found["Results"]]

    in_group = {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": "searched"}
    pending = {"Name": "ModelApprovalStatus", "Operator": "In", "Value": "PendingManualApproval"}
    (package,) = search("ModelPackage", in_group, pending, SortBy="CreationTime", SortOrder="Ascending")
    same((package["ModelPackageArn"], package["ModelPackageVersion"]), (arn, 1))
    (group,) = search("ModelPackageGroup", {"Name": "Tags.team", "Operator": "Equals", "Value": "vision"})
    same(group["ModelPackageGroupName"], "searched")
    same(search("Endpoint", {"Name": "EndpointName", "Operator": "Equals", "Value": "absent"}), [])
    same(rejected(sagemaker.search, Resource="ExperimentTrial").code, "ValidationException")


@check("groups are filtered by time")
def _():
    sagemaker.create_model_package_group(ModelPackageGroupName="timed")
    around(lambda **times: sagemaker.list_model_package_groups(**times)["ModelPackageGroupSummaryList"], "CreationTime")


@check("a Model has the network settings and tags that were sent")
def _():
    sent = {
        "Containers": [container(Environment={"A": "b"}, ContainerHostname="one")],
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": True,
        "InferenceExecutionConfig": {"Mode": "Serial"},
    }
    arn = sagemaker.create_model(ModelName="full", ExecutionRoleArn=ROLE, Tags=[{"Key": "a", "Value": "b"}], **sent)["ModelArn"]
    described = sagemaker.describe_model(ModelName="full")
    same(parts(described, ["VpcConfig", "EnableNetworkIsolation"]), parts(sent, ["VpcConfig", "EnableNetworkIsolation"]))
    same(parts(described["Containers"][0], sent["Containers"][0]), sent["Containers"][0])
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "a", "Value": "b"}])
    same([model["ModelName"] for model in sagemaker.list_models(NameContains="FULL")["Models"]], ["full"])
    around(lambda **times: sagemaker.list_models(**times)["Models"], "CreationTime")


def variant(**more):
    return {"VariantName": "main", "ModelName": "full", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large", **more}


@check("an endpoint config has the members that were sent")
def _():
    sent = {
        "KmsKeyId": "alias/key",
        "ExecutionRoleArn": ROLE,
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": True,
    }
    more = {"ModelDataDownloadTimeoutInSeconds": 600, "ContainerStartupHealthCheckTimeoutInSeconds": 120, "VolumeSizeInGB": 30}
    sagemaker.create_endpoint_config(EndpointConfigName="full", ProductionVariants=[variant(**more)], **sent)
    described = sagemaker.describe_endpoint_config(EndpointConfigName="full")
    same(parts(described, sent), sent)
    same(parts(described["ProductionVariants"][0], more), more)
    listing = {"NameContains": "full", "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 1}
    same([config["EndpointConfigName"] for config in sagemaker.list_endpoint_configs(**listing)["EndpointConfigs"]], ["full"])
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


@check("an endpoint has tags, is updated by a policy, and retains the requested properties")
def _():
    sagemaker.create_endpoint_config(EndpointConfigName="next", ProductionVariants=[variant(InitialVariantWeight=3)])
    arn = sagemaker.create_endpoint(EndpointName="full", EndpointConfigName="full", Tags=[{"Key": "a", "Value": "b"}])["EndpointArn"]
    same(sagemaker.list_tags(ResourceArn=arn)["Tags"], [{"Key": "a", "Value": "b"}])
    in_service("full")
    sagemaker.update_endpoint(EndpointName="full", EndpointConfigName="next", DeploymentConfig=POLICY, RetainAllVariantProperties=True)
    described = in_service("full")
    same([described["EndpointConfigName"], described["ProductionVariants"][0]["CurrentWeight"]], ["next", 1.0])
    same(described["LastDeploymentConfig"], POLICY)
    sagemaker.update_endpoint(
        EndpointName="full",
        EndpointConfigName="next",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
        RetainDeploymentConfig=True,
    )
    described = in_service("full")
    same([described["ProductionVariants"][0]["CurrentWeight"], described["LastDeploymentConfig"]], [3.0, POLICY])
    same([endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints(NameContains="UL")["Endpoints"]], ["full"])
    around(lambda **times: sagemaker.list_endpoints(**times)["Endpoints"], "CreationTime")
    around(lambda **times: sagemaker.list_endpoints(**times)["Endpoints"], "LastModifiedTime")


@check("members of other kinds of endpoints are rejected")
def _():
    for member, message in (
        ({"TargetModel": "a.tar.gz"}, "multi-model"),
        ({"TargetContainerHostname": "one"}, "one container"),
        ({"InferenceComponentName": "c"}, "Inference component c not found"),
    ):
        rejection = rejected(runtime.invoke_endpoint, EndpointName="full", Body=b"1", **member)
        same(rejection.code, "ValidationError")
        holds(message, rejection.message)


@check("a forecast is rejected before there is one")
def _():
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/full/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    configuration = {"MetricSpecifications": [{"TargetValue": 70}], "Mode": "ForecastAndScale"}
    scaling.put_scaling_policy(
        **target, PolicyName="predictive", PolicyType="PredictiveScaling", PredictiveScalingPolicyConfiguration=configuration
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    query = {"PolicyName": "predictive", "StartTime": now, "EndTime": now + HOUR}
    rejection = rejected(scaling.get_predictive_scaling_forecast, **target, **query)
    holds("Policy predictive has no forecast yet", rejection.message)
    scaling.delete_scaling_policy(**target, PolicyName="predictive")


@check("alarms are found by metric, their actions are disabled and enabled, and there is one event bus")
def _():
    alarm = {"MetricName": "Invocations", "Namespace": "AWS/SageMaker", "Statistic": "Sum", "Period": 60}
    dimensions = [{"Name": "EndpointName", "Value": "full"}, {"Name": "VariantName", "Value": "main"}]
    more = {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    cloudwatch.put_metric_alarm(AlarmName="full", Dimensions=dimensions, **alarm, **more)
    cloudwatch.disable_alarm_actions(AlarmNames=["full"])
    found = cloudwatch.describe_alarms_for_metric(Dimensions=dimensions, **alarm)["MetricAlarms"]
    same([(each["AlarmName"], each["ActionsEnabled"]) for each in found], [("full", False)])
    cloudwatch.enable_alarm_actions(AlarmNames=["full"])
    same(cloudwatch.describe_alarms(AlarmNames=["full"])["MetricAlarms"][0]["ActionsEnabled"], True)
    cloudwatch.delete_alarms(AlarmNames=["full"])
    same(cloudwatch.describe_alarms(AlarmNames=["full"])["MetricAlarms"], [])
    same(client("events").describe_event_bus(Name="default")["Name"], "default")


@check("a scalable target is suspended, tagged and listed page by page")
def _():
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/full/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    suspended = {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": True}
    arn = scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2, SuspendedState=suspended, RoleARN=ROLE)["ScalableTargetARN"]
    query = {"ServiceNamespace": "sagemaker", "ScalableDimension": target["ScalableDimension"], "MaxResults": 1}
    found = scaling.describe_scalable_targets(**query)["ScalableTargets"]
    same([found[0]["SuspendedState"], found[0]["ScalableTargetARN"]], [suspended, arn])
    scaling.tag_resource(ResourceARN=arn, Tags={"team": "a", "cost": "b"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["cost"])
    same(scaling.list_tags_for_resource(ResourceARN=arn)["Tags"], {"team": "a"})
    scaling.deregister_scalable_target(**target)
    sagemaker.delete_endpoint(EndpointName="full")


@check("a bucket has no versions, and an object has no tags")
def _():
    same(s3.get_bucket_versioning(Bucket="members").get("Status"), None)
    same(s3.get_object_tagging(Bucket="members", Key="model.onnx")["TagSet"], [])
