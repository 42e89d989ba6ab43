/** Runs a load in a separate process, so that the generator's CPU time is known and does not affect the caller. */
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
      /** Epoch milliseconds. Default: at once. */
      readonly beginAtMs?: number;
      /** Responses to requests sent earlier than this after the begin are in `failures` only. Default: 0. */
      readonly warmUpMs?: number;
      /** Leaves the processor to the server between arrivals, and sends up to a millisecond late, which counts as latency. */
      readonly isPatient?: boolean;
    };

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly shape: LoadShape;
  /** The latency objective, if any, for `inTime` of the report. */
  readonly limitMs?: number;
  /** Length of the windows by which responses of an open loop are also summarized. */
  readonly windowMs?: number;
}

/** Summary of the requests whose send time lies in one window. */
export interface LoadWindow {
  readonly answers: number;
  readonly p95Ms: number;
}

export interface LoadReport {
  /** Successful responses (2xx) and their rate. */
  readonly answers: number;
  readonly ratePerSecond: number;
  readonly latencyMs: LatencySummary;
  /** The share of all requests, including failed ones, that were answered within `limitMs`; 1 without a limit. */
  readonly inTime: number;
  /** By status, or `broken` if the connection ended. */
  readonly failures: Readonly<Record<string, number>>;
  /** The generator's own CPU time, as a share of one core; null if unknown (wrk). */
  readonly generatorCpu: number | null;
  /** In order. Only with `windowMs`. */
  readonly windows?: readonly LoadWindow[];
}

/** Runs the load to its end. Throws if the generator itself fails. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  // Without options of this process: in one that runs tests, they would make a test runner of it.
  const generator = fork(fileURLToPath(new URL('./generator-main.ts', import.meta.url)), { serialization: 'advanced', execArgv: [] });
  try {
    const ended = once(generator, 'exit').then(([code, signal]) => {
      throw new Error(`the load generator ended with ${String(code ?? signal)} without a report`);
    });
    generator.send(options);
    const [report] = (await Promise.race([once(generator, 'message'), ended])) as [LoadReport];
    ended.catch(() => {});
    return report;
  } finally {
    // Its processor time counts as that of this process once it has ended.
    const exit = generator.exitCode === null && generator.signalCode === null ? once(generator, 'exit') : null;
    generator.kill();
    await exit;
  }
}
