import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { RepeatedWarning } from './repeated-warning.ts';

test('a warning that is repeated each second is logged when it changes, then once a minute with its count', () => {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const log = {
    warn: ({ error, times }: Readonly<Record<string, unknown>>) =>
      void lines.push(`${String(error)} ${typeof times === 'number' ? times : ''}`),
  };
  const warning = new RepeatedWarning({ clock, log }, 'failed');
  const repeat = (error: string, seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      warning.warn({ error: `${error} for ${second}` }, { attempt: clock.nowMs() });
      clock.advance(1000);
    }
  };
  repeat('no room', 125);
  assert.deepEqual(lines, ['no room for 0 ', 'no room for 60 60', 'no room for 120 60']);
  repeat('disk full', 2);
  assert.equal(lines.at(-1), 'disk full for 0 ');
  warning.over();
  repeat('disk full', 2);
  assert.equal(lines.length, 5);
});
