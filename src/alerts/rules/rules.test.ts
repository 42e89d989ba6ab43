import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import type { EventKind } from '../../records/index.ts';
import { Events } from '../../records/index.ts';
import { Jobs } from '../../storage/index.ts';
import { Deliveries, type Delivery } from './deliveries.ts';
import type { Rule } from './rule.ts';
import { Rules } from './rules.ts';

const target = { id: 't1', arn: 'https://example.org/hook', input: null, inputPath: null };
const rule: Rule = {
  name: 'ready',
  description: '',
  pattern: '{"detail-type": ["endpoint.in-service"]}',
  isEnabled: true,
  targets: [target],
  createdBy: 'AKIA',
  createdAtMs: 0,
};

async function fixture(t: TestContext) {
  const { db, dialect, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 24));
  const events = new Events(db, clock);
  const jobs = new Jobs({ db, dialect, clock });
  const delivered: Delivery[] = [];
  const setAside: string[] = [];
  const scene = { arrives: async (_delivery: Delivery): Promise<void> => {} };
  const onFailure = (what: string, error: unknown): never => assert.fail(`${what}: ${String(error)}`);
  const deliveries = new Deliveries({
    db,
    clock,
    jobs,
    deliver: async (delivery) => {
      await scene.arrives(delivery);
      delivered.push(delivery);
    },
    onDropped: () => {},
    onFailure,
  });
  deliveries.open();
  const openRules = async () => {
    const rules = new Rules({
      db,
      clock,
      jobs,
      events,
      envelopesOf: async ({ id, kind, subject, detail, atMs }) => [
        {
          version: '0',
          id,
          'detail-type': kind,
          source: 'aws.sagemaker',
          account: '000000000000',
          time: new Date(atMs).toISOString(),
          region: 'us-east-1',
          resources: [subject],
          detail,
        },
      ],
      ruleArn: (name) => `arn:${name}`,
      asServed: (target) => ({ target, fault: null }),
      onUnserved: (name, id, fault) => assert.fail(`${name}/${id}: ${fault}`),
      onRejectedEvent: (name, fault) => setAside.push(`${name}: ${fault}`),
      onFailure,
    });
    await rules.open();
    return rules;
  };
  /** Lets all running work complete. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const happen = (kind: EventKind, subject: string) => events.recordAndPublish({ kind, subject, detail: { subject } });
  return { db, delivered, setAside, scene, openRules, settle, happen };
}

const subjects = (delivered: readonly Delivery[]) =>
  delivered.map(({ body }) => (JSON.parse(body) as { resources: string[] }).resources[0]);

test('targets get the events of their rule and no others', async (t) => {
  const { delivered, openRules, settle, happen } = await fixture(t);
  await happen('endpoint.in-service', 'before there were rules');
  const rules = await openRules();
  await rules.put(rule);
  await happen('endpoint.in-service', 'digits');
  await happen('endpoint.failed', 'digits');
  await settle();
  assert.deepEqual(subjects(delivered), ['digits']);
  await rules.put({ ...rule, isEnabled: false });
  await happen('endpoint.in-service', 'no rule matches');
  await settle();
  assert.equal(delivered.length, 1);
  await rules.close();
});

test('events of a downtime are delivered afterwards, in order', async (t) => {
  const { delivered, openRules, settle, happen } = await fixture(t);
  const rules = await openRules();
  await rules.put(rule);
  await rules.close();
  for (const name of ['a', 'b', 'c']) await happen('endpoint.in-service', name);
  const again = await openRules();
  await settle();
  assert.deepEqual(subjects(delivered), ['a', 'b', 'c']);
  await again.close();
});

test('a target gets the events of an object in order, whichever rules match', async (t) => {
  const { delivered, scene, openRules, settle, happen } = await fixture(t);
  const rules = await openRules();
  await rules.put({ ...rule, pattern: '{"detail-type": ["endpoint.deleting"]}' });
  await rules.put({ ...rule, name: 'gone', pattern: '{"detail-type": ["endpoint.deleted"]}' });
  const { promise, resolve: answer } = Promise.withResolvers<void>();
  scene.arrives = async ({ rule: by, about }) => (by === 'ready' && about === 'digits' ? promise : undefined);
  for (const kind of ['endpoint.deleting', 'endpoint.deleted'] as const) for (const name of ['digits', 'iris']) await happen(kind, name);
  await settle();
  const reported = () => delivered.map(({ rule: by, about }) => `${by} ${about}`);
  assert.deepEqual(reported(), ['ready iris', 'gone iris']);
  answer();
  await settle();
  assert.deepEqual(reported(), ['ready iris', 'gone iris', 'ready digits', 'gone digits']);
  await rules.close();
});

test('a target can get a part of the event or another body', async (t) => {
  const { delivered, openRules, settle, happen } = await fixture(t);
  const rules = await openRules();
  await rules.put({
    ...rule,
    targets: [
      { ...target, inputPath: '$.detail.subject' },
      { ...target, id: 't2', input: '{"fixed":true}' },
      { ...target, id: 't3', transformer: { paths: { who: '$.detail.subject' }, template: '<who> by <aws.events.rule-arn>' } },
    ],
  });
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.deepEqual(delivered.map(({ body }) => body).sort(), ['"digits by arn:ready"', '"digits"', '{"fixed":true}']);
  await rules.close();
});

test('a target is called with its own parameters and retry limits', async (t) => {
  const { delivered, openRules, settle, happen } = await fixture(t);
  const rules = await openRules();
  const retry = { retriesMax: 3, ageSMax: 60 };
  await rules.put({ ...rule, targets: [{ ...target, http: { headers: { 'X-Who': '$.detail.subject' }, query: { a: 'b' } }, retry }] });
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.deepEqual(delivered[0]?.http, { headers: { 'X-Who': 'digits' }, query: { a: 'b' } });
  assert.deepEqual(delivered[0]?.target.retry, retry);
  await rules.close();
});

test('rejects a rule with an invalid pattern or too many targets', async (t) => {
  const { openRules } = await fixture(t);
  const rules = await openRules();
  await assert.rejects(rules.put({ ...rule, pattern: '{' }), /Event pattern is not valid/);
  await assert.rejects(rules.put({ ...rule, targets: Array.from({ length: 6 }, () => target) }), /expected at most 5 targets per rule/);
  assert.throws(() => rules.get('missing'), /Rule missing does not exist/);
  await rules.close();
});

test('a stored rule with a rejected pattern is disabled and reported, affects no other, and can be put again', async (t) => {
  const { db, delivered, setAside, openRules, settle, happen } = await fixture(t);
  const old: Rule = { ...rule, name: 'old', pattern: '{"detail-type": [{"anything-but": [{"prefix": "a"}]}]}' };
  for (const each of [old, rule]) {
    await db
      .insertInto('event_rules')
      .values({ name: each.name, document: JSON.stringify(each) })
      .execute();
  }
  const rules = await openRules();
  assert.equal(setAside.length, 1);
  assert.match(setAside[0] ?? '', /^old: Event pattern is not valid.*detail-type\.anything-but/);
  assert.deepEqual(rules.list(), [old, rule]);
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.deepEqual(subjects(delivered), ['digits']);
  // Its targets can be removed: a rule with targets could not be deleted.
  await rules.put({ ...old, targets: [] });
  assert.deepEqual(rules.get('old').targets, []);
  await rules.put({ ...old, pattern: rule.pattern });
  await happen('endpoint.in-service', 'iris');
  await settle();
  assert.deepEqual(subjects(delivered), ['digits', 'iris', 'iris']);
  await rules.close();
});

test('opens in spite of stored targets with rejected members', async (t) => {
  const { db, delivered, openRules, settle, happen } = await fixture(t);
  const targets = [
    { ...target, inputPath: 'no path' },
    { ...target, id: 't2', transformer: { paths: { 'no name': 'no path' }, template: '{"who": <missing>, broken' } },
    { ...target, id: 't3', http: { headers: { Host: 'no path', 'no name': '$..' }, query: {} }, retry: { retriesMax: 1e9, ageSMax: 0 } },
  ];
  await db
    .insertInto('event_rules')
    .values({ name: rule.name, document: JSON.stringify({ ...rule, targets }) })
    .execute();
  const rules = await openRules();
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.equal(delivered.length, 3);
  await rules.close();
});
