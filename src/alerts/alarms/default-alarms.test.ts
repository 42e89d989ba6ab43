import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { AnswerColumns, MetricStore, penstockNamespace, VariantSeries, variantMetricKey } from '../../metrics/index.ts';
import { budgetOf } from '../../objective.ts';
import { Events, Predecessors } from '../../records/index.ts';
import { Alarms } from './alarms.ts';
import { burnRuling, burns, evaluateDefaultAlarms, firingShare, type WatchedEndpoint } from './default-alarms.ts';

const objective = { percentile: 95, latencyMs: 50 };
const digits: WatchedEndpoint = {
  name: 'digits',
  variants: ['AllTraffic'],
  createdAtMs: 0,
  objective,
  objectiveSinceMs: 0,
  crashReason: null,
  backlog: null,
};

async function fixture(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
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
    readExternal: (own) =>
      evaluateDefaultAlarms({ alarms: own, store, endpoints: () => scene.endpoints, predecessors, wallMs: () => clock.wallMs() }),
    onFailure: (alarm, error) => assert.fail(`${alarm}: ${String(error)}`),
  });
  const series = new VariantSeries(store, 'digits', 'AllTraffic');
  /** Numbers of responses, late responses and failed calls. */
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
  /** One minute, which starts with these responses. */
  const minute = (...measured: Parameters<typeof measure>): void => {
    measure(...measured);
    clock.advance(minuteMs);
  };
  const states = async (): Promise<string[]> => {
    await alarms.poll();
    return alarms.list().map(({ name, state }) => `${name.split('/')[2]} ${state}`);
  };
  const erase = async (): Promise<void> => {
    await events.record(db, { kind: 'endpoint.deleted', subject: 'digits', detail: {} });
    scene.endpoints = [];
    await alarms.poll();
  };
  const create = (): void => {
    scene.endpoints = [{ ...digits, createdAtMs: clock.wallMs(), objectiveSinceMs: clock.wallMs() }];
  };
  /** Epoch milliseconds. Default: now. */
  const promise = (latencyMs: number, objectiveSinceMs = clock.wallMs()): void => {
    scene.endpoints = [{ ...digits, objective: { ...objective, latencyMs }, objectiveSinceMs }];
  };
  return { scene, clock, alarms, store, measure, minute, states, erase, create, promise };
}

const minuteMs = 60_000;

