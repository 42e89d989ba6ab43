/** Twice of what a server can answer, as an open loop: which share is answered in time, and how much of the peak that is. */

import type { Phase } from '../../../src/cli/load/open-loop.ts';
import { type LoadReport, runLoad } from '../../load/load.ts';
import { closedLoop, measuredLoop } from '../../load/measured-loop.ts';
import type { RunningSubject } from '../../python/subjects.ts';
import { watchOthers } from '../other-load.ts';
import { closedLoopGenerator, type LoadContext, measureRounds } from '../rounds.ts';
import { availableServers, PenstockTensor, type TensorServer, wideMlp } from '../tensor-servers.ts';
import { wideServers } from '../wide-servers.ts';
import { limitMs, type OverloadCell, overloadTable } from './report.ts';

const overload = 2;
const concurrency = 64;
const warmUpMs = 2000;
/** Between the last connection and the load: clients of a server that is overloaded have been connected before. */
const connected: Phase = { ratePerSecond: 0, forMs: 2000 };
const seed = 41;
/**
 * More than any of the servers holds, so that no request waits in the generator: Penstock holds up to 10,000, and before a request is given up,
 * a minute's worth of the time that late ones get.
 */
const connections = 12_000;

export async function overloadLoad(context: LoadContext): Promise<void> {
  const available = await availableServers(context);
  const penstock = new PenstockTensor(wideMlp);
  const others = wideServers(context, available);
  const loadMs = 2 * context.measureMs;
  try {
    await measureRounds<OverloadCell>(context, {
      scenario: 'peers-overload',
      generator: `${closedLoopGenerator()} (peak) and the own open loop`,
      missing: available.missing,
      servers: [
        { name: penstock.name, measure: () => measurePenstock(penstock, context.measureMs, loadMs) },
        ...others.map((servers) => ({
          name: servers[0]?.name ?? '',
          measure: () => measureOthers(servers, context.measureMs, loadMs),
        })),
      ],
      table: overloadTable,
    });
  } finally {
    for (const server of [penstock, ...others.flat()]) await server.close();
  }
}

/** By default, and then the same process with `late: shed`. */
async function measurePenstock(server: PenstockTensor, measureMs: number, loadMs: number): Promise<OverloadCell[]> {
  await using running = await ending(server);
  await server.change('--late', 'serve');
  const peak = await peakOf(server, running, measureMs);
  const serving = await overloaded(server, running, peak, loadMs);
  await server.change('--late', 'shed');
  const shedding = await overloaded(server, running, peak, loadMs);
  return [
    { server: server.name, ...peak, ...serving },
    { server: `${server.name}, \`late: shed\``, ...peak, ...shedding },
  ];
}

async function measureOthers(servers: readonly TensorServer[], measureMs: number, loadMs: number): Promise<OverloadCell[]> {
  const cells: OverloadCell[] = [];
  let peak: Peak | null = null;
  for (const server of servers) {
    await using running = await ending(server);
    peak ??= await peakOf(server, running, measureMs);
    cells.push({ server: server.name, ...peak, ...(await overloaded(server, running, peak, loadMs)) });
  }
  return cells;
}

async function ending(server: TensorServer): Promise<RunningSubject & AsyncDisposable> {
  const running = await server.start();
  return { ...running, [Symbol.asyncDispose]: () => running.stop() };
}

type Peak = Pick<OverloadCell, 'peakPerSecond' | 'peakP99Ms' | 'cpuUsPerRequest'>;

async function peakOf(server: TensorServer, { url, pid }: RunningSubject, measureMs: number): Promise<Peak> {
  const target = { url, pid, requests: [server.request(url)] };
  await closedLoop(target, concurrency, warmUpMs);
  const { ratePerSecond, p99Ms, cpuUsPerRequest } = await measuredLoop(target, concurrency, measureMs);
  return { peakPerSecond: ratePerSecond, peakP99Ms: p99Ms, cpuUsPerRequest };
}

async function overloaded(
  server: TensorServer,
  { url, pid }: RunningSubject,
  { peakPerSecond }: Peak,
  loadMs: number,
): Promise<Omit<OverloadCell, 'server' | keyof Peak>> {
  const offeredPerSecond = overload * peakPerSecond;
  const others = watchOthers(pid);
  const report: LoadReport = await runLoad({
    host: url.hostname,
    port: Number(url.port),
    requests: [server.request(url)],
    shape: { kind: 'open', phases: [connected, { ratePerSecond: offeredPerSecond, forMs: loadMs }], seed, connections, isPatient: true },
    limitMs,
  });
  const failed = Object.values(report.failures).reduce((sum, count) => sum + count, 0);
  const { p95, max } = report.latencyMs;
  return {
    offeredPerSecond,
    inTime: report.inTime,
    answered: report.answers / (report.answers + failed),
    p95Ms: p95,
    maxMs: max,
    generatorCpu: report.generatorCpu ?? Number.NaN,
    otherCores: others(),
  };
}
