import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busyMachineNote } from './machine-notes.ts';

const objective = { percentile: 95, latencyMs: 50 };
const busy = { minutes: 24, ofMinutes: 60, othersShare: 0.62 };

test('a missed objective is connected with a busy machine', () => {
  assert.equal(
    busyMachineNote(objective, 0.8, busy),
    'the machine was busy in 24 of the last 60 min, 62 % of its processors by other processes: responses wait for a processor then',
  );
});

test('a busy machine is not mentioned if the objective is met, or if there is none', () => {
  assert.deepEqual(
    [
      busyMachineNote(objective, 0.95, busy),
      busyMachineNote(objective, null, busy),
      busyMachineNote(null, 0.8, busy),
      busyMachineNote(objective, 0.8, null),
      busyMachineNote(objective, 0.8, { ...busy, minutes: 0.5 }),
    ],
    [null, null, null, null, null],
  );
});
