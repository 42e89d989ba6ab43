/** Batch transform by a model that is a process: payloads in, answers out, one after the other. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { processesWith, scorerBundle, scorerCommand, skip } from './index.ts';
import { TestServer } from './server.ts';

const nonce = `transform-${process.pid}`;
const server = new TestServer([{ match: 'test/scorer', runtime: 'process', command: scorerCommand, env: { NONCE: nonce } }]);
const folder = mkdtempSync(join(tmpdir(), 'penstock-transform-'));

before(async () => {
  if (skip !== false) return;
  await server.start();
  const version = await server.call('POST', '/groups/scorer/versions?image=test/scorer', await scorerBundle());
  assert.equal(version.status, 201, version.text);
  await server.call('POST', '/groups/scorer/versions/1/approval', { approval: 'Approved' });
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
  assert.deepEqual(processesWith('NONCE', nonce), [], 'something is left');
});

async function transform(name: string, files: Readonly<Record<string, string>>, more: Record<string, unknown> = {}) {
  mkdirSync(join(folder, name));
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, name, file), content);
  const body = { name, model: 'scorer/1', input: join(folder, name), output: join(folder, `${name}-out`), ...more };
  const begun = await server.call('POST', '/transforms', body);
  assert.equal(begun.status, 202, begun.text);
  for (let tries = 0; tries < 800; tries++) {
    const now = await server.call('GET', `/transforms/${name}`);
    if (now.at('state') !== 'InProgress') return now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} is not over`);
}

const resultOf = (name: string, file: string): string => readFileSync(join(folder, `${name}-out`, `${file}.out`), 'utf8');

test('an object that is not split is one payload, and its answer the result', { skip }, async () => {
  const done = await transform('whole', { 'a.bin': 'rows:1,2,3', 'b.bin': 'anything' });
  assert.equal(done.at('state'), 'Completed', done.text);
  assert.equal(resultOf('whole', 'a.bin'), '[2.0, 4.0, 6.0]');
  const seen = JSON.parse(resultOf('whole', 'b.bin')) as { headers: Record<string, string>; env: Record<string, string> };
  assert.equal(seen.headers['content-type'], 'application/octet-stream');
  assert.equal(seen.env['SAGEMAKER_BATCH'], 'true');
  assert.equal(seen.env['SAGEMAKER_BATCH_STRATEGY'], 'MULTI_RECORD');
});

test('lines that it refuses are found one by one', { skip }, async () => {
  const done = await transform('lines', { 'a.csv': 'rows:1,2\nrefuse:400\nrows:3\n', 'b.csv': 'rows:4\n' });
  assert.equal(done.at('state'), 'Failed', done.text);
  assert.match(
    String(done.at('reason')),
    /^1 of 2 objects failed: a\.csv: line 2: scorer\/1 answered with status 400: this is not what I take$/,
  );
  assert.deepEqual(readdirSync(join(folder, 'lines-out')), ['b.csv.out']);
});

test('a line that ends the process is left out, and the process comes back for the others', { skip }, async () => {
  const done = await transform('poison', { 'a.csv': 'rows:1\ndie:\nrows:3\n' }, { bad_records: 'skip' });
  assert.equal(done.at('state'), 'Completed', done.text);
  assert.equal(done.at('records_skipped'), 1);
  assert.equal(resultOf('poison', 'a.csv'), '[2.0]\n[6.0]\n');
});
