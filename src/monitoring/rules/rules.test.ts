import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { Jobs, openDatabase } from '../../storage/index.ts';
import { Events } from '../events.ts';
import { type Delivery, deliveriesQueue, type Rule, Rules } from './rules.ts';

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
  const failures: string[] = [];
  const scene = { refusal: null as Error | null };
  const openRules = async () => {
    const rules = new Rules({
      db,
      clock,
      jobs,
      events,
      envelopeOf: ({ id, kind, subject, detail, atMs }) => ({
        version: '0',
        id,
        'detail-type': kind,
        source: 'aws.sagemaker',
        account: '000000000000',
        time: new Date(atMs).toISOString(),
        region: 'us-east-1',
        resources: [subject],
        detail,
      }),
      deliver: async (delivery) => {
        if (scene.refusal !== null) throw scene.refusal;
        delivered.push(delivery);
      },
      onFailure: (what, error) => failures.push(`${what}: ${String(error)}`),
    });
    await rules.open();
    return rules;
  };
  /** Lets everything that is under way happen. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const happen = (kind: string, subject: string) => events.recordAndPublish({ kind, subject, detail: { subject } });
  return { clock, jobs, delivered, failures, scene, openRules, settle, happen };
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

test('a target that fails is tried again, later and later; what can never work is put aside at once', async (t) => {
  const { clock, jobs, delivered, failures, scene, openRules, settle, happen } = await house(t);
  const rules = await openRules();
  await rules.put(rule);
  scene.refusal = new PlatformError('unavailable', 'it answered 503');
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.equal((await jobs.state(deliveriesQueue)).backlog, 1);
  scene.refusal = null;
  clock.advance(5000);
  await settle();
  assert.deepEqual(subjects(delivered), ['digits']);
  scene.refusal = new PlatformError('invalid_request', 'it is not called');
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.deepEqual(await jobs.state(deliveriesQueue), { backlog: 0, taken: 0, dead: 1, oldestAtMs: null });
  assert.match(failures[0] ?? '', /given up.*it is not called/);
  await rules.close();
});

test('a target may want a part of the event, or something else', async (t) => {
  const { delivered, openRules, settle, happen } = await house(t);
  const rules = await openRules();
  await rules.put({
    ...rule,
    targets: [
      { ...target, inputPath: '$.detail.subject' },
      { ...target, id: 't2', input: '{"fixed":true}' },
    ],
  });
  await happen('endpoint.in-service', 'digits');
  await settle();
  assert.deepEqual(delivered.map(({ body }) => body).sort(), ['"digits"', '{"fixed":true}']);
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
