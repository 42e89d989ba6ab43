import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import { type Database, openDatabase } from '../../storage/index.ts';
import { Events } from '../records/events.ts';
import { MetricStore } from '../series/metric-store.ts';
import type { AlarmDefinition } from './alarm.ts';
import { noteAction } from './alarm-notes.ts';
import { Alarms } from './alarms.ts';

const place = { namespace: 'AWS/SageMaker', dimensions: { EndpointName: 'digits', VariantName: 'AllTraffic' } };
const errors = { name: 'Invocation5XXErrors', unit: 'None' };

const definition: AlarmDefinition = {
  name: 'too many errors',
  description: '',
  rule: { comparison: 'GreaterThanThreshold', threshold: 0.5, evaluationPeriods: 2, datapointsToAlarm: 2, missingData: 'missing' },
  periodS: 60,
  queries: [{ id: 'm1', metric: { place, ...errors, statistic: 'Average' }, expression: null, isWatched: true }],
  actionsEnabled: true,
  actions: { ALARM: ['ring'], OK: ['calm', 'broken'], INSUFFICIENT_DATA: [] },
};

async function house(
  t: TestContext,
  open: () => ReturnType<typeof openDatabase> = () => openDatabase({ file: ':memory:', synchronous: 'NORMAL' }),
) {
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
        if (action === 'broken') throw new Error('nobody is there');
        acted.push(`${action}: ${alarm.name}`);
        return action === 'posted' ? 'later' : 'done';
      },
      onFailure: (alarm, error) => assert.fail(`${alarm}: ${String(error)}`),
    });
    await alarms.open();
    return alarms;
  };
  /** A minute with so many calls, of which so many fail. */
  const minute = (calls: number, failing: number): void => {
    const feed = store.feed(place, errors);
    for (let i = 0; i < calls; i++) feed.add(i < failing ? 1 : 0);
    clock.advance(60_000);
  };
  return { db, clock, events, store, acted, openAlarms, minute };
}

for (const [name, open] of [
  ['SQLite', () => openDatabase({ file: ':memory:', synchronous: 'NORMAL' })],
  ['PGlite', openPglite],
] as const) {
  test(`an alarm rings, acts, and is calm again; it outlives a restart: ${name}`, async (t) => {
    const { acted, events, minute, openAlarms } = await house(t, open);
    const alarms = await openAlarms();
    await alarms.put(definition);
    const state = async () => {
      await alarms.look();
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
    await again.look();
    assert.equal(again.get(definition.name)?.state, 'OK');
    const kinds = (await again.history({ limit: 100 })).map(({ kind, summary }) => `${kind}: ${summary}`);
    assert.deepEqual(kinds.slice(0, 3), [
      'Action: Failed to execute action broken: nobody is there',
      'Action: Successfully executed action calm',
      'StateUpdate: Alarm updated from ALARM to OK',
    ]);
    const told = (await events.since(0, 100)).map(({ kind, subject }) => `${kind} ${subject}`);
    assert.deepEqual(
      told,
      Array.from({ length: 3 }, () => 'alarm.state-changed too many errors'),
    );
    await again.close();
  });
}

describe('an alarm', () => {
  test('on a metric that nobody feeds says at its first look that there is no data, without having changed', async (t) => {
    const { events, openAlarms } = await house(t);
    const alarms = await openAlarms();
    await alarms.put(definition);
    assert.equal(alarms.get(definition.name)?.stateReason, 'Unchecked: Initial alarm creation');
    await alarms.look();
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

  test('is looked at every ten seconds by itself', async (t) => {
    const { clock, minute, openAlarms } = await house(t);
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

  test('set by hand acts at once, and the next look may undo it', async (t) => {
    const { acted, minute, openAlarms } = await house(t);
    const alarms = await openAlarms();
    await alarms.put({ ...definition, actions: { ...definition.actions, OK: [] } });
    minute(10, 0);
    await alarms.setState(definition.name, 'ALARM', 'to see what happens');
    assert.deepEqual(acted, ['ring: too many errors']);
    await alarms.look();
    assert.equal(alarms.get(definition.name)?.state, 'OK');
    await assert.rejects(alarms.setState('nobody', 'OK', ''), /there is no alarm nobody/);
  });

  test('says of an action that is done later how it ended once that is known, and until then nothing', async (t) => {
    const { db, clock, acted, openAlarms } = await house(t);
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

  test('on what nobody measures has too little data, harms no other, and says so', async (t) => {
    const alarms = await (await house(t)).openAlarms();
    const nothing = { ...place, dimensions: { EndpointName: 'nobody' } };
    const [watched] = definition.queries;
    assert(watched?.metric !== null && watched !== undefined);
    await alarms.put({ ...definition, queries: [{ ...watched, metric: { ...watched.metric, place: nothing } }] });
    await alarms.put({ ...definition, name: 'math', queries: [{ id: 'e1', metric: null, expression: '1 / 0', isWatched: true }] });
    await alarms.look();
    assert.deepEqual(
      alarms.list().map(({ state }) => state),
      ['INSUFFICIENT_DATA', 'INSUFFICIENT_DATA'],
    );
  });

  test('on what there is no room for has too little data, also where missing data would make it well', async (t) => {
    const { store, openAlarms } = await house(t);
    const alarms = await openAlarms();
    await alarms.put({ ...definition, rule: { ...definition.rule, missingData: 'notBreaching' } });
    await alarms.look();
    assert.equal(alarms.get(definition.name)?.state, 'OK');
    for (let i = 0; i < 20_000; i++) store.feed({ namespace: 'Penstock', dimensions: { EndpointName: `e${i}` } }, errors);
    await alarms.look();
    assert.equal(alarms.get(definition.name)?.state, 'INSUFFICIENT_DATA');
    assert.match(alarms.get(definition.name)?.stateReason ?? '', /^nothing is kept of Invocation5XXErrors: there are too many/);
  });

  test('may watch an expression over several metrics', async (t) => {
    const { minute, openAlarms } = await house(t);
    const alarms = await openAlarms();
    const share = { ...definition.rule, threshold: 20, evaluationPeriods: 1, datapointsToAlarm: 1 };
    const query = (id: string, statistic: string) => ({ id, metric: { place, ...errors, statistic }, expression: null, isWatched: false });
    const queries = [
      query('failed', 'Sum'),
      query('all', 'SampleCount'),
      { id: 'share', metric: null, expression: '100 * failed / all', isWatched: true },
    ];
    await alarms.put({ ...definition, rule: share, queries });
    minute(10, 3);
    await alarms.look();
    assert.match(alarms.get(definition.name)?.stateReason ?? '', /\[30\]/);
  });

  test('with its actions switched off only tells; deleted it is gone, its history is not', async (t) => {
    const { acted, openAlarms } = await house(t);
    const alarms = await openAlarms();
    await alarms.put(definition);
    await alarms.enableActions([definition.name], false);
    await alarms.setState(definition.name, 'ALARM', 'x');
    assert.deepEqual(acted, []);
    await alarms.delete([definition.name, 'nobody']);
    assert.equal(alarms.get(definition.name), null);
    assert.equal((await alarms.history({ name: definition.name, limit: 10 }))[0]?.summary, 'Alarm "too many errors" deleted');
  });
});
