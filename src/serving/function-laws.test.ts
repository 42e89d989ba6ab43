/** What must hold for functions whatever happens: fast-check looks for the counterexample. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answered, FunctionHouse } from '../../test/function-house.ts';
import { PlatformError } from '../errors.ts';
import type { Objective } from '../objective.ts';
import { replayBatches } from '../queueing/index.ts';
import type { PendingRequest } from './request.ts';

type Step =
  | { readonly kind: 'send'; readonly rows: number; readonly timeoutMs: number; readonly priority: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'cancel' | 'drain' | 'detach'; readonly which: number }
  | { readonly kind: 'apply'; readonly batchSizeMax: number; readonly waitMsMax: number | null; readonly memoryMiB: number }
  | { readonly kind: 'behave'; readonly as: 'well' | 'failing' | 'dying' | 'hanging' | 'slowly' }
  | { readonly kind: 'start'; readonly as: 'well' | 'failing' | 'refused' }
  | { readonly kind: 'configure'; readonly maxConcurrency: number; readonly provisioned: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      rows: fc.integer({ min: 0, max: 10 }),
      timeoutMs: fc.integer({ min: 1, max: 300 }),
      priority: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 80 }) }) },
  fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(20) }),
  fc.record({
    kind: fc.constant('apply' as const),
    batchSizeMax: fc.integer({ min: 1, max: 8 }),
    waitMsMax: fc.option(fc.integer({ min: 0, max: 60 })),
    memoryMiB: fc.constantFrom(1024, 2048),
  }),
  fc.record({ kind: fc.constant('behave' as const), as: fc.constantFrom('well', 'failing', 'dying', 'hanging', 'slowly') }),
  fc.record({ kind: fc.constant('start' as const), as: fc.constantFrom('well', 'failing', 'refused') }),
  fc.record({
    kind: fc.constant('configure' as const),
    maxConcurrency: fc.integer({ min: 1, max: 4 }),
    provisioned: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({ kind: fc.constantFrom('drain' as const, 'detach' as const), which: fc.nat(20) }),
);

interface Script {
  readonly late: 'serve' | 'shed';
  readonly objective: Objective | null;
  readonly steps: readonly Step[];
}

const script: fc.Arbitrary<Script> = fc.record({
  late: fc.constantFrom('serve' as const, 'shed' as const),
  objective: fc.constantFrom(null, { percentile: 95, latencyMs: 60 }),
  steps: fc.array(step, { maxLength: 60 }),
});

function play({ late, objective, steps }: Script): {
  house: FunctionHouse;
  sent: Map<string, PendingRequest>;
  cancelled: Set<string>;
  maxSeen: number;
} {
  const house = new FunctionHouse({
    settings: { late, objective, timeoutMs: 400, queueRowsMax: 60 },
    functions: { maxConcurrency: 3, keepAliveMs: 200 },
  });
  const sent = new Map<string, PendingRequest>();
  const cancelled = new Set<string>();
  let failsStarts = false;
  let maxSeen = 3;
  const pick = <T>(from: readonly T[], which: number): T | undefined => from[which % Math.max(from.length, 1)];
  for (const [i, action] of steps.entries()) {
    switch (action.kind) {
      case 'send':
        sent.set(`r${i}`, house.send(`r${i}`, action));
        break;
      case 'advance':
        if (failsStarts)
          for (const id of house.alive) if (house.functions.executors.every(({ worker }) => worker.id !== id)) house.pool.failed(id, 'no');
        house.clock.advance(action.ms);
        break;
      case 'cancel': {
        const chosen = pick([...sent], action.which);
        if (chosen !== undefined && house.pool.cancel(chosen[1])) cancelled.add(chosen[0]);
        break;
      }
      case 'apply':
        house.apply(action);
        break;
      case 'behave':
        house.takesMs = action.as === 'slowly' ? () => 150 : (rows) => 10 + rows;
        house.answer = (requests) => {
          if (action.as === 'hanging') return null;
          if (action.as === 'dying') return { kind: 'gone', why: 'SIGKILL' };
          if (action.as === 'failing') return { kind: 'failed', error: new PlatformError('model_failed', 'no') };
          return answered(requests);
        };
        break;
      case 'start':
        failsStarts = action.as === 'failing';
        house.refuses = action.as === 'refused' ? new Error('no room') : null;
        break;
      case 'configure':
        maxSeen = Math.max(maxSeen, action.maxConcurrency);
        house.pool.configure(
          house.settings({ maxConcurrency: action.maxConcurrency, provisioned: Math.min(action.provisioned, action.maxConcurrency) }),
        );
        break;
      case 'drain':
      case 'detach': {
        const id = pick([...house.alive], action.which);
        if (id !== undefined && action.kind === 'drain') void house.pool.drain(id);
        else if (id !== undefined) house.pool.detach(id);
      }
    }
    const { starting, idle, busy } = house.functions.view().environments;
    assert.equal(starting + idle + busy, house.alive.size, 'what was started and not ended is there');
    assert(house.functions.marginMs >= 0);
    if (idle > 0) assert.equal(overdueOf(house), 0, 'nobody who is due waits while a function is idle');
  }
  return { house, sent, cancelled, maxSeen };
}

/** How many wait that do not wait for company. */
function overdueOf(house: FunctionHouse): number {
  return [...house.functions.waiting()].filter(({ dueReason }) => dueReason !== null).length;
}

