/**
 * A recorded or generated load, as plain data that can be sent to a thread. Slots before its beginning are history: the
 * forecaster learns from them, but they are not replayed.
 */
import { PlatformError } from '../../errors.ts';
import { exponentialMs, type Random, SeededRandom } from '../../random.ts';
import { threadTask } from '../../threads/index.ts';
import { arrivalChunksMs, joinSlots, mmppCounts, type SwitchingLoad, splitCount } from './load-generators.ts';
import type { Trace } from './trace.ts';

/** A part of a load with a constant rate. */
export interface RateStep {
  readonly ratePerSecond: number;
  /** Beginning of the step; it lasts until the next step. */
  readonly fromMs: number;
}

type Source =
  /** Requests at random times within slots. The counts are exact if the scale is 1, else Poisson around count × scale. */
  | {
      readonly kind: 'counts';
      readonly counts: readonly number[];
      /** Total rows of each slot's requests. Default: one row per request. */
      readonly rows?: readonly number[];
      readonly slotMs: number;
      readonly scale: number;
    }
  | { readonly kind: 'times'; readonly timesMs: Float64Array }
  /** A Poisson process whose rate changes at known times. */
  | { readonly kind: 'steps'; readonly steps: readonly RateStep[] };

/** What is replayed, and what came before it. */
export interface Load {
  /** Display name, such as `nasa.csv x 40` or `poisson:35`. */
  readonly name: string;
  readonly source: Source;
  readonly durationMs: number;
  /** Rows of each slot before the beginning, the most recent last; null if the count of a slot is unknown. */
  readonly history: readonly (number | null)[];
  readonly historySlotMs: number;
  /** True if days resemble each other, so daily patterns can be learned. */
  readonly isSeasonal: boolean;
}

/** The part of a load to replay. */
export interface LoadPart {
  readonly slotMs: number;
  /** Index of the first slot to replay; earlier slots are history. */
  readonly from: number;
  /** Number of slots. null: the whole trace, or one hour of a generated load. */
  readonly slots: number | null;
}

/** A load as a user writes it, with a seed. */
export interface LoadText extends LoadPart {
  /** Seed of the generated rates; arrival times use the seed of the simulation. */
  readonly loadSeed: number;
}

/** Maximum requests per slot; the arrivals of one slot must fit into memory. */
const slotCountMost = 2e7;
const slotsMost = 5_000_000;

/** The given part of a recorded load, with counts scaled by `scale`. Throws `invalid_request`. */
export function loadOfTrace(name: string, trace: Trace, { slotMs, from, slots }: LoadPart, scale = 1): Load {
  if (!(scale > 0 && scale <= 1e6)) throw wrong(`invalid scale of a load: expected above 0 and at most 1000000, got ${scale}`);
  if (trace.kind === 'times') return loadOfTimes(name, trace.timesMs, { slotMs, from, slots }, scale);
  const { counts } = trace;
  const until = endOf(name, counts.length, from, slots);
  const part = counts.slice(from, until);
  const fraction = part.findIndex((count) => !Number.isInteger(count));
  if (scale === 1 && fraction >= 0)
    throw wrong(
      `${name}: slot ${from + fraction} has ${part[fraction]} requests: fractional counts are allowed only with a scale other than 1`,
    );
  const busiest = part.reduce((most, count) => Math.max(most, count), 0) * scale;
  if (busiest > slotCountMost)
    throw wrong(`${name}: a slot of ${Math.round(busiest)} requests is too busy: expected at most ${slotCountMost}. Use shorter slots`);
  return {
    name: scale === 1 ? name : `${name} x ${scale}`,
    source: { kind: 'counts', counts: part, slotMs, scale },
    durationMs: part.length * slotMs,
    history: counts.slice(0, from).map((count) => Math.round(count * scale)),
    historySlotMs: slotMs,
    isSeasonal: true,
  };
}

/** Runs `parseLoad` in a thread, because a month of `mmpp` is generated second by second. */
export const parseLoadTask = threadTask(
  import.meta.url,
  'parseLoadTask',
  ({ text, part }: { readonly text: string; readonly part: LoadText }): Load => parseLoad(text, part),
);

