/**
 * The published packages as a user gets them: packed, published to a registry on loopback, installed with npm 9 to 12 on Node 20 to 24, and
 * run. Needs the package registry or npm's cache; skipped without either. Run by `npm run test:install`, because it takes minutes.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { publint } from 'publint';
import { configuredRegistry, type NodeMajor, type NpmMajor, packed, run, startRegistry, succeed, Tools, userEnv } from './registry.ts';

const unpackedBytesMax = 250e6;
const root = mkdtempSync(join(tmpdir(), 'penstock-install-'));
const processes: ChildProcess[] = [];
after(async () => {
  for (const child of processes) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(root, { recursive: true });
});

const tools = Tools.install(join(root, 'tools'));
const skip = tools === null ? 'no package registry is reachable, and npm has not cached the tools' : false;
const packages = tools === null ? null : packed();

interface User {
  readonly folder: string;
  readonly env: Record<string, string>;
}

/** A user with an empty home and an empty project. Their npm uses `registry`, and one cache for all users of it. */
function newUser(name: string, node: NodeMajor, npm: NpmMajor, registry: string): User {
  assert(tools !== null);
  const home = join(root, name);
  const folder = join(home, 'project');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const token = `${registry.replace(/^https?:/, '')}:_authToken=anything`;
  const settings = [`registry=${registry}`, `cache=${join(root, 'npm-cache')}`, 'audit=false', 'fund=false'];
  writeFileSync(join(home, '.npmrc'), [...settings, ...(registry.includes('127.0.0.1') ? [token] : [])].join('\n'));
  return { folder, env: userEnv(home, tools.path(node, npm)) };
}

/** All package.json files of installed packages below a folder, and the size of all its files in bytes. */
function installed(folder: string): { manifests: { name: string; scripts?: Record<string, string> }[]; bytes: number } {
  const manifests: { name: string; scripts?: Record<string, string> }[] = [];
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) continue;
    bytes += lstatSync(path).size;
    if (/node_modules\/(@[^/]+\/)?[^/]+$/.test(entry.parentPath) && entry.name === 'package.json') {
      manifests.push(JSON.parse(readFileSync(path, 'utf8')) as (typeof manifests)[number]);
    }
  }
  return { manifests, bytes };
}

/** The installed tree is small, has no package for development, and no install script but one that only compares version numbers. */
function checkTree(folder: string): void {
  const { manifests, bytes } = installed(folder);
  assert(bytes <= unpackedBytesMax, `${bytes} bytes unpacked`);
  const names = manifests.map(({ name }) => name);
  assert.deepEqual(names.filter((name) => /^(@penstock\/|onnxruntime|node-linux|typescript$|vite$|react)/.test(name)).sort(), [
    `@penstock/runtime-${process.platform}-${process.arch}`,
    'onnxruntime-common',
  ]);
  const withScripts = manifests.filter(({ scripts = {} }) => ['preinstall', 'install', 'postinstall'].some((event) => event in scripts));
  assert.deepEqual([...new Set(withScripts.map(({ name }) => name))], ['protobufjs']);
}

/** Node 24 and onnxruntime are found and load, whatever the Node in the PATH. */
function checkRuns({ folder, env }: User, penstock: string): void {
  const { stdout } = run(folder, env, penstock, 'doctor', '--data-dir', 'data', '--output', 'json');
  const checks = JSON.parse(stdout) as { name: string; result: string; found: string }[];
  const found = Object.fromEntries(checks.map((check) => [check.name, `${check.result} ${check.found}`]));
  assert.match(found['node'] ?? '', /^ok 24\./);
  assert.match(found['runtime'] ?? '', /^ok onnxruntime 1\.30\./);
}

test('the tarballs hold what is run and the licences of all of it, and nothing else', { skip }, async () => {
  assert(packages !== null);
  const files = (tarball: string): string[] =>
    succeed(root, process.env as Record<string, string>, 'tar', '-tzf', tarball)
      .trim()
      .split('\n');
  const names = files(packages.penstock);
  for (const name of [
    'bin/penstock',
    'dist/main.js',
    'conformance/dist/index.js',
    'conformance/proto/grpc_service.proto',
    'console/dist/index.html',
    'console/dist/licences/libraries.md',
    'python/penstock_worker/worker.py',
    'python/penstock_fork_server/forker.py',
    'python/penstock_mlflow/pyproject.toml',
    'LICENSE',
    'NOTICE',
  ]) {
    assert(names.includes(`package/${name}`), name);
  }
  const unexpected =
    /\.ts$|\.test\.|\.pyc$|^package\/(?!bin|dist|console\/dist|assets|conformance\/(?:dist|proto)\/|python\/penstock_\w+\/|package\.json|LICENSE|NOTICE|README\.md)/;
  assert.deepEqual(
    names.filter((name) => unexpected.test(name)),
    [],
  );
  const suite = files(packages.conformance);
  for (const name of ['dist/main.js', 'dist/index.d.ts', 'proto/health.proto', 'models/test_affine.onnx', 'README.md', 'LICENSE']) {
    assert(suite.includes(`package/${name}`), name);
  }
  for (const tarball of [packages.penstock, packages.conformance]) {
    const { messages } = await publint({ pack: { tarball: new Uint8Array(readFileSync(tarball)).buffer }, strict: true });
    assert.deepEqual(messages, [], tarball);
  }

  for (const tarball of packages.runtimes) {
    const [, platform = ''] = /runtime-(\w+-\w+)-/.exec(basename(tarball)) ?? [];
    const libraries = `onnxruntime/bin/napi-v6/${platform.replace('-', '/')}`;
    assert.deepEqual(
      files(tarball)
        .map((name) => name.replace('package/', ''))
        .sort(),
      [
        'LICENSE',
        'bin/node',
        'licences/node.txt',
        'licences/onnxruntime-third-party.txt',
        'licences/onnxruntime.txt',
        `${libraries}/libonnxruntime.so.1`,
        `${libraries}/onnxruntime_binding.node`,
        ...['backend', 'binding', 'index', 'version'].map((name) => `onnxruntime/dist/${name}.js`),
        'package.json',
      ],
    );
  }
});

