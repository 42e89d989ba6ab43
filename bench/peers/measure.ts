/** Closed loops through each server, in interleaved rounds. */
import { closedLoop, measuredLoop } from '../load/measured-loop.ts';
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
      const target = { url: running.url, pid: running.pid, requests };
      await closedLoop(target, 64, firstWarmUpMs);
      for (const concurrency of concurrencies) {
        await closedLoop(target, concurrency, warmUpMs);
        const others = watchOthers(running.pid);
        const { ratePerSecond, p50Ms, p99Ms, cpuUsPerRequest } = await measuredLoop(target, concurrency, measureMs);
        const otherCores = others();
        const latency = { p50Us: p50Ms * 1000, p99Us: p99Ms * 1000 };
        const cell = { server: subject.name, encoding, concurrency, ratePerSecond, ...latency, cpuUsPerRequest };
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
