/**
 * `npm run bench -- watching`: cost of metrics and logs compared with a server without them, in throughput and in CPU time. CPU time is less
 * affected by other work on the machine.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../load/latencies.ts';
import { commit, machine } from '../machine.ts';
import { jsonRequests } from '../overhead/requests.ts';
import { writeResults } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { loadInTurns, type Turn } from './turns.ts';

const modelPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
const unwatched = new URL('./unwatched.ts', import.meta.url).href;
const concurrency = 64;
const turnMs = 100;
/** Log lines per second, half of the default of 1,000, because each server is loaded only half of the time. */
const requestLines = 1000 / 2;
/** In the first ten seconds under load, V8 still compiles the server's code. */
const warmUpSeconds = 12;

export interface WatchingOptions {
  /** Number of restarts of both servers: their speed varies by a few percent from start to start. */
  readonly starts: number;
  /** Seconds of load on each server per start. */
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
      `start ${start + 1} of ${starts}: ${(100 * (1 - ratio)).toFixed(1)} % less, ${(100 * (cpuRatio - 1)).toFixed(1)} % more CPU time`,
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
    `${of('watched', 'ratePerSecond').toFixed(0)} requests/s with everything measured and logged, ${of('unwatched', 'ratePerSecond').toFixed(0)} with neither, ` +
    `**${less(ratio)} less** (target: at most 5 %), ${less(Math.max(...ratios))} to ${less(Math.min(...ratios))} from start to start. CPU time of the ` +
    `server: ${of('watched', 'cpuUs').toFixed(1)} and ${of('unwatched', 'cpuUs').toFixed(1)} us per request, ${(100 * (cpuRatio - 1)).toFixed(1)} % more. ` +
    `Medians of the starts, of the medians of pairs of turns.`;
  console.log(text);
  if (!isDry)
    writeResults('watching', { at, commit: commit(), machine: machine(), concurrency, turnMs, seconds, ratios, ratio, cpuRatio }, text);
}

/** The starting order alternates between starts, so that it does not bias the result. */
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

/** Ratios of adjacent turns of the two servers. */
function ratiosOf({ watched, unwatched: blind }: Start, what: keyof Turn): number[] {
  return watched.map((turn, round) => turn[what] / (blind[round]?.[what] ?? Number.NaN));
}

/** Makes sure that the second server really records nothing. */
async function checkBlind({ server, logsDirectory }: Platform): Promise<void> {
  await fetch(new URL('/v2/models/digits/infer', server.url), { method: 'POST', body: '{}' });
  const text = await (await fetch(new URL('/metrics', server.url))).text();
  const isLogged = existsSync(join(logsDirectory, 'platform.log')) || existsSync(join(logsDirectory, 'requests.log'));
  if (/^penstock_requests_total\{/m.test(text) || isLogged)
    throw new Error('expected the second server to record neither metrics nor logs');
}
