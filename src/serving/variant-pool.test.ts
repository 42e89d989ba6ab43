import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { type Profile, ServiceTable } from '../profiling/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { Outcome, PendingRequest } from './request.ts';
import type { RunAnswer, RunRequests } from './run-requests.ts';
import type { PoolSettings } from './side.ts';
import { VariantPool } from './variant-pool.ts';

const settings: PoolSettings = { objective: null, late: 'serve', timeoutMs: 60_000, queueRowsMax: 1000, functions: null };
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;
const model = { name: 'm/1', group: 'm', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } } as unknown as ModelVersion;
const timings = { inMs: 0, runMs: 1, outMs: 0 };

type ServiceMs = (rows: number) => number;

/** A pool on a clock that stands still, with workers that take 10 ms + 1 ms a row unless said otherwise, however often they are asked. */
function poolOf({
  serviceMs = (rows) => 10 + rows,
  ...options
}: Partial<PoolSettings> & { batchSizeMax?: number; serviceMs?: ServiceMs } = {}) {
  const clock = new VirtualClock();
  const profile: Profile = {
    executor: 'instance:local.1',
    service: [1, 4, 8]
      .filter((b) => b <= (options.batchSizeMax ?? 8))
      .map((b) => ({ b, ms: serviceMs(b) }))
      .map(({ b, ms }) => ({ b, p50Ms: ms, p95Ms: ms, p99Ms: ms, samples: Array.from({ length: 200 }, () => ms), rssMiB: 0 })),
    measuredAtMs: 0,
    loadMs: 0,
    batchMax: options.batchSizeMax ?? 8,
    notes: [],
  };
  const table = new ServiceTable(profile);
  const dispatches: { reason: string; rows: number }[] = [];
  const restarts: string[] = [];
  const losses: [worker: string, runAgain: number, failed: number][] = [];
  const pool = new VariantPool(
    { endpoint: 'e', variant: 'AllTraffic', model },
    { ...settings, ...options },
    {
      clock,
      serviceTable: () => table,
      onDispatch: (reason, rows) => dispatches.push({ reason, rows }),
      restart: (id) => restarts.push(id),
      onLost: (id, { runAgain, failed }) => losses.push([id, runAgain, failed]),
    },
  );
  return { clock, pool, dispatches, restarts, losses, ...workers(clock, pool, serviceMs) };
}

function workers(clock: VirtualClock, pool: VariantPool, serviceMs: ServiceMs) {
  const batches: string[][] = [];
  const answerAll = (requests: readonly PendingRequest[]): RunAnswer => ({ kind: 'done', outputs: requests.map(() => []), timings });
  const attach = (id: string, answer: (requests: readonly PendingRequest[]) => RunAnswer | null = answerAll): void => {
    let freeAtMs = 0;
    const run: RunRequests = (requests, done) => {
      batches.push(requests.map(({ call }) => call.requestId));
      const outcome = answer(requests);
      // One after the other, as a worker does.
      freeAtMs = Math.max(freeAtMs, clock.nowMs()) + serviceMs(requests.reduce((sum, { rows }) => sum + rows, 0));
      if (outcome !== null) clock.after(freeAtMs - clock.nowMs(), () => done(outcome));
    };
    pool.attach({ id, instanceType: 'local.1', coldStartMs: 0, charge: (ms) => ms / 1000, run });
  };
  const outcomes = new Map<string, Outcome>();
  const send = (requestId: string, call: { rows?: number; timeoutMs?: number; priority?: number } = {}): PendingRequest =>
    pool.submit({ requestId, inputs: [], rows: 1, arrivedAtMs: clock.nowMs(), ...call }, (outcome) => {
      assert(!outcomes.has(requestId), 'answered once');
      outcomes.set(requestId, outcome);
    });
  const codeOf = (requestId: string): string | undefined => {
    const outcome = outcomes.get(requestId);
    return outcome === undefined ? undefined : outcome.ok ? 'ok' : outcome.error.code;
  };
  return { batches, attach, outcomes, send, codeOf };
}

