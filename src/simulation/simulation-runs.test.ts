import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { parseObjective } from '../objective.ts';
import { parseLoad } from './load/load.ts';
import type { SimulationResult } from './report/result.ts';
import type { SimulationBatchOptions } from './simulate.ts';
import { overflowMemoryMiB, referenceSimulated } from './simulated/profile.ts';
import { runLimits, SimulationRuns } from './simulation-runs.ts';
import type { SimulationSpec } from './simulation-spec.ts';

const objective = parseObjective('p95<=500ms');
const profile = referenceSimulated();
const spec = (policy: string): SimulationSpec => ({
  load: parseLoad('poisson:5', { slotMs: 60_000, from: 0, slots: 5, loadSeed: 7 }),
  policy,
  profile,
  objective,
  leadMs: null,
  memoryMiB: overflowMemoryMiB(profile, objective),
  instancesMax: 10,
  seed: 6,
  serviceSeed: 11,
  faults: { launchFailureShare: 0, interruptionsPerHour: 0 },
  isCorrecting: true,
});

/** Runs that end when the test ends them. */
function controlledRuns() {
  const clock = new VirtualClock();
  const started: {
    orders: readonly SimulationSpec[];
    sideBySide: SimulationBatchOptions;
    finish: PromiseWithResolvers<SimulationResult[]>;
  }[] = [];
  const runs = new SimulationRuns<string>({
    clock,
    threads: 1,
    simulate: (orders, sideBySide) => {
      const finish = Promise.withResolvers<SimulationResult[]>();
      sideBySide.interrupted.addEventListener('abort', () => finish.reject(new Error('interrupted')));
      started.push({ orders, sideBySide, finish });
      return finish.promise;
    },
  });
  return { clock, started, runs };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const result = (policy: string): SimulationResult => ({ policy }) as SimulationResult;

describe('simulations on a server', () => {
  test('run in threads, with the same results as elsewhere', async () => {
    const runs = new SimulationRuns<string>({ clock: new VirtualClock(), threads: 2 });
    const { id } = runs.start([spec('static:2'), spec('target-tracking')], 'mine');
    while (runs.get(id).endedAtMs === null) await new Promise((resolve) => setTimeout(resolve, 20));
    const { state, results, facts, reason } = runs.get(id);
    assert.deepEqual([state, facts, reason], ['done', 'mine', null]);
    assert.deepEqual(
      results.map((each) => each?.policy),
      ['static:2', 'target-tracking'],
    );
    assert((results[0]?.requests ?? 0) > 1000);
    assert.equal(results[0]?.requests, results[1]?.requests);
  });

  test('run one at a time, report each completed policy, and are rejected if too many are waiting', async () => {
    const { started, runs } = controlledRuns();
    const all = Array.from({ length: 1 + runLimits.waitingMax }, (_, i) => runs.start([spec('static:1'), spec('static:2')], `run ${i}`));
    assert.deepEqual(
      all.map(({ state }) => state),
      ['running', ...Array(runLimits.waitingMax).fill('waiting')],
    );
    assert.throws(() => runs.start([spec('static:1')], 'one too many'), { code: 'overloaded' });
    started[0]?.sideBySide.onDone?.(result('static:2'), 1);
    assert.deepEqual(runs.get(all[0]?.id ?? '').results, [null, result('static:2')]);
    started[0]?.finish.resolve([result('static:1'), result('static:2')]);
    await settled();
    assert.deepEqual([runs.get(all[0]?.id ?? '').state, runs.get(all[1]?.id ?? '').state], ['done', 'running']);
    runs.close();
    assert(runs.list().every(({ endedAtMs }) => endedAtMs !== null));
  });

  test('end if cancelled or timed out, and the next one starts', async () => {
    const { clock, started, runs } = controlledRuns();
    const [first, second] = [runs.start([spec('static:1')], 'a'), runs.start([spec('static:1')], 'b')];
    runs.remove(first.id);
    await settled();
    assert.equal(started[0]?.sideBySide.interrupted.aborted, true);
    assert.deepEqual([runs.get(first.id).state, runs.get(second.id).state], ['cancelled', 'running']);
    clock.advance(runLimits.timeMs);
    await settled();
    assert.deepEqual([runs.get(second.id).state, started[1]?.sideBySide.interrupted.aborted], ['failed', true]);
    assert.match(runs.get(second.id).reason ?? '', /10 minutes/);
    runs.remove(second.id);
    assert.throws(() => runs.get(second.id), { code: 'not_found' });
  });

  test('are retained after they end, up to a limit, latest first', async () => {
    const { started, runs } = controlledRuns();
    for (let i = 0; i < runLimits.keptMax + 2; i++) {
      runs.start([spec('static:1')], String(i));
      started[i]?.finish.resolve([result('static:1')]);
      await settled();
    }
    assert.equal(runs.list().length, runLimits.keptMax);
    assert.equal(runs.list()[0]?.facts, String(runLimits.keptMax + 1));
  });
});
