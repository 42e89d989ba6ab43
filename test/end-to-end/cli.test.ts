/** The command line as installed: `bin/penstock`, one process per verb, against a server started with `up`. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runVerb } from '../cli-fixture.ts';

const root = join(import.meta.dirname, '../..');
const penstock = join(root, 'bin/penstock');
const catalogue = join(root, 'assets/catalogue');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command without PENSTOCK_ variables. */
function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const plain = Object.entries(process.env).filter(([name]) => !name.startsWith('PENSTOCK_') && name !== 'NODE_TEST_CONTEXT');
  return spawn(penstock, argv, { cwd: tmpdir(), env: { ...Object.fromEntries(plain), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

async function firstLine(child: ChildProcess): Promise<string> {
  assert(child.stdout !== null);
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  // One chunk may hold several lines.
  return text.slice(0, text.indexOf('\n') + 1 || undefined);
}

describe('the command line', () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-cli-'));
  const dataDir = join(directory, 'data');
  const model = join(directory, 'digits_mlp.onnx');
  let server: ChildProcess;
  let readyLine = '';

  before(async () => {
    copyFileSync(join(catalogue, 'digits_mlp.onnx'), model);
    server = start(['up', '--data-dir', dataDir, '--port', '0', '--log-level', 'error']);
    server.stderr?.resume();
    readyLine = await firstLine(server);
  });
  after(async () => {
    server.kill('SIGTERM');
    if (server.exitCode === null) await once(server, 'exit');
    rmSync(directory, { recursive: true, force: true });
  });

  const run = (...argv: string[]): Promise<Ended> => ended(start([...argv, '--data-dir', dataDir]));
  const runWell = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...argv);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  test('up prints one line with its URL when it is ready', () => {
    assert.match(readyLine, /^penstock ready http:\/\/127\.0\.0\.1:\d+\n$/);
  });

  test('rejects a second server on the same data directory in one line', async () => {
    const { code, stdout, stderr } = await run('up', '--port', '0');
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /^penstock: data is in use by process \d+ \(http:\/\/127\.0\.0\.1:\d+\): stop it first, or choose another --data-dir\n$/,
    );
  });

  test('does not deploy an unapproved version, and says what to run', async () => {
    const { code, stderr } = await run('deploy', model, '--objective', 'p95<=50ms');
    assert.equal(code, 1);
    assert.match(stderr, /Run `penstock approve digits-mlp\/1` and try again, or add --approve/);
  });

  test('deploys a file and reports each stage', async () => {
    const { code, stdout, stderr } = await run('deploy', model, '--objective', 'p95<=50ms', '--approve');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^digits-mlp is InService \(digits-mlp\/1, p95<=50ms\)/);
    const stages = [
      'upload    digits_mlp.onnx',
      'inspect   digits-mlp/1 has the same bytes',
      'approve',
      'endpoint  digits-mlp: created',
      'workers   1 of 1 x local.1 ready',
    ];
    const places = stages.map((stage) => stderr.indexOf(`✔ ${stage}`));
    assert.deepEqual(
      places,
      [...places].sort((left, right) => left - right),
      stderr,
    );
    assert(!places.includes(-1), stderr);
  });

  test('reuses the version of a group with the same file', async () => {
    const view = JSON.parse(await runWell('deploy', model, 'numbers', '--group', 'digits-mlp', '--output', 'json')) as {
      variants: { model: string }[];
    };
    assert.equal(view.variants[0]?.model, 'digits-mlp/1');
    const versions = JSON.parse(await runWell('versions', 'digits-mlp', '--output', 'json')) as unknown[];
    assert.equal(versions.length, 1);
  });

  test('invoke reads JSON, CSV and npy', async () => {
    const rows = readFileSync(join(catalogue, 'digits_test.csv'), 'utf8').trimEnd().split('\n').slice(1, 3);
    const pixels = rows.map((line) => line.split(',').slice(0, 64).map(Number));
    const truth = rows.map((line) => Number(line.split(',')[64]));
    const labels = (stdout: string): number[] =>
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { label: number }).label);
    assert.deepEqual(labels(await runWell('invoke', 'digits-mlp', '--data', JSON.stringify(pixels))), truth);

    const header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 64), }".padEnd(117);
    const npy = Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
      Buffer.from(`${header}\n`),
      Buffer.from(new Float64Array(pixels.flat()).buffer),
    ]);
    writeFileSync(join(directory, 'rows.npy'), npy);
    assert.deepEqual(labels(await runWell('invoke', 'digits-mlp', '--file', join(directory, 'rows.npy'))), truth);

    const answer = await runWell(
      'invoke',
      'digits-mlp',
      '--file',
      join(catalogue, 'digits_test.csv'),
      '--label',
      'label',
      '--output',
      'json',
    );
    const { predictions, model_version } = JSON.parse(answer) as { predictions: unknown[]; model_version: string };
    assert.deepEqual([predictions.length, model_version], [450, '1']);
  });

  test('prints errors in one line', async () => {
    for (const [argv, code, says] of [
      [['invoke', 'digits-mlp', '--data', '[[1, 2]]'], 1, /a row of input 'pixels' has 2 values/],
      [['invoke', 'missing', '--data', '[[1]]'], 1, /endpoint 'missing' is not known/],
      [['describe', 'missing'], 1, /there is no endpoint, model group or job 'missing'/],
      [['deploy', 'missing.onnx'], 1, /there is no file missing\.onnx/],
      [['delete', 'digits-mlp/1'], 1, /used by/],
      [['approve', 'digits-mlp/9'], 1, /there is no model version digits-mlp\/9/],
      [['endpoints', '--colour'], 2, /unknown option '--colour'/],
    ] as const) {
      const result = await run(...argv);
      assert.deepEqual([result.code, result.stdout], [code, ''], argv.join(' '));
      assert.match(result.stderr, says);
      assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
    }
  });

  test('uses the admin key of its data directory, unless PENSTOCK_URL names another server', async () => {
    const { keys } = JSON.parse(readFileSync(join(dataDir, 'keys.json'), 'utf8')) as { keys: { id: string }[] };
    const registered = await run('register', model, '--group', 'by-key');
    assert.equal(registered.code, 0, registered.stderr);
    const listed = await run('audit', 'list', '--output', 'json');
    const entries = JSON.parse(listed.stdout) as { items?: { who: string; target: string }[] } | { who: string; target: string }[];
    const items = Array.isArray(entries) ? entries : (entries.items ?? []);
    assert.equal(items.find(({ target }) => target === 'by-key/1')?.who, keys[0]?.id);
  });

  test('env prints the variables that a shell needs, and the key works', async () => {
    const exports = await runWell('env');
    const names = [...exports.matchAll(/^export (\w+)=/gm)].map(([, name]) => name);
    const wanted = [
      'AWS_ENDPOINT_URL',
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_REGION',
      'AWS_DEFAULT_REGION',
      'PENSTOCK_URL',
      'PENSTOCK_KEY',
    ];
    assert.deepEqual(names, wanted);
    const shell = spawn('sh', ['-c', `eval "$1"; exec "$2" keys list --output json`, 'sh', exports, penstock], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, stdout, stderr } = await ended(shell);
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as { role: string }[])[0]?.role, 'admin');
  });

  test('a key has the permissions of its role until it is revoked', async () => {
    const { id, secret } = JSON.parse(await runWell('keys', 'create', '--role', 'viewer', '--output', 'json')) as {
      id: string;
      secret: string;
    };
    const env = { PENSTOCK_KEY: `${id}:${secret}`, PENSTOCK_URL: readyLine.split(' ')[2]?.trim() ?? '' };
    assert.equal((await ended(start(['endpoints'], env))).code, 0);
    const refused = await ended(start(['delete', 'digits-mlp'], env));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /lacks the permission deploy: use a key of role deployer or above/);
    await runWell('keys', 'revoke', id);
    assert.match((await ended(start(['endpoints'], env))).stderr, /unknown or revoked/);
  });

  // Without processes of their own, each of which takes 0.4 s of the processor.
  test('other verbs print tables, or JSON with --output json', async () => {
    const { keys } = JSON.parse(readFileSync(join(dataDir, 'keys.json'), 'utf8')) as { keys: { id: string; secret: string }[] };
    const env = { PENSTOCK_URL: readyLine.split(' ')[2]?.trim() ?? '', PENSTOCK_KEY: `${keys[0]?.id}:${keys[0]?.secret}` };
    const printed = async (...argv: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runVerb(argv, env);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    for (const argv of [
      ['status'],
      ['groups'],
      ['endpoints'],
      ['catalogue'],
      ['catalogue', 'iris-rf'],
      ['describe', 'digits-mlp'],
      ['describe', 'digits-mlp/1'],
      ['keys', 'list'],
      ['top', '--once', '--interval', '50ms'],
      ['profile', 'digits-mlp/1'],
    ]) {
      assert.match(await printed(...argv), /\S/, argv.join(' '));
      const value: unknown = JSON.parse(await printed(...argv, '--output', 'json'));
      assert.equal(typeof value, 'object', argv.join(' '));
    }
  });

  test('logs -f prints new lines', async () => {
    const follower = start(['logs', '-f', '-n', '0', 'numbers', '--output', 'json', '--data-dir', dataDir]);
    follower.stderr?.resume();
    const line = firstLine(follower);
    try {
      // The follower may connect after the first requests.
      let hasLine = false;
      void line.then(() => (hasLine = true));
      for (let tries = 0; tries < 40 && !hasLine; tries++) await runWell('invoke', 'numbers', '--data', `[[${'0,'.repeat(63)}0]]`);
      assert.equal((JSON.parse(await line) as { endpoint: string }).endpoint, 'numbers');
    } finally {
      follower.kill('SIGKILL');
    }
  });

  test('delete removes an endpoint', async () => {
    await runWell('delete', 'numbers');
    assert.equal((await run('invoke', 'numbers', '--data', '[[1]]')).code, 1);
  });
});
