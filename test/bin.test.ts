/** bin/penstock in simulated installations, where `node` is a script that reports how it was called. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'penstock-bin-')));
after(() => rmSync(root, { recursive: true }));

const pinnedNode = `node_modules/node-linux-${process.arch}/bin/node`;
const skip = process.platform === 'linux' ? false : 'npm pins a Node on Linux only';

/** A `node` that answers --version, and otherwise prints its name, its process id and its arguments. */
function fakeNode(file: string, version: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const script = `#!/bin/sh\nif [ "$*" = --version ]; then echo ${version}; else echo "${version} $$ $*"; fi\n`;
  writeFileSync(file, script, { mode: 0o755 });
}

function installation(name: string, main: 'src/main.ts' | 'dist/main.js'): string {
  const home = join(root, name);
  mkdirSync(join(home, 'bin'), { recursive: true });
  copyFileSync(new URL('../bin/penstock', import.meta.url), join(home, 'bin/penstock'));
  mkdirSync(dirname(join(home, main)), { recursive: true });
  writeFileSync(join(home, main), '');
  return home;
}

function run(file: string, path = '/usr/bin:/bin', env: Readonly<Record<string, string>> = {}) {
  return spawnSync(file, ['up', '--name', 'two words'], { cwd: '/', env: { PATH: path, ...env }, encoding: 'utf8' });
}

test('becomes the pinned Node, from any directory and through symlinks', { skip }, () => {
  const home = installation('checkout', 'src/main.ts');
  fakeNode(join(home, pinnedNode), 'pinned');
  mkdirSync(join(root, 'links'));
  symlinkSync('../checkout/bin/penstock', join(root, 'links/relative'));
  symlinkSync(join(root, 'links/relative'), join(root, 'links/absolute'));
  for (const file of [join(home, 'bin/penstock'), join(root, 'links/absolute')]) {
    const { stdout, pid, status } = run(file);
    assert.equal(stdout, `pinned ${pid} ${home}/src/main.ts up --name two words\n`);
    assert.equal(status, 0);
  }
});

test('runs the built JavaScript of a package, on a Node hoisted next to it', { skip }, () => {
  const home = installation('user/node_modules/penstock', 'dist/main.js');
  fakeNode(join(root, 'user', pinnedNode), 'hoisted');
  const { stdout, pid } = run(join(home, 'bin/penstock'));
  assert.equal(stdout, `hoisted ${pid} ${home}/dist/main.js up --name two words\n`);
});

test("runs on the runtime package's Node, rather than on that of another project", { skip }, () => {
  const home = installation('app/node_modules/penstock', 'dist/main.js');
  fakeNode(join(root, 'app/node_modules', `@penstock/runtime-linux-${process.arch}`, 'bin/node'), 'runtime');
  fakeNode(join(root, 'app', pinnedNode), 'hoisted');
  const { stdout, pid } = run(join(home, 'bin/penstock'));
  assert.equal(stdout, `runtime ${pid} ${home}/dist/main.js up --name two words\n`);
});

test('without a pinned Node uses that of the system, from 24 on', () => {
  const home = installation('system', 'dist/main.js');
  fakeNode(join(root, 'path-24/node'), 'v24.0.0');
  const { stdout, pid } = run(join(home, 'bin/penstock'), `${root}/path-24:/usr/bin:/bin`);
  assert.equal(stdout, `v24.0.0 ${pid} ${home}/dist/main.js up --name two words\n`);
});

for (const version of ['v20.20.2', 'v9.0.0', 'unreadable']) {
  test(`with only Node ${version} says what is needed, in one line`, () => {
    const home = installation(`old-${version}`, 'dist/main.js');
    fakeNode(join(root, version, 'node'), version);
    const { stdout, stderr, status } = run(join(home, 'bin/penstock'), `${root}/${version}:/usr/bin:/bin`);
    assert.match(stderr, new RegExp(`^penstock needs Node 24 or later, found ${version}: .*\\n$`));
    assert.deepEqual({ stdout, status }, { stdout: '', status: 1 });
  });
}

test('Node keeps compiled code in the cache of the user, but never in a folder of another one', () => {
  const home = installation('cached', 'dist/main.js');
  const node = join(root, 'path-cache/node');
  mkdirSync(dirname(node), { recursive: true });
  writeFileSync(node, `#!/bin/sh\nif [ "$*" = --version ]; then echo v24.0.0; else echo "$NODE_COMPILE_CACHE"; fi\n`, { mode: 0o755 });
  const cacheFor = (env: Readonly<Record<string, string>>): string =>
    run(join(home, 'bin/penstock'), `${root}/path-cache:/usr/bin:/bin`, env).stdout.trim();
  const others = process.getuid?.() === 0 ? join(root, 'of-another') : '/proc/1';
  if (process.getuid?.() === 0) {
    mkdirSync(others);
    chownSync(others, 65_534, 65_534);
  }
  assert.equal(cacheFor({ HOME: root }), `${root}/.cache/penstock`);
  mkdirSync(join(root, 'caches'));
  assert.equal(cacheFor({ HOME: root, XDG_CACHE_HOME: join(root, 'caches') }), `${root}/caches/penstock`);
  assert.equal(cacheFor({ HOME: root, XDG_CACHE_HOME: others }), '');
  assert.equal(cacheFor({ HOME: root, NODE_COMPILE_CACHE: '/mine' }), '/mine');
  assert.equal(cacheFor({ HOME: others }), '');
  assert.equal(cacheFor({}), '');
});
