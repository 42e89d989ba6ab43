import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import { MetricStore } from '../../metrics/index.ts';
import { Events } from '../../records/index.ts';
import { type Database, openDatabase } from '../../storage/index.ts';
import type { AlarmDefinition } from './alarm.ts';
import { noteAction } from './alarm-notes.ts';
import { Alarms } from './alarms.ts';

const metricKey = { namespace: 'AWS/SageMaker', dimensions: { EndpointName: 'digits', VariantName: 'AllTraffic' } };
const errors = { name: 'Invocation5XXErrors', unit: 'None' };

const definition: AlarmDefinition = {
  name: 'too many errors',
  description: '',
  rule: { comparison: 'GreaterThanThreshold', threshold: 0.5, evaluationPeriods: 2, datapointsToAlarm: 2, missingData: 'missing' },
  periodS: 60,
  queries: [{ id: 'm1', metric: { metricKey, ...errors, statistic: 'Average' }, expression: null, isWatched: true }],
  actionsEnabled: true,
  actions: { ALARM: ['ring'], OK: ['calm', 'broken'], INSUFFICIENT_DATA: [] },
};

async function fixture(t: TestContext, open: () => ReturnType<typeof openDatabase> = openMemoryDatabase) {
  const { db, close } = await open();
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 24, 12));
  const events = new Events(db, clock);
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  const acted: string[] = [];
  const openAlarms = async (ownDb: Database = db) => {
    const alarms = new Alarms({
      db: ownDb,
      clock,
      events,
      store,
      act: async (action, { alarm }) => {
        if (action === 'broken') throw new Error('connection refused');
        acted.push(`${action}: ${alarm.name}`);
        return action === 'posted' ? 'later' : 'done';
      },
      onFailure: (alarm, error) => assert.fail(`${alarm}: ${String(error)}`),
    });
    await alarms.open();
    return alarms;
  };
  /** One minute with this many calls and failures. */
  const minute = (calls: number, failing: number): void => {
    const feed = store.feed(metricKey, errors);
    for (let i = 0; i < calls; i++) feed.add(i < failing ? 1 : 0);
    clock.advance(60_000);
  };
  return { db, clock, events, store, acted, openAlarms, minute };
}

