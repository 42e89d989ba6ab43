import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataDirectory } from './data-directory.ts';

const ours = [
  'state.db',
  'state.db-wal',
  'state.db.sequence',
  'metrics.db',
  'config.json',
  'tls-key.pem',
  'logs/platform.log',
  'logs/access.log.1',
];
const others = ['tls-cert.pem', 'package.json', 'model.onnx', 'logs/mine.log'];

test("removes other users' permissions from the server's files, but not from other files or the targets of links", async () => {
  const path = mkdtempSync(join(tmpdir(), 'penstock-tighten-'));
  const outside = mkdtempSync(join(tmpdir(), 'penstock-outside-'));
  try {
    chmodSync(path, 0o755);
    mkdirSync(join(path, 'logs'), { mode: 0o755 });
    for (const name of [...ours, ...others]) writeFileSync(join(path, name), '', { mode: 0o644 });
    writeFileSync(join(outside, 'model'), '', { mode: 0o644 });
    symlinkSync(join(outside, 'model'), join(path, 'keys.json'));
    const directory = await openDataDirectory(path);
    directory.release();
    const modeOf = (name: string): number => statSync(join(path, name)).mode & 0o777;
    assert.equal(modeOf('logs'), 0o700);
    for (const name of [...ours, 'lock.held']) assert.equal(modeOf(name), 0o600, name);
    for (const name of others) assert.equal(modeOf(name), 0o644, name);
    assert.equal(statSync(join(outside, 'model')).mode & 0o777, 0o644);
  } finally {
    for (const each of [path, outside]) rmSync(each, { recursive: true, force: true });
  }
});
