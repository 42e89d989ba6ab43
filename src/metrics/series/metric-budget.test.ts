import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { sizeOfFile } from '../../storage/index.ts';
import { MetricBudget } from './metric-budget.ts';
import type { SpanResolution } from './metric-rows.ts';
import { MetricStore } from './metric-store.ts';

const epochMs = Date.UTC(2026, 10, 24, 12);
const metricKey = { namespace: 'Penstock', dimensions: { EndpointName: 'digits' } };
const metric = { name: 'Latency', unit: 'Milliseconds' };
const noOne = (error: unknown): void => assert.fail(String(error));

/** Rows of 2 kB: half an hour of seconds, half a day of ten seconds, four days of minutes. */
async function fixture(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(epochMs);
  const now = epochMs / 1000;
  const rows = async (resolution: SpanResolution, count: number): Promise<void> => {
    for (let i = 0; i < count; i += 200) {
      const ats = Array.from({ length: 200 }, (_, k) => now - (i + k + 1) * resolution);
      const values = ats.map((at) => ({ group_id: 1, at, data: Buffer.alloc(2000) }));
      await db.insertInto(`metric_rows_${resolution}`).values(values).execute();
    }
  };
  await rows(1, 1800);
  await rows(10, 4000);
  await rows(60, 5800);
  const oldest = async (resolution: SpanResolution): Promise<number | null> => {
    const row = await db.selectFrom(`metric_rows_${resolution}`).select('at').orderBy('at').limit(1).executeTakeFirst();
    return row === undefined ? null : now - Number(row.at);
  };
  const full: number[] = [];
  const dropped = new Map<SpanResolution, number>();
  const budgetOf = (bytesMax: number): MetricBudget =>
    new MetricBudget({
      db,
      clock,
      bytesMax,
      onDropped: (resolution, before) => dropped.set(resolution, now - before),
      onFull: ({ usedBytes }) => full.push(usedBytes),
      onFailure: noOne,
    });
  const { usedBytes } = await sizeOfFile(db);
  return { db, clock, oldest, full, dropped, budgetOf, usedBytes };
}

test('deletes nothing below the limit', async (t) => {
  const { oldest, full, budgetOf, usedBytes } = await fixture(t);
  await budgetOf(usedBytes).enforce();
  assert.deepEqual([await oldest(1), await oldest(10), await oldest(60), full.length], [1800, 40_000, 348_000, 0]);
});

test('deletes the oldest data of the finest resolution first, and retains the latest of each', async (t) => {
  const { oldest, full, dropped, budgetOf, usedBytes } = await fixture(t);
  await budgetOf(usedBytes - 1_000_000).enforce();
  const [seconds, tens] = [await oldest(1), await oldest(10)];
  assert(seconds !== null && seconds >= 300 && seconds < 1800, `${seconds}`);
  assert.equal(dropped.get(1), seconds);
  assert.equal(tens, 40_000);
  await budgetOf(usedBytes - 8_000_000).enforce();
  assert.deepEqual([await oldest(1), await oldest(60)], [300, 348_000]);
  await budgetOf(1).enforce();
  assert.deepEqual([await oldest(1), await oldest(10), await oldest(60)], [300, 3600, 86_400]);
  assert.equal(full.length, 3);
});

test('reports once that it is full, and reuses freed space', async (t) => {
  const { db, clock, full, budgetOf, usedBytes } = await fixture(t);
  const budget = budgetOf(usedBytes - 2_000_000);
  await budget.enforce();
  await budget.enforce();
  assert.equal(full.length, 1);
  const { usedBytes: used, freeBytes } = budget.size;
  assert(used <= usedBytes - 2_000_000 && freeBytes > 1_000_000);
  const values = Array.from({ length: 200 }, (_, i) => ({ group_id: 2, at: clock.wallMs() / 1000 - i, data: Buffer.alloc(2000) }));
  await db.insertInto('metric_rows_60').values(values).execute();
  const after = await sizeOfFile(db);
  assert.equal(after.usedBytes + after.freeBytes, used + freeBytes);
});

test('checks once a minute', async (t) => {
  const { clock, full, budgetOf } = await fixture(t);
  const budget = budgetOf(1);
  await budget.open();
  assert(budget.size.usedBytes > 10_000_000);
  clock.advance(60_000);
  await budget.close();
  assert.equal(full.length, 1);
});

test('falls back to the next coarser resolution for deleted seconds, also after a restart', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(epochMs);
  const store = new MetricStore({ db, clock, onFailure: noOne });
  await store.open();
  store.feed(metricKey, metric).add(5);
  clock.advance(600_000);
  await store.flush();
  const budget = new MetricBudget({
    db,
    clock,
    bytesMax: 1,
    onDropped: (...gone) => store.lostValues(...gone),
    onFull: () => {},
    onFailure: noOne,
  });
  await budget.enforce();
  const sumsOf = async (from: MetricStore, fromMs: number): Promise<number[]> => {
    const points = await from.series({ metricKey, ...metric, fromMs, toMs: clock.wallMs() + 1000, periodMs: 1000 });
    return points.map(({ sum }) => sum);
  };
  assert.deepEqual(await sumsOf(store, epochMs - 1000), [5]);
  store.feed(metricKey, metric).add(7);
  await store.close();
  const again = new MetricStore({ db, clock, onFailure: noOne });
  await again.open();
  assert.deepEqual(await sumsOf(again, epochMs - 1000), [5, 7]);
  await again.close();
});

test('reads seconds after a restart if nothing was deleted, however long nothing was measured', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(epochMs);
  const open = async (): Promise<MetricStore> => {
    const store = new MetricStore({ db, clock, onFailure: noOne });
    await store.open();
    return store;
  };
  const store = await open();
  store.feed(metricKey, metric).add(1);
  clock.advance(7_000_000); // the retention of its seconds passes
  for (const value of [2, 3]) {
    store.feed(metricKey, metric).add(value);
    clock.advance(1000);
  }
  await store.close();
  const again = await open();
  const points = await again.series({ metricKey, ...metric, fromMs: clock.wallMs() - 3_000_000, toMs: clock.wallMs(), periodMs: 1000 });
  assert.deepEqual(
    points.map(({ sum }) => sum),
    [2, 3],
  );
  await again.close();
});
