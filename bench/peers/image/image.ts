/** Images of 600 kB through a compute-bound model with one and two instances, against onnxruntime alone in as many processes. */
import { closedLoop, measuredLoop } from '../../load/measured-loop.ts';
import { runBare } from '../../servers/bare-onnxruntime.ts';
import { watchOthers } from '../other-load.ts';
import { closedLoopGenerator, type LoadContext, measureRounds } from '../rounds.ts';
import {
  availableServers,
  fastapiTensor,
  imageModel,
  mosecTensor,
  PenstockTensor,
  type TensorServer,
  tritonTensor,
} from '../tensor-servers.ts';
import { type ImageCell, imageTable, instanceCounts } from './report.ts';

/** Enough that an instance always has its next image. */
const clientsPerInstance = 4;
const warmUpMs = 1000;

export async function imageLoad(context: LoadContext): Promise<void> {
  const available = await availableServers(context);
  const servers = instanceCounts.flatMap((instances) =>
    serversOf(context, available, instances).map((server) => ({ instances, server, name: `${server.name}, ${instances} instances` })),
  );
  try {
    await measureRounds<ImageCell>(context, {
      scenario: 'peers-image',
      generator: closedLoopGenerator(),
      missing: available.missing,
      servers: servers.map(({ name, server, instances }) => ({ name, measure: () => measureImages(server, instances, context.measureMs) })),
      table: imageTable,
    });
  } finally {
    for (const { server } of servers) await server.close();
  }
}

/** Batches gain nothing here, so the servers that a user would tell so have none. */
function serversOf(
  { scratch, triton }: LoadContext,
  available: Awaited<ReturnType<typeof availableServers>>,
  instances: number,
): TensorServer[] {
  const unbatched = { batchMax: 1, waitMs: 0, args: [] };
  return [
    new PenstockTensor(imageModel, ['--instances', String(instances)]),
    ...(available.triton ? [tritonTensor(imageModel, instances, scratch, triton)] : []),
    ...(available.fastapi ? [fastapiTensor(imageModel, instances, 'FastAPI')] : []),
    ...(available.mosec ? [mosecTensor(imageModel, instances, unbatched, scratch)] : []),
  ];
}

async function measureImages(server: TensorServer, instances: number, measureMs: number): Promise<ImageCell[]> {
  const before = await bare(instances, measureMs / 2);
  const running = await server.start();
  try {
    const target = { url: running.url, pid: running.pid, requests: [server.request(running.url)] };
    const clients = clientsPerInstance * instances;
    await closedLoop(target, clients, warmUpMs);
    const others = watchOthers(running.pid);
    const { ratePerSecond, p99Ms, cpuUsPerRequest } = await measuredLoop(target, clients, measureMs);
    const otherCores = others();
    await running.stop();
    const after = await bare(instances, measureMs / 2);
    const measured = { server: server.name, instances, ratePerSecond, p99Ms, cpuMsPerImage: cpuUsPerRequest / 1000, otherCores };
    const barePerSecond = (before.perSecond + after.perSecond) / 2;
    return [{ ...measured, barePerSecond, bareCpuMsPerImage: (before.cpuMs + after.cpuMs) / 2 }];
  } finally {
    await running.stop();
  }
}

/** All processes together. */
async function bare(processes: number, measureMs: number): Promise<{ readonly perSecond: number; readonly cpuMs: number }> {
  const { file: modelPath, input, rowShape, rowsFile } = imageModel;
  const run = { modelPath, input, rowShape, rowsFile, b: 1, measureMs };
  const reports = await Promise.all(Array.from({ length: processes }, () => runBare(run)));
  const sum = (of: (report: (typeof reports)[number]) => number): number => reports.reduce((total, report) => total + of(report), 0);
  return { perSecond: sum(({ rowsPerSecond }) => rowsPerSecond), cpuMs: sum(({ cpuMsPerRow }) => cpuMsPerRow) / processes };
}
