import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointConfig } from '../../deployment/index.ts';
import type { MetricStore } from '../../metrics/index.ts';
import { countPromised, type EndpointMinute, lastMinutes, Minutes, shareWithinObjective } from './minutes.ts';

const minuteMs = 60_000;
const at = (minute: number, promised: number, missed: number) => ({ atMs: minute * minuteMs, promised, missed }) as EndpointMinute;
const endpoint = (objective: EndpointConfig['objective'], createdAtMs = 0, objectiveSinceMs = createdAtMs) => ({
  config: { objective } as EndpointConfig,
  createdAtMs,
  objectiveSinceMs,
});
const objective = { percentile: 95, latencyMs: 50 };

test('computes the share within the objective over all responses; null without responses or objective', () => {
  assert.equal(shareWithinObjective([at(1, 10, 5), at(2, 90, 0)], endpoint(objective)), 0.95);
  assert.equal(shareWithinObjective([at(1, 0, 0)], endpoint(objective)), null);
  assert.equal(shareWithinObjective([], endpoint(objective)), null);
  assert.equal(shareWithinObjective([at(1, 10, 5)], endpoint(null)), null);
});

test('ignores minutes before the endpoint was created', () => {
  assert.equal(shareWithinObjective([at(1, 10, 10), at(2, 10, 0)], endpoint(objective, 2 * minuteMs + 1)), 1);
});

test('ignores minutes judged by a previous objective', () => {
  assert.equal(shareWithinObjective([at(1, 10, 10), at(2, 10, 10), at(3, 10, 1)], endpoint(objective, 0, 2 * minuteMs + 1)), 0.9);
  assert.equal(shareWithinObjective([at(2, 10, 10)], endpoint(objective, 0, 2 * minuteMs + 1)), null);
  assert.equal(
    shareWithinObjective([at(2, 10, 10)], endpoint(objective, 0, Number.POSITIVE_INFINITY)),
    null,
    'the objective is not served yet',
  );
});

test('counts the same minutes for totals as for the share of an endpoint', () => {
  const view = endpoint(objective, 0, 2 * minuteMs + 1);
  assert.deepEqual(countPromised([at(2, 10, 10), at(3, 10, 1)], view), { promised: 10, missed: 1 });
  assert.deepEqual(countPromised([at(3, 10, 1)], endpoint(null)), { promised: 0, missed: 0 });
});

test('reads a settled minute only once', async () => {
  const config = { name: 'digits', objective: objective, variants: [{ name: 'AllTraffic' }] } as unknown as EndpointConfig;
  const read: number[] = [];
  const columns = ({ fromMs, toMs }: { fromMs: number; toMs: number }, names: readonly string[]) => {
    read.push((toMs - fromMs) / minuteMs);
    const point = { atMs: toMs - minuteMs, count: 1, sum: 0 };
    return Promise.resolve(Object.fromEntries(names.map((name) => [name, name === 'ObjectiveMissed' ? [point] : []])));
  };
  const minutes = new Minutes({ columns, namesOf: () => [] } as unknown as Pick<MetricStore, 'columns' | 'namesOf'>);
  for (const nowMs of [100 * minuteMs + 20_000, 100 * minuteMs + 21_000, 102 * minuteMs + 20_000]) {
    await minutes.of(config, lastMinutes(60 * minuteMs, nowMs));
  }
  assert.deepEqual(read, [60, 1, 3]);
});

test('evicts the minutes of an endpoint that is no longer queried', async () => {
  const of = (name: string) => ({ name, objective: objective, variants: [{ name: 'AllTraffic' }] }) as unknown as EndpointConfig;
  const read: number[] = [];
  const columns = ({ fromMs, toMs }: { fromMs: number; toMs: number }) => {
    read.push((toMs - fromMs) / minuteMs);
    return Promise.resolve({});
  };
  const minutes = new Minutes({ columns, namesOf: () => [] } as unknown as Pick<MetricStore, 'columns' | 'namesOf'>);
  const call = (name: string, minute: number) => minutes.of(of(name), lastMinutes(60 * minuteMs, minute * minuteMs + 20_000));
  await call('idle', 100);
  for (let minute = 100; minute <= 116; minute++) await call('digits', minute);
  read.length = 0;
  await call('digits', 117);
  await call('idle', 117);
  assert.deepEqual(read, [2, 60]);
});
