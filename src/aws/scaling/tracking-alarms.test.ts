import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nowMs, openCloudWatch } from '../../../test/aws-cloudwatch-fixture.ts';
import { countDimension, type PolicyDocument, type TargetDocument } from './scaling-documents.ts';
import { trackingAlarms } from './tracking-alarms.ts';

const policy = (name: string, targetTracking: PolicyDocument['targetTracking']): PolicyDocument => ({
  name,
  id: name,
  createdAtMs: nowMs,
  type: 'TargetTrackingScaling',
  ...(targetTracking === undefined ? {} : { targetTracking }),
  alarms: { high: 'h', low: 'l' },
});

const target: TargetDocument = {
  endpoint: 'digits',
  variant: 'v',
  dimension: countDimension,
  id: 't',
  createdAtMs: nowMs,
  min: 1,
  max: 4,
  role: null,
  suspended: {},
  policies: [
    policy('track', {
      TargetValue: 10,
      PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantInvocationsPerInstance' },
    }),
    policy('unknown', { TargetValue: 10, PredefinedMetricSpecification: { PredefinedMetricType: 'SageMakerVariantOther' } }),
  ],
  actions: [],
  activities: [],
  tags: {},
};

test('a target tracking policy has two alarms, evaluated from its metric', async (t) => {
  const { clock, store } = await openCloudWatch(t);
  const metricKey = { namespace: 'AWS/SageMaker', dimensions: { EndpointName: 'digits', VariantName: 'v' } };
  const feed = store.feed(metricKey, { name: 'InvocationsPerInstance', unit: 'None' });
  const alarms = () => trackingAlarms({ account: '0', region: 'r' }, [target], { store, wallMs: clock.wallMs() });
  const states = async () => (await alarms()).map(({ state }) => state);
  assert.deepEqual(
    (await alarms()).map(({ name }) => name),
    ['TargetTracking-endpoint/digits/variant/v-AlarmHigh-h', 'TargetTracking-endpoint/digits/variant/v-AlarmLow-l'],
  );
  assert.deepEqual(await states(), ['INSUFFICIENT_DATA', 'INSUFFICIENT_DATA']);
  for (let minute = 0; minute < 20; minute++) {
    for (let call = 0; call < 30; call++) feed.add(0.5);
    clock.advance(60_000);
  }
  assert.deepEqual(await states(), ['ALARM', 'OK']);
  for (let minute = 0; minute < 20; minute++) {
    feed.add(0.5);
    clock.advance(60_000);
  }
  assert.deepEqual(await states(), ['OK', 'ALARM']);
  const [high] = await alarms();
  assert.match(high?.actions.ALARM[0] ?? '', /:scalingPolicy:track:resource.sagemaker.endpoint.digits.variant.v:policyName.track$/);
});
