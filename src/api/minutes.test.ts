import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointConfig } from '../deployment/index.ts';
import type { MetricStore } from '../monitoring/index.ts';
import { inTimeOf, lastMinutes, type Minute, Minutes, promisedIn } from './minutes.ts';

const minuteMs = 60_000;
const at = (minute: number, promised: number, missed: number) => ({ atMs: minute * minuteMs, promised, missed }) as Minute;
const endpoint = (objective: EndpointConfig['objective'], createdAtMs = 0, objectiveSinceMs = createdAtMs) => ({
  config: { objective } as EndpointConfig,
  createdAtMs,
  objectiveSinceMs,
});
const promise = { percentile: 95, latencyMs: 50 };

test('the share in time is that of all answers together, and not known where nothing came or nothing is promised', () => {
  assert.equal(inTimeOf([at(1, 10, 5), at(2, 90, 0)], endpoint(promise)), 0.95);
  assert.equal(inTimeOf([at(1, 0, 0)], endpoint(promise)), null);
  assert.equal(inTimeOf([], endpoint(promise)), null);
  assert.equal(inTimeOf([at(1, 10, 5)], endpoint(null)), null);
});

test('what was late before an endpoint was made is not held against it', () => {
  assert.equal(inTimeOf([at(1, 10, 10), at(2, 10, 0)], endpoint(promise, 2 * minuteMs + 1)), 1);
});

test('what was judged by another objective says nothing of the one of now', () => {
  assert.equal(inTimeOf([at(1, 10, 10), at(2, 10, 10), at(3, 10, 1)], endpoint(promise, 0, 2 * minuteMs + 1)), 0.9);
  assert.equal(inTimeOf([at(2, 10, 10)], endpoint(promise, 0, 2 * minuteMs + 1)), null);
  assert.equal(inTimeOf([at(2, 10, 10)], endpoint(promise, 0, Number.POSITIVE_INFINITY)), null, 'it is not served yet');
});

test('what is summed over endpoints is what the share of each is made of', () => {
  const view = endpoint(promise, 0, 2 * minuteMs + 1);
  assert.deepEqual(promisedIn([at(2, 10, 10), at(3, 10, 1)], view), { promised: 10, missed: 1 });
  assert.deepEqual(promisedIn([at(3, 10, 1)], endpoint(null)), { promised: 0, missed: 0 });
});

test('a minute that is over is read once', async () => {
  const config = { name: 'digits', objective: promise, variants: [{ name: 'AllTraffic' }] } as unknown as EndpointConfig;
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

test('of an endpoint that nobody asks for any more nothing is kept, while others are asked for', async () => {
  const of = (name: string) => ({ name, objective: promise, variants: [{ name: 'AllTraffic' }] }) as unknown as EndpointConfig;
  const read: number[] = [];
  const columns = ({ fromMs, toMs }: { fromMs: number; toMs: number }) => {
    read.push((toMs - fromMs) / minuteMs);
    return Promise.resolve({});
  };
  const minutes = new Minutes({ columns, namesOf: () => [] } as unknown as Pick<MetricStore, 'columns' | 'namesOf'>);
  const ask = (name: string, minute: number) => minutes.of(of(name), lastMinutes(60 * minuteMs, minute * minuteMs + 20_000));
  await ask('gone', 100);
  for (let minute = 100; minute <= 116; minute++) await ask('digits', minute);
  read.length = 0;
  await ask('digits', 117);
  await ask('gone', 117);
  assert.deepEqual(read, [2, 60]);
});
