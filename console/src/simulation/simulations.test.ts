import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyResultBody, SimulationBody } from '../../../src/api/index.ts';
import { bestOf, policyName, verdictOf } from './simulations.ts';

const run = { objective: 'p95<=50ms' } as SimulationBody;
const result = (policy: string, costUsd: number, inTime: number) => ({ policy, cost_usd: costUsd, in_time: inTime }) as PolicyResultBody;
const all = [result('static:5', 12.24, 0.999), result('economic', 4.16, 0.9926), result('static:2', 3.9, 0.9094)];

test('the cheapest that keeps the promise wins, and the sentence says what the others cost or miss', () => {
  assert.equal(bestOf(run, all)?.policy, 'economic');
  assert.deepEqual(verdictOf(run, all), {
    title: 'Penstock costs $4.16 and keeps the promise (99.3 % in time, 95.0 % promised).',
    more: 'Always-on costs 2.9 times as much; Always-on costs 6.3 % less and answers 9.1 % late.',
  });
});

test('where none keeps it, it is said, with who comes closest', () => {
  const verdict = verdictOf(run, [result('static:1', 1, 0.5), result('hpa:70', 2, 0.8)]);
  assert.match(verdict?.title ?? '', /^No policy keeps the promise: Kubernetes HPA comes closest \(80\.0 % in time/);
  assert.equal(verdictOf(run, []), null);
});

test('policies bear the names that people know them by', () => {
  assert.deepEqual(['economic', 'hpa:70,window=300s+overflow', 'static:2', 'deployed: static:1', 'running-max'].map(policyName), [
    'Penstock',
    'Kubernetes HPA',
    'Always-on',
    'As deployed',
    'running-max',
  ]);
});
