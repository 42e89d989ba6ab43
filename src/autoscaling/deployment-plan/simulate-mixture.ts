/**
 * Simulates a mixture of instances and functions request by request, with the rules of serving. An idle instance takes waiting
 * requests at once. If all are busy, requests that would miss the objective go to functions, which hold batches open. Two
 * simplifications make the result slightly too expensive, never too cheap: instances never take back a held batch, and requests
 * that are waiting are not moved to functions later. Pure.
 */
import { type FunctionPrices, functionUsd } from '../../costs/index.ts';
import { type HoldPolicy, predictCompletionMs, type ReplayedBatch, replayBatches, type Server } from '../../queueing/index.ts';
import { SeededRandom } from '../../random.ts';
import type { GeneratedLoad } from './generated-load.ts';
import type { ServiceDraws } from './service-draws.ts';

/** The instances of a mixture: all of one type. */
export interface SimulatedInstanceUse {
  readonly count: number;
  /** B: maximum rows per batch. */
  readonly batchSize: number;
  readonly service: ServiceDraws;
}

/** The functions of a mixture: all of one memory size. */
export interface SimulatedFunctionUse {
  readonly memoryMiB: number;
  readonly batchSizeMax: number;
  readonly service: ServiceDraws;
  readonly coldMs: number;
  readonly maxConcurrency: number;
  readonly keepAliveMs: number;
  /** Number of environments kept warm without requests. */
  readonly provisioned: number;
  readonly prices: FunctionPrices;
}

/** Instances and functions that serve the same requests; null: none. */
export interface Mixture {
  readonly instances: SimulatedInstanceUse | null;
  readonly functions: SimulatedFunctionUse | null;
  /** Latency of the objective, in milliseconds. */
  readonly latencyMs: number;
  /** Milliseconds for transfer to a worker and back, plus encoding. */
  readonly overheadMs: number;
}

/** What a simulated mixture did. */
export interface SimulatedMixture {
  /** Times from arrival to response in milliseconds, ascending. */
  readonly latenciesMs: Float64Array;
  /** Share of requests served by functions. */
  readonly overflowShare: number;
  /** Share of function batches that waited for a cold start. */
  readonly coldStartShare: number;
  /** Mean number of requests per function batch; 0 if there are none. */
  readonly meanFunctionBatch: number;
  readonly functionUsdPerHour: number;
  /** Maximum number of environments busy at the same time. */
  readonly functionsBusyMax: number;
}

/** Simulates the load. Deterministic. */
export function simulateMixture(load: GeneratedLoad, mixture: Mixture): SimulatedMixture {
  const { arrivalsMs, durationMs } = load;
  const { instances, functions, overheadMs } = mixture;
  const latenciesMs = new Float64Array(arrivalsMs.length).fill(Number.POSITIVE_INFINITY);
  const left = instances === null ? arrivalsMs : new InstancePool(load, latenciesMs, instances, mixture).run();
  const called = functions === null || left.length === 0 ? noCalls : new FunctionCalls(left, functions, mixture).run(durationMs);
  // Requests without a latency so far were passed to functions.
  for (let i = 0, next = 0; i < latenciesMs.length && next < called.latenciesMs.length; i++) {
    if (latenciesMs[i] === Number.POSITIVE_INFINITY) latenciesMs[i] = (called.latenciesMs[next++] as number) + overheadMs;
  }
  return {
    latenciesMs: latenciesMs.sort(),
    overflowShare: arrivalsMs.length === 0 ? 0 : left.length / arrivalsMs.length,
    coldStartShare: called.batches === 0 ? 0 : called.coldStarts / called.batches,
    meanFunctionBatch: called.batches === 0 ? 0 : left.length / called.batches,
    functionUsdPerHour: (called.usd * 3_600_000) / durationMs,
    functionsBusyMax: called.busyMax,
  };
}

/** Index that marks a waiting request whose latency is not counted. */
const uncounted = -1;

