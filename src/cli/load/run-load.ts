/** Runs a load in a worker thread. */
import { Worker } from 'node:worker_threads';
import type { LoadResult } from './open-loop.ts';

/** Copied to the thread, so it has no functions. */
export interface LoadThreadRequest {
  /** The URL to POST to, such as `http://127.0.0.1:8080/v2/models/digits/infer`. */
  readonly url: string;
  /** Added to `Content-Type: application/json`, or overriding it. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The i-th arrival sends the i-th body, starting over after the last. */
  readonly bodies: readonly string[];
  /** Milliseconds from the start, ascending. */
  readonly arrivalsMs: readonly number[];
  /** A closed loop instead of arrivals: clients that send again after each response, with limits of time and total requests. */
  readonly closed?: { readonly concurrency: number; readonly forMs: number; readonly requestsMax: number };
  readonly connections: number;
  /** The intended duration; the load ends a bounded time later. If omitted, it waits for every response. */
  readonly forMs?: number;
  /** Resolve to the results so far when interrupted, instead of rejecting. */
  readonly keepsInterrupted?: boolean;
  /** End the load if the first responses all reject the rows: the rest would be rejected, too. */
  readonly stopsWhereRefused?: boolean;
  /** Retain the response bodies. */
  readonly wantsAnswers: boolean;
}

/** The result as it comes back from the thread. */
export interface LoadReport extends Omit<LoadResult, 'failures'> {
  /** Counts of failed requests by status or outcome, as in `LoadResult`. */
  readonly failures: readonly (readonly [string, number])[];
  /** The first response body of each kind of failure. */
  readonly excuses: readonly (readonly [string, string])[];
  /** The rejection that all first responses had, if the load ended because of it. */
  readonly refusal: string | null;
  /** Response bodies by arrival, if they were requested. */
  readonly answers: readonly (string | undefined)[];
}

/** Messages of the thread. */
export type LoadThreadMessage =
  | { readonly kind: 'progress'; readonly answered: number; readonly failed: number }
  | { readonly kind: 'over'; readonly report: LoadReport };

type OnProgress = (answered: number, failed: number) => void;

const threadUrl = new URL(import.meta.url.endsWith('.ts') ? './load-thread.ts' : './load-thread.js', import.meta.url);

/** Rejects if the thread fails or is interrupted. */
export function runLoad(load: LoadThreadRequest, interrupted: AbortSignal, onProgress: OnProgress = () => {}): Promise<LoadReport> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(threadUrl, { workerData: load });
    const stop = (): void => void (load.keepsInterrupted === true ? thread.postMessage('stop') : thread.terminate());
    interrupted.addEventListener('abort', stop, { once: true });
    thread.on('message', (message: LoadThreadMessage) => {
      if (message.kind === 'over') resolve(message.report);
      else onProgress(message.answered, message.failed);
    });
    thread.once('error', reject);
    thread.once('exit', () => {
      interrupted.removeEventListener('abort', stop);
      reject(new Error('the load was interrupted'));
    });
  });
}
