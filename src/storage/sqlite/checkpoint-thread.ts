/**
 * Entry point of the checkpoint thread. It copies SQLite's log and may block on the disk without delaying requests. It has its own
 * connection to each file.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import type { CheckpointRequest, CheckpointResult } from './checkpointer.ts';

assert(parentPort !== null, 'this file must run as a worker thread');
const port = parentPort;
const connections = new Map<string, DatabaseSync>();

/** Writers wait during a RESTART checkpoint, so the wait for readers is short. */
const readersWaitMsMax = 20;

port.on('message', (request: CheckpointRequest) => port.postMessage(answerTo(request)));

function answerTo({ file, mode }: CheckpointRequest): CheckpointResult {
  try {
    if (mode === 'close') return { isWhole: letGo(file) };
    const row = connectionTo(file).prepare(`pragma wal_checkpoint(${mode})`).get();
    return { isWhole: row?.['busy'] === 0 && row['log'] === row['checkpointed'] };
  } catch (error) {
    const { code, errcode } = error as { code?: string; errcode?: number };
    return { error: messageOf(error), code, errcode };
  }
}

function connectionTo(file: string): DatabaseSync {
  const known = connections.get(file);
  if (known !== undefined) return known;
  // Opens existing files only: a deleted database must not be created again.
  const connection = new DatabaseSync(new URL('?mode=rw', pathToFileURL(file)), { timeout: readersWaitMsMax });
  connections.set(file, connection);
  return connection;
}

function letGo(file: string): boolean {
  connections.get(file)?.close();
  return connections.delete(file);
}