describe('rule 1: an idle instance works', () => {
  test('a request to an idle instance leaves at once, alone; those who come meanwhile leave together when it is done', () => {
    const { clock, attach, send, batches, dispatches } = poolOf();
    attach('w1');
    for (const id of ['a', 'b', 'c']) send(id);
    assert.deepEqual(batches, [['a']]);
    clock.advance(11);
    assert.deepEqual(batches, [['a'], ['b', 'c']]);
    assert.deepEqual(dispatches, [
      { reason: 'idle', rows: 1 },
      { reason: 'idle', rows: 2 },
    ]);
  });

  test('while nothing is measured every request rides alone', () => {
    const { clock, attach, send, batches } = poolOf({ batchSizeMax: 0 });
    attach('w1');
    for (const id of ['a', 'b', 'c']) send(id);
    clock.advance(100);
    assert.deepEqual(batches, [['a'], ['b'], ['c']]);
  });

  test('a request of more rows than B leaves alone', () => {
    const { clock, attach, send, batches } = poolOf({ batchSizeMax: 4 });
    attach('w1');
    for (const [id, rows] of [
      ['a', 1],
      ['b', 9],
      ['c', 1],
    ] as const)
      send(id, { rows });
    clock.advance(100);
    assert.deepEqual(batches, [['a'], ['b'], ['c']]);
  });

  test('a request of no rows is answered like any other', () => {
    const { clock, attach, send, codeOf } = poolOf();
    attach('w1');
    send('a', { rows: 0 });
    clock.advance(20);
    assert.equal(codeOf('a'), 'ok');
  });

  test('requests wait for an instance to come, in the order of their deadlines', () => {
    const { clock, attach, send, batches } = poolOf({ batchSizeMax: 1 });
    send('late', { timeoutMs: 900 });
    send('soon', { timeoutMs: 500 });
    send('first', { priority: 1 });
    send('last', { timeoutMs: 900, priority: 11 });
    attach('w1');
    clock.advance(200);
    assert.deepEqual(batches, [['soon'], ['late'], ['last'], ['first']]);
  });
});

describe('a full batch that waits', () => {
  const names = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `r${from + i}`);

  test('is sent ahead, so that the executor need not wait for us; a second one is not', () => {
    const { clock, attach, send, batches, dispatches, codeOf } = poolOf();
    attach('w1');
    for (const id of names(0, 20)) send(id);
    assert.deepEqual(batches, [names(0, 1), names(1, 9)]);
    assert.deepEqual(dispatches[1], { reason: 'full', rows: 8 });
    clock.advance(11);
    assert.deepEqual(batches[2], names(9, 17));
    clock.advance(100);
    assert.deepEqual(batches[3], names(17, 20));
    assert(names(0, 20).every((id) => codeOf(id) === 'ok'));
  });

  test('counts as begun when the one before it ended: service times and receipts hold no wait', () => {
    const { clock, attach, send, outcomes } = poolOf();
    attach('w1');
    for (const id of names(0, 9)) send(id);
    clock.advance(100);
    const outcome = outcomes.get('r8');
    assert(outcome?.ok === true);
    assert.deepEqual([outcome.result.timings.queueMs, outcome.result.timings.serviceMs], [11, 18]);
  });

  test('stays where a timeout is near, and goes to an idle executor rather than ahead', () => {
    const near = poolOf();
    near.attach('w1');
    for (const id of names(0, 9)) near.send(id, { timeoutMs: 10_000 });
    assert.deepEqual(near.batches, [names(0, 1)]);
    const two = poolOf({ batchSizeMax: 1 });
    for (const id of ['w1', 'w2']) two.attach(id);
    for (const id of ['a', 'b']) two.send(id);
    assert.deepEqual(two.dispatches, [
      { reason: 'idle', rows: 1 },
      { reason: 'idle', rows: 1 },
    ]);
  });
});

