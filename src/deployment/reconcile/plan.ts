/**
 * Plans the next steps from the observed to the desired state. Pure. The reconciler observes and plans again after the steps,
 * until none are left. No progress is stored, so a restart resumes by observing.
 *
 * Workers of a new version start in addition to the old ones. Requests switch to them atomically when all are ready, and only
 * then are the old ones drained. Workers that are not affected by the change stay.
 *
 * A serverless variant needs no worker to be served: serving requests and stops its functions. The plan neither starts nor
 * counts functions; it only drains those that are no longer needed. A variant with instances and functions is two desired
 * variants with one name: a counted one and an elastic one.
 */

/** What makes two workers interchangeable. */
export interface PlannedWorkerKind {
  readonly variant: string;
  /** `digits/3` */
  readonly model: string;
  /** `functionType` for functions of any memory size. */
  readonly instanceType: string;
  /** Names the plans that it has loaded; absent for a worker with one model. */
  readonly ladder?: string;
}

/** Not the name of an instance type. */
export const functionType = 'function';

/** A kind of worker, and how many of it should run. */
export interface DesiredVariant extends PlannedWorkerKind {
  /** 0 for an elastic variant. */
  readonly count: number;
  /** Serverless: its workers start and stop on demand. */
  readonly isElastic: boolean;
  /** The name as spelled by the user; `variant` is the key for comparison. */
  readonly name?: string;
  /** Receives copies of requests only, so requests never wait for its workers. */
  readonly isShadow?: true;
  /** If there are too many workers, these are drained first, in this order. */
  readonly leaving?: readonly string[];
}

/** The target of a plan. During a monitored update it has the old variants too, in `retained`. */
export interface DesiredState {
  readonly state: 'InService' | 'Unloaded' | 'Deleted';
  /** Number of config changes. */
  readonly generation: number;
  readonly variants: readonly DesiredVariant[];
  /** Previous variants, which run until a monitored update is complete. */
  readonly retained?: readonly DesiredVariant[];
  /** Share of traffic of the new variants; default: all. */
  readonly share?: number;
}

/** A worker as the provider and serving report it. */
export interface ObservedWorker extends PlannedWorkerKind {
  readonly id: string;
  /** Serving can use it. */
  readonly isReady: boolean;
  /** It is stopping and does not count as capacity. */
  readonly isDraining: boolean;
  /** A reload will replace it. */
  readonly isStale?: boolean;
}

/** State of the endpoint in serving: unknown, rejecting requests, or routing them. */
export type ServedState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'served'; readonly generation: number; readonly variants: readonly DesiredVariant[]; readonly share?: number };

/** The actual state: all workers of the endpoint, also those that are stopping. */
export interface ObservedState {
  readonly workers: readonly ObservedWorker[];
  readonly served: ServedState;
}

/** One step of a plan. Steps are few and small: after them, the state is observed again. */
export type PlanStep =
  | { readonly kind: 'start'; readonly variant: DesiredVariant }
  /** Route requests by the desired config from now on. */
  | { readonly kind: 'serve' }
  /** Reject new requests; those in progress are answered. */
  | { readonly kind: 'suspend' }
  | { readonly kind: 'forget' }
  /** Let the worker finish its requests, then stop it. */
  | { readonly kind: 'drain'; readonly workerId: string }
  /** A deleted endpoint has no workers left: remove its row. */
  | { readonly kind: 'erase' };

/** The steps that can run now; empty if the desired state is reached or workers are still starting or draining. */
export function plan(desired: DesiredState, observed: ObservedState): readonly PlanStep[] {
  switch (desired.state) {
    case 'Deleted':
      return planDeletion(observed);
    case 'Unloaded':
      return observed.served.kind === 'suspended' ? drainAll(observed) : [{ kind: 'suspend' }];
    case 'InService':
      return planService(desired, observed);
  }
}

/** Requests are rejected before workers stop, so that none waits for a worker that will not start. */
function planDeletion(observed: ObservedState): readonly PlanStep[] {
  if (observed.served.kind !== 'unknown') return [{ kind: 'forget' }];
  if (observed.workers.length > 0) return drainAll(observed);
  return [{ kind: 'erase' }];
}

function drainAll(observed: ObservedState): readonly PlanStep[] {
  return notDraining(observed).map(({ id }) => ({ kind: 'drain', workerId: id }));
}

