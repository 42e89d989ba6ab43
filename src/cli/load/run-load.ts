/** A load on a server, from a thread beside it. */
import { Worker } from 'node:worker_threads';

export interface LoadOrder {
  /** What is posted to, such as `http://127.0.0.1:8080/v2/models/digits/infer`. */
  readonly url: string;
  /** JSON bodies; the i-th arrival sends the i-th, and after the last the first again. */
  readonly bodies: readonly string[];
  /** Milliseconds from the start, ascending. */
  readonly arrivalsMs: readonly number[];
  readonly connections: number;
  /** Whether the bodies of the answers are to be kept. */
  readonly wantsAnswers: boolean;
}

export interface LoadReport {
  /** From the time a request was to be sent until its answer. */
  readonly latenciesMs: readonly number[];
  /** How many requests failed, by status, or `broken`. */
  readonly failures: readonly (readonly [string, number])[];
  readonly elapsedMs: number;
  /** By arrival, where they were wanted and came. */
  readonly answers: readonly (string | undefined)[];
}

const threadUrl = new URL(import.meta.url.endsWith('.ts') ? './load-thread.ts' : './load-thread.js', import.meta.url);

/** Rejects where the thread itself fails, or where it is interrupted. */
export function runLoad(order: LoadOrder, interrupted: AbortSignal): Promise<LoadReport> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(threadUrl, { workerData: order });
    const stop = (): void => void thread.terminate();
    interrupted.addEventListener('abort', stop, { once: true });
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => {
      interrupted.removeEventListener('abort', stop);
      reject(new Error('the load was interrupted'));
    });
  });
}
