import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { vectors } from '../../test/selection/index.ts';
import { VirtualClock } from '../clock.ts';
import type { LadderConfig, LadderRung } from '../deployment/index.ts';
import { type Profile, ServiceTable } from '../profiling/index.ts';
import { SeededRandom } from '../random.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { PlanPreference } from './plans/plan-preference.ts';
import type { InferenceOutcome } from './request.ts';
import { rowCharges, rowsByModel } from './row-answers.ts';
import { plainEndpointsOf } from './traffic/plain-endpoints.ts';
import type { Routing } from './traffic/traffic.ts';
import { VariantPool } from './variant-pool.ts';

const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }], outputs: [] } as const;
const model = { name: 'a/1', group: 'a', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } } as unknown as ModelVersion;
const rung = (name: string, accuracy: number): LadderRung => {
  const [first = '', second = null] = name.split('>');
  return { name, first, second, threshold: 0.1, accuracy, lower: accuracy, isCertified: true, escalated: second === null ? 0 : 0.5 };
};
/** Milliseconds per row, in the order of the rungs. */
const perRowMs = [0.1, 0.5, 2];
const rungs = [rung('a/1', 0.9), rung('a/1>b/1', 0.95), rung('b/1', 0.99)];
const ladderOf = (more: Partial<LadderConfig> = {}): LadderConfig => ({
  models: ['a/1', 'b/1'],
  rungs,
  floorRung: 0,
  floor: 0.9,
  creditRowsMax: 100,
  ...more,
});

function profileOf(ms: number): Profile {
  const service = [1, 8, 32].map((b) => ({
    b,
    p50Ms: ms * b,
    p95Ms: ms * b,
    p99Ms: ms * b,
    samples: Array.from({ length: 200 }, () => ms * b),
    rssMiB: 0,
  }));
  return { executor: 'instance:local.1', service, measuredAtMs: 0, loadMs: 0, batchMax: 32, notes: [] };
}

/** A variant on one instance under p95 <= 50 ms. Half of the rows of a cascade go on. */
function poolOf(ladder: LadderConfig, objective: { percentile: number; latencyMs: number } | null = { percentile: 95, latencyMs: 50 }) {
  const clock = new VirtualClock();
  const tables = perRowMs.map((ms) => new ServiceTable(profileOf(ms)));
  const settings = { objective, late: 'serve', timeoutMs: 60_000, queueRowsMax: 10_000, functions: null, ladder } as const;
  const pool = new VariantPool({ endpoint: 'e', variant: 'AllTraffic', model }, settings, {
    clock,
    serviceTable: (_executor, at = 0) => tables[at] as ServiceTable,
    onDispatch: () => undefined,
    restart: () => undefined,
  });
  const plans: number[] = [];
  let freeAtMs = 0;
  pool.attach({
    id: 'w1',
    instanceType: 'local.1',
    coldStartMs: 0,
    charge: (ms) => ms / 1000,
    run: (requests, done, plan = 0) => {
      plans.push(plan);
      const rows = requests.length;
      freeAtMs = Math.max(freeAtMs, clock.nowMs()) + (perRowMs[plan] as number) * rows;
      const stage = Uint8Array.from({ length: rows }, (_, row) => (rungs[plan]?.second === null ? 0 : row % 2));
      const stages = {
        stage,
        confidence: new Float32Array(rows).fill(0.5),
        firstMs: 1,
        secondMs: stage.some((each) => each === 1) ? 3 : 0,
      };
      const answer = { kind: 'done', outputs: requests.map(() => []), timings: { inMs: 0, runMs: 1, outMs: 0 }, rows: stages } as const;
      clock.after(freeAtMs - clock.nowMs(), () => done(answer));
    },
  });
  const outcomes: InferenceOutcome[] = [];
  const send = (count: number, prefer?: PlanPreference): void => {
    for (let i = 0; i < count; i++) {
      const call = { requestId: `r${i}`, inputs: [], rows: 1, arrivedAtMs: clock.nowMs(), prefer };
      pool.submit(call, (outcome) => outcomes.push(outcome));
    }
  };
  return { clock, pool, plans, send, outcomes, tables };
}

