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

export interface WatchingOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly isDry: boolean;
}

/** Both servers are there all the time; loads come to one and the other in turn, so that both see the same machine. */
export async function watching({ rounds, seconds, isDry }: WatchingOptions): Promise<void> {
  const servers = { watched: new Platform(), unwatched: new Platform({ NODE_OPTIONS: `--import ${unwatched}` }) };
  const rates = { watched: [] as number[], unwatched: [] as number[] };
  const cpuUs = { watched: [] as number[], unwatched: [] as number[] };
  try {
    for (const platform of Object.values(servers)) {
      await platform.start();
      await platform.deploy({ modelPath, name: 'digits', objective: 'p95<=50ms' });
    }
    await checkBlind(servers.unwatched);
    for (let round = -1; round < rounds; round++) {
      for (const name of round % 2 === 0 ? (['watched', 'unwatched'] as const) : (['unwatched', 'watched'] as const)) {
        const load = await loadOn(servers[name], seconds);
        if (round < 0) continue; // the first warms up
        rates[name].push(load.ratePerSecond);
        cpuUs[name].push(load.cpuUs);
      }
    }
  } finally {
    for (const platform of Object.values(servers)) await platform.close();
  }
  const [watched, blind] = [median(rates.watched), median(rates.unwatched)];
  const ratio = median(rates.watched.map((rate, round) => rate / (rates.unwatched[round] ?? Number.NaN)));
  const cpuRatio = median(cpuUs.watched.map((used, round) => used / (cpuUs.unwatched[round] ?? Number.NaN)));
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const text =
    `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}): \`digits-mlp\`, JSON, ${concurrency} clients, ${rounds} loads of ` +
    `${seconds} s each in turn: ${watched.toFixed(0)} requests/s with everything measured and logged, ${blind.toFixed(0)} with nothing, ` +
    `${(100 * (1 - ratio)).toFixed(1)} % less (wanted: at most 5 %). Processor time of the server and its worker: ${median(cpuUs.watched).toFixed(1)} and ` +
    `${median(cpuUs.unwatched).toFixed(1)} us a request, ${(100 * (cpuRatio - 1)).toFixed(1)} % more. Ratios are medians of the pairs.`;
  console.log(text);
  if (!isDry) keep('watching', { at, commit: commit(), machine: machine(), concurrency, seconds, rates, cpuUs, ratio, cpuRatio }, text);
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
