import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DeploymentPlanBody, ProfileBody, VersionBody } from '../../../src/api/index.ts';
import { batchWords, type Compared, compareVersions, numberRow, serviceTime } from './compare-versions.ts';
import { formerOf, tickedOf, tickText } from './compared-pair.ts';
import { linearAxis, logAxis } from './log-scale.ts';
import { endpointsOf, servedBy } from './serving-where.ts';
import { groupOf, metricsOf } from './upload-words.ts';
import { happened } from './version-history.ts';

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

describe('two versions', () => {
  const before: Compared = { version: version(3), profile: profile(0.0134, 0.016), plan: plan(0.07) };
  const after: Compared = { version: version(4), profile: profile(0.0226, 0.138), plan: plan(0.074) };
  const rows = new Map(compareVersions(before, after).map((row) => [row.label, row]));

  test('are compared by signature, quality, service time, cost and file, in this order', () => {
    assert.deepEqual([...rows.keys()].slice(0, 3), ['Input', 'Output', 'Accuracy']);
    assert.deepEqual([rows.get('Accuracy')?.change, rows.get('Accuracy')?.tone], ['+0.010', 'good']);
    assert.deepEqual([rows.get('Service time, 1 row')?.before, rows.get('Service time, 1 row')?.change], [['13.4 µs'], '+69 %']);
    assert.deepEqual([rows.get('Service time, 16 rows')?.change, rows.get('Service time, 16 rows')?.tone], ['+763 %', 'bad']);
    assert.deepEqual([rows.get('Per million requests')?.after, rows.get('Per million requests')?.change], [['$0.074'], '+6 %']);
    assert.deepEqual(rows.get('Artifact')?.before, ['sha256 3abc…9def']);
    assert.equal(rows.get('Opset')?.isSame, true);
  });

  test('of which one is not measured yet are compared in what is known', () => {
    const unknown = compareVersions({ ...before, profile: undefined, plan: undefined }, after);
    const row = unknown.find(({ label }) => label === 'Service time, 1 row');
    assert.deepEqual([row?.before, row?.change], [['–'], '']);
  });

  test('differ by so many of a unit, where they have one', () => {
    const wish = { format: String, decimals: 1, unit: 'MB', isLessBetter: true };
    assert.deepEqual([numberRow('Memory', 40, 57.6, wish).change, numberRow('Memory', 40, 40.01, wish).change], ['+17.6 MB', '']);
  });

  test('are better with less of what is a loss', () => {
    const wish = { format: String, decimals: 1, isLessBetter: true };
    assert.deepEqual(
      [numberRow('Loss', 2, 1, wish).tone, numberRow('Loss', 1, 2, wish).tone, numberRow('Loss', 1, 1, wish).change],
      ['good', 'bad', ''],
    );
  });
});

test('company pays, pays little, or does not', () => {
  const batchable = version(1);
  assert.equal(batchWords(batchable, profile(1, 1.9)), 'pays');
  assert.equal(batchWords(batchable, profile(1, 12)), 'pays little');
  assert.equal(batchWords(batchable, profile(1, 16)), 'does not pay');
  assert.equal(batchWords(version(1, { batchable: false }), profile(1, 2)), 'not possible');
  assert.deepEqual([0.0134, 0.138, 8.25].map(serviceTime), ['13.4 µs', '138 µs', '8.3 ms']);
});

test('the latest is compared with the one that clients know, unless two are ticked', () => {
  const all = [version(4, { approval: 'PendingManualApproval' }), version(3, { approval: 'Rejected' }), version(2), version(1)];
  assert.deepEqual(tickedOf(undefined, all), [2, 4]);
  assert.deepEqual(tickedOf('3,1', all), [1, 3]);
  assert.deepEqual(tickedOf('9,x,none', all), []);
  assert.equal(formerOf(all, all[0] as VersionBody)?.version, 2);
  assert.deepEqual(tickedOf(undefined, [version(1)]), [1]);
  assert.equal(tickText([1, 2], 4, true), '2,4');
  assert.equal(tickText([1, 2], 2, false), '1');
  assert.equal(tickText([1], 1, false), 'none');
});

test('a version knows who serves it, and with how much of the traffic', () => {
  const endpoints = [
    {
      name: 'a',
      variants: [
        { model: 'digits/1', weight: 1 },
        { model: 'digits/2', weight: 3 },
      ],
    },
    { name: 'b', variants: [{ model: 'iris/1', weight: 1 }] },
  ] as unknown as Parameters<typeof servedBy>[0];
  assert.deepEqual(servedBy(endpoints, 'digits/2'), [{ endpoint: 'a', percent: 75 }]);
  assert.deepEqual(servedBy(endpoints, 'digits/3'), []);
  assert.deepEqual(
    endpointsOf(endpoints, 'digits').map(({ name }) => name),
    ['a'],
  );
});

test('a file has the name of a group that it may go to', () => {
  assert.deepEqual(['digits_mlp.onnx', 'My Model (v2).onnx', '__.onnx', `${'a'.repeat(80)}.onnx`].map(groupOf), [
    'digits-mlp',
    'My-Model-v2',
    '',
    'a'.repeat(63),
  ]);
  assert.deepEqual([metricsOf(0.978), metricsOf(null)], ['{"accuracy":0.978}', undefined]);
});

test('history tells who brought a version and who decided, the latest first', () => {
  const decided = {
    approval: 'Rejected',
    approval_changed_at: '2026-11-25T10:00:00.000Z',
    approval_changed_by: 'lin',
    approval_note: 'too slow',
  } as const;
  const told = happened([version(2), version(1, decided)]).map(({ title, why }) => `${title}: ${why}`);
  assert.deepEqual(told, [
    'digits/1 was rejected by lin: too slow',
    'digits/2 was registered by ada: From digits.onnx.',
    'digits/1 was registered by ada: From digits.onnx.',
  ]);
});

test('axes hold all they are made of, between their ends', () => {
  for (const values of [[0.0134, 0.516], [5], [1, 1.1]]) {
    const axis = logAxis(values, 100, 0);
    for (const value of values) assert(axis.at(value) >= 0 && axis.at(value) <= 100);
    assert(axis.ticks.every((tick) => axis.at(tick) >= 0 && axis.at(tick) <= 100));
  }
  const line = linearAxis([0.949, 0.998], 100, 0);
  assert(line.at(0.949) > line.at(0.998) && line.ticks.length >= 2);
  assert.deepEqual([linearAxis([], 0, 1).ticks, logAxis([], 0, 1).ticks], [[], []]);
});
