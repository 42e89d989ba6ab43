import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import { MetricStore } from '../../metrics/index.ts';
import { SeededRandom } from '../../random.ts';
import { Events } from '../../records/index.ts';
import { type OpenDatabase, openDatabase } from '../../storage/index.ts';
import { bytesOf, type Datatype, encodeStrings, newArray, type Tensor } from '../../tensor.ts';
import { DriftMonitor } from './drift-monitor.ts';
import { DriftWindow, spanMs, windowMs } from './drift-window.ts';
import { featureRows, predictionsOf } from './features.ts';
import { baselinesOf } from './report.ts';

function tensor(name: string, datatype: Exclude<Datatype, 'BYTES'>, shape: readonly number[], values: readonly number[]): Tensor {
  const array = newArray(datatype, values.length);
  for (const [i, value] of values.entries()) array[i] = array instanceof BigInt64Array ? BigInt(value) : value;
  return { name, datatype, shape, data: bytesOf(array) };
}

describe('features', () => {
  test('are input columns, named after the input if it has one value per row', () => {
    const rows = featureRows([tensor('x', 'FP32', [2, 2], [1, 2, 3, 4]), tensor('age', 'INT64', [2], [30, 40])], 2);
    assert.deepEqual(rows.names, ['x[0]', 'x[1]', 'age']);
    assert.deepEqual(
      [rows.row(0), rows.row(1)],
      [
        [1, 2, 30],
        [3, 4, 40],
      ],
    );
  });

  test('exclude redacted names, texts, images and tensors without a row dimension', () => {
    const texts: Tensor = { name: 't', datatype: 'BYTES', shape: [2], data: encodeStrings(['a', 'b']) };
    const all = [texts, tensor('big', 'UINT8', [2, 600], new Array<number>(1200).fill(0)), tensor('same', 'FP32', [3], [1, 2, 3])];
    assert.deepEqual(featureRows(all, 2).names, []);
    const x = tensor('x', 'FP32', [2, 2], [1, 2, 3, 4]);
    assert.deepEqual([featureRows([x], 2, new Set(['x[0]'])).names, featureRows([x], 2, new Set(['x'])).names], [['x[1]'], []]);
  });

  test('decode half-precision values', () => {
    assert.deepEqual(featureRows([tensor('x', 'FP16', [1, 3], [0x3c00, 0xc000, 0x0001])], 1).row(0), [1, -2, 2 ** -24]);
  });
});

describe('predictions', () => {
  const scores = tensor('p', 'FP32', [2, 3], [0.125, 0.75, 0.125, 0.5, 0.25, 0.25]);
  test('are classes if the model returns labels, with the largest score', () => {
    assert.deepEqual(predictionsOf([tensor('l', 'INT64', [2], [7, 9]), scores], 2), { kind: 'class', values: [7, 9], scores: [0.75, 0.5] });
    const texts: Tensor = { name: 'l', datatype: 'BYTES', shape: [2, 1], data: encodeStrings(['ham', 'spam']) };
    assert.deepEqual(predictionsOf([texts], 2), { kind: 'class', values: ['ham', 'spam'], scores: null });
  });

  test('are the classes with the largest score, or values', () => {
    assert.deepEqual(predictionsOf([scores], 2)?.values, [1, 0]);
    assert.deepEqual(predictionsOf([tensor('y', 'FP64', [2, 1], [1.5, 2.5])], 2), { kind: 'value', values: [1.5, 2.5], scores: null });
    assert.equal(predictionsOf([tensor('y', 'FP32', [5], [1, 2, 3, 4, 5])], 2), null);
    assert.equal(predictionsOf([scores], 2, new Set(['p'])), null);
  });
});

