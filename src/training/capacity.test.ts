import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { coresForJobs, decideCapacity, type RunningJob, type WaitingJob } from './capacity.ts';

const job = (name: string, more: Partial<WaitingJob> = {}): WaitingJob => ({
  name,
  threads: 1,
  priority: 0,
  createdAtMs: 0,
  isSpot: false,
  ...more,
});
const running = (name: string, more: Partial<RunningJob> = {}): RunningJob => ({ ...job(name, more), isEnding: false, ...more });

describe('capacity for training jobs', () => {
  test('leaves serving what it uses, and at least one core', () => {
    assert.deepEqual(
      [
        [1, 0],
        [2, 0],
        [4, 0],
        [4, 2.5],
        [4, 9],
      ].map(([cores, servingCores]) => coresForJobs({ cores: cores as number, servingCores: servingCores as number })),
      [1, 1, 3, 1, 0],
    );
  });

  test('starts the oldest of the highest priority, and lets no small job overtake a large one', () => {
    const waiting = [
      job('new', { createdAtMs: 3 }),
      job('large', { createdAtMs: 2, threads: 3 }),
      job('urgent', { createdAtMs: 4, priority: 1 }),
    ];
    const decision = decideCapacity(waiting, [running('r')], { cores: 4, servingCores: 0 });
    assert.deepEqual(decision.start, ['urgent']);
    assert.equal(decision.freeCores, 2);
  });

  test('starts one job that is larger than what is free if none runs', () => {
    assert.deepEqual(decideCapacity([job('large', { threads: 2 }), job('other')], [], { cores: 2, servingCores: 1.5 }).start, ['large']);
  });

  test('interrupts the youngest spot jobs for a job that is not spot, if that suffices', () => {
    const spot = [running('old', { isSpot: true, createdAtMs: 1 }), running('young', { isSpot: true, createdAtMs: 2 })];
    assert.deepEqual(decideCapacity([job('urgent')], spot, { cores: 3, servingCores: 0 }).interrupt, ['young']);
    assert.deepEqual(decideCapacity([job('other', { isSpot: true })], spot, { cores: 3, servingCores: 0 }).interrupt, []);
    const ending = spot.map((each) => ({ ...each, isEnding: each.name === 'young' }));
    assert.deepEqual(decideCapacity([job('urgent')], ending, { cores: 3, servingCores: 0 }).interrupt, []);
    const mixed = [running('fixed', { threads: 2 }), running('spot', { isSpot: true })];
    assert.deepEqual(decideCapacity([job('large', { threads: 3 })], mixed, { cores: 4, servingCores: 0 }).interrupt, []);
  });

  test('gives the cores of an interrupted spot job to the job that needed them, even if the spot job is older', () => {
    const machine = { cores: 2, servingCores: 0 };
    const [old, young] = [running('spot', { isSpot: true, createdAtMs: 1 }), job('urgent', { createdAtMs: 2 })];
    assert.deepEqual(decideCapacity([young], [old], machine).interrupt, ['spot']);
    assert.deepEqual(decideCapacity([old, young], [], machine).start, ['urgent']);
    assert.deepEqual(decideCapacity([{ ...old, priority: 1 }, young], [], machine).start, ['spot']);
  });

  test('never gives more cores than there are beside serving, and every job runs in the end', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new SeededRandom(seed);
      const whole = (most: number): number => Math.floor(random.next() * most);
      const capacity = { cores: 1 + whole(8), servingCores: random.next() * 3 };
      let waiting = Array.from({ length: 20 }, (_, at) =>
        job(`j${at}`, { createdAtMs: at, threads: 1 + whole(capacity.cores), priority: whole(3), isSpot: random.next() < 0.3 }),
      );
      let active: RunningJob[] = [];
      for (let round = 0; waiting.length > 0; round++) {
        assert.ok(round < 1000, `seed ${seed}: ${waiting.length} jobs wait forever`);
        const { start, interrupt } = decideCapacity(waiting, active, capacity);
        const begun = waiting.filter(({ name }) => start.includes(name)).map((each) => ({ ...each, isEnding: false }));
        waiting = waiting.filter(({ name }) => !start.includes(name));
        active.push(...begun);
        const used = active.reduce((sum, { threads }) => sum + threads, 0);
        assert.ok(used <= coresForJobs(capacity) || active.length === 1, `seed ${seed}: ${used} threads`);
        // Interrupted jobs wait again; of the others, one ends.
        waiting.push(...active.filter(({ name }) => interrupt.includes(name)));
        active = active.filter(({ name }) => !interrupt.includes(name)).slice(1);
      }
    }
  });
});
