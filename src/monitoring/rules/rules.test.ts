import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { Jobs, openDatabase } from '../../storage/index.ts';
import { Events } from '../records/events.ts';
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

async function house(t: TestContext) {
  const { db, dialect, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 24));
  const events = new Events(db, clock);
  const jobs = new Jobs({ db, dialect, clock });
  const delivered: Delivery[] = [];
  const onFailure = (what: string, error: unknown): never => assert.fail(`${what}: ${String(error)}`);
  const deliveries = new Deliveries({ db, clock, jobs, deliver: async (delivery) => void delivered.push(delivery), onFailure });
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
      onFailure,
    });
    await rules.open();
    return rules;
  };
  /** Lets everything that is under way happen. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const happen = (kind: string, subject: string) => events.recordAndPublish({ kind, subject, detail: { subject } });
  return { delivered, openRules, settle, happen };
}

const subjects = (delivered: readonly Delivery[]) =>
  delivered.map(({ body }) => (JSON.parse(body) as { resources: string[] }).resources[0]);

test('targets hear of what their rule is about, and of nothing else', async (t) => {
  const { delivered, openRules, settle, happen } = await house(t);
  await happen('endpoint.in-service', 'before there were rules');
  const rules = await openRules();
  await rules.put(rule);
  await happen('endpoint.in-service', 'digits');
  await happen('endpoint.failed', 'digits');
  await settle();
  assert.deepEqual(subjects(delivered), ['digits']);
  await rules.put({ ...rule, isEnabled: false });
  await happen('endpoint.in-service', 'nobody hears of it');
  await settle();
  assert.equal(delivered.length, 1);
  await rules.close();
});

test('what happens while nothing runs is told afterwards, in order', async (t) => {
  const { delivered, openRules, settle, happen } = await house(t);
  const rules = await openRules();
  await rules.put(rule);
  await rules.close();
  for (const name of ['a', 'b', 'c']) await happen('endpoint.in-service', name);
  const again = await openRules();
  await settle();
  assert.deepEqual(subjects(delivered), ['a', 'b', 'c']);
  await again.close();
});

test('a target may want a part of the event, or something else', async (t) => {
  const { delivered, openRules, settle, happen } = await house(t);
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

test('a target is called with what it wants to hear besides, and tried as often as it wants', async (t) => {
  const { delivered, openRules, settle, happen } = await house(t);
  const rules = await openRules();
  const retry = { retriesMax: 3, ageSMax: 60 };
  await rules.put({ ...rule, targets: [{ ...target, http: { headers: { 'X-Who': '$.detail.subject' }, query: { a: 'b' } }, retry }] });
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.deepEqual(delivered[0]?.http, { headers: { 'X-Who': 'digits' }, query: { a: 'b' } });
  assert.deepEqual(delivered[0]?.target.retry, retry);
  await rules.close();
});

test('a rule has a pattern that is one, and a bounded number of targets', async (t) => {
  const { openRules } = await house(t);
  const rules = await openRules();
  await assert.rejects(rules.put({ ...rule, pattern: '{' }), /Event pattern is not valid/);
  await assert.rejects(rules.put({ ...rule, targets: Array.from({ length: 6 }, () => target) }), /at most 5 targets/);
  assert.throws(() => rules.get('nobody'), /Rule nobody does not exist/);
  await rules.close();
});
