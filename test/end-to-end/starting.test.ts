/** A server that cannot start or write reports this in one line and loses nothing. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { AsyncBody, VersionBody } from '../../src/api/index.ts';
import { assertSameTensors, sample } from '../models/index.ts';
import { whyNoMount } from '../mounting.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, type Refusal, type Reply, Server, temporaryDirectory } from './server.ts';

const noMount = whyNoMount();
const noLimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed';
const directory = temporaryDirectory();
after(() => rmSync(directory, { recursive: true, force: true }));

/** Runs `penstock up`, which must fail, and returns how it ended. */
async function failedStart(flags: readonly string[], wrap: (command: readonly string[]) => readonly string[] = (command) => command) {
  const [file, ...argv] = wrap([penstock, 'up', '--port', '0', ...flags]);
  assert(file !== undefined);
  const child = spawn(file, argv, { cwd: tmpdir(), env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Wraps a command to run in a new mount namespace after a script. The process becomes the command itself (`exec`). */
function mounted(script: string): (command: readonly string[]) => readonly string[] {
  return (command) => ['unshare', '-m', 'sh', '-ec', `${script}; exec "$@"`, 'sh', ...command];
}

describe('a server that cannot start', () => {
  test('because another server has its data directory names that server, in one line, and does not affect it', async () => {
    const server = await Server.start();
    try {
      const answer = await failedStart(['--data-dir', server.dataDir]);
      assert.deepEqual([answer.code, answer.stdout], [1, '']);
      const line = `^penstock: \\S+ is in use by process ${server.pid} \\(${server.url}\\): stop it first, or choose another --data-dir\\n$`;
      assert.match(answer.stderr, new RegExp(line));
      assert.equal((await server.call('GET', '/status')).status, 200);
    } finally {
      await server.end();
    }
  });

  test('exactly one of two servers that start on the same directory at the same time serves', async () => {
    const dataDir = join(directory, 'raced');
    const starts = await Promise.allSettled([Server.start({ dataDir }), Server.start({ dataDir })]);
    const served = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const failed = starts.flatMap((start) => (start.status === 'rejected' ? [String(start.reason)] : []));
    await Promise.all(served.map((server) => server.end()));
    assert.equal(served.length, 1);
    assert.match(failed.join(), /raced is in use by /);
  });

  test('because its port is in use says so in one line, and leaves nothing running', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    assert(typeof address === 'object' && address !== null);
    try {
      const dataDir = join(directory, 'no-port');
      const answer = await failedStart(['--port', String(address.port), '--data-dir', dataDir]);
      assert.deepEqual([answer.code, answer.stdout], [1, '']);
      assert.match(answer.stderr, new RegExp(`^penstock: cannot listen on 127.0.0.1:${address.port}: .*another --port.*\\n$`));
      assert.deepEqual(readdirSync(join(dataDir, 'workers')), []);
      assert(!readdirSync(dataDir).includes('lock'));
    } finally {
      taken.close();
    }
  });

  test('because its data directory is a file, or is below one, says so in one line', async () => {
    writeFileSync(join(directory, 'file'), '');
    for (const dataDir of [join(directory, 'file'), join(directory, 'file', 'below')]) {
      const answer = await failedStart(['--data-dir', dataDir]);
      assert.deepEqual([answer.code, answer.stdout], [2, '']);
      assert.match(answer.stderr, /^penstock: \S+ is not a directory: choose another --data-dir\n$/);
    }
  });

  test('because its data directory is read-only says so in one line', { skip: noMount }, async () => {
    const dataDir = join(directory, 'read-only');
    mkdirSync(dataDir);
    const answer = await failedStart(['--data-dir', dataDir], mounted(`mount -t tmpfs -o ro tmpfs ${dataDir}`));
    assert.deepEqual([answer.code, answer.stdout], [1, '']);
    assert.match(answer.stderr, /^penstock: cannot lock the data directory \S+: .*(not writable|cannot be opened).*\n$/);
  });

  test('because its disk is full says so in one line', { skip: noMount }, async () => {
    const dataDir = join(directory, 'full');
    mkdirSync(dataDir);
    const fill = `mount -t tmpfs -o size=64k tmpfs ${dataDir}; head -c 65536 /dev/zero > ${dataDir}/filler`;
    const answer = await failedStart(['--data-dir', dataDir], mounted(fill));
    assert.deepEqual([answer.code, answer.stdout], [1, '']);
    assert.match(answer.stderr, /^penstock: [^\n]*(disk is full|free space)[^\n]*\n$/);
  });
});

describe('a server whose disk', () => {
  const digits = sample('digits_mlp');

  /** While nothing can be written: errors are clear, existing data stay, and predictions continue. */
  async function assertNothingIsLost(server: Server, versions: readonly VersionBody[]): Promise<void> {
    const upload = await server.call<Refusal>('POST', '/groups/large/versions', new Uint8Array(6 * 2 ** 20));
    assert.deepEqual([upload.status, upload.body.code], [503, 'unavailable'], upload.body.error);
    assert.match(upload.body.error, /disk is full \(or a file-size limit or quota is reached\)/);
    assert.equal((await server.call('GET', '/groups/large')).status, 404);
    assert.deepEqual(readdirSync(join(dataOf(server), 'objects/temporary')), []);
    assert.deepEqual(await digitsVersions(server), versions);
    const { status, outputs } = await infer(server.url, 'digits', digits.inputs);
    assert.equal(status, 200);
    assertSameTensors(outputs, digits.outputs);
  }

  async function digitsVersions(server: Server): Promise<VersionBody[]> {
    return (await server.callWell<{ items: VersionBody[] }>('GET', '/groups/digits/versions')).items;
  }

  /** The data directory as the server sees it, including its private mounts. */
  function dataOf(server: Server): string {
    return join(`/proc/${server.pid}/root`, server.dataDir);
  }

  test('has a file-size limit rejects a larger upload, loses nothing, and accepts it without the limit', {
    skip: noLimit,
  }, async () => {
    const server = await Server.start();
    try {
      await server.deploy('digits', 'digits_mlp');
      const versions = await digitsVersions(server);
      const limit = (bytes: string) => assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:`]).status, 0);
      limit(String(2 ** 20));
      await assertNothingIsLost(server, versions);
      limit('unlimited');
      await server.register('large', 'loadtest_wide_mlp');
    } finally {
      await server.end();
    }
  });

  test('is full rejects uploads and other changes, loses nothing, and continues when there is space', { skip: noMount }, async () => {
    const dataDir = join(directory, 'fills-up');
    mkdirSync(dataDir);
    const server = await Server.start({ dataDir, wrap: mounted(`mount -t tmpfs -o size=24m tmpfs ${dataDir}`) });
    try {
      await server.deploy('digits', 'digits_mlp');
      const versions = await digitsVersions(server);
      const filler = join(dataOf(server), 'filler');
      assert.throws(() => writeFileSync(filler, new Uint8Array(24 * 2 ** 20)), { code: 'ENOSPC' });
      await assertNothingIsLost(server, versions);
      let created = await server.call<Refusal>('POST', '/groups', { name: 'group-0' });
      for (let i = 1; created.status === 201 && i < 200; i++) {
        created = await server.call<Refusal>('POST', '/groups', { name: `group-${i}`, description: 'x'.repeat(1000) });
      }
      assert.deepEqual([created.status, created.body.code], [503, 'unavailable'], created.body.error);
      assert.match(created.body.error, /disk/);
      rmSync(filler);
      await server.register('large', 'loadtest_wide_mlp');
      await assertServes(server);
    } finally {
      await server.end();
    }
  });

  test('is full while many asynchronous requests share commits rejects some, loses no accepted ones, and continues', {
    skip: noMount,
  }, async () => {
    const dataDir = join(directory, 'crowded');
    mkdirSync(dataDir);
    const server = await Server.start({ dataDir, wrap: mounted(`mount -t tmpfs -o size=24m tmpfs ${dataDir}`) });
    try {
      await server.deploy('digits', 'digits_mlp');
      const instances = Array.from({ length: 60 }, () => Array.from({ length: 64 }, () => 0.5));
      const submit = () => server.call<AsyncBody & Refusal>('POST', '/endpoints/digits/async', { instances });
      const replies: Reply<AsyncBody & Refusal>[] = [];
      const crowd = async () => replies.push(...(await Promise.all(Array.from({ length: 48 }, submit))));
      await crowd();
      assert(replies.every(({ status }) => status === 202));
      const filler = join(dataOf(server), 'filler');
      assert.throws(() => writeFileSync(filler, new Uint8Array(24 * 2 ** 20)), { code: 'ENOSPC' });
      for (let i = 0; i < 40 && replies.every(({ status }) => status === 202); i++) await crowd();
      const refusals = replies.filter(({ status }) => status !== 202);
      assert(refusals.length > 0, `${replies.length} were accepted by a full disk`);
      for (const { status, body } of refusals) {
        assert.deepEqual([status, body.code], [503, 'unavailable'], body.error);
        assert.match(body.error, /disk/);
      }
      await assertServes(server);
      rmSync(filler);
      replies.push(await submit());
      assert.equal(replies.at(-1)?.status, 202, JSON.stringify(replies.at(-1)?.body));
      for (const { body } of replies.filter(({ status }) => status === 202)) {
        await until(
          `request ${body.id} has its outcome`,
          async () => (await server.callWell<AsyncBody>('GET', `/async/${body.id}`)).state === 'succeeded',
          60_000,
        );
      }
    } finally {
      await server.end();
    }
  });

  async function assertServes(server: Server): Promise<void> {
    const { status, outputs } = await infer(server.url, 'digits', digits.inputs);
    assert.equal(status, 200);
    assertSameTensors(outputs, digits.outputs);
  }
});
