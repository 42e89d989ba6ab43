import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Alarm } from '../../alerts/index.ts';
import { PlatformError } from '../../errors.ts';
import type { PageBody } from '../bodies.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type AlarmBody, alarmRoutes, changedAlarm } from './alarms.ts';

const alarm = (name: string, state: Alarm['state'], measuredOf?: string): Alarm => {
  const metricKey = { namespace: 'Penstock', dimensions: { EndpointName: measuredOf ?? '' } };
  const metric = { metricKey, name: 'Latency', statistic: 'p99' };
  return {
    name,
    description: '',
    rule: { comparison: 'GreaterThanThreshold', threshold: 50, evaluationPeriods: 3, datapointsToAlarm: 3, missingData: 'missing' },
    periodS: 60,
    queries: measuredOf === undefined ? [] : [{ id: 'm1', metric, expression: null, isWatched: true }],
    actionsEnabled: true,
    actions: { OK: [], ALARM: [], INSUFFICIENT_DATA: [] },
    state,
    stateReason: 'state at entry',
    stateSinceMs: 0,
    updatedAtMs: 0,
  };
};

const alarms = [alarm('penstock/digits/errors', 'OK'), alarm('slow', 'ALARM', 'digits'), alarm('penstock/other/errors', 'ALARM')];

async function list(query: object): Promise<readonly AlarmBody[]> {
  const services = {
    alarms: { list: () => alarms, lastReason: (name: string) => (name === 'slow' ? 'last evaluation' : null) },
    deployments: {
      get: (name: string) => {
        if (name !== 'new') throw new PlatformError('not_found', `there is no endpoint '${name}'`);
      },
    },
  };
  const found = alarmRoutes(services as unknown as ApiServices).find(({ key }) => key === 'GET /alarms');
  assert(found !== undefined);
  return (
    (await found.handle({ query, caller: { keyId: 'k', role: 'viewer' } } as RouteCall<unknown, unknown, unknown>)) as PageBody<AlarmBody>
  ).items;
}

const names = async (query: object): Promise<string[]> => (await list(query)).map(({ name }) => name);

test('lists the default alarms of an endpoint and alarms on its metrics, firing ones first', async () => {
  assert.deepEqual(await names({}), ['slow', 'penstock/other/errors', 'penstock/digits/errors']);
  assert.deepEqual(await names({ endpoint: 'digits' }), ['slow', 'penstock/digits/errors']);
  assert.deepEqual(await names({ endpoint: 'digits', state: 'OK' }), ['penstock/digits/errors']);
});

test('shows the condition and the last evaluation of each alarm', async () => {
  const reported = (await list({ endpoint: 'digits' })).map(({ rule, reason }) => [rule, reason]);
  assert.deepEqual(reported, [
    ['p99 of Latency > 50 in 3 of 3 x 60 s', 'last evaluation'],
    [null, 'state at entry'],
  ]);
});

test('returns no alarms for a new endpoint, and not_found for an unknown one', async () => {
  assert.deepEqual(await names({ endpoint: 'new' }), []);
  assert.deepEqual(await names({ endpoint: 'other', state: 'OK' }), []);
  await assert.rejects(list({ endpoint: 'missing' }), { code: 'not_found' });
});

const context: { readonly known: Alarm | null } = { known: null };
const changed = (body: Parameters<typeof changedAlarm>[1], { known } = context) => changedAlarm('mine', body, known);

test('a new alarm has a rule on a metric of an endpoint', () => {
  const made = changed({ rule: 'p99 of Latency > 50 in 3 of 5 x 60s', endpoint: 'digits', actions: { alarm: ['https://a.example/'] } });
  assert.deepEqual(made, {
    name: 'mine',
    description: '',
    rule: { comparison: 'GreaterThanThreshold', threshold: 50, evaluationPeriods: 5, datapointsToAlarm: 3, missingData: 'missing' },
    periodS: 60,
    queries: [
      {
        id: 'm1',
        metric: {
          metricKey: { namespace: 'Penstock', dimensions: { EndpointName: 'digits', VariantName: 'AllTraffic' } },
          name: 'Latency',
          statistic: 'p99',
        },
        expression: null,
        isWatched: true,
      },
    ],
    actionsEnabled: true,
    actions: { OK: [], ALARM: ['https://a.example/'], INSUFFICIENT_DATA: [] },
  });
  assert.throws(() => changed({ endpoint: 'digits' }), /a new one needs a rule, such as/);
  assert.throws(() => changed({ rule: 'p99 of Latency > 50' }), /needs the endpoint or the dimensions of its metric/);
  assert.throws(() => changed({ rule: 'p99 of Latency > 50', endpoint: 'digits', dimensions: {} }), /cannot be combined/);
});

test('a change keeps what is not given', () => {
  const known = {
    ...alarm('mine', 'OK', 'digits'),
    description: 'why',
    actions: { OK: ['https://ok.example/'], ALARM: [], INSUFFICIENT_DATA: [] },
  };
  const described = changed({ description: 'new', missing_data: 'breaching' }, { known });
  assert.deepEqual(
    [described.description, described.queries, described.rule, described.actions],
    ['new', known.queries, { ...known.rule, missingData: 'breaching' }, known.actions],
  );
  assert(!('state' in described), 'the state is not part of the definition');
  const ruled = changed({ rule: 'p50 of QueueTime >= 5' }, { known });
  assert.deepEqual(ruled.queries[0]?.metric?.metricKey, known.queries[0]?.metric?.metricKey);
  assert.equal(ruled.queries[0]?.metric?.name, 'QueueTime');
  const moved = changed({ endpoint: 'other', variant: 'blue' }, { known });
  assert.deepEqual(moved.queries[0]?.metric?.metricKey.dimensions, { EndpointName: 'other', VariantName: 'blue' });
  assert.equal(moved.queries[0]?.metric?.statistic, 'p99');
});

test('an alarm on an expression keeps its rule', () => {
  const query = { id: 'e1', metric: null, expression: 'm1 / m2', isWatched: true };
  const known = { ...alarm('mine', 'OK', 'digits'), queries: [query], echo: { metrics: [] } };
  assert.deepEqual(changed({ description: 'new' }, { known }).queries, [query]);
  assert.throws(
    () => changed({ rule: 'p99 of Latency > 50' }, { known }),
    /watches an expression over metrics: change its rule with a CloudWatch client/,
  );
});
