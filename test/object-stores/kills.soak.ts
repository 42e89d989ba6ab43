/** kill -9 during registrations, with the objects in S3: nothing acknowledged is lost, and after an hour nothing is left over. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { readDatabase } from '../../src/storage/backup/read-database.ts';
import { FileHasher, openObjectStores, parseObjectLocation, sweepObjects, VerifiedFiles } from '../../src/storage/index.ts';
import { referencedObjects } from '../../src/storage/objects/referenced-objects.ts';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';
import { modelPath } from '../models/index.ts';
import { S3Server } from './s3-server.ts';

const kills = 20;
const dataDir = temporaryDirectory();
let s3: S3Server;
before(async () => {
  s3 = await S3Server.start();
});
after(async () => {
  await s3?.end();
  rmSync(dataDir, { recursive: true, force: true });
});

/** A model of its own for each registration, so that each has an object: a comment in the file's metadata differs. */
function modelOf(n: number): Buffer {
  // Field 6 (doc_string) of an ONNX ModelProto may follow at the end.
  const text = Buffer.from(`registration ${n}`);
  return Buffer.concat([readFileSync(modelPath('digits_logreg')), Buffer.from([0x32, text.length]), text]);
}

test(`${kills} kills lose nothing and leave nothing`, async (t) => {
  const place = s3.placeOf('killed');
  const acknowledged = new Map<string, string>();
  let [count, unknown] = [0, 0];
  for (let kill = 0; kill < kills; kill++) {
    const server = await Server.start({ dataDir, flags: ['--objects', place] });
    let isKilled = false;
    const one = async (): Promise<void> => {
      while (!isKilled) {
        const n = count++;
        await server.register(`g${n}`, modelOf(n)).then(
          (version) => acknowledged.set(version.name, version.artifact.sha256),
          () => unknown++,
        );
      }
    };
    const writers = [one(), one(), one()];
    const enough = acknowledged.size + 2 + (kill % 4);
    while (acknowledged.size < enough) await new Promise((resolve) => setTimeout(resolve, 5 + 7 * kill));
    isKilled = true;
    server.signal('SIGKILL');
    await Promise.all(writers);
    await server.end();
  }
  const clock = new SystemClock();
  const { db, close } = await readDatabase(null, join(dataDir, 'state.db'), clock);
  const hasher = new FileHasher();
  const stores = await openObjectStores({
    location: parseObjectLocation(place),
    dataDir,
    db,
    databaseName: 'SQLite',
    clock,
    verified: new VerifiedFiles(hasher),
    cacheBytesMax: 0,
  });
  try {
    const referenced = new Set<string>();
    for await (const { store, sha256 } of referencedObjects(db)) if (store === 'objects') referenced.add(sha256);
    for (const [name, sha256] of acknowledged) {
      assert(referenced.has(sha256), `${name} was acknowledged, and has no row`);
      assert(await stores.objects.has(sha256), `${name} was acknowledged, and has no object`);
    }
    const strays = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const each of stores.objects.list()) if (!referenced.has(each)) found.push(each);
      return found;
    };
    const left = (await strays()).length;
    const sweep = async (laterMs: number): Promise<void> =>
      sweepObjects(
        stores.objects,
        {
          neededOf: async () => referenced,
          trash: async (sha256, atMs) => {
            await stores.objects.moveToTrash(sha256, atMs);
            return true;
          },
        },
        { nowMs: () => clock.wallMs() + laterMs, onTrashed: () => undefined, onRestored: () => undefined, onFailure: assert.ifError },
      );
    await sweep(0);
    assert.equal((await strays()).length, left, 'recent objects are left alone');
    await sweep(3_601_000);
    assert.deepEqual(await strays(), []);
    for (const sha256 of referenced) assert(await stores.objects.has(sha256));
    t.diagnostic(JSON.stringify({ kills, acknowledged: acknowledged.size, unknown, left }));
  } finally {
    await stores.close();
    await hasher.close();
    await close();
  }
});