test('gateway processes decode requests of a selection whose only plan is a model alone, of no other selection', () => {
  const planOf = (ladder: LadderConfig) => {
    const { pool } = poolOf(ladder);
    const routing = { name: 'e', variants: [{ pool, weight: 1 }], shadow: null, isSuspended: false } as unknown as Routing;
    return plainEndpointsOf([routing])[0]?.variants[0]?.plan;
  };
  assert.deepEqual(planOf(ladderOf({ models: ['b/1'], rungs: rungs.slice(2) })), { name: 'b/1', model: 'b/1' });
  assert.equal(planOf(ladderOf({ rungs: rungs.slice(1, 2) })), undefined);
  assert.equal(planOf(ladderOf()), undefined);
});

describe('a variant with plans', () => {
  test('answers with the most accurate plan while there is time', () => {
    const { clock, send, plans, outcomes } = poolOf(ladderOf());
    send(3);
    clock.advance(100);
    assert.deepEqual(new Set(plans), new Set([2]));
    const [first] = outcomes;
    assert(first?.ok === true);
    assert.deepEqual([first.result.answered?.rung.name, first.result.answered?.position, first.result.answered?.of], ['b/1', 3, 3]);
  });

  test('answers a burst with cheaper plans instead of late, and returns to the best one after it', () => {
    const { clock, send, plans, outcomes } = poolOf(ladderOf());
    send(200);
    clock.advance(45);
    assert(outcomes.length >= 195, `${outcomes.length} of 200 were answered in time`);
    assert(plans.includes(0));
    clock.advance(100);
    plans.length = 0;
    send(1);
    clock.advance(50);
    assert.deepEqual(plans, [2]);
  });

  test('tries a plan again that looked too slow in a busy moment, although it has not run since', () => {
    const { clock, send, plans, tables } = poolOf(ladderOf());
    for (let i = 0; i < 300; i++) tables[2]?.observe(1, 60);
    const second = (): void => {
      send(1);
      clock.advance(1000);
    };
    for (let i = 0; i < 20; i++) second();
    assert(!plans.includes(2), 'it would answer late');
    for (let i = 0; i < 20; i++) second();
    assert.equal(plans.at(-1), 2);
  });

  test('says which request a better plan would have answered late', () => {
    const { clock, send, outcomes } = poolOf(ladderOf());
    send(120);
    clock.advance(200);
    const held = outcomes
      .flatMap((outcome) => (outcome.ok ? [outcome.result.answered?.choice.heldBack ?? null] : []))
      .find((each) => each !== null);
    assert.equal(held?.request, 'last');
    assert((held?.lateMs ?? 0) > 0);
  });

  test('is not held on the cheapest plan by a late request', () => {
    const { clock, send, plans, pool } = poolOf(ladderOf());
    send(2000); // more than can be in time
    clock.advance(120);
    const waiting = pool.rowsWaiting;
    assert(waiting > 0, 'late requests still wait');
    plans.length = 0;
    send(1);
    clock.advance(20);
    assert(plans.includes(2), `a new request gets the best plan, got ${plans.join()}`);
  });

  test('without an objective always gives the best answer', () => {
    const { clock, send, plans } = poolOf(ladderOf(), null);
    send(50);
    clock.advance(1000);
    assert.deepEqual(new Set(plans), new Set([2]));
  });

  test('takes plans below the floor only from credit, so that the mean accuracy stays at the floor', () => {
    const { clock, send, pool } = poolOf(ladderOf({ floorRung: 1, floor: 0.95 }));
    for (let i = 0; i < 20; i++) {
      send(i % 3 === 0 ? 150 : 2);
      clock.advance(60);
      const counts = pool.ladder?.view.rungs ?? [];
      const rows = counts.reduce((sum, each) => sum + each.rows, 0);
      const right = counts.reduce((sum, each, at) => sum + each.rows * (rungs[at]?.accuracy ?? 0), 0);
      assert(right >= 0.95 * rows - 1e-6, `mean ${right / rows} after ${rows} rows`);
    }
    assert((pool.ladder?.view.rungs[0]?.rows ?? 0) > 0, 'bursts used the credit');
    assert((pool.ladder?.view.creditRows ?? -1) >= 0);
  });

  test('keeps to the plans that a client accepts', () => {
    const { clock, send, plans, outcomes } = poolOf(ladderOf({ floorRung: 1, floor: 0.95 }));
    send(1, 'cost');
    clock.advance(50);
    send(1, 'accuracy');
    clock.advance(50);
    send(1, { accuracyMin: 0.97 });
    clock.advance(50);
    assert.deepEqual(plans, [1, 2, 2]);
    send(1, { accuracyMin: 0.999 });
    const last = outcomes.at(-1);
    assert(last?.ok === false);
    assert.equal(last.error.message, 'e reaches accuracy 0.9900 at most, asked 0.999');
  });

  for (const { flood, others } of [
    { flood: 2000, others: 300 },
    { flood: 400, others: 2000 },
  ]) {
    test(`lets no flood of ${flood}/s for the best plan, which does 500/s, make ${others}/s others late`, () => {
      const { clock, pool, plans } = poolOf(ladderOf());
      const ended = { wanted: [] as number[], others: [] as number[] };
      const send = (prefer?: PlanPreference): void => {
        const arrivedAtMs = clock.nowMs();
        pool.submit({ requestId: 'r', inputs: [], rows: 1, arrivedAtMs, prefer }, (outcome) => {
          const tookMs = outcome.ok ? clock.nowMs() - arrivedAtMs : Number.POSITIVE_INFINITY;
          (prefer === undefined ? ended.others : ended.wanted).push(tookMs);
          if (outcome.ok && prefer !== undefined) assert.equal(outcome.result.answered?.rung.name, 'b/1', 'it may be late, not worse');
        });
      };
      const random = new SeededRandom(1);
      const perMs = (flood + others) / 1000;
      for (let at = 0; at < 10_000; at++) {
        // As many as a Poisson process: exact shape does not matter.
        for (let left = perMs; left > 0; left--)
          if (random.next() < Math.min(left, 1)) send(random.next() < flood / (flood + others) ? 'accuracy' : undefined);
        clock.advance(1);
      }
      clock.advance(1000);
      const inTime = ended.others.filter((tookMs) => tookMs <= 50).length / ended.others.length;
      assert(inTime >= 0.99, `${(100 * inTime).toFixed(1)} % of ${ended.others.length} others in time`);
      assert(plans.includes(2) && ended.wanted.some((tookMs) => tookMs < 1000), 'the flood gets what the others leave');
    });
  }

  test('takes over a changed decision without other workers: a held selection has no credit', () => {
    const degrading = ladderOf({ floorRung: 1, floor: 0.95 });
    const { clock, send, pool } = poolOf(degrading);
    send(100);
    clock.advance(200);
    assert((pool.ladder?.view.creditRows ?? 0) > 0);
    const rows = pool.ladder?.view.rungs.reduce((sum, each) => sum + each.rows, 0);
    const held = { ...degrading, creditRowsMax: 0 };
    pool.configure({ ...pool.settings, ladder: held });
    assert.deepEqual([pool.ladder?.view.config, pool.ladder?.view.creditRows], [held, 0]);
    assert.equal(
      pool.ladder?.view.rungs.reduce((sum, each) => sum + each.rows, 0),
      rows,
      'counts go on',
    );
    send(300);
    clock.advance(500);
    const below = pool.ladder?.view.rungs[0]?.rows;
    send(300);
    clock.advance(500);
    assert.equal(pool.ladder?.view.rungs[0]?.rows, below);
  });

  test('counts rows and costs by model; what requests pay adds up to what their batches cost', () => {
    const { clock, send, pool, outcomes } = poolOf(ladderOf());
    send(9, 'cost');
    send(40);
    clock.advance(500);
    const models = [...(pool.ladder?.view.models.values() ?? [])];
    assert.equal(
      models.reduce((sum, { rows }) => sum + rows, 0),
      49,
    );
    const charged = outcomes.reduce((sum, outcome) => sum + (outcome.ok ? outcome.result.costUsd : 0), 0);
    const costs = models.reduce((sum, { usd }) => sum + usd, 0);
    assert(Math.abs(charged - costs) < 1e-9, `${charged} and ${costs}`);
  });
});

