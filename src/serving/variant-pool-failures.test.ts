/** A pool under overload, failures, killed workers and draining. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { poolOf, timings } from '../../test/variant-pool-fixture.ts';
import { PlatformError } from '../errors.ts';
import type { PendingRequest } from './request.ts';
import type { BatchRunResult } from './runners/run-requests.ts';

describe('overload', () => {
  test('requests beyond the queue limit are rejected at once, with the time until the queue is served', () => {
    const { attach, send, outcomes } = poolOf({ queueRowsMax: 8, batchSizeMax: 8 });
    attach('w1');
    for (let i = 0; i < 17; i++) send(`r${i}`); // one runs, eight are sent ahead, and eight wait
    send('refused');
    const outcome = outcomes.get('refused');
    assert(outcome !== undefined && !outcome.ok);
    assert.equal(outcome.error.code, 'overloaded');
    assert.equal(outcome.error.retryAfterMs, 18); // time to serve 8 rows, at 8 rows in 18 ms
  });

  test('`shed` rejects on arrival requests that cannot be answered within the objective, `serve` queues them', () => {
    for (const late of ['shed', 'serve'] as const) {
      const { attach, send, codeOf } = poolOf({ late, batchSizeMax: 1, objective: { percentile: 95, latencyMs: 50 } });
      attach('w1');
      for (let i = 0; i < 5; i++) send(`r${i}`);
      // Each run takes 11 ms: four fit into 50 ms minus the margin, ending at 11, 22, 33 and 44.
      assert.deepEqual(
        [0, 1, 2, 3, 4].map((i) => codeOf(`r${i}`)),
        [undefined, undefined, undefined, undefined, late === 'shed' ? 'overloaded' : undefined],
      );
    }
  });
});

test('`shed` never rejects a request while an instance is idle, so the recovery of a slow instance is noticed', () => {
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

test('late requests run in larger batches than those that can be in time, if others wait hardly longer for that', () => {
  // B = 1 is the only size with 2*s(1)+d <= 23: 11 ms per row. A batch of eight takes 18 ms.
  const { clock, attach, send, batches } = poolOf({ objective: { percentile: 95, latencyMs: 23 } });
  attach('w1');
  for (const id of ['a', 'b', 'c']) send(id);
  clock.advance(200);
  assert.deepEqual(batches, [['a'], ['b'], ['c']]);
  for (let i = 0; i < 6; i++) send(`r${i}`);
  clock.advance(200);
  assert(
    batches.slice(3).some((batch) => batch.length === 2),
    JSON.stringify(batches),
  );
});

describe('failures', () => {
  test('a failed batch is bisected: the faulty request fails alone', () => {
    const { clock, attach, send, batches, codeOf } = poolOf();
    const poisoned = (requests: readonly PendingRequest[]): BatchRunResult =>
      requests.some(({ call }) => call.requestId === 'bad')
        ? { kind: 'failed', error: new PlatformError('invalid_request', 'index out of range') }
        : { kind: 'done', outputs: requests.map(() => []), timings };
    attach('w1', poisoned);
    for (const id of ['first', 'a', 'b', 'bad', 'c']) send(id);
    clock.advance(500);
    assert.deepEqual(batches, [['first'], ['a', 'b', 'bad', 'c'], ['a', 'b'], ['bad', 'c'], ['bad'], ['c']]);
    assert.deepEqual(['first', 'a', 'b', 'bad', 'c'].map(codeOf), ['ok', 'ok', 'ok', 'invalid_request', 'ok']);
  });

  test('requests of a crashed worker rerun once, each alone; a request that crashes two workers fails; both numbers are reported', () => {
    const { clock, attach, send, codeOf, batches, losses } = poolOf();
    const deadly = (requests: readonly PendingRequest[]): BatchRunResult =>
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

test('requests that time out in a hung run count as failed once its worker ends; cancelled ones do not', () => {
  const { clock, pool, send, codeOf, losses } = poolOf({ timeoutMs: 1000 });
  let end: (answer: BatchRunResult) => void = () => assert.fail('nothing runs');
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

describe('workers killed together', () => {
  const dies = (): BatchRunResult => ({ kind: 'gone', why: 'SIGKILL' });

  test('fail no request: it runs a third time if its second worker was not seen alive after the first crash', () => {
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

  test('fail no request if they exited before starting it, no matter how many', () => {
    const { clock, attach, send, codeOf } = poolOf();
    const died: BatchRunResult = { kind: 'gone', why: 'SIGKILL', neverStarted: true };
    attach('w1', dies);
    for (const id of ['w2', 'w3', 'w4', 'w5']) attach(id, () => died);
    clock.advance(1);
    send('a');
    clock.advance(100);
    attach('w1');
    clock.advance(50);
    assert.equal(codeOf('a'), 'ok');
  });

  test('fail a request that kills them one by one, at the third', () => {
    const { clock, attach, send, codeOf, batches } = poolOf();
    for (const id of ['w1', 'w2', 'w3', 'w4']) attach(id, dies);
    clock.advance(1);
    send('bad');
    clock.advance(100);
    assert.deepEqual([batches.length, codeOf('bad')], [3, 'model_failed']);
  });
});

describe('draining', () => {
  test('a draining worker takes no new request while another exists, and is drained when its batch is answered', async () => {
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

  test('the last worker serves the queue before it is drained', async () => {
    const { clock, pool, attach, send, codeOf } = poolOf({ batchSizeMax: 1 });
    attach('only');
    for (const id of ['a', 'b', 'c']) send(id);
    const draining = pool.drain('only');
    clock.advance(100);
    await draining;
    assert.deepEqual(['a', 'b', 'c'].map(codeOf), ['ok', 'ok', 'ok']);
  });
});

test('under any sequence of events, each request is answered exactly once or cancelled', () => {
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
