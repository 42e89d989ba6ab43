/** Invariants of functions under any sequence of events, checked by fast-check. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answered, FunctionPoolFixture } from '../../../test/function-pool-fixture.ts';
import { PlatformError } from '../../errors.ts';
import type { Objective } from '../../objective.ts';
import { replayBatches } from '../../queueing/index.ts';
import type { PendingRequest } from '../request.ts';

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
  fixture: FunctionPoolFixture;
  sent: Map<string, PendingRequest>;
  cancelled: Set<string>;
  maxSeen: number;
} {
  const fixture = new FunctionPoolFixture({
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
        sent.set(`r${i}`, fixture.send(`r${i}`, action));
        break;
      case 'advance':
        if (failsStarts)
          for (const id of fixture.alive)
            if (fixture.functions.executors.every(({ worker }) => worker.id !== id)) fixture.pool.failed(id, 'no');
        fixture.clock.advance(action.ms);
        break;
      case 'cancel': {
        const chosen = pick([...sent], action.which);
        if (chosen !== undefined && fixture.pool.cancel(chosen[1])) cancelled.add(chosen[0]);
        break;
      }
      case 'apply':
        fixture.apply(action);
        break;
      case 'behave':
        fixture.takesMs = action.as === 'slowly' ? () => 150 : (rows) => 10 + rows;
        fixture.answer = (requests) => {
          if (action.as === 'hanging') return null;
          if (action.as === 'dying') return { kind: 'gone', why: 'SIGKILL' };
          if (action.as === 'failing') return { kind: 'failed', error: new PlatformError('model_failed', 'no') };
          return answered(requests);
        };
        break;
      case 'start':
        failsStarts = action.as === 'failing';
        fixture.refuses = action.as === 'refused' ? new Error('no room') : null;
        break;
      case 'configure':
        maxSeen = Math.max(maxSeen, action.maxConcurrency);
        fixture.pool.configure(
          fixture.settings({ maxConcurrency: action.maxConcurrency, provisioned: Math.min(action.provisioned, action.maxConcurrency) }),
        );
        break;
      case 'drain':
      case 'detach': {
        const id = pick([...fixture.alive], action.which);
        if (id !== undefined && action.kind === 'drain') void fixture.pool.drain(id);
        else if (id !== undefined) fixture.pool.detach(id);
      }
    }
    const { starting, idle, busy } = fixture.functions.view().environments;
    assert.equal(starting + idle + busy, fixture.alive.size, 'environments that were started and not ended exist');
    assert(fixture.functions.marginMs >= 0);
    if (idle > 0) assert.equal(overdueOf(fixture), 0, 'no due request waits while a function is idle');
  }
  return { fixture, sent, cancelled, maxSeen };
}

/** Number of overdue requests. */
function overdueOf(fixture: FunctionPoolFixture): number {
  return [...fixture.functions.waiting()].filter(({ dueReason }) => dueReason !== null).length;
}

test('each request is answered exactly once or cancelled, the concurrency limit holds, and nothing remains at the end', () => {
  fc.assert(
    fc.property(script, (scenario) => {
      const { fixture, sent, cancelled, maxSeen } = play(scenario);
      fixture.clock.advance(2000);
      for (const id of sent.keys()) assert.equal(fixture.outcomes.has(id), !cancelled.has(id), id);
      assert.equal(fixture.pool.rowsWaiting, 0);
      assert(fixture.aliveMost <= maxSeen, `${fixture.aliveMost} functions, at most ${maxSeen} allowed`);
      fixture.pool.retire();
      fixture.refuses = null;
      fixture.clock.advance(1000);
      assert.deepEqual([fixture.alive.size, fixture.provisioned.size], [0, 0]);
      assert(fixture.pool.isEmpty && fixture.pool.hasNoCapacity);
    }),
    { numRuns: 400 },
  );
});

test('with enough functions, batches are dispatched exactly as a replay of the arrivals predicts', () => {
  const gaps = fc.array(fc.constantFrom(0, 0.25, 1, 3, 7, 20, 60, 200), { minLength: 1, maxLength: 60 });
  const policies = fc.oneof(
    fc.record({ batchSizeMax: fc.integer({ min: 2, max: 8 }), waitMsMax: fc.constant(null) }),
    fc.record({ batchSizeMax: fc.integer({ min: 2, max: 8 }), waitMsMax: fc.constantFrom(1, 5, 30, 100) }),
  );
  const services = fc.array(fc.constantFrom(0.5, 1, 3, 8), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(gaps, policies, services, fc.constantFrom(20, 60, 100), (between, { batchSizeMax, waitMsMax }, increments, latencyMs) => {
      const serviceMs = (rows: number): number => increments.slice(0, rows).reduce((sum, ms) => sum + ms, 0);
      const fixture = new FunctionPoolFixture({
        settings: { objective: { percentile: 95, latencyMs } },
        functions: { provisioned: 100, maxConcurrency: 100 },
        setting: { batchSizeMax, waitMsMax },
        serviceMs,
        coldMs: 0,
      });
      fixture.clock.advance(0);
      let atMs = 0;
      const arrivals = Float64Array.from(between, (gap) => (atMs += gap));
      for (const [i, arrivesAtMs] of arrivals.entries()) fixture.at(arrivesAtMs, () => fixture.send(`${i}`));
      fixture.clock.advance(atMs + 1000);
      const rule =
        waitMsMax === null
          ? ({ kind: 'slack', batchSizeMax, serviceMs } as const)
          : ({ kind: 'timeout', batchSizeMax, waitMsMax } as const);
      const expected = replayBatches(arrivals, rule, latencyMs);
      assert.deepEqual(
        fixture.dispatches.map(({ reason, rows }) => [reason, rows]),
        expected.map(({ reason, rows }) => [reason, rows]),
      );
      for (const [i, { dispatchedMs }] of expected.entries()) assert(Math.abs((fixture.dispatches[i]?.atMs ?? 0) - dispatchedMs) < 1e-9);
    }),
    { numRuns: 300 },
  );
});

test('with instant starts and known service times, no request is late under any load', () => {
  const arrivals = fc.array(fc.record({ gapMs: fc.constantFrom(0, 1, 5, 12, 40, 300), rows: fc.integer({ min: 1, max: 10 }) }), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 8 }), (list, batchSizeMax) => {
      const fixture = new FunctionPoolFixture({
        settings: { objective: { percentile: 99, latencyMs: 50 } },
        functions: { maxConcurrency: 200, keepAliveMs: 100 },
        setting: { batchSizeMax },
        batchMax: 10,
        coldMs: 0,
      });
      let atMs = 0;
      const due = list.map(({ gapMs, rows }, i) => {
        atMs += gapMs;
        fixture.at(atMs, () => fixture.send(`${i}`, { rows }));
        return atMs + 50;
      });
      fixture.clock.advance(atMs + 1000);
      for (const [i, dueMs] of due.entries()) {
        assert((fixture.outcomes.get(`${i}`)?.atMs ?? Number.POSITIVE_INFINITY) <= dueMs + 1e-9, `request ${i}`);
      }
    }),
    { numRuns: 200 },
  );
});
