/**
 * One always-on server that never waits for more requests. If idle, it runs a request at once; after each batch, it runs the next
 * min(waiting, B). Exact for Poisson arrivals and fixed service times, apart from a time grid. Takes tens of milliseconds, so it is
 * for planning only.
 */
import assert from 'node:assert/strict';
import { PlatformError } from '../../errors.ts';
import type { FixedService } from '../service-law.ts';
import { stationary } from './matrix.ts';
import type { WaitTable } from './wait-table.ts';

/** Longer queues count as this long. If that happens often, the result is not valid. */
const queueMax = 300;
const timeSteps = 60;

/** Input: Poisson arrivals at one server. */
export interface SingleServer {
  readonly ratePerSecond: number;
  readonly batchSizeMax: number;
  readonly service: FixedService;
}

/** Invalid if the server cannot keep up, or is so close to saturation that its queue does not fit the computation. */
export type WorkConservingWaits = { readonly valid: true; readonly table: WaitTable } | { readonly valid: false; readonly reason: string };

/**
 * The queue length q at completions is a Markov chain: q → (q − b)⁺ + Pois(λS(b)) with b = min(max(q, 1), B). Its stationary
 * distribution v gives p_b. Per batch, λ·S(b) requests arrive while it is served, at offsets u spread evenly over [0, S(b)]. A
 * request sees left = (q − b)⁺ requests left behind and k ~ Pois(λu) earlier arrivals, so it is number n = left + k + 1. f =
 * ⌊(n−1)/B⌋ full batches run before its own, and it waits S(b) − u + f·S(B). In this time Pois(λ·wait) more arrive and may join, so
 * its batch has z = min(B, n − fB + those). A request that finds the server idle waits 0 and runs alone: v_0 per batch.
 */
export function workConservingWaits({ ratePerSecond, batchSizeMax, service }: SingleServer): WorkConservingWaits {
  assert(
    Number.isInteger(batchSizeMax) && batchSizeMax >= 1 && batchSizeMax <= queueMax / 2,
    `invalid B: expected 1 to ${queueMax / 2}, got ${batchSizeMax}`,
  );
  if (!(ratePerSecond > 0))
    throw new PlatformError('invalid_request', `invalid arrival rate: expected above 0 per second, got ${ratePerSecond}`);
  const ratePerMs = ratePerSecond / 1000;
  const load = (ratePerMs * service.serviceMs(batchSizeMax)) / batchSizeMax;
  if (load >= 1) return { valid: false, reason: `one server is too few: full batches load it to ${(100 * load).toFixed(0)} %` };
  const queue = queueDistribution(ratePerMs, batchSizeMax, service);
  if ((queue[queueMax] as number) > 1e-6)
    return { valid: false, reason: `the server is too close to saturation: queues of ${queueMax} are not rare` };
  const batchSizePmf = new Float64Array(batchSizeMax + 1);
  for (const [q, share] of queue.entries()) {
    const b = Math.min(Math.max(q, 1), batchSizeMax);
    batchSizePmf[b] = (batchSizePmf[b] as number) + share;
  }
  const pieces = [{ fromMs: 0, toMs: 0, masses: alone(batchSizeMax, queue[0] as number) }];
  for (let b = 1; b <= batchSizeMax; b++) pieces.push(...waitsDuring(b, ratePerMs, batchSizeMax, service, behind(queue, b, batchSizeMax)));
  return { valid: true, table: new PiecewiseTable(batchSizePmf, pieces) };
}

function queueDistribution(ratePerMs: number, max: number, service: FixedService): Float64Array {
  const states = queueMax + 1;
  const transition = new Float64Array(states * states);
  for (let q = 0; q < states; q++) {
    const b = Math.min(Math.max(q, 1), max);
    const left = Math.max(0, q - b);
    for (const [k, probability] of poissonPmf(ratePerMs * service.serviceMs(b)).entries()) {
      const at = q * states + Math.min(queueMax, left + k);
      transition[at] = (transition[at] as number) + probability;
    }
  }
  const queue = stationary(transition, states);
  assert(queue !== null, 'a stable queue has one stationary distribution');
  return queue;
}

/** At index n: the probability that a batch has b requests and leaves n requests behind. */
function behind(queue: Float64Array, b: number, max: number): Float64Array {
  const left = b < max ? Float64Array.of(queue[b] as number) : queue.slice(max);
  if (b === 1) left[0] = (left[0] as number) + (queue[0] as number);
  return left;
}

interface Piece {
  readonly fromMs: number;
  readonly toMs: number;
  /** At index z: requests per batch that are in batches of size z and whose wait is in this piece. */
  readonly masses: Float64Array;
}

