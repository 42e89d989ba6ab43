/**
 * A selection on a live server and in the simulator, under the same requests at the same times: ten minutes of a recorded load, the digits
 * models with runs 200 times as long as measured, an elastic fleet with functions.
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { EndpointBody } from '../../../src/api/index.ts';
import { SeededRandom } from '../../../src/random.ts';
import { type Load, SelectionSimulation } from '../../../src/simulation/index.ts';
import { loadArrivals } from '../../../src/simulation/load/load.ts';
import { profileFrom, storeProfiles } from '../../../test/end-to-end/stored-service-times.ts';
import { loadOf } from '../../../test/selection/loads.ts';
import { elasticFleet, families, selectionSpecs } from '../../../test/selection/simulated.ts';
import { inputsBody, postJson } from '../../overhead/requests.ts';
import { Platform } from '../../servers/platform.ts';
import { type OpenLoadResult, sendOpenLoad } from './open-load.ts';
import { busyMax, busyShare, type Disturbance, lateMs } from './quiet-machine.ts';
import { slowMs } from './slow-times.ts';

export interface LiveFigures {
  readonly requests: number;
  readonly failed: number;
  readonly inTime: number;
  readonly accuracy: number;
  readonly usdPerMillion: number;
  readonly functionShare: number;
  readonly shares: Readonly<Record<string, number>>;
}

interface LiveOptions {
  readonly seconds: number;
  readonly scale: number;
}

export interface LiveResult {
  readonly load: string;
  readonly seconds: number;
  readonly live: LiveFigures;
  readonly simulated: LiveFigures;
  readonly ladder: readonly string[];
  /** Milliseconds. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly coldMs: number;
  readonly firstFailure: string | null;
  /** Whether the machine was busy. */
  readonly machine: Disturbance;
  /** Plans that the server chose and the simulator did not, or the reverse; empty if they chose the same. */
  readonly otherPlans: readonly string[];
}

const models = ['digits-logreg', 'digits-mlp', 'digits-rf', 'digits-cnn'] as const;
const endpoint = 'digits';
const objective = 'p95<=50ms';
const limitMs = 50;
const scaling = 'hpa:70';
const memoryMiB = 1769;
const leadMs = 5000;
const instancesMax = 4;
const keepAliveMs = 60_000;
const calmMs = 480_000;
const quietSeconds = 5;
const sizes = [1, 2, 4, 8, 16, 32];
const catalogue = (file: string): string => fileURLToPath(new URL(`../../../assets/catalogue/${file}`, import.meta.url));

/** `scale`: how many times as many requests as recorded, by second. */
function loadFor({ seconds, scale }: LiveOptions): Load {
  const found = loadOf('Azure code');
  if (typeof found === 'string') throw new Error(found);
  const { load } = found;
  if (load.source.kind !== 'counts') throw new Error('expected counts by second');
  return {
    ...load,
    name: `Azure code x ${scale}`,
    source: { ...load.source, counts: load.source.counts.slice(0, seconds), scale },
    durationMs: seconds * 1000,
  };
}

export async function compareLive(options: LiveOptions, say: (text: string) => void): Promise<LiveResult> {
  const { seconds } = options;
  const load = loadFor(options);
  const preload = new URL('./slow-server.ts', import.meta.url).href;
  // Isolated workers do not see the files of the benchmark.
  const config = { isolation: { mode: 'none' } };
  const platform = new Platform({ PENSTOCK_START_DELAY: `${leadMs}ms`, NODE_OPTIONS: `--import ${preload}` }, config);
  try {
    await platform.start();
    await deploy(platform, say);
    const { url } = platform.server;
    await warmUp(url);
    const busyBefore = await busyShare(quietSeconds);
    say(`before: ${(100 * busyBefore).toFixed(1)} % of the processors are in use`);
    // Ten minutes would be lost.
    if (busyBefore > busyMax) say('this run will not count: other programs use the processors');
    const before = await described(url);
    const endsMs = performance.now() + load.durationMs;
    const sent = await send(url, load, say);
    // The simulator bills instances to the end of the load, which may be after its last request.
    await sleep(Math.max(0, endsMs - performance.now()));
    const after = await described(url);
    const busyAfter = await busyShare(quietSeconds);
    const coldMs = after.environments?.cold_start_ms ?? 124;
    const usd = after.usage.total_usd - before.usage.total_usd;
    const overflowed = (after.statistics?.overflowed ?? 0) - (before.statistics?.overflowed ?? 0);
    const { lateShare, sentLateMs, lastRequestId } = sent;
    // At thousands of requests a second, only some are logged.
    const why = lastRequestId === null ? '' : await platform.run('why', lastRequestId).catch(() => 'it was not sampled');
    say(`the last request: ${why}`);
    const ladder = (await endpointOf(url)).selection?.ladder.map(({ plan }) => plan) ?? [];
    return {
      load: load.name,
      seconds,
      live: { ...sent, usdPerMillion: (usd / sent.requests) * 1e6, functionShare: overflowed / sent.requests },
      simulated: await simulate(load, coldMs),
      ladder,
      otherPlans: differing(ladder, simulatedLadder()),
      p50Ms: sent.p50Ms,
      p95Ms: sent.p95Ms,
      coldMs,
      firstFailure: sent.firstFailure,
      machine: { busyBefore, busyAfter, lateShare, sentLateMs },
    };
  } finally {
    await platform.close();
  }
}

