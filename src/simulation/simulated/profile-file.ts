/** Measured or observed service times of a model, in the format of profile files for simulations. */
import { type PriceTable, priceTable } from '../../costs/index.ts';
import { parseProfile, type SimulatedProfile } from './profile.ts';

interface KnownPoint {
  readonly b: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  readonly quantiles_ms?: readonly number[];
}

interface ProfiledExecutor {
  readonly executor: string;
  readonly load_ms: number;
  readonly service: readonly KnownPoint[];
}

interface ProfiledFunction {
  readonly memory_mib: number;
  readonly basis: string;
  readonly fits: boolean;
  readonly peak_memory_mib: number;
  readonly cold_ms: number;
  readonly service: readonly KnownPoint[];
  readonly cost_usd_per_million: number | null;
  readonly best_batch: number | null;
  readonly best_cost_usd_per_million: number | null;
}

/** The part of the response to `GET .../profile` that profile files use. */
export interface ProfileDocument {
  readonly items: readonly ProfiledExecutor[];
  readonly functions: readonly ProfiledFunction[];
  readonly served: readonly Pick<ProfiledExecutor, 'executor' | 'service'>[];
}

/**
 * Time of a request in addition to its batch, in milliseconds: the gateway's share. The simulator and deployment plans use the
 * same value.
 */
const overheadMs = 0.2;

/**
 * Converts a profile to the file format. If `isServed`, prefers service times observed in production for executors with enough
 * runs over those measured on an idle machine. A process model has only observed times.
 */
export function profileFile(name: string, { items, functions, served }: ProfileDocument, isServed = false): unknown {
  const seen = new Map((isServed ? served : []).map(({ executor, service }) => [executor, service]));
  const called = seen.size === 0 ? name : `${name} as it served`;
  const take = (executor: string, measured: readonly KnownPoint[]) => {
    const service = seen.get(executor) ?? measured;
    seen.delete(executor);
    return service.map(pointOf);
  };
  const types = items.map(({ executor, load_ms: loadMs, service }) => {
    return [executor.replace('instance:', ''), { leadS: loadMs / 1000, service: take(executor, service) }] as const;
  });
  const sizes = functions
    .filter(({ fits }) => fits)
    .map(({ memory_mib: memoryMiB, ...size }) => ({
      memoryMiB,
      basis: seen.has(`function:${memoryMiB}`) ? 'served' : size.basis,
      peakMemoryMiB: size.peak_memory_mib,
      coldMs: size.cold_ms,
      networkMs: 0,
      service: take(`function:${memoryMiB}`, size.service),
      costUsdPerMillion: { alone: size.cost_usd_per_million, best: size.best_cost_usd_per_million, bestBatch: size.best_batch },
    }));
  const others = [...seen].map(([executor, service]) => {
    const [kind, size = ''] = executor.split(':');
    return { kind, size, service: service.map(pointOf) };
  });
  const otherTypes = others.filter(({ kind }) => kind === 'instance').map(({ size, service }) => [size, { service }] as const);
  const otherSizes = others
    .filter(({ kind }) => kind === 'function')
    .map(({ size, service }) => ({ memoryMiB: Number(size), basis: 'served', networkMs: 0, service }));
  return { name: called, overheadMs, types: Object.fromEntries([...types, ...otherTypes]), functions: [...sizes, ...otherSizes] };
}

/** Converts a profile to a simulated profile, with the prices of the server that measured it. */
export function profileOfDocument(
  name: string,
  known: ProfileDocument,
  { asOf, instances, functions }: PriceTable,
  isServed = false,
): SimulatedProfile {
  return parseProfile(JSON.stringify(profileFile(name, known, isServed)), name, priceTable({ asOf, instances, functions }));
}

function pointOf({ b, p50_ms: p50Ms, p95_ms: p95Ms, p99_ms: p99Ms, quantiles_ms: quantilesMs }: KnownPoint) {
  return { b, p50Ms, p95Ms, p99Ms, ...(quantilesMs === undefined ? {} : { quantilesMs }) };
}
