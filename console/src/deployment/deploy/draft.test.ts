import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DeploymentPlanBody, MixtureBody } from '../../../../src/api/index.ts';
import { type DeployDraft, defaultDraft, deployCommand, draftOf, endpointOf, nameProblem, proposedName, searchOf } from './draft.ts';
import { againstAlwaysOn, mixtureTitle, objectiveLabel, planSentence } from './format-plan.ts';
import { recordedTraffic } from './recorded-traffic.ts';

const draft: DeployDraft = { ...defaultDraft, model: 'digits/3' };
const mixture: MixtureBody = {
  instances: 2,
  instance_batch_size: 16,
  functions: { memory_mib: 1769, batch_size_max: 8, concurrency_max: 9 },
  p50_ms: 17,
  p95_ms: 39,
  p99_ms: 46,
  in_time: 0.991,
  overflow_share: 0.037,
  mean_function_batch: 4,
  cold_start_share: 0,
  instance_usd_per_hour: 0.085,
  function_usd_per_hour: 0.03,
  usd_per_hour: 0.115,
  usd_per_million: 0.05,
  rejected_because: null,
};
const alwaysOn = { ...mixture, instances: 4, functions: null, usd_per_hour: 0.17 };
const serverless = { ...mixture, instances: 0, instance_batch_size: null, overflow_share: 1 };
const plan = { model: 'digits/3', instance_type: 'local.1', mixtures: [serverless, mixture, alwaysOn] } as unknown as DeploymentPlanBody;

describe('a draft', () => {
  test('survives a round trip through the URL', () => {
    const other: DeployDraft = {
      model: 'iris/1',
      name: 'iris-b',
      percentile: 99,
      latencyMs: 12,
      ratePerSecond: 0.5,
      peakFactor: 3,
      instanceType: null,
      hasFunctions: true,
      usdPerHourMax: 0.25,
      late: 'shed',
      keepOne: true,
    };
    const known = (search: object) =>
      Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as Record<string, string>;
    assert.deepEqual(draftOf(known(searchOf(other))), other);
    assert.deepEqual(known(searchOf(draft)), { model: 'digits/3' });
  });

  test('compares functions with instances unless they are excluded', () => {
    assert.equal(draftOf({ model: 'digits/3' }).hasFunctions, true);
    assert.equal(draftOf({ functions: 'no' }).hasFunctions, false);
    assert.equal(draftOf({ functions: 'no', instances: 'no' }).hasFunctions, true);
    assert.equal(draftOf(searchOf({ ...draft, hasFunctions: false }) as Record<string, string>).hasFunctions, false);
  });

  test('replaces invalid values in the URL by defaults', () => {
    assert.deepEqual(draftOf({ model: 'digits/3', p: '101', ms: 'fast', rate: '-1', peak: '0', max: 'x', late: 'maybe' }), draft);
  });
});

describe('the deployment', () => {
  test('matches the plan and scales with the traffic', () => {
    assert.deepEqual(endpointOf({ ...draft, usdPerHourMax: 1 }, 'digits', plan, mixture), {
      name: 'digits',
      objective: 'p95<=50ms',
      late: 'serve',
      variants: [
        {
          model: 'digits/3',
          instance_count: 2,
          instance_type: 'local.1',
          scaling: { policy: 'economic', instances_min: 0, instances_max: 4, usd_per_hour_max: 1 },
          functions: { max_concurrency: 14 },
        },
      ],
    });
    assert.deepEqual(endpointOf({ ...draft, keepOne: true }, 'digits', plan, serverless), {
      name: 'digits',
      objective: 'p95<=50ms',
      late: 'serve',
      variants: [{ model: 'digits/3', functions: { max_concurrency: 14, provisioned: 1 } }],
    });
  });

  test('has an equivalent command line', () => {
    assert.equal(
      deployCommand({ ...draft, late: 'shed' }, 'digits', plan, mixture),
      "penstock deploy digits/3 digits --objective 'p95<=50ms' --instances 2 --scaling economic --min-instances 0 --max-instances 4 " +
        '--overflow functions --max-concurrency 14 --late shed',
    );
    assert.match(deployCommand(draft, 'digits', plan, serverless), /--serverless --max-concurrency 14$/);
  });

  test('gets an unused name', () => {
    assert.equal(proposedName('digits/3', []), 'digits');
    assert.equal(proposedName('digits/3', ['Digits', 'digits-2']), 'digits-3');
    assert.equal(nameProblem('digits', ['Digits']), 'An endpoint digits already exists.');
    for (const wrong of ['', '-a', 'a b', 'x'.repeat(64)]) assert.notEqual(nameProblem(wrong, []), null, wrong);
    assert.equal(nameProblem('digits-2', ['digits']), null);
  });
});

test('describes a plan in a sentence', () => {
  assert.deepEqual([serverless, mixture, alwaysOn, { ...alwaysOn, instances: 1 }].map(mixtureTitle), [
    'functions only',
    '2 instances + functions',
    '4 instances, no functions',
    '1 instance, no functions',
  ]);
  assert.equal(
    planSentence(plan, mixture, false),
    '2 × local.1, batch up to 16, no added wait; functions with 1,769 MB, batch up to 8, dispatched when full or when slack runs out. Instances serve 96.3 %, functions absorb bursts.',
  );
  assert.match(planSentence(plan, serverless, false), /Without traffic it costs nothing\.$/);
  assert.deepEqual(againstAlwaysOn(plan, mixture), { value: '32', unit: '% less', note: '$0.170 per hour' });
  assert.equal(objectiveLabel(95, 50, 0.236), 'p95 at most 50 ms, $0.236 per hour');
  assert.equal(objectiveLabel(95, 5, null), 'p95 at most 5 ms, not possible');
});

test('measures recorded traffic between the first and the last request', () => {
  assert.deepEqual(recordedTraffic([null, 0, 10, null, 20, 30, 0, null]), { ratePerSecond: 15, peakFactor: 2 });
  assert.equal(recordedTraffic([null, 0, 0]), null);
  assert.deepEqual(recordedTraffic([5]), { ratePerSecond: 5, peakFactor: 1 });
});
