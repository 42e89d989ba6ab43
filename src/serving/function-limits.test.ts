import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answered, FunctionHouse, type FunctionHouseOptions } from '../../test/function-house.ts';
import { defaultPrices, functionUsd } from '../costs/index.ts';
import { functionsDefault } from '../deployment/index.ts';
import { PendingRequest } from './request.ts';

/** One function at a time, warm, that takes 11 ms for one row. */
function one(options: FunctionHouseOptions = {}): FunctionHouse {
  const house = new FunctionHouse({ ...options, functions: { maxConcurrency: 1, provisioned: 1, ...options.functions } });
  house.clock.advance(1000);
  return house;
}

describe('beyond the most functions there may be', () => {
  test('with `late: serve` requests wait, and one whose timeout passes by that is told what to do', () => {
    const house = one();
    for (let i = 0; i < 10; i++) house.send(`r${i}`, { timeoutMs: 60 });
    house.clock.advance(60);
    assert.deepEqual([house.codeOf('r4'), house.codeOf('r5'), house.codeOf('r6')], ['ok', 'deadline_exceeded', 'overloaded']);
    assert.match(
      house.messageOf('r9'),
      /waited 60 ms, until its timeout was over; the one function it may have at once is busy; .*more with --max-concurrency$/,
    );
    const outcome = house.outcomes.get('r9');
    assert(outcome?.ok === false && (outcome.error.retryAfterMs ?? 0) > 0);
  });

  test('with `late: shed` whoever cannot be answered in time is refused at arrival', () => {
    const house = one({ settings: { late: 'shed' } });
    for (let i = 0; i < 12; i++) house.send(`r${i}`);
    // One after the other, 11 ms each: the ninth would be done at 99.5 with the way back, the tenth too late.
    assert.deepEqual(
      Array.from({ length: 12 }, (_, i) => house.codeOf(`r${i}`)),
      [...Array.from({ length: 9 }, () => undefined), 'overloaded', 'overloaded', 'overloaded'],
    );
    assert.match(house.messageOf('r9'), /its objective of 100ms cannot be kept: an answer would take 110.5 ms; the one/);
    house.clock.advance(200);
    assert(Array.from({ length: 9 }, (_, i) => house.codeOf(`r${i}`)).every((code) => code === 'ok'));
  });

  test('a refusal tells what is held back, and the timeout where that comes first', () => {
    const messageOf = (marginMsFixed: number, timeoutMs: number): string => {
      const house = one({ settings: { late: 'shed' }, marginMsFixed, functions: { maxConcurrency: 2, provisioned: 2 } });
      for (let i = 0; i < 20; i++) house.send(`r${i}`, { timeoutMs });
      return house.messageOf('r19');
    };
    const margin =
      /objective of 100ms cannot be kept: an answer would take 99.5 ms, and 4ms of it are held back for runs that take longer; all 2 functions/;
    assert.match(messageOf(4, 1000), margin);
    assert.match(messageOf(0, 50), /its timeout of 50ms cannot be kept: an answer would take/);
  });

  test('with `late: shed` whoever was taken for granted but still waits at its objective is refused then', () => {
    const house = one({ settings: { late: 'shed' } });
    house.takesMs = () => 60;
    for (let i = 0; i < 3; i++) house.send(`r${i}`);
    house.clock.advance(99);
    assert.equal(house.codeOf('r2'), undefined);
    house.clock.advance(1);
    assert.deepEqual([house.codeOf('r0'), house.codeOf('r1'), house.codeOf('r2')], ['ok', undefined, 'overloaded']);
    assert.match(house.messageOf('r2'), /waited 100 ms, until the objective of 100ms was over/);
  });

  test('with `late: shed` nobody is refused while a function starts; once all are there, who is too late is', () => {
    const functions = { maxConcurrency: 1, batching: { kind: 'none' } } as const;
    const house = new FunctionHouse({ settings: { late: 'shed' }, functions, coldMs: 500 });
    for (const id of ['a', 'b']) house.send(id);
    house.clock.advance(499);
    assert.deepEqual([house.codeOf('a'), house.codeOf('b')], [undefined, undefined]);
    house.clock.advance(100);
    assert.deepEqual([house.codeOf('a'), house.codeOf('b')], ['ok', 'overloaded']);
  });

  test('no more rows wait than may', () => {
    const house = one({ settings: { queueRowsMax: 3 } });
    for (let i = 0; i < 5; i++) house.send(`r${i}`);
    assert.equal(house.codeOf('r4'), 'overloaded');
    assert.match(house.messageOf('r4'), /3 rows wait already, 3 may/);
  });

  test('who is late anyway leaves in batches of best throughput, so that a B of 1 chosen in bad times gets rid of a queue', () => {
    const house = one({ setting: { batchSizeMax: 1 } });
    for (let i = 0; i < 100; i++) house.send(`r${i}`);
    house.clock.advance(400);
    const sizes = house.runs.map(({ requests }) => requests.length);
    // 11 ms each while the first of the queue can be in time, then the most rows at once, 8 in 18 ms.
    assert.deepEqual(sizes, [...Array.from({ length: 9 }, () => 1), ...Array.from({ length: 11 }, () => 8), 3]);
    assert(Array.from({ length: 100 }, (_, i) => house.codeOf(`r${i}`)).every((code) => code === 'ok'));
  });

  test('who asked for no batching gets none, late or not', () => {
    const house = one({ functions: { batching: { kind: 'none' } } });
    for (let i = 0; i < 30; i++) house.send(`r${i}`);
    house.clock.advance(400);
    assert(house.runs.every(({ requests }) => requests.length === 1));
  });

  test('requests leave by deadline, a higher priority before', () => {
    const house = one();
    house.send('busy');
    house.send('late');
    house.send('soon', { timeoutMs: 60 });
    house.send('first', { priority: 1 });
    house.clock.advance(100);
    assert.deepEqual(
      house.runs.map(({ requests }) => requests[0]),
      ['busy', 'first', 'soon', 'late'],
    );
  });
});

