/**
 * The models of multi-model endpoints: objects below a folder of S3, each loaded on its first request into a worker of its own and evicted
 * when others need the memory. An object is untrusted: it is served only if its writer may approve models, or if an Approved version has the
 * same bytes. Both are decided about the bytes that were read, and again while the model is loaded.
 */

import { createHash } from 'node:crypto';
import { hasPermission, type Role } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { endpointsNamespace, type MetricStore, sagemakerNamespace, variantMetricKey } from '../../metrics/index.ts';
import { nameKey } from '../../names.ts';
import { type HeldModel, multiModelUri, type Registry } from '../../registry/index.ts';
import type { MultiModelRoute, ServedRoute, Serving } from '../../serving/index.ts';
import type { S3Object } from '../s3/objects/object.ts';
import type { S3Store } from '../s3/objects/store.ts';
import { ModelCache } from './model-cache.ts';

export interface TargetModelsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Pick<Registry, 'holdModel' | 'isApprovedContent'>;
  readonly objects: Pick<S3Store, 'head' | 'open'>;
  readonly serving: Pick<Serving, 'openTarget' | 'closeTarget'>;
  readonly series: Pick<MetricStore, 'add'>;
  /** The current role of a key; undefined if it was revoked. */
  readonly roleOf: (keyId: string) => Role | undefined;
  /** Memory of a variant's instances together, in MiB. */
  readonly memoryMiBOf: (endpoint: string, variant: string) => number;
}

/** A loaded model in use. Call `release` when its request is answered. */
export interface TargetLease {
  readonly route: ServedRoute;
  release(): void;
}

/** How many models a variant has loaded, with the memory that they use and may use. */
export interface TargetModelsView {
  readonly models: number;
  readonly memoryMiB: number;
  readonly memoryMiBMax: number;
}

/** The object of a TargetModel does not exist, or its name is invalid. */
export class NoTargetModel extends Error {}

/** The object exists but is not served. `status` is what a container would answer. */
export class TargetModelRejected extends Error {
  readonly status: 400 | 403 | 507;

  constructor(status: 400 | 403 | 507, message: string) {
    super(message);
    this.status = status;
  }
}

interface Target {
  readonly base: MultiModelRoute;
  readonly bucket: string;
  readonly key: string;
  /** As requested. */
  readonly name: string;
}

interface Loaded {
  readonly base: MultiModelRoute;
  readonly held: HeldModel;
  readonly memoryMiB: number;
  readonly objectId: string;
  readonly writer: string | undefined;
  checkedAtMs: number;
}

/** A worker without a model, and what onnxruntime needs while it loads one: the file, its weights, and a copy in another layout. */
const workerMiB = 160;
const modelFactor = 3;
const memoryStepMiB = 32;

/** How long a decision about an object is valid: a withdrawn role or approval takes effect after at most this time. */
const validMs = 1000;
/** How long the error of an object is repeated without reading it again. */
const rejectedMs = 5000;
const rejectedMax = 1000;

/** Models that are read and inspected at a time, by all endpoints, and requests that wait for that. */
const loadsMax = 2;
const waitingLoadsMax = 64;
const loadTimeoutMs = 120_000;

/** Loads, checks and evicts the objects that requests name by `TargetModel`. */
export class TargetModels {
  readonly #deps: TargetModelsDeps;
  /** By endpoint and variant, in lower case. */
  readonly #caches = new Map<string, ModelCache<Loaded>>();
  /** Loads under way, by endpoint, variant and key. */
  readonly #loading = new Map<string, Promise<void>>();
  /** Errors of objects by their id, which is unique for each write; oldest first. */
  readonly #rejected = new Map<string, { readonly error: Error; readonly untilMs: number }>();
  readonly #waitingLoads: (() => void)[] = [];
  #loads = 0;
  /** Loads so far, which make the names of loaded models unique. */
  #count = 0;

  constructor(deps: TargetModelsDeps) {
    this.#deps = deps;
  }

