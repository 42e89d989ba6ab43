/** What an endpoint is at this moment, for whoever shows it: its variants, who runs them, and what came of their requests. */
import type { Objective } from '../objective.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { FunctionsView } from './function-variant.ts';
import { byWorker, type ServedExecutor } from './lanes.ts';
import type { VariantStatistics } from './statistics.ts';
import type { Routing } from './traffic.ts';
import type { VariantPool } from './variant-pool.ts';

export interface ServedVariant {
  readonly name: string;
  readonly version: ModelVersion;
  readonly weight: number;
  readonly executors: readonly ServedExecutor[];
  /** Largest b of the profile; 32 while unknown, 0 where the model is not batched. */
  readonly batchSizeMax: number;
  readonly rowsWaiting: number;
  readonly statistics: VariantStatistics;
  /** Where functions run it, or take what instances cannot finish in time; null where there are none. */
  readonly functions: FunctionsView | null;
  /** Functions beside instances; null where the variant has but one kind. */
  readonly overflow: OverflowView | null;
}

export interface OverflowView {
  /** Of the requests answered, the share that functions answered. */
  readonly share: number;
  /** Why they take nothing at present; null where they do. */
  readonly shutReason: string | null;
}

export interface ServedView {
  readonly name: string;
  readonly isReady: boolean;
  readonly reason: string | null;
  readonly objective: Objective | null;
  readonly variants: readonly ServedVariant[];
}

export function viewOf(routing: Routing): ServedView {
  const variants = routing.variants.map(({ pool, weight }) => ({
    name: pool.variant,
    version: pool.model,
    weight,
    executors: byWorker(pool.executors),
    batchSizeMax: pool.batchSizeMax,
    rowsWaiting: pool.rowsWaiting,
    statistics: pool.statistics,
    functions: pool.functions?.view() ?? null,
    overflow: overflowView(pool),
  }));
  const isReady = !routing.isSuspended && variants.every(({ executors, functions }) => executors.length > 0 || functions !== null);
  const reason = routing.isSuspended ? 'unloaded' : isReady ? null : 'no worker is ready';
  return { name: routing.name, isReady, reason, objective: routing.objective, variants };
}

function overflowView({ overflow, statistics }: VariantPool): OverflowView | null {
  if (overflow === null) return null;
  const { overflowed, success } = statistics;
  return { share: success.count === 0 ? 0 : overflowed / success.count, shutReason: overflow.shutReason };
}