describe('clients that leave', () => {
  test('are not run; a batch that nobody is left in never leaves, and those left have more time', () => {
    const house = one({ setting: { batchSizeMax: 4 } });
    const a = house.send('a');
    house.clock.advance(20);
    house.send('b');
    assert.equal(house.pool.cancel(a), true);
    assert.equal(house.pool.cancel(a), false);
    house.clock.advance(100);
    assert.deepEqual(house.runs, [{ worker: 'f0', requests: ['b'], atMs: 1109 }]);
    house.pool.cancel(house.send('c'));
    assert.equal(house.pool.rowsWaiting, 0);
    house.clock.advance(1000);
    assert.equal(house.runs.length, 1);
  });

  test('are not run when they leave while they are overdue, and get no answer when they leave while they run', () => {
    const house = one();
    const [a, b] = ['a', 'b'].map((id) => house.send(id)) as [ReturnType<typeof house.send>, ReturnType<typeof house.send>];
    house.pool.cancel(b);
    house.pool.cancel(a);
    house.clock.advance(100);
    assert.deepEqual([house.runs.length, house.codeOf('a'), house.codeOf('b'), house.pool.rowsWaiting], [1, undefined, undefined, 0]);
  });

  test('whose timeout passes while a function starts are told so', () => {
    const house = new FunctionHouse({ coldMs: 500 });
    house.send('a', { timeoutMs: 200 });
    house.clock.advance(1000);
    assert.deepEqual([house.codeOf('a'), house.runs.length], ['deadline_exceeded', 0]);
  });
});

