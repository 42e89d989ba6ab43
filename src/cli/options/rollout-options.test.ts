import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import type { EndpointBody } from '../../api/index.ts';
import { addRolloutOptions, type RolloutOptions, rolloutOf } from './rollout-options.ts';

const before = { name: 'digits' } as EndpointBody;

function requested(...argv: string[]): string {
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
    test(`${argv.join(' ') || 'none'}: ${steps || 'no watch'}`, () => assert.equal(requested(...argv), steps));
  }

  for (const text of ['5%:2m,,50%', 'much', '5%:soon', '120%']) {
    test(`rejects ${text} and says what was expected`, () => {
      assert.throws(() => requested('--canary', text), /expected a share such as 10%, or steps with durations such as 5%:2m,25%:5m/);
    });
  }
});

describe('the evidence that a watched update needs', () => {
  function evidenceOf(...argv: string[]): unknown {
    const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
    addRolloutOptions(command);
    const { rollout } = rolloutOf(command.parse(argv, { from: 'user' }).opts<RolloutOptions>(), before);
    const { steps: _steps, ...rest } = rollout as object & { steps: unknown };
    return rest;
  }

  test('is the server’s default unless options set it', () => {
    assert.deepEqual(evidenceOf('--canary', '10%'), {});
    assert.deepEqual(evidenceOf('--canary', '10%', '--min-requests', '100', '--watch-max', '1h', '--if-too-few', 'continue'), {
      min_requests: 100,
      watch_max_s: 3600,
      if_too_few: 'continue',
    });
  });

  test('is rejected for an update that is not watched', () => {
    assert.throws(() => requested('--min-requests', '5'), /^CliError: --min-requests: for watched updates only; add --canary or --watch$/);
  });
});
