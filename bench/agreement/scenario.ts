/**
 * Runs one load twice: on a live platform with autoscaling and overflow functions, and in the simulator. The simulator gets the same
 * requests at the same times, service times measured on this platform, and the preceding history.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Phase, poissonArrivals } from '../../src/cli/load/open-loop.ts';
import { parseObjective } from '../../src/objective.ts';
import { SeededRandom } from '../../src/random.ts';
import { functionOf, parseProfile, type SimulatedProfile, Simulation } from '../../src/simulation/index.ts';
import { type LoadReport, runLoad } from '../load/load.ts';
import { mmppPhases } from '../serverless/mmpp.ts';
import { Platform } from '../servers/platform.ts';
import { LiveEndpoint } from './live-endpoint.ts';
import type { Subject } from './subjects.ts';

/** Results of the live run or of the simulation. */
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
  /** The longest time this nearly idle process was not scheduled. Shows whether the machine stalled. */
  readonly stalledMs?: number;
  /** Decisions of the live platform during the run, with reasons. */
  readonly decided?: readonly string[];
}

const seed = 20_261_124;
const endpoint = 'agreement';
const instanceType = 'local.1';
const memoryMiB = 1769;
const instancesMax = 3;
const maxConcurrency = 4;
const keepAliveMs = 15_000;
const slotMs = 10_000;
const lengthMs = 60_000;
const light: readonly Phase[] = [{ ratePerSecond: 5, forMs: 10_000 }];

/** Loads relative to the capacity of one instance: steps up to more than two instances and back, and random bursts. */
function loadsOf({ perInstance }: Subject): readonly { readonly name: string; readonly phases: readonly Phase[] }[] {
  const rate = (share: number): number => Math.round(share * perInstance);
  const steps = [0.6, 1.5, 2.2, 0.8].map((share) => ({ ratePerSecond: rate(share), forMs: lengthMs / 4 }));
  const [quietPerSecond, burstPerSecond] = [rate(0.7), rate(2)];
  return [
    { name: `steps of ${steps.map(({ ratePerSecond }) => ratePerSecond).join(', ')}/s`, phases: steps },
    {
      name: `MMPP of ${quietPerSecond} and ${burstPerSecond}/s`,
      phases: mmppPhases({ quietPerSecond, burstPerSecond, quietMs: 6000, burstMs: 4000 }, lengthMs, seed),
    },
  ];
}

/** Runs both loads on one platform, one after the other, and simulates both. */
export async function compare(subject: Subject, say: (text: string) => void): Promise<Agreement[]> {
  const platform = new Platform({ PENSTOCK_START_DELAY: '5s' }, subject.config);
  try {
    await platform.start();
    const { url } = platform.server;
    await deploy(platform, subject);
    const live = new LiveEndpoint(url, endpoint);
    const load = (phases: readonly Phase[], beginAtMs?: number): Promise<LoadReport> => send(url, subject, phases, beginAtMs);
    // Service times are learned under a different load with the same peak, so that CPU contention is the same.
    await load([1.4, 2.2].map((share) => ({ ratePerSecond: Math.round(share * subject.perInstance), forMs: 15_000 })));
    await live.calm();
    const lightAtMs = Date.now();
    const { latencyMs } = await load(light);
    const overheadMs = Math.max(0, latencyMs.p50 - (await live.runP50Ms(lightAtMs)));
    const agreements: Agreement[] = [];
    for (const { name, phases } of loadsOf(subject)) {
      await live.calm();
      const profile = await profileNow(platform, live, overheadMs);
      const beginsAtMs = Math.ceil((Date.now() + 2000) / slotMs) * slotMs;
      const report = load(phases, beginsAtMs);
      await live.until(beginsAtMs);
      const before = await live.counts();
      const stalls = monitorEventLoopDelay({ resolution: 10 });
      stalls.enable();
      const reported = await report;
      stalls.disable();
      const measured = liveOf(reported, before, await live.counts());
      const history = await live.countsBefore(beginsAtMs, slotMs);
      const simulated = await simulate({ name, phases, subject, profile, history, beginsAtMs });
      const decided = await live.decisions(beginsAtMs);
      const agreement = { scenario: `${subject.name}: ${name}`, live: measured, simulated, stalledMs: stalls.max / 1e6, decided };
      say(JSON.stringify(agreement, null, 1));
      agreements.push(agreement);
    }
    return agreements;
  } finally {
    await platform.close();
  }
}

