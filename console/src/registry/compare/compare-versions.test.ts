import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DeploymentPlanBody, ProfileBody, VersionBody } from '../../../../src/api/index.ts';
import { linearAxis, logAxis } from '../../kit/charts/log-scale.ts';
import { endpointsOf, servedBy } from '../serving-endpoints.ts';
import { emptyFields, groupOf, inputsOf, newVersionOf } from '../upload/upload-fields.ts';
import { historyEntries } from '../version-history.ts';
import { type Compared, compareVersions, formatBatching, numberRow, serviceTime } from './compare-versions.ts';
import { previousApproved, tickedOf, tickText } from './compared-pair.ts';

function version(number: number, changes: Partial<VersionBody> = {}): VersionBody {
  return {
    name: `digits/${number}`,
    group: 'digits',
    version: number,
    approval: 'Approved',
    batchable: true,
    description: '',
    metrics: { accuracy: 0.95 + number / 100 },
    artifact: { sha256: `${number}abc${'0'.repeat(56)}9def`, bytes: 1000 * number },
    signature: { inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }], outputs: [] },
    opsets: { '': 17 },
    source_name: 'digits.onnx',
    created_by: 'ada',
    created_at: `2026-11-2${number}T10:00:00.000Z`,
    approval_changed_at: null,
    approval_changed_by: null,
    approval_note: null,
    ...changes,
  } as VersionBody;
}
const profile = (one: number, many: number): ProfileBody =>
  ({
    service: [
      { b: 1, p50_ms: one, rss_mib: 40 },
      { b: 16, p50_ms: many, rss_mib: 41 },
    ],
  }) as unknown as ProfileBody;
const plan = (usd: number): DeploymentPlanBody =>
  ({ chosen: { p95_ms: 8, usd_per_million: usd, usd_per_hour: usd / 10 } }) as unknown as DeploymentPlanBody;

describe('the comparison of two versions', () => {
  const before: Compared = { version: version(3), profile: profile(0.0134, 0.016), plan: plan(0.07) };
  const after: Compared = { version: version(4), profile: profile(0.0226, 0.138), plan: plan(0.074) };
  const rows = new Map(compareVersions(before, after).map((row) => [row.label, row]));

  test('lists signature, quality, service time, cost and file, in this order', () => {
    assert.deepEqual([...rows.keys()].slice(0, 3), ['Input', 'Output', 'Accuracy']);
    assert.deepEqual([rows.get('Accuracy')?.change, rows.get('Accuracy')?.tone], ['+0.010', 'good']);
    assert.deepEqual([rows.get('Service time, 1 row')?.before, rows.get('Service time, 1 row')?.change], [['13.4 µs'], '+69 %']);
    assert.deepEqual([rows.get('Service time, 16 rows')?.change, rows.get('Service time, 16 rows')?.tone], ['+763 %', 'bad']);
    assert.deepEqual([rows.get('Per million requests')?.after, rows.get('Per million requests')?.change], [['$0.074'], '+6 %']);
    assert.deepEqual(rows.get('Artifact')?.before, ['sha256 3abc…9def']);
    assert.equal(rows.get('Opset')?.isSame, true);
  });

  test('shows known values if one version is not measured yet', () => {
    const unknown = compareVersions({ ...before, profile: undefined, plan: undefined }, after);
    const row = unknown.find(({ label }) => label === 'Service time, 1 row');
    assert.deepEqual([row?.before, row?.change], [['–'], '']);
  });

  test('shows differences with their unit', () => {
    const format = { format: String, decimals: 1, unit: 'MB', isLessBetter: true };
    assert.deepEqual([numberRow('Memory', 40, 57.6, format).change, numberRow('Memory', 40, 40.01, format).change], ['+17.6 MB', '']);
  });

  test('treats a lower loss as better', () => {
    const format = { format: String, decimals: 1, isLessBetter: true };
    assert.deepEqual(
      [numberRow('Loss', 2, 1, format).tone, numberRow('Loss', 1, 2, format).tone, numberRow('Loss', 1, 1, format).change],
      ['good', 'bad', ''],
    );
  });
});

