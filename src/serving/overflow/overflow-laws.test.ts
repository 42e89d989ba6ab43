/** Invariants of functions alongside instances under any sequence of events, checked by fast-check. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answered, FunctionPoolFixture } from '../../../test/function-pool-fixture.ts';
import { PlatformError } from '../../errors.ts';
import { predictCompletionMs } from '../../queueing/index.ts';
import type { Executor } from '../executor.ts';
import type { PendingRequest } from '../request.ts';

type Step =
  | { readonly kind: 'send'; readonly rows: number; readonly timeoutMs: number; readonly priority: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'cancel' | 'instance' | 'kill' | 'drain' | 'detachFunction'; readonly which: number }
  | { readonly kind: 'apply'; readonly batchSizeMax: number }
  | { readonly kind: 'toggle' }
  | { readonly kind: 'behave'; readonly as: 'well' | 'failing' | 'dying' | 'hanging' };

const which = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      rows: fc.integer({ min: 0, max: 10 }),
      timeoutMs: fc.integer({ min: 1, max: 400 }),
      priority: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 60 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('instance' as const), which }) },
  fc.record({ kind: fc.constantFrom('cancel' as const, 'kill' as const, 'drain' as const, 'detachFunction' as const), which }),
  fc.record({ kind: fc.constant('apply' as const), batchSizeMax: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant('toggle' as const) }),
  fc.record({ kind: fc.constant('behave' as const), as: fc.constantFrom('well', 'well', 'failing', 'dying', 'hanging') }),
);

const instanceMs = (rows: number): number => 12 + 2 * rows;

interface Script {
  readonly late: 'serve' | 'shed';
  readonly hasObjective: boolean;
  readonly steps: readonly Step[];
}

const script: fc.Arbitrary<Script> = fc.record({
  late: fc.constantFrom('serve' as const, 'shed' as const),
  hasObjective: fc.boolean(),
  steps: fc.array(step, { maxLength: 60 }),
});

const instancesOf = (fixture: FunctionPoolFixture): Executor[] => fixture.pool.executors.filter(({ isFunction }) => !isFunction);

/** Predicted time at which instances alone would answer the next request. */
function predictedMs(fixture: FunctionPoolFixture, rows: number, deadlineMs: number, waiting: readonly PendingRequest[]): number {
  const nowMs = fixture.clock.nowMs();
  const active = instancesOf(fixture).filter((executor) => !executor.isDraining && !executor.isStuck(nowMs));
  const ahead = waiting.filter((other) => other.overflow === null && other.deadlineMs <= deadlineMs);
  const rowsAhead = ahead.reduce((sum, other) => sum + other.rows, 0);
  const servers = active.map((executor) => executor.asServer(nowMs));
  return nowMs + predictCompletionMs(servers, rowsAhead + rows - 1);
}

function play({ late, hasObjective, steps }: Script) {
  const objective = hasObjective ? { percentile: 95, latencyMs: 90 } : null;
  const fixture = new FunctionPoolFixture({
    settings: { late, objective, timeoutMs: 400, queueRowsMax: 60 },
    functions: { maxConcurrency: 3, keepAliveMs: 200 },
    instances: { serviceMs: instanceMs },
    coldMs: 30,
  });
  const sent = new Map<string, PendingRequest>();
  const cancelled = new Set<string>();
  let attached = 0;
  const pick = <T>(from: readonly T[], one: number): T | undefined => from[one % Math.max(from.length, 1)];
  for (const [i, action] of steps.entries()) {
    const id = `r${i}`;
    switch (action.kind) {
      case 'send': {
        const waiting = [...sent.values()].filter(({ state }) => state === 'waiting');
        const idle = instancesOf(fixture).some(({ isBusy, isDraining }) => !isBusy && !isDraining);
        const sentMs = fixture.clock.nowMs();
        const request = fixture.send(id, action);
        sent.set(id, request);
        if (request.overflow !== 'predicted') break;
        assert(!idle, 'an idle instance takes a request at once');
        const marginMs = objective === null ? 0 : 8;
        const promisedAtMs = Math.min(sentMs + (objective?.latencyMs ?? 400) - marginMs, sentMs + action.timeoutMs);
        const byInstanceMs = predictedMs(fixture, request.rows, request.deadlineMs, waiting) + 0.5;
        assert(byInstanceMs > promisedAtMs - 1e-9, `an instance would have answered at ${byInstanceMs} of ${promisedAtMs}`);
        break;
      }
      case 'advance':
        fixture.clock.advance(action.ms);
        break;
      case 'cancel': {
        const chosen = pick([...sent], action.which);
        if (chosen !== undefined && fixture.pool.cancel(chosen[1])) cancelled.add(chosen[0]);
        break;
      }
      case 'instance':
        if (instancesOf(fixture).length < 3) fixture.instance(`w${attached++}`, instanceMs);
        break;
      case 'kill':
      case 'drain': {
        const chosen = pick(instancesOf(fixture), action.which)?.worker.id;
        if (chosen !== undefined && action.kind === 'kill') fixture.killInstance(chosen);
        else if (chosen !== undefined) void fixture.pool.drain(chosen);
        break;
      }
      case 'detachFunction': {
        const chosen = pick([...fixture.alive], action.which);
        if (chosen !== undefined) fixture.pool.detach(chosen);
        break;
      }
      case 'apply':
        if (fixture.pool.functions !== null) fixture.apply(action);
        break;
      case 'toggle':
        fixture.pool.configure(
          fixture.pool.functions === null ? fixture.settings() : { ...fixture.settings(), functions: null, isHybrid: false },
        );
        break;
      case 'behave':
        fixture.answer = (requests) => {
          if (action.as === 'hanging') return null;
          if (action.as === 'dying') return { kind: 'gone', why: 'SIGKILL' };
          if (action.as === 'failing') return { kind: 'failed', error: new PlatformError('model_failed', 'no') };
          return answered(requests);
        };
    }
    checkIdle(fixture, [...sent.values()]);
  }
  return { house: fixture, sent, cancelled };
}

