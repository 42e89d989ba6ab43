/** Registers damaged and malicious ONNX files: each is accepted or rejected with a reason, in bounded time, and the server survives. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { StatusBody } from '../../src/api/index.ts';
import type { Refusal } from '../end-to-end/server.ts';
import { modelPath } from '../models/index.ts';
import { fuzz, smallerBytes } from './campaign.ts';
import { hostileModel, hostileModels } from './hostile-models.ts';
import { mutateMessage } from './protobuf-mutation.ts';
import { WatchedServer } from './watched-server.ts';

/** A worker that inspects a model is killed after 60 s. */
const inspectionMsMax = 75_000;
const growthMiBMax = 300;

const models = [
  'test_affine',
  'test_dtypes',
  'test_typed',
  'digits_logreg',
  'test_axis1_batch',
  'test_batch_coupled',
  'test_gather_fail',
  'iris_rf',
];

let watched: WatchedServer;
let rssBefore = 0;

before(async () => {
  watched = await WatchedServer.start({ flags: ['--warm-workers', '2'] });
  rssBefore = await rssMiB();
});

async function rssMiB(): Promise<number> {
  const { rss_bytes: bytes } = await watched.server.callWell<StatusBody>('GET', '/status');
  return bytes / 2 ** 20;
}

/** Registers or only inspects the file. Returns the rejection, or null if it was accepted. */
async function register(file: Buffer): Promise<Refusal | null> {
  const startMs = performance.now();
  const { status, body } = await watched.server.call<Refusal>('POST', '/groups/fuzz/versions?name=fuzz.onnx', file);
  watched.assertWell();
  const ms = performance.now() - startMs;
  assert(ms < inspectionMsMax, `took ${Math.round(ms)} ms`);
  if (status === 201) return null;
  assert(status < 500 || (status === 500 && body.code === 'model_failed') || status === 501, `status ${status}: ${JSON.stringify(body)}`);
  assert(body.error.length >= 15, `the reason is too short: ${body.error}`);
  assert(body.error.length < 3000, `the reason has ${body.error.length} characters: ${body.error.slice(0, 300)}`);
  assert.doesNotMatch(body.error, /\n\s+at |node_modules|\/src\//, 'the reason reveals internals');
  assert(!body.error.includes(watched.server.dataDir), `the reason reveals the data directory: ${body.error}`);
  return body;
}

describe('a model file', () => {
  for (const [name, { refusal }] of Object.entries(hostileModels)) {
    test(`with ${name} is ${refusal === null ? 'accepted or rejected' : 'rejected'} with a reason`, async () => {
      const refused = await register(hostileModel(name));
      if (refusal !== null) assert.match(refused?.error ?? '', refusal);
    });
  }

  test('with any mutation is registered or rejected with a reason', async () => {
    const files = models.map((name) => readFileSync(modelPath(name)));
    await fuzz<Buffer>({
      name: 'onnx',
      cases: 12,
      concurrency: 2,
      generate: (random) => mutateMessage(random, random.pick(files)),
      check: async (file) => void (await register(file)),
      smaller: smallerBytes,
      show: (file) => file.toString('base64'),
    });
  });

  after(async () => {
    const grown = (await rssMiB()) - rssBefore;
    assert(grown < growthMiBMax, `the server's memory grew by ${Math.round(grown)} MiB`);
    await watched.end();
  });
});