describe('the bill', () => {
  const { functions: prices } = defaultPrices;
  const receipt = (house: FunctionHouse, id: string): number => {
    const outcome = house.outcomes.get(id);
    assert(outcome?.ok === true);
    return outcome.result.costUsd;
  };

  test('the first batch of a function is billed with its start and says so; the receipts of a batch add up to its price', () => {
    const house = new FunctionHouse({ setting: { batchSizeMax: 8 }, coldMs: 40.25 });
    const rows = { a: 1, b: 3, c: 2 };
    for (const [id, count] of Object.entries(rows)) house.send(id, { rows: count });
    house.clock.advance(200);
    house.send('d');
    house.clock.advance(200);
    const [first, second] = house.invocations;
    // 40.25 ms and 16 ms, rounded up to whole milliseconds.
    assert.deepEqual(first, { memoryMiB: 2048, billedMs: 57, usd: functionUsd(prices, 2048, 57), isColdStart: true, setupMs: 40.25 });
    assert.deepEqual(second, { memoryMiB: 2048, billedMs: 11, usd: functionUsd(prices, 2048, 11), isColdStart: false });
    const sum = ['a', 'b', 'c'].reduce((total, id) => total + receipt(house, id), 0);
    assert(Math.abs(sum / (first?.usd ?? 0) - 1) < 1e-12);
    assert(Math.abs(receipt(house, 'b') / sum - 0.5) < 1e-12);
    const coldStartOf = (id: string): boolean | undefined => {
      const outcome = house.outcomes.get(id);
      return outcome?.ok === true ? outcome.result.coldStart : undefined;
    };
    assert.deepEqual([coldStartOf('a'), coldStartOf('d')], [true, false]);
  });

  test('the start of one that is kept warm is paid for by its time, not by its first batch', () => {
    const house = one();
    house.send('a');
    house.clock.advance(100);
    assert.deepEqual(
      house.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]),
      [[11, false]],
    );
  });
});

describe('a run that brought no answer is billed for the time it took', () => {
  const billed = (house: FunctionHouse) => house.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]);

  test('where it outlasted the timeout, until then, start and all; who ended it and why is told', () => {
    const house = new FunctionHouse({ settings: { timeoutMs: 300 } });
    house.answer = () => null;
    house.send('a', { timeoutMs: 250 });
    house.clock.advance(399);
    assert.deepEqual([house.codeOf('a'), billed(house), house.hung], ['deadline_exceeded', [], []]);
    house.clock.advance(5000);
    assert.deepEqual(billed(house), [[400, true]]);
    assert.deepEqual(house.hung, ["f0: a run did not end within the endpoint's timeout of 300ms"]);
    assert.deepEqual(house.stopped, ['f0']);
  });

  test('where its client had left, and where its function died', () => {
    const house = one();
    house.pool.cancel(house.send('a'));
    house.clock.advance(100);
    assert.deepEqual(billed(house), [[11, false]]);
    house.answer = () => ({ kind: 'gone', why: 'SIGKILL' });
    house.send('b');
    house.clock.advance(11);
    assert.deepEqual(billed(house).slice(1), [[11, false]]);
  });
});

