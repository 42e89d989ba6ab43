import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from './format.ts';

for (const { what, said, is } of [
  { what: 'a number of many digits', said: format.fixed(1236), is: '1,236' },
  { what: 'a negative one', said: format.fixed(-0.2, 1), is: '−0.2' },
  { what: 'what is not known', said: format.fixed(null), is: '–' },
  { what: 'what cannot be', said: format.fixed(Number.NaN), is: '–' },
  { what: 'millions of requests', said: format.count(8_150_000), is: '8.15 M' },
  { what: 'a low rate', said: format.rate(0.52), is: '0.52' },
  { what: 'a rate', said: format.rate(12.44), is: '12.4' },
  { what: 'a high rate', said: format.rate(1236.4), is: '1,236' },
  { what: 'milliseconds below a hundred', said: format.ms(42.64), is: '42.6' },
  { what: 'milliseconds just below a hundred', said: format.ms(99.96), is: '100' },
  { what: 'part of a millisecond', said: format.ms(0.123), is: '0.12' },
  { what: 'seconds', said: format.duration(1300), is: '1.3 s' },
  { what: 'minutes', said: format.duration(12 * 60_000), is: '12 min' },
  { what: 'days', said: format.duration(3 * 86_400_000), is: '3 d' },
  { what: 'a share', said: format.percent(0.9891), is: '98.9' },
  { what: 'all', said: format.percent(1), is: '100' },
  { what: 'nearly all', said: format.percent(0.999_99), is: '99.99' },
  { what: 'nearly none', said: format.percent(0.000_001), is: '0.01' },
  { what: 'none', said: format.percent(0), is: '0' },
  { what: 'more than all', said: format.percent(3.02), is: '302.0' },
  { what: 'less than none', said: format.percent(-0.5), is: '−50.0' },
  { what: 'a share in time that misses p95 by little', said: format.percentInTime(0.949_96), is: '94.9' },
  { what: 'a share in time just as promised', said: format.percentInTime(0.95 - 1e-12), is: '95.0' },
  { what: 'a share in time of nearly all', said: format.percentInTime(0.999_58), is: '99.95' },
  { what: 'a share in time of all', said: format.percentInTime(1), is: '100' },
  { what: 'money per hour', said: format.usd(0.2361), is: '$0.236' },
  { what: 'a dollar and more', said: format.usd(11.7), is: '$11.70' },
  { what: 'money saved', said: format.usd(-0.072), is: '−$0.072' },
  { what: 'the cost of a request', said: format.usdSmall(7e-8), is: '$0.000 000 070' },
  { what: 'a sentence', said: format.sentence('the promise is kept'), is: 'The promise is kept.' },
  { what: 'a sentence that begins with a name', said: format.sentence('digits/2 on 2 cores'), is: 'digits/2 on 2 cores.' },
  { what: 'a difference up', said: format.difference(1.44), is: '+1.4' },
  { what: 'a difference down', said: format.difference(-0.21), is: '−0.2' },
  { what: 'hardly a difference', said: format.difference(-0.01), is: '0.0' },
  { what: 'a file', said: format.bytes(67 * 1024), is: '67 KB' },
  { what: 'an objective', said: format.objective('p95<=50ms'), is: 'p95 ≤ 50 ms' },
  { what: 'a shape', said: format.shape({ datatype: 'FP32', shape: [-1, 64] }), is: 'f32[N,64]' },
  { what: 'a shape of texts', said: format.shape({ datatype: 'BYTES', shape: [-1, 1] }), is: 'text[N,1]' },
  { what: 'one', said: format.plural(1, 'request'), is: '1 request' },
]) {
  test(`writes ${what} as ${is}`, () => assert.equal(said, is));
}

test('reads what an objective promises', () => {
  assert.deepEqual(format.parseObjective('p99.9<=1.5s'), { percentile: 99.9, latencyMs: 1500 });
  assert.deepEqual(format.parseObjective('p95<=2m'), { percentile: 95, latencyMs: 120_000 });
  assert.equal(format.parseObjective(null), null);
});
