/** What was measured about a model, or seen of it while it served, in the form of the profile file that simulations read. */
import { type PriceTable, priceTable } from '../costs/index.ts';
import { parseProfile, type SimulatedProfile } from './profile.ts';

interface KnownPoint {
  readonly b: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  readonly quantiles_ms?: readonly number[];
}

interface KnownExecutor {
  readonly executor: string;
  readonly load_ms: number;
  readonly service: readonly KnownPoint[];
}

interface KnownFunction {
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

/** What a server answers to `GET .../profile`, as far as it is wanted here. */
export interface KnownProfile {
  readonly items: readonly KnownExecutor[];
  readonly functions: readonly KnownFunction[];
  readonly served: readonly Pick<KnownExecutor, 'executor' | 'service'>[];
}

/** What a request costs beside its batch: the gateway's own time, as the simulator and the what-if plans reckon it. */
const overheadMs = 0.2;

/**
 * `isServed`: as the executors were while they served, where they did so often enough, in place of what was measured before that on
 * a machine with nothing else to do. Of a model that is a process nothing else is known.
 */
export function profileFile(name: string, { items, functions, served }: KnownProfile, isServed = false): unknown {
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

/** The same as simulations take it, with the prices of the server that measured it. */
export function profileOfKnown(
  name: string,
  known: KnownProfile,
  { asOf, instances, functions }: PriceTable,
  isServed = false,
): SimulatedProfile {
  return parseProfile(JSON.stringify(profileFile(name, known, isServed)), name, priceTable({ asOf, instances, functions }));
}

function pointOf({ b, p50_ms: p50Ms, p95_ms: p95Ms, p99_ms: p99Ms, quantiles_ms: quantilesMs }: KnownPoint) {
  return { b, p50Ms, p95Ms, p99Ms, ...(quantilesMs === undefined ? {} : { quantilesMs }) };
}
