/** One run of all overhead measurements. The name of each figure contains its unit. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Phase } from '../../src/cli/load/open-loop.ts';
import { median } from '../load/latencies.ts';
import { type LoadReport, runLoad } from '../load/load.ts';
import { hasWrk, runWrk } from '../load/wrk.ts';
import { type BareReport, runBare } from '../servers/bare-onnxruntime.ts';
import { prepareFastapi, startFastapi } from '../servers/fastapi.ts';
import { Platform } from '../servers/platform.ts';
import { cpuMsOf, rssMiBOf } from '../servers/process-tree.ts';
import { ServerProcess } from '../servers/server-process.ts';
import { coldStartMs } from './cold-start.ts';
import { binaryRequest, binaryRequests, fastapiRequests, jsonRequests } from './requests.ts';

/** Figures that could not be measured are absent; the reason has been printed. */
export type Figures = Record<string, number>;

const mlpPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
const mlpRows = fileURLToPath(new URL('../../test/models/samples/digits_mlp.pixels.bin', import.meta.url));
const floorMain = fileURLToPath(new URL('../servers/floor-main.ts', import.meta.url));
const cnnPath = fileURLToPath(new URL('../../test/models/loadtest_cnn_224.onnx', import.meta.url));
const cnnRow = fileURLToPath(new URL('../../test/models/samples/loadtest_cnn_224.image.bin', import.meta.url));
const cnnShape = [3, 224, 224];
const objectiveMs = 50;
const seed = 20_260_101;

/** Open-loop loads. The steps are a compressed quiet minute with two bursts. */
const openLoads: Readonly<Record<string, readonly Phase[]>> = {
  open1000: [{ ratePerSecond: 1000, forMs: 5000 }],
  open4000: [{ ratePerSecond: 4000, forMs: 5000 }],
  openSteps: [500, 4000, 1000, 8000, 500].map((ratePerSecond) => ({ ratePerSecond, forMs: 2000 })),
};

export interface RunOptions {
  /** How long each closed loop and each bare loop is measured. */
  readonly measureMs: number;
  readonly say: (text: string) => void;
}

export async function measureOnce(options: RunOptions): Promise<Figures> {
  const bare = { ...(await measureBare(options)), ...(await measureFloor(options)) };
  const platform = new Platform();
  try {
    const penstock = await measurePlatform(platform, options);
    const compute = await measureCompute(platform, options);
    await platform.stop();
    const rest = { ...(await measureStarts(platform, options)), ...(await measureFastapi(options)) };
    const gatewayAddsUs = (penstock.jsonC1P50Us ?? Number.NaN) - (bare.bareMlpP50Us ?? Number.NaN);
    const timesFloor = (penstock.jsonC1P50Us ?? Number.NaN) / (bare.floorC1P50Us ?? Number.NaN);
    return { ...bare, ...penstock, gatewayAddsUs, timesFloor, ...compute, ...rest };
  } finally {
    await platform.close();
  }
}

function bareMlp(b: number, measureMs: number): Promise<BareReport> {
  return runBare({ modelPath: mlpPath, input: 'pixels', rowShape: [64], rowsFile: mlpRows, b, measureMs });
}

function bareCnn(measureMs: number): Promise<BareReport> {
  return runBare({ modelPath: cnnPath, input: 'image', rowShape: cnnShape, rowsFile: cnnRow, b: 1, measureMs });
}

async function measureBare({ measureMs, say }: RunOptions): Promise<Figures> {
  say('bare onnxruntime: digits-mlp');
  const one = await bareMlp(1, measureMs);
  const many = await bareMlp(32, measureMs);
  return { bareMlpP50Us: one.runMs.p50 * 1000, bareMlpB1PerSecond: one.rowsPerSecond, bareMlpB32PerSecond: many.rowsPerSecond };
}

/** Cost of the same two hops without any processing. No target below it can be met on this machine. */
async function measureFloor({ measureMs, say }: RunOptions): Promise<Figures> {
  say('the floor: an empty gateway and an empty worker');
  const server = await ServerProcess.start({
    command: process.execPath,
    args: [floorMain, mlpPath],
    readyOn: 'stdout',
    ready: /^floor ready (\S+)$/,
  });
  try {
    return named('floorC1', await closed(server, jsonRequests(server.url, 'floor'), 1, measureMs));
  } finally {
    await server.stop();
  }
}

async function measurePlatform(platform: Platform, options: RunOptions): Promise<Figures> {
  const { say, measureMs } = options;
  say('Penstock: digits-mlp');
  const readyFreshMs = await platform.start();
  await platform.deploy({ modelPath: mlpPath, name: 'digits-mlp', objective: `p95<=${objectiveMs}ms` });
  const { server } = platform;
  const json = jsonRequests(server.url, 'digits-mlp');
  const binary = binaryRequests(server.url, 'digits-mlp');
  await closed(server, json, 64, measureMs); // warm-up: a server that has been running for a while is measured
  const rssBeforeMiB = rssMiBOf(server.pid);

  const figures: Figures = { readyFreshMs, ...named('jsonC1', await closed(server, json, 1, measureMs)) };
  Object.assign(figures, await saturated('jsonC64', server, json, options));
  Object.assign(figures, await saturated('binaryC64', server, binary, options));
  for (const [name, phases] of Object.entries(openLoads)) {
    say(`Penstock: open loop, ${phases.map(({ ratePerSecond }) => ratePerSecond).join(', ')}/s`);
    const shape = { kind: 'open', phases, seed, connections: 256 } as const;
    const report = await runLoad({ ...addressOf(server), requests: json, shape, limitMs: objectiveMs });
    Object.assign(figures, named(name, report), { [`${name}InTimePercent`]: report.inTime * 100 });
  }
  return { ...figures, gatewayRssBeforeMiB: rssBeforeMiB, gatewayRssAfterMiB: rssMiBOf(server.pid) };
}

