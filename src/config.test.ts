import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { flagName, isLoopback, loadConfig, loadSetting, settings, variableName } from './config.ts';

let directory = '';
let count = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-config-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

async function fileOf(content: unknown): Promise<string> {
  const path = join(directory, `config-${count++}.json`);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const nowhere = { dataDir: '/nonexistent/penstock-data' };

test('uses defaults if nothing is set', () => {
  const { dataDir, ...config } = loadConfig({ flags: nowhere });
  assert.equal(dataDir, nowhere.dataDir);
  assert.deepEqual(config, {
    host: '127.0.0.1',
    port: 8080,
    grpcPort: null,
    tls: 'off',
    tlsCert: null,
    tlsKey: null,
    databaseUrl: null,
    objects: null,
    clusterKeyFile: null,
    node: null,
    link: null,
    objectCacheBytes: 53_687_091_200,
    logLevel: 'info',
    bodyLimitBytes: 67_108_864,
    artifactLimitBytes: 4_294_967_296,
    metricsLimitBytes: 4_294_967_296,
    requestLinesPerSecond: 1000,
    queueRowsMax: 10_000,
    gateways: 1,
    scalingLeadMs: null,
    startDelayMs: null,
    timeoutMs: 60_000,
    invocationLimitBytes: 6_291_456,
    invocationTimeoutMs: 60_000,
    asyncBodyLimitBytes: 33_554_432,
    asyncTopics: null,
    batchPeriodMs: 30_000,
    connectionsMax: 20_000,
    drainMs: 10_000,
    memoryLimitBytes: null,
    warmWorkers: 2,
    profileBudgetMs: 3000,
    cores: null,
    localWorkers: 'always',
    scaleHosts: null,
    scaleHostsRange: { min: 1, max: 10 },
    scaleHostsExec: null,
    joinSecret: null,
    serviceAccount: null,
    hostSize: null,
    awsAccount: '000000000000',
    awsRegion: 'us-east-1',
    otlpEndpoint: null,
    traceShare: 0.01,
    webhookSecret: null,
    webhookPrivate: 'refuse',
    prices: null,
    accelerators: null,
    images: null,
    environments: null,
    python: null,
    isolation: null,
    training: null,
  });
});

test('prefers flags over the environment, the file and defaults, in this order', async () => {
  const file = await fileOf({ port: 1, warmWorkers: 1, queueRowsMax: 1 });
  const config = loadConfig({ flags: { ...nowhere, port: '3' }, env: { PENSTOCK_PORT: '2', PENSTOCK_WARM_WORKERS: '2' }, file });
  assert.deepEqual([config.port, config.warmWorkers, config.queueRowsMax, config.connectionsMax], [3, 2, 1, 20_000]);
});

test('reads config.json in the data directory, which need not exist', async () => {
  await writeFile(join(directory, 'config.json'), '{"logLevel": "debug"}');
  assert.equal(loadConfig({ flags: { dataDir: directory } }).logLevel, 'debug');
  assert.equal(loadConfig({ env: { PENSTOCK_DATA_DIR: directory } }).logLevel, 'debug');
  assert.throws(() => loadConfig({ flags: nowhere, file: '/nonexistent/config.json' }), {
    code: 'invalid_request',
    message: /cannot read.*ENOENT/,
  });
});

test('reads a single setting even if the others are invalid', () => {
  const env = { PENSTOCK_AWS_REGION: 'eu-west-3', PENSTOCK_HOST: '0.0.0.0' };
  assert.equal(loadSetting('awsRegion', { flags: nowhere, env }), 'eu-west-3');
  assert.throws(
    () => loadSetting('awsRegion', { flags: nowhere, env: { PENSTOCK_AWS_REGION: 'here' } }),
    /PENSTOCK_AWS_REGION: expected a region/,
  );
  assert.throws(() => loadConfig({ flags: { ...nowhere, awsAccount: '12' } }), /--aws-account: expected 12 digits/);
});

describe('values', () => {
  for (const [flags, property, value] of [
    [{ bodyLimit: '1MiB' }, 'bodyLimitBytes', 1_048_576],
    [{ bodyLimit: 1000 }, 'bodyLimitBytes', 1000],
    [{ timeout: '500ms' }, 'timeoutMs', 500],
    [{ timeout: '2' }, 'timeoutMs', 2000],
    [{ port: 0 }, 'port', 0],
    [{ cores: '4' }, 'cores', 4],
    [{ host: '::1' }, 'host', '::1'],
  ] as const) {
    test(`reads ${JSON.stringify(flags)} as ${value}`, () => {
      assert.equal(loadConfig({ flags: { ...nowhere, ...flags } })[property], value);
    });
  }

  for (const [flags, message] of [
    [{ port: 'http' }, /^--port: expected a whole number from 0 to 65535, got "http"$/],
    [{ port: 65_536 }, /--port/],
    [{ port: 1.5 }, /--port/],
    [{ port: '-1' }, /--port/],
    [{ port: true }, /--port/],
    [{ logLevel: 'loud' }, /^--log-level: expected one of debug, info, warn, error, silent, got "loud"$/],
    [{ bodyLimit: '64 megs' }, /--body-limit: expected a number of bytes, or a size such as 64MiB/],
    [{ bodyLimit: '0' }, /--body-limit/],
    [{ timeout: 'soon' }, /--timeout: expected a time such as 500ms/],
    [{ batchPeriod: '5s' }, /--batch-period: expected .*, from 10s to 60s/],
    [{ timeout: '0s' }, /--timeout/],
    [{ host: '' }, /--host: expected a non-empty string/],
    [
      { databaseUrl: { url: 'postgres://u:hunter2@h/d' } },
      /--database-url: expected a URL such as postgres:.*, got \{"url":"postgres:\/\/…@h\/d"\}$/,
    ],
    [{ databaseUrl: 'garbage' }, /--database-url: expected a URL such as postgres:\/\/user:password@host\/db, got "?garbage"?$/],
    [{ databaseUrl: '' }, /--database-url: expected a URL such as postgres:/],
  ] as const) {
    test(`rejects ${JSON.stringify(flags)}`, () => {
      assert.throws(() => loadConfig({ flags: { ...nowhere, ...flags } }), { code: 'invalid_request', message });
    });
  }

  test('an error names the source of the value', async () => {
    assert.throws(
      () => loadConfig({ flags: nowhere, env: { PENSTOCK_WARM_WORKERS: 'many' } }),
      /^PlatformError: PENSTOCK_WARM_WORKERS: expected/,
    );
    const file = await fileOf({ warmWorkers: '2x' });
    assert.throws(() => loadConfig({ flags: nowhere, file }), new RegExp(`warmWorkers in ${file}: expected`));
  });
});

describe('rejects unknown settings with the nearest known name', () => {
  test('among flags', () => {
    assert.throws(() => loadConfig({ flags: { ...nowhere, prot: 1 } }), {
      code: 'invalid_request',
      message: 'unknown flag --prot: did you mean --port?',
    });
    assert.throws(() => loadConfig({ flags: { prices: {} } }), /unknown flag --prices/);
  });

  test('among PENSTOCK_ variables, except client and empty ones', () => {
    assert.throws(
      () => loadConfig({ flags: nowhere, env: { PENSTOCK_PROT: '1' } }),
      /unknown environment variable PENSTOCK_PROT: did you mean PENSTOCK_PORT\?/,
    );
    loadConfig({
      flags: nowhere,
      env: { PENSTOCK_URL: 'http://x', PENSTOCK_KEY: 'a:b', PENSTOCK_TRACES: '/traces', PENSTOCK_PORT: '', HOME: '/root' },
    });
  });

  test('in the file, which cannot set its own location', async () => {
    const refuses = async (content: unknown, message: RegExp): Promise<void> => {
      const file = await fileOf(content);
      assert.throws(() => loadConfig({ flags: nowhere, file }), { code: 'invalid_request', message });
    };
    await refuses({ warmworker: 1 }, /unknown setting in .*: did you mean warmWorkers\?|warmworker: did you mean warmWorkers\?/);
    await refuses({ zzzzzzzzzzzz: 1 }, /expected one of host, port/);
    await refuses({ dataDir: '/x' }, /dataDir cannot be set in a file/);
    await refuses('{broken', /cannot read/);
    await refuses('[]', /expected a JSON object of settings, got \[\]/);
  });
});

describe('TLS', () => {
  const load = (flags: Record<string, unknown>) => loadConfig({ flags: { ...nowhere, ...flags } });

  test('is required beyond loopback', () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'penstock.example.com']) {
      assert.throws(() => load({ host }), { code: 'invalid_request', message: /requires TLS: add --tls self-signed/ });
      assert.equal(load({ host, tls: 'self-signed' }).tls, 'self-signed');
    }
  });

  test('uses files if certificate and key are given', () => {
    assert.equal(load({ tlsCert: 'c.pem', tlsKey: 'k.pem', host: '0.0.0.0' }).tls, 'files');
    assert.equal(load({ tlsCert: 'c.pem', tlsKey: 'k.pem', tls: 'files' }).tls, 'files');
    for (const flags of [{ tlsCert: 'c.pem' }, { tlsKey: 'k.pem' }, { tls: 'files' }]) {
      assert.throws(() => load(flags), /needs both --tls-cert F and --tls-key F/);
    }
    for (const tls of ['off', 'self-signed']) assert.throws(() => load({ tlsCert: 'c', tlsKey: 'k', tls }), /conflict/);
  });
});

