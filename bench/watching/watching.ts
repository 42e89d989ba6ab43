/**
 * `npm run bench -- watching`: what it costs to measure and log everything, against a server that does neither: in throughput, and in processor time of the
 * server, which is what throughput is made of and is the same while others use the machine.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../load/latencies.ts';
import { runLoad } from '../load/load.ts';
import { hasWrk, runWrk } from '../load/wrk.ts';
import { commit, machine } from '../machine.ts';
import { jsonRequests } from '../overhead/requests.ts';
import { keep } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { cpuMsOf } from '../servers/process-tree.ts';

const modelPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
const unwatched = new URL('./unwatched.ts', import.meta.url).href;
const concurrency = 64;
/** In its first ten seconds under load a server is still being compiled, and of one that does more there is more to compile. */
const warmUpSeconds = 12;

export interface WatchingOptions {
  /** How often both servers are started anew: how fast one is, differs from start to start by some percent. */
  readonly starts: number;
  /** Loads of each server between two starts. */
  readonly rounds: number;
  readonly seconds: number;
  readonly isDry: boolean;
}

const names = ['watched', 'unwatched'] as const;
type Name = (typeof names)[number];
type Loads = Record<Name, { readonly ratePerSecond: number; readonly cpuUs: number }[]>;

export async function watching({ starts, rounds, seconds, isDry }: WatchingOptions): Promise<void> {
  const all: Loads[] = [];
  for (let start = 0; start < starts; start++) all.push(await bothLoaded(rounds, seconds));
  const of = (name: Name, what: 'ratePerSecond' | 'cpuUs'): number => median(all.flatMap((loads) => loads[name].map((load) => load[what])));
  const pairs = all.map((loads) => ratiosOf(loads, 'ratePerSecond'));
  const ratios = pairs.map((ofStart) => median(ofStart));
  const ratio = median(pairs.flat());
  const cpuRatio = median(all.flatMap((loads) => ratiosOf(loads, 'cpuUs')));
  const less = (share: number): string => `${(100 * (1 - share)).toFixed(1)} %`;
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const text =
    `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}): \`digits-mlp\`, JSON, ${concurrency} clients; both servers started ` +
    `${starts} times and warmed up for ${warmUpSeconds} s, then ${rounds} loads of ${seconds} s on each in turn: ${of('watched', 'ratePerSecond').toFixed(0)} requests/s with everything measured ` +
    `and logged, ${of('unwatched', 'ratePerSecond').toFixed(0)} with nothing, ${less(ratio)} less (wanted: at most 5 %), ${less(Math.max(...ratios))} to ` +
    `${less(Math.min(...ratios))} from start to start. Processor time of the server and its worker: ${of('watched', 'cpuUs').toFixed(1)} and ` +
    `${of('unwatched', 'cpuUs').toFixed(1)} us a request, ${(100 * (cpuRatio - 1)).toFixed(1)} % more. Medians of all pairs of loads.`;
  console.log(text);
  if (!isDry) keep('watching', { at, commit: commit(), machine: machine(), concurrency, seconds, starts: all, ratio, cpuRatio }, text);
}

/** Both servers are there all the time; loads come to one and the other in turn, so that both see the same machine. */
async function bothLoaded(rounds: number, seconds: number): Promise<Loads> {
  const servers = { watched: new Platform(), unwatched: new Platform({ NODE_OPTIONS: `--import ${unwatched}` }) };
  const loads: Loads = { watched: [], unwatched: [] };
  try {
    for (const platform of Object.values(servers)) {
      await platform.start();
      await platform.deploy({ modelPath, name: 'digits', objective: 'p95<=50ms' });
    }
    await checkBlind(servers.unwatched);
    for (const name of names) await loadOn(servers[name], warmUpSeconds);
    for (let round = 0; round < rounds; round++) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) loads[name].push(await loadOn(servers[name], seconds));
    }
  } finally {
    for (const platform of Object.values(servers)) await platform.close();
  }
  return loads;
}

/** Of each load on the one to that on the other beside it. */
function ratiosOf({ watched, unwatched: blind }: Loads, what: 'ratePerSecond' | 'cpuUs'): number[] {
  return watched.map((load, round) => load[what] / (blind[round]?.[what] ?? Number.NaN));
}

async function loadOn(platform: Platform, seconds: number): Promise<{ readonly ratePerSecond: number; readonly cpuUs: number }> {
  const { url, pid } = platform.server;
  const cpuBeforeMs = cpuMsOf(pid);
  const { hostname: host, port } = new URL(url);
  const order = { host, port: Number(port), requests: jsonRequests(url, 'digits') };
  const measureMs = seconds * 1000;
  const report = hasWrk()
    ? await runWrk({ ...order, concurrency, measureMs })
    : await runLoad({ ...order, shape: { kind: 'closed', concurrency, warmUpMs: 500, measureMs } });
  if (Object.keys(report.failures).length > 0) throw new Error(`requests failed: ${JSON.stringify(report.failures)}`);
  return { ratePerSecond: report.ratePerSecond, cpuUs: ((cpuMsOf(pid) - cpuBeforeMs) * 1000) / report.answers };
}

/** Else the comparison would be one of a server with itself. */
async function checkBlind({ server, logsDirectory }: Platform): Promise<void> {
  await fetch(new URL('/v2/models/digits/infer', server.url), { method: 'POST', body: '{}' });
  const text = await (await fetch(new URL('/metrics', server.url))).text();
  const isLogged = existsSync(join(logsDirectory, 'platform.log')) || existsSync(join(logsDirectory, 'requests.log'));
  if (/^penstock_requests_total\{/m.test(text) || isLogged) throw new Error('the server that is to measure and log nothing does');
}
