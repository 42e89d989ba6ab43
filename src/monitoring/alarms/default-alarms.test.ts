import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../clock.ts';
import { budgetOf } from '../../objective.ts';
import { openDatabase } from '../../storage/index.ts';
import { Events } from '../records/events.ts';
import { Predecessors } from '../records/predecessors.ts';
import { AnswerColumns } from '../series/answer-columns.ts';
import { MetricStore } from '../series/metric-store.ts';
import { penstockNamespace, placeOfVariant, VariantSeries } from '../series/variant-series.ts';
import { Alarms } from './alarms.ts';
import { burnRuling, burns, lookAtDefaults, ringsFrom, type WatchedEndpoint } from './default-alarms.ts';

const objective = { percentile: 95, latencyMs: 50 };
const digits: WatchedEndpoint = {
  name: 'digits',
  variants: ['AllTraffic'],
  createdAtMs: 0,
  objective,
  objectiveSinceMs: 0,
  trouble: null,
  backlog: null,
};

async function house(t: TestContext) {
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 24, 12));
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  const events = new Events(db, clock);
  const predecessors = new Predecessors(events);
  const scene = { endpoints: [digits] as readonly WatchedEndpoint[] };
  const alarms: Alarms = new Alarms({
    db,
    clock,
    store,
    events,
    act: async () => 'done',
    lookElsewhere: (own) =>
      lookAtDefaults({ alarms: own, store, endpoints: () => scene.endpoints, predecessors, wallMs: () => clock.wallMs() }),
    onFailure: (alarm, error) => assert.fail(`${alarm}: ${String(error)}`),
  });
  const series = new VariantSeries(store, 'digits', 'AllTraffic');
  /** So many answers, of which so many are late, and so many calls that fail. */
  const measure = (answers: number, late: number, failures = 0): void => {
    const columns = new AnswerColumns();
    for (let i = 0; i < answers; i++) {
      const answer = { totalMs: 10, queueMs: 1, computeMs: 8, encodeMs: 1, rows: 1, costUsd: 0 };
      if (columns.add(answer, i < late) || i === answers - 1) {
        series.answered(columns, 'instance');
        columns.clear();
      }
    }
    for (let i = 0; i < failures; i++) series.refused('model_failed');
  };
  /** A minute that begins with them. */
  const minute = (...measured: Parameters<typeof measure>): void => {
    measure(...measured);
    clock.advance(minuteMs);
  };
  const states = async (): Promise<string[]> => {
    await alarms.look();
    return alarms.list().map(({ name, state }) => `${name.split('/')[2]} ${state}`);
  };
  const erase = async (): Promise<void> => {
    await events.record(db, { kind: 'endpoint.deleted', subject: 'digits', detail: {} });
    scene.endpoints = [];
    await alarms.look();
  };
  const create = (): void => {
    scene.endpoints = [{ ...digits, createdAtMs: clock.wallMs(), objectiveSinceMs: clock.wallMs() }];
  };
  /** Epoch milliseconds; from now on unless given. */
  const promise = (latencyMs: number, objectiveSinceMs = clock.wallMs()): void => {
    scene.endpoints = [{ ...digits, objective: { ...objective, latencyMs }, objectiveSinceMs }];
  };
  return { scene, clock, alarms, store, measure, minute, states, erase, create, promise };
}

const minuteMs = 60_000;