describe('what is told to whoever chooses the setting', () => {
  test('a period counts the requests whose batches opened under its setting', () => {
    const house = one({ setting: { batchSizeMax: 2 } });
    house.send('before');
    house.apply({ batchSizeMax: 2 });
    house.send('joins it, and counts there');
    house.clock.advance(200);
    assert.deepEqual([house.functions.period().requests, house.functions.period().withinSlo], [0, 1]);
    for (let i = 0; i < 100; i++) {
      house.send(`a${i}`);
      house.clock.advance(10);
      house.send(`b${i}`, { rows: 1 });
      house.clock.advance(40);
    }
    const period = house.functions.period();
    assert.deepEqual([period.requests, period.rows, period.batches, period.coldStarts, period.meanBatch], [200, 200, 100, 0, 2]);
    assert.equal(period.meanWaitMs, 5);
    assert(Math.abs(period.p50Ms / 12 - 1) < 0.006 && Math.abs(period.p95Ms / 22 - 1) < 0.006, `${period.p50Ms} ${period.p95Ms}`);
    assert(Math.abs(period.costUsdPerMillion / (0.5e6 * functionUsd(defaultPrices.functions, 2048, 12)) - 1) < 1e-9);
    assert.equal(period.sinceMs, 1000);
  });

  test('a batch has as many rows as it left with, whoever of them was answered', () => {
    const house = one({ setting: { batchSizeMax: 2 }, settings: { timeoutMs: 300 } });
    for (const id of ['a', 'b']) house.send(id);
    const ran = ['c', 'd'].map((id) => house.send(id));
    house.clock.advance(15);
    for (const request of ran) house.pool.cancel(request);
    house.clock.advance(100);
    assert.deepEqual([house.functions.period().rows, house.functions.period().batches, house.functions.period().meanBatch], [2, 2, 2]);
    assert.deepEqual([house.pool.statistics.inferenceCount, house.pool.statistics.executionCount], [4, 2]);
    house.answer = () => null;
    for (const id of ['e', 'f']) house.send(id);
    house.clock.advance(2000);
    assert.deepEqual([house.functions.period().batches, house.functions.period().meanBatch], [3, 2]);
  });

  test('requests later than the objective are counted as such', () => {
    const house = one();
    house.takesMs = (rows) => (house.clock.nowMs() > 1500 ? 101 : rows);
    for (let i = 0; i < 10; i++) {
      house.send(`r${i}`);
      house.clock.advance(150);
    }
    assert.equal(house.functions.period().withinSlo, 0.4);
  });

  test('arrivals are kept in order, a row an arrival, the last 5000', () => {
    const house = one({ settings: { queueRowsMax: 1e6 } });
    house.send('a', { rows: 2 });
    house.clock.advance(5);
    house.send('b');
    assert.deepEqual([...house.functions.arrivalsMs()], [1000, 1000, 1005]);
    for (let i = 0; i < 2000; i++) {
      house.clock.advance(1);
      house.send(`r${i}`, { rows: 3 });
    }
    const times = house.functions.arrivalsMs();
    assert.equal(times.length, 5000);
    assert.deepEqual([times[0], times[4999]], [1339, 3005]);
    assert(times.every((atMs, i) => i === 0 || atMs >= (times[i - 1] as number)));
  });

  test('a start takes as long as it did when the service times were measured, until one was seen', () => {
    const house = new FunctionHouse({ isColdMeasured: true, coldMs: 40, instances: { serviceMs: (rows) => 10 + rows } });
    const call = { requestId: 'a', inputs: [], rows: 1, arrivedAtMs: 0 };
    const request = new PendingRequest(call, { deadlineMs: 100, promisedAtMs: 100, timeoutAtMs: 60_000, bucket: '' }, () => {});
    // 300 ms to load the model and 11 ms for the first answer, as profiled; a function answers 11.5 ms after that.
    assert.equal(house.functions.answeredAtMs(request, 0), 311 + 11 + 0.5);
    house.functions.keepWarm(1);
    house.clock.advance(40);
    house.functions.keepWarm(0);
    assert.equal(house.functions.lastMoments(request).warmMs - house.functions.lastMoments(request).coldMs, 40);
  });

  test('the view tells of environments, of the setting and of the starts that were seen', () => {
    const house = new FunctionHouse({ coldMs: 80 });
    assert.deepEqual(house.functions.view().coldStartMs, null);
    assert.deepEqual(house.functions.setting, { memoryMiB: 2048, batchSizeMax: 1, waitMsMax: null, decisionId: null });
    house.send('a');
    house.clock.advance(85);
    const { environments, coldStartMs } = house.functions.view();
    assert.deepEqual([environments, coldStartMs], [{ starting: 0, idle: 0, busy: 1 }, 80]);
  });

  describe('the setting, until one is decided for another wish', () => {
    const decided = (): FunctionHouse => new FunctionHouse({ setting: { batchSizeMax: 4, waitMsMax: 7, memoryMiB: 1024 } });

    test('is that in force where the wish is the same', () => {
      const house = decided();
      house.pool.configure(house.settings({ maxConcurrency: 7 }));
      assert.deepEqual(house.functions.setting, { memoryMiB: 1024, batchSizeMax: 4, waitMsMax: 7, decisionId: 'd' });
    });

    test('keeps its size and its rows under another objective or policy; how long is waited, the promise says', () => {
      for (const settings of [
        { objective: { percentile: 99, latencyMs: 40 } },
        { functions: { ...functionsDefault, batching: { kind: 'batch' as const } } },
        { functions: { ...functionsDefault, memoryMiB: 1024 } },
      ]) {
        const house = decided();
        house.pool.configure({ ...house.settings(), ...settings });
        assert.deepEqual(house.functions.setting, { memoryMiB: 1024, batchSizeMax: 4, waitMsMax: null, decisionId: null });
      }
    });

    test('keeps its size where batches are as the user says', () => {
      const house = decided();
      house.pool.configure(house.settings({ batching: { kind: 'none' } }));
      assert.deepEqual(house.functions.setting, { memoryMiB: 1024, batchSizeMax: 1, waitMsMax: null, decisionId: null });
      house.pool.configure(house.settings({ batching: { kind: 'fixed', batchSizeMax: 5, waitMsMax: 20 } }));
      assert.deepEqual(house.functions.setting, { memoryMiB: 1024, batchSizeMax: 5, waitMsMax: 20, decisionId: null });
    });

    test('is the safe one where another size is given', () => {
      const house = decided();
      house.pool.configure(house.settings({ memoryMiB: 2048 }));
      assert.deepEqual(house.functions.setting, { memoryMiB: 2048, batchSizeMax: 1, waitMsMax: null, decisionId: null });
      house.pool.configure(house.settings({ memoryMiB: 3072, batching: { kind: 'fixed', batchSizeMax: 5, waitMsMax: 20 } }));
      assert.deepEqual(house.functions.setting, { memoryMiB: 3072, batchSizeMax: 5, waitMsMax: 20, decisionId: null });
    });

    test('starts no function anew for another objective', () => {
      const house = new FunctionHouse({ setting: { batchSizeMax: 4, memoryMiB: 1024 }, functions: { provisioned: 3 } });
      house.clock.advance(1000);
      const { length } = house.started;
      house.pool.configure({ ...house.settings(), objective: { percentile: 95, latencyMs: 50 } });
      house.clock.advance(1000);
      assert.deepEqual([house.started.length, house.stopped.length], [length, length - 3]);
    });
  });
});

