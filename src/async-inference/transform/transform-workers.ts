/** The workers of one transform: its own, started for it and ended after it, so that nobody's endpoint is slower for it. */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Provider, WorkerSpec } from '../../providers/index.ts';
import { WorkerGone, type WorkerLink } from '../../runtime/index.ts';

export interface TransformWorkersOptions {
  readonly provider: Pick<Provider, 'start' | 'stop' | 'list' | 'link' | 'onChange' | 'restart'>;
  readonly clock: Clock;
  readonly specs: readonly WorkerSpec[];
  /** Invocations under way on each. */
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly signal: AbortSignal;
}

interface Waiting {
  /** Of a worker: how many invocations it takes the place of. */
  readonly weight: number;
  readonly take: (lease: Lease) => void;
  readonly refuse: (error: Error) => void;
}

interface Lease {
  readonly id: string;
  readonly link: WorkerLink;
}

export class TransformWorkers {
  readonly #options: TransformWorkersOptions;
  /** By worker: how many invocations it has. */
  readonly #busy = new Map<string, number>();
  /** Links whose worker was lost: what comes back has another. */
  readonly #gone = new WeakSet<WorkerLink>();
  #waiting: Waiting[] = [];
  #wasReady = false;
  #stopListening = (): void => undefined;

  constructor(options: TransformWorkersOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { provider, specs, signal } = this.#options;
    for (const { id } of specs) this.#busy.set(id, 0);
    this.#stopListening = provider.onChange(({ spec }) => {
      if (this.#busy.has(spec.id)) this.#serve();
    });
    signal.addEventListener('abort', () => this.#refuseAll(signal.reason as Error), { once: true });
    for (const spec of specs) await provider.start(spec);
  }

  async close(): Promise<void> {
    this.#stopListening();
    this.#refuseAll(new PlatformError('unavailable', 'the transform is over'));
    await Promise.all(this.#options.specs.map(({ id }) => this.#options.provider.stop(id)));
  }

  /** How many invocations may be under way at once. */
  get width(): number {
    return this.#options.specs.length * this.#options.concurrency;
  }

  /**
   * One invocation, tried again where the worker was lost or did not answer in time; then alone on its worker, so that whoever
   * ends workers takes nobody along. `isLost`: the error of the invocation is one after which it may be tried again, too.
   */
  async use<T>(invoke: (link: WorkerLink) => Promise<T>, isLost: (error: unknown) => boolean = () => false): Promise<T> {
    const { retries, provider, signal, concurrency } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const weight = attempt === 0 ? 1 : concurrency;
      const { id, link } = await this.#lease(weight);
      try {
        return await this.#withinTime(id, invoke(link));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof WorkerGone) this.#gone.add(link);
        const isTimeout = error instanceof PlatformError && error.code === 'deadline_exceeded';
        if (!(error instanceof WorkerGone || isTimeout || isLost(error))) throw error;
        if (attempt >= retries) throw gaveUp(error, attempt + 1, provider.list().find(({ spec }) => spec.id === id)?.reason ?? null);
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

  /** Gives workers that have room to those who wait, in their order, the least busy first. */
  #serve(): void {
    const { provider, specs, concurrency } = this.#options;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      let best: Lease | null = null;
      let fewest = concurrency - first.weight + 1;
      for (const { id } of specs) {
        const busy = this.#busy.get(id) ?? 0;
        const link = busy < fewest ? provider.link(id) : null;
        if (link === null || this.#gone.has(link)) continue;
        best = { id, link };
        fewest = busy;
      }
      if (best === null) break;
      this.#wasReady = true;
      this.#busy.set(best.id, fewest + first.weight);
      this.#waiting.shift();
      first.take(best);
    }
    if (this.#waiting.length > 0) this.#refuseIfFailed();
  }

  /** No worker has ever come up, each crashed again and again: waiting on is no use. */
  #refuseIfFailed(): void {
    if (this.#wasReady) return;
    const ids = new Set(this.#options.specs.map(({ id }) => id));
    const views = this.#options.provider.list().filter(({ spec }) => ids.has(spec.id));
    if (views.length === 0 || views.some(({ state }) => state !== 'failed')) return;
    this.#refuseAll(
      new PlatformError('unavailable', `no worker of the model can be kept running: ${views[0]?.reason ?? 'it ends at once'}`),
    );
  }

  #refuseAll(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { refuse } of waiting) refuse(error);
  }

  async #withinTime<T>(id: string, answer: Promise<T>): Promise<T> {
    const { clock, timeoutMs, provider, signal } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    late.catch(() => undefined);
    const cancel = clock.after(timeoutMs, () => {
      const text = `an invocation took longer than ${Math.round(timeoutMs / 1000)} s`;
      provider.restart(id, text);
      reject(new PlatformError('deadline_exceeded', text));
    });
    const give = (): void => reject(signal.reason);
    signal.addEventListener('abort', give, { once: true });
    try {
      return await Promise.race([answer, late]);
    } finally {
      cancel();
      signal.removeEventListener('abort', give);
    }
  }
}

function gaveUp(error: unknown, attempts: number, ended: string | null): PlatformError {
  const why = error instanceof WorkerGone ? `its worker ended${ended === null ? '' : ` (${ended})`}` : (error as Error).message;
  const message = attempts === 1 ? why : `after ${attempts} tries: ${why}`;
  return new PlatformError('model_failed', message, { cause: error });
}
