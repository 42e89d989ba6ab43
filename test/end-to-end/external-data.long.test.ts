/** Models with external data, from the command line to predictions: every way in, every wrong file, a backup, and damage. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { RegisteredBody, VersionBody } from '../../src/api/index.ts';
import { tarWith, withExternalData } from '../models/external.ts';
import { modelPath, sample } from '../models/index.ts';
import { zipOf } from '../models/zip.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

const folder = temporaryDirectory();
const { model, data } = withExternalData(readFileSync(modelPath('digits_mlp')), 'weights/digits.onnx.data');
let server: Server;

before(async () => {
  server = await Server.start();
  write('digits/model.onnx', model);
  write('digits/weights/digits.onnx.data', data);
  write('digits/config.json', Buffer.from('{}'));
});
after(async () => {
  await server?.end();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: readonly string[]): Promise<Ran> {
  const env = { ...plainEnvironment(), PENSTOCK_URL: server.url, PENSTOCK_KEY: server.adminKey };
  return new Promise((resolve) => {
    execFile(penstock, args, { env, cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function register(...args: readonly string[]): Promise<VersionBody> {
  const { code, stdout, stderr } = await run('register', ...args, '--output', 'json');
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as RegisteredBody).version;
}

async function assertPredicts(endpoint: string): Promise<void> {
  const { inputs, outputs } = sample('digits_mlp');
  const rows = new Float32Array(new Uint8Array(inputs[0]?.data ?? []).buffer);
  const expected = [...new BigInt64Array(new Uint8Array(outputs[0]?.data ?? []).buffer)].map(Number);
  const instances = expected.map((_, row) => [...rows.subarray(64 * row, 64 * (row + 1))]);
  const answer = await server.callWell<{ predictions: { label: number }[] }>('POST', `/endpoints/${endpoint}/invoke`, { instances });
  assert.deepEqual(
    answer.predictions.map(({ label }) => label),
    expected,
  );
}

describe('a model with its weights in another file', () => {
  test('is registered by its file alone: the data file beside it is found by the name in the model', async () => {
    const version = await register('digits/model.onnx', 'digits', '--approve');
    const { artifact } = version;
    assert.deepEqual(
      artifact.files?.map(({ path, bytes }) => [path, bytes]),
      [
        ['model.onnx', model.length],
        ['weights/digits.onnx.data', data.length],
      ],
    );
    assert.equal(version.batchable, true, version.batchable_reason);
    assert.deepEqual(version.notes, []);
  });

  test('serves the predictions of the model in one file, batched, on an instance and on a function', async () => {
    await server.callWell('POST', '/endpoints', { name: 'digits', variants: [{ model: 'digits/1' }], objective: 'p95<=50ms' });
    await server.inService('digits');
    await server.batches('digits');
    await assertPredicts('digits');
    const { code, stderr } = await run('deploy', 'digits/1', 'on-demand', '--serverless');
    assert.equal(code, 0, stderr);
    await assertPredicts('on-demand');
  });

  test('is the same model as a folder, a .tar.gz, a .zip, and through symbolic links of the user', async () => {
    write('digits.tar.gz', gzipSync(await tarWith({ 'a/model.onnx': model, 'a/weights/digits.onnx.data': data })));
    const zip = zipOf([
      { path: 'model.onnx', bytes: model },
      { path: 'weights/digits.onnx.data', bytes: data, method: 0 },
    ]);
    write('digits.zip', zip);
    mkdirSync(join(folder, 'cache/weights'), { recursive: true });
    symlinkSync('../digits/model.onnx', join(folder, 'cache/model.onnx'));
    symlinkSync('../../digits/weights/digits.onnx.data', join(folder, 'cache/weights/digits.onnx.data'));
    for (const path of ['digits', 'digits.tar.gz', 'digits.zip', 'cache']) {
      assert.equal((await register(path, 'digits', '--reuse')).name, 'digits/1', path);
    }
    const preview = await server.callWell<{ same_as: string[] }>('POST', '/models/preview', zip);
    assert.deepEqual(preview.same_as, ['digits/1']);
  });

  test('gets the name of its folder', async () => {
    assert.equal((await register('digits')).group, 'digits');
  });

  test('is shown with its files', async () => {
    const { stdout } = await run('register', 'digits', '--reuse');
    assert.match(stdout, /files +model\.onnx \(.*\), weights\/digits\.onnx\.data \(/);
  });
});

describe('says what is wrong with', () => {
  for (const [what, files, message] of [
    [
      'a missing data file',
      { 'm.onnx': model },
      /m\.onnx has its weights in weights\/digits\.onnx\.data: expected that file at .*, found none/,
    ],
    [
      'a data file that is cut off',
      { 'm.onnx': model, 'weights/digits.onnx.data': data.subarray(0, -1) },
      new RegExp(`digits\\.onnx\\.data is cut off: expected ${data.length} bytes, got ${data.length - 1}`),
    ],
    [
      'a data file that is too long',
      { 'm.onnx': model, 'weights/digits.onnx.data': Buffer.concat([data, Buffer.from('x')]) },
      new RegExp(`digits\\.onnx\\.data is too long: expected ${data.length} bytes.* got ${data.length + 1}`),
    ],
    [
      'a name that leads out of the folder',
      { 'm.onnx': withExternalData(readFileSync(modelPath('digits_mlp')), '../secret').model },
      /'\.\.\/secret', which leads out/,
    ],
    ['a folder without a model', { 'weights.bin': data }, /one \.onnx file at any depth, or a Python model, got neither/],
    ['a folder with two models', { 'a.onnx': model, 'b.onnx': model }, /has 2 \.onnx files: name one of them/],
  ] as const) {
    test(what, async () => {
      const at = `wrong/${what.replaceAll(' ', '-')}`;
      for (const [name, bytes] of Object.entries(files)) write(join(at, name), bytes);
      const { code, stderr } = await run('register', at, 'wrong');
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
      assert.deepEqual((await server.call('GET', '/groups/wrong')).status, 404);
    });
  }

  test('the model file sent alone through the API', async () => {
    const { status, body } = await server.call<{ error: string; code: string }>('POST', '/groups/alone/versions?name=m.onnx', model);
    assert.deepEqual([status, body.code], [400, 'invalid_request']);
    assert.match(body.error, /the data file weights\/digits\.onnx\.data is missing: \d+ tensors are in it, expected \d+ bytes/);
  });
});

describe('the data file in the store', () => {
  test('is verified, backed up and restored with the model', async () => {
    const { code, stdout, stderr } = await run('verify', '--data-dir', server.dataDir, '--output', 'json');
    assert.equal(code, 0, stderr);
    const verified = JSON.parse(stdout) as { objects: number; missing: string[]; unreferenced: string[] };
    assert.deepEqual([verified.missing, verified.unreferenced], [[], []]);
    assert.equal(verified.objects, 3, 'the model, its data and the manifest');
    const backup = join(folder, 'backup.tar');
    const restored = join(folder, 'restored');
    assert.equal((await run('backup', backup, '--data-dir', server.dataDir)).code, 0);
    assert.equal((await run('restore', backup, '--data-dir', restored)).code, 0);
    const second = await Server.start({ dataDir: restored });
    try {
      await second.inService('digits');
    } finally {
      await second.end();
    }
  });

  test('is checked before a worker loads it, and the reason names it', async () => {
    const version = await server.callWell<VersionBody>('GET', '/groups/digits/versions/1');
    const sha256 = version.artifact.files?.[1]?.sha256 ?? '';
    const path = join(server.dataDir, 'objects/sha256', sha256.slice(0, 2), sha256);
    chmodSync(path, 0o600);
    truncateSync(path, data.length - 4);
    for (const { pid } of server.workers()) process.kill(pid, 'SIGKILL');
    await until('the endpoint failed', async () => {
      const { status, reason } = await server.endpoint('digits');
      return status === 'Failed' && String(reason).includes(sha256) && /is damaged/.test(String(reason));
    });
    await register('digits', 'digits', '--reuse'); // stores the same files again, which repairs them
    await until('the endpoint serves', async () => (await server.endpoint('digits')).status === 'InService', 60_000);
    await assertPredicts('digits');
  });
});
