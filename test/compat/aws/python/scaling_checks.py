"""Application Auto Scaling called by boto3, on the endpoint `digits` that Penstock's own API created."""

import time

from checks import check, client, rejected, same, trail_events

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


def until(wanted, within=60):
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


@check("creating a target tracking policy returns its ARN and two alarms")
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


@check("a step scaling policy and a predictive one can be added")
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
    early = rejected(scaling.get_predictive_scaling_forecast, **NAME, PolicyName="track", StartTime=now, EndTime=now + 3600)
    same((early.code, early.message), ("ValidationException", "PredictiveScaling policy track does not exist."))
    scaling.delete_scaling_policy(**NAME, PolicyName="ahead")
    same((step["PolicyType"], step["StepScalingPolicyConfiguration"]), ("StepScaling", steps))


@check("a scheduled action that is due sets the limits and appears as an activity")
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


@check("invalid calls are rejected with the service's own errors")
def _():
    other = {**NAME, "ResourceId": "endpoint/other/variant/AllTraffic"}
    missing = rejected(scaling.register_scalable_target, **other, MinCapacity=1, MaxCapacity=2)
    same((missing.status, missing.code), (400, "ValidationException"))
    unregistered = rejected(scaling.deregister_scalable_target, **other)
    same((unregistered.status, unregistered.code), (400, "ObjectNotFoundException"))
    token = rejected(scaling.describe_scalable_targets, ServiceNamespace="sagemaker", NextToken="soon")
    same(token.code, "InvalidNextTokenException")
    schedule = rejected(scaling.put_scheduled_action, **NAME, ScheduledActionName="x", Schedule="daily", ScalableTargetAction={"MinCapacity": 1})
    same(schedule.code, "ValidationException")


@check("a deregistered target keeps its capacity and loses its policies and actions")
def _():
    scaling.delete_scheduled_action(**NAME, ScheduledActionName="soon")
    scaling.delete_scaling_policy(**NAME, PolicyName="step")
    scaling.deregister_scalable_target(**NAME)
    same(scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"], [])
    same(scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"], [])
    same(scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"], [])
    same(trail_events("CreateModelPackage"), [("digits/1", "sagemaker")])  # registered through Penstock's own API
    same(trail_events("PutScalingPolicy"), [("digits", "autoscaling")] * 3)
    same(trail_events("DeleteScalingPolicy"), [("digits", "autoscaling")] * 2)
    same(trail_events("RegisterScalableTarget"), [("digits", "autoscaling")] * 2)  # one of them by the scheduled action
    same(trail_events("DeregisterScalableTarget"), [("digits", "autoscaling")])
    same(trail_events("PutScheduledAction"), [("digits", "autoscaling")] * 2)
    same(trail_events("DeleteScheduledAction"), [("digits", "autoscaling")])
    until(3)