async function deploy(platform: Platform, { make, policy, objective, flags, isProfilable }: Subject): Promise<void> {
  const scaling = ['--scaling', policy, '--min-instances', '1', '--max-instances', String(instancesMax), '--instance-type', instanceType];
  const functions = ['--overflow', 'functions', '--memory', String(memoryMiB), '--batching', 'none'];
  const limits = ['--max-concurrency', String(maxConcurrency), '--keep-alive', `${keepAliveMs}ms`];
  const folder = mkdtempSync(join(tmpdir(), 'penstock-agreement-'));
  try {
    const requested = ['--approve', '--objective', objective, ...flags, ...scaling, ...functions, ...limits];
    await platform.run('deploy', make(folder), endpoint, ...requested);
  } finally {
    rmSync(folder, { recursive: true });
  }
  if (isProfilable) await platform.run('profile', `${endpoint}/1`, '--functions');
}

function send(url: URL, subject: Subject, phases: readonly Phase[], beginAtMs?: number): Promise<LoadReport> {
  return runLoad({
    host: url.hostname,
    port: Number(url.port),
    requests: [subject.request(url, endpoint)],
    shape: { kind: 'open', phases, seed, connections: 64, ...(beginAtMs === undefined ? {} : { beginAtMs }) },
    limitMs: parseObjective(subject.objective).latencyMs,
  });
}

/**
 * Service times measured while serving, the overhead per request (gateway, link and client, measured under a light load), and measured
 * start times.
 */
async function profileNow(platform: Platform, live: LiveEndpoint, overheadMs: number): Promise<SimulatedProfile> {
  const profile = parseProfile(await platform.run('profile', `${endpoint}/1`, '--served', '--output', 'json'), 'served');
  const { leadMs, coldMs } = await live.starts(instanceType);
  const [type] = profile.types.filter(({ name }) => name === instanceType);
  if (type === undefined) throw new Error(`${instanceType} served no requests`);
  const size = functionOf(profile, memoryMiB);
  return {
    ...profile,
    overheadMs,
    types: [{ ...type, leadMs }],
    functions: [{ ...size, coldMs: coldMs ?? size.coldMs }],
  };
}

type Counts = Awaited<ReturnType<LiveEndpoint['counts']>>;

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

interface Task {
  readonly name: string;
  readonly phases: readonly Phase[];
  readonly subject: Subject;
  readonly profile: SimulatedProfile;
  /** Requests per slot before the run. */
  readonly history: readonly (number | null)[];
  readonly beginsAtMs: number;
}

async function simulate({ name, phases, subject, profile, history, beginsAtMs }: Task): Promise<Measured> {
  const timesMs = Float64Array.from(poissonArrivals(phases, new SeededRandom(seed)));
  const result = await new Simulation({
    load: { name, source: { kind: 'times', timesMs }, durationMs: lengthMs, history, historySlotMs: slotMs, isSeasonal: true },
    policy: subject.policy,
    profile,
    objective: parseObjective(subject.objective),
    leadMs: null,
    memoryMiB,
    instancesMin: 1,
    instancesMax,
    functions: { maxConcurrency, provisioned: 0, keepAliveMs, warmMax: 2 },
    beginsAtMs,
    seed,
    serviceSeed: seed,
    faults: { launchFailureShare: 0, interruptionsPerHour: 0 },
    isCorrecting: true,
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
