import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { FileObjectStore } from './file-object-store.ts';
import { type DamagedObject, Scrub } from './scrub.ts';
import type { VerifiedFiles } from './verified-files.ts';

const dayMs = 86_400_000;
let directory = '';
let count = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-scrub-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

async function storesWith(texts: readonly string[]) {
  const root = join(directory, String(count++));
  const stores = { objects: new FileObjectStore(join(root, 'objects')), buckets: new FileObjectStore(join(root, 'buckets')) };
  for (const text of texts) {
    await stores.objects.put(Buffer.from(text));
    await stores.buckets.put(Buffer.from(text));
  }
  return { stores, progressFile: join(root, 'scrub.json') };
}

/** A scrub that records its reads. `rotten` overrides the SHA-256 of files. */
function scrubOf(
  around: Awaited<ReturnType<typeof storesWith>>,
  clock: VirtualClock,
  rotten: (path: string) => string | null = () => null,
) {
  const read: string[] = [];
  const damaged: DamagedObject[] = [];
  const failures: unknown[] = [];
  const files = {
    recheck: async (path: string) => {
      read.push(path);
      return rotten(path);
    },
  } as unknown as VerifiedFiles;
  const onDamaged = async (found: DamagedObject) => void damaged.push(found);
  const scrub = new Scrub({ ...around, clock, files, onDamaged, onFailure: (error) => failures.push(error) });
  return { scrub, read, damaged, failures };
}

const texts = Array.from({ length: 100 }, (_, i) => `text ${i}`);

test('reads everything within 7 days, evenly, even if the server restarts in between', async () => {
  const around = await storesWith(texts);
  const clock = new VirtualClock(100 * dayMs);
  const first = scrubOf(around, clock);
  const readByDay: number[] = [];
  for (let day = 0; day < 3; day++) {
    clock.advance(dayMs);
    await first.scrub.run();
    readByDay.push(first.read.length);
  }
  await first.scrub.close();
  assert(first.read.length > 60 && first.read.length < 140, `${readByDay.join(' ')} of 200 in 3 of 6 days`);
  const second = scrubOf(around, clock);
  for (let day = 3; day < 7; day++) {
    clock.advance(dayMs);
    await second.scrub.run();
  }
  assert.equal(new Set([...first.read, ...second.read]).size, 200);
  assert.equal(second.scrub.counts.objects, second.read.length);
  await second.scrub.close();
});

test('reports a damaged object with its store, and an unreadable one does not stop it', async () => {
  const around = await storesWith(texts.slice(0, 4));
  const clock = new VirtualClock(100 * dayMs);
  const names: string[] = [];
  for await (const sha256 of around.stores.buckets.list()) names.push(sha256);
  const [bad = '', unreadable = ''] = names;
  const { scrub, read, damaged, failures } = scrubOf(around, clock, (path) => {
    if (path.endsWith(unreadable)) throw new Error('EIO');
    return path === around.stores.buckets.localPath(bad) ? 'other' : null;
  });
  clock.advance(7 * dayMs);
  await scrub.run();
  assert.deepEqual(damaged, [{ store: 'buckets', sha256: bad, actual: 'other' }]);
  assert.deepEqual([read.length, failures.length, scrub.counts.damaged], [8, 2, 1]);
  await scrub.close();
});