describe('every endpoint', () => {
  test('has default alarms, which are deleted with it', async (t) => {
    const { scene, alarms, minute, states } = await fixture(t);
    minute(100, 0);
    assert.deepEqual(await states(), ['crash-loop OK', 'errors OK', 'objective OK']);
    assert.match(alarms.get('penstock/digits/objective')?.description ?? '', /Every endpoint with an objective has this alarm/);
    scene.endpoints = [];
    assert.deepEqual(await states(), []);
  });

  test('fires while the objective is missed over both windows, and recovers soon after', async (t) => {
    const { alarms, minute, states } = await fixture(t);
    for (let i = 0; i < 60; i++) minute(100, 1);
    assert.deepEqual((await states())[2], 'objective OK');
    for (let i = 0; i < 30; i++) minute(100, 26);
    assert.deepEqual((await states())[2], 'objective ALARM');
    assert.match(
      alarms.get('penstock/digits/objective')?.stateReason ?? '',
      /^13.5 % of responses \(810 of 6,000\) exceeded 50 ms in the last hour and .* in the last 5 min \(5.0 % allowed\); fires while both shares are at least 10.0 %$/,
    );
    for (let i = 0; i < 31; i++) minute(100, 0);
    assert.deepEqual((await states())[2], 'objective OK');
    minute(40, 3);
    await states();
    const found = alarms.lastReason('penstock/digits/objective');
    assert.match(found ?? '', /\(\d+ of [\d,]+\) exceeded/);
    assert.notEqual(
      found,
      alarms.get('penstock/digits/objective')?.stateReason,
      'the last reason is updated although the state is unchanged',
    );
  });

  test('does not fire for the cold start of a first burst', async (t) => {
    const { alarms, minute, states } = await fixture(t);
    // A few seconds around a full minute.
    minute(20, 20);
    minute(60, 20);
    assert.equal((await states())[2], 'objective OK');
    const beginning = /^50.0 % of responses .*; not firing yet: all of them arrived in the last 6 min$/;
    assert.match(alarms.get('penstock/digits/objective')?.stateReason ?? '', beginning);
    for (let i = 0; i < 60; i++) {
      minute(i % 5 === 0 ? 2 : 0, 0);
      assert.equal((await states())[2], 'objective OK', `${i} min later`);
    }
  });

  test('does not fire for a few late responses, but if they continue', async (t) => {
    const { alarms, minute, states } = await fixture(t);
    for (let i = 0; i < 10; i++) minute(1, 0);
    for (let i = 0; i < 4; i++) minute(2, 2);
    assert.equal((await states())[2], 'objective OK');
    const found = alarms.lastReason('penstock/digits/objective') ?? alarms.get('penstock/digits/objective')?.stateReason;
    assert.match(found ?? '', /\(8 of 18\) exceeded .*; not firing: too few late responses$/);
    for (let i = 0; i < 3; i++) minute(2, 2);
    assert.equal((await states())[2], 'objective ALARM');
  });

  test('ignores the data of a previous endpoint of the same name', async (t) => {
    const { clock, minute, states, erase, create } = await fixture(t);
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
    assert.deepEqual((await states()).slice(1), ['errors ALARM', 'objective ALARM'], 'also when it is older');
  });

  for (const { when, sinceGoneMs, found } of [
    { when: 'if no endpoint had its name before', sinceGoneMs: null, found: '25 of 25' },
    { when: 'if an endpoint of that name was deleted in the same ten seconds', sinceGoneMs: 1200, found: '25 of 25' },
    { when: 'except for the second it shares with a previous endpoint', sinceGoneMs: 200, found: '0 of 0' },
  ]) {
    test(`counts data since its creation, ${when}`, async (t) => {
      const { clock, alarms, measure, minute, states, erase, create } = await fixture(t);
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
      assert.match(stateReason, new RegExp(`^\\S+ % of responses \\(${found}\\)`));
    });
  }

  test('ignores misses of a previous objective, and reports those of the current one', async (t) => {
    const { clock, alarms, measure, minute, states, promise } = await fixture(t);
    for (let i = 0; i < 20; i++) minute(100, 50);
    assert.equal((await states())[2], 'objective ALARM');
    clock.advance(2000);
    measure(100, 50);
    clock.advance(500);
    promise(1);
    clock.advance(1000);
    minute(40, 1);
    assert.equal((await states())[2], 'objective OK');
    assert.match(alarms.lastReason('penstock/digits/objective') ?? '', /^2\.5 % of responses \(1 of 40\) exceeded 1 ms in the last hour/);
    for (let i = 0; i < 10; i++) minute(100, 50);
    assert.equal((await states())[2], 'objective ALARM');
    promise(50, Number.POSITIVE_INFINITY);
    assert.equal((await states())[2], 'objective OK', 'an objective that is not served yet has judged nothing');
  });

  test('inherits nothing once seconds have expired, and counts what arrived since its creation', async (t) => {
    const { clock, minute, states, erase, create } = await fixture(t);
    minute(1000, 1000);
    await erase();
    clock.advance(2500);
    create();
    clock.advance(10_000);
    minute(100, 0); // in the minute of its creation, ten seconds later
    clock.advance(70 * minuteMs);
    minute(40, 6);
    assert.equal((await states())[2], 'objective OK', '6 of 140 within six hours');
    minute(40, 40);
    assert.equal((await states())[2], 'objective ALARM', '46 of 180, and 46 of 80 within the last half hour');
  });

  test('fires if calls fail, but not for one of a few', async (t) => {
    const { minute, states } = await fixture(t);
    minute(2, 0, 1);
    assert.deepEqual((await states())[1], 'errors OK');
    minute(100, 0, 20);
    assert.deepEqual((await states())[1], 'errors ALARM');
    minute(100, 0, 0);
    minute(100, 0, 0);
    assert.deepEqual((await states())[1], 'errors OK');
  });

  test('fires for crashing workers, and for an old backlog', async (t) => {
    const { scene, minute, states } = await fixture(t);
    minute(1, 0);
    scene.endpoints = [{ ...digits, crashReason: 'its worker died 5 times', backlog: { oldestMs: 700_000, maxMs: 600_000 } }];
    assert.deepEqual(await states(), ['backlog-age ALARM', 'crash-loop ALARM', 'errors OK', 'objective OK']);
  });

  test('escalation, once more rows went on to the second model of a cascade than its evaluation allows', async (t) => {
    const { scene, minute, states } = await fixture(t);
    const among = async (isDrifted: boolean | null): Promise<string | undefined> => {
      scene.endpoints = [{ ...digits, escalation: { isDrifted, reason: '21.7 % of the rows went on' } }];
      minute(0, 0);
      return (await states()).find((state) => state.startsWith('escalation'));
    };
    assert.equal(await among(null), 'escalation INSUFFICIENT_DATA');
    assert.equal(await among(false), 'escalation OK');
    assert.equal(await among(true), 'escalation ALARM');
    scene.endpoints = [digits];
    assert(!(await states()).some((state) => state.startsWith('escalation')));
  });

  test('reports insufficient data if its metrics exceed the limit', async (t) => {
    const { scene, alarms, store, states } = await fixture(t);
    for (let i = 0; i < 20_000; i++)
      store.feed(variantMetricKey(penstockNamespace, `e${i}`, 'AllTraffic'), { name: 'Latency', unit: 'Milliseconds' });
    scene.endpoints = [{ ...digits, name: 'late' }];
    assert.deepEqual(await states(), ['crash-loop OK', 'errors INSUFFICIENT_DATA', 'objective INSUFFICIENT_DATA']);
    const why = /^no data is stored for late\/AllTraffic: there are too many/;
    assert.match(alarms.lastReason('penstock/late/errors') ?? '', why);
    // The initial state never changed, but its reason is reported.
    assert.match(alarms.get('penstock/late/errors')?.stateReason ?? '', why);
  });

  test('reports the backlog age and its limit in readable units', async (t) => {
    const { scene, alarms, states } = await fixture(t);
    const reasonOf = async (oldestMs: number, maxMs: number): Promise<string | null | undefined> => {
      scene.endpoints = [{ ...digits, backlog: { oldestMs, maxMs } }];
      await states();
      return alarms.lastReason('penstock/digits/backlog-age') ?? alarms.get('penstock/digits/backlog-age')?.stateReason;
    };
    assert.equal(await reasonOf(0, 50), 'the queue is empty; the limit is 50 ms');
    assert.equal(await reasonOf(250_000, 120_000), 'the oldest queued request has waited 4.2 min; the limit is 2 min');
  });
});

