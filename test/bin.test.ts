/** bin/penstock in made-up installations, where `node` is a script that tells how it was called. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'penstock-bin-')));
after(() => rmSync(root, { recursive: true }));

const pinnedNode = `node_modules/node-linux-${process.arch}/bin/node`;
const skip = process.platform === 'linux' ? false : 'npm pins a Node on Linux only';

/** A `node` that answers --version and else prints its name, its process id and its arguments. */
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

function run(file: string, path = '/usr/bin:/bin') {
  return spawnSync(file, ['up', '--name', 'two words'], { cwd: '/', env: { PATH: path }, encoding: 'utf8' });
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

test('runs the built JavaScript of a package, on a Node hoisted beside it', { skip }, () => {
  const home = installation('user/node_modules/penstock', 'dist/main.js');
  fakeNode(join(root, 'user', pinnedNode), 'hoisted');
  const { stdout, pid } = run(join(home, 'bin/penstock'));
  assert.equal(stdout, `hoisted ${pid} ${home}/dist/main.js up --name two words\n`);
});

test('without a pinned Node takes the one of the system, from 24 on', () => {
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
