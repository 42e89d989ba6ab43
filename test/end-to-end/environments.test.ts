/** Python environments by command line, in a real server that is killed while it builds. Wheels are made here; one build uses PyPI. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runVerb } from '../cli-fixture.ts';
import { python } from '../interpreter.ts';
import { installedUv } from '../python-packages.ts';
import { writeWheel } from '../wheel-fixture.ts';
import { until } from './poll.ts';
import { Server, temporaryDirectory } from './server.ts';

interface Described {
  readonly state: string;
  readonly reason: string | null;
  readonly lock: string | null;
  readonly installed: readonly { readonly name: string; readonly version: string }[];
}

const uv = await installedUv();
const skip = python === null ? 'no python3 of 3.9 or newer' : false;

describe('environments by command line', { skip }, () => {
  const dataDir = temporaryDirectory();
  const wheels = join(dataDir, 'wheels');
  let server: Server;

  const environments = (...argv: string[]) => runVerb(['environments', ...argv], { PENSTOCK_URL: server.url });
  const described = async (name: string): Promise<Described> =>
    JSON.parse((await environments('describe', name, '--output', 'json')).stdout) as Described;
  const configure = (build: object): void =>
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments: { build, mine: { python: python?.path } } }));
  const offline = { tool: uv ?? 'pip', wheels, offline: true };

  before(async () => {
    writeWheel(wheels, { name: 'tiny', version: '1.0', requires: ['leaf>=1'] });
    writeWheel(wheels, { name: 'leaf', version: '1.1' });
    configure(offline);
    server = await Server.start({ dataDir });
  });
  after(async () => {
    await server.end();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('create waits and shows what was built; describe, list and delete follow', async () => {
    const created = await environments('create', 'sk', '--add', 'tiny', '--python', python?.path ?? '');
    assert.equal(created.code, 0, created.stderr);
    assert.match(created.stdout, /^state +ready\n/m);
    assert.match(created.stdout, /^packages +leaf 1\.1, tiny 1\.0\n/m);
    assert.match((await environments('list')).stdout, /^mine .* config\.json[\s\S]*^sk +ready +3\.\d+\.\d+ +2 /m);
    const again = await environments('create', 'sk', '--add', 'leaf');
    assert.deepEqual([again.code, /environment sk exists \(ready\)/.test(again.stderr)], [1, true], again.stderr);
    const failed = await environments('create', 'bad', '--add', 'no-such-package');
    assert.equal(failed.code, 1);
    assert.match(
      failed.stderr,
      /bad could not be built: failed to find versions of the packages: .*no-such-package[\s\S]*log group \/penstock\/environments\/bad/,
    );
    for (const [outcome, count] of [
      ['ready', 1],
      ['failed', 1],
    ] as const) {
      assert.equal(await server.metric(`penstock_environment_builds_total{outcome="${outcome}"}`), count, outcome);
    }
    const logs = await runVerb(['logs', '--log', '/penstock/environments/sk'], { PENSTOCK_URL: server.url });
    assert.match(logs.stdout, /penstock: install the packages/, logs.stderr);
    assert.equal((await environments('delete', 'bad')).code, 0);
    const audit = await runVerb(['audit', 'list', '--output', 'json'], { PENSTOCK_URL: server.url });
    for (const action of ['CreateEnvironment', 'DeleteEnvironment']) assert.match(audit.stdout, new RegExp(action));
  });

  test('a build is continued after kill -9, and its half-built folder is removed', async () => {
    const stuck = join(dataDir, 'stuck-uv');
    writeFileSync(stuck, '#!/bin/sh\nsleep 300\n', { mode: 0o755 });
    await server.end();
    configure({ ...offline, tool: stuck });
    server = await Server.start({ dataDir });
    assert.equal((await environments('create', 'slow', '--add', 'leaf', '--no-wait')).code, 0);
    const folder = join(dataDir, 'environments');
    const half = await until('the build has begun', () =>
      readdirSync(folder).find((name) => name.endsWith('.tmp') && existsSync(join(folder, name, 'pid'))),
    );
    server.signal('SIGKILL');
    await server.ended;
    assert(existsSync(join(folder, half)));
    configure(offline);
    server = await Server.start({ dataDir });
    await until('the environment is ready', async () => (await described('slow')).state === 'ready');
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    );
    assert.deepEqual((await described('slow')).installed, [{ name: 'leaf', version: '1.1' }]);
  });

  test('a package of PyPI is installed', async (context) => {
    await server.end();
    configure({ tool: uv ?? 'pip', timeout: '60s' });
    server = await Server.start({ dataDir });
    const { code, stderr } = await environments('create', 'online', '--add', 'six==1.16.0');
    if (code !== 0) {
      assert.match(stderr, /online could not be built/);
      return context.skip(`no package registry: ${stderr.split('\n').at(-2)}`);
    }
    assert.deepEqual((await described('online')).installed, [{ name: 'six', version: '1.16.0' }]);
  });
});
