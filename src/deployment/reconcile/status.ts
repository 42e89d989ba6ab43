/** An endpoint's status and its reason, from the desired and the actual state. Pure. */
import type { EventKind } from '../../records/index.ts';
import { productionVariants } from '../config/endpoint-config.ts';
import {
  type DesiredState,
  type DesiredVariant,
  isSameKind,
  type ObservedWorker,
  type PlannedWorkerKind,
  readyOf,
  type ServedState,
} from './plan.ts';

/** As SageMaker has them, with `Unloaded`, which it lacks: the endpoint exists, and by its user's request nothing serves. */
export type EndpointStatus = 'Creating' | 'Updating' | 'InService' | 'Failed' | 'Deleting' | 'Unloaded' | 'RollingBack';

/** The event that is published when an endpoint enters the status. */
export const statusEventKinds: Record<EndpointStatus, EventKind> = {
  Creating: 'endpoint.creating',
  Updating: 'endpoint.updating',
  InService: 'endpoint.in-service',
  Failed: 'endpoint.failed',
  Deleting: 'endpoint.deleting',
  Unloaded: 'endpoint.unloaded',
  RollingBack: 'endpoint.rolling-back',
};

/** A transient status: another one follows automatically. */
export function isTransitional(status: EndpointStatus): boolean {
  return status === 'Creating' || status === 'Updating';
}

/** A status, and a sentence that explains it. */
export interface StatusAndReason {
  readonly status: EndpointStatus;
  /** Null if there is nothing to report. */
  readonly reason: string | null;
}

/** A worker, and why it is down if it is. */
export interface WorkerHealth extends ObservedWorker {
  /** It crashed repeatedly, and the provider has stopped restarting it for now. */
  readonly hasFailed: boolean;
  /** How its last process ended. */
  readonly reason: string | null;
}

/** The input of `endpointStatusOf`. */
export interface EndpointObservation {
  readonly desired: DesiredState;
  readonly served: ServedState;
  readonly workers: readonly WorkerHealth[];
  /** The last generation that was complete, or the first to be served. */
  readonly settledGeneration: number;
}

/** While an older generation serves, a failed update does not make the endpoint Failed. */
export function endpointStatusOf(observation: EndpointObservation): StatusAndReason {
  const { desired, served, workers } = observation;
  if (desired.state === 'Deleted') return { status: 'Deleting', reason: null };
  if (desired.state === 'Unloaded') {
    const isUnloaded = served.kind === 'suspended' && workers.length === 0;
    return isUnloaded ? { status: 'Unloaded', reason: null } : { status: 'Updating', reason: 'finishing requests in flight' };
  }
  const broken = desired.variants.map((variant) => brokenOf(variant, observation)).find((reason) => reason !== null) ?? null;
  if (served.kind !== 'served') {
    if (broken !== null) return { status: 'Failed', reason: broken };
    return { status: served.kind === 'unknown' ? 'Creating' : 'Updating', reason: null };
  }
  if (served.generation !== desired.generation) return duringUpdate(served.variants, observation);
  if (broken !== null) return { status: 'Failed', reason: broken };
  const failed = desired.variants.map((variant) => someFailureOf(variant, workers)).find((reason) => reason !== null) ?? null;
  if (failed !== null) return { status: 'InService', reason: failed };
  if (observation.settledGeneration !== desired.generation) return { status: 'Updating', reason: null };
  const without = desired.variants.find((variant) => variant.count > 0 && readyOf(variant, workers) === 0);
  return {
    status: 'InService',
    reason: without === undefined ? null : `variant ${without.name ?? without.variant}: its worker is being restarted`,
  };
}

/** The previous generation is served. If the update failed, the endpoint is in service with a reason, so that waiting for it ends. */
function duringUpdate(before: readonly PlannedWorkerKind[], { desired, workers }: EndpointObservation): StatusAndReason {
  const isAdded = (variant: DesiredVariant) => !before.some((kind) => isSameKind(kind, variant));
  const failures = productionVariants(desired.variants).map((variant) =>
    isAdded(variant) ? someFailureOf(variant, workers) : failureOf(variant, workers),
  );
  const failed = failures.find((reason) => reason !== null) ?? null;
  if (failed === null) return { status: 'Updating', reason: null };
  return { status: 'InService', reason: `the update failed, the previous version still serves: ${failed}` };
}

/** Neither failed functions of working instances nor a failed shadow make an endpoint fail: requests are answered. */
function brokenOf(variant: DesiredVariant, { desired, workers }: EndpointObservation): string | null {
  if (variant.isShadow === true) return null;
  const hasReadyInstance =
    variant.isElastic && desired.variants.some((other) => !other.isElastic && isSameModel(variant, other) && readyOf(other, workers) > 0);
  return hasReadyInstance ? null : failureOf(variant, workers);
}

function isSameModel(one: DesiredVariant, other: DesiredVariant): boolean {
  return one.variant === other.variant && one.model === other.model;
}

/** Why no worker of the variant works; null while one works or may still start. */
function failureOf(variant: DesiredVariant, workers: readonly WorkerHealth[]): string | null {
  return readyOf(variant, workers) > 0 ? null : someFailureOf(variant, workers);
}

function someFailureOf(variant: DesiredVariant, workers: readonly WorkerHealth[]): string | null {
  const failed = workers.find((worker) => worker.hasFailed && !worker.isDraining && isSameKind(worker, variant));
  if (failed === undefined) return null;
  return `variant ${variant.name ?? variant.variant}: worker ${failed.id} of ${variant.model} failed: ${failed.reason ?? 'unknown reason'}`;
}
