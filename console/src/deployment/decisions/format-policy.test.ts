import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPolicyText } from './format-policy.ts';

for (const { policy, text } of [
  {
    policy: 'track:1000,metric=invocations,out=60s,in=60s',
    text: '1,000 requests per minute each; scales in 60 s after a change',
  },
  {
    policy: 'track:4,metric=concurrency,out=300s,in=60s+overflow',
    text: '4 concurrent requests each; scales in 300 s after scaling out, 60 s after scaling in, overflow to functions',
  },
  { policy: 'track:700,in=never', text: '700 requests per minute each, never scales in' },
  { policy: 'track:700', text: '700 requests per minute each; scales in 5 min after a change' },
  { policy: 'hpa:60,window=120s', text: '60 % utilization (Kubernetes HPA), window 120 s' },
  { policy: 'hold|track:9,out=1s,in=1s', text: 'the maximum of: no change; 9 requests per minute each; scales in 1 s after a change' },
  { policy: 'economic', text: 'economic: the cheapest that meets the objective' },
  { policy: 'mark-greedy:1.2,forecaster=holt-winters', text: 'mark-greedy 1.2, forecaster holt-winters' },
]) {
  test(`${policy}: ${text}`, () => assert.equal(formatPolicyText(policy), text));
}
