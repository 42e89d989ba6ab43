import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { FunctionHouse } from '../../test/function-house.ts';

const batchesOf = ({ runs }: FunctionHouse): (readonly string[])[] => runs.map(({ requests }) => requests);

describe('company', () => {
  const warm = (options: ConstructorParameters<typeof FunctionHouse>[0] = {}): FunctionHouse => {
    const house = new FunctionHouse({ setting: { batchSizeMax: 4 }, ...options, functions: { provisioned: 4, ...options.functions } });
    house.clock.advance(1000);
    return house;
  };

  test('is waited for until the most urgent request has no more time', () => {
    const house = warm();
    house.at(1000, () => house.send('a'));
    house.at(1020, () => house.send('b'));
    house.clock.advance(500);
    // b = 2 takes 12 ms, and a is to be answered by 1100.
    assert.deepEqual(house.runs, [{ worker: house.runs[0]?.worker, requests: ['a', 'b'], atMs: 1088 }]);
    assert.deepEqual(house.dispatches, [{ reason: 'slack', rows: 2, atMs: 1088 }]);
    assert.equal(house.outcomes.get('a')?.atMs, 1100);
  });

  test('is not waited for by a full batch', () => {
    const house = warm();
    for (const id of ['a', 'b', 'c', 'd', 'e']) house.send(id);
    assert.deepEqual(batchesOf(house), [['a', 'b', 'c', 'd']]);
    assert.deepEqual(house.dispatches, [{ reason: 'full', rows: 4, atMs: 1000 }]);
    house.clock.advance(500);
    assert.deepEqual(batchesOf(house), [['a', 'b', 'c', 'd'], ['e']]);
  });

  test('who would make the others late finds them gone, and opens the next batch', () => {
    const house = warm();
    house.at(1000, () => house.send('a'));
    house.at(1088.5, () => house.send('b')); // two take 12 ms
    house.clock.advance(88.5);
    assert.deepEqual(house.dispatches, [{ reason: 'next-would-miss', rows: 1, atMs: 1088.5 }]);
    house.clock.advance(500);
    assert.deepEqual(batchesOf(house), [['a'], ['b']]);
  });

  test('with a timeout of its own before the objective, a request leaves earlier', () => {
    const house = warm();
    house.send('a');
    house.send('b', { timeoutMs: 50 });
    house.clock.advance(500);
    // Two take 12 ms and may take twice that; 2 ms are kept back for timers.
    assert.equal(house.dispatches[0]?.atMs, 1024);
    assert.deepEqual([house.codeOf('a'), house.codeOf('b')], ['ok', 'ok']);
  });

  test('never so long that its run, though it takes up to twice what is expected, outlasts the timeout of the endpoint', () => {
    for (const latencyMs of [300, 5000, 90_000]) {
      for (const marginMsFixed of [0, 20]) {
        const house = warm({ settings: { objective: { percentile: 95, latencyMs }, timeoutMs: 300 }, marginMsFixed });
        house.takesMs = (rows) => 2 * (10 + rows);
        for (let i = 0; i < 40; i++) house.at(1000 + 37 * i, () => house.send(`${i}`));
        house.clock.advance(3000);
        assert(house.dispatches.some(({ rows }) => rows > 1));
        for (let i = 0; i < 40; i++) assert.equal(house.codeOf(`${i}`), 'ok');
        assert.equal(house.functions.objective?.latencyMs, 300, 'what can be promised at all');
      }
    }
  });

  test('counts rows: a request of as many rows as a batch leaves alone, one that does not fit closes the batch', () => {
    const house = warm();
    house.send('a', { rows: 3 });
    house.send('b', { rows: 2 });
    house.send('c', { rows: 7 });
    house.clock.advance(500);
    assert.deepEqual(
      house.dispatches.map(({ reason, rows }) => [reason, rows]),
      [
        ['full', 3],
        ['full', 2],
        ['full', 7],
      ],
    );
  });

  test('is not waited for without an objective, with B = 1, or while service times are unknown', () => {
    for (const options of [{ settings: { objective: null } }, { setting: { batchSizeMax: 1 } }, { serviceMs: null }]) {
      const house = warm(options);
      for (const id of ['a', 'b']) house.send(id);
      assert.deepEqual(batchesOf(house), [['a'], ['b']]);
      assert(house.dispatches.every(({ reason }) => reason === 'idle'));
    }
  });

  test('under a fixed wait is waited for so long, with or without an objective, unless somebody would give up before', () => {
    for (const objective of [null, { percentile: 95, latencyMs: 100 }]) {
      const house = warm({ settings: { objective }, functions: { batching: { kind: 'fixed', batchSizeMax: 3, waitMsMax: 30 } } });
      house.pool.configure(house.settings());
      house.functions.apply({ memoryMiB: 2048, batchSizeMax: 3, waitMsMax: 30, decisionId: null });
      house.send('a');
      house.at(1030, () => house.send('b'));
      house.at(1040, () => ['c', 'd', 'e'].forEach((id) => house.send(id)));
      house.at(1050, () => house.send('f', { timeoutMs: 25 }));
      house.clock.advance(500);
      assert.deepEqual(house.dispatches, [
        { reason: 'timeout', rows: 2, atMs: 1030 },
        { reason: 'full', rows: 3, atMs: 1040 },
        { reason: 'timeout', rows: 1, atMs: 1051 },
      ]);
    }
  });

  test('a new setting counts from the next batch that opens', () => {
    const house = warm();
    house.send('a');
    house.apply({ batchSizeMax: 1 });
    house.send('b');
    assert.deepEqual(batchesOf(house), []);
    house.clock.advance(500);
    assert.deepEqual(batchesOf(house), [['a', 'b']]);
    house.send('c');
    assert.equal(batchesOf(house).length, 2);
  });
});

