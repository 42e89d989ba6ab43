import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlarmState, Alarms } from '../monitoring/index.ts';
import { guardOf, rolloutInput } from './rollout.ts';

/** The alarms that an update of `digits` watches, where its own are in these states. */
function watched(states: Readonly<Record<string, AlarmState>>, named?: string[]): readonly string[] {
  const get = (name: string) => (name in states ? { state: states[name] } : null);
  const input = rolloutInput.parse(named === undefined ? {} : { alarms: named });
  return guardOf(input, 'digits', { get } as unknown as Pick<Alarms, 'get'>).alarms;
}

const own = { 'penstock/digits/objective': 'OK', 'penstock/digits/errors': 'INSUFFICIENT_DATA' } as const;

test('an update watches what its endpoint may be blamed for, of what it has by itself', () => {
  assert.deepEqual(watched({ ...own, 'penstock/digits/drift': 'OK' }), Object.keys(own));
});

test('an update may end what rings already, which therefore does not take it back, unless it was asked for by name', () => {
  assert.deepEqual(watched({ ...own, 'penstock/digits/objective': 'ALARM' }), ['penstock/digits/errors']);
  assert.deepEqual(watched({ mine: 'ALARM' }, ['mine']), ['mine']);
});
