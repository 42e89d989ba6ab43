/** The command line, from its arguments to its exit code, against a server with scripted responses. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SystemClock } from '../clock.ts';
import { openDataDirectory } from '../data-directory/index.ts';
import { PlatformError } from '../errors.ts';
import { instanceCountMax } from '../fields/index.ts';
import type { CliContext } from './cli-context.ts';
import { runCli } from './run-cli.ts';

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(argv: readonly string[], context: Partial<CliContext> = {}): Promise<Run> {
  let stdout = '';
  let stderr = '';
  const code = await runCli(argv, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    stdin: (async function* () {})(),
    env: {},
    clock: new SystemClock(),
    version: '1.2.3',
    interrupted: new AbortController().signal,
    up: () => Promise.resolve(0),
    quickstart: () => Promise.resolve(0),
    ...context,
  });
  return { code, stdout, stderr };
}

test('lists every verb with its arguments, grouped by purpose', async () => {
  const { code, stdout } = await run(['--help']);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: penstock <verb> \[options\]\n/);
  assert.match(stdout, /\n\nServer:\n {2}up {2,}start the server\n/);
  assert.match(stdout, /\n {2}deploy <model> \[endpoint\] {2,}\S/);
  assert.doesNotMatch(stdout, /\n(Commands|Arguments):/);
});

interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

/** Serves `answers` by method and path while `use` runs, and records the requests. */
async function withServer(
  answers: Readonly<Record<string, unknown>>,
  use: (env: Record<string, string>, received: ReceivedRequest[]) => Promise<void>,
): Promise<void> {
  const received: ReceivedRequest[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method = '', url: path = '' } = request;
    received.push({ method, path, key: request.headers.authorization, type: request.headers['content-type'], body });
    const known = answers[`${method} ${path}`];
    const notFound = { error: `${path} is not known`, code: 'not_found', hint: 'look again', request_id: 'r1' };
    response.writeHead(known === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(known ?? notFound));
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use({ PENSTOCK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, PENSTOCK_KEY: 'ID:SECRET' }, received);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('a named data directory means its own server and no other', async () => {
  const missing = await run(['endpoints', '--data-dir', '/nowhere']);
  assert.deepEqual([missing.code, missing.stdout], [1, '']);
  assert.match(
    missing.stderr,
    /^penstock: no server is running on \/nowhere: start one with `penstock up --data-dir \/nowhere`, or pass another/,
  );
  assert.match((await run(['endpoints'], { env: { PENSTOCK_DATA_DIR: '/nowhere' } })).stderr, /no server is running on \/nowhere/);
});

test('--data-dir overrides the address in the environment', async () => {
  const env = { PENSTOCK_URL: 'http://127.0.0.1:1' };
  const { code, stderr } = await run(['delete', 'digits', '--data-dir', '/nowhere'], { env });
  assert.equal(code, 1);
  assert.match(stderr, /^penstock: no server is running on \/nowhere/);
  const fromEnvironment = await run(['delete', 'digits'], { env: { ...env, PENSTOCK_DATA_DIR: '/nowhere' } });
  assert.match(fromEnvironment.stderr, /http:\/\/127\.0\.0\.1:1\b/);
});

describe('an invalid command line exits with 2 and prints one line', () => {
  for (const { argv, says } of [
    { argv: ['fly'], says: /^penstock: unknown verb 'fly'; see penstock --help\n$/ },
    { argv: ['predict', 'digits'], says: /^penstock: unknown verb 'predict': did you mean `penstock invoke`\? See penstock --help\n$/ },
    { argv: ['models'], says: /^penstock: unknown verb 'models': did you mean `penstock groups`\? See penstock --help\n$/ },
    { argv: ['deploy'], says: /^penstock: missing required argument 'model'; see penstock deploy --help\n$/ },
    { argv: ['endpoints', '--fast'], says: /^penstock: unknown option '--fast'; see penstock endpoints --help\n$/ },
    { argv: ['endpoints', '--output', 'xml'], says: /Allowed choices are text, json; see/ },
    { argv: ['deploy', 'x.onnx', '--objective', 'fast'], says: /objective 'fast' is not understood: expected .* p95<=50ms/ },
    { argv: ['deploy', 'x.onnx', '--instances', '0'], says: /whole number from 1/ },
    { argv: ['deploy', 'x.onnx', '--instances', String(instanceCountMax + 1)], says: new RegExp(`from 1 to ${instanceCountMax}`) },
    { argv: ['deploy', 'x.onnx', 'a_b'], says: /endpoint name 'a_b' is not allowed/ },
    { argv: ['keys', 'create'], says: /required option '--role <role>' not specified; see penstock keys create --help/ },
    { argv: ['async', 'list', '--state', 'odd'], says: /; see penstock async list --help\n$/ },
    { argv: ['async', '--state', 'odd'], says: /; see penstock async --help\n$/ },
    { argv: ['audit', 'verify', '--head', 'abc'], says: /argument 'abc' is invalid\. expected a hash: 64 hexadecimal digits/ },
    { argv: ['alarms', '--fast'], says: /^penstock: unknown option '--fast'; see penstock alarms --help\n$/ },
    {
      argv: ['async', 'fly'],
      says: /^penstock: unknown verb 'fly': expected submit, status, list, output, retry or cancel; see penstock async --help\n$/,
    },
    {
      argv: ['keys', 'creat'],
      says: /^penstock: unknown verb 'creat': did you mean `penstock keys create`\? Expected create, list or revoke; see penstock keys --help\n$/,
    },
    {
      argv: ['keys', 'fly', '--fast'],
      says: /^penstock: unknown verb 'fly': expected create, list or revoke; see penstock keys --help\n$/,
    },
    { argv: ['audit', '--fast'], says: /^penstock: unknown option '--fast'; see penstock audit --help\n$/ },
    { argv: ['update', '--help'], says: /^penstock: unknown verb 'update': did you mean `penstock deploy`\? See penstock --help\n$/ },
    { argv: ['deplo', '-h'], says: /^penstock: unknown verb 'deplo': did you mean `penstock deploy`\? See penstock --help\n$/ },
    { argv: ['keys', 'fly', '--help'], says: /^penstock: unknown verb 'fly': expected create, list or revoke/ },
    { argv: ['help', 'fly'], says: /^penstock: unknown verb 'fly'; see penstock --help\n$/ },
    { argv: ['keys', 'revoke', 'a', 'b'], says: /^penstock: too many arguments.*; see penstock keys revoke --help\n$/ },
    { argv: ['help', 'async', 'fly'], says: /^penstock: unknown verb 'fly': expected submit, status, list/ },
    { argv: ['invoke', 'digits'], says: /expected --data JSON or --file FILE/ },
    { argv: ['register', import.meta.filename, '--sample', 'rows.xlsx'], says: /cannot use rows\.xlsx as a sample: expected a \.csv/ },
    { argv: ['invoke', 'story', '--data', 'once upon'], says: /--data: expected JSON, got 'once upon' .*--type text\/plain/ },
    { argv: ['invoke', 'digits', '--file', 'rows.dat'], says: /--type text\/csv/ },
    { argv: ['async', 'submit', 'digits'], says: /^penstock: missing request body: expected one of --data JSON, --file FILE, --input s3:/ },
    {
      argv: ['async', 'submit', 'digits', '--data', '[[1]]', '--file', 'rows.csv'],
      says: /^penstock: --data and --file cannot be combined: expected one of --data JSON, --file FILE, --input s3:/,
    },
    {
      argv: ['transform', 'digits', '--input', 'rows.csv'],
      says: /expected a model, --input LOCATION and --to LOCATION, or --resume NAME/,
    },
    {
      argv: ['transform', 'digits', '--resume', 'week', '--input-filter', '$[:-1]', '--instances', '1'],
      says: /^penstock: --resume cannot be combined with the model digits, --input-filter, --instances: week keeps its settings. Start a new transform/,
    },
    { argv: ['approve', 'digits'], says: /expected GROUP\/VERSION, such as digits\/3/ },
  ]) {
    test(argv.join(' '), async () => {
      const { code, stdout, stderr } = await run(argv);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, says);
      assert.equal(stderr.trimEnd().split('\n').length, 1);
    });
  }

  test('no arguments: shows the verbs', async () => {
    const { code, stderr } = await run([]);
    assert.equal(code, 2);
    assert.match(stderr, /quickstart/);
  });
});

