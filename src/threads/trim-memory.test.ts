import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemClock } from '../clock.ts';
import { ThreadPool } from './thread-pool.ts';
import { trimMemoryTask } from './trim-memory.ts';

const report = process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } };
const skip = report.header.glibcVersionRuntime === undefined ? 'requires glibc' : false;

test('memory that is free between other memory returns to the system', { skip }, async () => {
  const pool = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
  try {
    const pieces = Array.from({ length: 100_000 }, () => Buffer.allocUnsafeSlow(1000));
    const retained = pieces.filter((_, index) => index % 100 === 0);
    pieces.length = 0;
    // Garbage collection frees the others, whenever it happens.
    let isReturned = false;
    for (let garbage: Buffer[] = []; !isReturned; garbage = Array.from({ length: 20_000 }, () => Buffer.allocUnsafeSlow(1000))) {
      isReturned = await pool.run(trimMemoryTask, undefined, { bytes: 0, lane: 'background' });
      garbage.length = 0;
    }
    assert.equal(retained.length, 1000);
  } finally {
    await pool.close();
  }
});
