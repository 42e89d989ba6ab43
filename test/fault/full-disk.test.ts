/**
 * Fills the disk under clients of every kind: acknowledged data is retained, writes that cannot be stored are `unavailable`, and freeing
 * space is enough to recover.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { Server, temporaryDirectory } from '../end-to-end/server.ts';
import { randomOf } from './journal.ts';
import { Workload } from './workload.ts';

const sizeMiB = 400;

test('a full disk loses nothing, and the server recovers once there is free space', { timeout: 200_000, skip: whyNoTmpfs() }, async (t) => {
  const [folder, dataDir] = [temporaryDirectory(), temporaryDirectory()];
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=0700`, 'tmpfs', dataDir]);
  let server: Server | undefined;
  t.after(async () => {
    await server?.end();
    execFileSync('umount', ['-l', dataDir]);
    for (const directory of [folder, dataDir]) rmSync(directory, { recursive: true, force: true });
  });
  const running = (server = await Server.start({ dataDir }));
  const workload = await Workload.start({ server: () => running, random: randomOf(3), folder });
  await workload.more(60);
  const filler = join(dataDir, 'filler');
  for (let round = 0; round < 2; round++) {
    const before = { ...workload.unavailable };
    const answered = workload.inferences.answered;
    const filling = setInterval(() => fill(filler, dataDir), 20); // Deletions would free space, so keep filling.
    await until('calls are unavailable', () => workload.unavailable.native > before.native + 5 || workload.faults.length > 0);
    await until('inference continues', () => workload.inferences.answered > answered + 20 || workload.faults.length > 0);
    clearInterval(filling);
    rmSync(filler);
    await workload.more(40);
  }
  await workload.stop();
  assert(!running.hasEnded, running.stderr);
  await workload.assertKept();
  const { acknowledged, unknown } = workload.journal;
  t.diagnostic(JSON.stringify({ acknowledged, unknown, ...workload.inferences, ...workload.unavailable }));
});

function fill(path: string, directory: string): void {
  const block = Buffer.alloc(64 * 1024);
  const file = openSync(path, 'a', 0o600);
  try {
    while (statfsSync(directory).bavail > 0) if (writeSync(file, block) === 0) break;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

function whyNoTmpfs(): string | false {
  if (process.getuid?.() !== 0) return 'mounting a small file system requires root';
  const directory = temporaryDirectory();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'ignore' });
    execFileSync('umount', [directory]);
    return false;
  } catch {
    return 'this machine cannot mount a file system';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
