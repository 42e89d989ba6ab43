import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answered, FunctionPoolFixture, type FunctionPoolFixtureOptions } from '../../../test/function-pool-fixture.ts';
import { defaultPrices, functionUsd } from '../../costs/index.ts';
import { functionsDefault } from '../../deployment/index.ts';
import { PendingRequest } from '../request.ts';

/** A single warm function (the concurrency limit is one) with a service time of 11 ms for one row. */
function one(options: FunctionPoolFixtureOptions = {}): FunctionPoolFixture {
  const fixture = new FunctionPoolFixture({ ...options, functions: { maxConcurrency: 1, provisioned: 1, ...options.functions } });
  fixture.clock.advance(1000);
  return fixture;
}

describe('at the concurrency limit', () => {
  test('with `late: serve`, requests wait, and the timeout error says what to do', () => {
    const fixture = one();
    for (let i = 0; i < 10; i++) fixture.send(`r${i}`, { timeoutMs: 60 });
    fixture.clock.advance(60);
    assert.deepEqual([fixture.codeOf('r4'), fixture.codeOf('r5'), fixture.codeOf('r6')], ['ok', 'deadline_exceeded', 'overloaded']);
    assert.match(
      fixture.messageOf('r9'),
      /waited 60 ms, until its timeout had passed; its only allowed function is busy\. .*more with --max-concurrency$/,
    );
    const outcome = fixture.outcomes.get('r9');
    assert(outcome?.ok === false && (outcome.error.retryAfterMs ?? 0) > 0);
  });

  test('with `late: shed`, a request that cannot be answered in time is rejected on arrival', () => {
    const fixture = one({ settings: { late: 'shed' } });
    for (let i = 0; i < 12; i++) fixture.send(`r${i}`);
    // In sequence, 11 ms each: the ninth is answered at 99.5 ms including the transfer; the tenth would be late.
    assert.deepEqual(
      Array.from({ length: 12 }, (_, i) => fixture.codeOf(`r${i}`)),
      [...Array.from({ length: 9 }, () => undefined), 'overloaded', 'overloaded', 'overloaded'],
    );
    assert.match(fixture.messageOf('r9'), /its objective of 100ms cannot be met: a response would take 110.5 ms; its only/);
    fixture.clock.advance(200);
    assert(Array.from({ length: 9 }, (_, i) => fixture.codeOf(`r${i}`)).every((code) => code === 'ok'));
  });

  test('a rejection states the margin, and the timeout if that is earlier', () => {
    const messageOf = (marginMsFixed: number, timeoutMs: number): string => {
      const fixture = one({ settings: { late: 'shed' }, marginMsFixed, functions: { maxConcurrency: 2, provisioned: 2 } });
      for (let i = 0; i < 20; i++) fixture.send(`r${i}`, { timeoutMs });
      return fixture.messageOf('r19');
    };
    const margin =
      /objective of 100ms cannot be met: a response would take 99.5 ms, and 4ms of it are reserved for slower runs; all 2 allowed functions/;
    assert.match(messageOf(4, 1000), margin);
    assert.match(messageOf(0, 50), /its timeout of 50ms cannot be met: a response would take/);
  });

  test('with `late: shed`, an accepted request that still waits when its objective passes is rejected', () => {
    const fixture = one({ settings: { late: 'shed' } });
    fixture.takesMs = () => 60;
    for (let i = 0; i < 3; i++) fixture.send(`r${i}`);
    fixture.clock.advance(99);
    assert.equal(fixture.codeOf('r2'), undefined);
    fixture.clock.advance(1);
    assert.deepEqual([fixture.codeOf('r0'), fixture.codeOf('r1'), fixture.codeOf('r2')], ['ok', undefined, 'overloaded']);
    assert.match(fixture.messageOf('r2'), /waited 100 ms, until the objective of 100ms had passed/);
  });

  test('with `late: shed`, no request is rejected while a function starts; once all are ready, late requests are', () => {
    const functions = { maxConcurrency: 1, batching: { kind: 'none' } } as const;
    const fixture = new FunctionPoolFixture({ settings: { late: 'shed' }, functions, coldMs: 500 });
    for (const id of ['a', 'b']) fixture.send(id);
    fixture.clock.advance(499);
    assert.deepEqual([fixture.codeOf('a'), fixture.codeOf('b')], [undefined, undefined]);
    fixture.clock.advance(100);
    assert.deepEqual([fixture.codeOf('a'), fixture.codeOf('b')], ['ok', 'overloaded']);
  });

  test('the number of waiting rows is limited', () => {
    const fixture = one({ settings: { queueRowsMax: 3 } });
    for (let i = 0; i < 5; i++) fixture.send(`r${i}`);
    assert.equal(fixture.codeOf('r4'), 'overloaded');
    assert.match(fixture.messageOf('r4'), /\(3 rows waiting, limit 3\)/);
  });

  test('late requests are dispatched in batches of the best throughput, so the queue drains even if B was set to 1 under load', () => {
    const fixture = one({ setting: { batchSizeMax: 1 } });
    for (let i = 0; i < 100; i++) fixture.send(`r${i}`);
    fixture.clock.advance(400);
    const sizes = fixture.runs.map(({ requests }) => requests.length);
    // 11 ms each while the head of the queue can be in time, then full batches of 8 rows in 18 ms.
    assert.deepEqual(sizes, [...Array.from({ length: 9 }, () => 1), ...Array.from({ length: 11 }, () => 8), 3]);
    assert(Array.from({ length: 100 }, (_, i) => fixture.codeOf(`r${i}`)).every((code) => code === 'ok'));
  });

  test('disabled batching stays disabled for late requests', () => {
    const fixture = one({ functions: { batching: { kind: 'none' } } });
    for (let i = 0; i < 30; i++) fixture.send(`r${i}`);
    fixture.clock.advance(400);
    assert(fixture.runs.every(({ requests }) => requests.length === 1));
  });

  test('requests are dispatched by deadline, higher priorities first', () => {
    const fixture = one();
    fixture.send('busy');
    fixture.send('late');
    fixture.send('soon', { timeoutMs: 60 });
    fixture.send('first', { priority: 1 });
    fixture.clock.advance(100);
    assert.deepEqual(
      fixture.runs.map(({ requests }) => requests[0]),
      ['busy', 'first', 'soon', 'late'],
    );
  });
});

