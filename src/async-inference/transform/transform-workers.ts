/** The dedicated workers of one transform, started and stopped with it, so that endpoints are not slowed down. */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Provider, WorkerSpec } from '../../providers/index.ts';
import { type ServingLink, WorkerLost } from '../../runtime/index.ts';

/** The workers to start, and how invocations are repeated. */
export interface TransformWorkersOptions {
  readonly provider: Pick<Provider, 'start' | 'stop' | 'list' | 'link' | 'onChange' | 'restart'>;
  readonly clock: Clock;
  readonly specs: readonly WorkerSpec[];
  /** Concurrent invocations per worker. */
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly signal: AbortSignal;
}

interface Waiting {
  /** Number of invocation slots of a worker that the invocation occupies. */
  readonly weight: number;
  readonly take: (lease: Lease) => void;
  readonly refuse: (error: Error) => void;
}

interface Lease {
  readonly id: string;
  readonly link: ServingLink;
}

/** An invocation that loses its worker is repeated on another one, a limited number of times. */
export class TransformWorkers {
  readonly #options: TransformWorkersOptions;
  /** Occupied invocation slots by worker. */
  readonly #busy = new Map<string, number>();
  /** Links of lost workers; a restarted worker has a new link. */
  readonly #workerLost = new WeakSet<ServingLink>();
  #waiting: Waiting[] = [];
  #wasReady = false;
  #stopListening = (): void => undefined;

  constructor(options: TransformWorkersOptions) {
    this.#options = options;
  }

  /** Listens before it starts workers, so that no change is missed. Resolves before they are ready. */
  async open(): Promise<void> {
    const { provider, specs, signal } = this.#options;
    for (const { id } of specs) this.#busy.set(id, 0);
    this.#stopListening = provider.onChange(({ spec }) => {
      if (this.#busy.has(spec.id)) this.#serve();
    });
    signal.addEventListener('abort', () => this.#rejectAll(signal.reason as Error), { once: true });
    for (const spec of specs) await provider.start(spec);
  }

  async close(): Promise<void> {
    this.#stopListening();
    this.#rejectAll(new PlatformError('unavailable', 'the transform has ended'));
    await Promise.all(this.#options.specs.map(({ id }) => this.#options.provider.stop(id)));
  }

  /** Maximum number of concurrent invocations. */
  get width(): number {
    return this.#options.specs.length * this.#options.concurrency;
  }

  /**
   * Runs one invocation and retries it if the worker was lost or timed out. A retry has a worker for itself, so that a record that crashes
   * workers does not fail others. `isLost` selects other errors after which the invocation is retried.
   */
  async use<T>(invoke: (link: ServingLink) => Promise<T>, isLost: (error: unknown) => boolean = () => false): Promise<T> {
    const { retries, provider, signal, concurrency } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const weight = attempt === 0 ? 1 : concurrency;
      const { id, link } = await this.#lease(weight);
      try {
        return await this.#withTimeout(id, invoke(link));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof WorkerLost) this.#workerLost.add(link);
        const isTimeout = error instanceof PlatformError && error.code === 'deadline_exceeded';
        if (!(error instanceof WorkerLost || isTimeout || isLost(error))) throw error;
        if (attempt >= retries) throw finalError(error, attempt + 1, provider.list().find(({ spec }) => spec.id === id)?.reason ?? null);
      } finally {
        this.#busy.set(id, (this.#busy.get(id) ?? weight) - weight);
        this.#serve();
      }
    }
  }

  #lease(weight: number): Promise<Lease> {
    return new Promise((take, refuse) => {
      const { signal } = this.#options;
      if (signal.aborted) return refuse(signal.reason as Error);
      this.#waiting.push({ weight, take, refuse });
      this.#serve();
    });
  }

  /** Assigns free workers to waiting invocations in order, least busy worker first. */
  #serve(): void {
    const { provider, specs, concurrency } = this.#options;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      let best: Lease | null = null;
      let fewest = concurrency - first.weight + 1;
      for (const { id } of specs) {
        const busy = this.#busy.get(id) ?? 0;
        const link = busy < fewest ? provider.link(id) : null;
        if (link === null || this.#workerLost.has(link)) continue;
        best = { id, link };
        fewest = busy;
      }
      if (best === null) break;
      this.#wasReady = true;
      this.#busy.set(best.id, fewest + first.weight);
      this.#waiting.shift();
      first.take(best);
    }
    if (this.#waiting.length > 0) this.#rejectIfFailed();
  }

  /** Rejects waiting invocations if no worker was ever ready and all have failed permanently. */
  #rejectIfFailed(): void {
    if (this.#wasReady) return;
    const ids = new Set(this.#options.specs.map(({ id }) => id));
    const views = this.#options.provider.list().filter(({ spec }) => ids.has(spec.id));
    if (views.length === 0 || views.some(({ state }) => state !== 'failed')) return;
    this.#rejectAll(new PlatformError('unavailable', `no worker of the model stays running: ${views[0]?.reason ?? 'it exits at once'}`));
  }

  #rejectAll(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { refuse } of waiting) refuse(error);
  }

  async #withTimeout<T>(id: string, answer: Promise<T>): Promise<T> {
    const { clock, timeoutMs, provider, signal } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    late.catch(() => undefined);
    const cancel = clock.after(timeoutMs, () => {
      const text = `an invocation took longer than ${Math.round(timeoutMs / 1000)} s`;
      provider.restart(id, text);
      reject(new PlatformError('deadline_exceeded', text));
    });
    const rejectAborted = (): void => reject(signal.reason);
    signal.addEventListener('abort', rejectAborted, { once: true });
    try {
      return await Promise.race([answer, late]);
    } finally {
      cancel();
      signal.removeEventListener('abort', rejectAborted);
    }
  }
}

function finalError(error: unknown, attempts: number, ended: string | null): PlatformError {
  const why = error instanceof WorkerLost ? `its worker ended${ended === null ? '' : ` (${ended})`}` : (error as Error).message;
  const message = attempts === 1 ? why : `after ${attempts} attempts: ${why}`;
  return new PlatformError('model_failed', message, { cause: error });
}
