import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PlatformError } from '../errors.ts';
import { openDatabase } from '../storage/index.ts';
import { EvaluationRows } from './evaluation-rows.ts';
import { classificationQuality } from './model-quality.ts';
import { emptyOutcomes, encodeOutcomes } from './outcomes.ts';
import { QualityReports } from './quality-reports.ts';

const rowsOfSet = 50;

test('a report is made once for all lists, and one whose answers are unreadable hides no other', async (t) => {
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const folder = mkdtempSync(join(tmpdir(), 'penstock-reports-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const rows = new EvaluationRows(db);
  const labels = Int32Array.from({ length: rowsOfSet }, (_, row) => row % 2);
  const classes = ['0', '1'];
  writeFileSync(join(folder, 'labels'), new Uint8Array(labels.buffer));
  const facts = { format: 'csv', label: 'y', metric: 'accuracy', rows: rowsOfSet, classes, fingerprints: null } as const;
  const set = { ...facts, name: 'Holdout', sha256: 'set', bytes: 1, labelsSha256: 'labels', createdBy: 'tester', createdAtMs: 1 };
  assert(await rows.addSet(set, async () => undefined));
  const quality = classificationQuality({ classes, labels, predictions: labels, scored: null, rowsFailed: 0 });
  for (const [at, model] of ['m/1', 'm/2'].entries()) {
    const outcomes = emptyOutcomes(rowsOfSet, true);
    outcomes.predictions?.set(labels);
    if (model !== 'm/2') writeFileSync(join(folder, model.replace('/', '-')), encodeOutcomes(outcomes));
    const measured = { evaluation: 'e', model, classes, quality, notes: [], evaluatedBy: 'tester', evaluatedAtMs: at };
    await rows.addOutcomes('holdout', { artifactKey: `artifact-${at}`, sha256: model.replace('/', '-'), ...measured });
  }
  const read: string[] = [];
  const fetch = async (sha256: string): Promise<string> => {
    read.push(sha256);
    if (sha256 === 'm-2') throw new PlatformError('unavailable', 'it was moved to trash');
    return join(folder, sha256);
  };
  const reports = new QualityReports({ db, files: { fetch } as unknown as ConstructorParameters<typeof QualityReports>[0]['files'] });
  const report = await reports.read('m/1/Holdout.json');
  assert(report !== null);
  read.length = 0;
  const listed = [{ key: report.key, sha256: report.sha256, evaluatedAtMs: 0, bytes: report.content.length }];
  assert.deepEqual(await reports.list(), listed);
  assert.deepEqual(await reports.list(), listed);
  assert.deepEqual(read, ['m-1', 'labels', 'm-2', 'm-2'], 'what is unreadable is tried again');
});
