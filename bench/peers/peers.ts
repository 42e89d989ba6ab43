/** `npm run bench -- peers`: ONNX models in Penstock and in other servers, under several loads. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commit } from '../machine.ts';
import { burstLoad } from './burst/burst.ts';
import { closedLoad } from './closed/closed.ts';
import { imageLoad } from './image/image.ts';
import { memoryLoad } from './memory/memory.ts';
import { oneCoreLoad } from './one-core/one-core.ts';
import { overloadLoad } from './overload/overload.ts';
import type { LoadContext } from './rounds.ts';
import { startLoad } from './start/start.ts';

const loads: Readonly<Record<string, (context: LoadContext) => Promise<void>>> = {
  closed: closedLoad,
  'one-core': oneCoreLoad,
  image: imageLoad,
  overload: overloadLoad,
  burst: burstLoad,
  memory: memoryLoad,
  start: startLoad,
};

export interface PeersBenchOptions {
  readonly rounds: number;
  /** Seconds of each measurement. */
  readonly seconds: number;
  /** Names of `loads`, separated by commas; empty for all. Other results are kept. */
  readonly loads: string;
  /** Names of servers beside Penstock, separated by commas; empty for all. */
  readonly only: string;
  /** Path of a tritonserver with the onnxruntime backend; empty for none. */
  readonly triton: string;
  /** Adds the rounds to those measured before. */
  readonly isAdded: boolean;
  readonly isDry: boolean;
}

export async function peersBench({ seconds, loads: chosen, only, ...options }: PeersBenchOptions): Promise<void> {
  const names = chosen === '' ? Object.keys(loads) : chosen.split(',');
  const unknown = names.find((name) => loads[name] === undefined);
  if (unknown !== undefined) throw new Error(`expected --loads of ${Object.keys(loads).join(', ')}, got '${unknown}'`);
  const scratch = mkdtempSync(join(tmpdir(), 'penstock-bench-peers-'));
  const isWanted = (name: string): boolean => name === 'Penstock' || only === '' || only.split(',').some((part) => name.startsWith(part));
  const context = { ...options, commit: commit(), measureMs: seconds * 1000, scratch, isWanted };
  try {
    for (const name of names) await loads[name]?.(context);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
