/** What was measured about a model, in the form of the profile file that simulations read. */
import type { FunctionProfileBody, ProfileBody } from '../api/index.ts';

/** What the server answers to `GET .../profile`. */
export interface KnownProfile {
  readonly items: readonly ProfileBody[];
  readonly functions: readonly FunctionProfileBody[];
}

/** What a request costs beside its batch: the gateway's own time, as the simulator and the what-if plans reckon it. */
const overheadMs = 0.2;

export function profileFile(name: string, { items, functions }: KnownProfile): unknown {
  const serviceOf = ({ service }: Pick<ProfileBody, 'service'>) =>
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
