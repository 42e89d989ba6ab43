import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../errors.ts';
import type { Alarm } from '../monitoring/index.ts';
import type { Page } from './bodies.ts';
import { type AlarmBody, metricRoutes } from './metrics.ts';
import type { Call } from './route.ts';
import type { ApiServices } from './services.ts';

const alarm = (name: string, state: Alarm['state'], measuredOf?: string): Alarm => {
  const place = { namespace: 'Penstock', dimensions: { EndpointName: measuredOf ?? '' } };
  const metric = { place, name: 'Latency', statistic: 'p99' };
  return {
    name,
    description: '',
    rule: { comparison: 'GreaterThanThreshold', threshold: 50, evaluationPeriods: 3, datapointsToAlarm: 3, missingData: 'missing' },
    periodS: 60,
    queries: measuredOf === undefined ? [] : [{ id: 'm1', metric, expression: null, isWatched: true }],
    actionsEnabled: true,
    actions: { OK: [], ALARM: [], INSUFFICIENT_DATA: [] },
    state,
    stateReason: 'as it was entered',
    stateSinceMs: 0,
    updatedAtMs: 0,
  };
};

const alarms = [alarm('penstock/digits/errors', 'OK'), alarm('slow', 'ALARM', 'digits'), alarm('penstock/other/errors', 'ALARM')];

async function list(query: object): Promise<readonly AlarmBody[]> {
  const services = {
    alarms: { list: () => alarms, foundLast: (name: string) => (name === 'slow' ? 'as it is now' : null) },
    deployments: {
      get: (name: string) => {
        if (name !== 'new') throw new PlatformError('not_found', `there is no endpoint '${name}'`);
      },
    },
  };
  const found = metricRoutes(services as unknown as ApiServices).find(({ key }) => key === 'GET /alarms');
  assert(found !== undefined);
  return ((await found.handle({ query } as Call<unknown, unknown, unknown>)) as Page<AlarmBody>).items;
}

const names = async (query: object): Promise<string[]> => (await list(query)).map(({ name }) => name);

test('alarms of an endpoint are its own and those on what is measured of it; those that ring come first', async () => {
  assert.deepEqual(await names({}), ['slow', 'penstock/other/errors', 'penstock/digits/errors']);
  assert.deepEqual(await names({ endpoint: 'digits' }), ['slow', 'penstock/digits/errors']);
  assert.deepEqual(await names({ endpoint: 'digits', state: 'OK' }), ['penstock/digits/errors']);
});

test('each says when it rings and what the last look found', async () => {
  const told = (await list({ endpoint: 'digits' })).map(({ rule, reason }) => [rule, reason]);
  assert.deepEqual(told, [
    ['p99 of Latency > 50 in 3 of 3 x 60 s', 'as it is now'],
    [null, 'as it was entered'],
  ]);
});

test('one that is new has none yet, and one that is not there is refused', async () => {
  assert.deepEqual(await names({ endpoint: 'new' }), []);
  assert.deepEqual(await names({ endpoint: 'other', state: 'OK' }), []);
  await assert.rejects(list({ endpoint: 'nobody' }), { code: 'not_found' });
});
