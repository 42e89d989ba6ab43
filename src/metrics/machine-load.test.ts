/** The load of the machine, from scripted processor times. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineLoad, type MachineTimes } from './machine-load.ts';

/** Samples of ten seconds on two processors: the shares used by all processes and by the server's own. */
function loadAfter(samples: readonly (readonly [used: number, own: number])[]): MachineLoad {
  let times: MachineTimes = { usedMs: 500, availableMs: 1000, ownMs: 100 };
  const load = new MachineLoad(() => times);
  for (const [used, own] of samples) {
    const { usedMs, availableMs, ownMs } = times;
    times = { usedMs: usedMs + used * 20_000, availableMs: availableMs + 20_000, ownMs: ownMs + own * 20_000 };
    load.sample();
  }
  return load;
}

test('reports the busy minutes and the part of other processes in them', () => {
  const load = loadAfter([
    [0.5, 0.5],
    [0.95, 0.15],
    [1, 0.4],
    [0.2, 0.1],
    [0.89, 0],
    [0.1, 0.1],
  ]);
  const busy = load.lastHour();
  assert.deepEqual([busy?.minutes, busy?.ofMinutes], [1 / 3, 1]);
  assert(Math.abs((busy?.othersShare ?? 0) - 0.7) < 1e-9);
});

test('reports nothing if the processors were never busy, or forgets it after an hour', () => {
  assert.equal(loadAfter([]).lastHour(), null);
  assert.equal(loadAfter([[0.5, 0.1]]).lastHour(), null);
  assert.equal(loadAfter([[1, 0], ...Array.from({ length: 360 }, () => [0.1, 0.1] as const)]).lastHour(), null);
});

test('reports nothing if the system does not say, or if its counters stand still', () => {
  const unknown = new MachineLoad(() => null);
  unknown.sample();
  assert.deepEqual([unknown.lastHour(), unknown.times], [null, null]);
  const still = new MachineLoad(() => ({ usedMs: 1, availableMs: 1, ownMs: 1 }));
  still.sample();
  assert.equal(still.lastHour(), null);
});
