/** A load on a server, run in a process of its own, so that what it costs is known and is nobody else's. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Phase } from '../../src/cli/load/open-loop.ts';
import type { LatencySummary } from './latencies.ts';

export type LoadShape =
  | { readonly kind: 'closed'; readonly concurrency: number; readonly warmUpMs: number; readonly measureMs: number }
  /** Poisson arrivals over the phases, the same for the same seed. */
  | {
      readonly kind: 'open';
      readonly phases: readonly Phase[];
      readonly seed: number;
      readonly connections: number;
      /** Epoch milliseconds; at once unless given. */
      readonly beginAtMs?: number;
    };

export interface LoadOrder {
  readonly host: string;
  readonly port: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly shape: LoadShape;
  /** The latency promised, if any: the report says how many kept it. */
  readonly limitMs?: number;
  /** An open loop's answers are also summed up by windows of so long. */
  readonly windowMs?: number;
}

/** Of the requests that were to be sent within one window. */
export interface LoadWindow {
  readonly answers: number;
  readonly p95Ms: number;
}

export interface LoadReport {
  /** Answers that tell of success (2xx), and their rate. */
  readonly answers: number;
  readonly ratePerSecond: number;
  readonly latencyMs: LatencySummary;
  /** The share of all requests, failed ones included, answered within `limitMs`; 1 without one. */
  readonly inTime: number;
  /** By status, or `broken` where the connection ended. */
  readonly failures: Readonly<Record<string, number>>;
  /** The generator's own CPU time, as a share of one core; null where it does not tell (wrk). */
  readonly generatorCpu: number | null;
  /** In order; none unless asked for. */
  readonly windows?: readonly LoadWindow[];
}

/** Runs the load to its end. Throws where the generator itself breaks. */
export async function runLoad(order: LoadOrder): Promise<LoadReport> {
  const generator = fork(fileURLToPath(new URL('./generator-main.ts', import.meta.url)), { serialization: 'advanced' });
  try {
    const ended = once(generator, 'exit').then(([code, signal]) => {
      throw new Error(`the load generator ended with ${String(code ?? signal)} and no report`);
    });
    generator.send(order);
    const [report] = (await Promise.race([once(generator, 'message'), ended])) as [LoadReport];
    ended.catch(() => {});
    return report;
  } finally {
    generator.kill();
  }
}