describe('every endpoint', () => {
  test('has alarms without anybody asking, and none when it is gone', async (t) => {
    const { scene, alarms, minute, states } = await house(t);
    minute(100, 0);
    assert.deepEqual(await states(), ['crash-loop OK', 'errors OK', 'objective OK']);
    assert.match(alarms.get('penstock/digits/objective')?.description ?? '', /Every endpoint with an objective has this alarm/);
    scene.endpoints = [];
    assert.deepEqual(await states(), []);
  });

  test('rings when the promise is broken for long enough, and now; and is calm soon after', async (t) => {
    const { alarms, minute, states } = await house(t);
    for (let i = 0; i < 60; i++) minute(100, 1);
    assert.deepEqual((await states())[2], 'objective OK');
    for (let i = 0; i < 30; i++) minute(100, 26);
    assert.deepEqual((await states())[2], 'objective ALARM');
    assert.match(
      alarms.get('penstock/digits/objective')?.stateReason ?? '',
      /^13.5 % of the last 60 min \(810 of 6000\) and .* took longer than 50 ms, where 5.0 % may; it rings while both are 10.0 % or more$/,
    );
    for (let i = 0; i < 31; i++) minute(100, 0);
    assert.deepEqual((await states())[2], 'objective OK');
    minute(40, 3);
    await states();
    const found = alarms.foundLast('penstock/digits/objective');
    assert.match(found ?? '', /\(\d+ of \d+\) took longer/);
    assert.notEqual(found, alarms.get('penstock/digits/objective')?.stateReason, 'what it finds is told although its state stays');
  });

  test('does not ring for a cold start at its very beginning', async (t) => {
    const { alarms, minute, states } = await house(t);
    // Some seconds, on both sides of a full minute.
    minute(20, 20);
    minute(60, 20);
    assert.equal((await states())[2], 'objective OK');
    const beginning = /^50.0 % of the last 60 min .*; all of them came within the last 6 min, which does not ring yet$/;
    assert.match(alarms.get('penstock/digits/objective')?.stateReason ?? '', beginning);
    for (let i = 0; i < 60; i++) {
      minute(i % 5 === 0 ? 2 : 0, 0);
      assert.equal((await states())[2], 'objective OK', `${i} min later`);
    }
  });

  test('does not ring for a handful, but when it goes on', async (t) => {
    const { alarms, minute, states } = await house(t);
    for (let i = 0; i < 10; i++) minute(1, 0);
    for (let i = 0; i < 4; i++) minute(2, 2);
    assert.equal((await states())[2], 'objective OK');
    const found = alarms.foundLast('penstock/digits/objective') ?? alarms.get('penstock/digits/objective')?.stateReason;
    assert.match(found ?? '', /\(8 of 18\) took longer .*; so few do not ring$/);
    for (let i = 0; i < 3; i++) minute(2, 2);
    assert.equal((await states())[2], 'objective ALARM');
  });

  test('is judged by what came to it, not to one that had its name before', async (t) => {
    const { clock, minute, states, erase, create } = await house(t);
    for (let i = 0; i < 10; i++) minute(100, 95, 20);
    assert.deepEqual((await states()).slice(1), ['errors ALARM', 'objective ALARM']);
    await erase();
    clock.advance(1000);
    create();
    assert.deepEqual((await states()).slice(1), ['errors OK', 'objective OK']);
    clock.advance(20_000);
    for (let i = 0; i < 7; i++) minute(100, 95, 20);
    assert.deepEqual((await states()).slice(1), ['errors ALARM', 'objective ALARM']);
    for (let i = 0; i < 10; i++) minute(100, 95, 20);
    assert.deepEqual((await states()).slice(1), ['errors ALARM', 'objective ALARM'], 'and when it is older');
  });

  for (const { when, sinceGoneMs, found } of [
    { when: 'where none had its name before', sinceGoneMs: null, found: '25 of 25' },
    { when: 'where one of its name was deleted in the same ten seconds', sinceGoneMs: 1200, found: '25 of 25' },
    { when: 'but for the second that it shares with one of its name', sinceGoneMs: 200, found: '0 of 0' },
  ]) {
    test(`is judged from the moment on at which it was made, ${when}`, async (t) => {
      const { clock, alarms, measure, minute, states, erase, create } = await house(t);
      clock.advance(2000);
      if (sinceGoneMs !== null) measure(1000, 1000, 1000);
      clock.advance(500);
      if (sinceGoneMs !== null) await erase();
      clock.advance(sinceGoneMs ?? 0);
      create();
      clock.advance(100);
      minute(25, 25, 5);
      assert.equal((await states())[1], `errors ${found === '0 of 0' ? 'OK' : 'ALARM'}`);
      const { stateReason = '' } = alarms.get('penstock/digits/objective') ?? {};
      assert.match(stateReason, new RegExp(`^\\S+ % of the last 60 min \\(${found}\\)`));
    });
  }

  test('is not judged by what another objective was missed by, and says what this one was', async (t) => {
    const { clock, alarms, measure, minute, states, promise } = await house(t);
    for (let i = 0; i < 20; i++) minute(100, 50);
    assert.equal((await states())[2], 'objective ALARM');
    clock.advance(2000);
    measure(100, 50);
    clock.advance(500);
    promise(1);
    clock.advance(1000);
    minute(40, 1);
    assert.equal((await states())[2], 'objective OK');
    assert.match(alarms.foundLast('penstock/digits/objective') ?? '', /^2\.5 % of the last 60 min \(1 of 40\) took longer than 1 ms/);
    for (let i = 0; i < 10; i++) minute(100, 50);
    assert.equal((await states())[2], 'objective ALARM');
    promise(50, Number.POSITIVE_INFINITY);
    assert.equal((await states())[2], 'objective OK', 'nothing was judged by one that is not served yet');
  });

  test('inherits nothing once seconds are kept no longer, and keeps what began since it was made', async (t) => {
    const { clock, minute, states, erase, create } = await house(t);
    minute(1000, 1000);
    await erase();
    clock.advance(2500);
    create();
    clock.advance(10_000);
    minute(100, 0); // in the minute in which it was made, ten seconds later
    clock.advance(70 * minuteMs);
    minute(40, 6);
    assert.equal((await states())[2], 'objective OK', '6 of 140 within six hours');
    minute(40, 40);
    assert.equal((await states())[2], 'objective ALARM', '46 of 180, and 46 of 80 within the last half hour');
  });

  test('rings when calls fail, not for one of a few', async (t) => {
    const { minute, states } = await house(t);
    minute(2, 0, 1);
    assert.deepEqual((await states())[1], 'errors OK');
    minute(100, 0, 20);
    assert.deepEqual((await states())[1], 'errors ALARM');
    minute(100, 0, 0);
    minute(100, 0, 0);
    assert.deepEqual((await states())[1], 'errors OK');
  });

  test('rings for workers that end again and again, and for what waits too long', async (t) => {
    const { scene, minute, states } = await house(t);
    minute(1, 0);
    scene.endpoints = [{ ...digits, trouble: 'its worker died 5 times', backlog: { oldestMs: 700_000, mostMs: 600_000 } }];
    assert.deepEqual(await states(), ['backlog-age ALARM', 'crash-loop ALARM', 'errors OK', 'objective OK']);
  });

  test('says that it does not know where nothing is kept of what it looks at, since there are too many names', async (t) => {
    const { scene, alarms, store, states } = await house(t);
    for (let i = 0; i < 20_000; i++)
      store.feed(placeOfVariant(penstockNamespace, `e${i}`, 'AllTraffic'), { name: 'Latency', unit: 'Milliseconds' });
    scene.endpoints = [{ ...digits, name: 'late' }];
    assert.deepEqual(await states(), ['crash-loop OK', 'errors INSUFFICIENT_DATA', 'objective INSUFFICIENT_DATA']);
    const why = /^nothing is kept of what late\/AllTraffic measures: there are too many/;
    assert.match(alarms.foundLast('penstock/late/errors') ?? '', why);
    // It began with this state, which therefore never changed: its reason is told all the same.
    assert.match(alarms.get('penstock/late/errors')?.stateReason ?? '', why);
  });

  test('tells how long something waits, and how long it may, in the units that people would take', async (t) => {
    const { scene, alarms, states } = await house(t);
    const said = async (oldestMs: number, mostMs: number): Promise<string | null | undefined> => {
      scene.endpoints = [{ ...digits, backlog: { oldestMs, mostMs } }];
      await states();
      return alarms.foundLast('penstock/digits/backlog-age') ?? alarms.get('penstock/digits/backlog-age')?.stateReason;
    };
    assert.equal(await said(0, 50), 'nothing waits; more than 50 ms would be too long');
    assert.equal(await said(250_000, 120_000), 'the oldest has waited for 4.2 min; more than 2 min would be too long');
  });
});

