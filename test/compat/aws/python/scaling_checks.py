"""Application Auto Scaling as boto3 calls it, on the endpoint `digits` that another door made."""

import time

from checks import check, client, refused, same, told

scaling = client("application-autoscaling")
sagemaker = client("sagemaker")

NAME = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/digits/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    "TargetValue": 700.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    "ScaleInCooldown": 60,
}


def sure(claim, why):
    assert claim, why


def instances():
    variant = sagemaker.describe_endpoint(EndpointName="digits")["ProductionVariants"][0]
    return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


def until(wanted, within=10):
    begun = time.monotonic()
    while instances() != (wanted, wanted) and time.monotonic() - begun < within:
        time.sleep(0.1)
    same(instances(), (wanted, wanted))


@check("a target moves the capacity into its range at once, and the endpoint stays in service")
def _():
    answer = scaling.register_scalable_target(**NAME, MinCapacity=2, MaxCapacity=3)
    sure(":scalable-target/" in answer["ScalableTargetARN"], answer["ScalableTargetARN"])
    same(sagemaker.describe_endpoint(EndpointName="digits")["EndpointStatus"], "InService")
    until(2)
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[NAME["ResourceId"]])["ScalableTargets"]
    same((target["MinCapacity"], target["MaxCapacity"]), (2, 3))
    same(scaling.list_tags_for_resource(ResourceARN=answer["ScalableTargetARN"])["Tags"], {})


@check("a target tracking policy answers with its ARN and two alarms")
def _():
    answer = scaling.put_scaling_policy(
        **NAME, PolicyName="track", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=TRACKING
    )
    sure(answer["PolicyARN"].endswith(":resource/sagemaker/endpoint/digits/variant/AllTraffic:policyName/track"), answer["PolicyARN"])
    same([alarm["AlarmName"].split("-Alarm")[1][:3] for alarm in answer["Alarms"]], ["Hig", "Low"])
    pages = scaling.get_paginator("describe_scaling_policies").paginate(ServiceNamespace="sagemaker")
    (policy,) = [each for page in pages for each in page["ScalingPolicies"]]
    same(policy["TargetTrackingScalingPolicyConfiguration"], TRACKING)
    same(policy["Alarms"], answer["Alarms"])


@check("a step scaling policy and a predictive one stand beside it")
def _():
    steps = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]}
    scaling.put_scaling_policy(**NAME, PolicyName="step", StepScalingPolicyConfiguration=steps)
    (step,) = scaling.describe_scaling_policies(**NAME, PolicyNames=["step"])["ScalingPolicies"]
    predictive = {"MetricSpecifications": [{"TargetValue": 70.0}], "Mode": "ForecastAndScale"}
    scaling.put_scaling_policy(
        **NAME, PolicyName="ahead", PolicyType="PredictiveScaling", PredictiveScalingPolicyConfiguration=predictive
    )
    same(len(scaling.describe_scaling_policies(**NAME)["ScalingPolicies"]), 3)
    now = time.time()
    early = refused(scaling.get_predictive_scaling_forecast, **NAME, PolicyName="track", StartTime=now, EndTime=now + 3600)
    same((early.code, early.message), ("ValidationException", "There is no PredictiveScaling policy track."))
    scaling.delete_scaling_policy(**NAME, PolicyName="ahead")
    same((step["PolicyType"], step["StepScalingPolicyConfiguration"]), ("StepScaling", steps))


@check("a scheduled action that is due sets the limits, and is seen as an activity")
def _():
    at = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(time.time() + 2))
    scaling.put_scheduled_action(
        **NAME, ScheduledActionName="soon", Schedule=at, ScalableTargetAction={"MinCapacity": 3, "MaxCapacity": 4}
    )
    scaling.put_scheduled_action(
        **NAME,
        ScheduledActionName="mornings",
        Schedule="cron(0 8 ? * MON-FRI *)",
        Timezone="Europe/Berlin",
        ScalableTargetAction={"MinCapacity": 2},
    )
    until(3)
    activities = scaling.describe_scaling_activities(**NAME)["ScalingActivities"]
    causes = [activity["Cause"] for activity in activities]
    sure("scheduled action name soon was triggered: minimum capacity 3, maximum capacity 4" in causes, causes)
    names = [action["ScheduledActionName"] for action in scaling.describe_scheduled_actions(**NAME)["ScheduledActions"]]
    same(sorted(names), ["mornings", "soon"])


@check("what is wrong is refused with the service's own errors")
def _():
    other = {**NAME, "ResourceId": "endpoint/other/variant/AllTraffic"}
    missing = refused(scaling.register_scalable_target, **other, MinCapacity=1, MaxCapacity=2)
    same((missing.status, missing.code), (400, "ValidationException"))
    unregistered = refused(scaling.deregister_scalable_target, **other)
    same((unregistered.status, unregistered.code), (400, "ObjectNotFoundException"))
    token = refused(scaling.describe_scalable_targets, ServiceNamespace="sagemaker", NextToken="soon")
    same(token.code, "InvalidNextTokenException")
    schedule = refused(scaling.put_scheduled_action, **NAME, ScheduledActionName="x", Schedule="daily", ScalableTargetAction={"MinCapacity": 1})
    same(schedule.code, "ValidationException")


@check("who is deregistered stays as large as it is, and has no policies and no actions")
def _():
    scaling.delete_scheduled_action(**NAME, ScheduledActionName="soon")
    scaling.delete_scaling_policy(**NAME, PolicyName="step")
    scaling.deregister_scalable_target(**NAME)
    same(scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"], [])
    same(scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"], [])
    same(scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"], [])
    same(told("CreateModelPackage"), [("digits/1", "sagemaker")])  # another door registered it
    same(told("PutScalingPolicy"), [("digits", "autoscaling")] * 3)
    same(told("DeleteScalingPolicy"), [("digits", "autoscaling")] * 2)
    same(told("RegisterScalableTarget"), [("digits", "autoscaling")] * 2)  # once by the scheduled action, which nobody called
    same(told("DeregisterScalableTarget"), [("digits", "autoscaling")])
    same(told("PutScheduledAction"), [("digits", "autoscaling")] * 2)
    same(told("DeleteScheduledAction"), [("digits", "autoscaling")])
    until(3)
