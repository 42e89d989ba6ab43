/**
 * The functions of one endpoint. Serving requests and stops them; a request returns an id at once, and its worker starts in
 * the background. Not stored: after a restart there are no functions until requests arrive.
 */

import type { Clock } from '../../clock.ts';
import { functionShape } from '../../costs/index.ts';
import { defined } from '../../defined.ts';
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import { functionExecutor } from '../../profiling/index.ts';
import type { Provider, WorkerCommand, WorkerPython, WorkerSpec } from '../../providers/index.ts';
import { type ModelVersion, modelArtifactOf } from '../../registry/index.ts';
import type { LadderConfig } from '../config/ladder-config.ts';

/** A request of serving for one more execution environment. */
export interface FunctionRequest {
  readonly endpoint: string;
  readonly variant: string;
  readonly version: ModelVersion;
  readonly memoryMiB: number;
  /** The instance that it runs on, for one of many models. Without it, the memory determines threads and CPU share. */
  readonly on?: { readonly threads: number; readonly vcpuMax: number | null };
  /** The command of a process model. */
  readonly process?: WorkerCommand;
  readonly python?: WorkerPython;
  /** The plans of a variant of a selection. */
  readonly ladder?: LadderConfig;
  /** The models of its floor plan. */
  readonly models?: Pick<WorkerSpec, 'artifact' | 'plans' | 'python'>;
}

interface Function {
  readonly request: FunctionRequest;
  readonly requestedAtMs: number;
  /** Settles when the provider has accepted or rejected it. */
  readonly start: Promise<void>;
  /** Whether the provider lists it. */
  isClaimed: boolean;
}

/** Collaborators of functions. A function's share of the machine's `cores` follows from its memory. */
export interface FunctionWorkersDeps {
  readonly clock: Clock;
  readonly provider: Provider;
  readonly cores: number;
}

/** A failed start is reported later, never from within `start`, so serving is not called back while it dispatches. */
export class FunctionWorkers {
  readonly #deps: FunctionWorkersDeps;
  readonly #functions = new Map<string, Function>();
  /** Ids are never reused, so that a new function cannot be mistaken for an old one. */
  #count = 0;

  constructor(deps: FunctionWorkersDeps) {
    this.#deps = deps;
  }

  /**
   * Returns the id of a new function. `failed` is called later, never synchronously, if it cannot be started or if
   * `refusal` gives a reason not to start it.
   */
  start(request: FunctionRequest, generation: number, refusal: string | null, failed: (id: string, error: unknown) => void): string {
    const id = `${nameKey(request.endpoint)}.${nameKey(request.variant)}.f${this.#count++}`;
    const start = refusal === null ? this.#start(id, request, generation) : Promise.reject(new PlatformError('wrong_state', refusal));
    this.#functions.set(id, { request, requestedAtMs: this.#deps.clock.nowMs(), start, isClaimed: false });
    start.catch((error: unknown) => failed(id, error));
    return id;
  }

  /** Undefined if the id is unknown or belongs to an instance. */
  requestOf(id: string): FunctionRequest | undefined {
    return this.#functions.get(id)?.request;
  }

  /** Time since the request. */
  ageMs(id: string): number {
    const requestedAtMs = this.#functions.get(id)?.requestedAtMs;
    return requestedAtMs === undefined ? 0 : this.#deps.clock.nowMs() - requestedAtMs;
  }

  /** Functions that the provider does not list yet. */
  get unclaimed(): readonly (readonly [id: string, request: FunctionRequest])[] {
    return [...this.#functions].flatMap(([id, { request, isClaimed }]) => (isClaimed ? [] : [[id, request] as const]));
  }

  /** Resolves when the function has stopped; waits for a pending start first. */
  async stop(id: string): Promise<void> {
    await this.#functions.get(id)?.start.catch(() => undefined);
    await this.#deps.provider.stop(id);
    this.#functions.delete(id);
  }

  async #start(id: string, request: FunctionRequest, generation: number): Promise<void> {
    const { provider, cores } = this.#deps;
    const { endpoint, variant, version, memoryMiB, process, python, on, models } = request;
    const spec: WorkerSpec = {
      id,
      endpoint,
      variant,
      generation,
      ...(models ?? { artifact: modelArtifactOf(version) }),
      modelName: version.name,
      ...defined({ displayName: version.displayName }),
      ...(on ?? functionShape(memoryMiB, cores, provider.limits.cpu)),
      memoryMiB,
      ...defined({ process, python }),
      instanceType: functionExecutor(memoryMiB),
      kind: 'function',
    };
    await provider.start(spec);
    const started = this.#functions.get(id);
    if (started !== undefined) started.isClaimed = true;
  }
}
