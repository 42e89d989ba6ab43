/**
 * A selection on one instance, as it is served: the pool, its queue, the rung rule and the credit of a server, in virtual time, with workers
 * that answer as the models did and take the simulator's times. So the simulator can be compared with the code that serves, on any machine.
 */
import assert from 'node:assert/strict';
import { VirtualClock } from '../../src/clock.ts';
import type { LadderConfig, LadderRung } from '../../src/deployment/index.ts';
import { type Profile, ServiceTable } from '../../src/profiling/index.ts';
import { compositeMeanMs, compositeQuantileMs } from '../../src/queueing/index.ts';
import { SeededRandom } from '../../src/random.ts';
import type { ModelVersion } from '../../src/registry/index.ts';
import { stages } from '../../src/runtime/index.ts';
import type { InferenceOutcome } from '../../src/serving/index.ts';
import { VariantPool } from '../../src/serving/variant-pool.ts';
import type { SelectionSimulationSpec } from '../../src/simulation/index.ts';
import { loadArrivals } from '../../src/simulation/load/load.ts';
import { gauss } from '../../src/simulation/load/load-generators.ts';

interface ServedResult {
  readonly requests: number;
  readonly failed: number;
  readonly attainment: number;
  readonly accuracy: number;
  /** Share of the rows by plan. */
  readonly shares: ReadonlyMap<string, number>;
}

type Plan = Extract<SelectionSimulationSpec['serving'], { kind: 'ladder' }>['rungs'][number];

const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }], outputs: [] } as const;
const model = { name: 'a/1', group: 'a', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } } as unknown as ModelVersion;
const changeMs = 0.03;
const variation = 0.1;
const shortestShare = 0.5;

/** Serves the load of a simulation of a ladder on a fixed fleet of one instance, with the same arrivals and rows. */
export async function serve(spec: SelectionSimulationSpec, ratePerSecond: number): Promise<ServedResult> {
  const { serving, objective, load, seed, serviceSeed, labels, models, overheadMs } = spec;
  assert(serving.kind === 'ladder', 'only ladders are compared');
  const clock = new VirtualClock();
  const random = new SeededRandom(serviceSeed);
  const { rungs } = serving;
  const byName = new Map(models.map((each) => [each.name, each]));
  const timesOf = (name: string): Float64Array => byName.get(name)?.medianMs as Float64Array;
  const tables = rungs.map((plan) => new ServiceTable(profileOf(plan, timesOf, objective.percentile / 100)));
  const ladder = ladderOf(rungs, serving.floor, ratePerSecond);
  const settings = { objective, late: 'serve', timeoutMs: 60_000, queueRowsMax: 1_000_000, functions: null, ladder } as const;
  const pool = new VariantPool({ endpoint: 'e', variant: 'AllTraffic', model }, settings, {
    clock,
    serviceTable: (_executor, rung = 0) => tables[rung] as ServiceTable,
    onDispatch: () => undefined,
    restart: () => undefined,
    overheadMs,
  });
  let freeAtMs = 0;
  pool.attach({
    id: 'w1',
    instanceType: 'local.1',
    coldStartMs: 0,
    charge: () => 0,
    run: (requests, done, number = 0) => {
      const plan = rungs[number] as Plan;
      const stage = Uint8Array.from(requests, ({ call }) =>
        stageOf(plan, byName.get(plan.first)?.unsureness ?? null, Number(call.requestId)),
      );
      const goOn = stage.reduce((sum, each) => sum + each, 0);
      const second = goOn === 0 ? 0 : (timesOf(plan.second as string)[goOn] as number) + changeMs;
      const ms = ((timesOf(plan.first)[requests.length] as number) + second) * Math.max(shortestShare, 1 + variation * gauss(random));
      freeAtMs = Math.max(freeAtMs, clock.nowMs()) + ms;
      const rows = { stage, confidence: new Float32Array(stage.length), firstMs: ms - second, secondMs: second };
      const answer = { kind: 'done', outputs: requests.map(() => []), timings: { inMs: 0, runMs: ms, outMs: 0 }, rows } as const;
      clock.after(freeAtMs - clock.nowMs(), () => done(answer));
    },
  });

  const counts = { requests: 0, failed: 0, inTime: 0, right: 0 };
  const byPlan = new Map<string, number>();
  const settled = (outcome: InferenceOutcome, row: number, arrivedAtMs: number): void => {
    if (!outcome.ok || outcome.result.answered === undefined) {
      counts.failed++;
      return;
    }
    if (clock.nowMs() - arrivedAtMs + overheadMs <= objective.latencyMs) counts.inTime++;
    const { rung, stage } = outcome.result.answered;
    byPlan.set(rung.name, (byPlan.get(rung.name) ?? 0) + 1);
    const answering = byName.get(stage[0] === stages.second ? (rung.second as string) : rung.first);
    if (answering?.predictions[row] === labels[row]) counts.right++;
  };
  const rowRandom = new SeededRandom(seed + 1);
  const arrivals = loadArrivals(load, seed);
  for (let next = arrivals.next(); next.done !== true; next = arrivals.next()) {
    for (const ms of next.value) {
      clock.advance(ms - clock.nowMs());
      await Promise.resolve();
      const row = Math.floor(rowRandom.next() * labels.length);
      const arrivedAtMs = clock.nowMs();
      counts.requests++;
      pool.submit({ requestId: String(row), inputs: [], rows: 1, arrivedAtMs }, (outcome) => settled(outcome, row, arrivedAtMs));
    }
  }
  clock.advance(settings.timeoutMs);
  await Promise.resolve();
  pool.close();
  const answered = counts.requests - counts.failed;
  return {
    requests: counts.requests,
    failed: counts.failed,
    attainment: counts.inTime / counts.requests,
    accuracy: counts.right / answered,
    shares: new Map([...byPlan].map(([name, rows]) => [name, rows / answered])),
  };
}

