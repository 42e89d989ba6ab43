/** The current state of an endpoint for views: its variants, their executors, and request statistics. */

import type { Objective } from '../../objective.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { FunctionsView } from '../functions/function-variant.ts';
import { byWorker, type ServedExecutor } from '../instances/executor-slots.ts';
import { type LadderView, type UnloadedModel, unloadedIn } from '../ladder.ts';
import type { VariantPool } from '../variant-pool.ts';
import type { VariantStatistics } from './statistics.ts';
import { type RoutedVariant, type Routing, routedVariants } from './traffic.ts';

/** A variant as it serves now, which may differ from its config during an update. */
export interface ServedVariant {
  readonly name: string;
  readonly version: ModelVersion;
  /** For a shadow: the share of requests that it receives a copy of. */
  readonly weight: number;
  readonly isShadow: boolean;
  readonly executors: readonly ServedExecutor[];
  /** Largest batch size in the profile; 32 while unknown, 0 if the model is not batched. */
  readonly batchSizeMax: number;
  readonly rowsWaiting: number;
  readonly statistics: VariantStatistics;
  /** Functions that run the variant, or that take requests its instances cannot finish in time. null: no functions. */
  readonly functions: FunctionsView | null;
  /** State of functions alongside instances; null if the variant has only one kind of executor. */
  readonly overflow: OverflowView | null;
  /** The plans of a selection; null for a variant with one model. */
  readonly ladder: LadderView | null;
  /** Models of these plans that workers could not load: plans that need them are left out there. */
  readonly unloaded: readonly UnloadedModel[];
}

/** Functions as a part of a hybrid variant. */
export interface OverflowView {
  /** Share of answered requests that functions answered. */
  readonly share: number;
  /** Why functions currently accept no requests; null if they do. */
  readonly shutReason: string | null;
}

/** The variants that answer requests: all but the shadow. */
export function answeringVariants({ variants }: Pick<ServedView, 'variants'>): readonly ServedVariant[] {
  return variants.filter(({ isShadow }) => !isShadow);
}

/** A snapshot for views. */
export interface ServedView {
  readonly name: string;
  readonly isReady: boolean;
  readonly reason: string | null;
  readonly objective: Objective | null;
  readonly variants: readonly ServedVariant[];
}

/** A snapshot of the endpoint; `statistics` are live objects. */
export function servedViewOf(routing: Routing): ServedView {
  const variants = routedVariants(routing).map(({ pool, weight }: RoutedVariant) => ({
    name: pool.variant,
    version: pool.model,
    weight,
    isShadow: pool.settings.isShadow === true,
    executors: byWorker(pool.executors),
    batchSizeMax: pool.batchSizeMax,
    rowsWaiting: pool.rowsWaiting,
    statistics: pool.statistics,
    functions: pool.functions?.view() ?? null,
    overflow: overflowView(pool),
    ladder: pool.ladder?.view ?? null,
    unloaded: unloadedIn(pool.executors),
  }));
  const isReady =
    !routing.isSuspended && variants.every(({ executors, functions, isShadow }) => isShadow || executors.length > 0 || functions !== null);
  const reason = routing.isSuspended ? 'unloaded' : isReady ? null : 'no worker is ready';
  return { name: routing.name, isReady, reason, objective: routing.objective, variants };
}

function overflowView({ overflow, statistics }: VariantPool): OverflowView | null {
  if (overflow === null) return null;
  const { overflowed, success } = statistics;
  return { share: success.count === 0 ? 0 : overflowed / success.count, shutReason: overflow.shutReason };
}
