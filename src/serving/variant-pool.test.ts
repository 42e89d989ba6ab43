import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { poolOf, type ServiceMs } from '../../test/variant-pool-fixture.ts';

describe('rule 1: an idle instance takes requests at once', () => {
  test('a request to an idle instance is dispatched at once, alone; later ones are dispatched together when it is done', () => {
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

  test('without measurements every request runs alone', () => {
    const { clock, attach, send, batches } = poolOf({ batchSizeMax: 0 });
    attach('w1');
    for (const id of ['a', 'b', 'c']) send(id);
    clock.advance(100);
    assert.deepEqual(batches, [['a'], ['b'], ['c']]);
  });

  test('a request with more rows than B runs alone', () => {
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

  test('a request without rows is answered like any other', () => {
    const { clock, attach, send, codeOf } = poolOf();
    attach('w1');
    send('a', { rows: 0 });
    clock.advance(20);
    assert.equal(codeOf('a'), 'ok');
  });

  test('requests wait for an instance in the order of their deadlines', () => {
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

describe('a full waiting batch', () => {
  const names = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `r${from + i}`);

  test('is sent ahead, so the executor does not wait for the gateway; a second one is not', () => {
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

  test('counts as started when the previous batch ended: service times and receipts include no wait', () => {
    const { clock, attach, send, outcomes } = poolOf();
    attach('w1');
    for (const id of names(0, 9)) send(id);
    clock.advance(100);
    const outcome = outcomes.get('r8');
    assert(outcome?.ok === true);
    assert.deepEqual([outcome.result.timings.queueMs, outcome.result.timings.serviceMs], [11, 18]);
  });

  test('is not sent ahead close to a timeout or while an executor is idle', () => {
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

describe('a full waiting batch behind a run of more than 20 ms', () => {
  test('is sent just before the run ends', () => {
    const { clock, attach, send, batches } = poolOf({ serviceMs: (rows) => 30 + rows });
    attach('w1');
    for (let i = 0; i < 9; i++) send(`r${i}`);
    clock.advance(28);
    assert.equal(batches.length, 1, 'until then a more urgent request may take its place');
    clock.advance(2);
    assert.deepEqual(batches[1]?.length, 8);
  });

  test('waits for the end of one of more than 100 ms, which it can be rescued from while the run hangs', () => {
    const { clock, attach, send, batches } = poolOf({ serviceMs: (rows) => 110 + rows });
    attach('w1');
    for (let i = 0; i < 9; i++) send(`r${i}`);
    clock.advance(110.5);
    assert.equal(batches.length, 1);
    clock.advance(1);
    assert.equal(batches.length, 2);
  });
});

describe('a batch that would gain little from more rows', () => {
  /** A row in a batch of eight takes nine tenths of the time of a row alone. */
  const serviceMs: ServiceMs = (rows) => 1 + 9 * rows;

  test('is sent ahead before it is full, so the executor continues without a pause', () => {
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

  test('is not sent behind a hung run while another executor is healthy', () => {
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

  test('is held if batching saves much, or if the current batch is long', () => {
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
  test('a request whose timeout passes in the queue is answered with deadline_exceeded and never run', () => {
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

  test('a request whose client disconnected is never run and never answered', () => {
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

  test('a worker is restarted if its run exceeds the timeout', () => {
    const { clock, attach, send, restarts, codeOf } = poolOf({ timeoutMs: 1000 });
    attach('w1', () => null);
    send('a');
    clock.advance(1001);
    assert.deepEqual(restarts, ['w1']);
    assert.equal(codeOf('a'), 'deadline_exceeded');
  });
});