  /**
   * Returns the loaded model, loading it first if needed. Throws `NoTargetModel`, `TargetModelRejected`, and `PlatformError`: `overloaded` if
   * too many wait for loads, `unavailable` when `signal` aborts.
   */
  async acquire(base: MultiModelRoute, name: string, signal: AbortSignal): Promise<TargetLease> {
    checkTarget(name);
    const { bucket, prefix } = base.folder;
    const target: Target = { base, bucket, name, key: `${prefix}${name}` };
    const cache = this.#cacheOf(base);
    const sinceMs = this.#deps.clock.nowMs();
    let isHit = true;
    for (;;) {
      const lease = await this.#use(cache, target);
      if (lease !== null) {
        this.#record(base.route, 'ModelCacheHit', 'None', isHit ? 1 : 0);
        if (!isHit) this.#recordMs(base.route, 'ModelLoadingWaitTime', sinceMs);
        return lease;
      }
      isHit = false;
      await within(signal, this.#loadOnce(cache, target));
    }
  }

  view(endpoint: string, variant: string): TargetModelsView {
    const cache = this.#caches.get(nameKey(`${endpoint}/${variant}`));
    const memoryMiBMax = this.#deps.memoryMiBOf(endpoint, variant);
    return { models: cache?.loaded.length ?? 0, memoryMiB: cache?.memoryMiB ?? 0, memoryMiBMax };
  }

  /** Unloads models whose endpoint was deleted, or serves another version now. */
  async unloadStale(isServed: (base: MultiModelRoute) => boolean): Promise<void> {
    await Promise.all([...this.#caches.values()].map((cache) => cache.removeWhere(({ base }) => !isServed(base))));
  }

  /** Null if the model is not loaded, or its object was overwritten. Throws if it may no longer be served. */
  async #use(cache: ModelCache<Loaded>, target: Target): Promise<TargetLease | null> {
    const key = keyOf(target);
    const known = cache.peek(key);
    if (known === undefined) return null;
    if (this.#deps.clock.nowMs() - known.checkedAtMs >= validMs && !(await this.#isCurrent(cache, target, known))) return null;
    const lease = cache.use(key);
    if (lease === null) return null; // evicted during the check
    const release = (): void => {
      lease.release();
      if (!target.base.folder.isCached && cache.isIdle(key)) void cache.remove(key);
    };
    try {
      const { held, memoryMiB } = lease.model;
      return { route: this.#deps.serving.openTarget(target.base, held.version, memoryMiB), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Checks the object and its gate again. */
  async #isCurrent(cache: ModelCache<Loaded>, target: Target, known: Loaded): Promise<boolean> {
    const object = await this.#deps.objects.head(target.bucket, target.key);
    if (object?.id === known.objectId && (await this.#isAllowed(known.writer, known.held))) {
      known.checkedAtMs = this.#deps.clock.nowMs();
      return true;
    }
    // Its requests are answered; its memory is free then.
    if (cache.peek(keyOf(target)) === known) void cache.remove(keyOf(target));
    if (object === null) throw missing(target);
    if (object.id === known.objectId) throw gateError(target, known.writer, known.held);
    return false;
  }

  #loadOnce(cache: ModelCache<Loaded>, target: Target): Promise<void> {
    const key = `${cacheKeyOf(target.base)}/${keyOf(target)}`;
    let load = this.#loading.get(key);
    if (load === undefined) {
      load = this.#load(cache, target).finally(() => this.#loading.delete(key));
      this.#loading.set(key, load);
    }
    return load;
  }

  async #load(cache: ModelCache<Loaded>, target: Target): Promise<void> {
    const { clock, objects } = this.#deps;
    const object = await objects.head(target.bucket, target.key);
    if (object === null) throw missing(target);
    const rejected = this.#rejected.get(object.id);
    if (rejected !== undefined && rejected.untilMs > clock.nowMs()) throw rejected.error;
    await this.#turn();
    const timeout = new AbortController();
    const cancelTimeout = clock.after(loadTimeoutMs, () => timeout.abort());
    try {
      await this.#loadNow(cache, target, timeout.signal);
    } catch (thrown) {
      const error = this.#loadError(target, thrown);
      if (error instanceof TargetModelRejected) this.#remember(object.id, error);
      throw error;
    } finally {
      cancelTimeout();
      this.#loads--;
      this.#waitingLoads.shift()?.();
    }
  }

  async #loadNow(cache: ModelCache<Loaded>, target: Target, signal: AbortSignal): Promise<void> {
    const { base } = target;
    const object = await this.#deps.objects.open(target.bucket, target.key);
    if (object === null) throw missing(target);
    const memoryMiBMax = this.#deps.memoryMiBOf(base.route.endpoint, base.route.variant);
    let memoryMiB = memoryFor(object.bytes);
    if (memoryMiB > memoryMiBMax) {
      object.close();
      throw tooLarge(target, memoryMiB, memoryMiBMax);
    }
    await cache.reserve(memoryMiB, signal).catch((error: unknown) => {
      object.close();
      throw error;
    });
    let isAdded = false;
    try {
      const held = await this.#read(target, object, modelBytesMax(memoryMiBMax));
      try {
        if (!(await this.#isAllowed(object.headers.writer, held))) throw gateError(target, object.headers.writer, held);
        const neededMiB = memoryFor(held.version.artifact.bytes);
        if (neededMiB > memoryMiBMax) throw tooLarge(target, neededMiB, memoryMiBMax);
        if (neededMiB > memoryMiB) await cache.reserve(neededMiB - memoryMiB, signal);
        else cache.cancel(memoryMiB - neededMiB);
        memoryMiB = neededMiB;
        const checkedAtMs = this.#deps.clock.nowMs();
        const lease = cache.add(keyOf(target), { base, held, memoryMiB, objectId: object.id, writer: object.headers.writer, checkedAtMs });
        isAdded = true;
        // The requests that wait for it use it before then.
        setImmediate(() => lease.release());
        this.#recordCount(base.route, cache);
      } finally {
        if (!isAdded) await held.release();
      }
    } finally {
      object.close();
      if (!isAdded) cache.cancel(memoryMiB);
    }
  }

  async #read(target: Target, object: S3Object & { stream(): AsyncIterable<Uint8Array> }, bytesMax: number): Promise<HeldModel> {
    const { clock, registry } = this.#deps;
    const { base, name } = target;
    const startedAtMs = clock.nowMs();
    let readAtMs = startedAtMs;
    async function* measured(): AsyncGenerator<Uint8Array> {
      yield* object.stream();
      readAtMs = clock.nowMs();
    }
    const sourceName = name.split('/').at(-1) ?? name;
    const id = `${createHash('sha256').update(object.id).digest('hex').slice(0, 12)}.${++this.#count}`;
    const held = await registry.holdModel({ base: base.version, source: measured(), sourceName, target: name, id, bytesMax });
    this.#record(base.route, 'ModelDownloadingTime', 'Microseconds', 1000 * (readAtMs - startedAtMs));
    this.#recordMs(base.route, 'ModelLoadingTime', readAtMs);
    return held;
  }

  async #isAllowed(writer: string | undefined, { version }: HeldModel): Promise<boolean> {
    const { roleOf, registry } = this.#deps;
    const role = writer === undefined ? undefined : roleOf(writer);
    return (role !== undefined && hasPermission(role, 'approve')) || (await registry.isApprovedContent(version));
  }

  /** Waits until fewer than `loadsMax` loads are under way. Throws `overloaded` if too many wait. */
  async #turn(): Promise<void> {
    if (this.#loads >= loadsMax + waitingLoadsMax) {
      throw new PlatformError('overloaded', `${waitingLoadsMax} models wait to be loaded: retry later`, { retryAfterMs: 1000 });
    }
    this.#loads++;
    if (this.#loads > loadsMax) await new Promise<void>((resolve) => this.#waitingLoads.push(resolve));
  }

  #loadError(target: Target, thrown: unknown): Error {
    if (thrown instanceof NoTargetModel || thrown instanceof TargetModelRejected) return thrown;
    const error = asPlatformError(thrown);
    switch (error.code) {
      case 'invalid_request':
      case 'unsupported':
      case 'too_large':
      case 'model_failed':
        return new TargetModelRejected(400, `TargetModel ${target.name} cannot be served: ${messageOf(error)}`);
      default:
        return error;
    }
  }

  #remember(objectId: string, error: Error): void {
    this.#rejected.delete(objectId);
    this.#rejected.set(objectId, { error, untilMs: this.#deps.clock.nowMs() + rejectedMs });
    const [oldest] = this.#rejected.keys();
    if (this.#rejected.size > rejectedMax && oldest !== undefined) this.#rejected.delete(oldest);
  }

  #cacheOf(base: MultiModelRoute): ModelCache<Loaded> {
    const key = cacheKeyOf(base);
    let cache = this.#caches.get(key);
    if (cache === undefined) {
      const { clock, log, serving, memoryMiBOf } = this.#deps;
      const created: ModelCache<Loaded> = new ModelCache({
        memoryMiBMax: () => memoryMiBOf(base.route.endpoint, base.route.variant),
        unload: async (name, { base: of, held }) => {
          const startedAtMs = clock.nowMs();
          await serving
            .closeTarget(of, held.version)
            .catch((error: unknown) => log.warn({ name, error: messageOf(error) }, 'failed to unload a model'));
          await held.release();
          this.#recordMs(of.route, 'ModelUnloadingTime', startedAtMs);
          this.#recordCount(of.route, created);
        },
      });
      this.#caches.set(key, (cache = created));
    }
    return cache;
  }

  #recordCount({ endpoint, variant }: ServedRoute, cache: ModelCache<Loaded>): void {
    this.#deps.series.add(
      variantMetricKey(endpointsNamespace, endpoint, variant),
      { name: 'LoadedModelCount', unit: 'None' },
      cache.loaded.length,
    );
  }

  #recordMs(route: ServedRoute, name: string, sinceMs: number): void {
    this.#record(route, name, 'Microseconds', 1000 * (this.#deps.clock.nowMs() - sinceMs));
  }

  #record({ endpoint, variant }: ServedRoute, name: string, unit: 'Microseconds' | 'None', value: number): void {
    this.#deps.series.add(variantMetricKey(sagemakerNamespace, endpoint, variant), { name, unit }, value);
  }
}

