/** `penstock load-test` against a running server. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CostsBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

interface Outcome {
  readonly requests: number;
  readonly answered: number;
  readonly failed: number;
  readonly loop: string;
  readonly kept: boolean | null;
  readonly latency_ms: { readonly p50: number; readonly max: number } | null;
  readonly failures: readonly { readonly kind: string; readonly count: number; readonly first: string }[];
}

let server: Server;
before(async () => {
  server = await Server.start();
  await server.deploy('digits', 'digits_mlp');
});
after(() => server?.end());

const directory = temporaryDirectory();
function fileOf(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
const rows = fileOf('rows.csv', [1, 2, 3].map((value) => `${Array.from({ length: 64 }, () => value).join(',')}\n`).join(''));

function loadTest(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
    execFile(penstock, ['load-test', 'digits', ...argv], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}
const asJson = ({ stdout }: { stdout: string }): Outcome => JSON.parse(stdout) as Outcome;

test('sends requests at the rate, all counted by the server, and reports latencies', async () => {
  const outcome = asJson(await loadTest('--rate', '100', '--duration', '2s', '--shape', 'even', '--input', rows, '--output', 'json'));
  assert.deepEqual([outcome.requests, outcome.answered, outcome.loop, outcome.kept], [200, 200, 'open', null]);
  assert(outcome.latency_ms !== null && outcome.latency_ms.p50 > 0 && outcome.latency_ms.p50 <= outcome.latency_ms.max);
  assert.equal((await server.callWell<CostsBody>('GET', '/costs?endpoint=digits')).total.requests, 200);
});

test('--concurrency is a closed loop, which says that it understates waiting', async () => {
  const { code, stdout } = await loadTest('--concurrency', '4', '--duration', '500ms', '--input', rows);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /load +4 clients for 500ms \(closed loop\)\n.*answered +\d+ of \d+, .*\nfailed +0\n[^]*understates waiting, because slow responses slow the clients down; use --rate/,
  );
});

test('says that only the first of many rows are sent', async () => {
  const many = fileOf('many.csv', `${Array.from({ length: 64 }, () => 1).join(',')}\n`.repeat(10_001));
  const { code, stderr } = await loadTest('--rate', '20', '--duration', '500ms', '--input', many);
  assert.equal(code, 0);
  assert.match(stderr, /rows .*many\.csv has 10,001 rows: only the first 10,000 are sent/);
});

for (const load of [
  ['--rate', '200'],
  ['--concurrency', '4'],
]) {
  test(`a load with ${load[0]} stops early if the model rejects the rows, and says what to do`, async () => {
    const wrong = fileOf('wrong.csv', `${Array.from({ length: 65 }, () => 1).join(',')}\n`);
    const { code, stdout, stderr } = await loadTest(...load, '--duration', '600s', '--input', wrong);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(
      stderr,
      /penstock: stopped because the endpoint rejected all of the first rows: the CSV has 65 columns and no header, the model takes 64 .*--label NAME/,
    );
  });
}

test('reports the id of the slowest response for penstock why', async () => {
  const { stdout } = await loadTest('--rate', '50', '--duration', '1s', '--input', rows);
  const [, id = ''] = /^slowest +\S+ m?s after sending; see penstock why (\S+)$/m.exec(stdout) ?? [];
  const { explanation } = await server.callWell<{ explanation: readonly string[] }>('GET', `/requests/${id}`);
  assert.match(explanation[0] ?? '', new RegExp(`^Request ${id} to digits`), stdout);
});

test('an interrupted load reports its results so far and exits with 130', async () => {
  const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
  const argv = ['load-test', 'digits', '--rate', '50', '--duration', '60s', '--input', rows, '--output', 'json'];
  const child = spawn(penstock, argv, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const requests = async (): Promise<number> => (await server.callWell<CostsBody>('GET', '/costs?endpoint=digits')).total.requests;
  const before = await requests();
  await until('a request is answered', async () => (await requests()) > before);
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number];
  const { interrupted, answered } = JSON.parse(stdout) as Outcome & { readonly interrupted: boolean };
  assert.deepEqual([code, interrupted, answered > 0], [130, true, true]);
});

test('load-test without rows sends random values that fit the signature, and says so', async () => {
  const { code, stdout, stderr } = await loadTest('--rate', '20', '--duration', '1s', '--shape', 'even');
  assert.equal(code, 0, stderr);
  assert.match(stderr, /random values that fit the model's signature; send real ones with --input/);
  assert.match(stdout, /answered +20 of 20/);
});

for (const [argv, says] of [
  [['--input', rows], /expected either --rate N .* or --concurrency N/],
  [
    ['--concurrency', '4', '--shape', 'even', '--input', rows],
    /--shape cannot be combined with --concurrency.*: remove it, or use --rate N instead of --concurrency/,
  ],
  [
    ['--concurrency', '4', '--shape', 'poisson', '--seed', '3', '--input', rows],
    /--shape, --seed cannot be combined with --concurrency.*: remove them/,
  ],
  [['--rate', '100000', '--duration', '1h', '--input', rows], /more than the maximum of 2000000 requests: lower --rate or --duration/],
] as const) {
  test(`load-test ${argv.map((word) => (word === rows ? 'FILE' : word)).join(' ')} is rejected with advice`, async () => {
    const { code, stderr } = await loadTest(...argv);
    assert.equal(code, 2);
    assert.match(stderr, says);
  });
}
