import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FunctionPoolFixture, FunctionPoolFixtureOptions } from '../../../test/function-pool-fixture.ts';
import { atFunction, hybridPoolFixture, names } from '../../../test/hybrid-pool-fixture.ts';

describe('rule 1: an idle instance', () => {
  test('takes a request at once, even if functions are available', () => {
    const fixture = hybridPoolFixture();
    fixture.instance('w1');
    fixture.instance('w2');
    for (const id of ['a', 'b']) fixture.send(id);
    assert.deepEqual(new Set(fixture.runs.map(({ worker }) => worker)), new Set(['w1', 'w2']));
    assert.deepEqual(
      fixture.dispatches.map(({ reason }) => reason),
      ['idle', 'idle'],
    );
  });
});

test('functions leave the cores of instances on their machine free, and start one at a time if no core is left over', () => {
  for (const [cores, instanceType, starting] of [
    [2, 'local.1', 1],
    [1, 'local.1', 1],
    [5, 'local.1', 4],
    [5, 'local.2', 3],
    [4, 'local.4', 1], // no core is left
    [undefined, 'local.1', 7], // one request waits for the instance, which will be in time
  ] as const) {
    const fixture = hybridPoolFixture({
      functions: { provisioned: 0 },
      coldMs: 100,
      isColdMeasured: true,
      ...(cores === undefined ? {} : { cores }),
    });
    fixture.instance('w1', undefined, instanceType);
    fixture.send('x', { rows: 3 });
    fixture.clock.advance(1);
    for (const id of names(8)) fixture.send(id, { rows: 3 });
    assert.equal(fixture.functions.view().environments.starting, starting, `${instanceType} of ${cores} cores`);
  }
});

describe('rule 2: when all instances are busy', () => {
  /** Two instances with 50 and 150 ms of their 220 ms remaining, and some waiting rows. */
  function busy(waiting: number, options: FunctionPoolFixtureOptions = {}): FunctionPoolFixture {
    const fixture = hybridPoolFixture(options);
    fixture.instance('w1');
    fixture.instance('w2');
    fixture.send('x', { rows: 3 });
    fixture.clock.advance(100);
    fixture.send('y', { rows: 3 });
    fixture.clock.advance(70);
    for (const id of names(waiting)) fixture.send(id);
    return fixture;
  }

  test('a request waits if they will finish it in time: with 5 rows ahead, after 370 of 487 ms', () => {
    const fixture = busy(6);
    assert.equal(fixture.pool.rowsWaiting, 6);
    fixture.clock.advance(1000);
    assert(names(6).every((id) => !atFunction(fixture, id)));
    assert((fixture.outcomes.get('r5')?.atMs ?? 0) - fixture.clock.nowMs() + 1000 <= 487);
  });

  test('a function takes it otherwise: with 6 rows ahead, it would take 490 ms', () => {
    const fixture = busy(7);
    assert.equal(fixture.workerOf('r6')?.startsWith('f'), true);
    fixture.clock.advance(1000);
    const overflow = names(7).map((id) => {
      const outcome = fixture.outcomes.get(id);
      return outcome?.ok === true ? outcome.result.overflow : undefined;
    });
    assert.deepEqual(overflow, [null, null, null, null, null, null, 'predicted']);
  });

  test('the limit is reduced by the margin of 8 ms, or a tenth of a short objective', () => {
    const fixture = busy(7, { settings: { objective: { percentile: 99, latencyMs: 504 } } });
    assert.equal(fixture.workerOf('r6'), undefined);
  });

  test('the prediction for an urgent request counts only the rows ahead of it', () => {
    const fixture = busy(6);
    fixture.send('late');
    fixture.send('urgent', { timeoutMs: 450 });
    assert(atFunction(fixture, 'late'));
    assert.equal(fixture.workerOf('urgent'), undefined);
    fixture.clock.advance(1000);
    assert(!atFunction(fixture, 'urgent'));
  });

  test('with late: shed, a cold function gets no request that it would answer late', () => {
    const fixture = busy(6, { functions: { provisioned: 0 }, settings: { late: 'shed', objective: { percentile: 99, latencyMs: 500 } } });
    fixture.send('r6');
    assert.equal(fixture.codeOf('r6'), 'overloaded');
    assert.match(
      fixture.messageOf('r6'),
      /cannot answer within its objective of 500ms: its instances are busy, and a function would be late too/,
    );
    assert.equal(fixture.started.length, 0);
  });

  test('with late: serve, a late request goes to a function anyway', () => {
    const fixture = busy(7, { functions: { provisioned: 0 } });
    assert.equal(fixture.started.length, 1);
    assert.equal(fixture.functions.rowsWaiting, 1);
  });

  test('a request waits for a fast start, unless an instance becomes free first', () => {
    const fixture = busy(7, { functions: { provisioned: 0 }, coldMs: 300, settings: { late: 'shed' } });
    fixture.clock.advance(500);
    assert.equal(fixture.started.length, 1);
    assert.equal(fixture.workerOf('r6'), 'w1');
    assert((fixture.outcomes.get('r6')?.atMs ?? Number.POSITIVE_INFINITY) <= fixture.clock.nowMs());
  });

  test('an endpoint without an objective overflows requests that would miss their timeout', () => {
    const fixture = busy(7, { settings: { objective: null } });
    assert.equal(fixture.pool.rowsWaiting, 7);
    fixture.send('soon', { timeoutMs: 30 });
    assert(atFunction(fixture, 'soon'));
  });
});