function stageOf({ second, threshold }: Plan, unsureness: Float64Array | null, row: number): number {
  return second !== null && (unsureness?.[row] ?? 0) > threshold ? stages.second : stages.first;
}

function ladderOf(rungs: readonly Plan[], floor: number | null, ratePerSecond: number): LadderConfig {
  const most = Math.max(...rungs.map(({ accuracy }) => accuracy));
  return {
    models: [...new Set(rungs.flatMap(({ first, second }) => (second === null ? [first] : [first, second])))],
    rungs: rungs.map(({ name, first, second, threshold, accuracy, escalated }): LadderRung => {
      return { name, first, second, threshold, accuracy, lower: accuracy, isCertified: true, escalated };
    }),
    floorRung: floor === null ? 0 : rungs.findIndex(({ accuracy }) => accuracy >= floor),
    floor,
    creditRowsMax: floor === null ? 0 : (most - floor) * ratePerSecond * 3600,
  };
}

/** As measured by a profile of the plan: the composite of its models. */
function profileOf(plan: Plan, timesOf: (name: string) => Float64Array, share: number): Profile {
  const [first, second] = [timesOf(plan.first), plan.second === null ? null : timesOf(plan.second)];
  const composite = {
    first: (rows: number) => first[rows] as number,
    second: second === null ? null : (rows: number) => second[rows] as number,
    escalated: plan.escalated,
  };
  const service = [1, 2, 4, 8, 16, 32].map((b) => {
    const [medianMs, tailMs] = [compositeMeanMs(composite, b), compositeQuantileMs(composite, b, share)];
    return {
      b,
      p50Ms: medianMs,
      p95Ms: tailMs,
      p99Ms: tailMs,
      samples: Array.from({ length: 200 }, (_, i) => (i < 185 ? medianMs : tailMs)),
      rssMiB: 0,
    };
  });
  return { executor: 'instance:local.1', service, measuredAtMs: 0, loadMs: 0, batchMax: 32, notes: [] };
}
