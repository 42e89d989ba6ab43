/** What is simulated: a model on types of instances and in functions, from a profile file or the made-up profile `reference`. */
import { defaultPrices, type FunctionPrices, functionUsd, type PriceTable } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';
import type { Objective } from '../objective.ts';
import { affineService, capacityOf, referenceProfile } from '../profiling/index.ts';
import { pointsOf, quantilesSeen, ServiceLaw, type ServiceQuantiles } from './service-law.ts';

/** Plain data, so that it can be sent to a thread. */
export interface SimulatedProfile {
  readonly name: string;
  /** d: the gateway and the network, on every request. */
  readonly overheadMs: number;
  readonly types: readonly SimulatedType[];
  readonly functions: readonly SimulatedFunction[];
  readonly functionPrices: FunctionPrices;
  /** The size of functions that stand beside instances; null: the cheapest that keeps the objective. */
  readonly memoryMiB: number | null;
}

export interface SimulatedType {
  readonly name: string;
  readonly usdPerHour: number;
  /** What it costs where it may be taken away; null: that is not known. */
  readonly usdPerHourSpot: number | null;
  /** From the wish to the first batch; null: as the simulation says. */
  readonly leadMs: number | null;
  readonly service: readonly ServiceQuantiles[];
}

/** A type as it is rented: on demand, or on the spot market under a name of its own. */
export interface RentedType extends Omit<SimulatedType, 'usdPerHourSpot'> {
  /** Where it may be taken away: the name of the same type on demand. */
  readonly onDemand: string | null;
}

export interface SimulatedFunction {
  readonly memoryMiB: number;
  /** From the wish to its being ready; billed. */
  readonly coldMs: number;
  /** There and back; not billed. */
  readonly networkMs: number;
  readonly service: readonly ServiceQuantiles[];
}

const coldMsDefault = 2000;
const networkMsDefault = 30;
const batchMost = 4096;

/** 140 ms of work for one processor, on four types of instances and four sizes of functions. */
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

/** The size of functions that stand beside instances: 0 where there are none. */
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
 * Reads `{name, overheadMs, types: {name: {leadS, usdPerHour, service}}, functions: [{memoryMiB, coldMs, networkMs, service}]}`, where a
 * service is `[{b, p50Ms, p95Ms, p99Ms}]` or `{aMs, bMs, bMax}` (a + b each, in milliseconds), and a type may have `usdPerHourSpot`. A
 * type without a price has that of the price table. Throws `invalid_request` that names the place.
 */
export function parseProfile(text: string, file: string, prices: PriceTable = defaultPrices): SimulatedProfile {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw wrong(file, `is no JSON: ${(error as Error).message}`);
  }
  const { name = file, overheadMs = 0, types = {}, functions = [] } = objectIn(file, '', given);
  if (typeof name !== 'string') throw wrong(file, 'name: expected a text');
  if (!Array.isArray(functions)) throw wrong(file, 'functions: expected a list');
  const entries = Object.entries(objectIn(file, 'types', types));
  if (entries.length + functions.length === 0) throw wrong(file, 'neither types nor functions are in it');
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
 * A type by its name; `c5.large:spot` is one that may be taken away, at its spot price, `c5.large:spot=0.04` at this one. Throws
 * `invalid_request` that names those there are.
 */
export function typeOf({ name: profile, types }: SimulatedProfile, wished: string): RentedType {
  const [, name = '', spot, given] = /^(.*?)(:spot(?:=(.*))?)?$/s.exec(wished) ?? [];
  const type = types.find((other) => other.name === name);
  if (type === undefined) {
    const known = types.map((other) => other.name).join(', ');
    throw wrong(profile, `it has no instance type ${name}: it has ${known === '' ? 'none' : known}`);
  }
  const { usdPerHourSpot, ...onDemand } = type;
  if (spot === undefined) return { ...onDemand, onDemand: null };
  const usdPerHour = given === undefined ? usdPerHourSpot : /^(?:\d+\.?\d*|\.\d+)$/.test(given) ? Number(given) : Number.NaN;
  if (usdPerHour === null) throw wrong(profile, `${name} has no spot price: give usdPerHourSpot, or write ${name}:spot=USD_PER_HOUR`);
  if (Number.isNaN(usdPerHour)) throw wrong(profile, `${wished.slice(0, 80)}: expected a price, such as ${name}:spot=0.04`);
  return { ...onDemand, name: `${name}:spot`, usdPerHour, onDemand: name };
}

