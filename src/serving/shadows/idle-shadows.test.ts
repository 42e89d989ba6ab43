import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { LadderChallenger, LadderRung } from '../../deployment/index.ts';
import { type Profile, ServiceTable } from '../../profiling/index.ts';
import { SeededRandom } from '../../random.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { bytesOf, type Tensor } from '../../tensor.ts';
import type { PlanPreference } from '../plans/plan-preference.ts';
import type { BatchRunResult } from '../runners/run-requests.ts';
import { VariantPool } from '../variant-pool.ts';
import type { ShadowAnswer } from './idle-shadows.ts';

const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }], outputs: [] } as const;
const model = { name: 'a/1', group: 'a', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } } as unknown as ModelVersion;
const rung = (name: string, accuracy: number): LadderRung => {
  const [first = '', second = null] = name.split('>');
  return { name, first, second, threshold: 0.1, accuracy, lower: accuracy, isCertified: true, escalated: second === null ? 0 : 0.5 };
};
/** Milliseconds per row, in the order of the rungs. */
const perRowMs = [1, 2, 5];
const rungs = [rung('a/1', 0.9), rung('a/1>b/1', 0.95), rung('b/1', 0.99)];

function tableOf(ms: number): ServiceTable {
  const samples = (b: number) => Array.from({ length: 200 }, () => ms * b);
  const service = [1, 8, 32].map((b) => ({ b, p50Ms: ms * b, p95Ms: ms * b, p99Ms: ms * b, samples: samples(b), rssMiB: 0 }));
  const profile: Profile = { executor: 'instance:local.1', service, measuredAtMs: 0, loadMs: 0, batchMax: 32, notes: [] };
  return new ServiceTable(profile);
}

const labelsOf = (labels: readonly number[]): Tensor => ({
  name: 'label',
  datatype: 'INT32',
  shape: [labels.length],
  data: bytesOf(Int32Array.from(labels)),
});

interface Options {
  readonly challenger?: LadderChallenger;
  readonly plans?: typeof rungs;
  readonly share?: number;
  readonly instances?: number;
  readonly latencyMs?: number | null;
}

/** Model b answers the value of a row, model a the same unless it is a multiple of 5. The cascade sends odd rows on. */
function fixture({ share = 1, instances = 1, latencyMs = 50, challenger, plans = rungs }: Options = {}) {
  const clock = new VirtualClock();
  const objective = latencyMs === null ? null : { percentile: 95, latencyMs };
  const models = ['a/1', 'b/1', ...(challenger === undefined ? [] : [challenger.model])];
  const served = { models, rungs: plans, floorRung: 0, floor: 0.9, creditRowsMax: 100, shadowShare: share };
  const ladder = challenger === undefined ? served : { ...served, challenger };
  const settings = { objective, late: 'serve', timeoutMs: 60_000, queueRowsMax: 10_000, functions: null, ladder } as const;
  const tables = perRowMs.map(tableOf);
  const answers: ShadowAnswer[] = [];
  const pool = new VariantPool({ endpoint: 'e', variant: 'AllTraffic', model }, settings, {
    clock,
    random: new SeededRandom(1),
    onShadowAnswered: (answer) => answers.push(answer),
    serviceTable: (_executor, at = 0) => tables[at] as ServiceTable,
    onDispatch: () => undefined,
    restart: () => undefined,
  });
  const runs: { plan: number; rows: number; atMs: number }[] = [];
  const state = { crashes: false, charged: 0 };
  const run = (values: readonly number[], plan: number): BatchRunResult => {
    const stage = Uint8Array.from(values, (value) => (plan === 1 ? value % 2 : 0));
    // A challenger, the last plan, answers as model b does.
    const isB = (row: number): boolean => plan >= 2 || stage[row] === 1;
    const outputs = values.map((value, row) => [labelsOf([isB(row) || value % 5 > 0 ? value : -1])]);
    const rows = { stage, confidence: new Float32Array(values.length).fill(0.5), firstMs: 1, secondMs: 0 };
    return { kind: 'done', outputs, timings: { inMs: 0, runMs: 1, outMs: 0 }, rows };
  };
  for (let i = 0; i < instances; i++) {
    let freeAtMs = 0;
    pool.attach({
      id: `w${i}`,
      instanceType: 'local.1',
      coldStartMs: 0,
      charge: (ms) => {
        state.charged += ms;
        return ms;
      },
      run: (requests, done, plan = 0) => {
        const values = requests.map(({ call }) => new Float32Array(Uint8Array.from(call.inputs[0]?.data ?? []).buffer)[0] as number);
        runs.push({ plan, rows: values.length, atMs: clock.nowMs() });
        freeAtMs = Math.max(freeAtMs, clock.nowMs()) + (perRowMs[plan] ?? 5) * values.length;
        clock.after(freeAtMs - clock.nowMs(), () => done(state.crashes ? { kind: 'gone', why: 'killed' } : run(values, plan)));
      },
    });
  }
  const latencies: number[] = [];
  let sent = 0;
  const send = (prefer?: PlanPreference, count = 1): void => {
    for (let i = 0; i < count; i++) {
      const arrivedAtMs = clock.nowMs();
      const data = Buffer.from(bytesOf(Float32Array.of(sent))); // as of a binary request
      const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 1], data }] as const;
      pool.submit({ requestId: `r${sent++}`, inputs, rows: 1, arrivedAtMs, prefer }, (outcome) => {
        data.fill(0); // inputs are not retained after the answer
        if (outcome.ok) latencies.push(clock.nowMs() - arrivedAtMs);
      });
    }
  };
  const counts = () => pool.ladder?.view.rungs.map(({ compared, disagreed }) => [compared, disagreed]);
  return { clock, pool, runs, send, answers, counts, state, latencies, shadows: () => pool.ladder?.view.shadows };
}

