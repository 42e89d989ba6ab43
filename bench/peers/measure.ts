/** Closed loops through each server, in interleaved rounds. */
import { type LoadReport, runLoad } from '../load/load.ts';
import { hasWrk, runWrk } from '../load/wrk.ts';
import { cpuMsOf } from '../servers/process-tree.ts';
import { watchOthers } from './other-load.ts';
import { type Encoding, encodings, type OnnxSubject } from './subjects.ts';

export const concurrencies = [1, 8, 64] as const;
const warmUpMs = 500;
const firstWarmUpMs = 3000;

/** One measurement of one server. */
export interface PeerCell {
  readonly server: string;
  readonly encoding: Encoding;
  readonly concurrency: number;
  readonly ratePerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of all processes of the server per response. */
  readonly cpuUsPerRequest: number;
  /** Cores that other programs kept busy. */
  readonly otherCores: number;
}

/** Starts one server, measures all its cells, and ends it before the next one, so that idle servers take no time. */
export async function measureSubject(subject: OnnxSubject, measureMs: number): Promise<PeerCell[]> {
  const running = await subject.start();
  try {
    const cells: PeerCell[] = [];
    for (const encoding of encodings) {
      const requests = subject.requests(running.url, encoding);
      if (requests === null) continue;
      const target = { host: running.url.hostname, port: Number(running.url.port), requests };
      await closedLoop(target, 64, firstWarmUpMs);
      for (const concurrency of concurrencies) {
        await closedLoop(target, concurrency, warmUpMs);
        const others = watchOthers(running.pid);
        const cpuBeforeMs = cpuMsOf(running.pid);
        const { answers, ratePerSecond, latencyMs, failures } = await closedLoop(target, concurrency, measureMs);
        const cpuMs = cpuMsOf(running.pid) - cpuBeforeMs;
        const otherCores = others();
        const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
        // A server may reject some requests under load; one that rejects many is not comparable.
        if (failed > answers / 100) throw new Error(`${failed} of ${answers + failed} requests failed`);
        const latency = { p50Us: latencyMs.p50 * 1000, p99Us: latencyMs.p99 * 1000 };
        const cell = { server: subject.name, encoding, concurrency, ratePerSecond, ...latency, cpuUsPerRequest: (cpuMs * 1000) / answers };
        console.error(
          `${subject.name}, ${encoding}, c = ${concurrency}: ${ratePerSecond.toFixed(0)}/s, others ${otherCores.toFixed(2)} cores`,
        );
        cells.push({ ...cell, otherCores });
      }
    }
    return cells;
  } finally {
    await running.stop();
  }
}

function closedLoop(
  target: { readonly host: string; readonly port: number; readonly requests: readonly Uint8Array[] },
  concurrency: number,
  measureMs: number,
): Promise<LoadReport> {
  if (hasWrk()) return runWrk({ ...target, concurrency, measureMs });
  return runLoad({ ...target, shape: { kind: 'closed', concurrency, warmUpMs: 0, measureMs } });
}
