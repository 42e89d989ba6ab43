/** A load on a server, from a thread beside it. */
import { Worker } from 'node:worker_threads';
import type { LoadResult } from './open-loop.ts';

export interface LoadOrder {
  /** What is posted to, such as `http://127.0.0.1:8080/v2/models/digits/infer`. */
  readonly url: string;
  /** Beside `Content-Type: application/json`, or in its place. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The i-th arrival sends the i-th, and after the last the first again. */
  readonly bodies: readonly string[];
  /** Milliseconds from the start, ascending. */
  readonly arrivalsMs: readonly number[];
  /** In place of arrivals: so many clients who ask again once they were answered, for so long, and so many times together at most. */
  readonly closed?: { readonly concurrency: number; readonly forMs: number; readonly requestsMax: number };
  readonly connections: number;
  /** For how long it is meant to run: it ends a bounded time after. Unless given it waits for every answer. */
  readonly forMs?: number;
  /** Whether an interruption is answered with what there is so far, in place of an error. */
  readonly keepsInterrupted?: boolean;
  /** Whether it ends where the first answers all say that the rows are wrong: all others would say so, too. */
  readonly stopsWhereRefused?: boolean;
  /** Whether the bodies of the answers are to be kept. */
  readonly wantsAnswers: boolean;
}

export interface LoadReport extends Omit<LoadResult, 'failures'> {
  /** How many requests failed, by status or by what befell them, as in `LoadResult`. */
  readonly failures: readonly (readonly [string, number])[];
  /** What the first of each kind was told. */
  readonly excuses: readonly (readonly [string, string])[];
  /** What the first answers said, all of them, where it ended for that. */
  readonly refusal: string | null;
  /** By arrival, where they were wanted and came. */
  readonly answers: readonly (string | undefined)[];
}

/** What the thread tells. */
export type LoadNews =
  | { readonly kind: 'progress'; readonly answered: number; readonly failed: number }
  | { readonly kind: 'over'; readonly report: LoadReport };

type OnProgress = (answered: number, failed: number) => void;

const threadUrl = new URL(import.meta.url.endsWith('.ts') ? './load-thread.ts' : './load-thread.js', import.meta.url);

/** Rejects where the thread itself fails, or where it is interrupted. */
export function runLoad(order: LoadOrder, interrupted: AbortSignal, onProgress: OnProgress = () => {}): Promise<LoadReport> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(threadUrl, { workerData: order });
    const stop = (): void => void (order.keepsInterrupted === true ? thread.postMessage('stop') : thread.terminate());
    interrupted.addEventListener('abort', stop, { once: true });
    thread.on('message', (news: LoadNews) => {
      if (news.kind === 'over') resolve(news.report);
      else onProgress(news.answered, news.failed);
    });
    thread.once('error', reject);
    thread.once('exit', () => {
      interrupted.removeEventListener('abort', stop);
      reject(new Error('the load was interrupted'));
    });
  });
}