function loadOfTimes(name: string, timesMs: Float64Array, { slotMs, from, slots }: LoadPart, scale: number): Load {
  if (scale !== 1) throw wrong(`${name}: a trace of single requests cannot be scaled. Leave out the scale`);
  const there = Math.floor((timesMs.at(-1) ?? 0) / slotMs) + 1;
  const until = endOf(name, there, from, slots);
  const history = new Array<number>(from).fill(0);
  for (const ms of timesMs) if (ms < from * slotMs) history[Math.floor(ms / slotMs)] = (history[Math.floor(ms / slotMs)] as number) + 1;
  const part = timesMs.filter((ms) => ms >= from * slotMs && ms < until * slotMs).map((ms) => ms - from * slotMs);
  const durationMs = (until - from) * slotMs;
  return { name, source: { kind: 'times', timesMs: part }, durationMs, history, historySlotMs: slotMs, isSeasonal: true };
}

/**
 * Parses `poisson:RATE`, `steps:RATE@S,...` (RATE from second S on) or `mmpp:L1,L2,MEAN1_S,MEAN2_S`. Throws `invalid_request`.
 */
export function parseLoad(text: string, { slotMs, from, slots, loadSeed }: LoadText): Load {
  const [kind = '', body = ''] = text.split(/:(.*)/s);
  const whole = slots ?? Math.max(1, Math.round(3_600_000 / slotMs));
  const durationMs = whole * slotMs;
  if (from + whole > slotsMost) throw wrong(`too many slots: expected at most ${slotsMost}, got ${from + whole}`);
  const common = { name: text, durationMs, historySlotMs: slotMs, isSeasonal: false };
  if (kind === 'mmpp') {
    const seconds = (slotMs * (from + whole)) / 1000;
    if (!Number.isInteger(slotMs / 1000) || seconds > 31 * 86_400)
      throw wrong('an mmpp load needs slots of whole seconds and lasts at most 31 days, including the part before --from');
    const counts = mmppCounts(new SeededRandom(loadSeed), seconds, switchingOf(body));
    const before = (from * slotMs) / 1000;
    const source = { kind: 'counts', counts: counts.slice(before), slotMs: 1000, scale: 1 } as const;
    return { ...common, source, history: counts.slice(0, before), historySlotMs: 1000 };
  }
  if (from > 0) throw wrong(`a ${kind} load has no history. Leave out --from`);
  if (kind === 'poisson') {
    return { ...common, source: { kind: 'steps', steps: [{ ratePerSecond: rateOf(body), fromMs: 0 }] }, history: [] };
  }
  if (kind === 'steps') return { ...common, source: { kind: 'steps', steps: stepsOf(body) }, history: [] };
  throw wrong(
    `load '${text.slice(0, 80)}' is not valid: expected poisson:RATE, steps:RATE@S,... or mmpp:RATE1,RATE2,MEAN1_S,MEAN2_S, such as mmpp:10,80,600,180`,
  );
}

/** Approximate number of requests, calculated without generating any. */
export function expectedRequests({ source, durationMs }: Load): number {
  if (source.kind === 'times') return source.timesMs.length;
  if (source.kind === 'counts') return source.counts.reduce((sum, count) => sum + count, 0) * source.scale;
  return source.steps.reduce((sum, { ratePerSecond, fromMs }, i) => {
    const untilMs = Math.min(source.steps[i + 1]?.fromMs ?? durationMs, durationMs);
    return sum + (ratePerSecond * Math.max(0, untilMs - fromMs)) / 1000;
  }, 0);
}

/** Chunks of ascending arrival times, in milliseconds from the beginning of the load. */
export function loadArrivals({ source, durationMs }: Load, seed: number): Iterator<Float64Array> {
  const random = new SeededRandom(seed);
  if (source.kind === 'counts') return arrivalChunksMs(random, source.counts, source.slotMs, source.scale);
  return source.kind === 'times' ? [source.timesMs].values() : stepChunksMs(random, source.steps, durationMs);
}

/**
 * Rows of each history slot, converted to slots of `slotMs`. Counts of longer slots are spread at random, as the replayed requests are:
 * spread evenly, they would teach a forecaster that the load has no noise.
 */
export function loadHistory({ history, historySlotMs }: Load, slotMs: number, seed: number): (number | null)[] {
  if (slotMs === historySlotMs) return [...history];
  // NaN propagates: the sum of a slot with an unknown part is unknown.
  const known = history.map((count) => count ?? Number.NaN);
  const random = new SeededRandom(seed);
  const others =
    slotMs > historySlotMs
      ? joinSlots(known, Math.round(slotMs / historySlotMs))
      : known.flatMap((count) => splitCount(random, count, Math.round(historySlotMs / slotMs)));
  return others.map((count) => (Number.isNaN(count) ? null : count));
}

