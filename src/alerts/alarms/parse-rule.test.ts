/** Rules of alarms as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withinCpuMs } from '../../../test/cpu-time.ts';
import { type ComparisonOperator, comparisonOperators } from './evaluate.ts';
import { alarmRuleText } from './format-alarm.ts';
import { parseAlarmRule } from './parse-rule.ts';

test('a rule reads as it is shown', () => {
  assert.deepEqual(parseAlarmRule('p99 of Latency > 50 in 3 of 5 x 60 s'), {
    metric: 'Latency',
    statistic: 'p99',
    periodS: 60,
    rule: { comparison: 'GreaterThanThreshold', threshold: 50, datapointsToAlarm: 3, evaluationPeriods: 5 },
  });
  const { periodS, rule } = parseAlarmRule('Sum of Errors/internal>=1');
  assert.deepEqual([periodS, rule.evaluationPeriods, rule.datapointsToAlarm, rule.threshold], [60, 1, 1, 1]);
  assert.equal(parseAlarmRule('Average of Cost < 1e-3 in 1 of 2 x 5m').periodS, 300);
});

test('every rule that is shown can be read back', () => {
  const operators = Object.keys(comparisonOperators) as ComparisonOperator[];
  const anyRule = fc.record({
    comparison: fc.constantFrom(...operators),
    threshold: fc.double({ noNaN: true, noDefaultInfinity: true }),
    evaluationPeriods: fc.integer({ min: 1, max: 100 }),
  });
  const shape = fc.record({
    statistic: fc.constantFrom('SampleCount', 'Sum', 'Average', 'Minimum', 'Maximum', 'p50', 'p99.9'),
    name: fc.stringMatching(/^[A-Z][A-Za-z]{0,20}(\/[a-z_]{1,10})?$/),
    periodS: fc.constantFrom(10, 20, 30, 60, 300, 600),
  });
  fc.assert(
    fc.property(anyRule, shape, ({ comparison, threshold, evaluationPeriods }, { statistic, name, periodS }) => {
      const rule = { comparison, threshold, evaluationPeriods, datapointsToAlarm: Math.ceil(evaluationPeriods / 2) };
      const metric = { metricKey: { namespace: 'Penstock', dimensions: {} }, name, statistic };
      const queries = [{ id: 'm1', metric, expression: null, isWatched: true }];
      const text = alarmRuleText({ queries, periodS, rule: { ...rule, missingData: 'missing' } });
      assert.deepEqual(parseAlarmRule(text ?? ''), { metric: name, statistic, periodS, rule: { ...rule, threshold: threshold + 0 } });
    }),
  );
});

for (const [text, says] of [
  ['', /the rule '' is not understood: expected such as 'p99 of Latency > 50 in 3 of 5 x 60s'/],
  ['Latency > 50', /not understood/],
  ['p99 of Latency > fast', /not understood/],
  ['p99 of Latency > 1.2.3', /not understood/],
  ['p101 of Latency > 50', /unknown statistic 'p101': expected SampleCount, Sum/],
  ['median of Latency > 50', /unknown statistic 'median'/],
  ['p99 of Latency > 50 in 4 of 3 x 60s', /at most all 3 periods, got 4 of 3/],
  ['p99 of Latency > 50 in 0 of 3 x 60s', /at least 1/],
  ['p99 of Latency > 50 in 1 of 1 x 45s', /expected a period of 10s, 20s, 30s or whole minutes up to a day, got 45 s/],
  ['p99 of Latency > 50 in 1 of 1 x 2d', /up to a day/],
  ['p99 of Latency > 50 in 1 of 2000 x 60s', /2000 periods of 60 s are too many: expected at most 1440/],
  ['p99 of Latency > 50 in 1 of 1 x soon', /duration 'soon' is not understood/],
] as const) {
  test(`the rule '${text}' is rejected with what was expected`, () => {
    assert.throws(() => parseAlarmRule(text), { code: 'invalid_request', message: says });
  });
}

test('a long text of spaces is rejected as fast as any', () => {
  const text = `p99 of x > 1 in 1 of 1 x${' '.repeat(230)}y${' '.repeat(230)}z\n\nq`;
  withinCpuMs(20, () => assert.throws(() => parseAlarmRule(text), { code: 'invalid_request' }));
});
