import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CapacitySize, DeploymentConfig } from './endpoint-documents.ts';
import { guardOf } from './rollout-guard.ts';

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
    ['all at once is watched for the termination wait', blueGreen({}, { TerminationWaitInSeconds: 30 }), [[1, 30]]],
    [
      'a canary of a percentage takes the rest after its wait',
      blueGreen({ Type: 'CANARY', CanarySize: percent(10) }, { TerminationWaitInSeconds: 5 }),
      [
        [0.1, 60],
        [1, 5],
      ],
    ],
    [
      'a canary of instances takes their share',
      blueGreen({ Type: 'CANARY', CanarySize: instances(1) }),
      [
        [0.25, 60],
        [1, 0],
      ],
    ],
    [
      'a linear one rises by its step, the last one takes all',
      blueGreen({ Type: 'LINEAR', LinearStepSize: percent(40) }, { TerminationWaitInSeconds: 5 }),
      [
        [0.4, 60],
        [0.8, 60],
        [1, 65],
      ],
    ],
    [
      'a rolling one takes its steps as a linear one does',
      { RollingUpdatePolicy: { MaximumBatchSize: percent(50), WaitIntervalInSeconds: 20 } },
      [
        [0.5, 20],
        [1, 20],
      ],
    ],
  ] as const satisfies readonly (readonly [string, DeploymentConfig, readonly (readonly [number, number])[]])[]) {
    test(what, () => {
      const guard = guardOf(config, four);
      assert.deepEqual(
        guard?.steps.map(({ share, bakeMs }) => [Number(share.toFixed(6)), bakeMs / 1000]),
        steps,
      );
    });
  }

  test('without steps, waits, alarms and a timeout asks for nothing', () => {
    assert.equal(guardOf(blueGreen({}), four), null);
    assert.deepEqual(guardOf({ AutoRollbackConfiguration: { Alarms: [{ AlarmName: 'a' }] } }, four), {
      steps: [{ share: 1, bakeMs: 0 }],
      alarms: ['a'],
      timeoutMs: null,
    });
  });
});
