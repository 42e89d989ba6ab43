/**
 * A mixture of instances and functions, played out request by request under the rules that serve: an idle instance takes what waits at
 * once; where all are busy, who would miss the objective goes to the functions, which hold a batch for company. What is left out makes
 * it a little too dear, never too cheap: held company is not taken back by an instance, and nobody who waits is rescued later. Pure.
 */
import { type FunctionPrices, functionUsd } from '../../costs/index.ts';
import { type HoldPolicy, predictCompletionMs, type ReplayedBatch, replayBatches, type Server } from '../../queueing/index.ts';
import { SeededRandom } from '../../random.ts';
import type { PlayedLoad } from './played-load.ts';
import type { ServiceDraws } from './service-draws.ts';

export interface PlayedInstances {
  readonly count: number;
  /** B: rows one takes at once. */
  readonly batchSize: number;
  readonly service: ServiceDraws;
}

export interface PlayedFunctions {
  readonly memoryMiB: number;
  readonly batchSizeMax: number;
  readonly service: ServiceDraws;
  readonly coldMs: number;
  readonly maxConcurrency: number;
  readonly keepAliveMs: number;
  /** So many stay warm without requests. */
  readonly provisioned: number;
  readonly prices: FunctionPrices;
}

export interface Mixture {
  readonly instances: PlayedInstances | null;
  readonly functions: PlayedFunctions | null;
  /** What the objective leaves: its latency. */
  readonly latencyMs: number;
  /** The way to a worker and back, and the encoding of an answer. */
  readonly overheadMs: number;
}

export interface Played {
  /** Arrival to answer, rising. */
  readonly latenciesMs: Float64Array;
  /** Share of the requests that functions answered. */
  readonly overflowShare: number;
  /** Share of the functions' batches that waited for a start. */
  readonly coldStartShare: number;
  /** Requests in a batch of the functions, in the mean; 0 without any. */
  readonly meanFunctionBatch: number;
  readonly functionUsdPerHour: number;
  /** Functions busy at once, at most. */
  readonly functionsBusyMax: number;
}