test('the margin for waiting requests follows the prediction error, up to a fifth of the objective', () => {
  // Some runs take 60 ms longer than the median, which is used for prediction.
  const fixture = hybridPoolFixture({ settings: { objective: { percentile: 50, latencyMs: 500 } } });
  let runs = 0;
  fixture.instance('w1', (rows) => 10 + 70 * rows + (runs++ % 10 === 0 ? 60 : 0));
  const lateShare = (from: number): number => {
    const ids = names(400, `m${from}-`);
    const sentMs = ids.map((id, i) => {
      const atMs = fixture.clock.nowMs() + i * 60;
      fixture.at(atMs, () => fixture.send(id));
      return atMs;
    });
    fixture.clock.advance(400 * 60 + 5000);
    return ids.filter((id, i) => (fixture.outcomes.get(id)?.atMs ?? Number.POSITIVE_INFINITY) - (sentMs[i] as number) > 500).length / 400;
  };
  const before = lateShare(0);
  const after = lateShare(1);
  assert(before > 0 && after === 0, `${before} were late at first, ${after} then`);
});

describe('without an instance', () => {
  test('all requests go to functions', () => {
    const fixture = hybridPoolFixture();
    fixture.send('a');
    assert(atFunction(fixture, 'a'));
  });

  test('and without functions, requests wait for the first executor', () => {
    const fixture = hybridPoolFixture({ functions: { provisioned: 0 } });
    fixture.isPrompt = false;
    fixture.send('a');
    fixture.pool.failed('f0', 'no memory');
    assert.equal(fixture.pool.rowsWaiting, 1);
    fixture.isPrompt = true;
    fixture.clock.advance(5000);
    assert.equal(fixture.codeOf('a'), 'ok');
    assert(atFunction(fixture, 'a'));
  });
});

describe('batching', () => {
  function held(): FunctionPoolFixture {
    const fixture = hybridPoolFixture({ setting: { batchSizeMax: 4 } });
    fixture.instance('w1');
    fixture.send('x', { rows: 3 });
    // Two batches of three are in time, the seventh request is not.
    for (const id of names(3)) fixture.send(id);
    fixture.send('o');
    return fixture;
  }

  test('holds overflowing requests as long as their deadlines allow', () => {
    const fixture = held();
    assert.equal(fixture.workerOf('o'), undefined);
    assert.equal(fixture.functions.rowsWaiting, 1);
    fixture.clock.advance(1000);
    assert.equal(fixture.codeOf('o'), 'ok');
    assert((fixture.outcomes.get('o')?.atMs ?? 0) <= 2500);
    assert.deepEqual(fixture.functions.arrivalsMs().length, 1);
  });

  test('an instance that becomes idle with an empty queue takes a batch that is still held open', () => {
    const fixture = hybridPoolFixture({ setting: { batchSizeMax: 4 } });
    fixture.instance('slow', () => 400);
    fixture.send('x', { rows: 3 });
    for (const id of names(3)) fixture.send(id);
    fixture.send('o');
    assert.equal(fixture.functions.rowsWaiting, 1);
    fixture.instance('w2');
    assert.equal(fixture.pool.rowsWaiting, 1);
    assert.equal(fixture.functions.rowsWaiting, 1);
    fixture.clock.advance(220);
    assert.equal(fixture.workerOf('o'), 'w2');
    fixture.clock.advance(1000);
    const outcome = fixture.outcomes.get('o');
    assert(outcome?.ok === true && outcome.result.overflow === null);
  });
});

describe('rescue', () => {
  /** The instance takes four times its measured time. */
  function stalled(options: FunctionPoolFixtureOptions = {}): FunctionPoolFixture {
    const fixture = hybridPoolFixture(options);
    fixture.instance('w1', (rows) => 4 * (10 + 70 * rows));
    fixture.send('x', { rows: 3 });
    fixture.send('a');
    return fixture;
  }

  test('moves requests that wait for an instance to a function when only a function can be in time', () => {
    const fixture = stalled();
    assert.equal(fixture.workerOf('a'), undefined);
    fixture.clock.advance(500);
    assert.equal(fixture.codeOf('a'), 'ok');
    assert(atFunction(fixture, 'a'));
    assert.equal(fixture.dispatches.at(-1)?.reason, 'rescue');
    const outcome = fixture.outcomes.get('a');
    assert(outcome?.ok === true && outcome.result.overflow === 'rescue');
  });

  test('can be disabled', () => {
    const fixture = stalled({ overflow: { rescue: false } });
    fixture.clock.advance(2000);
    assert.equal(fixture.workerOf('a'), 'w1');
  });

  test('does not move requests that will be in time', () => {
    const fixture = hybridPoolFixture();
    fixture.instance('w1');
    fixture.send('x', { rows: 3 });
    for (const id of names(3)) fixture.send(id);
    fixture.clock.advance(1000);
    assert(names(3).every((id) => fixture.workerOf(id) === 'w1'));
  });
});