describe('a worker that lacks a model', () => {
  const lacking = (...models: string[]) => {
    const world = poolOf(ladderOf({ floorRung: 1, floor: 0.95 }));
    const missing = models.map((name) => ({ model: name, reason: 'corrupt' }));
    Object.assign(world.pool.executors[0]?.worker ?? {}, { missingModels: () => missing });
    return { ...world, missing };
  };

  test('answers by the plans that it can run, and by all once the model is loaded', () => {
    const { clock, send, plans, missing } = lacking('a/1');
    send(300);
    clock.advance(2000);
    assert.deepEqual(new Set(plans), new Set([2]), 'both cheaper plans need a/1');
    missing.length = 0;
    plans.length = 0;
    send(300);
    clock.advance(2000);
    assert(plans.includes(1));
  });

  test('answers below the floor rather than not at all, and rejects what asks for an accuracy that is not loaded', () => {
    const { clock, send, plans, outcomes } = lacking('b/1');
    send(3);
    send(1, 'accuracy');
    clock.advance(100);
    assert.deepEqual(new Set(plans), new Set([0]));
    send(1, { accuracyMin: 0.97 });
    const last = outcomes.at(-1);
    assert(last?.ok === false);
    assert.equal(last.error.message, 'no worker of e has loaded a plan of accuracy 0.97: b/1 failed to load');
  });
});

