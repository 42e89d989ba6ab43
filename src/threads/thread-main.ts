/** The entry point of a thread: runs one task after another. */
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { asPlatformError } from '../errors.ts';
import type { ThreadReply, ThreadRequest } from './messages.ts';
import { buffersOf, type ThreadTask } from './thread-task.ts';

assert(parentPort !== null, 'this file is the entry point of a thread');
const port = parentPort;

/**
 * Linux schedules threads individually. With this value, this thread gets a third of a contended core. A smaller share would starve large
 * bodies on a busy machine.
 */
const niceness = 3;
try {
  setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), niceness);
} catch {
  // Not Linux, or not permitted: the thread keeps its priority.
}

port.on('message', (request: ThreadRequest) => void serve(request));

async function serve({ module, name, input }: ThreadRequest): Promise<void> {
  try {
    const exported = (await import(module)) as Readonly<Record<string, ThreadTask<unknown, unknown>>>;
    const task = exported[name];
    assert(task !== undefined, `${module} does not export the task ${name}`);
    const output = await task.run(input);
    port.postMessage({ ok: true, output } satisfies ThreadReply, buffersOf(task.moved(output)));
  } catch (thrown) {
    const { code, message, hint, stack } = asPlatformError(thrown);
    port.postMessage({ ok: false, error: { code, message, hint, stack } } satisfies ThreadReply);
  }
}
