import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { RepeatedWarning } from './repeated-warning.ts';

test('a warning that is repeated each second is logged when it changes, then once a minute with its count', () => {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const log = { warn: ({ error, times }: Readonly<Record<string, unknown>>) => void lines.push(`${error} ${times ?? ''}`) };
  const warning = new RepeatedWarning({ clock, log }, 'failed');
  const repeat = (error: string, seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      warning.warn({ error }, { attempt: clock.nowMs() });
      clock.advance(1000);
    }
  };
  repeat('no room', 125);
  assert.deepEqual(lines, ['no room ', 'no room 60', 'no room 60']);
  repeat('disk full', 2);
  assert.equal(lines.at(-1), 'disk full ');
  warning.over();
  repeat('disk full', 2);
  assert.equal(lines.length, 5);
});
