import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { FunctionPoolFixture } from '../../../test/function-pool-fixture.ts';

const batchesOf = ({ runs }: FunctionPoolFixture): (readonly string[])[] => runs.map(({ requests }) => requests);

describe('a batch for functions', () => {
  const warm = (options: ConstructorParameters<typeof FunctionPoolFixture>[0] = {}): FunctionPoolFixture => {
    const fixture = new FunctionPoolFixture({
      setting: { batchSizeMax: 4 },
      ...options,
      functions: { provisioned: 4, ...options.functions },
    });
    fixture.clock.advance(1000);
    return fixture;
  };

  test('is held open until the most urgent request has no slack left', () => {
    const fixture = warm();
    fixture.at(1000, () => fixture.send('a'));
    fixture.at(1020, () => fixture.send('b'));
    fixture.clock.advance(500);
    // A batch of two takes 12 ms, and request a must be answered by 1100.
    assert.deepEqual(fixture.runs, [{ worker: fixture.runs[0]?.worker, requests: ['a', 'b'], atMs: 1088 }]);
    assert.deepEqual(fixture.dispatches, [{ reason: 'slack', rows: 2, atMs: 1088 }]);
    assert.equal(fixture.outcomes.get('a')?.atMs, 1100);
  });

  test('is dispatched at once when full', () => {
    const fixture = warm();
    for (const id of ['a', 'b', 'c', 'd', 'e']) fixture.send(id);
    assert.deepEqual(batchesOf(fixture), [['a', 'b', 'c', 'd']]);
    assert.deepEqual(fixture.dispatches, [{ reason: 'full', rows: 4, atMs: 1000 }]);
    fixture.clock.advance(500);
    assert.deepEqual(batchesOf(fixture), [['a', 'b', 'c', 'd'], ['e']]);
  });

  test('excludes a request that would make the others late: it opens the next batch', () => {
    const fixture = warm();
    fixture.at(1000, () => fixture.send('a'));
    fixture.at(1088.5, () => fixture.send('b')); // a batch of two takes 12 ms
    fixture.clock.advance(88.5);
    assert.deepEqual(fixture.dispatches, [{ reason: 'next-would-miss', rows: 1, atMs: 1088.5 }]);
    fixture.clock.advance(500);
    assert.deepEqual(batchesOf(fixture), [['a'], ['b']]);
  });

  test("is dispatched earlier if a request's timeout is before the objective", () => {
    const fixture = warm();
    fixture.send('a');
    fixture.send('b', { timeoutMs: 50 });
    fixture.clock.advance(500);
    // A batch of two takes 12 ms; twice that is reserved, and 2 ms for timers.
    assert.equal(fixture.dispatches[0]?.atMs, 1024);
    assert.deepEqual([fixture.codeOf('a'), fixture.codeOf('b')], ['ok', 'ok']);
  });

  test("is never held so long that a run of twice the expected time exceeds the endpoint's timeout", () => {
    for (const latencyMs of [300, 5000, 90_000]) {
      for (const marginMsFixed of [0, 20]) {
        const fixture = warm({ settings: { objective: { percentile: 95, latencyMs }, timeoutMs: 300 }, marginMsFixed });
        fixture.takesMs = (rows) => 2 * (10 + rows);
        for (let i = 0; i < 40; i++) fixture.at(1000 + 37 * i, () => fixture.send(`${i}`));
        fixture.clock.advance(3000);
        assert(fixture.dispatches.some(({ rows }) => rows > 1));
        for (let i = 0; i < 40; i++) assert.equal(fixture.codeOf(`${i}`), 'ok');
        assert.equal(fixture.functions.objective?.latencyMs, 300, 'limited by the timeout');
      }
    }
  });

  test('is limited in rows: a request that fills it runs alone, and one that does not fit closes it', () => {
    const fixture = warm();
    fixture.send('a', { rows: 3 });
    fixture.send('b', { rows: 2 });
    fixture.send('c', { rows: 7 });
    fixture.clock.advance(500);
    assert.deepEqual(
      fixture.dispatches.map(({ reason, rows }) => [reason, rows]),
      [
        ['full', 3],
        ['full', 2],
        ['full', 7],
      ],
    );
  });

  test('is not held open without an objective, with B = 1, or while service times are unknown', () => {
    for (const options of [{ settings: { objective: null } }, { setting: { batchSizeMax: 1 } }, { serviceMs: null }]) {
      const fixture = warm(options);
      for (const id of ['a', 'b']) fixture.send(id);
      assert.deepEqual(batchesOf(fixture), [['a'], ['b']]);
      assert(fixture.dispatches.every(({ reason }) => reason === 'idle'));
    }
  });

  test('is held open for a fixed wait, with or without an objective, unless a client timeout is earlier', () => {
    for (const objective of [null, { percentile: 95, latencyMs: 100 }]) {
      const fixture = warm({ settings: { objective }, functions: { batching: { kind: 'fixed', batchSizeMax: 3, waitMsMax: 30 } } });
      fixture.pool.configure(fixture.settings());
      fixture.functions.apply({ memoryMiB: 2048, batchSizeMax: 3, waitMsMax: 30, decisionId: null });
      fixture.send('a');
      fixture.at(1030, () => fixture.send('b'));
      fixture.at(1040, () => ['c', 'd', 'e'].forEach((id) => fixture.send(id)));
      fixture.at(1050, () => fixture.send('f', { timeoutMs: 25 }));
      fixture.clock.advance(500);
      assert.deepEqual(fixture.dispatches, [
        { reason: 'timeout', rows: 2, atMs: 1030 },
        { reason: 'full', rows: 3, atMs: 1040 },
        { reason: 'timeout', rows: 1, atMs: 1051 },
      ]);
    }
  });

  test('keeps the setting with which it was opened', () => {
    const fixture = warm();
    fixture.send('a');
    fixture.apply({ batchSizeMax: 1 });
    fixture.send('b');
    assert.deepEqual(batchesOf(fixture), []);
    fixture.clock.advance(500);
    assert.deepEqual(batchesOf(fixture), [['a', 'b']]);
    fixture.send('c');
    assert.equal(batchesOf(fixture).length, 2);
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

const vectors = JSON.parse(readFileSync(new URL('../../../test/batching/vectors.json', import.meta.url), 'utf8')) as {
  slack: SlackVector[];
};
const reasonOf: Readonly<Record<string, string>> = { due: 'slack', 'closed-by-arrival': 'next-would-miss', full: 'full' };

describe('the slack rule in serving', () => {
  for (const { id, arrivalsMs, maxBatch, sloMs, marginMs, serviceMs, expected } of vectors.slack) {
    test(`${id}: batches are dispatched at the expected time, for the expected reason, and all requests are answered`, () => {
      const fixture = new FunctionPoolFixture({
        settings: { objective: { percentile: 95, latencyMs: sloMs } },
        functions: { provisioned: 50, maxConcurrency: 50 },
        setting: { batchSizeMax: maxBatch },
        serviceMs: (rows) => serviceMs[rows - 1] as number,
        batchMax: serviceMs.length,
        coldMs: 0,
        marginMsFixed: marginMs,
      });
      fixture.clock.advance(0);
      for (const [i, atMs] of arrivalsMs.entries()) fixture.at(atMs, () => fixture.send(`${i}`));
      fixture.clock.advance(10_000);
      const near = (actual: number | undefined, wanted: number): void =>
        assert(actual !== undefined && Math.abs(actual - wanted) <= 1e-9, `${actual} is ${wanted}`);
      assert.deepEqual(
        fixture.dispatches.map(({ reason, rows }) => [reason, rows]),
        expected.batches.map(({ cause, size }) => [reasonOf[cause], size]),
      );
      for (const [i, { first, size, dispatchMs }] of expected.batches.entries()) {
        near(fixture.runs[i]?.atMs, dispatchMs);
        assert.deepEqual(
          fixture.runs[i]?.requests,
          Array.from({ length: size }, (_, k) => `${first + k}`),
        );
      }
      for (const [i, latencyMs] of expected.latenciesMs.entries()) {
        near((fixture.outcomes.get(`${i}`)?.atMs ?? Number.NaN) - (arrivalsMs[i] as number), latencyMs);
      }
    });
  }
});