describe('when capacity is lost', () => {
  function queued(): FunctionPoolFixture {
    const fixture = hybridPoolFixture();
    fixture.instance('w1');
    fixture.instance('w2');
    for (const id of ['x', 'y']) fixture.send(id, { rows: 3 });
    for (const id of names(6)) fixture.send(id);
    assert.equal(fixture.pool.rowsWaiting, 6);
    return fixture;
  }

  for (const how of ['crash', 'drain'] as const) {
    test(`requests that would now be late move to functions, from the head of the queue (${how})`, () => {
      const fixture = queued();
      if (how === 'crash') fixture.pool.detach('w2');
      else void fixture.pool.drain('w2');
      const over = names(6).filter((id) => atFunction(fixture, id));
      assert.deepEqual(over, ['r3', 'r4', 'r5']);
      fixture.clock.advance(1000);
      assert.deepEqual(
        names(6).map((id) => fixture.codeOf(id)),
        names(6).map(() => 'ok'),
      );
    });
  }

  test('the last instance drains: it serves requests that are in time, and new requests overflow', async () => {
    const fixture = hybridPoolFixture();
    fixture.instance('w1');
    fixture.send('x', { rows: 3 });
    for (const id of names(3)) fixture.send(id);
    const drained = fixture.pool.drain('w1');
    fixture.send('new');
    assert(atFunction(fixture, 'new'));
    fixture.clock.advance(1000);
    await drained;
    assert(names(3).every((id) => fixture.workerOf(id) === 'w1'));
  });

  test('a request whose instance crashed is routed again', () => {
    const fixture = hybridPoolFixture();
    fixture.answer = () => null;
    fixture.instance('w1');
    fixture.send('a');
    fixture.answer = (requests) => ({ kind: 'done', outputs: requests.map(() => []), timings: { inMs: 0, runMs: 0, outMs: 0 } });
    fixture.killInstance('w1');
    fixture.clock.advance(200);
    assert.equal(fixture.codeOf('a'), 'ok');
    assert(atFunction(fixture, 'a'));
  });
});

test('functions that are removed from alongside instances serve their queue first', () => {
  const fixture = hybridPoolFixture({ setting: { batchSizeMax: 4 } });
  fixture.instance('w1');
  fixture.send('x', { rows: 3 });
  for (const id of names(4)) fixture.send(id);
  assert.equal(fixture.functions.rowsWaiting, 1);
  fixture.pool.configure({ ...fixture.settings(), functions: null, isHybrid: false });
  assert.equal(fixture.pool.functions, null);
  fixture.clock.advance(1000);
  assert.deepEqual(
    names(4).map((id) => fixture.codeOf(id)),
    names(4).map(() => 'ok'),
  );
  assert.equal(fixture.alive.size, 0);
  fixture.pool.configure(fixture.settings());
  fixture.clock.advance(2000);
  assert.equal(fixture.alive.size, 12);
});

test("in a burst of three times an instance's capacity no request is late, and the instance serves the steady load", () => {
  const fixture = hybridPoolFixture({ setting: { batchSizeMax: 4 } });
  fixture.instance('w1');
  const capacityPerMs = 3 / 220;
  let atMs = fixture.clock.nowMs();
  let count = 0;
  const sentMs = new Map<string, number>();
  for (const [load, forMs] of [
    [0.5, 10_000],
    [3, 5000],
    [0.5, 10_000],
  ] as const) {
    for (const untilMs = atMs + forMs; atMs < untilMs; atMs += 1 / (load * capacityPerMs)) {
      const id = `b${count++}`;
      sentMs.set(id, atMs);
      fixture.at(atMs, () => fixture.send(id));
    }
  }
  fixture.clock.advance(30_000);
  const overflowed = [...sentMs].filter(([id, ms]) => {
    const outcome = fixture.outcomes.get(id);
    assert(outcome?.ok === true && outcome.atMs - ms <= 500, `${id} after ${(outcome?.atMs ?? Number.NaN) - ms} ms`);
    return outcome.result.overflow !== null;
  });
  const share = overflowed.length / count;
  assert(share > 0.2 && share < 0.45, `${share} overflowed`);
  assert(overflowed.every(([, ms]) => ms >= 12_000 && ms <= 17_500));
});
