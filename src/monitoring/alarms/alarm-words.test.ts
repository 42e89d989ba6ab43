import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlarmDefinition, AlarmMetric } from './alarm.ts';
import { alarmRuleText, isAlarmOf } from './alarm-words.ts';
import { defaultAlarm } from './default-alarms.ts';

const latencyOf = (endpoint: string): AlarmMetric => {
  return { place: { namespace: 'Penstock', dimensions: { EndpointName: endpoint } }, name: 'Latency', statistic: 'p99' };
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

test('an alarm says of what it rings, and when', () => {
  assert.equal(alarmRuleText(single), 'p99 of Latency > 50 in 3 of 5 x 60 s');
  assert.equal(
    alarmRuleText({ ...computed, rule: { ...computed.rule, comparison: 'LessThanOrEqualToThreshold' } }),
    'm1 / m2 <= 50 in 3 of 5 x 60 s',
  );
  assert.equal(alarmRuleText(defaultAlarm('digits', 'errors')), null);
});

test('it is about each endpoint of which it looks at something, and about the one that has it by itself', () => {
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