interface SlackVector {
  readonly id: string;
  readonly arrivalsMs: readonly number[];
  readonly maxBatch: number;
  readonly sloMs: number;
  readonly marginMs: number;
  readonly serviceMs: readonly number[];
  readonly expected: {
    readonly batches: readonly { readonly first: number; readonly size: number; readonly dispatchMs: number; readonly cause: string }[];
    readonly latenciesMs: readonly number[];
  };
}

const vectors = JSON.parse(readFileSync(new URL('../../test/batching/vectors.json', import.meta.url), 'utf8')) as { slack: SlackVector[] };
const reasonOf: Readonly<Record<string, string>> = { due: 'slack', 'closed-by-arrival': 'next-would-miss', full: 'full' };

describe('the slack rule, served', () => {
  for (const { id, arrivalsMs, maxBatch, sloMs, marginMs, serviceMs, expected } of vectors.slack) {
    test(`${id}: batches leave when they should, for the reason they should, and everybody is answered then`, () => {
      const house = new FunctionHouse({
        settings: { objective: { percentile: 95, latencyMs: sloMs } },
        functions: { provisioned: 50, maxConcurrency: 50 },
        setting: { batchSizeMax: maxBatch },
        serviceMs: (rows) => serviceMs[rows - 1] as number,
        batchMax: serviceMs.length,
        coldMs: 0,
        marginMsFixed: marginMs,
      });
      house.clock.advance(0);
      for (const [i, atMs] of arrivalsMs.entries()) house.at(atMs, () => house.send(`${i}`));
      house.clock.advance(10_000);
      const near = (actual: number | undefined, wanted: number): void =>
        assert(actual !== undefined && Math.abs(actual - wanted) <= 1e-9, `${actual} is ${wanted}`);
      assert.deepEqual(
        house.dispatches.map(({ reason, rows }) => [reason, rows]),
        expected.batches.map(({ cause, size }) => [reasonOf[cause], size]),
      );
      for (const [i, { first, size, dispatchMs }] of expected.batches.entries()) {
        near(house.runs[i]?.atMs, dispatchMs);
        assert.deepEqual(
          house.runs[i]?.requests,
          Array.from({ length: size }, (_, k) => `${first + k}`),
        );
      }
      for (const [i, latencyMs] of expected.latenciesMs.entries()) {
        near((house.outcomes.get(`${i}`)?.atMs ?? Number.NaN) - (arrivalsMs[i] as number), latencyMs);
      }
    });
  }
});