describe('a batch that company makes hardly cheaper', () => {
  /** In a batch of eight a row takes nine tenths of what it takes alone. */
  const serviceMs: ServiceMs = (rows) => 1 + 9 * rows;

  test('is sent ahead before it is full: the executor goes from one to the next', () => {
    const { clock, attach, send, batches, dispatches, outcomes } = poolOf({ serviceMs });
    attach('w1');
    for (const id of ['a', 'b', 'c']) send(id);
    assert.deepEqual(dispatches, [
      { reason: 'idle', rows: 1 },
      { reason: 'ahead', rows: 1 },
    ]);
    clock.advance(100);
    assert.deepEqual(batches, [['a'], ['b'], ['c']]);
    const last = outcomes.get('c');
    assert(last?.ok === true);
    assert.deepEqual([last.result.closeReason, last.result.timings.queueMs], ['ahead', 20]);
  });

  test('goes to who is well, not behind a run that hangs', () => {
    const { clock, attach, send, batches, outcomes } = poolOf({ serviceMs });
    attach('hangs', () => null);
    attach('well');
    for (const id of ['a', 'b']) send(id);
    clock.advance(1000);
    for (const id of ['c', 'd']) send(id);
    clock.advance(100);
    assert.deepEqual(batches, [['a'], ['b'], ['c'], ['d']]);
    assert.deepEqual([...outcomes.keys()], ['b', 'c', 'd']);
  });

  test('waits where a row alone takes much longer, and behind a batch that takes long', () => {
    const cheaper = poolOf();
    cheaper.attach('w1');
    for (const id of ['a', 'b', 'c']) cheaper.send(id);
    assert.deepEqual(cheaper.dispatches, [{ reason: 'idle', rows: 1 }]);
    const slow = poolOf({ serviceMs: (rows) => 25 * rows });
    slow.attach('w1');
    for (const id of ['a', 'b']) slow.send(id);
    assert.deepEqual(slow.dispatches, [{ reason: 'idle', rows: 1 }]);
  });
});

describe('deadlines', () => {
  test('a request whose timeout passes while it waits is answered with deadline_exceeded and never run', () => {
    const { clock, attach, send, batches, codeOf } = poolOf();
    attach('w1');
    send('a');
    send('b', { timeoutMs: 5 });
    clock.advance(5);
    assert.equal(codeOf('b'), 'deadline_exceeded');
    clock.advance(100);
    assert.deepEqual(batches, [['a']]);
  });

  test('a request whose timeout passes while it runs is answered then, and its result dropped', () => {
    const { clock, attach, send, codeOf } = poolOf();
    attach('w1');
    send('a', { timeoutMs: 5 });
    clock.advance(6);
    assert.equal(codeOf('a'), 'deadline_exceeded');
    clock.advance(100);
    assert.equal(codeOf('a'), 'deadline_exceeded');
  });

  test('a request whose client is gone is never run and never answered', () => {
    const { clock, pool, attach, send, batches, codeOf } = poolOf();
    attach('w1');
    send('a');
    const b = send('b');
    assert.equal(pool.cancel(b), true);
    assert.equal(pool.cancel(b), false);
    clock.advance(100);
    assert.deepEqual(batches, [['a']]);
    assert.equal(codeOf('b'), undefined);
  });

  test('a run that does not end has its worker restarted after the timeout', () => {
    const { clock, attach, send, restarts, codeOf } = poolOf({ timeoutMs: 1000 });
    attach('w1', () => null);
    send('a');
    clock.advance(1001);
    assert.deepEqual(restarts, ['w1']);
    assert.equal(codeOf('a'), 'deadline_exceeded');
  });
});

describe('too much', () => {
  test('beyond the bound of the queue requests are refused at once, with the time until it is served', () => {
    const { attach, send, outcomes } = poolOf({ queueRowsMax: 8, batchSizeMax: 8 });
    attach('w1');
    for (let i = 0; i < 17; i++) send(`r${i}`); // one runs, eight are sent ahead, eight wait
    send('refused');
    const outcome = outcomes.get('refused');
    assert(outcome !== undefined && !outcome.ok);
    assert.equal(outcome.error.code, 'overloaded');
    assert.equal(outcome.error.retryAfterMs, 18); // 8 rows at 8 rows in 18 ms
  });

  test('`shed` refuses at arrival whoever cannot be answered within the objective, `serve` makes them wait', () => {
    for (const late of ['shed', 'serve'] as const) {
      const { attach, send, codeOf } = poolOf({ late, batchSizeMax: 1, objective: { percentile: 95, latencyMs: 50 } });
      attach('w1');
      for (let i = 0; i < 5; i++) send(`r${i}`);
      // One runs 11 ms; four places fit into 50 ms less the margin: 11, 22, 33, 44.
      assert.deepEqual(
        [0, 1, 2, 3, 4].map((i) => codeOf(`r${i}`)),
        [undefined, undefined, undefined, undefined, late === 'shed' ? 'overloaded' : undefined],
      );
    }
  });
});

