/**
 * The functions of one endpoint. Serving wishes for them and has them ended; here each wish gets its name at once, and
 * its worker behind it. Nothing of this is stored: after a restart there are none, until requests come.
 */
import type { Clock } from '../clock.ts';
import { functionShape } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';
import { functionExecutor } from '../profiling/index.ts';
import type { Provider, WorkerCommand, WorkerSpec } from '../providers/index.ts';
import { keyOf, type ModelVersion } from '../registry/index.ts';

export interface FunctionWish {
  readonly endpoint: string;
  readonly variant: string;
  readonly version: ModelVersion;
  readonly memoryMiB: number;
  /** What it starts, where the model is a process. */
  readonly process?: WorkerCommand;
}

interface Function {
  readonly wish: FunctionWish;
  readonly wishedAtMs: number;
  /** Settles when the provider has taken it, or will not. */
  readonly start: Promise<void>;
  /** The provider lists it from now on. */
  isTaken: boolean;
}

export interface FunctionNeeds {
  readonly clock: Clock;
  readonly provider: Provider;
  readonly cores: number;
  readonly artifactPath: (version: ModelVersion) => string;
}

export class FunctionWorkers {
  readonly #needs: FunctionNeeds;
  readonly #functions = new Map<string, Function>();
  /** A name is never given twice, so that nobody takes a new function for the one of before. */
  #count = 0;

  constructor(needs: FunctionNeeds) {
    this.#needs = needs;
  }

  /**
   * The name of a new function. Where it cannot be started, or `refusal` says why it must not be, `failed` is told
   * later, never at once.
   */
  start(wish: FunctionWish, generation: number, refusal: string | null, failed: (id: string, error: unknown) => void): string {
    const id = `${keyOf(wish.endpoint)}.${keyOf(wish.variant)}.f${this.#count++}`;
    const start = refusal === null ? this.#start(id, wish, generation) : Promise.reject(new PlatformError('wrong_state', refusal));
    this.#functions.set(id, { wish, wishedAtMs: this.#needs.clock.nowMs(), start, isTaken: false });
    start.catch((error: unknown) => failed(id, error));
    return id;
  }

  /** undefined where the id is unknown, or that of an instance. */
  wishOf(id: string): FunctionWish | undefined {
    return this.#functions.get(id)?.wish;
  }

  /** From the wish until now. */
  ageMs(id: string): number {
    const wishedAtMs = this.#functions.get(id)?.wishedAtMs;
    return wishedAtMs === undefined ? 0 : this.#needs.clock.nowMs() - wishedAtMs;
  }

  /** Those that the provider does not list yet. */
  get untaken(): readonly (readonly [id: string, wish: FunctionWish])[] {
    return [...this.#functions].flatMap(([id, { wish, isTaken }]) => (isTaken ? [] : [[id, wish] as const]));
  }

  /** Resolves when nothing of it runs any more; one whose start is still on its way is waited for. */
  async stop(id: string): Promise<void> {
    await this.#functions.get(id)?.start.catch(() => undefined);
    await this.#needs.provider.stop(id);
    this.#functions.delete(id);
  }

  async #start(id: string, wish: FunctionWish, generation: number): Promise<void> {
    const { provider, cores, artifactPath } = this.#needs;
    const { endpoint, variant, version, memoryMiB, process } = wish;
    const spec: WorkerSpec = {
      id,
      endpoint,
      variant,
      generation,
      modelPath: artifactPath(version),
      modelName: version.name,
      ...functionShape(memoryMiB, cores, provider.limits.cpu),
      memoryMiB,
      ...(process === undefined ? {} : { process }),
      instanceType: functionExecutor(memoryMiB),
      kind: 'function',
    };
    await provider.start(spec);
    const taken = this.#functions.get(id);
    if (taken !== undefined) taken.isTaken = true;
  }
}
