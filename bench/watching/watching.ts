/**
 * `npm run bench -- watching`: what it costs to measure and log everything, against a server that does neither: in throughput, and in processor time of the
 * server, which is what throughput is made of and is the same while others use the machine.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../load/latencies.ts';
import { commit, machine } from '../machine.ts';
import { jsonRequests } from '../overhead/requests.ts';
import { keep } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { loadInTurns, type Turn } from './turns.ts';

const modelPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
const unwatched = new URL('./unwatched.ts', import.meta.url).href;
const concurrency = 64;
const turnMs = 100;
/** Plain lines a second, of 1,000 by default: a server that is loaded half of the time would have twice as many of a second's requests in its log. */
const requestLines = 1000 / 2;
/** In its first ten seconds under load a server is still being compiled, and of one that does more there is more to compile. */
const warmUpSeconds = 12;

export interface WatchingOptions {
  /** How often both servers are started anew: how fast one is, differs from start to start by some percent. */
  readonly starts: number;
  /** Of load on each server between two starts. */
  readonly seconds: number;
  readonly isDry: boolean;
}

interface Start {
  readonly watched: readonly Turn[];
  readonly unwatched: readonly Turn[];
}

export async function watching({ starts, seconds, isDry }: WatchingOptions): Promise<void> {
  const all: Start[] = [];
  for (let start = 0; start < starts; start++) {
    const both = await bothLoaded(seconds, start % 2 === 1);
    all.push(both);
    const [ratio, cpuRatio] = [median(ratiosOf(both, 'ratePerSecond')), median(ratiosOf(both, 'cpuUs'))];
    console.log(
      `start ${start + 1} of ${starts}: ${(100 * (1 - ratio)).toFixed(1)} % less, ${(100 * (cpuRatio - 1)).toFixed(1)} % more processor time`,
    );
  }
  const of = (name: keyof Start, what: keyof Turn): number => median(all.flatMap((each) => each[name].map((turn) => turn[what])));
  const ratios = all.map((each) => median(ratiosOf(each, 'ratePerSecond')));
  const [ratio, cpuRatio] = [median(ratios), median(all.map((each) => median(ratiosOf(each, 'cpuUs'))))];
  const less = (share: number): string => `${(100 * (1 - share)).toFixed(1)} %`;
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const text =
    `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}): \`digits-mlp\`, JSON, ${concurrency} clients; both servers started ` +
    `${starts} times, warmed up for ${warmUpSeconds} s, and then loaded for ${seconds} s each in turns of ${turnMs} ms: ` +
    `${of('watched', 'ratePerSecond').toFixed(0)} requests/s with everything measured and logged, ${of('unwatched', 'ratePerSecond').toFixed(0)} with nothing, ` +
    `**${less(ratio)} less** (wanted: at most 5 %), ${less(Math.max(...ratios))} to ${less(Math.min(...ratios))} from start to start. Processor time of the ` +
    `server: ${of('watched', 'cpuUs').toFixed(1)} and ${of('unwatched', 'cpuUs').toFixed(1)} us a request, ${(100 * (cpuRatio - 1)).toFixed(1)} % more. ` +
    `Medians of the starts, of the medians of pairs of turns.`;
  console.log(text);
  if (!isDry) keep('watching', { at, commit: commit(), machine: machine(), concurrency, turnMs, seconds, ratios, ratio, cpuRatio }, text);
}

/** Which of them starts first, is told: it makes no difference that should be one. */
async function bothLoaded(seconds: number, isBlindFirst: boolean): Promise<Start> {
  const env = { PENSTOCK_REQUEST_LINES: String(requestLines) };
  const servers = { watched: new Platform(env), unwatched: new Platform({ ...env, NODE_OPTIONS: `--import ${unwatched}` }) };
  try {
    for (const platform of isBlindFirst ? [servers.unwatched, servers.watched] : [servers.watched, servers.unwatched]) {
      await platform.start();
      await platform.deploy({ modelPath, name: 'digits', objective: 'p95<=50ms' });
    }
    await checkBlind(servers.unwatched);
    const loaded = [servers.watched, servers.unwatched].map(({ server: { url, pid } }) => ({
      url: new URL(url),
      pid,
      requests: jsonRequests(new URL(url), 'digits'),
    }));
    await loadInTurns(loaded, { concurrency, turnMs, rounds: (warmUpSeconds * 1000) / turnMs });
    const [watched = [], blind = []] = await loadInTurns(loaded, { concurrency, turnMs, rounds: (seconds * 1000) / turnMs });
    return { watched, unwatched: blind };
  } finally {
    for (const platform of Object.values(servers)) await platform.close();
  }
}

/** Of each turn of the one to that of the other beside it. */
function ratiosOf({ watched, unwatched: blind }: Start, what: keyof Turn): number[] {
  return watched.map((turn, round) => turn[what] / (blind[round]?.[what] ?? Number.NaN));
}

/** Else the comparison would be one of a server with itself. */
async function checkBlind({ server, logsDirectory }: Platform): Promise<void> {
  await fetch(new URL('/v2/models/digits/infer', server.url), { method: 'POST', body: '{}' });
  const text = await (await fetch(new URL('/metrics', server.url))).text();
  const isLogged = existsSync(join(logsDirectory, 'platform.log')) || existsSync(join(logsDirectory, 'requests.log'));
  if (/^penstock_requests_total\{/m.test(text) || isLogged) throw new Error('the server that is to measure and log nothing does');
}
