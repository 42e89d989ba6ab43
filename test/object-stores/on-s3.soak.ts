/** End-to-end tests of everything that stores objects, once more with the objects in the S3 of another server. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { plainEnvironment } from '../end-to-end/server.ts';
import { S3Server } from './s3-server.ts';

/** Those that look into the folders of the data directory cannot be among them. */
const files = [
  'approval-gate',
  'async',
  'transform',
  'serverless',
  'rolling-update',
  'update-restart',
  'model-forms',
  'evaluate',
  'capture.long',
  'kills',
];

describe('with their objects in S3', () => {
  let s3: S3Server;
  before(async () => {
    s3 = await S3Server.start();
  });
  after(() => s3?.end());

  for (const file of files) {
    test(file, { timeout: 600_000 }, async () => {
      const env = { ...plainEnvironment(), OBJECTS: s3.placeOf('') };
      const path = join(import.meta.dirname, `../end-to-end/${file}.test.ts`);
      const child = spawn(process.execPath, ['--test', '--test-reporter=dot', path], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
      const [code] = (await once(child, 'close')) as [number];
      assert.equal(code, 0, output.slice(-4000));
    });
  }
});