function planService(desired: DesiredState, observed: ObservedState): readonly PlanStep[] {
  const steps: PlanStep[] = [];
  const { served } = observed;
  const present = notDraining(observed);
  const wanted = [...desired.variants, ...(desired.retained ?? [])];
  for (const variant of wanted) {
    if (variant.isElastic) continue;
    const missing = allowedOf(variant, present) - present.filter((worker) => isSameKind(worker, variant)).length;
    for (let i = 0; i < missing; i++) steps.push({ kind: 'start', variant });
  }
  const isCurrent = served.kind === 'served' && served.generation === desired.generation && shareOf(served) === shareOf(desired);
  const switches = !isCurrent && isComplete(wanted, present, served);
  if (switches) steps.push({ kind: 'serve' });
  const inUse = isCurrent || switches ? wanted : [...wanted, ...(served.kind === 'served' ? served.variants : [])];
  for (const worker of present) {
    if (!inUse.some((kind) => isSameKind(worker, kind))) steps.push({ kind: 'drain', workerId: worker.id });
  }
  // Surplus workers are removed only after the smaller number is served.
  if (isCurrent || switches) {
    for (const variant of wanted) steps.push(...(variant.isElastic ? outdated(variant, present) : surplus(variant, present)));
  }
  return steps;
}

/**
 * Whether requests can be routed by the desired config: each variant can serve, and if any executor is serving now,
 * at least one remains.
 */
function isComplete(wanted: readonly DesiredVariant[], present: readonly ObservedWorker[], served: ServedState): boolean {
  if (!wanted.every((variant) => canServe(variant, present, served))) return false;
  const serves = (variants: readonly DesiredVariant[]) =>
    variants.some((variant) => variant.isShadow !== true && (variant.isElastic || readyOf(variant, present) > 0));
  return served.kind !== 'served' || serves(wanted) || !serves(served.variants);
}

function shareOf({ share = 1 }: { readonly share?: number }): number {
  return share;
}

/**
 * A variant that is already served continues, regardless of count and health. If nothing is served yet, one worker is enough.
 * A replacement waits until it is complete, to avoid a drop in capacity. An elastic variant gets its workers on demand, and
 * requests do not depend on a shadow.
 */
function canServe(variant: DesiredVariant, present: readonly ObservedWorker[], served: ServedState): boolean {
  if (variant.isElastic || variant.isShadow === true) return true;
  const ready = readyOf(variant, present);
  if (served.kind !== 'served') return ready >= Math.min(1, variant.count);
  return served.variants.some((kind) => isSameKind(kind, variant)) || ready >= variant.count;
}

/** The desired count, plus one during a reload, when workers are replaced one by one. */
function allowedOf(variant: DesiredVariant, present: readonly ObservedWorker[]): number {
  const hasStale = present.some((worker) => worker.isStale === true && isSameKind(worker, variant));
  return hasStale && readyOf(variant, present) <= variant.count ? variant.count + 1 : variant.count;
}

/** Drain order: not ready, then stale, then `leaving`, then newest. */
function surplus(variant: DesiredVariant, present: readonly ObservedWorker[]): readonly PlanStep[] {
  const ofKind = present.filter((worker) => isSameKind(worker, variant));
  const rank = ({ isReady, isStale }: ObservedWorker): number => (isReady ? (isStale === true ? 1 : 0) : 2);
  const { leaving = [] } = variant;
  const leavingIndex = ({ id }: ObservedWorker): number => (leaving.includes(id) ? leaving.indexOf(id) : leaving.length);
  const retainedFirst = ofKind.toSorted((one, other) => rank(one) - rank(other) || leavingIndex(other) - leavingIndex(one));
  return retainedFirst.slice(allowedOf(variant, present)).map(({ id }) => ({ kind: 'drain', workerId: id }));
}

/** Stale functions after a reload; new ones start on demand. */
function outdated(variant: DesiredVariant, present: readonly ObservedWorker[]): readonly PlanStep[] {
  const stale = present.filter((worker) => worker.isStale === true && isSameKind(worker, variant));
  return stale.map(({ id }) => ({ kind: 'drain', workerId: id }));
}

function notDraining({ workers }: ObservedState): readonly ObservedWorker[] {
  return workers.filter((worker) => !worker.isDraining);
}

/** Number of workers of the kind that accept requests. */
export function readyOf(kind: PlannedWorkerKind, workers: readonly ObservedWorker[]): number {
  return workers.filter((worker) => worker.isReady && !worker.isDraining && isSameKind(worker, kind)).length;
}

/** Whether a worker can stand in for another one: same variant, model, machine size and plans. */
export function isSameKind(one: PlannedWorkerKind, other: PlannedWorkerKind): boolean {
  return (
    one.variant === other.variant && one.model === other.model && one.instanceType === other.instanceType && one.ladder === other.ladder
  );
}
