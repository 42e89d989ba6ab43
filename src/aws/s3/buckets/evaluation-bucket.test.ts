import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { QualityReport } from '../../../evaluation/index.ts';
import { EvaluationBucket } from './evaluation-bucket.ts';

const content = Buffer.from('{"multiclass_classification_metrics":{"accuracy":{"value":0.9}}}');
const sha256 = createHash('sha256').update(content).digest('hex');
const report: QualityReport = { key: 'digits/1/holdout.json', content, sha256, evaluatedAtMs: 5 };
const bucket = new EvaluationBucket(
  { list: async () => [{ ...report, bytes: content.length }], read: async (key) => (key === report.key ? report : null) },
  1,
);

test('reports are listed, read whole or in part, and unknown keys are none', async () => {
  assert.deepEqual(await bucket.objects(), [{ key: report.key, bytes: content.length, etag: sha256, modifiedAtMs: 5 }]);
  const opened = await bucket.open(report.key);
  assert.equal(opened?.contentType, 'application/json');
  const read = async (range?: { start: number; end: number }): Promise<string> =>
    Buffer.concat((await opened?.stream(range).toArray()) as Buffer[]).toString();
  assert.equal(await read(), content.toString());
  assert.equal(await read({ start: 2, end: 12 }), content.toString().slice(2, 12));
  assert.equal(await read({ start: 3, end: 3 }), '');
  assert.equal(await bucket.open('digits/1/other.json'), null);
});
