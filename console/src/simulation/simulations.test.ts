import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyResultBody, SimulationBody } from '../../../src/api/index.ts';
import { bestOf, policyName, summarizeResults } from './simulations.ts';

const run = { objective: 'p95<=50ms' } as SimulationBody;
const result = (policy: string, costUsd: number, inTime: number) => ({ policy, cost_usd: costUsd, in_time: inTime }) as PolicyResultBody;
const all = [result('static:5', 12.24, 0.999), result('economic', 4.16, 0.9926), result('static:2', 3.9, 0.9094)];

test('the cheapest policy that meets the objective wins; the others are compared with it', () => {
  assert.equal(bestOf(run, all)?.policy, 'economic');
  assert.deepEqual(summarizeResults(run, all), {
    title: 'Penstock costs $4.16 and meets the objective (99.3 % in time, objective 95.0 %).',
    more: 'Always-on costs 2.9 times as much; Always-on costs 6.3 % less, but 9.1 % of its responses are late.',
  });
});

test('names the closest policy if none meets the objective', () => {
  const summary = summarizeResults(run, [result('static:1', 1, 0.5), result('hpa:70', 2, 0.8)]);
  assert.match(summary?.title ?? '', /^No policy meets the objective: Kubernetes HPA comes closest \(80\.0 % in time/);
  assert.equal(summarizeResults(run, []), null);
});

test('shows policies by their common names', () => {
  assert.deepEqual(['economic', 'hpa:70,window=300s+overflow', 'static:2', 'deployed: static:1', 'running-max'].map(policyName), [
    'Penstock',
    'Kubernetes HPA',
    'Always-on',
    'As deployed',
    'running-max',
  ]);
});
