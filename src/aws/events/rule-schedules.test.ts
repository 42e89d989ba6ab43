/** Rules with a schedule, over real rules and a virtual clock. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { Rules, webhookUrl } from '../../alerts/index.ts';
import { VirtualClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { Events } from '../../records/index.ts';
import { Jobs, type OpenDatabase } from '../../storage/index.ts';
import { eventsService } from './events-service.ts';
import { RuleSchedules } from './rule-schedules.ts';
import { deliverableTarget } from './targets.ts';

const awsLocation = { account: '000000000000', region: 'us-east-1' };
const target = { Id: 'log', Arn: 'arn:aws:logs:us-east-1:000000000000:log-group:/mine' };
const log = openLogs(null, 'silent').platform;

/** A server over a database that outlives it. */
async function serverOn({ db, dialect }: Pick<OpenDatabase, 'db' | 'dialect'>, clock: VirtualClock) {
  const jobs = new Jobs({ db, dialect, clock });
  const canDeliver = () => true;
  const rules = new Rules({
    db,
    clock,
    jobs,
    events: new Events(db, clock),
    envelopesOf: async () => [],
    ruleArn: (name) => `arn:rule/${name}`,
    asServed: (each) => deliverableTarget(each, canDeliver),
    onRejectedEvent: assert.fail,
    onUnserved: assert.fail,
    onFailure: (what, error) => assert.fail(`${what}: ${String(error)}`),
  });
  await rules.open();
  const schedules = new RuleSchedules({ rules, clock, log, awsLocation, ruleArn: (name) => `arn:rule/${name}` });
  schedules.open();
  const { operations } = eventsService({ rules, clock, canDeliver, checkUrl: webhookUrl });
  const caller = { keyId: 'AKIA', role: 'admin' as const };
  const call = (operation: string, input: object) =>
    (operations[operation] as unknown as { run(input: object, call: object): Promise<Record<string, unknown>> }).run(input, {
      ...awsLocation,
      caller,
    });
  /** Advances in small steps, so that each poll ends before the next one. */
  const advance = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      clock.advance(10_000);
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
  };
  return {
    rules,
    call,
    advance,
    async close(): Promise<void> {
      await schedules.close();
      await rules.close();
    },
  };
}

async function fixture(t: TestContext) {
  const database = await openMemoryDatabase();
  const clock = new VirtualClock();
  const { db } = database;
  const servers: { close: () => Promise<void> }[] = [];
  const start = async () => {
    const server = await serverOn(database, clock);
    servers.push(server);
    return server;
  };
  t.after(async () => {
    for (const server of servers) await server.close();
    await database.close();
  });
  /** The times of all events that were added for delivery. */
  const times = async (): Promise<string[]> => {
    const rows = await db.selectFrom('jobs').select('payload').orderBy('id').execute();
    return rows.map(({ payload }) => (JSON.parse((JSON.parse(payload) as { body: string }).body) as { time: string }).time).sort();
  };
  return { start, clock, times };
}

const minuteMs = 60_000;

test('a rate runs each time, and the event says which rule and when', async (t) => {
  const { start, times, clock } = await fixture(t);
  const server = await start();
  const startMs = clock.wallMs();
  await server.call('PutRule', { Name: 'often', ScheduleExpression: 'rate(5 minutes)' });
  await server.call('PutTargets', { Rule: 'often', Targets: [target] });
  assert.deepEqual(await times(), []);
  await server.advance(16 * minuteMs);
  const at = (minutes: number) => new Date(startMs + minutes * minuteMs).toISOString().replace(/\.\d+Z$/, 'Z');
  assert.deepEqual(await times(), [at(5), at(10), at(15)]);
});