/**
 * The nearest slot length to `slotMs` to which the history can be converted: a divisor or a multiple of its own. The counts of a recording
 * are not known at finer intervals, so slots are only shortened if `canSplit`.
 */
export function historySlotMsFor({ history, historySlotMs }: Load, slotMs: number, canSplit: boolean): number {
  if (history.length === 0 || (canSplit && historySlotMs % slotMs === 0)) return slotMs;
  return historySlotMs * Math.max(1, Math.ceil(slotMs / historySlotMs));
}

/** Mean and peak rate of the generated requests. Iterates over all requests without storing any. */
export function busyness(load: Load, seed: number): { meanRatePerSecond: number; peakRatePerSecond: number } {
  let [total, most, inMinute, endsAtMs] = [0, 0, 0, 60_000];
  const arrivals = loadArrivals(load, seed);
  for (let next = arrivals.next(); next.done !== true; next = arrivals.next()) {
    for (const ms of next.value) {
      for (; ms >= endsAtMs; endsAtMs += 60_000) inMinute = 0;
      total++;
      inMinute++;
      if (inMinute > most) most = inMinute;
    }
  }
  return { meanRatePerSecond: (total * 1000) / load.durationMs, peakRatePerSecond: most / 60 };
}

const chunkSize = 1024;

/**
 * A Poisson process with a changing rate. Gaps are exponential within a step; a gap that crosses a
 * step is redrawn at the next rate, because exponential gaps have no memory.
 */
function* stepChunksMs(random: Random, steps: readonly RateStep[], durationMs: number): Generator<Float64Array> {
  let chunk: number[] = [];
  for (const [i, { ratePerSecond, fromMs }] of steps.entries()) {
    const untilMs = Math.min(steps[i + 1]?.fromMs ?? durationMs, durationMs);
    if (ratePerSecond === 0) continue;
    for (let ms = fromMs + exponentialMs(random, ratePerSecond); ms < untilMs; ms += exponentialMs(random, ratePerSecond)) {
      chunk.push(ms);
      if (chunk.length < chunkSize) continue;
      yield Float64Array.from(chunk);
      chunk = [];
    }
  }
  if (chunk.length > 0) yield Float64Array.from(chunk);
}

function switchingOf(text: string): SwitchingLoad {
  const [low, high, first, second, ...rest] = text.split(',').map(Number);
  const isWhole = [low, high, first, second].every((value) => value !== undefined && value >= 0 && value <= 1e6);
  if (rest.length > 0 || !isWhole || first === 0 || second === 0)
    throw wrong(
      `mmpp: expected RATE1,RATE2,MEAN1_S,MEAN2_S (rates from 0 to 1000000 a second, stays above 0 s), got '${text.slice(0, 80)}'`,
    );
  return { ratePerSecond: [low as number, high as number], meanStayS: [first as number, second as number] };
}

function stepsOf(text: string): RateStep[] {
  const steps = text.split(',').map((piece): RateStep => {
    const [rate = '', at = '', ...rest] = piece.split('@');
    const fromMs = at.trim() === '' || rest.length > 0 ? Number.NaN : Number(at) * 1000;
    if (!(fromMs >= 0)) throw wrong(`steps: expected RATE@S with the second at which it begins, got '${piece.slice(0, 80)}'`);
    return { ratePerSecond: rateOf(rate), fromMs };
  });
  if (steps[0]?.fromMs !== 0) throw wrong('steps: expected the first one at second 0, such as steps:10@0,80@60');
  if (steps.some(({ fromMs }, i) => i > 0 && fromMs <= (steps[i - 1] as RateStep).fromMs)) throw wrong('steps: expected ascending seconds');
  return steps;
}

function rateOf(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1e6) return value;
  throw wrong(`expected a rate from 0 to 1000000 requests a second, got '${text.slice(0, 80)}'`);
}

function endOf(name: string, there: number, from: number, slots: number | null): number {
  const until = slots === null ? there : from + slots;
  // Earlier slots are stored too, as history, so the limit includes them.
  if (until > slotsMost) throw wrong(`too many slots: expected at most ${slotsMost}, got ${until}. Use longer slots`);
  if (from >= 0 && until > from && until <= there) return until;
  throw wrong(`${name} has ${there} slots: expected a part of them, got ${slots ?? 'all'} from slot ${from} on`);
}

function wrong(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
