/**
 * What comes: a recorded load or a made-up one, as plain data that can be sent to a thread. What lies before its beginning is history,
 * and only the forecaster is told of that.
 */
import { PlatformError } from '../errors.ts';
import { exponentialMs, type Random, SeededRandom } from '../random.ts';
import { arrivalChunksMs, joinSlots, mmppCounts, type SwitchingLoad } from './load-generators.ts';
import type { Trace } from './trace.ts';

export interface Step {
  readonly ratePerSecond: number;
  /** From when on; until the next step. */
  readonly fromMs: number;
}

type Source =
  /** Counts of slots, requests at random times within each; Poisson around count × scale where the scale is not 1. */
  | {
      readonly kind: 'counts';
      readonly counts: readonly number[];
      /** Of the requests of a slot together; one each where they are not told. */
      readonly rows?: readonly number[];
      readonly slotMs: number;
      readonly scale: number;
    }
  | { readonly kind: 'times'; readonly timesMs: Float64Array }
  /** Poisson, at a rate that changes at known times. */
  | { readonly kind: 'steps'; readonly steps: readonly Step[] };

export interface Load {
  /** `nasa.csv x 40`, `poisson:35`. */
  readonly name: string;
  readonly source: Source;
  readonly durationMs: number;
  /** Rows in each slot before the beginning, the last one just before it; null where nobody counted. */
  readonly history: readonly (number | null)[];
  readonly historySlotMs: number;
  /** Whether days resemble each other. */
  readonly isSeasonal: boolean;
}

/** Which part of a load is replayed. */
export interface Part {
  readonly slotMs: number;
  /** The first slot; those before are history. */
  readonly from: number;
  /** How many; null: all there are of a trace, an hour of what is made up. */
  readonly slots: number | null;
}

export interface LoadText extends Part {
  /** Of what is drawn of the load itself, before its requests. */
  readonly loadSeed: number;
}

/** More requests in one slot would not fit into memory. */
const slotCountMost = 2e7;
const slotsMost = 5_000_000;

/** A part of a recorded load, `scale` times as busy. Throws `invalid_request`. */
export function loadOfTrace(name: string, trace: Trace, { slotMs, from, slots }: Part, scale = 1): Load {
  if (!(scale > 0 && scale <= 1e6)) throw wrong(`the scale of a load is above 0 and at most 1000000, got ${scale}`);
  if (trace.kind === 'times') return loadOfTimes(name, trace.timesMs, { slotMs, from, slots }, scale);
  const { counts } = trace;
  const until = endOf(name, counts.length, from, slots);
  const part = counts.slice(from, until);
  const fraction = part.findIndex((count) => !Number.isInteger(count));
  if (scale === 1 && fraction >= 0)
    throw wrong(`${name}: slot ${from + fraction} has ${part[fraction]} requests: only with a scale other than 1 may counts be fractions`);
  const busiest = part.reduce((most, count) => Math.max(most, count), 0) * scale;
  if (busiest > slotCountMost)
    throw wrong(`${name}: a slot of ${Math.round(busiest)} requests is too busy, at most ${slotCountMost}: use shorter slots`);
  return {
    name: scale === 1 ? name : `${name} x ${scale}`,
    source: { kind: 'counts', counts: part, slotMs, scale },
    durationMs: part.length * slotMs,
    history: counts.slice(0, from).map((count) => Math.round(count * scale)),
    historySlotMs: slotMs,
    isSeasonal: true,
  };
}

function loadOfTimes(name: string, timesMs: Float64Array, { slotMs, from, slots }: Part, scale: number): Load {
  if (scale !== 1) throw wrong(`${name}: a trace of single requests is replayed as it is: leave out the scale`);
  const there = Math.floor((timesMs.at(-1) ?? 0) / slotMs) + 1;
  const until = endOf(name, there, from, slots);
  const history = new Array<number>(from).fill(0);
  for (const ms of timesMs) if (ms < from * slotMs) history[Math.floor(ms / slotMs)] = (history[Math.floor(ms / slotMs)] as number) + 1;
  const part = timesMs.filter((ms) => ms >= from * slotMs && ms < until * slotMs).map((ms) => ms - from * slotMs);
  const durationMs = (until - from) * slotMs;
  return { name, source: { kind: 'times', timesMs: part }, durationMs, history, historySlotMs: slotMs, isSeasonal: true };
}