test('times missed while the server was down run once, together', async (t) => {
  const { start, times, clock } = await fixture(t);
  const first = await start();
  await first.call('PutRule', { Name: 'often', ScheduleExpression: 'rate(1 hour)' });
  await first.call('PutTargets', { Rule: 'often', Targets: [target] });
  await first.advance(61 * minuteMs);
  assert.equal((await times()).length, 1);
  await first.close();
  clock.advance(300 * minuteMs);
  const second = await start();
  await second.advance(minuteMs);
  assert.equal((await times()).length, 2);
  await second.close();
  // A restart repeats nothing, and the times go on as before.
  const third = await start();
  await third.advance(10 * minuteMs);
  assert.equal((await times()).length, 2);
  await third.advance(50 * minuteMs);
  assert.equal((await times()).length, 3);
});

test('a cron expression is in UTC', async (t) => {
  const { start, times } = await fixture(t);
  const server = await start();
  await server.call('PutRule', { Name: 'daily', ScheduleExpression: 'cron(30 0 * * ? *)' });
  await server.call('PutTargets', { Rule: 'daily', Targets: [target] });
  await server.advance(26 * 60 * minuteMs);
  assert.deepEqual(await times(), ['2026-01-01T00:30:00Z', '2026-01-02T00:30:00Z']);
});

test('a disabled rule does not run, and makes up for nothing when it is enabled again', async (t) => {
  const { start, times } = await fixture(t);
  const server = await start();
  await server.call('PutRule', { Name: 'often', ScheduleExpression: 'rate(5 minutes)' });
  await server.call('PutTargets', { Rule: 'often', Targets: [target] });
  await server.call('DisableRule', { Name: 'often' });
  await server.advance(12 * minuteMs);
  await server.call('EnableRule', { Name: 'often' });
  await server.advance(minuteMs);
  assert.deepEqual(await times(), []);
  await server.advance(3 * minuteMs);
  assert.equal((await times()).length, 1);
});

test('is described with its expression; the same expression again keeps its times, another begins at once', async (t) => {
  const { start, times } = await fixture(t);
  const server = await start();
  const rule = { Name: 'often', ScheduleExpression: 'rate(5 minutes)' };
  await server.call('PutRule', rule);
  await server.call('PutTargets', { Rule: 'often', Targets: [target] });
  await server.advance(4 * minuteMs);
  await server.call('PutRule', { ...rule, Description: 'more often' });
  const { EventPattern, ScheduleExpression, Description } = await server.call('DescribeRule', { Name: 'often' });
  assert.deepEqual([EventPattern, ScheduleExpression, Description], [undefined, 'rate(5 minutes)', 'more often']);
  await server.advance(2 * minuteMs);
  assert.equal((await times()).length, 1);
  await server.call('PutRule', { ...rule, ScheduleExpression: 'rate(10 minutes)' });
  await server.advance(9 * minuteMs);
  assert.equal((await times()).length, 1);
});

test('a rule may have a pattern as well', async (t) => {
  const { start, times } = await fixture(t);
  const server = await start();
  await server.call('PutRule', { Name: 'both', ScheduleExpression: 'rate(5 minutes)', EventPattern: '{"source": ["my.app"]}' });
  await server.call('PutTargets', { Rule: 'both', Targets: [target] });
  await server.call('PutEvents', { Entries: [{ Source: 'my.app', DetailType: 'done', Detail: '{}' }] });
  assert.equal((await times()).length, 1);
  await server.advance(6 * minuteMs);
  assert.equal((await times()).length, 2);
});

test('an expression that is not a schedule, or never due, is rejected', async (t) => {
  const { start } = await fixture(t);
  const server = await start();
  for (const ScheduleExpression of [
    'at(2030-01-01T00:00:00)',
    'rate(0 minutes)',
    'rate(5 seconds)',
    'cron(* * * * *)',
    'cron(0 0 30 2 ? *)',
    'x',
    '',
  ]) {
    await assert.rejects(server.call('PutRule', { Name: 'wrong', ScheduleExpression }), { code: 'invalid_request' }, ScheduleExpression);
  }
  assert.deepEqual(server.rules.list(), []);
});
