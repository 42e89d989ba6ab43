/** Batch transforms with a process model, one payload at a time. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { processesWith, scorerBundle, scorerCommand, scorerPaths, skip } from './index.ts';
import { TestServer } from './server.ts';

const nonce = `transform-${process.pid}`;
const server = new TestServer([
  { match: 'test/scorer', runtime: 'process', command: scorerCommand, paths: scorerPaths, env: { NONCE: nonce } },
]);
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
  assert.deepEqual(processesWith('NONCE', nonce), [], 'no process is left');
});

async function transform(name: string, files: Readonly<Record<string, string>>, more: Record<string, unknown> = {}) {
  mkdirSync(join(folder, name));
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, name, file), content);
  const body = { name, model: 'scorer/1', input: join(folder, name), output: join(folder, `${name}-out`), ...more };
  const created = await server.call('POST', '/transforms', body);
  assert.equal(created.status, 202, created.text);
  for (let tries = 0; tries < 800; tries++) {
    const now = await server.call('GET', `/transforms/${name}`);
    if (now.at('state') !== 'InProgress') return now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} is still in progress`);
}

const resultOf = (name: string, file: string): string => readFileSync(join(folder, `${name}-out`, `${file}.out`), 'utf8');

test('sends an object that is not split as one payload', { skip }, async () => {
  const done = await transform('whole', { 'a.bin': 'rows:1,2,3', 'b.bin': 'anything' });
  assert.equal(done.at('state'), 'Completed', done.text);
  assert.equal(resultOf('whole', 'a.bin'), '[2.0, 4.0, 6.0]');
  const received = JSON.parse(resultOf('whole', 'b.bin')) as { headers: Record<string, string>; env: Record<string, string> };
  assert.equal(received.headers['content-type'], 'application/octet-stream');
  assert.equal(received.env['SAGEMAKER_BATCH'], 'true');
  assert.equal(received.env['SAGEMAKER_BATCH_STRATEGY'], 'MULTI_RECORD');
});

test('reports the number of a rejected line', { skip }, async () => {
  const done = await transform('lines', { 'a.csv': 'rows:1,2\nrefuse:400\nrows:3\n', 'b.csv': 'rows:4\n' });
  assert.equal(done.at('state'), 'Failed', done.text);
  assert.match(String(done.at('reason')), /^1 of 2 objects failed: a\.csv: line 2: scorer\/1 answered with status 400: unexpected input$/);
  assert.deepEqual(readdirSync(join(folder, 'lines-out')), ['b.csv.out']);
});

test('skips a line that ends the process, and restarts it for the others', { skip }, async () => {
  const done = await transform('poison', { 'a.csv': 'rows:1\ndie:\nrows:3\n' }, { bad_records: 'skip' });
  assert.equal(done.at('state'), 'Completed', done.text);
  assert.equal(done.at('records_skipped'), 1);
  assert.equal(resultOf('poison', 'a.csv'), '[2.0]\n[6.0]\n');
});
