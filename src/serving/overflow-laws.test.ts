/** What must hold for functions beside instances whatever happens: fast-check looks for the counterexample. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answered, FunctionHouse } from '../../test/function-house.ts';
import { PlatformError } from '../errors.ts';
import { predictCompletionMs } from '../queueing/index.ts';
import type { Executor } from './executor.ts';
import type { PendingRequest } from './request.ts';

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

const instancesOf = (house: FunctionHouse): Executor[] => house.pool.executors.filter(({ isFunction }) => !isFunction);

/** When instances alone would have answered the request that is about to come. */
function predictedMs(house: FunctionHouse, rows: number, deadlineMs: number, waiting: readonly PendingRequest[]): number {
  const nowMs = house.clock.nowMs();
  const active = instancesOf(house).filter((executor) => !executor.isDraining && !executor.isStuck(nowMs));
  const ahead = waiting.filter((other) => other.overflow === null && other.deadlineMs <= deadlineMs);
  const rowsAhead = ahead.reduce((sum, other) => sum + other.rows, 0);
  const servers = active.map((executor) => executor.asServer(nowMs));
  return nowMs + predictCompletionMs(servers, rowsAhead + rows - 1);
}

function play({ late, hasObjective, steps }: Script) {
  const objective = hasObjective ? { percentile: 95, latencyMs: 90 } : null;
  const house = new FunctionHouse({
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
        const idle = instancesOf(house).some(({ isBusy, isDraining }) => !isBusy && !isDraining);
        const sentMs = house.clock.nowMs();
        const request = house.send(id, action);
        sent.set(id, request);
        if (request.overflow !== 'predicted') break;
        assert(!idle, 'an idle instance takes a request at once');
        const marginMs = objective === null ? 0 : 8;
        const promisedAtMs = Math.min(sentMs + (objective?.latencyMs ?? 400) - marginMs, sentMs + action.timeoutMs);
        const byInstanceMs = predictedMs(house, request.rows, request.deadlineMs, waiting) + 0.5;
        assert(byInstanceMs > promisedAtMs - 1e-9, `an instance would have answered at ${byInstanceMs} of ${promisedAtMs}`);
        break;
      }
      case 'advance':
        house.clock.advance(action.ms);
        break;
      case 'cancel': {
        const chosen = pick([...sent], action.which);
        if (chosen !== undefined && house.pool.cancel(chosen[1])) cancelled.add(chosen[0]);
        break;
      }
      case 'instance':
        if (instancesOf(house).length < 3) house.instance(`w${attached++}`, instanceMs);
        break;
      case 'kill':
      case 'drain': {
        const chosen = pick(instancesOf(house), action.which)?.worker.id;
        if (chosen !== undefined && action.kind === 'kill') house.killInstance(chosen);
        else if (chosen !== undefined) void house.pool.drain(chosen);
        break;
      }
      case 'detachFunction': {
        const chosen = pick([...house.alive], action.which);
        if (chosen !== undefined) house.pool.detach(chosen);
        break;
      }
      case 'apply':
        if (house.pool.functions !== null) house.apply(action);
        break;
      case 'toggle':
        house.pool.configure(house.pool.functions === null ? house.settings() : { ...house.settings(), functions: null, isHybrid: false });
        break;
      case 'behave':
        house.answer = (requests) => {
          if (action.as === 'hanging') return null;
          if (action.as === 'dying') return { kind: 'gone', why: 'SIGKILL' };
          if (action.as === 'failing') return { kind: 'failed', error: new PlatformError('model_failed', 'no') };
          return answered(requests);
        };
    }
    checkIdle(house, [...sent.values()]);
  }
  return { house, sent, cancelled };
}

/** Beside an instance that is idle nobody waits, but for those who would come too late there. */
function checkIdle(house: FunctionHouse, sent: readonly PendingRequest[]): void {
  const nowMs = house.clock.nowMs();
  const idle = instancesOf(house).find(({ isBusy, isDraining }) => !isBusy && !isDraining);
  const waiting = sent.filter(({ state }) => state === 'waiting');
  assert.equal(
    waiting.reduce((sum, { rows }) => sum + rows, 0),
    house.pool.rowsWaiting,
  );
  if (idle === undefined) return;
  for (const { overflow, promisedAtMs, call } of waiting) {
    assert.notEqual(overflow, null, `${call.requestId} waits for an instance while one is idle`);
    assert(nowMs + idle.serviceMs(8) + 0.5 > promisedAtMs - 8, `${call.requestId} waits for a function while an instance is idle`);
  }
}

test('every request is answered exactly once or was cancelled, no instance is idle while somebody waits, none is passed over that would be in time', () => {
  fc.assert(
    fc.property(script, (scenario) => {
      const { house, sent, cancelled } = play(scenario);
      house.clock.advance(2000);
      for (const id of sent.keys()) assert.equal(house.outcomes.has(id), !cancelled.has(id), id);
      assert.equal(house.pool.rowsWaiting, 0);
      assert(house.aliveMost <= 3, `${house.aliveMost} functions, 3 may be`);
      house.pool.retire();
      for (const { worker } of instancesOf(house)) house.killInstance(worker.id);
      house.clock.advance(1000);
      assert.equal(house.alive.size, 0);
      assert(house.pool.isEmpty && house.pool.isDeserted);
    }),
    { numRuns: 500 },
  );
});

test('with service times that are known and functions that are warm nobody is late, whatever comes', () => {
  const arrivals = fc.array(fc.record({ gapMs: fc.constantFrom(0, 0, 0, 1, 5, 12, 40), rows: fc.integer({ min: 1, max: 4 }) }), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 3 }), (list, batchSizeMax, instances) => {
      const house = new FunctionHouse({
        settings: { objective: { percentile: 99, latencyMs: 90 } },
        functions: { maxConcurrency: 200, provisioned: 100 },
        setting: { batchSizeMax },
        instances: { serviceMs: instanceMs },
        coldMs: 0,
      });
      house.clock.advance(0);
      for (let i = 0; i < instances; i++) house.instance(`w${i}`, instanceMs);
      let atMs = 0;
      const due = list.map(({ gapMs, rows }, i) => {
        atMs += gapMs;
        house.at(atMs, () => house.send(`${i}`, { rows }));
        return atMs + 90;
      });
      house.clock.advance(atMs + 1000);
      for (const [i, dueMs] of due.entries()) {
        const outcome = house.outcomes.get(`${i}`);
        assert(outcome?.ok === true && outcome.atMs <= dueMs + 1e-9, `request ${i}: ${outcome?.atMs} of ${dueMs}`);
      }
    }),
    { numRuns: 300 },
  );
});
