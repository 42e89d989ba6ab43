import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../clock.ts';
import { DiskWatch, endedWorkers, type WatchedWorker } from './disk-watch.ts';
import type { FileUse } from './file-use.ts';

const mebibyte = 1024 ** 2;
const setting = 'isolation.diskMiB in config.json limits what a worker writes';
const limits = { worker: { bytes: 1000 * mebibyte, files: 1000 }, freeBytesMin: 1024 * mebibyte, setting };
const nothing: FileUse = { bytes: 0, files: 0 };

function worker(id: string, ended: string[] = [], archive = nothing): WatchedWorker {
  const written = { folders: [id], sharedMemoryOf: null, processes: () => [] };
  return { id, written, archive, end: (reason) => ended.push(`${id}: ${reason}`) };
}

/** A disk whose free space and files a test sets, and a watch that reads it every half second. */
class Disk {
  free = { bytes: 100_000 * mebibyte, files: 1e6 };
  use = nothing;
  reads = 0;
  readonly clock = new VirtualClock();
  readonly ended: string[] = [];
  readonly watch = new DiskWatch({
    clock: this.clock,
    limits,
    free: () => this.free,
    measure: async () => {
      this.reads++;
      return this.use;
    },
  });

  async after(ms: number): Promise<void> {
    for (let i = 0; i < ms; i += 500) {
      this.clock.advance(500);
      await this.watch.check([worker('w', this.ended)]);
    }
  }
}

describe('the disk watch', () => {
  test('reads nothing while the disk does not change, except every half minute', async () => {
    const disk = new Disk();
    await disk.after(29_500);
    assert.equal(disk.reads, 1);
    await disk.after(60_000);
    assert.equal(disk.reads, 3);
  });

  test('reads the folders as soon as the disk has less space or fewer free files', async () => {
    const disk = new Disk();
    await disk.after(500);
    disk.free = { ...disk.free, bytes: disk.free.bytes - 300 * mebibyte };
    await disk.after(500);
    assert.equal(disk.reads, 2);
    disk.free = { ...disk.free, files: disk.free.files - 20_000 };
    await disk.after(500);
    assert.equal(disk.reads, 3);
  });

  test('ends a worker beyond its limit, and says what to do', async () => {
    const disk = new Disk();
    disk.use = { bytes: 1001 * mebibyte, files: 1 };
    await disk.after(500);
    assert.match(disk.ended[0] ?? '', /its files took more than 1000 MiB of the disk: isolation.diskMiB in config.json .* raise the limit/);
  });
});

test('the archive of a worker does not count', () => {
  const archive = { bytes: 5000 * mebibyte, files: 10 };
  const max = { bytes: 6000 * mebibyte, files: 1010 };
  assert.deepEqual(endedWorkers([{ worker: worker('w', [], archive), use: max, max }], limits, Number.MAX_VALUE), []);
});

test('if the disk is short, the worker with the most files of its own is ended; one with hardly any never is', () => {
  const size = fc.integer({ min: 0, max: 1000 });
  fc.assert(
    fc.property(fc.array(size, { maxLength: 6 }), fc.integer({ min: 0, max: 2048 }), (sizes, freeMiB) => {
      const uses = sizes.map((each, index) => ({
        worker: worker(String(index)),
        use: { bytes: each * mebibyte, files: 1 },
        max: limits.worker,
      }));
      const ended = endedWorkers(uses, limits, freeMiB * mebibyte).map((each) => sizes[Number(each.worker.id)]);
      const largest = Math.max(0, ...sizes);
      assert.deepEqual(ended, freeMiB < 1024 && largest >= 64 ? [largest] : []);
    }),
  );
});