/** Resolves once the first line of stdout is printed: `penstock ready http://...`. */
async function startServer({ folder, env }: User): Promise<{ server: ChildProcess; url: string }> {
  const args = ['up', '--port', '0', '--data-dir', 'data', '--log-level', 'warn'];
  const server = spawn('node_modules/.bin/penstock', args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  processes.push(server);
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /^penstock ready (http:\/\/\S+)$/.exec(line)?.[1];
    assert(url !== undefined, `expected the ready line, got: ${line}`);
    return { server, url };
  }
  throw new Error('the server ended before it was ready');
}

/** The suite that `penstock` brings, and the one that npx fetches, over HTTP and gRPC. */
async function checkConformance({ folder, env }: User, url: string, program: string, ...args: readonly string[]): Promise<void> {
  const { grpc } = (await (await fetch(`${url}/api/v1/status`)).json()) as { grpc: string | null };
  const rpc = grpc === null ? [] : ['--grpc', grpc];
  const report = succeed(folder, env, program, ...args, url, '--model', 'digits', '--only', 'C1,C6,B1,G1', ...rpc);
  assert.match(report, new RegExp(`^all +${grpc === null ? 3 : 4} +0 +`, 'm'));
}

/** Serves a model of the catalogue from `node_modules`, and plans for it, which runs in a thread whose file must be in the package. */
async function checkServes(user: User, tests: (url: string) => Promise<void> = () => Promise.resolve()): Promise<void> {
  const { folder, env } = user;
  const { server, url } = await startServer(user);
  const penstock = (...args: string[]): string => succeed(folder, env, 'node_modules/.bin/penstock', ...args, '--data-dir', 'data');
  penstock('deploy', 'catalogue:digits-mlp', 'digits', '--approve');
  const rows = readFileSync(join(folder, 'node_modules/penstock/assets/catalogue/digits_test.csv'), 'utf8').split('\n');
  const pixels = (rows[1] ?? '').split(',').map(Number);
  const label = pixels.pop();
  const response = await fetch(`${url}/v2/models/digits/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: pixels }], outputs: [{ name: 'label' }] }),
  });
  const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
  assert.deepEqual(outputs[0]?.data, [label]);
  assert.match(penstock('plan', 'digits/1', '--rate', '50', '--objective', 'p95<=1s'), /^chosen /m);
  await tests(url);
  server.kill('SIGTERM');
  assert.deepEqual(await once(server, 'exit'), [0, null]);
}

test('installs from a registry with npm 9, 10, 11 and 12, as a dependency, globally and by npx', { skip }, async (t) => {
  assert(tools !== null && packages !== null);
  const registry = await startRegistry(tools, join(root, 'registry'));
  processes.push(registry.process);
  const publisher = newUser('publisher', 24, 11, registry.url);
  for (const tarball of [...packages.runtimes, packages.penstock, packages.conformance]) {
    succeed(publisher.folder, publisher.env, 'npm', 'publish', '--access', 'public', tarball);
  }

  await t.test('npm 9 on Node 20: npm install penstock, which then serves a model', async () => {
    const user = newUser('npm9', 20, 9, registry.url);
    succeed(user.folder, user.env, 'npm', 'install', 'penstock');
    checkTree(join(user.folder, 'node_modules'));
    checkRuns(user, 'node_modules/.bin/penstock');
    const other = newUser('npm11-suite', 22, 11, registry.url);
    await checkServes(user, async (url) => {
      await checkConformance(user, url, 'node_modules/.bin/penstock', 'conformance');
      await checkConformance(other, url, 'npx', '--yes', '@penstock/conformance');
    });
  });

  await t.test('npm 10 on Node 20: npm install -g penstock', () => {
    const user = newUser('npm10', 20, 10, registry.url);
    const prefix = join(user.folder, 'global');
    succeed(user.folder, user.env, 'npm', 'install', '-g', '--prefix', prefix, 'penstock');
    checkTree(join(prefix, 'lib/node_modules'));
    checkRuns(user, join(prefix, 'bin/penstock'));
  });

  await t.test('npm 11 on Node 22: npx penstock quickstart', () => {
    const user = newUser('npm11', 22, 11, registry.url);
    const args = ['--yes', 'penstock', 'quickstart', '--exit', '--port', '0', '--data-dir', 'data', '--output', 'json'];
    const report = JSON.parse(succeed(user.folder, user.env, 'npx', ...args)) as { accuracy: { value: number } };
    assert(report.accuracy.value > 0.95, `accuracy ${report.accuracy.value}`);
  });

  await t.test('npm 12 on Node 24: npm install penstock', () => {
    const user = newUser('npm12', 24, 12, registry.url);
    succeed(user.folder, user.env, 'npm', 'install', 'penstock');
    checkTree(join(user.folder, 'node_modules'));
    checkRuns(user, 'node_modules/.bin/penstock');
  });
});

for (const [npm, node] of [
  [9, 20],
  [12, 22],
] as const) {
  test(`npm ${npm} installs the two tarballs without a registry that has them`, { skip }, () => {
    assert(packages !== null);
    const user = newUser(`tarballs-${npm}`, node, npm, configuredRegistry());
    succeed(user.folder, user.env, 'npm', 'install', packages.penstock, packages.runtime);
    checkTree(join(user.folder, 'node_modules'));
    checkRuns(user, 'node_modules/.bin/penstock');
  });
}
