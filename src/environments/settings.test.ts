import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildVariables } from './build-tool.ts';
import { lockOfReport, lockOfRequirements, packagesOf } from './lock.ts';
import { cleanLine } from './process-group.ts';
import { environmentSettings } from './settings.ts';

test('reads builds and interpreters, with defaults for the rest', () => {
  const { build, interpreters } = environmentSettings({
    sk: { python: '/opt/sk/bin/python' },
    build: {
      tool: 'uv',
      index: 'https://u:p@pypi.example/simple',
      wheels: '/srv/wheels',
      offline: true,
      timeout: '20m',
      limit: '3GiB',
      memory: '2GiB',
    },
  });
  assert.deepEqual([...interpreters], [['sk', '/opt/sk/bin/python']]);
  const index = 'https://u:p@pypi.example/simple';
  const expected = {
    tool: 'uv',
    index,
    wheels: '/srv/wheels',
    isOffline: true,
    allowsSdist: false,
    timeoutMs: 1_200_000,
    limitBytes: 3 * 2 ** 30,
    memoryBytesMax: 2 * 2 ** 30,
  };
  assert.deepEqual(build, expected);
  assert.deepEqual(environmentSettings(null).build, environmentSettings({ build: {} }).build);
});

for (const [provided, message] of [
  [{ sk: '/opt/python' }, /environments\.sk in config\.json: expected an object/],
  [{ sk: { python: 'python3' } }, /environments\.sk\.python in config\.json: expected an absolute path/],
  [{ sk: { python: '/p', packages: [] } }, /unknown setting environments\.sk\.packages/],
  [{ 's k': { python: '/p' } }, /expected a name of 1 to 63/],
  [{ build: [] }, /environments\.build in config\.json: expected an object/],
  [{ build: { tool: 'conda' } }, /"uv", "pip", or the absolute path of uv/],
  [{ build: { index: 'u:secret@x' } }, /^(?!.*secret).*expected an http or https URL/],
  [{ build: { limit: '1 PiB' } }, /environments\.build\.limit in config\.json: expected a number of bytes/],
  [{ build: { sdist: 'yes' } }, /environments\.build\.sdist in config\.json: expected true or false/],
  [{ build: { retries: 1 } }, /unknown setting environments\.build\.retries/],
] as const) {
  test(`rejects ${JSON.stringify(provided)}`, () => {
    assert.throws(() => environmentSettings(provided), { code: 'invalid_request', message });
  });
}

test('a build gets the settings of the index, and no secret of the server', () => {
  const own = {
    PATH: '/bin',
    PENSTOCK_KEY: 'secret',
    PENSTOCK_WEBHOOK_SECRET: 's',
    NODE_OPTIONS: 'x',
    PIP_INDEX_URL: 'https://other',
    https_proxy: 'p',
  };
  const folders = { home: '/b/home', temporary: '/b/tmp' };
  const passed = buildVariables({ index: null, isOffline: false }, folders, own);
  assert.deepEqual(Object.keys(passed).sort(), [
    'HOME',
    'LC_ALL',
    'PATH',
    'PIP_DISABLE_PIP_VERSION_CHECK',
    'PIP_INDEX_URL',
    'PIP_NO_INPUT',
    'TMPDIR',
    'https_proxy',
  ]);
  assert.equal(buildVariables({ index: 'https://mine', isOffline: false }, folders, own)['PIP_INDEX_URL'], 'https://mine');
  assert.equal(buildVariables({ index: null, isOffline: true }, folders, own)['PIP_INDEX_URL'], undefined);
});

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];

test('both tools give a lock with a line for each package', () => {
  const compiled = `tiny==1.0 \\\n    --hash=sha256:${a} \\\n    --hash=sha256:${b}\n# via x\nleaf==2.0+cpu \\\n    --hash=sha256:${a}\n`;
  const lock = lockOfRequirements(compiled);
  assert.equal(lock, `leaf==2.0+cpu --hash=sha256:${a}\ntiny==1.0 --hash=sha256:${a} --hash=sha256:${b}\n`);
  assert.deepEqual(packagesOf(lock), [
    { name: 'leaf', version: '2.0+cpu' },
    { name: 'tiny', version: '1.0' },
  ]);
  const report = { install: [{ metadata: { name: 'Ti_ny', version: '1.0' }, download_info: { archive_info: { hashes: { sha256: a } } } }] };
  assert.equal(lockOfReport(JSON.stringify(report)), `ti-ny==1.0 --hash=sha256:${a}\n`);
});

test('a package without hashes makes no lock', () => {
  assert.throws(() => lockOfRequirements('tiny==1.0\n'), /expected a package with its hashes, got "tiny==1.0"/);
  assert.throws(() => lockOfRequirements(`-e . --hash=sha256:${a}\n`), /expected a package with its hashes/);
  assert.throws(() => lockOfReport('{"install": [{"metadata": {"name": "x", "version": "1"}}]}'), /without name, version or hash/);
});

test('lines of a build hold no credentials and no escape sequences', () => {
  assert.equal(cleanLine('\u001b[31mLooking in https://user:secret@index/simple\u001b[0m\r'), 'Looking in https://…@index/simple');
  assert.equal(cleanLine('x'.repeat(100_000)).length, 1000);
});
