/** A ready worker of another host, as requests see it: its calls go over the link to the agent of the host, which relays them. */
import { PlatformError } from '../errors.ts';
import {
  type IndexedTensor,
  type InvokeResult,
  type MissingModel,
  type Payload,
  type ReplySink,
  type ResultReader,
  type RunResult,
  resultReader,
  type ServingLink,
  type TensorParts,
  type WorkerPlans,
  type WorkerStatus,
} from '../runtime/index.ts';
import type { Signature } from '../tensor.ts';
import type { HostCalls } from './host-calls.ts';
import { fieldsOf, numberOf } from './link/reports.ts';

/** The worker as its agent has reported it. */
export interface RemoteWorkerLinkOptions {
  readonly calls: Pick<HostCalls, 'run' | 'invoke' | 'command'>;
  /** The number of the link on its host. */
  readonly link: number;
  readonly signature: Signature | null;
  readonly plans: WorkerPlans | undefined;
  /** Of the home. */
  readonly epoch: number;
}

/** Exists as long as the process of the worker and the link to its host. */
export class RemoteWorkerLink implements ServingLink {
  readonly missing: { found: readonly MissingModel[] } = { found: [] };
  readonly #options: RemoteWorkerLinkOptions;
  readonly #inputIndex: ReadonlyMap<string, number>;
  readonly #read: ResultReader;
  #runsOpen = 0;
  #runsSent = 0;

  constructor(options: RemoteWorkerLinkOptions) {
    this.#options = options;
    this.#inputIndex = new Map(options.signature?.inputs.map((spec, index) => [spec.name, index]));
    this.#read = resultReader(options.plans);
  }

  /** Runs and invocations that were sent and not answered. */
  get runsOpen(): number {
    return this.#runsOpen;
  }

  /** Runs and invocations that were ever sent. */
  get runsSent(): number {
    return this.#runsSent;
  }

  run(inputs: readonly TensorParts[], requestIds: readonly string[] = [], plan = 0): Promise<RunResult> {
    const { calls, link, signature } = this.#options;
    if (signature === null) return Promise.reject(new PlatformError('wrong_state', 'no model is loaded in this worker'));
    try {
      return this.#counted(calls.run(link, { inputs: this.#indexed(inputs), plan, ids: requestIds }, signature, this.#read));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  invoke(
    payload: Payload,
    replyBytesMax: number,
    sink: ReplySink | null = null,
    requestIds: readonly string[] = [],
  ): Promise<InvokeResult> {
    return this.#counted(this.#options.calls.invoke(this.#options.link, payload, { replyBytesMax, sink, ids: requestIds }));
  }

  async status(): Promise<WorkerStatus> {
    const { calls, link, epoch } = this.#options;
    const { rssBytes } = fieldsOf(await calls.command({ method: 'status', epoch, link }));
    return { rssBytes: numberOf(rssBytes), pid: 0 };
  }

  async #counted<T>(call: Promise<T>): Promise<T> {
    this.#runsOpen++;
    this.#runsSent++;
    try {
      return await call;
    } finally {
      this.#runsOpen--;
    }
  }

  #indexed(inputs: readonly TensorParts[]): IndexedTensor[] {
    return inputs.map(({ name, ...tensor }) => {
      const index = this.#inputIndex.get(name);
      if (index === undefined) {
        const known = [...this.#inputIndex.keys()].join(', ');
        throw new PlatformError('invalid_request', `the model has no input '${name}': expected ${known}`);
      }
      return { index, ...tensor };
    });
  }
}