describe('shadows in idle time', () => {
  test('run what the best plan answered under the cheaper ones in turn, and compare the rows that do not go on', () => {
    const { clock, send, runs, answers, counts, shadows } = fixture();
    for (let i = 0; i < 20; i++) {
      send();
      clock.advance(100);
    }
    assert.deepEqual(shadows()?.calls, 20);
    // Those of the cascade are odd rows, which go on.
    assert.deepEqual(counts(), [
      [10, 2],
      [0, 0],
      [0, 0],
    ]);
    assert.deepEqual(
      answers.slice(0, 3).map(({ requestId, plan, values }) => [requestId, plan, values]),
      [
        ['r0', 'a/1', [-1]],
        ['r1', 'a/1>b/1', [1]],
        ['r2', 'a/1', [2]],
      ],
    );
    assert.equal(runs.length, 40);
  });

  test('run what a cheaper plan answered under the best one', () => {
    const { clock, send, counts } = fixture();
    for (let i = 0; i < 10; i++) {
      send('cost');
      clock.advance(100);
    }
    assert.deepEqual(counts(), [
      [10, 2],
      [0, 0],
      [0, 0],
    ]);
  });

  test('cost nothing, and are not counted as answers', () => {
    const { clock, send, pool, state } = fixture();
    send('cost');
    clock.advance(100);
    assert.equal(state.charged, 1);
    assert.equal(
      pool.ladder?.view.rungs.reduce((sum, { rows }) => sum + rows, 0),
      1,
    );
    assert.equal(shadowMs(pool), 5);
  });

  test('wait until the last instance has been idle for a while, and run at once beside another one', () => {
    for (const { instances, atMs } of [
      { instances: 1, atMs: 20 },
      { instances: 2, atMs: 1 },
    ]) {
      const { clock, send, runs } = fixture({ instances });
      send('cost');
      clock.advance(100);
      assert.deepEqual(
        runs.map((each) => each.atMs),
        [0, atMs],
      );
    }
  });

  test('make no request late that would be in time without them', () => {
    const late = (share: number): number => {
      const { clock, send, latencies, shadows } = fixture({ share });
      const random = new SeededRandom(3);
      for (let i = 0; i < 20_000; i++) {
        // Bursts of what the cheapest plan can still answer in time.
        if (random.next() < 0.02) send(undefined, random.next() < 0.05 ? 30 : 1);
        clock.advance(1);
      }
      clock.advance(1000);
      if (share > 0) assert((shadows()?.calls ?? 0) > 100, `${shadows()?.calls} shadows`);
      return latencies.filter((ms) => ms > 50).length;
    };
    const without = late(0);
    assert.equal(late(1), without);
  });

  test('do not run if a request would be late behind them, and are dropped after a minute', () => {
    const { clock, send, runs, shadows } = fixture({ latencyMs: 6 });
    send('cost');
    clock.advance(61_000);
    send('cost');
    clock.advance(10);
    assert.deepEqual(
      runs.map(({ plan }) => plan),
      [0, 0],
    );
    assert.deepEqual([shadows()?.calls, shadows()?.dropped], [0, 1]);
  });

  test('are at most 64 calls that wait', () => {
    const { clock, send, shadows } = fixture({ latencyMs: 6 });
    for (let i = 0; i < 100; i++) {
      send('cost');
      clock.advance(10);
    }
    assert.equal(shadows()?.dropped, 36);
  });

  test('are the share that was asked for, of calls with at most 1,000 rows', () => {
    const { clock, send, pool, shadows } = fixture({ share: 0.1 });
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1001, 1], data: new Uint8Array(4004) }] as const;
    for (let i = 0; i < 1000; i++) {
      send();
      clock.advance(100);
    }
    const before = shadows()?.calls ?? 0;
    assert(before > 70 && before < 130, `${before} of 1,000`);
    for (let i = 0; i < 50; i++) {
      pool.submit({ requestId: 'large', inputs, rows: 1001, arrivedAtMs: clock.nowMs() }, () => undefined);
      clock.advance(10_000);
    }
    assert.equal(shadows()?.calls, before);
  });

  test('pause after one has crashed its worker, and are not run twice', () => {
    const { clock, send, pool, runs, state, shadows } = fixture({ instances: 2 });
    send('cost');
    clock.advance(1);
    state.crashes = true;
    clock.advance(10);
    state.crashes = false;
    assert.deepEqual([runs.length, pool.executors.length, shadows()?.dropped], [2, 1, 1]);
    for (let i = 0; i < 10; i++) send('cost');
    clock.advance(30_000);
    assert.equal(runs.filter(({ plan }) => plan === 2).length, 1, 'the pause is not over');
  });
});

