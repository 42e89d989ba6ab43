/** The simulated model on instance types and functions, from a profile file or the built-in profile `reference`. */
import { defaultPrices, type FunctionPrices, functionUsd, type PriceTable } from '../../costs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Objective } from '../../objective.ts';
import { affineService, referenceProfile, typeCapacityOf } from '../../profiling/index.ts';
import { pointsOf, quantileCount, type ServiceQuantiles, SimulatedServiceLaw } from './service-law.ts';

/** Service times, start times and prices. Plain data, so it can be sent to a thread. */
export interface SimulatedProfile {
  readonly name: string;
  /** Time added to every request for gateway and network, in milliseconds. */
  readonly overheadMs: number;
  readonly types: readonly SimulatedType[];
  readonly functions: readonly SimulatedFunction[];
  readonly functionPrices: FunctionPrices;
  /** Memory size of functions alongside instances; null: the cheapest size that meets the objective. */
  readonly memoryMiB: number | null;
}

/** An instance type of a profile. Prices are in US dollars. */
export interface SimulatedType {
  readonly name: string;
  readonly usdPerHour: number;
  /** Spot price; null if unknown. */
  readonly usdPerHourSpot: number | null;
  /** Time from the launch request to the first batch; null: the value of the simulation spec. */
  readonly leadMs: number | null;
  readonly service: readonly ServiceQuantiles[];
}

/** An instance type as rented: on demand, or as spot under a separate name. */
export interface RentedType extends Omit<SimulatedType, 'usdPerHourSpot'> {
  /** For a spot type: the name of the same type on demand; else null. */
  readonly onDemand: string | null;
}

/** A memory size of functions of a profile. */
export interface SimulatedFunction {
  readonly memoryMiB: number;
  /** Time from request to ready, in milliseconds; billed. */
  readonly coldMs: number;
  /** Network time in both directions, in milliseconds; not billed. */
  readonly networkMs: number;
  readonly service: readonly ServiceQuantiles[];
}

const coldMsDefault = 2000;
const networkMsDefault = 30;
const batchMost = 4096;

/** The built-in profile: 140 ms of work for one CPU, on four instance types and four function sizes. */
export function referenceSimulated(): SimulatedProfile {
  const { name, overheadMs, instances, functionPrices, functionService } = referenceProfile;
  return {
    name,
    overheadMs,
    types: instances.map(({ name: type, usdPerHour, service }) => {
      return { name: type, usdPerHour, usdPerHourSpot: null, leadMs: null, service: pointsOf(service) };
    }),
    functions: functionPrices.memoryMiB.map((memoryMiB) => {
      return { memoryMiB, coldMs: coldMsDefault, networkMs: networkMsDefault, service: pointsOf(functionService(memoryMiB)) };
    }),
    functionPrices,
    memoryMiB: 3538,
  };
}

/** Memory size of functions alongside instances; 0 if there are no functions. */
export function overflowMemoryMiB(profile: SimulatedProfile, { latencyMs }: Objective): number {
  if (profile.memoryMiB !== null) return profile.memoryMiB;
  const usd = ({ memoryMiB, service }: SimulatedFunction): number =>
    functionUsd(profile.functionPrices, memoryMiB, (service[0] as ServiceQuantiles).p50Ms);
  const isFast = ({ networkMs, service }: SimulatedFunction): boolean =>
    (service[0] as ServiceQuantiles).p99Ms + networkMs + profile.overheadMs <= latencyMs;
  const fast = profile.functions.filter(isFast);
  const cheapestFirst = (fast.length > 0 ? fast : profile.functions).toSorted((a, b) => usd(a) - usd(b));
  return cheapestFirst[0]?.memoryMiB ?? 0;
}

/**
 * Parses `{name, overheadMs, types: {name: {leadS, usdPerHour, service}}, functions: [{memoryMiB, coldMs, networkMs, service}]}`,
 * where a service is `[{b, p50Ms, p95Ms, p99Ms}]` or `{aMs, bMs, bMax}` (a + b each, in milliseconds), and a type can have
 * `usdPerHourSpot`. A type without a price uses the price table. Throws `invalid_request` with the location.
 */