/** `poisson:RATE`, `steps:RATE@S,...` (RATE from second S on), `mmpp:L1,L2,MEAN1_S,MEAN2_S`. Throws `invalid_request`. */
export function parseLoad(text: string, { slotMs, from, slots, loadSeed }: LoadText): Load {
  const [kind = '', body = ''] = text.split(/:(.*)/s);
  const whole = slots ?? Math.max(1, Math.round(3_600_000 / slotMs));
  const durationMs = whole * slotMs;
  if (from + whole > slotsMost) throw wrong(`a load has at most ${slotsMost} slots, got ${from + whole}`);
  const common = { name: text, durationMs, historySlotMs: slotMs, isSeasonal: false };
  if (kind === 'mmpp') {
    const seconds = (slotMs * (from + whole)) / 1000;
    if (!Number.isInteger(slotMs / 1000) || seconds > 31 * 86_400)
      throw wrong('an mmpp load has slots of whole seconds and lasts at most 31 days, what is before --from included');
    const counts = mmppCounts(new SeededRandom(loadSeed), seconds, switchingOf(body));
    const before = (from * slotMs) / 1000;
    const source = { kind: 'counts', counts: counts.slice(before), slotMs: 1000, scale: 1 } as const;
    return { ...common, source, history: joinSlots(counts.slice(0, before), slotMs / 1000) };
  }
  if (from > 0) throw wrong(`a ${kind} load has no history: leave out --from`);
  if (kind === 'poisson') {
    return { ...common, source: { kind: 'steps', steps: [{ ratePerSecond: rateOf(body), fromMs: 0 }] }, history: [] };
  }
  if (kind === 'steps') return { ...common, source: { kind: 'steps', steps: stepsOf(body) }, history: [] };
  throw wrong(
    `load '${text.slice(0, 80)}' is not understood: expected poisson:RATE, steps:RATE@S,... or mmpp:RATE1,RATE2,MEAN1_S,MEAN2_S, such as mmpp:10,80,600,180`,
  );
}

/** About how many requests come, without drawing any. */
export function expectedRequests({ source, durationMs }: Load): number {
  if (source.kind === 'times') return source.timesMs.length;
  if (source.kind === 'counts') return source.counts.reduce((sum, count) => sum + count, 0) * source.scale;
  return source.steps.reduce((sum, { ratePerSecond, fromMs }, i) => {
    const untilMs = Math.min(source.steps[i + 1]?.fromMs ?? durationMs, durationMs);
    return sum + (ratePerSecond * Math.max(0, untilMs - fromMs)) / 1000;
  }, 0);
}

/** The times of its requests from its beginning on, in milliseconds, rising, a chunk after the other. */
export function arrivalsOf({ source, durationMs }: Load, seed: number): Iterator<Float64Array> {
  const random = new SeededRandom(seed);
  if (source.kind === 'counts') return arrivalChunksMs(random, source.counts, source.slotMs, source.scale);
  return source.kind === 'times' ? [source.timesMs].values() : stepChunksMs(random, source.steps, durationMs);
}

/** Rows in each slot of this length before the beginning: what was counted in longer slots is spread evenly. */
export function historyOf({ history, historySlotMs }: Load, slotMs: number): (number | null)[] {
  if (slotMs === historySlotMs) return [...history];
  // A sum with something unknown in it is unknown, as NaN is.
  const known = history.map((count) => count ?? Number.NaN);
  const pieces = Math.round(historySlotMs / slotMs);
  const others =
    slotMs > historySlotMs
      ? joinSlots(known, Math.round(slotMs / historySlotMs))
      : known.flatMap((count) =>
          Array.from({ length: pieces }, (_, i) => Math.floor(((i + 1) * count) / pieces) - Math.floor((i * count) / pieces)),
        );
  return others.map((count) => (Number.isNaN(count) ? null : count));
}

/** How busy the load is, as its requests really come: goes through all of them, holding none. */
export function busyness(load: Load, seed: number): { meanRatePerSecond: number; peakRatePerSecond: number } {
  let [total, most, inMinute, endsAtMs] = [0, 0, 0, 60_000];
  const arrivals = arrivalsOf(load, seed);
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

/** A Poisson process whose rate changes: within a step gaps are exponential, and what a step leaves of one counts at the next rate. */
function* stepChunksMs(random: Random, steps: readonly Step[], durationMs: number): Generator<Float64Array> {
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

function stepsOf(text: string): Step[] {
  const steps = text.split(',').map((piece): Step => {
    const [rate = '', at = '', ...rest] = piece.split('@');
    const fromMs = at.trim() === '' || rest.length > 0 ? Number.NaN : Number(at) * 1000;
    if (!(fromMs >= 0)) throw wrong(`steps: expected RATE@S with the second from which on it holds, got '${piece.slice(0, 80)}'`);
    return { ratePerSecond: rateOf(rate), fromMs };
  });
  if (steps[0]?.fromMs !== 0) throw wrong('steps: the first one begins at second 0, such as steps:10@0,80@60');
  if (steps.some(({ fromMs }, i) => i > 0 && fromMs <= (steps[i - 1] as Step).fromMs))
    throw wrong('steps: each begins later than the one before');
  return steps;
}

function rateOf(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1e6) return value;
  throw wrong(`expected a rate from 0 to 1000000 requests a second, got '${text.slice(0, 80)}'`);
}

function endOf(name: string, there: number, from: number, slots: number | null): number {
  const until = slots === null ? there : from + slots;
  if (from >= 0 && until > from && until <= there) return until;
  throw wrong(`${name} has ${there} slots: ${slots ?? 'none'} from slot ${from} on are not there`);
}

function wrong(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