test('a cluster key needs PostgreSQL, and a node needs all that another one must have, too', () => {
  const all = { databaseUrl: 'postgres://db/penstock', objects: 'postgres', clusterKeyFile: 'cluster.key', node: 'a' };
  const load = (flags: Record<string, unknown>) => loadConfig({ flags: { ...nowhere, ...flags } });
  assert.equal(load(all).node, 'a');
  assert.throws(() => load({ clusterKeyFile: 'cluster.key' }), { code: 'invalid_request', message: /add --database-url URL/ });
  for (const missing of ['databaseUrl', 'objects', 'clusterKeyFile']) {
    assert.throws(() => load({ ...all, [missing]: undefined }), { code: 'invalid_request', message: /add --database-url|--node needs/ });
  }
  assert.equal(load({ ...all, localWorkers: 'never' }).localWorkers, 'never');
  assert.throws(() => load({ localWorkers: 'never' }), {
    code: 'invalid_request',
    message: /--local-workers is for the nodes of a cluster/,
  });
  const scaled = load({ ...all, scaleHosts: 'h', scaleHostsRange: '0..20', hostSize: '2/4GiB' });
  assert.deepEqual(
    [scaled.scaleHostsRange, scaled.hostSize],
    [
      { min: 0, max: 20 },
      { cpuMilli: 2000, memoryMiB: 4096 },
    ],
  );
  for (const alone of [{ scaleHosts: 'h' }, { hostSize: '2/4GiB' }, { joinSecret: 'join/token' }]) {
    assert.throws(() => load(alone), { code: 'invalid_request', message: /are for the nodes of a cluster/ });
  }
  assert.throws(() => load({ ...all, scaleHostsExec: 'p' }), { code: 'invalid_request', message: /needs --scale-hosts NAME/ });
  for (const joinSecret of ['join', 'join/', '/token', 'a/b/c', 'A/b'])
    assert.throws(() => load({ ...all, joinSecret }), /--join-secret: expected/);
  assert.equal(load({ ...all, joinSecret: 'join/token', serviceAccount: 'f' }).serviceAccount, 'f');
  assert.throws(() => load({ ...all, scaleHosts: 'h', scaleHostsExec: 'p', serviceAccount: 'f' }), { message: /--service-account is for/ });
  for (const node of ['', '-a', 'a b', "a'b", 'a'.repeat(64)]) assert.throws(() => load({ ...all, node }), { code: 'invalid_request' });
});

test('derives flag and variable from one name', () => {
  assert.equal(flagName(settings.bodyLimitBytes), '--body-limit');
  assert.equal(variableName(settings.bodyLimitBytes), 'PENSTOCK_BODY_LIMIT');
  const names = Object.values(settings).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test('only addresses of this machine are loopback', () => {
  for (const address of ['127.0.0.1', '127.255.255.254', '::1', 'localhost', 'LOCALHOST', '::ffff:127.0.0.1'])
    assert(isLoopback(address), address);
  for (const address of ['0.0.0.0', '::', '10.0.0.1', '127.1', '127.0.0.1.evil.com', 'localhost.evil.com', '::ffff:10.0.0.1', '']) {
    assert(!isLoopback(address), address);
  }
});
