import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { type Clock, VirtualClock } from '../../clock.ts';
import { type Database, openDatabase } from '../../storage/index.ts';
import { logged } from './logged-values.ts';
import { Measure, percentileOf } from './measured.ts';
import { MetricStore } from './metric-store.ts';

const epochMs = Date.UTC(2026, 10, 24, 12);
const digits = { namespace: 'AWS/SageMaker', dimensions: { EndpointName: 'digits', VariantName: 'AllTraffic' } };
const latency = { name: 'ModelLatency', unit: 'Microseconds' };

/** A hundredth of what a server has. */
const few = { groupsMax: 200, spansMax: 1000 };

const databases = [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const;

async function fixture(t: TestContext, open: () => ReturnType<typeof openDatabase> = databases[0][1]) {
  const { db, close } = await open();
  t.after(close);
  const clock = new VirtualClock(epochMs);
  const failures: unknown[] = [];
  const store = await openStore(db, clock, failures);
  return { db, clock, store, failures };
}

async function openStore(db: Database, clock: Clock, failures: unknown[] = []): Promise<MetricStore> {
  const store = new MetricStore({ db, clock, onFailure: (error) => failures.push(error), ...few });
  await store.open();
  return store;
}

/** One per row. */
async function resolutionsOf(db: Database): Promise<number[]> {
  const rows = await Promise.all(
    ([1, 10, 60] as const).map(async (seconds) =>
      (await db.selectFrom(`metric_rows_${seconds}`).select('at').execute()).map(() => seconds),
    ),
  );
  return rows.flat();
}

describe('values put by clients', () => {
  const shop = { namespace: 'Shop', dimensions: { Till: '7' } };
  const sales = { name: 'Sales', unit: 'Count' };
  const of = (value: number): Measure => {
    const measure = new Measure();
    measure.add(value);
    return measure;
  };

  for (const [name, open] of databases) {
    test(`survive a kill once written, with what was put meanwhile (${name})`, async (t) => {
      const { db, clock, store } = await fixture(t, open);
      const waits = [3, 4].map((value) => {
        store.put(shop, sales, clock.wallMs(), of(value));
        return store.written();
      });
      await Promise.all(waits);
      store.put(shop, sales, clock.wallMs(), of(5));
      await store.written();
      const next = await openStore(db, clock); // the first one was not closed
      const [point] = await next.series({ metricKey: shop, ...sales, fromMs: epochMs, toMs: epochMs + 60_000, periodMs: 60_000 });
      assert.deepEqual([point?.count, point?.sum, point?.max], [3, 12, 5]);
    });
  }

  test('are retained but not reported as written if the disk fails', async (t) => {
    const { db, clock, store } = await fixture(t);
    await db.schema.alterTable('metric_rows_1').renameTo('away').execute();
    store.put(shop, sales, clock.wallMs(), of(3));
    await assert.rejects(store.written());
    await db.schema.alterTable('away').renameTo('metric_rows_1').execute();
    await store.written();
    const next = await openStore(db, clock);
    const [point] = await next.series({ metricKey: shop, ...sales, fromMs: epochMs, toMs: epochMs + 60_000, periodMs: 60_000 });
    assert.equal(point?.sum, 3);
  });
});

describe('measured values', () => {
  for (const [how, offMs] of [
    ['a millisecond early', -1],
    ['late', 7],
  ] as const) {
    test(`count in the second of arrival although timers fire ${how}`, async (t) => {
      const { clock, db } = await fixture(t);
      const store = await openStore(db, {
        nowMs: () => clock.nowMs(),
        wallMs: () => clock.wallMs(),
        after: (ms, run) => clock.after(Math.max(ms + offMs, 0), run),
      });
      const feed = store.feed(digits, latency);
      for (let tenth = 0; tenth < 200; tenth++) {
        clock.advance(50);
        feed.add(1);
        clock.advance(50);
      }
      clock.advance(100);
      const series = await store.series({ metricKey: digits, ...latency, fromMs: epochMs, toMs: clock.wallMs(), periodMs: 1000 });
      assert.deepEqual(
        series.map(({ count }) => count),
        Array.from({ length: 20 }, () => 10),
      );
    });
  }

  test('are readable at once per second, ten seconds and minute, with percentiles', async (t) => {
    const { clock, store } = await fixture(t);
    const feed = store.feed(digits, latency);
    for (let second = 0; second < 120; second++) {
      for (let i = 1; i <= 10; i++) feed.add(1000 * i + second);
      clock.advance(1000);
    }
    const toMs = clock.wallMs();
    for (const [periodMs, points] of [
      [1000, 120],
      [10_000, 12],
      [60_000, 2],
    ] as const) {
      const series = await store.series({ metricKey: digits, ...latency, fromMs: epochMs, toMs, periodMs });
      assert.equal(series.length, points);
      assert.equal(
        series.reduce((sum, { count }) => sum + count, 0),
        1200,
      );
      assert.deepEqual([series[0]?.atMs, series[0]?.min], [epochMs, 1000]);
      const p90 = percentileOf(series[0] as (typeof series)[0], 90) as number;
      assert(Math.abs(p90 / 9030 - 1) < 0.01, `p90 ${p90}`);
    }
  });

  test('include unwritten values, and reading writes nothing', async (t) => {
    const { db, clock, store } = await fixture(t);
    const requested = { metricKey: digits, ...latency, fromMs: epochMs, toMs: epochMs + 60_000, periodMs: 10_000 };
    const counts = async () => (await store.series(requested)).map(({ count }) => count);
    const rows = async () => (await resolutionsOf(db)).length;
    store.feed(digits, latency).add(5);
    assert.deepEqual(await counts(), [1]);
    assert.equal(await rows(), 0);
    await store.flush();
    const written = await rows();
    store.feed(digits, latency).add(6);
    store.put(digits, latency, epochMs + 20_000, one(7));
    assert.deepEqual(await counts(), [2, 1]);
    assert.equal(await rows(), written);
    clock.advance(60_000);
    await store.flush();
    assert.deepEqual(await counts(), [2, 1]);
  });

  for (const [name, open] of databases)
    test(`survive a restart within a minute, and late values are added: ${name}`, async (t) => {
      const { db, clock, store } = await fixture(t, open);
      store.feed(digits, latency).add(5);
      clock.advance(7000);
      await store.close();
      const next = await openStore(db, clock);
      next.feed(digits, latency).add(7);
      next.put(digits, latency, epochMs - 3_600_000, one(9));
      clock.advance(61_000);
      next.put(digits, latency, epochMs + 1000, one(11));
      const series = await next.series({
        metricKey: digits,
        ...latency,
        fromMs: epochMs - 3_600_000,
        toMs: clock.wallMs(),
        periodMs: 60_000,
      });
      assert.deepEqual(
        series.map(({ atMs, count, sum }) => [(atMs - epochMs) / 60_000, count, sum]),
        [
          [-60, 1, 9],
          [0, 3, 23],
        ],
      );
    });

  test('per second expire after an hour and per ten seconds after a day; then the next coarser resolution is used', async (t) => {
    const { db, clock, store } = await fixture(t);
    store.feed(digits, latency).add(5);
    clock.advance(2 * 3_600_000);
    await store.flush();
    assert.deepEqual(await resolutionsOf(db), [10, 60]);
    const series = await store.series({ metricKey: digits, ...latency, fromMs: epochMs, toMs: clock.wallMs(), periodMs: 1000 });
    assert.deepEqual(
      series.map(({ atMs, count }) => [atMs, count]),
      [[epochMs, 1]],
    );
    clock.advance(91 * 86_400_000);
    await store.flush();
    assert.deepEqual(await resolutionsOf(db), []);
  });

  test('are listed by namespace, name and dimensions', async (t) => {
    const { clock, store } = await fixture(t);
    store.feed(digits, latency).add(1);
    store.feed({ namespace: 'Custom', dimensions: {} }, { name: 'x', unit: 'None' }).add(1);
    clock.advance(1000);
    await store.flush();
    assert.equal(store.list().length, 2);
    assert.deepEqual(store.list({ dimensions: { EndpointName: 'digits' } }), [{ metricKey: digits, metric: latency }]);
    assert.deepEqual(store.list({ namespace: 'Custom', name: 'y' }), []);
  });
});

describe('trouble', () => {
  test('an idle group writes nothing', async (t) => {
    const { db, clock, store } = await fixture(t);
    store.feed(digits, latency);
    clock.advance(100_000);
    await store.flush();
    assert.deepEqual(await resolutionsOf(db), []);
  });

  test('a flood of names is limited and counted, and affects no other group', async (t) => {
    const { store } = await fixture(t);
    for (let i = 0; i < 300; i++) store.feed({ namespace: 'flood', dimensions: { i: String(i) } }, latency).add(1);
    assert.equal(store.dropped, 100);
    for (let i = 0; i < 300; i++)
      store.put({ namespace: 'flood', dimensions: { i: '1' } }, { name: `m${i}`, unit: 'None' }, epochMs, one(1));
    assert.equal(store.dropped, 201);
  });

  test("a flood of client names takes no room from the server's metrics, also after a restart", async (t) => {
    const { db, clock, store } = await fixture(t);
    for (let i = 0; i < 300; i++) store.put({ namespace: 'flood', dimensions: { i: String(i) } }, latency, epochMs, one(1));
    assert.equal(store.dropped, 100);
    await store.close();
    const next = await openStore(db, clock);
    assert.deepEqual([next.isFullFor([{ metricKey: digits, metric: latency }]), next.dropped], [0, 0]);
    next.feed(digits, latency).add(5);
    assert.deepEqual(next.list({ namespace: digits.namespace }), [{ metricKey: digits, metric: latency }]);
    assert.equal(next.isFullFor([{ metricKey: { namespace: 'flood', dimensions: {} }, metric: latency }]), 1);
  });

  test('old data put by clients takes no room from pending server data', async (t) => {
    const { clock, store } = await fixture(t);
    store.feed(digits, latency).add(5);
    clock.advance(1000);
    const metricKey = { namespace: 'flood', dimensions: {} };
    for (let minute = 1; minute <= 1100; minute++) store.put(metricKey, latency, epochMs - minute * 60_000, one(1));
    assert(store.dropped > 0);
    const series = await store.series({ metricKey: digits, ...latency, fromMs: epochMs, toMs: epochMs + 60_000, periodMs: 1000 });
    assert.deepEqual(
      series.map(({ sum }) => sum),
      [5],
    );
  });

  test("the server's names are limited, too, and a rejected feed loses values until there is room", async (t) => {
    const { db, clock } = await fixture(t);
    let offsetMs = 0;
    const later = { nowMs: () => clock.nowMs(), wallMs: () => clock.wallMs() + offsetMs, after: clock.after.bind(clock) };
    const store = new MetricStore({ db, clock: later, onFailure: (error) => assert.fail(String(error)), ...few });
    await store.open();
    const other = (i: number) => ({ namespace: 'Penstock', dimensions: { EndpointName: `e${i}` } });
    for (let i = 0; i < 200; i++) store.put(other(i), latency, epochMs, one(1));
    const feed = store.feed(digits, latency);
    assert.equal(store.isFullFor([{ metricKey: digits, metric: latency }]), 1);
    feed.add(5);
    feed.addAll(logged(Float64Array.of(1, 2)), 1);
    assert.equal(store.dropped, 3);
    await store.flush();
    // A group that is not held counts for one to two hours after its last value; its data remains.
    offsetMs = 2 * 3_600_000;
    await store.flush();
    feed.add(7);
    assert.equal(store.dropped, 3);
    assert.equal(store.list().length, 201);
    offsetMs = 91 * 86_400_000;
    await store.flush();
    assert.deepEqual(store.list(), [{ metricKey: digits, metric: latency }]);
  });

  test('a removed endpoint frees its room and retains its data', async (t) => {
    const { db, clock, store } = await fixture(t);
    const other = (i: number) => ({ namespace: 'Penstock', dimensions: { EndpointName: `e${i}`, VariantName: 'AllTraffic' } });
    for (let i = 0; i < 200; i++) store.feed(other(i), latency);
    store.feed(other(7), latency).add(7);
    const late = store.feed(digits, latency);
    store.release({ EndpointName: 'e7' });
    late.add(1);
    assert.equal(store.dropped, 0);
    const query = { ...latency, fromMs: epochMs, toMs: epochMs + 60_000, periodMs: 60_000 };
    assert.equal((await store.series({ metricKey: other(7), ...query }))[0]?.sum, 7);
    // The limit is reached again, so previous groups cannot return either.
    assert.equal(store.isFullFor([{ metricKey: other(7), metric: latency }]), 1);
    store.feed(other(7), latency).add(1);
    assert.equal(store.dropped, 1);
    await store.close();
    // After a restart, only groups that are fed again count.
    const next = await openStore(db, clock);
    for (let i = 0; i < 200; i++) next.feed({ namespace: 'Penstock', dimensions: { EndpointName: `new${i}` } }, latency);
    assert.equal(next.dropped, 0);
    assert.equal((await next.series({ metricKey: other(7), ...query }))[0]?.sum, 7);
    await next.close();
  });

  test('retries values that could not be written', async (t) => {
    const { db, clock, store, failures } = await fixture(t);
    const feed = store.feed(digits, latency);
    feed.add(1);
    await db.schema.alterTable('metric_rows_1').renameTo('elsewhere').execute();
    clock.advance(1000);
    await store.flush();
    assert(failures.length > 0);
    await db.schema.alterTable('elsewhere').renameTo('metric_rows_1').execute();
    feed.add(2);
    const series = await store.series({ metricKey: digits, ...latency, fromMs: epochMs, toMs: epochMs + 60_000, periodMs: 60_000 });
    assert.deepEqual(
      series.map(({ count, sum }) => [count, sum]),
      [[2, 3]],
    );
  });

  for (const [what, stepMs] of [
    ['back by an hour', -3_600_000],
    ['forward by a day', 86_400_000],
  ] as const) {
    test(`loses and duplicates no value if the clock is set ${what}`, async (t) => {
      const { db, clock } = await fixture(t);
      let offsetMs = 0;
      const stepping = { nowMs: () => clock.nowMs(), wallMs: () => clock.wallMs() + offsetMs, after: clock.after.bind(clock) };
      const failures: unknown[] = [];
      const store = new MetricStore({ db, clock: stepping, onFailure: (error) => failures.push(error), ...few });
      await store.open();
      const feed = store.feed(digits, latency);
      for (let second = 0; second < 60; second++) {
        if (second === 30) offsetMs = stepMs;
        feed.add(1);
        clock.advance(1000);
        if (second % 10 === 9) await store.flush();
      }
      const [fromMs, toMs] = [epochMs - 2 * 3_600_000, epochMs + 2 * 86_400_000];
      const series = await store.series({ metricKey: digits, ...latency, fromMs, toMs, periodMs: 60_000 });
      assert.equal(
        series.reduce((sum, { count }) => sum + count, 0),
        60,
      );
      assert.deepEqual(failures, []);
      await store.close();
    });
  }

  test('rejects a query for too many periods', async (t) => {
    const { store } = await fixture(t);
    await assert.rejects(
      store.series({ metricKey: digits, ...latency, fromMs: 0, toMs: epochMs, periodMs: 1000 }).then(() => undefined),
      /^$|periods/,
    );
  });
});

function one(value: number): Measure {
  const measure = new Measure();
  measure.add(value);
  return measure;
}
