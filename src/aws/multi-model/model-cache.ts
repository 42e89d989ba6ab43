/**
 * Which models of a multi-model variant are loaded, within its memory. The least recently used idle model is evicted first; a model in use
 * never is. Requests for more memory than idle models free wait in order. Bookkeeping only: the caller loads and unloads.
 */
import assert from 'node:assert/strict';
import { PlatformError } from '../../errors.ts';

/** What the cache needs to know about a model: the memory that counts against the limit. */
export interface CachedModel {
  readonly memoryMiB: number;
}

interface Slot<Model extends CachedModel> {
  readonly model: Model;
  /** Requests that use it. */
  users: number;
  usedAt: number;
  /** Called when the last of them ended; for a model that is being removed. */
  onIdle: (() => void) | null;
}

/** A model in use, which is not unloaded until `release`. */
export interface CacheLease<Model> {
  readonly model: Model;
  release(): void;
}

interface Waiter {
  readonly memoryMiB: number;
  readonly resolve: () => void;
}

export interface ModelCacheOptions<Model extends CachedModel> {
  readonly memoryMiBMax: () => number;
  /** Unloads a model. Its memory counts until this resolves. */
  readonly unload: (key: string, model: Model) => Promise<void>;
}

/** Requests that wait for memory; more are rejected, because each holds its body. */
const waitingMax = 64;

/** Models by key, each with its number of current users. One cache for each multi-model variant. */
export class ModelCache<Model extends CachedModel> {
  readonly #options: ModelCacheOptions<Model>;
  readonly #slots = new Map<string, Slot<Model>>();
  readonly #waiting: Waiter[] = [];
  /** Memory of loaded models, of models being loaded, and of models being unloaded. */
  #memoryMiB = 0;
  /** The part of it that evictions under way will free. */
  #leavingMiB = 0;
  #uses = 0;

  constructor(options: ModelCacheOptions<Model>) {
    this.#options = options;
  }

  get loaded(): readonly Model[] {
    return [...this.#slots.values()].map(({ model }) => model);
  }

  get memoryMiB(): number {
    return this.#memoryMiB;
  }

  peek(key: string): Model | undefined {
    return this.#slots.get(key)?.model;
  }

  /** Null if the model is not loaded. */
  use(key: string): CacheLease<Model> | null {
    const slot = this.#slots.get(key);
    if (slot === undefined) return null;
    slot.users++;
    slot.usedAt = ++this.#uses;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      slot.users--;
      if (slot.users > 0) return;
      slot.onIdle?.();
      this.#admit();
    };
    return { model: slot.model, release };
  }

  isIdle(key: string): boolean {
    return this.#slots.get(key)?.users === 0;
  }

  /**
   * Reserves memory, evicting idle models if needed. Waits while models in use need it. Pass the reservation to `add` or `cancel`. Throws
   * `overloaded` if too many requests wait already, and `unavailable` when `signal` aborts.
   */
  async reserve(memoryMiB: number, signal: AbortSignal): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(memoryMiB)) {
      this.#memoryMiB += memoryMiB;
      return;
    }
    if (this.#waiting.length >= waitingMax) {
      throw new PlatformError('overloaded', `${waitingMax} requests wait for memory to load models: retry later, or add instances`, {
        retryAfterMs: 1000,
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { memoryMiB, resolve };
    const abort = (): void => {
      const at = this.#waiting.indexOf(waiter);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      reject(new PlatformError('unavailable', 'all loaded models are in use, and none was freed in time', { retryAfterMs: 1000 }));
      this.#admit();
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#waiting.push(waiter);
    this.#admit();
    await promise.finally(() => signal.removeEventListener('abort', abort));
  }

  cancel(memoryMiB: number): void {
    this.#memoryMiB -= memoryMiB;
    this.#admit();
  }

  /** Adds a model whose memory was reserved. It is in use until the lease is released, so that it is not evicted before its first request. */
  add(key: string, model: Model): CacheLease<Model> {
    assert(!this.#slots.has(key), 'a model is loaded once');
    this.#slots.set(key, { model, users: 0, usedAt: 0, onIdle: null });
    return this.use(key) as CacheLease<Model>;
  }

  /** Removes a model. One in use is unloaded when its requests have ended, and its memory is free then. Resolves then. */
  async remove(key: string): Promise<void> {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    if (slot.users > 0) await new Promise<void>((resolve) => (slot.onIdle = resolve));
    try {
      await this.#options.unload(key, slot.model);
    } finally {
      this.#memoryMiB -= slot.model.memoryMiB;
      this.#admit();
    }
  }

  /** Removes all models for which `isStale` holds. */
  async removeWhere(isStale: (model: Model) => boolean): Promise<void> {
    const keys = [...this.#slots].filter(([, { model }]) => isStale(model)).map(([key]) => key);
    await Promise.all(keys.map((key) => this.remove(key)));
  }

  #fits(memoryMiB: number): boolean {
    return this.#memoryMiB + memoryMiB <= this.#options.memoryMiBMax();
  }

  /** Admits waiting requests in order, and evicts idle models for the first one that does not fit. */
  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#fits(first.memoryMiB); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#memoryMiB += first.memoryMiB;
      first.resolve();
    }
    const [first] = this.#waiting;
    if (first === undefined) return;
    let missing = this.#memoryMiB + first.memoryMiB - this.#options.memoryMiBMax() - this.#leavingMiB;
    const idle = [...this.#slots].filter(([, { users }]) => users === 0).sort(([, one], [, other]) => one.usedAt - other.usedAt);
    for (const [key, { model }] of idle) {
      if (missing <= 0) return;
      missing -= model.memoryMiB;
      this.#evict(key, model.memoryMiB);
    }
  }

  #evict(key: string, memoryMiB: number): void {
    this.#leavingMiB += memoryMiB;
    void this.remove(key).finally(() => {
      this.#leavingMiB -= memoryMiB;
    });
  }
}