/** Throws `invalid_request` that names the sizes there are. */
export function functionOf({ name, functions }: SimulatedProfile, memoryMiB: number): SimulatedFunction {
  const size = functions.find((other) => other.memoryMiB === memoryMiB);
  if (size !== undefined) return size;
  const known = functions.map((other) => other.memoryMiB).join(', ');
  if (known === '') throw wrong(name, 'it has no functions, which this policy needs');
  throw wrong(name, `it has no function of ${memoryMiB} MiB: it has ${known}`);
}

/** A sentence for each type of those that may be used that cannot keep the objective, whatever is decided. */
export function infeasibleTypes(profile: SimulatedProfile, types: readonly string[] | undefined, objective: Objective): string[] {
  const used = types?.map((name) => typeOf(profile, name)) ?? profile.types;
  return used.flatMap(({ name, usdPerHour, service }) => {
    const { table } = new ServiceLaw(service);
    const { infeasibleBecause } = capacityOf({ name, usdPerHour, service: table }, objective, profile.overheadMs);
    return infeasibleBecause === undefined ? [] : [`${infeasibleBecause}: it is left out`];
  });
}

function typeIn(file: string, name: string, given: unknown, prices: PriceTable): SimulatedType {
  const where = `types.${name}`;
  const listed = prices.instances[name];
  const { leadS = null, usdPerHour = listed?.usdPerHour, usdPerHourSpot = listed?.usdPerHourSpot, service } = objectIn(file, where, given);
  if (usdPerHour === undefined) throw wrong(file, `${where}: no price is known for it: give usdPerHour`);
  return {
    name,
    usdPerHour: numberIn(file, `${where}.usdPerHour`, usdPerHour),
    usdPerHourSpot: usdPerHourSpot === undefined ? null : numberIn(file, `${where}.usdPerHourSpot`, usdPerHourSpot),
    leadMs: leadS === null ? null : numberIn(file, `${where}.leadS`, leadS) * 1000,
    service: serviceIn(file, `${where}.service`, service),
  };
}

function functionIn(file: string, where: string, given: unknown): SimulatedFunction {
  const { memoryMiB, coldMs = coldMsDefault, networkMs = networkMsDefault, service } = objectIn(file, where, given);
  return {
    memoryMiB: numberIn(file, `${where}.memoryMiB`, memoryMiB),
    coldMs: numberIn(file, `${where}.coldMs`, coldMs),
    networkMs: numberIn(file, `${where}.networkMs`, networkMs),
    service: serviceIn(file, `${where}.service`, service),
  };
}

function serviceIn(file: string, where: string, given: unknown): ServiceQuantiles[] {
  if (!Array.isArray(given)) {
    const { aMs, bMs, bMax } = objectIn(file, where, given);
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
  const points = given.map((value: unknown, i): ServiceQuantiles => {
    const place = `${where}[${i}]`;
    const { b, p50Ms, p95Ms = p50Ms, p99Ms = p95Ms, quantilesMs } = objectIn(file, place, value);
    const size = numberIn(file, `${place}.b`, b);
    if (!Number.isInteger(size) || size <= before.b || size > batchMost || (i === 0 && size !== 1))
      throw wrong(file, `${place}.b: expected whole numbers that rise from 1, got ${size}`);
    // A batch of more rows takes no less, whatever the noise of a measurement says.
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

/** `least` are those of a smaller batch, which a larger one is not faster than. */
function quantilesIn(file: string, where: string, given: unknown, least: readonly number[] = []): number[] {
  const isRight = Array.isArray(given) && given.length === quantilesSeen;
  if (!isRight) throw wrong(file, `${where}: expected ${quantilesSeen} numbers, the shortest run, then of each twentieth, to the longest`);
  let before = 0;
  return given.map((value: unknown, i) => {
    const ms = numberIn(file, `${where}[${i}]`, value);
    if (ms <= 0 || ms < before) throw wrong(file, `${where}[${i}]: expected numbers above 0 that do not fall, got ${ms}`);
    before = ms;
    return Math.max(ms, least[i] ?? 0);
  });
}

function objectIn(file: string, where: string, given: unknown): Readonly<Record<string, unknown>> {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given as Readonly<Record<string, unknown>>;
  throw wrong(file, `${where === '' ? 'it' : where}: expected an object, got ${JSON.stringify(given)?.slice(0, 40) ?? 'nothing'}`);
}

function numberIn(file: string, where: string, given: unknown): number {
  if (typeof given === 'number' && given >= 0 && Number.isFinite(given)) return given;
  throw wrong(file, `${where}: expected a number from 0, got ${JSON.stringify(given)?.slice(0, 40) ?? 'nothing'}`);
}

function wrong(file: string, what: string): PlatformError {
  return new PlatformError('invalid_request', `profile ${file}: ${what}`);
}