describe('the window', () => {
  test('retains a bounded sample of the last hour, proportional to the traffic of each span', () => {
    const window = new DriftWindow('x', ['x'], new SeededRandom(1));
    const feed = (atMs: number, count: number, value: number): void => {
      for (let i = 0; i < count; i++) window.offer(atMs, () => [value]);
    };
    feed(0, 10_000, -1);
    feed(windowMs + 1, 10_000, 1);
    feed(windowMs + spanMs, 30_000, 2);
    const sample = window.sample(windowMs + spanMs + 1).map(([value]) => value);
    assert.equal(window.rowCount(windowMs + spanMs + 1), 40_000);
    assert(sample.length <= 1000 && sample.length >= 500, `${sample.length}`);
    assert(!sample.includes(-1));
    const twos = sample.filter((value) => value === 2).length / sample.length;
    assert(Math.abs(twos - 0.75) < 0.01, `${twos}`);
  });
});

async function addEndpoint({ db }: OpenDatabase, name: string): Promise<void> {
  const times = { created_at: 0, updated_at: 0 };
  await db
    .insertInto('endpoints')
    .values({ name_key: name, name, config: '{}', generation: 1, desired: 'InService', ...times })
    .execute();
}

async function fixture(t: TestContext, open: () => Promise<OpenDatabase>) {
  const opened = await open();
  t.after(opened.close);
  await addEndpoint(opened, 'digits');
  const clock = new VirtualClock(Date.UTC(2026, 10, 24));
  const events = new Events(opened.db, clock);
  const published: string[] = [];
  events.subscribe(({ kind, subject, detail }) => published.push(`${kind} ${subject} ${(detail as { drifted: number }).drifted}`));
  const metricsDb = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' }, ['metrics']);
  t.after(metricsDb.close);
  const store = new MetricStore({ db: metricsDb.db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  const watched: string[] = [];
  const names = ['digits'];
  const openWatch = async (): Promise<DriftMonitor> => {
    const watch = new DriftMonitor({
      db: opened.db,
      clock,
      random: new SeededRandom(3),
      store,
      events,
      endpoints: () => names,
      onWatched: (endpoint, isWatched) => watched.push(`${endpoint} ${isWatched}`),
      onFailure: (error) => assert.fail(String(error)),
    });
    await watch.open();
    t.after(() => watch.close());
    return watch;
  };
  const random = new SeededRandom(5);
  const normal = (): number => Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
  const rows = (count: number, shift: number): number[][] => Array.from({ length: count }, () => [normal(), normal() + shift, normal()]);
  const send = (watch: DriftMonitor, all: readonly number[][]): void => {
    const inputs = featureRows([tensor('x', 'FP64', [all.length, 3], all.flat())], all.length);
    watch.observe('Digits', 'AllTraffic', all.length, inputs, null);
  };
  const columns = (all: readonly number[][]) => new Map([0, 1, 2].map((i) => [`x[${i}]`, all.map((row) => row[i] as number)]));
  return { ...opened, clock, store, published, watched, names, openWatch, rows, send, columns };
}

for (const [dialect, open] of [
  ['SQLite', openMemoryDatabase],
  ['PostgreSQL', openPglite],
] as const) {
  describe(`drift, with baselines in ${dialect}`, () => {
    test('is detected in the shifted feature, published once, and published again when it ends', async (t) => {
      const { clock, store, published, watched, openWatch, rows, send, columns } = await fixture(t, open);
      const watch = await openWatch();
      await watch.setBaseline('digits', await baselinesOf(columns(rows(1000, 0))), 'rows that were posted');
      assert.deepEqual(watched, ['digits true']);
      send(watch, rows(400, 0));
      await watch.poll();
      assert.deepEqual([watch.lastPoll('DIGITS')?.drifted, published], [0, []]);
      clock.advance(windowMs + spanMs);
      send(watch, rows(400, 1));
      await watch.poll();
      await watch.poll();
      const { report, rowsSeen } = await watch.view('digits');
      assert.deepEqual(
        report?.features.map(({ name, hasDrifted }) => [name, hasDrifted]),
        [
          ['x[0]', false],
          ['x[1]', true],
          ['x[2]', false],
        ],
      );
      assert.equal(rowsSeen, 400);
      assert.match(
        watch.lastPoll('digits')?.reason ?? '',
        /^1 of 3 features drifted in the last 60 minutes \(sample of 400 rows\): x\[1\] \(PSI /,
      );
      const metricKey = { namespace: 'Penstock', dimensions: { EndpointName: 'digits' } };
      const points = await store.series({
        metricKey,
        name: 'DriftedFeatures',
        fromMs: 0,
        toMs: clock.wallMs() + 1000,
        periodMs: 86_400_000,
      });
      assert.equal(points[0]?.max, 1);
      clock.advance(windowMs + spanMs);
      send(watch, rows(400, 0));
      await watch.poll();
      assert.deepEqual(published, ['endpoint.drifted digits 1', 'endpoint.drift-ended digits 0']);
    });

    test('baselines survive a restart, and are deleted with their endpoint', async (t) => {
      const { db, names, watched, openWatch, rows, columns } = await fixture(t, open);
      await (await openWatch()).setBaseline('Digits', await baselinesOf(columns(rows(100, 0))), 'rows that were posted');
      const again = await openWatch();
      assert.deepEqual([(await again.view('digits')).baseline?.rows, watched], [100, ['Digits true', 'digits true']]);
      await db.deleteFrom('endpoints').execute();
      names.pop();
      await again.poll();
      assert.deepEqual([(await again.view('digits')).baseline, watched.at(-1)], [null, 'digits false']);
      assert.deepEqual(await db.selectFrom('drift_baselines').selectAll().execute(), []);
    });
  });
}

test('a baseline stored by an earlier version works like a current one', async (t) => {
  const { db, openWatch, rows, columns } = await fixture(t, openMemoryDatabase);
  const made = await (await openWatch()).setBaseline('digits', await baselinesOf(columns(rows(100, 0))), 'rows that were posted');
  const features = made.features.map(({ missing: _missing, ...feature }) => ({ ...feature, bounds: [], shares: [1] }));
  await db
    .updateTable('drift_baselines')
    .set({ document: JSON.stringify({ ...made, features }) })
    .execute();
  assert.deepEqual((await (await openWatch()).view('digits')).baseline, made);
});

test('comparisons yield to the event loop, and calls during one share the next, which sees a baseline that was set meanwhile', async (t) => {
  const { clock, published, openWatch } = await fixture(t, () => openDatabase({ file: ':memory:', synchronous: 'NORMAL' }));
  const watch = await openWatch();
  const wide = 512;
  const observe = (value: number): void => {
    const values = Array.from({ length: 256 * wide }, (_, at) => value + (at % 7));
    watch.observe('digits', 'AllTraffic', 256, featureRows([tensor('x', 'FP64', [256, wide], values)], 256), null);
  };
  for (let span = 0; span < 12; span++, clock.advance(spanMs)) observe(0);
  const baseline = await baselinesOf(await watch.values('digits'));
  await watch.setBaseline('digits', baseline, 'rows of the last hour');
  for (let span = 0; span < 13; span++, clock.advance(spanMs)) observe(100);
  await watch.poll();
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const views = await Promise.all(Array.from({ length: 5 }, () => watch.view('digits')));
  isDone = true;
  assert(turns > 50, `${turns} turns`);
  assert.equal(new Set(views).size, 2);
  assert.deepEqual([views[0]?.report?.drifted, published], [wide, [`endpoint.drifted digits ${wide}`]]);
  const before = watch.view('digits');
  const next = await watch.setBaseline('digits', await baselinesOf(await watch.values('digits')), 'newer rows');
  const after = watch.view('digits');
  assert.deepEqual([(await before).baseline?.source, (await after).baseline], ['rows of the last hour', next]);
});

test('rejects a baseline of few rows or for an unknown endpoint', async (t) => {
  const { openWatch, rows, columns } = await fixture(t, openMemoryDatabase);
  const watch = await openWatch();
  await assert.rejects(watch.setBaseline('digits', await baselinesOf(columns(rows(19, 0))), ''), { code: 'invalid_request' });
  await assert.rejects(watch.setBaseline('missing', await baselinesOf(columns(rows(30, 0))), ''), { code: 'not_found' });
});