/** Of the late answers, so many of the hour and of six, and so many of the last minutes. */
const burning =
  (long: number, short: number, all = 1000) =>
  (ms: number) => {
    const isLong = ms >= 3_600_000;
    return { all: isLong ? all : all / 10, bad: Math.round(isLong ? all * long : (all / 10) * short) };
  };
const promise = (percentile: number) => ({ percentile, latencyMs: 50 });

test('a burn that is over does not ring, nor one that few have seen', () => {
  assert.equal(burnRuling(objective, burning(0.9, 0.9)).state, 'ALARM');
  assert.match(burnRuling({ percentile: 95, latencyMs: 120_000 }, burning(0, 0)).reason, /took longer than 2 min, where/);
  assert.equal(burnRuling(objective, burning(0.9, 0.05)).state, 'OK');
  assert.equal(burnRuling(objective, burning(0.05, 0.9)).state, 'OK');
  assert.equal(burnRuling(objective, burning(0.9, 0.9, 40)).state, 'OK');
  assert.match(burnRuling(promise(50), burning(0.9, 0.9)).reason, /where 50\.0 % may; it rings while both are 55\.0 % or more$/);
  assert.match(burnRuling(promise(99.99), burning(0.1, 0.1)).reason, /where 0\.010 % may; it rings while both are 0\.144 % or more$/);
});

for (const { percentile, fast, slow } of [
  { percentile: 50, fast: 0.55, slow: 0.525 },
  { percentile: 90, fast: 0.15, slow: 0.125 },
  { percentile: 95, fast: 0.1, slow: 0.075 },
  { percentile: 99, fast: 0.06, slow: 0.035 },
  { percentile: 99.9, fast: 0.0144, slow: 0.006 },
]) {
  test(`p${percentile} rings where ${fast} of all are late within an hour, or ${slow} within six`, () => {
    assert.deepEqual(
      burns.map((burn) => Number(ringsFrom(budgetOf(promise(percentile)), burn).toFixed(9))),
      [fast, slow],
    );
    const of = (share: number) => burnRuling(promise(percentile), burning(share, share, 100_000)).state;
    assert.deepEqual([of(slow - 0.001), of(slow + 0.001)], ['OK', 'ALARM']);
  });
}

test('a broken promise rings at more than may, the looser it is the later, and as the Workbook has it where little may', () => {
  const budgets = fc.integer({ min: 1, max: 50_000 }).map((thousandths) => thousandths / 100_000);
  fc.assert(
    fc.property(budgets, budgets, fc.constantFrom(...burns), (one, other, burn) => {
      const [strict, loose] = [Math.min(one, other), Math.max(one, other)];
      const from = ringsFrom(strict, burn);
      assert(from > strict && from < 1);
      assert(from <= ringsFrom(loose, burn));
      if (strict <= 0.003) assert.equal(from, burn.rate * strict);
    }),
  );
});