function alone(max: number, share: number): Float64Array {
  const masses = new Float64Array(max + 1);
  masses[1] = share;
  return masses;
}

function waitsDuring(b: number, ratePerMs: number, max: number, service: FixedService, left: Float64Array): Piece[] {
  const pieces: Piece[] = [];
  const serviceMs = service.serviceMs(b);
  const stepMs = serviceMs / timeSteps;
  for (let step = 0; step < timeSteps; step++) {
    const offsetMs = (step + 0.5) * stepMs;
    const earlier = poissonPmf(ratePerMs * offsetMs);
    const ahead = new Float64Array(left.length + earlier.length - 1);
    for (const [i, share] of left.entries()) {
      if (share < 1e-14) continue;
      for (const [k, probability] of earlier.entries()) ahead[i + k] = (ahead[i + k] as number) + share * probability * ratePerMs * stepMs;
    }
    for (let full = 0; full * max < ahead.length; full++) {
      const waitMs = serviceMs - offsetMs + full * service.serviceMs(max);
      const masses = new Float64Array(max + 1);
      const joining = poissonPmf(ratePerMs * waitMs);
      for (let place = 1; place <= max; place++) {
        const mass = ahead[full * max + place - 1] ?? 0;
        if (mass > 0) addBySize(masses, place, mass, joining);
      }
      pieces.push({ fromMs: waitMs - stepMs / 2, toMs: waitMs + stepMs / 2, masses });
    }
  }
  return pieces;
}

/**
 * Distributes the mass of a request that is number `place` in its batch over batch sizes; `joining` is the distribution of later
 * arrivals.
 */
function addBySize(masses: Float64Array, place: number, mass: number, joining: Float64Array): void {
  const max = masses.length - 1;
  let rest = mass;
  for (let z = place; z < max; z++) {
    const share = mass * (joining[z - place] ?? 0);
    masses[z] = (masses[z] as number) + share;
    rest -= share;
  }
  masses[max] = (masses[max] as number) + Math.max(0, rest);
}

/** Pois(mean; k) at index k, until the remainder is negligible; the last entry includes the remainder. */
function poissonPmf(mean: number): Float64Array {
  const count = Math.ceil(mean + 9 * Math.sqrt(mean) + 12);
  const pmf = new Float64Array(count);
  let log = -mean;
  let sum = 0;
  for (let k = 0; k < count; k++) {
    pmf[k] = Math.exp(log);
    sum += pmf[k] as number;
    log += Math.log(mean) - Math.log(k + 1);
  }
  pmf[count - 1] = (pmf[count - 1] as number) + Math.max(0, 1 - sum);
  return pmf;
}

class PiecewiseTable implements WaitTable {
  readonly source = 'poisson';
  readonly policy = 'work-conserving';
  readonly batchSizeMax: number;
  readonly waitMsMax = null;
  readonly batchSizePmf: Float64Array;
  readonly meanBatch: number;
  readonly sampleCount = null;
  readonly #pieces: readonly Piece[];
  /** At index b: corrects the error of the time grid, so the masses of b add up to b·p_b. */
  readonly #factors: Float64Array;

  constructor(batchSizePmf: Float64Array, pieces: readonly Piece[]) {
    this.batchSizeMax = batchSizePmf.length - 1;
    this.batchSizePmf = batchSizePmf;
    this.meanBatch = batchSizePmf.reduce((sum, share, b) => sum + b * share, 0);
    this.#pieces = pieces;
    this.#factors = batchSizePmf.map((share, b) => {
      const mass = pieces.reduce((sum, { masses }) => sum + (masses[b] as number), 0);
      return mass > 0 ? (b * share) / mass : 0;
    });
  }

  requestsWithin(batchSize: number, waitMs: number): number {
    let within = 0;
    for (const { fromMs, toMs, masses } of this.#pieces) {
      if (waitMs >= toMs) within += masses[batchSize] as number;
      else if (waitMs > fromMs) within += ((masses[batchSize] as number) * (waitMs - fromMs)) / (toMs - fromMs);
    }
    return within * (this.#factors[batchSize] as number);
  }

  forEachWaitMass(batchSize: number, visit: (fromMs: number, toMs: number, mass: number) => void): void {
    const factor = this.#factors[batchSize] as number;
    for (const { fromMs, toMs, masses } of this.#pieces) {
      const mass = (masses[batchSize] as number) * factor;
      if (mass > 0) visit(fromMs, toMs, mass);
    }
  }
}