describe('disconnected clients', () => {
  test('are not run; an empty batch is never dispatched, and the remaining requests may wait longer', () => {
    const fixture = one({ setting: { batchSizeMax: 4 } });
    const a = fixture.send('a');
    fixture.clock.advance(20);
    fixture.send('b');
    assert.equal(fixture.pool.cancel(a), true);
    assert.equal(fixture.pool.cancel(a), false);
    fixture.clock.advance(100);
    assert.deepEqual(fixture.runs, [{ worker: 'f0', requests: ['b'], atMs: 1109 }]);
    fixture.pool.cancel(fixture.send('c'));
    assert.equal(fixture.pool.rowsWaiting, 0);
    fixture.clock.advance(1000);
    assert.equal(fixture.runs.length, 1);
  });

  test('are not run if overdue, and get no response if running', () => {
    const fixture = one();
    const [a, b] = ['a', 'b'].map((id) => fixture.send(id)) as [ReturnType<typeof fixture.send>, ReturnType<typeof fixture.send>];
    fixture.pool.cancel(b);
    fixture.pool.cancel(a);
    fixture.clock.advance(100);
    assert.deepEqual(
      [fixture.runs.length, fixture.codeOf('a'), fixture.codeOf('b'), fixture.pool.rowsWaiting],
      [1, undefined, undefined, 0],
    );
  });

  test('requests that time out during a start fail with the timeout error', () => {
    const fixture = new FunctionPoolFixture({ coldMs: 500 });
    fixture.send('a', { timeoutMs: 200 });
    fixture.clock.advance(1000);
    assert.deepEqual([fixture.codeOf('a'), fixture.runs.length], ['deadline_exceeded', 0]);
  });
});

