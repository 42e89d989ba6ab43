/** Application Auto Scaling, called by AWS's own clients, and seen by the native API as well. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DescribeScalableTargetsCommand,
  PutScalingPolicyCommand,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import type { EndpointBody } from '../../../src/api/index.ts';
import { generations } from './environments.ts';
import { AwsHouse } from './house.ts';

describe('application-autoscaling', { timeout: 170_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const aws = await AwsHouse.open();
      try {
        await aws.server.deploy('digits', 'digits_mlp');
        await aws.python(t, generation, 'scaling_checks.py');
      } finally {
        await aws.close();
      }
    });
  }

  test('the SDK for JavaScript: what is registered is the deployment, and instances come with the load', async () => {
    const aws = await AwsHouse.open();
    try {
      await aws.server.deploy('digits', 'digits_mlp');
      const name = {
        ServiceNamespace: 'sagemaker',
        ResourceId: 'endpoint/digits/variant/AllTraffic',
        ScalableDimension: 'sagemaker:variant:DesiredInstanceCount',
      } as const;
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
      const variant = async () => (await aws.server.callWell<EndpointBody>('GET', '/endpoints/digits')).variants[0];
      assert.deepEqual((await variant())?.scaling, {
        policy: 'track:20,metric=invocations,out=300s,in=300s',
        instances_min: 1,
        instances_max: 2,
        usd_per_hour_max: null,
      });
      const body = { ContentType: 'text/csv', Body: Array.from({ length: 64 }, () => 0).join(',') };
      for (let waitedMs = 0; (await variant())?.ready !== 2; waitedMs += 200) {
        assert(waitedMs < 40_000, JSON.stringify(await variant()));
        for (let i = 0; i < 10; i++) await aws.runtime.send(new InvokeEndpointCommand({ EndpointName: 'digits', ...body }));
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const { ScalableTargets } = await aws.scaling.send(new DescribeScalableTargetsCommand({ ServiceNamespace: 'sagemaker' }));
      assert.deepEqual([ScalableTargets?.[0]?.MinCapacity, ScalableTargets?.[0]?.MaxCapacity], [1, 2]);
    } finally {
      await aws.close();
    }
  });
});