export function playMixture(load: PlayedLoad, mixture: Mixture): Played {
  const { arrivalsMs, durationMs } = load;
  const { instances, functions, overheadMs } = mixture;
  const latenciesMs = new Float64Array(arrivalsMs.length).fill(Number.POSITIVE_INFINITY);
  const left = instances === null ? arrivalsMs : new InstancePool(load, latenciesMs, instances, mixture).run();
  const called = functions === null || left.length === 0 ? noCalls : new FunctionCalls(left, functions, mixture).run(durationMs);
  // Which of them were left is known by what they have not got yet.
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

/** Somebody who waits and is not counted. */
const nobody = -1;

/** Instances with one queue, in the order of arrival, which is that of the deadlines. */
class InstancePool {
  readonly #load: PlayedLoad;
  readonly #arrivalsMs: Float64Array;
  readonly #latenciesMs: Float64Array;
  readonly #instances: PlayedInstances;
  readonly #mixture: Mixture;
  readonly #random = new SeededRandom(2);
  /** By instance: when it is free, and when it was foreseen to be. */
  readonly #freeAtMs: Float64Array;
  readonly #foreseenMs: Float64Array;
  readonly #servers: { residualMs: number; readonly batchSizeMax: number; readonly fullBatchMs: number }[];
  /** Indexes of those that wait, from `#head` on. */
  readonly #queue: number[] = [];
  #head = 0;

  constructor(load: PlayedLoad, latenciesMs: Float64Array, instances: PlayedInstances, mixture: Mixture) {
    this.#load = load;
    this.#arrivalsMs = load.arrivalsMs;
    this.#latenciesMs = latenciesMs;
    this.#instances = instances;
    this.#mixture = mixture;
    const { count, batchSize, service } = instances;
    this.#freeAtMs = new Float64Array(count);
    this.#foreseenMs = new Float64Array(count);
    const fullBatchMs = service.quantileMs(batchSize);
    this.#servers = Array.from({ length: count }, () => ({ residualMs: 0, batchSizeMax: batchSize, fullBatchMs }));
  }

  /** Answers when those came whom it leaves to functions. */
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

  /** What they carry with full batches. */
  get #ratePerSecond(): number {
    const { count, batchSize, service } = this.#instances;
    return (1000 * count * batchSize) / service.quantileMs(batchSize);
  }

  /**
   * A stretch that they cannot carry lasts much longer than it is played. So it begins as it goes on: with as many waiting as
   * can just make it, of whom nothing is counted.
   */
  #fill(nowMs: number): void {
    const most = (this.#ratePerSecond * this.#mixture.latencyMs) / 1000;
    for (let waiting = 0; waiting < most && !this.#wouldMiss(nowMs); waiting++) this.#queue.push(nobody);
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
      if (i !== nobody) this.#latenciesMs[i] = doneMs + this.#mixture.overheadMs - (this.#arrivalsMs[i] as number);
    }
    this.#freeAtMs[instance] = doneMs;
    this.#foreseenMs[instance] = nowMs + service.quantileMs(rows);
  }

  #wouldMiss(nowMs: number): boolean {
    const { latencyMs, overheadMs } = this.#mixture;
    for (const [i, server] of this.#servers.entries()) server.residualMs = Math.max(0, (this.#foreseenMs[i] as number) - nowMs);
    const servers: readonly Server[] = this.#servers;
    return predictCompletionMs(servers, this.#queue.length - this.#head) + overheadMs > latencyMs;
  }
}

interface Calls {
  /** In the order of arrival, without the overhead. */
  readonly latenciesMs: Float64Array;
  readonly batches: number;
  readonly coldStarts: number;
  readonly usd: number;
  readonly busyMax: number;
}

const noCalls: Calls = { latenciesMs: new Float64Array(0), batches: 0, coldStarts: 0, usd: 0, busyMax: 0 };

/** Batches are held as the slack rule says; of the environments that are idle the one used last is taken, as in serving. */
class FunctionCalls {
  readonly #arrivalsMs: Float64Array;
  readonly #functions: PlayedFunctions;
  readonly #held: readonly ReplayedBatch[];
  readonly #latenciesMs: Float64Array;
  /** When each environment is free, or has been since. Those that are provisioned come first, and stay. */
  #freeAtMs: number[];

  constructor(arrivalsMs: Float64Array, functions: PlayedFunctions, { latencyMs, overheadMs }: Mixture) {
    const { batchSizeMax, service, provisioned } = functions;
    const policy: HoldPolicy = batchSizeMax === 1 ? { kind: 'none' } : { kind: 'slack', batchSizeMax, serviceMs: service.longestMs };
    this.#arrivalsMs = arrivalsMs;
    this.#functions = functions;
    this.#held = replayBatches(arrivalsMs, policy, latencyMs - overheadMs);
    this.#latenciesMs = new Float64Array(arrivalsMs.length);
    this.#freeAtMs = Array.from({ length: provisioned }, () => Number.NEGATIVE_INFINITY);
  }

  /** Twice, and the second time is told: a plan is for the days after the first start. */
  run(durationMs: number): Calls {
    this.#once();
    this.#freeAtMs = this.#freeAtMs.map((ms) => ms - durationMs);
    return this.#once();
  }

  #once(): Calls {
    const { service, coldMs, maxConcurrency, memoryMiB, prices } = this.#functions;
    const random = new SeededRandom(3);
    let [coldStarts, usd, busyMax] = [0, 0, 0];
    for (const { first, rows, leftMs } of this.#held) {
      this.#end(leftMs);
      const idle = this.#idle(leftMs);
      const serviceMs = service.drawMs(rows, random);
      const isCold = idle < 0 && this.#freeAtMs.length < maxConcurrency;
      if (isCold) coldStarts++;
      // It is started when the batch opens, not when it leaves.
      const startMs =
        idle >= 0 ? leftMs : isCold ? Math.max(leftMs, (this.#arrivalsMs[first] as number) + coldMs) : Math.min(...this.#freeAtMs);
      const taken = idle >= 0 ? idle : isCold ? this.#freeAtMs.length : this.#freeAtMs.indexOf(startMs);
      this.#freeAtMs[taken] = startMs + serviceMs;
      busyMax = Math.max(
        busyMax,
        this.#freeAtMs.reduce((busy, ms) => busy + Number(ms > leftMs), 0),
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
