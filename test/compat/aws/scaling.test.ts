/** Application Auto Scaling called by AWS's own clients, with results checked through the native API. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DescribeScalableTargetsCommand,
  DescribeScalingActivitiesCommand,
  PutScalingPolicyCommand,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import type { EndpointBody } from '../../../src/api/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

const name = {
  ServiceNamespace: 'sagemaker',
  ResourceId: 'endpoint/digits/variant/AllTraffic',
  ScalableDimension: 'sagemaker:variant:DesiredInstanceCount',
} as const;

async function variantOf({ server }: AwsFixture) {
  return (await server.callWell<EndpointBody>('GET', '/endpoints/digits')).variants[0];
}

/** Sends load until that many instances are ready. */
async function loaded(aws: AwsFixture, instances: number): Promise<void> {
  const row = { ContentType: 'text/csv', Body: Array.from({ length: 64 }, () => 0).join(',') };
  for (let waitedMs = 0; (await variantOf(aws))?.ready !== instances; waitedMs += 200) {
    assert(waitedMs < 120_000, JSON.stringify(await variantOf(aws)));
    for (let i = 0; i < 10; i++) await aws.runtime.send(new InvokeEndpointCommand({ EndpointName: 'digits', ...row }));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

describe('application-autoscaling', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsFixture.open();
      try {
        await aws.server.deploy('digits', 'digits_mlp');
        await aws.python(t, generation, 'scaling_checks.py');
      } finally {
        await aws.close();
      }
    });
  }

  test('the SDK for JavaScript: tracks a customized metric', async () => {
    const aws = await AwsFixture.open();
    try {
      await aws.server.deploy('digits', 'digits_mlp');
      await aws.scaling.send(new RegisterScalableTargetCommand({ ...name, MinCapacity: 1, MaxCapacity: 2 }));
      const Dimensions = [
        { Name: 'EndpointName', Value: 'digits' },
        { Name: 'VariantName', Value: 'AllTraffic' },
      ];
      const CustomizedMetricSpecification = {
        Namespace: 'AWS/SageMaker',
        MetricName: 'Invocations',
        Statistic: 'Sum',
        Dimensions,
      } as const;
      await aws.scaling.send(
        new PutScalingPolicyCommand({
          ...name,
          PolicyName: 'sum',
          PolicyType: 'TargetTrackingScaling',
          TargetTrackingScalingPolicyConfiguration: { TargetValue: 20, CustomizedMetricSpecification },
        }),
      );
      await loaded(aws, 2);
      const { ScalingActivities = [] } = await aws.scaling.send(new DescribeScalingActivitiesCommand(name));
      assert.match(ScalingActivities[0]?.Cause ?? '', /^policy sum was triggered: Invocations is \d+, target 20$/);
    } finally {
      await aws.close();
    }
  });

  test('the SDK for JavaScript: a registered target scales the deployment with the load', async () => {
    const aws = await AwsFixture.open();
    try {
      await aws.server.deploy('digits', 'digits_mlp');
      await aws.scaling.send(new RegisterScalableTargetCommand({ ...name, MinCapacity: 1, MaxCapacity: 2 }));
      const PredefinedMetricSpecification = { PredefinedMetricType: 'SageMakerVariantInvocationsPerInstance' } as const;
      await aws.scaling.send(
        new PutScalingPolicyCommand({
          ...name,
          PolicyName: 'few',
          PolicyType: 'TargetTrackingScaling',
          TargetTrackingScalingPolicyConfiguration: { TargetValue: 20, PredefinedMetricSpecification },
        }),
      );
      assert.deepEqual((await variantOf(aws))?.scaling, {
        policy: 'track:20,metric=invocations,out=300s,in=300s',
        instances_min: 1,
        instances_max: 2,
        usd_per_hour_max: null,
      });
      await loaded(aws, 2);
      const { ScalableTargets } = await aws.scaling.send(new DescribeScalableTargetsCommand({ ServiceNamespace: 'sagemaker' }));
      assert.deepEqual([ScalableTargets?.[0]?.MinCapacity, ScalableTargets?.[0]?.MaxCapacity], [1, 2]);
    } finally {
      await aws.close();
    }
  });
});