/** Keys of S3 have no folders that could be left, but such a name is a mistake or an attack. */
function checkTarget(name: string): void {
  const isPlain = name !== '' && !/[\0\\]/.test(name) && name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (isPlain) return;
  throw new NoTargetModel(
    `TargetModel ${JSON.stringify(name.slice(0, 200))} is invalid: expected the name of an object below the model data, such as shop/eu.onnx.`,
  );
}

/** A loaded model belongs to a version: another version can have another folder. */
function keyOf({ base, key }: Target): string {
  return `${base.version.name}/${key}`;
}

function cacheKeyOf({ route: { endpoint, variant } }: MultiModelRoute): string {
  return nameKey(`${endpoint}/${variant}`);
}

function memoryFor(bytes: number): number {
  return memoryStepMiB * Math.ceil((workerMiB + (modelFactor * bytes) / 2 ** 20) / memoryStepMiB);
}

/** The largest model file that fits into this memory. */
function modelBytesMax(memoryMiB: number): number {
  return Math.floor(((memoryMiB - workerMiB) / modelFactor) * 2 ** 20);
}

function missing({ name, base }: Target): NoTargetModel {
  return new NoTargetModel(`Could not find TargetModel ${name} at ${multiModelUri(base.folder)}.`);
}

function tooLarge({ name }: Target, neededMiB: number, memoryMiBMax: number): TargetModelRejected {
  return new TargetModelRejected(
    507,
    `TargetModel ${name} needs ${neededMiB} MiB, the instances of the variant have ${memoryMiBMax} MiB. Choose a larger instance type or more instances.`,
  );
}

function gateError({ name }: Target, writer: string | undefined, { version }: HeldModel): TargetModelRejected {
  const by = writer === undefined ? 'was written by no key alone' : `was written by ${writer}, which may not approve models`;
  return new TargetModelRejected(
    403,
    `TargetModel ${name} ${by}, and no Approved version has its sha256 ${version.sourceSha256}: ` +
      'upload it with a key of role approver or admin, or register and approve it.',
  );
}

/** Waits no longer than the signal allows. The work continues. */
async function within(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new PlatformError('unavailable', 'the model was not loaded in time', { retryAfterMs: 1000 }));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  work.catch(() => undefined);
  try {
    await Promise.race([work, promise]);
  } finally {
    promise.catch(() => undefined);
    signal.removeEventListener('abort', abort);
  }
}