test('`shed` refuses nobody whom an idle instance takes, so that one that was slow for a while is found quick again', () => {
  let takesMs = 2;
  const { clock, attach, send, codeOf } = poolOf({ late: 'shed', objective: { percentile: 95, latencyMs: 10 }, serviceMs: () => takesMs });
  attach('w1');
  const codes = (prefix: string, gapMs: number): (string | undefined)[] => {
    const ids = Array.from({ length: 100 }, (_, i) => `${prefix}${i}`);
    for (const id of ids) {
      send(id);
      clock.advance(gapMs);
    }
    clock.advance(1000);
    return ids.map(codeOf);
  };
  takesMs = 40;
  assert.deepEqual(new Set(codes('alone', 50)), new Set(['ok']));
  assert.deepEqual(new Set(codes('while it is busy', 20)), new Set(['ok', 'overloaded']));
  takesMs = 2;
  assert.deepEqual(new Set(codes('quick again', 50)), new Set(['ok']));
});

test('where the promise is broken for those who wait anyway, the size of best throughput is taken', () => {
  // B = 1, the only size with 2*s(1)+d <= 23: 11 ms a row. Eight together take 18.
  const { clock, attach, send, batches } = poolOf({ objective: { percentile: 95, latencyMs: 23 } });
  attach('w1');
  for (const id of ['a', 'b', 'c']) send(id);
  clock.advance(200);
  assert.deepEqual(batches, [['a'], ['b'], ['c']]);
  for (let i = 0; i < 6; i++) send(`r${i}`);
  clock.advance(200);
  assert(
    batches.slice(3).some((batch) => batch.length > 2),
    JSON.stringify(batches),
  );
});

describe('failures', () => {
  test('a failed batch is bisected: the poisonous request fails alone', () => {
    const { clock, attach, send, batches, codeOf } = poolOf();
    const poisoned = (requests: readonly PendingRequest[]): RunAnswer =>
      requests.some(({ call }) => call.requestId === 'bad')
        ? { kind: 'failed', error: new PlatformError('invalid_request', 'index out of range') }
        : { kind: 'done', outputs: requests.map(() => []), timings };
    attach('w1', poisoned);
    for (const id of ['first', 'a', 'b', 'bad', 'c']) send(id);
    clock.advance(500);
    assert.deepEqual(batches, [['first'], ['a', 'b', 'bad', 'c'], ['a', 'b'], ['bad', 'c'], ['bad'], ['c']]);
    assert.deepEqual(['first', 'a', 'b', 'bad', 'c'].map(codeOf), ['ok', 'ok', 'ok', 'invalid_request', 'ok']);
  });

  test('a worker that dies hands its requests back once, each alone; who kills two workers fails; how many is told', () => {
    const { clock, attach, send, codeOf, batches, losses } = poolOf();
    const deadly = (requests: readonly PendingRequest[]): RunAnswer =>
      requests.some(({ call }) => call.requestId === 'bad')
        ? { kind: 'gone', why: 'SIGSEGV' }
        : { kind: 'done', outputs: requests.map(() => []), timings };
    attach('w0', () => null);
    send('busy');
    for (const id of ['a', 'bad', 'b']) send(id);
    for (const id of ['w1', 'w2', 'w3']) {
      attach(id, deadly);
      clock.advance(100);
    }
    assert.deepEqual(batches, [['busy'], ['a', 'bad', 'b'], ['a'], ['bad'], ['b']]);
    assert.deepEqual(['a', 'bad', 'b'].map(codeOf), ['ok', 'model_failed', 'ok']);
    assert.deepEqual(losses, [
      ['w1', 3, 0],
      ['w2', 0, 1],
    ]);
  });
});

test('of a run that hung, those whose timeout passed in it count as failed once its worker ends; whose client left does not', () => {
  const { clock, pool, send, codeOf, losses } = poolOf({ timeoutMs: 1000 });
  let end: (answer: RunAnswer) => void = () => assert.fail('nothing runs');
  send('a');
  const left = send('left');
  send('impatient', { timeoutMs: 300 });
  pool.attach({
    id: 'w1',
    instanceType: 'local.1',
    coldStartMs: 0,
    charge: () => 0,
    run: (_requests, done) => {
      end = done;
    },
  });
  pool.cancel(left);
  clock.advance(1000);
  assert.deepEqual(['a', 'impatient'].map(codeOf), ['deadline_exceeded', 'deadline_exceeded']);
  end({ kind: 'gone', why: 'SIGKILL' });
  assert.deepEqual(losses, [['w1', 0, 2]]);
});