test('every request is answered exactly once or was cancelled, there are never too many functions, and nothing is left in the end', () => {
  fc.assert(
    fc.property(script, (scenario) => {
      const { house, sent, cancelled, maxSeen } = play(scenario);
      house.clock.advance(2000);
      for (const id of sent.keys()) assert.equal(house.outcomes.has(id), !cancelled.has(id), id);
      assert.equal(house.pool.rowsWaiting, 0);
      assert(house.aliveMost <= maxSeen, `${house.aliveMost} functions, ${maxSeen} may be`);
      house.pool.retire();
      house.refuses = null;
      house.clock.advance(1000);
      assert.deepEqual([house.alive.size, house.provisioned.size], [0, 0]);
      assert(house.pool.isEmpty && house.pool.isDeserted);
    }),
    { numRuns: 400 },
  );
});

test('with functions to spare, batches leave exactly as a replay of the arrivals says', () => {
  const gaps = fc.array(fc.constantFrom(0, 0.25, 1, 3, 7, 20, 60, 200), { minLength: 1, maxLength: 60 });
  const policies = fc.oneof(
    fc.record({ batchSizeMax: fc.integer({ min: 2, max: 8 }), waitMsMax: fc.constant(null) }),
    fc.record({ batchSizeMax: fc.integer({ min: 2, max: 8 }), waitMsMax: fc.constantFrom(1, 5, 30, 100) }),
  );
  const services = fc.array(fc.constantFrom(0.5, 1, 3, 8), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(gaps, policies, services, fc.constantFrom(20, 60, 100), (between, { batchSizeMax, waitMsMax }, increments, latencyMs) => {
      const serviceMs = (rows: number): number => increments.slice(0, rows).reduce((sum, ms) => sum + ms, 0);
      const house = new FunctionHouse({
        settings: { objective: { percentile: 95, latencyMs } },
        functions: { provisioned: 100, maxConcurrency: 100 },
        setting: { batchSizeMax, waitMsMax },
        serviceMs,
        coldMs: 0,
      });
      house.clock.advance(0);
      let atMs = 0;
      const arrivals = Float64Array.from(between, (gap) => (atMs += gap));
      for (const [i, arrivesAtMs] of arrivals.entries()) house.at(arrivesAtMs, () => house.send(`${i}`));
      house.clock.advance(atMs + 1000);
      const rule =
        waitMsMax === null
          ? ({ kind: 'slack', batchSizeMax, serviceMs } as const)
          : ({ kind: 'timeout', batchSizeMax, waitMsMax } as const);
      const expected = replayBatches(arrivals, rule, latencyMs);
      assert.deepEqual(
        house.dispatches.map(({ reason, rows }) => [reason, rows]),
        expected.map(({ reason, rows }) => [reason, rows]),
      );
      for (const [i, { leftMs }] of expected.entries()) assert(Math.abs((house.dispatches[i]?.atMs ?? 0) - leftMs) < 1e-9);
    }),
    { numRuns: 300 },
  );
});

test('with a start that takes no time and service times that are known, nobody is late, whatever comes', () => {
  const arrivals = fc.array(fc.record({ gapMs: fc.constantFrom(0, 1, 5, 12, 40, 300), rows: fc.integer({ min: 1, max: 10 }) }), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 8 }), (list, batchSizeMax) => {
      const house = new FunctionHouse({
        settings: { objective: { percentile: 99, latencyMs: 50 } },
        functions: { maxConcurrency: 200, keepAliveMs: 100 },
        setting: { batchSizeMax },
        batchMax: 10,
        coldMs: 0,
      });
      let atMs = 0;
      const due = list.map(({ gapMs, rows }, i) => {
        atMs += gapMs;
        house.at(atMs, () => house.send(`${i}`, { rows }));
        return atMs + 50;
      });
      house.clock.advance(atMs + 1000);
      for (const [i, dueMs] of due.entries()) {
        assert((house.outcomes.get(`${i}`)?.atMs ?? Number.POSITIVE_INFINITY) <= dueMs + 1e-9, `request ${i}`);
      }
    }),
    { numRuns: 200 },
  );
});