describe('a challenger in idle time', () => {
  test('answers every other compared request, as does the version that it would replace', () => {
    const { clock, send, runs, answers, counts, pool } = fixture({ challenger: { model: 'a/2', incumbent: 'a/1', sinceMs: 0 } });
    for (let i = 0; i < 20; i++) {
      send();
      clock.advance(200);
    }
    // Plan 3 is the challenger, plan 0 its incumbent, which answers multiples of 5 otherwise.
    assert.deepEqual(
      answers.slice(0, 2).map(({ plan, values, against }) => [plan, values, against]),
      [
        ['a/2', [0], [-1]],
        ['a/1', [1], undefined],
      ],
    );
    assert.deepEqual(pool.ladder?.view.challenge, { rows: 10, disagreed: 2, failed: 0, crashes: 0 });
    assert.equal(runs.filter(({ plan }) => plan === 3).length, 10);
    assert.equal(counts()?.reduce((sum, [rows = 0]) => sum + rows, 0) !== 0, true, 'the plans of the ladder are compared, too');
  });

  test('is compared with what the client got if its incumbent answered', () => {
    const { clock, send, runs, answers } = fixture({ challenger: { model: 'a/2', incumbent: 'a/1', sinceMs: 0 } });
    send('cost');
    clock.advance(200);
    assert.deepEqual(
      runs.map(({ plan }) => plan),
      [0, 3],
    );
    assert.deepEqual(answers, [{ requestId: 'r0', plan: 'a/2', values: [0] }]);
  });

  test('runs beside a plan that is alone', () => {
    const alone = { challenger: { model: 'c/1', incumbent: null, sinceMs: 0 }, plans: rungs.slice(0, 1) };
    const { clock, send, pool } = fixture(alone);
    for (let i = 0; i < 10; i++) {
      send();
      clock.advance(200);
    }
    assert.equal(pool.ladder?.view.challenge.rows, 10);
  });

  test('that crashes its worker is counted', () => {
    const { clock, send, pool, state } = fixture({ instances: 2, challenger: { model: 'a/2', incumbent: 'a/1', sinceMs: 0 } });
    send('cost');
    clock.advance(1);
    state.crashes = true;
    clock.advance(10);
    assert.deepEqual(pool.ladder?.view.challenge, { rows: 0, disagreed: 0, failed: 1, crashes: 1 });
  });
});

function shadowMs(pool: VariantPool): number | undefined {
  return pool.ladder?.view.shadows.ms;
}