/** The share of late responses in the long and in the short windows. */
const burning =
  (long: number, short: number, all = 1000) =>
  (ms: number) => {
    const isLong = ms >= 3_600_000;
    return { all: isLong ? all : all / 10, bad: Math.round(isLong ? all * long : (all / 10) * short) };
  };
const promise = (percentile: number) => ({ percentile, latencyMs: 50 });

test('does not fire for a burn that is over, or with few requests', () => {
  assert.equal(burnRuling(objective, burning(0.9, 0.9)).state, 'ALARM');
  assert.match(burnRuling({ percentile: 95, latencyMs: 120_000 }, burning(0, 0)).reason, /exceeded 2 min in the last hour \(/);
  assert.equal(burnRuling(objective, burning(0.9, 0.05)).state, 'OK');
  assert.equal(burnRuling(objective, burning(0.05, 0.9)).state, 'OK');
  assert.equal(burnRuling(objective, burning(0.9, 0.9, 40)).state, 'OK');
  assert.match(burnRuling(promise(50), burning(0.9, 0.9)).reason, /\(50\.0 % allowed\); fires while both shares are at least 55\.0 %$/);
  assert.match(
    burnRuling(promise(99.99), burning(0.1, 0.1)).reason,
    /\(0\.010 % allowed\); fires while both shares are at least 0\.144 %$/,
  );
});

for (const { percentile, fast, slow } of [
  { percentile: 50, fast: 0.55, slow: 0.525 },
  { percentile: 90, fast: 0.15, slow: 0.125 },
  { percentile: 95, fast: 0.1, slow: 0.075 },
  { percentile: 99, fast: 0.06, slow: 0.035 },
  { percentile: 99.9, fast: 0.0144, slow: 0.006 },
]) {
  test(`p${percentile} fires at ${fast} late responses within an hour, or ${slow} within six`, () => {
    assert.deepEqual(
      burns.map((burn) => Number(firingShare(budgetOf(promise(percentile)), burn).toFixed(9))),
      [fast, slow],
    );
    const of = (share: number) => burnRuling(promise(percentile), burning(share, share, 100_000)).state;
    assert.deepEqual([of(slow - 0.001), of(slow + 0.001)], ['OK', 'ALARM']);
  });
}

test('fires later for looser objectives, and as the Workbook recommends for strict ones', () => {
  const budgets = fc.integer({ min: 1, max: 50_000 }).map((thousandths) => thousandths / 100_000);
  fc.assert(
    fc.property(budgets, budgets, fc.constantFrom(...burns), (one, other, burn) => {
      const [strict, loose] = [Math.min(one, other), Math.max(one, other)];
      const from = firingShare(strict, burn);
      assert(from > strict && from < 1);
      assert(from <= firingShare(loose, burn));
      if (strict <= 0.003) assert.equal(from, burn.rate * strict);
    }),
  );
});
