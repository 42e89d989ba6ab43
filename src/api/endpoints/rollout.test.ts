import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlarmState, Alarms } from '../../alerts/index.ts';
import { apiGuardOf, rolloutInput } from './rollout.ts';

/** The alarms that guard an update of `digits`, given the states of its default alarms. */
function guarding(states: Readonly<Record<string, AlarmState>>, named?: string[]): readonly string[] {
  const get = (name: string) => (name in states ? { state: states[name] } : null);
  const input = rolloutInput.parse(named === undefined ? {} : { alarms: named });
  return apiGuardOf(input, 'digits', { get } as unknown as Pick<Alarms, 'get'>).alarms;
}

const own = { 'penstock/digits/objective': 'OK', 'penstock/digits/errors': 'INSUFFICIENT_DATA' } as const;

test('guards an update by the default alarms that it can cause', () => {
  assert.deepEqual(guarding({ ...own, 'penstock/digits/drift': 'OK' }), Object.keys(own));
});

test('ignores alarms that already fire, unless they are named in the request', () => {
  assert.deepEqual(guarding({ ...own, 'penstock/digits/objective': 'ALARM' }), ['penstock/digits/errors']);
  assert.deepEqual(guarding({ mine: 'ALARM' }, ['mine']), ['mine']);
});
