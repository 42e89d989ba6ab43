/** What was measured about a model, in the form of the profile file that simulations read. */
import { type PriceTable, priceTable } from '../costs/index.ts';
import { parseProfile, type SimulatedProfile } from './profile.ts';

interface KnownPoint {
  readonly b: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
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
}

/** What a request costs beside its batch: the gateway's own time, as the simulator and the what-if plans reckon it. */
const overheadMs = 0.2;

export function profileFile(name: string, { items, functions }: KnownProfile): unknown {
  const serviceOf = ({ service }: Pick<KnownExecutor, 'service'>) =>
    service.map(({ b, p50_ms, p95_ms, p99_ms }) => ({ b, p50Ms: p50_ms, p95Ms: p95_ms, p99Ms: p99_ms }));
  return {
    name,
    overheadMs,
    types: Object.fromEntries(
      items.map((item) => [item.executor.replace('instance:', ''), { leadS: item.load_ms / 1000, service: serviceOf(item) }]),
    ),
    functions: functions
      .filter(({ fits }) => fits)
      .map((size) => ({
        memoryMiB: size.memory_mib,
        basis: size.basis,
        peakMemoryMiB: size.peak_memory_mib,
        coldMs: size.cold_ms,
        networkMs: 0,
        service: serviceOf(size),
        costUsdPerMillion: { alone: size.cost_usd_per_million, best: size.best_cost_usd_per_million, bestBatch: size.best_batch },
      })),
  };
}

/** The same as simulations take it, with the prices of the server that measured it. */
export function profileOfKnown(name: string, known: KnownProfile, { asOf, instances, functions }: PriceTable): SimulatedProfile {
  return parseProfile(JSON.stringify(profileFile(name, known)), name, priceTable({ asOf, instances, functions }));
}
