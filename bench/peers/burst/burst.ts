/** Five times the load for four seconds: of a small model at a fixed rate, and of the wide MLP up to 0.9 of the peak of Penstock. */
import { runLoad } from '../../load/load.ts';
import { closedLoop, measuredLoop } from '../../load/measured-loop.ts';
import { watchOthers } from '../other-load.ts';
import { type LoadContext, measureRounds } from '../rounds.ts';
import {
  type Available,
  availableServers,
  fastapiTensor,
  mosecTensor,
  PenstockTensor,
  smallModel,
  type TensorServer,
  tritonTensor,
  wideMlp,
} from '../tensor-servers.ts';
import { wideServers } from '../wide-servers.ts';
import { type BurstCell, type BurstModel, burst, burstTable } from './report.ts';

/** Of the burst, so that a self-written server in Python can answer it. */
const smallPerSecond = 4000;
/** Of the peak of Penstock with 64 clients. */
const wideOfPeak = 0.9;
const quietMs = 3000;
const warmUpMs = 2000;
const seed = 43;
const connections = 1024;

export async function burstLoad(context: LoadContext): Promise<void> {
  const available = await availableServers(context);
  const penstock = { small: new PenstockTensor(smallModel), wide: new PenstockTensor(wideMlp) };
  const small = [penstock.small, ...smallServers(context, available)];
  const wide = [penstock.wide, ...wideServers(context, available).flat()];
  try {
    const peakPerSecond = await peakOf(penstock.wide, context.measureMs);
    const measured = (model: BurstModel, server: TensorServer, ratePerSecond: number) => ({
      name: `${server.name}, ${model}`,
      measure: () => measureBurst(model, server, ratePerSecond),
    });
    await measureRounds<BurstCell>(context, {
      scenario: 'peers-burst',
      generator: 'the own open loop',
      missing: available.missing,
      servers: [
        ...small.map((server) => measured('digits-mlp', server, smallPerSecond)),
        ...wide.map((server) => measured('wide-mlp', server, wideOfPeak * peakPerSecond)),
      ],
      table: burstTable,
    });
  } finally {
    for (const server of [...small, ...wide]) await server.close();
  }
}

function smallServers({ scratch, triton }: LoadContext, available: Available): TensorServer[] {
  return [
    ...(available.triton ? [tritonTensor(smallModel, 1, scratch, triton)] : []),
    ...(available.fastapi ? [fastapiTensor(smallModel, 1, 'FastAPI'), fastapiTensor(smallModel, 2, 'FastAPI, 2 processes')] : []),
    ...(available.mosec ? [mosecTensor(smallModel, 1, { batchMax: 32, waitMs: 1, args: [] }, scratch)] : []),
  ];
}

async function peakOf(server: TensorServer, measureMs: number): Promise<number> {
  const running = await server.start();
  try {
    const target = { url: running.url, pid: running.pid, requests: [server.request(running.url)] };
    await measuredLoop(target, 64, warmUpMs);
    return (await measuredLoop(target, 64, measureMs)).ratePerSecond;
  } finally {
    await running.stop();
  }
}

async function measureBurst(model: BurstModel, server: TensorServer, burstPerSecond: number): Promise<BurstCell[]> {
  const running = await server.start();
  try {
    const { url, pid } = running;
    const requests = [server.request(url)];
    await closedLoop({ url, requests }, 64, warmUpMs);
    const quietPerSecond = burstPerSecond / burst.times;
    const phases = [
      { ratePerSecond: quietPerSecond, forMs: quietMs },
      { ratePerSecond: burstPerSecond, forMs: burst.forMs },
    ];
    const others = watchOthers(pid);
    const { inTime, latencyMs, generatorCpu } = await runLoad({
      host: url.hostname,
      port: Number(url.port),
      requests,
      shape: { kind: 'open', phases, seed, connections, warmUpMs: quietMs, isPatient: true },
      limitMs: burst.limitMs,
    });
    const { p95: p95Ms, p99: p99Ms } = latencyMs;
    const rates = { model, quietPerSecond, burstPerSecond };
    return [{ server: server.name, ...rates, inTime, p95Ms, p99Ms, generatorCpu: generatorCpu ?? Number.NaN, otherCores: others() }];
  } finally {
    await running.stop();
  }
}