describe('billing', () => {
  const { functions: prices } = defaultPrices;
  const receipt = (fixture: FunctionPoolFixture, id: string): number => {
    const outcome = fixture.outcomes.get(id);
    assert(outcome?.ok === true);
    return outcome.result.costUsd;
  };

  test('bills the first batch of a function with its start; the receipts of a batch add up to its price', () => {
    const fixture = new FunctionPoolFixture({ setting: { batchSizeMax: 8 }, coldMs: 40.25 });
    const rows = { a: 1, b: 3, c: 2 };
    for (const [id, count] of Object.entries(rows)) fixture.send(id, { rows: count });
    fixture.clock.advance(200);
    fixture.send('d');
    fixture.clock.advance(200);
    const [first, second] = fixture.invocations;
    // 40.25 ms and 16 ms, rounded up to whole milliseconds.
    assert.deepEqual(first, { memoryMiB: 2048, billedMs: 57, usd: functionUsd(prices, 2048, 57), isColdStart: true, setupMs: 40.25 });
    assert.deepEqual(second, { memoryMiB: 2048, billedMs: 11, usd: functionUsd(prices, 2048, 11), isColdStart: false });
    const sum = ['a', 'b', 'c'].reduce((total, id) => total + receipt(fixture, id), 0);
    assert(Math.abs(sum / (first?.usd ?? 0) - 1) < 1e-12);
    assert(Math.abs(receipt(fixture, 'b') / sum - 0.5) < 1e-12);
    const coldStartOf = (id: string): boolean | undefined => {
      const outcome = fixture.outcomes.get(id);
      return outcome?.ok === true ? outcome.result.coldStart : undefined;
    };
    assert.deepEqual([coldStartOf('a'), coldStartOf('d')], [true, false]);
  });

  test('bills the start of a warm function by time, not with its first batch', () => {
    const fixture = one();
    fixture.send('a');
    fixture.clock.advance(100);
    assert.deepEqual(
      fixture.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]),
      [[11, false]],
    );
  });
});

describe('billing of a run without a response', () => {
  const billed = (fixture: FunctionPoolFixture) => fixture.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]);

  test('after a timeout: bills the time until then and the start, and reports the end with its reason', () => {
    const fixture = new FunctionPoolFixture({ settings: { timeoutMs: 300 } });
    fixture.answer = () => null;
    fixture.send('a', { timeoutMs: 250 });
    fixture.clock.advance(399);
    assert.deepEqual([fixture.codeOf('a'), billed(fixture), fixture.hung], ['deadline_exceeded', [], []]);
    fixture.clock.advance(5000);
    assert.deepEqual(billed(fixture), [[400, true]]);
    assert.deepEqual(fixture.hung, ["f0: a run did not end within the endpoint's timeout of 300ms"]);
    assert.deepEqual(fixture.stopped, ['f0']);
  });

  test('bills runs whose client disconnected or whose function crashed', () => {
    const fixture = one();
    fixture.pool.cancel(fixture.send('a'));
    fixture.clock.advance(100);
    assert.deepEqual(billed(fixture), [[11, false]]);
    fixture.answer = () => ({ kind: 'gone', why: 'SIGKILL' });
    fixture.send('b');
    fixture.clock.advance(11);
    assert.deepEqual(billed(fixture).slice(1), [[11, false]]);
  });
});

