/** One variant on one simulated instance, under an open or a closed load: the product's pool on a virtual clock. */
import { parseObjective } from '../../src/objective.ts';
import type { Company } from '../../src/queueing/index.ts';
import { exponentialMs, SeededRandom } from '../../src/random.ts';
import { VariantPool } from '../../src/serving/index.ts';
import { EventLoop } from '../../src/simulation/simulated/event-loop.ts';
import { SimulatedExecutor } from '../../src/simulation/simulated/executors.ts';
import { SimulatedServiceLaw } from '../../src/simulation/simulated/service-law.ts';
import { simulatedModel } from '../../src/simulation/simulated/simulated-pool.ts';
import { percentileOf } from '../load/latencies.ts';

export type Rule = (company: Company) => number;

export type StudyLoad =
  /** Poisson arrivals; with a second rate, the rates take turns of exponential length (means 4 s and 1 s). */
  | { readonly kind: 'open'; readonly ratePerSecond: number; readonly burstPerSecond?: number }
  /** Clients that wait for their response. One processor serves gateway and clients, for `turnMs` for each request. */
  | { readonly kind: 'closed'; readonly clients: number; readonly turnMs: number };

export interface StudySpec {
  readonly load: StudyLoad;
  readonly objectiveMs: number;
  /** S(b) as [b, median], linear in between. */
  readonly service: readonly (readonly [b: number, ms: number])[];
  /** S95 by S50. */
  readonly tail?: number;
  readonly rule: Rule;
  readonly forMs: number;
}

export interface StudyResult {
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly inTime: number;
  readonly meanBatch: number;
  /** Share of the time in which the instance ran a batch. */
  readonly busy: number;
}

const warmUpMs = 3000;
const turnsMs = { quiet: 4000, burst: 1000 } as const;

export function study({ load, objectiveMs, service, tail = 1.15, rule, forMs }: StudySpec): StudyResult {
  const loop = new EventLoop(0);
  const [random, arrivalRandom] = [new SeededRandom(3), new SeededRandom(5)];
  const law = new SimulatedServiceLaw(service.map(([b, ms]) => ({ b, p50Ms: ms, p95Ms: ms * tail, p99Ms: ms * tail * 1.1 })));
  const settings = { objective: parseObjective(`p95<=${objectiveMs}ms`), late: 'serve', timeoutMs: 60_000, queueRowsMax: 10_000 } as const;
  const batches = { count: 0, rows: 0, busyMs: 0 };
  const isMeasured = (): boolean => loop.nowMs() >= warmUpMs;
  const names = { endpoint: 'e', variant: 'v', model: simulatedModel('m') };
  const pool = new VariantPool(
    names,
    { ...settings, functions: null },
    { clock: loop, serviceTable: () => law.table, onDispatch: () => {}, restart: () => {}, companyWaitMs: rule },
  );
  const executor = new SimulatedExecutor(loop, (rows) => {
    const ms = law.drawMs(random, rows);
    if (isMeasured()) {
      batches.count++;
      batches.rows += rows;
      batches.busyMs += ms;
    }
    return ms;
  });
  pool.attach({ id: 'i', instanceType: 'local.1', coldStartMs: 0, run: executor.run, charge: () => 0 });
  const latenciesMs: number[] = [];
  const send = (answered: () => void): void => {
    const arrivedAtMs = loop.nowMs();
    pool.submit({ requestId: '', inputs: [], rows: 1, arrivedAtMs }, (outcome) => {
      if (isMeasured() && outcome.ok) latenciesMs.push(loop.nowMs() - arrivedAtMs);
      answered();
    });
  };
  if (load.kind === 'open') openLoad(loop, arrivalRandom, load, () => send(() => {}));
  else closedLoad(loop, load, send);
  const endMs = warmUpMs + forMs;
  while (loop.nextMs <= endMs) loop.step();
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    ratePerSecond: (latenciesMs.length / forMs) * 1000,
    p50Ms: percentileOf(sorted, 50),
    p95Ms: percentileOf(sorted, 95),
    inTime: latenciesMs.filter((ms) => ms <= objectiveMs).length / latenciesMs.length,
    meanBatch: batches.rows / batches.count,
    busy: batches.busyMs / forMs,
  };
}

function openLoad(loop: EventLoop, random: SeededRandom, load: StudyLoad & { kind: 'open' }, send: () => void): void {
  const { ratePerSecond, burstPerSecond = ratePerSecond } = load;
  let rate = ratePerSecond;
  const turn = (isBurst: boolean): void => {
    rate = isBurst ? burstPerSecond : ratePerSecond;
    loop.after(exponentialMs(random, 1000 / (isBurst ? turnsMs.burst : turnsMs.quiet)), () => turn(!isBurst));
  };
  turn(false);
  const next = (): void => {
    loop.after(exponentialMs(random, rate), () => {
      send();
      next();
    });
  };
  next();
}

/** Each response and the request that follows it take a turn of the processor, in order. */
function closedLoad(loop: EventLoop, { clients, turnMs }: StudyLoad & { kind: 'closed' }, send: (answered: () => void) => void): void {
  let freeAtMs = 0;
  const request = (): void => {
    freeAtMs = Math.max(freeAtMs, loop.nowMs()) + turnMs;
    loop.after(freeAtMs - loop.nowMs(), () => send(request));
  };
  for (let i = 0; i < clients; i++) request();
}
