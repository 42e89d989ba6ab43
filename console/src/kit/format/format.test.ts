import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from './format.ts';

for (const { what, actual, is } of [
  { what: 'a number of many digits', actual: format.fixed(1236), is: '1,236' },
  { what: 'a negative number', actual: format.fixed(-0.2, 1), is: '−0.2' },
  { what: 'an unknown value', actual: format.fixed(null), is: '–' },
  { what: 'NaN', actual: format.fixed(Number.NaN), is: '–' },
  { what: 'millions of requests', actual: format.count(8_150_000), is: '8.15 M' },
  { what: 'a low rate', actual: format.rate(0.52), is: '0.52' },
  { what: 'a rate', actual: format.rate(12.44), is: '12.4' },
  { what: 'a high rate', actual: format.rate(1236.4), is: '1,236' },
  { what: 'milliseconds below a hundred', actual: format.ms(42.64), is: '42.6' },
  { what: 'milliseconds just below a hundred', actual: format.ms(99.96), is: '100' },
  { what: 'part of a millisecond', actual: format.ms(0.123), is: '0.12' },
  { what: 'seconds', actual: format.duration(1300), is: '1.3 s' },
  { what: 'minutes', actual: format.duration(12 * 60_000), is: '12 min' },
  { what: 'days', actual: format.duration(3 * 86_400_000), is: '3 d' },
  { what: 'a share', actual: format.percent(0.9891), is: '98.9' },
  { what: 'all', actual: format.percent(1), is: '100' },
  { what: 'nearly all', actual: format.percent(0.999_99), is: '99.99' },
  { what: 'nearly none', actual: format.percent(0.000_001), is: '0.01' },
  { what: 'none', actual: format.percent(0), is: '0' },
  { what: 'more than all', actual: format.percent(3.02), is: '302.0' },
  { what: 'less than none', actual: format.percent(-0.5), is: '−50.0' },
  { what: 'an in-time share just below p95', actual: format.percentInTime(0.949_96), is: '94.9' },
  { what: 'an in-time share that equals the objective', actual: format.percentInTime(0.95 - 1e-12), is: '95.0' },
  { what: 'an in-time share of nearly all', actual: format.percentInTime(0.999_58), is: '99.95' },
  { what: 'an in-time share of all', actual: format.percentInTime(1), is: '100' },
  { what: 'money per hour', actual: format.usd(0.2361), is: '$0.236' },
  { what: 'more than a dollar', actual: format.usd(11.7), is: '$11.70' },
  { what: 'money saved', actual: format.usd(-0.072), is: '−$0.072' },
  { what: 'the cost of a request', actual: format.usdSmall(7e-8), is: '$0.000 000 070' },
  { what: 'a sentence', actual: format.sentence('the objective is met'), is: 'The objective is met.' },
  { what: 'a sentence that starts with a name', actual: format.sentence('digits/2 on 2 cores'), is: 'digits/2 on 2 cores.' },
  { what: 'a difference up', actual: format.difference(1.44), is: '+1.4' },
  { what: 'a difference down', actual: format.difference(-0.21), is: '−0.2' },
  { what: 'a negligible difference', actual: format.difference(-0.01), is: '0.0' },
  { what: 'a file', actual: format.bytes(67 * 1024), is: '67 KB' },
  { what: 'an objective', actual: format.objective('p95<=50ms'), is: 'p95 ≤ 50 ms' },
  { what: 'a shape', actual: format.shape({ datatype: 'FP32', shape: [-1, 64] }), is: 'f32[N,64]' },
  { what: 'a shape of texts', actual: format.shape({ datatype: 'BYTES', shape: [-1, 1] }), is: 'text[N,1]' },
  { what: 'one', actual: format.plural(1, 'request'), is: '1 request' },
]) {
  test(`writes ${what} as ${is}`, () => assert.equal(actual, is));
}

test('parses the percentile and the latency of an objective', () => {
  assert.deepEqual(format.parseObjectiveText('p99.9<=1.5s'), { percentile: 99.9, latencyMs: 1500 });
  assert.deepEqual(format.parseObjectiveText('p95<=2m'), { percentile: 95, latencyMs: 120_000 });
  assert.equal(format.parseObjectiveText(null), null);
});