test('--version and --help exit with 0', async () => {
  assert.deepEqual(await run(['--version']), { code: 0, stdout: '1.2.3\n', stderr: '' });
  const help = await run(['deploy', '--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /\n\nDeploy a file.*--instance-type/s);
  assert.doesNotMatch(help.stdout, /default:\s+false/);
  assert.deepEqual(await run(['help', 'async', 'list']), await run(['async', 'list', '--help']));
  assert.deepEqual(await run(['help']), await run(['--help']));
  assert.deepEqual(await run(['help', 'delete', 'digits']), await run(['delete', '--help']), 'help runs no verb');
});

test('up and quickstart pass their flags on unparsed', async () => {
  const passed: unknown[] = [];
  const up = (options: unknown): Promise<number> => Promise.resolve(passed.push(options) - 1);
  await run(['up', '--port', '0', '--data-dir', '/x', '--body-limit', '1MiB'], { up });
  await run(['quickstart', '--exit', '--port', '9'], { quickstart: up });
  assert.deepEqual(passed, [
    { flags: { port: '0', dataDir: '/x', bodyLimit: '1MiB' } },
    { flags: { port: '9' }, exit: true, output: 'text' },
  ]);
});

test('an error at startup is one line: exit code 2 for an invalid setting, else 1', async () => {
  for (const { code, exit } of [
    { code: 'invalid_request', exit: 2 },
    { code: 'wrong_state', exit: 1 },
  ] as const) {
    const up = (): Promise<number> => Promise.reject(new PlatformError(code, 'the data directory\n is in use'));
    assert.deepEqual(await run(['up'], { up }), { code: exit, stdout: '', stderr: 'penstock: the data directory is in use\n' });
  }
});

test('says how to start a server if none is running', async () => {
  let closed: Record<string, string> = {};
  await withServer({}, (env) => {
    closed = env;
    return Promise.resolve();
  });
  const { code, stderr } = await run(['endpoints'], { env: closed });
  assert.deepEqual(
    [code, stderr],
    [1, `penstock: no Penstock server is running at ${closed.PENSTOCK_URL}: start one with \`penstock up\`, or set PENSTOCK_URL\n`],
  );
});

test('prints an error response with its hint, and sends the key', () =>
  withServer({}, async (env, requested) => {
    const { code, stdout, stderr } = await run(['versions', 'digits'], { env });
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(stderr, 'penstock: /api/v1/groups/digits/versions?limit=500 is not known; look again\n');
    assert.equal(requested[0]?.key, 'Bearer ID:SECRET');
  }));

test('rejects a malformed key before sending it', async () => {
  const { code, stderr } = await run(['endpoints'], { env: { PENSTOCK_URL: 'http://127.0.0.1:1', PENSTOCK_KEY: 'abc' } });
  assert.equal(code, 1);
  assert.match(stderr, /invalid PENSTOCK_KEY: expected ID:SECRET/);
});

test('reads lists to their last page', () => {
  const group = (name: string) => ({
    name,
    versions: 1,
    latest_version: 1,
    latest_approved: null,
    created_at: '2026-01-01T00:00:00.000Z',
    description: '',
    tags: {},
  });
  const answers = {
    'GET /api/v1/groups?limit=500': { items: [group('a')], next: '500' },
    'GET /api/v1/groups?limit=500&cursor=500': { items: [group('b')], next: null },
  };
  return withServer(answers, async (env) => {
    const { stdout } = await run(['groups'], { env });
    assert.equal(
      stdout,
      'GROUP  VERSIONS  LATEST  CREATED (UTC)\na             1       1  2026-01-01 00:00:00\nb             1       1  2026-01-01 00:00:00\n',
    );
    const json = await run(['groups', '--output', 'json'], { env });
    assert.deepEqual(
      (JSON.parse(json.stdout) as { name: string }[]).map(({ name }) => name),
      ['a', 'b'],
    );
  });
});

test('says exactly what to run if a version is not approved', () =>
  withServer(
    { 'GET /api/v1/groups/digits/versions/2': { name: 'digits/2', group: 'digits', approval: 'PendingManualApproval' } },
    async (env) => {
      const { code, stderr } = await run(['deploy', 'digits/2', 'numbers'], { env });
      assert.equal(code, 1);
      assert.match(stderr, /Run `penstock approve digits\/2` and try again, or add --approve/);
    },
  ));

test('says which endpoints keep serving a rejected version', () =>
  withServer(
    {
      'POST /api/v1/groups/digits/versions/2/approval': { name: 'digits/2', group: 'digits', approval: 'Rejected' },
      'GET /api/v1/endpoints?limit=500': {
        items: [
          { name: 'numbers', variants: [{ model: 'digits/2' }] },
          { name: 'other', variants: [{ model: 'digits/1' }] },
        ],
        next: null,
      },
    },
    async (env) => {
      const { stdout } = await run(['reject', 'digits/2'], { env });
      assert.equal(stdout, 'digits/2 is Rejected; numbers still serves it: deploy another version there to stop that\n');
    },
  ));

test('sends rows in their own format and prints one prediction per line', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-cli-'));
  const file = join(directory, 'rows.csv');
  writeFileSync(file, '1,2\n');
  const answer = { predictions: [{ label: 7 }, { label: 8 }], model_version: '1' };
  try {
    await withServer(
      { 'POST /api/v1/endpoints/digits/invoke': answer, 'POST /api/v1/endpoints/digits/invoke?label=truth': answer },
      async (env, requested) => {
        const data = await run(['invoke', 'digits', '--data', '[[1,2]]'], { env });
        assert.deepEqual(data, { code: 0, stdout: '{"label":7}\n{"label":8}\n', stderr: '' });
        await run(['invoke', 'digits', '--file', file, '--label', 'truth'], { env });
        const stdin = (async function* () {
          yield '{"instances": []}';
        })();
        await run(['invoke', 'digits', '--file', '-'], { env, stdin });
        assert.deepEqual(
          requested.map(({ type, body }) => [type, body]),
          [
            ['application/json', '{"instances": [[1,2]]}'],
            ['text/csv', '1,2\n'],
            ['application/json', '{"instances": []}'],
          ],
        );
      },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('tells an unknown endpoint from one without requests in its logs', () =>
  withServer(
    {
      'GET /api/v1/logs?log=requests&endpoint=digits&limit=100': { items: [] },
      'GET /api/v1/logs?log=requests&endpoint=digit&limit=100': { items: [] },
      'GET /api/v1/logs?log=requests&endpoint=gone&limit=100': { items: [{ line: '{"endpoint":"gone"}' }] },
      'GET /api/v1/endpoints/digits': { name: 'digits' },
    },
    async (env) => {
      assert.deepEqual(await run(['logs', 'digits'], { env }), { code: 0, stdout: '', stderr: 'digits has received no requests yet\n' });
      for (const argv of [
        ['logs', 'digit'],
        ['logs', 'digit', '--follow'],
      ]) {
        const { code, stderr } = await run(argv, { env });
        assert.deepEqual([code, stderr], [1, 'penstock: /api/v1/endpoints/digit is not known; look again\n']);
      }
      assert.deepEqual(await run(['logs', 'gone'], { env }), { code: 0, stdout: 'endpoint=gone\n', stderr: '' });
    },
  ));

test('says that no log line matches a filter, with and without an endpoint', () =>
  withServer(
    {
      'GET /api/v1/logs?log=platform&filter=warn&limit=100': { items: [] },
      'GET /api/v1/logs?log=requests&endpoint=digits&filter=warn&limit=100': { items: [] },
      'GET /api/v1/endpoints/digits': { name: 'digits' },
    },
    async (env) => {
      const messageOf = async (...argv: string[]) => (await run(['logs', ...argv, '--filter', 'warn'], { env })).stderr;
      assert.match(await messageOf(), /^no line matches: filters are applied to stored lines/);
      assert.match(await messageOf('digits'), /^no line of digits matches: filters are applied to stored lines/);
    },
  ));

test('says where to find the worker output of a deleted endpoint', () =>
  withServer(
    {
      'GET /api/v1/logs?log=requests&endpoint=gone&limit=100': { items: [] },
      'GET /api/v1/logs?log=%2Faws%2Fsagemaker%2FEndpoints%2Fgone&limit=1': { items: [{ line: '{"message":"ready"}' }] },
    },
    async (env) => {
      const { code, stderr } = await run(['logs', 'gone'], { env });
      assert.equal(code, 1);
      assert.match(stderr, /gone is not known; look again; its remaining logs: penstock logs --log \/aws\/sagemaker\/Endpoints\/gone\n$/);
    },
  ));

test('shows the times of an asynchronous request in UTC', () => {
  const request = {
    id: 'a1',
    endpoint: 'digits',
    state: 'failed',
    created_at: '2026-11-26T12:00:00.000Z',
    finished_at: '2026-11-26T12:00:01.000Z',
  };
  return withServer({ 'GET /api/v1/async/a1': request }, async (env) => {
    const { stdout } = await run(['async', 'status', 'a1'], { env });
    assert.match(stdout, /\naccepted +2026-11-26 12:00:00 UTC\nfinished +2026-11-26 12:00:01 UTC\n$/);
  });
});

test('unloads and loads an endpoint, and waits for it', () => {
  const view = (status: string) => ({
    name: 'digits',
    status,
    generation: 2,
    served_generation: status === 'InService' ? 2 : null,
    variants: [],
  });
  const answers = {
    'POST /api/v1/endpoints/digits/unload': view('Updating'),
    'POST /api/v1/endpoints/digits/load': view('InService'),
    'GET /api/v1/endpoints/digits': view('Unloaded'),
  };
  return withServer(answers, async (env) => {
    const unloading = await run(['unload', 'digits'], { env });
    assert.deepEqual([unloading.code, unloading.stdout], [0, 'digits is Unloaded\n']);
    assert.equal((await run(['load', 'digits'], { env })).stdout, 'digits is InService\n');
    assert.equal((await run(['unload', 'digits', '--no-wait'], { env })).stdout, 'digits is Updating\n');
    assert.match((await run(['load', 'numbers'], { env })).stderr, /numbers\/load is not known/);
  });
});

test('env says that a data directory has no keys, and how to create them', async () => {
  const { code, stderr } = await run(['env', '--data-dir', '/nowhere']);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /there is no \/nowhere\/keys\.json: start a server there with `penstock up --data-dir \/nowhere`.*In a cluster, only a node that has served has one/,
  );
});

test('env says that PENSTOCK_URL names another server than the key', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-env-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const key = { id: 'PENSTOCKTEST', secret: 'not-a-secret-at-all', role: 'admin', description: '', createdAtMs: 0 };
  writeFileSync(join(dataDir, 'keys.json'), JSON.stringify({ keys: [key] }), { mode: 0o600 });
  const argv = ['env', '--data-dir', dataDir, '--port', '8099'];
  const other = await run(argv, { env: { PENSTOCK_URL: 'http://far:8080' } });
  assert.match(other.stdout, /^export PENSTOCK_URL=http:\/\/127\.0\.0\.1:8099$/m);
  const validity = 'The key is valid at the first only if both are one server or one cluster';
  const change = `PENSTOCK_URL changes from http://far:8080 to http://127.0.0.1:8099, the server on ${dataDir}. ${validity}\n`;
  assert.equal(other.stderr, change);
  assert.equal((await run(argv, { env: { PENSTOCK_URL: 'http://127.0.0.1:8099/' } })).stderr, '');
  const stopped = await run(argv.slice(0, 3));
  assert.match(stopped.stdout, /^export PENSTOCK_URL=http:\/\/127\.0\.0\.1:8080$/m);
  assert.equal(
    stopped.stderr,
    `no server is running on ${dataDir}: http://127.0.0.1:8080 is where one listens by default; name another port with --port\n`,
  );
});

test('env says that the process of a data directory has no keys, as a node that stands by', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'penstock-env-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const directory = await openDataDirectory(dataDir);
  const { code, stderr } = await run(['env', '--data-dir', dataDir]);
  directory.release();
  assert.equal(code, 1);
  const why = 'it is starting, or it is a host or a node that has not served yet. Pass the --data-dir of a node that has served';
  assert.equal(stderr, `penstock: process ${process.pid} uses ${dataDir} and has no ${join(dataDir, 'keys.json')}: ${why}\n`);
});

test('doctor checks this machine', async () => {
  const { code, stdout } = await run(['doctor', '--output', 'json', '--data-dir', tmpdir()]);
  const checks = JSON.parse(stdout) as { name: string; result: string; advice: string | null }[];
  const ofPython = ['python', 'environments', 'python workers']; // the last two only where there is an interpreter
  assert.deepEqual(
    checks.map(({ name }) => name).filter((name) => !ofPython.includes(name)),
    [
      'node',
      'runtime',
      'data directory',
      'disk',
      'port',
      'socket path',
      'temporary directory',
      'open files',
      'machine',
      'cgroups',
      'isolation',
    ],
  );
  assert(
    checks.every(({ result, advice }) => result === 'ok' || advice !== null),
    'every warning and problem comes with advice',
  );
  assert.equal(code, checks.some(({ result }) => result === 'problem') ? 1 : 0);
});
