/**
 * From what runs to what is wanted: the steps that may be taken now. Pure; whoever takes them looks again afterwards
 * and asks again, until there are none. So nothing about the way is stored, and a restart resumes by looking.
 *
 * A new version's workers start beside the old ones, requests go over to them at one stroke when all are ready, and
 * only then are the old ones drained. Workers that the change does not concern are kept.
 *
 * A serverless variant needs no worker to be served: serving asks for its functions as requests come, and has them
 * ended. The plan neither starts nor counts them, it only drains those that nobody wants any more. Functions beside
 * instances are two wanted variants of one name: one that is counted, and an elastic one.
 */

/** What makes two workers interchangeable. */
export interface WorkerKind {
  readonly variant: string;
  /** `digits/3` */
  readonly model: string;
  /** `functionType` for functions, whatever their memory size. */
  readonly instanceType: string;
}

/** No instance type is called so. */
export const functionType = 'function';

export interface WantedVariant extends WorkerKind {
  /** 0 for an elastic one. */
  readonly count: number;
  /** Serverless: its workers come and go with its requests. */
  readonly isElastic: boolean;
  /** As its user spells it; `variant` is what that is compared by. */
  readonly name?: string;
  /** Where there are too many, these go first, in this order. */
  readonly leaving?: readonly string[];
}

export interface Desired {
  readonly state: 'InService' | 'Unloaded' | 'Deleted';
  /** Counts the changes of the config. */
  readonly generation: number;
  readonly variants: readonly WantedVariant[];
  /** Those of before that stay until an update has been watched to its end. */
  readonly kept?: readonly WantedVariant[];
  /** Of the requests, what the variants get beside those kept; all unless given. */
  readonly share?: number;
}

export interface ObservedWorker extends WorkerKind {
  readonly id: string;
  /** Serving can use it. */
  readonly isReady: boolean;
  /** It is on its way out and counts for nothing. */
  readonly isDraining: boolean;
  /** A reload was asked for: a new one of its kind is to take its place. */
  readonly isStale?: boolean;
}

/** What serving does with the endpoint: it was not told of it, was told to refuse requests, or routes them. */
export type Served =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'served'; readonly generation: number; readonly variants: readonly WantedVariant[]; readonly share?: number };

export interface Observed {
  readonly workers: readonly ObservedWorker[];
  readonly served: Served;
}

export type Step =
  | { readonly kind: 'start'; readonly variant: WantedVariant }
  /** Route requests by the desired config from now on. */
  | { readonly kind: 'serve' }
  /** No new requests, those under way are answered. */
  | { readonly kind: 'suspend' }
  | { readonly kind: 'forget' }
  /** Let it answer what it has, then end it. */
  | { readonly kind: 'drain'; readonly workerId: string }
  /** Nothing is left of a deleted endpoint: remove its row. */
  | { readonly kind: 'erase' };

export function plan(desired: Desired, observed: Observed): readonly Step[] {
  switch (desired.state) {
    case 'Deleted':
      return planDeletion(observed);
    case 'Unloaded':
      return observed.served.kind === 'suspended' ? drainAll(observed) : [{ kind: 'suspend' }];
    case 'InService':
      return planService(desired, observed);
  }
}

/** Requests are refused before workers go, so that nobody waits for a worker that will not come. */
function planDeletion(observed: Observed): readonly Step[] {
  if (observed.served.kind !== 'unknown') return [{ kind: 'forget' }];
  if (observed.workers.length > 0) return drainAll(observed);
  return [{ kind: 'erase' }];
}

function drainAll(observed: Observed): readonly Step[] {
  return staying(observed).map(({ id }) => ({ kind: 'drain', workerId: id }));
}

function planService(desired: Desired, observed: Observed): readonly Step[] {
  const steps: Step[] = [];
  const { served } = observed;
  const present = staying(observed);
  const wanted = [...desired.variants, ...(desired.kept ?? [])];
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
  // Too many are only taken away once the smaller number is what is served: until then they are needed.
  if (isCurrent || switches) {
    for (const variant of wanted) steps.push(...(variant.isElastic ? outdated(variant, present) : surplus(variant, present)));
  }
  return steps;
}

/**
 * Whether requests may be routed by the desired config: each variant may serve, and if somebody serves now, then
 * somebody will.
 */
function isComplete(wanted: readonly WantedVariant[], present: readonly ObservedWorker[], served: Served): boolean {
  if (!wanted.every((variant) => mayServe(variant, present, served))) return false;
  const serves = (variants: readonly WantedVariant[]) => variants.some((variant) => variant.isElastic || readyOf(variant, present) > 0);
  return served.kind !== 'served' || serves(wanted) || !serves(served.variants);
}

function shareOf({ share = 1 }: { readonly share?: number }): number {
  return share;
}

/**
 * One that is served already goes on, whatever its count and health; a first one starts with its first worker; one
 * that replaces another waits until it is complete, lest capacity drop. An elastic one gets its workers from requests.
 */
function mayServe(variant: WantedVariant, present: readonly ObservedWorker[], served: Served): boolean {
  if (variant.isElastic) return true;
  const ready = readyOf(variant, present);
  if (served.kind !== 'served') return ready >= Math.min(1, variant.count);
  return served.variants.some((kind) => isSameKind(kind, variant)) || ready >= variant.count;
}

/** As many as wanted; one more while those of before a reload are replaced one by one, until it is ready in their place. */
function allowedOf(variant: WantedVariant, present: readonly ObservedWorker[]): number {
  const hasStale = present.some((worker) => worker.isStale === true && isSameKind(worker, variant));
  return hasStale && readyOf(variant, present) <= variant.count ? variant.count + 1 : variant.count;
}

/** Those not ready go first, then those of before a reload, then those that are said to be leaving, then the latest. */
function surplus(variant: WantedVariant, present: readonly ObservedWorker[]): readonly Step[] {
  const ofKind = present.filter((worker) => isSameKind(worker, variant));
  const rank = ({ isReady, isStale }: ObservedWorker): number => (isReady ? (isStale === true ? 1 : 0) : 2);
  const { leaving = [] } = variant;
  const place = ({ id }: ObservedWorker): number => (leaving.includes(id) ? leaving.indexOf(id) : leaving.length);
  const keptFirst = ofKind.toSorted((one, other) => rank(one) - rank(other) || place(other) - place(one));
  return keptFirst.slice(allowedOf(variant, present)).map(({ id }) => ({ kind: 'drain', workerId: id }));
}

/** Functions of before a reload: new ones come as they are needed. */
function outdated(variant: WantedVariant, present: readonly ObservedWorker[]): readonly Step[] {
  const stale = present.filter((worker) => worker.isStale === true && isSameKind(worker, variant));
  return stale.map(({ id }) => ({ kind: 'drain', workerId: id }));
}

function staying({ workers }: Observed): readonly ObservedWorker[] {
  return workers.filter((worker) => !worker.isDraining);
}

/** How many workers of the kind take requests. */
export function readyOf(kind: WorkerKind, workers: readonly ObservedWorker[]): number {
  return workers.filter((worker) => worker.isReady && !worker.isDraining && isSameKind(worker, kind)).length;
}

export function isSameKind(one: WorkerKind, other: WorkerKind): boolean {
  return one.variant === other.variant && one.model === other.model && one.instanceType === other.instanceType;
}
