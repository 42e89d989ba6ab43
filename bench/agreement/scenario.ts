/**
 * One load, twice: on a live platform with an instance and functions beside it, and in the simulator, which gets the same
 * requests at the same times and the profile that this very platform has measured.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Phase, poissonArrivals } from '../../src/cli/load/open-loop.ts';
import { parseObjective } from '../../src/objective.ts';
import { SeededRandom } from '../../src/random.ts';
import { parseProfile, type SimulatedProfile, Simulation } from '../../src/simulation/index.ts';
import { type LoadReport, runLoad } from '../load/load.ts';
import { binaryRequest } from '../overhead/requests.ts';
import { mmppPhases } from '../serverless/mmpp.ts';
import { Platform } from '../servers/platform.ts';

export interface Scenario {
  readonly name: string;
  readonly phases: readonly Phase[];
}

/** What either of the two says. */
export interface Measured {
  readonly requests: number;
  readonly failures: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly inTime: number;
  readonly overflowShare: number;
  readonly usdPerMillion: number;
}

export interface Agreement {
  readonly scenario: string;
  readonly live: Measured;
  readonly simulated: Measured;
}

const seed = 20_261_124;
const objective = 'p95<=100ms';
const memoryMiB = 1769;
const lightPerSecond = 15;
const lightMs = 10_000;
/** Compute-bound: one of these instances does some 130 a second, and batches would gain it nothing. */
const rowShape = [3, 224, 224];
const modelPath = fileURLToPath(new URL('../../test/models/loadtest_cnn_224.onnx', import.meta.url));
const rowFile = new URL('../../test/models/samples/loadtest_cnn_224.image.bin', import.meta.url);

/** The rates double what one instance takes at most, and fall again: 80 seconds each. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'steps of 40, 130, 160, 60/s',
    phases: [
      { ratePerSecond: 40, forMs: 20_000 },
      { ratePerSecond: 130, forMs: 20_000 },
      { ratePerSecond: 160, forMs: 20_000 },
      { ratePerSecond: 60, forMs: 20_000 },
    ],
  },
  {
    name: 'MMPP of 50 and 150/s',
    phases: mmppPhases({ quietPerSecond: 50, burstPerSecond: 150, quietMs: 6000, burstMs: 4000 }, 80_000, seed),
  },
];

/** Both, one after the other. */
export async function compare(scenario: Scenario): Promise<Agreement> {
  const platform = new Platform();
  try {
    await platform.start();
    const flags = ['--overflow', 'functions', '--memory', String(memoryMiB), '--batching', 'none', '--max-concurrency', '4'];
    await platform.deploy({ modelPath, name: 'agreement', objective, flags });
    const profile = parseProfile(await platform.run('profile', 'agreement/1', '--functions', '--output', 'json'), 'measured');
    const overheadMs = await overheadOf(platform, profile);
    const before = await countsOf(platform.server.url);
    const report = await load(platform.server.url, scenario.phases);
    const live = liveOf(report, before, await countsOf(platform.server.url));
    return { scenario: scenario.name, live, simulated: await simulate(scenario, { ...profile, overheadMs }) };
  } finally {
    await platform.close();
  }
}

/** What a client sees above the time of a run: the gateway, the link, and the client itself, under a load that makes nobody wait. */
async function overheadOf(platform: Platform, profile: SimulatedProfile): Promise<number> {
  const { latencyMs } = await load(platform.server.url, [{ ratePerSecond: lightPerSecond, forMs: lightMs }]);
  return Math.max(0, latencyMs.p50 - (profile.types[0]?.service[0]?.p50Ms ?? 0));
}

function load(url: URL, phases: readonly Phase[]): Promise<LoadReport> {
  const bytes = new Uint8Array(readFileSync(rowFile)).buffer;
  const values = new Float32Array(bytes).subarray(
    0,
    rowShape.reduce((size, each) => size * each, 1),
  );
  return runLoad({
    host: url.hostname,
    port: Number(url.port),
    requests: [binaryRequest(url, 'agreement', 'image', [1, ...rowShape], values)],
    shape: { kind: 'open', phases, seed, connections: 64 },
    limitMs: parseObjective(objective).latencyMs,
  });
}

interface Counts {
  readonly overflowed: number;
  readonly totalUsd: number;
}

async function countsOf(url: URL): Promise<Counts> {
  const answer = await fetch(new URL('/api/v1/endpoints/agreement', url));
  const { variants } = (await answer.json()) as {
    readonly variants: readonly { readonly statistics: { readonly overflowed: number }; readonly usage: { readonly total_usd: number } }[];
  };
  const [variant] = variants;
  if (variant === undefined) throw new Error('the endpoint has no variant');
  return { overflowed: variant.statistics.overflowed, totalUsd: variant.usage.total_usd };
}

function liveOf({ answers, failures, latencyMs, inTime }: LoadReport, before: Counts, after: Counts): Measured {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const requests = answers + failed;
  return {
    requests,
    failures: failed,
    p50Ms: latencyMs.p50,
    p95Ms: latencyMs.p95,
    inTime,
    overflowShare: (after.overflowed - before.overflowed) / requests,
    usdPerMillion: ((after.totalUsd - before.totalUsd) / requests) * 1e6,
  };
}

async function simulate({ name, phases }: Scenario, profile: SimulatedProfile): Promise<Measured> {
  const timesMs = Float64Array.from(poissonArrivals(phases, new SeededRandom(seed)));
  const durationMs = phases.reduce((sum, { forMs }) => sum + forMs, 0);
  const result = await new Simulation({
    load: { name, source: { kind: 'times', timesMs }, durationMs, history: [], historySlotMs: 60_000, isSeasonal: false },
    policy: 'static:1+overflow',
    profile,
    objective: parseObjective(objective),
    leadMs: null,
    memoryMiB,
    instancesMax: 1,
    seed,
    serviceSeed: seed,
    misfortune: { launchFailureShare: 0, interruptionsPerHour: 0 },
    isCorrecting: false,
  }).run();
  return {
    requests: result.requests,
    failures: result.dropped + result.rejected,
    p50Ms: result.p50Ms ?? 0,
    p95Ms: result.p95Ms ?? 0,
    inTime: result.attainment,
    overflowShare: result.overflowShare,
    usdPerMillion: result.costUsdPerMillion ?? 0,
  };
}