for (const [name, open] of [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const) {
  test(`fires, runs its actions and recovers, also across a restart: ${name}`, async (t) => {
    const { acted, events, minute, openAlarms } = await fixture(t, open);
    const alarms = await openAlarms();
    await alarms.put(definition);
    const state = async () => {
      await alarms.poll();
      return alarms.get(definition.name)?.state;
    };
    assert.equal(await state(), 'INSUFFICIENT_DATA');
    minute(10, 2);
    assert.equal(await state(), 'OK');
    minute(10, 9);
    assert.equal(await state(), 'OK');
    minute(10, 9);
    assert.equal(await state(), 'ALARM');
    assert.deepEqual(acted, ['calm: too many errors', 'ring: too many errors']);
    await alarms.close();
    const again = await openAlarms();
    assert.equal(again.get(definition.name)?.state, 'ALARM');
    assert.match(
      again.get(definition.name)?.stateReason ?? '',
      /2 out of 2 datapoints \[0.9, 0.9\] were greater than the threshold \(0.5\)/,
    );
    minute(10, 0);
    await again.poll();
    assert.equal(again.get(definition.name)?.state, 'OK');
    const kinds = (await again.history({ limit: 100 })).map(({ kind, summary }) => `${kind}: ${summary}`);
    assert.deepEqual(kinds.slice(0, 3), [
      'Action: Failed to execute action broken: connection refused',
      'Action: Successfully executed action calm',
      'StateUpdate: Alarm updated from ALARM to OK',
    ]);
    const reported = (await events.since(0, 100)).map(({ kind, subject }) => `${kind} ${subject}`);
    assert.deepEqual(
      reported,
      Array.from({ length: 3 }, () => 'alarm.state-changed too many errors'),
    );
    await again.close();
  });
}

describe('an alarm', () => {
  test('reports missing data at the first evaluation of an empty metric, without a change', async (t) => {
    const { events, openAlarms } = await fixture(t);
    const alarms = await openAlarms();
    await alarms.put(definition);
    assert.equal(alarms.get(definition.name)?.stateReason, 'Unchecked: Initial alarm creation');
    await alarms.poll();
    const reason = 'Insufficient Data: no datapoints were received for 2 periods.';
    const { state, stateReason } = alarms.get(definition.name) ?? {};
    assert.deepEqual([state, stateReason], ['INSUFFICIENT_DATA', reason]);
    await alarms.close();
    const again = await openAlarms();
    assert.equal(again.get(definition.name)?.stateReason, reason);
    assert.deepEqual(
      (await again.history({ limit: 9 })).map(({ kind }) => kind),
      ['ConfigurationUpdate'],
    );
    assert.deepEqual(await events.since(0, 9), []);
    await again.close();
  });

  test('is evaluated every ten seconds', async (t) => {
    const { clock, minute, openAlarms } = await fixture(t);
    const alarms = await openAlarms();
    await alarms.put(definition);
    minute(10, 9);
    minute(10, 9);
    for (let i = 0; i < 50 && alarms.get(definition.name)?.state !== 'ALARM'; i++) {
      clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(alarms.get(definition.name)?.state, 'ALARM');
    await alarms.close();
  });

  test('acts at once if set by hand, and the next evaluation may revert it', async (t) => {
    const { acted, minute, openAlarms } = await fixture(t);
    const alarms = await openAlarms();
    await alarms.put({ ...definition, actions: { ...definition.actions, OK: [] } });
    minute(10, 0);
    await alarms.setState(definition.name, 'ALARM', 'to see what happens');
    assert.deepEqual(acted, ['ring: too many errors']);
    await alarms.poll();
    assert.equal(alarms.get(definition.name)?.state, 'OK');
    await assert.rejects(alarms.setState('missing', 'OK', ''), /there is no alarm missing/);
  });

  test('notes the result of a deferred action only once it is known', async (t) => {
    const { db, clock, acted, openAlarms } = await fixture(t);
    const alarms = await openAlarms();
    await alarms.put({ ...definition, actions: { ...definition.actions, ALARM: ['posted', 'ring'] } });
    await alarms.setState(definition.name, 'ALARM', 'to see what happens');
    assert.deepEqual(acted, ['posted: too many errors', 'ring: too many errors']);
    const actions = async () => (await alarms.history({ kind: 'Action', limit: 9 })).map(({ summary, data }) => [summary, data]);
    assert.deepEqual(await actions(), [['Successfully executed action ring', { action: 'ring' }]]);
    await noteAction(db, { alarm: definition.name, action: 'posted', atMs: clock.wallMs(), error: 'connect ECONNREFUSED' });
    assert.deepEqual((await actions())[0], [
      'Failed to execute action posted: connect ECONNREFUSED',
      { action: 'posted', error: 'connect ECONNREFUSED' },
    ]);
    await alarms.close();
  });

  test('reports missing data for an unmeasured metric without affecting other alarms', async (t) => {
    const alarms = await (await fixture(t)).openAlarms();
    const nothing = { ...metricKey, dimensions: { EndpointName: 'missing' } };
    const [watched] = definition.queries;
    assert(watched?.metric !== null && watched !== undefined);
    await alarms.put({ ...definition, queries: [{ ...watched, metric: { ...watched.metric, metricKey: nothing } }] });
    await alarms.put({ ...definition, name: 'math', queries: [{ id: 'e1', metric: null, expression: '1 / 0', isWatched: true }] });
    await alarms.poll();
    assert.deepEqual(
      alarms.list().map(({ state }) => state),
      ['INSUFFICIENT_DATA', 'INSUFFICIENT_DATA'],
    );
  });

  test('reports insufficient data for a metric over the limit, even if missing data counts as OK', async (t) => {
    const { store, openAlarms } = await fixture(t);
    const alarms = await openAlarms();
    await alarms.put({ ...definition, rule: { ...definition.rule, missingData: 'notBreaching' } });
    await alarms.poll();
    assert.equal(alarms.get(definition.name)?.state, 'OK');
    for (let i = 0; i < 20_000; i++) store.feed({ namespace: 'Penstock', dimensions: { EndpointName: `e${i}` } }, errors);
    await alarms.poll();
    assert.equal(alarms.get(definition.name)?.state, 'INSUFFICIENT_DATA');
    assert.match(alarms.get(definition.name)?.stateReason ?? '', /^no data is stored for Invocation5XXErrors: there are too many/);
  });

  test('evaluates an expression over several metrics', async (t) => {
    const { minute, openAlarms } = await fixture(t);
    const alarms = await openAlarms();
    const share = { ...definition.rule, threshold: 20, evaluationPeriods: 1, datapointsToAlarm: 1 };
    const query = (id: string, statistic: string) => ({
      id,
      metric: { metricKey, ...errors, statistic },
      expression: null,
      isWatched: false,
    });
    const queries = [
      query('failed', 'Sum'),
      query('all', 'SampleCount'),
      { id: 'share', metric: null, expression: '100 * failed / all', isWatched: true },
    ];
    await alarms.put({ ...definition, rule: share, queries });
    minute(10, 3);
    await alarms.poll();
    assert.match(alarms.get(definition.name)?.stateReason ?? '', /\[30\]/);
  });

  test('runs no disabled actions, and leaves its history when deleted', async (t) => {
    const { acted, openAlarms } = await fixture(t);
    const alarms = await openAlarms();
    await alarms.put(definition);
    await alarms.enableActions([definition.name], false);
    await alarms.setState(definition.name, 'ALARM', 'x');
    assert.deepEqual(acted, []);
    await alarms.delete([definition.name, 'missing']);
    assert.equal(alarms.get(definition.name), null);
    assert.equal((await alarms.history({ name: definition.name, limit: 10 }))[0]?.summary, 'Alarm "too many errors" deleted');
  });
});