/** Asserts that no request waits while an instance is idle, except requests that would be late there. */
function checkIdle(fixture: FunctionPoolFixture, sent: readonly PendingRequest[]): void {
  const nowMs = fixture.clock.nowMs();
  const idle = instancesOf(fixture).find(({ isBusy, isDraining }) => !isBusy && !isDraining);
  const waiting = sent.filter(({ state }) => state === 'waiting');
  assert.equal(
    waiting.reduce((sum, { rows }) => sum + rows, 0),
    fixture.pool.rowsWaiting,
  );
  if (idle === undefined) return;
  for (const { overflow, promisedAtMs, call } of waiting) {
    assert.notEqual(overflow, null, `${call.requestId} waits for an instance while one is idle`);
    assert(nowMs + idle.serviceMs(8) + 0.5 > promisedAtMs - 8, `${call.requestId} waits for a function while an instance is idle`);
  }
}

test('each request is answered exactly once or cancelled, and no instance that would be in time idles or is skipped', () => {
  fc.assert(
    fc.property(script, (scenario) => {
      const { house: fixture, sent, cancelled } = play(scenario);
      fixture.clock.advance(2000);
      for (const id of sent.keys()) assert.equal(fixture.outcomes.has(id), !cancelled.has(id), id);
      assert.equal(fixture.pool.rowsWaiting, 0);
      assert(fixture.aliveMost <= 3, `${fixture.aliveMost} functions, at most 3 allowed`);
      fixture.pool.retire();
      for (const { worker } of instancesOf(fixture)) fixture.killInstance(worker.id);
      fixture.clock.advance(1000);
      assert.equal(fixture.alive.size, 0);
      assert(fixture.pool.isEmpty && fixture.pool.hasNoCapacity);
    }),
    { numRuns: 500 },
  );
});

test('with known service times and warm functions, no request is late under any load', () => {
  const arrivals = fc.array(fc.record({ gapMs: fc.constantFrom(0, 0, 0, 1, 5, 12, 40), rows: fc.integer({ min: 1, max: 4 }) }), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 3 }), (list, batchSizeMax, instances) => {
      const fixture = new FunctionPoolFixture({
        settings: { objective: { percentile: 99, latencyMs: 90 } },
        functions: { maxConcurrency: 200, provisioned: 100 },
        setting: { batchSizeMax },
        instances: { serviceMs: instanceMs },
        coldMs: 0,
      });
      fixture.clock.advance(0);
      for (let i = 0; i < instances; i++) fixture.instance(`w${i}`, instanceMs);
      let atMs = 0;
      const due = list.map(({ gapMs, rows }, i) => {
        atMs += gapMs;
        fixture.at(atMs, () => fixture.send(`${i}`, { rows }));
        return atMs + 90;
      });
      fixture.clock.advance(atMs + 1000);
      for (const [i, dueMs] of due.entries()) {
        const outcome = fixture.outcomes.get(`${i}`);
        assert(outcome?.ok === true && outcome.atMs <= dueMs + 1e-9, `request ${i}: ${outcome?.atMs} of ${dueMs}`);
      }
    }),
    { numRuns: 300 },
  );
});
