/** A large object goes to S3 and back in bounded memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { FileHasher, VerifiedFiles } from '../../src/storage/index.ts';
import { RemoteObjectStore } from '../../src/storage/objects/remote-object-store.ts';
import { S3Blobs } from '../../src/storage/objects/s3-blobs.ts';
import { S3Server } from './s3-server.ts';

const bytes = 1024 * 2 ** 20;
const mebibyte = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'penstock-large-'));
let s3: S3Server;
before(async () => {
  s3 = await S3Server.start();
});
after(async () => {
  await s3?.end();
  rmSync(folder, { recursive: true, force: true });
});

async function* content(): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; at += mebibyte) yield Buffer.alloc(mebibyte, String(at));
}

test('1 GiB is stored and fetched in less than 300 MiB of memory', async (t) => {
  const hasher = new FileHasher();
  const clock = new SystemClock();
  const blobs = await S3Blobs.open({ bucket: 'store', prefix: 'large', endpoint: s3.server.url, region: null }, clock);
  const open = (name: string): RemoteObjectStore =>
    new RemoteObjectStore({
      blobs,
      name: 'objects',
      marks: { isRetained: async () => false },
      isRemovalUndone: false,
      clock,
      verified: new VerifiedFiles(hasher),
      cacheFolder: join(folder, name),
      cacheBytesMax: 8 * bytes,
    });
  const start = process.memoryUsage.rss();
  let peak = start;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  try {
    const startedMs = performance.now();
    const { sha256 } = await open('one').put(content());
    const storedMs = performance.now();
    await open('two').fetch(sha256);
    const fetchedMs = performance.now();
    const grownMiB = Math.round((peak - start) / mebibyte);
    t.diagnostic(JSON.stringify({ storeSeconds: (storedMs - startedMs) / 1000, fetchSeconds: (fetchedMs - storedMs) / 1000, grownMiB }));
    assert(grownMiB < 300, `it grew by ${grownMiB} MiB`);
  } finally {
    clearInterval(watch);
    await blobs.close();
    await hasher.close();
  }
});
