/** Runs simulations in parallel: one thread each, as many at once as there are CPUs. */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, PlatformError } from '../errors.ts';
import type { SimulationResult } from './report/result.ts';
import type { SimulationSpec } from './simulation-spec.ts';

/** Message from a simulation thread. */
export type SimulationResponse =
  | { readonly result: SimulationResult }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

/** How several simulations run at once. */
export interface SimulationBatchOptions {
  readonly threads: number;
  readonly interrupted: AbortSignal;
  /** Called when a simulation completes, with its index in the specs. */
  readonly onDone?: (result: SimulationResult, index: number) => void;
}

const threadUrl = new URL(import.meta.url.endsWith('.ts') ? './simulate-thread.ts' : './simulate-thread.js', import.meta.url);

/** Returns the results in the order of the specs. Rejects with the first error and terminates the other simulations. */
export async function simulateAll(
  orders: readonly SimulationSpec[],
  { threads, interrupted, onDone }: SimulationBatchOptions,
): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  const failed = new AbortController();
  const ended = AbortSignal.any([interrupted, failed.signal]);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < orders.length; i = next++) {
      const result = await simulate(orders[i] as SimulationSpec, ended);
      results[i] = result;
      onDone?.(result, i);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(Math.max(1, threads), orders.length) }, work));
  } finally {
    failed.abort();
  }
  return results;
}

function simulate(spec: SimulationSpec, ended: AbortSignal): Promise<SimulationResult> {
  return new Promise((resolve, reject) => {
    ended.throwIfAborted();
    const thread = new Worker(threadUrl, { workerData: spec, name: 'simulate' });
    const stop = (): void => void thread.terminate();
    ended.addEventListener('abort', stop, { once: true });
    thread.once('message', (answer: SimulationResponse) => {
      if ('result' in answer) resolve(answer.result);
      else reject(new PlatformError(answer.error.code, answer.error.message));
    });
    thread.once('error', reject);
    thread.once('exit', () => {
      ended.removeEventListener('abort', stop);
      reject(new PlatformError('unavailable', `the simulation of ${spec.policy} was interrupted`));
    });
  });
}