test('rates the effect of batching', () => {
  const batchable = version(1);
  assert.equal(formatBatching(batchable, profile(1, 1.9)), 'effective');
  assert.equal(formatBatching(batchable, profile(1, 12)), 'slightly effective');
  assert.equal(formatBatching(batchable, profile(1, 16)), 'not effective');
  assert.equal(formatBatching(version(1, { batchable: false }), profile(1, 2)), 'not possible');
  assert.deepEqual([0.0134, 0.138, 8.25].map(serviceTime), ['13.4 µs', '138 µs', '8.3 ms']);
});

test('compares the latest version with the latest approved one, unless two are ticked', () => {
  const all = [version(4, { approval: 'PendingManualApproval' }), version(3, { approval: 'Rejected' }), version(2), version(1)];
  assert.deepEqual(tickedOf(undefined, all), [2, 4]);
  assert.deepEqual(tickedOf('3,1', all), [1, 3]);
  assert.deepEqual(tickedOf('9,x,none', all), []);
  assert.equal(previousApproved(all, all[0] as VersionBody)?.version, 2);
  assert.deepEqual(tickedOf(undefined, [version(1)]), [1]);
  assert.equal(tickText([1, 2], 4, true), '2,4');
  assert.equal(tickText([1, 2], 2, false), '1');
  assert.equal(tickText([1], 1, false), 'none');
});

test('lists the endpoints that serve a version, with their share of traffic', () => {
  const endpoints = [
    {
      name: 'a',
      variants: [
        { model: 'digits/1', weight: 1, shadow: null },
        { model: 'digits/2', weight: 3, shadow: null },
        { model: 'digits/4', weight: 3, shadow: { share: 1, copies_dropped: 0, shares_workers: false } },
      ],
    },
    { name: 'b', variants: [{ model: 'iris/1', weight: 1, shadow: null }] },
  ] as unknown as Parameters<typeof servedBy>[0];
  assert.deepEqual(servedBy(endpoints, 'digits/2'), [{ endpoint: 'a', percent: 75 }]);
  assert.deepEqual(servedBy(endpoints, 'digits/3'), []);
  assert.deepEqual(servedBy(endpoints, 'digits/4'), [], 'a shadow answers no requests');
  assert.deepEqual(
    endpointsOf(endpoints, 'digits').map(({ name }) => name),
    ['a'],
  );
});

test('derives a valid group name from a file name', () => {
  assert.deepEqual(['digits_mlp.onnx', 'My Model (v2).onnx', '__.onnx', `${'a'.repeat(80)}.onnx`].map(groupOf), [
    'digits-mlp',
    'My-Model-v2',
    '',
    'a'.repeat(63),
  ]);
  const metricsOf = (accuracy: number | null): string | undefined => newVersionOf({ ...emptyFields, accuracy }).metrics;
  assert.deepEqual([metricsOf(0.978), metricsOf(null)], ['{"accuracy":0.978}', undefined]);
});

test('lists registrations and decisions, latest first', () => {
  const decided = {
    approval: 'Rejected',
    approval_changed_at: '2026-11-25T10:00:00.000Z',
    approval_changed_by: 'lin',
    approval_note: 'too slow',
  } as const;
  const entries = historyEntries([version(2), version(1, decided)]).map(({ title, why }) => `${title}: ${why}`);
  assert.deepEqual(entries, [
    'digits/1 was rejected by lin: too slow',
    'digits/2 was registered by ada: From digits.onnx.',
    'digits/1 was registered by ada: From digits.onnx.',
  ]);
});

test('axes contain all their values and ticks', () => {
  for (const values of [[0.0134, 0.516], [5], [1, 1.1]]) {
    const axis = logAxis(values, 100, 0);
    for (const value of values) assert(axis.at(value) >= 0 && axis.at(value) <= 100);
    assert(axis.ticks.every((tick) => axis.at(tick) >= 0 && axis.at(tick) <= 100));
  }
  const line = linearAxis([0.949, 0.998], 100, 0);
  assert(line.at(0.949) > line.at(0.998) && line.ticks.length >= 2);
  assert.deepEqual([linearAxis([], 0, 1).ticks, logAxis([], 0, 1).ticks], [[], []]);
});

test('reads the inputs of a TorchScript file, and sees what is none', () => {
  assert.deepEqual(inputsOf('x FP32 [-1,30]; mask BOOL [-1]'), [
    { name: 'x', datatype: 'FP32', shape: [-1, 30] },
    { name: 'mask', datatype: 'BOOL', shape: [-1] },
  ]);
  assert.deepEqual([inputsOf('x FP32'), inputsOf('x FP32 [-1,30];')], [null, null]);
});
