import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyWords } from './policy-words.ts';

for (const { policy, words } of [
  {
    policy: 'track:1000,metric=invocations,out=60s,in=60s',
    words: '1,000 requests a minute for each; fewer 60 s after a change',
  },
  {
    policy: 'track:4,metric=concurrency,out=300s,in=60s+overflow',
    words: '4 requests at once for each; fewer 300 s after there were more, 60 s after there were fewer, functions for what comes over',
  },
  { policy: 'track:700,in=never', words: '700 requests a minute for each, never fewer' },
  { policy: 'track:700', words: '700 requests a minute for each; fewer 5 min after a change' },
  { policy: 'hpa:60,window=120s', words: 'each 60 % busy, as Kubernetes counts, window 120 s' },
  { policy: 'hold|track:9,out=1s,in=1s', words: 'the most of: as it is; 9 requests a minute for each; fewer 1 s after a change' },
  { policy: 'economic', words: 'economic, what costs least under the promise' },
  { policy: 'mark-greedy:1.2,forecaster=holt-winters', words: 'mark-greedy 1.2, forecaster holt-winters' },
]) {
  test(`${policy}: ${words}`, () => assert.equal(policyWords(policy), words));
}
