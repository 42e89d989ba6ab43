import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { parseObjective } from '../objective.ts';
import { parseLoad } from './load.ts';
import { overflowMemoryMiB, referenceSimulated } from './profile.ts';
import type { SimulationResult } from './result.ts';
import type { SideBySide } from './simulate.ts';
import type { SimulationOrder } from './simulation-order.ts';
import { runLimits, SimulationRuns } from './simulation-runs.ts';

const objective = parseObjective('p95<=500ms');
const profile = referenceSimulated();
const order = (policy: string): SimulationOrder => ({
  load: parseLoad('poisson:5', { slotMs: 60_000, from: 0, slots: 5, loadSeed: 7 }),
  policy,
  profile,
  objective,
  leadMs: null,
  memoryMiB: overflowMemoryMiB(profile, objective),
  instancesMax: 10,
  seed: 6,
  serviceSeed: 11,
  misfortune: { launchFailureShare: 0, interruptionsPerHour: 0 },
  isCorrecting: true,
});

/** Runs that end when the test says so. */
function held() {
  const clock = new VirtualClock();
  const asked: { orders: readonly SimulationOrder[]; sideBySide: SideBySide; finish: PromiseWithResolvers<SimulationResult[]> }[] = [];
  const runs = new SimulationRuns<string>({
    clock,
    threads: 1,
    simulate: (orders, sideBySide) => {
      const finish = Promise.withResolvers<SimulationResult[]>();
      sideBySide.interrupted.addEventListener('abort', () => finish.reject(new Error('interrupted')));
      asked.push({ orders, sideBySide, finish });
      return finish.promise;
    },
  });
  return { clock, asked, runs };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const result = (policy: string): SimulationResult => ({ policy }) as SimulationResult;

describe('simulations on a server', () => {
  test('are run in threads, and tell what the same order tells elsewhere', async () => {
    const runs = new SimulationRuns<string>({ clock: new VirtualClock(), threads: 2 });
    const { id } = runs.start([order('static:2'), order('target-tracking')], 'mine');
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

  test('are run one after the other, tell of each policy that is done, and are refused where too many wait', async () => {
    const { asked, runs } = held();
    const all = Array.from({ length: 1 + runLimits.waitingMax }, (_, i) => runs.start([order('static:1'), order('static:2')], `run ${i}`));
    assert.deepEqual(
      all.map(({ state }) => state),
      ['running', ...Array(runLimits.waitingMax).fill('waiting')],
    );
    assert.throws(() => runs.start([order('static:1')], 'one too many'), { code: 'overloaded' });
    asked[0]?.sideBySide.onDone?.(result('static:2'), 1);
    assert.deepEqual(runs.get(all[0]?.id ?? '').results, [null, result('static:2')]);
    asked[0]?.finish.resolve([result('static:1'), result('static:2')]);
    await settled();
    assert.deepEqual([runs.get(all[0]?.id ?? '').state, runs.get(all[1]?.id ?? '').state], ['done', 'running']);
    runs.close();
    assert(runs.list().every(({ endedAtMs }) => endedAtMs !== null));
  });

  test('end where they are cancelled or take too long, and the next begins', async () => {
    const { clock, asked, runs } = held();
    const [first, second] = [runs.start([order('static:1')], 'a'), runs.start([order('static:1')], 'b')];
    runs.remove(first.id);
    await settled();
    assert.equal(asked[0]?.sideBySide.interrupted.aborted, true);
    assert.deepEqual([runs.get(first.id).state, runs.get(second.id).state], ['cancelled', 'running']);
    clock.advance(runLimits.timeMs);
    await settled();
    assert.deepEqual([runs.get(second.id).state, asked[1]?.sideBySide.interrupted.aborted], ['failed', true]);
    assert.match(runs.get(second.id).reason ?? '', /10 minutes/);
    runs.remove(second.id);
    assert.throws(() => runs.get(second.id), { code: 'not_found' });
  });

  test('that have ended are kept up to a number, the latest ones', async () => {
    const { asked, runs } = held();
    for (let i = 0; i < runLimits.keptMax + 2; i++) {
      runs.start([order('static:1')], String(i));
      asked[i]?.finish.resolve([result('static:1')]);
      await settled();
    }
    assert.equal(runs.list().length, runLimits.keptMax);
    assert.equal(runs.list()[0]?.facts, String(runLimits.keptMax + 1));
  });
});