/** Concurrency 64, with our own generator and, if installed, with wrk, which uses less CPU. */
async function saturated(name: string, server: ServerProcess, requests: Buffer[], { measureMs, say }: RunOptions): Promise<Figures> {
  const cpuBeforeMs = cpuMsOf(server.pid);
  const report = await closed(server, requests, 64, measureMs);
  const cpuUsPerRequest = ((cpuMsOf(server.pid) - cpuBeforeMs) * 1000) / (report.ratePerSecond * ((warmUpMs + measureMs) / 1000));
  const figures = { ...named(name, report), [`${name}ServerCpuUs`]: cpuUsPerRequest };
  if (!hasWrk()) {
    say('wrk is not installed: our own generator only');
    return figures;
  }
  return { ...figures, ...named(`${name}Wrk`, await runWrk({ ...addressOf(server), requests, concurrency: 64, measureMs })) };
}

/** A compute-bound model: one worker with one thread compared with a bare process with one thread. */
async function measureCompute(platform: Platform, { say, measureMs }: RunOptions): Promise<Figures> {
  say('loadtest_cnn_224: Penstock between two bare runs');
  await platform.deploy({ modelPath: cnnPath, name: 'cnn-224', objective: 'p95<=500ms' });
  const { server } = platform;
  const image = new Float32Array(new Uint8Array(readFileSync(cnnRow)).buffer);
  const request = binaryRequest(server.url, 'cnn-224', 'image', [1, ...cnnShape], image);
  const before = await bareCnn(measureMs);
  const served = await closed(server, [request], 4, measureMs);
  const after = await bareCnn(measureMs);
  const barePerSecond = (before.rowsPerSecond + after.rowsPerSecond) / 2;
  const sharePercent = (served.ratePerSecond / barePerSecond) * 100;
  return { cnnBarePerSecond: barePerSecond, cnnPerSecond: served.ratePerSecond, cnnSharePercent: sharePercent };
}

async function measureStarts(platform: Platform, { say }: RunOptions): Promise<Figures> {
  say('starts');
  const readyAgainMs: number[] = [];
  const coldMs: number[] = [];
  const warmMs: number[] = [];
  for (let i = 0; i < 3; i++) {
    readyAgainMs.push(await platform.start());
    await platform.stop();
    coldMs.push(await coldStartMs(mlpPath, 0));
    warmMs.push(await coldStartMs(mlpPath, 1));
  }
  return { readyAgainMs: median(readyAgainMs), forkToAnswerMs: median(coldMs), warmToAnswerMs: median(warmMs) };
}

async function measureFastapi({ say, measureMs }: RunOptions): Promise<Figures> {
  const reason = await prepareFastapi();
  if (reason !== null) {
    say(`FastAPI skipped: ${reason}`);
    return {};
  }
  const figures: Figures = {};
  for (const workers of [1, 2]) {
    say(`FastAPI + onnxruntime: digits-mlp, ${workers} worker${workers === 1 ? '' : 's'}`);
    const server = await startFastapi(mlpPath, workers);
    try {
      const requests = fastapiRequests(server.url);
      await closed(server, requests, 64, measureMs);
      if (workers === 1) Object.assign(figures, named('fastapiC1', await closed(server, requests, 1, measureMs)));
      const report = await closed(server, requests, 64, measureMs);
      Object.assign(figures, named(`fastapi${workers}C64`, report));
    } finally {
      await server.stop();
    }
  }
  return figures;
}

const warmUpMs = 500;

function closed(server: ServerProcess, requests: Buffer[], concurrency: number, measureMs: number): Promise<LoadReport> {
  return runLoad({ ...addressOf(server), requests, shape: { kind: 'closed', concurrency, warmUpMs, measureMs } });
}

function addressOf({ url }: ServerProcess): { host: string; port: number } {
  return { host: url.hostname, port: Number(url.port) };
}

/** Converts a report to figures. Throws if any response was not 200. */
function named(name: string, { ratePerSecond, latencyMs, failures, generatorCpu }: LoadReport): Figures {
  if (Object.keys(failures).length > 0) throw new Error(`${name}: requests failed: ${JSON.stringify(failures)}`);
  return {
    [`${name}PerSecond`]: ratePerSecond,
    [`${name}P50Us`]: latencyMs.p50 * 1000,
    [`${name}P95Us`]: latencyMs.p95 * 1000,
    [`${name}P99Us`]: latencyMs.p99 * 1000,
    ...(generatorCpu === null ? {} : { [`${name}GeneratorCpuPercent`]: generatorCpu * 100 }),
  };
}
