/** Closed loops through each server, in interleaved rounds. */
import { closedLoop, measuredLoop } from '../../load/measured-loop.ts';
import { watchOthers } from '../other-load.ts';
import { closedLoopGenerator, type LoadContext, measureRounds } from '../rounds.ts';
import { encodings, type OnnxSubject, onnxSubjects } from '../subjects.ts';
import { closedTable, concurrencies, type PeerCell } from './report.ts';

/** One client sends 25,000 requests meanwhile on a quiet machine; V8 compiles for so long (ADR 16). */
const aloneWarmUpMs = 5000;
const warmUpMs = 2500;
const firstWarmUpMs = 3000;

export async function closedLoad(context: LoadContext): Promise<void> {
  const { subjects, missing } = await onnxSubjects(context.scratch, context.triton, context.isWanted);
  try {
    await measureRounds<PeerCell>(context, {
      scenario: 'peers',
      generator: closedLoopGenerator(),
      missing,
      servers: subjects.map((subject) => ({ name: subject.name, measure: () => measureSubject(subject, context.measureMs) })),
      table: closedTable,
    });
  } finally {
    for (const subject of subjects) await subject.close();
  }
}

async function measureSubject(subject: OnnxSubject, measureMs: number): Promise<PeerCell[]> {
  const running = await subject.start();
  try {
    const cells: PeerCell[] = [];
    for (const encoding of encodings) {
      const requests = subject.requests(running.url, encoding);
      if (requests === null) continue;
      const target = { url: running.url, pid: running.pid, requests };
      await closedLoop(target, 64, firstWarmUpMs);
      for (const concurrency of concurrencies) {
        await closedLoop(target, concurrency, concurrency === 1 ? aloneWarmUpMs : warmUpMs);
        const others = watchOthers(running.pid);
        const { ratePerSecond, p50Ms, p99Ms, cpuUsPerRequest } = await measuredLoop(target, concurrency, measureMs);
        const otherCores = others();
        const latency = { p50Us: p50Ms * 1000, p99Us: p99Ms * 1000 };
        const cell = { server: subject.name, encoding, concurrency, ratePerSecond, ...latency, cpuUsPerRequest };
        cells.push({ ...cell, otherCores });
      }
    }
    return cells;
  } finally {
    await running.stop();
  }
}