describe('data for choosing the setting', () => {
  test('a period counts the requests whose batches opened under its setting', () => {
    const fixture = one({ setting: { batchSizeMax: 2 } });
    fixture.send('before');
    fixture.apply({ batchSizeMax: 2 });
    fixture.send('joins-and-counts-there');
    fixture.clock.advance(200);
    assert.deepEqual([fixture.functions.period().requests, fixture.functions.period().withinSlo], [0, 1]);
    for (let i = 0; i < 100; i++) {
      fixture.send(`a${i}`);
      fixture.clock.advance(10);
      fixture.send(`b${i}`, { rows: 1 });
      fixture.clock.advance(40);
    }
    const period = fixture.functions.period();
    assert.deepEqual([period.requests, period.rows, period.batches, period.coldStarts, period.meanBatch], [200, 200, 100, 0, 2]);
    assert.equal(period.meanWaitMs, 5);
    assert(Math.abs(period.p50Ms / 12 - 1) < 0.006 && Math.abs(period.p95Ms / 22 - 1) < 0.006, `${period.p50Ms} ${period.p95Ms}`);
    assert(Math.abs(period.costUsdPerMillion / (0.5e6 * functionUsd(defaultPrices.functions, 2048, 12)) - 1) < 1e-9);
    assert.equal(period.sinceMs, 1000);
  });

  test('a batch counts all dispatched rows, even if some were not answered', () => {
    const fixture = one({ setting: { batchSizeMax: 2 }, settings: { timeoutMs: 300 } });
    for (const id of ['a', 'b']) fixture.send(id);
    const ran = ['c', 'd'].map((id) => fixture.send(id));
    fixture.clock.advance(15);
    for (const request of ran) fixture.pool.cancel(request);
    fixture.clock.advance(100);
    assert.deepEqual(
      [fixture.functions.period().rows, fixture.functions.period().batches, fixture.functions.period().meanBatch],
      [2, 2, 2],
    );
    assert.deepEqual([fixture.pool.statistics.inferenceCount, fixture.pool.statistics.executionCount], [4, 2]);
    fixture.answer = () => null;
    for (const id of ['e', 'f']) fixture.send(id);
    fixture.clock.advance(2000);
    assert.deepEqual([fixture.functions.period().batches, fixture.functions.period().meanBatch], [3, 2]);
  });

  test('requests that exceed the objective are counted as late', () => {
    const fixture = one();
    fixture.takesMs = (rows) => (fixture.clock.nowMs() > 1500 ? 101 : rows);
    for (let i = 0; i < 10; i++) {
      fixture.send(`r${i}`);
      fixture.clock.advance(150);
    }
    assert.equal(fixture.functions.period().withinSlo, 0.4);
  });

  test('retains the last 5000 arrivals in order, one per row', () => {
    const fixture = one({ settings: { queueRowsMax: 1e6 } });
    fixture.send('a', { rows: 2 });
    fixture.clock.advance(5);
    fixture.send('b');
    assert.deepEqual([...fixture.functions.arrivalsMs()], [1000, 1000, 1005]);
    for (let i = 0; i < 2000; i++) {
      fixture.clock.advance(1);
      fixture.send(`r${i}`, { rows: 3 });
    }
    const times = fixture.functions.arrivalsMs();
    assert.equal(times.length, 5000);
    assert.deepEqual([times[0], times[4999]], [1339, 3005]);
    assert(times.every((atMs, i) => i === 0 || atMs >= (times[i - 1] as number)));
  });

  test('a start is expected to take its profiled time until one was observed', () => {
    const fixture = new FunctionPoolFixture({ isColdMeasured: true, coldMs: 40, instances: { serviceMs: (rows) => 10 + rows } });
    const call = { requestId: 'a', inputs: [], rows: 1, arrivedAtMs: 0 };
    const request = new PendingRequest(call, { deadlineMs: 100, promisedAtMs: 100, timeoutAtMs: 60_000, bucket: '' }, () => {});
    // As profiled: 300 ms to load the model and 11 ms for the first response. Then 11 ms to run the request, and the transfer.
    assert.equal(fixture.functions.answeredAtMs(request, 0), 311 + 11 + 0.5);
    fixture.functions.retainWarm(1);
    fixture.clock.advance(40);
    fixture.functions.retainWarm(0);
    assert.equal(fixture.functions.lastMoments(request).warmMs - fixture.functions.lastMoments(request).coldMs, 40);
  });

  test('the view contains environments, the setting and observed starts', () => {
    const fixture = new FunctionPoolFixture({ coldMs: 80 });
    assert.deepEqual(fixture.functions.view().coldStartMs, null);
    assert.deepEqual(fixture.functions.setting, { memoryMiB: 2048, batchSizeMax: 1, waitMsMax: null, decisionId: null });
    fixture.send('a');
    fixture.clock.advance(85);
    const { environments, coldStartMs } = fixture.functions.view();
    assert.deepEqual([environments, coldStartMs], [{ starting: 0, idle: 0, busy: 1 }, 80]);
  });

  describe('the setting until a decision for a new configuration', () => {
    const decided = (): FunctionPoolFixture => new FunctionPoolFixture({ setting: { batchSizeMax: 4, waitMsMax: 7, memoryMiB: 1024 } });

    test('stays the one in force if the configuration is equal', () => {
      const fixture = decided();
      fixture.pool.configure(fixture.settings({ maxConcurrency: 7 }));
      assert.deepEqual(fixture.functions.setting, { memoryMiB: 1024, batchSizeMax: 4, waitMsMax: 7, decisionId: 'd' });
    });

    test('keeps memory size and B under another objective or policy; the wait follows from the objective', () => {
      for (const settings of [
        { objective: { percentile: 99, latencyMs: 40 } },
        { functions: { ...functionsDefault, batching: { kind: 'batch' as const } } },
        { functions: { ...functionsDefault, memoryMiB: 1024 } },
      ]) {
        const fixture = decided();
        fixture.pool.configure({ ...fixture.settings(), ...settings });
        assert.deepEqual(fixture.functions.setting, { memoryMiB: 1024, batchSizeMax: 4, waitMsMax: null, decisionId: null });
      }
    });

    test('keeps its memory size if the user configures batching', () => {
      const fixture = decided();
      fixture.pool.configure(fixture.settings({ batching: { kind: 'none' } }));
      assert.deepEqual(fixture.functions.setting, { memoryMiB: 1024, batchSizeMax: 1, waitMsMax: null, decisionId: null });
      fixture.pool.configure(fixture.settings({ batching: { kind: 'fixed', batchSizeMax: 5, waitMsMax: 20 } }));
      assert.deepEqual(fixture.functions.setting, { memoryMiB: 1024, batchSizeMax: 5, waitMsMax: 20, decisionId: null });
    });

    test('is the safe setting if another memory size is configured', () => {
      const fixture = decided();
      fixture.pool.configure(fixture.settings({ memoryMiB: 2048 }));
      assert.deepEqual(fixture.functions.setting, { memoryMiB: 2048, batchSizeMax: 1, waitMsMax: null, decisionId: null });
      fixture.pool.configure(fixture.settings({ memoryMiB: 3072, batching: { kind: 'fixed', batchSizeMax: 5, waitMsMax: 20 } }));
      assert.deepEqual(fixture.functions.setting, { memoryMiB: 3072, batchSizeMax: 5, waitMsMax: 20, decisionId: null });
    });

    test('restarts no function for another objective', () => {
      const fixture = new FunctionPoolFixture({ setting: { batchSizeMax: 4, memoryMiB: 1024 }, functions: { provisioned: 3 } });
      fixture.clock.advance(1000);
      const { length } = fixture.started;
      fixture.pool.configure({ ...fixture.settings(), objective: { percentile: 95, latencyMs: 50 } });
      fixture.clock.advance(1000);
      assert.deepEqual([fixture.started.length, fixture.stopped.length], [length, length - 3]);
    });
  });
});

