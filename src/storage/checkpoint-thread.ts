/** The main of the thread that copies SQLite's log: it waits for the disk, and nobody for it. It has a connection of its own to each file. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import type { CheckpointAnswer, CheckpointOrder } from './checkpointer.ts';

assert(parentPort !== null, 'this file is the main of a thread');
const port = parentPort;
const connections = new Map<string, DatabaseSync>();

/** Those who write wait meanwhile, so nobody who reads is waited for longer. */
const readersWaitMsMax = 20;

port.on('message', (order: CheckpointOrder) => port.postMessage(answerTo(order)));

function answerTo({ file, mode }: CheckpointOrder): CheckpointAnswer {
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
  // A file that has gone away must not be made anew.
  const connection = new DatabaseSync(new URL('?mode=rw', pathToFileURL(file)), { timeout: readersWaitMsMax });
  connections.set(file, connection);
  return connection;
}

function letGo(file: string): boolean {
  connections.get(file)?.close();
  return connections.delete(file);
}
