import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import type { EndpointBody } from '../api/index.ts';
import { addRolloutOptions, type RolloutOptions, rolloutOf } from './rollout-options.ts';

const before = { name: 'digits' } as EndpointBody;

function asked(...argv: string[]): string {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addRolloutOptions(command);
  const options = command.parse(argv, { from: 'user' }).opts<RolloutOptions>();
  const { steps } = (rolloutOf(options, before)['rollout'] ?? { steps: [] }) as { steps: { percent: number; watch_s: number }[] };
  return steps.map(({ percent, watch_s }) => `${percent}:${watch_s}`).join(' ');
}

describe('the steps of an update', () => {
  for (const [argv, steps] of [
    [[], ''],
    [['--watch', '40s'], '100:40'],
    [['--canary', '10%'], '10:300 100:300'],
    [['--canary', '10', '--watch', '1m'], '10:60 100:60'],
    [['--canary', '100%'], '100:300'],
    [['--canary', '5%:2m,25%:5m,50%:10m'], '5:120 25:300 50:600 100:300'],
    [['--canary', '5%:2m, 25%', '--watch', '30s'], '5:120 25:30 100:30'],
    [['--canary', '50%:2m,100%:10m'], '50:120 100:600'],
  ] as const) {
    test(`${argv.join(' ') || 'none'}: ${steps || 'nothing is watched'}`, () => assert.equal(asked(...argv), steps));
  }

  for (const text of ['5%:2m,,50%', 'much', '5%:soon', '120%']) {
    test(`${text} is refused, with what is meant`, () => {
      assert.throws(
        () => asked('--canary', text),
        /expected a share such as 10%, or several with how long each is watched, such as 5%:2m,25%:5m/,
      );
    });
  }
});