describe('the receipt of a row', () => {
  test('agrees with the vectors', () => {
    for (const { chargeUsd, firstMs, secondMs, wentOn, value } of vectors.receipt) {
      const stage = Uint8Array.from(wentOn, Number);
      for (const [row, usd] of rowCharges(chargeUsd, { firstMs, secondMs, stage }).entries()) {
        assert(Math.abs(usd - (value[row] as number)) < 1e-18, `row ${row}: ${usd}`);
      }
    }
  });

  test('adds up to the charge of the batch', () => {
    const batch = fc.record({
      chargeUsd: fc.double({ min: 0, max: 1, noNaN: true }),
      firstMs: fc.double({ min: 0, max: 100, noNaN: true }),
      secondMs: fc.double({ min: 0, max: 100, noNaN: true }),
      stages: fc.array(fc.constantFrom(0, 1, 2), { minLength: 1, maxLength: 64 }),
    });
    fc.assert(
      fc.property(batch, ({ stages, ...charge }) => {
        const sum = rowCharges(charge.chargeUsd, { ...charge, stage: Uint8Array.from(stages) }).reduce((total, usd) => total + usd, 0);
        assert(Math.abs(sum - charge.chargeUsd) < 1e-9);
      }),
    );
  });

  test('adds up for times that are too short to multiply', () => {
    const stage = Uint8Array.of(0, 0, 1);
    const sum = rowCharges(0.25, { firstMs: Number.MIN_VALUE, secondMs: 0, stage }).reduce((total, usd) => total + usd, 0);
    assert(Math.abs(sum - 0.25) < 1e-9, `${sum}`);
  });

  test('names the models that answered, with their rows', () => {
    const answers = {
      rung: rungs[1] as LadderRung,
      position: 2,
      of: 3,
      choice: { rung: 1, heldBack: null, rowsWaiting: 3 },
      rows: 3,
      confidence: new Float32Array(3),
    };
    assert.deepEqual(
      [...rowsByModel({ ...answers, stage: Uint8Array.of(0, 1, 2) })],
      [
        ['a/1', 2],
        ['b/1', 1],
      ],
    );
  });
});
