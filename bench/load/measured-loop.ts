/** One closed loop against a running server: its rate and latencies, and the time of the processor that the server takes for a response. */
import { cpuMsOf } from '../servers/process-tree.ts';
import { type LoadReport, runLoad } from './load.ts';
import { hasWrk, runWrk } from './wrk.ts';

export interface LoopTarget {
  readonly url: URL;
  /** Of the server; the time of its children counts. */
  readonly pid: number;
  readonly requests: readonly Uint8Array[];
  /** The only core that wrk may use. Default: all. */
  readonly core?: number;
}

export interface MeasuredLoop {
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of all processes of the server per response. */
  readonly cpuUsPerRequest: number;
}

export async function measuredLoop(target: LoopTarget, concurrency: number, measureMs: number): Promise<MeasuredLoop> {
  const cpuBeforeMs = cpuMsOf(target.pid);
  const { ratePerSecond, latencyMs, answers, failures } = await closedLoop(target, concurrency, measureMs);
  const cpuMs = cpuMsOf(target.pid) - cpuBeforeMs;
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  // A server may reject some requests under load; one that rejects many is not comparable.
  if (failed > answers / 100) throw new Error(`${failed} of ${answers + failed} requests failed`);
  return { ratePerSecond, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, cpuUsPerRequest: (cpuMs * 1000) / answers };
}

/** With wrk where it is installed, because it takes less of the processor. Also for warming up. */
export function closedLoop({ url, requests, core }: Omit<LoopTarget, 'pid'>, concurrency: number, measureMs: number): Promise<LoadReport> {
  const target = { host: url.hostname, port: Number(url.port), requests };
  if (hasWrk()) return runWrk({ ...target, concurrency, measureMs, core });
  return runLoad({ ...target, shape: { kind: 'closed', concurrency, warmUpMs: 0, measureMs } });
}
