import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlarmDefinition, AlarmMetric } from './alarm.ts';
import { defaultAlarm } from './default-alarms.ts';
import { alarmRuleText, isAlarmOf } from './format-alarm.ts';

const latencyOf = (endpoint: string): AlarmMetric => {
  return { metricKey: { namespace: 'Penstock', dimensions: { EndpointName: endpoint } }, name: 'Latency', statistic: 'p99' };
};
const single: AlarmDefinition = {
  ...defaultAlarm('digits', 'errors'),
  name: 'slow',
  rule: { comparison: 'GreaterThanThreshold', threshold: 50, evaluationPeriods: 5, datapointsToAlarm: 3, missingData: 'missing' },
  queries: [{ id: 'm1', metric: latencyOf('digits'), expression: null, isWatched: true }],
};
const computed: AlarmDefinition = {
  ...single,
  queries: [
    { id: 'm1', metric: latencyOf('digits'), expression: null, isWatched: false },
    { id: 'm2', metric: latencyOf('other'), expression: null, isWatched: false },
    { id: 'e', metric: null, expression: 'm1 / m2', isWatched: true },
  ],
};

test('formats the metric, threshold and periods of an alarm', () => {
  assert.equal(alarmRuleText(single), 'p99 of Latency > 50 in 3 of 5 x 60 s');
  assert.equal(
    alarmRuleText({ ...computed, rule: { ...computed.rule, comparison: 'LessThanOrEqualToThreshold' } }),
    'm1 / m2 <= 50 in 3 of 5 x 60 s',
  );
  assert.equal(alarmRuleText(defaultAlarm('digits', 'errors')), null);
});

test('is an alarm of each endpoint it measures, and of the endpoint it was created for by default', () => {
  assert.deepEqual(
    ['digits', 'DIGITS', 'other', 'dig'].map((endpoint) => [single, computed].map((alarm) => isAlarmOf(alarm, endpoint))),
    [
      [true, true],
      [true, true],
      [false, true],
      [false, false],
    ],
  );
  assert(isAlarmOf(defaultAlarm('digits', 'drift'), 'digits') && !isAlarmOf(defaultAlarm('digits', 'drift'), 'digit'));
});