export function parseProfile(text: string, file: string, prices: PriceTable = defaultPrices): SimulatedProfile {
  let provided: unknown;
  try {
    provided = JSON.parse(text);
  } catch (error) {
    throw wrong(file, `is not JSON: ${(error as Error).message}`);
  }
  const { name = file, overheadMs = 0, types = {}, functions = [] } = objectIn(file, '', provided);
  if (typeof name !== 'string') throw wrong(file, 'name: expected a string');
  if (!Array.isArray(functions)) throw wrong(file, 'functions: expected a list');
  const entries = Object.entries(objectIn(file, 'types', types));
  if (entries.length + functions.length === 0) throw wrong(file, 'neither types nor functions: expected at least one');
  return {
    name,
    overheadMs: numberIn(file, 'overheadMs', overheadMs),
    types: entries.map(([type, value]) => typeIn(file, type, value, prices)),
    functions: functions.map((value: unknown, i) => functionIn(file, `functions[${i}]`, value)),
    functionPrices: prices.functions,
    memoryMiB: null,
  };
}

/**
 * A type by its name; `c5.large:spot` is a spot type at its spot price, `c5.large:spot=0.04` at a custom one. Throws
 * `invalid_request` with the known types.
 */
export function typeOf({ name: profile, types }: SimulatedProfile, requested: string): RentedType {
  const [, name = '', spot, provided] = /^(.*?)(:spot(?:=(.*))?)?$/s.exec(requested) ?? [];
  const type = types.find((other) => other.name === name);
  if (type === undefined) {
    const known = types.map((other) => other.name).join(', ');
    throw wrong(profile, `unknown instance type ${name}: expected ${known === '' ? 'none' : `one of ${known}`}`);
  }
  const { usdPerHourSpot, ...onDemand } = type;
  if (spot === undefined) return { ...onDemand, onDemand: null };
  const usdPerHour = provided === undefined ? usdPerHourSpot : /^(?:\d+\.?\d*|\.\d+)$/.test(provided) ? Number(provided) : Number.NaN;
  if (usdPerHour === null) throw wrong(profile, `${name} has no spot price. Set usdPerHourSpot, or write ${name}:spot=USD_PER_HOUR`);
  if (Number.isNaN(usdPerHour)) throw wrong(profile, `${requested.slice(0, 80)}: expected a price, such as ${name}:spot=0.04`);
  return { ...onDemand, name: `${name}:spot`, usdPerHour, onDemand: name };
}

/** Throws `invalid_request` with the known sizes. */
export function functionOf({ name, functions }: SimulatedProfile, memoryMiB: number): SimulatedFunction {
  const size = functions.find((other) => other.memoryMiB === memoryMiB);
  if (size !== undefined) return size;
  const known = functions.map((other) => other.memoryMiB).join(', ');
  if (known === '') throw wrong(name, 'it has no functions, which this policy needs');
  throw wrong(name, `no function of ${memoryMiB} MiB: expected one of ${known}`);
}

/** One sentence for each allowed type that cannot meet the objective under any policy. */
export function infeasibleTypes(profile: SimulatedProfile, types: readonly string[] | undefined, objective: Objective): string[] {
  const used = types?.map((name) => typeOf(profile, name)) ?? profile.types;
  return used.flatMap(({ name, usdPerHour, service }) => {
    const { table } = new SimulatedServiceLaw(service);
    const { infeasibleBecause } = typeCapacityOf({ name, usdPerHour, service: table }, objective, profile.overheadMs);
    return infeasibleBecause === undefined ? [] : [`${infeasibleBecause}: it is excluded`];
  });
}

function typeIn(file: string, name: string, provided: unknown, prices: PriceTable): SimulatedType {
  const where = `types.${name}`;
  const listed = prices.instances[name];
  const {
    leadS = null,
    usdPerHour = listed?.usdPerHour,
    usdPerHourSpot = listed?.usdPerHourSpot,
    service,
  } = objectIn(file, where, provided);
  if (usdPerHour === undefined) throw wrong(file, `${where}: unknown price. Set usdPerHour`);
  return {
    name,
    usdPerHour: numberIn(file, `${where}.usdPerHour`, usdPerHour),
    usdPerHourSpot: usdPerHourSpot === undefined ? null : numberIn(file, `${where}.usdPerHourSpot`, usdPerHourSpot),
    leadMs: leadS === null ? null : numberIn(file, `${where}.leadS`, leadS) * 1000,
    service: serviceIn(file, `${where}.service`, service),
  };
}

