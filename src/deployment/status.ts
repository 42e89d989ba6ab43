/** How an endpoint is, in one word and a reason: from what is wanted and what is seen. Pure. */
import type { EventKind } from '../monitoring/index.ts';
import { type Desired, isSameKind, type ObservedWorker, readyOf, type Served, type WantedVariant, type WorkerKind } from './plan.ts';

export type EndpointStatus = 'Creating' | 'Updating' | 'InService' | 'Failed' | 'Deleting' | 'Unloaded' | 'RollingBack';

/** What its beginning is told as. */
export const eventKinds: Record<EndpointStatus, EventKind> = {
  Creating: 'endpoint.creating',
  Updating: 'endpoint.updating',
  InService: 'endpoint.in-service',
  Failed: 'endpoint.failed',
  Deleting: 'endpoint.deleting',
  Unloaded: 'endpoint.unloaded',
  RollingBack: 'endpoint.rolling-back',
};

/** Something else is to come of it by itself. */
export function isOnTheWay(status: EndpointStatus): boolean {
  return status === 'Creating' || status === 'Updating';
}

export interface StatusAndReason {
  readonly status: EndpointStatus;
  /** null where there is nothing to say. */
  readonly reason: string | null;
}

export interface WorkerHealth extends ObservedWorker {
  /** The provider gave it up for now: it crashed again and again. */
  readonly hasFailed: boolean;
  /** How its last process ended. */
  readonly reason: string | null;
}

export interface Sight {
  readonly desired: Desired;
  readonly served: Served;
  readonly workers: readonly WorkerHealth[];
  /** The last generation that was once complete, or the first to serve. */
  readonly settledGeneration: number;
}

export function statusOf(sight: Sight): StatusAndReason {
  const { desired, served, workers } = sight;
  if (desired.state === 'Deleted') return { status: 'Deleting', reason: null };
  if (desired.state === 'Unloaded') {
    const isGone = served.kind === 'suspended' && workers.length === 0;
    return isGone ? { status: 'Unloaded', reason: null } : { status: 'Updating', reason: 'requests under way are being finished' };
  }
  const broken = desired.variants.map((variant) => brokenOf(variant, sight)).find((reason) => reason !== null) ?? null;
  if (served.kind !== 'served') {
    if (broken !== null) return { status: 'Failed', reason: broken };
    return { status: served.kind === 'unknown' ? 'Creating' : 'Updating', reason: null };
  }
  if (served.generation !== desired.generation) return duringUpdate(served.variants, sight);
  if (broken !== null) return { status: 'Failed', reason: broken };
  const failed = desired.variants.map((variant) => someFailureOf(variant, workers)).find((reason) => reason !== null) ?? null;
  if (failed !== null) return { status: 'InService', reason: failed };
  if (sight.settledGeneration !== desired.generation) return { status: 'Updating', reason: null };
  const without = desired.variants.find((variant) => variant.count > 0 && readyOf(variant, workers) === 0);
  return {
    status: 'InService',
    reason: without === undefined ? null : `variant ${without.name ?? without.variant}: its worker is being restarted`,
  };
}

/** The generation before serves. An update that does not come about must not be waited for: it is in service, with a reason. */
function duringUpdate(before: readonly WorkerKind[], { desired, workers }: Sight): StatusAndReason {
  const isAdded = (variant: WantedVariant) => !before.some((kind) => isSameKind(kind, variant));
  const failures = desired.variants.map((variant) => (isAdded(variant) ? someFailureOf(variant, workers) : failureOf(variant, workers)));
  const failed = failures.find((reason) => reason !== null) ?? null;
  if (failed === null) return { status: 'Updating', reason: null };
  return { status: 'InService', reason: `the update failed, what was served before still is: ${failed}` };
}

/** Functions beside instances that work are no reason to call the endpoint failed. */
function brokenOf(variant: WantedVariant, { desired, workers }: Sight): string | null {
  const isHelped =
    variant.isElastic && desired.variants.some((other) => !other.isElastic && isSameModel(variant, other) && readyOf(other, workers) > 0);
  return isHelped ? null : failureOf(variant, workers);
}

function isSameModel(one: WantedVariant, other: WantedVariant): boolean {
  return one.variant === other.variant && one.model === other.model;
}

/** Why nothing of the variant works; null while something does or may yet. */
function failureOf(variant: WantedVariant, workers: readonly WorkerHealth[]): string | null {
  return readyOf(variant, workers) > 0 ? null : someFailureOf(variant, workers);
}

function someFailureOf(variant: WantedVariant, workers: readonly WorkerHealth[]): string | null {
  const failed = workers.find((worker) => worker.hasFailed && !worker.isDraining && isSameKind(worker, variant));
  if (failed === undefined) return null;
  return `variant ${variant.name ?? variant.variant}: worker ${failed.id} of ${variant.model} failed: ${failed.reason ?? 'no reason is known'}`;
}
