/** Entry point of the hashing thread, which keeps the hashing of large models off the thread that serves requests. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { parentPort } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { HashAnswer, HashOrder } from './file-hasher.ts';

assert(parentPort !== null, 'this file must run as a worker thread');
const port = parentPort;
const clock = new SystemClock();
const chunkBytes = 1024 * 1024;

port.on('message', (order: HashOrder) => {
  hash(order).then(
    (sha256) => answer({ id: order.id, sha256 }),
    (error: unknown) => answer({ id: order.id, error: messageOf(error), code: (error as { code?: string }).code }),
  );
});

function answer(message: HashAnswer): void {
  port.postMessage(message);
}

async function hash({ path, bytesPerSecond }: HashOrder): Promise<string> {
  const file = await open(path, 'r');
  try {
    const sum = createHash('sha256');
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const startMs = clock.nowMs();
    for (let bytes = 0; ; ) {
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, null);
      if (bytesRead === 0) return sum.digest('hex');
      sum.update(chunk.subarray(0, bytesRead));
      bytes += bytesRead;
      if (bytesPerSecond === null) continue;
      const aheadMs = (1000 * bytes) / bytesPerSecond - (clock.nowMs() - startMs);
      if (aheadMs > 1) await new Promise<void>((resolve) => clock.after(aheadMs, resolve));
    }
  } finally {
    await file.close();
  }
}
