/** Memory of all processes of a server with one small model and with twenty, each of which has answered. */
import { once } from 'node:events';
import { HttpConnection } from '../../../src/cli/load/http-connection.ts';
import { closedLoop } from '../../load/measured-loop.ts';
import type { RunningSubject } from '../../python/subjects.ts';
import { startFastapi } from '../../servers/fastapi.ts';
import { Platform } from '../../servers/platform.ts';
import { memoryMiBOf } from '../../servers/process-tree.ts';
import { watchOthers } from '../other-load.ts';
import { type LoadContext, measureRounds } from '../rounds.ts';
import { onnxSubjects } from '../subjects.ts';
import { type Available, availableServers, protocolRequest, rawRequest, smallModel, startMosec } from '../tensor-servers.ts';
import { type MemoryCell, manyModels, memoryTable } from './report.ts';

/** After the last response: what a request leaves behind is collected. */
const idleMs = 4000;

/** A server that may hold several models. */
interface Holder {
  readonly name: string;
  /** For each start: how many models. */
  readonly counts: readonly number[];
  readonly start: (models: number) => Promise<RunningSubject>;
  /** Whole requests, to each model. */
  readonly requests: (url: URL, models: number) => readonly Uint8Array[];
}

export async function memoryLoad(context: LoadContext): Promise<void> {
  const available = await availableServers(context);
  const others = await onnxSubjects(
    context.scratch,
    '',
    (name) => !['FastAPI', 'mosec', 'Triton'].includes(name) && context.isWanted(name),
  );
  const holders = [penstockHolder, ...pythonHolders(context, available)];
  const single = others.subjects.filter(({ name }) => name !== penstockHolder.name);
  try {
    await measureRounds<MemoryCell>(context, {
      scenario: 'peers-memory',
      generator: 'requests',
      missing: [...available.missing, ...others.missing],
      servers: [
        ...holders.map((holder) => ({ name: holder.name, measure: () => measureHolder(holder) })),
        ...single.map((subject) => ({
          name: subject.name,
          measure: () =>
            measureHolder({
              name: subject.name,
              counts: [1],
              start: () => subject.start(),
              requests: (url) => subject.requests(url, 'JSON') ?? [],
            }),
        })),
      ],
      table: memoryTable,
    });
  } finally {
    for (const subject of others.subjects) await subject.close();
  }
}

const nameOf = (model: number): string => `${smallModel.name}-${model}`;

/** Twenty endpoints with one instance each, in a new data directory for each start. */
const penstockHolder: Holder = {
  name: 'Penstock',
  counts: [1, manyModels],
  start: async (models) => {
    const platform = new Platform();
    try {
      await platform.start();
      for (let i = 0; i < models; i++) {
        await platform.run('deploy', smallModel.file, nameOf(i), '--objective', smallModel.objective, '--approve');
      }
      // A restart, so that what deploying takes is not counted as what serving takes.
      await platform.stop();
      await platform.start();
    } catch (error) {
      await platform.close();
      throw error;
    }
    const { url, pid } = platform.server;
    return { url, pid, stop: () => platform.close() };
  },
  requests: (url, models) => Array.from({ length: models }, (_, i) => protocolRequest(url, { ...smallModel, name: nameOf(i) })),
};

function pythonHolders({ scratch }: LoadContext, available: Available): Holder[] {
  const requests: Holder['requests'] = (url, models) => Array.from({ length: models }, (_, i) => rawRequest(url, smallModel, i));
  const fastapi: Holder = {
    name: 'FastAPI',
    counts: [1, manyModels],
    start: async (models) => {
      const server = await startFastapi(smallModel.file, 1, models);
      return { url: server.url, pid: server.pid, stop: () => server.stop() };
    },
    requests,
  };
  const settings = { batchMax: 32, waitMs: 1, args: [] };
  const mosec: Holder = {
    name: 'mosec',
    counts: [1, manyModels],
    start: (models) => startMosec(smallModel, 1, settings, scratch, models),
    requests,
  };
  return [...(available.fastapi ? [fastapi] : []), ...(available.mosec ? [mosec] : [])];
}

async function measureHolder({ name, counts, start, requests }: Holder): Promise<MemoryCell[]> {
  const cells: MemoryCell[] = [];
  for (const models of counts) {
    const running = await start(models);
    try {
      const all = requests(running.url, models);
      await untilAllAnswer(running.url, all);
      await closedLoop({ url: running.url, requests: all }, 8, 2000);
      const others = watchOthers(running.pid);
      await once(AbortSignal.timeout(idleMs), 'abort');
      cells.push({ server: name, models, ...memoryMiBOf(running.pid), otherCores: others() });
    } finally {
      await running.stop();
    }
  }
  return cells;
}

/** The workers of some servers start one after the other. */
async function untilAllAnswer(url: URL, requests: readonly Uint8Array[]): Promise<void> {
  const untilMs = performance.now() + 60_000;
  for (const request of requests) {
    while (!(await answers(url, request))) {
      if (performance.now() > untilMs) throw new Error('not all models answer within a minute');
      await once(AbortSignal.timeout(200), 'abort');
    }
  }
}

async function answers(url: URL, request: Uint8Array): Promise<boolean> {
  const connection = await HttpConnection.open(url.hostname, Number(url.port));
  try {
    return (await connection.send(Buffer.from(request))).status === 200;
  } finally {
    connection.close();
  }
}