function functionIn(file: string, where: string, provided: unknown): SimulatedFunction {
  const { memoryMiB, coldMs = coldMsDefault, networkMs = networkMsDefault, service } = objectIn(file, where, provided);
  return {
    memoryMiB: numberIn(file, `${where}.memoryMiB`, memoryMiB),
    coldMs: numberIn(file, `${where}.coldMs`, coldMs),
    networkMs: numberIn(file, `${where}.networkMs`, networkMs),
    service: serviceIn(file, `${where}.service`, service),
  };
}

function serviceIn(file: string, where: string, provided: unknown): ServiceQuantiles[] {
  if (!Array.isArray(provided)) {
    const { aMs, bMs, bMax } = objectIn(file, where, provided);
    const [fixedMs, eachMs, most] = [
      numberIn(file, `${where}.aMs`, aMs),
      numberIn(file, `${where}.bMs`, bMs),
      numberIn(file, `${where}.bMax`, bMax),
    ];
    if (!Number.isInteger(most) || most < 1 || most > batchMost)
      throw wrong(file, `${where}.bMax: expected a whole number from 1 to ${batchMost}`);
    return pointsOf(affineService({ aMs: fixedMs, eachMs, batchMax: most }));
  }
  let before: ServiceQuantiles = { b: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0 };
  const points = provided.map((value: unknown, i): ServiceQuantiles => {
    const place = `${where}[${i}]`;
    const { b, p50Ms, p95Ms = p50Ms, p99Ms = p95Ms, quantilesMs } = objectIn(file, place, value);
    const size = numberIn(file, `${place}.b`, b);
    if (!Number.isInteger(size) || size <= before.b || size > batchMost || (i === 0 && size !== 1))
      throw wrong(file, `${place}.b: expected ascending whole numbers from 1, got ${size}`);
    // Corrects measurement noise: a larger batch is never faster.
    const [p50, p95, p99] = [
      numberIn(file, `${place}.p50Ms`, p50Ms),
      numberIn(file, `${place}.p95Ms`, p95Ms),
      numberIn(file, `${place}.p99Ms`, p99Ms),
    ];
    if (!(p50 > 0 && p95 >= p50 && p99 >= p95)) throw wrong(file, `${place}: expected 0 < p50Ms <= p95Ms <= p99Ms`);
    const seen =
      quantilesMs === undefined ? {} : { quantilesMs: quantilesIn(file, `${place}.quantilesMs`, quantilesMs, before.quantilesMs) };
    const three = { p50Ms: Math.max(p50, before.p50Ms), p95Ms: Math.max(p95, before.p95Ms), p99Ms: Math.max(p99, before.p99Ms) };
    before = { b: size, ...three, ...seen };
    return before;
  });
  if (points.length === 0) throw wrong(file, `${where}: nothing was measured`);
  return points;
}

/** Reads p50, p95 and p99. `least`: the quantiles of the next smaller batch, used as lower bounds. */
function quantilesIn(file: string, where: string, provided: unknown, least: readonly number[] = []): number[] {
  const isRight = Array.isArray(provided) && provided.length === quantileCount;
  if (!isRight)
    throw wrong(file, `${where}: expected ${quantileCount} numbers: the shortest run, each twentieth quantile, and the longest`);
  let before = 0;
  return provided.map((value: unknown, i) => {
    const ms = numberIn(file, `${where}[${i}]`, value);
    if (ms <= 0 || ms < before) throw wrong(file, `${where}[${i}]: expected non-descending numbers above 0, got ${ms}`);
    before = ms;
    return Math.max(ms, least[i] ?? 0);
  });
}

function objectIn(file: string, where: string, provided: unknown): Readonly<Record<string, unknown>> {
  if (typeof provided === 'object' && provided !== null && !Array.isArray(provided)) return provided as Readonly<Record<string, unknown>>;
  throw wrong(file, `${where === '' ? 'it' : where}: expected an object, got ${JSON.stringify(provided)?.slice(0, 40) ?? 'nothing'}`);
}

function numberIn(file: string, where: string, provided: unknown): number {
  if (typeof provided === 'number' && provided >= 0 && Number.isFinite(provided)) return provided;
  throw wrong(file, `${where}: expected a number from 0, got ${JSON.stringify(provided)?.slice(0, 40) ?? 'nothing'}`);
}

function wrong(file: string, what: string): PlatformError {
  return new PlatformError('invalid_request', `profile ${file}: ${what}`);
}
