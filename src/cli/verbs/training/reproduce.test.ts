import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareTrained, jobOfLineage } from './reproduce.ts';

const metric = (value: number) => ({ name: 'accuracy', value, at: '2026-11-28T00:00:00.000Z' });
const job = (md5: string | null, ...values: number[]) => ({
  name: 'digits-7',
  artifact_object: md5 === null ? null : { bytes: 2048, md5 },
  metrics: values.map(metric),
});

for (const [what, before, after, agrees, text] of [
  ['the same bytes agree, whatever the metrics', job('a', 1), job('a', 0.5), true, /the same bytes \(2 KiB, md5 a\)/],
  ['other bytes agree if the metrics do', job('a', 0.9533), job('b', 0.9533), true, /the bytes differ, and accuracy 0.9533 is the same/],
  ['other metrics do not agree', job('a', 1), job('b', 0.5), false, /the bytes differ; accuracy 0.5 instead of 1/],
  ['a missing metric does not agree', job('a', 1), job('b'), false, /accuracy missing instead of 1/],
  [
    'nothing to compare does not agree',
    job(null),
    job('b'),
    false,
    /the model of digits-7 is no longer stored, and digits-7 has no metrics/,
  ],
] as const) {
  test(`of a model that is trained again: ${what}`, () => {
    const compared = compareTrained(before, after);
    assert.equal(compared.agrees, agrees);
    assert.match(compared.text, text);
  });
}

test('the job of a version is that of its lineage', () => {
  assert.equal(jobOfLineage('{"job":"digits-7","usd":1}'), 'digits-7');
  for (const lineage of [undefined, '', 'x', '{}', '{"job":7}', 'null']) assert.equal(jobOfLineage(lineage), null);
});