/** Instances with one queue in order of arrival, which is also the order of deadlines. */
class InstancePool {
  readonly #load: GeneratedLoad;
  readonly #arrivalsMs: Float64Array;
  readonly #latenciesMs: Float64Array;
  readonly #instances: SimulatedInstanceUse;
  readonly #mixture: Mixture;
  readonly #random = new SeededRandom(2);
  /** Per instance: the time at which it becomes free, and the estimate of that time. */
  readonly #freeAtMs: Float64Array;
  readonly #foreseenMs: Float64Array;
  readonly #servers: { residualMs: number; readonly batchSizeMax: number; readonly fullBatchMs: number }[];
  /** Indexes of waiting requests; entries before `#head` are done. */
  readonly #queue: number[] = [];
  #head = 0;

  constructor(load: GeneratedLoad, latenciesMs: Float64Array, instances: SimulatedInstanceUse, mixture: Mixture) {
    this.#load = load;
    this.#arrivalsMs = load.arrivalsMs;
    this.#latenciesMs = latenciesMs;
    this.#instances = instances;
    this.#mixture = mixture;
    const { count, batchSize, service } = instances;
    this.#freeAtMs = new Float64Array(count);
    this.#foreseenMs = new Float64Array(count);
    const fullBatchMs = service.dispatchMs(batchSize);
    this.#servers = Array.from({ length: count }, () => ({ residualMs: 0, batchSizeMax: batchSize, fullBatchMs }));
  }