async function deploy(platform: Platform, say: (text: string) => void): Promise<void> {
  for (const name of models) {
    await platform.run('register', catalogue(`${name.replace('-', '_')}.onnx`), name);
    await platform.run('approve', `${name}/1`);
    await platform.run('profile', `${name}/1`);
  }
  // The plans depend on small differences: they are chosen by the times that runs are made to take.
  await platform.stop();
  storeProfiles(
    dirname(platform.logsDirectory),
    new Map(models.map((name) => [name, profileFrom(sizes, (rows) => slowMs(name.replace('-', '_'), rows))])),
  );
  await platform.start();
  await platform.run('evaluate', ...models, '--data', catalogue('digits_test.csv'), '--label', 'label', '--name', 'holdout');
  const { floor } = families.digits;
  const ask = ['--select', models.join(), '--reference', 'digits-mlp', '--evaluation', 'holdout', '--accuracy', `>=${floor}`];
  const rate = ['--rate', '5000', '--objective', objective, '--shadow', '0'];
  const fleet = ['--scaling', scaling, '--min-instances', '1', '--max-instances', String(instancesMax)];
  const functions = [
    '--overflow',
    'functions',
    '--memory',
    String(memoryMiB),
    '--max-concurrency',
    '10',
    '--keep-alive',
    `${keepAliveMs}ms`,
  ];
  say(await platform.run('deploy', endpoint, ...ask, ...rate, ...fleet, ...functions));
}

interface Row {
  readonly request: Buffer;
  readonly label: string;
}

/** Each row of the evaluation as a request for its label. */
function rowsFor(url: URL): readonly Row[] {
  const lines = readFileSync(catalogue('digits_test.csv'), 'utf8').trim().split('\n').slice(1);
  return lines.map((line) => {
    const values = line.split(',');
    const label = values.pop() as string;
    const inputs = JSON.parse(inputsBody(values.map(Number))) as object;
    const body = { ...inputs, outputs: [{ name: 'label' }] };
    return { request: postJson(new URL(`/v2/models/${endpoint}/infer`, url), JSON.stringify(body)), label };
  });
}

function send(url: URL, load: Load, say: (text: string) => void, seed = 6): Promise<OpenLoadResult> {
  const rows = rowsFor(url);
  const timesMs: number[] = [];
  const arrivals = loadArrivals(load, seed);
  for (let next = arrivals.next(); next.done !== true; next = arrivals.next()) for (const ms of next.value) timesMs.push(ms);
  // As the simulation draws them.
  const random = new SeededRandom(seed + 1);
  const drawn = Uint16Array.from(timesMs, () => Math.floor(random.next() * rows.length));
  return sendOpenLoad({ url, timesMs, requestOf: (index) => rows[drawn[index] as number] as Row, limitMs, lateMs, say });
}

/** Service times of all plans are learned, with one instance: a scaler that has added some removes them only after minutes. */
async function warmUp(url: URL): Promise<void> {
  const steps = [100, 600, 1500, 300].map((ratePerSecond, i) => ({ ratePerSecond, fromMs: i * 5000 }));
  const load: Load = {
    name: 'warm-up',
    source: { kind: 'steps', steps },
    durationMs: 20_000,
    history: [],
    historySlotMs: 60_000,
    isSeasonal: false,
  };
  await send(url, load, () => undefined, 1);
  for (const untilMs = Date.now() + calmMs; Date.now() < untilMs; await sleep(1000)) {
    const { wanted, ready, environments } = await described(url);
    const { starting = 0, idle = 0, busy = 0 } = environments ?? {};
    if (wanted === 1 && ready === 1 && starting + idle + busy === 0) return;
  }
  throw new Error(`the endpoint did not become idle within ${calmMs / 1000} s`);
}

async function endpointOf(url: URL): Promise<EndpointBody> {
  const response = await fetch(new URL(`/api/v1/endpoints/${endpoint}`, url));
  if (!response.ok) throw new Error(`the endpoint cannot be described: ${await response.text()}`);
  return (await response.json()) as EndpointBody;
}

async function described(url: URL): Promise<EndpointBody['variants'][number]> {
  const [variant] = (await endpointOf(url)).variants;
  if (variant === undefined) throw new Error('expected a variant');
  return variant;
}

function differing(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...one.filter((plan) => !other.includes(plan)), ...other.filter((plan) => !one.includes(plan))];
}

/** A plan of the simulator as the server names it. */
function servedName(plan: string): string {
  return plan.replaceAll(/digits_(\w+?)(?=>|@|$)/g, 'digits-$1/1');
}

function simulatedLadder(): readonly string[] {
  const [spec] = selectionSpecs('digits', loadFor({ seconds: 1, scale: 1 }), ['select+functions'], elasticFleet(scaling, null));
  if (spec?.serving.kind !== 'ladder') throw new Error('expected a ladder');
  return spec.serving.rungs.map(({ name }) => servedName(name));
}

async function simulate(load: Load, coldMs: number): Promise<LiveFigures> {
  const fleet = elasticFleet(scaling, null);
  if (fleet.kind !== 'elastic') throw new Error('expected an elastic fleet');
  const functions = { ...fleet.functions, coldMs, keepAliveMs };
  const [spec] = selectionSpecs('digits', load, ['select+functions'], { ...fleet, leadMs, instancesMax, functions });
  if (spec === undefined) throw new Error('expected a simulation');
  const { requests, attainment, accuracy, costUsdPerMillion, overflowShare, shares } = await new SelectionSimulation(spec).run();
  return {
    requests,
    failed: 0,
    inTime: attainment,
    accuracy,
    usdPerMillion: costUsdPerMillion,
    functionShare: overflowShare,
    shares: Object.fromEntries(shares.map(({ plan, share }) => [servedName(plan), share])),
  };
}
