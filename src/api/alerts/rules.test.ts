import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import type { Role } from '../../access/index.ts';
import { addDelivery, Deliveries, deliveriesQueue, type Rule } from '../../alerts/index.ts';
import { VirtualClock } from '../../clock.ts';
import { Jobs, type LeasedJob } from '../../storage/index.ts';
import type { PageBody } from '../bodies.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type DeliveryBody, type RuleBody, ruleRoutes } from './rules.ts';

const hook = 'https://hooks.example/services/T1/s3cret?token=s3cret';
const rule = (name: string, isEnabled = true): Rule => {
  const targets = [{ id: 't', arn: hook, input: null, inputPath: null, http: { headers: { Authorization: 's3cret' }, query: {} } }];
  return { name, description: '', pattern: '{"source":["my.app"]}', isEnabled, targets, createdBy: 'me', createdAtMs: 0 };
};

test('lists undelivered events of rules with the reason, and never shows a secret', async (t) => {
  const { db, dialect, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 27));
  const jobs = new Jobs({ db, dialect, clock });
  const never = (): never => assert.fail('no delivery expected');
  const deliveries = new Deliveries({ db, clock, jobs, deliver: never, onFailure: never, onDropped: never });
  const rules = {
    list: () => [rule('failing'), rule('off', false), rule('old')],
    faultOf: (name: string) => (name === 'old' ? 'not a pattern' : null),
  };
  const [list, pending] = ruleRoutes({ rules, deliveries } as unknown as ApiServices);
  assert(list !== undefined && pending !== undefined);
  const call = (route: typeof list, query: object, role: Role = 'viewer') =>
    route.handle({ query, caller: { keyId: 'k', role } } as RouteCall<unknown, unknown, unknown>);
  for (const name of ['failing', 'failing', 'failing', 'alarm slow']) {
    clock.advance(1);
    await addDelivery(jobs, db, {
      rule: name,
      target: rule(name).targets[0] as Rule['targets'][0],
      body: '{}',
      eventId: 'e',
      http: { headers: { key: 's3cret' }, query: {} },
    });
  }
  const [first, second] = (await jobs.lease(deliveriesQueue, 2, 1000)) as [LeasedJob, LeasedJob];
  await jobs.markDead(db, first, 'no such host');
  await jobs.retry(second, 5000, 'it answered 500');
  const found = (await call(list, {})) as PageBody<RuleBody>;
  assert.deepEqual(
    found.items.map(({ name, state, fault, deliveries: { waiting, failing, given_up: givenUp } }) => [
      name,
      state,
      fault,
      waiting,
      failing,
      givenUp,
    ]),
    [
      ['failing', 'enabled', null, 1, 1, 1],
      ['off', 'disabled', null, 0, 0, 0],
      ['old', 'set-aside', 'not a pattern', 0, 0, 0],
    ],
  );
  const undelivered = (await call(pending, { rule: 'failing' })) as PageBody<DeliveryBody>;
  assert.deepEqual(
    undelivered.items.map(({ state, attempts, reason, next_at: next, given_up_at: givenUp }) => [state, attempts, reason, next, givenUp]),
    [
      ['waiting', 0, null, '2026-11-27T00:00:00.003Z', null],
      ['failing', 1, 'it answered 500', '2026-11-27T00:00:05.004Z', null],
      ['given_up', 1, 'no such host', null, '2026-11-27T00:00:00.004Z'],
    ],
  );
  const all = (await call(pending, { limit: 1 })) as PageBody<DeliveryBody>;
  assert.deepEqual([all.items.map(({ rule: of }) => of), all.next], [['alarm slow'], '1']);
  assert(!JSON.stringify([found, undelivered, all]).includes('s3cret'));
  const targets = async (role: Role): Promise<unknown[]> => [
    ((await call(list, {}, role)) as PageBody<RuleBody>).items[0]?.targets[0]?.arn,
    ((await call(pending, {}, role)) as PageBody<DeliveryBody>).items[0]?.target.arn,
  ];
  assert.deepEqual(await targets('invoker'), ['https://hooks.example/services/…', 'https://hooks.example/services/…']);
  assert.deepEqual(await targets('deployer'), [hook, hook], 'shown in full with the permission to change it');
});