describe('the margin', () => {
  const load = (fixture: FunctionPoolFixture, count: number): void => {
    for (let i = 0; i < count; i++) {
      fixture.send(`${fixture.clock.nowMs()}`);
      fixture.clock.advance(200);
    }
  };

  test('starts small, grows with every late request, and shrinks slowly otherwise', () => {
    const fixture = one({ setting: { batchSizeMax: 4 }, marginMsFixed: Number.NaN });
    assert.equal(fixture.functions.marginMs, 2);
    fixture.takesMs = () => 40; // 11 ms were predicted
    load(fixture, 4);
    assert(fixture.functions.marginMs > 2.3, `${fixture.functions.marginMs}`);
    const grown = fixture.functions.marginMs;
    fixture.takesMs = () => 11;
    load(fixture, 40);
    assert(fixture.functions.marginMs < grown && fixture.functions.marginMs > grown - 0.11, `${fixture.functions.marginMs}`);
  });

  test('ignores batches that waited for a start or for a free function', () => {
    const fixture = new FunctionPoolFixture({ coldMs: 500, marginMsFixed: Number.NaN, functions: { maxConcurrency: 1 } });
    for (const id of ['a', 'b', 'c']) fixture.send(id);
    fixture.clock.advance(1000);
    assert.equal(fixture.functions.marginMs, 2);
    fixture.send('d');
    fixture.clock.advance(100);
    assert.notEqual(fixture.functions.marginMs, 2);
  });
});

describe('service times', () => {
  test('predictions follow a tenfold increase within a few batches, and the decrease after it', () => {
    const fixture = one({ setting: { batchSizeMax: 8 }, settings: { objective: { percentile: 95, latencyMs: 500 } } });
    const lateOf = (count: number): number => {
      let late = 0;
      for (let i = 0; i < count; i++) {
        const id = `${fixture.clock.nowMs()}`;
        const sentAtMs = fixture.clock.nowMs();
        fixture.send(id);
        fixture.clock.advance(700);
        if ((fixture.outcomes.get(id)?.atMs ?? Number.POSITIVE_INFINITY) > sentAtMs + 500 + 1e-6) late++;
      }
      return late;
    };
    assert.equal(lateOf(20), 0);
    fixture.takesMs = (rows) => 10 * (10 + rows);
    assert(lateOf(10) <= 5);
    assert.equal(lateOf(20), 0);
    fixture.takesMs = (rows) => 10 + rows;
    assert.equal(lateOf(100), 0);
  });

  test('times measured later apply from then on', () => {
    const fixture = one({ setting: { batchSizeMax: 4 }, serviceMs: null });
    fixture.send('a');
    assert.equal(fixture.runs.length, 1);
    assert.equal(fixture.pool.batchSizeMax, 32, 'unknown');
    fixture.answer = answered;
  });
});