describe('workers that are killed together', () => {
  const dies = (): RunAnswer => ({ kind: 'gone', why: 'SIGKILL' });

  test('fail nobody: a request whose second worker had not lived since the first died rides a third time', () => {
    const { clock, attach, send, codeOf, batches } = poolOf();
    for (const id of ['w1', 'w2']) attach(id, dies);
    clock.advance(1);
    send('a');
    clock.advance(50);
    assert.deepEqual([batches, codeOf('a')], [[['a'], ['a']], undefined]);
    attach('w1');
    clock.advance(50);
    assert.equal(codeOf('a'), 'ok');
  });

  test('fail nobody, however many they are, where they had ended before they began with it', () => {
    const { clock, attach, send, codeOf } = poolOf();
    const died: RunAnswer = { kind: 'gone', why: 'SIGKILL', neverBegan: true };
    attach('w1', dies);
    for (const id of ['w2', 'w3', 'w4', 'w5']) attach(id, () => died);
    clock.advance(1);
    send('a');
    clock.advance(100);
    attach('w1');
    clock.advance(50);
    assert.equal(codeOf('a'), 'ok');
  });

  test('and one by one by the same request do fail it, at the third', () => {
    const { clock, attach, send, codeOf, batches } = poolOf();
    for (const id of ['w1', 'w2', 'w3', 'w4']) attach(id, dies);
    clock.advance(1);
    send('bad');
    clock.advance(100);
    assert.deepEqual([batches.length, codeOf('bad')], [3, 'model_failed']);
  });
});

describe('draining', () => {
  test('a draining worker takes nothing new while another is there, and is drained when its batch is answered', async () => {
    const { clock, pool, attach, send, batches } = poolOf();
    attach('old');
    send('a');
    let drained = false;
    const draining = pool.drain('old').then(() => (drained = true));
    attach('new');
    send('b');
    assert.deepEqual(batches, [['a'], ['b']]);
    clock.advance(11);
    await draining;
    assert(drained);
  });

  test('the last worker serves out the queue before it is drained', async () => {
    const { clock, pool, attach, send, codeOf } = poolOf({ batchSizeMax: 1 });
    attach('only');
    for (const id of ['a', 'b', 'c']) send(id);
    const draining = pool.drain('only');
    clock.advance(100);
    await draining;
    assert.deepEqual(['a', 'b', 'c'].map(codeOf), ['ok', 'ok', 'ok']);
  });
});

test('whatever happens, every request is answered exactly once or was cancelled', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('send' as const),
      rows: fc.integer({ min: 0, max: 10 }),
      timeoutMs: fc.integer({ min: 1, max: 100 }),
      priority: fc.integer({ min: 0, max: 3 }),
    }),
    fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(20) }),
    fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 30 }) }),
    fc.record({
      kind: fc.constant('attach' as const),
      id: fc.constantFrom('w1', 'w2'),
      behaviour: fc.constantFrom('good', 'failing', 'dying', 'hanging'),
    }),
    fc.record({ kind: fc.constant('detach' as const), id: fc.constantFrom('w1', 'w2') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (script) => {
      const { clock, pool, attach, send, outcomes } = poolOf({ timeoutMs: 200, queueRowsMax: 40 });
      const sent: { id: string; request: PendingRequest }[] = [];
      const cancelled = new Set<string>();
      for (const [i, action] of script.entries()) {
        if (action.kind === 'send') sent.push({ id: `r${i}`, request: send(`r${i}`, action) });
        else if (action.kind === 'advance') clock.advance(action.ms);
        else if (action.kind === 'detach') pool.detach(action.id);
        else if (action.kind === 'cancel' && sent.length > 0) {
          const { id, request } = sent[action.which % sent.length] as (typeof sent)[number];
          if (pool.cancel(request)) cancelled.add(id);
        } else if (action.kind === 'attach') {
          attach(action.id, (requests) => {
            if (action.behaviour === 'hanging') return null;
            if (action.behaviour === 'dying') return { kind: 'gone', why: 'SIGKILL' };
            if (action.behaviour === 'failing') return { kind: 'failed', error: new PlatformError('model_failed', 'no') };
            return { kind: 'done', outputs: requests.map(() => []), timings };
          });
        }
      }
      clock.advance(1000);
      for (const { id } of sent) assert.equal(outcomes.has(id), !cancelled.has(id), id);
      assert.equal(pool.rowsWaiting, 0);
    }),
    { numRuns: 300 },
  );
});
