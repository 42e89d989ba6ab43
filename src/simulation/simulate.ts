/** Simulations side by side: each in a thread of its own, as many at once as there are processors. */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, PlatformError } from '../errors.ts';
import type { SimulationResult } from './result.ts';
import type { SimulationOrder } from './simulation-order.ts';

/** What a thread answers. */
export type ThreadAnswer =
  | { readonly result: SimulationResult }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

export interface SideBySide {
  readonly threads: number;
  readonly interrupted: AbortSignal;
  /** Told of each that is done. */
  readonly onDone?: (result: SimulationResult, index: number) => void;
}

const threadUrl = new URL(import.meta.url.endsWith('.ts') ? './simulate-thread.ts' : './simulate-thread.js', import.meta.url);

/** The results in the order of the orders. Rejects with the first error; the others are ended then. */
export async function simulateAll(
  orders: readonly SimulationOrder[],
  { threads, interrupted, onDone }: SideBySide,
): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  const failed = new AbortController();
  const ended = AbortSignal.any([interrupted, failed.signal]);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < orders.length; i = next++) {
      const result = await simulate(orders[i] as SimulationOrder, ended);
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

function simulate(order: SimulationOrder, ended: AbortSignal): Promise<SimulationResult> {
  return new Promise((resolve, reject) => {
    ended.throwIfAborted();
    const thread = new Worker(threadUrl, { workerData: order, name: 'simulate' });
    const stop = (): void => void thread.terminate();
    ended.addEventListener('abort', stop, { once: true });
    thread.once('message', (answer: ThreadAnswer) => {
      if ('result' in answer) resolve(answer.result);
      else reject(new PlatformError(answer.error.code, answer.error.message));
    });
    thread.once('error', reject);
    thread.once('exit', () => {
      ended.removeEventListener('abort', stop);
      reject(new PlatformError('unavailable', `the simulation of ${order.policy} was interrupted`));
    });
  });
}