describe('the margin', () => {
  const load = (house: FunctionHouse, count: number): void => {
    for (let i = 0; i < count; i++) {
      house.send(`${house.clock.nowMs()}`);
      house.clock.advance(200);
    }
  };

  test('begins small, grows with every late request and shrinks slowly without one', () => {
    const house = one({ setting: { batchSizeMax: 4 }, marginMsFixed: Number.NaN });
    assert.equal(house.functions.marginMs, 2);
    house.takesMs = () => 40; // predicted: 11
    load(house, 4);
    assert(house.functions.marginMs > 2.3, `${house.functions.marginMs}`);
    const grown = house.functions.marginMs;
    house.takesMs = () => 11;
    load(house, 40);
    assert(house.functions.marginMs < grown && house.functions.marginMs > grown - 0.11, `${house.functions.marginMs}`);
  });

  test('learns nothing of batches that waited for a start, or for a function to be free', () => {
    const house = new FunctionHouse({ coldMs: 500, marginMsFixed: Number.NaN, functions: { maxConcurrency: 1 } });
    for (const id of ['a', 'b', 'c']) house.send(id);
    house.clock.advance(1000);
    assert.equal(house.functions.marginMs, 2);
    house.send('d');
    house.clock.advance(100);
    assert.notEqual(house.functions.marginMs, 2);
  });
});

describe('service times', () => {
  test('that are ten times as long all at once are followed within a few batches, and so when they are short again', () => {
    const house = one({ setting: { batchSizeMax: 8 }, settings: { objective: { percentile: 95, latencyMs: 500 } } });
    const lateOf = (count: number): number => {
      let late = 0;
      for (let i = 0; i < count; i++) {
        const id = `${house.clock.nowMs()}`;
        const sentAtMs = house.clock.nowMs();
        house.send(id);
        house.clock.advance(700);
        if ((house.outcomes.get(id)?.atMs ?? Number.POSITIVE_INFINITY) > sentAtMs + 500 + 1e-6) late++;
      }
      return late;
    };
    assert.equal(lateOf(20), 0);
    house.takesMs = (rows) => 10 * (10 + rows);
    assert(lateOf(10) <= 5);
    assert.equal(lateOf(20), 0);
    house.takesMs = (rows) => 10 + rows;
    assert.equal(lateOf(100), 0);
  });

  test('that are measured later count from then on', () => {
    const house = one({ setting: { batchSizeMax: 4 }, serviceMs: null });
    house.send('a');
    assert.equal(house.runs.length, 1);
    assert.equal(house.pool.batchSizeMax, 32, 'unknown');
    house.answer = answered;
  });
});
