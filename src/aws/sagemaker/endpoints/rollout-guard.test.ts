import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CapacitySize, DeploymentConfig } from './endpoint-documents.ts';
import { awsGuardOf } from './rollout-guard.ts';

const percent = (Value: number): CapacitySize => ({ Type: 'CAPACITY_PERCENT', Value });
const instances = (Value: number): CapacitySize => ({ Type: 'INSTANCE_COUNT', Value });
const four = [{ instanceCount: 3 }, { instanceCount: 1 }];

function blueGreen(
  routing: Partial<NonNullable<DeploymentConfig['BlueGreenUpdatePolicy']>['TrafficRoutingConfiguration']>,
  more: object = {},
): DeploymentConfig {
  const TrafficRoutingConfiguration = { Type: 'ALL_AT_ONCE', WaitIntervalInSeconds: 60, ...routing } as const;
  return { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration, ...more } };
}

describe('a DeploymentConfig', () => {
  for (const [what, config, steps] of [
    ['an update all at once is watched for the termination wait', blueGreen({}, { TerminationWaitInSeconds: 30 }), [[1, 30]]],
    [
      'a canary of a percentage shifts the rest after its wait',
      blueGreen({ Type: 'CANARY', CanarySize: percent(10) }, { TerminationWaitInSeconds: 5 }),
      [
        [0.1, 60],
        [1, 5],
      ],
    ],
    [
      'a canary of instances shifts their share',
      blueGreen({ Type: 'CANARY', CanarySize: instances(1) }),
      [
        [0.25, 60],
        [1, 0],
      ],
    ],
    [
      'a linear update shifts by equal steps, and the rest in the last one',
      blueGreen({ Type: 'LINEAR', LinearStepSize: percent(40) }, { TerminationWaitInSeconds: 5 }),
      [
        [0.4, 60],
        [0.8, 60],
        [1, 65],
      ],
    ],
    [
      'a rolling update has the steps of a linear one',
      { RollingUpdatePolicy: { MaximumBatchSize: percent(50), WaitIntervalInSeconds: 20 } },
      [
        [0.5, 20],
        [1, 20],
      ],
    ],
  ] as const satisfies readonly (readonly [string, DeploymentConfig, readonly (readonly [number, number])[]])[]) {
    test(what, () => {
      const guard = awsGuardOf(config, four);
      assert.deepEqual(
        guard?.steps.map(({ share, bakeMs }) => [Number(share.toFixed(6)), bakeMs / 1000]),
        steps,
      );
    });
  }

  test('without steps, waits, alarms and a timeout is not a monitored update', () => {
    assert.equal(awsGuardOf(blueGreen({}), four), null);
    assert.deepEqual(awsGuardOf({ AutoRollbackConfiguration: { Alarms: [{ AlarmName: 'a' }] } }, four), {
      steps: [{ share: 1, bakeMs: 0 }],
      alarms: ['a'],
      timeoutMs: null,
    });
  });
});