  /** Runs the simulation. Returns the arrival times of requests passed to functions. */
  run(): Float64Array {
    const { functions } = this.#mixture;
    const left: number[] = [];
    const stretches = this.#load.stretches.values();
    let next = stretches.next().value;
    for (let i = 0; i < this.#arrivalsMs.length; i++) {
      const nowMs = this.#arrivalsMs[i] as number;
      this.#serveUntil(nowMs);
      if (next !== undefined && nowMs >= next.beginMs) {
        if (functions !== null && next.ratePerSecond > this.#ratePerSecond) this.#fill(nowMs);
        next = stretches.next().value;
      }
      const soonest = this.#soonest();
      if ((this.#freeAtMs[soonest] as number) <= nowMs) {
        this.#queue.push(i);
        this.#start(soonest, nowMs);
      } else if (functions !== null && this.#wouldMiss(nowMs)) left.push(nowMs);
      else this.#queue.push(i);
    }
    this.#serveUntil(Number.POSITIVE_INFINITY);
    return Float64Array.from(left);
  }

  /** Throughput with full batches, in requests per second. */
  get #ratePerSecond(): number {
    const { count, batchSize, service } = this.#instances;
    return (1000 * count * batchSize) / service.plannedMs(batchSize);
  }

  /**
   * A stretch above capacity lasts much longer than its simulated part. So it starts in steady state, with as many uncounted
   * requests waiting as can just meet the objective.
   */
  #fill(nowMs: number): void {
    const most = (this.#ratePerSecond * this.#mixture.latencyMs) / 1000;
    for (let waiting = 0; waiting < most && !this.#wouldMiss(nowMs); waiting++) this.#queue.push(uncounted);
    this.#serveUntil(nowMs);
  }

  #soonest(): number {
    let soonest = 0;
    for (let i = 1; i < this.#freeAtMs.length; i++) {
      if ((this.#freeAtMs[i] as number) < (this.#freeAtMs[soonest] as number)) soonest = i;
    }
    return soonest;
  }

  #serveUntil(nowMs: number): void {
    while (this.#head < this.#queue.length) {
      const soonest = this.#soonest();
      const freeMs = this.#freeAtMs[soonest] as number;
      if (freeMs > nowMs) return;
      this.#start(soonest, freeMs);
    }
  }

  #start(instance: number, nowMs: number): void {
    const { batchSize, service } = this.#instances;
    const rows = Math.min(batchSize, this.#queue.length - this.#head);
    const doneMs = nowMs + service.drawMs(rows, this.#random);
    for (const end = this.#head + rows; this.#head < end; this.#head++) {
      const i = this.#queue[this.#head] as number;
      if (i !== uncounted) this.#latenciesMs[i] = doneMs + this.#mixture.overheadMs - (this.#arrivalsMs[i] as number);
    }
    this.#freeAtMs[instance] = doneMs;
    this.#foreseenMs[instance] = nowMs + service.dispatchMs(rows);
  }

  #wouldMiss(nowMs: number): boolean {
    const { latencyMs, overheadMs } = this.#mixture;
    for (const [i, server] of this.#servers.entries()) server.residualMs = Math.max(0, (this.#foreseenMs[i] as number) - nowMs);
    const servers: readonly Server[] = this.#servers;
    return predictCompletionMs(servers, this.#queue.length - this.#head) + overheadMs > latencyMs;
  }
}

interface Calls {
  /** Latencies in order of arrival, without the overhead. */
  readonly latenciesMs: Float64Array;
  readonly batches: number;
  readonly coldStarts: number;
  readonly usd: number;
  readonly busyMax: number;
}

const noCalls: Calls = { latenciesMs: new Float64Array(0), batches: 0, coldStarts: 0, usd: 0, busyMax: 0 };

/**
 * Function environments. As in serving, the slack rule decides how long a batch is held, and the most recently used idle
 * environment runs it.
 */
class FunctionCalls {
  readonly #arrivalsMs: Float64Array;
  readonly #functions: SimulatedFunctionUse;
  readonly #held: readonly ReplayedBatch[];
  readonly #latenciesMs: Float64Array;
  /** Time at which each environment becomes or became free. Provisioned environments come first and are never removed. */
  #freeAtMs: number[];

  constructor(arrivalsMs: Float64Array, functions: SimulatedFunctionUse, { latencyMs, overheadMs }: Mixture) {
    const { batchSizeMax, service, provisioned } = functions;
    const policy: HoldPolicy = batchSizeMax === 1 ? { kind: 'none' } : { kind: 'slack', batchSizeMax, serviceMs: service.dispatchMs };
    this.#arrivalsMs = arrivalsMs;
    this.#functions = functions;
    this.#held = replayBatches(arrivalsMs, policy, latencyMs - overheadMs);
    this.#latenciesMs = new Float64Array(arrivalsMs.length);
    this.#freeAtMs = Array.from({ length: provisioned }, () => Number.NEGATIVE_INFINITY);
  }

  /** Runs the load twice and reports the second run, because a plan is about the time after the first cold start. */
  run(durationMs: number): Calls {
    this.#once();
    this.#freeAtMs = this.#freeAtMs.map((ms) => ms - durationMs);
    return this.#once();
  }

  #once(): Calls {
    const { service, coldMs, maxConcurrency, memoryMiB, prices } = this.#functions;
    const random = new SeededRandom(3);
    let [coldStarts, usd, busyMax] = [0, 0, 0];
    for (const { first, rows, dispatchedMs } of this.#held) {
      this.#end(dispatchedMs);
      const idle = this.#idle(dispatchedMs);
      const serviceMs = service.drawMs(rows, random);
      const isCold = idle < 0 && this.#freeAtMs.length < maxConcurrency;
      if (isCold) coldStarts++;
      // The environment is started when the batch opens, not when it is dispatched.
      const startMs =
        idle >= 0
          ? dispatchedMs
          : isCold
            ? Math.max(dispatchedMs, (this.#arrivalsMs[first] as number) + coldMs)
            : Math.min(...this.#freeAtMs);
      const taken = idle >= 0 ? idle : isCold ? this.#freeAtMs.length : this.#freeAtMs.indexOf(startMs);
      this.#freeAtMs[taken] = startMs + serviceMs;
      busyMax = Math.max(
        busyMax,
        this.#freeAtMs.reduce((busy, ms) => busy + Number(ms > dispatchedMs), 0),
      );
      usd += functionUsd(prices, memoryMiB, serviceMs + (isCold ? coldMs : 0));
      for (let i = first; i < first + rows; i++) this.#latenciesMs[i] = startMs + serviceMs - (this.#arrivalsMs[i] as number);
    }
    return { latenciesMs: this.#latenciesMs, batches: this.#held.length, coldStarts, usd, busyMax };
  }

  #idle(nowMs: number): number {
    let idle = -1;
    for (let i = 0; i < this.#freeAtMs.length; i++) {
      const ms = this.#freeAtMs[i] as number;
      if (ms <= nowMs && (idle < 0 || ms > (this.#freeAtMs[idle] as number))) idle = i;
    }
    return idle;
  }

  #end(nowMs: number): void {
    const { keepAliveMs, provisioned } = this.#functions;
    const isOver = (ms: number, i: number): boolean => i >= provisioned && nowMs - ms > keepAliveMs;
    if (this.#freeAtMs.some(isOver)) this.#freeAtMs = this.#freeAtMs.filter((ms, i) => !isOver(ms, i));
  }
}
