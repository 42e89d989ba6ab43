/** A server whose objects are in the S3 of another one: what it serves, and what it does while that one is away. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { restoreBackup, verifyDataDirectory, writeBackup } from '../../src/storage/index.ts';
import { until } from '../end-to-end/poll.ts';
import { Server, type ServerOptions, temporaryDirectory } from '../end-to-end/server.ts';
import { modelPath } from '../models/index.ts';
import { S3Server } from './s3-server.ts';

describe('a server with its objects in S3', { timeout: 240_000 }, () => {
  let s3: S3Server;
  let place = '';
  const dataDir = temporaryDirectory();
  const started: Server[] = [];
  let server: Server;

  async function start(options: ServerOptions = { dataDir, flags: ['--objects', place] }): Promise<Server> {
    const next = await Server.start(options);
    started.push(next);
    return next;
  }
  const invoke = (on: Server) => on.call('POST', '/endpoints/digits/invoke', { instances: [Array(64).fill(0)] });

  before(async () => {
    s3 = await S3Server.start();
    place = s3.placeOf('prod');
    server = await start();
  });
  after(async () => {
    for (const each of started) await each.end();
    await s3?.end();
    for (const path of [dataDir, `${dataDir}-restored`, `${dataDir}.tar`]) rmSync(path, { recursive: true, force: true });
  });

  test('registers, deploys and serves a model, whose bytes are there and not in its data directory', async () => {
    const version = await server.deploy('digits', 'digits_mlp');
    assert.equal((await invoke(server)).status, 200);
    const keys = await s3.keysOf('prod/objects/');
    assert(keys.includes(`prod/objects/sha256/${version.artifact.sha256}`), keys.join('\n'));
    assert(!existsSync(join(dataDir, 'objects')));
  });

  test('serves on while the store is away, and says so to those who store', async () => {
    s3.proxy.refuse();
    assert.equal((await invoke(server)).status, 200);
    const model = readFileSync(modelPath('diabetes_rf'));
    const refused = await server.call<{ error: string; code: string }>('POST', '/groups/away/versions?name=m.onnx', model);
    assert.deepEqual([refused.status, refused.body.code, refused.headers.get('retry-after')], [503, 'unavailable', '5']);
    assert.match(refused.body.error, /^cannot write objects in s3:\/\/store\/prod: ECONNREFUSED.*Check that the store is running/);
    const { notes } = await server.callWell<{ notes: string[] }>('GET', '/status');
    assert.match(notes.join('\n'), /the object store is unavailable: cannot .* ECONNREFUSED/);
    // A worker that crashes meanwhile starts from the copy of this machine.
    for (const { pid } of server.workers()) process.kill(pid, 'SIGKILL');
    await until('the endpoint serves', async () => (await invoke(server)).status === 200);
  });

  test('starts and serves while the store is away, from the copies of its machine', async () => {
    server.signal('SIGKILL');
    await server.ended;
    server = await start();
    await server.inService('digits');
    assert.equal((await invoke(server)).status, 200);
    assert.match(server.stderr, /the object store is unavailable/);
    await s3.proxy.accept();
    await server.register('back', 'diabetes_rf');
  });

  test('fetches the models again if its machine has lost the copies', async () => {
    await server.end();
    rmSync(join(dataDir, 'object-cache'), { recursive: true });
    server = await start();
    await server.inService('digits');
    assert.equal((await invoke(server)).status, 200);
  });

  test('is backed up while it runs, and restored to another place and to folders', async () => {
    const [file, restored] = [`${dataDir}.tar`, `${dataDir}-restored`];
    const common = { databaseUrl: null, clock: new SystemClock() };
    const { objects } = await writeBackup({ ...common, dataDir, file });
    const intact = { objects, damaged: [], missing: [], unreferenced: [] };
    const verified = async (each: string) => {
      const { objects: found, damaged, missing, unreferenced } = await verifyDataDirectory({ ...common, dataDir: each });
      return { objects: found, damaged, missing, unreferenced };
    };
    assert.deepEqual(await verified(dataDir), intact);
    const restore = (target: string | null) => restoreBackup({ ...common, file, dataDir: restored, objects: target });
    await assert.rejects(restore(place), { code: 'wrong_state', message: /belongs to installation .*choose an empty prefix/ });
    for (const target of [s3.placeOf('restored'), null]) {
      await restore(target);
      assert.deepEqual(await verified(restored), intact);
      assert.equal(existsSync(join(restored, 'objects')), target === null);
      rmSync(restored, { recursive: true });
    }
    assert.deepEqual(
      (await s3.keysOf('restored/objects/')).map((key) => key.replace('restored', 'prod')),
      await s3.keysOf('prod/objects/sha256'),
    );
    assert.deepEqual(await s3.keysOf('prod/backups/'), []);
  });

  test('does not start without its objects', async () => {
    await server.end();
    await assert.rejects(
      Server.start({ dataDir }),
      /the objects of this installation are in s3:\/\/store\/prod\?endpoint=.*Start with --objects 's3:/,
    );
  });
});
